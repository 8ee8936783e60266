# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
# GET /metrics of the real agent, read by promtool and by Prometheus' own parsers.

OPENMETRICS='application/openmetrics-text; version=1.0.0'

# scrape FILE [OPTION...]: on the unix socket.
scrape() {
	curl -sS --max-time 10 --unix-socket "$STATE$INSTANCE/api.sock" -D scrape.head -o "$1" "${@:2}" http://serin/metrics ||
		fail "/metrics cannot be scraped"
}

# metric SERIES: its value, of a scrape now. Nothing when there is none.
metric() {
	scrape metrics.txt
	awk -v series="$1" 'substr($0, 1, length(series) + 1) == series " " { print $NF }' metrics.txt
}

has_metric() {
	[[ $(metric "$1") ]]
}

metric_is() {
	[[ $(metric "$1") == "$2" ]]
}

# expect_metric SERIES VALUE
expect_metric() {
	wait_for 5 metric_is "$1" "$2" || note "$1 is $(metric "$1"), expected $2"
}

# expect_clean FORM FILE...: Prometheus' parser takes them, histograms are whole, no counter falls.
expect_clean() {
	local complaint
	/usr/bin/python3 "$HERE/scrapes.py" "$@" >complaints 2>&1 || note "scrapes.py $1: $(tail -n 1 complaints)"
	while read -r complaint; do
		note "$complaint"
	done <complaints
}

# expect_promtool FILE: finds nothing to mend.
expect_promtool() {
	promtool check metrics <"$1" >promtool.out 2>&1 || note "promtool: $(head -n 5 promtool.out)"
	expect_eq "$(<promtool.out)" "" "what promtool says"
}

need_prometheus() {
	command -v promtool >/dev/null || skip "no promtool (tools/install-deps test)"
	/usr/bin/python3 -c 'import prometheus_client' 2>/dev/null || skip "no python3-prometheus-client (tools/install-deps test)"
}

test_metrics_are_what_the_client_sent() {
	local path
	need_prometheus
	two_nginx
	start_agent "${NO_GATES[@]}"
	in_ns ab -q -n 300 -c 4 -k http://127.0.0.1:8000/ >ab.out
	for path in missing missing throttled broken hangup; do
		in_ns curl -s -o /dev/null "http://127.0.0.1:8000/$path" || true
	done
	expect_metric 'serin_requests_total{model="chat",version="stable",outcome="success"}' 300
	expect_metric 'serin_requests_total{model="chat",version="stable",outcome="client_error"}' 2
	expect_metric 'serin_requests_total{model="chat",version="stable",outcome="throttled"}' 1
	expect_metric 'serin_requests_total{model="chat",version="stable",outcome="server_error"}' 1
	expect_metric 'serin_requests_total{model="chat",version="stable",outcome="server_abort"}' 1
	expect_metric 'serin_requests_in_flight{model="chat",version="stable"}' 0
	expect_metric 'http_server_request_duration_seconds_count{service_name="chat",service_version="stable"}' 304
	expect_metric 'http_server_request_duration_seconds_bucket{service_name="chat",service_version="stable",le="+Inf"}' 304
	expect_metric 'serin_first_byte_seconds_count{model="chat",version="stable"}' 304
	expect_metric 'serin_requests_total{model="chat",version="canary",outcome="success"}' 0
	expect_metric 'serin_model_info{model="chat",version="canary",role="canary",release="chat"}' 1
	expect "P of a version without a request" not grep -q '^serin_success_ratio{model="chat",version="canary"}' metrics.txt
	expect_between 0.001 "$(metric 'serin_cpu_seconds_total{model="chat",version="stable"}')" 5 "CPU seconds of stable"
	expect_between 100000 "$(metric process_resident_memory_bytes)" 100000000 "resident bytes of the agent"
	expect_between "$(($(date +%s) - 60))" "$(metric process_start_time_seconds)" "$(date +%s)" "start of the agent"
	expect_promtool metrics.txt
	expect_clean text metrics.txt
	expect_match "$(grep -i '^content-type:' scrape.head)" 'text/plain; version=0\.0\.4' "Content-Type"
}

