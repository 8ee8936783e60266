# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
# Servers nobody here wrote, each known by a name. log_of_KIND brings what it logs to "STATUS METHOD PATH".

# need_program NAME...
need_program() {
	local name
	for name; do
		command -v "$name" >/dev/null || skip "$name is not installed (tools/install-deps real)"
	done
}

# What files can say: a large body, and one that nobody waits for the end of.
make_site() {
	make_files
	mkdir -p "$DIR/www/abort"
	truncate -s 64M "$DIR/www/abort/huge"
	make_stream stream 5
	make_stream endless
}

# make_stream NAME [COUNT]: a CGI script that writes so many events 20 ms apart, or until nobody reads.
make_stream() {
	cat >"$DIR/www/cgi-bin/$1" <<-END
		#!/usr/bin/python3
		import itertools, sys, time
		print("Content-Type: text/event-stream\r\n\r", flush=True)
		for i in itertools.islice(itertools.count(), ${2:-None}):
		    print(f"data: {i}\n", flush=True)
		    time.sleep(0.02)
	END
	chmod 755 "$DIR/www/cgi-bin/$1"
}

# start_site_nginx NAME PORT: with start_node behind it for what streams.
start_site_nginx() {
	make_site
	logs "$1" nginx
	workers=2 extra="
		location = /post { return 200 'ok'; }
		location ~ stream\$ {
			proxy_pass http://127.0.0.1:9000;
			proxy_http_version 1.1;
			proxy_buffering off;
		}" start_nginx "$1" "127.0.0.1:$2"
}

log_of_nginx() {
	awk '{ print $1, $5, $6 }' "$1.access"
}

# start_apache NAME PORT
start_apache() {
	local name=$1 modules=/usr/lib/apache2/modules
	need_program apache2
	make_site
	logs "$name" apache
	cat >"$DIR/$name.conf" <<-END
		ServerRoot $DIR
		ServerName localhost
		Listen 127.0.0.1:$2
		PidFile $DIR/$name.pid
		Mutex file:$DIR
		ErrorLog $DIR/$name.error
		User www-data
		Group www-data
		LoadModule mpm_event_module $modules/mod_mpm_event.so
		LoadModule authz_core_module $modules/mod_authz_core.so
		LoadModule alias_module $modules/mod_alias.so
		LoadModule cgid_module $modules/mod_cgid.so
		StartServers 2
		ServerLimit 2
		ThreadsPerChild 32
		MaxRequestWorkers 64
		MinSpareThreads 1
		MaxSpareThreads 64
		MaxKeepAliveRequests 0
		LogFormat "%>s %m %U" line
		CustomLog $DIR/$name.access line
		DocumentRoot $DIR/www
		ScriptSock $DIR/$name.cgid
		Redirect 500 /broken
		AliasMatch ^/(post)?\$ $DIR/www/small
		ScriptAlias /stream $DIR/www/cgi-bin/stream
		ScriptAlias /abort/stream $DIR/www/cgi-bin/endless
	END
	spawn "$name" apache2 -D FOREGROUND -f "$DIR/$name.conf"
	await_listening "$name" "$2"
}

log_of_apache() {
	cat "$1.access"
}

# start_caddy NAME PORT: with start_node behind it for what streams and what has a body.
start_caddy() {
	local name=$1
	need_program caddy
	make_site
	logs "$name" caddy
	cat >"$DIR/$name.conf" <<-END
		{
			admin off
			auto_https off
		}
		http://127.0.0.1:$2 {
			log {
				output file $DIR/$name.access
				format json
			}
			root * $DIR/www
			respond / "hello"
			respond /broken 500
			@node path /post /stream /abort/stream
			reverse_proxy @node 127.0.0.1:9000 {
				flush_interval -1
			}
			file_server
		}
	END
	spawn "$name" env HOME="$DIR" XDG_DATA_HOME="$DIR" XDG_CONFIG_HOME="$DIR" \
		caddy run --config "$DIR/$name.conf" --adapter caddyfile
	await_listening "$name" "$2"
}

