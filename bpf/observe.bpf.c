// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Sockets -> tallies. Every segment of a tracked connection passes one of two programs at the root of cgroup2,
 * whatever system call or ring made it. TCP sequence numbers decide which of its bytes are new, the framing in
 * http1.h says what they are, and requests are counted and timed right here. Nothing is changed and nothing is
 * dropped: both programs always answer 1.
 */
#include "connection.bpf.h"

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>

enum direction { IN, OUT };

#define HEAD_BITS 64	 /* requests in flight whose method is remembered */
#define NAME_AHEAD 40	 /* the longest header name that matters and a short value: read whole, they are a step */
#define LOCK_TRIES 4096	 /* some microseconds */
#define IPPROTO_HOPOPTS 0 /* IPv6 super-packets above 64 KiB have a jumbo option */
#define JUMBO_LEN 8

struct segment {
	__u32 seq, ack;
	__u32 at;  /* payload: offset in the packet */
	__u32 end;
	bool fin, rst, syn;
};

/* One walk over the new bytes of a segment; how far it is stands in the stream. */
struct walk {
	struct __sk_buff *skb;
	struct serin_conn *conn;
	struct serin_tally *tally;
	__u64 now;
};

/* Where the TCP header is. 0: not there. */
static __always_inline __u32 tcp_offset(void *data, void *data_end)
{
	struct iphdr *ip = data;
	struct ipv6hdr *ip6 = data;
	__u8 *hop;

	if ((void *)(ip + 1) > data_end)
		return 0;
	if (ip->version == 4)
		return ip->protocol == IPPROTO_TCP ? ip->ihl * 4 : 0;
	if (ip->version != 6 || (void *)(ip6 + 1) > data_end)
		return 0;
	if (ip6->nexthdr == IPPROTO_TCP)
		return sizeof(*ip6);
	hop = (__u8 *)(ip6 + 1);
	if (ip6->nexthdr == IPPROTO_HOPOPTS && (void *)(hop + JUMBO_LEN) <= data_end && hop[0] == IPPROTO_TCP)
		return sizeof(*ip6) + JUMBO_LEN;
	return 0;
}

static __always_inline bool read_segment(struct __sk_buff *skb, struct segment *ret_s)
{
	void *data = (void *)(long)skb->data, *data_end = (void *)(long)skb->data_end;
	__u32 offset = tcp_offset(data, data_end);
	struct tcphdr *tcp = data + offset;

	if (!offset || (void *)(tcp + 1) > data_end)
		return false;
	ret_s->seq = bpf_ntohl(tcp->seq);
	ret_s->ack = bpf_ntohl(tcp->ack_seq);
	ret_s->at = offset + tcp->doff * 4;
	ret_s->end = skb->len; /* not the IP header's length: that is 0 or too small for super-packets */
	ret_s->fin = tcp->fin;
	ret_s->rst = tcp->rst;
	ret_s->syn = tcp->syn;
	return ret_s->at <= ret_s->end;
}

/* ---- requests ---- */

/* The framing of an HTTP/1 connection is lost: what is in flight cannot be known, the next request line can. */
static __always_inline void lose_sync(struct serin_conn *conn, struct serin_tally *tally, enum serin_loss why)
{
	conn->mode = SERIN_MODE_LOST;
	conn->half_seen = 1;
	serin_lost(why, 1);
	conn_end_pending(conn, tally, SERIN_UNKNOWN);
}

static __always_inline void request_begin(struct walk *w)
{
	struct serin_conn *conn = w->conn;
	__u32 n = conn->begun;

	if (conn->out.fin) { /* the server has closed and will not read it: the client has to send it again */
		conn->mode = SERIN_MODE_TUNNEL;
		serin_lost(SERIN_LOSS_AFTER_CLOSE, 1);
		return;
	}
	if (n - conn->counted >= HEAD_BITS) {
		lose_sync(conn, w->tally, SERIN_LOSS_PIPELINE);
		return;
	}
	conn->start_ns[n % SERIN_RING] = w->now;
	conn->head &= ~(1ULL << (n % HEAD_BITS));
	__sync_fetch_and_add(&conn->begun, 1); /* a barrier too: the response may be read on another CPU */
	serin_add(&w->tally->started, 1);
	if (conn->service)
		serin_add(&w->tally->service_requests, 1);
}

