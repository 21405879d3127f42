/* SPDX-License-Identifier: MIT */
/* The words of events. */
#include "world.h"

static void make_renew(struct world *world, const struct model *model,
                       struct engine_event *event)
{
    event->renew.acquire_id =
        world_some_acquire(world, model, &event->session_id);
    event->renew.hold_ms =
        random_chance(&world->random, 40) ? 0 : world_some_ms(world);
    if (random_chance(&world->random, 30)) { /* Less than what is left. */
        event->renew.hold_ms = random_between(&world->random, 1, 5);
    }
}

/* The number of a grant that is held, or lost, or of nothing. */
static void make_verify(struct world *world, const struct model *model,
                        struct engine_event *event)
{
    struct random *random = &world->random;

    event->verify.grant_id = model->fence - random_below(random, 20);
    if (model->grants_count > 0 && random_chance(random, 60)) {
        event->verify.grant_id =
            model->grants[random_below(random, (uint32_t)model->grants_count)]
                .id;
    } else if (model->lost_count > 0 && random_chance(random, 80)) {
        event->verify.grant_id =
            model->lost[random_below(random, (uint32_t)model->lost_count)]
                .grant_id;
    }
    event->verify.fence =
        event->verify.grant_id + (random_chance(random, 5) ? 1 : 0);
}

/* Mostly one without a connection; 0 if it finds none. */
static uint64_t some_former(struct world *world, const struct model *model)
{
    struct random *random = &world->random;

    for (int tries = 0; model->sessions_count > 0 && tries < 20; tries++) {
        const struct model_session *session = &model->sessions[random_below(
            random, (uint32_t)model->sessions_count)];
        if (session->disconnected || random_chance(random, 2)) {
            return session->id;
        }
    }
    return 0;
}

static void make_open(struct world *world, const struct model *model,
                      struct engine_event *event)
{
    struct random *random = &world->random;

    event->session_id = 0;
    event->session_open.timeout_ms =
        world->crowd || random_chance(random, 80)
            ? random_between(random, 200, 2000)
            : random_between(random, 1, 4 * world->span_ms);
    event->session_open.linger_ms =
        random_chance(random, 40) ? 0 : 2 * world_some_ms(world);
    if (random_chance(random, 70)) {
        event->session_open.resume_id = some_former(world, model);
    }
    if (random_chance(random, 10)) {
        event->session_open.end_id = some_former(world, model);
    }
    if (random_chance(random, 2)) { /* Of nobody, or of the past. */
        event->session_open.resume_id = model->fence - random_below(random, 20);
    }
}

/* -------------------------------------------------------------- definitions */

static void choose_policy(struct world *world,
                          struct engine_definition *definition)
{
    struct random *random = &world->random;

    if (random_chance(random, world->bypass_percent)) {
        definition->bypass = random_between(random, 1, 3);
    }
    if (random_chance(random, 1)) {
        definition->bypass = LIMIT_BYPASS_MAX + random_below(random, 2);
    }
    if (random_chance(random, world->share_percent) &&
        (definition->kind != ENGINE_RATE || random_chance(random, 5))) {
        definition->per_session =
            random_between(random, 1, world->permits_max + 1);
    }
    definition->shadow =
        random_chance(random, world->shadow_percent) &&
        ((definition->kind != ENGINE_COUNTING && !definition->slots) ||
         random_chance(random, 5));
    definition->refuse_hopeless =
        random_chance(random, world->hopeless_percent);
}

/* Values that make no sense, now and then. */
static void spoil_definition(struct world *world,
                             struct engine_definition *definition)
{
    struct random *random = &world->random;

    if (random_chance(random, 2)) {
        definition->permits = LIMIT_PERMITS_MAX - random_below(random, 2);
    }
    if (random_chance(random, 3)) {
        definition->permits = 0;
    }
    if (random_chance(random, 2)) {
        definition->max_wait_ms = random_below(random, 3) - INT64_C(2);
    }
    if (random_chance(random, 1)) {
        definition->kind = (enum engine_kind)4;
    }
    if (random_chance(random, 2)) {
        definition->hold_ms = -1;
    }
    if (random_chance(random, 1)) {
        definition->rate =
            random_chance(random, 50) ? 0 : LIMIT_PERMITS_MAX + 1;
    }
    if (random_chance(random, 1)) {
        definition->per_ms = random_chance(random, 50) ? 0 : LIMIT_PER_MS_MAX;
    }
    if (random_chance(random, 1)) {
        definition->burst = random_chance(random, 50) ? 0 : LIMIT_PERMITS_MAX;
    }
}

