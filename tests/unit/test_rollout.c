/* Links: user/rollout.c user/rollout_words.c user/names.c user/util.c -lm */
// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "check.h"

#include "rollout.h"
#include "util.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW (1000 * SECOND)
#define LIMIT 200.0 /* evidence at which a release is rolled back */

/* ---- where a release can be ---- */

enum situation { IDLE, PROGRESSING, BY_HAND, PAUSED, PROMOTED, ROLLED_BACK, SITUATIONS };

static struct serin_policy policy;
static struct serin_observation seen;
static struct serin_external accuracy;
static struct serin_rollout rollout;
static struct serin_decision decision;
static char why[ROLLOUT_WHY_MAX];

static const struct {
	const char *name;
	struct serin_rollout state;
} situations[SITUATIONS] = {
	[IDLE] = {"Idle", {.phase = SERIN_IDLE}},
	[PROGRESSING] = {"Progressing", {.phase = SERIN_PROGRESSING, .weight = 500, .step = 2}},
	[BY_HAND] = {"Progressing by hand", {.phase = SERIN_PROGRESSING, .weight = 700, .step = 2, .manual = true}},
	[PAUSED] = {"Paused", {.phase = SERIN_PAUSED, .weight = 500, .step = 2}},
	[PROMOTED] = {"Promoted", {.phase = SERIN_PROMOTED, .weight = 10000, .step = 4}},
	[ROLLED_BACK] = {"RolledBack", {.phase = SERIN_ROLLED_BACK, .retry_weight = 500}},
};

/* Four steps, every guard on, a canary that passes them all, and nothing proved yet. */
static void begin_in(enum situation situation)
{
	policy = (struct serin_policy){
		.steps = {{100, 60 * SECOND}, {500, 300 * SECOND}, {2500, 600 * SECOND}, {10000, 0}},
		.n_steps = 4,
		.automatic = true,
		.gates = {serin_known(0.95), serin_known(1.2), serin_known(5), serin_known(2), 50},
		.external = {{.name = "accuracy", .min = serin_known(0.9), .max = serin_known(1)}},
		.n_external = 1,
		.external_age_ns = 60 * SECOND,
		.exits_max = 3,
		.absent_ns = 30 * SECOND,
	};
	accuracy = (struct serin_external){.name = "accuracy", .value = 0.95, .at_ns = NOW - SECOND};
	seen = (struct serin_observation){
		.now_ns = NOW,
		.stable = {.n = 1000, .s = 999, .p = serin_known(0.999)},
		.canary = {.n = 63, .s = 63, .p = serin_known(1), .r = serin_known(0.5), .d = serin_known(0),
			   .cpu_ratio = serin_known(1.1)},
		.evidence = {.known = true, .log_error_bound = log(LIMIT), .log_latency_bound = log(LIMIT), .margin = 0.01,
			     .requests = {1000, 63}},
		.step_requests = {1000, 63},
		.exits = {1, 1},
		.stable_listens = true,
		.canary_listens = situation != IDLE, /* else it would begin */
		.external = &accuracy,
		.n_external = 1,
	};
	rollout = situations[situation].state;
	rollout.since_ns = rollout.hold_from_ns = NOW - 100 * SECOND;
	if (situation == PAUSED)
		rollout.paused_ns = NOW - 10 * SECOND;
	memset(&decision, 0xff, sizeof(decision));
	*why = 0;
}

static bool tick(void)
{
	return rollout_tick(&rollout, &policy, &seen, &decision);
}

static int order(enum serin_order what, uint32_t weight)
{
	return rollout_order(&rollout, &policy, &seen, what, weight, &decision, why);
}

/* ---- what can happen to it ---- */

enum event {
	/* The orders, in their order; and weight 0, which is another one. */
	EVENT_WEIGHT, EVENT_PROMOTE, EVENT_PROMOTE_FULL, EVENT_PAUSE, EVENT_RESUME, EVENT_ABORT, EVENT_RETRY,
	EVENT_WEIGHT_ZERO,
	/* What a tick may see. */
	EVENT_NOTHING, EVENT_EVIDENCE_ERROR, EVENT_EVIDENCE_LATENCY, EVENT_GATE_P, EVENT_GATE_D, EVENT_GATE_R,
	EVENT_GATE_CPU, EVENT_EXTERNAL_LOW, EVENT_EXTERNAL_HIGH, EVENT_EXITS, EVENT_ABSENT, EVENT_NO_WORSE,
	EVENT_EVIDENCE_OFF, EVENT_INCONCLUSIVE_HOLD, EVENT_INCONCLUSIVE_PROMOTE, EVENT_INCONCLUSIVE_ROLLBACK,
	EVENT_TOO_FEW_REQUESTS, EVENT_NO_TRAFFIC, EVENT_NO_STABLE_TRAFFIC, EVENT_EXTERNAL_MISSING, EVENT_EXTERNAL_STALE,
	EVENT_CANARY_COMES, EVENT_CANARY_GOES, EVENT_STABLE_GONE, EVENT_STABLE_GONE_AND_ERROR,
	EVENT_STABLE_GONE_AND_INCONCLUSIVE,
	EVENTS
};
_Static_assert((int)EVENT_RETRY == (int)SERIN_ORDERS - 1, "an event an order");

static void evidence_error(void)
{
	seen.evidence.error = true, seen.evidence.log_error = log(412), seen.evidence.excess_error = 0.078;
}

static void evidence_latency(void)
{
	seen.evidence.latency = true, seen.evidence.log_latency = log(412), seen.evidence.excess_latency = 0.12;
}

static void gate_p(void)
{
	seen.canary.p.v = 0.9499;
}

static void gate_d(void)
{
	seen.canary.d.v = 5.0001;
}

static void gate_r(void)
{
	seen.canary.r.v = 1.2001;
}

static void gate_cpu(void)
{
	seen.canary.cpu_ratio.v = 2.0001;
}

static void external_low(void)
{
	accuracy.value = 0.89;
	seen.canary.n = 0; /* it needs no requests */
}

static void external_high(void)
{
	accuracy.value = 1.1;
}

static void exits(void)
{
	seen.exits[1] = seen.exits[0] + policy.exits_max + 1;
}

static void absent(void)
{
	seen.canary_listens = false;
	rollout.absent_from_ns = NOW - policy.absent_ns;
}

static void hold_over(void)
{
	rollout.hold_from_ns = NOW - 300 * SECOND;
}

static void no_worse(void)
{
	hold_over();
	seen.evidence.no_worse = true;
}

static void evidence_off(void)
{
	hold_over();
	seen.evidence = (struct serin_judgement){};
}

static void inconclusive_promote(void)
{
	hold_over();
	policy.on_inconclusive = SERIN_INCONCLUSIVE_PROMOTE;
}

static void inconclusive_rollback(void)
{
	hold_over();
	policy.on_inconclusive = SERIN_INCONCLUSIVE_ROLLBACK;
}

static void too_few_requests(void)
{
	no_worse();
	seen.step_requests[1] = 49;
}

static void no_traffic(void)
{
	no_worse();
	seen.step_requests[1] = 0;
	policy.on_inconclusive = SERIN_INCONCLUSIVE_PROMOTE;
}

static void no_stable_traffic(void)
{
	no_worse();
	seen.step_requests[0] = 0;
	policy.on_inconclusive = SERIN_INCONCLUSIVE_ROLLBACK;
}

static void external_missing(void)
{
	no_worse();
	seen.n_external = 0;
	policy.on_inconclusive = SERIN_INCONCLUSIVE_PROMOTE;
}

static void external_stale(void)
{
	no_worse();
	accuracy.at_ns = NOW - policy.external_age_ns - 1;
	accuracy.value = 0; /* however bad it was */
	seen.step_requests[1] = 1;
	policy.on_inconclusive = SERIN_INCONCLUSIVE_PROMOTE;
}

static void canary_comes(void)
{
	seen.canary_listens = true;
	rollout.absent_from_ns = NOW - policy.absent_ns;
}

static void canary_goes(void)
{
	no_worse();
	seen.canary_listens = false;
}

static void stable_gone(void)
{
	seen.stable_listens = false;
}

static void stable_gone_and_error(void)
{
	stable_gone();
	evidence_error();
}

static void stable_gone_and_inconclusive(void)
{
	stable_gone();
	inconclusive_rollback();
}

