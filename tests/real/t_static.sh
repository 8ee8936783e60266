# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
# Servers of files: requests by outcome are what the clients say and what the servers log.

# Kept alive by one client and another, and a mixture of everything on one connection.
keepalive_clients() {
	by_h2load 1000 4 /
	by_h2load 20 2 /big
	by_ab 500 4 200 / -k
	by_ab 50 2 404 /missing -k
	by_curl 200 / /big / /
	by_curl 500 /broken /broken
	by_curl 200 /big / -- --head
	by_python keepalive <<-END
		20 GET / 200
		5 GET /missing 404
		3 GET /big 200
		4 HEAD / 200
		2 HEAD /missing 404
		2 HEAD /big 200
		3 GET /broken 500
		4 POST /post 200 1000
		5 GET / 200
	END
}

# A connection for each request.
single_clients() {
	by_ab 300 4 200 /
	by_ab 30 2 404 /missing
	by_ab 10 2 500 /broken
	times 3 by_curl 200 /big
	by_python each <<-END
		10 GET / 200
		3 GET /missing 404
		2 POST /post 200 1000
		2 HEAD /big 200
	END
}

streaming_clients() {
	times 2 by_curl 200 /stream -- --no-buffer
	by_python keepalive <<-END
		3 GET /stream 200
		1 GET / 200
	END
	printf '3 GET /stream 200\n' | by_node 3
	curl_leaves /abort/stream --no-buffer
	printf '2 GET /abort/stream abort\n' | by_node 2
	printf '2 GET /abort/stream abort\n' | by_python each
}

leaving_clients() {
	times 2 curl_leaves /abort/huge
	printf '3 GET /abort/huge abort\n' | by_python each
	printf '3 GET /abort/huge abort\n3 GET / 200\n' | by_node 2
}

test_nginx() {
	start_node back 9000
	start_site_nginx stable 8000
	start_agent --stable 8000
	keepalive_clients
	single_clients
	streaming_clients
	leaving_clients
	by_curl 201 /upload/one -- -T www/big
	by_curl 204 /upload/one /upload/one -- -T www/big -T www/big
	at_once 'by_h2load 500 4 /' 'by_ab 200 4 200 /'
	printf '20 GET / 200\n5 POST /post 200 1048576\n5 GET /missing 404\n' | by_python keepalive
	agrees stable
	expect_spoken stable http1
	agrees_with_wrk stable
}

# A server that ends each connection after twenty answers, and says so in the last.
test_nginx_ends_kept_connections() {
	logs stable nginx
	workers=2 extra='keepalive_requests 20;' start_nginx stable 127.0.0.1:8000
	start_agent --stable 8000
	by_ab 500 4 200 / -k
	by_ab 100 2 404 /missing -k
	printf '100 GET / 200\n30 HEAD /big 200\n30 GET /broken 500\n' | by_python keepalive
	printf '300 GET / 200\n50 GET /missing 404\n10 GET /big 200\n' | by_node 4
	at_once 'by_ab 300 2 200 / -k' 'by_curl 200 /big /big /big'
	agrees stable
	expect_spoken stable http1
	expect_eq "$(dump stable .connections.opened)" "$(accepted)" "connections opened"
	agrees_with_wrk stable
}

test_apache() {
	start_apache stable 8000
	start_agent --stable 8000
	keepalive_clients
	single_clients
	streaming_clients
	leaving_clients
	printf '5 POST /post 200 1048576\n3 POST /post 200 70000 chunked\n10 GET / 200\n' | by_python keepalive
	at_once 'by_h2load 500 4 /' 'by_ab 200 4 200 /'
	agrees stable
	expect_spoken stable http1
	expect_eq "$(dump stable .connections.opened)" "$(accepted)" "connections opened"
	agrees_with_wrk stable
}

test_caddy() {
	start_node back 9000
	start_caddy stable 8000
	start_agent --stable 8000
	keepalive_clients
	single_clients
	streaming_clients
	leaving_clients
	printf '5 POST /post 200 1048576\n3 POST /post 200 70000 chunked\n10 GET / 200\n' | by_node 2
	at_once 'by_h2load 500 4 /' 'by_ab 200 4 200 /'
	agrees stable
	expect_spoken stable http1
	agrees_with_wrk stable
}

# HTTP/1.0: every answer ends its connection, and a script's has no length.
test_python_1_0() {
	start_site_python stable 8000 --cgi
	start_agent --stable 8000
	by_ab 200 4 200 /small
	by_ab 20 2 404 /missing
	by_curl 200 /small /big /cgi-bin/licence /cgi-bin/stream
	by_curl 501 /small /small -- -d nothing
	by_curl 200 /small /big -- --head
	by_python keepalive <<-END
		10 GET /small 200
		2 HEAD /small 200
		3 GET /missing 404
		2 POST /cgi-bin/licence 200 1000
		2 DELETE /small 501
		2 GET /cgi-bin/stream 200
	END
	printf '10 GET /small 200\n3 GET /cgi-bin/stream 200\n3 GET /missing 404\n' | by_node 3
	times 2 curl_leaves /abort/huge
	printf '2 GET /abort/huge abort\n' | by_python each
	at_once 'by_ab 100 2 200 /small' 'by_curl 200 /big /small /cgi-bin/licence'
	agrees stable
	expect_spoken stable http1
	expect_eq "$(dump stable .connections.opened)" "$(accepted)" "connections opened"
}

test_python_1_1() {
	start_site_python stable 8000 --protocol HTTP/1.1
	start_agent --stable 8000
	by_h2load 120 4 /small
	by_ab 100 2 200 /small
	by_ab 50 2 404 /missing
	by_curl 200 /small /big /small
	by_curl 501 /small /small -- -d nothing
	by_python keepalive <<-END
		20 GET /small 200
		2 HEAD /big 200
		3 GET /missing 404
		2 GET /big 200
		2 HEAD /missing 404
		2 DELETE /small 501
		5 GET /small 200
	END
	printf '30 GET /small 200\n5 GET /missing 404\n3 HEAD /big 200\n' | by_node 3
	times 2 curl_leaves /abort/huge
	printf '2 GET /abort/huge abort\n' | by_python each
	at_once 'by_h2load 60 2 /small' 'by_ab 100 2 200 /small'
	agrees stable
	expect_spoken stable http1
	expect_eq "$(dump stable .connections.opened)" "$(accepted)" "connections opened"
}
