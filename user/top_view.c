// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#define _GNU_SOURCE 1

#include "top_view.h"

#include "spark.h"
#include "status_view.h"
#include "util.h"
#include "view.h"

#include <math.h>
#include <string.h>

#define NARROW 60 /* columns; below, everything is told in fewer words */
#define WIDE 110
#define PLAIN_COLUMNS 100 /* where the width is not given */
#define PLAIN_ROWS 40
#define CURVE_MIN 4 /* columns; a shorter curve shows nothing */
#define NEWEST_SECONDS 3 /* so old may the newest sample be */
#define BAR_MIN 4
#define HIST_MIN 8
#define HIST_HEIGHT 8
#define DECISIONS_MAX 60
#define BELOW_MIN 6 /* lines of one release below the table of all; fewer show nothing of use */

/* The room of one release's view: a label, then a cell for each version. */
struct frame {
	const struct top_scene *scene;
	const json_t *release, *stable, *canary; /* of the dump; the last two may be NULL */
	const struct series *series;		 /* NULL: it has no past */
	unsigned width, label, cell, value, curve; /* columns; curve 0: there is no room for one */
	unsigned seconds;			   /* a column of a curve */
	double end_unix;			   /* of the curves */
	bool narrow;
};

static const char *const roles[SERIES_VERSIONS] = {"stable", "canary"};

static unsigned width_of(const struct top_scene *scene)
{
	return scene->look.width ? scene->look.width : PLAIN_COLUMNS;
}

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

static unsigned room_for_curve(unsigned columns, unsigned taken)
{
	return columns >= taken + CURVE_MIN ? least(columns - taken, SPARK_COLUMNS) : 0;
}

static const struct series *find_series(const struct top_scene *scene, const char *name)
{
	for (unsigned i = 0; i < scene->n_series; i++)
		if (!strcmp(scene->series[i].release, name))
			return &scene->series[i];
	return NULL;
}

/* A new column does not begin before there is something in it. */
static double end_of_curves(const struct top_scene *scene, const struct series *series)
{
	const struct series_sample *newest = series ? series_at(series, 0) : NULL;

	return newest && fabs(scene->now_unix - newest->at_unix) < NEWEST_SECONDS ? newest->at_unix : scene->now_unix;
}

static struct frame make_frame(const struct top_scene *scene, const json_t *release)
{
	struct frame f = {.scene = scene, .release = release, .width = width_of(scene)};

	f.stable = view_model(scene->dump, release, "stable");
	f.canary = view_model(scene->dump, release, "canary");
	f.series = find_series(scene, view_text(release, "name"));
	f.narrow = f.width < NARROW;
	f.label = f.narrow ? 9 : VIEW_INDENT;
	f.cell = f.width > f.label + 2 ? (f.width - f.label) / 2 : 1;
	f.value = f.narrow ? 8 : 9;
	f.curve = room_for_curve(f.cell, f.value + 3);
	f.end_unix = end_of_curves(scene, f.series);
	f.seconds = spark_seconds(scene->span_seconds, f.curve ? f.curve : 1);
	return f;
}

static unsigned column_of(const struct frame *f, enum series_version version)
{
	return f->label + version * f->cell;
}

static void put_right(struct page *page, enum page_style style, unsigned width, const char *text)
{
	unsigned columns = page_columns(page, text);

	page_to(page, page->column + (columns < width ? width - columns : 0));
	page_put(page, style, text);
}

/* ---- figures ---- */

/* 0.812 ms, 12.3 ms, 1.23 s: three digits. */
static void format_seconds(double seconds, char *ret_text, size_t size)
{
	bool ms = seconds < 0.9995;
	double v = ms ? seconds * 1e3 : seconds;

	snprintf(ret_text, size, "%.*f %s", v < 0.9995 ? 3 : v < 9.995 ? 2 : v < 99.95 ? 1 : 0, v, ms ? "ms" : "s");
}

static void format_rate(double v, char *ret_text, size_t size)
{
	if (v >= 99999.5)
		snprintf(ret_text, size, "%.1fk", v / 1e3);
	else
		snprintf(ret_text, size, "%.*f", v < 999.95 ? 1 : 0, v);
}

/* A P that is not 1 is never shown as 1. */
static void format_p(double v, char *ret_text, size_t size)
{
	snprintf(ret_text, size, "%.4f", v < 1 ? fmin(v, 0.9999) : v);
}

static void format_two(double v, char *ret_text, size_t size)
{
	snprintf(ret_text, size, fabs(v) < 9999.5 ? "%.2f" : "%.3g", v);
}

static void format_cores(double v, char *ret_text, size_t size)
{
	snprintf(ret_text, size, "%.*f", v < 9.9995 ? 3 : 1, v);
}

static void format_count(double v, char *ret_text, size_t size)
{
	snprintf(ret_text, size, "%.0f", v);
}

enum worse { NEITHER, LOWER, HIGHER };

