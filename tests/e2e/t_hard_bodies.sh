# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
# Bodies by every way there is to send them, and bodies larger than counters of 32 bits.

test_hard_sent_by_sendfile() {
	start_stage
	play sent sendfile
	expect_requests stable success=1 client_error=1
	expect_losses
	expect_times
}

test_hard_sent_by_splice() {
	start_stage
	play sent splice
	expect_requests stable success=1 client_error=1
	expect_losses
	expect_times
}

test_hard_sent_by_writev() {
	start_stage
	play sent writev
	expect_requests stable success=1 client_error=1
	expect_losses
	expect_times
}

# What the kernel gathers into one segment is sent when it leaves, not when it was written.
test_hard_sent_gathered() {
	start_stage
	play sent more
	play sent cork
	expect_requests stable success=2 client_error=2
	expect_losses
	expect_times
}

# 5 GiB: 2^32 bytes and more, in sequence numbers, lengths and counters.
test_hard_huge_response() {
	start_stage
	play huge sized 5120
	expect_requests stable success=1 client_error=1
	expect_losses
	expect_times
}

test_hard_huge_chunk() {
	start_stage
	play huge chunked 4100
	expect_requests stable success=1 client_error=1
	expect_losses
	expect_times
}

test_hard_large_uploads() {
	start_stage
	play upload sized 100
	play upload chunked 100
	expect_requests stable success=2 client_error=2
	expect_losses
	expect_times
}
