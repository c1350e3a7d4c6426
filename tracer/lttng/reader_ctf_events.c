/* Converts Babeltrace's events to struct trace_event. A table lists the fields that each event must have. */
#include "tracer/lttng/reader_ctf.h"

#include "hwaccl/subject_fields.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define FIELD_MAX 96u /* of one event */
#define WORDS_MAX 64u

/* Destination of the fields, and their data. */
struct decoded {
        struct trace_event event;
        struct hwaccl_subject_state state;
        uint64_t words[WORDS_MAX];
        uint8_t *bytes;
};

enum field_type { FIELD_U8, FIELD_U16, FIELD_U32, FIELD_U64, FIELD_TEXT, FIELD_BYTES, FIELD_WORDS };

struct field {
        const char *name;
        enum field_type type;
        size_t to;    /* offset in struct decoded */
        size_t count; /* the same, of an array's length: unsigned or uint32_t */
};

#define AT(member) offsetof(struct decoded, event.member)
#define FIELD(name, type, path)                                                                                        \
        {                                                                                                              \
#name, FIELD_##type, AT(as.path.name), 0                                                               \
        }
#define END                                                                                                            \
        {                                                                                                              \
                NULL, FIELD_U8, 0, 0                                                                                   \
        }
#define STATE_4                                       FIELD_U32
#define STATE_8                                       FIELD_U64
#define STATE_FIELD(name, member, width, group, vmcs) {#name, STATE_##width, offsetof(struct decoded, state.member), 0},
_Static_assert(sizeof(unsigned) == sizeof(uint32_t), "lengths are stored as 32 bits");

static const struct field common[] = {
        {"pid", FIELD_U32, AT(pid), 0},
        {"vcpu", FIELD_U32, AT(vcpu), 0},
        {"exit", FIELD_U64, AT(exit), 0},
        {"sequence", FIELD_U64, AT(sequence), 0},
};
#define COMMON_COUNT (sizeof(common) / sizeof(common[0]))

static const struct field begin_fields[] = {FIELD(version, TEXT, begin),
                                            FIELD(time, U64, begin),
                                            FIELD(keyframe_interval, U32, begin),
                                            FIELD(markers, U32, begin),
                                            FIELD(device_fields, U32, begin),
                                            FIELD(again, U8, begin),
                                            END};
static const struct field marker_fields[] = {FIELD(name, TEXT, marker), FIELD(value, TEXT, marker), END};
static const struct field device_field_fields[] = {FIELD(id, U32, device_field), FIELD(device, TEXT, device_field),
                                                   FIELD(field, TEXT, device_field), FIELD(size, U32, device_field),
                                                   END};
static const struct field keyframe_fields[] = {FIELD(clock, U64, keyframe), FIELD(interval, U32, keyframe),
                                               HWACCL_SUBJECT_FIELDS(STATE_FIELD) END};
static const struct field transfer_fields[] = {
        FIELD(bitmap, U64, transfer), {"words", FIELD_WORDS, AT(as.transfer.words), AT(as.transfer.count)}, END};
static const struct field irq_offer_fields[] = {FIELD(time, U64, irq), FIELD(vector, U8, irq), END};
static const struct field irq_reclaim_fields[] = {FIELD(time, U64, irq), FIELD(vector, U8, irq), FIELD(taken, U8, irq),
                                                  END};
static const struct field vm_exit_fields[] = {
        FIELD(entered, U64, vm_exit),
        FIELD(left, U64, vm_exit),
        {"pending", FIELD_WORDS, AT(as.vm_exit.pending), AT(as.vm_exit.pending_count)},
        {"rip", FIELD_U64, offsetof(struct decoded, state.rip), 0},
        END};
static const struct field control_register_fields[] = {
        FIELD(number, U8, control_register), FIELD(access, U8, control_register),
        FIELD(general_register, U8, control_register), FIELD(value, U64, control_register), END};
static const struct field value_fields[] = {FIELD(kind, U8, value),
                                            FIELD(address, U64, value),
                                            FIELD(value, U64, value),
                                            FIELD(has_data, U8, value),
                                            {"data", FIELD_BYTES, AT(as.value.data), AT(as.value.size)},
                                            END};
