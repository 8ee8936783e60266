/* Links: user/figures.c */
// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* P, R and D as DESIGN section 2 defines them, against numbers worked out by hand. */
#include "check.h"

#include "figures.h"

#include <string.h>

#define T 3 /* the target looked at; its neighbours hold other numbers */

static struct serin_snapshot older, newer;

/*
 * Ten seconds of one target, all counters beginning at something other than 0.
 *
 *	success 50, client_error 4, throttled 2, server_error 3, server_abort 1, timeout 1, client_abort 7, unknown 9
 *	N = 50 + 4 + 2 + 3 + 1 + 1 = 61,  S = 50 + 4 = 54
 *	T1 = 7 failed + 2 slow + (1 + 2) exits + 4 drops = 16
 *	CPU 2.5 s in 10 s: 0.25 cores;  network 1,000 in + 9,000 out in 10 s: 1,000 bytes/s
 */
static int ten_seconds(void **state)
{
	static const uint64_t between[SERIN_OUTCOMES] = {50, 4, 2, 3, 1, 1, 7, 9};
	struct serin_tally *a = &older.tally[T], *b = &newer.tally[T];

	(void)state;
	memset(&older, 0, sizeof(older));
	for (unsigned i = 0; i < SERIN_OUTCOMES; i++)
		a->outcome[i] = 1000 + i;
	a->slow = 30, a->exits_signal = 5, a->exits_error = 6;
	a->bytes_in = 100000, a->bytes_out = 200000, a->cpu_ns = 70 * SECOND;
	a->service_opened = 40, a->service_requests = 400;
	older.listen_drops[T] = 11;
	older.now_ns = 5000 * SECOND;
	older.memory_known[T] = true;
	older.memory_bytes[T] = 1 << 20;

	newer = older;
	for (unsigned i = 0; i < SERIN_OUTCOMES; i++)
		b->outcome[i] += between[i];
	b->slow += 2, b->exits_signal += 1, b->exits_error += 2;
	b->bytes_in += 1000, b->bytes_out += 9000, b->cpu_ns += 5 * SECOND / 2;
	b->service_opened += 8, b->service_requests += 60;
	newer.listen_drops[T] += 4;
	newer.now_ns += 10 * SECOND;
	newer.memory_bytes[T] = 3 << 20;

	newer.tally[T - 1].outcome[SERIN_SERVER_ERROR] = newer.tally[T + 1].outcome[SERIN_SERVER_ERROR] = 77;
	newer.listen_drops[T - 1] = newer.listen_drops[T + 1] = 77;
	return 0;
}

static struct serin_figures look(void);

/* What cannot be known is not nothing. */
static void a_rate_of_the_unknown_is_absent(void **state)
{
	struct serin_figures none = {.seconds = 10}, unknown = {.seconds = 10, .unknown = 3}, both = {.seconds = 10, .unknown = 3, .n = 40};

	(void)state;
	check_value(figures_rate(&none), 0);
	check_absent(figures_rate(&unknown));
	check_value(figures_rate(&both), 4);
	check_absent(figures_rate(&(struct serin_figures){.n = 3}));
	assert_int_equal(look().unknown, newer.tally[T].outcome[SERIN_UNKNOWN] - older.tally[T].outcome[SERIN_UNKNOWN]);
}

/* A listener that had dropped some is another's now. */
static void drops_that_are_gone_are_none(void **state)
{
	(void)state;
	newer.listen_drops[T] = older.listen_drops[T] - 3;
	assert_int_equal(look().anomalies.drops, 0);
	assert_int_equal(figures_drops(7, 7), 0);
	assert_int_equal(figures_drops(7, 9), 2);
}

static struct serin_figures look(void)
{
	struct serin_figures f;

	figures_of(&older, &newer, T, figures_success, &f);
	return f;
}

/* ---- outcomes ---- */

static void check_class(enum serin_outcome outcome, uint64_t n, uint64_t s)
{
	struct serin_tally tally = {};

	tally.outcome[outcome] = 5;
	assert_int_equal(figures_n(&tally), n);
	assert_int_equal(figures_s(&tally, figures_success), s);
}

