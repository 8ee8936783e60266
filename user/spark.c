// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "spark.h"

#include "util.h"

#include <math.h>

#define LEVELS 8
#define BUCKETS_OF_OCTAVE 16.0

unsigned spark_seconds(unsigned span, unsigned n)
{
	static const unsigned steps[] = {1, 2, 3, 5, 10, 15, 20, 30, 60, 120, 300};

	for (size_t i = 0; n && i < ARRAY_SIZE(steps); i++)
		if (steps[i] * n >= span)
			return steps[i];
	return steps[ARRAY_SIZE(steps) - 1];
}

/* ---- curves ---- */

static double value_of(const struct series_sample *sample, const struct spark_curve *curve)
{
	return curve->of_release ? (double)sample->track[curve->track] : (double)sample->figure[curve->version][curve->figure];
}

/* How far back a sample's column is: 0 for the newest. Negative: it is from the future. */
static double columns_back(double now_unix, double at_unix, unsigned seconds)
{
	return floor(now_unix / seconds) - floor(at_unix / seconds);
}

static double fold(enum spark_fold how, double a, double b)
{
	if (how == SPARK_LEAST)
		return fmin(a, b);
	return how == SPARK_MOST ? fmax(a, b) : a + b;
}

/* A look is a second and up to a tick after the one before: a column that has none between the two is as that one was. */
static void bridge(const struct series *series, const struct spark_curve *curve, double now_unix, unsigned seconds, unsigned n,
		   double *values)
{
	const struct series_sample *newer, *older;

	for (unsigned age = 0; (newer = series_at(series, age)) && (older = series_at(series, age + 1)); age++) {
		double end = fmin(columns_back(now_unix, older->at_unix, seconds), n);

		if (newer->at_unix - older->at_unix > SERIES_GAP_SECONDS)
			continue;
		for (double back = fmax(columns_back(now_unix, newer->at_unix, seconds) + 1, 0); back < end; back++)
			values[n - 1 - (unsigned)back] = value_of(older, curve);
	}
}

void spark_read(const struct series *series, const struct spark_curve *curve, double now_unix, unsigned seconds, unsigned n,
		double *ret_values)
{
	unsigned counts[SPARK_COLUMNS] = {};
	const struct series_sample *sample;

	for (unsigned i = 0; i < n; i++)
		ret_values[i] = NAN;
	for (unsigned age = 0; (sample = series_at(series, age)); age++) {
		double back = columns_back(now_unix, sample->at_unix, seconds), value = value_of(sample, curve);
		unsigned i;

		if (isnan(value) || back < 0 || back >= n)
			continue;
		i = n - 1 - (unsigned)back;
		ret_values[i] = counts[i]++ ? fold(curve->fold, ret_values[i], value) : value;
	}
	for (unsigned i = 0; curve->fold == SPARK_MEAN && i < n; i++)
		ret_values[i] /= counts[i] ? counts[i] : 1;
	bridge(series, curve, now_unix, seconds, n, ret_values);
}

void spark_range(const double *values, unsigned n, double *low, double *high)
{
	for (unsigned i = 0; i < n; i++) {
		*low = fmin(*low, values[i]); /* which leave NaN out */
		*high = fmax(*high, values[i]);
	}
}

/* ---- histograms ---- */

static double nth(const json_t *curve, const char *key, size_t i)
{
	return json_number_value(json_array_get(json_object_get(curve, key), i));
}

/* The kernel's buckets are a sixteenth of an octave wide, by their octave's beginning in ns. */
static double lower_edge(double upper)
{
	double octave_ns = exp2(ceil(log2(upper * 1e9)) - 1);

	return upper - octave_ns / 1e9 / BUCKETS_OF_OCTAVE;
}

static size_t buckets(const json_t *curve)
{
	size_t edges = json_array_size(json_object_get(curve, "le_seconds")), counts = json_array_size(json_object_get(curve, "count"));

	return edges < counts ? edges : counts;
}

void spark_hist_range(const json_t *curve, double *low, double *high)
{
	for (size_t i = 0; i < buckets(curve); i++) {
		double upper = nth(curve, "le_seconds", i);

		if (!(upper > 0) || !(nth(curve, "count", i) > 0))
			continue;
		*low = fmin(*low, lower_edge(upper));
		*high = fmax(*high, upper);
	}
}

/* What lies between `from` and `to` on the axis, in columns, gets its part of the count. */
static void spread(double from, double to, double count, unsigned n, double *values)
{
	from = fmax(from, 0);
	to = fmin(to, n);
	if (!(to > from))
		return;
	for (unsigned i = (unsigned)from; i < n && i < to; i++)
		values[i] += count * (fmin(to, i + 1) - fmax(from, i)) / (to - from);
}

void spark_hist(const json_t *curve, double low, double high, unsigned n, double *ret_values)
{
	double total = 0, scale = n / log(high / low);

	for (size_t i = 0; i < buckets(curve); i++)
		total += fmax(nth(curve, "count", i), 0);
	for (unsigned i = 0; i < n; i++)
		ret_values[i] = total > 0 ? 0 : NAN;
	for (size_t i = 0; total > 0 && i < buckets(curve); i++) {
		double upper = nth(curve, "le_seconds", i), count = fmax(nth(curve, "count", i), 0);

		if (upper > 0)
			spread(log(lower_edge(upper) / low) * scale, log(upper / low) * scale, count / total, n, ret_values);
	}
}

/* ---- drawing ---- */

/* Eighths of `height` rows that a value fills, at least one; and never all of them, so that drawings below each other stay apart. */
static unsigned level_of(double value, double low, double high, unsigned height)
{
	double share = high > low ? (value - low) / (high - low) : 0;

	share = fmax(0, fmin(1, share));
	return 1 + (unsigned)lround(share * (height * LEVELS - 2));
}

void spark_put(struct page *page, enum page_style style, const double *values, unsigned n, double low, double high, unsigned height,
	       unsigned row)
{
	static const char *const blocks[] = {" ", "\u2581", "\u2582", "\u2583", "\u2584", "\u2585", "\u2586", "\u2587", "\u2588"};
	static const char *const ascii[] = {" ", "_", ".", "-", "=", "+", "*", "%", "#"};
	unsigned below = (height - 1 - row) * LEVELS, level;

	_Static_assert(ARRAY_SIZE(blocks) == LEVELS + 1 && ARRAY_SIZE(ascii) == LEVELS + 1, "a mark for each level, and none");
	for (unsigned i = 0; i < n; i++) {
		level = isnan(values[i]) ? 0 : level_of(values[i], low, high, height);
		level = level > below ? level - below : 0;
		level = level > LEVELS ? LEVELS : level;
		page_either(page, style, blocks[level], ascii[level]);
	}
}
