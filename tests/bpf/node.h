/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The product's programs, loaded, attached and pinned as an agent does it, in a network namespace of their own, with two
 * servers in this very process: stable on port 8000, which is the service's too, and its canary on port 8001. Both listen
 * on every address of both families.
 */
#ifndef TESTS_NODE_H
#define TESTS_NODE_H

#include <stdbool.h>
#include <stdint.h>

#include "loader.h"
#include "steer.h"
#include "targets.h"

#define NODE_STABLE 0 /* targets, and versions */
#define NODE_CANARY 1
#define NODE_SERVICE 8000
#define NODE_CANARY_PORT 8001
#define NODE_EXIT_SKIP 77

struct node {
	struct loader *loader;
	struct targets targets;
	int listener[2];
};

extern struct node node;

/* 0; or what main() is to return, with why on stdout: it cannot run here, or the kernel refuses. */
int node_start(void);
void node_stop(void);

/* A connection as both ends have it. */
struct node_connection {
	int client, server;
	int by; /* NODE_STABLE or NODE_CANARY: whose listener took it */
};

/* From that address, of either family, to a port of this node. Fails the test when nobody takes it. */
struct node_connection node_connect(const char *from, uint16_t port);

/* Ends it as a client does that is in a hurry. Nothing of it stays in the namespace. */
void node_disconnect(struct node_connection *connection);

/* Connects, disconnects, and answers who took it. */
int node_asks(const char *from, uint16_t port);

/* What a connection's state in the kernel is, by its server's end. */
struct serin_conn node_conn(const struct node_connection *connection);

/* The endpoint of the service: any address. */
struct serin_endpoint node_service(void);

#endif
