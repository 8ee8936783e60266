// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#define _GNU_SOURCE 1

#include "api.h"

#include "util.h"

#include <errno.h>
#include <math.h>
#include <microhttpd.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define BODY_MAX 65536
#define CONNECTIONS_MAX 64
#define IDLE_SECONDS 10
#define RUNS_MAX 64

struct api {
	struct MHD_Daemon *daemon;
	struct api_handlers handlers;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

/* One request while its body comes in. */
struct call {
	char *body;
	size_t length;
	bool too_long;
};

struct answer {
	unsigned status;
	json_t *json;
	const char *allow; /* with 405: the method that is */
};

static struct answer answer_error(unsigned status, const char *message)
{
	return (struct answer){.status = status, .json = json_pack("{ss ss}", "status", "error", "message", message)};
}

static struct answer answer_done(int error, const char *message, const char *why)
{
	switch (error) {
	case 0:
		return (struct answer){.status = MHD_HTTP_OK, .json = json_pack("{ss ss}", "status", "success", "message", message)};
	case -ENOENT:
		return answer_error(MHD_HTTP_NOT_FOUND, why);
	case -EALREADY:
	case -EBUSY:
		return answer_error(MHD_HTTP_CONFLICT, why);
	case -ERANGE:
		return answer_error(MHD_HTTP_BAD_REQUEST, why);
	default:
		return answer_error(MHD_HTTP_INTERNAL_SERVER_ERROR, why);
	}
}

/* ---- routes ---- */

static struct answer get_dump(struct api *api, const char *name, const json_t *body)
{
	json_t *dump = api->handlers.dump(api->handlers.context);

	(void)name;
	(void)body;
	if (!dump)
		return answer_error(MHD_HTTP_INTERNAL_SERVER_ERROR, "the kernel's counters could not be read; try again");
	return (struct answer){.status = MHD_HTTP_OK, .json = dump};
}

static struct answer get_releases(struct api *api, const char *name, const json_t *body)
{
	(void)name;
	(void)body;
	return (struct answer){.status = MHD_HTTP_OK, .json = api->handlers.releases(api->handlers.context)};
}

static struct answer get_health(struct api *api, const char *name, const json_t *body)
{
	(void)api;
	(void)name;
	(void)body;
	return (struct answer){.status = MHD_HTTP_OK, .json = json_pack("{ss}", "status", "success")};
}

static struct answer post_gray_release(struct api *api, const char *name, const json_t *body)
{
	const char *release = NULL, *version = NULL;
	char why[API_WHY_MAX] = "";
	json_error_t error;
	double percentage;
	int r;

	(void)name;
	if (json_unpack_ex((json_t *)body, &error, 0, "{s?s s?s sF}", "release", &release, "version", &version,
			   "percentage", &percentage) < 0)
		return answer_error(MHD_HTTP_BAD_REQUEST, error.text);
	if (!(percentage >= 0 && percentage <= 100))
		return answer_error(MHD_HTTP_BAD_REQUEST, "percentage must be from 0 to 100");
	r = api->handlers.weight(api->handlers.context, release, version, (uint32_t)lround(percentage * 100), why);
	return answer_done(r, "Gray release started successfully.", why);
}

static struct answer post_abort(struct api *api, const char *name, const json_t *body)
{
	char why[API_WHY_MAX] = "";

	(void)body;
	return answer_done(api->handlers.abort(api->handlers.context, name, why), "Canary taken out.", why);
}

/* "*" stands for a name, which the function gets. */
static const struct route {
	const char *method, *before, *after;
	struct answer (*run)(struct api *api, const char *name, const json_t *body);
} routes[] = {
	{"GET", "/api/dump", NULL, get_dump},
	{"GET", "/api/releases", NULL, get_releases},
	{"GET", "/healthz", NULL, get_health},
	{"POST", "/api/gray_release", NULL, post_gray_release},
	{"POST", "/api/releases/", "/abort", post_abort},
};

/* Does the URL fit? Then *ret_name is what stands for the "*", or "". */
static bool fits(const struct route *route, const char *url, char ret_name[SERIN_NAME_MAX])
{
	size_t before = strlen(route->before), after = route->after ? strlen(route->after) : 0, length = strlen(url);

	ret_name[0] = '\0';
	if (!route->after)
		return !strcmp(url, route->before);
	if (length <= before + after || strncmp(url, route->before, before) || strcmp(url + length - after, route->after))
		return false;
	length -= before + after;
	if (length >= SERIN_NAME_MAX)
		return false;
	memcpy(ret_name, url + before, length);
	ret_name[length] = '\0';
	return true;
}

static struct answer run_route(struct api *api, const struct route *route, const char *name, const struct call *call)
{
	json_error_t error;
	json_t *body = NULL;
	struct answer answer;

