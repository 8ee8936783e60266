# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash disable=SC2016,SC2034,SC2154
# One agent after another: killed at any moment, of another version, with other maps, in another place. What it did goes
# on without it, and the next one finds it as it was.

# start_over OPTION...: another agent, its log behind the ones before, until it is ready: looked at more often than other
# states, as it takes no longer.
start_over() {
	local before
	touch "$DIR/agent.log"
	before=$(times_said ready)
	spawn agent "$SERIN" run --instance "$INSTANCE" --log json "$@"
	until (($(times_said ready) > before)); do
		alive agent || fail "the agent ended without saying ready: $(head -n 1 "$DIR/agent.err")"
		read -rt 0.01 -u "$NEVER" || true
	done
}

times_said() {
	grep -c "\"event\":\"$1\"" "$DIR/agent.log" || true
}

# kill_agent: at once; the shell is not to tell of it.
kill_agent() {
	kill -KILL "${PID[agent]}"
	wait "${PID[agent]}" 2>/dev/null || true
}

# at_random MILLISECONDS: some time below that.
at_random() {
	read -rt "$(value "$RANDOM / 32768 * $1 / 1000")" -u "$NEVER" || true
}

# The weight as the kernel has it, in basis points; empty: nothing is steered.
kernel_weight() {
	bpftool -j map dump pinned "$PINS$INSTANCE/serin_services" 2>/dev/null |
		jq -r '.[]? | .formatted.value.weight // empty' 2>/dev/null
}

# Into the file `weights`, each once that follows another.
watch_weights() {
	local now last=''
	while [[ ! -e $DIR/weights.stop ]]; do
		now=$(kernel_weight)
		if [[ $now && $now != "$last" ]]; then
			echo "$now" >>"$DIR/weights"
			last=$now
		fi
		pause
	done
}

# end_load NAME: prints its requests; a failure when any of them was not answered well.
end_load() {
	end "$1" INT
	expect_eq "$(jq -r '.requests - .outcomes.success' "$1.log")" 0 "failed requests of $1"
	jq -r .requests "$1.log"
}

# expect_exact N [STABLE CANARY]: so many requests in all, by serin's account and by the servers'. Versions as named.
expect_exact() {
	wait_for 5 both_served "$1" || note "the servers logged $(($(served stable) + $(served canary))), the clients sent $1"
	expect_requests "${2:-stable}" "success=$(served stable)"
	expect_requests "${3:-canary}" "success=$(served canary)"
}

# Thirty-one steps of four seconds, so that decisions and kills meet.
quick_steps() {
	local weight steps=''
	for weight in {3..93..3}; do
		steps+="{weight: $weight, hold: 4s}, "
	done
	echo "steps: [$steps{weight: 100}]"
}

: "${KILLS:=200}"
DEADLINE[killed_again_and_again]=400
test_killed_again_and_again() {
	local i began requests
	two_nginx
	write_config "$(quick_steps)" 'on_inconclusive: promote' 'analysis: {latency_margin: 100x}' 'gates: {P_min: 0, D_max: 0}'
	start_over -c config.yaml
	spawn kept "$LOAD" --url "$STABLE/" --method GET --connections 20 --source 127.0.2.1-127.0.2.10 --rate 100 --json
	spawn renewed "$LOAD" --url "$STABLE/" --method GET --connections 40 --source 127.0.1.1-127.0.1.40 --rate 100 \
		--per-connection 3 --json
	background watcher watch_weights
	began=$(now_ms)
	for ((i = 0; i < KILLS; i++)); do
		at_random 900
		kill_agent
		at_random 100
		start_over -c config.yaml
		serin dump -o json | jq -c '.releases[0]' >>looks
	done
	echo "$KILLS kills in $(($(now_ms) - began)) ms"
	wait_for $((140 - ($(now_ms) - began) / 1000)) looked_at_until Promoted ||
		fail "it is not promoted: $(release '"\(.phase), step \(.step): \(.reason)"')"
	requests=$(end_load kept)
	requests=$((requests + $(end_load renewed)))
	expect_exact "$requests" v1 v2
	expect_losses
	touch weights.stop
	expect_eq "$(times_said takeover)" "$KILLS" "agents that took over"
	expect_one_story
	stop_agent TERM
	expect_nothing_left
}

