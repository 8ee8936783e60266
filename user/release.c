// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "release.h"

#include "announce.h"
#include "figures.h"
#include "loader.h"
#include "log.h"
#include "report.h"
#include "util.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define COHORT_NS (60 * NSEC_PER_SEC) /* of sticky clients, the least */
#define BASELINE_SECONDS (24 * 3600) /* before the release, of stable */
#define STATE_VERSION 4

/* What it leaves for the next agent. Without pointers, and complete: what is not here begins anew there. */
struct state {
	uint32_t version, size;
	char name[SERIN_NAME_MAX], stable[SERIN_NAME_MAX], canary[SERIN_NAME_MAX];
	struct serin_rollout rollout;
	struct serin_evidence evidence;
	struct evidence_split split;
	uint64_t steered[SERIN_STEERED_KINDS];
	uint64_t begun[EVIDENCE_ARMS];
	uint64_t drain_began_ns;
	uint64_t drain_deadline_ns;
	double decided_unix;
	struct serin_value baseline;
	struct release_external external[ROLLOUT_EXTERNAL_MAX];
	uint64_t n_external;
};
_Static_assert(sizeof(struct state) <= SERIN_STATE_MAX, "raise SERIN_STATE_MAX");

const char *release_name(const struct release *release)
{
	return release->world->targets->all[release->stable].model;
}

const char *release_version(const struct release *release, enum evidence_arm arm)
{
	return release->world->targets->all[arm == EVIDENCE_CANARY ? release->canary : release->stable].version;
}

static unsigned target_of(const struct release *release, enum evidence_arm arm)
{
	return arm == EVIDENCE_CANARY ? release->canary : release->stable;
}

/* ---- what it leaves ---- */

static void leave_state(const struct release *release)
{
	_cleanup_free_ struct state *state = NULL;

	if (release->past_unknown) /* an agent after this one is to ask the store again */
		return;
	state = calloc(1, sizeof(*state));
	if (!state)
		return;
	state->version = STATE_VERSION;
	state->size = sizeof(*state);
	snprintf(state->name, sizeof(state->name), "%s", release_name(release));
	snprintf(state->stable, sizeof(state->stable), "%s", release_version(release, EVIDENCE_STABLE));
	snprintf(state->canary, sizeof(state->canary), "%s", release_version(release, EVIDENCE_CANARY));
	state->rollout = release->rollout;
	state->evidence = release->evidence;
	state->split = release->split;
	memcpy(state->steered, release->steered, sizeof(state->steered));
	memcpy(state->begun, release->begun, sizeof(state->begun));
	state->drain_began_ns = release->drain.began_ns;
	state->drain_deadline_ns = release->drain.deadline_ns;
	state->decided_unix = release->decided_unix;
	state->baseline = release->baseline;
	memcpy(state->external, release->external, sizeof(state->external));
	state->n_external = release->n_external;
	loader_state_write(release->world->loader, release->index, state, sizeof(*state));
}

static bool is_of(const struct state *state, const char *name, const char *stable, const char *canary)
{
	return state->version == STATE_VERSION && state->size == sizeof(*state) && !strcmp(state->name, name) &&
	       !strcmp(state->stable, stable) && !strcmp(state->canary, canary);
}

/* The place it has is the one it had: see release_former(). */
static bool find_state(const struct release *release, struct state *ret)
{
	return loader_state_read(release->world->loader, release->index, ret, sizeof(*ret)) == 0 &&
	       is_of(ret, release_name(release), release_version(release, EVIDENCE_STABLE),
		     release_version(release, EVIDENCE_CANARY));
}

int release_former(struct loader *loader, const struct serin_release_config *config)
{
	_cleanup_free_ struct state *state = calloc(1, sizeof(*state));

	for (uint32_t i = 0; state && i < SERIN_RELEASES_MAX; i++)
		if (loader_state_read(loader, i, state, sizeof(*state)) == 0 &&
		    is_of(state, config->name, config->stable, config->canary))
			return (int)i;
	return state ? -ENOENT : -ENOMEM;
}

