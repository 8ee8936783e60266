# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
# `make install` and what it places.

# Into an empty directory, and out of it: what it placed is all that goes.
test_make_install_places_the_program() {
	make -s -C "$ROOT" install DESTDIR="$DIR/root" PREFIX=/usr >make.log 2>&1 || fail "make install: $(tail -n 1 make.log)"
	expect_eq "$("$DIR/root/usr/sbin/serin" version)" "$("$SERIN" version)" "the installed program's version"
}
