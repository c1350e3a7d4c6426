/* Places and instructions in words, and what stands where in guest-physical memory. */
#include "replay/postmortem/evidence.h"
#include "replay/postmortem/evidence_internal.h"
#include "replay/postmortem/words/words.h"

#include "core/exit/emulate/emulator.h"
#include "core/exit/registers.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RFLAGS_VM  UINT64_C(0x20000)
#define FOUR_GIB   (UINT64_C(1) << 32)
#define LOCAL_APIC UINT64_C(0xfee00000)
#define IO_APIC    UINT64_C(0xfec00000)
#define PAGE       UINT64_C(4096)

bool evidence_real_mode(const struct hwaccl_subject_state *state)
{
        return !(state->cr0 & HWACCL_CR0_PE) || (state->rflags & RFLAGS_VM);
}

unsigned evidence_code_bits(const struct hwaccl_subject_state *state)
{
        const struct hwaccl_known_fields all = hwaccl_known_fields_all();

        return hwaccl_mode_code_bits(state, &all);
}

uint64_t evidence_linear_rip(const struct hwaccl_subject_state *state)
{
        if (evidence_code_bits(state) == 64)
                return state->rip;
        return (state->cs.base + state->rip) & UINT32_MAX;
}

void evidence_place(const struct hwaccl_subject_state *state, const struct hwaccl_known_fields *known, char *text,
                    size_t room)
{
        if (!hwaccl_known_fields_has(known, HWACCL_FIELD_INDEX_rip))
                (void)snprintf(text, room, "an unknown address");
        else if (!hwaccl_known_fields_has(known, HWACCL_FIELD_INDEX_cs_selector) || evidence_code_bits(state) == 64)
                (void)snprintf(text, room, "%" PRIx64 "h", state->rip);
        else
                (void)snprintf(text, room, "%04" PRIx64 ":%04" PRIx64 "h", state->cs.selector & 0xffff, state->rip);
}

void evidence_instruction(const struct evidence_exit *exit, char *text, size_t room)
{
        text[0] = '\0';
        if (exit->code_size)
                hwaccl_instruction_disassemble(exit->code, exit->code_size, exit->exit.rip,
                                               evidence_code_bits(&exit->exit), text, room);
}

void evidence_at(const struct evidence_exit *exit, char *text, size_t room)
{
        char place[64], instruction[96];

        evidence_place(&exit->exit, &exit->exit_known, place, sizeof(place));
        evidence_instruction(exit, instruction, sizeof(instruction));
        (void)snprintf(text, room, "%s%s%s%s", place, *instruction ? " (" : "", instruction, *instruction ? ")" : "");
}

static void add_image(struct hwaccl_evidence *evidence, const char *what, const char *name, uint64_t address,
                      uint64_t size)
{
        if (evidence->image_count == EVIDENCE_IMAGES || size == 0)
                return;
        struct evidence_image *image = &evidence->image[evidence->image_count++];
        const char *slash = strrchr(name, '/');
        (void)snprintf(image->name, sizeof(image->name), "%s%.40s", what, slash ? slash + 1 : name);
        image->address = address;
        image->size = size;
}

static uint64_t number_option(const struct hwaccl_evidence *evidence, const char *name)
{
        const char *value = NULL;

        if (!hwaccl_recording_option(evidence->recording, name, &value, NULL) || !value)
                return 0;
        return strtoull(value, NULL, 10);
}

void evidence_read_memory_map(struct hwaccl_evidence *evidence)
{
        uint64_t count = number_option(evidence, "raw_count");

        evidence->memory_size = number_option(evidence, "memory_size");
        evidence->firmware_size = number_option(evidence, "firmware_size");
        for (unsigned i = 0; i < count && i < EVIDENCE_IMAGES; i++) {
                char name[32];
                const char *file = NULL;
                (void)snprintf(name, sizeof(name), "raw_%u", i);
                (void)hwaccl_recording_option(evidence->recording, name, &file, NULL);
                char address[48], size[48];
                (void)snprintf(address, sizeof(address), "%s_address", name);
                (void)snprintf(size, sizeof(size), "%s_size", name);
                add_image(evidence, "image ", file ? file : "", number_option(evidence, address),
                          number_option(evidence, size));
        }
}

const char *evidence_region(const struct hwaccl_evidence *evidence, uint64_t address)
{
        uint64_t firmware = evidence->firmware_size;

        for (size_t i = 0; i < evidence->image_count; i++)
                if (address - evidence->image[i].address < evidence->image[i].size)
                        return evidence->image[i].name;
        if (address < FOUR_GIB && address >= FOUR_GIB - firmware)
                return "the firmware";
        if (address - LOCAL_APIC < PAGE)
                return "the local APIC's registers";
        if (address - IO_APIC < PAGE)
                return "the I/O APIC's registers";
        if (address >= 0xa0000 && address < 0xc0000)
                return "no memory: the legacy VGA range, a0000h to bffffh";
        if (address >= 0xc0000 && address < 0xe0000)
                return "the option-ROM area, c0000h to dffffh";
        if (address >= 0xe0000 && address < 0x100000)
                return firmware ? "the BIOS area, e0000h to fffffh" : "the BIOS area, e0000h to fffffh, without a BIOS";
        if (evidence->memory_size == 0)
                return "memory";
        return address < evidence->memory_size ? "RAM outside every image" : "no memory: above the guest's RAM";
}

bool evidence_is_loaded(const struct hwaccl_evidence *evidence, uint64_t address)
{
        uint64_t firmware = evidence->firmware_size;
        uint64_t low_copy = firmware < 0x20000 ? firmware : 0x20000;

        for (size_t i = 0; i < evidence->image_count; i++)
                if (address - evidence->image[i].address < evidence->image[i].size)
                        return true;
        return address < FOUR_GIB &&
               (address >= FOUR_GIB - firmware || (address < 0x100000 && address >= 0x100000 - low_copy));
}
