/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The HTTP API: requests in, the agent's own functions called, JSON out. On a unix socket, and on TCP where the
 * configuration says so. Bytes, TLS, tokens and JSON are dealt with on threads of its own, one a socket, so that no caller holds
 * up a tick; what a request wants is done on the agent's thread, a bit at a time: a descriptor of api_fds() becomes
 * readable, api_run() does what there is to do.
 */
#ifndef SERIN_API_H
#define SERIN_API_H

#include <jansson.h>

#include "config.h"
#include "exposition.h"
#include "rollout.h"
#include "serin/model.h"

#define API_WHY_MAX 512

/* What the agent can do for a caller; called by api_run() alone, but for warn(). Functions that act return 0; -ENOENT:
 * no such release or version; -EALREADY or -EBUSY: not possible now; -ERANGE or -EINVAL: not a value that can be; and
 * say why. JSON that they return is the API's from then on: nothing in it may be kept and changed. */
struct api_handlers {
	json_t *(*dump)(void *context); /* NULL: the kernel's counters could not be read */
	json_t *(*releases)(void *context);
	json_t *(*latency)(void *context); /* the last seconds' curves */
	/* release NULL: all. The newest `limit` of them, oldest first. NULL: cannot be read. */
	json_t *(*history)(void *context, const char *release, unsigned limit);
	/* *ret_text is the API's to free. 0, or -errno when the counters could not be read. */
	int (*metrics)(void *context, enum exposition_format format, char **ret_text, size_t *ret_length);
	/* release NULL: all. The newest `limit` samples of each, 0: all there are. */
	int (*series)(void *context, const char *release, unsigned limit, json_t **ret, char why[API_WHY_MAX]);
	/* release or version may be NULL: the only one. weight in basis points, for SERIN_ORDER_WEIGHT alone. */
	int (*order)(void *context, enum serin_order order, const char *release, const char *version, uint32_t weight,
		     char why[API_WHY_MAX]);
	/* A figure from outside, finite, by a name as config_is_name() has it; version NULL: the canary's. */
	int (*monitor)(void *context, const char *release, const char *version, const char *name, double value,
		       char why[API_WHY_MAX]);
	bool (*ready)(void *context, char why[API_WHY_MAX]);
	/* A sentence for the log, by api_start() and api_run(): tokens that are sent in the clear, a token file that
	 * has become unusable. NULL: not wanted. */
	void (*warn)(void *context, const char *text);
	void *context;
};

struct api;

/*
 * Listens on a unix socket at `path`, mode 0600, replacing what a dead agent left there; and on TCP when tcp (NULL: no
 * TCP) has a port. Signals should be blocked already as they are to be in all threads. Returns 0, or -errno with what, why
 * and what to do in ret_why: -EADDRINUSE, -EACCES or -ENOENT for a file of the configuration, -EPERM for a token file
 * that others may read, -EINVAL for one without a token or for a bad certificate.
 */
int api_start(const char *path, const struct serin_api_config *tcp, const struct api_handlers *handlers, struct api **ret,
	      char ret_why[API_WHY_MAX]);

/* Stops and removes the socket. Who waits for an answer gets a 503. NULL is fine. */
void api_stop(struct api *api);

/* Descriptors to wait on: returns how many, at most API_FDS. They stay readable while there is something to do. */
#define API_FDS 2
unsigned api_fds(const struct api *api, int ret_fds[API_FDS]);

/* Some requests' work, for about 5 ms at most beyond that of one request. */
void api_run(struct api *api);

#endif
