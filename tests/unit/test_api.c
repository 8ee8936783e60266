/* Links: user/api.c user/web.c user/exposition.c user/body.c user/sockets.c user/token.c user/client.c user/config.c user/endpoint.c user/util.c -lmicrohttpd -ljansson -lcurl -lm -lpthread */
// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* A real API on sockets of its own, served by a thread as the agent does it: a descriptor readable, api_run(). */
#define _GNU_SOURCE 1

#include "check.h"

#include "api.h"
#include "client.h"
#include "endpoint.h"
#include "util.h"
#include "web.h"

#include <curl/curl.h>

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define BODY_MAX 65536
#define REPLY_MAX (1 << 18) /* the page is the longest */
#define PATIENCE_SECONDS 5

/* What the handlers were asked, and what they are to answer. A call and its answer order the accesses. */
static struct {
	unsigned calls;
	bool has_release, has_version;
	char release[SERIN_NAME_MAX], version[SERIN_NAME_MAX];
	uint32_t weight;
	enum serin_order order;
	unsigned limit;
	unsigned figures;
	char figure[SERIN_NAME_MAX];
	double value;
	bool bad; /* something came that the API should have refused */
	int answer;
	bool no_json, not_ready;
	const char *why; /* NULL: "because of N" */
	unsigned warnings;
	char warning[API_WHY_MAX];
	uint64_t longest_ns; /* of processor time, that api_run() took */
} asked;

static char directory[] = "/tmp/serin-api-XXXXXX";
static struct serin_paths paths;
static struct api *api;
static pthread_t server;
static int stopper = -1;
static json_t *answer; /* of the last call() */
static char *reply;    /* of the last exchange() */
static char *sent;     /* by the last request() */
static char *body;     /* that padded() made */
static char why[API_WHY_MAX];
static bool over_tcp;	    /* dial() does that */
static const char *header;  /* one more, of request(); with its line's end */
static struct serin_api_config tcp;

/* ---- the agent's side ---- */

static json_t *handle_dump(void *context)
{
	return context != &asked || asked.no_json ? NULL : json_pack("{s[]}", "models");
}

static json_t *handle_releases(void *context)
{
	(void)context;
	return json_pack("{s[]}", "releases");
}

static json_t *handle_latency(void *context)
{
	(void)context;
	return asked.no_json ? NULL : json_pack("{sf s[]}", "window_seconds", 10.0, "models");
}

static json_t *handle_history(void *context, const char *release, unsigned limit)
{
	(void)context;
	asked.has_release = release;
	snprintf(asked.release, sizeof(asked.release), "%s", release ? release : "");
	asked.limit = limit;
	return asked.no_json ? NULL : json_pack("{s[{sf}]}", "decisions", "at_unix", 1769860800.123);
}

static int handle_metrics(void *context, enum exposition_format format, char **ret_text, size_t *ret_length)
{
	(void)context;
	if (asked.no_json)
		return -EIO;
	*ret_text = strdup(format == EXPOSITION_OPENMETRICS ? "open\n# EOF\n" : "old\n");
	*ret_length = strlen(*ret_text);
	return 0;
}

static void note_names(const char *release, const char *version)
{
	asked.calls++;
	asked.has_release = release;
	asked.has_version = version;
	asked.bad |= (release && !config_is_name(release)) || (version && !config_is_name(version));
	snprintf(asked.release, sizeof(asked.release), "%s", release ? release : "");
	snprintf(asked.version, sizeof(asked.version), "%s", version ? version : "");
}

static int say_why(char why[API_WHY_MAX])
{
	if (asked.why)
		snprintf(why, API_WHY_MAX, "%s", asked.why);
	else
		snprintf(why, API_WHY_MAX, "because of %d", -asked.answer);
	return asked.answer;
}

static int handle_series(void *context, const char *release, unsigned limit, json_t **ret, char why[API_WHY_MAX])
{
	json_decref(handle_history(context, release, limit));
	if (asked.answer < 0)
		return say_why(why);
	*ret = json_pack("{s[]}", "releases");
	return 0;
}

static int handle_order(void *context, enum serin_order order, const char *release, const char *version, uint32_t weight,
			char why[API_WHY_MAX])
{
	(void)context;
	note_names(release, version);
	asked.bad |= weight > 10000 || (order != SERIN_ORDER_WEIGHT && (!release || version || weight));
	asked.order = order;
	asked.weight = weight;
	return say_why(why);
}

static int handle_monitor(void *context, const char *release, const char *version, const char *name, double value,
			  char why[API_WHY_MAX])
{
	(void)context;
	note_names(release, version);
	asked.bad |= !config_is_name(name) || !isfinite(value);
	asked.figures++;
	snprintf(asked.figure, sizeof(asked.figure), "%s", name);
	asked.value = value;
	return say_why(why);
}

static bool handle_ready(void *context, char why[API_WHY_MAX])
{
	(void)context;
	snprintf(why, API_WHY_MAX, "the programs are not attached");
	return !asked.not_ready;
}

static void handle_warn(void *context, const char *text)
{
	(void)context;
	asked.warnings++;
	snprintf(asked.warning, sizeof(asked.warning), "%s", text);
}

static const struct api_handlers handlers = {handle_dump, handle_releases, handle_latency, handle_history, handle_metrics, handle_series, handle_order, handle_monitor,
					     handle_ready, handle_warn, &asked};

/* Of this thread alone, whatever else the machine does. */
static uint64_t own_time(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

static void *serve(void *context)
{
	struct pollfd fds[API_FDS + 1] = {{.fd = stopper, .events = POLLIN}};
	int api_own[API_FDS];
	unsigned n = api_fds(api, api_own);

	(void)context;
	for (unsigned i = 0; i < n; i++)
		fds[i + 1] = (struct pollfd){.fd = api_own[i], .events = POLLIN};
	while (poll(fds, n + 1, -1) > 0 && !fds[0].revents) { /* no time-out: what is left undone now is never done */
		uint64_t began = own_time(), took;

		api_run(api);
		took = own_time() - began;
		asked.longest_ns = took > asked.longest_ns ? took : asked.longest_ns;
	}
	return NULL;
}

static void make_place(void)
{
	memset(&asked, 0, sizeof(asked));
	over_tcp = false;
	header = "";
	strcpy(directory, "/tmp/serin-api-XXXXXX");
	assert_non_null(mkdtemp(directory));
	snprintf(paths.socket, sizeof(paths.socket), "%s/api.sock", directory);
}

static void start_serving(const struct serin_api_config *config)
{
	assert_int_equal(api_start(paths.socket, config, &handlers, &api, why), 0);
	stopper = eventfd(0, EFD_CLOEXEC);
	assert_true(stopper >= 0);
	assert_int_equal(pthread_create(&server, NULL, serve, NULL), 0);
}

static int start(void **state)
{
	(void)state;
	make_place();
	start_serving(NULL);
	return 0;
}

static void stop_serving(void)
{
	if (!api)
		return;
	eventfd_write(stopper, 1);
	pthread_join(server, NULL);
	api_stop(api);
	api = NULL;
	close(stopper);
}

static int stop(void **state)
{
	(void)state;
	stop_serving();
	json_decref(answer);
	free(reply);
	free(sent);
	free(body);
	answer = NULL;
	reply = sent = body = NULL;
	assert_int_equal(rmdir(directory), 0); /* the socket is gone too */
	assert_false(asked.bad);
	return 0;
}

/* ---- the caller's side ---- */

/* One call through client_call(), the answer in `answer`. */
static int call(const char *method, const char *path, json_t *body)
{
	int r;

	json_decref(answer);
	answer = NULL;
	r = client_call(&paths, method, path, body, &answer);
	json_decref(body);
	return r;
}

static const char *answered(const char *key)
{
	const char *text = json_string_value(json_object_get(answer, key));

	return text ? text : "(no such text)";
}

static int dial(void)
{
	struct timeval patience = {.tv_sec = PATIENCE_SECONDS};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct sockaddr_in remote = {.sin_family = AF_INET, .sin_port = htons(tcp.listen.port),
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(over_tcp ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	memcpy(address.sun_path, paths.socket, strlen(paths.socket));
	if (over_tcp)
		assert_int_equal(connect(fd, (struct sockaddr *)&remote, sizeof(remote)), 0);
	else
		assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)), 0);
	return fd;
}

static void say(int fd, const char *text, size_t length)
{
	assert_int_equal(send(fd, text, length, MSG_NOSIGNAL), length);
}

/* All that comes until the server closes, in `reply`; then closes. */
static void hear_all(int fd)
{
	size_t length = 0;
	ssize_t got;

	free(reply);
	reply = calloc(1, REPLY_MAX);
	assert_non_null(reply);
	while ((got = recv(fd, reply + length, REPLY_MAX - 1 - length, 0)) > 0)
		length += (size_t)got;
	close(fd);
	if (got < 0 && errno == EAGAIN)
		fail_msg("no answer in %d seconds; so far: '%s'", PATIENCE_SECONDS, reply);
}

/* Sends these bytes in pieces of so many and hears what comes back. Returns the status. */
static int exchange(const char *request, size_t length, size_t piece)
{
	int fd = dial();

	for (size_t at = 0; at < length; at += piece)
		say(fd, request + at, length - at < piece ? length - at : piece);
	hear_all(fd);
	return strncmp(reply, "HTTP/1.1 ", 9) ? 0 : atoi(reply + 9);
}

static const char *reply_body(void)
{
	const char *end = strstr(reply, "\r\n\r\n");

	return end ? end + 4 : "(no body)";
}

/* A request with a body of `length` bytes; status in return, body in `answer`. */
static int request(const char *method, const char *path, const char *content, size_t length)
{
	int size, status;

	free(sent);
	size = asprintf(&sent, "%s %s HTTP/1.1\r\nHost: serin\r\nConnection: close\r\n%sContent-Length: %zu\r\n\r\n", method,
			path, header, length);
	assert_true(size > 0);
	sent = realloc(sent, (size_t)size + length);
	assert_non_null(sent);
	memcpy(sent + size, content, length);
	status = exchange(sent, (size_t)size + length, SIZE_MAX);
	json_decref(answer);
	answer = json_loads(reply_body(), 0, NULL);
	return status;
}

