/*
 * A lane encodes the exits of one vCPU as ring records (ring_records.h). It is the only code that writes them. The
 * core's probe, the library for other VMMs and the importers call it in the order of an exit:
 *
 *      lane_entry, lane_offer, lane_exit, lane_input | lane_effect | lane_page_walk | lane_fault | lane_kvm_run |
 *      lane_verdict …, lane_reclaim, lane_handled, lane_snapshot if lane_keyframe_due(); then lane_complete
 *
 * lane_vmm_state is allowed before an entry, lane_mark and lane_annotation are allowed anywhere, lane_end is the last.
 * The caller must keep the order and pass values in range: the decoder trusts the records.
 *
 * Records go into a ring, or into a record buffer (record_buffer.h), as the lane's producer was initialized. A lane
 * allocates no memory, and makes no system call unless its ring fills, but one for each record of the thread's time.
 * All return false, or NULL, if the record could not be written; the lane has then stopped and writes no further
 * records.
 *
 * The functions of the exit loop are inline here; the rest is in lane.c.
 */
#ifndef HWACCL_TRACER_LANE_H
#define HWACCL_TRACER_LANE_H

#include "hwaccl/known_fields.h"
#include "tracer/ring/ring_records.h"
#include "tracer/ring/timestamps.h"

#include "core/host/probe.h"

enum lane_phase {
        LANE_BETWEEN, /* exits */
        LANE_IN_GUEST,
        LANE_HANDLING,
};

/* Sets of known fields as masks of the state; recomputed when a set changes, which is rare. */
struct lane_mask {
        struct hwaccl_known_fields fields;
        union state_words keep;
};

struct lane_masks {
        struct lane_mask entry;
        struct lane_mask exit[2]; /* exits with a guest-physical address and others alternate */
        unsigned latest;          /* of exit */
};

struct lane {
        struct ring_producer producer;
        union state_words last;     /* transferred, in or out; 0 where it was not known */
        uint64_t entry_stamp;       /* time of the entry, set by the caller between lane_entry() and lane_exit() */
        uint64_t exit_sequence;     /* number of the exit over all lanes, set before lane_exit(); 0: it has none */
        _Atomic uint64_t *sequence; /* the last number that was given; NULL: none are */
        enum stamp_kind stamp_kind;
        enum lane_phase phase;
        bool stopped;
        bool verdict_known;
        bool whole_entry; /* the next entry is written with all words */
        bool avx2;        /* of this processor */
        bool own_times;   /* the thread's times are recorded at keyframes */
        enum hwaccl_verdict verdict;
        uint64_t completed; /* exits */
        uint32_t keyframe_interval;
        uint32_t until_keyframe; /* exits */
        uint64_t keyframe_bytes; /* of records after which another snapshot is taken */
        uint64_t keyframe_head;  /* ring position of the last one */
        struct hwaccl_known_fields last_known;
        struct lane_masks *masks; /* zeroed; NULL: every state is known as a whole */
};

/**
 * lane_init - zero *lane; the caller then initializes its producer
 * @keyframe_interval: exits, @keyframe_bytes: of records, between two keyframes at most
 */
void lane_init(struct lane *lane, enum stamp_kind stamps, uint32_t keyframe_interval, uint64_t keyframe_bytes);

static inline uint64_t lane_now(const struct lane *lane)
{
        return stamp_now(lane->stamp_kind);
}

/** lane_next - the next number over all lanes; 0: there are none */
static inline uint64_t lane_next(const struct lane *lane)
{
        return lane->sequence ? atomic_fetch_add_explicit(lane->sequence, 1, memory_order_seq_cst) + 1 : 0;
}

/** lane_failed - whether the lane or its consumer has stopped */
static inline bool lane_failed(const struct lane *lane)
{
        return lane->stopped || ring_header_failed(lane->producer.header);
}

static inline void *lane_reserve(struct lane *lane, size_t size, enum ring_record_type type, uint8_t extra)
{
        if (lane->stopped)
                return NULL;
        ring_publish(&lane->producer); /* publish the previous records */
        STEP("reserve");
        struct ring_record *record = ring_reserve(&lane->producer, size, (uint8_t)type, extra);
        if (!record)
                lane->stopped = true;
        return record;
}

