# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
# The image, run by podman as the DaemonSet says: host PID and network, its mounts and its capabilities, no more. And what it
# says of model servers that run in containers themselves.

# The first of them makes the image: a minute and a half.
# shellcheck disable=SC2034,SC2154 # the harness reads it
DEADLINE[container_releases_as_the_daemonset_says]=300 DEADLINE[container_names_pods]=300
# shellcheck disable=SC2034,SC2154
DEADLINE[container_refuses_what_it_cannot_do]=300

POD_UID=5f1c6a2e-0d3b-4c7e-9a41-6b2f8e7d9c01

# start_server NAME PORT GROUP: a model server in a container, with the node's network, not as root.
start_server() {
	start_container "$1" "$3" --network=host --user=65534 --volume="$MODEL_SERVER:/model-server:ro" --entrypoint=/model-server \
		serin --listen "$2" --model-version "$1"
	need "$1 does not listen: $(logs_of "$1" | tail -n 1)" wait_for 10 listens "$2"
}

# short_id NAME: as people know a container.
short_id() {
	cut -c 1-12 "$1.id"
}

# model VERSION FILTER
model() {
	in_serin dump -o json | jq -r --arg version "$1" ".models[] | select(.version == \$version) | $2"
}

model_is() {
	[[ $(model "$1" "$2") == "$3" ]]
}

phase_is() {
	[[ $(in_serin status chat -o json | jq -r .phase) == "$1" ]]
}

put_configuration() {
	cp "$MANIFESTS/example/serin.yaml" node/config/
	(umask 077 && openssl rand -hex 32 >node/token/token)
}

break_canary() {
	in_ns curl -sf -o /dev/null -d '{"error_rate": 0.5}' http://127.0.0.1:8001/fault
}

# What docs/kubernetes.md has the DaemonSet patched to.
removal_arguments() {
	sed -nE 's/^ *"value": (\[.*\])\}\].*/\1/p' "$ROOT/docs/kubernetes.md" | jq -r '.[]'
}

test_container_releases_as_the_daemonset_says() {
	local removal
	need_program kubectl
	start_node
	make_image
	make_seccomp_profile
	put_configuration
	start_server v1 8000 servers
	start_server v2 8001 servers
	start_pod_of_serin

	expect "alive" answers healthz
	expect "metrics without a token" answers metrics
	expect "everything without a token" not answers api/dump
	expect_eq "$(model v1 .containers[0].id)" "$(short_id v1)" "container of v1"
	expect_eq "$(model v2 '.containers[0] | .runtime + " " + .container')" "podman v2-$INSTANCE" "runtime and name of v2"
	expect_eq "$(model v2 '.containers | length')" 1 "containers of v2"
	in_serin status >status.txt 2>&1 || note "status ends with $?"
	expect "status does not name them: $(grep Runs status.txt)" grep -q "stable podman container v1-$INSTANCE, canary podman container v2-$INSTANCE" status.txt
	expect "the log does not name them" logged listening "in podman container v1-$INSTANCE"
	in_serin weight chat 50 >weight.txt || note "weight: $(cat weight.txt)"
	spawn load "$LOAD" --url http://127.0.0.1:8000/v1/completions --connections 4 --rate 200 --per-connection 4
	need "the canary gets nothing" wait_for 10 not model_is v2 .requests.success 0

	# As by an update of the DaemonSet: the pod goes, another comes, and the weight stays.
	stop_container serin
	expect "it did not say that weights stay" logged stopped 'weights stay'
	remove_container serin
	start_pod_of_serin
	expect "the next one took nothing over" logged takeover
	expect_eq "$(in_serin status chat -o json | jq .set_weight)" 50 "weight after an update"
	expect "counters began anew" not model_is v2 .requests.success 0

	break_canary
	need "it is not rolled back: $(in_serin status chat)" wait_for 15 phase_is RolledBack
	in_serin status chat >status.txt 2>&1 && note "status ends with 0 after a rollback"
	expect "the log does not tell of the rollback" logged rollback
	expect "history does not tell of the rollback" grep -q RolledBack <(in_serin history chat 2>&1)
	end load INT
	# As before a removal.
	stop_container serin
	remove_container serin
	mapfile -t removal < <(removal_arguments)
	start_pod_of_serin "${removal[@]}"
	stop_container serin
	expect "it did not say that all was taken back" logged stopped 'taken back'
	expect_eq "$(on_node find /sys/fs/bpf -name '*serin*'; ls node/run/serin)" "" "what is left on the node"
	wait_for 5 no_programs_left || note "left loaded: BPF programs $(programs_left | tr '\n' ' ')"
}