/* Rows of the table: where a figure of now is, how it is told, and its curve's place in the series. */
static const struct figure {
	const char *label, *brief, *path; /* path NULL: the newest of the series */
	void (*format)(double v, char *ret_text, size_t size);
	enum series_figure figure;
	enum spark_fold fold;
	enum worse worse;
	const char *bound; /* the gate on the canary's; NULL: none */
} figures[] = {
	{"requests/s", "req/s", "", format_rate, SERIES_RATE, SPARK_MEAN, NEITHER, NULL},
	{"P success", "P", "window.P", format_p, SERIES_P, SPARK_LEAST, LOWER, "gates.P_min"},
	{"R resource", "R", "window.R", format_two, SERIES_R, SPARK_MOST, HIGHER, "gates.R_max"},
	{"D anom./s", "D", "window.D", format_two, SERIES_D, SPARK_MOST, HIGHER, "gates.D_max"},
	{"p50", "p50", NULL, format_seconds, SERIES_P50, SPARK_MEAN, NEITHER, NULL},
	{"p90", "p90", NULL, format_seconds, SERIES_P90, SPARK_MEAN, NEITHER, NULL},
	{"p99", "p99", NULL, format_seconds, SERIES_P99, SPARK_MOST, NEITHER, NULL},
	{"CPU cores", "CPU", "window.resources.cpu.current", format_cores, SERIES_CPU, SPARK_MEAN, NEITHER, NULL},
	{"in flight", "in flt", "requests.in_flight", format_count, SERIES_IN_FLIGHT, SPARK_MOST, NEITHER, NULL},
};

static const json_t *model_of(const struct frame *f, enum series_version version)
{
	return version == SERIES_STABLE ? f->stable : f->canary;
}

static struct serin_value rate_of(const json_t *model)
{
	return view_number(model, "window.requests_per_second");
}

static struct serin_value newest_of(const struct series *series, enum series_version version, enum series_figure figure)
{
	const struct series_sample *sample = series ? series_at(series, 0) : NULL;

	return sample && !isnan(sample->figure[version][figure]) ? serin_known((double)sample->figure[version][figure])
								 : (struct serin_value){};
}

static struct serin_value value_of(const struct frame *f, const struct figure *figure, enum series_version version)
{
	if (!figure->path)
		return newest_of(f->series, version, figure->figure);
	return *figure->path ? view_number(model_of(f, version), figure->path) : rate_of(model_of(f, version));
}

/* Red where the canary breaks a gate. */
static enum page_style style_of(const struct frame *f, const struct figure *figure, enum series_version version, struct serin_value value)
{
	struct serin_value bound = figure->bound ? view_number(f->release, figure->bound) : (struct serin_value){};

	if (version != SERIES_CANARY || !value.known || !bound.known)
		return PAGE_BOLD;
	return (figure->worse == LOWER && value.v < bound.v) || (figure->worse == HIGHER && value.v > bound.v) ? PAGE_RED : PAGE_BOLD;
}

static const enum page_style curve_styles[SERIES_VERSIONS] = {PAGE_GREEN, PAGE_YELLOW};

/* A curve for each version on one scale. Whatever P is, 0.95 is low enough to be seen as such. */
static void read_curves(const struct frame *f, const struct figure *figure, double values[SERIES_VERSIONS][SPARK_COLUMNS], double *low,
			double *high)
{
	*low = figure->figure == SERIES_P ? 0.95 : 0;
	*high = figure->figure == SERIES_P ? 1 : 0;
	for (unsigned v = 0; v < SERIES_VERSIONS; v++) {
		struct spark_curve curve = {.version = v, .figure = figure->figure, .fold = figure->fold};

		spark_read(f->series, &curve, f->end_unix, f->seconds, f->curve, values[v]);
		spark_range(values[v], f->curve, low, high);
	}
}

static void put_cell(struct page *page, const struct frame *f, const struct figure *figure, enum series_version version)
{
	struct serin_value value = value_of(f, figure, version);
	char text[32] = "-";

	page_to(page, column_of(f, version));
	if (value.known)
		figure->format(value.v, text, sizeof(text));
	put_right(page, value.known ? style_of(f, figure, version, value) : PAGE_DIM, f->value, text);
}

/* `height` lines: the figures are in the lowest, where the curves stand. */
static void put_figure(struct page *page, const struct frame *f, const struct figure *figure, unsigned height)
{
	double values[SERIES_VERSIONS][SPARK_COLUMNS], low, high;
	bool curves = f->curve && f->series;

	if (curves)
		read_curves(f, figure, values, &low, &high);
	for (unsigned row = 0; row < height; row++) {
		if (row == height - 1)
			page_put(page, PAGE_DIM, f->narrow ? figure->brief : figure->label);
		for (unsigned v = 0; v < SERIES_VERSIONS; v++) {
			if (row == height - 1)
				put_cell(page, f, figure, v);
			if (!curves)
				continue;
			page_to(page, column_of(f, v) + f->value + 1);
			spark_put(page, curve_styles[v], values[v], f->curve, low, high, height, row);
		}
		page_end(page);
	}
}

/* ---- head ---- */

static void format_clock(double unix_seconds, const char *format, char *ret_text, size_t size)
{
	time_t seconds = unix_seconds > 0 && unix_seconds < 1e11 ? (time_t)unix_seconds : 0;
	struct tm local;

	if (!seconds || !localtime_r(&seconds, &local) || strftime(ret_text, size, format, &local) == 0)
		snprintf(ret_text, size, "-");
}