static const struct {
	const char *name;
	void (*sets)(void); /* of a tick; NULL: nothing to set */
	enum serin_order order;
	uint32_t weight;
	bool is_order;
} events[] = {
	[EVENT_WEIGHT] = {"weight 30%", NULL, SERIN_ORDER_WEIGHT, 3000, true},
	[EVENT_PROMOTE] = {"promote", NULL, SERIN_ORDER_PROMOTE, 0, true},
	[EVENT_PROMOTE_FULL] = {"promote --full", NULL, SERIN_ORDER_PROMOTE_FULL, 0, true},
	[EVENT_PAUSE] = {"pause", NULL, SERIN_ORDER_PAUSE, 0, true},
	[EVENT_RESUME] = {"resume", NULL, SERIN_ORDER_RESUME, 0, true},
	[EVENT_ABORT] = {"abort", NULL, SERIN_ORDER_ABORT, 0, true},
	[EVENT_RETRY] = {"retry", NULL, SERIN_ORDER_RETRY, 0, true},
	[EVENT_WEIGHT_ZERO] = {"weight 0", NULL, SERIN_ORDER_WEIGHT, 0, true},
	[EVENT_NOTHING] = {.name = "nothing"},
	[EVENT_EVIDENCE_ERROR] = {"evidence of errors", evidence_error, 0, 0, false},
	[EVENT_EVIDENCE_LATENCY] = {"evidence of latency", evidence_latency, 0, 0, false},
	[EVENT_GATE_P] = {"P too low", gate_p, 0, 0, false},
	[EVENT_GATE_D] = {"D too high", gate_d, 0, 0, false},
	[EVENT_GATE_R] = {"R too high", gate_r, 0, 0, false},
	[EVENT_GATE_CPU] = {"CPU a request too high", gate_cpu, 0, 0, false},
	[EVENT_EXTERNAL_LOW] = {"accuracy too low", external_low, 0, 0, false},
	[EVENT_EXTERNAL_HIGH] = {"accuracy too high", external_high, 0, 0, false},
	[EVENT_EXITS] = {"exits", exits, 0, 0, false},
	[EVENT_ABSENT] = {"canary away for too long", absent, 0, 0, false},
	[EVENT_NO_WORSE] = {"hold over, no worse", no_worse, 0, 0, false},
	[EVENT_EVIDENCE_OFF] = {"hold over, evidence off", evidence_off, 0, 0, false},
	[EVENT_INCONCLUSIVE_HOLD] = {"hold over, inconclusive: hold", hold_over, 0, 0, false},
	[EVENT_INCONCLUSIVE_PROMOTE] = {"hold over, inconclusive: promote", inconclusive_promote, 0, 0, false},
	[EVENT_INCONCLUSIVE_ROLLBACK] = {"hold over, inconclusive: rollback", inconclusive_rollback, 0, 0, false},
	[EVENT_TOO_FEW_REQUESTS] = {"hold over, too few requests", too_few_requests, 0, 0, false},
	[EVENT_NO_TRAFFIC] = {"hold over, no traffic", no_traffic, 0, 0, false},
	[EVENT_NO_STABLE_TRAFFIC] = {"hold over, no traffic on stable", no_stable_traffic, 0, 0, false},
	[EVENT_EXTERNAL_MISSING] = {"hold over, no accuracy", external_missing, 0, 0, false},
	[EVENT_EXTERNAL_STALE] = {"hold over, old accuracy", external_stale, 0, 0, false},
	[EVENT_CANARY_COMES] = {"canary comes", canary_comes, 0, 0, false},
	[EVENT_CANARY_GOES] = {"canary goes", canary_goes, 0, 0, false},
	[EVENT_STABLE_GONE] = {"stable gone", stable_gone, 0, 0, false},
	[EVENT_STABLE_GONE_AND_ERROR] = {"stable gone, evidence of errors", stable_gone_and_error, 0, 0, false},
	[EVENT_STABLE_GONE_AND_INCONCLUSIVE] = {"stable gone, inconclusive", stable_gone_and_inconclusive, 0, 0, false},
};
_Static_assert(ARRAY_SIZE(events) == EVENTS, "what each event is");

/* ---- every phase x every event ---- */

enum outcome { MISSING, REFUSES, STAYS, GOES };

struct expected {
	enum outcome outcome;
	enum serin_phase phase;
	uint32_t weight, step;
	bool manual;
	enum serin_reason reason;
	enum serin_waiting waiting; /* after it; of what stays too */
};

#define no {.outcome = REFUSES}
#define waits(for) {.outcome = STAYS, .waiting = SERIN_WAITING_##for}
#define back(why) {GOES, SERIN_ROLLED_BACK, 0, 0, false, SERIN_REASON_##why, SERIN_WAITING_NOT}
#define steps(n, weight, why) {GOES, SERIN_PROGRESSING, weight, n, false, SERIN_REASON_##why, SERIN_WAITING_HOLD}
#define full(why) {GOES, SERIN_PROMOTED, 10000, 4, false, SERIN_REASON_##why, SERIN_WAITING_NOT}
#define by_hand(phase, n, weight, why, wait) {GOES, SERIN_##phase, weight, n, true, SERIN_REASON_##why, SERIN_WAITING_##wait}
#define rests by_hand(IDLE, 0, 0, WEIGHT, START)

/* Idle, Progressing, Progressing by hand, Paused, Promoted, RolledBack */
#define guarded(why) {waits(START), back(why), back(why), back(why), back(why), waits(NOT)}
/* What only one that takes steps cares about. */
#define alone(progressing) {waits(START), progressing, waits(MANUAL), waits(PAUSED), waits(NOT), waits(NOT)}

static const struct expected table[][SITUATIONS] = {
	[EVENT_WEIGHT] = {by_hand(PROGRESSING, 3, 3000, WEIGHT, CANARY), by_hand(PROGRESSING, 3, 3000, WEIGHT, MANUAL),
			  by_hand(PROGRESSING, 3, 3000, WEIGHT, MANUAL), by_hand(PAUSED, 3, 3000, WEIGHT, PAUSED),
			  by_hand(PROGRESSING, 3, 3000, WEIGHT, MANUAL), by_hand(PROGRESSING, 3, 3000, WEIGHT, MANUAL)},
	[EVENT_WEIGHT_ZERO] = {rests, rests, rests, rests, rests, rests},
	[EVENT_PROMOTE] = {{GOES, SERIN_PROGRESSING, 100, 1, false, SERIN_REASON_PROMOTED, SERIN_WAITING_CANARY},
			   steps(3, 2500, PROMOTED), steps(3, 2500, PROMOTED), steps(3, 2500, PROMOTED), no, no},
	[EVENT_PROMOTE_FULL] = {full(PROMOTED), full(PROMOTED), full(PROMOTED), full(PROMOTED), no, no},
	[EVENT_PAUSE] = {no, {GOES, SERIN_PAUSED, 500, 2, false, SERIN_REASON_PAUSED, SERIN_WAITING_PAUSED},
			 by_hand(PAUSED, 2, 700, PAUSED, PAUSED), no, no, no},
	[EVENT_RESUME] = {{GOES, SERIN_PROGRESSING, 100, 1, false, SERIN_REASON_RESUMED, SERIN_WAITING_CANARY}, no,
			  steps(2, 700, RESUMED), steps(2, 500, RESUMED), no, no},
	[EVENT_ABORT] = {no, back(ABORTED), back(ABORTED), back(ABORTED), back(ABORTED), no},
	[EVENT_RETRY] = {no, no, no, no, no, steps(1, 100, RETRIED)},
	[EVENT_NOTHING] = alone(waits(HOLD)),
	[EVENT_EVIDENCE_ERROR] = guarded(EVIDENCE_ERROR),
	[EVENT_EVIDENCE_LATENCY] = guarded(EVIDENCE_LATENCY),
	[EVENT_GATE_P] = guarded(GATE_P),
	[EVENT_GATE_D] = guarded(GATE_D),
	[EVENT_GATE_R] = guarded(GATE_R),
	[EVENT_GATE_CPU] = guarded(GATE_CPU),
	[EVENT_EXTERNAL_LOW] = guarded(GATE_EXTERNAL),
	[EVENT_EXTERNAL_HIGH] = guarded(GATE_EXTERNAL),
	[EVENT_EXITS] = guarded(EXITS),
	[EVENT_ABSENT] = guarded(ABSENT),
	[EVENT_NO_WORSE] = alone(steps(3, 2500, NO_WORSE)),
	[EVENT_EVIDENCE_OFF] = alone(steps(3, 2500, NO_WORSE)),
	[EVENT_INCONCLUSIVE_HOLD] = alone(waits(EVIDENCE)),
	[EVENT_INCONCLUSIVE_PROMOTE] = alone(steps(3, 2500, INCONCLUSIVE)),
	[EVENT_INCONCLUSIVE_ROLLBACK] = alone(back(INCONCLUSIVE)),
	[EVENT_TOO_FEW_REQUESTS] = alone(waits(REQUESTS)),
	[EVENT_NO_TRAFFIC] = alone(waits(TRAFFIC)),
	[EVENT_NO_STABLE_TRAFFIC] = alone(waits(TRAFFIC)),
	[EVENT_EXTERNAL_MISSING] = alone(waits(EXTERNAL)),
	[EVENT_EXTERNAL_STALE] = alone(waits(EXTERNAL)),
	[EVENT_CANARY_COMES] = {steps(1, 100, STARTED), waits(HOLD), waits(MANUAL), waits(PAUSED), waits(NOT), waits(NOT)},
	[EVENT_CANARY_GOES] = {waits(START), waits(CANARY), waits(CANARY), waits(PAUSED), waits(NOT), waits(NOT)},
	[EVENT_STABLE_GONE] = alone(waits(HOLD)),
	[EVENT_STABLE_GONE_AND_ERROR] = {waits(START), waits(STABLE), waits(STABLE), waits(STABLE), waits(STABLE), waits(NOT)},
	[EVENT_STABLE_GONE_AND_INCONCLUSIVE] = alone(waits(STABLE)),
};
_Static_assert(ARRAY_SIZE(table) == EVENTS, "what each event does");

