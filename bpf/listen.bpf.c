// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Listeners -> storage and SOCKMAP; connections from their first moment to their last. Works with no agent running:
 * a server that restarts is recognised by its port while the agent is down.
 */
#include "connection.bpf.h"
#include "service.bpf.h"
#include "tcp.bpf.h"

/* Raised whenever a watched port is listened on, so that the agent looks for the server's processes. */
__u64 serin_listen_generation;

#define EEXIST 17

static __always_inline void local_address(struct bpf_sock_ops *ops, __u8 *ret_address)
{
	__u32 *word = (__u32 *)ret_address;

	if (ops->family == AF_INET) {
		__u32 ip = ops->local_ip4;

		word[0] = 0;
		word[1] = 0;
		word[2] = ip ? bpf_htonl(0xffff) : 0;
		word[3] = ip;
		return;
	}
	word[0] = ops->local_ip6[0];
	word[1] = ops->local_ip6[1];
	word[2] = ops->local_ip6[2];
	word[3] = ops->local_ip6[3];
}

/* Who watches the listener of this socket: its own address first, then any. */
static __always_inline struct serin_watch *find_watch(struct bpf_sock_ops *ops)
{
	struct serin_watch_key key = {.port = ops->local_port};
	struct serin_watch *watch;

	key.netns = bpf_get_netns_cookie(ops);
	local_address(ops, key.address);
	watch = bpf_map_lookup_elem(&serin_watches, &key);
	if (watch)
		return watch;
	__builtin_memset(key.address, 0, sizeof(key.address));
	return bpf_map_lookup_elem(&serin_watches, &key);
}

static __always_inline struct serin_conn *tag(struct bpf_sock *sk, __u32 target, enum serin_socket socket)
{
	struct serin_conn *conn = bpf_sk_storage_get(&serin_conns, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);

	if (!conn) {
		serin_lost(SERIN_LOSS_STORAGE, 1);
		return NULL;
	}
	conn->target = target;
	conn->socket = socket;
	return conn;
}

/* Puts a canary's listener where the steering program finds it. */
static __always_inline void offer(struct bpf_sock_ops *ops, __u32 release)
{
	for (__u32 slot = 0; slot < SERIN_SLOTS; slot++) {
		__u32 key = release * SERIN_SLOTS + slot;
		long err = bpf_sock_map_update(ops, &serin_listeners, &key, BPF_NOEXIST);

		if (err != -EEXIST)
			return; /* there, or refused for good (MPTCP): the agent says so */
	}
	serin_lost(SERIN_LOSS_LISTENERS, 1);
}

static __always_inline void listener_started(struct bpf_sock_ops *ops, struct bpf_sock *sk)
{
	struct serin_watch *watch = find_watch(ops);

	if (!watch)
		return;
	/* Tagged before it is offered: no connection may be steered to a listener that is not known. */
	if (tag(sk, watch->target, SERIN_SOCKET_LISTENER) && watch->release < SERIN_RELEASES_MAX)
		offer(ops, watch->release);
	__sync_fetch_and_add(&serin_listen_generation, 1);
}

/* A connection is ours from now on: who it is from, and which place it has among the weights. */
static __always_inline void connection_opened(struct serin_conn *conn, const struct dial *dial)
{
	__u16 port = dial->local_port;
	struct serin_service *service = dialled_service(bpf_map_lookup_elem(&serin_services, &port), dial);
	struct serin_tally *tally = serin_tally_of(conn->target);

	conn->client = siphash_address(serin_salt, (const __u8 *)dial->client);
	conn->opened_ns = bpf_ktime_get_ns();
	conn->service = service != NULL;
	conn->place = service ? place_of(service, dial, ruled_role(service, dial)) : SERIN_NONE;
	if (!tally)
		return;
	serin_add(&tally->opened, 1);
	if (service)
		serin_add(&tally->service_opened, 1);
}

