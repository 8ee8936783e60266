/* Links: user/exposition.c -lm */
// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "check.h"

#include "exposition.h"
#include "util.h"

#include <math.h>
#include <string.h>

static const struct exposition_family requests = {"requests", EXPOSITION_COUNTER, NULL, "How many."};
static const struct exposition_family cpu = {"cpu_seconds", EXPOSITION_COUNTER, "seconds", "How long."};
static const struct exposition_family ratio = {"success_ratio", EXPOSITION_GAUGE, "ratio", "How well."};
static const struct exposition_family build = {"build", EXPOSITION_INFO, NULL, "Which."};
static const struct exposition_family duration = {"duration_seconds", EXPOSITION_HISTOGRAM, "seconds", "How slow."};

static const struct exposition_label by_model[] = {{"model", "chat"}, {"version", "v1"}};

/* What has been written, NUL-terminated, must be this. */
static void check_text(struct exposition *x, const char *expected)
{
	char *text = NULL, *whole;
	size_t length = 0;

	assert_int_equal(exposition_end(x, &text, &length), 0);
	whole = calloc(1, length + 1);
	assert_non_null(whole);
	memcpy(whole, text, length);
	free(text);
	if (strcmp(whole, expected))
		fail_msg("it is\n%s\nnot\n%s", whole, expected);
	free(whole);
}

/* ---- samples ---- */

static void a_family_has_its_head_before_its_first_sample(void **state)
{
	struct exposition x = EXPOSITION(EXPOSITION_OPENMETRICS);

	(void)state;
	exposition_family(&x, &requests);
	exposition_count(&x, by_model, 2, 7);
	exposition_count(&x, by_model, 1, UINT64_MAX);
	exposition_family(&x, &ratio); /* without a sample */
	exposition_family(&x, &build);
	exposition_count(&x, NULL, 0, 1);
	check_text(&x, "# HELP requests How many.\n# TYPE requests counter\n"
		       "requests_total{model=\"chat\",version=\"v1\"} 7\nrequests_total{model=\"chat\"} 18446744073709551615\n"
		       "# HELP build Which.\n# TYPE build info\nbuild_info 1\n# EOF\n");
}

static void the_older_format_has_other_heads_and_no_end(void **state)
{
	struct exposition x = EXPOSITION(EXPOSITION_TEXT);

	(void)state;
	exposition_family(&x, &cpu);
	exposition_count(&x, by_model, 2, 7);
	exposition_family(&x, &build);
	exposition_count(&x, NULL, 0, 1);
	check_text(&x, "# HELP cpu_seconds_total How long.\n# TYPE cpu_seconds_total counter\n"
		       "cpu_seconds_total{model=\"chat\",version=\"v1\"} 7\n"
		       "# HELP build_info Which.\n# TYPE build_info gauge\nbuild_info 1\n");
}

static void nothing_is_an_empty_text(void **state)
{
	struct exposition older = EXPOSITION(EXPOSITION_TEXT), open = EXPOSITION(EXPOSITION_OPENMETRICS);

	(void)state;
	check_text(&older, "");
	check_text(&open, "# EOF\n");
}

static void labels_without_a_value_are_left_out(void **state)
{
	struct exposition x = EXPOSITION(EXPOSITION_TEXT);

	(void)state;
	exposition_family(&x, &ratio);
	exposition_real(&x, (struct exposition_label[]){{"a", NULL}, {"b", "c"}, {NULL, NULL}}, 3, 0.5);
	exposition_real(&x, (struct exposition_label[]){{"a", NULL}}, 1, 0.5);
	check_text(&x, "# HELP success_ratio How well.\n# TYPE success_ratio gauge\nsuccess_ratio{b=\"c\"} 0.5\n"
		       "success_ratio 0.5\n");
}

static void label_values_are_escaped(void **state)
{
	struct exposition x = EXPOSITION(EXPOSITION_TEXT);

	(void)state;
	exposition_family(&x, &requests);
	exposition_count(&x, (struct exposition_label[]){{"a", "\"b\\c\nd\xc3\xa9"}}, 1, 1);
	check_text(&x, "# HELP requests_total How many.\n# TYPE requests_total counter\n"
		       "requests_total{a=\"\\\"b\\\\c\\nd\xc3\xa9\"} 1\n");
}

static void times_are_exact(void **state)
{
	struct exposition x = EXPOSITION(EXPOSITION_OPENMETRICS);

	(void)state;
	exposition_family(&x, &cpu);
	exposition_time(&x, NULL, 0, 0);
	exposition_time(&x, NULL, 0, 1);
	exposition_time(&x, NULL, 0, 123456789012345678);
	check_text(&x, "# HELP cpu_seconds How long.\n# TYPE cpu_seconds counter\n# UNIT cpu_seconds seconds\n"
		       "cpu_seconds_total 0.000000000\ncpu_seconds_total 0.000000001\ncpu_seconds_total 123456789.012345678\n# EOF\n");
}

static void what_is_not_finite_is_not_written(void **state)
{
	struct exposition x = EXPOSITION(EXPOSITION_TEXT);

	(void)state;
	exposition_family(&x, &ratio);
	exposition_real(&x, NULL, 0, NAN);
	exposition_real(&x, NULL, 0, INFINITY);
	exposition_real(&x, NULL, 0, -INFINITY);
	exposition_real(&x, NULL, 0, 1e300);
	exposition_real(&x, NULL, 0, -0.1);
	check_text(&x, "# HELP success_ratio How well.\n# TYPE success_ratio gauge\nsuccess_ratio 1e+300\nsuccess_ratio -0.1\n");
}

