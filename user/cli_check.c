// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "cli.h"

#include "loader.h"
#include "options.h"
#include "util.h"

struct check_options {
	bool verbose;
};

static const struct option_row rows[] = {
	{"verbose", NULL, "show the kernel's whole answer when it refuses a program", NULL, option_flag,
	 offsetof(struct check_options, verbose), 0, 0, 'v'},
};

const struct option_table cli_check_options = {
	.usage = "check [OPTION ...]",
	.about = "What this kernel and these privileges allow, line by line, and what to do about a \"no\". Changes nothing.\n"
		 "Exit code 1 when something is missing that serin cannot do without.",
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
};

int cli_check(int argc, char **argv)
{
	struct check_options options = {};
	struct loader_probe probes[LOADER_PROBES_MAX];
	unsigned n, missing = 0;
	int first, r;

	r = options_parse(&cli_check_options, argc, argv, &options, &first);
	if (r != 0)
		return r > 0 ? 0 : EXIT_USAGE;
	if (first < argc)
		return util_complain(EXIT_USAGE, "check takes no '%s'", argv[first]);
	n = loader_probe(probes, options.verbose);
	for (unsigned i = 0; i < n; i++) {
		printf("%-13s %-4s %s\n", probes[i].what, probes[i].ok ? "yes" : probes[i].needed ? "NO" : "no",
		       probes[i].found);
		if (!probes[i].ok)
			printf("%-13s      -> %s\n", "", probes[i].advice);
		missing += !probes[i].ok && probes[i].needed;
	}
	if (missing)
		return util_complain(EXIT_FAILURE, "%u of %u checks say NO, so the agent cannot run here; see above", missing,
				     n);
	puts("serin can run here");
	return 0;
}
