# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
# `serin top`, on tmux's terminals, whose screen can be read.

# Alternatives: in the locale C brackets are of bytes.
BLOCK='(▁|▂|▃|▄|▅|▆|▇|█)'

top_command() {
	echo "'$SERIN' top --instance '$INSTANCE' $*"
}

# A shell, in which it is started and which is there afterwards.
start_top() {
	start_screen "$1" "$2" 'exec bash --norc --noprofile'
	screen send-keys "export PS1='\$ '; stty -a | sed 1d >before; clear; $(top_command "${@:3}"); echo ended with \$?" Enter
	expect_shown 'q quit|\? help'
}

# Its own screen is gone, the shell's is back, the terminal is as it was.
expect_left() {
	expect_shown "^ended with $1\$"
	expect "the cursor stays hidden" wait_for 3 cursor_is 1
	expect_eq "$(screen display-message -p '#{alternate_on}')" 0 "the alternate screen"
	screen send-keys 'stty -a | sed 1d | diff - before && echo settings as before' Enter
	expect_shown '^settings as before$'
	expect "what it drew is left on the shell's screen" not shows "^(chat|Weight|P |p99)|$BLOCK|░"
}

# expect_row LABEL FILTER: both versions' figures, in the JSON's words, on one line.
expect_row() {
	wait_for 5 row_shows "$@" || note "$1: '$(shown | grep "^$1 ")', expected $(row_pattern "$@")"
}

row_pattern() {
	serin dump -o json | jq -r "[.models[] | $2] | \"^$1 +\" + (map(tostring) | join(\"[^0-9]* \"))"
}

row_shows() {
	shows "$(row_pattern "$@")"
}

test_top_shows_what_status_says() {
	two_nginx
	start_agent --weight 30 "${NO_GATES[@]}"
	start_top 100 40
	expect_eq "$(with_ab -n 300 -c 4 "$STABLE/")" 300 "requests answered"
	expect_shown '^chat  ◌ Progressing'
	expect_shown '^Weight +set 30% for .* actual [0-9.]+% of connections, [0-9.]+% of requests'
	expect_shown '^ +stable stable +canary canary'
	expect_row 'in flight' .requests.in_flight
	expect_shown '^P success +1\.0000 .*1\.0000'
	expect_shown '^p99 +[0-9.]+ m?s .*[0-9] m?s'
	expect_shown '^Errors +.* e [0-9.e-]+ of [0-9]+'
	expect_shown '^Latency '
	expect_shown '^[0-9:]{8} +Progressing 30% +weight set to 30% by hand'
	set_weight 45
	expect_shown '^Weight +set 45%'
	expect_shown '^[0-9:]{8} +Progressing 45%'
	screen send-keys q
	expect_left 0
}

test_top_keys_are_orders() {
	two_nginx
	start_agent_with_steps
	need "it does not begin by itself" wait_for 10 release_is .phase Progressing
	start_top 80 24
	screen send-keys p
	expect_shown '^chat: Paused\.$'
	expect_eq "$(release .phase)" Paused "phase after p"
	expect_shown '^chat  ॥ Paused'
	screen send-keys r
	expect_shown '^chat: Resumed\.$'
	expect_eq "$(release .phase)" Progressing "phase after r"
	screen send-keys m
	expect_shown '^chat: promote v2 to step 2, 20%\? y/n$'
	expect_eq "$(release .step)" 1 "step while it asks"
	screen send-keys y
	expect_shown '^chat: Promoted\.$'
	expect_eq "$(release .step)" 2 "step after y"
	screen send-keys w 1 2 . 5 x Enter
	expect_shown '^chat: the weight is 12\.5% now\.$'
	expect_eq "$(release .set_weight)" 12.5 "weight that was typed"
	screen send-keys w 1 0 1 Enter
	expect_shown "'101' is not a number from 0 to 100; nothing was done"
	screen send-keys a
	expect_shown '^chat: take v2 out of traffic\? y/n$'
	expect_eq "$(release .phase)" Progressing "phase while it asks"
	screen send-keys n
	expect_shown '^nothing was done$'
	expect_eq "$(release .phase)" Progressing "phase after n"
	screen send-keys a y
	expect_shown '^chat: Canary taken out\.$'
	expect_shown '^chat  ✖ RolledBack'
	screen send-keys p
	expect_shown '^chat: .*(RolledBack|rolled back)'
	screen send-keys t
	expect_shown '^chat: Started again\.$'
	expect_eq "$(release .phase)" Progressing "phase after t"
	screen send-keys '?'
	expect_shown '^a +take the canary out of traffic'
	screen send-keys ' ' q
	expect_left 0
}

