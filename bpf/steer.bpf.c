// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * New connection -> stable or canary. Runs once a connection, before the SYN finds a listener; what it does not
 * assign goes to the server that owns the port. Everything that is missing, late or wrong ends in SK_PASS.
 */
#include "service.bpf.h"

/* Until when the agent vouches for the weights, CLOCK_MONOTONIC. Renewed at each tick through shared memory. */
__u64 serin_lease_until_ns;

static __always_inline void read_dial(struct bpf_sk_lookup *ctx, struct dial *ret_dial)
{
	ret_dial->client_port = ctx->remote_port;
	ret_dial->local_port = ctx->local_port;
	if (ctx->family == AF_INET) {
		set_ipv4(ret_dial->client, ctx->remote_ip4);
		set_ipv4(ret_dial->local, ctx->local_ip4);
		return;
	}
	ret_dial->client[0] = ctx->remote_ip6[0];
	ret_dial->client[1] = ctx->remote_ip6[1];
	ret_dial->client[2] = ctx->remote_ip6[2];
	ret_dial->client[3] = ctx->remote_ip6[3];
	ret_dial->local[0] = ctx->local_ip6[0];
	ret_dial->local[1] = ctx->local_ip6[1];
	ret_dial->local[2] = ctx->local_ip6[2];
	ret_dial->local[3] = ctx->local_ip6[3];
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

/* Rules to the canary are rules only while it has a weight: after a rollback nothing may go there. */
static __always_inline void steer(struct bpf_sk_lookup *ctx, const struct serin_service *service, const struct dial *dial)
{
	__u32 role = ruled_role(service, dial);

	if (place_of(service, dial, role) >= service->weight)
		count(service->release, role == SERIN_ROLE_STABLE ? SERIN_STEERED_RULED_STABLE : SERIN_STEERED_STABLE);
	else if (assign(ctx, service->release))
		count(service->release, role == SERIN_ROLE_CANARY ? SERIN_STEERED_RULED_CANARY : SERIN_STEERED_CANARY);
	else
		count(service->release, SERIN_STEERED_ABSENT);
}

SEC("sk_lookup")
int serin_steer(struct bpf_sk_lookup *ctx)
{
	struct serin_service *service;
	struct dial dial = {};
	__u16 port = ctx->local_port;

	if (ctx->protocol != IPPROTO_TCP)
		return SK_PASS;
	service = bpf_map_lookup_elem(&serin_services, &port);
	if (!service)
		return SK_PASS;
	read_dial(ctx, &dial);
	service = dialled_service(service, &dial);
	if (!service || service->release >= SERIN_RELEASES_MAX)
		return SK_PASS;
	if (bpf_ktime_get_ns() > serin_lease_until_ns)
		count(service->release, SERIN_STEERED_EXPIRED);
	else
		steer(ctx, service, &dial);
	return SK_PASS;
}