/* Entry and exit with a given delta. @partial: known fields, or NULL; @keep: their mask. */
STATE_DELTA_INLINE bool lane_put_entry(struct lane *lane, const struct hwaccl_subject_state *state,
                                       const union state_words *keep, const struct hwaccl_known_fields *partial,
                                       uint64_t bitmap)
{
        struct ring_entry *record =
                lane_reserve(lane, sizeof(*record) + state_delta_size(bitmap) + (partial ? sizeof(*partial) : 0),
                             RING_RECORD_ENTRY, partial ? RING_ENTRY_PARTIAL : RING_ENTRY_KNOWN);

        lane->phase = LANE_IN_GUEST;
        if (!record)
                return false;
        STEP("entry");
        record->bitmap = bitmap;
        uint64_t *end = state_delta_pack_known(bitmap, state, &lane->last, keep, true, record->words);
        if (partial)
                memcpy(end, partial, sizeof(*partial));
        lane->verdict_known = false;
        lane->whole_entry = false;
        return true;
}

STATE_DELTA_INLINE bool lane_put_exit(struct lane *lane, const struct hwaccl_subject_state *state,
                                      const union state_words *keep, const struct hwaccl_known_fields *partial,
                                      const uint64_t *pending, uint64_t stamp, uint64_t bitmap)
{
        const size_t pending_size = pending ? 4 * sizeof(*pending) : 0;
        const uint64_t sequence = lane->exit_sequence;
        struct ring_exit *record =
                lane_reserve(lane,
                             sizeof(*record) + state_delta_size(bitmap) + pending_size +
                                     (partial ? sizeof(*partial) : 0) + (sequence ? sizeof(sequence) : 0),
                             RING_RECORD_EXIT,
                             (uint8_t)((pending ? RING_EXIT_PENDING : 0) | (partial ? RING_EXIT_PARTIAL : 0) |
                                       (sequence ? RING_EXIT_SEQUENCE : 0)));

        if (!record)
                return false;
        STEP("exit");
        lane->phase = LANE_HANDLING;
        record->entry_stamp = lane->entry_stamp;
        record->exit_stamp = stamp;
        record->bitmap = bitmap;
        uint64_t *end = state_delta_pack_known(bitmap, state, &lane->last, keep, false, record->words);
        if (pending) {
                memcpy(end, pending, 4 * sizeof(*pending));
                end += 4;
        }
        if (partial) {
                memcpy(end, partial, sizeof(*partial));
                end += HWACCL_KNOWN_FIELDS_WORDS;
        }
        if (sequence)
                *end = sequence;
        ring_publish(&lane->producer); /* the process may die during the handling */
        return true;
}

static inline bool lane_is_whole(struct hwaccl_known_state given)
{
        return !given.known || hwaccl_known_fields_equal(*given.known, hwaccl_known_fields_all());
}

/* lane.c */

/** lane_thread_time - when the host ran this thread: now, and its processor time */
bool lane_thread_time(struct lane *lane, enum ring_thread_moment moment);

/** lane_put_thread_time - the same with given times; @cpu in ns */
bool lane_put_thread_time(struct lane *lane, enum ring_thread_moment moment, uint64_t stamp, uint64_t cpu);

static inline void lane_begin_keyframe(struct lane *lane)
{
        if (__builtin_expect(lane->whole_entry, 0) && lane->own_times)
                (void)lane_thread_time(lane, RING_THREAD_KEYFRAME);
}

/* for partially known and unknown states */
bool lane_entry_partial(struct lane *lane, struct hwaccl_known_state given);
bool lane_exit_partial(struct lane *lane, struct hwaccl_known_state given, const uint64_t *pending, uint64_t stamp);

/**
 * lane_entry - record a VM entry
 * @given: unknown fields are as at the previous exit; without a state, all are unknown
 */
bool lane_entry(struct lane *lane, struct hwaccl_known_state given);

/**
 * lane_exit - record a VM exit
 * @given: fields that are not known are unknown
 * @pending: the four words of the pending-interrupts page, or NULL: empty or unknown
 */
bool lane_exit(struct lane *lane, struct hwaccl_known_state given, const uint64_t *pending, uint64_t stamp);

/* The same for callers that know whether the processor has AVX2 and usually pass full states. */
STATE_DELTA_INLINE bool lane_entry_sse2(struct lane *lane, struct hwaccl_known_state given)
{
        lane_begin_keyframe(lane);
        if (!given.state || !lane_is_whole(given))
                return lane_entry_partial(lane, given);
        return lane_put_entry(lane, given.state, NULL, NULL,
                              lane->whole_entry ? ~UINT64_C(0) : state_delta_bitmap(given.state, &lane->last));
}

STATE_DELTA_INLINE STATE_DELTA_AVX2 bool lane_entry_avx2(struct lane *lane, struct hwaccl_known_state given)
{
        lane_begin_keyframe(lane);
        if (!given.state || !lane_is_whole(given))
                return lane_entry_partial(lane, given);
        return lane_put_entry(lane, given.state, NULL, NULL,
                              lane->whole_entry ? ~UINT64_C(0) : state_delta_bitmap_avx2(given.state, &lane->last));
}

