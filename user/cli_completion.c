// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Scripts that make shells complete serin's words, written from the tables of commands and options. Names of releases
 * they ask serin for, as there may be other ones each time.
 */
#include "cli.h"

#include "client.h"
#include "util.h"

#include <ctype.h>
#include <string.h>

struct completion_options {
	const char *instance;
};

static const struct option_row rows[] = {
	CLI_INSTANCE_ROW(struct completion_options, instance),
};

const struct option_table cli_completion_options = {
	.usage = "completion bash|zsh|fish",
	.about = "Prints what the shell needs to complete serin's commands, options and names of releases:\n"
		 "  bash: source <(serin completion bash)\n"
		 "  zsh:  source <(serin completion zsh)       after compinit\n"
		 "  fish: serin completion fish | source\n"
		 "`serin completion releases` prints the names of the agent's releases, none when no agent answers.",
	.rows = rows,
	.n_rows = ARRAY_SIZE(rows),
};

/* ---- what there is to complete ---- */

static bool takes(const struct cli_command *command, const char *word)
{
	return strstr(command->words, word) != NULL;
}

/* Words to choose from, as "text|json": lower case with a '|' between. */
static bool is_choice(const char *words)
{
	return words && islower((unsigned char)words[0]) && strchr(words, '|') && !strchr(words, ' ');
}

static void print_choice(const char *before, const char *words, const char *after)
{
	fputs(before, stdout);
	for (; *words; words++)
		putchar(*words == '|' ? ' ' : *words);
	fputs(after, stdout);
}

static bool is_file(const char *argument)
{
	return argument && !strcmp(argument, "FILE");
}

static size_t n_options(const struct cli_command *command)
{
	return command->options ? command->options->n_rows : 0;
}

/* ---- bash ---- */

static void bash_options(const struct cli_command *command)
{
	for (size_t i = 0; i < n_options(command); i++) {
		const struct option_row *row = &command->options->rows[i];

		if (row->letter)
			printf("-%c ", row->letter);
		printf("--%s ", row->name);
	}
	printf("--help");
}

/* What follows an option that takes an argument. */
static void bash_arguments(const struct cli_command *command)
{
	for (size_t i = 0; i < n_options(command); i++) {
		const struct option_row *row = &command->options->rows[i];

		if (!row->argument)
			continue;
		printf("\t%s:--%s", command->name, row->name);
		if (row->letter)
			printf(" | %s:-%c", command->name, row->letter);
		printf(") ");
		if (is_file(row->argument))
			printf("files=1");
		else if (is_choice(row->argument))
			print_choice("words='", row->argument, "'");
		else
			putchar(':');
		puts(" ;;");
	}
}

static void bash_words(const struct cli_command *command)
{
	printf("\t%s) options='", command->name);
	bash_options(command);
	putchar('\'');
	if (takes(command, "NAME"))
		printf(" words=$(_serin_releases)");
	else if (takes(command, "FILE"))
		printf(" files=1");
	else if (takes(command, "COMMAND"))
		printf(" words=$commands");
	else if (is_choice(command->words))
		print_choice(" words='", command->words, "'");
	puts(" ;;");
}