static void a_success_counts_and_succeeds(void **state)
{
	(void)state;
	check_class(SERIN_SUCCESS, 5, 5);
}

static void a_client_error_counts_and_succeeds(void **state)
{
	(void)state;
	check_class(SERIN_CLIENT_ERROR, 5, 5);
}

static void a_throttled_request_counts_and_fails(void **state)
{
	(void)state;
	check_class(SERIN_THROTTLED, 5, 0);
}

static void a_server_error_counts_and_fails(void **state)
{
	(void)state;
	check_class(SERIN_SERVER_ERROR, 5, 0);
}

static void a_server_abort_counts_and_fails(void **state)
{
	(void)state;
	check_class(SERIN_SERVER_ABORT, 5, 0);
}

static void a_timeout_counts_and_fails(void **state)
{
	(void)state;
	check_class(SERIN_TIMEOUT, 5, 0);
}

static void a_client_abort_does_not_count(void **state)
{
	(void)state;
	check_class(SERIN_CLIENT_ABORT, 0, 0);
}

static void the_unknown_does_not_count(void **state)
{
	(void)state;
	check_class(SERIN_UNKNOWN, 0, 0);
}

static void requests_in_flight_do_not_count(void **state)
{
	struct serin_tally tally = {.started = 9};

	(void)state;
	assert_int_equal(figures_n(&tally), 0);
}

/* ---- one window ---- */

static void n_and_s_are_of_the_window_only(void **state)
{
	(void)state;
	assert_int_equal(look().n, 61);
	assert_int_equal(look().s, 54);
}

static void p_is_s_over_n(void **state)
{
	(void)state;
	check_value(look().p, 54.0 / 61); /* 0.885 */
}

static void p_is_absent_without_requests(void **state)
{
	(void)state;
	memcpy(newer.tally[T].outcome, older.tally[T].outcome, sizeof(newer.tally[T].outcome));
	check_absent(look().p);
	assert_int_equal(look().n, 0);
}

static void p_is_absent_when_all_is_unknown(void **state)
{
	(void)state;
	memcpy(newer.tally[T].outcome, older.tally[T].outcome, sizeof(newer.tally[T].outcome));
	newer.tally[T].outcome[SERIN_UNKNOWN] += 100;
	newer.tally[T].outcome[SERIN_CLIENT_ABORT] += 100;
	check_absent(look().p);
}

static void p_is_zero_when_all_fail(void **state)
{
	(void)state;
	memcpy(newer.tally[T].outcome, older.tally[T].outcome, sizeof(newer.tally[T].outcome));
	newer.tally[T].outcome[SERIN_TIMEOUT] += 3;
	check_value(look().p, 0);
}

static void each_kind_of_anomaly_has_its_own_count(void **state)
{
	struct serin_anomalies a;

	(void)state;
	a = look().anomalies;
	assert_int_equal(a.failed, 7);
	assert_int_equal(a.slow, 2);
	assert_int_equal(a.exits, 3);
	assert_int_equal(a.drops, 4);
}

static void t1_is_the_sum_of_all_anomalies(void **state)
{
	(void)state;
	assert_int_equal(look().t1, 16);
}

static void client_errors_and_the_unknown_are_no_anomalies(void **state)
{
	(void)state;
	newer.tally[T].outcome[SERIN_CLIENT_ERROR] += 10;
	newer.tally[T].outcome[SERIN_CLIENT_ABORT] += 10;
	newer.tally[T].outcome[SERIN_UNKNOWN] += 10;
	assert_int_equal(look().t1, 16);
}

static void cpu_is_in_cores(void **state)
{
	(void)state;
	check_value(look().resource[SERIN_CPU].current, 0.25);
}

static void cpu_per_request_is_over_the_requests_that_count(void **state)
{
	(void)state;
	check_value(look().cpu_seconds_per_request, 2.5 / 61);
}

static void cpu_per_request_is_absent_without_requests(void **state)
{
	(void)state;
	memcpy(newer.tally[T].outcome, older.tally[T].outcome, sizeof(newer.tally[T].outcome));
	check_absent(look().cpu_seconds_per_request);
}

