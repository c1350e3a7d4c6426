/*
 * What ends a run from outside: kicks, and the preemption timer. Both set immediate_exit in the kvm_run page, which the
 * kernel checks when it enters, and send the thread a signal, which ends a KVM_RUN that has entered.
 */
#include "core/accel/kvm/kvm.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NANOSECONDS_PER_SECOND UINT64_C(1000000000)

/* glibc 2.31 has no name for it outside its own headers */
#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

/* The accelerator that this thread runs: for the signal handler. */
static _Thread_local struct kvm_accel *volatile current;

static void end_entry(struct kvm_accel *kvm)
{
        __atomic_store_n(&kvm->kvm->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
}

static void signalled(int number, siginfo_t *info, void *opaque)
{
        struct kvm_accel *kvm = current;

        (void)number, (void)opaque;
        if (!kvm)
                return;
        if (info->si_code == SI_TIMER)
                atomic_store(&kvm->timer_fired, true);
        end_entry(kvm);
}

bool kvm_signals_init(struct kvm_accel *kvm, struct hwaccl_error *error)
{
        struct sigaction action;

        kvm->armed_ns = UINT64_MAX;
        memset(&action, 0, sizeof(action));
        action.sa_sigaction = signalled;
        action.sa_flags = SA_SIGINFO;
        return (sigemptyset(&action.sa_mask) == 0 && sigaction(SIGRTMIN, &action, NULL) == 0) ||
               kvm_error(error, "setting a signal handler");
}

void kvm_signals_destroy(struct kvm_accel *kvm)
{
        if (kvm->has_timer)
                (void)timer_delete(kvm->timer);
        current = NULL; /* for signals that arrive later */
}

/* The timer belongs to the thread that runs the guest, known at the first run. */
static bool attach_thread(struct kvm_accel *kvm, struct hwaccl_error *error)
{
        struct sigevent event;
        sigset_t ours;

        memset(&event, 0, sizeof(event));
        event.sigev_notify = SIGEV_THREAD_ID;
        event.sigev_signo = SIGRTMIN;
        event.sigev_notify_thread_id = gettid();
        if (timer_create(CLOCK_MONOTONIC, &event, &kvm->timer) != 0)
                return kvm_error(error, "creating a timer");
        kvm->has_timer = true;
        if (sigemptyset(&ours) != 0 || sigaddset(&ours, SIGRTMIN) != 0 ||
            pthread_sigmask(SIG_UNBLOCK, &ours, NULL) != 0)
                return kvm_error(error, "unblocking a signal");
        kvm->thread = gettid();
        return true;
}

bool kvm_timer_arm(struct kvm_accel *kvm, uint64_t deadline_ns, struct hwaccl_error *error)
{
        struct itimerspec setting;
        struct timespec now;

        if (!kvm->thread && !attach_thread(kvm, error))
                return false;
        current = kvm;
        if (deadline_ns == kvm->armed_ns)
                return true;
        memset(&setting, 0, sizeof(setting));
        if (deadline_ns != UINT64_MAX) {
                /* the guest clock and this one differ by a constant */
                uint64_t guest = kvm->config.clock(kvm->config.opaque);
                if (clock_gettime(CLOCK_MONOTONIC, &now) != 0)
                        return kvm_error(error, "reading the clock");
                uint64_t rest = deadline_ns > guest ? deadline_ns - guest : 0;
                uint64_t at = (uint64_t)now.tv_sec * NANOSECONDS_PER_SECOND + (uint64_t)now.tv_nsec + rest;
                setting.it_value.tv_sec = (time_t)(at / NANOSECONDS_PER_SECOND);
                setting.it_value.tv_nsec = (long)(at % NANOSECONDS_PER_SECOND);
        }
        if (timer_settime(kvm->timer, TIMER_ABSTIME, &setting, NULL) != 0)
                return kvm_error(error, "setting a timer");
        kvm->armed_ns = deadline_ns;
        return true;
}

void kvm_kick(struct kvm_accel *kvm)
{
        int kept = errno; /* a signal handler may call this */

        atomic_store(&kvm->kicked, true);
        end_entry(kvm);
        if (atomic_load(&kvm->running))
                (void)syscall(SYS_tgkill, getpid(), kvm->thread, SIGRTMIN);
        errno = kept;
}

int kvm_run_once(struct kvm_accel *kvm)
{
        struct kvm_run *run = kvm->kvm->run;

        __atomic_store_n(&run->immediate_exit, 0, __ATOMIC_SEQ_CST);
        atomic_store(&kvm->running, true);
        if (atomic_load(&kvm->kicked) || atomic_load(&kvm->timer_fired))
                end_entry(kvm);
        int status = ioctl(kvm->kvm->vcpu_fd, KVM_RUN, 0);
        atomic_store(&kvm->running, false);
        return status;
}