/* What has to be so after any decision, given the state before it. */
static void check_decision(const struct serin_rollout *before)
{
	assert_memory_equal(&decision, &rollout.latest, sizeof(decision));
	assert_int_not_equal(decision.reason, SERIN_REASON_NONE);
	assert_int_equal(decision.from, before->phase);
	assert_int_equal(decision.weight_from, before->weight);
	assert_int_equal(decision.to, rollout.phase);
	assert_int_equal(decision.weight_to, rollout.weight);
	assert_int_equal(decision.step, rollout.step);
	assert_int_equal(decision.steps, policy.n_steps);
	assert_int_equal(decision.manual, rollout.manual);
	assert_true(decision.at_ns >= before->latest.at_ns);
}

/* All but what a look always sets: what it waits for, and since when the canary is gone. */
static void check_nothing_changed(const struct serin_rollout *before)
{
	struct serin_rollout now = rollout;

	now.waiting = before->waiting;
	now.absent_from_ns = before->absent_from_ns;
	assert_memory_equal(&now, before, sizeof(now));
}

static void check_cell(enum event event, enum situation situation)
{
	const struct expected *e = &table[event][situation];
	struct serin_decision untouched;
	struct serin_rollout before;
	bool decided;
	int r = 0;

	begin_in(situation);
	if (events[event].sets)
		events[event].sets();
	before = rollout;
	untouched = decision;
	decided = events[event].is_order ? (r = order(events[event].order, events[event].weight)) == 0 : tick();
	if (e->outcome == MISSING)
		fail_msg("the table has no answer");
	if (decided != (e->outcome == GOES))
		fail_msg("it %s: %s", decided ? "decided" : "did not", why);
	if (!decided) {
		assert_memory_equal(&decision, &untouched, sizeof(decision));
		assert_int_equal(r, e->outcome == REFUSES ? -EBUSY : 0);
		check_nothing_changed(&before);
		if (e->outcome == REFUSES)
			assert_memory_equal(&rollout, &before, sizeof(before));
		else
			assert_string_equal(serin_waiting_name(rollout.waiting), serin_waiting_name(e->waiting));
		return;
	}
	check_decision(&before);
	assert_string_equal(serin_phase_name(rollout.phase), serin_phase_name(e->phase));
	assert_string_equal(serin_reason_name(decision.reason), serin_reason_name(e->reason));
	assert_string_equal(serin_waiting_name(rollout.waiting), serin_waiting_name(e->waiting));
	assert_int_equal(rollout.weight, e->weight);
	assert_int_equal(rollout.step, e->step);
	assert_int_equal(rollout.manual, e->manual);
}

static char at_cell[128]; /* of the table, for when it fails there */

static int name_the_cell(void **state)
{
	(void)state;
	if (*at_cell)
		print_error("in the table at %s\n", at_cell);
	return 0;
}

static void every_event_in_every_phase_does_what_the_table_says(void **state)
{
	bool phases[SERIN_PHASES] = {};

	(void)state;
	for (unsigned s = 0; s < SITUATIONS; s++) {
		phases[situations[s].state.phase] = true;
		for (unsigned e = 0; e < EVENTS; e++) {
			snprintf(at_cell, sizeof(at_cell), "%s, %s", situations[s].name, events[e].name);
			check_cell(e, s);
		}
	}
	*at_cell = 0;
	for (unsigned i = 0; i < SERIN_PHASES; i++)
		assert_true(phases[i]);
}

/* Each refusal says what was asked, where the release is, and what to do instead. */
static void every_refusal_says_what_why_and_what_to_do(void **state)
{
	(void)state;
	for (unsigned s = 0; s < SITUATIONS; s++)
		for (unsigned e = 0; e < EVENTS; e++) {
			if (table[e][s].outcome != REFUSES)
				continue;
			begin_in(s);
			assert_int_equal(order(events[e].order, events[e].weight), -EBUSY);
			assert_ptr_equal(strstr(why, events[e].name), why);
			assert_non_null(strstr(why, serin_phase_name(rollout.phase)));
			assert_non_null(strchr(why, '`'));
		}
}

/* ---- guards at their bounds ---- */

static int progressing(void **state)
{
	(void)state;
	begin_in(PROGRESSING);
	return 0;
}

static bool rolls_back_for(enum serin_reason reason)
{
	return tick() && decision.to == SERIN_ROLLED_BACK && decision.reason == reason;
}

static void figures_at_their_bounds_pass(void **state)
{
	(void)state;
	seen.canary.p.v = 0.95, seen.canary.r.v = 1.2, seen.canary.d.v = 5, seen.canary.cpu_ratio.v = 2;
	accuracy.value = 0.9;
	seen.exits[1] = seen.exits[0] + 3;
	assert_false(tick());
	accuracy.value = 1;
	assert_false(tick());
}

static void absent_figures_breach_nothing(void **state)
{
	(void)state;
	seen.canary.p = (struct serin_value){};
	seen.canary.r = seen.canary.d = seen.canary.cpu_ratio = (struct serin_value){.v = 50};
	seen.n_external = 0;
	assert_false(tick());
}

static void figures_are_no_matter_with_their_gates_off(void **state)
{
	(void)state;
	seen.canary.p.v = 0, seen.canary.r.v = seen.canary.d.v = seen.canary.cpu_ratio.v = 50, seen.exits[1] = 99;
	policy.gates = (struct serin_gates){};
	policy.n_external = 0, policy.exits_max = 0, policy.absent_ns = 0;
	accuracy.value = 0;
	seen.canary_listens = false;
	rollout.absent_from_ns = 1;
	assert_false(tick());
}

static void no_gate_speaks_before_enough_requests(void **state)
{
	(void)state;
	seen.canary.p.v = 0, seen.canary.r.v = 9, seen.canary.d.v = 50, seen.canary.cpu_ratio.v = 9;
	seen.canary.n = 49;
	assert_false(tick());
	seen.canary.n = 50;
	assert_true(rolls_back_for(SERIN_REASON_GATE_P));
}

static void evidence_is_heard_first(void **state)
{
	(void)state;
	gate_p(), gate_d(), evidence_latency(), exits();
	assert_true(rolls_back_for(SERIN_REASON_EVIDENCE_LATENCY));
}

static void evidence_that_is_switched_off_says_nothing(void **state)
{
	(void)state;
	evidence_error();
	seen.evidence.known = false;
	assert_false(tick());
}

static void an_external_figure_that_is_no_number_is_missing(void **state)
{
	(void)state;
	no_worse();
	accuracy.value = NAN;
	assert_false(tick());
	assert_int_equal(rollout.waiting, SERIN_WAITING_EXTERNAL);
}