/* ---- what the kernel is told ---- */

/* The decided weight goes to the kernel. While it cannot, it is owed: tried again each tick, and the lease runs out. */
static int pay(struct release *release)
{
	int r = steer_weight(release->steer, release->rollout.weight);

	if (r < 0 && !release->owed)
		log_event("warning", json_pack("{ss}", "release", release_name(release)),
			  "the weight of %s cannot be set: %s; it is tried again each tick, and new connections reach "
			  "stable when the lease ends", release_name(release), strerror(-r));
	release->owed = r < 0;
	return r;
}

bool release_paid(struct release *release)
{
	return !release->owed || pay(release) == 0;
}

/* Clients are counted while both versions get connections. */
static int set_comparing(struct release *release, bool comparing)
{
	int r;

	release->comparing = comparing;
	r = targets_set_by_client(release->world->targets, release->world->loader, release->stable, comparing);
	if (r == 0)
		r = targets_set_by_client(release->world->targets, release->world->loader, release->canary, comparing);
	return r;
}

static bool wants_comparison(const struct release *release)
{
	return release->config.evidence && release->rollout.weight > 0 && release->rollout.weight < SERIN_WEIGHT_MAX;
}

/* All that follows from where it stands. */
static int tell_kernel(struct release *release)
{
	int r = pay(release);

	return r < 0 ? r : set_comparing(release, wants_comparison(release));
}

/* ---- evidence ---- */

static int begin_evidence(struct release *release, uint64_t now_ns)
{
	struct evidence_config config = {
		.alpha_error = release->config.alpha / 2,
		.alpha_latency = release->config.alpha / 2,
		.sticky = release->config.sticky,
		.margin = release->config.margin,
	};

	evidence_init(&release->evidence, &config, now_ns);
	release->split = (struct evidence_split){};
	release->cohort = (struct evidence_block){};
	release->cohort_ns = now_ns;
	release->split_warned = false;
	/* Fresh pages from the kernel, instead of all of them written: most stay untouched. */
	free(release->clients);
	release->clients = calloc(1, sizeof(*release->clients));
	return release->clients ? 0 : -ENOMEM;
}

/* The bounds that the configuration has now. Sticky clients have other blocks: what there is of the others begins anew. */
static int set_analysis(struct release *release, uint64_t now_ns)
{
	struct evidence_config *config = &release->evidence.config;

	config->alpha_error = config->alpha_latency = release->config.alpha / 2;
	config->margin = release->config.margin;
	return config->sticky == release->config.sticky ? 0 : begin_evidence(release, now_ns);
}

void release_feed(struct release *release, uint64_t hash, const struct serin_client *counts, uint64_t now_ns)
{
	struct evidence_counts arms[EVIDENCE_ARMS];
	struct evidence_client *client;

	_Static_assert(sizeof(arms) == sizeof(counts->arm), "the kernel's counts are the evidence's");
	if (!release->comparing || !release->clients)
		return; /* what was under way when it stopped comparing */
	memcpy(arms, counts->arm, sizeof(arms));
	client = clients_get(release->clients, hash, now_ns);
	if (release->config.sticky)
		evidence_client_add(client, arms, now_ns);
	else
		evidence_feed(&release->evidence, client, arms, now_ns);
}

static void end_client(struct evidence_client *client, void *context)
{
	struct release *release = context;

	evidence_cohort_add(&release->cohort, client);
}

static void end_cohort(struct release *release, uint64_t now_ns)
{
	if (!release->config.sticky || !release->clients || now_ns - release->cohort_ns < COHORT_NS)
		return;
	clients_each(release->clients, end_client, release);
	evidence_cohort_use(&release->evidence, &release->cohort);
	release->cohort_ns = now_ns;
}

