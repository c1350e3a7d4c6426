/*
 * PCI configuration mechanism #1 (PCI Local Bus Specification 2.1, 3.7.4) of an Intel 440FX board: 82441FX host bridge
 * at 00:00.0 (order number 290549-001), 82371AB PIIX4 at 00:01 (290562-001): ISA bridge in function 0, IDE controller
 * in function 1 when there are disks, power management in function 3. The IDE controller is no bus master and always
 * decodes both channels at their legacy ports; at reset it says so, as firmware would leave it. No function has base
 * address registers. The PAM registers are kept; c0000h-fffffh is RAM regardless of them. The host bridge's subsystem,
 * 1af4:1100, is that of QEMU: firmware looks for fw_cfg where it sees it.
 */
#include "core/machine/devices/pci.h"

#include "core/machine/board/board.h"

#define PORT_ADDRESS 0xcf8u
#define PORT_RESET   0xcf9u
#define PORT_DATA    0xcfcu

#define ADDRESS_ENABLE 0x80000000u
#define ADDRESS_KEPT   0x80fffffcu

#define RESET_KEPT  0x0eu
#define RESET_START 0x04u

#define CONFIG_VENDOR         0x00
#define CONFIG_DEVICE         0x02
#define CONFIG_COMMAND        0x04
#define CONFIG_STATUS         0x06
#define CONFIG_REVISION       0x08
#define CONFIG_CLASS          0x0a /* subclass, class */
#define CONFIG_LATENCY        0x0d
#define CONFIG_HEADER_TYPE    0x0e
#define CONFIG_SUBSYSTEM      0x2c
#define CONFIG_INTERRUPT_LINE 0x3c
#define CONFIG_INTERRUPT_PIN  0x3d
#define CONFIG_OWN            0x40 /* the function's own registers from here on */

/* PIIX4 function 1. */
#define IDE_TIMING_PRIMARY   0x40
#define IDE_TIMING_SECONDARY 0x42
#define IDE_TIMING_DECODE    0x80u /* bit 15 of the word */

/* PIIX4 function 3. */
#define POWER_BASE        0x40
#define POWER_ACTIVITY_B3 0x5b /* device activity B, byte 3 */
#define POWER_MISC        0x80
#define POWER_SMBUS_BASE  0x90
#define BASE_IO           0x01u
#define ACTIVITY_APMC_SMI 0x02u
#define MISC_IO_ENABLE    0x01u

#define VENDOR_INTEL   0x8086
#define HEADER_SEVERAL 0x80 /* several functions */

struct identity {
        uint16_t device;
        uint16_t class_code;
        uint8_t revision;
        uint8_t header_type;
        uint8_t interrupt_pin;
        uint32_t subsystem;
};

static void put_word(uint8_t *config, unsigned offset, unsigned value)
{
        config[offset] = (uint8_t)value;
        config[offset + 1] = (uint8_t)(value >> 8);
}

static void identify(uint8_t *config, const struct identity *identity)
{
        put_word(config, CONFIG_VENDOR, VENDOR_INTEL);
        put_word(config, CONFIG_DEVICE, identity->device);
        put_word(config, CONFIG_COMMAND, 0x0007);
        put_word(config, CONFIG_STATUS, 0x0200); /* DEVSEL timing medium */
        config[CONFIG_REVISION] = identity->revision;
        put_word(config, CONFIG_CLASS, identity->class_code);
        config[CONFIG_HEADER_TYPE] = identity->header_type;
        put_word(config, CONFIG_SUBSYSTEM, identity->subsystem);
        put_word(config, CONFIG_SUBSYSTEM + 2, identity->subsystem >> 16);
        config[CONFIG_INTERRUPT_PIN] = identity->interrupt_pin;
}

/* The configuration space that CONFIG_ADDRESS selects, or NULL: bits 23:16 bus, 15:11 device, 10:8 function. */
static uint8_t *selected(struct hwaccl_pci *pci)
{
        if (!(pci->address & ADDRESS_ENABLE))
                return NULL;
        switch (pci->address >> 8 & 0xffff) {
        case 0x0000: return pci->host_bridge;
        case 0x0008: return pci->isa_bridge;
        case 0x0009: return pci->device.board->disk_count ? pci->ide : NULL;
        case 0x000b: return pci->power;
        default: return NULL;
        }
}

static void map_power(struct hwaccl_pci *pci)
{
        uint16_t base = (uint16_t)((pci->power[POWER_BASE] & 0xc0u) | (unsigned)pci->power[POWER_BASE + 1] << 8);
        hwaccl_acpi_map(pci->acpi, base, pci->power[POWER_MISC] & MISC_IO_ENABLE);
}

void hwaccl_pci_enable_power(struct hwaccl_pci *pci, uint16_t base)
{
        put_word(pci->power, POWER_BASE, base | BASE_IO);
        pci->power[POWER_MISC] |= MISC_IO_ENABLE;
        map_power(pci);
}

