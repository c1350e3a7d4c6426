/*
 * A simulated /dev/kvm for VMMs that are linked with it: its vCPUs run no guest, KVM_RUN returns one exit after the
 * other: OUT to port 3f8h, IN from port 60h, a write to memory at d0000h, HLT. RIP is 1000h plus the exit's number, RAX
 * that number. A vCPU's KVM_SET_REGS with RBX = N makes its exit N another one: KVM_EXIT_* RCX, with RDX, RSI and RDI
 * in its first words; with R8, RDX in the first one and in the others their numbers in the union. KVM_EXIT_* 255 kills
 * the process while the guest runs, 254 its parent, and is HLT then; 253 is an interruption (EINTR) after RDX ms in
 * which the guest made no exit, 252 is an error of KVM_RUN (EFAULT), 251 ends the process with status 7 after RDX ms.
 *
 * A VM with KVM_REGISTER_COALESCED_MMIO has two coalesced writes before each exit: number N over both is 8 bytes of N
 * to memory at a0000h where N is even, else 4 bytes of N to port 70h. Where the ring is full they are lost.
 *
 * FAKE_KVM_PORTS: OUT and IN only.
 *
 * KVM_INTERRUPT: the guest takes the vector in the next KVM_RUN that makes an exit, an odd one in the second;
 * KVM_SYNC_X86_EVENTS, which no VMM here asks for, and KVM_GET_VCPU_EVENTS show it until then.
 *
 * FAKE_KVM_TEXT: what OUT writes, one byte after the other, instead of the number.
 *
 * FAKE_KVM_NO_SYNC: KVM_CAP_SYNC_REGS is lacking. With it, KVM_GET_REGS ends the process, because no VMM here calls
 * that: it is one system call more than without a recorder.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define RUN_SIZE   12288u
#define OBJECT_MAX 1024u
#define RING_AT    ((off_t)KVM_COALESCED_MMIO_PAGE_OFFSET * 4096)
#define RING_MAX   ((4096 - sizeof(struct kvm_coalesced_mmio_ring)) / sizeof(struct kvm_coalesced_mmio))

enum kind { SYSTEM, VM, VCPU };

/* Copies of a descriptor have its inode. */
static struct object {
        enum kind kind;
        ino_t inode;
        struct kvm_run *run;
        __u64 exits;
        struct kvm_regs regs;
        __u32 vector;   /* of a vCPU: that KVM has for the guest */
        unsigned waits; /* KVM_RUNs until the guest takes it; 0: there is none */
        struct object *vm;
        int ring_fd; /* of a VM */
        struct kvm_coalesced_mmio_ring *ring;
        __u64 zones;
        __u64 writes;
} objects[OBJECT_MAX];
static unsigned object_count;

static pthread_mutex_t ring_lock = PTHREAD_MUTEX_INITIALIZER;

static void *map(void *address, size_t size, int protection, int flags, int fd, off_t offset)
{
        return (void *)syscall(SYS_mmap, address, size, protection, flags, fd, offset);
}

static int make_ring(struct object *vm)
{
        vm->ring_fd = memfd_create("fake-kvm-ring", MFD_CLOEXEC);
        if (vm->ring_fd < 0 || ftruncate(vm->ring_fd, 4096) != 0)
                return -1;
        vm->ring = map(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, vm->ring_fd, 0);
        return vm->ring == MAP_FAILED ? -1 : 0;
}

static int make(enum kind kind, struct object *vm)
{
        int fd = memfd_create("fake-kvm", MFD_CLOEXEC);
        struct stat status;

        if (fd < 0 || fstat(fd, &status) != 0 || object_count == OBJECT_MAX)
                return -1;
        struct object *object = &objects[object_count++];
        *object = (struct object){.kind = kind, .inode = status.st_ino, .vm = vm};
        if (kind == VM && make_ring(object) != 0)
                return -1;
        if (kind != VCPU)
                return fd;
        if (ftruncate(fd, RUN_SIZE) != 0)
                return -1;
        object->run = mmap(NULL, RUN_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        return object->run == MAP_FAILED ? -1 : fd;
}

static struct object *find(int fd)
{
        struct stat status;

        if (fstat(fd, &status) != 0)
                return NULL;
        for (unsigned i = 0; i < object_count; i++)
                if (objects[i].inode == status.st_ino)
                        return &objects[i];
        return NULL;
}

int open(const char *path, int flags, ...)
{
        va_list arguments;

        va_start(arguments, flags);
        mode_t mode = va_arg(arguments, mode_t);
        va_end(arguments);
        return strcmp(path, "/dev/kvm") == 0 ? make(SYSTEM, NULL) : openat(AT_FDCWD, path, flags, mode);
}

/* The page of the ring is the same in the mappings of all vCPUs of a VM. */
void *mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset)
{
        void *run = map(address, size, protection, flags, fd, offset);
        const struct object *vcpu = fd >= 0 && object_count ? find(fd) : NULL;

        if (run == MAP_FAILED || !vcpu || vcpu->kind != VCPU || offset || size < (size_t)RING_AT + 4096)
                return run;
        return map((char *)run + RING_AT, 4096, protection, MAP_SHARED | MAP_FIXED, vcpu->vm->ring_fd, 0) == MAP_FAILED
                       ? MAP_FAILED
                       : run;
}

