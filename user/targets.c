// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#define _GNU_SOURCE 1

#include "targets.h"

#include "container.h"
#include "discover.h"
#include "endpoint.h"
#include "match.h"
#include "serin.skel.h"
#include "util.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#define SEARCH_AGAIN_NS (5 * NSEC_PER_SEC)
#define LOOKS_AT_CONNECTIONS 3 /* of a new listener that the kernel did not recognise: those in its backlog have no descriptor yet */

/* ---- places ---- */

static bool is_named(const char *model, const char *version, const char *other_model, const char *other_version)
{
	return *model && !strcmp(model, other_model) && !strcmp(version, other_version);
}

int targets_find(const struct targets *targets, const char *model, const char *version)
{
	for (unsigned i = 0; i < targets->n; i++)
		if (is_named(targets->all[i].model, targets->all[i].version, model, version))
			return (int)i;
	return -1;
}

/* Whose counters the places hold: an earlier agent has left its names in the kernel. */
static int read_former(struct targets *targets, struct loader *loader)
{
	for (uint32_t i = 0; i < SERIN_TARGETS_MAX; i++) {
		struct serin_target_info info;

		if (bpf_map_lookup_elem(loader_maps(loader)->targets, &i, &info) < 0)
			return -errno;
		memcpy(targets->former[i].model, info.model, sizeof(info.model));
		memcpy(targets->former[i].version, info.version, sizeof(info.version));
	}
	return 0;
}

static int begin(struct targets *targets, struct loader *loader)
{
	int r = read_former(targets, loader);

	if (r < 0)
		return r;
	for (unsigned i = 0; i < SERIN_TARGETS_MAX; i++)
		targets->release[i] = SERIN_NONE;
	targets->loader = loader;
	return 0;
}

/* The place of that name, else one that nobody has had, else any. -ENOSPC. */
static int choose_place(const struct targets *targets, const char *model, const char *version)
{
	int virgin = -ENOSPC, any = -ENOSPC;

	for (int i = SERIN_TARGETS_MAX - 1; i >= 0; i--) {
		if (targets_is_used(targets, (unsigned)i))
			continue;
		if (is_named(targets->former[i].model, targets->former[i].version, model, version))
			return i;
		any = i;
		if (!targets->former[i].model[0])
			virgin = i;
	}
	return virgin >= 0 ? virgin : any;
}

static int zero(int map, uint32_t first, uint32_t n, size_t size)
{
	int cpus = libbpf_num_possible_cpus();
	_cleanup_free_ void *zeros = cpus > 0 ? calloc((size_t)cpus, size) : NULL;

	if (!zeros)
		return cpus < 0 ? cpus : -ENOMEM;
	for (uint32_t i = first; i < first + n; i++)
		if (bpf_map_update_elem(map, &i, zeros, BPF_ANY) < 0)
			return -errno;
	return 0;
}

static int zero_counters(struct loader *loader, uint32_t index)
{
	const struct serin_maps *maps = loader_maps(loader);
	int r = zero(maps->tallies, index, 1, sizeof(struct serin_tally));

	return r < 0 ? r : zero(maps->hists, index * SERIN_HISTS, SERIN_HISTS, sizeof(struct serin_hist));
}

int targets_add(struct targets *targets, struct loader *loader, const struct serin_model *model, enum serin_role role)
{
	struct serin_target *t;
	int index = targets_find(targets, model->name, model->version), r = 0;

	if (index >= 0)
		return index;
	if (!targets->loader)
		r = begin(targets, loader);
	if (r < 0)
		return r;
	index = choose_place(targets, model->name, model->version);
	if (index < 0)
		return index;
	/* A place without a name may have had one before: then its counters are still there. */
	if (!is_named(targets->former[index].model, targets->former[index].version, model->name, model->version)) {
		r = zero_counters(loader, (uint32_t)index);
		if (r < 0)
			return r;
		targets->departed_drops[index] = 0;
	}
	t = &targets->all[index];
	*t = (struct serin_target){.role = role, .match = model->match, .endpoint = model->match.endpoint};
	snprintf(t->model, sizeof(t->model), "%s", model->name);
	snprintf(t->version, sizeof(t->version), "%s", model->version);
	memcpy(targets->former[index].model, t->model, sizeof(t->model));
	memcpy(targets->former[index].version, t->version, sizeof(t->version));
	targets->published[index] = false;
	targets->look_again = true;
	if ((unsigned)index >= targets->n)
		targets->n = (unsigned)index + 1;
	return index;
}

