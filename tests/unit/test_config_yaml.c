/* Links: user/config.c user/config_yaml.c user/endpoint.c user/quantity.c user/util.c -lcyaml -lyaml -lm */
// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "check.h"

#include "config.h"
#include "endpoint.h"
#include "util.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct serin_config config;
static char directory[] = "/tmp/serin-config-XXXXXX", path[64], why[CONFIG_WHY_MAX];

static void write_bytes(const void *bytes, size_t length)
{
	_cleanup_fclose_ FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, length, file), length);
}

static int read_bytes(const void *bytes, size_t length)
{
	write_bytes(bytes, length);
	why[0] = '\0';
	memset(&config, 0x5a, sizeof(config));
	return config_read(path, &config, why);
}

static void check_good(const char *text)
{
	if (read_bytes(text, strlen(text)) != 0)
		fail_msg("refused: %s", why);
	assert_string_equal(why, "");
}

/* Refused at this line, 0: of the whole file; with these words in the complaint. Nothing is handed out. */
static void check_bad_bytes(const void *bytes, size_t length, unsigned line, const char *about, const char *todo)
{
	char place[96];

	if (read_bytes(bytes, length) != -EINVAL)
		fail_msg("taken, or refused otherwise: '%.*s'", (int)(length < 512 ? length : 512), (const char *)bytes);
	snprintf(place, sizeof(place), line ? "%s:%u: " : "%s: ", path, line);
	if (strncmp(why, place, strlen(place)) || !strstr(why, about) || !strstr(why, todo) || strchr(why, '\n'))
		fail_msg("'%s' does not begin '%s' and say '%s' and '%s'", why, place, about, todo);
	assert_int_equal(*(unsigned char *)&config, 0x5a);
}

static void check_bad(const char *text, unsigned line, const char *about, const char *todo)
{
	check_bad_bytes(text, strlen(text), line, about, todo);
}

#define MODELS                                                 \
	"models:\n"                                            \
	"  - {name: chat, version: v1, match: {port: 8000}}\n" \
	"  - {name: chat, version: v2, match: {port: 8001}}\n"
#define RELEASE            \
	MODELS             \
	"releases:\n"      \
	"  - name: chat\n" \
	"    stable: v1\n" \
	"    canary: v2\n" /* what follows is line 8 */

static const struct serin_release_config *release(void)
{
	return &config.releases[0];
}

/* ---- what is read ---- */

static void a_file_without_releases_only_observes(void **state)
{
	(void)state;
	check_good(MODELS);
	assert_int_equal(config.n_models, 2);
	assert_int_equal(config.n_releases, 0);
	assert_string_equal(config.models[1].name, "chat");
	assert_string_equal(config.models[1].version, "v2");
	assert_int_equal(config.models[1].match.endpoint.port, 8001);
	assert_int_equal(config.window_ns, 10 * SECOND);
	assert_int_equal(config.keep_ns, 30 * 86400 * SECOND);
	assert_true(config.success[SERIN_CLIENT_ERROR]);
	assert_false(config.success[SERIN_THROTTLED]);
}

static void a_release_has_its_defaults(void **state)
{
	(void)state;
	check_good(RELEASE);
	assert_int_equal(config.n_releases, 1);
	assert_int_equal(release()->service.port, 8000);
	assert_int_equal(release()->policy.gates.min_requests, 200);
	assert_true(release()->policy.automatic);
	assert_true(release()->evidence);
	check_value(release()->policy.gates.p_min, 0.95);
	check_absent(release()->policy.gates.r_max);
	assert_int_equal(release()->policy.exits_max, 3);
	assert_int_equal(release()->drain_ns, 30 * SECOND);
}

static void every_match_is_read(void **state)
{
	const struct serin_match *m = &config.models[0].match;

	(void)state;
	check_good("models:\n- name: a\n  version: b\n  match: {port: 1, address: '::1', exe: vllm*, cmdline: '*--v2*',\n"
		   "    cgroup: /kubepods*, env: A=b=c, pid: 4194304}\n");
	assert_int_equal(m->endpoint.port, 1);
	assert_int_equal(m->endpoint.address[15], 1);
	assert_string_equal(m->exe, "vllm*");
	assert_string_equal(m->cmdline, "*--v2*");
	assert_string_equal(m->cgroup, "/kubepods*");
	assert_string_equal(m->env, "A=b=c");
	assert_int_equal(m->pid, 4194304);
}

