// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The product's reading of a connection, in the kernel, with the connection where the test can see it instead of in a
 * socket's storage. Run by BPF_PROG_TEST_RUN, a segment at a time; attached to nothing.
 */
#include "protocol.bpf.h"
#include "frame.h"

struct serin_conn conn;
struct serin_tally tally;
__u64 now_ns;	/* the test's clock: both machines must see the same times */
__u32 bench_at; /* bench: where in the packet the response begins, behind the request */

static __always_inline int frame(struct __sk_buff *skb, enum direction dir)
{
	struct walk w = {.skb = skb, .conn = &conn, .tally = &tally, .now = now_ns};
	struct segment seg = {};

	if (!read_segment(skb, &seg))
		return 0;
	frame_segment(&w, &seg, dir);
	return 1;
}

SEC("cgroup_skb/ingress")
int frame_in(struct __sk_buff *skb)
{
	return frame(skb, IN);
}

SEC("cgroup_skb/egress")
int frame_out(struct __sk_buff *skb)
{
	return frame(skb, OUT);
}

/* A request and its response in one packet, so that a run begins and ends between two messages. */
SEC("cgroup_skb/egress")
int bench_exchange(struct __sk_buff *skb)
{
	struct walk w = {.skb = skb, .conn = &conn, .tally = &tally, .now = now_ns};
	struct segment seg = {}, response = {};

	if (!read_segment(skb, &seg))
		return 0;
	response.at = seg.at + bench_at;
	response.end = seg.end;
	seg.end = response.at;
	frame_segment(&w, &seg, IN);
	frame_segment(&w, &response, OUT);
	return 1;
}

/* What a run costs that reads nothing but the packet's headers. */
SEC("cgroup_skb/egress")
int bench_nothing(struct __sk_buff *skb)
{
	struct segment seg = {};

	return read_segment(skb, &seg);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
