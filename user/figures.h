/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Two snapshots -> P, R and D of a target, as DESIGN defines them (docs/concepts.md has a worked example). Pure: no
 * clock, no I/O, no allocation.
 */
#ifndef SERIN_FIGURES_H
#define SERIN_FIGURES_H

#include "serin/model.h"

/* Does the outcome count (N)? And which of those that do are successes (S) unless the configuration moves them. */
bool figures_counts(enum serin_outcome outcome);
extern const bool figures_success[SERIN_OUTCOMES];

/* Requests whose outcome counts (N), and those of them that succeeded (S), in a tally. */
uint64_t figures_n(const struct serin_tally *tally);
uint64_t figures_s(const struct serin_tally *tally, const bool success[SERIN_OUTCOMES]);

/* Requests that have begun and have no outcome yet. */
uint64_t figures_in_flight(const struct serin_tally *tally);

/*
 * Requests a second whose outcome counts, N / seconds. Absent without a window, and where none counts although some were seen:
 * what speaks another protocol than HTTP/1 is not idle.
 */
struct serin_value figures_rate(const struct serin_figures *figures);

/*
 * Connections that the kernel refused between two snapshots. Their sum is of listeners that are known, and falls when one of
 * them becomes another target's, with what it had dropped: then none is told.
 */
uint64_t figures_drops(uint64_t older, uint64_t newer);

/*
 * The figures of one target between two snapshots, newer later than older: N, S, P, T1, the current consumption and
 * CPU per request. R and D stay absent: they need the model's past, and stable. Absent when not known: P with N = 0,
 * memory when nobody read it, everything with no time between the snapshots.
 */
void figures_of(const struct serin_snapshot *older, const struct serin_snapshot *newer, unsigned target,
		const bool success[SERIN_OUTCOMES], struct serin_figures *ret);

/* CPU a request, the canary's over stable's. Absent when either is, or when stable's is 0. */
void figures_cpu_ratio(struct serin_figures *canary, const struct serin_figures *stable);

/* R = C / M for each resource, and the largest of them, with M as given: maxima_retire()'s, or limits. */
void figures_compare(struct serin_figures *figures, const struct serin_value most[SERIN_RESOURCES]);

/*
 * D of the canary against stable in the same window (a concurrent baseline):
 *
 *	T2 = (T1 of stable / N of stable) * N of canary,  D = (T1 - T2) / T0
 *
 * T0 is the window's length as configured, above 0, also while the window is not full yet: one hiccup in the first
 * seconds of a release is no more than it is later. Absent when stable had no request to be normal by.
 */
void figures_anomaly(struct serin_figures *canary, const struct serin_figures *stable, double t0_seconds);

/* The same with the anomalies that a request has normally (`rate`) as they were recorded before: T2 = rate * N of canary. */
void figures_anomaly_by(struct serin_figures *canary, double rate, double t0_seconds);

#define MAXIMA_DELAY 256 /* windows that overlap the current one, at most: window / tick */

/* The historical maxima of one model: over all its versions, over windows that ended before the current one began. */
struct serin_maxima {
	struct serin_value max[SERIN_RESOURCES];
	struct {
		uint64_t end_ns;
		struct serin_value current[SERIN_RESOURCES];
	} recent[MAXIMA_DELAY]; /* a ring of windows not yet part of the past */
	unsigned first, n;
};

/* Windows that ended by `begin_ns` become part of the past: maxima->max is then what a window that begins there is
 * compared with. */
void maxima_retire(struct serin_maxima *maxima, uint64_t begin_ns);

/* Both: R of a window that began at `begin_ns`, by history. Absent until a window has ended by then. */
void maxima_compare(struct serin_maxima *maxima, uint64_t begin_ns, struct serin_figures *figures);

/* Records a window's consumption; further versions with the same end join it. When the ring is full its oldest window joins the past early. */
void maxima_record(struct serin_maxima *maxima, uint64_t end_ns, const struct serin_figures *figures);

#endif
