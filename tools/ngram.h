/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * A character n-gram language model with back-off. Text is printable ASCII, space and newline: ngram_normalise()
 * makes it so. A trained model never changes, so any number of threads may ask it.
 */
#ifndef TOOLS_NGRAM_H
#define TOOLS_NGRAM_H

#include <stddef.h>

#define NGRAM_CONTEXT 5 /* characters looked back at; the model's order is one more */

struct ngram;

/* Maps what the model has no symbol for to '?' (bytes above 127) or to a space (control characters). In place. */
void ngram_normalise(char *text, size_t length);

/* Learns from normalised text, which may be freed after. 0, -ENOMEM, or -EINVAL for less text than one n-gram. */
int ngram_train(const char *text, size_t length, struct ngram **ret);
void ngram_free(struct ngram *model);

/*
 * Draws the character after `context` (normalised, only its end is looked at). `temperature` 0 takes the most
 * frequent one; `uniform` is a random number in [0, 1).
 */
char ngram_next(const struct ngram *model, const char *context, size_t length, double temperature, double uniform);

/* Natural logarithm of the score of `next` after `context`; always finite, so that texts can be compared. */
double ngram_log_score(const struct ngram *model, const char *context, size_t length, char next);

#endif
