#include "replay/corpus/corpus_text.h"

#include "core/text.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Write a safe copy of @text, character by character or, where @put says so, several at once. */
static void write_safe(FILE *out, const char *text, size_t (*put)(FILE *, const char *))
{
        char *safe = strdup(text);

        if (!safe) {
                (void)fputc('?', out); /* the writer of the file finds out that memory ran out, or its text is short */
                return;
        }
        hwaccl_text_make_safe(safe);
        for (const char *c = safe; *c;)
                c += put(out, c);
        free(safe);
}

static size_t put_terminal(FILE *out, const char *c)
{
        if (strncmp(c, "##[", 3) == 0) { /* GitHub's runner finds this form of a command anywhere in a line */
                (void)fputs("##?", out);
                return 3;
        }
        (void)fputc(*c, out);
        return 1;
}

void corpus_text_terminal(FILE *out, const char *text)
{
        write_safe(out, text, put_terminal);
}

static size_t put_xml(FILE *out, const char *c)
{
        switch (*c) {
        case '<': (void)fputs("&lt;", out); return 1;
        case '>': (void)fputs("&gt;", out); return 1;
        case '&': (void)fputs("&amp;", out); return 1;
        case '"': (void)fputs("&quot;", out); return 1;
        case '\'': (void)fputs("&#39;", out); return 1;
        default: break;
        }
        if (strncmp(c, "\xef\xbf\xbe", 3) == 0 || strncmp(c, "\xef\xbf\xbf", 3) == 0) { /* no characters in XML 1.0 */
                (void)fputc('?', out);
                return 3;
        }
        (void)fputc(*c, out);
        return 1;
}

void corpus_text_xml(FILE *out, const char *text)
{
        write_safe(out, text, put_xml);
}

static size_t put_markdown(FILE *out, const char *c)
{
        if (ispunct((unsigned char)*c) && *c != '/' && *c != '-') /* ':' and '.' would make links */
                (void)fprintf(out, "&#%d;", (unsigned char)*c);
        else
                (void)fputc(*c, out);
        return 1;
}

void corpus_text_markdown(FILE *out, const char *text)
{
        write_safe(out, text, put_markdown);
}

/* The block ends with a line of tildes: none is written as such. */
static size_t put_block(FILE *out, const char *c)
{
        (void)fputc(*c == '~' ? '-' : *c, out);
        return 1;
}

void corpus_text_block(FILE *out, const char *text)
{
        write_safe(out, text, put_block);
}

static size_t put_workflow(FILE *out, const char *c)
{
        if (strchr("%:,", *c))
                (void)fprintf(out, "%%%02X", (unsigned char)*c);
        else
                (void)put_terminal(out, c);
        return *c == '#' && strncmp(c, "##[", 3) == 0 ? 3 : 1;
}

void corpus_text_workflow(FILE *out, const char *text)
{
        write_safe(out, text, put_workflow);
}

static bool is_plain(const char *text)
{
        static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./+,:@%=-";

        return *text && !text[strspn(text, plain)];
}

void corpus_text_shell(FILE *out, const char *path)
{
        size_t size;
        uint32_t code_point;
        bool unsafe = hwaccl_text_find_unsafe(path, &size, &code_point) || strstr(path, "##[");

        if (*path == '-')
                (void)fputs("./", out);
        if (is_plain(path)) {
                (void)fputs(path, out);
                return;
        }
        (void)fputs(unsafe ? "$'" : "'", out);
        for (const unsigned char *c = (const unsigned char *)path; *c; c++) {
                if (!unsafe && *c == '\'')
                        (void)fputs("'\\''", out);
                else if (unsafe && (*c < 0x20 || *c >= 0x7f || strchr("'\\#", *c)))
                        (void)fprintf(out, "\\%03o", *c);
                else
                        (void)fputc(*c, out);
        }
        (void)fputc('\'', out);
}
