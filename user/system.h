/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What this machine has: kernel, mounts, capabilities. */
#ifndef SERIN_SYSTEM_H
#define SERIN_SYSTEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The release of the running kernel; returns ret_text. */
const char *system_kernel(char *ret_text, size_t size);
bool system_kernel_at_least(unsigned major, unsigned minor);

/* Is it built with PREEMPT_RT, where softirqs preempt each other? By uname(2)'s version. */
bool system_kernel_is_realtime(void);

/* Where cgroup2 is mounted (/sys/fs/cgroup, or .../unified beside version 1), from the node's root on. 0, -ENOENT when
 * nowhere, or -EXDEV with the place when it is only a part of it, as a container's own. */
int system_cgroup2(char *ret_path, size_t size);

/* The kernel's number of the control group at its root. 0 or -errno. */
int system_cgroup2_id(uint64_t *ret_id);

bool system_has_bpffs(void);

/* Mounts a bpffs at /sys/fs/bpf if there is none. 0 or -errno. */
int system_mount_bpffs(void);

/* The first capability that serin needs and this process has not, by name; NULL when it has all. */
const char *system_missing_capability(void);

/* Does it see the processes by the numbers the kernel has for them? */
bool system_is_host_pid_namespace(void);

/* The first line of a file under /proc. 0 or -errno. */
int system_read_number(const char *path, char *ret_text, size_t size);

#endif
