# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
# Connections that the canary is to lose end as gently as can be.

# Idle ones end in order; those of stable, those to the canary's own port, and both listeners stay.
test_drain_ends_idle_connections_in_order() {
	two_nginx
	start_agent_draining 30 --weight 100
	keep lost hold 127.0.0.1 8000 20 / STOP
	keep direct hold 127.0.0.1 8001 3 / STOP
	set_weight 0
	keep stay hold 127.0.0.1 8000 5 / STOP
	expect_kept lost eof 20 5
	expect_drained 20 0
	get http://127.0.0.1:8001/ -o /dev/null || note "the canary's own port answers no more"
	expect_all_by stable 50
	let_go direct
	let_go stay
	expect_eq "$(kept direct open)" 3 "connections to the canary's own port that stayed"
	expect_eq "$(kept stay open)" 5 "connections of stable that stayed"
	expect_losses
}

test_drain_over_ipv6() {
	start_nginx stable '[::]:8000 ipv6only=off'
	start_nginx canary '[::]:8001 ipv6only=off'
	start_agent_draining 30 --weight 100
	keep six hold ::1 8000 5 / STOP
	keep mapped hold 127.0.0.1 8000 5 / STOP
	set_weight 0
	expect_kept six eof 5 5
	expect_kept mapped eof 5 5
	expect_drained 10 0
}

# drains_well: idle connections of this canary, whatever it is, end in order, and it serves on.
drains_well() {
	start_agent_draining 30 --weight 100
	keep lost hold 127.0.0.1 8000 "$1" / STOP
	set_weight 0
	expect_kept lost eof "$1" 5
	expect_drained "$1" 0
	get http://127.0.0.1:8001/ -o /dev/null || note "the canary's own port answers no more"
}

test_drain_of_python_threads() {
	start_nginx stable 127.0.0.1:8000
	start_python canary 127.0.0.1 8001 --protocol HTTP/1.1
	drains_well 5
}

test_drain_of_model_server() {
	start_model_server stable 8000
	start_model_server canary 8001
	drains_well 5
}

test_drain_of_reuseport_workers() {
	start_nginx stable 127.0.0.1:8000
	workers=2 start_nginx canary '127.0.0.1:8001 reuseport'
	drains_well 20
}

# It is in the hands of a process that no listener tells of.
test_drain_of_connections_handed_over() {
	start_nginx stable 127.0.0.1:8000
	spawn clerk /usr/bin/python3 -u "$HERE/servers.py" clerk 0 "$DIR/clerk"
	need "the clerk does not wait" wait_for 10 test -S "$DIR/clerk"
	start_own canary reception 8001 "$DIR/clerk"
	drains_well 1
}

# What is under way is let finish: a large answer to a slow client, byte for byte.
test_drain_lets_answers_finish() {
	two_nginx
	start_agent_draining 30 --weight 100
	keep slow ask 127.0.0.1 8000 /slow STOP
	need "no request is in flight" wait_for 5 dump_is canary .requests.in_flight 1
	set_weight 0
	need "it is not seen to be in flight" wait_for 5 release_is '.draining | "\(.connections) \(.in_flight)"' '1 1'
	expect_kept slow eof 1 15
	expect_eq "$(grep answered slow.kept)" "answered 200 1048576 $(sha256sum <www/big | cut -d ' ' -f 1)" "answer"
	expect_drained 1 0
	expect_requests canary success=1
}

# A request that is half sent is not cut off before the deadline, nor one that gets no answer; then both are reset.
test_drain_resets_at_the_deadline() {
	start_nginx stable 127.0.0.1:8000
	start_own back silent 9999
	start_nginx canary 127.0.0.1:8001
	start_agent_draining 3 --weight 100
	keep stalled ask 127.0.0.1 8000 /stalled STOP
	keep half part 127.0.0.1 8000 STOP
	need "not two requests in flight" wait_for 5 dump_is canary .requests.in_flight 2
	set_weight 0
	need "not seen to be in flight" wait_for 2 release_is '.draining | "\(.connections) \(.in_flight)"' '2 2'
	expect_eq "$(kept stalled '[a-z]+')$(kept half '[a-z]+')" 00 "connections that ended before the deadline"
	expect_kept half reset 1 5
	need "the stalled request is not broken off" wait_for 5 grep -q ^broken stalled.kept
	expect_drained 0 2
	expect_eq "$(status_of http://127.0.0.1:8001/)" 200 "status from the canary after that"
}

# Nobody at the other end of these closes anything: those it has accepted, and those that wait for it to.
test_drain_resets_connections_of_a_stopped_server() {
	two_nginx
	start_agent_draining 0 --weight 100
	keep lost hold 127.0.0.1 8000 10 / STOP
	kill -STOP "${PID[canary]}"
	keep waiting part 127.0.0.1 8000 STOP
	set_weight 0
	expect_kept lost reset 10 3
	expect_kept waiting reset 1 3
	expect "connections are left" wait_for 3 release_is .draining.connections 0
	kill -CONT "${PID[canary]}"
	expect_eq "$(status_of http://127.0.0.1:8001/)" 200 "status from the canary when it goes on"
}

