# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
# Bad networks: whatever happens to segments, each request counts once, by its outcome, and each byte once.
#
# Who drops what where, seen from serin's hooks:
#   the wire (build/e2e/wire), from the client      before the ingress hook: neither it nor TCP sees the segment. The hook
#                                                   is before TCP's reordering, so it sees those behind the hole early
#   the wire, from the server                       after the egress hook: it has seen all, and sees it again
#   nftables, input                                 the same as the wire: netfilter is before the hook
#   nftables, output                                before the egress hook, but TCP is told, and takes it for unsent
#   iptables, output, -j NFQUEUE without a reader   before the egress hook, and TCP takes it for sent: only this makes
#                                                   holes in what the egress hook sees

MEGABYTE=1048576

# The test's namespace, a middle one and the client's, in a row: 10.77.0.1 and fd77::1 here, 10.77.0.2 and fd77::2 there.
make_wire() {
	PEER=$NS-peer MIDDLE=$NS-wire
	make_namespace "$PEER"
	make_namespace "$MIDDLE"
	in_middle sh -c 'echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6'
	in_ns ip link add side0 type veth peer name wire0 netns "$MIDDLE" 2>/dev/null || skip "this kernel has no veth"
	in_peer ip link add side1 type veth peer name wire1 netns "$MIDDLE"
	in_middle ip link set wire0 up
	in_middle ip link set wire1 up
	end_of_wire in_ns side0 1
	end_of_wire in_peer side1 2
}

in_middle() {
	nsenter --net="/run/netns/$MIDDLE" "$@"
}

# end_of_wire IN DEVICE NUMBER: a retransmission after 20 ms instead of 200, so that a bad network is not a long test.
end_of_wire() {
	"$1" ip link set "$2" up
	"$1" ip addr add "10.77.0.$3/24" dev "$2"
	"$1" ip -6 addr add "fd77::$3/64" dev "$2" nodad
	"$1" ip route change 10.77.0.0/24 dev "$2" src "10.77.0.$3" rto_min 20ms
	"$1" ip -6 route replace fd77::/64 dev "$2" metric 1 rto_min 20ms
}

# start_wire FAULT...: see wire.c. B is the client's side.
start_wire() {
	touch "$DIR/wire.log"
	spawn wire nsenter --net="/run/netns/$MIDDLE" "$ROOT/build/e2e/wire" --seed 7 --seconds 100 wire0 wire1 "$@"
	need "the wire is not ready" wait_for 5 wire_is_ready
}

wire_is_ready() {
	[[ $(tail -n 1 "$DIR/wire.log") == ready ]]
}

# new_wire FAULT...: in place of the old.
new_wire() {
	end wire
	start_wire "$@"
}

# wire_did DIRECTION WHAT: by the account of the wire that has ended.
wire_did() {
	tail -n 1 "$DIR/wire.log" | jq ".\"$1\".$2"
}

# Each segment is a packet of its own. Offloads switched off on the device are not enough: TCP makes super-packets all
# the same (since 4.17), and they are cut behind the hook.
no_super_packets() {
	in_ns ip link set side0 gso_max_segs 1
	in_peer ip link set side1 gso_max_segs 1
}

# ---- work for servers, and what must be counted of it ----

start_two() {
	make_wire
	start_nginx stable '10.77.0.1:8000' '[fd77::1]:8000'
	spawn canary "$MODEL_SERVER" --listen 10.77.0.1:8001 --model-version canary --fault chunk_delay_ms=2
	await_listening canary 8001
	start_agent --weight 0 --timeout 30
	OK=0 STREAMED_IN=0 STREAMED_OUT=0 STREAMED=0
}

# Of each of these the client must have had the answer. They add to OK.
small_requests() {
	OK=$((OK + $(NS=$PEER with_h2load --h1 -n 150 -c 5 "$1")))
}

connections() {
	OK=$((OK + $(NS=$PEER with_ab -s 20 -n 40 -c 20 "$1")))
}

