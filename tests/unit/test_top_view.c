/* Links: user/top_view.c user/top_input.c user/status_view.c user/view.c user/spark.c user/series.c user/options.c user/page.c user/util.c -ljansson -lm */
// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#define _GNU_SOURCE 1

#include "check.h"

#include "top_view.h"
#include "util.h"

#include <string.h>

#define NOW 1769860800.0 /* 2026-01-31 12:00:00 UTC */

static json_t *dump, *latency, *decisions;
static struct series series[2];
static struct top_input input;
static struct top_scene scene;
static char *text;

/* As in the JSON of serin dump, with ' for ". */
static const char everything[] =
	"{'models':["
	" {'name':'chat','version':'v1','role':'stable','requests':{'in_flight':3},'window':{'seconds':10.0,'requests_per_second':950.2,'P':0.9985,'R':0.4,'D':null,"
	"  'N':9502,'resources':{'cpu':{'current':0.52}}}},"
	" {'name':'chat','version':'v2','role':'canary','requests':{'in_flight':1},'window':{'seconds':10.0,'requests_per_second':50.1,'P':0.99999,'R':0.3,'D':0.1,"
	"  'N':501,'resources':{'cpu':{'current':0.03}}}},"
	" {'name':'embed','version':'a','role':'stable','requests':{'in_flight':0},'window':{'seconds':10.0,'requests_per_second':0.0,'P':null,'N':0}}],"
	"'releases':[{'name':'chat','phase':'Progressing','stable':'v1','canary':'v2','step':2,'steps':3,"
	" 'set_weight':5.0,'plan':[{'weight':1.0,'hold_seconds':60.0},{'weight':5.0,'hold_seconds':300.0},{'weight':100.0,'hold_seconds':0}],"
	" 'manual':false,'since_seconds':134.2,'actual_weight':{'connections':4.8,'requests':5.1},"
	" 'evidence':{'error':{'e':0.8,'log_e':-0.2,'threshold':200.0,'log_threshold':5.0,'excess':-0.0001},"
	"  'latency':{'e':12.2,'log_e':2.5,'threshold':200.0,'log_threshold':5.0,'excess':0.034}},"
	" 'reason':'no worse than stable by more than 1%','waiting':'hold','waiting_for':'step 2 of 3: 134 s of 300 s',"
	" 'gates':{'P_min':0.95,'R_max':null,'D_max':0.05},'stable_listens':true,'canary_listens':true,'note':null},"
	" {'name':'embed','phase':'RolledBack','stable':'a','canary':'b','step':null,'steps':null,'set_weight':0.0,"
	" 'actual_weight':{'connections':null,'requests':null},'evidence':null,'reason':'P of b is 0.8, below 0.95','waiting_for':null,"
	" 'gates':{},'stable_listens':true,'canary_listens':false,'note':null}],"
	"'losses':{'gap':3,'pipeline':0}}";

static const char curves[] =
	"[{'model':'chat','version':'v1','duration':{'le_seconds':[0.001,0.002,0.004,0.008],'count':[1,8,4,1]}},"
	" {'model':'chat','version':'v2','duration':{'le_seconds':[0.004,0.016,0.03],'count':[2,6,2]}}]";

static const char history[] =
	"[{'release':'chat','at_unix':1769860000.0,'phase':'Progressing','set_weight':1.0,'reason':'the canary listens'},"
	" {'release':'embed','at_unix':1769860100.0,'phase':'RolledBack','set_weight':0.0,'reason':'P of b is 0.8'},"
	" {'release':'chat','at_unix':1769860660.0,'phase':'Progressing','set_weight':5.0,'reason':'no worse than stable'}]";

static json_t *json(const char *with_quotes)
{
	char *copy = strdup(with_quotes);
	json_t *value;

	for (char *c = copy; *c; c++)
		if (*c == '\'')
			*c = '"';
	value = json_loads(copy, 0, NULL);
	free(copy);
	assert_non_null(value);
	return value;
}

