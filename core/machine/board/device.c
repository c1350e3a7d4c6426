#include "core/machine/board/device.h"

#include "core/assert.h"
#include "core/machine/board/board.h"

#include <string.h>

void hwaccl_board_add_device(struct hwaccl_board *board, struct hwaccl_device *device,
                             const struct hwaccl_device_ops *ops)
{
        device->ops = ops;
        device->board = board;
        hwaccl_assert(hwaccl_device_state_size(device) <= HWACCL_DEVICE_STATE_MAX);
        hwaccl_assert(!ops->valid || (ops->size >= sizeof(*device) && ops->size <= HWACCL_DEVICE_STRUCT_MAX));
        if (ops->field_count) {
                hwaccl_assert(board->device_count < HWACCL_BUS_DEVICE_MAX);
                board->device[board->device_count++] = device;
        }
}

void hwaccl_board_add_timed_device(struct hwaccl_board *board, struct hwaccl_device *device,
                                   const struct hwaccl_device_ops *ops, unsigned line)
{
        hwaccl_assert(ops->advance && ops->deadline && board->timed_count < HWACCL_BOARD_TIMED_MAX);
        hwaccl_board_add_device(board, device, ops);
        board->timed[board->timed_count++] = (struct hwaccl_timed_device){device, line};
}

size_t hwaccl_device_state_size(const struct hwaccl_device *device)
{
        size_t size = 0;
        for (size_t i = 0; i < device->ops->field_count; i++)
                size += device->ops->fields[i].size;
        return size;
}

void hwaccl_device_save(struct hwaccl_device *device, uint8_t *state)
{
        if (device->ops->saving)
                device->ops->saving(device);
        for (size_t i = 0; i < device->ops->field_count; i++) {
                const struct hwaccl_device_field *field = &device->ops->fields[i];
                memcpy(state, (const uint8_t *)device + field->offset, field->size);
                state += field->size;
        }
}

static void put_fields(const struct hwaccl_device_ops *ops, void *device, const uint8_t *state)
{
        for (size_t i = 0; i < ops->field_count; i++) {
                memcpy((uint8_t *)device + ops->fields[i].offset, state, ops->fields[i].size);
                state += ops->fields[i].size;
        }
}

bool hwaccl_device_check(const struct hwaccl_device *device, const uint8_t *state, size_t size,
                         struct hwaccl_error *error)
{
        _Alignas(64) uint8_t copy[HWACCL_DEVICE_STRUCT_MAX];
        const struct hwaccl_device_ops *ops = device->ops;

        if (size != hwaccl_device_state_size(device))
                return hwaccl_error_set(error, "state of device %s has %zu bytes, expected %zu", ops->name, size,
                                        hwaccl_device_state_size(device));
        if (!ops->valid)
                return true;
        memcpy(copy, device, ops->size);
        put_fields(ops, copy, state);
        return ops->valid((const struct hwaccl_device *)(const void *)copy, error) ||
               hwaccl_error_prefix(error, "state of device %s", ops->name);
}

bool hwaccl_device_load(struct hwaccl_device *device, const uint8_t *state, size_t size, struct hwaccl_error *error)
{
        if (!hwaccl_device_check(device, state, size, error))
                return false;
        put_fields(device->ops, device, state);
        if (device->ops->restored)
                device->ops->restored(device);
        return true;
}
