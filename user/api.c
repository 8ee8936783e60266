// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * A request's way: on_request() gathers it on its socket's thread and lets examine() see whether it makes sense. What does is
 * suspended and queued; api_run() calls its route's function on the agent's thread and resumes it; on_request() sends
 * the answer.
 */
#define _GNU_SOURCE 1

#include "api.h"

#include "body.h"
#include "endpoint.h"
#include "sockets.h"
#include "token.h"
#include "util.h"
#include "web.h"

#include <errno.h>
#include <math.h>
#include <microhttpd.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>

#define BODY_MAX 65536
#define SWALLOWED_MAX (4 << 20) /* so much of a body too long is read, for its sender to hear the answer */
#define CONNECTIONS_MAX 64
#define ENDING_MAX 16 /* connections that were told to end and have not yet */
#define IDLE_SECONDS 10
#define RUN_NS (5 * NSEC_PER_MSEC)
#define HISTORY_DEFAULT 100
#define HISTORY_MAX 10000
#define PEM_MAX (1 << 20)
#define TLS_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

/* A connection, as far as it matters for who has to go when there are too many. */
struct caller {
	int fd;		   /* -1: none */
	uint64_t since_ns; /* it began, or its latest request was over */
	bool waits;	   /* for the agent: not to be ended */
	bool ends;	   /* was told to end */
};

/* A socket that is listened on. Only its own thread touches it, once that runs. */
struct door {
	struct api *api;
	struct MHD_Daemon *daemon;
	struct token *token; /* NULL: who can connect may do everything */
	struct caller callers[CONNECTIONS_MAX + ENDING_MAX];
};

struct api {
	struct door local, remote; /* the unix socket; TCP */
	struct token token;
	bool open_metrics; /* to callers without the token */
	struct api_handlers handlers;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	int wake; /* eventfd: something is queued */
	pthread_mutex_t lock; /* of what follows */
	struct call *first, **last;
	char note[TOKEN_WHY_MAX];
	bool stopping;
};

struct answer {
	unsigned status;
	json_t *json;	   /* NULL: the text below, or nothing but the head */
	char *text;	   /* in place of JSON: malloc()ed, freed once it is sent */
	size_t length;	   /* of the text */
	const char *type;  /* of the text: what Content-Type says */
	const struct web_page *page; /* in place of both: the program's own, with its headers */
	const char *allow; /* of 405 and OPTIONS: the methods that are */
	bool challenge;	   /* of 401 */
};

/* One request. */
struct call {
	struct MHD_Connection *connection;
	struct caller *caller;
	const struct route *route;
	char name[SERIN_NAME_MAX]; /* what stood for the "*" in the path */
	bool refused;		   /* without the token */
	char *text;		   /* the body as it came */
	size_t length, swallowed;
	json_t *body; /* an object, keys and types as the route has them */
	char release[SERIN_NAME_MAX]; /* of the query */
	unsigned limit; /* of the query; 0: it has none */
	enum exposition_format format; /* by the header Accept */
	bool answered;
	struct answer answer;
	struct call *next;
};

/* ---- answers ---- */

/* What is no UTF-8 comes from outside: a path, a key cut short. It is no reason to have no answer. */
static json_t *any_string(const char *text)
{
	json_t *string = json_string(text);
	char plain[API_WHY_MAX];

	if (string)
		return string;
	snprintf(plain, sizeof(plain), "%s", text);
	for (char *c = plain; *c; c++)
		if (*c & 0x80)
			*c = '?';
	return json_string(plain);
}

static struct answer answer_error(unsigned status, const char *format, ...) __attribute__((format(printf, 2, 3)));

static struct answer answer_error(unsigned status, const char *format, ...)
{
	char message[API_WHY_MAX];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	return (struct answer){.status = status,
			       .json = json_pack("{ss so}", "status", "error", "message", any_string(message))};
}

static struct answer answer_done(int error, const char *message, const char *why)
{
	switch (error) {
	case 0:
		return (struct answer){.status = MHD_HTTP_OK,
				       .json = json_pack("{ss ss}", "status", "success", "message", message)};
	case -ENOENT:
		return answer_error(MHD_HTTP_NOT_FOUND, "%s", why);
	case -EALREADY:
	case -EBUSY:
		return answer_error(MHD_HTTP_CONFLICT, "%s", why);
	case -ERANGE:
	case -EINVAL:
		return answer_error(MHD_HTTP_BAD_REQUEST, "%s", why);
	default:
		return answer_error(MHD_HTTP_INTERNAL_SERVER_ERROR, "%s", why);
	}
}

