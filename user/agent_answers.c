// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#define _GNU_SOURCE 1

#include "agent_inside.h"

#include "figures.h"
#include "log.h"
#include "report.h"
#include "util.h"

#include <errno.h>
#include <math.h>
#include <string.h>

const struct serin_snapshot *agent_moment(struct agent *agent, const struct release *release, enum serin_order order,
					  uint32_t weight)
{
	const struct serin_snapshot *newest = window_newest(&agent->window);
	struct serin_snapshot now = *newest; /* what is not read each tick stands as it was */

	if ((order == SERIN_ORDER_WEIGHT && weight == release->rollout.weight) || order == SERIN_ORDER_PAUSE ||
	    collect_snapshot(loader_maps(agent->loader), agent->deployed.targets.n, &now) < 0) /* the next tick says so and ends */
		return newest;
	*window_push(&agent->window) = now;
	return window_newest(&agent->window);
}

static int handle_order(void *context, enum serin_order order, const char *name, const char *version, uint32_t weight,
			char why[API_WHY_MAX])
{
	struct agent *agent = context;
	struct release *release;
	int r;

	r = deployment_find(&agent->deployed, name, version, &release, why);
	return r < 0 ? r : release_order(release, order, weight, agent_moment(agent, release, order, weight), why);
}

static int handle_monitor(void *context, const char *name, const char *version, const char *figure, double value,
			  char why[API_WHY_MAX])
{
	struct agent *agent = context;
	struct release *release;
	int r;

	r = deployment_find(&agent->deployed, name, NULL, &release, why);
	if (r == 0)
		r = release_monitor(release, version, figure, value, util_now());
	if (r == -ENOENT && !*why)
		snprintf(why, API_WHY_MAX, "no version %s in release %s", version, release_name(release));
	if (r == -ENOSPC)
		snprintf(why, API_WHY_MAX, "release %s has %d figures from outside already, which is all it takes",
			 release_name(release), ROLLOUT_EXTERNAL_MAX);
	return r;
}

json_t *agent_releases(const struct agent *agent, const struct serin_snapshot *now)
{
	json_t *all = json_array();

	for (unsigned i = 0; i < SERIN_RELEASES_MAX; i++)
		if (agent->deployed.releases[i])
			json_array_append_new(all, release_report(agent->deployed.releases[i], now));
	return all;
}

static json_t *handle_releases(void *context)
{
	struct agent *agent = context;

	return json_pack("{so}", "releases", agent_releases(agent, window_newest(&agent->window)));
}

static json_t *handle_history(void *context, const char *release, unsigned limit)
{
	struct agent *agent = context;
	json_t *decisions = store_history(agent->store, release, limit);

	return decisions ? json_pack("{so}", "decisions", decisions) : NULL;
}

static int handle_metrics(void *context, enum exposition_format format, char **ret_text, size_t *ret_length)
{
	struct agent *agent = context;

	agent->scrape.store_trouble = *agent->store_trouble;
	return scrape_write(&agent->scrape, &agent->deployed, window_newest(&agent->window), agent->figures, format, ret_text,
			    ret_length);
}

static int handle_series(void *context, const char *name, unsigned limit, json_t **ret, char why[API_WHY_MAX])
{
	struct agent *agent = context;
	struct release *only = NULL;
	json_t *all;
	int r = name ? deployment_find(&agent->deployed, name, NULL, &only, why) : 0;

	if (r < 0)
		return r;
	all = json_array();
	for (unsigned i = 0; i < SERIN_RELEASES_MAX; i++)
		if (*agent->series[i].release && (!only || only == agent->deployed.releases[i]))
			json_array_append_new(all, series_report(&agent->series[i], limit));
	*ret = json_pack("{sf so}", "interval_seconds",
			 fmax(SERIES_INTERVAL_SECONDS, (double)agent->config.tick_ns / 1e9), "releases", all);
	return 0;
}

