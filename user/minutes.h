/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* A line a minute and version, for the store. */
#ifndef SERIN_MINUTES_H
#define SERIN_MINUTES_H

#include "figures.h"
#include "store.h"
#include "targets.h"

struct minutes {
	uint64_t begin_ns; /* 0: none has begun */
	struct serin_tally tally[SERIN_TARGETS_MAX];
	uint64_t drops[SERIN_TARGETS_MAX];
	struct serin_hist hist[SERIN_TARGETS_MAX]; /* of durations, and first chunks of streams */
};

/* The share of the connections that a target was to get, basis points. */
typedef uint32_t (*minutes_weight)(unsigned target, void *context);

/*
 * Writes the minute's lines when it is over, and begins the next. `figures` are those of the last window: R and D of a minute
 * are these. Call it once a second. 0, or -errno when the kernel cannot be read.
 */
int minutes_look(struct minutes *minutes, const struct targets *targets, const struct serin_maps *maps, struct store *store,
		 const struct serin_snapshot *now, const struct serin_figures *figures, const bool success[SERIN_OUTCOMES],
		 minutes_weight weight, void *context);

#endif
