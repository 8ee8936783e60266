// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * One thread, one epoll: when requests are begun, when they are given up, and when all is done.
 */
#define _GNU_SOURCE 1 /* epoll_pwait2 */

#include "load_run.h"

#include "load_slot.h"
#include "util.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>

#define LATE_NSEC NSEC_PER_MSEC
#define EVENTS_MAX 256
#define NEVER UINT64_MAX

/* Time */

static bool may_start(const struct run *run, uint64_t now)
{
	return !run->stopping && now < run->end &&
	       (run->plan->requests == 0 || run->tally->requests < run->plan->requests);
}

/* When the next request is due: at once, or at its place on the grid of the rate. */
static uint64_t next_due(const struct run *run)
{
	if (run->plan->rate == 0.0)
		return 0;
	return run->begin + (uint64_t)((double)run->tally->requests * 1e9 / run->plan->rate);
}

static void start_request(struct run *run, struct slot *slot, uint64_t due, uint64_t now)
{
	run->tally->requests++;
	if (run->plan->rate > 0.0) {
		load_observe(run->tally, LOAD_WAIT, now - due);
		run->tally->late += now - due > LATE_NSEC;
	}
	request_make(&run->plan->maker, &run->random, &slot->request);
	slot_begin(run, slot, now);
}

static void start_due(struct run *run)
{
	uint64_t now = util_now(), due;

	while (!TAILQ_EMPTY(&run->free) && may_start(run, now) && (due = next_due(run)) <= now) {
		start_request(run, TAILQ_FIRST(&run->free), due, now);
		now = util_now();
	}
}

static void give_up(struct run *run, uint64_t now)
{
	struct slot *slot;

	while ((slot = TAILQ_FIRST(&run->busy)) && slot->deadline <= now)
		slot_give_up(run, slot);
}

static void wake_rested(struct run *run, uint64_t now)
{
	struct slot *slot;

	while ((slot = TAILQ_FIRST(&run->resting)) && slot->deadline <= now)
		slot_move(slot, &run->free);
}

static uint64_t answered(const struct load_tally *tally)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < LOAD_OUTCOMES; i++)
		sum += tally->outcomes[i];
	return sum;
}

static void show_progress(struct run *run, uint64_t now)
{
	const struct load_tally *tally = run->tally;
	uint64_t done = answered(tally);

	if (!run->plan->progress || now < run->last_progress + NSEC_PER_SEC)
		return;
	fprintf(stderr, "%3.0f s: %" PRIu64 " done (%.0f/s), %" PRIu64 " in flight, %" PRIu64 " not successful\n",
		(double)(now - run->begin) * 1e-9, done,
		(double)(done - run->last_answered) * 1e9 / (double)(now - run->last_progress), tally->requests - done,
		done - tally->outcomes[LOAD_SUCCESS]);
	run->last_progress = now;
	run->last_answered = done;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* When something is to be done though nothing happens on any connection. */
static uint64_t next_time(const struct run *run, uint64_t now)
{
	uint64_t next = run->plan->progress ? run->last_progress + NSEC_PER_SEC : NEVER;

	if (may_start(run, now)) {
		next = earlier(next, run->end);
		if (!TAILQ_EMPTY(&run->free))
			next = earlier(next, next_due(run));
		if (!TAILQ_EMPTY(&run->resting))
			next = earlier(next, TAILQ_FIRST(&run->resting)->deadline);
	}
	if (!TAILQ_EMPTY(&run->busy))
		next = earlier(next, TAILQ_FIRST(&run->busy)->deadline);
	return next;
}

/* The first signal stops new requests, the second gives up those in flight. */
static void take_signal(struct run *run)
{
	struct signalfd_siginfo signal;

	if (read(run->signals, &signal, sizeof(signal)) != sizeof(signal))
		return;
	if (run->stopping)
		give_up(run, NEVER);
	run->stopping = true;
}

static int wait_for_events(struct run *run)
{
	struct epoll_event events[EVENTS_MAX];
	uint64_t now = util_now(), next = next_time(run, now), left = next > now ? next - now : 0;
	struct timespec timeout = {(time_t)(left / NSEC_PER_SEC), (long)(left % NSEC_PER_SEC)};
	int n;

	n = epoll_pwait2(run->epoll, events, EVENTS_MAX, next == NEVER ? NULL : &timeout, NULL);
	if (n < 0 && errno != EINTR)
		return -errno;
	for (int i = 0; i < n; i++) {
		if (events[i].data.ptr)
			slot_take_event(run, events[i].data.ptr, events[i].events);
		else
			take_signal(run);
	}
	return 0;
}

/* The run as a whole */

static int loop(struct run *run)
{
	uint64_t now;
	int ret;

	for (;;) {
		start_due(run);
		/* Asked after, not before: what has been started may have failed at once. */
		if (!may_start(run, util_now()) && TAILQ_EMPTY(&run->busy))
			return 0;
		ret = wait_for_events(run);
		if (ret < 0)
			return ret;
		now = util_now();
		give_up(run, now);
		wake_rested(run, now);
		show_progress(run, now);
	}
}

/* Requests that were due by the end of the run and for which no connection was free. */
static uint64_t count_unsent(const struct run *run, uint64_t now)
{
	uint64_t due = (uint64_t)((double)(earlier(run->end, now) - run->begin) * 1e-9 * run->plan->rate);

	if (run->plan->rate == 0.0 || run->stopping)
		return 0;
	if (run->plan->requests > 0)
		due = earlier(due, run->plan->requests);
	return due > run->tally->requests ? due - run->tally->requests : 0;
}

static int watch_signals(struct run *run)
{
	struct epoll_event event = {.events = EPOLLIN};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	run->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (run->signals < 0 || epoll_ctl(run->epoll, EPOLL_CTL_ADD, run->signals, &event) < 0)
		return -errno;
	return 0;
}

static int begin_run(struct run *run)
{
	TAILQ_INIT(&run->free);
	TAILQ_INIT(&run->busy);
	TAILQ_INIT(&run->resting);
	run->slots = calloc(run->plan->connections, sizeof(*run->slots));
	run->buffer = malloc(LOAD_BUFFER_SIZE);
	if (!run->slots || !run->buffer)
		return -ENOMEM;
	for (size_t i = 0; i < run->plan->connections; i++)
		slot_init(run, &run->slots[i]);
	run->random = run->plan->seed;
	run->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (run->epoll < 0)
		return -errno;
	return watch_signals(run);
}

static void end_run(struct run *run)
{
	for (size_t i = 0; run->slots && i < run->plan->connections; i++)
		slot_close(&run->slots[i]);
	free(run->slots);
	free(run->buffer);
	util_close(&run->epoll);
	util_close(&run->signals);
}

int load_run(const struct load_plan *plan, struct load_tally *tally, int *ret_connect_error)
{
	__attribute__((cleanup(end_run))) struct run run = {
		.plan = plan, .tally = tally, .epoll = -1, .signals = -1};
	uint64_t now;
	int ret;

	ret = begin_run(&run);
	if (ret < 0)
		return ret;
	run.begin = run.last_progress = util_now();
	run.end = plan->duration > 0.0 ? run.begin + (uint64_t)(plan->duration * 1e9) : NEVER;
	ret = loop(&run);
	if (ret < 0)
		return ret;

	now = util_now();
	tally->seconds = (double)(now - run.begin) * 1e-9;
	tally->unsent = count_unsent(&run, now);
	*ret_connect_error = run.connect_error;
	return 0;
}
