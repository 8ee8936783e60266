// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "status_view.h"

#include "util.h"
#include "view.h"

#include <math.h>
#include <string.h>

/* ---- phase, versions, weight ---- */

static void put_phase(struct page *page, const json_t *release)
{
	struct serin_value step = view_number(release, "step");

	view_put_label(page, "Phase");
	view_put_phase(page, view_text(release, "phase"));
	if (step.known)
		page_printf(page, PAGE_PLAIN, ", step %.0f of %.0f", step.v, view_count(release, "steps"));
	if (json_is_true(view_at(release, "manual")))
		page_put(page, PAGE_PLAIN, ", by hand");
	page_end(page);
}

static void put_version(struct page *page, const json_t *dump, const json_t *release, const char *role, const char *listens)
{
	const char *version = view_text(release, role);

	if (!*version)
		version = view_text(view_model(dump, release, role), "version");
	page_printf(page, PAGE_PLAIN, "%s ", role);
	page_put(page, PAGE_BOLD, *version ? version : "-");
	if (json_is_false(view_at(release, listens)))
		page_put(page, PAGE_RED, " (does not listen)");
}

static void put_versions(struct page *page, const json_t *dump, const json_t *release)
{
	view_put_label(page, "Versions");
	put_version(page, dump, release, "stable", "stable_listens");
	page_put(page, PAGE_PLAIN, ", ");
	put_version(page, dump, release, "canary", "canary_listens");
	page_end(page);
}

/* A text of the release, if it has one: whole, as reasons are of no use by half. */
static void put_text(struct page *page, enum page_style style, const char *name, const char *text)
{
	if (!*text)
		return;
	view_put_label(page, name);
	page_wrap(page, style, VIEW_INDENT, text);
	page_end(page);
}

/* "stable pod shop/chat-v1-7d9f (server) and 2 more", or nothing. */
static void format_containers(const json_t *model, const char *role, char *ret_text, size_t size)
{
	const json_t *all = view_at(model, "containers"), *first = json_array_get(all, 0);
	const char *name = view_text(first, "container"), *runtime = view_text(first, "runtime");
	char more[32] = "";

	ret_text[0] = '\0';
	if (!first)
		return;
	if (json_array_size(all) > 1)
		snprintf(more, sizeof(more), " and %zu more", json_array_size(all) - 1);
	if (*view_text(first, "pod"))
		snprintf(ret_text, size, "%s pod %s/%s%s%s%s%s", role, view_text(first, "namespace"), view_text(first, "pod"),
			 *name ? " (" : "", name, *name ? ")" : "", more);
	else
		snprintf(ret_text, size, "%s %s%scontainer %s%s", role, runtime, *runtime ? " " : "",
			 *name ? name : view_text(first, "id"), more);
}

/* Where the versions run, if that is in containers. */
static void put_containers(struct page *page, const json_t *dump, const json_t *release)
{
	char stable[512], canary[512], both[1040];

	format_containers(view_model(dump, release, "stable"), "stable", stable, sizeof(stable));
	format_containers(view_model(dump, release, "canary"), "canary", canary, sizeof(canary));
	snprintf(both, sizeof(both), "%s%s%s", stable, *stable && *canary ? ", " : "", canary);
	put_text(page, PAGE_PLAIN, "Runs in", both);
}

static void put_weight(struct page *page, const json_t *release)
{
	struct serin_value since = view_number(release, "since_seconds");
	char text[32];

	view_put_label(page, "Weight");
	page_put(page, PAGE_PLAIN, "set ");
	view_put_number(page, PAGE_BOLD, view_number(release, "set_weight"), "%g%%", 1);
	if (since.known) {
		view_duration(since.v, text, sizeof(text));
		page_printf(page, PAGE_PLAIN, " for %s", text);
	}
	page_put(page, PAGE_PLAIN, ", actual ");
	view_put_number(page, PAGE_BOLD, view_number(release, "actual_weight.connections"), "%.1f%%", 1);
	page_put(page, PAGE_PLAIN, " of connections, ");
	view_put_number(page, PAGE_BOLD, view_number(release, "actual_weight.requests"), "%.1f%%", 1);
	page_put(page, PAGE_PLAIN, " of requests");
	page_end(page);
}

/* ---- evidence ---- */

#define BAR_MAX 40
#define BAR_MIN 8
#define BESIDE_BAR 37 /* "  e 1.23e+05 of 200, excess 12.3%" */

static unsigned bar_width(const struct page *page)
{
	unsigned taken = VIEW_INDENT + BESIDE_BAR, width = page->look.width;

	if (!width || width > taken + BAR_MAX)
		return BAR_MAX;
	return width < taken + BAR_MIN ? BAR_MIN : width - taken;
}

