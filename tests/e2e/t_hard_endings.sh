# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
# Who ended what, and when: every way a connection can end, at every place of an exchange.

flows() {
	dump stable '"\(.responses.cut_short) \(.responses.unended)"'
}

test_hard_client_leaves() {
	local when how
	start_stage
	for how in leave reset; do
		for when in nothing header body chunk close; do
			act client_leaves "$when" "$how"
		done
	done
	expect_requests stable client_abort=10
	act client_leaves_while_asking leave
	act client_leaves_while_asking reset
	act client_leaves_unanswered
	expect_requests stable client_abort=16
	expect_eq "$(flows)" "0 0" "responses that the server cut short, and did not end"
	expect_field .connections.open 0
	expect_losses
	expect_times
}

test_hard_client_leaves_after_the_answer() {
	start_stage
	act client_leaves after leave
	act client_leaves after reset
	expect_requests stable success=2
	act client_leaves_pipelined leave
	act client_leaves_pipelined reset
	expect_requests stable success=8 client_abort=4
	expect_eq "$(flows)" "0 0" "responses that the server cut short, and did not end"
	expect_losses
	expect_times
}

test_hard_server_leaves() {
	local how
	start_stage
	for how in leave reset; do
		act server_leaves nothing "$how"
		act server_leaves line "$how"
		act server_leaves header "$how"
	done
	act server_leaves_request_unread
	expect_requests stable server_abort=7
	expect_eq "$(flows)" "0 0" "responses that the server cut short, and did not end"
	expect_field .connections.open 0
	expect_losses
	expect_times
}

test_hard_server_closes_in_mid_body() {
	start_stage
	act server_leaves body leave
	expect_requests stable server_abort=1
	expect_eq "$(flows)" "1 0" "responses that the server cut short, and did not end"
	act server_leaves chunk leave
	act server_leaves last leave
	expect_requests stable server_abort=3
	expect_eq "$(flows)" "1 2" "responses that the server cut short, and did not end"
	act server_leaves_pipelined leave
	expect_requests stable success=2 server_abort=6
	expect_eq "$(flows)" "2 2" "responses that the server cut short, and did not end"
	expect_losses
	expect_times
}

test_hard_server_resets_in_mid_body() {
	start_stage
	act server_leaves body reset
	expect_requests stable server_abort=1
	expect_eq "$(flows)" "1 0" "responses that the server cut short, and did not end"
	act server_leaves chunk reset
	act server_leaves last reset
	expect_requests stable server_abort=3
	expect_eq "$(flows)" "1 2" "responses that the server cut short, and did not end"
	act server_leaves_pipelined reset
	expect_requests stable success=2 server_abort=6
	expect_eq "$(flows)" "2 2" "responses that the server cut short, and did not end"
	expect_losses
	expect_times
}

# A response may be sent after its server has closed, or has died: it lasts until its last byte has left.
test_hard_server_closes_with_a_full_buffer() {
	start_stage
	act buffered read
	expect_requests stable success=1
	act buffered short
	expect_requests stable success=1 server_abort=1
	expect_eq "$(flows)" "1 0" "responses that the server cut short, and did not end"
	expect_times
	act buffered reset
	expect_requests stable success=1 server_abort=1 client_abort=1
	act broken_off
	expect_requests stable success=1 server_abort=1 client_abort=2
	expect_eq "$(flows)" "1 0" "responses that the server cut short, and did not end"
	expect_field .connections.open 0
	expect_losses
}

test_hard_half_closed() {
	start_stage
	act half_closed
	expect_requests stable success=11 server_error=2
	expect_eq "$(flows)" "0 0" "responses that the server cut short, and did not end"
	expect_losses
	expect_times
}

test_hard_idle_connections_end() {
	start_stage
	act idle_ends
	expect_requests stable success=12
	expect_field .connections.open 0
	expect_eq "$(flows)" "0 0" "responses that the server cut short, and did not end"
	expect_losses
	expect_times
}

# A request that no server reads is none of the server's, but it is told.
test_hard_request_after_shutdown() {
	start_stage
	act after_close shutdown
	expect_requests stable success=1
	expect_losses after_close=1
	expect_times
}

test_hard_request_after_close() {
	start_stage
	act after_close close
	expect_requests stable success=1
	expect_losses after_close=1
	act after_close timeout
	expect_requests stable success=2
	expect_losses after_close=2
}

# The same once the client's ACK has come and the server's socket is gone: the kernel resets such a client by itself. The
# request met no socket of the server's, so there is nothing that could be told of it.
test_hard_request_long_after_close() {
	start_stage
	act after_close acknowledged
	expect_requests stable success=1
	expect_losses
}

test_hard_stalled() {
	start_stage --timeout 1
	begin_play stalled
	await_stage late
	wait_for 3 dump_is stable .requests.timeout 12 ||
		note "time-outs after three times the deadline: $(dump stable .requests.timeout), expected 12"
	alive play || fail "the scene ended early"
	expect_requests stable timeout=12
	cue late
	end_play
	expect_requests stable timeout=12 client_error=4
	expect_eq "$(flows)" "1 1" "responses that the server cut short, and did not end"
	expect_losses
	expect_times
}

