// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#define _GNU_SOURCE 1

#include "loader.h"

#include "serin.skel.h"
#include "system.h"
#include "util.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>


struct loader {
	struct serin_bpf *bpf;
	struct serin_paths paths;
	struct serin_maps maps;
};

/* What libbpf said: its first complaint names the program and is better than an errno, its last only sums up. Called on
 * this thread only. */
static char libbpf_said[256];
static bool libbpf_talks; /* to stderr as well, verifier log and all */

static int keep_first_warning(enum libbpf_print_level level, const char *format, va_list args)
{
	va_list copy;

	if (level != LIBBPF_WARN || !format)
		return 0;
	if (libbpf_talks) {
		va_copy(copy, args);
		vfprintf(stderr, format, copy);
		va_end(copy);
	}
	if (*libbpf_said)
		return 0;
	vsnprintf(libbpf_said, sizeof(libbpf_said), format, args);
	libbpf_said[strcspn(libbpf_said, "\n")] = '\0';
	return 0;
}

static void listen_to_libbpf(void)
{
	libbpf_said[0] = '\0';
	libbpf_set_print(keep_first_warning);
}

static int explain(int error, char why[LOADER_WHY_MAX], const char *format, ...) __attribute__((format(printf, 3, 4)));
static int explain(int error, char why[LOADER_WHY_MAX], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, LOADER_WHY_MAX, format, args);
	va_end(args);
	return error;
}

/* ---- pins ---- */

/* The layout of what is pinned is told by a directory's name: bpffs holds no plain files. */
static void layout_path(const struct serin_paths *paths, char *ret_path, size_t size)
{
	snprintf(ret_path, size, "%s/layout_%d", paths->pins, SERIN_LAYOUT);
}

static void remove_pins(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' && unlinkat(dirfd(dir), entry->d_name, 0) < 0)
			unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR);
	if (dir)
		closedir(dir);
	rmdir(path);
}

static int pin_link(struct loader *loader, struct bpf_link *link, const char *name)
{
	char path[CONFIG_PATH_MAX + 64];

	snprintf(path, sizeof(path), "%s/link_%s", loader->paths.pins, name);
	return bpf_link__pin(link, path);
}

static int pin_links(struct loader *loader)
{
	const struct bpf_object_skeleton *s = loader->bpf->skeleton;

	for (int i = 0; i < s->prog_cnt; i++) {
		struct bpf_link *link = *s->progs[i].link;
		int r = link ? pin_link(loader, link, s->progs[i].name) : 0;

		if (r < 0)
			return r;
	}
	return 0;
}

static int pin_maps(struct loader *loader)
{
	char path[CONFIG_PATH_MAX + 64];
	struct bpf_map *map;
	int r;

	bpf_object__for_each_map(map, loader->bpf->obj) {
		/* Names of data sections have a dot, which bpffs does not take. */
		if (bpf_map__is_internal(map))
			continue;
		snprintf(path, sizeof(path), "%s/%s", loader->paths.pins, bpf_map__name(map));
		r = bpf_map__pin(map, path);
		if (r < 0)
			return r;
	}
	return 0;
}

static int pin_all(struct loader *loader, char *why)
{
	const char *pins = loader->paths.pins;
	char layout[CONFIG_PATH_MAX + 64];
	int r;

	if (mkdir(pins, 0700) < 0 && errno != EEXIST)
		return explain(-errno, why, "cannot make %s: %s; is a bpffs mounted at /sys/fs/bpf?", pins, strerror(errno));
	layout_path(&loader->paths, layout, sizeof(layout));
	r = mkdir(layout, 0700) < 0 ? -errno : pin_maps(loader);
	if (r == 0)
		r = pin_links(loader);
	if (r < 0)
		return explain(r, why, "cannot pin under %s: %s", pins, strerror(-r));
	return 0;
}

/* ---- attaching ---- */

static int keep_link(struct bpf_link *link, struct bpf_link **ret)
{
	if (!link)
		return -errno;
	*ret = link;
	return 0;
}

