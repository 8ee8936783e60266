/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What keys mean to `serin top`: a pure state machine, from keys to what is to be done. */
#ifndef SERIN_TOP_INPUT_H
#define SERIN_TOP_INPUT_H

#include <stdbool.h>

enum top_act {
	TOP_NOTHING,
	TOP_QUIT,
	TOP_PAUSE, /* orders, of the release that is chosen */
	TOP_RESUME,
	TOP_PROMOTE,
	TOP_ABORT,
	TOP_RETRY,
	TOP_WEIGHT,
	TOP_UP,
	TOP_DOWN,
	TOP_SHOW,  /* the chosen release alone, or all of them again */
	TOP_SPAN,  /* another stretch of time */
	TOP_LEFT,  /* a question was answered with no */
	TOP_WRONG, /* what was typed is no weight */
	TOP_ACTS
};

enum top_mode { TOP_WATCHING, TOP_ASKING, TOP_TYPING, TOP_HELPING };

#define TOP_TYPED_MAX 8

struct top_input {
	enum top_mode mode;
	enum top_act asked;	   /* while it asks: yes does it */
	char typed[TOP_TYPED_MAX]; /* while it is typed, and after TOP_WEIGHT and TOP_WRONG */
};

/* A key that terminal_wait() gave. What is to be done now; *ret_weight is a percentage with TOP_WEIGHT. */
enum top_act top_input_key(struct top_input *input, int key, double *ret_weight);

/* Keys and what they do, in the order in which they are told; NULL key at the end. */
struct top_help {
	const char *key, *brief, *about; /* brief NULL: only told in the help */
};
extern const struct top_help top_help[];

#endif
