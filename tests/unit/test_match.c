/* Links: user/match.c user/discover.c user/endpoint.c */
// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#define _GNU_SOURCE 1

#include "check.h"

#include "endpoint.h"
#include "match.h"
#include "util.h"

#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

/* A process to look at. */
static pid_t process;

/* Once it sleeps, the kernel has its words and its environment in place. */
static bool sleeps(void)
{
	char path[48], state = 0;
	_cleanup_fclose_ FILE *file = NULL;

	snprintf(path, sizeof(path), "/proc/%d/stat", process);
	file = fopen(path, "re");
	return file && fscanf(file, "%*d (%*[^)]) %c", &state) == 1 && state == 'S';
}

static int wait_for_exec(void)
{
	char path[48], text[64];

	snprintf(path, sizeof(path), "/proc/%d/exe", process);
	for (uint64_t until = util_now() + 10 * SECOND; util_now() < until;) {
		ssize_t n = readlink(path, text, sizeof(text) - 1);

		if (n > 0 && memmem(text, (size_t)n, "sleep", 5) && sleeps())
			return 0;
	}
	return -1;
}

static int begin(void **state)
{
	static char *const words[] = {"sleep", "1000.25", NULL};
	static char *const environment[] = {"MODEL_VERSION=v2", "EMPTY=", "PATH=/bin", NULL};

	(void)state;
	process = fork();
	if (process == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execve("/bin/sleep", words, environment);
		_exit(127);
	}
	return process < 0 ? -1 : wait_for_exec();
}

static int end(void **state)
{
	(void)state;
	kill(process, SIGKILL);
	return waitpid(process, NULL, 0) == process ? 0 : -1;
}

static bool matches(const struct serin_match *match)
{
	return match_process(match, (uint32_t)process);
}

static void an_exe_is_told_by_its_name_or_its_path(void **state)
{
	(void)state;
	assert_true(matches(&(struct serin_match){.exe = "sleep"}));
	assert_true(matches(&(struct serin_match){.exe = "sl*"}));
	assert_true(matches(&(struct serin_match){.exe = "*/bin/sleep"}));
	assert_false(matches(&(struct serin_match){.exe = "lee"}));
	assert_false(matches(&(struct serin_match){.exe = "/sleep"}));
	assert_false(matches(&(struct serin_match){.exe = "bin"}));
}

static void a_command_line_is_told_by_any_part_of_it(void **state)
{
	(void)state;
	assert_true(matches(&(struct serin_match){.cmdline = "1000.25"}));
	assert_true(matches(&(struct serin_match){.cmdline = "sleep 1000*5"}));
	assert_true(matches(&(struct serin_match){.cmdline = "p 1???.[0-9]"}));
	assert_false(matches(&(struct serin_match){.cmdline = "1000.26"}));
	assert_false(matches(&(struct serin_match){.cmdline = "sleep1000"}));
}

static void a_variable_is_one_whole_one(void **state)
{
	(void)state;
	assert_true(matches(&(struct serin_match){.env = "MODEL_VERSION=v2"}));
	assert_true(matches(&(struct serin_match){.env = "EMPTY="}));
	assert_false(matches(&(struct serin_match){.env = "MODEL_VERSION=v"}));
	assert_false(matches(&(struct serin_match){.env = "MODEL_VERSION=v22"}));
	assert_false(matches(&(struct serin_match){.env = "VERSION=v2"}));
	assert_false(matches(&(struct serin_match){.env = "MODEL_VERSION=*"}));
}

static void a_process_is_its_own_and_its_ancestors(void **state)
{
	(void)state;
	assert_true(matches(&(struct serin_match){.pid = (uint32_t)process}));
	assert_true(matches(&(struct serin_match){.pid = (uint32_t)getpid()}));
	assert_false(match_process(&(struct serin_match){.pid = (uint32_t)process}, (uint32_t)getpid()));
}

static void a_cgroup_is_told_by_any_part_of_its_path(void **state)
{
	char line[512] = "", own[SERIN_PATTERN_MAX] = "";
	_cleanup_fclose_ FILE *file = fopen("/proc/self/cgroup", "r");
	struct serin_match match = {};

	(void)state;
	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "0::%255s", own) == 1)
			break;
	if (!*own)
		skip();
	snprintf(match.cgroup, sizeof(match.cgroup), "%s", own);
	assert_true(matches(&match));
	assert_true(matches(&(struct serin_match){.cgroup = "/"}));
	assert_false(matches(&(struct serin_match){.cgroup = "/no-such-group"}));
}

