# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
# The package where systemd runs: boot.sh in a guest, whose lines are this test's.

# shellcheck disable=SC2034,SC2154 # for the harness
DEADLINE[package_under_systemd]=420

test_package_under_systemd() {
	local status=0 line
	need_program dpkg-deb dpkg-shlibdeps debootstrap qemu-system-x86_64 cpio
	make_two_debs
	make_debian_archive
	(cd "$ROOT" && exec tools/vm/run --kernel 6.1 --system "$DIR/debian.cpio" --script tests/ship/boot.sh --module tcp_diag \
		--add build/model-server --add build/load --add build/ship --timeout 400) >guest.log 2>&1 || status=$?
	((status != 77)) || skip "$(tail -n 1 guest.log)"
	grep -v '^ok' guest.log || true
	while read -r line; do
		note "$line"
	done < <(grep '^not ok' guest.log || true)
	((status == 0)) || grep -q '^not ok' guest.log || fail "the guest ended with $status: $(tail -n 1 guest.log)"
	expect_eq "$(grep -c '^ok' guest.log)" 30 "checks that passed"
}

# build/ship/first.deb, and one that would replace it. The guest has what is below the repository at the same place.
make_two_debs() {
	mkdir -p "$ROOT/build/ship"
	make_deb
	cp "$DEB" "$ROOT/build/ship/first.deb"
	DEB_REVISION=2 make_deb
	mv "$DEB" "$ROOT/build/ship/second.deb"
}

# What the guest boots: a Debian with rsyslog as it comes from the archive, and serin's configuration of it.
make_debian_archive() {
	make_debian
	mkdir -p debian/etc/rsyslog.d debian/var/log/serin
	cp "$ROOT/deploy/logs/rsyslog.conf" debian/etc/rsyslog.d/30-serin.conf
	(cd debian && find . -print0 | cpio -o0 -H newc -R 0:0 --quiet) >debian.cpio
}
