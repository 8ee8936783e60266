/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Plan -> kernel: the only writer of what traffic does. */
#ifndef SERIN_STEER_H
#define SERIN_STEER_H

#include "loader.h"

struct steer; /* one release's hold on the data path */

/*
 * Takes hold of a service address for release `index`. What an agent before this one left in the maps goes on as it is: salt,
 * weight, stickiness, rules, listeners offered. Else the weight is 0, there are no rules, and the salt of its hash is drawn
 * here. It stays, so that raising the weight keeps those already on the canary. Another address that the same release had
 * before is let go. Returns 0; -EBUSY when another release steers that port; -errno from the kernel.
 */
int steer_open(struct loader *loader, uint32_t index, const struct serin_endpoint *service, struct steer **ret);

/* Lets go: new connections reach whoever owns the port. NULL is fine. */
void steer_close(struct steer *steer);

/* Frees its own memory and leaves the data path as it is, to another agent or the lease. NULL is fine. */
void steer_leave(struct steer *steer);

/*
 * Whether a client is steered by its address alone, and the address rules that come before the weight; the longest prefix
 * that fits decides. Replaces what was there: no connection meets a moment in which a rule is missing that was there and
 * stays. Rules to the canary hold only while the weight is above 0. Returns 0; -EINVAL for a prefix above 128 bits or a role
 * that is neither stable nor canary; -ENOSPC when all releases together have too many; -errno. On failure the old ones are
 * there as before.
 */
int steer_configure(struct steer *steer, bool sticky, const struct serin_rule *rules, unsigned n);

/* A release's hold on a port, as an earlier agent may have left it. */
struct steer_hold {
	uint16_t port;
	uint32_t release;
};

/* Lets go of every port that is held otherwise: nobody here would ever lower its weight, and the lease is renewed for all. */
void steer_drop_others(struct loader *loader, const struct steer_hold *holds, unsigned n);

/* Sets the canary's share of new connections in basis points. 0 or -errno; on failure the old weight stays. */
int steer_weight(struct steer *steer, uint32_t weight);

/* The share that the kernel has, in basis points. After steer_open(): what an earlier agent left. */
uint32_t steer_current_weight(const struct steer *steer);

/*
 * Offers a listener of the canary, as a descriptor that stays the caller's. 0; -EOPNOTSUPP for MPTCP, which the kernel
 * keeps out of a SOCKMAP; -ENOSPC when the canary has SERIN_SLOTS of them; -errno.
 */
int steer_offer(struct steer *steer, int listener_fd);

/* What release `index` has steered, so far, is another release's that had its place before: counted from 0. 0 or -errno. */
int steer_forget_counts(struct loader *loader, uint32_t index);

/* Vouches for all weights for another lease_ns from now. Costs no system call. */
void steer_renew(struct loader *loader, uint64_t lease_ns);

#endif
