// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#define _GNU_SOURCE
#include "sweeper.h"

#include "pins.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* The end of file comes when nobody has the other end any more. */
static void wait_and_sweep(int fd, const struct serin_paths *paths)
{
	char byte;

	setsid();
	close(STDOUT_FILENO); /* whoever reads them is not to wait for this one */
	close(STDERR_FILENO);
	while (read(fd, &byte, 1) > 0 || errno == EINTR)
		errno = 0;
	pins_remove(paths);
	_exit(0);
}

int sweeper_start(const struct serin_paths *paths)
{
	int ends[2];
	pid_t child;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	errno = 0;
	child = fork();
	if (child == 0) {
		close(ends[1]);
		wait_and_sweep(ends[0], paths);
	}
	close(ends[0]);
	if (child < 0) {
		close(ends[1]);
		return -errno;
	}
	return 0; /* ends[1] is this process's for as long as it lives */
}
