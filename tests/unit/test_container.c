/* Links: user/container.c user/discover.c user/endpoint.c user/util.c */
// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Containers by the paths of their control groups, as runtimes make them, and names by what a node has of them. */
#define _GNU_SOURCE 1

#include "check.h"

#include "container.h"
#include "util.h"

#include <string.h>
#include <sys/stat.h>

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"
#define UID "5f1c6a2e-0d3b-4c7e-9a41-6b2f8e7d9c01"
#define UID_ "5f1c6a2e_0d3b_4c7e_9a41_6b2f8e7d9c01"
#define OTHER_UID "00000000-0d3b-4c7e-9a41-6b2f8e7d9c01"
#define HASH "8a3ab2b3c9d0e1f2a3b4c5d6e7f80910"

static struct serin_container container;
static char directory[64];

static bool finds(const char *path)
{
	memset(&container, 0xee, sizeof(container));
	return container_of_path(path, &container);
}

/* The path leads into this container. runtime NULL: not told; uid "": of no pod. */
static void expect(const char *path, const char *runtime, const char *id, const char *uid)
{
	if (!finds(path))
		fail_msg("no container in %s", path);
	if (runtime)
		assert_string_equal(container.runtime, runtime);
	else
		assert_null(container.runtime);
	assert_string_equal(container.id, id);
	assert_string_equal(container.pod_uid, uid);
	assert_string_equal(container.pod, "");
	assert_string_equal(container.namespace, "");
	assert_string_equal(container.container, "");
}

/* ---- paths ---- */

static void a_kubelet_with_systemd_makes_slices(void **state)
{
	(void)state;
	expect("/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" UID_ ".slice/cri-containerd-" ID ".scope",
	       "containerd", ID, UID);
	expect("/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" UID_ ".slice/crio-" ID ".scope", "cri-o", ID, UID);
	expect("/kubepods.slice/kubepods-pod" UID_ ".slice/docker-" ID ".scope", "docker", ID, UID);
	expect("/kubepods.slice/kubepods-pod" UID_ ".slice/crio-" ID ".scope/container", "cri-o", ID, UID);
}

static void a_kubelet_with_cgroupfs_makes_directories(void **state)
{
	(void)state;
	expect("/kubepods/burstable/pod" UID "/" ID, NULL, ID, UID);
	expect("/kubepods/besteffort/pod" UID "/" ID, NULL, ID, UID);
	expect("/kubepods/pod" UID "/" ID, NULL, ID, UID);
	expect("/kubepods/burstable/pod" UID "/crio-" ID, "cri-o", ID, UID);
	expect("/k8s.io/" ID, NULL, ID, "");
}

/* The runtime was not told that the kubelet's name is one of systemd's. */
static void a_name_meant_for_systemd_may_be_a_directory(void **state)
{
	(void)state;
	expect("/kubepods-burstable-pod" UID_ ".slice:cri-containerd:" ID, "containerd", ID, UID);
	expect("/system.slice/containerd.service/kubepods-burstable-pod" UID_ ".slice:cri-containerd:" ID, "containerd", ID, UID);
	expect("/system.slice:docker:" ID, "docker", ID, "");
}

static void a_pod_from_a_file_has_a_hash_for_its_uid(void **state)
{
	(void)state;
	expect("/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" HASH ".slice/cri-containerd-" ID ".scope",
	       "containerd", ID, HASH);
	expect("/kubepods/burstable/pod" HASH "/" ID, NULL, ID, HASH);
}

static void docker_and_podman_are_known_without_kubernetes(void **state)
{
	(void)state;
	expect("/system.slice/docker-" ID ".scope", "docker", ID, "");
	expect("/docker/" ID, "docker", ID, "");
	expect("/docker/" ID "/init.scope", "docker", ID, "");
	expect("/machine.slice/libpod-" ID ".scope", "podman", ID, "");
	expect("/machine.slice/libpod-" ID ".scope/container", "podman", ID, "");
	expect("/libpod_parent/libpod-" ID, "podman", ID, "");
	expect("/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" ID ".scope/container", "podman", ID, "");
	expect("/machine.slice/machine-libpod_pod_" OTHER ".slice/libpod-" ID ".scope", "podman", ID, "");
	expect("/default/" ID, NULL, ID, "");
	expect("/system.slice/nerdctl-" ID ".scope", "containerd", ID, "");
}

