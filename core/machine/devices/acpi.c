/*
 * Intel 82371AB PIIX4 power management (datasheet 290562-001, chapter 7; ACPI specification 1.0b, 4.7): a block of 64
 * ports where PCI function 3 maps it, the APM ports b2h and b3h, the SCI on line 9. Of the sleep states only S5, soft
 * off, is there; the others are ignored.
 */
#include "core/machine/devices/acpi.h"

#include "core/machine/board/board.h"
#include "core/machine/board/clock.h"
#include "core/machine/board/ports.h"

#define SCI_LINE   9u
#define TIMER_HZ   UINT64_C(3579545)
#define TIMER_BITS 24
#define APM_PORT   0xb2u
#define APM_PORTS  2u

#define PM1_STATUS  0x00
#define PM1_ENABLE  0x02
#define PM1_CONTROL 0x04
#define PM_TIMER    0x08
#define PM_OTHER    0x0c

#define STATUS_TIMER    0x0001u
#define STATUS_WRITABLE 0x8d31u /* cleared by writing 1 */
#define ENABLE_KEPT     0x0521u
#define CONTROL_SCI     0x0001u
#define CONTROL_KEPT    0x1c07u
#define CONTROL_SLEEP   0x2000u /* write-only */
#define SLEEP_TYPE(x)   ((x) >> 10 & 7u)
#define SLEEP_SOFT_OFF  0u

#define APM_ACPI_DISABLE 0xf0u
#define APM_ACPI_ENABLE  0xf1u

static uint64_t now_tick(const struct hwaccl_acpi *acpi)
{
        return hwaccl_clock_ticks(hwaccl_host_clock(acpi->device.board->host), TIMER_HZ);
}

static void update_line(struct hwaccl_acpi *acpi)
{
        bool event = acpi->pm1_status & acpi->pm1_enable && acpi->pm1_control & CONTROL_SCI;
        hwaccl_board_set_irq_line(acpi->device.board, SCI_LINE, event);
}

/* The status bit is set whenever the timer's highest bit changes. */
static void synchronize(struct hwaccl_acpi *acpi)
{
        uint64_t now = now_tick(acpi);

        if (now >> (TIMER_BITS - 1) != acpi->synchronized >> (TIMER_BITS - 1))
                acpi->pm1_status |= STATUS_TIMER;
        acpi->synchronized = now;
        hwaccl_board_deadline_changed(acpi->device.board);
        update_line(acpi);
}

static uint32_t register_at(struct hwaccl_acpi *acpi, unsigned offset)
{
        switch (offset & ~1u) {
        case PM1_STATUS: return acpi->pm1_status;
        case PM1_ENABLE: return acpi->pm1_enable;
        case PM1_CONTROL: return acpi->pm1_control;
        default: return 0;
        }
}

static uint8_t read_byte(struct hwaccl_device *device, uint16_t port)
{
        struct hwaccl_acpi *acpi = (struct hwaccl_acpi *)device;

        if (port == APM_PORT)
                return acpi->apm_control;
        if (port == APM_PORT + 1)
                return acpi->apm_status;
        unsigned offset = port % HWACCL_ACPI_PORT_COUNT;
        if (offset >= PM_OTHER)
                return acpi->latch[offset];
        if (offset >= PM_TIMER)
                return (uint8_t)((now_tick(acpi) & ((1u << TIMER_BITS) - 1)) >> (offset - PM_TIMER) * 8);
        synchronize(acpi);
        return (uint8_t)(register_at(acpi, offset) >> (offset & 1) * 8);
}

static uint32_t acpi_read(struct hwaccl_device *device, uint16_t port, unsigned size)
{
        return hwaccl_ports_read(device, port, size, read_byte);
}

/* One byte of a 16-bit register. */
static void put_byte(uint16_t *value, unsigned offset, uint8_t byte, uint16_t kept)
{
        unsigned shift = (offset & 1) * 8;
        *value = (uint16_t)(((*value & ~(0xffu << shift)) | (unsigned)byte << shift) & kept);
}

static void write_event(struct hwaccl_acpi *acpi, unsigned offset, uint8_t value)
{
        uint16_t wide = (uint16_t)(value << (offset & 1) * 8);

        synchronize(acpi);
        switch (offset & ~1u) {
        case PM1_STATUS: acpi->pm1_status &= (uint16_t) ~(wide & STATUS_WRITABLE); break;
        case PM1_ENABLE: put_byte(&acpi->pm1_enable, offset, value, ENABLE_KEPT); break;
        case PM1_CONTROL:
                put_byte(&acpi->pm1_control, offset, value, CONTROL_KEPT);
                if (wide & CONTROL_SLEEP && SLEEP_TYPE(wide) == SLEEP_SOFT_OFF)
                        hwaccl_board_stop(acpi->device.board, HWACCL_END_POWER_OFF, 0);
                break;
        default: break; /* the timer is read-only */
        }
        update_line(acpi);
        hwaccl_board_deadline_changed(acpi->device.board);
}

