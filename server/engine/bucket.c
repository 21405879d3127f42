/* SPDX-License-Identifier: MIT */
#include "bucket.h"

/* Parts are tokens times per_ns: what flows in within a nanosecond is `rate` of
 * them. per_ns has 55 bits, so that a division of 64 bits is enough unless the
 * bucket was left alone for long; it is several times faster. */
__extension__ typedef unsigned __int128 wide;

_Static_assert(LIMIT_PER_MS_MAX <= (UINT64_C(1) << 55) / NS_PER_MS,
               "tokens (64 bits) times per_ns fit a wide");

/* Sets what it defines; the latest time, tokens and fraction stay. */
static void define(struct bucket *bucket, uint32_t rate, uint64_t per_ms,
                   uint32_t burst)
{
    assert(rate > 0 && rate <= LIMIT_PERMITS_MAX);
    assert(per_ms > 0 && per_ms <= LIMIT_PER_MS_MAX);
    assert(burst > 0 && burst <= LIMIT_PERMITS_MAX);
    bucket->rate = rate;
    bucket->per_ns = per_ms * NS_PER_MS;
    bucket->burst = burst;
}

/* Clips tokens + more at burst. */
static void fill(struct bucket *bucket, uint64_t more)
{
    if (more >= bucket->burst - bucket->tokens) {
        bucket->tokens = bucket->burst;
        bucket->fraction = 0;
    } else {
        bucket->tokens += (uint32_t)more;
    }
}

void bucket_init(struct bucket *bucket, uint32_t rate, uint64_t per_ms,
                 uint32_t burst, uint32_t tokens, uint64_t now_ns)
{
    assert(tokens <= burst);
    *bucket = (struct bucket){.at_ns = now_ns, .tokens = tokens};
    define(bucket, rate, per_ms, burst);
}

uint32_t bucket_tokens(struct bucket *bucket, uint64_t now_ns)
{
    uint64_t elapsed_ns = now_ns - bucket->at_ns;
    uint64_t parts;
    uint64_t whole;

    assert(now_ns >= bucket->at_ns && bucket->fraction < bucket->per_ns);
    bucket->at_ns = now_ns;
    if (bucket_is_full(bucket)) {
        return bucket->tokens;
    }
    if (!__builtin_mul_overflow(elapsed_ns, bucket->rate, &parts) &&
        !__builtin_add_overflow(parts, bucket->fraction, &parts)) {
        if (parts < bucket->per_ns) {
            bucket->fraction = parts;
            return bucket->tokens;
        }
        whole = parts / bucket->per_ns;
        bucket->fraction = parts % bucket->per_ns;
    } else {
        wide many = (wide)elapsed_ns * bucket->rate + bucket->fraction;
        wide tokens = many / bucket->per_ns;

        whole = tokens < bucket->burst ? (uint64_t)tokens : bucket->burst;
        bucket->fraction = (uint64_t)(many - tokens * bucket->per_ns);
    }
    fill(bucket, whole);
    return bucket->tokens;
}

void bucket_change(struct bucket *bucket, uint32_t rate, uint64_t per_ms,
                   uint32_t burst, uint64_t now_ns)
{
    uint64_t old_per_ns = bucket->per_ns;

    (void)bucket_tokens(bucket, now_ns);
    define(bucket, rate, per_ms, burst);
    bucket->fraction =
        (uint64_t)((wide)bucket->fraction * bucket->per_ns / old_per_ns);
    if (bucket->tokens >= burst) {
        bucket->tokens = burst;
        bucket->fraction = 0;
    }
}

uint64_t bucket_when(const struct bucket *bucket, uint64_t tokens)
{
    uint64_t missing;
    uint64_t delay_ns;
    uint64_t time_ns;

    if (tokens <= bucket->tokens) {
        return bucket->at_ns;
    }
    missing = tokens - bucket->tokens;
    if (!__builtin_mul_overflow(missing, bucket->per_ns, &delay_ns)) {
        /* The fraction is less than one of the missing tokens. */
        delay_ns = (delay_ns - bucket->fraction - 1) / bucket->rate + 1;
    } else {
        wide parts = (wide)missing * bucket->per_ns - bucket->fraction;
        wide delay = (parts + bucket->rate - 1) / bucket->rate;

        delay_ns = delay < TIME_NEVER ? (uint64_t)delay : TIME_NEVER;
    }
    return __builtin_add_overflow(bucket->at_ns, delay_ns, &time_ns)
               ? TIME_NEVER
               : time_ns;
}

void bucket_refund(struct bucket *bucket, uint32_t tokens)
{
    fill(bucket, tokens);
}
