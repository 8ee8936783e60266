// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "load_slot.h"

#include "util.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define REST_NSEC (10 * NSEC_PER_MSEC)

/* Queues */

void slot_move(struct slot *slot, struct slot_queue *queue)
{
	if (slot->queue)
		TAILQ_REMOVE(slot->queue, slot, link);
	TAILQ_INSERT_TAIL(queue, slot, link);
	slot->queue = queue;
}

/* Busy, with all the time of the plan before it. */
static void move_to_busy(struct run *run, struct slot *slot, uint64_t now)
{
	slot->deadline = now + (uint64_t)(run->plan->timeout * 1e9);
	slot_move(slot, &run->busy);
}

void slot_close(struct slot *slot)
{
	if (slot->fd >= 0)
		close(TAKE_FD(slot->fd));
	slot->state = SLOT_CLOSED;
	slot->served = slot->missing = 0;
}

/* The end of a request. The slot is left idle when its connection can be used again. */

static void count_times(struct run *run, const struct slot *slot, bool complete, uint64_t now)
{
	bool stream = response_is_stream(&slot->response);

	if (slot->first_byte)
		load_observe(run->tally, LOAD_FIRST_BYTE, slot->first_byte - slot->start);
	if (slot->first_chunk)
		load_observe(run->tally, LOAD_FIRST_CHUNK, slot->first_chunk - slot->start);
	if (slot->first_chunk && stream)
		load_observe(run->tally, LOAD_STREAM_FIRST_CHUNK, slot->first_chunk - slot->start);
	if (complete)
		load_observe(run->tally, stream ? LOAD_STREAM_DURATION : LOAD_DURATION, now - slot->start);
}

/* A request that failed, with its connection. */
static void fail_request(struct run *run, struct slot *slot, enum load_outcome outcome)
{
	run->tally->outcomes[outcome]++;
	if (slot->state == SLOT_TALKING)
		count_times(run, slot, false, 0);
	slot_close(slot);
	slot_move(slot, outcome == LOAD_CONNECT_ERROR && run->plan->rate == 0.0 ? &run->resting : &run->free);
	slot->deadline = util_now() + REST_NSEC;
}

/* A complete response; `reusable`: nothing came after it. */
static void finish_request(struct run *run, struct slot *slot, bool reusable, uint64_t now)
{
	const struct http_response *response = &slot->response;

	run->tally->outcomes[load_outcome_of_status(response->status)]++;
	run->tally->statuses[response->status]++;
	run->tally->streams += response_is_stream(response);
	count_times(run, slot, true, now);

	slot->served++;
	slot->state = SLOT_IDLE;
	if (!reusable || !response->keep_alive || slot->sent < slot->request.length ||
	    slot->served + slot->missing == run->plan->per_connection)
		slot_close(slot);
	slot_move(slot, &run->free);
}

static void fail_connect(struct run *run, struct slot *slot, int error)
{
	run->connect_error = error;
	fail_request(run, slot, LOAD_CONNECT_ERROR);
}

/* Connecting */

