// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Reads by a server -> pickup times. The tracepoint came with Linux 6.3; before it nothing is loaded and pickup is
 * absent. It fires for every read of any socket, so strangers must leave quickly.
 */
#include "maps.bpf.h"

#define MSG_PEEK 2

struct reading {
	struct serin_conn *conn;
	__u32 first;
	__u64 now;
};

static long pick_up(__u32 index, void *ctx)
{
	struct reading *r = ctx;
	__u64 start = r->conn->start_ns[(r->first + index) % SERIN_RING];

	if (start && start < r->now)
		serin_time(r->conn->target, SERIN_PICKUP, r->now - start);
	return 0;
}

/* All requests that had begun have been read from, at least the first byte; with pipelining, at once. */
SEC("tp_btf/sock_recv_length")
int BPF_PROG(serin_pickup, struct sock *sk, int ret, int flags)
{
	struct reading r = {};
	__u32 begun, n;

	if (ret <= 0 || flags & MSG_PEEK)
		return 0;
	r.conn = bpf_sk_storage_get(&serin_conns, sk, 0, 0);
	if (!r.conn || r.conn->socket != SERIN_SOCKET_ACCEPTED)
		return 0;
	r.first = r.conn->picked;
	begun = *(volatile __u32 *)&r.conn->begun;
	n = begun - r.first;
	if (!n || __sync_val_compare_and_swap(&r.conn->picked, r.first, begun) != r.first)
		return 0;
	if (n > SERIN_RING) { /* of the others the start is not remembered; `losses` has them */
		r.first = begun - SERIN_RING;
		n = SERIN_RING;
	}
	r.now = bpf_ktime_get_ns();
	bpf_loop(n, pick_up, &r, 0);
	return 0;
}