static void cpu_that_seems_to_go_back_is_zero(void **state)
{
	(void)state;
	newer.tally[T].cpu_ns = older.tally[T].cpu_ns - 1;
	check_value(look().resource[SERIN_CPU].current, 0);
}

static void network_is_bytes_of_both_directions_a_second(void **state)
{
	(void)state;
	check_value(look().resource[SERIN_NETWORK].current, 1000);
}

static void memory_is_the_newest_reading(void **state)
{
	(void)state;
	check_value(look().resource[SERIN_MEMORY].current, 3 << 20);
}

static void memory_nobody_read_is_absent(void **state)
{
	(void)state;
	newer.memory_known[T] = false;
	check_absent(look().resource[SERIN_MEMORY].current);
}

static void what_came_through_the_service_is_counted_apart(void **state)
{
	(void)state;
	assert_int_equal(look().service_connections, 8);
	assert_int_equal(look().service_requests, 60);
}

static void a_window_is_as_long_as_its_snapshots_are_apart(void **state)
{
	(void)state;
	check_near(look().seconds, 10);
	newer.now_ns = older.now_ns + SECOND / 4;
	check_near(look().seconds, 0.25);
	check_value(look().resource[SERIN_CPU].current, 10);
}

static void r_d_and_t2_need_more_than_one_window(void **state)
{
	(void)state;
	check_absent(look().r);
	check_absent(look().d);
	check_absent(look().t2);
	check_absent(look().resource[SERIN_CPU].maximum);
	check_absent(look().resource[SERIN_CPU].ratio);
}

static void without_time_between_the_snapshots_everything_is_absent(void **state)
{
	static const struct serin_figures nothing;
	struct serin_figures f;

	(void)state;
	newer.now_ns = older.now_ns;
	f = look();
	assert_memory_equal(&f, &nothing, sizeof(f));
	newer.now_ns = older.now_ns - 1;
	f = look();
	assert_memory_equal(&f, &nothing, sizeof(f));
}

/* ---- D ---- */

/* Stable: 4 anomalies in 200 requests. So 50 requests of the canary hold 4 / 200 * 50 = 1: T2. With T1 = 6 in 10 s,
 * D = (6 - 1) / 10. */
static void d_is_the_excess_over_stable_per_second(void **state)
{
	struct serin_figures stable = {.seconds = 10, .n = 200, .t1 = 4}, canary = {.seconds = 10, .n = 50, .t1 = 6};

	(void)state;
	figures_anomaly(&canary, &stable, 10);
	check_value(canary.t2, 1);
	check_value(canary.d, 0.5);
}

static void d_is_zero_when_the_canary_fails_as_often_as_stable(void **state)
{
	struct serin_figures stable = {.seconds = 10, .n = 1000, .t1 = 100}, canary = {.seconds = 10, .n = 50, .t1 = 5};

	(void)state;
	figures_anomaly(&canary, &stable, 10);
	check_value(canary.d, 0);
}

/* T2 = 40 / 400 * 100 = 10, D = (2 - 10) / 4. */
static void d_is_negative_when_the_canary_is_better(void **state)
{
	struct serin_figures stable = {.seconds = 4, .n = 400, .t1 = 40}, canary = {.seconds = 4, .n = 100, .t1 = 2};

	(void)state;
	figures_anomaly(&canary, &stable, 4);
	check_value(canary.d, -2);
}

/* A canary that dies has no requests and all the same an anomaly: T2 = 0, D = 3 / 10. */
static void a_canary_without_requests_has_a_d(void **state)
{
	struct serin_figures stable = {.seconds = 10, .n = 200, .t1 = 4}, canary = {.seconds = 10, .t1 = 3};

	(void)state;
	figures_anomaly(&canary, &stable, 10);
	check_value(canary.t2, 0);
	check_value(canary.d, 0.3);
}

static void d_is_absent_when_stable_had_no_request_to_be_normal_by(void **state)
{
	struct serin_figures stable = {.seconds = 10, .t1 = 4}, canary = {.seconds = 10, .n = 50, .t1 = 6};

	(void)state;
	figures_anomaly(&canary, &stable, 10);
	check_absent(canary.t2);
	check_absent(canary.d);
}

