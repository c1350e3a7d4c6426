/* Programs: where they are, and whether libhwaccl-interpose.so can be loaded into them. The recorder asks before it
 * starts one, and the library before its process does. No memory is allocated: a child of fork(2) may call this. */
#ifndef HWACCL_INTERPOSE_PROGRAM_H
#define HWACCL_INTERPOSE_PROGRAM_H

#include <limits.h>
#include <stdbool.h>

enum interpose_program {
        PROGRAM_GOOD, /* also scripts, and what is none: execve(2) says so */
        PROGRAM_STATIC,
        PROGRAM_OTHER_LIBRARY,   /* dynamically linked, but not by glibc's linker */
        PROGRAM_OTHER_PROCESSOR, /* i386, x32 and others */
        PROGRAM_PRIVILEGED,      /* the linker ignores LD_PRELOAD: set-user-ID, set-group-ID or capabilities */
};

/** interpose_program_check - what the kernel would load for @path, by the calling process */
enum interpose_program interpose_program_check(const char *path);

/** interpose_program_reason - why not, and what to do: "statically linked: …" */
const char *interpose_program_reason(enum interpose_program program);

/** interpose_program_find - as execvp(3) does, in PATH unless @name has a slash; false if there is none */
bool interpose_program_find(const char *name, char path[static PATH_MAX]);

#endif