static struct answer answer_json(json_t *json, const char *what)
{
	if (!json)
		return answer_error(MHD_HTTP_INTERNAL_SERVER_ERROR, "%s could not be read; try again", what);
	return (struct answer){.status = MHD_HTTP_OK, .json = json};
}

/* Takes over `text`. */
static struct answer answer_text(char *text, size_t length, const char *type, const char *what)
{
	if (!text)
		return answer_error(MHD_HTTP_INTERNAL_SERVER_ERROR, "%s could not be read; try again", what);
	return (struct answer){.status = MHD_HTTP_OK, .text = text, .length = length, .type = type};
}

/* ---- routes: on the agent's thread ---- */

/* A member of the body that may be missing; what is there is of the right type. */
static const char *text_of(const struct call *call, const char *key)
{
	return json_string_value(json_object_get(call->body, key));
}

static struct answer get_dump(struct api *api, const struct call *call)
{
	(void)call;
	return answer_json(api->handlers.dump(api->handlers.context), "the kernel's counters");
}

static struct answer get_releases(struct api *api, const struct call *call)
{
	(void)call;
	return answer_json(api->handlers.releases(api->handlers.context), "the releases");
}

static struct answer get_latency(struct api *api, const struct call *call)
{
	(void)call;
	return answer_json(api->handlers.latency(api->handlers.context), "the latencies");
}

static struct answer get_page(struct api *api, const struct call *call)
{
	(void)api;
	(void)call;
	return (struct answer){.status = MHD_HTTP_OK, .page = web_page(), .type = "text/html; charset=utf-8"};
}

static struct answer get_history(struct api *api, const struct call *call)
{
	const char *release = *call->release ? call->release : NULL;

	return answer_json(api->handlers.history(api->handlers.context, release, call->limit ? call->limit : HISTORY_DEFAULT),
			   "the history");
}

static struct answer get_series(struct api *api, const struct call *call)
{
	char why[API_WHY_MAX] = "";
	json_t *series = NULL;
	int r = api->handlers.series(api->handlers.context, *call->release ? call->release : NULL, call->limit, &series, why);

	return r < 0 ? answer_done(r, "", why) : answer_json(series, "the series");
}

static struct answer get_metrics(struct api *api, const struct call *call)
{
	char *text = NULL;
	size_t length = 0;

	if (api->handlers.metrics(api->handlers.context, call->format, &text, &length) < 0)
		text = NULL;
	return answer_text(text, length, exposition_content_type(call->format), "the kernel's counters");
}

/* It comes from the agent's thread: so it says that the agent's loop goes round. */
static struct answer get_health(struct api *api, const struct call *call)
{
	(void)api;
	(void)call;
	return answer_json(json_pack("{ss}", "status", "success"), "health");
}

static struct answer get_ready(struct api *api, const struct call *call)
{
	char why[API_WHY_MAX] = "";

	(void)call;
	if (!api->handlers.ready(api->handlers.context, why))
		return answer_error(MHD_HTTP_SERVICE_UNAVAILABLE, "%s", why);
	return answer_json(json_pack("{ss}", "status", "success"), "readiness");
}

static struct answer post_gray_release(struct api *api, const struct call *call)
{
	double percentage = json_real_value(json_object_get(call->body, "percentage"));
	char why[API_WHY_MAX] = "";
	int r;

	if (!(percentage >= 0 && percentage <= 100))
		return answer_error(MHD_HTTP_BAD_REQUEST, "percentage must be from 0 to 100");
	r = api->handlers.order(api->handlers.context, SERIN_ORDER_WEIGHT, text_of(call, "release"), text_of(call, "version"),
				(uint32_t)lround(percentage * 100), why);
	return answer_done(r, "Gray release started successfully.", why);
}

static struct answer post_monitor(struct api *api, const struct call *call)
{
	const char *release = text_of(call, "release"), *version = text_of(call, "version"), *name;
	char why[API_WHY_MAX] = "";
	json_t *value;
	int r = 0;

