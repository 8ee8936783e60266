/* Links: user/endpoint.c */
// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "check.h"

#include "endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

static struct serin_endpoint parsed(const char *text)
{
	struct serin_endpoint endpoint = {};

	if (endpoint_parse(text, &endpoint) < 0)
		fail_msg("'%s' is refused", text);
	return endpoint;
}

static void check_refused(const char *text)
{
	struct serin_endpoint endpoint, before;

	memset(&before, 0xa5, sizeof(before));
	endpoint = before;
	if (endpoint_parse(text, &endpoint) != -EINVAL)
		fail_msg("'%s' is taken", text);
	assert_memory_equal(&endpoint, &before, sizeof(before));
}

static void check_text(const char *text, const char *expected)
{
	struct serin_endpoint endpoint = parsed(text);
	char written[ENDPOINT_TEXT_MAX];

	endpoint_format(&endpoint, written);
	assert_string_equal(written, expected);
}

static void check_address(const char *text, const char *expected)
{
	struct serin_endpoint endpoint = parsed(text);
	char written[ENDPOINT_TEXT_MAX];

	endpoint_format_address(&endpoint, written);
	assert_string_equal(written, expected);
}

static void check_bytes(const char *text, const uint8_t expected[16])
{
	struct serin_endpoint endpoint = parsed(text);

	assert_memory_equal(endpoint.address, expected, 16);
}

/* ---- reading ---- */

static void a_bare_port_is_any_address(void **state)
{
	(void)state;
	assert_int_equal(parsed("8000").port, 8000);
	check_bytes("8000", (uint8_t[16]){});
}

static void an_ipv4_address_is_kept_mapped(void **state)
{
	(void)state;
	assert_int_equal(parsed("10.1.2.3:80").port, 80);
	check_bytes("10.1.2.3:80", (uint8_t[16]){[10] = 0xff, [11] = 0xff, [12] = 10, 1, 2, 3});
}

static void an_ipv6_address_is_kept_as_it_is(void **state)
{
	(void)state;
	assert_int_equal(parsed("[2001:db8::7]:443").port, 443);
	check_bytes("[2001:db8::7]:443", (uint8_t[16]){0x20, 0x01, 0x0d, 0xb8, [15] = 7});
}

static void a_mapped_address_is_the_ipv4_address(void **state)
{
	(void)state;
	check_bytes("[::ffff:10.1.2.3]:80", parsed("10.1.2.3:80").address);
}

static void an_unspecified_address_is_any(void **state)
{
	struct serin_endpoint four = parsed("0.0.0.0:80"), six = parsed("[::]:80");

	(void)state;
	assert_true(endpoint_is_any(&four));
	assert_true(endpoint_is_any(&six));
}

static void an_address_is_not_any(void **state)
{
	struct serin_endpoint four = parsed("127.0.0.1:80"), six = parsed("[::1]:80");

	(void)state;
	assert_false(endpoint_is_any(&four));
	assert_false(endpoint_is_any(&six));
}

static void ports_go_from_1_to_65535(void **state)
{
	(void)state;
	assert_int_equal(parsed("1").port, 1);
	assert_int_equal(parsed("65535").port, 65535);
	check_refused("0");
	check_refused("65536");
	check_refused("4294967376"); /* 2^32 + 80 */
	check_refused("18446744073709551696"); /* 2^64 + 80 */
}

static void a_port_is_digits_only(void **state)
{
	(void)state;
	check_refused("");
	check_refused(" 80");
	check_refused("80 ");
	check_refused("+80");
	check_refused("-80");
	check_refused("0x50");
	check_refused("http");
	check_refused("127.0.0.1:");
	check_refused("127.0.0.1: 80");
}

static void an_address_without_a_port_is_refused(void **state)
{
	(void)state;
	check_refused("127.0.0.1");
	check_refused("[::1]");
	check_refused("::1");
}

static void ipv6_without_brackets_is_refused(void **state)
{
	(void)state;
	check_refused("::1:80");
	check_refused("2001:db8::7:80");
}

static void brackets_come_in_pairs(void **state)
{
	(void)state;
	check_refused("[::1:80");
	check_refused("::1]:80");
	check_refused("[]:80");
	check_refused("[:80");
	check_refused("[::1]80");
	check_refused("[[::1]]:80");
	check_refused("x::1]:80");
	check_refused("[::1x:80");
}

static void brackets_are_for_ipv6(void **state)
{
	(void)state;
	check_refused("[127.0.0.1]:80");
}

static void names_are_not_looked_up(void **state)
{
	(void)state;
	check_refused("localhost:80");
	check_refused(":80");
	check_refused("*:80");
}

static void half_an_address_is_refused(void **state)
{
	(void)state;
	check_refused("127.1:80");
	check_refused("256.0.0.1:80");
	check_refused("1.2.3.4.5:80");
	check_refused("[fe80::1%lo]:80");
	check_refused("10.0.0.0/8:80");
}

static void an_address_of_any_length_is_refused_safely(void **state)
{
	char text[300];

	(void)state;
	for (size_t length = 1; length < 256; length++) {
		memset(text, '1', length);
		strcpy(text + length, ":80");
		check_refused(text);
	}
}

/* ---- writing ---- */

static void any_address_is_written_as_the_bare_port(void **state)
{
	(void)state;
	check_text("8000", "8000");
	check_text("0.0.0.0:8000", "8000");
	check_text("[::]:8000", "8000");
}

static void ipv4_is_written_with_dots(void **state)
{
	(void)state;
	check_text("127.0.0.1:8000", "127.0.0.1:8000");
	check_text("[::ffff:255.255.255.255]:65535", "255.255.255.255:65535");
}

