/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What a process may use at most: the limits of its control groups, else what the node has. */
#ifndef SERIN_LIMITS_H
#define SERIN_LIMITS_H

#include "serin/model.h"

/*
 * CPU in cores (cpu.max), memory in bytes (memory.max): the smallest of the process's control group and those above it, in
 * cgroup2 or version 1, and never more than the node has. Network has none and is absent. Reads /proc and the control group
 * file systems. All are absent when its group cannot be found, as from within a container with a namespace of control groups
 * of its own. 0, or -errno when the process is gone.
 */
int limits_of(uint32_t pid, struct serin_value ret[SERIN_RESOURCES]);

#endif
