/*
 * For machines without KVM: /dev/kvm with a guest of nine exits, those of kvm_vmm's guest. Linked into kvm_vmm with
 * -Wl,--wrap=open,--wrap=ioctl,--wrap=mmap: the VMM itself is as it is. What the guest reads goes on in what it writes.
 */
#include <linux/kvm.h>

#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

#define KVM_FD     1000001
#define RUN_SIZE   8192
#define RUN_DATA   4096
#define INTERRUPTS 0x20u

int __real_open(const char *path, int flags, ...);
int __real_ioctl(int fd, unsigned long request, ...);
void *__real_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset);
int __wrap_open(const char *path, int flags, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);
void *__wrap_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset);

static union {
        struct kvm_run run;
        unsigned char bytes[RUN_SIZE];
} room;
static unsigned step;
static unsigned char al;
static bool injected;

static void port(bool in, unsigned short number, unsigned char value)
{
        room.run.exit_reason = KVM_EXIT_IO;
        room.run.io.direction = in ? KVM_EXIT_IO_IN : KVM_EXIT_IO_OUT;
        room.run.io.size = 1;
        room.run.io.count = 1;
        room.run.io.port = number;
        room.run.io.data_offset = RUN_DATA;
        room.bytes[RUN_DATA] = value;
}

static void device(bool write, unsigned long address)
{
        room.run.exit_reason = KVM_EXIT_MMIO;
        memset(&room.run.mmio, 0, sizeof(room.run.mmio));
        room.run.mmio.phys_addr = address;
        room.run.mmio.len = 1;
        room.run.mmio.is_write = write;
        room.run.mmio.data[0] = write ? al : 0;
}

/* KVM completes IN and reads of memory at the next KVM_RUN. */
static int run_guest(void)
{
        if (step == 2)
                al = room.bytes[RUN_DATA];
        if (step == 5)
                al = room.run.mmio.data[0];
        if (step == 7 && !injected)
                return -1;
        room.run.ready_for_interrupt_injection = room.run.if_flag = step == 6;
        switch (step++) {
        case 0: port(false, 0xe9, 'h'); break;
        case 1: port(true, 0x60, 0); break;
        case 2: port(false, 0xe9, al); break;
        case 3: device(true, 0xd0000); break;
        case 4: device(false, 0xd0001); break;
        case 5: port(false, 0xe9, al); break;
        case 6: room.run.exit_reason = KVM_EXIT_HLT; break;
        case 7: port(false, 0xe9, '!'); break;
        default: port(false, 0xf4, 7); break;
        }
        return 0;
}

static void registers(struct kvm_regs *regs)
{
        static const unsigned short rip[] = {0, 0x1011, 0x1013, 0x1015, 0x101f, 0x101f, 0x1022, 0x1026, 0x102c, 0x1028};

        memset(regs, 0, sizeof(*regs));
        regs->rip = rip[step];
        regs->rax = room.run.exit_reason == KVM_EXIT_IO ? room.bytes[RUN_DATA] : al;
        regs->rflags = 2;
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
        va_list arguments;

        va_start(arguments, request);
        void *argument = va_arg(arguments, void *);
        va_end(arguments);
        if (fd != KVM_FD)
                return __real_ioctl(fd, request, argument);
        switch (request) {
        case KVM_GET_VCPU_MMAP_SIZE: return RUN_SIZE;
        case KVM_RUN: return run_guest();
        case KVM_GET_REGS: registers(argument); return 0;
        case KVM_GET_SREGS: memset(argument, 0, sizeof(struct kvm_sregs)); return 0;
        case KVM_INTERRUPT: injected = true; return 0;
        case KVM_CREATE_VM:
        case KVM_CREATE_VCPU: return KVM_FD;
        default: return 0;
        }
}

int __wrap_open(const char *path, int flags, ...)
{
        va_list arguments;

        va_start(arguments, flags);
        int mode = flags & O_CREAT ? va_arg(arguments, int) : 0;
        va_end(arguments);
        return strcmp(path, "/dev/kvm") == 0 ? KVM_FD : __real_open(path, flags, mode);
}

void *__wrap_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset)
{
        return fd == KVM_FD ? &room : __real_mmap(address, size, protection, flags, fd, offset);
}
