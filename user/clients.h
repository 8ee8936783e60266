/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The open blocks of a release's clients (evidence.h), found by the hash of their address. So many at a time; the one
 * that was quiet for longest makes room. Pure: memory is the caller's, all zero in the beginning.
 */
#ifndef SERIN_CLIENTS_H
#define SERIN_CLIENTS_H

#include "evidence.h"

#define CLIENTS_PLACES 32768 /* half of them filled, hardly anybody has to go before his time */
#define CLIENTS_RUN 64	     /* places in which a client may be */

struct clients_place {
	uint64_t hash;
	uint64_t touched_ns; /* 0: free */
	struct evidence_client client;
};

struct clients {
	struct clients_place place[CLIENTS_PLACES];
	uint64_t forgotten; /* clients that had to make room, since the beginning */
};

/*
 * The block of a client; an empty one for a client that nobody has heard of or that was forgotten. now_ns is above 0 and
 * never less than before. The pointer is good until the next call. `hash` must be spread evenly over all 64 bits.
 */
struct evidence_client *clients_get(struct clients *clients, uint64_t hash, uint64_t now_ns);

/* Every client that is remembered, in no order. */
void clients_each(struct clients *clients, void (*each)(struct evidence_client *client, void *context), void *context);

#endif
