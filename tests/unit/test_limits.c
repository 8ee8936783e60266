/* Links: user/limits.c user/util.c */
// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The limits of a real process in real control groups, of version 1 or 2, whichever has the controllers here. */
#define _GNU_SOURCE 1

#include "check.h"

#include "limits.h"
#include "util.h"

#include <errno.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* The files of each version. */
static const struct {
	const char *cpu_root, *memory_root, *quota, *period, *bytes;
} kinds[] = {
	{"/sys/fs/cgroup/cpu", "/sys/fs/cgroup/memory", "cpu.cfs_quota_us", "cpu.cfs_period_us", "memory.limit_in_bytes"},
	{"/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup/memory", "cpu.cfs_quota_us", "cpu.cfs_period_us",
	 "memory.limit_in_bytes"},
	{"/sys/fs/cgroup", "/sys/fs/cgroup", "cpu.max", NULL, "memory.max"},
	{"/sys/fs/cgroup/unified", "/sys/fs/cgroup/unified", "cpu.max", NULL, "memory.max"},
};
static int kind = -1; /* none has both controllers */
static pid_t process;

static bool put(const char *directory, const char *name, const char *text)
{
	char path[256];
	FILE *file;
	bool done;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "we");
	if (!file)
		return false;
	done = fputs(text, file) >= 0;
	return fclose(file) == 0 && done;
}

static const char *group(bool cpu, const char *below)
{
	static char path[2][160];

	snprintf(path[cpu], sizeof(path[cpu]), "%s/serin-limits-%d%s", cpu ? kinds[kind].cpu_root : kinds[kind].memory_root,
		 getpid(), below);
	return path[cpu];
}

static void remove_groups(void)
{
	for (int cpu = 0; cpu < 2; cpu++) {
		rmdir(group(cpu, "/inner"));
		rmdir(group(cpu, ""));
	}
}

static bool make_groups(void)
{
	char file[256];

	for (int cpu = 0; cpu < 2; cpu++) {
		if (mkdir(group(cpu, ""), 0700) < 0 && errno != EEXIST)
			return false;
		put(group(cpu, ""), "cgroup.subtree_control", "+cpu +memory"); /* of version 2 */
		if (mkdir(group(cpu, "/inner"), 0700) < 0 && errno != EEXIST)
			return false;
	}
	snprintf(file, sizeof(file), "%s/%s", group(true, "/inner"), kinds[kind].quota);
	if (access(file, W_OK) < 0)
		return false;
	snprintf(file, sizeof(file), "%s/%s", group(false, "/inner"), kinds[kind].bytes);
	return access(file, W_OK) == 0;
}

static int begin_all(void **state)
{
	(void)state;
	for (kind = 0; kind < (int)ARRAY_SIZE(kinds); kind++) {
		if (make_groups())
			return 0;
		remove_groups();
	}
	kind = -1;
	return 0;
}

static int end_all(void **state)
{
	(void)state;
	if (kind >= 0)
		remove_groups();
	return 0;
}

static int begin(void **state)
{
	(void)state;
	process = fork();
	if (process == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pause();
		_exit(0);
	}
	return process < 0;
}

static int end(void **state)
{
	(void)state;
	kill(process, SIGKILL);
	waitpid(process, NULL, 0);
	return 0;
}

static void limit_cpu(const char *below, unsigned quota_us, unsigned period_us)
{
	char text[64];

	if (!kinds[kind].period) {
		snprintf(text, sizeof(text), "%u %u", quota_us, period_us);
		assert_true(put(group(true, below), kinds[kind].quota, text));
		return;
	}
	snprintf(text, sizeof(text), "%u", period_us);
	assert_true(put(group(true, below), kinds[kind].period, text));
	snprintf(text, sizeof(text), "%u", quota_us);
	assert_true(put(group(true, below), kinds[kind].quota, text));
}

static void limit_memory(const char *below, const char *bytes)
{
	assert_true(put(group(false, below), kinds[kind].bytes, bytes));
}

