/* Links: user/status_view.c user/view.c user/page.c user/util.c -ljansson -lm */
// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "check.h"

#include "status_view.h"
#include "util.h"

#include <stdlib.h>
#include <string.h>

static json_t *dump;
static char *text;

/* A release on its second step, with everything that there can be, and its versions. */
static const char everything[] =
	"{\"models\":["
	" {\"name\":\"chat\",\"version\":\"v1\",\"role\":\"stable\",\"requests\":{\"total\":19000,\"success\":18971,"
	"  \"server_error\":29,\"unknown\":0},\"window\":{\"P\":0.9985,\"R\":0.4,\"D\":null,\"N\":1900,"
	"  \"cpu_seconds_per_request\":0.004,\"resources\":{\"memory\":{\"current\":536870912}}},"
	"  \"latency_seconds\":{\"duration\":{\"p50\":0.0121,\"p99\":0.06},\"pickup\":null}},"
	" {\"name\":\"chat\",\"version\":\"v2\",\"role\":\"canary\",\"requests\":{\"total\":980,\"success\":978,"
	"  \"server_error\":2,\"unknown\":0},\"window\":{\"P\":0.998,\"R\":0.3,\"D\":0.1,\"N\":98,"
	"  \"cpu_seconds_per_request\":0.005}},"
	" {\"name\":\"embed\",\"version\":\"a\",\"role\":\"none\",\"requests\":{\"total\":7}}],"
	"\"releases\":[{\"name\":\"chat\",\"phase\":\"Progressing\",\"stable\":\"v1\",\"canary\":\"v2\",\"step\":2,\"steps\":4,"
	" \"set_weight\":5.0,\"plan\":[{\"weight\":1.0,\"hold_seconds\":60.0},{\"weight\":5.0,\"hold_seconds\":300.0},"
	" {\"weight\":25.0,\"hold_seconds\":7200.0},{\"weight\":100.0,\"hold_seconds\":0.0}],\"manual\":false,"
	" \"since_seconds\":134.2,\"actual_weight\":{\"connections\":4.8,\"requests\":5.1},"
	" \"evidence\":{\"error\":{\"e\":0.8,\"log_e\":-0.2,\"threshold\":200.0,\"log_threshold\":5.0,\"excess\":0.01},"
	"  \"latency\":{\"e\":12.2,\"log_e\":2.5,\"threshold\":200.0,\"log_threshold\":5.0,\"excess\":0.034},\"margin\":0.01,"
	"  \"no_worse\":false,\"blocks\":120,\"requests\":{\"stable\":1000,\"canary\":50},\"split_as_set\":true},"
	" \"reason\":\"no worse than stable by more than 1%\",\"reason_code\":\"no_worse\",\"waiting\":\"hold\","
	" \"waiting_for\":\"step 2 of 4: 134 s of 300 s\","
	" \"gates\":{\"P_min\":0.95,\"R_max\":null,\"D_max\":0.05,\"cpu_ratio_max\":1.5,\"min_requests\":50,\"external\":["
	"  {\"name\":\"accuracy\",\"min\":0.9,\"max\":null,\"value\":0.93,\"age_seconds\":3.0},"
	"  {\"name\":\"click_rate\",\"min\":0.1,\"max\":0.2,\"value\":null,\"age_seconds\":null}]},"
	" \"external\":[{\"version\":\"v2\",\"name\":\"accuracy\",\"value\":0.93,\"age_seconds\":3.0},"
	"  {\"version\":\"v1\",\"name\":\"accuracy\",\"value\":0.94,\"age_seconds\":75.0}],"
	" \"draining\":{\"connections\":3,\"in_flight\":1,\"ended\":12,\"reset\":2,\"aged\":4,\"unreachable\":0},"
	" \"stable_listens\":true,\"canary_listens\":true,\"note\":null}],"
	"\"losses\":{\"gap\":3,\"pipeline\":0,\"store\":1}}";

static int load(void **state)
{
	(void)state;
	dump = json_loads(everything, 0, NULL);
	assert_non_null(dump);
	return 0;
}

