#include "replay/cli/output_signals.h"

#include <signal.h>
#include <stddef.h>

static const int number[] = {SIGPIPE, SIGXFSZ};
static void (*before[sizeof(number) / sizeof(number[0])])(int);

void cli_ignore_output_signals(void)
{
        for (size_t i = 0; i < sizeof(number) / sizeof(number[0]); i++)
                before[i] = signal(number[i], SIG_IGN);
}

void cli_restore_output_signals(void)
{
        for (size_t i = 0; i < sizeof(number) / sizeof(number[0]); i++)
                (void)signal(number[i], before[i]);
}
