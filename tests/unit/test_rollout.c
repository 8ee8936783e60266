/* Links: user/rollout.c */
// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "check.h"

#include "rollout.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW (100 * SECOND)

/* A release at 5%, all gates on, and a canary over 63 requests that passes them all. */
static struct serin_rollout rollout;
static struct serin_gates gates;
static struct serin_figures canary;
static struct serin_decision decision;

static int at_five_percent(void **state)
{
	(void)state;
	rollout = (struct serin_rollout){.phase = SERIN_PROGRESSING, .weight = 500, .since_ns = 90 * SECOND};
	gates = (struct serin_gates){serin_known(0.95), serin_known(1.2), serin_known(5), 50};
	canary = (struct serin_figures){.n = 63, .s = 63, .p = serin_known(1), .r = serin_known(0.5), .d = serin_known(0)};
	memset(&decision, 0xff, sizeof(decision));
	return 0;
}

static bool tick(void)
{
	return rollout_tick(&rollout, &gates, &canary, NOW, &decision);
}

static bool rolls_back_for(enum serin_reason reason)
{
	return tick() && decision.to == SERIN_ROLLED_BACK && decision.reason == reason;
}

/* ---- gates ---- */

static void a_healthy_canary_is_left_alone(void **state)
{
	struct serin_rollout before = rollout;
	struct serin_decision untouched = decision;

	(void)state;
	assert_false(tick());
	assert_memory_equal(&rollout, &before, sizeof(before));
	assert_memory_equal(&decision, &untouched, sizeof(untouched));
}

static void p_below_its_bound_rolls_back(void **state)
{
	(void)state;
	canary.p.v = 0.9499;
	assert_true(rolls_back_for(SERIN_REASON_GATE_P));
	check_near(decision.bound, 0.95);
}

static void p_at_its_bound_passes(void **state)
{
	(void)state;
	canary.p.v = 0.95;
	assert_false(tick());
}

static void an_absent_p_breaches_nothing(void **state)
{
	(void)state;
	canary.p = (struct serin_value){};
	assert_false(tick());
}

static void p_is_no_matter_with_its_gate_off(void **state)
{
	(void)state;
	canary.p.v = 0;
	gates.p_min.known = false;
	assert_false(tick());
}

static void r_above_its_bound_rolls_back(void **state)
{
	(void)state;
	canary.r.v = 1.2001;
	assert_true(rolls_back_for(SERIN_REASON_GATE_R));
	check_near(decision.bound, 1.2);
}

static void r_at_its_bound_passes(void **state)
{
	(void)state;
	canary.r.v = 1.2;
	assert_false(tick());
}

static void an_absent_r_breaches_nothing(void **state)
{
	(void)state;
	canary.r = (struct serin_value){.v = 9};
	assert_false(tick());
}

static void r_is_no_matter_with_its_gate_off(void **state)
{
	(void)state;
	canary.r.v = 9;
	gates.r_max.known = false;
	assert_false(tick());
}

static void d_above_its_bound_rolls_back(void **state)
{
	(void)state;
	canary.d.v = 5.0001;
	assert_true(rolls_back_for(SERIN_REASON_GATE_D));
	check_near(decision.bound, 5);
}

static void d_at_its_bound_passes(void **state)
{
	(void)state;
	canary.d.v = 5;
	assert_false(tick());
}

static void an_absent_d_breaches_nothing(void **state)
{
	(void)state;
	canary.d = (struct serin_value){.v = 50};
	assert_false(tick());
}

static void d_is_no_matter_with_its_gate_off(void **state)
{
	(void)state;
	canary.d.v = 50;
	gates.d_max.known = false;
	assert_false(tick());
}

static void no_gate_speaks_before_enough_requests(void **state)
{
	(void)state;
	canary.p.v = 0, canary.r.v = 9, canary.d.v = 50;
	canary.n = 49;
	assert_false(tick());
}

static void a_gate_speaks_with_just_enough_requests(void **state)
{
	(void)state;
	canary.p.v = 0;
	canary.n = 50;
	assert_true(rolls_back_for(SERIN_REASON_GATE_P));
}

/* ---- what a rollback does ---- */

static void a_rollback_takes_all_weight(void **state)
{
	(void)state;
	canary.p.v = 0.41;
	assert_true(tick());
	assert_int_equal(rollout.phase, SERIN_ROLLED_BACK);
	assert_int_equal(rollout.weight, 0);
	assert_int_equal(rollout.since_ns, NOW);
}

