// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#define _GNU_SOURCE 1

#include "drain.h"

#include "discover.h"
#include "reset.h"
#include "util.h"

#include <errno.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define PATIENCE_NS NSEC_PER_SEC	 /* at first */
#define PATIENCE_LEAST_NS (5 * NSEC_PER_MSEC)
#define PATIENCE_HALVINGS 8		 /* in the second half of the time there is; after the last it is none */
#define PATIENCE_FAILING_NS (50 * NSEC_PER_MSEC)
#define PATIENCE_UNFRAMED 10		 /* times as long: an answer may still be on its way */
#define ENDINGS_MAX 256			 /* a look */
#define AGED_MAX 32			 /* of them for their age, a release */
#define RESETS_MAX 4096			 /* a look and release */
#define PIDS_MAX 1024
#define SHARE 16			 /* of the connections may end for their age in one look */
#define LOOK_AGAIN_NS NSEC_PER_SEC	 /* while nothing is to end */
#define SEARCH_AGAIN_NS (5 * NSEC_PER_SEC)

/* ---- the rules ---- */

uint64_t drain_patience(uint64_t elapsed_ns, uint64_t deadline_ns, bool unframed)
{
	uint64_t patience = deadline_ns / 4 < PATIENCE_NS ? deadline_ns / 4 : PATIENCE_NS;
	uint64_t half = deadline_ns / 2, step = half / PATIENCE_HALVINGS, halvings = 0;

	if (elapsed_ns >= half)
		halvings = step ? 1 + (elapsed_ns - half) / step : PATIENCE_HALVINGS;
	patience = halvings < PATIENCE_HALVINGS ? patience >> halvings : 0;
	if (patience < PATIENCE_LEAST_NS && halvings < PATIENCE_HALVINGS)
		patience = PATIENCE_LEAST_NS;
	if (unframed)
		patience = patience * PATIENCE_UNFRAMED > PATIENCE_NS ? patience * PATIENCE_UNFRAMED : PATIENCE_NS;
	return patience;
}

uint64_t drain_age_limit(uint64_t max_age_ns, uint64_t cookie)
{
	uint64_t tenth = max_age_ns / 10;

	return max_age_ns - tenth + (uint64_t)(util_uniform(util_random_hash(cookie * UTIL_RANDOM_GAMMA)) * (double)(2 * tenth));
}

unsigned drain_share(unsigned connections)
{
	return 1 + connections / SHARE;
}

static bool is_silent(const struct serin_connection *c, uint64_t now_ns, uint64_t for_ns)
{
	uint64_t since = c->spoke_ns > c->opened_ns ? c->spoke_ns : c->opened_ns;

	return !c->in_flight && (!for_ns || (now_ns > since && now_ns - since >= for_ns));
}

static bool is_unwanted(const struct serin_connection *c, const struct drain_order *order)
{
	return c->target == order->canary && c->service && c->place != SERIN_NONE && c->place >= order->weight;
}

/* Waiting for a long pause spares a client the race of its next request against the end. With a canary that fails, that
 * request is the worse risk. */
static uint64_t patience(const struct serin_connection *c, const struct drain_order *order, uint64_t elapsed_ns)
{
	uint64_t least = PATIENCE_FAILING_NS * (c->unframed ? PATIENCE_UNFRAMED : 1);
	uint64_t patience_ns = drain_patience(elapsed_ns, order->deadline_ns, c->unframed);

	return order->failing && patience_ns > least ? least : patience_ns;
}

/* One that has its end of file already and whose server did not close by the deadline never will. */
static enum drain_verdict judge_unwanted(const struct serin_connection *c, const struct drain_order *order, uint64_t now_ns)
{
	uint64_t elapsed = now_ns > order->began_ns ? now_ns - order->began_ns : 0;

