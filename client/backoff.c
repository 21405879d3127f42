/* SPDX-License-Identifier: MIT */
#include "backoff.h"

#include <assert.h>
#include <stdio.h>

#include "clock.h"

#define NS_PER_MS 1000000

void backoff_init(struct backoff *backoff, uint64_t seed)
{
    *backoff =
        (struct backoff){.random = seed, .status = PERMIT_E_DISCONNECTED};
}

void backoff_begin(struct backoff *backoff)
{
    assert(!backoff->is_trying);
    backoff->is_trying = true;
}

void backoff_succeed(struct backoff *backoff)
{
    assert(backoff->is_trying);
    backoff->is_trying = false;
    backoff->failures = 0;
}

/* splitmix64: good enough to spread clients, and no secret. */
static uint64_t draw(struct backoff *backoff)
{
    uint64_t number = backoff->random += UINT64_C(0x9e3779b97f4a7c15);

    number = (number ^ (number >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    number = (number ^ (number >> 27)) * UINT64_C(0x94d049bb133111eb);
    return number ^ (number >> 31);
}

/* How long the interval may become. */
static uint64_t range_ns(const struct backoff *backoff)
{
    uint64_t range_ms = BACKOFF_RANGE_MIN_MS;

    for (uint32_t i = 1;
         i < backoff->failures && range_ms < BACKOFF_RANGE_MAX_MS; i++) {
        range_ms *= 2;
    }
    return (range_ms < BACKOFF_RANGE_MAX_MS ? range_ms : BACKOFF_RANGE_MAX_MS) *
           NS_PER_MS;
}

void backoff_end(struct backoff *backoff, int64_t now_ns,
                 int64_t retry_after_ms, enum permit_status status,
                 const char *text)
{
    assert(retry_after_ms >= 0);
    if (backoff->is_trying && backoff->failures < UINT32_MAX) {
        backoff->failures++;
    }
    backoff->is_trying = false;
    /* A number that nobody can have meant must not end the client. */
    backoff->floor_ns =
        clock_after_ms(now_ns, retry_after_ms < BACKOFF_RETRY_AFTER_MAX_MS
                                   ? retry_after_ms
                                   : BACKOFF_RETRY_AFTER_MAX_MS);
    /* The server says the same to all, so chance comes on top of it. */
    backoff->next_ns =
        backoff->floor_ns + (int64_t)(draw(backoff) % (range_ns(backoff) + 1));
    backoff->status = status;
    (void)snprintf(backoff->text, sizeof(backoff->text), "%s", text);
}

/* Unless an attempt is under way. */
static int64_t refuses_until(const struct backoff *backoff)
{
    return backoff->failures > 0 ? backoff->next_ns : backoff->floor_ns;
}

bool backoff_refuses(const struct backoff *backoff, int64_t now_ns)
{
    return backoff->is_trying ? backoff->failures > 0
                              : now_ns < refuses_until(backoff);
}

int64_t backoff_refuses_ms(const struct backoff *backoff, int64_t now_ns)
{
    int64_t left_ns = refuses_until(backoff) - now_ns;

    return backoff->is_trying || left_ns <= 0 ? 0
                                              : (left_ns - 1) / NS_PER_MS + 1;
}

int64_t backoff_next_ns(const struct backoff *backoff)
{
    return backoff->is_trying ? CORE_NEVER : backoff->next_ns;
}