# The deadline is each request's own, not the connection's: they pass it together.
test_hard_stalled_pipeline() {
	expect_pipeline_times_out 5
}

# More than are remembered: the deadline of those is not forgotten.
test_hard_stalled_pipeline_deep() {
	expect_pipeline_times_out 20
}

# expect_pipeline_times_out COUNT: within three times the deadline, and once.
expect_pipeline_times_out() {
	start_stage --timeout 1
	begin_play stalled_pipeline "$1"
	await_stage late
	wait_for 3 dump_is stable .requests.timeout "$1" ||
		note "time-outs after three times the deadline: $(dump stable .requests.timeout), expected $1"
	cue late
	end_play
	expect_requests stable timeout="$1"
	expect_times
}

# The server does not take what is sent, or does not ask for it: it is the server that is late.
test_hard_stalled_uploads() {
	start_stage --timeout 1
	begin_play stalled_upload
	await_stage late
	expect "a server that reads nothing does not time out" wait_for 3 dump_is stable .requests.timeout 1
	cue late
	end_play
	expect_requests stable timeout=1
	begin_play no_continue
	await_stage late
	expect "a server that does not say 100 does not time out" wait_for 3 dump_is stable .requests.timeout 2
	cue late
	end_play
	expect_requests stable timeout=2
	expect_losses
}

test_hard_slow_is_not_stalled() {
	start_stage --timeout 1
	act slow
	expect_requests stable success=2
	expect_losses
	expect_times
}

# A client that takes nothing of what the server has written does not make the server late. It may take it after all, or
# leave; and the deadline counts again once it has taken all there is.
test_hard_unread_is_not_stalled() {
	start_stage --timeout 1
	begin_play unread
	await_stage unread
	expect "clients that do not read: $(counts stable)" \
		holds_for 3000 dump_is stable '.requests | "\(.in_flight) \(.total)"' "3 3"
	cue unread
	await_stage stalled
	expect "a server that stops after what was not read does not time out" wait_for 3 dump_is stable .requests.timeout 1
	expect_requests stable success=1 client_abort=1 timeout=1
	cue stalled
	end_play
	expect_requests stable success=1 client_abort=1 timeout=1
	expect_field .connections.open 0
	expect_losses
	expect_times
}

# ---- clients that vanish: nothing of them comes any more, not even an end ----

# vanishes STEP... -- STEP...: on a connection whose client vanishes between these, until the server's TCP gives it up.
vanishes() {
	play open
	while [[ $1 != -- ]]; do
		play "$1"
		shift
	done
	cut_off 8000
	play "${@:2}" '+s @gone'
	mend
	play 'c @end'
}

test_hard_client_vanishes() {
	start_duet 8000
	start_agent --stable 8000
	impatient_tcp
	vanishes "c $ASK" -- '+s HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf'
	expect_requests stable client_abort=1
	vanishes "c $ASK" 'c @fin' -- "+s $TELL"
	expect_requests stable client_abort=2
	# The server waits for nothing, and leaves the rest to its kernel.
	play open "c $ASK" 'c @fin'
	cut_off 8000
	play "+s $TELL" '+s @end'
	expect "TCP does not give up" wait_for 10 dump_is stable .connections.open 0
	expect_requests stable client_abort=3
	expect_eq "$(flows)" "0 0" "responses that the server cut short, and did not end"
	expect_losses
}

# While the server still thinks: only keepalive finds out, and resets what is no more there.
test_hard_client_vanishes_unanswered() {
	start_duet 8000
	start_agent --stable 8000
	vanishes "c $ASK" "s $TELL" "c $ASK" 's @keepalive' --
	expect_requests stable success=1 client_abort=1
	expect_field .connections.open 0
	expect_losses
}

# With its window closed: there are no retransmissions, only probes.
test_hard_client_vanishes_unread() {
	start_stage
	begin_play unread_gone
	await_stage unread
	impatient_tcp
	cut_off 8000
	cue unread
	end_play
	expect_requests stable client_abort=1
	expect_eq "$(flows)" "0 0" "responses that the server cut short, and did not end"
	expect_field .connections.open 0
	expect_losses
	expect_times
}

# TCP tries for longer than the deadline. Whatever becomes of it then, the request has been told.
test_hard_half_closed_client_vanishes_for_long() {
	start_duet 8000
	start_agent --stable 8000 --timeout 1
	play open "c $ASK" 'c @fin'
	cut_off 8000
	play "+s $TELL"
	expect "the answer to nobody is never told" wait_for 4 dump_is stable .requests.in_flight 0
	expect_requests stable client_abort=1
	mend
	play '+s @end' 'c @end'
	expect "the connection stays open" wait_for 10 dump_is stable .connections.open 0
	expect_requests stable client_abort=1
	expect_losses
}

# ---- ends that come with the beginning ----

# The request and the client's FIN in the segment that completes the handshake, before the server has a socket.
test_hard_deferred_half_closed() {
	start_stage
	act deferred left
	expect_requests stable client_abort=1
	act deferred answered
	expect_requests stable client_abort=1 success=1
	expect_field .protocols.http1 2
	expect_field .connections.open 0
	expect_losses
	expect_times
}
