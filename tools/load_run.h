/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Sends requests over many connections from one thread, and counts what comes back.
 */
#ifndef TOOLS_LOAD_RUN_H
#define TOOLS_LOAD_RUN_H

#include "address.h"
#include "load_request.h"
#include "load_tally.h"

#define LOAD_CONNECTIONS_MAX 16384
#define LOAD_SOURCES_MAX 4096

struct load_plan {
	union address server;
	struct request_maker maker;
	uint64_t connections;	 /* at most so many at the same time */
	uint64_t requests;	 /* 0: no limit */
	double duration;	 /* seconds; 0: no limit */
	double rate;		 /* requests a second; 0: as fast as the connections allow */
	uint64_t per_connection; /* requests before this side closes; 0: never */
	bool stagger;		 /* the first connections close earlier, each at another request */
	double timeout;		 /* seconds for a connection, and for a whole response */
	uint64_t seed;
	union address sources[LOAD_SOURCES_MAX]; /* taken in turn; none: the kernel chooses */
	size_t n_sources;
	bool progress; /* a line a second on stderr */
};

/*
 * Runs the plan until it is done, or SIGTERM or SIGINT (which must be blocked) ends it early; requests in flight are
 * waited for, but by a second signal. Returns 0 or -errno; *ret_connect_error is why the last connection that could
 * not be made was not, as a positive errno, or 0.
 */
int load_run(const struct load_plan *plan, struct load_tally *tally, int *ret_connect_error);

#endif
