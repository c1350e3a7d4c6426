/* Text from files, file names and guests, where it goes to a terminal. */
#ifndef HWACCL_TEXT_H
#define HWACCL_TEXT_H

#include <stddef.h>
#include <stdint.h>

/**
 * hwaccl_text_find_unsafe - the first place that may control a terminal, break the line or reorder what is displayed
 * @size: set to its bytes; @code_point: what it is; for a byte that is not UTF-8, that byte
 *
 * These are C0 controls (ESC, newline, tab …), DEL, C1 controls, separators of lines and paragraphs, controls of the
 * writing direction (U+061C, U+200E, U+200F, U+202A to U+202E, U+2066 to U+2069), and bytes that are not UTF-8. NULL:
 * there is none.
 */
const char *hwaccl_text_find_unsafe(const char *text, size_t *size, uint32_t *code_point);

/** hwaccl_text_make_safe - replace each by '?', in place */
void hwaccl_text_make_safe(char *text);

#endif
