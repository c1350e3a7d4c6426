/* The fields of exits in struct kvm_run, against the system's header. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tracer/interpose/kvm_exit_fields.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEADER "/usr/include/linux/kvm.h"

/* Without data, or with data of another kind. */
static bool has_none(unsigned reason)
{
        static const unsigned none[] = {KVM_EXIT_IO,
                                        KVM_EXIT_MMIO,
                                        KVM_EXIT_HLT,
                                        KVM_EXIT_SHUTDOWN,
                                        KVM_EXIT_INTR,
                                        KVM_EXIT_IRQ_WINDOW_OPEN,
                                        KVM_EXIT_SET_TPR,
                                        KVM_EXIT_DIRTY_RING_FULL,
                                        KVM_EXIT_AP_RESET_HOLD,
                                        KVM_EXIT_NMI};

        for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
                if (none[i] == reason)
                        return true;
        return false;
}

/* Of other processors, or values of a field. */
static bool is_of_others(const char *name)
{
        static const char *const others[] = {"S390_", "DCR",    "OSI",        "PAPR_HCALL", "WATCHDOG", "EPR",
                                             "ARM_",  "RISCV_", "LOONGARCH_", "IO_",        "HYPERV_",  "XEN_"};

        for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
                if (strncmp(name, others[i], strlen(others[i])) == 0)
                        return true;
        return false;
}

static FILE *open_header(void)
{
        FILE *header = fopen(HEADER, "r");

        assert_non_null(header);
        return header;
}

/* The number of KVM_EXIT_@name; -1: none, or of another processor */
static int number_of(const char *name)
{
        char line[512], other[80];
        int number, found = -1;
        FILE *header = is_of_others(name) ? NULL : open_header();

        while (header && fgets(line, sizeof(line), header))
                if (sscanf(line, "#define KVM_EXIT_%79s %d", other, &number) == 2 && strcmp(other, name) == 0)
                        found = number;
        if (header)
                (void)fclose(header);
        return found;
}

static bool has_field(unsigned reason, const char *name)
{
        size_t count;
        const struct kvm_exit_field *field = kvm_exit_fields(&count);
        const size_t length = strlen(name);

        for (size_t i = 0; i < count; i++) {
                const char *part = strrchr(field[i].name, '.');
                part = part ? part + 1 : field[i].name;
                if (field[i].reason == reason && strncmp(part, name, length) == 0 &&
                    (part[length] == '\0' || part[length] == '['))
                        return true;
        }
        return false;
}

static void every_reason_of_the_header_has_rows(void **state)
{
        char line[512], name[80];
        int number;
        unsigned found = 0;
        FILE *header = open_header();
        size_t count;
        const struct kvm_exit_field *field = kvm_exit_fields(&count);

        (void)state;
        while (fgets(line, sizeof(line), header)) {
                if (sscanf(line, "#define KVM_EXIT_%79s %d", name, &number) != 2 || is_of_others(name))
                        continue;
                bool there = false;
                for (size_t i = 0; i < count; i++)
                        there |= field[i].reason == (unsigned)number;
                if (there == has_none((unsigned)number) || there != kvm_exit_has_data((uint32_t)number))
                        fail_msg("KVM_EXIT_%s", name);
                found++;
        }
        (void)fclose(header);
        assert_true(found >= 25);
        for (size_t i = 1; i < count; i++)
                assert_true(field[i].reason >= field[i - 1].reason);
}

/* Fields that are others' too: the flags of a system event are its first data. */
static bool is_covered(unsigned reason, const char *name)
{
        return strncmp(name, "pad", 3) == 0 || strncmp(name, "reserved", 8) == 0 ||
               (reason == KVM_EXIT_SYSTEM_EVENT && strcmp(name, "flags") == 0);
}

/* What a comment in the header says of the next member: "KVM_EXIT_X86_RDMSR / KVM_EXIT_X86_WRMSR". How many. */
static unsigned take_comment(const char *line, int reason[2])
{
        unsigned count = 0;

        for (const char *at = strstr(line, "KVM_EXIT_"); at && count < 2; at = strstr(at, "KVM_EXIT_")) {
                char name[80];
                at += strlen("KVM_EXIT_");
                if (sscanf(at, "%79[A-Z0-9_]", name) == 1)
                        reason[count++] = number_of(name);
        }
        return count;
}

static unsigned expect_fields(const char *line, const int reason[2], unsigned reasons)
{
        char name[80];
        unsigned bits, found = 0;

        if (sscanf(line, " __u%u %79[a-z0-9_]", &bits, name) != 2)
                return 0;
        for (unsigned i = 0; i < reasons; i++) {
                if (reason[i] < 0 || has_none((unsigned)reason[i]) || is_covered((unsigned)reason[i], name))
                        continue;
                if (!has_field((unsigned)reason[i], name))
                        fail_msg("KVM exit %d: %s", reason[i], name);
                found++;
        }
        return found;
}

