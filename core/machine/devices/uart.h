/* The 16550A serial port COM1, whose other end is the console. */
#ifndef HWACCL_MACHINE_UART_H
#define HWACCL_MACHINE_UART_H

#include "core/machine/board/device.h"

#define HWACCL_UART_FIFO_SIZE 16

struct hwaccl_uart {
        struct hwaccl_device device;
        uint16_t divisor; /* kept for reads: characters pass at once */
        uint8_t ier;
        uint8_t fcr; /* as last written, without the self-clearing bits */
        uint8_t lcr;
        uint8_t mcr;
        uint8_t line_errors;  /* LSR bits 4:1 */
        uint8_t modem_lines;  /* MSR bits 7:4 */
        uint8_t modem_deltas; /* MSR bits 3:0 */
        uint8_t scratch;
        uint8_t transmitter_empty; /* the interrupt of that name is pending */
        uint8_t received_count;
        uint8_t received[HWACCL_UART_FIFO_SIZE]; /* oldest first; [received_count] and up are 0 */
};

void hwaccl_uart_init(struct hwaccl_uart *uart, struct hwaccl_board *board);

/** hwaccl_uart_poll - receive typed characters, as many as fit */
void hwaccl_uart_poll(struct hwaccl_uart *uart);

/** hwaccl_uart_can_interrupt - whether a typed character would raise line 4 */
bool hwaccl_uart_can_interrupt(const struct hwaccl_uart *uart);

#define HWACCL_UART_LINE 4u

#endif
