/* Links: user/discover.c user/endpoint.c */
// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Against sockets and processes of the test's own. */
#define _GNU_SOURCE 1

#include "check.h"

#include "discover.h"
#include "endpoint.h"
#include "util.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif
#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

#define OPENED_MAX 512
#define PATIENCE (5 * SECOND)

static int opened[OPENED_MAX]; /* closed at the end of each test, as `child` is killed */
static unsigned n_opened;
static pid_t child;
static struct serin_listener found[SERIN_LISTENERS_MAX];

static int nothing_open(void **state)
{
	(void)state;
	n_opened = 0;
	child = 0;
	return 0;
}

static void end_child(void)
{
	if (child > 0) {
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	child = 0;
}

static struct discover_holder *found_holders; /* by holders() */

static int close_all(void **state)
{
	(void)state;
	while (n_opened)
		close(opened[--n_opened]);
	free(found_holders);
	found_holders = NULL;
	end_child();
	return 0;
}

static int keep(int fd)
{
	assert_true(fd >= 0);
	assert_true(n_opened < OPENED_MAX);
	opened[n_opened++] = fd;
	return fd;
}

/* ---- sockets ---- */

static union address {
	struct sockaddr any;
	struct sockaddr_in four;
	struct sockaddr_in6 six;
} address_of(const char *text, uint16_t port)
{
	union address address = {};

	if (strchr(text, ':')) {
		address.six = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(port)};
		assert_int_equal(inet_pton(AF_INET6, text, &address.six.sin6_addr), 1);
	} else {
		address.four = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
		assert_int_equal(inet_pton(AF_INET, text, &address.four.sin_addr), 1);
	}
	return address;
}

static int bind_one(int fd, const char *text, uint16_t port)
{
	union address address = address_of(text, port);

	return bind(fd, &address.any, address.any.sa_family == AF_INET6 ? sizeof(address.six) : sizeof(address.four));
}

/* A listener of this address; port 0 lets the kernel choose. */
static int listen_on(const char *text, uint16_t port)
{
	const int on = 1;
	int fd = keep(socket(strchr(text, ':') ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)), 0);
	assert_int_equal(bind_one(fd, text, port), 0);
	assert_int_equal(listen(fd, 8), 0);
	return fd;
}

static uint16_t port_of(int fd)
{
	union address address;
	socklen_t length = sizeof(address);

	assert_int_equal(getsockname(fd, &address.any, &length), 0);
	return ntohs(address.any.sa_family == AF_INET6 ? address.six.sin6_port : address.four.sin_port);
}

static uint64_t cookie_of(int fd)
{
	uint64_t cookie = 0;
	socklen_t length = sizeof(cookie);

	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &length), 0);
	return cookie;
}

static uint32_t inode_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return (uint32_t)st.st_ino;
}

/* How many listeners of a port there are, into `found`. */
static int look(uint16_t port)
{
	const struct serin_endpoint want = {.port = port};

	return discover_listeners(&want, found);
}

static void check_found_as(int fd, const char *expected)
{
	char text[ENDPOINT_TEXT_MAX];

	assert_int_equal(look(port_of(fd)), 1);
	endpoint_format_address(&found[0].endpoint, text);
	assert_string_equal(text, expected);
	assert_int_equal(found[0].endpoint.port, port_of(fd));
	assert_int_equal(found[0].inode, inode_of(fd));
}

static void skip_unless(bool possible, const char *why)
{
	if (possible)
		return;
	print_message("SKIP: %s\n", why);
	skip();
}

static bool has_ipv6(void)
{
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool works = fd >= 0 && bind_one(fd, "::1", 0) == 0;

	util_close(&fd);
	return works;
}

/* ---- listeners ---- */

static void a_listener_on_ipv4_is_found(void **state)
{
	(void)state;
	check_found_as(listen_on("127.0.0.1", 0), "127.0.0.1");
}

static void a_listener_on_ipv6_is_found(void **state)
{
	(void)state;
	skip_unless(has_ipv6(), "there is no IPv6 here");
	check_found_as(listen_on("::1", 0), "::1");
}