static void every_member_of_the_header_has_a_row(void **state)
{
        char line[512];
        int reason[2];
        unsigned reasons = 0, found = 0;
        FILE *header = open_header();
        bool in_run = false;

        (void)state;
        while (fgets(line, sizeof(line), header)) {
                if (strncmp(line, "struct kvm_run {", 16) == 0)
                        in_run = true;
                if (strncmp(line, "struct kvm_hyperv_exit {", 24) == 0)
                        reasons = 1, reason[0] = KVM_EXIT_HYPERV;
                if (strncmp(line, "struct kvm_xen_exit {", 21) == 0)
                        reasons = 1, reason[0] = KVM_EXIT_XEN;
                if (in_run && strstr(line, "/* KVM_EXIT_"))
                        reasons = take_comment(line, reason);
                found += expect_fields(line, reason, reasons);
                if (line[0] == '}' || (in_run && strncmp(line, "\t\t}", 3) == 0))
                        reasons = 0;
                if (line[0] == '}')
                        in_run = false;
        }
        (void)fclose(header);
        assert_true(found >= 45);
}

static void rows_lie_in_the_union_and_do_not_overlap(void **state)
{
        size_t count;
        const struct kvm_exit_field *field = kvm_exit_fields(&count);
        static bool taken[64][256];

        (void)state;
        for (size_t i = 0; i < count; i++) {
                const size_t end = field[i].offset + (size_t)field[i].width * field[i].count;
                assert_true(field[i].width <= 8 && field[i].reason < 64 && field[i].count > 0);
                assert_true(end <= offsetof(struct kvm_run, padding) + sizeof(((struct kvm_run *)0)->padding));
                for (unsigned k = 0; k < field[i].count; k++) {
                        assert_false(taken[field[i].reason][field[i].number + k]);
                        taken[field[i].reason][field[i].number + k] = true;
                }
        }
}

static struct kvm_run run;
static struct kvm_exit_value value[KVM_EXIT_VALUES_MAX];

static void expect(uint32_t reason, enum kvm_exit_side side, const uint64_t *expected, size_t count)
{
        assert_int_equal(kvm_exit_values(&run, reason, side, value), count);
        for (size_t i = 0; i < count; i++) {
                if (value[i].value != expected[i])
                        fail_msg("KVM exit %u, value %zu: %llx, expected %llx", reason, i,
                                 (unsigned long long)value[i].value, (unsigned long long)expected[i]);
                assert_int_equal(value[i].address >> 8, reason);
        }
}

#define EXPECT(reason, side, ...)                                                                                      \
        do {                                                                                                           \
                const uint64_t expected[] = {__VA_ARGS__};                                                             \
                expect(reason, side, expected, sizeof(expected) / sizeof(expected[0]));                                \
        } while (0)

static void fill(void)
{
        for (size_t i = 0; i < sizeof(run); i++)
                ((uint8_t *)&run)[i] = (uint8_t)(i * 7 + 3);
}

/* Each member by its name in the header. */
static void values_are_those_of_the_members(void **state)
{
        (void)state;
        fill();
        EXPECT(KVM_EXIT_UNKNOWN, KVM_EXIT_LEFT, run.hw.hardware_exit_reason);
        EXPECT(KVM_EXIT_EXCEPTION, KVM_EXIT_LEFT, run.ex.exception, run.ex.error_code);
        EXPECT(KVM_EXIT_HYPERCALL, KVM_EXIT_LEFT, run.hypercall.nr, run.hypercall.args[0], run.hypercall.args[1],
               run.hypercall.args[2], run.hypercall.args[3], run.hypercall.args[4], run.hypercall.args[5],
               run.hypercall.longmode);
        EXPECT(KVM_EXIT_HYPERCALL, KVM_EXIT_ANSWERED, run.hypercall.ret);
        EXPECT(KVM_EXIT_DEBUG, KVM_EXIT_LEFT, run.debug.arch.exception, run.debug.arch.pc, run.debug.arch.dr6,
               run.debug.arch.dr7);
        EXPECT(KVM_EXIT_FAIL_ENTRY, KVM_EXIT_LEFT, run.fail_entry.hardware_entry_failure_reason, run.fail_entry.cpu);
        EXPECT(KVM_EXIT_TPR_ACCESS, KVM_EXIT_LEFT, run.tpr_access.rip, run.tpr_access.is_write);
        EXPECT(KVM_EXIT_IOAPIC_EOI, KVM_EXIT_LEFT, run.eoi.vector);
        EXPECT(KVM_EXIT_X86_RDMSR, KVM_EXIT_LEFT, run.msr.reason, run.msr.index);
        EXPECT(KVM_EXIT_X86_RDMSR, KVM_EXIT_ANSWERED, run.msr.data, run.msr.error);
        EXPECT(KVM_EXIT_X86_WRMSR, KVM_EXIT_LEFT, run.msr.reason, run.msr.index, run.msr.data);
        EXPECT(KVM_EXIT_X86_WRMSR, KVM_EXIT_ANSWERED, run.msr.error);
        EXPECT(KVM_EXIT_X86_BUS_LOCK, KVM_EXIT_LEFT, run.flags);
        EXPECT(KVM_EXIT_NOTIFY, KVM_EXIT_LEFT, run.notify.flags);
        uint64_t words[9];
        memcpy(words, &run.hw, sizeof(words));
        EXPECT(39, KVM_EXIT_LEFT, words[0], words[1], words[2]);
        EXPECT(40, KVM_EXIT_LEFT, words[0], words[1], words[3], words[4], words[5], words[6], words[7]);
        EXPECT(40, KVM_EXIT_ANSWERED, words[2], words[3], words[4], words[5], words[6], words[7]);
        assert_int_equal(kvm_exit_values(&run, KVM_EXIT_IO, KVM_EXIT_LEFT, value), 0);
        assert_int_equal(kvm_exit_values(&run, 63, KVM_EXIT_LEFT, value), 0);
        assert_false(kvm_exit_has_data(UINT32_MAX));
}

