# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
# docs/tutorial.md, word by word.

# In a mount namespace of its own: the reader's agent has the paths of the only one on a node.
follow() {
	cd "$ROOT" || return
	TMPDIR=$DIR in_ns unshare --mount --propagation private bash "$HERE/follow.sh" "$1" 2>&1 || true
}

# shellcheck disable=SC2034,SC2154 # for run
DEADLINE[the_tutorial_does_what_it_says]=240
test_the_tutorial_does_what_it_says() {
	local line
	mkdir steps
	need "docs/tutorial.md has no commands" /usr/bin/python3 "$HERE/tutorial.py" extract "$ROOT/docs/tutorial.md" steps
	while read -r line; do
		note "the tutorial: $line"
	done < <(follow "$DIR/steps")
	expect "the tutorial has left its servers" not listens 8000
}