	if (elapsed >= order->deadline_ns)
		return c->shut || c->in_flight ? DRAIN_RESET : DRAIN_END;
	if (c->shut || !is_silent(c, now_ns, patience(c, order, elapsed)))
		return DRAIN_WAIT;
	return DRAIN_END;
}

/* Its own limit begins a drain of its own, as long as it may live, but without a reset at the end. */
static enum drain_verdict judge_age(const struct serin_connection *c, const struct drain_order *order, uint64_t now_ns)
{
	uint64_t limit = drain_age_limit(order->max_age_ns, c->cookie), age = now_ns > c->opened_ns ? now_ns - c->opened_ns : 0;

	if (age < limit || c->shut)
		return DRAIN_KEEP;
	return is_silent(c, now_ns, drain_patience(age - limit, order->max_age_ns, c->unframed)) ? DRAIN_AGE : DRAIN_KEEP;
}

enum drain_verdict drain_judge(const struct serin_connection *c, const struct drain_order *order, uint64_t now_ns)
{
	if (!order->active || (c->target != order->stable && c->target != order->canary))
		return DRAIN_KEEP;
	if (is_unwanted(c, order))
		return judge_unwanted(c, order, now_ns);
	return order->max_age_ns && c->service && c->opened_ns ? judge_age(c, order, now_ns) : DRAIN_KEEP;
}

/* ---- one look ---- */

/* A connection that is to end in order. */
struct ending {
	uint64_t cookie;
	uint32_t inode, received;
	unsigned release;
	enum drain_verdict verdict;
	struct discover_holder holder; /* pid 0: not found */
	bool sure;	/* it was to end at the second look too */
};

struct look {
	struct loader *loader;
	const struct drain_order *orders;
	struct drain_state *states;
	unsigned n;
	uint64_t now_ns;
	struct ending endings[ENDINGS_MAX];
	unsigned n_endings, n_found;
	uint64_t resets[SERIN_RELEASES_MAX][RESETS_MAX]; /* cookies */
	unsigned n_resets[SERIN_RELEASES_MAX];
	unsigned aged[SERIN_RELEASES_MAX];    /* of the endings */
	unsigned service[SERIN_RELEASES_MAX]; /* connections to its service address */
	uint32_t pids[PIDS_MAX];
	unsigned n_pids;
};

static bool is_of(const struct drain_order *order, uint32_t target)
{
	return order->active && (target == order->stable || target == order->canary);
}

static void add_ending(struct look *look, unsigned release, const struct serin_connection *c, enum drain_verdict verdict)
{
	if (look->n_endings == ENDINGS_MAX || (verdict == DRAIN_AGE && look->aged[release] == AGED_MAX))
		return; /* the next look's */
	look->endings[look->n_endings++] = (struct ending){
		.cookie = c->cookie, .inode = c->inode, .received = c->received, .release = release, .verdict = verdict};
	look->aged[release] += verdict == DRAIN_AGE;
}

static void add_reset(struct look *look, unsigned release, uint64_t cookie)
{
	if (look->n_resets[release] < RESETS_MAX)
		look->resets[release][look->n_resets[release]++] = cookie;
}

static void consider(const struct serin_connection *c, void *context)
{
	struct look *look = context;

	for (unsigned i = 0; i < look->n; i++) {
		const struct drain_order *order = &look->orders[i];
		enum drain_verdict verdict = drain_judge(c, order, look->now_ns);

		if (!is_of(order, c->target))
			continue;
		look->service[i] += c->service;
		if (is_unwanted(c, order)) {
			look->states[i].connections++;
			look->states[i].in_flight += c->in_flight;
		}
		if (verdict == DRAIN_END || verdict == DRAIN_AGE)
			add_ending(look, i, c, verdict);
		else if (verdict == DRAIN_RESET)
			add_reset(look, i, c->cookie);
	}
}

