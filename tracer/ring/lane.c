#include "tracer/ring/lane.h"

#include "core/assert.h"

#include <time.h>

_Static_assert(sizeof(struct ring_vmm_state) + LANE_VMM_STATE_NAME_MAX + RING_VMM_STATE_PIECE + 8 <= RING_SIZE_MIN / 2,
               "a piece of a VMM's state fits");

/* A record takes at most half of the smallest ring. */
_Static_assert(sizeof(struct ring_bytes) + LANE_ANNOTATION_NAME_MAX + LANE_ANNOTATION_VALUE_MAX + 16 <=
                       RING_SIZE_MIN / 2,
               "an annotation fits");

void lane_init(struct lane *lane, enum stamp_kind stamps, uint32_t keyframe_interval, uint64_t keyframe_bytes)
{
        lane->stamp_kind = stamps;
        lane->keyframe_interval = lane->until_keyframe = keyframe_interval;
        lane->keyframe_bytes = keyframe_bytes;
        lane->whole_entry = true;
        lane->avx2 = __builtin_cpu_supports("avx2");
}

static const union state_words *keep_of(struct lane_mask *mask, const struct hwaccl_known_fields *known)
{
        if (hwaccl_known_fields_equal(mask->fields, *known))
                return &mask->keep;
        mask->fields = *known;
        memset(&mask->keep, 0, sizeof(mask->keep));
        for (unsigned i = 0; i < HWACCL_FIELD_COUNT; i++) {
                const struct hwaccl_field *field = &hwaccl_subject_fields[i];
                uint64_t bits = field->width == 8 ? UINT64_MAX : UINT64_C(0xffffffff) << 8 * (field->offset % 8u);
                if (hwaccl_known_fields_has(known, i))
                        mask->keep.word[field->offset / 8] |= bits;
        }
        return &mask->keep;
}

static STATE_DELTA_AVX2 uint64_t entry_bitmap_avx2(const struct lane *lane, const struct hwaccl_subject_state *state,
                                                   const union state_words *keep)
{
        return state_delta_bitmap_known_avx2(state, &lane->last, keep, true);
}

static STATE_DELTA_AVX2 uint64_t exit_bitmap_avx2(const struct lane *lane, const struct hwaccl_subject_state *state,
                                                  const union state_words *keep)
{
        return state_delta_bitmap_known_avx2(state, &lane->last, keep, false);
}

/* Not even what the guest left is still there for certain. The record has no words, or all as they were last. */
static bool entry_unknown(struct lane *lane)
{
        uint64_t bitmap = lane->whole_entry ? ~UINT64_C(0) : 0;
        struct ring_entry *record =
                lane_reserve(lane, sizeof(*record) + state_delta_size(bitmap), RING_RECORD_ENTRY, RING_ENTRY_UNKNOWN);

        lane->phase = LANE_IN_GUEST;
        if (!record)
                return false;
        STEP("entry");
        record->bitmap = bitmap;
        (void)state_delta_pack(bitmap, &lane->last.state, &lane->last, record->words);
        lane->verdict_known = false;
        lane->whole_entry = false;
        return true;
}

bool lane_entry_partial(struct lane *lane, struct hwaccl_known_state given)
{
        if (!given.state)
                return entry_unknown(lane);
        hwaccl_assert(lane->masks);
        const union state_words *keep = keep_of(&lane->masks->entry, given.known);
        uint64_t bitmap = ~UINT64_C(0);
        if (!lane->whole_entry)
                bitmap = lane->avx2 ? entry_bitmap_avx2(lane, given.state, keep)
                                    : state_delta_bitmap_known(given.state, &lane->last, keep, true);
        lane->last_known = hwaccl_known_fields_unite(lane->last_known, *given.known);
        bool whole = hwaccl_known_fields_equal(lane->last_known, hwaccl_known_fields_all());
        return lane_put_entry(lane, given.state, keep, whole ? NULL : &lane->last_known, bitmap);
}

bool lane_exit_partial(struct lane *lane, struct hwaccl_known_state given, const uint64_t *pending, uint64_t stamp)
{
        static const struct hwaccl_subject_state nothing;
        static const struct hwaccl_known_fields none;
        const struct hwaccl_subject_state *state = given.state ? given.state : &nothing;
        const struct hwaccl_known_fields *known = given.state ? given.known : &none;

        hwaccl_assert(lane->masks);
        if (!hwaccl_known_fields_equal(lane->masks->exit[lane->masks->latest].fields, *known))
                lane->masks->latest ^= 1u;
        const union state_words *keep = keep_of(&lane->masks->exit[lane->masks->latest], known);
        uint64_t bitmap = lane->avx2 ? exit_bitmap_avx2(lane, state, keep)
                                     : state_delta_bitmap_known(state, &lane->last, keep, false);
        if (!lane_put_exit(lane, state, keep, known, pending, stamp, bitmap))
                return false;
        lane->last_known = *known;
        return true;
}

static STATE_DELTA_AVX2 bool put_entry_avx2(struct lane *lane, struct hwaccl_known_state given)
{
        return lane_entry_avx2(lane, given);
}

static STATE_DELTA_AVX2 bool put_exit_avx2(struct lane *lane, struct hwaccl_known_state given, const uint64_t *pending,
                                           uint64_t stamp)
{
        return lane_exit_avx2(lane, given, pending, stamp);
}