# at_once N ARGUMENT...: that many of curl at the same time.
at_once() {
	local i pids=() count=$1
	shift
	for ((i = 0; i < count; i++)); do
		in_peer curl -sS --max-time 40 -o /dev/null "$@" 2>>"$DIR/curl.err" &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		wait "$i" || note "curl had no answer: $(tail -n 1 "$DIR/curl.err")"
	done
	OK=$((OK + count))
}

downloads() {
	at_once 3 "$1/big"
}

uploads() {
	at_once 2 -T www/big "$1/upload/file"
	at_once 2 -T www/big -H 'Expect:' "$1/upload/file"
}

# The model server's, which logs nothing: the client knows the bytes.
streams() {
	in_peer "$LOAD" --url http://10.77.0.1:8001/v1/completions --connections 5 --requests 25 --stream 100 --json \
		>streams.json || note "load ended badly"
	expect_eq "$(jq .outcomes.success streams.json)" 25 "streams that the client had whole"
	STREAMED=$((STREAMED + 25))
	STREAMED_IN=$((STREAMED_IN + $(jq .bytes.out streams.json)))
	STREAMED_OUT=$((STREAMED_OUT + $(jq .bytes.in streams.json)))
}

all_kinds() {
	small_requests http://10.77.0.1:8000/
	connections http://10.77.0.1:8000/
	downloads http://10.77.0.1:8000
	uploads http://10.77.0.1:8000
	streams
}

# column N: its sum in nginx's log.
column() {
	awk -v n="$1" '{ s += $n } END { printf "%d", s }' "$DIR/stable.access"
}

all_ended() {
	dump_is stable .connections.open 0 && dump_is canary .connections.open 0
}

# By the clients, by nginx's log and by serin the same, to the byte.
expect_all_counted() {
	expect "connections stay open" wait_for 10 all_ended
	expect_eq "$(served stable)" "$OK" "answers in nginx's log"
	expect_requests stable success="$OK"
	expect_bytes stable "$(column 4)" "$(column 3)"
	expect_requests canary success="$STREAMED"
	expect_bytes canary "$STREAMED_IN" "$STREAMED_OUT"
	expect_eq "$(dump canary .latency_seconds.stream_duration.count)" "$STREAMED" "streams timed"
}

# Segments sent again by the whole namespace, where both servers and nobody else sends.
tcp_retransmitted() {
	in_ns nstat -asz TcpRetransSegs | awk '$1 == "TcpRetransSegs" { print $2 }'
}

retransmitted() {
	echo $(($(dump stable .retransmits) + $(dump canary .retransmits)))
}

# A super-packet is one retransmission of ours and several of TCP's, and those of a SYN-ACK or of a FIN alone carry
# nothing and are not ours: so TCP's count is an upper bound.
expect_retransmitted() {
	expect "nothing was sent again" holds "$(retransmitted) > 0"
	expect "more was sent again than TCP says" holds "$(retransmitted) <= $(tcp_retransmitted)"
}

suffer() {
	start_two
	start_wire "$@"
	all_kinds
	expect_all_counted
	expect_retransmitted
	expect_losses
}

test_wire_good() {
	start_two
	start_wire
	all_kinds
	expect_all_counted
	expect_losses
	end wire
	expect_eq "$(wire_did 'A>B' lost) $(wire_did 'B>A' lost)" "0 0" "segments that the wire lost"
}

test_wire_loses_1() {
	suffer A\>B: loss=1 B\>A: loss=1
}

test_wire_loses_10() {
	suffer A\>B: loss=10 B\>A: loss=10
}

test_wire_reorders() {
	suffer A\>B: late=20 hold=3 B\>A: late=20 hold=3
}

test_wire_doubles() {
	start_two
	start_wire A\>B: dup=30 B\>A: dup=30
	all_kinds
	expect_all_counted
	expect_losses
	end wire
	expect "the wire doubled nothing" holds "$(wire_did 'B>A' doubled) > 10"
}

