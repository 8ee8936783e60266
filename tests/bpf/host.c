// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "host.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>

/* ---- what the kernel and libbpf give to a BPF program ---- */

#define SERIN_KERNEL_BPF_H /* instead of bpf/kernel.bpf.h */

#undef __always_inline
#define __always_inline inline __attribute__((always_inline, unused))
#define __noinline __attribute__((noinline))
#define __weak
#define SEC(name)
#define __uint(name, value) int(*name)[value]
#define __type(name, value) __typeof__(value) *name
#define bpf_ntohl(x) __builtin_bswap32(x)
#define bpf_ntohs(x) __builtin_bswap16(x)

static const uint8_t *packet; /* its payload: the headers are not looked at here */
static size_t packet_len;

static long bpf_skb_load_bytes(const struct __sk_buff *skb, __u32 offset, void *to, __u32 n)
{
	(void)skb;
	if (offset < HOST_AT || offset - HOST_AT + n > packet_len || !n)
		return -EFAULT;
	memcpy(to, packet + offset - HOST_AT, n);
	return 0;
}

static long bpf_loop(__u32 n, long (*step)(__u32, void *), void *context, __u64 flags)
{
	__u32 i = 0;

	(void)flags;
	while (i < n)
		if (step(i++, context))
			break;
	return i;
}

/* An array map, made when it is first looked into. `size` and `entries` come from its declaration. */
static void *lookup(const void *map, size_t size, size_t entries, __u32 key)
{
	static struct {
		const void *map;
		uint8_t *values;
	} arrays[8];
	size_t i = 0;

	if (key >= entries)
		return NULL;
	while (arrays[i].map && arrays[i].map != map)
		if (++i == sizeof(arrays) / sizeof(arrays[0]))
			abort();
	if (!arrays[i].map) {
		arrays[i].map = map;
		arrays[i].values = calloc(entries, size);
		if (!arrays[i].values)
			abort();
	}
	return arrays[i].values + key * size;
}

/* Nothing is ever missing from an array; so nothing needs to be added to the one that is a hash in the kernel. */
#define bpf_map_update_elem(map, key, value, flags) ((void)(key), (void)(value), -ENOSPC)

#define bpf_map_lookup_elem(map, key)                                                                              \
	lookup(map, sizeof(*(map)->value), sizeof(*(map)->max_entries) / sizeof(int), *(const __u32 *)(key))

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wsign-compare"
#include "../../bpf/protocol.bpf.h"
#include "frame.h"
#pragma GCC diagnostic pop

/* ---- the machine ---- */

const struct serin_target_info host_target = {
	.role = SERIN_ROLE_CANARY,
	.release = HOST_RELEASE,
	.slow_duration_ns = 4500,
	.slow_first_chunk_ns = 2500,
	.duration_edge_ns = {1500, 2500, 4500},
	.first_chunk_edge_ns = {1500, 0, 2500},
	.by_client = 1,
};

static struct serin_conn conn;
static struct serin_tally tally;

void host_reset(void)
{
	const __u32 first = 0;

	memset(&conn, 0, sizeof(conn));
	memset(&tally, 0, sizeof(tally));
	conn.service = 1;
	*(struct serin_target_info *)bpf_map_lookup_elem(&serin_targets, &first) = host_target;
	memset(bpf_map_lookup_elem(&serin_clients, &first), 0, sizeof(struct serin_client));
}

void host_segment(enum host_direction direction, const uint8_t *bytes, size_t len, bool fin, uint64_t now)
{
	struct __sk_buff skb = {0};
	struct walk w = {.skb = &skb, .conn = &conn, .tally = &tally, .now = now};
	struct segment seg = {.at = HOST_AT, .end = HOST_AT + len, .fin = fin};

	packet = bytes;
	packet_len = len;
	frame_segment(&w, &seg, direction == HOST_IN ? IN : OUT);
}

const struct serin_conn *host_conn(void)
{
	return &conn;
}

const struct serin_tally *host_tally(void)
{
	return &tally;
}

const struct serin_client *host_client(void)
{
	const __u32 first = HOST_CLIENT;

	return bpf_map_lookup_elem(&serin_clients, &first);
}

const void *host_losses(void)
{
	const __u32 first = 0;

	return bpf_map_lookup_elem(&serin_losses, &first);
}

const void *host_times(void)
{
	const __u32 first = 0;

	return bpf_map_lookup_elem(&serin_hists, &first);
}