static void push_second(struct release *release, const struct serin_snapshot *now)
{
	release->second = (release->second + 1) % ARRAY_SIZE(release->seconds);
	if (release->n_seconds < ARRAY_SIZE(release->seconds))
		release->n_seconds++;
	for (unsigned arm = 0; arm < EVIDENCE_ARMS; arm++) {
		const struct serin_tally *tally = &now->tally[target_of(release, arm)];

		release->seconds[release->second].exits[arm] = tally->exits_signal + tally->exits_error;
	}
}

/* What was counted before a weight is none of its own. */
static void begin_counts(struct release *release, const struct serin_snapshot *now)
{
	for (unsigned arm = 0; arm < EVIDENCE_ARMS; arm++)
		release->begun[arm] = now->tally[target_of(release, arm)].service_requests;
	release->n_seconds = 0;
	push_second(release, now);
}

/* New connections by arm since the last look, at the weight that was set then. Those of a sticky client are all one draw, so
 * that their number says nothing of the split. */
static void look_at_split(struct release *release, const uint64_t *steered)
{
	const uint64_t *before = release->steered;

	if (release->comparing && !release->config.sticky)
		evidence_split_add(&release->split, (double)release->rollout.weight / SERIN_WEIGHT_MAX,
				   steered[SERIN_STEERED_STABLE] - before[SERIN_STEERED_STABLE],
				   steered[SERIN_STEERED_CANARY] + steered[SERIN_STEERED_ABSENT] -
					   before[SERIN_STEERED_CANARY] - before[SERIN_STEERED_ABSENT]);
	memcpy(release->steered, steered, sizeof(release->steered));
}

static void judge(struct release *release, struct serin_judgement *ret)
{
	const struct serin_evidence *e = &release->evidence;
	struct evidence_verdict verdict = evidence_judge(e);

	*ret = (struct serin_judgement){
		.known = release->comparing,
		.log_error = verdict.log_error,
		.log_latency = verdict.log_latency,
		.log_error_bound = -log(e->config.alpha_error),
		.log_latency_bound = -log(e->config.alpha_latency),
		.excess_error = verdict.excess_error,
		.excess_latency = verdict.excess_latency,
		.margin = e->config.margin,
		.error = verdict.error,
		.latency = verdict.latency,
		.no_worse = evidence_no_worse(e, release->config.alpha, release->config.margin),
		.blocks = e->blocks,
		.requests = {(uint64_t)e->total_n[EVIDENCE_STABLE], (uint64_t)e->total_n[EVIDENCE_CANARY]},
		.split_off = evidence_split_log(&release->split) >= -log(release->config.alpha),
	};
}

static void warn_of_split(struct release *release)
{
	if (!release->seen.evidence.split_off || release->split_warned)
		return;
	release->split_warned = true;
	log_event("warning", json_pack("{ss ss}", "release", release_name(release), "cause", "sample_ratio"),
		  "%s: connections are not split as set (%llu to stable, %llu to the canary at %g%%); few clients with many "
		  "connections, or something answers before serin", release_name(release),
		  (unsigned long long)release->split.n[EVIDENCE_STABLE],
		  (unsigned long long)release->split.n[EVIDENCE_CANARY], release->split.weight * 100);
}

/* ---- decisions ---- */

static void remember(const struct release *release)
{
	struct store_release now = {
		.phase = release->rollout.phase,
		.step = release->rollout.step,
		.weight = release->rollout.phase == SERIN_ROLLED_BACK ? release->rollout.retry_weight : release->rollout.weight,
		.manual = release->rollout.manual,
	};

	store_set_release(release->world->store, release_name(release), release_version(release, EVIDENCE_STABLE),
			  release_version(release, EVIDENCE_CANARY), &now);
}

/* Of what is above the present weight. */
static void begin_drain(struct release *release, uint64_t now_ns, uint64_t deadline_ns)
{
	release->drain.weight = release->rollout.weight;
	release->drain.began_ns = now_ns;
	release->drain.deadline_ns = deadline_ns;
	release->drain.failing = release->rollout.phase == SERIN_ROLLED_BACK;
	release->drain.active = true;
}

