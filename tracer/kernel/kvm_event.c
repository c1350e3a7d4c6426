#include "tracer/kernel/kvm_event.h"

#include <string.h>

static const struct {
        const char *name;
        const char *values;
} kinds[] = {
#define X(number, identifier, name, values) [number] = {name, values},
        KERNEL_EVENTS(X)
#undef X
};

const char *kvm_event_name(enum kernel_event_kind kind)
{
        return kinds[kind].name;
}

bool kvm_event_is_needed(enum kernel_event_kind kind)
{
        return kind == KERNEL_EVENT_EXIT || kind == KERNEL_EVENT_ENTRY || kind == KERNEL_EVENT_USERSPACE_EXIT;
}

/* Older kernels' kvm_exit has neither intr_info nor error_code nor vcpu_id. */
static bool value_is_needed(enum kernel_event_kind kind, unsigned index)
{
        return kind == KERNEL_EVENT_EXIT ? index <= EXIT_EVENT_INFO2 : kvm_event_is_needed(kind);
}

/* Whether the value's name is this word of the list. */
static const char *next_value(const char *list, char name[EVENT_NAME_ROOM])
{
        size_t length = strcspn(list, " ");

        memcpy(name, list, length);
        name[length] = '\0';
        return list + length + (list[length] == ' ');
}

bool kvm_formats_add(struct kvm_formats *formats, enum kernel_event_kind kind, const char *text, size_t size,
                     struct hwaccl_error *error)
{
        struct event_format *format = &formats->format[kind];
        const char *list = kinds[kind].values;
        char name[EVENT_NAME_ROOM];

        if (!event_format_parse(format, text, size, error))
                return false;
        for (unsigned i = 0; *list; i++) {
                list = next_value(list, name);
                const struct event_field *field = event_format_find(format, name);
                if (field)
                        formats->field[kind][i] = *field;
                else if (value_is_needed(kind, i))
                        return hwaccl_error_set(error, "trace point kvm:%s has no field %s", kinds[kind].name, name);
        }
        formats->there[kind] = true;
        return true;
}

static bool find_kind(const struct kvm_formats *formats, unsigned id, enum kernel_event_kind *kind)
{
        for (unsigned i = 0; i < KERNEL_EVENT_COUNT; i++)
                if (formats->there[i] && formats->format[i].id == id) {
                        *kind = (enum kernel_event_kind)i;
                        return true;
                }
        return false;
}

bool kvm_event_decode(const struct kvm_formats *formats, const uint8_t *raw, size_t size, struct kvm_event *event)
{
        if (size < EVENT_TYPE_SIZE_MIN || !find_kind(formats, (unsigned)raw[0] | (unsigned)raw[1] << 8, &event->kind))
                return false;
        event->known = 0;
        for (unsigned i = 0; i < KERNEL_EVENT_VALUE_MAX; i++) {
                const struct event_field *field = &formats->field[event->kind][i];
                event->value[i] = 0;
                if (field->size && event_field_read(field, raw, size, &event->value[i]))
                        event->known |= 1u << i;
                else if (field->size && value_is_needed(event->kind, i))
                        return false;
        }
        return true;
}
