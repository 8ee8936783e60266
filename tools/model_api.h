/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What the model server computes: JSON in, JSON out, in the shapes of the OpenAI API. Knows nothing of HTTP.
 *
 * A *piece* is what the model generates at a time, as others generate tokens: a word with the space after it, or
 * PIECE_MAX characters of a longer one. `max_tokens` counts pieces.
 */
#ifndef TOOLS_MODEL_API_H
#define TOOLS_MODEL_API_H

#include "corpus.h"

#include <jansson.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define PIECE_MAX 12
#define MAX_TOKENS_MAX 4096
#define CLASSIFY_MAX 4096 /* characters looked at, as a classifier has a window */

struct model {
	const char *name, *version;
	struct corpus corpus;
	sem_t slots; /* how many requests may be computed at the same time */
	time_t created;
	_Atomic uint64_t random; /* state of SplitMix64, shared by all threads */
};

/* The two APIs that generate text differ in words only. */
struct dialect {
	const char *id_prefix, *object, *chunk_object;
	bool chat;
};

extern const struct dialect dialect_completions, dialect_chat;

struct completion {
	const struct dialect *dialect;
	uint64_t id;
	time_t created;
	double temperature;
	uint64_t random;
	size_t n_prompt, n_pieces, n_wanted;
	bool stream;
	char context[NGRAM_CONTEXT]; /* the end of the text so far */
	size_t n_context;
};

/* A random number as a double in [0, 1), for what need not be reproducible. */
double model_uniform(struct model *model);

/* Uses ms milliseconds of this thread's CPU time on the model. */
void model_burn(struct model *model, double ms);

/* {"error": {...}} as clients of this API expect it; the caller owns it. */
json_t *api_error(unsigned status, const char *message);

/* Reads a request to generate text. NULL, or what is wrong with it (*ret_status says of what kind). */
const char *completion_read(struct completion *completion, struct model *model, const struct dialect *dialect,
			    json_t *request, unsigned *ret_status);

/* Generates everything: the whole response. */
json_t *completion_finish(struct completion *completion, struct model *model);

/* Generates one piece: the next chunk of the stream; NULL when there is none left. */
json_t *completion_next(struct completion *completion, struct model *model);

/* Which file of the corpus the text is like. NULL, or what is wrong with the request. */
const char *api_classify(struct model *model, json_t *request, json_t **ret_answer, unsigned *ret_status);

json_t *api_models(const struct model *model);

#endif
