# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
# What people type and read: orders, status, history, completion. Terminals are tmux's, whose screen can be read.

# ---- orders ----

# order WORDS PATTERN: done, said in one line on stdout that matches, and nothing on stderr.
order() {
	local status=0
	# shellcheck disable=SC2086 # words
	serin $1 >order.out 2>order.err || status=$?
	expect_eq "$status" 0 "serin $1: exit code"
	expect_eq "$(wc -l <order.out)" 1 "serin $1: lines on stdout"
	expect_match "$(<order.out)" "$2" "serin $1"
	expect_eq "$(<order.err)" '' "serin $1: stderr"
}

test_cli_orders_say_what_is_so() {
	two_nginx
	start_agent --weight 10 "${NO_GATES[@]}"
	order 'weight chat 25' '^chat: Progressing, canary at 25%'
	expect_eq "$(release .set_weight)" 25 "set weight"
	order 'weight 12.5' '^chat: Progressing, canary at 12\.5%'
	expect_eq "$(release .set_weight)" 12.5 "set weight"
	order 'abort' '^chat: RolledBack, canary at 0%'
	order 'weight chat 0' '^chat: Idle, canary at 0%'
}

test_cli_refusals_are_one_line() {
	two_nginx
	expect_refused 1 'no agent listens.*serin run' weight 10 --instance "$INSTANCE"
	expect_refused 1 'no agent listens.*serin run' promote chat --instance "$INSTANCE"
	expect_refused 1 'no agent listens.*serin run' history --instance "$INSTANCE"
	start_agent --weight 10 "${NO_GATES[@]}"
	for word in promote pause resume retry abort; do
		expect_refused 1 '.' "$word" nobody --instance "$INSTANCE"
		expect_refused 2 'cannot be the name' "$word" a/b --instance "$INSTANCE"
		expect_refused 2 "usage: serin $word" "$word" chat surplus --instance "$INSTANCE"
	done
	expect_refused 1 nobody weight nobody 10 --instance "$INSTANCE"
	expect_refused 2 "'chat' is not a number" weight chat --instance "$INSTANCE"
	expect_refused 2 'usage: serin weight' weight --instance "$INSTANCE"
	expect_refused 2 'full' pause --full --instance "$INSTANCE"
	expect_refused 2 'one NAME' history a b --instance "$INSTANCE"
	expect_refused 2 'limit.*0' history --limit 0 --instance "$INSTANCE"
	serin abort >abort.out
	expect_refused 1 '[a-z]' abort --instance "$INSTANCE"
	expect_eq "$(release .phase)" RolledBack "phase"
}

# What only a configuration can give an agent: steps, several releases. It is read from stdin.
start_agent_with_config() {
	need_serin
	"$SERIN" help run | grep -q -- '-c, ' || skip "this agent reads no configuration"
	cat >config.yaml
	: >"$DIR/agent.log"
	: >"$DIR/agent.err"
	spawn agent "$SERIN" run -c "$DIR/config.yaml" --instance "$INSTANCE" --log json --tick 100
	await_event ready
}

start_agent_with_steps() {
	start_agent_with_config <<-'END'
		models:
		  - {name: chat, version: v1, match: {port: 8000}}
		  - {name: chat, version: v2, match: {port: 8001}}
		releases:
		  - name: chat
		    service: {port: 8000}
		    stable: v1
		    canary: v2
		    steps: [{weight: 10, hold: 10m}, {weight: 20, hold: 10m}, {weight: 100}]
	END
}

test_cli_orders_along_the_steps() {
	local status=0
	two_nginx
	start_agent_with_steps
	need "it does not begin by itself" wait_for 10 release_is '"\(.phase) \(.step)"' 'Progressing 1'
	order 'pause' '^chat: Paused, canary at 10%, step 1 of 3$'
	serin status >status.out || status=$?
	expect_eq "$status" 1 "exit code of serin status when paused"
	order 'resume chat' '^chat: Progressing, canary at 10%, step 1 of 3$'
	order 'promote' '^chat: Progressing, canary at 20%, step 2 of 3$'
	order 'abort' '^chat: RolledBack, canary at 0%'
	expect_refused 1 '.' promote --instance "$INSTANCE"
	order 'retry' '^chat: Progressing, canary at 10%, step 1 of 3$'
	order 'weight 50' '^chat: Progressing, canary at 50%.*, by hand$'
	order 'promote --full' '^chat: (Promoted|Progressing), canary at 100%'
	serin status >status.out || note "exit code of serin status: $?"
	expect_match "$(<status.out)" '10% 10m -- . 20% 10m -- . 100%' "the plan"
}