static void a_rollback_carries_what_it_rests_on(void **state)
{
	(void)state;
	gate_r();
	assert_true(tick());
	assert_memory_equal(&decision.canary, &seen.canary, sizeof(seen.canary));
	assert_memory_equal(&decision.stable, &seen.stable, sizeof(seen.stable));
	assert_memory_equal(&decision.evidence, &seen.evidence, sizeof(seen.evidence));
	assert_string_equal(decision.gate, "R");
	check_near(decision.figure, 1.2001);
	check_near(decision.bound, 1.2);
	assert_int_equal(decision.at_ns, NOW);
	assert_int_equal(rollout.since_ns, NOW);
	assert_int_equal(rollout.retry_weight, 500);
}

static void a_canary_that_mostly_times_out_hangs(void **state)
{
	(void)state;
	gate_p();
	seen.canary.anomalies.failed = 4, seen.canary.timeouts = 3;
	assert_true(tick());
	assert_true(decision.hung);
	begin_in(PROGRESSING);
	gate_p();
	seen.canary.anomalies.failed = 4, seen.canary.timeouts = 2;
	assert_true(tick());
	assert_false(decision.hung);
}

static void a_release_rolls_back_once_and_stays_so(void **state)
{
	(void)state;
	gate_p();
	assert_true(tick());
	assert_false(tick());
	begin_in(ROLLED_BACK);
	no_worse();
	assert_false(tick());
}

static void absence_counts_from_when_it_was_seen(void **state)
{
	(void)state;
	seen.canary_listens = false;
	assert_false(tick());
	assert_int_equal(rollout.absent_from_ns, NOW);
	seen.now_ns = NOW + 30 * SECOND - 1;
	assert_false(tick());
	seen.now_ns++;
	assert_true(rolls_back_for(SERIN_REASON_ABSENT));
	assert_int_equal(rollout.absent_from_ns, 0);
}

static void a_canary_that_comes_back_was_not_absent(void **state)
{
	(void)state;
	seen.canary_listens = false;
	assert_false(tick());
	seen.canary_listens = true, seen.now_ns = NOW + 20 * SECOND;
	assert_false(tick());
	seen.canary_listens = false, seen.now_ns = NOW + 40 * SECOND;
	assert_false(tick());
	assert_int_equal(rollout.absent_from_ns, NOW + 40 * SECOND);
}

/* What it did before it had connections is nobody's loss. */
static void absence_counts_only_with_a_weight(void **state)
{
	(void)state;
	begin_in(IDLE);
	assert_false(tick());
	seen.now_ns = accuracy.at_ns = NOW + 100 * SECOND;
	assert_int_equal(order(SERIN_ORDER_WEIGHT, 500), 0);
	assert_false(tick());
	assert_int_equal(rollout.absent_from_ns, NOW + 100 * SECOND);
	seen.now_ns = NOW + 130 * SECOND;
	assert_true(rolls_back_for(SERIN_REASON_ABSENT));
}

static void a_guard_is_heard_when_stable_is_back(void **state)
{
	(void)state;
	stable_gone_and_error();
	assert_false(tick());
	seen.stable_listens = true;
	assert_true(rolls_back_for(SERIN_REASON_EVIDENCE_ERROR));
}

/* ---- steps ---- */

static void a_step_begins_window_and_hold_anew(void **state)
{
	(void)state;
	no_worse();
	assert_true(tick());
	assert_int_equal(rollout.since_ns, NOW);
	assert_int_equal(rollout.hold_from_ns, NOW);
	assert_false(tick());
	assert_int_equal(rollout.waiting, SERIN_WAITING_HOLD);
}

static void a_hold_is_over_at_its_end(void **state)
{
	(void)state;
	seen.evidence.no_worse = true;
	rollout.hold_from_ns = NOW - 300 * SECOND + 1;
	assert_false(tick());
	rollout.hold_from_ns--;
	assert_true(tick());
}

static void a_step_of_everything_without_a_hold_is_promoted_at_once(void **state)
{
	(void)state;
	rollout.step = 3, rollout.weight = 2500;
	rollout.hold_from_ns = NOW - 600 * SECOND;
	seen.evidence.no_worse = true;
	assert_true(tick());
	assert_int_equal(rollout.phase, SERIN_PROMOTED);
	assert_int_equal(rollout.weight, 10000);
	assert_int_equal(rollout.step, 4);
	assert_int_equal(decision.reason, SERIN_REASON_NO_WORSE);
}

/* Stable gets nothing then, so there is nothing to be compared. */
static void a_step_of_everything_with_a_hold_needs_no_comparison(void **state)
{
	(void)state;
	rollout.step = 4, rollout.weight = 10000;
	policy.steps[3].hold_ns = 100 * SECOND;
	seen.step_requests[0] = 0;
	assert_true(tick());
	assert_int_equal(rollout.phase, SERIN_PROMOTED);
	assert_int_equal(decision.weight_from, 10000);
}

static void a_step_of_everything_with_a_hold_needs_traffic_requests_and_figures(void **state)
{
	(void)state;
	rollout.step = 4, rollout.weight = 10000;
	policy.steps[3].hold_ns = 100 * SECOND;
	seen.step_requests[0] = seen.step_requests[1] = 0;
	assert_false(tick());
	assert_int_equal(rollout.waiting, SERIN_WAITING_TRAFFIC);
	seen.step_requests[1] = 49;
	assert_false(tick());
	assert_int_equal(rollout.waiting, SERIN_WAITING_REQUESTS);
	seen.step_requests[1] = 50, seen.n_external = 0;
	assert_false(tick());
	assert_int_equal(rollout.waiting, SERIN_WAITING_EXTERNAL);
}

static void after_the_last_step_it_is_promoted_whatever_its_weight(void **state)
{
	(void)state;
	policy.n_steps = 2;
	no_worse();
	assert_true(tick());
	assert_int_equal(rollout.phase, SERIN_PROMOTED);
	assert_int_equal(rollout.weight, 10000);
	assert_int_equal(rollout.step, 2);
}

/* Nobody has seen it serve. */
static void the_first_step_never_promotes_without_traffic(void **state)
{
	(void)state;
	begin_in(IDLE);
	policy.steps[0] = (struct serin_step){10000, 0};
	policy.n_steps = 1;
	canary_comes();
	assert_true(tick());
	assert_int_equal(rollout.phase, SERIN_PROGRESSING);
	assert_int_equal(rollout.weight, 10000);
	seen.step_requests[0] = seen.step_requests[1] = 0;
	assert_false(tick());
	seen.step_requests[1] = 50;
	assert_true(tick());
	assert_int_equal(rollout.phase, SERIN_PROMOTED);
}

static void it_begins_by_itself_only_where_it_may(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++) {
		begin_in(IDLE);
		canary_comes();
		if (i == 0)
			policy.automatic = false;
		else if (i == 1)
			policy.n_steps = 0;
		else if (i == 2)
			rollout.rested = true;
		else if (i == 3)
			seen.stable_listens = false;
		assert_int_equal(tick(), i == 4);
	}
}

static void too_few_requests_are_inconclusive_too(void **state)
{
	(void)state;
	too_few_requests();
	policy.on_inconclusive = SERIN_INCONCLUSIVE_ROLLBACK;
	assert_true(rolls_back_for(SERIN_REASON_INCONCLUSIVE));
	assert_int_equal(decision.lacked, SERIN_WAITING_REQUESTS);
	check_near(decision.figure, 49);
	check_near(decision.bound, 50);
	begin_in(PROGRESSING);
	too_few_requests();
	policy.on_inconclusive = SERIN_INCONCLUSIVE_PROMOTE;
	assert_true(tick());
	assert_int_equal(rollout.step, 3);
}

static void a_missing_external_figure_rolls_back_when_told_so(void **state)
{
	(void)state;
	external_missing();
	policy.on_inconclusive = SERIN_INCONCLUSIVE_ROLLBACK;
	assert_true(rolls_back_for(SERIN_REASON_INCONCLUSIVE));
	assert_int_equal(decision.lacked, SERIN_WAITING_EXTERNAL);
	assert_string_equal(decision.gate, "accuracy");
}

/* ---- orders in detail ---- */

