// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#define _GNU_SOURCE 1

#include "container.h"

#include "discover.h"
#include "util.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#define ID_LENGTH (SERIN_CONTAINER_ID_MAX - 1)
#define ANCESTORS_MAX 64
#define NAME_AGAIN_NS (10 * NSEC_PER_SEC)
#define DELETED " (deleted)"

/* ---- a path ---- */

/* A part of a text that is somebody else's. */
struct span {
	const char *text;
	size_t length;
};

static bool is(struct span span, const char *text)
{
	return span.length == strlen(text) && !memcmp(span.text, text, span.length);
}

static bool begins(struct span span, const char *text)
{
	return span.length >= strlen(text) && !memcmp(span.text, text, strlen(text));
}

static void cut_end(struct span *span, const char *end)
{
	size_t length = strlen(end);

	if (span->length > length && !memcmp(span->text + span->length - length, end, length))
		span->length -= length;
}

static struct span behind(struct span span, size_t n)
{
	return (struct span){span.text + n, span.length - n};
}

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

static bool is_id(struct span span)
{
	if (span.length != ID_LENGTH)
		return false;
	for (size_t i = 0; i < span.length; i++)
		if (!is_hex(span.text[i]))
			return false;
	return true;
}

/* Who calls his containers' groups what. One that only keeps watch over a container (libpod-conmon-ID) is not it. */
static const struct {
	const char *prefix, *runtime;
} prefixes[] = {
	{"cri-containerd", "containerd"}, {"nerdctl", "containerd"}, {"crio", "cri-o"},
	{"docker", "docker"},		  {"libpod", "podman"},
};

/* Where the id is all of the name, its parent may tell. A kubelet's does not: podUID/ID is containerd's, or docker's. */
static const struct {
	const char *parent, *runtime;
} parents[] = {{"docker", "docker"}, {"libpod_parent", "podman"}};

static const char *runtime_by_parent(struct span parent)
{
	for (size_t i = 0; i < ARRAY_SIZE(parents); i++)
		if (is(parent, parents[i].parent))
			return parents[i].runtime;
	return NULL;
}

static void set_container(struct serin_container *container, const char *runtime, struct span id)
{
	container->runtime = runtime;
	snprintf(container->id, sizeof(container->id), "%.*s", (int)id.length, id.text);
}

/* A pod's uid: 8-4-4-4-12 hexadecimal digits, with systemd's names "_" for "-", or of a pod from a file 32. */
static bool is_uid(struct span span)
{
	bool grouped = span.length == 36;

	if (!grouped && span.length != 32)
		return false;
	for (size_t i = 0; i < span.length; i++) {
		bool joint = grouped && (i == 8 || i == 13 || i == 18 || i == 23);

		if (joint ? span.text[i] != '-' && span.text[i] != '_' : !is_hex(span.text[i]))
			return false;
	}
	return true;
}

/* podUID, or SLICE-podUID.slice. */
static void take_pod_uid(struct span name, struct serin_container *container)
{
	static const size_t lengths[] = {36, 32};

	if (*container->pod_uid) /* what is below the kubelet's group is the container's own to name */
		return;
	cut_end(&name, ".slice");
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		size_t at = name.length - lengths[i]; /* of the uid */

		if (name.length < lengths[i] + strlen("pod") || !is_uid(behind(name, at)) ||
		    !begins(behind(name, at - strlen("pod")), "pod") ||
		    (at > strlen("pod") && name.text[at - strlen("pod") - 1] != '-'))
			continue;
		snprintf(container->pod_uid, sizeof(container->pod_uid), "%.*s", (int)lengths[i], name.text + at);
	}
	for (char *c = container->pod_uid; *c; c++)
		if (*c == '_')
			*c = '-';
}

