# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
# The capabilities that the unit leaves to the agent are enough for all that it does, and none is too many.

# In the words of setpriv, as "bpf net_admin".
unit_capabilities() {
	sed -n 's/^CapabilityBoundingSet=//p' "$ROOT/deploy/systemd/serin.service" | tr '[:upper:]' '[:lower:]' | sed 's/cap_//g'
}

# Servers of another user: nobody's processes, files and environment are not root's to look into without a capability.
start_servers_of_nobody() {
	cat >server <<-END
		#!/bin/sh
		exec setpriv --reuid=65534 --regid=65534 --clear-groups --bounding-set=-all env MODEL_VERSION="\$4" "$MODEL_SERVER" "\$@"
	END
	chmod 755 server
	MODEL_SERVER=$DIR/server start_model_server v1 8000
	MODEL_SERVER=$DIR/server start_model_server v2 8001
	make_namespace "$NS-peer"
	nsenter --net="/run/netns/$NS-peer" "$DIR/server" --listen 127.0.0.1:8002 --model-version v3 >/dev/null 2>&1 &
}

# start_agent_with CAPABILITY...: with these and no others, as root that can get no more.
start_agent_with() {
	local set
	set=$(printf ',+%s' "$@")
	cat >serin.yaml <<-END
		models:
		  - {name: chat, version: v1, match: {port: 8000}}
		  - {name: chat, version: v2, match: {env: MODEL_VERSION=v2}}
		  - {name: elsewhere, version: v3, match: {port: 8002}}
		releases: [{name: chat, service: {port: 8000}, stable: v1, canary: v2, start: manual, drain: 1s, gates: {P_min: off, D_max: off}}]
		store: {path: $DIR/serin.db}
		tick: 100ms
	END
	: >agent.log
	spawn agent setpriv --no-new-privs --bounding-set="-all$set" --inh-caps=-all --ambient-caps=-all \
		"$SERIN" run -c serin.yaml --instance "$INSTANCE" --log json
}

# A connection that is older than the agent, processes of another user and what is in their environment, steering, connections
# that end in order (a duplicate of the server's descriptor) and by a reset, a server in another network namespace.
use_all_of_it() {
	keep old hold 127.0.0.1 8000 1 /health STOP
	start_agent_with "$@"
	await_event ready
	expect "the other user's processes" wait_for 3 dump_is v1 '.pids | length' 1
	expect "what is in their environment" wait_for 3 dump_is v2 '.listeners | length' 1
	expect "the older connection" wait_for 3 dump_is v1 .connections.open 1
	expect "the server in another namespace" wait_for 3 said warning network_namespace
	set_weight 100
	keep idle hold 127.0.0.1 8000 5 /health STOP
	keep half part 127.0.0.1 8000 STOP
	expect "connections that are steered" wait_for 3 dump_is v2 .connections.open 6
	set_weight 0
	expect_kept idle eof 5 3
	expect_kept half reset 1 5
	expect_eq "$(jq -r 'select(.event == "warning" and .cause != "network_namespace") | .message' agent.log)" "" "warnings"
	stop_agent TERM
	let_go old
}

test_capabilities_of_the_unit_are_enough() {
	start_servers_of_nobody
	# shellcheck disable=SC2046 # a word each
	use_all_of_it $(unit_capabilities)
}

# It is said which one is missing, rather than found out later.
test_each_capability_of_the_unit_is_asked_for() {
	local missing
	for missing in $(unit_capabilities); do
		# shellcheck disable=SC2046
		start_agent_with $(unit_capabilities | tr ' ' '\n' | grep -vx "$missing")
		need "the agent runs without $missing" wait_for 10 dead agent
		expect_match "$(<agent.err)" "CAP_${missing^^} is missing" "without $missing"
		: >agent.err
	done
}
