# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
# shellcheck disable=SC2034 # AS and SERIN_COPY are for expect_refused
# Wrong words, missing rights and impossible servers: one clear line, exit code 1 or 2, and nothing left behind.

# refuse_run CODES PATTERN OPTION...: an agent that must not start.
refuse_run() {
	expect_refused "$1" "$2" run --instance "$INSTANCE" "${@:3}"
	expect_nothing_left
}

test_wrong_words() {
	refuse_run 2 '8000' --stable 8000 --canary 8000
	refuse_run 2 '8000' --stable 127.0.0.1:8000 --canary 127.0.0.1:8000
	refuse_run 2 'weight.*101' --stable 8000 --canary 8001 --weight 101
	refuse_run 2 'weight.*-1' --stable 8000 --canary 8001 --weight -1
	refuse_run 2 'weight.*abc' --stable 8000 --canary 8001 --weight abc
	refuse_run 2 'weight.*50x' --stable 8000 --canary 8001 --weight 50x
	refuse_run 2 'weight.*nan' --stable 8000 --canary 8001 --weight nan
	refuse_run 2 '70000' --stable 70000 --canary 8001
	refuse_run 2 'stable|port' --stable 0 --canary 8001
	refuse_run 2 'http' --stable http --canary 8001
	refuse_run 2 '300\.1\.1\.1' --stable 300.1.1.1:8000 --canary 8001
	refuse_run 2 'stable' --canary 8001
	refuse_run 2 'frob' --stable 8000 --canary 8001 --frob
	refuse_run 2 'weight' --stable 8000 --canary 8001 --weight
	refuse_run 2 'p-min' --stable 8000 --canary 8001 --p-min 2
	refuse_run 2 'window' --stable 8000 --canary 8001 --window -5
	refuse_run 2 'loud' --stable 8000 --canary 8001 --log loud
	refuse_run 2 'surplus' --stable 8000 --canary 8001 surplus
	expect_refused 2 'instance|escape' run --stable 8000 --canary 8001 --instance ../escape
	expect_refused 2 'instance' run --stable 8000 --canary 8001 --instance ''
	expect_refused 2 'frobnicate' frobnicate
}

test_wrong_words_to_a_running_agent() {
	two_nginx
	start_agent --weight 10 "${NO_GATES[@]}"
	expect_refused 2 '101' weight chat 101 --instance "$INSTANCE"
	expect_refused 2 '-1' weight chat -1 --instance "$INSTANCE"
	expect_refused 2 'abc' weight chat abc --instance "$INSTANCE"
	expect_refused 2 '' weight chat --instance "$INSTANCE"
	expect_refused 1 'nobody' weight nobody 10 --instance "$INSTANCE"
	expect_refused 1 'nobody' abort nobody --instance "$INSTANCE"
	expect_refused 1 'nobody' status nobody --instance "$INSTANCE"
	expect_refused 2 'xml' dump -o xml --instance "$INSTANCE"
	expect_eq "$(release .set_weight)" 10 "set weight"
	expect_eq "$(release .phase)" Progressing "phase"
}

test_no_agent_running() {
	expect_refused 1 'run' status --instance "$INSTANCE"
	expect_refused 1 'run' status chat --instance "$INSTANCE"
	expect_refused 1 'run' weight chat 10 --instance "$INSTANCE"
	expect_refused 1 'run' abort chat --instance "$INSTANCE"
	expect_refused 1 'run' dump -o json --instance "$INSTANCE"
	expect_nothing_left
}

test_second_agent_is_refused() {
	two_nginx
	start_agent --weight 100 "${NO_GATES[@]}"
	expect_refused 1 "${PID[agent]}" run --stable 8000 --canary 8001 --instance "$INSTANCE"
	expect "the first agent has ended" alive agent
	expect_all_by canary 50
	expect_requests canary success=50
}

# As somebody else, with a copy, because the way to the original may be closed to others.
test_not_root() {
	local SERIN_COPY=$DIR/serin
	local AS=(setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all --bounding-set=-all)
	need_serin
	cp "$SERIN" "$SERIN_COPY"
	two_nginx
	refuse_run 1 'root|CAP_|privilege' --stable 8000 --canary 8001
	expect_all_by stable 20
}

test_no_cgroup2() {
	local AS=(unshare --mount sh -c "umount -l '$(cgroup2)' && exec \"\$@\"" sh)
	two_nginx
	refuse_run 1 'cgroup2' --stable 8000 --canary 8001
}

