# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
# Connections that a canary is to lose, on servers as people run them: idle ones end in order, a stream is let finish,
# and the server goes on, after a reset too. The keeper is that of the end-to-end tests.

# shellcheck disable=SC2034,SC2154 # for the harness
DEADLINE[drain_of_uvicorn]=120

# drains_app: stable is whatever listens on 8000, the canary under test on 8001.
drains_app() {
	start_agent_draining 30 --weight 100
	keep stream ask 127.0.0.1 8000 /long/stream STOP
	keep lost hold 127.0.0.1 8000 5 / STOP
	need "no stream is in flight" wait_for 5 dump_is canary .requests.in_flight 1
	set_weight 0
	expect_kept lost eof 5 4
	expect_eq "$(kept stream '[a-z]+')" 0 "streams that ended with the idle connections"
	expect_kept stream eof 1 15
	expect_match "$(grep answered stream.kept)" "^answered 200 $LENGTH " "the whole stream"
	expect_drained 6 0
	expect_requests canary success=6
	expect_eq "$(status_of http://127.0.0.1:8001/)" 200 "status from the canary's own port"
}

# resets_app: a stream that is reset under way does not harm the server, which neither spins nor dies of it.
resets_app() {
	local before
	start_agent_draining 0 --weight 100
	keep cut ask 127.0.0.1 8000 /abort/stream STOP
	need "no stream is in flight" wait_for 5 dump_is canary .requests.in_flight 1
	set_weight 0
	need "the stream is not broken off" wait_for 5 grep -q ^broken cut.kept
	expect_drained 0 1
	before=$(cpu_of canary)
	holds_for 1000 alive canary || note "the canary has died"
	expect_between 0 "$(value "$(cpu_of canary) - $before")" 0.3 "seconds of CPU in the second after the reset"
	expect_eq "$(status_of http://127.0.0.1:8001/)" 200 "status from the canary's own port"
}

test_drain_of_uvicorn() {
	start_nginx stable 127.0.0.1:8000
	start_uvicorn canary 8001
	LENGTH=10500 drains_app
	stop_agent TERM
	resets_app
}

test_drain_of_gunicorn() {
	start_nginx stable 127.0.0.1:8000
	start_gunicorn canary 8001 gthread --threads 4 --keep-alive 60
	LENGTH=4140 drains_app
	stop_agent TERM
	resets_app
}

test_drain_of_node() {
	start_nginx stable 127.0.0.1:8000
	start_node canary 8001
	LENGTH=4142 drains_app
	stop_agent TERM
	resets_app
}
