// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "client.h"

#include "util.h"

#include <curl/curl.h>
#include <dlfcn.h>
#include <errno.h>
#include <string.h>

#define TIMEOUT_SECONDS 10
#define ANSWER_MAX (16 << 20)

struct buffer {
	char *data;
	size_t length;
};

/* The library brings forty others with it, three megabytes resident, of which the agent needs none: the first call loads it. */
static struct {
	CURL *(*init)(void);
	CURLcode (*setopt)(CURL *handle, CURLoption option, ...);
	CURLcode (*perform)(CURL *handle);
	CURLcode (*getinfo)(CURL *handle, CURLINFO info, ...);
	void (*cleanup)(CURL *handle);
} curl_easy;

static const struct {
	const char *name;
	void *function;
} functions[] = {
	{"curl_easy_init", &curl_easy.init},       {"curl_easy_setopt", &curl_easy.setopt},
	{"curl_easy_perform", &curl_easy.perform}, {"curl_easy_getinfo", &curl_easy.getinfo},
	{"curl_easy_cleanup", &curl_easy.cleanup},
};

static int load_library(void)
{
	static void *library;

	if (!library)
		library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
	if (!library)
		library = dlopen("libcurl-gnutls.so.4", RTLD_NOW | RTLD_LOCAL); /* Debian's other build of it */
	if (!library)
		return -ELIBACC;
	for (size_t i = 0; i < ARRAY_SIZE(functions); i++) {
		*(void **)functions[i].function = dlsym(library, functions[i].name);
		if (!*(void **)functions[i].function)
			return -ELIBACC;
	}
	return 0;
}

static size_t append(char *data, size_t size, size_t count, void *context)
{
	struct buffer *buffer = context;
	char *longer;

	size *= count;
	if (buffer->length + size > ANSWER_MAX)
		return 0;
	longer = realloc(buffer->data, buffer->length + size);
	if (!longer)
		return 0;
	memcpy(longer + buffer->length, data, size);
	buffer->data = longer;
	buffer->length += size;
	return size;
}

static int perform(CURL *curl, long *ret_status)
{
	switch (curl_easy.perform(curl)) {
	case CURLE_OK:
		curl_easy.getinfo(curl, CURLINFO_RESPONSE_CODE, ret_status);
		return 0;
	case CURLE_COULDNT_CONNECT:
		return -ENOTCONN;
	default:
		return -EPROTO;
	}
}

static int exchange(const char *url, const char *method, const char *socket, const char *body, unsigned seconds,
		    struct buffer *ret, long *ret_status)
{
	CURL *curl;
	int r = load_library();

	if (r < 0)
		return r;
	curl = curl_easy.init();
	if (!curl)
		return -ENOMEM;
	curl_easy.setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket);
	curl_easy.setopt(curl, CURLOPT_URL, url);
	curl_easy.setopt(curl, CURLOPT_TIMEOUT, (long)seconds);
	curl_easy.setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy.setopt(curl, CURLOPT_WRITEFUNCTION, append);
	curl_easy.setopt(curl, CURLOPT_WRITEDATA, ret);
	if (!strcmp(method, "POST"))
		curl_easy.setopt(curl, CURLOPT_POSTFIELDS, body ? body : "");
	r = perform(curl, ret_status);
	curl_easy.cleanup(curl);
	return r;
}

int client_call_within(const struct serin_paths *paths, const char *method, const char *path, const json_t *body,
		       unsigned seconds, json_t **ret_answer)
{
	_cleanup_free_ char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	struct buffer buffer = {};
	char url[256];
	long status = 0;
	json_t *answer;
	int r;

	if (access(paths->socket, F_OK) < 0)
		return errno == EACCES ? -EACCES : -ENOTCONN;
	if (access(paths->socket, R_OK | W_OK) < 0)
		return -EACCES;
	snprintf(url, sizeof(url), "http://serin%s", path);
	r = exchange(url, method, paths->socket, text, seconds, &buffer, &status);
	if (r < 0) {
		free(buffer.data);
		return r;
	}
	answer = json_loadb(buffer.data ? buffer.data : "", buffer.length, 0, NULL);
	free(buffer.data);
	if (!answer)
		return -EPROTO;
	*ret_answer = answer;
	return status == 200 ? 0 : -EREMOTEIO;
}

int client_call(const struct serin_paths *paths, const char *method, const char *path, const json_t *body,
		json_t **ret_answer)
{
	return client_call_within(paths, method, path, body, TIMEOUT_SECONDS, ret_answer);
}