	json_object_foreach(call->body, name, value) {
		if (r == 0 && json_is_real(value))
			r = api->handlers.monitor(api->handlers.context, release, version, name, json_real_value(value), why);
	}
	return answer_done(r, "Monitoring data sent successfully.", why);
}

static struct answer order(struct api *api, const struct call *call, enum serin_order order, const char *done)
{
	char why[API_WHY_MAX] = "";

	return answer_done(api->handlers.order(api->handlers.context, order, call->name, NULL, 0, why), done, why);
}

static struct answer post_promote(struct api *api, const struct call *call)
{
	if (json_is_true(json_object_get(call->body, "full")))
		return order(api, call, SERIN_ORDER_PROMOTE_FULL, "Promoted to all traffic.");
	return order(api, call, SERIN_ORDER_PROMOTE, "Promoted.");
}

static struct answer post_pause(struct api *api, const struct call *call)
{
	return order(api, call, SERIN_ORDER_PAUSE, "Paused.");
}

static struct answer post_resume(struct api *api, const struct call *call)
{
	return order(api, call, SERIN_ORDER_RESUME, "Resumed.");
}

static struct answer post_abort(struct api *api, const struct call *call)
{
	return order(api, call, SERIN_ORDER_ABORT, "Canary taken out.");
}

static struct answer post_retry(struct api *api, const struct call *call)
{
	return order(api, call, SERIN_ORDER_RETRY, "Started again.");
}

static const struct body_key no_keys[] = {{}};
static const struct body_key gray_release_keys[] = {{"release", BODY_NAME, false}, {"version", BODY_NAME, false},
					       {"percentage", BODY_NUMBER, true}, {}};
static const struct body_key monitor_keys[] = {{"release", BODY_NAME, false}, {"version", BODY_NAME, false},
					      {NULL, BODY_NUMBER, false}};
static const struct body_key promote_keys[] = {{"full", BODY_BOOLEAN, false}, {}};

/* "*" in a path stands for the name of a release: what is between `before` and `after`. */
static const struct route {
	const char *method, *before, *after;
	struct answer (*run)(struct api *api, const struct call *call);
	const struct body_key *keys;
	bool is_open; /* to callers without the token */
	bool has_query;
} routes[] = {
	{"GET", "/api/dump", NULL, get_dump, no_keys, false, false},
	{"GET", "/api/releases", NULL, get_releases, no_keys, false, false},
	{"GET", "/api/history", NULL, get_history, no_keys, false, true},
	{"GET", "/api/series", NULL, get_series, no_keys, false, true},
	{"GET", "/metrics", NULL, get_metrics, no_keys, false, false},
	{"GET", "/api/latency", NULL, get_latency, no_keys, false, false},
	{"GET", "/", NULL, get_page, no_keys, true, false},
	{"GET", "/healthz", NULL, get_health, no_keys, true, false},
	{"GET", "/readyz", NULL, get_ready, no_keys, true, false},
	{"POST", "/api/gray_release", NULL, post_gray_release, gray_release_keys, false, false},
	{"POST", "/api/monitor", NULL, post_monitor, monitor_keys, false, false},
	{"POST", "/api/releases/", "/promote", post_promote, promote_keys, false, false},
	{"POST", "/api/releases/", "/pause", post_pause, no_keys, false, false},
	{"POST", "/api/releases/", "/resume", post_resume, no_keys, false, false},
	{"POST", "/api/releases/", "/abort", post_abort, no_keys, false, false},
	{"POST", "/api/releases/", "/retry", post_retry, no_keys, false, false},
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
	return config_is_name(ret_name);
}

static const struct route *find_route(const char *url, char ret_name[SERIN_NAME_MAX])
{
	for (size_t i = 0; i < ARRAY_SIZE(routes); i++)
		if (fits(&routes[i], url, ret_name))
			return &routes[i];
	return NULL;
}

/* ---- bodies and queries: on the socket's thread. 0, or -EINVAL with ret_why ---- */

static int refuse(char ret_why[API_WHY_MAX], const char *format, ...) __attribute__((format(printf, 2, 3)));

