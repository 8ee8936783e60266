# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
# A canary that begins to fail while a release runs: how soon that is decided, and how soon the canary has nothing any more.
# The canary itself says when it accepted what (model-server --log), on the same clock as the decisions in serin's history.
#
# FAULT_TIMES=FILE collects a line a test: its name; seconds from the fault to the decision, to the last connection that the
# canary accepted and to the last request that it got; how many requests of the clients failed; and the reason's code.
# tools/rollback makes a table of it.

FAULT_CONTROL=127.0.0.1:9001 # of the canary
FAULT_DRAIN=3		     # seconds
FAULT_SLACK=0.25	     # seconds: what has been steered still waits to be accepted, and to be read

# Both take 10 ms for every request, and no time to learn.
FAULT_SERVER=("$MODEL_SERVER" --corpus /usr/share/common-licenses/BSD --fault delay_ms=10)
FAULT_CANARY=("${FAULT_SERVER[@]}" --listen 127.0.0.1:8001 --control "$FAULT_CONTROL")

start_well_and_canary() {
	spawn well "${FAULT_SERVER[@]}" --listen 127.0.0.1:8000
	await_listening well 8000
	spawn canary "${@}" "${FAULT_CANARY[@]}" --log "$DIR/canary.seen"
	await_listening canary 8001
}

# begin_release WEIGHT [LINE...]: with the crowd on it, until both versions have had enough to be compared. The lines
# are further keys of the release. STARTER: a command before that of the canary, that starts it.
begin_release() {
	local weight=$1
	shift
	start_well_and_canary ${STARTER:+"${STARTER[@]}"}
	write_config "steps: [{weight: $weight, hold: 10m}, {weight: 100}]" "drain: ${FAULT_DRAIN}s" "$@"
	start_with_config
	need "it does not start" wait_for 10 release_phase_is Progressing
	crowd clients 200 --stagger --body '{"prompt": "This program is free", "max_tokens": 2}'
	need "no 100 requests to the canary" wait_for 30 canary_has_been_asked 100
	expect_eq "$(release .phase)" Progressing "phase before the fault"
}

canary_has_been_asked() {
	(($(seen request | wc -l) >= $1))
}

# seen EVENT: lines of the canary's log.
seen() {
	grep " $1 " "$DIR/canary.seen" || true
}

# The time of the last line of this kind.
last_seen() {
	seen "$1" | tail -n 1 | cut -d ' ' -f 1
}

begin_fault() {
	get "http://$FAULT_CONTROL/fault" -d "$1" -o /dev/null || true # the server may have crashed of it
	need "the fault has not begun" wait_for 5 grep -q ' fault ' "$DIR/canary.seen"
}

# expect_rollback REASON[|REASON] SECONDS: within that time, and for that; and no more for the canary after it.
expect_rollback() {
	wait_for "$2" release_phase_is RolledBack || fail "no rollback within $2 s; evidence: $(release '.evidence | tostring')"
	serin history chat -o json >history.json
	expect_match "$(decision .reason_code)" "^($1)\$" "reason code"
	expect_eq "$(decision .phase) $(decision .set_weight) $(release .set_weight)" "RolledBack 0 0" "phase and weights"
	expect_between -0.0005 "$(since "$(decided)" "$(decision .at_unix)")" 0.0005 "at_unix against at"
	expect_canary_left "$(decided)"
	end clients INT
	keep_times
}

decision() {
	jq -r ".[-1] | $1" history.json
}

# When, in Unix seconds, to the millisecond.
decided() {
	date -d "$(decision .at)" +%s.%3N
}

# since THEN TIME: seconds.
since() {
	awk -v then="$1" -v time="$2" 'BEGIN { printf "%.3f", time - then }'
}

# expect_canary_left DECIDED: no new connection, and after the drain's time no request on the old ones. Looked at until it
# is over and the crowd has made some 50 connections more.
expect_canary_left() {
	local opened last
	opened=$(dump v1 .connections.opened)
	need "the crowd does not go on" wait_for 30 well_has_opened $((opened + 50))
	expect "connections are left to drain" wait_for $((FAULT_DRAIN + 2)) release_is .draining.connections 0
	need "the drain's time does not pass" wait_for 10 is_past "$1" $((FAULT_DRAIN + 1))
	last=$(since "$1" "$(last_seen connection)")
	expect "a connection reached the canary $last s after the decision" holds "$last <= $FAULT_SLACK"
	last=$(since "$1" "$(last_seen request)")
	expect "a request reached the canary $last s after the decision" holds "$last <= ${DRAINED:-$FAULT_DRAIN} + $FAULT_SLACK"
}