static void a_rollback_says_from_where_and_when(void **state)
{
	(void)state;
	canary.p.v = 0.41;
	assert_true(tick());
	assert_int_equal(decision.at_ns, NOW);
	assert_int_equal(decision.from, SERIN_PROGRESSING);
	assert_int_equal(decision.weight_from, 500);
	assert_int_equal(decision.weight_to, 0);
}

static void a_rollback_carries_the_figures_behind_it(void **state)
{
	(void)state;
	canary.p.v = 0.41;
	assert_true(tick());
	assert_memory_equal(&decision.canary, &canary, sizeof(canary));
}

static void the_latest_decision_is_remembered(void **state)
{
	(void)state;
	canary.p.v = 0.41;
	assert_true(tick());
	assert_memory_equal(&rollout.latest, &decision, sizeof(decision));
}

static void a_release_rolls_back_once(void **state)
{
	(void)state;
	canary.p.v = 0.41;
	assert_true(tick());
	assert_false(tick());
}

static void a_canary_without_weight_is_not_judged(void **state)
{
	(void)state;
	rollout = (struct serin_rollout){};
	canary.p.v = 0;
	assert_false(tick());
	assert_int_equal(rollout.phase, SERIN_IDLE);
}

static void a_paused_release_rolls_back_too(void **state)
{
	(void)state;
	rollout.phase = SERIN_PAUSED;
	canary.p.v = 0;
	assert_true(rolls_back_for(SERIN_REASON_GATE_P));
	assert_int_equal(decision.from, SERIN_PAUSED);
}

/* ---- orders ---- */

static void a_weight_makes_an_idle_release_progress(void **state)
{
	(void)state;
	rollout = (struct serin_rollout){};
	assert_int_equal(rollout_weight(&rollout, 1000, NOW, &decision), 0);
	assert_int_equal(rollout.phase, SERIN_PROGRESSING);
	assert_int_equal(rollout.weight, 1000);
	assert_int_equal(decision.from, SERIN_IDLE);
	assert_int_equal(decision.to, SERIN_PROGRESSING);
	assert_int_equal(decision.weight_to, 1000);
	assert_int_equal(decision.reason, SERIN_REASON_WEIGHT);
}

static void a_weight_starts_the_windows_afresh(void **state)
{
	(void)state;
	assert_int_equal(rollout_weight(&rollout, 700, NOW, &decision), 0);
	assert_int_equal(rollout.since_ns, NOW);
	assert_int_equal(decision.at_ns, NOW);
}

/* Else a script that posts it every few seconds would keep the gates from ever speaking. */
static void the_same_weight_again_goes_on_with_the_window(void **state)
{
	uint64_t since = rollout.since_ns;

	(void)state;
	assert_int_equal(rollout_weight(&rollout, 500, NOW, &decision), 0);
	assert_int_equal(rollout.since_ns, since);
	assert_int_equal(rollout.phase, SERIN_PROGRESSING);
}

static void a_weight_starts_a_rolled_back_release_again(void **state)
{
	(void)state;
	rollout = (struct serin_rollout){.phase = SERIN_ROLLED_BACK};
	assert_int_equal(rollout_weight(&rollout, 1, NOW, &decision), 0);
	assert_int_equal(rollout.phase, SERIN_PROGRESSING);
	assert_int_equal(decision.from, SERIN_ROLLED_BACK);
}

static void a_weight_of_zero_is_idle(void **state)
{
	(void)state;
	assert_int_equal(rollout_weight(&rollout, 0, NOW, &decision), 0);
	assert_int_equal(rollout.phase, SERIN_IDLE);
	assert_int_equal(decision.weight_from, 500);
	assert_int_equal(decision.weight_to, 0);
}

static void all_connections_are_a_weight(void **state)
{
	(void)state;
	assert_int_equal(rollout_weight(&rollout, SERIN_WEIGHT_MAX, NOW, &decision), 0);
	assert_int_equal(rollout.weight, 10000);
}

static void more_than_all_connections_is_no_weight(void **state)
{
	struct serin_rollout before = rollout;

	(void)state;
	assert_int_equal(rollout_weight(&rollout, SERIN_WEIGHT_MAX + 1, NOW, &decision), -ERANGE);
	assert_memory_equal(&rollout, &before, sizeof(before));
}

