/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The seats of the protocols. A connection's is chosen once, by its first bytes, and is asked three things from then on:
 *
 *   bytes          new bytes of one direction lie between `at` and `end` of its stream
 *   missed         n bytes of one direction passed without being seen in order
 *   server_closed  the server has closed in order
 *
 * To frame another protocol: a mode in abi.h, a line in speaks(), a case in each of the three. What its framing needs to
 * remember goes into struct serin_stream, beside `http`.
 */
#ifndef SERIN_PROTOCOL_BPF_H
#define SERIN_PROTOCOL_BPF_H

#include "http1.bpf.h"
#include "opaque.bpf.h"

#define TLS_HANDSHAKE 0x16
#define TLS_TYPE_MIN 0x14 /* of records */
#define TLS_TYPE_MAX 0x17
#define TLS_MAJOR 3

/* By the first bytes of the client, at most four. What begins with a letter is left to the framing of HTTP/1: it meets
 * the rest of a method, or of HTTP/2's preface. */
static __always_inline enum serin_protocol recognise(const __u8 *head, __u32 n)
{
	if (n >= 4 ? head[0] >= TLS_TYPE_MIN && head[0] <= TLS_TYPE_MAX && head[1] == TLS_MAJOR : head[0] == TLS_HANDSHAKE)
		return SERIN_TLS;
	if ((head[0] < 'A' || head[0] > 'Z') && head[0] != '\r' && head[0] != '\n')
		return SERIN_OTHER;
	if (n >= 4 && head[0] == 'P' && head[1] == 'R' && head[2] == 'I' && head[3] == ' ')
		return SERIN_HTTP2;
	return SERIN_PROTOCOL_UNSEEN; /* letters: HTTP/1 once there is a header, see request_events() */
}

static __noinline void choose(struct walk *w)
{
	struct serin_conn *conn = w->conn;
	__u32 n = conn->in.end - conn->in.at;
	enum serin_protocol protocol;
	__u8 head[4] = {};

	if (n >= sizeof(head) ? bpf_skb_load_bytes(w->skb, conn->in.at, head, sizeof(head))
			      : bpf_skb_load_bytes(w->skb, conn->in.at, head, 1))
		return;
	protocol = recognise(head, n >= sizeof(head) ? sizeof(head) : 1);
	if (protocol == SERIN_PROTOCOL_UNSEEN)
		return;
	conn_speaks(conn, w->tally, protocol);
	if (protocol != SERIN_HTTP1)
		conn->mode = SERIN_MODE_OPAQUE;
}

/* At the connection's first bytes; where we came later, at the first that are not in the middle of something. */
static __always_inline bool may_choose(const struct serin_conn *conn)
{
	return conn->mode == SERIN_MODE_LOST ? server_spoke_last(conn) : conn->mode == SERIN_MODE_HTTP1 && !conn->begun;
}

static __always_inline void protocol_bytes(struct walk *w, enum direction dir)
{
	struct serin_conn *conn = w->conn;

	if (dir == IN && conn->protocol == SERIN_PROTOCOL_UNSEEN && may_choose(conn))
		choose(w);
	switch (conn->mode) {
	case SERIN_MODE_HTTP1:
	case SERIN_MODE_LOST:
		http1_bytes(w, dir);
		break;
	case SERIN_MODE_OPAQUE:
		opaque_bytes(w, dir);
		break;
	}
}

static __always_inline void protocol_missed(struct walk *w, enum direction dir, __u32 n)
{
	if (w->conn->mode == SERIN_MODE_HTTP1 || w->conn->mode == SERIN_MODE_LOST)
		http1_missed(w, dir, n);
}

static __always_inline void protocol_server_closed(struct walk *w)
{
	if (w->conn->mode == SERIN_MODE_HTTP1)
		http1_server_closed(w);
}

#endif