static void ipv6_is_written_in_brackets(void **state)
{
	(void)state;
	check_text("[2001:0db8:0::0007]:443", "[2001:db8::7]:443");
}

static void the_longest_address_fits(void **state)
{
	(void)state;
	check_text("[2001:db8:1111:2222:3333:4444:5555:6666]:65535", "[2001:db8:1111:2222:3333:4444:5555:6666]:65535");
}

static void an_address_alone_has_neither_port_nor_brackets(void **state)
{
	(void)state;
	check_address("8000", "0.0.0.0");
	check_address("10.1.2.3:80", "10.1.2.3");
	check_address("[::1]:80", "::1");
}

/* ---- comparing ---- */

static bool matches(const char *want, const char *listener)
{
	struct serin_endpoint a = parsed(want), b = parsed(listener);

	return endpoint_matches(&a, &b);
}

static bool overlap(const char *one, const char *other)
{
	struct serin_endpoint a = parsed(one), b = parsed(other);

	return endpoint_overlaps(&a, &b);
}

static void a_port_is_matched_on_every_address(void **state)
{
	(void)state;
	assert_true(matches("80", "80"));
	assert_true(matches("80", "127.0.0.1:80"));
	assert_true(matches("80", "[::1]:80"));
}

static void an_address_is_matched_by_itself_only(void **state)
{
	(void)state;
	assert_true(matches("127.0.0.1:80", "127.0.0.1:80"));
	assert_false(matches("127.0.0.1:80", "127.0.0.2:80"));
	assert_false(matches("127.0.0.1:80", "[::1]:80"));
	assert_false(matches("127.0.0.1:80", "80"));
}

static void another_port_never_matches(void **state)
{
	(void)state;
	assert_false(matches("80", "81"));
	assert_false(matches("127.0.0.1:80", "127.0.0.1:81"));
}

static void any_address_overlaps_every_address_of_its_port(void **state)
{
	(void)state;
	assert_true(overlap("80", "127.0.0.1:80"));
	assert_true(overlap("127.0.0.1:80", "80"));
	assert_true(overlap("80", "80"));
}

static void two_addresses_or_two_ports_do_not_overlap(void **state)
{
	(void)state;
	assert_true(overlap("127.0.0.1:80", "127.0.0.1:80"));
	assert_false(overlap("127.0.0.1:80", "127.0.0.2:80"));
	assert_false(overlap("80", "81"));
}

/* ---- from the kernel ---- */

static void the_kernels_ipv4_is_what_parsing_gives(void **state)
{
	struct in_addr address = {htonl(0x0a010203)};
	struct serin_endpoint got, expected = parsed("10.1.2.3:80");

	(void)state;
	endpoint_from_kernel(AF_INET, &address, 80, &got);
	assert_memory_equal(&got, &expected, sizeof(got));
}

static void the_kernels_ipv6_is_what_parsing_gives(void **state)
{
	struct serin_endpoint got, expected = parsed("[::1]:80");

	(void)state;
	endpoint_from_kernel(AF_INET6, &in6addr_loopback, 80, &got);
	assert_memory_equal(&got, &expected, sizeof(got));
}

static void the_kernels_unspecified_address_is_any(void **state)
{
	struct in_addr address = {INADDR_ANY};
	struct serin_endpoint got;

	(void)state;
	endpoint_from_kernel(AF_INET, &address, 80, &got);
	assert_true(endpoint_is_any(&got));
	endpoint_from_kernel(AF_INET6, &in6addr_any, 80, &got);
	assert_true(endpoint_is_any(&got));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bare_port_is_any_address),
		cmocka_unit_test(an_ipv4_address_is_kept_mapped),
		cmocka_unit_test(an_ipv6_address_is_kept_as_it_is),
		cmocka_unit_test(a_mapped_address_is_the_ipv4_address),
		cmocka_unit_test(an_unspecified_address_is_any),
		cmocka_unit_test(an_address_is_not_any),
		cmocka_unit_test(ports_go_from_1_to_65535),
		cmocka_unit_test(a_port_is_digits_only),
		cmocka_unit_test(an_address_without_a_port_is_refused),
		cmocka_unit_test(ipv6_without_brackets_is_refused),
		cmocka_unit_test(brackets_come_in_pairs),
		cmocka_unit_test(brackets_are_for_ipv6),
		cmocka_unit_test(names_are_not_looked_up),
		cmocka_unit_test(half_an_address_is_refused),
		cmocka_unit_test(an_address_of_any_length_is_refused_safely),
		cmocka_unit_test(any_address_is_written_as_the_bare_port),
		cmocka_unit_test(ipv4_is_written_with_dots),
		cmocka_unit_test(ipv6_is_written_in_brackets),
		cmocka_unit_test(the_longest_address_fits),
		cmocka_unit_test(an_address_alone_has_neither_port_nor_brackets),
		cmocka_unit_test(a_port_is_matched_on_every_address),
		cmocka_unit_test(an_address_is_matched_by_itself_only),
		cmocka_unit_test(another_port_never_matches),
		cmocka_unit_test(any_address_overlaps_every_address_of_its_port),
		cmocka_unit_test(two_addresses_or_two_ports_do_not_overlap),
		cmocka_unit_test(the_kernels_ipv4_is_what_parsing_gives),
		cmocka_unit_test(the_kernels_ipv6_is_what_parsing_gives),
		cmocka_unit_test(the_kernels_unspecified_address_is_any),
	};

	return cmocka_run_group_tests_name("endpoint", tests, NULL, NULL);
}
