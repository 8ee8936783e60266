/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What the BPF programs cost, by the kernel's own statistics. */
#ifndef SERIN_PROGRAMS_H
#define SERIN_PROGRAMS_H

#include "loader.h"
#include "metrics.h"

/*
 * Fills in the time and the runs of each loaded program, counted since it was loaded while kernel.bpf_stats_enabled was 1.
 * Returns how many; 0 while it is not 1, as the figures then stand still.
 */
unsigned programs_measure(struct loader *loader, struct metrics_program ret_programs[METRICS_PROGRAMS_MAX]);

#endif