static void a_listener_on_any_ipv4_address_is_found(void **state)
{
	(void)state;
	check_found_as(listen_on("0.0.0.0", 0), "0.0.0.0");
	assert_true(endpoint_is_any(&found[0].endpoint));
}

static void a_listener_on_any_ipv6_address_is_found_once(void **state)
{
	(void)state;
	skip_unless(has_ipv6(), "there is no IPv6 here");
	check_found_as(listen_on("::", 0), "0.0.0.0");
	assert_true(endpoint_is_any(&found[0].endpoint));
}

static void the_cookie_is_the_kernels(void **state)
{
	int fd;

	(void)state;
	fd = listen_on("127.0.0.1", 0);
	assert_int_equal(look(port_of(fd)), 1);
	assert_true(found[0].cookie == cookie_of(fd));
}

static void nobody_listens_on_a_port_that_is_only_bound(void **state)
{
	int fd;

	(void)state;
	fd = keep(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	assert_int_equal(bind_one(fd, "127.0.0.1", 0), 0);
	assert_int_equal(look(port_of(fd)), 0);
}

static void a_closed_listener_is_gone(void **state)
{
	uint16_t port;
	int fd;

	(void)state;
	fd = listen_on("127.0.0.1", 0);
	port = port_of(fd);
	assert_int_equal(look(port), 1);
	close(opened[--n_opened]);
	assert_int_equal(look(port), 0);
}

static void a_connection_is_no_listener(void **state)
{
	union address address;
	int fd;

	(void)state;
	fd = listen_on("127.0.0.1", 0);
	address = address_of("127.0.0.1", port_of(fd));
	assert_int_equal(connect(keep(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), &address.any,
				 sizeof(address.four)), 0);
	keep(accept(fd, NULL, NULL));
	assert_int_equal(look(port_of(fd)), 1);
}

static void every_listener_of_a_reuseport_group_is_found(void **state)
{
	int one, other;

	(void)state;
	one = listen_on("127.0.0.1", 0);
	other = listen_on("127.0.0.1", port_of(one));
	assert_int_equal(look(port_of(one)), 2);
	assert_true(found[0].cookie != found[1].cookie);
	assert_true(found[0].inode + found[1].inode == inode_of(one) + inode_of(other));
	assert_true(found[0].inode == inode_of(one) || found[0].inode == inode_of(other));
}

static void of_a_large_group_as_many_are_found_as_there_is_room(void **state)
{
	uint16_t port = 0;

	(void)state;
	for (unsigned i = 0; i < SERIN_LISTENERS_MAX + 8; i++)
		port = port_of(listen_on("127.0.0.1", port));
	assert_int_equal(look(port), SERIN_LISTENERS_MAX);
}

static void ipv4_and_ipv6_listeners_of_a_port_are_both_found(void **state)
{
	const int on = 1;
	int four, six;

	(void)state;
	skip_unless(has_ipv6(), "there is no IPv6 here");
	four = listen_on("0.0.0.0", 0);
	six = keep(socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
	assert_int_equal(setsockopt(six, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)), 0);
	assert_int_equal(bind_one(six, "::", port_of(four)), 0);
	assert_int_equal(listen(six, 8), 0);
	assert_int_equal(look(port_of(four)), 2);
}

static void only_the_wanted_address_is_found(void **state)
{
	struct serin_endpoint want;
	char text[ENDPOINT_TEXT_MAX];
	int one, other;

	(void)state;
	one = listen_on("127.0.0.1", 0);
	other = listen_on("127.0.0.2", port_of(one));
	snprintf(text, sizeof(text), "127.0.0.2:%u", port_of(one));
	assert_int_equal(endpoint_parse(text, &want), 0);
	assert_int_equal(discover_listeners(&want, found), 1);
	assert_int_equal(found[0].inode, inode_of(other));
}

static void another_port_is_not_found(void **state)
{
	int one, other;

	(void)state;
	one = listen_on("127.0.0.1", 0);
	other = listen_on("127.0.0.1", 0);
	assert_int_equal(look(port_of(one)), 1);
	assert_int_equal(found[0].inode, inode_of(one));
	assert_int_not_equal(inode_of(one), inode_of(other));
}

static void a_listener_nobody_was_turned_away_from_has_no_drops(void **state)
{
	(void)state;
	assert_int_equal(look(port_of(listen_on("127.0.0.1", 0))), 1);
	assert_int_equal(found[0].drops, 0);
}

/* A backlog of 0 has room for one connection; the others are turned away. */
static void connections_turned_away_from_a_full_queue_are_counted(void **state)
{
	uint64_t begin = util_now();
	union address address;
	int fd;

	(void)state;
	fd = listen_on("127.0.0.1", 0);
	assert_int_equal(listen(fd, 0), 0);
	address = address_of("127.0.0.1", port_of(fd));
	for (unsigned i = 0; i < 4; i++)
		connect(keep(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)), &address.any,
			sizeof(address.four));
	do
		assert_int_equal(look(port_of(fd)), 1);
	while (!found[0].drops && util_now() - begin < PATIENCE);
	assert_true(found[0].drops >= 1);
}

