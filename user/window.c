// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "window.h"

static const struct serin_snapshot *at(const struct serin_window *window, unsigned i)
{
	return &window->snapshots[(window->first + i) % WINDOW_SNAPSHOTS];
}

struct serin_snapshot *window_push(struct serin_window *window)
{
	if (window->n == WINDOW_SNAPSHOTS)
		window->first = (window->first + 1) % WINDOW_SNAPSHOTS;
	else
		window->n++;
	return &window->snapshots[(window->first + window->n - 1) % WINDOW_SNAPSHOTS];
}

const struct serin_snapshot *window_newest(const struct serin_window *window)
{
	return window->n ? at(window, window->n - 1) : NULL;
}

const struct serin_snapshot *window_begin(const struct serin_window *window, uint64_t length_ns, uint64_t since_ns)
{
	const struct serin_snapshot *newest = window_newest(window), *begin = newest;

	for (unsigned i = window->n; i-- > 0;) {
		const struct serin_snapshot *s = at(window, i);

		if (s->now_ns < since_ns)
			break;
		begin = s;
		if (newest->now_ns - s->now_ns >= length_ns)
			break;
	}
	return begin;
}
