# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
# Clients nobody here wrote, and what they say they did. with_* prints the number of requests answered, and
# records a failure when the client saw one.

STABLE=http://127.0.0.1:8000

# with_h2load OPTION... URL
with_h2load() {
	in_ns h2load "$@" >"$DIR/h2load.out" 2>&1 || note "h2load: $(tail -n 1 "$DIR/h2load.out")"
	from_h2load '([0-9]+) succeeded'
	expect_eq "$(from_h2load '([0-9]+) failed')+$(from_h2load '([0-9]+) errored')+$(from_h2load '([0-9]+) timeout')" \
		0+0+0 "h2load: failed+errored+timeout"
}

# from_h2load PATTERN: the group of the first match.
from_h2load() {
	sed -nE "s/.*[ (]$1.*/\1/p" "$DIR/h2load.out" | head -n 1
}

# with_ab OPTION... URL: one connection a request, or keep-alive with -k.
with_ab() {
	local failed
	in_ns ab -q -l "$@" >"$DIR/ab.out" 2>&1 || note "ab: $(tail -n 1 "$DIR/ab.out")"
	failed=$(from_ab 'Failed requests')
	expect_eq "${failed:-none told}" 0 "ab: failed requests"
	from_ab 'Complete requests'
}

from_ab() {
	sed -nE "s/^$1: +([0-9]+).*/\1/p" "$DIR/ab.out"
}

# with_wrk OPTION... URL
with_wrk() {
	in_ns wrk "$@" >"$DIR/wrk.out" 2>&1 || note "wrk: $(tail -n 1 "$DIR/wrk.out")"
	expect "wrk: $(grep 'Socket errors' "$DIR/wrk.out" || true)" not grep -q 'Socket errors' "$DIR/wrk.out"
	sed -nE 's/^ *([0-9]+) requests in .*/\1/p' "$DIR/wrk.out"
}

# get URL [OPTION...]: curl, saying nothing but the body.
get() {
	in_ns curl -sS --max-time 20 "$@" 2>>"$DIR/curl.err"
}

# status_of URL [OPTION...]
status_of() {
	get "$@" -o /dev/null -w '%{http_code}'
}

# expect_unanswered URL [OPTION...]: curl must not get a complete answer.
expect_unanswered() {
	if get "$@" -o /dev/null; then
		note "$1 was answered"
	fi
}

# times N COMMAND...
times() {
	local i count=$1
	shift
	for ((i = 0; i < count; i++)); do
		"$@" || return
	done
}

# complete N URL [MEMBER...]: asks a model server N times, on a connection each; MEMBER is one more of the JSON object.
complete() {
	local url=$2 body='{"prompt": "This program is free software", "max_tokens": 16' member
	for member in "${@:3}"; do
		body+=", $member"
	done
	times "$1" get -N -o /dev/null -H 'Content-Type: application/json' -d "$body}" "$url/v1/completions"
}

own_client() {
	in_ns /usr/bin/python3 -u "$HERE/client.py" "$@"
}

# start_load URL [OPTION...]: ab again and again, a connection a request, until stop_load, which leaves the sums in
# LOAD_SENT and LOAD_FAILED.
start_load() {
	: >"$DIR/load.out"
	rm -f "$DIR/load.stop"
	background load repeat_ab "$@"
	need "the load does not start" wait_for 10 grep -q '^Complete requests' "$DIR/load.out"
}

repeat_ab() {
	while [[ ! -e $DIR/load.stop ]]; do
		in_ns ab -q -r -l -s 5 -n 200 -c 4 "${@:2}" "$1" >>"$DIR/load.out" 2>&1 || echo "ended badly" >>"$DIR/load.out"
	done
}

load_sent() {
	awk -F: '/^Complete requests:/ { s += $2 } END { print s + 0 }' "$DIR/load.out"
}

# ab may count a request that failed both as a receive error and as an exception.
load_failed() {
	awk -F '[:,)]' '
		/\(Connect:/ { s += $2 + ($4 > $8 ? $4 : $8) }
		/^ended badly/ { s++ }
		END { print s + 0 }' "$DIR/load.out"
}

load_has_sent() {
	(($(load_sent) >= $1))
}

# Until so many more requests have ended than now.
load_goes_on() {
	need "the load has stopped by itself" wait_for 15 load_has_sent $(($(load_sent) + ${1:-400}))
}

stop_load() {
	touch "$DIR/load.stop"
	need "the load does not end" wait_for 15 dead load
	# shellcheck disable=SC2034 # for the tests
	LOAD_SENT=$(load_sent) LOAD_FAILED=$(load_failed)
}

# share_of_canary N URL: N connections of a request each; prints how many the canary says it served.
share_of_canary() {
	local stable canary
	stable=$(served stable)
	canary=$(served canary)
	expect_eq "$(with_ab -n "$1" -c 8 "$2")" "$1" "requests answered"
	expect "the servers did not log $1 requests" wait_for 5 both_served $((stable + canary + $1))
	echo $(($(served canary) - canary))
}

# three_sigma K N PERCENT
three_sigma() {
	holds "($1 - $2 * $3 / 100) ^ 2 <= 9 * $2 * $3 / 100 * (1 - $3 / 100)"
}

# expect_share PERCENT N [URL]: within three standard deviations in one of two tries. A right share fails one try in
# 370, and both in 137,000.
expect_share() {
	local first second url=${3:-$STABLE/}
	first=$(share_of_canary "$2" "$url")
	if ! three_sigma "$first" "$2" "$1"; then
		second=$(share_of_canary "$2" "$url")
		three_sigma "$second" "$2" "$1" || note "canary got $first and $second of $2 connections at $1 %"
	fi
}

# expect_all_by NAME N [URL]: that many connections, all served by that one.
expect_all_by() {
	local wanted=0
	if [[ $1 == canary ]]; then
		wanted=$2
	fi
	expect_eq "$(share_of_canary "$2" "${3:-$STABLE/}")" "$wanted" "connections of $2 that the canary got"
}
