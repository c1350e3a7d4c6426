#include "replay/corpus/corpus_result.h"

#include "core/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *corpus_status_name(enum corpus_status status)
{
        static const char *const name[CORPUS_STATUS_COUNT] = {
                [CORPUS_NOT_RUN] = "not replayed",      [CORPUS_CLEAN] = "clean",
                [CORPUS_DIVERGED] = "diverged",         [CORPUS_UNREADABLE] = "unreadable",
                [CORPUS_CRASHED] = "crashed",           [CORPUS_TIME_LIMIT] = "time limit",
                [CORPUS_MEMORY_LIMIT] = "memory limit",
        };
        return name[status];
}

void corpus_result_fail(struct corpus_result *result, enum corpus_status status, const char *text)
{
        free(result->error);
        result->status = status;
        result->error = strndup(text, strcspn(text, "\n"));
        if (result->error)
                hwaccl_text_make_safe(result->error);
}

const char *corpus_result_error(const struct corpus_result *result)
{
        return result->error ? result->error : "out of memory";
}

/* A member that is a number from 0 on. */
static bool read_count(const json_t *object, const char *name, uint64_t *count)
{
        const json_t *value = json_object_get(object, name);
        json_int_t number = json_is_integer(value) ? json_integer_value(value) : -1;

        *count = number < 0 ? 0 : (uint64_t)number;
        return number >= 0;
}

void corpus_result_read(struct corpus_result *result, const char *text, size_t size)
{
        json_error_t unused;
        json_t *document = json_loadb(text, size, 0, &unused);
        bool good = json_is_object(document) && read_count(document, "exits", &result->exits) &&
                    read_count(document, "divergences", &result->divergences) &&
                    json_is_array(json_object_get(document, "details"));

        json_decref(result->document);
        result->document = document;
        (void)read_count(document, "first_divergence", &result->first);
        (void)read_count(document, "allowed", &result->allowed);
        if (good)
                result->status = result->divergences ? CORPUS_DIVERGED : CORPUS_CLEAN;
        else
                corpus_result_fail(result, CORPUS_UNREADABLE, "the process that replayed it gave no result");
}

bool corpus_result_read_part(struct corpus_result *result, const char *text, size_t size, const char *error)
{
        json_error_t unused;
        json_t *document = json_loadb(text, size, 0, &unused);
        const json_t *details = json_object_get(document, "details");
        size_t count = json_array_size(details);

        if (!count) {
                json_decref(document);
                return false;
        }
        corpus_result_fail(result, CORPUS_DIVERGED, error);
        json_decref(result->document);
        result->document = document;
        result->divergences = count;
        (void)read_count(json_array_get(details, 0), "exit", &result->first);
        return true;
}

size_t corpus_result_details(const struct corpus_result *result)
{
        return json_array_size(json_object_get(result->document, "details"));
}

static const char *text_of(const json_t *object, const char *name)
{
        const char *text = json_string_value(json_object_get(object, name));

        return text ? text : "";
}

void corpus_result_divergence(const struct corpus_result *result, size_t index, struct hwaccl_divergence *divergence)
{
        const json_t *object = json_array_get(json_object_get(result->document, "details"), index);
        const json_t *differences = json_object_get(object, "differences");
        uint64_t vcpu;

        memset(divergence, 0, sizeof(*divergence));
        (void)read_count(object, "vcpu", &vcpu);
        divergence->vcpu = (uint32_t)vcpu;
        (void)read_count(object, "exit", &divergence->exit);
        (void)read_count(object, "reason_number", &divergence->exit_reason);
        divergence->rip = strtoull(text_of(object, "rip"), NULL, 16);
        (void)snprintf(divergence->instruction, sizeof(divergence->instruction), "%s", text_of(object, "instruction"));
        for (size_t i = 0; i < json_array_size(differences) && i < HWACCL_DIFFERENCE_MAX; i++) {
                const json_t *from = json_array_get(differences, i);
                struct hwaccl_difference *to = &divergence->difference[divergence->difference_count++];
                to->what = text_of(from, "what");
                (void)snprintf(to->recorded, sizeof(to->recorded), "%s", text_of(from, "recorded"));
                (void)snprintf(to->replayed, sizeof(to->replayed), "%s", text_of(from, "replayed"));
        }
}

void corpus_result_release(struct corpus_result *result)
{
        free(result->error);
        json_decref(result->document);
        memset(result, 0, sizeof(*result));
}