#define post(path, content) request("POST", path, content, strlen(content))

/* An error says so, in the documented form. */
#define check_error(status, expected)                                                                      \
	do {                                                                                               \
		assert_int_equal(status, expected);                                                        \
		assert_string_equal(answered("status"), "error");                                          \
		assert_true(*answered("message"));                                                         \
	} while (0)

#define GRAY "/api/gray_release"

/* ---- routes ---- */

static void dump_is_what_the_agent_gives(void **state)
{
	(void)state;
	assert_int_equal(call("GET", "/api/dump", NULL), 0);
	assert_true(json_is_array(json_object_get(answer, "models")));
}

static void releases_are_what_the_agent_gives(void **state)
{
	(void)state;
	assert_int_equal(call("GET", "/api/releases", NULL), 0);
	assert_true(json_is_array(json_object_get(answer, "releases")));
}

static void health_is_success(void **state)
{
	(void)state;
	assert_int_equal(call("GET", "/healthz", NULL), 0);
	assert_string_equal(answered("status"), "success");
}

static void metrics_are_a_text_in_the_format_that_is_asked_for(void **state)
{
	(void)state;
	assert_int_equal(request("GET", "/metrics", "", 0), 200);
	assert_string_equal(reply_body(), "old\n");
	assert_non_null(strstr(reply, "\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
	header = "Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n";
	assert_int_equal(request("GET", "/metrics", "", 0), 200);
	assert_string_equal(reply_body(), "open\n# EOF\n");
	assert_non_null(strstr(reply, "\r\nContent-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n"));
	assert_int_equal(request("HEAD", "/metrics", "", 0), 200);
	assert_non_null(strstr(reply, "\r\nContent-Length: 11\r\n"));
	assert_string_equal(reply_body(), "");
}

static void metrics_that_cannot_be_read_are_500_with_the_reason(void **state)
{
	(void)state;
	asked.no_json = true;
	check_error(request("GET", "/metrics", "", 0), 500);
	assert_non_null(strstr(reply, "\r\nContent-Type: application/json\r\n"));
}

static void a_gray_release_answers_with_the_documented_words(void **state)
{
	(void)state;
	assert_int_equal(post(GRAY, "{\"version\":\"v1.0\",\"percentage\":10}"), 200);
	assert_string_equal(reply_body(),
			    "{\"status\":\"success\",\"message\":\"Gray release started successfully.\"}");
}

static void a_gray_release_passes_release_version_and_weight(void **state)
{
	(void)state;
	assert_int_equal(call("POST", GRAY,
			      json_pack("{ss ss sf}", "release", "chat", "version", "v2", "percentage", 12.34)), 0);
	assert_string_equal(asked.release, "chat");
	assert_string_equal(asked.version, "v2");
	assert_int_equal(asked.weight, 1234);
}

static void a_gray_release_need_not_name_the_only_one(void **state)
{
	(void)state;
	assert_int_equal(call("POST", GRAY, json_pack("{si}", "percentage", 10)), 0);
	assert_false(asked.has_release);
	assert_false(asked.has_version);
}

/* 0.29 * 100 is 28.999999999999996 in floating point. */
static void a_percentage_is_rounded_to_a_basis_point(void **state)
{
	(void)state;
	assert_int_equal(call("POST", GRAY, json_pack("{sf}", "percentage", 0.29)), 0);
	assert_int_equal(asked.weight, 29);
}

static void a_percentage_goes_from_0_to_100(void **state)
{
	(void)state;
	assert_int_equal(call("POST", GRAY, json_pack("{si}", "percentage", 0)), 0);
	assert_int_equal(asked.weight, 0);
	assert_int_equal(call("POST", GRAY, json_pack("{si}", "percentage", 100)), 0);
	assert_int_equal(asked.weight, 10000);
	assert_int_equal(asked.calls, 2);
}

static void an_abort_passes_the_release(void **state)
{
	(void)state;
	assert_int_equal(call("POST", "/api/releases/chat/abort", NULL), 0);
	assert_string_equal(asked.release, "chat");
	assert_string_equal(answered("status"), "success");
}

static void a_name_in_a_path_may_be_percent_encoded(void **state)
{
	(void)state;
	assert_int_equal(post("/api/releases/c%68%61t%2d1/abort", ""), 200);
	assert_string_equal(asked.release, "chat-1");
}

static void what_cannot_be_a_name_is_no_path(void **state)
{
	static const char *const names[] = {"my%20chat", "chat%00", "%00", "chat%zz", "chat%", "%ff%fe", "%C3%A9t%C3%A9", "a%2Fb",
					    "%0d%0aSet-Cookie:a"};
	char path[128];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "/api/releases/%s/abort", names[i]);
		check_error(post(path, ""), 404);
	}
	check_error(post("/healthz%00", ""), 404);
	assert_int_equal(asked.calls, 0);
}

static void a_name_in_a_path_has_at_most_63_characters(void **state)
{
	char name[65], path[128];

	(void)state;
	memset(name, 'n', 64);
	name[64] = '\0';
	snprintf(path, sizeof(path), "/api/releases/%s/abort", name);
	check_error(post(path, ""), 404);
	assert_int_equal(asked.calls, 0);
	name[63] = '\0';
	snprintf(path, sizeof(path), "/api/releases/%s/abort", name);
	assert_int_equal(post(path, ""), 200);
	assert_string_equal(asked.release, name);
}

static void a_query_does_not_change_the_path(void **state)
{
	(void)state;
	assert_int_equal(call("GET", "/api/dump?pretty=1", NULL), 0);
}

static void answers_are_declared_as_json(void **state)
{
	(void)state;
	assert_int_equal(request("GET", "/api/dump", "", 0), 200);
	assert_non_null(strcasestr(reply, "\r\nContent-Type: application/json\r\n"));
}

static void latencies_are_what_the_agent_gives(void **state)
{
	(void)state;
	assert_int_equal(request("GET", "/api/latency", "", 0), 200);
	assert_true(json_real_value(json_object_get(answer, "window_seconds")) == 10);
	asked.no_json = true;
	check_error(request("GET", "/api/latency", "", 0), 500);
}

/* ---- the page ---- */

static void the_page_is_served_whole_as_it_was_built_in(void **state)
{
	char length[64];

	(void)state;
	assert_int_equal(request("GET", "/", "", 0), 200);
	assert_int_equal(strlen(reply_body()), web_page()->length);
	assert_memory_equal(reply_body(), web_page()->text, web_page()->length);
	assert_memory_equal(reply_body(), "<!doctype html>", 15);
	assert_non_null(strcasestr(reply, "\r\nContent-Type: text/html; charset=utf-8\r\n"));
	snprintf(length, sizeof(length), "\r\nContent-Length: %zu\r\n", web_page()->length);
	assert_int_equal(request("HEAD", "/", "", 0), 200);
	assert_string_equal(reply_body(), "");
	assert_non_null(strcasestr(reply, length));
	check_error(post("/", "{}"), 405);
	assert_int_equal(asked.calls, 0);
}

static void the_page_may_do_nothing_but_what_it_is_for(void **state)
{
	static const char *const lines[] = {
		"\r\nContent-Security-Policy: default-src 'none'; script-src 'sha256-", "; style-src 'sha256-", "; connect-src 'self';",
		" frame-ancestors 'none'\r\n", "; base-uri 'none';", "; form-action 'none';",
		"\r\nX-Content-Type-Options: nosniff\r\n", "\r\nReferrer-Policy: no-referrer\r\n", "\r\nCache-Control: no-store\r\n"};

	(void)state;
	assert_int_equal(request("GET", "/", "", 0), 200);
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		if (!strstr(reply, lines[i]))
			fail_msg("not in the head: %s", lines[i]);
	assert_null(strstr(reply, "unsafe-"));
	assert_int_equal(request("GET", "/api/dump", "", 0), 200);
	assert_null(strcasestr(reply, "Content-Security-Policy"));
}

/* All it shows it asks for: there is nothing in it that a browser would get from elsewhere, and no way for data to become markup. */
static void the_page_names_no_other_host(void **state)
{
	static const char *const never[] = {"src=", "@import", "url(", "innerHTML", "insertAdjacentHTML", "document.write", "eval("};

	(void)state;
	assert_int_equal(request("GET", "/", "", 0), 200);
	for (size_t i = 0; i < ARRAY_SIZE(never); i++)
		assert_null(strstr(reply_body(), never[i]));
	for (const char *link = reply_body(); (link = strstr(link, "http")); link++)
		if (strncmp(link, "http://www.w3.org/2000/svg", 26)) /* a name, which nobody fetches */
			fail_msg("it has %.40s", link);
}

/* ---- errors ---- */

static void what_is_no_json_object_is_400(void **state)
{
	static const char *const bodies[] = {"{", "[]", "[{\"percentage\":1}]", "1", "null", "percentage=10",
					     "{\"percentage\":10}{}", "{\"percentage\":1,\"percentage\":2}", "{'percentage':1}",
					     "{\"percentage\":10}\xff"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bodies); i++)
		check_error(post(GRAY, bodies[i]), 400);
	assert_int_equal(asked.calls, 0);
}

static void what_is_no_json_object_is_400_where_no_body_is_needed(void **state)
{
	(void)state;
	check_error(post("/api/releases/chat/abort", "[]"), 400);
	check_error(post("/api/releases/chat/abort", "abort!"), 400);
	assert_int_equal(asked.calls, 0);
}

static void a_gray_release_without_a_percentage_is_400(void **state)
{
	(void)state;
	check_error(post(GRAY, "{\"version\":\"v2\"}"), 400);
	assert_non_null(strstr(answered("message"), "percentage"));
	check_error(post(GRAY, ""), 400);
	assert_int_equal(asked.calls, 0);
}

static void fields_of_the_wrong_type_are_400(void **state)
{
	static const char *const bodies[] = {"{\"percentage\":\"10\"}", "{\"percentage\":null}", "{\"percentage\":true}",
					     "{\"percentage\":10,\"version\":2}", "{\"percentage\":10,\"release\":[]}",
					     "{\"percentage\":10,\"version\":\"\\u0000\"}"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bodies); i++)
		check_error(post(GRAY, bodies[i]), 400);
	assert_int_equal(asked.calls, 0);
}

