/* SPDX-License-Identifier: MIT */
#include "owners.h"

#include <assert.h>

static bool has(const struct engine_slots *slots, uint32_t slot)
{
    return (slots->words[slot / 64] >> slot % 64 & 1) != 0;
}

static void add(struct engine_slots *slots, uint32_t slot)
{
    slots->words[slot / 64] |= UINT64_C(1) << slot % 64;
}

struct engine_slots owners_lowest(const struct owners *owners, uint32_t count)
{
    struct engine_slots slots = {{0}};

    for (uint32_t slot = 0; slot < LIMIT_SLOTS_MAX && count > 0; slot++) {
        if (owners->grant_ids[slot] == 0) {
            add(&slots, slot);
            count--;
        }
    }
    assert(count == 0);
    return slots;
}

bool owners_take(struct owners *owners, const struct engine_slots *slots,
                 uint32_t count, uint64_t grant_id)
{
    bool is_free = true;

    for (uint32_t slot = 0; slot < LIMIT_SLOTS_MAX; slot++) {
        if (has(slots, slot)) {
            is_free = is_free && owners->grant_ids[slot] == 0;
            owners->grant_ids[slot] = grant_id;
            count--;
        }
    }
    return is_free && count == 0;
}

void owners_give_back(struct owners *owners, uint64_t grant_id, uint32_t count)
{
    for (uint32_t slot = LIMIT_SLOTS_MAX; slot-- > 0 && count > 0;) {
        if (owners->grant_ids[slot] == grant_id) {
            owners->grant_ids[slot] = 0;
            count--;
        }
    }
}

struct engine_slots owners_slots(const struct owners *owners, uint64_t grant_id)
{
    struct engine_slots slots = {{0}};

    for (uint32_t slot = 0; slot < LIMIT_SLOTS_MAX; slot++) {
        if (owners->grant_ids[slot] == grant_id) {
            add(&slots, slot);
        }
    }
    return slots;
}
