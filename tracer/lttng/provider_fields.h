/* Macros for provider_events.h; they do not change between the passes of LTTng's headers. */
#ifndef HWACCL_TRACER_LTTNG_PROVIDER_FIELDS_H
#define HWACCL_TRACER_LTTNG_PROVIDER_FIELDS_H

#include "tracer/lttng/trace_event.h"

#include "hwaccl/event.h"
#include "hwaccl/exit_reason.h"
#include "hwaccl/fault_chain.h"
#include "hwaccl/subject_fields.h"

/* clang-format off: one field a line */

/* The first four fields of every event. */
#define PROVIDER_EVENT(name, level, ...)                                                                               \
        LTTNG_UST_TRACEPOINT_EVENT(                                                                                    \
                hwaccl, name, LTTNG_UST_TP_ARGS(const struct trace_event *, event),                                    \
                LTTNG_UST_TP_FIELDS(lttng_ust_field_integer(uint32_t, pid, event->pid) lttng_ust_field_integer(        \
                        uint32_t, vcpu, event->vcpu) lttng_ust_field_integer(uint64_t, exit, event->exit)              \
                                            lttng_ust_field_integer(uint64_t, sequence, event->sequence) __VA_ARGS__)) \
        LTTNG_UST_TRACEPOINT_LOGLEVEL(hwaccl, name, LTTNG_UST_TRACEPOINT_LOGLEVEL_##level)

#define PROVIDER_REASON(number, identifier, name, verdict) lttng_ust_field_enum_value(name, number)

#define PROVIDER_NAME(number, identifier, name) lttng_ust_field_enum_value(name, number)
#define PROVIDER_NONE                           lttng_ust_field_enum_value("none", TRACE_UNKNOWN)

#define PROVIDER_ACCESSES                                                                                              \
        lttng_ust_field_enum_value("mov to", 0) lttng_ust_field_enum_value("mov from", 1)                              \
                lttng_ust_field_enum_value("clts", 2) lttng_ust_field_enum_value("lmsw", 3)

#define PROVIDER_MOMENTS                                                                                               \
        lttng_ust_field_enum_value("keyframe", 0) lttng_ust_field_enum_value("wait", 1)                                \
                lttng_ust_field_enum_value("resumed", 2) lttng_ust_field_enum_value("end", 3)

#define PROVIDER_VALUE                                                                                                 \
        lttng_ust_field_integer_hex(uint64_t, address, event->as.value.address)                                        \
                lttng_ust_field_integer_hex(uint64_t, value, event->as.value.value)                                    \
                        lttng_ust_field_integer(uint8_t, has_data, event->as.value.has_data)                           \
                                lttng_ust_field_sequence_hex(uint8_t, data, event->as.value.data, uint16_t,            \
                                                             event->as.value.size)

#define PROVIDER_RECORDS                                                                                               \
        lttng_ust_field_enum_value("entry", 1) lttng_ust_field_enum_value("offer", 2)                                  \
                lttng_ust_field_enum_value("exit", 3) lttng_ust_field_enum_value("clock", 4)                           \
                        lttng_ust_field_enum_value("input", 5) lttng_ust_field_enum_value("effect", 6)                 \
                                lttng_ust_field_enum_value("reclaim", 7) lttng_ust_field_enum_value("handled", 8)      \
                                        lttng_ust_field_enum_value("unhandled", 9)                                     \
                                                lttng_ust_field_enum_value("snapshot", 10)
#define PROVIDER_RECORDS_MORE                                                                                          \
        lttng_ust_field_enum_value("annotation", 11) lttng_ust_field_enum_value("mark", 12)                            \
                lttng_ust_field_enum_value("walk", 13) lttng_ust_field_enum_value("thread_time", 14)                   \
                        lttng_ust_field_enum_value("fault", 15) lttng_ust_field_enum_value("kvm_run", 16)              \
                                lttng_ust_field_enum_value("vmm_state", 17) lttng_ust_field_enum_value("lane", 18)     \
                                        lttng_ust_field_enum_value("call", 19)                                         \
                                                lttng_ust_field_enum_value("call_data", 20)                            \
                                                        lttng_ust_field_enum_value("called", 21)                       \
                                                                lttng_ust_field_enum_value("kernel_exit", 22)          \
                                                                        lttng_ust_field_enum_value("kernel_event", 23)

/* 'has' says which of the others have a value. */
#define PROVIDER_FAULT_STEP                                                                                            \
        lttng_ust_field_integer_hex(uint8_t, has, event->as.fault.link.has)                                            \
                lttng_ust_field_integer_hex(uint32_t, error_code, event->as.fault.link.error_code)                     \
                        lttng_ust_field_integer_hex(uint64_t, cr2, event->as.fault.link.cr2) lttng_ust_field_enum(     \
                                hwaccl, delivery_step, uint8_t, step, event->as.fault.link.step)                       \
                                lttng_ust_field_integer_hex(uint64_t, address, event->as.fault.link.address)           \
                                        lttng_ust_field_integer_hex(uint64_t, value, event->as.fault.link.value)
#define PROVIDER_FAULT_RAISED                                                                                          \
        lttng_ust_field_integer_hex(uint64_t, limit, event->as.fault.link.limit)                                       \
                lttng_ust_field_integer_hex(uint8_t, raised, event->as.fault.link.raised) lttng_ust_field_integer_hex( \
                        uint32_t, raised_error_code, event->as.fault.link.raised_error_code)                           \
                        lttng_ust_field_integer_hex(uint64_t, raised_cr2, event->as.fault.link.raised_cr2)

#define PROVIDER_TRANSFER                                                                                              \
        lttng_ust_field_integer_hex(uint64_t, bitmap, event->as.transfer.bitmap) lttng_ust_field_sequence_hex(         \
                uint64_t, words, event->as.transfer.words, uint8_t, event->as.transfer.count)

#define PROVIDER_BITS_4 uint32_t
#define PROVIDER_BITS_8 uint64_t

#define PROVIDER_KEYFRAME_FIELD(name, member, width, group, vmcs)                                                      \
        lttng_ust_field_integer_hex(PROVIDER_BITS_##width, name, event->as.keyframe.state->member)

/* The exit information among the field table's groups. */
#define PROVIDER_EXIT_FIELD(name, member, width, group, vmcs) PROVIDER_EXIT_##group(name, member, width)
#define PROVIDER_EXIT_HWACCL_FIELD_GENERAL(name, member, width)
#define PROVIDER_EXIT_HWACCL_FIELD_CONTROL(name, member, width)
#define PROVIDER_EXIT_HWACCL_FIELD_SEGMENT(name, member, width)
#define PROVIDER_EXIT_HWACCL_FIELD_TABLE(name, member, width)
#define PROVIDER_EXIT_HWACCL_FIELD_EXIT(name, member, width)                                                           \
        lttng_ust_field_integer_hex(PROVIDER_BITS_##width, name, event->as.vm_exit.state->member)

/* The same of a VMM's exit. */
#define PROVIDER_VMM_EXIT_FIELD(name, member, width, group, vmcs) PROVIDER_VMM_EXIT_##group(name, member, width)
#define PROVIDER_VMM_EXIT_HWACCL_FIELD_GENERAL(name, member, width)
#define PROVIDER_VMM_EXIT_HWACCL_FIELD_CONTROL(name, member, width)
#define PROVIDER_VMM_EXIT_HWACCL_FIELD_SEGMENT(name, member, width)
#define PROVIDER_VMM_EXIT_HWACCL_FIELD_TABLE(name, member, width)
#define PROVIDER_VMM_EXIT_HWACCL_FIELD_EXIT(name, member, width)                                                       \
        lttng_ust_field_integer_hex(PROVIDER_BITS_##width, name, event->as.vmm_exit.state->member)

#endif
