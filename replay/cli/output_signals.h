/* Signals that the command ignores, and that a program which it starts must not inherit as ignored. */
#ifndef HWACCL_CLI_OUTPUT_SIGNALS_H
#define HWACCL_CLI_OUTPUT_SIGNALS_H

/** cli_ignore_output_signals - a closed pipe (| head) and the end of a file-size limit are write errors, so that a
 * recording is still finished */
void cli_ignore_output_signals(void);

/** cli_restore_output_signals - as they were before; async-signal-safe */
void cli_restore_output_signals(void);

#endif
