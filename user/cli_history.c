// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* What was decided, and why. */
#include "cli.h"

#include "client.h"
#include "store.h"
#include "util.h"

#include <errno.h>
#include <string.h>

#define LIMIT_MAX 100000

struct history_options {
	const char *instance, *store;
	uint64_t limit;
	bool json;
};

static const struct option_row rows[] = {
	{"limit", "N", "only the newest N (default: 50)", NULL, option_count, offsetof(struct history_options, limit), 1,
	 LIMIT_MAX, 'n'},
	{"store", "FILE", "read this database and ask no agent (the agent's, when none runs)", "a file", option_text,
	 offsetof(struct history_options, store), 0, 0, 0},
	CLI_OUTPUT_ROW(struct history_options, json),
	CLI_INSTANCE_ROW(struct history_options, instance),
};

const struct option_table cli_history_options = {
	.usage = "history [NAME] [OPTION ...]",
	.about = "Decisions of one release or of all, newest last: when (local time), from which phase and weight to which,\n"
		 "and why. With -o json each comes with the figures behind it. Without an agent they are read from its database.",
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
};

/* ---- the table ---- */

#define CELL_MAX 80

/* One decision in words. The last column is as long as it is. */
enum { WHEN, RELEASE, PHASE, WEIGHT, COLUMNS };

static const char *const titles[COLUMNS] = {"TIME", "RELEASE", "PHASE", "WEIGHT"};

/* The time where the reader is: with the date, as decisions of days stand below each other. */
static void format_time(const json_t *decision, char *ret_text, size_t size)
{
	double at = json_number_value(json_object_get(decision, "at_unix"));
	time_t seconds = at > 0 && at < 1e11 ? (time_t)at : 0;
	struct tm local;

	if (!seconds || !localtime_r(&seconds, &local) ||
	    strftime(ret_text, size, "%Y-%m-%d %H:%M:%S", &local) == 0)
		snprintf(ret_text, size, "-");
}

static const char *or_dash(const char *text)
{
	return *text ? text : "-";
}

static void format_cells(const json_t *decision, char ret[COLUMNS][CELL_MAX])
{
	const char *from = or_dash(cli_text_at(decision, "from")), *to = or_dash(cli_text_at(decision, "phase"));

	format_time(decision, ret[WHEN], CELL_MAX);
	snprintf(ret[RELEASE], CELL_MAX, "%s", or_dash(cli_text_at(decision, "release")));
	snprintf(ret[PHASE], CELL_MAX, "%s -> %s", from, to);
	snprintf(ret[WEIGHT], CELL_MAX, "%g%% -> %g%%", json_number_value(json_object_get(decision, "weight_from")),
		 json_number_value(json_object_get(decision, "set_weight")));
}

static void print_row(char cells[COLUMNS][CELL_MAX], const size_t widths[COLUMNS], const char *reason)
{
	for (unsigned c = 0; c < COLUMNS; c++)
		printf("%-*s  ", (int)widths[c], cells[c]);
	puts(reason);
}

static void print_table(const json_t *decisions)
{
	char cells[COLUMNS][CELL_MAX];
	size_t widths[COLUMNS], i;
	const json_t *decision;

	for (unsigned c = 0; c < COLUMNS; c++)
		widths[c] = strlen(titles[c]);
	json_array_foreach(decisions, i, decision) {
		format_cells(decision, cells);
		for (unsigned c = 0; c < COLUMNS; c++)
			if (strlen(cells[c]) > widths[c])
				widths[c] = strlen(cells[c]);
	}
	for (unsigned c = 0; c < COLUMNS; c++)
		snprintf(cells[c], CELL_MAX, "%s", titles[c]);
	print_row(cells, widths, "REASON");
	json_array_foreach(decisions, i, decision) {
		format_cells(decision, cells);
		print_row(cells, widths, or_dash(cli_text_at(decision, "reason")));
	}
}

/* ---- where they come from ---- */

/* In a query '+' means a blank; of what a name may have it is the only one that means something else there. */
static void to_query(const char *name, char ret_text[3 * SERIN_NAME_MAX])
{
	for (; *name; name++)
		ret_text += sprintf(ret_text, *name == '+' ? "%%2B" : "%c", *name);
	*ret_text = '\0';
}

/* From a file: a new reference to the array, oldest first. NULL: complained. `otherwise` is where else there is nothing. */
static json_t *from_store(const char *path, const char *release, uint64_t limit, const char *otherwise)
{
	json_t *decisions = NULL;
	int r = store_read_history(path, release, (unsigned)limit, &decisions);

	if (r == -ENOENT && *otherwise)
		util_complain(r, "no agent listens on %s, and no earlier one left %s; start one with `serin run`", otherwise, path);
	else if (r < 0)
		util_complain(r, "no decisions can be read from %s: %s", path,
			      r == -EBADMSG ? "it is damaged, or not serin's database" : strerror(-r));
	return decisions;
}

/* From the agent; when there is none, from the file where it keeps them. */
static json_t *from_agent(const struct serin_paths *paths, const char *release, uint64_t limit)
{
	char path[3 * SERIN_NAME_MAX + 64], name[3 * SERIN_NAME_MAX] = "";
	json_t *answer = NULL, *decisions;
	int r;

	if (release)
		to_query(release, name);
	snprintf(path, sizeof(path), "/api/history?limit=%llu%s%s", (unsigned long long)limit, release ? "&release=" : "", name);
	r = client_call(paths, "GET", path, NULL, &answer);
	if (r == -ENOTCONN)
		return from_store(paths->store, release, limit, paths->socket);
	if (r < 0) {
		cli_complain(paths, r, answer);
		return NULL;
	}
	decisions = json_incref(json_object_get(answer, "decisions"));
	json_decref(answer);
	if (!decisions)
		util_complain(0, "the agent tells no decisions; is it of another version?");
	return decisions;
}

int cli_history(int argc, char **argv)
{
	struct history_options options = {.limit = 50};
	const char *release = NULL;
	struct serin_paths paths;
	json_t *decisions;
	int first, r;

	r = options_parse(&cli_history_options, argc, argv, &options, &first);
	if (r != 0)
		return r > 0 ? 0 : EXIT_USAGE;
	if (argc - first > 1)
		return util_complain(EXIT_USAGE, "history takes one NAME; try 'serin history --help'");
	if (first < argc)
		release = argv[first];
	if (release && !config_is_name(release))
		return util_complain(EXIT_USAGE, "'%s' cannot be the name of a release", release);
	if (cli_paths(options.instance, &paths) < 0)
		return EXIT_USAGE;
	decisions = options.store ? from_store(options.store, release, options.limit, "")
				  : from_agent(&paths, release, options.limit);
	if (!decisions)
		return EXIT_FAILURE;
	if (options.json)
		return cli_print_json(decisions);
	print_table(decisions);
	json_decref(decisions);
	return fflush(stdout) == EOF ? util_complain(EXIT_FAILURE, "cannot write to stdout") : 0;
}
