# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
# Versions that are the same, and clients of which some misbehave: what looks like a worse canary whenever more of them sit
# on it. Such a release is not rolled back.
#
# CROWD_SECONDS: for how long (default 100).

# One agent, three releases at a time, each with its own servers:
#   web   nginx, 20%; 40 clients with four connections each, of whom four ask for what fails three times in ten
#   text  model servers, 5%; 40 clients, of whom four send what is no request, and that counts as a failure
#   gate  model servers, 20%, that fail three requests in a hundred; all clients come from one address
write_crowd_config() {
	local release
	{
		echo "models:"
		for release in web:8000 text:8010 gate:8020; do
			echo "  - {name: ${release%:*}, version: v1, match: {port: ${release#*:}}}"
			echo "  - {name: ${release%:*}, version: v2, match: {port: $((${release#*:} + 1))}}"
		done
		printf '%s\n' "outcomes: {client_error: failure}" "store: {path: $DIR/serin.db}" "releases:"
		for release in web:8000:20 text:8010:5 gate:8020:20; do
			cat <<-END
				  - name: ${release%%:*}
				    service: {port: $(cut -d : -f 2 <<<"$release")}
				    stable: v1
				    canary: v2
				    steps: [{weight: ${release##*:}, hold: 10h}, {weight: 100}]
				    gates: {P_min: off, D_max: off}
			END
		done
	} >"$DIR/config.yaml"
}

start_crowd_servers() {
	local name port
	start_nginx web1 127.0.0.1:8000
	start_nginx web2 127.0.0.1:8001
	for name in text1:8010 text2:8011 gate1:8020 gate2:8021; do
		port=${name#*:} name=${name%:*}
		spawn "$name" "$MODEL_SERVER" --listen "127.0.0.1:$port" --corpus /usr/share/common-licenses/BSD \
			--fault error_rate="$([[ $name == gate* ]] && echo 0.03 || echo 0)"
		await_listening "$name" "$port"
	done
}

# some NAME URL CONNECTIONS RATE SOURCES [OPTION...]
some() {
	local name=$1 url=$2 connections=$3 rate=$4 sources=$5
	shift 5
	spawn "$name" "$LOAD" --url "$url" --connections "$connections" --rate "$rate" --source "$sources" --per-connection 12 --stagger \
		--json "$@"
}

start_crowds() {
	local completion='{"prompt": "This program is free", "max_tokens": 2}'
	some web_good http://127.0.0.1:8000/ 144 180 127.0.1.1-127.0.1.36 --method GET
	some web_bad http://127.0.0.1:8000/flaky 16 20 127.0.1.37-127.0.1.40 --method GET
	some text_good http://127.0.0.1:8010/v1/completions 144 180 127.0.1.1-127.0.1.36 --body "$completion"
	some text_bad http://127.0.0.1:8010/v1/completions 16 20 127.0.1.37-127.0.1.40 --body '{"prompt": '
	some gate http://127.0.0.1:8020/v1/completions 160 200 127.0.2.1 --body "$completion"
}

# of RELEASE FILTER: a field of it.
of() {
	serin dump -o json | jq -r --arg name "$1" ".releases[] | select(.name == \$name) | $2"
}

crowd_phases_are() {
	[[ $(serin dump -o json | jq -r '[.releases[].phase] | unique | join(" ")') == "$1" ]]
}

# over_or_decided MICROSECONDS: at that time it is over.
over_or_decided() {
	((${EPOCHREALTIME/./} >= $1)) || said rollback
}

# expect_not_rolled_back RELEASE: though it was compared. Prints what a test of the pooled requests would have gone by: the
# success ratios since the start and how many standard deviations lie between them.
expect_not_rolled_back() {
	expect_eq "$(of "$1" .phase)" Progressing "phase of $1 ($(of "$1" .reason))"
	expect "$1 was not compared" holds "$(of "$1" '.evidence.blocks // 0') > 100"
	expect_eq "$(of "$1" .evidence.split_as_set)" true "split of $1 as set"
	serin dump -o json | jq -r --arg name "$1" '
		(.releases[] | select(.name == $name)) as $release |
		[.models[] | select(.name == $name) | .requests |
			(.success + .client_error + .throttled + .server_error + .server_abort + .timeout) as $n |
			{n: $n, p: (.success / $n)}] | . as [$stable, $canary] |
		(($stable.n * $stable.p + $canary.n * $canary.p) / ($stable.n + $canary.n)) as $p |
		"\($name): P of stable \($stable.p) over \($stable.n), of the canary \($canary.p) over \($canary.n), " +
		"\(($stable.p - $canary.p) / ($p * (1 - $p) * (1 / $stable.n + 1 / $canary.n) | sqrt)) standard deviations less; " +
		"evidence of errors \($release.evidence.error.e), of latency \($release.evidence.latency.e), " +
		"blocks \($release.evidence.blocks)"'
}

# Each connection of the crowd is one of many, so the shares of good and bad on the canary change all the time.
DEADLINE[equal_versions_are_not_rolled_back]=$((${CROWD_SECONDS:-100} + 80))
test_equal_versions_are_not_rolled_back() {
	local release client seconds=${CROWD_SECONDS:-100}
	start_crowd_servers
	write_crowd_config
	start_with_config
	need "they do not start" wait_for 15 crowd_phases_are Progressing
	start_crowds
	wait_for $((seconds + 10)) over_or_decided $((${EPOCHREALTIME/./} + seconds * 1000000))
	for release in web text gate; do
		expect_not_rolled_back "$release"
	done
	for client in web_good web_bad text_good text_bad gate; do
		end "$client" INT
	done
	expect_eq "$(jq -c '.outcomes | del(.success) | add' web_good.log text_good.log | tr '\n' ' ')" '0 0 ' "failed of the good"
	expect_between 0.2 "$(jq '.outcomes | .server_error / (.server_error + .success)' web_bad.log)" 0.4 "share that failed"
	expect_eq "$(jq -c '[.outcomes.success, .requests - .outcomes.client_error]' text_bad.log)" '[0,0]' "bad requests that did not fail"
	expect_losses
}