/* Not HTTP/1. The newest request becomes the first turn, the others are unknown. */
static __always_inline void request_opaque(struct walk *w)
{
	__u32 pending = conn_take_pending(w->conn);

	w->conn->mode = SERIN_MODE_OPAQUE;
	if (!pending)
		return;
	w->conn->turn_ns = w->now;
	if (pending > 1)
		serin_add(&w->tally->outcome[SERIN_UNKNOWN], pending - 1);
}

static __always_inline void request_events(struct walk *w, __u32 events)
{
	struct serin_conn *conn = w->conn;

	if (events & HTTP1_BEGIN)
		request_begin(w);
	if (conn->mode != SERIN_MODE_HTTP1)
		return;
	if (events & HTTP1_HEADERS) {
		if (conn->in.http.flags & HTTP1_F_HEAD)
			conn->head |= 1ULL << ((conn->begun - 1) % HEAD_BITS);
		if (conn->in.http.flags & HTTP1_F_CONNECT)
			events |= HTTP1_BROKEN;
	}
	if (events & HTTP1_BROKEN)
		request_opaque(w);
}

/* ---- responses ---- */

static __always_inline enum serin_outcome outcome_of(__u16 status)
{
	if (status >= 500)
		return SERIN_SERVER_ERROR;
	if (status == 408 || status == 429)
		return SERIN_THROTTLED;
	return status >= 400 ? SERIN_CLIENT_ERROR : SERIN_SUCCESS;
}

static __always_inline bool is_slow(struct serin_conn *conn, bool streaming, __u64 start, __u64 now)
{
	__u32 target = conn->target;
	struct serin_target_info *info = bpf_map_lookup_elem(&serin_targets, &target);

	if (!info)
		return false;
	if (streaming)
		return info->slow_first_chunk_ns && conn->first_body_ns - start > info->slow_first_chunk_ns;
	return info->slow_duration_ns && now - start > info->slow_duration_ns;
}

/* The outcome of request n, whose response ended at `end`. */
static __always_inline void settle(struct serin_conn *conn, struct serin_tally *tally, __u32 n,
				   enum serin_outcome outcome, bool streaming, __u64 end)
{
	__u64 start = request_start(conn, n);
	__u32 index = outcome;

	if (__sync_val_compare_and_swap(&conn->counted, n, n + 1) != n)
		return; /* it was settled before: it had timed out */
	asm volatile("" : "+r"(index)); /* the bound below stands next to the access, where every verifier sees it */
	serin_add(&tally->outcome[index & (SERIN_OUTCOMES - 1)], 1);
	if (!start)
		return;
	serin_time(conn->target, streaming ? SERIN_STREAM_DURATION : SERIN_DURATION, end - start);
	if (outcome <= SERIN_CLIENT_ERROR && is_slow(conn, streaming, start, end))
		serin_add(&tally->slow, 1);
}

static __always_inline void response_begin(struct walk *w)
{
	struct serin_conn *conn = w->conn;

	/* Without a request it answers nothing (408 before an idle close): framed, but not counted. */
	conn->begin_ns = conn->answered == conn->begun ? 0 : w->now;
	conn->body_sends = 0;
	conn->first_body_ns = 0;
}

static __always_inline void response_headers(struct walk *w)
{
	struct serin_conn *conn = w->conn;
	__u64 start = request_start(conn, conn->answered);

	if (!conn->begin_ns)
		return;
	if (start)
		serin_time(conn->target, SERIN_FIRST_BYTE, conn->begin_ns - start);
	else
		serin_lost(SERIN_LOSS_PIPELINE, 1);
}

