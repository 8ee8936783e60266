# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
# Every request that a client sent is counted, once, by its outcome; nothing else is.

start_watching() {
	two_nginx
	start_agent --weight 0
}

# expect_sent COUNT COMMAND...: what a client says was answered.
expect_sent() {
	expect_eq "$("${@:2}")" "$1" "requests that ${2#with_} had answered"
}

test_h2load_keepalive() {
	start_watching
	expect_sent 2000 with_h2load --h1 -n 2000 -c 4 "$STABLE/"
	expect_requests stable success=2000
	expect_requests canary
	expect_eq "$(dump stable .connections.opened)" 4 "connections opened"
	expect "connections stay open" wait_for 5 dump_is stable .connections.open 0
	expect_eq "$(dump stable .latency_seconds.duration.count)" 2000 "durations"
	expect_eq "$(dump stable .latency_seconds.first_byte.count)" 2000 "first bytes"
}

test_h2load_one_connection_each() {
	start_watching
	expect_sent 40 with_h2load --h1 -n 40 -c 40 "$STABLE/"
	expect_requests stable success=40
	expect_eq "$(dump stable .connections.opened)" 40 "connections opened"
}

test_ab_one_connection_each() {
	start_watching
	expect_sent 1000 with_ab -n 1000 -c 4 "$STABLE/"
	expect_requests stable success=1000
	expect_eq "$(dump stable .connections.opened)" "$(accepted)" "connections opened"
	expect "connections stay open" wait_for 5 dump_is stable .connections.open 0
}

test_ab_keepalive() {
	start_watching
	expect_sent 1000 with_ab -k -n 1000 -c 4 "$STABLE/"
	expect_requests stable success=1000
	expect_eq "$(dump stable .connections.opened)" "$(accepted)" "connections opened"
	expect_between 4 "$(accepted)" 6 "connections of ab"
}

# wrk stops in the middle: on each connection one request more may be answered, or be left by the client.
test_wrk() {
	local answered success left
	start_watching
	answered=$(with_wrk -t 1 -c 8 -d 2s "$STABLE/")
	expect "wrk had no answer" holds "$answered > 0"
	expect "requests stay in flight" wait_for 5 dump_is stable .requests.in_flight 0
	success=$(dump stable .requests.success)
	left=$(dump stable .requests.client_abort)
	expect_between "$answered" "$success" $((answered + 8)) "success"
	expect_between "$answered" $((success + left)) $((answered + 8)) "success and client_abort"
	expect_requests stable success="$success" client_abort="$left"
}

test_outcomes_by_status() {
	start_watching
	get "$STABLE/" -o /dev/null
	times 2 get "$STABLE/missing" -o /dev/null
	times 4 get "$STABLE/throttled" -o /dev/null
	times 5 get "$STABLE/broken" -o /dev/null
	times 6 get "$STABLE/overloaded" -o /dev/null
	times 7 get "$STABLE/moved" -o /dev/null
	expect_requests stable success=8 client_error=2 throttled=4 server_error=11
}

# Answers without a body, between others on one connection: their end must be found all the same.
test_answers_without_a_body() {
	start_watching
	cat >bodiless.conf <<-END
		url = $STABLE/nothing
		output = /dev/null
		next
		head
		url = $STABLE/small
		output = /dev/null
		next
		url = $STABLE/big
		output = /dev/null
		time-cond = "1 Jan 2099 00:00:00 GMT"
		next
		head
		url = $STABLE/missing
		output = /dev/null
		next
		url = $STABLE/
		output = /dev/null
		next
		url = $STABLE/overloaded
		output = /dev/null
	END
	get -K bodiless.conf
	expect_eq "$(cut -d ' ' -f 1 stable.access | tr '\n' ' ')" "204 200 304 404 200 503 " "statuses that nginx logged"
	expect_requests stable success=4 client_error=1 server_error=1
	expect_eq "$(dump stable .connections.opened)" 1 "connections opened"
}

test_large_answers_by_sendfile() {
	start_watching
	times 20 get "$STABLE/big" -o /dev/null
	expect_sent 20 with_h2load --h1 -n 20 -c 2 "$STABLE/big"
	expect_requests stable success=40
	expect_between $((40 * 1048576)) "$(dump stable .bytes.out)" $((42 * 1048576)) "bytes out"
}

# An answer that takes a second lasts a second, not the time until its first part was handed to the kernel.
test_duration_of_a_slow_answer() {
	local client
	start_watching
	client=$(get "$STABLE/slow" -o /dev/null -w '%{time_total}')
	expect_requests stable success=1
	expect "curl took only $client s" holds "$client > 0.5"
	expect_between "$client - 0.2" "$(dump stable .latency_seconds.duration.max)" "$client * 1.04" "duration"
	expect_between 0 "$(dump stable .latency_seconds.first_byte.max)" 0.2 "time to the first byte"
}