static void put_test(struct page *page, const json_t *evidence, const char *key, const char *name)
{
	const json_t *test = view_at(evidence, key);
	double way = view_way(test);
	enum page_style style = way >= 1 ? PAGE_RED : way >= 0.5 ? PAGE_YELLOW : PAGE_GREEN;

	page_put(page, PAGE_DIM, "  ");
	view_put_label(page, name);
	view_put_bar(page, style, bar_width(page), way);
	page_put(page, PAGE_PLAIN, "  e ");
	view_put_number(page, style, view_number(test, "e"), "%.3g", 1);
	page_put(page, PAGE_PLAIN, " of ");
	view_put_number(page, PAGE_PLAIN, view_number(test, "threshold"), "%.3g", 1);
	page_put(page, PAGE_PLAIN, ", excess ");
	view_put_number(page, PAGE_PLAIN, view_number(test, "excess"), "%.1f%%", 100);
	page_end(page);
}

static void put_evidence(struct page *page, const json_t *release)
{
	const json_t *evidence = view_at(release, "evidence");
	bool no_worse = json_is_true(view_at(evidence, "no_worse"));

	if (!json_is_object(evidence))
		return;
	view_put_label(page, "Evidence");
	page_printf(page, PAGE_PLAIN, "no worse (margin %g%%): ", view_count(evidence, "margin") * 100);
	page_put(page, no_worse ? PAGE_GREEN : PAGE_BOLD, no_worse ? "yes" : "not yet");
	page_printf(page, PAGE_PLAIN, "; %.0f + %.0f requests, %.0f blocks", view_count(evidence, "requests.stable"),
		    view_count(evidence, "requests.canary"), view_count(evidence, "blocks"));
	page_end(page);
	put_test(page, evidence, "error", "errors");
	put_test(page, evidence, "latency", "latency");
	if (json_is_false(view_at(evidence, "split_as_set"))) {
		page_to(page, VIEW_INDENT);
		page_put(page, PAGE_YELLOW, "connections are not split as set: see actual weight");
		page_end(page);
	}
}

/* ---- gates and figures from outside ---- */

static void put_bound(struct page *page, const char *relation, struct serin_value bound)
{
	if (bound.known)
		page_printf(page, PAGE_PLAIN, " %s %g", relation, bound.v);
}

/* Where the figures of gates stand: below each other, behind the longest name. */
static unsigned gates_column(const struct page *page, const json_t *release)
{
	unsigned column = VIEW_INDENT, needed;
	const json_t *gate;
	size_t i;

	json_array_foreach(view_at(release, "gates.external"), i, gate) {
		needed = 2 + page_columns(page, view_text(gate, "name")) + 1;
		if (needed > column)
			column = needed;
	}
	return column;
}

/* One figure with its bounds, and whether it keeps them. Leaves the line open. */
static void put_gate(struct page *page, unsigned column, const char *name, struct serin_value figure, struct serin_value min,
		     struct serin_value max)
{
	bool broken = (min.known && figure.v < min.v) || (max.known && figure.v > max.v);

	page_put(page, PAGE_DIM, "  ");
	page_put(page, PAGE_DIM, name);
	page_to(page, column);
	view_put_number(page, PAGE_BOLD, figure, "%.4g", 1);
	put_bound(page, ">=", min);
	put_bound(page, "<=", max);
	if (!figure.known)
		return;
	if (broken)
		page_either(page, PAGE_RED, "  \u2716", "  broken");
	else
		page_either(page, PAGE_GREEN, "  \u2714", "  ok");
}

static void put_age(struct page *page, const json_t *figure)
{
	struct serin_value age = view_number(figure, "age_seconds");
	char text[32];

	if (!age.known)
		return;
	view_duration(age.v, text, sizeof(text));
	page_printf(page, PAGE_DIM, ", %s ago", text);
}

/* CPU a request of the canary over stable's. */
static struct serin_value cpu_ratio(const json_t *dump, const json_t *release)
{
	static const char path[] = "window.cpu_seconds_per_request";
	struct serin_value canary = view_number(view_model(dump, release, "canary"), path);
	struct serin_value stable = view_number(view_model(dump, release, "stable"), path);

	return canary.known && stable.known && stable.v > 0 ? serin_known(canary.v / stable.v) : (struct serin_value){};
}