/* ---- what the kernel knows ---- */

/* The element is replaced byte by byte, with the same bytes but for what changes: programs may look at it meanwhile. */
static int write_info(const struct targets *targets, struct loader *loader, unsigned index)
{
	return bpf_map_update_elem(loader_maps(loader)->targets, &index, &targets->info[index], BPF_ANY) < 0 ? -errno : 0;
}

static int publish(struct targets *targets, struct loader *loader, unsigned index)
{
	const struct serin_target *t = &targets->all[index];
	struct serin_target_info *info = &targets->info[index];

	*info = (struct serin_target_info){
		.role = t->role,
		.release = targets->release[index],
		.port = t->endpoint.port,
	};
	memcpy(info->model, t->model, sizeof(info->model));
	memcpy(info->version, t->version, sizeof(info->version));
	memcpy(info->address, t->endpoint.address, sizeof(info->address));
	return write_info(targets, loader, index);
}

int targets_set_edges(struct targets *targets, struct loader *loader, unsigned index, const struct targets_edges *edges)
{
	struct serin_target_info *info = &targets->info[index];

	memcpy(info->duration_edge_ns, edges->duration_ns, sizeof(info->duration_edge_ns));
	memcpy(info->first_chunk_edge_ns, edges->first_chunk_ns, sizeof(info->first_chunk_edge_ns));
	info->slow_duration_ns = edges->slow_duration_ns;
	info->slow_first_chunk_ns = edges->slow_first_chunk_ns;
	return write_info(targets, loader, index);
}

int targets_set_deadline(struct targets *targets, struct loader *loader, unsigned index, uint64_t deadline_ns)
{
	targets->info[index].deadline_ns = deadline_ns;
	return write_info(targets, loader, index);
}

int targets_set_by_client(struct targets *targets, struct loader *loader, unsigned index, bool by_client)
{
	targets->info[index].by_client = by_client;
	return write_info(targets, loader, index);
}

static int watches(struct loader *loader)
{
	return bpf_map__fd(loader_bpf(loader)->maps.serin_watches);
}

/* The kernel knows ports. Where more tells a target, its processes must be looked at first. */
static bool is_watched(const struct targets *targets, unsigned index)
{
	return targets_is_used(targets, index) && config_is_port_only(&targets->all[index].match);
}

static int watch(const struct targets *targets, struct loader *loader, unsigned index)
{
	const struct serin_target *t = &targets->all[index];
	struct serin_watch_key key = {.port = t->endpoint.port};
	struct serin_watch value = {.target = index, .release = targets->steer[index] ? targets->release[index] : SERIN_NONE};
	uint64_t netns;
	int r = discover_netns_cookie(&netns);

	if (r < 0)
		return r;
	key.netns = netns;
	memcpy(key.address, t->endpoint.address, sizeof(key.address));
	return bpf_map_update_elem(watches(loader), &key, &value, BPF_ANY) < 0 ? -errno : 0;
}

static bool is_ours(const struct targets *targets, const struct serin_watch_key *key, const struct serin_watch *value)
{
	const struct serin_target *t = &targets->all[value->target % SERIN_TARGETS_MAX];
	uint64_t here;

	if (discover_netns_cookie(&here) == 0 && key->netns != here)
		return false; /* an earlier agent ran in another network namespace */
	return is_watched(targets, value->target % SERIN_TARGETS_MAX) && t->endpoint.port == key->port &&
	       !memcmp(t->endpoint.address, key->address, sizeof(key->address));
}

