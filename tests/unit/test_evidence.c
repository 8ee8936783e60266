/* Links: user/evidence.c user/util.c -lm */
// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The evidence against numbers worked out by hand, and against a second implementation that keeps every copy. What the
 * statistics promise is tested by simulation, in test_simulate.c.
 */
#include "check.h"

#include "evidence.h"
#include "util.h"

#include <math.h>
#include <string.h>

#define ALPHA 0.005
#define TICK (SECOND / 4)

static const struct evidence_config config = {.alpha_error = ALPHA, .alpha_latency = ALPHA, .margin = 0.01};
static struct serin_evidence evidence;
static struct evidence_client client;
static uint64_t now;

static int afresh(void **state)
{
	(void)state;
	now = 1000 * SECOND;
	memset(&client, 0, sizeof(client));
	evidence_init(&evidence, &config, now);
	return 0;
}

/* A client's requests and failures on both arms. */
static void feed(uint32_t n_s, uint32_t f_s, uint32_t n_c, uint32_t f_c)
{
	const struct evidence_counts counts[EVIDENCE_ARMS] = {
		[EVIDENCE_STABLE] = {.n = n_s, .hit = {f_s}},
		[EVIDENCE_CANARY] = {.n = n_c, .hit = {f_c}},
	};

	evidence_feed(&evidence, &client, counts, now);
}

static void tick(void)
{
	now += TICK;
	evidence_tick(&evidence, now);
}

static double factor(enum evidence_stratum stratum, unsigned g)
{
	return evidence.factors.log[stratum][EVIDENCE_ERROR][g];
}

/* ---- one block ---- */

/*
 * Nothing is known of stable: ts = 0.5/50 = 1/100. For g = 100: o = 100/99, tc = 100/199, and with one request on each
 * arm t0 = (100/199 + 1/100) / 2 = 10199/39800. The canary's failed, stable's did not:
 *	factor = tc/t0 * (1-ts)/(1-t0) = 20000/10199 * 39402/29601
 */
static void a_first_block_by_hand(void **state)
{
	(void)state;
	feed(1, 0, 1, 1);
	check_near(factor(EVIDENCE_CLIENT, 5), log(20000.0 / 10199) + log(39402.0 / 29601));
}

/* The same with the arms exchanged: ts/t0 * (1-tc)/(1-t0) = (1/100 * 39800/10199) * (99/199 * 39800/29601) */
static void a_failure_of_stable_speaks_for_the_canary(void **state)
{
	(void)state;
	feed(1, 1, 1, 0);
	check_near(factor(EVIDENCE_CLIENT, 5), log(398.0 / 10199) + log(19800.0 / 29601));
}

/* Two stable requests for one of the canary: t0 = (100/199 + 2/100) / 3 = 10398/59700. */
static void the_common_share_is_weighted_by_requests(void **state)
{
	(void)state;
	feed(2, 0, 1, 1);
	check_near(factor(EVIDENCE_CLIENT, 5), log(30000.0 / 10398) + 2 * log(59103.0 / 49302));
}

/* After 150 requests of stable with 4 failures: ts = 4.5/200. g = 2: o = 9/195.5, tc = 9/204.5. */
static void stables_past_is_plugged_in_at_the_next_tick(void **state)
{
	double ts = 4.5 / 200, tc = 9 / 204.5, t0 = (tc + ts) / 2, before;

	(void)state;
	feed(150, 4, 1, 0);
	tick();
	before = factor(EVIDENCE_CLIENT, 1);
	feed(1, 0, 1, 1);
	check_near(factor(EVIDENCE_CLIENT, 1) - before, log(tc / t0) + log((1 - ts) / (1 - t0)));
}

static void a_block_is_held_against_the_past_without_itself(void **state)
{
	double tc = 100.0 / 199, ts = 0.01, t0 = (tc + 1000 * ts) / 1001;

	(void)state;
	feed(1000, 500, 1, 1);
	check_near(factor(EVIDENCE_CLIENT, 5),
		   log(tc / t0) + 500 * log(ts / t0) + 500 * log((1 - ts) / (1 - t0)));
}

