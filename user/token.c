// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "token.h"

#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>

#define SCHEME "Bearer "
/* A file that is written twice in one step of its clock looks the same twice. So what is younger is read again. */
#define SETTLED_SECONDS 2

static int complain(char ret_why[TOKEN_WHY_MAX], int error, const char *path, const char *why)
{
	snprintf(ret_why, TOKEN_WHY_MAX, "the API's token file %s: %s", path, why);
	return error;
}

static int check_file(const struct stat *st, const char **ret_why)
{
	if (!S_ISREG(st->st_mode)) {
		*ret_why = "it is no regular file; name one that holds the token";
		return -EINVAL;
	}
	if (st->st_mode & 077) {
		*ret_why = "others than its owner have rights on it; chmod 600";
		return -EPERM;
	}
	return 0;
}

/* The first line's length when it is a token, else 0. */
static size_t token_length(const char *text, size_t length)
{
	const char *end = memchr(text, '\n', length);
	size_t n = end ? (size_t)(end - text) : length;

	if (n && end && text[n - 1] == '\r')
		n--;
	for (size_t i = 0; i < n; i++)
		if (text[i] <= ' ' || text[i] > '~')
			return 0;
	return n >= TOKEN_MIN && n <= TOKEN_MAX ? n : 0;
}

static bool is_settled(const struct stat *st)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec - st->st_ctim.tv_sec >= SETTLED_SECONDS;
}

static int read_open(int fd, struct token *token, const char **ret_why)
{
	char text[TOKEN_MAX + 2];
	struct stat st;
	ssize_t got;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	r = check_file(&st, ret_why);
	if (r < 0)
		return r;
	got = read(fd, text, sizeof(text));
	if (got < 0)
		return -errno;
	token->length = token_length(text, (size_t)got);
	memcpy(token->text, text, token->length);
	explicit_bzero(text, sizeof(text));
	if (!token->length) {
		*ret_why = "its first line is not 16 to 512 printable characters without a space; write a longer token, as "
			   "of `openssl rand -hex 32`";
		return -EINVAL;
	}
	if (is_settled(&st))
		token->stamp = st;
	return 0;
}

int token_read(const char *path, struct token *ret, char ret_why[TOKEN_WHY_MAX])
{
	/* Not blocking, so that a FIFO by that name is told apart and not waited for. */
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct token token = {};
	const char *why = NULL;
	int r;

	snprintf(token.path, sizeof(token.path), "%s", path);
	r = fd < 0 ? -errno : read_open(fd, &token, &why);
	if (r == 0)
		*ret = token;
	explicit_bzero(token.text, sizeof(token.text));
	return r < 0 ? complain(ret_why, r, path, why ? why : strerror(-r)) : 0;
}

static bool is_as_it_was(const struct token *token)
{
	const struct stat *was = &token->stamp;
	struct stat st;

	if (!was->st_ino || stat(token->path, &st) < 0)
		return false;
	return st.st_ino == was->st_ino && st.st_dev == was->st_dev && st.st_size == was->st_size &&
	       st.st_mode == was->st_mode && st.st_mtim.tv_sec == was->st_mtim.tv_sec &&
	       st.st_mtim.tv_nsec == was->st_mtim.tv_nsec && st.st_ctim.tv_sec == was->st_ctim.tv_sec &&
	       st.st_ctim.tv_nsec == was->st_ctim.tv_nsec;
}

/* What was a token must not be one for ever: who takes the file away, or opens it to others, wants it to end. */
static void look(struct token *token, char ret_note[TOKEN_WHY_MAX])
{
	bool had = token->length;
	char why[TOKEN_WHY_MAX];

	if (is_as_it_was(token))
		return;
	if (token_read(token->path, token, why) == 0) {
		if (!had)
			snprintf(ret_note, TOKEN_WHY_MAX, "the API's token file %s is in order again; callers on TCP are let in",
				 token->path);
		return;
	}
	explicit_bzero(token->text, sizeof(token->text));
	token->length = 0;
	token->stamp = (struct stat){};
	if (had)
		snprintf(ret_note, TOKEN_WHY_MAX, "%.*s; until then every caller on TCP is refused", TOKEN_WHY_MAX - 64, why);
}

/* All of both, whatever is different where. */
static bool equal(const char *a, size_t a_length, const char *b, size_t b_length)
{
	char longest[2][TOKEN_MAX] = {};
	volatile unsigned char different = a_length != b_length;

	memcpy(longest[0], a, a_length < TOKEN_MAX ? a_length : TOKEN_MAX);
	memcpy(longest[1], b, b_length < TOKEN_MAX ? b_length : TOKEN_MAX);
	for (size_t i = 0; i < TOKEN_MAX; i++)
		different |= (unsigned char)(longest[0][i] ^ longest[1][i]);
	explicit_bzero(longest, sizeof(longest));
	return !different;
}

bool token_check(struct token *token, const char *header, char ret_note[TOKEN_WHY_MAX])
{
	const size_t scheme = strlen(SCHEME);

	ret_note[0] = '\0';
	look(token, ret_note);
	if (!token->length || !header || strncasecmp(header, SCHEME, scheme))
		return false;
	header += scheme;
	header += strspn(header, " ");
	return equal(token->text, token->length, header, strlen(header));
}