static int attach_cgroup(struct loader *loader, char *why)
{
	struct serin_bpf *bpf = loader->bpf;
	_cleanup_close_ int fd = -1;
	char path[CONFIG_PATH_MAX];
	int r;

	r = system_cgroup2(path, sizeof(path));
	if (r < 0)
		return explain(r, why, "no cgroup2 is mounted, and sockets are observed at its root; try `mount -t cgroup2 "
				       "cgroup2 /sys/fs/cgroup/unified`");
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return explain(-errno, why, "cannot open the cgroup2 root %s: %s", path, strerror(errno));
	r = keep_link(bpf_program__attach_cgroup(bpf->progs.serin_sockops, fd), &bpf->links.serin_sockops);
	if (r == 0)
		r = keep_link(bpf_program__attach_cgroup(bpf->progs.serin_ingress, fd), &bpf->links.serin_ingress);
	if (r == 0)
		r = keep_link(bpf_program__attach_cgroup(bpf->progs.serin_egress, fd), &bpf->links.serin_egress);
	if (r < 0)
		return explain(r, why, "cannot attach to the cgroup2 root %s: %s; another program may hold it exclusively, "
				       "see `bpftool cgroup show %s`", path, strerror(-r), path);
	return 0;
}

static int attach_netns(struct loader *loader, char *why)
{
	_cleanup_close_ int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	struct serin_bpf *bpf = loader->bpf;
	int r = fd < 0 ? -errno : 0;

	if (r == 0)
		r = keep_link(bpf_program__attach_netns(bpf->progs.serin_steer, fd), &bpf->links.serin_steer);
	if (r < 0)
		return explain(r, why, "cannot attach to the network namespace: %s; it needs CAP_NET_ADMIN and "
				       "CONFIG_NET and CONFIG_BPF_SYSCALL", strerror(-r));
	return 0;
}

static int attach_tracepoints(struct loader *loader, char *why)
{
	struct serin_bpf *bpf = loader->bpf;
	struct {
		struct bpf_program *program;
		struct bpf_link **link;
	} all[] = {
		{bpf->progs.serin_sched_switch, &bpf->links.serin_sched_switch},
		{bpf->progs.serin_sched_wakeup, &bpf->links.serin_sched_wakeup},
		{bpf->progs.serin_sched_wakeup_new, &bpf->links.serin_sched_wakeup_new},
		{bpf->progs.serin_sched_fork, &bpf->links.serin_sched_fork},
		{bpf->progs.serin_sched_exit, &bpf->links.serin_sched_exit},
		{bpf->progs.serin_pickup, &bpf->links.serin_pickup},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(all); i++) {
		int r;

		if (!bpf_program__autoload(all[i].program))
			continue;
		r = keep_link(bpf_program__attach(all[i].program), all[i].link);

		if (r < 0)
			return explain(r, why, "cannot attach %s: %s; it needs CAP_PERFMON",
				       bpf_program__name(all[i].program), strerror(-r));
	}
	return 0;
}

static int attach_iterators(struct loader *loader, char *why)
{
	struct serin_bpf *bpf = loader->bpf;
	union bpf_iter_link_info info = {.map = {.map_fd = (__u32)bpf_map__fd(bpf->maps.serin_conns)}};
	LIBBPF_OPTS(bpf_iter_attach_opts, options, .link_info = &info, .link_info_len = sizeof(info));
	int r;

	r = keep_link(bpf_program__attach_iter(bpf->progs.serin_sweep, &options), &bpf->links.serin_sweep);
	if (r == 0)
		r = keep_link(bpf_program__attach_iter(bpf->progs.serin_members, NULL), &bpf->links.serin_members);
	if (r == 0)
		r = keep_link(bpf_program__attach_iter(bpf->progs.serin_adopt_connections, NULL),
			      &bpf->links.serin_adopt_connections);
	return r < 0 ? explain(r, why, "cannot attach the iterators: %s", strerror(-r)) : 0;
}

