/* SPDX-License-Identifier: MIT */
#include "changes.h"

#include <assert.h>

/* The tokens of RATEs, and when they let something happen. */

void semaphore_start_bucket(struct engine *engine, struct semaphore *semaphore,
                            const struct engine_definition *definition)
{
    bucket_init(&semaphore_rarity(engine, semaphore)->bucket, definition->rate,
                definition->per_ms, definition->burst,
                engine->is_started ? definition->burst : 0, engine->now_ns);
}

struct bucket *semaphore_bucket(const struct engine *engine,
                                const struct semaphore *semaphore)
{
    struct rarity *rarity = pool_at(&engine->rarities, semaphore->rarity);
    struct bucket *bucket = &rarity->bucket;

    assert(semaphore->kind == ENGINE_RATE);
    if (bucket->at_ns < engine->started_ns) {
        bucket->at_ns = engine->started_ns;
    }
    (void)bucket_tokens(bucket, engine->now_ns);
    return bucket;
}

uint64_t semaphore_tokens_ns(const struct engine *engine,
                             const struct semaphore *semaphore, uint64_t tokens)
{
    return bucket_when(semaphore_bucket(engine, semaphore), tokens);
}

void semaphore_refund(struct engine *engine, struct semaphore *semaphore,
                      uint32_t permits)
{
    if (permits > 0) {
        bucket_refund(semaphore_bucket(engine, semaphore), permits);
        semaphore_mark_to_be_served(engine, semaphore);
    }
}

/* The least that a waiter asks for who is not kept from his turn, and has not
 * tokens enough; 0 if there is none. Of a long queue it may be too little. */
static uint32_t least_above(const struct engine *engine,
                            const struct semaphore *semaphore, uint32_t tokens)
{
    const struct queue *queue = &semaphore->queue;
    uint32_t stop =
        queue_first_exhausted(&engine->queues, queue, semaphore->bypass);
    uint32_t least = 0;
    uint32_t place = 0;

    for (int i = 0; i < LIMIT_STEPS_MAX; i++) {
        uint32_t permits;
        place = queue_next_fitting(&engine->queues, queue, place,
                                   LIMIT_PERMITS_MAX);
        if (place == 0) {
            return least;
        }
        permits = queue_place_at(&engine->queues, place)->permits;
        if (permits > tokens && (least == 0 || permits < least)) {
            least = permits;
        }
        if (place == stop) {
            return least;
        }
    }
    return tokens + 1;
}

/* How many tokens would let something happen. 0: no number would. */
static uint32_t awaited_tokens(const struct engine *engine,
                               const struct semaphore *semaphore,
                               const struct bucket *bucket)
{
    uint32_t least;

    if (semaphore->queue.root == 0) {
        return semaphore->template_bytes != 0 && semaphore->holders.count == 0
                   ? bucket->burst
                   : 0;
    }
    if (semaphore->shadow) {
        return 0; /* Nobody waits for these tokens. */
    }
    least = queue_least_permits(&engine->queues, &semaphore->queue,
                                semaphore->bypass);
    if (least > bucket->tokens || least == 0) {
        return least;
    }
    /* Somebody has tokens enough, and waits for another semaphore: when that
     * changes, he is looked at. He keeps the next one from being served,
     * unless they may pass him. */
    return semaphore->bypass > 0 && !bucket_is_full(bucket)
               ? least_above(engine, semaphore, bucket->tokens)
               : 0;
}

void semaphore_arm(struct engine *engine, struct semaphore *semaphore)
{
    const struct bucket *bucket;
    struct rarity *rarity;
    uint32_t tokens;

    if (semaphore->kind != ENGINE_RATE) {
        return;
    }
    bucket = semaphore_bucket(engine, semaphore);
    rarity = semaphore_rarity(engine, semaphore);
    tokens = awaited_tokens(engine, semaphore, bucket);
    deadlines_set_numbered(
        &engine->deadlines, &rarity->deadline, rarity->number,
        tokens == 0 ? TIME_NEVER : bucket_when(bucket, tokens));
}
