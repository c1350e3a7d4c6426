/*
 * National Semiconductor PC16550D UART with FIFOs (datasheet TL/C/8652, June 1995) at 3f8h, line 4. Characters take no
 * time: the transmitter is always empty, and the character time-out has always passed. Typed characters are read from
 * the console when the guest polls (LSR without data, RBR emptied), after an exit for an external interrupt, and at the
 * end of a wait of the halted guest.
 */
#include "core/machine/devices/uart.h"

#include "core/machine/board/board.h"
#include "core/machine/board/ports.h"

#include <string.h>

#define UART_BASE  0x3f8u
#define UART_PORTS 8u

enum uart_register { RBR_THR = 0, IER = 1, IIR_FCR = 2, LCR = 3, MCR = 4, LSR = 5, MSR = 6, SCR = 7 };

#define IER_RECEIVED    0x01u
#define IER_TRANSMITTER 0x02u
#define IER_LINE        0x04u
#define IER_MODEM       0x08u

#define IIR_NONE        0x01u
#define IIR_MODEM       0x00u
#define IIR_TRANSMITTER 0x02u
#define IIR_RECEIVED    0x04u
#define IIR_LINE        0x06u
#define IIR_TIMEOUT     0x0cu
#define IIR_FIFOS       0xc0u

#define FCR_ENABLE 0x01u
#define FCR_CLEAR  0x02u
#define FCR_KEPT   0xc9u

#define LCR_DIVISOR 0x80u

#define MCR_OUT2     0x08u
#define MCR_LOOPBACK 0x10u

#define LSR_DATA        0x01u
#define LSR_OVERRUN     0x02u
#define LSR_TRANSMITTER 0x60u /* holding register and shift register empty */

#define MSR_RING      0x40u
#define MSR_CONNECTED 0xb0u /* CTS, DSR and DCD: the console is always there */

static bool fifos_enabled(const struct hwaccl_uart *uart)
{
        return uart->fcr & FCR_ENABLE;
}

static unsigned depth(const struct hwaccl_uart *uart)
{
        return fifos_enabled(uart) ? HWACCL_UART_FIFO_SIZE : 1;
}

static unsigned trigger_level(const struct hwaccl_uart *uart)
{
        static const uint8_t level[4] = {1, 4, 8, 14};
        return fifos_enabled(uart) ? level[uart->fcr >> 6] : 1;
}

/* Interrupt identification without the FIFO bits: the enabled source of highest priority (datasheet, table IV). */
static uint8_t identify(const struct hwaccl_uart *uart)
{
        if (uart->ier & IER_LINE && uart->line_errors)
                return IIR_LINE;
        if (uart->ier & IER_RECEIVED && uart->received_count)
                return uart->received_count >= trigger_level(uart) ? IIR_RECEIVED : IIR_TIMEOUT;
        if (uart->ier & IER_TRANSMITTER && uart->transmitter_empty)
                return IIR_TRANSMITTER;
        if (uart->ier & IER_MODEM && uart->modem_deltas)
                return IIR_MODEM;
        return IIR_NONE;
}

/* In the PC, OUT2 connects the interrupt; loopback disconnects the outputs. */
static bool connected(const struct hwaccl_uart *uart)
{
        return uart->mcr & MCR_OUT2 && !(uart->mcr & MCR_LOOPBACK);
}

static void update_line(struct hwaccl_uart *uart)
{
        hwaccl_board_set_irq_line(uart->device.board, HWACCL_UART_LINE, connected(uart) && identify(uart) != IIR_NONE);
}

bool hwaccl_uart_can_interrupt(const struct hwaccl_uart *uart)
{
        return connected(uart) && uart->ier & IER_RECEIVED;
}

static void receive(struct hwaccl_uart *uart, uint8_t character)
{
        if (uart->received_count >= depth(uart)) {
                uart->line_errors |= LSR_OVERRUN;
                if (!fifos_enabled(uart))
                        uart->received[0] = character; /* a full FIFO loses the new character, RBR the old one */
                return;
        }
        uart->received[uart->received_count++] = character;
}