/* Of those that end for their age, no more than the share. */
static void keep_share(struct look *look)
{
	unsigned n = 0, aged[SERIN_RELEASES_MAX] = {};

	for (unsigned i = 0; i < look->n_endings; i++) {
		const struct ending *e = &look->endings[i];

		if (e->verdict == DRAIN_AGE && aged[e->release]++ >= drain_share(look->service[e->release]))
			continue;
		look->endings[n++] = *e;
	}
	look->n_endings = n;
}

/* ---- who holds them ---- */

static int compare_inodes(const void *a, const void *b)
{
	uint32_t left = ((const struct ending *)a)->inode, right = ((const struct ending *)b)->inode;

	return left < right ? -1 : left > right;
}

/* A descriptor of a process: is it one of the endings'? 1: no more are wanted. */
static int take_holder(const struct discover_holder *holder, void *context)
{
	struct ending key = {.inode = holder->inode};
	struct look *look = context;
	struct ending *e = bsearch(&key, look->endings, look->n_endings, sizeof(key), compare_inodes);

	if (!e || e->holder.pid)
		return 0;
	e->holder = *holder;
	return ++look->n_found == look->n_endings;
}

static void add_member(const struct serin_member *member, void *context)
{
	struct look *look = context;

	for (unsigned i = 0; i < look->n; i++)
		if (look->n_pids < PIDS_MAX && is_of(&look->orders[i], member->target)) {
			look->pids[look->n_pids++] = member->pid;
			return;
		}
}

/* One that is nobody's process may hold them all the same: a helper that was handed them. Not looked for often. */
static bool may_search(struct look *look)
{
	bool may = false;

	for (unsigned i = 0; i < look->n_endings; i++) {
		struct drain_state *state = &look->states[look->endings[i].release];

		if (look->endings[i].holder.pid || !look->endings[i].inode || look->now_ns - state->searched_ns < SEARCH_AGAIN_NS)
			continue;
		state->searched_ns = look->now_ns;
		may = true;
	}
	return may;
}

static int search_everywhere(struct look *look)
{
	_cleanup_free_ struct discover_holder *holders = NULL;
	uint32_t inodes[ENDINGS_MAX];
	unsigned n = 0;
	int found;

	for (unsigned i = 0; i < look->n_endings; i++)
		if (!look->endings[i].holder.pid && look->endings[i].inode)
			inodes[n++] = look->endings[i].inode;
	found = discover_holders(inodes, n, &holders);
	for (int i = 0; i < found; i++)
		take_holder(&holders[i], look);
	return found < 0 ? found : 0;
}

static int find_holders(struct look *look)
{
	int r;

	qsort(look->endings, look->n_endings, sizeof(*look->endings), compare_inodes);
	r = loader_members(look->loader, add_member, look);
	if (r < 0)
		return r;
	for (unsigned i = 0; i < look->n_pids; i++)
		if (discover_sockets(look->pids[i], take_holder, look))
			break;
	return may_search(look) ? search_everywhere(look) : 0;
}

/* ---- ending them ---- */

static bool is_that_socket(int fd, uint64_t cookie)
{
	socklen_t length = sizeof(uint64_t);
	uint64_t found;

	return getsockopt(fd, SOL_SOCKET, SO_COOKIE, &found, &length) == 0 && found == cookie;
}

/* Nothing waits to be read, and nothing has come since it was looked at: what was seen then, that nothing is in flight, is
 * so still. */
static bool is_quiet(int fd, uint32_t received)
{
	struct tcp_info info = {};
	socklen_t length = sizeof(info);
	int waiting = 0;

	return ioctl(fd, SIOCINQ, &waiting) == 0 && !waiting &&
	       getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0 && (uint32_t)info.tcpi_bytes_received == received;
}

/* The server reads an end of file, as if the client had closed. */
static void end_in_order(struct look *look, const struct ending *e)
{
	_cleanup_close_ int fd = e->sure ? discover_duplicate(e->holder.pid, e->holder.fd) : -1;
	struct drain_state *state = &look->states[e->release];

	if (fd < 0 || !is_that_socket(fd, e->cookie) || !is_quiet(fd, e->received) || shutdown(fd, SHUT_RD) < 0)
		return;
	if (e->verdict == DRAIN_AGE)
		state->aged++;
	else
		state->ended++;
}