test_wire_does_it_all() {
	suffer A\>B: loss=4 dup=5 late=10 hold=4 B\>A: loss=4 dup=5 late=10 hold=4
}

test_wire_does_it_all_to_single_segments() {
	start_two
	no_super_packets
	start_wire A\>B: loss=4 dup=5 late=10 hold=4 B\>A: loss=4 dup=5 late=10 hold=4
	all_kinds
	expect_all_counted
	expect_retransmitted
	expect_losses
}

# Segments whose checksum is wrong pass the hook, which is before TCP looks at it; TCP drops them, and they come again.
# An exchange may be unknown by that, but then it is told as a loss, and it is that exchange alone.
test_wire_spoils() {
	local unknown
	start_two
	no_super_packets
	start_wire A\>B: spoil=10 B\>A: spoil=10
	small_requests http://10.77.0.1:8000/
	connections http://10.77.0.1:8000/
	downloads http://10.77.0.1:8000
	expect "connections stay open" wait_for 10 all_ended
	unknown=$(dump stable .requests.unknown)
	expect_requests stable success=$((OK - unknown)) unknown="$unknown"
	expect_bytes stable "$(column 4)" "$(column 3)"
	expect "$unknown unknown, and no loss is told" test "$unknown" = 0 -o -n "$(losses)"
	end wire
	expect_between 5 "$(wire_did 'B>A' spoiled)" 100 "requests spoiled"
	expect_between 0 "$unknown" "$(wire_did 'B>A' spoiled)" "unknown, of those spoiled"
	expect_between 5 "$(in_ns nstat -asz TcpInCsumErrors | awk '/Csum/ { print $2 }')" 100 "wrong checksums (by nstat)"
}

# A reset that nobody gets, in the middle of an answer.
test_wire_loses_a_reset() {
	make_wire
	start_duet 8000 --listen 10.77.0.1 --connect 10.77.0.1 --client-netns "/run/netns/$PEER"
	start_agent --stable 8000
	start_wire A\>B: drop=ack:1 drop=ack:2 drop=ack:3
	play open "c $ASK" 's HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf' '+s @rst' '+c @end'
	expect_requests stable server_abort=1
	expect "the connection stays open" wait_for 5 dump_is stable .connections.open 0
	expect_losses
}

test_wire_ipv6() {
	start_two
	start_wire A\>B: loss=4 dup=5 late=10 hold=4 B\>A: loss=4 dup=5 late=10 hold=4
	connections 'http://[fd77::1]:8000/'
	downloads 'http://[fd77::1]:8000'
	uploads 'http://[fd77::1]:8000'
	expect_all_counted
	expect_retransmitted
	expect_losses
}

test_wire_mapped() {
	make_wire
	start_nginx stable '[::]:8000 ipv6only=off'
	start_agent --stable 8000
	OK=0
	start_wire A\>B: loss=4 dup=5 late=10 hold=4 B\>A: loss=4 dup=5 late=10 hold=4
	small_requests http://10.77.0.1:8000/
	connections http://10.77.0.1:8000/
	connections 'http://[fd77::1]:8000/'
	downloads http://10.77.0.1:8000
	uploads http://10.77.0.1:8000
	expect "connections stay open" wait_for 10 dump_is stable .connections.open 0
	expect_requests stable success="$OK"
	expect_bytes stable "$(column 4)" "$(column 3)"
	expect_losses
}

# Chunks cannot be followed across a hole. What is lost then is where the body ends, not the request.
test_wire_chunked_uploads() {
	start_two
	start_wire A\>B: late=10 B\>A: loss=5 late=10 hold=4
	at_once 6 -H 'Transfer-Encoding: chunked' -T www/big http://10.77.0.1:8000/upload/file
	small_requests http://10.77.0.1:8000/
	expect "connections stay open" wait_for 10 all_ended
	expect_requests stable success="$OK"
	expect_bytes stable "$(column 4)" "$(column 3)"
	expect_match "$(losses)" '^(gap=[0-6])?$' "losses"
}

