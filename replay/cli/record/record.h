/* The parts of `hwaccl record`: settings, images, console, and the recording's option table. */
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

/* A kernel and its modules. */
struct record_kernel {
        struct record_image image;                            /* path NULL: none */
        const char *command_line;                             /* NULL: none */
        struct record_image module[HWACCL_LOADER_MODULE_MAX]; /* paths are owned */
        const char *module_text[HWACCL_LOADER_MODULE_MAX];    /* its command line; NULL: none */
        size_t module_count;
        bool initrd;          /* one of the modules is the initial RAM disk */
        unsigned linux_entry; /* 32 or 64; 0: not given */
        bool is_loaded;
        struct hwaccl_loaded loaded;
};

/* An image of a disk. */
struct record_disk {
        const char *path; /* owned */
        enum hwaccl_disk_mode mode;
        struct hwaccl_live_disk *image; /* when it is open */
        char sha256[65];                /* empty for a large image */
};

enum record_accel { RECORD_ACCEL_AUTO, RECORD_ACCEL_KVM, RECORD_ACCEL_SOFT, RECORD_ACCEL_MUEN };
#define RECORD_ACCELS "auto kvm soft muen" /* in this order */

#define RECORD_MACHINES "apic pic" /* the first is the default */

enum record_keep { RECORD_KEEP_ON_FAILURE, RECORD_KEEP_FINAL, RECORD_KEEP_NEVER };
#define RECORD_KEEPS "on-failure final never" /* in this order */

struct record_settings {
        const struct cli_command *command;
        struct record_image firmware; /* path NULL: none */
        struct record_image raw[RECORD_RAW_MAX];
        size_t raw_count;
        struct record_kernel kernel;
        struct record_disk disk[HWACCL_DISK_MAX];
        size_t disk_count;
        uint64_t memory_size;
        uint64_t tsc_khz; /* 0: not given, the accelerator's default */
        unsigned machine; /* of RECORD_MACHINES */
        bool testdev;
        enum record_accel accel;
        const char *subject_dir; /* of muen */
        struct hwaccl_muen_doorbells subject_doorbells;
        bool subject_doorbells_given;
        uint64_t subject_timeout_ns; /* 0: not given */
        char *subject_firmware;      /* name of its firmware; owned */
        bool memory_given;
        bool verify;
        enum hwaccl_clock clock;
        uint64_t virtual_rate;
        uint64_t wall_time;
        bool wall_time_given;
        uint64_t max_exits;
        uint64_t timeout_ns;
        const char *until;
        const char *output; /* NULL with --no-db */
        bool no_record;     /* no database */
        bool no_report;
        bool lttng;
        bool force;
        unsigned mode;           /* permissions of all files that are made; 0: the default */
        bool anonymous;          /* neither the host's name, nor the command line, nor directories are recorded */
        const char *console;     /* NULL: stdout */
        const char *input;       /* NULL: the terminal, if there is one */
        const char *save_memory; /* NULL: nowhere */
        int save_memory_fd;
        enum record_keep keep_memory;
        bool quiet_debug;
        uint32_t keyframe_interval;
        const char *flight_text; /* of --flight-recorder; NULL: everything is kept */
        struct hwaccl_flight_window flight_window;
        struct hwaccl_flight_trigger trigger[HWACCL_FLIGHT_TRIGGER_MAX];
        size_t trigger_count;
        bool together;     /* the VMM dies with the recorder */
        bool kernel_exits; /* of the VMM: record what the kernel handles too */
        uint64_t attach;   /* process of a VMM that runs already; 0: none */
        char **vmm;        /* a program and its arguments, which is run instead of the machine; NULL: none */
        bool expect_exit;
        uint64_t exit_expected;
};

/* record_settings.c */
extern const struct cli_option record_option_table[];

/** record_parse - fill in @settings. False when there is nothing more to do, with the exit status in *status: help was
 * printed, or the command line is wrong */
bool record_parse(struct record_settings *settings, const struct cli_command *command, int argc, char **argv,
                  enum cli_status *status);

/** record_free_settings - release what record_parse() allocated, whatever it returned */
void record_free_settings(struct record_settings *settings);

/** record_machine_kind - the machine to build */
enum hwaccl_machine_kind record_machine_kind(const struct record_settings *settings);

/* record_accel.c */

/**
 * record_choose_accel - settle which accelerator it will be, and the frequency of the TSC; not for a subject's
 * @kvm: set to an opened /dev/kvm, or to NULL for the soft accelerator
 *
 * False after an error message. A notice says why `auto` is not KVM.
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

/** record_check_subject - are the options for memory and images compatible with the accelerator? False after an error
 * message */
bool record_check_subject(const struct record_settings *settings);