static void a_percentage_out_of_range_is_400(void **state)
{
	static const char *const bodies[] = {"{\"percentage\":-0.01}", "{\"percentage\":100.01}", "{\"percentage\":1e300}",
					     "{\"percentage\":1e999}", "{\"percentage\":-9223372036854775808}"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bodies); i++)
		check_error(post(GRAY, bodies[i]), 400);
	assert_int_equal(asked.calls, 0);
}

static void a_path_that_is_not_there_is_404(void **state)
{
	static const char *const there[] = {"//", "/api", "/api/dump/", "/api/dumpx", "/API/DUMP", "/api/releases/",
					    "/api/releases//abort", "/api/releases/abort", "/api/releases/chat",
					    "/api/releases/chat/explode", "/api/releases/chat/abort/now"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(there); i++)
		check_error(post(there[i], ""), 404);
	assert_int_equal(asked.calls, 0);
}

static void a_release_that_is_not_there_is_404_and_says_why(void **state)
{
	(void)state;
	asked.answer = -ENOENT;
	check_error(post(GRAY, "{\"percentage\":10}"), 404);
	assert_string_equal(answered("message"), "because of 2");
	check_error(post("/api/releases/none/abort", ""), 404);
	assert_string_equal(answered("message"), "because of 2");
}

static void another_method_is_405(void **state)
{
	(void)state;
	check_error(post("/api/dump", ""), 405);
	check_error(post("/healthz", ""), 405);
	check_error(request("GET", GRAY, "", 0), 405);
	check_error(request("GET", "/api/releases/chat/abort", "", 0), 405);
	check_error(request("DELETE", "/api/releases", "", 0), 405);
	check_error(request("PUT", GRAY, "{\"percentage\":10}", 17), 405);
	assert_int_equal(asked.calls, 0);
}

/* RFC 9110, 15.5.6. */
static void a_405_says_which_method_is_allowed(void **state)
{
	(void)state;
	check_error(post("/api/dump", ""), 405);
	assert_non_null(strcasestr(reply, "\r\nAllow: GET"));
	check_error(request("GET", GRAY, "", 0), 405);
	assert_non_null(strcasestr(reply, "\r\nAllow: POST"));
}

static void what_is_not_possible_now_is_409(void **state)
{
	(void)state;
	asked.answer = -EALREADY;
	check_error(post("/api/releases/chat/abort", ""), 409);
	asked.answer = -EBUSY;
	check_error(post("/api/releases/chat/abort", ""), 409);
	assert_string_equal(answered("message"), "because of 16");
}

static void what_the_agent_finds_out_of_range_is_400(void **state)
{
	(void)state;
	asked.answer = -ERANGE;
	check_error(post(GRAY, "{\"percentage\":10}"), 400);
}

static void what_the_kernel_refuses_is_500(void **state)
{
	(void)state;
	asked.answer = -EIO;
	check_error(post(GRAY, "{\"percentage\":10}"), 500);
}

/* {"percentage":10} and spaces, `length` bytes in all. */
static const char *padded(size_t length)
{
	free(body);
	body = malloc(length);
	assert_non_null(body);
	memset(body, ' ', length);
	memcpy(body, "{\"percentage\":10}", 17);
	return body;
}

static void a_body_of_64_kib_is_taken(void **state)
{
	(void)state;
	assert_int_equal(request("POST", GRAY, padded(BODY_MAX), BODY_MAX), 200);
	assert_int_equal(asked.weight, 1000);
}

static void a_longer_body_is_413(void **state)
{
	(void)state;
	check_error(request("POST", GRAY, padded(BODY_MAX + 1), BODY_MAX + 1), 413);
	assert_int_equal(asked.calls, 0);
}

static void a_longer_body_in_chunks_is_413_too(void **state)
{
	static const char head[] = "POST " GRAY " HTTP/1.1\r\nHost: serin\r\nConnection: close\r\n"
				   "Transfer-Encoding: chunked\r\n\r\n";
	char chunk[6 + 0x1000 + 2];
	int fd = dial();

	(void)state;
	memset(chunk, ' ', sizeof(chunk));
	memcpy(chunk, "1000\r\n", 6);
	memcpy(chunk + sizeof(chunk) - 2, "\r\n", 2);
	say(fd, head, strlen(head));
	for (unsigned i = 0; i < 20; i++) /* 80 KiB */
		say(fd, chunk, sizeof(chunk));
	say(fd, "0\r\n\r\n", 5);
	hear_all(fd);
	assert_memory_equal(reply, "HTTP/1.1 413", 12);
}

/* ---- bytes as they come ---- */

static const char one_request[] = "POST " GRAY " HTTP/1.1\r\nHost: serin\r\nConnection: close\r\n"
				  "Content-Length: 34\r\n\r\n{\"release\":\"chat\",\"percentage\":7}\n";

static void a_request_may_come_byte_by_byte(void **state)
{
	(void)state;
	assert_int_equal(exchange(one_request, strlen(one_request), 1), 200);
	assert_string_equal(asked.release, "chat");
	assert_int_equal(asked.weight, 700);
	assert_int_equal(asked.calls, 1);
}

static void a_request_may_be_cut_anywhere(void **state)
{
	(void)state;
	for (size_t piece = 2; piece < sizeof(one_request); piece++)
		assert_int_equal(exchange(one_request, strlen(one_request), piece), 200);
	assert_int_equal(asked.calls, sizeof(one_request) - 2);
}

static void a_body_may_come_in_chunks(void **state)
{
	static const char text[] = "POST " GRAY " HTTP/1.1\r\nHost: serin\r\nConnection: close\r\n"
				   "Transfer-Encoding: chunked\r\n\r\n8\r\n{\"percen\r\n9\r\ntage\":10}\r\n0\r\n\r\n";

	(void)state;
	assert_int_equal(exchange(text, strlen(text), SIZE_MAX), 200);
	assert_int_equal(asked.weight, 1000);
}

static void two_requests_may_share_a_connection(void **state)
{
	static const char text[] = "GET /healthz HTTP/1.1\r\nHost: serin\r\n\r\n"
				   "GET /api/dump HTTP/1.1\r\nHost: serin\r\nConnection: close\r\n\r\n";

	(void)state;
	assert_int_equal(exchange(text, strlen(text), SIZE_MAX), 200);
	assert_non_null(strstr(reply, "{\"status\":\"success\"}"));
	assert_non_null(strstr(reply, "{\"models\":[]}"));
}

static void garbage_does_not_stop_the_server(void **state)
{
	static const char *const garbage[] = {"\r\n\r\n\r\n\r\n", "\x16\x03\x01\x02\x01\xfc\x03\x03", "GET\r\n\r\n",
					      "GET / HTTP/9.9\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
					      "POST " GRAY " HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(garbage); i++) {
		int fd = dial();

		say(fd, garbage[i], strlen(garbage[i]));
		close(fd);
		assert_int_equal(call("GET", "/healthz", NULL), 0);
	}
	assert_int_equal(asked.calls, 0);
}

static void half_a_request_is_never_acted_upon(void **state)
{
	int fd = dial();

	(void)state;
	say(fd, one_request, strlen(one_request) - 1);
	close(fd);
	assert_int_equal(call("GET", "/healthz", NULL), 0);
	assert_int_equal(asked.calls, 0);
}

static void a_slow_client_does_not_hold_up_another(void **state)
{
	const size_t half = sizeof(one_request) / 2;
	int slow = dial();

	(void)state;
	say(slow, one_request, half);
	assert_int_equal(call("GET", "/api/dump", NULL), 0);
	assert_int_equal(call("POST", "/api/releases/other/abort", NULL), 0);
	say(slow, one_request + half, strlen(one_request) - half);
	hear_all(slow);
	assert_memory_equal(reply, "HTTP/1.1 200", 12);
	assert_string_equal(asked.release, "chat");
}

static void two_clients_at_once_get_each_their_own_answer(void **state)
{
	static const char healthz[] = "GET /healthz HTTP/1.1\r\nHost: serin\r\nConnection: close\r\n\r\n";
	static const char dump[] = "GET /api/dump HTTP/1.1\r\nHost: serin\r\nConnection: close\r\n\r\n";
	int one = dial(), other = dial();

	(void)state;
	for (size_t i = 0; i < sizeof(healthz) - 1 || i < sizeof(dump) - 1; i++) {
		if (i < sizeof(healthz) - 1)
			say(one, healthz + i, 1);
		if (i < sizeof(dump) - 1)
			say(other, dump + i, 1);
	}
	hear_all(one);
	assert_string_equal(reply_body(), "{\"status\":\"success\"}");
	hear_all(other);
	assert_string_equal(reply_body(), "{\"models\":[]}");
}

static void counters_that_cannot_be_read_are_500_with_the_reason(void **state)
{
	(void)state;
	asked.no_json = true;
	check_error(request("GET", "/api/dump", "", 0), 500);
	assert_int_equal(call("GET", "/api/dump", NULL), -EREMOTEIO);
	assert_non_null(strstr(json_string_value(json_object_get(answer, "message")), "could not be read"));
	assert_int_equal(call("GET", "/healthz", NULL), 0);
}

/* ---- the socket ---- */