# With several releases a person has to say which.
test_cli_which_release() {
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
	expect_refused 2 'which release\? there are chat, embed; say .serin abort NAME' abort --instance "$INSTANCE"
	expect_refused 2 'which release.*serin weight NAME' weight 10 --instance "$INSTANCE"
	order 'weight chat 10' '^chat: Progressing, canary at 10%'
	expect_eq "$(serin status -o json | jq -r '[.[].name] | join(" ")')" 'chat embed' "releases in JSON"
	expect_eq "$(serin status embed -o json | jq -r .name)" embed "one of them"
	expect_eq "$(serin completion releases | tr '\n' ' ')" 'chat embed ' "what is completed"
}

# ---- history ----

test_cli_history_of_a_release() {
	two_nginx
	start_agent --weight 10 --store "$DIR/history.db" "${NO_GATES[@]}"
	order 'weight 25' 25
	order 'abort' RolledBack
	serin history >history.out || note "exit code of serin history: $?"
	expect_match "$(head -n 1 history.out)" '^TIME +RELEASE +PHASE +WEIGHT +REASON$' "titles"
	expect_match "$(tail -n 1 history.out)" \
		'^20[0-9]{2}-[0-9]{2}-[0-9]{2} [0-9:]{8}  chat     Progressing -> RolledBack +25% -> 0% +aborted by hand' "newest"
	expect_eq "$(serin history chat -o json | jq -c '[.[-2:][] | .phase, .set_weight]')" \
		'["Progressing",25,"RolledBack",0]' "in JSON"
	expect_eq "$(serin history --limit 1 -o json | jq length)" 1 "decisions with --limit 1"
	expect_eq "$(serin history nobody -o json 2>&1 | jq -c . 2>/dev/null || true)" '[]' "decisions of nobody"
	serin history -o json >before.json
	stop_agent TERM
	serin history --store "$DIR/history.db" -o json >after.json || note "exit code of serin history without an agent: $?"
	expect_eq "$(jq -c . after.json)" "$(jq -c . before.json)" "decisions without an agent"
}

test_cli_history_of_what_is_no_database() {
	expect_refused 1 'No such file' history --store "$DIR/none.db" --instance "$INSTANCE"
	head -c 8192 /dev/zero >zeros.db
	expect_refused 1 "zeros.db: it is damaged, or not serin's" history --store "$DIR/zeros.db" --instance "$INSTANCE"
	expect_nothing_left
}

# ---- status ----

status_in() {
	LC_ALL=$1 TERM=xterm serin status "${@:2}"
}

test_cli_status_is_plain_where_no_terminal_is() {
	local status=0
	two_nginx
	start_agent --weight 10 "${NO_GATES[@]}"
	times 5 get "$STABLE/" -o /dev/null
	status_in C >ascii.out || note "exit code: $?"
	expect "bytes that are not ASCII in the locale C" not grep -qP '[^\x20-\x7e]' ascii.out
	expect_match "$(<ascii.out)" 'Phase      ~ Progressing' "in ASCII"
	expect_match "$(<ascii.out)" 'set 10%.* actual ' "set and actual weight"
	status_in C.UTF-8 chat >utf8.out || note "exit code: $?"
	expect_match "$(<utf8.out)" 'Phase      ◌ Progressing' "in UTF-8"
	expect "a terminal's codes in a file" not grep -q $'\033' utf8.out
	expect_eq "$(serin status -o json | jq -r .name)" chat "the only release in JSON"
	expect_refused 1 'no release nobody' status nobody --instance "$INSTANCE"
	serin abort >/dev/null
	status_in C >ascii.out || status=$?
	expect_eq "$status" 1 "exit code after a rollback"
	expect_match "$(<ascii.out)" 'Phase      x RolledBack' "after a rollback"
	expect_match "$(<ascii.out)" 'Reason     aborted by hand' "the reason"
}

# ---- following, into a file ----