static int refuse(char ret_why[API_WHY_MAX], const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(ret_why, API_WHY_MAX, format, arguments);
	va_end(arguments);
	return -EINVAL;
}

static int parse_body(struct call *call, char ret_why[API_WHY_MAX])
{
	return body_parse(call->text, call->length, call->route->keys, &call->body, ret_why);
}

static int parse_limit(const char *text, unsigned *ret)
{
	unsigned long limit = 0;

	for (const char *c = text; *c; c++) {
		if (*c < '0' || *c > '9' || limit > HISTORY_MAX)
			return -EINVAL;
		limit = limit * 10 + (unsigned long)(*c - '0');
	}
	if (limit < 1 || limit > HISTORY_MAX)
		return -EINVAL;
	*ret = (unsigned)limit;
	return 0;
}

struct query {
	struct call *call;
	char *why; /* API_WHY_MAX bytes; empty while all is well */
};

static enum MHD_Result take_argument(void *context, enum MHD_ValueKind kind, const char *key, const char *value)
{
	const struct query *query = context;
	struct call *call = query->call;

	(void)kind;
	value = value ? value : "";
	if (!strcmp(key, "release") && !*call->release) {
		if (config_is_name(value))
			memcpy(call->release, value, strlen(value) + 1);
		else
			refuse(query->why, "release cannot be '%.64s': names are 1 to 63 of A-Z a-z 0-9 and . _ : @ + -", value);
	} else if (!strcmp(key, "limit") && !call->limit) {
		if (parse_limit(value, &call->limit) < 0)
			refuse(query->why, "limit must be from 1 to %d, not '%.64s'", HISTORY_MAX, value);
	} else {
		refuse(query->why, "the query takes release and limit, each once, not '%.64s'", key);
	}
	return *query->why ? MHD_NO : MHD_YES;
}

static int parse_query(struct call *call, char ret_why[API_WHY_MAX])
{
	struct query query = {call, ret_why};

	if (!call->route->has_query)
		return 0;
	ret_why[0] = '\0';
	MHD_get_connection_values(call->connection, MHD_GET_ARGUMENT_KIND, take_argument, &query);
	return *ret_why ? -EINVAL : 0;
}

/* ---- a request that is whole ---- */

static struct answer answer_options(const struct route *route)
{
	return (struct answer){.status = MHD_HTTP_NO_CONTENT,
			       .allow = !strcmp(route->method, "GET") ? "GET, HEAD, OPTIONS" : "POST, OPTIONS"};
}

static struct answer answer_wrong_method(const struct route *route)
{
	struct answer answer = answer_error(MHD_HTTP_METHOD_NOT_ALLOWED, "this path takes %s", route->method);

	answer.allow = answer_options(route).allow;
	return answer;
}

/* JSON takes many times what its text does: it is not kept until the answer has been sent. */
static void forget_body(struct call *call)
{
	json_decref(call->body);
	free(call->text);
	call->body = NULL;
	call->text = NULL;
	call->length = 0;
}

/* Whether it is something to bother the agent with. If not, *ret is the answer. */
static bool examine(struct call *call, const char *method, struct answer *ret)
{
	char why[API_WHY_MAX];

	if (!strcmp(method, "HEAD")) /* the library leaves the body out */
		method = "GET";
	if (call->refused) {
		*ret = answer_error(MHD_HTTP_UNAUTHORIZED, "this needs the header Authorization: Bearer TOKEN, with the "
							   "token of the agent's token_file");
		ret->challenge = true;
	} else if (call->swallowed) {
		*ret = answer_error(MHD_HTTP_CONTENT_TOO_LARGE, "the body is longer than 64 KiB");
	} else if (!call->route) {
		*ret = answer_error(MHD_HTTP_NOT_FOUND, "no such path");
	} else if (!strcmp(method, "OPTIONS")) {
		*ret = answer_options(call->route);
	} else if (strcmp(method, call->route->method)) {
		*ret = answer_wrong_method(call->route);
	} else if (parse_query(call, why) < 0 || parse_body(call, why) < 0) {
		*ret = answer_error(MHD_HTTP_BAD_REQUEST, "%s", why);
	} else {
		return true;
	}
	return false;
}

/* ---- to the agent's thread and back ---- */

