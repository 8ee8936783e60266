# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
# Servers, each known by a name; nginx answers / with it. None of them knows of serin.

listens() {
	[[ -n $(in_ns ss -Hltn "sport = :$1") ]]
}

# listens_or_dead PORT NAME
listens_or_dead() {
	listens "$1" || dead "$2"
}

# await_listening NAME PORT
await_listening() {
	wait_for 10 listens_or_dead "$2" "$1" || fail "$1 does not listen on port $2 after 10 s"
	alive "$1" || fail "$1 ended at once: $(tail -n 1 "$DIR/$1.err")"
}

# Connections that the namespace has accepted: ab opens one or two that it never uses.
accepted() {
	in_ns cat /proc/net/snmp | awk '$1 == "Tcp:" && $7 ~ /^[0-9]+$/ { print $7 }'
}

make_files() {
	if [[ -d $DIR/www ]]; then
		return
	fi
	mkdir -p "$DIR/www/cgi-bin"
	head -c 1048576 /dev/urandom >"$DIR/www/big"
	head -c 4096 /usr/share/common-licenses/GPL-3 >"$DIR/www/text"
	echo hello >"$DIR/www/small"
	cat >"$DIR/www/cgi-bin/licence" <<-'END'
		#!/bin/sh
		printf 'Content-Type: text/plain\r\n\r\n'
		exec cat /usr/share/common-licenses/GPL-3
	END
	chmod 755 "$DIR/www/cgi-bin/licence"
}

# start_nginx NAME LISTEN...: each LISTEN is what follows nginx's directive of that name.
#   workers=N start_nginx ...    0 (default): one process does it all, so that killing it kills the server
#   extra=LINES start_nginx ...  directives for the server block
start_nginx() {
	local name=$1 listen listens='' master=off count=1 port
	shift
	for listen in "$@"; do
		listens+="listen $listen; "
	done
	if ((${workers:-0} > 0)); then
		master=on
		count=$workers
	fi
	make_files
	mkdir -p "$DIR/$name"
	cat >"$DIR/$name.conf" <<-END
		daemon off;
		user root;
		master_process $master;
		worker_processes $count;
		pid $DIR/$name.pid;
		error_log $DIR/$name.error;
		events { worker_connections 1024; }
		http {
			log_format line '\$status \$pid \$bytes_sent \$request_length \$request';
			access_log $DIR/$name.access line;
			client_body_temp_path $DIR/$name/body;
			proxy_temp_path $DIR/$name/proxy;
			fastcgi_temp_path $DIR/$name/fastcgi;
			uwsgi_temp_path $DIR/$name/uwsgi;
			scgi_temp_path $DIR/$name/scgi;
			sendfile on;
			keepalive_requests 1000000;
			client_max_body_size 8m;
			default_type text/plain;
			root $DIR/www;
			if_modified_since before;
			# Three answers in ten, drawn for each request.
			split_clients \$request_id \$fate { 30% broken; * well; }
			server {
				$listens
				${extra:-}
				location = / { return 200 "$name\n"; }
				location = /missing { return 404; }
				location = /throttled { return 429; }
				location = /broken { return 500; }
				location = /overloaded { return 503; }
				location = /nothing { return 204; }
				location = /moved { return 301 /; }
				location = /hangup { return 444; }
				location = /flaky { if (\$fate = broken) { return 500; } return 200 "$name\n"; }
				location = /slow { alias $DIR/www/big; limit_rate 512k; }
				location = /zipped { alias $DIR/www/text; gzip on; gzip_types text/plain; gzip_http_version 1.0; }
				location = /stalled { proxy_pass http://127.0.0.1:9999; }
				location /upload/ { alias $DIR/$name/; dav_methods PUT; }
			}
		}
	END
	port=${1%% *}
	spawn "$name" nginx -e "$DIR/$name.error" -c "$DIR/$name.conf"
	await_listening "$name" "${port##*:}"
}

make_certificate() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
		-keyout key.pem -out cert.pem 2>/dev/null
}

# start_nginx_tls NAME PORT
start_nginx_tls() {
	extra="ssl_certificate $DIR/cert.pem; ssl_certificate_key $DIR/key.pem;" start_nginx "$1" "127.0.0.1:$2 ssl"
}

two_nginx() {
	start_nginx stable 127.0.0.1:8000
	start_nginx canary 127.0.0.1:8001
}

# served NAME [STATUS]: answers that nginx itself has logged.
served() {
	grep -c "^${2:-}" "$DIR/$1.access" || true
}

served_are() {
	[[ $(served "$1") == "$2" ]]
}

# Answers logged by stable and canary together.
both_served() {
	(($(served stable) + $(served canary) == $1))
}

# start_python NAME ADDRESS PORT [OPTION...]: Python's own file server.
start_python() {
	local name=$1 address=$2 port=$3
	shift 3
	make_files
	spawn "$name" /usr/bin/python3 -u -m http.server --bind "$address" --directory "$DIR/www" "$@" "$port"
	await_listening "$name" "$port"
}

# start_own NAME KIND PORT [ARGUMENT...]: one of the odd servers of servers.py.
start_own() {
	local name=$1 kind=$2 port=$3
	shift 3
	spawn "$name" /usr/bin/python3 -u "$HERE/servers.py" "$kind" "$port" "$@"
	await_listening "$name" "$port"
}

# start_model_server NAME PORT [FAULT=VALUE...]
start_model_server() {
	local name=$1 port=$2 fault options=()
	shift 2
	[[ -x $MODEL_SERVER ]] || fail "$MODEL_SERVER is missing (make)"
	for fault in "$@"; do
		options+=(--fault "$fault")
	done
	spawn "$name" "$MODEL_SERVER" --listen "127.0.0.1:$port" --model-version "$name" "${options[@]}"
	await_listening "$name" "$port"
}
