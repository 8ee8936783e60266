/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What is slow: edges frozen at stable's p99 when a step begins, above which the kernel counts a success as slow on
 * either version. And the latency of the last seconds, from which they are taken.
 */
#ifndef SERIN_EDGES_H
#define SERIN_EDGES_H

#include "recent.h"
#include "targets.h"

/* A p99 of fewer values rests on one or two of them. */
#define EDGES_MIN_COUNT 200

struct edges {
	struct recent duration[SERIN_TARGETS_MAX];
	struct recent first_chunk[SERIN_TARGETS_MAX]; /* of streams */
	bool duration_frozen, first_chunk_frozen;
	uint64_t duration_ns, first_chunk_ns; /* 0: no edge */
};

/* A look at the histograms, once a second. With `freeze`, edges that are not frozen yet are taken from stable (the
 * target with that role) as soon as it has EDGES_MIN_COUNT values in ten seconds. 0 or -errno. */
int edges_look(struct edges *edges, struct targets *targets, struct loader *loader, bool freeze);

/* A new step begins: the edges are taken afresh. The old ones stand until then. */
void edges_thaw(struct edges *edges);

/* A quantile of the target's durations in the last seconds, in ns; of streams where there is nothing else. */
struct serin_value edges_quantile(const struct edges *edges, unsigned target, double q);

#endif