static void print_bash(void)
{
	fputs("# bash completion for serin, as `serin completion bash` writes it\n"
	      "_serin_releases() {\n"
	      "\t\"${line[0]}\" completion releases \"${instance[@]}\" 2>/dev/null\n"
	      "}\n\n"
	      "_serin() {\n"
	      "\tlocal word before command='' words='' options='' files='' i\n"
	      "\tlocal -a line instance=()\n"
	      "\tlocal commands='",
	      stdout);
	for (const struct cli_command *c = cli_commands; c->name; c++)
		printf("%s%s", c == cli_commands ? "" : " ", c->name);
	fputs("'\n"
	      "\t# By blanks alone: bash also cuts words at : and =.\n"
	      "\tread -ra line <<<\"${COMP_LINE:0:COMP_POINT}\"\n"
	      "\tword=${COMP_LINE:0:COMP_POINT}\n"
	      "\tword=${word##*[[:space:]]}\n"
	      "\tif [[ -z $word ]]; then\n"
	      "\t\tline+=('')\n"
	      "\tfi\n"
	      "\tbefore=${line[${#line[@]} - 2]}\n"
	      "\tif ((${#line[@]} > 2)); then\n"
	      "\t\tcommand=${line[1]}\n"
	      "\tfi\n"
	      "\tfor ((i = 2; i < ${#line[@]} - 1; i++)); do\n"
	      "\t\tif [[ ${line[i]} == --instance ]]; then\n"
	      "\t\t\tinstance=(--instance \"${line[i + 1]}\")\n"
	      "\t\tfi\n"
	      "\tdone\n"
	      "\tCOMPREPLY=()\n"
	      "\tcase $command:$before in\n",
	      stdout);
	for (const struct cli_command *c = cli_commands; c->name; c++)
		bash_arguments(c);
	fputs("\t*)\n"
	      "\tcase $command in\n"
	      "\t'') words=$commands ;;\n",
	      stdout);
	for (const struct cli_command *c = cli_commands; c->name; c++)
		bash_words(c);
	fputs("\tesac\n"
	      "\t;;\n"
	      "\tesac\n"
	      "\tif [[ $word == -* ]]; then\n"
	      "\t\twords=$options files=''\n"
	      "\tfi\n"
	      "\tif [[ $files ]]; then\n"
	      "\t\tcompopt -o filenames 2>/dev/null\n"
	      "\t\tmapfile -t COMPREPLY < <(compgen -f -- \"$word\")\n"
	      "\t\treturn\n"
	      "\tfi\n"
	      "\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
	      "\t# What readline replaces is only the end of it.\n"
	      "\tCOMPREPLY=(\"${COMPREPLY[@]#\"${word%\"${word##*[\"$COMP_WORDBREAKS\"]}\"}\"}\")\n"
	      "}\n"
	      "complete -F _serin serin\n",
	      stdout);
}

/* ---- zsh ---- */

/* Within '...' of a shell, and of what `special` names with a backslash before it. */
static void print_quoted(const char *text, const char *special)
{
	for (; *text && *text != '\n'; text++) {
		if (*text == '\'')
			fputs("'\\'", stdout);
		else if (strchr(special, *text))
			putchar('\\');
		putchar(*text);
	}
}

/* ":what:how" of an argument. */
static void zsh_argument(const char *argument)
{
	putchar(':');
	print_quoted(argument, ":[]");
	putchar(':');
	if (is_file(argument))
		printf("_files");
	else if (is_choice(argument))
		print_choice("(", argument, ")");
}

static void zsh_option(const struct option_row *row)
{
	printf("\t\t\t'");
	if (row->letter)
		printf("(-%c --%s)'{-%c,--%s}'", row->letter, row->name, row->letter, row->name);
	else
		printf("--%s", row->name);
	putchar('[');
	print_quoted(row->help, "[]:");
	putchar(']');
	if (row->argument)
		zsh_argument(row->argument);
	puts("' \\");
}

static void zsh_words(const struct cli_command *command)
{
	if (takes(command, "NAME"))
		printf("'::release:_serin_releases'");
	else if (takes(command, "FILE"))
		printf("':file:_files'");
	else if (takes(command, "COMMAND"))
		printf("'::command:_serin_commands'");
	else if (is_choice(command->words))
		print_choice("':word:(", command->words, ")'");
	else
		printf("'--help'");
}

static void print_zsh(void)
{
	puts("#compdef serin\n"
	     "# zsh completion for serin, as `serin completion zsh` writes it\n"
	     "_serin_commands() {\n"
	     "\tlocal -a commands=(");
	for (const struct cli_command *c = cli_commands; c->name; c++) {
		printf("\t\t'%s:", c->name);
		print_quoted(c->about, ":");
		puts("'");
	}
	puts("\t)\n"
	     "\t_describe -t commands command commands\n"
	     "}\n\n"
	     "_serin_releases() {\n"
	     "\tlocal -a names instance=()\n"
	     "\tif [[ -n ${opt_args[--instance]-} ]]; then\n"
	     "\t\tinstance=(--instance ${opt_args[--instance]})\n"
	     "\tfi\n"
	     "\tnames=(${(f)\"$($program completion releases $instance 2>/dev/null)\"})\n"
	     "\tcompadd -a names\n"
	     "}\n\n"
	     "_serin() {\n"
	     "\tlocal program=$words[1] context state state_descr line\n"
	     "\ttypeset -A opt_args\n"
	     "\tif ((CURRENT == 2)); then\n"
	     "\t\t_serin_commands\n"
	     "\t\treturn\n"
	     "\tfi\n"
	     "\tshift words\n"
	     "\t((CURRENT--))\n"
	     "\tcase $words[1] in");
	for (const struct cli_command *c = cli_commands; c->name; c++) {
		printf("\t%s)\n\t\t_arguments -s \\\n", c->name);
		for (size_t i = 0; i < n_options(c); i++)
			zsh_option(&c->options->rows[i]);
		printf("\t\t\t'--help[its options]' \\\n\t\t\t");
		zsh_words(c);
		puts("\n\t\t;;");
	}
	puts("\tesac\n"
	     "}\n\n"
	     "if [[ $funcstack[1] == _serin ]]; then\n"
	     "\t_serin \"$@\"\n"
	     "else\n"
	     "\tcompdef _serin serin\n"
	     "fi");
}

