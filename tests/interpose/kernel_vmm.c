/*
 * A VMM on KVM whose guest makes a known number of exits that the kernel handles by itself: interrupt controller and
 * timer are the kernel's. It knows nothing of a recorder. Usage: kernel_vmm ROUNDS; 0: until standard input ends.
 * Prints a letter for each round, exit status 7; 99 when it fails.
 *
 * In a round: CPUID 5, RDMSR 4, pages of memory used for the first time 8 (in the first round), OUT to the kernel's
 * devices 9, HLT 1; for the VMM: OUT e9h 2, a read of memory at d0000h 1, OUT f4h 1.
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define MEMORY_SIZE 0x40000u
#define GUEST_START 0x1000u
#define HANDLER     0x1067u

/* Real mode, at 1000h. */
static const unsigned char guest[] = {
        0xbe, 0x05, 0x00,                   /* mov si, 5 */
        0x66, 0x31, 0xc0,                   /* 1: xor eax, eax */
        0x0f, 0xa2,                         /* cpuid */
        0x4e,                               /* dec si */
        0x75, 0xf8,                         /* jnz 1 */
        0xbe, 0x04, 0x00,                   /* mov si, 4 */
        0x66, 0xb9, 0x1b, 0x00, 0x00, 0x00, /* 2: mov ecx, 1bh */
        0x0f, 0x32,                         /* rdmsr: IA32_APIC_BASE */
        0x4e,                               /* dec si */
        0x75, 0xf5,                         /* jnz 2 */
        0xb8, 0x00, 0x10,                   /* mov ax, 1000h */
        0x8e, 0xc0,                         /* mov es, ax */
        0x31, 0xff,                         /* xor di, di */
        0xbe, 0x08, 0x00,                   /* mov si, 8 */
        0x26, 0x88, 0x05,                   /* 3: mov [es:di], al: a page each */
        0x81, 0xc7, 0x00, 0x10,             /* add di, 1000h */
        0x4e,                               /* dec si */
        0x75, 0xf6,                         /* jnz 3 */
        0xb0, 0x6b,                         /* mov al, 'k' */
        0xe6, 0xe9,                         /* out e9h, al */
        0xb0, 0x11, 0xe6, 0x20,             /* out 20h, 11h: the 8259 */
        0xb0, 0x20, 0xe6, 0x21,             /* out 21h, 20h: its vectors */
        0xb0, 0x04, 0xe6, 0x21,             /* out 21h, 4 */
        0xb0, 0x01, 0xe6, 0x21,             /* out 21h, 1 */
        0xb0, 0xfe, 0xe6, 0x21,             /* out 21h, feh: the timer alone */
        0xb0, 0x30, 0xe6, 0x43,             /* out 43h, 30h: one interrupt */
        0xb0, 0x00, 0xe6, 0x40,             /* out 40h, 0 */
        0xb0, 0x10, 0xe6, 0x40,             /* out 40h, 10h: in 3.4 ms */
        0xfb,                               /* sti */
        0xf4,                               /* hlt */
        0xfa,                               /* cli */
        0xb8, 0x00, 0xd0,                   /* mov ax, d000h */
        0x8e, 0xc0,                         /* mov es, ax */
        0x26, 0x8a, 0x1e, 0x00, 0x00,       /* mov bl, [es:0]: no memory */
        0xb0, 0x21,                         /* mov al, '!' */
        0xe6, 0xe9,                         /* out e9h, al */
        0xb0, 0x07,                         /* mov al, 7 */
        0xe6, 0xf4,                         /* out f4h, al: the end of the round */
        0xf4,                               /* hlt */
        0xb0, 0x20, 0xe6, 0x20,             /* handler: out 20h, 20h */
        0xcf,                               /* iret */
};

static void die(const char *what)
{
        perror(what);
        exit(99);
}

static int control(int fd, unsigned long request, void *argument)
{
        int result = ioctl(fd, request, argument);

        if (result < 0)
                die("ioctl");
        return result;
}

static int make_vm(int kvm)
{
        int vm = control(kvm, KVM_CREATE_VM, NULL);
        unsigned char *memory = mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        struct kvm_pit_config pit = {.flags = 0};
        const unsigned short vector[2] = {HANDLER, 0};

        if (memory == MAP_FAILED)
                die("mmap");
        memcpy(memory + GUEST_START, guest, sizeof(guest));
        memcpy(memory + 0x20 * sizeof(vector), vector, sizeof(vector));
        struct kvm_userspace_memory_region region = {.memory_size = MEMORY_SIZE,
                                                     .userspace_addr = (unsigned long)memory};
        (void)control(vm, KVM_SET_USER_MEMORY_REGION, &region);
        (void)control(vm, KVM_CREATE_IRQCHIP, NULL);
        (void)control(vm, KVM_CREATE_PIT2, &pit);
        return vm;
}

/* Until the guest ends its round. */
static void run_round(int cpu, struct kvm_run *run)
{
        struct kvm_regs regs = {.rip = GUEST_START, .rsp = 0xff00, .rflags = 2};

        (void)control(cpu, KVM_SET_REGS, &regs);
        for (;;) {
                (void)control(cpu, KVM_RUN, NULL);
                if (run->exit_reason == KVM_EXIT_IO && run->io.port == 0xf4)
                        return;
                if (run->exit_reason == KVM_EXIT_IO && run->io.port == 0xe9)
                        (void)!write(1, (char *)run + run->io.data_offset, 1);
                else if (run->exit_reason == KVM_EXIT_MMIO && !run->mmio.is_write)
                        memset(run->mmio.data, 0x55, sizeof(run->mmio.data));
                else
                        die("an exit that this VMM does not know");
        }
}

static int input_has_ended(void)
{
        struct pollfd input = {.fd = 0, .events = POLLIN};
        char byte;

        return poll(&input, 1, 0) > 0 && read(0, &byte, 1) == 0;
}

int main(int argc, char **argv)
{
        long rounds = argc > 1 ? atol(argv[1]) : 1;
        int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);

        if (kvm < 0)
                die("/dev/kvm");
        int vm = make_vm(kvm), cpu = control(vm, KVM_CREATE_VCPU, NULL);
        size_t size = (size_t)control(kvm, KVM_GET_VCPU_MMAP_SIZE, NULL);
        struct kvm_run *run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, cpu, 0);
        struct kvm_sregs sregs;
        if (run == MAP_FAILED)
                die("mmap");
        (void)control(cpu, KVM_GET_SREGS, &sregs);
        sregs.cs.base = sregs.cs.selector = 0;
        (void)control(cpu, KVM_SET_SREGS, &sregs);
        for (long i = 0; rounds ? i < rounds : !input_has_ended(); i++)
                run_round(cpu, run);
        return 7;
}
