// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "log.h"

#include "util.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

#define REAL_DIGITS 13 /* a moment in Unix seconds to the millisecond; and 0.1 is still 0.1 */

static enum log_form current_form;

void log_form(enum log_form form)
{
	current_form = form;
}

enum log_form log_current_form(void)
{
	return current_form;
}

/* RFC 3339 in UTC, to the millisecond. */
static void format_time(char *ret_text, size_t size)
{
	struct timespec now;
	struct tm parts;
	char seconds[32];

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &parts);
	strftime(seconds, sizeof(seconds), "%Y-%m-%dT%H:%M:%S", &parts);
	snprintf(ret_text, size, "%s.%03ldZ", seconds, now.tv_nsec / 1000000);
}

/* What is not named here is `info`. */
static const struct level {
	const char *event, *name;
	int severity;
} levels[] = {
	{"failed", "error", LOG_ERR},
	{"warning", "warning", LOG_WARNING},
	{"rollback", "warning", LOG_WARNING},
	{"tick", "debug", LOG_DEBUG},
};
static const struct level info = {NULL, "info", LOG_INFO}, refused = {NULL, "warning", LOG_WARNING};

/* An event that tells that what was asked for is not "done" is a warning. */
static const struct level *level_of(const char *event, const json_t *fields)
{
	for (size_t i = 0; i < ARRAY_SIZE(levels); i++)
		if (!strcmp(levels[i].event, event))
			return &levels[i];
	return json_is_false(json_object_get(fields, "done")) ? &refused : &info;
}

static void write_json(const char *time, const char *level, const char *event, const char *message, json_t *fields)
{
	json_t *line = json_pack("{ss ss ss}", "time", time, "level", level, "event", event);

	if (fields)
		json_object_update(line, fields);
	if (*message)
		json_object_set_new(line, "message", json_string(message));
	json_dumpf(line, stdout, JSON_COMPACT | JSON_REAL_PRECISION(REAL_DIGITS));
	fputc('\n', stdout);
	json_decref(line);
}

void log_event(const char *event, json_t *fields, const char *format, ...)
{
	const struct level *level = level_of(event, fields);
	char message[1024], time[64];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	format_time(time, sizeof(time));
	if (util_is_journal(STDOUT_FILENO))
		printf("<%d>", level->severity);
	if (current_form == LOG_JSON)
		write_json(time, level->name, event, message, fields);
	else if (!strcmp(event, "tick"))
		printf("%.8s %s\n", time + 11, message); /* a screen full of them is read by column */
	else
		printf("%.8s serin: %s: %s\n", time + 11, event, message);
	fflush(stdout);
	json_decref(fields);
}