# Bytes sent again, exactly as each connection of TCP has counted them, and segments where each is a packet.
test_wire_retransmitted_bytes() {
	local seen
	make_wire
	no_super_packets
	start_duet 8000 --listen 10.77.0.1 --connect 10.77.0.1 --client-netns "/run/netns/$PEER" --connections 4
	start_agent --stable 8000
	start_wire
	play open
	new_wire A\>B: loss=8 late=5 hold=3
	play "c $ASK" "s HTTP/1.1 200 OK\r\nContent-Length: 1200000\r\n\r\n"
	for _ in {1..20}; do
		play "s*60000 x"
	done
	expect_requests stable success=4
	expect "TCP waits for something" wait_for 10 nothing_unacknowledged
	seen=$(in_ns ss -Htin state established "sport = :8000")
	expect "nothing was sent again" holds "$(dump stable .retransmits) > 20"
	expect_eq "$(dump stable .retransmitted_bytes)" "$(sum_of bytes_retrans: "$seen")" "bytes sent again (against ss)"
	expect_eq "$(dump stable .retransmits)" "$(sum_of retrans:[0-9]+/ "$seen")" "segments sent again (against ss)"
	expect_bytes stable $((4 * $(length "$ASK"))) $((4 * (1200000 + 44)))
	expect_losses
}

nothing_unacknowledged() {
	[[ $(in_ns ss -Htin state established "sport = :8000") != *unacked:* ]]
}

# sum_of WORD TEXT: of the numbers that follow the word.
sum_of() {
	grep -oE "(^| )$1[0-9]+" <<<"$2" | grep -oE '[0-9]+$' | awk '{ s += $1 } END { printf "%d", s }'
}

# ---- one segment, chosen ----

# Three exchanges, the client goes first or the server does; the named fault hits one segment of it.
chosen() {
	local fault
	make_wire
	start_duet 8000 --listen 10.77.0.1 --connect 10.77.0.1 --client-netns "/run/netns/$PEER"
	start_agent --stable 8000 --timeout 20
	start_wire
	EXPECTED=0
	for fault; do
		read -ra words <<<"$fault"
		new_wire "${words[@]}"
		EXPECTED=$((EXPECTED + 1))
		play open "c $ASK" "s $TELL" "c $ASK" "s $REFUSE" "c $ASK" "s $BREAK" "$ENDING" "$ENDING_TOO"
		expect "a connection stays open after $fault" wait_for 10 dump_is stable .connections.open 0
		expect_requests_so_far "$fault"
	done
	expect_requests stable success="$EXPECTED" client_error="$EXPECTED" server_error="$EXPECTED"
	expect_bytes stable $((EXPECTED * 3 * $(length "$ASK"))) \
		$((EXPECTED * ($(length "$TELL") + $(length "$REFUSE") + $(length "$BREAK"))))
	expect_losses
}

expect_requests_so_far() {
	wait_for 3 dump_is stable '.requests | "\(.success) \(.client_error) \(.server_error) \(.total)"' \
		"$EXPECTED $EXPECTED $EXPECTED $((3 * EXPECTED))" || note "after $1: $(counts stable), $EXPECTED of each expected"
}

test_wire_loses_one_from_the_client() {
	ENDING='c @end' ENDING_TOO='s @end' chosen 'B>A: drop=ack:1' 'B>A: drop=data:1' 'B>A: drop=ack:1 drop=data:1' \
		'B>A: drop=data:3' 'B>A: drop=ack:2' 'B>A: drop=fin:1' 'B>A: drop=fin:1 drop=fin:2' 'B>A: swap=ack:1 hold=50' \
		'B>A: swap=data:1 hold=50' 'B>A: drop=syn:1'
}

test_wire_loses_one_from_the_server() {
	ENDING='s @end' ENDING_TOO='c @end' chosen 'A>B: drop=data:1' 'A>B: drop=data:1 drop=data:2' 'A>B: drop=data:3' \
		'A>B: drop=fin:1' 'A>B: drop=ack:1' 'A>B: swap=data:3 hold=50' 'A>B: swap=fin:1 hold=50' 'A>B: drop=syn:1'
}