/* ---- how blocks are cut ---- */

static void a_block_waits_for_both_arms(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 10; i++) {
		feed(3, 1, 0, 0);
		tick();
	}
	assert_int_equal(evidence.blocks, 0);
	assert_int_equal(client.arm[EVIDENCE_STABLE].n, 30);
	feed(0, 0, 1, 0);
	assert_int_equal(evidence.blocks, 1);
	assert_int_equal(client.arm[EVIDENCE_STABLE].n, 0);
	check_near(evidence.test[EVIDENCE_CLIENT][EVIDENCE_ERROR].past_n, 30);
	check_near(evidence.test[EVIDENCE_CLIENT][EVIDENCE_ERROR].past_hit, 10);
}

static void a_block_too_old_is_dropped_and_becomes_the_past(void **state)
{
	(void)state;
	feed(4, 1, 0, 0);
	now += EVIDENCE_BLOCK_NS - 1;
	feed(4, 1, 0, 0);
	assert_int_equal(evidence.dropped, 0);
	now += 1;
	feed(4, 1, 0, 0);
	assert_int_equal(evidence.dropped, 1);
	assert_int_equal(client.arm[EVIDENCE_STABLE].n, 0);
	check_near(evidence.test[EVIDENCE_CLIENT][EVIDENCE_ERROR].past_n, 12);
	for (unsigned g = 0; g < EVIDENCE_RATIOS; g++)
		check_near(factor(EVIDENCE_CLIENT, g), 0);
}

static void an_old_block_with_both_arms_is_used(void **state)
{
	(void)state;
	feed(4, 1, 0, 0);
	now += 2 * EVIDENCE_BLOCK_NS;
	feed(0, 0, 1, 0);
	assert_int_equal(evidence.blocks, 1);
	assert_int_equal(evidence.dropped, 0);
}

static void age_is_counted_from_the_first_request(void **state)
{
	(void)state;
	feed(0, 0, 0, 0);
	now += EVIDENCE_BLOCK_NS;
	feed(1, 0, 0, 0);
	assert_int_equal(client.started_ns, now);
	assert_int_equal(evidence.dropped, 0);
}

static void a_moment_is_a_block_over_all_clients(void **state)
{
	struct evidence_client other = {};
	const struct evidence_counts counts[EVIDENCE_ARMS] = {[EVIDENCE_CANARY] = {.n = 1, .hit = {1}}};

	(void)state;
	feed(1, 0, 0, 0);
	evidence_feed(&evidence, &other, counts, now);
	tick();
	assert_int_equal(evidence.blocks, 0);
	check_near(factor(EVIDENCE_MOMENT, 5), log(20000.0 / 10199) + log(39402.0 / 29601));
	check_near(factor(EVIDENCE_CLIENT, 5), 0);
}

/* Stable's requests of before a burst are not of the moment in which the canary's fail with it. */
static void a_moment_without_both_arms_is_soon_over(void **state)
{
	(void)state;
	feed(4, 1, 0, 0);
	now += EVIDENCE_MOMENT_NS - 1;
	evidence_tick(&evidence, now);
	assert_int_equal(evidence.moment.arm[EVIDENCE_STABLE].n, 4);
	evidence_tick(&evidence, now + 1);
	assert_int_equal(evidence.moment.arm[EVIDENCE_STABLE].n, 0);
	check_near(evidence.test[EVIDENCE_MOMENT][EVIDENCE_ERROR].past_hit, 1);
	check_near(factor(EVIDENCE_MOMENT, 0), 0);
	assert_int_equal(client.arm[EVIDENCE_STABLE].n, 4);
	assert_int_equal(evidence.dropped, 0);
}

static void evidence_is_the_smaller_of_the_strata(void **state)
{
	(void)state;
	evidence.test[EVIDENCE_CLIENT][EVIDENCE_ERROR].log_total[0] = 50;
	check_near(evidence_log(&evidence, EVIDENCE_ERROR), log(0.5));
	evidence.test[EVIDENCE_MOMENT][EVIDENCE_ERROR].log_total[0] = 20;
	check_near(evidence_log(&evidence, EVIDENCE_ERROR), 20 - log(6));
}

