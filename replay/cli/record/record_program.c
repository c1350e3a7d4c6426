/* The program of a VMM: where it is, and whether a library can be loaded into it. */
#include "replay/cli/record/record.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The dynamic linker that a program asks for: what has none is loaded by the kernel alone. */
static bool has_interpreter(int fd, const Elf64_Ehdr *header)
{
        Elf64_Phdr program;

        for (unsigned i = 0; i < header->e_phnum; i++) {
                off_t at = (off_t)(header->e_phoff + (uint64_t)i * header->e_phentsize);
                if (pread(fd, &program, sizeof(program), at) != (ssize_t)sizeof(program))
                        return true; /* execve(2) says what is wrong with it */
                if (program.p_type == PT_INTERP)
                        return true;
        }
        return false;
}

/* Scripts and the like may start one that takes the library. */
static bool check_elf(const char *path, struct hwaccl_error *error)
{
        Elf64_Ehdr header;
        struct stat status;
        int fd = open(path, O_RDONLY | O_CLOEXEC);

        if (fd < 0)
                return true; /* may be executed, but not read */
        bool whole = pread(fd, &header, sizeof(header), 0) == (ssize_t)sizeof(header);
        bool elf = whole && memcmp(header.e_ident, ELFMAG, SELFMAG) == 0;
        bool is_64 = elf && header.e_ident[EI_CLASS] == ELFCLASS64 && header.e_machine == EM_X86_64;
        bool dynamic = !is_64 || has_interpreter(fd, &header);
        bool secure = fstat(fd, &status) == 0 && status.st_mode & (S_ISUID | S_ISGID) && geteuid() != 0;
        (void)close(fd);
        if (elf && !is_64)
                return hwaccl_error_set(error,
                                        "%s: not a program for x86-64: libhwaccl-interpose.so cannot be loaded "
                                        "into it",
                                        path);
        if (!dynamic)
                return hwaccl_error_set(error,
                                        "%s: statically linked: libhwaccl-interpose.so cannot be loaded into "
                                        "it; use a dynamically linked build (for Rust: target "
                                        "x86_64-unknown-linux-gnu)",
                                        path);
        return !secure || hwaccl_error_set(error,
                                           "%s: set-user-ID or set-group-ID: libhwaccl-interpose.so is not "
                                           "loaded into such a program; run it as that user",
                                           path);
}

static bool is_program(const char *path)
{
        struct stat status;

        return stat(path, &status) == 0 && S_ISREG(status.st_mode) && access(path, X_OK) == 0;
}

static char *search_path(const char *name)
{
        const char *list = getenv("PATH");

        for (const char *part = list ? list : "/bin:/usr/bin";; part++) {
                size_t length = strcspn(part, ":");
                char *path = NULL;
                if (asprintf(&path, "%.*s%s%s", (int)length, part, length ? "/" : "./", name) < 0)
                        return NULL;
                if (is_program(path))
                        return path;
                free(path);
                part += length;
                if (!*part)
                        return NULL;
        }
}

bool record_find_program(const char *name, char **path, struct hwaccl_error *error)
{
        *path = strchr(name, '/') ? strdup(name) : search_path(name);
        if (!*path)
                return hwaccl_error_set(error, "%s: no such program (not found in PATH)", name);
        if (access(*path, F_OK) != 0)
                hwaccl_error_set(error, "%s: cannot execute: %s", name, strerror(errno));
        else if (!is_program(*path))
                hwaccl_error_set(error, "%s: cannot execute: not a program, or no permission", name);
        else if (check_elf(*path, error))
                return true;
        free(*path);
        *path = NULL;
        return false;
}
