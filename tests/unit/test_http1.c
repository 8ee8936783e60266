/* Links: tests/unit/http1_reference.c tests/unit/http1_samples.c tests/unit/http1_llhttp.c -lllhttp */
// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * HTTP/1 framing: what is found in each sample must not depend on how its bytes arrive, on what lies behind them, or
 * on where they stop, and must be what the reference finds, and llhttp, as far as it goes.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

#include "http1_llhttp.h"
#include "http1_samples.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define SAY_MAX 1024

/* ---- marks ---- */

static void put_marks(struct buffer *b, const struct http1_message *m, size_t at)
{
	static const char ends[HTTP1_FATES] = {
		[HTTP1_FATE_INTERIM] = '^', [HTTP1_FATE_ENDED] = '>', [HTTP1_FATE_SWITCHED] = '@',
		[HTTP1_FATE_CLOSED] = '$',  [HTTP1_FATE_CUT] = '?',   [HTTP1_FATE_OPAQUE] = '!',
	};
	bool is_final = m->fate != HTTP1_FATE_INTERIM && m->fate != HTTP1_FATE_SWITCHED;

	if (at == m->begin)
		buffer_put(b, '<');
	if (at && at == m->header_end && is_final)
		buffer_put(b, '|');
	if (at == m->end)
		buffer_put(b, ends[m->fate]);
}

/* The text with the marks of a reading. */
static void mark(const struct http1_text *text, const struct http1_reading *reading, struct buffer *ret_marked)
{
	ret_marked->len = 0;
	for (size_t at = 0; at <= text->len; at++) {
		for (size_t i = 0; i < reading->count; i++)
			put_marks(ret_marked, &reading->message[i], at);
		if (at < text->len)
			buffer_put(ret_marked, text->bytes[at]);
	}
}

static const char *flag_words(const struct http1_message *m)
{
	static char words[80];
	char length[40] = "";
	bool chunked = m->flags & HTTP1_F_CHUNKED;

	if (m->flags & HTTP1_F_LENGTH)
		snprintf(length, sizeof(length), "length=%llu ", (unsigned long long)m->length);
	snprintf(words, sizeof(words), "%s%s%s%s%s%s", length, chunked ? "chunked " : "",
		 m->flags & HTTP1_F_CODED && !chunked ? "coded " : "", m->flags & HTTP1_F_EVENTS ? "events " : "",
		 m->flags & HTTP1_F_HEAD ? "head " : "", m->flags & HTTP1_F_CONNECT ? "connect " : "");
	return words;
}

static void say(const struct http1_reading *reading, char *ret_said, size_t size)
{
	size_t len = 0;

	ret_said[0] = 0;
	for (size_t i = 0; i < reading->count; i++) {
		const struct http1_message *m = &reading->message[i];
		char status[16] = "";

		if (!m->header_end)
			continue;
		if (m->status)
			snprintf(status, sizeof(status), "%u ", m->status);
		len += snprintf(ret_said + len, size - len, "%s%s%sbody=%zu", len ? "; " : "", status, flag_words(m),
				m->body);
		assert_true(len < size);
	}
}

/* ---- what a failure shows ---- */

static void print_bytes(const char *what, const char *bytes, size_t len)
{
	print_error("%s \"", what);
	for (size_t i = 0; i < len; i++) {
		uint8_t c = bytes[i];

		if (c == '\r' || c == '\n')
			print_error("\\%c", c == '\r' ? 'r' : 'n');
		else
			print_error(c < ' ' || c > '~' ? "\\x%02x" : "%c", c);
	}
	print_error("\"\n");
}

static void print_reading(const char *who, const struct http1_text *text, const struct http1_reading *reading)
{
	struct buffer marked;
	char said[SAY_MAX * 16];

	mark(text, reading, &marked);
	say(reading, said, sizeof(said));
	print_bytes(who, marked.bytes, marked.len);
	print_error("%s says \"%s\"\n", who, said);
	if (reading->fault)
		print_error("%s: fault: %s\n", who, reading->fault);
}

/* ---- reading ---- */

/* Readings are large, and each is used up before the next test. */
static struct http1_reading whole, parts, plain;

static void read_whole(const struct http1_text *text)
{
	http1_machine_read(text, &(struct http1_feed){0}, &whole, NULL);
}

