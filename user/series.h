/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What the last minutes of a release were like, a sample a second: who begins to look in the middle of an incident sees
 * how it came to it. A ring of fixed size that nothing is allocated for. Pure but for the JSON that it becomes.
 */
#ifndef SERIN_SERIES_H
#define SERIN_SERIES_H

#include <jansson.h>

#include "serin/model.h"

#define SERIES_SAMPLES 600
#define SERIES_INTERVAL_SECONDS 1

/* Of the release. Weights are in percent. */
enum series_track { SERIES_SET_WEIGHT, SERIES_CONNECTIONS, SERIES_REQUESTS, SERIES_LOG_E_ERROR, SERIES_LOG_E_LATENCY, SERIES_TRACKS };

/* Of a version, in the window. Times are in seconds, CPU in cores. */
enum series_figure {
	SERIES_P,
	SERIES_R,
	SERIES_D,
	SERIES_RATE, /* figures_rate() */
	SERIES_P50,
	SERIES_P90,
	SERIES_P99,
	SERIES_CPU,
	SERIES_IN_FLIGHT,
	SERIES_FIGURES
};

enum series_version { SERIES_STABLE, SERIES_CANARY, SERIES_VERSIONS };

/* One look. What is absent was not known. */
struct series_look {
	double at_unix; /* by the wall clock */
	struct serin_value track[SERIES_TRACKS];
	struct serin_value figure[SERIES_VERSIONS][SERIES_FIGURES];
	struct serin_value log_threshold_error, log_threshold_latency;
};

/* As it is kept: seven digits are enough for a curve. NaN: absent. */
struct series_sample {
	double at_unix;
	float track[SERIES_TRACKS];
	float figure[SERIES_VERSIONS][SERIES_FIGURES];
};

struct series {
	char release[SERIN_NAME_MAX], version[SERIES_VERSIONS][SERIN_NAME_MAX]; /* release empty: nobody's */
	struct serin_value log_threshold_error, log_threshold_latency;		/* of the newest look that had them */
	struct series_sample samples[SERIES_SAMPLES]; /* a ring, oldest at `first` */
	unsigned first, n;
};

_Static_assert(sizeof(struct series) <= 64 << 10, "64 KiB a release");

/* Whose it is from now on. It begins anew when that is another release, or one with other versions; else it goes on. All zero is
 * nobody's, as it is with release NULL. */
void series_assign(struct series *series, const char *release, const char *stable, const char *canary);

/* Adds a look; the oldest goes when there is no room. */
void series_push(struct series *series, const struct series_look *look);

/* A look that is kept: age 0 is the newest. NULL: so many there are not. */
const struct series_sample *series_at(const struct series *series, unsigned age);

/* As GET /api/series has it, docs/api.md: the newest `limit` samples, oldest first; 0: all. A new reference, NULL when memory
 * is out. */
json_t *series_report(const struct series *series, unsigned limit);

/*
 * The other way round: the samples that an element of the answer's "releases" has, the newest ones, in place of those that are kept from its
 * oldest on. Returns whether there is a gap, of more than SERIES_GAP_SECONDS, between the two.
 */
#define SERIES_GAP_SECONDS 3
bool series_learn(struct series *series, const json_t *report);

#endif
