# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash disable=SC2016 # $ in single quotes is awk's
# Servers of applications: uvicorn with models, gunicorn, Node.

# expect_label TEXT LABEL: of the classifier, which is a real one.
expect_label() {
	expect_match "$(get "$URL/classify" --json "{\"text\": \"$1\"}")" "\"label\":\"$2\"" "label of '$1'"
	say 1 200 POST /classify
}

# model_clients: what people send to a model server.
model_clients() {
	expect_label "a quick and pleasant answer" good
	expect_label "slow and wrong and rude" bad
	by_curl 422 /classify -- --json '{"words": 1}'
	by_curl 200 /generate/stream -- --no-buffer --json '{"tokens": 12}'
	printf '3 GET /stream 200\n2 GET /chunks/stream 200\n5 GET / 200\n' | by_python keepalive
	printf '6 GET /stream 200\n2 GET /chunks/stream 200\n' | by_node 3
	by_python keepalive <<-END
		10 GET / 200
		3 GET /missing 404
		2 GET /big 200
		2 HEAD / 200
		2 HEAD /big 200
		2 GET /throttled 429
		2 POST /post 200 1048576
		2 POST /post 200 70000 chunked
		5 GET / 200
	END
	printf '5 GET /broken 500\n' | by_python each
}

leaving_a_model() {
	curl_leaves /abort/stream --no-buffer
	curl_leaves /abort/huge
	printf '2 GET /abort/stream abort\n2 GET /abort/huge abort\n' | by_python each
	printf '3 GET /abort/stream abort\n2 GET /abort/huge abort\n5 GET / 200\n' | by_node 2
}

# The first start after a boot reads all of torch from the disk.
# shellcheck disable=SC2034,SC2154 # for the harness
DEADLINE[uvicorn]=120 DEADLINE[uvicorn_closes_after_an_error]=120 DEADLINE[uvicorn_h11]=120

test_uvicorn() {
	start_uvicorn stable 8000 --loop uvloop --http httptools
	start_agent --stable 8000
	echo '{"text": "a quick and rude service"}' >text
	by_h2load 300 4 /
	METHOD=POST by_ab 200 4 200 /classify -k -p text -T application/json
	METHOD=POST by_ab 100 2 200 /classify -p text -T application/json
	by_ab 50 2 404 /missing
	model_clients
	leaving_a_model
	at_once 'by_h2load 200 2 /' 'by_curl 200 /stream /stream'
	agrees stable
	expect_spoken stable http1
	expect_eq "$(dump stable .connections.opened)" "$(accepted)" "connections opened"
	expect "the median gap of a stream is $(dump stable .latency_seconds.gap.p50)" \
		holds "$(dump stable .latency_seconds.gap.p50) > 0.009"
	agrees_with_wrk stable
}

# After an error uvicorn closes the connection without having said so. What the client has sent by then is dropped, what it
# sends later was never a request to the server.
test_uvicorn_closes_after_an_error() {
	local dropped
	start_uvicorn stable 8000 --loop uvloop --http httptools
	start_agent --stable 8000
	printf '40 GET /broken *\n3 GET / *\n' | by_python keepalive
	dropped=$(number_said stable '$2 == "dropped"')
	expect "no connection was closed on a request" holds "$dropped > 0"
	expect "requests stay in flight" wait_for 5 dump_is stable .requests.in_flight 0
	expect_eq "$(dump stable .requests.server_error)" "$(number_said stable '$2 == 500')" "server errors"
	expect_eq "$(dump stable .requests.server_error)" "$(log_of stable | grep -c ' 500 ')" "errors that uvicorn logged"
	expect_eq "$(($(dump stable .requests.server_abort) + $(serin dump -o json | jq .losses.after_close)))" "$dropped" 		"requests dropped, and those after the end"
	expect_eq "$(dump stable '.requests | .total - .server_error - .server_abort - .success')" 0 "other requests"
	expect_eq "$(serin dump -o json | jq '.losses | del(.after_close) | add')" 0 "other losses"
}

# The same application, framed and sent by pure Python.
test_uvicorn_h11() {
	start_uvicorn stable 8000 --loop asyncio --http h11
	start_agent --stable 8000
	by_ab 100 2 200 / -k
	model_clients
	leaving_a_model
	at_once 'by_ab 100 2 200 /' 'by_curl 200 /stream /big'
	agrees stable
	expect_spoken stable http1
}

