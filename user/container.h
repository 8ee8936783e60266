/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Which container a process is in, by the path of its control group, and what that container is called, by what the node
 * has lying about: nobody is asked. Names come from outside and are taken only in the characters that they may have.
 */
#ifndef SERIN_CONTAINER_H
#define SERIN_CONTAINER_H

#include "serin/model.h"

#define CONTAINER_LOGS "/var/log"
#define CONTAINER_LABEL_MAX 420

/*
 * The container that a control group's path leads into, the innermost one: docker-ID.scope, crio-ID.scope,
 * podUID/ID, SLICE:cri-containerd:ID and the like, under whatever slices. Fills in runtime, id and pod_uid, as far as the
 * path has them, and empties the rest. Pure. Returns whether there is one; *ret is untouched when not.
 */
bool container_of_path(const char *path, struct serin_container *ret);

/* The same of a line of /proc/PID/cgroup, of version 1 or 2: HIERARCHY:CONTROLLERS:PATH. */
bool container_of_line(const char *line, struct serin_container *ret);

/* The same of a process. false too when it is gone. */
bool container_of_process(uint32_t pid, struct serin_container *ret);

/* Fills in pod, namespace and container from POD_NAMESPACE_CONTAINER-ID.log, if that is this container's. Pure. */
bool container_take_log(const char *name, struct serin_container *container);

/* Fills in pod and namespace from NAMESPACE_POD_UID, if that is its pod's. Pure. */
bool container_take_pod(const char *name, struct serin_container *container);

/*
 * Looks for its names: of a pod's in what the kubelet has under `logs` (containers/, else pods/), of podman's with the
 * process that holds it, an ancestor of `pid`. What is not found stays empty.
 */
void container_name(const char *logs, uint32_t pid, struct serin_container *container);

/*
 * The containers of these processes, each looked up once: those that *containers has from the last time are not read
 * again, but for a pod's that had no name yet, every ten seconds. More than there is room for are left out.
 */
void containers_look(struct serin_containers *containers, const uint32_t *pids, unsigned n_pids, uint64_t now_ns);

/* For people: "pod NAMESPACE/POD (CONTAINER)", "podman container NAME", or with what is known instead. */
void container_label(const struct serin_container *container, char ret_text[CONTAINER_LABEL_MAX]);

#endif
