// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#define _GNU_SOURCE 1

#include "agent_inside.h"

#include "announce.h"
#include "discover.h"
#include "figures.h"
#include "limits.h"
#include "log.h"
#include "report.h"
#include "steer.h"
#include "util.h"

#include <errno.h>
#include <string.h>

#define ELSEWHERE_NS (10 * NSEC_PER_SEC)

const struct edges *agent_edges(const struct agent *agent, unsigned target)
{
	const struct release *release = deployment_release_of(&agent->deployed, target);

	return release ? &release->edges : agent->alone[target];
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
		const struct edges *edges = agent_edges(agent, i);
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
		announce_tick(versions, n, shown, n_releases, agent_releases(agent, window_newest(&agent->window)));
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

int agent_tick(struct agent *agent)
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
		return agent_fail(agent, r, "the kernel cannot be read: %s%s; everything was taken back", strerror(-r),
			    r == -ENOENT ? " (is the module tcp_diag there?)" : "");
	return 0;
}