static int end(void **state)
{
	(void)state;
	json_decref(dump);
	free(text);
	text = NULL;
	return 0;
}

static json_t *release(void)
{
	return json_array_get(json_object_get(dump, "releases"), 0);
}

/* Changes members of the release: an object in JSON with ' for ". */
static void change(const char *members)
{
	char json[512];
	json_t *object;

	snprintf(json, sizeof(json), "%s", members);
	for (char *c = json; *c; c++)
		if (*c == '\'')
			*c = '"';
	object = json_loads(json, 0, NULL);
	assert_non_null(object);
	json_object_update(release(), object);
	json_decref(object);
}

static void look(unsigned width, bool utf8, bool colour, unsigned rows)
{
	free(text);
	text = status_view(dump, NULL, &(struct status_look){{width, utf8, colour}, rows});
	assert_non_null(text);
}

/* The line that begins so, or NULL; of the caller until the next call. */
static const char *line(const char *start)
{
	static char found[512];
	const char *at = text;

	for (; at && *at; at = strchr(at, '\n') + 1) {
		if (strncmp(at, start, strlen(start)))
			continue;
		snprintf(found, sizeof(found), "%.*s", (int)strcspn(at, "\n"), at);
		return found;
	}
	return NULL;
}

#define check_line(start, expected)                                                                        \
	do {                                                                                               \
		const char *line_ = line(start);                                                           \
		if (!line_)                                                                                \
			fail_msg("no line '%s' in:\n%s", start, text);                                     \
		assert_string_equal(line_, expected);                                                      \
	} while (0)

#define check_no_line(start) assert_null(line(start))

static unsigned count_lines(void)
{
	unsigned n = 0;

	for (const char *c = text; *c; c++)
		n += *c == '\n';
	return n;
}

/* Columns of the longest line. Everything that comes out here is one column wide. */
static unsigned longest(void)
{
	unsigned most = 0, n = 0;

	for (const char *c = text; *c; c++) {
		n = *c == '\n' ? 0 : n + ((*c & 0xc0) != 0x80);
		if (n > most)
			most = n;
	}
	return most;
}

/* ---- what it says ---- */

static void a_release_on_its_way(void **state)
{
	(void)state;
	look(80, true, false, 0);
	check_line("chat", "chat");
	check_line("Phase", "Phase      \u25cc Progressing, step 2 of 4");
	check_line("Versions", "Versions   stable v1, canary v2");
	check_line("Weight", "Weight     set 5% for 2m 14s, actual 4.8% of connections, 5.1% of requests");
	check_line("Steps", "Steps      \u2714 1% 60s \u2500\u2500 \u25b6 5% 5m \u2500\u2500 \u25cb 25% 2h \u2500\u2500 \u25cb 100%");
	check_line("Waits for", "Waits for  step 2 of 4: 134 s of 300 s");
	check_line("Reason", "Reason     no worse than stable by more than 1%");
	check_line("Evidence", "Evidence   no worse (margin 1%): not yet; 1000 + 50 requests, 120 blocks");
	check_line("Draining", "Draining   3 connections of the canary, in flight 1; ended 12, reset 2, aged 4");
	check_line("Losses", "Losses     gap 3, store 1");
	check_no_line("Note");
}

static void the_bars_show_the_way_to_the_threshold(void **state)
{
	(void)state;
	look(80, false, false, 0);
	check_line("  errors", "  errors   ................................  e 0.8 of 200, excess 1.0%");
	check_line("  latency", "  latency  ################................  e 12.2 of 200, excess 3.4%");
	look(80, true, false, 0);
	check_line("  latency", "  latency  \u2588\u2588\u2588\u2588\u2588\u2588\u2588\u2588\u2588\u2588\u2588\u2588\u2588\u2588\u2588"
				"\u2588\u2591\u2591\u2591\u2591\u2591\u2591\u2591\u2591\u2591\u2591\u2591\u2591\u2591\u2591\u2591"
				"\u2591  e 12.2 of 200, excess 3.4%");
}

