/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What the three rooms of the agent share: agent.c is its life (start, the event loop, a reload, the end), agent_tick.c
 * what it does at each look, agent_answers.c what callers of the API get. One thread; nobody else includes this.
 */
#ifndef SERIN_AGENT_INSIDE_H
#define SERIN_AGENT_INSIDE_H

#include "agent.h"

#include "api.h"
#include "collect.h"
#include "deployment.h"
#include "minutes.h"
#include "models.h"
#include "notify.h"
#include "scrape.h"
#include "series.h"
#include "store.h"
#include "targets.h"
#include "window.h"

struct agent {
	const struct agent_options *options;
	struct serin_config config; /* what it goes by: the options', until a reload */
	uint64_t start_ns;
	uint64_t second_ns; /* of the last look that is taken once a second */
	int lock, epoll, timer, signals;
	struct loader *loader;
	struct store *store;
	struct api *api;
	struct deployment deployed;
	struct models models;
	struct serin_window window;
	struct serin_figures figures[SERIN_TARGETS_MAX];
	struct serin_value limits[SERIN_TARGETS_MAX][SERIN_RESOURCES];
	struct collect_drained drained; /* how far the kernel's counts by client are read */
	struct minutes minutes;
	struct scrape scrape;
	struct series series[SERIN_RELEASES_MAX]; /* the last minutes of each release */
	struct edges *alone[SERIN_TARGETS_MAX]; /* of versions that have no release, for their latency */
	bool said_elsewhere[SERIN_TARGETS_MAX];
	struct place {
		char model[SERIN_NAME_MAX], version[SERIN_NAME_MAX];
	} places[SERIN_TARGETS_MAX]; /* whose each target was at the newest look */
	bool taken_over; /* another agent's counters and weights: not this one's to take away when it cannot start */
	int drain_trouble; /* the newest error of a drain, told once */
	uint64_t elsewhere_ns; /* when other network namespaces were last looked through */
	uint64_t store_lost;   /* that the losses have */
	char store_trouble[STORE_WHY_MAX];
	struct notify notify;		/* who started it */
	char refused[CONFIG_WHY_MAX];	/* why the newest reload was; empty: it was not */
	char *why;
};

/* ---- agent.c ---- */

/* Keeps in words why the agent ends, and returns `error`. */
int agent_fail(struct agent *agent, int error, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* ---- agent_tick.c ---- */

/* One look: what the kernel counted, the figures, the decisions; the rest once a second. Fails as agent_fail() says. */
int agent_tick(struct agent *agent);

/* Where the latency of a target's last seconds is; NULL before its first look. */
const struct edges *agent_edges(const struct agent *agent, unsigned target);

/* ---- agent_answers.c ---- */

/* What the API calls. */
void agent_handlers(struct agent *agent, struct api_handlers *ret);

/* The releases as GET /api/releases has them in `releases`. The caller owns it. */
json_t *agent_releases(const struct agent *agent, const struct serin_snapshot *now);

/* Does the kernel have every weight? Else what is missing, in words. */
bool agent_is_ready(const struct agent *agent, char why[API_WHY_MAX]);

/*
 * The moment of an order. The counts of that moment become a snapshot, with which a new weight's window begins: by the next
 * tick's, the requests up to there would be in no window. The same weight begins no window.
 */
const struct serin_snapshot *agent_moment(struct agent *agent, const struct release *release, enum serin_order order,
					  uint32_t weight);

#endif