/* Body bytes of the current response. `now` is the same for all bytes of a send. */
static __always_inline void response_data(struct walk *w)
{
	struct serin_conn *conn = w->conn;
	__u8 flags = conn->out.http.flags;
	__u64 start = request_start(conn, conn->answered);

	if (!conn->begin_ns || !start || (conn->body_sends && conn->last_body_ns == w->now))
		return;
	if (!conn->body_sends) {
		conn->first_body_ns = w->now;
		serin_time(conn->target, SERIN_FIRST_CHUNK, w->now - start);
		if (flags & HTTP1_F_EVENTS)
			serin_time(conn->target, SERIN_STREAM_FIRST_CHUNK, w->now - start);
	} else if (flags & (HTTP1_F_EVENTS | HTTP1_F_CHUNKED)) {
		serin_time(conn->target, SERIN_GAP, w->now - conn->last_body_ns);
		if (conn->body_sends == 1 && !(flags & HTTP1_F_EVENTS)) /* only now it is known to stream */
			serin_time(conn->target, SERIN_STREAM_FIRST_CHUNK, conn->first_body_ns - start);
	}
	conn->body_sends++;
	conn->last_body_ns = w->now;
}

/* The last byte of a response has been sent. */
static __always_inline void response_end(struct serin_conn *conn, struct serin_tally *tally, __u64 now)
{
	__u8 flags = conn->out.http.flags;
	bool streaming = flags & HTTP1_F_EVENTS || (flags & HTTP1_F_CHUNKED && conn->body_sends > 1);
	enum serin_outcome outcome = outcome_of(conn->out.http.status);
	__u32 n = conn->answered;

	if (!conn->begin_ns)
		return;
	conn->answered = n + 1;
	if (conn->in.fin && n + 1 == conn->begun) { /* gone, or only done with asking? Its ACK or RST will tell. */
		conn->held_ns = now;
		conn->held_streaming = streaming;
		__sync_lock_test_and_set(&conn->held, outcome + 1);
		return;
	}
	settle(conn, tally, n, outcome, streaming, now);
}

/* What the server sends is not HTTP/1: nothing that was asked can be judged. */
static __always_inline void response_opaque(struct walk *w)
{
	struct serin_conn *conn = w->conn;
	__u64 start = request_start(conn, conn->answered);

	conn->mode = SERIN_MODE_OPAQUE;
	if (conn->answered != conn->begun && start)
		serin_time(conn->target, SERIN_TURN, w->now - start);
	conn_end_pending(conn, w->tally, SERIN_UNKNOWN);
}

static __always_inline void response_events(struct walk *w, __u32 events)
{
	struct serin_conn *conn = w->conn;

	if (events & HTTP1_BEGIN)
		response_begin(w);
	if (events & HTTP1_HEADERS)
		response_headers(w);
	if (events & HTTP1_DATA)
		response_data(w);
	if (events & HTTP1_END)
		response_end(conn, w->tally, w->now);
	if (events & HTTP1_SWITCHED)
		conn->mode = SERIN_MODE_TUNNEL;
	if (events & HTTP1_BROKEN)
		response_opaque(w);
}

/* ---- bytes ---- */

/* Looks at the next bytes of the segment. The window is the connection's own memory, not the CPU's: egress runs in
 * process context too, where another program of ours may interrupt it. */
static __always_inline bool refill(struct walk *w, struct serin_stream *s)
{
	__u32 last = s->end - s->at - 1, n;

	if (last >= SERIN_WINDOW)
		last = SERIN_WINDOW - 1;
	asm volatile("" : "+r"(last)); /* keeps the compiler from proving the next line idle */
	n = (last & (SERIN_WINDOW - 1)) + 1; /* 1 to SERIN_WINDOW, in a form that verifiers before 6.3 follow */
	if (bpf_skb_load_bytes(w->skb, s->at, s->window, n)) {
		serin_lost(SERIN_LOSS_UNREADABLE, 1);
		return false;
	}
	s->window_at = s->at;
	s->window_bytes = n;
	return true;
}

