# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
# The log as others read it.

# The shipped configuration, with its commented input, on this test's directory.
start_rsyslog() {
	need_program rsyslogd
	{
		echo "global(workDirectory=\"$DIR\")"
		sed -E 's/^#   (module|input)/\1/' "$ROOT/deploy/logs/rsyslog.conf"
	} | sed "s|/var/log/serin/|$DIR/|" >rsyslog.conf
	rsyslogd -N 1 -f "$DIR/rsyslog.conf" >check.log 2>&1 || fail "rsyslogd refuses it: $(grep -m 1 error check.log)"
	spawn rsyslog rsyslogd -n -f "$DIR/rsyslog.conf" -i "$DIR/rsyslog.pid"
}

# events FILTER: of what rsyslog has written.
events() {
	jq -r "$1" events.json 2>/dev/null
}

events_hold() {
	[[ $(events "select($1) | .event") == "$2" ]]
}

# Each line of the agent is an event there, with its fields, and what is a warning is among the warnings.
test_rsyslog_takes_the_log_as_it_is() {
	start_rsyslog
	two_nginx
	start_agent "${NO_GATES[@]}"
	set_weight 25
	serin abort chat
	need "the decision does not come through" wait_for 10 events_hold '.reason_code == "aborted"' rollback
	expect_eq "$(events 'select(.event == "weight") | "\(.release) \(.set_weight) \(.phase)"')" "chat 25 Progressing" "a weight's fields"
	stop_agent TERM
	need "its end does not come through" wait_for 10 events_hold '.event == "stopped"' stopped
	jq -cS . agent.log >wrote.json
	jq -cS . events.json >took.json
	expect "rsyslog has other events than the agent wrote: $(diff wrote.json took.json | sed -n 2p)" cmp -s wrote.json took.json
	expect_match "$(<warnings.log)" '^[0-9T:.-]+Z warning rollback release=chat set_weight=0.0 chat RolledBack, .* by hand' "the line of fields"
	end rsyslog
}

# Each line is an object with a time, a level and an event; only what is for columns has no message.
test_log_is_json_where_nobody_looks() {
	two_nginx
	spawn agent "$SERIN" run --instance "$INSTANCE" --name chat --stable 8000 --canary 8001 --weight 10 "${NO_GATES[@]}"
	need "the agent does not get ready" wait_for 15 said ready
	holds_for 2500 alive agent
	remember_programs "${PID[agent]}"
	stop_agent TERM
	expect_eq "$(jq -r 'select((.time | test("^[0-9-]+T[0-9:.]+Z$")) and (.level | IN("info", "warning")) and .message) | .event' agent.log |
		sort -u | tr '\n' ' ')" "listening ready stopped weight " "events"
	expect_eq "$(grep -c . agent.log)" "$(jq -c . agent.log | wc -l)" "lines, and objects in them"
	expect_eq "$(<agent.err)" "" "standard error"
}

# Why it could not start is an event too, beside the line on standard error.
test_log_says_why_it_could_not_start() {
	local status=0
	AS=(setpriv --bounding-set -net_admin --inh-caps -net_admin)
	in_ns "${AS[@]}" "$SERIN" run --instance "$INSTANCE" --name chat --stable 8000 >agent.log 2>agent.err || status=$?
	expect_eq "$status" 1 "its exit code"
	expect_eq "$(jq -r '"\(.level) \(.event)"' agent.log)" "error failed" "the event"
	expect_match "$(jq -r .message agent.log)" "CAP_NET_ADMIN is missing" "its message"
	expect_eq "$(<agent.err)" "serin: $(jq -r .message agent.log)" "the line on standard error"
}
