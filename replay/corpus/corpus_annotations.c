/* GitHub's workflow commands. */
#include "replay/corpus/corpus_report.h"
#include "replay/corpus/corpus_text.h"

#include <inttypes.h>

#define ANNOTATIONS_MAX 10u /* of one step: GitHub drops what follows */

static void print_diverged(FILE *out, const struct corpus_result *result)
{
        struct hwaccl_divergence divergence;
        char title[192];

        corpus_result_divergence(result, 0, &divergence);
        corpus_divergence_title(title, sizeof(title), &divergence);
        corpus_extent_print(out, result);
        (void)fputs(" diverged. First: ", out);
        corpus_text_workflow(out, title);
        if (!divergence.difference_count)
                return;
        (void)fputs("%0A", out);
        corpus_text_workflow(out, divergence.difference[0].what);
        (void)fputs("  recorded ", out);
        corpus_text_workflow(out, divergence.difference[0].recorded);
        (void)fputs("  replayed ", out);
        corpus_text_workflow(out, divergence.difference[0].replayed);
}

static void print_file(FILE *out, const struct corpus_file *file)
{
        (void)fputs("::error title=hwaccl replay%3A ", out);
        corpus_text_workflow(out, file->path);
        (void)fputs("::", out);
        if (file->result.status == CORPUS_DIVERGED) {
                print_diverged(out, &file->result);
        } else {
                (void)fprintf(out, "%s: ", corpus_status_name(file->result.status));
                corpus_text_workflow(out, corpus_result_error(&file->result));
        }
        (void)fputc('\n', out);
}

void corpus_annotations_print(FILE *out, const struct corpus_list *list)
{
        unsigned printed = 0;

        for (unsigned diverged = 2; diverged-- > 0;)
                for (size_t i = 0; i < list->count; i++) {
                        enum corpus_status status = list->file[i].result.status;
                        if (status == CORPUS_CLEAN || status == CORPUS_NOT_RUN ||
                            (status == CORPUS_DIVERGED) != (diverged != 0) || printed++ >= ANNOTATIONS_MAX)
                                continue;
                        print_file(out, &list->file[i]);
                }
}
