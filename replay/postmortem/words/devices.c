/* Where the devices of a PC are, by convention or by QEMU's boards: a VMM that is not ours may have others there. */
#include "replay/postmortem/words/words.h"

struct place {
        uint64_t first, last;
        const char *name;
};

/* A place within another one comes before it. */
static const struct place ports[] = {
        {0x00, 0x1f, "DMA controller"},
        {0x20, 0x21, "8259 #1"},
        {0x40, 0x43, "8254 timer"},
        {0x61, 0x61, "system control port B"},
        {0x60, 0x64, "keyboard controller"},
        {0x70, 0x71, "RTC"},
        {0x80, 0x80, "POST code"},
        {0x81, 0x8f, "DMA page registers"},
        {0x92, 0x92, "system control port A"},
        {0xa0, 0xa1, "8259 #2"},
        {0xb2, 0xb3, "APM control, SMI"},
        {0xc0, 0xdf, "DMA controller"},
        {0xe9, 0xe9, "debug console"},
        {0x170, 0x177, "IDE 2"},
        {0x376, 0x376, "IDE 2"},
        {0x1f0, 0x1f7, "IDE 1"},
        {0x3f6, 0x3f6, "IDE 1"},
        {0x1ce, 0x1d0, "VBE"},
        {0x278, 0x27f, "LPT2"},
        {0x378, 0x37f, "LPT1"},
        {0x2e8, 0x2ef, "COM4"},
        {0x2f8, 0x2ff, "COM2"},
        {0x3e8, 0x3ef, "COM3"},
        {0x3f8, 0x3ff, "COM1"},
        {0x3b0, 0x3bb, "VGA"},
        {0x3c0, 0x3df, "VGA"},
        {0x3f0, 0x3f7, "floppy"},
        {0x402, 0x402, "firmware's debug console"},
        {0x4d0, 0x4d1, "8259 edge/level control"},
        {0x510, 0x51b, "fw_cfg"},
        {0x600, 0x67f, "ACPI power management"},
        {0xae00, 0xafff, "ACPI hot-plug"},
        {0xcf9, 0xcf9, "reset control"},
        {0xcf8, 0xcff, "PCI configuration"},
};

static const struct place memory[] = {
        {0xa0000, 0xbffff, "VGA memory"},     {0xb0000000, 0xbfffffff, "PCI configuration"},
        {0xfec00000, 0xfec00fff, "I/O APIC"}, {0xfed00000, 0xfed003ff, "HPET"},
        {0xfed40000, 0xfed44fff, "TPM"},      {0xfee00000, 0xfee00fff, "local APIC"},
};

static const char *find(const struct place *places, size_t count, uint64_t address)
{
        for (size_t i = 0; i < count; i++)
                if (address >= places[i].first && address <= places[i].last)
                        return places[i].name;
        return NULL;
}

const char *hwaccl_port_name(uint16_t port)
{
        return find(ports, sizeof(ports) / sizeof(ports[0]), port);
}

const char *hwaccl_device_memory_name(uint64_t address)
{
        return find(memory, sizeof(memory) / sizeof(memory[0]), address);
}
