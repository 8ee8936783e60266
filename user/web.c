// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "web.h"

#include "page_hashes.h"

/* The assembler takes the file in, seen from where the Makefile is. */
__asm__(".pushsection .rodata\n"
	"web_text:\n"
	".incbin \"user/web/page.html\"\n"
	"web_text_end:\n"
	".byte 0\n"
	".popsection\n");

extern const char web_text[] __attribute__((visibility("hidden")));
extern const char web_text_end[] __attribute__((visibility("hidden")));

/* Its one script and one style by their hashes, figures from where it came from, nothing from anywhere else; and nobody may put it
 * into a frame, where a click meant for another page could abort a release. */
static const struct web_header headers[] = {
	{"Content-Security-Policy", "default-src 'none'; script-src 'sha256-" PAGE_SCRIPT_SHA256 "'; style-src 'sha256-" PAGE_STYLE_SHA256
				    "'; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
				    "frame-ancestors 'none'"},
	{"X-Content-Type-Options", "nosniff"},
	{"X-Frame-Options", "DENY"},
	{"Referrer-Policy", "no-referrer"},
	{"Cross-Origin-Opener-Policy", "same-origin"},
	{"Cross-Origin-Resource-Policy", "same-origin"},
	{},
};

const struct web_page *web_page(void)
{
	static struct web_page page; /* written once: threads of the API read it */

	if (!page.text)
		page = (struct web_page){web_text, (size_t)(web_text_end - web_text), headers};
	return &page;
}
