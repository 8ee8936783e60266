/* Links: tests/bpf/sweeper.c user/targets.c user/loader.c user/pins.c user/steer.c user/system.c user/discover.c user/match.c user/container.c user/config.c user/quantity.c user/endpoint.c user/util.c -lbpf -lm */
// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* With the real programs and maps, in a network namespace of its own. */
#define _GNU_SOURCE 1

#include "check.h"

#include "serin.skel.h"
#include "discover.h"
#include "targets.h"
#include "../bpf/sweeper.h"
#include "util.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

static struct loader *loader;
static struct targets *targets;

static struct serin_model model(const char *name, const char *version, uint16_t port)
{
	struct serin_model m = {.match.endpoint.port = port};

	strcpy(m.name, name);
	strcpy(m.version, version);
	return m;
}

static int add(struct targets *to, const char *version, uint16_t port)
{
	struct serin_model m = model("chat", version, port);

	return targets_add(to, loader, &m, SERIN_ROLE_NONE);
}

static struct serin_target_info info_of(uint32_t index)
{
	struct serin_target_info info;

	assert_int_equal(bpf_map_lookup_elem(loader_maps(loader)->targets, &index, &info), 0);
	return info;
}

static struct serin_tally *tallies(void)
{
	struct serin_tally *all = calloc((size_t)libbpf_num_possible_cpus(), sizeof(*all));

	assert_non_null(all);
	return all;
}

static void count(uint32_t index, uint64_t started)
{
	_cleanup_free_ struct serin_tally *all = tallies();

	all[0].started = started;
	assert_int_equal(bpf_map_update_elem(loader_maps(loader)->tallies, &index, all, BPF_ANY), 0);
}

static uint64_t counted(uint32_t index)
{
	_cleanup_free_ struct serin_tally *all = tallies();

	assert_int_equal(bpf_map_lookup_elem(loader_maps(loader)->tallies, &index, all), 0);
	return all[0].started;
}

static unsigned watches(void)
{
	int map = bpf_map__fd(loader_bpf(loader)->maps.serin_watches);
	struct serin_watch_key key, *before = NULL;
	unsigned n = 0;

	for (; bpf_map_get_next_key(map, before, &key) == 0; before = &key)
		n++;
	return n;
}

static unsigned offered(uint32_t release)
{
	int map = bpf_map__fd(loader_bpf(loader)->maps.serin_listeners);
	unsigned n = 0;

	for (uint32_t slot = 0; slot < SERIN_SLOTS; slot++) {
		uint32_t key = release * SERIN_SLOTS + slot;
		uint64_t cookie;

		n += bpf_map_lookup_elem(map, &key, &cookie) == 0;
	}
	return n;
}

/* ---- places ---- */

static void a_target_is_there_once(void **state)
{
	(void)state;
	assert_int_equal(add(targets, "v1", 8000), 0);
	assert_int_equal(add(targets, "v2", 8001), 1);
	assert_int_equal(add(targets, "v1", 8000), 0);
	assert_int_equal(targets->n, 2);
	assert_int_equal(targets_find(targets, "chat", "v2"), 1);
	assert_int_equal(targets_find(targets, "chat", "v3"), -1);
	assert_int_equal(targets_find(targets, "", ""), -1);
}

static void what_is_published_is_watched_by_its_port(void **state)
{
	struct serin_model m = model("chat", "v2", 8001);

	(void)state;
	strcpy(m.match.env, "A=b");
	add(targets, "v1", 8000);
	assert_int_equal(targets_add(targets, loader, &m, SERIN_ROLE_NONE), 1);
	assert_int_equal(targets_publish(targets, loader), 0);
	assert_string_equal(info_of(0).version, "v1");
	assert_string_equal(info_of(1).version, "v2");
	assert_int_equal(info_of(0).port, 8000);
	assert_int_equal(info_of(0).release, SERIN_NONE);
	assert_int_equal(watches(), 1);
}

static void a_target_that_comes_back_goes_on_counting(void **state)
{
	(void)state;
	add(targets, "v1", 8000);
	add(targets, "v2", 8001);
	assert_int_equal(targets_publish(targets, loader), 0);
	count(1, 77);
	targets_remove(targets, loader, 1);
	assert_false(targets_is_used(targets, 1));
	assert_string_equal(info_of(1).model, "");
	assert_int_equal(watches(), 1);
	assert_int_equal(add(targets, "v3", 8003), 2); /* a place that nobody has had */
	assert_int_equal(add(targets, "v2", 8002), 1);
	assert_int_equal(counted(1), 77);
	assert_int_equal(targets_publish(targets, loader), 0);
	assert_int_equal(info_of(1).port, 8002);
	assert_int_equal(watches(), 3);
}