# The last steps, without a kill, are looked at as well.
looked_at_until() {
	serin dump -o json | jq -c '.releases[0]' >>looks
	release_phase_is "$1"
}

# Each step with its time, and what it waited for at every look: for the one who has to find out.
tell_steps() {
	story '[.[:-1], .[1:]] | transpose | map("\(.[0].set_weight) %: \((.[1].at_unix - .[0].at_unix) * 100 | round / 100) s") | join(", ")'
	jq -s -r '[.[] | select(.phase == "Progressing") | "step \(.step), \(.held_seconds * 10 | round / 10) s: \(.waiting)"] | join("; ")' looks
}

# What history, the kernel and the looks in between tell must be one and the same release, step by step.
expect_one_story() {
	local plan
	plan=$(echo {300..9300..300} 10000)
	serin history chat -o json >story.json
	tell_steps
	expect_eq "$(story '[.[] | .set_weight * 100 | round] | join(" ")')" "$plan" "weights in the history"
	expect_eq "$(story '[.[] | .weight_from * 100 | round] | join(" ")')" "0 ${plan% *}" "weights before, in the history"
	expect_eq "$(story "$(pairs '.[1].at_unix - .[0].at_unix < 3.999')")" 0 "steps that were shorter than their hold"
	expect_eq "$(tr '\n' ' ' <weights | sed 's/^0 //; s/ $//')" "$plan" "weights that the kernel had"
	# A disk that hangs for seconds makes a step longer, not begin again: its hold is what each agent says of it. The first
	# step may have to wait for a connection of 3 in 100.
	jq -s 'map(select(.phase == "Progressing"))' looks >story.json
	expect_eq "$(story "$(pairs '.[0].step == .[1].step and .[0].held_seconds > .[1].held_seconds')")" 0 \
		"steps that were begun again"
	expect_eq "$(story 'map(select(.held_seconds > 5 and (.step > 1 or .waiting != "traffic"))) | length')" 0 \
		"steps that were over and not left"
	jq -s 'map(select(.evidence))' looks >story.json
	expect_eq "$(story "$(pairs '.[0].step > .[1].step')")" 0 "steps back"
	expect_eq "$(story "$(pairs '.[0].evidence.blocks > .[1].evidence.blocks')")" 0 "evidence that was lost"
	expect "no evidence was gathered" holds "$(story '.[-1].evidence.blocks') > 100"
}

story() {
	jq -r "$1" story.json
}

# pairs CONDITION: how many neighbours meet it.
pairs() {
	echo "[.[:-1], .[1:]] | transpose | map(select($1)) | length"
}

# ---- requests that outlast an agent ----

# one_release OPTION...: OPTIONS are those of an agent with a store of the test's own.
one_release() {
	OPTIONS=(--name chat --stable 8000 --canary 8001 --tick 100 --store "$DIR/serin.db" "${NO_GATES[@]}" "$@")
}

# next_agent SECONDS: the agent is killed; another one comes that much later.
next_agent() {
	kill_agent
	read -rt "$1" -u "$NEVER" || true
	start_over "${OPTIONS[@]}"
}

test_an_answer_outlasts_its_agent() {
	two_nginx
	one_release
	start_over "${OPTIONS[@]}"
	background client get "$STABLE/slow" -o /dev/null -w '%{time_total}' >took
	need "the request does not arrive" wait_for 5 established 8000
	next_agent 0.3
	expect "the answer ended before the next agent came" alive client
	expect_eq "$(dump stable .requests.in_flight)" 1 "requests in flight at the next agent"
	need "the client does not end" wait_for 20 dead client
	expect_requests stable success=1
	expect_eq "$(dump stable .latency_seconds.duration.count)" 1 "durations"
	expect_near "$(dump stable .latency_seconds.duration.sum)" "$(<took)" 0.05 "duration"
}