start_watch() {
	: >watch.out
	# shellcheck disable=SC2030 # for that process
	LC_ALL=C spawn watch "$SERIN" status -w --instance "$INSTANCE" "$@"
}

watched() {
	grep -qE "$1" watch.log
}

blocks() {
	grep -cE '^Phase ' watch.log || true
}

blocks_are() {
	[[ $(blocks) == "$1" ]]
}

# Of one that was ended by SIGINT.
expect_watch_code() {
	local status=0
	end watch INT
	wait "${PID[watch]}" || status=$?
	expect_eq "$status" "$1" "exit code of serin status -w"
}

test_cli_watch_adds_what_changes() {
	two_nginx
	start_agent --weight 10 "${NO_GATES[@]}"
	start_watch
	need "nothing is shown" wait_for 5 watched '^Weight +set 10%'
	expect "blocks without a change" holds_for 2500 blocks_are 1
	set_weight 20
	expect "the weight is not shown" wait_for 5 watched '^Weight +set 20%'
	expect_eq "$(blocks)" 2 "blocks"
	end agent KILL
	expect "it does not say that the agent has gone" wait_for 5 watched 'no agent listens on .*; waiting'
	start_agent --weight 30 "${NO_GATES[@]}"
	expect_eq "$(grep -c waiting watch.log)" 1 "times it said so"
	set_weight 40
	expect "the new agent is not shown" wait_for 5 watched '^Weight +set 40%'
	expect_watch_code 0
	start_watch
	serin abort >/dev/null
	need "the rollback is not shown" wait_for 5 watched 'RolledBack'
	expect_watch_code 1
}

# Not at the next change, which may be far.
test_cli_watch_ends_when_nobody_reads() {
	two_nginx
	start_agent --weight 10 "${NO_GATES[@]}"
	LC_ALL=C timeout 10 "$SERIN" status -w --instance "$INSTANCE" 2>watch.err | head -n 3 >watch.out
	expect_eq "${PIPESTATUS[*]}" '0 0' "exit codes of serin status -w and of who read three lines"
	expect_match "$(<watch.out)" 'Progressing' "what was read"
}

test_cli_watch_in_json_is_a_line_a_change() {
	two_nginx
	start_agent --weight 10 "${NO_GATES[@]}"
	start_watch -o json
	need "nothing is shown" wait_for 5 watched '"set_weight":10'
	set_weight 20
	expect "the weight is not shown" wait_for 5 watched '"set_weight":20'
	expect_watch_code 0
	expect_eq "$(jq -c .set_weight watch.log | tr '\n' ' ')" '10 20 ' "weights"
}

# ---- following, on a terminal ----

screen() {
	LC_ALL=C.UTF-8 tmux -u -S "$DIR/tmux.sock" -f /dev/null "$@"
}

# start_screen COLUMNS ROWS COMMAND: in a shell, which says the exit code afterwards.
start_screen() {
	command -v tmux >/dev/null || skip "tmux is not installed"
	screen new-session -d -x "$1" -y "$2" "export LC_ALL=C.UTF-8 TZ=UTC; $3; echo \"ended with \$?\"; exec sh" ||
		fail "tmux does not start"
}

shown() {
	screen capture-pane -p
}

shows() {
	shown | grep -qE "$1"
}

expect_shown() {
	wait_for 8 shows "$1" || note "not on the screen: /$1/; but: $(shown)"
}

cursor_is() {
	[[ $(screen display-message -p '#{cursor_flag}') == "$1" ]]
}

watch_command() {
	echo "'$SERIN' status -w --instance '$INSTANCE'"
}

# A line of the terminal that is drawn in place is there once.
expect_drawn_in_place() {
	expect_eq "$(shown | grep -c '^Weight ')" 1 "lines of the weight on the screen"
	expect_eq "$(shown | grep -c 'q ends this')" 1 "last lines on the screen"
}

test_cli_watch_on_a_terminal() {
	two_nginx
	start_agent --weight 10 "${NO_GATES[@]}"
	start_screen 80 24 "$(watch_command)"
	expect_shown '^Phase +◌ Progressing'
	expect_shown '^Weight +set 10%'
	expect "the cursor is shown" wait_for 3 cursor_is 0
	set_weight 20
	expect_shown '^Weight +set 20%'
	expect_drawn_in_place
	expect_match "$(screen capture-pane -p -e | grep '◌')" $'\033\\[33m' "the phase's colour"
	screen send-keys q
	expect_shown '^ended with 0$'
	expect "the cursor stays hidden" wait_for 3 cursor_is 1
	screen send-keys 'stty -a' Enter
	expect_shown ' icanon'
	expect_shown ' echo '
}

