// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Reads by a server -> when it read. The tracepoint came with Linux 6.3; before it nothing is loaded and pickup is
 * absent. It fires for every read of any socket, so strangers must leave quickly. Which request a read was of is found
 * out when its response is sent (http1.bpf.h): here it would cost a cache line that another CPU has just written.
 */
#include "maps.bpf.h"

#define MSG_PEEK 2

SEC("tp_btf/sock_recv_length")
int BPF_PROG(serin_pickup, struct sock *sk, int ret, int flags)
{
	struct serin_conn *conn;
	__u64 now;

	if (ret <= 0 || flags & MSG_PEEK)
		return 0;
	conn = bpf_sk_storage_get(&serin_conns, sk, 0, 0);
	if (!conn || conn->socket != SERIN_SOCKET_ACCEPTED)
		return 0;
	now = bpf_ktime_get_ns();
	if (!conn->reads.first_ns)
		conn->reads.first_ns = now;
	conn->reads.last_ns = now;
	return 0;
}
