/* SPDX-License-Identifier: MIT */
#include "clock.h"

#include <assert.h>
#include <time.h>

/* Longer than the loop ever sleeps. */
#define STOPPED_NS (UINT64_C(2) * CLOCK_LOOK_MS * 1000000)

uint64_t clock_look(struct clock *clock, uint64_t monotonic_ns)
{
    assert(monotonic_ns >= clock->last_ns);
    if (clock->last_ns != 0 && monotonic_ns - clock->last_ns > STOPPED_NS) {
        clock->polls_due = CLOCK_POLLS;
    }
    if (clock->last_ns != 0 && monotonic_ns - clock->last_ns > CLOCK_GAP_NS) {
        clock->paused_ns += monotonic_ns - clock->last_ns - CLOCK_GAP_NS;
    }
    clock->last_ns = monotonic_ns;
    return monotonic_ns - clock->paused_ns;
}

uint64_t clock_now_ns(struct clock *clock)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* Cannot fail on Linux. */
    return clock_look(clock, (uint64_t)now.tv_sec * 1000000000u +
                                 (uint64_t)now.tv_nsec);
}

int64_t clock_wall_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now); /* Cannot fail on Linux. */
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
