// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "cli.h"

#include "options.h"
#include "util.h"

#include <errno.h>
#include <string.h>

struct status_options {
	const char *instance;
	bool json;
};

static const struct option_row rows[] = {
	CLI_OUTPUT_ROW(struct status_options, json),
	CLI_INSTANCE_ROW(struct status_options, instance),
};

static const struct option_table table = {
	.usage = "status [NAME] [OPTION ...]",
	.about = "One release at a glance. Exit code 0 when it is Idle, Promoted or Progressing, 1 otherwise.",
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
};

/* A number of a JSON object by path "a.b", as text; "-" when it is null or not there. */
static const char *number_at(const json_t *object, const char *path, const char *format, double scale, char ret_text[32])
{
	char key[32];
	size_t length = strcspn(path, ".");
	const json_t *value;

	snprintf(key, sizeof(key), "%.*s", (int)length, path);
	value = json_object_get(object, key);
	if (path[length])
		return number_at(value, path + length + 1, format, scale, ret_text);
	if (json_is_number(value))
		snprintf(ret_text, 32, format, json_number_value(value) * scale);
	else
		snprintf(ret_text, 32, "-");
	return ret_text;
}

static const char *text_at(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "-";
}

/* The table of versions: a column each. The rows are what is shown of them. */
static const struct {
	const char *label, *path, *format;
	double scale;
} lines[] = {
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

static void print_models(const json_t *models)
{
	char text[32];
	const json_t *model;
	size_t i;

	printf("  %-20s", "");
	json_array_foreach(models, i, model)
		printf(" %14.14s", text_at(model, "version"));
	putchar('\n');
	for (size_t line = 0; line < ARRAY_SIZE(lines); line++) {
		printf("  %-20s", lines[line].label);
		json_array_foreach(models, i, model)
			printf(" %14s", number_at(model, lines[line].path, lines[line].format, lines[line].scale, text));
		putchar('\n');
	}
}

static void print_release(const json_t *release)
{
	const char *note = json_string_value(json_object_get(release, "note")), *reason = text_at(release, "reason");
	char set[32], connections[32], requests[32];

	printf("%s  %s%s%s\n", text_at(release, "name"), text_at(release, "phase"), *reason ? ": " : "", reason);
	printf("  weight: set %s, actual %s of connections, %s of requests (in the window)\n",
	       number_at(release, "set_weight", "%g%%", 1, set),
	       number_at(release, "actual_weight.connections", "%.1f%%", 1, connections),
	       number_at(release, "actual_weight.requests", "%.1f%%", 1, requests));
	if (note)
		printf("  note: %s\n", note);
}

/* What could not be counted is never silent. */
static void print_losses(const json_t *losses)
{
	const char *kind;
	const json_t *count;

	json_object_foreach((json_t *)losses, kind, count)
		if (json_integer_value(count))
			printf("  losses: %s %lld\n", kind, (long long)json_integer_value(count));
}

static const json_t *find_release(const json_t *dump, const char *name)
{
	const json_t *release;
	size_t i;

	json_array_foreach(json_object_get(dump, "releases"), i, release)
		if (!name || !strcmp(text_at(release, "name"), name))
			return release;
	return NULL;
}

static int exit_code(const json_t *release)
{
	const char *phase = text_at(release, "phase");

	return !release || !strcmp(phase, "Idle") || !strcmp(phase, "Promoted") || !strcmp(phase, "Progressing")
		       ? 0
		       : EXIT_FAILURE;
}

static int print_status(json_t *dump, const char *name, bool json)
{
	const json_t *release = find_release(dump, name);
	int code;

	if (name && !release)
		return util_complain(EXIT_FAILURE, "no release %s; `serin status` shows what there is", name);
	code = exit_code(release);
	if (json) {
		int printed = cli_print_json(json_incref(release ? (json_t *)release : dump));

		return printed ? printed : code;
	}
	if (release)
		print_release(release);
	print_models(json_object_get(dump, "models"));
	print_losses(json_object_get(dump, "losses"));
	return code;
}

int cli_status(int argc, char **argv)
{
	struct status_options options = {};
	struct serin_paths paths;
	json_t *dump = NULL;
	int first, r;

	r = options_parse(&table, argc, argv, &options, &first);
	if (r != 0)
		return r > 0 ? 0 : EXIT_USAGE;
	if (argc - first > 1)
		return util_complain(EXIT_USAGE, "status takes one NAME; try 'serin status --help'");
	if (cli_paths(options.instance, &paths) < 0)
		return EXIT_USAGE;
	if (cli_call(&paths, "GET", "/api/dump", NULL, &dump) < 0)
		return EXIT_FAILURE;
	r = print_status(dump, first < argc ? argv[first] : NULL, options.json);
	json_decref(dump);
	return r;
}