static void put_clock(struct page *page, const struct top_scene *scene)
{
	char clock[16];

	format_clock(scene->now_unix, "%H:%M:%S", clock, sizeof(clock));
	if (page->column + 2 + strlen(clock) > width_of(scene))
		return;
	page_to(page, width_of(scene) - (unsigned)strlen(clock));
	page_put(page, PAGE_DIM, clock);
}

static void put_head(struct page *page, const struct frame *f)
{
	struct serin_value step = view_number(f->release, "step");

	page_put(page, PAGE_BOLD, *view_text(f->release, "name") ? view_text(f->release, "name") : "-");
	page_put(page, PAGE_PLAIN, "  ");
	view_put_phase(page, view_text(f->release, "phase"));
	if (step.known)
		page_printf(page, PAGE_PLAIN, f->narrow ? ", %.0f/%.0f" : ", step %.0f of %.0f", step.v, view_count(f->release, "steps"));
	if (json_is_true(view_at(f->release, "manual")))
		page_put(page, PAGE_PLAIN, ", by hand");
	put_clock(page, f->scene);
	page_end(page);
}

static void put_weight_curve(struct page *page, const struct frame *f)
{
	struct spark_curve curve = {.of_release = true, .track = SERIES_REQUESTS, .fold = SPARK_MEAN};
	double values[SPARK_COLUMNS], low = 0, high = 0;
	unsigned begin = column_of(f, SERIES_CANARY) + f->value + 1;

	if (!f->series || !f->curve || page->column + 1 > begin)
		return;
	spark_read(f->series, &curve, f->end_unix, f->seconds, f->curve, values);
	spark_range(values, f->curve, &low, &high);
	page_to(page, begin);
	spark_put(page, PAGE_YELLOW, values, f->curve, low, high, 1, 0);
}

static void put_weight(struct page *page, const struct frame *f)
{
	struct serin_value since = view_number(f->release, "since_seconds");
	char text[32];

	page_put(page, PAGE_DIM, f->narrow ? "weight" : "Weight");
	page_to(page, f->label);
	page_put(page, PAGE_PLAIN, "set ");
	view_put_number(page, PAGE_BOLD, view_number(f->release, "set_weight"), "%g%%", 1);
	if (since.known && !f->narrow) {
		view_duration(since.v, text, sizeof(text));
		page_printf(page, PAGE_PLAIN, " for %s", text);
	}
	page_put(page, PAGE_PLAIN, f->narrow ? ", is " : ", actual ");
	view_put_number(page, PAGE_BOLD, view_number(f->release, "actual_weight.connections"), "%.1f%%", 1);
	page_put(page, PAGE_PLAIN, f->narrow ? " " : " of connections, ");
	view_put_number(page, PAGE_BOLD, view_number(f->release, "actual_weight.requests"), "%.1f%%", 1);
	if (!f->narrow)
		page_put(page, PAGE_PLAIN, " of requests");
	put_weight_curve(page, f);
	page_end(page);
}

static void put_text(struct page *page, const struct frame *f, enum page_style style, const char *name, const char *text)
{
	page_put(page, PAGE_DIM, name);
	page_to(page, f->label);
	page_wrap(page, style, f->label, text);
	page_end(page);
}

/* Why it is where it is: what it waits for, else what the last decision rests on. */
static void put_why(struct page *page, const struct frame *f)
{
	const char *note = view_text(f->release, "note"), *waiting = view_text(f->release, "waiting_for");
	bool bad = view_is(f->release, "phase", "RolledBack");

	if (*note)
		put_text(page, f, PAGE_YELLOW, f->narrow ? "note" : "Note", note);
	else if (*waiting)
		put_text(page, f, PAGE_PLAIN, f->narrow ? "waits" : "Waits for", waiting);
	else
		put_text(page, f, bad ? PAGE_RED : PAGE_PLAIN, f->narrow ? "reason" : "Reason", view_text(f->release, "reason"));
}

static void put_reason(struct page *page, const struct frame *f)
{
	const char *waiting = view_text(f->release, "waiting_for"), *note = view_text(f->release, "note");

	if ((*waiting || *note) && *view_text(f->release, "reason"))
		put_text(page, f, PAGE_PLAIN, f->narrow ? "reason" : "Reason", view_text(f->release, "reason"));
}

static void put_span(struct page *page, const struct frame *f)
{
	unsigned shown = f->curve * f->seconds;
	char text[32];

	snprintf(text, sizeof(text), shown >= 120 ? "%.2g min" : "%.0f s", shown >= 120 ? shown / 60.0 : shown);
	if (f->curve >= strlen(text) && f->series && page->column + 1 + strlen(text) < column_of(f, SERIES_CANARY) + f->cell) {
		page_to(page, column_of(f, SERIES_CANARY) + f->value + 1 + f->curve - (unsigned)strlen(text));
		page_put(page, PAGE_DIM, text);
	}
}

