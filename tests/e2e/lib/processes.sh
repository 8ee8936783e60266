# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
# Processes of a test, each known by a name: PID[name], and name.log and name.err in the test's directory.

declare -gA PID=()

# spawn NAME COMMAND...: in the test's namespace, in the background.
# A shell has its background commands ignore SIGINT, which servers inherit: undone here. Not by in_ns, whose PID would
# be that of a shell.
spawn() {
	local name=$1
	shift
	nsenter --net="/run/netns/$NS" env --default-signal=INT,QUIT "$@" >>"$DIR/$name.log" 2>>"$DIR/$name.err" &
	PID[$name]=$!
}

# background NAME COMMAND...: a client whose end, good or bad, is the test's to look at.
background() {
	local name=$1
	shift
	{
		trap - ERR
		set +e
		"$@"
	} &
	PID[$name]=$!
}

alive() {
	[[ -n ${PID[$1]:-} ]] && kill -0 "${PID[$1]}" 2>/dev/null
}

dead() {
	! alive "$1"
}

# end NAME [SIGNAL]: sends it, and waits for the end.
end() {
	kill -"${2:-TERM}" "${PID[$1]}" || fail "$1 was not running any more"
	need "$1 did not end on SIG${2:-TERM}" wait_for 10 dead "$1"
}

# A process and all below it.
tree() {
	local child
	echo "$1"
	for child in $(pgrep -P "$1" || true); do
		tree "$child"
	done
}

# cpu_of NAME: seconds on a processor by the scheduler's own account, all living threads of the process tree.
cpu_of() {
	local pid
	for pid in $(tree "${PID[$1]}"); do
		cat /proc/"$pid"/task/*/schedstat
	done | awk '{ s += $1 } END { printf "%.6f", s / 1e9 }'
}

# The same of one process with the threads that have ended, by its CPU clock (see clock_getcpuclockid(3)).
cpu_of_all_threads() {
	/usr/bin/python3 -c 'import sys, time; print(time.clock_gettime(~int(sys.argv[1]) << 3 | 2))' "${PID[$1]}"
}

# resident_of NAME: bytes, of the process tree.
resident_of() {
	local pid
	for pid in $(tree "${PID[$1]}"); do
		cat "/proc/$pid/statm"
	done | awk -v page="$(getconf PAGESIZE)" '{ s += $2 } END { printf "%d", s * page }'
}
