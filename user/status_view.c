// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "status_view.h"

#include "util.h"

#include "serin/model.h"

#include <math.h>
#include <string.h>

#define INDENT 11 /* where what a label stands before begins */

/* ---- JSON, of which anything may be missing ---- */

/* What a path "a.b" leads to, or NULL. */
static const json_t *at(const json_t *object, const char *path)
{
	size_t length = strcspn(path, ".");
	char key[32];

	snprintf(key, sizeof(key), "%.*s", (int)length, path);
	object = json_object_get(object, key);
	return path[length] && object ? at(object, path + length + 1) : object;
}

static struct serin_value number_at(const json_t *object, const char *path)
{
	const json_t *value = at(object, path);

	return json_is_number(value) ? serin_known(json_number_value(value)) : (struct serin_value){};
}

static double count_at(const json_t *object, const char *path)
{
	return number_at(object, path).v; /* not known: none to speak of */
}

static const char *text_at(const json_t *object, const char *path)
{
	const char *text = json_string_value(at(object, path));

	return text ? text : "";
}

static bool is(const json_t *object, const char *path, const char *text)
{
	return !strcmp(text_at(object, path), text);
}

/* ---- words ---- */

static void label(struct page *page, const char *text)
{
	page_put(page, PAGE_DIM, text);
	page_to(page, INDENT);
}

/* "-" when it is not known. */
static void put_number(struct page *page, enum page_style style, struct serin_value value, const char *format, double scale)
{
	char text[48];

	if (!value.known) {
		page_put(page, PAGE_DIM, "-");
		return;
	}
	snprintf(text, sizeof(text), format, value.v * scale);
	page_put(page, style, text);
}

/* 41 s, 2m 14s, 1h 05m, 3d 04h. */
static void format_duration(double seconds, char *ret_text, size_t size)
{
	static const struct {
		double unit, part;
		char name, part_name;
	} forms[] = {{86400, 3600, 'd', 'h'}, {3600, 60, 'h', 'm'}, {60, 1, 'm', 's'}};

	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		if (seconds < forms[i].unit)
			continue;
		snprintf(ret_text, size, "%.0f%c %02.0f%c", floor(seconds / forms[i].unit), forms[i].name,
			 floor(fmod(seconds, forms[i].unit) / forms[i].part), forms[i].part_name);
		return;
	}
	snprintf(ret_text, size, "%.0f s", floor(seconds));
}

/* How people write it in a configuration: 60s, 5m, 2h, 90s. */
static void format_hold(double seconds, char *ret_text, size_t size)
{
	if (seconds >= 3600 && fmod(seconds, 3600) == 0)
		snprintf(ret_text, size, "%gh", seconds / 3600);
	else if (seconds > 60 && fmod(seconds, 60) == 0)
		snprintf(ret_text, size, "%gm", seconds / 60);
	else
		snprintf(ret_text, size, "%gs", seconds);
}

/* ---- phase, versions, weight ---- */

static const struct {
	const char *name, *utf8, *ascii;
	enum page_style style;
} phases[] = {
	{"Idle", "\u25cb", "o", PAGE_PLAIN},
	{"Progressing", "\u25cc", "~", PAGE_YELLOW},
	{"Paused", "\u0965", "=", PAGE_YELLOW},
	{"Promoted", "\u2714", "+", PAGE_GREEN},
	{"RolledBack", "\u2716", "x", PAGE_RED},
};
_Static_assert(ARRAY_SIZE(phases) == SERIN_PHASES, "a symbol for each phase");

/* A phase of another version of serin has no symbol. */
static void put_phase_name(struct page *page, const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(phases); i++) {
		if (strcmp(phases[i].name, name))
			continue;
		page_either(page, phases[i].style, phases[i].utf8, phases[i].ascii);
		page_printf(page, phases[i].style, " %s", name);
		return;
	}
	page_put(page, PAGE_BOLD, *name ? name : "-");
}

static void put_phase(struct page *page, const json_t *release)
{
	struct serin_value step = number_at(release, "step");

	label(page, "Phase");
	put_phase_name(page, text_at(release, "phase"));
	if (step.known)
		page_printf(page, PAGE_PLAIN, ", step %.0f of %.0f", step.v, count_at(release, "steps"));
	if (json_is_true(at(release, "manual")))
		page_put(page, PAGE_PLAIN, ", by hand");
	page_end(page);
}