/* What was normal for stable, by the store's minutes. */
static void read_baseline(struct release *release)
{
	uint64_t anomalies = 0, requests = 0;

	release->baseline = (struct serin_value){};
	if (release->config.baseline_history &&
	    store_baseline(release->world->store, release_name(release), release_version(release, EVIDENCE_STABLE),
			   (int64_t)time(NULL) - BASELINE_SECONDS, &anomalies, &requests) == 0 && requests)
		release->baseline = serin_known((double)anomalies / (double)requests);
}

static double unix_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void record(struct release *release, const struct serin_decision *decision)
{
	json_t *json = report_decision(release_name(release), release_version(release, EVIDENCE_STABLE),
				       release_version(release, EVIDENCE_CANARY), decision, release->decided_unix);

	release->decisions[decision->reason]++;
	remember(release);
	announce_decision(release_name(release), decision, json_incref(json));
	store_decision(release->world->store, release_name(release), json);
}

/* A decision has been made. What is left for the next agent first: one that is killed between the two lines leaves a weight
 * that the next one lowers at once, never a canary that was taken out and comes back. Then traffic, then the record. */
static int carry_out(struct release *release, const struct serin_decision *decision, const struct serin_snapshot *now)
{
	int r;

	if (decision->weight_from != decision->weight_to) { /* the same weight again is no new step */
		edges_thaw(&release->edges);
		begin_counts(release, now);
		begin_drain(release, decision->at_ns, decision->hung ? 0 : release->config.drain_ns);
	}
	release->decided_unix = unix_now();
	if (!decision->weight_from && decision->weight_to) {
		begin_evidence(release, decision->at_ns); /* without memory for it the gates are left */
		read_baseline(release);
	}
	leave_state(release);
	r = tell_kernel(release);
	record(release, decision);
	return r;
}

int release_order(struct release *release, enum serin_order order, uint32_t weight, const struct serin_snapshot *now,
		  char ret_why[RELEASE_WHY_MAX])
{
	struct serin_decision decision;
	char refusal[ROLLOUT_WHY_MAX] = "";
	int r;

	release->seen.now_ns = now->now_ns;
	look_at_split(release, now->steered[release->index]);
	r = rollout_order(&release->rollout, &release->config.policy, &release->seen, order, weight, &decision, refusal);
	if (r < 0) {
		snprintf(ret_why, RELEASE_WHY_MAX, "%s: %s", release_name(release), refusal);
		return r;
	}
	release->past_unknown = false;
	r = carry_out(release, &decision, now);
	if (r < 0)
		snprintf(ret_why, RELEASE_WHY_MAX, "the kernel refused the weight: %s; it is tried again each tick",
			 strerror(-r));
	return r;
}

int release_first_weight(struct release *release, const struct serin_snapshot *now, char ret_why[RELEASE_WHY_MAX])
{
	if (!release->config.weight || release->past_unknown)
		return 0;
	if (release->rollout.latest.reason == SERIN_REASON_NONE && !release->rollout.weight)
		return release_order(release, SERIN_ORDER_WEIGHT, release->config.weight, now, ret_why);
	announce_first_weight(release_name(release), &release->rollout, release->config.weight);
	return 0;
}

/* ---- what an earlier agent decided ---- */

/* No pinned state: where the store says that it was, and has said why. */
static void take_up_history(struct release *release, uint64_t now_ns)
{
	const struct serin_decision *restored = &release->rollout.latest;
	struct store_release was;
	int r = store_release(release->world->store, release_name(release), release_version(release, EVIDENCE_STABLE),
			      release_version(release, EVIDENCE_CANARY), &was);

	release->past_unknown = r == -EAGAIN;
	if (r <= 0)
		return;
	rollout_restore(&release->rollout, &release->config.policy, was.phase, was.step, was.weight, was.manual, now_ns);
	read_baseline(release);
	if (restored->to != SERIN_IDLE && !release->config.weight) /* a weight to start with gets an answer of its own */
		announce_decision(release_name(release), restored,
				  report_decision(release_name(release), release_version(release, EVIDENCE_STABLE),
						  release_version(release, EVIDENCE_CANARY), restored, unix_now()));
}