# drawn_for FOOT: all of it is on the screen, once, and the last line is the last: nothing has scrolled or gone on in the next line.
drawn_for() {
	shown >screen.txt
	grep -qE '^chat  ◌ Prog' < <(head -n 1 screen.txt) && grep -qE "$1" < <(tail -n 1 screen.txt) &&
		[[ $(grep -cE '^[Ww]eight ' screen.txt) -le 1 && $(grep -cE 'q quit|\? help' screen.txt) == 1 ]] &&
		! grep -qE '\[[0-9;?]*[mKJHhl]' screen.txt
}

# expect_drawn_for COLUMNS ROWS FOOT
expect_drawn_for() {
	screen resize-window -x "$1" -y "$2"
	wait_for 5 drawn_for "$3" || note "not as it should be in $1x$2: $(<screen.txt)"
	expect_eq "$(wc -l <screen.txt)" "$2" "lines in $1x$2"
}

test_top_follows_the_size() {
	two_nginx
	start_agent --weight 30 "${NO_GATES[@]}"
	times 20 get "$STABLE/" -o /dev/null
	start_top 120 40
	expect_shown '^Latency '
	expect_drawn_for 80 24 '^p pause  r resume .* q quit$'
	expect_drawn_for 40 12 '^p r m a w t \? help q quit$'
	expect_shown '^P +1\.0000'
	expect_drawn_for 20 4 '^p r m a w t '
	expect_drawn_for 200 50 '^p pause .* q quit$'
	expect_shown '^Slowness +.* excess '
	screen send-keys q
	expect_left 0
}

test_top_leaves_the_terminal_as_it_was() {
	two_nginx
	start_agent --weight 30 "${NO_GATES[@]}"
	start_top 80 24
	expect_eq "$(screen display-message -p '#{alternate_on}')" 1 "the alternate screen while it runs"
	screen send-keys C-z
	expect_shown 'Stopped'
	expect_eq "$(screen display-message -p '#{alternate_on} #{cursor_flag}')" '0 1' "alternate screen and cursor while it is stopped"
	set_weight 35
	screen send-keys 'fg' Enter
	expect_shown '^Weight +set 35%'
	screen send-keys C-c 'clear; echo ended with $?' Enter
	expect_left 0
	screen send-keys "clear; $(top_command); echo ended with \$?" Enter
	expect_shown '^Weight +set 35%'
	end_top TERM
	expect_left 0
}

# end_top SIGNAL: the one of this test, by its control group.
end_top() {
	local pid
	while read -r pid; do
		if tr '\0' ' ' <"/proc/$pid/cmdline" | grep -qF "$SERIN top"; then
			kill -"$1" "$pid"
		fi
	done <"$CGROUP/cgroup.procs"
}

test_top_outlives_the_agent() {
	two_nginx
	start_agent --weight 30 "${NO_GATES[@]}"
	start_top 100 30
	expect_shown '^Weight +set 30%'
	end agent KILL
	expect_shown '^no agent listens on .*; what is below is [0-9]+ s old$'
	screen send-keys p
	expect_shown '^no agent listens on .*; nothing was done$'
	start_agent "${NO_GATES[@]}"
	set_weight 20
	expect_shown '^Weight +set 20%'
	expect "it still says that nobody is there" wait_for 10 not shows '^no agent'
	screen send-keys q
	expect_left 0
}

test_top_waits_for_the_first_agent() {
	two_nginx
	need_serin
	start_top 100 30
	expect_shown '^no agent listens on .*; waiting for it$'
	start_agent --weight 30 "${NO_GATES[@]}"
	expect_shown '^Weight +set 30%'
	screen send-keys q
	expect_left 0
}