static bool hand_over(struct api *api, struct call *call)
{
	bool stopping;

	pthread_mutex_lock(&api->lock);
	stopping = api->stopping;
	if (!stopping) {
		call->caller->waits = true;
		MHD_suspend_connection(call->connection);
		call->next = NULL;
		*api->last = call;
		api->last = &call->next;
		eventfd_write(api->wake, 1);
	}
	pthread_mutex_unlock(&api->lock);
	return !stopping;
}

static struct call *take_call(struct api *api)
{
	struct call *call;

	pthread_mutex_lock(&api->lock);
	call = api->first;
	if (call) {
		api->first = call->next;
		if (!api->first)
			api->last = &api->first;
	}
	pthread_mutex_unlock(&api->lock);
	return call;
}

/* From here on it is its socket's thread's again. */
static void hand_back(struct call *call, struct answer answer)
{
	call->answer = answer;
	call->answered = true;
	MHD_resume_connection(call->connection);
}

static void leave_note(struct api *api, const char *note)
{
	pthread_mutex_lock(&api->lock);
	snprintf(api->note, sizeof(api->note), "%s", note);
	eventfd_write(api->wake, 1);
	pthread_mutex_unlock(&api->lock);
}

static void warn(const struct api *api, const char *text)
{
	if (*text && api->handlers.warn)
		api->handlers.warn(api->handlers.context, text);
}

static void pass_note(struct api *api)
{
	char note[sizeof(api->note)];

	pthread_mutex_lock(&api->lock);
	memcpy(note, api->note, sizeof(note));
	api->note[0] = '\0';
	pthread_mutex_unlock(&api->lock);
	warn(api, note);
}

void api_run(struct api *api)
{
	uint64_t until = util_now() + RUN_NS;
	struct call *call;
	eventfd_t count;

	eventfd_read(api->wake, &count);
	pass_note(api);
	while ((call = take_call(api))) {
		hand_back(call, call->route->run(api, call));
		if (util_now() < until)
			continue;
		eventfd_write(api->wake, 1); /* there may be more, after what else the agent has to do */
		return;
	}
}

/* ---- libmicrohttpd: on the socket's thread ---- */

/* %00 would end the text for everyone who reads it after. It is left as it is, and then is in no path and no name. */
static size_t unescape(void *context, struct MHD_Connection *connection, char *text)
{
	char *to = text;
	unsigned byte;

	(void)context;
	(void)connection;
	for (const char *from = text; *from;) {
		if (from[0] == '%' && strspn(from + 1, "0123456789abcdefABCDEF") >= 2 && sscanf(from + 1, "%2x", &byte) == 1 &&
		    byte) {
			*to++ = (char)byte;
			from += 3;
		} else {
			*to++ = *from++;
		}
	}
	*to = '\0';
	return (size_t)(to - text);
}

/* A text is the answer's until the library has it. */
static struct MHD_Response *make_response(struct answer *answer)
{
	static char no_memory[] = "{\"status\":\"error\",\"message\":\"out of memory\"}";
	char *text;

	if (answer->status == MHD_HTTP_NO_CONTENT)
		return MHD_create_response_from_buffer(0, no_memory, MHD_RESPMEM_PERSISTENT);
	if (answer->page)
		return MHD_create_response_from_buffer(answer->page->length, (void *)answer->page->text, MHD_RESPMEM_PERSISTENT);
	if (answer->text)
		return MHD_create_response_from_buffer(answer->length, TAKE_PTR(answer->text), MHD_RESPMEM_MUST_FREE);
	/* 15 digits: points in time are told to the millisecond. */
	text = json_dumps(answer->json, JSON_COMPACT | JSON_REAL_PRECISION(15));
	if (!text)
		return MHD_create_response_from_buffer(strlen(no_memory), no_memory, MHD_RESPMEM_PERSISTENT);
	return MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
}

static enum MHD_Result send_answer(struct MHD_Connection *connection, struct answer *answer)
{
	bool empty = answer->status == MHD_HTTP_NO_CONTENT, whole = empty || answer->json || answer->text || answer->page;
	struct MHD_Response *response = make_response(answer);
	enum MHD_Result result;

