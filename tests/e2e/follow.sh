# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash
# follow.sh DIR: carries out the steps that tutorial.py has put there, in this one shell as a reader does, with a /run and a
# bpffs of its own. A line for each that does not do what the tutorial says; it ends with the first.

steps=$1 here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
patience=60 # seconds for what is done again until it is so

mount -t tmpfs tmpfs /run && mount -t bpf bpf /sys/fs/bpf || exit 2

missing() {
	/usr/bin/python3 "$here/tutorial.py" compare "$step.text" "$step.out"
}

# As it would be typed: nothing of this script is to be seen by it but `step`.
carry_out() {
	# shellcheck source=/dev/null
	. "$step.sh" >"$step.out" 2>&1
}

for script in "$steps"/*.sh; do
	step=${script%.sh}
	touch "$step.text"
	deadline=$((SECONDS + patience))
	carry_out
	status=$?
	while [[ -e $step.again ]] && ((SECONDS < deadline)) && ! missing >/dev/null; do
		sleep 0.2
		carry_out
		status=$?
	done
	if ((status)); then
		echo "step ${step##*/} ended with $status: $(tail -n 1 "$step.out")"
		exit 1
	fi
	if ! line=$(missing); then
		echo "step ${step##*/} ($(head -n 1 "$step.sh")) does not print: $line"
		exit 1
	fi
done
