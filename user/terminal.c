// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#define _GNU_SOURCE 1 /* ppoll */

#include "terminal.h"

#include "util.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>

#define HIDE_CURSOR "\033[?25l"
#define SHOW_CURSOR "\033[?25h"
#define OWN_SCREEN "\033[?1049h"
#define HOME "\033[H"
#define CLEAR_TO_END_OF_LINE "\033[K"
#define CLEAR_TO_END "\033[J"
#define BACK_FROM_IT HOME CLEAR_TO_END "\033[?1049l" /* after a change of size, tmux leaves some of what it is not told to clear */

/* Read and written by signal handlers. */
static struct {
	volatile sig_atomic_t exit_code;
	volatile sig_atomic_t resized;
	bool drawn_on, own_screen, has_keys; /* set once, before any signal can come */
	struct termios before;
	char keys[64]; /* that have come and were not asked for yet */
	size_t n_keys;
} terminal;

void terminal_size(unsigned *ret_columns, unsigned *ret_rows)
{
	struct winsize size = {};

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || !size.ws_col || !size.ws_row)
		size = (struct winsize){.ws_col = 80, .ws_row = 24};
	*ret_columns = size.ws_col;
	*ret_rows = size.ws_row;
}

/* Whole, or not; from handlers too, so not through stdio. */
static int write_all(const char *text, size_t length)
{
	ssize_t r;

	while (length) {
		r = write(STDOUT_FILENO, text, length);
		if (r < 0 && errno != EINTR)
			return -errno;
		if (r > 0) {
			text += r;
			length -= (size_t)r;
		}
	}
	return 0;
}

static void say(const char *text)
{
	write_all(text, strlen(text));
}

/* Keys come one by one and are not shown. */
static void enter(void)
{
	struct termios keys = terminal.before;

	if (terminal.has_keys) {
		keys.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		keys.c_cc[VMIN] = 1;
		keys.c_cc[VTIME] = 0;
		tcsetattr(STDIN_FILENO, TCSADRAIN, &keys);
	}
	if (terminal.own_screen)
		say(OWN_SCREEN);
	if (terminal.drawn_on)
		say(HIDE_CURSOR);
}

static void leave(void)
{
	if (terminal.drawn_on)
		say(SHOW_CURSOR);
	if (terminal.own_screen)
		say(BACK_FROM_IT);
	if (terminal.has_keys)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &terminal.before);
}

/* ---- signals: everything called here is async-signal-safe ---- */

static void on_end(int signal)
{
	(void)signal;
	if (terminal.drawn_on && !terminal.own_screen)
		say("\n");
	leave();
	_exit(terminal.exit_code);
}

/* ^Z: the shell gets its terminal as it was; what comes after SIGSTOP is done when it continues. */
static void on_stop(int signal)
{
	int error = errno;

	(void)signal;
	leave();
	raise(SIGSTOP);
	enter();
	terminal.resized = 1;
	errno = error;
}

static void on_resize(int signal)
{
	(void)signal;
	terminal.resized = 1;
}

static void handle(int signal, void (*handler)(int))
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};

	sigfillset(&action.sa_mask);
	sigdelset(&action.sa_mask, SIGTTOU); /* continued in the background, it stops until it is in front again */
	sigaction(signal, &action, NULL);
}

/* ---- ---- */

void terminal_exit_code(int code)
{
	terminal.exit_code = code;
}

/* What is on the screen scrolls up, so that it can still be looked at. */
static void make_room(void)
{
	unsigned columns, rows;

	terminal_size(&columns, &rows);
	while (rows--)
		say("\n");
}

void terminal_open(bool is_terminal)
{
	terminal.drawn_on = is_terminal;
	terminal.has_keys = is_terminal && isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &terminal.before) == 0;
	handle(SIGINT, on_end);
	handle(SIGTERM, on_end);
	handle(SIGHUP, on_end);
	if (!is_terminal)
		return;
	handle(SIGTSTP, on_stop);
	handle(SIGWINCH, on_resize);
	if (!terminal.own_screen)
		make_room();
	enter();
}

