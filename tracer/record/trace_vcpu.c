/* One vCPU of another VMM: what its thread says goes into its ring. No allocation; a system call only as it fills. */
#include "tracer/record/trace_internal.h"

#include <string.h>

/* No handle: the recording could not be made, and the VMM goes on without. */
static bool alive(const struct hwaccl_trace_vcpu *vcpu)
{
        return vcpu && !vcpu->recorder.stopped && !ring_failed(&vcpu->recorder.ring);
}

static const uint64_t *words_of(struct word_masks *masks, struct hwaccl_known_fields fields)
{
        if (hwaccl_known_fields_equal(masks->fields, fields))
                return masks->keep;
        masks->fields = fields;
        memset(masks->keep, 0, sizeof(masks->keep));
        for (unsigned i = 0; i < HWACCL_FIELD_COUNT; i++) {
                const struct hwaccl_field *field = &hwaccl_subject_fields[i];
                uint64_t bits = field->width == 8 ? UINT64_MAX : UINT64_C(0xffffffff) << 8 * (field->offset % 8u);
                if (hwaccl_known_fields_has(&fields, i))
                        masks->keep[field->offset / 8] |= bits;
        }
        return masks->keep;
}

static struct hwaccl_known_fields fields_of(const struct hwaccl_trace_state *state)
{
        return state ? hwaccl_known_fields_of_words(state->known) : hwaccl_known_fields_none();
}

static void put_known(uint64_t *words, struct hwaccl_known_fields known)
{
        words[0] = known.bits[0];
        words[1] = known.bits[1];
}

/* @known: what is known of @state, which has zeros elsewhere. NULL: the state of this entry is not known. */
static bool write_entry(struct hwaccl_trace_vcpu *vcpu, const union state_words *state,
                        const struct hwaccl_known_fields *known)
{
        struct hwaccl_recorder *recorder = &vcpu->recorder;
        bool partial = known && !hwaccl_known_fields_equal(*known, hwaccl_known_fields_all());
        uint64_t bitmap = recorder->whole_entry ? ~UINT64_C(0) : state_delta_bitmap(&state->state, &recorder->last);
        size_t size = sizeof(struct ring_entry) + state_delta_size(bitmap) + (partial ? 16 : 0);
        struct ring_entry *record =
                recorder_reserve(recorder, size, RING_RECORD_ENTRY,
                                 !known ? RING_ENTRY_UNKNOWN : (partial ? RING_ENTRY_PARTIAL : RING_ENTRY_KNOWN));

        if (!record)
                return false;
        record->bitmap = bitmap;
        uint64_t *end = state_delta_pack(bitmap, &state->state, &recorder->last, record->words);
        if (partial)
                put_known(end, *known);
        recorder->whole_entry = false;
        recorder->verdict_known = false;
        recorder->phase = RECORDER_IN_GUEST;
        if (!vcpu->current.there)
                return true;
        struct ring_stamped *offer =
                recorder_reserve(recorder, sizeof(*offer), RING_RECORD_OFFER, vcpu->current.vector);
        if (offer)
                offer->stamp = vcpu->current.stamp;
        return offer != NULL;
}

bool hwaccl_trace_vcpu_entry(struct hwaccl_trace_vcpu *vcpu, const struct hwaccl_trace_state *state)
{
        bool good;

        if (!alive(vcpu) || vcpu->recorder.phase == RECORDER_IN_GUEST)
                return false;
        struct hwaccl_recorder *recorder = &vcpu->recorder;
        if (recorder->phase == RECORDER_HANDLING)
                (void)hwaccl_trace_vcpu_handled(vcpu, HWACCL_TRACE_OUTCOME_UNKNOWN);
        vcpu->current = vcpu->next;
        vcpu->next.there = false;
        if (!state) {
                const union state_words last = recorder->last;
                good = write_entry(vcpu, &last, NULL);
        } else {
                struct hwaccl_known_fields given = fields_of(state);
                const uint64_t *keep = words_of(&vcpu->entry_masks, given);
                union state_words merged;
                memcpy(merged.word, &state->values, sizeof(merged.word));
                for (unsigned i = 0; i < STATE_WORDS; i++)
                        merged.word[i] = (merged.word[i] & keep[i]) | (recorder->last.word[i] & ~keep[i]);
                vcpu->last_known = hwaccl_known_fields_unite(vcpu->last_known, given);
                good = write_entry(vcpu, &merged, &vcpu->last_known);
        }
        recorder->entry_stamp = stamp_now(recorder->stamp_kind);
        return good;
}

