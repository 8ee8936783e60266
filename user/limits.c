// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "limits.h"

#include "util.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define PATH_SIZE 1024

/* Is the word one of a list with commas? "cpu" is not in "cpuset". */
static bool has_word(const char *list, const char *word)
{
	size_t length = strlen(word);

	for (; list; list = strchr(list, ',') ? strchr(list, ',') + 1 : NULL)
		if (!strncmp(list, word, length) && (!list[length] || list[length] == ','))
			return true;
	return false;
}

/* Where a hierarchy is mounted: cgroup2 with controller NULL, else that controller of version 1. */
static bool find_mount(const char *controller, char ret_point[PATH_SIZE])
{
	_cleanup_fclose_ FILE *file = fopen("/proc/self/mountinfo", "re");
	char line[2 * PATH_SIZE], point[PATH_SIZE], type[32], options[PATH_SIZE];

	while (file && fgets(line, sizeof(line), file)) {
		const char *dash = strstr(line, " - ");

		if (!dash || sscanf(dash, " - %31s %*s %1023s", type, options) != 2 ||
		    sscanf(line, "%*s %*s %*s %*s %1023s", point) != 1)
			continue;
		if (controller ? strcmp(type, "cgroup") || !has_word(options, controller) : strcmp(type, "cgroup2") != 0)
			continue;
		snprintf(ret_point, PATH_SIZE, "%s", point);
		return true;
	}
	return false;
}

/* A line of /proc/PID/cgroup: "0::/path", or "4:cpu,cpuacct:/path". */
static bool find_path(uint32_t pid, const char *controller, char ret_path[PATH_SIZE])
{
	_cleanup_fclose_ FILE *file = NULL;
	char line[PATH_SIZE], name[64];

	snprintf(name, sizeof(name), "/proc/%u/cgroup", pid);
	file = fopen(name, "re");
	while (file && fgets(line, sizeof(line), file)) {
		char *controllers = strchr(line, ':'), *path = controllers ? strchr(controllers + 1, ':') : NULL;

		if (!path)
			continue;
		*path++ = '\0';
		if (controller ? !has_word(controllers + 1, controller) : controllers[1] != '\0')
			continue;
		path[strcspn(path, "\n")] = '\0';
		snprintf(ret_path, PATH_SIZE, "%s", path);
		return true;
	}
	return false;
}

static bool read_line(const char *directory, const char *name, char ret_line[64])
{
	_cleanup_fclose_ FILE *file = NULL;
	char path[2 * PATH_SIZE];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "re");
	return file && fgets(ret_line, 64, file);
}

static void lower(struct serin_value *limit, double v)
{
	if (v > 0 && (!limit->known || v < limit->v))
		*limit = serin_known(v);
}

/* "MAX PERIOD" in microseconds, or "max PERIOD". */
static void look_at_cpu_max(const char *directory, struct serin_value *limit)
{
	char line[64];
	double quota, period;

	if (read_line(directory, "cpu.max", line) && sscanf(line, "%lf %lf", &quota, &period) == 2 && period > 0)
		lower(limit, quota / period);
}

static void look_at_cfs_quota(const char *directory, struct serin_value *limit)
{
	char quota[64], period[64];

	if (read_line(directory, "cpu.cfs_quota_us", quota) && read_line(directory, "cpu.cfs_period_us", period) &&
	    strtod(period, NULL) > 0)
		lower(limit, strtod(quota, NULL) / strtod(period, NULL));
}

static void look_at_bytes(const char *directory, const char *name, struct serin_value *limit)
{
	char line[64];
	double bytes;

	if (read_line(directory, name, line) && sscanf(line, "%lf", &bytes) == 1)
		lower(limit, bytes);
}

static void look_at_memory_max(const char *directory, struct serin_value *limit)
{
	look_at_bytes(directory, "memory.max", limit);
}

static void look_at_memory_limit(const char *directory, struct serin_value *limit)
{
	look_at_bytes(directory, "memory.limit_in_bytes", limit);
}

/* Every group from the process's own up to the hierarchy's root. */
static void walk_up(uint32_t pid, const char *controller, void (*look)(const char *, struct serin_value *),
		    struct serin_value *limit)
{
	char point[PATH_SIZE], path[PATH_SIZE], directory[2 * PATH_SIZE];

	if (!find_mount(controller, point) || !find_path(pid, controller, path))
		return;
	while (true) {
		char *slash;

		snprintf(directory, sizeof(directory), "%s%s", point, path);
		look(directory, limit);
		slash = strrchr(path, '/');
		if (!slash)
			return;
		*slash = '\0';
	}
}

/* In a namespace of control groups, as a container has one, others' groups are told from its own on: "/../../x". Where that
 * is cannot be seen from inside. */
static bool is_outside(uint32_t pid)
{
	char path[PATH_SIZE];

	return find_path(pid, NULL, path) && !strncmp(path, "/..", 3);
}

int limits_of(uint32_t pid, struct serin_value ret[SERIN_RESOURCES])
{
	struct serin_value limit[SERIN_RESOURCES] = {};
	char path[64];

	snprintf(path, sizeof(path), "/proc/%u/cgroup", pid);
	if (access(path, F_OK) < 0)
		return -ESRCH;
	if (is_outside(pid)) {
		memcpy(ret, limit, sizeof(limit));
		return 0;
	}
	limit[SERIN_CPU] = serin_known((double)sysconf(_SC_NPROCESSORS_ONLN));
	limit[SERIN_MEMORY] = serin_known((double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE));
	walk_up(pid, NULL, look_at_cpu_max, &limit[SERIN_CPU]);
	walk_up(pid, "cpu", look_at_cfs_quota, &limit[SERIN_CPU]);
	walk_up(pid, NULL, look_at_memory_max, &limit[SERIN_MEMORY]);
	walk_up(pid, "memory", look_at_memory_limit, &limit[SERIN_MEMORY]);
	memcpy(ret, limit, sizeof(limit));
	return 0;
}