/* The bits of a byte that can be written; the rest is fixed. */
static uint8_t writable(const struct hwaccl_pci *pci, const uint8_t *config, unsigned offset)
{
        if (offset < CONFIG_OWN) {
                bool may = offset == CONFIG_COMMAND || offset == CONFIG_COMMAND + 1 || offset == CONFIG_LATENCY ||
                           offset == CONFIG_INTERRUPT_LINE;
                return may ? 0xff : 0;
        }
        if (config != pci->power)
                return 0xff;
        switch (offset) {
        case POWER_BASE: return 0xc0;
        case POWER_SMBUS_BASE: return 0xf0;
        case POWER_BASE + 2:
        case POWER_BASE + 3:
        case POWER_SMBUS_BASE + 2:
        case POWER_SMBUS_BASE + 3: return 0;
        default: return 0xff;
        }
}

static void write_config(struct hwaccl_pci *pci, unsigned offset, uint8_t value)
{
        uint8_t *config = selected(pci);
        if (!config)
                return;
        uint8_t mask = writable(pci, config, offset);
        config[offset] = (uint8_t)((config[offset] & ~mask) | (value & mask));
}

static void write_reset(struct hwaccl_pci *pci, uint8_t value)
{
        bool starts = value & RESET_START && !(pci->reset_control & RESET_START);

        pci->reset_control = value & RESET_KEPT;
        if (starts)
                hwaccl_board_stop(pci->device.board, HWACCL_END_RESET, 0);
}

static uint32_t pci_read(struct hwaccl_device *device, uint16_t port, unsigned size)
{
        struct hwaccl_pci *pci = (struct hwaccl_pci *)device;

        if (port == PORT_ADDRESS && size == 4)
                return pci->address;
        if (port == PORT_RESET && size == 1)
                return pci->reset_control;
        const uint8_t *config = selected(pci);
        if (port < PORT_DATA || !config)
                return UINT32_MAX;
        uint32_t value = 0;
        unsigned offset = (pci->address & 0xfc) + (port & 3);
        for (unsigned i = 0; i < size; i++)
                value |= (uint32_t)config[offset + i] << (i * 8);
        return value;
}

static void pci_write(struct hwaccl_device *device, uint16_t port, unsigned size, uint32_t value)
{
        struct hwaccl_pci *pci = (struct hwaccl_pci *)device;

        if (port == PORT_ADDRESS && size == 4)
                pci->address = value & ADDRESS_KEPT;
        else if (port == PORT_RESET && size == 1)
                write_reset(pci, (uint8_t)value);
        if (port < PORT_DATA)
                return;
        for (unsigned i = 0; i < size; i++)
                write_config(pci, (pci->address & 0xfc) + (port & 3) + i, (uint8_t)(value >> (i * 8)));
        if (selected(pci) == pci->power)
                map_power(pci);
}

static bool pci_valid(const struct hwaccl_device *device, struct hwaccl_error *error)
{
        const struct hwaccl_pci *pci = (const struct hwaccl_pci *)device;

        if (pci->address & ~ADDRESS_KEPT || pci->reset_control & ~RESET_KEPT)
                return hwaccl_error_set(error, "port cf8h or cf9h has reserved bits set");
        return true;
}

static void pci_restored(struct hwaccl_device *device)
{
        map_power((struct hwaccl_pci *)device);
}

static const struct hwaccl_device_field pci_fields[] = {
        HWACCL_DEVICE_FIELD(struct hwaccl_pci, address),     HWACCL_DEVICE_FIELD(struct hwaccl_pci, reset_control),
        HWACCL_DEVICE_FIELD(struct hwaccl_pci, host_bridge), HWACCL_DEVICE_FIELD(struct hwaccl_pci, isa_bridge),
        HWACCL_DEVICE_FIELD(struct hwaccl_pci, power),       HWACCL_DEVICE_FIELD(struct hwaccl_pci, ide),
};

static const struct hwaccl_device_ops pci_ops = {
        .name = "pci",
        .size = sizeof(struct hwaccl_pci),
        .fields = pci_fields,
        .field_count = sizeof(pci_fields) / sizeof(pci_fields[0]),
        .port_read = pci_read,
        .port_write = pci_write,
        .valid = pci_valid,
        .restored = pci_restored,
};

void hwaccl_pci_init(struct hwaccl_pci *pci, struct hwaccl_acpi *acpi, struct hwaccl_board *board)
{
        pci->acpi = acpi;
        identify(pci->host_bridge, &(struct identity){0x1237, 0x0600, 2, 0, 0, 0x11001af4});
        identify(pci->isa_bridge, &(struct identity){0x7110, 0x0601, 1, HEADER_SEVERAL, 0, 0});
        identify(pci->power, &(struct identity){0x7113, 0x0680, 3, 0, 1, 0});
        identify(pci->ide, &(struct identity){0x7111, 0x0101, 1, 0, 0, 0});
        pci->ide[IDE_TIMING_PRIMARY + 1] = IDE_TIMING_DECODE;
        pci->ide[IDE_TIMING_SECONDARY + 1] = IDE_TIMING_DECODE;
        pci->power[POWER_BASE] = BASE_IO;
        pci->power[POWER_SMBUS_BASE] = BASE_IO;
        /* Reports SMIs as already set up, because there is no system management mode. */
        pci->power[POWER_ACTIVITY_B3] = ACTIVITY_APMC_SMI;
        hwaccl_board_add_device(board, &pci->device, &pci_ops);
        hwaccl_bus_claim_ports(&board->bus, &pci->device, PORT_ADDRESS, 8);
}