static void the_same_weight_again_goes_on_with_window_and_hold(void **state)
{
	struct serin_rollout before = rollout;

	(void)state;
	assert_int_equal(order(SERIN_ORDER_WEIGHT, 500), 0);
	assert_int_equal(rollout.since_ns, before.since_ns);
	assert_int_equal(rollout.hold_from_ns, before.hold_from_ns);
	assert_true(rollout.manual);
	assert_int_equal(rollout.step, 2);
}

static void another_weight_begins_window_and_hold_anew(void **state)
{
	(void)state;
	assert_int_equal(order(SERIN_ORDER_WEIGHT, 501), 0);
	assert_int_equal(rollout.since_ns, NOW);
	assert_int_equal(rollout.hold_from_ns, NOW);
}

static void more_than_all_connections_is_no_weight(void **state)
{
	struct serin_rollout before = rollout;

	(void)state;
	assert_int_equal(order(SERIN_ORDER_WEIGHT, SERIN_WEIGHT_MAX), 0);
	rollout = before;
	assert_int_equal(order(SERIN_ORDER_WEIGHT, SERIN_WEIGHT_MAX + 1), -ERANGE);
	assert_memory_equal(&rollout, &before, sizeof(before));
	assert_string_equal(why, "the weight 100.01% is more than all connections; use one from 0 to 100 (the release is "
				 "Progressing at 5%)");
}

static void a_weight_below_the_first_step_has_no_step(void **state)
{
	(void)state;
	assert_int_equal(order(SERIN_ORDER_WEIGHT, 99), 0);
	assert_int_equal(rollout.step, 0);
	assert_int_equal(order(SERIN_ORDER_RESUME, 0), 0);
	assert_int_equal(rollout.step, 1);
	assert_int_equal(rollout.weight, 100);
	assert_int_equal(rollout.hold_from_ns, NOW);
}

static void resuming_keeps_the_weight_and_holds_it_anew(void **state)
{
	(void)state;
	begin_in(BY_HAND);
	assert_int_equal(order(SERIN_ORDER_RESUME, 0), 0);
	assert_int_equal(rollout.weight, 700);
	assert_int_equal(rollout.hold_from_ns, NOW);
	assert_int_equal(rollout.since_ns, NOW - 100 * SECOND);
}

static void a_pause_is_no_part_of_the_hold(void **state)
{
	(void)state;
	seen.evidence.no_worse = true;
	assert_int_equal(order(SERIN_ORDER_PAUSE, 0), 0); /* after 100 s of 300 s */
	seen.now_ns = accuracy.at_ns = NOW + 1000 * SECOND;
	assert_false(tick());
	assert_int_equal(order(SERIN_ORDER_RESUME, 0), 0);
	assert_int_equal(rollout.since_ns, NOW - 100 * SECOND); /* it is the same weight */
	seen.now_ns = accuracy.at_ns = NOW + 1200 * SECOND - 1;
	assert_false(tick());
	assert_int_equal(rollout.waiting, SERIN_WAITING_HOLD);
	seen.now_ns++;
	assert_true(tick());
}

static void a_weight_set_in_a_pause_is_kept_when_it_ends(void **state)
{
	(void)state;
	begin_in(PAUSED);
	assert_int_equal(order(SERIN_ORDER_WEIGHT, 3000), 0);
	seen.now_ns = NOW + 50 * SECOND;
	assert_int_equal(order(SERIN_ORDER_RESUME, 0), 0);
	assert_int_equal(rollout.weight, 3000);
	assert_int_equal(rollout.step, 3);
	assert_false(rollout.manual);
	assert_int_equal(rollout.hold_from_ns, NOW + 50 * SECOND);
}

static void promoting_from_a_weight_takes_the_next_step_above_it(void **state)
{
	(void)state;
	begin_in(BY_HAND);
	assert_int_equal(order(SERIN_ORDER_WEIGHT, 50), 0);
	assert_int_equal(order(SERIN_ORDER_PROMOTE, 0), 0);
	assert_int_equal(rollout.step, 1);
	assert_int_equal(order(SERIN_ORDER_WEIGHT, 2500), 0);
	assert_int_equal(order(SERIN_ORDER_PROMOTE, 0), 0);
	assert_int_equal(rollout.phase, SERIN_PROMOTED);
}

static void without_steps_every_weight_is_a_persons(void **state)
{
	(void)state;
	begin_in(IDLE);
	policy.n_steps = 0;
	seen.canary_listens = true;
	assert_false(tick());
	assert_int_equal(rollout.waiting, SERIN_WAITING_NOT);
	assert_int_equal(order(SERIN_ORDER_PROMOTE, 0), -EBUSY);
	assert_string_equal(why, "promote is not possible while the release is Idle: there are no steps; use `weight`, or "
				 "`promote --full` for all connections");
	assert_int_equal(order(SERIN_ORDER_RESUME, 0), -EBUSY);
	assert_int_equal(order(SERIN_ORDER_WEIGHT, 1000), 0);
	assert_int_equal(rollout.step, 0);
	assert_true(rollout.manual);
	assert_int_equal(order(SERIN_ORDER_PROMOTE, 0), -EBUSY);
	assert_int_equal(order(SERIN_ORDER_RESUME, 0), -EBUSY);
	assert_int_equal(order(SERIN_ORDER_PAUSE, 0), 0);
	assert_int_equal(order(SERIN_ORDER_PROMOTE, 0), -EBUSY);
	assert_int_equal(order(SERIN_ORDER_RESUME, 0), 0);
	assert_int_equal(rollout.phase, SERIN_PROGRESSING);
	assert_true(rollout.manual);
	assert_int_equal(order(SERIN_ORDER_ABORT, 0), 0);
	assert_int_equal(order(SERIN_ORDER_RETRY, 0), 0);
	assert_int_equal(rollout.weight, 1000);
	assert_true(rollout.manual);
	assert_int_equal(order(SERIN_ORDER_PROMOTE_FULL, 0), 0);
	assert_int_equal(rollout.weight, 10000);
}

static void without_steps_and_a_weight_before_there_is_nothing_to_retry(void **state)
{
	struct serin_rollout before;

	(void)state;
	begin_in(ROLLED_BACK);
	policy.n_steps = 0;
	rollout.retry_weight = 0;
	before = rollout;
	assert_int_equal(order(SERIN_ORDER_RETRY, 0), -EBUSY);
	assert_memory_equal(&rollout, &before, sizeof(before));
}

/* ---- another agent, another policy ---- */

static void restored(enum serin_phase phase, uint32_t step, uint32_t weight, bool manual)
{
	memset(&rollout, 0xff, sizeof(rollout));
	rollout_restore(&rollout, &policy, phase, step, weight, manual, NOW);
	assert_int_equal(rollout.latest.reason, SERIN_REASON_RESTORED);
	assert_int_equal(rollout.latest.at_ns, NOW);
	assert_int_equal(rollout.since_ns, NOW);
	assert_int_equal(rollout.latest.to, rollout.phase);
	assert_int_equal(rollout.latest.weight_to, rollout.weight);
}

static void a_step_is_restored_and_begun_anew(void **state)
{
	(void)state;
	restored(SERIN_PROGRESSING, 2, 500, false);
	assert_int_equal(rollout.phase, SERIN_PROGRESSING);
	assert_int_equal(rollout.step, 2);
	assert_int_equal(rollout.weight, 500);
	assert_false(rollout.manual);
	assert_int_equal(rollout.hold_from_ns, NOW);
}

static void a_weight_the_policy_no_longer_has_is_kept_by_hand(void **state)
{
	(void)state;
	restored(SERIN_PROGRESSING, 3, 1000, false);
	assert_int_equal(rollout.weight, 1000);
	assert_int_equal(rollout.step, 2);
	assert_true(rollout.manual);
	restored(SERIN_PROGRESSING, 2, 500, true);
	assert_true(rollout.manual);
	policy.n_steps = 0;
	restored(SERIN_PROGRESSING, 2, 500, false);
	assert_int_equal(rollout.step, 0);
	assert_true(rollout.manual);
}

static void a_pause_is_restored(void **state)
{
	(void)state;
	restored(SERIN_PAUSED, 2, 500, false);
	assert_int_equal(rollout.phase, SERIN_PAUSED);
	assert_int_equal(rollout.paused_ns, NOW);
	assert_false(tick());
}

