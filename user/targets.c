// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#define _GNU_SOURCE 1

#include "targets.h"

#include "discover.h"
#include "endpoint.h"
#include "serin.skel.h"
#include "util.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#define SEARCH_AGAIN_NS (5 * NSEC_PER_SEC)

unsigned targets_add(struct targets *targets, const char *model, const char *version, enum serin_role role,
		     const struct serin_endpoint *endpoint)
{
	struct serin_target *t = &targets->all[targets->n];

	*t = (struct serin_target){.role = role, .endpoint = *endpoint};
	snprintf(t->model, sizeof(t->model), "%s", model);
	snprintf(t->version, sizeof(t->version), "%s", version);
	return targets->n++;
}

static int write_info(struct targets *targets, struct loader *loader, unsigned index, uint64_t duration_ns,
		      uint64_t first_chunk_ns)
{
	const struct serin_target *t = &targets->all[index];
	struct serin_target_info info = {
		.role = t->role,
		.release = t->role == SERIN_ROLE_NONE ? SERIN_NONE : 0,
		.port = t->endpoint.port,
		.duration_edge_ns = {[SERIN_EDGE_SLOW] = duration_ns},
		.first_chunk_edge_ns = {[SERIN_EDGE_SLOW] = first_chunk_ns},
	};

	memcpy(info.model, t->model, sizeof(info.model));
	memcpy(info.version, t->version, sizeof(info.version));
	memcpy(info.address, t->endpoint.address, sizeof(info.address));
	return bpf_map_update_elem(loader_maps(loader)->targets, &index, &info, BPF_ANY) < 0 ? -errno : 0;
}

int targets_set_edges(struct targets *targets, struct loader *loader, unsigned index, uint64_t duration_ns,
		      uint64_t first_chunk_ns)
{
	return write_info(targets, loader, index, duration_ns, first_chunk_ns);
}

static int watch(struct loader *loader, const struct serin_target *t, unsigned index, uint64_t netns)
{
	int map = bpf_map__fd(loader_bpf(loader)->maps.serin_watches);
	struct serin_watch_key key = {.netns = netns, .port = t->endpoint.port};
	struct serin_watch value = {.target = index, .release = t->role == SERIN_ROLE_CANARY ? 0 : SERIN_NONE};

	memcpy(key.address, t->endpoint.address, sizeof(key.address));
	return bpf_map_update_elem(map, &key, &value, BPF_ANY) < 0 ? -errno : 0;
}

int targets_publish(struct targets *targets, struct loader *loader)
{
	uint64_t netns;
	int r;

	r = discover_netns_cookie(&netns);
	for (unsigned i = 0; r == 0 && i < targets->n; i++) {
		r = write_info(targets, loader, i, 0, 0);
		if (r == 0)
			r = watch(loader, &targets->all[i], i, netns);
	}
	return r;
}

static uint64_t generation(struct loader *loader)
{
	return __atomic_load_n(&loader_bpf(loader)->bss->serin_listen_generation, __ATOMIC_RELAXED);
}

bool targets_stale(const struct targets *targets, struct loader *loader)
{
	return targets->generation != generation(loader);
}

/* ---- sockets ---- */

struct claim {
	struct targets *targets;
	struct loader *loader;
	struct steer *steer;
	uint16_t service_port;
	uint32_t target;
};

/* Ties a socket to a target. Returns whether it was nobody's before. */
static bool tag(const struct claim *claim, int fd, enum serin_socket socket)
{
	struct serin_conn conn = {.target = claim->target, .socket = socket};
	int map = bpf_map__fd(loader_bpf(claim->loader)->maps.serin_conns);

	if (bpf_map_update_elem(map, &fd, &conn, BPF_NOEXIST) == 0)
		return true;
	if (errno != EEXIST)
		loader_lost(claim->loader, SERIN_LOSS_STORAGE);
	return false;
}

/* A listener that was there before us. One recognised by the kernel is tagged and offered already. Returns whether it
 * was nobody's. */
static bool claim_listener(const struct claim *claim, const struct discover_holder *holder)
{
	struct serin_target *t = &claim->targets->all[claim->target];
	_cleanup_close_ int fd = discover_duplicate(holder->pid, holder->fd);

	if (fd < 0)
		return false; /* gone meanwhile: the next refresh sees what there is then */
	if (discover_is_mptcp(fd)) {
		claim->targets->mptcp[claim->target] = true;
		return false;
	}
	if (!tag(claim, fd, SERIN_SOCKET_LISTENER))
		return false;
	if (t->role == SERIN_ROLE_CANARY && claim->steer && steer_offer(claim->steer, fd) < 0) {
		claim->targets->unsteered[claim->target] = true;
		loader_lost(claim->loader, SERIN_LOSS_LISTENERS);
	}
	return true;
}

static bool is_accepted(int fd, const struct claim *claim)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} local, peer;
	socklen_t length = sizeof(local), peer_length = sizeof(peer);
	uint16_t port;

	if (getsockname(fd, &local.any, &length) < 0 || getpeername(fd, &peer.any, &peer_length) < 0)
		return false;
	if (local.any.sa_family != AF_INET && local.any.sa_family != AF_INET6)
		return false;
	port = ntohs(local.v4.sin_port); /* at the same place in both */
	return port == claim->targets->all[claim->target].endpoint.port || port == claim->service_port;
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
			loader_lost(loader, SERIN_LOSS_PROCESSES);
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

static int find_listeners(struct targets *targets, unsigned *ret_changed)
{
	struct serin_listener found[SERIN_LISTENERS_MAX];

	*ret_changed = 0;
	for (unsigned i = 0; i < targets->n; i++) {
		int n = discover_listeners(&targets->all[i].endpoint, found);

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

int targets_refresh(struct targets *targets, struct loader *loader, struct steer *steer, uint16_t service_port)
{
	struct claim claim = {.targets = targets, .loader = loader, .steer = steer, .service_port = service_port};
	uint32_t inodes[SERIN_TARGETS_MAX * SERIN_LISTENERS_MAX];
	_cleanup_free_ struct discover_holder *holders = NULL;
	uint64_t now = util_now();
	unsigned changed;
	int n, r;

	targets->generation = generation(loader); /* before looking: what comes meanwhile is for the next time */
	r = find_listeners(targets, &changed);
	if (r < 0 || (!changed && (!lacks_processes(targets) || now - targets->searched_ns < SEARCH_AGAIN_NS)))
		return r;
	targets->searched_ns = now;
	n = discover_holders(inodes, all_inodes(targets, inodes), &holders);
	if (n < 0)
		return n;
	set_roots(targets, loader, holders, n);
	claim_connections(&claim, holders, n, claim_listeners(&claim, holders, n));
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

	if (index >= census->targets->n)
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
	return loader_members(loader, count_member, &census);
}
