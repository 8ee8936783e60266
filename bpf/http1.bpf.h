/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * HTTP/1: the bytes of a connection, read by http1.h, become requests with outcomes and times.
 */
#ifndef SERIN_HTTP1_BPF_H
#define SERIN_HTTP1_BPF_H

#include "segment.bpf.h"

#define NAME_AHEAD 40	/* the longest header name that matters and a short value: read whole, they are a step */
#define REQUEST_MIN 17	/* "A * HTTP/1.1" and an empty line */
#define METHOD_PRI ('P' << 16 | 'R' << 8 | 'I') /* of HTTP/2's preface, as the framing keeps a method */

/* ---- requests ---- */

/* The framing of an HTTP/1 connection is lost: what is in flight cannot be known, the next request line can. */
static __noinline void lose_sync(struct serin_conn *conn, struct serin_tally *tally, enum serin_loss why)
{
	/* With several in flight no later request line says how many answers are still to come. */
	conn->mode = (__s32)(conn->begun - conn->answered) > 1 ? SERIN_MODE_TUNNEL : SERIN_MODE_LOST;
	conn->half_seen = 1;
	serin_lost(why, 1);
	conn_end_pending(conn, tally, SERIN_UNKNOWN);
}

/* Too many in flight to know which answer has no body. No later request line says how many answers are still to come, so
 * there is no way back. */
static __noinline void lose_pipeline(struct serin_conn *conn, struct serin_tally *tally)
{
	lose_sync(conn, tally, SERIN_LOSS_PIPELINE);
	conn->mode = SERIN_MODE_TUNNEL;
}

/* Are more in flight than methods are remembered? `answered` is on the server's side's cache line: it is looked at again
 * only when it may be too long ago. */
static __always_inline bool is_overfull(struct serin_conn *conn, __u32 n)
{
	if (n - conn->answered_seen < HEAD_BITS)
		return false;
	conn->answered_seen = *(volatile __u32 *)&conn->answered;
	if (n - conn->answered_seen < HEAD_BITS)
		return false;
	conn->deep = 1;
	return true;
}

/* The newest request is a HEAD. That may be known twice. */
static __always_inline void request_is_head(struct walk *w)
{
	struct serin_conn *conn = w->conn;
	__u32 n = conn->begun - 1;

	if (is_overfull(conn, n)) {
		lose_pipeline(conn, w->tally);
		return;
	}
	conn->head |= 1ULL << (n % HEAD_BITS);
	conn->asked[n % SERIN_RING] |= SERIN_ASKED_HEAD;
}

static __always_inline void request_begin(struct walk *w)
{
	struct serin_conn *conn = w->conn;
	__u32 n = conn->begun;

	if (conn->server_fin) { /* the server has closed and will not read it: the client has to send it again */
		conn->mode = SERIN_MODE_TUNNEL;
		serin_lost(SERIN_LOSS_AFTER_CLOSE, 1);
		return;
	}
	/* The place of a method is free, or that of a request which was no HEAD: neither is this one then. */
	if (is_overfull(conn, n) && conn->head >> (n % HEAD_BITS) & 1) {
		lose_pipeline(conn, w->tally);
		return;
	}
	if (conn->extra)
		conn->extra = 0;
	conn->head &= ~(1ULL << (n % HEAD_BITS));
	ask(conn, n, w->now);
	conn->begun = n + 1; /* unlock() is the barrier: the response may be read on another CPU */
	serin_add_in(&w->tally->started, 1);
	if (conn->service)
		serin_add_in(&w->tally->service_requests, 1);
}

