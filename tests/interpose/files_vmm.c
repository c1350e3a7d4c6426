/*
 * A VMM that reads files, then runs a guest for two exits. Usage: files_vmm OUTPUT INPUT...: each input is opened by
 * another function of the C library, OUTPUT is only written. Exit status 7; 99 when something fails.
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

static void check(int good, const char *what)
{
        if (good)
                return;
        perror(what);
        _exit(99);
}

static int open_by(unsigned function, const char *path)
{
        FILE *stream;

        switch (function % 6) {
        case 0: return open(path, O_RDONLY | O_CLOEXEC);
        case 1: return open64(path, O_RDWR | O_CREAT, 0600);
        case 2: return openat(AT_FDCWD, path, O_RDONLY);
        case 3: return openat64(AT_FDCWD, path, O_RDWR);
        case 4: stream = fopen(path, "rb"); break;
        default: stream = fopen64(path, "r+"); break;
        }
        return stream ? fileno(stream) : -1;
}

int main(int argc, char **argv)
{
        check(argc > 2, "arguments");
        check(open(argv[1], O_WRONLY | O_CREAT, 0600) >= 0, argv[1]);
        for (int i = 2; i < argc; i++)
                check(open_by((unsigned)i - 2, argv[i]) >= 0, argv[i]);
        check(open("/dev/null", O_RDONLY) >= 0 && open("/proc/self/stat", O_RDONLY) >= 0, "/dev/null");
        check(open("no-such-file", O_RDONLY) < 0, "no-such-file");
        int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
        int vm = ioctl(kvm, KVM_CREATE_VM, 0UL);
        int vcpu = ioctl(vm, KVM_CREATE_VCPU, 0UL);
        check(kvm >= 0 && vm >= 0 && vcpu >= 0, "KVM");
        size_t size = (size_t)ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0UL);
        check(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0) != MAP_FAILED, "mmap");
        for (int i = 0; i < 2; i++)
                check(ioctl(vcpu, KVM_RUN, NULL) == 0, "KVM_RUN");
        return 7;
}