static void put_kernel_gates(struct page *page, const json_t *dump, const json_t *release)
{
	static const struct {
		const char *bound, *name, *figure; /* figure NULL: the ratio of CPU a request */
		bool is_min;
	} gates[] = {
		{"gates.P_min", "P", "window.P", true},
		{"gates.R_max", "R", "window.R", false},
		{"gates.D_max", "D", "window.D", false},
		{"gates.cpu_ratio_max", "CPU/req", NULL, false},
	};
	const json_t *canary = view_model(dump, release, "canary");

	for (size_t i = 0; i < ARRAY_SIZE(gates); i++) {
		struct serin_value bound = view_number(release, gates[i].bound), off = {};

		if (!bound.known)
			continue;
		put_gate(page, gates_column(page, release), gates[i].name,
			 gates[i].figure ? view_number(canary, gates[i].figure) : cpu_ratio(dump, release),
			 gates[i].is_min ? bound : off, gates[i].is_min ? off : bound);
		if (!gates[i].figure)
			page_put(page, PAGE_DIM, ", the canary's over stable's");
		page_end(page);
	}
}

static void put_external_gates(struct page *page, const json_t *release)
{
	const json_t *gate;
	size_t i;

	json_array_foreach(view_at(release, "gates.external"), i, gate) {
		put_gate(page, gates_column(page, release), view_text(gate, "name"), view_number(gate, "value"),
			 view_number(gate, "min"), view_number(gate, "max"));
		put_age(page, gate);
		page_end(page);
	}
}

static void put_gates(struct page *page, const json_t *dump, const json_t *release)
{
	struct serin_value n = view_number(view_model(dump, release, "canary"), "window.N");
	struct serin_value least = view_number(release, "gates.min_requests");

	if (!json_is_object(view_at(release, "gates")))
		return;
	view_put_label(page, "Gates");
	page_printf(page, PAGE_PLAIN, "from %.0f requests in the window on; the canary has ", least.v);
	view_put_number(page, n.known && n.v >= least.v ? PAGE_PLAIN : PAGE_YELLOW, n, "%.0f", 1);
	page_end(page);
	put_kernel_gates(page, dump, release);
	put_external_gates(page, release);
}

/* Is it the figure of a gate, which shows it? */
static bool is_gated(const json_t *release, const json_t *figure)
{
	const json_t *gate;
	size_t i;

	json_array_foreach(view_at(release, "gates.external"), i, gate)
		if (view_is(gate, "name", view_text(figure, "name")) && view_is(release, "canary", view_text(figure, "version")))
			return true;
	return false;
}

static void put_external(struct page *page, const json_t *release)
{
	const char *name = "External";
	const json_t *figure;
	size_t i;

	json_array_foreach(view_at(release, "external"), i, figure) {
		if (is_gated(release, figure))
			continue;
		view_put_label(page, name);
		page_printf(page, PAGE_PLAIN, "%s of %s ", view_text(figure, "name"), view_text(figure, "version"));
		view_put_number(page, PAGE_BOLD, view_number(figure, "value"), "%.4g", 1);
		put_age(page, figure);
		page_end(page);
		name = "";
	}
}

static void put_draining(struct page *page, const json_t *release)
{
	double connections = view_count(release, "draining.connections"), stuck = view_count(release, "draining.unreachable");

	if (connections <= 0 && stuck <= 0)
		return;
	view_put_label(page, "Draining");
	page_printf(page, PAGE_YELLOW, "%.0f connections of the canary", connections);
	page_printf(page, PAGE_PLAIN, ", in flight %.0f; ended %.0f, reset %.0f, aged %.0f",
		    view_count(release, "draining.in_flight"), view_count(release, "draining.ended"),
		    view_count(release, "draining.reset"), view_count(release, "draining.aged"));
	if (stuck > 0)
		page_printf(page, PAGE_RED, "; %.0f of unknown processes", stuck);
	page_end(page);
}

/* ---- the table of versions ---- */