/* Ports that nobody here asks for, or of a target in another place. */
static void remove_watches(const struct targets *targets, struct loader *loader)
{
	struct serin_watch_key keys[4 * SERIN_TARGETS_MAX], *before = NULL;
	struct serin_watch value;
	unsigned n = 0;

	while (n < ARRAY_SIZE(keys) && bpf_map_get_next_key(watches(loader), before, &keys[n]) == 0)
		before = &keys[n++];
	for (unsigned i = 0; i < n; i++)
		if (bpf_map_lookup_elem(watches(loader), &keys[i], &value) == 0 && !is_ours(targets, &keys[i], &value))
			bpf_map_delete_elem(watches(loader), &keys[i]);
}

/* The names that an earlier agent left in places that are nobody's now. */
static int clear_others(struct targets *targets, struct loader *loader)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < SERIN_TARGETS_MAX; i++) {
		if (targets_is_used(targets, i) || !targets->former[i].model[0])
			continue;
		targets->info[i] = (struct serin_target_info){.release = SERIN_NONE};
		r = write_info(targets, loader, i);
	}
	return r;
}

int targets_publish(struct targets *targets, struct loader *loader)
{
	int r = clear_others(targets, loader);

	remove_watches(targets, loader);
	for (unsigned i = 0; r == 0 && i < targets->n; i++) {
		if (!targets_is_used(targets, i) || targets->published[i])
			continue;
		r = publish(targets, loader, i);
		if (r == 0 && is_watched(targets, i))
			r = watch(targets, loader, i);
		targets->published[i] = r == 0;
	}
	return r;
}

int targets_steer(struct targets *targets, unsigned index, uint32_t release, uint16_t service_port, struct steer *steer)
{
	int r = 0;

	if (!targets_is_used(targets, index))
		return -ENOENT;
	targets->release[index] = release;
	targets->service_port[index] = service_port;
	targets->steer[index] = steer;
	targets->look_again = true; /* listeners that are known are offered then */
	if (!targets->published[index])
		return 0;
	targets->info[index].release = release;
	r = write_info(targets, targets->loader, index);
	if (r == 0 && is_watched(targets, index))
		r = watch(targets, targets->loader, index);
	return r;
}

void targets_remove(struct targets *targets, struct loader *loader, unsigned index)
{
	if (!targets_is_used(targets, index))
		return;
	targets->all[index] = (struct serin_target){};
	targets->info[index] = (struct serin_target_info){.release = SERIN_NONE};
	targets->mptcp[index] = targets->unsteered[index] = targets->published[index] = false;
	targets->release[index] = SERIN_NONE;
	targets->service_port[index] = 0;
	targets->steer[index] = NULL;
	targets->again[index] = 0;
	targets->look_again = true;
	for (unsigned i = 0; i < targets->n_verdicts; i++)
		if (targets->verdicts[i].owner == (int)index)
			targets->verdicts[i].owner = -1;
	remove_watches(targets, loader);
	write_info(targets, loader, index); /* it cannot fail: the place is there */
}

void targets_free(struct targets *targets)
{
	free(TAKE_PTR(targets->verdicts));
	targets->n_verdicts = 0;
}

static uint64_t generation(struct loader *loader)
{
	return __atomic_load_n(&loader_bpf(loader)->bss->serin_listen_generation, __ATOMIC_RELAXED);
}

/* ---- sockets ---- */

struct claim {
	struct targets *targets;
	struct loader *loader;
	uint32_t target;
};

static int conns(const struct claim *claim)
{
	return bpf_map__fd(loader_bpf(claim->loader)->maps.serin_conns);
}