test_no_btf() {
	local AS=(unshare --mount sh -c 'mount -t tmpfs none /sys/kernel/btf && mount -t tmpfs none /boot && exec "$@"' sh)
	[[ -d /sys/kernel/btf ]] || skip "this kernel has no /sys/kernel/btf"
	two_nginx
	refuse_run 1 'BTF' --stable 8000 --canary 8001
}

# Where no bpffs is mounted, the agent mounts one; here in a mount namespace of its own, so it goes with the agent.
test_no_bpffs() {
	need_serin
	two_nginx
	spawn agent unshare --mount sh -c 'while umount /sys/fs/bpf 2>/dev/null; do :; done; exec "$@"' sh \
		"$SERIN" run --instance "$INSTANCE" --name chat --log json --stable 8000 --canary 8001 --weight 100 "${NO_GATES[@]}"
	await_event ready
	expect_eq "$(get "$STABLE/")" canary "answer"
	stop_agent TERM
}

# expect_refused_aloud PATTERN: sk_lookup would take such a canary, or fail in silence. The agent ends with one line, or
# waits and warns; in either case nothing is steered and nobody has to wait.
expect_refused_aloud() {
	launch_agent --weight 100 "${NO_GATES[@]}"
	wait_for 10 agent_mentions "$1" || note "the agent does not say /$1/ within 10 s: $(cat agent.err)"
	expect_all_by_stable_alone 100
	if alive agent; then
		remember_programs "${PID[agent]}"
	else
		expect_eq "$(wc -l <agent.err)" 1 "lines on standard error"
		expect_nothing_left
	fi
}

agent_mentions() {
	grep -qiE "$1" agent.log agent.err
}

# expect_all_by_stable_alone N: connections, without asking the canary, which may keep no log.
expect_all_by_stable_alone() {
	local before
	before=$(served stable)
	expect_eq "$(get "$STABLE/" --max-time 5)" stable "answer"
	expect_eq "$(with_ab -n "$1" -c 4 "$STABLE/")" "$1" "requests answered"
	expect "stable did not serve all of $1" wait_for 5 served_are stable $((before + 1 + $1))
}

start_canary_elsewhere() {
	local here=$NS
	NS=$NS-there
	make_namespace "$NS"
	start_nginx canary 127.0.0.1:8001
	NS=$here
}

test_canary_in_another_namespace() {
	start_nginx stable 127.0.0.1:8000
	start_canary_elsewhere
	expect_refused_aloud 'namespace'
	expect_eq "$(served canary)" 0 "requests at the canary"
}

test_canary_starts_in_another_namespace() {
	start_nginx stable 127.0.0.1:8000
	launch_agent --weight 100 "${NO_GATES[@]}"
	await_event waiting
	start_canary_elsewhere
	expect_all_by_stable_alone 100
	expect_eq "$(served canary)" 0 "requests at the canary"
}

test_mptcp_canary() {
	/usr/bin/python3 -c 'import socket; socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)' 2>/dev/null ||
		skip "this kernel has no Multipath TCP"
	start_nginx stable 127.0.0.1:8000
	start_own canary mptcp 8001
	expect_refused_aloud 'MPTCP|multipath'
}

test_commands_that_need_no_agent() {
	need_serin
	expect_match "$(in_ns "$SERIN" version)" '[0-9]+\.[0-9]+\.[0-9]+' "serin version"
	expect_match "$(in_ns "$SERIN" help)" 'status' "serin help"
	expect_match "$(in_ns "$SERIN" help run)" '--canary' "serin help run"
	in_ns "$SERIN" check >check.out || note "serin check: exit code $?"
	expect "serin check says nothing" test -s check.out
	expect_nothing_left
}

test_output_for_programs() {
	two_nginx
	start_agent --weight 10 "${NO_GATES[@]}"
	times 3 get "$STABLE/" -o /dev/null
	serin dump -o json >dump.json
	expect_eq "$(jq 'has("agent", "models", "releases", "losses")' dump.json | sort -u)" true "dump has its keys"
	expect_eq "$(jq -r '[.models[] | .version, .role] | join(" ")' dump.json)" "stable stable canary canary" "models"
	expect_eq "$(jq '[.losses[]] | add // 0' dump.json)" 0 "losses"
	expect_match "$(serin status -o json | jq -r '.. | .phase? // empty')" Progressing "phase in serin status -o json"
	expect_match "$(serin status)" Progressing "serin status"
	curl -sS --unix-socket "$STATE$INSTANCE/api.sock" http://serin/api/dump >api.json
	expect_eq "$(jq '.models | length' api.json)" 2 "models in GET /api/dump"
	expect_eq "$(jq -Rn '[inputs | fromjson | has("event")] | all' agent.log)" true "every line of the log is an event"
}
