/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Protocols that nobody frames yet. What is told of them is a connection's turns: from the client's first byte to the
 * server's first byte after it, and who broke one off.
 */
#ifndef SERIN_OPAQUE_BPF_H
#define SERIN_OPAQUE_BPF_H

#include "segment.bpf.h"

static __always_inline void opaque_bytes(struct walk *w, enum direction dir)
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

#endif