static void only_its_owner_may_use_the_socket(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(stat(paths.socket, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void starting_leaves_the_umask_as_it_was(void **state)
{
	struct api_handlers none_given = {};
	struct api *another = NULL;
	char path[CONFIG_PATH_MAX];
	mode_t before = umask(027), after;

	(void)state;
	snprintf(path, sizeof(path), "%s/another", directory);
	assert_int_equal(api_start(path, NULL, &none_given, &another, why), 0);
	after = umask(before);
	api_stop(another);
	assert_int_equal(after, 027);
}

static void a_socket_a_dead_agent_left_is_replaced(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct api_handlers none_given = {};
	struct api *another = NULL;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/dead", directory);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
	assert_int_equal(api_start(address.sun_path, NULL, &none_given, &another, why), 0);
	api_stop(another);
}

static void a_socket_without_a_directory_is_an_error(void **state)
{
	struct api_handlers none_given = {};
	struct api *untouched = api;
	char path[CONFIG_PATH_MAX];

	(void)state;
	snprintf(path, sizeof(path), "%s/none/api.sock", directory);
	assert_int_equal(api_start(path, NULL, &none_given, &untouched, why), -ENOENT);
	assert_ptr_equal(untouched, api);
}

static void a_path_too_long_for_a_socket_is_an_error(void **state)
{
	struct api_handlers none_given = {};
	struct api *none = NULL;
	char path[200];

	(void)state;
	memset(path, 'a', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(api_start(path, NULL, &none_given, &none, why), -ENAMETOOLONG);
	assert_null(none);
}

static void stopping_nothing_is_fine(void **state)
{
	(void)state;
	api_stop(NULL);
}

/* ---- orders, figures, history, readiness ---- */

static void each_order_reaches_the_agent_as_itself(void **state)
{
	static const struct {
		const char *path, *body;
		enum serin_order order;
	} orders[] = {
		{"/api/releases/chat/promote", "", SERIN_ORDER_PROMOTE},
		{"/api/releases/chat/promote", "{}", SERIN_ORDER_PROMOTE},
		{"/api/releases/chat/promote", "{\"full\":false}", SERIN_ORDER_PROMOTE},
		{"/api/releases/chat/promote", "{\"full\":true}", SERIN_ORDER_PROMOTE_FULL},
		{"/api/releases/chat/pause", "{}", SERIN_ORDER_PAUSE},
		{"/api/releases/chat/resume", "", SERIN_ORDER_RESUME},
		{"/api/releases/chat/abort", "", SERIN_ORDER_ABORT},
		{"/api/releases/chat/retry", "", SERIN_ORDER_RETRY},
		{GRAY, "{\"percentage\":5}", SERIN_ORDER_WEIGHT},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(orders); i++) {
		asked.order = SERIN_ORDERS;
		assert_int_equal(post(orders[i].path, orders[i].body), 200);
		assert_int_equal(asked.order, orders[i].order);
		assert_string_equal(asked.release, i + 1 < ARRAY_SIZE(orders) ? "chat" : "");
		assert_string_equal(answered("status"), "success");
	}
	assert_int_equal(asked.calls, ARRAY_SIZE(orders));
}

static void keys_that_nobody_knows_are_400_and_named(void **state)
{
	static const struct {
		const char *path, *body, *key;
	} calls[] = {
		{GRAY, "{\"percentage\":5,\"percent\":6}", "'percent'"},
		{GRAY, "{\"percentage\":5,\"\":6}", "''"},
		{"/api/releases/chat/promote", "{\"Full\":true}", "'Full'"},
		{"/api/releases/chat/abort", "{\"full\":true}", "'full'"},
		{"/api/releases/chat/pause", "{\"release\":\"chat\"}", "'release'"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		check_error(post(calls[i].path, calls[i].body), 400);
		assert_non_null(strstr(answered("message"), calls[i].key));
	}
	check_error(request("GET", "/api/dump", "{\"a\":1}", 7), 400);
	check_error(request("GET", "/api/dump", "a", 1), 400);
	assert_int_equal(request("GET", "/api/dump", "{}", 2), 200);
	assert_int_equal(asked.calls, 0);
}

static void a_wrong_type_is_named_with_the_key(void **state)
{
	(void)state;
	check_error(post(GRAY, "{\"percentage\":\"10\"}"), 400);
	assert_string_equal(answered("message"), "percentage must be a number, not a string");
	check_error(post(GRAY, "{\"percentage\":1,\"version\":[]}"), 400);
	assert_string_equal(answered("message"), "version must be a string, not a list");
	check_error(post("/api/releases/chat/promote", "{\"full\":1}"), 400);
	assert_string_equal(answered("message"), "full must be true or false, not a number");
	check_error(post("/api/monitor", "{\"accuracy\":null}"), 400);
	assert_string_equal(answered("message"), "accuracy must be a number, not null");
	assert_int_equal(asked.calls, 0);
}

static void names_in_a_body_are_names(void **state)
{
	static const char *const bodies[] = {"{\"percentage\":1,\"version\":\"\"}", "{\"percentage\":1,\"version\":\"v 2\"}",
					     "{\"percentage\":1,\"release\":\"\xc3\xa9\"}", "{\"percentage\":1,\"release\":\"a/b\"}",
					     "{\"percentage\":1,\"version\":\"0123456789012345678901234567890123456789012345678901234567890123\"}"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bodies); i++)
		check_error(post(GRAY, bodies[i]), 400);
	assert_int_equal(asked.calls, 0);
}

static void a_figure_answers_with_the_documented_words(void **state)
{
	(void)state;
	assert_int_equal(post("/api/monitor", "{\"accuracy\":0.93}"), 200);
	assert_string_equal(reply_body(), "{\"status\":\"success\",\"message\":\"Monitoring data sent successfully.\"}");
	assert_string_equal(asked.figure, "accuracy");
	assert_true(asked.value == 0.93);
	assert_false(asked.has_release);
	assert_false(asked.has_version);
}

static void figures_go_with_release_and_version(void **state)
{
	(void)state;
	assert_int_equal(post("/api/monitor", "{\"release\":\"chat\",\"a\":1,\"version\":\"v2\",\"b\":-2.5e3}"), 200);
	assert_int_equal(asked.figures, 2);
	assert_string_equal(asked.release, "chat");
	assert_string_equal(asked.version, "v2");
	assert_int_equal(post("/api/monitor", "{\"big\":123456789012345678901234567890}"), 200);
	assert_true(asked.value == 123456789012345678901234567890.0);
}

static void sixteen_figures_at_most(void **state)
{
	char bodies[2][512];

	(void)state;
	for (int more = 0; more < 2; more++) {
		char *to = bodies[more] + sprintf(bodies[more], "{\"version\":\"v2\"");

		for (int i = 0; i < 16 + more; i++)
			to += sprintf(to, ",\"f%d\":%d", i, i);
		strcpy(to, "}");
	}
	assert_int_equal(post("/api/monitor", bodies[0]), 200);
	assert_int_equal(asked.figures, 16);
	check_error(post("/api/monitor", bodies[1]), 400);
	assert_int_equal(asked.figures, 16);
}

static void one_bad_figure_spoils_them_all(void **state)
{
	static const char *const bodies[] = {"{\"a\":1,\"b\":\"2\"}", "{\"a\":1,\"b c\":2}", "{\"a\":1,\"b\":1e999}", "{\"a\":1,\"\":2}",
					     "{\"a\":1,\"b\":true}", "{\"a\":1,\"a\":2}", "{\"a\":1,\"\xc3\xa9\":2}",
					     "{\"a\":1,\"b\\u0000\":2}", "{\"a\":1,\"version\":2}", "{\"a\":NaN}",
					     "{\"a\":1,\"b\":-1e400}"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bodies); i++)
		check_error(post("/api/monitor", bodies[i]), 400);
	assert_int_equal(asked.calls, 0);
}

static void no_figure_is_400(void **state)
{
	static const char *const bodies[] = {"", "{}", "{\"version\":\"v2\"}", "[]"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bodies); i++)
		check_error(post("/api/monitor", bodies[i]), 400);
	assert_int_equal(asked.calls, 0);
}

static void figures_for_nobody_are_404(void **state)
{
	(void)state;
	asked.answer = -ENOENT;
	check_error(post("/api/monitor", "{\"accuracy\":1,\"version\":\"v9\"}"), 404);
	assert_string_equal(answered("message"), "because of 2");
}

static void history_passes_release_and_limit(void **state)
{
	(void)state;
	assert_int_equal(call("GET", "/api/history", NULL), 0);
	assert_false(asked.has_release);
	assert_int_equal(asked.limit, 100);
	assert_int_equal(call("GET", "/api/history?release=c%68at&limit=10000", NULL), 0);
	assert_string_equal(asked.release, "chat");
	assert_int_equal(asked.limit, 10000);
	assert_int_equal(call("GET", "/api/history?limit=1", NULL), 0);
	assert_int_equal(asked.limit, 1);
	assert_false(asked.has_release);
}

static void series_pass_release_and_limit(void **state)
{
	(void)state;
	assert_int_equal(call("GET", "/api/series", NULL), 0);
	assert_false(asked.has_release);
	assert_int_equal(asked.limit, 0);
	assert_int_equal(call("GET", "/api/series?release=chat&limit=2", NULL), 0);
	assert_string_equal(asked.release, "chat");
	assert_int_equal(asked.limit, 2);
	check_error(request("GET", "/api/series?limit=0", "", 0), 400);
}

static void series_of_nobody_are_404(void **state)
{
	(void)state;
	asked.answer = -ENOENT;
	check_error(request("GET", "/api/series?release=other", "", 0), 404);
	assert_non_null(strstr(reply, "because of 2"));
}

/* In milliseconds since 1970 a double has three digits to spare. */
static void times_are_told_to_the_millisecond(void **state)
{
	(void)state;
	assert_int_equal(request("GET", "/api/history", "", 0), 200);
	assert_string_equal(reply_body(), "{\"decisions\":[{\"at_unix\":1769860800.123}]}");
}

static void a_query_that_makes_no_sense_is_400(void **state)
{
	static const char *const queries[] = {"limit=0", "limit=10001", "limit=-1", "limit=", "limit", "limit=1e3", "limit=%31%00",
					      "limit=1&limit=2", "limits=5", "release=", "release=a%20b", "release=a%00b",
					      "release=a&release=b", "limit=99999999999999999999999", "limit=%ff", "%ff=1",
					      "release=0123456789012345678901234567890123456789012345678901234567890123"};
	char path[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(queries); i++) {
		snprintf(path, sizeof(path), "/api/history?%s", queries[i]);
		check_error(request("GET", path, "", 0), 400);
	}
	assert_int_equal(asked.limit, 0);
}

static void a_history_that_cannot_be_read_is_500(void **state)
{
	(void)state;
	asked.no_json = true;
	check_error(request("GET", "/api/history", "", 0), 500);
}

static void ready_or_503_with_the_reason(void **state)
{
	(void)state;
	assert_int_equal(request("GET", "/readyz", "", 0), 200);
	assert_string_equal(answered("status"), "success");
	asked.not_ready = true;
	check_error(request("GET", "/readyz", "", 0), 503);
	assert_string_equal(answered("message"), "the programs are not attached");
	assert_int_equal(request("GET", "/healthz", "", 0), 200);
}

/* ---- methods and bytes ---- */

static void head_is_get_without_a_body(void **state)
{
	(void)state;
	assert_int_equal(request("HEAD", "/api/dump", "", 0), 200);
	assert_string_equal(reply_body(), "");
	assert_non_null(strcasestr(reply, "\r\nContent-Length: 13\r\n"));
	assert_int_equal(request("HEAD", GRAY, "", 0), 405);
	assert_string_equal(reply_body(), "");
}

static void options_tells_the_methods(void **state)
{
	(void)state;
	assert_int_equal(request("OPTIONS", "/api/dump", "", 0), 204);
	assert_non_null(strcasestr(reply, "\r\nAllow: GET, HEAD, OPTIONS\r\n"));
	assert_int_equal(request("OPTIONS", "/api/releases/chat/abort", "", 0), 204);
	assert_non_null(strcasestr(reply, "\r\nAllow: POST, OPTIONS\r\n"));
	assert_null(strcasestr(reply, "Access-Control"));
	check_error(request("OPTIONS", "*", "", 0), 404);
	assert_int_equal(asked.calls, 0);
}

static void a_reason_that_is_no_utf8_is_told_all_the_same(void **state)
{
	(void)state;
	asked.answer = -EIO;
	asked.why = "cannot read /tmp/\xff\xfe";
	check_error(post("/api/releases/chat/abort", ""), 500);
	assert_string_equal(answered("message"), "cannot read /tmp/??");
}

/* Keys are cut for the message: in the middle of a character, too. */
static void a_long_strange_key_is_told_all_the_same(void **state)
{
	char text[512] = "{\"percentage\":1,\"x";

	(void)state;
	for (int i = 0; i < 100; i++)
		strcat(text, "\xc3\xa9");
	strcat(text, "\":1}");
	check_error(post(GRAY, text), 400);
}

static void deep_json_is_400(void **state)
{
	char *text = malloc(BODY_MAX);

	(void)state;
	assert_non_null(text);
	memset(text, '[', BODY_MAX);
	check_error(request("POST", GRAY, text, BODY_MAX), 400);
	for (int i = 0; i + 5 <= BODY_MAX; i += 5)
		memcpy(text + i, "{\"a\":", 5);
	check_error(request("POST", "/api/monitor", text, BODY_MAX - 1), 400);
	/* As deep as the parser goes, and well formed. */
	memcpy(text, "{\"a\":", 5);
	memset(text + 5, '[', 2046);
	memset(text + 5 + 2046, ']', 2046);
	text[5 + 2 * 2046] = '}';
	check_error(request("POST", "/api/monitor", text, 6 + 2 * 2046), 400);
	assert_string_equal(answered("message"), "a must be a number, not a list");
	free(text);
	assert_int_equal(asked.calls, 0);
}

static void bodies_that_are_no_text_are_400(void **state)
{
	(void)state;
	check_error(request("POST", GRAY, "{\"percentage\":10}\0", 18), 400);
	check_error(request("POST", GRAY, "\0{\"percentage\":10}", 18), 400);
	check_error(request("POST", GRAY, "{\"percentage\":1\0000}", 18), 400);
	check_error(post(GRAY, "\xef\xbb\xbf{\"percentage\":10}"), 400);
	check_error(post(GRAY, "{\"percentage\":10,\"version\":\"\xed\xa0\x80\"}"), 400);
	check_error(post(GRAY, "{\"percentage\":10,\"version\":\"\xc0\x80\"}"), 400);
	assert_int_equal(asked.calls, 0);
}

static void a_body_of_a_mebibyte_is_413(void **state)
{
	(void)state;
	check_error(request("POST", GRAY, padded(1 << 20), 1 << 20), 413);
	check_error(request("POST", "/nowhere", padded(1 << 20), 1 << 20), 413);
	assert_int_equal(asked.calls, 0);
}

/* It is read for its sender to hear the answer, but not for ever. */
static void a_body_without_end_is_cut_off(void **state)
{
	static const char head[] = "POST " GRAY " HTTP/1.1\r\nHost: serin\r\nTransfer-Encoding: chunked\r\n\r\n";
	size_t total = 0;
	char chunk[6 + 0x8000 + 2];
	int fd = dial();

	(void)state;
	memset(chunk, ' ', sizeof(chunk));
	memcpy(chunk, "8000\r\n", 6);
	memcpy(chunk + sizeof(chunk) - 2, "\r\n", 2);
	say(fd, head, strlen(head));
	while (total < 64 << 20 && send(fd, chunk, sizeof(chunk), MSG_NOSIGNAL) == (ssize_t)sizeof(chunk))
		total += sizeof(chunk);
	close(fd);
	assert_in_range(total, 1 << 20, 8 << 20);
	assert_int_equal(call("GET", "/healthz", NULL), 0);
}

/* ---- many and slow ---- */

static double seconds_since(uint64_t began)
{
	return (double)(util_now() - began) / 1e9;
}

/* One byte of a request each, then silence. */
static void dial_slow(int *fds, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		fds[i] = dial();
		say(fds[i], one_request, 1 + i % (sizeof(one_request) - 2));
	}
}

static void hang_up(int *fds, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		close(fds[i]);
}

static void many_slow_senders_do_not_keep_a_quick_one_waiting(void **state)
{
	int slow[200];
	uint64_t began;

	(void)state;
	for (unsigned n = 64; n <= 200; n += 136) {
		dial_slow(slow, n);
		began = util_now();
		for (unsigned i = 0; i < 5; i++)
			assert_int_equal(request("GET", "/api/dump", "", 0), 200);
		assert_true(seconds_since(began) < 1);
		hang_up(slow, n);
	}
	assert_int_equal(asked.calls, 0);
}

static void the_slowest_of_too_many_has_to_go(void **state)
{
	int slow[65];
	char c;

	(void)state;
	dial_slow(slow, 65);
	assert_int_equal(recv(slow[0], &c, 1, 0), 0);
	assert_int_equal(recv(slow[1], &c, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
	say(slow[64], one_request + 1 + 64 % (sizeof(one_request) - 2), strlen(one_request) - 1 - 64 % (sizeof(one_request) - 2));
	hear_all(slow[64]);
	assert_memory_equal(reply, "HTTP/1.1 200", 12);
	hang_up(slow, 64);
}

/* What is promised and does not come. */
static void a_connection_that_is_silent_for_ten_seconds_is_ended(void **state)
{
	static const char text[] = "POST " GRAY " HTTP/1.1\r\nHost: serin\r\nContent-Length: 99\r\n\r\n{\"percentage\":10}";
	struct timeval patience = {.tv_sec = 20};
	uint64_t began = util_now();
	int fd = dial();
	char c;

	(void)state;
	say(fd, text, strlen(text));
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
	assert_true(recv(fd, &c, 1, 0) <= 0);
	assert_true(seconds_since(began) > 8 && seconds_since(began) < 15);
	close(fd);
	assert_int_equal(asked.calls, 0);
}

static void *call_often(void *context)
{
	static const char text[] = "GET /api/dump HTTP/1.1\r\nHost: serin\r\n\r\n";
	unsigned *ret_good = context;
	char got[1024];
	int fd = dial();

	for (int i = 0; i < 200; i++) {
		say(fd, text, strlen(text));
		*ret_good += recv(fd, got, sizeof(got), 0) > 12 && !memcmp(got, "HTTP/1.1 200", 12);
	}
	close(fd);
	return NULL;
}

static void many_callers_at_once_are_all_answered(void **state)
{
	pthread_t threads[32];
	unsigned good[32] = {}, sum = 0;

	(void)state;
	for (int i = 0; i < 32; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, call_often, &good[i]), 0);
	for (int i = 0; i < 32; i++) {
		pthread_join(threads[i], NULL);
		sum += good[i];
	}
	assert_int_equal(sum, 32 * 200);
}

/* Nobody runs api_run() any more, as when the agent is about to stop: that must not hang, nor the caller. */
static void who_waits_while_it_stops_is_let_go(void **state)
{
	static const char text[] = "GET /api/dump HTTP/1.1\r\nHost: serin\r\n\r\n";
	struct pollfd fd = {.events = POLLIN};
	int callers[8], own[API_FDS];
	char c;

	(void)state;
	eventfd_write(stopper, 1);
	pthread_join(server, NULL);
	assert_int_equal(api_fds(api, own), 1);
	fd.fd = own[0];
	for (int i = 0; i < 8; i++) {
		callers[i] = dial();
		say(callers[i], text, strlen(text));
	}
	assert_int_equal(poll(&fd, 1, 5000), 1);
	api_stop(api);
	api = NULL;
	close(stopper);
	for (int i = 0; i < 8; i++) {
		while (recv(callers[i], &c, 1, 0) > 0)
			;
		assert_int_not_equal(errno, EAGAIN);
		close(callers[i]);
	}
}

/* ---- bodies that nobody would send ---- */

static uint64_t seed = 20260131;

static uint64_t random_below(uint64_t n)
{
	return util_random(&seed) % n;
}

static size_t random_value(char *to, int depth)
{
	static const char *const atoms[] = {"1",     "-0",   "1e999", "\"v2\"", "true",  "null", "[]",	    "{}",  "0.1",
					    "\"\\u0000\"", "1e5", "NaN",   "\"",     "01",	  "\xff", "\"\xc3\"", "-1",  "99999999999999999999"};
	size_t length = 0;

	if (depth > 3 || random_below(3))
		return (size_t)sprintf(to, "%s", atoms[random_below(ARRAY_SIZE(atoms))]);
	to[length++] = '[';
	for (uint64_t i = random_below(3); i; i--) {
		length += random_value(to + length, depth + 1);
		to[length++] = ',';
	}
	length += random_value(to + length, depth + 1);
	to[length++] = ']';
	return length;
}

/* An object whose keys are those of the API, near misses, and others. */
static size_t random_json(char *to)
{
	static const char *const keys[] = {"percentage", "version", "release", "full", "accuracy", "Percentage", "", "a b", "\\u0000",
					   "percentage ", "\xc3\xa9"};
	size_t length = 0;

	to[length++] = '{';
	for (uint64_t i = random_below(4) + 1; i; i--) {
		length += (size_t)sprintf(to + length, "\"%s\":", keys[random_below(ARRAY_SIZE(keys))]);
		length += random_value(to + length, 0);
		to[length++] = i > 1 ? ',' : '}';
	}
	return length;
}

static size_t random_body(char *to)
{
	static const char *const good[] = {"{\"version\":\"v2\",\"percentage\":10}", "{\"release\":\"chat\",\"percentage\":0.5}",
					   "{\"accuracy\":0.93,\"version\":\"v2\"}", "{\"full\":true}"};
	size_t length = (size_t)sprintf(to, "%s", good[random_below(ARRAY_SIZE(good))]);

	switch (random_below(3)) {
	case 0:
		return random_below(length);
	case 1:
		for (uint64_t i = random_below(4) + 1; i; i--)
			to[random_below(length)] = (char)random_below(256);
		return length;
	default:
		return random_json(to);
	}
}

/* Is it one that the API may take? By rules written a second time: what is no JSON without strange things is not. */
static bool may_be_taken(const char *path, const char *text, size_t length)
{
	json_t *json = length ? json_loadb(text, length, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, NULL) : json_object();
	bool monitor = !strcmp(path, "/api/monitor"), gray = !strcmp(path, GRAY), promote = strstr(path, "promote");
	unsigned figures = 0;
	bool good = json_is_object(json);
	const char *key;
	json_t *value;

	json_object_foreach(json, key, value) {
		if ((gray || monitor) && (!strcmp(key, "version") || !strcmp(key, "release")))
			good &= json_is_string(value) && config_is_name(json_string_value(value));
		else if (gray)
			good &= !strcmp(key, "percentage") && json_is_real(value) && json_real_value(value) >= 0 &&
				json_real_value(value) <= 100;
		else if (promote)
			good &= !strcmp(key, "full") && json_is_boolean(value);
		else if (monitor)
			good &= json_is_real(value) && config_is_name(key) && ++figures;
		else
			good = false;
	}
	good &= !gray || json_object_get(json, "percentage");
	good &= !monitor || figures;
	json_decref(json);
	return good;
}

/* Reads one whole answer off a connection that stays; its status. */
static int hear_one(int fd)
{
	static char text[8192];
	size_t length = 0, whole = SIZE_MAX;

	while (length < whole) {
		ssize_t got = recv(fd, text + length, sizeof(text) - 1 - length, 0);
		const char *head;

		assert_true(got > 0);
		length += (size_t)got;
		text[length] = '\0';
		head = strstr(text, "\r\n\r\n");
		if (head)
			whole = (size_t)(head + 4 - text) + strtoul(strcasestr(text, "\r\nContent-Length:") + 17, NULL, 10);
	}
	return atoi(text + 9);
}

static void send_random(int fd, unsigned *ret_taken)
{
	static const char *const to[] = {GRAY, "/api/monitor", "/api/releases/chat/promote", "/api/releases/chat/pause"};
	static char content[1 << 16], text[(1 << 16) + 256];
	const char *path = to[random_below(ARRAY_SIZE(to))];
	size_t length = random_body(content), size;
	unsigned calls = asked.calls;
	bool good;
	int status;

	size = (size_t)sprintf(text, "POST %s HTTP/1.1\r\nHost: serin\r\nContent-Length: %zu\r\n\r\n", path, length);
	memcpy(text + size, content, length);
	say(fd, text, size + length);
	status = hear_one(fd);
	good = may_be_taken(path, content, length);
	if (status != (good ? 200 : 400) || (asked.calls != calls) != good)
		fail_msg("%s took '%.*s' with %d, %u calls", path, (int)length, content, status, asked.calls - calls);
	*ret_taken += good;
}

/* mallinfo2() does not see the sanitizer's memory, where all of it is here. */
extern size_t __sanitizer_get_current_allocated_bytes(void);

static void ten_thousand_malformed_bodies_change_nothing(void **state)
{
	unsigned taken = 0;
	int fd = dial();
	size_t before, after;

	(void)state;
	for (int i = 0; i < 500; i++)
		send_random(fd, &taken);
	before = __sanitizer_get_current_allocated_bytes();
	taken = 0;
	for (int i = 0; i < 10000; i++)
		send_random(fd, &taken);
	after = __sanitizer_get_current_allocated_bytes();
	close(fd);
	assert_false(asked.bad);
	assert_in_range(taken, 1, 6000); /* the rules are not "nothing ever" */
	assert_true(after <= before + 65536);
}

/* ---- TCP ---- */

#define TOKEN "0123456789abcdef-a-token"

static void write_file(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

/* A port that nobody has now. */
static uint16_t free_port(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, length), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
	close(fd);
	return ntohs(address.sin_port);
}

static void plan_tcp(void)
{
	char text[32];

	make_place();
	tcp = (struct serin_api_config){};
	snprintf(text, sizeof(text), "127.0.0.1:%u", free_port());
	assert_int_equal(endpoint_parse(text, &tcp.listen), 0);
	snprintf(tcp.token_file, sizeof(tcp.token_file), "%s/token", directory);
	write_file(tcp.token_file, TOKEN "\n", 0600);
}

static int start_tcp(void **state)
{
	(void)state;
	plan_tcp();
	start_serving(&tcp);
	over_tcp = true;
	return 0;
}

static int plan(void **state)
{
	(void)state;
	plan_tcp();
	api = NULL;
	return 0;
}

static int stop_tcp(void **state)
{
	stop_serving();
	unlink(tcp.token_file);
	unlink(tcp.certificate_file);
	unlink(tcp.key_file);
	return stop(state);
}

static void with_the_token_everything_goes(void **state)
{
	(void)state;
	header = "Authorization: Bearer " TOKEN "\r\n";
	assert_int_equal(request("GET", "/api/dump", "", 0), 200);
	assert_int_equal(post(GRAY, "{\"percentage\":10}"), 200);
	assert_int_equal(asked.weight, 1000);
	assert_int_equal(post("/api/releases/chat/abort", ""), 200);
	check_error(post("/nowhere", ""), 404);
	header = "authorization: bearer   " TOKEN "\r\n";
	assert_int_equal(request("GET", "/api/dump", "", 0), 200);
	assert_int_equal(asked.warnings, 0);
	assert_null(strcasestr(reply, "Access-Control"));
}

static void without_it_nothing_does(void **state)
{
	static const char *const headers[] = {"", "Authorization:\r\n", "Authorization: " TOKEN "\r\n", "Authorization: Bearer\r\n",
					      "Authorization: Bearer \r\n", "Authorization: Basic " TOKEN "\r\n",
					      "Authorization: BearerX " TOKEN "\r\n", "Authorization: Bearer " TOKEN "x\r\n",
					      "Authorization: Bearer " TOKEN " x\r\n", "X-Authorization: Bearer " TOKEN "\r\n",
					      "Authorization: Bearer \"" TOKEN "\"\r\n"};
	static const char *const to[] = {"/api/gray_release", "/api/monitor", "/api/releases/chat/abort", "/api/dump", "/api/releases",
					 "/api/history", "/api/latency", "/nowhere", "/metrics", "/healthz/", "/healthz/../api/dump"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(headers); i++) {
		header = headers[i];
		for (size_t j = 0; j < ARRAY_SIZE(to); j++) {
			check_error(post(to[j], "{\"percentage\":10}"), 401);
			assert_non_null(strcasestr(reply, "\r\nWWW-Authenticate: Bearer\r\n"));
		}
		check_error(request("GET", "/api/dump", "", 0), 401);
		check_error(request("PUT", "/api/dump", "", 0), 401);
		assert_int_equal(request("HEAD", "/api/dump", "", 0), 401);
	}
	check_error(post(GRAY, "no JSON"), 401);
	check_error(request("POST", GRAY, padded(1 << 20), 1 << 20), 401);
	assert_int_equal(asked.calls, 0);
}

static void health_and_readiness_need_no_token(void **state)
{
	(void)state;
	assert_int_equal(request("GET", "/healthz", "", 0), 200);
	assert_int_equal(request("GET", "/readyz", "", 0), 200);
	assert_int_equal(request("HEAD", "/healthz", "", 0), 200);
}

static void metrics_need_the_token_unless_they_are_open(void **state)
{
	(void)state;
	tcp.open_metrics = false;
	start_serving(&tcp);
	over_tcp = true;
	check_error(request("GET", "/metrics", "", 0), 401);
	header = "Authorization: Bearer " TOKEN "\r\n";
	assert_int_equal(request("GET", "/metrics", "", 0), 200);
	stop_serving();
	tcp.open_metrics = true;
	start_serving(&tcp);
	header = "";
	assert_int_equal(request("GET", "/metrics", "", 0), 200);
	assert_string_equal(reply_body(), "old\n");
	check_error(request("GET", "/api/dump", "", 0), 401);
	check_error(request("GET", "/metrics/", "", 0), 401);
	header = "Authorization: Bearer wrong-wrong-wrong\r\n"; /* nobody looks at it */
	assert_int_equal(request("GET", "/metrics", "", 0), 200);
	assert_int_equal(request("POST", "/metrics", "", 0), 405);
}

static void the_unix_socket_needs_no_token(void **state)
{
	(void)state;
	over_tcp = false;
	assert_int_equal(request("GET", "/api/dump", "", 0), 200);
}

static void wrong_tokens_of_every_length(void **state)
{
	char wrong[700], line[800];

	(void)state;
	header = line;
	for (size_t length = 1; length < 640; length += length < 64 ? 1 : 37) {
		memset(wrong, 'x', length);
		memcpy(wrong, TOKEN, length < strlen(TOKEN) ? length : strlen(TOKEN));
		if (length == strlen(TOKEN))
			wrong[length - 1] ^= 1;
		wrong[length] = '\0';
		snprintf(line, sizeof(line), "Authorization: Bearer %s\r\n", wrong);
		check_error(request("GET", "/api/dump", "", 0), 401);
	}
	memcpy(wrong, TOKEN, sizeof(TOKEN));
	for (size_t i = 0; i < strlen(TOKEN); i++) { /* each place counts */
		wrong[i] ^= 1;
		snprintf(line, sizeof(line), "Authorization: Bearer %s\r\n", wrong);
		check_error(request("GET", "/api/dump", "", 0), 401);
		wrong[i] ^= 1;
	}
	assert_int_equal(asked.calls, 0);
}

static int status_with(const char *token)
{
	char line[128];
	int status;

	snprintf(line, sizeof(line), "Authorization: Bearer %s\r\n", token);
	header = line;
	status = request("GET", "/api/dump", "", 0);
	header = "";
	return status;
}

static void a_new_token_is_taken_up_and_the_old_one_ends(void **state)
{
	char other[300];

	(void)state;
	assert_int_equal(status_with(TOKEN), 200);
	write_file(tcp.token_file, "another-token-9876543210\nand a second line\n", 0600);
	assert_int_equal(status_with(TOKEN), 401);
	assert_int_equal(status_with("another-token-9876543210"), 200);
	snprintf(other, sizeof(other), "%s.new", tcp.token_file); /* as a careful person does it */
	write_file(other, TOKEN, 0600);
	assert_int_equal(rename(other, tcp.token_file), 0);
	assert_int_equal(status_with("another-token-9876543210"), 401);
	assert_int_equal(status_with(TOKEN), 200);
	assert_int_equal(asked.warnings, 0);
}

/* A warning comes by the agent's thread; so does the answer of /healthz, after it. */
static void wait_for_warnings(unsigned n)
{
	assert_int_equal(request("GET", "/healthz", "", 0), 200);
	assert_int_equal(asked.warnings, n);
}

static void a_token_file_gone_bad_lets_nobody_in_and_is_said_once(void **state)
{
	unsigned n = 0;

	(void)state;
	for (int kind = 0; kind < 3; kind++) {
		if (kind == 0)
			assert_int_equal(unlink(tcp.token_file), 0);
		else if (kind == 1)
			write_file(tcp.token_file, TOKEN, 0644);
		else
			write_file(tcp.token_file, "too short", 0600);
		for (int i = 0; i < 3; i++)
			assert_int_equal(status_with(TOKEN), 401);
		assert_int_equal(status_with(""), 401);
		wait_for_warnings(++n);
		assert_non_null(strstr(asked.warning, tcp.token_file));
		assert_non_null(strstr(asked.warning, kind == 0 ? "No such file" : kind == 1 ? "chmod 600" : "16 to 512"));
		write_file(tcp.token_file, TOKEN, 0600);
		assert_int_equal(status_with(TOKEN), 200);
		wait_for_warnings(++n);
		assert_non_null(strstr(asked.warning, "in order again"));
	}
}

static void slow_senders_on_tcp_keep_nobody_waiting(void **state)
{
	int slow[100];
	uint64_t began;

	(void)state;
	dial_slow(slow, 100);
	began = util_now();
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(status_with(TOKEN), 200);
	over_tcp = false;
	assert_int_equal(call("GET", "/api/dump", NULL), 0);
	assert_true(seconds_since(began) < 1);
	hang_up(slow, 100);
}

static void listen_on(const char *format)
{
	char text[ENDPOINT_TEXT_MAX];

	snprintf(text, sizeof(text), format, tcp.listen.port);
	assert_int_equal(endpoint_parse(text, &tcp.listen), 0);
}

static void in_the_clear_on_loopback_is_no_warning_elsewhere_it_is(void **state)
{
	static const struct {
		const char *listen;
		unsigned warnings;
	} places[] = {{"127.0.0.1:%u", 0}, {"127.9.9.9:%u", 0}, {"[::1]:%u", 0}, {"%u", 1}, {"0.0.0.0:%u", 1}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		if (places[i].listen[0] == '[' && access("/proc/net/if_inet6", F_OK) < 0)
			continue; /* a node without IPv6 */
		memset(&asked, 0, sizeof(asked));
		listen_on(places[i].listen);
		start_serving(&tcp);
		assert_int_equal(asked.warnings, places[i].warnings);
		if (asked.warnings)
			assert_non_null(strstr(asked.warning, "without TLS"));
		over_tcp = places[i].warnings;
		assert_int_equal(request("GET", "/healthz", "", 0), 200);
		stop_serving();
	}
}

/* api_start() must fail so, with a sentence in which these words are, and leave nothing. */
static void check_refused(int error, const char *words)
{
	struct api *none = NULL;

	why[0] = '\0';
	assert_int_equal(api_start(paths.socket, &tcp, &handlers, &none, why), error);
	assert_null(none);
	if (!strstr(why, words))
		fail_msg("'%s' does not say '%s'", why, words);
	assert_int_equal(access(paths.socket, F_OK), -1);
}

static void a_bad_token_file_is_a_sentence_at_the_start(void **state)
{
	char text[700];

	(void)state;
	tcp.token_file[strlen(tcp.token_file) - 1] = 'x';
	check_refused(-ENOENT, "No such file");
	tcp.token_file[strlen(tcp.token_file) - 1] = 'n';
	write_file(tcp.token_file, TOKEN, 0640);
	check_refused(-EPERM, "chmod 600");
	write_file(tcp.token_file, TOKEN, 0604);
	check_refused(-EPERM, "chmod 600");
	write_file(tcp.token_file, "", 0600);
	check_refused(-EINVAL, "16 to 512");
	write_file(tcp.token_file, "\n" TOKEN "\n", 0600);
	check_refused(-EINVAL, "16 to 512");
	write_file(tcp.token_file, "fifteen-letters\n", 0600);
	check_refused(-EINVAL, "16 to 512");
	write_file(tcp.token_file, "a space is no tokens letter\n", 0600);
	check_refused(-EINVAL, "16 to 512");
	memset(text, 'x', sizeof(text));
	text[513] = '\0';
	write_file(tcp.token_file, text, 0600);
	check_refused(-EINVAL, "16 to 512");
	unlink(tcp.token_file);
	assert_int_equal(mkfifo(tcp.token_file, 0600), 0);
	check_refused(-EINVAL, "regular file");
	unlink(tcp.token_file);
	assert_int_equal(mkdir(tcp.token_file, 0700), 0);
	check_refused(-EINVAL, "regular file");
	rmdir(tcp.token_file);
	tcp.token_file[0] = '\0';
	check_refused(-EINVAL, "token_file");
}

static void the_longest_token_and_the_shortest(void **state)
{
	char text[600], line[700];

	(void)state;
	for (int i = 0; i < 2; i++) {
		memset(text, 'x', sizeof(text));
		strcpy(text + (i ? 512 : 16), "\r\n");
		write_file(tcp.token_file, text, 0600);
		start_serving(&tcp);
		over_tcp = true;
		text[i ? 512 : 16] = '\0';
		snprintf(line, sizeof(line), "Authorization: Bearer %s\r\n", text);
		header = line;
		assert_int_equal(request("GET", "/api/dump", "", 0), 200);
		stop_serving();
	}
}

static void a_port_that_is_taken_is_a_sentence_at_the_start(void **state)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(tcp.listen.port),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 1), 0);
	check_refused(-EADDRINUSE, "another port");
	close(fd);
	listen_on("192.0.2.1:%u");
	check_refused(-EADDRNOTAVAIL, "192.0.2.1");
}