# The FIN is lost and the last answer is late, or the other way round: still the client was told.
test_wire_loses_the_last_answer() {
	ENDING='s @end' ENDING_TOO='c @end' chosen 'A>B: drop=data:3 drop=fin:1' 'A>B: drop=data:3 drop=data:4 drop=fin:1' \
		'A>B: drop=data:3 B>A: drop=ack:2'
}

# A client that has finished asking (its FIN) and then listens. Its last ACK is lost, twice the answer.
test_wire_half_closed_client() {
	local fault words
	make_wire
	start_duet 8000 --listen 10.77.0.1 --connect 10.77.0.1 --client-netns "/run/netns/$PEER"
	start_agent --stable 8000 --timeout 20
	start_wire
	for fault in 'A>B:' 'A>B: drop=data:1' 'B>A: drop=ack:2' 'B>A: drop=ack:2 drop=ack:3' 'B>A: drop=fin:1'; do
		read -ra words <<<"$fault"
		new_wire "${words[@]}"
		play open "c $ASK" 'c @fin' "s $TELL" 's @end' 'c @end'
		expect "a connection stays open after $fault" wait_for 10 dump_is stable .connections.open 0
	done
	expect_requests stable success=5
	expect_losses
}

# Several requests on their way: of those behind the hole only the hole is sent again. Those that were not seen in order
# are not counted, that is a loss; and no answer is taken for another's.
test_wire_loses_one_of_several_requests() {
	make_wire
	start_duet 8000 --listen 10.77.0.1 --connect 10.77.0.1 --client-netns "/run/netns/$PEER"
	start_agent --stable 8000
	start_wire 'B>A:' drop=data:2
	play open "+c $ASK" "+c $ASK" "+c $ASK" "c $ASK" "s*2 $TELL" "s*2 $BREAK"
	answered 3
	expect "a request stays in flight" wait_for 5 dump_is stable .requests.in_flight 0
	expect_eq "$(dump stable .requests.success)" 5 "success"
	expect_eq "$(dump stable '.requests | .total - .success - .server_error - .unknown')" 0 "other outcomes"
	if ! dump_is stable .requests.server_error 2; then
		expect "nothing is lost" not losses_are ''
	fi
}

# The same, and one more is asked before the answers come.
test_wire_loses_one_of_several_and_another_follows() {
	make_wire
	start_duet 8000 --listen 10.77.0.1 --connect 10.77.0.1 --client-netns "/run/netns/$PEER"
	start_agent --stable 8000
	start_wire 'B>A:' drop=data:2
	play open "+c $ASK" "+c $ASK" "+c $ASK" "c $ASK" "s*2 $TELL" "c $ASK" "s*2 $TELL" "s $BREAK"
	expect "a request stays in flight" wait_for 5 dump_is stable .requests.in_flight 0
	expect_between 2 "$(dump stable .requests.success)" 4 "success"
	expect "one of four successes and an error is not counted, and nothing is lost" not losses_are ''
	# Three successes and no error of the requests counted: an answer was taken for another's.
	expect_eq "$(dump stable '.requests | if .success > 2 and .total - .success == 0 then 1 else 0 end')" 0 \
		"the 500 is told as a success ($(counts stable))"
}

# ---- segments that somebody else sends in the client's name ----

# forged: ends, and a request, with numbers that TCP does not take.
forged() {
	local beyond flags
	for beyond in 1000000000 -1000000000; do
		for flags in FA R RA; do
			play "c @forged $flags $beyond"
		done
		play "c @forged A $beyond $ASK" "c @forged FA $beyond $ASK"
	done
}

