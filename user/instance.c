// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "instance.h"

#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

static pid_t read_pid(int fd)
{
	char text[32] = "";

	if (pread(fd, text, sizeof(text) - 1, 0) <= 0)
		return 0;
	return (pid_t)strtol(text, NULL, 10);
}

static int write_pid(int fd)
{
	char text[32];
	int length = snprintf(text, sizeof(text), "%d\n", getpid());

	if (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)length, 0) != length)
		return -errno;
	return 0;
}

int instance_acquire(const struct serin_paths *paths, pid_t *ret_holder)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	int r;

	if (mkdir(paths->run, 0755) < 0 && errno != EEXIST)
		return -errno;
	fd = open(paths->lock, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK)
			return -errno;
		*ret_holder = read_pid(fd);
		return -EBUSY;
	}
	/* Its last holder may have removed it between our opening and locking: then it locks nothing. */
	if (fstat(fd, &st) < 0 || st.st_nlink == 0)
		return -EAGAIN;
	r = write_pid(fd);
	return r < 0 ? r : TAKE_FD(fd);
}

void instance_release(const struct serin_paths *paths, int fd)
{
	if (fd < 0)
		return;
	unlink(paths->lock);
	rmdir(paths->run);
	close(fd);
}
