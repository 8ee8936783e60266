/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The agent's log on stdout: a line an event, for people or as JSON. Fields are named as in `serin dump`. The words of
 * events are part of the contract (docs/logs.md): ready, waiting, listening, takeover, weight (by a person), started, step,
 * paused, resumed, promoted, rollback, restored, replanned, reload, warning, failed, tick, stopped.
 *
 * Each has a severity: `level` in JSON, and before the line as sd-daemon(3) has it where stdout is the journal.
 */
#ifndef SERIN_LOG_H
#define SERIN_LOG_H

#include <jansson.h>
#include <stdbool.h>

enum log_form { LOG_TEXT, LOG_JSON };

void log_form(enum log_form form);
enum log_form log_current_form(void);

/* Writes an event. `fields` (an object, or NULL) is taken over; people get the sentence alone, JSON gets both. */
void log_event(const char *event, json_t *fields, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
