/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What the kernel's TCP knows of a connection and no segment says.
 */
#ifndef SERIN_TCP_BPF_H
#define SERIN_TCP_BPF_H

#include "kernel.bpf.h"

/* Probes go unanswered: TCP gives the client up. */
static __always_inline bool is_silent(struct bpf_sock *sk)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);

	return tcp && BPF_CORE_READ(tcp, inet_conn.icsk_probes_out);
}

#endif
