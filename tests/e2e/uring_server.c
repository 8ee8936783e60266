// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * An HTTP server that does everything to its sockets through io_uring, which no hook on system calls would see.
 *
 *   uring-server PORT send|sendmsg|send_zc    on 127.0.0.1; GET /N is answered with N bytes of body
 *
 * One connection at a time. It ends with 77 and one line when this kernel does not let it.
 */
#include "util.h"

#include <arpa/inet.h>
#include <errno.h>
#include <liburing.h>
#include <string.h>
#include <sys/socket.h>

#define EXIT_SKIP 77
#define RING_ENTRIES 8
#define PIECE (1 << 20) /* bytes of body an operation sends */

struct server;

struct way {
	const char *name;
	enum io_uring_op op;
	int (*send)(struct server *server, int fd, const char *bytes, size_t n);
};

struct server {
	struct io_uring ring;
	const struct way *way;
};

/* The result of the one operation under way. */
static int result(struct server *server, struct io_uring_cqe *ret_cqe)
{
	struct io_uring_cqe *cqe;
	int err = io_uring_wait_cqe(&server->ring, &cqe);

	if (err)
		return err;
	*ret_cqe = *cqe;
	io_uring_cqe_seen(&server->ring, cqe);
	return cqe->res;
}

static int submit(struct server *server)
{
	struct io_uring_cqe cqe;
	int err = io_uring_submit(&server->ring);

	return err < 0 ? err : result(server, &cqe);
}

static int by_send(struct server *server, int fd, const char *bytes, size_t n)
{
	io_uring_prep_send(io_uring_get_sqe(&server->ring), fd, bytes, n, MSG_NOSIGNAL);
	return submit(server);
}

/* In two vectors. */
static int by_sendmsg(struct server *server, int fd, const char *bytes, size_t n)
{
	struct iovec parts[] = {{(void *)bytes, n / 2}, {(void *)(bytes + n / 2), n - n / 2}};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = ARRAY_SIZE(parts)};

	io_uring_prep_sendmsg(io_uring_get_sqe(&server->ring), fd, &message, MSG_NOSIGNAL);
	return submit(server);
}

/* A second completion says that the kernel needs the bytes no more. */
static int by_send_zc(struct server *server, int fd, const char *bytes, size_t n)
{
	struct io_uring_cqe first, second;
	int err, sent;

	io_uring_prep_send_zc(io_uring_get_sqe(&server->ring), fd, bytes, n, MSG_NOSIGNAL, 0);
	err = io_uring_submit(&server->ring);
	if (err < 0)
		return err;
	sent = result(server, &first);
	if (first.flags & IORING_CQE_F_MORE)
		result(server, &second);
	return sent;
}

static const struct way ways[] = {
	{"send", IORING_OP_SEND, by_send},
	{"sendmsg", IORING_OP_SENDMSG, by_sendmsg},
	{"send_zc", IORING_OP_SEND_ZC, by_send_zc},
};

static int send_all(struct server *server, int fd, const char *bytes, size_t n)
{
	while (n) {
		int sent = server->way->send(server, fd, bytes, n);

		if (sent <= 0)
			return sent ? sent : -EPIPE;
		bytes += sent;
		n -= (size_t)sent;
	}
	return 0;
}

static int answer(struct server *server, int fd, unsigned long long size)
{
	static const char zeros[PIECE];
	char head[128];
	int n = snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %llu\r\n\r\n", size);
	int err = send_all(server, fd, head, (size_t)n);

	for (; size && !err; size -= size < PIECE ? size : PIECE)
		err = send_all(server, fd, zeros, size < PIECE ? size : PIECE);
	return err;
}

/* Requests without a body, one after the other, until the client closes. */
static void serve(struct server *server, int fd)
{
	char request[4096];
	size_t have = 0;

	for (;;) {
		int got;

		io_uring_prep_recv(io_uring_get_sqe(&server->ring), fd, request + have, sizeof(request) - 1 - have, 0);
		got = submit(server);
		if (got <= 0)
			return;
		have += (size_t)got;
		request[have] = '\0';
		if (!strstr(request, "\r\n\r\n"))
			continue;
		if (strncmp(request, "GET /", 5) != 0 || answer(server, fd, strtoull(request + 5, NULL, 10)))
			return;
		have = 0;
	}
}

static int listen_on(uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	_cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int one = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 128) < 0)
		return -errno;
	return TAKE_FD(fd);
}

/* 0, or why this kernel does not do it. */
static int set_up(struct server *server)
{
	struct io_uring_probe *probe;
	int err = io_uring_queue_init(RING_ENTRIES, &server->ring, 0), supported;

	if (err)
		return err;
	probe = io_uring_get_probe_ring(&server->ring);
	if (!probe)
		return -EOPNOTSUPP;
	supported = io_uring_opcode_supported(probe, (int)server->way->op);
	io_uring_free_probe(probe);
	return supported ? 0 : -EOPNOTSUPP;
}

static const struct way *way_of(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++)
		if (strcmp(ways[i].name, name) == 0)
			return &ways[i];
	return NULL;
}

int main(int argc, char **argv)
{
	struct server server = {.way = argc == 3 ? way_of(argv[2]) : NULL};
	_cleanup_close_ int listener = -1;
	int err;

	if (!server.way)
		return util_complain(EXIT_USAGE, "usage: uring-server PORT send|sendmsg|send_zc");
	err = set_up(&server);
	if (err)
		return util_complain(EXIT_SKIP, "io_uring %s: %s", server.way->name, strerror(-err));
	listener = listen_on((uint16_t)strtoul(argv[1], NULL, 10));
	if (listener < 0)
		return util_complain(EXIT_FAILURE, "port %s: %s", argv[1], strerror(-listener));
	for (;;) {
		_cleanup_close_ int fd = -1;

		io_uring_prep_accept(io_uring_get_sqe(&server.ring), listener, NULL, NULL, SOCK_CLOEXEC);
		fd = submit(&server);
		if (fd < 0)
			return util_complain(EXIT_FAILURE, "accept: %s", strerror(-fd));
		serve(&server, fd);
	}
}
