/* A copy of what the handling of an exit did. */
#include "replay/engine.h"

#include <stdlib.h>
#include <string.h>

static bool make_room(struct replay_effects *effects, uint32_t size)
{
        if (effects->count == effects->room) {
                size_t room = effects->room ? 2 * effects->room : 16;
                struct hwaccl_effect *effect = reallocarray(effects->effect, room, sizeof(*effect));
                if (!effect)
                        return false;
                effects->effect = effect;
                effects->room = room;
        }
        if (effects->bytes_room - effects->size < size) {
                size_t room = 2 * effects->bytes_room + size + HWACCL_EFFECT_SIZE_MAX;
                uint8_t *bytes = realloc(effects->bytes, room);
                if (!bytes)
                        return false;
                effects->bytes = bytes;
                effects->bytes_room = room;
        }
        return true;
}

void replay_effects_add(struct replay_effects *effects, const struct hwaccl_effect *effect)
{
        if (effects->lost || !make_room(effects, effect->size)) {
                effects->lost = true;
                return;
        }
        struct hwaccl_effect *copy = &effects->effect[effects->count++];
        *copy = *effect;
        copy->data = NULL;
        if (effect->size)
                memcpy(effects->bytes + effects->size, effect->data, effect->size);
        effects->size += effect->size;
}

const struct hwaccl_effect *replay_effects_give(struct replay_effects *effects, size_t *count)
{
        static const struct hwaccl_effect none;
        size_t offset = 0;

        for (size_t i = 0; i < effects->count; i++) {
                effects->effect[i].data = effects->bytes + offset;
                offset += effects->effect[i].size;
        }
        *count = effects->count;
        return effects->lost ? NULL : effects->count ? effects->effect : &none;
}

void replay_effects_clear(struct replay_effects *effects)
{
        effects->count = 0;
        effects->size = 0;
        effects->lost = false;
}

void replay_effects_release(struct replay_effects *effects)
{
        free(effects->effect);
        free(effects->bytes);
        memset(effects, 0, sizeof(*effects));
}
