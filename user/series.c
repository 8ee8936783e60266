// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "series.h"

#include "util.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define DIGITS 6 /* of a float in JSON: 0.95, not 0.949999988 */

static const char *const figure_names[] = {
	[SERIES_P] = "P",
	[SERIES_R] = "R",
	[SERIES_D] = "D",
	[SERIES_RATE] = "requests_per_second",
	[SERIES_P50] = "p50_seconds",
	[SERIES_P90] = "p90_seconds",
	[SERIES_P99] = "p99_seconds",
	[SERIES_CPU] = "cpu_cores",
	[SERIES_IN_FLIGHT] = "in_flight",
};
_Static_assert(ARRAY_SIZE(figure_names) == SERIES_FIGURES, "a name for each figure");

static const char *const version_names[] = {[SERIES_STABLE] = "stable", [SERIES_CANARY] = "canary"};
_Static_assert(ARRAY_SIZE(version_names) == SERIES_VERSIONS, "a name for each version");

static bool is_of(const struct series *series, const char *release, const char *stable, const char *canary)
{
	return !strcmp(series->release, release) && !strcmp(series->version[SERIES_STABLE], stable) &&
	       !strcmp(series->version[SERIES_CANARY], canary);
}

/* The samples stay as they are: memory that was never written to costs nothing. */
static void begin(struct series *series, const char *release, const char *stable, const char *canary)
{
	snprintf(series->release, sizeof(series->release), "%s", release);
	snprintf(series->version[SERIES_STABLE], SERIN_NAME_MAX, "%s", stable);
	snprintf(series->version[SERIES_CANARY], SERIN_NAME_MAX, "%s", canary);
	series->log_threshold_error = series->log_threshold_latency = (struct serin_value){};
	series->first = series->n = 0;
}

void series_assign(struct series *series, const char *release, const char *stable, const char *canary)
{
	if (!release)
		begin(series, "", "", "");
	else if (!is_of(series, release, stable, canary))
		begin(series, release, stable, canary);
}

static float compact(struct serin_value value)
{
	return value.known && isfinite(value.v) ? (float)value.v : NAN;
}

void series_push(struct series *series, const struct series_look *look)
{
	struct series_sample *sample = &series->samples[(series->first + series->n) % SERIES_SAMPLES];

	if (series->n == SERIES_SAMPLES)
		series->first = (series->first + 1) % SERIES_SAMPLES;
	else
		series->n++;
	sample->at_unix = look->at_unix;
	for (unsigned i = 0; i < SERIES_TRACKS; i++)
		sample->track[i] = compact(look->track[i]);
	for (unsigned v = 0; v < SERIES_VERSIONS; v++)
		for (unsigned i = 0; i < SERIES_FIGURES; i++)
			sample->figure[v][i] = compact(look->figure[v][i]);
	if (look->log_threshold_error.known)
		series->log_threshold_error = look->log_threshold_error;
	if (look->log_threshold_latency.known)
		series->log_threshold_latency = look->log_threshold_latency;
}

const struct series_sample *series_at(const struct series *series, unsigned age)
{
	if (age >= series->n)
		return NULL;
	return &series->samples[(series->first + series->n - 1 - age) % SERIES_SAMPLES];
}

/* ---- JSON ---- */

static json_t *real(double v)
{
	double scale;

	if (!isfinite(v)) /* absent, or beyond a float */
		return json_null();
	if (v == 0)
		return json_real(0);
	scale = pow(10, DIGITS - 1 - floor(log10(fabs(v))));
	return json_real(isfinite(scale) && scale > 0 ? round(v * scale) / scale : v);
}

static json_t *threshold(struct serin_value value)
{
	return real(value.known ? value.v : NAN);
}

static json_t *track(const struct series *series, unsigned n, enum series_track which)
{
	json_t *a = json_array();

	for (unsigned age = n; age-- > 0;)
		json_array_append_new(a, real(series_at(series, age)->track[which]));
	return a;
}

static json_t *figure(const struct series *series, unsigned n, enum series_version version, enum series_figure which)
{
	json_t *a = json_array();

	for (unsigned age = n; age-- > 0;)
		json_array_append_new(a, real(series_at(series, age)->figure[version][which]));
	return a;
}

