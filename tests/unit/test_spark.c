/* Links: user/spark.c user/series.c user/page.c user/util.c -ljansson -lm */
// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "check.h"

#include "spark.h"
#include "util.h"

#include <math.h>
#include <string.h>

#define NO NAN

static struct series series;
static double values[SPARK_COLUMNS];

static const struct spark_curve rate = {.version = SERIES_CANARY, .figure = SERIES_RATE, .fold = SPARK_MEAN};
static const struct spark_curve p = {.version = SERIES_CANARY, .figure = SERIES_P, .fold = SPARK_LEAST};
static const struct spark_curve p99 = {.version = SERIES_CANARY, .figure = SERIES_P99, .fold = SPARK_MOST};
static const struct spark_curve weight = {.of_release = true, .track = SERIES_SET_WEIGHT, .fold = SPARK_MEAN};

static int empty(void **state)
{
	(void)state;
	memset(&series, 0, sizeof(series));
	series_assign(&series, "chat", "v1", "v2");
	return 0;
}

/* A second in which all of these figures of the canary had the value. NaN: nothing was known. */
static void second(double at, double value)
{
	struct series_look look = {.at_unix = at};
	struct serin_value v = {value, !isnan(value)};

	look.figure[SERIES_CANARY][SERIES_RATE] = look.figure[SERIES_CANARY][SERIES_P] = look.figure[SERIES_CANARY][SERIES_P99] = v;
	look.track[SERIES_SET_WEIGHT] = v;
	series_push(&series, &look);
}

static void check_columns(const double *expected, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (isnan(expected[i]) != isnan(values[i]))
			fail_msg("column %u is %g, not %g", i, values[i], expected[i]);
		if (!isnan(expected[i]))
			check_near(values[i], expected[i]);
	}
}

#define check_read(curve, now, seconds, ...)                                                                \
	do {                                                                                               \
		const double expected_[] = {__VA_ARGS__};                                                  \
		spark_read(&series, curve, now, seconds, ARRAY_SIZE(expected_), values);                   \
		check_columns(expected_, ARRAY_SIZE(expected_));                                           \
	} while (0)

static void columns_are_as_long_as_it_takes(void **state)
{
	(void)state;
	assert_int_equal(spark_seconds(300, 300), 1);
	assert_int_equal(spark_seconds(300, 299), 2);
	assert_int_equal(spark_seconds(300, 20), 15);
	assert_int_equal(spark_seconds(600, 4), 300);
	assert_int_equal(spark_seconds(600, 1), 300);
	assert_int_equal(spark_seconds(600, 0), 300);
}

static void what_nobody_saw_is_blank(void **state)
{
	(void)state;
	check_read(&rate, 1000, 10, NO, NO, NO);
	second(985, 3);
	second(986, NO);
	check_read(&rate, 1009, 10, NO, 3, NO, NO);
	check_read(&rate, 1009, 10, 3, NO, NO);
	check_read(&rate, 1009, 10, NO, NO);
}

/* Looks 1.1 s apart leave out a second now and then. */
static void between_two_looks_it_is_as_at_the_first(void **state)
{
	(void)state;
	second(990.9, 5);
	second(994.9, 1);
	second(995.9, 2);
	second(997.0, NO);
	second(999.0, 3);
	check_read(&rate, 1000.5, 1, 5, NO, NO, NO, 1, 2, 2, NO, NO, 3, NO);
	second(1001.0, 4);
	check_read(&rate, 1001.5, 1, NO, 3, 3, 4);
	check_read(&rate, 1001.5, 1, 3, 4);
	check_read(&p99, 1000.5, 1, NO, 3, 3);
	second(1004.1, 6); /* that is a gap */
	check_read(&rate, 1004.5, 1, 4, NO, NO, 6);
}

static void samples_of_a_column_are_folded(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 10; i++)
		second(990 + i, i);
	check_read(&rate, 999, 5, 2, 7);
	check_read(&p, 999, 5, 0, 5);
	check_read(&p99, 999, 5, 4, 9);
	check_read(&weight, 999, 5, 2, 7);
}

/* Whenever one looks, a column shows the same samples until it leaves. */
static void columns_stay_while_time_goes_on(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 20; i++)
		second(980 + i, i);
	check_read(&p99, 999.9, 10, 9, 19);
	check_read(&p99, 1000, 10, 19, NO);
	check_read(&p99, 1009.9, 10, 19, NO);
}

static void what_is_from_the_future_is_left_out(void **state)
{
	(void)state;
	second(999, 1);
	second(1020, 2);
	check_read(&rate, 1000, 10, 1, NO);
}

static void a_range_leaves_out_what_is_not_known(void **state)
{
	const double some[] = {NO, 3, 7, NO}, none[] = {NO, NO};
	double low = 4, high = 4;

	(void)state;
	spark_range(none, 2, &low, &high);
	check_near(low, 4);
	check_near(high, 4);
	spark_range(some, 4, &low, &high);
	check_near(low, 3);
	check_near(high, 7);
}