test_metrics_as_openmetrics() {
	need_prometheus
	two_nginx
	start_agent --weight 50 "${NO_GATES[@]}"
	in_ns ab -q -n 100 -c 2 http://127.0.0.1:8000/ >ab.out
	need "there is no window" wait_for 5 has_metric 'serin_success_ratio{model="chat",version="canary"}'
	scrape open.txt -H "Accept: $OPENMETRICS;q=0.8,text/plain;q=0.5"
	expect_match "$(grep -i '^content-type:' scrape.head)" 'application/openmetrics-text; version=1\.0\.0' "Content-Type"
	expect_eq "$(tail -n 1 open.txt)" '# EOF' "last line"
	expect_clean openmetrics open.txt
	scrape text.txt
	diff <(grep -v '^#' open.txt | sed 's/ [^ ]*$//') <(grep -v '^#' text.txt | sed 's/ [^ ]*$//') >differences ||
		note "the formats have not the same series: $(head -n 3 differences)"
}

test_metrics_of_streams() {
	start_model_server stable 8000
	start_model_server canary 8001
	start_agent "${NO_GATES[@]}"
	in_ns "$LOAD" --url http://127.0.0.1:8000/v1/completions --requests 20 --stream 100 --json \
		--body '{"prompt": "This program is free", "max_tokens": 20, "stream": true}' >load.json
	expect_eq "$(jq .outcomes.success load.json)" 20 "answers that the client had"
	expect_metric 'serin_stream_duration_seconds_count{model="chat",version="stable"}' 20
	expect_metric 'serin_stream_first_chunk_seconds_count{model="chat",version="stable"}' 20
	expect_metric 'serin_first_chunk_seconds_count{model="chat",version="stable"}' 20
	expect_metric 'http_server_request_duration_seconds_count{service_name="chat",service_version="stable"}' 0
	expect_between 20 "$(metric 'serin_chunk_gap_seconds_count{model="chat",version="stable"}')" 2000 "gaps"
}

test_metrics_of_a_release() {
	need_prometheus
	two_nginx
	start_agent "${NO_GATES[@]}"
	expect_metric 'serin_release_phase{release="chat",phase="Idle"}' 1
	expect_metric 'serin_weight_ratio{release="chat",kind="set"}' 0
	expect "evidence while nothing is compared" not grep -q '^serin_evidence' metrics.txt
	expect "a decision before the first" not grep -q '^serin_release_decided' metrics.txt
	set_weight 25
	in_ns ab -q -n 400 http://127.0.0.1:8000/ >ab.out
	expect_metric 'serin_release_phase{release="chat",phase="Progressing"}' 1
	expect_metric 'serin_weight_ratio{release="chat",kind="set"}' 0.25
	expect_metric 'serin_decisions_total{release="chat",reason="weight"}' 1
	expect "no actual weight" wait_for 5 has_metric 'serin_weight_ratio{release="chat",kind="connections"}'
	expect_between 0.1 "$(metric 'serin_weight_ratio{release="chat",kind="connections"}')" 0.4 "actual weight"
	expect_between "$(($(date +%s) - 30))" "$(metric 'serin_release_decided_timestamp_seconds{release="chat",reason="weight"}')" \
		"$(($(date +%s) + 1))" "time of the decision"
	expect_between 1 "$(metric 'serin_evidence_threshold{release="chat",test="error"}')" 1e9 "threshold"
	expect_between 1e-300 "$(metric 'serin_evidence{release="chat",test="error"}')" 1e9 "evidence"
	expect_promtool metrics.txt
	serin abort chat
	expect_metric 'serin_release_phase{release="chat",phase="RolledBack"}' 1
	expect_metric 'serin_release_phase{release="chat",phase="Progressing"}' 0
	expect_metric 'serin_decisions_total{release="chat",reason="aborted"}' 1
	expect_eq "$(grep -c '^serin_release_decided_timestamp_seconds{release="chat",reason="aborted"}' metrics.txt)" 1 "newest decision"
	expect_metric 'serin_weight_ratio{release="chat",kind="set"}' 0
}

# Scraped by several at once while clients are served: nothing is lost, nothing falls, no client notices.
test_metrics_under_load() {
	local i began
	need_prometheus
	two_nginx
	start_agent --weight 50 "${NO_GATES[@]}"
	background load in_ns "$LOAD" --url http://127.0.0.1:8000/ --method GET --connections 8 --rate 4000 \
		--requests 12000 --per-connection 100 --json >load.json
	began=$(now_ms)
	for ((i = 0; i < 40; i++)); do
		scrape "$(printf 'scrape.%02d' "$i")" -H "Accept: $OPENMETRICS" &
		scrape metrics.beside
		wait "$!" || fail "a scrape failed"
	done
	echo "80 scrapes in $(($(now_ms) - began)) ms"
	expect "the clients were done before the scrapes" alive load
	need "the clients do not come to an end" wait_for 60 dead load
	scrape scrape.99 -H "Accept: $OPENMETRICS"
	expect_clean openmetrics scrape.*[0-9]
	expect_eq "$(jq -c '.outcomes | with_entries(select(.value > 0))' load.json)" '{"success":12000}' "what the clients had"
	expect_eq "$(awk '/^serin_requests_total.*outcome="success"/ { n += $NF } END { print n }' scrape.99)" 12000 "requests counted"
	expect_losses
}

