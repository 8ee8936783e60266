// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#define _GNU_SOURCE 1

#include "corpus.h"

#include "util.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>

static int add_file(struct corpus *corpus, const char *path)
{
	struct corpus_file *file = &corpus->files[corpus->n_files];
	_cleanup_free_ char *text = NULL;
	const char *slash = strrchr(path, '/');
	size_t length;
	int ret;

	if (corpus->n_files == CORPUS_FILES_MAX)
		return -E2BIG;
	ret = util_read_file(path, CORPUS_FILE_MAX, &text, &length);
	if (ret < 0)
		return ret;
	if (length <= NGRAM_CONTEXT)
		return -ENODATA;
	ngram_normalise(text, length);

	file->label = strdup(slash ? slash + 1 : path);
	if (!file->label)
		return -ENOMEM;
	ngram_normalise(file->label, strlen(file->label)); /* a file's name may be any bytes; JSON is UTF-8 */
	file->text = TAKE_PTR(text);
	file->length = length;
	corpus->n_files++;
	return 0;
}

static int is_plain_file(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > NGRAM_CONTEXT;
}

static int add_directory(struct corpus *corpus, const char *directory)
{
	struct dirent **entries;
	size_t before = corpus->n_files;
	int n, ret = 0;

	n = scandir(directory, &entries, NULL, alphasort);
	if (n < 0)
		return -errno;
	for (int i = 0; i < n; i++) {
		_cleanup_free_ char *path = NULL;

		if (ret == 0 && asprintf(&path, "%s/%s", directory, entries[i]->d_name) < 0)
			ret = -ENOMEM;
		if (ret == 0 && is_plain_file(path))
			ret = add_file(corpus, path);
		free(entries[i]);
	}
	free(entries);
	return ret == 0 && corpus->n_files == before ? -ENODATA : ret;
}

int corpus_add(struct corpus *corpus, const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	return S_ISDIR(st.st_mode) ? add_directory(corpus, path) : add_file(corpus, path);
}

/* The model of all files is that of their texts one after the other. */
static int train_whole(struct corpus *corpus)
{
	_cleanup_free_ char *text = NULL;
	size_t total = 0, at = 0;

	for (size_t i = 0; i < corpus->n_files; i++)
		total += corpus->files[i].length;
	text = malloc(total + 1);
	if (!text)
		return -ENOMEM;
	for (size_t i = 0; i < corpus->n_files; i++) {
		memcpy(text + at, corpus->files[i].text, corpus->files[i].length);
		at += corpus->files[i].length;
	}
	return ngram_train(text, total, &corpus->model);
}

int corpus_train(struct corpus *corpus)
{
	int ret = train_whole(corpus);

	for (size_t i = 0; ret == 0 && i < corpus->n_files; i++) {
		struct corpus_file *file = &corpus->files[i];

		ret = ngram_train(file->text, file->length, &file->model);
		free(TAKE_PTR(file->text));
	}
	return ret;
}

/* Mean logarithm of the score of a character: minus the cross-entropy of the text under the model. */
static double mean_log_score(const struct ngram *model, const char *text, size_t length)
{
	double sum = 0.0;

	for (size_t i = 0; i < length; i++)
		sum += ngram_log_score(model, text, i, text[i]);
	return length > 0 ? sum / (double)length : 0.0;
}

/* score(file) = 1 / perplexity(text under file), divided by the sum of these over all files. */
size_t corpus_classify(const struct corpus *corpus, const char *text, size_t length, double *ret_scores)
{
	double total = 0.0;
	size_t best = 0;

	for (size_t i = 0; i < corpus->n_files; i++) {
		ret_scores[i] = exp(mean_log_score(corpus->files[i].model, text, length));
		total += ret_scores[i];
		if (ret_scores[i] > ret_scores[best])
			best = i;
	}
	for (size_t i = 0; i < corpus->n_files; i++)
		ret_scores[i] /= total;
	return best;
}

void corpus_free(struct corpus *corpus)
{
	for (size_t i = 0; i < corpus->n_files; i++) {
		free(corpus->files[i].label);
		free(corpus->files[i].text);
		ngram_free(corpus->files[i].model);
	}
	ngram_free(corpus->model);
}