static void put_titles(struct page *page, const struct frame *f)
{
	static const char *const listens[SERIES_VERSIONS] = {"stable_listens", "canary_listens"};

	for (unsigned v = 0; v < SERIES_VERSIONS; v++) {
		const char *version = view_text(f->release, roles[v]);
		bool gone = json_is_false(view_at(f->release, listens[v]));
		char text[SERIN_NAME_MAX + 32];

		if (!*version)
			version = view_text(model_of(f, v), "version");
		snprintf(text, sizeof(text), "%s%s%s%s", f->narrow ? "" : roles[v], f->narrow ? "" : " ", *version ? version : "-",
			 gone ? " (does not listen)" : "");
		page_to(page, column_of(f, v));
		put_right(page, gone ? PAGE_RED : PAGE_BOLD, f->narrow ? f->value : 0, text);
	}
	put_span(page, f);
	page_end(page);
}

/* ---- evidence ---- */

static void put_log_e_curve(struct page *page, const struct frame *f, enum series_track track, enum page_style style, double threshold)
{
	struct spark_curve curve = {.of_release = true, .track = track, .fold = SPARK_MOST};
	unsigned begin = column_of(f, SERIES_CANARY) + f->value + 1;
	double values[SPARK_COLUMNS];

	if (!f->series || !f->curve || page->column + 1 > begin)
		return;
	spark_read(f->series, &curve, f->end_unix, f->seconds, f->curve, values);
	page_to(page, begin);
	spark_put(page, style, values, f->curve, 0, threshold, 1, 0);
}

/* A bar in stable's cell, its figures behind it, and how it came to it below the canary's curves. */
static void put_test(struct page *page, const struct frame *f, const char *key, const char *name, enum series_track track)
{
	const json_t *test = view_at(view_at(f->release, "evidence"), key);
	double way = view_way(test), excess = view_count(test, "excess") * 100;
	enum page_style style = way >= 1 ? PAGE_RED : way >= 0.5 ? PAGE_YELLOW : PAGE_GREEN;
	unsigned room = f->cell + f->value;
	char text[64];

	page_put(page, PAGE_DIM, name);
	page_to(page, f->label);
	snprintf(text, sizeof(text), " e %.3g of %.3g", view_count(test, "e"), view_count(test, "threshold"));
	if (f->width >= WIDE)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), ", excess %.1f%%", fabs(excess) < 0.05 ? 0 : excess);
	view_put_bar(page, style, room > strlen(text) + BAR_MIN ? room - (unsigned)strlen(text) : BAR_MIN, way);
	page_put(page, style, text);
	put_log_e_curve(page, f, track, style, view_count(test, "log_threshold"));
	page_end(page);
}

/* ---- latency ---- */

/* Of the version's requests, or of streams' first chunks where there is nothing else. NULL: it has none, or nobody told. */
static const json_t *latency_of(const struct top_scene *scene, const char *name, const char *version)
{
	static const char *const kinds[] = {"duration", "stream_first_chunk", "first_chunk"};
	const json_t *model;
	size_t i;

	json_array_foreach(scene->latency, i, model) {
		if (!view_is(model, "model", name) || !view_is(model, "version", version))
			continue;
		for (size_t k = 0; k < ARRAY_SIZE(kinds); k++)
			if (json_array_size(view_at(view_at(model, kinds[k]), "count")))
				return view_at(model, kinds[k]);
	}
	return NULL;
}

static const json_t *latency_in(const struct frame *f, enum series_version version)
{
	const char *name = view_text(f->release, roles[version]);

	return latency_of(f->scene, view_text(f->release, "name"), *name ? name : view_text(model_of(f, version), "version"));
}

static unsigned hist_columns(const struct frame *f)
{
	return f->cell > HIST_MIN + 1 ? least(f->cell - 2, SPARK_COLUMNS) : 0;
}

static bool has_hist(const struct frame *f)
{
	return hist_columns(f) && (latency_in(f, SERIES_STABLE) || latency_in(f, SERIES_CANARY));
}

static void put_axis(struct page *page, const struct frame *f, unsigned n, double low, double high)
{
	char from[24], to[24];

	format_seconds(low, from, sizeof(from));
	format_seconds(high, to, sizeof(to));
	for (unsigned v = 0; v < SERIES_VERSIONS; v++) {
		page_to(page, column_of(f, v));
		if (strlen(from) + strlen(to) + 1 > n)
			continue;
		page_put(page, PAGE_DIM, from);
		page_to(page, column_of(f, v) + n - (unsigned)strlen(to));
		page_put(page, PAGE_DIM, to);
	}
	page_end(page);
}

/* Both versions on one axis, by shares of their own requests: what differs is the shape, not how many they got. */
static void put_hist(struct page *page, const struct frame *f, unsigned height)
{
	double values[SERIES_VERSIONS][SPARK_COLUMNS], low = INFINITY, high = 0, floor_ = 0, top = 0;
	unsigned n = hist_columns(f);

	for (unsigned v = 0; v < SERIES_VERSIONS; v++)
		spark_hist_range(latency_in(f, v), &low, &high);
	if (!(high > 0))
		return;
	if (high < 2 * low) { /* a shape needs some room */
		low /= sqrt(2);
		high *= sqrt(2);
	}
	for (unsigned v = 0; v < SERIES_VERSIONS; v++) {
		spark_hist(latency_in(f, v), low, high, n, values[v]);
		spark_range(values[v], n, &floor_, &top);
		for (unsigned i = 0; i < n; i++)
			if (values[v][i] <= 0)
				values[v][i] = NAN; /* nothing was so long */
	}
	for (unsigned row = 0; row < height; row++) {
		if (row == height - 1)
			page_put(page, PAGE_DIM, f->narrow ? "latency" : "Latency");
		for (unsigned v = 0; v < SERIES_VERSIONS; v++) {
			page_to(page, column_of(f, v));
			spark_put(page, curve_styles[v], values[v], n, 0, top, height, row);
		}
		page_end(page);
	}
	put_axis(page, f, n, low, high);
}

