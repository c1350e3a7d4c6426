/* The differences of one exit. */
#ifndef HWACCL_REPLAY_REPORT_H
#define HWACCL_REPLAY_REPORT_H

#include "hwaccl/replay.h"

#include <stdio.h>

struct replay_report {
        uint8_t code[15]; /* of the instruction, those that were read */
        uint8_t code_size;
        struct hwaccl_divergence divergence;
        char name[HWACCL_DIFFERENCE_MAX][48]; /* for generated names */
};

/** replay_report_open - begin the report of an exit */
void replay_report_open(struct replay_report *report);

/** replay_report_code - save bytes of the instruction for the report */
void replay_report_code(struct replay_report *report, const void *data, size_t size);

/** replay_report_name - generate the name of the next difference, printf style; valid until the report is opened again
 */
const char *replay_report_name(struct replay_report *report, const char *format, ...)
        __attribute__((format(printf, 2, 3)));

/** replay_report_add - add a difference for the caller to fill in; NULL if there are too many */
struct hwaccl_difference *replay_report_add(struct replay_report *report, const char *what);

/** replay_report_numbers, replay_report_texts - add a difference of two numbers (hexadecimal), of two texts */
void replay_report_numbers(struct replay_report *report, const char *what, uint64_t recorded, uint64_t replayed);
void replay_report_texts(struct replay_report *report, const char *what, const char *recorded, const char *replayed);

/** replay_report_bytes - add a difference of two byte arrays: the bytes from the first that differs */
void replay_report_bytes(struct replay_report *report, const char *what, const void *recorded, const void *replayed,
                         size_t size);

/** replay_report_close - set the exit of the differences. Returns true if there are any */
bool replay_report_close(struct replay_report *report, const struct hwaccl_recorded_exit *exit);

/** replay_report_widths - of the columns in which the names of differences and the recorded values stand */
void replay_report_widths(const struct hwaccl_divergence *divergence, int *what_width, int *recorded_width);

/** replay_report_print - print differences: a line for the exit, then a line for each. @known: of the exit; @access:
 * what the exit accessed, in place of an instruction that is not known; "" for none */
void replay_report_print(const struct hwaccl_divergence *divergence, const struct hwaccl_known_fields *known,
                         const char *access, FILE *out);

/** replay_format_bytes - "41 42 43 …", as many as fit */
void replay_format_bytes(char *text, size_t room, const void *data, size_t size);

#endif
