/* Between rows.c and rows_dictionary.c. */
#ifndef HWACCL_TRACER_ROWS_INTERNAL_H
#define HWACCL_TRACER_ROWS_INTERNAL_H

#include "tracer/database/rows.h"

/*
 * The columns of each statement, in the order of its parameters: X(prefix, column). A parameter is called
 * PREFIX_column; the first one behind them, PREFIX_fields, is that of the fields of the state in some tables.
 */
#define EXIT_ROW(X)       X(EXIT_ROW, id)
#define HANDLER_CHANGE(X) X(HANDLER_CHANGE, id)
#define KEYFRAME(X)       X(KEYFRAME, id) X(KEYFRAME, clock) X(KEYFRAME, host_entry)
#define ENTRY_STATE(X)    X(ENTRY_STATE, id)
#define GROUP(X)          X(GROUP, at)
#define PENDING(X)        X(PENDING, id) X(PENDING, word0) X(PENDING, word1) X(PENDING, word2) X(PENDING, word3)
#define IRQ_HANDOFF(X)                                                                                                 \
        X(IRQ_HANDOFF, id)                                                                                             \
        X(IRQ_HANDOFF, vector) X(IRQ_HANDOFF, taken) X(IRQ_HANDOFF, host_offered) X(IRQ_HANDOFF, host_settled)
#define INSTRUCTION(X)                                                                                                 \
        X(INSTRUCTION, id)                                                                                             \
        X(INSTRUCTION, address) X(INSTRUCTION, code_bits) X(INSTRUCTION, bytes) X(INSTRUCTION, text)
#define WALK(X)      X(WALK, id) X(WALK, reads)
#define WALK_READ(X) X(WALK_READ, walk) X(WALK_READ, sequence) X(WALK_READ, address) X(WALK_READ, data)
#define EVENT(X)     X(EVENT, exit) X(EVENT, sequence) X(EVENT, kind) X(EVENT, address) X(EVENT, value) X(EVENT, data)
#define FAULT(X)                                                                                                       \
        X(FAULT, exit)                                                                                                 \
        X(FAULT, sequence)                                                                                             \
        X(FAULT, source)                                                                                               \
        X(FAULT, vector)                                                                                               \
        X(FAULT, error_code)                                                                                           \
        X(FAULT, cr2)                                                                                                  \
        X(FAULT, cs)                                                                                                   \
        X(FAULT, rip)                                                                                                  \
        X(FAULT, step)                                                                                                 \
        X(FAULT, address)                                                                                              \
        X(FAULT, value)                                                                                                \
        X(FAULT, bound)                                                                                                \
        X(FAULT, raised) X(FAULT, raised_error_code) X(FAULT, raised_cr2)
#define DEVICE_FIELD(X)    X(DEVICE_FIELD, id) X(DEVICE_FIELD, device) X(DEVICE_FIELD, field) X(DEVICE_FIELD, size)
#define DEVICE_SNAPSHOT(X) X(DEVICE_SNAPSHOT, exit)
#define DEVICE_STATE(X)    X(DEVICE_STATE, exit) X(DEVICE_STATE, field) X(DEVICE_STATE, value)
#define OPTION(X)          X(OPTION, name) X(OPTION, value)
#define MARK(X)            X(MARK, id) X(MARK, vcpu) X(MARK, exit) X(MARK, host_time) X(MARK, text)
#define GAP(X)             X(GAP, first) X(GAP, last) X(GAP, events)
#define CHECKPOINT(X)                                                                                                  \
        X(CHECKPOINT, id)                                                                                              \
        X(CHECKPOINT, ring) X(CHECKPOINT, position) X(CHECKPOINT, decoder) X(CHECKPOINT, devices)
#define THREAD_TIME(X)      X(THREAD_TIME, exit) X(THREAD_TIME, moment) X(THREAD_TIME, host_time) X(THREAD_TIME, host_cpu)
#define FIND_INSTRUCTION(X) X(FIND_INSTRUCTION, address) X(FIND_INSTRUCTION, code_bits) X(FIND_INSTRUCTION, bytes)
#define FIND_WALK(X)        X(FIND_WALK, reads)

#define PARAMETER(prefix, column) prefix##_##column,
#define PARAMETERS(columns)       enum { columns##_none, columns(PARAMETER) columns##_fields }
PARAMETERS(EXIT_ROW);
PARAMETERS(HANDLER_CHANGE);
PARAMETERS(KEYFRAME);
PARAMETERS(ENTRY_STATE);
PARAMETERS(GROUP);
PARAMETERS(PENDING);
PARAMETERS(IRQ_HANDOFF);
PARAMETERS(INSTRUCTION);
PARAMETERS(WALK);
PARAMETERS(WALK_READ);
PARAMETERS(EVENT);
PARAMETERS(FAULT);
PARAMETERS(DEVICE_FIELD);
PARAMETERS(DEVICE_SNAPSHOT);
PARAMETERS(DEVICE_STATE);
PARAMETERS(OPTION);
PARAMETERS(MARK);
PARAMETERS(GAP);
PARAMETERS(CHECKPOINT);
PARAMETERS(THREAD_TIME);
PARAMETERS(FIND_INSTRUCTION);
PARAMETERS(FIND_WALK);

/* Binding to a parameter that exists fails only when memory is short; the step then reports a NOT NULL or nothing, so
 * results are gathered and looked at once per row. */
static inline int bind(sqlite3_stmt *statement, int parameter, int64_t value)
{
        return sqlite3_bind_int64(statement, parameter, value);
}

static inline bool bound(struct rows *rows, int result, struct hwaccl_error *error)
{
        return result == SQLITE_OK || database_error(rows->db, error, "cannot bind a value");
}

/* @result: of binding the row */
static inline bool insert(struct rows *rows, enum rows_statement name, int result, struct hwaccl_error *error)
{
        return bound(rows, result, error) && database_step_done(rows->db, rows->statement[name], error);
}

#endif