/* 3 s into a window of 10 s: (17 - 0) / 10, not / 3. */
static void a_window_that_is_not_full_is_divided_by_its_whole_length(void **state)
{
	struct serin_figures stable = {.seconds = 3, .n = 330}, canary = {.seconds = 3, .n = 270, .t1 = 17};

	(void)state;
	figures_anomaly(&canary, &stable, 10);
	check_value(canary.d, 1.7);
}

static void d_is_absent_without_time(void **state)
{
	struct serin_figures stable = {.seconds = 10, .n = 200, .t1 = 4}, canary = {};

	(void)state;
	figures_anomaly(&canary, &stable, 10);
	check_absent(canary.d);
}

/* By what was recorded: T2 = 0.02 * 50 = 1, D = (6 - 1) / 10; stable need not have had a request. And CPU a request. */
static void d_by_a_rate_of_before(void **state)
{
	struct serin_figures canary = {.seconds = 10, .n = 50, .t1 = 6}, nothing = {};

	(void)state;
	figures_anomaly_by(&canary, 0.02, 10);
	check_value(canary.t2, 1);
	check_value(canary.d, 0.5);
	figures_anomaly_by(&nothing, 0.02, 10);
	check_absent(nothing.d);
}

static void the_canarys_cpu_over_stables(void **state)
{
	struct serin_figures stable = {.cpu_seconds_per_request = serin_known(0.002)}, idle = {}, none = {};
	struct serin_figures canary = {.cpu_seconds_per_request = serin_known(0.005)};

	(void)state;
	figures_cpu_ratio(&canary, &stable);
	check_value(canary.cpu_ratio, 2.5);
	figures_cpu_ratio(&none, &stable);
	check_absent(none.cpu_ratio);
	canary.cpu_ratio = (struct serin_value){};
	figures_cpu_ratio(&canary, &idle);
	check_absent(canary.cpu_ratio);
	idle.cpu_seconds_per_request = serin_known(0);
	figures_cpu_ratio(&canary, &idle);
	check_absent(canary.cpu_ratio);
}

/* ---- R ---- */

static struct serin_maxima maxima;

static int no_past(void **state)
{
	(void)state;
	memset(&maxima, 0, sizeof(maxima));
	return 0;
}

static struct serin_figures consuming(double cpu)
{
	struct serin_figures f = {.seconds = 10};

	f.resource[SERIN_CPU].current = serin_known(cpu);
	return f;
}

static void record(uint64_t end_seconds, double cpu)
{
	struct serin_figures f = consuming(cpu);

	maxima_record(&maxima, end_seconds * SECOND, &f);
}

/* A window of `cpu` cores that began at this second. */
static struct serin_figures compare(uint64_t begin_seconds, double cpu)
{
	struct serin_figures f = consuming(cpu);

	maxima_compare(&maxima, begin_seconds * SECOND, &f);
	return f;
}

static void r_is_absent_without_a_past(void **state)
{
	struct serin_figures f;

	(void)state;
	f = compare(100, 1);
	check_absent(f.r);
	check_absent(f.resource[SERIN_CPU].ratio);
	check_absent(f.resource[SERIN_CPU].maximum);
}

static void r_is_current_over_maximum(void **state)
{
	struct serin_figures f;

	(void)state;
	record(10, 2);
	f = compare(10, 0.5);
	check_value(f.resource[SERIN_CPU].maximum, 2);
	check_value(f.resource[SERIN_CPU].ratio, 0.25);
	check_value(f.r, 0.25);
}

static void a_window_that_overlaps_the_current_one_is_no_past(void **state)
{
	struct serin_figures f = consuming(1);

	(void)state;
	record(20, 2);
	maxima_compare(&maxima, 20 * SECOND - 1, &f);
	check_absent(f.r);
	maxima_compare(&maxima, 20 * SECOND, &f);
	check_value(f.r, 0.5);
}

static void the_maximum_is_the_largest_so_far(void **state)
{
	(void)state;
	record(10, 1);
	record(20, 4);
	record(30, 2);
	check_value(compare(30, 2).r, 0.5);
}

static void the_past_is_not_forgotten(void **state)
{
	(void)state;
	record(10, 4);
	compare(10, 1);
	for (unsigned second = 11; second < 2000; second++) {
		record(second, 1);
		compare(second, 1);
	}
	check_value(compare(2000, 1).r, 0.25);
}

