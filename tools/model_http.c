// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#define _GNU_SOURCE 1 /* POLLRDHUP */

#include "model_http.h"

#include "model_log.h"
#include "util.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>

#define BODY_MAX (1u << 20) /* bytes of a request */
#define BLOCK_SIZE 4096	    /* bytes of a response written at a time, at most */
#define CONNECTIONS_MAX 8192
#define STACK_SIZE (512u << 10)

struct call;
typedef enum MHD_Result serve_fn(struct call *call);

/* One request, from its headers to the end of its response. */
struct call {
	struct model_server *server;
	struct MHD_Connection *connection;
	const struct endpoint *endpoint; /* NULL: nothing is served there */
	serve_fn *serve;		 /* NULL: not with this method */
	struct faults faults;		 /* as they were when the request was complete */
	bool cut, stalled, logged;
	unsigned status;
	size_t length;
	bool too_long;
	char body[];
};

struct endpoint {
	const char *path;
	serve_fn *get, *post; /* NULL: not with this method */
	bool model;	      /* faults apply; and the control daemon does not serve it */
};

/* What a daemon is started with, so that a request knows by which it came. */
struct door {
	struct model_server *server;
	bool control;
};

/* Waiting: every wait ends when the server stops, and when the client is gone. */

static int client_fd(const struct call *call)
{
	return MHD_get_connection_info(call->connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
}

static const union address *peer_of(struct MHD_Connection *connection)
{
	return (const union address *)MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
}

/* Waits for that long, -1: for ever. False when ended before: by the server's stop, the client's reset or `events`. */
static bool wait_ms(const struct call *call, double ms, short events)
{
	struct pollfd fds[] = {{.fd = call->server->stop, .events = POLLIN}, {.fd = client_fd(call), .events = events}};
	struct timespec timeout = {(time_t)(ms / 1e3), (long)((ms - 1e3 * (double)(time_t)(ms / 1e3)) * 1e6)};

	return ppoll(fds, ARRAY_SIZE(fds), ms < 0.0 ? NULL : &timeout, NULL) == 0;
}

/* Holds the connection until the client closes it, even one way: it has not been answered and will not be. */
static void stall(struct call *call)
{
	call->stalled = true;
	atomic_fetch_sub(&call->server->in_flight, 1);
	wait_ms(call, -1.0, POLLRDHUP);
}

/* Answering */

/* Sends the first half of a body whose length has been announced, then nothing: the connection is closed. */
static ssize_t read_half(void *cls, uint64_t position, char *buffer, size_t max)
{
	const char *body = cls;
	size_t half = (strlen(body) + 1) / 2, length;

	if (position >= half)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	length = half - position < max ? half - position : max;
	memcpy(buffer, body + position, length);
	return (ssize_t)length;
}

static struct MHD_Response *body_response(const struct call *call, char *body)
{
	size_t length = strlen(body);

	if (call->cut)
		return MHD_create_response_from_callback(length, BLOCK_SIZE, read_half, body, free);
	return MHD_create_response_from_buffer(length, body, MHD_RESPMEM_MUST_FREE);
}

static const char *allowed_methods(const struct endpoint *endpoint)
{
	if (!endpoint->get)
		return "POST";
	return endpoint->post ? "GET, HEAD, POST" : "GET, HEAD";
}

static enum MHD_Result queue(struct call *call, unsigned status, struct MHD_Response *response, const char *type)
{
	enum MHD_Result ret;

	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, allowed_methods(call->endpoint));
	if (atomic_load(&call->server->draining))
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
	ret = MHD_queue_response(call->connection, status, response);
	MHD_destroy_response(response);
	call->status = status;
	return ret;
}

/* Takes the JSON; without any (out of memory) the connection is closed. */
static enum MHD_Result answer(struct call *call, unsigned status, json_t *json)
{
	_cleanup_free_ char *body = json ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(6)) : NULL;
	struct MHD_Response *response;

	json_decref(json);
	if (!body)
		return MHD_NO;
	response = body_response(call, body);
	if (!response)
		return MHD_NO;
	TAKE_PTR(body);
	return queue(call, status, response, "application/json");
}

static enum MHD_Result answer_error(struct call *call, unsigned status, const char *message)
{
	return answer(call, status, api_error(status, message));
}