test_cli_watch_follows_the_size() {
	two_nginx
	start_agent --weight 10 "${NO_GATES[@]}"
	start_screen 80 24 "$(watch_command)"
	expect_shown '^Weight +set 10%.* of requests$'
	screen resize-window -x 40 -y 8
	expect_shown '^Weight .*…$'
	expect_shown 'more lines in a taller window'
	expect_drawn_in_place
	screen resize-window -x 120 -y 60
	expect_shown '^Weight +set 10%.* of requests$'
	expect_shown '^connections open'
	expect_drawn_in_place
	expect "lines of the small window are left" not shows 'taller'
	screen send-keys q
	expect_shown '^ended with 0$'
}

test_cli_watch_outlives_the_agent() {
	two_nginx
	start_agent --weight 10 "${NO_GATES[@]}"
	start_screen 80 24 "$(watch_command)"
	expect_shown '^Weight +set 10%'
	end agent KILL
	expect_shown '^no agent listens on .*'
	expect_shown 'q ends this'
	expect "figures of an agent that is gone" not shows '^Weight'
	start_agent "${NO_GATES[@]}"
	set_weight 30
	expect_shown '^Weight +set 30%'
	expect "it says that nobody is there" not shows 'no agent'
	serin abort >/dev/null
	expect_shown 'RolledBack'
	screen send-keys C-c
	expect_shown '^ended with 1$'
	expect "the cursor stays hidden" wait_for 3 cursor_is 1
}

# Before any agent, too, and stopped by ^Z in between.
test_cli_watch_waits_for_the_first_agent() {
	two_nginx
	need_serin
	start_screen 100 24 'exec bash --norc'
	screen send-keys "$(watch_command)" Enter
	expect_shown 'no agent listens on .*; waiting for it'
	screen send-keys C-z
	expect_shown 'Stopped'
	expect "the cursor stays hidden" wait_for 3 cursor_is 1
	start_agent --weight 10 "${NO_GATES[@]}"
	screen send-keys 'clear; fg' Enter
	expect_shown '^Weight +set 10%'
	expect "the cursor is shown" wait_for 3 cursor_is 0
	screen send-keys C-c 'echo code=$?' Enter
	expect_shown '^code=0$'
}

test_cli_watch_knows_no_colour() {
	two_nginx
	start_agent --weight 10 "${NO_GATES[@]}"
	start_screen 80 24 "NO_COLOR=1 $(watch_command)"
	expect_shown '^Phase +◌ Progressing'
	expect "colours although NO_COLOR is set" not grep -q $'\033' <(screen capture-pane -p -e)
	screen send-keys q
	expect_shown '^ended with 0$'
}

# ---- help and completion ----

test_cli_help_knows_every_command() {
	local word
	need_serin
	"$SERIN" help >help.out
	for word in run status top history weight promote pause resume abort retry dump plan check completion version help; do
		expect_match "$(<help.out)" "
  $word " "serin help"
		"$SERIN" help "$word" >word.out 2>word.err || note "serin help $word: exit code $?"
		expect_match "$(<word.out)" "^usage: serin" "serin help $word"
		expect_eq "$(<word.err)" '' "serin help $word: stderr"
	done
	expect_match "$("$SERIN" help promote)" '--full' "serin help promote"
	expect_match "$("$SERIN" help status)" '-w, --watch' "serin help status"
	expect_refused 2 tcsh completion tcsh
	expect_refused 2 usage completion
}

