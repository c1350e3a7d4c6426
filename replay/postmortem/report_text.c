/* The report as text. */
#include "replay/postmortem/report.h"

#include "replay/postmortem/evidence_memory.h"
#include "replay/postmortem/unusual.h"
#include "replay/postmortem/vmm_mark.h"
#include "replay/postmortem/words/words.h"

#include <inttypes.h>

#define LAST_EXITS     8
#define COMMON_FACTS   6 /* of a finding that is not the first */
#define REGISTER_WIDTH 16

static void print_exit(uint64_t exit, FILE *stream)
{
        if (exit == EVIDENCE_NEVER)
                (void)fprintf(stream, "  %12s  ", "");
        else
                (void)fprintf(stream, "  exit %7" PRIu64 "  ", exit);
}

static void print_facts(const struct hwaccl_finding *finding, size_t limit, FILE *stream)
{
        for (size_t i = 0; i < finding->fact_count && i < limit; i++) {
                const struct hwaccl_fact *fact = &finding->fact[i];
                print_exit(fact->exit, stream);
                (void)fprintf(stream, "%s%s\n", fact->guess ? "guess: " : "", fact->text);
        }
}

static void print_findings(const struct hwaccl_report *report, FILE *stream)
{
        const struct hwaccl_finding *first = &report->finding[0];

        if (report->vcpu_count > 1)
                (void)fprintf(stream, "vCPU %" PRIu32 ": ", report->evidence->vcpu);
        (void)fprintf(stream, "%s\n", first->title);
        (void)fprintf(stream, "\nHow it came to that (rule %s):\n", first->rule->id);
        print_facts(first, FINDING_FACTS, stream);
        if (first->advice_count) {
                (void)fprintf(stream, "\nWhat to look at:\n");
                for (size_t i = 0; i < first->advice_count; i++)
                        (void)fprintf(stream, "  - %s\n", first->advice[i]);
        }
        for (size_t i = 1; i < report->finding_count; i++) {
                (void)fprintf(stream, "\nAlso (rule %s): %s\n", report->finding[i].rule->id, report->finding[i].title);
                print_facts(&report->finding[i], COMMON_FACTS, stream);
        }
}

static void print_changed(const struct hwaccl_evidence *evidence, const struct hwaccl_report_register *shown,
                          FILE *stream)
{
        (void)fprintf(stream, "  %-13s %0*" PRIx64, shown->name, (int)shown->width * 2, shown->value);
        (void)fprintf(stream, "%*s", (int)(REGISTER_WIDTH - shown->width * 2) + 2, "");
        if (shown->by_handler)
                (void)fprintf(stream, "handling of exit %" PRIu64 "\n", shown->exit);
        else if (shown->exit == evidence->first)
                (void)fprintf(stream, "the guest, before exit %" PRIu64 "\n", shown->exit);
        else
                (void)fprintf(stream, "the guest, between exits %" PRIu64 " and %" PRIu64 "\n", shown->exit - 1,
                              shown->exit);
}

/* Those that changed among the last exits, each with who changed it; the others after them. */
static void print_registers(const struct hwaccl_evidence *evidence, FILE *stream)
{
        struct hwaccl_report_register shown;
        unsigned others = 0;
        bool attached = vmm_is_attached(evidence); /* then it is not known what the exits before had */

        (void)fprintf(stream,
                      attached ? "\nRegisters at the end:\n" : "\nRegisters at the end, and who changed them last:\n");
        for (unsigned field = 0; field < HWACCL_FIELD_COUNT; field++)
                if (hwaccl_report_register(evidence, (enum hwaccl_field_index)field, &shown) &&
                    shown.exit != EVIDENCE_NEVER)
                        print_changed(evidence, &shown, stream);
        for (unsigned field = 0; field < HWACCL_FIELD_COUNT; field++) {
                if (!hwaccl_report_register(evidence, (enum hwaccl_field_index)field, &shown) ||
                    shown.exit != EVIDENCE_NEVER)
                        continue;
                if (others == 0 && attached)
                        (void)fprintf(stream, "As the kernel's events say:\n");
                else if (others == 0 && evidence->exit_count > 1)
                        (void)fprintf(stream, "Unchanged in the last %zu exits:\n", evidence->exit_count);
                else if (others == 0)
                        (void)fprintf(stream, "Unchanged:\n");
                (void)fprintf(stream, "  %-13s %16" PRIx64 "%s", shown.name, shown.value, others % 3 == 2 ? "\n" : "");
                others++;
        }
        if (others % 3)
                (void)fprintf(stream, "\n");
}

