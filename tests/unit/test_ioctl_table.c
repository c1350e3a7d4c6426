/* The table of KVM's requests against the system's header, and what is captured of arguments. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tracer/interpose/ioctl_capture.h"

#include <ctype.h>
#include <errno.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define HEADER "/usr/include/linux/kvm.h"

/* Names of requests that x86 does not have: of other processors, by what their names begin with or are. */
static bool is_of_others(const char *name)
{
        static const char *const others[] = {"KVM_S390_",     "KVM_PPC_",          "KVM_ARM_",   "KVM_ALLOCATE_RMA",
                                             "KVM_DIRTY_TLB", "KVM_CREATE_SPAPR_", "KVM_RISCV_", "KVM_LOONGARCH_"};

        for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
                if (strncmp(name, others[i], strlen(others[i])) == 0)
                        return true;
        return false;
}

static const struct ioctl_entry *find_name(const char *name)
{
        size_t count;
        const struct ioctl_entry *rows = ioctl_table(&count);

        for (size_t i = 0; i < count; i++)
                if (strcmp(rows[i].name, name) == 0)
                        return &rows[i];
        return NULL;
}

static void every_request_of_the_header_has_a_row(void **state)
{
        char line[512], name[80], rest[80];
        unsigned found = 0;
        FILE *header = fopen(HEADER, "r");

        (void)state;
        assert_non_null(header);
        while (fgets(line, sizeof(line), header)) {
                if (sscanf(line, "#define %79s %79s", name, rest) != 2 || strncmp(name, "KVM_", 4) != 0 ||
                    is_of_others(name))
                        continue;
                if (rest[0] == '\\' && !fgets(rest, sizeof(rest), header))
                        break;
                const char *value = rest + strspn(rest, " \t");
                if (strncmp(value, "_IO", 3) != 0 && strncmp(value, "__KVM_DEPRECATED", 16) != 0)
                        continue;
                if (!find_name(name))
                        fail_msg("%s: no row in the table", name);
                found++;
        }
        (void)fclose(header);
        assert_true(found > 100);
}

static void check_spans(const struct ioctl_entry *row, const struct ioctl_span *spans, unsigned count, size_t size)
{
        for (unsigned i = 0; i < count; i++) {
                const struct ioctl_span *span = &spans[i];
                if (span->size == 0 || span->offset + (size_t)span->size > size ||
                    (span->kind == IOCTL_SPAN_POINTER && span->size != 8) ||
                    (span->kind == IOCTL_SPAN_DESCRIPTOR && span->size != 4) ||
                    (span->conditional && span->condition + 4u > size))
                        fail_msg("%s: bytes %u to %u of %zu", row->name, span->offset, span->offset + span->size, size);
        }
}

static void rows_are_in_order_and_have_the_size_of_their_request(void **state)
{
        size_t count;
        const struct ioctl_entry *rows = ioctl_table(&count);

        (void)state;
        for (size_t i = 0; i < count; i++) {
                const struct ioctl_entry *row = &rows[i];
                assert_ptr_equal(ioctl_describe(row->request), row);
                assert_true(i == 0 || _IOC_NR(rows[i - 1].request) <= _IOC_NR(row->request));
                assert_true(row->roles != 0);
                assert_int_equal(row->size == 0, row->direction == IOCTL_VALUE);
                assert_false(row->array && row->memory);
                assert_true(!row->overwritten || row->direction == IOCTL_INOUT);
                /* two whose number says something else than they take */
                if (row->request != KVM_MEMORY_ENCRYPT_OP && row->request != KVM_REINJECT_CONTROL &&
                    row->size != _IOC_SIZE(row->request))
                        fail_msg("%s: %u bytes in the table, %u in its number", row->name, row->size,
                                 _IOC_SIZE(row->request));
                check_spans(row, row->spans, row->span_count, row->size);
                if (row->array)
                        check_spans(row, row->array->spans, row->array->span_count, row->array->element_size);
        }
}

