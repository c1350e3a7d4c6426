/* The first line of the report about what was recorded. */
#include "replay/cli/record/record.h"

#include "replay/postmortem/report.h"

/* Ends that do not say why. An exit code is the guest's own word, an error has its message, and what a user or a text
 * on the console stopped had not ended. */
static bool is_unexplained(enum hwaccl_end end, uint64_t code)
{
        switch (end) {
        case HWACCL_END_HALTED:
        case HWACCL_END_TRIPLE_FAULT:
        case HWACCL_END_RESET:
        case HWACCL_END_POWER_OFF: return true;
        case HWACCL_END_STOPPED: return code == HWACCL_STOP_TIMEOUT || code == HWACCL_STOP_MAX_EXITS;
        default: return false;
        }
}

bool record_report(const struct record_settings *settings, enum hwaccl_end end, uint64_t code, char *title, size_t room)
{
        struct hwaccl_error error;

        title[0] = '\0';
        if (settings->no_record || settings->no_report || !is_unexplained(end, code))
                return false;
        /* it was written by this process: its pages need no check */
        struct hwaccl_recording *recording = hwaccl_recording_open_running(settings->output, &error);
        if (!recording)
                return false;
        struct hwaccl_report *report = hwaccl_report_create(recording, REPORT_ANY_VCPU, REPORT_REPLAYED_LINE, &error);
        bool failed = report && report->judgement == JUDGEMENT_FAILED;
        if (failed)
                (void)snprintf(title, room, "%s", report->finding[0].title);
        hwaccl_report_free(report);
        hwaccl_recording_close(recording);
        return failed;
}
