// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * A server whose delays are known: it answers at the very moment it was asked to, and writes down by CLOCK_MONOTONIC
 * when each of its system calls began and ended. tools/accuracy holds serin's times against that.
 *
 *   accuracy-server PORT LOG
 *
 *   GET /delay/MS        a small JSON answer, that long after the request was read
 *   GET /bytes/N         an answer of N bytes
 *   GET /stream/N/MS     headers at once, then N chunks, one each MS, the first after MS
 *   GET /until-close/N   N bytes that end with the connection
 *
 * A line of LOG: the target, then ns of CLOCK_MONOTONIC at: return of the first read, call and return of the first
 * send, call and return of the first body send, call and return of the last send (or of the shutdown that ends the
 * body); then the sum and the number of the gaps between the calls of body sends.
 */
#define _GNU_SOURCE 1

#include "util.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#define REQUEST_MAX 4096
#define SPIN_NS 150000 /* slept until so long before the moment, for the wake-up may be late */
#define PIECE 65536    /* bytes of a large body sent at a time */
#define BACKLOG 128

static FILE *log_file;

/* When a system call began and when it was over. */
struct stamp {
	uint64_t call, ret;
};

/* One request, from its first byte read to the last byte sent. */
struct exchange {
	int fd;
	char request[REQUEST_MAX];
	uint64_t read;
	struct stamp first, body, last;
	uint64_t last_body_call, gap_sum, gaps;
	bool close, failed;
};

static void wait_until(uint64_t moment)
{
	uint64_t early = moment - SPIN_NS;
	struct timespec ts = {(time_t)(early / NSEC_PER_SEC), (long)(early % NSEC_PER_SEC)};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
	while (util_now() < moment)
		;
}

static void send_piece(struct exchange *x, const void *data, size_t n, bool body)
{
	struct stamp s = {.call = util_now()};

	for (size_t sent = 0; sent < n && !x->failed;) {
		ssize_t r = send(x->fd, (const char *)data + sent, n - sent, MSG_NOSIGNAL);

		if (r < 0)
			x->failed = true;
		else
			sent += (size_t)r;
	}
	s.ret = util_now();
	if (!x->first.call)
		x->first = s;
	if (body && !x->body.call) {
		x->body = s;
	} else if (body) {
		x->gap_sum += s.call - x->last_body_call;
		x->gaps++;
	}
	if (body)
		x->last_body_call = s.call;
	x->last = s;
}

/* The end of a body that ends with the connection. */
static void send_fin(struct exchange *x)
{
	x->last.call = util_now();
	x->failed |= shutdown(x->fd, SHUT_WR) < 0;
	x->last.ret = util_now();
}

static const char *connection_header(const struct exchange *x)
{
	return x->close ? "Connection: close\r\n" : "";
}

/* Status line, headers and body in one send, as most servers send a small answer. */
static void answer_small(struct exchange *x, uint64_t delay_ns)
{
	static const char body[] = "{\"choices\": [{\"text\": \"hello\"}]}\n";
	char message[512];
	int n = snprintf(message, sizeof(message),
			 "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n%sContent-Length: %zu\r\n\r\n%s",
			 connection_header(x), sizeof(body) - 1, body);

	if (delay_ns)
		wait_until(x->read + delay_ns);
	send_piece(x, message, (size_t)n, true);
}

static void answer_bytes(struct exchange *x, uint64_t n, bool until_close)
{
	static const char piece[PIECE];
	char head[256];
	int length;

	x->close |= until_close;
	length = until_close ? snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
			     : snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\n%sContent-Length: %" PRIu64 "\r\n\r\n",
					connection_header(x), n);
	send_piece(x, head, (size_t)length, false);
	for (uint64_t left = n, now; left && !x->failed; left -= now) {
		now = left < PIECE ? left : PIECE;
		send_piece(x, piece, now, true);
	}
	if (until_close)
		send_fin(x);
}

