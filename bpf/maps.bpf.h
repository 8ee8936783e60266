/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Every map, and what it is for. Each program file includes this; the linker merges the weak definitions into one.
 */
#ifndef SERIN_MAPS_BPF_H
#define SERIN_MAPS_BPF_H

#include "kernel.bpf.h"
#include "serin/abi.h"

/* The targets: names, roles, edges. Index: target. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SERIN_TARGETS_MAX);
	__type(key, __u32);
	__type(value, struct serin_target_info);
} serin_targets __weak SEC(".maps");

/* What each CPU counted. Index: target. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SERIN_TARGETS_MAX);
	__type(key, __u32);
	__type(value, struct serin_tally);
} serin_tallies __weak SEC(".maps");

/* What each CPU timed. Index: target * SERIN_HISTS + enum serin_latency. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SERIN_TARGETS_MAX * SERIN_HISTS);
	__type(key, __u32);
	__type(value, struct serin_hist);
} serin_hists __weak SEC(".maps");

/* What could not be counted. Index: enum serin_loss. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SERIN_LOSSES);
	__type(key, __u32);
	__type(value, __u64);
} serin_losses __weak SEC(".maps");

/* The same by the agent: what it could not do. Apart, since it cannot add to what CPUs add to meanwhile. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SERIN_LOSSES);
	__type(key, __u32);
	__type(value, __u64);
} serin_agent_losses __weak SEC(".maps");

/* Which target a socket belongs to, and how far its HTTP is read. The kernel clones a listener's entry into every
 * socket accepted from it, so ownership needs no address, and frees it with the socket. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
	__type(key, int);
	__type(value, struct serin_conn);
} serin_conns __weak SEC(".maps");

/* The request that came before its connection, on this CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct serin_early);
} serin_early __weak SEC(".maps");

/* Ports whose listeners are to be recognised when they start to listen. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4 * SERIN_TARGETS_MAX);
	__type(key, struct serin_watch_key);
	__type(value, struct serin_watch);
} serin_watches __weak SEC(".maps");

/* The canaries' listeners. Index: release * SERIN_SLOTS + slot. A closed listener leaves by itself. */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, SERIN_RELEASES_MAX * SERIN_SLOTS);
	__type(key, __u32);
	__type(value, __u64);
} serin_listeners __weak SEC(".maps");

/* Service addresses and the weights of their canaries. Key: port. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SERIN_RELEASES_MAX);
	__type(key, __u16);
	__type(value, struct serin_service);
} serin_services __weak SEC(".maps");

/* Address rules of services. Twice as many as there may be: new ones come before old ones go. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 2 * SERIN_RULES_MAX);
	__type(key, struct serin_rule_key);
	__type(value, __u32);
} serin_rules __weak SEC(".maps");

/* What clients did on both versions, until the agent's next tick takes it out. When it is full the oldest goes. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, SERIN_CLIENTS_MAX);
	__type(key, struct serin_client_key);
	__type(value, struct serin_client);
} serin_clients __weak SEC(".maps");

/* What an agent leaves for the one after it, a release: of no concern to the programs (user/release.c). Replaced as a
 * whole, so that an agent that is killed leaves no half. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SERIN_RELEASES_MAX);
	__uint(key_size, 4);
	__uint(value_size, SERIN_STATE_MAX);
} serin_state __weak SEC(".maps");

/* What became of new connections. Index: release * SERIN_STEERED_KINDS + kind. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SERIN_RELEASES_MAX * SERIN_STEERED_KINDS);
	__type(key, __u32);
	__type(value, __u64);
} serin_steered __weak SEC(".maps");

/* Threads of targets. */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct serin_task);
} serin_tasks __weak SEC(".maps");

/* Processes whose threads and descendants belong to a target. Key: process id; value: target. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u32);
} serin_roots __weak SEC(".maps");

/* What each CPU runs now. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct serin_running);
} serin_running __weak SEC(".maps");

/* Atomic although per CPU: a softirq may interrupt a program that runs in process context, or another task may preempt it,
 * between the load and the store. */
static __always_inline void serin_add(__u64 *counter, __u64 n)
{
	__sync_fetch_and_add(counter, n);
}

/* PREEMPT_RT: softirqs may preempt each other. */
const volatile bool serin_realtime __weak = false;

/*
 * The same in the ingress program, for what it alone adds to but for rare others that add atomically: `started`,
 * `service_requests`, `bytes_in`. It runs with softirqs off, so nothing comes between on its CPU. An atomic addition would
 * wait for all stores before it, and with them for the cache line of `asked`, which another CPU has.
 */
static __always_inline void serin_add_in(__u64 *counter, __u64 n)
{
	if (serin_realtime)
		__sync_fetch_and_add(counter, n);
	else
		*counter += n;
}

static __always_inline void serin_lost(enum serin_loss kind, __u64 n)
{
	__u32 key = kind;
	__u64 *count = bpf_map_lookup_elem(&serin_losses, &key);

	if (count)
		serin_add(count, n);
}

static __always_inline struct serin_tally *serin_tally_of(__u32 target)
{
	return bpf_map_lookup_elem(&serin_tallies, &target);
}

static __always_inline struct serin_early *serin_early_here(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&serin_early, &zero);
}

/* A histogram's bucket. The bound stands next to the access and its register is pinned, since verifiers before 6.3 lose
 * what they know of a value that went through the stack. */
static __always_inline __u64 *serin_bucket(struct serin_hist *hist, __u32 bucket)
{
	asm volatile("" : "+r"(bucket));
	return bucket < SERIN_HIST_BUCKETS ? &hist->bucket[bucket] : NULL;
}

static __noinline __attribute__((unused)) void serin_time(__u32 target, enum serin_latency kind, __u64 ns)
{
	__u32 key = target * SERIN_HISTS + kind, bucket = serin_hist_bucket(ns);
	struct serin_hist *hist = bpf_map_lookup_elem(&serin_hists, &key);
	__u64 *count = hist ? serin_bucket(hist, bucket) : NULL;

	if (!count)
		return;
	serin_add(count, 1);
	serin_add(&hist->sum, ns);
	if (ns > hist->max) /* two at once may lose the smaller of two new maxima for a moment, never the larger bucket */
		hist->max = ns;
}

#endif
