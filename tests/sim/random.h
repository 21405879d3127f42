/* SPDX-License-Identifier: MIT */
#ifndef SIM_RANDOM_H
#define SIM_RANDOM_H

/* Numbers that follow from a seed: splitmix64. Not for secrets. */

#include <stdbool.h>
#include <stdint.h>

struct random {
    uint64_t state;
};

/* Spreads the bits of a number over all of the result. */
static inline uint64_t random_mix(uint64_t number)
{
    number = (number ^ (number >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    number = (number ^ (number >> 27)) * UINT64_C(0x94d049bb133111eb);
    return number ^ (number >> 31);
}

static inline uint64_t random_next(struct random *random)
{
    random->state += UINT64_C(0x9e3779b97f4a7c15);
    return random_mix(random->state);
}

/* 0 to end - 1. */
static inline uint32_t random_below(struct random *random, uint32_t end)
{
    return (uint32_t)((random_next(random) >> 32) * end >> 32);
}

static inline uint32_t random_between(struct random *random, uint32_t least,
                                      uint32_t most)
{
    return least + random_below(random, most - least + 1);
}

static inline bool random_chance(struct random *random, uint32_t percent)
{
    return random_below(random, 100) < percent;
}

#endif
