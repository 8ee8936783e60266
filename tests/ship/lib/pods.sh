# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
# Containers on a node of the test's own: podman in a mount namespace that has control groups as nodes have them today (version
# 2 alone, at /sys/fs/cgroup), an empty bpffs and an empty /run, with its storage and its groups in the test's. So nothing of it
# outlives the test, and an agent in it has no name of its own: it is the node's.

MANIFESTS=$ROOT/deploy/kubernetes

start_node() {
	need_program podman runc conmon
	spawn node unshare --mount --propagation private sh -c '
		mount -t cgroup2 cgroup2 /sys/fs/cgroup && mount -t bpf bpf /sys/fs/bpf && mount -t tmpfs tmpfs /run && echo up &&
			exec sleep infinity'
	need "no mounts of its own" wait_for 5 grep -qs up node.log
	mkdir -p node/{run/serin,var/lib/serin,var/log/containers,var/log/pods} node/config node/token
}

# Inside it, in the test's network namespace.
on_node() {
	nsenter --target "${PID[node]}" --mount --net="/run/netns/$NS" "$@"
}

pod() {
	on_node podman --log-level error --root "$RUN_DIR/containers/storage" --runroot "$RUN_DIR/containers/run" \
		--tmpdir "$RUN_DIR/containers/tmp" --storage-driver overlay --cgroup-manager cgroupfs \
		--events-backend none --runtime runc "$@"
}

# start_container NAME GROUP OPTION... IMAGE [ARGUMENT...]: its control group is below the test's, its id in NAME.id. podman's
# name for it is NAME and the instance: tests share its books. The limits are there because it would raise them, which takes a
# capability that nothing else here needs.
start_container() {
	local name=$1 group=${CGROUP#"$(cgroup2)"}/$2
	shift 2
	pod run --detach --name "$name-$INSTANCE" --cgroup-parent "$group" --pids-limit -1 --ulimit nofile=1024:1024 \
		--ulimit nproc=1000:1000 "$@" >"$name.id" 2>"$name.err" || fail "podman run $name: $(tail -n 1 "$name.err")"
}

# logs_of NAME
logs_of() {
	pod logs "$(<"$1.id")" 2>&1
}

# stop_container NAME: by SIGTERM.
stop_container() {
	pod stop --time 10 "$(<"$1.id")" >stop.log 2>&1 || note "podman stop $1: $(tail -n 1 stop.log)"
}

# remove_container NAME: its name is free again.
remove_container() {
	pod rm "$(<"$1.id")" >rm.log 2>&1 || note "podman rm $1: $(tail -n 1 rm.log)"
}

# make_base: a Debian that has already what would come from the network, once a run.
make_base() {
	local mirror packages
	if pod image exists base; then
		return
	fi
	need_program debootstrap
	# shellcheck disable=SC2016 # apt's own variable
	mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Codename: bookworm' | head -n 1)
	packages=$("$ROOT/tools/install-deps" --help | sed -nE 's/^  (build|runtime) +([^ |]+).*/\2/p' | paste -sd,)
	debootstrap --variant=minbase --include="$packages" bookworm "$RUN_DIR/debian" "$mirror" >debootstrap.log 2>&1 ||
		skip "debootstrap cannot make a Debian here: $(tail -n 1 debootstrap.log)"
	tar -C "$RUN_DIR/debian" --exclude './var/cache/apt/archives/*.deb' --exclude './proc/*' -c . |
		pod import -q - base >import.log 2>&1 || skip "podman cannot keep an image here: $(tail -n 1 import.log)"
	rm -rf "$RUN_DIR/debian"
}

# make_image: serin as the Containerfile makes it, once a run.
make_image() {
	if pod image exists serin; then
		return
	fi
	make_base
	pod build --isolation chroot --network host --build-arg BASE=localhost/base --tag serin \
		--file "$ROOT/deploy/container/Containerfile" "$ROOT" >build.log 2>&1 ||
		fail "podman build: $(grep -v -e 'exit status' -e 'subprocess exited' build.log | tail -n 1)"
}

# manifest FILE: as JSON, as it is written.
manifest() {
	kubectl label --local -f "$MANIFESTS/$1" none- -o json
}

# What the DaemonSet asks a runtime for, as podman's words, one a line. Where it mounts what is the node's, and not the
# kernel's, it gets the test's.
daemonset_options() {
	manifest base/daemonset.yaml | jq -r --arg node "$DIR/node" '
		.spec.template.spec as $pod | $pod.containers[0] as $c | $c.securityContext as $may |
		def source: if .hostPath then (.hostPath.path | if startswith("/sys/") then . else $node + . end)
			else $node + "/" + .name end;
		"--user=\($may.runAsUser)", (select($pod.hostPID) | "--pid=host"), (select($pod.hostNetwork) | "--network=host"),
		(select($may.privileged) | "--privileged"), (select($may.readOnlyRootFilesystem) | "--read-only", "--read-only-tmpfs=false"),
		(select($may.allowPrivilegeEscalation == false) | "--security-opt=no-new-privileges"),
		($may.capabilities.drop[] | "--cap-drop=" + .), ($may.capabilities.add[] | "--cap-add=" + .),
		($c.volumeMounts[] | . as $m | $pod.volumes[] | select(.name == $m.name) |
			"--volume=" + source + ":" + $m.mountPath + if $m.readOnly then ":ro" else "" end)'
}

daemonset_arguments() {
	manifest base/daemonset.yaml | jq -r '.spec.template.spec.containers[0].args[]'
}

# The profile that runtimes have by default by now: it knows the capabilities that bpf() and perf_event_open() are for.
# Debian 12's podman does not yet.
make_seccomp_profile() {
	local profile=/usr/share/containers/seccomp.json
	[[ -e $profile ]] || skip "no $profile to begin with"
	jq 'def rule(call; cap): {names: [call], action: "SCMP_ACT_ALLOW", includes: {caps: [cap]}};
		.syscalls |= map(if .action == "SCMP_ACT_ERRNO" then .names -= ["bpf", "perf_event_open"] else . end
			| .names -= ["pidfd_getfd"]) | .defaultErrnoRet = 1 | del(.defaultErrno) |
		.syscalls += [rule("bpf"; "CAP_BPF"), rule("perf_event_open"; "CAP_PERFMON"), rule("pidfd_getfd"; "CAP_SYS_PTRACE")]' \
		"$profile" >seccomp.json
}

# start_pod_of_serin [ARGUMENT...]: the DaemonSet's, or with other arguments.
start_pod_of_serin() {
	local options arguments=("$@")
	mapfile -t options < <(daemonset_options)
	if ((!$#)); then
		mapfile -t arguments < <(daemonset_arguments)
	fi
	start_container serin serin "${options[@]}" --security-opt seccomp="$DIR/seccomp.json" serin "${arguments[@]}"
	need "the agent does not get ready: $(logs_of serin | tail -n 1)" wait_for 20 answers readyz
	remember_programs "$(pod inspect --format '{{.State.Pid}}' "$(<serin.id)")"
}

in_serin() {
	pod exec "$(<serin.id)" serin "$@"
}

# answers PATH: with 2xx, without a token.
answers() {
	in_ns curl -sf -o /dev/null "http://127.0.0.1:9465/$1"
}

# logged EVENT [PATTERN]: by the agent in the container.
logged() {
	logs_of serin | grep "\"event\": *\"$1\"" | grep -q "${2:-}"
}