/* Streaming */

struct stream {
	struct call *call; /* outlives the stream: MHD frees the response before it completes the request */
	struct completion completion;
	size_t cut_after; /* pieces; 0: all are sent */
	bool ended;
};

/* Writes "data: JSON\n\n"; its length, 0 when it does not fit. */
static size_t write_event(json_t *chunk, char *buffer, size_t max)
{
	static const char prefix[] = "data: ", suffix[] = "\n\n";
	size_t at = sizeof(prefix) - 1, length;

	if (max < sizeof(prefix) + sizeof(suffix))
		return 0;
	length = json_dumpb(chunk, buffer + at, max - sizeof(prefix) - sizeof(suffix), JSON_COMPACT);
	if (length == 0 || length > max - sizeof(prefix) - sizeof(suffix))
		return 0;
	memcpy(buffer, prefix, at);
	memcpy(buffer + at + length, suffix, sizeof(suffix) - 1);
	return at + length + sizeof(suffix) - 1;
}

/* What one call of this returns goes out as one HTTP chunk, so a piece is sent as soon as it is generated. */
static ssize_t read_stream(void *cls, uint64_t position, char *buffer, size_t max)
{
	static const char done[] = "data: [DONE]\n\n";
	struct stream *stream = cls;
	struct call *call = stream->call;
	json_t *chunk;
	size_t length;

	if (stream->ended)
		return MHD_CONTENT_READER_END_OF_STREAM;
	if (stream->cut_after > 0 && stream->completion.n_pieces == stream->cut_after)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (position > 0 && call->faults.chunk_delay_ms > 0.0 && !wait_ms(call, call->faults.chunk_delay_ms, 0))
		return MHD_CONTENT_READER_END_WITH_ERROR;

	if (max < sizeof(done))
		return MHD_CONTENT_READER_END_WITH_ERROR;
	chunk = completion_next(&stream->completion, &call->server->model);
	if (!chunk) {
		stream->ended = true;
		memcpy(buffer, done, sizeof(done) - 1);
		return sizeof(done) - 1;
	}
	length = write_event(chunk, buffer, max);
	json_decref(chunk);
	return length > 0 ? (ssize_t)length : MHD_CONTENT_READER_END_WITH_ERROR;
}

static enum MHD_Result answer_stream(struct call *call, const struct completion *completion)
{
	struct stream *stream = calloc(1, sizeof(*stream));
	struct MHD_Response *response;

	if (!stream)
		return MHD_NO;
	stream->call = call;
	stream->completion = *completion;
	stream->cut_after = call->cut ? (completion->n_wanted + 1) / 2 : 0;
	response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_SIZE, read_stream, stream, free);
	if (!response) {
		free(stream);
		return MHD_NO;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-cache");
	return queue(call, MHD_HTTP_OK, response, "text/event-stream");
}

/* Endpoints */

static enum MHD_Result serve_text(struct call *call, const struct dialect *dialect)
{
	struct model *model = &call->server->model;
	json_t *request = json_loadb(call->body, call->length, 0, NULL);
	struct completion completion;
	unsigned status;
	const char *wrong;

	wrong = completion_read(&completion, model, dialect, request, &status);
	json_decref(request);
	if (wrong)
		return answer_error(call, status, wrong);
	if (completion.stream)
		return answer_stream(call, &completion);
	return answer(call, MHD_HTTP_OK, completion_finish(&completion, model));
}

static enum MHD_Result serve_completions(struct call *call)
{
	return serve_text(call, &dialect_completions);
}

static enum MHD_Result serve_chat(struct call *call)
{
	return serve_text(call, &dialect_chat);
}

static enum MHD_Result serve_classify(struct call *call)
{
	json_t *request = json_loadb(call->body, call->length, 0, NULL), *result = NULL;
	const char *wrong;
	unsigned status;

	wrong = api_classify(&call->server->model, request, &result, &status);
	json_decref(request);
	return wrong ? answer_error(call, status, wrong) : answer(call, MHD_HTTP_OK, result);
}

static enum MHD_Result serve_models(struct call *call)
{
	return answer(call, MHD_HTTP_OK, api_models(&call->server->model));
}

