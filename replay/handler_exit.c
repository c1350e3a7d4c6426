/* What an exit handler gets of a recorded exit: states, and the data of its accesses. */
#include "replay/handler_session.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define IO_SIZE(qualification)   (((uint32_t)(qualification)&7u) + 1)
#define IO_PORT(qualification)   ((qualification) >> 16 & 0xffff)
#define IO_IN(qualification)     ((qualification) >> 3 & 1)
#define IO_STRING(qualification) ((qualification) >> 4 & 1)
#define IO_REP(qualification)    ((qualification) >> 5 & 1)

static bool is_known(const struct hwaccl_recorded_exit *exit, enum hwaccl_field_index field)
{
        return hwaccl_known_fields_has(&exit->exit_known, field);
}

/* The basic reason, if it and the qualification are known; else one that there is not. */
static uint64_t reason_of(const struct hwaccl_recorded_exit *exit)
{
        if (!is_known(exit, HWACCL_FIELD_INDEX_exit_reason) || !is_known(exit, HWACCL_FIELD_INDEX_exit_qualification))
                return UINT64_MAX;
        return exit->exit->exit_reason & HWACCL_EXIT_REASON_BASIC_MASK;
}

/* The exit's own access comes last: it is there even if there are too many. */
static struct hwaccl_session_access *add_access(struct hwaccl_session *session)
{
        if (session->exit.access_count < SESSION_ACCESS_MAX)
                session->exit.access_count++;
        struct hwaccl_session_access *access = &session->access[session->exit.access_count - 1];
        memset(access, 0, sizeof(*access));
        return access;
}

/* Size and count from the bytes and, of a port, the value beside them. */
static void measure(struct hwaccl_session_access *access, uint64_t value, uint32_t bytes)
{
        bool several = !access->memory && value > 0 && value < bytes && bytes % value == 0;

        access->size = several ? (uint32_t)value : bytes;
        access->count = several ? bytes / access->size : 1;
}

static bool input_is_coalesced(enum hwaccl_input_kind kind)
{
        return kind == HWACCL_INPUT_COALESCED_PORT_WRITE || kind == HWACCL_INPUT_COALESCED_MMIO_WRITE;
}

static void add_writes(struct hwaccl_session *session, const struct hwaccl_recorded_exit *recorded)
{
        for (size_t i = 0; i < recorded->input_count; i++) {
                const struct hwaccl_input *input = &recorded->inputs[i];
                if (!session_input_is_write(input->kind))
                        continue;
                const bool memory =
                        input->kind == HWACCL_INPUT_MMIO_WRITE || input->kind == HWACCL_INPUT_COALESCED_MMIO_WRITE;
                struct hwaccl_session_access *access = add_access(session);
                access->memory = memory;
                access->write = true;
                access->address = input->address;
                access->data = input->size ? input->data : NULL;
                measure(access, input_is_coalesced(input->kind) ? 0 : input->value, input->size);
        }
}

/* What the VMM answered says how much was asked for. */
static void add_reads(struct hwaccl_session *session, const struct hwaccl_recorded_exit *recorded)
{
        for (size_t i = 0; i < recorded->effect_count; i++) {
                const struct hwaccl_effect *effect = &recorded->effects[i];
                bool memory = effect->kind == HWACCL_EFFECT_MMIO_READ;
                if (!memory && effect->kind != HWACCL_EFFECT_PORT_READ)
                        continue;
                struct hwaccl_session_access *access = add_access(session);
                access->memory = memory;
                access->address = effect->address;
                measure(access, effect->value, effect->size);
        }
}

/* Is the last access the port's, not a write that was collected before it? */
static bool has_port_access(const struct hwaccl_session *session, const struct hwaccl_recorded_exit *recorded)
{
        const uint32_t count = session->exit.access_count;
        const struct hwaccl_input *last = NULL;

        for (size_t i = 0; i < recorded->input_count; i++)
                if (session_input_is_write(recorded->inputs[i].kind))
                        last = &recorded->inputs[i];
        const bool coalesced = count > 0 && session->access[count - 1].write && last && input_is_coalesced(last->kind);
        return count > 0 && !session->access[count - 1].memory && !coalesced;
}

/* The port access that the qualification describes, where the recording has no data of it. */
static void add_port_access(struct hwaccl_session *session, const struct hwaccl_recorded_exit *recorded)
{
        const uint64_t qualification = recorded->exit->exit_qualification;
        struct hwaccl_session_access *access = add_access(session);

        access->write = !IO_IN(qualification);
        access->size = IO_SIZE(qualification) <= 4 ? IO_SIZE(qualification) : 0;
        access->count = 1;
        access->address = IO_PORT(qualification);
        if (!access->write || IO_STRING(qualification) || IO_REP(qualification) ||
            !is_known(recorded, HWACCL_FIELD_INDEX_rax))
                return;
        memcpy(session->register_data, &recorded->exit->rax, sizeof(session->register_data)); /* little endian */
        access->data = access->size ? session->register_data : NULL;
}

static void put_state(struct hwaccl_trace_state *to, const struct hwaccl_subject_state *state,
                      const struct hwaccl_known_fields *known)
{
        _Static_assert(sizeof(to->known) == sizeof(known->bits), "words of known fields");
        to->values = *state;
        memcpy(to->known, known->bits, sizeof(to->known));
}

void session_hand_over(struct hwaccl_session *session, const struct hwaccl_recorded_exit *recorded)
{
        struct hwaccl_session_exit *exit = &session->exit;

        exit->number = recorded->number;
        put_state(&exit->entry, recorded->entry, &recorded->entry_known);
        put_state(&exit->state, recorded->exit, &recorded->exit_known);
        exit->offered = recorded->offered;
        exit->vector = recorded->offered_vector;
        exit->settled = recorded->settled;
        exit->taken = recorded->taken;
        exit->kvm_run_known = recorded->kvm_run_known;
        exit->kvm_run = recorded->kvm_run;
        exit->access = session->access;
        exit->access_count = 0;
        add_writes(session, recorded);
        add_reads(session, recorded);
        if (reason_of(recorded) == HWACCL_EXIT_IO_INSTRUCTION && !has_port_access(session, recorded))
                add_port_access(session, recorded);
}

void session_describe_access(const struct hwaccl_recorded_exit *recorded, char *text, size_t room)
{
        const uint64_t qualification = recorded->exit->exit_qualification;

        text[0] = '\0';
        switch (reason_of(recorded)) {
        case HWACCL_EXIT_IO_INSTRUCTION:
                (void)snprintf(text, room, "%s%s%s port 0x%" PRIx64 ", %" PRIu32 " byte%s",
                               IO_REP(qualification) ? "rep " : "", IO_IN(qualification) ? "in" : "out",
                               IO_STRING(qualification) ? "s" : "", IO_PORT(qualification), IO_SIZE(qualification),
                               IO_SIZE(qualification) == 1 ? "" : "s");
                return;
        case HWACCL_EXIT_EPT_VIOLATION:
                if (is_known(recorded, HWACCL_FIELD_INDEX_guest_physical_address))
                        (void)snprintf(text, room, "%s 0x%" PRIx64, qualification & 2 ? "write" : "read",
                                       recorded->exit->guest_physical_address);
                return;
        default: return;
        }
}
