/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Curves and histograms of characters, a value a column: eighths of a block, or their like in ASCII. Pure. NaN is "not known", which
 * is a blank: no height is made up for it.
 */
#ifndef SERIN_SPARK_H
#define SERIN_SPARK_H

#include "page.h"
#include "series.h"

#define SPARK_COLUMNS 600 /* more are not drawn */

/* What a column shows of several samples. */
enum spark_fold { SPARK_MEAN, SPARK_LEAST, SPARK_MOST };

/* A curve of a series: of a version's figure, or, with `of_release`, a track. */
struct spark_curve {
	bool of_release;
	enum series_track track;
	enum series_version version;
	enum series_figure figure;
	enum spark_fold fold;
};

/* Seconds that a column stands for, so that n columns show at least `span` seconds. */
unsigned spark_seconds(unsigned span, unsigned n);

/*
 * The last n columns of a curve up to now_unix, `seconds` each, the newest last. A column begins at a whole multiple of its seconds, so that
 * what it shows stays in it while time goes on, and columns in which nothing is known are NaN: between two looks at most
 * SERIES_GAP_SECONDS apart, that is what was not known at the first.
 */
void spark_read(const struct series *series, const struct spark_curve *curve, double now_unix, unsigned seconds, unsigned n,
		double *ret_values);

/* The least and the greatest of values that are known; false: none is. Widens what is there already. */
void spark_range(const double *values, unsigned n, double *low, double *high);

/*
 * Buckets as GET /api/latency has them ("le_seconds", "count"), as shares of all in n columns of a logarithmic axis from low to high seconds.
 * A bucket that spans columns is spread over them. All NaN when the curve is empty.
 */
void spark_hist(const json_t *curve, double low, double high, unsigned n, double *ret_values);

/* Where a curve's buckets begin and end, in seconds; widens what is there already. */
void spark_hist_range(const json_t *curve, double *low, double *high);

/* Adds a row of a drawing that is `height` rows high to the line, the highest is row 0. What is known has a mark in the lowest row, whatever
 * its height. */
void spark_put(struct page *page, enum page_style style, const double *values, unsigned n, double low, double high, unsigned height,
	       unsigned row);

#endif