/*
 * Windows of 10 s, one a second: 1 core until second 40, then 3. A window ending at 45 holds (5 * 1 + 5 * 3) / 10 = 2
 * and is compared with windows that ended by 35, so with 1. At 50 it is 3 against 1. Only at 60, when a window wholly
 * at 3 has passed into the past (the one that ended at 50), is 3 nothing new.
 */
static void a_surge_is_not_compared_with_itself(void **state)
{
	double r[61] = {};

	(void)state;
	for (unsigned end = 10; end <= 60; end++) {
		unsigned high = end <= 40 ? 0 : end >= 50 ? 10 : end - 40;
		struct serin_figures f = consuming(1 + 2 * high / 10.0);

		maxima_compare(&maxima, (end - 10) * SECOND, &f);
		r[end] = f.r.v;
		maxima_record(&maxima, end * SECOND, &f);
	}
	check_near(r[19], 0); /* absent: the first window ended at 10 */
	check_near(r[20], 1);
	check_near(r[45], 2);
	check_near(r[50], 3);
	check_near(r[60], 1);
}

static void versions_of_a_model_share_its_maximum(void **state)
{
	(void)state;
	record(10, 2);	 /* stable */
	record(10, 0.5); /* canary */
	check_value(compare(10, 0.5).r, 0.25);
}

/* CPU 1 / 2, memory 500 / 400, network 10 / 100. */
static void r_is_the_largest_of_the_ratios(void **state)
{
	struct serin_figures past = {}, f = {};

	(void)state;
	past.resource[SERIN_CPU].current = serin_known(2);
	past.resource[SERIN_MEMORY].current = serin_known(400);
	past.resource[SERIN_NETWORK].current = serin_known(100);
	maxima_record(&maxima, SECOND, &past);
	f.resource[SERIN_CPU].current = serin_known(1);
	f.resource[SERIN_MEMORY].current = serin_known(500);
	f.resource[SERIN_NETWORK].current = serin_known(10);
	maxima_compare(&maxima, SECOND, &f);
	check_value(f.resource[SERIN_CPU].ratio, 0.5);
	check_value(f.resource[SERIN_MEMORY].ratio, 1.25);
	check_value(f.resource[SERIN_NETWORK].ratio, 0.1);
	check_value(f.r, 1.25);
}

static void a_resource_that_is_not_known_now_has_no_ratio(void **state)
{
	struct serin_figures f = {};

	(void)state;
	record(10, 2);
	maxima_compare(&maxima, 10 * SECOND, &f);
	check_value(f.resource[SERIN_CPU].maximum, 2);
	check_absent(f.resource[SERIN_CPU].ratio);
	check_absent(f.r);
}

static void an_absent_consumption_is_no_maximum(void **state)
{
	struct serin_figures nothing = {};

	(void)state;
	maxima_record(&maxima, 10 * SECOND, &nothing);
	check_absent(compare(10, 1).resource[SERIN_CPU].maximum);
}

static void nothing_is_divided_by_a_maximum_of_zero(void **state)
{
	struct serin_figures f;

	(void)state;
	record(10, 0);
	f = compare(10, 1);
	check_value(f.resource[SERIN_CPU].maximum, 0);
	check_absent(f.resource[SERIN_CPU].ratio);
	check_absent(f.r);
}

static void a_full_ring_gives_its_oldest_window_to_the_past(void **state)
{
	(void)state;
	record(10, 7);
	for (unsigned i = 1; i < MAXIMA_DELAY; i++)
		record(10 + i, 1);
	check_absent(compare(0, 1).r);
	record(10 + MAXIMA_DELAY, 1);
	check_value(compare(0, 1).resource[SERIN_CPU].maximum, 7);
}