/* ---- decisions ---- */

static bool is_of(const struct frame *f, const json_t *decision)
{
	return view_is(decision, "release", view_text(f->release, "name"));
}

static unsigned count_decisions(const struct frame *f)
{
	const json_t *decision;
	unsigned n = 0;
	size_t i;

	json_array_foreach(f->scene->decisions, i, decision)
		n += is_of(f, decision);
	return n;
}

static void put_decision(struct page *page, const struct frame *f, const json_t *decision)
{
	double at = view_count(decision, "at_unix");
	bool today = f->scene->now_unix - at < 86400;
	enum page_style style = view_is(decision, "phase", "RolledBack") ? PAGE_RED : PAGE_PLAIN;
	char clock[32];

	format_clock(at, today ? "%H:%M:%S" : "%m-%d %H:%M", clock, sizeof(clock));
	page_put(page, PAGE_DIM, clock);
	page_to(page, f->label > strlen(clock) ? f->label : (unsigned)strlen(clock) + 1);
	page_put(page, style, view_text(decision, "phase"));
	page_printf(page, style, " %g%%", view_count(decision, "set_weight"));
	if (!f->narrow)
		page_to(page, f->label + 17);
	page_put(page, PAGE_PLAIN, " ");
	page_put(page, PAGE_PLAIN, view_text(decision, "reason"));
	page_end(page);
}

/* The newest n, newest first: what has just come is where one looks. */
static void put_decisions(struct page *page, const struct frame *f, unsigned n)
{
	for (size_t i = json_array_size(f->scene->decisions); n && i-- > 0;) {
		const json_t *decision = json_array_get(f->scene->decisions, i);

		if (!is_of(f, decision))
			continue;
		put_decision(page, f, decision);
		n--;
	}
}

/* ---- what there is room for ---- */

enum part {
	PART_FIGURE, /* one for each of the figures */
	PART_WEIGHT = PART_FIGURE + ARRAY_SIZE(figures),
	PART_TITLES,
	PART_STEPS,
	PART_WHY,
	PART_REASON,
	PART_ERRORS,
	PART_LATENCY,
	PART_HIST,
	PART_DECISIONS,
	PART_LOSSES,
	PART_GAP, /* a blank line between the groups */
	PARTS
};

#define F(figure) (PART_FIGURE + (figure))

enum { RATE, P, R, D, P50, P90, P99, CPU, IN_FLIGHT };

/* What is wanted, the most important first. What there is more of, or what is higher then, comes again. */
static const struct wish {
	int part;
	unsigned lines;
} wishes[] = {
	{PART_TITLES, 1}, {F(P), 1}, {F(D), 1}, {F(RATE), 1}, {F(P99), 1}, {PART_LOSSES, 1}, {PART_WEIGHT, 1}, {PART_ERRORS, 1},
	{PART_LATENCY, 1}, {PART_WHY, 1}, {F(P50), 1}, {F(R), 1}, {PART_HIST, 2}, {PART_DECISIONS, 1}, {F(IN_FLIGHT), 1}, {F(CPU), 1},
	{PART_STEPS, 1}, {PART_DECISIONS, 1}, {F(P90), 1}, {PART_HIST, 1}, {PART_GAP, 3}, {PART_REASON, 1}, {PART_DECISIONS, 2},
	{PART_HIST, 2}, {PART_DECISIONS, 2}, {F(P), 1}, {F(P99), 1}, {F(RATE), 1}, {F(D), 1}, {PART_HIST, HIST_HEIGHT - 6},
	{F(R), 1}, {F(P50), 1}, {F(P90), 1}, {F(CPU), 1}, {F(IN_FLIGHT), 1}, {PART_DECISIONS, 5}, {F(P99), 1}, {F(RATE), 1}, {F(D), 1},
	{F(P50), 1}, {PART_DECISIONS, DECISIONS_MAX},
};

static unsigned wrapped_lines(const struct frame *f, void (*put)(struct page *, const struct frame *))
{
	struct page *page = malloc(sizeof(*page));
	unsigned lines;

	if (!page)
		return 0;
	page_init(page, &f->scene->look);
	page->look.width = f->width;
	put(page, f);
	lines = page->lines;
	free(page_take(page, 0));
	free(page);
	return lines;
}

static void put_steps(struct page *page, const struct frame *f)
{
	view_put_steps(page, f->release);
}

static void put_losses(struct page *page, const struct frame *f)
{
	view_put_losses(page, f->scene->dump);
}