/* A version in a role of a release. Agents that do not name a release's versions have one of each role. */
static const json_t *find_model(const json_t *dump, const json_t *release, const char *role)
{
	const char *version = text_at(release, role);
	const json_t *model;
	size_t i;

	json_array_foreach(at(dump, "models"), i, model)
		if (is(model, "name", text_at(release, "name")) &&
		    (*version ? is(model, "version", version) : is(model, "role", role)))
			return model;
	return NULL;
}

static void put_version(struct page *page, const json_t *dump, const json_t *release, const char *role, const char *listens)
{
	const char *version = text_at(release, role);

	if (!*version)
		version = text_at(find_model(dump, release, role), "version");
	page_printf(page, PAGE_PLAIN, "%s ", role);
	page_put(page, PAGE_BOLD, *version ? version : "-");
	if (json_is_false(at(release, listens)))
		page_put(page, PAGE_RED, " (does not listen)");
}

static void put_versions(struct page *page, const json_t *dump, const json_t *release)
{
	label(page, "Versions");
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
	label(page, name);
	page_wrap(page, style, INDENT, text);
	page_end(page);
}

/* "stable pod shop/chat-v1-7d9f (server) and 2 more", or nothing. */
static void format_containers(const json_t *model, const char *role, char *ret_text, size_t size)
{
	const json_t *all = at(model, "containers"), *first = json_array_get(all, 0);
	const char *name = text_at(first, "container"), *runtime = text_at(first, "runtime");
	char more[32] = "";

	ret_text[0] = '\0';
	if (!first)
		return;
	if (json_array_size(all) > 1)
		snprintf(more, sizeof(more), " and %zu more", json_array_size(all) - 1);
	if (*text_at(first, "pod"))
		snprintf(ret_text, size, "%s pod %s/%s%s%s%s%s", role, text_at(first, "namespace"), text_at(first, "pod"),
			 *name ? " (" : "", name, *name ? ")" : "", more);
	else
		snprintf(ret_text, size, "%s %s%scontainer %s%s", role, runtime, *runtime ? " " : "",
			 *name ? name : text_at(first, "id"), more);
}

/* Where the versions run, if that is in containers. */
static void put_containers(struct page *page, const json_t *dump, const json_t *release)
{
	char stable[512], canary[512], both[1040];

	format_containers(find_model(dump, release, "stable"), "stable", stable, sizeof(stable));
	format_containers(find_model(dump, release, "canary"), "canary", canary, sizeof(canary));
	snprintf(both, sizeof(both), "%s%s%s", stable, *stable && *canary ? ", " : "", canary);
	put_text(page, PAGE_PLAIN, "Runs in", both);
}

static void put_weight(struct page *page, const json_t *release)
{
	struct serin_value since = number_at(release, "since_seconds");
	char text[32];

	label(page, "Weight");
	page_put(page, PAGE_PLAIN, "set ");
	put_number(page, PAGE_BOLD, number_at(release, "set_weight"), "%g%%", 1);
	if (since.known) {
		format_duration(since.v, text, sizeof(text));
		page_printf(page, PAGE_PLAIN, " for %s", text);
	}
	page_put(page, PAGE_PLAIN, ", actual ");
	put_number(page, PAGE_BOLD, number_at(release, "actual_weight.connections"), "%.1f%%", 1);
	page_put(page, PAGE_PLAIN, " of connections, ");
	put_number(page, PAGE_BOLD, number_at(release, "actual_weight.requests"), "%.1f%%", 1);
	page_put(page, PAGE_PLAIN, " of requests");
	page_end(page);
}

/* ---- steps ---- */

enum place { DONE, CURRENT, TO_COME, PLACES };

static const struct {
	const char *utf8, *ascii;
	enum page_style style;
} places[PLACES] = {
	[DONE] = {"\u2714", "+", PAGE_GREEN},
	[CURRENT] = {"\u25b6", ">", PAGE_BOLD},
	[TO_COME] = {"\u25cb", ".", PAGE_DIM},
};

static enum place place_of(const json_t *release, size_t step)
{
	double now = count_at(release, "step");

