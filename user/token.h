/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The secret that callers on TCP show, kept in a file: its first line, 16 to 512 printable characters without a space.
 * The file is read again when it has changed, so that a new token needs no new start.
 */
#ifndef SERIN_TOKEN_H
#define SERIN_TOKEN_H

#include "config.h"

#include <sys/stat.h>

#define TOKEN_MIN 16
#define TOKEN_MAX 512
#define TOKEN_WHY_MAX 512

struct token {
	char path[CONFIG_FILE_MAX];
	char text[TOKEN_MAX + 1];
	size_t length;	   /* 0: none that could be used, nobody is let in */
	struct stat stamp; /* of the file as it was read; all zero: to be read again in any case */
};

/*
 * Reads it. Returns 0, or -errno with what, why and what to do in ret_why: -EPERM when others than its owner have rights on it,
 * -EINVAL for what is no token.
 */
int token_read(const char *path, struct token *ret, char ret_why[TOKEN_WHY_MAX]);

/*
 * Is it what this Authorization header (NULL: none) shows? In a time that does not depend on what is shown. Looks at
 * the file first: one that has become unreadable or no token lets nobody in until it is one again. ret_note: what the
 * log should say of that, empty as a rule; each change is said once.
 */
bool token_check(struct token *token, const char *header, char ret_note[TOKEN_WHY_MAX]);

#endif
