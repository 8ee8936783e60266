// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#define _GNU_SOURCE 1

#include "discover.h"

#include "endpoint.h"
#include "util.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif
#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif
#define DIAG_BUFFER 32768
#define STATE_LISTEN_HEX "0A" /* in /proc/net/tcp */

static inline void close_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}
#define _cleanup_dir_ __attribute__((cleanup(close_dir)))

/* ---- listeners ---- */

static int ask_listeners(int fd, uint8_t family)
{
	struct {
		struct nlmsghdr header;
		struct inet_diag_req_v2 request;
	} message = {
		.header = {.nlmsg_len = sizeof(message),
			   .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			   .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
		.request = {.sdiag_family = family,
			    .sdiag_protocol = IPPROTO_TCP,
			    .idiag_ext = 1 << (INET_DIAG_SKMEMINFO - 1),
			    .idiag_states = 1 << TCP_LISTEN},
	};

	return send(fd, &message, sizeof(message), 0) < 0 ? -errno : 0;
}

static uint32_t drops_of(const struct inet_diag_msg *diag, size_t length)
{
	const struct rtattr *attribute = (const void *)(diag + 1);

	for (length -= sizeof(*diag); RTA_OK(attribute, length); attribute = RTA_NEXT(attribute, length))
		if (attribute->rta_type == INET_DIAG_SKMEMINFO &&
		    RTA_PAYLOAD(attribute) > SK_MEMINFO_DROPS * sizeof(uint32_t))
			return ((const uint32_t *)RTA_DATA(attribute))[SK_MEMINFO_DROPS];
	return 0;
}

static void to_listener(const struct inet_diag_msg *diag, size_t length, struct serin_listener *ret)
{
	endpoint_from_kernel(diag->idiag_family, diag->id.idiag_src, ntohs(diag->id.idiag_sport), &ret->endpoint);
	ret->cookie = (uint64_t)diag->id.idiag_cookie[1] << 32 | diag->id.idiag_cookie[0];
	ret->inode = diag->idiag_inode;
	ret->drops = drops_of(diag, length);
}

/* Where listeners of a dump go. */
struct harvest {
	int (*take)(struct harvest *harvest, const struct serin_listener *listener); /* 0 or -errno */
	const struct serin_endpoint *want; /* NULL: all */
	struct serin_listener *found;
	unsigned n, room;
};

/* One netlink answer. Returns 1 at the end of the dump, 0 when more follows, -errno. */
static int take_listeners(const char *buffer, size_t size, struct harvest *harvest)
{
	const struct nlmsghdr *header = (const void *)buffer;
	int r = 0;

	for (; r == 0 && NLMSG_OK(header, size); header = NLMSG_NEXT(header, size)) {
		struct serin_listener listener;

		if (header->nlmsg_type == NLMSG_DONE)
			return 1;
		if (header->nlmsg_type == NLMSG_ERROR)
			return ((const struct nlmsgerr *)NLMSG_DATA(header))->error;
		to_listener(NLMSG_DATA(header), header->nlmsg_len - NLMSG_HDRLEN, &listener);
		if (!harvest->want || endpoint_overlaps(harvest->want, &listener.endpoint))
			r = harvest->take(harvest, &listener);
	}
	return r;
}

static int listeners_of_family(uint8_t family, struct harvest *harvest)
{
	_cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	char buffer[DIAG_BUFFER] __attribute__((aligned(NLMSG_ALIGNTO)));
	int r;

	if (fd < 0)
		return -errno;
	r = ask_listeners(fd, family);
	while (r == 0) {
		ssize_t size = recv(fd, buffer, sizeof(buffer), 0);

		if (size < 0)
			return -errno;
		r = take_listeners(buffer, (size_t)size, harvest);
	}
	return r < 0 ? r : 0;
}

static int harvest_listeners(struct harvest *harvest)
{
	int r = listeners_of_family(AF_INET, harvest);

	if (r < 0)
		return r;
	r = listeners_of_family(AF_INET6, harvest);
	return r == -ENOENT ? 0 : r; /* that is a kernel without IPv6 */
}

static int take_while_room(struct harvest *harvest, const struct serin_listener *listener)
{
	if (harvest->n < harvest->room)
		harvest->found[harvest->n++] = *listener;
	return 0;
}

int discover_listeners(const struct serin_endpoint *want, struct serin_listener *ret_listeners)
{
	struct serin_listener listeners[SERIN_LISTENERS_MAX];
	struct harvest harvest = {
		.take = take_while_room, .want = want, .found = listeners, .room = SERIN_LISTENERS_MAX};
	int r = harvest_listeners(&harvest);

	if (r < 0)
		return r;
	memcpy(ret_listeners, listeners, harvest.n * sizeof(*listeners));
	return (int)harvest.n;
}

static int take_all(struct harvest *harvest, const struct serin_listener *listener)
{
	unsigned room = harvest->room ? 2 * harvest->room : 64;
	struct serin_listener *longer;

	if (harvest->n == harvest->room) {
		longer = reallocarray(harvest->found, room, sizeof(*longer));
		if (!longer)
			return -ENOMEM;
		harvest->found = longer;
		harvest->room = room;
	}
	harvest->found[harvest->n++] = *listener;
	return 0;
}

int discover_all_listeners(struct serin_listener **ret_listeners)
{
	struct harvest harvest = {.take = take_all};
	int r = harvest_listeners(&harvest);

	if (r < 0) {
		free(harvest.found);
		return r;
	}
	*ret_listeners = harvest.found;
	return (int)harvest.n;
}

/* ---- processes ---- */

static bool is_number(const char *text)
{
	return *text >= '1' && *text <= '9';
}

/* The inode behind /proc/PID/fd/N. 0: not a socket, or gone. */
static uint32_t socket_inode(int dir, const char *name)
{
	char text[64];
	ssize_t length = readlinkat(dir, name, text, sizeof(text) - 1);

	if (length <= 0)
		return 0;
	text[length] = '\0';
	return strncmp(text, "socket:[", 8) ? 0 : (uint32_t)strtoul(text + 8, NULL, 10);
}

int discover_sockets(uint32_t pid, int (*each)(const struct discover_holder *holder, void *context), void *context)
{
	_cleanup_dir_ DIR *dir = NULL;
	struct dirent *entry;
	char path[32];
	int r = 0;

	snprintf(path, sizeof(path), "/proc/%u/fd", pid);
	dir = opendir(path);
	if (!dir)
		return 0; /* it has ended, or is a kernel thread */
	while (r == 0 && (entry = readdir(dir))) {
		struct discover_holder holder = {.pid = pid, .inode = socket_inode(dirfd(dir), entry->d_name)};

		if (!holder.inode)
			continue;
		holder.fd = (int)strtol(entry->d_name, NULL, 10);
		r = each(&holder, context);
	}
	return r;
}

struct search {
	const uint32_t *inodes;
	unsigned n_inodes;
	struct discover_holder *found;
	unsigned n, room;
};

static int keep_holder(struct search *search, const struct discover_holder *holder)
{
	unsigned room = search->room ? 2 * search->room : 64;
	struct discover_holder *longer;

	if (search->n == search->room) {
		longer = reallocarray(search->found, room, sizeof(*longer));
		if (!longer)
			return -ENOMEM;
		search->found = longer;
		search->room = room;
	}
	search->found[search->n++] = *holder;
	return 0;
}

static int match_inode(const struct discover_holder *holder, void *context)
{
	struct search *search = context;

	for (unsigned i = 0; i < search->n_inodes; i++)
		if (search->inodes[i] == holder->inode)
			return keep_holder(search, holder);
	return 0;
}

int discover_holders(const uint32_t *inodes, unsigned n_inodes, struct discover_holder **ret_holders)
{
	struct search search = {.inodes = inodes, .n_inodes = n_inodes};
	_cleanup_dir_ DIR *proc = opendir("/proc");
	struct dirent *entry;
	int r = 0;

	if (!proc)
		return -errno;
	while (r == 0 && (entry = readdir(proc)))
		if (is_number(entry->d_name))
			r = discover_sockets((uint32_t)strtoul(entry->d_name, NULL, 10), match_inode, &search);
	if (r < 0) {
		free(search.found);
		return r;
	}
	*ret_holders = search.found;
	return (int)search.n;
}

int discover_duplicate(uint32_t pid, int fd)
{
	_cleanup_close_ int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	int duplicate;

	if (pidfd < 0)
		return -errno;
	duplicate = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	return duplicate < 0 ? -errno : duplicate;
}

bool discover_is_mptcp(int fd)
{
	int protocol = 0;
	socklen_t length = sizeof(protocol);

	return getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &length) == 0 && protocol == IPPROTO_MPTCP;
}

