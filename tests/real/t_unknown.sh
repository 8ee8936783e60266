# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
# What serin does not frame yet is unknown, and told by its name.

# expect_unknown PROTOCOL CONNECTIONS: each of which had a turn at least, and none an outcome.
expect_unknown() {
	expect_only_unknown stable
	expect_spoken stable "$1"
	expect_eq "$(dump stable ".protocols.$1")" "$2" "connections that spoke $1"
	expect "$2 connections and $(dump stable .requests.unknown) turns" holds "$(dump stable .requests.unknown) >= $2"
	expect_eq "$(dump stable '[.latency_seconds[] | objects | .count] | add - 0')" \
		"$(dump stable .latency_seconds.turn.count)" "times other than of turns"
	expect_no_losses
}

test_nginx_tls() {
	make_certificate
	start_nginx_tls stable 8000
	start_agent --stable 8000
	expect_eq "$(with_h2load --h1 -n 500 -c 4 https://127.0.0.1:8000/)" 500 "requests that h2load had answered"
	expect_eq "$(with_ab -n 50 -c 1 https://127.0.0.1:8000/)" 50 "requests that ab had answered"
	for _ in {1..5}; do
		expect_eq "$(get https://127.0.0.1:8000/ --insecure)" stable "answer"
	done
	expect_eq "$(status_of https://127.0.0.1:8000/missing --insecure)" 404 "status"
	expect "nginx logged $(served stable) of 556 requests" wait_for 5 served_are stable 556
	expect_unknown tls $((4 + 50 + 6))
}

test_nginx_http2() {
	start_nginx stable '127.0.0.1:8000 http2'
	start_agent --stable 8000
	expect_eq "$(with_h2load -n 1000 -c 4 -m 10 "$URL/")" 1000 "requests that h2load had answered"
	expect_eq "$(with_h2load -n 10 -c 2 "$URL/big")" 10 "requests that h2load had answered"
	expect_eq "$(status_of "$URL/missing" --http2-prior-knowledge)" 404 "status"
	expect "nginx logged $(served stable) of 1011 requests" wait_for 5 served_are stable 1011
	expect_unknown http2 7
}

test_nginx_http2_tls() {
	make_certificate
	extra="ssl_certificate $DIR/cert.pem; ssl_certificate_key $DIR/key.pem;" \
		start_nginx stable '127.0.0.1:8000 ssl http2'
	start_agent --stable 8000
	expect_eq "$(with_h2load -n 1000 -c 4 -m 10 https://127.0.0.1:8000/)" 1000 "requests that h2load had answered"
	expect_match "$(<h2load.out)" 'Application protocol: h2' "h2load's protocol"
	expect_eq "$(get https://127.0.0.1:8000/missing --insecure -o /dev/null -w '%{http_version} %{http_code}')" '2 404' \
		"version and status"
	expect "nginx logged $(served stable) of 1001 requests" wait_for 5 served_are stable 1001
	expect_unknown tls 5
}