/* The store's disk may answer after the start. */
static void learn_past(struct release *release, const struct serin_snapshot *now)
{
	char why[RELEASE_WHY_MAX];

	take_up_history(release, now->now_ns);
	if (release->past_unknown)
		return;
	begin_counts(release, now);
	tell_kernel(release);
	leave_state(release);
	if (release_first_weight(release, now, why) < 0)
		log_event("warning", json_pack("{ss}", "release", release_name(release)), "%s", why);
}

/* ---- a look ---- */

static uint64_t recent_exits(const struct release *release, const struct serin_snapshot *now, enum evidence_arm arm)
{
	const struct serin_tally *tally = &now->tally[target_of(release, arm)];
	unsigned oldest;

	if (!release->n_seconds)
		return 0;
	oldest = (release->second + ARRAY_SIZE(release->seconds) + 1 - release->n_seconds) % ARRAY_SIZE(release->seconds);
	return tally->exits_signal + tally->exits_error - release->seconds[oldest].exits[arm];
}

static void update_note(struct release *release)
{
	const struct targets *targets = release->world->targets;
	const struct serin_target *canary = &targets->all[release->canary];

	release->note[0] = '\0';
	if (release->past_unknown)
		snprintf(release->note, sizeof(release->note),
			 "what was decided before is not known while the store's disk does not answer: everything goes to stable");
	else if (targets->mptcp[release->canary])
		snprintf(release->note, sizeof(release->note), "canary listens with MPTCP: everything goes to stable");
	else if (targets->unsteered[release->canary])
		snprintf(release->note, sizeof(release->note),
			 "the kernel took not all of the canary's listeners (at most %d): the others get nothing", SERIN_SLOTS);
	else if (!canary->n_listeners && canary->match.endpoint.port)
		snprintf(release->note, sizeof(release->note), "canary does not listen on port %u: everything goes to stable",
			 canary->match.endpoint.port);
	else if (!canary->n_listeners)
		snprintf(release->note, sizeof(release->note), "canary does not listen: everything goes to stable");
}

/* Those of the canary, as the state machine takes them. */
static void select_external(struct release *release)
{
	unsigned n = 0;

	for (unsigned i = 0; i < release->n_external; i++)
		if (!strcmp(release->external[i].version, release_version(release, EVIDENCE_CANARY)))
			release->of_canary[n++] = release->external[i].figure;
	release->seen.external = release->of_canary;
	release->seen.n_external = n;
}

static void look(struct release *release, const struct serin_snapshot *now, const struct serin_figures *figures)
{
	const struct targets *targets = release->world->targets;
	struct serin_observation *seen = &release->seen;

	seen->now_ns = now->now_ns;
	seen->stable = figures[release->stable];
	seen->canary = figures[release->canary];
	for (unsigned arm = 0; arm < EVIDENCE_ARMS; arm++) {
		seen->step_requests[arm] = now->tally[target_of(release, arm)].service_requests - release->begun[arm];
		seen->exits[arm] = recent_exits(release, now, arm);
	}
	seen->stable_listens = targets->all[release->stable].n_listeners > 0;
	seen->canary_listens = targets->all[release->canary].n_listeners > 0 && !targets->mptcp[release->canary];
	judge(release, &seen->evidence);
	select_external(release);
}

int release_tick(struct release *release, const struct serin_snapshot *now, const struct serin_figures *figures,
		 bool second)
{
	struct serin_decision decision;
	int r = 0;

	if (!release->counting) { /* places in the maps may have had another release's counts */
		memcpy(release->steered, now->steered[release->index], sizeof(release->steered));
		begin_counts(release, now);
		release->counting = true;
	}
	if (second) {
		push_second(release, now);
		r = edges_look(&release->edges, release->world->targets, release->world->loader, release->comparing);
	}
	if (r < 0)
		return r;
	look_at_split(release, now->steered[release->index]);
	if (release->comparing) {
		end_cohort(release, now->now_ns);
		evidence_tick(&release->evidence, now->now_ns);
	}
	if (second && release->past_unknown)
		learn_past(release, now);
	update_note(release);
	look(release, now, figures);
	warn_of_split(release);
	if (release->past_unknown)
		return 0;
	if (rollout_tick(&release->rollout, &release->config.policy, &release->seen, &decision))
		carry_out(release, &decision, now);
	else if (release->comparing)
		leave_state(release);
	return 0;
}

