/*
 * A VMM on KVM that knows nothing of a recorder. Usage: plain_vmm WHAT [NUMBER]; see main(). Exit status 7; 99 when it
 * fails. With fake_kvm.c instead of KVM its guest does as that says.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct vcpu {
        int fd;
        struct kvm_run *run;
};

static void die(const char *what)
{
        perror(what);
        _exit(99);
}

static int control(int fd, unsigned long request, void *argument)
{
        int result = ioctl(fd, request, argument);

        if (result < 0)
                die("ioctl");
        return result;
}

static int kvm;

static int make_vm(void)
{
        kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
        if (kvm < 0)
                die("/dev/kvm");
        return control(kvm, KVM_CREATE_VM, NULL);
}

static struct vcpu make_vcpu(int vm, unsigned long id)
{
        struct vcpu vcpu = {.fd = control(vm, KVM_CREATE_VCPU, (void *)id)};
        size_t size = (size_t)control(kvm, KVM_GET_VCPU_MMAP_SIZE, NULL);

        vcpu.run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu.fd, 0);
        if (vcpu.run == MAP_FAILED)
                die("mmap");
        return vcpu;
}

static void run_once(struct vcpu vcpu)
{
        errno = EDOM; /* no recorder may change it */
        if (control(vcpu.fd, KVM_RUN, NULL) != 0 || errno != EDOM || vcpu.run->kvm_valid_regs)
                die("KVM_RUN changed something");
}

static void run(struct vcpu vcpu, long count)
{
        for (long i = 0; i < count; i++)
                run_once(vcpu);
}

/* After @count exits another one: KVM_EXIT_* @reason, with @data */
static void run_until(struct vcpu vcpu, long count, unsigned reason, unsigned long long data)
{
        struct kvm_regs regs = {.rbx = (unsigned long long)count, .rcx = reason, .rdx = data};

        (void)control(vcpu.fd, KVM_SET_REGS, &regs);
        run(vcpu, count + 1);
}

static void run_to(struct vcpu vcpu, unsigned reason, unsigned long long data)
{
        run_until(vcpu, 3, reason, data);
}

/* In an exit the parent dies: its recorder, if it has one. Then more exits than a ring has room for. */
static void orphan(long count)
{
        struct vcpu vcpu = make_vcpu(make_vm(), 0);

        run_until(vcpu, count, 254, 0);
        run(vcpu, 100000);
        (void)!write(STDOUT_FILENO, "done\n", 5);
}

/* As a VMM that needs it no longer. */
static void closes_kvm(long count)
{
        int vm = make_vm();
        struct vcpu vcpu = make_vcpu(vm, 0);

        if (close(kvm) != 0 || close(vm) != 0)
                die("close");
        run(vcpu, count);
}

struct work {
        struct vcpu vcpu;
        long count;
};

static void *run_thread(void *opaque)
{
        const struct work *work = opaque;

        run(work->vcpu, work->count);
        return NULL;
}

/* Two vCPUs at a time, and a third that appears while the others run. */
static void threads(long count)
{
        int vm = make_vm();
        struct work work[3];
        pthread_t thread[3];

        for (unsigned i = 0; i < 3; i++) {
                work[i] = (struct work){make_vcpu(vm, i), count};
                if (i == 2)
                        run(work[i].vcpu, 1);
                if (pthread_create(&thread[i], NULL, run_thread, &work[i]) != 0)
                        die("pthread_create");
        }
        for (unsigned i = 0; i < 3; i++)
                (void)pthread_join(thread[i], NULL);
}

static void wait_for(pid_t child)
{
        int status;

        if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 7)
                die("a child");
}

/* A VM here, one in a child, and one in a program that another child starts. */
static void forks(char *program, long count)
{
        struct vcpu vcpu = make_vcpu(make_vm(), 0);

        run(vcpu, count);
        pid_t child = fork();
        if (child == 0) {
                run(make_vcpu(make_vm(), 0), count);
                _exit(7);
        }
        wait_for(child);
        child = fork();
        if (child == 0) {
                (void)execl(program, program, "run", "5", NULL);
                _exit(99);
        }
        wait_for(child);
        run(vcpu, 1);
}

