// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#define _GNU_SOURCE 1

#include "agent.h"

#include "announce.h"
#include "api.h"
#include "collect.h"
#include "deployment.h"
#include "discover.h"
#include "figures.h"
#include "instance.h"
#include "limits.h"
#include "log.h"
#include "minutes.h"
#include "models.h"
#include "notify.h"
#include "report.h"
#include "scrape.h"
#include "series.h"
#include "steer.h"
#include "store.h"
#include "targets.h"
#include "util.h"
#include "window.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

#define ELSEWHERE_NS (10 * NSEC_PER_SEC)

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

static int fail(struct agent *agent, int error, const char *format, ...) __attribute__((format(printf, 3, 4)));
static int fail(struct agent *agent, int error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(agent->why, AGENT_WHY_MAX, format, args);
	va_end(args);
	return error;
}

/* ---- what callers may ask for ---- */

/*
 * The moment of an order. The counts of that moment become a snapshot, with which a new weight's window begins: by the next
 * tick's, the requests up to there would be in no window. The same weight begins no window.
 */
static const struct serin_snapshot *moment_for(struct agent *agent, const struct release *release, enum serin_order order,
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
	return r < 0 ? r : release_order(release, order, weight, moment_for(agent, release, order, weight), why);
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

static json_t *releases(struct agent *agent, const struct serin_snapshot *now)
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

	return json_pack("{so}", "releases", releases(agent, window_newest(&agent->window)));
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

static bool handle_ready(void *context, char why[API_WHY_MAX])
{
	struct agent *agent = context;

	for (unsigned i = 0; i < SERIN_RELEASES_MAX; i++) {
		if (!agent->deployed.releases[i] || !agent->deployed.releases[i]->owed)
			continue;
		snprintf(why, API_WHY_MAX, "the kernel has not taken the weight of %s", release_name(agent->deployed.releases[i]));
		return false;
	}
	return true;
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
			 "releases", releases(agent, &now), "losses", report_losses(now.losses));
}

/* ---- latency of the last seconds ---- */

/* Where the latency of a target's last seconds is. */
static const struct edges *edges_of(const struct agent *agent, unsigned target)
{
	const struct release *release = deployment_release_of(&agent->deployed, target);

	return release ? &release->edges : agent->alone[target];
}

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
		const struct edges *edges = targets_is_used(&agent->deployed.targets, i) ? edges_of(agent, i) : NULL;

		if (edges && edges_recent(edges, i, SERIN_DURATION))
			json_array_append_new(models, curves(agent, i, edges));
	}
	return json_pack("{sf so}", "window_seconds", (double)(RECENT_LOOKS - 1), "models", models);
}

/* ---- targets come and go ---- */

static void say_changes(struct agent *agent, unsigned changed)
{
	for (unsigned i = 0; i < agent->deployed.targets.n; i++) {
		if (!(changed & 1U << i))
			continue;
		if (agent->deployed.targets.mptcp[i])
			announce_mptcp(&agent->deployed.targets.all[i]);
		else if (agent->deployed.targets.all[i].n_listeners)
			announce_listening(&agent->deployed.targets.all[i]);
		else
			announce_waiting(&agent->deployed.targets.all[i]);
	}
}

/* A server that is waited for here may be listening next door, where no connection can be steered to. */
static void look_elsewhere(struct agent *agent)
{
	if (agent->elsewhere_ns && util_now() - agent->elsewhere_ns < ELSEWHERE_NS)
		return; /* it reads the sockets of every namespace */
	agent->elsewhere_ns = util_now();
	for (unsigned i = 0; i < agent->deployed.targets.n; i++) {
		const struct serin_target *t = &agent->deployed.targets.all[i];
		uint32_t pid;

		if (!targets_is_used(&agent->deployed.targets, i) || t->n_listeners || agent->said_elsewhere[i] ||
		    !t->match.endpoint.port)
			continue;
		pid = discover_elsewhere(t->match.endpoint.port);
		if (!pid)
			continue;
		agent->said_elsewhere[i] = true;
		announce_elsewhere(t, pid);
	}
}