# The deadline passes while nobody sweeps.
test_a_request_that_nobody_answers_is_one_timeout() {
	start_own stable silent 8000
	one_release --timeout 2
	start_over "${OPTIONS[@]}"
	background client get "$STABLE/" -o /dev/null
	need "the request does not arrive" wait_for 5 dump_is stable .requests.in_flight 1
	next_agent 3
	expect_requests stable timeout=1
	next_agent 0
	expect_requests stable timeout=1
	end client
}

# ---- where a release stands ----

# by_kill, by_term: one agent after the other, the first one ended so. With pins, or with the store alone.
by_kill() {
	next_agent 0
}

by_term() {
	stop_agent TERM
	expect_nothing_left
	start_over "${OPTIONS[@]}"
}

# stands PHASE WEIGHT MANUAL STEP
stands() {
	release_is '"\(.phase) \(.set_weight) \(.manual) \(.step)"' "$*"
}

# expect_stands WHEN PHASE WEIGHT MANUAL STEP
expect_stands() {
	local when=$1
	shift
	wait_for 3 stands "$@" ||
		note "$when: $(release '"\(.phase) \(.set_weight) \(.manual) \(.step)"'), expected $*"
}

# History by its words.
told() {
	serin history chat -o json | jq -r '[.[].reason_code] | join(" ")'
}

test_rolled_back_stays_rolled_back() {
	two_nginx
	one_release --weight 50
	start_over "${OPTIONS[@]}"
	serin abort chat
	expect_stands "at first" RolledBack 0 false null
	by_kill
	expect_stands "after a kill" RolledBack 0 false null
	expect "the agent does not say why not 50 %" said restored '"phase": *"RolledBack"'
	by_term
	expect_stands "after a stop" RolledBack 0 false null
	expect_eq "$(times_said restored)" 2 "times it was said why not"
	expect_all_by stable 20
	expect_eq "$(told)" "weight aborted" "history"
}

test_promoted_stays_promoted() {
	two_nginx
	one_release --steps 20:10m,100
	start_over "${OPTIONS[@]}"
	serin promote chat --full
	expect_stands "at first" Promoted 100 false 2
	by_kill
	expect_stands "after a kill" Promoted 100 false 2
	expect_all_by canary 20
	by_term
	wait_for 5 release_phase_is Promoted || note "phase after a stop: $(release .phase)"
	expect_all_by canary 20
}

test_paused_stays_paused() {
	two_nginx
	one_release --steps 20:10m,100
	start_over "${OPTIONS[@]}"
	need "it does not begin" wait_for 5 release_phase_is Progressing
	serin pause chat
	expect_stands "at first" Paused 20 false 1
	by_kill
	expect_stands "after a kill" Paused 20 false 1
	by_term
	expect_stands "after a stop" Paused 20 false 1
	serin resume chat
	expect_stands "resumed" Progressing 20 false 1
}

# A person's weight is the release's; it is gone with all that could tell of it.
test_a_persons_weight() {
	two_nginx
	one_release
	start_over "${OPTIONS[@]}"
	set_weight 30
	by_kill
	expect_stands "after a kill" Progressing 30 true null
	rm -f "$DIR"/serin.db*
	by_kill
	expect_stands "after a kill, without the store" Progressing 30 true null
	wait_for 3 told_is weight || note "the new history: $(told)"
	by_term
	expect_stands "after a stop" Progressing 30 true null
	stop_agent TERM
	rm -f "$DIR"/serin.db*
	start_over "${OPTIONS[@]}"
	expect_stands "after a stop, without the store" Idle 0 false null
}

told_is() {
	[[ $(told) == "$1" ]]
}

test_a_persons_weight_in_memory_alone() {
	two_nginx
	one_release --store :memory:
	start_over "${OPTIONS[@]}"
	set_weight 30
	by_kill
	expect_stands "after a kill" Progressing 30 true null
	expect_eq "$(told)" weight "the new history"
	by_term
	expect_stands "after a stop" Idle 0 false null
}

# ---- another configuration ----

