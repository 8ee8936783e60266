# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
# shellcheck shell=bash disable=SC2016 # backquotes are Markdown's
# The documentation says what there is, all of it and nothing else. What the tutorial says is tried by t_tutorial.sh.

MAN=$ROOT/docs/man

# expect_same WHAT: the files `said` and `there`, of a line an entry, hold the same.
expect_same() {
	local line
	sort -u -o said said
	sort -u -o there there
	expect "$1: none found" test -s there
	while read -r line; do
		note "$1: '$line' is not documented"
	done < <(comm -13 said there)
	while read -r line; do
		note "$1: '$line' is documented, and there is none"
	done < <(comm -23 said there)
}

test_docs_man_pages_are_clean() {
	local page
	for page in "$MAN"/*.[1-9]; do
		mandoc -T lint -W warning "$page" >lint.out 2>&1 || note "$(head -n 1 lint.out)"
	done
}

# ---- commands and options ----

# man_section NAME: the source of a subsection of serin(1).
man_section() {
	awk -v name="$1" '/^\.S[sh] / { inside = $0 == ".Ss " name } inside' "$MAN/serin.1"
}

# Of a command's help and of its section: a line an option, as "c config" or "- stable". --help is every command's.
options_of_help() {
	"$SERIN" help "$1" | sed -nE 's/^  --([a-z-]+).*/- \1/p; s/^  -(.), --([a-z-]+).*/\1 \2/p' | grep -vx -- '- help' || true
}

options_of_man() {
	man_section "$1" | sed -nE 's/^\.It Fl -([a-z-]+).*/- \1/p; s/^\.It Fl (.) , Fl -([a-z-]+).*/\1 \2/p'
}

test_docs_man_page_has_the_commands_and_their_options() {
	local command
	need_serin
	"$SERIN" help | sed -nE 's/^  ([a-z]+) .*/\1/p' | grep -vx serin >there
	sed -nE '/^\.Sh COMMANDS/,/^\.Sh SIGNALS/s/^\.Ss //p' "$MAN/serin.1" >said
	expect_same commands
	for command in $(<there); do
		options_of_help "$command" >there
		options_of_man "$command" >said
		[[ ! -s there && ! -s said ]] || expect_same "options of $command"
	done
}

# A default that is a number is the same in both.
test_docs_man_page_has_the_defaults() {
	local command option default
	need_serin
	for command in run history plan top; do
		while read -r option default; do
			expect "serin $command --$option: its default $default is not in serin(1)" \
				grep -qxF "Default: $default." <(man_section "$command" |
					awk -v option="$option" '/^\.It / { inside = $0 ~ " -" option "( |$)" } inside')
		done < <("$SERIN" help "$command" | sed -nE 's/^  .*--([a-z-]+) .*\(default: ([0-9.]+)\)$/\1 \2/p')
	done
}

# ---- keys of the configuration ----

# Of the tables in configuration.md: KEY [default DEFAULT; RANGE], as serin.yaml(5) has it.
keys_of_tables() {
	sed -nE 's/^\| `([A-Za-z_]+)` \| (.*) \| ?(.*) \| ?(.*) ?\|$/\1\t\3\t\4/p' "$ROOT/docs/configuration.md" | tr -d '`' |
		awk -F'\t' '{
			sub(/ +$/, "", $3)
			text = $2 == "" || $2 == "-" ? "" : $2 == "needed" ? $2 : "default " $2
			text = text (text != "" && $3 != "" ? "; " : "") $3
			print $1 (text == "" ? "" : " [" text "]")
		}'
}

keys_of_man() {
	awk '/^\.It Ic / { if (key != "") print key; key = $3 }
		/^\.El/ { if (key != "") print key; key = "" }
		/^\[.*\]$/ && key != "" { key = key " " $0 }' "$MAN/serin.yaml.5"
}

test_docs_man_page_has_the_keys() {
	keys_of_tables >there
	keys_of_man >said
	expect_same "keys, defaults and ranges of serin.yaml(5)"
}

test_docs_man_page_examples_are_configurations() {
	local example
	need_serin
	awk '/^\.Bd -literal/ { file = "example" ++n ".yaml"; next } /^\.Ed/ { file = "" } file { print > file }' "$MAN/serin.yaml.5"
	expect "no example in serin.yaml(5)" test -s example2.yaml
	for example in example*.yaml; do
		"$SERIN" lint "$example" >lint.out 2>&1 || note "serin.yaml(5): $(<lint.out)"
	done
}

# ---- operating ----

# words_of FUNCTION: the names in a table of user/names.c.
words_of() {
	tr -d '\n' <"$ROOT/user/names.c" | grep -oE "NAMES\(serin_$1_name,[^)]*\)" | grep -oE '"[a-z_A-Z0-9]+"' | tr -d '"'
}

# rows_of HEADING: what stands in the first column of the first table below it, where it is set as code.
rows_of() {
	awk -v heading="$1" '$0 == heading { inside = 1; next } inside && /^\|/ { table = 1 } inside && table && !/^\|/ { exit } inside' \
		"$ROOT/docs/operating.md" | sed -nE 's/^\| `([a-zA-Z_]+)` \|.*/\1/p'
}

test_docs_operating_has_every_reason_waiting_and_loss() {
	local table heading
	while IFS=: read -r table heading; do
		words_of "$table" >there
		rows_of "$heading" >said
		expect_same "$heading"
	done <<-'END'
		reason:## Why it was decided
		waiting:### What it waits for
		loss:## Losses
	END
}

test_docs_operating_has_every_warning() {
	cat "$ROOT"/user/*.c | tr -d '\n' | grep -oE 'log_event\("warning",[^;]*;' | grep -oE '"cause",[[:space:]]*"[a-z_]+"' |
		grep -oE '"[a-z_]+"$' | tr -d '"' >there
	rows_of "## Warnings" >said
	expect_same "causes of warnings"
}

test_docs_operating_has_every_alert() {
	local rules=("$ROOT"/deploy/prometheus/*.rules.yml)
	[[ -e ${rules[0]} ]] || skip "there are no alert rules"
	sed -nE 's/^ *- alert: *//p' "${rules[@]}" >there
	awk '/^## / { inside = $0 == "## Alerts" } inside' "$ROOT/docs/operating.md" | sed -nE 's/^### //p' >said
	expect_same alerts
}

# ---- links ----

test_docs_links_lead_somewhere() {
	local line
	while read -r line; do
		note "$line"
	done < <(/usr/bin/python3 "$HERE/links.py" "$ROOT" || true)
}

test_docs_index_has_every_page() {
	(cd "$ROOT/docs" && ls ./*.md man/*) | sed 's,^\./,,' | grep -vx README.md >there
	grep -oE '\]\([a-z0-9_./-]+\)' "$ROOT/docs/README.md" | tr -d '])(' >said
	expect_same "pages in docs/README.md"
}
