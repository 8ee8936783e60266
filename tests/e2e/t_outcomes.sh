# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
# Requests that did not get a complete answer.

# nginx closes without a word.
test_server_closes_without_an_answer() {
	two_nginx
	start_agent --weight 0
	times 7 expect_unanswered "$STABLE/hangup"
	get "$STABLE/" -o /dev/null
	expect_requests stable success=1 server_abort=7
}

test_server_closes_in_the_middle() {
	start_model_server stable 8000 close_rate=1
	start_model_server canary 8001
	start_agent --weight 0
	times 6 expect_unanswered "$STABLE/v1/completions" -d '{"prompt": "free", "max_tokens": 16}'
	expect_requests stable server_abort=6
}

test_server_killed_in_the_middle() {
	two_nginx
	start_agent --weight 0
	background client get "$STABLE/slow" -o /dev/null
	need "the request does not arrive" wait_for 5 dump_is stable .requests.in_flight 1
	end stable KILL
	need "the client does not end" wait_for 10 dead client
	expect_requests stable server_abort=1
}

test_client_leaves_before_the_answer() {
	start_model_server stable 8000 delay_ms=2000
	start_model_server canary 8001
	start_agent --weight 0
	times 5 expect_unanswered "$STABLE/v1/completions" -d '{"prompt": "free"}' --max-time 0.2
	expect_requests stable client_abort=5
}

test_client_leaves_in_the_middle() {
	two_nginx
	start_agent --weight 0
	times 4 expect_unanswered "$STABLE/slow" --max-time 0.3
	expect_requests stable client_abort=4
}

# Counted when the deadline passes, and not again when the connection ends.
test_timeout() {
	start_own silent silent 9999
	two_nginx
	start_agent --weight 0 --timeout 2
	background client get "$STABLE/stalled" -o /dev/null --max-time 5
	need "the request does not arrive" wait_for 5 dump_is stable .requests.in_flight 1
	expect "the timeout is not counted after 2 s" wait_for 4 dump_is stable .requests.timeout 1
	alive client || fail "the client left before the deadline"
	expect_requests stable timeout=1
	need "the client does not end" wait_for 10 dead client
	expect_requests stable timeout=1
}

# An answer that goes on for longer than the deadline is no timeout: its first byte came in time.
test_slow_answer_is_no_timeout() {
	two_nginx
	start_agent --weight 0 --timeout 1
	expect_eq "$(status_of "$STABLE/slow")" 200 "status"
	expect_requests stable success=1
}

test_model_server_stalls() {
	start_model_server stable 8000 stall_rate=1
	start_model_server canary 8001
	start_agent --weight 0 --timeout 1
	times 2 expect_unanswered "$STABLE/v1/completions" -d '{"prompt": "free"}' --max-time 2
	expect_requests stable timeout=2
}
