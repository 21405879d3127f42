/* SPDX-License-Identifier: MIT */
#ifndef CLOCK_H
#define CLOCK_H

/* The daemon's only clock: CLOCK_MONOTONIC less its own pauses, so that a
 * frozen machine or a SIGSTOP ends no session and no wait.
 *
 * Law: what a gap between two looks at the clock exceeds CLOCK_GAP_NS is a
 * pause and left out. So the loop must look at least every CLOCK_LOOK_MS. Wall
 * time is for logs, JSON and a start's first fence, never for a decision.
 *
 * After a pause the sockets are full of signs of life: nothing may be decided
 * before each was read. One poll finds few of many sockets, so CLOCK_POLLS of
 * them come first, while polls_due is not 0. */

#include <stdint.h>

#define CLOCK_GAP_NS UINT64_C(1000000000)
#define CLOCK_LOOK_MS 250
#define CLOCK_POLLS 16

struct clock {
    uint64_t last_ns;   /* CLOCK_MONOTONIC at the last look. */
    uint64_t paused_ns; /* Left out so far. */
    uint32_t polls_due; /* The loop counts them down. */
};

/* What the clock shows when CLOCK_MONOTONIC is monotonic_ns. */
uint64_t clock_look(struct clock *clock, uint64_t monotonic_ns);

/* clock_look() at this moment. */
uint64_t clock_now_ns(struct clock *clock);

/* Milliseconds since the epoch, by the wall clock. */
int64_t clock_wall_ms(void);

#endif