/* ---- TLS ---- */

static void name_tls_files(void)
{
	snprintf(tcp.certificate_file, sizeof(tcp.certificate_file), "%s/cert.pem", directory);
	snprintf(tcp.key_file, sizeof(tcp.key_file), "%s/key.pem", directory);
}

static void run(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void run(const char *format, ...)
{
	char command[1024];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	assert_int_equal(system(command), 0);
}

/* Self-made, for "localhost" alone. */
static void make_certificate(const char *algorithm)
{
	name_tls_files();
	run("openssl req -x509 -newkey %s -nodes -keyout %s -out %s -days 2 -subj /CN=localhost "
	    "-addext subjectAltName=DNS:localhost 2>/dev/null", algorithm, tcp.key_file, tcp.certificate_file);
}

static int start_tls(void **state)
{
	(void)state;
	plan_tcp();
	make_certificate("rsa:2048");
	start_serving(&tcp);
	over_tcp = true;
	return 0;
}

static size_t swallow(char *data, size_t size, size_t count, void *context)
{
	(void)data;
	(void)context;
	return size * count;
}

/* A call by libcurl that trusts the certificate (or nothing of it). The status, or minus curl's code. */
static int get_tls(const char *host, bool trust, long version, const char *authorization)
{
	struct curl_slist *headers = authorization ? curl_slist_append(NULL, authorization) : NULL;
	CURL *curl = curl_easy_init();
	char url[128], resolve[64];
	struct curl_slist *hosts;
	long status = 0;
	CURLcode code;

	snprintf(url, sizeof(url), "https://%s:%u/api/dump", host, tcp.listen.port);
	snprintf(resolve, sizeof(resolve), "%s:%u:127.0.0.1", host, tcp.listen.port);
	hosts = curl_slist_append(NULL, resolve);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_RESOLVE, hosts);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, 5L);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, swallow);
	curl_easy_setopt(curl, CURLOPT_SSLVERSION, version);
	if (trust)
		curl_easy_setopt(curl, CURLOPT_CAINFO, tcp.certificate_file);
	code = curl_easy_perform(curl);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_cleanup(curl);
	curl_slist_free_all(headers);
	curl_slist_free_all(hosts);
	return code ? -(int)code : (int)status;
}

