#include "tracer/interpose/kvm_exit_fields.h"

#include <stdio.h>
#include <string.h>

#define UNION offsetof(struct kvm_run, hw)

/* Newer than Debian 12's header. */
#define EXIT_MEMORY_FAULT 39
#define EXIT_TDX          40

#define AT(member)   offsetof(struct kvm_run, member)
#define WIDE(member) sizeof(((struct kvm_run *)0)->member)

#define LEFT(reason, number, member, name)                                                                             \
        {                                                                                                              \
                reason, KVM_EXIT_LEFT, 0, number, 1, WIDE(member), AT(member), 0, name                                 \
        }
#define ANSWERED(reason, number, member, name)                                                                         \
        {                                                                                                              \
                reason, KVM_EXIT_ANSWERED, 0, number, 1, WIDE(member), AT(member), 0, name                             \
        }
#define LEFT_IF(reason, type, number, member, name)                                                                    \
        {                                                                                                              \
                reason, KVM_EXIT_LEFT, type, number, 1, WIDE(member), AT(member), 0, name                              \
        }
#define ANSWERED_IF(reason, type, number, member, name)                                                                \
        {                                                                                                              \
                reason, KVM_EXIT_ANSWERED, type, number, 1, WIDE(member), AT(member), 0, name                          \
        }
/* by their place in the union */
#define LEFT_AT(reason, number, place, name)                                                                           \
        {                                                                                                              \
                reason, KVM_EXIT_LEFT, 0, number, 1, 8, UNION + (place), 0, name                                       \
        }

/* Numbers are recorded and never change meaning: new fields get new ones. names of kind kvm_exit_field in
 * db-schema/0009_vmm.sql are these rows. */
