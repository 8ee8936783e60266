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

/* What was taken out of the clients' counts so far. All zero before the first time. */
struct collect_drained {
	bool begun;
	uint64_t added;	  /* by the programs, as last read */
	uint64_t drained; /* of those; what had been added before the first time counts as drained */
	uint64_t lost;
};

/*
 * Takes all clients' counts out of the kernel and hands them on, in no order. ret_lost: clients whose counts had to make
 * room for others' since the last call, at least; of those that come meanwhile it is told at the next one. Of the first
 * call it is 0. Costs a read of memory while nobody has had a request. 0 or -errno: then some have been handed on, and
 * the others are there at the next call.
 */
int collect_clients(const struct serin_maps *maps, struct collect_drained *sums,
		    void (*each)(const struct serin_client_key *key, const struct serin_client *client, void *context),
		    void *context, uint64_t *ret_lost);

/* The targets that an agent configured, each in its place; places without a model's name are empty. Returns how many
 * places there are up to the last that is not, or -errno. */
int collect_targets(const struct serin_maps *maps, struct serin_target ret_targets[SERIN_TARGETS_MAX]);

#endif