/* A small file of /proc, NUL-terminated. 0 or -errno. */
static int read_small(const char *path, char *ret_text, size_t size)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t length;

	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno; /* all such files are processes' */
	length = read(fd, ret_text, size - 1);
	if (length < 0)
		return -errno;
	ret_text[length] = '\0';
	return 0;
}

int discover_comm(uint32_t pid, char *ret_name, size_t size)
{
	char path[32], text[64];
	int r;

	snprintf(path, sizeof(path), "/proc/%u/comm", pid);
	r = read_small(path, text, sizeof(text));
	if (r < 0)
		return r;
	text[strcspn(text, "\n")] = '\0';
	snprintf(ret_name, size, "%s", text);
	return 0;
}

/* Its name, in parentheses, may hold anything. */
uint32_t discover_parent(uint32_t pid)
{
	char path[32], text[512];
	const char *behind;
	unsigned parent;

	snprintf(path, sizeof(path), "/proc/%u/stat", pid);
	if (read_small(path, text, sizeof(text)) < 0)
		return 0;
	behind = strrchr(text, ')');
	return behind && sscanf(behind + 1, " %*c %u", &parent) == 1 ? parent : 0;
}

int discover_resident(uint32_t pid, uint64_t *ret_bytes)
{
	char path[32], text[128];
	unsigned long long pages;
	int r;

	snprintf(path, sizeof(path), "/proc/%u/statm", pid);
	r = read_small(path, text, sizeof(text));
	if (r < 0)
		return r;
	if (sscanf(text, "%*s %llu", &pages) != 1)
		return -ESRCH;
	*ret_bytes = pages * (uint64_t)sysconf(_SC_PAGESIZE);
	return 0;
}