/* Both versions are recorded each tick: they must not use up the ring twice as fast. */
static void versions_of_a_window_share_its_entry(void **state)
{
	static struct serin_maxima maxima;
	struct serin_figures figures = {};

	(void)state;
	memset(&maxima, 0, sizeof(maxima));
	for (uint64_t tick = 1; tick <= MAXIMA_DELAY; tick++) {
		figures.resource[SERIN_CPU].current = serin_known(2);
		maxima_record(&maxima, tick, &figures);
		figures.resource[SERIN_CPU].current = serin_known(5);
		maxima_record(&maxima, tick, &figures);
		figures.resource[SERIN_CPU].current = serin_known(3);
		maxima_record(&maxima, tick, &figures);
	}
	/* Nothing has ended by then, so there is no past yet... */
	figures.resource[SERIN_CPU].current = serin_known(1);
	maxima_compare(&maxima, 0, &figures);
	assert_false(figures.resource[SERIN_CPU].maximum.known);
	/* ...and when the first window has, the larger version of it is the maximum: R = 1 / 5. */
	maxima_compare(&maxima, 1, &figures);
	assert_true(figures.resource[SERIN_CPU].ratio.known);
	assert_float_equal(figures.resource[SERIN_CPU].ratio.v, 0.2, 1e-12);
}

/* ---- the window that docs/concepts.md computes: its numbers are these ---- */

enum { DOC_STABLE, DOC_CANARY };

static void count_documented_window(void)
{
	static const uint64_t counted[][SERIN_OUTCOMES] = {
		[DOC_STABLE] = {1882, 20, 2, 5, 0, 1, 6, 0},
		[DOC_CANARY] = {84, 1, 0, 13, 1, 1, 1, 0},
	};
	struct serin_tally *stable = &newer.tally[DOC_STABLE], *canary = &newer.tally[DOC_CANARY];

	memset(&older, 0, sizeof(older));
	memset(&newer, 0, sizeof(newer));
	newer.now_ns = 10 * SECOND;
	memcpy(stable->outcome, counted[DOC_STABLE], sizeof(stable->outcome));
	memcpy(canary->outcome, counted[DOC_CANARY], sizeof(canary->outcome));
	stable->slow = 18, stable->cpu_ns = 24 * SECOND;
	canary->slow = 9, canary->cpu_ns = 3 * SECOND, canary->exits_signal = 1;
	canary->bytes_out = 21000000;
	newer.memory_known[DOC_CANARY] = true;
	newer.memory_bytes[DOC_CANARY] = 6300000000;
}