# An agent that hangs keeps nobody from leaving.
test_top_of_an_agent_that_hangs() {
	two_nginx
	start_agent --weight 30 "${NO_GATES[@]}"
	start_top 100 30
	expect_shown '^Weight +set 30%'
	kill -STOP "${PID[agent]}"
	expect_shown '^the agent on .* gives no usable answer; what is below is [0-9]+ s old$'
	screen send-keys q
	expect_left 0
	kill -CONT "${PID[agent]}"
}

samples_are() {
	series_has ".at_unix | length >= $1"
}

# Curves need nobody who was there: at once there are as many columns as samples.
test_top_has_a_past_at_once() {
	two_nginx
	start_agent --weight 30 "${NO_GATES[@]}"
	with_ab -n 100 -c 4 "$STABLE/" >/dev/null
	need "no samples" wait_for 20 samples_are 12
	LC_ALL=C.UTF-8 serin top >top.out || note "exit code: $?"
	expect_match "$(grep '^requests/s' top.out)" "$BLOCK" "a curve in what is printed"
	start_top 200 50
	screen send-keys z z
	wait_for 2 shows "^requests/s .*$BLOCK{9}" || note "no curve of nine seconds within two: $(shown | grep '^requests/s')"
	screen send-keys q
	expect_left 0
}

test_top_chooses_among_several() {
	two_nginx
	start_agent_with_config <<-'END'
		models:
		  - {name: chat, version: v1, match: {port: 8000}}
		  - {name: chat, version: v2, match: {port: 8001}}
		  - {name: embed, version: a, match: {port: 8002}}
		  - {name: embed, version: b, match: {port: 8003}}
		releases:
		  - {name: chat, service: {port: 8000}, stable: v1, canary: v2}
		  - {name: embed, service: {port: 8002}, stable: a, canary: b}
	END
	start_top 100 30
	expect_shown '^ +RELEASE +PHASE'
	expect_shown '^▶ chat +○ Idle'
	expect_shown '^  embed +○ Idle'
	screen send-keys Down
	expect_shown '^▶ embed'
	expect_shown '^embed  ○ Idle'
	screen send-keys Enter
	expect "the table is still there" wait_for 3 not shows 'RELEASE'
	screen send-keys Enter Up w 1 5 Enter
	expect_shown '^chat: the weight is 15% now\.$'
	expect_shown '^▶ chat +◌ Progressing +15%'
	expect_eq "$(serin status embed -o json | jq .set_weight)" 0 "weight of the other"
	screen send-keys q
	expect_left 0
	expect_eq "$(serin top | wc -l)" 3 "lines of what is printed"
	serin top embed >embed.out
	expect_match "$(head -n 1 embed.out)" '^embed  ' "one of them, printed"
}

test_top_is_plain_where_no_terminal_is() {
	two_nginx
	expect_refused 1 'no agent listens.*serin run' top --instance "$INSTANCE"
	start_agent --weight 30 "${NO_GATES[@]}"
	times 5 get "$STABLE/" -o /dev/null
	LC_ALL=C TERM=xterm serin top >ascii.out || note "exit code: $?"
	expect "bytes that are not ASCII in the locale C" not grep -qP '[^\x20-\x7e]' ascii.out
	expect_match "$(<ascii.out)" 'Weight +set 30%' "in ASCII"
	LC_ALL=C.UTF-8 TERM=xterm serin top chat -b 2 -d 0.2 >utf8.out || note "exit code: $?"
	expect_eq "$(grep -c '^Weight' utf8.out)" 2 "tables with -b 2"
	expect "a terminal's codes in a file" not grep -q $'\033' utf8.out
	expect_refused 1 'no release nobody' top nobody --instance "$INSTANCE"
	expect_refused 2 'one NAME' top a b --instance "$INSTANCE"
	expect_refused 2 'batch.*0' top -b 0 --instance "$INSTANCE"
	start_screen 80 24 "TERM=dumb $(top_command)"
	expect_shown '^ended with 0$'
	expect_shown '^Weight +set 30%'
}

test_top_knows_no_colour() {
	two_nginx
	start_agent --weight 30 "${NO_GATES[@]}"
	start_screen 80 24 "NO_COLOR=1 $(top_command)"
	expect_shown '^chat  ◌ Progressing'
	expect "colours although NO_COLOR is set" not grep -q $'\033' <(screen capture-pane -p -e)
	screen send-keys q
	expect_shown '^ended with 0$'
}
