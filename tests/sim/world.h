/* SPDX-License-Identifier: MIT */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

/* What happens to the engine: random events that collide often.
 *
 * Few names, few sessions, small numbers, times on a grid of milliseconds and
 * around the deadlines. Each seed has its own mix, and some have a crowd: so
 * many waiters and grants that one call of the engine cannot do the work. It
 * looks at the model, so that its events hit what is there.
 *
 * Law: what it makes follows from the seed and the model alone. */

#include "engine.h"
#include "model.h"
#include "random.h"

#define WORLD_FIRST_FENCE UINT64_C(1000)

enum world_clock {
    WORLD_STANDS = 1,
    WORLD_NEXT_MS,
    WORLD_SOME_NS,
    WORLD_AT_DEADLINE,
    WORLD_BEFORE_DEADLINE,
    WORLD_AFTER_DEADLINE,
    WORLD_FAR,
    WORLD_CLOCKS
};

struct world {
    struct random random;
    struct engine_limits limits;
    uint64_t now_ns;
    uint64_t next_request_id; /* One row for all: so they rise in each. */
    uint32_t names;           /* How many are in use. */
    uint32_t defined;         /* How many of them were defined at first. */
    uint32_t sessions;        /* How many it keeps open. */
    uint32_t permits_max;
    uint32_t span_ms; /* Of waits, holds and graces. */
    bool crowd;
    uint32_t event_weights[ENGINE_DRAIN + 1];
    uint32_t clock_weights[WORLD_CLOCKS];
};

/* Begins the world of a seed. */
void world_init(struct world *world, uint64_t seed);

/* Makes the next event. Its strings are constant. */
struct engine_event world_next(struct world *world, const struct model *model);

/* The hash that the world gives to the body of a request. */
uint64_t world_body_hash(uint64_t request_id);

/* One of the names that semaphores may have, by its number below WORLD_NAMES.
 */
#define WORLD_NAMES 8
const char *world_name(uint32_t number);

#endif
