/* What the recording says about the time before the last exits. */
#include "replay/postmortem/evidence.h"
#include "replay/postmortem/evidence_query.h"

#include "tracer/ring/exit_id.h"

#include <stdio.h>
#include <string.h>

/* Exits, or rows, that one question looks at: a second's work at most. */
#define HISTORY_EXITS 500000u

static int64_t first_id(const struct hwaccl_evidence *evidence)
{
        return exit_id(evidence->vcpu, evidence->first);
}

sqlite3_stmt *evidence_query(const struct hwaccl_evidence *evidence, const char *sql)
{
        sqlite3_stmt *statement = NULL;
        uint64_t last = evidence->end > evidence->first ? evidence->end - 1 : evidence->first;

        if (sqlite3_prepare_v2(hwaccl_recording_database(evidence->recording), sql, -1, &statement, NULL) != SQLITE_OK)
                return NULL;
        int count = sqlite3_bind_parameter_count(statement);
        bool good = (count < 1 || sqlite3_bind_int64(statement, 1, first_id(evidence)) == SQLITE_OK) &&
                    (count < 2 || sqlite3_bind_int64(statement, 2, exit_id(evidence->vcpu, last)) == SQLITE_OK);
        if (good)
                return statement;
        (void)sqlite3_finalize(statement);
        return NULL;
}

bool evidence_row(sqlite3_stmt *statement)
{
        return statement && sqlite3_step(statement) == SQLITE_ROW;
}

static uint64_t low_bytes(uint64_t value, unsigned size)
{
        return size >= 8 ? value : value & ((UINT64_C(1) << 8 * size) - 1);
}

/* A write to one byte of the port space. */
struct port_write {
        uint16_t port;
        uint64_t mask, bits; /* what the byte must have */
        uint64_t value;
        uint64_t exit; /* EVIDENCE_NEVER: not found */
};

/* Is it such a write? Then it is stored. */
static bool take_write(struct port_write *wanted, uint64_t exit, uint64_t qualification, uint64_t rax)
{
        unsigned size = (unsigned)(qualification & 7) + 1;
        uint64_t first = qualification >> 16 & 0xffff;

        if (qualification & 24 || wanted->port < first || wanted->port >= first + size) /* IN, or a string */
                return false;
        uint64_t written = low_bytes(rax, size) >> 8 * (wanted->port - first) & 0xff;
        if ((written & wanted->mask) != wanted->bits)
                return false;
        wanted->value = written;
        wanted->exit = exit;
        return true;
}

/* Back through exits @first to @last (ids). */
static bool write_in_rows(const struct hwaccl_evidence *evidence, struct port_write *wanted, int64_t first,
                          int64_t last)
{
        static const char sql[] =
                "SELECT e.id, e.exit_qualification, coalesce(e.rax, (SELECT k.rax FROM keyframe k WHERE k.id <= e.id "
                "ORDER "
                "BY k.id DESC LIMIT 1)) FROM exit e WHERE e.id BETWEEN max(?1, ?3) AND min(?2, ?4) AND e.exit_reason & "
                "0xffff = 30 AND e.exit_qualification & 8 = 0 AND ?5 - (e.exit_qualification >> 16 & 0xffff) BETWEEN 0 "
                "AND "
                "3 ORDER BY e.id DESC";
        sqlite3_stmt *row = evidence_query(evidence, sql);
        bool found = false;
        bool good = row && sqlite3_bind_int64(row, 3, first) == SQLITE_OK &&
                    sqlite3_bind_int64(row, 4, last) == SQLITE_OK &&
                    sqlite3_bind_int64(row, 5, wanted->port) == SQLITE_OK;

        while (good && !found && evidence_row(row))
                found = take_write(wanted, exit_number(sqlite3_column_int64(row, 0)),
                                   (uint64_t)sqlite3_column_int64(row, 1), (uint64_t)sqlite3_column_int64(row, 2));
        (void)sqlite3_finalize(row);
        return found;
}

/* Blocks before @last in which the port, or one that reaches over it, was accessed; newest first. */
static bool write_in_blocks(const struct hwaccl_evidence *evidence, struct port_write *wanted, int64_t last)
{
        static const char sql[] =
                "SELECT DISTINCT b.id, b.last FROM block_count c JOIN block b ON b.id = c.block WHERE "
                "c.kind = 1 AND c.value BETWEEN ?4 - 3 AND ?4 AND c.block BETWEEN ?1 AND min(?2, ?3) ORDER "
                "BY b.id DESC LIMIT 1000";
        sqlite3_stmt *row = evidence_query(evidence, sql);
        bool found = false;
        bool good = row && sqlite3_bind_int64(row, 3, last) == SQLITE_OK &&
                    sqlite3_bind_int64(row, 4, wanted->port) == SQLITE_OK;

        while (good && !found && evidence_row(row)) {
                int64_t end = sqlite3_column_int64(row, 1);
                found = write_in_rows(evidence, wanted, sqlite3_column_int64(row, 0), end < last ? end : last);
        }
        (void)sqlite3_finalize(row);
        return found;
}

