# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
# What is not HTTP/1 is unknown: never a success, never a status.

test_tls_of_nginx() {
	make_certificate
	start_nginx_tls stable 8000
	start_nginx canary 127.0.0.1:8001
	start_agent --weight 0
	expect_eq "$(get https://127.0.0.1:8000/ --insecure)" stable "answer"
	times 5 get https://127.0.0.1:8000/missing --insecure -o /dev/null
	expect_only_unknown stable
}

test_tls_of_openssl() {
	make_certificate
	spawn stable openssl s_server -accept 127.0.0.1:8000 -cert cert.pem -key key.pem -www
	await_listening stable 8000
	start_nginx canary 127.0.0.1:8001
	start_agent --weight 0
	expect_eq "$(status_of https://127.0.0.1:8000/ --insecure)" 200 "status"
	expect_only_unknown stable
}

test_tls_is_steered() {
	make_certificate
	start_nginx_tls stable 8000
	start_nginx_tls canary 8001
	start_agent --weight 50 "${NO_GATES[@]}"
	times 100 get https://127.0.0.1:8000/ --insecure -o /dev/null
	expect_between 30 "$(served canary)" 70 "connections of 100 to the canary at 50 %"
	expect_only_unknown stable
	expect_only_unknown canary
}

test_http2() {
	start_nginx stable '127.0.0.1:8000 http2'
	start_nginx canary 127.0.0.1:8001
	start_agent --weight 0
	expect_eq "$(with_h2load -n 100 -c 2 "$STABLE/")" 100 "requests that h2load had answered"
	expect_only_unknown stable
}

# A server of HTTP/1 answers these with a status, which is no answer to a request that anybody sent.
test_http2_preface_to_http1() {
	two_nginx
	start_agent --weight 0
	printf 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0' | own_client send 127.0.0.1 8000 >answer
	expect_only_unknown stable
}

test_tls_to_a_plain_port() {
	two_nginx
	start_agent --weight 0
	expect_unanswered https://127.0.0.1:8000/ --insecure
	expect_only_unknown stable
}

test_garbage() {
	two_nginx
	start_agent --weight 0
	head -c 5000 www/big | own_client send 127.0.0.1 8000 >answer
	printf '\0\1\2\3\r\n\r\n' | own_client send 127.0.0.1 8000 >answer
	expect_only_unknown stable
	times 5 get "$STABLE/" -o /dev/null
	expect "requests after the garbage are not counted" wait_for 5 dump_is stable .requests.success 5
	expect_eq "$(dump stable '.requests | .total - .unknown')" 5 "requests that are not unknown"
}

test_binary_protocol() {
	start_own stable echo 8000
	start_nginx canary 127.0.0.1:8001
	start_agent --weight 0
	head -c 100000 www/big >sent
	own_client send 127.0.0.1 8000 <sent >received
	expect "the echo is not what was sent" cmp sent received
	expect_only_unknown stable
}

# Nothing was asked, nothing was answered.
test_silent_connections() {
	two_nginx
	start_agent --weight 0
	own_client send 127.0.0.1 8000 </dev/null >answer
	expect_eq "$(wc -c <answer)" 0 "bytes answered"
	expect "the connection is not counted" wait_for 5 dump_is stable .connections.opened 1
	expect_requests stable
}

# The first bytes come with the handshake there, and are counted once.
test_garbage_to_a_deferred_listener() {
	start_nginx stable '127.0.0.1:8000 deferred'
	start_nginx canary 127.0.0.1:8001
	start_agent --weight 0
	for _ in {1..10}; do
		expect "nginx speaks TLS" not get https://127.0.0.1:8000/ --insecure -o /dev/null
	done
	expect_only_unknown stable
	expect_eq "$(dump stable .requests.total)" 10 "turns"
}

# ---- by name, to the byte, however the first bytes are cut ----

# protocols VERSION: those that connections spoke, as NAME=N.
protocols() {
	dump "$1" '.protocols | to_entries | map(select(.value > 0) | "\(.key)=\(.value)") | join(" ")'
}

