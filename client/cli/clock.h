/* SPDX-License-Identifier: MIT */
#ifndef CLI_CLOCK_H
#define CLI_CLOCK_H

/* The command line's two clocks: CLOCK_BOOTTIME, as the library's deadlines;
 * wall time, only to print. */

#include <stdint.h>
#include <time.h>

static inline int64_t clock_read_ms(clockid_t clock)
{
    struct timespec now;

    (void)clock_gettime(clock, &now); /* These clocks are always there. */
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static inline int64_t clock_now_ms(void)
{
    return clock_read_ms(CLOCK_BOOTTIME);
}

static inline int64_t clock_wall_ms(void)
{
    return clock_read_ms(CLOCK_REALTIME);
}

#endif