/* Of our own board it is known what is there. */
static const char *device_name(const struct hwaccl_evidence *evidence, const struct evidence_access *access)
{
        const bool port = access->kind == ACCESS_PORT;
        const char *owner = port ? evidence_port_owner(evidence, (uint16_t)access->address)
                                 : evidence_memory_owner(evidence, access->address);
        const char *usual =
                port ? hwaccl_port_name((uint16_t)access->address) : hwaccl_device_memory_name(access->address);

        if (owner && !*owner)
                return "no device";
        return usual ? usual : owner;
}

/* ", writes 29h to port 3f8h (COM1)" */
static void print_access(const struct hwaccl_evidence *evidence, size_t index, FILE *stream)
{
        const struct evidence_access access = evidence_access(evidence, index);

        if (access.kind == ACCESS_NONE)
                return;
        (void)fprintf(stream, ", %s", access.fetch ? "fetches" : access.write ? "writes" : "reads");
        if (access.value_known)
                (void)fprintf(stream, " %" PRIx64 "h", access.value);
        const char *place = access.kind == ACCESS_PORT ? "port " : access.kind == ACCESS_MSR ? "MSR " : "";
        (void)fprintf(stream, " %s %s%" PRIx64 "h", access.write ? "to" : "from", place, access.address);
        const char *name = access.kind == ACCESS_MSR ? NULL : device_name(evidence, &access);
        if (name)
                (void)fprintf(stream, " (%s)", name);
}

static void print_last_exits(const struct hwaccl_evidence *evidence, FILE *stream)
{
        size_t begin = evidence->exit_count > LAST_EXITS ? evidence->exit_count - LAST_EXITS : 0;

        (void)fprintf(stream, "\nLast exits:\n");
        for (size_t i = begin; i < evidence->exit_count; i++) {
                const struct evidence_exit *exit = &evidence->exits[i];
                const char *reason = hwaccl_exit_reason_name(evidence_reason(exit));
                char at[160];
                evidence_at(exit, at, sizeof(at));
                print_exit(exit->number, stream);
                (void)fprintf(stream, "%s at %s", reason ? reason : "unknown exit", at);
                print_access(evidence, i, stream);
                if (exit->offered)
                        (void)fprintf(stream, "; vector %02xh offered%s", exit->vector,
                                      !exit->settled ? ""
                                      : exit->taken  ? ", taken"
                                                     : ", returned");
                (void)fprintf(stream, "\n");
        }
}

static void print_code(const struct hwaccl_evidence *evidence, FILE *stream)
{
        struct hwaccl_code code;
        struct hwaccl_code_line line[HWACCL_CODE_LINES];

        if (!evidence_code(evidence, &evidence->state, &code))
                return;
        size_t count = hwaccl_code_disassemble(&code, evidence->state.rip, evidence_code_bits(&evidence->state), line);
        (void)fprintf(stream, "\nCode at RIP, from the memory at the end:\n");
        for (size_t i = 0; i < count; i++)
                (void)fprintf(stream, "  %s %8" PRIx64 "  %s\n", line[i].at ? "->" : "  ", line[i].address,
                              line[i].text);
}

