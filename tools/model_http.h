/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The model server's HTTP side: routes, bodies, errors, streams, and the faults applied to them.
 */
#ifndef TOOLS_MODEL_HTTP_H
#define TOOLS_MODEL_HTTP_H

#include "model_api.h"
#include "model_faults.h"
#include "model_listener.h"

#include <microhttpd.h>

struct model_server {
	struct model model;
	struct listener listener;
	bool verbose;
	int log;		 /* see model_log.h; -1: none */
	atomic_bool draining;	 /* the server is to stop: connections end with their next response */
	int stop;		 /* an eventfd: readable once nothing may wait any longer */
	atomic_uint in_flight;	 /* requests begun and not ended; those that stall are not among them */
	pthread_mutex_t lock;	 /* held while the faults change, the listener with them */
	struct faults faults;
};

/*
 * An HTTP daemon for the server, without a listener of its own where listen_fd is -1: connections come by
 * MHD_add_connection(). One thread a connection: a request that stalls or computes for long holds up no other.
 * With `control` it serves nothing but /fault and /health. NULL when it cannot start.
 */
struct MHD_Daemon *model_http_start(struct model_server *server, int listen_fd, bool control,
				    unsigned keep_alive_seconds);

/* The state the faults ask of the listener. */
enum listener_state model_http_listener_state(const struct faults *faults);

#endif