static int refresh(struct agent *agent, struct serin_snapshot *snapshot)
{
	int changed, r;

	changed = targets_refresh(&agent->deployed.targets, agent->loader);
	if (changed < 0)
		return changed;
	r = targets_measure(&agent->deployed.targets, agent->loader, snapshot);
	if (r < 0)
		return r;
	say_changes(agent, (unsigned)changed);
	return 0;
}

/* ---- figures ---- */

static struct serin_maxima *maxima_of(struct agent *agent, unsigned target)
{
	return models_maxima(&agent->models, agent->store, agent->deployed.targets.all[target].model);
}

/* R by the limits of the target's first process, which are looked at once a second. */
static void look_at_limits(struct agent *agent)
{
	for (unsigned i = 0; agent->config.maximum_is_limit && i < agent->deployed.targets.n; i++)
		if (agent->deployed.targets.all[i].n_pids)
			limits_of(agent->deployed.targets.all[i].pids[0], agent->limits[i]);
}

static void compare_resources(struct agent *agent, unsigned target, const struct serin_snapshot *begin)
{
	struct serin_maxima *maxima = maxima_of(agent, target);

	if (agent->config.maximum_is_limit)
		figures_compare(&agent->figures[target], agent->limits[target]);
	else if (maxima)
		maxima_compare(maxima, begin->now_ns, &agent->figures[target]);
}

static void update_figures(struct agent *agent, const struct serin_snapshot *now)
{
	uint64_t length = agent->config.window_ns;
	bool whole[SERIN_TARGETS_MAX] = {}; /* a shorter window is no fair maximum */

	for (unsigned i = 0; i < agent->deployed.targets.n; i++) {
		const struct release *release = deployment_release_of(&agent->deployed, i);
		const struct serin_snapshot *begin = window_begin(&agent->window, length, release ? release->rollout.since_ns : 0);

		if (!targets_is_used(&agent->deployed.targets, i))
			continue;
		whole[i] = now->now_ns - begin->now_ns >= length;
		figures_of(begin, now, i, agent->config.success, &agent->figures[i]);
		compare_resources(agent, i, begin);
	}
	for (unsigned i = 0; i < agent->deployed.targets.n; i++) {
		struct serin_maxima *maxima = whole[i] ? maxima_of(agent, i) : NULL;

		if (maxima)
			maxima_record(maxima, now->now_ns, &agent->figures[i]);
	}
	for (unsigned i = 0; i < SERIN_RELEASES_MAX; i++) {
		const struct release *r = agent->deployed.releases[i];

		if (!r)
			continue;
		if (r->baseline.known)
			figures_anomaly_by(&agent->figures[r->canary], r->baseline.v, (double)length / 1e9);
		else
			figures_anomaly(&agent->figures[r->canary], &agent->figures[r->stable], (double)length / 1e9);
		figures_cpu_ratio(&agent->figures[r->canary], &agent->figures[r->stable]);
	}
}

/* ---- the tick ---- */

static void feed(const struct serin_client_key *key, const struct serin_client *counts, void *context)
{
	struct agent *agent = context;

	if (key->release < SERIN_RELEASES_MAX && agent->deployed.releases[key->release])
		release_feed(agent->deployed.releases[key->release], key->hash, counts, window_newest(&agent->window)->now_ns);
}

static int read_clients(struct agent *agent)
{
	uint64_t lost = 0;
	int r = collect_clients(loader_maps(agent->loader), &agent->drained, feed, agent, &lost);

	if (lost)
		loader_lost(agent->loader, SERIN_LOSS_CLIENTS, lost);
	return r;
}

static uint32_t weight_of(unsigned target, void *context)
{
	const struct agent *agent = context;
	const struct release *release = deployment_release_of(&agent->deployed, target);

	if (!release)
		return SERIN_WEIGHT_MAX;
	return target == release->canary ? release->rollout.weight : SERIN_WEIGHT_MAX - release->rollout.weight;
}