static void take_typed(struct hwaccl_uart *uart)
{
        if (uart->mcr & MCR_LOOPBACK || uart->received_count >= depth(uart))
                return;
        uint8_t typed[HWACCL_UART_FIFO_SIZE];
        size_t count = hwaccl_host_console_read(uart->device.board->host, HWACCL_CHANNEL_SERIAL, typed,
                                                depth(uart) - uart->received_count);
        for (size_t i = 0; i < count; i++)
                receive(uart, typed[i]);
}

void hwaccl_uart_poll(struct hwaccl_uart *uart)
{
        take_typed(uart);
        update_line(uart);
}

static uint8_t read_received(struct hwaccl_uart *uart)
{
        uint8_t character = uart->received[0];

        if (uart->received_count > HWACCL_UART_FIFO_SIZE)
                uart->received_count = HWACCL_UART_FIFO_SIZE;
        if (uart->received_count) {
                uart->received_count--;
                memmove(uart->received, uart->received + 1, uart->received_count);
                uart->received[uart->received_count] = 0;
        }
        if (!uart->received_count)
                take_typed(uart);
        return character;
}

static uint8_t read_line_status(struct hwaccl_uart *uart)
{
        if (!uart->received_count)
                take_typed(uart);
        uint8_t status = LSR_TRANSMITTER | uart->line_errors | (uart->received_count ? LSR_DATA : 0);
        uart->line_errors = 0;
        return status;
}

static uint8_t read_identification(struct hwaccl_uart *uart)
{
        uint8_t identification = identify(uart);

        if (identification == IIR_TRANSMITTER)
                uart->transmitter_empty = 0;
        return identification | (fifos_enabled(uart) ? IIR_FIFOS : 0);
}

static uint8_t read_modem_status(struct hwaccl_uart *uart)
{
        uint8_t status = uart->modem_lines | uart->modem_deltas;

        uart->modem_deltas = 0;
        return status;
}

static uint8_t read_register(struct hwaccl_uart *uart, unsigned number)
{
        bool divisor = uart->lcr & LCR_DIVISOR;

        switch (number) {
        case RBR_THR: return divisor ? (uint8_t)uart->divisor : read_received(uart);
        case IER: return divisor ? (uint8_t)(uart->divisor >> 8) : uart->ier;
        case IIR_FCR: return read_identification(uart);
        case LCR: return uart->lcr;
        case MCR: return uart->mcr;
        case LSR: return read_line_status(uart);
        case MSR: return read_modem_status(uart);
        default: return uart->scratch;
        }
}

static void transmit(struct hwaccl_uart *uart, uint8_t character)
{
        if (uart->mcr & MCR_LOOPBACK)
                receive(uart, character);
        else
                hwaccl_host_console_write(uart->device.board->host, HWACCL_CHANNEL_SERIAL, &character, 1);
        uart->transmitter_empty = 1;
}

static void write_fifo_control(struct hwaccl_uart *uart, uint8_t value)
{
        bool toggled = (value ^ uart->fcr) & FCR_ENABLE;

        uart->fcr = value & FCR_ENABLE ? value & FCR_KEPT : 0;
        if (toggled || value & FCR_CLEAR) {
                uart->received_count = 0;
                memset(uart->received, 0, sizeof(uart->received));
        }
}

/* In loopback the four outputs are the inputs: RTS is CTS, DTR is DSR, OUT1 is RI, OUT2 is DCD. */
static void update_modem_lines(struct hwaccl_uart *uart)
{
        uint8_t lines = MSR_CONNECTED;

        if (uart->mcr & MCR_LOOPBACK)
                lines = (uint8_t)((uart->mcr & 0x02) << 3 | (uart->mcr & 0x01) << 5 | (uart->mcr & 0x04) << 4 |
                                  (uart->mcr & 0x08) << 4);
        uint8_t changed = lines ^ uart->modem_lines;
        if (changed & MSR_RING && lines & MSR_RING)
                changed &= (uint8_t)~MSR_RING; /* only the trailing edge of RI is reported */
        uart->modem_deltas |= changed >> 4;
        uart->modem_lines = lines;
}

static void write_interrupt_enable(struct hwaccl_uart *uart, uint8_t value)
{
        if (value & IER_TRANSMITTER && !(uart->ier & IER_TRANSMITTER))
                uart->transmitter_empty = 1; /* enabling it while the holding register is empty interrupts at once */
        uart->ier = value & 0x0f;
}

