// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#define _GNU_SOURCE 1 /* basename() that leaves its text alone */

#include "match.h"

#include "discover.h"
#include "endpoint.h"
#include "util.h"

#include <fnmatch.h>
#include <string.h>

#define CMDLINE_MAX 32768 /* the first bytes, of a longer one */
#define ANCESTORS_MAX 64
#define DELETED " (deleted)"

static FILE *open_proc(uint32_t pid, const char *name)
{
	char path[48];

	snprintf(path, sizeof(path), "/proc/%u/%s", pid, name);
	return fopen(path, "re");
}

/* Fits the pattern anywhere in the text? */
static bool fits_in(const char *pattern, const char *text)
{
	char anywhere[SERIN_PATTERN_MAX + 2];

	snprintf(anywhere, sizeof(anywhere), "*%.255s*", pattern);
	return fnmatch(anywhere, text, 0) == 0;
}

/* A file that was replaced while it ran has DELETED behind its path. */
static bool has_exe(const char *pattern, uint32_t pid)
{
	char path[48], text[4096];
	ssize_t length;

	snprintf(path, sizeof(path), "/proc/%u/exe", pid);
	length = readlink(path, text, sizeof(text) - 1);
	if (length <= 0)
		return false;
	text[length] = '\0';
	if (length > (ssize_t)strlen(DELETED) && !strcmp(text + length - strlen(DELETED), DELETED))
		text[length - (ssize_t)strlen(DELETED)] = '\0';
	return fnmatch(pattern, strchr(pattern, '/') ? text : basename(text), 0) == 0;
}

static bool has_cmdline(const char *pattern, uint32_t pid)
{
	_cleanup_fclose_ FILE *file = open_proc(pid, "cmdline");
	_cleanup_free_ char *text = malloc(CMDLINE_MAX + 1);
	size_t length;

	if (!file || !text)
		return false;
	length = fread(text, 1, CMDLINE_MAX, file);
	while (length && !text[length - 1]) /* a process that names itself leaves many */
		length--;
	for (size_t i = 0; i < length; i++)
		if (!text[i])
			text[i] = ' ';
	text[length] = '\0';
	return length && fits_in(pattern, text);
}

/* The line of cgroup2 is 0::PATH, in a hybrid hierarchy too. */
static bool has_cgroup(const char *pattern, uint32_t pid)
{
	_cleanup_fclose_ FILE *file = open_proc(pid, "cgroup");
	_cleanup_free_ char *line = NULL;
	size_t room = 0;
	ssize_t length;

	while (file && (length = getline(&line, &room, file)) > 0) {
		if (strncmp(line, "0::", 3))
			continue;
		line[strcspn(line, "\n")] = '\0';
		return fits_in(pattern, line + 3);
	}
	return false;
}

static bool has_variable(const char *variable, uint32_t pid)
{
	_cleanup_fclose_ FILE *file = open_proc(pid, "environ");
	_cleanup_free_ char *entry = NULL;
	size_t room = 0;

	while (file && getdelim(&entry, &room, '\0', file) > 0)
		if (!strcmp(entry, variable))
			return true;
	return false;
}

static bool descends_from(uint32_t ancestor, uint32_t pid)
{
	for (unsigned i = 0; pid && i < ANCESTORS_MAX; i++) {
		if (pid == ancestor)
			return true;
		pid = discover_parent(pid);
	}
	return false;
}

/* The cheap ones first. */
bool match_process(const struct serin_match *match, uint32_t pid)
{
	return (!match->pid || descends_from(match->pid, pid)) && (!*match->exe || has_exe(match->exe, pid)) &&
	       (!*match->cgroup || has_cgroup(match->cgroup, pid)) && (!*match->cmdline || has_cmdline(match->cmdline, pid)) &&
	       (!*match->env || has_variable(match->env, pid));
}

bool match_endpoint(const struct serin_match *match, const struct serin_endpoint *listener)
{
	struct serin_endpoint want = match->endpoint;

	if (!want.port)
		want.port = listener->port;
	return endpoint_overlaps(&want, listener);
}

void match_describe(const struct serin_match *match, char ret_text[MATCH_TEXT_MAX])
{
	const struct {
		const char *name, *value;
	} texts[] = {{"exe", match->exe}, {"cmdline", match->cmdline}, {"cgroup", match->cgroup}, {"env", match->env}};
	char endpoint[ENDPOINT_TEXT_MAX];
	size_t used = 0;

	ret_text[0] = '\0';
	if (match->endpoint.port) {
		endpoint_format(&match->endpoint, endpoint);
		used += (size_t)snprintf(ret_text, MATCH_TEXT_MAX, "port %s", endpoint);
	} else if (!endpoint_is_any(&match->endpoint)) {
		endpoint_format_address(&match->endpoint, endpoint);
		used += (size_t)snprintf(ret_text, MATCH_TEXT_MAX, "address %s", endpoint);
	}
	for (size_t i = 0; i < ARRAY_SIZE(texts) && used < MATCH_TEXT_MAX; i++)
		if (*texts[i].value)
			used += (size_t)snprintf(ret_text + used, MATCH_TEXT_MAX - used, "%s%s %s", used ? ", " : "", texts[i].name,
						 texts[i].value);
	if (match->pid && used < MATCH_TEXT_MAX)
		snprintf(ret_text + used, MATCH_TEXT_MAX - used, "%spid %u", used ? ", " : "", match->pid);
}
