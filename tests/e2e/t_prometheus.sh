# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
# What is shipped for Prometheus and Grafana: a real Prometheus with the shipped configuration and rules scrapes a real agent
# through a release and its end, and is asked every query of the dashboard.

PROMETHEUS=http://127.0.0.1:9090
DEPLOY=$ROOT/deploy
DASHBOARD=$DEPLOY/grafana/serin.json

need_prometheus_server() {
	command -v prometheus promtool >/dev/null || skip "no prometheus here (tools/install-deps test)"
}

# The shipped configuration, with a scrape a second and the test's own files.
configure_prometheus() {
	cp "$DEPLOY/prometheus/serin.rules.yml" .
	cp token serin.token
	sed -E "s,/etc/prometheus/,$DIR/,; s/_interval: [0-9]+s/_interval: 1s/" "$DEPLOY/prometheus/prometheus.yml" >prometheus.yml
	promtool check config prometheus.yml >promtool.out 2>&1 || fail "promtool check config: $(tail -n 1 promtool.out)"
}

start_prometheus() {
	configure_prometheus
	spawn prometheus prometheus --config.file="$DIR/prometheus.yml" --storage.tsdb.path="$DIR/tsdb" \
		--web.listen-address="${PROMETHEUS#http://}" --log.level=warn
	await_listening prometheus 9090
}

# prometheus_api PATH [OPTION...]: the answer's data.
prometheus_api() {
	get "$PROMETHEUS/api/v1/$1" -G "${@:2}" | jq -c .data
}

# query EXPRESSION: the values of its series now, a line each.
query() {
	prometheus_api query --data-urlencode "query=$1" | jq -r '.result[].value[1]'
}

query_is() {
	[[ $(query "$1") == "$2" ]]
}

is_true() {
	[[ -n $(query "$1") ]]
}

# rule ALERT FIELD: of a rule that it has loaded.
rule() {
	prometheus_api rules | jq -r --arg name "$1" ".groups[].rules[] | select(.name == \$name) | $2"
}

# rule_is ALERT inactive|pending|firing
rule_is() {
	[[ $(rule "$1" .state) == "$2" ]]
}

# The release chat from v1 to v2 and an agent that may be scraped.
start_scraped_agent() {
	write_token "$API_TOKEN"
	write_config 'steps: [{weight: 50, hold: 10m}, {weight: 100}]' \
		'analysis: {latency_floor: 1s}' 'gates: {P_min: 0.9, D_max: 1000, R_max: 1000, min_requests: 50}'
	echo "api: {listen: 127.0.0.1:9465, token_file: $DIR/token}" >>config.yaml
	start_with_config
}

# More requests in flight on a connection than start times are kept for.
lose_something() {
	own_client pipeline 127.0.0.1 8000 100 /health >pipeline.out
	expect "nothing is lost" wait_for 5 not losses_are ''
}

# every_query_has_data START: of the dashboard, at some moment since then. Before Linux 6.3 nobody sees a server read.
every_query_has_data() {
	local unless=()
	if dump_is v1 .latency_seconds.pickup null; then
		unless=('-Waiting to be read')
	fi
	in_ns /usr/bin/python3 "$HERE/dashboard.py" ask "$DASHBOARD" "$PROMETHEUS" "$1" instance=127.0.0.1:9465 model=chat \
		"${unless[@]}" >queries.out 2>queries.err
}

note_queries() {
	local line
	while read -r line; do
		note "the dashboard's $line"
	done <queries.out
	[[ -s queries.out ]] || note "the dashboard was not asked: $(tail -n 1 queries.err)"
}

