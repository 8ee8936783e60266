# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
# HTTP/1 in forms that are allowed and rare: counts exact, times within what both ends' clocks allow.

test_hard_pipeline() {
	start_stage
	act pipeline 10 one
	expect_requests stable success=6 client_error=4
	act pipeline 10 each
	expect_requests stable success=12 client_error=8
	act pipeline 12 heads
	expect_requests stable success=22 client_error=10
	act pipeline 16 one
	act pipeline 16 each
	expect_requests stable success=42 client_error=22
	act pipeline_in_turns 200
	expect_requests stable success=242 client_error=22
	expect_losses
	expect_times
}

# Requests and responses pass at the same time, on two CPUs.
test_hard_pipeline_both_ways() {
	start_nginx stable 127.0.0.1:8000
	start_agent --stable 8000
	play_elsewhere ahead 8000 9000 12
	expect_requests stable success=6000 client_error=3000
	expect "nginx logged $(served stable) requests, 9000 were sent" wait_for 5 served_are stable 9000
	expect_field .latency_seconds.duration.count 9000
	expect_field .latency_seconds.first_chunk.count 6000
	expect_field .connections.opened 1
	expect_losses
}

# Of more than are remembered some have no times, which is told; what became of them is counted all the same.
test_hard_pipeline_deep() {
	local depth
	start_stage
	act pipeline 17 one
	expect_requests stable success=11 client_error=6
	depth=$(dump stable .latency_seconds.duration.count)
	expect_losses "pipeline=$((17 - depth))"
	expect "no start is forgotten of 17" holds "$depth < 17"
	act pipeline 64 each
	expect_requests stable success=53 client_error=28
	act pipeline 64 one
	expect_requests stable success=95 client_error=50
	expect "the lost times are not told: $(losses)" holds \
		"$(serin dump -o json | jq .losses.pipeline) == 145 - $(dump stable .latency_seconds.duration.count)"
	expect_times
}

# More than 64: what cannot be told apart is unknown, or counted as lost.
test_hard_pipeline_overflow() {
	start_stage
	act pipeline_overflow 80
	expect_nothing_made_up
	expect_field .requests.client_error 1
}

# Whether a response has a body depends on whether it answers a HEAD.
test_hard_pipeline_overflow_of_heads() {
	local before
	start_stage
	act pipeline_overflow 80 heads
	expect_nothing_made_up
	before=$(dump stable .requests.success)
	act pipeline 10 heads
	expect_field .requests.success $((before + 8))
}

# No outcome and no time: of 82 requests 80 were answered with 200, then one with 500, all after 120 ms at least, and
# the last one, quickly, with 404.
expect_nothing_made_up() {
	local known count sum
	expect "requests stay in flight" wait_for 5 dump_is stable .requests.in_flight 0
	expect "nothing is told of the overflow" not losses_are ''
	known=$(dump stable '.requests | .success + .server_error')
	expect_between 0 "$(dump stable .requests.success)" 80 "success"
	expect_between 0 "$(dump stable .requests.server_error)" 1 "server_error"
	expect_between 0 "$(dump stable .requests.client_error)" 1 "client_error"
	expect_between 1 "$(dump stable .requests.total)" 82 "requests"
	expect_eq "$(dump stable '.requests | .total - .success - .server_error - .client_error - .unknown')" 0 \
		"requests with an outcome that none had"
	count=$(dump stable .latency_seconds.duration.count) sum=$(dump stable .latency_seconds.duration.sum)
	expect "durations: $count of $known requests and the last" holds "$count <= $known + 1"
	expect "$count requests, all but one of which took 0.12 s, took $sum s together" holds "$sum >= 0.12 * ($count - 1)"
}

# A connection for each byte at which a request or a response can be cut in two.
test_hard_cut_requests() {
	start_stage
	act cut_requests get
	act cut_requests post
	act cut_requests chunked
	expect_requests stable success="$(/usr/bin/python3 "$HERE/scenes.py" 0 count_cuts q-get q-post q-chunked)"
	expect_losses
	expect_times
}

