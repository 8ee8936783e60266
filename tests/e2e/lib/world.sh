# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
# A run and a test as things in the kernel: control groups, directories, namespaces, pins, programs.
# Everything a run makes carries its name, e2e-PID, so that it can be swept without knowing what happened.

PINS=/sys/fs/bpf/serin@
STATE=/run/serin@
STORE=/var/lib/serin/serin@ # where the agent's own default puts it

cgroup2() {
	awk '/ - cgroup2 / { print $5; exit }' /proc/self/mountinfo
}

need_tools() {
	local tool missing=()
	for tool in ip nsenter ss nstat nft iptables-legacy jq bpftool nginx ab h2load nghttp wrk curl python3 openssl setpriv unshare pgrep; do
		command -v "$tool" >/dev/null || missing+=("$tool")
	done
	if ((${#missing[@]})); then
		echo "$SUITE: missing: ${missing[*]} (tools/install-deps ${SUITE/e2e/test} installs them)" >&2
		exit 2
	fi
	if ((EUID != 0)); then
		echo "$SUITE: needs root: it makes network namespaces and loads BPF programs" >&2
		exit 2
	fi
	if [[ -z $(cgroup2) ]]; then
		echo "$SUITE: needs cgroup2; none in /proc/self/mountinfo" >&2
		exit 2
	fi
}

begin_run() {
	need_tools
	sweep_dead_runs
	RUN=e2e-$$
	RUN_CGROUP=$(cgroup2)/serin-$RUN
	RUN_DIR=$(mktemp -d "/tmp/serin-$RUN.XXXXXX")
	chmod 755 "$RUN_DIR"
	mkdir -p "$RUN_CGROUP"
	mkfifo "$RUN_DIR/never"
	# shellcheck disable=SC2034 # for pause
	exec {NEVER}<>"$RUN_DIR/never"
	# The sweeper holds the other end of this pipe: however this shell ends, even by SIGKILL, it sees the
	# end of file and sweeps.
	# shellcheck disable=SC2034 # for enter_test and finish
	exec {ALIVE}> >(exec setsid "$HERE/run" --sweep-after "$RUN" >/dev/null 2>&1)
}

sweep_after() {
	trap '' INT TERM HUP
	RUN=$1
	cat >/dev/null
	sweep_run
}

# What is left of runs that were ended together with their sweeper, as when everything on the machine is killed.
sweep_dead_runs() {
	local path
	for path in /run/netns/e2e-* "$PINS"e2e-* "$(cgroup2)"/serin-e2e-* /tmp/serin-e2e-*; do
		if [[ $path =~ e2e-([0-9]+) && ! -e /proc/${BASH_REMATCH[1]} ]]; then
			RUN=${BASH_REMATCH[0]} sweep_run
		fi
	done
}

sweep_run() {
	local path
	RUN_CGROUP=$(cgroup2)/serin-$RUN
	end_cgroup "$RUN_CGROUP"
	sweep_named "$RUN-"
	for path in "/tmp/serin-$RUN".*; do
		rm -rf "$path"
	done
}

sweep_test() {
	end_cgroup "$CGROUP"
	sweep_named "$INSTANCE"
}

# sweep_named PREFIX: namespaces, pins, sockets and stores whose name begins so.
sweep_named() {
	local name
	for name in /run/netns/"$1"*; do
		if [[ -e $name ]]; then
			ip netns del "${name##*/}"
		fi
	done
	rm -rf "$PINS$1"* "$STATE$1"* "$STORE$1"*
}

# Ends every process in it, and removes it.
end_cgroup() {
	local pid
	if [[ ! -d $1 ]]; then
		return
	fi
	if [[ -e $1/cgroup.kill ]]; then
		echo 1 >"$1/cgroup.kill"
	fi
	while grep -q '^populated 1' "$1/cgroup.events" 2>/dev/null; do
		# Before 5.14 there is no cgroup.kill.
		if [[ ! -e $1/cgroup.kill ]]; then
			while read -r pid; do
				kill -KILL "$pid" 2>/dev/null
			done < <(find "$1" -name cgroup.procs -exec cat {} +)
		fi
		sleep 0.02
	done
	find "$1" -depth -type d -exec rmdir {} + 2>/dev/null
	return 0
}

make_namespace() {
	ip netns add "$1"
	nsenter --net="/run/netns/$1" ip link set lo up
}

# A second namespace, joined to the test's by a pair of virtual Ethernet devices: the test's end is 10.77.0.1, the
# peer's 10.77.0.2.
make_peer() {
	PEER=$NS-peer
	make_namespace "$PEER"
	in_ns ip link add side0 type veth peer name side1 2>/dev/null || skip "this kernel has no veth"
	in_ns ip link set side1 netns "$PEER"
	in_ns ip addr add 10.77.0.1/24 dev side0
	in_peer ip addr add 10.77.0.2/24 dev side1
	in_ns ip link set side0 up
	in_peer ip link set side1 up
}

# Not `ip netns exec`: that makes a mount namespace with a fresh /sys, without bpffs and cgroup2.
in_ns() {
	nsenter --net="/run/netns/$NS" "$@"
}

in_peer() {
	nsenter --net="/run/netns/$PEER" "$@"
}

# Numbers of the BPF programs loaded on this machine.
programs() {
	bpftool prog list | sed -nE 's/^([0-9]+): .*/\1/p' | sort
}

# Numbers of the BPF programs a process holds, by program or by link.
programs_of() {
	local ids attempt
	# sed ends at a descriptor that was closed between its listing and its read: then once more, all of them.
	for attempt in {1..20}; do
		if ids=$(sed -nE 's/^prog_id:\s*//p' /proc/"$1"/fdinfo/* 2>/dev/null); then
			break
		fi
	done
	((attempt < 20)) && sort -u <<<"$ids"
}

is_held() {
	grep -qsE "^prog_id:\s*$1\$" /proc/[0-9]*/fdinfo/*
}

program_name() {
	bpftool prog show id "$1" 2>/dev/null | sed -nE 's/^[0-9]+: .* name ([^ ]+) .*/\1/p'
}

# remember_programs PID: of an agent; their names once a run.
remember_programs() {
	local id
	programs_of "$1" >>"$DIR/programs.mine"
	if [[ ! -s $RUN_DIR/programs.names ]]; then
		for id in $(programs_of "$1"); do
			program_name "$id" >>"$RUN_DIR/programs.names"
		done
	fi
}

# The programs of this test's agents that are still loaded, and those that look like them, are new since the test
# began and belong to no living process.
programs_left() {
	local id
	touch "$DIR/programs.mine" "$RUN_DIR/programs.names"
	for id in $(programs | comm -13 "$DIR/programs.before" -); do
		if grep -qx "$id" "$DIR/programs.mine"; then
			echo "$id"
		elif grep -qxF "$(program_name "$id")" "$RUN_DIR/programs.names" && ! is_held "$id"; then
			echo "$id"
		fi
	done
}

no_programs_left() {
	[[ -z $(programs_left) ]]
}

# What every test must leave: nothing.
note_leftovers() {
	local path id
	for path in "$PINS$INSTANCE"* "$STATE$INSTANCE"*; do
		if [[ -e $path ]]; then
			note "left behind: $path"
		fi
	done
	# The kernel frees a program some time after its last user has gone.
	if ! wait_for 5 no_programs_left; then
		for id in $(programs_left); do
			note "left loaded: BPF program $id $(program_name "$id")"
		done
	fi
}