static void aborting_takes_the_canary_out(void **state)
{
	(void)state;
	assert_int_equal(rollout_abort(&rollout, NOW, &decision), 0);
	assert_int_equal(rollout.phase, SERIN_ROLLED_BACK);
	assert_int_equal(rollout.weight, 0);
	assert_int_equal(decision.reason, SERIN_REASON_ABORTED);
	assert_int_equal(decision.weight_from, 500);
	assert_int_equal(decision.at_ns, NOW);
}

static void aborting_works_in_every_phase_with_a_canary(void **state)
{
	static const enum serin_phase phases[] = {SERIN_PROGRESSING, SERIN_PAUSED, SERIN_PROMOTED};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		rollout = (struct serin_rollout){.phase = phases[i], .weight = 500};
		assert_int_equal(rollout_abort(&rollout, NOW, &decision), 0);
		assert_int_equal(decision.from, phases[i]);
	}
}

static void an_idle_release_cannot_be_aborted(void **state)
{
	(void)state;
	rollout = (struct serin_rollout){};
	assert_int_equal(rollout_abort(&rollout, NOW, &decision), -EALREADY);
	assert_int_equal(rollout.phase, SERIN_IDLE);
}

static void a_release_cannot_be_aborted_twice(void **state)
{
	(void)state;
	assert_int_equal(rollout_abort(&rollout, NOW, &decision), 0);
	assert_int_equal(rollout_abort(&rollout, NOW + 1, &decision), -EALREADY);
	assert_int_equal(rollout.since_ns, NOW);
}

/* ---- explanations ---- */

static const char *explain(const struct serin_decision *d)
{
	static char text[160];

	rollout_explain(d, text, sizeof(text));
	return text;
}

/* 26 of 63 requests succeeded: 0.41269. */
static void a_breach_of_p_is_explained(void **state)
{
	(void)state;
	canary.p.v = 26.0 / 63;
	assert_true(tick());
	assert_string_equal(explain(&decision), "P 0.41 < 0.95 over 63 requests");
}

static void a_breach_of_r_is_explained(void **state)
{
	(void)state;
	canary.r.v = 1.5;
	assert_true(tick());
	assert_string_equal(explain(&decision), "R 1.50 > 1.2 over 63 requests");
}

static void a_breach_of_d_is_explained(void **state)
{
	(void)state;
	canary.d.v = 12.25;
	assert_true(tick());
	assert_string_equal(explain(&decision), "D 12.25 > 5 anomalies/s over 63 requests");
}

static void a_weight_is_explained_in_percent(void **state)
{
	(void)state;
	assert_int_equal(rollout_weight(&rollout, 1250, NOW, &decision), 0);
	assert_string_equal(explain(&decision), "weight set to 12.5% by hand");
}

static void the_smallest_weight_is_explained(void **state)
{
	(void)state;
	assert_int_equal(rollout_weight(&rollout, 1, NOW, &decision), 0);
	assert_string_equal(explain(&decision), "weight set to 0.01% by hand");
}

static void an_abort_is_explained_with_the_weight_it_took(void **state)
{
	(void)state;
	assert_int_equal(rollout_abort(&rollout, NOW, &decision), 0);
	assert_string_equal(explain(&decision), "aborted by hand at 5%");
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
	canary.p.v = 0.41;
	assert_true(tick());
	rollout_explain(&decision, text, 7);
	assert_string_equal(text, "P 0.41");
	assert_int_equal(text[7], 0);
}

/* An inequality that is printed must be true as printed: "P 0.95 < 0.95" is not. */
static void check_printed(enum serin_reason reason, double figure, double bound)
{
	struct serin_decision d = {.reason = reason, .bound = bound, .canary = {.n = 1000}};
	double left, right;
	char relation;

	d.canary.p = d.canary.r = d.canary.d = serin_known(figure);
	assert_int_equal(sscanf(explain(&d), "%*c %lf %c %lf", &left, &relation, &right), 3);
	if (relation == '<' ? left >= right : left <= right)
		fail_msg("'%s' is not so", explain(&d));
	check_near(right, bound);
}

static void a_p_that_rounds_to_its_bound_is_printed_below_it(void **state)
{
	(void)state;
	check_printed(SERIN_REASON_GATE_P, 0.949, 0.95);
	check_printed(SERIN_REASON_GATE_P, 949999.0 / 1000000, 0.95);
	check_printed(SERIN_REASON_GATE_P, 0.99999, 0.999999);
}

static void an_r_that_rounds_to_its_bound_is_printed_above_it(void **state)
{
	(void)state;
	check_printed(SERIN_REASON_GATE_R, 1.2004, 1.2);
	check_printed(SERIN_REASON_GATE_R, 1.20000001, 1.2);
}