static void a_bar_is_full_at_the_threshold_and_beyond(void **state)
{
	(void)state;
	change("{'evidence':{'error':{'e':1e300,'log_e':900.5,'threshold':200.0,'log_threshold':5.3,'excess':0.5},"
	       "'latency':{'e':null,'log_e':null,'threshold':null,'log_threshold':null,'excess':null},'margin':0.01,"
	       "'no_worse':true,'blocks':9,'requests':{'stable':1,'canary':2},'split_as_set':false}}");
	look(80, false, false, 0);
	check_line("Evidence", "Evidence   no worse (margin 1%): yes; 1 + 2 requests, 9 blocks");
	check_line("  errors", "  errors   ################################  e 1e+300 of 200, excess 50.0%");
	check_line("  latency", "  latency  ................................  e - of -, excess -");
	check_line("           connections are not", "           connections are not split as set: see actual weight");
}

static void gates_show_figure_bound_and_verdict(void **state)
{
	(void)state;
	look(80, true, false, 0);
	check_line("Gates", "Gates      from 50 requests in the window on; the canary has 98");
	check_line("  P ", "  P          0.998 >= 0.95  \u2714");
	check_line("  D ", "  D          0.1 <= 0.05  \u2716");
	check_line("  CPU/req", "  CPU/req    1.25 <= 1.5  \u2714, the canary's over stable's");
	check_line("  accuracy", "  accuracy   0.93 >= 0.9  \u2714, 3 s ago");
	check_line("  click_rate", "  click_rate - >= 0.1 <= 0.2");
	check_no_line("  R ");
	check_line("External", "External   accuracy of v1 0.94, 1m 15s ago");
	look(80, false, false, 0);
	check_line("  P ", "  P          0.998 >= 0.95  ok");
	check_line("  D ", "  D          0.1 <= 0.05  broken");
}

static void every_phase_has_its_symbol(void **state)
{
	static const struct {
		const char *change, *utf8, *ascii;
	} phases[] = {
		{"{'phase':'Idle','step':null}", "Phase      \u25cb Idle", "Phase      o Idle"},
		{"{'phase':'Progressing'}", "Phase      \u25cc Progressing", "Phase      ~ Progressing"},
		{"{'phase':'Paused'}", "Phase      \u0965 Paused", "Phase      = Paused"},
		{"{'phase':'Promoted'}", "Phase      \u2714 Promoted", "Phase      + Promoted"},
		{"{'phase':'RolledBack'}", "Phase      \u2716 RolledBack", "Phase      x RolledBack"},
	};

	(void)state;
	change("{'step':null}");
	for (size_t i = 0; i < ARRAY_SIZE(phases); i++) {
		change(phases[i].change);
		look(80, true, false, 0);
		check_line("Phase", phases[i].utf8);
		look(80, false, false, 0);
		check_line("Phase", phases[i].ascii);
	}
}

static void a_phase_of_tomorrow_is_shown_by_its_name(void **state)
{
	(void)state;
	change("{'phase':'Hibernating','step':null}");
	look(80, true, false, 0);
	check_line("Phase", "Phase      Hibernating");
	change("{'phase':null}");
	look(80, true, false, 0);
	check_line("Phase", "Phase      -");
}

static void steps_are_done_current_or_to_come(void **state)
{
	(void)state;
	change("{'phase':'Promoted','step':4}");
	look(80, false, false, 0);
	check_line("Steps", "Steps      + 1% 60s -- + 5% 5m -- + 25% 2h -- + 100%");
	change("{'phase':'RolledBack','step':null}");
	look(80, false, false, 0);
	check_line("Steps", "Steps      . 1% 60s -- . 5% 5m -- . 25% 2h -- . 100%");
	change("{'phase':'Paused','step':1,'manual':true}");
	look(80, false, false, 0);
	check_line("Steps", "Steps      > 1% 60s -- . 5% 5m -- . 25% 2h -- . 100%");
	check_line("Phase", "Phase      = Paused, step 1 of 4, by hand");
	change("{'plan':[],'step':null,'steps':null}");
	look(80, false, false, 0);
	check_no_line("Steps");
}

