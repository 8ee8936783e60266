// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "page.h"

#include "util.h"

#include <stdarg.h>
#include <string.h>

/* ---- characters ---- */

#define REPLACEMENT '?'

/* The next character of UTF-8, REPLACEMENT for a byte that begins none. */
static uint32_t decode(const char **text)
{
	const unsigned char *s = (const unsigned char *)*text;
	unsigned more = *s >= 0xf0 ? 3 : *s >= 0xe0 ? 2 : *s >= 0xc0 ? 1 : 0;
	static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
	uint32_t code = more ? *s & (0x3fu >> more) : *s;

	*text += 1;
	if (*s < 0x80)
		return code;
	if (more == 0 || *s > 0xf4)
		return REPLACEMENT;
	for (unsigned i = 1; i <= more; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return REPLACEMENT;
		code = code << 6 | (s[i] & 0x3f);
	}
	if (code < least[more] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
		return REPLACEMENT;
	*text += more;
	return code;
}

static unsigned encode(uint32_t code, char ret[4])
{
	static const uint8_t lead[] = {0, 0xc0, 0xe0, 0xf0};
	unsigned more = code < 0x80 ? 0 : code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;

	for (unsigned i = more; i > 0; i--, code >>= 6)
		ret[i] = (char)(0x80 | (code & 0x3f));
	ret[0] = (char)(lead[more] | code);
	return more + 1;
}

struct range {
	uint32_t first, last;
};

static bool in_ranges(uint32_t code, const struct range *ranges, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (code >= ranges[i].first && code <= ranges[i].last)
			return true;
	return false;
}

/* Control characters, C1 too, and what turns the direction of text round. */
static bool is_unprintable(uint32_t code)
{
	static const struct range ranges[] = {{0, 0x1f}, {0x7f, 0x9f}, {0x200e, 0x200f}, {0x2028, 0x202e}, {0x2066, 0x2069}};

	return in_ranges(code, ranges, ARRAY_SIZE(ranges));
}

/* Combining marks, joiners and variation selectors take no column, East Asian wide characters (UAX #11) and pictures
 * take two. Of the locale, which wcwidth() would ask, it does not depend. */
static unsigned columns_of(uint32_t code)
{
	static const struct range none[] = {{0x300, 0x36f}, {0x200b, 0x200d}, {0x20d0, 0x20ff}, {0xfe00, 0xfe0f},
					    {0xfe20, 0xfe2f}};
	static const struct range two[] = {{0x1100, 0x115f}, {0x2e80, 0x303e}, {0x3041, 0xa4cf}, {0xac00, 0xd7a3},
					   {0xf900, 0xfaff}, {0xfe30, 0xfe6f}, {0xff00, 0xff60}, {0xffe0, 0xffe6},
					   {0x1f300, 0x1f64f}, {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd}};

	if (in_ranges(code, none, ARRAY_SIZE(none)))
		return 0;
	return in_ranges(code, two, ARRAY_SIZE(two)) ? 2 : 1;
}

static uint32_t next_shown(const struct page *page, const char **text)
{
	uint32_t code = decode(text);

	return is_unprintable(code) || (code > 0x7e && !page->look.utf8) ? REPLACEMENT : code;
}

/* ---- the line ---- */

void page_init(struct page *page, const struct page_look *look)
{
	memset(page, 0, sizeof(*page));
	page->look = *look;
}

void page_put(struct page *page, enum page_style style, const char *text)
{
	struct page_cell *cell;

	while (*text && page->n < PAGE_CELLS_MAX) {
		cell = &page->line[page->n++];
		cell->code = next_shown(page, &text);
		cell->columns = (uint8_t)columns_of(cell->code);
		cell->style = (uint8_t)style;
		page->column += cell->columns;
	}
}

void page_printf(struct page *page, enum page_style style, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	page_put(page, style, text);
}

void page_either(struct page *page, enum page_style style, const char *utf8, const char *ascii)
{
	page_put(page, style, page->look.utf8 ? utf8 : ascii);
}

void page_to(struct page *page, unsigned column)
{
	while (page->column < column && page->n < PAGE_CELLS_MAX)
		page_put(page, PAGE_PLAIN, " ");
}

unsigned page_columns(const struct page *page, const char *text)
{
	unsigned columns = 0;

	while (*text)
		columns += columns_of(next_shown(page, &text));
	return columns;
}

/* Words and the blanks before them. One that is longer than a line is cut as any other. */
void page_wrap(struct page *page, enum page_style style, unsigned column, const char *text)
{
	char word[256];
	size_t length;

	for (; *text; text += length) {
		length = strspn(text, " ");
		length += strcspn(text + length, " ");
		if (length >= sizeof(word))
			length = sizeof(word) - 1;
		memcpy(word, text, length);
		word[length] = '\0';
		if (page->look.width && page->column > column && page->column + page_columns(page, word) > page->look.width) {
			page_end(page);
			page_to(page, column);
			page_put(page, style, word + strspn(word, " "));
		} else {
			page_put(page, style, word);
		}
	}
}

/* ---- the text ---- */

static void append(struct page *page, const char *bytes, size_t length)
{
	size_t room = page->room ? page->room : 4096;
	char *longer;

	while (room < page->length + length + 1)
		room *= 2;
	if (room > page->room && !page->failed) {
		longer = realloc(page->text, room);
		page->failed = !longer;
		if (longer) {
			page->text = longer;
			page->room = room;
		}
	}
	if (page->failed)
		return;
	memcpy(page->text + page->length, bytes, length);
	page->length += length;
	page->text[page->length] = '\0';
}

static void append_style(struct page *page, enum page_style style)
{
	static const char *const codes[] = {"\033[0m", "\033[0;1m", "\033[0;2m", "\033[0;32m", "\033[0;33m", "\033[0;31m"};

	_Static_assert(ARRAY_SIZE(codes) == PAGE_STYLES, "a code for each style");
	if (page->look.colour)
		append(page, codes[style], strlen(codes[style]));
}

/* Makes room for the mark that says that there is more. */
static void cut(struct page *page)
{
	if (!page->look.width || page->column <= page->look.width)
		return;
	while (page->n && page->column > page->look.width - 1)
		page->column -= page->line[--page->n].columns;
	page_either(page, PAGE_DIM, "\u2026", ">");
}

static void drop_blanks_at_the_end(struct page *page)
{
	while (page->n && page->line[page->n - 1].code == ' ')
		page->column -= page->line[--page->n].columns;
}

void page_end(struct page *page)
{
	enum page_style style = PAGE_PLAIN;
	char bytes[4];

	drop_blanks_at_the_end(page);
	cut(page);
	for (unsigned i = 0; i < page->n; i++) {
		enum page_style own = page->faded ? PAGE_DIM : (enum page_style)page->line[i].style;

		if (own != style)
			append_style(page, style = own);
		append(page, bytes, encode(page->line[i].code, bytes));
	}
	if (style != PAGE_PLAIN)
		append_style(page, PAGE_PLAIN);
	append(page, "\n", 1);
	page->n = page->column = 0;
	page->lines++;
}

/* Takes lines away from the end until `lines` are left. */
static void shorten(struct page *page, unsigned lines)
{
	const char *end = page->text;

	for (unsigned i = 0; i < lines; i++)
		end = strchr(end, '\n') + 1;
	page->length = (size_t)(end - page->text);
	page->text[page->length] = '\0';
	page->lines = lines;
}

char *page_take(struct page *page, unsigned rows)
{
	unsigned lines = page->lines;
	char *text;

	append(page, "", 0);
	if (rows && lines > rows && !page->failed) {
		shorten(page, rows - 1);
		page_printf(page, PAGE_DIM, "(%u more lines in a taller window)", lines - (rows - 1));
		page_end(page);
	}
	text = page->failed ? NULL : TAKE_PTR(page->text);
	free(page->text);
	page_init(page, &(struct page_look){page->look.width, page->look.utf8, page->look.colour});
	return text;
}
