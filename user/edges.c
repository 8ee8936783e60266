// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "edges.h"

#include "collect.h"
#include "hist.h"
#include "util.h"

#include <string.h>

static const double edge_quantiles[] = {0.5, 0.9, 0.99};

_Static_assert(sizeof(edge_quantiles) / sizeof(edge_quantiles[0]) == SERIN_EDGES, "a quantile for each edge");

void edges_init(struct edges *edges, unsigned stable, unsigned canary)
{
	memset(edges, 0, sizeof(*edges));
	edges->target[EDGES_STABLE] = stable;
	edges->target[EDGES_CANARY] = canary;
	edges->margin = 1;
}

void edges_thaw(struct edges *edges)
{
	edges->duration_frozen = edges->first_chunk_frozen = false;
}

uint64_t edges_widen(const struct edges *edges, uint64_t edge_ns)
{
	uint64_t times = (uint64_t)((double)edge_ns * edges->margin), more = edge_ns + edges->floor_ns;

	if (!edge_ns)
		return 0;
	return times > more ? times : more;
}

/* Of the last ten seconds; where there are too few, of all since `past`. */
static bool take_hist(const struct recent *recent, const struct serin_hist *past, struct serin_hist *ret)
{
	recent_hist(recent, ret);
	if (hist_count(ret) >= EDGES_MIN_COUNT)
		return true;
	hist_since(past, recent_newest(recent), ret);
	return hist_count(ret) >= EDGES_MIN_COUNT;
}

static bool freeze_some(const struct recent *recent, const struct serin_hist *past, bool *frozen,
			uint64_t edges_ns[SERIN_EDGES])
{
	struct serin_hist hist;

	if (*frozen || !take_hist(recent, past, &hist))
		return false;
	for (unsigned i = 0; i < SERIN_EDGES; i++)
		edges_ns[i] = (uint64_t)hist_quantile(&hist, edge_quantiles[i]).v;
	*frozen = true;
	return true;
}

static int tell_kernel(const struct edges *edges, struct targets *targets, struct loader *loader, enum edges_version version)
{
	struct targets_edges told = {.slow_duration_ns = edges->duration_ns[SERIN_EDGES - 1],
				     .slow_first_chunk_ns = edges->first_chunk_ns[SERIN_EDGES - 1]};

	for (unsigned i = 0; i < SERIN_EDGES; i++) {
		told.duration_ns[i] = edges->duration_ns[i];
		told.first_chunk_ns[i] = edges->first_chunk_ns[i];
		if (version == EDGES_CANARY) {
			told.duration_ns[i] = edges_widen(edges, told.duration_ns[i]);
			told.first_chunk_ns[i] = edges_widen(edges, told.first_chunk_ns[i]);
		}
	}
	return targets_set_edges(targets, loader, edges->target[version], &told);
}

static int freeze_edges(struct edges *edges, struct targets *targets, struct loader *loader)
{
	bool changed = freeze_some(&edges->duration[EDGES_STABLE], &edges->duration_past, &edges->duration_frozen,
				   edges->duration_ns);
	int r = 0;

	changed |= freeze_some(&edges->first_chunk[EDGES_STABLE], &edges->first_chunk_past, &edges->first_chunk_frozen,
			       edges->first_chunk_ns);
	for (unsigned i = 0; changed && r == 0 && i < EDGES_VERSIONS; i++)
		r = tell_kernel(edges, targets, loader, i);
	if (r < 0)
		edges_thaw(edges); /* the kernel does not have them: once more at the next look */
	return r;
}

static void keep_past(struct edges *edges)
{
	if (edges->looks++ % EDGES_PAST_LOOKS)
		return;
	edges->duration_past = *recent_newest(&edges->duration[EDGES_STABLE]);
	edges->first_chunk_past = *recent_newest(&edges->first_chunk[EDGES_STABLE]);
}

int edges_look(struct edges *edges, struct targets *targets, struct loader *loader, bool freeze)
{
	const struct serin_maps *maps = loader_maps(loader);
	uint64_t now_ns = util_now();
	int r = 0;

	for (unsigned i = 0; r == 0 && i < EDGES_VERSIONS; i++) {
		unsigned target = edges->target[i];

		if (target == SERIN_NONE)
			continue;
		r = collect_hist(maps, target, SERIN_DURATION, recent_push(&edges->duration[i], now_ns));
		if (r == 0)
			r = collect_hist(maps, target, SERIN_STREAM_FIRST_CHUNK, recent_push(&edges->first_chunk[i], now_ns));
		if (r == 0)
			r = collect_hist(maps, target, SERIN_STREAM_DURATION, recent_push(&edges->stream_duration[i], now_ns));
	}
	if (r < 0)
		return r;
	keep_past(edges);
	return freeze && edges->target[EDGES_CANARY] != SERIN_NONE ? freeze_edges(edges, targets, loader) : 0;
}

struct serin_value edges_quantile(const struct edges *edges, unsigned target, double q)
{
	struct serin_hist hist;

	for (unsigned i = 0; i < EDGES_VERSIONS; i++) {
		if (edges->target[i] != target)
			continue;
		recent_hist(&edges->duration[i], &hist);
		if (!hist_count(&hist))
			recent_hist(&edges->first_chunk[i], &hist);
		return hist_quantile(&hist, q);
	}
	return (struct serin_value){};
}

static const struct recent *recent_of(const struct edges *edges, unsigned version, enum serin_latency kind)
{
	const struct recent *const of_kind[SERIN_LATENCIES] = {
		[SERIN_DURATION] = &edges->duration[version],
		[SERIN_STREAM_FIRST_CHUNK] = &edges->first_chunk[version],
		[SERIN_STREAM_DURATION] = &edges->stream_duration[version],
	};

	return kind < SERIN_LATENCIES ? of_kind[kind] : NULL;
}

const struct recent *edges_recent(const struct edges *edges, unsigned target, enum serin_latency kind)
{
	for (unsigned i = 0; i < EDGES_VERSIONS; i++)
		if (edges->target[i] == target)
			return recent_of(edges, i, kind);
	return NULL;
}
