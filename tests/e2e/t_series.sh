# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
# What the agent remembers of the last minutes: GET /api/series.

# series FILTER [QUERY]: of the release chat.
series() {
	expect_eq "$(api "/api/series${2:-}")" 200 "status of GET /api/series${2:-}"
	jq -r ".releases[] | select(.name == \"chat\") | $1" answer.json
}

series_has() {
	[[ $(series "$1") == true ]]
}

# The newest sample of each array, and the same as `serin dump` has it.
SERIES_NEWEST='[.set_weight, .actual_connections, .actual_requests, .error.log_e, .latency.log_e, .versions.stable.P, .versions.canary.P,
	.versions.canary.D] | map(.[-1])'
DUMP_NEWEST='.releases[] | select(.name == "chat")
	| [.set_weight, .actual_weight.connections, .actual_weight.requests, .evidence.error.log_e, .evidence.latency.log_e]'
DUMP_FIGURES='[.models[] | select(.role == "stable") | .window.P] + [.models[] | select(.role == "canary") | .window | .P, .D]'

newest_of_series() {
	series "$SERIES_NEWEST | tojson" '?limit=1'
}

newest_of_dump() {
	serin dump -o json | jq -r "(($DUMP_NEWEST) + ($DUMP_FIGURES)) | tojson"
}

# The series is told with six digits.
series_is_as_dump() {
	jq -en --argjson a "$(newest_of_series)" --argjson b "$(newest_of_dump)" '($a | length) == ($b | length) and
		([$a, $b] | transpose | all(if .[0] == null or .[1] == null then .[0] == .[1]
			else (.[0] - .[1] | fabs) <= 5.1e-6 * ([(.[1] | fabs), 0.1] | max) end))' >/dev/null
}

test_series_is_what_status_says() {
	two_nginx
	start_agent --weight 30 "${NO_GATES[@]}"
	expect_eq "$(with_ab -n 400 -c 4 "$STABLE/flaky")" 400 "requests answered"
	wait_for 5 series_is_as_dump || note "the newest sample is $(newest_of_series), the dump has $(newest_of_dump)"
	expect "no P below 1 in it" series_has '.versions.canary.P | map(select(. != null and . < 1)) | length > 0'
	expect_eq "$(series '[.. | arrays | length] | unique | length')" 1 "lengths of the arrays"
	expect_eq "$(series '.versions.stable.version + " " + .canary')" 'stable canary' "versions"
	expect_eq "$(series '.at_unix | length' '?release=chat&limit=2')" 2 "samples with limit=2"
	expect "not a second apart" series_has '.at_unix | [.[1:], .[:-1]] | transpose | map(.[0] - .[1]) | all(. > 0.9 and . < 1.6)'
	expect_error "$(api '/api/series?release=nobody')" 404 'no release nobody'
	expect_error "$(api '/api/series?limit=x')" 400 'limit'
}

# Who looks after a rollback sees how it came to it.
test_series_of_a_rollback_stays() {
	two_nginx
	# By hand: a guard may be quicker than the first sample with a P in it.
	start_agent --weight 50 "${NO_GATES[@]}"
	start_load "$STABLE/flaky"
	need "no P in it" wait_for 10 series_has '.versions.canary.P | map(select(. != null)) | length > 0'
	serin abort chat >/dev/null
	stop_load
	need "no sample since the rollback" wait_for 5 series_has '.set_weight[-1] == 0'
	expect "the weight before it is gone" series_has '.set_weight | index(50) != null'
	expect "what P was like before it is gone" series_has '.versions.canary.P | map(select(. != null)) | min < 0.95'
	serin retry chat >/dev/null
	need "no sample since the retry" wait_for 5 series_has '.set_weight[-1] == 50'
	expect "a retry began the curves anew" series_has '.set_weight | index(0) != null'
}

test_series_follow_a_reload() {
	start_nginx stable 127.0.0.1:8000
	start_nginx canary 127.0.0.1:8001
	write_models "$V1" "$V2"
	add_release v1 v2
	start_with_config
	need "no samples" wait_for 10 series_has '.at_unix | length > 2'
	write_models "$V1" "${V2/v2/v3}"
	add_release v1 v3
	need "the reload is refused" reload
	need "no sample of the new canary" wait_for 5 series_has '.canary == "v3" and (.at_unix | length > 0)'
	expect "the new canary has the old one's past" series_has '.at_unix | length < 3'
	write_models "$V1"
	need "the reload is refused" reload
	expect "a release that is gone is still there" wait_for 5 no_series
	expect_error "$(api '/api/series?release=chat')" 404 'no release'
}

no_series() {
	[[ $(api /api/series) == 200 && $(jq -c .releases answer.json) == '[]' ]]
}
