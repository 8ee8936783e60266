# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
# The page in a browser: what it shows, what its buttons and keys do, and what it says when the agent goes away.

PAGE=http://127.0.0.1:9465/
DRIVER_PORT=9515

browser() {
	in_ns /usr/bin/python3 "$HERE/browser.py" $DRIVER_PORT "$@" || fail "the browser does not do: $*"
}

# start_browser WIDTH HEIGHT: all it writes is below the run's directory, all its processes are in the test's control group. A test's
# directory has too long a name for the sockets it makes.
start_browser() {
	local program
	for program in chromium chromedriver; do
		command -v $program >/dev/null || skip "$program is not here (tools/install-deps test installs it)"
	done
	mkdir -p home
	HOME=$DIR/home TMPDIR=$RUN_DIR XDG_RUNTIME_DIR=$DIR/home spawn driver chromedriver --port=$DRIVER_PORT
	await_listening driver $DRIVER_PORT
	browser begin "$1" "$2"
}

# start_page_release WINDOW LINE...: two model servers, and an agent whose API is on TCP; the lines as for write_config.
start_page_release() {
	start_model_server v1 8000
	start_model_server v2 8001
	write_token "$API_TOKEN"
	write_config "${@:2}"
	sed -i "s/^window: .*/window: $1/" config.yaml
	echo "api: {listen: 127.0.0.1:9465, token_file: $DIR/token}" >>config.yaml
	start_with_config
}

# page EXPRESSION: what it is in the page.
page() {
	browser eval "$1"
}

page_says() {
	[[ $(page "$1") =~ $2 ]]
}

# field NAME: the text of that name in the release.
field() {
	page "document.querySelector('.release[data-name=chat] [data-f=\"$1\"]')?.textContent ?? 'not there'"
}

field_is() {
	[[ $(field "$1") =~ ^($2)$ ]]
}

# open_page: with the token given.
open_page() {
	browser open $PAGE
	need "the page does not ask for the token" wait_for 10 page_says "document.getElementById('ask-token').open" true
	browser keys "$API_TOKEN{Enter}"
	need "the page shows no release" wait_for 10 field_is name chat
}

orders_that_are_not_possible() {
	page "[...document.querySelectorAll('[data-order]:disabled')].map(b => b.dataset.order).sort().join(' ')"
}

# share NUMBER: as the page writes a weight; for null a dash.
share() {
	[[ $1 == null ]] && echo – || echo "$(value "sprintf($1 < 10 ? \"%.2f\" : \"%.1f\", $1)")%"
}

status_of_release() {
	serin status chat -o json | jq -r "$1"
}

weights_agree() {
	local shown said
	shown=$(page "(await look(), show(), ['set', 'connections', 'requests'].map(f => document.querySelector('[data-f=' + f + ']').textContent).join(' '))")
	said=$(status_of_release '.set_weight, .actual_weight.connections, .actual_weight.requests' | while read -r number; do share "$number"; done | xargs)
	[[ $shown == "$said" && $said == *%*%*% ]]
}

both_say_there_is_no_traffic() {
	[[ $(status_of_release .actual_weight.requests) == null && $(field requests) == – ]]
}

# tab_to SELECTOR: by the keyboard, from where it is and as far as it takes.
tab_to() {
	local i
	for ((i = 0; i < 30; i++)); do
		browser keys '{Tab}'
		if page_says "document.activeElement.matches('$1')" true; then
			return
		fi
	done
	fail "Tab does not come to $1"
}

expect_no_complaints() {
	expect_eq "$(browser complaints)" '' "complaints of the browser"
	expect_eq "$(browser hosts)" 127.0.0.1:9465 "hosts that the page asked"
}