/* Ten minutes: all was well, and in the last of them the canary failed a tenth and was slow. */
static void remember(struct series *s, const char *name, const char *stable, const char *canary)
{
	series_assign(s, name, stable, canary);
	for (unsigned i = 0; i < 600; i++) {
		bool bad = i >= 540;
		struct series_look look = {.at_unix = NOW - 599 + i};

		look.track[SERIES_SET_WEIGHT] = look.track[SERIES_REQUESTS] = serin_known(i < 300 ? 1 : 5);
		look.track[SERIES_LOG_E_ERROR] = serin_known(bad ? (i - 540) / 12.0 : 0);
		look.log_threshold_error = look.log_threshold_latency = serin_known(5);
		for (unsigned v = 0; v < SERIES_VERSIONS; v++) {
			bool hit = bad && v == SERIES_CANARY;

			look.figure[v][SERIES_P] = serin_known(hit ? 0.9 : 1);
			look.figure[v][SERIES_RATE] = serin_known(v == SERIES_CANARY ? 50 : 950);
			look.figure[v][SERIES_P50] = serin_known(hit ? 0.01 : 0.002);
			look.figure[v][SERIES_P90] = serin_known(hit ? 0.05 : 0.0034);
			look.figure[v][SERIES_P99] = serin_known(hit ? 1.25 : 0.012);
		}
		series_push(s, &look);
	}
}

static int begin(void **state)
{
	(void)state;
	setenv("TZ", "UTC", 1);
	dump = json(everything);
	latency = json(curves);
	decisions = json(history);
	memset(&input, 0, sizeof(input));
	remember(&series[0], "chat", "v1", "v2");
	memset(&series[1], 0, sizeof(series[1]));
	scene = (struct top_scene){.dump = dump, .latency = latency, .decisions = decisions, .series = series, .n_series = 2,
				   .now_unix = NOW, .span_seconds = 300, .name = "chat", .alone = true, .input = &input,
				   .look = {79, true, false}, .rows = 24};
	return 0;
}

static int end(void **state)
{
	(void)state;
	json_decref(dump);
	json_decref(latency);
	json_decref(decisions);
	free(text);
	text = NULL;
	return 0;
}

static void look(void)
{
	free(text);
	text = top_view(&scene);
	assert_non_null(text);
}

static unsigned lines(void)
{
	unsigned n = 0;

	for (const char *c = text; *c; c++)
		n += *c == '\n';
	return n;
}

/* The line that begins so, without blanks at its beginning; "" when there is none. */
static const char *line(const char *start)
{
	static char found[2048];

	for (const char *at = text; *at; at += strcspn(at, "\n") + 1) {
		const char *word = at + strspn(at, " ");

		if (strncmp(word, start, strlen(start)))
			continue;
		snprintf(found, sizeof(found), "%.*s", (int)strcspn(word, "\n"), word);
		return found;
	}
	return "";
}

static const char *last_line(void)
{
	static char found[2048];
	const char *at = text + strlen(text) - 1;

	while (at > text && at[-1] != '\n')
		at--;
	snprintf(found, sizeof(found), "%.*s", (int)strcspn(at, "\n"), at);
	return found;
}

#define check_has(where, what)                                                                              \
	do {                                                                                               \
		const char *where_ = (where);                                                              \
		if (!strstr(where_, what))                                                                 \
			fail_msg("no '%s' in '%s' of:\n%s", what, where_, text);                           \
	} while (0)

#define check_lacks(where, what)                                                                            \
	do {                                                                                               \
		const char *where_ = (where);                                                              \
		if (strstr(where_, what))                                                                  \
			fail_msg("'%s' in '%s' of:\n%s", what, where_, text);                              \
	} while (0)

/* ---- one release ---- */

static void both_versions_are_side_by_side(void **state)
{
	(void)state;
	look();
	check_has(line("chat"), "chat  \u25cc Progressing, step 2 of 3");
	check_has(line("chat"), "12:00:00");
	check_has(line("Weight"), "set 5% for 2m 14s, actual 4.8% of connections, 5.1% of requests");
	check_has(line("Waits"), "step 2 of 3: 134 s of 300 s");
	check_has(line("stable v1"), "canary v2");
	check_has(line("requests/s"), "950.2");
	check_has(line("requests/s"), "50.1");
	check_has(line("P success"), "0.9985");
	check_has(line("D anom./s"), "        - ");
	check_has(line("D anom./s"), "0.10");
	check_has(line("p50"), "2.00 ms");
	check_has(line("p50"), "10.0 ms");
	check_has(line("p99"), "12.0 ms");
	check_has(line("p99"), "1.25 s");
	check_has(line("CPU"), "0.520");
	check_has(line("in flight"), "3");
	check_has(line("Errors"), "e 0.8 of 200");
	check_has(line("Slowness"), "e 12.2 of 200");
	check_has(line("Losses"), "gap 3");
	check_has(last_line(), "p pause");
	assert_int_equal(lines(), 24);
}

