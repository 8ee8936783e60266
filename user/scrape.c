// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "scrape.h"

#include "collect.h"
#include "programs.h"
#include "system.h"
#include "util.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/resource.h>

static struct serin_value seconds(const struct timeval *time)
{
	return serin_known((double)time->tv_sec + (double)time->tv_usec / 1e6);
}

static void look_at_memory(struct metrics_process *ret)
{
	_cleanup_fclose_ FILE *file = fopen("/proc/self/statm", "re");
	unsigned long total, resident;
	double page = (double)sysconf(_SC_PAGESIZE);

	if (!file || fscanf(file, "%lu %lu", &total, &resident) != 2)
		return;
	ret->virtual_bytes = serin_known((double)total * page);
	ret->resident_bytes = serin_known((double)resident * page);
}

static void look_at_descriptors(struct metrics_process *ret)
{
	DIR *directory = opendir("/proc/self/fd");
	struct rlimit limit;
	int n = -1; /* without the directory's own */

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
		ret->max_fds = serin_known((double)limit.rlim_cur);
	if (!directory)
		return;
	for (const struct dirent *entry; (entry = readdir(directory));)
		n += entry->d_name[0] != '.';
	closedir(directory);
	ret->open_fds = serin_known(n);
}

static void look_at_itself(double start_unix, struct metrics_process *ret)
{
	struct rusage usage;

	ret->start_unix = serin_known(start_unix);
	if (getrusage(RUSAGE_SELF, &usage) == 0) {
		ret->cpu_seconds = seconds(&usage.ru_utime);
		ret->cpu_seconds.v += seconds(&usage.ru_stime).v;
	}
	look_at_memory(ret);
	look_at_descriptors(ret);
}

static int add_version(struct metrics *metrics, const struct deployment *deployed, unsigned target,
		       const struct serin_figures *figures)
{
	struct metrics_version *v = &metrics->versions[metrics->n_versions++];
	const struct release *release = deployment_release_of(deployed, target);
	struct serin_hist hist;
	int r = 0;

	*v = (struct metrics_version){.target = &deployed->targets.all[target],
				      .release = release ? release_name(release) : NULL,
				      .index = target,
				      .figures = figures};
	for (unsigned i = 0; r == 0 && i < SERIN_LATENCIES; i++) {
		r = collect_hist(loader_maps(deployed->world.loader), target, i, &hist);
		if (r == 0)
			metrics_fold(&hist, i, &v->hists[i]);
	}
	return r;
}

static int add_versions(struct metrics *metrics, const struct deployment *deployed,
			const struct serin_figures figures[SERIN_TARGETS_MAX])
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < deployed->targets.n; i++)
		if (targets_is_used(&deployed->targets, i))
			r = add_version(metrics, deployed, i, &figures[i]);
	return r;
}

static void add_releases(struct metrics *metrics, const struct deployment *deployed, const struct serin_snapshot *now,
			 struct serin_observation seen[SERIN_RELEASES_MAX])
{
	for (unsigned i = 0; i < SERIN_RELEASES_MAX; i++) {
		const struct release *release = deployed->releases[i];

		if (!release)
			continue;
		metrics->releases[metrics->n_releases++] = (struct metrics_release){
			.shown = release_show(release, now, &seen[i]),
			.decisions = release->decisions,
			.decided_unix = release->decided_unix,
			.steered = !release->owed && !*release->note,
		};
	}
}

int scrape_write(struct scrape *scrape, const struct deployment *deployed, const struct serin_snapshot *newest,
		 const struct serin_figures figures[SERIN_TARGETS_MAX], enum exposition_format format, char **ret_text,
		 size_t *ret_length)
{
	_cleanup_free_ struct metrics *metrics = calloc(1, sizeof(*metrics));
	struct serin_observation seen[SERIN_RELEASES_MAX];
	struct serin_snapshot now = *newest; /* memory and drops are of the last second */
	int r;

	if (!metrics)
		return -ENOMEM;
	r = collect_snapshot(loader_maps(deployed->world.loader), deployed->targets.n, &now);
	if (r == 0)
		r = add_versions(metrics, deployed, figures);
	if (r < 0)
		return r;
	for (unsigned i = 0; i < deployed->targets.n; i++)
		metrics_hold(&scrape->held[i], &deployed->targets.all[i], &now.tally[i]);
	metrics->now = &now;
	add_releases(metrics, deployed, &now, seen);
	metrics->n_programs = programs_measure(deployed->world.loader, metrics->programs);
	look_at_itself(scrape->start_unix, &metrics->process);
	metrics->store_trouble = scrape->store_trouble;
	system_kernel(metrics->kernel, sizeof(metrics->kernel));
	return metrics_write(metrics, format, ret_text, ret_length);
}