static void answer_stream(struct exchange *x, uint64_t n, uint64_t delay_ns)
{
	static const char chunk[] = "10\r\ndata: {\"t\": 1}\n\n\r\n", end[] = "0\r\n\r\n";
	char head[256];
	int length = snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n%s"
						  "Transfer-Encoding: chunked\r\n\r\n", connection_header(x));

	send_piece(x, head, (size_t)length, false);
	for (uint64_t i = 1; i <= n && !x->failed; i++) {
		wait_until(x->read + i * delay_ns);
		send_piece(x, chunk, sizeof(chunk) - 1, true);
	}
	send_piece(x, end, sizeof(end) - 1, false);
}

/* The target may have a query, which tells requests apart in the log. */
static void answer(struct exchange *x, const char *target)
{
	uint64_t n, ms;

	if (sscanf(target, "/delay/%" SCNu64, &ms) == 1)
		answer_small(x, ms * NSEC_PER_MSEC);
	else if (sscanf(target, "/bytes/%" SCNu64, &n) == 1)
		answer_bytes(x, n, false);
	else if (sscanf(target, "/until-close/%" SCNu64, &n) == 1)
		answer_bytes(x, n, true);
	else if (sscanf(target, "/stream/%" SCNu64 "/%" SCNu64, &n, &ms) == 2)
		answer_stream(x, n, ms * NSEC_PER_MSEC);
	else
		x->failed = true;
}

/* Reads one request without a body. False: the client is gone, or sends what it should not. */
static bool read_request(struct exchange *x)
{
	size_t have = 0;

	while (have < sizeof(x->request) - 1) {
		ssize_t r = recv(x->fd, x->request + have, sizeof(x->request) - 1 - have, 0);

		if (r <= 0)
			return false;
		if (!have)
			x->read = util_now();
		have += (size_t)r;
		x->request[have] = '\0';
		if (strstr(x->request, "\r\n\r\n"))
			return true;
	}
	return false;
}

static void write_line(const struct exchange *x, const char *target)
{
	fprintf(log_file, "%s %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64
		" %" PRIu64 " %" PRIu64 "\n", target, x->read, x->first.call, x->first.ret, x->body.call, x->body.ret,
		x->last.call, x->last.ret, x->gap_sum, x->gaps);
}

/* One request and its answer; whether another may come on this connection. */
static bool serve_one(int fd)
{
	struct exchange x = {.fd = fd};
	char target[256];

	if (!read_request(&x) || sscanf(x.request, "GET %255s HTTP/1.", target) != 1)
		return false;
	x.close = strcasestr(x.request, "\r\nConnection: close\r\n") != NULL;
	answer(&x, target);
	if (x.failed)
		return false;
	write_line(&x, target);
	return !x.close;
}

static void *serve_connection(void *fd_as_pointer)
{
	_cleanup_close_ int fd = (int)(intptr_t)fd_as_pointer;
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	prctl(PR_SET_TIMERSLACK, 1UL);
	while (serve_one(fd))
		;
	return NULL;
}

static int open_listener(uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	_cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, BACKLOG) < 0)
		return -errno;
	return TAKE_FD(fd);
}

int main(int argc, char **argv)
{
	_cleanup_close_ int listener = -1;
	pthread_attr_t detached;
	pthread_t thread;
	char *end;
	long port;

	if (argc != 3 || (port = strtol(argv[1], &end, 10)) <= 0 || port > UINT16_MAX || *end)
		return util_complain(EXIT_USAGE, "usage: accuracy-server PORT LOG");
	log_file = fopen(argv[2], "ae");
	if (!log_file)
		return util_complain(EXIT_FAILURE, "cannot write %s: %s", argv[2], strerror(errno));
	setvbuf(log_file, NULL, _IOLBF, BUFSIZ);
	listener = open_listener((uint16_t)port);
	if (listener < 0)
		return util_complain(EXIT_FAILURE, "cannot listen on port %ld: %s; is it in use?", port,
				     strerror(-listener));
	pthread_attr_init(&detached);
	pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0)
			return util_complain(EXIT_FAILURE, "cannot accept: %s", strerror(errno));
		if (pthread_create(&thread, &detached, serve_connection, (void *)(intptr_t)fd) != 0)
			close(fd); /* the client sees it, and says so */
	}
}
