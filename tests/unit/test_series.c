/* Links: user/series.c -ljansson -lm */
// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "check.h"

#include "series.h"

#include <math.h>
#include <string.h>

static struct series series;
static json_t *report;

static int empty(void **state)
{
	(void)state;
	memset(&series, 0, sizeof(series));
	series_assign(&series, "chat", "v1", "v2");
	return 0;
}

static int forget_report(void **state)
{
	(void)state;
	json_decref(report);
	report = NULL;
	return 0;
}

/* A second in which P of the canary was so much, and nothing else was known. */
static void second(double at, double p)
{
	struct series_look look = {.at_unix = at};

	look.figure[SERIES_CANARY][SERIES_P] = serin_known(p);
	series_push(&series, &look);
}

static void ask(unsigned limit)
{
	json_decref(report);
	report = series_report(&series, limit);
	assert_non_null(report);
}

static const json_t *at(const char *path)
{
	const json_t *o = report;
	char key[32];
	size_t length;

	for (; *path; path += length + (path[length] == '.')) {
		length = strcspn(path, ".");
		snprintf(key, sizeof(key), "%.*s", (int)length, path);
		o = json_object_get(o, key);
		assert_non_null(o);
	}
	return o;
}

static double nth(const char *path, size_t i)
{
	const json_t *value = json_array_get(at(path), i);

	assert_true(json_is_number(value));
	return json_number_value(value);
}

static const char *const paths[] = {"at_unix", "set_weight", "actual_connections", "actual_requests", "error.log_e",
				    "latency.log_e", "versions.stable.P", "versions.stable.R", "versions.stable.D",
				    "versions.stable.requests_per_second", "versions.stable.p50_seconds", "versions.stable.p99_seconds",
				    "versions.canary.P", "versions.canary.R", "versions.canary.D",
				    "versions.canary.requests_per_second", "versions.canary.p50_seconds", "versions.canary.p99_seconds",
				    "versions.canary.p90_seconds", "versions.canary.cpu_cores", "versions.canary.in_flight"};

static void check_lengths(size_t n)
{
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		assert_true(json_is_array(at(paths[i])));
		assert_int_equal(json_array_size(at(paths[i])), n);
	}
}

static void nothing_is_remembered_before_the_first_look(void **state)
{
	(void)state;
	assert_null(series_at(&series, 0));
	ask(0);
	check_lengths(0);
	assert_string_equal(json_string_value(at("name")), "chat");
	assert_string_equal(json_string_value(at("stable")), "v1");
	assert_string_equal(json_string_value(at("versions.canary.version")), "v2");
	assert_true(json_is_null(at("error.log_threshold")));
}

static void what_is_not_known_is_null(void **state)
{
	(void)state;
	second(1000, 0.5);
	ask(0);
	check_lengths(1);
	for (size_t i = 1; i < sizeof(paths) / sizeof(paths[0]); i++)
		assert_int_equal(json_is_null(json_array_get(at(paths[i]), 0)), strcmp(paths[i], "versions.canary.P") != 0);
	check_near(nth("at_unix", 0), 1000);
	check_near(nth("versions.canary.P", 0), 0.5);
}

/* Each figure its own value, so that none can stand in another's place. */
static void every_figure_is_in_its_place(void **state)
{
	struct series_look look = {.at_unix = 1769860800.1234, .log_threshold_error = serin_known(5.25),
				   .log_threshold_latency = serin_known(6.5)};

	(void)state;
	for (unsigned i = 0; i < SERIES_TRACKS; i++)
		look.track[i] = serin_known(100 + i);
	for (unsigned v = 0; v < SERIES_VERSIONS; v++)
		for (unsigned i = 0; i < SERIES_FIGURES; i++)
			look.figure[v][i] = serin_known(10 * v + i + 1);
	series_push(&series, &look);
	ask(0);
	assert_true(nth("at_unix", 0) == 1769860800.123);
	check_near(nth("set_weight", 0), 100);
	check_near(nth("actual_connections", 0), 101);
	check_near(nth("actual_requests", 0), 102);
	check_near(nth("error.log_e", 0), 103);
	check_near(nth("latency.log_e", 0), 104);
	check_near(nth("versions.stable.P", 0), 1);
	check_near(nth("versions.stable.R", 0), 2);
	check_near(nth("versions.stable.D", 0), 3);
	check_near(nth("versions.stable.requests_per_second", 0), 4);
	check_near(nth("versions.stable.p50_seconds", 0), 5);
	check_near(nth("versions.canary.p90_seconds", 0), 16);
	check_near(nth("versions.canary.p99_seconds", 0), 17);
	check_near(nth("versions.canary.cpu_cores", 0), 18);
	check_near(nth("versions.canary.in_flight", 0), 19);
	check_near(json_number_value(at("error.log_threshold")), 5.25);
	check_near(json_number_value(at("latency.log_threshold")), 6.5);
}

