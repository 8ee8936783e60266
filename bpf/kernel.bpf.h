/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The few kernel types the programs look into, declared here instead of in a dump of one kernel's types. CO-RE
 * relocates each field to where the running kernel has it, so building needs no BTF; loading does.
 */
#ifndef SERIN_KERNEL_BPF_H
#define SERIN_KERNEL_BPF_H

#include <linux/bpf.h>
#include <linux/types.h>
#include <stdbool.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define AF_INET 2
#define AF_INET6 10
#define IPPROTO_TCP 6
#define ETH_P_IP 0x0800
#define ETH_P_IPV6 0x86DD

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct bpf_local_storage;

struct sched_entity {
	__u64 sum_exec_runtime; /* CPU time, without what interrupts and the hypervisor took */
};

struct task_struct {
	int pid;  /* thread id */
	int tgid; /* process id */
	int exit_code;
	struct sched_entity se;
	struct task_struct *real_parent;
	struct bpf_local_storage *bpf_storage; /* none: no storage map has an entry for this task */
};

/* What follows three underscores is not part of the name to CO-RE; uapi has a struct of this name already. */
struct in6_addr___kernel {
	__u32 words[4]; /* no such member in the kernel: read as a whole, never looked into */
};

struct sock_common {
	__be32 skc_daddr, skc_rcv_saddr; /* remote and local address */
	struct in6_addr___kernel skc_v6_daddr, skc_v6_rcv_saddr;
	__be16 skc_dport;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	unsigned short skc_num; /* local port */
	struct {
		struct net *net;
	} skc_net;
};

struct net {
	__u64 net_cookie;
};

struct inode {
	unsigned long i_ino;
};

struct file {
	struct inode *f_inode;
};

struct socket {
	struct file *file;
};

struct sock {
	struct sock_common __sk_common;
	struct {
		int len;
	} sk_backlog; /* segments that wait for the socket's user to let go of it */
	struct socket *sk_socket; /* none: not accepted yet, or closed */
	__u8 sk_shutdown;
};

struct inet_sock {
	struct sock sk;
};

struct inet_connection_sock {
	struct inet_sock icsk_inet;
	__u8 icsk_probes_out; /* keepalive or window probes that were not answered */
	struct {
		__u32 lrcvtime; /* of the newest data received, in jiffies */
	} icsk_ack;
};

struct tcp_sock {
	struct inet_connection_sock inet_conn;
	__u32 lsndtime; /* of the newest data sent, in jiffies */
	__u32 rcv_nxt, rcv_wnd;
	__u32 snd_nxt, snd_una, write_seq;
	__u64 bytes_received;
};

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
	__u64 session_id;
	__u64 seq_num;
};

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

struct bpf_iter__tcp {
	struct bpf_iter_meta *meta;
	struct sock_common *sk_common;
	unsigned int uid;
};

struct bpf_iter__bpf_sk_storage_map {
	struct bpf_iter_meta *meta;
	struct bpf_map *map;
	struct sock *sk;
	void *value;
};

#pragma clang attribute pop

#endif
