/* The exit cursor's parts: the row of an exit (exit_cursor.c), its inputs and effects (cursor_events.c), the small
 * tables (cursor_tables.c), all merged by key (cursor_stream.c). */
#ifndef HWACCL_TRACER_EXIT_CURSOR_H
#define HWACCL_TRACER_EXIT_CURSOR_H

#include "tracer/read/recording_internal.h"

#include "tracer/ring/state_delta.h"

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

struct cursor_walk {
        int64_t id; /* 0: an empty slot */
        struct walk walk;
};

/* Inputs and effects of the exit at which the cursor stands. */
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

/* What the row of the exit says about its first inputs. */
struct cursor_inputs {
        bool clock_known;
        uint64_t clock;
        int64_t walk;               /* 0: none */
        int64_t instruction;        /* 0: none */
        uint64_t instruction_input; /* which one it is; UINT64_MAX: the one behind clock and walk */
};

bool cursor_events_open(struct cursor_events *events, struct hwaccl_recording *recording, int64_t first, int64_t last,
                        struct hwaccl_error *error);
void cursor_events_close(struct cursor_events *events);

/** cursor_events_gather - inputs and effects of exit @id; streams of earlier exits are skipped */
bool cursor_events_gather(struct cursor_events *events, struct hwaccl_recording *recording, int64_t id,
                          const struct cursor_inputs *from_row, struct hwaccl_error *error);

#define PAGE_MAX 32 /* columns of FIELD_SET_PAGE */

struct hwaccl_exit_cursor {
        struct hwaccl_recording *recording;
        struct stream exit;
        struct stream keyframe;
        struct stream change;
        struct stream entry_state;
        struct stream system;
        struct stream segment;
        struct stream pending;
        struct stream handoff;
        struct stream snapshot;
        struct stream device_state;
        struct cursor_events events;
        struct device_values *devices;
        bool devices_loaded;

        unsigned page_count;
        uint8_t page_word[PAGE_MAX];
        struct hwaccl_known_fields page_bit[PAGE_MAX]; /* the field's bit */
        uint64_t base[PAGE_MAX];                       /* of the keyframe */
        struct hwaccl_known_fields base_known;
        uint64_t base_clock;
        uint64_t base_host_entry;
        bool started; /* base holds */

        union state_words entry;
        union state_words at_exit;
        union state_words next; /* entry of the next one */
        struct hwaccl_known_fields next_known;
        struct hwaccl_known_fields group_known; /* system and segment registers */
        int64_t system_at;                      /* key of the row that holds: at a keyframe, the keyframe's own */
        int64_t segment_at;
        bool next_there;
        union state_words before_gap; /* what was next there */
        bool before_gap_there;
        int64_t expected; /* id of the next row */
        struct hwaccl_recorded_exit result;
};

static inline int64_t number_of(int64_t id)
{
        return id & (int64_t)EXIT_NUMBER_MAX;
}

/* What other tables hold for exit @id, into cursor->result. */
bool cursor_load_pending(struct hwaccl_exit_cursor *cursor, int64_t id, struct hwaccl_error *error);
bool cursor_load_handoff(struct hwaccl_exit_cursor *cursor, int64_t id, struct hwaccl_error *error);
bool cursor_load_devices(struct hwaccl_exit_cursor *cursor, int64_t id, struct hwaccl_error *error);

#endif
