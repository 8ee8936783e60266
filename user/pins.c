// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#define _GNU_SOURCE 1

#include "pins.h"

#include "util.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define PIN_PATH_MAX (CONFIG_PATH_MAX + 64)
#define PIN_DEPTH_FDS 4 /* directories in directories are nothing we make */

/* bpffs holds no plain files, and takes no dots in names. */
static void layout_path(const struct serin_paths *paths, char ret_path[PIN_PATH_MAX])
{
	snprintf(ret_path, PIN_PATH_MAX, "%s/layout_%d", paths->pins, SERIN_LAYOUT);
}

static void map_path(const struct serin_paths *paths, const struct bpf_map *map, char ret_path[PIN_PATH_MAX])
{
	const char *name = bpf_map__name(map), *dot = strrchr(name, '.');

	if (bpf_map__is_internal(map))
		snprintf(ret_path, PIN_PATH_MAX, "%s/section_%s", paths->pins, dot ? dot + 1 : name);
	else
		snprintf(ret_path, PIN_PATH_MAX, "%s/%s", paths->pins, name);
}

static void link_path(const struct serin_paths *paths, const char *program, char ret_path[PIN_PATH_MAX])
{
	snprintf(ret_path, PIN_PATH_MAX, "%s/link_%s", paths->pins, program);
}

/* A link on its way to its name. */
static void fresh_path(const struct serin_paths *paths, char ret_path[PIN_PATH_MAX])
{
	snprintf(ret_path, PIN_PATH_MAX, "%s/fresh", paths->pins);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	remove(path); /* what cannot be removed is found when something is to be pinned in its place */
	return 0;
}

void pins_remove(const struct serin_paths *paths)
{
	nftw(paths->pins, remove_one, PIN_DEPTH_FDS, FTW_DEPTH | FTW_PHYS);
}

int pins_layout(const struct serin_paths *paths)
{
	char path[PIN_PATH_MAX];

	if (access(paths->pins, F_OK) < 0)
		return -errno;
	layout_path(paths, path);
	if (access(path, F_OK) < 0)
		return errno == ENOENT ? -ESTALE : -errno;
	return 0;
}

int pins_save_maps(const struct serin_paths *paths, struct bpf_object *object)
{
	char path[PIN_PATH_MAX];
	struct bpf_map *map;
	int r;

	if (mkdir(paths->pins, 0700) < 0 && errno != EEXIST)
		return -errno;
	bpf_object__for_each_map(map, object) {
		map_path(paths, map, path);
		r = bpf_map__pin(map, path);
		if (r < 0)
			return r;
	}
	layout_path(paths, path); /* last: pins without it are those of an agent that was killed while it made them */
	return mkdir(path, 0700) < 0 ? -errno : 0;
}

/* An agent that is killed in between leaves the old one where it was, and a fresh one that pins_forget_programs() ends. */
int pins_save_link(const struct serin_paths *paths, struct bpf_link *link, const char *program)
{
	char path[PIN_PATH_MAX], fresh[PIN_PATH_MAX];
	int r;

	link_path(paths, program, path);
	fresh_path(paths, fresh);
	if (unlink(fresh) < 0 && errno != ENOENT)
		return -errno;
	r = bpf_obj_pin(bpf_link__fd(link), fresh);
	if (r < 0)
		return r;
	return rename(fresh, path) < 0 ? -errno : 0;
}

/* ---- maps ---- */

static bool is_same_kind(const struct bpf_map *map, const struct bpf_map_info *info)
{
	return info->type == bpf_map__type(map) && info->key_size == bpf_map__key_size(map) &&
	       info->value_size == bpf_map__value_size(map) && info->max_entries == bpf_map__max_entries(map) &&
	       (info->map_flags & ~BPF_F_RDONLY_PROG) == (bpf_map__map_flags(map) & ~(__u32)BPF_F_RDONLY_PROG);
}

/* What the programs took for constants when they were loaded must be what it would be now. */
static bool has_same_constants(const struct bpf_map *map, int fd)
{
	_cleanup_free_ void *there = NULL;
	const void *wanted;
	uint32_t zero = 0;
	size_t size;

	if (!bpf_map__is_internal(map) || !(bpf_map__map_flags(map) & BPF_F_RDONLY_PROG))
		return true;
	wanted = bpf_map__initial_value((struct bpf_map *)map, &size);
	there = malloc(bpf_map__value_size(map));
	return wanted && there && bpf_map_lookup_elem(fd, &zero, there) == 0 && !memcmp(wanted, there, size);
}

static int check_map(const struct bpf_map *map, int fd, char ret_why[PINS_WHY_MAX])
{
	struct bpf_map_info info = {};
	__u32 length = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &length) < 0)
		return -errno;
	if (!is_same_kind(map, &info)) {
		snprintf(ret_why, PINS_WHY_MAX, "the map %s has another form", bpf_map__name(map));
		return -ESTALE;
	}
	if (!has_same_constants(map, fd)) {
		snprintf(ret_why, PINS_WHY_MAX, "the programs were loaded with other constants");
		return -ESTALE;
	}
	return 0;
}

