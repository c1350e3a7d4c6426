#include "core/machine/board/board.h"

void hwaccl_board_set_irq_line(struct hwaccl_board *board, unsigned line, bool level)
{
        if (board->controller->set_line(board->controller, line, level))
                hwaccl_host_irq_line_changed(board->host, line, level);
}

void hwaccl_board_stop(struct hwaccl_board *board, enum hwaccl_end end, uint64_t code)
{
        if (board->end != HWACCL_END_NONE)
                return;
        board->end = end;
        board->exit_code = code;
}

static uint64_t deadline_of(const struct hwaccl_timed_device *timed)
{
        return timed->device->ops->deadline(timed->device);
}

void hwaccl_board_deadline_changed(struct hwaccl_board *board)
{
        board->deadline_known = false;
}

uint64_t hwaccl_board_deadline(struct hwaccl_board *board)
{
        if (!board->deadline_known) {
                board->deadline_ns = UINT64_MAX;
                for (size_t i = 0; i < board->timed_count; i++) {
                        uint64_t deadline = deadline_of(&board->timed[i]);
                        if (deadline < board->deadline_ns)
                                board->deadline_ns = deadline;
                }
                board->deadline_known = true;
        }
        return board->deadline_ns;
}

void hwaccl_board_advance(struct hwaccl_board *board)
{
        uint64_t now = hwaccl_host_clock(board->host);

        if (hwaccl_board_deadline(board) > now)
                return;
        for (size_t i = 0; i < board->timed_count; i++)
                if (deadline_of(&board->timed[i]) <= now)
                        board->timed[i].device->ops->advance(board->timed[i].device);
        board->deadline_known = false;
}

uint64_t hwaccl_board_wake_deadline(const struct hwaccl_board *board, bool enabled)
{
        uint64_t least = UINT64_MAX;

        for (size_t i = 0; i < board->timed_count; i++) {
                uint64_t deadline = deadline_of(&board->timed[i]);
                if (deadline < least &&
                    board->controller->would_interrupt(board->controller, board->timed[i].line, enabled))
                        least = deadline;
        }
        return least;
}