int release_monitor(struct release *release, const char *version, const char *name, double value, uint64_t now_ns)
{
	const char *canary = release_version(release, EVIDENCE_CANARY);
	struct release_external *e;
	unsigned i;

	if (version && strcmp(version, canary) && strcmp(version, release_version(release, EVIDENCE_STABLE)))
		return -ENOENT;
	version = version ? version : canary;
	for (i = 0; i < release->n_external; i++)
		if (!strcmp(release->external[i].version, version) && !strcmp(release->external[i].figure.name, name))
			break;
	if (i == ROLLOUT_EXTERNAL_MAX)
		return -ENOSPC;
	e = &release->external[i];
	release->n_external += i == release->n_external;
	snprintf(e->version, sizeof(e->version), "%s", version);
	snprintf(e->figure.name, sizeof(e->figure.name), "%s", name);
	e->figure.value = value;
	e->figure.at_ns = now_ns;
	leave_state(release);
	return 0;
}

/* ---- start and end ---- */

/* An agent that was killed right after a decision has carried it out, but may not have written it down. The same moment is
 * the same decision; a history that was removed meanwhile begins with it. */
static void make_up_history(struct release *release)
{
	if (release->decided_unix == 0)
		return;
	remember(release);
	store_decision_again(release->world->store, release_name(release),
			     report_decision(release_name(release), release_version(release, EVIDENCE_STABLE),
					     release_version(release, EVIDENCE_CANARY), &release->rollout.latest,
					     release->decided_unix));
}

static void take_up_state(struct release *release, const struct state *state)
{
	release->rollout = state->rollout;
	release->decided_unix = state->decided_unix;
	release->baseline = state->baseline;
	release->evidence = state->evidence;
	release->split = state->split;
	memcpy(release->steered, state->steered, sizeof(release->steered));
	memcpy(release->begun, state->begun, sizeof(release->begun));
	memcpy(release->external, state->external, sizeof(release->external));
	release->n_external = state->n_external <= ROLLOUT_EXTERNAL_MAX ? (unsigned)state->n_external : 0;
	release->counting = true;
	begin_drain(release, state->drain_began_ns, state->drain_deadline_ns);
	make_up_history(release);
}

/* A configuration that is not the one it went by. What follows of it for the step is a decision too. */
static void replan(struct release *release, uint64_t now_ns)
{
	uint64_t before = release->rollout.latest.at_ns;

	rollout_replan(&release->rollout, &release->config.policy, now_ns);
	if (release->rollout.latest.reason != SERIN_REASON_REPLANNED || release->rollout.latest.at_ns == before)
		return;
	release->decided_unix = unix_now();
	record(release, &release->rollout.latest);
}

static int configure(struct release *release)
{
	struct targets *targets = release->world->targets;
	int r;

	r = targets_steer(targets, release->stable, release->index, release->config.service.port, NULL);
	if (r == 0)
		r = targets_steer(targets, release->canary, release->index, release->config.service.port, release->steer);
	if (r == 0)
		r = steer_configure(release->steer, release->config.sticky, release->config.rules, release->config.n_rules);
	if (r == 0)
		r = targets_set_deadline(targets, release->world->loader, release->stable, release->config.deadline_ns);
	if (r == 0)
		r = targets_set_deadline(targets, release->world->loader, release->canary, release->config.deadline_ns);
	release->drain.max_age_ns = release->config.max_age_ns;
	if (release->config.max_age_ns && !release->drain.active) /* no decision has begun one */
		begin_drain(release, util_now(), release->config.drain_ns);
	release->edges.margin = release->config.latency_margin;
	release->edges.floor_ns = release->config.latency_floor_ns;
	return r;
}