static const struct field fault_fields[] = {FIELD(index, U8, fault),
                                            FIELD(source, U8, fault.link),
                                            FIELD(vector, U8, fault.link),
                                            FIELD(cs, U16, fault.link),
                                            FIELD(rip, U64, fault.link),
                                            FIELD(has, U8, fault.link),
                                            FIELD(error_code, U32, fault.link),
                                            FIELD(cr2, U64, fault.link),
                                            FIELD(step, U8, fault.link),
                                            FIELD(address, U64, fault.link),
                                            FIELD(value, U64, fault.link),
                                            FIELD(limit, U64, fault.link),
                                            FIELD(raised, U8, fault.link),
                                            FIELD(raised_error_code, U32, fault.link),
                                            FIELD(raised_cr2, U64, fault.link),
                                            END};
static const struct field emulate_fields[] = {FIELD(rip, U64, emulate),
                                              FIELD(outcome, U8, emulate),
                                              {"code", FIELD_BYTES, AT(as.emulate.code), AT(as.emulate.size)},
                                              END};
static const struct field handled_fields[] = {FIELD(verdict, U8, handled), FIELD(outcome, U8, handled),
                                              FIELD(time, U64, handled), END};
static const struct field device_state_fields[] = {
        {"data", FIELD_BYTES, AT(as.device_state.data), AT(as.device_state.size)}, END};
static const struct field thread_time_fields[] = {FIELD(moment, U8, thread_time), FIELD(time, U64, thread_time),
                                                  FIELD(cpu, U64, thread_time), END};
static const struct field end_fields[] = {FIELD(end, U32, end),   FIELD(code, U64, end),    FIELD(message, TEXT, end),
                                          FIELD(exits, U64, end), FIELD(emitted, U64, end), END};

static const struct field record_fields[] = {FIELD(type, U8, record),
                                             FIELD(total, U32, record),
                                             FIELD(offset, U32, record),
                                             {"data", FIELD_BYTES, AT(as.record.data), AT(as.record.size)},
                                             END};
static const struct field vmm_exit_fields[] = {FIELD(unknown, U8, vmm_exit),
                                               FIELD(order, U64, vmm_exit),
                                               FIELD(entered, U64, vmm_exit),
                                               FIELD(left, U64, vmm_exit),
                                               {"rip", FIELD_U64, offsetof(struct decoded, state.rip), 0},
                                               END};

static const struct field *const tables[TRACE_EVENT_COUNT] = {
        [TRACE_BEGIN] = begin_fields,
        [TRACE_MARKER] = marker_fields,
        [TRACE_DEVICE_FIELD] = device_field_fields,
        [TRACE_KEYFRAME] = keyframe_fields,
        [TRACE_TRANSFER_IN] = transfer_fields,
        [TRACE_IRQ_OFFER] = irq_offer_fields,
        [TRACE_VM_EXIT] = vm_exit_fields,
        [TRACE_TRANSFER_OUT] = transfer_fields,
        [TRACE_CONTROL_REGISTER] = control_register_fields,
        [TRACE_INPUT] = value_fields,
        [TRACE_EFFECT] = value_fields,
        [TRACE_IRQ_RECLAIM] = irq_reclaim_fields,
        [TRACE_FAULT] = fault_fields,
        [TRACE_EMULATE] = emulate_fields,
        [TRACE_HANDLED] = handled_fields,
        [TRACE_DEVICE_STATE] = device_state_fields,
        [TRACE_THREAD_TIME] = thread_time_fields,
        [TRACE_END] = end_fields,
        [TRACE_RECORD] = record_fields,
        [TRACE_VMM_EXIT] = vmm_exit_fields,
};

/* One event class of a trace, and the positions of its fields. */
struct known_class {
        const bt_event_class *class;
        bool ours;
        enum trace_event_kind kind;
        size_t count;
        const struct field *field[FIELD_MAX];
        uint64_t index[FIELD_MAX]; /* in the payload */
};

struct ctf_decoder {
        const struct trace_sink *sink;
        struct known_class **class;
        size_t class_count;
        size_t last; /* last field looked up */
        struct decoded decoded;
};

struct ctf_decoder *ctf_decoder_create(const struct trace_sink *sink)
{
        struct ctf_decoder *decoder = calloc(1, sizeof(*decoder));