static enum MHD_Result serve_health(struct call *call)
{
	const struct model *model = &call->server->model;

	return answer(call, MHD_HTTP_OK,
		      json_pack("{s:s, s:s, s:s}", "status", "ok", "model", model->name, "version", model->version));
}

enum listener_state model_http_listener_state(const struct faults *faults)
{
	if (faults->refuse)
		return LISTENER_CLOSED;
	return faults->no_accept ? LISTENER_HOLDING : LISTENER_ACCEPTING;
}

static enum MHD_Result show_faults(struct call *call)
{
	struct faults faults;

	pthread_mutex_lock(&call->server->lock);
	faults = call->server->faults;
	pthread_mutex_unlock(&call->server->lock);
	return answer(call, MHD_HTTP_OK, faults_to_json(&faults));
}

static void log_faults(const struct model_server *server)
{
	json_t *object = faults_to_json(&server->faults);
	_cleanup_free_ char *text = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(6));

	json_decref(object);
	model_log(server->log, "fault", NULL, "%s", text ?: "");
}

/* Sets the faults together with the listener. 0, or a status with the reason in `why`. */
static unsigned set_faults(struct model_server *server, json_t *object, char why[FAULTS_WHY_MAX])
{
	struct faults faults;
	unsigned status = 0;

	pthread_mutex_lock(&server->lock);
	faults = server->faults;
	if (faults_update(&faults, object, why) < 0) {
		status = MHD_HTTP_BAD_REQUEST;
	} else if (listener_change(&server->listener, model_http_listener_state(&faults)) < 0) {
		snprintf(why, FAULTS_WHY_MAX, "the listener cannot be opened again: is its port in use?");
		status = MHD_HTTP_CONFLICT;
	} else {
		server->faults = faults;
		log_faults(server);
	}
	pthread_mutex_unlock(&server->lock);
	if (status == 0 && faults.crash)
		abort();
	return status;
}

static enum MHD_Result change_faults(struct call *call)
{
	json_t *object = json_loadb(call->body, call->length, 0, NULL);
	char why[FAULTS_WHY_MAX];
	unsigned status;

	status = set_faults(call->server, object, why);
	json_decref(object);
	if (status)
		return answer_error(call, status, why);
	return show_faults(call);
}

static const struct endpoint endpoints[] = {
	{.path = "/v1/completions", .post = serve_completions, .model = true},
	{.path = "/v1/chat/completions", .post = serve_chat, .model = true},
	{.path = "/v1/classify", .post = serve_classify, .model = true},
	{.path = "/v1/models", .get = serve_models, .model = true},
	{.path = "/health", .get = serve_health},
	{.path = "/fault", .get = show_faults, .post = change_faults},
};

static void route(struct call *call, bool control, const char *method, const char *path)
{
	for (size_t i = 0; i < ARRAY_SIZE(endpoints); i++) {
		if (strcmp(endpoints[i].path, path) == 0 && !(control && endpoints[i].model))
			call->endpoint = &endpoints[i];
	}
	if (!call->endpoint)
		return;
	/* HEAD is GET without the body, which MHD leaves out. */
	if (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0)
		call->serve = call->endpoint->get;
	else if (strcmp(method, "POST") == 0)
		call->serve = call->endpoint->post;
}

/* Faults */

static bool happens(struct call *call, double rate)
{
	return rate > 0.0 && model_uniform(&call->server->model) < rate;
}

/* Lets a model endpoint misbehave as the faults say, or serves it. */
static enum MHD_Result serve_with_faults(struct call *call)
{
	const struct faults *faults = &call->faults;
	struct model *model = &call->server->model;
	double delay = faults->delay_ms + faults->delay_random_ms * model_uniform(model);
	bool fails;

	if (delay > 0.0 && !wait_ms(call, delay, 0))
		return MHD_NO;
	if (happens(call, faults->crash_rate))
		abort();
	if (happens(call, faults->stall_rate)) {
		stall(call);
		return MHD_NO;
	}
	fails = happens(call, faults->error_rate);
	call->cut = !fails && happens(call, faults->close_rate);
	if (faults->burn_ms > 0.0)
		model_burn(model, faults->burn_ms);
	return fails ? answer_error(call, MHD_HTTP_INTERNAL_SERVER_ERROR, "the model failed") :
		       call->serve(call);
}

