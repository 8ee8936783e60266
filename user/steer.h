/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Plan -> kernel: the only writer of what traffic does. */
#ifndef SERIN_STEER_H
#define SERIN_STEER_H

#include "loader.h"

struct steer; /* one release's hold on the data path */

/*
 * Takes hold of a service address for release `index`, with weight 0. The salt of its hash is drawn here and stays, so
 * that raising the weight keeps those already on the canary. Returns 0; -EBUSY when another release steers that port;
 * -errno from the kernel.
 */
int steer_open(struct loader *loader, uint32_t index, const struct serin_endpoint *service, struct steer **ret);

/* Lets go: new connections reach whoever owns the port. NULL is fine. */
void steer_close(struct steer *steer);

/* Sets the canary's share of new connections in basis points. 0 or -errno; on failure the old weight stays. */
int steer_weight(struct steer *steer, uint32_t weight);

/*
 * Offers a listener of the canary, as a descriptor that stays the caller's. 0; -EOPNOTSUPP for MPTCP, which the kernel
 * keeps out of a SOCKMAP; -ENOSPC when the canary has SERIN_SLOTS of them; -errno.
 */
int steer_offer(struct steer *steer, int listener_fd);

/* Vouches for all weights for another lease_ns from now. Costs no system call. */
void steer_renew(struct loader *loader, uint64_t lease_ns);

#endif