test_hard_cut_responses() {
	start_stage
	act cut_responses sized
	act cut_responses chunked
	act cut_responses events
	act cut_responses interim
	expect_requests stable success="$(/usr/bin/python3 "$HERE/scenes.py" 0 count_cuts r-sized r-chunked r-events r-interim)"
	expect_losses
	expect_times
}

test_hard_cuts_on_one_connection() {
	start_stage
	act cut_on_one_connection
	expect_field .connections.opened 1
	expect_requests stable success="$(($(/usr/bin/python3 "$HERE/scenes.py" 0 count_cuts q-post r-chunked) - 4))"
	expect_losses
	expect_times
}

test_hard_interim_responses() {
	start_stage
	act interims
	expect_requests stable success=6
	expect_losses
	expect_times
}

test_hard_expectation_failed() {
	start_stage
	act expectation_failed
	expect_requests stable success=4 client_error=2
	act answered_early
	expect_requests stable success=5 client_error=3
	expect_losses
	expect_times
}

test_hard_without_body() {
	start_stage
	act without_body
	expect_requests stable success=57 client_error=3
	expect_losses
	expect_times
}

test_hard_chunks_of_one_byte() {
	start_stage
	act chunks 5000 one
	expect_requests stable success=2
	expect_times
	expect_field .latency_seconds.duration.count 2
	act chunks 2000 each
	act chunks 500 cut
	expect_requests stable success=6
	expect_field .latency_seconds.stream_duration.count 2
	expect_losses
	expect_times
}

test_hard_chunk_forms() {
	start_stage
	act chunk_forms
	expect_requests stable success=16
	expect_losses
	expect_times
}

test_hard_ends_are_late() {
	start_stage
	act late_end
	act slow_header
	expect_requests stable success=7
	expect_losses
	expect_times
}

test_hard_large_request_headers() {
	start_stage
	act large_headers request
	expect_requests stable success=8 client_error=8
	expect_losses
	expect_times
}

test_hard_large_response_headers() {
	start_stage
	act large_headers response
	expect_requests stable success=8 client_error=8
	expect_losses
	expect_times
}

test_hard_ended_by_close() {
	start_stage
	act ended_by_close
	expect_requests stable success=14
	expect_losses
	expect_times
}

test_hard_uncalled_for_responses() {
	start_stage
	act uncalled_for
	expect_requests stable success=4
	expect_losses
	expect_times
}

test_hard_upgrade() {
	start_stage
	act upgrade
	expect_requests stable success=3
	expect_field '.protocols | "\(.http1) \(.upgraded)"' '3 3'
	act upgrade_refused
	expect_requests stable success=4 client_error=1
	expect_field .protocols.upgraded 3
	expect_losses
	expect_times
}

# A request pipelined behind one that another protocol took over.
test_hard_upgrade_pipelined() {
	start_stage
	begin_play upgrade_pipelined
	await_stage switched
	expect_requests stable success=1 unknown=1
	cue switched
	end_play
	expect_requests stable success=2 client_error=1 unknown=1
	expect_field .protocols.upgraded 1
	expect_losses
	expect_times
}

# The answer to CONNECT is an answer; what follows it, whatever its header says of a body, is another protocol.
test_hard_connect() {
	start_stage
	act connect
	expect_requests stable success=2
	expect_field .protocols.upgraded 2
	expect_losses
	expect_times
}

# The same when CONNECT comes before the server has a socket.
test_hard_connect_deferred() {
	start_stage
	act connect_deferred
	expect_requests stable success=1
	expect_field .protocols.upgraded 1
	expect_losses
	expect_times
}

test_hard_connect_refused() {
	start_stage
	act connect_refused
	expect_requests stable success=1 client_error=1
	expect_field .protocols.upgraded 0
	expect_losses
	expect_times
}
