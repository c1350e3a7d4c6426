/* What text and JSON both show. */
#include "replay/postmortem/report.h"

#include <string.h>

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
        shown->exit = evidence_writer(evidence, field, &shown->by_handler);
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
