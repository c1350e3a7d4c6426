/* What the guest did: the instruction, and what the view exits says about it; and the interrupt that was offered. */
#include "replay/postmortem/explain/explain_internal.h"

#include "hwaccl/event.h"
#include "replay/postmortem/words/code.h"
#include "replay/postmortem/words/words.h"
#include "tracer/ring/exit_id.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#define REDIRECTION_ENTRY 8u
#define LVT_ENTRY         4u

static bool known(const struct hwaccl_known_fields *fields, unsigned field)
{
        return hwaccl_known_fields_has(fields, field);
}

/* The instruction's bytes as handling read them, disassembled for the mode that the guest was in. */
static void instruction_text(const struct hwaccl_recorded_exit *exit, char *text, size_t room)
{
        struct hwaccl_code code = {.size = 0};
        struct hwaccl_code_line line;
        unsigned bits = hwaccl_mode_code_bits(exit->exit, &exit->exit_known);

        text[0] = '\0';
        for (size_t i = 0; i < exit->input_count; i++) {
                const struct hwaccl_input *input = &exit->inputs[i];
                for (uint32_t j = 0; input->kind == HWACCL_INPUT_INSTRUCTION && j < input->size && code.size < 15; j++)
                        code.byte[code.size++] = ((const uint8_t *)input->data)[j];
        }
        if (hwaccl_code_at_rip(&code, exit->exit->rip, bits, &line))
                (void)snprintf(text, room, "%s", line.text);
}

static void place_text(const struct hwaccl_recorded_exit *exit, char *text, size_t room)
{
        enum hwaccl_mode mode = hwaccl_mode(exit->exit, &exit->exit_known);
        bool selector = known(&exit->exit_known, HWACCL_FIELD_INDEX_cs_selector);

        if (!known(&exit->exit_known, HWACCL_FIELD_INDEX_rip))
                (void)snprintf(text, room, "an unknown address");
        else if (selector && mode != HWACCL_MODE_LONG)
                (void)snprintf(text, room, "%04" PRIx64 ":%04" PRIx64, exit->exit->cs.selector, exit->exit->rip);
        else
                (void)snprintf(text, room, "%" PRIx64, exit->exit->rip);
}

/* Columns of the query. */
enum { COLUMN_REASON, COLUMN_DETAIL, COLUMN_IO_VALUE, COLUMN_IO_DIRECTION, COLUMN_TIMES };

static void reason_text(sqlite3_stmt *row, char *text, size_t room)
{
        const char *reason = (const char *)sqlite3_column_text(row, COLUMN_REASON);
        const char *detail = (const char *)sqlite3_column_text(row, COLUMN_DETAIL);
        const char *direction = (const char *)sqlite3_column_text(row, COLUMN_IO_DIRECTION);
        char value[48] = "";

        if (direction && sqlite3_column_type(row, COLUMN_IO_VALUE) == SQLITE_INTEGER)
                (void)snprintf(value, sizeof(value), ", value 0x%" PRIx64 "%s",
                               (uint64_t)sqlite3_column_int64(row, COLUMN_IO_VALUE),
                               strcmp(direction, "in") == 0 ? " (as answered)" : "");
        (void)snprintf(text, room, "%s%s%s%s", reason ? reason : "an exit of unknown reason", detail ? ": " : "",
                       detail ? detail : "", value);
}

/* What a register held that the guest moved to a control or debug register, or to device memory. */
static void say_moved(struct explained *explained, const char *text, const char *separator)
{
        const struct hwaccl_recorded_exit *exit = explained->exit;
        const char *source = strstr(text, separator);
        uint64_t value;
        unsigned size;

        if (!source)
                return;
        source += strlen(separator);
        size_t length = strspn(source, "abcdefghijklmnopqrstuvwxyz0123456789");
        if (hwaccl_register_value(exit->exit, source, length, &value, &size) &&
            known(&exit->exit_known, HWACCL_FIELD_INDEX_rax))
                explain_say(explained, HWACCL_TOPIC_GUEST, "%.*s held 0x%" PRIx64, (int)length, source, value);
}

static uint64_t reason_of(const struct hwaccl_recorded_exit *exit)
{
        if (!known(&exit->exit_known, HWACCL_FIELD_INDEX_exit_reason))
                return UINT64_MAX;
        return exit->exit->exit_reason & HWACCL_EXIT_REASON_BASIC_MASK;
}