static int attach_all(struct loader *loader, char *why)
{
	int r;

	r = attach_tracepoints(loader, why);
	if (r == 0)
		r = attach_iterators(loader, why);
	if (r == 0)
		r = attach_cgroup(loader, why);
	if (r == 0)
		r = attach_netns(loader, why);
	return r;
}

/* ---- loading ---- */

/* The tracepoint came with Linux 6.3: without it pickup is absent, and the rest works. */
static void leave_out_pickup(struct serin_bpf *bpf)
{
	struct btf *kernel = btf__load_vmlinux_btf();

	if (btf__find_by_name_kind(kernel, "btf_trace_sock_recv_length", BTF_KIND_TYPEDEF) < 0)
		bpf_program__set_autoload(bpf->progs.serin_pickup, false);
	btf__free(kernel);
}

static int load(struct loader *loader, const struct serin_config *config, char *why)
{
	struct serin_bpf *bpf;
	int r;

	listen_to_libbpf();
	bpf = serin_bpf__open();
	if (!bpf)
		return explain(-errno, why, "cannot open the BPF programs: %s", libbpf_said);
	loader->bpf = bpf;
	bpf->rodata->serin_deadline_ns = config->deadline_ns;
	bpf->rodata->serin_realtime = system_kernel_is_realtime();
	leave_out_pickup(bpf);
	r = serin_bpf__load(bpf);
	if (r < 0)
		return explain(r, why, "the kernel refused the BPF programs: %s; `serin check` says what is missing",
			       *libbpf_said ? libbpf_said : strerror(-r));
	loader->maps = (struct serin_maps){
		.targets = bpf_map__fd(bpf->maps.serin_targets),
		.tallies = bpf_map__fd(bpf->maps.serin_tallies),
		.hists = bpf_map__fd(bpf->maps.serin_hists),
		.losses = bpf_map__fd(bpf->maps.serin_losses),
		.agent_losses = bpf_map__fd(bpf->maps.serin_agent_losses),
		.steered = bpf_map__fd(bpf->maps.serin_steered),
		.running = bpf_map__fd(bpf->maps.serin_running),
		.pickup_measured = bpf_program__autoload(bpf->progs.serin_pickup),
	};
	return 0;
}

static int check_needs(char *why)
{
	const char *missing = system_missing_capability();
	int r;

	if (missing)
		return explain(-EPERM, why, "not enough privileges: %s is missing; run it as root", missing);
	if (!system_is_host_pid_namespace())
		return explain(-ENOTSUP, why, "it runs in a pid namespace of its own, where the kernel's process numbers mean "
					      "nothing; give it the host's (hostPID: true)");
	if (access("/sys/kernel/btf/vmlinux", R_OK) < 0)
		return explain(-ENOTSUP, why, "this kernel has no BTF (/sys/kernel/btf/vmlinux); it needs a kernel built "
					      "with CONFIG_DEBUG_INFO_BTF=y, as those of distributions are");
	r = system_mount_bpffs();
	if (r < 0)
		return explain(r, why, "no bpffs at /sys/fs/bpf and mounting one failed: %s; try `mount -t bpf bpf "
				       "/sys/fs/bpf`", strerror(-r));
	return 0;
}

int loader_start(const struct serin_config *config, const struct serin_paths *paths, struct loader **ret,
		 char ret_why[LOADER_WHY_MAX])
{
	struct loader *loader;
	int r;

	r = check_needs(ret_why);
	if (r < 0)
		return r;
	loader = calloc(1, sizeof(*loader));
	if (!loader)
		return explain(-ENOMEM, ret_why, "out of memory");
	loader->paths = *paths;
	remove_pins(paths->pins);
	r = load(loader, config, ret_why);
	if (r == 0)
		r = attach_all(loader, ret_why);
	if (r == 0)
		r = pin_all(loader, ret_why);
	if (r < 0) {
		loader_stop(loader);
		return r;
	}
	*ret = loader;
	return 0;
}

