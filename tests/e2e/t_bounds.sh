# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
# Memory is fixed at the start. What there is for a connection or a process goes with it.

# Half a minute until all rings are full, on a fast machine.
# shellcheck disable=SC2034,SC2154 # the harness reads it
DEADLINE[bounds_of_connections]=180 DEADLINE[bounds_of_processes]=180

# Bytes that the kernel has set aside for the agent's maps.
map_bytes() {
	local map
	for map in "$PINS$INSTANCE"/serin_*; do
		bpftool map show pinned "$map" --json | jq '.bytes_memlock // 0'
	done | awk '{ n += $1 } END { print n + 0 }'
}

entries_of() {
	bpftool map dump pinned "$PINS$INSTANCE/$1" --json | jq length
}

# The agent's own memory, in KiB. Its allocator gives and takes some dozens of pages; less than 256 KiB more is no memory
# kept for 20000 connections, nor a KiB for each of 300 processes.
agent_memory() {
	awk '$1 == "VmRSS:" { print $2 }' "/proc/${PID[agent]}/status"
}

memory_is() {
	[[ $(agent_memory) == "$1" ]]
}

memory_is_steady() {
	holds_for 3000 memory_is "$(agent_memory)"
}

# With a short window, which is soon full.
start_warm() {
	start_agent --weight 0 --window 1
}

# Whatever grows once has grown.
await_steady() {
	need "the agent's memory grows on: $(agent_memory) KiB" wait_for 40 memory_is_steady
}

# connections_of_ab N: one after the other of four at a time, each a request.
connections_of_ab() {
	expect_eq "$(with_ab -n "$1" -c 4 "$STABLE/")" "$1" "requests answered"
	need "connections stay open" wait_for 10 dump_is stable .connections.open 0
}

test_bounds_of_connections() {
	local maps memory
	two_nginx
	start_warm
	connections_of_ab 20000
	await_steady
	maps=$(map_bytes) memory=$(agent_memory)
	expect "the maps have no memory: $maps" holds "$maps > 100000"
	connections_of_ab 20000
	expect_eq "$(map_bytes)" "$maps" "bytes of maps after 20000 connections"
	expect_between 0 "$(agent_memory)" $((memory + 256)) "KiB of the agent after 20000 connections, $memory before"
	expect_requests stable success=40000
	expect_losses
}

# Workers that come and go: each is known while it lives, and leaves nothing.
test_bounds_of_processes() {
	local maps memory roots i
	start_nginx stable 127.0.0.1:8000
	start_own canary prefork 8001 4
	start_warm
	times 300 get http://127.0.0.1:8001/exit/0 -o /dev/null
	await_steady
	maps=$(map_bytes) memory=$(agent_memory)
	for ((i = 0; i < 300; i++)); do
		get http://127.0.0.1:8001/exit/3 -o /dev/null
	done
	expect "not 300 exits: $(dump canary .exits.error)" wait_for 5 dump_is canary .exits.error 300
	expect "processes: $(dump canary '.pids | length')" wait_for 10 dump_is canary '.pids | length' 5
	roots=$(entries_of serin_roots)
	expect_between 1 "$roots" 7 "processes whose descendants are followed"
	expect_eq "$(map_bytes)" "$maps" "bytes of maps after 300 processes"
	expect_between 0 "$(agent_memory)" $((memory + 256)) "KiB of the agent after 300 processes, $memory before"
	expect_requests canary success=600
	expect_losses
}
