/* What text and JSON both show. */
#include "replay/postmortem/report.h"

#include <string.h>

static bool differs(const struct hwaccl_subject_state *a, const struct hwaccl_known_fields *a_known,
                    const struct hwaccl_subject_state *b, const struct hwaccl_known_fields *b_known,
                    enum hwaccl_field_index field)
{
        return hwaccl_known_fields_has(a_known, field) && hwaccl_known_fields_has(b_known, field) &&
               hwaccl_field_get(a, field) != hwaccl_field_get(b, field);
}

/* Back through the last exits to the latest change. */
static void find_writer(const struct hwaccl_evidence *evidence, struct hwaccl_report_register *shown,
                        enum hwaccl_field_index field)
{
        const struct hwaccl_subject_state *later = &evidence->state;
        const struct hwaccl_known_fields *later_known = &evidence->known;

        shown->exit = EVIDENCE_NEVER;
        for (size_t i = evidence->exit_count; i-- > 0;) {
                const struct evidence_exit *exit = &evidence->exits[i];
                shown->by_handler = differs(later, later_known, &exit->exit, &exit->exit_known, field);
                if (shown->by_handler ||
                    differs(&exit->exit, &exit->exit_known, &exit->entry, &exit->entry_known, field)) {
                        shown->exit = exit->number;
                        return;
                }
                later = &exit->entry;
                later_known = &exit->entry_known;
        }
}

bool hwaccl_report_register(const struct hwaccl_evidence *evidence, enum hwaccl_field_index field,
                            struct hwaccl_report_register *shown)
{
        const struct hwaccl_field *described = &hwaccl_subject_fields[field];
        bool part = strstr(described->name, "_access_rights") || strstr(described->name, "_limit");

        if (described->group == HWACCL_FIELD_EXIT || strncmp(described->name, "sysenter", 8) == 0 ||
            strstr(described->name, "_shadow") || (part && described->group == HWACCL_FIELD_SEGMENT) ||
            !hwaccl_known_fields_has(&evidence->known, field))
                return false;
        shown->name = described->name;
        shown->width = described->width;
        shown->value = hwaccl_field_get(&evidence->state, field);
        find_writer(evidence, shown, field);
        return true;
}

const char *hwaccl_report_more(const struct hwaccl_evidence *evidence, size_t index)
{
        const char *lines[4];
        size_t count = 0;

        if (!evidence->machine && evidence->exit_count)
                lines[count++] = "the devices' state: these exits cannot be replayed here";
        if (evidence->exit_count && evidence_of_host(hwaccl_evidence_last(evidence)))
                lines[count++] = "where the guest was in between: record again with a shorter --timeout, or with "
                                 "--max-exits, and compare";
        if (evidence->info->end == HWACCL_END_STOPPED)
                lines[count++] = "a longer recording, if the guest had only not come further";
        if (evidence->loop.period)
                lines[count++] = "the exits before the loop: hwaccl show FILE ..N";
        return index < count ? lines[index] : NULL;
}