# What serin counted in its maps is what Prometheus has of it.
expect_same_counts() {
	local version
	for version in v1 v2; do
		expect "successes of $version: $(query "serin_requests_total{version=\"$version\", outcome=\"success\"}"), in the dump \
$(dump "$version" .requests.success)" wait_for 5 \
			query_is "serin_requests_total{version=\"$version\", outcome=\"success\"}" "$(dump "$version" .requests.success)"
	done
}

DEADLINE[prometheus_and_the_dashboard]=120
test_prometheus_and_the_dashboard() {
	local began=$EPOCHREALTIME
	need_prometheus_server
	start_model_server v1 8000
	start_scraped_agent
	start_prometheus
	need "the agent is not scraped" wait_for 15 query_is 'up{job="serin"}' 1
	crowd clients 100 --stream 30
	start_model_server v2 8001
	need "the release does not begin" wait_for 10 release_phase_is Progressing
	need "the canary has no requests" wait_for 10 query_is 'serin_window_requests{version="v2"} > bool 50' 1
	lose_something
	need "P of both versions is not scraped" wait_for 5 query_is 'count(serin_success_ratio == 1)' 2
	expect "an alert fires of a healthy release" not is_true 'ALERTS{alertstate="firing", severity!="info"}'
	get http://127.0.0.1:8001/fault -d '{"error_rate": 0.5}' -o fault.out
	need "it is not rolled back" wait_for 20 release_phase_is RolledBack
	need "SerinCanaryRolledBack does not fire" wait_for 10 rule_is SerinCanaryRolledBack firing
	expect_match "$(rule SerinCanaryRolledBack '.alerts[0].annotations.summary')" \
		'^chat on 127.0.0.1:9465: canary v2 rolled back \((gate_p|evidence_error)\)$' "the alert's summary"
	wait_for 10 every_query_has_data "$began" || note_queries
	end clients INT
	expect_same_counts
	expect "the losses are not the rule's" is_true "$(rule SerinLossesGrowing .query)"
	expect "stable is said to fail" not is_true "$(rule SerinStableFailing .query)"
	expect "the agent is said to be absent" not is_true "$(rule SerinAgentAbsent .query)"
	end agent KILL
	expect "the absent agent is not noticed" wait_for 10 is_true "$(rule SerinAgentAbsent .query)"
	expect "SerinAgentAbsent is not on its way" wait_for 5 rule_is SerinAgentAbsent pending
	start_with_config
	expect "an agent that is back is still said to be absent" wait_for 10 rule_is SerinAgentAbsent inactive
	expect "nobody says any more that the canary was rolled back" wait_for 5 rule_is SerinCanaryRolledBack firing
	expect_eq "$(grep -c 'level=\(warn\|error\)' prometheus.err || true)" 0 "warnings of Prometheus ($(tail -n 1 prometheus.err))"
}

# ---- the files ----

test_prometheus_rules() {
	need_prometheus_server
	promtool check rules "$DEPLOY/prometheus/serin.rules.yml" >promtool.out 2>&1 || note "promtool check rules: $(tail -n 1 promtool.out)"
	promtool test rules "$DEPLOY/prometheus/serin.rules.test.yml" >promtool.out 2>&1 ||
		note "promtool test rules: $(grep -m 1 alertname promtool.out)"
}

# An alert sends its reader to a section that is there, and each has a test.
test_prometheus_runbooks() {
	local alert
	while read -r alert; do
		expect "no test of $alert" grep -q "alertname: $alert" "$DEPLOY/prometheus/serin.rules.test.yml"
		expect "no runbook of $alert" grep -q "runbook_url: docs/operating.md#${alert,,}\$" "$DEPLOY/prometheus/serin.rules.yml"
		expect "no section on $alert in docs/operating.md" grep -qE "^#+ $alert\$" "$ROOT/docs/operating.md"
	done < <(sed -nE 's/^ *- alert: //p' "$DEPLOY/prometheus/serin.rules.yml")
}

# The job that the documentation says to add to a configuration is one, and names the alerts that there are.
test_prometheus_documentation() {
	need_prometheus_server
	cp "$DEPLOY/prometheus/serin.rules.yml" .
	write_token "$API_TOKEN"
	mv token serin.token
	{
		echo "rule_files: [$DIR/serin.rules.yml]"
		echo "scrape_configs:"
		sed -n '/^  - job_name: serin/,/^```/p' "$ROOT/docs/prometheus.md" | sed "s,/etc/prometheus/,$DIR/,; /^\`\`\`/d"
	} >prometheus.yml
	expect "no job in docs/prometheus.md" grep -q 127.0.0.1:9465 prometheus.yml
	promtool check config prometheus.yml >promtool.out 2>&1 || note "promtool check config: $(tail -n 1 promtool.out)"
	expect_eq "$(sed -nE 's/^\| (Serin[A-Za-z]+) \| ([a-z]+) \|.*/\1 \2/p' "$ROOT/docs/prometheus.md" | sort | xargs)" \
		"$(awk '/- alert:/ { name = $3 } /^ +severity:/ { print name, $2 }' serin.rules.yml | sort | xargs)" \
		"alerts and severities in docs/prometheus.md"
}

test_dashboard_structure() {
	/usr/bin/python3 "$HERE/dashboard.py" check "$DASHBOARD" >findings || while read -r line; do
		note "$line"
	done <findings
}
