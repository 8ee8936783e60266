# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
# What the kernel counts of each client while a release compares its versions. It is no public figure: it is read from the
# pinned map, in which it stays while the agent that would take it out is stopped. Clients are told apart by how much they
# ask for, and what they asked of whom is what the servers have logged.

start_comparing() {
	start_agent --lease 60 "${NO_GATES[@]}" "$@"
	hold_agent
}

# hold_agent: no tick until go_on; what has been counted so far is forgotten.
hold_agent() {
	local key
	kill -STOP "${PID[agent]}"
	while read -ra key; do
		bpftool map delete pinned "$PINS$INSTANCE/serin_clients" key hex "${key[@]}"
	done < <(clients_raw | jq -r '.[] | .key | map(sub("0x"; "")) | join(" ")')
}

go_on() {
	kill -CONT "${PID[agent]}"
}

clients_raw() {
	bpftool -j map dump pinned "$PINS$INSTANCE/serin_clients"
}

# A line a client, sorted: for stable and for canary, requests/failed/above p50/above p90/above p99.
clients() {
	clients_raw | jq -r '.[] | .formatted.value.arm | map([.n] + .hit | join("/")) | join(" ")' | sort
}

clients_are() {
	[[ $(clients) == "$1" ]]
}

# expect_clients LINES
expect_clients() {
	wait_for 5 clients_are "$1" || note "clients: $(clients), expected $1"
}

# ask_as NUMBER URL [OPTION...]: from 127.0.1.NUMBER, which the servers see as ?c=NUMBER.
ask_as() {
	get "$2?c=$1" --interface "127.0.1.$1" -o /dev/null "${@:3}" || true
}

# logged SERVER NUMBER: requests/failed of that client, in the form of clients(), none above an edge.
logged() {
	awk -v c="c=$2" '
		$0 ~ "[?]" c " " { n++; f += $1 >= 500 || $1 == 429 || $1 == 444 }
		END { printf "%d/%d/0/0/0", n, f }' "$1.access"
}

# The clients whose numbers are given, as the servers logged them.
logged_clients() {
	local c
	for c in "$@"; do
		echo "$(logged stable "$c") $(logged canary "$c")"
	done | sort
}

test_clients_by_version() {
	local c path
	two_nginx
	start_comparing --weight 50
	for c in 1 2 3 4 5 6; do
		times $((2 * c)) ask_as "$c" "$STABLE/"
	done
	for path in missing throttled broken hangup overloaded nothing; do
		times 3 ask_as 3 "$STABLE/$path"
		times 2 ask_as 6 "$STABLE/$path"
	done
	expect_clients "$(logged_clients 1 2 3 4 5 6)"
	expect "one version alone answered all of it" test -s canary.access -a -s stable.access
	go_on
}

# Only what is steered can be compared: not what was asked of a server past its service.
test_clients_of_the_service_only() {
	two_nginx
	start_comparing --weight 50
	times 5 ask_as 1 http://127.0.0.1:8001/
	times 3 ask_as 2 "$STABLE/"
	expect_clients "$(logged_clients 2)"
	go_on
}

test_no_clients_at_weight_0() {
	two_nginx
	start_agent --weight 0 --lease 60 "${NO_GATES[@]}"
	hold_agent
	times 5 ask_as 1 "$STABLE/"
	expect_eq "$(clients)" '' "clients at weight 0"
	go_on
	set_weight 50
	hold_agent
	times 7 ask_as 2 "$STABLE/"
	expect_clients "$(logged_clients 2)"
	go_on
	set_weight 0
	hold_agent
	times 5 ask_as 3 "$STABLE/"
	expect_eq "$(clients)" '' "clients at weight 0 again"
	go_on
}

test_clients_over_ipv6() {
	start_nginx stable '[::]:8000 ipv6only=off'
	start_nginx canary '[::]:8001 ipv6only=off'
	start_comparing --weight 50
	times 6 get 'http://[::1]:8000/?c=1' -o /dev/null
	times 4 ask_as 2 "$STABLE/" # of IPv4, on a listener of IPv6
	expect_clients "$(logged_clients 1 2)"
	go_on
}

edges_are_known() {
	bpftool -j map lookup pinned "$PINS$INSTANCE/serin_targets" key hex 0"$1" 00 00 00 |
		jq -e '.formatted.value.duration_edge_ns | all(. > 0)' >/dev/null
}

# A line a client, of both versions together.
clients_summed() {
	clients | awk '{ split($1 "/" $2, a, "/"); for (i = 1; i <= 5; i++) printf "%d%s", a[i] + a[i + 5], i < 5 ? "/" : "\n" }' | sort
}

summed_are() {
	[[ $(clients_summed) == "$1" ]]
}

# Above all three edges: what takes long, and what is never answered, which has failed as well. What the server broke off
# has failed, and was not slow.
test_slow_and_late_clients() {
	local wanted=$'1/0/1/1/1\n2/2/2/2/2\n3/3/0/0/0'
	start_own silent silent 9999
	two_nginx
	start_agent --weight 50 --lease 60 --timeout 1 "${NO_GATES[@]}"
	with_ab -n 1000 -c 2 "$STABLE/" >/dev/null
	need "no edges after 1000 requests" wait_for 15 edges_are_known 0
	need "the canary is not held against them" edges_are_known 1
	hold_agent
	ask_as 2 "$STABLE/slow"
	times 2 ask_as 3 "$STABLE/stalled" --max-time 1.5
	times 3 ask_as 4 "$STABLE/hangup"
	wait_for 5 summed_are "$wanted" || note "clients: $(clients_summed), expected $wanted"
	go_on
}

# Each of thousands of clients is counted, and nothing of a client twice.
test_many_clients() {
	local sent
	two_nginx
	start_comparing --weight 50
	sent=$(in_ns "$LOAD" --url "$STABLE/" --method GET --source 127.2.0.0-127.2.11.183 --requests 9000 --per-connection 1 \
		--connections 8 --json | jq .requests)
	expect_eq "$sent" 9000 "requests sent"
	expect_eq "$(clients_summed | awk -F/ '{ n += $1 } END { print NR, n }')" "3000 9000" "clients and their requests"
	go_on
}
