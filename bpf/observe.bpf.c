// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Sockets -> tallies. Every segment of a tracked connection passes one of two programs at the root of cgroup2,
 * whatever system call or ring made it. TCP sequence numbers decide which of its bytes are new, the framing of its
 * protocol (protocol.bpf.h) says what they are, and requests are counted and timed right here. Nothing is changed and
 * nothing is dropped: both programs always answer 1.
 */
#include "protocol.bpf.h"
#include "tcp.bpf.h"

#define LOCK_TRIES 4096	 /* some microseconds */

/* Bytes of a stream that will not be seen in order any more. */
static __always_inline void pass_missed(struct walk *w, enum direction dir, __u32 n)
{
	stream_of(w->conn, dir)->next += n;
	serin_add(dir == IN ? &w->tally->bytes_in : &w->tally->bytes_out, n);
	protocol_missed(w, dir, n);
}

/*
 * The segment lies beyond a hole.
 *
 * From the client: it is left alone until the kernel's TCP has received, in order, what we have not seen: `rcv_nxt`. It
 * comes again when the hole is filled by going back, and then nothing is lost; when only the hole is sent again, the
 * bytes up to rcv_nxt were left alone here. Forged segments that TCP does not take are never looked at.
 *
 * From the server: TCP sends in order, so something between it and us dropped a segment, a firewall's output chain.
 */
static __noinline void bridge(struct walk *w, const struct segment *seg, enum direction dir)
{
	struct serin_stream *s = stream_of(w->conn, dir);
	struct bpf_sock *sk = w->skb->sk;
	struct bpf_tcp_sock *tcp;
	__s32 missed;

	if (dir == OUT) {
		pass_missed(w, dir, seg->seq - s->next);
		return;
	}
	tcp = sk ? bpf_tcp_sock(sk) : NULL;
	missed = tcp && !w->conn->client_fin ? tcp->rcv_nxt - s->next : 0; /* a FIN has a number too, and is the last */
	if (missed > 0)
		pass_missed(w, dir, missed);
}

enum refusal { TAKEN, REFUSED, REFUSED_FIRST };

/* Bytes that were looked at come again, and TCP has not taken the first of them, nor has it them waiting for the server to
 * let go of the socket: it had refused that segment, most likely by its checksum, which is looked at after us. */
static __noinline enum refusal was_refused(struct walk *w, const struct segment *seg)
{
	struct bpf_sock *sk = w->skb->sk;
	struct tcp_sock *tcp = sk ? bpf_skc_to_tcp_sock(sk) : NULL;
	struct bpf_tcp_sock *numbers = sk ? bpf_tcp_sock(sk) : NULL;

	if (!tcp || !numbers || BPF_CORE_READ(tcp, inet_conn.icsk_inet.sk.sk_backlog.len) ||
	    (__s32)(numbers->rcv_nxt - seg->seq) > 0)
		return TAKEN;
	return numbers->rcv_nxt == seg->seq && !numbers->bytes_received ? REFUSED_FIRST : REFUSED;
}

/* All that the connection has said was refused: it begins anew, and what was counted of it is taken back. */
static __noinline void forget_all(struct serin_conn *conn, struct serin_tally *tally)
{
	__u32 begun = conn->begun ? conn->begun : conn->turn_ns != 0, protocol = conn->protocol;

	serin_add_in(&tally->started, -(__u64)begun);
	if (conn->service)
		serin_add_in(&tally->service_requests, -(__u64)begun);
	if (conn->counted) /* not HTTP/1 after all: the newest request became a turn, those before it unknown */
		serin_add(&tally->outcome[SERIN_UNKNOWN], 1 - (__u64)conn->counted);
	if (protocol != SERIN_PROTOCOL_UNSEEN) {
		asm volatile("" : "+r"(protocol)); /* or the two checks become one, of a copy, which older verifiers do not follow */
		if (protocol < SERIN_PROTOCOLS)
			serin_add(&tally->protocol[protocol], -1);
	}
	conn->protocol = SERIN_PROTOCOL_UNSEEN;
	conn->mode = SERIN_MODE_HTTP1;
	conn->begun = 0;
	conn->counted = 0;
	conn->turn_ns = 0;
	__builtin_memset(conn->asked, 0, sizeof(conn->asked));
	__builtin_memset(&conn->in.http, 0, sizeof(conn->in.http));
}

