/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What the model server itself saw, and when: for whoever wants to know it from nobody else. A line an event:
 *
 *   TIME connection PEER		accepted
 *   TIME request PEER PATH		its headers have come
 *   TIME response PEER STATUS [cut]	its end; 0: there was none; cut: it did not go out as a whole
 *   TIME fault JSON			from here on it misbehaves so
 *
 * TIME is Unix seconds with microseconds. PEER, ADDR:PORT of the client, tells its connections apart.
 */
#ifndef TOOLS_MODEL_LOG_H
#define TOOLS_MODEL_LOG_H

#include "address.h"

/* Opens the file, to be written at its end. 0 or -errno. */
int model_log_open(const char *path, int *ret_fd);

/* Writes a line in one call, so that lines of several threads, and of a server killed right after, are whole. fd -1: none.
 * peer NULL: it is about no connection. */
void model_log(int fd, const char *event, const union address *peer, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

#endif
