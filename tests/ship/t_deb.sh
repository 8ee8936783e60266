# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
# The Debian package, as a packager and as a chroot without systemd sees it. t_boot.sh has it where systemd runs.

test_deb_is_as_debian_wants_it() {
	local accepted=initial-upload-closes-no-bugs # it was never uploaded, and closes no bug there
	need_program dpkg-deb dpkg-shlibdeps lintian
	make_deb
	[[ -e $ROOT/docs/man/serin.1 ]] || accepted+=,no-manual-page
	lintian --suppress-tags "$accepted" --fail-on error,warning "$DEB" >lintian.log 2>&1 ||
		note "lintian: $(grep '^[EW]:' lintian.log | head -n 3 | tr '\n' ' ')"
}

test_deb_is_the_same_twice() {
	need_program dpkg-deb dpkg-shlibdeps
	make_deb
	cp "$DEB" first.deb
	touch "$ROOT/deploy/serin.yaml"
	make_deb
	expect "two packages of the same sources differ" cmp first.deb "$DEB"
}

# shellcheck disable=SC2034,SC2154 # for the harness: the first time a Debian is made
DEADLINE[deb_comes_and_goes_in_a_chroot]=300

# Where no systemd runs: into a chroot, over itself, out of it, and its configuration too.
test_deb_comes_and_goes_in_a_chroot() {
	local installed
	need_program dpkg-deb dpkg-shlibdeps debootstrap
	make_deb
	make_debian
	printf '#!/bin/sh\nexit 101\n' >debian/usr/sbin/policy-rc.d
	chmod 755 debian/usr/sbin/policy-rc.d
	cp "$DEB" debian/
	in_debian dpkg -i "/$(basename "$DEB")" >dpkg.log 2>&1 || fail "dpkg -i: $(tail -n 1 dpkg.log)"
	expect "it does not tell what to do" grep -q 'serin: nothing is watched yet.*serin.yaml.example' dpkg.log
	expect_eq "$(in_debian serin version)" "$("$SERIN" version)" "the version in the chroot"
	expect "the sample is refused there" in_debian serin lint /etc/serin/serin.yaml.example
	expect_eq "$(in_debian systemctl is-enabled serin.service)" enabled "the unit"

	in_debian cp /etc/serin/serin.yaml.example /etc/serin/serin.yaml
	in_debian sh -c 'echo "# mine" >>/etc/serin/serin.yaml.example'
	in_debian dpkg -i --force-confdef "/$(basename "$DEB")" >dpkg.log 2>&1 || fail "dpkg -i, again: $(tail -n 1 dpkg.log)"
	expect "it tells again what to do" not grep -q 'nothing is watched' dpkg.log
	expect "an administrator's changes are gone" in_debian grep -q '^# mine' /etc/serin/serin.yaml.example

	installed=$(in_debian dpkg -L serin)
	in_debian dpkg -r serin >dpkg.log 2>&1 || fail "dpkg -r: $(tail -n 1 dpkg.log)"
	expect "the configuration went with the program" in_debian test -e /etc/serin/serin.yaml -a ! -e /usr/sbin/serin
	in_debian dpkg -P serin >dpkg.log 2>&1 || fail "dpkg -P: $(tail -n 1 dpkg.log)"
	expect_eq "$(in_debian find / -xdev -name '*serin*' ! -name '*.deb')" "" "what is left"
	expect "the list of its files was empty" test -n "$installed"
}