/* Where it was, and the kernel told so. */
static int take_up(struct release *release, bool taken_over)
{
	_cleanup_free_ struct state *state = calloc(1, sizeof(*state));
	uint64_t now = util_now();
	int r;

	if (!state)
		return -ENOMEM;
	r = begin_evidence(release, now);
	if (r < 0)
		return r;
	if (taken_over && find_state(release, state)) {
		take_up_state(release, state);
		r = set_analysis(release, now);
		replan(release, now);
	} else {
		r = steer_forget_counts(release->world->loader, release->index);
		take_up_history(release, now);
	}
	if (r == 0)
		r = configure(release);
	if (r == 0)
		r = tell_kernel(release);
	leave_state(release);
	return r;
}

static void take_seats(struct release *release, unsigned stable, unsigned canary)
{
	release->stable = release->drain.stable = stable;
	release->canary = release->drain.canary = canary;
	edges_init(&release->edges, stable, canary);
}

int release_open(const struct release_world *world, uint32_t index, const struct serin_release_config *config,
		 unsigned stable, unsigned canary, bool taken_over, struct release **ret, char ret_why[RELEASE_WHY_MAX])
{
	struct release *release = calloc(1, sizeof(*release));
	int r;

	if (!release)
		return -ENOMEM;
	release->world = world;
	release->config = *config;
	release->index = index;
	take_seats(release, stable, canary);
	r = steer_open(world->loader, index, &config->service, &release->steer);
	if (r < 0) {
		snprintf(ret_why, RELEASE_WHY_MAX, "cannot take hold of the service port %u: %s", config->service.port,
			 r == -EBUSY ? "another release steers it" : strerror(-r));
		release_close(release, false);
		return r;
	}
	r = take_up(release, taken_over);
	if (r < 0) {
		snprintf(ret_why, RELEASE_WHY_MAX, "the kernel does not take release %s: %s", release_name(release),
			 strerror(-r));
		release_close(release, false);
		return r;
	}
	*ret = release;
	return 0;
}

void release_close(struct release *release, bool keep)
{
	if (!release)
		return;
	if (keep)
		steer_leave(release->steer);
	else
		steer_close(release->steer);
	free(release->clients);
	free(release);
}

int release_reconfigure(struct release *release, const struct serin_release_config *config, unsigned stable,
			unsigned canary, uint64_t now_ns)
{
	struct serin_release_config before = release->config;
	int r;

	if (stable != release->stable || canary != release->canary)
		take_seats(release, stable, canary);
	release->config = *config;
	r = configure(release);
	if (r < 0) {
		release->config = before;
		configure(release);
		return r;
	}
	r = set_analysis(release, now_ns);
	replan(release, now_ns);
	if (r == 0)
		r = tell_kernel(release);
	leave_state(release);
	return r;
}

struct report_release release_show(const struct release *release, const struct serin_snapshot *newest,
				   struct serin_observation *ret_seen)
{
	*ret_seen = release->seen;
	ret_seen->now_ns = util_now();
	return (struct report_release){
		.name = release_name(release),
		.stable = release_version(release, EVIDENCE_STABLE),
		.canary = release_version(release, EVIDENCE_CANARY),
		.stable_containers = &release->world->targets->all[release->stable].containers,
		.canary_containers = &release->world->targets->all[release->canary].containers,
		.rollout = &release->rollout,
		.policy = &release->config.policy,
		.seen = ret_seen,
		.steered = newest->steered[release->index],
		.draining = {release->drained.connections, release->drained.in_flight, release->drained.ended,
			     release->drained.reset, release->drained.aged, release->drained.unreachable},
		.note = *release->note ? release->note : NULL,
	};
}

json_t *release_report(const struct release *release, const struct serin_snapshot *newest)
{
	struct serin_observation seen;
	struct report_release shown = release_show(release, newest, &seen);

	return report_release(&shown);
}
