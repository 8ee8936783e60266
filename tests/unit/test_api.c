/* Links: user/api.c user/client.c -lmicrohttpd -ljansson -lcurl -lm -lpthread */
// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* A real API on a unix socket of its own, served by a thread as the agent does it: api_fd() readable, api_run(). */
#define _GNU_SOURCE 1

#include "check.h"

#include "api.h"
#include "client.h"
#include "util.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define BODY_MAX 65536
#define PATIENCE_SECONDS 5

/* What the handlers were asked, and what they are to answer. A call and its answer order the accesses. */
static struct {
	unsigned calls;
	bool has_release, has_version;
	char release[SERIN_NAME_MAX], version[SERIN_NAME_MAX];
	uint32_t weight;
	int answer;
	bool no_json;
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

static int handle_weight(void *context, const char *release, const char *version, uint32_t weight, char why[API_WHY_MAX])
{
	(void)context;
	asked.calls++;
	asked.has_release = release;
	asked.has_version = version;
	snprintf(asked.release, sizeof(asked.release), "%s", release ? release : "");
	snprintf(asked.version, sizeof(asked.version), "%s", version ? version : "");
	asked.weight = weight;
	snprintf(why, API_WHY_MAX, "because of %d", -asked.answer);
	return asked.answer;
}

static int handle_abort(void *context, const char *release, char why[API_WHY_MAX])
{
	return handle_weight(context, release, NULL, 0, why);
}

static void *serve(void *context)
{
	struct pollfd fds[2] = {{.fd = api_fd(api), .events = POLLIN}, {.fd = stopper, .events = POLLIN}};

	(void)context;
	while (poll(fds, 2, -1) > 0 && !fds[1].revents) /* no time-out: what is left undone now is never done */
		api_run(api);
	return NULL;
}

static int start(void **state)
{
	struct api_handlers handlers = {handle_dump, handle_releases, handle_weight, handle_abort, &asked};

	(void)state;
	memset(&asked, 0, sizeof(asked));
	strcpy(directory, "/tmp/serin-api-XXXXXX");
	assert_non_null(mkdtemp(directory));
	snprintf(paths.socket, sizeof(paths.socket), "%s/api.sock", directory);
	assert_int_equal(api_start(paths.socket, &handlers, &api), 0);
	stopper = eventfd(0, EFD_CLOEXEC);
	assert_true(stopper >= 0);
	assert_int_equal(pthread_create(&server, NULL, serve, NULL), 0);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	eventfd_write(stopper, 1);
	pthread_join(server, NULL);
	api_stop(api);
	close(stopper);
	json_decref(answer);
	free(reply);
	free(sent);
	free(body);
	answer = NULL;
	reply = sent = body = NULL;
	assert_int_equal(rmdir(directory), 0); /* the socket is gone too */
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
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	memcpy(address.sun_path, paths.socket, strlen(paths.socket));
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
	reply = calloc(1, 1 << 16);
	assert_non_null(reply);
	while ((got = recv(fd, reply + length, (1 << 16) - 1 - length, 0)) > 0)
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
	size = asprintf(&sent, "%s %s HTTP/1.1\r\nHost: serin\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n", method,
			path, length);
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
	assert_int_equal(post("/api/releases/my%20chat/abort", ""), 200);
	assert_string_equal(asked.release, "my chat");
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
	static const char *const there[] = {"/", "/api", "/api/dump/", "/api/dumpx", "/API/DUMP", "/api/releases/",
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
	struct api_handlers handlers = {};
	struct api *another = NULL;
	char path[CONFIG_PATH_MAX];
	mode_t before = umask(027), after;

	(void)state;
	snprintf(path, sizeof(path), "%s/another", directory);
	assert_int_equal(api_start(path, &handlers, &another), 0);
	after = umask(before);
	api_stop(another);
	assert_int_equal(after, 027);
}

static void a_socket_a_dead_agent_left_is_replaced(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct api_handlers handlers = {};
	struct api *another = NULL;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/dead", directory);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
	assert_int_equal(api_start(address.sun_path, &handlers, &another), 0);
	api_stop(another);
}

static void a_socket_without_a_directory_is_an_error(void **state)
{
	struct api_handlers handlers = {};
	struct api *untouched = api;
	char path[CONFIG_PATH_MAX];

	(void)state;
	snprintf(path, sizeof(path), "%s/none/api.sock", directory);
	assert_int_equal(api_start(path, &handlers, &untouched), -ENOENT);
	assert_ptr_equal(untouched, api);
}

static void a_path_too_long_for_a_socket_is_an_error(void **state)
{
	struct api_handlers handlers = {};
	struct api *none = NULL;
	char path[200];

	(void)state;
	memset(path, 'a', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(api_start(path, &handlers, &none), -ENAMETOOLONG);
	assert_null(none);
}

static void stopping_nothing_is_fine(void **state)
{
	(void)state;
	api_stop(NULL);
}

#define serving(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		serving(dump_is_what_the_agent_gives),
		serving(releases_are_what_the_agent_gives),
		serving(health_is_success),
		serving(a_gray_release_answers_with_the_documented_words),
		serving(a_gray_release_passes_release_version_and_weight),
		serving(a_gray_release_need_not_name_the_only_one),
		serving(a_percentage_is_rounded_to_a_basis_point),
		serving(a_percentage_goes_from_0_to_100),
		serving(an_abort_passes_the_release),
		serving(a_name_in_a_path_may_be_percent_encoded),
		serving(a_name_in_a_path_has_at_most_63_characters),
		serving(a_query_does_not_change_the_path),
		serving(answers_are_declared_as_json),
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
		cmocka_unit_test(stopping_nothing_is_fine),
	};

	return cmocka_run_group_tests_name("api", tests, NULL, NULL);
}