/* What a segment said that TCP refused is to be forgotten. In a body it does not matter what it said. */
static __noinline bool forget_refused(struct walk *w, const struct segment *seg)
{
	struct serin_conn *conn = w->conn;
	__u8 state = conn->in.http.state;
	bool framed = conn->protocol <= SERIN_HTTP1 && conn->mode != SERIN_MODE_TUNNEL && state != HTTP1_BODY &&
		      state != HTTP1_CHUNK_DATA;
	enum refusal refusal = was_refused(w, seg);

	if (refusal == REFUSED_FIRST && (conn->mode == SERIN_MODE_OPAQUE || (conn->mode == SERIN_MODE_HTTP1 && !conn->counted)))
		forget_all(conn, w->tally);
	else if (refusal != TAKEN && framed)
		lose_sync(conn, w->tally, SERIN_LOSS_GAP);
	else
		return false;
	serin_add_in(&w->tally->bytes_in, -(__u64)(conn->in.next - seg->seq));
	conn->in.next = seg->seq;
	return true;
}

/* How many bytes from the segment's start are not to be looked at: old ones, or all, beyond a hole. */
static __always_inline __u32 skip_bytes(struct walk *w, const struct segment *seg, enum direction dir)
{
	struct serin_stream *s = stream_of(w->conn, dir);
	__u32 len = seg->end - seg->at, old;

	if (!s->seen) {
		s->seen = 1;
		s->next = seg->seq;
	}
	if ((__s32)(s->next - seg->seq) < 0)
		bridge(w, seg, dir);
	old = s->next - seg->seq;
	if (dir == IN && (__s32)old > 0 && len && forget_refused(w, seg))
		return 0;
	if (old > len)
		old = len;
	if (old && dir == OUT) {
		serin_add(&w->tally->retransmits, 1);
		serin_add(&w->tally->retransmitted_bytes, old);
	}
	return old;
}

static __always_inline void payload(struct walk *w, const struct segment *seg, enum direction dir)
{
	struct serin_stream *s = stream_of(w->conn, dir);

	s->at = seg->at + skip_bytes(w, seg, dir);
	s->end = seg->end;
	s->window_bytes = 0;
	if (s->at >= s->end)
		return;
	s->next = seg->seq + (seg->end - seg->at);
	if (dir == IN)
		serin_add_in(&w->tally->bytes_in, s->end - s->at);
	else
		serin_add(&w->tally->bytes_out, s->end - s->at);
	protocol_bytes(w, dir);
	s->last_ns = w->now;
}

/* ---- the ends of a connection ---- */

static __always_inline void server_closes(struct walk *w, const struct segment *seg)
{
	struct serin_conn *conn = w->conn;
	struct bpf_sock *sk = w->skb->sk;

	if (conn->server_fin)
		return; /* a retransmitted FIN */
	conn->server_fin = 1;
	if (sk && sk->state == BPF_TCP_LAST_ACK) /* its FIN may have come unseen */
		conn->client_fin = 1;
	if (seg->rst)
		conn_note_cut(conn, w->tally);
	else
		protocol_server_closed(w);
	if (conn->held)
		return;
	conn_expire(conn, w->tally, w->now);
	conn_end_pending(conn, w->tally, conn->client_fin || (seg->rst && sk && is_silent(sk)) ? SERIN_CLIENT_ABORT
											  : SERIN_SERVER_ABORT);
}

/* Does TCP take what has this number, or keep it for later? Anyone can send other ones. */
static __noinline bool in_window(struct walk *w, __u32 seq)
{
	struct bpf_sock *sk = w->skb->sk;
	struct tcp_sock *tcp = sk ? bpf_skc_to_tcp_sock(sk) : NULL;

	return tcp && seq - BPF_CORE_READ(tcp, rcv_nxt) <= BPF_CORE_READ(tcp, rcv_wnd);
}

/* Will TCP take this RST? It must be the next byte in sequence (RFC 5961, 3.2): anyone can send another. */
static __always_inline bool resets(struct walk *w, const struct segment *seg)
{
	struct bpf_sock *sk = w->skb->sk;
	struct bpf_tcp_sock *tcp;

	if (!w->conn->in.seen || seg->seq == w->conn->in.next)
		return true;
	tcp = sk ? bpf_tcp_sock(sk) : NULL;
	return tcp && tcp->rcv_nxt == seg->seq;
}