/* 0.99999 is not 1. */
static void a_failure_is_never_rounded_away(void **state)
{
	(void)state;
	look();
	check_has(line("P success"), "0.9999");
	check_lacks(line("P success"), "1.0000");
}

static void what_is_not_known_is_a_dash(void **state)
{
	(void)state;
	json_decref(dump);
	scene.dump = dump = json("{'releases':[{'name':'chat'}]}");
	scene.n_series = 0;
	scene.latency = scene.decisions = NULL;
	look();
	check_has(line("requests/s"), "-");
	check_has(line("P success"), "-");
	check_has(line("p99"), "-");
	check_has(line("Weight"), "set -, actual - of connections, - of requests");
	check_lacks(text, "Errors");
	check_lacks(text, "Latency");
}

static void curves_show_what_the_past_was_like(void **state)
{
	(void)state;
	look();
	/* Five minutes in columns of 15 s: the last four are bad. */
	check_has(line("P success"), "\u2587\u2587\u2587\u2587\u2581\u2581\u2581\u2581");
	check_has(line("stable v1"), "5.5 min");
	scene.span_seconds = 60;
	look();
	check_has(line("P success"), "\u2581\u2581\u2581\u2581\u2581\u2581\u2581\u2581\u2581\u2581\u2581\u2581\u2581\u2581\u2581\u2581");
	scene.n_series = 0;
	scene.latency = NULL;
	look();
	check_lacks(text, "\u2581");
}

/* One that comes when a figure of now is there and its past is not. */
static void without_a_past_there_is_none(void **state)
{
	(void)state;
	scene.n_series = 0;
	look();
	check_has(line("requests/s"), "950.2");
	check_lacks(text, "5.5 min");
	check_has(line("p99"), "-");
}

static void gates_that_are_broken_are_red(void **state)
{
	(void)state;
	scene.look.colour = true;
	look();
	assert_non_null(strstr(text, "\033[0;31m0.10")); /* above D_max */
	json_object_set_new(json_object_get(json_array_get(json_object_get(dump, "releases"), 0), "gates"), "D_max", json_real(0.5));
	look();
	assert_null(strstr(text, "\033[0;31m"));
}

static void latencies_are_shapes_on_one_axis(void **state)
{
	(void)state;
	scene.rows = 30;
	look();
	check_has(line("Latency"), "\u2588");
	check_has(text, " ms ");
	check_has(text, "30.0 ms");
	scene.latency = NULL;
	look();
	check_lacks(text, "Latency");
	check_lacks(text, "30.0 ms");
}

static void streams_have_the_latency_of_their_first_chunk(void **state)
{
	(void)state;
	json_decref(latency);
	scene.latency = latency = json("[{'model':'chat','version':'v1','duration':{'le_seconds':[],'count':[]},"
				       "'stream_first_chunk':{'le_seconds':[0.2],'count':[5]}}]");
	look();
	check_has(line("Latency"), "\u2588\u2588");
}

static void decisions_are_the_releases_own_newest_first(void **state)
{
	(void)state;
	scene.rows = 40;
	look();
	check_has(line("11:57:40"), "Progressing 5%    no worse than stable");
	check_has(line("11:46:40"), "Progressing 1%    the canary listens");
	assert_true(strstr(text, "11:57:40") < strstr(text, "11:46:40"));
	check_lacks(text, "P of b");
	scene.now_unix += 90000;
	look();
	check_has(text, "01-31 11:57");
}

/* ---- sizes ---- */

static void check_fits(unsigned columns, unsigned rows)
{
	struct page page;

	scene.look.width = columns;
	scene.rows = rows;
	look();
	page_init(&page, &(struct page_look){.utf8 = scene.look.utf8});
	if (lines() > rows)
		fail_msg("%u lines in %ux%u:\n%s", lines(), columns, rows, text);
	for (char *at = text, *one; *at;) {
		size_t length = strcspn(at, "\n");

		one = strndup(at, length);
		if (page_columns(&page, one) > columns)
			fail_msg("%u columns in %ux%u: %s", page_columns(&page, one), columns, rows, one);
		free(one);
		at += length + 1;
	}
}

