/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What both machines do with a segment: the one in the kernel (frame.bpf.c) and the one in user space (host.c). Included
 * after the product's protocol.bpf.h, whose code it is that reads the bytes.
 */
#ifndef TESTS_FRAME_H
#define TESTS_FRAME_H

/* New bytes of one direction, in order; then, it may be, the server's FIN. As observe.bpf.c does it. */
static __always_inline void frame_segment(struct walk *w, const struct segment *seg, enum direction dir)
{
	struct serin_stream *s = stream_of(w->conn, dir);

	s->at = seg->at;
	s->end = seg->end;
	s->window_bytes = 0;
	if (s->at < s->end) {
		protocol_bytes(w, dir);
		s->last_ns = w->now;
	}
	if (seg->fin && dir == OUT) {
		w->conn->server_fin = 1;
		protocol_server_closed(w);
	}
}

#endif