/* The evidence ends with the release; the curve's threshold does not. */
static void the_threshold_stays_when_evidence_ends(void **state)
{
	struct series_look look = {.at_unix = 1, .log_threshold_error = serin_known(5.25)};

	(void)state;
	series_push(&series, &look);
	second(2, 1);
	ask(0);
	check_near(json_number_value(at("error.log_threshold")), 5.25);
	assert_true(json_is_null(at("latency.log_threshold")));
}

static void figures_have_six_digits(void **state)
{
	static const double values[] = {0.95, 0.999, 1.0 / 3, 0.00123456789, 123456.789, -4.2, 0, 1e-30};
	static const char *const texts[] = {"0.95", "0.999", "0.333333", "0.00123457", "123457.0", "-4.2", "0.0", "1e-30"};

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		second((double)i, values[i]);
	ask(0);
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		char *text = json_dumps(json_array_get(at("versions.canary.P"), i), JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));

		assert_string_equal(text, texts[i]);
		free(text);
	}
}

static void what_is_no_number_is_null(void **state)
{
	(void)state;
	second(1, NAN);
	second(2, INFINITY);
	second(3, 1e300); /* beyond a float */
	ask(0);
	for (size_t i = 0; i < 3; i++)
		assert_true(json_is_null(json_array_get(at("versions.canary.P"), i)));
}

static void the_oldest_goes_when_it_is_full(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SERIES_SAMPLES; i++)
		second(i, i);
	ask(0);
	check_lengths(SERIES_SAMPLES);
	check_near(nth("versions.canary.P", 0), 0);
	for (unsigned i = SERIES_SAMPLES; i < 2 * SERIES_SAMPLES + 7; i++)
		second(i, i);
	ask(0);
	check_lengths(SERIES_SAMPLES);
	for (unsigned i = 0; i < SERIES_SAMPLES; i++) {
		check_near(nth("at_unix", i), SERIES_SAMPLES + 7 + i);
		check_near(nth("versions.canary.P", i), SERIES_SAMPLES + 7 + i);
	}
	check_near(series_at(&series, 0)->at_unix, 2 * SERIES_SAMPLES + 6);
	check_near(series_at(&series, SERIES_SAMPLES - 1)->at_unix, SERIES_SAMPLES + 7);
	assert_null(series_at(&series, SERIES_SAMPLES));
}

static void a_limit_gives_the_newest(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SERIES_SAMPLES + 5; i++)
		second(i, i);
	ask(2);
	check_lengths(2);
	check_near(nth("at_unix", 0), SERIES_SAMPLES + 3);
	check_near(nth("at_unix", 1), SERIES_SAMPLES + 4);
	ask(10000);
	check_lengths(SERIES_SAMPLES);
}

static void a_look_of_the_same_release_goes_on(void **state)
{
	(void)state;
	second(1, 1);
	series_assign(&series, "chat", "v1", "v2");
	second(2, 1);
	ask(0);
	check_lengths(2);
}

static void another_version_or_release_begins_anew(void **state)
{
	static const char *const others[][3] = {{"chat", "v1", "v3"}, {"chat", "v3", "v2"}, {"embed", "v1", "v2"}};

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		struct series_look look = {.log_threshold_error = serin_known(5)};

		empty(NULL);
		for (unsigned j = 0; j < SERIES_SAMPLES + 3; j++)
			series_push(&series, &look);
		series_assign(&series, others[i][0], others[i][1], others[i][2]);
		ask(0);
		check_lengths(0);
		assert_string_equal(json_string_value(at("name")), others[i][0]);
		assert_string_equal(json_string_value(at("canary")), others[i][2]);
		assert_true(json_is_null(at("error.log_threshold")));
		second(7, 0.25);
		ask(0);
		check_lengths(1);
		check_near(nth("at_unix", 0), 7);
	}
}

/* As a reload does it: a release goes, later one of the same name comes to the place. */
static void one_that_went_is_forgotten(void **state)
{
	(void)state;
	second(1, 1);
	series_assign(&series, NULL, NULL, NULL);
	assert_string_equal(series.release, "");
	assert_null(series_at(&series, 0));
	series_assign(&series, "chat", "v1", "v2");
	assert_null(series_at(&series, 0));
}