bool explain_guest(struct explained *explained, struct hwaccl_error *error)
{
        static const char query[] = "SELECT reason, detail, io_value, io_direction, entry_ns + guest_ns + handler_ns "
                                    "FROM exits WHERE id = ?1";
        const struct hwaccl_recorded_exit *exit = explained->exit;
        sqlite3 *database = hwaccl_recording_database(explained->recording);
        char place[64], mode[128], instruction[96], reason[200] = "an exit of unknown reason";
        sqlite3_stmt *row = NULL;

        int status = sqlite3_prepare_v2(database, query, -1, &row, NULL);
        if (status == SQLITE_OK)
                status = sqlite3_bind_int64(row, 1, exit_id(exit->vcpu, exit->number));
        if (status == SQLITE_OK && (status = sqlite3_step(row)) == SQLITE_ROW) {
                reason_text(row, reason, sizeof(reason));
                explained->times_known = sqlite3_column_type(row, COLUMN_TIMES) == SQLITE_INTEGER;
        }
        sqlite3_finalize(row);
        if (status != SQLITE_ROW && status != SQLITE_DONE)
                return hwaccl_error_set(error, "%s", sqlite3_errmsg(database));
        place_text(exit, place, sizeof(place));
        hwaccl_mode_describe(exit->exit, &exit->exit_known, mode, sizeof(mode));
        instruction_text(exit, instruction, sizeof(instruction));
        if (*instruction)
                explain_say(explained, HWACCL_TOPIC_GUEST, "executed '%s' at %s (%s): %s", instruction, place, mode,
                            reason);
        else
                explain_say(explained, HWACCL_TOPIC_GUEST, "was at %s (%s): %s", place, mode, reason);
        if (explained->devices.owner)
                explain_say(explained, HWACCL_TOPIC_GUEST, "%s%s",
                            *explained->devices.owner ? "that is the device " : "no device is there",
                            explained->devices.owner);
        if (reason_of(exit) == HWACCL_EXIT_CONTROL_REGISTER || reason_of(exit) == HWACCL_EXIT_MOV_DR)
                say_moved(explained, reason, " <- ");
        else if (reason_of(exit) == HWACCL_EXIT_EPT_VIOLATION)
                say_moved(explained, instruction, ", ");
        uint64_t information = exit->exit->interrupt_information;
        char event[80];
        if (known(&exit->exit_known, HWACCL_FIELD_INDEX_interrupt_information) && (information & INTERRUPTION_VALID))
                explain_say(explained, HWACCL_TOPIC_GUEST, "interruption information %" PRIx64 ": %s", information,
                            hwaccl_interruption_describe(information, event, sizeof(event)));
        return true;
}

static const struct hwaccl_device_value *find(const struct explained *explained, const char *device, const char *field)
{
        for (size_t i = 0; explained->devices_known && i < explained->devices.count; i++) {
                const struct hwaccl_device_value *value = &explained->devices.value[i];
                if (strcmp(value->device, device) == 0 && strcmp(value->field, field) == 0)
                        return value;
        }
        return NULL;
}

/* Which entry of @size bytes begins with the vector; -1: none. */
static int entry_of(const struct hwaccl_device_value *value, uint32_t size, uint8_t vector)
{
        const uint8_t *bytes = value ? value->before ? value->before : value->data : NULL;

        for (uint32_t i = 0; bytes && i + size <= value->size; i += size)
                if (bytes[i] == vector)
                        return (int)(i / size);
        return -1;
}

/* Where a vector comes from, as the interrupt controllers are set. */
static void source_text(const struct explained *explained, uint8_t vector, char *text, size_t room)
{
        static const char *const local[] = {"timer", "thermal sensor", "performance counters",
                                            "LINT0", "LINT1",          "error"};
        const struct hwaccl_device_value *master = find(explained, "pic", "master.base");
        const struct hwaccl_device_value *slave = find(explained, "pic", "slave.base");
        int pin = entry_of(find(explained, "io_apic", "redirection"), REDIRECTION_ENTRY, vector);
        int lvt = entry_of(find(explained, "local_apic", "lvt"), LVT_ENTRY, vector);

        text[0] = '\0';
        if (vector == 2)
                (void)snprintf(text, room, " (NMI)");
        else if (lvt >= 0 && (size_t)lvt < sizeof(local) / sizeof(local[0]))
                (void)snprintf(text, room, " (the local APIC's %s)", local[lvt]);
        else if (pin >= 0)
                (void)snprintf(text, room, " (pin %d of the I/O APIC)", pin);
        else if (master && master->size == 1 && (vector & 0xf8) == master->data[0])
                (void)snprintf(text, room, " (IRQ %d of the 8259s)", vector & 7);
        else if (slave && slave->size == 1 && (vector & 0xf8) == slave->data[0])
                (void)snprintf(text, room, " (IRQ %d of the 8259s)", 8 + (vector & 7));
}

void explain_interrupt(struct explained *explained)
{
        const struct hwaccl_recorded_exit *exit = explained->exit;
        char source[64];

        if (!exit->offered)
                return;
        source_text(explained, exit->offered_vector, source, sizeof(source));
        explain_say(explained, HWACCL_TOPIC_INTERRUPT, "vector %02xh%s was offered before the entry; %s",
                    exit->offered_vector, source,
                    !exit->settled ? "whether the guest took it is not known"
                    : exit->taken  ? "the guest took it"
                                   : "the guest did not take it, and it was returned");
}
