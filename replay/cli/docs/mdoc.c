/* The manual page's part of the option tables, in mdoc(7). */
#include "replay/cli/docs/docs.h"

#include "hwaccl/event.h"
#include "hwaccl/exit_reason.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#define FILL 100 /* columns of a line of text */

/* How many characters at the start of @text belong to one another: capitals, other letters and digits, or one else. */
static int run_length(const char *text, int (*belongs)(int))
{
        int length = 0;

        while (belongs((unsigned char)text[length]))
                length++;
        return length;
}

static int is_word(int c)
{
        return islower(c) || isdigit(c);
}

static void print_lower(FILE *out, const char *text, int length)
{
        for (int i = 0; i < length; i++)
                (void)fputc(tolower((unsigned char)text[i]), out);
}

/* "FILE[,ro|cow]" as "Ar file Ns Oo Ns , Ns Cm ro ...": capitals are arguments, small letters are literal. */
static void print_argument(FILE *out, const char *text, int size)
{
        bool joined = false; /* to what was printed before */

        for (int at = 0; at < size;) {
                const char *c = text + at;
                int length = run_length(c, isupper);
                bool variable = length > 0, blank = *c == ' ' || *c == '\'';

                length = variable ? length : run_length(c, is_word);
                if (joined && !blank && *c != ']' && *c != ',' && *c != ':') /* these join by themselves */
                        (void)fputs(" Ns", out);
                if (variable || length) {
                        (void)fputs(variable ? " Ar " : " Cm ", out);
                        print_lower(out, c, length);
                } else if (!blank && *c == '.') {
                        length = (int)strspn(c, ".");
                        (void)fprintf(out, " %.*s", length, c);
                } else if (!blank) {
                        (void)fprintf(out, *c == '[' ? " Oo" : *c == ']' ? " Oc" : " %c", *c);
                }
                joined = !blank && *c != '[';
                at += length ? length : 1;
        }
}

/* One word of a usage line. */
static void print_operand(FILE *out, const char *word, int length)
{
        if (strncmp(word, "[OPTION]...", (size_t)length) == 0) {
                (void)fputs(".Op Ar option ...\n", out);
                return;
        }
        bool begins = word[0] == '[', ends = word[length - 1] == ']';
        if (begins != ends) { /* several words are optional together */
                if (begins)
                        (void)fputs(".Oo\n", out);
                print_operand(out, word + begins, length - 1);
                if (ends)
                        (void)fputs(".Oc\n", out);
                return;
        }
        bool optional = begins && ends;
        if (word[0] == '-') {
                (void)fprintf(out, ".Fl %.*s\n", length - 1, word + 1);
                return;
        }
        (void)fputs(optional ? ".Op" : ".", out);
        char text[128];
        FILE *memory = fmemopen(text, sizeof(text), "w");
        if (memory) {
                print_argument(memory, word + optional, length - 2 * optional);
                (void)fclose(memory);
                (void)fprintf(out, "%s\n", optional ? text : text + 1); /* ".Ar", not ". Ar" */
        }
}

void mdoc_synopsis(FILE *out)
{
        for (const struct cli_command *const *command = cli_commands; *command; command++) {
                (void)fprintf(out, ".Nm\n.Cm %s\n", (*command)->name);
                for (const char *word = (*command)->arguments; *word;) {
                        int length = (int)strcspn(word, " ");
                        print_operand(out, word, length);
                        word += length + (word[length] == ' ');
                }
        }
}

/* Is the word one of the capitals in the option's argument? */
static bool names_argument(const struct cli_option *option, const char *word, int length)
{
        if (!option->argument || length == 0 || run_length(word, isupper) != length)
                return false;
        for (const char *c = option->argument; *c; c++) {
                int run = run_length(c, isupper);
                if (run == length && strncmp(c, word, (size_t)length) == 0)
                        return true;
                c += run ? run - 1 : 0;
        }
        return false;
}

/* A macro line for a word, with the punctuation behind it as words of their own. */
static void print_macro(FILE *out, int *column, const char *macro, const char *word, int length, const char *tail)
{
        (void)fprintf(out, "%s.%s ", *column ? "\n" : "", macro);
        if (macro[0] == 'A')
                print_lower(out, word, length);
        else
                (void)fprintf(out, "%.*s", length, word);
        for (; *tail; tail++)
                (void)fprintf(out, " %c", *tail);
        (void)fputc('\n', out);
        *column = 0;
}

static void print_sentence(FILE *out, const struct cli_option *option)
{
        int column = 0;

        for (const char *word = option->help; *word;) {
                int whole = (int)strcspn(word, " "), length = whole;
                bool last = word[whole] == '\0';
                char tail[8];

                while (length > 1 && strchr(".,:;)", word[length - 1]))
                        length--;
                if (word[whole - 1] == '.') /* of "N..", which is no end of a sentence */
                        length = whole;
                (void)snprintf(tail, sizeof(tail), "%.*s%s", whole - length, word + length, last ? "." : "");
                if (names_argument(option, word, length)) {
                        print_macro(out, &column, "Ar", word, length, tail);
                } else if (strncmp(word, "--", 2) == 0) {
                        print_macro(out, &column, "Fl", word + 1, length - 1, tail);
                } else {
                        if (column + 1 + whole > FILL) {
                                (void)fputc('\n', out);
                                column = 0;
                        }
                        int first = word == option->help ? toupper((unsigned char)*word) : *word;
                        const char *before = column         ? " "
                                             : *word == '.' ? "\\&"
                                                            : ""; /* a period would begin a macro */
                        (void)fprintf(out, "%s%c%.*s%s", before, first, length - 1, word + 1, tail);
                        column += whole + 1;
                }
                word += whole + !last;
        }
        if (column)
                (void)fputc('\n', out);
}

void mdoc_option(FILE *out, const struct cli_option *option)
{
        (void)fputs(".It", out);
        if (option->letter)
                (void)fprintf(out, " Fl %c ,", option->letter);
        (void)fprintf(out, " Fl -%s", option->name);
        if (option->argument)
                print_argument(out, option->argument, (int)strlen(option->argument));
        (void)fputc('\n', out);
        print_sentence(out, option);
}

bool mdoc_names(FILE *out, const char *table)
{
#define X(number, identifier, name) ", " name
        static const struct {
                const char *table;
                const char *names; /* each behind a comma */
        } tables[] = {
                {"ends", HWACCL_ENDS(X)},
                {"verdicts", HWACCL_VERDICTS(X)},
                {"outcomes", HWACCL_OUTCOMES(X)},
                {"inputs", HWACCL_INPUT_KINDS(X)},
                {"effects", HWACCL_EFFECT_KINDS(X)},
                {"channels", HWACCL_CHANNELS(X)},
        };
#undef X

        for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
                if (strcmp(tables[i].table, table) == 0)
                        return fprintf(out, "%s.\n", tables[i].names + 2) > 0;
        return false;
}
