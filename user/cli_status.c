// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#define _GNU_SOURCE 1 /* asprintf */

#include "cli.h"

#include "client.h"
#include "status_view.h"
#include "terminal.h"
#include "util.h"

#include <errno.h>
#include <string.h>

#define WATCH_MS 1000

struct status_options {
	const char *instance;
	bool json, watch;
};

static const struct option_row rows[] = {
	{"watch", NULL, "follow: on a terminal in place until q or ^C, else a block whenever something changes", NULL,
	 option_flag, offsetof(struct status_options, watch), 0, 0, 'w'},
	CLI_OUTPUT_ROW(struct status_options, json),
	CLI_INSTANCE_ROW(struct status_options, instance),
};

const struct option_table cli_status_options = {
	.usage = "status [NAME] [OPTION ...]",
	.about = "Releases at a glance, or one of them. Exit code 0 when all that is shown is Idle, Promoted or Progressing,\n"
		 "1 otherwise. A gate has a check mark while its figure keeps the bound. The bars of the evidence show how far\n"
		 "log e has come towards the threshold, at which the canary is rolled back.",
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
};

/* What is to be shown, and where. */
struct status {
	const char *name; /* NULL: all */
	struct serin_paths paths;
	bool json, on_terminal;
	struct status_look look;
};

static bool is_shown(const struct status *status, const json_t *release)
{
	return !status->name || !strcmp(cli_text_at(release, "name"), status->name);
}

/* Of what is shown, as one value: a release by itself, several as an array, without one the whole dump. A new reference. */
static json_t *shown_json(const struct status *status, json_t *dump)
{
	json_t *release, *found = json_array(), *only;
	size_t i;

	json_array_foreach(json_object_get(dump, "releases"), i, release)
		if (is_shown(status, release))
			json_array_append(found, release);
	if (json_array_size(found) > 1)
		return found;
	only = json_incref(json_array_size(found) ? json_array_get(found, 0) : dump);
	json_decref(found);
	return only;
}

static bool has_any(const struct status *status, const json_t *dump)
{
	const json_t *release;
	size_t i;

	json_array_foreach(json_object_get(dump, "releases"), i, release)
		if (is_shown(status, release))
			return true;
	return false;
}

static bool is_well(const char *phase)
{
	return !strcmp(phase, "Idle") || !strcmp(phase, "Promoted") || !strcmp(phase, "Progressing");
}

static int exit_code(const struct status *status, const json_t *dump)
{
	const json_t *release;
	size_t i;

	json_array_foreach(json_object_get(dump, "releases"), i, release)
		if (is_shown(status, release) && !is_well(cli_text_at(release, "phase")))
			return EXIT_FAILURE;
	return 0;
}

/* ---- once ---- */

static int print_text(char *text)
{
	int r;

	if (!text)
		return util_complain(EXIT_FAILURE, "out of memory");
	r = fputs(text, stdout);
	free(text);
	if (r == EOF || fflush(stdout) == EOF)
		return util_complain(EXIT_FAILURE, "cannot write to stdout: %s", strerror(errno));
	return 0;
}

static int show_once(const struct status *status)
{
	json_t *dump = NULL;
	int r, code;

	if (cli_call(&status->paths, "GET", "/api/dump", NULL, &dump) < 0)
		return EXIT_FAILURE;
	code = exit_code(status, dump);
	if (status->name && !has_any(status, dump))
		r = util_complain(EXIT_FAILURE, "no release %s; `serin status` shows what there is", status->name);
	else if (status->json)
		r = cli_print_json(shown_json(status, dump));
	else
		r = print_text(status_view(dump, status->name, &status->look));
	json_decref(dump);
	return r ? r : code;
}

/* ---- again and again ---- */

/* What the agent says now, a new reference. 0 or -errno: -ENOENT when it has no such release; ret_why says it. */
static int fetch(const struct status *status, json_t **ret_dump, char *ret_why, size_t size)
{
	json_t *dump = NULL;
	int r = client_call(&status->paths, "GET", "/api/dump", NULL, &dump);

	if (r == 0 && status->name && !has_any(status, dump))
		r = -ENOENT;
	if (r == 0) {
		*ret_dump = dump;
		return 0;
	}
	json_decref(dump);
	if (r == -ENOENT)
		snprintf(ret_why, size, "the agent has no release %s", status->name);
	else
		cli_explain(&status->paths, r, ret_why, size);
	return r;
}

static void format_clock(char *ret_text, size_t size)
{
	time_t now = time(NULL);
	struct tm local;

	if (!localtime_r(&now, &local) || !strftime(ret_text, size, "%H:%M:%S", &local))
		snprintf(ret_text, size, "-");
}