/* The request that came with the ACK of the handshake, if there was one. */
static __always_inline void take_early(struct serin_conn *conn, __u16 port)
{
	struct serin_early *early = serin_early_here();
	struct serin_tally *tally = serin_tally_of(conn->target);

	if (!early || !tally || !early->valid || early->seq != conn->in.next || early->port != port)
		return; /* a stale one: its connection was refused, the accept queue was full */
	early->valid = 0;
	conn->mode = early->conn.mode;
	conn->adrift = early->conn.adrift;
	conn->connect = early->conn.connect;
	conn->deep = early->conn.deep;
	conn->client_fin = early->conn.client_fin;
	conn->half_seen = early->conn.half_seen;
	conn->begun = early->conn.begun;
	conn->counted = early->conn.counted;
	conn->head = early->conn.head;
	conn->turn_ns = early->conn.turn_ns;
	__builtin_memcpy(conn->asked, early->conn.asked, sizeof(conn->asked));
	conn->in = early->conn.in;
	serin_add(&tally->started, early->tally.started);
	serin_add(&tally->bytes_in, early->tally.bytes_in);
	serin_add(&tally->outcome[SERIN_UNKNOWN], early->tally.outcome[SERIN_UNKNOWN]);
	if (early->conn.protocol < SERIN_PROTOCOLS)
		conn_speaks(conn, tally, early->conn.protocol);
	if (conn->service)
		serin_add(&tally->service_requests, early->tally.started);
}

static __always_inline void read_dial(struct bpf_sock_ops *ops, struct dial *ret_dial)
{
	ret_dial->client_port = bpf_htons(bpf_ntohl(ops->remote_port));
	ret_dial->local_port = ops->local_port;
	if (ops->family == AF_INET) {
		set_ipv4(ret_dial->client, ops->remote_ip4);
		set_ipv4(ret_dial->local, ops->local_ip4);
		return;
	}
	ret_dial->client[0] = ops->remote_ip6[0];
	ret_dial->client[1] = ops->remote_ip6[1];
	ret_dial->client[2] = ops->remote_ip6[2];
	ret_dial->client[3] = ops->remote_ip6[3];
	ret_dial->local[0] = ops->local_ip6[0];
	ret_dial->local[1] = ops->local_ip6[1];
	ret_dial->local[2] = ops->local_ip6[2];
	ret_dial->local[3] = ops->local_ip6[3];
}

static __always_inline void connection_accepted(struct bpf_sock_ops *ops, struct bpf_sock *sk)
{
	struct serin_conn *conn = bpf_sk_storage_get(&serin_conns, sk, 0, 0);
	struct dial dial = {};

	if (!conn)
		return;
	read_dial(ops, &dial);
	conn->socket = SERIN_SOCKET_ACCEPTED;
	conn->in.next = ops->rcv_nxt;
	conn->in.seen = 1;
	conn->out.next = ops->snd_nxt;
	conn->out.seen = 1;
	connection_opened(conn, &dial);
	take_early(conn, bpf_ntohl(ops->remote_port));
	/* Others may have asked for callbacks on this socket too. */
	bpf_sock_ops_cb_flags_set(ops, ops->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG);
}

/* The last word on a connection, whatever ended it. */
static __always_inline void connection_ended(struct bpf_sock_ops *ops, struct bpf_sock *sk)
{
	struct serin_conn *conn = bpf_sk_storage_get(&serin_conns, sk, 0, 0);
	struct serin_tally *tally;
	bool client_gone;

	if (!conn || conn->socket != SERIN_SOCKET_ACCEPTED)
		return;
	tally = serin_tally_of(conn->target);
	if (!tally)
		return;
	conn_expire(conn, tally, bpf_ktime_get_ns());
	/* A server that closes with unread data (or is killed so) gets here before its RST is sent. Retransmissions
	 * without an answer mean that the client is gone instead. */
	client_gone = conn->client_fin || conn->doubtful_reset || ops->retrans_out || is_silent(sk) ||
		      ops->args[0] == BPF_TCP_CLOSE_WAIT || ops->args[0] == BPF_TCP_LAST_ACK;
	if (!client_gone && !conn->server_fin)
		conn_note_cut(conn, tally);
	conn_end_pending(conn, tally, client_gone ? SERIN_CLIENT_ABORT : SERIN_SERVER_ABORT);
	conn_closed(conn, tally);
}

