/* The pieces that provider_events.h is made of: they stay the same in all passes of LTTng's headers. */
#ifndef HWACCL_TRACER_LTTNG_PROVIDER_FIELDS_H
#define HWACCL_TRACER_LTTNG_PROVIDER_FIELDS_H

#include "tracer/lttng/trace_event.h"

#include "core/host/inputs.h"
#include "core/host/probe.h"
#include "hwaccl/exit_reason.h"
#include "hwaccl/subject_fields.h"

/* clang-format off: one field a line */

/* Every event has these four first; then its own. */
#define PROVIDER_EVENT(name, level, ...)                                                                               \
        LTTNG_UST_TRACEPOINT_EVENT(                                                                                    \
                hwaccl, name, LTTNG_UST_TP_ARGS(const struct trace_event *, event),                                    \
                LTTNG_UST_TP_FIELDS(lttng_ust_field_integer(uint32_t, pid, event->pid) lttng_ust_field_integer(        \
                        uint32_t, vcpu, event->vcpu) lttng_ust_field_integer(uint64_t, exit, event->exit)              \
                                            lttng_ust_field_integer(uint64_t, sequence, event->sequence) __VA_ARGS__)) \
        LTTNG_UST_TRACEPOINT_LOGLEVEL(hwaccl, name, LTTNG_UST_TRACEPOINT_LOGLEVEL_##level)

#define PROVIDER_REASON(number, identifier, name, verdict) lttng_ust_field_enum_value(name, number)

#define PROVIDER_VERDICTS                                                                                              \
        lttng_ust_field_enum_value("resume", HWACCL_VERDICT_RESUME)                                                    \
                lttng_ust_field_enum_value("emulate", HWACCL_VERDICT_EMULATE)                                          \
                        lttng_ust_field_enum_value("triple fault", HWACCL_VERDICT_TRIPLE_FAULT)                        \
                                lttng_ust_field_enum_value("entry failure", HWACCL_VERDICT_ENTRY_FAILURE)              \
                                        lttng_ust_field_enum_value("unknown", HWACCL_VERDICT_UNKNOWN)                  \
                                                lttng_ust_field_enum_value("none", TRACE_UNKNOWN)

#define PROVIDER_OUTCOMES                                                                                              \
        lttng_ust_field_enum_value("resumed", HWACCL_OUTCOME_RESUMED)                                                  \
                lttng_ust_field_enum_value("completed", HWACCL_OUTCOME_COMPLETED)                                      \
                        lttng_ust_field_enum_value("repeating", HWACCL_OUTCOME_REPEATING) lttng_ust_field_enum_value(  \
                                "exception", HWACCL_OUTCOME_EXCEPTION)                                                 \
                                lttng_ust_field_enum_value("halted", HWACCL_OUTCOME_HALTED)                            \
                                        lttng_ust_field_enum_value("triple fault", HWACCL_OUTCOME_TRIPLE_FAULT)        \
                                                lttng_ust_field_enum_value("failed", HWACCL_OUTCOME_FAILED)            \
                                                        lttng_ust_field_enum_value("none", TRACE_UNKNOWN)

#define PROVIDER_INPUTS                                                                                                \
        lttng_ust_field_enum_value("clock", HWACCL_INPUT_CLOCK) lttng_ust_field_enum_value("wait", HWACCL_INPUT_WAIT)  \
                lttng_ust_field_enum_value("instruction", HWACCL_INPUT_INSTRUCTION) lttng_ust_field_enum_value(        \
                        "memory", HWACCL_INPUT_MEMORY) lttng_ust_field_enum_value("console", HWACCL_INPUT_CONSOLE)     \
                        lttng_ust_field_enum_value("wall time", HWACCL_INPUT_WALL_TIME)                                \
                                lttng_ust_field_enum_value("stop request", HWACCL_INPUT_STOP)                          \
                                        lttng_ust_field_enum_value("disk", HWACCL_INPUT_DISK)                          \
                                                lttng_ust_field_enum_value("disk fault", HWACCL_INPUT_DISK_FAULT)

#define PROVIDER_EFFECTS                                                                                               \
        lttng_ust_field_enum_value("memory", HWACCL_EFFECT_MEMORY)                                                     \
                lttng_ust_field_enum_value("console", HWACCL_EFFECT_CONSOLE)                                           \
                        lttng_ust_field_enum_value("irq line", HWACCL_EFFECT_IRQ_LINE)                                 \
                                lttng_ust_field_enum_value("stop", HWACCL_EFFECT_STOP)                                 \
                                        lttng_ust_field_enum_value("disk write", HWACCL_EFFECT_DISK_WRITE)             \
                                                lttng_ust_field_enum_value("disk flush", HWACCL_EFFECT_DISK_FLUSH)

#define PROVIDER_ACCESSES                                                                                              \
        lttng_ust_field_enum_value("mov to", 0) lttng_ust_field_enum_value("mov from", 1)                              \
                lttng_ust_field_enum_value("clts", 2) lttng_ust_field_enum_value("lmsw", 3)

#define PROVIDER_VALUE                                                                                                 \
        lttng_ust_field_integer_hex(uint64_t, address, event->as.value.address)                                        \
                lttng_ust_field_integer_hex(uint64_t, value, event->as.value.value)                                    \
                        lttng_ust_field_integer(uint8_t, has_data, event->as.value.has_data)                           \
                                lttng_ust_field_sequence_hex(uint8_t, data, event->as.value.data, uint16_t,            \
                                                             event->as.value.size)

#define PROVIDER_TRANSFER                                                                                              \
        lttng_ust_field_integer_hex(uint64_t, bitmap, event->as.transfer.bitmap) lttng_ust_field_sequence_hex(         \
                uint64_t, words, event->as.transfer.words, uint8_t, event->as.transfer.count)

/* A kind that is new in the core needs its name above. */
_Static_assert(HWACCL_INPUT_KIND_COUNT == 9 && HWACCL_EFFECT_KIND_COUNT == 6 && HWACCL_VERDICT_COUNT == 5 &&
                       HWACCL_OUTCOME_COUNT == 7,
               "every number of the core has a name in the trace");

#define PROVIDER_BITS_4 uint32_t
#define PROVIDER_BITS_8 uint64_t

#define PROVIDER_KEYFRAME_FIELD(name, member, width, group, vmcs)                                                      \
        lttng_ust_field_integer_hex(PROVIDER_BITS_##width, name, event->as.keyframe.state->member)

/* Of the field table's groups, why and where the guest stopped. */
#define PROVIDER_EXIT_FIELD(name, member, width, group, vmcs) PROVIDER_EXIT_##group(name, member, width)
#define PROVIDER_EXIT_HWACCL_FIELD_GENERAL(name, member, width)
#define PROVIDER_EXIT_HWACCL_FIELD_CONTROL(name, member, width)
#define PROVIDER_EXIT_HWACCL_FIELD_SEGMENT(name, member, width)
#define PROVIDER_EXIT_HWACCL_FIELD_TABLE(name, member, width)
#define PROVIDER_EXIT_HWACCL_FIELD_EXIT(name, member, width)                                                           \
        lttng_ust_field_integer_hex(PROVIDER_BITS_##width, name, event->as.vm_exit.state->member)

#endif
