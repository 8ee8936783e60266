/* Links: user/instance.c */
// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Locks in a directory of the test's own; another agent is a forked child. */
#include "check.h"

#include "instance.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define PATIENCE_MS 5000

static char directory[32];
static struct serin_paths paths;
static int mine = -1; /* the lock this process holds */
static pid_t other;   /* another agent, who holds it until its end of `line` hears something */
static int line = -1;

static int make_place(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/serin-lock-XXXXXX");
	assert_non_null(mkdtemp(directory));
	snprintf(paths.run, sizeof(paths.run), "%s/run", directory);
	snprintf(paths.lock, sizeof(paths.lock), "%s/run/lock", directory);
	return 0;
}

static void end_other(int with)
{
	if (other > 0) {
		kill(other, with);
		waitpid(other, NULL, 0);
	}
	util_close(&line);
	other = 0;
	line = -1;
}

static int remove_place(void **state)
{
	(void)state;
	end_other(SIGKILL);
	util_close(&mine);
	mine = -1;
	unlink(paths.lock);
	rmdir(paths.run);
	return rmdir(directory);
}

static bool exists(const char *path)
{
	return access(path, F_OK) == 0;
}

static int acquire(void)
{
	pid_t holder;

	mine = instance_acquire(&paths, &holder);
	return mine;
}

/* What another agent gets when it tries, as 0 or -errno. */
static int acquire_elsewhere(pid_t *ret_holder)
{
	int pipes[2], got[2] = {};
	pid_t child;

	assert_int_equal(pipe(pipes), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		pid_t holder = -1;
		int fd = instance_acquire(&paths, &holder);
		int result[2] = {fd < 0 ? fd : 0, holder};

		_exit(write(pipes[1], result, sizeof(result)) != sizeof(result));
	}
	close(pipes[1]);
	assert_int_equal(read(pipes[0], got, sizeof(got)), sizeof(got));
	close(pipes[0]);
	waitpid(child, NULL, 0);
	*ret_holder = got[1];
	return got[0];
}

/* Another agent takes the lock and keeps it. When this returns it has it. */
static void start_other(void)
{
	struct pollfd ready;
	int ends[2];
	char byte = 0;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	other = fork();
	assert_true(other >= 0);
	if (other == 0) {
		pid_t holder;
		int fd = instance_acquire(&paths, &holder);

		close(ends[0]);
		byte = fd >= 0;
		if (write(ends[1], &byte, 1) == 1 && read(ends[1], &byte, 1) == 1)
			instance_release(&paths, fd);
		_exit(0);
	}
	close(ends[1]);
	line = ends[0];
	ready = (struct pollfd){.fd = line, .events = POLLIN};
	assert_int_equal(poll(&ready, 1, PATIENCE_MS), 1);
	assert_int_equal(read(line, &byte, 1), 1);
	assert_int_equal(byte, 1);
}

static void the_first_agent_gets_the_lock(void **state)
{
	(void)state;
	assert_true(acquire() >= 0);
	assert_true(exists(paths.lock));
}