wsgi_clients() {
	by_ab 300 4 200 /
	by_ab 50 2 404 /missing
	by_ab 20 2 500 /broken
	by_curl 200 / /big / /stream
	by_curl 200 / /big -- --head
	by_curl 200 /chunks/stream -- --no-buffer
	by_curl 200 /post -- -T "$DIR/upload" -X POST
	by_python keepalive <<-END
		10 GET / 200
		3 GET /missing 404
		2 GET /big 200
		2 HEAD /big 200
		2 GET /throttled 429
		3 GET /broken 500
		3 POST /post 200 1000
		2 POST /post 200 1048576
		2 POST /post 200 70000 chunked
		2 GET /stream 200
		5 GET / 200
	END
	printf '20 GET / 200\n3 GET /stream 200\n3 GET /missing 404\n2 POST /post 200 1000\n' | by_node 3
	curl_leaves /abort/stream --no-buffer
	curl_leaves /abort/huge
	printf '2 GET /abort/stream abort\n2 GET /abort/huge abort\n' | by_python each
	printf '2 GET /abort/stream abort\n' | by_node 1
	at_once 'by_ab 200 4 200 /' 'by_curl 200 /stream /big /'
	# Each ends a worker; gunicorn starts another.
	printf '1 GET /dropped/unanswered dropped\n2 GET /dropped/cut dropped\n1 GET / 200\n' | by_python each
}

test_gunicorn_sync() {
	start_gunicorn stable 8000 sync
	start_agent --stable 8000
	head -c 300000 /dev/zero >upload
	wsgi_clients
	agrees stable
	expect_spoken stable http1
	expect_eq "$(dump stable .connections.opened)" "$(accepted)" "connections opened"
	expect_eq "$(dump stable .responses.cut_short)" 2 "responses cut short"
	expect "the processes are not five again" wait_for 5 dump_is stable '.pids | length' 5
	expect_eq "$(dump stable .exits.error)" 3 "workers that died"
}

# The same with threads and connections kept alive, and the agent there before the server.
test_gunicorn_threads() {
	start_agent --stable 8000
	start_gunicorn stable 8000 gthread --threads 2 --keep-alive 5
	expect "the listener is not found" wait_for 5 dump_is stable '.listeners | length' 1
	head -c 300000 /dev/zero >upload
	by_h2load 400 4 /
	by_ab 200 2 200 / -k
	wsgi_clients
	agrees stable
	expect_spoken stable http1
	expect_eq "$(dump stable .connections.opened)" "$(accepted)" "connections opened"
	expect_eq "$(dump stable .responses.cut_short)" 2 "responses cut short"
	expect "the processes are not five again" wait_for 5 dump_is stable '.pids | length' 5
	expect_eq "$(dump stable .exits.error)" 3 "workers that died"
	agrees_with_wrk stable
}

test_node() {
	start_node stable 8000
	start_agent --stable 8000
	by_h2load 1000 4 /
	by_h2load 200 2 /chunked
	by_ab 300 4 200 / -k
	by_ab 200 4 200 /
	by_ab 50 2 404 /missing
	by_curl 200 / /big /chunked /stream /
	by_curl 200 / /big -- --head
	by_curl 500 /broken /broken
	by_python keepalive <<-END
		10 GET / 200
		5 GET /chunked 200
		3 GET /missing 404
		2 GET /big 200
		2 GET /nothing 204
		2 GET /throttled 429
		3 GET /broken 500
		2 POST /post 200 1048576
		2 POST /post 200 70000 chunked
		2 GET /stream 200
		2 GET /chunks/stream 200
		5 GET / 200
	END
	by_node 3 <<-END
		20 GET / 200
		5 POST /post 200 100000
		5 POST /post 200 70000 chunked
		5 GET /missing 404
		5 GET /stream 200
		3 HEAD /big 200
	END
	curl_leaves /abort/stream --no-buffer
	curl_leaves /abort/huge
	printf '2 GET /abort/stream abort\n2 GET /abort/huge abort\n' | by_python each
	printf '3 GET /abort/stream abort\n2 GET /abort/huge abort\n5 GET / 200\n' | by_node 2
	at_once 'by_h2load 300 2 /' 'by_ab 200 4 200 /'
	printf '3 GET /dropped/unanswered dropped\n2 GET /dropped/cut dropped\n1 GET / 200\n' | by_python each
	agrees stable
	expect_spoken stable http1
	expect_eq "$(dump stable .connections.opened)" "$(accepted)" "connections opened"
	expect_eq "$(dump stable .responses.cut_short)" 2 "responses cut short"
	agrees_with_wrk stable
}

# The answer to HEAD has a stream's header and no body: it streams nothing.
test_head_of_a_stream() {
	start_node stable 8000
	start_agent --stable 8000
	printf '3 HEAD /stream 200\n2 GET /stream 200\n3 HEAD /chunks/stream 200\n5 GET / 200\n' | by_python keepalive
	agrees stable
	expect_eq "$(dump stable .latency_seconds.stream_first_chunk.count)" 2 "first chunks of streams"
}
