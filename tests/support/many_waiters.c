/* SPDX-License-Identifier: MIT */
/* many_waiters N: N waiters on one semaphore, of which some in the middle are
 * cancelled, then some time out. Under callgrind only that is counted, so that
 * what it costs can be compared for different N. */

#include <stdint.h>
#include <stdlib.h>

#include <valgrind/callgrind.h>

#include "engine.h"

#define SOME 1000u

static uint8_t secret[ENGINE_HASH_SECRET_BYTES];
static struct engine *engine;
static uint64_t session_id; /* 0 before it is opened. */
static uint64_t answers;

static void take_effects(void)
{
    struct engine_effect effect;

    while (engine_next_effect(engine, &effect)) {
        if (effect.type == ENGINE_EFFECT_ANSWER) {
            answers++;
            session_id = effect.session_id;
        }
    }
}

static void apply(struct engine_event event)
{
    event.session_id = session_id;
    engine_apply(engine, &event);
    take_effects();
    while (engine_has_work(engine)) {
        engine_continue(engine);
        take_effects();
    }
}

/* In the middle those between have time-outs, all others none. */
static void queue(uint32_t count)
{
    const struct engine_part part = {.semaphore = "jobs", .permits = 1};
    struct engine_event event = {.type = ENGINE_ACQUIRE,
                                 .acquire = {.parts = &part, .parts_count = 1}};

    for (uint64_t id = 1; id <= count; id++) {
        uint64_t behind = id - count / 2;

        event.request_id = id;
        event.acquire.wait_ms = behind < SOME && id % 2 == 0 ? 1 : -1;
        apply(event);
    }
}

static void cancel_and_time_out(uint32_t count)
{
    struct engine_event event = {.type = ENGINE_CANCEL};

    for (uint32_t i = 1; i < SOME; i += 2) {
        event.request_id = count + i;
        event.cancel.acquire_id = (count / 2 + i) | 1;
        apply(event);
    }
    apply((struct engine_event){.type = ENGINE_TICK, .now_ns = NS_PER_MS});
}

int main(int argc, char **argv)
{
    uint32_t count = argc == 2 ? (uint32_t)atol(argv[1]) : 0;
    struct engine_limits limits = ENGINE_LIMITS_DEFAULT;
    struct engine_event event = {.type = ENGINE_DEFINE};

    limits.max_waiters = count;
    limits.max_waiters_per_session = count;
    engine = engine_create(&limits, 0, secret);
    if (count < 2 * SOME || engine == NULL) {
        return EXIT_FAILURE;
    }
    event.define.semaphore = "jobs";
    event.define.definition.fields =
        ENGINE_FIELD_KIND | ENGINE_FIELD_PERMITS | ENGINE_FIELD_MAX_QUEUE;
    event.define.definition.kind = ENGINE_COUNTING;
    event.define.definition.max_queue = count;
    apply(event);
    event = (struct engine_event){.type = ENGINE_SESSION_OPEN};
    event.session_open.timeout_ms = 1000000;
    apply(event);
    queue(count);
    answers = 0;
    CALLGRIND_START_INSTRUMENTATION;
    CALLGRIND_TOGGLE_COLLECT;
    cancel_and_time_out(count);
    CALLGRIND_TOGGLE_COLLECT;
    engine_destroy(engine);
    /* An answer to each, and to each Cancel. */
    return answers == SOME / 2 * 3 ? EXIT_SUCCESS : EXIT_FAILURE;
}
