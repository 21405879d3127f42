/* SPDX-License-Identifier: MIT */
/* some_parts N: acquires N semaphores at once, and releases them, a thousand
 * times. Under callgrind only that is counted. */

#include <stdint.h>
#include <stdlib.h>

#include <valgrind/callgrind.h>

#include "engine.h"

#define ROUNDS 1000u

static const uint8_t secret[ENGINE_HASH_SECRET_BYTES];
static struct engine *engine;
static uint64_t session_id; /* 0 before it is opened. */
static uint64_t answers;

static void apply(struct engine_event event)
{
    struct engine_effect effect;

    event.session_id = session_id;
    engine_apply(engine, &event);
    while (engine_next_effect(engine, &effect)) {
        if (effect.type == ENGINE_EFFECT_ANSWER &&
            effect.answer.status == PERMIT_OK) {
            answers++;
            session_id = effect.session_id;
        }
    }
}

static void acquire_and_release(const struct engine_part *parts, uint32_t count)
{
    for (uint64_t id = 1; id <= 2 * ROUNDS; id += 2) {
        apply((struct engine_event){
            .type = ENGINE_ACQUIRE,
            .request_id = id,
            .acquire = {.parts = parts, .parts_count = count}});
        apply((struct engine_event){.type = ENGINE_RELEASE,
                                    .request_id = id + 1,
                                    .release = {.acquire_id = id}});
    }
}

int main(int argc, char **argv)
{
    static const struct engine_part parts[] = {
        {.semaphore = "gpus", .permits = 1},
        {.semaphore = "team/licences", .permits = 2},
        {.semaphore = "memory", .permits = 3}};
    const struct engine_limits limits = ENGINE_LIMITS_DEFAULT;
    uint32_t count = argc == 2 ? (uint32_t)atol(argv[1]) : 0;

    engine = engine_create(&limits, 0, secret);
    if (engine == NULL || count > sizeof(parts) / sizeof(parts[0])) {
        return EXIT_FAILURE;
    }
    for (uint32_t i = 0; i < count; i++) {
        apply((struct engine_event){
            .type = ENGINE_DEFINE,
            .define = {parts[i].semaphore,
                       {.fields = ENGINE_FIELD_PERMITS, .permits = 10}}});
    }
    apply((struct engine_event){.type = ENGINE_SESSION_OPEN,
                                .session_open.timeout_ms = 1000000});
    answers = 0;
    CALLGRIND_START_INSTRUMENTATION;
    CALLGRIND_TOGGLE_COLLECT;
    acquire_and_release(parts, count);
    CALLGRIND_TOGGLE_COLLECT;
    engine_destroy(engine);
    return answers == 2 * ROUNDS ? EXIT_SUCCESS : EXIT_FAILURE;
}