#define BEARER "Authorization: Bearer " TOKEN

static void tls_speaks_with_those_who_know_it(void **state)
{
	(void)state;
	assert_int_equal(get_tls("localhost", true, CURL_SSLVERSION_DEFAULT, BEARER), 200);
	assert_int_equal(get_tls("localhost", true, CURL_SSLVERSION_TLSv1_3, BEARER), 200);
	assert_int_equal(get_tls("localhost", true, CURL_SSLVERSION_TLSv1_2 | CURL_SSLVERSION_MAX_TLSv1_2, BEARER), 200);
	assert_int_equal(get_tls("localhost", true, CURL_SSLVERSION_DEFAULT, NULL), 401);
	assert_int_equal(get_tls("localhost", true, CURL_SSLVERSION_DEFAULT, BEARER "x"), 401);
	assert_int_equal(asked.warnings, 0);
}

static void tls_of_another_host_or_nobody_knows_is_the_clients_to_refuse(void **state)
{
	(void)state;
	assert_int_equal(get_tls("other.example", true, CURL_SSLVERSION_DEFAULT, BEARER), -CURLE_PEER_FAILED_VERIFICATION);
	assert_int_equal(get_tls("localhost", false, CURL_SSLVERSION_DEFAULT, BEARER), -CURLE_PEER_FAILED_VERIFICATION);
}