/* The newest exit that is in a block, as an id; below the first exit where none is. */
static int64_t last_in_blocks(const struct hwaccl_evidence *evidence)
{
        sqlite3_stmt *row = evidence_query(evidence, "SELECT max(last) FROM block WHERE id BETWEEN ?1 AND ?2");
        int64_t last = first_id(evidence) - 1;

        if (evidence_row(row) && sqlite3_column_type(row, 0) == SQLITE_INTEGER)
                last = sqlite3_column_int64(row, 0);
        (void)sqlite3_finalize(row);
        return last;
}

uint64_t evidence_port_write_of(const struct hwaccl_evidence *evidence, uint16_t port, uint64_t mask, uint64_t bits,
                                uint64_t *value)
{
        struct port_write wanted = {port, mask, bits, 0, EVIDENCE_NEVER};
        bool found = false;
        uint64_t before = evidence->end;

        for (size_t i = evidence->exit_count; i-- > 0 && !found;) {
                const struct evidence_exit *exit = &evidence->exits[i];
                before = exit->number;
                if (evidence_reason(exit) == HWACCL_EXIT_IO_INSTRUCTION)
                        found = take_write(&wanted, exit->number, exit->exit.exit_qualification, exit->exit.rax);
        }
        if (!found && before > evidence->first) {
                /* a loop is the same in each round */
                if (evidence->loop.period && evidence->loop.first < before)
                        before = evidence->loop.first;
                int64_t last = exit_id(evidence->vcpu, before) - 1, in_blocks = last_in_blocks(evidence);
                int64_t rows = last - HISTORY_EXITS > in_blocks ? last - HISTORY_EXITS : in_blocks + 1;
                if (last < rows || !write_in_rows(evidence, &wanted, rows, last))
                        (void)write_in_blocks(evidence, &wanted, last < in_blocks ? last : in_blocks);
        }
        *value = wanted.value;
        return wanted.exit;
}

uint64_t evidence_port_write(const struct hwaccl_evidence *evidence, uint16_t port, uint64_t *value)
{
        return evidence_port_write_of(evidence, port, 0, 0, value);
}

uint64_t evidence_line_change(const struct hwaccl_evidence *evidence, unsigned line, bool level)
{
        sqlite3_stmt *row = evidence_query(
                evidence, "SELECT exit FROM effect WHERE exit BETWEEN max(?1, ?2 - 2000000) AND ?2 AND kind = 2 "
                          "AND address = ?3 AND value = ?4 ORDER BY exit DESC LIMIT 1");
        uint64_t found = EVIDENCE_NEVER;

        if (row && sqlite3_bind_int64(row, 3, line) == SQLITE_OK && sqlite3_bind_int64(row, 4, level) == SQLITE_OK &&
            evidence_row(row))
                found = exit_number(sqlite3_column_int64(row, 0));
        (void)sqlite3_finalize(row);
        return found;
}

uint64_t evidence_vector_taken(const struct hwaccl_evidence *evidence, uint8_t vector, uint64_t *count)
{
        sqlite3_stmt *row =
                evidence_query(evidence, "SELECT max(id), count(*) FROM irq_handoff WHERE id BETWEEN ?1 AND "
                                         "?2 AND vector = ?3 AND taken = 1");
        uint64_t found = EVIDENCE_NEVER;

        *count = 0;
        if (row && sqlite3_bind_int64(row, 3, vector) == SQLITE_OK && evidence_row(row) &&
            sqlite3_column_type(row, 0) == SQLITE_INTEGER) {
                found = exit_number(sqlite3_column_int64(row, 0));
                *count = (uint64_t)sqlite3_column_int64(row, 1);
        }
        (void)sqlite3_finalize(row);
        return found;
}

/* Fields of the exit's own row. Others are in rows that are few. */
static bool is_page_field(enum hwaccl_field_index field)
{
        enum hwaccl_field_group group = hwaccl_subject_fields[field].group;

        return group == HWACCL_FIELD_GENERAL || group == HWACCL_FIELD_EXIT || field == HWACCL_FIELD_INDEX_cr2;
}

