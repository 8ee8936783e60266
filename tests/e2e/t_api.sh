# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
# The HTTP API of the real agent, asked by curl: on its unix socket, and on TCP with a token and TLS.

API_TOKEN=0123456789abcdef0123456789abcdef

# api PATH [OPTION...]: curl on the unix socket; the body in answer.json, the head in answer.head. Prints the status.
api() {
	curl -sS --max-time 10 --unix-socket "$STATE$INSTANCE/api.sock" -D answer.head -o answer.json -w '%{http_code}' \
		"http://serin$1" "${@:2}" 2>>curl.err || true
}

# api_tcp URL [OPTION...]: the same on TCP, in the test's namespace.
api_tcp() {
	in_ns curl -sS --max-time 10 -D answer.head -o answer.json -w '%{http_code}' "$@" 2>>curl.err || true
}

# expect_error STATUS WANTED PATTERN: in the documented form, with a message that says so.
expect_error() {
	expect_eq "$1" "$2" "status ($(head -c 200 answer.json))"
	expect_eq "$(jq -r .status answer.json)" error "status in the answer"
	expect_match "$(jq -r .message answer.json)" "$3" "message"
	expect "no Content-Type: application/json" grep -qi '^content-type: application/json' answer.head
}

test_api_gray_release() {
	two_nginx
	start_agent "${NO_GATES[@]}"
	expect_eq "$(api /api/gray_release -d '{"version": "canary", "percentage": 12.34}')" 200 "status"
	expect_eq "$(<answer.json)" '{"status":"success","message":"Gray release started successfully."}' "answer"
	expect "the weight does not show" wait_for 5 release_is .set_weight 12.34
	expect_eq "$(api /api/releases)" 200 "status of /api/releases"
	expect_eq "$(jq -r '.releases[0] | .name, .set_weight, .phase' answer.json | xargs)" "chat 12.34 Progressing" "release"
	expect_eq "$(api /api/gray_release -d '{"release": "chat", "percentage": 100}')" 200 "status, by release"
	expect_all_by canary 50
}

test_api_abort() {
	two_nginx
	start_agent --weight 100 "${NO_GATES[@]}"
	expect_eq "$(api /api/releases/ch%61t/abort -d '')" 200 "status"
	need "abort does not roll back" wait_for 5 release_is .phase RolledBack
	expect_all_by stable 50
	expect_error "$(api /api/releases/chat/abort -d '{}')" 409 chat
}

test_api_refusals() {
	local weight
	two_nginx
	start_agent --weight 10 "${NO_GATES[@]}"
	weight=$(release .set_weight)
	expect_error "$(api /api/gray_release -d '{"version": "v9", "percentage": 50}')" 404 v9
	expect_error "$(api /api/releases/nobody/abort -d '')" 404 nobody
	expect_error "$(api /api/releases/my%20chat/abort -d '')" 404 path
	expect_error "$(api /nowhere)" 404 path
	expect_error "$(api /api/gray_release)" 405 POST
	expect_match "$(grep -i '^allow:' answer.head)" POST "Allow"
	expect_error "$(api /api/dump -d '{}')" 405 GET
	expect_error "$(api /api/gray_release -d '{"percentage": 50')" 400 JSON
	expect_error "$(api /api/gray_release -d '{"percentage": "50"}')" 400 'percentage.*number'
	expect_error "$(api /api/gray_release -d '{"percentage": 101}')" 400 '0 to 100'
	expect_error "$(api /api/gray_release -d '{"percentage": 50, "percent": 60}')" 400 "'percent'"
	expect_error "$(api /api/gray_release -d '{"percentage": 50, "percentage": 60}')" 400 'duplicate'
	expect_error "$(api /api/monitor -d '{"version": "canary"}')" 400 'figure'
	expect_error "$(api '/api/history?limit=0')" 400 limit
	head -c 1048576 /dev/zero >big
	expect_error "$(api /api/gray_release -H Expect: --data-binary @big)" 413 '64 KiB'
	expect_eq "$(release .set_weight)" "$weight" "set weight after all that"
	expect_eq "$(api /healthz)" 200 "status of /healthz"
	expect "an ordinary refusal is logged" not said warning
}

test_api_health() {
	two_nginx
	start_agent "${NO_GATES[@]}"
	expect_eq "$(api /healthz)" 200 "status of /healthz"
	expect_eq "$(jq -r .status answer.json)" success "/healthz"
	expect_eq "$(api /readyz)" 200 "status of /readyz"
	expect_eq "$(api /healthz -I)" 200 "status of HEAD"
	expect_eq "$(api /api/dump -X OPTIONS)" 204 "status of OPTIONS"
	expect_match "$(grep -i '^allow:' answer.head)" 'GET, HEAD, OPTIONS' "Allow"
	expect "a header for other origins" not grep -qi '^access-control' answer.head
}

