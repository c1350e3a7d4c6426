/*
 * A VMM that knows nothing of a recorder, and how its run ends:
 *
 *      ends_vmm EXITS REASON WORD,WORD,WORD AFTER END
 *
 * After EXITS exits comes KVM_EXIT_* REASON with these words (fake_kvm.c), after that AFTER other exits: the VMM knew
 * what to do. END is an exit status, or a signal by which it dies: -9. Exit status 99 when it fails.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

static void die(const char *what)
{
        perror(what);
        _exit(99);
}

static int make_vcpu(void)
{
        int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
        int vm = kvm < 0 ? -1 : ioctl(kvm, KVM_CREATE_VM, NULL);
        int vcpu = vm < 0 ? -1 : ioctl(vm, KVM_CREATE_VCPU, NULL);
        int size = vcpu < 0 ? -1 : ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, NULL);

        if (size < 0 || mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0) == MAP_FAILED)
                die("a vCPU");
        return vcpu;
}

int main(int argc, char **argv)
{
        unsigned long long word[3];

        if (argc != 6 || sscanf(argv[3], "%llx,%llx,%llx", &word[0], &word[1], &word[2]) != 3)
                return 99;
        const long exits = atol(argv[1]), after = atol(argv[4]);
        const int end = atoi(argv[5]), vcpu = make_vcpu();
        struct kvm_regs regs = {.rbx = (unsigned long long)exits,
                                .rcx = strtoull(argv[2], NULL, 10),
                                .rdx = word[0],
                                .rsi = word[1],
                                .rdi = word[2]};

        if (ioctl(vcpu, KVM_SET_REGS, &regs) != 0)
                die("KVM_SET_REGS");
        for (long i = 0; i < exits + 1 + after; i++)
                if (ioctl(vcpu, KVM_RUN, NULL) != 0 && errno != EINTR && errno != EFAULT)
                        die("KVM_RUN");
        if (end < 0)
                (void)raise(-end);
        return end;
}