static const struct kvm_exit_field fields[] = {
        LEFT(KVM_EXIT_UNKNOWN, 0, hw.hardware_exit_reason, "hardware_exit_reason"),
        LEFT(KVM_EXIT_EXCEPTION, 0, ex.exception, "exception"),
        LEFT(KVM_EXIT_EXCEPTION, 1, ex.error_code, "error_code"),
        LEFT(KVM_EXIT_HYPERCALL, 0, hypercall.nr, "nr"),
        {KVM_EXIT_HYPERCALL, KVM_EXIT_LEFT, 0, 1, 6, 8, AT(hypercall.args), 0, "args[%u]"},
        LEFT(KVM_EXIT_HYPERCALL, 7, hypercall.longmode, "longmode"), /* flags, since Linux 6.6 */
        ANSWERED(KVM_EXIT_HYPERCALL, 8, hypercall.ret, "ret"),
        LEFT(KVM_EXIT_DEBUG, 0, debug.arch.exception, "exception"),
        LEFT(KVM_EXIT_DEBUG, 1, debug.arch.pc, "pc"),
        LEFT(KVM_EXIT_DEBUG, 2, debug.arch.dr6, "dr6"),
        LEFT(KVM_EXIT_DEBUG, 3, debug.arch.dr7, "dr7"),
        LEFT(KVM_EXIT_FAIL_ENTRY, 0, fail_entry.hardware_entry_failure_reason, "hardware_entry_failure_reason"),
        LEFT(KVM_EXIT_FAIL_ENTRY, 1, fail_entry.cpu, "cpu"),
        LEFT(KVM_EXIT_TPR_ACCESS, 0, tpr_access.rip, "rip"),
        LEFT(KVM_EXIT_TPR_ACCESS, 1, tpr_access.is_write, "is_write"),
        LEFT(KVM_EXIT_INTERNAL_ERROR, 0, internal.suberror, "suberror"),
        LEFT(KVM_EXIT_INTERNAL_ERROR, 1, internal.ndata, "ndata"),
        {KVM_EXIT_INTERNAL_ERROR, KVM_EXIT_LEFT, 0, 2, 16, 8, AT(internal.data), AT(internal.ndata), "data[%u]"},
        LEFT(KVM_EXIT_SYSTEM_EVENT, 0, system_event.type, "type"),
        LEFT(KVM_EXIT_SYSTEM_EVENT, 1, system_event.ndata, "ndata"),
        {KVM_EXIT_SYSTEM_EVENT, KVM_EXIT_LEFT, 0, 2, 16, 8, AT(system_event.data), AT(system_event.ndata), "data[%u]"},
        LEFT(KVM_EXIT_IOAPIC_EOI, 0, eoi.vector, "vector"),
        LEFT(KVM_EXIT_HYPERV, 0, hyperv.type, "type"),
        LEFT_IF(KVM_EXIT_HYPERV, KVM_EXIT_HYPERV_SYNIC, 1, hyperv.u.synic.msr, "synic.msr"),
        LEFT_IF(KVM_EXIT_HYPERV, KVM_EXIT_HYPERV_SYNIC, 2, hyperv.u.synic.control, "synic.control"),
        LEFT_IF(KVM_EXIT_HYPERV, KVM_EXIT_HYPERV_SYNIC, 3, hyperv.u.synic.evt_page, "synic.evt_page"),
        LEFT_IF(KVM_EXIT_HYPERV, KVM_EXIT_HYPERV_SYNIC, 4, hyperv.u.synic.msg_page, "synic.msg_page"),
        LEFT_IF(KVM_EXIT_HYPERV, KVM_EXIT_HYPERV_HCALL, 5, hyperv.u.hcall.input, "hcall.input"),
        {KVM_EXIT_HYPERV, KVM_EXIT_LEFT, KVM_EXIT_HYPERV_HCALL, 6, 2, 8, AT(hyperv.u.hcall.params), 0,
         "hcall.params[%u]"},
        ANSWERED_IF(KVM_EXIT_HYPERV, KVM_EXIT_HYPERV_HCALL, 8, hyperv.u.hcall.result, "hcall.result"),
        LEFT_IF(KVM_EXIT_HYPERV, KVM_EXIT_HYPERV_SYNDBG, 9, hyperv.u.syndbg.msr, "syndbg.msr"),
        LEFT_IF(KVM_EXIT_HYPERV, KVM_EXIT_HYPERV_SYNDBG, 10, hyperv.u.syndbg.control, "syndbg.control"),
        LEFT_IF(KVM_EXIT_HYPERV, KVM_EXIT_HYPERV_SYNDBG, 11, hyperv.u.syndbg.send_page, "syndbg.send_page"),
        LEFT_IF(KVM_EXIT_HYPERV, KVM_EXIT_HYPERV_SYNDBG, 12, hyperv.u.syndbg.recv_page, "syndbg.recv_page"),
        LEFT_IF(KVM_EXIT_HYPERV, KVM_EXIT_HYPERV_SYNDBG, 13, hyperv.u.syndbg.pending_page, "syndbg.pending_page"),
        ANSWERED_IF(KVM_EXIT_HYPERV, KVM_EXIT_HYPERV_SYNDBG, 14, hyperv.u.syndbg.status, "syndbg.status"),
        LEFT(KVM_EXIT_X86_RDMSR, 0, msr.reason, "reason"),
        LEFT(KVM_EXIT_X86_RDMSR, 1, msr.index, "index"),
        ANSWERED(KVM_EXIT_X86_RDMSR, 2, msr.data, "data"),
        ANSWERED(KVM_EXIT_X86_RDMSR, 3, msr.error, "error"),
        LEFT(KVM_EXIT_X86_WRMSR, 0, msr.reason, "reason"),
        LEFT(KVM_EXIT_X86_WRMSR, 1, msr.index, "index"),
        LEFT(KVM_EXIT_X86_WRMSR, 2, msr.data, "data"),
        ANSWERED(KVM_EXIT_X86_WRMSR, 3, msr.error, "error"),
        LEFT(KVM_EXIT_X86_BUS_LOCK, 0, flags, "flags"),
        LEFT(KVM_EXIT_XEN, 0, xen.type, "type"),
        LEFT_IF(KVM_EXIT_XEN, KVM_EXIT_XEN_HCALL, 1, xen.u.hcall.longmode, "hcall.longmode"),
        LEFT_IF(KVM_EXIT_XEN, KVM_EXIT_XEN_HCALL, 2, xen.u.hcall.cpl, "hcall.cpl"),
        LEFT_IF(KVM_EXIT_XEN, KVM_EXIT_XEN_HCALL, 3, xen.u.hcall.input, "hcall.input"),
        {KVM_EXIT_XEN, KVM_EXIT_LEFT, KVM_EXIT_XEN_HCALL, 4, 6, 8, AT(xen.u.hcall.params), 0, "hcall.params[%u]"},
        ANSWERED_IF(KVM_EXIT_XEN, KVM_EXIT_XEN_HCALL, 10, xen.u.hcall.result, "hcall.result"),
        LEFT(KVM_EXIT_NOTIFY, 0, notify.flags, "flags"),
        LEFT_AT(EXIT_MEMORY_FAULT, 0, 0, "flags"),
        LEFT_AT(EXIT_MEMORY_FAULT, 1, 8, "gpa"),
        LEFT_AT(EXIT_MEMORY_FAULT, 2, 16, "size"),
        LEFT_AT(EXIT_TDX, 0, 0, "flags"),
        LEFT_AT(EXIT_TDX, 1, 8, "nr"),
        {EXIT_TDX, KVM_EXIT_LEFT, 0, 2, 5, 8, UNION + 24, 0, "data[%u]"},
        {EXIT_TDX, KVM_EXIT_ANSWERED, 0, 7, 6, 8, UNION + 16, 0, "answer[%u]"}, /* the first one: ret */
};

