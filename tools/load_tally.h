/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What the load client saw, counted, and how it is told.
 */
#ifndef TOOLS_LOAD_TALLY_H
#define TOOLS_LOAD_TALLY_H

#include <stdint.h>

/* Every request ends in exactly one. The words are in load_outcome_name(). */
enum load_outcome {
	LOAD_SUCCESS,	    /* complete, and none of those below */
	LOAD_CLIENT_ERROR,  /* 4xx except 408 and 429 */
	LOAD_THROTTLED,	    /* 408, 429 */
	LOAD_SERVER_ERROR,  /* 5xx */
	LOAD_SERVER_ABORT,  /* the server closed or reset before its response was complete */
	LOAD_CLIENT_ABORT,  /* this client gave up */
	LOAD_CONNECT_ERROR, /* no connection, so nothing was sent */
	LOAD_UNKNOWN,	    /* the answer is not HTTP/1 */
	LOAD_OUTCOMES
};

enum load_latency {
	LOAD_CONNECT,		 /* connect() -> connected */
	LOAD_WAIT,		 /* due (--rate) -> a connection was free */
	LOAD_FIRST_BYTE,	 /* request sent -> first byte of the final response */
	LOAD_FIRST_CHUNK,	 /* request sent -> first byte of the body */
	LOAD_STREAM_FIRST_CHUNK, /* the same, streaming responses only */
	LOAD_DURATION,		 /* request sent -> last byte, of a response that does not stream */
	LOAD_STREAM_DURATION,	 /* the same, of one that does */
	LOAD_LATENCIES
};

/* A log-linear histogram of nanoseconds: 64 buckets an octave, so the middle of one is at most 0.8% off. */
#define LOAD_HISTOGRAM_SUB_BITS 6
#define LOAD_HISTOGRAM_OCTAVES 38 /* to 2^44 ns, 4.9 hours; what is above is in the last bucket */
#define LOAD_HISTOGRAM_BUCKETS ((LOAD_HISTOGRAM_OCTAVES + 1) << LOAD_HISTOGRAM_SUB_BITS)

struct load_histogram {
	uint64_t count, sum, max;
	uint64_t bucket[LOAD_HISTOGRAM_BUCKETS];
};

#define LOAD_STATUS_MAX 1000

struct load_tally {
	uint64_t requests;    /* begun */
	uint64_t retried;     /* sent again, because the server had closed the connection meanwhile */
	uint64_t streams;     /* complete responses that streamed */
	uint64_t late;	      /* begun more than 1 ms after they were due, mostly as no connection was free */
	uint64_t unsent;      /* due but not begun when the time was over */
	uint64_t opened;      /* connections */
	uint64_t closed_idle; /* connections the server closed between requests */
	uint64_t bytes_in, bytes_out;
	uint64_t outcomes[LOAD_OUTCOMES];
	uint64_t statuses[LOAD_STATUS_MAX]; /* of complete responses */
	struct load_histogram latencies[LOAD_LATENCIES];
	double seconds;
};

const char *load_outcome_name(enum load_outcome outcome);

/* The outcome of a complete response. */
enum load_outcome load_outcome_of_status(unsigned status);

void load_observe(struct load_tally *tally, enum load_latency latency, uint64_t nanoseconds);

/* Prints the whole on stdout: one JSON object, or a table to read. 0 or -errno. */
int load_print_json(const struct load_tally *tally);
int load_print_table(const struct load_tally *tally);

#endif