test_wire_forged() {
	start_duet 8000
	start_agent --stable 8000
	play open "c $ASK"
	forged
	play 's @end' 'c @end'
	expect_requests stable server_abort=1
	# With the request unread, which makes it a reset.
	play open "+c $ASK"
	forged
	play 's @end' 'c @end'
	expect_requests stable server_abort=2
	play open "c $ASK"
	forged
	play 'c @rst' 's @end'
	expect_requests stable server_abort=2 client_abort=1
	play open
	forged
	play "c $ASK" "s $TELL" "c $ASK"
	forged
	play "s $BREAK"
	forged
	play 'c @end' 's @end'
	expect_requests stable server_abort=2 client_abort=1 success=1 server_error=1
	expect_field .connections.open 0
	expect_bytes stable $((5 * $(length "$ASK"))) $(($(length "$TELL") + $(length "$BREAK")))
	expect_losses
}

test_wire_forged_to_a_stalled_server() {
	start_duet 8000
	start_agent --stable 8000 --timeout 1
	play open "c $ASK"
	forged
	expect "the request does not time out" wait_for 3 dump_is stable .requests.timeout 1
	play "s $TELL" 'c @end' 's @end'
	expect_requests stable timeout=1
	expect_losses
}

# That a client that has sent its FIN has its answer nobody else can say.
test_wire_forged_acknowledgement() {
	start_duet 8000
	start_agent --stable 8000
	impatient_tcp
	play open "c $ASK" 'c @fin'
	cut_off 8000 sport
	play "+s $TELL"
	forged
	play '+s @gone'
	expect_requests stable client_abort=1
	expect_losses
}

# ---- drops in the server's own namespace ----

# lose_by_nft CHAIN PERCENT
lose_by_nft() {
	in_ns nft -f - <<-END || skip "this kernel's nftables cannot drop by chance"
		table inet bad {
			chain bad {
				type filter hook $1 priority 0;
				tcp $2 8000-8001 numgen random mod 100 < $3 counter drop
			}
		}
	END
}

dropped_by_nft() {
	in_ns nft list table inet bad | sed -nE 's/.*counter packets ([0-9]+).*/\1/p'
}

test_wire_input_chain() {
	start_two
	start_wire
	lose_by_nft input dport 10
	all_kinds
	expect_all_counted
	expect_losses
	expect "nothing was dropped" holds "$(dropped_by_nft) > 20"
}

test_wire_output_chain() {
	start_two
	start_wire
	lose_by_nft output sport 10
	all_kinds
	expect_all_counted
	expect_losses
	expect "nothing was dropped" holds "$(dropped_by_nft) > 20"
}

# Holes in what the server sent. In a body they cost nothing; in a header the exchange is unknown, and that is told.
test_wire_silent_output_chain() {
	local unknown
	start_two
	start_wire
	# The legacy tool: nft lacks queues in many kernels.
	in_ns iptables-legacy -A OUTPUT -p tcp --sport 8000 -m statistic --mode random --probability 0.1 \
		-j NFQUEUE --queue-num 9 2>/dev/null || skip "this kernel has no queue to user space"
	small_requests http://10.77.0.1:8000/
	connections http://10.77.0.1:8000/
	downloads http://10.77.0.1:8000
	at_once 8 http://10.77.0.1:8000/broken
	uploads http://10.77.0.1:8000
	expect "connections stay open" wait_for 10 all_ended
	unknown=$(dump stable .requests.unknown)
	expect_eq "$(dump stable '.requests | .success + .server_error + .unknown')" "$OK" "requests counted"
	expect_between 0 "$unknown" 20 "unknown"
	expect "a 500 is told as a success" holds "$(dump stable .requests.success) <= $OK - 8"
	expect_losses ${unknown:+$( ((unknown == 0)) || echo "gap=$unknown")}
	expect_bytes stable "$(column 4)" "$(column 3)"
	expect "nothing was dropped" holds \
		"$(in_ns iptables-legacy -nvxL OUTPUT | awk '/NFQUEUE/ { print $1 }') > 20"
}

# ---- super-packets ----

# Segments of more than 64 KiB.
count_giants() {
	in_ns nft -f - <<-END || skip "nftables does not count here"
		table inet giants {
			chain out {
				type filter hook output priority 0;
				tcp sport 8000 meta length > 65600 counter
			}
		}
	END
}

