/* Links: */
// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "check.h"

#include "serin/siphash.h"

#include <stdint.h>
#include <string.h>

/* Of a message of any length, from the same steps. Its bytes are 0, 1, 2 and so on, as in the published vectors. */
static uint64_t hash_of_length(const __u64 key[2], size_t length)
{
	struct siphash s = siphash_begin(key);
	uint8_t message[64], rest[8] = {};
	size_t at = 0;

	for (size_t i = 0; i < sizeof(message); i++)
		message[i] = (uint8_t)i;
	for (; at + 8 <= length; at += 8)
		siphash_word(&s, siphash_read(message + at));
	memcpy(rest, message + at, length - at);
	return siphash_end(&s, siphash_read(rest) | (uint64_t)length << 56);
}

static const __u64 key[2] = {0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL};

/* The paper's own example, appendix A, and some of vectors_sip64 in the authors' implementation, read as numbers. */
static void hashes_are_those_published(void **state)
{
	static const struct {
		size_t length;
		uint64_t hash;
	} vectors[] = {
		{0, 0x726fdb47dd0e0e31ULL}, {1, 0x74f839c593dc67fdULL}, {7, 0xab0200f58b01d137ULL},
		{8, 0x93f5f5799a932462ULL}, {15, 0xa129ca6149be45e5ULL}, {16, 0x3f2acc7f57c29bdbULL},
		{63, 0x958a324ceb064572ULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
		assert_int_equal(hash_of_length(key, vectors[i].length), vectors[i].hash);
}

static void an_address_is_a_message_of_16_bytes(void **state)
{
	uint8_t address[16];

	(void)state;
	for (size_t i = 0; i < sizeof(address); i++)
		address[i] = (uint8_t)i;
	assert_int_equal(siphash_address(key, address), 0x3f2acc7f57c29bdbULL);
}

static void another_salt_is_another_hash(void **state)
{
	static const __u64 other[2] = {0x0706050403020100ULL, 0x0f0e0d0c0b0a0909ULL};
	static const uint8_t address[16] = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1};

	(void)state;
	assert_int_not_equal(siphash_address(key, address), siphash_address(other, address));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hashes_are_those_published),
		cmocka_unit_test(an_address_is_a_message_of_16_bytes),
		cmocka_unit_test(another_salt_is_another_hash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