log_of_caddy() {
	jq -r '"\(.status) \(.request.method) \(.request.uri)"' "$1.access"
}

# start_node NAME PORT
start_node() {
	need_program node
	logs "$1" node
	: >"$DIR/$1.access"
	spawn "$1" node "$SUITE_DIR/server.mjs" "$2" "$DIR/$1.access"
	await_listening "$1" "$2"
}

log_of_node() {
	cat "$1.access"
}

# start_site_python NAME PORT [OPTION...]: Python's file server, which runs scripts with --cgi.
start_site_python() {
	make_site
	logs "$1" python
	start_python "$1" 127.0.0.1 "${@:2}"
}

# It logs the errors it tells in a line of their own, "code 404, message ..".
log_of_python() {
	sed -nE 's/.*"([A-Z]+) (.*) HTTP\/1\.[01]" ([0-9]+) .*/\3 \1 \2/p' "$1.err"
}

# start_uvicorn NAME PORT [OPTION...]: the model server.
start_uvicorn() {
	local name=$1
	need_program uvicorn
	/usr/bin/python3 -c 'import fastapi, torch, uvloop, httptools' 2>"$DIR/$name.err" ||
		skip "$(tail -n 1 "$DIR/$name.err") (tools/install-deps real)"
	logs "$name" uvicorn
	spawn "$name" env PYTHONDONTWRITEBYTECODE=1 uvicorn --host 127.0.0.1 --port "$2" \
		--app-dir "$SUITE_DIR" "${@:3}" model_app:app
	# It imports torch and trains its model first.
	wait_for 60 listens_or_dead "$2" "$name" || fail "$name does not listen on port $2 after 60 s"
	await_listening "$name" "$2"
}

log_of_uvicorn() {
	sed -nE 's/.* - "([A-Z]+) (.*) HTTP\/1\.[01]" ([0-9]+).*/\3 \1 \2/p' "$1.log"
}

# start_gunicorn NAME PORT WORKER_CLASS [OPTION...]: four workers. It logs nothing of a response that was not sent whole.
start_gunicorn() {
	local name=$1
	need_program gunicorn
	logs "$name" gunicorn 'abort|dropped'
	spawn "$name" env PYTHONDONTWRITEBYTECODE=1 gunicorn --bind "127.0.0.1:$2" --workers 4 \
		--worker-class "$3" --worker-tmp-dir "$DIR" --chdir "$SUITE_DIR" \
		--access-logfile - --access-logformat '%(s)s %(r)s' "${@:4}" wsgi_app:application
	await_listening "$name" "$2"
}

log_of_gunicorn() {
	sed -nE 's/^([0-9]{3}) ([A-Z]+) (.*) HTTP\/1\.[01]$/\1 \2 \3/p' "$1.log"
}

# start_haproxy NAME PORT SERVER_PORT: in front of a server; /down is what it answers itself.
#   threads=N start_haproxy ...   1 (default): when two log at once, it drops a line
start_haproxy() {
	local name=$1
	need_program haproxy
	logs "$name" haproxy
	cat >"$DIR/$name.conf" <<-END
		global
			log stdout format raw local0
			nbthread ${threads:-1}
		defaults
			mode http
			log global
			log-format "%ST %HM %HU"
			retries 0
			timeout connect 5s
			timeout client 30s
			timeout server 30s
		frontend front
			bind 127.0.0.1:$2
			use_backend down if { path /down }
			default_backend back
		backend back
			server one 127.0.0.1:$3
		backend down
			server none 127.0.0.1:9999
	END
	spawn "$name" haproxy -db -f "$DIR/$name.conf"
	await_listening "$name" "$2"
}

log_of_haproxy() {
	grep -E '^-?[0-9]+ [A-Z]' "$1.log"
}
