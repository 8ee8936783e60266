/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The page for people: user/web/page.html, one file without a figure in it, as it was when the program was built; and the headers
 * with which a browser lets it do what it has to and nothing else.
 */
#ifndef SERIN_WEB_H
#define SERIN_WEB_H

#include <stddef.h>

struct web_header {
	const char *name, *value;
};

struct web_page {
	const char *text;
	size_t length;
	const struct web_header *headers; /* up to one without a name */
};

/* Lives as long as the program. */
const struct web_page *web_page(void);

#endif