static void the_window_of_the_documentation(void **state)
{
	const struct serin_value most[SERIN_RESOURCES] = {serin_known(1.2), serin_known(6e9), serin_known(8.4e6)};
	struct serin_figures stable, canary;

	(void)state;
	count_documented_window();
	figures_of(&older, &newer, DOC_STABLE, figures_success, &stable);
	figures_of(&older, &newer, DOC_CANARY, figures_success, &canary);
	figures_compare(&canary, most);
	figures_anomaly(&canary, &stable, 10);
	figures_cpu_ratio(&canary, &stable);
	assert_int_equal(stable.n, 1910);
	assert_int_equal(stable.s, 1902);
	check_value(stable.p, 1902.0 / 1910); /* 0.996 */
	assert_int_equal(canary.n, 100);
	check_value(canary.p, 0.85);
	assert_int_equal(stable.t1, 26);
	assert_int_equal(canary.t1, 25);
	check_value(canary.t2, 26.0 / 1910 * 100);	     /* 1.361 */
	check_value(canary.d, (25 - 26.0 / 1910 * 100) / 10); /* 2.364 */
	check_value(canary.resource[SERIN_CPU].ratio, 0.25);
	check_value(canary.resource[SERIN_MEMORY].ratio, 1.05);
	check_value(canary.resource[SERIN_NETWORK].ratio, 0.25);
	check_value(canary.r, 1.05);
	check_value(canary.cpu_ratio, 0.03 / (24.0 / 1910)); /* 2.39 */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_success_counts_and_succeeds),
		cmocka_unit_test(a_client_error_counts_and_succeeds),
		cmocka_unit_test(a_throttled_request_counts_and_fails),
		cmocka_unit_test(a_server_error_counts_and_fails),
		cmocka_unit_test(a_server_abort_counts_and_fails),
		cmocka_unit_test(a_timeout_counts_and_fails),
		cmocka_unit_test(a_client_abort_does_not_count),
		cmocka_unit_test(the_unknown_does_not_count),
		cmocka_unit_test(requests_in_flight_do_not_count),
		cmocka_unit_test_setup(n_and_s_are_of_the_window_only, ten_seconds),
		cmocka_unit_test_setup(p_is_s_over_n, ten_seconds),
		cmocka_unit_test_setup(p_is_absent_without_requests, ten_seconds),
		cmocka_unit_test_setup(p_is_absent_when_all_is_unknown, ten_seconds),
		cmocka_unit_test_setup(p_is_zero_when_all_fail, ten_seconds),
		cmocka_unit_test_setup(each_kind_of_anomaly_has_its_own_count, ten_seconds),
		cmocka_unit_test_setup(t1_is_the_sum_of_all_anomalies, ten_seconds),
		cmocka_unit_test_setup(a_rate_of_the_unknown_is_absent, ten_seconds),
		cmocka_unit_test_setup(drops_that_are_gone_are_none, ten_seconds),
		cmocka_unit_test_setup(client_errors_and_the_unknown_are_no_anomalies, ten_seconds),
		cmocka_unit_test_setup(cpu_is_in_cores, ten_seconds),
		cmocka_unit_test_setup(cpu_per_request_is_over_the_requests_that_count, ten_seconds),
		cmocka_unit_test_setup(cpu_per_request_is_absent_without_requests, ten_seconds),
		cmocka_unit_test_setup(cpu_that_seems_to_go_back_is_zero, ten_seconds),
		cmocka_unit_test_setup(network_is_bytes_of_both_directions_a_second, ten_seconds),
		cmocka_unit_test_setup(memory_is_the_newest_reading, ten_seconds),
		cmocka_unit_test_setup(memory_nobody_read_is_absent, ten_seconds),
		cmocka_unit_test_setup(what_came_through_the_service_is_counted_apart, ten_seconds),
		cmocka_unit_test_setup(a_window_is_as_long_as_its_snapshots_are_apart, ten_seconds),
		cmocka_unit_test_setup(r_d_and_t2_need_more_than_one_window, ten_seconds),
		cmocka_unit_test_setup(without_time_between_the_snapshots_everything_is_absent, ten_seconds),
		cmocka_unit_test(d_is_the_excess_over_stable_per_second),
		cmocka_unit_test(d_is_zero_when_the_canary_fails_as_often_as_stable),
		cmocka_unit_test(d_is_negative_when_the_canary_is_better),
		cmocka_unit_test(a_canary_without_requests_has_a_d),
		cmocka_unit_test(d_is_absent_when_stable_had_no_request_to_be_normal_by),
		cmocka_unit_test(a_window_that_is_not_full_is_divided_by_its_whole_length),
		cmocka_unit_test(d_is_absent_without_time),
		cmocka_unit_test(d_by_a_rate_of_before),
		cmocka_unit_test(the_canarys_cpu_over_stables),
		cmocka_unit_test_setup(r_is_absent_without_a_past, no_past),
		cmocka_unit_test_setup(r_is_current_over_maximum, no_past),
		cmocka_unit_test_setup(a_window_that_overlaps_the_current_one_is_no_past, no_past),
		cmocka_unit_test_setup(the_maximum_is_the_largest_so_far, no_past),
		cmocka_unit_test_setup(the_past_is_not_forgotten, no_past),
		cmocka_unit_test_setup(a_surge_is_not_compared_with_itself, no_past),
		cmocka_unit_test_setup(versions_of_a_model_share_its_maximum, no_past),
		cmocka_unit_test_setup(r_is_the_largest_of_the_ratios, no_past),
		cmocka_unit_test_setup(a_resource_that_is_not_known_now_has_no_ratio, no_past),
		cmocka_unit_test_setup(an_absent_consumption_is_no_maximum, no_past),
		cmocka_unit_test_setup(nothing_is_divided_by_a_maximum_of_zero, no_past),
		cmocka_unit_test_setup(a_full_ring_gives_its_oldest_window_to_the_past, no_past),
		cmocka_unit_test(versions_of_a_window_share_its_entry),
		cmocka_unit_test(the_window_of_the_documentation),
	};

	return cmocka_run_group_tests_name("figures", tests, NULL, NULL);
}