/* ---- processes ---- */

/* A child stays as it is until it is killed, or its parent is. */
static void wait_for_the_end(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		pause();
}

/* Forks a process that stays as it is until the test ends. */
static void fork_holder(void)
{
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		wait_for_the_end();
}

static int holders(uint32_t inode)
{
	free(found_holders);
	found_holders = NULL;
	return discover_holders(&inode, 1, &found_holders);
}

static bool holds(const struct discover_holder *all, int n, pid_t pid, int fd)
{
	for (int i = 0; i < n; i++)
		if (all[i].pid == (uint32_t)pid && all[i].fd == fd)
			return true;
	return false;
}

static void the_holder_of_a_socket_is_found_with_its_descriptor(void **state)
{
	int fd;

	(void)state;
	fd = listen_on("127.0.0.1", 0);
	assert_int_equal(holders(inode_of(fd)), 1);
	assert_true(holds(found_holders, 1, getpid(), fd));
	assert_int_equal(found_holders[0].inode, inode_of(fd));
}

static void a_socket_that_a_child_inherited_has_two_holders(void **state)
{
	int fd;

	(void)state;
	fd = listen_on("127.0.0.1", 0);
	fork_holder();
	assert_int_equal(holders(inode_of(fd)), 2);
	assert_true(holds(found_holders, 2, getpid(), fd));
	assert_true(holds(found_holders, 2, child, fd));
}

static void two_descriptors_of_one_socket_are_both_found(void **state)
{
	int fd, copy;

	(void)state;
	fd = listen_on("127.0.0.1", 0);
	copy = keep(dup(fd));
	assert_int_equal(holders(inode_of(fd)), 2);
	assert_true(holds(found_holders, 2, getpid(), fd));
	assert_true(holds(found_holders, 2, getpid(), copy));
}

static void two_sockets_are_looked_for_at_once(void **state)
{
	uint32_t inodes[2];
	int one, other;

	(void)state;
	one = listen_on("127.0.0.1", 0);
	other = listen_on("127.0.0.1", 0);
	inodes[0] = inode_of(one), inodes[1] = inode_of(other);
	free(found_holders);
	assert_int_equal(discover_holders(inodes, 2, &found_holders), 2);
	assert_true(holds(found_holders, 2, getpid(), one));
	assert_true(holds(found_holders, 2, getpid(), other));
}

static void many_holders_are_all_found(void **state)
{
	int fd;

	(void)state;
	fd = listen_on("127.0.0.1", 0);
	for (int i = 1; i < 200; i++)
		keep(dup(fd));
	assert_int_equal(holders(inode_of(fd)), 200);
	assert_true(holds(found_holders, 200, getpid(), fd));
}

/* A file whose link has the number where a socket's link has it: "/memfd:x123" beside "socket:[123]". */
static void a_file_is_not_taken_for_a_socket(void **state)
{
	char name[32];
	int fd;

	(void)state;
	fd = listen_on("127.0.0.1", 0);
	snprintf(name, sizeof(name), "x%u", inode_of(fd));
	keep(memfd_create(name, MFD_CLOEXEC));
	assert_int_equal(holders(inode_of(fd)), 1);
	assert_int_equal(found_holders[0].fd, fd);
}

