// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#define _GNU_SOURCE 1

#include "agent.h"

#include "announce.h"
#include "api.h"
#include "collect.h"
#include "discover.h"
#include "edges.h"
#include "figures.h"
#include "instance.h"
#include "log.h"
#include "report.h"
#include "rollout.h"
#include "steer.h"
#include "targets.h"
#include "util.h"
#include "window.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

#define STABLE 0 /* indices of targets */
#define CANARY 1
#define ELSEWHERE_NS (10 * NSEC_PER_SEC)

struct agent {
	const struct agent_options *options;
	char name[SERIN_NAME_MAX]; /* of the model and its release */
	uint64_t start_ns, second_ns; /* of the last look that is taken once a second */
	int lock, epoll, timer, signals;
	struct loader *loader;
	struct steer *steer; /* NULL: no canary */
	struct api *api;
	struct targets targets;
	struct serin_window window;
	struct serin_maxima maxima;
	struct serin_figures figures[SERIN_TARGETS_MAX];
	struct serin_rollout rollout;
	struct edges edges;
	bool said_elsewhere[SERIN_TARGETS_MAX];
	bool owed; /* the kernel has not taken the decided weight yet */
	uint64_t elsewhere_ns; /* when other network namespaces were last looked through */
	char note[200]; /* why it does not steer although it should; empty: it does */
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

static bool has_canary(const struct agent *agent)
{
	return agent->targets.n > CANARY;
}

/* ---- decisions ---- */

/* The decided weight goes to the kernel. While it cannot, it is owed: tried again each tick, and the lease runs out. */
static int pay(struct agent *agent)
{
	int r = steer_weight(agent->steer, agent->rollout.weight);

	agent->owed = r < 0;
	if (r < 0)
		log_event("warning", NULL, "the weight of %s cannot be set: %s; it is tried again each tick, and new "
					   "connections reach stable when the lease ends", agent->name, strerror(-r));
	return r;
}

/* A decision has been made: traffic first, then the record. */
static int carry_out(struct agent *agent, const struct serin_decision *decision)
{
	int r = pay(agent);

	if (decision->weight_from != decision->weight_to) /* the same weight again is no new step */
		edges_thaw(&agent->edges);
	announce_decision(agent->name, decision);
	return r;
}

/* ---- what callers may ask for ---- */

static bool is_ours(const struct agent *agent, const char *release, const char *version)
{
	return (!release || !strcmp(release, agent->name)) &&
	       (!version || !strcmp(version, agent->targets.all[CANARY].version));
}

static int check_release(struct agent *agent, const char *release, const char *version, char *why)
{
	if (!has_canary(agent)) {
		snprintf(why, API_WHY_MAX, "no release: the agent was started without --canary");
		return -ENOENT;
	}
	if (is_ours(agent, release, version))
		return 0;
	snprintf(why, API_WHY_MAX, "no release %s%s%s; there is %s with canary %s", release ? release : "",
		 version ? " with version " : "", version ? version : "", agent->name,
		 agent->targets.all[CANARY].version);
	return -ENOENT;
}

/*
 * The moment of a decision that sets this weight. The counts of that moment become a snapshot, with which the decision's
 * window begins: by the next tick's, the requests up to there would be in no window. The same weight begins no window.
 */
static uint64_t moment_for(struct agent *agent, uint32_t weight)
{
	const struct serin_snapshot *newest = window_newest(&agent->window);
	struct serin_snapshot now;

	if (!newest || weight == agent->rollout.weight)
		return util_now();
	now = *newest; /* what is not read each tick stands as it was */
	if (collect_snapshot(loader_maps(agent->loader), agent->targets.n, &now) < 0)
		return util_now(); /* the next tick says so and ends */
	*window_push(&agent->window) = now;
	return now.now_ns;
}

static int handle_weight(void *context, const char *release, const char *version, uint32_t weight, char *why)
{
	struct agent *agent = context;
	struct serin_decision decision;
	int r;

	r = check_release(agent, release, version, why);
	if (r < 0)
		return r;
	r = rollout_weight(&agent->rollout, weight, moment_for(agent, weight), &decision);
	if (r < 0) {
		snprintf(why, API_WHY_MAX, "the weight must be from 0 to 100");
		return r;
	}
	r = carry_out(agent, &decision);
	if (r < 0)
		snprintf(why, API_WHY_MAX, "the kernel refused the weight: %s", strerror(-r));
	return r;
}

static int handle_abort(void *context, const char *release, char *why)
{
	struct agent *agent = context;
	struct serin_decision decision;
	int r;

	r = check_release(agent, release, NULL, why);
	if (r < 0)
		return r;
	r = rollout_abort(&agent->rollout, moment_for(agent, 0), &decision);
	if (r < 0) {
		snprintf(why, API_WHY_MAX, "%s is %s: its canary gets no new connections already", agent->name,
			 serin_phase_name(agent->rollout.phase));
		return r;
	}
	r = carry_out(agent, &decision);
	if (r < 0)
		snprintf(why, API_WHY_MAX, "the kernel refused the weight: %s; it is tried again each tick", strerror(-r));
	return r;
}

static json_t *releases(struct agent *agent)
{
	const struct serin_snapshot *newest = window_newest(&agent->window);
	json_t *all = json_array();
	struct report_release r = {
		.name = agent->name,
		.rollout = &agent->rollout,
		.stable = &agent->figures[STABLE],
		.canary = &agent->figures[CANARY],
		.steered = newest ? newest->steered[0] : NULL,
		.canary_listens = agent->targets.all[CANARY].n_listeners > 0,
		.note = *agent->note ? agent->note : NULL,
	};

	if (has_canary(agent) && newest)
		json_array_append_new(all, report_release(&r));
	return all;
}

static json_t *handle_releases(void *context)
{
	return json_pack("{so}", "releases", releases(context));
}

static json_t *model(struct agent *agent, const struct serin_snapshot *snapshot, unsigned index)
{
	_cleanup_free_ struct serin_hist *hists = calloc(SERIN_LATENCIES, sizeof(*hists));
	struct report_target t = {
		.target = &agent->targets.all[index],
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
	if (collect_snapshot(loader_maps(agent->loader), agent->targets.n, &now) < 0) {
		json_decref(models);
		return NULL;
	}
	for (unsigned i = 0; i < agent->targets.n; i++) {
		if (json_array_append_new(models, model(agent, &now, i)) < 0) {
			json_decref(models);
			return NULL;
		}
	}
	return json_pack("{so so so so}", "agent",
			 report_agent(true, getpid(), (double)(util_now() - agent->start_ns) / 1e9), "models", models,
			 "releases", releases(agent), "losses", report_losses(now.losses));
}

/* ---- targets come and go ---- */

static void say_changes(struct agent *agent, unsigned changed)
{
	for (unsigned i = 0; i < agent->targets.n; i++) {
		if (!(changed & 1U << i))
			continue;
		if (agent->targets.mptcp[i])
			announce_mptcp(&agent->targets.all[i]);
		else if (agent->targets.all[i].n_listeners)
			announce_listening(&agent->targets.all[i]);
		else
			announce_waiting(&agent->targets.all[i]);
	}
}

/* A server that is waited for here may be listening next door, where no connection can be steered to. */
static void look_elsewhere(struct agent *agent)
{
	if (agent->elsewhere_ns && util_now() - agent->elsewhere_ns < ELSEWHERE_NS)
		return; /* it reads the sockets of every namespace */
	agent->elsewhere_ns = util_now();
	for (unsigned i = 0; i < agent->targets.n; i++) {
		const struct serin_target *t = &agent->targets.all[i];
		uint32_t pid;

		if (t->n_listeners || agent->said_elsewhere[i])
			continue;
		pid = discover_elsewhere(t->endpoint.port);
		if (!pid)
			continue;
		agent->said_elsewhere[i] = true;
		announce_elsewhere(t, pid);
	}
}

static void update_note(struct agent *agent)
{
	const struct serin_target *canary = &agent->targets.all[CANARY];

	agent->note[0] = '\0';
	if (!has_canary(agent))
		return;
	if (agent->targets.mptcp[CANARY])
		snprintf(agent->note, sizeof(agent->note), "canary listens with MPTCP: everything goes to stable");
	else if (agent->targets.unsteered[CANARY])
		snprintf(agent->note, sizeof(agent->note),
			 "the kernel took not all of the canary's listeners (at most %d): the others get nothing", SERIN_SLOTS);
	else if (!canary->n_listeners)
		snprintf(agent->note, sizeof(agent->note), "canary does not listen on port %u: everything goes to stable",
			 canary->endpoint.port);
}

static int refresh(struct agent *agent, struct serin_snapshot *snapshot)
{
	int changed, r;

	changed = targets_refresh(&agent->targets, agent->loader, agent->steer, agent->options->config.service.port);
	if (changed < 0)
		return changed;
	r = targets_measure(&agent->targets, agent->loader, snapshot);
	if (r < 0)
		return r;
	say_changes(agent, (unsigned)changed);
	update_note(agent);
	return 0;
}

/* ---- the tick ---- */

static void update_figures(struct agent *agent, const struct serin_snapshot *now)
{
	uint64_t length = agent->options->config.window_ns;
	const struct serin_snapshot *begin = window_begin(&agent->window, length, agent->rollout.since_ns);

	for (unsigned i = 0; i < agent->targets.n; i++) {
		figures_of(begin, now, i, &agent->figures[i]);
		maxima_compare(&agent->maxima, begin->now_ns, &agent->figures[i]);
	}
	for (unsigned i = 0; i < agent->targets.n; i++)
		if (now->now_ns - begin->now_ns >= length) /* a shorter window is no fair maximum */
			maxima_record(&agent->maxima, now->now_ns, &agent->figures[i]);
	if (has_canary(agent))
		figures_anomaly(&agent->figures[CANARY], &agent->figures[STABLE], (double)length / 1e9);
}

/* What needs a look once a second only: processes, memory, deadlines, latency. */
static int each_second(struct agent *agent, struct serin_snapshot *snapshot)
{
	int r;

	r = refresh(agent, snapshot);
	if (r == 0)
		r = loader_sweep(agent->loader);
	if (r == 0)
		r = edges_look(&agent->edges, &agent->targets, agent->loader, agent->rollout.weight > 0);
	if (r < 0)
		return r;
	look_elsewhere(agent);
	return 0;
}

static int tick(struct agent *agent)
{
	const struct serin_config *config = &agent->options->config;
	const struct serin_snapshot *before = window_newest(&agent->window);
	struct serin_snapshot *now;
	struct serin_decision decision;
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
	} else if (targets_stale(&agent->targets, agent->loader)) {
		r = refresh(agent, now);
	}
	if (r == 0)
		r = collect_snapshot(loader_maps(agent->loader), agent->targets.n, now);
	if (r < 0)
		return fail(agent, r, "the kernel cannot be read: %s%s; everything was taken back", strerror(-r),
			    r == -ENOENT ? " (is the module tcp_diag there?)" : "");
	update_figures(agent, now);
	if (has_canary(agent) &&
	    rollout_tick(&agent->rollout, &config->gates, &agent->figures[CANARY], now->now_ns, &decision))
		carry_out(agent, &decision);
	if (!agent->owed || pay(agent) == 0)
		steer_renew(agent->loader, config->lease_ns);
	if (second && agent->options->ticks)
		announce_tick(agent->name, &agent->targets, agent->figures, &agent->edges, &agent->rollout, releases(agent));
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
	uint64_t ns = agent->options->config.tick_ns;
	struct itimerspec every = {.it_interval = {(time_t)(ns / NSEC_PER_SEC), (long)(ns % NSEC_PER_SEC)}};

	every.it_value = every.it_interval;
	agent->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (agent->timer < 0 || timerfd_settime(agent->timer, 0, &every, NULL) < 0)
		return -errno;
	return watch_fd(agent, agent->timer);
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
	int r;

	r = open_timer(agent);
	if (r == 0)
		r = watch_fd(agent, api_fd(agent->api));
	return r < 0 ? fail(agent, r, "cannot set up its event loop: %s", strerror(-r)) : 0;
}

/* 1: a signal asked to end. */
static int handle(struct agent *agent, int fd)
{
	uint64_t expirations;

	if (fd == agent->signals)
		return 1;
	if (fd == agent->timer && read(fd, &expirations, sizeof(expirations)) > 0) {
		api_run(agent->api); /* its time-outs */
		return tick(agent);
	}
	if (fd == api_fd(agent->api))
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

/* The release's name: given, or that of stable's process, or of its port when nothing listens there yet. */
static void choose_name(struct agent *agent)
{
	const struct serin_config *config = &agent->options->config;
	struct serin_listener found[SERIN_LISTENERS_MAX];
	_cleanup_free_ struct discover_holder *holders = NULL;

	snprintf(agent->name, sizeof(agent->name), "%s", config->release);
	if (*agent->name)
		return;
	snprintf(agent->name, sizeof(agent->name), "port-%u", config->stable.port);
	if (discover_listeners(&config->stable, found) > 0 && discover_holders(&found[0].inode, 1, &holders) > 0)
		discover_comm(holders[0].pid, agent->name, sizeof(agent->name));
	config_to_name(agent->name); /* "gunicorn: maste" */
}

static int open_targets(struct agent *agent)
{
	const struct serin_config *config = &agent->options->config;
	bool canary = config->canary.port;
	int r;

	choose_name(agent);
	targets_add(&agent->targets, agent->name, config->stable_version, canary ? SERIN_ROLE_STABLE : SERIN_ROLE_NONE,
		    &config->stable);
	if (canary) {
		targets_add(&agent->targets, agent->name, config->canary_version, SERIN_ROLE_CANARY, &config->canary);
		r = steer_open(agent->loader, 0, &config->service, &agent->steer);
		if (r < 0)
			return fail(agent, r, "cannot take hold of the service port: %s", strerror(-r));
	}
	r = targets_publish(&agent->targets, agent->loader);
	return r < 0 ? fail(agent, r, "cannot have the ports watched: %s", strerror(-r)) : 0;
}

static void say_ready(struct agent *agent)
{
	for (unsigned i = 0; i < agent->targets.n; i++)
		if (!agent->targets.all[i].n_listeners)
			announce_waiting(&agent->targets.all[i]);
	log_event("ready", json_pack("{ss si ss}", "release", agent->name, "pid", (int)getpid(), "socket",
				     agent->options->paths.socket),
		  "observing %s%s; commands go to %s", agent->name, has_canary(agent) ? " and its canary" : "",
		  agent->options->paths.socket);
}

static int start(struct agent *agent)
{
	const struct agent_options *options = agent->options;
	struct api_handlers handlers = {handle_dump, handle_releases, handle_weight, handle_abort, agent};
	struct serin_decision decision;
	pid_t holder = 0;
	int r;

	/* Signals first: one that comes while it starts ends it when it has started, with everything taken back. */
	agent->epoll = epoll_create1(EPOLL_CLOEXEC);
	r = agent->epoll < 0 ? -errno : open_signals(agent);
	if (r < 0)
		return fail(agent, r, "cannot set up its event loop: %s", strerror(-r));
	agent->lock = instance_acquire(&options->paths, &holder);
	if (agent->lock == -EBUSY)
		return fail(agent, -EBUSY, "an agent runs already on this node (pid %d); stop it, or give this one a name "
					   "with --instance", holder);
	if (agent->lock < 0)
		return fail(agent, agent->lock, "cannot take %s: %s; run it as root", options->paths.lock,
			    strerror(-agent->lock));
	r = loader_start(&options->config, &options->paths, &agent->loader, agent->why);
	if (r == 0)
		r = open_targets(agent);
	if (r < 0)
		return r;
	agent->start_ns = util_now();
	steer_renew(agent->loader, options->config.lease_ns);
	r = tick(agent);
	if (r < 0)
		return r;
	if (options->config.weight) {
		rollout_weight(&agent->rollout, options->config.weight, moment_for(agent, options->config.weight), &decision);
		r = carry_out(agent, &decision);
		if (r < 0)
			return fail(agent, r, "the kernel refused the weight: %s", strerror(-r));
	}
	r = api_start(options->paths.socket, &handlers, &agent->api);
	if (r < 0)
		return fail(agent, r, "cannot listen on %s: %s", options->paths.socket, strerror(-r));
	return open_loop(agent);
}

/* Traffic first: new connections reach stable before anything else is taken away. */
static void stop(struct agent *agent)
{
	steer_close(agent->steer);
	loader_stop(agent->loader);
	api_stop(agent->api);
	util_close(&agent->timer);
	util_close(&agent->signals);
	util_close(&agent->epoll);
	instance_release(&agent->options->paths, agent->lock);
}

int agent_run(const struct agent_options *options, char ret_why[AGENT_WHY_MAX])
{
	_cleanup_free_ struct agent *agent = calloc(1, sizeof(*agent));
	int r;

	if (!agent) {
		snprintf(ret_why, AGENT_WHY_MAX, "out of memory");
		return -ENOMEM;
	}
	agent->options = options;
	agent->why = ret_why;
	agent->lock = agent->epoll = agent->timer = agent->signals = -1;
	r = start(agent);
	if (r == 0) {
		say_ready(agent);
		r = loop(agent);
	}
	stop(agent);
	if (r == 0)
		log_event("stopped", NULL, "everything was taken back; traffic goes on as without serin");
	return r;
}
