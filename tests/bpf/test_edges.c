/* Links: tests/bpf/node.c tests/bpf/sweeper.c user/edges.c user/recent.c user/collect.c user/hist.c user/steer.c user/loader.c user/match.c user/config.c user/quantity.c user/pins.c user/targets.c user/container.c user/discover.c user/endpoint.c user/system.c user/util.c -lm */
// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * user/edges.c: stable's quantiles in the programs' own histograms, frozen, and what the programs are told of them.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "edges.h"
#include "hist.h"
#include "node.h"
#include "serin.skel.h"

static struct edges edges;

static int fresh(void **state)
{
	static const struct targets_edges none;

	(void)state;
	edges_init(&edges, NODE_STABLE, NODE_CANARY);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(targets_set_edges(&node.targets, node.loader, i, &none), 0);
	return edges_look(&edges, &node.targets, node.loader, false);
}

/* As the programs count it on one CPU. */
static void time_some(unsigned target, enum serin_latency kind, uint64_t ns, unsigned times)
{
	static struct serin_hist hists[256];
	uint32_t key = target * SERIN_HISTS + kind;
	int map = loader_maps(node.loader)->hists;

	assert_in_range(libbpf_num_possible_cpus(), 1, 256);
	assert_int_equal(bpf_map_lookup_elem(map, &key, hists), 0);
	hists[0].bucket[serin_hist_bucket(ns)] += times;
	hists[0].sum += ns * times;
	assert_int_equal(bpf_map_update_elem(map, &key, hists, BPF_ANY), 0);
}

static struct serin_target_info told(unsigned target)
{
	struct serin_target_info info;

	assert_int_equal(bpf_map_lookup_elem(loader_maps(node.loader)->targets, &target, &info), 0);
	return info;
}

static void look(bool freeze)
{
	assert_int_equal(edges_look(&edges, &node.targets, node.loader, freeze), 0);
}

/* Within the half width of a bucket. */
static void expect_edges(const __u64 edges_ns[SERIN_EDGES], uint64_t p50, uint64_t p90, uint64_t p99)
{
	const uint64_t wanted[SERIN_EDGES] = {p50, p90, p99};

	for (unsigned i = 0; i < SERIN_EDGES; i++)
		assert_in_range(edges_ns[i], wanted[i] - wanted[i] / 32, wanted[i] + wanted[i] / 32);
}

static void stable_is_what_both_are_held_against(void **state)
{
	(void)state;
	time_some(NODE_STABLE, SERIN_DURATION, 1000000, 60);
	time_some(NODE_STABLE, SERIN_AT_ONCE, 1000000, 60);
	time_some(NODE_STABLE, SERIN_DURATION, 5000000, 70);
	time_some(NODE_STABLE, SERIN_DURATION, 40000000, 10);
	time_some(NODE_CANARY, SERIN_DURATION, 900000000, 5000);
	look(true);
	for (unsigned i = 0; i < 2; i++) {
		struct serin_target_info info = told(i);

		expect_edges(info.duration_edge_ns, 1000000, 5000000, 40000000);
		expect_edges(info.first_chunk_edge_ns, 0, 0, 0);
		assert_string_equal(info.version, i == NODE_STABLE ? "stable" : "canary");
	}
}

static void streams_have_edges_of_their_own(void **state)
{
	(void)state;
	time_some(NODE_STABLE, SERIN_STREAM_FIRST_CHUNK, 2000000, 300);
	time_some(NODE_STABLE, SERIN_STREAM_DURATION, 8000000, 300);
	look(true);
	expect_edges(told(NODE_CANARY).first_chunk_edge_ns, 2000000, 2000000, 2000000);
	expect_edges(told(NODE_CANARY).duration_edge_ns, 0, 0, 0);
	time_some(NODE_STABLE, SERIN_DURATION, 1000000, 300);
	look(true);
	expect_edges(told(NODE_CANARY).first_chunk_edge_ns, 2000000, 2000000, 2000000);
	expect_edges(told(NODE_CANARY).duration_edge_ns, 1000000, 1000000, 1000000);
}

/* The canary may be slower by the margin, or by the floor where that is more; what is slow is the same for both. */
static void the_canarys_edges_are_wider(void **state)
{
	struct serin_target_info stable, canary;

	(void)state;
	edges.margin = 1.1;
	edges.floor_ns = 2000000;
	time_some(NODE_STABLE, SERIN_DURATION, 1000000, 120);
	time_some(NODE_STABLE, SERIN_DURATION, 5000000, 70);
	time_some(NODE_STABLE, SERIN_DURATION, 40000000, 10);
	look(true);
	stable = told(NODE_STABLE);
	canary = told(NODE_CANARY);
	expect_edges(stable.duration_edge_ns, 1000000, 5000000, 40000000);
	expect_edges(canary.duration_edge_ns, 3000000, 7000000, 44000000);
	assert_int_equal(stable.slow_duration_ns, stable.duration_edge_ns[SERIN_EDGES - 1]);
	assert_int_equal(canary.slow_duration_ns, stable.slow_duration_ns);
	assert_int_equal(canary.first_chunk_edge_ns[0], 0);
}

