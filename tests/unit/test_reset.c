/* Links: user/reset.c user/util.c */
// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* With real connections, in a network namespace of its own. */
#define _GNU_SOURCE 1

#include "check.h"

#include "reset.h"
#include "util.h"

#include <errno.h>
#include <netinet/in.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* A listener, a client of it, and what was accepted. */
struct conversation {
	int listener, client, server;
};

static struct conversation converse(int family)
{
	struct sockaddr_in6 address = {.sin6_family = (sa_family_t)family};
	socklen_t size = family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(address);
	struct conversation c = {.listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0),
				 .client = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0)};

	if (family == AF_INET)
		((struct sockaddr_in *)&address)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else
		address.sin6_addr = in6addr_loopback;
	assert_int_equal(bind(c.listener, (struct sockaddr *)&address, size), 0);
	assert_int_equal(listen(c.listener, 8), 0);
	assert_int_equal(getsockname(c.listener, (struct sockaddr *)&address, &size), 0);
	assert_int_equal(connect(c.client, (struct sockaddr *)&address, size), 0);
	c.server = accept4(c.listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(c.server >= 0);
	return c;
}

static void end(const struct conversation *c)
{
	close(c->listener);
	close(c->client);
	close(c->server);
}

static uint64_t cookie_of(int fd)
{
	uint64_t cookie = 0;
	socklen_t size = sizeof(cookie);

	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size), 0);
	return cookie;
}

/* What a reader meets: 0 for a byte that is there, or -errno. */
static int reads(int fd, int flags)
{
	char byte;
	ssize_t n = recv(fd, &byte, 1, flags);

	return n < 0 ? -errno : n == 1 ? 0 : -EPIPE;
}

static bool still_talks(const struct conversation *c)
{
	return send(c->client, "x", 1, MSG_NOSIGNAL) == 1 && reads(c->server, 0) == 0 &&
	       send(c->server, "y", 1, MSG_NOSIGNAL) == 1 && reads(c->client, 0) == 0;
}

static void resets_what_it_is_told(int family)
{
	struct conversation gone = converse(family), stays = converse(family);
	uint64_t cookie = cookie_of(gone.server);

	assert_int_equal(reset_connections(&cookie, 1), 1);
	assert_int_equal(reads(gone.server, MSG_DONTWAIT), -ECONNABORTED);
	assert_int_equal(reads(gone.client, 0), -ECONNRESET);
	assert_true(still_talks(&stays));
	assert_int_equal(reset_connections(&cookie, 1), 0); /* it has ended */
	end(&gone);
	end(&stays);
}

static void ipv4_is_reset(void **state)
{
	(void)state;
	resets_what_it_is_told(AF_INET);
}

static void ipv6_is_reset(void **state)
{
	(void)state;
	resets_what_it_is_told(AF_INET6);
}

static int compare(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return left < right ? -1 : left > right;
}

/* More than one netlink message holds, with strangers among them. */
static void many_are_reset(void **state)
{
	enum { MANY = 300 };
	static struct conversation all[MANY];
	static uint64_t cookies[MANY];
	unsigned n = 0;

	(void)state;
	for (unsigned i = 0; i < MANY; i++) {
		all[i] = converse(i % 2 ? AF_INET : AF_INET6);
		if (i % 4)
			cookies[n++] = cookie_of(all[i].server);
	}
	qsort(cookies, n, sizeof(*cookies), compare);
	assert_int_equal(reset_connections(cookies, n), n);
	for (unsigned i = 0; i < MANY; i++) {
		if (i % 4)
			assert_int_equal(reads(all[i].client, 0), -ECONNRESET);
		else
			assert_true(still_talks(&all[i]));
		end(&all[i]);
	}
}

/* A listener's cookie means nothing here. */
static void a_listener_is_never_touched(void **state)
{
	struct conversation c = converse(AF_INET);
	uint64_t cookie = cookie_of(c.listener);

	(void)state;
	assert_int_equal(reset_connections(&cookie, 1), 0);
	assert_true(still_talks(&c));
	end(&c);
}

static void none_are_none(void **state)
{
	(void)state;
	assert_int_equal(reset_connections(NULL, 0), 0);
}

static int own_namespace(void **state)
{
	struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	_cleanup_close_ int fd = -1;

	(void)state;
	if (unshare(CLONE_NEWNET) < 0)
		return -1;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return fd < 0 ? -1 : ioctl(fd, SIOCSIFFLAGS, &lo);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ipv4_is_reset),
		cmocka_unit_test(ipv6_is_reset),
		cmocka_unit_test(many_are_reset),
		cmocka_unit_test(a_listener_is_never_touched),
		cmocka_unit_test(none_are_none),
	};

	return cmocka_run_group_tests(tests, own_namespace, NULL);
}