static void promoted_and_rolled_back_stay_so(void **state)
{
	(void)state;
	restored(SERIN_PROMOTED, 4, 10000, false);
	assert_int_equal(rollout.phase, SERIN_PROMOTED);
	assert_int_equal(rollout.weight, 10000);
	restored(SERIN_ROLLED_BACK, 0, 500, false);
	assert_int_equal(rollout.phase, SERIN_ROLLED_BACK);
	assert_int_equal(rollout.weight, 0);
	assert_int_equal(rollout.retry_weight, 500);
	assert_false(tick());
}

static void one_that_rests_goes_on_resting_and_one_that_waits_begins(void **state)
{
	(void)state;
	restored(SERIN_IDLE, 0, 0, true);
	assert_true(rollout.rested);
	assert_false(tick());
	restored(SERIN_IDLE, 0, 0, false);
	assert_true(tick());
	assert_int_equal(decision.reason, SERIN_REASON_STARTED);
}

static void nonsense_is_restored_as_idle(void **state)
{
	(void)state;
	restored(SERIN_PHASES, 7, 500, false);
	assert_int_equal(rollout.phase, SERIN_IDLE);
	restored(SERIN_PROGRESSING, 2, 0, false);
	assert_int_equal(rollout.phase, SERIN_IDLE);
	restored(SERIN_PROGRESSING, 2, 20000, false);
	assert_int_equal(rollout.weight, 10000);
}

static void a_new_policy_finds_the_step_by_its_weight(void **state)
{
	uint64_t hold = rollout.hold_from_ns;

	(void)state;
	policy.steps[1].weight = 300;
	policy.steps[2].weight = 400;
	rollout_replan(&rollout, &policy, NOW);
	assert_int_equal(rollout.step, 3);
	assert_int_equal(rollout.weight, 500);
	assert_false(rollout.manual);
	assert_int_equal(rollout.hold_from_ns, hold);
	assert_int_equal(rollout.latest.reason, SERIN_REASON_REPLANNED);
}

static void a_policy_that_changes_no_step_leaves_no_trace(void **state)
{
	(void)state;
	for (unsigned s = 0; s < SITUATIONS; s++) {
		struct serin_rollout before;

		begin_in(s);
		before = rollout;
		policy.gates.min_requests = 7;
		rollout_replan(&rollout, &policy, NOW);
		assert_memory_equal(&rollout, &before, sizeof(before));
	}
}

static void a_weight_below_every_new_step_stays_by_hand(void **state)
{
	(void)state;
	policy.steps[0].weight = 600, policy.steps[1].weight = 700;
	rollout_replan(&rollout, &policy, NOW);
	assert_int_equal(rollout.step, 0);
	assert_true(rollout.manual);
	assert_int_equal(rollout.weight, 500);
}

static void without_steps_any_more_the_weight_stays_by_hand(void **state)
{
	(void)state;
	policy.n_steps = 0;
	rollout_replan(&rollout, &policy, NOW);
	assert_int_equal(rollout.step, 0);
	assert_true(rollout.manual);
	begin_in(PROMOTED);
	policy.n_steps = 2;
	rollout_replan(&rollout, &policy, NOW);
	assert_int_equal(rollout.step, 2);
	assert_int_equal(rollout.phase, SERIN_PROMOTED);
}

/* ---- a walk ---- */

static uint64_t random_state;

static uint64_t below(uint64_t n)
{
	return util_random(&random_state) % n;
}

static bool rarely(void)
{
	return below(40) == 0;
}

static void random_policy(void)
{
	policy.n_steps = (unsigned)below(5);
	for (unsigned i = 0; i < policy.n_steps; i++)
		policy.steps[i].weight = (i ? policy.steps[i - 1].weight : 0) + 1 + (uint32_t)below(2499);
	if (policy.n_steps && below(2))
		policy.steps[policy.n_steps - 1].weight = SERIN_WEIGHT_MAX;
	for (unsigned i = 0; i < policy.n_steps; i++)
		policy.steps[i].hold_ns = below(3) * 2 * SECOND;
	policy.automatic = below(2);
	policy.on_inconclusive = below(3);
	policy.n_external = (unsigned)below(2);
	policy.absent_ns = below(2) * 5 * SECOND;
}

static void random_look(void)
{
	/* The clock stands still at times, and an order may come with an older look. */
	seen.now_ns = below(20) ? seen.now_ns + below(SECOND) : seen.now_ns - below(SECOND);
	seen.stable_listens = below(10);
	if (rarely())
		seen.canary_listens = !seen.canary_listens;
	seen.step_requests[0] = below(4) * 100, seen.step_requests[1] = below(4) * 40;
	seen.evidence.known = below(8);
	seen.evidence.error = rarely(), seen.evidence.latency = rarely(), seen.evidence.no_worse = below(2);
	seen.canary.n = below(100);
	seen.canary.p.v = rarely() ? 0.5 : 1;
	seen.exits[1] = rarely() ? 9 : 0;
	accuracy.value = rarely() ? 0.1 : 0.95;
	accuracy.at_ns = seen.now_ns - below(90) * SECOND;
	seen.n_external = below(10) > 0;
}

static void check_state(const struct serin_rollout *before)
{
	bool without = rollout.phase == SERIN_IDLE || rollout.phase == SERIN_ROLLED_BACK;

	assert_true((unsigned)rollout.phase < SERIN_PHASES && (unsigned)rollout.waiting < SERIN_WAITINGS);
	assert_int_equal(rollout.weight == 0, without);
	assert_true(rollout.weight <= SERIN_WEIGHT_MAX && rollout.step <= policy.n_steps);
	assert_true(rollout.since_ns >= before->since_ns);
	assert_true(rollout.hold_from_ns >= before->hold_from_ns);
	assert_true(rollout.latest.at_ns >= before->latest.at_ns);
	assert_true(!rollout.rested || rollout.phase == SERIN_IDLE);
	assert_true(rollout.phase != SERIN_PROMOTED || rollout.weight == SERIN_WEIGHT_MAX);
	if (rollout.phase == SERIN_PROGRESSING && !rollout.manual)
		assert_true(rollout.step > 0);
	if (rollout.weight != before->weight)
		assert_int_equal(rollout.since_ns, rollout.latest.at_ns);
}

static void walk_tick(const struct serin_rollout *before)
{
	if (!tick()) {
		check_nothing_changed(before);
		return;
	}
	check_decision(before);
	if (decision.to == SERIN_ROLLED_BACK)
		assert_true(seen.stable_listens);
	if (decision.to == SERIN_PROMOTED)
		assert_true(seen.step_requests[1] > 0);
	if (decision.to == SERIN_PROGRESSING)
		assert_false(before->phase == SERIN_ROLLED_BACK || before->rested || before->manual);
	assert_true(before->phase == SERIN_IDLE || decision.weight_to != decision.weight_from || rollout.step != before->step ||
		    rollout.phase != before->phase);
}

static void walk_order(const struct serin_rollout *before)
{
	int r = order(below(SERIN_ORDERS), below(4) ? (uint32_t)below(10500) : 0);

	if (r == 0) {
		check_decision(before);
		return;
	}
	assert_true(r == -EBUSY || r == -ERANGE);
	assert_true(strlen(why) > 20 && strlen(why) < ROLLOUT_WHY_MAX - 1);
	assert_memory_equal(&rollout, before, sizeof(*before));
}

static void whatever_happens_a_release_is_in_order(void **state)
{
	unsigned reached[SERIN_PHASES] = {}, given[SERIN_REASONS] = {};

	(void)state;
	random_state = 20260131;
	begin_in(IDLE);
	for (unsigned i = 0; i < 1000000; i++) {
		struct serin_rollout before;

		if (below(5000) == 0) {
			random_policy();
			rollout_replan(&rollout, &policy, seen.now_ns);
		}
		random_look();
		before = rollout;
		if (below(25))
			walk_tick(&before);
		else
			walk_order(&before);
		check_state(&before);
		reached[rollout.phase]++;
		given[rollout.latest.reason]++;
	}
	for (unsigned i = 0; i < SERIN_PHASES; i++)
		assert_true(reached[i] > 1000);
	given[SERIN_REASON_GATE_R] = given[SERIN_REASON_GATE_D] = given[SERIN_REASON_GATE_CPU] = 1; /* as P is */
	given[SERIN_REASON_RESTORED] = 1;
	for (unsigned i = SERIN_REASON_NONE + 1; i < SERIN_REASONS; i++)
		if (!given[i])
			fail_msg("the walk never came to %s", serin_reason_name(i));
}

