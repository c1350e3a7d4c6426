#include "tracer/interpose/library/exit_text.h"

#include <stdarg.h>
#include <stdio.h>

struct text {
        char *to;
        size_t length;
};

static void put(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(struct text *text, const char *format, ...)
{
        va_list arguments;

        va_start(arguments, format);
        int length = vsnprintf(text->to + text->length, EXIT_TEXT_ROOM - text->length, format, arguments);
        va_end(arguments);
        if (length > 0)
                text->length += (size_t)length;
        if (text->length >= EXIT_TEXT_ROOM)
                text->length = EXIT_TEXT_ROOM - 1;
}

static void put_data(struct text *text, const __u64 *data, unsigned count, unsigned max)
{
        for (unsigned i = 0; i < count && i < max; i++)
                put(text, "%s%#llx", i ? " " : ", data ", (unsigned long long)data[i]);
}

static const char *suberror(unsigned number)
{
        switch (number) {
        case KVM_INTERNAL_ERROR_EMULATION: return "emulation";
        case KVM_INTERNAL_ERROR_SIMUL_EX: return "simultaneous exceptions";
        case KVM_INTERNAL_ERROR_DELIVERY_EV: return "event delivery";
        case KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON: return "unexpected exit reason";
        default: return "unknown";
        }
}

static const char *system_event(unsigned type)
{
        switch (type) {
        case KVM_SYSTEM_EVENT_SHUTDOWN: return "shutdown";
        case KVM_SYSTEM_EVENT_RESET: return "reset";
        case KVM_SYSTEM_EVENT_CRASH: return "crash";
        default: return "unknown";
        }
}

size_t exit_text(const struct kvm_run *run, char to[static EXIT_TEXT_ROOM])
{
        struct text text = {to, 0};

        switch (run->exit_reason) {
        case KVM_EXIT_FAIL_ENTRY:
                put(&text, "KVM_EXIT_FAIL_ENTRY: hardware reason %#llx",
                    (unsigned long long)run->fail_entry.hardware_entry_failure_reason);
                break;
        case KVM_EXIT_INTERNAL_ERROR:
                put(&text, "KVM_EXIT_INTERNAL_ERROR: suberror %u (%s)", run->internal.suberror,
                    suberror(run->internal.suberror));
                put_data(&text, run->internal.data, run->internal.ndata, 16);
                break;
        case KVM_EXIT_SYSTEM_EVENT:
                put(&text, "KVM_EXIT_SYSTEM_EVENT: type %u (%s)", run->system_event.type,
                    system_event(run->system_event.type));
                put_data(&text, run->system_event.data, run->system_event.ndata, 16);
                break;
        case KVM_EXIT_DEBUG:
                put(&text, "KVM_EXIT_DEBUG: exception %u at %#llx", run->debug.arch.exception,
                    (unsigned long long)run->debug.arch.pc);
                break;
        default: put(&text, "KVM exit %u", run->exit_reason); break;
        }
        return text.length;
}