# A pod is told by its control group, and its name by the kubelet's files.
test_container_names_pods() {
	need_program kubectl
	start_node
	make_image
	make_seccomp_profile
	put_configuration
	start_server v1 8000 "kubepods/burstable/pod$POD_UID"
	ln -s "/var/log/pods/shop_chat-v1-7d9f5b-x2x4q_$POD_UID/server/0.log" \
		"node/var/log/containers/chat-v1-7d9f5b-x2x4q_shop_server-$(<v1.id).log"
	start_server v2 8001 kubepods/burstable/pod-of-nobody
	start_pod_of_serin
	expect_eq "$(model v1 '.containers[0] | [.pod_uid, .namespace, .pod, .container, .id] | join(" ")')" \
		"$POD_UID shop chat-v1-7d9f5b-x2x4q server $(short_id v1)" "pod of v1"
	expect_eq "$(model v2 '.containers[0] | .pod_uid, .pod, .id')" "null"$'\n'"null"$'\n'"$(short_id v2)" "what has no pod's uid"
	expect "the log does not name it" logged listening 'in pod shop/chat-v1-7d9f5b-x2x4q (server)'
	expect "status does not name it" grep -q 'stable pod shop/chat-v1-7d9f5b-x2x4q (server)' <(in_serin status 2>&1)
	expect "no metric names it" grep -q \
		'^serin_target_info{model="chat",version="v1",namespace="shop",pod="chat-v1-7d9f5b-x2x4q",container="server",' \
		<(in_ns curl -sf http://127.0.0.1:9465/metrics)
	expect_eq "$(in_serin dump -o json | jq -r '.releases[0].containers.stable[0].pod')" chat-v1-7d9f5b-x2x4q "pod in the release"
	stop_container serin
	on_node rm -r /sys/fs/bpf/serin
}

# What is missing is said by name, by an agent that ends at once.
test_container_refuses_what_it_cannot_do() {
	need_program kubectl
	start_node
	make_image
	make_seccomp_profile
	put_configuration
	expect_refusal 'CAP_BPF is missing' --cap-add=BPF
	expect_refusal 'CAP_PERFMON is missing' --cap-add=PERFMON
	expect_refusal 'CAP_NET_ADMIN is missing' --cap-add=NET_ADMIN
	expect_refusal 'CAP_SYS_PTRACE is missing' --cap-add=SYS_PTRACE
	expect_refusal 'CAP_DAC_READ_SEARCH is missing' --cap-add=DAC_READ_SEARCH
	expect_refusal 'hostPID: true' --pid=host
	expect_refusal "a container's own.*mount the node's /sys/fs/cgroup" --volume=/sys/fs/cgroup:/sys/fs/cgroup:ro
	expect_refusal 'no bpffs at /sys/fs/bpf' --volume=/sys/fs/bpf:/sys/fs/bpf
	jq '.syscalls |= map(select(.names != ["bpf"]))' seccomp.json >old.json
	mv old.json seccomp.json
	expect_refusal 'seccomp profile that does not know CAP_BPF' ''
}

# expect_refusal PATTERN OPTION: without that one of the DaemonSet's.
expect_refusal() {
	local option options=()
	while read -r option; do
		[[ $option == "$2" ]] || options+=("$option")
	done < <(daemonset_options)
	start_container refused refused "${options[@]}" --security-opt seccomp="$DIR/seccomp.json" serin run -c /etc/serin/serin.yaml
	expect_eq "$(pod wait "$(<refused.id)")" 1 "exit code without $2"
	logs_of refused >refused.log
	expect "without $2 it says: $(tail -n 1 refused.log)" grep -qE "$1" refused.log
	expect_eq "$(grep -c '^serin: ' refused.log)" 1 "lines it says without $2"
	remove_container refused
}
