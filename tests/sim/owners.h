/* SPDX-License-Identifier: MIT */
#ifndef SIM_OWNERS_H
#define SIM_OWNERS_H

/* Who has which slot of a semaphore, for the model and for the laws: an array
 * that is scanned. It knows nothing of how the engine does it.
 *
 * Law: a slot has one owner at most. */

#include <stdbool.h>

#include "engine.h"

struct owners {
    uint64_t grant_ids[LIMIT_SLOTS_MAX]; /* 0: nobody has it. */
};

/* The lowest `count` that nobody has; there must be so many. */
struct engine_slots owners_lowest(const struct owners *owners, uint32_t count);

/* Gives them to a grant. Returns false if they are not `count`, or if somebody
 * has one of them. */
bool owners_take(struct owners *owners, const struct engine_slots *slots,
                 uint32_t count, uint64_t grant_id);

/* Takes the `count` highest from a grant, or as many as it has. */
void owners_give_back(struct owners *owners, uint64_t grant_id, uint32_t count);

/* Those of a grant. */
struct engine_slots owners_slots(const struct owners *owners,
                                 uint64_t grant_id);

#endif