static void newer_requests_are_known_by_number(void **state)
{
        static const uint32_t numbers[] = {0x40a0ae49, 0x4020aed2, 0xc040aed4, 0xc040aed5, 0x8140aecc, 0x9000aecf};
        static const char *const names[] = {"KVM_SET_USER_MEMORY_REGION2",
                                            "KVM_SET_MEMORY_ATTRIBUTES",
                                            "KVM_CREATE_GUEST_MEMFD",
                                            "KVM_PRE_FAULT_MEMORY",
                                            "KVM_GET_SREGS2",
                                            "KVM_GET_XSAVE2"};

        (void)state;
        for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
                const struct ioctl_entry *row = ioctl_describe(numbers[i]);
                if (!row)
                        fail_msg("%s: not known by %#x", names[i], numbers[i]);
                assert_string_equal(row->name, names[i]);
        }
        assert_null(ioctl_describe(0xc040aeff));
        assert_null(ioctl_describe(0));
}

static uint8_t bytes[65536];

static struct ioctl_captured capture(unsigned long request, const void *argument, bool after, bool success)
{
        const struct ioctl_call call = {.entry = ioctl_describe((uint32_t)request),
                                        .role = IOCTL_VCPU,
                                        .argument = argument,
                                        .after = after,
                                        .success = success};

        memset(bytes, 0x55, sizeof(bytes));
        errno = EDOM;
        const struct ioctl_captured captured = ioctl_capture(&call, bytes, sizeof(bytes));
        assert_int_equal(errno, EDOM);
        return captured;
}

static void padding_and_pointers_are_masked(void **state)
{
        struct kvm_userspace_memory_region region = {.slot = 1, .memory_size = 4096, .userspace_addr = 0x7f1234567000},
                                           taken;
        struct kvm_sregs2 sregs;

        (void)state;
        assert_int_equal(capture(KVM_SET_USER_MEMORY_REGION, &region, true, true).size, sizeof(region));
        memcpy(&taken, bytes, sizeof(taken));
        assert_int_equal(taken.userspace_addr, 1);
        assert_int_equal(taken.memory_size, 4096);

        memset(&sregs, 0xff, sizeof(sregs));
        sregs.flags = 0;
        assert_int_equal(capture(KVM_GET_SREGS2, &sregs, true, true).size, sizeof(sregs));
        memcpy(&sregs, bytes, sizeof(sregs));
        assert_int_equal(sregs.cs.padding, 0);
        assert_int_equal(sregs.ldt.unusable, 0xff);
        assert_int_equal(sregs.idt.padding[2], 0);
        assert_int_equal(sregs.pdptrs[3], 0); /* the flags say that they mean nothing */
        sregs.flags = KVM_SREGS2_FLAGS_PDPTRS_VALID;
        sregs.pdptrs[3] = 5;
        (void)capture(KVM_SET_SREGS2, &sregs, true, true);
        memcpy(&sregs, bytes, sizeof(sregs));
        assert_int_equal(sregs.pdptrs[3], 5);
}

static void an_array_has_as_many_elements_as_the_argument_says(void **state)
{
        struct {
                uint32_t nmsrs, pad;
                struct kvm_msr_entry entry[256]; /* all that is looked at in the end */
        } msrs = {.nmsrs = 2, .pad = 7, .entry = {{.index = 1, .reserved = 9}, {.index = 2}, {.index = 3}}};
        struct {
                uint32_t nent, padding;
                struct kvm_cpuid_entry2 entry[2];
        } cpuid = {.nent = 2};

        (void)state;
        assert_int_equal(capture(KVM_SET_MSRS, &msrs, true, true).size, 8 + 2 * 16);
        assert_memory_equal(bytes, (&(const uint64_t[]){2, 1, 0, 2, 0}), 40);
        assert_int_equal(capture(KVM_GET_SUPPORTED_CPUID, &cpuid, false, false).size,
                         8); /* the kernel writes the rest */
        assert_int_equal(capture(KVM_GET_SUPPORTED_CPUID, &cpuid, true, true).size, 8 + 2 * 40);
        assert_int_equal(capture(KVM_GET_SUPPORTED_CPUID, &cpuid, true, false).size, 8);
        msrs.nmsrs = UINT32_MAX; /* what no kernel takes: no more than it would */
        assert_int_equal(capture(KVM_SET_MSRS, &msrs, true, false).whole, 8 + 256 * 16);
}