static void move_process(void)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", process);
	assert_true(put(group(true, "/inner"), "cgroup.procs", pid));
	assert_true(put(group(false, "/inner"), "cgroup.procs", pid));
}

static void need_controllers(void)
{
	if (kind >= 0)
		return;
	print_message("SKIP: no control group here has the controllers cpu and memory for us\n");
	skip();
}

static void without_limits_the_node_is_one(void **state)
{
	struct serin_value limit[SERIN_RESOURCES];

	(void)state;
	assert_int_equal(limits_of((uint32_t)process, limit), 0);
	assert_true(limit[SERIN_CPU].known && limit[SERIN_CPU].v <= (double)sysconf(_SC_NPROCESSORS_ONLN));
	assert_true(limit[SERIN_MEMORY].known && limit[SERIN_MEMORY].v > 1e6);
	assert_false(limit[SERIN_NETWORK].known);
}

static void the_limits_of_its_group(void **state)
{
	struct serin_value limit[SERIN_RESOURCES];

	(void)state;
	need_controllers();
	limit_cpu("/inner", 50000, 100000);
	limit_memory("/inner", "104857600");
	move_process();
	assert_int_equal(limits_of((uint32_t)process, limit), 0);
	assert_true(limit[SERIN_CPU].v == 0.5);
	assert_true(limit[SERIN_MEMORY].v == 104857600);
}

/* What is above a group holds for it as well. */
static void the_smallest_on_the_way_up(void **state)
{
	struct serin_value limit[SERIN_RESOURCES];

	(void)state;
	need_controllers();
	limit_cpu("/inner", 20000, 100000);
	limit_cpu("", 90000, 100000);
	limit_memory("/inner", "104857600");
	limit_memory("", "52428800");
	move_process();
	assert_int_equal(limits_of((uint32_t)process, limit), 0);
	assert_true(limit[SERIN_CPU].v == 0.2);
	assert_true(limit[SERIN_MEMORY].v == 52428800);
}

static void of_a_process_that_is_gone(void **state)
{
	struct serin_value limit[SERIN_RESOURCES];

	(void)state;
	end(NULL);
	assert_int_equal(limits_of((uint32_t)process, limit), -ESRCH);
}

/* Where cgroup2 is. */
static const char *unified(void)
{
	return access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/unified";
}

/* In a child that a group below has its namespace begin at: 0 when the parent's limits are absent there. */
static int look_from_inside(const char *directory, pid_t parent)
{
	struct serin_value limits[SERIN_RESOURCES] = {serin_known(1), serin_known(1), serin_known(1)};

	if (!put(directory, "cgroup.procs", "0") || unshare(CLONE_NEWCGROUP) < 0)
		return 2;
	return limits_of((uint32_t)parent, limits) < 0 || limits[SERIN_CPU].known || limits[SERIN_MEMORY].known;
}

static void a_group_outside_of_the_namespace_has_no_limits_to_tell(void **state)
{
	char directory[160];
	pid_t parent = getpid(), child;
	int status = -1;

	(void)state;
	snprintf(directory, sizeof(directory), "%s/serin-limits-%d-namespace", unified(), parent);
	if (mkdir(directory, 0755) < 0)
		skip();
	child = fork();
	if (child == 0)
		_exit(look_from_inside(directory, parent));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(rmdir(directory), 0);
	if (WEXITSTATUS(status) == 2)
		skip();
	assert_int_equal(status, 0);
}

int main(void)
{
#define of_a_process(test) cmocka_unit_test_setup_teardown(test, begin, end)
	const struct CMUnitTest tests[] = {
		of_a_process(without_limits_the_node_is_one),
		of_a_process(the_limits_of_its_group),
		of_a_process(the_smallest_on_the_way_up),
		of_a_process(of_a_process_that_is_gone),
		cmocka_unit_test(a_group_outside_of_the_namespace_has_no_limits_to_tell),
	};

	return cmocka_run_group_tests(tests, begin_all, end_all);
}
