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

# make_deb: sets DEB.
make_deb() {
	make -s -C "$ROOT" deb >make.log 2>&1 || fail "make deb: $(tail -n 1 make.log)"
	DEB=$(tail -n 1 make.log)
}

# What a Debian node has that runs serin's package, with no more than that.
DEBIAN_PACKAGES=libbpf1,libcurl4,libcyaml1,libjansson4,libmicrohttpd12,libsqlite3-0,libyaml-0-2,init-system-helpers

# make_debian: debian/ becomes a small Debian, with the package's file in its root.
make_debian() {
	local mirror
	mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Codename: bookworm' | head -n 1)
	debootstrap --variant=minbase --include="$DEBIAN_PACKAGES,systemd-sysv" bookworm debian "$mirror" >debootstrap.log 2>&1 ||
		skip "debootstrap cannot make a Debian here: $(tail -n 1 debootstrap.log)"
	printf '#!/bin/sh\nexit 101\n' >debian/usr/sbin/policy-rc.d
	chmod 755 debian/usr/sbin/policy-rc.d
	cp "$DEB" debian/
}

in_debian() {
	chroot debian env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C DEBIAN_FRONTEND=noninteractive "$@"
}