protocols_are() {
	[[ $(protocols "$1") == "$2" ]]
}

# expect_protocols VERSION [NAME=N...]: exactly these.
expect_protocols() {
	wait_for 3 protocols_are "$1" "${*:2}" || note "protocols of $1: $(protocols "$1"), expected ${*:2}"
}

# cut N TEXT: the first N bytes of an escaped text, and the rest, in FIRST and REST, as escapes.
cut_text() {
	local hex
	hex=$(printf %b "$2" | od -An -v -tx1 | tr -d ' \n' | sed 's/../\\x&/g')
	FIRST=${hex:0:$1 * 4}
	REST=${hex:$1 * 4}
}

# expect_turns NAME QUESTION ANSWER CUT...: the question whole, then on a connection each cut after so many bytes. Each
# time it is one unknown turn, and the protocol has that name.
expect_turns() {
	local name=$1 question=$2 answer=$3 turns=1 cut
	start_duet 8000
	start_agent --stable 8000
	play open "c $question" "s $answer"
	expect_protocols stable "$name=1"
	play 'c @end' 's @end'
	for cut in "${@:4}"; do
		cut_text "$cut" "$question"
		play open "c $FIRST" "c $REST" "s $answer" "c $question" "s $answer" 'c @end' 's @end'
		turns=$((turns + 2))
		expect "cut after $cut: $(counts stable), $(protocols stable)" \
			wait_for 3 protocols_are stable "$name=$((turns / 2 + 1))"
	done
	expect_requests stable unknown=$turns
	expect_eq "$(dump stable .latency_seconds.turn.count)" $turns "turns"
	expect_eq "$(dump stable '.unknown | .client_abort + .server_abort')" 0 "turns broken off"
	expect_bytes stable $((turns * $(length "$question"))) $((turns * $(length "$answer")))
	expect_losses
}

HTTP2_PREFACE='PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0'

test_turns_of_http2() {
	expect_turns http2 "$HTTP2_PREFACE" '\0\0\0\x04\0\0\0\0\0' 1 2 3 4 5 16 18 24
}

test_turns_of_tls() {
	expect_turns tls '\x16\x03\x01\0\x08\x01\0\0\x04\x03\x03ab' '\x16\x03\x03\0\x04\x02\0\0\0' 1 2 3 4 5 6
}

test_turns_of_redis() {
	# shellcheck disable=SC2016 # the protocol's own
	expect_turns other '*1\r\n$4\r\nPING\r\n' '+PONG\r\n' 1 2 3 4 5
}

# It begins like a method, and is none.
test_turns_of_redis_inline() {
	expect_turns other 'PING\r\n' '+PONG\r\n' 1 2 3 4 5
}

# It looks like a request until the server answers.
test_turns_of_redis_inline_get() {
	expect_turns other 'GET key\r\n' '$-1\r\n' 1 2 3 4 5
}

test_turns_of_memcached() {
	expect_turns other 'get key\r\n' 'END\r\n' 1 2 3 4
}

test_turns_of_a_binary_protocol() {
	expect_turns other '\0\0\0\x08\x04\xd2\x16\x2f' 'N' 1 2 3 4 7
}

# The methods of HTTP are all letters, and may come in any pieces.
test_methods_in_pieces() {
	local method cut n=0
	start_duet 8000
	start_agent --stable 8000
	for method in GET POST PUT PATCH PROPFIND PRINT DELETE OPTIONS HEAD M-SEARCH; do
		for cut in 1 2 3 4; do
			cut_text "$cut" "$method / HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n"
			play open "c $FIRST" "c $REST" 's HTTP/1.1 204 No Content\r\n\r\n' 'c @end' 's @end'
			n=$((n + 1))
		done
	done
	expect_requests stable success=$n
	expect_protocols stable http1=$n
	expect_losses
}

