#include "tracer/kernel/kvm_tracing.h"

#include "tracer/kernel/perf_thread.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const roots[] = {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"};

/* Length, or -errno. */
static ssize_t read_file(const char *path, char *text, size_t room)
{
        size_t length = 0;
        ssize_t got = 1;
        int fd = open(path, O_RDONLY | O_CLOEXEC);

        if (fd < 0)
                return -errno;
        while (length < room && (got = read(fd, text + length, room - length)) > 0)
                length += (size_t)got;
        int reason = errno;
        (void)close(fd);
        return got < 0 ? -reason : (ssize_t)length;
}

/* 0, or errno: of events/, which an unmounted tracefs does not have. */
static int look(const char *root, const char *what)
{
        char path[PATH_MAX];

        (void)snprintf(path, sizeof(path), "%s/events%s", root, what);
        return access(path, R_OK | X_OK) == 0 ? 0 : errno;
}

static const char *find_root(struct hwaccl_error *error)
{
        int reason = ENOENT;

        for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++) {
                int here = look(roots[i], "");
                if (here == 0)
                        return roots[i];
                if (here != ENOENT)
                        reason = here;
        }
        if (reason == ENOENT)
                hwaccl_error_set(error, "tracefs is not mounted; run 'mount -t tracefs tracefs %s' as root", roots[0]);
        else
                hwaccl_error_set(
                        error,
                        "%s: %s: reading the kernel's trace points needs root, or a tracefs mounted for others "
                        "(mount -o remount,mode=755 %s)",
                        roots[0], strerror(reason), roots[0]);
        return NULL;
}

static bool add_format(struct kvm_formats *formats, const char *root, enum kernel_event_kind kind, char *text,
                       struct hwaccl_error *error)
{
        const char *name = kvm_event_name(kind);
        char path[PATH_MAX];

        (void)snprintf(path, sizeof(path), "%s/events/kvm/%s/format", root, name);
        ssize_t length = read_file(path, text, EVENT_FORMAT_SIZE);
        if (length == -ENOENT)
                return !kvm_event_is_needed(kind) ||
                       hwaccl_error_set(error, "this kernel has no trace point kvm:%s, which exits are made of", name);
        if (length < 0)
                return hwaccl_error_set(error, "%s: %s: reading the kernel's trace points needs root", path,
                                        strerror((int)-length));
        return kvm_formats_add(formats, kind, text, (size_t)length, error) || hwaccl_error_prefix(error, "%s", path);
}

bool kvm_tracing_open(struct kvm_formats *formats, const char *root, struct hwaccl_error *error)
{
        char *text = malloc(EVENT_FORMAT_SIZE);
        const char *given = root;
        bool good = true;

        memset(formats, 0, sizeof(*formats));
        if (!text)
                return hwaccl_error_set(error, "out of memory");
        if (!root)
                root = find_root(error);
        if (root && look(root, "/kvm") != 0)
                good = hwaccl_error_set(error,
                                        "%s/events/kvm: %s: the kernel has no trace points of KVM; is the module kvm "
                                        "loaded?",
                                        root, strerror(look(root, "/kvm")));
        for (unsigned i = KERNEL_EVENT_EXIT; root && good && i < KERNEL_EVENT_COUNT; i++)
                good = add_format(formats, root, (enum kernel_event_kind)i, text, error);
        free(text);
        return root && good && (given || kvm_tracing_try(formats, error));
}

void kvm_tracing_missing(const struct kvm_formats *formats, char *text, size_t room)
{
        size_t length = 0;

        text[0] = '\0';
        for (unsigned i = KERNEL_EVENT_EXIT; i < KERNEL_EVENT_COUNT; i++) {
                const char *name = kvm_event_name((enum kernel_event_kind)i);
                if (!formats->there[i] && length + strlen(name) + 2 < room)
                        length += (size_t)snprintf(text + length, room - length, "%s%s", length ? " " : "", name);
        }
}

bool kvm_tracing_try(const struct kvm_formats *formats, struct hwaccl_error *error)
{
        int fd = perf_open_event(formats->format[KERNEL_EVENT_EXIT].id, getpid(), false);

        if (fd < 0)
                return perf_open_error(errno, error);
        (void)close(fd);
        return true;
}