	if (!response)
		return MHD_NO;
	if (!empty)
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer->type ? answer->type : "application/json");
	MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	for (const struct web_header *h = answer->page ? answer->page->headers : NULL; h && h->name; h++)
		MHD_add_response_header(response, h->name, h->value);
	if (answer->allow)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, answer->allow);
	if (answer->challenge)
		MHD_add_response_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
	result = MHD_queue_response(connection, whole ? answer->status : MHD_HTTP_INTERNAL_SERVER_ERROR, response);
	MHD_destroy_response(response);
	return result;
}

/* Bytes of a body. What is not wanted is read all the same, within measure, and forgotten. */
static enum MHD_Result take_body(struct call *call, const char *data, size_t size)
{
	char *longer = NULL;

	if (!call->swallowed && !call->refused && call->length + size <= BODY_MAX)
		longer = realloc(call->text, call->length + size);
	if (!longer) {
		call->swallowed += size;
		return call->swallowed > SWALLOWED_MAX ? MHD_NO : MHD_YES;
	}
	memcpy(longer + call->length, data, size);
	call->text = longer;
	call->length += size;
	return MHD_YES;
}

static bool is_open(const struct api *api, const struct route *route)
{
	return route && (route->is_open || (api->open_metrics && route->run == get_metrics));
}

static bool may_pass(struct door *door, const struct call *call)
{
	char note[TOKEN_WHY_MAX];
	bool passes;

	if (!door->token || is_open(door->api, call->route))
		return true;
	passes = token_check(door->token, MHD_lookup_connection_value(call->connection, MHD_HEADER_KIND,
								      MHD_HTTP_HEADER_AUTHORIZATION), note);
	if (*note)
		leave_note(door->api, note);
	return passes;
}

static enum MHD_Result begin_call(struct door *door, struct MHD_Connection *connection, const char *url, void **state)
{
	struct caller *caller = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
	struct call *call = caller ? calloc(1, sizeof(*call)) : NULL;

	if (!call)
		return MHD_NO;
	call->connection = connection;
	call->caller = caller;
	call->route = find_route(url, call->name);
	call->format = exposition_format_for(MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT));
	call->refused = !may_pass(door, call);
	*state = call;
	return MHD_YES;
}

/* Called once with the head, once for each part of the body, once at its end, and once more when it was suspended. */
static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url, const char *method,
				  const char *version, const char *data, size_t *size, void **state)
{
	struct door *door = context;
	struct call *call = *state;

	(void)version;
	if (!call)
		return begin_call(door, connection, url, state);
	if (*size) {
		enum MHD_Result result = take_body(call, data, *size);

		*size = 0;
		return result;
	}
	if (!call->answered && examine(call, method, &call->answer)) {
		if (hand_over(door->api, call))
			return MHD_YES;
		call->answer = answer_error(MHD_HTTP_SERVICE_UNAVAILABLE, "the agent is stopping");
	}
	forget_body(call);
	call->caller->waits = false;
	return send_answer(connection, &call->answer);
}

static void on_completed(void *context, struct MHD_Connection *connection, void **state,
			 enum MHD_RequestTerminationCode why)
{
	struct call *call = *state;

	(void)context;
	(void)connection;
	(void)why;
	if (!call)
		return;
	call->caller->since_ns = util_now();
	forget_body(call);
	json_decref(call->answer.json);
	free(call->answer.text);
	free(call);
	*state = NULL;
}

/* Too many: the one that has been about its request for longest has to go. Slow ones thus never keep others out. */
static void make_room(struct door *door)
{
	struct caller *oldest = NULL;
	unsigned n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(door->callers); i++) {
		struct caller *caller = &door->callers[i];

		if (caller->fd < 0 || caller->ends)
			continue;
		n++;
		if (!caller->waits && (!oldest || caller->since_ns < oldest->since_ns))
			oldest = caller;
	}
	if (n < CONNECTIONS_MAX || !oldest)
		return;
	oldest->ends = true;
	shutdown(oldest->fd, SHUT_RDWR); /* the library sees its end and closes it */
}

static struct caller *add_caller(struct door *door, int fd)
{
	for (size_t i = 0; i < ARRAY_SIZE(door->callers); i++) {
		struct caller *caller = &door->callers[i];

		if (caller->fd >= 0)
			continue;
		*caller = (struct caller){.fd = fd, .since_ns = util_now()};
		return caller;
	}
	return NULL; /* not to be: the library takes no more than there are places */
}