static int open_socket(struct run *run)
{
	const struct load_plan *plan = run->plan;
	_cleanup_close_ int fd = -1;
	const union address *source;
	int one = 1;

	fd = socket(plan->server.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (plan->n_sources > 0) {
		source = &plan->sources[run->next_source++ % plan->n_sources];
		/* The port is chosen when connecting, so that a source has 28000 of them per server. */
		setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
		if (bind(fd, &source->any, address_length(source)) < 0)
			return -errno;
	}
	if (connect(fd, &plan->server.any, address_length(&plan->server)) < 0 && errno != EINPROGRESS)
		return -errno;
	return TAKE_FD(fd);
}

/* Edge-triggered and for everything, so that a connection costs one epoll_ctl() in its life. */
static void begin_connect(struct run *run, struct slot *slot, uint64_t now)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = slot};
	int fd;

	slot->state = SLOT_CONNECTING;
	slot->connecting = now;
	fd = open_socket(run);
	if (fd < 0) {
		fail_connect(run, slot, -fd);
		return;
	}
	slot->fd = fd;
	if (epoll_ctl(run->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		fail_connect(run, slot, errno);
}

/* Sending */

/* False when the connection is broken for sending: what can still be received will tell the rest. */
static bool send_rest(struct run *run, struct slot *slot)
{
	const struct request *request = &slot->request;
	ssize_t sent;

	while (slot->sent < request->length) {
		sent = send(slot->fd, request->bytes + slot->sent, request->length - slot->sent, MSG_NOSIGNAL);
		if (sent < 0)
			return errno == EAGAIN || errno == EINTR;
		slot->sent += (size_t)sent;
		run->tally->bytes_out += (uint64_t)sent;
	}
	return true;
}

static void receive(struct run *run, struct slot *slot, uint32_t events);

static void begin_send(struct run *run, struct slot *slot, uint64_t now)
{
	slot->state = SLOT_TALKING;
	slot->sent = 0;
	slot->answered = false;
	slot->start = now;
	slot->first_byte = slot->first_chunk = 0;
	response_begin(&slot->response, run->plan->maker.to_head);
	move_to_busy(run, slot, now);
	if (!send_rest(run, slot))
		receive(run, slot, EPOLLHUP);
}

static void end_connect(struct run *run, struct slot *slot)
{
	socklen_t length = sizeof(int);
	uint64_t now = util_now();
	int error = 0;

	if (getsockopt(slot->fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
		error = errno;
	if (error) {
		fail_connect(run, slot, error);
		return;
	}
	run->tally->opened++;
	load_observe(run->tally, LOAD_CONNECT, now - slot->connecting);
	begin_send(run, slot, now);
}

/* Receiving */

static void take_response(struct run *run, struct slot *slot, const char *data, size_t length)
{
	struct http_response *response = &slot->response;
	uint64_t now = util_now();
	size_t used;

	slot->answered = true;
	used = response_feed(response, data, length);
	if (!response->begun)
		slot->first_byte = 0; /* what had begun was an interim response */
	else if (!slot->first_byte)
		slot->first_byte = now;
	if (!slot->first_chunk && response->body_bytes > 0)
		slot->first_chunk = now;

	if (response->state == RESPONSE_COMPLETE)
		finish_request(run, slot, used == length, now);
	else if (response->state == RESPONSE_MALFORMED)
		fail_request(run, slot, LOAD_UNKNOWN);
}

/*
 * The server has closed. Between requests that is its right. If it did while a request was on its way, over a
 * connection used before, and nothing has come back, the request goes out once more (RFC 9112, section 9.3.1).
 */
static void take_close(struct run *run, struct slot *slot, bool reset)
{
	if (slot->state == SLOT_IDLE) {
		run->tally->closed_idle++;
		slot_close(slot);
		return;
	}
	if (!reset)
		response_end_of_file(&slot->response);
	if (slot->response.state == RESPONSE_COMPLETE) {
		finish_request(run, slot, false, util_now());
	} else if (!slot->answered && !slot->retry && slot->served > 0) {
		run->tally->retried++;
		slot->retry = true;
		slot_close(slot);
		move_to_busy(run, slot, util_now());
		begin_connect(run, slot, util_now());
	} else {
		fail_request(run, slot, LOAD_SERVER_ABORT);
	}
}

/*
 * Reads what has come. A short read is the end of it, which saves a call, unless the event says that the connection
 * is closing too: the edge has then been reported already.
 */
static void receive(struct run *run, struct slot *slot, uint32_t events)
{
	bool closing = events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR);
	int fd = slot->fd;
	ssize_t got;

	do {
		got = recv(fd, run->buffer, LOAD_BUFFER_SIZE, 0);
		if (got > 0) {
			run->tally->bytes_in += (uint64_t)got;
			if (slot->state == SLOT_TALKING)
				take_response(run, slot, run->buffer, (size_t)got);
			else
				slot_close(slot); /* an answer to nothing */
		} else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
			take_close(run, slot, got < 0);
			return;
		}
	} while (slot->fd == fd && (got == LOAD_BUFFER_SIZE || (closing && got > 0) || (got < 0 && errno == EINTR)));
}

void slot_take_event(struct run *run, struct slot *slot, uint32_t events)
{
	if (slot->state == SLOT_CONNECTING) {
		end_connect(run, slot);
		return;
	}
	if (slot->state == SLOT_TALKING && (events & EPOLLOUT) && !send_rest(run, slot))
		events |= EPOLLHUP;
	if (slot->state != SLOT_CLOSED && (events & ~(uint32_t)EPOLLOUT))
		receive(run, slot, events);
}

void slot_begin(struct run *run, struct slot *slot, uint64_t now)
{
	slot->retry = false;
	move_to_busy(run, slot, now);
	if (slot->state == SLOT_IDLE)
		begin_send(run, slot, now);
	else
		begin_connect(run, slot, now);
}

void slot_give_up(struct run *run, struct slot *slot)
{
	if (slot->state == SLOT_CONNECTING)
		fail_connect(run, slot, ETIMEDOUT);
	else
		fail_request(run, slot, LOAD_CLIENT_ABORT);
}

void slot_init(struct run *run, struct slot *slot)
{
	slot->fd = -1;
	if (run->plan->stagger && run->plan->per_connection)
		slot->missing = (uint64_t)(slot - run->slots) % run->plan->per_connection;
	slot_move(slot, &run->free);
}