static void times_as_people_say_them(void **state)
{
	(void)state;
	change("{'since_seconds':0.4}");
	look(0, false, false, 0);
	assert_non_null(strstr(line("Weight"), "for 0 s,"));
	change("{'since_seconds':59.9}");
	look(0, false, false, 0);
	assert_non_null(strstr(line("Weight"), "for 59 s,"));
	change("{'since_seconds':60}");
	look(0, false, false, 0);
	assert_non_null(strstr(line("Weight"), "for 1m 00s,"));
	change("{'since_seconds':7384}");
	look(0, false, false, 0);
	assert_non_null(strstr(line("Weight"), "for 2h 03m,"));
	change("{'since_seconds':273600}");
	look(0, false, false, 0);
	assert_non_null(strstr(line("Weight"), "for 3d 04h,"));
}

static void who_does_not_listen_is_named(void **state)
{
	(void)state;
	change("{'canary_listens':false,'note':'its listener is in another network namespace'}");
	look(80, true, false, 0);
	check_line("Versions", "Versions   stable v1, canary v2 (does not listen)");
	check_line("Note", "Note       its listener is in another network namespace");
}

static void the_table_has_a_column_a_version(void **state)
{
	(void)state;
	look(80, true, false, 0);
	check_line("P  success ratio", "P  success ratio           0.9985       0.9980");
	check_line("D  anomalies/s", "D  anomalies/s                  -         0.10");
	check_line("duration p99", "duration p99            60.000 ms            -");
	check_line("memory", "memory                  512.0 MiB            -");
	assert_non_null(strstr(text, "\n                               v1           v2\n"));
	assert_non_null(strstr(text, "\n                          embed/a\n"));
}

static void the_canary_of_an_agent_that_names_no_versions(void **state)
{
	(void)state;
	json_object_del(release(), "stable");
	json_object_del(release(), "canary");
	look(80, true, false, 0);
	check_line("Versions", "Versions   stable v1, canary v2");
	check_line("P  success ratio", "P  success ratio           0.9985       0.9980");
}

/* ---- what is not known ---- */

static void nothing_known_is_nothing_made_up(void **state)
{
	const char *key;
	json_t *value;
	void *next;

	(void)state;
	json_object_foreach_safe(release(), next, key, value)
		if (strcmp(key, "name") && strcmp(key, "phase"))
			json_object_set_new(release(), key, json_null());
	json_object_set_new(dump, "models", json_array());
	look(80, true, false, 0);
	check_line("Phase", "Phase      \u25cc Progressing");
	check_line("Versions", "Versions   stable -, canary -");
	check_line("Weight", "Weight     set -, actual - of connections, - of requests");
	check_no_line("Evidence");
	check_no_line("Gates");
	check_no_line("Draining");
	check_no_line("Reason");
	check_no_line("P ");
}

static void of_an_empty_release_there_is_a_name(void **state)
{
	(void)state;
	json_object_clear(release());
	look(80, true, false, 0);
	check_line("-", "-");
	json_array_clear(json_object_get(dump, "releases"));
	json_array_append_new(json_object_get(dump, "releases"), json_integer(1)); /* not even an object */
	look(80, true, false, 0);
	check_line("-", "-");
}

static void without_releases_there_are_versions(void **state)
{
	(void)state;
	json_array_clear(json_object_get(dump, "releases"));
	look(80, true, false, 0);
	assert_non_null(strstr(text, "chat/v1      chat/v2      embed/a\n"));
	json_object_clear(dump);
	look(80, true, false, 0);
	assert_string_equal(text, "");
}

/* ---- how it fits ---- */

static void no_line_is_longer_than_the_terminal(void **state)
{
	static const unsigned widths[] = {20, 40, 79, 80, 132, 200};

	(void)state;
	change("{'reason':'a reason that goes on and on, as reasons do, over 12345 requests, and still is not at its end, nor here'}");
	for (size_t i = 0; i < ARRAY_SIZE(widths); i++) {
		look(widths[i], true, false, 0);
		assert_true(longest() <= widths[i]);
		look(widths[i], false, false, 0);
		assert_true(longest() <= widths[i]);
	}
	look(80, true, false, 0);
	assert_non_null(strstr(text, "\n           still is not at its end, nor here\n"));
	look(0, true, false, 0);
	assert_non_null(strstr(text, "nor here\n"));
}

