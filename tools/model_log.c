// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "model_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 1024

int model_log_open(const char *path, int *ret_fd)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

void model_log(int fd, const char *event, const union address *peer, const char *format, ...)
{
	char line[LINE_MAX_BYTES], rest[LINE_MAX_BYTES / 2], from[ADDRESS_TEXT_MAX + 1] = "";
	struct timespec now;
	va_list args;
	int length;

	if (fd < 0)
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	va_start(args, format);
	vsnprintf(rest, sizeof(rest), format, args);
	va_end(args);
	if (peer)
		address_format(peer, from);
	length = snprintf(line, sizeof(line), "%lld.%06ld %s%s%s%s%s\n", (long long)now.tv_sec, now.tv_nsec / 1000, event,
			  peer ? " " : "", from, *rest ? " " : "", rest);
	if (write(fd, line, (size_t)length) < 0)
		return; /* a full disk is no reason to serve nobody */
}
