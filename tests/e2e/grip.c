// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Holds the lock that serin's ingress program takes for one segment, as if another CPU had been stopped within it:
 *
 *   grip PINS PID 1|0     takes (1) or gives back (0) the lock of every connection that the process holds
 *
 * It prints how many those were. Only while nothing is sent on them: reading and writing the value is not atomic.
 */
#define _GNU_SOURCE 1

#include "serin/abi.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int complain(const char *what, int error)
{
	fprintf(stderr, "grip: %s: %s\n", what, strerror(error));
	return EXIT_FAILURE;
}

/* Returns 1 when it was a connection, 0 when it was something else, or -errno. */
static int set_busy(int map, int fd, __u32 busy)
{
	struct serin_conn conn;

	if (bpf_map_lookup_elem(map, &fd, &conn) < 0)
		return errno == ENOENT || errno == ENOTSOCK || errno == EBADF || errno == EINVAL ? 0 : -errno;
	if (conn.socket != SERIN_SOCKET_ACCEPTED)
		return 0;
	conn.busy = busy;
	return bpf_map_update_elem(map, &fd, &conn, BPF_EXIST) < 0 ? -errno : 1;
}

static int set_all(int map, int pidfd, DIR *fds, __u32 busy)
{
	const struct dirent *entry;
	int n = 0;

	while ((entry = readdir(fds))) {
		int fd, r;

		if (entry->d_name[0] == '.')
			continue;
		fd = (int)syscall(SYS_pidfd_getfd, pidfd, atoi(entry->d_name), 0);
		if (fd < 0)
			continue;
		r = set_busy(map, fd, busy);
		close(fd);
		if (r < 0)
			return r;
		n += r;
	}
	return n;
}

int main(int argc, char **argv)
{
	char path[512];
	int map, pidfd, n;
	DIR *fds;

	if (argc != 4) {
		fputs("usage: grip PINS PID 1|0\n", stderr);
		return 2;
	}
	snprintf(path, sizeof(path), "%s/serin_conns", argv[1]);
	map = bpf_obj_get(path);
	if (map < 0)
		return complain(path, errno);
	snprintf(path, sizeof(path), "/proc/%s/fd", argv[2]);
	fds = opendir(path);
	pidfd = (int)syscall(SYS_pidfd_open, atoi(argv[2]), 0);
	if (!fds || pidfd < 0)
		return complain(path, errno);
	n = set_all(map, pidfd, fds, (__u32)atoi(argv[3]));
	if (n < 0)
		return complain("a connection", -n);
	printf("%d\n", n);
	return EXIT_SUCCESS;
}
