// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * An HTTP/1.1 load client that counts exactly: what it says it saw can be compared, number by number, with what
 * something on the server's side says it saw.
 */
#define _GNU_SOURCE 1

#include "load_run.h"
#include "options.h"
#include "util.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#define TARGET_DEFAULT "/v1/completions"
#define BODY_FILE_MAX (16u << 20)

struct settings {
	struct load_plan plan;
	const char *method, *body;
	double stream_percent;
	bool json;
};

/* http://HOST:PORT/PATH, with a literal HOST. */
static int option_url(const struct option_row *row, const char *text, void *ret_field)
{
	struct load_plan *plan = ret_field;
	char address[ADDRESS_TEXT_MAX + 8];
	const char *path, *colon, *bracket;
	size_t length;

	(void)row;
	if (strncmp(text, "http://", 7) != 0)
		return -EINVAL;
	text += 7;
	length = strcspn(text, "/?#");
	path = text[length] ? text + length : TARGET_DEFAULT;
	/* A blank or control character would end the request line early. */
	for (const char *c = path; *c; c++) {
		if (*c <= ' ' || *c > '~' || *c == '#')
			return -EINVAL;
	}
	if (*path != '/' || strlen(path) >= sizeof(plan->maker.target) || length >= sizeof(plan->maker.host))
		return -EINVAL;

	/* Port 80 where none is given: there is no colon, or the last one is within the brackets of IPv6. */
	colon = memrchr(text, ':', length);
	bracket = memchr(text, ']', length);
	snprintf(address, sizeof(address), "%.*s%s", (int)length, text,
		 colon && (!bracket || colon > bracket) ? "" : ":80");
	if (address_parse(address, &plan->server) < 0 || plan->server.v4.sin_port == 0)
		return -EINVAL;
	snprintf(plan->maker.host, sizeof(plan->maker.host), "%.*s", (int)length, text);
	strcpy(plan->maker.target, path);
	return 0;
}

/* Adds the addresses from first to last. */
static int add_sources(struct load_plan *plan, const union address *first, const union address *last)
{
	int64_t distance = address_distance(first, last);

	if (distance < 0 || distance >= (int64_t)(LOAD_SOURCES_MAX - plan->n_sources))
		return -EINVAL;
	for (uint32_t i = 0; i <= (uint32_t)distance; i++)
		plan->sources[plan->n_sources++] = address_plus(first, i);
	return 0;
}

/* "A", "A-B" (a range), and several of them with commas between. */
static int option_source(const struct option_row *row, const char *text, void *ret_field)
{
	_cleanup_free_ char *copy = strdup(text);
	char *rest = copy, *item, *dash;
	union address first, last;

	(void)row;
	if (!copy)
		return -ENOMEM;
	while ((item = strsep(&rest, ","))) {
		dash = strchr(item, '-');
		if (dash)
			*dash++ = '\0';
		if (address_parse_host(item, &first) < 0 || address_parse_host(dash ?: item, &last) < 0 ||
		    add_sources(ret_field, &first, &last) < 0)
			return -EINVAL;
	}
	return 0;
}

static int option_method(const struct option_row *row, const char *text, void *ret_field)
{
	if (strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != strlen(text) ||
	    strlen(text) >= sizeof(((struct request_maker *)NULL)->method))
		return -EINVAL;
	return option_text(row, text, ret_field);
}

#define FIELD(field) .offset = offsetof(struct settings, field)

static const struct option_row option_rows[] = {
	{"url", "URL", "http://HOST:PORT/PATH, HOST a literal address (PATH: " TARGET_DEFAULT ")",
	 .wants = "http://HOST:PORT/PATH with a literal address", .parse = option_url, FIELD(plan)},
	{"connections", "N", "connections at the same time (default 1)", .parse = option_count, FIELD(plan.connections),
	 .min = 1, .max = LOAD_CONNECTIONS_MAX},
	{"rate", "R", "requests a second, overall (default 0: as fast as the connections allow)",
	 .parse = option_number, FIELD(plan.rate), .min = 0, .max = 1e6},
	{"requests", "N", "stop after so many requests (default 0: no limit)", .parse = option_count,
	 FIELD(plan.requests), .min = 0, .max = 1e12},
	{"duration", "S", "stop after so many seconds (default 0: no limit)", .parse = option_number,
	 FIELD(plan.duration), .min = 0, .max = 1e7},
	{"per-connection", "K", "close a connection after so many requests (default 0: never)", .parse = option_count,
	 FIELD(plan.per_connection), .min = 0, .max = 1e12},
	{"stagger", NULL, "let the first connections close earlier, each at another request, so that never many close at once",
	 .parse = option_flag, FIELD(plan.stagger)},
	{"stream", "PCT", "percentage of the requests that ask for a stream (default 0)", .parse = option_number,
	 FIELD(stream_percent), .min = 0, .max = 100},
	{"method", "METHOD", "the request's method (default POST)", .wants = "a method in capitals",
	 .parse = option_method, FIELD(method)},
	{"body", "FILE|STRING", "the request's body: a file's content, or the text itself where there is no such file;\n"
	 "                             default for POST: a small completion request with a varied prompt",
	 .wants = "a body", .parse = option_text, FIELD(body)},
	{"source", "ADDR", "connect from ADDR, a range A-B or a list A,B; may be repeated; taken in turn",
	 .wants = "an address, a range A-B or a list A,B of at most 4096", .parse = option_source, FIELD(plan)},
	{"timeout", "S", "give up a connection or a response after so many seconds (default 60)",
	 .parse = option_number, FIELD(plan.timeout), .min = 0.001, .max = 1e6},
	{"seed", "N", "choose other prompts and other requests to stream (default 1)", .parse = option_count,
	 FIELD(plan.seed), .min = 0, .max = 1e18},
	{"progress", NULL, "one line a second on stderr", .parse = option_flag, FIELD(plan.progress)},
	{"json", NULL, "print the result as one JSON object", .parse = option_flag, FIELD(json)},
};

