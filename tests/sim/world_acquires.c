/* SPDX-License-Identifier: MIT */
/* The words of acquires, and of what gives back. */
#include "world.h"

#include <string.h>

static const struct engine_definition *definition_of(const struct model *model,
                                                     const char *name)
{
    size_t row = model_find_semaphore(model, name);

    if (row == MODEL_SEMAPHORES_MAX) {
        row = model_find_template(model, name);
    }
    return row == MODEL_SEMAPHORES_MAX ? NULL
                                       : &model->semaphores[row].definition;
}

static void make_part(struct world *world, const struct model *model,
                      const char *name, struct engine_part *part)
{
    struct random *random = &world->random;
    const struct engine_definition *definition = definition_of(model, name);
    bool counting = definition != NULL && definition->kind == ENGINE_COUNTING;

    *part = (struct engine_part){.semaphore = name,
                                 .permits = world_some_permits(world)};
    if (definition != NULL && random_chance(random, 75)) {
        uint32_t most = definition->kind == ENGINE_RATE ? definition->burst
                                                        : definition->permits;

        if (definition->per_session != 0 && definition->per_session < most) {
            most = definition->per_session;
        }
        part->permits =
            part->permits <= most || most == 0 ? part->permits : most;
    }
    part->consume = random_chance(random, counting ? 20 : 1);
    if (random_chance(random, 8)) {
        part->expect_permits = random_between(random, 1, 5);
        if (definition != NULL && random_chance(random, 90)) {
            part->expect_permits = definition->kind == ENGINE_RATE
                                       ? definition->burst
                                       : definition->permits;
        }
    }
}

/* Of different semaphores. Returns how many. */
static uint32_t make_parts(struct world *world, const struct model *model)
{
    struct random *random = &world->random;
    uint32_t wanted = 1;
    uint32_t count = 0;

    if (random_chance(random, world->several_percent)) {
        wanted = random_chance(random, 90)
                     ? random_between(random, 2, 3)
                     : random_between(random, 2, LIMIT_PARTS_MAX);
    }
    for (uint32_t tries = 0; count < wanted && tries < 2 * wanted; tries++) {
        const char *name = world_some_name(world, model, 0);
        bool is_named = false;

        for (uint32_t i = 0; i < count; i++) {
            is_named |= strcmp(world->parts[i].semaphore, name) == 0;
        }
        if (!is_named) {
            make_part(world, model, name, &world->parts[count++]);
        }
    }
    return count;
}

void world_make_acquire(struct world *world, const struct model *model,
                        struct engine_event *event)
{
    struct random *random = &world->random;
    bool has_rate = false;

    event->acquire.parts = world->parts;
    event->acquire.parts_count = make_parts(world, model);
    for (uint32_t i = 0; i < event->acquire.parts_count; i++) {
        const struct engine_definition *definition =
            definition_of(model, world->parts[i].semaphore);

        has_rate |= definition != NULL && definition->kind == ENGINE_RATE;
    }
    if (random_chance(random, world->priority_percent)) {
        event->acquire.priority = random_below(random, LIMIT_PRIORITY_MAX + 1);
    }
    event->acquire.settle = random_chance(random, has_rate ? 40 : 1);
    event->acquire.join = random_chance(
        random, event->acquire.parts_count > 1 ? 1 : world->join_percent);
    event->acquire.wait_ms = world_some_ms(world);
    if (random_chance(random, world->crowd ? 2 : 25)) {
        event->acquire.wait_ms = 0;
    } else if (random_chance(random, 25)) {
        event->acquire.wait_ms = -1;
    } else if (random_chance(random, 1)) {
        event->acquire.wait_ms = INT64_MAX - random_below(random, 2);
    }
    event->acquire.hold_ms =
        random_chance(random, 50) ? 0 : world_some_ms(world);
    if (random_chance(random, 1)) {
        event->acquire.hold_ms = INT64_MAX;
    }
}

/* The id of an acquire: of a grant, of a waiter, of a loss or of nothing. Sets
 * the session, too, unless it is to be a foreign one. */
