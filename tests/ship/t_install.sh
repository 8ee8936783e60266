# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
# `make install` and what it places.

make_in_root() {
	make -s -C "$ROOT" DESTDIR="$DIR/root" "$@" >>make.log 2>&1 || fail "make $*: $(tail -n 1 make.log)"
}

installed() {
	(cd root && find . -type f -printf '%P %m\n' | grep -v '/man/' | sort)
}

# Into an empty directory, and out of it: what an administrator wrote is all that stays.
test_make_install_places_all_and_uninstall_takes_it() {
	(umask 077 && make_in_root install PREFIX=/usr)
	expect_eq "$(installed)" "etc/serin/serin.yaml.example 644
usr/lib/systemd/system/serin-pins.service 644
usr/lib/systemd/system/serin.service 644
usr/sbin/serin 755
usr/share/bash-completion/completions/serin 644
usr/share/fish/vendor_completions.d/serin.fish 644
usr/share/zsh/site-functions/_serin 644" "what is installed"
	expect_eq "$(find root -path '*/man[15]/*' -type f | wc -l)" "$(find "$ROOT/docs" -path '*/man/*.[15]' | wc -l)" "pages of the manual"
	expect_eq "$(root/usr/sbin/serin version)" "$("$SERIN" version)" "the installed program's version"
	touch root/etc/serin/serin.yaml
	make_in_root uninstall PREFIX=/usr
	expect_eq "$(find root -type f)" root/etc/serin/serin.yaml "what is left"
}

# The unit runs what was installed, and reads what belongs to it.
test_make_install_elsewhere_tells_the_unit() {
	make_in_root install PREFIX=/opt/serin SYSCONFDIR=/opt/etc
	expect_eq "$(grep -h ^ExecStart= root/opt/serin/lib/systemd/system/*.service)" \
		"ExecStart=/opt/serin/sbin/serin run -c /opt/etc/serin/serin.yaml --on-exit keep \$SERIN_OPTIONS" "its command"
	expect_eq "$(grep -h ^Condition root/opt/serin/lib/systemd/system/*.service)" \
		"ConditionPathExists=/opt/etc/serin/serin.yaml" "its condition"
}

# What the sample says is good, and what is commented out in it is good as well.
test_sample_configuration_is_good() {
	expect "the sample is refused" serin_lint "$ROOT/deploy/serin.yaml"
	sed -E 's/^( *)# (- \{name|rules:|api:)/\1\2/; s|/etc/serin/token|token|' "$ROOT/deploy/serin.yaml" >all.yaml
	(umask 077 && openssl rand -hex 24 >token)
	expect_eq "$(grep -c '^ *#' all.yaml)" $(($(grep -c '^ *#' "$ROOT/deploy/serin.yaml") - 4)) "comments"
	expect "the sample with all that is commented out is refused" serin_lint all.yaml
}

serin_lint() {
	"$SERIN" lint "$1"
}

# systemd-analyze looks for the programs and the pages that a unit names.
test_units_are_what_systemd_takes() {
	need_program systemd-analyze
	make_in_root install PREFIX="$DIR/root" DESTDIR=
	sed -i '/^Documentation=/d' root/lib/systemd/system/*.service
	expect_eq "$(systemd-analyze verify --recursive-errors=yes root/lib/systemd/system/*.service 2>&1)" "" "systemd-analyze verify"
}

# How exposed they are, from 0 to 10, by systemd's own measure. It was 3.1 and 1.3: what is left is what they are for.
test_units_are_not_exposed() {
	need_program systemd-analyze
	expect "serin.service: $(exposure serin.service)" systemd-analyze security --offline=yes --threshold=32 "$ROOT/deploy/systemd/serin.service"
	expect "serin-pins.service: $(exposure serin-pins.service)" systemd-analyze security --offline=yes --threshold=14 "$ROOT/deploy/systemd/serin-pins.service"
}

exposure() {
	systemd-analyze security --offline=yes "$ROOT/deploy/systemd/$1" 2>/dev/null | tail -n 1
}
