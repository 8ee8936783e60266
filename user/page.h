/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * A page of text for people: lines of styled words, cut to a width in columns. It counts columns as terminals do, wide
 * and combining characters too; what it is given may hold anything, what comes out is text and colours, nothing else.
 */
#ifndef SERIN_PAGE_H
#define SERIN_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum page_style { PAGE_PLAIN, PAGE_BOLD, PAGE_DIM, PAGE_GREEN, PAGE_YELLOW, PAGE_RED, PAGE_STYLES };

struct page_look {
	unsigned width; /* columns, longer lines are cut there; 0: any */
	bool utf8;	/* else ASCII alone: any other character becomes '?' */
	bool colour;
};

#define PAGE_CELLS_MAX 2048 /* characters of a line */

struct page_cell {
	uint32_t code;
	uint8_t columns, style;
};

struct page {
	struct page_look look;
	bool faded; /* lines are dim, whatever their words' styles: what they say is not of now */
	struct page_cell line[PAGE_CELLS_MAX]; /* the one that is being written */
	unsigned n, column;
	char *text; /* the lines before it */
	size_t length, room;
	unsigned lines;
	bool failed; /* memory is out */
};

void page_init(struct page *page, const struct page_look *look);

/* Adds to the line. Control characters and what is no UTF-8 become '?'. */
void page_put(struct page *page, enum page_style style, const char *text);
void page_printf(struct page *page, enum page_style style, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* One for UTF-8, one for ASCII. */
void page_either(struct page *page, enum page_style style, const char *utf8, const char *ascii);

/* The same, of words: what does not fit goes on in the next line, from `column` on. */
void page_wrap(struct page *page, enum page_style style, unsigned column, const char *text);

/* Blanks up to a column, counted from 0; none when the line is there already. */
void page_to(struct page *page, unsigned column);

/* Ends the line. */
void page_end(struct page *page);

/* The text, of at most `rows` lines (0: any); the last of them then says how many there are besides. The caller frees
 * it. NULL: memory is out. The page is empty afterwards. */
char *page_take(struct page *page, unsigned rows);

/* Columns that a text takes. */
unsigned page_columns(const struct page *page, const char *text);

#endif