/* Where requests are rare, edges are those of the last minutes. */
static void rare_requests_have_edges_in_time(void **state)
{
	(void)state;
	for (unsigned i = 0; i < EDGES_MIN_COUNT / 10 - 1; i++) {
		time_some(NODE_STABLE, SERIN_DURATION, 1000000, 10);
		look(true);
		expect_edges(told(NODE_STABLE).duration_edge_ns, 0, 0, 0);
	}
	time_some(NODE_STABLE, SERIN_DURATION, 1000000, 10);
	look(true);
	expect_edges(told(NODE_STABLE).duration_edge_ns, 1000000, 1000000, 1000000);
}

static void too_few_are_no_edge(void **state)
{
	(void)state;
	time_some(NODE_STABLE, SERIN_DURATION, 1000000, EDGES_MIN_COUNT - 1);
	look(true);
	expect_edges(told(NODE_STABLE).duration_edge_ns, 0, 0, 0);
	time_some(NODE_STABLE, SERIN_DURATION, 1000000, 1);
	look(true);
	expect_edges(told(NODE_STABLE).duration_edge_ns, 1000000, 1000000, 1000000);
}

static void frozen_is_frozen_until_thawed(void **state)
{
	(void)state;
	time_some(NODE_STABLE, SERIN_DURATION, 1000000, 300);
	look(false);
	expect_edges(told(NODE_STABLE).duration_edge_ns, 0, 0, 0);
	look(true);
	time_some(NODE_STABLE, SERIN_DURATION, 70000000, 30000);
	look(true);
	expect_edges(told(NODE_STABLE).duration_edge_ns, 1000000, 1000000, 1000000);
	edges_thaw(&edges);
	expect_edges(told(NODE_STABLE).duration_edge_ns, 1000000, 1000000, 1000000);
	look(true);
	expect_edges(told(NODE_STABLE).duration_edge_ns, 70000000, 70000000, 70000000);
}

/* What else the kernel was told of a target stays. */
static void deadline_and_client_counts_stay(void **state)
{
	struct serin_target_info info;

	(void)state;
	assert_int_equal(targets_set_deadline(&node.targets, node.loader, NODE_CANARY, 77), 0);
	assert_int_equal(targets_set_by_client(&node.targets, node.loader, NODE_CANARY, true), 0);
	time_some(NODE_STABLE, SERIN_DURATION, 1000000, 300);
	look(true);
	info = told(NODE_CANARY);
	expect_edges(info.duration_edge_ns, 1000000, 1000000, 1000000);
	assert_int_equal(info.deadline_ns, 77);
	assert_int_equal(info.by_client, 1);
	assert_int_equal(info.role, SERIN_ROLE_CANARY);
	assert_int_equal(info.port, NODE_CANARY_PORT);
	assert_int_equal(told(NODE_STABLE).deadline_ns, 0);
	assert_int_equal(told(NODE_STABLE).by_client, 0);
}

static void quantiles_of_the_last_seconds(void **state)
{
	struct serin_value p50;

	(void)state;
	assert_false(edges_quantile(&edges, NODE_CANARY, 0.5).known);
	time_some(NODE_CANARY, SERIN_STREAM_FIRST_CHUNK, 3000000, 2);
	look(false);
	p50 = edges_quantile(&edges, NODE_CANARY, 0.5);
	assert_true(p50.known);
	assert_in_range((uint64_t)p50.v, 2900000, 3100000);
	assert_false(edges_quantile(&edges, NODE_STABLE, 0.5).known);
	assert_false(edges_quantile(&edges, 7, 0.5).known);
}

static uint64_t recently(unsigned target, enum serin_latency kind)
{
	struct serin_hist hist;

	recent_hist(edges_recent(&edges, target, kind), &hist);
	return hist_count(&hist);
}

static void each_kind_of_latency_of_the_last_seconds(void **state)
{
	static const enum serin_latency kinds[] = {SERIN_DURATION, SERIN_STREAM_FIRST_CHUNK, SERIN_STREAM_DURATION};

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		time_some(NODE_CANARY, kinds[i], 3000000, i + 1);
	look(false);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(recently(NODE_CANARY, kinds[i]), i + 1);
		assert_int_equal(recently(NODE_STABLE, kinds[i]), 0);
	}
	assert_true(recent_seconds(edges_recent(&edges, NODE_CANARY, SERIN_DURATION)) > 0);
	assert_null(edges_recent(&edges, NODE_CANARY, SERIN_GAP));
	assert_null(edges_recent(&edges, 7, SERIN_DURATION));
}

static void a_version_alone_has_no_edges(void **state)
{
	(void)state;
	edges_init(&edges, NODE_STABLE, SERIN_NONE);
	look(true);
	time_some(NODE_STABLE, SERIN_DURATION, 1000000, 300);
	look(true);
	expect_edges(told(NODE_STABLE).duration_edge_ns, 0, 0, 0);
	assert_true(edges_quantile(&edges, NODE_STABLE, 0.9).known);
}

#define looking(test) cmocka_unit_test_setup(test, fresh)

int main(void)
{
	const struct CMUnitTest tests[] = {
		looking(stable_is_what_both_are_held_against),
		looking(streams_have_edges_of_their_own),
		looking(the_canarys_edges_are_wider),
		looking(rare_requests_have_edges_in_time),
		looking(too_few_are_no_edge),
		looking(frozen_is_frozen_until_thawed),
		looking(quantiles_of_the_last_seconds),
		looking(each_kind_of_latency_of_the_last_seconds),
		looking(a_version_alone_has_no_edges),
		looking(deadline_and_client_counts_stay),
	};
	int result = node_start();

	if (!result)
		result = cmocka_run_group_tests_name("edges", tests, NULL, NULL);
	node_stop();
	return result;
}
