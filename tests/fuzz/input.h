/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The form in which the HTTP/1 fuzzer gets a text and how it is cut into segments:
 *
 *	byte 0	bit 0: side, bit 1: by step, bits 2-4: cuts, bits 5-7: garbage in the slack
 *	byte 1	the responses that answer HEAD
 *	a byte	for each cut: how far it is from the one before
 *	the rest is the text
 */
#ifndef FUZZ_INPUT_H
#define FUZZ_INPUT_H

#include "../unit/http1_reference.h"

#define INPUT_HEAD 2
#define INPUT_CUTS_MAX 7

struct input {
	struct http1_text text;
	struct http1_feed feed;
	size_t cuts[INPUT_CUTS_MAX];
};

/* The text points into `data`, the feed into the input. False: no such input. */
bool input_parse(const uint8_t *data, size_t size, struct input *ret_input);

/* Puts a word of the grammar, which a fuzzer does not guess by itself, at a place; `seed` chooses both. 0: it does not
 * fit. Else the new size. */
size_t input_put_word(uint8_t *data, size_t size, size_t max, unsigned int seed);

#endif