/* PREFIX-ID, or SLICE:PREFIX:ID, which is what a runtime without systemd makes of a name that was meant for it. */
static void take_prefixed(struct span name, struct serin_container *container)
{
	size_t id_at, prefix_at;

	if (name.length <= ID_LENGTH + 1 || !is_id(behind(name, name.length - ID_LENGTH)))
		return;
	id_at = name.length - ID_LENGTH;
	if (name.text[id_at - 1] != '-' && name.text[id_at - 1] != ':')
		return;
	for (prefix_at = id_at - 1; prefix_at > 0 && name.text[prefix_at - 1] != ':'; prefix_at--)
		;
	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		if (!is((struct span){name.text + prefix_at, id_at - 1 - prefix_at}, prefixes[i].prefix))
			continue;
		set_container(container, prefixes[i].runtime, behind(name, id_at));
		if (prefix_at > 0)
			take_pod_uid((struct span){name.text, prefix_at - 1}, container);
	}
}

static void take_component(struct span name, struct span parent, struct serin_container *container)
{
	cut_end(&name, DELETED);
	cut_end(&name, ".scope");
	if (is_id(name))
		set_container(container, runtime_by_parent(parent), name);
	else
		take_prefixed(name, container);
	take_pod_uid(name, container);
}

bool container_of_path(const char *path, struct serin_container *ret)
{
	struct serin_container container = {};
	struct span parent = {"", 0};

	while (*path) {
		struct span name = {path, strcspn(path, "/")};

		take_component(name, parent, &container);
		parent = name;
		path += name.length;
		path += *path == '/';
	}
	if (!*container.id)
		return false;
	*ret = container;
	return true;
}

bool container_of_line(const char *line, struct serin_container *ret)
{
	const char *controllers = strchr(line, ':'), *path = controllers ? strchr(controllers + 1, ':') : NULL;

	return path && container_of_path(path + 1, ret);
}

/* No name of a control group has a newline: the kernel does not take one. */
bool container_of_process(uint32_t pid, struct serin_container *ret)
{
	_cleanup_fclose_ FILE *file = NULL;
	_cleanup_free_ char *line = NULL;
	size_t room = 0;
	char path[32];

	snprintf(path, sizeof(path), "/proc/%u/cgroup", pid);
	file = fopen(path, "re");
	while (file && getline(&line, &room, file) > 0) {
		line[strcspn(line, "\n")] = '\0';
		if (container_of_line(line, ret))
			return true;
	}
	return false;
}

/* ---- names ---- */

/* Copies a name of Kubernetes': lower-case letters, digits, "-" and, in a pod's, ".". */
static bool take_name(struct span name, const char *more, char *ret_text, size_t size)
{
	if (name.length == 0 || name.length >= size)
		return false;
	for (size_t i = 0; i < name.length; i++) {
		char c = name.text[i];

		if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && (!c || !strchr(more, c)))
			return false;
	}
	memcpy(ret_text, name.text, name.length);
	ret_text[name.length] = '\0';
	return true;
}

/* The part of *rest up to the first `end`, which both are then behind. */
static struct span part(struct span *rest, char end)
{
	const char *found = memchr(rest->text, end, rest->length);
	struct span first = {rest->text, found ? (size_t)(found - rest->text) : rest->length};

	*rest = behind(*rest, first.length + (found ? 1 : 0));
	return first;
}

/* The end is compared first: it is what tells it from the others. */
bool container_take_log(const char *name, struct serin_container *container)
{
	struct serin_container named = *container;
	struct span rest = {name, strlen(name)}, pod, namespace;
	char end[SERIN_CONTAINER_ID_MAX + 8];

	snprintf(end, sizeof(end), "-%s.log", container->id);
	if (rest.length <= strlen(end) || strcmp(name + rest.length - strlen(end), end) != 0)
		return false;
	rest.length -= strlen(end);
	pod = part(&rest, '_');
	namespace = part(&rest, '_');
	if (!take_name(pod, "-.", named.pod, sizeof(named.pod)) ||
	    !take_name(namespace, "-", named.namespace, sizeof(named.namespace)) ||
	    !take_name(rest, "-", named.container, sizeof(named.container)))
		return false;
	*container = named;
	return true;
}