static const struct option_table options = {
	.usage = "--url URL [OPTION...]",
	.about = "Sends HTTP/1.1 requests and counts what comes back. With neither --requests nor --duration it goes\n"
		 "on until SIGINT or SIGTERM; it always waits for the responses to what it has sent.",
	.rows = option_rows,
	.n_rows = ARRAY_SIZE(option_rows),
};

static int check_settings(const struct settings *settings)
{
	const struct load_plan *plan = &settings->plan;

	if (!plan->server.any.sa_family)
		return util_complain(-EINVAL, "no --url given; try '%s --help'", program_invocation_short_name);
	for (size_t i = 0; i < plan->n_sources; i++) {
		if (plan->sources[i].any.sa_family != plan->server.any.sa_family)
			return util_complain(-EINVAL, "--source and --url must both be IPv4 or both IPv6");
	}
	return 0;
}

static int read_settings(int argc, char **argv, struct settings *settings)
{
	struct load_plan *plan = &settings->plan;
	int first, ret;

	plan->connections = 1;
	plan->timeout = 60.0;
	plan->seed = 1;
	settings->method = "POST";
	ret = options_parse(&options, argc, argv, settings, &first);
	if (ret != 0)
		return ret;
	if (first < argc)
		return util_complain(-EINVAL, "'%s' is no option; try '%s --help'", argv[first],
				     program_invocation_short_name);
	plan->maker.stream_share = settings->stream_percent / 100.0;
	strcpy(plan->maker.method, settings->method);
	return check_settings(settings);
}

/* The body is a file's content where there is such a file, else the text itself. */
static int begin_maker(struct settings *settings)
{
	_cleanup_free_ char *content = NULL;
	const char *body = settings->body;
	size_t length = body ? strlen(body) : 0;
	int ret;

	if (body && access(body, F_OK) == 0) {
		ret = util_read_file(body, BODY_FILE_MAX, &content, &length);
		if (ret < 0)
			return util_complain(ret, "cannot read the body from %s: %s; name a file of at most 16 MiB", body,
					     strerror(-ret));
		body = content;
	}
	ret = request_maker_begin(&settings->plan.maker, body, length);
	if (ret == -EINVAL)
		return util_complain(ret, "--stream needs a body that is a JSON object; leave --stream or --body out");
	if (ret < 0)
		return util_complain(ret, "cannot make the requests: %s; give a smaller --body", strerror(-ret));
	return 0;
}

/* One descriptor a connection and a few more. */
static int set_limits(const struct load_plan *plan)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return 0;
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	if (files.rlim_max < plan->connections + 16)
		return util_complain(-EMFILE, "only %llu descriptors allowed; raise 'ulimit -n' or lower --connections",
				     (unsigned long long)files.rlim_max);
	return 0;
}

static void block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static int run(struct settings *settings)
{
	static struct load_tally tally;
	int connect_error, ret;

	block_signals();
	ret = load_run(&settings->plan, &tally, &connect_error);
	if (ret < 0)
		return util_complain(ret, "cannot run: %s; lower --connections", strerror(-ret));
	ret = settings->json ? load_print_json(&tally) : load_print_table(&tally);
	if (ret < 0)
		return util_complain(ret, "cannot write the result: %s; where does stdout go?", strerror(-ret));
	if (connect_error && tally.opened == 0)
		return util_complain(-connect_error, "cannot connect to %s: %s; is the server running?",
				     settings->plan.maker.host, strerror(connect_error));
	return 0;
}

int main(int argc, char **argv)
{
	static struct settings settings;
	int ret;

	ret = read_settings(argc, argv, &settings);
	if (ret != 0)
		return ret > 0 ? EXIT_SUCCESS : EXIT_USAGE;
	ret = begin_maker(&settings);
	if (ret == -EINVAL)
		return EXIT_USAGE;
	if (ret == 0)
		ret = set_limits(&settings.plan);
	if (ret == 0)
		ret = run(&settings);
	request_maker_end(&settings.plan.maker);
	return ret < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
