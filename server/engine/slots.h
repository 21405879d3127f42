/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_SLOTS_H
#define ENGINE_SLOTS_H

/* The slots of one semaphore: which are taken, and which belong together to one
 * grant.
 *
 * It knows neither permits nor grants: a grant keeps the head of the chain of
 * its slots, its highest slot plus 1, or 0 for none.
 *
 * Law: a slot is in one chain at most, and chains fall. */

#include <stdbool.h>

#include "engine.h"

struct slot_map {
    struct engine_slots taken;
    uint16_t next[LIMIT_SLOTS_MAX]; /* Of one that is taken: in its chain. */
};

_Static_assert(LIMIT_SLOTS_MAX <= UINT16_MAX, "a slot plus 1 has 16 bits");

/* The lowest `count` that are free; there must be so many. */
void slots_find(const struct slot_map *map, uint32_t count,
                struct engine_slots *ret_slots);

/* Are all of them free, and are they so many? Without a map none are taken. */
bool slots_are_free(const struct slot_map *map,
                    const struct engine_slots *slots, uint32_t count);

/* Takes them, which are free. Returns the head of their chain. */
uint16_t slots_take(struct slot_map *map, const struct engine_slots *slots);

/* Frees the `count` first, and so highest, of a chain. Returns the head of what
 * is left of it. */
uint16_t slots_give_back(struct slot_map *map, uint16_t head, uint32_t count);

#endif
