/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Model -> the text that Prometheus and others scrape, documented in docs/metrics.md. It is additive: a name never changes its
 * meaning, and what is not known is absent. Pure.
 */
#ifndef SERIN_METRICS_H
#define SERIN_METRICS_H

#include "exposition.h"
#include "report.h"

#define METRICS_NAME_MAX 64
#define METRICS_EDGES_MAX 52
#define METRICS_PROGRAMS_MAX 32
#define METRICS_PROGRAM_NAME_MAX 64

/* A histogram of the kernel's as it is shown: how many values were not above each edge. */
struct metrics_hist {
	uint64_t count, sum_ns;
	uint64_t at_most[METRICS_EDGES_MAX];
};

/* A bucket in which an edge is counts as below when its middle is not above the edge, so an edge is at most 3.125% off. */
void metrics_fold(const struct serin_hist *hist, enum serin_latency kind, struct metrics_hist *ret);

/*
 * CPU time as a counter, which must never fall. A snapshot adds that of threads which run at its moment, and of one that
 * is switched out while it is taken it may have less than the one before.
 */
struct metrics_held {
	char model[SERIN_NAME_MAX], version[SERIN_NAME_MAX];
	uint64_t opened, started, cpu_ns;
};

/* Raises the tally's CPU time to what was shown before of the same counters. `held` is all zero before the first time. */
void metrics_hold(struct metrics_held *held, const struct serin_target *target, struct serin_tally *tally);

/* One model version. */
struct metrics_version {
	const struct serin_target *target;
	const char *release;	/* NULL: it has none */
	unsigned index;		/* of the target in the snapshot */
	const struct serin_figures *figures;
	struct metrics_hist hists[SERIN_LATENCIES];
};

struct metrics_release {
	struct report_release shown;
	const uint64_t *decisions; /* since the agent's start, SERIN_REASONS of them */
	double decided_unix;	   /* the newest; 0: none */
	bool steered;		   /* the kernel has been told everything, and there is a canary to steer to */
};

/* The agent itself. */
struct metrics_process {
	struct serin_value cpu_seconds, resident_bytes, virtual_bytes, open_fds, max_fds, start_unix;
};

struct metrics_program {
	char name[METRICS_PROGRAM_NAME_MAX];
	uint64_t run_ns, runs;
};

/* All that there is to tell at one moment. */
struct metrics {
	const struct serin_snapshot *now;
	struct metrics_version versions[SERIN_TARGETS_MAX];
	unsigned n_versions;
	struct metrics_release releases[SERIN_RELEASES_MAX];
	unsigned n_releases;
	struct metrics_process process;
	struct metrics_program programs[METRICS_PROGRAMS_MAX]; /* none where the kernel does not measure them */
	unsigned n_programs;
	char kernel[96]; /* its release */
	bool store_trouble; /* something is wrong with the store now */
};

/* Writes it. *ret_text is the caller's to free. 0 or -ENOMEM. */
int metrics_write(const struct metrics *metrics, enum exposition_format format, char **ret_text, size_t *ret_length);

/* The names that samples of the index-th family begin with, as docs/metrics.md has them; NULL beyond the last. */
const char *metrics_name(unsigned index, char ret_name[METRICS_NAME_MAX]);

#endif
