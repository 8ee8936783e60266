/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Segments: where a packet's TCP payload is, and which of its bytes are new to its stream.
 */
#ifndef SERIN_SEGMENT_BPF_H
#define SERIN_SEGMENT_BPF_H

#include "connection.bpf.h"

#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>

enum direction { IN, OUT };

#define IPPROTO_HOPOPTS 0 /* IPv6 super-packets above 64 KiB have a jumbo option */
#define JUMBO_LEN 8

struct segment {
	__u32 seq, ack;
	__u32 at;  /* payload: offset in the packet */
	__u32 end;
	__u16 port; /* the sender's */
	bool fin, rst, syn;
};

/* One walk over the new bytes of a segment; how far it is stands in the stream. */
struct walk {
	struct __sk_buff *skb;
	struct serin_conn *conn;
	struct serin_tally *tally;
	__u64 now;
};

static __always_inline struct serin_stream *stream_of(struct serin_conn *conn, enum direction dir)
{
	return dir == IN ? &conn->in : &conn->out;
}

/* Where the TCP header is. 0: not there. */
static __always_inline __u32 tcp_offset(void *data, void *data_end)
{
	struct iphdr *ip = data;
	struct ipv6hdr *ip6 = data;
	__u8 *hop;

	if ((void *)(ip + 1) > data_end)
		return 0;
	if (ip->version == 4)
		return ip->protocol == IPPROTO_TCP ? ip->ihl * 4 : 0;
	if (ip->version != 6 || (void *)(ip6 + 1) > data_end)
		return 0;
	if (ip6->nexthdr == IPPROTO_TCP)
		return sizeof(*ip6);
	hop = (__u8 *)(ip6 + 1);
	if (ip6->nexthdr == IPPROTO_HOPOPTS && (void *)(hop + JUMBO_LEN) <= data_end && hop[0] == IPPROTO_TCP && !hop[1])
		return sizeof(*ip6) + JUMBO_LEN;
	return 0;
}

static __always_inline bool read_segment(struct __sk_buff *skb, struct segment *ret_s)
{
	void *data = (void *)(long)skb->data, *data_end = (void *)(long)skb->data_end;
	__u32 offset = tcp_offset(data, data_end);
	struct tcphdr *tcp = data + offset;

	if (!offset || (void *)(tcp + 1) > data_end)
		return false;
	ret_s->seq = bpf_ntohl(tcp->seq);
	ret_s->ack = bpf_ntohl(tcp->ack_seq);
	ret_s->at = offset + tcp->doff * 4;
	ret_s->end = skb->len; /* not the IP header's length: that is 0 or too small for super-packets */
	ret_s->port = bpf_ntohs(tcp->source);
	ret_s->fin = tcp->fin;
	ret_s->rst = tcp->rst;
	ret_s->syn = tcp->syn;
	return ret_s->at <= ret_s->end;
}

#endif
