/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * A third reading, by a parser that is not ours: llhttp, which Node.js reads HTTP/1 with (Debian's node-llhttp has its C
 * source). It judges what it reads, where serin/http1.h only recognises, so it gives up earlier: on methods, targets,
 * versions and names that it does not know or allow, on a bare LF or CR, on chunk extensions. Up to there both must find
 * the same messages: where they begin, where header, body and message end, what status they have, whether it is HEAD.
 *
 * It reads twice. Leniently: headers may hold odd bytes, and a length may stand beside chunks. Strictly: what it then
 * takes for a message is valid, and must not be opaque to us. Both times, messages may follow "Connection: close", and it
 * is told, as its users do, which responses have no body.
 *
 * What the two read differently on purpose; a message that has it ends the comparison:
 *  - a line that begins with white space: before the first field it drops nothing (RFC 9112, 2.2 has us drop the line),
 *    and it unfolds a folded length or coding, which is no certain end to us;
 *  - a bare CR in a header or among chunks;
 *  - a list, a tab or nothing as the value of Transfer-Encoding or Content-Length: it knows only "chunked" as the last
 *    word, not the empty element after it nor the tab, and to it nothing is no coding or 0;
 *  - CONNECT, a request with Upgrade, and 101: when HTTP/1 ends on that connection. Here, with 101 itself;
 *  - a status line other than "HTTP/1.x nnn": it reads HTTP/2.0, 0.9, two spaces, and numbers of any length;
 *  - PRI, which is HTTP/2's preface to us.
 */
#ifndef HTTP1_LLHTTP_H
#define HTTP1_LLHTTP_H

#include "http1_reference.h"

/* The reading ends, with HTTP1_FATE_OPAQUE, where llhttp refuses to go on. It has no flags but HTTP1_F_HEAD. */
void http1_llhttp_read(const struct http1_text *text, bool strict, struct http1_reading *ret_reading);

/* What the machine or llhttp got wrong; `strict` is how the latter read. NULL: nothing. ret_agreed (may be NULL): the
 * messages that both read alike. */
const char *http1_llhttp_difference(const struct http1_text *text, const struct http1_reading *machine,
				    const struct http1_reading *llhttp, bool strict, size_t *ret_agreed);

#endif