	if (is(release, "phase", "Promoted") || (double)step < now)
		return DONE;
	return (double)step == now ? CURRENT : TO_COME;
}

static void format_step(const json_t *step, char *ret_text, size_t size)
{
	double hold = count_at(step, "hold_seconds");
	char text[24] = "";

	if (hold > 0)
		format_hold(hold, text, sizeof(text));
	snprintf(ret_text, size, "%g%%%s%s", count_at(step, "weight"), *text ? " " : "", text);
}

/* In a row, which goes on in the next line where the width ends. */
static void put_plan(struct page *page, const json_t *release)
{
	const json_t *step;
	enum place place;
	char text[64];
	size_t i;

	if (json_array_size(at(release, "plan")) == 0)
		return;
	label(page, "Steps");
	json_array_foreach(at(release, "plan"), i, step) {
		place = place_of(release, i + 1);
		format_step(step, text, sizeof(text));
		if (i > 0)
			page_either(page, PAGE_DIM, " \u2500\u2500 ", " -- ");
		if (page->look.width && page->column + 2 + strlen(text) > page->look.width && page->column > INDENT) {
			page_end(page);
			page_to(page, INDENT);
		}
		page_either(page, places[place].style, places[place].utf8, places[place].ascii);
		page_printf(page, places[place].style, " %s", text);
	}
	page_end(page);
}

/* ---- evidence ---- */

#define BAR_MAX 40
#define BAR_MIN 8
#define BESIDE_BAR 37 /* "  e 1.23e+05 of 200, excess 12.3%" */

static unsigned bar_width(const struct page *page)
{
	unsigned taken = INDENT + BESIDE_BAR, width = page->look.width;

	if (!width || width > taken + BAR_MAX)
		return BAR_MAX;
	return width < taken + BAR_MIN ? BAR_MIN : width - taken;
}

/* In eighths of a column where the characters are there. */
static void put_bar(struct page *page, enum page_style style, double share)
{
	static const char *const eighths[] = {"", "\u258f", "\u258e", "\u258d", "\u258c", "\u258b", "\u258a", "\u2589"};
	unsigned width = bar_width(page), parts = page->look.utf8 ? 8 : 1;
	unsigned filled = (unsigned)(share * width * parts), column = filled / parts;

	for (unsigned i = 0; i < column; i++)
		page_either(page, style, "\u2588", "#");
	if (filled % parts) {
		page_put(page, style, eighths[filled % parts]);
		column++;
	}
	for (; column < width; column++)
		page_either(page, PAGE_DIM, "\u2591", ".");
}

/* How far log e has come on its way to the threshold. Below 0 it speaks for the canary. */
static double way_to_threshold(const json_t *test)
{
	struct serin_value log_e = number_at(test, "log_e"), threshold = number_at(test, "log_threshold");

	if (!log_e.known || !threshold.known || threshold.v <= 0 || log_e.v <= 0)
		return 0;
	return log_e.v < threshold.v ? log_e.v / threshold.v : 1;
}

static void put_test(struct page *page, const json_t *evidence, const char *key, const char *name)
{
	const json_t *test = at(evidence, key);
	double way = way_to_threshold(test);
	enum page_style style = way >= 1 ? PAGE_RED : way >= 0.5 ? PAGE_YELLOW : PAGE_GREEN;

	page_put(page, PAGE_DIM, "  ");
	label(page, name);
	put_bar(page, style, way);
	page_put(page, PAGE_PLAIN, "  e ");
	put_number(page, style, number_at(test, "e"), "%.3g", 1);
	page_put(page, PAGE_PLAIN, " of ");
	put_number(page, PAGE_PLAIN, number_at(test, "threshold"), "%.3g", 1);
	page_put(page, PAGE_PLAIN, ", excess ");
	put_number(page, PAGE_PLAIN, number_at(test, "excess"), "%.1f%%", 100);
	page_end(page);
}