static void a_place_that_another_had_begins_at_zero(void **state)
{
	char version[16];

	(void)state;
	for (int i = 0; i < SERIN_TARGETS_MAX; i++) {
		snprintf(version, sizeof(version), "v%d", i);
		assert_int_equal(add(targets, version, (uint16_t)(8000 + i)), i);
	}
	assert_int_equal(add(targets, "more", 9000), -ENOSPC);
	count(5, 77);
	count(6, 78);
	targets_remove(targets, loader, 5);
	assert_int_equal(add(targets, "more", 9000), 5);
	assert_int_equal(counted(5), 0);
	assert_int_equal(counted(6), 78);
}

/* As for an agent that takes over another's maps: the names in the kernel tell the places. */
static void the_next_agent_finds_the_places_by_name(void **state)
{
	_cleanup_free_ struct targets *next = calloc(1, sizeof(*next));

	(void)state;
	assert_non_null(next);
	add(targets, "v1", 8000);
	add(targets, "v2", 8001);
	add(targets, "v3", 8002);
	assert_int_equal(targets_publish(targets, loader), 0);
	count(2, 77);
	assert_int_equal(add(next, "v3", 8002), 2);
	assert_int_equal(add(next, "v4", 8004), 3);
	assert_int_equal(targets_publish(next, loader), 0);
	assert_int_equal(counted(2), 77);
	assert_int_equal(next->n, 4);
	assert_string_equal(info_of(0).model, ""); /* nobody's now */
	assert_string_equal(info_of(2).version, "v3");
	assert_int_equal(watches(), 2);
	targets_free(next);
}

/* A place whose target was let go has no name any more, and its counters still. */
static void the_next_agent_begins_at_zero_where_somebody_was(void **state)
{
	_cleanup_free_ struct targets *next = calloc(1, sizeof(*next));

	(void)state;
	assert_non_null(next);
	add(targets, "v1", 8000);
	add(targets, "v2", 8001);
	assert_int_equal(targets_publish(targets, loader), 0);
	count(1, 77);
	targets_remove(targets, loader, 1);
	add(next, "v1", 8000);
	assert_int_equal(add(next, "v4", 8004), 1);
	assert_int_equal(counted(1), 0);
	targets_free(next);
}

/* A reload must not take back what was set since. */
static void publishing_again_leaves_what_was_set(void **state)
{
	(void)state;
	add(targets, "v1", 8000);
	assert_int_equal(targets_publish(targets, loader), 0);
	assert_int_equal(targets_set_deadline(targets, loader, 0, 5), 0);
	add(targets, "v2", 8001);
	assert_int_equal(targets_publish(targets, loader), 0);
	assert_int_equal(info_of(0).deadline_ns, 5);
}

/* ---- listeners ---- */

static int listen_on(uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	return bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 8) < 0 ? -1 : fd;
}

/* A process that listens, under a name of its own. */
static pid_t server(uint16_t port, const char *variable)
{
	char *const words[] = {"sleep", "1000", NULL}, *const environment[] = {(char *)variable, NULL};
	pid_t pid = fork();
	char path[48], text[64] = "";
	_cleanup_close_ int fd = -1;

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (listen_on(port) < 0)
			_exit(1);
		execve("/bin/sleep", words, environment);
		_exit(1);
	}
	/* Its environment is the last thing that it gets. */
	snprintf(path, sizeof(path), "/proc/%d/environ", pid);
	for (uint64_t until = util_now() + 10 * SECOND; strcmp(text, variable) && util_now() < until; util_close(&fd)) {
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
			break;
	}
	assert_string_equal(text, variable);
	return pid;
}