static void it_fits_into_every_size(void **state)
{
	(void)state;
	for (unsigned mode = 0; mode < 4; mode++) {
		scene.alone = mode & 1;
		scene.trouble = mode & 2 ? "no agent listens on /run/serin/api.sock" : NULL;
		for (unsigned columns = 1; columns < 260; columns += columns < 50 ? 1 : 9)
			for (unsigned rows = 1; rows < 70; rows += rows < 14 ? 1 : 5)
				check_fits(columns, rows);
	}
}

static void what_matters_most_is_there_in_the_smallest(void **state)
{
	(void)state;
	scene.look.width = 39;
	scene.rows = 12;
	look();
	check_has(line("chat"), "Progressing");
	check_has(line("weight"), "set 5%, is 4.8% 5.1%");
	check_has(line("v1"), "v2");
	check_has(line("P "), "0.9985");
	check_has(line("D "), "0.10");
	check_has(line("req/s"), "950.2");
	check_has(line("p99"), "1.25 s");
	check_has(line("errors"), "of 200");
	check_has(last_line(), "? help");
}

static void the_wider_the_longer_the_curves(void **state)
{
	(void)state;
	scene.look.width = 199;
	scene.rows = 50;
	look();
	assert_int_equal(lines(), 50);
	check_has(line("Weight"), "\u2587");
	check_has(line("Slowness"), "excess 3.4%");
	check_has(line("Errors"), "excess 0.0%");
	check_has(line("P success"), "\u2581\u2581\u2581\u2581\u2581\u2581\u2581\u2581\u2581\u2581\u2581\u2581");
}

static void in_ascii_there_is_nothing_else(void **state)
{
	(void)state;
	scene.look.utf8 = false;
	for (unsigned mode = 0; mode < 5; mode++) {
		input.mode = mode < 4 ? mode : 0;
		scene.alone = mode < 4;
		look();
		for (const char *c = text; *c; c++)
			assert_true(*c == '\n' || (*c >= ' ' && *c <= '~'));
	}
}

static void without_colour_there_are_no_codes(void **state)
{
	(void)state;
	scene.trouble = "gone";
	look();
	check_lacks(text, "\033");
	scene.look.colour = true;
	look();
	check_has(text, "\033[0;31mgone");
}

/* ---- several ---- */

static void several_are_a_table(void **state)
{
	(void)state;
	scene.alone = false;
	scene.name = "embed";
	look();
	check_has(line("RELEASE"), "PHASE");
	check_has(line("chat "), "\u25cc Progressing      5%");
	check_has(line("chat "), "2/3");
	check_has(line("\u25b6 embed"), "\u2716 RolledBack       0%      -");
	check_has(line("embed"), "RolledBack"); /* below, as there is room */
	check_has(line("Reason"), "P of b is 0.8");
	check_has(text, "canary b (does not listen)");
	check_lacks(text, "step 2 of 3: 134");
}

static void the_chosen_one_is_seen_in_the_smallest_table(void **state)
{
	(void)state;
	scene.alone = false;
	scene.rows = 3;
	scene.name = "embed";
	look();
	check_has(line("\u25b6"), "embed");
}

static void choosing_stops_at_the_ends(void **state)
{
	(void)state;
	assert_string_equal(top_view_choose(dump, NULL, 0), "chat");
	assert_string_equal(top_view_choose(dump, "chat", 1), "embed");
	assert_string_equal(top_view_choose(dump, "chat", -1), "chat");
	assert_string_equal(top_view_choose(dump, "embed", 1), "embed");
	assert_string_equal(top_view_choose(dump, "nobody", 0), "chat");
	assert_null(top_view_choose(NULL, NULL, 0));
}

static void without_a_release_versions_are_shown(void **state)
{
	(void)state;
	json_object_del(dump, "releases");
	scene.name = NULL;
	look();
	check_has(text, "chat/v1");
	check_has(text, "0.9985");
	assert_int_equal(lines(), 24);
}

/* ---- the foot ---- */

static void questions_say_what_a_yes_does(void **state)
{
	(void)state;
	input = (struct top_input){.mode = TOP_ASKING, .asked = TOP_ABORT};
	look();
	assert_string_equal(last_line(), "chat: take v2 out of traffic? y/n");
	input.asked = TOP_PROMOTE;
	look();
	assert_string_equal(last_line(), "chat: promote v2 to step 3, 100%? y/n");
	scene.name = "embed";
	look();
	assert_string_equal(last_line(), "embed: promote b? y/n");
	input = (struct top_input){.mode = TOP_TYPING, .typed = "12.5"};
	look();
	assert_string_equal(last_line(), "embed: weight of b, 0 to 100 percent: 12.5_");
}

