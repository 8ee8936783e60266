# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
# A canary that fails is taken out of traffic, with the reason in writing; one that does not, is not.

P_REASON='P 0\.[0-9]+ < 0\.95 over [0-9]+ requests'

phase_is() {
	release_is .phase "$1"
}

# await_rollback SECONDS
await_rollback() {
	wait_for "$1" phase_is RolledBack || fail "no rollback within $1 s; the reason so far: $(release .reason)"
}

# expect_rolled_back PATTERN: weight 0, status 1 and the reason in all places, every new connection to stable.
expect_rolled_back() {
	local pattern=$1 opened status=0
	expect_eq "$(release '.set_weight == 0')" true "set weight is 0"
	expect_match "$(release .reason)" "$pattern" "reason"
	expect "the log has no rollback event with a reason" said rollback '"reason": *"[PRD] '
	serin status chat >status.out || status=$?
	expect_eq "$status" 1 "exit code of serin status"
	expect_match "$(<status.out)" RolledBack "serin status"
	expect_match "$(<status.out)" "$pattern" "serin status"
	opened=$(dump canary .connections.opened)
	expect_eq "$(with_ab -n 200 -c 4 "$STABLE/")" 200 "requests after the rollback"
	expect_eq "$(dump canary .connections.opened)" "$opened" "connections of the canary since the rollback"
}

# Three answers in ten are errors, on both; the gate looks at the canary.
test_failing_canary_is_rolled_back() {
	two_nginx
	start_agent --weight 20 --d-max 0
	serin status chat >status.out || note "exit code of serin status before: $?"
	start_load "$STABLE/flaky"
	await_rollback 15
	stop_load
	expect_eq "$LOAD_FAILED" 0 "failed requests of $LOAD_SENT"
	expect_rolled_back "$P_REASON"
}

# A script that posts the weight again and again does not keep the gates from speaking.
test_same_weight_again() {
	two_nginx
	start_agent --weight 20 --d-max 0 --min-requests 200
	start_load "$STABLE/flaky"
	need "no rollback within 20 s" wait_for 20 rolled_back_or_posted
	stop_load
}

rolled_back_or_posted() {
	release_is .phase RolledBack || { serin weight chat 20 && false; }
}

test_fault_at_run_time_is_rolled_back() {
	start_model_server stable 8000
	start_model_server canary 8001
	start_agent --weight 50 --d-max 0 --no-evidence
	echo '{"prompt": "This program is free software", "max_tokens": 2}' >completion.json
	start_load "$STABLE/v1/completions" -p completion.json -T application/json
	need "no 100 requests to the canary within 10 s" wait_for 10 canary_has 100
	expect_eq "$(release .phase)" Progressing "phase before the fault"
	expect_eq "$(status_of http://127.0.0.1:8001/fault -d '{"error_rate": 0.6}')" 200 "status of /fault"
	await_rollback 15
	stop_load
	expect_rolled_back "$P_REASON"
	expect "the canary had no server error" not dump_is canary .requests.server_error 0
	expect_eq "$(dump stable .requests.server_error)" 0 "server errors of stable"
}

canary_has() {
	holds "$(dump canary .requests.total) >= $1"
}

# Anomalies in a second, beyond what stable has.
test_rollback_by_the_anomaly_index() {
	two_nginx
	start_agent --weight 10 --p-min 0 --d-max 3
	background well in_ns h2load --h1 --rps 20 -n 2000 -c 5 "$STABLE/" >well.out 2>&1
	background ill in_ns h2load --h1 --rps 20 -n 2000 -c 5 http://127.0.0.1:8001/overloaded >ill.out 2>&1
	await_rollback 15
	expect_rolled_back 'D [0-9.]+ > 3'
}

test_gates_turned_off() {
	two_nginx
	start_agent --weight 100 "${NO_GATES[@]}"
	expect_eq "$(with_ab -n 300 -c 4 "$STABLE/broken")" 300 "requests"
	expect_requests canary server_error=300
	expect "the release was rolled back" holds_for 1000 not phase_is RolledBack
	expect_eq "$(release .set_weight)" 100 "set weight"
}

test_few_requests_decide_nothing() {
	two_nginx
	start_agent --weight 100 --min-requests 50
	times 40 get "$STABLE/broken" -o /dev/null
	expect_requests canary server_error=40
	expect "40 requests decided" holds_for 1000 not phase_is RolledBack
	times 20 get "$STABLE/broken" -o /dev/null
	await_rollback 5
}

# With all the default gates, over more than one window.
test_healthy_canary_is_not_rolled_back() {
	two_nginx
	start_agent --weight 50
	expect_eq "$(with_h2load --h1 --rps 10 -n 2400 -c 20 "$STABLE/")" 2400 "requests"
	expect "the canary got nothing" not dump_is canary .requests.success 0
	expect_eq "$(release .phase)" Progressing "phase"
	expect_eq "$(release .set_weight)" 50 "set weight"
	serin status chat >status.out || note "exit code of serin status: $?"
	expect "a rollback was logged" not said rollback
}

test_abort_and_start_again() {
	two_nginx
	start_agent --weight 100
	expect_all_by canary 50
	serin abort chat || note "exit code of serin abort: $?"
	need "abort does not roll back" wait_for 5 phase_is RolledBack
	expect_all_by stable 100
	expect "no reason was written" not release_is '.reason // "" | length' 0
	serin weight chat 100 || note "exit code of serin weight: $?"
	need "the weight does not start it again" wait_for 5 not phase_is RolledBack
	expect_all_by canary 100
}

# All of them come before the first tick after the weight: the window begins at the weight, not at that tick.
test_failures_before_the_next_tick_count() {
	two_nginx
	start_agent --weight 0 --d-max 0 --tick 1000
	set_weight 100
	expect_eq "$(with_ab -n 100 -c 4 "$STABLE/broken")" 100 "requests"
	await_rollback 5
	expect_eq "$(dump canary .requests.server_error)" 100 "failures of the canary"
}

# The failures of the first try are not held against the second.
test_weight_after_a_rollback_starts_again() {
	two_nginx
	start_agent --weight 50 --window 20 --d-max 0
	expect_eq "$(with_ab -n 200 -c 4 "$STABLE/broken")" 200 "requests"
	await_rollback 5
	serin weight chat 50 || note "exit code of serin weight: $?"
	need "the weight does not start it again" wait_for 5 not phase_is RolledBack
	expect_eq "$(with_ab -n 400 -c 4 "$STABLE/")" 400 "requests"
	expect "the old failures roll it back again" holds_for 1000 not phase_is RolledBack
	expect "the canary got nothing" not served_are canary 0
}
