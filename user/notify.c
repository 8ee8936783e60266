// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "notify.h"

#include "util.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

/* "/path", or "@name" for an abstract one, which begins with NUL instead. */
static int parse_address(const char *text, struct sockaddr_un *ret, socklen_t *ret_length)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t length = strlen(text);
	bool abstract = text[0] == '@';

	if (!strncmp(text, "vsock", 5))
		return -EAFNOSUPPORT;
	if ((text[0] != '/' && !abstract) || length < 2 || length >= sizeof(address.sun_path))
		return -EINVAL;
	memcpy(address.sun_path, text, length);
	if (abstract)
		address.sun_path[0] = '\0';
	*ret = address;
	*ret_length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + !abstract);
	return 0;
}

/* The variables go on to children, which no watchdog waits for: WATCHDOG_PID says whose they are. */
static uint64_t read_watchdog(void)
{
	const char *pid = getenv("WATCHDOG_PID"), *usec = getenv("WATCHDOG_USEC");
	unsigned long long value;
	char *end;

	if (!usec || (pid && strtoll(pid, NULL, 10) != getpid()))
		return 0;
	errno = 0;
	value = strtoull(usec, &end, 10);
	return errno || *end || *usec == '-' || value > UINT64_MAX / 1000 ? 0 : value * 1000;
}

int notify_open(struct notify *ret)
{
	const char *text = getenv("NOTIFY_SOCKET");
	int r;

	*ret = (struct notify){.fd = -1};
	if (!text || !*text)
		return 0;
	r = parse_address(text, &ret->address, &ret->length);
	if (r < 0)
		return r;
	ret->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (ret->fd < 0)
		return -errno;
	ret->watchdog_ns = read_watchdog();
	return 0;
}

void notify_close(struct notify *notify)
{
	util_close(&notify->fd);
	notify->fd = -1;
}

static int send_lines(const struct notify *notify, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int send_lines(const struct notify *notify, const char *format, ...)
{
	char text[NOTIFY_STATUS_MAX + 64];
	va_list args;
	int length;

	if (notify->fd < 0)
		return 0;
	va_start(args, format);
	length = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (sendto(notify->fd, text, (size_t)length, MSG_DONTWAIT | MSG_NOSIGNAL, (const struct sockaddr *)&notify->address,
		   notify->length) < 0)
		return -errno;
	return 0;
}

int notify_ready(struct notify *notify)
{
	int r = notify->ready ? 0 : send_lines(notify, "READY=1");

	notify->ready |= r == 0;
	return r;
}

int notify_reloading(struct notify *notify, uint64_t now_ns)
{
	int r = send_lines(notify, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)(now_ns / 1000));

	if (r == 0)
		notify->ready = false;
	return r;
}

int notify_stopping(struct notify *notify)
{
	return send_lines(notify, "STOPPING=1");
}

/* A status that is no UTF-8 is thrown away: it is not cut within a character. */
static void copy_whole(const char *words, char ret_line[NOTIFY_STATUS_MAX])
{
	size_t length = strnlen(words, NOTIFY_STATUS_MAX);

	if (length == NOTIFY_STATUS_MAX)
		for (length--; length && ((unsigned char)words[length] & 0xC0) == 0x80; length--)
			;
	memcpy(ret_line, words, length);
	ret_line[length] = '\0';
}

int notify_status(struct notify *notify, const char *words)
{
	char line[NOTIFY_STATUS_MAX];
	int r;

	copy_whole(words, line);
	for (char *c = line; *c; c++)
		if (*c == '\n')
			*c = ' ';
	if (!strcmp(line, notify->status))
		return 0;
	r = send_lines(notify, "STATUS=%s", line);
	if (r == 0)
		strcpy(notify->status, line);
	return r;
}

int notify_interval(struct notify *notify, uint64_t interval_ns)
{
	uint64_t patience = 4 * interval_ns;
	int r;

	if (!notify->watchdog_ns || 2 * interval_ns <= notify->watchdog_ns)
		return 0;
	r = send_lines(notify, "WATCHDOG_USEC=%llu", (unsigned long long)(patience / 1000));
	if (r == 0)
		notify->watchdog_ns = patience;
	return r;
}

int notify_alive(struct notify *notify, uint64_t now_ns)
{
	int r;

	if (!notify->watchdog_ns || now_ns - notify->fed_ns < notify->watchdog_ns / 4)
		return 0;
	r = send_lines(notify, "WATCHDOG=1");
	if (r == 0)
		notify->fed_ns = now_ns;
	return r;
}