DEADLINE[page_shows_a_release_and_takes_orders]=120
test_page_shows_a_release_and_takes_orders() {
	local steered
	start_page_release 25s 'steps: [{weight: 20, hold: 10m}, {weight: 100}]' 'analysis: {min_requests: 20}'
	start_browser 1280 900
	browser open $PAGE
	need "it does not ask for the token" wait_for 10 page_says "document.getElementById('ask-token').open" true
	browser keys 'not-the-token-0123456789{Enter}'
	need "a wrong token is not refused in words" wait_for 10 page_says "document.getElementById('token-wrong').textContent" refuses
	expect_eq "$(page "document.querySelectorAll('.release').length + sessionStorage.length")" 0 "what it shows and keeps after a wrong token"
	browser keys "$API_TOKEN{Enter}"
	need "the right token shows nothing" wait_for 10 field_is phase Progressing
	expect_eq "$(field name) $(field stable) $(field canary)" "chat v1 v2" "release and versions"
	expect_eq "$(field set)" "20%" "set weight"
	expect "what is not known is not shown as such" wait_for 10 both_say_there_is_no_traffic

	# With the clients halted all figures of the long window stand still.
	crowd clients 60 --per-connection 3
	need "no two weights to tell apart" wait_for 20 release_is '.actual_weight | .requests != null and .connections != .requests' true
	kill -STOP "${PID[clients]}"
	expect "the weights are not those of serin status" wait_for 10 weights_agree
	kill -CONT "${PID[clients]}"
	expect_match "$(page "document.querySelector('[data-f=latency] .line.canary').getAttribute('d').length > 200")" true "a curve of v2"
	expect_eq "$(orders_that_are_not_possible)" "resume retry" "buttons that are off while Progressing"

	browser click '[data-order=pause]'
	need "the button does not pause" wait_for 10 release_phase_is Paused
	expect "the page does not show the pause" wait_for 5 field_is phase Paused
	expect_eq "$(field said)" "Paused." "what it says of it"
	tab_to '[data-order=resume]'
	expect_match "$(page "getComputedStyle(document.activeElement).outlineStyle")" solid "outline of the button with the focus"
	browser keys '{Enter}'
	need "Tab and Enter do not resume" wait_for 10 release_phase_is Progressing
	browser keys '?'
	expect_eq "$(page "document.getElementById('keys').open")" true "the keys are shown"
	browser keys '{Escape}p'
	need "the key p does not pause" wait_for 10 release_phase_is Paused

	browser keys 'a'
	expect_eq "$(page "document.getElementById('ask-sure').open")" true "it asks before it aborts"
	browser keys '{Escape}'
	expect "it aborts although it was told to leave it" holds_for 500 release_phase_is Paused
	browser keys 'a{Tab}{Enter}'
	need "abort does not roll back" wait_for 10 release_phase_is RolledBack
	expect "the page does not show it" wait_for 5 field_is phase 'Rolled back'
	expect "the decision does not show" wait_for 5 page_says "document.querySelector('.decisions .why').textContent" "$(release .reason)"
	steered=$(release .steering.canary)
	times 20 get "$STABLE/v1/models" -o /dev/null
	expect_eq "$(release .steering.canary)" "$steered" "connections that the kernel has given to the canary since"
	expect_eq "$(page "(agent.dump.releases[0].reason = '<b id=bold>&amp;', show(),
		document.querySelector('[data-f=reason]').textContent + document.querySelectorAll('#bold').length)")" '<b id=bold>&amp;0' \
		"markup in a text from outside, and what became of it"
	end clients INT
	expect_no_complaints

	# That it watches at all: what is not the page's own does not run, and is told.
	page "document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.foreign = 1'})), 0" >/dev/null
	expect_eq "$(page "typeof window.foreign")" undefined "a script from outside"
	expect_match "$(browser complaints)" 'policy: script-src' "complaints of the browser"
	browser end
}

# Pixels, beyond the screen: what is too wide makes a phone's page wider, not only its content.
overflow() {
	page "Math.max(document.documentElement.scrollWidth, innerWidth) - screen.width"
}

# How light the page's ground is, 0 to 255.
ground() {
	page "(c => { const x = new OffscreenCanvas(1, 1).getContext('2d'); x.fillStyle = c; x.fillRect(0, 0, 1, 1);
		return x.getImageData(0, 0, 1, 1).data[1]; })(getComputedStyle(document.body).backgroundColor)"
}

DEADLINE[page_tells_of_a_rollback_and_of_a_dead_agent]=120
test_page_tells_of_a_rollback_and_of_a_dead_agent() {
	start_page_release 2s 'steps: [{weight: 50, hold: 10m}, {weight: 100}]' 'gates: {min_requests: 20}'
	crowd clients 60 --per-connection 3 # some twenty new connections a second
	start_browser 360 740
	open_page
	page "window.sameDocument = true" >/dev/null
	browser media prefers-color-scheme light
	expect_between 200 "$(ground)" 255 "ground in the light"
	browser media prefers-color-scheme dark
	expect_between 0 "$(ground)" 60 "ground in the dark"
	expect_eq "$(overflow)" 0 "pixels that overflow while Progressing"
	browser keys d
	expect_between 200 "$(ground)" 255 "ground after the switch from auto to light"

	browser behind
	expect "the test's time does not pass" holds_for 2500 true
	browser front
	need "the page was not hidden for two seconds" page_says "hiddenTo - hiddenFrom > 2000" true
	expect_eq "$(page "performance.getEntriesByType('resource').filter(e => e.startTime > hiddenFrom + 20 && e.startTime < hiddenTo).length")" \
		0 "requests while it was hidden"

	expect_eq "$(status_of http://127.0.0.1:8001/fault -d '{"error_rate": 0.6}')" 200 "status of /fault"
	need "the agent does not roll back" wait_for 20 release_phase_is RolledBack
	expect "the page does not show the rollback within 3 s" wait_for 3 field_is phase 'Rolled back'
	expect_eq "$(field reason)" "$(release .reason)" "the reason"
	expect_match "$(page "document.getElementById('heard').textContent")" 'chat: Rolled back, canary v2 at 0%' "what is said aloud"
	expect_eq "$(orders_that_are_not_possible)" "abort full pause promote resume" "buttons that are off"
	expect_eq "$(overflow)" 0 "pixels that overflow when rolled back"

	kill_agent
	need "the page does not say that the agent is away" wait_for 10 page_says "document.getElementById('state').textContent" \
		'does not answer.*figures are [0-9]+ s old'
	expect "it does not grey the figures" wait_for 3 page_says "getComputedStyle(document.querySelector('.figures')).opacity" '0\.6'
	expect_eq "$(orders_that_are_not_possible)" "abort full pause promote resume retry" "buttons that are off while it is away"
	expect_eq "$(overflow)" 0 "pixels that overflow while the agent is away"
	start_with_config
	need "the page does not come back" wait_for 15 page_says "document.body.dataset.state" live
	expect_eq "$(page "window.sameDocument")" true "without a new load"
	expect_eq "$(page "getComputedStyle(document.querySelector('.figures')).filter")" none "the grey"
	expect_no_complaints
	browser end
	end clients INT
}