/* A line about this view; above it, when there is nothing to show, one that says why. */
static char *make_foot(const struct status *status, const json_t *dump, const char *why)
{
	struct page page;
	char clock[16];

	format_clock(clock, sizeof(clock));
	page_init(&page, &status->look.page);
	if (!dump) {
		page_printf(&page, PAGE_RED, "%s; waiting for it", why);
		page_end(&page);
	}
	page_printf(&page, PAGE_DIM, "%s, q ends this", clock);
	page_end(&page);
	return page_take(&page, 0);
}

static int draw(struct status *status, const json_t *dump, const char *why)
{
	_cleanup_free_ char *view = NULL, *foot = NULL, *frame = NULL;
	unsigned columns, rows;
	int r;

	terminal_size(&columns, &rows);
	/* A last column that is written to makes terminals differ in what clearing the rest of the line clears. */
	status->look.page.width = columns > 1 ? columns - 1 : 1;
	status->look.rows = rows > 2 ? rows - 1 : 1;
	view = dump ? status_view(dump, status->name, &status->look) : strdup("");
	foot = make_foot(status, dump, why);
	if (!view || !foot || asprintf(&frame, "%s%s", view, foot) < 0)
		return util_complain(-ENOMEM, "out of memory");
	r = terminal_draw(frame);
	return r < 0 ? util_complain(r, "cannot draw on the terminal: %s", strerror(-r)) : 0;
}

static int append_json(const struct status *status, json_t *dump)
{
	json_t *json = shown_json(status, dump);
	int r = json_dumpf(json, stdout, JSON_COMPACT | JSON_REAL_PRECISION(15));

	json_decref(json);
	return r < 0 ? -EIO : 0;
}

static int append_text(const struct status *status, const json_t *dump, const char *clock)
{
	_cleanup_free_ char *text = status_view(dump, status->name, &status->look);

	return text && printf("%s\n%s", clock, text) >= 0 ? 0 : -EIO;
}

/* Not drawn but added: a block with the time above it, or a line of JSON. */
static int append(const struct status *status, json_t *dump, const char *why)
{
	char clock[16];
	int r = 0;

	format_clock(clock, sizeof(clock));
	if (dump)
		r = status->json ? append_json(status, dump) : append_text(status, dump, clock);
	else if (status->json)
		util_complain(0, "%s; waiting for it", why);
	else
		printf("%s %s; waiting for it", clock, why);
	if (dump || !status->json)
		putchar('\n');
	if (r < 0 || fflush(stdout) == EOF)
		return util_complain(-EIO, "cannot write to stdout");
	return 0;
}

/* Of one look to the next: NULL is that nobody was there. */
static bool differ(const json_t *a, const json_t *b)
{
	return a && b ? !json_equal(a, b) : a != b;
}

/* One look. *gist is that of the look before, and becomes that of this one. */
static int look_again(struct status *status, bool first, json_t **gist, int *ret_code)
{
	char why[256] = "";
	json_t *dump = NULL, *now = NULL;
	int r = fetch(status, &dump, why, sizeof(why));

	/* An agent may come, and with it a release. */
	if (first && r == -ENOENT)
		return util_complain(r, "%s; `serin status` shows what there is", why);
	r = cli_give_up(r, why);
	if (r < 0)
		return r;
	now = dump ? status_view_gist(dump, status->name) : NULL;
	*ret_code = dump ? exit_code(status, dump) : EXIT_FAILURE;
	terminal_exit_code(*ret_code);
	if (status->on_terminal)
		r = draw(status, dump, why);
	else if (first || differ(now, *gist))
		r = append(status, dump, why);
	json_decref(*gist);
	*gist = now;
	json_decref(dump);
	return r;
}

/* Until the user ends it. */
static int watch(struct status *status)
{
	json_t *gist = NULL;
	int r, code = EXIT_FAILURE;

	terminal_open(status->on_terminal);
	for (bool first = true; (r = look_again(status, first, &gist, &code)) == 0; first = false) {
		int key = terminal_wait(WATCH_MS);

		if (key == 'q' || key == TERMINAL_GONE)
			break;
	}
	terminal_close();
	json_decref(gist);
	return r < 0 ? EXIT_FAILURE : code;
}

/* ---- ---- */

int cli_status(int argc, char **argv)
{
	struct status_options options = {};
	struct status status = {};
	int first, r;

	r = options_parse(&cli_status_options, argc, argv, &options, &first);
	if (r != 0)
		return r > 0 ? 0 : EXIT_USAGE;
	if (argc - first > 1)
		return util_complain(EXIT_USAGE, "status takes one NAME; try 'serin status --help'");
	if (cli_paths(options.instance, &status.paths) < 0)
		return EXIT_USAGE;
	status.name = first < argc ? argv[first] : NULL;
	status.json = options.json;
	status.on_terminal = cli_look(&status.look.page) && !status.json;
	return options.watch ? watch(&status) : show_once(&status);
}
