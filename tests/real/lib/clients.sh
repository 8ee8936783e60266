# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
# Clients nobody here wrote, and what they say, on the record. A client that did not see what was wanted is a failure.

# by_h2load COUNT CONNECTIONS PATH [OPTION...]: kept alive.
by_h2load() {
	local answered
	answered=$(with_h2load --h1 -n "$1" -c "$2" "${@:4}" "$URL$3")
	expect_eq "$answered" "$1" "h2load: requests of $3 answered"
	say "$answered" 200 GET "$3"
}

# by_ab COUNT CONCURRENCY STATUS PATH [OPTION...]: a connection a request, or with -k kept alive.
#   METHOD=POST by_ab ... -p FILE
by_ab() {
	local answered
	answered=$(with_ab -n "$1" -c "$2" "${@:5}" "$URL$4")
	expect_eq "$answered" "$1" "ab: requests of $4 answered"
	expect_eq "$(from_ab 'Non-2xx responses')" "$( (($3 < 300)) || echo "$1")" "ab: responses of $4 other than 2xx"
	say "$answered" "$3" "${METHOD:-GET}" "$4"
	echo "$2" >>"$DIR/spare"
}

# by_curl STATUS PATH... [-- OPTION...]: all on one connection.
by_curl() {
	local status=$1 urls=() statuses
	shift
	while (($#)) && [[ $1 != -- ]]; do
		urls+=(-o /dev/null "$URL$1")
		shift
	done
	shift $(($# > 0))
	get -w '1 %{http_code} %{method} %{url_effective}\n' "$@" "${urls[@]}" >"$DIR/curl.out" || note "curl ${urls[1]}: exit code $?"
	statuses=$(cut -d ' ' -f 2 "$DIR/curl.out" | sort -u)
	expect_eq "$statuses" "$status" "curl: statuses of ${urls[*]}"
	sed "s,$URL,," "$DIR/curl.out" >>"$DIR/said"
}

# curl_leaves PATH [OPTION...]: with the status read, and less than the whole body.
curl_leaves() {
	local status=0 code
	code=$(get "$URL$1" "${@:2}" --max-time 0.5 --limit-rate 20k -o /dev/null -w '%{http_code}') || status=$?
	expect_eq "$status, $code" "28, 200" "curl: exit code, and status of $1"
	say 1 abort GET "$1"
}

# by_python keepalive|each: the script is standard input (client.py).
by_python() {
	in_ns /usr/bin/python3 "$SUITE_DIR/client.py" "$URL" "$1" >"$DIR/python.out" 2>"$DIR/python.err" ||
		note "Python: $(tail -n 1 "$DIR/python.err")"
	cat "$DIR/python.out" >>"$DIR/said"
}

# by_node CONCURRENCY: the same by Node's fetch (client.mjs).
by_node() {
	in_ns node "$SUITE_DIR/client.mjs" "$URL" "$1" >"$DIR/node.out" 2>"$DIR/node.err" ||
		note "Node: $(tail -n 1 "$DIR/node.err")"
	cat "$DIR/node.out" >>"$DIR/said"
}

# at_once 'COMMAND ARGUMENT...'...: each client in the background, until all have ended.
at_once() {
	local command i=0 j
	for command; do
		# shellcheck disable=SC2086 # a word each
		background "client$((i++))" $command
	done
	for ((j = 0; j < i; j++)); do
		need "a client does not end: ${*:j+1:1}" wait_for 30 dead "client$j"
	done
}
