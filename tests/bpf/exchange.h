/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Both directions of a connection, in the order in which their segments pass, and what is to be counted of them: told by
 * the plain parser of http1_reference.h and by nothing of the product's.
 *
 * As a text, an exchange is its bytes with marks between them: \1 a segment of the client's begins, \2 one of the
 * server's, \3 the server closes.
 */
#ifndef TESTS_EXCHANGE_H
#define TESTS_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "serin/abi.h"

#define EXCHANGE_TEXT_MAX 4096
#define EXCHANGE_SEGMENTS_MAX 512
#define EXCHANGE_SEGMENT_MAX 3000 /* bytes, so that BPF_PROG_TEST_RUN takes it as one page; longer ones are cut */
#define EXCHANGE_REQUESTS_MAX 60  /* below what a connection remembers of methods */

enum exchange_mark { EXCHANGE_IN = 1, EXCHANGE_OUT, EXCHANGE_CLOSE };

struct exchange_segment {
	const uint8_t *bytes;
	size_t len;
	enum exchange_mark mark;
	unsigned int pad;
};

struct exchange {
	size_t count;
	struct exchange_segment segment[EXCHANGE_SEGMENTS_MAX];
};

/* What has been counted so far. */
struct exchange_count {
	uint64_t outcome[SERIN_OUTCOMES];
	uint32_t begun;
	uint32_t answered;
	bool is_http1; /* still, in both directions */
	uint8_t pad[7];
};

struct exchange_expected {
	size_t certain; /* after how many segments it is known; then something was not HTTP/1, or ends in a header */
	struct exchange_count after[EXCHANGE_SEGMENTS_MAX];
};

/* Exchanges that mean something, and what is to be counted: "success=2 in_flight=1". */
struct exchange_sample {
	const char *name;
	const char *text;
	size_t len;
	const char *counted;
};

extern const struct exchange_sample exchange_samples[];
extern const size_t exchange_samples_count;

/* The segments point into the text. False: it has too many, or bytes before the first. */
bool exchange_parse(const uint8_t *text, size_t len, struct exchange *ret_exchange);

/* False: more requests or responses than can be told. */
bool exchange_expect(const struct exchange *exchange, struct exchange_expected *ret_expected);

/* What is wrong with the connection after segment `i`. NULL: nothing. */
const char *exchange_difference(const struct exchange_expected *expected, size_t i, const struct serin_conn *conn,
				const struct serin_tally *tally);

/* The same words of a connection as a sample has. */
#define EXCHANGE_SAY_MAX 160
void exchange_say(const struct serin_conn *conn, const struct serin_tally *tally, char ret_said[EXCHANGE_SAY_MAX]);

/* A random exchange, as a text of at most EXCHANGE_TEXT_MAX bytes: pipelined or not, in any segments, with what HEAD, 204,
 * 304 and 1xx mean for bodies. ret_outcome: what was put in. The numbers come from http1_random_below(). */
size_t exchange_random(uint8_t *ret_text, uint64_t ret_outcome[SERIN_OUTCOMES]);

#endif