static void write_register(struct hwaccl_uart *uart, unsigned number, uint8_t value)
{
        bool divisor = uart->lcr & LCR_DIVISOR;

        switch (number) {
        case RBR_THR:
                if (divisor)
                        uart->divisor = (uart->divisor & 0xff00u) | value;
                else
                        transmit(uart, value);
                break;
        case IER:
                if (divisor)
                        uart->divisor = (uint16_t)((uart->divisor & 0xffu) | (unsigned)value << 8);
                else
                        write_interrupt_enable(uart, value);
                break;
        case IIR_FCR: write_fifo_control(uart, value); break;
        case LCR: uart->lcr = value; break;
        case MCR:
                uart->mcr = value & 0x1f;
                update_modem_lines(uart);
                break;
        case SCR: uart->scratch = value; break;
        default: break; /* LSR and MSR are for the factory's test */
        }
}

static uint8_t read_byte(struct hwaccl_device *device, uint16_t port)
{
        struct hwaccl_uart *uart = (struct hwaccl_uart *)device;
        uint8_t value = read_register(uart, port - UART_BASE);

        update_line(uart);
        return value;
}

static uint32_t uart_read(struct hwaccl_device *device, uint16_t port, unsigned size)
{
        return hwaccl_ports_read(device, port, size, read_byte);
}

static void write_byte(struct hwaccl_device *device, uint16_t port, uint8_t value)
{
        struct hwaccl_uart *uart = (struct hwaccl_uart *)device;

        write_register(uart, port - UART_BASE, value);
        update_line(uart);
}

static void uart_write(struct hwaccl_device *device, uint16_t port, unsigned size, uint32_t value)
{
        hwaccl_ports_write(device, port, size, value, write_byte);
}

static bool uart_valid(const struct hwaccl_device *device, struct hwaccl_error *error)
{
        const struct hwaccl_uart *uart = (const struct hwaccl_uart *)device;

        if (uart->received_count > depth(uart))
                return hwaccl_error_set(error, "%u characters received, room for %u", uart->received_count,
                                        depth(uart));
        if (uart->ier > 0x0f || uart->mcr > 0x1f || uart->fcr & ~FCR_KEPT || uart->line_errors & ~0x1eu ||
            uart->modem_lines & 0x0f || uart->modem_deltas > 0x0f || uart->transmitter_empty > 1)
                return hwaccl_error_set(error, "a register has reserved bits set");
        return true;
}

static const struct hwaccl_device_field uart_fields[] = {
        HWACCL_DEVICE_FIELD(struct hwaccl_uart, divisor),
        HWACCL_DEVICE_FIELD(struct hwaccl_uart, ier),
        HWACCL_DEVICE_FIELD(struct hwaccl_uart, fcr),
        HWACCL_DEVICE_FIELD(struct hwaccl_uart, lcr),
        HWACCL_DEVICE_FIELD(struct hwaccl_uart, mcr),
        HWACCL_DEVICE_FIELD(struct hwaccl_uart, line_errors),
        HWACCL_DEVICE_FIELD(struct hwaccl_uart, modem_lines),
        HWACCL_DEVICE_FIELD(struct hwaccl_uart, modem_deltas),
        HWACCL_DEVICE_FIELD(struct hwaccl_uart, scratch),
        HWACCL_DEVICE_FIELD(struct hwaccl_uart, transmitter_empty),
        HWACCL_DEVICE_FIELD(struct hwaccl_uart, received_count),
        HWACCL_DEVICE_FIELD(struct hwaccl_uart, received),
};

static const struct hwaccl_device_ops uart_ops = {
        .name = "uart",
        .size = sizeof(struct hwaccl_uart),
        .fields = uart_fields,
        .field_count = sizeof(uart_fields) / sizeof(uart_fields[0]),
        .port_read = uart_read,
        .port_write = uart_write,
        .valid = uart_valid,
};

void hwaccl_uart_init(struct hwaccl_uart *uart, struct hwaccl_board *board)
{
        uart->modem_lines = MSR_CONNECTED;
        uart->transmitter_empty = 1;
        hwaccl_board_add_device(board, &uart->device, &uart_ops);
        hwaccl_bus_claim_ports(&board->bus, &uart->device, UART_BASE, UART_PORTS);
}
