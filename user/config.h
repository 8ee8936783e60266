/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What an agent is told to do, as plain data, and where it keeps its things. */
#ifndef SERIN_CONFIG_H
#define SERIN_CONFIG_H

#include "serin/model.h"

#define CONFIG_PATH_MAX 128

/* Where an instance keeps its things. `--instance NAME` keeps them apart from those of another. */
struct serin_paths {
	char pins[CONFIG_PATH_MAX];   /* /sys/fs/bpf/serin[@NAME] */
	char run[CONFIG_PATH_MAX];    /* /run/serin[@NAME] */
	char socket[CONFIG_PATH_MAX]; /* RUN/api.sock */
	char lock[CONFIG_PATH_MAX];   /* RUN/lock: held by the agent, holds its pid */
};

struct serin_config {
	char release[SERIN_NAME_MAX]; /* also the model's name; empty: named after stable's process */
	struct serin_endpoint stable, canary; /* port 0: none */
	struct serin_endpoint service;	      /* what clients dial; stable's own endpoint by default */
	char stable_version[SERIN_NAME_MAX], canary_version[SERIN_NAME_MAX];
	uint32_t weight; /* at the start, basis points */
	struct serin_gates gates;
	uint64_t window_ns, tick_ns;
	uint64_t lease_ns;    /* without a tick for this long, new connections go to stable */
	uint64_t deadline_ns; /* of a request */
};

/* The defaults. */
void config_init(struct serin_config *ret);

/* Checks what no single option can: the first complaint is written to ret_why, as "what, why, what to do". Returns 0
 * or -EINVAL. */
int config_check(const struct serin_config *config, char *ret_why, size_t size);

/* May it name a release or a version? 1 to 63 of A-Z a-z 0-9 and . _ : @ + - : what URLs, labels and terminals take. */
bool config_is_name(const char *text);

/* Makes a name of any text: what a name cannot have becomes '_'. */
void config_to_name(char *text);

/* instance: NULL or "" for the node's own. 0, or -EINVAL when the name is not 1 to 32 of A-Z a-z 0-9 - and _. */
int config_paths(const char *instance, struct serin_paths *ret);

#endif