/* A column a version. The rows are what is shown of them. */
static const struct row {
	const char *label, *path, *format;
	double scale;
} table_rows[] = {
	{"P  success ratio", "window.P", "%.4f", 1},
	{"R  resource ratio", "window.R", "%.2f", 1},
	{"D  anomalies/s", "window.D", "%.2f", 1},
	{"requests in window", "window.N", "%.0f", 1},
	{"requests", "requests.total", "%.0f", 1},
	{"  success", "requests.success", "%.0f", 1},
	{"  client_error", "requests.client_error", "%.0f", 1},
	{"  throttled", "requests.throttled", "%.0f", 1},
	{"  server_error", "requests.server_error", "%.0f", 1},
	{"  server_abort", "requests.server_abort", "%.0f", 1},
	{"  timeout", "requests.timeout", "%.0f", 1},
	{"  client_abort", "requests.client_abort", "%.0f", 1},
	{"  unknown", "requests.unknown", "%.0f", 1},
	{"  in_flight", "requests.in_flight", "%.0f", 1},
	{"pickup p50", "latency_seconds.pickup.p50", "%.3f ms", 1e3},
	{"pickup p99", "latency_seconds.pickup.p99", "%.3f ms", 1e3},
	{"duration p50", "latency_seconds.duration.p50", "%.3f ms", 1e3},
	{"duration p99", "latency_seconds.duration.p99", "%.3f ms", 1e3},
	{"first chunk p50", "latency_seconds.stream_first_chunk.p50", "%.3f ms", 1e3},
	{"chunk gap p50", "latency_seconds.gap.p50", "%.3f ms", 1e3},
	{"turn p50, not HTTP/1", "latency_seconds.turn.p50", "%.3f ms", 1e3},
	{"run queue p99", "run_queue_seconds.p99", "%.3f ms", 1e3},
	{"CPU, cores", "window.resources.cpu.current", "%.3f", 1},
	{"CPU per request", "window.cpu_seconds_per_request", "%.3f ms", 1e3},
	{"memory", "window.resources.memory.current", "%.1f MiB", 1.0 / (1 << 20)},
	{"connections open", "connections.open", "%.0f", 1},
};

#define TABLE_LABEL 20
#define TABLE_COLUMN 12
#define TABLE_NARROW 60 /* columns of a terminal; below, each column of the table is as wide as it must be */
#define TABLE_COLUMNS 64
#define CELL_MAX 160

struct table {
	const json_t *models[TABLE_COLUMNS];
	unsigned widths[TABLE_COLUMNS];
	unsigned n;
	bool with_name; /* of the model */
};

static void format_cell(const json_t *model, const struct row *row, char ret_text[CELL_MAX])
{
	struct serin_value value = view_number(model, row->path);

	if (value.known)
		snprintf(ret_text, CELL_MAX, row->format, value.v * row->scale);
	else
		snprintf(ret_text, CELL_MAX, "-");
}

static void format_title(const struct table *table, const json_t *model, char ret_text[CELL_MAX])
{
	snprintf(ret_text, CELL_MAX, "%s%s%s", table->with_name ? view_text(model, "name") : "", table->with_name ? "/" : "",
		 *view_text(model, "version") ? view_text(model, "version") : "-");
}

static void widen(const struct page *page, unsigned *width, const char *text)
{
	unsigned columns = page_columns(page, text);

	if (columns > *width)
		*width = columns;
}

static void add_column(const struct page *page, struct table *table, const json_t *model)
{
	unsigned *width = &table->widths[table->n];
	char text[CELL_MAX];

	if (!model || table->n == TABLE_COLUMNS)
		return;
	*width = page->look.width && page->look.width < TABLE_NARROW ? 1 : TABLE_COLUMN;
	format_title(table, model, text);
	widen(page, width, text);
	for (size_t i = 0; i < ARRAY_SIZE(table_rows); i++) {
		format_cell(model, &table_rows[i], text);
		widen(page, width, text);
	}
	table->models[table->n++] = model;
}

static void put_right(struct page *page, enum page_style style, unsigned width, const char *text)
{
	unsigned columns = page_columns(page, text);

	page_to(page, page->column + 1 + (columns < width ? width - columns : 0));
	page_put(page, style, text);
}

/* Has nobody anything to show there? */
static bool is_empty(const struct table *table, const struct row *row)
{
	for (unsigned i = 0; i < table->n; i++)
		if (view_count(table->models[i], row->path) != 0)
			return false;
	return true;
}

/* Columns from the first on that fit beside each other: a figure that is cut would be another figure. */
static unsigned columns_that_fit(const struct page *page, const struct table *table, unsigned first)
{
	unsigned taken = TABLE_LABEL, last = first;

	for (; last < table->n; last++) {
		taken += 1 + table->widths[last];
		if (page->look.width && taken > page->look.width && last > first)
			break;
	}
	return last - first;
}

static void put_row(struct page *page, const struct table *table, const struct row *row, unsigned first, unsigned n)
{
	char text[CELL_MAX];

	page_put(page, PAGE_DIM, row->label);
	page_to(page, TABLE_LABEL);
	for (unsigned i = first; i < first + n; i++) {
		format_cell(table->models[i], row, text);
		put_right(page, PAGE_PLAIN, table->widths[i], text);
	}
	page_end(page);
}