# nginx says 100 Continue first, which is not the answer.
test_upload_after_100_continue() {
	start_watching
	expect_eq "$(status_of "$STABLE/upload/file" -T www/big -H 'Expect: 100-continue')" 201 "status"
	expect_requests stable success=1
	expect_between 1048576 "$(dump stable .bytes.in)" 1100000 "bytes in"
	times 4 get "$STABLE/upload/file" -T www/big -H 'Expect: 100-continue'
	expect_requests stable success=5
}

test_chunked_answers() {
	local accept='Accept-Encoding: gzip'
	start_watching
	expect_match "$(get "$STABLE/zipped" -o /dev/null -D - -H "$accept")" 'Transfer-Encoding: chunked' "headers"
	times 9 get "$STABLE/zipped" -o /dev/null -H "$accept"
	expect_sent 50 with_h2load --h1 -n 50 -c 2 -H "$accept" "$STABLE/zipped"
	expect_requests stable success=60
}

test_pipelined_requests() {
	start_watching
	expect_eq "$(own_client pipeline 127.0.0.1 8000 10 /)" 10 "answers to one segment"
	expect_requests stable success=10
	expect_eq "$(own_client pipeline 127.0.0.1 8000 3 /big)" 3 "answers to one segment"
	expect_requests stable success=13
}

test_request_in_single_bytes() {
	start_watching
	expect_eq "$(own_client dribble 127.0.0.1 8000 /)" 200 "status"
	expect_eq "$(own_client dribble 127.0.0.1 8000 /missing)" 404 "status"
	expect_requests stable success=1 client_error=1
}

test_several_workers() {
	workers=2 start_nginx stable '127.0.0.1:8000 reuseport'
	workers=2 start_nginx canary '127.0.0.1:8001 reuseport'
	start_agent --weight 0
	expect_sent 500 with_ab -n 500 -c 4 "$STABLE/"
	expect_requests stable success=500
	expect_eq "$(dump stable '.pids | length')" 3 "processes"
}

test_python_server() {
	start_python stable 127.0.0.1 8000
	start_python canary 127.0.0.1 8001 --protocol HTTP/1.1
	start_agent --weight 0
	expect_sent 200 with_ab -n 200 -c 2 "$STABLE/small"
	expect_sent 200 with_h2load --h1 -n 200 -c 2 http://127.0.0.1:8001/small
	times 3 get "$STABLE/missing" -o /dev/null
	times 4 get "$STABLE/small" -o /dev/null -X POST
	expect_requests stable success=200 client_error=3 server_error=4
	expect_requests canary success=200
}

# A script's answer has no length: it ends when the server closes.
test_answers_ended_by_close() {
	start_python stable 127.0.0.1 8000 --cgi
	start_nginx canary 127.0.0.1:8001
	start_agent --weight 0
	get "$STABLE/cgi-bin/licence" >answer
	expect "the answer is not whole" cmp answer /usr/share/common-licenses/GPL-3
	expect_requests stable success=1
	times 4 get "$STABLE/cgi-bin/licence" -o /dev/null
	expect_requests stable success=5
}

# h2load writes a host of IPv6 in a way that nginx refuses.
test_ipv6() {
	start_nginx stable '[::1]:8000'
	start_nginx canary '[::1]:8001'
	start_agent --weight 0
	expect_sent 500 with_h2load --h1 -n 500 -c 4 -H ':authority: localhost' 'http://[::1]:8000/'
	expect_sent 200 with_ab -n 200 -c 4 'http://[::1]:8000/'
	times 5 get 'http://[::1]:8000/missing' -o /dev/null
	expect_requests stable success=700 client_error=5
	expect_eq "$(dump stable .connections.opened)" "$(accepted)" "connections opened"
}

test_dual_stack_listener() {
	start_nginx stable '[::]:8000 ipv6only=off'
	start_nginx canary '[::]:8001 ipv6only=off'
	start_agent --weight 0
	expect_sent 100 with_ab -n 100 -c 4 'http://[::1]:8000/'
	expect_sent 100 with_ab -n 100 -c 4 "$STABLE/"
	expect_requests stable success=200
}

# Across a device there are checksums, segments and acknowledgements that loopback does not show.
test_across_veth() {
	make_peer
	start_nginx stable 10.77.0.1:8000
	start_nginx canary 10.77.0.1:8001
	start_agent --weight 0
	times 20 in_peer curl -sS --max-time 20 -o /dev/null http://10.77.0.1:8000/big
	times 20 in_peer curl -sS --max-time 20 -o /dev/null http://10.77.0.1:8000/missing
	in_peer ab -q -n 500 -c 4 http://10.77.0.1:8000/ >ab.out
	expect_requests stable success=520 client_error=20
	expect_between $((20 * 1048576)) "$(dump stable .bytes.out)" $((22 * 1048576)) "bytes out"
}

