/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * A terminal that a page is drawn on again and again, in place. One a process: signals change its state too. However the
 * process is ended or stopped, but by SIGKILL, the terminal is put back first.
 */
#ifndef SERIN_TERMINAL_H
#define SERIN_TERMINAL_H

#include <stdbool.h>

/* Columns and rows of the terminal on stdout; 80 and 24 where it does not tell. */
void terminal_size(unsigned *ret_columns, unsigned *ret_rows);

/* From now on SIGINT, SIGTERM and SIGHUP end the process with the exit code that terminal_exit_code() named last, also
 * while it waits for something else. is_terminal: and stdout is drawn on, keys come from stdin if that is a terminal. */
void terminal_open(bool is_terminal);
void terminal_exit_code(int code);

/* Draws a text from the upper left corner on, and nothing else stays. Its lines must be shorter than the terminal is
 * wide, and fewer than it has rows. 0, or -errno when it cannot be written. */
int terminal_draw(const char *text);

/* Waits so long, less when a key is pressed or the size changes. The key, or 0; TERMINAL_GONE, which ^D is too, when
 * nobody can see any more what is written. */
#define TERMINAL_GONE '\004'
char terminal_wait(unsigned milliseconds);

/* Puts it back; the cursor is left below what was drawn. */
void terminal_close(void);

#endif