static void put_columns(struct page *page, const struct table *table, unsigned first, unsigned n, bool full)
{
	char text[CELL_MAX];

	page_end(page);
	page_to(page, TABLE_LABEL);
	for (unsigned i = first; i < first + n; i++) {
		format_title(table, table->models[i], text);
		put_right(page, PAGE_BOLD, table->widths[i], text);
	}
	page_end(page);
	for (size_t r = 0; r < ARRAY_SIZE(table_rows); r++)
		if (full || !is_empty(table, &table_rows[r]))
			put_row(page, table, &table_rows[r], first, n);
}

/* What does not fit beside stands below. */
static void put_table(struct page *page, const struct table *table, bool full)
{
	unsigned first = 0, n;

	while ((n = columns_that_fit(page, table, first)) > 0) {
		put_columns(page, table, first, n, full);
		first += n;
	}
}

/* ---- all of it ---- */

static void put_release(struct page *page, const json_t *dump, const json_t *release)
{
	if (page->lines)
		page_end(page);
	page_put(page, PAGE_BOLD, *view_text(release, "name") ? view_text(release, "name") : "-");
	page_end(page);
	put_phase(page, release);
	put_versions(page, dump, release);
	put_containers(page, dump, release);
	put_weight(page, release);
	view_put_steps(page, release);
	put_text(page, PAGE_PLAIN, "Waits for", view_text(release, "waiting_for"));
	put_text(page, view_is(release, "phase", "RolledBack") ? PAGE_RED : PAGE_PLAIN, "Reason", view_text(release, "reason"));
	put_text(page, PAGE_YELLOW, "Note", view_text(release, "note"));
	put_evidence(page, release);
	put_gates(page, dump, release);
	put_external(page, release);
	put_draining(page, release);
}

static void put_models(struct page *page, const json_t *dump, const json_t *release, bool full)
{
	/* The release's name is not always above it. */
	struct table table = {.with_name = !full && json_array_size(view_at(dump, "releases")) > 1};

	add_column(page, &table, view_model(dump, release, "stable"));
	add_column(page, &table, view_model(dump, release, "canary"));
	put_table(page, &table, full);
}

static bool is_of_a_release(const json_t *dump, const json_t *model)
{
	const json_t *release;
	size_t i;

	json_array_foreach(view_at(dump, "releases"), i, release)
		if (view_model(dump, release, "stable") == model || view_model(dump, release, "canary") == model)
			return true;
	return false;
}

static void put_other_models(struct page *page, const json_t *dump, bool full)
{
	struct table table = {.with_name = true};
	const json_t *model;
	size_t i;

	json_array_foreach(view_at(dump, "models"), i, model)
		if (!is_of_a_release(dump, model))
			add_column(page, &table, model);
	put_table(page, &table, full);
}

static bool is_shown(const json_t *release, const char *name)
{
	return !name || view_is(release, "name", name);
}

/* Everything, in the order in which it is read. */
static void put_all(struct page *page, const json_t *dump, const char *name)
{
	const json_t *release;
	size_t i;

	json_array_foreach(view_at(dump, "releases"), i, release) {
		if (!is_shown(release, name))
			continue;
		put_release(page, dump, release);
		put_models(page, dump, release, true);
	}
	if (!name)
		put_other_models(page, dump, true);
	view_put_losses(page, dump);
}

/* Where there is not room for all: what is needed most comes first. */
static void put_most(struct page *page, const json_t *dump, const char *name)
{
	const json_t *release;
	size_t i;

	view_put_losses(page, dump);
	json_array_foreach(view_at(dump, "releases"), i, release)
		if (is_shown(release, name))
			put_release(page, dump, release);
	json_array_foreach(view_at(dump, "releases"), i, release)
		if (is_shown(release, name))
			put_models(page, dump, release, false);
	if (!name)
		put_other_models(page, dump, false);
}

char *status_view(const json_t *dump, const char *name, const struct status_look *look)
{
	struct page page;

	page_init(&page, &look->page);
	put_all(&page, dump, name);
	if (look->rows && page.lines > look->rows) {
		free(page_take(&page, 0));
		put_most(&page, dump, name);
	}
	return page_take(&page, look->rows);
}

json_t *status_view_gist(const json_t *dump, const char *name)
{
	static const char *const keys[] = {"name", "phase", "stable", "canary", "step", "steps", "set_weight", "manual",
					   "reason", "waiting", "stable_listens", "canary_listens", "note"};
	json_t *gist = json_array(), *one;
	const json_t *release;
	size_t i;

	json_array_foreach(view_at(dump, "releases"), i, release) {
		if (!is_shown(release, name))
			continue;
		one = json_object();
		for (size_t k = 0; k < ARRAY_SIZE(keys); k++)
			json_object_set(one, keys[k], json_object_get(release, keys[k]));
		json_array_append_new(gist, one);
	}
	return gist;
}
