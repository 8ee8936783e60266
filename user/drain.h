/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Takes connections away from a server, as gently as can be: idle ones are ended as a client would end them, so that the
 * server closes in order; busy ones are let finish and ended then; what is left at the deadline is reset.
 */
#ifndef SERIN_DRAIN_H
#define SERIN_DRAIN_H

#include "loader.h"

/* What one release wants to be rid of. */
struct drain_order {
	uint32_t stable, canary;  /* targets */
	uint32_t weight;	  /* connections of the canary whose place is not below it are to end */
	uint64_t began_ns;	  /* when that weight was set */
	uint64_t deadline_ns;	  /* after began_ns: what is left is reset. 0: at once */
	uint64_t max_age_ns;	  /* service connections of either version older than this end in an idle moment; 0: none */
	bool failing;		  /* the canary was rolled back: every pause of its clients may cost one of them a request */
	bool active;
};

/* What there is of a release, and what was done. */
struct drain_state {
	uint64_t connections;	  /* of the canary that are to end and have not, at the last look */
	uint64_t in_flight;	  /* requests on them */
	uint64_t ended, reset;	  /* since the agent's start: told to end in order; reset, also of those told so before */
	uint64_t aged;		  /* ended for their age */
	uint64_t unreachable;	  /* no process that holds them was found, at the last look */
	/* Of no concern to others. */
	uint64_t looked_ns;	  /* when it was last looked at */
	uint64_t searched_ns;	  /* when /proc was last gone through as a whole */
};

/*
 * One look at all tracked connections, and what is due now. To be called each tick: it looks for itself whether there is
 * anything to do. `orders` and `states` are indexed by release. Reads /proc of the targets' processes only when there is
 * something to end. now_ns: CLOCK_MONOTONIC. 0 or -errno from the kernel: -EOPNOTSUPP when it cannot reset what is left
 * (CONFIG_INET_DIAG_DESTROY is not set) and did all else.
 */
int drain_look(struct loader *loader, const struct drain_order *orders, struct drain_state *states, unsigned n, uint64_t now_ns);

/* ---- the rules; they look at nothing but their arguments ---- */

enum drain_verdict {
	DRAIN_KEEP,  /* not to end at all */
	DRAIN_WAIT,  /* to end, but not now */
	DRAIN_END,   /* end in order, now */
	DRAIN_AGE,   /* the same, for its age: no more than drain_share() of them a look */
	DRAIN_RESET,
};

/* What is to become of a connection. */
enum drain_verdict drain_judge(const struct serin_connection *connection, const struct drain_order *order, uint64_t now_ns);

/*
 * How long a connection must have been silent to be ended, so long after its drain began. A client may be sending just
 * then, as with every keep-alive timeout; so long pauses are used first, then ever shorter ones. In the last sixteenth
 * of the time any will do: who never pauses can lose nothing by it that the reset would not take.
 */
uint64_t drain_patience(uint64_t elapsed_ns, uint64_t deadline_ns, bool unframed);

/* When a connection is old: max_age_ns, give or take a tenth, so that those opened together do not end together. */
uint64_t drain_age_limit(uint64_t max_age_ns, uint64_t cookie);

/* How many of so many connections may end for their age in one look. */
unsigned drain_share(unsigned connections);

#endif