/* Parts whose lines follow from what they hold. */
static const struct {
	int part;
	void (*put)(struct page *page, const struct frame *f);
} texts[] = {{PART_STEPS, put_steps}, {PART_WHY, put_why}, {PART_REASON, put_reason}, {PART_LOSSES, put_losses}};

/* How many lines a wish really takes, 0 when there is nothing to show. */
static unsigned lines_of(const struct frame *f, const struct wish *wish, const unsigned *granted, unsigned left)
{
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (texts[i].part == wish->part)
			return wrapped_lines(f, texts[i].put);
	if (wish->part == PART_ERRORS || wish->part == PART_LATENCY)
		return json_is_object(view_at(f->release, "evidence")) ? 1 : 0;
	if (wish->part == PART_HIST)
		return has_hist(f) ? wish->lines : 0;
	if (wish->part == PART_DECISIONS)
		return least(least(count_decisions(f) - granted[PART_DECISIONS], wish->lines), left);
	if (wish->part < PART_WEIGHT && granted[wish->part] && (!f->curve || !f->series || !f->scene->rows))
		return 0; /* a curve that is not there is not higher either, nor one that is printed */
	return wish->lines;
}

/* Lines of each part, `rows` at most together. What does not fit whole is left out; what comes after it may fit. */
static void share_out(const struct frame *f, unsigned rows, unsigned ret_lines[PARTS])
{
	memset(ret_lines, 0, PARTS * sizeof(*ret_lines));
	for (size_t i = 0; i < ARRAY_SIZE(wishes); i++) {
		unsigned lines = lines_of(f, &wishes[i], ret_lines, rows);

		if (lines > rows || (!ret_lines[wishes[i].part] && wishes[i].part == PART_HIST && lines < 2))
			continue;
		ret_lines[wishes[i].part] += lines;
		rows -= lines;
	}
}

/* Before a group that has something. */
static void put_gap(struct page *page, const unsigned *lines, bool has_any)
{
	if (lines[PART_GAP] && has_any)
		page_end(page);
}

/* ---- one release ---- */

static void put_figures(struct page *page, const struct frame *f, const unsigned *lines)
{
	for (unsigned i = 0; i < ARRAY_SIZE(figures); i++)
		if (lines[F(i)])
			put_figure(page, f, &figures[i], lines[F(i)]);
}

static void put_release(struct page *page, const struct frame *f, unsigned rows)
{
	unsigned lines[PARTS];

	share_out(f, rows > 1 ? rows - 1 : 0, lines);
	put_head(page, f);
	if (lines[PART_WEIGHT])
		put_weight(page, f);
	if (lines[PART_STEPS])
		put_steps(page, f);
	if (lines[PART_WHY])
		put_why(page, f);
	if (lines[PART_REASON])
		put_reason(page, f);
	put_gap(page, lines, true);
	if (lines[PART_TITLES])
		put_titles(page, f);
	put_figures(page, f, lines);
	if (lines[PART_ERRORS])
		put_test(page, f, "error", f->narrow ? "errors" : "Errors", SERIES_LOG_E_ERROR);
	if (lines[PART_LATENCY])
		put_test(page, f, "latency", f->narrow ? "slow" : "Slowness", SERIES_LOG_E_LATENCY);
	put_gap(page, lines, lines[PART_HIST]);
	if (lines[PART_HIST])
		put_hist(page, f, lines[PART_HIST] - 1);
	put_gap(page, lines, lines[PART_DECISIONS]);
	put_decisions(page, f, lines[PART_DECISIONS]);
	if (lines[PART_LOSSES])
		put_losses(page, f);
}

/* ---- the table of several ---- */

struct entry {
	const struct frame *f;
	char text[32];
	enum page_style style;
};

static void cell_step(struct entry *e)
{
	struct serin_value step = view_number(e->f->release, "step");

	if (step.known)
		snprintf(e->text, sizeof(e->text), "%.0f/%.0f", step.v, view_count(e->f->release, "steps"));
}

static void cell_percent(struct entry *e, const char *path, const char *format)
{
	struct serin_value value = view_number(e->f->release, path);

	if (value.known)
		snprintf(e->text, sizeof(e->text), format, value.v);
}

static void cell_set(struct entry *e)
{
	cell_percent(e, "set_weight", "%g%%");
}

static void cell_actual(struct entry *e)
{
	cell_percent(e, "actual_weight.requests", "%.1f%%");
}

static void cell_figure(struct entry *e, unsigned figure, enum series_version version)
{
	struct serin_value value = value_of(e->f, &figures[figure], version);

	if (!value.known)
		return;
	figures[figure].format(value.v, e->text, sizeof(e->text));
	e->style = style_of(e->f, &figures[figure], version, value) == PAGE_RED ? PAGE_RED : PAGE_PLAIN;
}

static void cell_rate(struct entry *e)
{
	cell_figure(e, RATE, SERIES_CANARY);
}

static void cell_p(struct entry *e)
{
	cell_figure(e, P, SERIES_CANARY);
}

static void cell_d(struct entry *e)
{
	cell_figure(e, D, SERIES_CANARY);
}

static void cell_p99(struct entry *e)
{
	cell_figure(e, P99, SERIES_CANARY);
}

static void cell_stable_p99(struct entry *e)
{
	cell_figure(e, P99, SERIES_STABLE);
}

