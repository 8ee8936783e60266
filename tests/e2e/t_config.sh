# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
# Configuration by a file: what is checked, and what it makes the agent do. Servers are told by what only they have.

# configure_with MATCH-OF-V1 MATCH-OF-V2 [LINE...]: a release of two versions without gates, and more of the release.
configure_with() {
	{
		printf 'models:\n  - {name: chat, version: v1, match: %s}\n  - {name: chat, version: v2, match: %s}\n' "$1" "$2"
		printf 'releases:\n  - name: chat\n    stable: v1\n    canary: v2\n    gates: {P_min: off, D_max: off, exits_max: off}\n'
		printf '    %s\n' 'analysis: {evidence: false}' "${@:3}"
		printf 'tick: 100ms\n'
	} >serin.yaml
}

start_agent_of_file() {
	need_serin
	: >agent.log
	: >agent.err
	spawn agent "$SERIN" run --instance "$INSTANCE" --log json --store :memory: -c serin.yaml "$@"
	await_event ready
}

# start_version NAME PORT COMMAND...: a model server, started by the command that precedes it.
start_version() {
	local name=$1 port=$2
	shift 2
	spawn "$name" "$@" "$MODEL_SERVER" --listen "127.0.0.1:$port" --model-version "$name"
	await_listening "$name" "$port"
}

# One that its process alone tells is found within a second.
await_listeners() {
	wait_for 5 dump_is "$1" '.listeners | length' "$2" ||
		note "listeners of $1: $(dump "$1" '.listeners | length'), expected $2; the agent: $(tail -n 1 agent.err)"
}

# expect_steered_and_found_again COMMAND...: all go to v2; it is restarted by the command, and all go there again.
expect_steered_and_found_again() {
	await_listeners v2 1
	set_weight 100
	complete 10 "$STABLE"
	expect_requests v2 success=10
	expect_eq "$(dump v2 '.pids | index('"${PID[v2]}"') != null')" true "v2's process is shown"
	end v2 KILL
	await_listeners v2 0
	complete 3 "$STABLE"
	expect_requests v1 success=3
	start_version v2 8001 "$@"
	await_listeners v2 1
	complete 10 "$STABLE"
	expect_requests v2 success=20
	expect_requests v1 success=3
}

# ---- lint ----

test_lint_of_the_example_in_the_documentation() {
	awk '/^```yaml/ { inside = 1; next } /^```/ { inside = 0 } inside' "$ROOT/docs/configuration.md" >example.yaml
	expect "no example in docs/configuration.md" test -s example.yaml
	in_ns "$SERIN" lint example.yaml >lint.out 2>lint.err || note "lint of the example: $(<lint.err)"
	expect_match "$(<lint.out)" 'chat: v1 -> v2 on 8000, 1% for 1m, then 5% for 5m' "serin lint"
	expect_match "$(<lint.out)" 'env MODEL_VERSION=v2' "serin lint"
}

# Every key of the table of the documentation is one, and every key that there is, is in the documentation.
test_lint_knows_the_keys_of_the_documentation() {
	local key
	for key in $(sed -nE 's/^\| `([A-Za-z_]+)` \|.*/\1/p' "$ROOT/docs/configuration.md" | sort -u); do
		expect "$key is not in the table of keys" grep -q "[\"(]$key\"" "$ROOT/user/config_yaml.c"
	done
	for key in $(grep -oE '(\.name = |OUTCOME\()"[A-Za-z_]+"' "$ROOT/user/config_yaml.c" | grep -oE '"[A-Za-z_]+"' | tr -d '"' | sort -u); do
		expect "$key is not in docs/configuration.md" grep -q "^| \`$key\` |" "$ROOT/docs/configuration.md"
	done
}

# lint_refuses LINE PATTERN TEXT
lint_refuses() {
	printf '%b' "$3" >bad.yaml
	expect_refused 1 "bad\.yaml:$1: .*$2" lint bad.yaml
	refuse_run 1 "bad\.yaml:$1: .*$2" -c bad.yaml
}

