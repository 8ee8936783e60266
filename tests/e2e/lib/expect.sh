# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
# Words of judgement. expect_* records a failure and goes on; need and fail end the test; skip ends it without one.

# The time in milliseconds, from microseconds in EPOCHREALTIME.
now_ms() {
	echo $((${EPOCHREALTIME/./} / 1000))
}

# Twenty times a second is how often a state is looked at. Nobody writes to that pipe, and reading it starts no process.
pause() {
	read -rt 0.05 -u "$NEVER" || true
}

# The line of the test that is being carried out.
where() {
	local i
	for ((i = 1; i < ${#BASH_SOURCE[@]}; i++)); do
		if [[ ${BASH_SOURCE[i]##*/} == t_*.sh ]]; then
			echo "${BASH_SOURCE[i]##*/}:${BASH_LINENO[i - 1]}: "
			return
		fi
	done
}

note() {
	echo "$(where)${*//$'\n'/ }" >>"$DIR/failures"
}

fail() {
	note "$@"
	exit 1
}

skip() {
	echo "$*" >"$DIR/skipped"
	exit 0
}

# need WHAT COMMAND...: what must hold for the rest of the test to make sense.
need() {
	local what=$1
	shift
	"$@" || fail "$what"
}

# wait_for SECONDS COMMAND...: until it is true; false when it was not in time.
wait_for() {
	local deadline=$((${EPOCHREALTIME/./} + $1 * 1000000))
	shift
	until "$@"; do
		if ((${EPOCHREALTIME/./} > deadline)); then
			return 1
		fi
		pause
	done
}

# holds_for MILLISECONDS COMMAND...: true when it was true all the time.
holds_for() {
	local deadline=$((${EPOCHREALTIME/./} + $1 * 1000))
	shift
	while ((${EPOCHREALTIME/./} < deadline)); do
		"$@" || return 1
		pause
	done
}

not() {
	! "$@"
}

expect() {
	local what=$1
	shift
	"$@" || note "$what"
}

# expect_eq GOT WANTED WHAT
expect_eq() {
	[[ $1 == "$2" ]] || note "$3: $1, expected $2"
}

# expect_match GOT PATTERN WHAT
expect_match() {
	[[ $1 =~ $2 ]] || note "$3: '$1' does not match /$2/"
}

# holds EXPRESSION: arithmetic on decimal numbers; false when a number is missing.
holds() {
	awk "BEGIN { exit !($1) }" 2>/dev/null
}

# value EXPRESSION: its result.
value() {
	awk "BEGIN { printf \"%.9g\", $1 }"
}

# expect_between LOW GOT HIGH WHAT
expect_between() {
	if ! [[ $2 =~ ^-?[0-9.]+(e[-+]?[0-9]+)?$ ]] || ! holds "$1 <= $2 && $2 <= $3"; then
		note "$4: $2, expected $1 to $3"
	fi
}

# expect_near GOT WANTED SHARE WHAT: within that share of the wanted.
expect_near() {
	expect_between "$(value "$2 * (1 - $3)")" "$1" "$(value "$2 * (1 + $3)")" "$4 (against $2)"
}