/* Ties a socket to a target. Returns whether it was nobody's before. */
static bool tag(const struct claim *claim, int fd, enum serin_socket socket)
{
	struct serin_conn conn = {.target = claim->target, .socket = socket};

	if (bpf_map_update_elem(conns(claim), &fd, &conn, BPF_NOEXIST) == 0)
		return true;
	if (errno != EEXIST)
		loader_lost(claim->loader, SERIN_LOSS_STORAGE, 1);
	return false;
}

/* Ties a listener to a target. One of another target's, as the configuration was before, changes hands: what it accepts
 * from now on is the new one's. Returns whether it was not this one's before. */
static bool tag_listener(const struct claim *claim, int fd)
{
	struct serin_conn conn;

	if (bpf_map_lookup_elem(conns(claim), &fd, &conn) < 0)
		return tag(claim, fd, SERIN_SOCKET_LISTENER);
	if (conn.target == claim->target)
		return false;
	conn = (struct serin_conn){.target = claim->target, .socket = SERIN_SOCKET_LISTENER};
	return bpf_map_update_elem(conns(claim), &fd, &conn, BPF_EXIST) == 0;
}

/* Is it among the listeners of the release already? The kernel offers those it recognises. */
static bool is_offered(const struct claim *claim, int fd)
{
	int map = bpf_map__fd(loader_bpf(claim->loader)->maps.serin_listeners);
	uint64_t cookie = 0, other;
	socklen_t length = sizeof(cookie);

	if (getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &length) < 0)
		return false;
	for (uint32_t slot = 0; slot < SERIN_SLOTS; slot++) {
		uint32_t key = claim->targets->release[claim->target] * SERIN_SLOTS + slot;

		if (bpf_map_lookup_elem(map, &key, &other) == 0 && other == cookie)
			return true;
	}
	return false;
}

static bool has_cookie(const struct serin_target *t, uint64_t cookie)
{
	for (unsigned i = 0; i < t->n_listeners; i++)
		if (t->listeners[i].cookie == cookie)
			return true;
	return false;
}

/* What was offered when the canary listened elsewhere is not its any more. One that begins to listen right now may go too: the
 * kernel has told so, and the next look offers it again. */
static void withdraw_others(const struct targets *targets, struct loader *loader)
{
	int map = bpf_map__fd(loader_bpf(loader)->maps.serin_listeners);
	uint64_t cookie;

	for (unsigned i = 0; i < targets->n; i++) {
		if (!targets_is_used(targets, i) || !targets->steer[i])
			continue;
		for (uint32_t slot = 0; slot < SERIN_SLOTS; slot++) {
			uint32_t key = targets->release[i] * SERIN_SLOTS + slot;

			if (bpf_map_lookup_elem(map, &key, &cookie) == 0 && !has_cookie(&targets->all[i], cookie))
				bpf_map_delete_elem(map, &key);
		}
	}
}

/* Each look tries again; the loss is counted once: by the kernel for a listener that it recognised, else here. */
static void offer(const struct claim *claim, int fd, bool fresh)
{
	if (is_offered(claim, fd) || steer_offer(claim->targets->steer[claim->target], fd) == 0)
		return;
	if (fresh)
		loader_lost(claim->loader, SERIN_LOSS_LISTENERS, 1);
	claim->targets->unsteered[claim->target] = true;
}

/* A listener that was there before us, or that only its process tells. One recognised by the kernel is tagged and offered
 * already. Returns whether it is new to its target. */
static bool claim_listener(const struct claim *claim, const struct discover_holder *holder)
{
	_cleanup_close_ int fd = discover_duplicate(holder->pid, holder->fd);
	bool fresh;

	if (fd < 0)
		return false; /* gone meanwhile: the next refresh sees what there is then */
	if (discover_is_mptcp(fd)) {
		claim->targets->mptcp[claim->target] = true;
		return false;
	}
	fresh = tag_listener(claim, fd);
	if (claim->targets->steer[claim->target])
		offer(claim, fd, fresh);
	return fresh;
}

