/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What happens to a connection and its requests, whoever notices it: segments (observe), socket states (listen) or
 * the sweep for deadlines. Every request gets its outcome here, once.
 */
#ifndef SERIN_CONNECTION_BPF_H
#define SERIN_CONNECTION_BPF_H

#include "client.bpf.h"

#define HEAD_BITS 64 /* requests in flight whose method is remembered */

/* ---- requests in flight ---- */

/* Request n begins now. Its HEAD bit comes later, when its header has been read. */
static __always_inline void ask(struct serin_conn *conn, __u32 n, __u64 now)
{
	conn->asked[n % SERIN_RING] = (now & SERIN_ASKED_NS) | (__u64)(n / SERIN_RING & SERIN_ASKED_ROUND) << SERIN_ASKED_ROUND_SHIFT;
}

/* What is known of request n: bits SERIN_ASKED_*. 0: it has not begun, or so many have begun since that its
 * place was needed. */
static __always_inline __u64 asked(struct serin_conn *conn, __u32 n)
{
	__u64 word = *(volatile __u64 *)&conn->asked[n % SERIN_RING];

	if (conn->deep && *(volatile __u32 *)&conn->begun - n > SERIN_RING)
		return 0;
	return (word & SERIN_ASKED_NS) && ((word >> SERIN_ASKED_ROUND_SHIFT ^ n / SERIN_RING) & SERIN_ASKED_ROUND) == 0 ? word : 0;
}

/* The start of request n. 0: not remembered, or not begun. */
static __always_inline __u64 request_start(struct serin_conn *conn, __u32 n)
{
	return asked(conn, n) & SERIN_ASKED_NS;
}

static __always_inline bool has_begun(struct serin_conn *conn, __u32 n)
{
	return asked(conn, n) || (__s32)(*(volatile __u32 *)&conn->begun - n) > 0;
}

/* What a response to request n answers, as far as its framing depends on it. `word`: asked(). */
static __always_inline enum http1_to answers_to(struct serin_conn *conn, __u32 n, __u64 word)
{
	if (conn->connect == n + 1)
		return HTTP1_TO_CONNECT;
	return (word ? word & SERIN_ASKED_HEAD : conn->head >> (n % HEAD_BITS) & 1) ? HTTP1_TO_HEAD : HTTP1_TO_OTHER;
}

/* Request n, if nobody has seen it read before, was read from at `read`, if that is after its start. */
static __always_inline void time_pickup(struct serin_conn *conn, __u32 n, __u64 start, __u64 read)
{
	__u32 picked = conn->picked;

	if ((__s32)(n - picked) >= 0 && __sync_val_compare_and_swap(&conn->picked, picked, n + 1) == picked && start &&
	    read > start)
		serin_time(conn->target, SERIN_PICKUP, read - start);
}

/* When was a request read from that began at `start`? 0: not yet. Requests in one segment are in one read. */
static __always_inline __u64 read_of(const struct serin_conn *conn, __u64 start)
{
	return start < conn->read_before_ns ? conn->read_before_ns : conn->read_ns;
}

struct reading {
	struct serin_conn *conn;
	__u64 now; /* 0: of the reads before only */
};

/* The next request that was not read from before. 1: it has not begun, or it was not read from. */
static __attribute__((unused)) long pick_up(__u32 index, void *ctx)
{
	struct reading *r = ctx;
	__u32 n = r->conn->picked;
	__u64 start = request_start(r->conn, n), read = read_of(r->conn, start);

	if (!start && !has_begun(r->conn, n))
		return 1;
	if (read < start)
		read = r->now;
	if (!read)
		return 1;
	time_pickup(r->conn, n, start, read);
	return 0;
}

/* Takes all requests that have no outcome yet: the caller tallies as many as are returned. */
static __always_inline __u32 conn_take_pending(struct serin_conn *conn)
{
	/* Twice: the other direction may have completed one between the reading and the exchange. */
	for (int i = 0; i < 2; i++) {
		__u32 counted = *(volatile __u32 *)&conn->counted, begun = *(volatile __u32 *)&conn->begun;

		if ((__s32)(begun - counted) <= 0)
			return 0;
		if (__sync_val_compare_and_swap(&conn->counted, counted, begun) == counted)
			return begun - counted;
	}
	return 0;
}

static long pick_pending(__u32 index, void *ctx)
{
	struct serin_conn *conn = *(struct serin_conn **)ctx;
	__u32 n = conn->counted + index;

	if (!has_begun(conn, n))
		return 1;
	time_pickup(conn, n, request_start(conn, n), read_of(conn, request_start(conn, n)));
	return 0;
}

/* Requests that the connection left without a response: none of them was slow, whatever they failed of. */
static __noinline void count_left(struct serin_conn *conn, enum serin_outcome outcome, __u32 n)
{
	struct serin_target_info *info = info_of(conn->target);

	if (info && is_by_client(conn, info))
		count_client(conn, info, outcome, n, 0);
}

