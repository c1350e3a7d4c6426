/* A comment for a pull request. Text of recordings stands in blocks and between <code> tags only. */
#include "replay/corpus/corpus_report.h"
#include "replay/corpus/corpus_text.h"

#include <inttypes.h>
#include <stdlib.h>

#define SIZE_MAX_SHOWN    48000 /* characters, after which recordings are only counted: GitHub takes 65,536 */
#define DIFFERENCES_SHOWN 12u   /* of the first divergence */
#define FENCE             "~~~~\n"

static void print_command(FILE *out, const char *path, const struct hwaccl_divergence *divergence, const char *options)
{
        char *command = corpus_command_text(path, divergence, options);

        if (command) {
                (void)fputs("Reproduce: <code>", out);
                corpus_text_markdown(out, command);
                (void)fputs("</code>\n\n", out);
        }
        free(command);
}

static void print_error(FILE *out, const char *before, const struct corpus_result *result)
{
        (void)fprintf(out, "%s<code>", before);
        corpus_text_markdown(out, corpus_result_error(result));
        (void)fputs("</code>\n\n", out);
}

static void print_diverged(FILE *out, const struct corpus_file *file, const char *options)
{
        struct hwaccl_divergence divergence;
        char title[192];

        corpus_result_divergence(&file->result, 0, &divergence);
        corpus_divergence_title(title, sizeof(title), &divergence);
        corpus_extent_print(out, &file->result);
        (void)fputs(" diverged. The first:\n\n" FENCE, out);
        corpus_text_block(out, title);
        (void)fputc('\n', out);
        for (unsigned i = 0; i < divergence.difference_count && i < DIFFERENCES_SHOWN; i++) {
                (void)fputs("  ", out);
                corpus_text_block(out, divergence.difference[i].what);
                (void)fputs("  recorded ", out);
                corpus_text_block(out, divergence.difference[i].recorded);
                (void)fputs("  replayed ", out);
                corpus_text_block(out, divergence.difference[i].replayed);
                (void)fputc('\n', out);
        }
        if (divergence.difference_count > DIFFERENCES_SHOWN)
                (void)fprintf(out, "  and %u more differences\n", divergence.difference_count - DIFFERENCES_SHOWN);
        (void)fputs(FENCE "\n", out);
        print_command(out, file->path, &divergence, options);
        if (file->result.error)
                print_error(out, "Then: ", &file->result);
}

static void print_file(FILE *out, const struct corpus_file *file, const char *options)
{
        (void)fputs("#### <code>", out);
        corpus_text_markdown(out, file->path);
        (void)fprintf(out, "</code>: %s\n\n", corpus_status_name(file->result.status));
        if (file->result.status == CORPUS_DIVERGED)
                print_diverged(out, file, options);
        else
                print_error(out, "", &file->result);
}

static bool is_shown(const struct corpus_file *file, bool diverged)
{
        enum corpus_status status = file->result.status;

        return diverged ? status == CORPUS_DIVERGED
                        : status != CORPUS_DIVERGED && status != CORPUS_CLEAN && status != CORPUS_NOT_RUN;
}

/* As a text first, to know its size. False where it does not fit any more. */
static bool add_file(FILE *out, const struct corpus_file *file, const char *options, size_t *left)
{
        char *part = NULL;
        size_t size = 0;
        FILE *text = open_memstream(&part, &size);

        if (!text)
                return false;
        print_file(text, file, options);
        bool fits = fclose(text) == 0 && size <= *left;
        if (fits) {
                (void)fputs(part, out);
                *left -= size;
        }
        free(part);
        return fits;
}

void corpus_markdown_print(FILE *out, const struct corpus_list *list, const struct corpus_totals *totals,
                           const char *options)
{
        bool good = !totals->count[CORPUS_DIVERGED] && !corpus_totals_failed(totals) && !totals->count[CORPUS_NOT_RUN];
        size_t left = SIZE_MAX_SHOWN;
        uint64_t more = 0;

        (void)fprintf(out, "### hwaccl replay: %s\n\n",
                      totals->count[CORPUS_DIVERGED] ? "the exit handling diverges from the recordings"
                      : good                         ? "no divergence"
                                                     : "not every recording could be replayed");
        corpus_totals_print(out, totals);
        (void)fputs(".\n\n", out);
        for (unsigned diverged = 2; diverged-- > 0;)
                for (size_t i = 0; i < list->count; i++)
                        if (is_shown(&list->file[i], diverged))
                                more += !add_file(out, &list->file[i], options, &left);
        if (more)
                (void)fprintf(out, "%" PRIu64 " more recordings are not shown here.\n", more);
}
