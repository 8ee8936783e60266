/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What is slow, of one release: stable's p50, p90 and p99, frozen when a step begins. The kernel holds stable's requests
 * against them, and the canary's against edges that are wider by what it may be slower. And the latency of the last seconds.
 */
#ifndef SERIN_EDGES_H
#define SERIN_EDGES_H

#include "recent.h"
#include "targets.h"

/* A p99 of fewer values rests on one or two of them. */
#define EDGES_MIN_COUNT 200
#define EDGES_PAST_LOOKS 600 /* where ten seconds have fewer, so far back are they looked for */

enum edges_version { EDGES_STABLE, EDGES_CANARY, EDGES_VERSIONS };

struct edges {
	unsigned target[EDGES_VERSIONS]; /* indices of targets; SERIN_NONE: there is none */
	struct recent duration[EDGES_VERSIONS];
	struct recent first_chunk[EDGES_VERSIONS]; /* of streams */
	struct recent stream_duration[EDGES_VERSIONS];
	struct serin_hist duration_past, first_chunk_past; /* stable's, some looks ago */
	unsigned looks;					   /* since then */
	bool duration_frozen, first_chunk_frozen;
	uint64_t duration_ns[SERIN_EDGES], first_chunk_ns[SERIN_EDGES]; /* stable's p50, p90, p99; 0: no edge */
	double margin;	   /* the canary may take so many times as long, at least 1 ... */
	uint64_t floor_ns; /* ... or so much longer, whichever is more */
};

/* Begins without edges, without a past and without a margin. canary SERIN_NONE: a version that is observed alone, of which only
 * edges_quantile() says anything. */
void edges_init(struct edges *edges, unsigned stable, unsigned canary);

/* A look at the histograms, once a second. With `freeze`, edges that are not frozen yet are taken from stable as soon as it
 * has EDGES_MIN_COUNT values in ten seconds, or since some minutes, and told to the kernel. 0 or -errno. */
int edges_look(struct edges *edges, struct targets *targets, struct loader *loader, bool freeze);

/* A new step begins: the edges are taken afresh. The old ones stand until then. */
void edges_thaw(struct edges *edges);

/* What the canary is held against, of an edge of stable's: margin times as long, or floor_ns longer. 0 stays 0. */
uint64_t edges_widen(const struct edges *edges, uint64_t edge_ns);

/* A quantile of the durations of one of the two targets in the last seconds, in ns; of streams where there is nothing else.
 * Absent for other targets. */
struct serin_value edges_quantile(const struct edges *edges, unsigned target, double q);

/* The latencies of the last seconds: SERIN_DURATION, SERIN_STREAM_FIRST_CHUNK or SERIN_STREAM_DURATION of one of the two targets.
 * NULL for other kinds and targets. */
const struct recent *edges_recent(const struct edges *edges, unsigned target, enum serin_latency kind);

#endif
