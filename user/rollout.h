/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * A release as a state machine: what is seen and ordered in, decisions out. Pure: no clock, no I/O, no allocation. What
 * a decision does to traffic is steer.c's, what it looks like is report.c's.
 *
 * Plain data without pointers, so that one agent can leave it to the next as it is.
 */
#ifndef SERIN_ROLLOUT_H
#define SERIN_ROLLOUT_H

#include "serin/model.h"

#define ROLLOUT_STEPS_MAX 32
#define ROLLOUT_EXTERNAL_MAX 16
#define ROLLOUT_WHY_MAX 256

struct serin_step {
	uint32_t weight;  /* basis points, above 0 and above the weight of the step before */
	uint64_t hold_ns; /* 0: not at all */
};

enum serin_inconclusive { SERIN_INCONCLUSIVE_HOLD, SERIN_INCONCLUSIVE_PROMOTE, SERIN_INCONCLUSIVE_ROLLBACK };

/* A figure that the kernel cannot see, as a bound on it. */
struct serin_external_gate {
	char name[SERIN_NAME_MAX];
	struct serin_value min, max;
};

/* What a release is to do by itself. From the configuration; all zero but for the gates is one that a person steers. */
struct serin_policy {
	struct serin_step steps[ROLLOUT_STEPS_MAX];
	unsigned n_steps; /* 0: weights are a person's alone */
	bool automatic;	  /* begins by itself when both listen */
	struct serin_gates gates; /* model.h: p_min, r_max, d_max, cpu_ratio_max, min_requests */
	struct serin_external_gate external[ROLLOUT_EXTERNAL_MAX];
	unsigned n_external;
	uint64_t external_age_ns;  /* an older figure is no figure */
	enum serin_inconclusive on_inconclusive;
	uint64_t exits_max;	   /* processes of the canary that may die in a minute beyond stable's; 0: any number */
	uint64_t absent_ns;	   /* a canary with a weight may be away so long; 0: for ever */
};

/* A figure that somebody sent: POST /api/monitor. */
struct serin_external {
	char name[SERIN_NAME_MAX];
	double value;
	uint64_t at_ns;
};

/* What the machine looks at in one tick. */
struct serin_observation {
	uint64_t now_ns;
	struct serin_figures stable, canary; /* in the window, which does not reach back beyond rollout.since_ns */
	struct serin_judgement evidence;     /* model.h */
	uint64_t step_requests[2];	     /* of stable and canary with a known outcome since rollout.since_ns */
	uint64_t exits[2];		     /* of their processes in the last minute, not before rollout.since_ns */
	bool stable_listens, canary_listens;
	const struct serin_external *external; /* of the canary, newest of each name */
	unsigned n_external;
};

enum serin_order { SERIN_ORDER_WEIGHT, SERIN_ORDER_PROMOTE, SERIN_ORDER_PROMOTE_FULL, SERIN_ORDER_PAUSE,
		   SERIN_ORDER_RESUME, SERIN_ORDER_ABORT, SERIN_ORDER_RETRY, SERIN_ORDERS };

struct serin_rollout {
	enum serin_phase phase;
	uint32_t weight;	 /* basis points */
	uint32_t step;		 /* from 1 on; 0: none */
	bool manual;		 /* a person's weight: no step is taken until `resume` */
	bool rested;		 /* Idle by a person's word: does not begin by itself; `manual` too then */
	enum serin_waiting waiting; /* why it does not go on right now: model.h */
	uint32_t retry_weight;	 /* before the rollback: what retry goes back to without steps; 0: not known */
	uint64_t since_ns;	 /* when this weight began; windows do not reach back beyond it */
	uint64_t hold_from_ns;	 /* when the hold began; moved on by a pause */
	uint64_t paused_ns;	 /* when it was paused */
	uint64_t absent_from_ns; /* since when a canary with a weight is gone; 0: it listens, or has none */
	struct serin_decision latest; /* what brought it here; reason SERIN_REASON_NONE: nothing yet */
};

/* One look. Answers whether it decided something, and then what; sets `waiting` in any case. */
bool rollout_tick(struct serin_rollout *rollout, const struct serin_policy *policy,
		  const struct serin_observation *seen, struct serin_decision *ret);

/*
 * A person's order. `weight` (basis points) is for SERIN_ORDER_WEIGHT alone. `seen` is the newest look: what is decided
 * takes its figures along, and its now_ns is the moment of the order. Returns 0; -ERANGE for a weight above
 * SERIN_WEIGHT_MAX; -EBUSY when it is not possible in this phase, ret_why then says what, why and what to do instead. On
 * failure nothing changes.
 */
int rollout_order(struct serin_rollout *rollout, const struct serin_policy *policy, const struct serin_observation *seen,
		  enum serin_order order, uint32_t weight, struct serin_decision *ret, char ret_why[ROLLOUT_WHY_MAX]);

/*
 * Where a release goes on that an earlier agent had brought to `phase`, `step` and `weight`, as its history tells:
 * promoted and rolled back stay so, a step is begun anew, a pause stays a pause, and Idle with `manual` rests. For an agent
 * that finds no pinned state. The weight of a step that the policy no longer has is kept, by a person's hand. Of one
 * that was rolled back, `weight` is what it had before (0: not known): retry goes back to it. What was done is `latest`.
 */
void rollout_restore(struct serin_rollout *rollout, const struct serin_policy *policy, enum serin_phase phase, uint32_t step,
		     uint32_t weight, bool manual, uint64_t now_ns);

/*
 * A new policy (a reload): the step whose weight is the largest not above the present one is the present one. No weight
 * changes and no hold begins anew. Where no step is so small, the weight stays by a person's hand. When the step has
 * become another, `latest` says so.
 */
void rollout_replan(struct serin_rollout *rollout, const struct serin_policy *policy, uint64_t now_ns);

/* The newest figure of this name, NULL when nobody sent one; and its age in seconds, absent then. However old. */
const struct serin_external *rollout_external(const struct serin_observation *seen, const char *name);
struct serin_value rollout_external_age(const struct serin_observation *seen, const char *name);

/* The reason in words, as `P 0.41 < 0.95 over 63 requests`. Empty when there is none. */
void rollout_explain(const struct serin_decision *decision, char *ret_text, size_t size);

/* What it waits for, in words, as `step 2 of 4: 41 s of 60 s`, `no traffic on the canary yet`. Empty: for nothing. */
void rollout_explain_waiting(const struct serin_rollout *rollout, const struct serin_policy *policy,
			     const struct serin_observation *seen, char *ret_text, size_t size);

#endif