static bool is_port_of(const struct targets *targets, unsigned index, uint16_t port)
{
	const struct serin_target *t = &targets->all[index];

	for (unsigned i = 0; i < t->n_listeners; i++)
		if (t->listeners[i].endpoint.port == port)
			return true;
	return targets->service_port[index] == port;
}

static bool is_accepted(int fd, const struct claim *claim)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} local, peer;
	socklen_t length = sizeof(local), peer_length = sizeof(peer);

	if (getsockname(fd, &local.any, &length) < 0 || getpeername(fd, &peer.any, &peer_length) < 0)
		return false;
	if (local.any.sa_family != AF_INET && local.any.sa_family != AF_INET6)
		return false;
	return is_port_of(claim->targets, claim->target, ntohs(local.v4.sin_port)); /* at the same place in both */
}

static int claim_connection(const struct discover_holder *holder, void *context)
{
	const struct claim *claim = context;
	_cleanup_close_ int fd = discover_duplicate(holder->pid, holder->fd);

	if (fd >= 0 && is_accepted(fd, claim))
		tag(claim, fd, SERIN_SOCKET_FOUND);
	return 0;
}

/* ---- processes ---- */

/* pid 1 holds the sockets it activates services with, and everything descends from it. */
static bool is_root_candidate(const struct discover_holder *holder)
{
	return holder->pid > 1 && holder->pid != (uint32_t)getpid();
}

static int owner_of(const struct targets *targets, uint32_t inode)
{
	for (unsigned i = 0; i < targets->n; i++)
		for (unsigned j = 0; j < targets->all[i].n_listeners; j++)
			if (targets->all[i].listeners[j].inode == inode)
				return (int)i;
	return -1;
}

/* A target that the port alone tells has the first word on a listener. */
static int owner_by_port(const struct targets *targets, const struct serin_listener *listener)
{
	for (unsigned i = 0; i < targets->n; i++)
		if (is_watched(targets, i) && endpoint_overlaps(&targets->all[i].endpoint, &listener->endpoint))
			return (int)i;
	return -1;
}

/* A process that holds listeners of two targets (a supervisor) is nobody's. */
static bool is_ambiguous(const struct targets *targets, const struct discover_holder *holders, int n, int which)
{
	int owner = owner_of(targets, holders[which].inode);

	for (int i = 0; i < n; i++)
		if (holders[i].pid == holders[which].pid && owner_of(targets, holders[i].inode) != owner)
			return true;
	return false;
}

static void clear_roots(int map)
{
	uint32_t pid;

	while (bpf_map_get_next_key(map, NULL, &pid) == 0)
		bpf_map_delete_elem(map, &pid);
}

static void set_roots(const struct targets *targets, struct loader *loader, const struct discover_holder *holders,
		      int n)
{
	int map = bpf_map__fd(loader_bpf(loader)->maps.serin_roots);

	clear_roots(map);
	for (int i = 0; i < n; i++) {
		int owner = owner_of(targets, holders[i].inode);

		if (owner >= 0 && is_root_candidate(&holders[i]) && !is_ambiguous(targets, holders, n, i) &&
		    bpf_map_update_elem(map, &holders[i].pid, &owner, BPF_ANY) < 0)
			loader_lost(loader, SERIN_LOSS_PROCESSES, 1);
	}
}

/* ---- refresh ---- */

static bool has_inode(const struct serin_listener *listeners, unsigned n, uint32_t inode)
{
	for (unsigned i = 0; i < n; i++)
		if (listeners[i].inode == inode)
			return true;
	return false;
}

/* Takes over the new list of listeners. Drops of those that are gone are kept. Returns whether the set changed. */
static bool replace_listeners(struct targets *targets, unsigned index, const struct serin_listener *listeners,
			      unsigned n)
{
	struct serin_target *t = &targets->all[index];
	bool changed = n != t->n_listeners;

	for (unsigned i = 0; i < t->n_listeners; i++) {
		if (has_inode(listeners, n, t->listeners[i].inode))
			continue;
		targets->departed_drops[index] += t->listeners[i].drops;
		changed = true;
	}
	memcpy(t->listeners, listeners, n * sizeof(*listeners));
	t->n_listeners = n;
	if (changed)
		targets->mptcp[index] = targets->unsteered[index] = false;
	return changed;
}

