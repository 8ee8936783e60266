/* Links: user/log.c user/util.c -ljansson */
// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#define _GNU_SOURCE 1 /* timegm() */

#include "check.h"

#include "log.h"
#include "util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

static char *line;	/* what was written */
static json_t *fields;	/* read back from it */
static FILE *terminal;
static size_t line_size;

static void begin(enum log_form form)
{
	log_form(form);
	terminal = stdout;
	stdout = open_memstream(&line, &line_size);
}

static void end(void)
{
	fclose(stdout);
	stdout = terminal;
}

/* One event, stdout caught in `line`, and for JSON read into `fields`. */
#define write_event(form, ...)                                                                             \
	do {                                                                                               \
		begin(form);                                                                               \
		log_event(__VA_ARGS__);                                                                    \
		end();                                                                                     \
		fields = form == LOG_JSON ? json_loads(line, JSON_REJECT_DUPLICATES, NULL) : NULL;         \
		assert_true(form == LOG_TEXT || fields);                                                   \
	} while (0)

static int forget(void **state)
{
	(void)state;
	json_decref(fields);
	free(line);
	fields = NULL;
	line = NULL;
	return 0;
}

static const char *text_at(const char *key)
{
	const char *text = json_string_value(json_object_get(fields, key));

	return text ? text : "(no such text)";
}

/* Is it HH:MM:SS? */
static bool is_clock(const char *text)
{
	int hours, minutes, seconds, length = 0;

	return sscanf(text, "%2d:%2d:%2d%n", &hours, &minutes, &seconds, &length) == 3 && length == 8;
}

static void text_is_the_default(void **state)
{
	(void)state;
	assert_int_equal(log_current_form(), LOG_TEXT);
}

static void the_form_is_what_was_set(void **state)
{
	(void)state;
	log_form(LOG_JSON);
	assert_int_equal(log_current_form(), LOG_JSON);
	log_form(LOG_TEXT);
	assert_int_equal(log_current_form(), LOG_TEXT);
}

static void people_get_time_event_and_sentence(void **state)
{
	(void)state;
	write_event(LOG_TEXT, "rollback", NULL, "%s is at %g%%", "chat", 5.0);
	assert_true(is_clock(line));
	assert_string_equal(line + 8, " serin: rollback: chat is at 5%\n");
}

static void people_do_not_get_the_fields(void **state)
{
	(void)state;
	write_event(LOG_TEXT, "ready", json_pack("{si}", "pid", 4242), "observing");
	assert_null(strstr(line, "4242"));
}

static void a_tick_for_people_is_time_and_columns_only(void **state)
{
	(void)state;
	write_event(LOG_TEXT, "tick", NULL, "stable P 1.000");
	assert_true(is_clock(line));
	assert_string_equal(line + 8, " stable P 1.000\n");
}

static void json_is_one_object_a_line(void **state)
{
	(void)state;
	write_event(LOG_JSON, "ready", NULL, "two\nlines");
	assert_true(json_is_object(fields));
	assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
}

static void json_has_event_and_message(void **state)
{
	(void)state;
	write_event(LOG_JSON, "rollback", NULL, "\"%s\" is out", "chat");
	assert_string_equal(text_at("event"), "rollback");
	assert_string_equal(text_at("message"), "\"chat\" is out");
}

static void json_has_the_fields(void **state)
{
	(void)state;
	write_event(LOG_JSON, "ready", json_pack("{ss si sn}", "release", "chat", "pid", 42, "P"), "observing");
	assert_string_equal(text_at("release"), "chat");
	assert_int_equal(json_integer_value(json_object_get(fields, "pid")), 42);
	assert_true(json_is_null(json_object_get(fields, "P")));
	assert_string_equal(text_at("event"), "ready");
}

static void json_without_a_message_has_no_key_for_it(void **state)
{
	(void)state;
	write_event(LOG_JSON, "tick", json_pack("{si}", "n", 1), "%s", "");
	assert_null(json_object_get(fields, "message"));
}