static void end_server(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* Somebody else on this machine may begin to listen at any moment, which is a reason to look. */
static void expect_up_to_date(void)
{
	for (int i = 0; i < 100 && targets_stale(targets, loader); i++)
		assert_int_equal(targets_refresh(targets, loader), 0);
	assert_false(targets_stale(targets, loader));
}

static void a_listener_is_told_by_its_process_and_offered_once(void **state)
{
	struct serin_model stable = model("chat", "v1", 0), canary = model("chat", "v2", 0);
	struct serin_endpoint service = {.port = 8000};
	pid_t one = server(8000, "V=1"), two = server(8001, "V=2");
	struct steer *steer = NULL;

	(void)state;
	strcpy(stable.match.env, "V=1");
	strcpy(canary.match.env, "V=2");
	assert_int_equal(targets_add(targets, loader, &stable, SERIN_ROLE_STABLE), 0);
	assert_int_equal(targets_add(targets, loader, &canary, SERIN_ROLE_CANARY), 1);
	assert_int_equal(targets_publish(targets, loader), 0);
	assert_int_equal(steer_open(loader, 3, &service, &steer), 0);
	assert_int_equal(targets_steer(targets, 0, 3, 8000, NULL), 0);
	assert_int_equal(targets_steer(targets, 1, 3, 8000, steer), 0);
	assert_int_equal(info_of(1).release, 3);
	assert_true(targets_stale(targets, loader));
	assert_int_equal(targets_refresh(targets, loader), 3);
	assert_int_equal(targets->all[0].n_listeners, 1);
	assert_int_equal(targets->all[1].listeners[0].endpoint.port, 8001);
	assert_int_equal(offered(3), 1);
	expect_up_to_date();

	targets->look_again = true;
	assert_int_equal(targets_refresh(targets, loader), 0);
	assert_int_equal(offered(3), 1);

	end_server(two);
	assert_int_equal(targets_refresh(targets, loader), 2);
	assert_int_equal(targets->all[1].n_listeners, 0);
	two = server(8001, "V=2");
	targets->listed_ns = 0; /* a second later */
	assert_true(targets_stale(targets, loader));
	assert_int_equal(targets_refresh(targets, loader), 2);
	assert_int_equal(offered(3), 1);
	steer_close(steer);
	end_server(one);
	end_server(two);
}

/* Models change places in the configuration: what the listener accepts from now on is the new one's. */
static void a_listener_changes_hands(void **state)
{
	pid_t pid = server(8000, "V=1");
	int fd, index, map = bpf_map__fd(loader_bpf(loader)->maps.serin_conns);
	_cleanup_free_ struct discover_holder *holder = NULL;
	struct serin_conn conn;

	(void)state;
	add(targets, "v1", 8000);
	assert_int_equal(targets_publish(targets, loader), 0);
	assert_int_equal(targets_refresh(targets, loader), 1);
	targets_remove(targets, loader, 0);
	index = add(targets, "v2", 8000);
	assert_int_equal(index, 1);
	assert_int_equal(targets_publish(targets, loader), 0);
	assert_int_equal(targets_refresh(targets, loader), 2);
	assert_int_equal(discover_holders(&targets->all[1].listeners[0].inode, 1, &holder), 1);
	fd = discover_duplicate(holder->pid, holder->fd);
	assert_true(fd >= 0);
	assert_int_equal(bpf_map_lookup_elem(map, &fd, &conn), 0);
	assert_int_equal(conn.target, 1);
	assert_int_equal(conn.socket, SERIN_SOCKET_LISTENER);
	close(fd);
	end_server(pid);
}

static int load(void **state)
{
	struct serin_paths paths;
	char instance[32], note[LOADER_WHY_MAX], why[LOADER_WHY_MAX] = "";
	bool taken_over;

	(void)state;
	snprintf(instance, sizeof(instance), "unit-%d", getpid());
	config_paths(instance, &paths);
	targets = calloc(1, sizeof(*targets));
	if (!targets || sweeper_start(&paths) < 0 || loader_start(&paths, &loader, &taken_over, note, why) < 0) {
		fprintf(stderr, "%s\n", why);
		return -1;
	}
	return 0;
}

static int unload(void **state)
{
	(void)state;
	targets_free(targets);
	free(TAKE_PTR(targets));
	loader_stop(TAKE_PTR(loader), false);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_target_is_there_once, load, unload),
		cmocka_unit_test_setup_teardown(what_is_published_is_watched_by_its_port, load, unload),
		cmocka_unit_test_setup_teardown(a_target_that_comes_back_goes_on_counting, load, unload),
		cmocka_unit_test_setup_teardown(a_place_that_another_had_begins_at_zero, load, unload),
		cmocka_unit_test_setup_teardown(the_next_agent_begins_at_zero_where_somebody_was, load, unload),
		cmocka_unit_test_setup_teardown(the_next_agent_finds_the_places_by_name, load, unload),
		cmocka_unit_test_setup_teardown(publishing_again_leaves_what_was_set, load, unload),
		cmocka_unit_test_setup_teardown(a_listener_is_told_by_its_process_and_offered_once, load, unload),
		cmocka_unit_test_setup_teardown(a_listener_changes_hands, load, unload),
	};

	if (unshare(CLONE_NEWNET) < 0 || system("ip link set lo up") != 0) {
		printf("targets: SKIP: it needs root, and a network namespace of its own\n");
		return 77;
	}
	return cmocka_run_group_tests_name("targets", tests, NULL, NULL);
}