/* Each trouble of the store is told once, its losses are counted. */
static void look_at_store(struct agent *agent)
{
	uint64_t lost = store_lost(agent->store);
	char trouble[STORE_WHY_MAX] = "";

	if (lost != agent->store_lost)
		loader_lost(agent->loader, SERIN_LOSS_STORE, lost - agent->store_lost);
	agent->store_lost = lost;
	store_trouble(agent->store, trouble);
	if (*trouble && strcmp(trouble, agent->store_trouble))
		log_event("warning", json_pack("{ss}", "cause", "store"), "%s; steering goes on", trouble);
	snprintf(agent->store_trouble, sizeof(agent->store_trouble), "%s", trouble);
}

/* New connections are steered all the same: what goes wrong here ends nothing. */
static void drain(struct agent *agent, uint64_t now_ns)
{
	struct drain_order orders[SERIN_RELEASES_MAX] = {};
	struct drain_state states[SERIN_RELEASES_MAX] = {};
	int r;

	for (unsigned i = 0; i < SERIN_RELEASES_MAX; i++) {
		if (!agent->deployed.releases[i])
			continue;
		orders[i] = agent->deployed.releases[i]->drain;
		states[i] = agent->deployed.releases[i]->drained;
	}
	r = drain_look(agent->loader, orders, states, SERIN_RELEASES_MAX, now_ns);
	for (unsigned i = 0; i < SERIN_RELEASES_MAX; i++)
		if (agent->deployed.releases[i])
			agent->deployed.releases[i]->drained = states[i];
	if (r < 0 && r != agent->drain_trouble)
		log_event("warning", json_pack("{ss}", "cause", "drain"),
			  "connections cannot be taken from the canary: %s; those that it has stay until either side closes them",
			  r == -EOPNOTSUPP ? "this kernel cannot reset them (CONFIG_INET_DIAG_DESTROY)" : strerror(-r));
	agent->drain_trouble = r;
}

/* What needs a look once a second only: processes, memory, deadlines. */
static int each_second(struct agent *agent, struct serin_snapshot *snapshot)
{
	int r;

	r = refresh(agent, snapshot);
	if (r == 0)
		r = loader_sweep(agent->loader);
	if (r < 0)
		return r;
	look_elsewhere(agent);
	look_at_limits(agent);
	look_at_store(agent);
	return 0;
}

static int tick_releases(struct agent *agent, const struct serin_snapshot *now, bool second)
{
	bool paid = true;
	int r = 0;

	for (unsigned i = 0; r == 0 && i < SERIN_RELEASES_MAX; i++) {
		if (!agent->deployed.releases[i])
			continue;
		r = release_tick(agent->deployed.releases[i], now, agent->figures, second);
		paid &= release_paid(agent->deployed.releases[i]);
	}
	if (r == 0 && paid)
		steer_renew(agent->loader, agent->config.lease_ns);
	return r;
}

/* Versions of no release are looked at here, the others by their releases. */
static int look_at_alone(struct agent *agent)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < agent->deployed.targets.n; i++) {
		if (!targets_is_used(&agent->deployed.targets, i) || deployment_release_of(&agent->deployed, i))
			continue;
		if (!agent->alone[i]) {
			agent->alone[i] = malloc(sizeof(*agent->alone[i]));
			if (!agent->alone[i])
				return -ENOMEM;
			edges_init(agent->alone[i], i, SERIN_NONE);
		}
		r = edges_look(agent->alone[i], &agent->deployed.targets, agent->loader, false);
	}
	return r;
}

static void report_standing(struct agent *agent, const struct announce_version *versions, unsigned n,
			    const struct announce_release *shown, unsigned n_releases)
{
	char standing[NOTIFY_STATUS_MAX], words[CONFIG_WHY_MAX + NOTIFY_STATUS_MAX];

	announce_standing(versions, n, shown, n_releases, standing, sizeof(standing));
	snprintf(words, sizeof(words), "%s%s%s", *agent->refused ? "the configuration was not taken: " : "", agent->refused,
		 *agent->refused ? "; as before: " : "");
	snprintf(words + strlen(words), sizeof(words) - strlen(words), "%s", standing);
	notify_status(&agent->notify, words);
}

