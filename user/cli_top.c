// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Releases as they are right now, with their last minutes, and keys that give orders. */
#include "cli.h"

#include "client.h"
#include "status_view.h"
#include "terminal.h"
#include "top_view.h"
#include "util.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define PATIENCE_SECONDS 2 /* for an answer: keys wait as long */
#define NEWEST 3	   /* samples asked for each time, when there are some already */
#define DECISIONS 60
#define MESSAGE_SECONDS 8
#define WHY_MAX 256

static const unsigned spans[] = {300, 600, 60}; /* seconds of the curves */

struct top_options {
	const char *instance;
	uint64_t batch;
	double delay;
};

static const struct option_row rows[] = {
	{"batch", "N", "print N times, a delay apart, and read no keys", NULL, option_count, offsetof(struct top_options, batch), 1, 1e9,
	 'b'},
	{"delay", "SECONDS", "between two looks (default: 1)", NULL, option_number, offsetof(struct top_options, delay), 0.2, 3600, 'd'},
	CLI_INSTANCE_ROW(struct top_options, instance),
};

const struct option_table cli_top_options = {
	.usage = "top [NAME] [OPTION ...]",
	.about = "Both versions of a release side by side, live: figures of now and curves of the last minutes, which the agent\n"
		 "remembers; how far the evidence has come towards a rollback; latencies; the last decisions. Several releases are a\n"
		 "table, of which one is chosen. Keys give orders (? lists them); what cannot be taken back asks first.\n"
		 "Where no terminal is, or one that cannot be drawn on, it prints once and ends.",
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
};

struct top {
	struct serin_paths paths;
	struct top_input input;
	struct series series[SERIN_RELEASES_MAX];
	json_t *dump, *latency, *decisions; /* the newest answers; NULL: none yet, or the agent cannot tell */
	json_t *gist;			    /* of the dump that the decisions are as old as */
	char name[SERIN_NAME_MAX];	    /* of the chosen release; empty: the first */
	bool alone;
	unsigned span; /* of spans[] */
	uint64_t got_ns; /* when the dump came */
	char trouble[WHY_MAX], message[WHY_MAX];
	bool message_is_bad;
	uint64_t message_ns;
	struct page_look look;
};

/* ---- what the agent says ---- */

static int ask(const struct top *top, const char *path, json_t **ret)
{
	json_t *answer = NULL;
	int r = client_call_within(&top->paths, "GET", path, NULL, PATIENCE_SECONDS, &answer);

	if (r == 0)
		*ret = answer;
	else
		json_decref(answer);
	return r;
}

static struct series *place_for(struct top *top, const char *name)
{
	struct series *empty = NULL;

	for (unsigned i = 0; i < ARRAY_SIZE(top->series); i++) {
		if (!strcmp(top->series[i].release, name))
			return &top->series[i];
		if (!*top->series[i].release)
			empty = &top->series[i];
	}
	return empty;
}

static bool is_in(const json_t *releases, const char *name)
{
	const json_t *release;
	size_t i;

	json_array_foreach(releases, i, release)
		if (!strcmp(cli_text_at(release, "name"), name))
			return true;
	return false;
}

/* Returns whether a release has a gap between what was known and what came. */
static bool learn_series(struct top *top, const json_t *releases)
{
	const json_t *release;
	bool gap = false;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(top->series); i++)
		if (!is_in(releases, top->series[i].release))
			series_assign(&top->series[i], NULL, NULL, NULL);
	json_array_foreach(releases, i, release) {
		struct series *series = place_for(top, cli_text_at(release, "name"));

		if (!series || !*cli_text_at(release, "name"))
			continue;
		gap |= !series->n;
		gap |= series_learn(series, release);
	}
	return gap;
}