bool agent_is_ready(const struct agent *agent, char why[API_WHY_MAX])
{
	for (unsigned i = 0; i < SERIN_RELEASES_MAX; i++) {
		if (!agent->deployed.releases[i] || !agent->deployed.releases[i]->owed)
			continue;
		snprintf(why, API_WHY_MAX, "the kernel has not taken the weight of %s", release_name(agent->deployed.releases[i]));
		return false;
	}
	return true;
}

static bool handle_ready(void *context, char why[API_WHY_MAX])
{
	return agent_is_ready(context, why);
}

static void handle_warn(void *context, const char *text)
{
	(void)context;
	log_event("warning", json_pack("{ss}", "cause", "api"), "%s", text);
}

static json_t *model(struct agent *agent, const struct serin_snapshot *snapshot, unsigned index)
{
	_cleanup_free_ struct serin_hist *hists = calloc(SERIN_LATENCIES, sizeof(*hists));
	struct report_target t = {
		.target = &agent->deployed.targets.all[index],
		.snapshot = snapshot,
		.index = index,
		.figures = &agent->figures[index],
		.hists = hists,
	};

	if (!hists)
		return NULL;
	for (unsigned i = 0; i < SERIN_LATENCIES; i++)
		if (collect_hist(loader_maps(agent->loader), index, i, &hists[i]) < 0)
			return NULL;
	return report_target(&t);
}

static json_t *handle_dump(void *context)
{
	struct agent *agent = context;
	struct serin_snapshot now = *window_newest(&agent->window); /* memory and drops are of the last second */
	json_t *models = json_array();

	/* Totals are read now: who asks after the last answer gets all of them. What cannot be read is not shown as 0. */
	if (collect_snapshot(loader_maps(agent->loader), agent->deployed.targets.n, &now) < 0) {
		json_decref(models);
		return NULL;
	}
	for (unsigned i = 0; i < agent->deployed.targets.n; i++) {
		if (!targets_is_used(&agent->deployed.targets, i))
			continue;
		if (json_array_append_new(models, model(agent, &now, i)) < 0) {
			json_decref(models);
			return NULL;
		}
	}
	return json_pack("{so so so so}", "agent",
			 report_agent(true, getpid(), (double)(util_now() - agent->start_ns) / 1e9), "models", models,
			 "releases", agent_releases(agent, &now), "losses", report_losses(now.losses));
}

/* ---- latency of the last seconds ---- */

static json_t *curves(const struct agent *agent, unsigned index, const struct edges *edges)
{
	static const enum serin_latency kinds[] = {SERIN_DURATION, SERIN_STREAM_FIRST_CHUNK, SERIN_STREAM_DURATION};
	const struct serin_target *target = &agent->deployed.targets.all[index];
	json_t *o = json_pack("{ss ss sf}", "model", target->model, "version", target->version, "seconds",
			      recent_seconds(edges_recent(edges, index, kinds[0])));
	struct serin_hist hist;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		recent_hist(edges_recent(edges, index, kinds[i]), &hist);
		json_object_set_new(o, serin_latency_name(kinds[i]), report_curve(&hist));
	}
	return o;
}

static json_t *handle_latency(void *context)
{
	const struct agent *agent = context;
	json_t *models = json_array();

	for (unsigned i = 0; i < agent->deployed.targets.n; i++) {
		const struct edges *edges = targets_is_used(&agent->deployed.targets, i) ? agent_edges(agent, i) : NULL;

		if (edges && edges_recent(edges, i, SERIN_DURATION))
			json_array_append_new(models, curves(agent, i, edges));
	}
	return json_pack("{sf so}", "window_seconds", (double)(RECENT_LOOKS - 1), "models", models);
}

void agent_handlers(struct agent *agent, struct api_handlers *ret)
{
	*ret = (struct api_handlers){
		.dump = handle_dump,
		.releases = handle_releases,
		.latency = handle_latency,
		.history = handle_history,
		.metrics = handle_metrics,
		.series = handle_series,
		.order = handle_order,
		.monitor = handle_monitor,
		.ready = handle_ready,
		.warn = handle_warn,
		.context = agent,
	};
}
