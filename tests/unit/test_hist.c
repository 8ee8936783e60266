/* Links: user/hist.c -lm */
// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "check.h"

#include "hist.h"
#include "util.h"

#include <string.h>

static void put(struct serin_hist *hist, uint64_t ns, unsigned times)
{
	hist->bucket[serin_hist_bucket(ns)] += times;
	hist->sum += ns * times;
	if (ns > hist->max)
		hist->max = ns;
}

static void adding_adds_buckets_and_sums(void **state)
{
	struct serin_hist to = {}, from = {};

	(void)state;
	put(&to, 1000000, 2);
	put(&from, 1000000, 3);
	put(&from, 5000000, 1);
	hist_add(&to, &from);
	assert_int_equal(to.bucket[serin_hist_bucket(1000000)], 5);
	assert_int_equal(to.bucket[serin_hist_bucket(5000000)], 1);
	assert_int_equal(to.sum, 10000000); /* 2 + 3 + 5 ms */
}

static void adding_keeps_the_larger_maximum(void **state)
{
	struct serin_hist large = {.max = 9}, small = {.max = 4}, into;

	(void)state;
	into = large;
	hist_add(&into, &small);
	assert_int_equal(into.max, 9);
	into = small;
	hist_add(&into, &large);
	assert_int_equal(into.max, 9);
}

static void adding_reaches_the_first_and_the_last_bucket(void **state)
{
	struct serin_hist to = {}, from = {};

	(void)state;
	put(&from, 0, 1);
	put(&from, UINT64_MAX, 1);
	hist_add(&to, &from);
	assert_int_equal(to.bucket[0], 1);
	assert_int_equal(to.bucket[SERIN_HIST_BUCKETS - 1], 1);
}

static void the_difference_of_two_readings_is_what_came_between(void **state)
{
	struct serin_hist older = {}, newer, between;

	(void)state;
	put(&older, 1000000, 7);
	newer = older;
	put(&newer, 1000000, 1);
	put(&newer, 2000000, 2);
	hist_since(&older, &newer, &between);
	assert_int_equal(hist_count(&between), 3);
	assert_int_equal(between.bucket[serin_hist_bucket(1000000)], 1);
	assert_int_equal(between.bucket[serin_hist_bucket(2000000)], 2);
	assert_int_equal(between.sum, 5000000);
	assert_int_equal(between.max, 2000000);
}

static void the_count_is_the_sum_of_all_buckets(void **state)
{
	struct serin_hist hist = {};

	(void)state;
	assert_int_equal(hist_count(&hist), 0);
	put(&hist, 0, 1);
	put(&hist, 3000000, 20);
	put(&hist, UINT64_MAX, 300);
	assert_int_equal(hist_count(&hist), 321);
}

static void an_empty_histogram_has_no_quantile(void **state)
{
	struct serin_hist hist = {};

	(void)state;
	check_absent(hist_quantile(&hist, 0.5));
	check_absent(hist_quantile(&hist, 1));
}

/* 1,000,000 ns lie between 983,040 and 1,015,808: the middle is 999,424. */
static void a_quantile_is_the_middle_of_a_bucket(void **state)
{
	struct serin_hist hist = {};

	(void)state;
	put(&hist, 1000000, 1);
	check_value(hist_quantile(&hist, 0.01), 999424);
	check_value(hist_quantile(&hist, 0.5), 999424);
	check_value(hist_quantile(&hist, 1), 999424);
}

/* Of 100 values the 99th is still fast when one is slow, and slow when two are. The slow ones lie between 62,914,560
 * (2^25 * 30/16) and 65,011,712 (2^25 * 31/16). */
static void the_99th_of_100_values_is_the_p99(void **state)
{
	const double slow = (62914560 + 65011712) / 2.0;
	struct serin_hist one_slow = {}, two_slow = {};

	(void)state;
	put(&one_slow, 1000000, 99);
	put(&one_slow, 64000000, 1);
	put(&two_slow, 1000000, 98);
	put(&two_slow, 64000000, 2);
	check_value(hist_quantile(&one_slow, 0.99), 999424);
	check_value(hist_quantile(&two_slow, 0.99), slow);
	check_value(hist_quantile(&one_slow, 1), slow);
}

static void the_median_of_two_values_is_the_lower(void **state)
{
	struct serin_hist hist = {};

	(void)state;
	put(&hist, 1000000, 1);
	put(&hist, 64000000, 1);
	check_value(hist_quantile(&hist, 0.5), 999424);
	assert_true(hist_quantile(&hist, 0.51).v > 60e6);
}

static void below_a_microsecond_is_shown_as_half_of_it(void **state)
{
	struct serin_hist hist = {};

	(void)state;
	put(&hist, 3, 1);
	check_value(hist_quantile(&hist, 0.5), 512);
}

static void beyond_the_range_is_shown_as_its_end(void **state)
{
	struct serin_hist hist = {};

	(void)state;
	put(&hist, UINT64_MAX, 1);
	check_value(hist_quantile(&hist, 0.5), (double)(1ULL << 43));
}

static int compare(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Against the exact answer: 5,000 values spread evenly over the octaves from 2 us to 2 h. */
static void quantiles_are_at_most_3_125_percent_off_the_sorted_values(void **state)
{
	enum { COUNT = 5000 };
	static uint64_t values[COUNT];
	struct serin_hist hist = {};
	uint64_t seed = 1;

	(void)state;
	for (unsigned i = 0; i < COUNT; i++) {
		uint64_t octave = 1ULL << (11 + util_random(&seed) % 32);

		values[i] = octave + util_random(&seed) % octave;
		put(&hist, values[i], 1);
	}
	qsort(values, COUNT, sizeof(*values), compare);
	for (unsigned rank = 1; rank <= COUNT; rank++) {
		double q = (rank - 0.5) / COUNT; /* whose rank is certain whatever the division rounds to */
		double exact = (double)values[rank - 1], off = hist_quantile(&hist, q).v - exact;

		assert_true(off <= 0.03125 * exact && off >= -0.03125 * exact);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(adding_adds_buckets_and_sums),
		cmocka_unit_test(adding_keeps_the_larger_maximum),
		cmocka_unit_test(adding_reaches_the_first_and_the_last_bucket),
		cmocka_unit_test(the_difference_of_two_readings_is_what_came_between),
		cmocka_unit_test(the_count_is_the_sum_of_all_buckets),
		cmocka_unit_test(an_empty_histogram_has_no_quantile),
		cmocka_unit_test(a_quantile_is_the_middle_of_a_bucket),
		cmocka_unit_test(the_99th_of_100_values_is_the_p99),
		cmocka_unit_test(the_median_of_two_values_is_the_lower),
		cmocka_unit_test(below_a_microsecond_is_shown_as_half_of_it),
		cmocka_unit_test(beyond_the_range_is_shown_as_its_end),
		cmocka_unit_test(quantiles_are_at_most_3_125_percent_off_the_sorted_values),
	};

	return cmocka_run_group_tests_name("hist", tests, NULL, NULL);
}
