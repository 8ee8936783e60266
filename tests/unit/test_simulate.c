/* Links: user/simulate.c user/evidence.c user/util.c -lm */
/* Flags: -O2 -fno-sanitize=all */
// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What the evidence promises, by simulation: 2,000 releases of two equal versions for each way in which equal versions
 * come to look different, and how soon unequal ones are told. Seeds are fixed, so the numbers printed are the numbers.
 */
#include "check.h"

#include "simulate.h"
#include "util.h"

#include <math.h>
#include <string.h>

#define RUNS 2000
#define CLIENTS_MAX 400

static struct simulate_client clients[CLIENTS_MAX];

struct tally {
	unsigned runs, rolled_back, by_latency;
	unsigned alone[EVIDENCE_STRATA]; /* what one stratum would have rolled back */
	double median;
};

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static struct tally simulate(const struct simulate_config *config, unsigned runs)
{
	static double seconds[RUNS];
	struct tally tally = {.runs = runs};

	assert_true(runs <= RUNS && config->clients <= CLIENTS_MAX);
	for (unsigned run = 0; run < runs; run++) {
		struct simulate_result result =
			simulate_run(config, clients, util_random_hash((run + 1) * UTIL_RANDOM_GAMMA));

		if (result.evidence.rolled_back)
			seconds[tally.rolled_back++] = result.evidence.seconds;
		tally.by_latency += result.by_latency;
		for (unsigned s = 0; s < EVIDENCE_STRATA; s++)
			tally.alone[s] += result.alone[s];
	}
	qsort(seconds, tally.rolled_back, sizeof(*seconds), compare_doubles);
	tally.median = tally.rolled_back * 2 > runs ? seconds[runs / 2] : INFINITY;
	return tally;
}

/* ---- equal versions ---- */

/* Ten minutes of 100 requests/s, looked at each second; without the margin, which would hide what the evidence allows. */
static struct simulate_config equal(void)
{
	struct simulate_config config = simulate_default();

	config.seconds = 600;
	config.tick_seconds = 1;
	config.rps = 100;
	config.clients = 20;
	config.margin = 0;
	return config;
}

/* At most alpha, but for what 2,000 runs leave to chance: 3.1 standard deviations, once in a thousand. */
static struct tally check_false(const char *name, const struct simulate_config *config)
{
	struct tally tally = simulate(config, RUNS);
	double allowed = config->alpha * RUNS + 3.1 * sqrt(config->alpha * (1 - config->alpha) * RUNS);

	print_message("false, %-42s %2u of %u, allowed %.0f; within clients alone %u, moments alone %u\n", name,
		      tally.rolled_back, tally.runs, allowed, tally.alone[EVIDENCE_CLIENT],
		      tally.alone[EVIDENCE_MOMENT]);
	assert_true(tally.rolled_back <= allowed);
	return tally;
}

static void independent_requests(void **state)
{
	struct simulate_config config = equal();

	(void)state;
	config.lifetime_seconds = 0;
	check_false("independent requests", &config);
}

static void a_few_bad_clients(void **state)
{
	struct simulate_config config = equal();

	(void)state;
	config.bad_share = 0.02;
	config.p_bad = 0.7;
	config.bad_latency_factor = 3;
	check_false("2% of the clients fail 30%, 3 times slow", &config);
}

static void many_bad_clients(void **state)
{
	struct simulate_config config = equal();

	(void)state;
	config.bad_share = 0.1;
	config.p_bad = 0.5;
	config.bad_latency_factor = 3;
	assert_true(check_false("10% of the clients fail 50%, 3 times slow", &config).alone[EVIDENCE_MOMENT] > RUNS / 5);
}

static void clients_that_are_bad_at_times(void **state)
{
	struct simulate_config config = equal();

	(void)state;
	config.bad_share = 0.1;
	config.p_bad = 0.5;
	config.spell_every_seconds = 60;
	config.spell_seconds = 10;
	check_false("10% fail 50% for 10 s a minute", &config);
}

static void bursts_on_both_arms(void **state)
{
	struct simulate_config config = equal();

	(void)state;
	config.burst_every_seconds = 60;
	config.burst_seconds = 10;
	config.p_burst = 0.7;
	config.burst_latency_factor = 3;
	check_false("bursts of 10 s, 30% fail, 3 times slow", &config);
}

/* A client's block is mostly from before the burst, or from after it: within clients alone, one in ten is rolled back. */
static void bursts_on_long_connections(void **state)
{
	struct simulate_config config = equal();

	(void)state;
	config.connections = 1;
	config.lifetime_seconds = 60;
	config.burst_every_seconds = 60;
	config.burst_seconds = 10;
	config.p_burst = 0.7;
	config.burst_latency_factor = 3;
	assert_true(check_false("the same, one connection each of 60 s", &config).alone[EVIDENCE_CLIENT] > RUNS / 20);
}