static void a_stratum_alone_is_judged_by_itself(void **state)
{
	(void)state;
	feed(1, 0, 1, 1);
	evidence.test[EVIDENCE_CLIENT][EVIDENCE_ERROR].log_total[0] = 50;
	evidence.test[EVIDENCE_MOMENT][EVIDENCE_P90].log_total[0] = 40;
	assert_false(evidence_judge(&evidence).error || evidence_judge(&evidence).latency);
	assert_true(evidence_judge_within(&evidence, EVIDENCE_CLIENT).error);
	assert_false(evidence_judge_within(&evidence, EVIDENCE_CLIENT).latency);
	assert_false(evidence_judge_within(&evidence, EVIDENCE_MOMENT).error);
	check_near(evidence_judge_within(&evidence, EVIDENCE_MOMENT).log_latency, 40 - log(18));
}

/* ---- copies ---- */

#define COPIES 64

/* The same, straightforwardly: every copy of every g by itself, in long double and without logarithms of sums. */
struct reference {
	long double past_n, past_hit, plugged_n, prior_hit, prior_n, ts;
	long double log_copy[COPIES][EVIDENCE_RATIOS];
	unsigned copies;
};

static void reference_start(struct reference *r, long double prior_hit, long double prior_n)
{
	*r = (struct reference){.prior_hit = prior_hit, .prior_n = prior_n, .copies = 1};
	r->ts = prior_hit / prior_n;
}

static void reference_plug(struct reference *r)
{
	r->ts = (r->past_hit + r->prior_hit) / (r->past_n + r->prior_n);
	r->plugged_n = r->past_n;
}

static void reference_block(struct reference *r, const uint32_t n[2], const uint32_t f[2])
{
	long double tc, t0, odds, l;

	for (unsigned g = 0; g < EVIDENCE_RATIOS; g++) {
		odds = evidence_ratios[g] * r->ts / (1 - r->ts);
		tc = odds / (1 + odds);
		t0 = (n[EVIDENCE_CANARY] * tc + n[EVIDENCE_STABLE] * r->ts) / (n[EVIDENCE_CANARY] + n[EVIDENCE_STABLE]);
		l = f[EVIDENCE_CANARY] * logl(tc / t0) +
		    (n[EVIDENCE_CANARY] - f[EVIDENCE_CANARY]) * logl((1 - tc) / (1 - t0)) +
		    f[EVIDENCE_STABLE] * logl(r->ts / t0) +
		    (n[EVIDENCE_STABLE] - f[EVIDENCE_STABLE]) * logl((1 - r->ts) / (1 - t0));
		for (unsigned k = 0; k < r->copies; k++)
			r->log_copy[k][g] += l;
	}
	r->past_n += n[EVIDENCE_STABLE];
	r->past_hit += f[EVIDENCE_STABLE];
	if (r->past_n > 1.125L * (r->plugged_n + r->prior_n))
		reference_plug(r);
}

static double reference_log(const struct reference *r)
{
	long double sum = 0;

	for (unsigned g = 0; g < EVIDENCE_RATIOS; g++)
		for (unsigned k = 0; k < r->copies; k++)
			sum += expl(r->log_copy[k][g]) / ((k + 1) * (k + 2));
	return (double)logl(sum / EVIDENCE_RATIOS);
}

