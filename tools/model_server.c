// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * A small model server: an n-gram language model behind the OpenAI API. It stands where vLLM or another stands in
 * production, computes something real, and misbehaves when told to.
 */
#define _GNU_SOURCE 1

#include "model_http.h"
#include "model_log.h"
#include "options.h"
#include "util.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>

#define CORPUS_DEFAULT "/usr/share/common-licenses"
#define DRAIN_MS 5000 /* how long requests in flight may take to end once the server is told to stop */

struct settings {
	const char *name, *version;
	union address listen, control; /* family 0: none */
	struct faults faults;
	const char *corpus[CORPUS_FILES_MAX];
	size_t n_corpus;
	uint64_t threads, backlog, keep_alive, seed;
	bool verbose;
	const char *log;
};

static int option_corpus(const struct option_row *row, const char *text, void *ret_field)
{
	struct settings *settings = ret_field;

	(void)row;
	if (settings->n_corpus == CORPUS_FILES_MAX)
		return -E2BIG;
	settings->corpus[settings->n_corpus++] = text;
	return 0;
}

/* What is wrong with a fault is said here: it is more than the table can say. */
static int option_fault(const struct option_row *row, const char *text, void *ret_field)
{
	char why[FAULTS_WHY_MAX];

	(void)row;
	if (faults_parse(ret_field, text, why) < 0)
		return util_complain(-EALREADY, "--fault '%s': %s; GET /fault lists all faults", text, why);
	return 0;
}

/* A name goes into JSON and into a line whose words are separated by spaces. */
static int option_word(const struct option_row *row, const char *text, void *ret_field)
{
	for (const char *c = text; *c; c++) {
		if (*c <= ' ' || *c > '~')
			return -EINVAL;
	}
	return option_text(row, text, ret_field);
}

static int option_address(const struct option_row *row, const char *text, void *ret_field)
{
	(void)row;
	return address_parse(text, ret_field);
}

#define ADDRESS_WANTS "PORT, ADDR:PORT or [IPV6]:PORT, with a literal address"
#define FIELD(field) .offset = offsetof(struct settings, field)

static const struct option_row option_rows[] = {
	{"listen", "[ADDR:]PORT", "where to listen; IPv6 as [ADDR]:PORT, port 0: any free one (default 8000)",
	 .wants = ADDRESS_WANTS, .parse = option_address, FIELD(listen)},
	{"name", "NAME", "the model's name (default ngram)", .wants = "one word", .parse = option_word, FIELD(name)},
	{"model-version", "VERSION", "the model's version (default v1)", .wants = "one word", .parse = option_word,
	 FIELD(version)},
	{"corpus", "PATH...", "files or directories to learn from (default " CORPUS_DEFAULT ")",
	 .wants = "within the 64 that can be named", .parse = option_corpus, .offset = 0},
	{"threads", "N", "requests computed at the same time, the others queue (default 4)", .parse = option_count,
	 FIELD(threads), .min = 1, .max = 1024},
	{"fault", "KEY=VALUE", "misbehave; may be repeated; POST /fault does the same later", .wants = "a fault",
	 .parse = option_fault, FIELD(faults)},
	{"control", "[ADDR:]PORT", "serve /fault and /health here too, which `refuse` does not close",
	 .wants = ADDRESS_WANTS, .parse = option_address, FIELD(control)},
	{"backlog", "N", "length of the listen queue (default 511)", .parse = option_count, FIELD(backlog), .min = 1,
	 .max = 65535},
	{"keep-alive", "SECONDS", "close a connection idle for so long (default 0: never)", .parse = option_count,
	 FIELD(keep_alive), .min = 0, .max = 86400},
	{"seed", "N", "make the draws of faults and texts repeatable", .parse = option_count, FIELD(seed), .min = 1,
	 .max = 1e18},
	{"log", "FILE", "log each connection, request, response and change of faults in FILE, with the time",
	 .wants = "a file", .parse = option_text, FIELD(log)},
	{"verbose", NULL, "log each request on stderr", .parse = option_flag, FIELD(verbose)},
};

