# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
# Servers and agents come, go and die in any order.

launch_before_the_servers() {
	launch_agent --weight 100 "${NO_GATES[@]}"
	await_event waiting
}

# An agent that waits misses nothing: the first request to a server that starts later is counted.
test_servers_started_later() {
	launch_before_the_servers
	start_nginx stable 127.0.0.1:8000
	expect_eq "$(get "$STABLE/")" stable "answer"
	times 4 get "$STABLE/" -o /dev/null
	expect_requests stable success=5
	start_nginx canary 127.0.0.1:8001
	expect "the agent does not say listening" wait_for 5 said listening
	expect_all_by canary 100
	expect_requests canary success=100
	expect_requests stable success=5
}

test_canary_started_first() {
	launch_before_the_servers
	start_nginx canary 127.0.0.1:8001
	start_nginx stable 127.0.0.1:8000
	expect_all_by canary 100
	expect_requests canary success=100
}

test_server_restarted() {
	local pids='.pids | join(" ")'
	start_python stable 127.0.0.1 8000
	start_nginx canary 127.0.0.1:8001
	start_agent --weight 0
	times 10 get "$STABLE/small" -o /dev/null
	expect_eq "$(dump stable "$pids")" "${PID[stable]}" "processes before"
	end stable
	start_python stable 127.0.0.1 8000
	times 10 get "$STABLE/small" -o /dev/null
	expect_requests stable success=20
	wait_for 5 dump_is stable "$pids" "${PID[stable]}" ||
		note "processes after: $(dump stable "$pids"), expected ${PID[stable]}"
	expect_eq "$(dump stable '.listeners[0].port')" 8000 "port"
}

# What was exchanged before the agent came is not known; what comes after is.
test_connection_older_than_the_agent() {
	two_nginx
	coproc CLIENT { own_client keepalive 127.0.0.1 8000; }
	expect_eq "$(ask /)" "200 7" "answer before the agent"
	start_agent --weight 0
	for _ in {1..10}; do
		expect_eq "$(ask /)" "200 7" "answer"
	done
	eval "exec ${CLIENT[1]}>&-"
	expect "requests stay in flight" wait_for 5 dump_is stable .requests.in_flight 0
	expect_between 9 "$(dump stable .requests.success)" 10 "requests of 10 that are known"
	expect_eq "$(dump stable '.requests | .success + .unknown')" 10 "requests counted"
}

# ask PATH: on the client's connection; prints status and length of the answer.
ask() {
	local reply
	echo "$1" >&"${CLIENT[1]}"
	read -rt 10 -u "${CLIENT[0]}" reply
	echo "$reply"
}

# The end of an answer whose beginning nobody saw.
test_answer_under_way_when_the_agent_starts() {
	two_nginx
	background client get "$STABLE/slow" -o /dev/null
	need "the request does not arrive" wait_for 5 established 8000
	start_agent --weight 0
	need "the client does not end" wait_for 10 dead client
	expect "requests stay in flight" wait_for 5 dump_is stable .requests.in_flight 0
	expect_between 0 "$(dump stable '.requests | .success + .unknown')" 1 "success or unknown"
	expect_eq "$(dump stable '.requests | .total - .success - .unknown')" 0 "other outcomes"
	get "$STABLE/" -o /dev/null
	expect "a later request is not counted" wait_for 5 at_least 1
}

established() {
	[[ -n $(in_ns ss -Htn state established "sport = :$1") ]]
}

at_least() {
	holds "$(dump stable .requests.success) >= $1"
}

# The kernel itself takes the dead out of traffic, and back in when they live again.
test_canary_killed_under_load() {
	two_nginx
	start_agent --weight 50 "${NO_GATES[@]}"
	start_load "$STABLE/"
	load_goes_on
	end canary KILL
	load_goes_on
	stop_load
	# Twice a client at most: the kernel closes a dead process's files in no promised order, so that the connection after a
	# broken one may still be taken by the listener, which then ends with it in its backlog.
	expect_between 0 "$LOAD_FAILED" 8 "failed requests, of 4 at a time"
	expect_all_by stable 300
	expect "the canary's death is not counted" wait_for 5 dump_is canary .exits.signal 1
	expect "the canary still has processes" wait_for 5 dump_is canary '.pids | length' 0

	start_nginx canary 127.0.0.1:8001
	expect_share 50 600
	expect_eq "$(release .set_weight)" 50 "set weight"
}

test_next_connection_after_the_canary_died() {
	two_nginx
	start_agent --weight 100 "${NO_GATES[@]}"
	expect_eq "$(get "$STABLE/")" canary "answer before"
	end canary KILL
	expect_eq "$(get "$STABLE/")" stable "answer to the next connection"
}

# A canary that comes back while the agent is stopped is registered by the kernel.
test_canary_restarted_without_the_agent() {
	two_nginx
	start_agent --weight 100 --lease 40 "${NO_GATES[@]}"
	expect_eq "$(get "$STABLE/")" canary "answer before"
	kill -STOP "${PID[agent]}"
	end canary KILL
	expect_eq "$(get "$STABLE/")" stable "answer without a canary"
	start_nginx canary 127.0.0.1:8001
	expect_eq "$(get "$STABLE/")" canary "answer with the new canary"
	kill -CONT "${PID[agent]}"
	expect_requests canary success=2
	expect_requests stable success=1
}

