/* Links: user/client.c -ljansson -lpthread */
// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Against an agent that answers what it is told to; test_api.c has the calls to a real one. */
#define _GNU_SOURCE 1

#include "check.h"

#include "client.h"
#include "util.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#define PATIENCE_SECONDS 5
#define JSON_HEAD "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"

static char directory[32];
static struct serin_paths paths;
static int listener = -1;
static pthread_t agent;
static bool agent_runs;
static const char *to_say; /* what the agent answers; "" to close without a word */
static char heard[8192];   /* what it was asked */
static json_t *answer;

static int make_place(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/serin-client-XXXXXX");
	assert_non_null(mkdtemp(directory));
	snprintf(paths.socket, sizeof(paths.socket), "%s/api.sock", directory);
	heard[0] = '\0';
	return 0;
}

static void open_socket(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	memcpy(address.sun_path, paths.socket, strlen(paths.socket));
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(listener >= 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 4), 0);
}

/* Has the whole request come? */
static bool is_whole(const char *text)
{
	const char *end = strstr(text, "\r\n\r\n"), *length = strcasestr(text, "\r\nContent-Length:");

	return end && strlen(end + 4) >= (length && length < end ? strtoul(length + 17, NULL, 10) : 0);
}

static void *serve_one(void *context)
{
	struct timeval patience = {.tv_sec = PATIENCE_SECONDS};
	size_t length = 0;
	ssize_t got = 1;
	int fd = accept(listener, NULL, NULL);

	(void)context;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	while (got > 0 && !is_whole(heard)) {
		got = recv(fd, heard + length, sizeof(heard) - 1 - length, 0);
		length += got > 0 ? (size_t)got : 0;
		heard[length] = '\0';
	}
	if (*to_say)
		send(fd, to_say, strlen(to_say), MSG_NOSIGNAL);
	close(fd);
	return NULL;
}

static void start_agent(const char *says)
{
	to_say = says;
	open_socket();
	assert_int_equal(pthread_create(&agent, NULL, serve_one, NULL), 0);
	agent_runs = true;
}

static int remove_place(void **state)
{
	(void)state;
	if (agent_runs) {
		shutdown(listener, SHUT_RDWR); /* wakes an accept() that nobody called */
		pthread_join(agent, NULL);
	}
	agent_runs = false;
	if (listener >= 0)
		close(listener);
	listener = -1;
	json_decref(answer);
	answer = NULL;
	unlink(paths.socket);
	return rmdir(directory);
}

/* One call to an agent that answers so. */
static int call(const char *says, const char *method, const char *path, const json_t *body)
{
	start_agent(says);
	return client_call(&paths, method, path, body, &answer);
}

static const char *answered(const char *key)
{
	const char *text = json_string_value(json_object_get(answer, key));

	return text ? text : "(no such text)";
}

/* ---- asking ---- */

static void without_a_body_it_gets(void **state)
{
	(void)state;
	assert_int_equal(call(JSON_HEAD "\r\n{}", "GET", "/api/dump", NULL), 0);
	assert_memory_equal(heard, "GET /api/dump HTTP/1.1\r\n", 24);
}

static void a_post_carries_its_body(void **state)
{
	json_t *body = json_pack("{ss}", "release", "chat");
	int r = call(JSON_HEAD "\r\n{}", "POST", "/api/gray_release", body);

	(void)state;
	json_decref(body);
	assert_int_equal(r, 0);
	assert_memory_equal(heard, "POST /api/gray_release HTTP/1.1\r\n", 33);
	assert_non_null(strstr(heard, "\r\n\r\n{\"release\":\"chat\"}"));
}

static void a_post_without_a_body_is_a_post_all_the_same(void **state)
{
	(void)state;
	assert_int_equal(call(JSON_HEAD "\r\n{}", "POST", "/api/releases/chat/abort", NULL), 0);
	assert_memory_equal(heard, "POST /api/releases/chat/abort HTTP/1.1\r\n", 40);
	assert_non_null(strcasestr(heard, "\r\nContent-Length: 0\r\n"));
}

static void a_body_stays_the_callers(void **state)
{
	json_t *body = json_pack("{si}", "percentage", 10);
	size_t references;

	(void)state;
	call(JSON_HEAD "\r\n{}", "POST", "/api/gray_release", body);
	references = body->refcount;
	json_decref(body);
	assert_int_equal(references, 1);
}

static void a_proxy_in_the_environment_is_not_asked(void **state)
{
	int r;

	(void)state;
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	setenv("ALL_PROXY", "socks5://127.0.0.1:1", 1);
	r = call(JSON_HEAD "\r\n{}", "GET", "/api/dump", NULL);
	unsetenv("http_proxy");
	unsetenv("ALL_PROXY");
	assert_int_equal(r, 0);
	assert_memory_equal(heard, "GET /api/dump ", 14);
}

