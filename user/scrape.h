/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What an agent has -> the text of GET /metrics. On the agent's thread: it reads the kernel's maps as they are now. */
#ifndef SERIN_SCRAPE_H
#define SERIN_SCRAPE_H

#include "deployment.h"
#include "metrics.h"

/* What is kept from one scrape to the next. All zero at first, but for the start. */
struct scrape {
	double start_unix; /* of the agent */
	bool store_trouble; /* something is wrong with the store; the agent's to tell before each */
	struct metrics_held held[SERIN_TARGETS_MAX];
};

/*
 * `newest`: the newest snapshot, of which what is not read anew stands. `figures`: of all targets. *ret_text is the
 * caller's to free. 0, or -errno when the kernel cannot be read or memory is out.
 */
int scrape_write(struct scrape *scrape, const struct deployment *deployed, const struct serin_snapshot *newest,
		 const struct serin_figures figures[SERIN_TARGETS_MAX], enum exposition_format format, char **ret_text,
		 size_t *ret_length);

#endif