static const struct option_table options = {
	.usage = "[OPTION...] [CORPUS...]",
	.about = "Serves a character n-gram model: POST /v1/completions, /v1/chat/completions and /v1/classify,\n"
		 "GET /v1/models and /health, GET and POST /fault.",
	.rows = option_rows,
	.n_rows = ARRAY_SIZE(option_rows),
};

static int read_settings(int argc, char **argv, struct settings *settings)
{
	int first, ret;

	*settings = (struct settings){.name = "ngram", .version = "v1", .threads = 4, .backlog = 511};
	address_parse("8000", &settings->listen);
	ret = options_parse(&options, argc, argv, settings, &first);
	if (ret != 0)
		return ret;
	/* `--corpus A B C`: what follows the option's own argument is more of the same. */
	for (int i = first; i < argc; i++) {
		if (option_corpus(NULL, argv[i], settings) < 0)
			return util_complain(-EINVAL, "more than %d corpus paths; name a directory instead",
					     CORPUS_FILES_MAX);
	}
	if (settings->n_corpus == 0)
		settings->corpus[settings->n_corpus++] = CORPUS_DEFAULT;
	return 0;
}

static const char *explain_corpus(int error)
{
	switch (error) {
	case -E2BIG:
		return "more files than a corpus may have (64)";
	case -EFBIG:
		return "longer than 8 MiB";
	case -ENODATA:
		return "no text to learn from";
	case -EINVAL:
		return "neither a file nor a directory";
	default:
		return strerror(-error);
	}
}

static int learn(struct corpus *corpus, const struct settings *settings)
{
	int ret;

	for (size_t i = 0; i < settings->n_corpus; i++) {
		ret = corpus_add(corpus, settings->corpus[i]);
		if (ret < 0)
			return util_complain(ret, "cannot learn from %s: %s; name text files with --corpus",
					     settings->corpus[i], explain_corpus(ret));
	}
	ret = corpus_train(corpus);
	if (ret < 0)
		return util_complain(ret, "cannot train the model: %s; try a smaller --corpus", strerror(-ret));
	return 0;
}

static int open_listener(struct listener *listener, const union address *address, const struct settings *settings)
{
	char text[ADDRESS_TEXT_MAX];
	int ret;

	ret = listener_open(listener, address, (int)settings->backlog);
	if (ret < 0) {
		address_format(address, text);
		return util_complain(ret, "cannot listen on %s: %s; choose another address or stop what is there", text,
				     strerror(-ret));
	}
	return 0;
}

/* One descriptor a connection: takes as many as allowed, and no core file from a crash that was asked for. */
static void set_limits(void)
{
	struct rlimit files, none = {};

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	setrlimit(RLIMIT_CORE, &none);
}

/* SIGTERM and SIGINT as a descriptor; blocked before any thread starts, so that all threads inherit it. */
static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

static void accept_connections(struct model_server *server, struct MHD_Daemon *daemon)
{
	union address peer;
	int fd;

	while ((fd = listener_accept(&server->listener, &peer)) >= 0) {
		model_log(server->log, "connection", &peer, "%s", "");
		MHD_add_connection(daemon, fd, &peer.any, address_length(&peer)); /* closes fd where it fails */
	}
	if (fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM)
		usleep(10000); /* the connection stays in the queue: without a pause this would spin */
}

/* Accepts connections until a signal comes. */
static void serve(struct model_server *server, struct MHD_Daemon *daemon, int signals)
{
	struct listener *listener = &server->listener;

	for (;;) {
		struct pollfd fds[] = {
			{.fd = signals, .events = POLLIN},
			{.fd = listener->wake, .events = POLLIN},
			{.fd = listener->state == LISTENER_ACCEPTING ? listener->fd : -1, .events = POLLIN},
		};

		if (poll(fds, ARRAY_SIZE(fds), -1) < 0 && errno != EINTR)
			return;
		if (fds[0].revents)
			return;
		if (fds[1].revents)
			listener_apply(listener);
		else if (fds[2].revents)
			accept_connections(server, daemon);
	}
}