static void print_backtrace(const struct hwaccl_evidence *evidence, FILE *stream)
{
        struct evidence_frame frame[EVIDENCE_FRAMES];
        size_t count = evidence_backtrace(evidence, &evidence->state, frame);

        if (count)
                (void)fprintf(stream, "\nBacktrace, from the stack at %" PRIx64 "h:\n", evidence->state.rsp);
        for (size_t i = 0; i < count; i++)
                (void)fprintf(stream, "  %s%" PRIx64 "h, at stack %" PRIx64 "h\n", frame[i].guess ? "guess: " : "",
                              frame[i].address, frame[i].stack);
}

static void print_console(const struct hwaccl_evidence *evidence, FILE *stream)
{
        if (evidence->line_count == 0) {
                (void)fprintf(stream, "\nThe guest printed nothing.\n");
                return;
        }
        (void)fprintf(stream, "\nLast lines printed:\n");
        for (size_t i = hwaccl_evidence_shown(evidence); i < evidence->line_count; i++) {
                print_exit(evidence->line[i].exit, stream);
                (void)fprintf(stream, "%s\n", evidence->line[i].text);
        }
}

static void print_unusual(const struct hwaccl_evidence *evidence, FILE *stream)
{
        struct hwaccl_unusual_exits unusual;
        char text[256];

        hwaccl_find_unusual(evidence, &unusual);
        if (unusual.count)
                (void)fprintf(stream,
                              "\nUnusual in the last %" PRIu64 " exits, against those before exit %" PRIu64 ":\n",
                              unusual.exits, unusual.before_end);
        for (size_t i = 0; i < unusual.count; i++) {
                hwaccl_unusual_text(&unusual.item[i], text, sizeof(text));
                print_exit(unusual.item[i].first, stream);
                (void)fprintf(stream, "%s\n", text);
        }
}

static void print_ledger(const struct hwaccl_evidence *evidence, FILE *stream)
{
        struct hwaccl_report_event event[REPORT_LEDGER_MAX];
        size_t count = hwaccl_report_ledger(evidence, event);

        for (size_t i = 0; i < count; i++) {
                if (i == 0)
                        (void)fprintf(stream, "\nInterrupts:\n");
                print_exit(event[i].exit, stream);
                (void)fprintf(stream, "%s\n", event[i].text);
        }
}

static void print_vcpus(const struct hwaccl_report *report, FILE *stream)
{
        if (report->vcpu_count < 2)
                return;
        (void)fprintf(stream, "\nVirtual CPUs, and the last exit of each:\n");
        for (size_t i = 0; i < report->vcpu_count; i++) {
                const struct hwaccl_report_vcpu *vcpu = &report->vcpu[i];
                print_exit(vcpu->exit, stream);
                (void)fprintf(stream, "vCPU %" PRIu32 ": ", vcpu->number);
                if (vcpu->exit == EVIDENCE_NEVER)
                        (void)fprintf(stream, "it made no exit\n");
                else
                        (void)fprintf(stream, "%s at %s, %" PRIu64 " ms before the last exit of all\n",
                                      vcpu->reason ? vcpu->reason : "unknown exit", vcpu->place,
                                      vcpu->silent_ns / 1000000);
                if (vcpu->number != report->evidence->vcpu)
                        (void)fprintf(stream, "                %s\n", vcpu->title);
        }
}

void hwaccl_report_print(const struct hwaccl_report *report, FILE *stream)
{
        const struct hwaccl_evidence *evidence = report->evidence;
        const char *more;

        print_findings(report, stream);
        print_vcpus(report, stream);
        if (evidence->exit_count) {
                print_last_exits(evidence, stream);
                print_ledger(evidence, stream);
                print_registers(evidence, stream);
                print_code(evidence, stream);
                print_backtrace(evidence, stream);
        }
        print_console(evidence, stream);
        print_unusual(evidence, stream);
        for (size_t i = 0; (more = hwaccl_report_more(evidence, i)) != NULL; i++)
                (void)fprintf(stream, "%s  - %s\n", i == 0 ? "\nWhat would tell more:\n" : "", more);
}
