# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # for the tests
# Both ends of connections, played from one score (duet.py): what is on its way, and when, is the test's to say.

ASK='GET / HTTP/1.1\r\nHost: test\r\n\r\n'
TELL='HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
REFUSE='HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno'
BREAK='HTTP/1.1 500 Internal Server Error\r\nContent-Length: 2\r\n\r\nno'

# start_duet PORT [OPTION...]: one at a time.
start_duet() {
	coproc DUET { in_ns /usr/bin/python3 -u "$HERE/duet.py" "$@" 2>>"$DIR/duet.err"; }
	PID[duet]=$DUET_PID
	await_listening duet "$1"
}

# play STEP...: each must succeed.
play() {
	local step reply
	for step; do
		echo "$step" >&"${DUET[1]}"
		reply='no answer within 30 s'
		read -rt 30 -u "${DUET[0]}" reply || true
		[[ $reply == ok ]] || fail "duet: $step: $reply $(tail -n 1 "$DIR/duet.err")"
	done
}

# answered N [ANSWER]: a request on each connection, and its answer; N times.
answered() {
	local i
	for ((i = 0; i < $1; i++)); do
		play "c $ASK" "s ${2:-$TELL}"
	done
}

# length TEXT: in bytes, its escapes read.
length() {
	printf %b "$1" | wc -c
}

# losses: those that are not 0, as NAME=N, in the order of their names.
# expect_bytes VERSION IN OUT
expect_bytes() {
	wait_for 3 dump_is "$1" '.bytes | "\(.in) \(.out)"' "$2 $3" ||
		note "bytes of $1: $(dump "$1" '.bytes | "\(.in) \(.out)"'), expected $2 $3"
}

# cut_off PORT [sport|dport]: whatever the server of that port sends (sport), or is sent (dport), is lost from now on; both, as
# when its clients' host has died, unless one is named. It goes with the namespace, or by mend.
cut_off() {
	in_ns nft -f - <<-END || skip "this kernel's nftables cannot drop"
		table inet cut {
			chain cut {
				type filter hook input priority 0;
				tcp ${2:-sport} $1 drop
				tcp ${2:-dport} $1 drop
			}
		}
	END
}

mend() {
	in_ns nft delete table inet cut
}

# TCP gives up a peer after one unanswered try instead of fifteen. It goes with the namespace.
impatient_tcp() {
	in_ns sh -c 'cd /proc/sys/net/ipv4 && echo 1 >tcp_retries2 && echo 1 >tcp_orphan_retries'
}