# bash_completes LINE: the replies, one after the other, as bash would have them.
bash_completes() {
	PATH=$(dirname "$SERIN"):$PATH bash --norc --noprofile -c '
		. /dev/stdin
		COMP_LINE=$1 COMP_POINT=${#1} COMP_TYPE=9
		read -ra COMP_WORDS <<<"$1"
		[[ $1 != *" " ]] || COMP_WORDS+=("")
		COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
		_serin
		echo "${COMPREPLY[*]}"' bash "$1" < <("$SERIN" completion bash)
}

expect_completes() {
	expect_eq "$(bash_completes "$1")" "$2" "bash completes '$1'"
}

test_cli_completion_in_bash() {
	two_nginx
	expect_eq "$(bash --norc -c '. <("$1" completion bash); complete -p serin' bash "$SERIN")" \
		'complete -F _serin serin' "what bash knows"
	expect_completes 'serin sta' 'status'
	expect_completes 'serin p' 'promote pause plan'
	expect_completes 'serin promote -' '--full --instance --help'
	expect_completes 'serin status --o' '--output'
	expect_completes 'serin to' 'top'
	expect_completes 'serin top -' '-b --batch -d --delay --instance --help'
	expect_completes 'serin status -o ' 'text json'
	expect_completes 'serin run --log j' 'json'
	expect_completes 'serin run --weight ' ''
	expect_completes 'serin help comp' 'completion'
	expect_completes 'serin completion ' 'bash zsh fish'
	expect_completes "serin abort --instance $INSTANCE " ''
	launch_agent --weight 10 "${NO_GATES[@]}" --name chat:7b
	await_event ready
	expect_completes "serin abort --instance $INSTANCE " 'chat:7b'
	expect_completes "serin status --instance $INSTANCE ch" 'chat:7b'
	expect_completes "serin abort --instance $INSTANCE chat:" '7b'
	expect_completes "serin abort --instance $INSTANCE x" ''
}

test_cli_completion_in_fish() {
	command -v fish >/dev/null || skip "fish is not installed"
	two_nginx
	start_agent --weight 10 "${NO_GATES[@]}"
	fish_completes 'serin sta' 'status	releases at a glance.*'
	fish_completes 'serin completion ' 'bash
fish
zsh'
	fish_completes 'serin status -o ' 'json.*
text.*'
	fish_completes "serin abort --instance $INSTANCE " 'chat'
	fish_completes 'serin promote --f' '--full.*'
}

fish_completes() {
	local got
	# shellcheck disable=SC2016 # fish's variable
	got=$(PATH=$(dirname "$SERIN"):$PATH HOME=$DIR fish --no-config -c 'serin completion fish | source; complete -C $argv[1]' "$1")
	expect_match "$got" "^$2\$" "fish completes '$1'"
}

# In a terminal, as zsh completes nowhere else.
test_cli_completion_in_zsh() {
	command -v zsh >/dev/null || skip "zsh is not installed"
	two_nginx
	start_agent --weight 10 "${NO_GATES[@]}"
	start_screen 100 40 "PATH=$(dirname "$SERIN"):\$PATH exec zsh -f"
	screen send-keys "PS1='> '; autoload -Uz compinit; compinit -D -u; source <(serin completion zsh); clear; echo set''up" Enter
	expect_shown '^setup$'
	zsh_completes 'serin his' '^> serin history'
	zsh_completes 'serin completion f' '^> serin completion fish'
	zsh_completes 'serin status -o j' '^> serin status -o json'
	zsh_completes "serin abort --instance $INSTANCE c" "^> serin abort --instance $INSTANCE chat"
	zsh_completes 'serin promote --f' '^> serin promote --full'
	zsh_completes 'serin p' 'promote +-- go on to the next step'
}

zsh_completes() {
	screen send-keys C-u
	screen send-keys -l "$1"
	screen send-keys Tab
	wait_for 8 shows "$2" || note "zsh completes '$1' to: $(shown)"
}

# libcurl is loaded by the first call only. Whoever lacks it is told so, and the agent needs none.
test_commands_without_libcurl() {
	local library command hide=()
	two_nginx
	start_agent
	while read -r library; do
		hide+=("mount --bind /dev/null $library;")
	done < <(ldconfig -p | awk '/libcurl(-gnutls)?\.so\.4 / { print $NF }')
	need "no libcurl was found" test "${#hide[@]}" -gt 0
	local AS=(unshare --mount bash -c "${hide[*]} exec \"\$@\"" bash)
	for command in status "status -w" top; do
		# shellcheck disable=SC2086 # a command and its option
		expect_refused 1 'libcurl\.so\.4, which talks to the agent, cannot be loaded; install libcurl4$' $command --instance "$INSTANCE"
	done
}
