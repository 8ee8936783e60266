# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
# Connections that are older than the agent. An exchange of which it has not seen all is unknown, at most one on each
# connection, and all that come later are known.

# old_connections STEP...: many, each of which has had an answer and then these steps, before the agent comes.
#   duet=OPTIONS    of duet.py
#   MANY=N          connections (40)
old_connections() {
	: "${MANY:=40}"
	# shellcheck disable=SC2086 # words
	start_duet 8000 --connections "$MANY" ${duet:-}
	play open "c $ASK" "s $TELL"
	times 2 pause # TCP knows when each side spoke last, to some milliseconds
	if (($#)); then
		play "$@"
	fi
	start_agent --stable 8000
	expect_eq "$(dump stable .connections.opened)" "$MANY" "connections found"
}

# expect_exact_now OUTCOME=N...: so many so far; and from here on every request is known by its outcome.
expect_exact_now() {
	expect "a request stays in flight" wait_for 5 dump_is stable .requests.in_flight 0
	expect_requests stable "$@"
	answered 2 "$BREAK"
	answered 1 "$REFUSE"
	expect_requests stable "$@" server_error=$((2 * MANY)) client_error="$MANY"
	play 'c @end' 's @end'
	expect_requests stable "$@" server_error=$((2 * MANY)) client_error="$MANY"
	expect "connections stay open" wait_for 5 dump_is stable .connections.open 0
	expect_losses
}

idle_before() {
	old_connections
	answered 1
	expect_exact_now success="$MANY"
	expect_bytes stable $((MANY * 4 * $(length "$ASK"))) \
		$((MANY * ($(length "$TELL") + 2 * $(length "$BREAK") + $(length "$REFUSE"))))
}

test_adopt_idle() {
	MANY=200 idle_before
}

test_adopt_idle_ipv6() {
	duet='--listen ::1 --connect ::1' idle_before
}

test_adopt_idle_mapped() {
	MANY=200 duet='--listen :: --connect 127.0.0.1' idle_before
}

test_adopt_idle_of_workers() {
	MANY=200 duet='--workers 4' idle_before
	expect_eq "$(dump stable '.pids | length')" 4 "processes"
}

# ---- in the middle of an exchange ----

test_adopt_request_body() {
	old_connections 'c POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 2000\r\n\r\n' 'c*1000 x'
	play 'c*500 x' 'c*500 x' "s $TELL"
	expect_exact_now unknown="$MANY"
}

test_adopt_request_header() {
	old_connections 'c GET / HTTP/1.1\r\nHo'
	play 'c st: test\r\n\r\n' "s $TELL"
	expect_exact_now unknown="$MANY"
}

# A body can hold anything, also what a request looks like.
test_adopt_request_body_like_a_request() {
	old_connections "c POST / HTTP/1.1\r\nHost: test\r\nContent-Length: $((20 + $(length "$ASK")))\r\n\r\n" 'c*10 x'
	play "c $ASK" 'c*10 x' "s $TELL"
	expect_exact_now unknown="$MANY"
}

test_adopt_long_generation() {
	MANY=200
	old_connections "c $ASK"
	play "s $TELL"
	expect_exact_now unknown="$MANY"
}

test_adopt_long_generation_ipv6() {
	duet='--listen ::1 --connect ::1 --workers 3' old_connections "c $ASK"
	play "s $TELL"
	expect_exact_now unknown="$MANY"
}

test_adopt_response_with_length() {
	old_connections "c $ASK" 's HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n' 's*1000 x'
	play 's*500 x' 's*500 x'
	expect_exact_now unknown="$MANY"
}

test_adopt_response_header() {
	old_connections "c $ASK" 's HTTP/1.1 500 Internal Server Error\r\nContent-Le'
	play 's ngth: 2\r\n\r\nno'
	expect_exact_now unknown="$MANY"
}

test_adopt_chunked_response() {
	old_connections "c $ASK" 's HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n' 's 5\r\nhello\r\n'
	play 's 5\r\nhello\r\n' 's 5\r\nhello\r\n' 's 0\r\n\r\n'
	expect_exact_now unknown="$MANY"
}

test_adopt_event_stream() {
	old_connections "c $ASK" \
		's HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n' 's 9\r\ndata: a\n\n\r\n'
	play 's 9\r\ndata: b\n\n\r\n' 's 9\r\ndata: c\n\n\r\n' 's 0\r\n\r\n'
	expect_exact_now unknown="$MANY"
	expect_eq "$(dump stable .latency_seconds.stream_duration.count)" 0 "durations of streams seen by half"
	expect_eq "$(dump stable .latency_seconds.gap.count)" 0 "gaps in streams seen by half"
}

# Nobody knows how many answers are still to come: the first is not that to what is asked next.
test_adopt_pipelined() {
	old_connections "c*2 $ASK"
	play "c $ASK" "s*2 $TELL" "s $BREAK"
	expect "a request stays in flight" wait_for 5 dump_is stable .requests.in_flight 0
	expect_eq "$(dump stable .requests.success)" 0 "success, where the only answer to what was seen is a 500"
	expect_eq "$(dump stable '.requests | .total - .success - .unknown - .server_error')" 0 \
		"other outcomes"
	expect_between 0 "$(dump stable .requests.total)" $((2 * MANY)) "requests counted"
	answered 2
	expect_eq "$(dump stable .requests.success)" $((2 * MANY)) "success of what came later"
}

# The same in one call: the answers to both go out, then the next request comes.
test_adopt_pipelined_answered() {
	old_connections "c*2 $ASK"
	play "s*2 $TELL"
	expect_exact_now unknown="$MANY"
}

# What was half over, and then broken off, is not an abort that anybody measured.
test_adopt_broken_off_by_the_client() {
	old_connections "c $ASK"
	play 'c @rst'
	expect "connections stay open" wait_for 5 dump_is stable .connections.open 0
	expect_eq "$(dump stable '.requests | .total - .unknown')" 0 "other outcomes"
	expect_between 0 "$(dump stable .requests.unknown)" "$MANY" "unknown"
}

test_adopt_broken_off_by_the_server() {
	old_connections "c $ASK" 's HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n'
	play 's*100 x' 's @rst'
	expect "connections stay open" wait_for 5 dump_is stable .connections.open 0
	expect_requests stable unknown="$MANY"
}

# ---- what the first segment after the agent came can be ----

# Anybody can send one in the client's name, but not with numbers that TCP takes.
test_adopt_forged_segment() {
	old_connections
	play "c @forged A 1000000000 $ASK" "c @forged A -1000000000 $ASK"
	expect_requests stable
	expect_bytes stable 0 0
	answered 1
	expect_exact_now success="$MANY"
	expect_bytes stable $((MANY * 4 * $(length "$ASK"))) \
		$((MANY * ($(length "$TELL") + 2 * $(length "$BREAK") + $(length "$REFUSE"))))
}

# The same in the middle of an exchange: the forged request is not what was asked.
test_adopt_forged_segment_before_the_answer() {
	old_connections "c $ASK"
	play "c @forged A 1000000000 $ASK" "c @forged A -1000000000 $ASK" "s $BREAK"
	expect_requests stable unknown="$MANY"
	expect_bytes stable 0 $((MANY * $(length "$BREAK")))
	answered 1
	expect_exact_now success="$MANY" unknown="$MANY"
}

# The FIN of the client came before the agent.
test_adopt_half_closed() {
	old_connections 'c @fin'
	play 's @end'
	expect "connections stay open" wait_for 5 dump_is stable .connections.open 0
	expect_requests stable
	expect_losses
}

test_adopt_half_closed_and_answered() {
	old_connections "c $ASK" 'c @fin'
	play "s $TELL" 's @end'
	expect "connections stay open" wait_for 5 dump_is stable .connections.open 0
	expect_requests stable unknown="$MANY"
	expect_losses
}

# A client that has finished asking gets its answer, or vanishes before it.
test_adopt_half_closed_client_vanishes() {
	if kernel_before 6.12; then
		skip "before Linux 6.12 the end of an adopted connection is known by its segments only"
	fi
	old_connections
	impatient_tcp
	play "c $ASK" 'c @fin'
	cut_off 8000
	play "+s $TELL" '+s @gone'
	expect_requests stable client_abort="$MANY"
	expect "connections stay open" wait_for 5 dump_is stable .connections.open 0
	expect_losses
}

# kernel_before VERSION
kernel_before() {
	[[ $(printf '%s\n' "$1" "$(uname -r)" | sort -V | head -n 1) != "$1" ]]
}

# ---- the agent dies and is started anew, or comes into the middle of traffic ----

test_adopt_after_the_agent_was_killed() {
	MANY=200
	old_connections
	answered 2
	expect_requests stable success=$((2 * MANY))
	play "c $ASK"
	end agent KILL
	drop_pins
	start_agent --stable 8000
	play "s $TELL"
	expect_exact_now unknown="$MANY"
}

test_adopt_idle_after_the_agent_was_killed() {
	duet='--listen :: --connect 127.0.0.1 --workers 3' old_connections
	answered 2
	end agent KILL
	drop_pins
	answered 1
	start_agent --stable 8000
	answered 1
	expect_exact_now success="$MANY"
}

# Its connections came to the service's port, and were steered: they are the canary's all the same.
test_adopt_steered_connections() {
	two_nginx
	start_agent --weight 100 "${NO_GATES[@]}"
	# shellcheck disable=SC2034 # for ask
	coproc CLIENT { own_client keepalive 127.0.0.1 8000; }
	expect_eq "$(ask /)" "200 7" "answer"
	expect_requests canary success=1
	end agent KILL
	drop_pins
	start_agent --weight 0 "${NO_GATES[@]}"
	times 5 ask / >answers
	ask /broken >>answers
	expect_eq "$(sort answers | uniq -c | tr -s ' ' | tr '\n' ';')" " 5 200 7; 1 500 177;" "answers"
	expect_requests canary success=5 server_error=1
	expect_requests stable
}

# Under load: no more than one exchange on each connection is not known, and none is called what it was not.
test_adopt_under_load() {
	local success unknown
	two_nginx
	background load in_ns "$LOAD" --url "$STABLE/" --method GET --connections 50 --rate 4000 --requests 12000 --json
	need "the load does not start" wait_for 5 nginx_served 500
	start_agent --weight 0
	need "the load is over too soon" alive load
	end agent KILL
	start_agent --weight 0
	need "the load is over too soon" alive load
	need "the load does not end" wait_for 15 dead load
	expect "a request stays in flight" wait_for 5 dump_is stable .requests.in_flight 0
	success=$(dump stable .requests.success)
	unknown=$(dump stable .requests.unknown)
	expect_between 1 "$success" 12000 "success"
	expect_between 0 "$unknown" 50 "unknown"
	expect_requests stable success="$success" unknown="$unknown"
	expect_losses
	expect_eq "$(with_h2load --h1 -n 500 -c 5 "$STABLE/")" 500 "requests answered"
	expect_requests stable success=$((success + 500)) unknown="$unknown"
}

nginx_served() {
	(($(served stable) >= $1))
}

# Another protocol that has spoken before: its turns are told from the next one on, and its name.
test_adopt_tls() {
	make_certificate
	start_nginx_tls stable 8000
	coproc CLIENT { own_client tls 127.0.0.1 8000; }
	expect_eq "$(ask /)" "200 7" "answer before the agent"
	start_agent --stable 8000
	for _ in {1..5}; do
		expect_eq "$(ask /)" "200 7" "answer"
	done
	expect_requests stable unknown=5
	expect_eq "$(dump stable .latency_seconds.turn.count)" 5 "turns"
	expect_eq "$(dump stable '.protocols | with_entries(select(.value > 0)) | tojson')" '{"tls":1}' "protocols"
	eval "exec ${CLIENT[1]}>&-"
	expect "the connection stays open" wait_for 5 dump_is stable .connections.open 0
	expect_requests stable unknown=5
}
