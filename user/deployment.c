// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "deployment.h"

#include "util.h"

#include <errno.h>
#include <string.h>

struct release *deployment_release_of(const struct deployment *d, unsigned target)
{
	uint32_t index = d->targets.release[target];

	return index < SERIN_RELEASES_MAX ? d->releases[index] : NULL;
}

/* The release that is meant: by name, by its canary's version, or the only one. */
int deployment_find(const struct deployment *d, const char *name, const char *version, struct release **ret,
		    char ret_why[DEPLOYMENT_WHY_MAX])
{
	struct release *found = NULL;
	unsigned n = 0, all = 0;

	for (unsigned i = 0; i < SERIN_RELEASES_MAX; i++) {
		struct release *r = d->releases[i];

		if (!r)
			continue;
		all++;
		if ((name && strcmp(name, release_name(r))) ||
		    (version && strcmp(version, release_version(r, EVIDENCE_CANARY))))
			continue;
		found = r;
		n++;
	}
	if (n == 1) {
		*ret = found;
		return 0;
	}
	if (!all)
		snprintf(ret_why, DEPLOYMENT_WHY_MAX,
			 "no release: the agent was started without --canary and without a file that has one");
	else if (n)
		snprintf(ret_why, DEPLOYMENT_WHY_MAX, "%u releases fit; say which by \"release\"", n);
	else
		snprintf(ret_why, DEPLOYMENT_WHY_MAX, "no release %s%s%s; `serin status` shows what there is", name ? name : "",
			 version ? " with version " : "", version ? version : "");
	return -ENOENT;
}

/* The release that a version belongs to, and as what. */
static const struct serin_release_config *find_seat(const struct serin_config *config, const struct serin_model *model,
						    enum serin_role *ret_role)
{
	for (unsigned i = 0; i < config->n_releases; i++) {
		const struct serin_release_config *r = &config->releases[i];

		if (strcmp(r->name, model->name))
			continue;
		*ret_role = !strcmp(r->stable, model->version)   ? SERIN_ROLE_STABLE
			    : !strcmp(r->canary, model->version) ? SERIN_ROLE_CANARY
								 : SERIN_ROLE_NONE;
		if (*ret_role != SERIN_ROLE_NONE)
			return r;
	}
	*ret_role = SERIN_ROLE_NONE;
	return NULL;
}

static bool is_same_release(const struct release *release, const struct serin_release_config *config)
{
	return !strcmp(release->config.name, config->name) && !strcmp(release->config.stable, config->stable) &&
	       !strcmp(release->config.canary, config->canary) &&
	       !memcmp(&release->config.service, &config->service, sizeof(config->service));
}

static const struct serin_release_config *find_config(const struct serin_config *config, const struct release *release)
{
	for (unsigned i = 0; i < config->n_releases; i++)
		if (is_same_release(release, &config->releases[i]))
			return &config->releases[i];
	return NULL;
}

static int find_index(const struct deployment *d, const struct serin_release_config *config)
{
	for (unsigned i = 0; i < SERIN_RELEASES_MAX; i++)
		if (d->releases[i] && is_same_release(d->releases[i], config))
			return (int)i;
	return -1;
}

static int free_index(const struct deployment *d)
{
	for (unsigned i = 0; i < SERIN_RELEASES_MAX; i++)
		if (!d->releases[i])
			return (int)i;
	return -ENOSPC;
}

static bool is_wanted(const struct serin_config *config, const struct deployment *d, unsigned target)
{
	const struct serin_target *t = &d->targets.all[target];

	for (unsigned i = 0; i < config->n_models; i++) {
		const struct serin_model *m = &config->models[i];
		enum serin_role role;

		if (strcmp(m->name, t->model) || strcmp(m->version, t->version))
			continue;
		find_seat(config, m, &role);
		return role == t->role && !memcmp(&m->match, &t->match, sizeof(m->match));
	}
	return false;
}

