// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "model_api.h"

#include "util.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define MAX_TOKENS_DEFAULT 16
#define TEMPERATURE_MAX 2.0

const struct dialect dialect_completions = {"cmpl", "text_completion", "text_completion", false};
const struct dialect dialect_chat = {"chatcmpl", "chat.completion", "chat.completion.chunk", true};

static uint64_t model_random(struct model *model)
{
	return util_random_hash(atomic_fetch_add(&model->random, UTIL_RANDOM_GAMMA) + UTIL_RANDOM_GAMMA);
}

double model_uniform(struct model *model)
{
	return util_uniform(model_random(model));
}

static void slot_take(struct model *model)
{
	while (sem_wait(&model->slots) < 0 && errno == EINTR)
		;
}

static void slot_give(struct model **model)
{
	sem_post(&(*model)->slots);
}

/* Holds one of the model's slots until the end of the scope. */
#define USE_SLOT(model) \
	__attribute__((cleanup(slot_give), unused)) struct model *slot_of = (slot_take(model), (model))

json_t *api_error(unsigned status, const char *message)
{
	return json_pack("{s:{s:s, s:s, s:i}}", "error", "message", message, "type",
			 status < 500 ? "invalid_request_error" : "internal_error", "code", (int)status);
}

/* Generating text */

/* Appends to the text so far, of which only the end is kept. */
static void remember(struct completion *completion, char character)
{
	if (completion->n_context == NGRAM_CONTEXT)
		memmove(completion->context, completion->context + 1, NGRAM_CONTEXT - 1);
	else
		completion->n_context++;
	completion->context[completion->n_context - 1] = character;
}

static char generate_character(struct completion *completion, const struct ngram *ngram)
{
	char next = ngram_next(ngram, completion->context, completion->n_context, completion->temperature,
			       util_uniform(util_random(&completion->random)));

	remember(completion, next);
	return next;
}

static bool ends_piece(char character, size_t length)
{
	return character == ' ' || character == '\n' || length == PIECE_MAX;
}

/* Writes the next piece, NUL-terminated; its length. */
static size_t generate_piece(struct completion *completion, const struct ngram *ngram, char piece[PIECE_MAX + 1])
{
	size_t length = 0;

	do {
		piece[length] = generate_character(completion, ngram);
		length++;
	} while (!ends_piece(piece[length - 1], length));
	piece[length] = '\0';
	completion->n_pieces++;
	return length;
}

void model_burn(struct model *model, double ms)
{
	struct completion work = {.temperature = 1.0};
	char piece[PIECE_MAX + 1];
	struct timespec begin, now;
	double used;

	USE_SLOT(model);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
	do {
		generate_piece(&work, model->corpus.model, piece);
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
		used = (double)(now.tv_sec - begin.tv_sec) * 1e3 + (double)(now.tv_nsec - begin.tv_nsec) * 1e-6;
	} while (used < ms);
}

/* Reading a request */

static size_t count_pieces(const char *text, size_t length)
{
	size_t n = 0, piece = 0;

	for (size_t i = 0; i < length; i++) {
		piece++;
		if (ends_piece(text[i], piece) || i + 1 == length) {
			n++;
			piece = 0;
		}
	}
	return n;
}

/* More of the prompt: it is counted, and its end becomes the context. */
static void add_prompt(struct completion *completion, const char *text, size_t length)
{
	for (size_t i = length > NGRAM_CONTEXT ? length - NGRAM_CONTEXT : 0; i < length; i++) {
		char character = text[i];

		ngram_normalise(&character, 1);
		remember(completion, character);
	}
	completion->n_prompt += count_pieces(text, length);
}

static const char *read_prompt(struct completion *completion, json_t *request)
{
	json_t *prompt = json_object_get(request, "prompt");

	if (!json_is_string(prompt))
		return "prompt must be a string";
	add_prompt(completion, json_string_value(prompt), json_string_length(prompt));
	return NULL;
}

static const char *read_messages(struct completion *completion, json_t *request)
{
	json_t *messages = json_object_get(request, "messages"), *message;
	size_t index;

	if (json_array_size(messages) == 0)
		return "messages must be an array of at least one message";
	json_array_foreach (messages, index, message) {
		json_t *content = json_object_get(message, "content");

		if (!json_is_string(json_object_get(message, "role")) || !json_is_string(content))
			return "a message must have a role and a content, both strings";
		add_prompt(completion, json_string_value(content), json_string_length(content));
		add_prompt(completion, "\n", 1);
	}
	return NULL;
}

/* A parameter that may be absent or null. */
static json_t *optional(json_t *request, const char *key)
{
	json_t *value = json_object_get(request, key);

	return json_is_null(value) ? NULL : value;
}

static const char *read_sampling(struct completion *completion, json_t *request)
{
	json_t *max_tokens = optional(request, "max_tokens"), *temperature = optional(request, "temperature");
	json_t *seed = optional(request, "seed"), *stream = optional(request, "stream");

	if (max_tokens && (!json_is_integer(max_tokens) || json_integer_value(max_tokens) < 1 ||
			   json_integer_value(max_tokens) > MAX_TOKENS_MAX))
		return "max_tokens must be an integer from 1 to 4096";
	if (temperature && (!json_is_number(temperature) || json_number_value(temperature) < 0.0 ||
			    json_number_value(temperature) > TEMPERATURE_MAX))
		return "temperature must be a number from 0 to 2";
	if (seed && !json_is_integer(seed))
		return "seed must be an integer";
	if (stream && !json_is_boolean(stream))
		return "stream must be true or false";

	if (max_tokens)
		completion->n_wanted = (size_t)json_integer_value(max_tokens);
	if (temperature)
		completion->temperature = json_number_value(temperature);
	if (seed)
		completion->random = (uint64_t)json_integer_value(seed);
	completion->stream = json_is_true(stream);
	return NULL;
}

