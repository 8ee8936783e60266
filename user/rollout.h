/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * A release as a state machine: figures and orders in, decisions out. Pure: what a decision does to traffic is
 * steer.c's, what it looks like is report.c's.
 */
#ifndef SERIN_ROLLOUT_H
#define SERIN_ROLLOUT_H

#include "serin/model.h"

struct serin_rollout {
	enum serin_phase phase;
	uint32_t weight;	      /* basis points */
	uint64_t since_ns;	      /* when this weight began; windows do not reach back beyond it */
	struct serin_decision latest; /* what brought it here; reason SERIN_REASON_NONE: nothing yet */
};

/* One look at the canary's figures. Answers whether it decided something, and then what. Decides only while a canary
 * has a weight. */
bool rollout_tick(struct serin_rollout *rollout, const struct serin_gates *gates, const struct serin_figures *canary,
		  uint64_t now_ns, struct serin_decision *ret);

/*
 * A person sets the weight: 0 is Idle, more is Progressing, after a rollback too. Returns 0, or -ERANGE when the
 * weight is above SERIN_WEIGHT_MAX.
 */
int rollout_weight(struct serin_rollout *rollout, uint32_t weight, uint64_t now_ns, struct serin_decision *ret);

/* A person takes the canary out. Returns 0, or -EALREADY when it is out: Idle or RolledBack. */
int rollout_abort(struct serin_rollout *rollout, uint64_t now_ns, struct serin_decision *ret);

/* The reason in words, as `P 0.41 < 0.95 over 63 requests`. Empty when there is none. */
void rollout_explain(const struct serin_decision *decision, char *ret_text, size_t size);

#endif
