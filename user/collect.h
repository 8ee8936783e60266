/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Maps -> snapshot: what all CPUs counted, added up. Only reads. */
#ifndef SERIN_COLLECT_H
#define SERIN_COLLECT_H

#include "loader.h"

/* Fills the counters of `n_targets` targets and all losses; memory and listen drops are left as they are. CPU time of
 * threads that run at this moment is included. 0 or -errno. */
int collect_snapshot(const struct serin_maps *maps, unsigned n_targets, struct serin_snapshot *ret);

/* One histogram of one target, of all CPUs. 0 or -errno. */
int collect_hist(const struct serin_maps *maps, unsigned target, enum serin_latency kind, struct serin_hist *ret);

/* The targets that an agent configured: those with a model's name. Returns how many, or -errno. */
int collect_targets(const struct serin_maps *maps, struct serin_target ret_targets[SERIN_TARGETS_MAX]);

#endif
