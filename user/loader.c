// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#define _GNU_SOURCE 1

#include "loader.h"

#include "pins.h"
#include "serin.skel.h"
#include "system.h"
#include "util.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>


#define PROGRAMS_MAX 32

struct loader {
	struct serin_bpf *bpf;
	struct serin_paths paths;
	struct serin_maps maps;
	uint64_t programs; /* which they are: pins_digest() */
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

/* ---- attaching ---- */

/* A program is attached by `how` unless it is already, by an earlier agent's link. */
#define ATTACH(bpf, name, how) ((bpf)->links.name ? 0 : keep_link(how, &(bpf)->links.name))

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
	if (r == -EXDEV)
		return explain(r, why, "the cgroup2 at %s is a container's own, and sockets are observed at the node's root; mount "
				       "the node's /sys/fs/cgroup into the container", path);
	if (r < 0)
		return explain(r, why, "no cgroup2 is mounted, and sockets are observed at its root; try `mount -t cgroup2 "
				       "cgroup2 /sys/fs/cgroup/unified`");
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return explain(-errno, why, "cannot open the cgroup2 root %s: %s", path, strerror(errno));
	r = ATTACH(bpf, serin_sockops, bpf_program__attach_cgroup(bpf->progs.serin_sockops, fd));
	if (r == 0)
		r = ATTACH(bpf, serin_ingress, bpf_program__attach_cgroup(bpf->progs.serin_ingress, fd));
	if (r == 0)
		r = ATTACH(bpf, serin_egress, bpf_program__attach_cgroup(bpf->progs.serin_egress, fd));
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
		r = ATTACH(bpf, serin_steer, bpf_program__attach_netns(bpf->progs.serin_steer, fd));
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

		if (*all[i].link || !bpf_program__autoload(all[i].program))
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