well_has_opened() {
	(($(dump v1 .connections.opened) >= $1))
}

# is_past TIME SECONDS: so long after it.
is_past() {
	holds "$EPOCHREALTIME > $1 + $2"
}

# keep_times: for whoever looks at the test's output, and for FAULT_TIMES.
keep_times() {
	local fault line
	fault=$(sed -n 's/ fault .*//p' "$DIR/canary.seen" | head -n 1)
	line="${DIR##*/} $(since "$fault" "$(decided)") $(since "$fault" "$(last_seen connection)")"
	line+=" $(since "$fault" "$(last_seen request)") $(jq '.outcomes | del(.success) | add' clients.log) $(decision .reason_code)"
	echo "$line"
	if [[ ${FAULT_TIMES:-} ]]; then
		echo "$line" >>"$FAULT_TIMES"
	fi
}

# What the clients saw fail is what the canary was told to fail: neither the change of weight nor the draining cost a request.
expect_only_these_failed() {
	expect_eq "$(jq -c '[.outcomes | to_entries[] | select(.value > 0) | .key] - ["success", "server_error"]' clients.log)" \
		'[]' "other outcomes of clients"
	expect_eq "$(jq .outcomes.server_error clients.log)" "$(seen response | grep -c ' 500$' || true)" "errors that clients saw"
}

NO_FAULT_GATES='gates: {P_min: off, D_max: off}'

# errors_are_rolled_back SHARE WEIGHT SECONDS
errors_are_rolled_back() {
	begin_release "$2" "$NO_FAULT_GATES"
	begin_fault "{\"error_rate\": $1}"
	expect_rollback evidence_error "$3"
	expect_only_these_failed
}

DEADLINE[fault_errors_5_percent]=150
test_fault_errors_5_percent() {
	errors_are_rolled_back 0.05 20 90
}

test_fault_errors_30_percent() {
	errors_are_rolled_back 0.3 20 20
}

test_fault_errors_100_percent() {
	errors_are_rolled_back 1 20 10
}

test_fault_errors_100_percent_at_weight_5() {
	errors_are_rolled_back 1 5 15
}

test_fault_twice_as_slow() {
	begin_release 20 "$NO_FAULT_GATES"
	begin_fault '{"delay_ms": 20}'
	expect_rollback evidence_latency 20
	expect_only_these_failed
}

# Its connections are not waited for.
test_fault_stalls() {
	begin_release 20 "$NO_FAULT_GATES" 'analysis: {deadline: 2s}'
	begin_fault '{"stall_rate": 1}'
	DRAINED=0 expect_rollback evidence_error 20
	expect_eq "$(decision .hung)" true "hung"
	expect "no connection was reset" not release_is .draining.reset 0
}

test_fault_closes_in_the_middle() {
	begin_release 20 "$NO_FAULT_GATES"
	begin_fault '{"close_rate": 0.5}'
	expect_rollback evidence_error 15
}

# restarts FAULT: what starts the canary, and when it has died starts it anew, with that fault.
restarts() {
	STARTER=(bash -c 'fault=$1; shift; "$@"; while :; do "$@" --fault "$fault"; done' restarts "$1")
}

# Each life ends with the first request.
test_fault_crash_loop() {
	local STARTER
	restarts crash_rate=1
	begin_release 20 "$NO_FAULT_GATES"
	begin_fault '{"crash_rate": 1}'
	expect_rollback 'exits|evidence_error' 20
}

# It listens for a moment only, and hardly anybody reaches it. Most of these lives are over before the agent has seen whose
# they were, so that few count as exits.
DEADLINE[fault_dies_at_its_start]=120
test_fault_dies_at_its_start() {
	local STARTER
	restarts crash=true
	begin_release 20 "$NO_FAULT_GATES"
	begin_fault '{"crash": true}'
	expect_rollback 'exits|evidence_error' 60
}

# The answers are right, and hardly later: nothing for the evidence.
test_fault_burns_cpu() {
	begin_release 20 'gates: {P_min: off, D_max: off, cpu_ratio_max: 2x, min_requests: 20}' 'analysis: {evidence: false}'
	begin_fault '{"burn_ms": 2}'
	expect_rollback gate_cpu 15
	expect_only_these_failed
}