/* ---- listeners that only their processes tell ---- */

static bool needs_processes(const struct targets *targets)
{
	for (unsigned i = 0; i < targets->n; i++)
		if (targets_is_used(targets, i) && !is_watched(targets, i))
			return true;
	return false;
}

static const struct targets_verdict *find_verdict(const struct targets *targets, uint64_t cookie)
{
	for (unsigned i = 0; i < targets->n_verdicts; i++)
		if (targets->verdicts[i].cookie == cookie)
			return &targets->verdicts[i];
	return NULL;
}

bool targets_stale(struct targets *targets, struct loader *loader)
{
	_cleanup_free_ struct serin_listener *all = NULL;
	uint64_t now = util_now();
	int n;

	if (targets->look_again || targets->generation != generation(loader))
		return true;
	if (!needs_processes(targets) || now - targets->listed_ns < NSEC_PER_SEC)
		return false;
	targets->listed_ns = now;
	n = discover_all_listeners(&all);
	if (n < 0 || (unsigned)n != targets->n_verdicts)
		return true;
	for (int i = 0; i < n; i++)
		if (!find_verdict(targets, all[i].cookie))
			return true;
	return false;
}

/* The target that one of the listener's holders is a process of; -1: none. */
static int judge(const struct targets *targets, const struct serin_listener *listener, const struct discover_holder *holders,
		 int n)
{
	for (unsigned i = 0; i < targets->n; i++) {
		const struct serin_match *match = &targets->all[i].match;

		if (!targets_is_used(targets, i) || is_watched(targets, i) || !match_endpoint(match, &listener->endpoint))
			continue;
		for (int j = 0; j < n; j++)
			if (holders[j].inode == listener->inode && holders[j].pid != (uint32_t)getpid() &&
			    match_process(match, holders[j].pid))
				return (int)i;
	}
	return -1;
}

/* Is one of them still waited for? */
static bool lacks_listeners(const struct targets *targets)
{
	for (unsigned i = 0; i < targets->n; i++)
		if (targets_is_used(targets, i) && !is_watched(targets, i) && !targets->all[i].n_listeners)
			return true;
	return false;
}

/* The listeners whose processes are to be looked at: new ones; and while a target is waited for, now and then, those that
 * are nobody's, as a process may have become another program meanwhile. */
static int judge_all(const struct targets *targets, const struct serin_listener *all, int n, bool again,
		     struct targets_verdict *verdicts)
{
	_cleanup_free_ struct discover_holder *holders = NULL;
	_cleanup_free_ uint32_t *inodes = calloc((size_t)n + 1, sizeof(*inodes));
	unsigned n_inodes = 0;
	int n_holders = 0;

	if (!inodes)
		return -ENOMEM;
	for (int i = 0; i < n; i++) {
		const struct targets_verdict *before = find_verdict(targets, all[i].cookie);

		verdicts[i] = (struct targets_verdict){all[i].cookie, before ? before->owner : -1};
		if (!before || (again && before->owner < 0))
			inodes[n_inodes++] = all[i].inode;
	}
	if (n_inodes)
		n_holders = discover_holders(inodes, n_inodes, &holders);
	if (n_holders < 0)
		return n_holders;
	for (int i = 0; n_inodes && i < n; i++)
		if (verdicts[i].owner < 0)
			verdicts[i].owner = judge(targets, &all[i], holders, n_holders);
	return 0;
}