/* Not HTTP/1. The newest request becomes the first turn, the others are unknown. */
static __noinline void request_opaque(struct walk *w)
{
	__u32 pending = conn_take_pending(w->conn);
	const struct http1 *http = &w->conn->in.http;
	__u64 start;

	w->conn->mode = SERIN_MODE_OPAQUE;
	conn_speaks(w->conn, w->tally, http->matched == 3 && http->left == METHOD_PRI ? SERIN_HTTP2 : SERIN_OTHER);
	if (!pending)
		return;
	start = request_start(w->conn, w->conn->begun - 1);
	w->conn->turn_ns = start ? start : w->now;
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
		conn_speaks(conn, w->tally, SERIN_HTTP1);
		if (conn->in.http.flags & HTTP1_F_HEAD)
			request_is_head(w);
		if (conn->in.http.flags & HTTP1_F_CONNECT) { /* what follows is HTTP/1 only if the server refuses */
			conn->connect = conn->begun;
			conn->adrift = SERIN_ADRIFT;
		}
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

static __always_inline bool is_slow(enum serin_outcome outcome, __u64 ns, __u64 slow_ns)
{
	return slow_ns && ns > slow_ns && is_success(outcome);
}

/* Holds a request that has its outcome, and whose response ended at `end`, against what its target is held against. */
static __always_inline void compare(struct serin_conn *conn, struct serin_tally *tally, enum serin_outcome outcome,
				    bool streaming, __u64 end)
{
	struct serin_target_info *info = info_of(conn->target);
	__u64 start = conn->start_ns, ns = 0;

	if (!info)
		return;
	if (start)
		ns = (streaming ? conn->first_body_ns : end) - start;
	if (is_slow(outcome, ns, streaming ? info->slow_first_chunk_ns : info->slow_duration_ns))
		serin_add(&tally->slow, 1);
	if (is_by_client(conn, info))
		count_client(conn, info, outcome, 1,
			     edges_passed(streaming ? info->first_chunk_edge_ns : info->duration_edge_ns, ns));
}

/* The outcome of request n, whose response, the newest, ended at `end` and is timed in histogram `kind`. Answers whether
 * it had none yet: it may have timed out. */
static __always_inline bool settle(struct serin_conn *conn, struct serin_tally *tally, __u32 n,
				   enum serin_outcome outcome, enum serin_latency kind, __u64 end)
{
	__u32 index = outcome;

	if (__sync_val_compare_and_swap(&conn->counted, n, n + 1) != n)
		return false;
	asm volatile("" : "+r"(index)); /* the bound below stands next to the access, where every verifier sees it */
	serin_add(&tally->outcome[index & (SERIN_OUTCOMES - 1)], 1);
	if (conn->start_ns)
		serin_time(conn->target, kind, end - conn->start_ns);
	compare(conn, tally, outcome, kind == SERIN_STREAM_DURATION, end);
	return true;
}

static __always_inline void response_begin(struct walk *w)
{
	struct serin_conn *conn = w->conn;
	__u32 n = conn->answered;
	__u64 word = asked(conn, n);

	/* Without a request it answers nothing (408 before an idle close): framed, but not counted. */
	conn->begin_ns = word || has_begun(conn, n) ? w->now : 0;
	conn->start_ns = word & SERIN_ASKED_NS;
	conn->to = conn->begin_ns ? answers_to(conn, n, word) : HTTP1_TO_OTHER;
	if (!conn->begin_ns && conn->extra < 255)
		conn->extra++;
	conn->body_sends = 0;
	conn->first_body_ns = 0;
	conn->untimed = 0;
}

static __always_inline void response_headers(struct walk *w)
{
	struct serin_conn *conn = w->conn;

	if (!conn->begin_ns)
		return;
	if (!conn->start_ns) {
		serin_lost(SERIN_LOSS_PIPELINE, 1);
		return;
	}
	conn->untimed |= SERIN_UNTIMED_FIRST_BYTE;
	time_pickup(conn, conn->answered, conn->start_ns, read_of(conn, conn->start_ns));
}

/* Pipelined requests that were read together with the one whose response ends: soon it is forgotten when. */
static __noinline void pick_up_together(struct serin_conn *conn)
{
	struct reading r = {.conn = conn};

	bpf_loop(HEAD_BITS, pick_up, &r, 0);
}

/* A response ends. What the server reads from now on may be of the next request. */
static __always_inline void turn_reads(struct serin_conn *conn)
{
	if (!conn->read_ns)
		return;
	if (conn->read_before_ns > conn->start_ns)
		pick_up_together(conn);
	conn->read_before_ns = conn->read_ns;
	conn->read_ns = 0;
}

/* Times what of the current response waits for it: for the end of the segment, with which the response may end. */
static __noinline void time_first(struct serin_conn *conn)
{
	__u64 start = conn->start_ns;

	if (conn->untimed & SERIN_UNTIMED_FIRST_BYTE)
		serin_time(conn->target, SERIN_FIRST_BYTE, conn->begin_ns - start);
	if (conn->untimed & SERIN_UNTIMED_FIRST_CHUNK) {
		serin_time(conn->target, SERIN_FIRST_CHUNK, conn->first_body_ns - start);
		if (conn->out.http.flags & HTTP1_F_EVENTS)
			serin_time(conn->target, SERIN_STREAM_FIRST_CHUNK, conn->first_body_ns - start);
	}
	conn->untimed = 0;
}

/* Body bytes of the current response. `now` is the same for all bytes of a send. */
static __noinline void response_data(struct walk *w)
{
	struct serin_conn *conn = w->conn;
	__u8 flags = conn->out.http.flags;
	__u64 start = conn->start_ns;

	if (!conn->begin_ns || !start || (conn->body_sends && conn->last_body_ns == w->now))
		return;
	if (!conn->body_sends) {
		conn->first_body_ns = w->now;
		conn->untimed |= SERIN_UNTIMED_FIRST_CHUNK;
	} else if (flags & (HTTP1_F_EVENTS | HTTP1_F_CHUNKED)) {
		serin_time(conn->target, SERIN_GAP, w->now - conn->last_body_ns);
		if (conn->body_sends == 1 && !(flags & HTTP1_F_EVENTS)) /* only now it is known to stream */
			serin_time(conn->target, SERIN_STREAM_FIRST_CHUNK, conn->first_body_ns - start);
	}
	conn->body_sends++;
	conn->last_body_ns = w->now;
}

/* Which histograms a complete response goes into. */
static __always_inline enum serin_latency response_kind(struct serin_conn *conn, bool streaming, __u64 end)
{
	if (streaming)
		return SERIN_STREAM_DURATION;
	if (!(conn->untimed & SERIN_UNTIMED_FIRST_BYTE) || conn->begin_ns != end)
		return SERIN_DURATION;
	return conn->untimed & SERIN_UNTIMED_FIRST_CHUNK ? SERIN_AT_ONCE : SERIN_AT_ONCE_BODILESS;
}

/* The last byte of a response has been sent. */
static __always_inline void response_end(struct serin_conn *conn, struct serin_tally *tally, __u64 now)
{
	__u8 flags = conn->out.http.flags;
	/* What has no body, as the answer to a HEAD, streams nothing. */
	bool streaming = conn->body_sends > !(flags & HTTP1_F_EVENTS) && flags & (HTTP1_F_EVENTS | HTTP1_F_CHUNKED);
	enum serin_outcome outcome = outcome_of(conn->out.http.status);
	enum serin_latency kind;
	__u32 n = conn->answered;

	if (!conn->begin_ns)
		return;
	turn_reads(conn);
	/* Gone, or only done with asking? Its ACK or RST will tell. */
	if (conn->client_fin && !has_begun(conn, n + 1)) {
		time_first(conn);
		conn->answered = n + 1;
		conn->held_ns = now;
		conn->held_streaming = streaming;
		__sync_lock_test_and_set(&conn->held, outcome + 1);
		return;
	}
	kind = response_kind(conn, streaming, now);
	conn->answered = n + 1;
	if (!settle(conn, tally, n, outcome, kind, now) || kind < SERIN_AT_ONCE)
		time_first(conn);
	conn->untimed = 0;
}

/* What the server sends is not HTTP/1: nothing that was asked can be judged. */
static __noinline void response_opaque(struct walk *w)
{
	struct serin_conn *conn = w->conn;
	__u64 start = request_start(conn, conn->answered);

	conn->mode = SERIN_MODE_OPAQUE;
	conn_speaks(conn, w->tally, SERIN_OTHER);
	conn->untimed = 0;
	if (start)
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
	if (events & HTTP1_SWITCHED) {
		conn->mode = SERIN_MODE_TUNNEL;
		serin_add(&w->tally->protocol[SERIN_UPGRADED], 1);
		if (!conn->held)
			conn_end_pending(conn, w->tally, SERIN_UNKNOWN);
	}
	if (events & HTTP1_BROKEN)
		response_opaque(w);
}

/* ---- bytes ---- */

/* Looks at the next bytes of the segment. The window is the connection's own memory, not the CPU's: egress runs in
 * process context too, where another program of ours may interrupt it. */
static __always_inline bool refill(struct walk *w, struct serin_stream *s, struct serin_view *window)
{
	__u32 last = s->end - s->at - 1, n;

	if (last >= SERIN_WINDOW)
		last = SERIN_WINDOW - 1;
	asm volatile("" : "+r"(last)); /* keeps the compiler from proving the next line idle */
	n = (last & (SERIN_WINDOW - 1)) + 1; /* 1 to SERIN_WINDOW, in a form that verifiers before 6.3 follow */
	if (bpf_skb_load_bytes(w->skb, s->at, window->bytes, n))
		return false;
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

/*
 * The framing, as functions of their own to the verifier: it looks at each once, and not again on every way that leads to
 * it. They answer how many bytes they consumed, and with which events.
 */
#define EVENTS_SHIFT 32

static __always_inline __u64 frame_view(struct http1 *http, const struct serin_view *window, __u32 off, __u32 n,
				   enum http1_side side, enum http1_to to)
{
	__u32 events = 0, used;

	if (!http || !window || off >= SERIN_WINDOW)
		return 0;
	used = http1_frame(http, side, to, window->bytes + off, n, &events);
	return used | (__u64)events << EVENTS_SHIFT;
}

__noinline __u64 serin_frame_request(struct http1 *http, const struct serin_view *window, __u32 off, __u32 n)
{
	return frame_view(http, window, off, n, HTTP1_REQUEST, HTTP1_TO_OTHER);
}

__noinline __u64 serin_frame_response(struct http1 *http, const struct serin_view *window, __u32 off, __u32 n,
				      enum http1_to to)
{
	return frame_view(http, window, off, n, HTTP1_RESPONSE, to);
}

static __always_inline long walk_step(struct walk *w, enum direction dir)
{
	struct serin_conn *conn = w->conn;
	struct serin_stream *s = dir == IN ? &conn->in : &conn->out;
	struct serin_view *window = dir == IN ? &conn->in_window : &conn->out_window;
	__u32 events = 0, ahead, off;
	__u64 framed;

	if (s->at >= s->end || conn->mode != SERIN_MODE_HTTP1 || (dir == IN && conn->adrift))
		return 1;
	ahead = http1_body_ahead(&s->http, s->end - s->at);
	if (ahead) {
		http1_pass_body(&s->http, ahead, &events);
		s->at += ahead;
	} else {
		if (needs_refill(s) && !refill(w, s, window)) {
			lose_sync(conn, w->tally, SERIN_LOSS_UNREADABLE);
			return 1;
		}
		off = s->at - s->window_at;
		if (off >= SERIN_WINDOW)
			return 1;
		framed = dir == IN ? serin_frame_request(&s->http, window, off, s->window_bytes - off)
				   : serin_frame_response(&s->http, window, off, s->window_bytes - off, conn->to);
		s->at += (__u32)framed;
		events = framed >> EVENTS_SHIFT;
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
	struct serin_stream *s = stream_of(w->conn, dir);

	/* A step may consume nothing once, so twice the bytes is enough. */
	if (dir == IN) {
		bpf_loop(2 * (s->end - s->at), walk_request, w, 0);
		if (s->http.flags & HTTP1_F_HEAD && w->conn->mode == SERIN_MODE_HTTP1) /* it may be refused before its header ends */
			request_is_head(w);
	} else {
		bpf_loop(2 * (s->end - s->at), walk_response, w, 0);
		if (w->conn->untimed)
			time_first(w->conn);
	}
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
	case 'C' | 'O' << 8 | 'N' << 16 | 'N' << 24:
		return true;
	}
	return false;
}

/* Does the segment start with a request line? Where the place is lost, that is one to begin at. */
static __always_inline bool begins_request(struct walk *w)
{
	const struct serin_stream *s = &w->conn->in;
	__u32 word = 0;

	return s->end - s->at >= sizeof(word) && !bpf_skb_load_bytes(w->skb, s->at, &word, sizeof(word)) &&
	       is_request_line(word);
}

/* What the client sends then is a request: it is not in the middle of one, nor is a response still to come. */
static __always_inline bool server_spoke_last(const struct serin_conn *conn)
{
	return conn->in.last_ns <= conn->out.last_ns;
}

/* We came in the middle, or bytes of a response were missed. */
static __noinline void walk_lost(struct walk *w, enum direction dir)
{
	struct serin_conn *conn = w->conn;

	if (dir == IN && server_spoke_last(conn) && begins_request(w)) {
		__builtin_memset(&conn->in.http, 0, sizeof(conn->in.http));
		__builtin_memset(&conn->out.http, 0, sizeof(conn->out.http));
		conn_end_pending(conn, w->tally, SERIN_UNKNOWN); /* one may have begun on another CPU while sync was lost */
		conn->answered = conn->begun;
		conn->adrift = SERIN_ON_COURSE;
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

/* The client's bytes went on unseen in the middle of a header. What was begun is settled by its response, which is
 * framed without them; the next request is recognised once nothing is in flight. */
static __noinline bool is_adrift(struct walk *w)
{
	struct serin_conn *conn = w->conn;

	if (!begins_request(w))
		return true;
	if (conn->extra < conn->unseen || conn->answered != conn->begun || !server_spoke_last(conn)) {
		conn->unseen++;
		return true;
	}
	__builtin_memset(&conn->in.http, 0, sizeof(conn->in.http));
	conn->unseen = 0;
	conn->adrift = SERIN_ON_COURSE;
	return false;
}

/* ---- the seat ---- */

/* New bytes of one direction: those between `at` and `end` of its stream. */
static __always_inline void http1_bytes(struct walk *w, enum direction dir)
{
	if (w->conn->mode == SERIN_MODE_LOST)
		walk_lost(w, dir);
	else if (dir == OUT || !w->conn->adrift || !is_adrift(w))
		walk_http1(w, dir);
}

/* `n` bytes of one direction passed without being seen in order. */
static __always_inline void http1_missed(struct walk *w, enum direction dir, __u32 n)
{
	struct serin_conn *conn = w->conn;
	struct serin_stream *s = stream_of(conn, dir);
	__u32 events = 0;

	if (conn->mode == SERIN_MODE_LOST || (dir == IN && conn->adrift))
		return;
	if (http1_body_ahead(&s->http, n) == n && (dir == IN || s->http.state == HTTP1_UNTIL_CLOSE || s->http.left > n)) {
		http1_pass_body(&s->http, n, &events);
	} else if (dir == IN) {
		conn->adrift = SERIN_ADRIFT;
		conn->unseen = s->http.state == HTTP1_START && n >= REQUEST_MIN;
		serin_lost(SERIN_LOSS_GAP, 1);
	} else {
		lose_sync(conn, w->tally, SERIN_LOSS_GAP);
	}
}

/* The server has closed in order. */
static __always_inline void http1_server_closed(struct walk *w)
{
	struct serin_conn *conn = w->conn;

	conn_note_cut(conn, w->tally);
	if (conn->mode == SERIN_MODE_HTTP1 && http1_eof(&conn->out.http) & HTTP1_END)
		response_end(conn, w->tally, w->now);
}

#endif