static void the_run_directory_is_made_for_everyone_to_look_into(void **state)
{
	mode_t mask = umask(022);
	struct stat st;

	(void)state;
	assert_true(acquire() >= 0);
	umask(mask);
	assert_int_equal(stat(paths.run, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
}

static void a_run_directory_that_is_there_is_used(void **state)
{
	(void)state;
	assert_int_equal(mkdir(paths.run, 0700), 0);
	assert_true(acquire() >= 0);
}

/* The lock's file holds this process's pid and nothing else. */
static void check_content(void)
{
	char text[64] = "", expected[32];
	int fd = open(paths.lock, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	snprintf(expected, sizeof(expected), "%d\n", getpid());
	assert_string_equal(text, expected);
}

static void the_lock_holds_the_agents_pid(void **state)
{
	(void)state;
	assert_true(acquire() >= 0);
	check_content();
}

static void nothing_of_a_longer_pid_stays_in_the_lock(void **state)
{
	int fd;

	(void)state;
	assert_int_equal(mkdir(paths.run, 0755), 0);
	fd = open(paths.lock, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "99999999999999999999\n", 21), 21);
	close(fd);
	assert_true(acquire() >= 0);
	check_content();
}

static void a_second_agent_is_told_who_holds_it(void **state)
{
	pid_t holder;

	(void)state;
	assert_true(acquire() >= 0);
	assert_int_equal(acquire_elsewhere(&holder), -EBUSY);
	assert_int_equal(holder, getpid());
}

static void the_holder_is_the_agent_and_not_who_asks(void **state)
{
	pid_t holder = 0;

	(void)state;
	start_other();
	assert_int_equal(instance_acquire(&paths, &holder), -EBUSY);
	assert_int_equal(holder, other);
}

static void a_refused_agent_leaves_the_lock_as_it_is(void **state)
{
	pid_t holder = 0;

	(void)state;
	start_other();
	assert_int_equal(instance_acquire(&paths, &holder), -EBUSY);
	holder = 0;
	assert_int_equal(instance_acquire(&paths, &holder), -EBUSY);
	assert_int_equal(holder, other);
}

static void releasing_removes_what_the_lock_lived_in(void **state)
{
	(void)state;
	assert_true(acquire() >= 0);
	instance_release(&paths, mine);
	mine = -1;
	assert_false(exists(paths.lock));
	assert_false(exists(paths.run));
}

static void releasing_closes_the_lock(void **state)
{
	int fd;

	(void)state;
	fd = acquire();
	assert_true(fd >= 0);
	instance_release(&paths, fd);
	mine = -1;
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_int_equal(errno, EBADF);
}

static void after_a_release_the_lock_is_free(void **state)
{
	char byte = 0;

	(void)state;
	start_other();
	assert_int_equal(write(line, &byte, 1), 1);
	assert_int_equal(read(line, &byte, 1), 0); /* it has ended */
	assert_true(acquire() >= 0);
}

static void the_lock_of_a_killed_agent_is_free(void **state)
{
	(void)state;
	start_other();
	end_other(SIGKILL);
	assert_true(exists(paths.lock));
	assert_true(acquire() >= 0);
}

static void a_release_leaves_what_others_put_there(void **state)
{
	char path[CONFIG_PATH_MAX + 16];
	int fd;

	(void)state;
	assert_true(acquire() >= 0);
	snprintf(path, sizeof(path), "%s/mine", paths.run);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	instance_release(&paths, mine);
	mine = -1;
	assert_false(exists(paths.lock));
	assert_int_equal(unlink(path), 0);
}

static void the_lock_is_not_passed_on_to_programs(void **state)
{
	(void)state;
	assert_true(acquire() >= 0);
	assert_int_equal(fcntl(mine, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

static void two_instances_do_not_exclude_each_other(void **state)
{
	struct serin_paths first = paths;
	pid_t holder;
	int fd;

	(void)state;
	assert_true(acquire() >= 0);
	snprintf(paths.run, sizeof(paths.run), "%s/run@b", directory);
	snprintf(paths.lock, sizeof(paths.lock), "%s/run@b/lock", directory);
	fd = instance_acquire(&paths, &holder);
	instance_release(&paths, fd);
	paths = first;
	assert_true(fd >= 0);
}

static void without_a_place_for_the_directory_there_is_no_lock(void **state)
{
	struct serin_paths nowhere = paths;
	pid_t holder = -7;

	(void)state;
	snprintf(nowhere.run, sizeof(nowhere.run), "%s/none/run", directory);
	snprintf(nowhere.lock, sizeof(nowhere.lock), "%s/none/run/lock", directory);
	assert_int_equal(instance_acquire(&nowhere, &holder), -ENOENT);
	assert_int_equal(holder, -7);
}

static void releasing_nothing_removes_nothing(void **state)
{
	(void)state;
	assert_true(acquire() >= 0);
	instance_release(&paths, -EBUSY);
	assert_true(exists(paths.lock));
}

#define locking(test) cmocka_unit_test_setup_teardown(test, make_place, remove_place)

int main(void)
{
	const struct CMUnitTest tests[] = {
		locking(the_first_agent_gets_the_lock),
		locking(the_run_directory_is_made_for_everyone_to_look_into),
		locking(a_run_directory_that_is_there_is_used),
		locking(the_lock_holds_the_agents_pid),
		locking(nothing_of_a_longer_pid_stays_in_the_lock),
		locking(a_second_agent_is_told_who_holds_it),
		locking(the_holder_is_the_agent_and_not_who_asks),
		locking(a_refused_agent_leaves_the_lock_as_it_is),
		locking(releasing_removes_what_the_lock_lived_in),
		locking(releasing_closes_the_lock),
		locking(after_a_release_the_lock_is_free),
		locking(the_lock_of_a_killed_agent_is_free),
		locking(a_release_leaves_what_others_put_there),
		locking(the_lock_is_not_passed_on_to_programs),
		locking(two_instances_do_not_exclude_each_other),
		locking(without_a_place_for_the_directory_there_is_no_lock),
		locking(releasing_nothing_removes_nothing),
	};

	return cmocka_run_group_tests_name("instance", tests, NULL, NULL);
}