static void everything_of_a_release_is_read(void **state)
{
	const struct serin_release_config *r = release();
	const struct serin_policy *p = &r->policy;

	(void)state;
	check_good(RELEASE
		   "    service: {port: 80, address: 10.0.0.1}\n"
		   "    sticky: client\n"
		   "    start: manual\n"
		   "    rules: [{from: 10.1.0.0/16, to: canary}, {from: '2001:db8::/32', to: stable}, {from: 0.0.0.0/0, to: stable}]\n"
		   "    steps: [{weight: 1, hold: 60s}, {weight: 5.5%, hold: 5m}, {weight: 100}]\n"
		   "    analysis: {alpha: 1%, success_margin: 2%, latency_margin: 1.5x, min_requests: 77, deadline: 250ms,\n"
		   "      evidence: false}\n"
		   "    gates:\n"
		   "      P_min: 90%\n"
		   "      R_max: 1.2\n"
		   "      D_max: off\n"
		   "      cpu_ratio_max: 2x\n"
		   "      accuracy_min: 0.9\n"
		   "      click_rate_min: 5%\n"
		   "      external: [{name: loss, min: -1, max: 0}]\n"
		   "      external_max_age: 1m\n"
		   "      exits_max: off\n"
		   "      absent: off\n"
		   "    on_inconclusive: rollback\n"
		   "    drain: 0\n"
		   "    max_connection_age: 10m\n");
	assert_int_equal(r->service.port, 80);
	assert_int_equal(r->service.address[12], 10);
	assert_true(r->sticky);
	assert_false(p->automatic);
	assert_int_equal(r->n_rules, 3);
	assert_int_equal(r->rules[0].prefix, 112);
	assert_int_equal(r->rules[0].to, SERIN_ROLE_CANARY);
	assert_int_equal(r->rules[1].prefix, 32);
	assert_int_equal(r->rules[1].to, SERIN_ROLE_STABLE);
	assert_int_equal(r->rules[2].prefix, 96);
	assert_int_equal(r->rules[2].from.address[10], 0xff);
	assert_int_equal(p->n_steps, 3);
	assert_int_equal(p->steps[1].weight, 550);
	assert_int_equal(p->steps[1].hold_ns, 300 * SECOND);
	assert_int_equal(p->steps[2].hold_ns, 0);
	check_near(r->alpha, 0.01);
	check_near(r->margin, 0.02);
	check_near(r->latency_margin, 1.5);
	assert_int_equal(p->gates.min_requests, 77);
	assert_int_equal(r->deadline_ns, 250000000);
	assert_false(r->evidence);
	check_value(p->gates.p_min, 0.9);
	check_value(p->gates.r_max, 1.2);
	check_absent(p->gates.d_max);
	check_value(p->gates.cpu_ratio_max, 2);
	assert_int_equal(p->n_external, 3);
	assert_string_equal(p->external[0].name, "accuracy");
	check_value(p->external[0].min, 0.9);
	assert_string_equal(p->external[1].name, "click_rate");
	assert_string_equal(p->external[2].name, "loss");
	check_value(p->external[2].min, -1);
	check_value(p->external[2].max, 0);
	assert_int_equal(p->external_age_ns, 60 * SECOND);
	assert_int_equal(p->exits_max, 0);
	assert_int_equal(p->absent_ns, 0);
	assert_int_equal(p->on_inconclusive, SERIN_INCONCLUSIVE_ROLLBACK);
	assert_int_equal(r->drain_ns, 0);
	assert_int_equal(r->max_age_ns, 600 * SECOND);
}

static void everything_of_the_agent_is_read(void **state)
{
	(void)state;
	check_good(MODELS "api: {listen: 127.0.0.1:9465, token_file: /t, certificate_file: /c, key_file: /k, metrics: open}\n"
			  "store: {path: ':memory:', keep: 1d}\n"
			  "outcomes: {client_error: failure, throttled: success}\n"
			  "resources: {max: limit}\nwindow: 20s\ntick: 500ms\nlease: 1m\ndeadline: 5s\n");
	assert_int_equal(config.api.listen.port, 9465);
	assert_string_equal(config.api.token_file, "/t");
	assert_true(config.api.open_metrics);
	assert_string_equal(config.store, ":memory:");
	assert_int_equal(config.keep_ns, 86400 * SECOND);
	assert_false(config.success[SERIN_CLIENT_ERROR]);
	assert_true(config.success[SERIN_THROTTLED]);
	assert_true(config.success[SERIN_SUCCESS]);
	assert_true(config.maximum_is_limit);
	assert_int_equal(config.window_ns, 20 * SECOND);
	assert_int_equal(config.tick_ns, 500000000);
	assert_int_equal(config.lease_ns, 60 * SECOND);
	assert_int_equal(config.deadline_ns, 5 * SECOND);
}

