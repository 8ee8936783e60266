/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * A terminal that a page is drawn on again and again, in place. One a process: signals change its state too. However the
 * process is ended or stopped, but by SIGKILL, the terminal is put back first.
 */
#ifndef SERIN_TERMINAL_H
#define SERIN_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>

/* Columns and rows of the terminal on stdout; 80 and 24 where it does not tell. */
void terminal_size(unsigned *ret_columns, unsigned *ret_rows);

/* From now on SIGINT, SIGTERM and SIGHUP end the process with the exit code that terminal_exit_code() named last, also
 * while it waits for something else. is_terminal: and stdout is drawn on, keys come from stdin if that is a terminal. */
void terminal_open(bool is_terminal);

/* The same, on a terminal, on a screen of its own: what was there before is there again afterwards. */
void terminal_open_screen(void);
void terminal_exit_code(int code);

/* Draws a text from the upper left corner on, and nothing else stays. Its lines must be shorter than the terminal is
 * wide, and no more than it has rows. 0, or -errno when it cannot be written. */
int terminal_draw(const char *text);

/* Waits so long, less when a key is pressed or the size changes. The key, or 0; TERMINAL_GONE, which ^D is too, when
 * nobody can see any more what is written. Enter is '\n', Backspace '\b'; keys that are no character are TERMINAL_UP and so on. */
#define TERMINAL_GONE '\004'
enum terminal_key { TERMINAL_ESCAPE = 27, TERMINAL_UP = 256, TERMINAL_DOWN, TERMINAL_OTHER };
int terminal_wait(unsigned milliseconds);

/* The first key of what a terminal has sent, n bytes, at least one; *ret_used says how many of them it is. */
int terminal_key(const char *bytes, size_t n, size_t *ret_used);

/* Puts it back; the cursor is left below what was drawn, or where it was before when the screen was its own. */
void terminal_close(void);

#endif
