/* SPDX-License-Identifier: MIT */
#include "holds.h"

#include <assert.h>
#include <stddef.h>

__extension__ typedef unsigned __int128 wide;

void holds_add(struct holds *holds, uint32_t permits, int64_t held_ms)
{
    struct hold *hold = &holds->latest[holds->next];
    uint32_t kept_ms =
        held_ms < HOLDS_MS_MAX ? (uint32_t)held_ms : HOLDS_MS_MAX;

    assert(permits > 0 && held_ms >= 0);
    if (holds->count < LIMIT_HOLDS) {
        holds->count++;
    } else {
        holds->permits_sum -= hold->permits;
        holds->permits_ms_sum -= (wide)hold->permits * hold->held_ms;
    }
    hold->permits = permits;
    hold->held_ms = kept_ms;
    holds->permits_sum += permits;
    holds->permits_ms_sum += (wide)permits * kept_ms;
    holds->next = (holds->next + 1) % LIMIT_HOLDS;
}

static wide divide_up(wide dividend, uint64_t divisor)
{
    return dividend / divisor + (dividend % divisor != 0);
}

bool holds_estimate(const struct holds *holds, uint64_t missing,
                    uint64_t capacity, uint64_t *ret_ms)
{
    uint64_t mean_ms;
    uint64_t rest;
    wide estimate;

    if (holds->count < LIMIT_HOLDS_MIN || capacity == 0) {
        return false;
    }
    /* The mean is a whole number and a fraction, for missing times the sum may
     * have more than 128 bits. */
    mean_ms = (uint64_t)(holds->permits_ms_sum / holds->permits_sum);
    rest = (uint64_t)(holds->permits_ms_sum % holds->permits_sum);
    estimate = (wide)missing * mean_ms +
               divide_up((wide)missing * rest, holds->permits_sum);
    estimate = divide_up(estimate, capacity);
    *ret_ms = estimate < INT64_MAX ? (uint64_t)estimate : INT64_MAX;
    return true;
}