static void announce_second(struct agent *agent)
{
	struct announce_release shown[SERIN_RELEASES_MAX];
	struct announce_version versions[SERIN_TARGETS_MAX];
	unsigned n_releases = 0, n = 0;

	for (unsigned i = 0; i < SERIN_RELEASES_MAX; i++)
		if (agent->deployed.releases[i])
			shown[n_releases++] = (struct announce_release){release_name(agent->deployed.releases[i]),
									&agent->deployed.releases[i]->rollout};
	for (unsigned i = 0; i < agent->deployed.targets.n; i++) {
		const struct release *release = deployment_release_of(&agent->deployed, i);
		const struct edges *edges = edges_of(agent, i);
		struct announce_version *v = &versions[n];

		if (!targets_is_used(&agent->deployed.targets, i) || !edges)
			continue;
		*v = (struct announce_version){&agent->deployed.targets.all[i], &agent->figures[i], edges_quantile(edges, i, 0.5),
					       edges_quantile(edges, i, 0.99), NULL};
		for (unsigned j = 0; release && j < n_releases; j++)
			if (shown[j].rollout == &release->rollout)
				v->release = &shown[j];
		n++;
	}
	report_standing(agent, versions, n, shown, n_releases);
	if (agent->options->ticks)
		announce_tick(versions, n, shown, n_releases, releases(agent, window_newest(&agent->window)));
}

/* ---- the last minutes ---- */

static void look_at_version(const struct agent *agent, const struct release *release, unsigned target,
			    const struct serin_snapshot *now, struct serin_value ret[SERIES_FIGURES])
{
	static const struct {
		enum series_figure figure;
		double q;
	} quantiles[] = {{SERIES_P50, 0.5}, {SERIES_P90, 0.9}, {SERIES_P99, 0.99}};
	const struct serin_figures *f = &agent->figures[target];

	ret[SERIES_P] = f->p;
	ret[SERIES_R] = f->r;
	ret[SERIES_D] = f->d;
	ret[SERIES_RATE] = figures_rate(f);
	ret[SERIES_CPU] = f->resource[SERIN_CPU].current;
	ret[SERIES_IN_FLIGHT] = serin_known((double)figures_in_flight(&now->tally[target]));
	for (size_t i = 0; i < ARRAY_SIZE(quantiles); i++) {
		struct serin_value ns = edges_quantile(&release->edges, target, quantiles[i].q);

		if (ns.known)
			ret[quantiles[i].figure] = serin_known(ns.v / 1e9);
	}
}

static void look_at_release(const struct agent *agent, const struct release *release, const struct serin_snapshot *now,
			    struct series_look *ret)
{
	const struct serin_figures *stable = &release->seen.stable, *canary = &release->seen.canary;
	const struct serin_judgement *evidence = &release->seen.evidence;

	ret->track[SERIES_SET_WEIGHT] = serin_known(release->rollout.weight / 100.0);
	ret->track[SERIES_CONNECTIONS] = report_share(canary->service_connections, stable->service_connections);
	ret->track[SERIES_REQUESTS] = report_share(canary->service_requests, stable->service_requests);
	if (evidence->known) {
		ret->track[SERIES_LOG_E_ERROR] = serin_known(evidence->log_error);
		ret->track[SERIES_LOG_E_LATENCY] = serin_known(evidence->log_latency);
		ret->log_threshold_error = serin_known(evidence->log_error_bound);
		ret->log_threshold_latency = serin_known(evidence->log_latency_bound);
	}
	look_at_version(agent, release, release->stable, now, ret->figure[SERIES_STABLE]);
	look_at_version(agent, release, release->canary, now, ret->figure[SERIES_CANARY]);
}

static void remember_second(struct agent *agent, const struct serin_snapshot *now)
{
	struct timespec clock;

	clock_gettime(CLOCK_REALTIME, &clock);
	for (unsigned i = 0; i < SERIN_RELEASES_MAX; i++) {
		const struct release *release = agent->deployed.releases[i];
		struct series_look look = {.at_unix = (double)clock.tv_sec + (double)clock.tv_nsec / 1e9};

		series_assign(&agent->series[i], release ? release_name(release) : NULL,
			      release ? release_version(release, EVIDENCE_STABLE) : NULL,
			      release ? release_version(release, EVIDENCE_CANARY) : NULL);
		if (!release)
			continue;
		look_at_release(agent, release, now, &look);
		series_push(&agent->series[i], &look);
	}
}

