// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Reads by a server -> pickup times. The tracepoint came with Linux 6.3; before it nothing is loaded and pickup is absent.
 * It fires for every read of any socket, so strangers must leave quickly.
 *
 * Which request a read was of is found out when its response is sent (http1.bpf.h): here it would cost a cache line that
 * another CPU has just written. Only when a second read comes before that, it is found out here, for both.
 */
#include "connection.bpf.h"

#define MSG_PEEK 2

SEC("tp_btf/sock_recv_length")
int BPF_PROG(serin_pickup, struct sock *sk, int ret, int flags)
{
	struct reading r = {};

	if (ret <= 0 || flags & MSG_PEEK)
		return 0;
	r.conn = bpf_sk_storage_get(&serin_conns, sk, 0, 0);
	if (!r.conn || r.conn->socket != SERIN_SOCKET_ACCEPTED)
		return 0;
	r.now = bpf_ktime_get_ns();
	if (r.conn->read_ns) {
		bpf_loop(HEAD_BITS, pick_up, &r, 0);
		r.conn->read_before_ns = 0;
		r.now = 0;
	}
	r.conn->read_ns = r.now;
	return 0;
}
