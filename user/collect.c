// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "collect.h"

#include "hist.h"
#include "util.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>

/* An element of a per-CPU array, one value a CPU. The caller frees it. NULL with errno set. */
static void *read_percpu(int map, uint32_t key, size_t value_size, int *ret_cpus)
{
	int cpus = libbpf_num_possible_cpus();
	_cleanup_free_ void *values = NULL;

	if (cpus < 0) {
		errno = -cpus;
		return NULL;
	}
	values = calloc((size_t)cpus, value_size);
	if (!values || bpf_map_lookup_elem(map, &key, values) < 0)
		return NULL;
	*ret_cpus = cpus;
	return TAKE_PTR(values);
}

/* A tally is nothing but counters, so it adds up as an array of them. */
static int read_tally(int map, uint32_t target, struct serin_tally *ret)
{
	uint64_t *sum = (uint64_t *)ret;
	_cleanup_free_ uint64_t *values = NULL;
	const size_t counters = sizeof(*ret) / sizeof(*sum);
	int cpus = 0;

	values = read_percpu(map, target, sizeof(*ret), &cpus);
	if (!values)
		return -errno;
	memset(ret, 0, sizeof(*ret));
	for (size_t i = 0; i < (size_t)cpus * counters; i++)
		sum[i % counters] += values[i];
	return 0;
}

static int read_counter(int map, uint32_t key, uint64_t *ret)
{
	_cleanup_free_ uint64_t *values = NULL;
	int cpus = 0;

	values = read_percpu(map, key, sizeof(*values), &cpus);
	if (!values)
		return -errno;
	*ret = 0;
	for (int i = 0; i < cpus; i++)
		*ret += values[i];
	return 0;
}

static int read_losses(const struct serin_maps *maps, uint32_t kind, uint64_t *ret)
{
	uint64_t by_agent;
	int r = read_counter(maps->losses, kind, ret);

	if (r < 0)
		return r;
	if (bpf_map_lookup_elem(maps->agent_losses, &kind, &by_agent) < 0)
		return -errno;
	*ret += by_agent;
	return 0;
}

/* Threads that run now have CPU time that no switch has counted yet. */
static int add_running(int map, uint64_t now, struct serin_snapshot *snapshot)
{
	_cleanup_free_ struct serin_running *running = NULL;
	int cpus = 0;

	running = read_percpu(map, 0, sizeof(*running), &cpus);
	if (!running)
		return -errno;
	for (int i = 0; i < cpus; i++)
		if (running[i].since_ns && running[i].since_ns < now && running[i].target < SERIN_TARGETS_MAX)
			snapshot->tally[running[i].target].cpu_ns += now - running[i].since_ns;
	return 0;
}

int collect_snapshot(const struct serin_maps *maps, unsigned n_targets, struct serin_snapshot *ret)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < n_targets; i++)
		r = read_tally(maps->tallies, i, &ret->tally[i]);
	for (unsigned i = 0; r == 0 && i < SERIN_RELEASES_MAX * SERIN_STEERED_KINDS; i++)
		r = read_counter(maps->steered, i, &ret->steered[i / SERIN_STEERED_KINDS][i % SERIN_STEERED_KINDS]);
	for (unsigned i = 0; r == 0 && i < SERIN_LOSSES; i++)
		r = read_losses(maps, i, &ret->losses[i]);
	if (r < 0)
		return r;
	ret->pickup_measured = maps->pickup_measured;
	ret->now_ns = util_now();
	return add_running(maps->running, ret->now_ns, ret);
}

static int add_hist(const struct serin_maps *maps, unsigned target, unsigned kind, struct serin_hist *sum)
{
	_cleanup_free_ struct serin_hist *values = NULL;
	int cpus = 0;

	values = read_percpu(maps->hists, target * SERIN_HISTS + kind, sizeof(*values), &cpus);
	if (!values)
		return -errno;
	for (int i = 0; i < cpus; i++)
		hist_add(sum, &values[i]);
	return 0;
}

int collect_hist(const struct serin_maps *maps, unsigned target, enum serin_latency kind, struct serin_hist *ret)
{
	bool bodiless = kind == SERIN_FIRST_BYTE || kind == SERIN_DURATION;
	int r;

	memset(ret, 0, sizeof(*ret));
	r = add_hist(maps, target, kind, ret);
	if (r == 0 && (bodiless || kind == SERIN_FIRST_CHUNK))
		r = add_hist(maps, target, SERIN_AT_ONCE, ret);
	if (r == 0 && bodiless)
		r = add_hist(maps, target, SERIN_AT_ONCE_BODILESS, ret);
	return r;
}

#define CLIENTS_BATCH 1024 /* at a time; a bucket of the kernel's table holds fewer */

struct batch {
	struct serin_client_key key[CLIENTS_BATCH];
	struct serin_client client[CLIENTS_BATCH];
};

static int drain_clients(int map, struct batch *batch, struct collect_drained *sums,
			 void (*each)(const struct serin_client_key *, const struct serin_client *, void *), void *context)
{
	uint32_t at = 0;
	bool begun = false;
	int r = 0;

	while (r == 0) { /* the kernel says ENOENT with the last of them */
		uint32_t n = CLIENTS_BATCH;

		r = bpf_map_lookup_and_delete_batch(map, begun ? &at : NULL, &at, batch->key, batch->client, &n, NULL);
		if (r < 0 && r != -ENOENT)
			return r;
		for (uint32_t i = 0; i < n; i++)
			each(&batch->key[i], &batch->client[i], context);
		sums->drained += n;
		begun = true;
	}
	return 0;
}

int collect_clients(const struct serin_maps *maps, struct collect_drained *sums,
		    void (*each)(const struct serin_client_key *, const struct serin_client *, void *), void *context,
		    uint64_t *ret_lost)
{
	/* Before the drain: what is added during it may be drained too, but is never taken for lost. */
	uint64_t added = __atomic_load_n(maps->clients_added, __ATOMIC_ACQUIRE), gone;
	_cleanup_free_ struct batch *batch = NULL;
	int r;

	if (sums->begun && added == sums->added) { /* the last drain has left nothing, and nothing has come */
		*ret_lost = 0;
		return 0;
	}
	batch = malloc(sizeof(*batch));
	if (!batch)
		return -ENOMEM;
	r = drain_clients(maps->clients, batch, sums, each, context);
	if (r < 0)
		return r;
	if (!sums->begun) /* what was there before is no concern of this agent's, nor what had gone */
		sums->drained = __atomic_load_n(maps->clients_added, __ATOMIC_ACQUIRE);
	gone = added > sums->drained ? added - sums->drained : 0;
	*ret_lost = gone > sums->lost ? gone - sums->lost : 0;
	sums->lost += *ret_lost;
	sums->added = added;
	sums->begun = true;
	return 0;
}

int collect_targets(const struct serin_maps *maps, struct serin_target ret_targets[SERIN_TARGETS_MAX])
{
	unsigned n = 0;

	for (uint32_t i = 0; i < SERIN_TARGETS_MAX; i++) {
		struct serin_target_info info;
		struct serin_target *t = &ret_targets[i];

		if (bpf_map_lookup_elem(maps->targets, &i, &info) < 0)
			return -errno;
		*t = (struct serin_target){.role = info.role, .endpoint = {.port = info.port}};
		memcpy(t->model, info.model, sizeof(t->model));
		memcpy(t->version, info.version, sizeof(t->version));
		memcpy(t->endpoint.address, info.address, sizeof(info.address));
		if (info.model[0])
			n = i + 1;
	}
	return (int)n;
}