static bool write_settlement(struct hwaccl_trace_vcpu *vcpu, uint64_t stamp)
{
        struct ring_stamped *record =
                recorder_reserve(&vcpu->recorder, sizeof(*record), RING_RECORD_RECLAIM, vcpu->current.taken);

        if (!record)
                return false;
        record->stamp = stamp;
        ring_publish(&vcpu->recorder.producer);
        vcpu->current.there = false;
        return true;
}

bool hwaccl_trace_vcpu_exit(struct hwaccl_trace_vcpu *vcpu, const struct hwaccl_trace_state *state)
{
        if (!alive(vcpu))
                return false;
        struct hwaccl_recorder *recorder = &vcpu->recorder;
        uint64_t stamp = stamp_now(recorder->stamp_kind);
        if (recorder->phase != RECORDER_IN_GUEST) {
                if (!hwaccl_trace_vcpu_entry(vcpu, NULL))
                        return false;
                recorder->entry_stamp = stamp;
        }
        struct hwaccl_known_fields known = fields_of(state);
        const uint64_t *keep = words_of(&vcpu->exit_masks, known);
        union state_words words;
        if (state)
                memcpy(words.word, &state->values, sizeof(words.word));
        else
                memset(words.word, 0, sizeof(words.word));
        for (unsigned i = 0; i < STATE_WORDS; i++)
                words.word[i] &= keep[i];
        bool partial = !hwaccl_known_fields_equal(known, hwaccl_known_fields_all());
        uint64_t bitmap = state_delta_bitmap(&words.state, &recorder->last);
        struct ring_exit *record =
                recorder_reserve(recorder, sizeof(*record) + state_delta_size(bitmap) + (partial ? 16 : 0),
                                 RING_RECORD_EXIT, partial ? RING_EXIT_PARTIAL : 0);
        if (!record)
                return false;
        recorder->phase = RECORDER_HANDLING;
        record->entry_stamp = recorder->entry_stamp;
        record->exit_stamp = stamp;
        record->bitmap = bitmap;
        uint64_t *end = state_delta_pack(bitmap, &words.state, &recorder->last, record->words);
        if (partial)
                put_known(end, known);
        vcpu->last_known = known;
        ring_publish(&recorder->producer); /* the VMM may die in its handling */
        return !vcpu->current.there || !vcpu->current.settled || write_settlement(vcpu, stamp);
}

bool hwaccl_trace_vcpu_verdict(struct hwaccl_trace_vcpu *vcpu, unsigned verdict)
{
        if (!alive(vcpu) || vcpu->recorder.phase != RECORDER_HANDLING || verdict >= HWACCL_VERDICT_COUNT)
                return false;
        recorder_probe_ops.verdict(&vcpu->recorder.probe, (enum hwaccl_verdict)verdict);
        return true;
}

bool hwaccl_trace_vcpu_handled(struct hwaccl_trace_vcpu *vcpu, unsigned outcome)
{
        struct hwaccl_error ignored;

        if (!alive(vcpu) || vcpu->recorder.phase != RECORDER_HANDLING ||
            (outcome >= HWACCL_OUTCOME_COUNT && outcome != HWACCL_TRACE_OUTCOME_UNKNOWN))
                return false;
        vcpu->current.there = false;
        return recorder_probe_ops.handled(&vcpu->recorder.probe, (enum hwaccl_outcome)outcome, &ignored);
}

static bool offer(struct hwaccl_trace_vcpu *vcpu, uint8_t vector, bool taken)
{
        if (!alive(vcpu))
                return false;
        struct hwaccl_recorder *recorder = &vcpu->recorder;
        const struct trace_offer new = {.there = true,
                                        .vector = vector,
                                        .settled = taken,
                                        .taken = taken,
                                        .stamp = stamp_now(recorder->stamp_kind)};
        if (recorder->phase != RECORDER_IN_GUEST) {
                vcpu->next = new;
                return true;
        }
        struct ring_stamped *record = recorder_reserve(recorder, sizeof(*record), RING_RECORD_OFFER, vector);
        if (!record)
                return false;
        record->stamp = new.stamp;
        vcpu->current = new;
        return true;
}

