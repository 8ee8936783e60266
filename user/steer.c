// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "steer.h"

#include "serin.skel.h"
#include "util.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>

struct steer {
	int services, listeners; /* maps, borrowed from the loader */
	uint16_t port;
	struct serin_service service; /* as it is in the kernel */
};

int steer_open(struct loader *loader, uint32_t index, const struct serin_endpoint *service, struct steer **ret)
{
	struct serin_bpf *bpf = loader_bpf(loader);
	struct steer *steer = calloc(1, sizeof(*steer));
	int r = 0;

	if (!steer)
		return -ENOMEM;
	steer->services = bpf_map__fd(bpf->maps.serin_services);
	steer->listeners = bpf_map__fd(bpf->maps.serin_listeners);
	steer->port = service->port;
	steer->service.release = index;
	memcpy(steer->service.address, service->address, sizeof(service->address));
	if (getrandom(&steer->service.salt, sizeof(steer->service.salt), 0) < 0 ||
	    bpf_map_update_elem(steer->services, &steer->port, &steer->service, BPF_NOEXIST) < 0)
		r = errno == EEXIST ? -EBUSY : -errno;
	if (r < 0) {
		free(steer);
		return r;
	}
	*ret = steer;
	return 0;
}

void steer_close(struct steer *steer)
{
	if (!steer)
		return;
	bpf_map_delete_elem(steer->services, &steer->port);
	free(steer);
}

int steer_weight(struct steer *steer, uint32_t weight)
{
	struct serin_service service = steer->service;

	service.weight = weight;
	/* The kernel replaces the element as a whole: no connection sees half of it. */
	if (bpf_map_update_elem(steer->services, &steer->port, &service, BPF_EXIST) < 0)
		return -errno;
	steer->service = service;
	return 0;
}

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