static void cell_stable_rate(struct entry *e)
{
	cell_figure(e, RATE, SERIES_STABLE);
}

static void cell_stable_p(struct entry *e)
{
	cell_figure(e, P, SERIES_STABLE);
}

/* In the order in which they are dropped from the right where the width ends. All but the first three are the canary's, unless they say
 * so. */
static const struct list_column {
	const char *title;
	unsigned width;
	void (*cell)(struct entry *e);
} list_columns[] = {
	{"SET", 7, cell_set},	 {"P", 7, cell_p},	   {"D", 7, cell_d},		      {"ACTUAL", 7, cell_actual},
	{"STEP", 6, cell_step},	 {"P99", 8, cell_p99},	   {"REQ/S", 8, cell_rate},	      {"STABLE P99", 12, cell_stable_p99},
	{"STABLE P", 10, cell_stable_p}, {"STABLE REQ/S", 14, cell_stable_rate},
};

static unsigned name_width(const struct top_scene *scene, const struct page *page)
{
	unsigned width = 7, columns;
	const json_t *release;
	size_t i;

	json_array_foreach(view_at(scene->dump, "releases"), i, release) {
		columns = page_columns(page, view_text(release, "name"));
		if (columns > width)
			width = columns;
	}
	return least(width, width_of(scene) / 3);
}

#define PHASE_COLUMNS 14

static unsigned columns_that_fit(const struct top_scene *scene, unsigned name)
{
	unsigned taken = 2 + name + 1 + PHASE_COLUMNS, n = 0;

	for (; n < ARRAY_SIZE(list_columns); n++) {
		taken += list_columns[n].width;
		if (taken > width_of(scene))
			break;
	}
	return n;
}

static void put_list_titles(struct page *page, unsigned name, unsigned n)
{
	page_to(page, 2);
	page_put(page, PAGE_DIM, "RELEASE");
	page_to(page, 2 + name + 1);
	page_put(page, PAGE_DIM, "PHASE");
	page_to(page, 2 + name + 1 + PHASE_COLUMNS);
	for (unsigned i = 0; i < n; i++)
		put_right(page, PAGE_DIM, list_columns[i].width, list_columns[i].title);
	page_end(page);
}

static void put_list_row(struct page *page, const struct frame *f, unsigned name, unsigned n, bool chosen)
{
	char text[SERIN_NAME_MAX + 1];

	if (chosen)
		page_either(page, PAGE_BOLD, "\u25b6", ">");
	page_to(page, 2);
	snprintf(text, sizeof(text), "%.*s", (int)name, view_text(f->release, "name"));
	page_put(page, chosen ? PAGE_BOLD : PAGE_PLAIN, text);
	page_to(page, 2 + name + 1);
	view_put_phase(page, view_text(f->release, "phase"));
	page_to(page, 2 + name + 1 + PHASE_COLUMNS);
	for (unsigned i = 0; i < n; i++) {
		struct entry e = {.f = f, .text = "-", .style = PAGE_PLAIN};

		list_columns[i].cell(&e);
		put_right(page, e.style, list_columns[i].width, e.text);
	}
	page_end(page);
}

/* The chosen one is always among the `rows` that there is room for. */
static void put_list(struct page *page, const struct top_scene *scene, size_t chosen, unsigned rows)
{
	const json_t *releases = view_at(scene->dump, "releases");
	unsigned name = name_width(scene, page), n = columns_that_fit(scene, name);
	size_t first = chosen >= rows ? chosen - rows + 1 : 0;

	put_list_titles(page, name, n);
	for (size_t i = first; i < json_array_size(releases) && i - first < rows; i++) {
		struct frame f = make_frame(scene, json_array_get(releases, i));

		put_list_row(page, &f, name, n, scene->input && i == chosen);
	}
}

/* ---- the foot ---- */

static void put_keys(struct page *page, const struct top_scene *scene)
{
	bool narrow = width_of(scene) < 78;

	for (const struct top_help *h = top_help; h->key; h++) {
		if (!h->brief)
			continue;
		page_put(page, PAGE_BOLD, h->key);
		page_put(page, PAGE_DIM, narrow && strcmp(h->key, "?") && strcmp(h->key, "q") ? "" : " ");
		if (!narrow || !strcmp(h->key, "?") || !strcmp(h->key, "q"))
			page_put(page, PAGE_DIM, h->brief);
		page_put(page, PAGE_DIM, narrow ? " " : "  ");
	}
}

static const json_t *chosen_release(const struct top_scene *scene)
{
	const json_t *releases = view_at(scene->dump, "releases"), *release;
	size_t i;

	json_array_foreach(releases, i, release)
		if (scene->name && view_is(release, "name", scene->name))
			return release;
	return json_array_get(releases, 0);
}

/* What a yes would do. */
static void put_question(struct page *page, const struct top_scene *scene)
{
	const json_t *release = chosen_release(scene);
	const char *name = view_text(release, "name"), *canary = view_text(release, "canary");
	struct serin_value step = view_number(release, "step"), steps = view_number(release, "steps");

	if (scene->input->asked == TOP_ABORT)
		page_printf(page, PAGE_YELLOW, "%s: take %s out of traffic? y/n", name, canary);
	else if (step.known && steps.known && step.v < steps.v)
		page_printf(page, PAGE_YELLOW, "%s: promote %s to step %.0f, %g%%? y/n", name, canary, step.v + 1,
			    view_count(json_array_get(view_at(release, "plan"), (size_t)step.v), "weight"));
	else
		page_printf(page, PAGE_YELLOW, "%s: promote %s? y/n", name, canary);
}

