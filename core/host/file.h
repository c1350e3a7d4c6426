/* Files that hwaccl creates are for their owner, and no descriptor of hwaccl's is a standard one. */
#ifndef HWACCL_HOST_FILE_H
#define HWACCL_HOST_FILE_H

#include <stdbool.h>
#include <sys/types.h>

#define HWACCL_FILE_MODE_DEFAULT 0600u

/** hwaccl_file_mode_is_good - 0 (the default), or octal 600 to 666: the owner reads and writes, nobody executes */
bool hwaccl_file_mode_is_good(unsigned mode);

/**
 * hwaccl_file_above_standard - @fd, moved above 0 to 2 if a caller had closed one of those
 *
 * What a program prints to a closed standard descriptor must not go into a recording. The copy has close-on-exec.
 * Returns -1 with errno set on failure, or if @fd is negative.
 */
int hwaccl_file_above_standard(int fd);

/**
 * hwaccl_file_fill_standard - put /dev/null in the place of standard descriptors that are closed
 *
 * For the beginning of a program: no file or pipe gets their numbers. Like a closed one it can neither be read
 * (standard input) nor be written. False with errno set on failure.
 */
bool hwaccl_file_fill_standard(void);

/**
 * hwaccl_file_create - openat(2) with O_CREAT | O_CLOEXEC and @flags
 * @directory: AT_FDCWD, or a directory's descriptor
 * @mode: permissions of the file if it is a regular one, whatever the umask is, also if it existed; 0: the default
 *
 * Returns a descriptor above the standard ones, or -1 with errno set.
 */
int hwaccl_file_create(int directory, const char *path, int flags, unsigned mode);

/** hwaccl_file_create_directory - mkdir(2); @mode: as for its files, who may read a file may search it */
bool hwaccl_file_create_directory(const char *path, unsigned mode);

/**
 * hwaccl_file_lock_holder - which other process has a lock on @size bytes of a file from @start on
 * @write: that conflicts with a write lock, else with a read lock
 *
 * 0: none; -1: the kernel does not tell, for an open file description lock or one of another PID namespace.
 */
pid_t hwaccl_file_lock_holder(int fd, bool write, off_t start, off_t size);

#endif
