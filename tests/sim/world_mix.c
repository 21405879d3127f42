/* SPDX-License-Identifier: MIT */
/* A seed's own mix: how much of what there is in its world. */
#include "world.h"

#include <string.h>

static void init_weights(struct world *world)
{
    static const struct {
        enum engine_event_type type;
        uint32_t most;
        uint32_t crowd;
    } events[] = {{ENGINE_TICK, 10, 2},       {ENGINE_SESSION_OPEN, 8, 4},
                  {ENGINE_SESSION_END, 2, 3}, {ENGINE_SESSION_DISCONNECT, 6, 3},
                  {ENGINE_ACQUIRE, 60, 600},  {ENGINE_CANCEL, 10, 10},
                  {ENGINE_RELEASE, 30, 20},   {ENGINE_POST, 8, 6},
                  {ENGINE_RENEW, 8, 4},       {ENGINE_VERIFY, 3, 2},
                  {ENGINE_SETTLE, 6, 3},      {ENGINE_WHY, 6, 2},
                  {ENGINE_DEFINE, 8, 4},      {ENGINE_DELETE, 2, 2}};
    static const struct {
        enum world_clock clock;
        uint32_t most;
        uint32_t crowd;
    } clocks[] = {{WORLD_STANDS, 80, 600},
                  {WORLD_NEXT_MS, 20, 10},
                  {WORLD_SOME_NS, 10, 10},
                  {WORLD_AT_DEADLINE, 10, 2},
                  {WORLD_BEFORE_DEADLINE, 5, 1},
                  {WORLD_AFTER_DEADLINE, 5, 1},
                  {WORLD_FAR, 2, 2}};
    struct random *random = &world->random;

    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        world->event_weights[events[i].type] =
            world->crowd ? events[i].crowd
                         : random_between(random, (events[i].most + 2) / 3,
                                          events[i].most);
    }
    for (size_t i = 0; i < sizeof(clocks) / sizeof(clocks[0]); i++) {
        world->clock_weights[clocks[i].clock] =
            world->crowd ? clocks[i].crowd
                         : random_between(random, 1, clocks[i].most);
    }
}

static void init_limits(struct world *world)
{
    struct random *random = &world->random;
    bool tight = random_chance(random, 50);

    world->limits = (struct engine_limits){
        .max_sessions = random_between(random, 4, 12),
        .max_semaphores = world->names + random_below(random, 9),
        .max_semaphores_with_slots = random_below(random, world->names + 2),
        .max_semaphores_with_estimates = random_below(random, world->names + 4),
        .max_templated = random_between(random, 1, 5),
        .max_templated_per_session = random_between(random, 1, 3),
        .max_waiters = tight ? random_between(random, 3, 12) : 60,
        .max_grants = tight ? random_between(random, 3, 12) : 50,
        .max_lost = random_between(random, 1, 8),
        .max_waiters_per_session = tight ? random_between(random, 1, 5) : 40,
        .max_grants_per_session = tight ? random_between(random, 1, 5) : 40};
    if (world->crowd) {
        world->limits =
            (struct engine_limits){.max_sessions = 12,
                                   .max_semaphores = 64,
                                   .max_semaphores_with_slots = 2,
                                   .max_semaphores_with_estimates = 4,
                                   .max_templated = 4,
                                   .max_templated_per_session = 2,
                                   .max_waiters = 1800,
                                   .max_grants = 1800,
                                   .max_lost = random_between(random, 1, 1000),
                                   .max_waiters_per_session = 1500,
                                   .max_grants_per_session = 1500};
    }
}

/* Of some policies nothing, of others much: so each is alone at times. */
static void init_policies(struct world *world)
{
    struct random *random = &world->random;
    uint32_t *const policies[] = {
        &world->template_percent, &world->several_percent,
        &world->rate_percent,     &world->bypass_percent,
        &world->share_percent,    &world->shadow_percent,
        &world->hopeless_percent, &world->priority_percent,
        &world->join_percent};
    static const int64_t steps_ms[] = {0, 1, 3, 10, 10000};

    for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
        *policies[i] =
            random_chance(random, 50) ? random_between(random, 1, 60) : 0;
        if (world->crowd) {
            *policies[i] /= 6;
        }
    }
    if (random_chance(random, 15) && !world->crowd) {
        world->several_percent = 60; /* What meets by chance too seldom. */
        if (random_chance(random, 50)) {
            world->hopeless_percent = 90;
            world->share_percent = 60;
            world->limits.max_semaphores_with_estimates = world->names;
        } else {
            world->rate_percent = 60;
            world->bypass_percent = 80;
        }
    }
    world->priority_step_ms = steps_ms[random_below(random, 5)];
}

void world_init(struct world *world, uint64_t seed)
{
    memset(world, 0, sizeof(*world));
    world->random.state = random_mix(seed + 1);
    world->crowd = random_chance(&world->random, 8);
    world->names = random_between(&world->random, 1, WORLD_PLAIN_NAMES);
    world->sessions = random_between(&world->random, 1, 8);
    world->permits_max = random_between(&world->random, 1, 5);
    world->span_ms = world->crowd ? 200 : random_between(&world->random, 2, 40);
    world->now_ns =
        random_below(&world->random, 2) * UINT64_C(3600000) * NS_PER_MS;
    world->next_request_id = random_between(&world->random, 1, 100);
    if (world->crowd) {
        world->names = random_between(&world->random, 1, 2);
        world->sessions = random_between(&world->random, 2, 4);
    }
    init_limits(world);
    init_weights(world);
    init_policies(world);
    world->event_weights[ENGINE_DRAIN] = random_chance(&world->random, 4);
}