/* A request may leave the model out; one that names another model has come to the wrong server. */
static const char *check_model(const struct model *model, json_t *request, unsigned *ret_status)
{
	json_t *name = optional(request, "model");

	*ret_status = 400;
	if (!json_is_object(request))
		return "the body must be a JSON object";
	if (name && !json_is_string(name))
		return "model must be a string";
	if (name && strcmp(json_string_value(name), model->name) != 0) {
		*ret_status = 404;
		return "this model is not served here; GET /v1/models lists what is";
	}
	return NULL;
}

const char *completion_read(struct completion *completion, struct model *model, const struct dialect *dialect,
			    json_t *request, unsigned *ret_status)
{
	const char *wrong;

	*completion = (struct completion){
		.dialect = dialect,
		.id = model_random(model),
		.created = time(NULL),
		.temperature = 1.0,
		.random = model_random(model),
		.n_wanted = MAX_TOKENS_DEFAULT,
	};
	wrong = check_model(model, request, ret_status);
	if (!wrong)
		wrong = read_sampling(completion, request);
	if (!wrong)
		wrong = dialect->chat ? read_messages(completion, request) : read_prompt(completion, request);
	return wrong;
}

/* Writing the answer */

/* What generated text is wrapped in. "length": the model never stops of its own accord. */
static json_t *choice(const struct completion *completion, const char *text, size_t length, bool chunk)
{
	const char *reason = completion->n_pieces == completion->n_wanted ? "length" : NULL;

	if (!completion->dialect->chat)
		return json_pack("{s:i, s:s%, s:s?}", "index", 0, "text", text, length, "finish_reason", reason);
	return json_pack("{s:i, s:{s:s, s:s%}, s:s?}", "index", 0, chunk ? "delta" : "message", "role", "assistant",
			 "content", text, length, "finish_reason", reason);
}

static json_t *envelope(const struct completion *completion, const struct model *model, const char *object,
			json_t *choice)
{
	char id[40];

	snprintf(id, sizeof(id), "%s-%016" PRIx64, completion->dialect->id_prefix, completion->id);
	return json_pack("{s:s, s:s, s:I, s:s, s:s, s:[o]}", "id", id, "object", object, "created",
			 (json_int_t)completion->created, "model", model->name, "system_fingerprint", model->version,
			 "choices", choice);
}

json_t *completion_finish(struct completion *completion, struct model *model)
{
	_cleanup_free_ char *text = malloc(completion->n_wanted * PIECE_MAX + 1);
	size_t length = 0;
	json_t *answer;

	if (!text)
		return NULL;
	{
		USE_SLOT(model);
		while (completion->n_pieces < completion->n_wanted)
			length += generate_piece(completion, model->corpus.model, text + length);
	}
	answer = envelope(completion, model, completion->dialect->object, choice(completion, text, length, false));
	json_object_set_new(answer, "usage",
			    json_pack("{s:I, s:I, s:I}", "prompt_tokens", (json_int_t)completion->n_prompt,
				      "completion_tokens", (json_int_t)completion->n_pieces, "total_tokens",
				      (json_int_t)(completion->n_prompt + completion->n_pieces)));
	return answer;
}

json_t *completion_next(struct completion *completion, struct model *model)
{
	char piece[PIECE_MAX + 1];
	size_t length;

	if (completion->n_pieces == completion->n_wanted)
		return NULL;
	{
		USE_SLOT(model);
		length = generate_piece(completion, model->corpus.model, piece);
	}
	return envelope(completion, model, completion->dialect->chunk_object,
			choice(completion, piece, length, true));
}

static json_t *scores_to_json(const struct corpus *corpus, const double *scores)
{
	json_t *object = json_object();

	for (size_t i = 0; i < corpus->n_files; i++)
		json_object_set_new(object, corpus->files[i].label, json_real(scores[i]));
	return object;
}

const char *api_classify(struct model *model, json_t *request, json_t **ret_answer, unsigned *ret_status)
{
	double scores[CORPUS_FILES_MAX];
	char text[CLASSIFY_MAX];
	const char *wrong = check_model(model, request, ret_status);
	json_t *input = json_object_get(request, "input");
	size_t length, best;

	if (wrong)
		return wrong;
	if (json_string_length(input) == 0)
		return "input must be a string that is not empty";
	length = json_string_length(input) < CLASSIFY_MAX ? json_string_length(input) : CLASSIFY_MAX;
	memcpy(text, json_string_value(input), length);
	ngram_normalise(text, length);
	{
		USE_SLOT(model);
		best = corpus_classify(&model->corpus, text, length, scores);
	}
	*ret_answer = json_pack("{s:s, s:s, s:s, s:f, s:o}", "model", model->name, "system_fingerprint",
				model->version, "label", model->corpus.files[best].label, "score", scores[best],
				"scores", scores_to_json(&model->corpus, scores));
	return NULL;
}

json_t *api_models(const struct model *model)
{
	return json_pack("{s:s, s:[{s:s, s:s, s:I, s:s, s:s}]}", "object", "list", "data", "id", model->name, "object",
			 "model", "created", (json_int_t)model->created, "owned_by", "model-server", "version",
			 model->version);
}
