# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
# The unit under a real systemd, on this kernel, with all its restrictions: see manager.sh.

start_manager() {
	[[ -x /lib/systemd/systemd ]] || skip "no systemd here"
	spawn manager unshare --mount --propagation unchanged "$SUITE_DIR/manager.sh" "$ROOT" "$CGROUP" "$(cgroup2)"
	wait_for 10 manager_is_up || fail "systemd does not start: $(tail -n 1 manager.err)"
	# What the harness asks of the agent, it asks of this one: there, and it has no instance's name.
	cat >serin <<-END
		#!/bin/bash
		exec nsenter --mount=/proc/${PID[manager]}/ns/mnt "$SERIN" "\${@:1:\$#-2}"
	END
	chmod 755 serin
	SERIN=$DIR/serin
}

manager_is_up() {
	in_manager systemctl --user is-active --quiet basic.target 2>/dev/null
}

in_manager() {
	nsenter --mount="/proc/${PID[manager]}/ns/mnt" env XDG_RUNTIME_DIR=/run "$@"
}

# unit COMMAND...: systemctl, of serin.service.
unit() {
	in_manager systemctl --user --no-pager "$1" serin.service "${@:2}"
}

shows() {
	unit show -P "$1"
}

shows_match() {
	[[ $(shows "$1") =~ $2 ]]
}

# configure_unit LINE...: two versions behind port 8000, and these lines.
configure_unit() {
	{
		cat <<-END
			models:
			  - {name: chat, version: stable, match: {port: 8000}}
			  - {name: chat, version: canary, match: {port: 8001}}
			releases: [{name: chat, stable: stable, canary: canary, start: manual, gates: {P_min: off, D_max: off}}]
			store: {path: /run/lib/serin/serin.db}
		END
		printf '%s\n' "$@"
	} | in_manager tee /run/etc/serin/serin.yaml >/dev/null
}

# start_unit: with two servers, half of the connections, and 40 requests counted.
start_unit() {
	start_manager
	two_nginx
	configure_unit
	unit start || fail "systemctl start: $(in_manager tail -n 1 /run/agent.err)"
	remember_programs "$(shows MainPID)"
	set_weight 50
	get_many
}

get_many() {
	local i
	for i in {1..40}; do
		get http://127.0.0.1:8000/ -o /dev/null || note "request $i failed"
	done
	need "requests are not counted" wait_for 5 all_counted 40
}

all_counted() {
	[[ $(serin dump -o json | jq '[.models[].requests.success] | add') == "$1" ]]
}

# goes_on WHAT PID: another agent than that, with all that one had.
goes_on() {
	need "no new agent after $1" wait_for 15 is_another_than "$2"
	remember_programs "$(shows MainPID)"
	expect_eq "$(release .set_weight)" 50 "weight after $1"
	expect "requests counted after $1" all_counted 40
	expect_eq "$(shows StatusText)" "chat Progressing at 50%" "status after $1"
}

# Asked in one question: between two it may die.
is_another_than() {
	local state
	state=$(unit show -p ActiveState,MainPID)
	[[ $state == *ActiveState=active* && $state != *MainPID=$1* ]]
}

# Nothing of it is in the kernel any more.
expect_nothing_kept() {
	expect "pins stay $1" wait_for 5 in_manager test ! -e /sys/fs/bpf/serin
	wait_for 5 no_programs_left || note "BPF programs stay $1: $(programs_left | tr '\n' ' ')"
	expect "serin-pins.service is not stopped $1" wait_for 5 pins_are inactive
}

pins_are() {
	[[ $(in_manager systemctl --user show -P ActiveState serin-pins.service) == "$1" ]]
}

# Without a configuration there is nothing to do: no failure.
test_unit_without_a_configuration() {
	start_manager
	expect "systemctl start" unit start
	expect_eq "$(shows ActiveState) $(shows ConditionResult)" "inactive no" "the unit"
	expect_nothing_kept "after nothing"
}

test_unit_is_ready_when_it_is_started() {
	local status
	start_manager
	two_nginx
	configure_unit
	expect "systemctl start" unit start
	expect_eq "$(in_manager curl -s -o /dev/null -w '%{http_code}' --unix-socket /run/serin/api.sock http://serin/readyz)" 200 "/readyz"
	expect_eq "$(shows StatusText)" "chat Idle at 0%" "its status"
	remember_programs "$(shows MainPID)"
	status=/proc/$(shows MainPID)/status
	expect_eq "$(sed -n 's/^CapEff:\s*//p' "$status")" "$(sed -n 's/^CapBnd:\s*//p' "$status")" "its capabilities, and those it could have"
	expect_eq "$(capsh --decode="$(sed -n 's/^CapPrm:\s*//p' "$status")" | sed 's/.*=//; s/cap_//g' | tr , '\n' | sort | xargs)" \
		"$(unit_capabilities | tr ' ' '\n' | sort | xargs)" "what they are"
	expect_match "$(<"$status")" $'NoNewPrivs:\t1.*Seccomp:\t2' "its restrictions"
	expect_eq "$(in_manager stat -c %a /run/lib/serin /run/serin/api.sock | tr '\n' ' ')" "700 600 " "modes of its directory and socket"
	expect_eq "$(in_manager jq -r 'select(.event == "ready") | .level' /run/agent.log)" info "its log"
}