static void a_histogram_is_its_buckets_its_sum_and_its_count(void **state)
{
	static const struct exposition_edge edges[] = {{1000000, "0.001"}, {1000000000, "1.0"}};
	static const uint64_t at_most[] = {3, 5};
	static const struct exposition_hist hist = {edges, 2, at_most, 9, 1500000000};
	struct exposition x = EXPOSITION(EXPOSITION_TEXT);

	(void)state;
	exposition_family(&x, &duration);
	exposition_hist(&x, by_model, 2, &hist);
	exposition_hist(&x, NULL, 0, &hist);
	check_text(&x, "# HELP duration_seconds How slow.\n# TYPE duration_seconds histogram\n"
		       "duration_seconds_bucket{model=\"chat\",version=\"v1\",le=\"0.001\"} 3\n"
		       "duration_seconds_bucket{model=\"chat\",version=\"v1\",le=\"1.0\"} 5\n"
		       "duration_seconds_bucket{model=\"chat\",version=\"v1\",le=\"+Inf\"} 9\n"
		       "duration_seconds_sum{model=\"chat\",version=\"v1\"} 1.500000000\n"
		       "duration_seconds_count{model=\"chat\",version=\"v1\"} 9\n"
		       "duration_seconds_bucket{le=\"0.001\"} 3\nduration_seconds_bucket{le=\"1.0\"} 5\n"
		       "duration_seconds_bucket{le=\"+Inf\"} 9\nduration_seconds_sum 1.500000000\nduration_seconds_count 9\n");
}

/* It moves in memory as it grows, with what is copied out of it. */
static void a_long_text_is_whole(void **state)
{
	struct exposition x = EXPOSITION(EXPOSITION_TEXT);
	struct exposition_edge edges[52];
	uint64_t at_most[52] = {};
	struct exposition_hist hist = {edges, ARRAY_SIZE(edges), at_most, 1, 1};
	size_t length, lines = 0;
	char *text;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(edges); i++)
		edges[i] = (struct exposition_edge){1, "1.0"};
	exposition_family(&x, &duration);
	for (unsigned i = 0; i < 500; i++)
		exposition_hist(&x, by_model, 2, &hist);
	assert_int_equal(exposition_end(&x, &text, &length), 0);
	for (size_t i = 0; i < length; i += strcspn(text + i, "\n") + 1, lines++)
		if (lines > 1)
			assert_int_equal(strncmp(text + i, "duration_seconds_", 17), 0);
	assert_int_equal(lines, 2 + 500 * 55);
	free(text);
}

/* ---- who gets which format ---- */

static void the_header_accept_chooses_the_format(void **state)
{
	static const struct {
		const char *accept;
		enum exposition_format format;
	} rows[] = {
		{NULL, EXPOSITION_TEXT},
		{"", EXPOSITION_TEXT},
		{"*/*", EXPOSITION_TEXT},
		{"text/plain", EXPOSITION_TEXT},
		{"text/html,application/xhtml+xml,*/*;q=0.8", EXPOSITION_TEXT},
		{"application/openmetrics-text", EXPOSITION_OPENMETRICS},
		{"Application/OpenMetrics-Text ; Version=1.0.0 ; charset=utf-8", EXPOSITION_OPENMETRICS},
		/* Prometheus 2.42 and 3.0 */
		{"application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
		 "text/plain;version=0.0.4;q=0.5,*/*;q=0.1", EXPOSITION_OPENMETRICS},
		{"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;"
		 "q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
		 EXPOSITION_OPENMETRICS},
		{"text/plain;version=0.0.4;q=0.9, application/openmetrics-text;version=1.0.0;q=0.5", EXPOSITION_TEXT},
		{"text/plain, application/openmetrics-text", EXPOSITION_OPENMETRICS}, /* as well liked */
		{"application/openmetrics-text;q=0", EXPOSITION_TEXT},
		{"application/openmetrics-text;version=2.0.0", EXPOSITION_TEXT},
		{"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited,"
		 "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.7", EXPOSITION_OPENMETRICS},
		{";;;,,,q=", EXPOSITION_TEXT},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
		if (exposition_format_for(rows[i].accept) != rows[i].format)
			fail_msg("'%s' is answered in the other format", rows[i].accept);
}

static void each_format_says_what_it_is(void **state)
{
	(void)state;
	assert_string_equal(exposition_content_type(EXPOSITION_OPENMETRICS),
			    "application/openmetrics-text; version=1.0.0; charset=utf-8");
	assert_string_equal(exposition_content_type(EXPOSITION_TEXT), "text/plain; version=0.0.4; charset=utf-8");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_family_has_its_head_before_its_first_sample),
		cmocka_unit_test(the_older_format_has_other_heads_and_no_end),
		cmocka_unit_test(nothing_is_an_empty_text),
		cmocka_unit_test(labels_without_a_value_are_left_out),
		cmocka_unit_test(label_values_are_escaped),
		cmocka_unit_test(times_are_exact),
		cmocka_unit_test(what_is_not_finite_is_not_written),
		cmocka_unit_test(a_histogram_is_its_buckets_its_sum_and_its_count),
		cmocka_unit_test(a_long_text_is_whole),
		cmocka_unit_test(the_header_accept_chooses_the_format),
		cmocka_unit_test(each_format_says_what_it_is),
	};

	return cmocka_run_group_tests_name("exposition", tests, NULL, NULL);
}