/* Ready, then run until a line comes; the newline tells that the VMM saw it. */
static void until_told(void)
{
        struct vcpu vcpu = make_vcpu(make_vm(), 0);
        char line;

        run(vcpu, 1000);
        (void)!write(STDOUT_FILENO, "ready\n", 6);
        if (fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK) != 0)
                die("fcntl");
        while (read(STDIN_FILENO, &line, 1) != 1)
                run_once(vcpu);
        run(vcpu, 200000); /* more than a ring has room for */
        (void)!write(STDOUT_FILENO, "done\n", 5);
}

static void wait_for_line(void)
{
        char line;

        (void)!write(STDOUT_FILENO, "ready\n", 6);
        (void)!read(STDIN_FILENO, &line, 1);
}

/* Two vCPUs in a known order: 7 exits of the first one, then one of the second. That one's exit 100 is a shutdown. */
static void relay(long count)
{
        struct kvm_regs regs = {.rbx = 100, .rcx = KVM_EXIT_SHUTDOWN};
        int vm = make_vm();
        struct vcpu fast = make_vcpu(vm, 0), slow = make_vcpu(vm, 1);

        (void)control(slow.fd, KVM_SET_REGS, &regs);
        for (long i = 0; i < count + 10; i++) {
                run(fast, 7);
                run(slow, 1);
                if (i == count)
                        wait_for_line();
        }
}

/* It does not come back from the handling of its shutdown. */
static void stuck(void)
{
        run_to(make_vcpu(make_vm(), 0), KVM_EXIT_SHUTDOWN, 0);
        wait_for_line();
}

/* As VMMs whose vCPUs' threads may only do what they do: system calls to wait, or for files and memory, are no part
 * of that. */
static void filtered(long count)
{
        struct sock_filter filter[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clock_nanosleep, 5, 0),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 4, 0),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 3, 0),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_munmap, 2, 0),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_prctl, 1, 0),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_nanosleep, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};
        struct vcpu vcpu = make_vcpu(make_vm(), 0);

        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
            syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0)
                die("seccomp");
        run(vcpu, count);
}

static void interrupted(void)
{
        struct vcpu vcpu = make_vcpu(make_vm(), 0);

        vcpu.run->immediate_exit = 1;
        if (ioctl(vcpu.fd, KVM_RUN, NULL) != -1 || errno != EINTR)
                die("immediate_exit");
        vcpu.run->immediate_exit = 0;
        run(vcpu, 2);
}

/* As QEMU's -daemonize: the parent ends when its child is ready. */
static void background(long count)
{
        int ready[2], gone[2];
        char byte = 0;

        if (pipe(ready) != 0 || pipe(gone) != 0)
                die("pipe");
        pid_t child = fork();
        if (child != 0) {
                if (read(ready[0], &byte, 1) != 1)
                        die("the child");
                return;
        }
        (void)setsid();
        struct vcpu vcpu = make_vcpu(make_vm(), 0);
        (void)!write(ready[1], &byte, 1);
        (void)close(gone[1]);
        (void)!read(gone[0], &byte, 1); /* the end of the parent */
        run(vcpu, count);
        _exit(3);
}

static struct kvm_coalesced_mmio_ring *ring;
static pthread_mutex_t ring_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned long long taken;

/* As a VMM does after each exit: what it takes out are the numbers from 0. */
static void take_coalesced(void)
{
        const unsigned long max = (4096 - sizeof(*ring)) / sizeof(ring->coalesced_mmio[0]);

        (void)pthread_mutex_lock(&ring_lock);
        while (ring->first != __atomic_load_n(&ring->last, __ATOMIC_ACQUIRE)) {
                if (memcmp(ring->coalesced_mmio[ring->first].data, &taken, sizeof(taken)) != 0)
                        die("a coalesced write");
                taken++;
                __atomic_store_n(&ring->first, (unsigned)((ring->first + 1) % max), __ATOMIC_RELEASE);
        }
        (void)pthread_mutex_unlock(&ring_lock);
}

static void *run_and_take(void *opaque)
{
        const struct work *work = opaque;

        for (long i = 0; i < work->count; i++) {
                run_once(work->vcpu);
                take_coalesced();
        }
        return NULL;
}

