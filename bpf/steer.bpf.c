// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * New connection -> stable or canary. Runs once a connection, before the SYN finds a listener; what it does not
 * assign goes to the server that owns the port. Everything that is missing, late or wrong ends in SK_PASS.
 */
#include "maps.bpf.h"

/* Until when the agent vouches for the weights, CLOCK_MONOTONIC. Renewed at each tick through shared memory. */
__u64 serin_lease_until_ns;

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
static __always_inline __u32 hash_tuple(struct bpf_sk_lookup *ctx, __u32 salt)
{
	__u32 h = mix(salt, ctx->remote_port);

	h = mix(h, ctx->local_port);
	if (ctx->family == AF_INET) {
		h = mix(h, ctx->remote_ip4);
		return finish(mix(h, ctx->local_ip4));
	}
	h = mix(h, ctx->remote_ip6[0]);
	h = mix(h, ctx->remote_ip6[1]);
	h = mix(h, ctx->remote_ip6[2]);
	h = mix(h, ctx->remote_ip6[3]);
	return finish(mix(h, ctx->local_ip6[3]));
}

/* The hash's place among SERIN_WEIGHT_MAX, below the weight: raising the weight keeps who is on the canary. */
static __always_inline bool is_canary(__u32 hash, __u32 weight)
{
	return ((__u64)hash * SERIN_WEIGHT_MAX) >> 32 < weight;
}

static __always_inline bool is_address(struct bpf_sk_lookup *ctx, const struct serin_service *service)
{
	const __u32 *want = (const __u32 *)service->address;

	if (!(want[0] | want[1] | want[2] | want[3]))
		return true;
	if (ctx->family == AF_INET)
		return !want[0] && !want[1] && want[2] == bpf_htonl(0xffff) && want[3] == ctx->local_ip4;
	return want[0] == ctx->local_ip6[0] && want[1] == ctx->local_ip6[1] && want[2] == ctx->local_ip6[2] &&
	       want[3] == ctx->local_ip6[3];
}

static __always_inline void count(__u32 release, enum serin_steered kind)
{
	__u32 key = release * SERIN_STEERED_KINDS + kind;
	__u64 *n = bpf_map_lookup_elem(&serin_steered, &key);

	if (n)
		serin_add(n, 1);
}

/* To a listener of the canary: the first that takes this family. The kernel goes on to choose within its reuseport
 * group. */
static __always_inline bool assign(struct bpf_sk_lookup *ctx, __u32 release)
{
	for (__u32 slot = 0; slot < SERIN_SLOTS; slot++) {
		__u32 key = release * SERIN_SLOTS + slot;
		struct bpf_sock *sk = bpf_map_lookup_elem(&serin_listeners, &key);
		long err;

		if (!sk)
			continue;
		err = bpf_sk_assign(ctx, sk, 0);
		bpf_sk_release(sk);
		if (!err)
			return true;
	}
	return false;
}

SEC("sk_lookup")
int serin_steer(struct bpf_sk_lookup *ctx)
{
	struct serin_service *service;
	__u16 port = ctx->local_port;

	if (ctx->protocol != IPPROTO_TCP)
		return SK_PASS;
	service = bpf_map_lookup_elem(&serin_services, &port);
	if (!service || !is_address(ctx, service) || service->release >= SERIN_RELEASES_MAX)
		return SK_PASS;
	if (bpf_ktime_get_ns() > serin_lease_until_ns)
		count(service->release, SERIN_STEERED_EXPIRED);
	else if (!is_canary(hash_tuple(ctx, service->salt), service->weight))
		count(service->release, SERIN_STEERED_STABLE);
	else if (assign(ctx, service->release))
		count(service->release, SERIN_STEERED_CANARY);
	else
		count(service->release, SERIN_STEERED_ABSENT);
	return SK_PASS;
}
