/* The flight recorder of `hwaccl record`: its configuration, and SIGUSR1. */
#include "replay/cli/record/record.h"

#include <signal.h>
#include <stdatomic.h>
#include <string.h>

static _Atomic(struct hwaccl_recorder *) recording;
static atomic_bool pending; /* a signal came before there was a recorder */

static void notice(void *opaque, const char *text)
{
        cli_notice(opaque, "%s", text);
}

struct hwaccl_flight_config record_flight_config(const struct record_settings *settings)
{
        return (struct hwaccl_flight_config){
                .window = settings->flight_window,
                .text = settings->flight_text,
                .trigger = settings->trigger,
                .trigger_count = settings->trigger_count,
                .notice = notice,
                .opaque = (void *)(uintptr_t)settings->command,
        };
}

static void on_signal(int number)
{
        struct hwaccl_recorder *recorder = atomic_load(&recording);

        (void)number;
        if (recorder)
                hwaccl_recorder_dump(recorder);
        else
                atomic_store(&pending, true);
}

void record_flight_prepare(const struct record_settings *settings)
{
        struct sigaction action;

        memset(&action, 0, sizeof(action));
        (void)sigemptyset(&action.sa_mask);
        action.sa_flags = SA_RESTART;
        action.sa_handler = settings->flight_text ? on_signal : SIG_IGN;
        (void)sigaction(SIGUSR1, &action, NULL);
}

void record_flight_start(struct hwaccl_recorder *recorder)
{
        atomic_store(&recording, recorder);
        if (atomic_exchange(&pending, false))
                hwaccl_recorder_dump(recorder);
}

/* The signal goes to the main thread, which ends the recorder after this: no handler is running. */
void record_flight_stop(void)
{
        (void)signal(SIGUSR1, SIG_IGN);
        atomic_store(&recording, NULL);
}