const struct kvm_exit_field *kvm_exit_fields(size_t *count)
{
        *count = sizeof(fields) / sizeof(fields[0]);
        return fields;
}

bool kvm_exit_has_data(uint32_t reason)
{
        const uint64_t bits =
                UINT64_C(1) << KVM_EXIT_UNKNOWN | UINT64_C(1) << KVM_EXIT_EXCEPTION |
                UINT64_C(1) << KVM_EXIT_HYPERCALL | UINT64_C(1) << KVM_EXIT_DEBUG | UINT64_C(1) << KVM_EXIT_FAIL_ENTRY |
                UINT64_C(1) << KVM_EXIT_TPR_ACCESS | UINT64_C(1) << KVM_EXIT_INTERNAL_ERROR |
                UINT64_C(1) << KVM_EXIT_SYSTEM_EVENT | UINT64_C(1) << KVM_EXIT_IOAPIC_EOI |
                UINT64_C(1) << KVM_EXIT_HYPERV | UINT64_C(1) << KVM_EXIT_X86_RDMSR | UINT64_C(1) << KVM_EXIT_X86_WRMSR |
                UINT64_C(1) << KVM_EXIT_X86_BUS_LOCK | UINT64_C(1) << KVM_EXIT_XEN | UINT64_C(1) << KVM_EXIT_NOTIFY |
                UINT64_C(1) << EXIT_MEMORY_FAULT | UINT64_C(1) << EXIT_TDX;

        return reason < 64 && bits >> reason & 1;
}

static uint32_t word_at(const struct kvm_run *run, size_t offset)
{
        uint32_t word;

        memcpy(&word, (const uint8_t *)run + offset, sizeof(word));
        return word;
}

size_t kvm_exit_values(const struct kvm_run *run, uint32_t reason, enum kvm_exit_side side,
                       struct kvm_exit_value to[static KVM_EXIT_VALUES_MAX])
{
        size_t values = 0;

        for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]) && fields[i].reason <= reason; i++) {
                const struct kvm_exit_field *field = &fields[i];
                unsigned count = field->count;
                if (field->reason != reason || field->side != side ||
                    (field->type && word_at(run, UNION) != field->type))
                        continue;
                if (field->count_offset && word_at(run, field->count_offset) < count)
                        count = word_at(run, field->count_offset);
                for (unsigned k = 0; k < count && values < KVM_EXIT_VALUES_MAX; k++) {
                        struct kvm_exit_value *value = &to[values++];
                        value->address = KVM_EXIT_FIELD_ADDRESS(reason, field->number + k);
                        value->value = 0; /* little endian */
                        memcpy(&value->value, (const uint8_t *)run + field->offset + (size_t)field->width * k,
                               field->width);
                }
        }
        return values;
}

size_t kvm_exit_field_name(const struct kvm_exit_field *field, unsigned index, char *to, size_t room)
{
        const char *place = strchr(field->name, '%');
        int length = place ? snprintf(to, room, "%.*s%u]", (int)(place - field->name), field->name, index)
                           : snprintf(to, room, "%s", field->name);

        return length < 0 ? 0 : (size_t)length;
}