/* By a client that would speak it: told apart from one that cannot. */
static void old_tls_is_refused(void **state)
{
	(void)state;
	run("! openssl s_client -connect 127.0.0.1:%u -tls1_1 -cipher DEFAULT@SECLEVEL=0 </dev/null >/dev/null 2>&1", tcp.listen.port);
	run("openssl s_client -connect 127.0.0.1:%u -tls1_2 </dev/null >/dev/null 2>&1", tcp.listen.port);
}

static void what_is_no_tls_gets_nothing_on_its_port(void **state)
{
	static const char text[] = "GET /healthz HTTP/1.1\r\nHost: serin\r\nConnection: close\r\n\r\n";

	(void)state;
	assert_int_equal(exchange(text, strlen(text), SIZE_MAX), 0);
	assert_null(strstr(reply, "success"));
	assert_int_equal(get_tls("localhost", true, CURL_SSLVERSION_DEFAULT, BEARER), 200);
}

static void bad_tls_files_are_a_sentence_at_the_start(void **state)
{
	char other[300];

	(void)state;
	make_certificate("rsa:2048");
	snprintf(other, sizeof(other), "%s/other.pem", directory);
	run("openssl genpkey -algorithm RSA -out %s 2>/dev/null", other);
	assert_int_equal(rename(other, tcp.key_file), 0);
	check_refused(-EINVAL, "do not work together");
	write_file(tcp.key_file, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", 0600);
	check_refused(-EINVAL, "do not work together");
	run("openssl genrsa -aes128 -passout pass:secret -out %s 2>/dev/null", tcp.key_file);
	check_refused(-EINVAL, "key");
	write_file(tcp.key_file, "nothing", 0600);
	check_refused(-EINVAL, "PEM");
	write_file(tcp.certificate_file, "nothing", 0600);
	check_refused(-EINVAL, "PEM");
	unlink(tcp.certificate_file);
	check_refused(-ENOENT, "cert.pem");
	tcp.certificate_file[0] = '\0';
	check_refused(-EINVAL, "both");
}

/* A first flight that makes the server do the costly part of a handshake, taken from a real client. */
static size_t record_hello(char *to, size_t size)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;
	ssize_t got;

	assert_int_equal(bind(listener, (struct sockaddr *)&address, length), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &length), 0);
	run("openssl s_client -connect 127.0.0.1:%u </dev/null >/dev/null 2>&1 &", ntohs(address.sin_port));
	fd = accept(listener, NULL, NULL);
	got = recv(fd, to, size, 0);
	assert_true(got > 100);
	close(fd);
	close(listener);
	return (size_t)got;
}

