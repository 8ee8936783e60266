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
