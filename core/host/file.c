#include "core/host/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

bool hwaccl_file_mode_is_good(unsigned mode)
{
        return mode == 0 || ((mode & ~0666u) == 0 && (mode & 0600u) == 0600u);
}

int hwaccl_file_above_standard(int fd)
{
        if (fd < 0 || fd > STDERR_FILENO)
                return fd;
        int moved = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
        int reason = errno;

        (void)close(fd);
        errno = reason;
        return moved;
}

bool hwaccl_file_fill_standard(void)
{
        for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
                if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
                        return false;
        return true;
}

/* A new file has no more bits than @mode. Filesystems without permissions (FAT) refuse to change them. */
static bool set_mode(int fd, mode_t mode, bool is_new)
{
        struct stat status;

        if (fstat(fd, &status) != 0)
                return false;
        return !S_ISREG(status.st_mode) || (status.st_mode & 07777) == mode || fchmod(fd, mode) == 0 || is_new;
}

int hwaccl_file_create(int directory, const char *path, int flags, unsigned mode)
{
        mode_t wanted = mode ? mode : HWACCL_FILE_MODE_DEFAULT;
        int fd = hwaccl_file_above_standard(openat(directory, path, flags | O_CREAT | O_CLOEXEC, wanted));

        if (fd < 0 || set_mode(fd, wanted, flags & O_EXCL))
                return fd;
        int reason = errno;
        (void)close(fd);
        errno = reason;
        return -1;
}

bool hwaccl_file_create_directory(const char *path, unsigned mode)
{
        mode_t wanted = mode ? mode : HWACCL_FILE_MODE_DEFAULT;

        wanted |= (wanted & 0444) >> 2;
        /* the umask can only take bits away */
        return mkdir(path, wanted) == 0 && (chmod(path, wanted) == 0 || errno == EPERM);
}

pid_t hwaccl_file_lock_holder(int fd, bool write, off_t start, off_t size)
{
        struct flock lock = {
                .l_type = write ? F_WRLCK : F_RDLCK, .l_whence = SEEK_SET, .l_start = start, .l_len = size};

        if (fcntl(fd, F_GETLK, &lock) != 0 || lock.l_type == F_UNLCK)
                return 0;
        return lock.l_pid > 0 ? lock.l_pid : -1;
}
