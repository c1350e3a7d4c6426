/*
 * The provider's events. LTTng-UST includes this file several times. State fields come from the field table, and the
 * names of numbers from the core's tables. Event classes take one argument, struct trace_event.
 */
#undef LTTNG_UST_TRACEPOINT_PROVIDER
#define LTTNG_UST_TRACEPOINT_PROVIDER hwaccl

#undef LTTNG_UST_TRACEPOINT_INCLUDE
#define LTTNG_UST_TRACEPOINT_INCLUDE "tracer/lttng/provider_events.h"

#if !defined(HWACCL_TRACER_LTTNG_PROVIDER_EVENTS_H) || defined(LTTNG_UST_TRACEPOINT_HEADER_MULTI_READ)
#define HWACCL_TRACER_LTTNG_PROVIDER_EVENTS_H

#include <lttng/tracepoint.h>

#include "tracer/lttng/provider_fields.h"

/* clang-format off: one field a line */
LTTNG_UST_TRACEPOINT_ENUM(hwaccl, exit_reason, LTTNG_UST_TP_ENUM_VALUES(HWACCL_EXIT_REASONS(PROVIDER_REASON)))
LTTNG_UST_TRACEPOINT_ENUM(hwaccl, verdict, LTTNG_UST_TP_ENUM_VALUES(HWACCL_VERDICTS(PROVIDER_NAME) PROVIDER_NONE))
LTTNG_UST_TRACEPOINT_ENUM(hwaccl, outcome, LTTNG_UST_TP_ENUM_VALUES(HWACCL_OUTCOMES(PROVIDER_NAME) PROVIDER_NONE))
LTTNG_UST_TRACEPOINT_ENUM(hwaccl, input_kind, LTTNG_UST_TP_ENUM_VALUES(HWACCL_INPUT_KINDS(PROVIDER_NAME)))
LTTNG_UST_TRACEPOINT_ENUM(hwaccl, effect_kind, LTTNG_UST_TP_ENUM_VALUES(HWACCL_EFFECT_KINDS(PROVIDER_NAME)))
LTTNG_UST_TRACEPOINT_ENUM(hwaccl, thread_moment, LTTNG_UST_TP_ENUM_VALUES(PROVIDER_MOMENTS))
LTTNG_UST_TRACEPOINT_ENUM(hwaccl, event_source, LTTNG_UST_TP_ENUM_VALUES(HWACCL_EVENT_SOURCES(PROVIDER_NAME)))
LTTNG_UST_TRACEPOINT_ENUM(hwaccl, delivery_step, LTTNG_UST_TP_ENUM_VALUES(HWACCL_DELIVERY_STEPS(PROVIDER_NAME)))
LTTNG_UST_TRACEPOINT_ENUM(hwaccl, record_type, LTTNG_UST_TP_ENUM_VALUES(PROVIDER_RECORDS PROVIDER_RECORDS_MORE))
LTTNG_UST_TRACEPOINT_ENUM(hwaccl, register_access, LTTNG_UST_TP_ENUM_VALUES(PROVIDER_ACCESSES))

PROVIDER_EVENT(begin, INFO,
               lttng_ust_field_string(version, event->as.begin.version) lttng_ust_field_integer(uint64_t, time,
                                                                                                event->as.begin.time)
                       lttng_ust_field_integer(uint32_t, keyframe_interval, event->as.begin.keyframe_interval)
                               lttng_ust_field_integer(uint32_t, markers, event->as.begin.markers)
                                       lttng_ust_field_integer(uint32_t, device_fields, event->as.begin.device_fields)
                                               lttng_ust_field_integer(uint8_t, again, event->as.begin.again))

PROVIDER_EVENT(end, INFO,
               lttng_ust_field_integer(uint32_t, end, event->as.end.end)
                       lttng_ust_field_integer(uint64_t, code, event->as.end.code)
                               lttng_ust_field_string(message, event->as.end.message)
                                       lttng_ust_field_integer(uint64_t, exits, event->as.end.exits)
                                               lttng_ust_field_integer(uint64_t, emitted, event->as.end.emitted))

PROVIDER_EVENT(thread_time, DEBUG_SYSTEM,
               lttng_ust_field_enum(hwaccl, thread_moment, uint8_t, moment, event->as.thread_time.moment)
                       lttng_ust_field_integer(uint64_t, time, event->as.thread_time.time)
                               lttng_ust_field_integer(uint64_t, cpu, event->as.thread_time.cpu))

PROVIDER_EVENT(marker, INFO,
               lttng_ust_field_string(name, event->as.marker.name)
                       lttng_ust_field_string(value, event->as.marker.value))

PROVIDER_EVENT(device_field, DEBUG_SYSTEM,
               lttng_ust_field_integer(uint32_t, id, event->as.device_field.id)
                       lttng_ust_field_string(device, event->as.device_field.device)
                               lttng_ust_field_string(field, event->as.device_field.field)
                                       lttng_ust_field_integer(uint32_t, size, event->as.device_field.size))

PROVIDER_EVENT(vm_exit, INFO,
               lttng_ust_field_enum(hwaccl, exit_reason, uint16_t, reason,
                                    (uint16_t)event->as.vm_exit.state->exit_reason)
                       lttng_ust_field_integer_hex(uint64_t, rip, event->as.vm_exit.state->rip)
                               HWACCL_SUBJECT_FIELDS(PROVIDER_EXIT_FIELD)
                                       lttng_ust_field_integer(uint64_t, entered, event->as.vm_exit.entered)
                                               lttng_ust_field_integer(uint64_t, left, event->as.vm_exit.left)
                                                       lttng_ust_field_sequence_hex(uint64_t, pending,
                                                                                    event->as.vm_exit.pending, uint8_t,
                                                                                    event->as.vm_exit.pending_count))