/* What it does after the decisions: it may take its time, and nothing of it steers. */
static int keep_books(struct agent *agent, const struct serin_snapshot *now)
{
	int r;

	r = minutes_look(&agent->minutes, &agent->deployed.targets, loader_maps(agent->loader), agent->store, now, agent->figures,
			 agent->config.success, weight_of, agent);
	models_save(&agent->models, agent->store);
	remember_second(agent, now);
	if (r == 0)
		r = look_at_alone(agent);
	if (r == 0)
		announce_second(agent);
	return r;
}

static int tick(struct agent *agent)
{
	const struct serin_snapshot *before = window_newest(&agent->window);
	struct serin_snapshot *now;
	bool second = util_now() - agent->second_ns >= NSEC_PER_SEC;
	int r = 0;

	if (before) { /* what is not read each tick stands as it was */
		struct serin_snapshot copy = *before;

		now = window_push(&agent->window);
		*now = copy;
	} else {
		now = window_push(&agent->window);
		memset(now, 0, sizeof(*now));
	}
	if (second) {
		agent->second_ns = util_now();
		r = each_second(agent, now);
	} else if (targets_stale(&agent->deployed.targets, agent->loader)) {
		r = refresh(agent, now);
	}
	if (r == 0)
		r = collect_snapshot(loader_maps(agent->loader), agent->deployed.targets.n, now);
	if (r == 0)
		r = read_clients(agent);
	if (r == 0) {
		update_figures(agent, now);
		r = tick_releases(agent, now, second);
	}
	if (r == 0)
		drain(agent, now->now_ns);
	if (r == 0 && second)
		r = keep_books(agent, now);
	if (r < 0)
		return fail(agent, r, "the kernel cannot be read: %s%s; everything was taken back", strerror(-r),
			    r == -ENOENT ? " (is the module tcp_diag there?)" : "");
	return 0;
}

/* The release's name on the command line: given, or that of stable's process, or of its port when nothing listens there
 * yet. */
static void choose_name(struct serin_config *config)
{
	struct serin_listener found[SERIN_LISTENERS_MAX];
	_cleanup_free_ struct discover_holder *holders = NULL;
	char name[SERIN_NAME_MAX];

	if (!config->n_models || config->models[0].name[0])
		return;
	snprintf(name, sizeof(name), "port-%u", config->models[0].match.endpoint.port);
	if (discover_listeners(&config->models[0].match.endpoint, found) > 0 &&
	    discover_holders(&found[0].inode, 1, &holders) > 0)
		discover_comm(holders[0].pid, name, sizeof(name));
	config_to_name(name); /* "gunicorn: maste" */
	for (unsigned i = 0; i < config->n_models; i++)
		snprintf(config->models[i].name, sizeof(config->models[i].name), "%s", name);
	for (unsigned i = 0; i < config->n_releases; i++)
		snprintf(config->releases[i].name, sizeof(config->releases[i].name), "%s", name);
}

/* ---- reload ---- */

static bool needs_restart(const struct serin_config *a, const struct serin_config *b)
{
	return memcmp(&a->api, &b->api, sizeof(a->api)) != 0 || strcmp(a->store, b->store) || a->keep_ns != b->keep_ns;
}

static int set_timer(struct agent *agent)
{
	uint64_t ns = agent->config.tick_ns;
	struct itimerspec every = {.it_interval = {(time_t)(ns / NSEC_PER_SEC), (long)(ns % NSEC_PER_SEC)}};

	every.it_value = every.it_interval;
	return timerfd_settime(agent->timer, 0, &every, NULL) < 0 ? -errno : 0;
}