/* The same bytes, fed otherwise: nothing may change. */
static void expect_same(const char *name, const struct http1_text *text, const struct http1_feed *feed)
{
	http1_machine_read(text, feed, &parts, NULL);
	if (http1_reading_equal(&whole, &parts))
		return;
	print_error("%s: garbage %d, %s, cut at", name, feed->garbage, feed->by_step ? "http1_step" : "http1_frame");
	for (size_t i = 0; i < feed->count && i < 4; i++)
		print_error(" %zu", feed->cuts[i]);
	print_error("\n");
	print_reading("whole", text, &whole);
	print_reading("parts", text, &parts);
	fail();
}

static void expect_difference_none(const char *name, const struct http1_text *text, const struct http1_reading *machine)
{
	const char *difference;

	http1_reference_read(text, &plain);
	difference = http1_reading_difference(machine, &plain);
	if (!difference)
		return;
	print_error("%s: %s, reading %s\n", name, difference, text->side == HTTP1_REQUEST ? "requests" : "responses");
	print_reading("machine", text, machine);
	print_reading("reference", text, &plain);
	fail();
}

/* Answers how many messages both read alike. */
static size_t expect_llhttp_agrees(const char *name, const struct http1_text *text, const struct http1_reading *machine,
				   bool strict)
{
	const char *difference;
	size_t agreed;

	http1_llhttp_read(text, strict, &plain);
	difference = http1_llhttp_difference(text, machine, &plain, strict, &agreed);
	if (!difference)
		return agreed;
	print_error("%s: %s, reading %s\n", name, difference, text->side == HTTP1_REQUEST ? "requests" : "responses");
	print_reading("machine", text, machine);
	print_reading("llhttp", text, &plain);
	fail();
	return 0;
}

/* ---- tests ---- */

static bool is_read_as_marked(const struct sample *sample)
{
	struct buffer bytes, marked;
	struct http1_text text = http1_sample_text(sample, &bytes);
	char said[SAY_MAX];

	read_whole(&text);
	mark(&text, &whole, &marked);
	say(&whole, said, sizeof(said));
	if (!whole.fault && marked.len == sample->len && !memcmp(marked.bytes, sample->marked, marked.len) &&
	    !strcmp(said, sample->say))
		return true;
	print_bytes(sample->name, sample->marked, sample->len);
	print_error("should say \"%s\"\n", sample->say);
	print_reading("machine", &text, &whole);
	return false;
}

static void test_samples_are_read_as_marked(void **state)
{
	size_t wrong = 0;

	(void)state;
	for (size_t i = 0; i < http1_samples_count; i++)
		wrong += !is_read_as_marked(&http1_samples[i]);
	assert_int_equal(wrong, 0);
}

static void test_reference_agrees(void **state)
{
	(void)state;
	for (size_t i = 0; i < http1_samples_count; i++) {
		struct buffer bytes;
		struct http1_text text = http1_sample_text(&http1_samples[i], &bytes);

		read_whole(&text);
		expect_difference_none(http1_samples[i].name, &text, &whole);
	}
}

/* It must not only agree because it gives up: of these odd samples too it finds more than a third. */
static void test_llhttp_agrees(void **state)
{
	size_t agreed[2] = {0}, found = 0;

	(void)state;
	for (size_t i = 0; i < http1_samples_count; i++) {
		struct buffer bytes;
		struct http1_text text = http1_sample_text(&http1_samples[i], &bytes);

		read_whole(&text);
		found += whole.count;
		for (int strict = 0; strict < 2; strict++)
			agreed[strict] += expect_llhttp_agrees(http1_samples[i].name, &text, &whole, strict);
	}
	print_message("llhttp: %zu of %zu messages alike, %zu of them read strictly\n", agreed[0], found, agreed[1]);
	assert_true(3 * agreed[0] > found);
}

static void test_byte_by_byte(void **state)
{
	size_t cuts[HTTP1_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < HTTP1_TEXT_MAX; i++)
		cuts[i] = i;
	for (size_t i = 0; i < http1_samples_count; i++) {
		struct buffer bytes;
		struct http1_text text = http1_sample_text(&http1_samples[i], &bytes);
		struct http1_feed feed = {.cuts = cuts, .count = text.len};

		read_whole(&text);
		for (feed.garbage = 0; feed.garbage < HTTP1_GARBAGES; feed.garbage++)
			expect_same(http1_samples[i].name, &text, &feed);
	}
}

static void test_slack_does_not_matter(void **state)
{
	(void)state;
	for (size_t i = 0; i < http1_samples_count; i++) {
		struct buffer bytes;
		struct http1_text text = http1_sample_text(&http1_samples[i], &bytes);
		struct http1_feed feed = {0};

		read_whole(&text);
		for (feed.garbage = 0; feed.garbage < HTTP1_GARBAGES; feed.garbage++) {
			for (size_t cut = 0; cut <= text.len; cut++) {
				feed.cuts = &cut;
				feed.count = 1;
				feed.by_step = false;
				expect_same(http1_samples[i].name, &text, &feed);
				feed.by_step = true;
				expect_same(http1_samples[i].name, &text, &feed);
			}
		}
	}
}

