# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash disable=SC2016 # $ in single quotes is awk's
# Connections that are kept, and how they end. What a keeper says is in NAME.kept.

# start_agent_draining SECONDS OPTION...: with that deadline.
start_agent_draining() {
	local seconds=$1
	shift
	start_agent "${NO_GATES[@]}" --drain "$seconds" "$@"
}

# keep NAME COMMAND ARGUMENT...: a keeper (keeper.py) in the background, until it says that it is ready. It stops when
# NAME.stop exists, which is put where its arguments say STOP.
keep() {
	local name=$1
	shift
	background "$name" in_ns /usr/bin/python3 -u "$HERE/keeper.py" "${@/#STOP/$DIR/$name.stop}" >"$DIR/$name.kept" 2>"$DIR/$name.err"
	wait_for 15 grep -qE '^(held|asked|looping)' "$DIR/$name.kept" || fail "$name does not begin: $(tail -n 1 "$DIR/$name.err")"
}

# kept NAME END: how many of its connections have ended so.
kept() {
	grep -cE "^[0-9]+ $2 " "$DIR/$1.kept" || true
}

kept_are() {
	(($(kept "$1" "$2") == $3))
}

# expect_kept NAME END N SECONDS: so many end so within that time.
expect_kept() {
	wait_for "$4" kept_are "$1" "$2" "$3" || note "$1: of $3 connections $(kept "$1" "$2") ended as $2, $(kept "$1" '[a-z]+') in all"
}

# It is told to stop: what is open still, it says to be so.
let_go() {
	touch "$DIR/$1.stop"
	need "$1 does not end" wait_for 20 dead "$1"
}

# Of a keeper that loops: a number it says at the end.
looped() {
	sed -n "s/^$2 //p" "$DIR/$1.kept"
}

drained_are() {
	[[ $(release '.draining | "\(.ended) \(.reset)"') == "$1 $2" ]]
}

# expect_drained ENDED RESET: nothing is left that is to end, and so many have been ended in order and reset.
expect_drained() {
	wait_for 5 release_is .draining.connections 0 || note "connections left to drain: $(release .draining.connections)"
	wait_for 2 drained_are "$1" "$2" || note "ended and reset: $(release '.draining | "\(.ended) \(.reset)"'), expected $1 $2"
	expect_no_duplicates
}

# No descriptor of a TCP connection or listener is in the agent's hands.
expect_no_duplicates() {
	local fd inode
	for fd in /proc/"${PID[agent]}"/fd/*; do
		inode=$(readlink "$fd" | sed -nE 's/^socket:\[([0-9]+)\]$/\1/p')
		if [[ $inode ]] && in_ns awk -v inode="$inode" '$10 == inode { found = 1 } END { exit !found }' /proc/net/tcp /proc/net/tcp6; then
			note "the agent holds a TCP socket: $(readlink "$fd")"
		fi
	done
}
