/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The product's reading of a connection, bpf/protocol.bpf.h and what it includes, compiled for user space: the same
 * source, another compiler, no verifier, and the sanitizers. It reads one connection at a time.
 */
#ifndef TESTS_HOST_H
#define TESTS_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "serin/abi.h"

#define HOST_AT 40 /* where in a packet its payload begins: behind the IP and the TCP header */

enum host_direction { HOST_IN, HOST_OUT };

/* The target that all connections are of, and their client: it is counted by client too. */
#define HOST_RELEASE 3
#define HOST_CLIENT 0
extern const struct serin_target_info host_target;

/* A new connection, to the service, with nothing counted. */
void host_reset(void);

/* The next bytes of one direction, and the server's FIN behind them. */
void host_segment(enum host_direction direction, const uint8_t *bytes, size_t len, bool fin, uint64_t now);

const struct serin_conn *host_conn(void);
const struct serin_tally *host_tally(void);
const struct serin_client *host_client(void);

/* The values of serin_losses and serin_hists, since the process began. */
const void *host_losses(void);
const void *host_times(void);

#endif
