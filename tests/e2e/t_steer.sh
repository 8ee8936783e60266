# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
# New connections go to stable or canary by the weight. What counts is what the servers themselves logged.

test_share_at_1_percent() {
	two_nginx
	start_agent --weight 1 "${NO_GATES[@]}"
	expect_share 1 4000
}

test_share_at_10_percent() {
	two_nginx
	start_agent --weight 10 "${NO_GATES[@]}"
	expect_share 10 3000
	expect_requests stable success="$(served stable)"
	expect_requests canary success="$(served canary)"
	expect_between 7 "$(release .actual_weight.connections)" 13 "actual weight by connections"
	expect_between 7 "$(release .actual_weight.requests)" 13 "actual weight by requests"
}

test_share_at_50_percent() {
	two_nginx
	start_agent --weight 50 "${NO_GATES[@]}"
	expect_share 50 3000
}

test_weights_0_and_100() {
	two_nginx
	start_agent --weight 0 "${NO_GATES[@]}"
	expect_all_by stable 300
	set_weight 100
	expect_all_by canary 300
	set_weight 0
	expect_all_by stable 300
	set_weight 0.01
	expect_between 0 "$(share_of_canary 300 "$STABLE/")" 3 "connections of 300 to the canary at 0.01 %"
}

# Who is on the canary at 10 % is there at 50 %, and again at 10 %: the same 400 source ports each time.
test_monotone() {
	two_nginx
	start_agent --weight 10 "${NO_GATES[@]}"
	canary_ports >at10
	set_weight 50
	canary_ports >at50
	set_weight 10
	canary_ports >at10again
	set_weight 100
	canary_ports >at100
	expect_between 10 "$(wc -l <at10)" 80 "ports of 400 on the canary at 10 %"
	expect_between 150 "$(wc -l <at50)" 250 "ports of 400 on the canary at 50 %"
	expect_eq "$(wc -l <at100)" 400 "ports of 400 on the canary at 100 %"
	expect_eq "$(comm -23 at10 at50 | wc -l)" 0 "ports that left the canary from 10 to 50 %"
	expect_eq "$(cksum <at10again)" "$(cksum <at10)" "checksum of the ports on the canary at 10 % again"
}

canary_ports() {
	own_client ports 127.0.0.1 8000 20000 400 >answers
	expect_eq "$(wc -l <answers)" 400 "answers"
	sed -n 's/ canary$//p' answers | sort
}

test_share_over_ipv6() {
	start_nginx stable '[::1]:8000'
	start_nginx canary '[::1]:8001'
	start_agent --weight 50 "${NO_GATES[@]}"
	expect_share 50 1000 'http://[::1]:8000/'
	set_weight 100
	expect_all_by canary 200 'http://[::1]:8000/'
}

test_share_of_dual_stack_listeners() {
	start_nginx stable '[::]:8000 ipv6only=off'
	start_nginx canary '[::]:8001 ipv6only=off'
	start_agent --weight 50 "${NO_GATES[@]}"
	expect_share 50 1000
	expect_share 50 1000 'http://[::1]:8000/'
	set_weight 100
	expect_all_by canary 200
	expect_all_by canary 200 'http://[::1]:8000/'
}

# A canary that listens on IPv4 only cannot take IPv6; stable serves it.
test_canary_of_one_family() {
	start_nginx stable 127.0.0.1:8000 '[::1]:8000'
	start_nginx canary 127.0.0.1:8001
	start_agent --weight 100 "${NO_GATES[@]}"
	expect_all_by canary 200
	expect_all_by stable 200 'http://[::1]:8000/'
}

test_both_families_of_one_server() {
	start_nginx stable 127.0.0.1:8000 '[::1]:8000'
	start_nginx canary 127.0.0.1:8001 '[::1]:8001'
	start_agent --weight 100 "${NO_GATES[@]}"
	expect_all_by canary 200
	expect_all_by canary 200 'http://[::1]:8000/'
	expect_requests canary success=400
}

test_reuseport_workers() {
	workers=2 start_nginx stable '127.0.0.1:8000 reuseport'
	workers=2 start_nginx canary '127.0.0.1:8001 reuseport'
	start_agent --weight 50 "${NO_GATES[@]}"
	expect_share 50 2000
	expect_eq "$(cut -d ' ' -f 2 canary.access | sort -u | wc -l)" 2 "workers of the canary that served"
	expect_eq "$(cut -d ' ' -f 2 stable.access | sort -u | wc -l)" 2 "workers of stable that served"
	expect_requests canary success="$(served canary)"
}