test_model_server() {
	start_model_server stable 8000
	start_model_server canary 8001
	start_agent --weight 0
	complete 20 "$STABLE"
	expect_eq "$(status_of "$STABLE/health")" 200 "status of /health"
	expect_eq "$(status_of "$STABLE/v1/completions" -d '{')" 400 "status of a malformed request"
	expect_eq "$(status_of "$STABLE/nowhere")" 404 "status of an unknown path"
	expect_requests stable success=21 client_error=2
}

# Streams and short answers have histograms of their own.
test_streams() {
	local gaps
	start_model_server stable 8000 chunk_delay_ms=5
	start_model_server canary 8001
	start_agent --weight 0
	complete 10 "$STABLE" '"stream": true'
	complete 5 "$STABLE"
	expect_requests stable success=15
	expect_eq "$(dump stable .latency_seconds.stream_duration.count)" 10 "streams"
	expect_eq "$(dump stable .latency_seconds.duration.count)" 5 "durations of answers that were no streams"
	expect_between 10 "$(dump stable .latency_seconds.first_chunk.count)" 15 "first chunks"
	gaps=$(dump stable .latency_seconds.gap.count)
	expect "gaps in 10 streams: $gaps" holds "$gaps > 10"
	expect_between 0.004 "$(dump stable .latency_seconds.gap.p50)" 0.015 "median gap of chunks 5 ms apart"
}

test_latency() {
	local first duration
	start_model_server stable 8000 delay_ms=100
	start_model_server canary 8001
	start_agent --weight 0
	complete 20 "$STABLE"
	expect_requests stable success=20
	first=$(dump stable .latency_seconds.first_byte.p50)
	duration=$(dump stable .latency_seconds.duration.p50)
	# A quantile is the middle of its bucket: up to 3.2 % off.
	expect_between 0.0968 "$duration" 0.13 "median duration with 100 ms of delay"
	expect_between 0.0968 "$first" 0.13 "median time to the first byte with 100 ms of delay"
	expect "first byte after $first s, end after $duration s" holds "$first <= $duration * 1.04"
	expect_between 2 "$(dump stable .latency_seconds.duration.sum)" 2.6 "sum of 20 durations"
}

# The canary's own port is watched like stable's.
test_canary_dialled_directly() {
	start_watching
	expect_sent 300 with_ab -n 300 -c 4 http://127.0.0.1:8001/
	expect_requests canary success=300
	expect_requests stable
}

# Without a canary there is nothing to steer, but all the more to see.
test_one_version_alone() {
	start_nginx stable 127.0.0.1:8000
	start_agent --stable 8000
	expect_sent 100 with_ab -n 100 -c 4 "$STABLE/"
	expect_requests stable success=100
	expect_eq "$(serin dump -o json | jq '.releases | length')" 0 "releases"
}

test_other_servers_are_not_counted() {
	start_watching
	start_nginx other 127.0.0.1:8002
	expect_sent 300 with_ab -n 300 -c 4 http://127.0.0.1:8002/
	times 5 get "$STABLE/" -o /dev/null
	expect_requests stable success=5
	expect_requests canary
}

# With TCP_DEFER_ACCEPT the first request comes before its connection: the kernel shows it with the listener's socket.
test_deferred_accept() {
	start_nginx stable '127.0.0.1:8000 deferred'
	start_nginx canary 127.0.0.1:8001
	start_agent --weight 0
	expect_sent 300 with_ab -n 300 -c 4 "$STABLE/"
	expect_sent 300 with_ab -k -n 300 -c 4 "$STABLE/"
	expect_requests stable success=600
	expect_eq "$(serin dump | jq '[.losses[]] | add')" 0 "losses"
}

# Forty listeners of a reuseport group and forty-one processes that hold them all.
test_large_group() {
	workers=40 start_nginx stable '127.0.0.1:8000 reuseport'
	start_nginx canary 127.0.0.1:8001
	start_agent --weight 0
	expect_sent 800 with_ab -n 800 -c 8 "$STABLE/"
	expect_requests stable success=800
	expect_eq "$(dump stable '.listeners | length')" 40 "listeners"
}

# One process serves both versions: whose CPU it uses nobody can say.
test_one_process_for_both_versions() {
	start_nginx stable 127.0.0.1:8000 127.0.0.1:8001
	start_agent --weight 0
	times 10 get "$STABLE/" -o /dev/null
	times 5 get http://127.0.0.1:8001/ -o /dev/null
	expect_requests stable success=10
	expect_requests canary success=5
	expect_eq "$(dump stable .cpu_seconds)" null "CPU time"
	expect_eq "$(dump stable .window.resources.cpu.current)" null "CPU in the window"
}