static int count_one(const struct discover_holder *holder, void *context)
{
	(void)holder;
	++*(unsigned *)context;
	return 0;
}

static int stop_at_once(const struct discover_holder *holder, void *context)
{
	count_one(holder, context);
	return 5;
}

static void the_sockets_of_a_process_are_passed_one_by_one(void **state)
{
	unsigned before = 0, after = 0;

	(void)state;
	assert_int_equal(discover_sockets((uint32_t)getpid(), count_one, &before), 0);
	listen_on("127.0.0.1", 0);
	listen_on("127.0.0.1", 0);
	assert_int_equal(discover_sockets((uint32_t)getpid(), count_one, &after), 0);
	assert_int_equal(after, before + 2);
}

static void passing_sockets_stops_when_it_is_told_to(void **state)
{
	unsigned calls = 0;

	(void)state;
	listen_on("127.0.0.1", 0);
	listen_on("127.0.0.1", 0);
	assert_int_equal(discover_sockets((uint32_t)getpid(), stop_at_once, &calls), 5);
	assert_int_equal(calls, 1);
}

/* A process id that was just given back. */
static uint32_t ended(void)
{
	pid_t pid;

	fork_holder();
	pid = child;
	end_child();
	return (uint32_t)pid;
}

static void a_process_that_has_ended_has_no_sockets(void **state)
{
	unsigned calls = 0;

	(void)state;
	assert_int_equal(discover_sockets(ended(), count_one, &calls), 0);
	assert_int_equal(calls, 0);
}

/* ---- duplicates ---- */

static void a_duplicate_is_the_same_socket(void **state)
{
	int fd, duplicate;

	(void)state;
	fd = listen_on("127.0.0.1", 0);
	fork_holder();
	duplicate = keep(discover_duplicate((uint32_t)child, fd));
	assert_int_not_equal(duplicate, fd);
	assert_true(cookie_of(duplicate) == cookie_of(fd));
}

