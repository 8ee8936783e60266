/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The ways in which the model server can be made to misbehave, on the command line or while it runs.
 */
#ifndef TOOLS_MODEL_FAULTS_H
#define TOOLS_MODEL_FAULTS_H

#include <jansson.h>
#include <stdbool.h>

/*
 * Rates are shares of the requests, from 0 to 1, each drawn on its own in the order crash, stall, error, close. A
 * request is first delayed, then drawn for, then burns CPU, then is answered.
 */
struct faults {
	double error_rate;	/* answers 500 */
	double close_rate;	/* closes the connection in the middle of the response's body */
	double stall_rate;	/* never answers */
	double crash_rate;	/* abort() */
	double delay_ms;	/* waits before it answers */
	double delay_random_ms; /* waits longer by a time drawn uniformly from 0 to this */
	double chunk_delay_ms;	/* waits between the chunks of a stream */
	double burn_ms;		/* uses this much CPU time more */
	bool crash;		/* abort() at once */
	bool refuse;		/* closes the listener: new connections are refused */
	bool no_accept;		/* keeps the listener but accepts nothing: its queue fills */
};

#define FAULTS_WHY_MAX 128

/*
 * Changes the faults named in a JSON object, all or none. 0, or -EINVAL with the reason in `why`.
 */
int faults_update(struct faults *faults, json_t *object, char why[FAULTS_WHY_MAX]);

/* The same for one "KEY=VALUE". */
int faults_parse(struct faults *faults, const char *text, char why[FAULTS_WHY_MAX]);

/* All faults as they are set; the caller owns the object. */
json_t *faults_to_json(const struct faults *faults);

#endif
