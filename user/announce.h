/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What the agent tells those who read its log: one function an event, in words and as fields. */
#ifndef SERIN_ANNOUNCE_H
#define SERIN_ANNOUNCE_H

#include "rollout.h"
#include "targets.h"

#include <jansson.h>

void announce_listening(const struct serin_target *target);
void announce_waiting(const struct serin_target *target);

/* It listens with MPTCP: a listener that is there but of no use. */
void announce_mptcp(const struct serin_target *target);

/* What is waited for here listens in another network namespace, that of `pid`. */
void announce_elsewhere(const struct serin_target *target, uint32_t pid);

/* `fields` is report_decision()'s, and is taken over. */
void announce_decision(const char *release, const struct serin_decision *decision, json_t *fields);

/* It was started with a weight, but has a past that tells otherwise. */
void announce_first_weight(const char *release, const struct serin_rollout *rollout, uint32_t given);

struct announce_release {
	const char *name;
	const struct serin_rollout *rollout;
};

struct announce_version {
	const struct serin_target *target;
	const struct serin_figures *figures;
	struct serin_value p50_ns, p99_ns;	/* of the last seconds */
	const struct announce_release *release; /* NULL: of none */
};

/* What a second was like: for people a line a release and a line for each version that has none, else one event with all
 * in it. `fields` is what the event tells of the releases, and is taken over. */
void announce_tick(const struct announce_version *versions, unsigned n, const struct announce_release *releases,
		   unsigned n_releases, json_t *fields);

/* What it is at, in a line without an end: "chat Progressing at 5%, step 2; waiting for chat/v2". Cut where it is too long. */
void announce_standing(const struct announce_version *versions, unsigned n, const struct announce_release *releases,
		       unsigned n_releases, char *ret_text, size_t size);

#endif