/* Two vCPUs whose writes KVM coalesces; the VMM takes them, or nobody does. */
static void coalesced(bool take, long count)
{
        struct kvm_coalesced_mmio_zone zone = {.addr = 0xa0000, .size = 4096};
        struct work work[2];
        pthread_t thread[2];
        int vm = make_vm();

        (void)control(vm, KVM_REGISTER_COALESCED_MMIO, &zone);
        for (unsigned i = 0; i < 2; i++)
                work[i] = (struct work){make_vcpu(vm, i), count};
        ring = (void *)((char *)work[0].vcpu.run + 4096L * KVM_COALESCED_MMIO_PAGE_OFFSET);
        for (unsigned i = 0; i < 2; i++)
                if (pthread_create(&thread[i], NULL, take ? run_and_take : run_thread, &work[i]) != 0)
                        die("pthread_create");
        for (unsigned i = 0; i < 2; i++)
                (void)pthread_join(thread[i], NULL);
}

static void interrupt(struct vcpu vcpu, unsigned vector)
{
        struct kvm_interrupt offered = {vector};

        (void)control(vcpu.fd, KVM_INTERRUPT, &offered);
}

/* Vectors 40h and, which takes two entries, 41h; the last one is given while no entry follows. */
static void interrupts(void)
{
        struct vcpu vcpu = make_vcpu(make_vm(), 0);

        run(vcpu, 1);
        interrupt(vcpu, 0x40);
        run(vcpu, 2);
        interrupt(vcpu, 0x41);
        vcpu.run->immediate_exit = 1; /* no exit */
        if (ioctl(vcpu.fd, KVM_RUN, NULL) != -1 || errno != EINTR)
                die("immediate_exit");
        vcpu.run->immediate_exit = 0;
        run(vcpu, 3);
        interrupt(vcpu, 0x42);
}

/* With KVM's local APIC and the VMM's other controllers: a vector waits in KVM, and nothing shows it, if the guest
 * takes no interrupts. 40h is of that kind, 44h and 46h are not: KVM was ready for it, or is for another one since. */
static void split_interrupts(void)
{
        struct kvm_enable_cap split = {.cap = KVM_CAP_SPLIT_IRQCHIP, .args = {24}};
        int vm = make_vm();
        struct vcpu vcpu = make_vcpu(vm, 0);

        (void)control(vm, KVM_ENABLE_CAP, &split);
        run(vcpu, 1);
        interrupt(vcpu, 0x40);
        run(vcpu, 1);
        vcpu.run->ready_for_interrupt_injection = 1;
        interrupt(vcpu, 0x44);
        vcpu.run->ready_for_interrupt_injection = 0;
        run(vcpu, 1);
        interrupt(vcpu, 0x46);
        vcpu.run->ready_for_interrupt_injection = 1;
        run(vcpu, 1);
}

/* One exit of KVM with data in all of the union, which the VMM overwrites, and one more. */
static void data_of_exit(unsigned reason, unsigned long long data)
{
        struct vcpu vcpu = make_vcpu(make_vm(), 0);
        struct kvm_regs regs = {.rbx = 1, .rcx = reason, .rdx = data, .r8 = 1};

        (void)control(vcpu.fd, KVM_SET_REGS, &regs);
        run(vcpu, 2);
        if (vcpu.run->exit_reason != reason)
                die("the exit");
        vcpu.run->exit_reason = KVM_EXIT_HLT; /* what a VMM writes here KVM does not read */
        memset(vcpu.run->padding, 0x11, sizeof(vcpu.run->padding));
        run(vcpu, 1);
}

static int lines_vm;

/* Lines and messages, from a thread that runs no vCPU. */
static void *raise_lines(void *opaque)
{
        struct kvm_irq_level line = {.irq = 4, .level = 1};
        struct kvm_msi message = {.address_lo = 0xfee2300c, .data = 0x4931};

        (void)pthread_setname_np(pthread_self(), "lines");
        (void)control(lines_vm, KVM_IRQ_LINE, &line);
        line.level = 0;
        (void)control(lines_vm, KVM_IRQ_LINE, &line);
        line = (struct kvm_irq_level){.irq = 5, .level = 1};
        (void)control(lines_vm, KVM_IRQ_LINE_STATUS, &line);
        if (control(lines_vm, KVM_SIGNAL_MSI, &message) != 1)
                die("KVM_SIGNAL_MSI");
        if (ioctl(lines_vm, KVM_IRQ_LINE, (void *)8) != -1 || errno != EFAULT)
                die("a bad address");
        return opaque;
}

