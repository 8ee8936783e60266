/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What an agent is told to do, as plain data, and where it keeps its things. */
#ifndef SERIN_CONFIG_H
#define SERIN_CONFIG_H

#include "rollout.h"
#include "serin/model.h"

#define CONFIG_PATH_MAX 128	 /* of the agent's own things */
#define CONFIG_FILE_MAX SERIN_PATTERN_MAX /* of files that a person names */
#define CONFIG_RULES_MAX 128	 /* of one release */
#define CONFIG_WHY_MAX 512
#define CONFIG_WHERE_MAX 128
#define CONFIG_SIZE_MAX (1 << 20) /* bytes of a file */

/* Where an instance keeps its things. `--instance NAME` keeps them apart from those of another. */
struct serin_paths {
	char pins[CONFIG_PATH_MAX];   /* /sys/fs/bpf/serin[@NAME] */
	char run[CONFIG_PATH_MAX];    /* /run/serin[@NAME] */
	char socket[CONFIG_PATH_MAX]; /* RUN/api.sock */
	char lock[CONFIG_PATH_MAX];   /* RUN/lock: held by the agent, holds its pid */
	char store[CONFIG_PATH_MAX];  /* /var/lib/serin/serin[@NAME].db, unless the configuration names another */
};

/* One version of one model. */
struct serin_model {
	char name[SERIN_NAME_MAX]; /* empty, from the command line only: named after the process */
	char version[SERIN_NAME_MAX];
	struct serin_match match;
};

struct serin_rule {
	struct serin_endpoint from;  /* its address */
	unsigned prefix;	     /* bits of the 16 bytes: an IPv4 prefix counts from 96 */
	enum serin_role to;	     /* stable or canary */
};

struct serin_release_config {
	char name[SERIN_NAME_MAX]; /* also of the model whose versions these are; empty: as stable's model is called */
	struct serin_endpoint service;
	char stable[SERIN_NAME_MAX], canary[SERIN_NAME_MAX]; /* versions of that model */
	bool sticky;
	struct serin_rule rules[CONFIG_RULES_MAX];
	unsigned n_rules;
	struct serin_policy policy;
	uint32_t weight;	     /* at the start, by a person's hand; basis points; 0: none */
	double alpha;		     /* false rollbacks allowed, as a share of releases */
	double margin;		     /* success_margin, a share */
	double latency_margin;	     /* a factor, at least 1: the canary may take so many times as long ... */
	uint64_t latency_floor_ns;   /* ... or so much longer, whichever is more */
	bool baseline_history;	     /* T2 of D by what stable was recorded to do before the release, not by what it does */
	bool evidence;		     /* false: only gates and people roll back */
	uint64_t deadline_ns;	     /* without a byte until a request has timed out */
	uint64_t drain_ns;	     /* of connections that the canary is to lose */
	uint64_t max_age_ns;	     /* of service connections, ended in idle moments; 0: any */
};

/* The API on TCP. port 0: off. */
struct serin_api_config {
	struct serin_endpoint listen;
	char token_file[CONFIG_FILE_MAX];
	char certificate_file[CONFIG_FILE_MAX], key_file[CONFIG_FILE_MAX]; /* both or none: TLS */
	bool open_metrics; /* GET /metrics takes no token */
};

struct serin_config {
	struct serin_model models[SERIN_TARGETS_MAX];
	unsigned n_models;
	struct serin_release_config releases[SERIN_RELEASES_MAX];
	unsigned n_releases;
	struct serin_api_config api;
	char store[CONFIG_FILE_MAX]; /* empty: serin_paths.store; ":memory:" is one that ends with the agent */
	bool success[SERIN_OUTCOMES]; /* which of the classes that count (N) are successes (S) */
	bool maximum_is_limit;	     /* M of R: the limit, not the historical maximum */
	uint64_t window_ns, tick_ns;
	uint64_t lease_ns;	     /* without a tick for this long, new connections go to stable */
	uint64_t keep_ns;	     /* how long minute aggregates are kept */
	uint64_t deadline_ns;	     /* of requests to models that no release has; those of a release have its own */
};

/* The defaults: no model, no release. */
void config_init(struct serin_config *ret);

/* The defaults of one release: what the command line gives. A file has its own for min_requests, and begins by itself. */
void config_release_init(struct serin_release_config *ret);

/*
 * Reads a YAML file over the defaults, and checks it. Returns 0; -ENOENT, -EACCES and the like when it cannot be read;
 * -EINVAL for what is wrong in it; ret_why then is `FILE:LINE: what, why, what to do`.
 */
int config_read(const char *path, struct serin_config *ret, char ret_why[CONFIG_WHY_MAX]);

/* Checks what no single key or option can: the first complaint is written to ret_why, as "what, why, what to do".
 * Returns 0 or -EINVAL. */
int config_check(const struct serin_config *config, char *ret_why, size_t size);

/*
 * The same, for whoever can show a place: ret_where is the key it is about as a path, like `releases[0].service`; empty
 * when it is about none.
 */
int config_check_where(const struct serin_config *config, char *ret_why, size_t size, char ret_where[CONFIG_WHERE_MAX]);

/* The model version that a release means, NULL when there is none. */
const struct serin_model *config_model(const struct serin_config *config, const char *name, const char *version);

/* May it name a release or a version? 1 to 63 of A-Z a-z 0-9 and . _ : @ + - : what URLs, labels and terminals take. */
bool config_is_name(const char *text);

/* Makes a name of any text: what a name cannot have becomes '_'. */
void config_to_name(char *text);

/* Does it listen there, as far as that is known without looking? A port alone is all that tells the target. */
bool config_is_port_only(const struct serin_match *match);

/* instance: NULL or "" for the node's own. 0, or -EINVAL when the name is not 1 to 32 of A-Z a-z 0-9 - and _. */
int config_paths(const char *instance, struct serin_paths *ret);

#endif
