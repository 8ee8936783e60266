// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * HTTP/1 framing against the reference, with the segments chosen by the input:
 *
 *	byte 0	bit 0: side, bit 1: by step, bits 2-4: cuts, bits 5-7: garbage in the slack
 *	byte 1	the responses that answer HEAD
 *	a byte	for each cut: how far it is from the one before
 *	the rest is the text
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/http1_reference.h"

#define CUTS_MAX 7
#define HEAD_BYTES 2
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	struct http1_text text;
	struct http1_feed feed;
	size_t cuts[CUTS_MAX];
};

static bool parse(const uint8_t *data, size_t size, struct input *ret_input)
{
	size_t count, at = 0;

	if (size < HEAD_BYTES)
		return false;
	count = data[0] >> 2 & 7;
	if (size < HEAD_BYTES + count || size - HEAD_BYTES - count > HTTP1_TEXT_MAX)
		return false;
	ret_input->text = (struct http1_text){data + HEAD_BYTES + count, size - HEAD_BYTES - count,
					      data[0] & 1 ? HTTP1_RESPONSE : HTTP1_REQUEST, data[1]};
	for (size_t i = 0; i < count; i++) {
		at += data[HEAD_BYTES + i];
		ret_input->cuts[i] = at < ret_input->text.len ? at : ret_input->text.len;
	}
	ret_input->feed = (struct http1_feed){ret_input->cuts, count, (data[0] >> 5) % HTTP1_GARBAGES, data[0] & 2};
	return true;
}

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

static void differ(const char *what, const struct http1_reading *machine, const struct http1_reading *other)
{
	fprintf(stderr, "http1: %s\n", what);
	print_reading("machine", machine);
	print_reading("other", other);
	abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct http1_reading whole, parts, reference;
	const char *difference;
	struct input input;

	if (!parse(data, size, &input))
		return 0;
	http1_machine_read(&input.text, &(struct http1_feed){0}, &whole, NULL);
	http1_machine_read(&input.text, &input.feed, &parts, NULL);
	if (!http1_reading_equal(&whole, &parts))
		differ("whole and in parts differ", &whole, &parts);
	http1_reference_read(&input.text, &reference);
	difference = http1_reading_difference(&whole, &reference);
	if (difference)
		differ(difference, &whole, &reference);
	return 0;
}

/* Every other time a word of the grammar goes in somewhere; libFuzzer does not guess these by itself. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
	static const char *const words[] = {
		"GET / HTTP/1.1\r\n", "POST / HTTP/1.1\r\n", "HEAD / HTTP/1.1\r\n", "CONNECT a HTTP/1.1\r\n", "PRI ",
		"HTTP/1.1 200 OK\r\n", "HTTP/1.1 100 C\r\n", "HTTP/1.1 101 S\r\n", "HTTP/1.0 204 N\r\n", "HTTP/1.1 304 N\r\n",
		"Content-Length: 3\r\n", "Content-Length: 0\r\n", "Content-Length:", "Content-Type: text/event-stream",
		"Content-Type:", "Transfer-Encoding: chunked\r\n", "Transfer-Encoding:", "chunked", "gzip", ",", ";", " ", "\t", ":",
		"\r", "\n", "\r\n", "\r\n\r\n", "0\r\n\r\n", "3\r\nabc\r\n", "A: b\r\n", "\r\n ", "fffffffffffffff", "18446744073709551615",
	};
	const char *word = words[seed / 2 % COUNT(words)];
	size_t len = strlen(word), at = seed / 128 % (size + 1);

	if (seed & 1 || size + len > max)
		return LLVMFuzzerMutate(data, size, max);
	memmove(data + at + len, data + at, size - at);
	memcpy(data + at, word, len);
	return size + len;
}
