/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What every program here leans on: cleanup attributes, the clock, a small random number generator, and the
 * one line a user gets when something is wrong.
 */
#ifndef SERIN_UTIL_H
#define SERIN_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define EXIT_USAGE 2 /* EXIT_FAILURE says: the operation failed; this says: the words are wrong */

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define NSEC_PER_SEC 1000000000ULL
#define NSEC_PER_MSEC 1000000ULL

/* Takes the value out of a cleanup variable, which then has nothing left to free. */
#define TAKE_PTR(p)                    \
	({                             \
		__typeof__(p) taken = (p); \
		(p) = NULL;            \
		taken;                 \
	})
#define TAKE_FD(fd)               \
	({                        \
		int taken = (fd); \
		(fd) = -1;        \
		taken;            \
	})

static inline void util_free(void *pointer)
{
	free(*(void **)pointer);
}

static inline void util_close(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void util_fclose(FILE **file)
{
	if (*file)
		fclose(*file);
}

#define _cleanup_free_ __attribute__((cleanup(util_free)))
#define _cleanup_close_ __attribute__((cleanup(util_close)))
#define _cleanup_fclose_ __attribute__((cleanup(util_fclose)))

/* Nanoseconds of CLOCK_MONOTONIC. */
static inline uint64_t util_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

/* SplitMix64 (Steele, Lea, Flood 2014): the n-th number is a hash of seed + n * gamma, so a counter is its state. */
#define UTIL_RANDOM_GAMMA 0x9e3779b97f4a7c15ULL

static inline uint64_t util_random_hash(uint64_t state)
{
	state = (state ^ (state >> 30)) * 0xbf58476d1ce4e5b9ULL;
	state = (state ^ (state >> 27)) * 0x94d049bb133111ebULL;
	return state ^ (state >> 31);
}

static inline uint64_t util_random(uint64_t *state)
{
	return util_random_hash(*state += UTIL_RANDOM_GAMMA);
}

/* A random number as a double in [0, 1). */
static inline double util_uniform(uint64_t random)
{
	return (double)(random >> 11) * 0x1p-53;
}

/* Does what is written there go to systemd's journal? By JOURNAL_STREAM: systemd.exec(5). */
bool util_is_journal(int fd);

/* One line on stderr, "PROGRAM: what, why, what to do", as an error to the journal; returns status, for `return util_complain(...)` in main. */
int util_complain(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * The whole of a regular file, NUL-terminated, in memory the caller frees. 0 or -errno; -EFBIG when it is longer than
 * max bytes, -EINVAL when it is no regular file.
 */
int util_read_file(const char *path, size_t max, char **ret_text, size_t *ret_length);

#endif