/* ---- answers ---- */

static void success_gives_the_answer(void **state)
{
	(void)state;
	assert_int_equal(call(JSON_HEAD "Content-Length: 20\r\n\r\n{\"status\":\"success\"}", "GET", "/healthz", NULL), 0);
	assert_string_equal(answered("status"), "success");
}

static void an_answer_may_come_in_chunks(void **state)
{
	(void)state;
	assert_int_equal(call(JSON_HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":\r\n4\r\n\"b\"}\r\n0\r\n\r\n", "GET",
			      "/api/dump", NULL), 0);
	assert_string_equal(answered("a"), "b");
}

static void a_refusal_gives_the_answer_that_says_why(void **state)
{
	(void)state;
	assert_int_equal(call("HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n"
			      "{\"status\":\"error\",\"message\":\"no release x\"}", "GET", "/api/dump", NULL),
			 -EREMOTEIO);
	assert_string_equal(answered("message"), "no release x");
}

static void an_answer_that_is_no_json_makes_no_sense(void **state)
{
	(void)state;
	assert_int_equal(call(JSON_HEAD "\r\n<html>", "GET", "/api/dump", NULL), -EPROTO);
	assert_null(answer);
}

static void an_empty_answer_makes_no_sense(void **state)
{
	(void)state;
	assert_int_equal(call(JSON_HEAD "Content-Length: 0\r\n\r\n", "GET", "/api/dump", NULL), -EPROTO);
	assert_null(answer);
}

static void an_answer_cut_short_makes_no_sense(void **state)
{
	(void)state;
	assert_int_equal(call(JSON_HEAD "Content-Length: 99\r\n\r\n{}", "GET", "/api/dump", NULL), -EPROTO);
	assert_null(answer);
}

static void no_answer_at_all_makes_no_sense(void **state)
{
	(void)state;
	assert_int_equal(call("", "GET", "/api/dump", NULL), -EPROTO);
	assert_null(answer);
}

static void what_is_not_http_makes_no_sense(void **state)
{
	(void)state;
	assert_int_equal(call("SSH-2.0-OpenSSH\r\n", "GET", "/api/dump", NULL), -EPROTO);
	assert_null(answer);
}

/* ---- no agent ---- */

static void without_a_socket_there_is_no_agent(void **state)
{
	(void)state;
	assert_int_equal(client_call(&paths, "GET", "/api/dump", NULL, &answer), -ENOTCONN);
	assert_null(answer);
}

static void behind_a_dead_socket_there_is_no_agent(void **state)
{
	(void)state;
	open_socket();
	close(listener);
	listener = -1;
	assert_int_equal(client_call(&paths, "GET", "/api/dump", NULL, &answer), -ENOTCONN);
	assert_null(answer);
}

/* The result of a call by a user who may do nothing, as a child's exit code. */
static int call_as_nobody(void)
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0) {
		if (setgid(65534) < 0 || setuid(65534) < 0)
			_exit(255);
		_exit(-client_call(&paths, "GET", "/api/dump", NULL, &answer));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return -WEXITSTATUS(status);
}

static void without_the_privilege_it_says_so(void **state)
{
	(void)state;
	if (geteuid() != 0) {
		print_message("SKIP: only root can become nobody\n");
		skip();
	}
	open_socket();
	assert_int_equal(chmod(paths.socket, 0600), 0);
	assert_int_equal(chmod(directory, 0755), 0);
	assert_int_equal(call_as_nobody(), -EACCES);
	assert_int_equal(chmod(directory, 0700), 0);
	assert_int_equal(call_as_nobody(), -EACCES);
}

#define calling(test) cmocka_unit_test_setup_teardown(test, make_place, remove_place)

int main(void)
{
	const struct CMUnitTest tests[] = {
		calling(without_a_body_it_gets),
		calling(a_post_carries_its_body),
		calling(a_post_without_a_body_is_a_post_all_the_same),
		calling(a_body_stays_the_callers),
		calling(a_proxy_in_the_environment_is_not_asked),
		calling(success_gives_the_answer),
		calling(an_answer_may_come_in_chunks),
		calling(a_refusal_gives_the_answer_that_says_why),
		calling(an_answer_that_is_no_json_makes_no_sense),
		calling(an_empty_answer_makes_no_sense),
		calling(an_answer_cut_short_makes_no_sense),
		calling(no_answer_at_all_makes_no_sense),
		calling(what_is_not_http_makes_no_sense),
		calling(without_a_socket_there_is_no_agent),
		calling(behind_a_dead_socket_there_is_no_agent),
		calling(without_the_privilege_it_says_so),
	};

	return cmocka_run_group_tests_name("client", tests, NULL, NULL);
}
