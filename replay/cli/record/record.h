/* The pieces of `hwaccl record`: what was asked for, the guest's images, its console, the recording's option table. */
#ifndef HWACCL_CLI_RECORD_H
#define HWACCL_CLI_RECORD_H

#include "replay/cli/message.h"
#include "replay/cli/option.h"

#include "core/accel/kvm/accel_kvm.h"
#include "core/accel/muen/accel_muen.h"
#include "core/host/live_inputs.h"
#include "core/loop/vcpu.h"
#include "core/machine/machine.h"
#include "tracer/record/flight/flight_recorder.h"
#include "tracer/record/recorder.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define RECORD_RAW_MAX 8
_Static_assert(RECORD_RAW_MAX + HWACCL_LOADER_PIECE_MAX <= HWACCL_RAW_MAX,
               "raw images and a kernel fit into a machine");

/* A file in memory, with its digest. */
struct record_image {
        const char *path; /* of a raw image: owned */
        uint64_t address; /* of a raw image */
        uint8_t *data;
        size_t size;
        char sha256[65];
};

/* A kernel, and what goes in beside it. */
struct record_kernel {
        struct record_image image;                            /* path NULL: none */
        const char *command_line;                             /* NULL: none */
        struct record_image module[HWACCL_LOADER_MODULE_MAX]; /* paths are owned */
        const char *module_text[HWACCL_LOADER_MODULE_MAX];    /* what the kernel is told of it; NULL: nothing */
        size_t module_count;
        bool initrd;          /* one of the modules is --initrd's */
        unsigned linux_entry; /* 32 or 64; 0: not given */
        bool is_loaded;
        struct hwaccl_loaded loaded;
};

/* An image of a disk. */
struct record_disk {
        const char *path; /* owned */
        enum hwaccl_disk_mode mode;
        struct hwaccl_live_disk *image; /* once it is opened */
        char sha256[65];                /* of one that is read soon enough; empty else */
};

enum record_accel { RECORD_ACCEL_AUTO, RECORD_ACCEL_KVM, RECORD_ACCEL_SOFT, RECORD_ACCEL_MUEN };
#define RECORD_ACCELS "auto kvm soft muen" /* in this order */

struct record_settings {
        const struct cli_command *command;
        struct record_image firmware; /* path NULL: none */
        struct record_image raw[RECORD_RAW_MAX];
        size_t raw_count;
        struct record_kernel kernel;
        struct record_disk disk[HWACCL_DISK_MAX];
        size_t disk_count;
        uint64_t memory_size;
        uint64_t tsc_khz; /* 0: not given, what the accelerator likes */
        enum record_accel accel;
        const char *subject_dir; /* of muen */
        struct hwaccl_muen_doorbells subject_doorbells;
        bool subject_doorbells_given;
        uint64_t subject_timeout_ns; /* 0: not given */
        char *subject_firmware;      /* name of its firmware; owned */
        bool memory_given;
        bool verify;
        enum hwaccl_clock clock;
        uint64_t wall_time;
        bool wall_time_given;
        uint64_t max_exits;
        uint64_t timeout_ns;
        const char *until;
        const char *output; /* NULL with --no-db */
        bool no_record;     /* no database; LTTng may get the exits all the same */
        bool lttng;
        bool force;
        const char *console;     /* NULL: stdout */
        const char *input;       /* NULL: the terminal, if there is one */
        const char *save_memory; /* NULL: nowhere */
        int save_memory_fd;
        bool quiet_debug;
        uint32_t keyframe_interval;
        const char *flight_text; /* of --flight-recorder; NULL: everything is kept */
        struct hwaccl_flight_window flight_window;
        struct hwaccl_flight_trigger trigger[HWACCL_FLIGHT_TRIGGER_MAX];
        size_t trigger_count;
        bool expect_exit;
        uint64_t exit_expected;
};

/* record_settings.c */
extern const struct cli_option record_option_table[];

