/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The kernel's log-linear histograms, read. Pure. */
#ifndef SERIN_HIST_H
#define SERIN_HIST_H

#include "serin/model.h"

/* Adds the buckets and sum of `from` to `to`; the larger maximum stays. */
void hist_add(struct serin_hist *to, const struct serin_hist *from);

/* What came between two readings of the same histogram. The maximum is that of `newer`: the kernel keeps only one. */
void hist_since(const struct serin_hist *older, const struct serin_hist *newer, struct serin_hist *ret);

/* How many values it holds. */
uint64_t hist_count(const struct serin_hist *hist);

/* The bucket's lowest value and the one above its highest, in ns. bucket < SERIN_HIST_BUCKETS. */
void hist_bounds(unsigned bucket, uint64_t *ret_low, uint64_t *ret_high);

/*
 * The q-quantile in ns, 0 < q <= 1: the middle of the bucket that holds the ceil(q * count)-th smallest value, so at
 * most 3.125% off. Absent when the histogram is empty.
 */
struct serin_value hist_quantile(const struct serin_hist *hist, double q);

#endif