static void a_d_that_rounds_to_its_bound_is_printed_above_it(void **state)
{
	(void)state;
	check_printed(SERIN_REASON_GATE_D, 5.001, 5);
	check_printed(SERIN_REASON_GATE_D, 1000000.501, 1000000.5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_healthy_canary_is_left_alone, at_five_percent),
		cmocka_unit_test_setup(p_below_its_bound_rolls_back, at_five_percent),
		cmocka_unit_test_setup(p_at_its_bound_passes, at_five_percent),
		cmocka_unit_test_setup(an_absent_p_breaches_nothing, at_five_percent),
		cmocka_unit_test_setup(p_is_no_matter_with_its_gate_off, at_five_percent),
		cmocka_unit_test_setup(r_above_its_bound_rolls_back, at_five_percent),
		cmocka_unit_test_setup(r_at_its_bound_passes, at_five_percent),
		cmocka_unit_test_setup(an_absent_r_breaches_nothing, at_five_percent),
		cmocka_unit_test_setup(r_is_no_matter_with_its_gate_off, at_five_percent),
		cmocka_unit_test_setup(d_above_its_bound_rolls_back, at_five_percent),
		cmocka_unit_test_setup(d_at_its_bound_passes, at_five_percent),
		cmocka_unit_test_setup(an_absent_d_breaches_nothing, at_five_percent),
		cmocka_unit_test_setup(d_is_no_matter_with_its_gate_off, at_five_percent),
		cmocka_unit_test_setup(no_gate_speaks_before_enough_requests, at_five_percent),
		cmocka_unit_test_setup(a_gate_speaks_with_just_enough_requests, at_five_percent),
		cmocka_unit_test_setup(a_rollback_takes_all_weight, at_five_percent),
		cmocka_unit_test_setup(a_rollback_says_from_where_and_when, at_five_percent),
		cmocka_unit_test_setup(a_rollback_carries_the_figures_behind_it, at_five_percent),
		cmocka_unit_test_setup(the_latest_decision_is_remembered, at_five_percent),
		cmocka_unit_test_setup(a_release_rolls_back_once, at_five_percent),
		cmocka_unit_test_setup(a_canary_without_weight_is_not_judged, at_five_percent),
		cmocka_unit_test_setup(a_paused_release_rolls_back_too, at_five_percent),
		cmocka_unit_test_setup(a_weight_makes_an_idle_release_progress, at_five_percent),
		cmocka_unit_test_setup(a_weight_starts_the_windows_afresh, at_five_percent),
		cmocka_unit_test_setup(the_same_weight_again_goes_on_with_the_window, at_five_percent),
		cmocka_unit_test_setup(a_weight_starts_a_rolled_back_release_again, at_five_percent),
		cmocka_unit_test_setup(a_weight_of_zero_is_idle, at_five_percent),
		cmocka_unit_test_setup(all_connections_are_a_weight, at_five_percent),
		cmocka_unit_test_setup(more_than_all_connections_is_no_weight, at_five_percent),
		cmocka_unit_test_setup(aborting_takes_the_canary_out, at_five_percent),
		cmocka_unit_test_setup(aborting_works_in_every_phase_with_a_canary, at_five_percent),
		cmocka_unit_test_setup(an_idle_release_cannot_be_aborted, at_five_percent),
		cmocka_unit_test_setup(a_release_cannot_be_aborted_twice, at_five_percent),
		cmocka_unit_test_setup(a_breach_of_p_is_explained, at_five_percent),
		cmocka_unit_test_setup(a_breach_of_r_is_explained, at_five_percent),
		cmocka_unit_test_setup(a_breach_of_d_is_explained, at_five_percent),
		cmocka_unit_test_setup(a_weight_is_explained_in_percent, at_five_percent),
		cmocka_unit_test_setup(the_smallest_weight_is_explained, at_five_percent),
		cmocka_unit_test_setup(an_abort_is_explained_with_the_weight_it_took, at_five_percent),
		cmocka_unit_test(nothing_decided_needs_no_words),
		cmocka_unit_test_setup(an_explanation_keeps_to_its_room, at_five_percent),
		cmocka_unit_test(a_p_that_rounds_to_its_bound_is_printed_below_it),
		cmocka_unit_test(an_r_that_rounds_to_its_bound_is_printed_above_it),
		cmocka_unit_test(a_d_that_rounds_to_its_bound_is_printed_above_it),
	};

	return cmocka_run_group_tests_name("rollout", tests, NULL, NULL);
}