static void a_time_in_json_is_rfc_3339_in_utc_and_now(void **state)
{
	struct tm parts = {};
	int milliseconds, length = 0;
	time_t before = time(NULL), then;

	(void)state;
	setenv("TZ", "Asia/Kolkata", 1);
	tzset();
	write_event(LOG_JSON, "ready", NULL, "now");
	unsetenv("TZ");
	tzset();
	assert_int_equal(sscanf(text_at("time"), "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ%n", &parts.tm_year, &parts.tm_mon,
				&parts.tm_mday, &parts.tm_hour, &parts.tm_min, &parts.tm_sec, &milliseconds, &length), 7);
	assert_int_equal(length, 24);
	assert_int_equal(strlen(text_at("time")), 24);
	parts.tm_year -= 1900;
	parts.tm_mon--;
	then = timegm(&parts);
	assert_true(then >= before - 1 && then <= before + 60);
}

static void fields_are_taken_over(void **state)
{
	json_t *mine = json_pack("{si}", "pid", 42);

	(void)state;
	json_incref(mine);
	write_event(LOG_TEXT, "ready", mine, "observing");
	assert_int_equal(mine->refcount, 1);
	json_decref(mine);
}

static void a_message_too_long_is_cut(void **state)
{
	char message[5000];

	(void)state;
	memset(message, 'x', sizeof(message) - 1);
	message[sizeof(message) - 1] = '\0';
	write_event(LOG_JSON, "warning", NULL, "%s", message);
	assert_int_equal(strlen(text_at("message")), 1023);
}

static void each_event_has_its_severity(void **state)
{
	static const struct {
		const char *event, *level;
	} all[] = {{"failed", "error"}, {"warning", "warning"}, {"rollback", "warning"}, {"tick", "debug"}, {"ready", "info"},
		   {"promoted", "info"}, {"reload", "info"}};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		write_event(LOG_JSON, all[i].event, json_pack("{sb}", "done", 1), "%s", "");
		assert_string_equal(text_at("level"), all[i].level);
		forget(state);
	}
	write_event(LOG_JSON, "reload", json_pack("{sb}", "done", 0), "refused");
	assert_string_equal(text_at("level"), "warning");
}

/* systemd says which file the journal's is. */
static void the_journal_has_the_severity_before_the_line(void **state)
{
	struct stat st;
	char stream[64];

	assert_int_equal(fstat(STDOUT_FILENO, &st), 0);
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	begin(LOG_JSON);
	log_event("rollback", NULL, "out");
	end();
	assert_memory_equal(line, "<4>{\"time\":", 11);
	forget(state);
	begin(LOG_TEXT);
	log_event("ready", NULL, "observing");
	end();
	assert_memory_equal(line, "<6>", 3);
	assert_string_equal(line + 11, " serin: ready: observing\n");
	forget(state);
	setenv("JOURNAL_STREAM", "1:1", 1); /* another's */
	write_event(LOG_JSON, "rollback", NULL, "out");
	assert_int_equal(line[0], '{');
	unsetenv("JOURNAL_STREAM");
}

#define logging(test) cmocka_unit_test_teardown(test, forget)

/* Decisions carry the moment they were made at. */
static void a_moment_is_written_to_the_millisecond_and_a_tenth_as_a_tenth(void **state)
{
	(void)state;
	write_event(LOG_JSON, "step", json_pack("{sf sf}", "at_unix", 1769860807.123, "margin", 0.1), "%s", "");
	assert_true(json_number_value(json_object_get(fields, "at_unix")) == 1769860807.123);
	assert_non_null(strstr(line, "\"margin\":0.1"));
	assert_null(strstr(line, "\"margin\":0.10"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_the_default),
		cmocka_unit_test(the_form_is_what_was_set),
		logging(people_get_time_event_and_sentence),
		logging(people_do_not_get_the_fields),
		logging(a_tick_for_people_is_time_and_columns_only),
		logging(json_is_one_object_a_line),
		logging(json_has_event_and_message),
		logging(json_has_the_fields),
		logging(json_without_a_message_has_no_key_for_it),
		logging(a_time_in_json_is_rfc_3339_in_utc_and_now),
		logging(fields_are_taken_over),
		logging(a_message_too_long_is_cut),
		logging(each_event_has_its_severity),
		logging(the_journal_has_the_severity_before_the_line),
		logging(a_moment_is_written_to_the_millisecond_and_a_tenth_as_a_tenth),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
