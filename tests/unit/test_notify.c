/* Links: user/notify.c */
// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Against a real datagram socket, as a service manager has it. */
#define _GNU_SOURCE 1

#include "check.h"

#include "notify.h"
#include "util.h"

#include <errno.h>
#include <string.h>

static char directory[32], path[64];
static int manager = -1; /* its end */
static struct notify notify;

static void listen_at(const char *name, bool abstract)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name) + !abstract);

	strcpy(address.sun_path, name);
	if (abstract)
		address.sun_path[0] = '\0';
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_true(manager >= 0);
	assert_int_equal(bind(manager, (struct sockaddr *)&address, length), 0);
	setenv("NOTIFY_SOCKET", name, 1);
}

static int begin(void **state)
{
	(void)state;
	strcpy(directory, "/tmp/serin-notify-XXXXXX");
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/socket", directory);
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	return 0;
}

static int end(void **state)
{
	(void)state;
	notify_close(&notify);
	util_close(&manager);
	manager = -1;
	unlink(path);
	rmdir(directory);
	return 0;
}

static void open_both(void)
{
	listen_at(path, false);
	assert_int_equal(notify_open(&notify), 0);
}

/* The next datagram that the manager has; "" when there is none. */
static const char *heard(void)
{
	static char text[2048];
	ssize_t length = recv(manager, text, sizeof(text) - 1, 0);

	text[length < 0 ? 0 : length] = '\0';
	return text;
}

static void nobody_to_tell_is_no_error(void **state)
{
	(void)state;
	assert_int_equal(notify_open(&notify), 0);
	assert_int_equal(notify.fd, -1);
	assert_int_equal(notify_ready(&notify), 0);
	assert_int_equal(notify_reloading(&notify, SECOND), 0);
	assert_int_equal(notify_status(&notify, "observing"), 0);
	assert_int_equal(notify_alive(&notify, SECOND), 0);
	assert_int_equal(notify_stopping(&notify), 0);
}

static void it_is_told_to_a_path(void **state)
{
	(void)state;
	open_both();
	assert_int_equal(notify_ready(&notify), 0);
	assert_string_equal(heard(), "READY=1");
}

static void it_is_told_to_an_abstract_name(void **state)
{
	char name[64];

	(void)state;
	snprintf(name, sizeof(name), "@%s", directory);
	listen_at(name, true);
	assert_int_equal(notify_open(&notify), 0);
	assert_int_equal(notify_ready(&notify), 0);
	assert_string_equal(heard(), "READY=1");
}

static void what_is_no_address_is_refused(void **state)
{
	char longest[109];
	const struct {
		const char *name;
		int error;
	} all[] = {
		{"relative", -EINVAL}, {"/", -EINVAL}, {"@", -EINVAL}, {longest, -EINVAL}, {"vsock:2:1234", -EAFNOSUPPORT},
		{"vsock-stream:2:1234", -EAFNOSUPPORT},
	};

	(void)state;
	memset(longest, 'x', sizeof(longest));
	longest[0] = '/';
	longest[108] = '\0'; /* a byte too long, with its NUL */
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		setenv("NOTIFY_SOCKET", all[i].name, 1);
		assert_int_equal(notify_open(&notify), all[i].error);
		assert_int_equal(notify_ready(&notify), 0); /* to nobody */
	}
}

static void a_manager_that_is_gone_is_an_error_to_try_again(void **state)
{
	(void)state;
	open_both();
	util_close(&manager);
	unlink(path);
	assert_int_equal(notify_ready(&notify), -ENOENT);
	assert_false(notify.ready);
	assert_int_equal(notify_status(&notify, "observing"), -ENOENT);
	listen_at(path, false);
	assert_int_equal(notify_ready(&notify), 0);
	assert_string_equal(heard(), "READY=1");
	assert_int_equal(notify_status(&notify, "observing"), 0);
	assert_string_equal(heard(), "STATUS=observing");
}

/* Nobody reads: the queue of a socket is some datagrams long. */
static void a_manager_that_does_not_read_is_not_waited_for(void **state)
{
	char words[32];
	int r = 0;

	(void)state;
	open_both();
	for (int i = 0; r == 0 && i < 100000; i++) {
		snprintf(words, sizeof(words), "look %d", i);
		r = notify_status(&notify, words);
	}
	assert_int_equal(r, -EAGAIN);
}

static void ready_is_told_once_and_again_after_a_reload(void **state)
{
	(void)state;
	open_both();
	notify_ready(&notify);
	assert_string_equal(heard(), "READY=1");
	assert_int_equal(notify_ready(&notify), 0);
	assert_string_equal(heard(), "");
	assert_int_equal(notify_reloading(&notify, 1234567890), 0);
	assert_string_equal(heard(), "RELOADING=1\nMONOTONIC_USEC=1234567");
	notify_ready(&notify);
	assert_string_equal(heard(), "READY=1");
	notify_stopping(&notify);
	assert_string_equal(heard(), "STOPPING=1");
}