bool hwaccl_trace_vcpu_irq_offered(struct hwaccl_trace_vcpu *vcpu, uint8_t vector)
{
        return offer(vcpu, vector, false);
}

bool hwaccl_trace_vcpu_irq_injected(struct hwaccl_trace_vcpu *vcpu, uint8_t vector)
{
        return offer(vcpu, vector, true);
}

static bool is_open(const struct trace_offer *offer, uint8_t vector)
{
        return offer->there && !offer->settled && offer->vector == vector;
}

static bool settle(struct hwaccl_trace_vcpu *vcpu, uint8_t vector, bool taken)
{
        if (!alive(vcpu))
                return false;
        struct hwaccl_recorder *recorder = &vcpu->recorder;
        struct trace_offer *settled = is_open(&vcpu->current, vector) ? &vcpu->current : &vcpu->next;
        if (!is_open(settled, vector))
                return false;
        settled->settled = true;
        settled->taken = taken;
        if (settled == &vcpu->next || recorder->phase != RECORDER_HANDLING)
                return true; /* written when the exit is there */
        return write_settlement(vcpu, stamp_now(recorder->stamp_kind));
}

bool hwaccl_trace_vcpu_irq_taken(struct hwaccl_trace_vcpu *vcpu, uint8_t vector)
{
        return settle(vcpu, vector, true);
}

bool hwaccl_trace_vcpu_irq_returned(struct hwaccl_trace_vcpu *vcpu, uint8_t vector)
{
        return settle(vcpu, vector, false);
}

static bool may_take(const struct hwaccl_trace_vcpu *vcpu, const void *data, size_t size)
{
        return alive(vcpu) && vcpu->recorder.phase == RECORDER_HANDLING && size <= HWACCL_TRACE_DATA_MAX &&
               (data || size == 0);
}

bool hwaccl_trace_vcpu_input(struct hwaccl_trace_vcpu *vcpu, unsigned kind, uint64_t address, uint64_t value,
                             const void *data, size_t size)
{
        const struct hwaccl_input input = {(enum hwaccl_input_kind)kind, address, value, data, (uint32_t)size};

        if (!may_take(vcpu, data, size) || kind >= HWACCL_INPUT_KIND_COUNT)
                return false;
        if (kind == HWACCL_TRACE_INPUT_CLOCK) {
                if (value < vcpu->clock)
                        return false;
                vcpu->clock = value;
        }
        recorder_probe_ops.input(&vcpu->recorder.probe, &input);
        return !vcpu->recorder.stopped;
}

bool hwaccl_trace_vcpu_effect(struct hwaccl_trace_vcpu *vcpu, unsigned kind, uint64_t address, uint64_t value,
                              const void *data, size_t size)
{
        const struct hwaccl_effect effect = {(enum hwaccl_effect_kind)kind, address, value, data, (uint32_t)size};

        if (!may_take(vcpu, data, size) || kind >= HWACCL_EFFECT_KIND_COUNT)
                return false;
        recorder_probe_ops.effect(&vcpu->recorder.probe, &effect);
        return !vcpu->recorder.stopped;
}

/* Not in the middle of a character. */
static size_t cut(const char *text)
{
        size_t size = strnlen(text, HWACCL_TRACE_MARK_MAX + 1);

        if (size <= HWACCL_TRACE_MARK_MAX)
                return size;
        for (size = HWACCL_TRACE_MARK_MAX; size > 0 && ((unsigned char)text[size] & 0xc0) == 0x80; size--)
                ;
        return size;
}

bool hwaccl_trace_vcpu_mark(struct hwaccl_trace_vcpu *vcpu, const char *text)
{
        if (!alive(vcpu) || !text)
                return false;
        struct hwaccl_recorder *recorder = &vcpu->recorder;
        size_t size = cut(text);
        struct ring_text *record =
                recorder_reserve(recorder, sizeof(*record) + ((size + 7) & ~(size_t)7), RING_RECORD_MARK, 0);
        if (!record)
                return false;
        record->stamp = stamp_now(recorder->stamp_kind);
        record->size = size;
        memcpy(record->data, text, size);
        ring_publish(&recorder->producer);
        return true;
}
