/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Processes and listeners of this node, read from the kernel: sock_diag for listeners, /proc for who holds them.
 * It only looks. Listeners are those of the calling process's network namespace.
 */
#ifndef SERIN_DISCOVER_H
#define SERIN_DISCOVER_H

#include "serin/model.h"

/* The listeners that `want` may reach, at most SERIN_LISTENERS_MAX: the same port, and the same address or any on either
 * side. Returns how many were written to ret_listeners, or -errno when the kernel could not be asked: -ENOENT says that
 * it lacks the module tcp_diag. */
int discover_listeners(const struct serin_endpoint *want, struct serin_listener *ret_listeners);

/* All listeners, in an array the caller frees (NULL: there is none). Returns how many, or -errno as above, -ENOMEM. */
int discover_all_listeners(struct serin_listener **ret_listeners);

/* One descriptor of one process that refers to a socket. */
struct discover_holder {
	uint32_t pid;
	int fd;
	uint32_t inode;
};

/* Who holds these sockets: every process and descriptor found under /proc, in an array the caller frees. Processes that
 * end meanwhile are passed over. Returns how many, or -errno: -ENOMEM, or why /proc cannot be read. */
int discover_holders(const uint32_t *inodes, unsigned n_inodes, struct discover_holder **ret_holders);

/* Calls `each` for every socket a process holds. Stops and returns when `each` answers other than 0. */
int discover_sockets(uint32_t pid, int (*each)(const struct discover_holder *holder, void *context), void *context);

/*
 * A duplicate of a process's descriptor, close-on-exec. The caller closes it at once: while it is open a listener
 * would seem to listen after its server's death. Returns it, or -errno: ESRCH or EBADF when the process or its
 * descriptor is gone, EPERM without CAP_SYS_PTRACE.
 */
int discover_duplicate(uint32_t pid, int fd);

/* Is this socket MPTCP's? The kernel keeps those out of a SOCKMAP. */
bool discover_is_mptcp(int fd);

/* The process's name, as in /proc/PID/comm. 0 or -errno. */
int discover_comm(uint32_t pid, char *ret_name, size_t size);

/* The process's parent. 0: it has none, or is gone. */
uint32_t discover_parent(uint32_t pid);

/* Resident bytes of a process. 0 or -errno: ESRCH when it is gone. */
int discover_resident(uint32_t pid, uint64_t *ret_bytes);

/* A process outside the calling one's network namespace that listens on this port; 0 when there is none. For the
 * message to a person who waits for it. */
uint32_t discover_elsewhere(uint16_t port);

/* The cookie of the calling process's network namespace. 0 or -errno: ENOPROTOOPT before Linux 5.14. */
int discover_netns_cookie(uint64_t *ret_cookie);

#endif
