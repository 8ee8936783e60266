/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What the model server knows: one language model of all its text, and one of each file, so that it can say which
 * file a text resembles most.
 */
#ifndef TOOLS_CORPUS_H
#define TOOLS_CORPUS_H

#include "ngram.h"

#define CORPUS_FILES_MAX 64
#define CORPUS_FILE_MAX (8u << 20) /* bytes */

struct corpus_file {
	char *label; /* the file's name without its directory */
	char *text;  /* normalised; freed once the models are trained */
	size_t length;
	struct ngram *model;
};

struct corpus {
	struct ngram *model;
	struct corpus_file files[CORPUS_FILES_MAX];
	size_t n_files;
};

/*
 * Adds a file, or the files of a directory: those that are no symbolic links (an alias would only halve the scores of
 * what it points at) and long enough to learn from. 0 or -errno; -E2BIG when there are too many files, -ENODATA when
 * nothing was fit to learn from.
 */
int corpus_add(struct corpus *corpus, const char *path);

/* Trains the models on what was added. 0 or -errno. */
int corpus_train(struct corpus *corpus);

/* How much the text resembles each file: n_files scores that add up to 1. Returns the index of the best. */
size_t corpus_classify(const struct corpus *corpus, const char *text, size_t length, double *ret_scores);

void corpus_free(struct corpus *corpus);

#endif
