/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* A histogram over the last seconds: what the kernel counts since load, looked at once a second. Pure. */
#ifndef SERIN_RECENT_H
#define SERIN_RECENT_H

#include "serin/model.h"

#define RECENT_LOOKS 11 /* ten seconds between the first and the last */

struct recent {
	struct serin_hist looks[RECENT_LOOKS]; /* a ring, oldest at `first` */
	uint64_t at_ns[RECENT_LOOKS];
	unsigned first, n;
};

/* The place of the next look, taken at `now_ns`, which the caller fills at once. */
struct serin_hist *recent_push(struct recent *recent, uint64_t now_ns);

/* The newest look, which there must be. */
const struct serin_hist *recent_newest(const struct recent *recent);

/* What came between the oldest look and the newest; empty with fewer than two. */
void recent_hist(const struct recent *recent, struct serin_hist *ret);

/* Seconds between the oldest look and the newest; 0 with fewer than two. */
double recent_seconds(const struct recent *recent);

#endif
