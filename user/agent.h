/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The agent: wiring and event loop. */
#ifndef SERIN_AGENT_H
#define SERIN_AGENT_H

#include "config.h"

struct agent;

#define AGENT_WHY_MAX 640

struct agent_options {
	struct serin_config config;
	struct serin_paths paths;
	bool ticks; /* a line a second */
	bool keep_on_exit;	 /* the data path stays as it is, for another agent until the lease ends */
	const char *config_file; /* to read again on SIGHUP; NULL: there is none */
	/* What the command line has over a file's: to be applied to whatever config_read() has read. NULL: nothing. */
	void (*override)(const void *given, struct serin_config *config);
	const void *given;
};

/*
 * Runs until SIGINT or SIGTERM, then takes everything back. Returns 0, or -errno with a sentence in ret_why (what, why,
 * what to do) when it could not start or go on; nothing is left behind then either.
 */
int agent_run(const struct agent_options *options, char ret_why[AGENT_WHY_MAX]);

#endif
