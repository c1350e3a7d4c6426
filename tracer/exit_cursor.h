/* The exit cursor's parts: the row of an exit (exit_cursor.c), its inputs and effects (cursor_events.c), and the other
 * tables, merged in by key (cursor_stream.c). */
#ifndef HWACCL_TRACER_EXIT_CURSOR_H
#define HWACCL_TRACER_EXIT_CURSOR_H

#include "recording_internal.h"

#include <stdarg.h>

/* A table read in the order of its key (column 0), one row ahead. */
struct stream {
        sqlite3_stmt *statement;
        const char *table;
        int64_t key;  /* of the row that waits */
        bool waiting; /* there is one */
        bool unique;  /* keys ascend strictly */
};

/** stream_open - rows with keys from @first to @last; the first one waits then */
bool stream_open(struct stream *stream, struct hwaccl_recording *recording, const char *table, const char *sql,
                 int64_t first, int64_t last, bool unique, struct hwaccl_error *error);
void stream_close(struct stream *stream);

/** stream_next - done with the row that waits */
bool stream_next(struct stream *stream, struct hwaccl_recording *recording, struct hwaccl_error *error);

/** stream_integer - a column of the row that waits; NULL is an error */
bool stream_integer(const struct stream *stream, const struct hwaccl_recording *recording, int column, int64_t low,
                    int64_t high, int64_t *value, struct hwaccl_error *error);

#define CURSOR_INSTRUCTION_CACHE 1024u
#define CURSOR_EVENT_BYTES_MAX   (64u << 20) /* data of one exit's inputs and effects together */

struct cursor_instruction {
        int64_t id; /* 0: an empty slot */
        uint64_t address;
        uint8_t bytes[INSTRUCTION_SIZE_MAX];
        uint8_t size;
};

/* Inputs and effects of the exit at which the cursor stands. */
struct cursor_events {
        struct stream input;
        struct stream effect;
        sqlite3_stmt *lookup; /* instruction by id */
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
};

/* What the row of the exit says about its first inputs. */
struct cursor_inputs {
        bool clock_known;
        uint64_t clock;
        int64_t instruction;        /* 0: none */
        uint64_t instruction_input; /* which one it is */
};

bool cursor_events_open(struct cursor_events *events, struct hwaccl_recording *recording, int64_t first, int64_t last,
                        struct hwaccl_error *error);
void cursor_events_close(struct cursor_events *events);

/** cursor_events_gather - inputs and effects of exit @id; streams of earlier exits are skipped */
bool cursor_events_gather(struct cursor_events *events, struct hwaccl_recording *recording, int64_t id,
                          const struct cursor_inputs *from_row, struct hwaccl_error *error);

#endif
