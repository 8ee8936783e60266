# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
# Every kind of loss, by what really causes it: it is counted, and nothing is counted as what it was not.

# A duet on port 8000 beside a canary that nobody asks.
duet_with_agent() {
	start_duet 8000 "$@"
	start_agent --stable 8000
	play open
}

test_loss_none() {
	duet_with_agent --connections 3
	answered 4
	answered 2 "$BREAK"
	expect_requests stable success=12 server_error=6
	expect_bytes stable $((3 * 6 * $(length "$ASK"))) $((3 * (4 * $(length "$TELL") + 2 * $(length "$BREAK"))))
	expect_losses
}

# The server's TCP was told that these bytes are sent (as when a container is restored). They come as a retransmission,
# after what follows them.
test_loss_gap_in_a_response_header() {
	duet_with_agent
	answered 2
	play "c $ASK" "+s @repair HTTP/1.1 500 Internal Server" "s  Error\r\nContent-Length: 2\r\n\r\nno"
	answered 3
	expect_requests stable success=5 unknown=1
	expect_losses gap=1
}

# With several in flight nobody knows what the hole held. What is in flight is unknown, and what follows on that connection
# is not told.
test_loss_gap_in_a_pipelined_response_header() {
	duet_with_agent
	answered 2
	play "c*5 $ASK" "s $TELL" "+s @repair HTTP/1.1 500 Internal Server" "s  Error\r\nContent-Length: 2\r\n\r\nno" "s*3 $TELL"
	answered 2 "$BREAK"
	answered 2
	expect_requests stable success=3 unknown=4
	expect_eq "$(dump stable .latency_seconds.duration.count)" 3 "durations"
	expect_bytes stable $((11 * $(length "$ASK"))) $((8 * $(length "$TELL") + 3 * $(length "$BREAK")))
	expect_losses gap=1
	play 'c @end' 's @end' open
	answered 2
	expect_requests stable success=5 unknown=4
}

# Bytes of a body need not be seen.
test_no_loss_for_a_gap_in_a_body() {
	duet_with_agent
	play "c $ASK" 's HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n\r\n'
	play "+s @repair $(head -c 1000 /dev/zero | tr '\0' x)" "s*2000 x"
	answered 3
	expect_requests stable success=4
	expect_losses
}

# One CPU was stopped in the middle of a segment: what comes meanwhile on the same connection cannot be looked at. A
# request that was under way is known by its response; one that came whole meanwhile was never seen.
test_loss_contended() {
	duet_with_agent --connections 2
	answered 2
	play 'c POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 22\r\n\r\nhalf'
	grip 1
	play 'c and the other half' "s $BREAK" "c $ASK" "s $BREAK"
	grip 0
	answered 3
	expect_requests stable success=10 server_error=2
	expect_match "$(losses)" '^contended=[2-9][0-9]* gap=2$' "losses"
	expect_bytes stable $((2 * (6 * $(length "$ASK") + 73))) $((2 * (5 * $(length "$TELL") + 2 * $(length "$BREAK"))))
}

# grip 1|0 [CONNECTIONS]: takes or gives back the lock of all connections, of which there must be so many (2).
grip() {
	need "the server's process is not found" wait_for 3 dump_is stable '.pids | length > 0' true
	expect_eq "$("$ROOT/build/e2e/grip" "$PINS$INSTANCE" "$(dump stable '.pids[0]')" "$1")" "${2:-2}" "connections gripped"
}

# Of another protocol than HTTP/1 it is that turn that is not told, and not those before and after it.
test_loss_contended_turn() {
	local hello='\x16\x03\x01\0\x05hello' record='\x17\x03\x03\0\x05hello'
	duet_with_agent --connections 2
	play "c $hello" "s $hello" "c $record" "s $record"
	expect_requests stable unknown=4
	grip 1
	play "c $record" "s $record"
	grip 0
	for _ in {1..10}; do
		play "c $record" "s $record"
	done
	expect_requests stable unknown=24
	expect_eq "$(dump stable .latency_seconds.turn.count)" 24 "turns"
	expect_bytes stable $((2 * 13 * 10)) $((2 * 13 * 10))
	expect_losses contended=2
	play 'c @end' 's @end'
	expect_requests stable unknown=24
	expect_field .connections.open 0
}