static bool has_sync(void)
{
        return !getenv("FAKE_KVM_NO_SYNC");
}

static void write_coalesced(struct object *vm)
{
        struct kvm_coalesced_mmio_ring *ring = vm->ring;

        (void)pthread_mutex_lock(&ring_lock);
        for (unsigned i = 0; vm->zones && i < 2; i++) {
                const __u32 last = ring->last, next = (__u32)((last + 1) % RING_MAX);
                const __u64 number = vm->writes;
                if (next == __atomic_load_n(&ring->first, __ATOMIC_ACQUIRE))
                        break;
                ring->coalesced_mmio[last] = (struct kvm_coalesced_mmio){
                        .phys_addr = number % 2 ? 0x70 : 0xa0000, .len = number % 2 ? 4 : 8, .pio = number % 2};
                memcpy(ring->coalesced_mmio[last].data, &number, sizeof(number));
                __atomic_store_n(&ring->last, next, __ATOMIC_RELEASE);
                vm->writes++;
        }
        (void)pthread_mutex_unlock(&ring_lock);
}

static void set_exit(struct object *vcpu)
{
        struct kvm_run *run = vcpu->run;
        __u64 number = vcpu->exits;
        const char *text = getenv("FAKE_KVM_TEXT");

        memset(&run->hw, 0, sizeof(run->padding));
        if (number == vcpu->regs.rbx && vcpu->regs.rcx) {
                run->exit_reason = (__u32)vcpu->regs.rcx;
                const __u64 words[] = {vcpu->regs.rdx, vcpu->regs.rsi, vcpu->regs.rdi};
                for (size_t i = 0; vcpu->regs.r8 && i < sizeof(run->padding); i++)
                        run->padding[i] = (char)i;
                memcpy(run->padding, words, vcpu->regs.r8 ? sizeof(words[0]) : sizeof(words));
                return;
        }
        switch (number % (getenv("FAKE_KVM_PORTS") ? 2 : 4)) {
        case 0:
        case 1:
                run->exit_reason = KVM_EXIT_IO;
                run->io.direction = number % 4 ? KVM_EXIT_IO_IN : KVM_EXIT_IO_OUT;
                run->io.port = number % 4 ? 0x60 : 0x3f8;
                run->io.size = 1;
                run->io.count = 1;
                run->io.data_offset = 4096;
                ((char *)run)[4096] = text && !(number % 4) ? text[number / 4 % strlen(text)] : (char)number;
                return;
        case 2:
                run->exit_reason = KVM_EXIT_MMIO;
                run->mmio.phys_addr = 0xd0000;
                run->mmio.len = 1;
                run->mmio.is_write = 1;
                return;
        default: run->exit_reason = KVM_EXIT_HLT;
        }
}

static void get_regs(const struct object *vcpu, struct kvm_regs *regs)
{
        *regs = vcpu->regs;
        regs->rip = 0x1000 + vcpu->exits;
        regs->rax = vcpu->exits;
}

/* The guest loops, until a signal interrupts KVM_RUN. */
static void loop_in_guest(__u64 ms)
{
        struct timespec pause = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};

        while (nanosleep(&pause, &pause) != 0)
                ;
}

static void get_events(const struct object *vcpu, struct kvm_vcpu_events *events)
{
        memset(events, 0, sizeof(*events));
        events->interrupt.injected = vcpu->waits > 0;
        events->interrupt.nr = (__u8)vcpu->vector;
}