/* libbpf duplicates the descriptor. */
static int reuse_map(const struct serin_paths *paths, struct bpf_map *map, bool only_check, char ret_why[PINS_WHY_MAX])
{
	_cleanup_close_ int fd = -1;
	char path[PIN_PATH_MAX];
	int r;

	map_path(paths, map, path);
	fd = bpf_obj_get(path);
	if (fd < 0) {
		snprintf(ret_why, PINS_WHY_MAX, "the map %s cannot be opened: %s", bpf_map__name(map), strerror(errno));
		return -ESTALE;
	}
	r = check_map(map, fd, ret_why);
	return r < 0 || only_check ? r : bpf_map__reuse_fd(map, fd);
}

int pins_reuse_maps(const struct serin_paths *paths, struct bpf_object *object, char ret_why[PINS_WHY_MAX])
{
	struct bpf_map *map;
	int r = pins_layout(paths);

	if (r == -ESTALE)
		snprintf(ret_why, PINS_WHY_MAX, "its pins are of another layout than %d, or not whole", SERIN_LAYOUT);
	for (unsigned pass = 0; r == 0 && pass < 2; pass++) {
		bpf_object__for_each_map(map, object) {
			r = reuse_map(paths, map, pass == 0, ret_why);
			if (r < 0)
				break;
		}
	}
	return r;
}

/* ---- links ---- */

static bool is_attached_here(const struct bpf_link_info *info, uint64_t cgroup)
{
	struct stat st;

	switch (info->type) {
	case BPF_LINK_TYPE_CGROUP:
		return info->cgroup.cgroup_id == cgroup;
	case BPF_LINK_TYPE_NETNS:
		return stat("/proc/self/ns/net", &st) == 0 && info->netns.netns_ino == st.st_ino;
	default:
		return true;
	}
}

struct bpf_link *pins_open_link(const struct serin_paths *paths, const char *program, uint64_t cgroup)
{
	struct bpf_link_info info = {};
	__u32 length = sizeof(info);
	char path[PIN_PATH_MAX];
	struct bpf_link *link;

	link_path(paths, program, path);
	link = bpf_link__open(path);
	if (!link)
		return NULL;
	if (bpf_obj_get_info_by_fd(bpf_link__fd(link), &info, &length) == 0 && is_attached_here(&info, cgroup))
		return link;
	bpf_link__destroy(link); /* of our descriptor only: it stays pinned until another takes its place */
	return NULL;
}

/* ---- which programs they run ---- */

/* FNV-1a (Fowler, Noll, Vo), 64 bits: nobody forges what root alone writes. */
uint64_t pins_digest(const void *object, size_t size)
{
	const unsigned char *bytes = object;
	uint64_t digest = 0xcbf29ce484222325;

	for (size_t i = 0; i < size; i++)
		digest = (digest ^ bytes[i]) * 0x100000001b3;
	return digest;
}

static void programs_path(const struct serin_paths *paths, uint64_t digest, char ret_path[PIN_PATH_MAX])
{
	snprintf(ret_path, PIN_PATH_MAX, "%s/programs_%016" PRIx64, paths->pins, digest);
}

bool pins_has_programs(const struct serin_paths *paths, uint64_t digest)
{
	char path[PIN_PATH_MAX];

	programs_path(paths, digest, path);
	return access(path, F_OK) == 0;
}

int pins_set_programs(const struct serin_paths *paths, uint64_t digest)
{
	char path[PIN_PATH_MAX];

	programs_path(paths, digest, path);
	return mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

int pins_forget_programs(const struct serin_paths *paths)
{
	DIR *dir = opendir(paths->pins);
	char fresh[PIN_PATH_MAX];
	struct dirent *entry;
	int r = dir ? 0 : -errno;

	fresh_path(paths, fresh);
	if (r == 0 && unlink(fresh) < 0 && errno != ENOENT)
		r = -errno;
	while (dir && (entry = readdir(dir)))
		if (!strncmp(entry->d_name, "programs_", 9) && unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR) < 0)
			r = -errno;
	if (dir)
		closedir(dir);
	return r;
}

static int get_tag(int program_fd, __u8 ret_tag[BPF_TAG_SIZE])
{
	struct bpf_prog_info info = {};
	__u32 length = sizeof(info);

	if (bpf_obj_get_info_by_fd(program_fd, &info, &length) < 0)
		return -errno;
	memcpy(ret_tag, info.tag, BPF_TAG_SIZE);
	return 0;
}

bool pins_is_same_program(const struct bpf_link *link, const struct bpf_program *program)
{
	_cleanup_close_ int fd = -1;
	struct bpf_link_info info = {};
	__u32 length = sizeof(info);
	__u8 there[BPF_TAG_SIZE], here[BPF_TAG_SIZE];

	if (bpf_obj_get_info_by_fd(bpf_link__fd(link), &info, &length) < 0)
		return false;
	fd = bpf_prog_get_fd_by_id(info.prog_id);
	return fd >= 0 && get_tag(fd, there) == 0 && get_tag(bpf_program__fd(program), here) == 0 &&
	       !memcmp(there, here, sizeof(here));
}
