# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
# A release that runs by itself: steps, promotion on evidence, rollback on evidence, and a person's orders.

# write_config [LINE...]: config.yaml with models v1 (8000) and v2 (8001) and the release chat; the lines are its further keys.
write_config() {
	{
		cat <<-END
			models:
			  - {name: chat, version: v1, match: {port: 8000}}
			  - {name: chat, version: v2, match: {port: 8001}}
			tick: 100ms
			window: 2s
			store: {path: $DIR/serin.db}
			releases:
			  - name: chat
			    service: {port: 8000}
			    stable: v1
			    canary: v2
		END
		printf '    %s\n' "$@"
	} >"$DIR/config.yaml"
}

# start_with_config OPTION...: an agent by config.yaml, until it is ready.
start_with_config() {
	need_serin
	: >"$DIR/agent.log"
	: >"$DIR/agent.err"
	spawn agent "$SERIN" run --instance "$INSTANCE" -c "$DIR/config.yaml" --log json "$@"
	await_event ready
}

# crowd NAME RATE [OPTION...]: 40 client addresses with four connections each, until it is ended.
crowd() {
	local name=$1 rate=$2
	shift 2
	spawn "$name" "$LOAD" --url http://127.0.0.1:8000/v1/completions --connections 160 --source 127.0.1.1-127.0.1.40 \
		--rate "$rate" --per-connection 12 --json "$@"
}

release_phase_is() {
	release_is .phase "$1"
}

DEADLINE[a_release_promotes_itself]=90
test_a_release_promotes_itself() {
	start_model_server v1 8000
	write_config 'steps: [{weight: 20, hold: 3s}, {weight: 50, hold: 3s}, {weight: 100}]' \
		'analysis: {success_margin: 10%, min_requests: 50}'
	start_with_config
	crowd clients 200
	need "it does not wait for the canary" wait_for 5 release_is .waiting start
	start_model_server v2 8001
	need "it does not start by itself" wait_for 10 release_phase_is Progressing
	expect_eq "$(release .set_weight)" 20 "weight of the first step"
	need "the second step does not come" wait_for 30 release_is .step 2
	need "it is not promoted" wait_for 30 release_phase_is Promoted
	expect_eq "$(release .set_weight)" 100 "weight after promotion"
	serin history chat -o json >history.json
	expect_eq "$(jq -r '[.[] | .reason_code] | join(" ")' history.json)" "started no_worse no_worse" "the history"
	end clients INT
	expect_eq "$(jq -r '.requests - .outcomes.success' clients.log)" 0 "failed requests of clients"
}

DEADLINE[a_failing_canary_is_rolled_back_on_evidence]=60
test_a_failing_canary_is_rolled_back_on_evidence() {
	start_model_server v1 8000
	start_model_server v2 8001 error_rate=0.3
	write_config 'steps: [{weight: 20, hold: 10m}, {weight: 100}]' 'gates: {P_min: 0, D_max: 0}'
	start_with_config
	crowd clients 200
	need "it is not rolled back" wait_for 30 release_phase_is RolledBack
	expect_eq "$(release .reason_code)" evidence_error "why"
	expect_eq "$(release .set_weight)" 0 "weight"
	need "requests still reach the canary" wait_for 20 release_is .actual_weight.requests 0
	end clients INT
}

# With `sticky: client` a client's connections all go the same way, and raising the weight takes nobody off the canary.
test_sticky_clients_stay_where_they_are() {
	local client before
	start_nginx stable 127.0.0.1:8000
	start_nginx canary 127.0.0.1:8001
	write_config 'sticky: client' 'start: manual' 'rules: [{from: 127.0.8.0/28, to: stable}, {from: 127.0.8.7, to: canary}]'
	start_with_config
	set_weight 50
	who_answers() {
		for client in {1..30}; do
			for _ in 1 2 3 4; do
				in_ns curl -s --interface "127.0.9.$client" http://127.0.0.1:8000/
			done | sort -u | tr '\n' ' '
			echo
		done
	}
	before=$(who_answers)
	expect_eq "$(sort -u <<<"$before" | tr '\n' ';')" "canary ;stable ;" "each client's answers"
	set_weight 80
	expect_eq "$(paste -d: <(echo "$before") <(who_answers) | awk '/^canary :stable/' | wc -l)" 0 "clients taken off the canary"
	expect_eq "$(in_ns curl -s --interface 127.0.8.3 http://127.0.0.1:8000/)" stable "by the rule for its network"
	expect_eq "$(in_ns curl -s --interface 127.0.8.7 http://127.0.0.1:8000/)" canary "by the longer prefix"
	expect_eq "$(release '"\(.steering.ruled_stable) \(.steering.ruled_canary)"')" "1 1" "what was steered by rules"
	set_weight 0
	expect_eq "$(in_ns curl -s --interface 127.0.8.7 http://127.0.0.1:8000/)" stable "a rule to the canary without a weight"
}
