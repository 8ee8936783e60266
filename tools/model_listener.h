/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * A listening socket that one thread serves while others may ask it to close, to leave connections waiting in its
 * queue, or to open again on the same port.
 */
#ifndef TOOLS_MODEL_LISTENER_H
#define TOOLS_MODEL_LISTENER_H

#include "address.h"

#include <pthread.h>
#include <stdbool.h>

enum listener_state {
	LISTENER_ACCEPTING,
	LISTENER_HOLDING, /* open, but nothing is accepted */
	LISTENER_CLOSED,
	LISTENER_ENDED,	  /* for good: the serving thread has left */
};

struct listener {
	union address address; /* with the port the kernel chose, once open */
	int backlog;
	int fd;	  /* -1 while closed */
	int wake; /* an eventfd: `wanted` has changed */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	enum listener_state state, wanted;
	int error; /* why `wanted` could not be reached; 0 or -errno */
};

/* Opens the listener, accepting. 0 or -errno. */
int listener_open(struct listener *listener, const union address *address, int backlog);

/* From any thread but the serving one: returns once the listener is as wanted. 0, -errno, -ESHUTDOWN when ended. */
int listener_change(struct listener *listener, enum listener_state wanted);

/* From the serving thread, when `wake` is readable: does what listener_change() asks for. */
void listener_apply(struct listener *listener);

/* From the serving thread: a connection that waits, as a descriptor that is not blocking; -errno, -EAGAIN: none. */
int listener_accept(struct listener *listener, union address *ret_peer);

/* From the serving thread when it leaves: closes, and releases whoever waits in listener_change(). */
void listener_end(struct listener *listener);

#endif