# The client's end came meanwhile. That it was the client who left first is known all the same.
test_loss_contended_end() {
	duet_with_agent --connections 2
	play "c $ASK"
	grip 1
	play 'c @fin'
	grip 0
	play 's @end' 'c @end'
	expect_requests stable client_abort=2
	expect_field .connections.open 0
	expect_losses contended=2
}

# With several in flight no later request line tells which answer is whose: what is known is what was asked before, and
# answered. The rest of that connection is not told, and nothing is told of it that was not so.
test_loss_contended_pipeline() {
	start_stage
	begin_play pipeline_unseen
	await_stage four
	grip 1 1
	cue four
	await_stage unseen
	grip 0 1
	cue unseen
	end_play
	expect_requests stable success=4
	expect_losses contended=1 gap=1
	expect_times
	act pipeline 10 each
	expect_requests stable success=10 client_error=4
	expect_losses contended=1 gap=1
	expect_times
}

# More requests in flight than start times are kept for: all have their outcome, some have no duration.
test_loss_pipeline_times() {
	duet_with_agent
	play "c*40 $ASK" "s*39 $TELL" "s $BREAK"
	expect_requests stable success=39 server_error=1
	expect_match "$(losses)" '^pipeline=[0-9]+$' "losses"
	expect_eq "$(dump stable "(.latency_seconds.duration.count + $(losses | tr -dc 0-9))")" 40 "durations and losses"
	answered 5
	expect_requests stable success=44 server_error=1
}

# More than are remembered at all. Whatever becomes of them, none is called what it was not, and later ones are known.
test_loss_pipeline_requests() {
	local counted
	duet_with_agent
	play "c*100 $ASK" "s*100 $BREAK"
	answered 5
	expect "a request stays in flight" wait_for 5 dump_is stable .requests.in_flight 0
	expect_eq "$(dump stable .requests.success)" 5 "success"
	expect_eq "$(dump stable '.requests | .total - .success - .unknown - .server_error')" 0 "other outcomes"
	counted=$(dump stable '.requests | .unknown + .server_error')
	expect_between 1 "$counted" 100 "of 100 requests"
	expect "nothing is lost" not losses_are ''
}

# The answers to those that were too many are not the answers to what is asked next.
test_loss_pipeline_then_another() {
	duet_with_agent
	play "c*100 $ASK" "c $ASK" "s*100 $TELL" "s $BREAK"
	answered 5
	expect "a request stays in flight" wait_for 5 dump_is stable .requests.in_flight 0
	expect_between 5 "$(dump stable .requests.success)" 105 "success"
	expect_eq "$(dump stable '.requests | .total - .success - .unknown - .server_error')" 0 "other outcomes"
	expect_between 0 "$(dump stable '.requests | .total')" 106 "total"
	# 100 were answered well before the one that was not: if it is counted, then not as a success.
	expect_eq "$(dump stable '.requests | if .server_error == 1 or .success == 5 then 1 else 0 end')" 1 \
		"the 500 is a server_error, or nothing of that time is known ($(counts stable))"
	expect "nothing is lost" not losses_are ''
}

# The server has closed its side, the client does not know yet and asks again: the server never sees it.
test_loss_after_close() {
	duet_with_agent --connections 3
	answered 2
	play '+s @fin' "+c $ASK"
	expect_requests stable success=6
	expect_losses after_close=3
	expect "bytes in" dump_is stable .bytes.in $((9 * $(length "$ASK")))
}

# The socket has no memory left for options, which is where its storage is charged.
test_loss_storage() {
	tight_memory 512
	start_duet 8000 --connections 2
	play open
	start_agent --stable 8000
	expect "nothing is lost" wait_for 3 not losses_are ''
	expect_match "$(losses)" '^storage=[0-9]+$' "losses"
	play "c $ASK" "s $TELL"
	expect_requests stable
}

