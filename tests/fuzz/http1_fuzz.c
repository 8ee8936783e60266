// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * HTTP/1 framing against the reference and against llhttp, with the segments chosen by the input (input.h).
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "../unit/http1_llhttp.h"
#include "input.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void print_reading(const char *who, const struct http1_reading *reading)
{
	fprintf(stderr, "%s: %zu messages%s%s\n", who, reading->count, reading->fault ? ", " : "",
		reading->fault ? reading->fault : "");
	for (size_t i = 0; i < reading->count; i++) {
		const struct http1_message *m = &reading->message[i];

		fprintf(stderr, "  begin %zu header %zu end %zu body %zu length %llu status %u flags %u fate %d\n",
			m->begin, m->header_end, m->end, m->body, (unsigned long long)m->length, m->status, m->flags,
			m->fate);
	}
}

static void expect_none(const char *difference, const struct http1_reading *machine, const struct http1_reading *other)
{
	if (!difference)
		return;
	fprintf(stderr, "http1: %s\n", difference);
	print_reading("machine", machine);
	print_reading("other", other);
	abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct http1_reading whole, other;
	struct input input;

	if (!input_parse(data, size, &input))
		return 0;
	http1_machine_read(&input.text, &(struct http1_feed){0}, &whole, NULL);
	http1_machine_read(&input.text, &input.feed, &other, NULL);
	expect_none(http1_reading_equal(&whole, &other) ? NULL : "whole and in parts differ", &whole, &other);
	http1_reference_read(&input.text, &other);
	expect_none(http1_reading_difference(&whole, &other), &whole, &other);
	for (int strict = 0; strict < 2; strict++) {
		http1_llhttp_read(&input.text, strict, &other);
		expect_none(http1_llhttp_difference(&input.text, &whole, &other, strict, NULL), &whole, &other);
	}
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
	size_t longer = seed & 1 ? 0 : input_put_word(data, size, max, seed / 2);

	return longer ? longer : LLVMFuzzerMutate(data, size, max);
}
