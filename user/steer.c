// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "steer.h"

#include "serin.skel.h"
#include "util.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#define RELEASE_BITS 32 /* of a rule's prefix: they come before the address */
#define ADDRESS_BITS 128

struct steer {
	int services, listeners, rules; /* maps, borrowed from the loader */
	uint16_t port;
	struct serin_service service; /* as it is in the kernel */
};

/* ---- the service address ---- */

/* Lets go of the ports that the release had before. Rules and listeners are the release's and stay. */
static int release_other_ports(const struct steer *steer)
{
	uint16_t ports[SERIN_RELEASES_MAX], *previous = NULL;
	unsigned n = 0;

	while (n < SERIN_RELEASES_MAX && bpf_map_get_next_key(steer->services, previous, &ports[n]) == 0)
		previous = &ports[n++];
	for (unsigned i = 0; i < n; i++) {
		struct serin_service found;

		if (ports[i] != steer->port && bpf_map_lookup_elem(steer->services, &ports[i], &found) == 0 &&
		    found.release == steer->service.release && bpf_map_delete_elem(steer->services, &ports[i]) < 0 &&
		    errno != ENOENT)
			return -errno;
	}
	return 0;
}

/* 1: an earlier agent's hold on this very address was taken over. 0: there is none. */
static int take_over(struct steer *steer)
{
	struct serin_service found;

	if (bpf_map_lookup_elem(steer->services, &steer->port, &found) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (found.release != steer->service.release)
		return -EBUSY;
	if (memcmp(found.address, steer->service.address, sizeof(found.address)) != 0)
		return 0;
	steer->service = found;
	return 1;
}

/* Those of a canary that this release had before must not get what is meant for this one. */
static void forget_listeners(const struct steer *steer)
{
	for (uint32_t slot = 0; slot < SERIN_SLOTS; slot++) {
		uint32_t key = steer->service.release * SERIN_SLOTS + slot;

		bpf_map_delete_elem(steer->listeners, &key);
	}
}

static int begin(struct steer *steer)
{
	forget_listeners(steer);
	if (getrandom(&steer->service.salt, sizeof(steer->service.salt), 0) < 0)
		return -errno;
	return bpf_map_update_elem(steer->services, &steer->port, &steer->service, BPF_ANY) < 0 ? -errno : 0;
}

int steer_open(struct loader *loader, uint32_t index, const struct serin_endpoint *service, struct steer **ret)
{
	struct serin_bpf *bpf = loader_bpf(loader);
	_cleanup_free_ struct steer *steer = calloc(1, sizeof(*steer));
	int found, r;

	if (!steer)
		return -ENOMEM;
	steer->services = bpf_map__fd(bpf->maps.serin_services);
	steer->listeners = bpf_map__fd(bpf->maps.serin_listeners);
	steer->rules = bpf_map__fd(bpf->maps.serin_rules);
	steer->port = service->port;
	steer->service.release = index;
	memcpy(steer->service.address, service->address, sizeof(service->address));
	found = take_over(steer);
	r = found < 0 ? found : release_other_ports(steer);
	if (r == 0 && !found)
		r = begin(steer);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(steer);
	return 0;
}

/* The kernel replaces the element as a whole: no connection sees half of it. */
static int replace_service(struct steer *steer, const struct serin_service *service)
{
	if (bpf_map_update_elem(steer->services, &steer->port, service, BPF_EXIST) < 0)
		return -errno;
	steer->service = *service;
	return 0;
}

int steer_weight(struct steer *steer, uint32_t weight)
{
	struct serin_service service = steer->service;

	service.weight = weight;
	return replace_service(steer, &service);
}

uint32_t steer_current_weight(const struct steer *steer)
{
	return steer->service.weight;
}

/* ---- address rules ---- */

/* Rules as the kernel has them. */
struct rule_set {
	struct serin_rule_key key[SERIN_RULES_MAX];
	uint32_t role[SERIN_RULES_MAX];
	unsigned n;
};

/* Bits behind the prefix mean nothing, and are 0, so that equal rules are equal bytes. */
static int to_key(uint32_t release, const struct serin_rule *rule, struct serin_rule_key *ret)
{
	if (rule->prefix > ADDRESS_BITS || (rule->to != SERIN_ROLE_STABLE && rule->to != SERIN_ROLE_CANARY))
		return -EINVAL;
	*ret = (struct serin_rule_key){.prefix_bits = RELEASE_BITS + rule->prefix, .release = release};
	memcpy(ret->address, rule->from.address, sizeof(ret->address));
	for (unsigned bit = rule->prefix; bit < ADDRESS_BITS; bit++)
		ret->address[bit / 8] &= (uint8_t)~(0x80U >> bit % 8);
	return 0;
}

static int find_rule(const struct rule_set *set, const struct serin_rule_key *key)
{
	for (unsigned i = 0; i < set->n; i++)
		if (memcmp(&set->key[i], key, sizeof(*key)) == 0)
			return (int)i;
	return -1;
}

/* Of two rules for the same prefix the last one counts. */
static int plan_rules(uint32_t release, const struct serin_rule *rules, unsigned n, struct rule_set *ret)
{
	if (n > SERIN_RULES_MAX)
		return -ENOSPC;
	ret->n = 0;
	for (unsigned i = 0; i < n; i++) {
		struct serin_rule_key key;
		int at, r = to_key(release, &rules[i], &key);

		if (r < 0)
			return r;
		at = find_rule(ret, &key);
		if (at < 0)
			at = (int)ret->n++;
		ret->key[at] = key;
		ret->role[at] = rules[i].to;
	}
	return 0;
}

/* The release's rules in the kernel. Nobody else writes them. */
static int read_rules(const struct steer *steer, struct rule_set *ret)
{
	struct serin_rule_key key, *previous = NULL, next;

	ret->n = 0;
	while (bpf_map_get_next_key(steer->rules, previous, &next) == 0) {
		key = next;
		previous = &key;
		if (key.release != steer->service.release)
			continue;
		if (ret->n == SERIN_RULES_MAX)
			return -ENOSPC;
		if (bpf_map_lookup_elem(steer->rules, &key, &ret->role[ret->n]) < 0)
			return -errno;
		ret->key[ret->n++] = key;
	}
	return errno == ENOENT ? 0 : -errno;
}

/* Those that are as they should be are not touched: replacing one takes a place for a moment. */
static int add_rules(const struct steer *steer, const struct rule_set *there, const struct rule_set *wanted)
{
	for (unsigned i = 0; i < wanted->n; i++) {
		int at = find_rule(there, &wanted->key[i]);

		if ((at < 0 || there->role[at] != wanted->role[i]) &&
		    bpf_map_update_elem(steer->rules, &wanted->key[i], &wanted->role[i], BPF_ANY) < 0)
			return -errno;
	}
	return 0;
}

static int remove_rules(const struct steer *steer, const struct rule_set *there, const struct rule_set *wanted)
{
	for (unsigned i = 0; i < there->n; i++)
		if (find_rule(wanted, &there->key[i]) < 0 && bpf_map_delete_elem(steer->rules, &there->key[i]) < 0 &&
		    errno != ENOENT)
			return -errno;
	return 0;
}

/* Back to what was there, as far as the kernel lets: it has just refused more than that. */
static void restore_rules(const struct steer *steer, const struct rule_set *was, const struct rule_set *wanted)
{
	remove_rules(steer, wanted, was);
	add_rules(steer, wanted, was);
}

int steer_configure(struct steer *steer, bool sticky, const struct serin_rule *rules, unsigned n)
{
	_cleanup_free_ struct rule_set *was = malloc(sizeof(*was)), *wanted = malloc(sizeof(*wanted));
	struct serin_service service = steer->service;
	int r;

	if (!was || !wanted)
		return -ENOMEM;
	r = plan_rules(service.release, rules, n, wanted);
	if (r == 0)
		r = read_rules(steer, was);
	if (r < 0)
		return r;
	service.flags = (sticky ? SERIN_SERVICE_STICKY : 0) | (n ? SERIN_SERVICE_RULED : 0);
	r = add_rules(steer, was, wanted);
	if (r == 0)
		r = replace_service(steer, &service);
	if (r < 0) {
		restore_rules(steer, was, wanted);
		return r;
	}
	return remove_rules(steer, was, wanted);
}

/* ---- letting go ---- */

void steer_close(struct steer *steer)
{
	static const struct rule_set none;
	_cleanup_free_ struct rule_set *was = malloc(sizeof(*was));

	if (!steer)
		return;
	bpf_map_delete_elem(steer->services, &steer->port);
	for (uint32_t slot = 0; slot < SERIN_SLOTS; slot++) {
		uint32_t key = steer->service.release * SERIN_SLOTS + slot;

		bpf_map_delete_elem(steer->listeners, &key); /* another release may get this number */
	}
	if (was && read_rules(steer, was) == 0)
		remove_rules(steer, was, &none);
	free(steer);
}

void steer_leave(struct steer *steer)
{
	free(steer);
}

void steer_drop_others(struct loader *loader, const struct steer_hold *holds, unsigned n)
{
	int services = bpf_map__fd(loader_bpf(loader)->maps.serin_services);
	uint16_t ports[SERIN_RELEASES_MAX], *previous = NULL;
	struct serin_service found;
	unsigned n_ports = 0;

	while (n_ports < SERIN_RELEASES_MAX && bpf_map_get_next_key(services, previous, &ports[n_ports]) == 0)
		previous = &ports[n_ports++];
	for (unsigned i = 0; i < n_ports; i++) {
		bool held = false;

		if (bpf_map_lookup_elem(services, &ports[i], &found) < 0)
			continue;
		for (unsigned j = 0; j < n; j++)
			held |= holds[j].port == ports[i] && holds[j].release == found.release;
		if (!held)
			bpf_map_delete_elem(services, &ports[i]);
	}
}

/* ---- the canary's listeners ---- */

int steer_offer(struct steer *steer, int listener_fd)
{
	__u64 value = (__u64)listener_fd;

	for (uint32_t slot = 0; slot < SERIN_SLOTS; slot++) {
		uint32_t key = steer->service.release * SERIN_SLOTS + slot;

		if (bpf_map_update_elem(steer->listeners, &key, &value, BPF_NOEXIST) == 0)
			return 0;
		if (errno != EEXIST)
			return -errno;
	}
	return -ENOSPC;
}

void steer_renew(struct loader *loader, uint64_t lease_ns)
{
	__atomic_store_n(&loader_bpf(loader)->bss->serin_lease_until_ns, util_now() + lease_ns, __ATOMIC_RELAXED);
}

int steer_forget_counts(struct loader *loader, uint32_t index)
{
	int cpus = libbpf_num_possible_cpus();
	_cleanup_free_ uint64_t *zeros = cpus > 0 ? calloc((size_t)cpus, sizeof(*zeros)) : NULL;

	if (!zeros)
		return cpus < 0 ? cpus : -ENOMEM;
	for (uint32_t kind = 0; kind < SERIN_STEERED_KINDS; kind++) {
		uint32_t key = index * SERIN_STEERED_KINDS + kind;

		if (bpf_map_update_elem(loader_maps(loader)->steered, &key, zeros, BPF_ANY) < 0)
			return -errno;
	}
	return 0;
}