/* Lets requests in flight end, for a while; a second signal cuts that short. */
static void drain(struct model_server *server, int signals)
{
	struct signalfd_siginfo first;
	struct pollfd again = {.fd = signals, .events = POLLIN};

	atomic_store(&server->draining, true);
	if (read(signals, &first, sizeof(first)) < 0)
		return;
	for (int waited = 0; waited < DRAIN_MS && atomic_load(&server->in_flight) > 0; waited += 10) {
		if (poll(&again, 1, 10) != 0)
			return;
	}
}

static void stop_daemon(struct MHD_Daemon **daemon)
{
	if (*daemon)
		MHD_stop_daemon(*daemon);
}

static void say_ready(const struct model_server *server, const union address *control)
{
	char address[ADDRESS_TEXT_MAX];

	address_format(&server->listener.address, address);
	printf("model-server %s %s listening on %s", server->model.name, server->model.version, address);
	if (control->any.sa_family) {
		address_format(control, address);
		printf(", control on %s", address);
	}
	putchar('\n');
	fflush(stdout);
}

/* From the open listeners to the last request. */
static int run(struct model_server *server, struct listener *control, const struct settings *settings)
{
	__attribute__((cleanup(stop_daemon))) struct MHD_Daemon *daemon = NULL, *control_daemon = NULL;
	_cleanup_close_ int signals = open_signals();
	unsigned keep_alive = (unsigned)settings->keep_alive;

	daemon = model_http_start(server, -1, false, keep_alive);
	if (control->fd >= 0)
		control_daemon = model_http_start(server, control->fd, true, keep_alive);
	if (signals < 0 || !daemon || (control->fd >= 0 && !control_daemon))
		return util_complain(-EIO, "cannot start the HTTP server: %s; are threads and descriptors left?",
				     strerror(errno));
	control->fd = -1; /* now the daemon's */

	server->listener.wanted = model_http_listener_state(&settings->faults);
	listener_apply(&server->listener);
	say_ready(server, &control->address);
	if (settings->faults.crash)
		abort();
	serve(server, daemon, signals);
	listener_end(&server->listener);
	drain(server, signals);
	eventfd_write(server->stop, 1);
	return 0;
}

static void begin_server(struct model_server *server, const struct settings *settings)
{
	uint64_t seed = settings->seed;

	if (seed == 0 && getrandom(&seed, sizeof(seed), 0) < 0)
		seed = util_now();
	server->model.name = settings->name;
	server->model.version = settings->version;
	server->model.created = time(NULL);
	server->model.random = seed;
	sem_init(&server->model.slots, 0, (unsigned)settings->threads);
	server->verbose = settings->verbose;
	server->faults = settings->faults;
	pthread_mutex_init(&server->lock, NULL);
	server->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

static void end_server(struct model_server *server)
{
	corpus_free(&server->model.corpus);
	sem_destroy(&server->model.slots);
	pthread_mutex_destroy(&server->lock);
	util_close(&server->stop);
	util_close(&server->log);
	util_close(&server->listener.fd);
	util_close(&server->listener.wake);
}

static int open_log(struct model_server *server, const struct settings *settings)
{
	int ret = settings->log ? model_log_open(settings->log, &server->log) : 0;

	if (ret < 0)
		return util_complain(ret, "cannot write %s: %s; name another --log", settings->log, strerror(-ret));
	return 0;
}

static int open_and_run(struct model_server *server, const struct settings *settings)
{
	struct listener control = {.fd = -1, .wake = -1};
	int ret;

	ret = open_log(server, settings);
	if (ret == 0)
		ret = learn(&server->model.corpus, settings);
	if (ret == 0)
		ret = open_listener(&server->listener, &settings->listen, settings);
	if (ret == 0 && settings->control.any.sa_family)
		ret = open_listener(&control, &settings->control, settings);
	if (ret == 0)
		ret = run(server, &control, settings);
	util_close(&control.fd);
	util_close(&control.wake);
	return ret;
}

int main(int argc, char **argv)
{
	static struct model_server server = {.stop = -1, .log = -1, .listener = {.fd = -1, .wake = -1}};
	struct settings settings;
	int ret;

	ret = read_settings(argc, argv, &settings);
	if (ret != 0)
		return ret > 0 ? EXIT_SUCCESS : EXIT_USAGE;
	set_limits();
	begin_server(&server, &settings);
	ret = open_and_run(&server, &settings);
	end_server(&server);
	return ret < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
