# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
# What the tests of this suite share.

# need_program NAME...
need_program() {
	local name
	for name; do
		command -v "$name" >/dev/null || skip "$name is not installed (tools/install-deps ship)"
	done
}