# What the next agent knows nothing of, nobody would ever take back.
test_a_release_that_is_not_there_any_more() {
	two_nginx
	write_config
	start_over -c config.yaml
	set_weight 100
	expect_all_by canary 10
	kill_agent
	sed -i '/^releases:/,$d' config.yaml
	start_over -c config.yaml
	expect_all_by stable 20
	expect_eq "$(kernel_weight)" "" "weights in the kernel"
}

# Places in the kernel are by the order of the configuration; releases keep theirs.
test_releases_in_another_order() {
	two_nginx
	start_nginx other 127.0.0.1:8002
	two_releases chat other
	start_over -c config.yaml
	set_weight 100
	kill_agent
	two_releases other chat
	start_over -c config.yaml
	expect_stands "chat" Progressing 100 true null
	expect_all_by canary 20
	expect_eq "$(get http://127.0.0.1:8002/)" other "the other's answer"
}

# two_releases FIRST SECOND: in that order.
two_releases() {
	local name
	local -A port=([chat]=8000 [other]=8002)
	{
		echo models:
		for name in chat other; do
			echo "  - {name: $name, version: v1, match: {port: ${port[$name]}}}"
			echo "  - {name: $name, version: v2, match: {port: $((port[$name] + 1))}}"
		done
		echo "store: {path: $DIR/serin.db}"
		echo releases:
		for name; do
			echo "  - {name: $name, service: {port: ${port[$name]}}, stable: v1, canary: v2}"
		done
	} >config.yaml
}

# The old canary still listens, and is nobody's.
test_the_canary_listens_elsewhere() {
	two_nginx
	start_nginx moved 127.0.0.1:8005
	one_release
	start_over "${OPTIONS[@]}"
	set_weight 100
	expect_all_by canary 10
	OPTIONS=("${OPTIONS[@]/#8001/8005}")
	next_agent 0
	expect_eq "$(get "$STABLE/")$(get "$STABLE/")$(get "$STABLE/")" movedmovedmoved "answers"
	end moved
	expect_eq "$(get "$STABLE/")" stable "answer when it is gone"
}

# ---- other programs ----

pinned_links() {
	local path
	for path in "$PINS$INSTANCE"/link_*; do
		echo "${path##*/link_} $(bpftool -j link show pinned "$path" | jq -r '"\(.id) \(.prog_id)"')"
	done
}

pinned_maps() {
	local path
	for path in "$PINS$INSTANCE"/{serin,section}_*; do
		bpftool -j map show pinned "$path" | jq -r .id
	done
}

# newer_serin: from a copy of the sources, programs that do one thing more, to no effect.
newer_serin() {
	local body='volatile __u64 newer = bpf_ktime_get_ns();\n\t(void)newer;'
	mkdir newer
	cp -a "$ROOT"/{Makefile,bpf,include,tools,user} newer/
	sed -i '/^int.*\(serin_steer(\|serin_ingress(\|serin_sched_switch,\)/,/^{/ s/^{/&\n\t'"$body/" \
		newer/bpf/{steer,observe,sched}.bpf.c
	make -s -C newer >make.out 2>&1 || fail "the newer version cannot be built: $(tail -n 1 make.out)"
}

DEADLINE[another_version_under_load]=240
test_another_version_under_load() {
	local requests
	newer_serin
	two_nginx
	one_release
	start_over "${OPTIONS[@]}"
	set_weight 50
	spawn kept "$LOAD" --url "$STABLE/" --method GET --connections 20 --rate 100 --json
	spawn renewed "$LOAD" --url "$STABLE/" --method GET --connections 20 --rate 100 --per-connection 1 --json
	pinned_links >links.0
	pinned_maps >maps.0
	SERIN=$DIR/newer/build/serin next_agent 0
	pinned_links >links.1
	next_agent 0
	pinned_links >links.2
	pinned_maps >maps.2
	requests=$(end_load kept)
	requests=$((requests + $(end_load renewed)))
	expect_exact "$requests"
	expect_stands "at last" Progressing 50 true null
	expect_eq "$(times_said takeover)" 2 "agents that took over"
	expect_eq "$(<maps.2)" "$(<maps.0)" "maps"
	expect_updated links.0 links.1
	expect_updated links.1 links.2
	wait_for 5 none_is_there links.0 links.1 || note "replaced links or programs are there still"
	expect "an unfinished link is pinned" test ! -e "$PINS$INSTANCE/fresh"
}

