# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
# serin plan: what if. It needs no agent and leaves nothing behind.

# plan OPTION...: into plan.json, quick.
plan() {
	"$SERIN" plan --runs 20 --duration 120 -o json "$@" >plan.json
}

test_plan_finds_a_failing_canary() {
	plan --p-canary 0
	expect_eq "$(jq '.runs == 20 and .rollbacks == 20 and .rate == 1' plan.json)" true "runs, rollbacks, rate"
	expect_between 0.25 "$(jq .seconds.p50 plan.json)" 2 "seconds until half are rolled back"
	expect_eq "$(jq '.seconds.p95 >= .seconds.p50 and .canary_requests.p50 > 0' plan.json)" true "quantiles"
	expect_eq "$(jq 'has("rule")' plan.json)" false "a rule nobody asked for"
	expect_nothing_left
}

test_plan_without_a_rollback_says_null() {
	plan --p-stable 1 --compare
	expect_eq "$(jq '.rollbacks == 0 and .rate == 0' plan.json)" true "nothing rolled back"
	expect_eq "$(jq -c '[.seconds.p50, .seconds.p95, .canary_requests.p50]' plan.json)" '[null,null,null]' "no time"
	expect_between 0.05 "$(jq '.rate_ci95[1]' plan.json)" 0.3 "what 20 runs leave open"
	expect_eq "$(jq -c '[.rule.runs, .rule.rollbacks, .rule.seconds.p50]' plan.json)" '[20,0,null]' "the fixed rule"
}

# Five minutes below 99%, whatever the canary does: not before the fifth is over.
test_plan_puts_the_fixed_rule_beside_it() {
	plan --p-canary 0 --compare --duration 400
	expect_eq "$(jq '.rule | .rollbacks == 20 and .seconds.p50 == 300 and .seconds.p95 == 300' plan.json)" true "the fixed rule"
}

test_plan_is_told_by_its_seed() {
	local once
	plan --p-canary 0.95
	once=$(<plan.json)
	taskset -c 0 "$SERIN" plan --runs 20 --duration 120 -o json --p-canary 0.95 >plan.json
	expect_eq "$(<plan.json)" "$once" "on one core"
	plan --p-canary 0.95 --seed 2
	expect "another seed gives the same" not test "$(<plan.json)" = "$once"
}

test_plan_says_it_to_people() {
	"$SERIN" plan --runs 20 --duration 120 --p-canary 0 --compare >out 2>err
	expect_match "$(<out)" 'evidence: 20 of 20 releases rolled back' "what is said"
	expect_match "$(<out)" 'fixed rule: 0 of 20' "of the rule"
	expect_eq "$(<err)" '' "a bar where no terminal is"
	expect_match "$("$SERIN" help plan)" '--latency-factor X' "the help"
}

test_plan_refuses_wrong_words() {
	expect_refused 2 "weight: '0'" plan --weight 0
	expect_refused 2 'p-canary.*2' plan --p-canary 2
	expect_refused 2 'rps.*-5' plan --rps -5
	expect_refused 2 'clients.*1\.5' plan --clients 1.5
	expect_refused 2 'runs.*0' plan --runs 0
	expect_refused 2 'alpha.*1' plan --alpha 1
	expect_refused 2 'frob' plan --frob
	expect_refused 2 'surplus' plan surplus
	expect_refused 2 'xml' plan -o xml
}