static void a_duplicate_is_close_on_exec(void **state)
{
	int fd, duplicate;

	(void)state;
	fd = listen_on("127.0.0.1", 0);
	fork_holder();
	duplicate = keep(discover_duplicate((uint32_t)child, fd));
	assert_int_equal(fcntl(duplicate, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

static void of_a_descriptor_that_is_not_there_is_no_duplicate(void **state)
{
	(void)state;
	fork_holder();
	assert_int_equal(discover_duplicate((uint32_t)child, 999), -EBADF);
}

static void of_a_process_that_has_ended_is_no_duplicate(void **state)
{
	(void)state;
	assert_int_equal(discover_duplicate(ended(), 0), -ESRCH);
}

static int lowest_free(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

static void looking_leaves_no_descriptor_behind(void **state)
{
	uint64_t cookie;
	int fd, duplicate, before;

	(void)state;
	fd = listen_on("127.0.0.1", 0);
	fork_holder();
	before = lowest_free();
	look(port_of(fd));
	holders(inode_of(fd));
	duplicate = discover_duplicate((uint32_t)child, fd);
	close(duplicate);
	discover_duplicate((uint32_t)child, 999);
	discover_elsewhere(port_of(fd));
	discover_netns_cookie(&cookie);
	assert_int_equal(duplicate, before + 1); /* beside the pidfd, which is closed */
	assert_int_equal(lowest_free(), before);
}

/* ---- MPTCP ---- */

static void plain_tcp_is_not_mptcp(void **state)
{
	(void)state;
	assert_false(discover_is_mptcp(listen_on("127.0.0.1", 0)));
}

static void what_is_no_tcp_is_not_mptcp(void **state)
{
	(void)state;
	assert_false(discover_is_mptcp(keep(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0))));
	assert_false(discover_is_mptcp(keep(memfd_create("file", MFD_CLOEXEC))));
}

/* Found like any other, and told apart by a duplicate of its descriptor. */
static void a_listener_of_mptcp_is_told_apart(void **state)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_MPTCP);

	(void)state;
	skip_unless(fd >= 0, "this kernel has no MPTCP");
	keep(fd);
	assert_int_equal(bind_one(fd, "127.0.0.1", 0), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(look(port_of(fd)), 1);
	assert_int_equal(holders(found[0].inode), 1);
	assert_int_equal(found_holders[0].fd, fd);
	assert_true(discover_is_mptcp(keep(discover_duplicate(found_holders[0].pid, found_holders[0].fd))));
}

/* ---- what a process is called, and uses ---- */

static void a_process_is_called_as_it_calls_itself(void **state)
{
	char before[16], name[32];

	(void)state;
	assert_int_equal(prctl(PR_GET_NAME, before), 0);
	assert_int_equal(prctl(PR_SET_NAME, "a model (1)"), 0);
	assert_int_equal(discover_comm((uint32_t)getpid(), name, sizeof(name)), 0);
	prctl(PR_SET_NAME, before);
	assert_string_equal(name, "a model (1)");
}

static void a_name_is_cut_to_its_room(void **state)
{
	char before[16], name[5];

	(void)state;
	assert_int_equal(prctl(PR_GET_NAME, before), 0);
	assert_int_equal(prctl(PR_SET_NAME, "model-server"), 0);
	assert_int_equal(discover_comm((uint32_t)getpid(), name, sizeof(name)), 0);
	prctl(PR_SET_NAME, before);
	assert_string_equal(name, "mode");
}

static void a_process_that_has_ended_has_no_name(void **state)
{
	char name[32] = "untouched";

	(void)state;
	assert_true(discover_comm(ended(), name, sizeof(name)) < 0);
	assert_string_equal(name, "untouched");
}

#define MIB (1LL << 20)

/* By how many bytes 64 MiB mapped so change what is resident. */
static int64_t resident_by(int flags)
{
	uint64_t before = 0, after = 0;
	void *memory;

	assert_int_equal(discover_resident((uint32_t)getpid(), &before), 0);
	memory = mmap(NULL, 64 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
	assert_ptr_not_equal(memory, MAP_FAILED);
	assert_int_equal(discover_resident((uint32_t)getpid(), &after), 0);
	munmap(memory, 64 * MIB);
	return (int64_t)(after - before);
}

/* Give or take what else the process does meanwhile. */
static void memory_in_use_is_resident_to_the_byte(void **state)
{
	int64_t grown;

	(void)state;
	grown = resident_by(MAP_POPULATE);
	assert_true(grown > 60 * MIB && grown < 68 * MIB);
}

static void memory_only_set_aside_is_not_resident(void **state)
{
	int64_t grown;

	(void)state;
	grown = resident_by(MAP_NORESERVE);
	assert_true(grown > -4 * MIB && grown < 4 * MIB);
}

static void a_process_that_has_ended_has_no_memory(void **state)
{
	uint64_t bytes = 7;

	(void)state;
	assert_int_equal(discover_resident(ended(), &bytes), -ESRCH);
	assert_int_equal(bytes, 7);
}

/* ---- network namespaces ---- */

static void the_cookie_of_the_namespace_is_that_of_its_sockets(void **state)
{
	uint64_t cookie = 0, expected = 0;
	socklen_t length = sizeof(expected);
	int fd;

	(void)state;
	fd = listen_on("127.0.0.1", 0);
	skip_unless(getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &expected, &length) == 0,
		    "this kernel has no cookies of network namespaces");
	assert_int_equal(discover_netns_cookie(&cookie), 0);
	assert_true(cookie == expected);
	assert_true(cookie != 0);
}

static void a_listener_next_to_us_is_not_elsewhere(void **state)
{
	(void)state;
	assert_int_equal(discover_elsewhere(port_of(listen_on("127.0.0.1", 0))), 0);
}

/* A child that listens in a network namespace of its own. Returns its port; 0 where it may not have one. */
static uint16_t listen_elsewhere(const char *text)
{
	uint16_t port = 0;
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		int fd = -1;

		if (unshare(CLONE_NEWNET) == 0)
			fd = socket(strchr(text, ':') ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd >= 0 && bind_one(fd, text, 0) == 0 && listen(fd, 8) == 0)
			port = port_of(fd);
		if (write(ends[1], &port, sizeof(port)) != sizeof(port))
			_exit(1);
		wait_for_the_end();
	}
	close(ends[1]);
	assert_int_equal(read(ends[0], &port, sizeof(port)), sizeof(port));
	close(ends[0]);
	return port;
}

static void a_listener_in_another_namespace_is_found_elsewhere_only(void **state)
{
	uint16_t port;

	(void)state;
	port = listen_elsewhere("0.0.0.0");
	skip_unless(port, "no network namespace can be made here");
	assert_int_equal(discover_elsewhere(port), child);
	assert_int_equal(look(port), 0);
}

static void an_ipv6_listener_in_another_namespace_is_found_too(void **state)
{
	uint16_t port;

	(void)state;
	port = listen_elsewhere("::");
	skip_unless(port, "no network namespace with IPv6 can be made here");
	assert_int_equal(discover_elsewhere(port), child);
}

#define discovering(test) cmocka_unit_test_setup_teardown(test, nothing_open, close_all)

int main(void)
{
	const struct CMUnitTest tests[] = {
		discovering(a_listener_on_ipv4_is_found),
		discovering(a_listener_on_ipv6_is_found),
		discovering(a_listener_on_any_ipv4_address_is_found),
		discovering(a_listener_on_any_ipv6_address_is_found_once),
		discovering(the_cookie_is_the_kernels),
		discovering(nobody_listens_on_a_port_that_is_only_bound),
		discovering(a_closed_listener_is_gone),
		discovering(a_connection_is_no_listener),
		discovering(every_listener_of_a_reuseport_group_is_found),
		discovering(of_a_large_group_as_many_are_found_as_there_is_room),
		discovering(ipv4_and_ipv6_listeners_of_a_port_are_both_found),
		discovering(only_the_wanted_address_is_found),
		discovering(another_port_is_not_found),
		discovering(a_listener_nobody_was_turned_away_from_has_no_drops),
		discovering(connections_turned_away_from_a_full_queue_are_counted),
		discovering(the_holder_of_a_socket_is_found_with_its_descriptor),
		discovering(a_socket_that_a_child_inherited_has_two_holders),
		discovering(two_descriptors_of_one_socket_are_both_found),
		discovering(two_sockets_are_looked_for_at_once),
		discovering(many_holders_are_all_found),
		discovering(a_file_is_not_taken_for_a_socket),
		discovering(the_sockets_of_a_process_are_passed_one_by_one),
		discovering(passing_sockets_stops_when_it_is_told_to),
		discovering(a_process_that_has_ended_has_no_sockets),
		discovering(a_duplicate_is_the_same_socket),
		discovering(a_duplicate_is_close_on_exec),
		discovering(of_a_descriptor_that_is_not_there_is_no_duplicate),
		discovering(of_a_process_that_has_ended_is_no_duplicate),
		discovering(looking_leaves_no_descriptor_behind),
		discovering(plain_tcp_is_not_mptcp),
		discovering(what_is_no_tcp_is_not_mptcp),
		discovering(a_listener_of_mptcp_is_told_apart),
		discovering(a_process_is_called_as_it_calls_itself),
		discovering(a_name_is_cut_to_its_room),
		discovering(a_process_that_has_ended_has_no_name),
		discovering(memory_in_use_is_resident_to_the_byte),
		discovering(memory_only_set_aside_is_not_resident),
		discovering(a_process_that_has_ended_has_no_memory),
		discovering(the_cookie_of_the_namespace_is_that_of_its_sockets),
		discovering(a_listener_next_to_us_is_not_elsewhere),
		discovering(a_listener_in_another_namespace_is_found_elsewhere_only),
		discovering(an_ipv6_listener_in_another_namespace_is_found_too),
	};

	return cmocka_run_group_tests_name("discover", tests, NULL, NULL);
}