	if (call->length) {
		body = json_loadb(call->body, call->length, JSON_REJECT_DUPLICATES, &error);
		if (!json_is_object(body)) {
			json_decref(body);
			return answer_error(MHD_HTTP_BAD_REQUEST, "the body is not a JSON object");
		}
	} else {
		body = json_object();
	}
	answer = route->run(api, name, body);
	json_decref(body);
	return answer;
}

static struct answer dispatch(struct api *api, const char *method, const char *url, const struct call *call)
{
	const char *allow = NULL;
	char name[SERIN_NAME_MAX];
	struct answer answer;

	if (call->too_long)
		return answer_error(MHD_HTTP_CONTENT_TOO_LARGE, "the body is longer than 64 KiB");
	for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
		if (!fits(&routes[i], url, name))
			continue;
		allow = routes[i].method;
		if (!strcmp(method, allow))
			return run_route(api, &routes[i], name, call);
	}
	if (!allow)
		return answer_error(MHD_HTTP_NOT_FOUND, "no such path");
	answer = answer_error(MHD_HTTP_METHOD_NOT_ALLOWED, "this path does not take that method");
	answer.allow = allow;
	return answer;
}

/* ---- libmicrohttpd ---- */

static enum MHD_Result send_answer(struct MHD_Connection *connection, struct answer answer)
{
	struct MHD_Response *response;
	enum MHD_Result result;
	char *text;

	text = answer.json ? json_dumps(answer.json, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
	json_decref(answer.json);
	if (!text)
		return MHD_NO;
	response = MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
	if (!response) {
		free(text);
		return MHD_NO;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
	if (answer.allow)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, answer.allow);
	result = MHD_queue_response(connection, answer.status, response);
	MHD_destroy_response(response);
	return result;
}

static void take_body(struct call *call, const char *data, size_t size)
{
	char *longer;

	call->too_long |= call->length + size > BODY_MAX;
	if (call->too_long)
		return;
	longer = realloc(call->body, call->length + size);
	if (!longer) {
		call->too_long = true;
		return;
	}
	memcpy(longer + call->length, data, size);
	call->body = longer;
	call->length += size;
}

/* Called once with the header, once for each part of the body, once at its end. */
static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url, const char *method,
				  const char *version, const char *data, size_t *size, void **state)
{
	struct call *call = *state;

	(void)version;
	if (!call) {
		*state = calloc(1, sizeof(*call));
		return *state ? MHD_YES : MHD_NO;
	}
	if (*size) {
		take_body(call, data, *size);
		*size = 0;
		return MHD_YES;
	}
	return send_answer(connection, dispatch(context, method, url, call));
}

static void on_completed(void *context, struct MHD_Connection *connection, void **state,
			 enum MHD_RequestTerminationCode why)
{
	struct call *call = *state;

	(void)context;
	(void)connection;
	(void)why;
	if (call)
		free(call->body);
	free(call);
	*state = NULL;
}

static int listen_unix(const char *path)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	mode_t mask;
	int r;

	if (fd < 0)
		return -errno;
	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path));
	unlink(path);
	mask = umask(0177); /* before it exists, not after: nobody else may connect in between */
	r = bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
	umask(mask);
	if (r == 0 && listen(fd, CONNECTIONS_MAX) < 0)
		r = -errno;
	return r < 0 ? r : TAKE_FD(fd);
}

int api_start(const char *path, const struct api_handlers *handlers, struct api **ret)
{
	_cleanup_free_ struct api *api = calloc(1, sizeof(*api));
	int fd;

	if (!api)
		return -ENOMEM;
	fd = listen_unix(path);
	if (fd < 0)
		return fd;
	api->handlers = *handlers;
	snprintf(api->path, sizeof(api->path), "%s", path);
	api->daemon = MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, on_request, api, MHD_OPTION_LISTEN_SOCKET, fd,
				       MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
				       MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS,
				       MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_END);
	if (!api->daemon) {
		close(fd);
		unlink(path);
		return -EIO;
	}
	*ret = TAKE_PTR(api);
	return 0;
}

void api_stop(struct api *api)
{
	if (!api)
		return;
	MHD_stop_daemon(api->daemon); /* closes the socket too */
	unlink(api->path);
	free(api);
}

int api_fd(const struct api *api)
{
	return MHD_get_daemon_info(api->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
}

void api_run(struct api *api)
{
	MHD_UNSIGNED_LONG_LONG milliseconds;

	/* Its epoll is edge-triggered: what one run leaves unread announces itself by a time-out of 0 only. Bounded, so
	 * that no caller can keep the agent from its ticks. */
	for (int i = 0; i < RUNS_MAX; i++) {
		MHD_run(api->daemon);
		if (MHD_get_timeout(api->daemon, &milliseconds) != MHD_YES || milliseconds > 0)
			return;
	}
}
