/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The command line's side of the agent's API. */
#ifndef SERIN_CLIENT_H
#define SERIN_CLIENT_H

#include "config.h"

#include <jansson.h>

/*
 * One call over the agent's unix socket. `body` may be NULL (GET) and stays the caller's. *ret_answer is a new
 * reference to the JSON that came back. Returns 0 when the agent answered with success; -ENOTCONN when no agent
 * listens; -EACCES without the privilege; -EREMOTEIO when it answered with an error, *ret_answer then says which;
 * -EPROTO when the answer made no sense; -ELIBACC when libcurl is not installed.
 */
int client_call(const struct serin_paths *paths, const char *method, const char *path, const json_t *body,
		json_t **ret_answer);

/* The same, of a caller who has something else to do: after so many seconds it is -EPROTO. */
int client_call_within(const struct serin_paths *paths, const char *method, const char *path, const json_t *body,
		       unsigned seconds, json_t **ret_answer);

#endif