# expect_updated BEFORE AFTER: programs that differ are others; where the kernel can change a link's program, the link is
# the same.
expect_updated() {
	local name link program was_link was_program
	while read -r name link program; do
		read -r was_link was_program < <(sed -n "s/^$name //p" "$1")
		case $name in
		serin_steer | serin_ingress)
			expect_eq "$link" "$was_link" "link of $name"
			expect "$name is the same program" test "$program" != "$was_program"
			;;
		serin_sched_switch) expect "$name is the same program" test "$program" != "$was_program" ;;
		serin_sockops | serin_members | serin_sched_exit)
			expect_eq "$link $program" "$was_link $was_program" "link and program of $name"
			;;
		esac
	done <"$2"
}

# none_is_there BEFORE...: of their links and programs, those that are not in use now.
none_is_there() {
	local name link program
	pinned_links >links.now
	while read -r name link program; do
		if ! grep -q "^$name $link " links.now && bpftool link show id "$link" >/dev/null 2>&1; then
			return 1
		fi
		if ! grep -q "^$name [0-9]* $program\$" links.now && bpftool prog show id "$program" >/dev/null 2>&1; then
			return 1
		fi
	done < <(cat "$@")
}

# ---- pins that cannot be taken over ----

# replaced PATTERN COMMAND...: the command changes the pins of a killed agent; the next one says what is wrong with them,
# begins anew, and brings the release to where the store has it.
replaced() {
	local pattern=$1
	shift
	two_nginx
	one_release
	start_over "${OPTIONS[@]}"
	set_weight 100
	expect_all_by canary 20
	pinned_links >links.0
	kill_agent
	(cd "$PINS$INSTANCE" && "$@")
	start_load "$STABLE/"
	start_over "${OPTIONS[@]}"
	load_goes_on 200
	stop_load
	expect_eq "$LOAD_FAILED" 0 "failed requests of $LOAD_SENT"
	expect "the agent does not say what is wrong" said warning "could not be taken over: .*$pattern"
	expect_eq "$(times_said takeover)" 0 "agents that took over"
	expect_stands "anew" Progressing 100 true null
	expect_all_by canary 20
	wait_for 5 none_is_there links.0 || note "links or programs of the earlier agent are there still"
	stop_agent TERM
	expect_nothing_left
}

test_pins_of_another_layout() {
	replaced 'another layout' eval 'mv layout_* layout_1'
}

test_a_pinned_map_of_another_form() {
	replaced 'the map serin_tallies has another form' eval 'rm serin_tallies
		bpftool map create "$PWD/serin_tallies" type percpu_array key 4 value 8 entries 16 name serin_tallies'
}

test_a_pinned_map_is_missing() {
	replaced 'the map serin_hists cannot be opened' rm serin_hists
}

test_a_directory_in_the_place_of_a_map() {
	replaced 'the map serin_hists cannot be opened' eval 'rm serin_hists; mkdir -p serin_hists/inside'
}

# Nothing is lost by it but what happened meanwhile.
test_a_pinned_link_is_missing() {
	two_nginx
	one_release
	start_over "${OPTIONS[@]}"
	times 5 get "$STABLE/" -o /dev/null
	kill_agent
	rm "$PINS$INSTANCE"/link_serin_{egress,sched_switch,steer}
	start_over "${OPTIONS[@]}"
	expect_eq "$(times_said takeover)" 1 "agents that took over"
	expect "no link was pinned anew" test -e "$PINS$INSTANCE/link_serin_steer"
	times 5 get "$STABLE/" -o /dev/null
	expect_requests stable success=10
	set_weight 100
	expect_all_by canary 20
}

# ---- killed while it starts ----