/* Has the window come to its end, or so near that a header name would be cut, with more to see? */
static __always_inline bool needs_refill(const struct serin_stream *s)
{
	__u32 used = s->at - s->window_at, left = s->window_bytes - used;

	return used >= s->window_bytes || (left < NAME_AHEAD && s->end - s->at > left);
}

static __always_inline long walk_step(struct walk *w, enum direction dir)
{
	struct serin_conn *conn = w->conn;
	struct serin_stream *s = dir == IN ? &conn->in : &conn->out;
	__u32 events = 0, ahead, off;

	if (s->at >= s->end || conn->mode != SERIN_MODE_HTTP1)
		return 1;
	ahead = http1_body_ahead(&s->http, s->end - s->at);
	if (ahead) {
		http1_pass_body(&s->http, ahead, &events);
		s->at += ahead;
	} else {
		if (needs_refill(s) && !refill(w, s)) {
			lose_sync(conn, w->tally, SERIN_LOSS_UNREADABLE);
			return 1;
		}
		off = s->at - s->window_at;
		if (off >= SERIN_WINDOW)
			return 1;
		s->at += http1_frame(&s->http, dir == IN ? HTTP1_REQUEST : HTTP1_RESPONSE,
				     (conn->head >> (conn->answered % HEAD_BITS)) & 1, s->window + off,
				     s->window_bytes - off, &events);
	}
	if (!events)
		return 0;
	if (dir == IN)
		request_events(w, events);
	else
		response_events(w, events);
	return 0;
}

static long walk_request(__u32 index, void *w)
{
	return walk_step(w, IN);
}

static long walk_response(__u32 index, void *w)
{
	return walk_step(w, OUT);
}

static __always_inline void walk_http1(struct walk *w, enum direction dir)
{
	struct serin_stream *s = dir == IN ? &w->conn->in : &w->conn->out;

	/* A step may consume nothing once, so twice the bytes is enough. */
	if (dir == IN)
		bpf_loop(2 * (s->end - s->at), walk_request, w, 0);
	else
		bpf_loop(2 * (s->end - s->at), walk_response, w, 0);
}

static __always_inline bool is_request_line(__u32 word)
{
	switch (word) {
	case 'G' | 'E' << 8 | 'T' << 16 | ' ' << 24:
	case 'P' | 'O' << 8 | 'S' << 16 | 'T' << 24:
	case 'H' | 'E' << 8 | 'A' << 16 | 'D' << 24:
	case 'P' | 'U' << 8 | 'T' << 16 | ' ' << 24:
	case 'P' | 'A' << 8 | 'T' << 16 | 'C' << 24:
	case 'D' | 'E' << 8 | 'L' << 16 | 'E' << 24:
	case 'O' | 'P' << 8 | 'T' << 16 | 'I' << 24:
		return true;
	}
	return false;
}

/* Not at a boundary: we came in the middle, or bytes were missed. A segment that starts with a request line is one. */
static __always_inline void walk_lost(struct walk *w, enum direction dir)
{
	struct serin_conn *conn = w->conn;
	__u32 word = 0;

	if (dir == IN && conn->in.end - conn->in.at >= sizeof(word) &&
	    !bpf_skb_load_bytes(w->skb, conn->in.at, &word, sizeof(word)) &&
	    is_request_line(word)) {
		__builtin_memset(&conn->in.http, 0, sizeof(conn->in.http));
		__builtin_memset(&conn->out.http, 0, sizeof(conn->out.http));
		conn->answered = conn->begun;
		conn->mode = SERIN_MODE_HTTP1;
		walk_http1(w, dir);
		return;
	}
	if (conn->half_seen)
		return;
	conn->half_seen = 1;
	serin_add(&w->tally->started, 1);
	serin_add(&w->tally->outcome[SERIN_UNKNOWN], 1);
}