/* ---- network namespaces ---- */

static bool listens(uint32_t pid, const char *table, uint16_t port)
{
	_cleanup_fclose_ FILE *file = NULL;
	char path[48], line[256];

	snprintf(path, sizeof(path), "/proc/%u/net/%s", pid, table);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file)) {
		unsigned local_port;
		char state[3];

		if (sscanf(line, "%*s %*[0-9A-F]:%4x %*s %2s", &local_port, state) == 2 && local_port == port &&
		    !strcmp(state, STATE_LISTEN_HEX))
			return true;
	}
	return false;
}

static int netns_of(const char *pid, ino_t *ret)
{
	struct stat st;
	char path[48];

	snprintf(path, sizeof(path), "/proc/%.16s/ns/net", pid);
	if (stat(path, &st) < 0)
		return -errno;
	*ret = st.st_ino;
	return 0;
}

uint32_t discover_elsewhere(uint16_t port)
{
	ino_t own = 0, other = 0, seen[64];
	_cleanup_dir_ DIR *proc = opendir("/proc");
	struct dirent *entry;
	unsigned n = 0;

	if (!proc || netns_of("self", &own) < 0)
		return 0;
	while ((entry = readdir(proc))) {
		bool known = !is_number(entry->d_name) || netns_of(entry->d_name, &other) < 0 || other == own;
		uint32_t pid = (uint32_t)strtoul(entry->d_name, NULL, 10);

		for (unsigned i = 0; !known && i < n; i++)
			known = seen[i] == other;
		if (known)
			continue;
		if (n < ARRAY_SIZE(seen))
			seen[n++] = other;
		if (listens(pid, "tcp", port) || listens(pid, "tcp6", port))
			return pid;
	}
	return 0;
}

int discover_netns_cookie(uint64_t *ret_cookie)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t length = sizeof(*ret_cookie);
	uint64_t cookie;

	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &length) < 0)
		return -errno;
	*ret_cookie = cookie;
	return 0;
}