# A server that reads no end of file is told so once, and at the deadline its connections are reset.
test_drain_of_a_server_that_does_not_close() {
	two_nginx
	start_agent_draining 3 --weight 100
	keep lost hold 127.0.0.1 8000 10 / STOP
	kill -STOP "${PID[canary]}"
	set_weight 0
	need "not all were told" wait_for 3 drained_are 10 0
	expect "they do not count as still there" release_is .draining.connections 10
	expect_kept lost reset 10 5
	expect_drained 10 10
	kill -CONT "${PID[canary]}"
	expect_eq "$(status_of http://127.0.0.1:8001/)" 200 "status from the canary when it goes on"
}

# With a deadline of 0 what is idle ends in order all the same.
test_drain_at_once() {
	two_nginx
	start_agent_draining 0 --weight 100
	keep lost hold 127.0.0.1 8000 300 / STOP
	set_weight 0
	expect_kept lost eof 300 5
	expect_drained 300 0
}

# From 50 to 20 % only those go that are there at 50 and not at 20.
test_drain_of_a_part() {
	two_nginx
	start_agent_draining 30 --weight 50
	keep all hold 127.0.0.1 8000 200 / STOP
	expect_between 60 "$(served canary)" 140 "connections of 200 on the canary"
	set_weight 20
	need "nothing ends" wait_for 5 not release_is .draining.ended 0
	expect "not all that is to end has ended" wait_for 5 release_is .draining.connections 0
	expect_between 30 "$(kept all eof)" 90 "connections that ended, of those between 20 and 50 %"
	expect_between 20 $(($(served canary) - $(kept all eof))) 60 "connections of 200 that stayed on the canary"
	expect_eq "$(kept all eof) $(kept all reset)" "$(release .draining.ended) 0" "ended and reset"
	set_weight 50
	holds_for 1500 release_is .draining.connections 0 || note "there is something to drain at a higher weight"
	let_go all
}

# Clients that pause lose no request, but one that was on its way in that very moment, as with every keep-alive timeout.
test_drain_under_load_with_pauses() {
	two_nginx
	start_agent_draining 8 --weight 100
	keep crowd loop 127.0.0.1 8000 60 / STOP 400
	need "no load" wait_for 5 not dump_is canary .requests.success 0
	set_weight 0
	expect "not all ended in order" wait_for 12 drained_are 60 0
	let_go crowd
	expect_eq "$(looped crowd cut)" 0 "answers broken off"
	expect_between 0 "$(looped crowd raced)" 2 "requests raced, of $(looped crowd answered) on 60 connections"
	expect_drained 60 0
}

# Clients that never pause are taken at whatever moment there is; a client that looks before it asks loses nothing, or at
# most one request a connection.
test_drain_under_load_without_pauses() {
	two_nginx
	start_agent_draining 6 --weight 100
	keep crowd loop 127.0.0.1 8000 20 / STOP 0
	need "no load" wait_for 5 not dump_is canary .requests.success 0
	set_weight 0
	need "nothing ends" wait_for 10 not drained_are 0 0
	expect "not all that is to end has ended" wait_for 3 release_is .draining.connections 0
	let_go crowd
	expect_eq "$(looped crowd cut)" 0 "answers broken off"
	expect_between 0 "$(looped crowd raced)" 20 "requests raced, of $(looped crowd answered)"
	expect "stable serves them now" not served_are stable 0
	expect_no_duplicates
}

# Nobody has decided anything: stable's connections grow old all the same.
test_drain_of_old_connections_of_an_idle_release() {
	two_nginx
	start_agent_draining 30 --max-connection-age 2
	keep all hold 127.0.0.1 8000 3 / STOP
	expect_kept all eof 3 12
	let_go all
	expect_eq "$(served canary)" 0 "requests of the canary"
}

# Old connections of both versions end in their pauses, one or two of twenty a second; young ones, and those to the canary's own port,
# stay.
test_drain_of_old_connections() {
	two_nginx
	start_agent_draining 30 --weight 50 --max-connection-age 4
	keep all hold 127.0.0.1 8000 20 / STOP
	keep direct hold 127.0.0.1 8001 3 / STOP
	expect_between 2 "$(served canary)" 18 "connections of 20 on the canary"
	holds_for 2000 kept_are all eof 0 || note "young ones ended"
	expect_kept all eof 20 26
	wait_for 3 release_is .draining.aged 20 || note "ended for their age: $(release .draining.aged), expected 20"
	let_go direct
	expect_eq "$(kept direct open)" 3 "connections to the canary's own port that stayed"
	expect_between 3.5 "$(sed -nE 's/^[0-9]+ eof //p' all.kept | sort -n | head -n 1)" 5 "seconds until the first ended"
	expect_between 8 "$(sed -nE 's/^[0-9]+ eof //p' all.kept | sort -n | tail -n 1)" 28 "seconds until the last ended"
	expect_drained 0 0
}