bool lane_entry(struct lane *lane, struct hwaccl_known_state given)
{
        if (!given.state || !lane_is_whole(given)) { /* before any other call: each costs */
                lane_begin_keyframe(lane);
                return lane_entry_partial(lane, given);
        }
        lane->last_known = hwaccl_known_fields_all();
        return lane->avx2 ? put_entry_avx2(lane, given) : lane_entry_sse2(lane, given);
}

bool lane_exit(struct lane *lane, struct hwaccl_known_state given, const uint64_t *pending, uint64_t stamp)
{
        if (!given.state || !lane_is_whole(given))
                return lane_exit_partial(lane, given, pending, stamp);
        lane->last_known = hwaccl_known_fields_all();
        return lane->avx2 ? put_exit_avx2(lane, given, pending, stamp) : lane_exit_sse2(lane, given, pending, stamp);
}

bool lane_put_thread_time(struct lane *lane, enum ring_thread_moment moment, uint64_t stamp, uint64_t cpu)
{
        struct ring_thread_time *record = lane_reserve(lane, sizeof(*record), RING_RECORD_THREAD_TIME, (uint8_t)moment);

        if (!record)
                return false;
        STEP("thread time");
        record->stamp = stamp;
        record->cpu = cpu;
        ring_publish(&lane->producer); /* the process may die while it waits */
        return true;
}

bool lane_thread_time(struct lane *lane, enum ring_thread_moment moment)
{
        struct timespec cpu;

        if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu) != 0)
                return true; /* nothing is known */
        return lane_put_thread_time(lane, moment, lane_now(lane),
                                    (uint64_t)cpu.tv_sec * UINT64_C(1000000000) + (uint64_t)cpu.tv_nsec);
}

static uint8_t *put_bytes(struct lane *lane, enum ring_record_type type, uint8_t extra, size_t size)
{
        struct ring_bytes *record = lane_reserve(lane, sizeof(*record) + RING_WORD_ROUND(size), type, extra);

        if (!record)
                return NULL;
        record->size = size;
        return record->data;
}

uint8_t *lane_snapshot(struct lane *lane, size_t size, bool end)
{
        return put_bytes(lane, RING_RECORD_SNAPSHOT, end, size);
}

bool lane_fault(struct lane *lane, unsigned index, const struct hwaccl_fault_link *link)
{
        struct ring_fault *record = lane_reserve(lane, sizeof(*record), RING_RECORD_FAULT, (uint8_t)index);

        if (!record)
                return false;
        record->link = *link;
        ring_publish(&lane->producer);
        return true;
}

bool lane_kvm_run(struct lane *lane, const struct hwaccl_kvm_run *run)
{
        struct ring_kvm_run *record = lane_reserve(lane, sizeof(*record), RING_RECORD_KVM_RUN, 0);

        if (!record)
                return false;
        record->run = *run;
        ring_publish(&lane->producer);
        return true;
}

static bool put_vmm_state(struct lane *lane, const char *name, size_t name_size, const struct ring_vmm_state *head,
                          const uint8_t *data)
{
        struct ring_vmm_state *record =
                lane_reserve(lane, sizeof(*record) + RING_WORD_ROUND(name_size + (size_t)head->size),
                             RING_RECORD_VMM_STATE, (uint8_t)name_size);

        if (!record)
                return false;
        STEP("vmm state");
        record->piece = head->piece;
        record->total = head->total;
        record->size = head->size;
        memcpy(record->data, name, name_size);
        memcpy(record->data + name_size, data, (size_t)head->size);
        ring_publish(&lane->producer);
        return true;
}

bool lane_vmm_state(struct lane *lane, const char *name, size_t name_size, const void *data, size_t size)
{
        struct ring_vmm_state head = {.total = size};
        bool good = true;

        for (size_t done = 0; good && done < size; done += (size_t)head.size, head.piece++) {
                head.size = size - done < RING_VMM_STATE_PIECE ? size - done : RING_VMM_STATE_PIECE;
                good = put_vmm_state(lane, name, name_size, &head, (const uint8_t *)data + done);
        }
        return good;
}

bool lane_annotation(struct lane *lane, const char *name, const char *value)
{
        size_t name_size = strnlen(name, LANE_ANNOTATION_NAME_MAX) + 1;
        size_t value_size = strnlen(value, LANE_ANNOTATION_VALUE_MAX) + 1;
        uint8_t *to = put_bytes(lane, RING_RECORD_ANNOTATION, 0, name_size + value_size);

        if (!to)
                return false;
        memcpy(to, name, name_size);
        memcpy(to + name_size, value, value_size);
        to[name_size - 1] = to[name_size + value_size - 1] = 0;
        ring_publish(&lane->producer);
        return true;
}

bool lane_mark(struct lane *lane, const char *text, size_t size, uint64_t stamp)
{
        struct ring_text *record = lane_reserve(lane, sizeof(*record) + RING_WORD_ROUND(size), RING_RECORD_MARK, 0);

        if (!record)
                return false;
        record->stamp = stamp;
        record->size = size;
        memcpy(record->data, text, size);
        ring_publish(&lane->producer);
        return true;
}

void lane_end(struct lane *lane)
{
        if (lane->phase == LANE_HANDLING)
                (void)lane_unhandled(lane, lane_now(lane));
        if (!lane->stopped)
                ring_publish(&lane->producer);
}
