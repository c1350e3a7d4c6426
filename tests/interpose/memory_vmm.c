/*
 * A VMM whose guest has memory, on fake_kvm.c: every fourth exit of that, from the third on, writes to MMIO at d0000h
 * and has RIP behind the instruction that did so. The memory stays for the first such exit, then it is unmapped, never
 * mapped, not readable, there again, and deleted. Exit status 7; 99 when something fails.
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define SIZE 65536u

static void check(int good, const char *what)
{
        if (good)
                return;
        perror(what);
        _exit(99);
}

static int kvm, vm, vcpu;

static void set_slot(void *address, size_t size)
{
        struct kvm_userspace_memory_region region = {.memory_size = size,
                                                     .userspace_addr = (__u64)(unsigned long)address};

        check(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region) == 0, "KVM_SET_USER_MEMORY_REGION");
}

/* The next four exits. */
static void run(void)
{
        for (int i = 0; i < 4; i++)
                check(ioctl(vcpu, KVM_RUN, NULL) == 0, "KVM_RUN");
}

static char *map_memory(void *at)
{
        char *memory =
                mmap(at, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | (at ? MAP_FIXED : 0), -1, 0);

        check(memory != MAP_FAILED, "mmap");
        for (int i = 0; i < 256; i += 4)
                memcpy(memory + 0x1000 + i, "\x88\x07\x90\x90", 4); /* mov [bx], al; nop; nop */
        return memory;
}

int main(void)
{
        kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
        vm = ioctl(kvm, KVM_CREATE_VM, 0UL);
        vcpu = ioctl(vm, KVM_CREATE_VCPU, 0UL);
        check(kvm >= 0 && vm >= 0 && vcpu >= 0, "KVM");
        size_t size = (size_t)ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0UL);
        check(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0) != MAP_FAILED, "mmap");
        char *memory = map_memory(NULL);
        set_slot(memory, SIZE);
        run();
        check(munmap(memory, SIZE) == 0, "munmap");
        run();
        set_slot((void *)4096, SIZE);
        run();
        memory = map_memory(NULL);
        set_slot(memory, SIZE);
        run();
        check(mprotect(memory, SIZE, PROT_NONE) == 0, "mprotect");
        run();
        (void)map_memory(memory);
        run();
        check(mremap(memory, SIZE, 4096, 0) == memory, "mremap");
        run();
        set_slot(NULL, 0);
        run();
        return 7;
}
