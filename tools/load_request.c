// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#define _GNU_SOURCE 1 /* asprintf */

#include "load_request.h"

#include "util.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#define BODY_OWN_MAX 256

static const char *const prompts[] = {
	"This License applies to", "You may copy and distribute", "The source code for a work", "Each contributor grants",
	"A derivative work is",	   "The licenses for most",	  "Everyone is permitted to",	"No warranty is given for",
	"If you convey a copy of", "Such a notice shall be",	  "Permission to use this",	"In consideration of the",
	"The precise terms and",   "To protect your rights,",	  "The Covered Software is",	"A compilation of the",
};

#define HEAD_FORMAT "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: load\r\nAccept: */*\r\n"
#define BODY_HEAD_FORMAT "Content-Type: application/json\r\nContent-Length: %zu\r\n"

/* A whole message in memory the caller frees. */
static int make_message(const struct request_maker *maker, const char *body, size_t n_body, char **ret,
			size_t *ret_size)
{
	char *message;
	int head;

	head = asprintf(&message, HEAD_FORMAT BODY_HEAD_FORMAT "\r\n", maker->method, maker->target, maker->host,
			n_body);
	if (head < 0)
		return -ENOMEM;
	*ret = realloc(message, (size_t)head + n_body);
	if (!*ret) {
		free(message);
		return -ENOMEM;
	}
	memcpy(*ret + head, body, n_body);
	*ret_size = (size_t)head + n_body;
	return 0;
}

/* The given body with "stream": true in it. */
static int make_stream(struct request_maker *maker, const char *body, size_t n_body)
{
	json_t *object = json_loadb(body, n_body, 0, NULL);
	_cleanup_free_ char *text = NULL;

	if (json_is_object(object) && json_object_set_new(object, "stream", json_true()) == 0)
		text = json_dumps(object, JSON_COMPACT);
	json_decref(object);
	if (!text)
		return -EINVAL;
	return make_message(maker, text, strlen(text), &maker->stream, &maker->n_stream);
}

int request_maker_begin(struct request_maker *maker, const char *body, size_t n_body)
{
	int ret;

	maker->to_head = strcmp(maker->method, "HEAD") == 0;
	maker->own_body = !body && strcmp(maker->method, "POST") == 0;
	if (!body)
		return 0;
	ret = make_message(maker, body, n_body, &maker->plain, &maker->n_plain);
	if (ret == 0 && maker->stream_share > 0.0)
		ret = make_stream(maker, body, n_body);
	return ret;
}

void request_maker_end(struct request_maker *maker)
{
	free(maker->plain);
	free(maker->stream);
}

/* Writes a request without a body, or with one of ours, into the request's own memory. */
static void make_own(const struct request_maker *maker, bool stream, uint64_t random, struct request *request)
{
	char body[BODY_OWN_MAX] = "", body_head[64] = "";
	int n_body = 0;

	if (maker->own_body) {
		n_body = snprintf(body, sizeof(body),
				  "{\"prompt\":\"%s\",\"max_tokens\":%d,\"temperature\":0.8,\"seed\":%" PRIu64 "%s}",
				  prompts[random % ARRAY_SIZE(prompts)], stream ? 32 : 16, random >> 32,
				  stream ? ",\"stream\":true" : "");
		snprintf(body_head, sizeof(body_head), BODY_HEAD_FORMAT, (size_t)n_body);
	}
	request->length = (size_t)snprintf(request->own, sizeof(request->own), HEAD_FORMAT "%s\r\n%s", maker->method,
					   maker->target, maker->host, body_head, body);
	request->bytes = request->own;
}
_Static_assert(REQUEST_OWN_MAX > REQUEST_TARGET_MAX + BODY_OWN_MAX + 64 + 256, "a request of our own fits");

void request_make(const struct request_maker *maker, uint64_t *random, struct request *ret)
{
	bool stream = util_uniform(util_random(random)) < maker->stream_share;

	if (!maker->plain) {
		make_own(maker, stream, util_random(random), ret);
	} else {
		ret->bytes = stream ? maker->stream : maker->plain;
		ret->length = stream ? maker->n_stream : maker->n_plain;
	}
}
