/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The framing of HTTP/1.x responses, seen from a client: bytes in, state out. Keeps no body.
 */
#ifndef TOOLS_HTTP_RESPONSE_H
#define TOOLS_HTTP_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum response_state {
	RESPONSE_STATUS_LINE,
	RESPONSE_HEADER,
	RESPONSE_BODY_LENGTH, /* a body of Content-Length */
	RESPONSE_BODY_CLOSE,  /* a body that ends with the connection */
	RESPONSE_CHUNK_SIZE,
	RESPONSE_CHUNK_DATA,
	RESPONSE_CHUNK_END,   /* the line end after a chunk's data */
	RESPONSE_TRAILER,
	RESPONSE_COMPLETE,
	RESPONSE_MALFORMED,
	RESPONSE_STATES
};

#define RESPONSE_LINE_MAX 512		/* longer lines are read to their end but only this much is looked at */
#define RESPONSE_HEAD_MAX (256u << 10)	/* bytes of one header block or trailer */

struct http_response {
	enum response_state state;
	bool to_head;		/* the request was HEAD: there is no body whatever the headers say */
	unsigned status;	/* of the final response; 1xx are passed over */
	bool begun;		/* a byte of the final response has come */
	bool keep_alive;	/* the connection may be used again */
	bool chunked, event_stream, has_length;
	uint64_t left;		/* bytes of the body or the chunk still to come */
	uint64_t body_bytes, n_chunks; /* chunks that hold data */
	size_t head_bytes, line_length;
	char line[RESPONSE_LINE_MAX];
};

/* Ready for the response to a request. */
void response_begin(struct http_response *response, bool to_head);

/*
 * Takes received bytes; returns how many belong to this response. Fewer than given only once it is complete or
 * malformed.
 */
size_t response_feed(struct http_response *response, const char *data, size_t length);

/* The server has closed in good order (no reset): completes a body that ends so. */
void response_end_of_file(struct http_response *response);

/* text/event-stream, or sent in more than one chunk. */
bool response_is_stream(const struct http_response *response);

#endif
