/* The exit cursor's parts: the states around an exit (state_reader.c), its inputs and effects (cursor_events.c), the
 * small tables (cursor_tables.c), all merged by key (integer_stream.c, stream.c). */
#ifndef HWACCL_TRACER_EXIT_CURSOR_H
#define HWACCL_TRACER_EXIT_CURSOR_H

#include "tracer/read/state_reader.h"
#include "tracer/read/stream.h"

#define CURSOR_INSTRUCTION_CACHE 1024u
#define CURSOR_EVENT_BYTES_MAX   (64u << 20) /* data of one exit's inputs and effects together */

struct cursor_instruction {
        int64_t id; /* 0: an empty slot */
        uint64_t address;
        uint8_t bytes[INSTRUCTION_SIZE_MAX];
        uint8_t size;
};

struct cursor_walk {
        int64_t id; /* 0: an empty slot */
        struct walk walk;
};

/* Inputs and effects of the cursor's exit. */
struct cursor_events {
        struct stream input;
        struct stream effect;
        sqlite3_stmt *lookup; /* instruction by id */
        sqlite3_stmt *lookup_walk;
        struct hwaccl_input *inputs;
        size_t input_count;
        size_t input_room;
        struct hwaccl_effect *effects;
        size_t effect_count;
        size_t effect_room;
        uint8_t *bytes;
        size_t byte_count;
        size_t byte_room;
        struct cursor_instruction cache[CURSOR_INSTRUCTION_CACHE];
        struct cursor_walk walks[CURSOR_INSTRUCTION_CACHE];
};

/* References to the first inputs in the exit's row. */
struct cursor_inputs {
        bool clock_known;
        uint64_t clock;
        int64_t walk;               /* 0: none */
        int64_t instruction;        /* 0: none */
        uint64_t instruction_input; /* its position; UINT64_MAX: after clock and walk */
};

bool cursor_events_open(struct cursor_events *events, struct hwaccl_recording *recording, int64_t first, int64_t last,
                        struct hwaccl_error *error);
void cursor_events_close(struct cursor_events *events);

/** cursor_events_gather - inputs and effects of exit @id; streams of earlier exits are skipped */
bool cursor_events_gather(struct cursor_events *events, struct hwaccl_recording *recording, int64_t id,
                          const struct cursor_inputs *from_row, struct hwaccl_error *error);

struct hwaccl_exit_cursor {
        struct state_reader reader;
        struct hwaccl_recording *recording;
        struct integer_stream pending;
        struct integer_stream handoff;
        struct integer_stream snapshot;
        struct stream kvm_run;
        struct stream device_state;
        struct cursor_events events;
        struct device_values *devices;
        bool devices_loaded;
        struct hwaccl_recorded_exit result;
};

/** cursor_open_kvm_run - from the row on that is valid for exit @first */
bool cursor_open_kvm_run(struct hwaccl_exit_cursor *cursor, int64_t first, int64_t last, struct hwaccl_error *error);

/* Add the rows of other tables for exit @id to cursor->result. */
bool cursor_load_pending(struct hwaccl_exit_cursor *cursor, int64_t id, struct hwaccl_error *error);
bool cursor_load_kvm_run(struct hwaccl_exit_cursor *cursor, int64_t id, struct hwaccl_error *error);
bool cursor_load_handoff(struct hwaccl_exit_cursor *cursor, int64_t id, struct hwaccl_error *error);
bool cursor_load_devices(struct hwaccl_exit_cursor *cursor, int64_t id, struct hwaccl_error *error);

#endif
