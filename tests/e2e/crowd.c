// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * A server with very many processes: crowd PORT COUNT. That many sleeping children hold its listener, and one process
 * answers each connection on 127.0.0.1 with a 200 and closes it.
 */
#define _GNU_SOURCE 1

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

static int complain(const char *what)
{
	fprintf(stderr, "crowd: %s: %s\n", what, strerror(errno));
	return EXIT_FAILURE;
}

static int listen_on(uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -1;
	return fd;
}

static void serve(int listener)
{
	char request[4096];

	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd < 0)
			continue;
		if (read(fd, request, sizeof(request)) > 0 && write(fd, answer, sizeof(answer) - 1) < 0)
			complain("answering");
		close(fd);
	}
}

int main(int argc, char **argv)
{
	int listener, count;

	if (argc != 3) {
		fputs("usage: crowd PORT COUNT\n", stderr);
		return 2;
	}
	signal(SIGCHLD, SIG_IGN);
	listener = listen_on((uint16_t)atoi(argv[1]));
	if (listener < 0)
		return complain(argv[1]);
	count = atoi(argv[2]);
	for (int i = 0; i < count; i++) {
		pid_t pid = fork();

		if (pid < 0)
			return complain("fork");
		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (;;)
				pause();
		}
	}
	/* The children are there before anybody can see it listen. */
	if (listen(listener, 128) < 0)
		return complain("listen");
	serve(listener);
}