# Holds so many connections on which half a request has come, until it is ended.
hold_slow() {
	spawn slow /usr/bin/python3 -u -c '
import socket, sys, time
held = []
for i in range(int(sys.argv[2])):
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    s.send(b"POST /api/gray_release HTTP/1.1\r\nHost: serin\r\nContent-Length: 18\r\n\r\n{\"percentage\":"[: i % 80 + 1])
    held.append(s)
print("held", flush=True)
time.sleep(3600)' "$STATE$INSTANCE/api.sock" "$1"
	need "the slow senders do not connect" wait_for 10 grep -q held slow.log
}

test_api_slow_senders() {
	local began
	two_nginx
	start_agent --weight 10 "${NO_GATES[@]}"
	hold_slow 200
	began=$(now_ms)
	expect_eq "$(api /api/releases)" 200 "status beside slow senders"
	expect_between 0 $(($(now_ms) - began)) 1000 "milliseconds beside slow senders"
	expect_eq "$(api /api/gray_release -d '{"percentage": 20}')" 200 "status of a change beside slow senders"
	expect "the weight does not show" wait_for 5 release_is '.set_weight == 20' true
	stop_agent TERM # with all of them still there
	end slow
	expect_nothing_left
}

# ---- with a configuration ----

# start_configured [LINE...]: an agent of a release with two steps, whose file has these lines besides.
start_configured() {
	{
		printf '%s\n' 'models:' '  - {name: chat, version: stable, match: {port: 8000}}' \
			'  - {name: chat, version: canary, match: {port: 8001}}' 'releases:' '  - name: chat' \
			'    service: {port: 8000}' '    stable: stable' '    canary: canary' \
			'    steps: [{weight: 10, hold: 1h}, {weight: 50, hold: 1h}, {weight: 100}]'
		printf '%s\n' "store: {path: ':memory:'}" "$@"
	} >serin.yaml
	: >agent.log
	: >agent.err
	spawn agent "$SERIN" run --instance "$INSTANCE" -c serin.yaml --log json
	await_event ready
}

test_api_orders() {
	two_nginx
	start_configured
	need "the release does not start by itself" wait_for 10 release_is .phase Progressing
	expect_eq "$(api /api/releases/chat/pause -d '')" 200 "status of pause"
	expect "not paused" wait_for 5 release_is .phase Paused
	expect_error "$(api /api/releases/chat/pause -d '')" 409 ''
	expect_eq "$(api /api/releases/chat/resume -d '{}')" 200 "status of resume"
	expect "not resumed" wait_for 5 release_is .phase Progressing
	expect_eq "$(api /api/releases/chat/promote -d '')" 200 "status of promote"
	expect "not promoted a step" wait_for 5 release_is '.set_weight == 50' true
	expect_eq "$(api /api/releases/chat/abort -d '')" 200 "status of abort"
	expect "not rolled back" wait_for 5 release_is .phase RolledBack
	expect_error "$(api /api/releases/chat/promote -d '')" 409 ''
	expect_eq "$(api /api/releases/chat/retry -d '')" 200 "status of retry"
	expect "not started again" wait_for 5 release_is .phase Progressing
	expect_eq "$(api /api/releases/chat/promote -d '{"full": true}')" 200 "status of a full promotion"
	expect "not promoted" wait_for 5 release_is .phase Promoted
	expect_eq "$(api '/api/history?release=chat&limit=1')" 200 "status of the history"
	expect_eq "$(jq -r '.decisions | length, .[0].phase' answer.json | xargs)" "1 Promoted" "newest decision"
	expect_eq "$(api /api/history)" 200 "status of the whole history"
	expect_eq "$(jq '[.decisions[].at_unix] | length >= 7 and . == sort' answer.json)" true "decisions, oldest first"
}

test_api_monitor() {
	two_nginx
	start_configured
	expect_eq "$(api /api/monitor -d '{"accuracy": 0.93, "click_rate": 0.1}')" 200 "status"
	expect_eq "$(<answer.json)" '{"status":"success","message":"Monitoring data sent successfully."}' "answer"
	expect "the figure does not show" wait_for 5 \
		release_is '[.external[] | select(.name == "accuracy") | .version, .value] | join(" ")' "canary 0.93"
	expect_error "$(api /api/monitor -d '{"accuracy": 0.93, "version": "v9"}')" 404 v9
	expect_error "$(api /api/monitor -d '{"accuracy": "good"}')" 400 'accuracy.*number'
}