static void the_steps_go_on_in_the_next_line(void **state)
{
	(void)state;
	look(40, false, false, 0);
	assert_non_null(strstr(text, "Steps      + 1% 60s -- > 5% 5m --\n           . 25% 2h -- . 100%\n"));
}

/* A figure that is cut would be another figure. */
static void versions_that_do_not_fit_beside_stand_below(void **state)
{
	(void)state;
	look(40, true, false, 0);
	check_line("P  success ratio", "P  success ratio        0.9985   0.9980");
	json_object_set_new(release(), "canary", json_string("a-version-with-quite-a-name"));
	json_object_set_new(json_array_get(json_object_get(dump, "models"), 1), "version",
			    json_string("a-version-with-quite-a-name"));
	look(50, true, false, 0);
	check_line("P  success ratio", "P  success ratio        0.9985");
	assert_non_null(strstr(text, "                     a-version-with-quite-a-name\nP  success ratio  "));
}

static void long_names_are_whole_where_there_is_room(void **state)
{
	char name[64];

	(void)state;
	memset(name, 'n', 63);
	name[63] = '\0';
	json_object_set_new(release(), "name", json_string(name));
	json_object_set_new(release(), "stable", json_string(name));
	look(200, true, false, 0);
	check_line("nnn", name);
	assert_non_null(strstr(line("Versions"), name));
	look(40, true, false, 0);
	assert_int_equal(longest(), 40);
}

static void a_small_window_gets_what_matters_most(void **state)
{
	(void)state;
	look(80, true, false, 23);
	assert_int_equal(count_lines(), 23);
	assert_memory_equal(text, "Losses", 6);
	assert_non_null(line("Draining"));
	assert_non_null(strstr(text, " more lines in a taller window)\n"));
	look(80, true, false, 45);
	check_no_line("  unknown"); /* which nobody has */
	assert_non_null(line("  server_error"));
	assert_null(strstr(text, "more lines"));
	look(80, true, false, 100);
	assert_memory_equal(text, "chat", 4);
	assert_non_null(line("  unknown"));
}

static void several_releases_one_after_the_other(void **state)
{
	json_t *other;

	(void)state;
	other = json_deep_copy(release());
	json_object_set_new(other, "name", json_string("embed"));
	json_object_set_new(other, "stable", json_string("a"));
	json_object_set_new(other, "phase", json_string("RolledBack"));
	json_array_append_new(json_object_get(dump, "releases"), other);
	look(80, true, false, 0);
	assert_memory_equal(text, "chat\n", 5);
	assert_non_null(strstr(text, "\n\nembed\nPhase      \u2716 RolledBack"));
	assert_null(strstr(text, "embed/a")); /* it belongs to a release now */
	free(text);
	text = status_view(dump, "embed", &(struct status_look){{80, true, false}, 0});
	assert_memory_equal(text, "embed\n", 6);
	assert_null(strstr(text, "chat"));
}

static void plain_is_ascii_without_a_terminals_codes(void **state)
{
	(void)state;
	change("{'reason':'caf\u00e9 \\u001b[31m'}");
	look(0, false, false, 0);
	for (const char *c = text; *c; c++)
		assert_true(*c == '\n' || (*c >= ' ' && *c <= '~'));
}

static void colours_say_what_is_wrong(void **state)
{
	(void)state;
	look(80, true, true, 0);
	assert_non_null(strstr(text, "\033[0;33m\u25cc Progressing\033[0m, step 2 of 4\n"));
	assert_non_null(strstr(text, "\033[0;31m  \u2716\033[0m\n"));
	assert_non_null(strstr(text, "\033[0;32m  \u2714\033[0m"));
	look(80, true, false, 0);
	assert_null(strchr(text, '\033'));
}

/* ---- for followers ---- */

