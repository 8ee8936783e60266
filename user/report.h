/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Model -> JSON, the form of `serin dump -o json`, documented in docs/json.md. It is additive: a key never changes its
 * meaning, and what is not known is null. All functions return a new reference, NULL when memory is out.
 */
#ifndef SERIN_REPORT_H
#define SERIN_REPORT_H

#include <jansson.h>

#include "rollout.h"
#include "serin/model.h"

/* One model version as it is shown. */
struct report_target {
	const struct serin_target *target;
	const struct serin_snapshot *snapshot; /* totals */
	unsigned index;			       /* of the target in the snapshot */
	const struct serin_figures *figures;   /* NULL: no window, no agent is running */
	const struct serin_hist *hists;	       /* SERIN_LATENCIES of them */
};

/* Connections that are being taken from a canary, and what became of them. */
struct report_draining {
	uint64_t connections, in_flight;
	uint64_t ended, reset, aged;
	uint64_t unreachable;
};

/* One release as it is shown. */
struct report_release {
	const char *name;
	const char *stable, *canary; /* versions */
	const struct serin_containers *stable_containers, *canary_containers; /* NULL: not known */
	const struct serin_rollout *rollout;
	const struct serin_policy *policy;
	const struct serin_observation *seen; /* the newest look; its now_ns is when this is shown */
	const uint64_t *steered;	      /* SERIN_STEERED_KINDS of them */
	struct report_draining draining;
	const char *note; /* why it is not steering although it should, or NULL */
};

json_t *report_agent(bool running, int pid, double uptime_seconds);
json_t *report_target(const struct report_target *t);
json_t *report_release(const struct report_release *r);
json_t *report_losses(const uint64_t losses[SERIN_LOSSES]);

/* A histogram as a curve: "le_seconds", the upper edges of the buckets that hold something, rising, and their "count". */
json_t *report_curve(const struct serin_hist *hist);

/* An array, empty for NULL. */
json_t *report_containers(const struct serin_containers *containers);

/* A decision as the log, the history and the store have it. unix_seconds: when it was made, by the wall clock. */
json_t *report_decision(const char *release, const char *stable, const char *canary, const struct serin_decision *decision,
			double unix_seconds);

/* A share a / (a + b) in percent; absent when both are 0. The actual weight, by connections or by requests. */
struct serin_value report_share(uint64_t a, uint64_t b);

/* The value as a JSON number, or null. */
json_t *report_value(struct serin_value value);

#endif
