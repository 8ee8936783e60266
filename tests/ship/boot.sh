#!/bin/sh
# shellcheck shell=dash
# serin's package on a Debian that systemd has booted: it comes, runs, is restarted, is upgraded and goes. What the unit does
# besides is t_unit.sh's, where the programs do not take half a minute to be verified.
# Runs as root in the guest of tools/vm/run --system; every check is a line "ok ..." or "not ok ...". t_boot.sh reads them.
set -u
export LC_ALL=C DEBIAN_FRONTEND=noninteractive PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

packages=build/ship # two of them, the second one newer
failures=0
service=http://127.0.0.1:8000/v1/completions

check() { # WHAT EXPECTED GOT
	if [ "$2" = "$3" ]; then
		echo "ok $1: $3"
	else
		echo "not ok $1: expected $2, got $3"
		failures=$((failures + 1))
	fi
}

true_that() { # WHAT COMMAND...
	what=$1
	shift
	if "$@"; then check "$what" yes yes; else check "$what" yes no; fi
}

wait_for() { # SECONDS WHAT COMMAND...: says something only when it is not so in time
	end=$(($(date +%s) + $1))
	what=$2
	shift 2
	until "$@" >/dev/null 2>&1; do
		if [ "$(date +%s)" -gt "$end" ]; then
			check "$what in time" yes no
			journalctl -u serin -o cat -n 20 --no-pager
			return 1
		fi
		sleep 0.2
	done
}

show() { systemctl show -P "$1" "${2:-serin.service}"; }
shows() { [ "$(show "$1")" = "$2" ]; }
says() { show StatusText | grep -q "$1"; }
dump() { serin dump -o json | jq -r "$1"; }
weight() { dump '.releases[0].set_weight'; }
counted() { dump '[.models[].requests.success] | add'; }
counted_is() { [ "$(counted)" = "$1" ]; }
is_active() { [ "$(show ActiveState "$1")" = "$2" ]; }
programs() { bpftool prog show | grep -c 'name serin_'; }
no_programs() { [ "$(programs)" = 0 ]; }
ask() { build/load --url "$service" --requests "$1" --connections 4 --per-connection 2 --json | jq .outcomes.success; }

# As nobody: what the agent may do on its own is not enough to see whose sockets are whose.
start_server() { # VERSION PORT
	systemd-run --quiet --unit "model-$1" -p User=nobody -p WorkingDirectory=/src \
		/src/build/model-server --listen "127.0.0.1:$2" --model-version "$1" /src/tests/ship/boot.sh
}

configure() {
	cat >/etc/serin/serin.yaml <<-END
		models:
		  - {name: chat, version: v1, match: {port: 8000}}
		  - {name: chat, version: v2, match: {port: 8001, cmdline: "--model-version v2"}}
		releases: [{name: chat, stable: v1, canary: v2, start: manual, gates: {P_min: off, D_max: off}}]
	END
}

# Nobody has told it what to watch: that is said, and nothing fails.
a_fresh_package() {
	dpkg -i "$packages"/first.deb >/tmp/dpkg 2>&1
	check "dpkg -i" 0 $?
	true_that "it tells what to do" grep -q 'nothing is watched yet' /tmp/dpkg
	check "units that failed" "" "$(systemctl --failed --no-legend)"
	check "the unit is enabled" enabled "$(systemctl is-enabled serin)"
	check "it does not run" inactive "$(show ActiveState)"
}

it_starts() {
	configure
	systemctl start serin
	status=$?
	check "systemctl start" 0 $status
	if [ $status != 0 ]; then
		journalctl -u serin -o cat -n 20 --no-pager
		exit 1 # nothing of what follows makes sense
	fi
	check "ready as soon as it is started" '{"status":"success"}' \
		"$(curl -s --unix-socket /run/serin/api.sock http://serin/readyz | jq -c '{status}')"
	wait_for 20 "both servers" dump_is '[.models[].listeners | length] | add' 2
	check "what it says of itself" "chat Idle at 0%" "$(show StatusText)"
	check "its capabilities" "cap_dac_read_search,cap_net_admin,cap_sys_ptrace,cap_perfmon,cap_bpf" \
		"$(getpcaps "$(show MainPID)" 2>&1 | sed 's/.*: =*//; s/[+=]e[ip]*$//')"
	true_that "its state is its own" [ "$(stat -c %a /var/lib/serin)" = 700 ]
}

dump_is() { [ "$(dump "$1")" = "$2" ]; }

it_counts_and_steers() {
	serin weight chat 50
	check "requests that clients saw succeed" 200 "$(ask 200)"
	wait_for 10 "counts" counted_is 200
	check "requests counted" 200 "$(counted)"
	true_that "some of them on the canary" [ "$(dump '.models[1].requests.success')" -gt 20 ]
	true_that "pids of processes that are another user's" [ "$(dump '[.models[].pids | length] | add')" -ge 2 ]
}

is_another_than() { # asked in one question: between two it may die
	systemctl show -p ActiveState,MainPID serin.service | grep -v "MainPID=$1\$" | sort | tr '\n' ' ' | grep -q 'ActiveState=active MainPID='
}

# Everything that ends one agent and begins another: nothing is lost by it.
goes_on() { # HOW PID-BEFORE
	wait_for 60 "ready after $1" is_another_than "$2"
	check "weight after $1" 50 "$(weight)"
	check "requests counted after $1" 200 "$(counted)"
}

it_is_restarted() {
	pid=$(show MainPID)
	systemctl restart serin
	check "systemctl restart" 0 $?
	goes_on "a restart" "$pid"
}

it_is_upgraded() {
	pid=$(show MainPID)
	dpkg -i "$packages"/second.deb >/tmp/dpkg 2>&1
	check "dpkg -i of the next" 0 $?
	goes_on "an upgrade" "$pid"
	true_that "it is another agent" [ "$pid" != "$(show MainPID)" ]
}

# Its lines are events, with the severity that each has; rsyslog takes them with their fields.
its_log_is_read() {
	serin abort chat
	check "the severity of a rollback" 4 \
		"$(journalctl -u serin -o json | jq -r 'select(.MESSAGE | contains("\"event\":\"rollback\"")) | .PRIORITY')"
	wait_for 20 "the events in rsyslog" test -s /var/log/serin/warnings.log
	check "a decision in rsyslog" "chat 50" \
		"$(jq -r 'select(.event == "weight") | "\(.release) \(.set_weight)"' /var/log/serin/events.json)"
	true_that "a warning there" grep -q 'warning rollback release=chat' /var/log/serin/warnings.log
	serin retry chat
}

it_goes() {
	dpkg -r serin >/tmp/dpkg 2>&1
	check "dpkg -r while it runs" 0 $?
	wait_for 10 "the end of its programs" no_programs
	true_that "the history stays" [ -e /var/lib/serin/serin.db ]
	dpkg -P serin >/tmp/dpkg 2>&1
	check "dpkg -P" 0 $?
	check "files left" "" "$(find / -xdev -name '*serin*' ! -path '/src/*' ! -path '/var/log/*' ! -path '/etc/rsyslog.d/*')"
	check "pins left" "" "$(find /sys/fs/bpf -name 'serin*')"
	check "units that failed" "" "$(systemctl --failed --no-legend)"
}

wait_for 60 "the system" eval 'systemctl is-active --quiet basic.target'
start_server v1 8000
start_server v2 8001
for step in a_fresh_package it_starts it_counts_and_steers its_log_is_read it_is_restarted it_is_upgraded it_goes; do
	$step
	echo "# $step: $(cut -d' ' -f1 /proc/uptime) s since power-on"
done
[ $failures = 0 ]