/* ---- fish ---- */

static void fish_option(const struct cli_command *command, const struct option_row *row)
{
	printf("complete -c serin -n '__fish_seen_subcommand_from %s' -l %s", command->name, row->name);
	if (row->letter)
		printf(" -s %c", row->letter);
	if (is_file(row->argument))
		printf(" -r -F");
	else if (row->argument)
		printf(" -x");
	if (is_choice(row->argument))
		print_choice(" -a '", row->argument, "'");
	printf(" -d '");
	print_quoted(row->help, "\\");
	puts("'");
}

static void fish_words(const struct cli_command *command)
{
	const char *what = takes(command, "NAME") ? "(__serin_releases)"
			   : takes(command, "COMMAND") ? "(__serin_commands)"
						       : NULL;

	if (!what && !takes(command, "FILE") && !is_choice(command->words))
		return;
	printf("complete -c serin -n '__fish_seen_subcommand_from %s' ", command->name);
	if (takes(command, "FILE"))
		printf("-F");
	else if (what)
		printf("-a '%s'", what);
	else
		print_choice("-a '", command->words, "'");
	putchar('\n');
}

static void print_fish(void)
{
	puts("# fish completion for serin, as `serin completion fish` writes it\n"
	     "function __serin_releases\n"
	     "\tset -l words (commandline -opc)\n"
	     "\tset -l instance\n"
	     "\tif set -l i (contains -i -- --instance $words)\n"
	     "\t\tset -l next (math $i + 1)\n"
	     "\t\tset instance --instance $words[$next]\n"
	     "\tend\n"
	     "\t$words[1] completion releases $instance 2>/dev/null\n"
	     "end\n\n"
	     "function __serin_commands");
	for (const struct cli_command *c = cli_commands; c->name; c++)
		printf("\techo %s\n", c->name);
	puts("end\n\n"
	     "complete -c serin -f");
	for (const struct cli_command *c = cli_commands; c->name; c++) {
		printf("complete -c serin -n __fish_use_subcommand -a %s -d '", c->name);
		print_quoted(c->about, "\\");
		puts("'");
		for (size_t i = 0; i < n_options(c); i++)
			fish_option(c, &c->options->rows[i]);
		printf("complete -c serin -n '__fish_seen_subcommand_from %s' -l help -d 'its options'\n", c->name);
		fish_words(c);
	}
}

/* ---- ---- */

/* Names of releases, one a line. Whatever is wrong, a shell in the middle of a line does not want to hear of it. */
static int print_releases(const char *instance)
{
	struct serin_paths paths;
	const json_t *release;
	json_t *answer = NULL;
	size_t i;

	if (config_paths(instance, &paths) < 0 || client_call(&paths, "GET", "/api/releases", NULL, &answer) < 0) {
		json_decref(answer);
		return EXIT_FAILURE;
	}
	json_array_foreach(json_object_get(answer, "releases"), i, release)
		puts(cli_text_at(release, "name"));
	json_decref(answer);
	return 0;
}

static const struct {
	const char *name;
	void (*print)(void);
} shells[] = {
	{"bash", print_bash},
	{"zsh", print_zsh},
	{"fish", print_fish},
};

int cli_completion(int argc, char **argv)
{
	struct completion_options options = {};
	int first, r;

	r = options_parse(&cli_completion_options, argc, argv, &options, &first);
	if (r != 0)
		return r > 0 ? 0 : EXIT_USAGE;
	if (argc - first != 1)
		return util_complain(EXIT_USAGE, "usage: serin %s; try 'serin completion --help'", cli_completion_options.usage);
	if (!strcmp(argv[first], "releases"))
		return print_releases(options.instance);
	for (size_t i = 0; i < ARRAY_SIZE(shells); i++) {
		if (strcmp(shells[i].name, argv[first]))
			continue;
		shells[i].print();
		return fflush(stdout) == EOF ? util_complain(EXIT_FAILURE, "cannot write to stdout") : 0;
	}
	return util_complain(EXIT_USAGE, "no completion for '%s'; there is one for bash, zsh and fish", argv[first]);
}
