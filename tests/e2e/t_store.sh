# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
# What outlives an agent: minutes, maxima of R. Decisions are t_cli.sh's and t_takeover.sh's.

# ask_store SQL: the rows, a line each, members separated by spaces.
ask_store() {
	/usr/bin/python3 - "$DIR/serin.db" "$1" <<-'END'
		import sqlite3, sys
		for row in sqlite3.connect("file:" + sys.argv[1] + "?mode=ro", timeout=5, uri=True).execute(sys.argv[2]):
		    print(*row)
	END
}

store_has() {
	[[ $(ask_store "$1") ]]
}

watch_v1() {
	printf '%s\n' "tick: 100ms" "store: {path: $DIR/serin.db}" "$@" "models:" \
		"  - {name: chat, version: v1, match: {port: 8000}}" >config.yaml
	start_with_config
}

DEADLINE[minutes_and_maxima_are_kept]=150
test_minutes_and_maxima_are_kept() {
	local n s most
	start_nginx v1 127.0.0.1:8000
	watch_v1 "window: 2s"
	spawn clients "$LOAD" --url http://127.0.0.1:8000/ --method GET --connections 4 --rate 50
	need "R is known before a window has passed" release_none_R
	need "no minute is kept" wait_for 80 store_has 'SELECT requests FROM minutes'
	read -r n s < <(ask_store "SELECT requests, successes FROM minutes WHERE model = 'chat' AND version = 'v1' LIMIT 1")
	expect_between 2700 "$n" 3100 "requests of the minute"
	expect_eq "$s" "$n" "successes of the minute"
	expect_eq "$(ask_store 'SELECT count(*) FROM minutes WHERE p50_seconds > 0 AND p50_seconds <= p99_seconds AND cpu_seconds > 0')" 1 \
		"minutes with times and CPU"
	most=$(dump v1 .window.resources.network.max)
	stop_agent TERM
	start_with_config
	need "the maxima are not those of before" wait_for 1 dump_is v1 '.window.resources.network.max > 0' true
	expect_between "$(value "$most * 0.9")" "$(dump v1 .window.resources.network.max)" "$(value "$most * 1.1")" "the maximum"
	end clients INT
}

release_none_R() {
	dump_is v1 .window.R null
}

# resources: {max: limit}: M is what there is, from the first window on.
test_r_against_the_limit() {
	start_nginx v1 127.0.0.1:8000
	watch_v1 "resources: {max: limit}"
	spawn clients "$LOAD" --url http://127.0.0.1:8000/ --method GET --connections 2 --rate 100
	need "no limit of the CPU" wait_for 5 dump_is v1 '.window.resources.cpu.max > 0' true
	expect_between 0.01 "$(dump v1 .window.resources.cpu.max)" "$(nproc)" "cores"
	expect_between 1e6 "$(dump v1 .window.resources.memory.max)" \
		"$(awk '$1 == "MemTotal:" { printf "%.0f", $2 * 1024 }' /proc/meminfo)" "bytes"
	expect_eq "$(dump v1 .window.resources.network.max)" null "network has no limit"
	expect_between 0.000001 "$(dump v1 .window.R)" 0.999 "R"
	end clients INT
}

# baseline: history: what stable was recorded to do on the day before is what is normal, whatever it does now.
test_d_against_what_was_recorded() {
	local now
	start_nginx stable 127.0.0.1:8000
	start_nginx canary 127.0.0.1:8001
	write_config 'start: manual' 'gates: {P_min: off, D_max: off}' 'analysis: {evidence: false, baseline: history}'
	start_with_config
	stop_agent TERM # it has made the tables
	now=$(date +%s)
	ask_store_for "INSERT INTO minutes VALUES ('chat', 'v1', $((now - 7200)), 1000, 500, 500, 0.5, NULL, NULL, 0.1, 0.1, 0.1, 1, 10000),
		('chat', 'v1', $((now - 200000)), 1000, 1000, 0, 1, NULL, NULL, 0.1, 0.1, 0.1, 1, 10000)"
	start_with_config
	set_weight 50
	spawn clients "$LOAD" --url http://127.0.0.1:8000/broken --method GET --connections 8 --rate 100 --per-connection 1
	# Every request fails on both: concurrently D is 0; half of the canary's are above what was normal.
	need "no requests in the window" wait_for 10 dump_is v2 '.window.N > 60' true
	expect_eq "$(dump v2 '.window | (.T2 * 2 - .N | fabs) < 0.001')" true "T2 is half of N"
	expect_eq "$(dump v2 '.window | .D > 0.4 * .N / .T0')" true "D"
	end agent KILL
	start_with_config
	need "no requests in the window of the next agent" wait_for 10 dump_is v2 '.window.N > 20' true
	expect_eq "$(dump v2 '.window | (.T2 * 2 - .N | fabs) < 0.001')" true "T2 is half of N for the next agent"
	end clients INT
}

ask_store_for() {
	/usr/bin/python3 -c 'import sqlite3, sys; c = sqlite3.connect(sys.argv[1], timeout=5); c.execute(sys.argv[2]); c.commit()' \
		"$DIR/serin.db" "$1"
}

# A trouble is told once; commands, history and steering go on, and what was kept in memory goes into the file.
test_a_store_that_cannot_be_made() {
	two_nginx
	write_config 'start: manual'
	mkdir serin.db
	start_with_config
	set_weight 50
	expect_eq "$(serin history chat -o json | jq length)" 1 "decisions that are remembered"
	need "it takes no second look" wait_for 5 uptime_is_above 1.5
	expect_eq "$(grep -c '"cause":"store"' agent.log)" 1 "warnings of the store"
	rmdir serin.db
	need "it is not brought into the file" wait_for 20 store_has "SELECT * FROM decisions WHERE release = 'chat'"
	expect_eq "$(stat -c %a serin.db)" 600 "the file's mode"
	expect_eq "$(grep -c '"cause":"store"' agent.log)" 1 "warnings of the store, in the end"
}

uptime_is_above() {
	holds "$(serin dump -o json | jq .agent.uptime_seconds) > $1"
}