static void on_connection(void *context, struct MHD_Connection *connection, void **caller,
			  enum MHD_ConnectionNotificationCode code)
{
	struct door *door = context;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		make_room(door);
		*caller = add_caller(door, MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd);
	} else if (*caller) {
		((struct caller *)*caller)->fd = -1;
	}
}

/* ---- start and end ---- */

static int listen_tcp(const struct serin_endpoint *endpoint, char ret_why[API_WHY_MAX])
{
	char text[ENDPOINT_TEXT_MAX];
	int fd = sockets_listen_tcp(endpoint, CONNECTIONS_MAX);

	if (fd >= 0)
		return fd;
	endpoint_format(endpoint, text);
	snprintf(ret_why, API_WHY_MAX, "the API cannot listen on %s: %s; %s", text, strerror(-fd),
		 fd == -EADDRINUSE ? "give it another port" : "give it an address of this node");
	return fd;
}

struct tls {
	char *certificate, *key; /* PEM; NULL: no TLS */
};

static void forget_tls(struct tls *tls)
{
	if (tls->key)
		explicit_bzero(tls->key, strlen(tls->key));
	free(tls->key);
	free(tls->certificate);
}

static int read_pem(const char *what, const char *path, const char *mark, char **ret, char ret_why[API_WHY_MAX])
{
	size_t length;
	int r = util_read_file(path, PEM_MAX, ret, &length);

	if (r < 0) {
		snprintf(ret_why, API_WHY_MAX, "the API's %s %s cannot be read: %s", what, path,
			 r == -EINVAL ? "it is no regular file" : strerror(-r));
		return r;
	}
	if (strstr(*ret, mark))
		return 0;
	snprintf(ret_why, API_WHY_MAX, "the API's %s %s has no '%s' in it; give a PEM file, the key without a password", what, path,
		 mark);
	return -EINVAL;
}

static int read_tls(const struct serin_api_config *tcp, struct tls *ret, char ret_why[API_WHY_MAX])
{
	int r;

	if (!*tcp->certificate_file && !*tcp->key_file)
		return 0;
	if (!*tcp->certificate_file || !*tcp->key_file)
		return refuse(ret_why, "TLS needs both certificate_file and key_file; give both or none");
	if (MHD_is_feature_supported(MHD_FEATURE_TLS) != MHD_YES)
		return refuse(ret_why, "this libmicrohttpd was built without TLS; leave certificate_file and key_file out");
	r = read_pem("certificate_file", tcp->certificate_file, "-----BEGIN CERTIFICATE-----", &ret->certificate, ret_why);
	return r < 0 ? r : read_pem("key_file", tcp->key_file, "PRIVATE KEY-----", &ret->key, ret_why);
}

/* Takes the socket over when it works. */
static int open_door(struct door *door, int fd, const struct tls *tls)
{
	struct MHD_OptionItem tls_options[] = {
		{MHD_OPTION_HTTPS_MEM_CERT, 0, tls->certificate},
		{MHD_OPTION_HTTPS_MEM_KEY, 0, tls->key},
		{MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)TLS_PRIORITIES},
		{MHD_OPTION_END, 0, NULL},
	};
	unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME;

	if (!tls->key)
		tls_options[0].option = MHD_OPTION_END;
	else
		flags |= MHD_USE_TLS;
	for (size_t i = 0; i < ARRAY_SIZE(door->callers); i++)
		door->callers[i].fd = -1;
	door->daemon = MHD_start_daemon(flags, 0, NULL, NULL, on_request, door, MHD_OPTION_LISTEN_SOCKET, fd,
					MHD_OPTION_CONNECTION_LIMIT, (unsigned)ARRAY_SIZE(door->callers),
					MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS,
					MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
					MHD_OPTION_NOTIFY_CONNECTION, on_connection, door,
					MHD_OPTION_UNESCAPE_CALLBACK, unescape, NULL,
					MHD_OPTION_ARRAY, tls_options, MHD_OPTION_END);
	return door->daemon ? 0 : -EIO;
}