static void the_innermost_container_is_the_process_s(void **state)
{
	(void)state;
	expect("/docker/" OTHER "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/"
	       "kubelet-kubepods-burstable-pod" UID_ ".slice/cri-containerd-" ID ".scope", "containerd", ID, UID);
	expect("/docker/" OTHER "/kubelet/kubepods/burstable/pod" UID "/" ID, NULL, ID, UID);
	expect("/kubepods/burstable/pod" UID "/" OTHER "/docker/" ID, "docker", ID, UID);
}

/* Who may make groups below his own may call them anything: the pod is the kubelet's word, which comes first. */
static void the_outermost_pod_is_the_kubelet_s(void **state)
{
	(void)state;
	expect("/kubepods/burstable/pod" UID "/" ID "/pod" OTHER_UID "/" OTHER, NULL, OTHER, UID);
}

/* In a container with a cgroup namespace of its own, paths are told from its own group on. */
static void a_path_may_begin_elsewhere(void **state)
{
	(void)state;
	expect("/../../kubepods-burstable-pod" UID_ ".slice/cri-containerd-" ID ".scope", "containerd", ID, UID);
	expect("/../../../burstable/pod" UID "/" ID, NULL, ID, UID);
	expect("/../cri-containerd-" ID ".scope", "containerd", ID, "");
	expect("/../" ID, NULL, ID, "");
}

static void a_group_that_is_gone_is_still_told(void **state)
{
	(void)state;
	expect("/system.slice/docker-" ID ".scope (deleted)", "docker", ID, "");
	expect("/docker/" ID " (deleted)", "docker", ID, "");
}

