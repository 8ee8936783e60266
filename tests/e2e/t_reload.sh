# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
# A new configuration for a running agent: SIGHUP, all or nothing.

# models LINE...: config.yaml with these models, and the release chat from v1 to v2 unless `release` says otherwise.
write_models() {
	{
		printf '%s\n' "tick: 100ms" "store: {path: $DIR/serin.db}" "models:"
		printf '  - %s\n' "$@"
	} >"$DIR/config.yaml"
}

# add_release STABLE CANARY [LINE...]: a release of chat on port 8000.
add_release() {
	{
		printf '%s\n' "releases:" "  - name: chat" "    service: {port: 8000}" "    stable: $1" "    canary: $2"
		shift 2
		printf '    %s\n' "start: manual" "$@"
	} >>"$DIR/config.yaml"
}

V1='{name: chat, version: v1, match: {port: 8000}}'
V2='{name: chat, version: v2, match: {port: 8001}}'

reloads() {
	grep -c '"event": *"reload"' "$DIR/agent.log" || true
}

reloads_are() {
	(($(reloads) == $1))
}

# reload: tells the agent, until it has answered; false when it refused.
reload() {
	local before
	before=$(reloads)
	kill -HUP "${PID[agent]}"
	need "no answer to SIGHUP" wait_for 10 reloads_are $((before + 1))
	[[ $(grep '"event": *"reload"' "$DIR/agent.log" | tail -n 1 | jq -r .done) == true ]]
}

why_refused() {
	grep '"event": *"reload"' "$DIR/agent.log" | tail -n 1 | jq -r .why
}

test_reload_of_what_is_wrong_changes_nothing() {
	local before
	two_nginx
	write_models "$V1" "$V2"
	add_release v1 v2 'gates: {P_min: 0.9}'
	start_with_config
	set_weight 30
	before=$(serin status -o json | jq -S '{phase, set_weight, gates, plan}')
	cp config.yaml good.yaml
	sed -i 's/P_min: 0.9/P_min: 9/' config.yaml
	expect "a share of 9 is taken" not reload
	expect_match "$(why_refused)" 'config.yaml:[0-9]+: ' "the line that is wrong"
	echo nonsense: 1 >>config.yaml
	expect "an unknown key is taken" not reload
	rm config.yaml
	expect "a file that is gone is taken" not reload
	cp good.yaml config.yaml
	sed -i 's/serin.db/other.db/' config.yaml
	expect "another store is taken" not reload
	expect_match "$(why_refused)" restart "what to do"
	expect_eq "$(serin status -o json | jq -S '{phase, set_weight, gates, plan}')" "$before" "the release"
	cp good.yaml config.yaml
	expect "what is there already is refused" reload
	expect_eq "$(serin status -o json | jq -S '{phase, set_weight, gates, plan}')" "$before" "the release, again"
}

test_reload_of_gates_and_steps() {
	two_nginx
	write_models "$V1" "$V2"
	add_release v1 v2
	start_with_config
	set_weight 10
	write_models "$V1" "$V2"
	add_release v1 v2 'steps: [{weight: 5, hold: 1h}, {weight: 20, hold: 1h}, {weight: 100}]' 'gates: {P_min: 0.5, D_max: off}' \
		'rules: [{from: 127.0.9.0/24, to: canary}]'
	expect "it is refused" reload
	expect_eq "$(release '"\(.set_weight) \(.step) \(.steps) \(.manual)"')" "10 1 3 true" "weight, step, steps, by hand"
	expect "that the step is another is not told" said replanned '"step": *1'
	expect_eq "$(serin history --store "$DIR/serin.db" -o json | jq -r '.[-1].reason_code')" replanned "newest in the history"
	expect_eq "$(release .gates.P_min)" 0.5 "gate"
	in_ns curl -s --interface 127.0.9.9 http://127.0.0.1:8000/ >who
	expect_eq "$(<who)" canary "who answers by the new rule"
	serin resume >/dev/null
	expect_eq "$(release .set_weight)" 10 "weight after resume"
	serin promote >/dev/null
	expect_eq "$(release '"\(.set_weight) \(.step)"')" "20 2" "after promote"
}

