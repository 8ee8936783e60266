# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
# The agent under test and what it says.

# shellcheck disable=SC2034 # for the tests
NO_GATES=(--p-min 0 --r-max 0 --d-max 0)
OUTCOMES=(success client_error throttled server_error server_abort timeout client_abort unknown in_flight)

need_serin() {
	[[ -x $SERIN ]] || fail "$SERIN is missing (make)"
}

# serin COMMAND [ARGUMENT...]: on the test's instance, from the node's namespace: the agent's socket has a path.
serin() {
	need_serin
	"$SERIN" "$@" --instance "$INSTANCE"
}

# launch_agent OPTION...: without waiting. The release is called chat; ports 8000 and 8001 unless given.
launch_agent() {
	local ports=(--stable 8000 --canary 8001)
	need_serin
	if [[ " $* " == *" --stable "* ]]; then
		ports=()
	fi
	: >"$DIR/agent.log"
	: >"$DIR/agent.err"
	spawn agent "$SERIN" run --instance "$INSTANCE" --name chat --log json --tick 100 "${ports[@]}" "$@"
}

# start_agent OPTION...: until it says ready.
start_agent() {
	launch_agent "$@"
	await_event ready
}

# stop_agent SIGNAL: it must end with 0.
stop_agent() {
	local status=0
	end agent "$1"
	wait "${PID[agent]}" || status=$?
	expect_eq "$status" 0 "exit code of the agent after SIG$1"
}

# drop_pins: what a killed agent left is detached, as by an upgrade to another layout: the next one finds nothing.
drop_pins() {
	rm -r "$PINS$INSTANCE"
}

# said EVENT [PATTERN]: an event in the agent's log, in which the pattern occurs.
said() {
	grep "\"event\": *\"$1\"" "$DIR/agent.log" | grep -q "${2:-}"
}

said_or_dead() {
	said "$1" || dead agent
}

await_event() {
	wait_for 15 said_or_dead "$1" || fail "the agent does not say $1 within 15 s"
	said "$1" || fail "the agent ended without saying $1: $(head -n 1 "$DIR/agent.err")"
	remember_programs "${PID[agent]}"
}

# dump VERSION FILTER: a field of one version in `serin dump`.
dump() {
	serin dump -o json | jq -r --arg version "$1" ".models[] | select(.version == \$version) | $2"
}

dump_is() {
	[[ $(dump "$1" "$2") == "$3" ]]
}

# release FILTER: a field of the release.
release() {
	serin dump -o json | jq -r ".releases[] | select(.name == \"chat\") | $1"
}

release_is() {
	[[ $(release "$1") == "$2" ]]
}

# set_weight PERCENT: as a user does, until it shows.
set_weight() {
	serin weight chat "$1" || fail "serin weight chat $1: exit code $?"
	need "set_weight does not become $1" wait_for 5 release_is ".set_weight == $1" true
}

# counts VERSION: every outcome as NAME=N, and the total.
counts() {
	dump "$1" ".requests as \$r | \"${OUTCOMES[*]} total\" / \" \" | map(. + \"=\" + (\$r[.] | tostring)) | join(\" \")"
}

counts_are() {
	[[ $(counts "$1") == "$2" ]]
}

# expect_requests VERSION [OUTCOME=N...]: exactly these of each outcome, none of the others, none in flight. The total
# must be their sum, and three ticks later all must still be so.
expect_requests() {
	local version=$1 outcome wanted='' total=0 pair
	local -A number=()
	shift
	for pair in "$@"; do
		number[${pair%%=*}]=${pair#*=}
	done
	for outcome in "${OUTCOMES[@]}"; do
		wanted+="$outcome=${number[$outcome]:-0} "
		total=$((total + ${number[$outcome]:-0}))
	done
	wanted+="total=$total"
	if ! wait_for 5 counts_are "$version" "$wanted"; then
		note "requests of $version: $(counts "$version"), expected $wanted"
	elif ! holds_for 300 counts_are "$version" "$wanted"; then
		note "requests of $version changed afterwards: $(counts "$version"), expected $wanted"
	fi
}

# expect_only_unknown VERSION: of which there must be some.
expect_only_unknown() {
	expect "requests stay in flight" wait_for 5 dump_is "$1" .requests.in_flight 0
	expect "nothing is counted as unknown" not dump_is "$1" .requests.unknown 0
	expect_eq "$(dump "$1" '.requests | .total - .unknown')" 0 "requests that are not unknown"
	expect_eq "$(dump "$1" .window.P)" null "P"
}

# What could not be counted, as NAME=N.
losses() {
	serin dump -o json | jq -r '.losses | to_entries | map(select(.value != 0) | "\(.key)=\(.value)") | sort | join(" ")'
}

losses_are() {
	[[ $(losses) == "$1" ]]
}

# expect_losses [NAME=N...]: exactly these, none of the others; in the order of the alphabet.
expect_losses() {
	wait_for 3 losses_are "$*" || note "losses: $(losses), expected ${*:-none}"
}

# In the kernel and on disk it is as if the agent had never been.
expect_nothing_left() {
	local path
	for path in "$PINS$INSTANCE" "$STATE$INSTANCE"; do
		expect "left behind: $path" test ! -e "$path"
	done
	wait_for 20 no_programs_left || note "left loaded: BPF programs $(programs_left | tr '\n' ' ')"
}

# expect_refused CODES PATTERN ARGUMENT...: the command must end at once with one of the exit codes (such as "1" or
# "1 2") and say why in exactly one line on standard error.
#   AS: an array of words to put before the command;  SERIN_COPY: another path of the program
expect_refused() {
	local codes=$1 pattern=$2 status=0
	shift 2
	need_serin
	in_ns timeout -k 5 10 ${AS:+"${AS[@]}"} "${SERIN_COPY:-$SERIN}" "$@" >refused.out 2>refused.err || status=$?
	expect "serin $*: exit code $status, expected $codes" grep -qw -- "$status" <<<"$codes"
	expect_eq "$(wc -l <refused.err)" 1 "serin $*: lines on standard error"
	expect_match "$(<refused.err)" "$pattern" "serin $*: standard error"
}
