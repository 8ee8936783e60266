/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Resets TCP connections of this network namespace from outside, whoever holds them and whether anybody does: by
 * SOCK_DESTROY, as `ss -K`. Both ends see a reset at once.
 */
#ifndef SERIN_RESET_H
#define SERIN_RESET_H

#include <stdint.h>

/*
 * Resets the connections with these cookies, in ascending order. Sockets that are no connections, as listeners, are
 * never touched. Returns how many were reset: others have ended, or are in another namespace; or -errno: -EOPNOTSUPP from
 * a kernel built without CONFIG_INET_DIAG_DESTROY.
 */
int reset_connections(const uint64_t *cookies, unsigned n);

#endif
