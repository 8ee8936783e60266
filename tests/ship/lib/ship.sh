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

# make_deb: sets DEB, the package's file.
# shellcheck disable=SC2034 # for the tests
make_deb() {
	make -s -C "$ROOT" deb >make.log 2>&1 || fail "make deb: $(tail -n 1 make.log)"
	DEB=$(tail -n 1 make.log)
}

# What a Debian node has that runs serin's package, and what the tests look with.
DEBIAN_PACKAGES=libbpf1,libcurl4,libcyaml1,libjansson4,libmicrohttpd12,libsqlite3-0,libyaml-0-2,init-system-helpers
DEBIAN_PACKAGES+=,systemd-sysv,rsyslog,kmod,jq,curl,bpftool,libcap2-bin,iproute2

# make_debian: debian/ becomes a small Debian with them. It is made once, and kept in build/ship; remove it to get a newer one.
make_debian() {
	local kept
	kept=$ROOT/build/ship/debian-$(cksum <<<"$DEBIAN_PACKAGES" | cut -d' ' -f1).tar
	mkdir -p "$ROOT/build/ship"
	(
		flock 9
		[[ -e $kept ]] || keep_debian "$kept"
	) 9>"$ROOT/build/ship/.lock" || skip "debootstrap cannot make a Debian here: $(tail -n 1 debootstrap.log)"
	mkdir debian
	tar -C debian -xf "$kept"
}

# What only people read is left out. What debootstrap mounts is gone with its namespace, even when it is killed.
keep_debian() {
	local mirror
	# shellcheck disable=SC2016 # apt's own variable
	mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Codename: bookworm' | sed 1q)
	unshare --mount debootstrap --variant=minbase --include="$DEBIAN_PACKAGES" bookworm new-debian "$mirror" \
		>debootstrap.log 2>&1 || return
	rm -rf new-debian/usr/share/{doc,locale,man} new-debian/var/lib/apt/lists new-debian/var/cache/apt
	tar -C new-debian -cf "$1.new" .
	mv "$1.new" "$1"
	rm -rf new-debian
}

in_debian() {
	chroot debian env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C DEBIAN_FRONTEND=noninteractive "$@"
}