/* ---- explanations ---- */

static const char *explain(const struct serin_decision *d)
{
	static char text[ROLLOUT_WHY_MAX];

	rollout_explain(d, text, sizeof(text));
	return text;
}

static const char *waiting(void)
{
	static char text[ROLLOUT_WHY_MAX];

	rollout_explain_waiting(&rollout, &policy, &seen, text, sizeof(text));
	return text;
}

/* What a look in a situation decides, in words. */
#define check_explained(situation, setting, words)       \
	do {                                             \
		begin_in(situation);                     \
		setting;                                 \
		assert_true(tick());                     \
		assert_string_equal(explain(&decision), words); \
	} while (0)

static void guards_are_explained(void **state)
{
	(void)state;
	/* 26 of 63 requests succeeded: 0.41269. */
	check_explained(PROGRESSING, seen.canary.p.v = 26.0 / 63, "P 0.41 < 0.95 over 63 requests");
	check_explained(PROGRESSING, seen.canary.r.v = 1.5, "R 1.50 > 1.2 over 63 requests");
	check_explained(PROGRESSING, seen.canary.d.v = 12.25, "D 12.25 > 5 anomalies/s over 63 requests");
	check_explained(PROGRESSING, seen.canary.cpu_ratio.v = 2.31, "CPU a request 2.31 > 2 times stable's over 63 requests");
	check_explained(PROGRESSING, external_low(), "accuracy 0.89 < 0.9");
	check_explained(PROGRESSING, external_high(), "accuracy 1.10 > 1");
	check_explained(PROGRESSING, exits(), "5 of its processes ended within a minute > 4 (stable's and those allowed)");
	check_explained(PROGRESSING, absent(), "the canary has not listened for 30 s, 30 s are allowed");
	check_explained(PROGRESSING, evidence_error(), "fails more often than stable for the same clients: +7.8 points, evidence "
						       "412 against 200, 63 requests");
	check_explained(PROGRESSING, evidence_latency(), "is slow more often than stable for the same clients: +12.0 points, "
							 "evidence 412 against 200, 63 requests");
}

static void a_hung_canary_is_named_so(void **state)
{
	(void)state;
	seen.canary.anomalies.failed = seen.canary.timeouts = 1;
	seen.canary.p.v = 0.5;
	assert_true(tick());
	assert_string_equal(explain(&decision), "P 0.50 < 0.95 over 63 requests; most failures are time-outs");
}

static void steps_are_explained(void **state)
{
	(void)state;
	check_explained(IDLE, canary_comes(), "the canary listens: step 1 of 4 at 1%");
	check_explained(PROGRESSING, no_worse(), "no worse than stable by more than 1 points, 63 requests against 1000: step 3 "
						 "of 4 at 25%");
	check_explained(PROGRESSING, evidence_off(), "the hold is over and no guard spoke, P 1.000 over 63 requests: step 3 of 4 "
						     "at 25%");
	check_explained(PROGRESSING, inconclusive_promote(), "inconclusive at the end of the hold, not shown to be no worse by "
							     "more than 1 points in 63 requests: step 3 of 4 at 25%, as "
							     "on_inconclusive says");
	check_explained(PROGRESSING, too_few_requests(); policy.on_inconclusive = SERIN_INCONCLUSIVE_ROLLBACK,
			"inconclusive at the end of the hold, 49 of 50 requests: rolled back from 5%, as on_inconclusive says");
	check_explained(PROGRESSING, external_missing(); policy.on_inconclusive = SERIN_INCONCLUSIVE_ROLLBACK,
			"inconclusive at the end of the hold, no recent figure of accuracy: rolled back from 5%, as "
			"on_inconclusive says");
}