# The turn begins with its first byte, also when that was too little to say what it is.
test_turn_begins_with_the_first_byte() {
	start_duet 8000
	start_agent --stable 8000
	play open 'c P'
	times 6 pause
	play 'c ING\r\n' 's +PONG\r\n'
	expect_requests stable unknown=1
	expect_between 0.29 "$(dump stable .latency_seconds.turn.max)" 2 "seconds of the turn"
}

# SMTP, FTP, SSH and MySQL begin with the server's greeting, which answers nothing.
test_server_speaks_first() {
	local greeting
	start_duet 8000
	start_agent --stable 8000
	for greeting in '220 mail ESMTP\r\n' 'SSH-2.0-test\r\n' 'HELLO\r\n' '\x4a\0\0\0\x0a8.0\0'; do
		play open "s $greeting"
		expect_requests stable unknown="$(dump stable .requests.unknown)"
		play 'c EHLO test\r\n' 's 250 test\r\n' 'c MAIL FROM:<a@test>\r\n' 's 250 ok\r\n' 'c QUIT\r\n' 's 221 bye\r\n' \
			's @end' 'c @end'
	done
	expect_requests stable unknown=12
	expect_protocols stable other=4
	expect_eq "$(dump stable .latency_seconds.turn.count)" 12 "turns"
	expect_losses
}

# Who breaks off a turn is told, and it is unknown all the same.
test_turns_broken_off() {
	start_duet 8000 --connections 2
	start_agent --stable 8000
	play open 'c \x01ask' 's \x01ok' 'c \x01ask' 'c @rst' 's @end'
	expect_requests stable unknown=4
	expect_eq "$(dump stable '.unknown | "\(.client_abort) \(.server_abort)"')" "2 0" "broken off by client, server"
	play open 'c \x01ask' 's @rst' 'c @end'
	expect_requests stable unknown=6
	expect_eq "$(dump stable '.unknown | "\(.client_abort) \(.server_abort)"')" "2 2" "broken off by client, server"
	play open 'c \x01ask' 's @end' 'c @end'
	expect_requests stable unknown=8
	expect_eq "$(dump stable '.unknown | "\(.client_abort) \(.server_abort)"')" "2 4" "broken off by client, server"
	play open 'c \x01ask' 's \x01ok' 'c @end' 's @end'
	expect_requests stable unknown=10
	expect_eq "$(dump stable '.unknown | "\(.client_abort) \(.server_abort)"')" "2 4" "broken off by client, server"
	expect_eq "$(dump stable .latency_seconds.turn.count)" 4 "turns that ended"
	expect_eq "$(dump stable .window.P)" null "P"
	expect_protocols stable other=8
	expect_losses
}

test_tls_versions_by_name() {
	local version
	make_certificate
	extra="ssl_certificate $DIR/cert.pem; ssl_certificate_key $DIR/key.pem; ssl_protocols TLSv1.2 TLSv1.3;" \
		start_nginx stable '127.0.0.1:8000 ssl http2'
	start_agent --stable 8000
	for version in 1.2 1.3; do
		expect_eq "$(get https://127.0.0.1:8000/ --insecure --tlsv$version --tls-max $version --http1.1)" stable "TLS $version"
		expect_eq "$(get https://127.0.0.1:8000/ --insecure --tlsv$version --tls-max $version --http2 -w '%{http_version}')" \
			"stable"$'\n'2 "TLS $version, HTTP/2"
	done
	expect_only_unknown stable
	expect_protocols stable tls=4
	expect_losses
}

test_grpc_by_name() {
	start_nginx stable '127.0.0.1:8000 http2'
	start_agent --stable 8000
	printf '\0\0\0\0\3abc' >message
	for _ in {1..5}; do
		expect_match "$(in_ns nghttp -nv -d message -H 'content-type: application/grpc' -H 'te: trailers' "$STABLE/")" \
			':status: 200' "answer to gRPC"
	done
	expect_only_unknown stable
	expect_protocols stable http2=5
	expect_losses
}
