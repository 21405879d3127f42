/* SPDX-License-Identifier: MIT */
#ifndef CLIENT_CLOCK_H
#define CLIENT_CLOCK_H

/* The library's only clock. It runs on while the machine is suspended, as the
 * server's does elsewhere: who wakes up does not believe. */

#include <assert.h>
#include <stdint.h>
#include <time.h>

static inline int64_t clock_now_ns(void)
{
    struct timespec now;
    int error = clock_gettime(CLOCK_BOOTTIME, &now);

    assert(error == 0); /* Linux has had it since 2.6.39. */
    (void)error;
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Saturates at INT64_MAX: a time-out of centuries is none. */
static inline int64_t clock_after_ms(int64_t now_ns, int64_t ms)
{
    return ms > (INT64_MAX - now_ns) / 1000000 ? INT64_MAX
                                               : now_ns + ms * 1000000;
}

#endif
