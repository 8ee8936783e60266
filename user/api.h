/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The HTTP API on the agent's unix socket: requests in, the agent's own functions called, JSON out. It runs on the
 * agent's thread, a bit at a time: api_fd() becomes readable, api_run() does what there is to do.
 */
#ifndef SERIN_API_H
#define SERIN_API_H

#include <jansson.h>

#include "serin/model.h"

#define API_WHY_MAX 256

/* What the agent can do for a caller. Functions that act return 0; -ENOENT: no such release or version, -EALREADY or
 * -EBUSY: not possible now, -ERANGE: out of range; and say why. */
struct api_handlers {
	json_t *(*dump)(void *context); /* NULL: the kernel's counters could not be read */
	json_t *(*releases)(void *context);
	/* release or version may be NULL: the only one. weight in basis points. */
	int (*weight)(void *context, const char *release, const char *version, uint32_t weight, char why[API_WHY_MAX]);
	int (*abort)(void *context, const char *release, char why[API_WHY_MAX]);
	void *context;
};

struct api;

/* Listens on a unix socket at `path`, mode 0600, replacing what a dead agent left there. 0 or -errno. */
int api_start(const char *path, const struct api_handlers *handlers, struct api **ret);

/* Stops and removes the socket. NULL is fine. */
void api_stop(struct api *api);

int api_fd(const struct api *api);
void api_run(struct api *api);

#endif
