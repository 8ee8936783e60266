/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The sliding window: the snapshots of the last ticks. Pure. */
#ifndef SERIN_WINDOW_H
#define SERIN_WINDOW_H

#include "serin/model.h"

#define WINDOW_SNAPSHOTS 256

struct serin_window {
	struct serin_snapshot snapshots[WINDOW_SNAPSHOTS]; /* a ring, oldest at `first` */
	unsigned first, n;
};

/* The place of the next snapshot, which the caller fills at once; the oldest is given up when the ring is full. */
struct serin_snapshot *window_push(struct serin_window *window);

/* The newest snapshot, NULL when there is none. */
const struct serin_snapshot *window_newest(const struct serin_window *window);

/*
 * The snapshot a window of `length_ns` begins with: the newest that is at least that much older than the newest one,
 * else the oldest there is. None from before `since_ns` is taken, so that a release's window begins with its start.
 * NULL with no snapshot.
 */
const struct serin_snapshot *window_begin(const struct serin_window *window, uint64_t length_ns, uint64_t since_ns);

#endif