/* A FIN may only say that the client has finished asking: the response decides, or its absence. */
static __always_inline void client_closes(struct walk *w, const struct segment *seg)
{
	struct serin_conn *conn = w->conn;

	conn_expire(conn, w->tally, w->now); /* first: what was late before it left is a time-out */
	if (seg->rst) {
		conn->held = 0;
		conn_end_pending(conn, w->tally, SERIN_CLIENT_ABORT);
	}
	conn->client_fin = 1;
}

static __noinline void ends(struct walk *w, const struct segment *seg, enum direction dir)
{
	struct serin_conn *conn = w->conn;

	if (dir == IN && seg->rst && !resets(w, seg)) {
		if (in_window(w, seg->seq))
			conn->doubtful_reset = 1; /* the socket's state will tell */
		return;
	}
	if (dir == IN && !seg->rst && seg->seq + (seg->end - seg->at) != conn->in.next &&
	    !in_window(w, seg->seq + (seg->end - seg->at)))
		return;
	if (dir == OUT)
		server_closes(w, seg);
	else
		client_closes(w, seg);
	if (seg->rst || (conn->client_fin && conn->server_fin))
		conn_closed(conn, w->tally);
}

/* Does TCP take this ACK? Its number is compared with what is written, which does not change while it is on its way. */
static __noinline bool is_acknowledged(struct walk *w, const struct segment *seg)
{
	struct bpf_sock *sk = w->skb->sk;
	struct tcp_sock *tcp = sk ? bpf_skc_to_tcp_sock(sk) : NULL;

	return tcp && in_window(w, seg->seq) && (__s32)(BPF_CORE_READ(tcp, write_seq) - seg->ack) >= 0;
}

/* A response was sent to a client that had sent its FIN, and here is its ACK of all of it: it was listening. */
static __always_inline void release_held(struct walk *w, const struct segment *seg)
{
	struct serin_conn *conn = w->conn;
	__u32 held = conn->client_fin ? conn->held : 0; /* the server's side's cache line: not without need */

	if (!held || held > SERIN_OUTCOMES || seg->rst || (__s32)(seg->ack - conn->out.next) < 0)
		return;
	if (!is_acknowledged(w, seg))
		return;
	conn->held = 0;
	settle(conn, w->tally, conn->answered - 1, held - 1, conn->held_streaming ? SERIN_STREAM_DURATION : SERIN_DURATION,
	       conn->held_ns);
}

/* ---- one segment at a time ---- */

static long try_lock(__u32 index, void *ctx)
{
	struct serin_conn *conn = *(struct serin_conn **)ctx;

	return __sync_val_compare_and_swap(&conn->busy, 0, 1) == 0;
}

/* The ingress hook is before the socket's lock, so two CPUs can hold segments of one connection. */
static __always_inline bool lock(struct serin_conn *conn)
{
	if (__sync_val_compare_and_swap(&conn->busy, 0, 1) == 0)
		return true;
	return bpf_loop(LOCK_TRIES, try_lock, &conn, 0) < LOCK_TRIES;
}

/* On x86 stores are seen in order, and an exchange would wait for those before it: for the cache line of `asked`, which
 * the server's CPU has, longer than all the rest takes. */
static __always_inline void unlock(struct serin_conn *conn)
{
#ifdef __TARGET_ARCH_x86
	asm volatile("" ::: "memory");
	*(volatile __u32 *)&conn->busy = 0;
#else
	__sync_lock_test_and_set(&conn->busy, 0);
#endif
}

/* The segment belongs to a connection that does not exist yet: it is read into this CPU's spare one, which the
 * connection takes over when it is established (bpf/listen.bpf.c), still within this softirq. */
static __noinline bool use_early(struct walk *w, const struct segment *seg)
{
	struct serin_early *early = serin_early_here();
	__u32 target = w->conn->target;

	if (!early || seg->at == seg->end)
		return false;
	__builtin_memset(early, 0, offsetof(struct serin_early, conn.in_window));
	__builtin_memset(&early->conn.answered, 0, offsetof(struct serin_conn, out_window) - offsetof(struct serin_conn, answered));
	__builtin_memset(&early->tally, 0, sizeof(early->tally));
	early->seq = seg->seq;
	early->port = seg->port;
	early->valid = 1;
	early->conn.target = target;
	w->conn = &early->conn;
	w->tally = &early->tally;
	return true;
}

