/*
 * The guest's output. The serial port and debug port e9h are printed character by character. Port 402h is a log,
 * printed by lines, between lines of the others. A line that firmware prints on the serial port and in the log (SeaBIOS
 * prints its screen on both) is printed once.
 */
#include "replay/cli/record/record.h"

#include "core/host/file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STALL_LOOK  100  /* ms between checks whether the guest is to end */
#define FLUSH_AFTER 1024 /* characters: less than a writable pipe accepts at once */

bool record_console_open(struct record_console *console, const struct record_settings *settings)
{
        memset(console, 0, sizeof(*console));
        console->settings = settings;
        console->until_length = settings->until ? strlen(settings->until) : 0;
        for (size_t i = 0; console->until_length && i < HWACCL_CHANNEL_COUNT; i++) {
                console->tail[i] = calloc(1, console->until_length);
                if (!console->tail[i]) {
                        (void)cli_error(settings->command, "out of memory");
                        (void)record_console_close(console);
                        return false;
                }
        }
        console->stream = stdout;
        if (settings->console) {
                int file = hwaccl_file_create(AT_FDCWD, settings->console, O_WRONLY | O_TRUNC, settings->mode);
                console->stream = file < 0 ? NULL : fdopen(file, "w");
                if (!console->stream) {
                        (void)cli_error(settings->command, "%s: cannot open: %s", settings->console, strerror(errno));
                        if (file >= 0)
                                (void)close(file);
                        (void)record_console_close(console);
                        return false;
                }
                console->owned = true;
        }
        struct stat status;
        console->flush = fstat(fileno(console->stream), &status) < 0 || !S_ISREG(status.st_mode);
        return true;
}

/* Does the channel's tail, oldest character first, spell the text? */
static bool spells_until(const struct record_console *console, enum hwaccl_channel channel)
{
        const char *text = console->settings->until;
        const char *ring = console->tail[channel];
        size_t length = console->until_length;
        size_t oldest = console->printed[channel] % length;

        return memcmp(ring + oldest, text, length - oldest) == 0 && memcmp(ring, text + length - oldest, oldest) == 0;
}

static void look_for_until(struct record_console *console, enum hwaccl_channel channel, const char *text, size_t size)
{
        for (size_t i = 0; i < size; i++) {
                console->tail[channel][console->printed[channel]++ % console->until_length] = text[i];
                if (!console->until_seen && console->printed[channel] >= console->until_length &&
                    spells_until(console, channel)) {
                        console->until_seen = true;
                        hwaccl_live_inputs_stop(console->live, HWACCL_STOP_UNTIL);
                }
        }
}

static void append(struct record_line *line, char c)
{
        if (line->size < sizeof(line->text))
                line->text[line->size++] = c;
}

/* Keep the serial line as text, without the escape sequences of a terminal. */
static void track_serial(struct record_console *console, const char *text, size_t size)
{
        for (size_t i = 0; i < size; i++) {
                char c = text[i];
                if (console->escape == RECORD_ESCAPE_BEGUN) {
                        console->escape = c == '[' ? RECORD_ESCAPE_SEQUENCE : RECORD_ESCAPE_NONE;
                } else if (console->escape == RECORD_ESCAPE_SEQUENCE) {
                        if (c >= 0x40 && c <= 0x7e)
                                console->escape = RECORD_ESCAPE_NONE;
                } else if (c == 0x1b) {
                        console->escape = RECORD_ESCAPE_BEGUN;
                } else if (c == '\n') {
                        console->serial_last = console->serial;
                        console->serial.size = 0;
                } else if ((unsigned char)c >= 0x20) {
                        append(&console->serial, c);
                }
        }
}

/* A reader that does not read blocks the guest until it is to end; what is printed after that is only recorded. */
static bool reader_takes(struct record_console *console)
{
        struct pollfd reader = {fileno(console->stream), POLLOUT, 0};

        while (!console->stalled) {
                int ready = poll(&reader, 1, STALL_LOOK);
                if (ready > 0 || (ready < 0 && errno != EINTR))
                        break; /* an error shows when it is written */
                if (!console->live || !hwaccl_live_inputs_stopping(console->live))
                        continue;
                console->stalled = true;
                __fpurge(console->stream);
        }
        return !console->stalled;
}