static void what_is_no_container_is_none(void **state)
{
	static const char *const paths[] = {
		"", "/", "//", "/init.scope", "/system.slice/nginx.service", "/user.slice/user-0.slice/session-1.scope", "/docker",
		"/docker/", "/machine.slice/libpod-conmon-" ID ".scope", "/libpod_parent/conmon",
		"/kubepods.slice/kubepods-burstable.slice/crio-conmon-" ID ".scope", "/kubepods/burstable/pod" UID,
		"/machine.slice/machine-libpod_pod_" ID ".slice", "/docker/0123456789ab", "/docker/" ID "0", "/docker-" ID "0.scope",
		"/system.slice/-" ID ".scope", "/system.slice/:" ID, "/nginx-" ID ".scope", "/docker_" ID,
		"/docker/0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF", ".scope", " (deleted)", ":::", "---",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		if (finds(paths[i]))
			fail_msg("%s: %s", paths[i], container.id);
	assert_int_equal((unsigned char)container.id[0], 0xee); /* untouched */
}

static void what_is_no_pod_s_uid_is_none(void **state)
{
	(void)state;
	expect("/kubepods/burstable/pod" UID "0/" ID, NULL, ID, "");
	expect("/kubepods/burstable/pod5f1c6a2e-0d3b-4c7e-9a41-6b2f8e7d9c0g/" ID, NULL, ID, "");
	expect("/kubepods/burstable/pod5f1c6a2e00d3b-4c7e-9a41-6b2f8e7d9c01/" ID, NULL, ID, "");
	expect("/kubepods/burstable/tripod" UID "/" ID, NULL, ID, "");
	expect("/kubepods/burstable/" UID "/" ID, NULL, ID, "");
	expect("/pod/" ID, NULL, ID, "");
}

static void a_line_is_of_either_version(void **state)
{
	(void)state;
	assert_true(container_of_line("0::/docker/" ID, &container));
	assert_true(container_of_line("5:cpu,cpuacct:/docker/" ID, &container));
	assert_true(container_of_line("1:name=systemd:/system.slice/docker-" ID ".scope", &container));
	assert_true(container_of_line("0::/kubepods-pod" UID_ ".slice:cri-containerd:" ID, &container));
	assert_string_equal(container.pod_uid, UID);
	assert_false(container_of_line("0::/", &container));
	assert_false(container_of_line("", &container));
	assert_false(container_of_line("/docker/" ID, &container));
	assert_false(container_of_line(":/docker/" ID, &container));
}

/* Whoever may make groups below his own may call them anything. Sanitizers watch. */
static void no_path_leads_out_of_bounds(void **state)
{
	static const char *const pieces[] = {
		"/", "/docker-", ID, ".scope", ":cri-containerd:", "/pod", UID, UID_, ".slice", "pod", "-", ":", " (deleted)", "\xff",
		"libpod", HASH, "/..", "_", "0", "%s%n",
	};
	uint64_t random = 7;
	char path[1024];

	(void)state;
	for (unsigned n = 0; n < 200000; n++) {
		size_t length = 0;

		for (unsigned k = (unsigned)(util_random(&random) % 12); k > 0; k--) {
			const char *piece = pieces[util_random(&random) % ARRAY_SIZE(pieces)];
			size_t cut = strlen(piece);

			if (util_random(&random) % 8 == 0)
				cut = util_random(&random) % (cut + 1);
			memcpy(path + length, piece, cut);
			length += cut;
		}
		path[length] = '\0';
		if (!finds(path))
			continue;
		assert_int_equal(strspn(container.id, "0123456789abcdef"), 64);
		assert_int_equal(strlen(container.id), 64);
		assert_int_equal(strspn(container.pod_uid, "0123456789abcdef-"), strlen(container.pod_uid));
	}
}

/* ---- names ---- */

static void of_a_pod(void)
{
	assert_true(finds("/kubepods.slice/kubepods-pod" UID_ ".slice/cri-containerd-" ID ".scope"));
}

static void a_log_is_called_by_pod_namespace_and_container(void **state)
{
	(void)state;
	of_a_pod();
	assert_true(container_take_log("chat-v1-7d9f5b-x2x4q_shop_vllm-server-" ID ".log", &container));
	assert_string_equal(container.pod, "chat-v1-7d9f5b-x2x4q");
	assert_string_equal(container.namespace, "shop");
	assert_string_equal(container.container, "vllm-server");
	assert_true(container_take_log("etcd-node1.example.com_kube-system_etcd-" ID ".log", &container));
	assert_string_equal(container.pod, "etcd-node1.example.com");
}

static void a_log_of_another_or_of_nobody_names_nothing(void **state)
{
	static const char *const names[] = {
		"chat_shop_vllm-" OTHER ".log", "chat_shop_vllm-" ID, "chat_shop_vllm" ID ".log", "chat_shop-" ID ".log",
		"chat-" ID ".log", "-" ID ".log", "_shop_vllm-" ID ".log", "chat__vllm-" ID ".log", "chat_shop_-" ID ".log",
		"chat_shop_vllm_x-" ID ".log", "Chat_shop_vllm-" ID ".log", "chat_sh.op_vllm-" ID ".log", "ch\"at_shop_vllm-" ID ".log",
		"ch\nat_shop_vllm-" ID ".log", "ch\xc3\xa4t_shop_vllm-" ID ".log", "", ".", "..",
		"chat_a0123456789012345678901234567890123456789012345678901234567890123_vllm-" ID ".log",
	};

	(void)state;
	of_a_pod();
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (container_take_log(names[i], &container))
			fail_msg("%s", names[i]);
	assert_string_equal(container.pod, "");
}

static void a_pod_s_directory_is_called_by_namespace_pod_and_uid(void **state)
{
	(void)state;
	of_a_pod();
	assert_false(container_take_pod("shop_chat-1_" OTHER_UID, &container));
	assert_false(container_take_pod("shop_" UID, &container));
	assert_false(container_take_pod("shop_chat-1_" UID "_", &container));
	assert_false(container_take_pod("shop_../x_" UID, &container));
	assert_string_equal(container.pod, "");
	assert_true(container_take_pod("shop_chat-1_" UID, &container));
	assert_string_equal(container.namespace, "shop");
	assert_string_equal(container.pod, "chat-1");
	assert_string_equal(container.container, "");
	*container.pod_uid = '\0';
	assert_false(container_take_pod("shop_chat-1_", &container));
}

/* ---- a node's files ---- */

static void make(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void make(const char *format, ...)
{
	char path[512];
	va_list args;
	int length = snprintf(path, sizeof(path), "%s/", directory);

	va_start(args, format);
	vsnprintf(path + length, sizeof(path) - (size_t)length, format, args);
	va_end(args);
	assert_int_equal(mkdir(path, 0755), 0);
}

static void link_log(const char *name, const char *target)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/containers/%s", directory, name);
	assert_int_equal(symlink(target, path), 0);
}

static int a_node(void **state)
{
	(void)state;
	snprintf(directory, sizeof(directory), "/tmp/serin-container.XXXXXX");
	if (!mkdtemp(directory))
		return -1;
	make("containers");
	make("pods");
	return 0;
}

static int no_node(void **state)
{
	char command[96];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", directory);
	return system(command);
}

static void look(void)
{
	of_a_pod();
	container_name(directory, 1, &container);
}

static void a_node_without_names_names_nothing(void **state)
{
	(void)state;
	look();
	assert_string_equal(container.pod, "");
	container_name("/no/such/place", 1, &container);
	assert_string_equal(container.pod, "");
}

static void a_log_names_the_container(void **state)
{
	(void)state;
	link_log("other_shop_vllm-" OTHER ".log", "/var/log/pods/shop_other_" OTHER_UID "/vllm/0.log");
	link_log("chat-1_shop_vllm-" ID ".log", "/var/log/pods/shop_chat-1_" UID "/vllm/0.log");
	look();
	assert_string_equal(container.namespace, "shop");
	assert_string_equal(container.pod, "chat-1");
	assert_string_equal(container.container, "vllm");
}

/* A group called by another pod's container's id, below one's own pod. */
static void a_log_of_another_pod_names_nobody(void **state)
{
	(void)state;
	link_log("bank-1_bank_ledger-" ID ".log", "/var/log/pods/bank_bank-1_" OTHER_UID "/ledger/0.log");
	look();
	assert_string_equal(container.pod, "");
	make("pods/shop_chat-1_" UID);
	look();
	assert_string_equal(container.pod, "chat-1");
}

static void a_pod_s_directory_names_its_only_container(void **state)
{
	(void)state;
	make("pods/shop_chat-1_" UID);
	make("pods/shop_chat-2_" OTHER_UID);
	look();
	assert_string_equal(container.pod, "chat-1");
	assert_string_equal(container.container, "");
	make("pods/shop_chat-1_" UID "/vllm");
	look();
	assert_string_equal(container.container, "vllm");
	make("pods/shop_chat-1_" UID "/sidecar");
	look();
	assert_string_equal(container.pod, "chat-1");
	assert_string_equal(container.container, "");
}

/* ---- of a target ---- */

static void a_process_in_no_container_has_none(void **state)
{
	const uint32_t pids[] = {(uint32_t)getpid(), 0x7fffffff};
	struct serin_containers containers = {};

	(void)state;
	if (container_of_process((uint32_t)getpid(), &container))
		skip();
	containers_look(&containers, pids, 2, 1);
	assert_int_equal(containers.n, 0);
	assert_int_equal(containers.n_pids, 2);
	containers_look(&containers, pids, 2, 2);
	assert_int_equal(containers.n, 0);
}

/* These processes do not exist: what is told of them is what was known before. */
static void what_is_known_is_not_read_again(void **state)
{
	const uint32_t pids[] = {0x7ffffff1, 0x7ffffff2, 0x7ffffff3};
	struct serin_containers containers = {.n = 2, .pids = {0x7ffffff0, 0x7ffffff3, 0x7ffffff1, 0x7ffffff2}, .of = {0, 1, 1, -1},
					      .n_pids = 4};

	(void)state;
	strcpy(containers.all[0].id, OTHER);
	strcpy(containers.all[1].id, ID);
	containers_look(&containers, pids, 3, 1);
	assert_int_equal(containers.n, 1); /* the first's process is gone */
	assert_string_equal(containers.all[0].id, ID);
	assert_int_equal(containers.of[0], 0);
	assert_int_equal(containers.of[1], -1);
	assert_int_equal(containers.of[2], 0);
}

static void more_than_there_is_room_for_are_left_out(void **state)
{
	struct serin_containers containers = {.n = SERIN_CONTAINERS_MAX, .n_pids = SERIN_CONTAINERS_MAX};
	uint32_t pids[SERIN_PIDS_MAX + 8];

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(pids); i++)
		pids[i] = 0x7ffffe00 + i;
	for (unsigned i = 0; i < SERIN_CONTAINERS_MAX; i++) {
		containers.pids[i] = pids[i];
		containers.of[i] = (int8_t)i;
		snprintf(containers.all[i].id, sizeof(containers.all[i].id), "%064x", i);
	}
	containers_look(&containers, pids, ARRAY_SIZE(pids), 1);
	assert_int_equal(containers.n, SERIN_CONTAINERS_MAX);
	assert_int_equal(containers.n_pids, SERIN_PIDS_MAX);
	assert_int_equal(containers.of[SERIN_PIDS_MAX - 1], -1);
}

