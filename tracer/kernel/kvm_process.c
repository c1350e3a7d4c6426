#include "tracer/kernel/kvm_process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PATH_ROOM 64u /* of the paths in /proc */

static void add_vcpu(struct kvm_process *found, uint32_t id)
{
        unsigned at = found->vcpus;

        for (unsigned i = 0; i < found->vcpus; i++)
                if (found->vcpu[i] == id) {
                        found->several = true;
                        return;
                }
        if (found->vcpus == KVM_PROCESS_VCPU_MAX)
                return;
        for (found->vcpus++; at > 0 && found->vcpu[at - 1] > id; at--)
                found->vcpu[at] = found->vcpu[at - 1];
        found->vcpu[at] = id;
}

/* Names that the kernel gives; before Linux 4.17 that of a vCPU has no number. */
static void take_descriptor(struct kvm_process *found, const char *name)
{
        static const char vm[] = "anon_inode:kvm-vm", vcpu[] = "anon_inode:kvm-vcpu";
        const bool is_vcpu = strncmp(name, vcpu, sizeof(vcpu) - 1) == 0;
        char *end;

        found->vm = found->vm || is_vcpu || strcmp(name, vm) == 0;
        if (!is_vcpu || name[sizeof(vcpu) - 1] != ':')
                return;
        unsigned long id = strtoul(name + sizeof(vcpu), &end, 10);
        if (end > name + sizeof(vcpu) && *end == '\0' && id <= UINT32_MAX)
                add_vcpu(found, (uint32_t)id);
}

static bool refuse(pid_t process, int reason, struct hwaccl_error *error)
{
        if (reason == ENOENT || reason == ESRCH)
                return hwaccl_error_set(error, "process %ld: there is no such process", (long)process);
        if (reason == EACCES || reason == EPERM)
                return hwaccl_error_set(error,
                                        "process %ld: no permission to look at its descriptors: it is another user's, "
                                        "or protected; run as root",
                                        (long)process);
        return hwaccl_error_set(error, "process %ld: cannot read its descriptors: %s", (long)process, strerror(reason));
}

bool kvm_process_look(pid_t process, struct kvm_process *found, struct hwaccl_error *error)
{
        char path[PATH_ROOM], name[64];
        const struct dirent *entry;
        bool kvm = false;
        int reason = 0; /* of a descriptor that cannot be read */

        memset(found, 0, sizeof(*found));
        (void)snprintf(path, sizeof(path), "/proc/%ld/fd", (long)process);
        DIR *directory = opendir(path);
        if (!directory)
                return refuse(process, errno, error);
        while ((entry = readdir(directory)) != NULL) {
                ssize_t length = readlinkat(dirfd(directory), entry->d_name, name, sizeof(name) - 1);
                if (length < 0 && entry->d_name[0] != '.')
                        reason = errno;
                name[length > 0 ? length : 0] = '\0';
                take_descriptor(found, name);
                kvm = kvm || strcmp(name, "/dev/kvm") == 0;
        }
        (void)closedir(directory);
        if (!kvm && !found->vm && (reason == EACCES || reason == EPERM || reason == ESRCH))
                return refuse(process, reason, error);
        if (kvm || found->vm)
                return true;
        kvm_process_program(process, name, sizeof(name));
        return hwaccl_error_set(error, "process %ld (%s): is no VMM: it has neither /dev/kvm nor a VM of KVM open",
                                (long)process, name);
}

size_t kvm_process_threads(pid_t process, pid_t *thread, size_t room)
{
        char path[PATH_ROOM];
        const struct dirent *entry;
        size_t count = 0;

        (void)snprintf(path, sizeof(path), "/proc/%ld/task", (long)process);
        DIR *directory = opendir(path);
        while (directory && (entry = readdir(directory)) != NULL) {
                long number = strtol(entry->d_name, NULL, 10);
                if (number > 0 && count++ < room)
                        thread[count - 1] = (pid_t)number;
        }
        if (directory)
                (void)closedir(directory);
        return count;
}

/* The first line, without its end; empty where there is none. */
static void read_line(const char *path, char *text, size_t room)
{
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t length = fd >= 0 ? read(fd, text, room - 1) : 0;

        text[length > 0 ? length : 0] = '\0';
        text[strcspn(text, "\n")] = '\0';
        if (fd >= 0)
                (void)close(fd);
}

void kvm_process_thread_name(pid_t process, pid_t thread, char *name, size_t room)
{
        char path[PATH_ROOM];

        (void)snprintf(path, sizeof(path), "/proc/%ld/task/%ld/comm", (long)process, (long)thread);
        read_line(path, name, room);
}

bool kvm_process_thread_runs(pid_t process, pid_t thread)
{
        char path[PATH_ROOM], text[128];
        char *end;

        (void)snprintf(path, sizeof(path), "/proc/%ld/task/%ld/syscall", (long)process, (long)thread);
        read_line(path, text, sizeof(text));
        if (strcmp(text, "running") == 0)
                return true;
        if (strtoul(text, &end, 10) != SYS_ioctl || *end != ' ')
                return false;
        (void)strtoul(end, &end, 16); /* the descriptor */
        return *end == ' ' && strtoul(end, &end, 16) == KVM_RUN && *end == ' ';
}

void kvm_process_program(pid_t process, char *name, size_t room)
{
        char path[PATH_ROOM], target[PATH_MAX];

        (void)snprintf(path, sizeof(path), "/proc/%ld/exe", (long)process);
        ssize_t length = readlink(path, target, sizeof(target) - 1);
        if (length > 0) {
                target[length] = '\0';
                const char *slash = strrchr(target, '/');
                (void)snprintf(name, room, "%s", slash ? slash + 1 : target);
                return;
        }
        (void)snprintf(path, sizeof(path), "/proc/%ld/comm", (long)process);
        read_line(path, name, room);
}
