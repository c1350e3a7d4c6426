/*
 * Replays a recording of kvm_vmm through its exit handler, without KVM. Usage: kvm_vmm_replay RECORDING [EXIT]. Exit
 * status: 0 if the handler does what it did; 1 if not, with the differences; 2 if the recording cannot be replayed.
 *
 *     cc -o kvm_vmm_replay kvm_vmm_replay.c $(pkg-config --cflags --libs hwaccl-replay)
 */
#include "kvm_vmm_handler.h"

#include <hwaccl/session.h>
#include <hwaccl/session_kvm.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct hwaccl_session *session;

static unsigned char read_key(void)
{
        unsigned char key = 0;
        size_t size = 1;

        hwaccl_session_input(session, HWACCL_TRACE_INPUT_CONSOLE, 0, NULL, &key, &size);
        return key;
}

static void print(unsigned char letter)
{
        hwaccl_session_effect(session, HWACCL_TRACE_EFFECT_CONSOLE, 2, 0, &letter, 1);
}

static void end(unsigned char code)
{
        hwaccl_session_effect(session, HWACCL_TRACE_EFFECT_STOP, HWACCL_TRACE_END_EXIT_CODE, code, NULL, 0);
}

static int cannot(const char *message)
{
        (void)fprintf(stderr, "kvm_vmm_replay: %s\n", message);
        hwaccl_session_close(session);
        return 2;
}

int main(int argc, char **argv)
{
        static const struct world world = {read_key, print, end};
        static union hwaccl_session_kvm_run room;
        const struct hwaccl_session_exit *exit;
        struct hwaccl_error error;
        struct vmm vmm = {0};
        const void *data;
        size_t size;

        if (argc != 2 && argc != 3)
                return 2;
        session = hwaccl_session_open(argv[1], 0, &error);
        if (!session || !hwaccl_session_load(session, argc == 3 ? strtoul(argv[2], NULL, 10) : 0, &error))
                return cannot(error.message);
        if (hwaccl_session_snapshot(session, "vmm", &data, &size)) {
                if (size != sizeof(vmm))
                        return cannot("the state is of another version of this VMM");
                memcpy(&vmm, data, sizeof(vmm));
        }
        for (;;) {
                if (timer_interrupts(&vmm))
                        hwaccl_session_irq(session, TIMER_VECTOR);
                enum hwaccl_session_step step = hwaccl_session_step(session, &exit, &error);
                if (step == HWACCL_SESSION_FAILED)
                        return cannot(error.message);
                if (step == HWACCL_SESSION_END)
                        break;
                hwaccl_session_kvm_exit(&room, exit);
                unsigned outcome = handle_exit(&vmm, &room.run, &world);
                hwaccl_session_kvm_answered(session, &room.run);
                if (!hwaccl_session_handled(session, outcome, NULL))
                        hwaccl_session_explain(session, stdout);
        }
        uint64_t divergences = hwaccl_session_divergences(session);
        (void)printf("replayed %" PRIu64 " exits: %" PRIu64 " divergences\n", hwaccl_session_exits(session),
                     divergences);
        if (hwaccl_session_exits(session) == 0)
                return cannot("there was no exit to replay");
        hwaccl_session_close(session);
        return divergences > 0;
}
