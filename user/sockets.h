/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Sockets to listen on, of this program itself. */
#ifndef SERIN_SOCKETS_H
#define SERIN_SOCKETS_H

#include "serin/model.h"

/* Mode 0600, replacing what a dead program left at `path`. A descriptor, not blocking, or -errno. Not while another
 * thread makes files: it changes the umask for a moment. */
int sockets_listen_unix(const char *path, int backlog);

/* Any address is that of both families, where the node has both. A descriptor, not blocking, or -errno. */
int sockets_listen_tcp(const struct serin_endpoint *endpoint, int backlog);

bool sockets_is_loopback(const struct serin_endpoint *endpoint);

#endif
