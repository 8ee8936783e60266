/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * A slot is a place for one connection of the load client, with the request in flight on it. It is always in exactly
 * one of three queues:
 *
 *   free     may take a request: closed, or open and idle. Taken in turn, so that all connections are used.
 *   busy     has a request in flight. In the order of their deadlines, as all have the same time.
 *   resting  could not connect and tries again a little later, where no rate keeps it from spinning.
 */
#ifndef TOOLS_LOAD_SLOT_H
#define TOOLS_LOAD_SLOT_H

#include "http_response.h"
#include "load_run.h"

#include <sys/queue.h>

#define LOAD_BUFFER_SIZE (64u << 10)

enum slot_state { SLOT_CLOSED, SLOT_IDLE, SLOT_CONNECTING, SLOT_TALKING };

struct slot {
	TAILQ_ENTRY(slot) link;
	struct slot_queue *queue; /* the one it is in */
	enum slot_state state;
	int fd;
	uint64_t deadline; /* when it is busy or resting */
	uint64_t served;   /* responses on this connection */
	uint64_t missing;  /* requests that this connection closes before the plan's number */

	struct request request;
	size_t sent;
	bool retry;    /* the request is on its second connection */
	bool answered; /* a byte has come back for it */
	uint64_t connecting, start, first_byte, first_chunk;
	struct http_response response;
};

TAILQ_HEAD(slot_queue, slot);

struct run {
	const struct load_plan *plan;
	struct load_tally *tally;
	struct slot *slots;
	struct slot_queue free, busy, resting;
	int epoll, signals;
	uint64_t random, next_source;
	uint64_t begin, end; /* no request is begun from `end` on */
	uint64_t last_progress, last_answered;
	bool stopping;
	int connect_error;
	char *buffer;
};

/* Closed, and free. */
void slot_init(struct run *run, struct slot *slot);

/* Closes its connection; the queue it is in does not change. */
void slot_close(struct slot *slot);

void slot_move(struct slot *slot, struct slot_queue *queue);

/* Sends the slot's request, over its connection if it has one, else over a new one. It is then busy, or has failed. */
void slot_begin(struct run *run, struct slot *slot, uint64_t now);

/* What epoll reports of its connection. */
void slot_take_event(struct run *run, struct slot *slot, uint32_t events);

/* Gives up the request of a busy slot. */
void slot_give_up(struct run *run, struct slot *slot);

#endif
