/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Which HTTP/1 messages a byte string holds, read twice: by a plain parser that has the whole string in memory and
 * follows RFC 9112 paragraph by paragraph (the reference), and by the machine of serin/http1.h, fed in segments as
 * the BPF program feeds it. Where the two readings differ, one of them is wrong.
 */
#ifndef HTTP1_REFERENCE_H
#define HTTP1_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "serin/http1.h"
#include "serin/abi.h"

#define HTTP1_TEXT_MAX 4096 /* bytes a reading may be made of */
#define HTTP1_MESSAGES_MAX (HTTP1_TEXT_MAX / 4 + 1) /* the shortest message is "A \n\n" */

/* Where the RFC leaves the limit to the implementation, these are the machine's. */
#define HTTP1_LENGTH_MAX ((1ULL << 58) * 10 + 9) /* of a body */
#define HTTP1_CHUNK_MAX ((1ULL << 60) - 1)	 /* of a chunk */

enum http1_fate {
	HTTP1_FATE_INTERIM,  /* a 1xx response */
	HTTP1_FATE_ENDED,    /* by its framing */
	HTTP1_FATE_SWITCHED, /* ended, and the connection speaks something else */
	HTTP1_FATE_CLOSED,   /* ended by the end of the string, as such a response should */
	HTTP1_FATE_CUT,	     /* the string ended within it */
	HTTP1_FATE_OPAQUE,   /* not HTTP/1, or no telling where it ends: nothing after it was read */
	HTTP1_FATES
};

/* Offsets are those of the string. */
struct http1_message {
	size_t begin;	   /* of its first byte */
	size_t header_end; /* after its header. 0: not reached, and what the header says is not given */
	size_t end;	   /* after its last byte; opaque: after the byte at which that showed */
	size_t body;	   /* body bytes, without the framing of chunks */
	uint64_t length;   /* Content-Length, with HTTP1_F_LENGTH */
	unsigned int status;
	unsigned int flags; /* enum http1_flag */
	enum http1_fate fate;
	unsigned int pad;
	/* Reference only. Cut or opaque: the line that is unfinished or wrong. The machine may know before the line is
	 * complete, but not before it begins. */
	size_t line_begin;
	size_t line_end;
};

struct http1_reading {
	size_t count;
	const char *fault; /* the machine broke its own rules: which one. NULL: it did not */
	struct http1_message message[HTTP1_MESSAGES_MAX];
};

/* What is read. `heads`: bit n % 64 says that final response n answers HEAD. */
struct http1_text {
	const uint8_t *bytes;
	size_t len; /* at most HTTP1_TEXT_MAX */
	enum http1_side side;
	uint64_t heads;
};

/* The reference. */
void http1_reference_read(const struct http1_text *text, struct http1_reading *ret_reading);

/*
 * How the machine is fed: one segment up to each cut (ascending offsets; equal ones are an empty segment), one after
 * the last. Each segment is seen through windows of at most SERIN_WINDOW bytes that are followed by exactly
 * HTTP1_SLACK readable bytes of garbage, of one of several kinds.
 */
enum http1_garbage {
	HTTP1_ZEROS,
	HTTP1_LINE_FEEDS,
	HTTP1_HEADER_LINES,
	HTTP1_CHUNK_LINES,
	HTTP1_WHAT_FOLLOWS, /* the bytes that come next, which must not be used before they do */
	HTTP1_GARBAGES
};

struct http1_feed {
	const size_t *cuts;
	size_t count;
	enum http1_garbage garbage;
	bool by_step; /* with http1_step() instead of http1_body_ahead(), http1_pass_body() and http1_frame() */
};

/* The machine, up to and with http1_eof(). ret_state (may be NULL): the state it was in before that. */
void http1_machine_read(const struct http1_text *text, const struct http1_feed *feed, struct http1_reading *ret_reading,
			enum http1_state *ret_state);

/* Are two readings by the machine the same, to the byte? */
bool http1_reading_equal(const struct http1_reading *a, const struct http1_reading *b);

/* What the machine got wrong. NULL: nothing. */
const char *http1_reading_difference(const struct http1_reading *machine, const struct http1_reading *reference);

#endif