test_lint_says_where_it_is_wrong() {
	local models='models:\n  - {name: chat, version: v1, match: {port: 8000}}\n  - {name: chat, version: v2, match: {port: 8001}}\n'
	local release="${models}releases:\n  - name: chat\n    stable: v1\n    canary: v2\n"
	lint_refuses 1 'no models' ''
	lint_refuses 2 'this is no YAML' 'models: [\n'
	lint_refuses 4 "no key 'frob'" "${models}frob: 1\n"
	lint_refuses 8 "no key 'wieght'" "${release}    wieght: 1\n"
	lint_refuses 9 'does not rise' "${release}    steps: [{weight: 2},\n      {weight: 1}]\n"
	lint_refuses 8 'would dial the canary itself' "${release}    service: {port: 8001}\n"
	lint_refuses 10 "P_min: '2' is not" "${release}    gates:\n      D_max: 5\n      P_min: 2\n"
	lint_refuses 4 'from 1s to 1h' "${models}window: 2h\n"
	lint_refuses 1 'anchors' 'window: &a 10s\n'
	lint_refuses 2 'UTF-8' 'window: 10s\n\xff\n'
}

test_lint_of_what_is_no_file() {
	mkfifo fifo
	head -c 1048577 /dev/zero >large
	expect_refused 1 'nowhere: there is no such file' lint nowhere
	expect_refused 1 'fifo: no regular file' lint fifo
	expect_refused 1 'no regular file' lint .
	expect_refused 1 'longer than 1 MiB' lint large
	expect_refused 2 'one FILE' lint
	expect_refused 2 'one FILE' lint a b
}

test_options_do_not_mix_with_a_file() {
	configure_with '{port: 8000}' '{port: 8001}'
	refuse_run 2 '--stable describes a release' -c serin.yaml --stable 8000
	refuse_run 2 '--weight describes a release' -c serin.yaml --weight 5
	refuse_run 2 '--steps describes a release' --config serin.yaml --steps 1:60s,100
	refuse_run 2 'lease would run out' -c serin.yaml --lease 1 --tick 900
	refuse_run 2 'both a weight and steps' --stable 8000 --canary 8001 --weight 1 --steps 1:60s
	refuse_run 2 'does not rise' --stable 8000 --canary 8001 --steps 5,1
	refuse_run 2 'WEIGHT\[:HOLD\]' --stable 8000 --canary 8001 --steps 5:60
	refuse_run 2 'keep or stable' --stable 8000 --canary 8001 --on-exit never
}

# ---- servers told by their processes ----

test_server_told_by_its_environment() {
	start_model_server v1 8000
	start_version v2 8001 env MODEL_VERSION=v2
	configure_with '{port: 8000}' '{env: MODEL_VERSION=v2}'
	start_agent_of_file
	expect_steered_and_found_again env MODEL_VERSION=v2
}

test_server_told_by_its_port_and_environment() {
	start_model_server v1 8000
	start_version v2 8001 env MODEL_VERSION=v3
	configure_with '{port: 8000}' '{port: 8001, env: MODEL_VERSION=v2}'
	start_agent_of_file
	expect "another one on that port is taken for v2" holds_for 2500 dump_is v2 '.listeners | length' 0
	end v2 KILL
	start_version v2 8001 env MODEL_VERSION=v2
	expect_steered_and_found_again env MODEL_VERSION=v2
}

test_server_told_by_its_executable() {
	start_model_server v1 8000
	cp "$MODEL_SERVER" canary-server
	MODEL_SERVER=$DIR/canary-server start_version v2 8001 env
	configure_with '{port: 8000}' '{exe: canary-*}'
	start_agent_of_file
	MODEL_SERVER=$DIR/canary-server expect_steered_and_found_again env
}

test_server_told_by_its_command_line() {
	start_model_server v1 8000
	start_version v2 8001 env
	configure_with '{port: 8000}' "{cmdline: '--model-version v2'}"
	start_agent_of_file
	expect_steered_and_found_again env
}

test_server_told_by_its_control_group() {
	local group=(sh -c 'echo $$ >"$0/cgroup.procs"; exec "$@"' "$CGROUP/canary")
	mkdir "$CGROUP/canary"
	start_model_server v1 8000
	start_version v2 8001 "${group[@]}"
	configure_with '{port: 8000}' "{cgroup: /${CGROUP##*/}/canary}"
	start_agent_of_file
	expect_steered_and_found_again "${group[@]}"
}