static int run_vcpu(struct object *vcpu)
{
        struct kvm_run *run = vcpu->run;

        if (run->immediate_exit) {
                run->exit_reason = KVM_EXIT_UNKNOWN;
                errno = EINTR;
                return -1;
        }
        write_coalesced(vcpu->vm);
        set_exit(vcpu);
        if (run->exit_reason == 255)
                (void)kill(getpid(), SIGKILL);
        if (run->exit_reason == 254) {
                (void)kill(getppid(), SIGKILL);
                run->exit_reason = KVM_EXIT_HLT;
        }
        if (run->exit_reason == 252) {
                run->exit_reason = KVM_EXIT_UNKNOWN;
                errno = EFAULT;
                return -1;
        }
        const bool interrupted = run->exit_reason == 253, ended = run->exit_reason == 251;
        if (interrupted || ended)
                loop_in_guest(vcpu->regs.rdx);
        if (ended)
                _exit(7);
        if (interrupted)
                run->exit_reason = KVM_EXIT_INTR;
        if (run->kvm_valid_regs & KVM_SYNC_X86_REGS)
                get_regs(vcpu, &run->s.regs.regs);
        if (run->kvm_valid_regs & KVM_SYNC_X86_SREGS)
                run->s.regs.sregs = (struct kvm_sregs){.cr0 = 0x60000010};
        if (vcpu->waits)
                vcpu->waits--;
        else if (run->kvm_valid_regs & KVM_SYNC_X86_EVENTS)
                return -1; /* that costs */
        if (run->kvm_valid_regs & KVM_SYNC_X86_EVENTS)
                get_events(vcpu, &run->s.regs.events);
        vcpu->exits++;
        if (interrupted)
                errno = EINTR;
        return interrupted ? -1 : 0;
}

static int get_registers(struct object *vcpu, unsigned long request, void *argument)
{
        if (has_sync()) {
                (void)fputs("fake_kvm: KVM_GET_REGS or KVM_GET_SREGS: expected KVM_CAP_SYNC_REGS to be used\n", stderr);
                _exit(98);
        }
        vcpu->exits--; /* the exit that KVM_RUN returned */
        if (request == KVM_GET_REGS)
                get_regs(vcpu, argument);
        else
                *(struct kvm_sregs *)argument = (struct kvm_sregs){.cr0 = 0x60000010};
        vcpu->exits++;
        return 0;
}

/* As KVM reads an argument: a bad address is an error. */
static bool can_read(const void *argument, size_t size)
{
        char bytes[256];
        struct iovec local = {bytes, size}, remote = {(void *)argument, size};

        if (process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == (ssize_t)size)
                return true;
        errno = EFAULT;
        return false;
}

static int set_line(struct kvm_irq_level *line, bool status)
{
        if (!can_read(line, sizeof(*line)))
                return -1;
        if (status)
                line->status = -1; /* masked */
        return 0;
}

static int control(struct object *object, unsigned long request, void *argument)
{
        switch (request) {
        case KVM_CREATE_VM: return make(VM, NULL);
        case KVM_CREATE_VCPU: return make(VCPU, object);
        case KVM_GET_VCPU_MMAP_SIZE: return RUN_SIZE;
        case KVM_CHECK_EXTENSION:
                return (unsigned long)argument == KVM_CAP_SYNC_REGS && has_sync()
                               ? KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS | KVM_SYNC_X86_EVENTS
                               : 0;
        case KVM_ENABLE_CAP: return 0;
        case KVM_REGISTER_COALESCED_MMIO: object->zones++; return 0;
        case KVM_SET_USER_MEMORY_REGION:
        case KVM_SET_SREGS: return 0;
        case KVM_SET_REGS: object->regs = *(struct kvm_regs *)argument; return 0;
        case KVM_GET_REGS:
        case KVM_GET_SREGS: return get_registers(object, request, argument);
        case KVM_IRQ_LINE: return set_line(argument, false);
        case KVM_IRQ_LINE_STATUS: return set_line(argument, true);
        case KVM_SIGNAL_MSI: return can_read(argument, sizeof(struct kvm_msi)) ? 1 : -1;
        case KVM_INTERRUPT:
                object->vector = ((struct kvm_interrupt *)argument)->irq;
                object->waits = 1 + object->vector % 2;
                return 0;
        case KVM_GET_VCPU_EVENTS: get_events(object, argument); return 0;
        case KVM_SET_MSRS: return (int)((struct kvm_msrs *)argument)->nmsrs;
        case KVM_RUN: return run_vcpu(object);
        default: errno = EINVAL; return -1;
        }
}

int ioctl(int fd, unsigned long request, ...)
{
        static int (*next)(int, unsigned long, ...);
        va_list arguments;

        va_start(arguments, request);
        void *argument = va_arg(arguments, void *);
        va_end(arguments);
        struct object *object = _IOC_TYPE(request) == KVMIO ? find(fd) : NULL;
        if (object)
                return control(object, request, argument);
        if (!next)
                *(void **)&next = dlsym(RTLD_NEXT, "ioctl");
        return next(fd, request, argument);
}