/* The newest samples each time, all of them where that is not enough. An agent of another version may have none. */
static void ask_series(struct top *top)
{
	char path[64];
	json_t *answer = NULL;
	bool gap;

	snprintf(path, sizeof(path), "/api/series?limit=%d", NEWEST);
	if (ask(top, path, &answer) < 0) {
		learn_series(top, NULL); /* what was is not what is */
		return;
	}
	gap = learn_series(top, json_object_get(answer, "releases"));
	json_decref(answer);
	if (!gap || ask(top, "/api/series", &answer) < 0)
		return;
	learn_series(top, json_object_get(answer, "releases"));
	json_decref(answer);
}

/* A member of an answer in place of what `kept` was; NULL when there is no such answer. */
static void ask_member(const struct top *top, const char *path, const char *member, json_t **kept)
{
	json_t *answer = NULL;

	json_decref(*kept);
	*kept = NULL;
	if (ask(top, path, &answer) < 0)
		return;
	*kept = json_incref(json_object_get(answer, member));
	json_decref(answer);
}

/* Only when something was decided: they come from the agent's database. */
static void ask_decisions(struct top *top)
{
	json_t *gist = status_view_gist(top->dump, NULL);
	char path[64];

	if (!top->decisions || !json_equal(gist, top->gist)) {
		snprintf(path, sizeof(path), "/api/history?limit=%d", DECISIONS);
		ask_member(top, path, "decisions", &top->decisions);
	}
	json_decref(top->gist);
	top->gist = gist;
}

/* One look. 0 or -errno with the trouble that it is. */
static int look(struct top *top)
{
	json_t *dump = NULL;
	int r = ask(top, "/api/dump", &dump);

	if (r < 0) {
		cli_explain(&top->paths, r, top->trouble, sizeof(top->trouble));
		return r;
	}
	json_decref(top->dump);
	top->dump = dump;
	top->got_ns = util_now();
	top->trouble[0] = '\0';
	ask_series(top);
	ask_member(top, "/api/latency", "models", &top->latency);
	ask_decisions(top);
	return 0;
}

/* ---- what is shown ---- */

static char *view(const struct top *top, const struct top_input *input, unsigned rows_there_are)
{
	uint64_t now_ns = util_now();
	bool has_message = *top->message && now_ns - top->message_ns < MESSAGE_SECONDS * NSEC_PER_SEC;
	struct timespec clock;
	struct top_scene scene = {
		.dump = top->dump,
		.latency = top->latency,
		.decisions = top->decisions,
		.series = top->series,
		.n_series = ARRAY_SIZE(top->series),
		.trouble = *top->trouble ? top->trouble : NULL,
		.age_seconds = (double)(now_ns - top->got_ns) / 1e9,
		.span_seconds = spans[top->span],
		.name = *top->name ? top->name : NULL,
		.alone = top->alone,
		.input = input,
		.message = has_message ? top->message : NULL,
		.message_is_bad = top->message_is_bad,
		.look = top->look,
		.rows = rows_there_are,
	};

	clock_gettime(CLOCK_REALTIME, &clock);
	scene.now_unix = (double)clock.tv_sec + (double)clock.tv_nsec / 1e9;
	return top_view(&scene);
}

static int draw(struct top *top)
{
	_cleanup_free_ char *text = NULL;
	unsigned columns, rows_there_are;
	int r;

	terminal_size(&columns, &rows_there_are);
	/* A last column that is written to makes terminals differ in what clearing the rest of the line clears. */
	top->look.width = columns > 1 ? columns - 1 : 1;
	text = view(top, &top->input, rows_there_are);
	if (!text)
		return util_complain(-ENOMEM, "out of memory");
	r = terminal_draw(text);
	return r < 0 ? util_complain(r, "cannot draw on the terminal: %s", strerror(-r)) : 0;
}

/* ---- orders ---- */

static const char *const orders[TOP_ACTS] = {
	[TOP_PAUSE] = "pause", [TOP_RESUME] = "resume", [TOP_PROMOTE] = "promote", [TOP_ABORT] = "abort", [TOP_RETRY] = "retry",
};

