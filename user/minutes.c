// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "minutes.h"

#include "collect.h"
#include "hist.h"
#include "util.h"

#include <string.h>

#define MINUTE_NS (60 * NSEC_PER_SEC)

static struct serin_value in_seconds(struct serin_value ns)
{
	ns.v /= 1e9;
	return ns;
}

/* All that takes its time: durations, and of streams the first chunk. */
static int read_hist(const struct serin_maps *maps, unsigned target, struct serin_hist *ret)
{
	struct serin_hist streams;
	int r;

	r = collect_hist(maps, target, SERIN_DURATION, ret);
	if (r == 0)
		r = collect_hist(maps, target, SERIN_STREAM_FIRST_CHUNK, &streams);
	if (r == 0)
		hist_add(ret, &streams);
	return r;
}

static uint64_t anomalies(const struct serin_tally *a, const struct serin_tally *b, uint64_t failed, uint64_t drops)
{
	return failed + b->slow - a->slow + b->exits_signal - a->exits_signal + b->exits_error - a->exits_error + drops;
}

static int write_minute(const struct minutes *minutes, const struct serin_target *target, unsigned index,
			const struct serin_maps *maps, struct store *store, const struct serin_snapshot *now,
			const struct serin_figures *figures, const bool *success, uint32_t weight)
{
	const struct serin_tally *a = &minutes->tally[index], *b = &now->tally[index];
	struct store_minute m = {.at_unix = (int64_t)time(NULL) - 60, .r = figures->r, .d = figures->d, .weight = weight};
	struct serin_hist newest, hist;
	int r = read_hist(maps, index, &newest);

	if (r < 0)
		return r;
	hist_since(&minutes->hist[index], &newest, &hist);
	m.n = figures_n(b) - figures_n(a);
	m.s = figures_s(b, success) - figures_s(a, success);
	if (m.n)
		m.p = serin_known((double)m.s / (double)m.n);
	m.anomalies = anomalies(a, b, m.n - m.s, figures_drops(minutes->drops[index], now->listen_drops[index]));
	m.p50_seconds = in_seconds(hist_quantile(&hist, 0.5));
	m.p90_seconds = in_seconds(hist_quantile(&hist, 0.9));
	m.p99_seconds = in_seconds(hist_quantile(&hist, 0.99));
	m.cpu_seconds = b->cpu_ns > a->cpu_ns ? (double)(b->cpu_ns - a->cpu_ns) / 1e9 : 0;
	store_minute(store, target->model, target->version, &m);
	return 0;
}

static int begin(struct minutes *minutes, const struct targets *targets, const struct serin_maps *maps,
		 const struct serin_snapshot *now)
{
	int r = 0;

	minutes->begin_ns = now->now_ns;
	memcpy(minutes->tally, now->tally, sizeof(minutes->tally));
	memcpy(minutes->drops, now->listen_drops, sizeof(minutes->drops));
	for (unsigned i = 0; r == 0 && i < targets->n; i++)
		if (targets->all[i].model[0])
			r = read_hist(maps, i, &minutes->hist[i]);
	return r;
}

int minutes_look(struct minutes *minutes, const struct targets *targets, const struct serin_maps *maps, struct store *store,
		 const struct serin_snapshot *now, const struct serin_figures *figures, const bool success[SERIN_OUTCOMES],
		 minutes_weight weight, void *context)
{
	int r = 0;

	if (minutes->begin_ns && now->now_ns - minutes->begin_ns < MINUTE_NS)
		return 0;
	for (unsigned i = 0; minutes->begin_ns && r == 0 && i < targets->n; i++)
		if (targets->all[i].model[0])
			r = write_minute(minutes, &targets->all[i], i, maps, store, now, &figures[i], success,
					 weight(i, context));
	return r < 0 ? r : begin(minutes, targets, maps, now);
}