/** record_open_subject - open the subject's directory; the size of its memory and its TSC go into the settings, and
 * from now on a page that the other side takes away does not end the process. NULL after an error message */
struct hwaccl_muen *record_open_subject(struct record_settings *settings);
/** record_close_subject - NULL is allowed */
void record_close_subject(struct hwaccl_muen *muen);

/** record_take_over_images - set the settings as options for the subject's images would, so that a replay builds the
 * same machine; after a kernel was loaded. False after an error message */
bool record_take_over_images(struct record_settings *settings, const struct hwaccl_muen *muen);

/** record_subject_failed - true with *error set when the other side took away a page. @muen may be NULL */
bool record_subject_failed(const struct hwaccl_muen *muen, struct hwaccl_error *error);

/* record_vmm.c: a VMM that is run as it is. */

/** record_names_vmm - whether a command line names one: then hwaccl's own failures have RECORD_VMM_FAILED as exit
 * status */
bool record_names_vmm(int argc, char **argv);
#define RECORD_VMM_FAILED 125

/** record_run_vmm - run settings->vmm and record its vCPUs; returns the exit status, the VMM's own if it ran */
int record_run_vmm(const struct record_settings *settings, int argc, char **argv);

/* record_attach.c: a VMM that runs already. */

/** record_run_attached - record the vCPUs of settings->attach until its end, a limit or a signal */
enum cli_status record_run_attached(const struct record_settings *settings, int argc, char **argv);

/* record_descriptors.c */

struct record_descriptors {
        int *fd;
        size_t count;
};

/** record_descriptors_find - those that a program started now inherits, but standard error */
bool record_descriptors_find(struct record_descriptors *inherited, struct hwaccl_error *error);

/** record_descriptors_hide - in a child: those that the recorder has opened since are not inherited by its program.
 * Libraries may have opened some that would be */
void record_descriptors_hide(const struct record_descriptors *inherited);

/** record_descriptors_leave - close them here, where a program has inherited them; frees the list */
void record_descriptors_leave(struct record_descriptors *inherited);

void record_descriptors_free(struct record_descriptors *inherited);

/* record_program.c */

/** record_find_program - the file that execvp(3) would execute for @name; *path is the caller's. False with *error set
 * if there is none, or if no library can be loaded into it */
bool record_find_program(const char *name, char **path, struct hwaccl_error *error);

/* record_flight.c */

/** record_flight_config - the recorder's configuration; valid as long as @settings */
struct hwaccl_flight_config record_flight_config(const struct record_settings *settings);
/** record_flight_prepare - remember SIGUSR1 until the flight recorder has started; without --flight-recorder, ignore it
 * instead of ending the guest */
void record_flight_prepare(const struct record_settings *settings);
/** record_flight_start - from now on SIGUSR1 writes the window of @recorder */
void record_flight_start(struct hwaccl_recorder *recorder);
/** record_flight_stop - from now on SIGUSR1 is ignored; before the recorder ends */
void record_flight_stop(void);

/* record_images.c */

/** record_read_image - the file's bytes and digest. At most @limit bytes: a longer file is refused with @limit_text.
 * False after an error message */
bool record_read_image(const struct cli_command *command, struct record_image *image, uint64_t limit,
                       const char *limit_text);

/** record_load_images - read the files and check their sizes and addresses; false after an error message */
bool record_load_images(struct record_settings *settings);
/** record_digest_image - fill in the digest of a file's bytes */
void record_digest_image(struct record_image *image, const uint8_t *data, size_t size);
/** record_free_images - release the bytes, after they were copied to guest memory; names and digests remain */
void record_free_images(struct record_settings *settings);

/** record_file_name - a file's name as it was given, with --anonymous without its directories */
const char *record_file_name(const struct record_settings *settings, const char *path);

/* record_kernel.c */

/** record_check_kernel - are the options for a kernel compatible? False after an error message */
bool record_check_kernel(const struct record_settings *settings);
/** record_load_kernel - read the files and lay them out; false after an error message. The raw images must be there */
bool record_load_kernel(struct record_settings *settings);
/** record_place_kernel - add the kernel's pieces to the images of @config, and set the entry */
void record_place_kernel(const struct record_settings *settings, struct hwaccl_machine_config *config);
/** record_free_kernel - release the bytes; names, digests and addresses remain */
void record_free_kernel(struct record_settings *settings);

/* record_disks.c */

/** record_disk_mode - "rw", "ro" or "cow" */
const char *record_disk_mode(enum hwaccl_disk_mode mode);
/** record_parse_disk - the argument of --disk */
bool record_parse_disk(const struct cli_command *command, const struct cli_option *option, const char *text,
                       void *settings);