# The same of a server that starts after the agent, and of the connections it accepts: they work, and are not counted.
test_loss_storage_of_a_later_server() {
	launch_agent --stable 8000
	await_event waiting
	tight_memory 512
	start_duet 8000 --connections 2
	play open
	expect_match "$(losses)" '^storage=[0-9]+$' "losses"
	play "c $ASK" "s $TELL"
	expect_requests stable
}

# A listener that was there before cannot be tagged: its later connections are nobody's. That is to be seen.
test_loss_storage_of_an_earlier_listener() {
	tight_memory 512
	start_duet 8000 --connections 2
	start_agent --stable 8000
	play open
	play "c $ASK" "s $TELL"
	expect_requests stable
	expect_match "$(losses)" '^storage=[0-9]+$' "losses"
}

# tight_memory BYTES: of options, for each socket of the namespace. It goes with the namespace.
tight_memory() {
	in_ns sh -c "echo $1 >/proc/sys/net/core/optmem_max" 2>/dev/null ||
		skip "optmem_max belongs to the whole machine in this kernel (before 6.8)"
}

# Segments with extension headers before TCP's.
test_loss_unreadable_destination_options() {
	start_duet 8000 --listen :: --connect ::1
	start_agent --stable 8000
	play open
	answered 3
	play 'c @dst' "c $ASK" "s $BREAK"
	expect_requests stable success=3
	expect_match "$(losses)" '^unreadable=[1-9][0-9]*$' "losses"
}

# Longer ones may be read or not, but not in silence.
test_loss_unreadable_hop_by_hop_options() {
	start_duet 8000 --listen :: --connect ::1
	start_agent --stable 8000
	play open
	answered 3
	play 'c @hop2' "c $ASK" "s $BREAK"
	if losses_are ''; then
		expect_requests stable success=3 server_error=1
	else
		expect_requests stable success=3
		expect_match "$(losses)" '^unreadable=[1-9][0-9]*$' "losses"
	fi
}

# This is what BIG TCP puts there, so it is read.
test_no_loss_for_short_hop_by_hop_options() {
	start_duet 8000 --listen :: --connect ::1
	start_agent --stable 8000
	play open
	answered 3
	play 'c @hop' "c $ASK" "s $BREAK" 's @hop' "c $ASK" "s $REFUSE"
	expect_requests stable success=3 server_error=1 client_error=1
	expect_losses
}

# An answer that cannot be read is none of those that can be told, whoever closes then.
unreadable_answer() {
	start_duet 8000 --listen :: --connect ::1
	start_agent --stable 8000
	play open
	answered 3
	play 's @dst' "c $ASK" "s $TELL" "$@"
	expect_requests stable success=3 unknown=1
	expect_match "$(losses)" '^unreadable=[1-9][0-9]*$' "losses"
}

test_loss_unreadable_answer_server_closes() {
	unreadable_answer 's @end' 'c @end'
}

test_loss_unreadable_answer_client_closes() {
	unreadable_answer 'c @end' 's @end'
}

# A canary with more listening sockets than places among those that are steered to. All are watched.
test_loss_listeners() {
	start_nginx stable 127.0.0.1:8000
	workers=20 start_nginx canary '127.0.0.1:8001 reuseport'
	start_agent --weight 100 "${NO_GATES[@]}"
	expect_eq "$(with_ab -n 100 -c 4 "$STABLE/")" 100 "requests answered"
	expect_requests canary success=100
	expect_losses listeners=4
}

# The same of listeners that come after the agent.
test_loss_listeners_later() {
	start_nginx stable 127.0.0.1:8000
	launch_agent --weight 100 "${NO_GATES[@]}"
	await_event waiting
	workers=20 start_nginx canary '127.0.0.1:8001 reuseport'
	await_event ready
	expect_eq "$(with_ab -n 100 -c 4 "$STABLE/")" 100 "requests answered"
	expect_requests canary success=100
	expect_losses listeners=4
}

# More processes than those whose CPU time can be told. Their requests are counted all the same.
test_loss_processes() {
	spawn stable "$ROOT/build/e2e/crowd" 8000 1100
	await_listening stable 8000
	start_agent --stable 8000
	times 10 get "$STABLE/"
	expect_requests stable success=10
	# 1100 children and the one that serves, for 1024 places.
	expect_losses processes=77
}