/* Takes away what the configuration does not have, or has otherwise. */
static void drop_others(struct deployment *d, const struct serin_config *config)
{
	for (unsigned i = 0; i < SERIN_RELEASES_MAX; i++) {
		if (!d->releases[i] || find_config(config, d->releases[i]))
			continue;
		targets_steer(&d->targets, d->releases[i]->stable, SERIN_NONE, 0, NULL);
		targets_steer(&d->targets, d->releases[i]->canary, SERIN_NONE, 0, NULL);
		release_close(d->releases[i], false);
		d->releases[i] = NULL;
	}
	for (unsigned i = 0; i < d->targets.n; i++)
		if (targets_is_used(&d->targets, i) && !is_wanted(config, d, i))
			targets_remove(&d->targets, d->world.loader, i);
}

static int add_models(struct deployment *d, const struct serin_config *config)
{
	int r;

	for (unsigned i = 0; i < config->n_models; i++) {
		enum serin_role role;
		int index;

		find_seat(config, &config->models[i], &role);
		index = targets_add(&d->targets, d->world.loader, &config->models[i], role);
		if (index < 0)
			return index;
	}
	r = targets_publish(&d->targets, d->world.loader);
	for (unsigned i = 0; r == 0 && i < d->targets.n; i++)
		if (targets_is_used(&d->targets, i) && d->targets.all[i].role == SERIN_ROLE_NONE)
			r = targets_set_deadline(&d->targets, d->world.loader, i, config->deadline_ns);
	return r;
}

static int add_release(struct deployment *d, const struct serin_release_config *c, unsigned index, bool taken_over,
		       char *why)
{
	return release_open(&d->world, index, c, (unsigned)targets_find(&d->targets, c->name, c->stable),
			    (unsigned)targets_find(&d->targets, c->name, c->canary), taken_over,
			    &d->releases[index], why);
}

static int change_release(struct deployment *d, const struct serin_release_config *c, unsigned index, char *why)
{
	int r = release_reconfigure(d->releases[index], c, (unsigned)targets_find(&d->targets, c->name, c->stable),
				    (unsigned)targets_find(&d->targets, c->name, c->canary), util_now());

	if (r < 0)
		snprintf(why, DEPLOYMENT_WHY_MAX, "the kernel does not take release %s: %s", c->name, strerror(-r));
	return r;
}

/* Releases that an earlier agent left go on in the places they had; what else it held is let go. */
static int take_up_releases(struct deployment *d, const struct serin_config *config, char *why)
{
	struct steer_hold holds[SERIN_RELEASES_MAX];
	int former[SERIN_RELEASES_MAX], r = 0;
	unsigned n = 0;

	for (unsigned i = 0; i < config->n_releases; i++) {
		former[i] = release_former(d->world.loader, &config->releases[i]);
		if (former[i] >= 0)
			holds[n++] = (struct steer_hold){config->releases[i].service.port, (uint32_t)former[i]};
	}
	steer_drop_others(d->world.loader, holds, n);
	for (unsigned i = 0; r == 0 && i < config->n_releases; i++)
		if (former[i] >= 0)
			r = add_release(d, &config->releases[i], (unsigned)former[i], true, why);
	return r;
}

static int add_releases(struct deployment *d, const struct serin_config *config, bool taken_over, char *why)
{
	int r = taken_over ? take_up_releases(d, config, why) : 0;

	for (unsigned i = 0; r == 0 && i < config->n_releases; i++) {
		const struct serin_release_config *c = &config->releases[i];
		int index = find_index(d, c);

		if (index >= 0) {
			r = taken_over ? 0 : change_release(d, c, (unsigned)index, why);
			continue;
		}
		index = free_index(d);
		r = index < 0 ? index : add_release(d, c, (unsigned)index, false, why);
	}
	return r;
}

int deployment_apply(struct deployment *d, const struct serin_config *config, bool taken_over,
		     char ret_why[DEPLOYMENT_WHY_MAX])
{
	int r;

	loader_set_success(d->world.loader, config->success);
	drop_others(d, config);
	r = add_models(d, config);
	if (r == 0)
		return add_releases(d, config, taken_over, ret_why);
	snprintf(ret_why, DEPLOYMENT_WHY_MAX, "cannot have the servers watched: %s", strerror(-r));
	return r;
}

void deployment_close(struct deployment *d, bool keep)
{
	for (unsigned i = 0; i < SERIN_RELEASES_MAX; i++) {
		release_close(d->releases[i], keep);
		d->releases[i] = NULL;
	}
	targets_free(&d->targets);
}