# With every restriction of the unit: servers' listeners and connections are dealt with as ever.
test_unit_drains_under_its_restrictions() {
	start_unit
	set_weight 100
	keep idle hold 127.0.0.1 8000 5 / STOP
	set_weight 0
	expect_kept idle eof 5 5
	expect_eq "$(in_manager jq -r 'select(.level == "warning" or .level == "error") | .message' /run/agent.log)" "" "warnings"
}

test_unit_goes_on_after_a_restart_a_hang_and_a_kill() {
	local pid
	start_unit
	expect "the watchdog ends an agent that is well" holds_for 4500 shows_match NRestarts '^0$'
	pid=$(shows MainPID)
	expect "systemctl restart" unit restart
	goes_on "a restart" "$pid"

	pid=$(shows MainPID)
	kill -STOP "$pid"
	goes_on "a hang" "$pid"
	expect_eq "$(shows NRestarts)" 1 "restarts by systemd"

	pid=$(shows MainPID)
	kill -KILL "$pid"
	goes_on "a kill" "$pid"
}

test_unit_reloads() {
	start_unit
	configure_unit "tick: 500ms"
	expect "systemctl reload" unit reload
	need "the file is not taken" wait_for 5 in_manager grep -q 'is in force' /run/agent.log
	configure_unit "tick: often"
	expect "systemctl reload" unit reload
	need "its status does not tell of the refusal" wait_for 5 shows_match StatusText "^the configuration was not taken: .*serin.yaml:6:"
	expect_eq "$(shows ActiveState)" active "the unit after a file that is wrong"
	configure_unit "tick: 60s" "lease: 5m"
	expect "systemctl reload" unit reload
	need "its status tells of the refusal still" wait_for 5 shows_match StatusText '^chat Progressing at 50%$'
	# A look a minute, and a watchdog of two seconds: it is told to be patient.
	expect "the watchdog ended an agent that looks once a minute" holds_for 4000 shows_match NRestarts '^0$'
	expect_eq "$(release .set_weight)" 50 "weight after all that"
}

test_unit_stopped_leaves_nothing() {
	start_unit
	expect "systemctl stop" unit stop
	expect_nothing_kept "after a stop"
	expect_eq "$(shows ActiveState) $(shows Result)" "inactive success" "the unit"
	expect_eq "$(in_manager ls -A /run/serin)" "" "what its run time directory has"
	expect "the history is gone" in_manager test -e /run/lib/serin/serin.db
	expect_all_by stable 20
}

somebody_answers() {
	serin dump -o json >/dev/null 2>&1
}

# One that somebody started by hand goes on, whatever the unit tries.
test_unit_leaves_an_agent_alone_that_is_not_its_own() {
	start_manager
	two_nginx
	configure_unit
	spawn agent nsenter --mount="/proc/${PID[manager]}/ns/mnt" /run/usr/sbin/serin run -c /run/etc/serin/serin.yaml
	need "no agent by hand" wait_for 10 somebody_answers
	remember_programs "$(serin dump -o json | jq .agent.pid)"
	set_weight 50
	expect "systemctl start succeeds" not unit start
	need "the unit is not given up" wait_for 40 shows_match ActiveState failed
	need "serin-pins.service is not stopped" wait_for 5 pins_are inactive
	expect_match "$(in_manager tail -n 1 /run/agent.err)" 'an agent runs already on this node' "the reason"
	expect_eq "$(release .set_weight)" 50 "its weight"
	get_many
	expect "what it pinned is gone" in_manager test -e /sys/fs/bpf/serin
	end agent TERM
	expect_nothing_kept "after its end"
}

# An agent that cannot stay up is given up, and then nothing steers on.
test_unit_given_up_leaves_nothing() {
	start_unit
	echo 'models: [' | in_manager tee /run/etc/serin/serin.yaml >/dev/null
	kill -KILL "$(shows MainPID)"
	need "it is not given up" wait_for 40 shows_match ActiveState failed
	expect_nothing_kept "after giving up"
	expect_match "$(in_manager tail -n 1 /run/agent.err)" '^serin: /run/etc/serin/serin.yaml:' "the reason"
	expect_all_by stable 20
}