giants() {
	in_ns nft list table inet giants | sed -nE 's/.*counter packets ([0-9]+).*/\1/p'
}

download_giants() {
	local url=$1
	count_giants
	start_agent --stable 8000
	OK=0
	head -c $((24 * MEGABYTE)) /dev/urandom >www/huge
	at_once 3 "$url/huge"
	at_once 4 "$url/broken"
	expect "connections stay open" wait_for 10 dump_is stable .connections.open 0
	expect_requests stable success=3 server_error=4
	expect_bytes stable "$(column 4)" "$(column 3)"
	expect_losses
	expect "no segment was larger than 64 KiB" holds "$(giants) > 10"
}

# wide_devices: what a super-packet may hold, in both namespaces, for IPv6 and by the newer attributes for IPv4.
wide_devices() {
	make_peer
	in_ns ip -6 addr add fd77::1/64 dev side0 nodad
	in_peer ip -6 addr add fd77::2/64 dev side1 nodad
	in_ns ip link set side0 gso_max_size 180000 gro_max_size 180000 2>/dev/null || skip "no BIG TCP in this kernel"
	in_peer ip link set side1 gso_max_size 180000 gro_max_size 180000
}

# iproute2 of Debian 12 does not know these yet: IFLA_GSO_IPV4_MAX_SIZE and IFLA_GRO_IPV4_MAX_SIZE, Linux 6.3.
wide_ipv4() {
	"$1" /usr/bin/python3 - "$2" <<-'END' 2>/dev/null
		import socket, struct, sys
		attributes = b"".join(struct.pack("HHI", 8, kind, 180000) for kind in (63, 64))
		body = struct.pack("BxHiII", 0, 0, socket.if_nametoindex(sys.argv[1]), 0, 0) + attributes
		link = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
		link.send(struct.pack("IHHII", 16 + len(body), 16, 5, 1, 0) + body)
		sys.exit(struct.unpack_from("i", link.recv(4096), 16)[0] != 0)
	END
}

test_giant_segments_ipv6() {
	wide_devices
	start_nginx stable '[fd77::1]:8000'
	download_giants 'http://[fd77::1]:8000'
}

test_giant_segments_ipv4() {
	wide_devices
	wide_ipv4 in_ns side0 || skip "no BIG TCP for IPv4 in this kernel"
	wide_ipv4 in_peer side1
	start_nginx stable 10.77.0.1:8000
	download_giants http://10.77.0.1:8000
}

test_giant_segments_mapped() {
	wide_devices
	wide_ipv4 in_ns side0 || skip "no BIG TCP for IPv4 in this kernel"
	wide_ipv4 in_peer side1
	start_nginx stable '[::]:8000 ipv6only=off'
	download_giants http://10.77.0.1:8000
}

# ---- a watched client of a watched server ----

# Both ends of the inner connections pass the hooks: each request counts once for each server.
test_proxy_and_server_both_watched() {
	extra='location /inner/ { proxy_pass http://127.0.0.1:8001/; proxy_http_version 1.1; proxy_set_header Connection ""; }' \
		start_nginx stable 127.0.0.1:8000 '[::1]:8000'
	start_nginx canary '[::]:8001 ipv6only=off reuseport'
	start_agent --weight 0
	expect_eq "$(with_h2load --h1 -n 200 -c 4 "$STABLE/inner/")" 200 "requests answered"
	times 5 get "http://[::1]:8000/inner/broken" -o /dev/null
	times 3 get "$STABLE/inner/small" -o /dev/null
	times 4 get "$STABLE/" -o /dev/null
	expect_requests stable success=207 server_error=5
	expect_requests canary success=203 server_error=5
	expect "connections stay open" wait_for 5 all_ended
	expect_bytes stable "$(column 4)" "$(column 3)"
	expect_bytes canary "$(awk '{ s += $4 } END { print s }' canary.access)" "$(awk '{ s += $3 } END { print s }' canary.access)"
	expect_losses
}
