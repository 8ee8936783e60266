/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The requests the load client sends.
 */
#ifndef TOOLS_LOAD_REQUEST_H
#define TOOLS_LOAD_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REQUEST_TARGET_MAX 1024 /* bytes of the path with its query */
#define REQUEST_OWN_MAX 2048	/* a request with a body of ours, for any target and method */

/* How requests are made: either each anew with a prompt of its own, or all from a body that was given. */
struct request_maker {
	char method[16];
	char host[64];
	char target[REQUEST_TARGET_MAX];
	bool to_head;
	bool own_body;		/* the bodies are ours: a small completion request each */
	double stream_share;	/* of the requests that ask for a stream, from 0 to 1 */
	char *plain, *stream;	/* whole messages where the body was given */
	size_t n_plain, n_stream;
};

struct request {
	const char *bytes; /* in `own` or in the maker */
	size_t length;
	char own[REQUEST_OWN_MAX];
};

/*
 * Takes the body that was given (NULL: none, bodies are ours where the method has one). 0; -ENOMEM; -EINVAL when
 * streams are wanted but the body is no JSON object that could ask for one.
 */
int request_maker_begin(struct request_maker *maker, const char *body, size_t n_body);
void request_maker_end(struct request_maker *maker);

/* The next request; `random` is the state of util_random(). */
void request_make(const struct request_maker *maker, uint64_t *random, struct request *ret);

#endif