void terminal_open_screen(void)
{
	terminal.own_screen = true;
	terminal_open(true);
}

/* In one piece, and each place is written once: nothing flickers. The last line is not ended, which could scroll. */
int terminal_draw(const char *text)
{
	_cleanup_free_ char *frame = NULL;
	size_t size;
	FILE *out = open_memstream(&frame, &size);
	const char *end;

	if (!out)
		return -ENOMEM;
	fputs(HOME, out);
	for (; *text; text = end + 1) {
		end = strchrnul(text, '\n');
		fprintf(out, "%.*s" CLEAR_TO_END_OF_LINE, (int)(end - text), text);
		if (!end[0] || !end[1])
			break;
		fputs("\r\n", out);
	}
	fputs(CLEAR_TO_END, out);
	if (fclose(out) == EOF)
		return -ENOMEM;
	return write_all(frame, size);
}

/* ESC, '[' or 'O', parameters, a letter. ESC that stands alone is the key. */
static int escape_sequence(const char *bytes, size_t n, size_t *ret_used)
{
	size_t i = 2;

	*ret_used = 1;
	if (n < 2 || (bytes[1] != '[' && bytes[1] != 'O'))
		return TERMINAL_ESCAPE;
	while (i < n && (bytes[i] < '@' || bytes[i] > '~'))
		i++;
	*ret_used = i < n ? i + 1 : n;
	if (i != 2 || n < 3)
		return TERMINAL_OTHER;
	return bytes[2] == 'A' ? TERMINAL_UP : bytes[2] == 'B' ? TERMINAL_DOWN : TERMINAL_OTHER;
}

int terminal_key(const char *bytes, size_t n, size_t *ret_used)
{
	*ret_used = 1;
	switch (bytes[0]) {
	case '\033':
		return escape_sequence(bytes, n, ret_used);
	case '\r':
		return '\n';
	case '\177':
		return '\b';
	default:
		return (unsigned char)bytes[0];
	}
}

static int next_key(void)
{
	size_t used;
	int key = terminal_key(terminal.keys, terminal.n_keys, &used);

	terminal.n_keys -= used;
	memmove(terminal.keys, terminal.keys + used, terminal.n_keys);
	return key;
}

/* Of keys that are pressed together all come with one read. */
static int read_key(void)
{
	ssize_t n = read(STDIN_FILENO, terminal.keys, sizeof(terminal.keys));

	if (n <= 0) {
		terminal.has_keys = false; /* it has gone; the signals are left */
		return 0;
	}
	terminal.n_keys = (size_t)n;
	return next_key();
}

int terminal_wait(unsigned milliseconds)
{
	struct pollfd fds[] = {
		{.fd = terminal.has_keys ? STDIN_FILENO : -1, .events = POLLIN},
		{.fd = STDOUT_FILENO}, /* POLLERR, POLLHUP: nobody reads it any more */
	};
	const struct timespec timeout = {milliseconds / 1000, milliseconds % 1000 * (long)NSEC_PER_MSEC};
	sigset_t resize, before;
	int r = 0;

	if (terminal.n_keys)
		return next_key();
	/* A change of size may come before the wait begins, or in it, but not between. */
	sigemptyset(&resize);
	sigaddset(&resize, SIGWINCH);
	sigprocmask(SIG_BLOCK, &resize, &before);
	if (!terminal.resized)
		r = ppoll(fds, ARRAY_SIZE(fds), &timeout, &before);
	terminal.resized = 0;
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (r <= 0)
		return 0;
	if (fds[1].revents)
		return TERMINAL_GONE;
	return read_key();
}

void terminal_close(void)
{
	if (terminal.drawn_on && !terminal.own_screen)
		say("\n");
	leave();
}