/* A place that is another version's now begins anew: nothing is compared across that. Returns whether it is. */
static bool changes_hands(struct agent *agent, unsigned index)
{
	const struct serin_target *t = &agent->deployed.targets.all[index];
	struct place *place = &agent->places[index];

	if (!strcmp(place->model, t->model) && !strcmp(place->version, t->version))
		return false;
	memcpy(place->model, t->model, sizeof(place->model));
	memcpy(place->version, t->version, sizeof(place->version));
	free(TAKE_PTR(agent->alone[index]));
	memset(agent->limits[index], 0, sizeof(agent->limits[index]));
	agent->said_elsewhere[index] = false;
	return true;
}

static void look_at_places(struct agent *agent)
{
	bool changed = false;

	for (unsigned i = 0; i < SERIN_TARGETS_MAX; i++)
		changed |= changes_hands(agent, i);
	if (changed) {
		agent->window.first = agent->window.n = 0;
		agent->minutes.begin_ns = 0;
	}
	agent->second_ns = 0; /* who belongs to what is looked at now */
}

static int refuse_reload(struct agent *agent, const char *why)
{
	snprintf(agent->refused, sizeof(agent->refused), "%s", why);
	log_event("reload", json_pack("{sb ss}", "done", false, "why", why), "%s; nothing has changed", why);
	return 0;
}

/* All or nothing: a file that is wrong changes nothing; one that the kernel does not take is taken back. Fails as tick(). */
static int reload(struct agent *agent)
{
	_cleanup_free_ struct serin_config *config = calloc(1, sizeof(*config));
	char why[CONFIG_WHY_MAX] = "";
	int r;

	if (!config)
		return refuse_reload(agent, "out of memory");
	if (config_read(agent->options->config_file, config, why) < 0)
		return refuse_reload(agent, why);
	if (agent->options->override)
		agent->options->override(agent->options->given, config);
	if (config_check(config, why, sizeof(why)) < 0)
		return refuse_reload(agent, why);
	if (needs_restart(&agent->config, config))
		return refuse_reload(agent, "`api` and `store` take effect with a restart only; `serin run --on-exit keep` makes "
					    "it a smooth one");
	r = deployment_apply(&agent->deployed, config, false, agent->why);
	if (r < 0) {
		snprintf(why, sizeof(why), "%.400s", agent->why);
		if (deployment_apply(&agent->deployed, &agent->config, false, agent->why) < 0)
			log_event("warning", NULL, "what was before cannot be had again either: %s", agent->why);
		look_at_places(agent);
		r = tick(agent);
		return r < 0 ? r : refuse_reload(agent, why);
	}
	agent->config = *config;
	agent->refused[0] = '\0';
	set_timer(agent);
	notify_interval(&agent->notify, agent->config.tick_ns);
	look_at_places(agent);
	r = tick(agent);
	if (r < 0)
		return r;
	log_event("reload", json_pack("{sb ss}", "done", true, "file", agent->options->config_file), "%s is in force",
		  agent->options->config_file);
	return 0;
}

/* ---- the event loop ---- */