/** record_parse - fill in @settings. False when there is nothing more to do, with the exit status in *status: help was
 * printed, or the command line is wrong */
bool record_parse(struct record_settings *settings, const struct cli_command *command, int argc, char **argv,
                  enum cli_status *status);

/** record_free_settings - what record_parse() allocated, good or not */
void record_free_settings(struct record_settings *settings);

/* record_accel.c */

/**
 * record_choose_accel - settle which accelerator it will be, and the frequency of the TSC; not for a subject's
 * @kvm: set to an opened /dev/kvm, or to NULL for the soft accelerator
 *
 * False after a complaint. `auto` that is not KVM says why in one line.
 */
bool record_choose_accel(struct record_settings *settings, struct hwaccl_kvm **kvm);

/** record_create_accel - the accelerator chosen; takes @kvm over, not @muen. NULL with *error set */
struct hwaccl_accel *record_create_accel(const struct record_settings *settings, struct hwaccl_kvm *kvm,
                                         struct hwaccl_muen *muen, struct hwaccl_machine *machine,
                                         struct hwaccl_live_inputs *live, struct hwaccl_error *error);

/* record_subject.c: --accel muen. */

/** record_parse_doorbells - the argument of --subject-doorbells: numbers of open file descriptors */
bool record_parse_doorbells(const struct cli_command *command, const struct cli_option *option, const char *text,
                            void *settings);

/** record_check_subject - do the options that say what the guest is go with the accelerator? False after a complaint */
bool record_check_subject(const struct record_settings *settings);

/** record_open_subject - open the subject's directory; the size of its memory and its TSC go into the settings, and
 * from now on a page that the other side takes away does not end the process. NULL after a complaint */
struct hwaccl_muen *record_open_subject(struct record_settings *settings);
/** record_close_subject - NULL is allowed */
void record_close_subject(struct hwaccl_muen *muen);

/** record_take_over_images - the settings as if the subject's images had been options, so that a replay builds the same
 * machine; after a kernel was loaded. False after a complaint */
bool record_take_over_images(struct record_settings *settings, const struct hwaccl_muen *muen);

/** record_subject_failed - true with *error set when the other side took away a page. @muen may be NULL */
bool record_subject_failed(const struct hwaccl_muen *muen, struct hwaccl_error *error);

/* record_flight.c */

/** record_flight_config - what the recorder is told; valid as long as @settings */
struct hwaccl_flight_config record_flight_config(const struct record_settings *settings);
/** record_flight_prepare - SIGUSR1 is remembered until there is a flight recorder; without one it is ignored, as what
 * is asked for is not there, and nobody wants the guest to die of it */
void record_flight_prepare(const struct record_settings *settings);
/** record_flight_start - SIGUSR1 has the window of @recorder written out, from now on */
void record_flight_start(struct hwaccl_recorder *recorder);
/** record_flight_stop - and from now on it is ignored; before the recorder ends */
void record_flight_stop(void);

/* record_images.c */

/** record_read_image - the file's bytes and digest. At most @limit bytes: a longer file is refused with @limit_text.
 * False after a complaint */
bool record_read_image(const struct cli_command *command, struct record_image *image, uint64_t limit,
                       const char *limit_text);

/** record_load_images - read the files and check their sizes and addresses; false after a complaint */
bool record_load_images(struct record_settings *settings);
/** record_digest_image - fill in the digest of a file's bytes */
void record_digest_image(struct record_image *image, const uint8_t *data, size_t size);
/** record_free_images - the bytes, once they are in guest memory; names and digests stay */
void record_free_images(struct record_settings *settings);

/* record_kernel.c */

/** record_check_kernel - do the options for a kernel go together? False after a complaint */
bool record_check_kernel(const struct record_settings *settings);
/** record_load_kernel - read the files and lay them out; false after a complaint. The raw images must be there */
bool record_load_kernel(struct record_settings *settings);
/** record_place_kernel - what was laid out, after the images of @config, and the entry */
void record_place_kernel(const struct record_settings *settings, struct hwaccl_machine_config *config);
/** record_free_kernel - the bytes; names, digests and places stay */
void record_free_kernel(struct record_settings *settings);

