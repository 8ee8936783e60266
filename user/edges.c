// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "edges.h"

#include "collect.h"
#include "hist.h"

#define EDGE_QUANTILE 0.99

void edges_thaw(struct edges *edges)
{
	edges->duration_frozen = edges->first_chunk_frozen = false;
}

static bool freeze_one(const struct recent *recent, bool *frozen, uint64_t *edge)
{
	struct serin_hist hist;

	recent_hist(recent, &hist);
	if (*frozen || hist_count(&hist) < EDGES_MIN_COUNT)
		return false;
	*edge = (uint64_t)hist_quantile(&hist, EDGE_QUANTILE).v;
	*frozen = true;
	return true;
}

static int freeze_edges(struct edges *edges, struct targets *targets, struct loader *loader, unsigned stable)
{
	bool changed = freeze_one(&edges->duration[stable], &edges->duration_frozen, &edges->duration_ns);
	int r = 0;

	changed |= freeze_one(&edges->first_chunk[stable], &edges->first_chunk_frozen, &edges->first_chunk_ns);
	for (unsigned i = 0; changed && r == 0 && i < targets->n; i++)
		r = targets_set_edges(targets, loader, i, edges->duration_ns, edges->first_chunk_ns);
	return r;
}

int edges_look(struct edges *edges, struct targets *targets, struct loader *loader, bool freeze)
{
	const struct serin_maps *maps = loader_maps(loader);
	int r = 0;

	for (unsigned i = 0; r == 0 && i < targets->n; i++) {
		r = collect_hist(maps, i, SERIN_DURATION, recent_push(&edges->duration[i]));
		if (r == 0)
			r = collect_hist(maps, i, SERIN_STREAM_FIRST_CHUNK, recent_push(&edges->first_chunk[i]));
		if (r == 0 && freeze && targets->all[i].role == SERIN_ROLE_STABLE)
			r = freeze_edges(edges, targets, loader, i);
	}
	return r;
}

struct serin_value edges_quantile(const struct edges *edges, unsigned target, double q)
{
	struct serin_hist hist;

	recent_hist(&edges->duration[target], &hist);
	if (!hist_count(&hist))
		recent_hist(&edges->first_chunk[target], &hist);
	return hist_quantile(&hist, q);
}