	r = ATTACH(bpf, serin_sweep, bpf_program__attach_iter(bpf->progs.serin_sweep, &options));
	if (r == 0)
		r = ATTACH(bpf, serin_connections, bpf_program__attach_iter(bpf->progs.serin_connections, &options));
	if (r == 0)
		r = ATTACH(bpf, serin_members, bpf_program__attach_iter(bpf->progs.serin_members, NULL));
	if (r == 0)
		r = ATTACH(bpf, serin_adopt_connections,
			   bpf_program__attach_iter(bpf->progs.serin_adopt_connections, NULL));
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

/* The salt of clients' hashes stays as long as the maps do: what was counted of a client stays that client's. */
static int draw_salt(struct serin_bpf *bpf)
{
	if (bpf->bss->serin_salt[0] || bpf->bss->serin_salt[1])
		return 0;
	return getrandom(bpf->bss->serin_salt, sizeof(bpf->bss->serin_salt), 0) < 0 ? -errno : 0;
}

static int open_object(struct loader *loader, char *why)
{
	listen_to_libbpf();
	loader->bpf = serin_bpf__open();
	if (!loader->bpf)
		return explain(-errno, why, "cannot open the BPF programs: %s", libbpf_said);
	loader->bpf->rodata->serin_realtime = system_kernel_is_realtime();
	loader->programs = pins_digest(loader->bpf->skeleton->data, loader->bpf->skeleton->data_sz);
	return 0;
}

static int load_object(struct loader *loader, char *why)
{
	struct serin_bpf *bpf = loader->bpf;
	int r;

	r = serin_bpf__load(bpf);
	if (r == -EPERM || r == -ENOSYS) /* a profile may answer either */
		return explain(r, why, "the kernel refused the BPF programs: %s; no capability is missing, so it may be a seccomp "
				       "profile that does not know CAP_BPF (docs/kubernetes.md), or the kernel's lockdown",
			       *libbpf_said ? libbpf_said : strerror(-r));
	if (r < 0)
		return explain(r, why, "the kernel refused the BPF programs: %s; `serin check` says what is missing",
			       *libbpf_said ? libbpf_said : strerror(-r));
	r = draw_salt(bpf);
	if (r < 0)
		return explain(r, why, "the kernel has no random numbers: %s", strerror(-r));
	loader->maps = (struct serin_maps){
		.targets = bpf_map__fd(bpf->maps.serin_targets),
		.tallies = bpf_map__fd(bpf->maps.serin_tallies),
		.hists = bpf_map__fd(bpf->maps.serin_hists),
		.losses = bpf_map__fd(bpf->maps.serin_losses),
		.agent_losses = bpf_map__fd(bpf->maps.serin_agent_losses),
		.steered = bpf_map__fd(bpf->maps.serin_steered),
		.running = bpf_map__fd(bpf->maps.serin_running),
		.clients = bpf_map__fd(bpf->maps.serin_clients),
		.clients_added = (const uint64_t *)&bpf->bss->serin_clients_added,
	};
	return 0;
}

/* ---- taking over ---- */

/* Links of these kinds change their program in one step; the others are made anew, beside the old one. */
static bool can_update(const struct bpf_program *program)
{
	enum bpf_attach_type type = bpf_program__expected_attach_type(program);

	return type == BPF_CGROUP_INET_INGRESS || type == BPF_CGROUP_INET_EGRESS || type == BPF_CGROUP_SOCK_OPS ||
	       type == BPF_SK_LOOKUP;
}

/* A link that an earlier agent left goes on, with our program where that is another. What is not taken over here is
 * attached by attach_all(), and then takes the old link's place. */
static int take_link(struct loader *loader, const struct bpf_prog_skeleton *program, uint64_t cgroup)
{
	struct bpf_link *link = pins_open_link(&loader->paths, program->name, cgroup);
	bool same = link && pins_is_same_program(link, *program->prog);
	int r = 0;

	if (link && !same && can_update(*program->prog))
		r = bpf_link__update_program(link, *program->prog);
	else if (link && !same) {
		bpf_link__destroy(link);
		return 0;
	}
	if (r < 0) {
		bpf_link__destroy(link);
		return r;
	}
	*program->link = link;
	if (same)
		bpf_program__unload(*program->prog); /* the kernel runs the old one */
	return 0;
}

static int take_links(struct loader *loader, uint64_t cgroup, char *why)
{
	const struct bpf_object_skeleton *s = loader->bpf->skeleton;
	int r = pins_forget_programs(&loader->paths);

	if (r < 0)
		return explain(r, why, "cannot write to %s: %s", loader->paths.pins, strerror(-r));
	for (int i = 0; i < s->prog_cnt; i++) {
		if (!bpf_program__autoload(*s->progs[i].prog))
			continue;
		r = take_link(loader, &s->progs[i], cgroup);
		if (r < 0)
			return explain(r, why, "the kernel does not replace %s: %s", s->progs[i].name, strerror(-r));
	}
	return 0;
}

/* Those that were taken over are pinned. */
static int pin_new_links(struct loader *loader, const bool *taken)
{
	const struct bpf_object_skeleton *s = loader->bpf->skeleton;
	int r = 0;

	for (int i = 0; r == 0 && i < s->prog_cnt; i++)
		if (*s->progs[i].link && !taken[i])
			r = pins_save_link(&loader->paths, *s->progs[i].link, s->progs[i].name);
	return r;
}

/* All links are pinned: the next agent with these programs need not load them. */
static int seal(struct loader *loader, int r, char *why)
{
	if (r == 0)
		r = pins_set_programs(&loader->paths, loader->programs);
	return r < 0 ? explain(r, why, "cannot pin under %s: %s; is a bpffs mounted at /sys/fs/bpf?", loader->paths.pins,
			       strerror(-r))
		     : 0;
}

/* Listeners of another network namespace: connections that were steered to them from here would hang. Those of this one are
 * offered again before the agent is ready. */
static void forget_listeners(struct loader *loader)
{
	const struct bpf_map *map = loader->bpf->maps.serin_listeners;

	for (uint32_t slot = 0; slot < bpf_map__max_entries(map); slot++)
		bpf_map_delete_elem(bpf_map__fd(map), &slot);
}

/* Programs of another object, or links that are not where they should be: all are loaded, and the links updated. */
static int take_over_anew(struct loader *loader, uint64_t cgroup, char *why)
{
	const struct bpf_object_skeleton *s = loader->bpf->skeleton;
	bool taken[PROGRAMS_MAX] = {};
	int r;

	leave_out_pickup(loader->bpf);
	r = load_object(loader, why);
	if (r == 0)
		r = take_links(loader, cgroup, why);
	if (r < 0)
		return r;
	for (int i = 0; i < s->prog_cnt; i++)
		taken[i] = *s->progs[i].link;
	if (!loader->bpf->links.serin_steer)
		forget_listeners(loader);
	r = attach_all(loader, why);
	return r < 0 ? r : seal(loader, pin_new_links(loader, taken), why);
}

static void drop_links(struct loader *loader)
{
	const struct bpf_object_skeleton *s = loader->bpf->skeleton;

	for (int i = 0; i < s->prog_cnt; i++) {
		bpf_link__destroy(*s->progs[i].link); /* our descriptor only: they are pinned */
		*s->progs[i].link = NULL;
	}
}

/* Pickup may be left out, where the kernel cannot have it. */
static bool open_links(struct loader *loader, uint64_t cgroup)
{
	const struct bpf_object_skeleton *s = loader->bpf->skeleton;

	for (int i = 0; i < s->prog_cnt; i++) {
		*s->progs[i].link = pins_open_link(&loader->paths, s->progs[i].name, cgroup);
		if (*s->progs[i].link)
			continue;
		if (*s->progs[i].prog == loader->bpf->progs.serin_pickup)
			leave_out_pickup(loader->bpf);
		if (bpf_program__autoload(*s->progs[i].prog)) {
			drop_links(loader);
			return false;
		}
	}
	return true;
}

/* The kernel runs these very programs already: verifying them once more would take seconds, in which nobody counts what
 * clients did, or renews the lease. */
static int go_on(struct loader *loader, char *why)
{
	const struct bpf_object_skeleton *s = loader->bpf->skeleton;

	for (int i = 0; i < s->prog_cnt; i++)
		bpf_program__set_autoload(*s->progs[i].prog, false);
	return load_object(loader, why);
}

static int take_over(struct loader *loader, char *why)
{
	uint64_t cgroup = 0;
	int r = system_cgroup2_id(&cgroup);

	if (r < 0)
		return explain(r, why, "the cgroup2 root cannot be read: %s", strerror(-r));
	if (pins_has_programs(&loader->paths, loader->programs) && open_links(loader, cgroup))
		return go_on(loader, why);
	return take_over_anew(loader, cgroup, why);
}

/* Nothing was left, or nothing of use: new connections reach stable until all is there. */
static int begin(struct loader *loader, char *why)
{
	const bool taken[PROGRAMS_MAX] = {};
	int r;

	pins_remove(&loader->paths);
	leave_out_pickup(loader->bpf);
	r = load_object(loader, why);
	if (r == 0)
		r = attach_all(loader, why);
	if (r < 0)
		return r;
	r = pins_save_maps(&loader->paths, loader->bpf->obj);
	return seal(loader, r < 0 ? r : pin_new_links(loader, taken), why);
}

static int check_needs(char *why)
{
	const char *missing = system_missing_capability();
	int r;

	if (missing)
		return explain(-EPERM, why, "not enough privileges: %s is missing; run it as root, a container with that capability", missing);
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

static void free_loader(struct loader *loader)
{
	if (loader)
		serin_bpf__destroy(loader->bpf);
	free(loader);
}

int loader_start(const struct serin_paths *paths, struct loader **ret, bool *ret_taken_over, char ret_note[LOADER_WHY_MAX],
		 char ret_why[LOADER_WHY_MAX])
{
	char why_not[PINS_WHY_MAX] = "";
	struct loader *loader;
	bool reused;
	int r;

	r = check_needs(ret_why);
	if (r < 0)
		return r;
	loader = calloc(1, sizeof(*loader));
	if (!loader)
		return explain(-ENOMEM, ret_why, "out of memory");
	loader->paths = *paths;
	r = open_object(loader, ret_why);
	if (r < 0) {
		free_loader(loader);
		return r;
	}
	reused = pins_reuse_maps(paths, loader->bpf->obj, why_not) == 0;
	r = reused ? take_over(loader, ret_why) : begin(loader, ret_why);
	if (r < 0) {
		if (!reused) /* what another agent left stays as it was, for the next try */
			pins_remove(paths);
		free_loader(loader);
		return r;
	}
	loader->maps.pickup_measured = loader->bpf->links.serin_pickup;
	snprintf(ret_note, LOADER_WHY_MAX, "%s", why_not);
	*ret_taken_over = reused;
	*ret = loader;
	return 0;
}

void loader_stop(struct loader *loader, bool keep)
{
	if (!loader)
		return;
	if (!keep)
		pins_remove(&loader->paths);
	free_loader(loader);
}

struct serin_bpf *loader_bpf(struct loader *loader)
{
	return loader->bpf;
}

const struct serin_maps *loader_maps(const struct loader *loader)
{
	return &loader->maps;
}

void loader_set_success(struct loader *loader, const bool success[SERIN_OUTCOMES])
{
	uint32_t fails = loader->bpf->data->serin_counts;

	for (unsigned i = 0; i < SERIN_OUTCOMES; i++)
		if (success[i])
			fails &= ~(1U << i);
	__atomic_store_n(&loader->bpf->data->serin_fails, fails, __ATOMIC_RELAXED);
}

int loader_state_read(struct loader *loader, uint32_t release, void *ret_state, size_t size)
{
	_cleanup_free_ char *state = malloc(SERIN_STATE_MAX);
	int fd = bpf_map__fd(loader->bpf->maps.serin_state);

	if (size > SERIN_STATE_MAX)
		return -E2BIG;
	if (!state)
		return -ENOMEM;
	if (bpf_map_lookup_elem(fd, &release, state) < 0)
		return -errno;
	memcpy(ret_state, state, size);
	return 0;
}

int loader_state_write(struct loader *loader, uint32_t release, const void *state, size_t size)
{
	_cleanup_free_ char *whole = calloc(1, SERIN_STATE_MAX);
	int fd = bpf_map__fd(loader->bpf->maps.serin_state);

	if (size > SERIN_STATE_MAX)
		return -E2BIG;
	if (!whole)
		return -ENOMEM;
	memcpy(whole, state, size);
	return bpf_map_update_elem(fd, &release, whole, BPF_ANY) < 0 ? -errno : 0;
}

/* ---- iterators ---- */

#define ITERATOR_BUFFER 24576 /* whole records of every size */

/* Hands on what an iterator writes, a record of `size` bytes at a time. */
static int run_iterator(struct bpf_link *link, size_t size, void (*each)(const void *record, void *context), void *context)
{
	_cleanup_close_ int fd = bpf_iter_create(bpf_link__fd(link));
	char records[ITERATOR_BUFFER] __attribute__((aligned(8)));
	ssize_t length;

	if (fd < 0)
		return -errno;
	while ((length = read(fd, records, sizeof(records))) > 0)
		for (size_t at = 0; each && at + size <= (size_t)length; at += size)
			each(records + at, context);
	return length < 0 ? -errno : 0;
}

int loader_sweep(struct loader *loader)
{
	return run_iterator(loader->bpf->links.serin_sweep, 1, NULL, NULL);
}

int loader_adopt_connections(struct loader *loader)
{
	return run_iterator(loader->bpf->links.serin_adopt_connections, 1, NULL, NULL);
}

struct member_receiver {
	void (*each)(const struct serin_member *member, void *context);
	void *context;
};

static void hand_member(const void *record, void *context)
{
	const struct member_receiver *receiver = context;

	receiver->each(record, receiver->context);
}

int loader_members(struct loader *loader, void (*each)(const struct serin_member *member, void *context), void *context)
{
	struct member_receiver receiver = {each, context};

	return run_iterator(loader->bpf->links.serin_members, sizeof(struct serin_member), hand_member, &receiver);
}

struct connection_receiver {
	void (*each)(const struct serin_connection *connection, void *context);
	void *context;
};

static void hand_connection(const void *record, void *context)
{
	const struct connection_receiver *receiver = context;

	receiver->each(record, receiver->context);
}

int loader_connections(struct loader *loader, void (*each)(const struct serin_connection *connection, void *context),
		       void *context)
{
	struct connection_receiver receiver = {each, context};

	return run_iterator(loader->bpf->links.serin_connections, sizeof(struct serin_connection), hand_connection, &receiver);
}

void loader_lost(struct loader *loader, enum serin_loss kind, uint64_t n)
{
	uint32_t key = (uint32_t)kind;
	uint64_t count;

	if (n && bpf_map_lookup_elem(loader->maps.agent_losses, &key, &count) == 0) {
		count += n;
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
	struct serin_maps maps = {-1, -1, -1, -1, -1, -1, -1, -1, NULL, false};
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

	char pickup[CONFIG_PATH_MAX + 64];
	int r = pins_layout(paths);

	if (r < 0)
		return r;
	for (unsigned i = 0; i < ARRAY_SIZE(all); i++) {
		r = open_pinned(paths, all[i].name, all[i].size, all[i].fd);
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

/* By a loaded program: the sysctl is not there in every network namespace. */
static bool is_compiled(const struct bpf_program *program)
{
	struct bpf_prog_info info = {};
	__u32 size = sizeof(info);

	return bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size) == 0 && info.jited_prog_len > 0;
}

static void probe_jit(const struct serin_bpf *bpf, struct loader_probe *probes, unsigned *n)
{
	bool ok = is_compiled(bpf->progs.serin_ingress);

	add_probe(probes, n, "JIT", ok, false, ok ? "on" : "off", "sysctl net.core.bpf_jit_enable=1, or it costs ten times as much");
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
	if (r == 0)
		probe_jit(bpf, probes, n);
	serin_bpf__destroy(bpf);
}

unsigned loader_probe(struct loader_probe ret[LOADER_PROBES_MAX], bool verbose)
{
	const char *missing = system_missing_capability();
	char text[CONFIG_PATH_MAX];
	unsigned n = 0;
	bool ok;
	int r;

	libbpf_talks = verbose;
	add_probe(ret, &n, "kernel", system_kernel_at_least(6, 1), true, system_kernel(text, sizeof(text)),
		  "Linux 6.1 or newer is needed");
	add_probe(ret, &n, "privileges", !missing, true, missing ? missing : "all that are needed",
		  "run it as root, a container with that capability");
	ok = system_is_host_pid_namespace();
	add_probe(ret, &n, "pid namespace", ok, true, ok ? "the host's" : "its own", "give it the host's (hostPID: true)");
	ok = access("/sys/kernel/btf/vmlinux", R_OK) == 0;
	add_probe(ret, &n, "BTF", ok, true, ok ? "/sys/kernel/btf/vmlinux" : "none", "use a kernel with CONFIG_DEBUG_INFO_BTF=y");
	r = system_cgroup2(text, sizeof(text));
	add_probe(ret, &n, "cgroup2", r == 0, true, r == 0 ? text : r == -EXDEV ? "a container's own" : "not mounted",
		  r == -EXDEV ? "mount the node's /sys/fs/cgroup into the container"
			      : "mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified");
	ok = system_has_bpffs();
	add_probe(ret, &n, "bpffs", ok, false, ok ? "/sys/fs/bpf" : "not mounted", "serin run mounts it at /sys/fs/bpf");
	if (!missing)
		probe_programs(ret, &n);
	ok = system_read_number("/proc/sys/kernel/bpf_stats_enabled", text, sizeof(text)) == 0 && text[0] == '1';
	add_probe(ret, &n, "statistics", ok, false, ok ? "on" : "off",
		  "only for measuring the programs' cost: sysctl kernel.bpf_stats_enabled=1");
	return n;
}