static void put_evidence(struct page *page, const json_t *release)
{
	const json_t *evidence = at(release, "evidence");
	bool no_worse = json_is_true(at(evidence, "no_worse"));

	if (!json_is_object(evidence))
		return;
	label(page, "Evidence");
	page_printf(page, PAGE_PLAIN, "no worse (margin %g%%): ", count_at(evidence, "margin") * 100);
	page_put(page, no_worse ? PAGE_GREEN : PAGE_BOLD, no_worse ? "yes" : "not yet");
	page_printf(page, PAGE_PLAIN, "; %.0f + %.0f requests, %.0f blocks", count_at(evidence, "requests.stable"),
		    count_at(evidence, "requests.canary"), count_at(evidence, "blocks"));
	page_end(page);
	put_test(page, evidence, "error", "errors");
	put_test(page, evidence, "latency", "latency");
	if (json_is_false(at(evidence, "split_as_set"))) {
		page_to(page, INDENT);
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
	unsigned column = INDENT, needed;
	const json_t *gate;
	size_t i;

	json_array_foreach(at(release, "gates.external"), i, gate) {
		needed = 2 + page_columns(page, text_at(gate, "name")) + 1;
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
	put_number(page, PAGE_BOLD, figure, "%.4g", 1);
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
	struct serin_value age = number_at(figure, "age_seconds");
	char text[32];

	if (!age.known)
		return;
	format_duration(age.v, text, sizeof(text));
	page_printf(page, PAGE_DIM, ", %s ago", text);
}

/* CPU a request of the canary over stable's. */
static struct serin_value cpu_ratio(const json_t *dump, const json_t *release)
{
	static const char path[] = "window.cpu_seconds_per_request";
	struct serin_value canary = number_at(find_model(dump, release, "canary"), path);
	struct serin_value stable = number_at(find_model(dump, release, "stable"), path);

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
	const json_t *canary = find_model(dump, release, "canary");

	for (size_t i = 0; i < ARRAY_SIZE(gates); i++) {
		struct serin_value bound = number_at(release, gates[i].bound), off = {};

		if (!bound.known)
			continue;
		put_gate(page, gates_column(page, release), gates[i].name,
			 gates[i].figure ? number_at(canary, gates[i].figure) : cpu_ratio(dump, release),
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

	json_array_foreach(at(release, "gates.external"), i, gate) {
		put_gate(page, gates_column(page, release), text_at(gate, "name"), number_at(gate, "value"),
			 number_at(gate, "min"), number_at(gate, "max"));
		put_age(page, gate);
		page_end(page);
	}
}

static void put_gates(struct page *page, const json_t *dump, const json_t *release)
{
	struct serin_value n = number_at(find_model(dump, release, "canary"), "window.N");
	struct serin_value least = number_at(release, "gates.min_requests");

	if (!json_is_object(at(release, "gates")))
		return;
	label(page, "Gates");
	page_printf(page, PAGE_PLAIN, "from %.0f requests in the window on; the canary has ", least.v);
	put_number(page, n.known && n.v >= least.v ? PAGE_PLAIN : PAGE_YELLOW, n, "%.0f", 1);
	page_end(page);
	put_kernel_gates(page, dump, release);
	put_external_gates(page, release);
}

/* Is it the figure of a gate, which shows it? */
static bool is_gated(const json_t *release, const json_t *figure)
{
	const json_t *gate;
	size_t i;

	json_array_foreach(at(release, "gates.external"), i, gate)
		if (is(gate, "name", text_at(figure, "name")) && is(release, "canary", text_at(figure, "version")))
			return true;
	return false;
}

static void put_external(struct page *page, const json_t *release)
{
	const char *name = "External";
	const json_t *figure;
	size_t i;

	json_array_foreach(at(release, "external"), i, figure) {
		if (is_gated(release, figure))
			continue;
		label(page, name);
		page_printf(page, PAGE_PLAIN, "%s of %s ", text_at(figure, "name"), text_at(figure, "version"));
		put_number(page, PAGE_BOLD, number_at(figure, "value"), "%.4g", 1);
		put_age(page, figure);
		page_end(page);
		name = "";
	}
}

static void put_draining(struct page *page, const json_t *release)
{
	double connections = count_at(release, "draining.connections"), stuck = count_at(release, "draining.unreachable");

	if (connections <= 0 && stuck <= 0)
		return;
	label(page, "Draining");
	page_printf(page, PAGE_YELLOW, "%.0f connections of the canary", connections);
	page_printf(page, PAGE_PLAIN, ", in flight %.0f; ended %.0f, reset %.0f, aged %.0f",
		    count_at(release, "draining.in_flight"), count_at(release, "draining.ended"),
		    count_at(release, "draining.reset"), count_at(release, "draining.aged"));
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
	struct serin_value value = number_at(model, row->path);

	if (value.known)
		snprintf(ret_text, CELL_MAX, row->format, value.v * row->scale);
	else
		snprintf(ret_text, CELL_MAX, "-");
}

static void format_title(const struct table *table, const json_t *model, char ret_text[CELL_MAX])
{
	snprintf(ret_text, CELL_MAX, "%s%s%s", table->with_name ? text_at(model, "name") : "", table->with_name ? "/" : "",
		 *text_at(model, "version") ? text_at(model, "version") : "-");
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
		if (count_at(table->models[i], row->path) != 0)
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
	page_put(page, PAGE_BOLD, *text_at(release, "name") ? text_at(release, "name") : "-");
	page_end(page);
	put_phase(page, release);
	put_versions(page, dump, release);
	put_containers(page, dump, release);
	put_weight(page, release);
	put_plan(page, release);
	put_text(page, PAGE_PLAIN, "Waits for", text_at(release, "waiting_for"));
	put_text(page, is(release, "phase", "RolledBack") ? PAGE_RED : PAGE_PLAIN, "Reason", text_at(release, "reason"));
	put_text(page, PAGE_YELLOW, "Note", text_at(release, "note"));
	put_evidence(page, release);
	put_gates(page, dump, release);
	put_external(page, release);
	put_draining(page, release);
}

static void put_models(struct page *page, const json_t *dump, const json_t *release, bool full)
{
	/* The release's name is not always above it. */
	struct table table = {.with_name = !full && json_array_size(at(dump, "releases")) > 1};

	add_column(page, &table, find_model(dump, release, "stable"));
	add_column(page, &table, find_model(dump, release, "canary"));
	put_table(page, &table, full);
}

static bool is_of_a_release(const json_t *dump, const json_t *model)
{
	const json_t *release;
	size_t i;

	json_array_foreach(at(dump, "releases"), i, release)
		if (find_model(dump, release, "stable") == model || find_model(dump, release, "canary") == model)
			return true;
	return false;
}

static void put_other_models(struct page *page, const json_t *dump, bool full)
{
	struct table table = {.with_name = true};
	const json_t *model;
	size_t i;

	json_array_foreach(at(dump, "models"), i, model)
		if (!is_of_a_release(dump, model))
			add_column(page, &table, model);
	put_table(page, &table, full);
}

/* What could not be counted is never silent. */
static void put_losses(struct page *page, const json_t *dump)
{
	const char *kind, *before = "";
	const json_t *count;

	json_object_foreach((json_t *)at(dump, "losses"), kind, count) {
		if (json_number_value(count) == 0)
			continue;
		if (!*before)
			label(page, "Losses");
		page_printf(page, PAGE_YELLOW, "%s%s %.0f", before, kind, json_number_value(count));
		before = ", ";
	}
	if (*before)
		page_end(page);
}

static bool is_shown(const json_t *release, const char *name)
{
	return !name || is(release, "name", name);
}

/* Everything, in the order in which it is read. */
static void put_all(struct page *page, const json_t *dump, const char *name)
{
	const json_t *release;
	size_t i;

	json_array_foreach(at(dump, "releases"), i, release) {
		if (!is_shown(release, name))
			continue;
		put_release(page, dump, release);
		put_models(page, dump, release, true);
	}
	if (!name)
		put_other_models(page, dump, true);
	put_losses(page, dump);
}

/* Where there is not room for all: what is needed most comes first. */
static void put_most(struct page *page, const json_t *dump, const char *name)
{
	const json_t *release;
	size_t i;

	put_losses(page, dump);
	json_array_foreach(at(dump, "releases"), i, release)
		if (is_shown(release, name))
			put_release(page, dump, release);
	json_array_foreach(at(dump, "releases"), i, release)
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

	json_array_foreach(at(dump, "releases"), i, release) {
		if (!is_shown(release, name))
			continue;
		one = json_object();
		for (size_t k = 0; k < ARRAY_SIZE(keys); k++)
			json_object_set(one, keys[k], json_object_get(release, keys[k]));
		json_array_append_new(gist, one);
	}
	return gist;
}
