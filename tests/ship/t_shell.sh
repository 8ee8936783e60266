# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash

# The files of a suite are parts of one program, so that a variable or an argument may come from another (SC2034, SC2154, SC2120),
# and names like `log` are files here (SC2238).
test_shell_scripts_are_clean() {
	local file scripts=()
	while read -r file; do
		if [[ $file == *.sh ]] || head -n 1 "$ROOT/$file" | grep -qaE '^#!.*\b(ba)?sh$'; then
			scripts+=("$ROOT/$file")
		fi
	done < <(git -C "$ROOT" ls-files)
	expect_between 60 "${#scripts[@]}" 1000 "scripts"
	shellcheck -x -S warning -e SC2034,SC2154,SC2120,SC2238 -f gcc "${scripts[@]}" >complaints ||
		note "shellcheck: $(head -n 3 complaints)"
}
