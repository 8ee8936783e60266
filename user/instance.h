/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* One agent an instance: the lock that says so. */
#ifndef SERIN_INSTANCE_H
#define SERIN_INSTANCE_H

#include "config.h"

#include <sys/types.h>

/* Makes the run directory and takes its lock. Returns the lock's descriptor, which instance_release() takes back;
 * -EBUSY when an agent holds it (ret_holder is its pid then); -errno. */
int instance_acquire(const struct serin_paths *paths, pid_t *ret_holder);

/* Gives the lock back and removes what it lived in. fd < 0 is fine. */
void instance_release(const struct serin_paths *paths, int fd);

#endif
