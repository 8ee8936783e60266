/* Links: tests/bpf/exchange.c tests/bpf/exchange_samples.c tests/bpf/host.c tests/unit/http1_reference.c tests/unit/http1_samples.c */
// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Requests and their responses, both ways of a connection: what the BPF program's code counts of them, compiled for user
 * space, must be what the plain parser says. tests/bpf runs the same in the kernel.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "../bpf/exchange.h"
#include "../bpf/host.h"

#define RANDOM_EXCHANGES 30000

static void print_text(const uint8_t *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (text[i] >= EXCHANGE_IN && text[i] <= EXCHANGE_CLOSE)
			print_error("\n  %s ", text[i] == EXCHANGE_IN ? ">" : text[i] == EXCHANGE_OUT ? "<" : "closed");
		else if (text[i] == '\r' || text[i] == '\n')
			print_error("\\%c", text[i] == '\r' ? 'r' : 'n');
		else
			print_error(text[i] < ' ' || text[i] > '~' ? "\\x%02x" : "%c", text[i]);
	}
	print_error("\n");
}

/* Reads it all; what is expected must hold after each segment. NULL: it did. */
static const char *run(const uint8_t *text, size_t len)
{
	static struct exchange exchange;
	static struct exchange_expected expected;

	assert_true(exchange_parse(text, len, &exchange));
	assert_true(exchange_expect(&exchange, &expected));
	host_reset();
	for (size_t i = 0; i < exchange.count; i++) {
		const struct exchange_segment *s = &exchange.segment[i];
		const char *difference;

		host_segment(s->mark == EXCHANGE_IN ? HOST_IN : HOST_OUT, s->bytes, s->len, s->mark == EXCHANGE_CLOSE,
			     1000 * (i + 1));
		difference = exchange_difference(&expected, i, host_conn(), host_tally());
		if (difference)
			return difference;
	}
	return NULL;
}

static void test_samples_are_counted_as_they_say(void **state)
{
	size_t wrong = 0;

	(void)state;
	for (size_t i = 0; i < exchange_samples_count; i++) {
		const struct exchange_sample *sample = &exchange_samples[i];
		const char *difference = run((const uint8_t *)sample->text, sample->len);
		char said[EXCHANGE_SAY_MAX];

		exchange_say(host_conn(), host_tally(), said);
		if (!difference && !strcmp(said, sample->counted))
			continue;
		print_error("%s: counted \"%s\", should be \"%s\"; other than the reference: %s", sample->name, said, sample->counted,
			    difference ? difference : "nothing");
		print_text((const uint8_t *)sample->text, sample->len);
		wrong++;
	}
	assert_int_equal(wrong, 0);
}

static void test_random_exchanges(void **state)
{
	(void)state;
	for (size_t i = 0; i < RANDOM_EXCHANGES; i++) {
		uint8_t text[EXCHANGE_TEXT_MAX];
		uint64_t outcome[SERIN_OUTCOMES];
		size_t len = exchange_random(text, outcome);
		const char *difference = run(text, len);

		if (difference || memcmp(outcome, host_tally()->outcome, sizeof(outcome))) {
			print_error("exchange %zu: %s", i, difference ? difference : "not what was put in");
			print_text(text, len);
			fail();
		}
		assert_int_equal(host_conn()->begun, host_conn()->counted);
	}
}

static void say_segment(enum host_direction direction, const char *text)
{
	static uint64_t now;

	host_segment(direction, (const uint8_t *)text, strlen(text), false, ++now * 1000);
}

/* A response that nobody asked for answers no HEAD, whatever was asked 64 requests ago. */
static void test_unasked_answer_after_many_heads(void **state)
{
	char said[EXCHANGE_SAY_MAX];

	(void)state;
	host_reset();
	for (size_t i = 0; i < 64; i++) {
		say_segment(HOST_IN, "HEAD / HTTP/1.1\r\n\r\n");
		say_segment(HOST_OUT, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
	}
	say_segment(HOST_OUT, "HTTP/1.1 408 Request Timeout\r\nContent-Length: 5\r\n\r\nhello");
	say_segment(HOST_IN, "GET / HTTP/1.1\r\n\r\n");
	say_segment(HOST_OUT, "HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nhello");
	exchange_say(host_conn(), host_tally(), said);
	assert_string_equal(said, "success=64 client_error=1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_samples_are_counted_as_they_say),
		cmocka_unit_test(test_random_exchanges),
		cmocka_unit_test(test_unasked_answer_after_many_heads),
	};

	return cmocka_run_group_tests_name("exchange", tests, NULL, NULL);
}
