/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What the views of the agent's JSON share: ways into it, of which anything may be missing, and the words and marks it is shown
 * by. Text from JSON, nothing else; no clock, no I/O.
 */
#ifndef SERIN_VIEW_H
#define SERIN_VIEW_H

#include "page.h"

#include "serin/model.h"

#include <jansson.h>

#define VIEW_INDENT 11 /* where what a label stands before begins */

/* What a path "a.b" leads to, or NULL; as a number, absent when it is none; as one that is 0 then; as text, "" then. */
const json_t *view_at(const json_t *object, const char *path);
struct serin_value view_number(const json_t *object, const char *path);
double view_count(const json_t *object, const char *path);
const char *view_text(const json_t *object, const char *path);
bool view_is(const json_t *object, const char *path, const char *text);

/* A version in a role ("stable", "canary") of a release, of the dump's models. Agents that do not name a release's versions have one of
 * each role. NULL: there is none. */
const json_t *view_model(const json_t *dump, const json_t *release, const char *role);

/* How far log e of a test has come on its way to the threshold, 0 to 1. Below 0 it speaks for the canary. */
double view_way(const json_t *test);

/* 41 s, 2m 14s, 1h 05m, 3d 04h. */
void view_duration(double seconds, char *ret_text, size_t size);

/* These add to the line. A label, up to VIEW_INDENT; a number times `scale`, "-" when it is not known; a phase with its symbol; a bar. */
void view_put_label(struct page *page, const char *text);
void view_put_number(struct page *page, enum page_style style, struct serin_value value, const char *format, double scale);
void view_put_phase(struct page *page, const char *name);
void view_put_bar(struct page *page, enum page_style style, unsigned width, double share);

/* These end it. Steps in a row, which goes on in the next line where the width ends; losses that are not 0. Nothing when there are
 * none. */
void view_put_steps(struct page *page, const json_t *release);
void view_put_losses(struct page *page, const json_t *dump);

#endif
