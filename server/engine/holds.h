/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_HOLDS_H
#define ENGINE_HOLDS_H

/* The latest LIMIT_HOLDS holds of a semaphore that have ended, and how long a
 * wait they promise.
 *
 * It reads no clock and knows no grants: it is told when something was given
 * back. All zeroes are one without holds.
 *
 * Law: an estimate is exact of what is kept. A hold of more than
 * HOLDS_MS_MAX (49 days) is kept as one of so many. */

#include <stdbool.h>
#include <stdint.h>

#include "engine_limits.h"

#define HOLDS_MS_MAX UINT32_MAX

struct hold {
    uint32_t permits;
    uint32_t held_ms;
};

struct holds {
    uint32_t count;
    uint32_t next;        /* Where the next one goes: over the oldest. */
    uint64_t permits_sum; /* Of all that are kept, as the next. */
    __extension__ unsigned __int128 permits_ms_sum; /* Permits x held_ms. */
    struct hold latest[LIMIT_HOLDS];
};

/* Permits (1 or more) were given back that had been held so long (0 or more).
 */
void holds_add(struct holds *holds, uint32_t permits, int64_t held_ms);

/* In how long so many permits will have come back, if `capacity` permits are
 * held as long as the mean one was: rounded up, INT64_MAX at most. Returns
 * false without data: fewer than LIMIT_HOLDS_MIN holds, or capacity 0. */
bool holds_estimate(const struct holds *holds, uint64_t missing,
                    uint64_t capacity, uint64_t *ret_ms);

#endif
