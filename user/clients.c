// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "clients.h"

_Static_assert((CLIENTS_PLACES & (CLIENTS_PLACES - 1)) == 0, "places are found with a mask");

static struct clients_place *place_at(struct clients *clients, uint64_t hash, unsigned step)
{
	return &clients->place[(hash + step) & (CLIENTS_PLACES - 1)];
}

/* The client's own place, else the first free one of its run, else that of the client who was quiet for longest. A place
 * never becomes free again, so nobody stands behind a free one. */
static struct clients_place *find_place(struct clients *clients, uint64_t hash)
{
	struct clients_place *oldest = place_at(clients, hash, 0);

	for (unsigned step = 0; step < CLIENTS_RUN; step++) {
		struct clients_place *place = place_at(clients, hash, step);

		if (!place->touched_ns || place->hash == hash)
			return place;
		if (place->touched_ns < oldest->touched_ns)
			oldest = place;
	}
	return oldest;
}

struct evidence_client *clients_get(struct clients *clients, uint64_t hash, uint64_t now_ns)
{
	struct clients_place *place = find_place(clients, hash);

	if (place->hash != hash || !place->touched_ns) {
		clients->forgotten += place->touched_ns != 0;
		*place = (struct clients_place){.hash = hash};
	}
	place->touched_ns = now_ns;
	return &place->client;
}

void clients_each(struct clients *clients, void (*each)(struct evidence_client *client, void *context), void *context)
{
	for (unsigned i = 0; i < CLIENTS_PLACES; i++)
		if (clients->place[i].touched_ns)
			each(&clients->place[i].client, context);
}
