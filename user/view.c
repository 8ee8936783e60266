// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "view.h"

#include "util.h"

#include <math.h>
#include <string.h>

/* ---- JSON, of which anything may be missing ---- */

const json_t *view_at(const json_t *object, const char *path)
{
	size_t length = strcspn(path, ".");
	char key[32];

	snprintf(key, sizeof(key), "%.*s", (int)length, path);
	object = json_object_get(object, key);
	return path[length] && object ? view_at(object, path + length + 1) : object;
}

struct serin_value view_number(const json_t *object, const char *path)
{
	const json_t *value = view_at(object, path);

	return json_is_number(value) ? serin_known(json_number_value(value)) : (struct serin_value){};
}

double view_count(const json_t *object, const char *path)
{
	return view_number(object, path).v; /* not known: none to speak of */
}

const char *view_text(const json_t *object, const char *path)
{
	const char *text = json_string_value(view_at(object, path));

	return text ? text : "";
}

bool view_is(const json_t *object, const char *path, const char *text)
{
	return !strcmp(view_text(object, path), text);
}

/* ---- words ---- */

void view_put_label(struct page *page, const char *text)
{
	page_put(page, PAGE_DIM, text);
	page_to(page, VIEW_INDENT);
}

void view_put_number(struct page *page, enum page_style style, struct serin_value value, const char *format, double scale)
{
	char text[48];

	if (!value.known) {
		page_put(page, PAGE_DIM, "-");
		return;
	}
	snprintf(text, sizeof(text), format, value.v * scale);
	page_put(page, style, text);
}

void view_duration(double seconds, char *ret_text, size_t size)
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

/* ---- phases ---- */

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
void view_put_phase(struct page *page, const char *name)
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

/* ---- versions ---- */

const json_t *view_model(const json_t *dump, const json_t *release, const char *role)
{
	const char *version = view_text(release, role);
	const json_t *model;
	size_t i;

	json_array_foreach(view_at(dump, "models"), i, model)
		if (view_is(model, "name", view_text(release, "name")) &&
		    (*version ? view_is(model, "version", version) : view_is(model, "role", role)))
			return model;
	return NULL;
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
	double now = view_count(release, "step");

	if (view_is(release, "phase", "Promoted") || (double)step < now)
		return DONE;
	return (double)step == now ? CURRENT : TO_COME;
}

static void format_step(const json_t *step, char *ret_text, size_t size)
{
	double hold = view_count(step, "hold_seconds");
	char text[24] = "";

	if (hold > 0)
		format_hold(hold, text, sizeof(text));
	snprintf(ret_text, size, "%g%%%s%s", view_count(step, "weight"), *text ? " " : "", text);
}

/* In a row, which goes on in the next line where the width ends. */
void view_put_steps(struct page *page, const json_t *release)
{
	const json_t *step;
	enum place place;
	char text[64];
	size_t i;

	if (json_array_size(view_at(release, "plan")) == 0)
		return;
	view_put_label(page, "Steps");
	json_array_foreach(view_at(release, "plan"), i, step) {
		place = place_of(release, i + 1);
		format_step(step, text, sizeof(text));
		if (i > 0)
			page_either(page, PAGE_DIM, " \u2500\u2500 ", " -- ");
		if (page->look.width && page->column + 2 + strlen(text) > page->look.width && page->column > VIEW_INDENT) {
			page_end(page);
			page_to(page, VIEW_INDENT);
		}
		page_either(page, places[place].style, places[place].utf8, places[place].ascii);
		page_printf(page, places[place].style, " %s", text);
	}
	page_end(page);
}

/* ---- bars ---- */

/* In eighths of a column where the characters are there. */
void view_put_bar(struct page *page, enum page_style style, unsigned width, double share)
{
	static const char *const eighths[] = {"", "\u258f", "\u258e", "\u258d", "\u258c", "\u258b", "\u258a", "\u2589"};
	unsigned parts = page->look.utf8 ? 8 : 1;
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

double view_way(const json_t *test)
{
	struct serin_value log_e = view_number(test, "log_e"), threshold = view_number(test, "log_threshold");

	if (!log_e.known || !threshold.known || threshold.v <= 0 || log_e.v <= 0)
		return 0;
	return log_e.v < threshold.v ? log_e.v / threshold.v : 1;
}

/* ---- losses ---- */

/* What could not be counted is never silent. */
void view_put_losses(struct page *page, const json_t *dump)
{
	const char *kind, *before = "";
	const json_t *count;

	json_object_foreach((json_t *)view_at(dump, "losses"), kind, count) {
		if (json_number_value(count) == 0)
			continue;
		if (!*before)
			view_put_label(page, "Losses");
		page_printf(page, PAGE_YELLOW, "%s%s %.0f", before, kind, json_number_value(count));
		before = ", ";
	}
	if (*before)
		page_end(page);
}