/* ---- the reader's side ---- */

static struct series mirror;

static int empty_both(void **state)
{
	memset(&mirror, 0, sizeof(mirror));
	return empty(state);
}

static void check_mirror(unsigned n)
{
	assert_int_equal(mirror.n, n);
	for (unsigned age = 0; age < n; age++) {
		check_near(series_at(&mirror, age)->at_unix, series_at(&series, age)->at_unix);
		check_near(series_at(&mirror, age)->figure[SERIES_CANARY][SERIES_P],
			   series_at(&series, age)->figure[SERIES_CANARY][SERIES_P]);
		assert_true(isnan(series_at(&mirror, age)->figure[SERIES_STABLE][SERIES_P]));
	}
}

static void a_reader_learns_all_of_it_and_then_goes_on(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 100; i++)
		second(i, i);
	ask(0);
	assert_false(series_learn(&mirror, report));
	check_mirror(100);
	for (unsigned i = 100; i < 2 * SERIES_SAMPLES; i++) {
		second(i, i);
		ask(3);
		assert_false(series_learn(&mirror, report));
	}
	check_mirror(SERIES_SAMPLES);
	assert_string_equal(mirror.version[SERIES_CANARY], "v2");
}

static void a_reader_hears_of_a_gap_and_fills_it(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 50; i++)
		second(i, i);
	ask(0);
	series_learn(&mirror, report);
	for (unsigned i = 50; i < 80; i++)
		second(i, i);
	ask(3);
	assert_true(series_learn(&mirror, report));
	assert_int_equal(mirror.n, 53);
	ask(0);
	assert_false(series_learn(&mirror, report));
	check_mirror(80);
}

/* Another agent remembers nothing from before: the reader does. */
static void a_reader_keeps_what_a_new_agent_does_not_have(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 50; i++)
		second(i, i);
	ask(0);
	series_learn(&mirror, report);
	empty(NULL);
	second(90, 1);
	ask(0);
	assert_true(series_learn(&mirror, report));
	assert_int_equal(mirror.n, 51);
	ask(0);
	series_learn(&mirror, report);
	assert_int_equal(mirror.n, 51);
	series_assign(&series, "chat", "v1", "v3");
	ask(0);
	assert_false(series_learn(&mirror, report));
	assert_int_equal(mirror.n, 0);
}

static void what_is_no_report_teaches_nothing(void **state)
{
	(void)state;
	report = json_pack("{s[i,i]ss}", "at_unix", 5, 6, "name", "chat");
	assert_false(series_learn(&mirror, report));
	assert_int_equal(mirror.n, 2);
	assert_true(isnan(series_at(&mirror, 0)->track[SERIES_SET_WEIGHT]));
	assert_false(series_learn(&mirror, NULL));
	assert_int_equal(mirror.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nothing_is_remembered_before_the_first_look, empty, forget_report),
		cmocka_unit_test_setup_teardown(what_is_not_known_is_null, empty, forget_report),
		cmocka_unit_test_setup_teardown(every_figure_is_in_its_place, empty, forget_report),
		cmocka_unit_test_setup_teardown(the_threshold_stays_when_evidence_ends, empty, forget_report),
		cmocka_unit_test_setup_teardown(figures_have_six_digits, empty, forget_report),
		cmocka_unit_test_setup_teardown(what_is_no_number_is_null, empty, forget_report),
		cmocka_unit_test_setup_teardown(the_oldest_goes_when_it_is_full, empty, forget_report),
		cmocka_unit_test_setup_teardown(a_limit_gives_the_newest, empty, forget_report),
		cmocka_unit_test_setup_teardown(a_look_of_the_same_release_goes_on, empty, forget_report),
		cmocka_unit_test_setup_teardown(another_version_or_release_begins_anew, empty, forget_report),
		cmocka_unit_test_setup_teardown(one_that_went_is_forgotten, empty, forget_report),
		cmocka_unit_test_setup_teardown(a_reader_learns_all_of_it_and_then_goes_on, empty_both, forget_report),
		cmocka_unit_test_setup_teardown(a_reader_hears_of_a_gap_and_fills_it, empty_both, forget_report),
		cmocka_unit_test_setup_teardown(a_reader_keeps_what_a_new_agent_does_not_have, empty_both, forget_report),
		cmocka_unit_test_setup_teardown(what_is_no_report_teaches_nothing, empty_both, forget_report),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
