#include "replay/postmortem/explain/explain_internal.h"

#include "core/text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void explain_say(struct explained *explained, enum hwaccl_topic topic, const char *format, ...)
{
        struct hwaccl_exit_explanation *explanation = explained->explanation;
        unsigned same = 0;
        va_list values;

        for (size_t i = 0; i < explanation->count; i++)
                same += explanation->sentence[i].topic == topic;
        if (same == HWACCL_TOPIC_LINE_MAX || explanation->count == HWACCL_SENTENCE_MAX) {
                explanation->left_out[topic]++;
                return;
        }
        struct hwaccl_sentence *sentence = &explanation->sentence[explanation->count++];
        sentence->topic = topic;
        va_start(values, format);
        (void)vsnprintf(sentence->text, sizeof(sentence->text), format, values);
        va_end(values);
        hwaccl_text_make_safe(sentence->text);
}

void explain_bytes(const void *data, size_t size, char *text, size_t room)
{
        const size_t most = 16;
        const uint8_t *bytes = data;
        size_t used = 0;

        text[0] = '\0';
        for (size_t i = 0; i < size && i < most && used + 4 < room; i++)
                used += (size_t)snprintf(text + used, room - used, "%s%02x", i ? " " : "", bytes[i]);
        if (size > most)
                (void)snprintf(text + used, room - used, " ...");
}

const char *hwaccl_topic_name(enum hwaccl_topic topic)
{
        static const char *const names[HWACCL_TOPIC_COUNT] = {
#define X(identifier, name) name,
                HWACCL_TOPICS(X)
#undef X
        };
        return names[topic];
}

static void explain_time(struct explained *explained)
{
        const struct hwaccl_recorded_exit *exit = explained->exit;
        char since[64] = "";

        if (!explained->times_known) {
                explain_say(explained, HWACCL_TOPIC_TIME, "not all times of this exit are known");
                return;
        }
        if (explained->previous_known && exit->entry_time_ns >= explained->previous_end)
                (void)snprintf(since, sizeof(since), ", %" PRIu64 " ns after the exit before was handled",
                               exit->entry_time_ns - explained->previous_end);
        explain_say(explained, HWACCL_TOPIC_TIME,
                    "entered at %" PRIu64 ".%09" PRIu64 " s of the recording%s; %" PRIu64 " ns in the guest; %" PRIu64
                    " ns of handling",
                    exit->entry_time_ns / 1000000000, exit->entry_time_ns % 1000000000, since, exit->guest_ns,
                    exit->handler_ns);
}

static bool explain_all(struct explained *explained, struct hwaccl_error *error)
{
        if (!explain_guest(explained, error))
                return false;
        explain_interrupt(explained);
        explain_inputs(explained);
        explain_effects(explained);
        explain_decision(explained);
        explain_devices(explained);
        explain_time(explained);
        return true;
}

/* The cursor stands on the exit before, where there is one, and then on the exit. */
static bool read_exit(struct explained *explained, struct hwaccl_exit_cursor *cursor, uint64_t number,
                      struct hwaccl_error *error)
{
        const struct hwaccl_recorded_exit *exit;
        int more = hwaccl_exit_cursor_next(cursor, &exit, error);

        if (more == 1 && exit->number < number) {
                explained->previous_known = exit->number + 1 == number;
                explained->previous_end = exit->entry_time_ns + exit->guest_ns + exit->handler_ns;
                more = hwaccl_exit_cursor_next(cursor, &exit, error);
        }
        if (more < 0)
                return false;
        if (more == 0 || exit->number != number)
                return hwaccl_error_set(error, "exit %" PRIu64 " is missing (the trace lost it)", number);
        explained->exit = exit;
        return hwaccl_exit_cursor_after(cursor, &explained->after, &explained->after_known, error);
}

static void read_devices(struct explained *explained, uint32_t vcpu, uint64_t number)
{
        struct hwaccl_error error = {.message = ""};

        explained->devices_known =
                hwaccl_device_states_after(explained->recording, vcpu, number, &explained->devices, &error);
        explained->explanation->diverged = explained->devices_known && explained->devices.diverged;
        (void)snprintf(explained->no_devices, sizeof(explained->no_devices), "%.190s", error.message);
}

bool hwaccl_exit_explain_recorded(struct hwaccl_recording *recording, uint32_t vcpu, uint64_t number,
                                  struct hwaccl_exit_explanation *explanation, struct hwaccl_error *error)
{
        struct explained explained = {.recording = recording, .explanation = explanation};
        uint64_t first, end;

        memset(explanation, 0, sizeof(*explanation));
        if (!hwaccl_recording_range(recording, vcpu, &first, &end, error))
                return false;
        struct hwaccl_exit_cursor *cursor =
                hwaccl_exit_cursor_open(recording, vcpu, number > first ? number - 1 : number, error);
        if (!cursor) /* the exit before is missing */
                cursor = hwaccl_exit_cursor_open(recording, vcpu, number, error);
        bool good = cursor && read_exit(&explained, cursor, number, error);
        if (good) {
                read_devices(&explained, vcpu, number);
                good = explain_all(&explained, error);
        }
        hwaccl_device_states_free(&explained.devices);
        hwaccl_exit_cursor_close(cursor);
        return good;
}
