// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#define _GNU_SOURCE 1

#include "agent_inside.h"

#include "announce.h"
#include "discover.h"
#include "instance.h"
#include "log.h"
#include "steer.h"
#include "util.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

#define PATIENCE_NS (10 * NSEC_PER_SEC)
#define PATIENCE_STEERING_NS (2 * NSEC_PER_SEC)

int agent_fail(struct agent *agent, int error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(agent->why, AGENT_WHY_MAX, format, args);
	va_end(args);
	return error;
}

/*
 * The release's name on the command line: given, or that of stable's process, or of its port when nothing listens there yet.
 */
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

/* All or nothing: a file that is wrong changes nothing; one that the kernel does not take is taken back. Fails as agent_tick(). */
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
		r = agent_tick(agent);
		return r < 0 ? r : refuse_reload(agent, why);
	}
	agent->config = *config;
	agent->refused[0] = '\0';
	set_timer(agent);
	notify_interval(&agent->notify, agent->config.tick_ns);
	look_at_places(agent);
	r = agent_tick(agent);
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
	return r < 0 ? agent_fail(agent, r, "cannot set up its event loop: %s", strerror(-r)) : 0;
}

/* What did not get through is told at the next tick. */
static void show_life(struct agent *agent)
{
	char why[API_WHY_MAX];

	if (agent_is_ready(agent, why))
		notify_ready(&agent->notify);
	notify_alive(&agent->notify, util_now());
}

static int beat(struct agent *agent)
{
	int r = agent_tick(agent);

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
			return agent_fail(agent, -errno, "its event loop broke: %s", strerror(errno));
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

/* Where releases begin is in the store, unless the kernel knows. A disk that does not answer is waited for, but where connections
 * are steered already only for a part of their lease; the releases wait on. */
static int open_store(struct agent *agent)
{
	uint64_t steering = agent->config.lease_ns / 4 < PATIENCE_STEERING_NS ? agent->config.lease_ns / 4 : PATIENCE_STEERING_NS;
	uint64_t patience = agent->taken_over ? steering : PATIENCE_NS;
	const char *path = agent->config.store[0] ? agent->config.store : agent->options->paths.store;
	char *why = agent->store_trouble; /* told here, and not again by the first look */
	int r = store_open(path, agent->config.keep_ns, patience, &agent->store, why);

	if (r < 0)
		return agent_fail(agent, r, "out of memory");
	if (*why)
		log_event("warning", json_pack("{ss}", "cause", "store"), "%s; steering goes on", why);
	return 0;
}

static int open_kernel(struct agent *agent)
{
	char note[LOADER_WHY_MAX] = "";
	int r = loader_start(&agent->options->paths, &agent->loader, &agent->taken_over, note, agent->why);

	if (r < 0)
		return r;
	if (agent->taken_over)
		log_event("takeover", NULL, "took over what an earlier agent left: counters, connections and weights go on");
	else if (*note)
		log_event("warning", json_pack("{ss}", "cause", "takeover"),
			  "what an earlier agent left could not be taken over: %s; new connections went to stable meanwhile", note);
	return 0;
}

static int order_first_weights(struct agent *agent)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < SERIN_RELEASES_MAX; i++) {
		struct release *release = agent->deployed.releases[i];
		char why[API_WHY_MAX] = "";

		if (!release || !release->config.weight)
			continue;
		r = release_first_weight(release, agent_moment(agent, release, SERIN_ORDER_WEIGHT, release->config.weight), why);
		if (r < 0)
			agent_fail(agent, r, "%s", why);
	}
	return r;
}

static int start(struct agent *agent)
{
	const struct agent_options *options = agent->options;
	struct api_handlers handlers;
	pid_t holder = 0;
	int r;

	/* Signals first: one that comes while it starts ends it when it has started, with everything taken back. */
	agent->epoll = epoll_create1(EPOLL_CLOEXEC);
	r = agent->epoll < 0 ? -errno : open_signals(agent);
	agent->config = options->config;
	agent_handlers(agent, &handlers);
	open_notify(agent);
	if (r < 0)
		return agent_fail(agent, r, "cannot set up its event loop: %s", strerror(-r));
	agent->lock = instance_acquire(&options->paths, &holder);
	if (agent->lock == -EBUSY)
		return agent_fail(agent, -EBUSY, "an agent runs already on this node (pid %d); stop it, or give this one a name "
					   "with --instance", holder);
	if (agent->lock < 0)
		return agent_fail(agent, agent->lock, "cannot take %s: %s; run it as root", options->paths.lock,
			    strerror(-agent->lock));
	choose_name(&agent->config);
	r = open_kernel(agent);
	if (r == 0)
		r = open_store(agent);
	if (r < 0)
		return r;
	agent->deployed.world = (struct release_world){agent->loader, &agent->deployed.targets, agent->store};
	r = deployment_apply(&agent->deployed, &agent->config, agent->taken_over, agent->why);
	if (r < 0)
		return r;
	look_at_places(agent);
	agent->start_ns = util_now();
	agent->scrape.start_unix = (double)time(NULL);
	steer_renew(agent->loader, agent->config.lease_ns);
	r = agent_tick(agent);
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