/* Part of a response may be among what cannot be read. */
static __noinline void lose_unreadable(struct serin_conn *conn, enum direction dir)
{
	struct serin_tally *tally = serin_tally_of(conn->target);

	if (dir == OUT && tally && conn->mode == SERIN_MODE_HTTP1)
		lose_sync(conn, tally, SERIN_LOSS_UNREADABLE);
	else
		serin_lost(SERIN_LOSS_UNREADABLE, 1);
}

static __always_inline void observe(struct __sk_buff *skb, enum direction dir)
{
	struct bpf_sock *sk = skb->sk;
	struct segment seg = {};
	struct walk w = {.skb = skb};

	if (!sk)
		return;
	w.conn = bpf_sk_storage_get(&serin_conns, sk, 0, 0);
	if (!w.conn || (w.conn->socket != SERIN_SOCKET_ACCEPTED && (dir == OUT || w.conn->socket != SERIN_SOCKET_LISTENER)))
		return;
	if (!read_segment(skb, &seg)) {
		lose_unreadable(w.conn, dir);
		return;
	}
	if (seg.syn) /* it takes a place in the sequence; only TCP Fast Open has data behind it */
		seg.seq++;
	if (seg.syn && (dir == OUT || seg.at == seg.end))
		return;
	if (seg.at == seg.end && !seg.fin && !seg.rst && !(dir == IN && w.conn->client_fin && w.conn->held))
		return;
	w.tally = serin_tally_of(w.conn->target);
	if (!w.tally)
		return;
	if (w.conn->socket == SERIN_SOCKET_LISTENER && !use_early(&w, &seg))
		return;
	if (dir == IN && !lock(w.conn)) {
		serin_lost(SERIN_LOSS_CONTENDED, 1); /* it is a hole in the stream now: see bridge() */
		return;
	}
	w.now = bpf_ktime_get_ns();
	if (dir == IN)
		release_held(&w, &seg);
	if (seg.at < seg.end || seg.fin)
		payload(&w, &seg, dir);
	if (seg.fin || seg.rst)
		ends(&w, &seg, dir);
	if (dir == IN)
		unlock(w.conn);
}

SEC("cgroup_skb/ingress")
int serin_ingress(struct __sk_buff *skb)
{
	observe(skb, IN);
	return 1;
}

SEC("cgroup_skb/egress")
int serin_egress(struct __sk_buff *skb)
{
	observe(skb, OUT);
	return 1;
}

/* ---- deadlines ---- */

/* The server has written what the client does not take: it is not the server who is late. */
static __always_inline bool is_unread(struct sock *sk)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);

	return tcp && BPF_CORE_READ(tcp, write_seq) != BPF_CORE_READ(tcp, snd_una);
}

/* Walks every tracked socket; the agent runs it each second. */
SEC("iter/bpf_sk_storage_map")
int serin_sweep(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct sock *sk = ctx->sk;
	struct serin_tally *tally;
	struct serin_conn *conn;
	__u64 now;

	asm volatile("" : "+r"(sk)); /* read once: older verifiers forget the check when it is read again */
	if (!sk)
		return 0;
	/* Not ctx->value: that is a plain buffer, into which atomics and variable offsets do not reach. */
	conn = bpf_sk_storage_get(&serin_conns, sk, 0, 0);
	if (!conn || conn->socket != SERIN_SOCKET_ACCEPTED)
		return 0;
	tally = serin_tally_of(conn->target);
	if (!tally)
		return 0;
	now = bpf_ktime_get_ns();
	if (conn->counted != conn->begun && is_unread(sk))
		conn->out.last_ns = now;
	conn_expire(conn, tally, now);
	/* The socket's state tells, but not of an adopted connection before Linux 6.12. */
	if (conn->held && now > conn->held_ns && now - conn->held_ns > deadline_of(info_of(conn->target)))
		conn_end_pending(conn, tally, SERIN_CLIENT_ABORT);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