bool container_take_pod(const char *name, struct serin_container *container)
{
	struct serin_container named = *container;
	struct span rest = {name, strlen(name)}, namespace = part(&rest, '_'), pod = part(&rest, '_');

	if (!*container->pod_uid || !is(rest, container->pod_uid) ||
	    !take_name(namespace, "-", named.namespace, sizeof(named.namespace)) ||
	    !take_name(pod, "-.", named.pod, sizeof(named.pod)))
		return false;
	*container = named;
	return true;
}

static inline void close_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}
#define _cleanup_dir_ __attribute__((cleanup(close_dir)))

static DIR *open_directory(const char *logs, const char *name)
{
	char path[PATH_MAX];

	return (size_t)snprintf(path, sizeof(path), "%s/%s", logs, name) < sizeof(path) ? opendir(path) : NULL;
}

/* It leads into the directory of its pod, if it can be seen where it leads: who can make groups below his own may call them
 * by another's id, and is not given that one's names. */
static bool is_of_its_pod(int directory, const char *log, const struct serin_container *container)
{
	char target[PATH_MAX], needle[sizeof(container->pod_uid) + 3];
	ssize_t length = readlinkat(directory, log, target, sizeof(target) - 1);

	if (length < 0 || !*container->pod_uid)
		return true;
	target[length] = '\0';
	snprintf(needle, sizeof(needle), "_%s/", container->pod_uid);
	return strstr(target, needle);
}

static bool name_by_log(const char *logs, struct serin_container *container)
{
	_cleanup_dir_ DIR *directory = open_directory(logs, "containers");
	struct dirent *entry;

	while (directory && (entry = readdir(directory))) {
		struct serin_container named = *container;

		if (!container_take_log(entry->d_name, &named) || !is_of_its_pod(dirfd(directory), entry->d_name, container))
			continue;
		*container = named;
		return true;
	}
	return false;
}

/* A pod has a directory for each of its containers. Which one is this cannot be told, unless there is one only. */
static void name_by_only_container(const char *logs, const char *pod, struct serin_container *container)
{
	_cleanup_dir_ DIR *directory = NULL;
	const char *only = NULL;
	struct dirent *entry;
	char name[300];

	snprintf(name, sizeof(name), "pods/%.255s", pod);
	directory = open_directory(logs, name);
	while (directory && (entry = readdir(directory))) {
		if (entry->d_name[0] == '.')
			continue;
		if (only)
			return;
		snprintf(name, sizeof(name), "%s", entry->d_name);
		only = name;
	}
	if (only)
		take_name((struct span){only, strlen(only)}, "-", container->container, sizeof(container->container));
}

/* Where the log's name was too long for the id, there is the pod's directory. */
static void name_by_pod(const char *logs, struct serin_container *container)
{
	_cleanup_dir_ DIR *directory = open_directory(logs, "pods");
	struct dirent *entry;

	while (directory && (entry = readdir(directory))) {
		if (!container_take_pod(entry->d_name, container))
			continue;
		name_by_only_container(logs, entry->d_name, container);
		return;
	}
}

/* ---- podman's ---- */

/* The word behind `option` among words that each end with NUL, or NULL. */
static const char *word_behind(const char *option, const char *words, size_t length)
{
	for (const char *word = words; word < words + length; word += strlen(word) + 1)
		if (!strcmp(word, option) && word + strlen(word) + 1 < words + length)
			return word + strlen(word) + 1;
	return NULL;
}

/* The nearest ancestor outside of the container; 0: it is gone. */
static uint32_t holder_of(uint32_t pid, const struct serin_container *container)
{
	struct serin_container other;

	for (unsigned i = 0; pid > 1 && i < ANCESTORS_MAX; i++) {
		pid = discover_parent(pid);
		if (pid && (!container_of_process(pid, &other) || strcmp(other.id, container->id) != 0))
			return pid;
	}
	return 0;
}

