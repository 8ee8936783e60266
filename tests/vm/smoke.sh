#!/bin/busybox sh
# shellcheck shell=dash
# The whole path on another kernel: observe, count, steer, the canary dies, the agent dies, the agent leaves.
# Runs as root in the guest of tools/vm/run; every check is a line "ok ..." or "not ok ...".
set -u

checks=0 failures=0
stable=8000 canary=8001 service=http://127.0.0.1:8000/v1/completions
v1='' v2='' agent='' load=''

check() { # WHAT EXPECTED GOT
	checks=$((checks + 1))
	if [ "$2" = "$3" ]; then
		echo "ok $1: $3"
	else
		echo "not ok $1: expected $2, got $3"
		failures=$((failures + 1))
	fi
}

check_range() { # WHAT LOW HIGH GOT
	if [ "$4" -ge "$2" ] && [ "$4" -le "$3" ]; then
		check "$1 ($2 to $3)" "$4" "$4"
	else
		check "$1" "$2 to $3" "$4"
	fi
}

wait_for() { # SECONDS WHAT COMMAND...
	end=$(($(date +%s) + $1))
	what=$2
	shift 2
	until "$@"; do
		if [ "$(date +%s)" -gt "$end" ]; then
			check "$what in time" yes no
			cat /tmp/serin.log
			return 1
		fi
		usleep 100000
	done
}

says() { grep -q "$1" "/tmp/$2" 2>/dev/null; }
dump() { build/serin dump | jq -r "$1"; }
is() { [ "$(dump "$1" 2>/dev/null)" = "$2" ]; }
requests() { build/load --url "$service" --requests "$1" --connections 8 --per-connection "$2" --stream 20 --json; }

start_server() { # VERSION PORT
	build/model-server --listen "127.0.0.1:$2" --model-version "$1" tests/vm/smoke.sh >"/tmp/$1.out" &
	server=$!
	wait_for 30 "start of model server $1" says listening "$1.out"
}

start_agent() {
	build/serin run --stable $stable --canary $canary --name chat --weight "$1" --lease 3 --log text >/tmp/serin.log 2>&1 &
	agent=$!
	wait_for 60 "start of the agent" says ready: serin.log
}

echo "kernel $(uname -r)"
start_server v1 $stable; v1=$server
start_server v2 $canary; v2=$server
start_agent 50

# Observe and count: connections of one request and of many, calls and streams.
sent=$(requests 300 1 | jq .outcomes.success)
kept=$(requests 300 20 | jq .outcomes.success)
check "requests the client saw succeed" 600 $((sent + kept))
check "requests counted" 600 "$(dump '[.models[].requests.success] | add')"
check "requests in flight" 0 "$(dump '[.models[].requests.in_flight] | add')"
check "losses" 0 "$(dump '[.losses[]] | add')"
check "streams timed" true "$(dump '([.models[].latency_seconds.stream_duration.count] | add) > 50')"
check "CPU time seen" true "$(dump '[.models[].cpu_seconds > 0] | all')"

# Steer: about half of the 300 connections of one request, give or take 4 sigma.
check_range "connections steered of some 315" 115 200 "$(dump '.releases[0].steering.canary')"

# The canary dies: the kernel sends the next connection to stable.
kill -9 $v2
wait $v2
before=$(dump '.models[0].requests.success')
check "requests served after the canary's death" 100 "$(requests 100 1 | jq .outcomes.success)"
check "of them by stable" $((before + 100)) "$(dump '.models[0].requests.success')"
check "the canary's exit" 1 "$(dump '.models[1].exits.signal')"

# It comes back: the kernel knows it by its port.
start_server v2 $canary; v2=$server
requests 100 1 >/tmp/after.json
check "requests served after its return" 100 "$(jq .outcomes.success /tmp/after.json)"
check "some of them by the canary" true "$(dump '.models[1].requests.success' | jq ". > 100")"

# The agent dies under load: no client notices, and after the lease all goes to stable.
build/load --url "$service" --rate 50 --connections 8 --per-connection 1 --json >/tmp/load.json &
load=$!
wait_for 10 "load" is '([.models[].requests.success] | add) > 820' true
kill -9 $agent
wait $agent
wait_for 20 "expiry of the lease" eval 'build/serin dump >/tmp/a.json && sleep 1 && build/serin dump >/tmp/b.json &&
	[ "$(jq .models[1].connections.opened /tmp/a.json)" = "$(jq .models[1].connections.opened /tmp/b.json)" ]'
kill -TERM $load
wait $load
check "requests that failed meanwhile" 0 "$(jq '.requests - .outcomes.success' /tmp/load.json)"
before=$(dump '.models[1].connections.opened')
check "requests served after the agent's death" 100 "$(requests 100 1 | jq .outcomes.success)"
check "canary connections after the lease" "$before" "$(dump '.models[1].connections.opened')"

# A new agent cleans up after the dead one, and leaves nothing itself.
start_agent 100

# The canary loses its connections, and nobody a request. The agent went on with the weight of the one before.
build/serin weight chat 100
build/load --url "$service" --rate 8 --connections 8 --json >/tmp/drain.json &
load=$!
wait_for 20 "connections to the canary" is '.models[1].connections.open >= 8' true
build/serin weight chat 0
wait_for 20 "drained connections" is '.releases[0].draining | "\(.ended) \(.connections)"' "8 0"
kill -TERM $load
wait $load
check "requests that failed in the drain" 0 "$(jq '.requests - .outcomes.success' /tmp/drain.json)"
kill -TERM $agent
wait $agent
check "the agent's exit code" 0 $?
check "pins left" 0 "$(find /sys/fs/bpf -name 'serin*' | wc -l)"
check "programs left" 0 "$(bpftool prog show | grep -c serin_)"
kill $v1 $v2

echo "$((checks - failures)) of $checks checks passed on $(uname -r)"
[ $failures = 0 ]