#define check_order(situation, what, weight, words)              \
	do {                                                     \
		begin_in(situation);                             \
		assert_int_equal(order(SERIN_ORDER_##what, weight), 0); \
		assert_string_equal(explain(&decision), words);  \
	} while (0)

static void orders_are_explained(void **state)
{
	(void)state;
	check_order(IDLE, WEIGHT, 1250, "weight set to 12.5% by hand");
	check_order(IDLE, WEIGHT, 1, "weight set to 0.01% by hand");
	check_order(PROGRESSING, ABORT, 0, "aborted by hand at 5%");
	check_order(PROGRESSING, PROMOTE, 0, "promoted by hand: step 3 of 4 at 25%");
	check_order(PROGRESSING, PROMOTE_FULL, 0, "promoted by hand to all connections, from 5%");
	check_order(PROGRESSING, PAUSE, 0, "paused by hand: step 2 of 4 at 5%");
	check_order(PAUSED, RESUME, 0, "resumed by hand: step 2 of 4 at 5%");
	check_order(ROLLED_BACK, RETRY, 0, "retried by hand: step 1 of 4 at 1%");
}

static void what_an_agent_found_is_explained(void **state)
{
	(void)state;
	restored(SERIN_PROGRESSING, 2, 500, false);
	assert_string_equal(explain(&rollout.latest), "as an earlier agent left it: Progressing, step 2 of 4 at 5%");
	restored(SERIN_PAUSED, 2, 700, true);
	assert_string_equal(explain(&rollout.latest), "as an earlier agent left it: Paused, step 2 of 4 at 7%, by hand");
	restored(SERIN_ROLLED_BACK, 0, 0, false);
	assert_string_equal(explain(&rollout.latest), "as an earlier agent left it: RolledBack");
	begin_in(PROGRESSING);
	policy.steps[0].weight = 600, policy.steps[1].weight = 700;
	rollout_replan(&rollout, &policy, NOW);
	assert_string_equal(explain(&rollout.latest), "the configuration changed: 5%, by hand");
}

#define check_waiting(situation, setting, words)        \
	do {                                            \
		begin_in(situation);                    \
		setting;                                \
		assert_false(tick());                   \
		assert_string_equal(waiting(), words);  \
	} while (0)

static void what_it_waits_for_is_explained(void **state)
{
	(void)state;
	check_waiting(IDLE, (void)0, "the canary to listen");
	check_waiting(IDLE, stable_gone(), "stable to listen");
	check_waiting(IDLE, rollout.rested = true, "a person: `resume` begins with step 1 of 4");
	check_waiting(PROGRESSING, (void)0, "step 2 of 4: 100 s of 300 s");
	check_waiting(PROGRESSING, rollout.hold_from_ns = NOW - 300 * SECOND + 1, "step 2 of 4: 299 s of 300 s");
	check_waiting(PROGRESSING, policy.steps[1].hold_ns = 5 * SECOND; rollout.hold_from_ns = NOW - 4190000000,
		      "step 2 of 4: 4.1 s of 5 s");
	check_waiting(PROGRESSING, no_traffic(), "step 2 of 4: no traffic on the canary yet");
	check_waiting(PROGRESSING, no_stable_traffic(), "step 2 of 4: no traffic on stable yet");
	check_waiting(PROGRESSING, no_traffic(); seen.step_requests[0] = 0, "step 2 of 4: no traffic on either version yet");
	check_waiting(PROGRESSING, too_few_requests(), "step 2 of 4: 49 of 50 requests on the canary");
	check_waiting(PROGRESSING, hold_over(), "step 2 of 4: the canary is not shown yet to be no worse by more than 1 points, 63 "
						"requests against 1000");
	check_waiting(PROGRESSING, external_missing(), "a figure of accuracy: none was sent yet");
	check_waiting(PROGRESSING, external_stale(), "a figure of accuracy: the last is 60.000000001 s old, at most 60 s count");
	check_waiting(PROGRESSING, external_stale(); accuracy.at_ns = NOW - 75 * SECOND,
		      "a figure of accuracy: the last is 75 s old, at most 60 s count");
	check_waiting(PROGRESSING, canary_goes(); rollout.absent_from_ns = NOW - 12 * SECOND,
		      "the canary to listen: gone for 12 s, rolled back after 30 s");
	check_waiting(PROGRESSING, stable_gone_and_error(), "stable to listen: the canary would be rolled back, and there is nothing "
							    "to go back to");
	check_waiting(BY_HAND, (void)0, "a person: 7% is set by hand, `resume` goes on by the steps");
	check_waiting(BY_HAND, policy.n_steps = 0, "a person: there are no steps, `weight` sets the next share");
	check_waiting(PAUSED, (void)0, "a person: `resume` goes on from 5%");
	check_waiting(PROMOTED, (void)0, "");
	check_waiting(ROLLED_BACK, (void)0, "");
}

static void nothing_decided_needs_no_words(void **state)
{
	struct serin_decision nothing = {};

	(void)state;
	assert_string_equal(explain(&nothing), "");
}

static void an_explanation_keeps_to_its_room(void **state)
{
	char text[8] = "-------";

	(void)state;
	seen.canary.p.v = 0.41;
	assert_true(tick());
	rollout_explain(&decision, text, 7);
	assert_string_equal(text, "P 0.41");
	assert_int_equal(text[7], 0);
}

/* An inequality that is printed must be true as printed: "P 0.95 < 0.95" is not. */
static void check_printed(enum serin_reason reason, double figure, double bound)
{
	struct serin_decision d = {.reason = reason, .figure = figure, .bound = bound, .canary = {.n = 1000}, .gate = "a"};
	double left, right;
	char relation;

	assert_int_equal(sscanf(explain(&d), "%*c %lf %c %lf", &left, &relation, &right), 3);
	if (relation == '<' ? left >= right : left <= right)
		fail_msg("'%s' is not so", explain(&d));
	check_near(right, bound);
}

static void a_figure_that_rounds_to_its_bound_is_printed_on_its_side(void **state)
{
	(void)state;
	check_printed(SERIN_REASON_GATE_P, 0.949, 0.95);
	check_printed(SERIN_REASON_GATE_P, 949999.0 / 1000000, 0.95);
	check_printed(SERIN_REASON_GATE_P, 0.99999, 0.999999);
	check_printed(SERIN_REASON_GATE_R, 1.2004, 1.2);
	check_printed(SERIN_REASON_GATE_R, 1.20000001, 1.2);
	check_printed(SERIN_REASON_GATE_D, 5.001, 5);
	check_printed(SERIN_REASON_GATE_D, 1000000.501, 1000000.5);
	check_printed(SERIN_REASON_GATE_EXTERNAL, 0.8999, 0.9);
	check_printed(SERIN_REASON_GATE_EXTERNAL, 0.1001, 0.1);
}

static void evidence_is_printed_at_or_above_its_bound(void **state)
{
	static const double logs[] = {0, 1e-9, 1e-4, 0.002, 0.01, 1, 5, 20, 600, 5000};
	static const double bounds[] = {20, 200, 2000, 1340000, 3e6};

	(void)state;
	for (unsigned b = 0; b < ARRAY_SIZE(bounds); b++)
		for (unsigned i = 0; i < ARRAY_SIZE(logs); i++) {
			struct serin_decision d = {.reason = SERIN_REASON_EVIDENCE_ERROR,
						   .evidence = {.log_error = log(bounds[b]) + logs[i],
								.log_error_bound = log(bounds[b]), .excess_error = 0.0004}};
			double e, bound;

			assert_int_equal(sscanf(explain(&d), "fails more often than stable for the same clients: +0.040 points, "
							     "evidence %lf against %lf", &e, &bound), 2);
			check_near(bound, bounds[b]);
			if (e < bound)
				fail_msg("'%s' is not so", explain(&d));
		}
}

/* No words are cut short, whatever is in the figures. */
static void every_reason_and_waiting_has_words_that_fit(void **state)
{
	(void)state;
	begin_in(PROGRESSING);
	memset(policy.external[0].name, 'a', SERIN_NAME_MAX - 1);
	seen.evidence.requests[0] = seen.evidence.requests[1] = UINT64_MAX;
	seen.step_requests[0] = seen.step_requests[1] = UINT64_MAX;
	policy.gates.min_requests = UINT64_MAX;
	for (unsigned i = SERIN_REASON_NONE + 1; i < SERIN_REASONS; i++)
		for (unsigned j = 0; j < SERIN_WAITINGS; j++) {
			struct serin_decision d = {.reason = i, .lacked = j, .figure = 1e15, .bound = 1e14, .hung = true,
						   .canary = {.n = UINT64_MAX}, .evidence = seen.evidence, .steps = 32,
						   .step = 32, .to = SERIN_PROGRESSING, .weight_to = 9999, .manual = true};

			memset(d.gate, 'a', SERIN_NAME_MAX - 1);
			assert_true(strlen(explain(&d)) > 10 && strlen(explain(&d)) < ROLLOUT_WHY_MAX - 1);
		}
	for (unsigned i = SERIN_WAITING_NOT + 1; i < SERIN_WAITINGS; i++) {
		rollout.waiting = i;
		assert_true(strlen(waiting()) > 10 && strlen(waiting()) < ROLLOUT_WHY_MAX - 1);
	}
}

#define progressing(test) cmocka_unit_test_setup(test, progressing)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(every_event_in_every_phase_does_what_the_table_says, name_the_cell),
		cmocka_unit_test(every_refusal_says_what_why_and_what_to_do),
		progressing(figures_at_their_bounds_pass),
		progressing(absent_figures_breach_nothing),
		progressing(figures_are_no_matter_with_their_gates_off),
		progressing(no_gate_speaks_before_enough_requests),
		progressing(evidence_is_heard_first),
		progressing(evidence_that_is_switched_off_says_nothing),
		progressing(an_external_figure_that_is_no_number_is_missing),
		progressing(a_rollback_carries_what_it_rests_on),
		progressing(a_canary_that_mostly_times_out_hangs),
		progressing(a_release_rolls_back_once_and_stays_so),
		progressing(absence_counts_from_when_it_was_seen),
		progressing(a_canary_that_comes_back_was_not_absent),
		progressing(absence_counts_only_with_a_weight),
		progressing(a_guard_is_heard_when_stable_is_back),
		progressing(a_step_begins_window_and_hold_anew),
		progressing(a_hold_is_over_at_its_end),
		progressing(a_step_of_everything_without_a_hold_is_promoted_at_once),
		progressing(a_step_of_everything_with_a_hold_needs_no_comparison),
		progressing(a_step_of_everything_with_a_hold_needs_traffic_requests_and_figures),
		progressing(after_the_last_step_it_is_promoted_whatever_its_weight),
		progressing(the_first_step_never_promotes_without_traffic),
		progressing(it_begins_by_itself_only_where_it_may),
		progressing(too_few_requests_are_inconclusive_too),
		progressing(a_missing_external_figure_rolls_back_when_told_so),
		progressing(the_same_weight_again_goes_on_with_window_and_hold),
		progressing(another_weight_begins_window_and_hold_anew),
		progressing(more_than_all_connections_is_no_weight),
		progressing(a_weight_below_the_first_step_has_no_step),
		progressing(resuming_keeps_the_weight_and_holds_it_anew),
		progressing(a_pause_is_no_part_of_the_hold),
		progressing(a_weight_set_in_a_pause_is_kept_when_it_ends),
		progressing(promoting_from_a_weight_takes_the_next_step_above_it),
		progressing(without_steps_every_weight_is_a_persons),
		progressing(without_steps_and_a_weight_before_there_is_nothing_to_retry),
		progressing(a_step_is_restored_and_begun_anew),
		progressing(a_weight_the_policy_no_longer_has_is_kept_by_hand),
		progressing(a_pause_is_restored),
		progressing(promoted_and_rolled_back_stay_so),
		progressing(one_that_rests_goes_on_resting_and_one_that_waits_begins),
		progressing(nonsense_is_restored_as_idle),
		progressing(a_new_policy_finds_the_step_by_its_weight),
		progressing(a_policy_that_changes_no_step_leaves_no_trace),
		progressing(a_weight_below_every_new_step_stays_by_hand),
		progressing(without_steps_any_more_the_weight_stays_by_hand),
		cmocka_unit_test(whatever_happens_a_release_is_in_order),
		progressing(guards_are_explained),
		progressing(a_hung_canary_is_named_so),
		progressing(steps_are_explained),
		progressing(orders_are_explained),
		progressing(what_an_agent_found_is_explained),
		progressing(what_it_waits_for_is_explained),
		cmocka_unit_test(nothing_decided_needs_no_words),
		progressing(an_explanation_keeps_to_its_room),
		cmocka_unit_test(a_figure_that_rounds_to_its_bound_is_printed_on_its_side),
		cmocka_unit_test(evidence_is_printed_at_or_above_its_bound),
		progressing(every_reason_and_waiting_has_words_that_fit),
	};

	return cmocka_run_group_tests_name("rollout", tests, NULL, NULL);
}