/* 20 minutes of 5 clients, the canary failing more after the first 10: 20 copies, each compared with those folded. */
static void folded_copies_are_the_copies(void **state)
{
	static const double p_hit[EVIDENCE_KINDS] = {0.03, 0.5, 0.1, 0.01};
	struct evidence_client clients[5] = {};
	struct reference reference[EVIDENCE_KINDS];
	uint64_t random = 11;

	(void)state;
	for (unsigned k = 0; k < EVIDENCE_KINDS; k++)
		reference_start(&reference[k], 0.5L, k == EVIDENCE_ERROR ? 50 : 1);
	for (unsigned t = 1; t <= 1200 * 4; t++) {
		for (unsigned i = 0; i < ARRAY_SIZE(clients); i++) {
			struct evidence_counts counts[EVIDENCE_ARMS] = {};
			uint64_t blocks = evidence.blocks;
			struct evidence_client before;

			counts[EVIDENCE_STABLE].n = util_random(&random) % 4;
			counts[EVIDENCE_CANARY].n = util_random(&random) % 8 == 0;
			for (unsigned a = 0; a < EVIDENCE_ARMS; a++)
				for (unsigned k = 0; k < EVIDENCE_KINDS; k++)
					for (unsigned j = 0; j < counts[a].n; j++)
						counts[a].hit[k] += util_uniform(util_random(&random)) <
								    p_hit[k] * (a == EVIDENCE_CANARY && t > 2400 ? 1.7 : 1);
			before = clients[i];
			evidence_feed(&evidence, &clients[i], counts, now);
			for (unsigned k = 0; evidence.blocks > blocks && k < EVIDENCE_KINDS; k++) {
				uint32_t n[2], f[2];

				for (unsigned a = 0; a < EVIDENCE_ARMS; a++) {
					n[a] = before.arm[a].n + counts[a].n;
					f[a] = before.arm[a].hit[k] + counts[a].hit[k];
				}
				reference_block(&reference[k], n, f);
			}
		}
		tick();
		for (unsigned k = 0; k < EVIDENCE_KINDS; k++) {
			double folded[EVIDENCE_RATIOS], sum = 0;

			reference[k].copies += t % 240 == 0;
			reference_plug(&reference[k]);
			for (unsigned g = 0; g < EVIDENCE_RATIOS; g++) {
				folded[g] = evidence.test[EVIDENCE_CLIENT][k].log_total[g];
				sum += exp(folded[g]);
			}
			check_near(log(sum / EVIDENCE_RATIOS), reference_log(&reference[k]));
		}
	}
	assert_int_equal(reference[0].copies, 21);
	assert_int_equal(evidence.copies, 21);
	assert_true(reference_log(&reference[EVIDENCE_ERROR]) > log(1 / ALPHA));
}

static void without_requests_the_copies_add_up_to_no_evidence(void **state)
{
	(void)state;
	for (unsigned minute = 0; minute < 60; minute++) {
		now += EVIDENCE_RESTART_NS;
		evidence_tick(&evidence, now);
	}
	check_near(evidence_log(&evidence, EVIDENCE_ERROR), log(61.0 / 62)); /* the sum of w_k up to k: 1 - 1/(k+2) */
}

static void a_machine_that_slept_starts_one_copy(void **state)
{
	(void)state;
	now += 3600 * SECOND;
	evidence_tick(&evidence, now);
	assert_int_equal(evidence.copies, 2);
	tick();
	assert_int_equal(evidence.copies, 2);
	now += EVIDENCE_RESTART_NS;
	evidence_tick(&evidence, now);
	assert_int_equal(evidence.copies, 3);
}

/* ---- the verdict ---- */

/* Blocks of 3 stable requests to one of the canary, which fails: excess 1. */
static void a_failing_canary_is_rolled_back(void **state)
{
	struct evidence_verdict verdict = {};
	unsigned blocks;

	(void)state;
	for (blocks = 0; !verdict.error && blocks < 100; blocks++) {
		feed(3, 0, 1, 1);
		tick();
		verdict = evidence_judge(&evidence);
		assert_true(verdict.error == (verdict.log_error >= log(1 / ALPHA)));
	}
	assert_true(verdict.error);
	assert_false(verdict.latency);
	check_near(verdict.excess_error, 1);
	assert_true(blocks > 3 && blocks < 12);
}

static void a_failing_stable_never_rolls_back(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		feed(3, 3, 1, 0);
		tick();
		assert_false(evidence_judge(&evidence).error);
	}
	check_near(evidence_judge(&evidence).excess_error, -1);
}