static void test_every_three_segments(void **state)
{
	(void)state;
	for (size_t i = 0; i < http1_samples_count; i++) {
		struct buffer bytes;
		struct http1_text text = http1_sample_text(&http1_samples[i], &bytes);
		size_t cuts[2];
		struct http1_feed feed = {.cuts = cuts, .count = COUNT(cuts)};

		read_whole(&text);
		for (cuts[0] = 0; cuts[0] <= text.len; cuts[0]++) {
			for (cuts[1] = cuts[0]; cuts[1] <= text.len; cuts[1]++) {
				feed.garbage = (cuts[0] + cuts[1]) % HTTP1_GARBAGES;
				expect_same(http1_samples[i].name, &text, &feed);
			}
		}
	}
}

/* What remains of a reading when only the first `len` bytes came: body lengths excepted, which are left as they are. */
static void truncate_reading(const struct http1_reading *full, size_t len, struct http1_reading *ret_cut)
{
	ret_cut->count = 0;
	ret_cut->fault = NULL;
	for (size_t i = 0; i < full->count && full->message[i].begin < len; i++) {
		struct http1_message *m = &ret_cut->message[ret_cut->count++];

		*m = full->message[i];
		if (m->end <= len && m->fate != HTTP1_FATE_CLOSED && m->fate != HTTP1_FATE_CUT)
			continue;
		m->end = len;
		if (m->header_end > len)
			m->header_end = 0;
		if (m->fate != HTTP1_FATE_CLOSED || !m->header_end)
			m->fate = HTTP1_FATE_CUT;
	}
}

static void expect_truncated(const char *name, const struct http1_text *full, size_t len, bool *seen)
{
	struct http1_text text = {full->bytes, len, full->side, full->heads};
	struct buffer expected, found;
	enum http1_state last;

	http1_machine_read(&text, &(struct http1_feed){0}, &parts, &last);
	seen[last] = true;
	expect_difference_none(name, &text, &parts);
	truncate_reading(&whole, len, &plain);
	mark(&text, &plain, &expected);
	mark(&text, &parts, &found);
	if (expected.len == found.len && !memcmp(expected.bytes, found.bytes, found.len))
		return;
	print_error("%s: after %zu bytes\n", name, len);
	print_bytes("expected", expected.bytes, expected.len);
	print_bytes("found", found.bytes, found.len);
	fail();
}

static void test_truncated_in_every_state(void **state)
{
	bool seen[HTTP1_STATES] = {false};

	(void)state;
	for (size_t i = 0; i < http1_samples_count; i++) {
		struct buffer bytes;
		struct http1_text text = http1_sample_text(&http1_samples[i], &bytes);

		read_whole(&text);
		for (size_t len = 0; len < text.len; len++)
			expect_truncated(http1_samples[i].name, &text, len, seen);
	}
	for (size_t i = 0; i < HTTP1_STATES; i++)
		if (!seen[i])
			fail_msg("no sample was cut in state %zu", i);
}

#define MUTATIONS 200000

static void test_mutations_against_the_reference(void **state)
{
	(void)state;
	for (size_t i = 0; i < MUTATIONS; i++) {
		struct buffer bytes;
		struct http1_text text = http1_random_text(&bytes);
		size_t cuts[2] = {http1_random_below(text.len + 1), http1_random_below(text.len + 1)};
		size_t count = cuts[0] <= cuts[1] ? 2 : 1;
		struct http1_feed feed = {cuts, count, http1_random_below(HTTP1_GARBAGES), http1_random_below(2)};

		read_whole(&text);
		expect_difference_none("mutation", &text, &whole);
		expect_llhttp_agrees("mutation", &text, &whole, i % 2);
		expect_same("mutation", &text, &feed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_samples_are_read_as_marked),
		cmocka_unit_test(test_reference_agrees),
		cmocka_unit_test(test_llhttp_agrees),
		cmocka_unit_test(test_byte_by_byte),
		cmocka_unit_test(test_slack_does_not_matter),
		cmocka_unit_test(test_every_three_segments),
		cmocka_unit_test(test_truncated_in_every_state),
		cmocka_unit_test(test_mutations_against_the_reference),
	};

	return cmocka_run_group_tests_name("http1", tests, NULL, NULL);
}