# A version whose match is another is looked for anew; its release goes on, and steers to what is found.
test_reload_of_where_the_canary_listens() {
	two_nginx
	start_nginx moved 127.0.0.1:8003
	write_models "$V1" "$V2"
	add_release v1 v2
	start_with_config
	set_weight 100
	in_ns curl -s http://127.0.0.1:8000/ >who
	expect_eq "$(<who)" canary "who answers before"
	write_models "$V1" '{name: chat, version: v2, match: {port: 8003}}'
	add_release v1 v2
	expect "it is refused" reload
	expect_eq "$(release '"\(.phase) \(.set_weight)"')" "Progressing 100" "the release"
	for _ in 1 2 3; do
		in_ns curl -s http://127.0.0.1:8000/
	done >who
	expect_eq "$(sort -u who)" moved "who answers after"
	need "its requests are nobody's" wait_for 5 dump_is v2 .requests.success 4
}

# The everyday end of a release: the new version takes the old one's place, and the next one is the canary.
test_reload_with_the_next_version() {
	start_nginx v1 127.0.0.1:8000
	start_nginx v2 127.0.0.1:8001
	write_models "$V1" "$V2"
	add_release v1 v2
	start_with_config
	serin promote --full >/dev/null
	need "it is not promoted" wait_for 5 release_is .phase Promoted
	background clients in_ns "$LOAD" --url http://127.0.0.1:8000/ --method GET --connections 4 --rate 200 --per-connection 5 \
		--duration 6 --json >"$DIR/clients.json"
	end v1
	start_nginx v2b 127.0.0.1:8000
	end v2
	write_models '{name: chat, version: v2, match: {port: 8000}}' '{name: chat, version: v3, match: {port: 8001}}'
	add_release v2 v3
	expect "it is refused" reload
	start_nginx v3 127.0.0.1:8001
	expect_eq "$(release '"\(.phase) \(.stable) \(.canary) \(.set_weight)"')" "Idle v2 v3 0" "the release"
	set_weight 50
	need "the clients do not end" wait_for 20 dead clients
	expect_eq "$(jq -r '.outcomes | [.connect_error, .server_abort, .server_error] | join(" ")' clients.json)" "0 0 0" "failed"
	expect "nobody reaches v3" test "$(served v3)" -gt 10
	expect_eq "$(dump v3 .requests.success)" "$(served v3)" "requests of v3"
}

# A release goes, another one stays, a model is observed alone.
test_reload_of_releases_and_models() {
	start_nginx stable 127.0.0.1:8000
	start_nginx canary 127.0.0.1:8001
	start_nginx other 127.0.0.1:8002
	write_models "$V1" "$V2"
	add_release v1 v2
	start_with_config
	set_weight 100
	in_ns curl -s http://127.0.0.1:8000/ >who
	expect_eq "$(<who)" canary "who answers with the release"
	write_models "$V1" '{name: rank, version: v7, match: {port: 8002}}'
	expect "it is refused" reload
	expect_eq "$(serin dump -o json | jq -r '[.models[] | "\(.name)/\(.version)/\(.role)"] | sort | join(" ")')" \
		"chat/v1/none rank/v7/none" "the models"
	expect_eq "$(serin dump -o json | jq '.releases | length')" 0 "releases"
	in_ns curl -s http://127.0.0.1:8000/ >who
	expect_eq "$(<who)" stable "who answers without the release"
	in_ns curl -s http://127.0.0.1:8002/ >/dev/null
	need "the new model is not observed" wait_for 5 dump_is v7 .requests.success 1
	write_models "$V1" "$V2" '{name: rank, version: v7, match: {port: 8002}}'
	add_release v1 v2
	expect "it is refused" reload
	set_weight 100
	in_ns curl -s http://127.0.0.1:8000/ >who
	expect_eq "$(<who)" canary "who answers with the release again"
}