/* Lists all listeners and whose they are. Until the next look *ret_all and targets->verdicts go by the same index. */
static int look_at_all(struct targets *targets, struct serin_listener **ret_all)
{
	_cleanup_free_ struct targets_verdict *verdicts = NULL;
	_cleanup_free_ struct serin_listener *all = NULL;
	uint64_t now = util_now();
	bool again = targets->look_again || (lacks_listeners(targets) && now - targets->judged_ns >= SEARCH_AGAIN_NS);
	int n = discover_all_listeners(&all), r;

	if (n < 0)
		return n;
	verdicts = calloc((size_t)n + 1, sizeof(*verdicts));
	r = verdicts ? judge_all(targets, all, n, again, verdicts) : -ENOMEM;
	if (r < 0)
		return r;
	if (again)
		targets->judged_ns = now;
	free(targets->verdicts);
	targets->verdicts = TAKE_PTR(verdicts);
	targets->n_verdicts = (unsigned)n;
	targets->listed_ns = now;
	*ret_all = TAKE_PTR(all);
	return n;
}

/* ---- refresh, going on ---- */

static unsigned pick(const struct targets *targets, unsigned index, const struct serin_listener *all, int n,
		     struct serin_listener *ret)
{
	unsigned found = 0;

	for (int i = 0; i < n && found < SERIN_LISTENERS_MAX; i++)
		if (targets->verdicts[i].owner == (int)index && owner_by_port(targets, &all[i]) < 0)
			ret[found++] = all[i];
	return found;
}

static int find_listeners(struct targets *targets, unsigned *ret_changed)
{
	_cleanup_free_ struct serin_listener *all = NULL;
	struct serin_listener found[SERIN_LISTENERS_MAX];
	int n = 0, n_all = 0;

	*ret_changed = 0;
	if (needs_processes(targets))
		n_all = look_at_all(targets, &all);
	if (n_all < 0)
		return n_all;
	for (unsigned i = 0; i < targets->n; i++) {
		if (!targets_is_used(targets, i))
			continue;
		n = is_watched(targets, i) ? discover_listeners(&targets->all[i].endpoint, found)
					   : (int)pick(targets, i, all, n_all, found);
		if (n < 0)
			return n;
		if (replace_listeners(targets, i, found, (unsigned)n))
			*ret_changed |= 1U << i;
	}
	return 0;
}

static unsigned all_inodes(const struct targets *targets, uint32_t *ret_inodes)
{
	unsigned n = 0;

	for (unsigned i = 0; i < targets->n; i++)
		for (unsigned j = 0; j < targets->all[i].n_listeners; j++)
			ret_inodes[n++] = targets->all[i].listeners[j].inode;
	return n;
}

/* Ties listeners that are nobody's to their targets. Returns a bit set of the targets that got any. */
static unsigned claim_listeners(struct claim *claim, const struct discover_holder *holders, int n)
{
	unsigned fresh = 0;

	for (int i = 0; i < n; i++) {
		int owner = owner_of(claim->targets, holders[i].inode);

		if (owner < 0 || holders[i].pid == (uint32_t)getpid())
			continue;
		claim->target = (uint32_t)owner;
		if (claim_listener(claim, &holders[i]))
			fresh |= 1U << owner;
	}
	return fresh;
}

/* Holders are listed process by process: is this the first line of its process? */
static bool is_first_of_process(const struct discover_holder *holders, int i)
{
	return i == 0 || holders[i - 1].pid != holders[i].pid;
}

/* Connections that such listeners had accepted before we came, in the hands of processes that are one target's alone. */
static void claim_connections(struct claim *claim, const struct discover_holder *holders, int n, unsigned fresh)
{
	for (int i = 0; i < n; i++) {
		int owner = owner_of(claim->targets, holders[i].inode);

		if (owner < 0 || !(fresh & 1U << owner) || !is_first_of_process(holders, i) ||
		    !is_root_candidate(&holders[i]) || is_ambiguous(claim->targets, holders, n, i))
			continue;
		claim->target = (uint32_t)owner;
		discover_sockets(holders[i].pid, claim_connection, claim);
	}
}

