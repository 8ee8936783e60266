/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed hash that whoever does not have the key can neither foresee nor turn
 * back. No dependency on kernel or libc: the BPF programs and the tests compile the same source.
 */
#ifndef SERIN_SIPHASH_H
#define SERIN_SIPHASH_H

#include <linux/types.h>

#define SIPHASH_INLINE static inline __attribute__((always_inline, unused))

struct siphash {
	__u64 v0, v1, v2, v3;
};

SIPHASH_INLINE __u64 siphash_rotate(__u64 word, unsigned bits)
{
	return word << bits | word >> (64 - bits);
}

SIPHASH_INLINE void siphash_round(struct siphash *s)
{
	s->v0 += s->v1;
	s->v2 += s->v3;
	s->v1 = siphash_rotate(s->v1, 13) ^ s->v0;
	s->v3 = siphash_rotate(s->v3, 16) ^ s->v2;
	s->v0 = siphash_rotate(s->v0, 32);
	s->v2 += s->v1;
	s->v0 += s->v3;
	s->v1 = siphash_rotate(s->v1, 17) ^ s->v2;
	s->v3 = siphash_rotate(s->v3, 21) ^ s->v0;
	s->v2 = siphash_rotate(s->v2, 32);
}

SIPHASH_INLINE struct siphash siphash_begin(const __u64 key[2])
{
	return (struct siphash){key[0] ^ 0x736f6d6570736575ULL, key[1] ^ 0x646f72616e646f6dULL,
				key[0] ^ 0x6c7967656e657261ULL, key[1] ^ 0x7465646279746573ULL};
}

/* Eight bytes of the message, as a little-endian number. */
SIPHASH_INLINE void siphash_word(struct siphash *s, __u64 word)
{
	s->v3 ^= word;
	siphash_round(s);
	siphash_round(s);
	s->v0 ^= word;
}

/* `last`: the bytes left after whole words, and in the highest byte the length of all of it. */
SIPHASH_INLINE __u64 siphash_end(struct siphash *s, __u64 last)
{
	siphash_word(s, last);
	s->v2 ^= 0xff;
	siphash_round(s);
	siphash_round(s);
	siphash_round(s);
	siphash_round(s);
	return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

SIPHASH_INLINE __u64 siphash_read(const __u8 *bytes)
{
	__u64 word;

	__builtin_memcpy(&word, bytes, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	word = __builtin_bswap64(word);
#endif
	return word;
}

/* The hash of the 16 bytes of an address. */
SIPHASH_INLINE __u64 siphash_address(const __u64 key[2], const __u8 *address)
{
	struct siphash s = siphash_begin(key);

	siphash_word(&s, siphash_read(address));
	siphash_word(&s, siphash_read(address + 8));
	return siphash_end(&s, 16ULL << 56);
}

#endif
