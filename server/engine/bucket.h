/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_BUCKET_H
#define ENGINE_BUCKET_H

/* The tokens of a RATE semaphore: `rate` of them per `per_ms` flow in, up to
 * `burst`.
 *
 * It reads no clock, and knows neither waiters nor who took what. What has no
 * now_ns counts as of the latest time that the bucket was brought up to.
 *
 * Law: at any time it holds exactly min(burst, what it held + what flowed in),
 * counted in rationals; so how often it is asked changes nothing, and nothing
 * is lost over years. A full bucket holds no fraction of a token. Only a change
 * of per_ms rounds: the fraction, down to a multiple of 1 / (ns of the new
 * per_ms). */

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine_limits.h"

struct bucket {
    uint64_t at_ns;    /* It is brought up to then. */
    uint64_t fraction; /* Of a token, in 1 / per_ns; less than per_ns. */
    uint64_t per_ns;
    uint32_t tokens; /* Whole ones; to burst. */
    uint32_t rate;
    uint32_t burst;
};

/* Starts with so many tokens, at most burst. rate and burst are 1 to
 * LIMIT_PERMITS_MAX, per_ms is 1 to LIMIT_PER_MS_MAX. */
void bucket_init(struct bucket *bucket, uint32_t rate, uint64_t per_ms,
                 uint32_t burst, uint32_t tokens, uint64_t now_ns);

/* Brings it up to now_ns, which is not before the latest time, and returns the
 * whole tokens that are there. */
uint32_t bucket_tokens(struct bucket *bucket, uint64_t now_ns);

/* Goes on from now_ns at another rate, with the tokens and the fraction of a
 * token that are there, clipped at the new burst. */
void bucket_change(struct bucket *bucket, uint32_t rate, uint64_t per_ms,
                   uint32_t burst, uint64_t now_ns);

/* The first nanosecond at which so many tokens would be there if nobody took
 * any and burst clipped nothing: so `tokens` may exceed burst. The latest time
 * if they are there; TIME_NEVER if the clock cannot count so far. */
uint64_t bucket_when(const struct bucket *bucket, uint64_t tokens);

/* Takes tokens, which are there. */
static inline void bucket_take(struct bucket *bucket, uint32_t tokens)
{
    assert(tokens <= bucket->tokens);
    bucket->tokens -= tokens;
}

/* Gives tokens back, clipped at burst. */
void bucket_refund(struct bucket *bucket, uint32_t tokens);

/* When it is full is bucket_when() of burst. */
static inline bool bucket_is_full(const struct bucket *bucket)
{
    return bucket->tokens == bucket->burst;
}

#endif