uint64_t world_some_acquire(struct world *world, const struct model *model,
                            uint64_t *session_id)
{
    struct random *random = &world->random;
    uint32_t what = random_below(random, 20);
    size_t i;
    uint64_t own;
    uint64_t id;

    if (what < 12 && model->grants_count > 0) {
        i = random_below(random, (uint32_t)model->grants_count);
        own = model->grants[i].session_id;
        id = model->grants[i].acquire_id;
    } else if (what < 16 && model->waiters_count > 0) {
        i = random_below(random, (uint32_t)model->waiters_count);
        own = model->waiters[i].session_id;
        id = model->waiters[i].acquire_id;
    } else if (what < 18 && model->lost_count > 0) {
        i = random_below(random, (uint32_t)model->lost_count);
        own = model->lost[i].session_id;
        id = model->lost[i].acquire_id;
    } else {
        return world->next_request_id - random_below(random, 20);
    }
    if (!random_chance(random, 5)) {
        *session_id = own;
    }
    return id;
}

static const struct model_grant *
grant_of(const struct model *model, uint64_t session_id, uint64_t acquire_id)
{
    for (size_t i = 0; i < model->grants_count; i++) {
        if (model->grants[i].session_id == session_id &&
            model->grants[i].acquire_id == acquire_id) {
            return &model->grants[i];
        }
    }
    return NULL;
}

/* Some parts of a grant, if there is one, mostly of the RATEs (of_rate) or of
 * what is held, with as many permits, or fewer; at times of another semaphore,
 * or one too many. Returns how many. */
static uint32_t some_parts(struct world *world, const struct model *model,
                           const struct model_grant *held, bool of_rate)
{
    struct random *random = &world->random;
    uint32_t count = 0;

    for (size_t i = 0; held != NULL && i < held->parts_count; i++) {
        const struct model_part *part = &held->parts[i];
        const struct model_semaphore *semaphore =
            &model->semaphores[part->semaphore];
        bool is_rate = semaphore->definition.kind == ENGINE_RATE;
        uint32_t permits =
            random_below(random, part->permits < 8 ? part->permits + 1 : 9);

        if (!random_chance(random, is_rate == of_rate ? 80 : 5)) {
            continue;
        }
        permits += random_chance(random, 5);
        world->parts[count++] = (struct engine_part){
            .semaphore = world_same_name(semaphore->name),
            .permits = permits > 0 || of_rate ? permits : part->permits};
        if (world->parts[count - 1].permits == 0 && !of_rate) {
            count--;
        }
    }
    if (count == 0 && random_chance(random, 80)) {
        world->parts[count++] =
            (struct engine_part){.semaphore = world_some_name(world, model, 0),
                                 .permits = random_between(random, 1, 3)};
    }
    return count;
}

void world_make_release(struct world *world, const struct model *model,
                        struct engine_event *event)
{
    static uint8_t outcome[LIMIT_OUTCOME_BYTES_MAX];
    struct random *random = &world->random;

    event->release.acquire_id =
        world_some_acquire(world, model, &event->session_id);
    event->release.parts = world->parts;
    if (random_chance(random, 35)) {
        event->release.parts_count = some_parts(
            world, model,
            grant_of(model, event->session_id, event->release.acquire_id),
            /* of_rate= */ false);
    } else if (random_chance(random, world->join_percent > 0 ? 60 : 10)) {
        memset(outcome, (int)random_between(random, 'a', 'z'), sizeof(outcome));
        event->release.outcome = outcome;
        event->release.outcome_bytes = random_below(random, 20);
        if (random_chance(random, 3)) {
            event->release.outcome_bytes = LIMIT_OUTCOME_BYTES_MAX;
        }
    }
}

static bool has_rate(const struct model *model, const struct model_grant *held)
{
    for (size_t i = 0; i < held->parts_count; i++) {
        if (model->semaphores[held->parts[i].semaphore].definition.kind ==
            ENGINE_RATE) {
            return true;
        }
    }
    return false;
}

/* Mostly of the first grant from a random one on that has something to settle.
 */
void world_make_settle(struct world *world, const struct model *model,
                       struct engine_event *event)
{
    struct random *random = &world->random;
    uint32_t count = (uint32_t)model->grants_count;
    uint32_t first = count == 0 ? 0 : random_below(random, count);

    event->settle.acquire_id =
        world_some_acquire(world, model, &event->session_id);
    for (uint32_t i = 0; i < count && random_chance(random, 98); i++) {
        const struct model_grant *held = &model->grants[(first + i) % count];

        if (has_rate(model, held)) {
            event->session_id = held->session_id;
            event->settle.acquire_id = held->acquire_id;
            break;
        }
    }
    event->settle.actual = world->parts;
    event->settle.actual_count =
        some_parts(world, model,
                   grant_of(model, event->session_id, event->settle.acquire_id),
                   /* of_rate= */ true);
}