/* record_disks.c */

/** record_disk_mode - "rw", "ro" or "cow" */
const char *record_disk_mode(enum hwaccl_disk_mode mode);
/** record_parse_disk - the argument of --disk */
bool record_parse_disk(const struct cli_command *command, const struct cli_option *option, const char *text,
                       void *settings);
/** record_open_disks - open, lock and digest them; false after a complaint */
bool record_open_disks(struct record_settings *settings);
/** record_report_disks - complain of what the host could not read or write while the guest ran */
void record_report_disks(const struct record_settings *settings);
/** record_close_disks - images only: names and digests stay */
void record_close_disks(struct record_settings *settings);
/** record_free_disks - the names */
void record_free_disks(struct record_settings *settings);

/* record_console.c: what the guest prints. */
struct record_line {
        char text[1024]; /* what is longer is cut */
        size_t size;
};

enum record_escape { RECORD_ESCAPE_NONE, RECORD_ESCAPE_BEGUN, RECORD_ESCAPE_SEQUENCE };

struct record_console {
        const struct record_settings *settings;
        struct hwaccl_live_inputs *live; /* told when the text of --until was printed */
        FILE *stream;
        bool owned;
        bool flush;                  /* after each line: somebody watches */
        enum hwaccl_channel speaker; /* of the last character */
        bool in_line;
        struct record_line serial;      /* the line that the serial port prints now */
        struct record_line serial_last; /* and the one before */
        enum record_escape escape;      /* on the serial port */
        struct record_line log;         /* of port 402h, as far as it has come */
        char held[4096];                /* whole lines of the log that wait for the end of another line */
        size_t held_size;
        size_t until_length;
        char *tail[HWACCL_CHANNEL_COUNT]; /* the last until_length characters of a channel, as a ring */
        uint64_t printed[HWACCL_CHANNEL_COUNT];
        bool until_seen;
        size_t unflushed;
        bool stalled; /* nobody reads the stream, and the guest was to end */
        bool failed;  /* the stream could not be written; the guest goes on */
};

/** record_console_open - false after a complaint */
bool record_console_open(struct record_console *console, const struct record_settings *settings);
void record_console_write(void *opaque, enum hwaccl_channel channel, const void *data, size_t size);
/** record_console_close - false after a complaint when something could not be written */
bool record_console_close(struct record_console *console);

/* record_memory.c: what --save-memory asks for. */

/** record_memory_open - false after a complaint; before the guest runs, so that a wrong name costs nothing */
bool record_memory_open(struct record_settings *settings);
/** record_memory_save - the RAM of a guest that has ended; false after a complaint */
bool record_memory_save(const struct record_settings *settings, const struct hwaccl_guest_memory *memory);
void record_memory_close(struct record_settings *settings);

/* record_terminal.c: a terminal on standard input, as the guest's serial port. One at a time, of the main thread. */

/** record_terminal_open - the file descriptor from which what is typed for the guest is read; -1 after a complaint */
int record_terminal_open(const struct cli_command *command);
/** record_terminal_start - raw mode from now on, until record_terminal_stop() or the process's end; says on stderr how
 * to leave. Ctrl-A x stops @live. False after a complaint */
bool record_terminal_start(struct hwaccl_live_inputs *live);
/** record_terminal_stop - give the terminal back as it was; nothing to do if there is none, or again */
void record_terminal_stop(void);

/* record_options.c */

struct record_options {
        struct hwaccl_recording_option *row;
        size_t count;
        size_t room;
        bool failed; /* out of memory */
};

/** record_options_collect - everything that a replay needs and a reader wants to know; false after a complaint */
bool record_options_collect(struct record_options *options, const struct record_settings *settings,
                            const struct hwaccl_accel *accel, int argc, char **argv);
void record_options_free(struct record_options *options);

#endif