PROVIDER_EVENT(irq_offer, INFO,
               lttng_ust_field_integer_hex(uint8_t, vector, event->as.irq.vector)
                       lttng_ust_field_integer(uint64_t, time, event->as.irq.time))

PROVIDER_EVENT(irq_reclaim, INFO,
               lttng_ust_field_integer_hex(uint8_t, vector, event->as.irq.vector)
                       lttng_ust_field_integer(uint8_t, taken, event->as.irq.taken)
                               lttng_ust_field_integer(uint64_t, time, event->as.irq.time))

PROVIDER_EVENT(handled, DEBUG_PROCESS,
               lttng_ust_field_enum(hwaccl, verdict, uint8_t, verdict, event->as.handled.verdict)
                       lttng_ust_field_enum(hwaccl, outcome, uint8_t, outcome, event->as.handled.outcome)
                               lttng_ust_field_integer(uint64_t, time, event->as.handled.time))

PROVIDER_EVENT(control_register, DEBUG_PROCESS,
               lttng_ust_field_integer(uint8_t, number, event->as.control_register.number)
                       lttng_ust_field_enum(hwaccl, register_access, uint8_t, access, event->as.control_register.access)
                               lttng_ust_field_integer(uint8_t, general_register,
                                                       event->as.control_register.general_register)
                                       lttng_ust_field_integer_hex(uint64_t, value, event->as.control_register.value))

PROVIDER_EVENT(emulate, DEBUG_PROCESS,
               lttng_ust_field_integer_hex(uint64_t, rip, event->as.emulate.rip)
                       lttng_ust_field_enum(hwaccl, outcome, uint8_t, outcome, event->as.emulate.outcome)
                               lttng_ust_field_sequence_hex(uint8_t, code, event->as.emulate.code, uint8_t,
                                                            event->as.emulate.size))

PROVIDER_EVENT(input, DEBUG_FUNCTION,
               lttng_ust_field_enum(hwaccl, input_kind, uint8_t, kind, event->as.value.kind) PROVIDER_VALUE)

PROVIDER_EVENT(effect, DEBUG_FUNCTION,
               lttng_ust_field_enum(hwaccl, effect_kind, uint8_t, kind, event->as.value.kind) PROVIDER_VALUE)

PROVIDER_EVENT(fault, DEBUG_PROCESS,
               lttng_ust_field_integer(uint8_t, index, event->as.fault.index)
                       lttng_ust_field_enum(hwaccl, event_source, uint8_t, source, event->as.fault.link.source)
                               lttng_ust_field_integer_hex(uint8_t, vector, event->as.fault.link.vector)
                                       lttng_ust_field_integer_hex(uint16_t, cs, event->as.fault.link.cs)
                                               lttng_ust_field_integer_hex(uint64_t, rip, event->as.fault.link.rip)
                                                       PROVIDER_FAULT_STEP PROVIDER_FAULT_RAISED)

PROVIDER_EVENT(transfer_in, DEBUG_LINE, PROVIDER_TRANSFER)

PROVIDER_EVENT(transfer_out, DEBUG_LINE, PROVIDER_TRANSFER)

PROVIDER_EVENT(keyframe, DEBUG_SYSTEM,
               lttng_ust_field_integer(uint64_t, clock, event->as.keyframe.clock)
                       lttng_ust_field_integer(uint32_t, interval, event->as.keyframe.interval)
                               HWACCL_SUBJECT_FIELDS(PROVIDER_KEYFRAME_FIELD))

PROVIDER_EVENT(record, DEBUG_LINE,
               lttng_ust_field_enum(hwaccl, record_type, uint8_t, type, event->as.record.type)
                       lttng_ust_field_integer(uint32_t, total, event->as.record.total)
                               lttng_ust_field_integer(uint32_t, offset, event->as.record.offset)
                                       lttng_ust_field_sequence_hex(uint8_t, data, event->as.record.data, uint32_t,
                                                                    event->as.record.size))

PROVIDER_EVENT(vmm_exit, INFO,
               lttng_ust_field_enum(hwaccl, exit_reason, uint16_t, reason,
                                    (uint16_t)event->as.vmm_exit.state->exit_reason)
                       lttng_ust_field_integer_hex(uint64_t, rip, event->as.vmm_exit.state->rip)
                               HWACCL_SUBJECT_FIELDS(PROVIDER_VMM_EXIT_FIELD) lttng_ust_field_integer_hex(
                                       uint8_t, unknown, event->as.vmm_exit.unknown)
                                       lttng_ust_field_integer(uint64_t, order, event->as.vmm_exit.order)
                                               lttng_ust_field_integer(uint64_t, entered, event->as.vmm_exit.entered)
                                                       lttng_ust_field_integer(uint64_t, left, event->as.vmm_exit.left))

PROVIDER_EVENT(device_state, DEBUG_SYSTEM,
               lttng_ust_field_sequence_hex(uint8_t, data, event->as.device_state.data, uint32_t,
                                            event->as.device_state.size))

#endif

#include <lttng/tracepoint-event.h>