static void data_is_as_long_as_it_says(void **state)
{
        (void)state;
        fill();
        run.internal.ndata = 2;
        EXPECT(KVM_EXIT_INTERNAL_ERROR, KVM_EXIT_LEFT, run.internal.suberror, 2, run.internal.data[0],
               run.internal.data[1]);
        run.system_event.ndata = 0;
        EXPECT(KVM_EXIT_SYSTEM_EVENT, KVM_EXIT_LEFT, run.system_event.type, 0);
        run.system_event.ndata = 1;
        EXPECT(KVM_EXIT_SYSTEM_EVENT, KVM_EXIT_LEFT, run.system_event.type, 1, run.system_event.data[0]);
        run.internal.ndata = UINT32_MAX;
        assert_int_equal(kvm_exit_values(&run, KVM_EXIT_INTERNAL_ERROR, KVM_EXIT_LEFT, value), 18);
        assert_int_equal(value[17].value, run.internal.data[15]);
}

static void fields_of_one_type_only(void **state)
{
        (void)state;
        fill();
        run.hyperv.type = KVM_EXIT_HYPERV_SYNIC;
        EXPECT(KVM_EXIT_HYPERV, KVM_EXIT_LEFT, KVM_EXIT_HYPERV_SYNIC, run.hyperv.u.synic.msr,
               run.hyperv.u.synic.control, run.hyperv.u.synic.evt_page, run.hyperv.u.synic.msg_page);
        assert_int_equal(kvm_exit_values(&run, KVM_EXIT_HYPERV, KVM_EXIT_ANSWERED, value), 0);
        run.hyperv.type = KVM_EXIT_HYPERV_HCALL;
        EXPECT(KVM_EXIT_HYPERV, KVM_EXIT_LEFT, KVM_EXIT_HYPERV_HCALL, run.hyperv.u.hcall.input,
               run.hyperv.u.hcall.params[0], run.hyperv.u.hcall.params[1]);
        EXPECT(KVM_EXIT_HYPERV, KVM_EXIT_ANSWERED, run.hyperv.u.hcall.result);
        run.hyperv.type = KVM_EXIT_HYPERV_SYNDBG;
        EXPECT(KVM_EXIT_HYPERV, KVM_EXIT_LEFT, KVM_EXIT_HYPERV_SYNDBG, run.hyperv.u.syndbg.msr,
               run.hyperv.u.syndbg.control, run.hyperv.u.syndbg.send_page, run.hyperv.u.syndbg.recv_page,
               run.hyperv.u.syndbg.pending_page);
        EXPECT(KVM_EXIT_HYPERV, KVM_EXIT_ANSWERED, run.hyperv.u.syndbg.status);
        run.xen.type = KVM_EXIT_XEN_HCALL;
        EXPECT(KVM_EXIT_XEN, KVM_EXIT_LEFT, KVM_EXIT_XEN_HCALL, run.xen.u.hcall.longmode, run.xen.u.hcall.cpl,
               run.xen.u.hcall.input, run.xen.u.hcall.params[0], run.xen.u.hcall.params[1], run.xen.u.hcall.params[2],
               run.xen.u.hcall.params[3], run.xen.u.hcall.params[4], run.xen.u.hcall.params[5]);
        EXPECT(KVM_EXIT_XEN, KVM_EXIT_ANSWERED, run.xen.u.hcall.result);
        run.xen.type = 77;
        EXPECT(KVM_EXIT_XEN, KVM_EXIT_LEFT, 77);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_reason_of_the_header_has_rows),
                cmocka_unit_test(every_member_of_the_header_has_a_row),
                cmocka_unit_test(rows_lie_in_the_union_and_do_not_overlap),
                cmocka_unit_test(values_are_those_of_the_members),
                cmocka_unit_test(data_is_as_long_as_it_says),
                cmocka_unit_test(fields_of_one_type_only),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