/* (f_c n_s - f_s n_c) / (n_c + n_s): (1*3 - 0) / 4 and (0 - 2*2) / 6; weights 3/4 and 8/6. */
static void the_excess_by_hand(void **state)
{
	(void)state;
	feed(3, 0, 1, 1);
	feed(4, 2, 2, 0);
	check_near(evidence_judge(&evidence).excess_error, (3.0 / 4 - 4.0 / 6) / (3.0 / 4 + 8.0 / 6));
}

static void an_older_excess_weighs_less(void **state)
{
	double kept = exp(-60 / EVIDENCE_EXCESS_SECONDS);

	(void)state;
	feed(1, 0, 1, 1);
	now += 60 * SECOND;
	evidence_tick(&evidence, now);
	feed(1, 0, 1, 0);
	check_near(evidence_judge(&evidence).excess_error, kept / (1 + kept));
}

static void an_excess_below_the_margin_is_not_worth_a_rollback(void **state)
{
	struct evidence_verdict verdict;

	(void)state;
	for (unsigned k = 0; k < EVIDENCE_STRATA; k++)
		evidence.test[k][EVIDENCE_ERROR].log_total[0] = 100;
	feed(99, 0, 1, 0);
	verdict = evidence_judge(&evidence);
	assert_true(verdict.log_error > 90);
	assert_false(verdict.error);
	evidence.config.margin = 0;
	assert_true(evidence_judge(&evidence).error);
}

/* E of the latency is the mean of the edges': 60 in one of them is 60 - log 3. */
static void the_edges_are_averaged(void **state)
{
	(void)state;
	for (unsigned s = 0; s < EVIDENCE_STRATA; s++)
		for (unsigned g = 0; g < EVIDENCE_RATIOS; g++)
			evidence.test[s][EVIDENCE_P90].log_total[g] = 60;
	check_near(evidence_judge(&evidence).log_latency, 60 - log(3));
}

static void a_slow_canary_is_rolled_back_for_its_latency(void **state)
{
	const struct evidence_counts counts[EVIDENCE_ARMS] = {
		[EVIDENCE_STABLE] = {.n = 20, .hit = {0, 10, 2, 0}},
		[EVIDENCE_CANARY] = {.n = 2, .hit = {0, 2, 2, 0}},
	};
	struct evidence_verdict verdict = {};

	(void)state;
	for (unsigned i = 0; i < 40 && !verdict.latency; i++) {
		evidence_feed(&evidence, &client, counts, now);
		tick();
		verdict = evidence_judge(&evidence);
	}
	assert_true(verdict.latency);
	assert_false(verdict.error);
	check_near(verdict.excess_latency, 0.9);
}

/* ---- for ever finite ---- */

static void check_finite(void)
{
	struct evidence_verdict verdict = evidence_judge(&evidence);

	assert_true(isfinite(verdict.log_error) && isfinite(verdict.log_latency));
	assert_true(isfinite(verdict.excess_error) && isfinite(verdict.excess_latency));
	for (unsigned s = 0; s < EVIDENCE_STRATA; s++)
		for (unsigned k = 0; k < EVIDENCE_KINDS; k++)
			for (unsigned g = 0; g < EVIDENCE_RATIOS; g++)
				assert_true(isfinite(evidence.factors.log[s][k][g]));
}

static void extremes_stay_finite(void **state)
{
	const uint32_t all = UINT32_MAX / 4;
	static const bool failing[][2] = {{true, true}, {true, false}, {false, true}, {false, false}};

	(void)state;
	for (unsigned which = 0; which < ARRAY_SIZE(failing); which++) {
		afresh(NULL);
		for (unsigned i = 0; i < 5000; i++) {
			const uint32_t s = failing[which][0] ? all : 0, c = failing[which][1] ? all : 0;
			const struct evidence_counts counts[EVIDENCE_ARMS] = {{all, {s, s, s, s}}, {all, {c, c, c, c}}};

			evidence_feed(&evidence, &client, counts, now);
			now += 30 * SECOND;
			evidence_tick(&evidence, now);
			check_finite();
		}
	}
}

/* ---- sticky clients ---- */

static int afresh_sticky(void **state)
{
	struct evidence_config sticky = config;

	afresh(state);
	sticky.sticky = true;
	evidence_init(&evidence, &sticky, now);
	return 0;
}