# After the agent's death its weight holds until the lease is over; then all is stable's.
test_agent_killed_under_load() {
	local died
	two_nginx
	start_agent --weight 50 --lease 4 "${NO_GATES[@]}"
	start_load "$STABLE/"
	load_goes_on
	end agent KILL
	died=$(now_ms)
	load_goes_on 50
	stop_load
	expect_eq "$LOAD_FAILED" 0 "failed requests of $LOAD_SENT"
	expect "no connection went to the canary within the lease" not all_to_stable
	expect "connections go to the canary 8 s after the agent died" wait_for 8 all_to_stable
	expect_between 3 "$(value "($(now_ms) - $died) / 1000")" 6 "seconds until all went to stable (lease 4 s)"
	expect_all_by stable 300

	start_agent --weight 20 "${NO_GATES[@]}"
	expect "the agent does not say that the weight is that of before" said restored '"set_weight": *50'
	expect_share 50 600
	stop_agent TERM
	expect_nothing_left
	expect_all_by stable 100
}

# At 50 %, none of 40 connections goes to the canary once in 10^12.
all_to_stable() {
	[[ $(share_of_canary 40 "$STABLE/") == 0 ]]
}

# The figures outlive the agent: they are in the kernel.
test_dump_without_the_agent() {
	two_nginx
	start_agent --weight 0
	times 5 get "$STABLE/" -o /dev/null
	expect_requests stable success=5
	expect_eq "$(serin dump -o json | jq .agent.running)" true "agent running"
	expect_eq "$(serin dump -o json | jq .agent.pid)" "${PID[agent]}" "agent's pid"
	end agent KILL
	times 5 get "$STABLE/" -o /dev/null
	expect_requests stable success=10
	expect_eq "$(serin dump -o json | jq .agent.running)" false "agent running"
	expect_refused 1 'run' status chat --instance "$INSTANCE"
	start_agent --weight 0
	expect "the next agent does not go on with them" said takeover
	times 5 get "$STABLE/" -o /dev/null
	expect_requests stable success=15
}

test_agent_stopped_by_sigterm() {
	agent_stopped_by TERM
}

test_agent_stopped_by_sigint() {
	agent_stopped_by INT
}

test_agent_stopped_by_sighup() {
	agent_stopped_by HUP
}

# A signal that comes while it starts is no reason to leave anything.
test_agent_stopped_while_it_starts() {
	two_nginx
	launch_agent --weight 100 "${NO_GATES[@]}"
	need "the agent does not load its programs" wait_for 15 test -e "$STATE$INSTANCE/lock"
	remember_programs "${PID[agent]}"
	stop_agent TERM
	expect_nothing_left
	expect_all_by stable 20
}

# `serin run | head -1`: nobody reads on.
test_agent_whose_log_nobody_reads() {
	two_nginx
	mkfifo log
	in_ns "$SERIN" run --instance "$INSTANCE" --name chat --ticks --stable 8000 --canary 8001 >log 2>agent.err &
	head -n 1 <log >first
	expect "the agent goes on" wait_for 10 test ! -e "$STATE$INSTANCE"
	wait $! || note "the agent's exit code: $?"
	expect_nothing_left
}

agent_stopped_by() {
	two_nginx
	start_agent --weight 100 "${NO_GATES[@]}"
	expect "the agent holds no BPF program" test -s programs.mine
	expect "nothing is pinned at $PINS$INSTANCE" test -d "$PINS$INSTANCE"
	expect_eq "$(stat -c %a "$STATE$INSTANCE/api.sock")" 600 "mode of the socket"
	expect_all_by canary 20
	stop_agent "$1"
	expect "the agent does not say stopped" said stopped
	expect_nothing_left
	expect_all_by stable 100
}

test_agent_restarted() {
	two_nginx
	start_agent --weight 100 "${NO_GATES[@]}"
	stop_agent TERM
	start_agent --weight 100 "${NO_GATES[@]}"
	expect_all_by canary 50
	expect_requests canary success=50
}

# The same ports in two namespaces, an agent in each: nobody counts or steers the other's connections.
test_two_instances() {
	local here=$NS there=$NS-there
	two_nginx
	start_agent --weight 0 "${NO_GATES[@]}"
	make_namespace "$there"
	NS=$there
	start_nginx stable2 127.0.0.1:8000
	start_nginx canary2 127.0.0.1:8001
	spawn agent2 "$SERIN" run --instance "$INSTANCE-there" --name chat --log json --tick 100 \
		--stable 8000 --canary 8001 --weight 100 "${NO_GATES[@]}"
	need "the second agent is not ready" wait_for 15 grep -q '"ready"' agent2.log
	remember_programs "${PID[agent2]}"
	expect_eq "$(get "$STABLE/")" canary2 "answer there"
	NS=$here
	expect_eq "$(get "$STABLE/")" stable "answer here"
	times 4 get "$STABLE/" -o /dev/null
	expect_requests stable success=5
	expect_requests canary
	end agent2
}