test_metrics_on_tcp() {
	local url=http://127.0.0.1:9465
	two_nginx
	write_token "$API_TOKEN"
	start_configured "api: {listen: 127.0.0.1:9465, token_file: $DIR/token}"
	expect_error "$(api_tcp $url/metrics)" 401 token
	expect_error "$(api_tcp $url/metrics -H 'Authorization: Bearer 0123456789abcdef')" 401 token
	expect_eq "$(api_tcp $url/metrics -H "Authorization: Bearer $API_TOKEN")" 200 "status with the token"
	expect "no metrics with the token" grep -q '^serin_build_info{' answer.json
	expect_eq "$(api_tcp $url/metrics -I -H "Authorization: Bearer $API_TOKEN")" 200 "status of HEAD"
	expect_error "$(api_tcp $url/metrics -d '' -H "Authorization: Bearer $API_TOKEN")" 405 GET
	stop_agent TERM
	start_configured "api: {listen: 127.0.0.1:9465, token_file: $DIR/token, metrics: open}"
	expect_eq "$(api_tcp $url/metrics)" 200 "status without a token, open"
	expect "no metrics, open" grep -q '^serin_build_info{' answer.json
	expect_error "$(api_tcp $url/api/dump)" 401 token
	expect_error "$(api_tcp $url/api/releases/chat/abort -d '')" 401 token
}

test_metrics_go_on_with_another_agent() {
	two_nginx
	start_agent "${NO_GATES[@]}"
	in_ns ab -q -n 50 http://127.0.0.1:8000/ >ab.out
	expect_metric 'serin_requests_total{model="chat",version="stable",outcome="success"}' 50
	end agent KILL
	in_ns ab -q -n 50 http://127.0.0.1:8000/ >ab.out
	start_agent "${NO_GATES[@]}"
	expect_metric 'serin_requests_total{model="chat",version="stable",outcome="success"}' 100
	expect_metric 'http_server_request_duration_seconds_count{service_name="chat",service_version="stable"}' 100
}

# They cost clock readings in every program, so they are whoever's who switched them on: here they are looked at only.
test_metrics_of_programs() {
	two_nginx
	start_agent "${NO_GATES[@]}"
	scrape metrics.txt
	if [[ $(</proc/sys/kernel/bpf_stats_enabled) == 1 ]]; then
		expect "no time of a program" grep -q '^serin_bpf_run_seconds_total{program="serin_egress"}' metrics.txt
	else
		expect "times of programs that nobody measures" not grep -q serin_bpf metrics.txt
	fi
}

test_metrics_of_a_store_in_trouble() {
	two_nginx
	write_config
	mkdir serin.db # where the file should be
	start_with_config
	expect_metric serin_store_trouble 1
	rmdir serin.db
	expect "the trouble does not end: $(metric serin_store_trouble)" wait_for 20 metric_is serin_store_trouble 0
}

# example MARK: the block of docs/metrics.md whose first line is that.
example() {
	awk -v mark="$1" '/^```/ { inside = !inside; first = inside; wanted = 0; next } first { wanted = $0 ~ mark; first = 0 }
		inside && wanted' "$ROOT/docs/metrics.md"
}

test_metrics_examples_of_the_documentation() {
	local query queries=0
	need_prometheus
	example '^# prometheus.yml' | sed "s,/etc/prometheus/serin.token,$DIR/token," >prometheus.yml
	expect "no prometheus.yml in docs/metrics.md" test -s prometheus.yml
	write_token "$API_TOKEN"
	promtool check config prometheus.yml >promtool.out 2>&1 || note "promtool: $(tail -n 1 promtool.out)"
	printf 'groups:\n  - name: queries\n    rules:\n' >rules.yml
	while read -r query; do
		printf "      - record: query:%s\n        expr: '%s'\n" "$((++queries))" "${query%%  *}" >>rules.yml
	done < <(example '^serin_success_ratio')
	expect "no queries in docs/metrics.md" test "$queries" -ge 3
	promtool check rules rules.yml >promtool.out 2>&1 || note "promtool: $(cat promtool.out)"
}
