// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The connections of releases' targets, one by one, for user space to choose which are to end (user/drain.c).
 */
#include "maps.bpf.h"

/* Can its requests be told from each other right now? */
static __always_inline bool is_framed(const struct serin_conn *conn)
{
	return conn->mode == SERIN_MODE_HTTP1 && conn->adrift == SERIN_ON_COURSE;
}

/*
 * Requests that would be lost with the connection. A request that has timed out has its outcome and is still there; one
 * may be answered before all of it has come; a response may answer nothing that was seen. What is not framed has something
 * under way when the client spoke last.
 */
static __always_inline __u32 in_flight(const struct serin_conn *conn)
{
	__s32 unanswered = conn->begun - conn->answered, uncounted = conn->begun - conn->counted;

	if (conn->mode == SERIN_MODE_OPAQUE)
		return conn->turn_ns != 0;
	if (!is_framed(conn))
		return conn->in.last_ns > conn->out.last_ns;
	if (unanswered < uncounted)
		unanswered = uncounted;
	if (unanswered > 0)
		return unanswered;
	return conn->in.http.state != HTTP1_START || conn->out.http.state != HTTP1_START;
}

static __always_inline bool is_released(__u32 target)
{
	const struct serin_target_info *info = bpf_map_lookup_elem(&serin_targets, &target);

	return info && info->role != SERIN_ROLE_NONE;
}

#define RCV_SHUTDOWN 1
#define barrier() asm volatile("" ::: "memory")

SEC("iter/bpf_sk_storage_map")
int serin_connections(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct serin_connection connection = {};
	struct sock *sk = ctx->sk;
	struct serin_conn *conn;
	struct tcp_sock *tcp;
	__u8 state;

	asm volatile("" : "+r"(sk)); /* read once: older verifiers forget the check when it is read again */
	if (!sk)
		return 0;
	conn = bpf_sk_storage_get(&serin_conns, sk, 0, 0);
	if (!conn || conn->socket != SERIN_SOCKET_ACCEPTED || !is_released(conn->target))
		return 0;
	state = BPF_CORE_READ(sk, __sk_common.skc_state);
	if (state != BPF_TCP_ESTABLISHED && state != BPF_TCP_CLOSE_WAIT)
		return 0; /* the server has closed it */
	tcp = bpf_skc_to_tcp_sock(sk);
	if (!tcp)
		return 0;
	/* First: while it stays so, what follows is true of all that came. */
	connection.received = BPF_CORE_READ(tcp, bytes_received);
	connection.cookie = bpf_get_socket_cookie(sk);
	connection.inode = BPF_CORE_READ(sk, sk_socket, file, f_inode, i_ino);
	connection.target = conn->target;
	connection.opened_ns = conn->opened_ns;
	connection.spoke_ns = conn->in.last_ns > conn->out.last_ns ? conn->in.last_ns : conn->out.last_ns;
	connection.place = conn->place;
	barrier();
	connection.in_flight = in_flight(conn);
	connection.service = conn->service;
	connection.unframed = !is_framed(conn);
	connection.shut = state == BPF_TCP_CLOSE_WAIT || BPF_CORE_READ(sk, sk_shutdown) & RCV_SHUTDOWN;
	bpf_seq_write(ctx->meta->seq, &connection, sizeof(connection));
	return 0;
}