/* The agent's thread is asked all the while, over the unix socket: the handshakes must not be its business. */
static void half_open_handshakes_hold_up_neither_the_agent_nor_a_caller(void **state)
{
	static int fds[1000];
	char hello[4096];
	size_t length = record_hello(hello, sizeof(hello));
	uint64_t began, longest = 0, took;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = dial();
		if (i % 2) /* half of them are silent, the others begin and stop */
			send(fds[i], hello, length, MSG_NOSIGNAL);
		if (i % 100)
			continue;
		over_tcp = false;
		began = util_now();
		assert_int_equal(request("GET", "/healthz", "", 0), 200);
		took = util_now() - began;
		longest = took > longest ? took : longest;
		over_tcp = true;
	}
	began = util_now();
	assert_int_equal(get_tls("localhost", true, CURL_SSLVERSION_DEFAULT, BEARER), 200);
	print_message("longest api_run() %.3f ms, longest call on the unix socket %.3f ms, a TLS caller after them %.3f ms\n",
		      (double)asked.longest_ns / 1e6, (double)longest / 1e6, seconds_since(began) * 1e3);
	assert_true(seconds_since(began) < 5);
	assert_true(asked.longest_ns < 10 * NSEC_PER_MSEC);
	assert_true(longest < NSEC_PER_SEC);
	hang_up(fds, ARRAY_SIZE(fds));
}

#define serving(test) cmocka_unit_test_setup_teardown(test, start, stop)
#define on_tcp(test) cmocka_unit_test_setup_teardown(test, start_tcp, stop_tcp)
#define planned(test) cmocka_unit_test_setup_teardown(test, plan, stop_tcp)
#define on_tls(test) cmocka_unit_test_setup_teardown(test, start_tls, stop_tcp)

int main(void)
{
	const struct CMUnitTest tests[] = {
		serving(dump_is_what_the_agent_gives),
		serving(releases_are_what_the_agent_gives),
		serving(health_is_success),
		serving(metrics_are_a_text_in_the_format_that_is_asked_for),
		serving(metrics_that_cannot_be_read_are_500_with_the_reason),
		serving(a_gray_release_answers_with_the_documented_words),
		serving(a_gray_release_passes_release_version_and_weight),
		serving(a_gray_release_need_not_name_the_only_one),
		serving(a_percentage_is_rounded_to_a_basis_point),
		serving(a_percentage_goes_from_0_to_100),
		serving(an_abort_passes_the_release),
		serving(a_name_in_a_path_may_be_percent_encoded),
		serving(what_cannot_be_a_name_is_no_path),
		serving(a_name_in_a_path_has_at_most_63_characters),
		serving(a_query_does_not_change_the_path),
		serving(answers_are_declared_as_json),
		serving(latencies_are_what_the_agent_gives),
		serving(the_page_is_served_whole_as_it_was_built_in),
		serving(the_page_may_do_nothing_but_what_it_is_for),
		serving(the_page_names_no_other_host),
		serving(what_is_no_json_object_is_400),
		serving(what_is_no_json_object_is_400_where_no_body_is_needed),
		serving(a_gray_release_without_a_percentage_is_400),
		serving(fields_of_the_wrong_type_are_400),
		serving(a_percentage_out_of_range_is_400),
		serving(a_path_that_is_not_there_is_404),
		serving(a_release_that_is_not_there_is_404_and_says_why),
		serving(another_method_is_405),
		serving(a_405_says_which_method_is_allowed),
		serving(what_is_not_possible_now_is_409),
		serving(what_the_agent_finds_out_of_range_is_400),
		serving(what_the_kernel_refuses_is_500),
		serving(a_body_of_64_kib_is_taken),
		serving(a_longer_body_is_413),
		serving(a_longer_body_in_chunks_is_413_too),
		serving(a_request_may_come_byte_by_byte),
		serving(a_request_may_be_cut_anywhere),
		serving(a_body_may_come_in_chunks),
		serving(two_requests_may_share_a_connection),
		serving(garbage_does_not_stop_the_server),
		serving(half_a_request_is_never_acted_upon),
		serving(a_slow_client_does_not_hold_up_another),
		serving(two_clients_at_once_get_each_their_own_answer),
		serving(counters_that_cannot_be_read_are_500_with_the_reason),
		serving(only_its_owner_may_use_the_socket),
		serving(starting_leaves_the_umask_as_it_was),
		serving(a_socket_a_dead_agent_left_is_replaced),
		serving(a_socket_without_a_directory_is_an_error),
		serving(a_path_too_long_for_a_socket_is_an_error),
		serving(each_order_reaches_the_agent_as_itself),
		serving(keys_that_nobody_knows_are_400_and_named),
		serving(a_wrong_type_is_named_with_the_key),
		serving(names_in_a_body_are_names),
		serving(a_figure_answers_with_the_documented_words),
		serving(figures_go_with_release_and_version),
		serving(sixteen_figures_at_most),
		serving(one_bad_figure_spoils_them_all),
		serving(no_figure_is_400),
		serving(figures_for_nobody_are_404),
		serving(history_passes_release_and_limit),
		serving(series_pass_release_and_limit),
		serving(series_of_nobody_are_404),
		serving(times_are_told_to_the_millisecond),
		serving(a_query_that_makes_no_sense_is_400),
		serving(a_history_that_cannot_be_read_is_500),
		serving(ready_or_503_with_the_reason),
		serving(head_is_get_without_a_body),
		serving(options_tells_the_methods),
		serving(a_reason_that_is_no_utf8_is_told_all_the_same),
		serving(a_long_strange_key_is_told_all_the_same),
		serving(deep_json_is_400),
		serving(bodies_that_are_no_text_are_400),
		serving(a_body_of_a_mebibyte_is_413),
		serving(a_body_without_end_is_cut_off),
		serving(many_slow_senders_do_not_keep_a_quick_one_waiting),
		serving(the_slowest_of_too_many_has_to_go),
		serving(a_connection_that_is_silent_for_ten_seconds_is_ended),
		serving(many_callers_at_once_are_all_answered),
		serving(who_waits_while_it_stops_is_let_go),
		serving(ten_thousand_malformed_bodies_change_nothing),
		on_tcp(with_the_token_everything_goes),
		on_tcp(without_it_nothing_does),
		on_tcp(health_and_readiness_need_no_token),
		planned(metrics_need_the_token_unless_they_are_open),
		on_tcp(the_unix_socket_needs_no_token),
		on_tcp(wrong_tokens_of_every_length),
		on_tcp(a_new_token_is_taken_up_and_the_old_one_ends),
		on_tcp(a_token_file_gone_bad_lets_nobody_in_and_is_said_once),
		on_tcp(slow_senders_on_tcp_keep_nobody_waiting),
		planned(in_the_clear_on_loopback_is_no_warning_elsewhere_it_is),
		planned(a_bad_token_file_is_a_sentence_at_the_start),
		planned(the_longest_token_and_the_shortest),
		planned(a_port_that_is_taken_is_a_sentence_at_the_start),
		on_tls(tls_speaks_with_those_who_know_it),
		on_tls(tls_of_another_host_or_nobody_knows_is_the_clients_to_refuse),
		on_tls(old_tls_is_refused),
		on_tls(what_is_no_tls_gets_nothing_on_its_port),
		planned(bad_tls_files_are_a_sentence_at_the_start),
		on_tls(half_open_handshakes_hold_up_neither_the_agent_nor_a_caller),
		cmocka_unit_test(stopping_nothing_is_fine),
	};

	return cmocka_run_group_tests_name("api", tests, NULL, NULL);
}
