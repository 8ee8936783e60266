/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The agent's JSON as people read it: releases at a glance. Text from JSON, nothing else; no clock, no I/O. */
#ifndef SERIN_STATUS_VIEW_H
#define SERIN_STATUS_VIEW_H

#include "page.h"

#include <jansson.h>

struct status_look {
	struct page_look page;
	unsigned rows; /* lines there is room for; where it is too few, what matters most comes first. 0: any number */
};

/*
 * Releases one after the other, each with its versions; then versions of no release, then losses. `dump` is the answer
 * to GET /api/dump; a key that is missing is a figure that is not known. release NULL: all of them. The caller frees it;
 * NULL: memory is out.
 */
char *status_view(const json_t *dump, const char *release, const struct status_look *look);

/* What somebody who follows wants to hear of when it changes: phases, steps, weights, reasons, who listens; not the
 * figures, which change all the time. A new reference to an array, an element a release. */
json_t *status_view_gist(const json_t *dump, const char *release);

#endif