static void one_address_for_all_clients(void **state)
{
	struct simulate_config config = equal();

	(void)state;
	config.gateway = true;
	check_false("one address for all clients", &config);
}

static void weight_of_1(void **state)
{
	struct simulate_config config = equal();

	(void)state;
	config.weight[0] = 0.01;
	config.bad_share = 0.1;
	check_false("weight 1%, 10% of the clients bad", &config);
}

static void weight_of_5(void **state)
{
	struct simulate_config config = equal();

	(void)state;
	config.bad_share = 0.1;
	check_false("weight 5%, 10% of the clients bad", &config);
}

static void weight_of_50(void **state)
{
	struct simulate_config config = equal();

	(void)state;
	config.weight[0] = 0.5;
	config.bad_share = 0.1;
	check_false("weight 50%, 10% of the clients bad", &config);
}

static void changing_weights(void **state)
{
	struct simulate_config config = equal();

	(void)state;
	config.n_weights = 4;
	memcpy(config.weight, (double[]){0.01, 0.05, 0.25, 0.5}, 4 * sizeof(double));
	config.bad_share = 0.1;
	check_false("weights 1, 5, 25, 50%, 10% bad", &config);
}

static void long_connections(void **state)
{
	struct simulate_config config = equal();

	(void)state;
	config.connections = 1;
	config.lifetime_seconds = 60;
	config.bad_share = 0.1;
	check_false("one connection each of 60 s, 10% bad", &config);
}

static void sticky_clients(void **state)
{
	struct simulate_config config = equal();

	(void)state;
	config.sticky = true;
	config.clients = 200;
	config.weight[0] = 0.25;
	config.bad_share = 0.1;
	check_false("sticky, 200 clients, 10% bad", &config);
}

/*
 * The edge of it: a client that is bad for 10 s, with one connection, is so on one arm only, and neither the client nor the
 * moment tells. It takes such a client on the canary, so it is rare, but it is more than alpha; docs/evidence.md says so.
 */
static void clients_bad_at_times_on_one_connection_are_the_edge(void **state)
{
	struct simulate_config config = equal();
	struct tally tally;

	(void)state;
	config.bad_share = 0.1;
	config.p_bad = 0.5;
	config.spell_every_seconds = 60;
	config.spell_seconds = 10;
	config.connections = 1;
	config.lifetime_seconds = 60;
	tally = simulate(&config, RUNS);
	print_message("false, %-42s %2u of %u\n", "the same, one connection each of 60 s", tally.rolled_back, tally.runs);
	assert_true(tally.rolled_back < 0.03 * RUNS);
}

/*
 * What no evidence can tell: bad and good clients behind one address, by whose connections they go to one arm. It is
 * here to show that these simulations do roll back when the evidence has no hold on what differs.
 */
static void bad_clients_behind_one_address_are_beyond_it(void **state)
{
	struct simulate_config config = equal();
	struct tally tally;

	(void)state;
	config.gateway = true;
	config.clients = 40;
	config.connections = 1;
	config.lifetime_seconds = 60;
	config.bad_share = 0.1;
	config.p_bad = 0.5;
	tally = simulate(&config, 200);
	print_message("false, %-42s %2u of %u\n", "bad clients behind one address", tally.rolled_back, tally.runs);
	assert_true(tally.rolled_back > 0.1 * tally.runs);
}

/* ---- unequal versions: 200 requests/s, weight 5%, looked at 4 times a second ---- */

static double check_found(const char *name, const struct simulate_config *config, unsigned runs)
{
	struct tally tally = simulate(config, runs);

	print_message("found, %-32s %3u of %u (%u by latency), median %.2f s\n", name, tally.rolled_back, tally.runs,
		      tally.by_latency, tally.median);
	assert_int_equal(tally.rolled_back, tally.runs);
	return tally.median;
}

static double find_points(double points, unsigned runs)
{
	struct simulate_config config = simulate_default();
	char name[64];

	config.p_canary = fmax(0, config.p_stable - points / 100);
	config.seconds = 7200;
	config.tick_seconds = points < 5 ? 1 : 0.25;
	snprintf(name, sizeof(name), "+%g points of failures", points);
	return check_found(name, &config, runs);
}

static void more_failures_are_found_sooner(void **state)
{
	double one = find_points(1, 50), five = find_points(5, 200), twenty = find_points(20, 200),
	       all = find_points(100, 200);

	(void)state;
	assert_true(all < 2);
	assert_true(all < twenty && twenty < five && five < one);
	assert_true(five < 60);
}

static void a_fault_that_comes_late_is_found_soon(void **state)
{
	struct simulate_config config = simulate_default();

	(void)state;
	config.p_canary = 0.95;
	config.fault_seconds = 1800;
	config.tick_seconds = 1;
	config.seconds = 3600;
	assert_true(check_found("0.5% -> 5% after 30 minutes", &config, 100) < 60);
}

static double find_latency(const char *name, double factor, double slow_share, double slow_factor)
{
	struct simulate_config config = simulate_default();

	config.latency_factor = factor;
	config.slow_share = slow_share;
	config.slow_factor = slow_factor;
	return check_found(name, &config, 100);
}