/* Which fields it sets, so that most definitions make sense. */
static uint32_t some_fields(struct world *world,
                            const struct engine_definition *old,
                            const struct engine_definition *definition)
{
    const uint32_t rates =
        ENGINE_FIELD_RATE | ENGINE_FIELD_PER_MS | ENGINE_FIELD_BURST;
    struct random *random = &world->random;
    uint32_t fields = random_below(random, 1u << 13);
    bool is_rate = old != NULL ? old->kind == ENGINE_RATE
                               : definition->kind == ENGINE_RATE;

    if (old != NULL && random_chance(random, 95)) {
        fields &= ~(uint32_t)ENGINE_FIELD_KIND;
    }
    if (is_rate) {
        fields |= old == NULL ? rates | ENGINE_FIELD_KIND : 0u;
        fields &=
            random_chance(random, 3) ? fields : ~(uint32_t)ENGINE_FIELD_PERMITS;
    } else {
        fields |= random_chance(random, 60) ? ENGINE_FIELD_PERMITS : 0u;
        fields &= random_chance(random, 3) ? fields : ~rates;
    }
    if (old == NULL) {
        fields |= ENGINE_FIELD_KIND;
    }
    return fields;
}

static void make_define(struct world *world, const struct model *model,
                        struct engine_event *event)
{
    static const uint64_t pers_ms[] = {1, 2, 3, 7, 10, 40, 1000};
    struct engine_definition *definition = &event->define.definition;
    struct random *random = &world->random;
    const char *name = world_name_to_define(world);
    size_t row;

    event->define.semaphore = name;
    *definition = (struct engine_definition){
        .kind = random_chance(random, 60) ? ENGINE_BOUNDED : ENGINE_COUNTING,
        .permits = random_between(random, 1, world->permits_max + 2),
        .max_queue = random_below(random, 8),
        .max_wait_ms = random_chance(random, 50) ? -1 : world_some_ms(world),
        .hold_ms = random_chance(random, 50) ? 0 : world_some_ms(world),
        .rate = random_between(random, 1, 5),
        .per_ms = pers_ms[random_below(random, 7)],
        .burst = random_between(random, 1, world->permits_max + 2)};
    if (random_chance(random, world->rate_percent)) {
        definition->kind = ENGINE_RATE;
    }
    definition->slots =
        random_chance(random, definition->kind == ENGINE_BOUNDED ? 40 : 2);
    choose_policy(world, definition);
    row = model_find_semaphore(model, name);
    definition->fields = some_fields(
        world,
        row == MODEL_SEMAPHORES_MAX ? NULL : &model->semaphores[row].definition,
        definition);
    if (world->crowd) {
        definition->fields &= ~(uint32_t)ENGINE_FIELD_MAX_QUEUE;
        definition->permits = random_between(random, 1, 1200);
        definition->burst = definition->permits;
    }
    spoil_definition(world, definition);
}

void world_make_words(struct world *world, const struct model *model,
                      struct engine_event *event)
{
    struct random *random = &world->random;

    switch (event->type) {
    case ENGINE_SESSION_OPEN:
        make_open(world, model, event);
        break;
    case ENGINE_SESSION_DISCONNECT:
        event->session_disconnect.by_client = random_chance(random, 60);
        break;
    case ENGINE_RENEW:
        make_renew(world, model, event);
        break;
    case ENGINE_VERIFY:
        make_verify(world, model, event);
        break;
    case ENGINE_ACQUIRE:
        world_make_acquire(world, model, event);
        break;
    case ENGINE_WHY:
        world_make_acquire(world, model, event);
        event->acquire.wait_ms = 0;
        event->acquire.settle = false;
        event->acquire.join = false;
        break;
    case ENGINE_CANCEL:
        event->cancel.acquire_id =
            world_some_acquire(world, model, &event->session_id);
        break;
    case ENGINE_RELEASE:
        world_make_release(world, model, event);
        break;
    case ENGINE_SETTLE:
        world_make_settle(world, model, event);
        break;
    case ENGINE_POST:
        event->post.semaphore = world_some_name(
            world, model,
            random_chance(random, 80) ? ENGINE_COUNTING : ENGINE_RATE);
        event->post.permits = world_some_permits(world);
        if (random_chance(random, 2)) {
            event->post.permits =
                random_chance(random, 50) ? 0 : LIMIT_PERMITS_MAX + 1;
        }
        if (world->crowd && random_chance(random, 50)) {
            event->post.permits = random_between(random, 1, 1000);
        }
        break;
    case ENGINE_DEFINE:
        make_define(world, model, event);
        break;
    case ENGINE_DELETE:
        event->delete.semaphore = world_some_name(world, model, 0);
        event->delete.force = random_chance(random, 60);
        event->delete.grace_ms =
            random_chance(random, 15) ? 0 : world_some_ms(world);
        break;
    case ENGINE_TICK:
    case ENGINE_DRAIN:
        event->session_id = 0;
        break;
    case ENGINE_SESSION_END:
    default:
        break;
    }
}