/* ---- what is refused, and where ---- */

static void what_is_wrong_is_told_with_its_line(void **state)
{
	static const struct {
		const char *text;
		unsigned line;
		const char *about, *todo;
	} all[] = {
		{"", 1, "no models", "add models"},
		{"# nothing\n", 1, "no models", "add models"},
		{"{}\n", 1, "no models", "add models"},
		{"models: []\n", 1, "no models", "add models"},
		{"chat\n", 1, "a configuration is keys and values", "lint"},
		{"- chat\n", 1, "a configuration is keys and values", "lint"},
		{MODELS "frob: 1\n", 4, "no key 'frob'", "models, releases"},
		{MODELS "models: []\n", 4, "'models' is given a second time, after line 1", "leave one out"},
		{"models:\n", 1, "'models' takes a list", "leave the key out"},
		{"models:\n  name: chat\n", 2, "'models' takes a list", "write it so"},
		{"models:\n  - chat\n", 2, "an entry of 'models' is keys and values", "write it so"},
		{"models:\n  - name: chat\n    version: v1\n    prot: 1\n", 4, "no key 'prot'", "name, version, match"},
		{"models:\n  - name: chat\n    version: v1\n", 2, "models[0] has no 'match'", "add it"},
		{"models:\n  - version: v1\n    match: {port: 1}\n", 2, "models[0] has no 'name'", "add it"},
		{"models:\n  - {name: a, version: b, match: {}}\n", 2, "nothing tells a version b", "match it"},
		{"models:\n  - {name: a b, version: b, match: {port: 1}}\n", 2, "models[0].name: 'a b' is not a name", "write"},
		{"models:\n  - {name: '', version: b, match: {port: 1}}\n", 2, "'' is not a name", "write"},
		{"models:\n  - name: a\n    version: b\n    match:\n      port: 0\n", 5, "'0' is not a port from 1 to 65535", "write"},
		{"models:\n  - name: a\n    version: b\n    match:\n      port: 65536\n", 5, "'65536' is not a port", "write"},
		{"models:\n  - name: a\n    version: b\n    match:\n      port: 80.5\n", 5, "'80.5' is not a port", "write"},
		{"models:\n  - name: a\n    version: b\n    match:\n      port: [1]\n", 5, "'port' takes one value", "write"},
		{"models:\n  - {name: a, version: b, match: {address: localhost, port: 1}}\n", 2, "not an IPv4 or IPv6", "write"},
		{"models:\n  - {name: a, version: b, match: {env: B}}\n", 2, "'B' is not one variable", "NAME=VALUE"},
		{"models:\n  - {name: a, version: b, match: {pid: 1}}\n", 2, "'1' is not the number of a process", "2 to"},
		{"models:\n  - {name: a, version: b, match: {exe: ''}}\n", 2, "'' is not a text", "write"},
		{MODELS "window: 10\n", 4, "window: '10' is not a time", "from 1s to 1h"},
		{MODELS "window: 2h\n", 4, "'2h' is not a time", "from 1s to 1h"},
		{MODELS "tick: 1ms\n", 4, "'1ms' is not a time", "from 50ms to 1m"},
		{MODELS "lease: -1s\n", 4, "'-1s' is not a time", "from"},
		{MODELS "\n\nwindow: 1m\ntick: 50ms\n", 6, "a window holds at most", "lengthen tick or shorten window"},
		{MODELS "tick: 2s\nlease: 3s\n", 5, "the lease would run out", "lengthen lease"},
		{MODELS "outcomes: {client_abort: success}\n", 4, "no key 'client_abort'", "success, client_error"},
		{MODELS "outcomes: {throttled: good}\n", 4, "'good' is not one of failure, success", "write"},
		{MODELS "outcomes:\n  success: failure\n  client_error: failure\n", 4, "no outcome counts", "success"},
		{MODELS "resources: {max: 3}\n", 4, "'3' is not one of history, limit", "write"},
		{MODELS "store: {keep: 1s}\n", 4, "store.keep: '1s' is not a time", "from 1h to 3650d"},
		{MODELS "api: {listen: 9465}\n", 4, "would obey anyone", "token_file"},
		{MODELS "api: {listen: 9465, token_file: /t, metrics: free}\n", 4, "'free' is not one of token, open", "write"},
		{MODELS "api: {metrics: open}\n", 4, "metrics are open on TCP", "add listen"},
		{MODELS "api:\n  listen: somewhere\n", 5, "not a [ADDRESS:]PORT", "write"},
		{RELEASE "    wieght: 1\n", 8, "no key 'wieght'", "steps"},
		{MODELS "releases:\n  - name: chat\n    stable: v1\n    canary: v3\n", 7, "no model chat of version v3", "models"},
		{MODELS "releases:\n  - name: chat\n    stable: v1\n    canary: v1\n", 7, "both versions are called v1", "apart"},
		{MODELS "releases:\n  - name: chat\n    stable: v1\n", 5, "releases[0] has no 'canary'", "add it"},
		{RELEASE "    service: {port: 8001}\n", 8, "clients would dial the canary", "give service another port"},
		{RELEASE "    sticky: yes\n", 8, "'yes' is not one of none, client", "write"},
		{RELEASE "    rules: [{from: 10.1.2.3/16, to: canary}]\n", 8, "an address of a network", "10.1.0.0"},
		{RELEASE "    rules:\n    - {from: 10.0.0.0/33, to: canary}\n", 9, "'10.0.0.0/33' is not a network", "write"},
		{RELEASE "    rules:\n    - {from: 10.0.0.0/8, to: none}\n", 9, "'none' is not one of stable, canary", "write"},
		{RELEASE "    steps:\n    - weight: 5\n    - weight: 5\n", 10, "step 2 of 5% does not rise", "step to step"},
		{RELEASE "    steps:\n    - weight: 101\n", 9, "'101' is not a share of connections", "from 0.01% to 100%"},
		{RELEASE "    steps:\n    - weight: 0\n", 9, "'0' is not a share", "from"},
		{RELEASE "    steps:\n    - hold: 1s\n", 9, "releases[0].steps[0] has no 'weight'", "add it"},
		{RELEASE "    steps:\n    - {weight: 1, hold: 31d}\n", 9, "'31d' is not a time", "from 0s to 30d"},
		{RELEASE "    analysis: {alpha: 0.9}\n", 8, "'0.9' is not a share", "to 50%"},
		{RELEASE "    analysis: {latency_margin: 0.9}\n", 8, "'0.9' is not a factor", "from 1x"},
		{RELEASE "    analysis: {min_requests: 1}\n    gates: {min_requests: 1}\n", 9, "given twice", "leave one out"},
		{RELEASE "    gates: {P_min: 2}\n", 8, "'2' is not off or a share", "from 0% to 100%"},
		{RELEASE "    gates: {min_requests: off}\n", 8, "'off' is not a whole number", "from 1"},
		{RELEASE "    gates: {exits_max: -1}\n", 8, "'-1' is not off or a whole number", "from 0"},
		{RELEASE "    gates: {accuracy_min: 0.5, external: [{name: accuracy, max: 1}]}\n", 8, "two gates on accuracy", "one"},
		{RELEASE "    on_inconclusive: wait\n", 8, "not one of hold, promote, rollback", "write"},
		{RELEASE "    drain: 2h\n", 8, "'2h' is not a time", "to 1h"},
		{RELEASE "  - name: chat\n    stable: v2\n    canary: v1\n", 8, "two releases of chat", "leave one out"},
		{"models: [\n", 2, "this is no YAML", "mend it"},
		{"models:\n\t- a\n", 2, "this is no YAML", "mend it"},
		{"models: 'open\n", 2, "this is no YAML", "mend it"},
		{"window: &x 10s\n", 1, "anchors", "write the value out"},
		{"window: *x\n", 1, "aliases", "write the value out"},
		{"window: !!str 10s\n", 1, "tags", "write the value out"},
		{"models: []\n---\nmodels: []\n", 2, "a second document", "join them"},
		{"? [a]\n: b\n", 1, "a key that is no word", "KEY: VALUE"},
		{MODELS "window: \"10s\\0\"\n", 4, "a NUL byte", "leave it out"},
		{MODELS "window: \"\\e[2J\"\n", 4, "'?[2J'", "write"},
		{"models:\n  - name: \x01\n", 2, "control characters", "mend it"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		check_bad(all[i].text, all[i].line, all[i].about, all[i].todo);
}

static void what_is_no_text_is_refused(void **state)
{
	(void)state;
	check_bad_bytes("models:\n  - \xff\n", 13, 2, "0xff is not UTF-8", "save");
	check_bad_bytes("a\nb\n\xc0\xaf", 6, 3, "not UTF-8", "save");
	check_bad_bytes("a\nb: \xed\xa0\x80", 8, 2, "not UTF-8", "save");
	check_bad_bytes("a\n\0b", 4, 2, "a NUL byte", "anew");
	check_bad_bytes("\xff\xfe" "a\0:\0", 6, 1, "not UTF-8", "save");
	check_bad_bytes("name: \xe2\x82", 8, 1, "not UTF-8", "save");
}

static void more_than_there_is_room_for_is_refused(void **state)
{
	_cleanup_free_ char *text = calloc(1, 1 << 16);
	char *at = text;

	(void)state;
	at += sprintf(at, "models:\n");
	for (unsigned i = 0; i < SERIN_TARGETS_MAX; i++)
		at += sprintf(at, "  - {name: a, version: v%u, match: {port: %u}}\n", i, 8000 + i);
	check_good(text);
	sprintf(at, "  - {name: a, version: v, match: {port: 1}}\n");
	check_bad(text, 18, "more than 16 entries in 'models'", "leave some out");

	at = text + sprintf(text, RELEASE "    steps:\n");
	for (unsigned i = 0; i < ROLLOUT_STEPS_MAX; i++)
		at += sprintf(at, "    - weight: %u\n", i + 1);
	check_good(text);
	sprintf(at, "    - weight: 99\n");
	check_bad(text, 9 + ROLLOUT_STEPS_MAX, "more than 32 entries in 'steps'", "leave some out");

	at = text + sprintf(text, RELEASE "    gates:\n      accuracy_min: 0.5\n      external:\n");
	for (unsigned i = 0; i < ROLLOUT_EXTERNAL_MAX; i++)
		at += sprintf(at, "      - {name: f%u, min: 1}\n", i);
	check_bad(text, 10 + ROLLOUT_EXTERNAL_MAX, "more than 16 entries in 'external'", "leave some out");
}

/* What would take long, or much memory, if it were believed. */
static void bombs_are_refused(void **state)
{
	_cleanup_free_ char *deep = malloc(CONFIG_SIZE_MAX + 1);

	(void)state;
	assert_non_null(deep);
	memset(deep, '[', CONFIG_SIZE_MAX);
	check_bad_bytes(deep, CONFIG_SIZE_MAX, 1, "a configuration is", "lint");
	memset(deep, '{', CONFIG_SIZE_MAX);
	check_bad_bytes(deep, CONFIG_SIZE_MAX, 1, "a key that is no word", "write");
	memset(deep, '-', CONFIG_SIZE_MAX);
	check_bad_bytes(deep, CONFIG_SIZE_MAX, 1, "a configuration is", "lint");
	for (size_t i = 0; i < CONFIG_SIZE_MAX; i += 2)
		memcpy(deep + i, "? ", 2);
	assert_int_equal(read_bytes(deep, CONFIG_SIZE_MAX), -EINVAL);
	memset(deep, 'x', CONFIG_SIZE_MAX);
	assert_int_equal(read_bytes(deep, CONFIG_SIZE_MAX), -EINVAL);
	memset(deep, 'x', CONFIG_SIZE_MAX + 1);
	check_bad_bytes(deep, CONFIG_SIZE_MAX + 1, 0, "longer than 1 MiB", "another");
	check_bad("a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n", 1, "no key 'a'", "use one of");
	check_bad("window: &a [x, x]\nlease: [*a, *a]\n", 1, "anchors", "write the value out");
}

static void what_is_no_file_is_refused_and_not_waited_for(void **state)
{
	(void)state;
	unlink(path);
	assert_int_equal(config_read(path, &config, why), -ENOENT);
	assert_non_null(strstr(why, "no such file"));
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(config_read(path, &config, why), -EINVAL);
	assert_non_null(strstr(why, "no regular file"));
	unlink(path);
	assert_int_equal(config_read(directory, &config, why), -EINVAL);
	assert_non_null(strstr(why, "no regular file"));
	assert_int_equal(config_read("/dev/zero", &config, why), -EINVAL);
}

/* ---- what nobody thought of ---- */

static const char whole[] =
	RELEASE
	"    service: {port: 8000}\n"
	"    sticky: none\n"
	"    rules: [{from: 10.1.0.0/16, to: canary}]\n"
	"    steps: [{weight: 1, hold: 60s}, {weight: 5, hold: 5m}, {weight: 100}]\n"
	"    analysis: {alpha: 0.01, success_margin: 1%, latency_margin: 1.1x, deadline: 60s}\n"
	"    gates: {P_min: 0.95, R_max: 1.2, D_max: 5, accuracy_min: 0.9, external: [{name: a, min: 1}]}\n"
	"    on_inconclusive: hold # or promote, rollback\n"
	"api: {listen: 127.0.0.1:9465, token_file: \"/t\"}\n"
	"outcomes: {throttled: success}\n";

static size_t mutate(uint64_t *seed, char *bytes, size_t length, size_t room)
{
	static const char interesting[] = "\0\n\t :-[]{}&*!|>'\"%@`#?,~0\xff\xc3";

	for (unsigned n = 1 + util_random(seed) % 4; n; n--) {
		size_t at = util_random(seed) % length, run = 1 + util_random(seed) % 8;

		if (run > length - at)
			run = length - at;
		switch (util_random(seed) % 5) {
		case 0:
			bytes[at] = (char)util_random(seed);
			break;
		case 1:
			bytes[at] = interesting[util_random(seed) % (sizeof(interesting) - 1)];
			break;
		case 2: /* take some out */
			memmove(bytes + at, bytes + at + run, length - at - run);
			length = length - run ? length - run : 1;
			break;
		case 3: /* twice the same */
			if (length + run > room)
				break;
			memmove(bytes + at + run, bytes + at, length - at);
			length += run;
			break;
		case 4: /* a piece from elsewhere */
			memmove(bytes + at, bytes + util_random(seed) % (length - run + 1), run);
			break;
		}
	}
	return length;
}

/* Ten thousand of them: each is taken or refused in one line, nothing is read or written out of bounds, nothing leaks. */
static void whatever_there_is_it_is_taken_or_refused(void **state)
{
	char bytes[2 * sizeof(whole)];
	unsigned good = 0, bad = 0;
	uint64_t seed = 1;

	(void)state;
	check_good(whole);
	for (unsigned i = 0; i < 10000; i++) {
		size_t length = sizeof(whole) - 1;
		int r;

		memcpy(bytes, whole, length);
		length = mutate(&seed, bytes, length, sizeof(bytes));
		r = read_bytes(bytes, length);
		if (r != 0 && (r != -EINVAL || strncmp(why, path, strlen(path)) || strchr(why, '\n')))
			fail_msg("%u: %d, '%s'", i, r, why);
		if (r == 0 && config_check(&config, why, sizeof(why)) != 0)
			fail_msg("%u is taken although %s", i, why);
		*(r ? &bad : &good) += 1;
	}
	if (good < 100 || bad < 5000)
		fail_msg("%u good and %u bad ones test little", good, bad);
}

static int begin(void **state)
{
	(void)state;
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof(path), "%s/serin.yaml", directory);
	return 0;
}

static int end(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_without_releases_only_observes),
		cmocka_unit_test(a_release_has_its_defaults),
		cmocka_unit_test(every_match_is_read),
		cmocka_unit_test(everything_of_a_release_is_read),
		cmocka_unit_test(everything_of_the_agent_is_read),
		cmocka_unit_test(what_is_wrong_is_told_with_its_line),
		cmocka_unit_test(what_is_no_text_is_refused),
		cmocka_unit_test(more_than_there_is_room_for_is_refused),
		cmocka_unit_test(bombs_are_refused),
		cmocka_unit_test(what_is_no_file_is_refused_and_not_waited_for),
		cmocka_unit_test(whatever_there_is_it_is_taken_or_refused),
	};

	return cmocka_run_group_tests_name("config_yaml", tests, begin, end);
}