/* ---- histograms ---- */

static json_t *curve(const char *edges, const char *counts)
{
	char text[256];
	json_t *o;

	snprintf(text, sizeof(text), "{\"le_seconds\":[%s],\"count\":[%s]}", edges, counts);
	o = json_loads(text, 0, NULL);
	assert_non_null(o);
	return o;
}

static void a_bucket_begins_a_sixteenth_of_its_octave_below_its_edge(void **state)
{
	double low = INFINITY, high = 0;
	json_t *c = curve("0.001024,0.001048576", "0,5"); /* 2^20 ns: the end of an octave that began at 2^19 */

	(void)state;
	spark_hist_range(c, &low, &high);
	check_near(high, 0.001048576);
	check_near(low, 0.001048576 - 0.000524288 / 16);
	json_decref(c);
}

static void shares_are_of_the_whole_and_lie_where_they_belong(void **state)
{
	json_t *c = curve("0.0015,0.095", "30,10");
	const double expected[] = {0.75, 0};
	double sum = 0;

	(void)state;
	spark_hist(c, 0.001, 0.1, 2, values); /* columns: 1 to 10 ms, 10 to 100 ms */
	check_near(values[0], expected[0]);
	check_near(values[1], 0.25);
	spark_hist(c, 0.001, 0.1, 600, values);
	for (unsigned i = 0; i < 600; i++)
		sum += values[i];
	check_near(sum, 1);
	json_decref(c);
}

static void an_empty_curve_is_blank(void **state)
{
	double low = INFINITY, high = 0;
	json_t *c = curve("", "");

	(void)state;
	spark_hist(c, 0.001, 0.1, 2, values);
	check_columns((const double[]){NO, NO}, 2);
	spark_hist(NULL, 0.001, 0.1, 2, values);
	check_columns((const double[]){NO, NO}, 2);
	spark_hist_range(NULL, &low, &high);
	check_near(high, 0);
	json_decref(c);
}

/* ---- drawing ---- */

static const char *drawn(bool utf8, const double *v, unsigned n, double low, double high, unsigned height)
{
	static char text[512];
	struct page page;
	char *all;

	page_init(&page, &(struct page_look){.utf8 = utf8});
	for (unsigned row = 0; row < height; row++) {
		page_put(&page, PAGE_PLAIN, "|");
		spark_put(&page, PAGE_PLAIN, v, n, low, high, height, row);
		page_put(&page, PAGE_PLAIN, "|");
		page_end(&page);
	}
	all = page_take(&page, 0);
	snprintf(text, sizeof(text), "%s", all);
	free(all);
	return text;
}

static void what_is_known_has_a_mark_and_what_is_not_has_none(void **state)
{
	const double v[] = {0, NO, 4, 8};

	(void)state;
	assert_string_equal(drawn(true, v, 4, 0, 8, 1), "|\u2581 \u2584\u2587|\n");
	assert_string_equal(drawn(false, v, 4, 0, 8, 1), "|_ =%|\n");
}

static void what_is_out_of_range_ends_there(void **state)
{
	const double v[] = {-5, 99};

	(void)state;
	assert_string_equal(drawn(true, v, 2, 0, 8, 1), "|\u2581\u2587|\n");
	assert_string_equal(drawn(true, v, 2, 8, 8, 1), "|\u2581\u2581|\n"); /* no range: nothing is high */
}

static void higher_drawings_fill_from_below(void **state)
{
	const double v[] = {0, 0.5, 1, NO};

	(void)state;
	assert_string_equal(drawn(true, v, 4, 0, 1, 2), "|  \u2587 |\n|\u2581\u2588\u2588 |\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(columns_are_as_long_as_it_takes, empty),
		cmocka_unit_test_setup(what_nobody_saw_is_blank, empty),
		cmocka_unit_test_setup(between_two_looks_it_is_as_at_the_first, empty),
		cmocka_unit_test_setup(samples_of_a_column_are_folded, empty),
		cmocka_unit_test_setup(columns_stay_while_time_goes_on, empty),
		cmocka_unit_test_setup(what_is_from_the_future_is_left_out, empty),
		cmocka_unit_test_setup(a_range_leaves_out_what_is_not_known, empty),
		cmocka_unit_test(a_bucket_begins_a_sixteenth_of_its_octave_below_its_edge),
		cmocka_unit_test(shares_are_of_the_whole_and_lie_where_they_belong),
		cmocka_unit_test(an_empty_curve_is_blank),
		cmocka_unit_test(what_is_known_has_a_mark_and_what_is_not_has_none),
		cmocka_unit_test(what_is_out_of_range_ends_there),
		cmocka_unit_test(higher_drawings_fill_from_below),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