static bool gist_changes(const char *members)
{
	json_t *before = status_view_gist(dump, NULL), *after;
	bool changed;

	change(members);
	after = status_view_gist(dump, NULL);
	changed = !json_equal(before, after);
	json_decref(before);
	json_decref(after);
	return changed;
}

static void the_gist_is_what_people_wait_for(void **state)
{
	(void)state;
	assert_true(gist_changes("{'phase':'Paused'}"));
	assert_true(gist_changes("{'step':3}"));
	assert_true(gist_changes("{'set_weight':25.0}"));
	assert_true(gist_changes("{'reason':'another'}"));
	assert_true(gist_changes("{'waiting':'paused'}"));
	assert_true(gist_changes("{'canary_listens':false}"));
	assert_false(gist_changes("{'since_seconds':135.2}"));
	assert_false(gist_changes("{'waiting_for':'step 2 of 4: 135 s of 300 s'}"));
	assert_false(gist_changes("{'actual_weight':{'connections':4.9,'requests':5.0}}"));
}

/* ---- containers ---- */

#define IN_A_POD "{'runtime':'containerd','id':'0123456789ab','pod_uid':'u','namespace':'shop','pod':'chat-1','container':'vllm'}"
#define IN_A_POD_ONLY "{'runtime':null,'id':'0123456789ab','pod_uid':'u','namespace':'shop','pod':'chat-1','container':null}"
#define BY_NAME "{'runtime':'podman','id':'0123456789ab','pod_uid':null,'namespace':null,'pod':null,'container':'chat'}"
#define BY_ID "{'runtime':null,'id':'0123456789ab','pod_uid':null,'namespace':null,'pod':null,'container':null}"

static void put_into(size_t model, const char *containers)
{
	char json[512];

	snprintf(json, sizeof(json), "[%s]", containers);
	for (char *c = json; *c; c++)
		if (*c == '\'')
			*c = '"';
	json_object_set_new(json_array_get(json_object_get(dump, "models"), model), "containers", json_loads(json, 0, NULL));
}

static void who_runs_in_containers_is_told_with_them(void **state)
{
	(void)state;
	look(80, true, false, 0);
	check_no_line("Runs in");
	put_into(0, "");
	put_into(1, IN_A_POD);
	look(80, true, false, 0);
	check_line("Runs in", "Runs in    canary pod shop/chat-1 (vllm)");
	put_into(0, BY_NAME "," BY_ID "," BY_ID);
	look(0, true, false, 0);
	check_line("Runs in", "Runs in    stable podman container chat and 2 more, canary pod shop/chat-1 (vllm)");
	put_into(0, BY_ID);
	put_into(1, IN_A_POD_ONLY);
	look(0, true, false, 0);
	check_line("Runs in", "Runs in    stable container 0123456789ab, canary pod shop/chat-1");
}

#define T(name) cmocka_unit_test_setup_teardown(name, load, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_release_on_its_way),
		T(the_bars_show_the_way_to_the_threshold),
		T(a_bar_is_full_at_the_threshold_and_beyond),
		T(gates_show_figure_bound_and_verdict),
		T(every_phase_has_its_symbol),
		T(a_phase_of_tomorrow_is_shown_by_its_name),
		T(steps_are_done_current_or_to_come),
		T(times_as_people_say_them),
		T(who_does_not_listen_is_named),
		T(the_table_has_a_column_a_version),
		T(the_canary_of_an_agent_that_names_no_versions),
		T(nothing_known_is_nothing_made_up),
		T(of_an_empty_release_there_is_a_name),
		T(without_releases_there_are_versions),
		T(no_line_is_longer_than_the_terminal),
		T(the_steps_go_on_in_the_next_line),
		T(versions_that_do_not_fit_beside_stand_below),
		T(long_names_are_whole_where_there_is_room),
		T(a_small_window_gets_what_matters_most),
		T(several_releases_one_after_the_other),
		T(plain_is_ascii_without_a_terminals_codes),
		T(colours_say_what_is_wrong),
		T(who_runs_in_containers_is_told_with_them),
		T(the_gist_is_what_people_wait_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
