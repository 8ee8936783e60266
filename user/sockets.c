// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "sockets.h"

#include "endpoint.h"
#include "util.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

int sockets_listen_unix(const char *path, int backlog)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	mode_t mask;
	int r;

	if (fd < 0)
		return -errno;
	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path));
	unlink(path);
	mask = umask(0177); /* before it exists, not after: nobody else may connect in between */
	r = bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
	umask(mask);
	if (r == 0 && listen(fd, backlog) < 0)
		r = -errno;
	return r < 0 ? r : TAKE_FD(fd);
}

/* Any address is both families' where the node has both. */
static int listen_family(int family, const struct serin_endpoint *endpoint, int backlog)
{
	_cleanup_close_ int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(endpoint->port)};
	struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(endpoint->port)};
	bool any = endpoint_is_any(endpoint);
	int on = 1, only = !any, r;

	if (fd < 0)
		return -errno;
	memcpy(&six.sin6_addr, endpoint->address, sizeof(six.sin6_addr));
	if (!any)
		memcpy(&four.sin_addr, endpoint->address + 12, sizeof(four.sin_addr));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only)) < 0)
		return -errno;
	if (family == AF_INET6)
		r = bind(fd, (struct sockaddr *)&six, sizeof(six));
	else
		r = bind(fd, (struct sockaddr *)&four, sizeof(four));
	if (r < 0 || listen(fd, backlog) < 0)
		return -errno;
	return TAKE_FD(fd);
}

static bool is_mapped(const struct serin_endpoint *endpoint)
{
	struct in6_addr address;

	memcpy(&address, endpoint->address, sizeof(address));
	return IN6_IS_ADDR_V4MAPPED(&address);
}

bool sockets_is_loopback(const struct serin_endpoint *endpoint)
{
	return is_mapped(endpoint) ? endpoint->address[12] == 127
				   : !memcmp(endpoint->address, &in6addr_loopback, sizeof(endpoint->address));
}

int sockets_listen_tcp(const struct serin_endpoint *endpoint, int backlog)
{
	int fd = listen_family(is_mapped(endpoint) ? AF_INET : AF_INET6, endpoint, backlog);

	if (fd == -EAFNOSUPPORT && endpoint_is_any(endpoint))
		fd = listen_family(AF_INET, endpoint, backlog);
	return fd;
}