static void memory_behind_pointers_follows_the_argument(void **state)
{
        static uint64_t bitmap[2] = {5, 6};
        struct kvm_clear_dirty_log log = {.slot = 1, .num_pages = 65, .dirty_bitmap = bitmap};
        struct kvm_msr_filter filter = {.flags = KVM_MSR_FILTER_DEFAULT_DENY};
        uint64_t offset = 77;
        struct kvm_device_attr attribute = {
                .group = KVM_VCPU_TSC_CTRL, .attr = KVM_VCPU_TSC_OFFSET, .addr = (uintptr_t)&offset};
        struct ioctl_captured_memory header;

        (void)state;
        assert_int_equal(capture(KVM_CLEAR_DIRTY_LOG, &log, true, true).size, sizeof(log) + sizeof(header) + 16);
        memcpy(&header, bytes + sizeof(log), sizeof(header));
        assert_int_equal(header.pointer, offsetof(struct kvm_clear_dirty_log, dirty_bitmap));
        assert_int_equal(header.size, 16);
        assert_memory_equal(bytes + sizeof(log) + sizeof(header), bitmap, 16);

        filter.ranges[3] = (struct kvm_msr_filter_range){.flags = 1, .nmsrs = 64, .bitmap = (void *)&bitmap[1]};
        assert_int_equal(capture(KVM_X86_SET_MSR_FILTER, &filter, true, true).size,
                         sizeof(filter) + sizeof(header) + 8);
        memcpy(&header, bytes + sizeof(filter), sizeof(header));
        assert_int_equal(header.pointer, offsetof(struct kvm_msr_filter, ranges[3].bitmap));
        assert_int_equal(bytes[sizeof(filter) + sizeof(header)], 6);

        assert_int_equal(capture(KVM_SET_DEVICE_ATTR, &attribute, true, true).size,
                         sizeof(attribute) + sizeof(header) + 8);
        assert_int_equal(bytes[sizeof(attribute) + sizeof(header)], 77);
        assert_int_equal(capture(KVM_GET_DEVICE_ATTR, &attribute, true, false).size, sizeof(attribute));
        attribute.attr = 99; /* none that is known */
        assert_int_equal(capture(KVM_SET_DEVICE_ATTR, &attribute, true, true).size, sizeof(attribute));
        assert_int_equal(ioctl_argument_size(ioctl_describe(KVM_SET_DEVICE_ATTR), sizeof(attribute) + 16),
                         sizeof(attribute));
}

