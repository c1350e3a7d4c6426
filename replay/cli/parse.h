/* Values on the command line. Each returns false unless the whole text is such a value. */
#ifndef HWACCL_CLI_PARSE_H
#define HWACCL_CLI_PARSE_H

#include <stdbool.h>
#include <stdint.h>

/** cli_parse_number - decimal, or hexadecimal after 0x; no sign, no blanks */
bool cli_parse_number(const char *text, uint64_t *number);

/** cli_parse_size - a number of bytes, with K, M or G for the powers of 1024 */
bool cli_parse_size(const char *text, uint64_t *size);

/** cli_parse_seconds - seconds with an optional fraction, as nanoseconds; at most a year */
bool cli_parse_seconds(const char *text, uint64_t *nanoseconds);

/** cli_parse_range - "FIRST..LAST", "FIRST..", "..LAST" or one number; LAST is included and not below FIRST */
bool cli_parse_range(const char *text, uint64_t *first, uint64_t *last);

/** cli_parse_time - seconds since 1970, or a UTC date such as 2026-11-22T20:34:00 */
bool cli_parse_time(const char *text, uint64_t *seconds);

#endif