        if (decoder) {
                decoder->sink = sink;
                decoder->decoded.bytes = malloc(TRACE_BYTES_MAX);
        }
        if (decoder && decoder->decoded.bytes)
                return decoder;
        free(decoder);
        return NULL;
}

void ctf_decoder_destroy(struct ctf_decoder *decoder)
{
        if (!decoder)
                return;
        for (size_t i = 0; i < decoder->class_count; i++) {
                bt_event_class_put_ref(decoder->class[i] -> class);
                free(decoder->class[i]);
        }
        free(decoder->class);
        free(decoder->decoded.bytes);
        free(decoder);
}

static bool is_unsigned(const bt_field_class *class, uint64_t bits)
{
        return bt_field_class_type_is(bt_field_class_get_type(class), BT_FIELD_CLASS_TYPE_UNSIGNED_INTEGER) &&
               bt_field_class_integer_get_field_value_range(class) <= bits;
}

static bool is_array(const bt_field_class *class, uint64_t bits)
{
        return bt_field_class_type_is(bt_field_class_get_type(class), BT_FIELD_CLASS_TYPE_ARRAY) &&
               is_unsigned(bt_field_class_array_borrow_element_field_class_const(class), bits);
}

static bool fits(const bt_field_class *class, enum field_type type)
{
        switch (type) {
        case FIELD_U8: return is_unsigned(class, 8);
        case FIELD_U16: return is_unsigned(class, 16);
        case FIELD_U32: return is_unsigned(class, 32);
        case FIELD_U64: return is_unsigned(class, 64);
        case FIELD_TEXT: return bt_field_class_get_type(class) == BT_FIELD_CLASS_TYPE_STRING;
        case FIELD_BYTES: return is_array(class, 8);
        case FIELD_WORDS: return is_array(class, 64);
        }
        return false;
}

static bool find_field(struct known_class *known, const bt_field_class *payload, const struct field *field,
                       struct hwaccl_error *error)
{
        uint64_t members = bt_field_class_structure_get_member_count(payload);

        for (uint64_t i = 0; i < members; i++) {
                const bt_field_class_structure_member *member =
                        bt_field_class_structure_borrow_member_by_index_const(payload, i);
                if (strcmp(bt_field_class_structure_member_get_name(member), field->name) != 0)
                        continue;
                if (!fits(bt_field_class_structure_member_borrow_field_class_const(member), field->type))
                        return hwaccl_error_set(error, "event hwaccl:%s: field %s has the wrong type",
                                                trace_event_name(known->kind), field->name);
                known->field[known->count] = field;
                known->index[known->count++] = i;
                return true;
        }
        return hwaccl_error_set(error, "event hwaccl:%s has no field %s", trace_event_name(known->kind), field->name);
}

static bool find_fields(struct known_class *known, struct hwaccl_error *error)
{
        const bt_field_class *payload = bt_event_class_borrow_payload_field_class_const(known->class);

        if (!payload)
                return hwaccl_error_set(error, "event hwaccl:%s has no fields", trace_event_name(known->kind));
        for (size_t i = 0; i < COMMON_COUNT; i++)
                if (!find_field(known, payload, &common[i], error))
                        return false;
        for (const struct field *field = tables[known->kind]; field->name; field++)
                if (!find_field(known, payload, field, error))
                        return false;
        return true;
}

static const struct known_class *know(struct ctf_decoder *decoder, const bt_event_class *class,
                                      struct hwaccl_error *error)
{
        static const char provider[] = "hwaccl:";

        if (decoder->last < decoder->class_count && decoder->class[decoder->last] -> class == class)
                return decoder->class[decoder->last];
        for (size_t i = 0; i < decoder->class_count; i++) {
                if (decoder->class[i] -> class != class)
                        continue;
                decoder->last = i;
                return decoder->class[i];
        }
        struct known_class *known = calloc(1, sizeof(*known));
        struct known_class **more =
                known ? realloc(decoder->class, (decoder->class_count + 1) * sizeof(struct known_class *)) : NULL;
        if (!more) {
                free(known);
                hwaccl_error_set(error, "out of memory");
                return NULL;
        }
        bt_event_class_get_ref(class);
        known->class = class;
        decoder->class = more;
        more[decoder->class_count++] = known;
        const char *name = bt_event_class_get_name(class);
        if (!name || strncmp(name, provider, sizeof(provider) - 1) != 0)
                return known;
        for (unsigned i = 0; i < TRACE_EVENT_COUNT && !known->ours; i++) {
                known->kind = (enum trace_event_kind)i;
                known->ours = strcmp(name + sizeof(provider) - 1, trace_event_name(known->kind)) == 0;
        }
        return !known->ours || find_fields(known, error) ? known : NULL;
}