SEC("sockops")
int serin_sockops(struct bpf_sock_ops *ops)
{
	struct bpf_sock *sk = ops->sk;

	if (!sk)
		return 1;
	switch (ops->op) {
	case BPF_SOCK_OPS_TCP_LISTEN_CB:
		listener_started(ops, sk);
		break;
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		connection_accepted(ops, sk);
		break;
	case BPF_SOCK_OPS_STATE_CB:
		if (ops->args[1] == BPF_TCP_CLOSE)
			connection_ended(ops, sk);
		break;
	}
	return 1;
}

static __always_inline void read_dial_of(struct sock_common *common, struct dial *ret_dial)
{
	ret_dial->client_port = common->skc_dport;
	ret_dial->local_port = common->skc_num;
	if (common->skc_family == AF_INET) {
		set_ipv4(ret_dial->client, common->skc_daddr);
		set_ipv4(ret_dial->local, common->skc_rcv_saddr);
	} else {
		BPF_CORE_READ_INTO(&ret_dial->client, common, skc_v6_daddr);
		BPF_CORE_READ_INTO(&ret_dial->local, common, skc_v6_rcv_saddr);
	}
}

#define SOL_TCP 6
#define TCP_BPF_SOCK_OPS_CB_FLAGS 1008

/* From Linux 6.12 on; before it the end of an adopted connection is known by its segments only. */
static __always_inline void watch_state(struct sock_common *common)
{
	int flags = 0;

	if (bpf_getsockopt(common, SOL_TCP, TCP_BPF_SOCK_OPS_CB_FLAGS, &flags, sizeof(flags)))
		return;
	flags |= BPF_SOCK_OPS_STATE_CB_FLAG;
	bpf_setsockopt(common, SOL_TCP, TCP_BPF_SOCK_OPS_CB_FLAGS, &flags, sizeof(flags));
}

/* The owner of a connection that is nobody's yet: who watches its local port. */
static __always_inline struct serin_conn *adopt_by_port(struct sock_common *common, struct tcp_sock *sk)
{
	struct serin_watch_key key = {.port = common->skc_num, .netns = common->skc_net.net->net_cookie};
	struct serin_watch *watch = bpf_map_lookup_elem(&serin_watches, &key);
	struct serin_conn *conn;

	if (!watch)
		return NULL;
	conn = bpf_sk_storage_get(&serin_conns, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (conn)
		conn->target = watch->target;
	else
		serin_lost(SERIN_LOSS_STORAGE, 1);
	return conn;
}

/*
 * Connections that were open before the agent came, in the agent's network namespace. User space has tagged those it
 * found in a server's hands (user/targets.c), whatever they dialled; the others belong to whoever watches their port.
 */
SEC("iter/tcp")
int serin_adopt_connections(struct bpf_iter__tcp *ctx)
{
	struct sock_common *common = ctx->sk_common;
	struct dial dial = {};
	struct serin_conn *conn;
	struct tcp_sock *sk;

	if (!common || (common->skc_state != BPF_TCP_ESTABLISHED && common->skc_state != BPF_TCP_CLOSE_WAIT))
		return 0;
	sk = bpf_skc_to_tcp_sock(common);
	if (!sk)
		return 0;
	conn = bpf_sk_storage_get(&serin_conns, sk, 0, 0);
	if (conn && conn->socket != SERIN_SOCKET_FOUND)
		return 0;
	if (!conn)
		conn = adopt_by_port(common, sk);
	if (!conn)
		return 0;
	conn->mode = SERIN_MODE_LOST;
	/* The client spoke last: something is under way, and what it sends next need not be a request. */
	if ((__s32)(BPF_CORE_READ(sk, inet_conn.icsk_ack.lrcvtime) - BPF_CORE_READ(sk, lsndtime)) > 0)
		conn->in.last_ns = 1;
	conn->in.next = BPF_CORE_READ(sk, rcv_nxt); /* not the first segment that comes: anybody can send that */
	conn->in.seen = 1;
	conn->out.next = BPF_CORE_READ(sk, snd_nxt);
	conn->out.seen = 1;
	conn->client_fin = common->skc_state == BPF_TCP_CLOSE_WAIT;
	watch_state(common);
	read_dial_of(common, &dial);
	connection_opened(conn, &dial);
	conn->socket = SERIN_SOCKET_ACCEPTED; /* last: from here on segments are looked at */
	return 0;
}