static void a_message_stands_where_the_keys_were(void **state)
{
	(void)state;
	scene.message = "chat: Paused.";
	look();
	assert_string_equal(last_line(), "chat: Paused.");
}

static void the_help_tells_all_keys(void **state)
{
	(void)state;
	input.mode = TOP_HELPING;
	look();
	for (const struct top_help *h = top_help; h->key; h++)
		check_has(text, h->about);
}

/* ---- trouble ---- */

static void figures_that_are_old_say_so(void **state)
{
	(void)state;
	scene.trouble = "no agent listens on /run/serin/api.sock";
	scene.age_seconds = 75;
	look();
	check_has(line("no agent"), "api.sock; what is below is 1m 15s old");
	check_has(line("P success"), "0.9985");
	scene.look.colour = true;
	look();
	assert_null(strstr(text, "\033[0;32m")); /* faded: nothing is green */
}

static void without_any_figure_it_says_why(void **state)
{
	(void)state;
	scene.dump = NULL;
	scene.trouble = "no agent listens on /run/serin/api.sock";
	look();
	check_has(text, "no agent listens on /run/serin/api.sock; waiting for it");
	assert_int_equal(lines(), 24);
	check_has(last_line(), "q quit");
}

/* ---- printed ---- */

static void what_is_printed_has_no_keys_and_no_end(void **state)
{
	(void)state;
	scene.input = NULL;
	scene.rows = 0;
	scene.look = (struct page_look){};
	look();
	check_has(line("P success"), "0.9985");
	check_has(line("Latency"), "#");
	check_lacks(text, "pause");
	scene.alone = false;
	look();
	assert_int_equal(lines(), 3);
	check_has(line("embed"), "x RolledBack");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(both_versions_are_side_by_side, begin, end),
		cmocka_unit_test_setup_teardown(a_failure_is_never_rounded_away, begin, end),
		cmocka_unit_test_setup_teardown(what_is_not_known_is_a_dash, begin, end),
		cmocka_unit_test_setup_teardown(curves_show_what_the_past_was_like, begin, end),
		cmocka_unit_test_setup_teardown(without_a_past_there_is_none, begin, end),
		cmocka_unit_test_setup_teardown(gates_that_are_broken_are_red, begin, end),
		cmocka_unit_test_setup_teardown(latencies_are_shapes_on_one_axis, begin, end),
		cmocka_unit_test_setup_teardown(streams_have_the_latency_of_their_first_chunk, begin, end),
		cmocka_unit_test_setup_teardown(decisions_are_the_releases_own_newest_first, begin, end),
		cmocka_unit_test_setup_teardown(it_fits_into_every_size, begin, end),
		cmocka_unit_test_setup_teardown(what_matters_most_is_there_in_the_smallest, begin, end),
		cmocka_unit_test_setup_teardown(the_wider_the_longer_the_curves, begin, end),
		cmocka_unit_test_setup_teardown(in_ascii_there_is_nothing_else, begin, end),
		cmocka_unit_test_setup_teardown(without_colour_there_are_no_codes, begin, end),
		cmocka_unit_test_setup_teardown(several_are_a_table, begin, end),
		cmocka_unit_test_setup_teardown(the_chosen_one_is_seen_in_the_smallest_table, begin, end),
		cmocka_unit_test_setup_teardown(choosing_stops_at_the_ends, begin, end),
		cmocka_unit_test_setup_teardown(without_a_release_versions_are_shown, begin, end),
		cmocka_unit_test_setup_teardown(questions_say_what_a_yes_does, begin, end),
		cmocka_unit_test_setup_teardown(a_message_stands_where_the_keys_were, begin, end),
		cmocka_unit_test_setup_teardown(the_help_tells_all_keys, begin, end),
		cmocka_unit_test_setup_teardown(figures_that_are_old_say_so, begin, end),
		cmocka_unit_test_setup_teardown(without_any_figure_it_says_why, begin, end),
		cmocka_unit_test_setup_teardown(what_is_printed_has_no_keys_and_no_end, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