void loader_stop(struct loader *loader)
{
	if (!loader)
		return;
	remove_pins(loader->paths.pins);
	serin_bpf__destroy(loader->bpf);
	free(loader);
}

struct serin_bpf *loader_bpf(struct loader *loader)
{
	return loader->bpf;
}

const struct serin_maps *loader_maps(const struct loader *loader)
{
	return &loader->maps;
}

/* ---- iterators ---- */

static int run_iterator(struct bpf_link *link, void (*each)(const struct serin_member *, void *), void *context)
{
	_cleanup_close_ int fd = bpf_iter_create(bpf_link__fd(link));
	struct serin_member members[512];
	ssize_t size;

	if (fd < 0)
		return -errno;
	while ((size = read(fd, members, sizeof(members))) > 0)
		for (size_t i = 0; each && i < (size_t)size / sizeof(*members); i++)
			each(&members[i], context);
	return size < 0 ? -errno : 0;
}

int loader_sweep(struct loader *loader)
{
	return run_iterator(loader->bpf->links.serin_sweep, NULL, NULL);
}

int loader_adopt_connections(struct loader *loader)
{
	return run_iterator(loader->bpf->links.serin_adopt_connections, NULL, NULL);
}

int loader_members(struct loader *loader, void (*each)(const struct serin_member *member, void *context), void *context)
{
	return run_iterator(loader->bpf->links.serin_members, each, context);
}

void loader_lost(struct loader *loader, enum serin_loss kind)
{
	uint32_t key = (uint32_t)kind;
	uint64_t count;

	if (bpf_map_lookup_elem(loader->maps.agent_losses, &key, &count) == 0) {
		count++;
		bpf_map_update_elem(loader->maps.agent_losses, &key, &count, BPF_EXIST);
	}
}

/* ---- pinned maps ---- */

static int open_pinned(const struct serin_paths *paths, const char *name, size_t value_size, int *ret_fd)
{
	char path[CONFIG_PATH_MAX + 64];
	struct bpf_map_info info = {};
	__u32 length = sizeof(info);
	int fd;

	snprintf(path, sizeof(path), "%s/%s", paths->pins, name);
	fd = bpf_obj_get(path);
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	if (bpf_obj_get_info_by_fd(fd, &info, &length) < 0)
		return -errno;
	return info.value_size == value_size ? 0 : -ESTALE;
}

int loader_open_pinned(const struct serin_paths *paths, struct serin_maps *ret)
{
	struct serin_maps maps = {-1, -1, -1, -1, -1, -1, -1, false};
	struct {
		const char *name;
		size_t size;
		int *fd;
	} all[] = {
		{"serin_targets", sizeof(struct serin_target_info), &maps.targets},
		{"serin_tallies", sizeof(struct serin_tally), &maps.tallies},
		{"serin_hists", sizeof(struct serin_hist), &maps.hists},
		{"serin_losses", sizeof(__u64), &maps.losses},
		{"serin_agent_losses", sizeof(__u64), &maps.agent_losses},
		{"serin_steered", sizeof(__u64), &maps.steered},
		{"serin_running", sizeof(struct serin_running), &maps.running},
	};

	char layout[CONFIG_PATH_MAX + 64], pickup[CONFIG_PATH_MAX + 64];

	if (access(paths->pins, F_OK) < 0)
		return -errno;
	layout_path(paths, layout, sizeof(layout));
	if (access(layout, F_OK) < 0)
		return errno == ENOENT ? -ESTALE : -errno;
	for (unsigned i = 0; i < ARRAY_SIZE(all); i++) {
		int r = open_pinned(paths, all[i].name, all[i].size, all[i].fd);

		if (r < 0) {
			loader_close_pinned(&maps);
			return r;
		}
	}
	snprintf(pickup, sizeof(pickup), "%s/link_serin_pickup", paths->pins);
	maps.pickup_measured = access(pickup, F_OK) == 0;
	*ret = maps;
	return 0;
}

