# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
# HAProxy in front of nginx: as the server that is watched, and with the server behind it watched as well.

proxied_clients() {
	by_h2load 500 4 /
	by_h2load 10 2 /big
	by_ab 300 4 200 / -k
	by_ab 200 4 200 /
	by_ab 30 2 404 /missing
	by_curl 200 / /big / /
	by_curl 200 / /big -- --head
	by_curl 503 /down /down /overloaded
	by_python keepalive <<-END
		20 GET / 200
		5 GET /missing 404
		3 GET /broken 500
		3 GET /throttled 429
		2 GET /down 503
		2 GET /big 200
		2 HEAD /big 200
		4 POST /post 200 1000
		2 POST /post 200 1048576
		2 POST /post 200 70000 chunked
		2 GET /stream 200
		5 GET / 200
	END
	printf '20 GET / 200\n3 GET /stream 200\n3 POST /post 200 70000 chunked\n3 GET /missing 404\n' | by_node 3
	curl_leaves /abort/stream --no-buffer
	curl_leaves /abort/huge
	printf '2 GET /abort/stream abort\n2 GET /abort/huge abort\n' | by_python each
	printf '2 GET /abort/stream abort\n2 GET /abort/huge abort\n5 GET / 200\n' | by_node 2
	at_once 'by_h2load 300 2 /' 'by_ab 200 4 200 /'
}

test_haproxy() {
	start_node node 9000
	start_site_nginx back 8001
	start_haproxy stable 8000 8001
	start_agent --stable 8000
	proxied_clients
	agrees stable
	expect_spoken stable http1
	agrees_with_wrk stable
}

# Of threads the log is not whole, so it is what nginx logged behind it that must agree.
test_haproxy_threads() {
	start_nginx back 127.0.0.1:8001
	threads=2 start_haproxy stable 8000 8001
	ln -s back.access stable.access
	logs stable nginx
	start_agent --stable 8000
	at_once 'by_h2load 1000 8 /' 'by_ab 500 4 200 /' 'by_curl 404 /missing /missing'
	at_once 'by_h2load 20 4 /big' 'by_ab 500 4 200 / -k' 'by_curl 429 /throttled /throttled'
	agrees stable
	expect_spoken stable http1
	agrees_with_wrk stable
}

# What HAProxy answers itself never reaches the nginx behind it; a client that leaves, it leaves nginx for.
test_haproxy_and_what_is_behind() {
	start_node node 9000
	start_site_nginx canary 8001
	start_haproxy stable 8000 8001
	never_reaches canary /down
	start_agent --weight 0
	proxied_clients
	agrees stable
	agrees canary
	expect_spoken stable http1
	expect_eq "$(dump canary '.protocols | del(.http1) | add')" 0 "connections of HAProxy that did not speak HTTP/1"
	expect_eq "$(dump canary .protocols.http1)" "$(dump canary .connections.opened)" "connections of HAProxy"
	agrees_with_wrk stable
}