write_token() {
	printf '%s\n' "$1" >token.new
	chmod 600 token.new
	mv token.new token
}

test_api_on_tcp() {
	local url=http://127.0.0.1:9465 bearer="Authorization: Bearer $API_TOKEN"
	two_nginx
	write_token "$API_TOKEN"
	start_configured "api: {listen: 127.0.0.1:9465, token_file: $DIR/token}"
	expect_eq "$(api_tcp $url/healthz)" 200 "status of /healthz without a token"
	expect_eq "$(api_tcp $url/readyz)" 200 "status of /readyz without a token"
	expect_error "$(api_tcp $url/api/dump)" 401 token
	expect_match "$(grep -i '^www-authenticate:' answer.head)" Bearer "WWW-Authenticate"
	expect_error "$(api_tcp $url/nowhere)" 401 token
	expect_error "$(api_tcp $url/api/releases/chat/abort -H "${bearer}0" -d '')" 401 token
	expect_eq "$(release .phase)" Progressing "phase after an abort without the token"
	expect_eq "$(api_tcp $url/api/dump -H "$bearer")" 200 "status with the token"
	expect_eq "$(api_tcp $url/api/releases/chat/abort -H "$bearer" -d '')" 200 "status of abort with the token"
	expect "not rolled back" wait_for 5 release_is .phase RolledBack
	expect "nothing to warn of was warned of" not said warning
	write_token "${API_TOKEN}new"
	expect_error "$(api_tcp $url/api/dump -H "$bearer")" 401 token
	expect_eq "$(api_tcp $url/api/dump -H "${bearer}new")" 200 "status with the new token"
	rm token
	expect_error "$(api_tcp $url/api/dump -H "${bearer}new")" 401 token
	expect "the log does not say why" wait_for 5 said warning 'token file'
	expect_eq "$(api /api/dump)" 200 "status on the unix socket"
}

test_api_with_tls() {
	local resolve=(--resolve localhost:9465:127.0.0.1) bearer=(-H "Authorization: Bearer $API_TOKEN")
	two_nginx
	write_token "$API_TOKEN"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
		-addext subjectAltName=DNS:localhost -keyout key.pem -out cert.pem 2>/dev/null
	start_configured "api: {listen: 0.0.0.0:9465, token_file: $DIR/token, certificate_file: $DIR/cert.pem, key_file: $DIR/key.pem}"
	expect_eq "$(api_tcp https://localhost:9465/api/dump "${resolve[@]}" --cacert cert.pem "${bearer[@]}")" 200 "status"
	expect_error "$(api_tcp https://localhost:9465/api/dump "${resolve[@]}" --cacert cert.pem)" 401 token
	expect_eq "$(api_tcp https://other.example:9465/api/dump --resolve other.example:9465:127.0.0.1 --cacert cert.pem \
		"${bearer[@]}")" 000 "status under another name"
	expect "TLS is warned of" not said warning
}

test_api_without_tls_is_warned_of() {
	two_nginx
	write_token "$API_TOKEN"
	start_configured "api: {listen: 0.0.0.0:9465, token_file: $DIR/token}"
	expect "the log has no warning" wait_for 5 said warning 'without TLS'
}

# refuse_api PATTERN LINE: an agent that must not start.
refuse_api() {
	printf '%s\n' 'models:' '  - {name: chat, version: stable, match: {port: 8000}}' "$2" >serin.yaml
	expect_refused "1 2" "$1" run --instance "$INSTANCE" -c serin.yaml
	expect_nothing_left
}

test_api_files_that_cannot_be() {
	write_token "$API_TOKEN"
	refuse_api 'No such file' "api: {listen: 127.0.0.1:9465, token_file: $DIR/none}"
	chmod 644 token
	refuse_api 'chmod 600' "api: {listen: 127.0.0.1:9465, token_file: $DIR/token}"
	write_token short
	refuse_api '16 to 512' "api: {listen: 127.0.0.1:9465, token_file: $DIR/token}"
	write_token "$API_TOKEN"
	refuse_api 'No such file' \
		"api: {listen: 127.0.0.1:9465, token_file: $DIR/token, certificate_file: $DIR/none, key_file: $DIR/none}"
	refuse_api 'PEM' \
		"api: {listen: 127.0.0.1:9465, token_file: $DIR/token, certificate_file: $DIR/token, key_file: $DIR/token}"
}