/** record_open_disks - open, lock and digest them; false after an error message */
bool record_open_disks(struct record_settings *settings);
/** record_report_disks - print a notice for disks that the host could not read or write while the guest ran */
void record_report_disks(const struct record_settings *settings);
/** record_close_disks - close the images; names and digests remain */
void record_close_disks(struct record_settings *settings);
/** record_free_disks - release the names */
void record_free_disks(struct record_settings *settings);

/* record_console.c: the guest's output. */
struct record_line {
        char text[1024]; /* longer lines are truncated */
        size_t size;
};

enum record_escape { RECORD_ESCAPE_NONE, RECORD_ESCAPE_BEGUN, RECORD_ESCAPE_SEQUENCE };

struct record_console {
        const struct record_settings *settings;
        struct hwaccl_live_inputs *live; /* stopped when the text of --until was printed */
        FILE *stream;
        bool owned;
        bool flush;                  /* after each line: the stream is not a regular file */
        enum hwaccl_channel speaker; /* of the last character */
        bool in_line;
        struct record_line serial;      /* the line that the serial port prints now */
        struct record_line serial_last; /* and the one before */
        enum record_escape escape;      /* on the serial port */
        struct record_line log;         /* the incomplete line of port 402h */
        char held[4096];                /* complete lines of the log, printed when the line of another channel ends */
        size_t held_size;
        size_t until_length;
        char *tail[HWACCL_CHANNEL_COUNT]; /* the last until_length characters of a channel, as a ring */
        uint64_t printed[HWACCL_CHANNEL_COUNT];
        bool until_seen;
        size_t unflushed;
        bool stalled; /* the stream is blocked while the guest is to end */
        bool failed;  /* writing to the stream failed; the guest continues */
};

/** record_console_open - false after an error message */
bool record_console_open(struct record_console *console, const struct record_settings *settings);
void record_console_write(void *opaque, enum hwaccl_channel channel, const void *data, size_t size);
/** record_console_close - false after an error message when something could not be written */
bool record_console_close(struct record_console *console);

/* record_memory.c: --save-memory and --keep-memory. */

/** record_memory_open - false after an error message; before the guest runs, so that a wrong name costs nothing */
bool record_memory_open(struct record_settings *settings);
/** record_memory_save - write the RAM of a guest that has ended; false after an error message */
bool record_memory_save(const struct record_settings *settings, const struct hwaccl_guest_memory *memory);
void record_memory_close(struct record_settings *settings);
/** record_memory_keep - let the recorder write the memory of a guest that has ended, if it is to be kept. @failed: the
 * guest did */
void record_memory_keep(const struct record_settings *settings, struct hwaccl_recorder *recorder,
                        const struct hwaccl_guest_memory *memory, bool failed);

/* record_terminal.c: a terminal on standard input as the guest's serial port; one per process, for the main thread. */

/** record_terminal_open - the file descriptor of the guest's input; -1 after an error message */
int record_terminal_open(const struct cli_command *command);
/** record_terminal_start - raw mode until record_terminal_stop() or the end of the process; a notice says how to leave.
 * Ctrl-A x stops @live. False after an error message */
bool record_terminal_start(struct hwaccl_live_inputs *live);
/** record_terminal_stop - restore the terminal; without effect if there is none, or if it was restored */
void record_terminal_stop(void);
/** record_terminal_give_back - the same in a signal handler that is about to end the process */
void record_terminal_give_back(void);

/* record_report.c */

/** record_report - why the guest failed, by the finished recording, after an end that does not say so itself
 * @code: as of hwaccl_machine_exit_code()
 * @title: the report's first line; empty where the guest did not fail
 *
 * Returns whether it failed. */
bool record_report(const struct record_settings *settings, enum hwaccl_end end, uint64_t code, char *title,
                   size_t room);

/* record_options.c */

struct record_options {
        struct hwaccl_recording_option *row;
        size_t count;
        size_t room;
        bool failed; /* out of memory */
};

/** record_options_collect - everything that a replay needs, and facts about the run; false after an error message */
bool record_options_collect(struct record_options *options, const struct record_settings *settings,
                            const struct hwaccl_accel *accel, int argc, char **argv);
/** record_options_collect_vmm - the same for a VMM of its own */
bool record_options_collect_vmm(struct record_options *options, const struct record_settings *settings, int argc,
                                char **argv);
/** record_options_collect_attached - the same for a VMM that runs already, an executable of that name */
bool record_options_collect_attached(struct record_options *options, const struct record_settings *settings,
                                     const char *program, int argc, char **argv);
/** record_options_add - one more row */
void record_options_add(struct record_options *options, const char *name, const char *value);
void record_options_free(struct record_options *options);

#endif
