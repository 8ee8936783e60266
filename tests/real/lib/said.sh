# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash disable=SC2016 # $ in single quotes is awk's
# What the clients say, against what serin counts and what the servers log.
#
# The file `said` has a line "COUNT STATUS METHOD PATH" of what each client says. STATUS is a number, or "abort": the
# client left in the middle of the body, or "dropped": the server did. Each server's log is brought to the same form, so
# the two can be compared request by request. Two habits of the paths carry what no status says: below /abort/ every
# client leaves, below /dropped/ every server does; what ends in /stream is a stream.

URL=http://127.0.0.1:8000
# By name: the kind of its log; the STATUS it has no line for; the paths that the proxy in front of it answers itself.
declare -gA LOG=() SILENT=() OWN=()

# say COUNT STATUS METHOD PATH
say() {
	echo "$*" >>"$DIR/said"
}

# Lines as above, in any order, to one line for each that differs; queries do not matter.
summed() {
	awk '
		{ sub(/\?.*/, "", $4) }
		$4 ~ /^\/abort\// { $2 = "abort" }
		$4 ~ /^\/dropped\// { $2 = "dropped" }
		{ n[$2 " " $3 " " $4] += $1 }
		END { for (what in n) print n[what], what }' | LC_ALL=C sort -k 2
}

# logs NAME KIND [STATUS]
logs() {
	LOG[$1]=$2
	SILENT[$1]=${3:-nothing}
}

# never_reaches NAME PATHS
never_reaches() {
	OWN[$1]=$2
}

# said_to NAME: what has reached the server: all, but for the paths in a proxy's own hands.
said_to() {
	grep -vE " (${OWN[$1]:-nothing})\$" "$DIR/said" | summed
}

# log_of NAME: a line for each request it has logged.
log_of() {
	"log_of_${LOG[$1]}" "$DIR/$1" | sed 's/^/1 /'
}

differences() {
	diff <(said_to "$1" | grep -vE " (${SILENT[$1]}) ") <(log_of "$1" | summed) | grep '^[<>]' || true
}

log_agrees() {
	[[ -z $(differences "$1") ]]
}

# outcomes_said NAME: OUTCOME=N, each on a line.
outcomes_said() {
	said_to "$1" | awk '
		{
			if ($2 == "abort") what = "client_abort"
			else if ($2 == "dropped") what = "server_abort"
			else if ($2 == 408 || $2 == 429) what = "throttled"
			else if ($2 >= 500) what = "server_error"
			else if ($2 >= 400) what = "client_error"
			else what = "success"
			n[what] += $1
		}
		END { for (what in n) print what "=" n[what] }'
}

# number_said NAME CONDITION: of an awk program on the fields of said.
number_said() {
	said_to "$1" | awk "$2 { n += \$1 } END { print n + 0 }"
}

# expect_no_losses
expect_no_losses() {
	expect_eq "$(serin dump -o json | jq -c '.losses | map_values(select(. != 0))')" '{}' "losses"
}

# expect_spoken NAME PROTOCOL: every connection on which anything was said spoke this, and of those that were opened all
# but SPARE (ab's) said something.
expect_spoken() {
	local opened spoke
	opened=$(dump "$1" .connections.opened)
	spoke=$(dump "$1" ".protocols.$2")
	expect_eq "$(dump "$1" ".protocols | del(.$2) | add")" 0 "connections of $1 that did not speak $2"
	expect_between $((opened - $(spare))) "$spoke" "$opened" "connections of $1 that spoke $2"
	expect "$1: no connection spoke $2" holds "$spoke > 0"
	expect "$1: connections stay open" wait_for 5 dump_is "$1" .connections.open 0
}

# Connections that ab may have opened without a word.
spare() {
	awk '{ n += $1 } END { print n + 0 }' "$DIR/spare" 2>/dev/null || echo 0
}

# agrees NAME: serin's requests by outcome are what the clients say, request for request what the server says, and
# the times are of as many.
agrees() {
	local name=$1 complete streams
	# shellcheck disable=SC2046 # a word each
	expect_requests "$name" $(outcomes_said "$name")
	wait_for 5 log_agrees "$name" || note "the clients (<) and the log of $name (>): $(differences "$name")"
	expect_no_losses
	complete=$(number_said "$name" '$2 != "abort" && $2 != "dropped"')
	streams=$(number_said "$name" '$4 ~ /\/stream$/ && $3 != "HEAD" && $2 == 200')
	expect "the clients said nothing" holds "$complete > 0"
	expect_eq "$(dump "$name" .latency_seconds.stream_duration.count)" "$streams" "durations of streams of $name"
	expect_eq "$(dump "$name" .latency_seconds.duration.count)" $((complete - streams)) "durations of $name"
	if ((streams)); then
		expect "$name: $streams streams and $(dump "$name" .latency_seconds.gap.count) gaps" \
			holds "$(dump "$name" .latency_seconds.gap.count) >= $streams"
	fi
}

# wrk stops in the middle: on each of its connections one request more may be answered, or be left by the client. The
# server has logged what it answered, and maybe what was left.
agrees_with_wrk() {
	local name=$1 answered success left logged
	success=$(dump "$name" .requests.success)
	left=$(dump "$name" .requests.client_abort)
	logged=$(log_of "$name" | wc -l)
	answered=$(with_wrk -t 1 -c 4 -d 1s "$URL/")
	expect "wrk had no answer" holds "$answered > 0"
	expect "requests stay in flight" wait_for 5 dump_is "$name" .requests.in_flight 0
	success=$(($(dump "$name" .requests.success) - success))
	left=$(($(dump "$name" .requests.client_abort) - left))
	expect_between "$answered" "$success" $((answered + 4)) "successes of wrk's requests to $name"
	expect_between "$answered" $((success + left)) $((answered + 4)) "successes and client_aborts of wrk's requests to $name"
	wait_for 5 logged_since "$name" "$logged" "$success" $((success + left)) ||
		note "$name logged $(($(log_of "$name" | wc -l) - logged)) of wrk's requests; success=$success, client_abort=$left"
	expect_eq "$(dump "$name" '.requests | .total - .success - .client_abort')" \
		"$(number_said "$name" '$2 != "abort" && ($2 == "dropped" || $2 >= 400)')" "other requests to $name"
	expect_no_losses
}

# logged_since NAME BEFORE LEAST MOST
logged_since() {
	local lines
	lines=$(($(log_of "$1" | wc -l) - $2))
	((lines >= $3 && lines <= $4))
}
