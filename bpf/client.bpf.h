/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What each client does on both versions of a release: requests whose outcome is known, in serin_clients, until the agent
 * takes them out.
 */
#ifndef SERIN_CLIENT_BPF_H
#define SERIN_CLIENT_BPF_H

#include "maps.bpf.h"

/* Bit masks of enum serin_outcome: what is known to be good or bad (N), and which of it is bad (N without S). Written by
 * user space. */
__u32 serin_counts __weak = 1 << SERIN_SUCCESS | 1 << SERIN_CLIENT_ERROR | 1 << SERIN_THROTTLED | 1 << SERIN_SERVER_ERROR |
			    1 << SERIN_SERVER_ABORT | 1 << SERIN_TIMEOUT;
__u32 serin_fails __weak = 1 << SERIN_THROTTLED | 1 << SERIN_SERVER_ERROR | 1 << SERIN_SERVER_ABORT | 1 << SERIN_TIMEOUT;

/* Clients that got a place in serin_clients. What was not taken out of it again went by itself. */
__u64 serin_clients_added __weak = 0;

#define DEADLINE_NS 60000000000ULL /* where user space has set none */

static __always_inline struct serin_target_info *info_of(__u32 target)
{
	return bpf_map_lookup_elem(&serin_targets, &target);
}

/* ns without a byte from the server after which a request has timed out. */
static __always_inline __u64 deadline_of(const struct serin_target_info *info)
{
	return info && info->deadline_ns ? info->deadline_ns : DEADLINE_NS;
}

static __always_inline bool is_success(enum serin_outcome outcome)
{
	return (serin_counts & ~serin_fails) >> outcome & 1;
}

static __always_inline bool is_by_client(const struct serin_conn *conn, const struct serin_target_info *info)
{
	return info->by_client && conn->service;
}

/* Bit i: the time is above edge i. */
static __always_inline __u32 edges_passed(const __u64 *edges, __u64 ns)
{
	__u32 passed = 0;

	for (__u32 i = 0; i < SERIN_EDGES; i++)
		if (edges[i] && ns > edges[i])
			passed |= 1 << i;
	return passed;
}

/* The edges that there are: what is never answered is above all of them, whether it would have streamed or not. */
static __always_inline __u32 edges_there(const struct serin_target_info *info)
{
	return edges_passed(info->duration_edge_ns, -1) | edges_passed(info->first_chunk_edge_ns, -1);
}

/* A client nobody has heard of since the agent's last tick. NULL: there is no place. */
static __noinline __attribute__((unused)) struct serin_client *add_client(const struct serin_client_key *key)
{
	struct serin_client none = {}, *client;

	if (!bpf_map_update_elem(&serin_clients, key, &none, BPF_NOEXIST))
		__sync_fetch_and_add(&serin_clients_added, 1);
	client = bpf_map_lookup_elem(&serin_clients, key); /* also when another CPU was first */
	if (!client)
		serin_lost(SERIN_LOSS_CLIENTS, 1);
	return client;
}

/*
 * `n` requests of the connection's client have this outcome and passed these edges. While it is counted the agent may take
 * the element out: what comes in those nanoseconds is in nobody's count, whatever its outcome was.
 */
static __noinline __attribute__((unused)) void count_client(const struct serin_conn *conn, const struct serin_target_info *info,
							    enum serin_outcome outcome, __u32 n, __u32 passed)
{
	struct serin_client_key key = {.hash = conn->client, .release = info->release};
	struct serin_client *client;
	struct serin_client_counts *arm;
	__u32 role = info->role;

	if (!(serin_counts >> outcome & 1) || key.release >= SERIN_RELEASES_MAX ||
	    (role != SERIN_ROLE_STABLE && role != SERIN_ROLE_CANARY))
		return;
	client = bpf_map_lookup_elem(&serin_clients, &key);
	if (!client)
		client = add_client(&key);
	if (!client)
		return;
	arm = &client->arm[0];
	if (role == SERIN_ROLE_CANARY)
		arm = &client->arm[1];
	__sync_fetch_and_add(&arm->n, n);
	if (serin_fails >> outcome & 1)
		__sync_fetch_and_add(&arm->hit[0], n);
	for (__u32 i = 0; i < SERIN_EDGES; i++)
		if (passed >> i & 1)
			__sync_fetch_and_add(&arm->hit[1 + i], n);
}

#endif