static json_t *times(const struct series *series, unsigned n)
{
	json_t *a = json_array();

	for (unsigned age = n; age-- > 0;)
		json_array_append_new(a, json_real(round(series_at(series, age)->at_unix * 1000) / 1000));
	return a;
}

static json_t *version(const struct series *series, unsigned n, enum series_version v)
{
	json_t *o = json_pack("{ss}", "version", series->version[v]);

	for (unsigned i = 0; i < SERIES_FIGURES; i++)
		json_object_set_new(o, figure_names[i], figure(series, n, v, i));
	return o;
}

json_t *series_report(const struct series *series, unsigned limit)
{
	unsigned n = limit && limit < series->n ? limit : series->n;
	json_t *versions = json_object();

	for (unsigned v = 0; v < SERIES_VERSIONS; v++)
		json_object_set_new(versions, version_names[v], version(series, n, v));
	return json_pack("{ss ss ss so so so so s{so so} s{so so} so}", "name", series->release, "stable",
			 series->version[SERIES_STABLE], "canary", series->version[SERIES_CANARY], "at_unix", times(series, n),
			 "set_weight", track(series, n, SERIES_SET_WEIGHT), "actual_connections",
			 track(series, n, SERIES_CONNECTIONS), "actual_requests", track(series, n, SERIES_REQUESTS), "error",
			 "log_e", track(series, n, SERIES_LOG_E_ERROR), "log_threshold", threshold(series->log_threshold_error),
			 "latency", "log_e", track(series, n, SERIES_LOG_E_LATENCY), "log_threshold",
			 threshold(series->log_threshold_latency), "versions", versions);
}

/* ---- and back ---- */

static struct serin_value number(const json_t *value)
{
	return json_is_number(value) ? serin_known(json_number_value(value)) : (struct serin_value){};
}

static struct serin_value nth(const json_t *object, const char *key, size_t i)
{
	return number(json_array_get(json_object_get(object, key), i));
}

static void read_look(const json_t *report, size_t i, struct series_look *ret)
{
	const json_t *versions = json_object_get(report, "versions"), *error = json_object_get(report, "error");
	const json_t *latency = json_object_get(report, "latency");

	ret->track[SERIES_SET_WEIGHT] = nth(report, "set_weight", i);
	ret->track[SERIES_CONNECTIONS] = nth(report, "actual_connections", i);
	ret->track[SERIES_REQUESTS] = nth(report, "actual_requests", i);
	ret->track[SERIES_LOG_E_ERROR] = nth(error, "log_e", i);
	ret->track[SERIES_LOG_E_LATENCY] = nth(latency, "log_e", i);
	ret->log_threshold_error = number(json_object_get(error, "log_threshold"));
	ret->log_threshold_latency = number(json_object_get(latency, "log_threshold"));
	for (unsigned v = 0; v < SERIES_VERSIONS; v++)
		for (unsigned f = 0; f < SERIES_FIGURES; f++)
			ret->figure[v][f] = nth(json_object_get(versions, version_names[v]), figure_names[f], i);
}

static const char *text(const json_t *report, const char *key)
{
	const char *value = json_string_value(json_object_get(report, key));

	return value ? value : "";
}

/* Takes away the newest, down to before `at_unix`. */
static void cut_back(struct series *series, double at_unix)
{
	while (series->n && series_at(series, 0)->at_unix >= at_unix)
		series->n--;
}

bool series_learn(struct series *series, const json_t *report)
{
	const json_t *times = json_object_get(report, "at_unix");
	double oldest = json_number_value(json_array_get(times, 0));
	bool gap;

	series_assign(series, text(report, "name"), text(report, "stable"), text(report, "canary"));
	if (json_array_size(times) == 0)
		return false;
	cut_back(series, oldest);
	gap = series->n && oldest - series_at(series, 0)->at_unix > SERIES_GAP_SECONDS;
	for (size_t i = 0; i < json_array_size(times); i++) {
		struct series_look look = {.at_unix = json_number_value(json_array_get(times, i))};

		read_look(report, i, &look);
		series_push(series, &look);
	}
	return gap;
}