static uint64_t page_field_since(const struct hwaccl_evidence *evidence, enum hwaccl_field_index field, uint64_t mask,
                                 uint64_t wanted)
{
        char sql[400];
        const char *name = hwaccl_subject_fields[field].name;
        uint64_t found = EVIDENCE_NEVER;

        (void)snprintf(sql, sizeof(sql),
                       "SELECT e.id FROM exit e WHERE e.id BETWEEN max(?1, ?2 - %u) AND ?2 AND coalesce(e.%s, (SELECT "
                       "k.%s FROM keyframe k WHERE k.id <= e.id ORDER BY k.id DESC LIMIT 1)) & ?3 <> ?4 ORDER BY e.id "
                       "DESC LIMIT 1",
                       HISTORY_EXITS, name, name);
        sqlite3_stmt *row = evidence_query(evidence, sql);
        if (row && sqlite3_bind_int64(row, 3, (int64_t)mask) == SQLITE_OK &&
            sqlite3_bind_int64(row, 4, (int64_t)wanted) == SQLITE_OK && evidence_row(row))
                found = exit_number(sqlite3_column_int64(row, 0)) + 1;
        (void)sqlite3_finalize(row);
        return found;
}

static uint64_t rare_field_since(const struct hwaccl_evidence *evidence, enum hwaccl_field_index field, uint64_t mask,
                                 uint64_t wanted)
{
        char sql[400];
        bool segment = hwaccl_subject_fields[field].offset >= offsetof(struct hwaccl_subject_state, cs) &&
                       hwaccl_subject_fields[field].offset < offsetof(struct hwaccl_subject_state, fs);
        const char *name = hwaccl_subject_fields[field].name;
        const char *table = segment ? "segment_registers" : "system_registers";
        uint64_t found = EVIDENCE_NEVER;

        (void)snprintf(
                sql, sizeof(sql),
                "SELECT min(at) FROM %s WHERE at <= 2 * ?2 + 1 AND at > (SELECT max(at) FROM %s WHERE at BETWEEN "
                "2 * ?1 AND 2 * ?2 + 1 AND %s & ?3 <> ?4)",
                table, table, name);
        sqlite3_stmt *row = evidence_query(evidence, sql);
        if (row && sqlite3_bind_int64(row, 3, (int64_t)mask) == SQLITE_OK &&
            sqlite3_bind_int64(row, 4, (int64_t)wanted) == SQLITE_OK && evidence_row(row) &&
            sqlite3_column_type(row, 0) == SQLITE_INTEGER)
                found = exit_number(sqlite3_column_int64(row, 0) / 2);
        (void)sqlite3_finalize(row);
        return found;
}

uint64_t evidence_bits_since(const struct hwaccl_evidence *evidence, enum hwaccl_field_index field, uint64_t mask,
                             bool *bounded)
{
        const struct evidence_exit *last = hwaccl_evidence_last(evidence);

        *bounded = true;
        if (!last || !hwaccl_known_fields_has(&last->exit_known, field))
                return evidence->first;
        uint64_t wanted = hwaccl_field_get(&last->exit, field) & mask;
        uint64_t since = is_page_field(field) ? page_field_since(evidence, field, mask, wanted)
                                              : rare_field_since(evidence, field, mask, wanted);
        *bounded = since == EVIDENCE_NEVER;
        return *bounded ? evidence->first : since;
}

static bool differs(const struct hwaccl_subject_state *a, const struct hwaccl_known_fields *a_known,
                    const struct hwaccl_subject_state *b, const struct hwaccl_known_fields *b_known,
                    enum hwaccl_field_index field)
{
        return hwaccl_known_fields_has(a_known, field) && hwaccl_known_fields_has(b_known, field) &&
               hwaccl_field_get(a, field) != hwaccl_field_get(b, field);
}

uint64_t evidence_writer(const struct hwaccl_evidence *evidence, enum hwaccl_field_index field, bool *by_handler)
{
        const struct hwaccl_subject_state *later = &evidence->state;
        const struct hwaccl_known_fields *later_known = &evidence->known;

        *by_handler = false;
        for (size_t i = evidence->exit_count; i-- > 0;) {
                const struct evidence_exit *exit = &evidence->exits[i];
                *by_handler = differs(later, later_known, &exit->exit, &exit->exit_known, field);
                if (*by_handler || differs(&exit->exit, &exit->exit_known, &exit->entry, &exit->entry_known, field))
                        return exit->number;
                later = &exit->entry;
                later_known = &exit->entry_known;
        }
        return EVIDENCE_NEVER;
}