/* A target listens, but nobody is known to hold its listener. */
static bool lacks_processes(const struct targets *targets)
{
	for (unsigned i = 0; i < targets->n; i++)
		if (targets->all[i].n_listeners && !targets->all[i].n_pids && !targets->mptcp[i])
			return true;
	return false;
}

/* Targets whose connections are to be looked at once more. A connection in the backlog of a listener that was just tied
 * to its target is nobody's, and in nobody's hands until it is accepted. */
static unsigned count_down(struct targets *targets, unsigned fresh)
{
	unsigned again = 0;

	for (unsigned i = 0; i < targets->n; i++) {
		if (fresh & 1U << i && !is_watched(targets, i))
			targets->again[i] = LOOKS_AT_CONNECTIONS;
		if (!targets->again[i])
			continue;
		targets->again[i]--;
		again |= 1U << i;
	}
	return again;
}

static bool is_due(const struct targets *targets, unsigned changed, uint64_t now)
{
	if (changed || targets->look_again || (lacks_processes(targets) && now - targets->searched_ns >= SEARCH_AGAIN_NS))
		return true;
	for (unsigned i = 0; i < targets->n; i++)
		if (targets->again[i])
			return true;
	return false;
}

int targets_refresh(struct targets *targets, struct loader *loader)
{
	struct claim claim = {.targets = targets, .loader = loader};
	uint32_t inodes[SERIN_TARGETS_MAX * SERIN_LISTENERS_MAX];
	_cleanup_free_ struct discover_holder *holders = NULL;
	uint64_t now = util_now();
	unsigned changed, fresh;
	int n, r;

	targets->generation = generation(loader); /* before looking: what comes meanwhile is for the next time */
	r = find_listeners(targets, &changed);
	if (r < 0 || !is_due(targets, changed, now))
		return r;
	if (targets->look_again)
		withdraw_others(targets, loader);
	targets->look_again = false;
	targets->searched_ns = now;
	n = discover_holders(inodes, all_inodes(targets, inodes), &holders);
	if (n < 0)
		return n;
	set_roots(targets, loader, holders, n);
	fresh = claim_listeners(&claim, holders, n);
	claim_connections(&claim, holders, n, fresh | count_down(targets, fresh));
	r = loader_adopt_connections(loader);
	return r < 0 ? r : (int)changed;
}

/* ---- measuring ---- */

struct census {
	struct targets *targets;
	struct serin_snapshot *snapshot;
};

static void count_member(const struct serin_member *member, void *context)
{
	struct census *census = context;
	uint32_t index = member->target;
	struct serin_target *t;
	uint64_t bytes;

	if (index >= census->targets->n || !targets_is_used(census->targets, index))
		return;
	t = &census->targets->all[index];
	if (t->n_pids < SERIN_PIDS_MAX)
		t->pids[t->n_pids] = member->pid;
	t->n_pids++;
	census->snapshot->processes[index]++;
	if (discover_resident(member->pid, &bytes) == 0) {
		census->snapshot->memory_bytes[index] += bytes;
		census->snapshot->memory_known[index] = true;
	}
}

int targets_measure(struct targets *targets, struct loader *loader, struct serin_snapshot *snapshot)
{
	struct census census = {.targets = targets, .snapshot = snapshot};
	int r;

	for (unsigned i = 0; i < targets->n; i++) {
		struct serin_target *t = &targets->all[i];

		t->n_pids = 0;
		snapshot->memory_bytes[i] = 0;
		snapshot->memory_known[i] = false;
		snapshot->processes[i] = 0;
		snapshot->listen_drops[i] = targets->departed_drops[i];
		for (unsigned j = 0; j < t->n_listeners; j++)
			snapshot->listen_drops[i] += t->listeners[j].drops;
	}
	r = loader_members(loader, count_member, &census);
	for (unsigned i = 0; r == 0 && i < targets->n; i++) {
		struct serin_target *t = &targets->all[i];

		containers_look(&t->containers, t->pids, t->n_pids, util_now());
	}
	return r;
}