static int watch_fd(struct agent *agent, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

	return epoll_ctl(agent->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int open_timer(struct agent *agent)
{
	int r;

	agent->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	r = agent->timer < 0 ? -errno : set_timer(agent);
	return r < 0 ? r : watch_fd(agent, agent->timer);
}

/* Whatever asks it to end, it takes everything back first. SIGPIPE: nobody reads its log any more. */
static int open_signals(struct agent *agent)
{
	static const int ending[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE};
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(ending); i++)
		sigaddset(&set, ending[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	agent->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return agent->signals < 0 ? -errno : watch_fd(agent, agent->signals);
}

static int open_loop(struct agent *agent)
{
	int fds[API_FDS], r;
	unsigned n = api_fds(agent->api, fds);

	r = open_timer(agent);
	for (unsigned i = 0; r == 0 && i < n; i++)
		r = watch_fd(agent, fds[i]);
	return r < 0 ? fail(agent, r, "cannot set up its event loop: %s", strerror(-r)) : 0;
}

/* What did not get through is told at the next tick. */
static void show_life(struct agent *agent)
{
	char why[API_WHY_MAX];

	if (handle_ready(agent, why))
		notify_ready(&agent->notify);
	notify_alive(&agent->notify, util_now());
}

static int beat(struct agent *agent)
{
	int r = tick(agent);

	if (r == 0)
		show_life(agent);
	return r;
}

/* 1: it is to end. SIGHUP without a file is a terminal that has gone. */
static int handle_signal(struct agent *agent)
{
	struct signalfd_siginfo info;
	int r;

	if (read(agent->signals, &info, sizeof(info)) != sizeof(info))
		return 0;
	if (info.ssi_signo != SIGHUP || !agent->options->config_file)
		return 1;
	notify_reloading(&agent->notify, util_now());
	r = reload(agent);
	if (r == 0)
		show_life(agent);
	return r;
}

static int handle(struct agent *agent, int fd)
{
	uint64_t expirations;

	if (fd == agent->signals)
		return handle_signal(agent);
	if (fd == agent->timer)
		return read(fd, &expirations, sizeof(expirations)) > 0 ? beat(agent) : 0;
	api_run(agent->api);
	return 0;
}

static int loop(struct agent *agent)
{
	struct epoll_event events[8];
	int r = 0;

	while (r == 0) {
		int n = epoll_wait(agent->epoll, events, ARRAY_SIZE(events), -1);

		if (n < 0 && errno != EINTR)
			return fail(agent, -errno, "its event loop broke: %s", strerror(errno));
		for (int i = 0; r == 0 && i < n; i++)
			r = handle(agent, events[i].data.fd);
	}
	return r < 0 ? r : 0;
}

/* ---- start and end ---- */

static void open_notify(struct agent *agent)
{
	int r = notify_open(&agent->notify);

	if (r < 0)
		log_event("warning", json_pack("{ss}", "cause", "notify"),
			  "NOTIFY_SOCKET=%s cannot be used: %s; whoever started the agent does not hear that it is ready",
			  getenv("NOTIFY_SOCKET"), strerror(-r));
	notify_interval(&agent->notify, agent->config.tick_ns);
}

static void say_end(struct agent *agent, int r)
{
	notify_stopping(&agent->notify);
	if (r < 0)
		notify_status(&agent->notify, agent->why);
}

static void say_ready(struct agent *agent)
{
	json_t *names = json_array();
	const char *what = agent->deployed.targets.all[0].model;
	unsigned n = 0;

	for (unsigned i = 0; i < agent->deployed.targets.n; i++)
		if (targets_is_used(&agent->deployed.targets, i) && !agent->deployed.targets.all[i].n_listeners)
			announce_waiting(&agent->deployed.targets.all[i]);
	for (unsigned i = 0; i < SERIN_RELEASES_MAX; i++) {
		if (!agent->deployed.releases[i])
			continue;
		json_array_append_new(names, json_string(release_name(agent->deployed.releases[i])));
		n++;
	}
	log_event("ready", json_pack("{ss so si ss}", "release", what, "releases", names, "pid", (int)getpid(), "socket",
				     agent->options->paths.socket),
		  "observing %s%s; commands go to %s", what, n > 1 ? " and others" : n ? " and its canary" : "",
		  agent->options->paths.socket);
}

static int open_store(struct agent *agent)
{
	const char *path = agent->config.store[0] ? agent->config.store : agent->options->paths.store;
	char why[STORE_WHY_MAX] = "";
	int r = store_open(path, agent->config.keep_ns, &agent->store, why);

	if (r < 0)
		return fail(agent, r, "out of memory");
	if (*why)
		log_event("warning", json_pack("{ss}", "cause", "store"), "%s; steering goes on", why);
	return 0;
}

static int open_kernel(struct agent *agent, bool *ret_taken_over)
{
	char note[LOADER_WHY_MAX] = "";
	int r = loader_start(&agent->options->paths, &agent->loader, ret_taken_over, note, agent->why);

	if (r < 0)
		return r;
	if (*ret_taken_over)
		log_event("takeover", NULL, "took over what an earlier agent left: counters, connections and weights go on");
	else if (*note)
		log_event("warning", json_pack("{ss}", "cause", "takeover"),
			  "what an earlier agent left could not be taken over: %s; new connections went to stable meanwhile", note);
	return 0;
}

/* A weight that was given with the start is a person's first order: not when the release has a past. */
static int order_first_weights(struct agent *agent)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < SERIN_RELEASES_MAX; i++) {
		struct release *release = agent->deployed.releases[i];
		char why[API_WHY_MAX] = "";

		if (!release || !release->config.weight)
			continue;
		if (release->rollout.latest.reason != SERIN_REASON_NONE || release->rollout.weight) {
			announce_first_weight(release_name(release), &release->rollout, release->config.weight);
			continue;
		}
		r = release_order(release, SERIN_ORDER_WEIGHT, release->config.weight,
				  moment_for(agent, release, SERIN_ORDER_WEIGHT, release->config.weight), why);
		if (r < 0)
			fail(agent, r, "%s", why);
	}
	return r;
}

static int start(struct agent *agent)
{
	const struct agent_options *options = agent->options;
	struct api_handlers handlers = {
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
	bool taken_over = false;
	pid_t holder = 0;
	int r;

	/* Signals first: one that comes while it starts ends it when it has started, with everything taken back. */
	agent->epoll = epoll_create1(EPOLL_CLOEXEC);
	r = agent->epoll < 0 ? -errno : open_signals(agent);
	agent->config = options->config;
	open_notify(agent);
	if (r < 0)
		return fail(agent, r, "cannot set up its event loop: %s", strerror(-r));
	agent->lock = instance_acquire(&options->paths, &holder);
	if (agent->lock == -EBUSY)
		return fail(agent, -EBUSY, "an agent runs already on this node (pid %d); stop it, or give this one a name "
					   "with --instance", holder);
	if (agent->lock < 0)
		return fail(agent, agent->lock, "cannot take %s: %s; run it as root", options->paths.lock,
			    strerror(-agent->lock));
	choose_name(&agent->config);
	r = open_kernel(agent, &taken_over);
	if (r == 0)
		r = open_store(agent);
	if (r < 0)
		return r;
	agent->taken_over = taken_over;
	agent->deployed.world = (struct release_world){agent->loader, &agent->deployed.targets, agent->store};
	r = deployment_apply(&agent->deployed, &agent->config, taken_over, agent->why);
	if (r < 0)
		return r;
	look_at_places(agent);
	agent->start_ns = util_now();
	agent->scrape.start_unix = (double)time(NULL);
	steer_renew(agent->loader, agent->config.lease_ns);
	r = tick(agent);
	if (r == 0)
		r = order_first_weights(agent);
	if (r == 0)
		r = api_start(options->paths.socket, &agent->config.api, &handlers, &agent->api, agent->why);
	return r < 0 ? r : open_loop(agent);
}

/* Traffic first: new connections reach stable before anything else is taken away. */
static void stop(struct agent *agent, bool keep)
{
	deployment_close(&agent->deployed, keep);
	loader_stop(agent->loader, keep);
	api_stop(agent->api);
	store_close(agent->store);
	for (unsigned i = 0; i < SERIN_TARGETS_MAX; i++)
		free(agent->alone[i]);
	util_close(&agent->timer);
	util_close(&agent->signals);
	util_close(&agent->epoll);
	instance_release(&agent->options->paths, agent->lock);
}

int agent_run(const struct agent_options *options, char ret_why[AGENT_WHY_MAX])
{
	_cleanup_free_ struct agent *agent = calloc(1, sizeof(*agent));
	bool keep = false;
	int r;

	if (!agent) {
		snprintf(ret_why, AGENT_WHY_MAX, "out of memory");
		return -ENOMEM;
	}
	agent->options = options;
	agent->why = ret_why;
	agent->lock = agent->epoll = agent->timer = agent->signals = agent->notify.fd = -1;
	r = start(agent);
	keep = r < 0 && agent->taken_over && options->keep_on_exit;
	if (r == 0) {
		say_ready(agent);
		show_life(agent);
		r = loop(agent);
		keep = r == 0 && options->keep_on_exit;
	}
	say_end(agent, r);
	stop(agent, keep);
	notify_close(&agent->notify);
	if (r == 0)
		log_event("stopped", NULL, keep ? "the weights stay for another agent, until the lease ends"
						: "everything was taken back; traffic goes on as without serin");
	return r;
}