static void a_status_is_told_when_it_changes(void **state)
{
	(void)state;
	open_both();
	notify_status(&notify, "chat at 5%");
	assert_string_equal(heard(), "STATUS=chat at 5%");
	notify_status(&notify, "chat at 5%");
	assert_string_equal(heard(), "");
	notify_status(&notify, "chat at 25%");
	assert_string_equal(heard(), "STATUS=chat at 25%");
}

/* Else the second line would be a message of its own. */
static void a_status_is_one_line(void **state)
{
	(void)state;
	open_both();
	notify_status(&notify, "it says\nMAINPID=1\n");
	assert_string_equal(heard(), "STATUS=it says MAINPID=1 ");
}

static void a_long_status_is_cut_between_characters(void **state)
{
	char words[NOTIFY_STATUS_MAX + 10];
	const char *told;

	(void)state;
	open_both();
	memset(words, 'x', sizeof(words) - 1);
	words[sizeof(words) - 1] = '\0';
	notify_status(&notify, words);
	assert_int_equal(strlen(heard()), strlen("STATUS=") + NOTIFY_STATUS_MAX - 1);
	memcpy(words + NOTIFY_STATUS_MAX - 3, "\xe2\x82\xac", 3); /* its last byte is where the NUL is to be */
	notify_status(&notify, words);
	told = heard();
	assert_int_equal(strlen(told), strlen("STATUS=") + NOTIFY_STATUS_MAX - 3);
	assert_string_equal(told + strlen(told) - 1, "x");
}

static void a_watchdog_is_fed_at_a_quarter_of_its_patience(void **state)
{
	(void)state;
	setenv("WATCHDOG_USEC", "10000000", 1);
	open_both();
	assert_int_equal(notify_alive(&notify, 100 * SECOND), 0);
	assert_string_equal(heard(), "WATCHDOG=1");
	notify_alive(&notify, 102 * SECOND);
	assert_string_equal(heard(), "");
	notify_alive(&notify, 103 * SECOND);
	assert_string_equal(heard(), "WATCHDOG=1");
}

static void without_a_watchdog_nothing_is_told(void **state)
{
	static const char *const none[] = {NULL, "", "0", "soon", "-1", "99999999999999999999", "18446744073709551615"};

	(void)state;
	listen_at(path, false);
	for (size_t i = 0; i < ARRAY_SIZE(none); i++) {
		if (none[i])
			setenv("WATCHDOG_USEC", none[i], 1);
		assert_int_equal(notify_open(&notify), 0);
		notify_alive(&notify, 100 * SECOND);
		notify_interval(&notify, 100 * SECOND);
		assert_string_equal(heard(), "");
		notify_close(&notify);
	}
}

static void another_process_s_watchdog_is_not_fed(void **state)
{
	char pid[16];

	(void)state;
	setenv("WATCHDOG_USEC", "10000000", 1);
	setenv("WATCHDOG_PID", "1", 1);
	open_both();
	notify_alive(&notify, 100 * SECOND);
	assert_string_equal(heard(), "");
	notify_close(&notify);
	snprintf(pid, sizeof(pid), "%d", getpid());
	setenv("WATCHDOG_PID", pid, 1);
	notify_open(&notify);
	notify_alive(&notify, 100 * SECOND);
	assert_string_equal(heard(), "WATCHDOG=1");
}

static void a_watchdog_is_made_as_patient_as_looks_are_rare(void **state)
{
	(void)state;
	setenv("WATCHDOG_USEC", "10000000", 1);
	open_both();
	assert_int_equal(notify_interval(&notify, 5 * SECOND), 0);
	assert_string_equal(heard(), "");
	notify_interval(&notify, 6 * SECOND);
	assert_string_equal(heard(), "WATCHDOG_USEC=24000000");
	notify_alive(&notify, 100 * SECOND);
	heard();
	notify_alive(&notify, 106 * SECOND - 1);
	assert_string_equal(heard(), "");
	notify_alive(&notify, 106 * SECOND);
	assert_string_equal(heard(), "WATCHDOG=1");
}

#define telling(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		telling(nobody_to_tell_is_no_error),
		telling(it_is_told_to_a_path),
		telling(it_is_told_to_an_abstract_name),
		telling(what_is_no_address_is_refused),
		telling(a_manager_that_is_gone_is_an_error_to_try_again),
		telling(a_manager_that_does_not_read_is_not_waited_for),
		telling(ready_is_told_once_and_again_after_a_reload),
		telling(a_status_is_told_when_it_changes),
		telling(a_status_is_one_line),
		telling(a_long_status_is_cut_between_characters),
		telling(a_watchdog_is_fed_at_a_quarter_of_its_patience),
		telling(without_a_watchdog_nothing_is_told),
		telling(another_process_s_watchdog_is_not_fed),
		telling(a_watchdog_is_made_as_patient_as_looks_are_rare),
	};

	return cmocka_run_group_tests_name("notify", tests, NULL, NULL);
}
