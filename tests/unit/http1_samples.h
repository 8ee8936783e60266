/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * HTTP/1 texts for tests: samples with what is to be found in them, and seeded mutations of these.
 */
#ifndef HTTP1_SAMPLES_H
#define HTTP1_SAMPLES_H

#include "http1_reference.h"

/*
 * A sample is a byte string with marks for what is to be found, none of which is part of it:
 *
 *	<  a message begins		|  its header ends		^  an interim response ends
 *	>  a message ends		@  ends, protocol switched	$  ends by the end of the connection
 *	?  is cut short by it		!  opaque: this byte showed it
 *
 * `say` is what each header said, and how long the body was as far as it came.
 */
struct sample {
	const char *name;
	enum http1_side side;
	uint64_t heads;
	const char *marked;
	size_t len;
	const char *say;
};

#define HTTP1_MARKS "<|^>@$?!"

extern const struct sample http1_samples[];
extern const size_t http1_samples_count;

struct buffer {
	char bytes[HTTP1_TEXT_MAX];
	size_t len;
};

/* Aborts when the buffer is full. */
void buffer_put(struct buffer *b, char c);

/* The sample without its marks. The text points into the buffer. */
struct http1_text http1_sample_text(const struct sample *sample, struct buffer *ret_bytes);

/* A number below n, n > 0. The same numbers in the same order on every machine. */
uint64_t http1_random_below(uint64_t n);

/* A sample, changed in one place to four, or two of them made one. */
struct http1_text http1_random_text(struct buffer *ret_bytes);

#endif