# A process and what descends from it: the shell stays, its server is restarted.
test_server_told_by_its_ancestor() {
	local old
	start_model_server v1 8000
	# shellcheck disable=SC2016 # for that shell
	spawn parent sh -c 'while [ ! -e stop ]; do "$@" & echo $! >child; wait; done' sh "$MODEL_SERVER" --listen 127.0.0.1:8001
	await_listening parent 8001
	configure_with '{port: 8000}' "{pid: ${PID[parent]}}"
	start_agent_of_file
	await_listeners v2 1
	set_weight 100
	complete 10 "$STABLE"
	expect_requests v2 success=10
	old=$(<child)
	kill "$old"
	need "v2's new process is not found" wait_for 5 is_new_child_of_v2 "$old"
	complete 10 "$STABLE"
	expect_requests v2 success=20
	touch stop
}

# is_new_child_of_v2 OLD: the agent knows the one that took its place.
is_new_child_of_v2() {
	[[ $(<child) != "$1" ]] && dump_is v2 ".pids | index($(<child)) != null" true
}

# Both versions are told by their environment, and neither port is written down but what clients dial.
test_both_servers_told_by_their_environment() {
	start_version v1 8000 env MODEL_VERSION=v1
	start_version v2 8001 env MODEL_VERSION=v2
	configure_with '{env: MODEL_VERSION=v1}' '{env: MODEL_VERSION=v2}' 'service: {port: 8000}'
	start_agent_of_file
	await_listeners v1 1
	complete 5 "$STABLE"
	expect_requests v1 success=5
	expect_steered_again_without_restart
}

expect_steered_again_without_restart() {
	await_listeners v2 1
	set_weight 100
	complete 10 "$STABLE"
	expect_requests v2 success=10
}

# All listeners of a process are its version's, and those that come later too.
test_server_on_several_ports() {
	start_model_server v1 8000
	start_nginx v2 127.0.0.1:8001 127.0.0.1:8002
	configure_with '{port: 8000}' "{cmdline: $DIR/v2.conf}"
	start_agent_of_file
	await_listeners v2 2
	expect_eq "$(dump v2 '[.listeners[].port] | sort | join(" ")')" '8001 8002' "ports of v2"
	times 5 get http://127.0.0.1:8001/ -o /dev/null
	times 5 get http://127.0.0.1:8002/ -o /dev/null
	expect_requests v2 success=10
}

# Its connections were open before it was known.
test_connections_of_a_server_told_by_its_process() {
	start_model_server v1 8000
	configure_with '{port: 8000}' '{env: MODEL_VERSION=v2}'
	start_version v2 8001 env MODEL_VERSION=v2
	background load in_ns h2load --h1 -n 2000000 -D 6 -c 2 http://127.0.0.1:8001/v1/models >h2load.out 2>&1
	need "no connection to v2" wait_for 5 has_connections 8001
	start_agent_of_file
	await_listeners v2 1
	expect "its connections are not found" wait_for 5 not dump_is v2 .connections.open 0
	expect "nothing is counted on them" wait_for 5 not dump_is v2 .requests.success 0
}

has_connections() {
	[[ -n $(in_ns ss -Htn state established "sport = :$1") ]]
}

test_file_without_releases_only_observes() {
	start_model_server v1 8000
	printf 'models:\n  - {name: chat, version: v1, match: {port: 8000}}\n' >serin.yaml
	start_agent_of_file
	complete 5 "$STABLE"
	expect_requests v1 success=5
	expect_eq "$(serin dump -o json | jq '.releases | length')" 0 "releases"
	expect_eq "$(dump v1 .role)" none "role"
}

# Sticky, rules, drain and the like are the release's; what goes for the agent as a whole is the command line's to override.
test_options_override_a_file() {
	start_model_server v1 8000
	configure_with '{port: 8000}' '{port: 8001}'
	start_agent_of_file --window 3
	expect "the window is not 3 s" wait_for 10 dump_is v1 '.window.seconds | . > 2.5 and . < 3.5' true
}