static void add_to_cohort(struct evidence_block *cohort, enum evidence_arm arm, uint32_t n, uint32_t f)
{
	struct evidence_client one = {};

	one.arm[arm] = (struct evidence_counts){.n = n, .hit = {f}};
	evidence_cohort_add(cohort, &one);
	assert_int_equal(one.arm[arm].n, 0);
}

static void a_sticky_client_counts_as_one_by_its_failed_share(void **state)
{
	struct evidence_block cohort = {};

	(void)state;
	add_to_cohort(&cohort, EVIDENCE_CANARY, 100, 25);
	add_to_cohort(&cohort, EVIDENCE_CANARY, 1, 1);
	add_to_cohort(&cohort, EVIDENCE_STABLE, 10, 1);
	add_to_cohort(&cohort, EVIDENCE_STABLE, 0, 0);
	check_near(cohort.n[EVIDENCE_CANARY], 2);
	check_near(cohort.hit[EVIDENCE_CANARY][EVIDENCE_ERROR], 1.25);
	check_near(cohort.n[EVIDENCE_STABLE], 1);
	check_near(cohort.hit[EVIDENCE_STABLE][EVIDENCE_ERROR], 0.1);
}

/* The factor of a first block by hand, for each of the g; then holds add, w_0 = 1/2 and w_1 = 1/6. */
static void holds_are_added_by_weight(void **state)
{
	struct evidence_block cohort = {};
	double first[EVIDENCE_RATIOS], second[EVIDENCE_RATIOS], sum = 0;

	(void)state;
	add_to_cohort(&cohort, EVIDENCE_CANARY, 10, 10);
	add_to_cohort(&cohort, EVIDENCE_STABLE, 10, 0);
	evidence_cohort_use(&evidence, &cohort);
	check_near(cohort.n[EVIDENCE_CANARY], 0);
	for (unsigned g = 0; g < EVIDENCE_RATIOS; g++)
		first[g] = factor(EVIDENCE_CLIENT, g);
	check_near(first[5], log(20000.0 / 10199) + log(39402.0 / 29601));

	for (unsigned i = 0; i < 3; i++)
		add_to_cohort(&cohort, EVIDENCE_CANARY, 4, 4);
	add_to_cohort(&cohort, EVIDENCE_STABLE, 10, 0);
	evidence_cohort_use(&evidence, &cohort);
	for (unsigned g = 0; g < EVIDENCE_RATIOS; g++) {
		second[g] = factor(EVIDENCE_CLIENT, g) - first[g];
		sum += exp(first[g]) / 2 + exp(second[g]) / 6;
	}
	check_near(evidence_log(&evidence, EVIDENCE_ERROR), log(sum / EVIDENCE_RATIOS));
}

static void a_hold_without_clients_on_one_arm_says_nothing(void **state)
{
	struct evidence_block cohort = {};
	double before = evidence_log(&evidence, EVIDENCE_ERROR);

	(void)state;
	assert_true(isfinite(before) && before < 0);
	add_to_cohort(&cohort, EVIDENCE_CANARY, 10, 10);
	evidence_cohort_use(&evidence, &cohort);
	now += 10 * EVIDENCE_RESTART_NS;
	evidence_tick(&evidence, now);
	check_near(evidence_log(&evidence, EVIDENCE_ERROR), before);
}

/* ---- nodes ---- */

static void evidence_of_two_nodes_multiplies(void **state)
{
	struct serin_evidence other, both;
	struct evidence_factors gained;
	struct evidence_client theirs = {};
	const struct evidence_counts counts[EVIDENCE_ARMS] = {{.n = 5, .hit = {1}}, {.n = 2, .hit = {2}}};

	(void)state;
	evidence_init(&other, &config, now);
	evidence_feed(&other, &theirs, counts, now);
	evidence_tick(&other, now + TICK);
	gained = other.factors;

	feed(3, 0, 1, 1);
	tick();
	both = evidence;
	evidence_join(&both, &gained);
	for (unsigned s = 0; s < EVIDENCE_STRATA; s++)
		for (unsigned g = 0; g < EVIDENCE_RATIOS; g++) {
			check_near(both.factors.log[s][EVIDENCE_ERROR][g],
				   evidence.factors.log[s][EVIDENCE_ERROR][g] + other.factors.log[s][EVIDENCE_ERROR][g]);
			/* Both have one copy of weight 1/2. */
			check_near(both.test[s][EVIDENCE_ERROR].log_total[g],
				   both.factors.log[s][EVIDENCE_ERROR][g] + log(0.5));
		}
}

