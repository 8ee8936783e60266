/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * One release at work: what clients did becomes evidence, evidence and figures go to the state machine, what that decides
 * goes to the kernel first, then to the log and the store. It leaves its state with the pinned maps at each change, so
 * that another agent goes on where this one was killed.
 */
#ifndef SERIN_RELEASE_H
#define SERIN_RELEASE_H

#include "clients.h"
#include "config.h"
#include "drain.h"
#include "edges.h"
#include "evidence.h"
#include "report.h"
#include "rollout.h"
#include "steer.h"
#include "store.h"
#include "targets.h"

#include <jansson.h>

#define RELEASE_WHY_MAX 512
#define RELEASE_EXITS_SECONDS 60 /* over which dying processes are counted */

/* What all releases of an agent share; borrowed. */
struct release_world {
	struct loader *loader;
	struct targets *targets;
	struct store *store;
};

/* A figure from outside, of either version. */
struct release_external {
	char version[SERIN_NAME_MAX];
	struct serin_external figure;
};

struct release {
	const struct release_world *world;
	struct serin_release_config config;
	uint32_t index;		 /* in the kernel's maps */
	unsigned stable, canary; /* targets */
	struct steer *steer;
	struct serin_rollout rollout;
	double decided_unix; /* when its newest decision was made, as the history tells it; 0: there is none */
	uint64_t decisions[SERIN_REASONS]; /* since the agent's start */
	struct serin_observation seen; /* the newest look */
	struct edges edges;

	bool past_unknown; /* the store cannot say yet where it was: Idle until then, or until a person says where it is to be */
	bool counting;	/* the counts below have their beginning */
	bool comparing; /* evidence is being gathered: clients are counted by the kernel */
	struct serin_evidence evidence;
	struct evidence_split split;
	struct clients *clients;
	struct evidence_block cohort;
	uint64_t cohort_ns;			       /* when the present one began; sticky clients only */
	uint64_t steered[SERIN_STEERED_KINDS];	       /* as far as `split` has them */
	uint64_t begun[EVIDENCE_ARMS];		       /* requests of the arms when the weight began */
	bool split_warned;

	struct serin_value baseline; /* anomalies of a request of stable's, as recorded before the release; absent: not asked for,
				      * or nothing was recorded */
	struct {
		uint64_t exits[EVIDENCE_ARMS];
	} seconds[RELEASE_EXITS_SECONDS + 1]; /* a ring, newest at `second` */
	unsigned second, n_seconds;

	struct release_external external[ROLLOUT_EXTERNAL_MAX];
	unsigned n_external;
	struct serin_external of_canary[ROLLOUT_EXTERNAL_MAX]; /* what `seen` points to */

	struct drain_order drain;
	struct drain_state drained;
	bool owed;	/* the kernel has not taken the decided weight yet */
	char note[200]; /* why it does not steer although it should; empty: it does */
};

/* The index at which an earlier agent left a release of that name and these versions; -ENOENT: nowhere. */
int release_former(struct loader *loader, const struct serin_release_config *config);

/*
 * Takes hold of the release's service address and brings it to where an earlier agent left it: by its pinned state when
 * the maps were taken over and it has the index it had then, else by the store; while that does not answer it is Idle and decides nothing.
 * Returns 0, or -errno with a sentence in ret_why.
 */
int release_open(const struct release_world *world, uint32_t index, const struct serin_release_config *config,
		 unsigned stable, unsigned canary, bool taken_over, struct release **ret, char ret_why[RELEASE_WHY_MAX]);

/* Lets go. `keep`: the weight stays in the kernel, for another agent or until the lease runs out; otherwise new connections
 * go to stable from now on. NULL is fine. */
void release_close(struct release *release, bool keep);

/* What one client did since it was read last. */
void release_feed(struct release *release, uint64_t hash, const struct serin_client *counts, uint64_t now_ns);

/*
 * One look: `now` is the newest snapshot, `figures` those of all targets in the window. `second`: a second has passed since
 * the last such look. 0, or -errno when the kernel cannot be read.
 */
int release_tick(struct release *release, const struct serin_snapshot *now, const struct serin_figures *figures,
		 bool second);

/* A weight that was given with the start is a person's first order: not when the release has a past, which is said then; and not yet
 * when its past is not known. As release_order(). */
int release_first_weight(struct release *release, const struct serin_snapshot *now, char ret_why[RELEASE_WHY_MAX]);

/* The kernel is told the decided weight again while it owes it. Returns whether it has it. */
bool release_paid(struct release *release);

/*
 * A person's order. `now` is a snapshot of this moment if the order changes the weight: with it the decision's window
 * begins. 0, or -errno with a sentence in ret_why: see rollout_order().
 */
int release_order(struct release *release, enum serin_order order, uint32_t weight, const struct serin_snapshot *now,
		  char ret_why[RELEASE_WHY_MAX]);

/* A figure from outside; version NULL: the canary's. 0; -ENOENT for a version that is not this release's; -ENOSPC when
 * there are too many names. */
int release_monitor(struct release *release, const char *version, const char *name, double value, uint64_t now_ns);

/* A new configuration of the same versions and service; the versions may have got other places as targets. 0 or -errno from
 * the kernel: the old configuration is then in force. */
int release_reconfigure(struct release *release, const struct serin_release_config *config, unsigned stable,
			unsigned canary, uint64_t now_ns);

/* As it is shown now. `newest`: what was counted by now. The result points to *ret_seen, `newest` and the release, and is of use
 * until one of them changes. */
struct report_release release_show(const struct release *release, const struct serin_snapshot *newest,
				   struct serin_observation *ret_seen);

/* As `serin dump` shows it. A new reference. */
json_t *release_report(const struct release *release, const struct serin_snapshot *newest);

/* Its name, which is that of its model too. */
const char *release_name(const struct release *release);
const char *release_version(const struct release *release, enum evidence_arm arm);

#endif
