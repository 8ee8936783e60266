// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "programs.h"

#include "serin.skel.h"
#include "system.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

static bool are_measured(void)
{
	char text[16] = "";

	return system_read_number("/proc/sys/kernel/bpf_stats_enabled", text, sizeof(text)) == 0 && text[0] == '1';
}

unsigned programs_measure(struct loader *loader, struct metrics_program ret_programs[METRICS_PROGRAMS_MAX])
{
	struct bpf_program *program;
	unsigned n = 0;

	if (!are_measured())
		return 0;
	bpf_object__for_each_program(program, loader_bpf(loader)->obj) {
		struct bpf_prog_info info = {};
		__u32 size = sizeof(info);

		if (n == METRICS_PROGRAMS_MAX || bpf_program__fd(program) < 0 ||
		    bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size) < 0)
			continue; /* this kernel has no use for it */
		ret_programs[n] = (struct metrics_program){.run_ns = info.run_time_ns, .runs = info.run_cnt};
		snprintf(ret_programs[n].name, sizeof(ret_programs[n].name), "%s", bpf_program__name(program));
		n++;
	}
	return n;
}