/* The kernel fails such calls with EFAULT; a program that makes them goes on. */
static void bad_pointers_are_not_followed(void **state)
{
        uint8_t *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        struct kvm_clear_dirty_log log = {.num_pages = 64};

        (void)state;
        assert_ptr_not_equal(pages, MAP_FAILED);
        assert_int_equal(munmap(pages + 4096, 4096), 0);
        uint8_t *edge = pages + 4096 - 8;
        assert_int_equal(capture(KVM_SET_REGS, edge, true, false).size, 0);
        assert_int_equal(capture(KVM_SET_REGS, edge, true, false).whole, sizeof(struct kvm_regs));
        assert_int_equal(capture(KVM_IRQ_LINE_STATUS, edge + 4, false, false).size, 0);
        assert_int_equal(capture(KVM_IRQ_LINE_STATUS, edge, false, false).size, 8);
        edge[0] = 200; /* an array that does not fit */
        assert_int_equal(capture(KVM_SET_MSRS, edge, true, false).size, 8);
        assert_int_equal(capture(KVM_SET_MSRS, edge, true, false).whole, 8 + 200 * 16);
        assert_int_equal(capture(KVM_SET_REGS, (void *)1, true, false).size, 0);
        assert_int_equal(capture(KVM_SET_REGS, NULL, true, false).size, 0);
        assert_int_equal(capture(KVM_SET_SIGNAL_MASK, NULL, true, true).size, 0); /* KVM takes NULL */
        assert_int_equal(capture(KVM_MEMORY_ENCRYPT_OP, NULL, true, true).size, 0);
        log.dirty_bitmap = edge + 4;
        assert_int_equal(capture(KVM_CLEAR_DIRTY_LOG, &log, true, false).size, sizeof(log));
        assert_int_equal(capture(KVM_CLEAR_DIRTY_LOG, &log, true, false).whole,
                         sizeof(log) + sizeof(struct ioctl_captured_memory) + 8);
        assert_int_equal(munmap(pages, 4096), 0);
}

static void a_filtered_process_makes_no_system_call_for_it(void **state)
{
        static struct kvm_irq_level elsewhere = {.irq = 4, .level = 1};
        /* A local variable would not be on the stack where AddressSanitizer keeps those elsewhere. */
        struct kvm_irq_level *here = __builtin_alloca(sizeof(*here));

        (void)state;
        *here = elsewhere;
        assert_int_equal(capture(KVM_IRQ_LINE_STATUS, &elsewhere, false, false).size, 8);
        memory_note_filter();
        assert_int_equal(capture(KVM_IRQ_LINE_STATUS, &elsewhere, false, false).size, 0);
        assert_int_equal(capture(KVM_IRQ_LINE_STATUS, &elsewhere, true, true).size, 8);
        assert_int_equal(capture(KVM_IRQ_LINE_STATUS, here, false, false).size, 8);
        assert_int_equal(bytes[0], 4);
}

static void what_does_not_fit_is_said(void **state)
{
        struct kvm_regs regs = {.rax = 1};
        const struct ioctl_call call = {
                .entry = ioctl_describe(KVM_SET_REGS), .argument = &regs, .after = true, .success = true};
        struct ioctl_captured captured = ioctl_capture(&call, bytes, sizeof(regs) - 1);

        (void)state;
        assert_int_equal(captured.size, 0);
        assert_int_equal(captured.whole, sizeof(regs));
        assert_int_equal(capture(KVM_RUN, &regs, true, true).whole, 0);
        assert_int_equal(capture(0xc040aeff, &regs, true, true).whole, 0);
}

static void the_extended_state_is_as_large_as_kvm_says(void **state)
{
        static uint8_t area[8192];

        (void)state;
        assert_int_equal(capture(KVM_GET_XSAVE2, area, true, true).size, 4096);
        ioctl_note_xsave_size(8000);
        area[7999] = 3;
        assert_int_equal(capture(KVM_GET_XSAVE2, area, true, true).size, 8000);
        assert_int_equal(bytes[7999], 3);
        assert_int_equal(capture(KVM_GET_XSAVE, area, true, true).size, 4096);
        ioctl_note_xsave_size(0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_request_of_the_header_has_a_row),
                cmocka_unit_test(rows_are_in_order_and_have_the_size_of_their_request),
                cmocka_unit_test(newer_requests_are_known_by_number),
                cmocka_unit_test(padding_and_pointers_are_masked),
                cmocka_unit_test(an_array_has_as_many_elements_as_the_argument_says),
                cmocka_unit_test(memory_behind_pointers_follows_the_argument),
                cmocka_unit_test(bad_pointers_are_not_followed),
                cmocka_unit_test(what_does_not_fit_is_said),
                cmocka_unit_test(the_extended_state_is_as_large_as_kvm_says),
                cmocka_unit_test(a_filtered_process_makes_no_system_call_for_it), /* the last: it stays so */
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