static void a_container_is_told_by_what_is_known_of_it(void **state)
{
	char text[CONTAINER_LABEL_MAX];

	(void)state;
	of_a_pod();
	container_label(&container, text);
	assert_string_equal(text, "containerd container 0123456789ab");
	container_take_pod("shop_chat-1_" UID, &container);
	container_label(&container, text);
	assert_string_equal(text, "pod shop/chat-1");
	container_take_log("chat-1_shop_vllm-" ID ".log", &container);
	container_label(&container, text);
	assert_string_equal(text, "pod shop/chat-1 (vllm)");
	assert_true(finds("/" ID));
	container_label(&container, text);
	assert_string_equal(text, "container 0123456789ab");
	strcpy(container.container, "chat");
	container.runtime = "podman";
	container_label(&container, text);
	assert_string_equal(text, "podman container chat");
}

int main(void)
{
#define on_a_node(test) cmocka_unit_test_setup_teardown(test, a_node, no_node)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_kubelet_with_systemd_makes_slices),
		cmocka_unit_test(a_kubelet_with_cgroupfs_makes_directories),
		cmocka_unit_test(a_name_meant_for_systemd_may_be_a_directory),
		cmocka_unit_test(a_pod_from_a_file_has_a_hash_for_its_uid),
		cmocka_unit_test(docker_and_podman_are_known_without_kubernetes),
		cmocka_unit_test(the_innermost_container_is_the_process_s),
		cmocka_unit_test(the_outermost_pod_is_the_kubelet_s),
		cmocka_unit_test(a_path_may_begin_elsewhere),
		cmocka_unit_test(a_group_that_is_gone_is_still_told),
		cmocka_unit_test(what_is_no_container_is_none),
		cmocka_unit_test(what_is_no_pod_s_uid_is_none),
		cmocka_unit_test(a_line_is_of_either_version),
		cmocka_unit_test(no_path_leads_out_of_bounds),
		cmocka_unit_test(a_log_is_called_by_pod_namespace_and_container),
		cmocka_unit_test(a_log_of_another_or_of_nobody_names_nothing),
		cmocka_unit_test(a_pod_s_directory_is_called_by_namespace_pod_and_uid),
		on_a_node(a_node_without_names_names_nothing),
		on_a_node(a_log_names_the_container),
		on_a_node(a_log_of_another_pod_names_nobody),
		on_a_node(a_pod_s_directory_names_its_only_container),
		cmocka_unit_test(a_process_in_no_container_has_none),
		cmocka_unit_test(what_is_known_is_not_read_again),
		cmocka_unit_test(more_than_there_is_room_for_are_left_out),
		cmocka_unit_test(a_container_is_told_by_what_is_known_of_it),
	};

	return cmocka_run_group_tests_name("container", tests, NULL, NULL);
}