static bool take_bytes(struct decoded *decoded, const struct field *field, const bt_field *from)
{
        uint64_t length = bt_field_array_get_length(from);
        const uint8_t *bytes = decoded->bytes;
        uint32_t count = (uint32_t)length;

        if (length > TRACE_BYTES_MAX)
                return false;
        for (uint64_t i = 0; i < length; i++)
                decoded->bytes[i] = (uint8_t)bt_field_integer_unsigned_get_value(
                        bt_field_array_borrow_element_field_by_index_const(from, i));
        memcpy((uint8_t *)decoded + field->to, &bytes, sizeof(bytes));
        memcpy((uint8_t *)decoded + field->count, &count, sizeof(count));
        return true;
}

static bool take_words(struct decoded *decoded, const struct field *field, const bt_field *from)
{
        uint64_t length = bt_field_array_get_length(from);
        const uint64_t *words = decoded->words;
        uint32_t count = (uint32_t)length;

        if (length > WORDS_MAX)
                return false;
        for (uint64_t i = 0; i < length; i++)
                decoded->words[i] = bt_field_integer_unsigned_get_value(
                        bt_field_array_borrow_element_field_by_index_const(from, i));
        memcpy((uint8_t *)decoded + field->to, &words, sizeof(words));
        memcpy((uint8_t *)decoded + field->count, &count, sizeof(count));
        return true;
}

static bool take_field(struct decoded *decoded, const struct field *field, const bt_field *from)
{
        uint8_t *to = (uint8_t *)decoded + field->to;
        uint64_t value;

        switch (field->type) {
        case FIELD_U8: *to = (uint8_t)bt_field_integer_unsigned_get_value(from); return true;
        case FIELD_U16:
        case FIELD_U32:
        case FIELD_U64: /* little endian: the low bytes come first */
                value = bt_field_integer_unsigned_get_value(from);
                memcpy(to, &value, field->type == FIELD_U16 ? 2 : field->type == FIELD_U32 ? 4 : 8);
                return true;
        case FIELD_TEXT: {
                const char *text = bt_field_string_get_value(from);
                memcpy(to, &text, sizeof(text));
                return bt_field_string_get_length(from) <= TRACE_TEXT_MAX;
        }
        case FIELD_BYTES: return take_bytes(decoded, field, from);
        case FIELD_WORDS: return take_words(decoded, field, from);
        }
        return false;
}

bool ctf_decode(struct ctf_decoder *decoder, const bt_event *event, struct hwaccl_error *error)
{
        const struct known_class *known = know(decoder, bt_event_borrow_class_const(event), error);
        struct decoded *decoded = &decoder->decoded;

        if (!known)
                return false;
        if (!known->ours)
                return true;
        const bt_field *payload = bt_event_borrow_payload_field_const(event);
        memset(&decoded->event, 0, sizeof(decoded->event));
        decoded->event.kind = known->kind;
        if (known->kind == TRACE_KEYFRAME)
                decoded->event.as.keyframe.state = &decoded->state;
        else if (known->kind == TRACE_VM_EXIT)
                decoded->event.as.vm_exit.state = &decoded->state;
        else if (known->kind == TRACE_VMM_EXIT)
                decoded->event.as.vmm_exit.state = &decoded->state;
        for (size_t i = 0; i < known->count; i++) {
                const bt_field *from = bt_field_structure_borrow_member_field_by_index_const(payload, known->index[i]);
                if (!take_field(decoded, known->field[i], from))
                        return hwaccl_error_set(error, "event hwaccl:%s: field %s is too long",
                                                trace_event_name(known->kind), known->field[i]->name);
        }
        return decoder->sink->event(decoder->sink->opaque, &decoded->event, error);
}
