# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
# Bodies by every way there is to send them, and bodies larger than counters of 32 bits.

test_hard_sent_by_sendfile() {
	start_stage
	act sent sendfile
	expect_requests stable success=1 client_error=1
	expect_losses
	expect_times
}

test_hard_sent_by_splice() {
	start_stage
	act sent splice
	expect_requests stable success=1 client_error=1
	expect_losses
	expect_times
}

test_hard_sent_by_writev() {
	start_stage
	act sent writev
	expect_requests stable success=1 client_error=1
	expect_losses
	expect_times
}

# What the kernel gathers into one segment is sent when it leaves, not when it was written.
test_hard_sent_gathered() {
	start_stage
	act sent more
	act sent cork
	expect_requests stable success=2 client_error=2
	expect_losses
	expect_times
}

# 5 GiB: 2^32 bytes and more, in sequence numbers, lengths and counters.
test_hard_huge_response() {
	start_stage
	act huge sized 5120
	expect_requests stable success=1 client_error=1
	expect_losses
	expect_times
}

test_hard_huge_chunk() {
	start_stage
	act huge chunked 4100
	expect_requests stable success=1 client_error=1
	expect_losses
	expect_times
}

test_hard_large_uploads() {
	start_stage
	act upload sized 100
	act upload chunked 100
	expect_requests stable success=2 client_error=2
	expect_losses
	expect_times
}

# start_uring WAY: or SKIP, where the kernel has it not.
start_uring() {
	local disabled=/proc/sys/kernel/io_uring_disabled
	[[ -x $URING_SERVER ]] || fail "$URING_SERVER is missing (make test-tools)"
	if [[ -e $disabled && $(<$disabled) != 0 ]]; then
		skip "io_uring is disabled: $disabled is $(<$disabled)"
	fi
	spawn stable "$URING_SERVER" 8000 "$1"
	wait_for 10 listens_or_dead 8000 stable || fail "the server does not listen"
	if dead stable; then
		wait "${PID[stable]}" || [[ $? != 77 ]] || skip "$(tail -n 1 "$DIR/stable.err")"
		fail "the server ended at once: $(tail -n 1 "$DIR/stable.err")"
	fi
}

# expect_uring WAY
expect_uring() {
	start_uring "$1"
	start_stage
	play_elsewhere fetch 8000 40
	expect_requests stable success=3
	expect_times
	times 20 get "$STABLE/1000" -o /dev/null
	expect_requests stable success=23
	expect_losses
}

test_hard_sent_by_io_uring() {
	expect_uring send
}

test_hard_sent_by_io_uring_sendmsg() {
	expect_uring sendmsg
}

test_hard_sent_by_io_uring_without_copy() {
	expect_uring send_zc
}
