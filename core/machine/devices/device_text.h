/*
 * What saved device fields mean, in the words of the data sheets: for `hwaccl state --devices` and for reports. A
 * recording may be of another build, so fields are found by their names, and a value may be any.
 */
#ifndef HWACCL_MACHINE_DEVICE_TEXT_H
#define HWACCL_MACHINE_DEVICE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HWACCL_DEVICE_TEXT_SIZE 1024u /* room that every text fits into; longer ones end in "..." */

/**
 * hwaccl_device_text - a field's value in words: "IRQ 0, 4", "level-triggered, vector 31h, masked"
 * @device, @field: as in table device_field
 *
 * Returns false when there are no words for it: its number says everything, or device, field or size are unknown.
 */
bool hwaccl_device_text(const char *device, const char *field, const void *data, size_t size, char *text, size_t room);

#endif
