/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What the agent tells those who read its log: one function an event, in words and as fields. */
#ifndef SERIN_ANNOUNCE_H
#define SERIN_ANNOUNCE_H

#include "edges.h"
#include "rollout.h"
#include "targets.h"

#include <jansson.h>

void announce_listening(const struct serin_target *target);
void announce_waiting(const struct serin_target *target);

/* It listens with MPTCP: a listener that is there but of no use. */
void announce_mptcp(const struct serin_target *target);

/* What is waited for here listens in another network namespace, that of `pid`. */
void announce_elsewhere(const struct serin_target *target, uint32_t pid);

void announce_decision(const char *release, const struct serin_decision *decision);

/* The line of a second. `figures` has an element a target; `releases` is taken over. */
void announce_tick(const char *release, const struct targets *targets, const struct serin_figures *figures,
		   const struct edges *edges, const struct serin_rollout *rollout, json_t *releases);

#endif