static void slowness_is_found(void **state)
{
	double a_fifth = find_latency("latency x1.2", 1.2, 0, 1), twice = find_latency("latency x2", 2, 0, 1),
	       some = find_latency("3% of requests x5", 1, 0.03, 5);

	(void)state;
	assert_true(twice < a_fifth);
	assert_true(isfinite(some));
}

/* At the end of the first hold, when there are enough clients. */
static void a_canary_of_sticky_clients_is_found(void **state)
{
	struct simulate_config config = simulate_default();

	(void)state;
	config.sticky = true;
	config.clients = 400;
	config.weight[0] = 0.25;
	config.p_canary = 0.795;
	assert_true(check_found("sticky, 400 clients, +20 points", &config, 100) <= 60);
}

/* ---- the simulation itself ---- */

static void a_seed_tells_all(void **state)
{
	struct simulate_config config = simulate_default();
	struct simulate_result a, b;

	(void)state;
	config.p_canary = 0.9;
	a = simulate_run(&config, clients, 7);
	b = simulate_run(&config, clients, 7);
	assert_true(a.evidence.rolled_back);
	check_near(a.evidence.seconds, b.evidence.seconds);
	assert_int_equal(a.evidence.canary_requests, b.evidence.canary_requests);
}

static void the_canary_gets_its_weight(void **state)
{
	struct simulate_config config = simulate_default();
	struct simulate_result result;

	(void)state;
	config.p_canary = 0;
	config.rule_failures = 5;
	config.weight[0] = 0.5;
	config.p_stable = 0; /* both fail: the evidence has nothing to say, and the rule ends it after 5 minutes */
	result = simulate_run(&config, clients, 3);
	assert_false(result.evidence.rolled_back);
	assert_true(result.rule.rolled_back);
	check_near(result.rule.seconds, 300);
	/* 300 s of 100 requests/s: the connections' arms make a standard deviation of about 500. */
	assert_true(fabs((double)result.rule.canary_requests - 30000) < 3000);
}

static void the_rule_counts_bad_minutes(void **state)
{
	struct simulate_config config = simulate_default();

	(void)state;
	config.p_stable = config.p_canary = 1;
	config.rule_failures = 5;
	assert_false(simulate_run(&config, clients, 1).rule.rolled_back);
}

/* What a tick costs the agent when every client of a full table has a block: printed, as it is the machine's. */
static void what_16384_blocks_cost(void **state)
{
	static struct evidence_client many[16384];
	static const struct evidence_counts counts[EVIDENCE_ARMS] = {{20, {1, 10, 2, 0}}, {1, {0, 1, 0, 0}}};
	const struct evidence_config config = {.alpha_error = 0.005, .alpha_latency = 0.005, .margin = 0.01};
	static struct serin_evidence evidence;
	uint64_t began, best = UINT64_MAX;

	(void)state;
	evidence_init(&evidence, &config, 0);
	for (unsigned round = 1; round <= 5; round++) {
		began = util_now();
		for (unsigned i = 0; i < ARRAY_SIZE(many); i++)
			evidence_feed(&evidence, &many[i], counts, round * SECOND);
		evidence_tick(&evidence, round * SECOND);
		began = util_now() - began;
		best = began < best ? began : best;
	}
	assert_int_equal(evidence.blocks, 5 * ARRAY_SIZE(many));
	print_message("16,384 blocks of clients: %.2f ms\n", (double)best / 1e6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_seed_tells_all),
		cmocka_unit_test(the_canary_gets_its_weight),
		cmocka_unit_test(the_rule_counts_bad_minutes),
		cmocka_unit_test(what_16384_blocks_cost),
		cmocka_unit_test(independent_requests),
		cmocka_unit_test(a_few_bad_clients),
		cmocka_unit_test(many_bad_clients),
		cmocka_unit_test(clients_that_are_bad_at_times),
		cmocka_unit_test(clients_bad_at_times_on_one_connection_are_the_edge),
		cmocka_unit_test(bursts_on_both_arms),
		cmocka_unit_test(bursts_on_long_connections),
		cmocka_unit_test(one_address_for_all_clients),
		cmocka_unit_test(weight_of_1),
		cmocka_unit_test(weight_of_5),
		cmocka_unit_test(weight_of_50),
		cmocka_unit_test(changing_weights),
		cmocka_unit_test(long_connections),
		cmocka_unit_test(sticky_clients),
		cmocka_unit_test(bad_clients_behind_one_address_are_beyond_it),
		cmocka_unit_test(more_failures_are_found_sooner),
		cmocka_unit_test(a_fault_that_comes_late_is_found_soon),
		cmocka_unit_test(slowness_is_found),
		cmocka_unit_test(a_canary_of_sticky_clients_is_found),
	};

	return cmocka_run_group_tests_name("simulate", tests, NULL, NULL);
}
