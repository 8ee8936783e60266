/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Who dials a service address, and which place that has among the weights. The steering program asks before there is a
 * connection, the others when it is there: both must come to the same answer.
 */
#ifndef SERIN_SERVICE_BPF_H
#define SERIN_SERVICE_BPF_H

#include "maps.bpf.h"
#include "serin/siphash.h"

/* The key of clients' hashes. Drawn by user space, once for the maps' life. */
__u64 serin_salt[2] __weak = {};

/* A client and what it dialled. Addresses as in abi.h. */
struct dial {
	__u32 client[4];
	__u32 local[4];
	__be16 client_port;
	__u16 local_port;
};

/* The compiler must not make one load of two that stand in two branches: a program's context takes no computed offset. */
static __always_inline void set_ipv4(__u32 *ret_address, __u32 ip)
{
	asm volatile("" : "+r"(ip));
	ret_address[0] = 0;
	ret_address[1] = 0;
	ret_address[2] = bpf_htonl(0xffff);
	ret_address[3] = ip;
}

static __always_inline bool is_ipv4(const __u32 *address)
{
	return !address[0] && !address[1] && address[2] == bpf_htonl(0xffff);
}

/* The service at that port, if its own address is what was dialled. NULL: none. */
static __always_inline struct serin_service *dialled_service(struct serin_service *at_port, const struct dial *dial)
{
	const __u32 *want, *got = dial->local;

	if (!at_port)
		return NULL;
	want = (const __u32 *)at_port->address;
	if (!(want[0] | want[1] | want[2] | want[3]))
		return at_port;
	return want[0] == got[0] && want[1] == got[1] && want[2] == got[2] && want[3] == got[3] ? at_port : NULL;
}

/* What a rule says of the client: stable or canary. SERIN_ROLE_NONE: no rule fits. */
static __always_inline __u32 ruled_role(const struct serin_service *service, const struct dial *dial)
{
	struct serin_rule_key key = {.prefix_bits = 8 * (sizeof(key.release) + sizeof(key.address)),
				     .release = service->release};
	__u32 *role;

	if (!(service->flags & SERIN_SERVICE_RULED))
		return SERIN_ROLE_NONE;
	__builtin_memcpy(key.address, dial->client, sizeof(key.address));
	role = bpf_map_lookup_elem(&serin_rules, &key);
	return role ? *role : SERIN_ROLE_NONE;
}

static __always_inline __u32 mix(__u32 h, __u32 word)
{
	/* MurmurHash3's body: enough to spread 4-tuples, and cheap. */
	word *= 0xcc9e2d51;
	word = word << 15 | word >> 17;
	h ^= word * 0x1b873593;
	h = h << 13 | h >> 19;
	return h * 5 + 0xe6546b64;
}

static __always_inline __u32 finish(__u32 h)
{
	h ^= h >> 16;
	h *= 0x85ebca6b;
	h ^= h >> 13;
	h *= 0xc2b2ae35;
	return h ^ h >> 16;
}

/* A hash and not a die: with SYN cookies the final ACK is looked up again and must find the same listener. */
static __always_inline __u32 hash_dial(const struct serin_service *service, const struct dial *dial)
{
	bool sticky = service->flags & SERIN_SERVICE_STICKY;
	__u32 h = service->salt;

	if (!sticky) {
		h = mix(h, dial->client_port);
		h = mix(h, dial->local_port);
	}
	if (!is_ipv4(dial->client)) {
		h = mix(h, dial->client[0]);
		h = mix(h, dial->client[1]);
		h = mix(h, dial->client[2]);
	}
	h = mix(h, dial->client[3]);
	return finish(sticky ? h : mix(h, dial->local[3]));
}

/*
 * A connection is the canary's if its place is below the weight, so raising the weight keeps who is on the canary. A rule
 * gives the first or the one behind the last: to the canary as long as there is any weight, or never.
 */
static __always_inline __u32 place_of(const struct serin_service *service, const struct dial *dial, __u32 role)
{
	if (role == SERIN_ROLE_CANARY)
		return 0;
	if (role == SERIN_ROLE_STABLE)
		return SERIN_WEIGHT_MAX;
	return ((__u64)hash_dial(service, dial) * SERIN_WEIGHT_MAX) >> 32;
}

#endif
