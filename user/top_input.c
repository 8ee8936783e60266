// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "top_input.h"

#include "options.h"
#include "terminal.h"
#include "util.h"

#include <string.h>

const struct top_help top_help[] = {
	{"p", "pause", "stay at this weight"},
	{"r", "resume", "go on after a pause, or after a weight set by hand"},
	{"m", "promote", "go on to the next step; + does it too. Asks first"},
	{"a", "abort", "take the canary out of traffic. Asks first"},
	{"w", "weight", "set the canary's share of new connections, in percent"},
	{"t", "retry", "begin again after a rollback"},
	{"z", NULL, "how far back the curves go: 5, 10 or 1 minutes"},
	{"Up Down", NULL, "choose a release; k and j do it too"},
	{"Enter", NULL, "the chosen release alone; once more, or Esc: all of them"},
	{"?", "help", "this"},
	{"q", "quit", "end; so does ^C. What serin does goes on"},
	{NULL, NULL, NULL},
};

static const struct {
	int key;
	enum top_act act;
	enum top_mode mode; /* into which it leads; TOP_ASKING: the act waits for a yes */
} keys[] = {
	{'q', TOP_QUIT, TOP_WATCHING},	      {TERMINAL_GONE, TOP_QUIT, TOP_WATCHING}, {'p', TOP_PAUSE, TOP_WATCHING},
	{'r', TOP_RESUME, TOP_WATCHING},      {'m', TOP_PROMOTE, TOP_ASKING},	       {'+', TOP_PROMOTE, TOP_ASKING},
	{'a', TOP_ABORT, TOP_ASKING},	      {'t', TOP_RETRY, TOP_WATCHING},	       {'w', TOP_WEIGHT, TOP_TYPING},
	{'z', TOP_SPAN, TOP_WATCHING},	      {'k', TOP_UP, TOP_WATCHING},	       {'j', TOP_DOWN, TOP_WATCHING},
	{TERMINAL_UP, TOP_UP, TOP_WATCHING},  {TERMINAL_DOWN, TOP_DOWN, TOP_WATCHING}, {'\n', TOP_SHOW, TOP_WATCHING},
	{'?', TOP_NOTHING, TOP_HELPING},      {'h', TOP_NOTHING, TOP_HELPING},	       {TERMINAL_ESCAPE, TOP_SHOW, TOP_WATCHING},
};

static enum top_act watching(struct top_input *input, int key)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (keys[i].key != key)
			continue;
		input->mode = keys[i].mode;
		input->asked = keys[i].act;
		input->typed[0] = '\0';
		return input->mode == TOP_WATCHING ? keys[i].act : TOP_NOTHING;
	}
	return TOP_NOTHING;
}

static enum top_act asking(struct top_input *input, int key)
{
	input->mode = TOP_WATCHING;
	return key == 'y' || key == 'Y' ? input->asked : TOP_LEFT;
}

static enum top_act typed_all(struct top_input *input, double *ret_weight)
{
	const struct option_row percent = {.min = 0, .max = 100};

	input->mode = TOP_WATCHING;
	if (!*input->typed)
		return TOP_LEFT;
	return option_number(&percent, input->typed, ret_weight) < 0 ? TOP_WRONG : TOP_WEIGHT;
}

static enum top_act typing(struct top_input *input, int key, double *ret_weight)
{
	size_t n = strlen(input->typed);

	if (key == '\n')
		return typed_all(input, ret_weight);
	if (key == TERMINAL_ESCAPE || key == 'q') {
		input->mode = TOP_WATCHING;
		return TOP_LEFT;
	}
	if (key == '\b' && n)
		input->typed[n - 1] = '\0';
	if (((key >= '0' && key <= '9') || key == '.') && n + 1 < TOP_TYPED_MAX) {
		input->typed[n] = (char)key;
		input->typed[n + 1] = '\0';
	}
	return TOP_NOTHING;
}

enum top_act top_input_key(struct top_input *input, int key, double *ret_weight)
{
	if (key == TERMINAL_GONE)
		return TOP_QUIT;
	switch (input->mode) {
	case TOP_ASKING:
		return asking(input, key);
	case TOP_TYPING:
		return typing(input, key, ret_weight);
	case TOP_HELPING:
		input->mode = TOP_WATCHING;
		return key == 'q' ? TOP_QUIT : TOP_NOTHING;
	default:
		return watching(input, key);
	}
}
