# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
# Servers of several processes, and sockets that go from one to another: whoever serves it, a request is counted once.

sent_by_ab() {
	expect_eq "$(with_ab "$@" "$STABLE/")" "${2:?}" "requests that ab had answered"
}

listening() {
	dump stable '.listeners | length'
}

pids() {
	dump stable '.pids | sort | join(" ")'
}

pids_are() {
	[[ $(pids) == "$1" ]]
}

success_above() {
	(($(dump stable .requests.success) > $1))
}

# Workers forked before the agent came and after it; one that ends after its answer has answered.
test_hard_prefork() {
	start_own stable prefork 8000 3
	start_agent --stable 8000
	sent_by_ab -n 300 -c 4
	times 3 get "$STABLE/exit/1" -o /dev/null
	sent_by_ab -n 100 -c 4
	expect_requests stable success=403
	expect_eq "$(dump stable .exits.error)" 3 "workers that exited with 1"
	expect_eq "$(dump stable '.pids | length')" 4 "processes"
	expect_losses
}

# Independent processes that share the port; one leaves, another comes.
test_hard_reuseport_group() {
	start_agent --stable 8000
	start_own one plain 8000
	start_own two plain 8000
	start_own three plain 8000
	expect "three listeners" wait_for 5 dump_is stable '.listeners | length' 3
	sent_by_ab -n 300 -c 4
	end two TERM
	expect "two listeners" wait_for 5 dump_is stable '.listeners | length' 2
	sent_by_ab -n 100 -c 4
	start_own four plain 8000
	sent_by_ab -n 100 -c 4
	expect_requests stable success=500
	expect "processes: $(pids)" wait_for 5 pids_are \
		"$(printf '%s\n' "${PID[one]}" "${PID[three]}" "${PID[four]}" | sort -n | xargs)"
	expect_losses
}

# Each connection is served by a process that never had the listener.
test_hard_connections_handed_over() {
	spawn clerk /usr/bin/python3 -u "$HERE/servers.py" clerk 0 desk
	need "the clerk is not there" wait_for 10 test -e desk
	start_own stable reception 8000 desk
	start_agent --stable 8000
	sent_by_ab -n 300 -c 4
	expect_requests stable success=300
	expect_eq "$(dump stable .latency_seconds.duration.count)" 300 "durations"
	expect_field .connections.open 0
	expect_losses
}

# A graceful restart under load: the listener goes on, its process does not.
test_hard_listener_handed_over() {
	local before
	start_own first heir 8000 will
	start_agent --stable 8000
	start_load "$STABLE/"
	load_goes_on
	start_own second heir 8000 will
	need "the first does not leave" wait_for 10 dead first
	load_goes_on
	start_own third heir 8000 will
	need "the second does not leave" wait_for 10 dead second
	load_goes_on
	stop_load
	expect_eq "$LOAD_FAILED" 0 "requests that failed"
	expect_requests stable success="$LOAD_SENT"
	expect_losses
	expect "the processes are $(pids), the server is ${PID[third]}" wait_for 5 pids_are "${PID[third]}"
	before=$(dump stable .cpu_seconds)
	get "$STABLE/burn/300" -o /dev/null
	expect "300 ms of CPU time are not counted: $before before, $(dump stable .cpu_seconds) after" \
		holds "$(dump stable .cpu_seconds) - $before >= 0.29"
}

# Killed and started again, again and again, while a client goes on. What reached a server's TCP and had no answer is its
# abort; what came after its FIN is told as such; what reached none is nothing.
test_hard_restarts_under_load() {
	local answered broken late
	start_agent --stable 8000
	start_own stable plain 8000
	background client own_client persist 127.0.0.1 8000 stop >persist.out
	for _ in {1..5}; do
		need "the client gets no answers" wait_for 10 success_above $(($(dump stable .requests.success) + 50))
		end stable KILL
		start_own stable plain 8000
	done
	touch stop
	need "the client does not end" wait_for 20 dead client
	read -r answered broken _ <persist.out
	expect "no answer was counted by the client" holds "${answered:-0} >= 250"
	expect "requests stay in flight" wait_for 5 dump_is stable .requests.in_flight 0
	expect_requests stable success="$answered" server_abort="$(dump stable .requests.server_abort)"
	late=$(serin dump -o json | jq .losses.after_close)
	expect_between 0 "$(($(dump stable .requests.server_abort) + late))" "$broken" "aborts and late requests"
	expect_match "$(losses)" '^(after_close=[0-9]+)?$' "losses"
}