/* On a board with system management mode its handler would do this. */
static void write_apm_control(struct hwaccl_acpi *acpi, uint8_t value)
{
        acpi->apm_control = value;
        if (value == APM_ACPI_ENABLE)
                acpi->pm1_control |= CONTROL_SCI;
        else if (value == APM_ACPI_DISABLE)
                acpi->pm1_control &= (uint16_t)~CONTROL_SCI;
        else
                return;
        synchronize(acpi);
        hwaccl_board_deadline_changed(acpi->device.board);
}

static void write_byte(struct hwaccl_device *device, uint16_t port, uint8_t value)
{
        struct hwaccl_acpi *acpi = (struct hwaccl_acpi *)device;
        unsigned offset = port % HWACCL_ACPI_PORT_COUNT;

        if (port == APM_PORT)
                write_apm_control(acpi, value);
        else if (port == APM_PORT + 1)
                acpi->apm_status = value;
        else if (offset >= PM_OTHER)
                acpi->latch[offset] = value;
        else
                write_event(acpi, offset, value);
}

static void acpi_write(struct hwaccl_device *device, uint16_t port, unsigned size, uint32_t value)
{
        hwaccl_ports_write(device, port, size, value, write_byte);
}

void hwaccl_acpi_map(struct hwaccl_acpi *acpi, uint16_t base, bool enabled)
{
        struct hwaccl_bus *bus = &acpi->device.board->bus;

        if (acpi->mapped == enabled && acpi->base == base)
                return;
        if (acpi->mapped)
                hwaccl_bus_unmap_ports(bus, &acpi->device, acpi->base, HWACCL_ACPI_PORT_COUNT);
        if (enabled)
                hwaccl_bus_map_ports(bus, &acpi->device, base, HWACCL_ACPI_PORT_COUNT);
        acpi->mapped = enabled;
        acpi->base = base;
}

static void acpi_advance(struct hwaccl_device *device)
{
        synchronize((struct hwaccl_acpi *)device);
}

static uint64_t acpi_deadline(const struct hwaccl_device *device)
{
        const struct hwaccl_acpi *acpi = (const struct hwaccl_acpi *)device;

        if (!(acpi->pm1_control & CONTROL_SCI) || !(acpi->pm1_enable & STATUS_TIMER) || acpi->pm1_status & STATUS_TIMER)
                return UINT64_MAX;
        uint64_t half = acpi->synchronized >> (TIMER_BITS - 1);
        return hwaccl_clock_tick_ns((half + 1) << (TIMER_BITS - 1), TIMER_HZ);
}

static bool acpi_valid(const struct hwaccl_device *device, struct hwaccl_error *error)
{
        const struct hwaccl_acpi *acpi = (const struct hwaccl_acpi *)device;

        if (acpi->pm1_status & ~STATUS_WRITABLE || acpi->pm1_enable & ~ENABLE_KEPT ||
            acpi->pm1_control & ~CONTROL_KEPT || acpi->synchronized > INT64_MAX / 2)
                return hwaccl_error_set(error, "a register has reserved bits set");
        return true;
}

static void acpi_restored(struct hwaccl_device *device)
{
        hwaccl_board_deadline_changed(device->board);
}

static const struct hwaccl_device_field acpi_fields[] = {
        HWACCL_DEVICE_FIELD(struct hwaccl_acpi, pm1_status),   HWACCL_DEVICE_FIELD(struct hwaccl_acpi, pm1_enable),
        HWACCL_DEVICE_FIELD(struct hwaccl_acpi, pm1_control),  HWACCL_DEVICE_FIELD(struct hwaccl_acpi, apm_control),
        HWACCL_DEVICE_FIELD(struct hwaccl_acpi, apm_status),   HWACCL_DEVICE_FIELD(struct hwaccl_acpi, latch),
        HWACCL_DEVICE_FIELD(struct hwaccl_acpi, synchronized),
};

static const struct hwaccl_device_ops acpi_ops = {
        .name = "acpi",
        .size = sizeof(struct hwaccl_acpi),
        .fields = acpi_fields,
        .field_count = sizeof(acpi_fields) / sizeof(acpi_fields[0]),
        .port_read = acpi_read,
        .port_write = acpi_write,
        .advance = acpi_advance,
        .deadline = acpi_deadline,
        .valid = acpi_valid,
        .restored = acpi_restored,
};

void hwaccl_acpi_init(struct hwaccl_acpi *acpi, struct hwaccl_board *board)
{
        hwaccl_board_add_timed_device(board, &acpi->device, &acpi_ops, SCI_LINE);
        hwaccl_bus_claim_ports(&board->bus, &acpi->device, APM_PORT, APM_PORTS);
}
