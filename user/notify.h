/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What the agent tells the one that started it, by the protocol of sd_notify(3): datagrams of KEY=VALUE lines to the socket
 * that NOTIFY_SOCKET names. Nothing waits for a reader: what does not get through now is for the caller to try again.
 */
#ifndef SERIN_NOTIFY_H
#define SERIN_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#define NOTIFY_STATUS_MAX 512

struct notify {
	int fd; /* -1: nobody wants to know */
	struct sockaddr_un address;
	socklen_t length;
	uint64_t watchdog_ns; /* how long it may be silent; 0: for ever */
	uint64_t fed_ns;      /* when it was last heard of */
	bool ready;	      /* it has been told so */
	char status[NOTIFY_STATUS_MAX];
};

/*
 * Reads NOTIFY_SOCKET (a path, or @ and an abstract name), WATCHDOG_USEC and WATCHDOG_PID. 0, also when nobody wants to know;
 * -EINVAL: no such address can be; -EAFNOSUPPORT: an address of another kind; -errno. It can be used in any case.
 */
int notify_open(struct notify *ret);

void notify_close(struct notify *notify);

/* It does its work: once, and once more after notify_reloading(). 0, also when that is known already, or -errno. */
int notify_ready(struct notify *notify);

/* It reads its configuration; notify_ready() ends that. */
int notify_reloading(struct notify *notify, uint64_t now_ns);

/* It is about to end. */
int notify_stopping(struct notify *notify);

/* What it does, or why it cannot, in words; told when they have changed. Line ends become spaces. */
int notify_status(struct notify *notify, const char *words);

/* It will be heard of so often only; a watchdog that is less patient is told to be. */
int notify_interval(struct notify *notify, uint64_t interval_ns);

/* It is alive. Told when a quarter of the watchdog's patience is over, as the next call may come half of it later, so call it often. */
int notify_alive(struct notify *notify, uint64_t now_ns);

#endif