/* Ends all requests in flight with one outcome. Opaque turns have none but unknown. */
static __always_inline void conn_end_pending(struct serin_conn *conn, struct serin_tally *tally,
					     enum serin_outcome outcome)
{
	__u32 pending;

	conn->held = 0;
	if (conn->counted != conn->begun)
		bpf_loop(SERIN_RING, pick_pending, &conn, 0);
	pending = conn_take_pending(conn);
	if (pending) {
		serin_add(&tally->outcome[outcome], pending);
		count_left(conn, outcome, pending);
	}
	if (!conn->turn_ns || !__sync_lock_test_and_set(&conn->turn_ns, 0))
		return;
	serin_add(&tally->outcome[SERIN_UNKNOWN], 1);
	if (outcome == SERIN_CLIENT_ABORT)
		serin_add(&tally->unknown_client_abort, 1);
	else if (outcome == SERIN_SERVER_ABORT)
		serin_add(&tally->unknown_server_abort, 1);
}

/* What the connection speaks, the first time it is known. */
static __always_inline void conn_speaks(struct serin_conn *conn, struct serin_tally *tally,
					enum serin_protocol protocol)
{
	if (conn->protocol != SERIN_PROTOCOL_UNSEEN)
		return;
	conn->protocol = protocol;
	serin_add(&tally->protocol[protocol], 1);
}

/* The server ends the connection: was a response under way that had said how long it would be, to a client that was
 * still there? */
static __always_inline void conn_note_cut(struct serin_conn *conn, struct serin_tally *tally)
{
	__u8 state = conn->out.http.state;

	if (conn->client_fin || !conn->begin_ns || conn->mode != SERIN_MODE_HTTP1)
		return;
	if (state == HTTP1_BODY)
		serin_add(&tally->cut_short, 1);
	else if (state >= HTTP1_CHUNK_SIZE && state <= HTTP1_TRAILER_BLANK)
		serin_add(&tally->unended, 1);
	else
		return;
	conn->begin_ns = 0; /* a reset is noticed twice: as the socket's state, and as the segment */
}

/* Since when has request n, the oldest without an outcome, heard nothing? 0: not known. A request still on its way in is
 * not late: it is the client who is. */
static __always_inline __u64 conn_silent_since(struct serin_conn *conn, __u32 n)
{
	__u64 since = request_start(conn, n);

	if (!since && conn->begun - n > SERIN_RING) /* not remembered, but older than the oldest that is */
		since = request_start(conn, conn->begun - SERIN_RING);
	if (since && conn->out.last_ns > since)
		since = conn->out.last_ns;
	if (since && conn->in.http.state != HTTP1_START && conn->in.last_ns > since)
		since = conn->in.last_ns;
	return since;
}

struct expiry {
	struct serin_conn *conn;
	struct serin_tally *tally;
	struct serin_target_info *info;
	__u64 now;
};

/* Counts a request that was late. */
static __noinline void expired(struct expiry *e)
{
	enum serin_outcome outcome = e->conn->client_fin ? SERIN_CLIENT_ABORT : SERIN_TIMEOUT;

	serin_add(&e->tally->outcome[outcome], 1);
	if (is_by_client(e->conn, e->info))
		count_client(e->conn, e->info, outcome, 1, edges_there(e->info));
}

/* The oldest request without an outcome. 1: it is not late, and so are none after it. */
static long expire_oldest(__u32 index, void *ctx)
{
	struct expiry *e = ctx;
	struct serin_conn *conn = e->conn;
	__u32 n = conn->counted;
	__u64 since;

	if ((__s32)(conn->begun - n) <= 0)
		return 1;
	since = conn_silent_since(conn, n);
	if (!since || e->now < since || e->now - since < deadline_of(e->info))
		return 1;
	time_pickup(conn, n, request_start(conn, n), read_of(conn, request_start(conn, n)));
	if (__sync_val_compare_and_swap(&conn->counted, n, n + 1) == n)
		expired(e);
	return 0;
}

#define EXPIRE_MAX 64 /* requests of a connection at a time */

/* The requests whose deadline has passed: time-outs, or, if the client had sent a FIN before, nobody's loss. Once for
 * each: what the server sends later changes nothing. */
static __always_inline void conn_expire(struct serin_conn *conn, struct serin_tally *tally, __u64 now)
{
	struct expiry e = {.conn = conn, .tally = tally, .now = now};

	if (conn->counted == conn->begun || conn->held || conn->mode != SERIN_MODE_HTTP1)
		return;
	e.info = info_of(conn->target);
	if (!e.info)
		return;
	bpf_loop(EXPIRE_MAX, expire_oldest, &e, 0);
}

static __always_inline void conn_closed(struct serin_conn *conn, struct serin_tally *tally)
{
	if (__sync_val_compare_and_swap(&conn->closed, 0, 1) == 0)
		serin_add(&tally->closed, 1);
}

#endif
