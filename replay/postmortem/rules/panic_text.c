/* What software prints when it gives up: a hint, with the exit at which it was printed. */
#include "replay/postmortem/rules.h"

#include <string.h>

static const struct {
        const char *text, *origin;
} texts[] = {
        {"Kernel panic - not syncing", "Linux: panic()"},
        {"Oops:", "Linux: a fault in the kernel"},
        {"BUG: unable to handle", "Linux: a page fault in the kernel"},
        {"kernel BUG at", "Linux: BUG()"},
        {"VFS: Unable to mount root", "Linux: the root file system is not found"},
        {"No working init found", "Linux: no init in the root file system"},
        {"IO-APIC + timer doesn't work", "Linux: the timer's interrupt does not arrive"},
        {"Fatal trap", "FreeBSD: a fault in the kernel"},
        {"panic: ", "a BSD kernel: panic()"},
        {"mountroot>", "FreeBSD: the root file system is not found"},
        {"fatal page fault in supervisor mode", "NetBSD: a fault in the kernel"},
        {"uvm_fault(", "OpenBSD or NetBSD: a page fault in the kernel"},
        {"ddb>", "a BSD kernel: in its debugger"},
        {"Panic on CPU", "Xen: panic()"},
        {"FATAL TRAP:", "Xen: a fault in the hypervisor"},
        {"Reboot in five seconds", "Xen: after a panic"},
        {"error: no such device", "GRUB: a device is not found"},
        {"error: file `", "GRUB: a file is not found"},
        {"grub rescue>", "GRUB: its modules are not found"},
        {"No bootable device", "SeaBIOS: nothing to boot from"},
        {"Boot failed:", "SeaBIOS: a device cannot be booted"},
        {"ASSERT_EFI_ERROR", "EDK2: an assertion"},
        {"!!!! X64 Exception Type", "EDK2: an exception"},
        {"!!!! IA32 Exception Type", "EDK2: an exception"},
        {"ASSERT [", "EDK2: an assertion"},
};

static const char *origin_of(const char *line)
{
        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
                if (strstr(line, texts[i].text))
                        return texts[i].origin;
        return NULL;
}

/* After a panic nothing but its registers and calls is printed; of other texts the software may have gone on. */
static bool is_final(const char *line)
{
        return strstr(line, "Kernel panic - not syncing") || strstr(line, "Panic on CPU");
}

static void evaluate(const struct hwaccl_evidence *evidence, struct hwaccl_finding *finding)
{
        for (size_t i = 0; i < evidence->line_count; i++) {
                const struct evidence_line *line = &evidence->line[i];
                const char *origin = origin_of(line->text);
                if (!origin || (i < hwaccl_evidence_shown(evidence) && !is_final(line->text)))
                        continue;
                if (!finding->weight)
                        finding_title(finding, WEIGHT_LIKELY - 5, JUDGEMENT_FAILED, line->exit,
                                      "the guest printed that it gives up (%s): %s", origin, line->text);
                finding_fact(finding, line->exit, "%s: %s", origin, line->text);
        }
}

const struct hwaccl_rule hwaccl_rule_panic_text = {
        .id = "panic-text",
        .title = "the guest printed that it gives up",
        .source = "the texts of Linux, the BSDs, Xen, GRUB, SeaBIOS and EDK2",
        .evaluate = evaluate,
};