STATE_DELTA_INLINE bool lane_exit_sse2(struct lane *lane, struct hwaccl_known_state given, const uint64_t *pending,
                                       uint64_t stamp)
{
        if (!given.state || !lane_is_whole(given))
                return lane_exit_partial(lane, given, pending, stamp);
        return lane_put_exit(lane, given.state, NULL, NULL, pending, stamp,
                             state_delta_bitmap(given.state, &lane->last));
}

STATE_DELTA_INLINE STATE_DELTA_AVX2 bool lane_exit_avx2(struct lane *lane, struct hwaccl_known_state given,
                                                        const uint64_t *pending, uint64_t stamp)
{
        if (!given.state || !lane_is_whole(given))
                return lane_exit_partial(lane, given, pending, stamp);
        return lane_put_exit(lane, given.state, NULL, NULL, pending, stamp,
                             state_delta_bitmap_avx2(given.state, &lane->last));
}

/** lane_offer - a vector was offered to the guest, at @stamp */
static inline bool lane_offer(struct lane *lane, uint8_t vector, uint64_t stamp)
{
        struct ring_stamped *record = lane_reserve(lane, sizeof(*record), RING_RECORD_OFFER, vector);

        if (record)
                record->stamp = stamp;
        return record != NULL;
}

/** lane_reclaim - the guest took the offered vector, or it was returned */
static inline bool lane_reclaim(struct lane *lane, bool taken, uint64_t stamp)
{
        struct ring_stamped *record = lane_reserve(lane, sizeof(*record), RING_RECORD_RECLAIM, taken);

        if (!record)
                return false;
        record->stamp = stamp;
        ring_publish(&lane->producer);
        return true;
}

/* Most data is a word of guest memory or an instruction: copy it inline, without touching the C library's pages. */
static inline void lane_copy(uint8_t *to, const uint8_t *from, uint32_t size)
{
        if (size >= 8 && size <= 16) {
                memcpy(to, from, 8);
                memcpy(to + size - 8, from + size - 8, 8);
        } else if (size) {
                memcpy(to, from, size);
        }
}

static inline bool lane_event(struct lane *lane, enum ring_record_type type, uint8_t kind, uint64_t address,
                              uint64_t value, const void *data, uint32_t size)
{
        struct ring_event *record = lane_reserve(lane, sizeof(*record) + RING_WORD_ROUND(size), type, kind);

        if (!record)
                return false;
        record->address = address;
        record->value = value;
        record->size = size;
        record->has_data = data != NULL;
        STEP("event");
        lane_copy(record->data, data, size);
        ring_publish(&lane->producer);
        return true;
}

static inline bool lane_clock(struct lane *lane, uint64_t value)
{
        struct ring_clock *record = lane_reserve(lane, sizeof(*record), RING_RECORD_CLOCK, 0);

        if (!record)
                return false;
        record->value = value;
        ring_publish(&lane->producer);
        return true;
}

/** lane_input - a value that the handling read; most often it is the clock, which has a record of its own */
static inline bool lane_input(struct lane *lane, const struct hwaccl_input *input)
{
        if (input->kind == HWACCL_INPUT_CLOCK && input->address == 0 && !input->data)
                return lane_clock(lane, input->value);
        return lane_event(lane, RING_RECORD_INPUT, (uint8_t)input->kind, input->address, input->value, input->data,
                          input->data ? input->size : 0);
}

static inline bool lane_effect(struct lane *lane, const struct hwaccl_effect *effect)
{
        return lane_event(lane, RING_RECORD_EFFECT, (uint8_t)effect->kind, effect->address, effect->value, effect->data,
                          effect->data ? effect->size : 0);
}

/** lane_page_walk - inputs of the kind memory, of @size bytes each (4 or 8); @count is not 0 */
static inline bool lane_page_walk(struct lane *lane, const struct hwaccl_table_entry *entry, size_t count,
                                  uint32_t size)
{
        struct ring_walk *record =
                lane_reserve(lane, sizeof(*record) + count * sizeof(*entry), RING_RECORD_WALK, (uint8_t)size);

        if (!record)
                return false;
        STEP("event");
        for (size_t i = 0; i < count; i++)
                record->entry[i] = entry[i];
        ring_publish(&lane->producer);
        return true;
}

/** lane_verdict - decision of the handler; part of the record of the handling's end */
static inline void lane_verdict(struct lane *lane, enum hwaccl_verdict verdict)
{
        lane->verdict = verdict;
        lane->verdict_known = true;
}

static inline bool lane_put_handled(struct lane *lane, enum ring_record_type type, uint8_t extra, uint64_t stamp)
{
        struct ring_handled *record = lane_reserve(lane, sizeof(*record), type, extra);

        lane->phase = LANE_BETWEEN;
        if (!record)
                return false;
        STEP("handled");
        record->stamp = stamp;
        record->verdict = lane->verdict_known ? (uint64_t)lane->verdict : RING_VERDICT_UNKNOWN;
        return true;
}

