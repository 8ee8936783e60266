# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
# P, R, D and what they are made of, against the machine's own account.

test_success_ratio() {
	two_nginx
	start_agent --weight 0 --window 20
	expect_eq "$(dump stable .window.P)" null "P without requests"
	expect_eq "$(dump stable .window.N)" 0 "N without requests"
	times 80 get "$STABLE/" -o /dev/null
	times 10 get "$STABLE/missing" -o /dev/null
	times 6 get "$STABLE/throttled" -o /dev/null
	times 4 get "$STABLE/broken" -o /dev/null
	times 3 expect_unanswered "$STABLE/slow" --max-time 0.2
	expect_requests stable success=80 client_error=10 throttled=6 server_error=4 client_abort=3
	expect_eq "$(dump stable .window.N)" 100 "N"
	expect_eq "$(dump stable .window.S)" 90 "S"
	expect_near "$(dump stable .window.P)" 0.9 0.001 "P"
	expect_eq "$(dump canary .window.P)" null "P of the canary, which had no requests"
}

# What has left the window is no longer in P.
test_window_slides() {
	two_nginx
	start_agent --weight 0 --window 2
	times 5 get "$STABLE/broken" -o /dev/null
	wait_for 2 dump_is stable '.window.P == 0' true || note "P is $(dump stable .window.P) with failures only"
	expect "the failures do not leave the window of 2 s" wait_for 4 dump_is stable .window.N 0
	expect_eq "$(dump stable .window.P)" null "P"
	expect_requests stable server_error=5
}

test_anomaly_index() {
	two_nginx
	start_agent --weight 0 --window 20 "${NO_GATES[@]}"
	times 50 get "$STABLE/" -o /dev/null
	times 40 get http://127.0.0.1:8001/ -o /dev/null
	times 10 get http://127.0.0.1:8001/broken -o /dev/null
	expect_requests canary success=40 server_error=10
	serin dump -o json >dump.json
	expect_between 10 "$(jq '.models[] | select(.version == "canary").window.T1' dump.json)" 13 "T1 with ten failures"
	expect_eq "$(jq '.models[] | select(.version == "canary").window |
		[.T0, (((.T1 - .T2) / .T0 - .D) | fabs < 0.001)] | @csv' -r dump.json)" 20,true "T0, and D is (T1 - T2) / T0"
}

test_cpu_of_nginx() {
	workers=2 start_nginx stable 127.0.0.1:8000
	start_nginx canary 127.0.0.1:8001
	start_agent --weight 0
	expect_cpu_as_scheduled with_h2load --h1 -D 10 -c 4 -H 'Accept-Encoding: gzip' "$STABLE/zipped"
}

# The workers are forked before the agent comes.
test_cpu_of_a_process_tree() {
	start_own stable prefork 8000 2
	start_nginx canary 127.0.0.1:8001
	start_agent --weight 0
	expect_cpu_as_scheduled with_h2load --h1 -D 10 -c 2 "$STABLE/burn/5"
	expect_eq "$(dump stable '.pids | length')" 3 "processes"
}

# It has a thread a connection.
test_cpu_of_the_model_server() {
	start_model_server stable 8000
	start_model_server canary 8001
	start_agent --weight 0
	echo '{"prompt": "This program is free software", "max_tokens": 64}' >completion.json
	account=cpu_of_all_threads expect_cpu_as_scheduled with_h2load --h1 -D 10 -c 2 -d completion.json "$STABLE/v1/completions"
}

# expect_cpu_as_scheduled COMMAND...: what stable uses under that load, against /proc/PID/schedstat (or another
# account), to 2 %, and that the canary uses nothing. Both are read while nothing runs, so that no reading is late.
expect_cpu_as_scheduled() {
	local before wanted account=${account:-cpu_of}
	settled_cpu
	before=$CPU
	wanted=$("$account" stable)
	"$@" >answered
	settled_cpu
	wanted=$(value "$("$account" stable) - $wanted")
	expect "stable used only $wanted s" holds "$wanted > 1"
	expect_near "$(value "$CPU - $before")" "$wanted" 0.02 "seconds of CPU"
	expect "nothing waited in a run queue" holds "$(dump stable .run_queue_seconds.count) > 0"
	expect "the idle canary used $(dump canary .cpu_seconds) s" holds "$(dump canary .cpu_seconds) < 0.5"
}

# Until it does not move for half a second; leaves it in CPU.
settled_cpu() {
	need "the CPU time does not settle" wait_for 10 cpu_is_settled
}

cpu_is_settled() {
	CPU=$(dump stable .cpu_seconds)
	holds_for 500 cpu_is_still
}

cpu_is_still() {
	holds "$(dump stable .cpu_seconds) - $CPU < 0.005"
}

test_resources() {
	two_nginx
	start_agent --weight 0
	background load in_ns h2load --h1 -D 6 -c 2 "$STABLE/" >h2load.out 2>&1
	expect "no CPU is shown" wait_for 5 dump_is stable '.window.resources.cpu.current > 0.05' true
	expect "no network is shown" wait_for 5 dump_is stable '.window.resources.network.current > 10000' true
	expect_near "$(dump stable .window.resources.memory.current)" "$(resident_of stable)" 0.1 "bytes resident"
	serin dump -o json >dump.json
	expect_eq "$(jq '.models[] | select(.version == "stable").window | .R as $R | [.resources[].ratio | numbers] |
		if length == 0 then $R == null else (max - $R | fabs) < 0.001 end' dump.json)" true "R is the largest ratio"
	expect_eq "$(jq '.models[] | select(.version == "stable").window.resources | all(.[];
		.ratio == null or .max == null or (.current - .ratio * .max | fabs) <= 0.01 * .current + 0.001)' dump.json)" true \
		"ratios are current / max"
	need "the load does not end" wait_for 15 dead load
}

# Of a worker that was there before the agent, and of one forked after it.
test_exits_of_workers() {
	start_own stable prefork 8000 2
	start_nginx canary 127.0.0.1:8001
	start_agent --weight 0
	expect_exits stable 0 0
	kill -SEGV "$(pgrep -o -P "${PID[stable]}")"
	expect_exits stable 1 0
	need "the worker is not replaced" wait_for 5 workers_are 2
	kill -KILL "$(pgrep -n -P "${PID[stable]}")"
	expect_exits stable 2 0
	need "the worker is not replaced" wait_for 5 workers_are 2
	get "$STABLE/exit/3" -o /dev/null
	expect_exits stable 2 1
	get "$STABLE/exit/0" -o /dev/null
	expect_requests stable success=2
	expect_exits stable 2 1
	expect_exits canary 0 0
}

# expect_exits VERSION SIGNAL ERROR
expect_exits() {
	local exits='.exits | "\(.signal) \(.error)"'
	wait_for 5 dump_is "$1" "$exits" "$2 $3" ||
		note "exits of $1 by signal and by error: $(dump "$1" "$exits"), expected $2 $3"
}

workers_are() {
	[[ $(pgrep -c -P "${PID[stable]}") == "$1" ]]
}

# Programs that a server starts and that end well are no anomaly.
test_good_exits_are_not_counted() {
	start_python stable 127.0.0.1 8000 --cgi
	start_nginx canary 127.0.0.1:8001
	start_agent --weight 0
	times 10 get "$STABLE/cgi-bin/licence" -o /dev/null
	expect_requests stable success=10
	expect_exits stable 0 0
	expect "the scripts are still among the processes" wait_for 5 dump_is stable '.pids | length' 1
}
