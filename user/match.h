/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Is a process one of those that a configuration means? Read from /proc. */
#ifndef SERIN_MATCH_H
#define SERIN_MATCH_H

#include "serin/model.h"

#define MATCH_TEXT_MAX 200

/*
 * Does this process have all of exe, cmdline, cgroup, env and pid that `match` gives? Its endpoint is not looked at. A
 * process that is gone, or may not be looked at, does not. The environment is the one it was started with, as far as it
 * has not written over it.
 */
bool match_process(const struct serin_match *match, uint32_t pid);

/* Is this listener's endpoint one that `match` allows: its port and address, as far as they are given? */
bool match_endpoint(const struct serin_match *match, const struct serin_endpoint *listener);

/* What it looks for, as `port 8000, env MODEL_VERSION=v2`. Cut to size. */
void match_describe(const struct serin_match *match, char ret_text[MATCH_TEXT_MAX]);

#endif