static void all_that_is_given_must_match(void **state)
{
	struct serin_match match = {.exe = "sleep", .cmdline = "1000.25", .env = "EMPTY=", .pid = (uint32_t)process};

	(void)state;
	assert_true(matches(&match));
	strcpy(match.env, "EMPTY=1");
	assert_false(matches(&match));
	strcpy(match.env, "EMPTY=");
	strcpy(match.exe, "nginx");
	assert_false(matches(&match));
}

static void a_process_that_is_gone_matches_nothing(void **state)
{
	pid_t gone = fork();

	(void)state;
	if (gone == 0)
		_exit(0);
	assert_int_equal(waitpid(gone, NULL, 0), gone);
	assert_false(match_process(&(struct serin_match){.exe = "*"}, (uint32_t)gone));
	assert_false(match_process(&(struct serin_match){.cmdline = "*"}, (uint32_t)gone));
	assert_false(match_process(&(struct serin_match){.cgroup = "*"}, (uint32_t)gone));
	assert_false(match_process(&(struct serin_match){.env = "A=b"}, (uint32_t)gone));
}

/* Any process may call itself what it likes: no pattern may take long for it. */
static void a_hostile_command_line_takes_no_time(void **state)
{
	struct serin_match match = {.cmdline = "a*a*a*a*a*a*a*a*b"};
	char *words[] = {"sleep", "1000", NULL}, *line = malloc(40001);
	uint64_t began;
	pid_t own = process;

	(void)state;
	assert_non_null(line);
	memset(line, 'a', 40000);
	line[40000] = '\0';
	words[0] = line;
	process = fork();
	if (process == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execve("/bin/sleep", words, NULL);
		_exit(127);
	}
	assert_int_equal(wait_for_exec(), 0);
	began = util_now();
	assert_false(matches(&match));
	assert_true(util_now() - began < 2 * SECOND);
	strcpy(match.cmdline, "a*a*a");
	assert_true(matches(&match));
	end(NULL);
	process = own;
	free(line);
}

static void an_endpoint_is_held_against_what_is_given_of_it(void **state)
{
	struct serin_match match = {.env = "A=b"};
	struct serin_endpoint listener, other;

	(void)state;
	assert_int_equal(endpoint_parse("127.0.0.1:8000", &listener), 0);
	assert_int_equal(endpoint_parse("127.0.0.2:8000", &other), 0);
	assert_true(match_endpoint(&match, &listener));
	match.endpoint.port = 8000;
	assert_true(match_endpoint(&match, &listener));
	match.endpoint.port = 8001;
	assert_false(match_endpoint(&match, &listener));
	match.endpoint = other;
	assert_false(match_endpoint(&match, &listener));
	match.endpoint.port = 0; /* the address alone, and the variable */
	assert_false(match_endpoint(&match, &listener));
	assert_true(match_endpoint(&match, &other));
}

static void a_match_is_told_in_words(void **state)
{
	struct serin_match match = {.endpoint.port = 8000, .exe = "vllm", .env = "A=b", .pid = 7};
	char text[MATCH_TEXT_MAX];

	(void)state;
	match_describe(&match, text);
	assert_string_equal(text, "port 8000, exe vllm, env A=b, pid 7");
	memset(match.cmdline, 'x', sizeof(match.cmdline) - 1);
	match_describe(&match, text);
	assert_int_equal(strlen(text), MATCH_TEXT_MAX - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_exe_is_told_by_its_name_or_its_path),
		cmocka_unit_test(a_command_line_is_told_by_any_part_of_it),
		cmocka_unit_test(a_variable_is_one_whole_one),
		cmocka_unit_test(a_process_is_its_own_and_its_ancestors),
		cmocka_unit_test(a_cgroup_is_told_by_any_part_of_its_path),
		cmocka_unit_test(all_that_is_given_must_match),
		cmocka_unit_test(a_process_that_is_gone_matches_nothing),
		cmocka_unit_test(a_hostile_command_line_takes_no_time),
		cmocka_unit_test(an_endpoint_is_held_against_what_is_given_of_it),
		cmocka_unit_test(a_match_is_told_in_words),
	};

	return cmocka_run_group_tests_name("match", tests, begin, end);
}