/* ---- intervals and promotion ---- */

static void nothing_seen_is_every_share(void **state)
{
	double lower, upper;

	(void)state;
	evidence_interval(0, 0, 0.01, &lower, &upper);
	check_near(lower, 0);
	check_near(upper, 1);
}

/* None of 10: B(1, 11) = 1/11, so the interval ends where 11 (1-p)^10 = alpha. */
static void an_interval_by_hand(void **state)
{
	double lower, upper;

	(void)state;
	evidence_interval(10, 0, 0.01, &lower, &upper);
	check_near(lower, 0);
	check_near(upper, 1 - pow(0.01 / 11, 0.1));
	evidence_interval(10, 10, 0.01, &lower, &upper);
	check_near(lower, pow(0.01 / 11, 0.1));
	check_near(upper, 1);
}

/* 1 of 3: B(2, 3) = 1/12; the ends are the roots of 12 p (1-p)^2 = alpha. */
static void both_ends_of_an_interval_by_hand(void **state)
{
	double lower, upper;

	(void)state;
	evidence_interval(3, 1, 0.5, &lower, &upper);
	check_near(12 * lower * pow(1 - lower, 2), 0.5);
	check_near(12 * upper * pow(1 - upper, 2), 0.5);
	assert_true(lower < 1.0 / 3 && upper > 1.0 / 3);
}

/* 500 sequences of 500, looked at all along: at most alpha of them ever leave their interval. */
static void intervals_hold_at_all_times(void **state)
{
	const double alpha = 0.05, p = 0.1;
	unsigned left = 0, runs = 500;
	uint64_t random = 5;

	(void)state;
	for (unsigned run = 0; run < runs; run++) {
		double f = 0, lower, upper;

		for (unsigned n = 1; n <= 500; n++) {
			f += util_uniform(util_random(&random)) < p;
			if (n % 5)
				continue;
			evidence_interval(n, f, alpha, &lower, &upper);
			if (p < lower || p > upper) {
				left++;
				break;
			}
		}
	}
	print_message("intervals left: %u of %u, allowed %g\n", left, runs, alpha);
	assert_true(left <= alpha * runs);
	assert_true(left > 0);
}

static void promotion_needs_enough_requests(void **state)
{
	(void)state;
	feed(1000, 5, 50, 0);
	assert_false(evidence_no_worse(&evidence, 0.01, 0.01));
	feed(100000, 500, 10000, 50);
	assert_true(evidence_no_worse(&evidence, 0.01, 0.01));
}

static void a_worse_canary_is_not_promoted(void **state)
{
	(void)state;
	feed(100000, 500, 100000, 1600);
	assert_false(evidence_no_worse(&evidence, 0.01, 0.01));
	assert_true(evidence_no_worse(&evidence, 0.01, 0.02));
}

/* 4 of 200 may be a share of 0.2% as well as of 8%: the canary's certain 2% is held against the former. */
static void a_stable_little_known_is_no_measure(void **state)
{
	(void)state;
	feed(200, 4, 100000, 2000);
	assert_false(evidence_no_worse(&evidence, 0.01, 0.01));
}

/* ---- the sample-ratio check ---- */

/* At a weight of 1/2 the prior is B(50, 50): the first connection is as expected, a second on the same arm 51/101. */
static void a_split_by_hand(void **state)
{
	struct evidence_split split = {};

	(void)state;
	check_near(evidence_split_log(&split), 0);
	evidence_split_add(&split, 0.5, 0, 1);
	check_near(evidence_split_log(&split), 0);
	evidence_split_add(&split, 0.5, 0, 1);
	check_near(evidence_split_log(&split), log(102.0 / 101));
}

