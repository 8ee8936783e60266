# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
# Connections of which both ends are ours: scenes.py plays them, and knows what times must come out.

# What a watched port with nobody on it: each play listens anew.
start_stage() {
	start_agent --stable 8000 "$@"
}

# play SCENE [ARGUMENT...]: on port 8000.
act() {
	in_ns /usr/bin/python3 -u "$HERE/scenes.py" 8000 "$@" >>"$DIR/scenes.out" 2>"$DIR/scenes.err" ||
		fail "scene $*: $(tail -n 1 "$DIR/scenes.err")"
}

# play_elsewhere SCENE [ARGUMENT...]: with a server that is not the scene's.
play_elsewhere() {
	in_ns /usr/bin/python3 -u "$HERE/scenes.py" 0 "$@" >>"$DIR/scenes.out" 2>"$DIR/scenes.err" ||
		fail "scene $*: $(tail -n 1 "$DIR/scenes.err")"
}

# begin_play SCENE [ARGUMENT...]: in the background; it goes on at each cue.
begin_play() {
	rm -f "$DIR"/cue.*
	spawn play /usr/bin/python3 -u "$HERE/scenes.py" 8000 "$@"
}

# await_stage CUE: until the scene waits for it.
await_stage() {
	wait_for 20 stage_or_dead "$1" || fail "the scene does not come to $1"
	alive play || fail "the scene ended before $1: $(tail -n 1 "$DIR/play.err")"
}

stage_or_dead() {
	grep -qx "$1" "$DIR/play.log" || dead play
}

cue() {
	touch "$DIR/cue.$1"
}

end_play() {
	local status=0
	need "the scene does not end" wait_for 30 dead play
	wait "${PID[play]}" || status=$?
	[[ $status == 0 ]] || fail "the scene failed: $(tail -n 1 "$DIR/play.err")"
}

wrong_times() {
	serin dump -o json | /usr/bin/python3 "$HERE/scenes.py" judge stable
}

times_are_right() {
	[[ -z $(wrong_times) ]]
}

# All times, bytes and connections of the scenes so far: within what their own clocks allow.
expect_times() {
	local line
	wait_for 3 times_are_right && return
	while read -r line; do
		note "$line"
	done < <(wrong_times)
}

# The losses that are not zero.
# expect_field FILTER VALUE
expect_field() {
	wait_for 3 dump_is stable "$1" "$2" || note "$1: $(dump stable "$1"), expected $2"
}