/* conmon holds a container of podman's, and was told its id and its name. */
static void name_by_conmon(uint32_t pid, struct serin_container *container)
{
	uint32_t conmon = holder_of(pid, container);
	_cleanup_fclose_ FILE *file = NULL;
	char path[32], comm[32] = "", words[8192];
	const char *id, *name;
	size_t length;

	if (!conmon || discover_comm(conmon, comm, sizeof(comm)) < 0 || strcmp(comm, "conmon") != 0)
		return;
	snprintf(path, sizeof(path), "/proc/%u/cmdline", conmon);
	file = fopen(path, "re");
	length = file ? fread(words, 1, sizeof(words) - 1, file) : 0;
	words[length] = '\0';
	id = word_behind("-c", words, length);
	name = word_behind("-n", words, length);
	if (id && name && !strcmp(id, container->id))
		take_name((struct span){name, strlen(name)}, "-_.ABCDEFGHIJKLMNOPQRSTUVWXYZ", container->container,
			  sizeof(container->container));
}

void container_name(const char *logs, uint32_t pid, struct serin_container *container)
{
	if (*container->pod_uid) {
		if (!name_by_log(logs, container))
			name_by_pod(logs, container);
	} else if (container->runtime && !strcmp(container->runtime, "podman")) {
		name_by_conmon(pid, container);
	}
}

/* ---- those of a target ---- */

/* Its place among them, taken when it is new; -1: there is no room. */
static int place_of(struct serin_containers *containers, const struct serin_container *container)
{
	for (unsigned i = 0; i < containers->n; i++)
		if (!strcmp(containers->all[i].id, container->id))
			return (int)i;
	if (containers->n == SERIN_CONTAINERS_MAX)
		return -1;
	containers->all[containers->n] = *container;
	return (int)containers->n++;
}

static const struct serin_container *remembered(const struct serin_containers *containers, unsigned i)
{
	return containers->of[i] < 0 ? NULL : &containers->all[containers->of[i]];
}

static int index_of(const struct serin_containers *containers, uint32_t pid)
{
	for (unsigned i = 0; i < containers->n_pids; i++)
		if (containers->pids[i] == pid)
			return (int)i;
	return -1;
}

static bool lacks_name(const struct serin_container *container)
{
	return *container->pod_uid && !*container->pod;
}

/* Returns whether the process is in a container. */
static bool look_up(const struct serin_containers *before, uint32_t pid, bool again, struct serin_container *ret)
{
	int i = index_of(before, pid);
	bool known = i >= 0 && remembered(before, (unsigned)i);

	if (i >= 0 && !known && !again) /* in none, or there was no room for it */
		return false;
	if (known)
		*ret = *remembered(before, (unsigned)i);
	else if (!container_of_process(pid, ret))
		return false;
	if (!known || (again && lacks_name(ret)))
		container_name(CONTAINER_LOGS, pid, ret);
	return true;
}

void containers_look(struct serin_containers *containers, const uint32_t *pids, unsigned n_pids, uint64_t now_ns)
{
	struct serin_containers before = *containers;
	struct serin_container found;
	bool again = now_ns - before.named_ns >= NAME_AGAIN_NS;

	containers->n = 0;
	containers->n_pids = n_pids < SERIN_PIDS_MAX ? n_pids : SERIN_PIDS_MAX;
	if (again)
		containers->named_ns = now_ns;
	for (unsigned i = 0; i < containers->n_pids; i++) {
		containers->pids[i] = pids[i];
		containers->of[i] =
			(int8_t)(look_up(&before, pids[i], again, &found) ? place_of(containers, &found) : -1);
	}
}

void container_label(const struct serin_container *c, char ret_text[CONTAINER_LABEL_MAX])
{
	const char *runtime = c->runtime ? c->runtime : "";
	const char *space = *runtime ? " " : "";

	if (*c->pod && *c->container)
		snprintf(ret_text, CONTAINER_LABEL_MAX, "pod %s/%s (%s)", c->namespace, c->pod, c->container);
	else if (*c->pod)
		snprintf(ret_text, CONTAINER_LABEL_MAX, "pod %s/%s", c->namespace, c->pod);
	else if (*c->container)
		snprintf(ret_text, CONTAINER_LABEL_MAX, "%s%scontainer %s", runtime, space, c->container);
	else
		snprintf(ret_text, CONTAINER_LABEL_MAX, "%s%scontainer %.12s", runtime, space, c->id);
}
