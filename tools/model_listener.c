// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#define _GNU_SOURCE 1 /* accept4 */

#include "model_listener.h"

#include "util.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

/* A listening socket on the address; *address gets the port the kernel chose. */
static int open_socket(union address *address, int backlog)
{
	_cleanup_close_ int fd = -1;
	socklen_t length = sizeof(*address);
	int one = 1;

	fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(fd, &address->any, address_length(address)) < 0 || listen(fd, backlog) < 0 ||
	    getsockname(fd, &address->any, &length) < 0)
		return -errno;
	return TAKE_FD(fd);
}

int listener_open(struct listener *listener, const union address *address, int backlog)
{
	_cleanup_close_ int wake = -1;
	union address bound = *address;
	int fd;

	wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (wake < 0)
		return -errno;
	fd = open_socket(&bound, backlog);
	if (fd < 0)
		return fd;

	*listener = (struct listener){
		.address = bound,
		.backlog = backlog,
		.fd = fd,
		.wake = TAKE_FD(wake),
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.changed = PTHREAD_COND_INITIALIZER,
		.state = LISTENER_ACCEPTING,
		.wanted = LISTENER_ACCEPTING,
	};
	return 0;
}

int listener_change(struct listener *listener, enum listener_state wanted)
{
	int ret;

	pthread_mutex_lock(&listener->lock);
	listener->wanted = wanted;
	listener->error = 0;
	eventfd_write(listener->wake, 1);
	while (listener->state != wanted && listener->state != LISTENER_ENDED && !listener->error)
		pthread_cond_wait(&listener->changed, &listener->lock);
	ret = listener->state == LISTENER_ENDED ? -ESHUTDOWN : listener->error;
	pthread_mutex_unlock(&listener->lock);
	return ret;
}

void listener_apply(struct listener *listener)
{
	eventfd_t ignored;

	eventfd_read(listener->wake, &ignored);
	pthread_mutex_lock(&listener->lock);
	if (listener->wanted == LISTENER_CLOSED && listener->fd >= 0) {
		close(TAKE_FD(listener->fd));
	} else if (listener->wanted != LISTENER_CLOSED && listener->fd < 0) {
		int fd = open_socket(&listener->address, listener->backlog);

		if (fd < 0)
			listener->error = fd;
		else
			listener->fd = fd;
	}
	if (!listener->error)
		listener->state = listener->wanted;
	pthread_cond_broadcast(&listener->changed);
	pthread_mutex_unlock(&listener->lock);
}

int listener_accept(struct listener *listener, union address *ret_peer)
{
	socklen_t length = sizeof(*ret_peer);
	int fd;

	fd = accept4(listener->fd, &ret_peer->any, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

void listener_end(struct listener *listener)
{
	pthread_mutex_lock(&listener->lock);
	if (listener->fd >= 0)
		close(TAKE_FD(listener->fd));
	listener->state = LISTENER_ENDED;
	pthread_cond_broadcast(&listener->changed);
	pthread_mutex_unlock(&listener->lock);
}