: "${STARTS:=30}"
DEADLINE[killed_while_it_starts]=150
test_killed_while_it_starts() {
	local i
	two_nginx
	one_release --weight 100
	for ((i = 0; i < STARTS; i++)); do
		case $((i % 3)) in
		0) rm -rf "$PINS$INSTANCE" ;;                # all is made anew
		1) rm -rf "$PINS$INSTANCE"/programs_* ;; # all is loaded anew
		esac
		spawn agent "$SERIN" run --instance "$INSTANCE" --log json "${OPTIONS[@]}"
		at_random $((i % 3 == 2 ? 80 : 1200))
		kill_agent
		expect_match "$(get "$STABLE/")" '^(stable|canary)$' "answer after $i kills"
	done
	start_over "${OPTIONS[@]}"
	expect_stands "at last" Progressing 100 true null
	expect_all_by canary 20
	stop_agent TERM
	expect_nothing_left
}

# Nobody vouches for the weight any more.
test_the_lease_ends_without_an_agent() {
	two_nginx
	one_release --lease 1
	start_over "${OPTIONS[@]}"
	set_weight 100
	expect_all_by canary 20
	kill_agent
	need "connections go to the canary still" wait_for 5 answered_by stable
	expect_all_by stable 20
	start_over "${OPTIONS[@]}"
	expect_stands "with the next agent" Progressing 100 true null
	expect_all_by canary 20
	expect_between 20 "$(release .steering.expired)" 30 "connections after the lease"
}

answered_by() {
	[[ $(get "$STABLE/") == "$1" ]]
}

# ---- left on purpose ----

test_on_exit_keep() {
	two_nginx
	one_release --lease 3 --on-exit keep
	start_over "${OPTIONS[@]}"
	set_weight 100
	stop_agent TERM
	expect "the agent does not say that weights stay" said stopped 'weights stay'
	expect_all_by canary 20
	expect_eq "$(serin dump -o json | jq -c '[.agent.running, (.models | length)]')" "[false,2]" "dump without an agent"
	"$SERIN" check >check.out || note "serin check beside pins: $(tail -n 1 check.out)"
	start_over "${OPTIONS[@]}"
	expect_stands "with the next agent" Progressing 100 true null
	expect_requests canary success=20
	stop_agent TERM
	need "connections go to the canary after the lease" wait_for 6 answered_by stable
	one_release
	start_over "${OPTIONS[@]}"
	expect_all_by canary 20
	stop_agent TERM
	expect_nothing_left
	expect_all_by stable 20
}

# ---- elsewhere ----

# The links on the network namespace and the listeners of the other one are not this one's.
test_the_next_agent_is_in_another_namespace() {
	local here=$NS there=$NS-there
	two_nginx
	one_release
	start_over "${OPTIONS[@]}"
	set_weight 100
	expect_all_by canary 20
	kill_agent
	make_namespace "$there"
	NS=$there
	start_nginx stable2 127.0.0.1:8000
	start_load "$STABLE/"
	start_over "${OPTIONS[@]}"
	load_goes_on 100
	stop_load
	expect_eq "$LOAD_FAILED" 0 "failed requests of $LOAD_SENT"
	expect_eq "$(get "$STABLE/")" stable2 "answer there, without a canary"
	start_nginx canary2 127.0.0.1:8001
	expect_eq "$(get "$STABLE/")" canary2 "answer there"
	NS=$here
	expect_all_by stable 20
	NS=$there
	stop_agent TERM
	expect_nothing_left
	NS=$here
}

# The kernel recognises servers with no agent there.
test_servers_restarted_without_an_agent() {
	two_nginx
	one_release --lease 60
	start_over "${OPTIONS[@]}"
	set_weight 50
	expect_eq "$(with_ab -n 100 -c 4 "$STABLE/")" 100 "requests before"
	kill_agent
	end stable
	end canary
	start_nginx stable 127.0.0.1:8000
	start_nginx canary 127.0.0.1:8001
	expect_share 50 400
	start_over "${OPTIONS[@]}"
	expect_share 50 400
	expect_exact $(($(served stable) + $(served canary)))
	expect_eq "$(dump canary '.pids | join(" ")')" "${PID[canary]}" "processes of the canary"
}