static void tell(struct top *top, bool is_bad, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void tell(struct top *top, bool is_bad, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(top->message, sizeof(top->message), format, args);
	va_end(args);
	top->message_is_bad = is_bad;
	top->message_ns = util_now();
}

/* Takes over the body. What became of it is told; 0 or -errno. */
static int post(struct top *top, const char *path, json_t *body)
{
	json_t *answer = NULL;
	char why[WHY_MAX];
	int r = client_call_within(&top->paths, "POST", path, body, PATIENCE_SECONDS, &answer);

	if (r == 0 || r == -EREMOTEIO) {
		tell(top, r < 0, "%s: %s", top->name, *cli_text_at(answer, "message") ? cli_text_at(answer, "message") : "done");
	} else {
		cli_explain(&top->paths, r, why, sizeof(why));
		tell(top, true, "%s; %s", why,
		     r == -ENOTCONN || r == -EACCES || r == -ELIBACC ? "nothing was done"
								      : "it may have been done: look before you repeat it");
	}
	json_decref(answer);
	json_decref(body);
	return r;
}

static void give_order(struct top *top, enum top_act act, double weight)
{
	const char *name = top_view_choose(top->dump, *top->name ? top->name : NULL, 0);
	char path[SERIN_NAME_MAX + 64];

	if (!name) {
		tell(top, true, "there is no release to %s", act == TOP_WEIGHT ? "set the weight of" : orders[act]);
		return;
	}
	snprintf(top->name, sizeof(top->name), "%s", name);
	if (act == TOP_WEIGHT) {
		if (post(top, "/api/gray_release", json_pack("{ss sf}", "release", top->name, "percentage", weight)) == 0)
			tell(top, false, "%s: the weight is %g%% now.", top->name, weight);
		return;
	}
	snprintf(path, sizeof(path), "/api/releases/%s/%s", top->name, orders[act]);
	post(top, path, NULL);
}

static void move(struct top *top, int by)
{
	const char *name = top_view_choose(top->dump, *top->name ? top->name : NULL, by);

	if (name)
		snprintf(top->name, sizeof(top->name), "%s", name);
}

/* Returns whether the agent is to be asked again at once. */
static bool act(struct top *top, enum top_act what, double weight)
{
	switch (what) {
	case TOP_UP:
	case TOP_DOWN:
		move(top, what == TOP_UP ? -1 : 1);
		return false;
	case TOP_SHOW:
		top->alone = !top->alone;
		return false;
	case TOP_SPAN:
		top->span = (top->span + 1) % ARRAY_SIZE(spans);
		return false;
	case TOP_LEFT:
		tell(top, false, "nothing was done");
		return false;
	case TOP_WRONG:
		tell(top, true, "'%s' is not a number from 0 to 100; nothing was done", top->input.typed);
		return false;
	default:
		if (what == TOP_WEIGHT || orders[what]) {
			give_order(top, what, weight);
			return true;
		}
		return false;
	}
}

/* ---- on a terminal ---- */

static unsigned milliseconds_until(uint64_t then_ns)
{
	uint64_t now_ns = util_now();

	return then_ns > now_ns ? (unsigned)((then_ns - now_ns) / NSEC_PER_MSEC) + 1 : 0;
}

static bool lacks_chosen(const struct top *top)
{
	return *top->name && !is_in(json_object_get(top->dump, "releases"), top->name);
}

/* What there is to wait for may come. What will not is an error: no right to ask, no such release although the agent is there. */
static int first_look(struct top *top)
{
	int r = look(top);

	if (r == 0 && lacks_chosen(top))
		return util_complain(-ENOENT, "the agent has no release %s; `serin status` shows what there is", top->name);
	return cli_give_up(r, top->trouble);
}

static int look_again(struct top *top)
{
	int r = look(top);

	if (r == 0 && lacks_chosen(top)) { /* a question about it must not become one about another */
		tell(top, true, "the agent has no release %s any more", top->name);
		top->name[0] = '\0';
		top->input.mode = TOP_WATCHING;
	}
	return cli_give_up(r, top->trouble);
}

/* A question is about the release that is chosen then, whatever the agent says meanwhile. */
static enum top_act take_key(struct top *top, int key, double *ret_weight)
{
	enum top_act what = top_input_key(&top->input, key, ret_weight);

	top->message[0] = '\0';
	move(top, 0);
	return what;
}

static int watch(struct top *top, double delay)
{
	uint64_t next_ns = util_now() + (uint64_t)(delay * 1e9);
	double weight = 0;
	int r = 0, key;

	while (r == 0) {
		enum top_act what;

		r = draw(top);
		if (r < 0)
			break;
		key = terminal_wait(milliseconds_until(next_ns));
		what = key ? take_key(top, key, &weight) : TOP_NOTHING;
		if (what == TOP_QUIT)
			break;
		if (!act(top, what, weight) && util_now() < next_ns)
			continue;
		next_ns = util_now() + (uint64_t)(delay * 1e9);
		r = look_again(top);
	}
	return r;
}

static int run_on_terminal(struct top *top, double delay)
{
	int r = first_look(top);

	if (r < 0)
		return EXIT_FAILURE;
	terminal_exit_code(0);
	terminal_open_screen();
	r = watch(top, delay);
	terminal_close();
	return r < 0 ? EXIT_FAILURE : 0;
}

/* ---- elsewhere ---- */

static int print(const struct top *top)
{
	_cleanup_free_ char *text = view(top, NULL, 0);

	if (!text)
		return util_complain(-ENOMEM, "out of memory");
	if (fputs(text, stdout) == EOF || fflush(stdout) == EOF)
		return util_complain(-EIO, "cannot write to stdout: %s", strerror(errno));
	return 0;
}

static void pause_for(double seconds)
{
	struct timespec left = {(time_t)seconds, (long)(fmod(seconds, 1) * 1e9)};

	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		;
}

static int run_in_batch(struct top *top, uint64_t times, double delay)
{
	for (uint64_t i = 0; i < times; i++) {
		int r;

		if (i) {
			pause_for(delay);
			putchar('\n');
		}
		r = look(top);
		if (r == 0 && lacks_chosen(top))
			return util_complain(EXIT_FAILURE, "the agent has no release %s; `serin status` shows what there is", top->name);
		if (cli_give_up(r, top->trouble) < 0)
			return EXIT_FAILURE;
		if (r < 0)
			return util_complain(EXIT_FAILURE, "%s; start one with `serin run`", top->trouble);
		if (print(top) < 0)
			return EXIT_FAILURE;
	}
	return 0;
}

/* ---- ---- */

static void forget(struct top *top)
{
	json_decref(top->dump);
	json_decref(top->latency);
	json_decref(top->decisions);
	json_decref(top->gist);
	free(top);
}

int cli_top(int argc, char **argv)
{
	struct top_options options = {.delay = 1};
	struct top *top;
	bool draws;
	int first, r;

	r = options_parse(&cli_top_options, argc, argv, &options, &first);
	if (r != 0)
		return r > 0 ? 0 : EXIT_USAGE;
	if (argc - first > 1)
		return util_complain(EXIT_USAGE, "top takes one NAME; try 'serin top --help'");
	if (first < argc && !config_is_name(argv[first]))
		return util_complain(EXIT_USAGE, "'%s' cannot be the name of a release", argv[first]);
	top = calloc(1, sizeof(*top));
	if (!top)
		return util_complain(EXIT_FAILURE, "out of memory");
	if (first < argc)
		snprintf(top->name, sizeof(top->name), "%s", argv[first]);
	top->alone = *top->name;
	draws = cli_look(&top->look);
	if (cli_paths(options.instance, &top->paths) < 0)
		r = EXIT_USAGE;
	else if (draws && !options.batch)
		r = run_on_terminal(top, options.delay);
	else
		r = run_in_batch(top, options.batch ? options.batch : 1, options.delay);
	forget(top);
	return r;
}