void loader_close_pinned(struct serin_maps *maps)
{
	int *fds[] = {&maps->targets, &maps->tallies, &maps->hists, &maps->losses, &maps->agent_losses, &maps->steered, &maps->running};

	for (unsigned i = 0; i < ARRAY_SIZE(fds); i++)
		if (*fds[i] >= 0)
			close(TAKE_FD(*fds[i]));
}

/* ---- serin check ---- */

static void add_probe(struct loader_probe *probes, unsigned *n, const char *what, bool ok, bool needed,
		      const char *found, const char *advice)
{
	struct loader_probe *probe = &probes[(*n)++];

	*probe = (struct loader_probe){.what = what, .ok = ok, .needed = needed};
	snprintf(probe->found, sizeof(probe->found), "%s", found);
	if (!ok)
		snprintf(probe->advice, sizeof(probe->advice), "%s", advice);
}

/* Loads everything and attaches nothing: what the kernel's verifier says is the only answer that counts. */
static void probe_programs(struct loader_probe *probes, unsigned *n)
{
	struct serin_bpf *bpf;
	bool pickup;
	int r;

	listen_to_libbpf();
	bpf = serin_bpf__open();
	if (bpf)
		leave_out_pickup(bpf);
	pickup = bpf && bpf_program__autoload(bpf->progs.serin_pickup);
	r = bpf ? serin_bpf__load(bpf) : -errno;
	add_probe(probes, n, "programs", r == 0, true, r == 0 ? "the kernel accepts all of them" : libbpf_said,
		  "Linux 6.1 or newer with CONFIG_BPF_SYSCALL, CONFIG_CGROUP_BPF, CONFIG_NET_SOCK_MSG is needed");
	add_probe(probes, n, "pickup", pickup, false, pickup ? "measured" : "not measured",
		  "the time until a server reads a request needs Linux 6.3 or newer");
	serin_bpf__destroy(bpf);
}

unsigned loader_probe(struct loader_probe ret[LOADER_PROBES_MAX], bool verbose)
{
	const char *missing = system_missing_capability();
	char text[CONFIG_PATH_MAX];
	unsigned n = 0;
	bool ok;

	libbpf_talks = verbose;
	add_probe(ret, &n, "kernel", system_kernel_at_least(6, 1), true, system_kernel(text, sizeof(text)),
		  "Linux 6.1 or newer is needed");
	add_probe(ret, &n, "privileges", !missing, true, missing ? missing : "all that are needed", "run it as root");
	ok = system_is_host_pid_namespace();
	add_probe(ret, &n, "pid namespace", ok, true, ok ? "the host's" : "its own", "give it the host's (hostPID: true)");
	ok = access("/sys/kernel/btf/vmlinux", R_OK) == 0;
	add_probe(ret, &n, "BTF", ok, true, ok ? "/sys/kernel/btf/vmlinux" : "none", "use a kernel with CONFIG_DEBUG_INFO_BTF=y");
	ok = system_cgroup2(text, sizeof(text)) == 0;
	add_probe(ret, &n, "cgroup2", ok, true, ok ? text : "not mounted", "mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified");
	ok = system_has_bpffs();
	add_probe(ret, &n, "bpffs", ok, false, ok ? "/sys/fs/bpf" : "not mounted", "serin run mounts it at /sys/fs/bpf");
	if (!missing)
		probe_programs(ret, &n);
	ok = system_read_number("/proc/sys/net/core/bpf_jit_enable", text, sizeof(text)) == 0 && text[0] != '0';
	add_probe(ret, &n, "JIT", ok, false, ok ? "on" : "off", "sysctl net.core.bpf_jit_enable=1, or it costs ten times as much");
	ok = system_read_number("/proc/sys/kernel/bpf_stats_enabled", text, sizeof(text)) == 0 && text[0] == '1';
	add_probe(ret, &n, "statistics", ok, false, ok ? "on" : "off",
		  "only for measuring the programs' cost: sysctl kernel.bpf_stats_enabled=1");
	return n;
}