static void put_foot(struct page *page, const struct top_scene *scene)
{
	const json_t *release = chosen_release(scene);

	if (scene->input->mode == TOP_ASKING) {
		put_question(page, scene);
	} else if (scene->input->mode == TOP_TYPING) {
		page_printf(page, PAGE_YELLOW, "%s: weight of %s, 0 to 100 percent: %s", view_text(release, "name"),
			    view_text(release, "canary"), scene->input->typed);
		page_put(page, PAGE_YELLOW, "_");
	} else if (scene->message) {
		page_put(page, scene->message_is_bad ? PAGE_RED : PAGE_GREEN, scene->message);
	} else {
		put_keys(page, scene);
	}
	page_end(page);
}

static void put_help(struct page *page)
{
	page_put(page, PAGE_BOLD, "Keys");
	page_end(page);
	for (const struct top_help *h = top_help; h->key; h++) {
		page_put(page, PAGE_BOLD, h->key);
		page_to(page, 9);
		page_wrap(page, PAGE_PLAIN, 9, h->about);
		page_end(page);
	}
	page_put(page, PAGE_DIM, "Any key goes back.");
	page_end(page);
}

/* ---- all of it ---- */

static size_t index_of(const json_t *releases, const json_t *release)
{
	size_t i;

	for (i = 0; i < json_array_size(releases); i++)
		if (json_array_get(releases, i) == release)
			return i;
	return 0;
}

/* Versions of no release have no curves: they are shown as they are by `serin status`. */
static void put_models(struct page *page, const struct top_scene *scene, unsigned rows)
{
	struct status_look look = {.page = scene->look, .rows = scene->rows ? rows : 0};
	_cleanup_free_ char *text = NULL;
	char *rest, *line;

	look.page.colour = false; /* its lines are put into this page's */
	text = rest = status_view(scene->dump, NULL, &look);
	while (rest && (line = strsep(&rest, "\n")) && (*line || rest)) {
		page_put(page, PAGE_PLAIN, line);
		page_end(page);
	}
}

/* Returns how many lines are left. */
static unsigned put_choice(struct page *page, const struct top_scene *scene, unsigned rows)
{
	const json_t *releases = view_at(scene->dump, "releases");
	unsigned n = (unsigned)json_array_size(releases), shown = n;

	if (rows < n + 1)
		shown = rows > 2 ? rows - 1 : 1;
	put_list(page, scene, index_of(releases, chosen_release(scene)), shown);
	rows = rows > shown + 1 ? rows - shown - 1 : 0;
	if (rows < BELOW_MIN || !scene->input)
		return 0;
	page_end(page);
	return rows - 1;
}

static void put_body(struct page *page, const struct top_scene *scene, unsigned rows)
{
	size_t n = json_array_size(view_at(scene->dump, "releases"));
	struct frame f;

	if (!scene->dump)
		return;
	if (!n) {
		put_models(page, scene, rows);
		return;
	}
	if (n > 1 && !scene->alone)
		rows = put_choice(page, scene, rows);
	if (!rows)
		return;
	f = make_frame(scene, chosen_release(scene));
	put_release(page, &f, rows);
}

static void put_trouble(struct page *page, const struct top_scene *scene)
{
	char text[32];

	if (!scene->trouble)
		return;
	page_put(page, PAGE_RED, scene->trouble);
	if (scene->dump) {
		view_duration(scene->age_seconds, text, sizeof(text));
		page_printf(page, PAGE_RED, "; what is below is %s old", text);
	} else {
		page_put(page, PAGE_RED, "; waiting for it");
	}
	page_end(page);
	page->faded = true;
}

char *top_view(const struct top_scene *scene)
{
	struct page page;
	unsigned rows = scene->rows ? scene->rows : PLAIN_ROWS, used;

	page_init(&page, &scene->look);
	page.look.width = width_of(scene);
	put_trouble(&page, scene);
	used = page.lines + (scene->input ? 1 : 0);
	if (scene->input && scene->input->mode == TOP_HELPING)
		put_help(&page);
	else
		put_body(&page, scene, rows > used ? rows - used : 1);
	page.faded = false;
	if (!scene->input)
		return page_take(&page, 0);
	while (page.lines + 1 < rows)
		page_end(&page);
	put_foot(&page, scene);
	return page_take(&page, scene->rows);
}

const char *top_view_choose(const json_t *dump, const char *name, int by)
{
	const json_t *releases = view_at(dump, "releases");
	struct top_scene scene = {.dump = dump, .name = name};
	long n = (long)json_array_size(releases), i;

	if (!n)
		return NULL;
	i = (long)index_of(releases, chosen_release(&scene)) + by;
	return view_text(json_array_get(releases, (size_t)(i < 0 ? 0 : i >= n ? n - 1 : i)), "name");
}