/* Answers a request that has come in completely. */
static enum MHD_Result serve(struct call *call)
{
	if (!call->endpoint)
		return answer_error(call, MHD_HTTP_NOT_FOUND, "there is no such endpoint");
	if (!call->serve)
		return answer_error(call, MHD_HTTP_METHOD_NOT_ALLOWED, "this endpoint does not take this method");
	if (call->too_long)
		return answer_error(call, MHD_HTTP_CONTENT_TOO_LARGE, "the body is longer than 1 MiB");
	if (!call->endpoint->model)
		return call->serve(call);
	pthread_mutex_lock(&call->server->lock);
	call->faults = call->server->faults;
	pthread_mutex_unlock(&call->server->lock);
	return serve_with_faults(call);
}

/* Requests as MHD brings them: headers, then the body in parts, then nothing more */

/* How much to make room for: what the headers announce, else (chunked) as much as is allowed. */
static size_t announced_length(struct MHD_Connection *connection)
{
	const char *text = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);

	if (text)
		return strtoull(text, NULL, 10); /* MHD has refused what is no number */
	return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_TRANSFER_ENCODING) ? BODY_MAX : 0;
}

static enum MHD_Result begin_call(const struct door *door, struct MHD_Connection *connection, const char *path,
				  const char *method, void **ret_call)
{
	size_t length = announced_length(connection);
	struct call *call = malloc(sizeof(*call) + (length < BODY_MAX ? length : BODY_MAX));

	if (!call)
		return MHD_NO;
	*call = (struct call){.server = door->server, .connection = connection, .too_long = length > BODY_MAX};
	route(call, door->control, method, path);
	call->logged = !door->control;
	if (call->logged)
		model_log(door->server->log, "request", peer_of(connection), "%.64s", path);
	atomic_fetch_add(&door->server->in_flight, 1);
	*ret_call = call;
	/* A response now, before the body is read, makes MHD close the connection after it. */
	return call->too_long ? serve(call) : MHD_YES;
}

static void collect_body(struct call *call, const char *data, size_t length)
{
	if (length > BODY_MAX - call->length)
		call->too_long = true;
	if (call->too_long)
		return;
	memcpy(call->body + call->length, data, length);
	call->length += length;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *path, const char *method,
				  const char *version, const char *data, size_t *length, void **call)
{
	(void)version;
	if (!*call)
		return begin_call(cls, connection, path, method, call);
	if (*length == 0)
		return serve(*call);
	collect_body(*call, data, *length);
	*length = 0;
	return MHD_YES;
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **ended,
			 enum MHD_RequestTerminationCode how)
{
	struct call *call = *ended;

	(void)cls;
	if (!call)
		return;
	if (!call->stalled)
		atomic_fetch_sub(&call->server->in_flight, 1);
	if (call->logged)
		model_log(call->server->log, "response", peer_of(connection), "%u%s", call->status,
			  how == MHD_REQUEST_TERMINATED_COMPLETED_OK ? "" : " cut");
	if (call->server->verbose)
		util_complain(0, "%s: %u%s", call->endpoint ? call->endpoint->path : "unknown path", call->status,
			      how == MHD_REQUEST_TERMINATED_COMPLETED_OK ? "" : ", not completed");
	free(call);
	*ended = NULL;
}

struct MHD_Daemon *model_http_start(struct model_server *server, int listen_fd, bool control,
				    unsigned keep_alive_seconds)
{
	static struct door doors[2]; /* one of each kind; they last as long as the process */
	unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_ITC;

	doors[control] = (struct door){.server = server, .control = control};
	/* MHD takes no descriptor, not even -1, for a daemon without a listener: the options end before it. */
	return MHD_start_daemon(flags | (listen_fd < 0 ? MHD_USE_NO_LISTEN_SOCKET : 0), 0, NULL, NULL, on_request,
				&doors[control], MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
				MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
				keep_alive_seconds, MHD_OPTION_THREAD_STACK_SIZE, (size_t)STACK_SIZE,
				listen_fd < 0 ? MHD_OPTION_END : MHD_OPTION_LISTEN_SOCKET, listen_fd, MHD_OPTION_END);
}
