// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "hist.h"

#include <math.h>

void hist_add(struct serin_hist *to, const struct serin_hist *from)
{
	to->sum += from->sum;
	if (from->max > to->max)
		to->max = from->max;
	for (unsigned i = 0; i < SERIN_HIST_BUCKETS; i++)
		to->bucket[i] += from->bucket[i];
}

void hist_since(const struct serin_hist *older, const struct serin_hist *newer, struct serin_hist *ret)
{
	ret->sum = newer->sum - older->sum;
	ret->max = newer->max;
	for (unsigned i = 0; i < SERIN_HIST_BUCKETS; i++)
		ret->bucket[i] = newer->bucket[i] - older->bucket[i];
}

uint64_t hist_count(const struct serin_hist *hist)
{
	uint64_t count = 0;

	for (unsigned i = 0; i < SERIN_HIST_BUCKETS; i++)
		count += hist->bucket[i];
	return count;
}

void hist_bounds(unsigned bucket, uint64_t *ret_low, uint64_t *ret_high)
{
	unsigned octave = bucket ? (bucket - 1) >> SERIN_HIST_SUB_BITS : 0;
	uint64_t step = 1ULL << (SERIN_HIST_LOW - SERIN_HIST_SUB_BITS + octave);
	uint64_t part = (bucket - 1) & ((1U << SERIN_HIST_SUB_BITS) - 1);

	if (bucket == 0) {
		*ret_low = 0;
		*ret_high = 1ULL << SERIN_HIST_LOW;
	} else if (bucket == SERIN_HIST_BUCKETS - 1) {
		*ret_low = *ret_high = 1ULL << (SERIN_HIST_LOW + SERIN_HIST_OCTAVES);
	} else {
		*ret_low = (1ULL << (SERIN_HIST_LOW + octave)) + part * step;
		*ret_high = *ret_low + step;
	}
}

struct serin_value hist_quantile(const struct serin_hist *hist, double q)
{
	uint64_t count = hist_count(hist), rank, seen = 0, low, high;

	if (!count)
		return (struct serin_value){};
	rank = (uint64_t)ceil(q * (double)count);
	for (unsigned i = 0; i < SERIN_HIST_BUCKETS; i++) {
		seen += hist->bucket[i];
		if (seen < rank || !seen)
			continue;
		hist_bounds(i, &low, &high);
		return serin_known(((double)low + (double)high) / 2);
	}
	return (struct serin_value){};
}