static int start_local(struct api *api, const char *path, char ret_why[API_WHY_MAX])
{
	_cleanup_close_ int fd = sockets_listen_unix(path, CONNECTIONS_MAX);
	int r = fd < 0 ? fd : 0;

	if (r == 0) {
		snprintf(api->path, sizeof(api->path), "%s", path);
		r = open_door(&api->local, fd, &(struct tls){});
	}
	if (r == 0)
		TAKE_FD(fd);
	else
		snprintf(ret_why, API_WHY_MAX, "cannot listen on %s: %s", path, strerror(-r));
	return r;
}

static void warn_of_clear_text(const struct api *api, const struct serin_api_config *tcp, const struct tls *tls)
{
	char text[ENDPOINT_TEXT_MAX], sentence[API_WHY_MAX];

	if (tls->key || sockets_is_loopback(&tcp->listen))
		return;
	endpoint_format(&tcp->listen, text);
	snprintf(sentence, sizeof(sentence), "the API listens on %s without TLS: whoever sees the network sees the token; give "
					     "certificate_file and key_file, or listen on 127.0.0.1", text);
	warn(api, sentence);
}

static int start_remote(struct api *api, const struct serin_api_config *tcp, char ret_why[API_WHY_MAX])
{
	__attribute__((cleanup(forget_tls))) struct tls tls = {};
	_cleanup_close_ int fd = -1;
	int r;

	if (!*tcp->token_file)
		return refuse(ret_why, "the API on TCP needs a token_file; write one with `openssl rand -hex 32`, chmod 600");
	r = token_read(tcp->token_file, &api->token, ret_why);
	if (r == 0)
		r = read_tls(tcp, &tls, ret_why);
	if (r < 0)
		return r;
	fd = listen_tcp(&tcp->listen, ret_why);
	if (fd < 0)
		return fd;
	api->remote.token = &api->token;
	api->open_metrics = tcp->open_metrics;
	if (open_door(&api->remote, fd, &tls) < 0)
		return tls.key ? refuse(ret_why, "the API's certificate_file %.150s and key_file %.150s do not work together: one is "
						 "damaged, or the key is another certificate's", tcp->certificate_file, tcp->key_file)
			       : refuse(ret_why, "the API on TCP cannot start: no thread, or no memory");
	TAKE_FD(fd);
	warn_of_clear_text(api, tcp, &tls);
	return 0;
}

int api_start(const char *path, const struct serin_api_config *tcp, const struct api_handlers *handlers, struct api **ret,
	      char ret_why[API_WHY_MAX])
{
	struct api *api = calloc(1, sizeof(*api));
	int r;

	if (!api) {
		snprintf(ret_why, API_WHY_MAX, "no memory for the API");
		return -ENOMEM;
	}
	api->handlers = *handlers;
	api->local.api = api->remote.api = api;
	api->last = &api->first;
	pthread_mutex_init(&api->lock, NULL);
	api->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = api->wake < 0 ? -errno : 0;
	if (r < 0)
		snprintf(ret_why, API_WHY_MAX, "the API has no descriptor to wake the agent by: %s", strerror(-r));
	else
		r = start_local(api, path, ret_why);
	if (r == 0 && tcp && tcp->listen.port)
		r = start_remote(api, tcp, ret_why);
	if (r < 0) {
		api_stop(api);
		return r;
	}
	*ret = api;
	return 0;
}

/* The library must not be stopped while a connection is suspended. */
static void refuse_waiting(struct api *api)
{
	struct call *call;

	pthread_mutex_lock(&api->lock);
	api->stopping = true;
	pthread_mutex_unlock(&api->lock);
	while ((call = take_call(api)))
		hand_back(call, answer_error(MHD_HTTP_SERVICE_UNAVAILABLE, "the agent is stopping"));
}

void api_stop(struct api *api)
{
	if (!api)
		return;
	if (*api->path)
		unlink(api->path);
	refuse_waiting(api);
	if (api->remote.daemon)
		MHD_stop_daemon(api->remote.daemon); /* closes the socket too */
	if (api->local.daemon)
		MHD_stop_daemon(api->local.daemon);
	util_close(&api->wake);
	pthread_mutex_destroy(&api->lock);
	explicit_bzero(&api->token, sizeof(api->token));
	free(api);
}

unsigned api_fds(const struct api *api, int ret_fds[API_FDS])
{
	ret_fds[0] = api->wake;
	return 1;
}