# Servers told apart by address, not by port.
test_addresses_in_the_options() {
	start_nginx stable 127.0.0.1:8000
	start_nginx canary 127.0.0.2:8000
	start_agent --stable 127.0.0.1:8000 --canary 127.0.0.2:8000 --weight 100 "${NO_GATES[@]}"
	expect_all_by canary 200
	expect_requests canary success=200
	expect_requests stable
}

test_ipv6_addresses_in_the_options() {
	start_nginx stable '[::1]:8000'
	start_nginx canary '[::1]:8001'
	start_agent --stable '[::1]:8000' --canary '[::1]:8001' --weight 100 "${NO_GATES[@]}"
	expect_all_by canary 100 'http://[::1]:8000/'
}

test_steering_across_veth() {
	make_peer
	start_nginx stable 10.77.0.1:8000
	start_nginx canary 10.77.0.1:8001
	start_agent --weight 50 "${NO_GATES[@]}"
	in_peer ab -q -l -n 2000 -c 8 http://10.77.0.1:8000/ >ab.out
	expect_eq "$(from_ab 'Failed requests')" 0 "failed requests"
	expect "the servers did not log 2000 requests" wait_for 5 both_served 2000
	# Four deviations: this is one try.
	expect_between 911 "$(served canary)" 1089 "connections of 2000 to the canary at 50 %"
	expect_requests canary success="$(served canary)"
}

both_counted() {
	(($(dump stable .requests.success) + $(dump canary .requests.success) == $1))
}

test_weights_change_under_load() {
	local weight
	two_nginx
	start_agent --weight 0 "${NO_GATES[@]}"
	start_load "$STABLE/"
	for weight in 1 50 100 10 0 50; do
		set_weight "$weight"
		load_goes_on
	done
	stop_load
	expect_eq "$LOAD_FAILED" 0 "failed requests of $LOAD_SENT"
	expect "not counted: $LOAD_SENT requests" wait_for 5 both_counted "$LOAD_SENT"
}

# Connections that live on while the weight rises are neither moved nor broken.
test_weights_change_under_keepalive_load() {
	local weight
	two_nginx
	start_agent --weight 50 "${NO_GATES[@]}"
	background load in_ns h2load --h1 -n 40000 -c 12 "$STABLE/" >h2load.out 2>&1
	need "the canary gets no request" wait_for 5 not dump_is canary .requests.success 0
	for weight in 60 70 100; do
		set_weight "$weight"
	done
	need "h2load does not end" wait_for 30 dead load
	expect_eq "$(from_h2load '([0-9]+) succeeded')" 40000 "requests that h2load had answered"
	expect "not counted: 40000 requests" wait_for 5 both_counted 40000
	expect_eq "$(($(dump stable .connections.opened) + $(dump canary .connections.opened)))" 12 "connections opened"
}

test_agent_starts_and_stops_under_load() {
	two_nginx
	start_load "$STABLE/"
	start_agent --weight 50 "${NO_GATES[@]}"
	load_goes_on
	stop_agent TERM
	load_goes_on
	start_agent --weight 50 "${NO_GATES[@]}"
	load_goes_on
	stop_agent TERM
	load_goes_on
	stop_load
	expect_eq "$LOAD_FAILED" 0 "failed requests of $LOAD_SENT"
	expect "the canary served nothing" not served_are canary 0
}

test_agent_starts_and_stops_under_keepalive_load() {
	two_nginx
	background load in_ns h2load --h1 -D 8 -c 8 "$STABLE/" >h2load.out 2>&1
	need "no request arrives" wait_for 5 not served_are stable 0
	start_agent --weight 50 "${NO_GATES[@]}"
	need "no request is counted" wait_for 5 not dump_is stable .requests.success 0
	stop_agent TERM
	alive load || fail "the load was over before the agent had left"
	need "h2load does not end" wait_for 40 dead load
	expect_eq "$(from_h2load '([0-9]+) failed')+$(from_h2load '([0-9]+) errored')+$(from_h2load '([0-9]+) timeout')" \
		0+0+0 "h2load: failed+errored+timeout"
}