static void print(struct record_console *console, enum hwaccl_channel channel, const char *text, size_t size)
{
        bool due = console->flush && (text[size - 1] == '\n' || channel == HWACCL_CHANNEL_SERIAL ||
                                      console->unflushed + size >= FLUSH_AFTER);

        if (due && !reader_takes(console))
                return;
        if (console->in_line && console->speaker != channel)
                (void)fputc('\n', console->stream);
        console->speaker = channel;
        (void)fwrite(text, 1, size, console->stream);
        console->in_line = text[size - 1] != '\n';
        console->unflushed = due ? 0 : console->unflushed + size;
        if (due)
                (void)fflush(console->stream);
        console->failed = ferror(console->stream) != 0;
}

static bool begins_with(const struct record_line *line, const struct record_line *start)
{
        return line->size >= start->size && memcmp(line->text, start->text, start->size) == 0;
}

/* Log lines that came while the serial port was in the middle of a line. */
static void print_held(struct record_console *console)
{
        size_t size = console->held_size;

        console->held_size = 0;
        if (size)
                print(console, HWACCL_CHANNEL_DEBUG_402, console->held, size);
}

/* A complete line of the log, without its end. The serial port may be some characters behind: it is printed first. */
static void print_log_line(struct record_console *console)
{
        struct record_line *log = &console->log;
        bool on_serial = (console->serial.size && begins_with(log, &console->serial)) ||
                         (console->serial_last.size == log->size && begins_with(log, &console->serial_last));

        if (!on_serial) {
                if (console->held_size + log->size + 1 > sizeof(console->held))
                        print_held(console);
                memcpy(console->held + console->held_size, log->text, log->size);
                console->held_size += log->size;
                console->held[console->held_size++] = '\n';
        }
        log->size = 0;
        if (!console->in_line)
                print_held(console);
}

static void track_log(struct record_console *console, const char *text, size_t size)
{
        for (size_t i = 0; i < size; i++) {
                if (text[i] != '\n' && console->log.size < sizeof(console->log.text))
                        append(&console->log, text[i]);
                else
                        print_log_line(console);
        }
}

void record_console_write(void *opaque, enum hwaccl_channel channel, const void *data, size_t size)
{
        struct record_console *console = opaque;
        bool log = channel == HWACCL_CHANNEL_DEBUG_402;

        if (!size || (log && console->settings->quiet_debug))
                return;
        if (console->until_length)
                look_for_until(console, channel, data, size);
        if (console->failed || console->stalled)
                return;
        if (log) {
                track_log(console, data, size);
                return;
        }
        if (channel == HWACCL_CHANNEL_SERIAL)
                track_serial(console, data, size);
        print(console, channel, data, size);
        if (!console->in_line)
                print_held(console);
}

/* The unfinished line of the log; if the serial port has its beginning, only the rest. */
static void print_last_log_line(struct record_console *console)
{
        struct record_line *log = &console->log;
        print_held(console);
        size_t shown = console->in_line && console->speaker == HWACCL_CHANNEL_SERIAL && console->serial.size &&
                                       begins_with(log, &console->serial)
                               ? console->serial.size
                               : 0;

        if (log->size > shown)
                print(console, shown ? HWACCL_CHANNEL_SERIAL : HWACCL_CHANNEL_DEBUG_402, log->text + shown,
                      log->size - shown);
}

bool record_console_close(struct record_console *console)
{
        bool good = true;

        for (size_t i = 0; i < HWACCL_CHANNEL_COUNT; i++)
                free(console->tail[i]);
        if (console->stream && !console->failed && (!console->flush || reader_takes(console)))
                print_last_log_line(console);
        if (console->stream && console->in_line && !console->failed && (!console->flush || reader_takes(console)))
                (void)fputc('\n', console->stream);
        if (console->stalled)
                cli_notice(console->settings->command,
                           "standard output is blocked: the end of the guest's output is only in the recording");
        if (console->owned) {
                bool failed = ferror(console->stream) != 0;
                if (fclose(console->stream) != 0 || failed) {
                        (void)cli_error(console->settings->command, "%s: cannot write the guest's output",
                                        console->settings->console);
                        good = false;
                }
        }
        console->stream = NULL;
        return good;
}