/* Finding the holders took its time: what was seen before it is old. */
static void consider_again(const struct serin_connection *c, void *context)
{
	struct ending key = {.inode = c->inode};
	struct look *look = context;
	struct ending *e = bsearch(&key, look->endings, look->n_endings, sizeof(key), compare_inodes);

	if (!e || e->cookie != c->cookie)
		return;
	e->sure = drain_judge(c, &look->orders[e->release], look->now_ns) == e->verdict;
	e->received = c->received;
}

/* Nobody is known to hold it: it waits to be accepted, or is in hands that were not found. At the deadline it is reset. */
static void pass_by(struct look *look, const struct ending *e)
{
	const struct drain_order *order = &look->orders[e->release];

	if (e->verdict != DRAIN_END)
		return;
	look->states[e->release].unreachable++;
	if (look->now_ns >= order->began_ns + order->deadline_ns)
		add_reset(look, e->release, e->cookie);
}

static int end_all(struct look *look)
{
	int r;

	keep_share(look);
	if (!look->n_endings)
		return 0;
	r = find_holders(look);
	if (r == 0 && look->n_found)
		r = loader_connections(look->loader, consider_again, look);
	for (unsigned i = 0; r == 0 && i < look->n_endings; i++) {
		if (look->endings[i].holder.pid)
			end_in_order(look, &look->endings[i]);
		else
			pass_by(look, &look->endings[i]);
	}
	return r;
}

/* ---- resetting them ---- */

static int compare_numbers(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return left < right ? -1 : left > right;
}

static int reset_all(struct look *look)
{
	for (unsigned i = 0; i < look->n; i++) {
		int r = 0;

		qsort(look->resets[i], look->n_resets[i], sizeof(*look->resets[i]), compare_numbers);
		if (look->n_resets[i])
			r = reset_connections(look->resets[i], look->n_resets[i]);
		if (r < 0)
			return r;
		look->states[i].reset += (uint64_t)r;
	}
	return 0;
}

/* ---- when ---- */

static bool is_due(const struct drain_order *order, const struct drain_state *state, uint64_t now_ns)
{
	if (!order->active || (order->weight >= SERIN_WEIGHT_MAX && !order->max_age_ns))
		return false;
	return state->connections || order->began_ns > state->looked_ns || now_ns - state->looked_ns >= LOOK_AGAIN_NS;
}

/* Is a look due? Then it begins: what was seen at the last one is forgotten. */
static bool begin_look(const struct drain_order *orders, struct drain_state *states, unsigned n, uint64_t now_ns)
{
	bool due = false;

	for (unsigned i = 0; i < n; i++)
		due |= is_due(&orders[i], &states[i], now_ns);
	for (unsigned i = 0; i < n; i++) {
		if (!due && orders[i].active && orders[i].weight < SERIN_WEIGHT_MAX)
			continue;
		states[i].connections = states[i].in_flight = states[i].unreachable = 0;
		states[i].looked_ns = now_ns;
	}
	return due;
}

int drain_look(struct loader *loader, const struct drain_order *orders, struct drain_state *states, unsigned n, uint64_t now_ns)
{
	_cleanup_free_ struct look *look = NULL;
	int r;

	if (!begin_look(orders, states, n, now_ns))
		return 0;
	look = calloc(1, sizeof(*look));
	if (!look)
		return -ENOMEM;
	look->loader = loader;
	look->orders = orders;
	look->states = states;
	look->n = n;
	look->now_ns = now_ns;
	r = loader_connections(loader, consider, look);
	if (r == 0)
		r = end_all(look);
	return r < 0 ? r : reset_all(look);
}
