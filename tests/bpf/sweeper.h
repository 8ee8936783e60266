/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Takes away what a test that is killed leaves pinned. */
#ifndef TESTS_SWEEPER_H
#define TESTS_SWEEPER_H

#include "config.h"

/* From now on, when this process ends in whatever way, a child of it removes the pins. To be called before there are any.
 * 0 or -errno. */
int sweeper_start(const struct serin_paths *paths);

#endif
