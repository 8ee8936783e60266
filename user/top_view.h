/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What `serin top` shows: a screen of text from what the agent said. It is made for the room there is: what matters most is always on it,
 * more of it where there is room for more. No clock, no I/O.
 */
#ifndef SERIN_TOP_VIEW_H
#define SERIN_TOP_VIEW_H

#include "page.h"
#include "series.h"
#include "top_input.h"

#include <jansson.h>

struct top_scene {
	/* What the agent said, each NULL when it did not: GET /api/dump; "models" of /api/latency; "decisions" of
	 * /api/history, oldest first. */
	const json_t *dump, *latency, *decisions;
	const struct series *series; /* of the releases, in any order */
	unsigned n_series;
	const char *trouble; /* why this is not of now; NULL: it is */
	double age_seconds;  /* how old it then is */
	double now_unix;
	unsigned span_seconds; /* of the curves */
	const char *name;      /* the release that is chosen; NULL: the first */
	bool alone;	       /* it is shown alone, else below a table of all when there are several */
	const struct top_input *input; /* NULL: nobody can press a key */
	const char *message;	       /* what became of the last order; NULL: nothing to tell */
	bool message_is_bad;
	struct page_look look;
	unsigned rows; /* 0: any */
};

/* At most `rows` lines, none wider than look.width. The caller frees it; NULL: memory is out. */
char *top_view(const struct top_scene *scene);

/* The release that is chosen when the one by that name (NULL: none) moves by so many places, at most to the first or last; NULL when
 * there is no release. Borrowed from the dump. */
const char *top_view_choose(const json_t *dump, const char *name, int by);

#endif
