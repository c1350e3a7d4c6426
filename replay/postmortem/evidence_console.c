/* The last lines that the guest printed. */
#include "replay/postmortem/evidence.h"
#include "replay/postmortem/evidence_internal.h"
#include "replay/postmortem/evidence_query.h"

#include "core/text.h"
#include "tracer/ring/exit_id.h"

#include <string.h>

#define LOOK_BACK 8000 /* effects: enough characters for the lines */

struct collector {
        struct evidence_line line[HWACCL_CHANNEL_COUNT]; /* of each channel: the one that is being printed */
        size_t size[HWACCL_CHANNEL_COUNT];
};

static void end_line(struct hwaccl_evidence *evidence, struct collector *collector, unsigned channel)
{
        struct evidence_line *line = &collector->line[channel];

        if (collector->size[channel] == 0)
                return;
        line->text[collector->size[channel]] = '\0';
        line->channel = (enum hwaccl_channel)channel;
        hwaccl_text_make_safe(line->text);
        if (evidence->line_count == EVIDENCE_LINES)
                memmove(evidence->line, evidence->line + 1, --evidence->line_count * sizeof(evidence->line[0]));
        evidence->line[evidence->line_count++] = *line;
        collector->size[channel] = 0;
}

static void add_character(struct hwaccl_evidence *evidence, struct collector *collector, unsigned channel,
                          uint64_t exit, char character)
{
        struct evidence_line *line = &collector->line[channel];

        if (character == '\n') {
                end_line(evidence, collector, channel);
                return;
        }
        if (character == '\r' || collector->size[channel] + 1 >= sizeof(line->text))
                return;
        line->text[collector->size[channel]++] = character;
        line->exit = exit;
}

#define LINE_CONTROL 256  /* in the place of a channel: the serial port's line control register */
#define DIVISOR      0x80 /* in that: the data port is the divisor's (PC16550D, DLAB) */

static void read_lines(struct hwaccl_evidence *evidence, const char *sql)
{
        struct collector collector = {.size = {0}};
        sqlite3_stmt *row = evidence_query(evidence, sql);
        bool divisor = false;

        if (row && sqlite3_bind_int64(row, 3, LOOK_BACK) != SQLITE_OK) {
                (void)sqlite3_finalize(row);
                return;
        }
        while (evidence_row(row)) {
                int64_t channel = sqlite3_column_int64(row, 1);
                const char *data = sqlite3_column_blob(row, 2);
                int size = sqlite3_column_bytes(row, 2);
                if (channel == LINE_CONTROL && size > 0)
                        divisor = (data[size - 1] & DIVISOR) != 0;
                if (channel < 0 || channel >= HWACCL_CHANNEL_COUNT || !data ||
                    (divisor && channel == HWACCL_CHANNEL_SERIAL))
                        continue;
                evidence->printed = true;
                for (int i = 0; i < size; i++)
                        add_character(evidence, &collector, (unsigned)channel,
                                      exit_number(sqlite3_column_int64(row, 0)), data[i]);
        }
        (void)sqlite3_finalize(row);
        for (unsigned channel = 0; channel < HWACCL_CHANNEL_COUNT; channel++)
                end_line(evidence, &collector, channel);
}

void evidence_read_console(struct hwaccl_evidence *evidence)
{
        static const char printed[] =
                "SELECT exit, address, data FROM (SELECT exit, sequence, address, data FROM effect "
                "WHERE exit BETWEEN ?1 AND ?2 AND kind = 1 ORDER BY exit DESC, sequence DESC LIMIT ?3) "
                "ORDER BY exit, sequence";
        /* What was written to the ports where a PC has its first serial port, and hypervisors a log. */
        static const char written[] =
                "SELECT exit, CASE address WHEN 1016 THEN 0 WHEN 1026 THEN 1 WHEN 233 THEN 2 ELSE 256 END, data FROM "
                "(SELECT exit, sequence, address, data FROM input WHERE exit BETWEEN max(?1, ?2 - 1000000) AND ?2 AND "
                "kind = 10 AND address IN (1016, 1019, 1026, 233) ORDER BY exit DESC, sequence DESC LIMIT ?3) "
                "ORDER BY exit, sequence";

        read_lines(evidence, printed);
        if (!evidence->printed && evidence->info->vmm)
                read_lines(evidence, written);
}