/** lane_handled - @outcome: enum hwaccl_outcome, or RING_OUTCOME_UNKNOWN */
static inline bool lane_handled(struct lane *lane, unsigned outcome, uint64_t stamp)
{
        return lane_put_handled(lane, RING_RECORD_HANDLED, (uint8_t)outcome, stamp);
}

/** lane_unhandled - the run ended during the handling */
static inline bool lane_unhandled(struct lane *lane, uint64_t stamp)
{
        return lane_put_handled(lane, RING_RECORD_UNHANDLED, lane->verdict_known, stamp);
}

/**
 * lane_keyframe_due - after an exit: whether the next entry begins a keyframe
 *
 * The entry then has all words and the device state is saved. Keyframes because of size are additional to those of the
 * interval.
 */
static inline bool lane_keyframe_due(struct lane *lane)
{
        if (--lane->until_keyframe == 0)
                lane->until_keyframe = lane->keyframe_interval;
        else if (lane->producer.head - lane->keyframe_head < lane->keyframe_bytes)
                return false;
        lane->keyframe_head = lane->producer.head;
        lane->whole_entry = true;
        return true;
}

/** lane_complete - the exit is completely recorded */
static inline void lane_complete(struct lane *lane)
{
        ring_publish(&lane->producer);
        if (!lane->stopped)
                ring_complete(&lane->producer, ++lane->completed);
}

/** lane_snapshot - reserve @size bytes for the caller to fill with all device fields. @end: of the run */
uint8_t *lane_snapshot(struct lane *lane, size_t size, bool end);

/* An annotation is truncated to this many bytes, without terminating zeros. */
#define LANE_ANNOTATION_NAME_MAX  1024u
#define LANE_ANNOTATION_VALUE_MAX 65536u

/** lane_fault - link @index of the fault chain of the exit that is handled */
bool lane_fault(struct lane *lane, unsigned index, const struct hwaccl_fault_link *link);

/** lane_annotation - an option of the recording set after its start */
bool lane_annotation(struct lane *lane, const char *name, const char *value);

/** lane_kvm_run - fields of struct kvm_run at the exit that is handled */
bool lane_kvm_run(struct lane *lane, const struct hwaccl_kvm_run *run);

/** lane_vmm_state - a part of the VMM's state before the next entry. @name_size: at most LANE_VMM_STATE_NAME_MAX */
bool lane_vmm_state(struct lane *lane, const char *name, size_t name_size, const void *data, size_t size);
#define LANE_VMM_STATE_NAME_MAX 63u
#define LANE_VMM_STATE_MAX      (16u << 20)

/** lane_thread - the thread that writes the lane from now on; numbers as its recorder sees them, or 0. @name is
 * truncated to RING_LANE_NAME_MAX bytes */
bool lane_thread(struct lane *lane, uint64_t process, uint64_t thread, const char *name);

/* A call of the VMM. */
struct lane_call {
        uint64_t sequence;
        uint32_t request;
        uint32_t object;   /* or RING_CALL_OBJECT_NONE */
        uint8_t role;      /* enum ring_call_extra */
        bool number;       /* the argument is one */
        uint64_t argument; /* otherwise 0 */
};

/** lane_call - a call begins, with its input: @size bytes of @data, at most RING_CALL_DATA_MAX are recorded */
bool lane_call(struct lane *lane, const struct lane_call *call, const void *data, size_t size, uint64_t stamp);

struct lane_called {
        uint64_t sequence;
        int64_t result;
        uint32_t error;           /* errno, or 0 */
        enum ring_call_side side; /* of its data: the output, or an input that was not recorded before */
};

/** lane_called - it has returned */
bool lane_called(struct lane *lane, const struct lane_called *called, const void *data, size_t size, uint64_t stamp);

/** lane_kernel_exit - what the kernel says of the exit that is handled; the record's extra is taken too */
bool lane_kernel_exit(struct lane *lane, const struct ring_kernel_exit *what);

struct lane_kernel_event {
        enum kernel_event_kind kind;
        uint32_t thread;
        uint32_t known;
        const uint64_t *value; /* of all bits, known or not */
};

/** lane_kernel_event - an event of the kernel's KVM */
bool lane_kernel_event(struct lane *lane, const struct lane_kernel_event *event, uint64_t stamp);

/** lane_mark - @size bytes of text for the reader */
bool lane_mark(struct lane *lane, const char *text, size_t size, uint64_t stamp);

/** lane_end - end of the records. An unfinished exit is recorded as such */
void lane_end(struct lane *lane);

#endif