/* Another protocol: a turn is the client's bytes up to the server's answer. */
static __always_inline void walk_opaque(struct walk *w, enum direction dir)
{
	struct serin_conn *conn = w->conn;
	__u64 start;

	if (dir == IN) {
		if (conn->turn_ns || (conn->out.last_ns < conn->in.last_ns && conn->in.last_ns))
			return;
		conn->turn_ns = w->now;
		serin_add(&w->tally->started, 1);
		if (conn->service)
			serin_add(&w->tally->service_requests, 1);
		return;
	}
	if (!conn->turn_ns)
		return;
	start = __sync_lock_test_and_set(&conn->turn_ns, 0);
	if (!start)
		return;
	serin_time(conn->target, SERIN_TURN, w->now - start);
	serin_add(&w->tally->outcome[SERIN_UNKNOWN], 1);
}

/*
 * How many of the segment's bytes are old (>= 0), or all of them. What is missing before them is passed over when it
 * lies within a body; elsewhere the framing is lost.
 */
static __always_inline __u32 old_bytes(struct walk *w, struct segment *seg, enum direction dir)
{
	struct serin_conn *conn = w->conn;
	struct serin_stream *s = dir == IN ? &conn->in : &conn->out;
	__u32 len = seg->end - seg->at, missing, events = 0;
	__s32 behind;

	if (!s->seen) {
		s->seen = 1;
		s->next = seg->seq;
	}
	behind = s->next - seg->seq;
	if (behind >= 0) {
		if (behind && dir == OUT)
			serin_add(&w->tally->retransmits, 1);
		return behind < (__s32)len ? behind : len;
	}
	missing = -behind;
	serin_add(dir == IN ? &w->tally->bytes_in : &w->tally->bytes_out, missing);
	if (conn->mode != SERIN_MODE_HTTP1)
		return 0;
	if (http1_body_ahead(&s->http, missing) == missing &&
	    (s->http.state == HTTP1_UNTIL_CLOSE || s->http.left > missing))
		http1_pass_body(&s->http, missing, &events);
	else
		lose_sync(conn, w->tally, SERIN_LOSS_GAP);
	return 0;
}

static __always_inline void payload(struct walk *w, struct segment *seg, enum direction dir)
{
	struct serin_conn *conn = w->conn;
	struct serin_stream *s = dir == IN ? &conn->in : &conn->out;
	__u32 old = old_bytes(w, seg, dir);

	s->at = seg->at + old;
	s->end = seg->end;
	s->window_bytes = 0;
	if (s->at >= s->end)
		return;
	s->next = seg->seq + (seg->end - seg->at);
	serin_add(dir == IN ? &w->tally->bytes_in : &w->tally->bytes_out, s->end - s->at);
	if (conn->mode == SERIN_MODE_HTTP1)
		walk_http1(w, dir);
	else if (conn->mode == SERIN_MODE_LOST)
		walk_lost(w, dir);
	else if (conn->mode == SERIN_MODE_OPAQUE)
		walk_opaque(w, dir);
	s->last_ns = w->now;
}

/* ---- the ends of a connection ---- */

static __always_inline void server_closes(struct walk *w, struct segment *seg)
{
	struct serin_conn *conn = w->conn;

	if (conn->out.fin)
		return; /* a retransmitted FIN */
	conn->out.fin = 1;
	if (!seg->rst && conn->mode == SERIN_MODE_HTTP1 && http1_eof(&conn->out.http) & HTTP1_END)
		response_end(conn, w->tally, w->now);
	if (conn->held)
		return;
	conn_expire(conn, w->tally, w->now);
	conn_end_pending(conn, w->tally, conn->in.fin ? SERIN_CLIENT_ABORT : SERIN_SERVER_ABORT);
}

