#include "tracer/interpose/program.h"

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#define LINKER "/ld-linux-x86-64.so." /* glibc's; its directory depends on the distribution */

/* The dynamic linker that a program asks for: what has none is loaded by the kernel alone. */
static enum interpose_program check_linker(int fd, const Elf64_Ehdr *header)
{
        char linker[128];
        Elf64_Phdr program;

        for (unsigned i = 0; i < header->e_phnum; i++) {
                off_t at = (off_t)(header->e_phoff + (uint64_t)i * header->e_phentsize);
                if (pread(fd, &program, sizeof(program), at) != (ssize_t)sizeof(program))
                        return PROGRAM_GOOD; /* execve(2) says what is wrong with it */
                if (program.p_type != PT_INTERP)
                        continue;
                ssize_t length = pread(fd, linker, sizeof(linker) - 1, (off_t)program.p_offset);
                linker[length > 0 ? length : 0] = '\0';
                return strstr(linker, LINKER) ? PROGRAM_GOOD : PROGRAM_OTHER_LIBRARY;
        }
        return PROGRAM_STATIC;
}

/* Whether execve(2) would give it privileges, so that its linker distrusts the environment. */
static bool is_privileged(int fd)
{
        struct statvfs system;
        struct stat status;

        if (fstat(fd, &status) != 0 || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ||
            (fstatvfs(fd, &system) == 0 && system.f_flag & ST_NOSUID))
                return false;
        return (status.st_mode & S_ISUID && status.st_uid != getuid()) ||
               ((status.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && status.st_gid != getgid()) ||
               (getuid() != 0 && fgetxattr(fd, "security.capability", NULL, 0) > 0);
}

enum interpose_program interpose_program_check(const char *path)
{
        enum interpose_program result = PROGRAM_GOOD;
        Elf64_Ehdr header;
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

        if (fd < 0)
                return PROGRAM_GOOD; /* may be executed, but not read */
        if (pread(fd, &header, sizeof(header), 0) == (ssize_t)sizeof(header) &&
            memcmp(header.e_ident, ELFMAG, SELFMAG) == 0) {
                if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_machine != EM_X86_64)
                        result = PROGRAM_OTHER_PROCESSOR;
                else
                        result = check_linker(fd, &header);
                if (result == PROGRAM_GOOD && is_privileged(fd))
                        result = PROGRAM_PRIVILEGED;
        }
        (void)close(fd);
        return result;
}

const char *interpose_program_reason(enum interpose_program program)
{
        switch (program) {
        case PROGRAM_STATIC:
                return "statically linked: libhwaccl-interpose.so cannot be loaded into it; use a dynamically linked "
                       "build (for Rust: target x86_64-unknown-linux-gnu)";
        case PROGRAM_OTHER_LIBRARY:
                return "not linked with glibc: libhwaccl-interpose.so cannot be loaded into it; use a build for glibc "
                       "(for Rust: target x86_64-unknown-linux-gnu)";
        case PROGRAM_OTHER_PROCESSOR:
                return "not a program for x86-64: libhwaccl-interpose.so cannot be loaded into it";
        case PROGRAM_PRIVILEGED:
                return "has set-user-ID, set-group-ID or capabilities: libhwaccl-interpose.so is not loaded into such "
                       "a "
                       "program; run a copy without them, as a user who may do what it does";
        default: return "";
        }
}

static bool is_program(const char *path)
{
        struct stat status;

        return stat(path, &status) == 0 && S_ISREG(status.st_mode) && access(path, X_OK) == 0;
}

bool interpose_program_find(const char *name, char path[static PATH_MAX])
{
        const char *list = getenv("PATH");

        if (strchr(name, '/'))
                return (size_t)snprintf(path, PATH_MAX, "%s", name) < PATH_MAX && is_program(path);
        for (const char *part = list ? list : "/bin:/usr/bin";; part++) {
                size_t length = strcspn(part, ":");
                int needed = snprintf(path, PATH_MAX, "%.*s%s%s", (int)length, part, length ? "/" : "./", name);
                if (needed > 0 && needed < PATH_MAX && is_program(path))
                        return true;
                part += length;
                if (!*part)
                        return false;
        }
}
