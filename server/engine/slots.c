/* SPDX-License-Identifier: MIT */
#include "slots.h"

#include <assert.h>
#include <string.h>

#define WORD_BITS 64u
#define WORDS (LIMIT_SLOTS_MAX / WORD_BITS)

_Static_assert(LIMIT_SLOTS_MAX % WORD_BITS == 0, "words are full");

static uint32_t lowest_of(uint64_t word)
{
    return (uint32_t)__builtin_ctzll(word);
}

void slots_find(const struct slot_map *map, uint32_t count,
                struct engine_slots *ret_slots)
{
    for (uint32_t i = 0; i < WORDS; i++) {
        uint64_t free_ones = ~map->taken.words[i];

        ret_slots->words[i] = 0;
        for (; count > 0 && free_ones != 0; count--) {
            ret_slots->words[i] |= free_ones & (~free_ones + 1);
            free_ones &= free_ones - 1;
        }
    }
    assert(count == 0);
}

bool slots_are_free(const struct slot_map *map,
                    const struct engine_slots *slots, uint32_t count)
{
    uint32_t found = 0;

    for (uint32_t i = 0; i < WORDS; i++) {
        if (map != NULL && (map->taken.words[i] & slots->words[i]) != 0) {
            return false;
        }
        for (uint64_t left = slots->words[i]; left != 0; left &= left - 1) {
            found++;
        }
    }
    return found == count;
}

uint16_t slots_take(struct slot_map *map, const struct engine_slots *slots)
{
    uint16_t head = 0;

    for (uint32_t i = 0; i < WORDS; i++) {
        assert((map->taken.words[i] & slots->words[i]) == 0);
        map->taken.words[i] |= slots->words[i];
        for (uint64_t left = slots->words[i]; left != 0; left &= left - 1) {
            uint32_t slot = i * WORD_BITS + lowest_of(left);
            map->next[slot] = head;
            head = (uint16_t)(slot + 1);
        }
    }
    return head;
}

uint16_t slots_give_back(struct slot_map *map, uint16_t head, uint32_t count)
{
    for (; count > 0; count--) {
        uint32_t slot = head - 1u;
        uint64_t bit = UINT64_C(1) << slot % WORD_BITS;

        assert(head != 0 && (map->taken.words[slot / WORD_BITS] & bit) != 0);
        map->taken.words[slot / WORD_BITS] &= ~bit;
        head = map->next[slot];
    }
    return head;
}

size_t engine_slots_list(const struct engine_slots *slots,
                         uint32_t list[LIMIT_SLOTS_MAX])
{
    size_t count = 0;

    for (uint32_t i = 0; i < WORDS; i++) {
        for (uint64_t left = slots->words[i]; left != 0; left &= left - 1) {
            list[count++] = i * WORD_BITS + lowest_of(left);
        }
    }
    return count;
}