/* A FIN may only say that the client has finished asking: the response decides, or its absence. */
static __always_inline void client_closes(struct walk *w, struct segment *seg)
{
	struct serin_conn *conn = w->conn;

	conn_expire(conn, w->tally, w->now); /* first: what was late before it left is a time-out */
	if (seg->rst) {
		conn->held = 0;
		conn_end_pending(conn, w->tally, SERIN_CLIENT_ABORT);
	}
	conn->in.fin = 1;
}

static __always_inline void ends(struct walk *w, struct segment *seg, enum direction dir)
{
	struct serin_conn *conn = w->conn;

	if (dir == OUT)
		server_closes(w, seg);
	else
		client_closes(w, seg);
	if (seg->rst || (conn->in.fin && conn->out.fin))
		conn_closed(conn, w->tally);
}

/* A response was sent to a client that had sent its FIN, and here is its ACK of all of it: it was listening. */
static __always_inline void release_held(struct walk *w, struct segment *seg)
{
	struct serin_conn *conn = w->conn;
	__u32 held = conn->held;

	if (!held || held > SERIN_OUTCOMES || seg->rst || (__s32)(seg->ack - conn->out.next) < 0)
		return;
	conn->held = 0;
	settle(conn, w->tally, conn->answered - 1, held - 1, conn->held_streaming, conn->held_ns);
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

static __always_inline void unlock(struct serin_conn *conn)
{
	__sync_lock_test_and_set(&conn->busy, 0);
}

/* The segment belongs to a connection that does not exist yet: it is read into this CPU's spare one, which the
 * connection takes over when it is established (bpf/listen.bpf.c), still within this softirq. */
static __always_inline bool use_early(struct walk *w, const struct segment *seg)
{
	struct serin_early *early = serin_early_here();
	__u32 target = w->conn->target;

	if (!early || seg->at == seg->end)
		return false;
	__builtin_memset(early, 0, sizeof(*early));
	early->seq = seg->seq;
	early->valid = 1;
	early->conn.target = target;
	w->conn = &early->conn;
	w->tally = &early->tally;
	return true;
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
		serin_lost(SERIN_LOSS_UNREADABLE, 1);
		return;
	}
	if (seg.syn) /* it takes a place in the sequence; only TCP Fast Open has data behind it */
		seg.seq++;
	if ((seg.syn && (dir == OUT || seg.at == seg.end)) || (seg.at == seg.end && !seg.fin && !seg.rst && (dir == OUT || !w.conn->held)))
		return;
	w.tally = serin_tally_of(w.conn->target);
	if (!w.tally)
		return;
	if (w.conn->socket == SERIN_SOCKET_LISTENER && !use_early(&w, &seg))
		return;
	if (dir == IN && !lock(w.conn)) {
		lose_sync(w.conn, w.tally, SERIN_LOSS_CONTENDED);
		return;
	}
	w.now = bpf_ktime_get_ns();
	if (dir == IN)
		release_held(&w, &seg);
	if (seg.at < seg.end)
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

/* Walks every tracked socket; the agent runs it each second. */
SEC("iter/bpf_sk_storage_map")
int serin_sweep(struct bpf_iter__bpf_sk_storage_map *ctx)
{
	struct sock *sk = ctx->sk;
	struct serin_tally *tally;
	struct serin_conn *conn;

	asm volatile("" : "+r"(sk)); /* read once: older verifiers forget the check when it is read again */
	if (!sk)
		return 0;
	/* Not ctx->value: that is a plain buffer, into which atomics and variable offsets do not reach. */
	conn = bpf_sk_storage_get(&serin_conns, sk, 0, 0);
	if (!conn || conn->socket != SERIN_SOCKET_ACCEPTED)
		return 0;
	tally = serin_tally_of(conn->target);
	if (tally)
		conn_expire(conn, tally, bpf_ktime_get_ns());
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
