// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#define _GNU_SOURCE 1

#include "reset.h"

#include "util.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#define DIAG_BUFFER 32768
#define CONNECTED (1 << TCP_ESTABLISHED | 1 << TCP_CLOSE_WAIT | 1 << TCP_FIN_WAIT1 | 1 << TCP_FIN_WAIT2)

struct message {
	struct nlmsghdr header;
	struct inet_diag_req_v2 request;
};

/* What is to be reset, by the name that the kernel gives it. */
struct found {
	const uint64_t *cookies;
	unsigned n_cookies;
	struct inet_diag_req_v2 *requests; /* room for n_cookies */
	unsigned n;
};

static int compare_cookies(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return left < right ? -1 : left > right;
}

static bool is_wanted(const struct found *found, const struct inet_diag_msg *diag)
{
	uint64_t cookie = (uint64_t)diag->id.idiag_cookie[1] << 32 | diag->id.idiag_cookie[0];

	return bsearch(&cookie, found->cookies, found->n_cookies, sizeof(cookie), compare_cookies);
}

/* One netlink answer. Returns 1 at the end of the dump, 0 when more follows, -errno. */
static int take_connections(const char *buffer, size_t size, struct found *found)
{
	const struct nlmsghdr *header = (const void *)buffer;

	for (; NLMSG_OK(header, size); header = NLMSG_NEXT(header, size)) {
		const struct inet_diag_msg *diag = NLMSG_DATA(header);

		if (header->nlmsg_type == NLMSG_DONE)
			return 1;
		if (header->nlmsg_type == NLMSG_ERROR)
			return ((const struct nlmsgerr *)NLMSG_DATA(header))->error;
		if (found->n < found->n_cookies && is_wanted(found, diag))
			found->requests[found->n++] = (struct inet_diag_req_v2){
				.sdiag_family = diag->idiag_family, .sdiag_protocol = IPPROTO_TCP, .id = diag->id};
	}
	return 0;
}

static int find_of_family(int fd, uint8_t family, struct found *found)
{
	struct message message = {
		.header = {.nlmsg_len = sizeof(message),
			   .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			   .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
		.request = {.sdiag_family = family, .sdiag_protocol = IPPROTO_TCP, .idiag_states = CONNECTED},
	};
	char buffer[DIAG_BUFFER] __attribute__((aligned(NLMSG_ALIGNTO)));
	int r = send(fd, &message, sizeof(message), 0) < 0 ? -errno : 0;

	while (r == 0) {
		ssize_t size = recv(fd, buffer, sizeof(buffer), 0);

		r = size < 0 ? -errno : take_connections(buffer, (size_t)size, found);
	}
	return r < 0 ? r : 0;
}

/* 1: reset; 0: it has ended meanwhile; -errno. */
static int destroy(int fd, const struct inet_diag_req_v2 *request)
{
	struct message message = {
		.header = {.nlmsg_len = sizeof(message),
			   .nlmsg_type = SOCK_DESTROY,
			   .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK},
		.request = *request,
	};
	char buffer[1024] __attribute__((aligned(NLMSG_ALIGNTO)));
	const struct nlmsghdr *header = (const void *)buffer;
	ssize_t size;
	int error;

	if (send(fd, &message, sizeof(message), 0) < 0 || (size = recv(fd, buffer, sizeof(buffer), 0)) < 0)
		return -errno;
	if (!NLMSG_OK(header, (size_t)size) || header->nlmsg_type != NLMSG_ERROR)
		return -EPROTO;
	error = ((const struct nlmsgerr *)NLMSG_DATA(header))->error;
	return error == -ENOENT ? 0 : error ? error : 1;
}

int reset_connections(const uint64_t *cookies, unsigned n)
{
	_cleanup_free_ struct inet_diag_req_v2 *requests = calloc(n ? n : 1, sizeof(*requests));
	_cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	struct found found = {.cookies = cookies, .n_cookies = n, .requests = requests};
	int count = 0, r;

	if (!requests)
		return -ENOMEM;
	if (fd < 0)
		return -errno;
	r = find_of_family(fd, AF_INET, &found);
	if (r == 0)
		r = find_of_family(fd, AF_INET6, &found);
	if (r < 0 && r != -ENOENT) /* that is a kernel without IPv6 */
		return r;
	for (unsigned i = 0; i < found.n; i++) {
		r = destroy(fd, &requests[i]);
		if (r < 0)
			return r;
		count += r;
	}
	return count;
}