static void a_split_as_set_is_no_mismatch(void **state)
{
	struct evidence_split split = {};

	(void)state;
	evidence_split_add(&split, 0.05, 95000, 5000);
	assert_true(evidence_split_log(&split) < 0);
}

static void a_split_that_is_off_is_a_mismatch(void **state)
{
	struct evidence_split split = {};

	(void)state;
	evidence_split_add(&split, 0.05, 9700, 300);
	assert_true(evidence_split_log(&split) > log(1000));
}

static void a_mismatch_outlives_the_weight(void **state)
{
	struct evidence_split split = {};
	double before;

	(void)state;
	evidence_split_add(&split, 0.05, 9700, 300);
	before = evidence_split_log(&split);
	evidence_split_add(&split, 0.5, 0, 0);
	check_near(evidence_split_log(&split), before);
	evidence_split_add(&split, 0.5, 0, 2);
	check_near(evidence_split_log(&split), before + log(102.0 / 101));
}

static void all_or_nothing_is_no_split(void **state)
{
	struct evidence_split split = {};

	(void)state;
	evidence_split_add(&split, 0, 100, 3);
	check_near(evidence_split_log(&split), 0);
	evidence_split_add(&split, 1, 3, 100);
	check_near(evidence_split_log(&split), 0);
}

#define fresh(test) cmocka_unit_test_setup(test, afresh)
#define sticky(test) cmocka_unit_test_setup(test, afresh_sticky)

int main(void)
{
	const struct CMUnitTest tests[] = {
		fresh(a_first_block_by_hand),
		fresh(a_failure_of_stable_speaks_for_the_canary),
		fresh(the_common_share_is_weighted_by_requests),
		fresh(stables_past_is_plugged_in_at_the_next_tick),
		fresh(a_block_is_held_against_the_past_without_itself),
		fresh(a_block_waits_for_both_arms),
		fresh(a_block_too_old_is_dropped_and_becomes_the_past),
		fresh(an_old_block_with_both_arms_is_used),
		fresh(age_is_counted_from_the_first_request),
		fresh(a_moment_is_a_block_over_all_clients),
		fresh(a_moment_without_both_arms_is_soon_over),
		fresh(evidence_is_the_smaller_of_the_strata),
		fresh(a_stratum_alone_is_judged_by_itself),
		fresh(folded_copies_are_the_copies),
		fresh(without_requests_the_copies_add_up_to_no_evidence),
		fresh(a_machine_that_slept_starts_one_copy),
		fresh(a_failing_canary_is_rolled_back),
		fresh(a_failing_stable_never_rolls_back),
		fresh(the_excess_by_hand),
		fresh(an_older_excess_weighs_less),
		fresh(an_excess_below_the_margin_is_not_worth_a_rollback),
		fresh(the_edges_are_averaged),
		fresh(a_slow_canary_is_rolled_back_for_its_latency),
		fresh(extremes_stay_finite),
		sticky(a_sticky_client_counts_as_one_by_its_failed_share),
		sticky(holds_are_added_by_weight),
		sticky(a_hold_without_clients_on_one_arm_says_nothing),
		fresh(evidence_of_two_nodes_multiplies),
		cmocka_unit_test(nothing_seen_is_every_share),
		cmocka_unit_test(an_interval_by_hand),
		cmocka_unit_test(both_ends_of_an_interval_by_hand),
		cmocka_unit_test(intervals_hold_at_all_times),
		fresh(promotion_needs_enough_requests),
		fresh(a_worse_canary_is_not_promoted),
		fresh(a_stable_little_known_is_no_measure),
		cmocka_unit_test(a_split_by_hand),
		cmocka_unit_test(a_split_as_set_is_no_mismatch),
		cmocka_unit_test(a_split_that_is_off_is_a_mismatch),
		cmocka_unit_test(a_mismatch_outlives_the_weight),
		cmocka_unit_test(all_or_nothing_is_no_split),
	};

	return cmocka_run_group_tests_name("evidence", tests, NULL, NULL);
}