static void raise_and_run(void)
{
        lines_vm = make_vm();
        struct vcpu vcpu = make_vcpu(lines_vm, 0);
        struct kvm_msrs *msrs = calloc(1, sizeof(*msrs) + 5 * sizeof(msrs->entries[0]));
        pthread_t thread;

        if (!msrs)
                die("calloc");
        msrs->nmsrs = 5;
        (void)control(vcpu.fd, KVM_SET_MSRS, msrs);
        free(msrs);
        if (pthread_create(&thread, NULL, raise_lines, NULL) != 0 || pthread_join(thread, NULL) != 0)
                die("pthread_create");
        (void)control(vcpu.fd, KVM_RUN, NULL);
}

/* Line 5, before @exits exits. */
static void raise_line(bool lower, long exits)
{
        int vm = make_vm();
        struct vcpu vcpu = make_vcpu(vm, 0);
        struct kvm_irq_level line = {.irq = 5, .level = 1};

        (void)control(vm, KVM_IRQ_LINE, &line);
        line.level = 0;
        if (lower)
                (void)control(vm, KVM_IRQ_LINE, &line);
        for (long i = 0; i < exits; i++)
                (void)control(vcpu.fd, KVM_RUN, NULL);
}

int main(int argc, char **argv)
{
        const char *what = argc > 1 ? argv[1] : "";
        long count = argc > 2 ? atol(argv[2]) : 10;

        if (strcmp(what, "run") == 0)
                run(make_vcpu(make_vm(), 0), count);
        else if (strcmp(what, "threads") == 0)
                threads(count);
        else if (strcmp(what, "coalesced") == 0 || strcmp(what, "not-taken") == 0)
                coalesced(strcmp(what, "coalesced") == 0, count);
        else if (strcmp(what, "exit-data") == 0)
                data_of_exit((unsigned)count, argc > 3 ? strtoull(argv[3], NULL, 0) : 0);
        else if (strcmp(what, "interrupts") == 0)
                interrupts();
        else if (strcmp(what, "split-interrupts") == 0)
                split_interrupts();
        else if (strcmp(what, "lines") == 0)
                raise_and_run();
        else if (strcmp(what, "raised") == 0 || strcmp(what, "lowered") == 0)
                raise_line(strcmp(what, "lowered") == 0, count);
        else if (strcmp(what, "two") == 0)
                for (int i = 0; i < 2; i++)
                        run(make_vcpu(make_vm(), 0), count);
        else if (strcmp(what, "forks") == 0)
                forks(argv[0], count);
        else if (strcmp(what, "filtered") == 0)
                filtered(count);
        else if (strcmp(what, "interrupted") == 0)
                interrupted();
        else if (strcmp(what, "internal-error") == 0)
                run_to(make_vcpu(make_vm(), 0), KVM_EXIT_INTERNAL_ERROR, 1);
        else if (strcmp(what, "fail-entry") == 0)
                run_to(make_vcpu(make_vm(), 0), KVM_EXIT_FAIL_ENTRY, 0x80000021);
        else if (strcmp(what, "shutdown") == 0)
                run_to(make_vcpu(make_vm(), 0), KVM_EXIT_SHUTDOWN, 0);
        else if (strcmp(what, "die-in-guest") == 0)
                run_until(make_vcpu(make_vm(), 0), argc > 2 ? count : 3, 255, 0);
        else if (strcmp(what, "orphan") == 0)
                orphan(count);
        else if (strcmp(what, "closes-kvm") == 0)
                closes_kvm(count);
        else if (strcmp(what, "system-event") == 0)
                run_to(make_vcpu(make_vm(), 0), KVM_EXIT_SYSTEM_EVENT, (unsigned)count);
        else if (strcmp(what, "no-vcpu") == 0)
                (void)make_vm();
        else if (strcmp(what, "until-told") == 0)
                until_told();
        else if (strcmp(what, "relay") == 0)
                relay(count);
        else if (strcmp(what, "stuck") == 0)
                stuck();
        else if (strcmp(what, "background") == 0)
                background(count);
        else if (strcmp(what, "die") == 0) {
                run(make_vcpu(make_vm(), 0), count);
                (void)raise(SIGKILL);
        } else
                return 99;
        return 7;
}
