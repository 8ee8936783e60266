// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "system.h"

#include "util.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/vfs.h>

const char *system_kernel(char *ret_text, size_t size)
{
	struct utsname name;

	snprintf(ret_text, size, "%s", uname(&name) == 0 ? name.release : "?");
	return ret_text;
}

bool system_kernel_is_realtime(void)
{
	struct utsname name;

	return uname(&name) == 0 && strstr(name.version, "PREEMPT_RT");
}

bool system_kernel_at_least(unsigned major, unsigned minor)
{
	unsigned found_major = 0, found_minor = 0;
	char text[96];

	if (sscanf(system_kernel(text, sizeof(text)), "%u.%u", &found_major, &found_minor) != 2)
		return false;
	return found_major > major || (found_major == major && found_minor >= minor);
}

#define CGROUP2_ROOT_ID 1 /* the inode number of a hierarchy's root: the first that kernfs gives */

/* A line of mountinfo: "36 35 98:0 ROOT MOUNTPOINT OPTIONS ... - TYPE SOURCE SUPEROPTIONS". */
static bool is_cgroup2(const char *line, char ret_point[256])
{
	const char *dash = strstr(line, " - ");
	char type[32];

	return dash && sscanf(dash, " - %31s", type) == 1 && !strcmp(type, "cgroup2") &&
	       sscanf(line, "%*s %*s %*s %*s %255s", ret_point) == 1;
}

static int read_id(const char *path, uint64_t *ret_id)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	*ret_id = st.st_ino;
	return 0;
}

int system_cgroup2(char *ret_path, size_t size)
{
	_cleanup_fclose_ FILE *file = fopen("/proc/self/mountinfo", "re");
	char line[1024], point[256];
	int r = -ENOENT;

	while (file && fgets(line, sizeof(line), file)) {
		uint64_t id = 0;

		if (!is_cgroup2(line, point) || read_id(point, &id) < 0)
			continue;
		if (r == -ENOENT || id == CGROUP2_ROOT_ID)
			snprintf(ret_path, size, "%s", point);
		if (id == CGROUP2_ROOT_ID)
			return 0;
		r = -EXDEV;
	}
	return r;
}

/* Its inode number, on kernels of 64 bits. */
int system_cgroup2_id(uint64_t *ret_id)
{
	char path[256];
	int r = system_cgroup2(path, sizeof(path));

	return r < 0 ? r : read_id(path, ret_id);
}

bool system_has_bpffs(void)
{
	struct statfs fs;

	return statfs("/sys/fs/bpf", &fs) == 0 && (unsigned long)fs.f_type == BPF_FS_MAGIC;
}

int system_mount_bpffs(void)
{
	if (system_has_bpffs())
		return 0;
	return mount("bpf", "/sys/fs/bpf", "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") < 0 ? -errno : 0;
}

const char *system_missing_capability(void)
{
	static const struct {
		unsigned number;
		const char *name;
	} needed[] = {
		{CAP_BPF, "CAP_BPF"},
		{CAP_NET_ADMIN, "CAP_NET_ADMIN"},
		{CAP_PERFMON, "CAP_PERFMON"},
		{CAP_SYS_PTRACE, "CAP_SYS_PTRACE"},
		{CAP_DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH"},
	};
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {};

	if (syscall(SYS_capget, &header, data) < 0)
		return "capget";
	for (unsigned i = 0; i < ARRAY_SIZE(needed); i++)
		if (!(data[needed[i].number / 32].effective & 1U << needed[i].number % 32))
			return needed[i].name;
	return NULL;
}

/* The inode number the kernel gives the first pid namespace: PROC_PID_INIT_INO. */
#define INITIAL_PID_NAMESPACE 0xEFFFFFFCU

bool system_is_host_pid_namespace(void)
{
	struct stat st;

	return stat("/proc/self/ns/pid", &st) == 0 && st.st_ino == INITIAL_PID_NAMESPACE;
}

int system_read_number(const char *path, char *ret_text, size_t size)
{
	_cleanup_fclose_ FILE *file = fopen(path, "re");

	if (!file)
		return -errno;
	if (!fgets(ret_text, (int)size, file))
		return -EIO;
	ret_text[strcspn(ret_text, "\n")] = '\0';
	return 0;
}
