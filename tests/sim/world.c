/* SPDX-License-Identifier: MIT */
#include "world.h"

#include <assert.h>
#include <string.h>

#define TEN(c) c c c c c c c c c c

/* In no order, each a prefix of another or as long as a name may be. */
static const char *const names[WORLD_NAMES] = {
    "jobs",
    "a",
    "a/b",
    "Jobs",
    "a/",
    "jobs-2",
    "a" TEN(TEN("x")) TEN("y") TEN("z") "1234567",
    "a" TEN(TEN("x")) TEN("y") TEN("z") "1234568"};

/* Is defined by chance only. */
static const char nowhere[] = "nowhere";

const char *world_name(uint32_t number)
{
    assert(number < WORLD_NAMES);
    return names[number];
}

uint64_t world_body_hash(uint64_t request_id)
{
    return random_mix(request_id + 77);
}

/* An index of weights, with the chance that its weight gives it. */
static uint32_t pick(struct random *random, const uint32_t *weights,
                     uint32_t count)
{
    uint32_t total = 0;
    uint32_t drawn;
    uint32_t i;

    for (i = 0; i < count; i++) {
        total += weights[i];
    }
    drawn = random_below(random, total);
    for (i = 0; drawn >= weights[i]; i++) {
        drawn -= weights[i];
    }
    return i;
}

/* ------------------------------------------------------------------- choices
 */

static const char *some_name(struct world *world)
{
    if (random_chance(&world->random, 2)) {
        return nowhere;
    }
    return names[random_below(&world->random, world->names)];
}

/* Mostly a semaphore that is there; kind 0 is any. */
static const char *some_defined(struct world *world, const struct model *model,
                                enum engine_kind kind)
{
    const char *name = some_name(world);

    for (int tries = 0; tries < 6; tries++) {
        size_t row = model_find_semaphore(model, name);

        if (row != MODEL_SEMAPHORES_MAX &&
            (kind == 0 || model->semaphores[row].definition.kind == kind)) {
            break;
        }
        name = some_name(world);
    }
    return name;
}

static uint32_t some_permits(struct world *world)
{
    if (random_chance(&world->random, 1)) {
        return LIMIT_PERMITS_MAX - random_below(&world->random, 2);
    }
    if (world->crowd && random_chance(&world->random, 1)) {
        return random_between(&world->random, 1, 200);
    }
    return world->crowd && random_chance(&world->random, 90)
               ? 1
               : random_between(&world->random, 1, world->permits_max);
}

static int64_t some_ms(struct world *world)
{
    return random_between(&world->random, 1, world->span_ms);
}

/* A session that is there and has its connection, else 0. */
static uint64_t some_session(struct world *world, const struct model *model)
{
    if (model->sessions_count == 0) {
        return 0;
    }
    for (int tries = 0; tries < 8; tries++) {
        const struct model_session *session = &model->sessions[random_below(
            &world->random, (uint32_t)model->sessions_count)];

        if (!session->disconnected) {
            return session->id;
        }
    }
    return 0;
}

static uint64_t move_clock(struct world *world, const struct model *model)
{
    uint64_t deadline_ns = model_next_deadline(model);
    uint64_t now_ns = world->now_ns;
    uint64_t next_ns = now_ns;
    enum world_clock clock = (enum world_clock)pick(
        &world->random, world->clock_weights, WORLD_CLOCKS);

    if (clock == WORLD_STANDS) {
        return now_ns;
    }
    if (clock == WORLD_NEXT_MS) {
        return (now_ns / NS_PER_MS + random_between(&world->random, 1, 3)) *
               NS_PER_MS;
    }
    if (clock == WORLD_SOME_NS) {
        return now_ns + random_below(&world->random, 2 * NS_PER_MS);
    }
    if (clock == WORLD_FAR) {
        return (now_ns / NS_PER_MS +
                random_between(&world->random, 1, 2 * world->span_ms)) *
               NS_PER_MS;
    }
    if (deadline_ns > now_ns + 1000 * NS_PER_MS) {
        return now_ns + 1;
    }
    if (clock == WORLD_AT_DEADLINE) {
        next_ns = deadline_ns;
    } else if (clock == WORLD_BEFORE_DEADLINE) {
        next_ns = deadline_ns - 1;
    } else {
        next_ns = deadline_ns + 1;
    }
    return next_ns > now_ns ? next_ns : now_ns;
}

/* -------------------------------------------------------------------- events
 */

static void make_acquire(struct world *world, const struct model *model,
                         struct engine_event *event)
{
    struct random *random = &world->random;
    const char *name = some_defined(world, model, 0);
    size_t row = model_find_semaphore(model, name);
    bool counting = row != MODEL_SEMAPHORES_MAX &&
                    model->semaphores[row].definition.kind == ENGINE_COUNTING;

    event->acquire.semaphore = name;
    event->acquire.permits = some_permits(world);
    event->acquire.consume = random_chance(random, counting ? 20 : 1);
    if (random_chance(random, 10)) {
        event->acquire.expect_permits =
            row == MODEL_SEMAPHORES_MAX || random_chance(random, 10)
                ? random_between(random, 1, 5)
                : model->semaphores[row].definition.permits;
    }
    event->acquire.wait_ms = some_ms(world);
    if (random_chance(random, world->crowd ? 2 : 25)) {
        event->acquire.wait_ms = 0;
    } else if (random_chance(random, 25)) {
        event->acquire.wait_ms = -1;
    } else if (random_chance(random, 1)) {
        event->acquire.wait_ms = INT64_MAX - random_below(random, 2);
    }
    event->acquire.hold_ms = random_chance(random, 50) ? 0 : some_ms(world);
    if (random_chance(random, 1)) {
        event->acquire.hold_ms = INT64_MAX;
    }
}

/* The id of an acquire: of a grant, of a waiter, of a loss or of nothing. Sets
 * the session, too, unless it is to be a foreign one. */
static uint64_t some_acquire(struct world *world, const struct model *model,
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

static void make_renew(struct world *world, const struct model *model,
                       struct engine_event *event)
{
    event->renew.acquire_id = some_acquire(world, model, &event->session_id);
    event->renew.hold_ms =
        random_chance(&world->random, 40) ? 0 : some_ms(world);
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

static bool has_disconnected(const struct model *model)
{
    for (size_t i = 0; i < model->sessions_count; i++) {
        if (model->sessions[i].disconnected) {
            return true;
        }
    }
    return false;
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
        random_chance(random, 40) ? 0 : 2 * some_ms(world);
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

static void make_release(struct world *world, const struct model *model,
                         struct engine_event *event)
{
    struct random *random = &world->random;

    event->release.acquire_id = some_acquire(world, model, &event->session_id);
    event->release.permits =
        random_chance(random, 60) ? 0 : random_between(random, 1, 3);
    event->release.semaphore = NULL;
    if (random_chance(random, 30)) {
        event->release.semaphore = some_name(world);
        for (size_t i = 0; i < model->grants_count; i++) {
            const struct model_grant *held = &model->grants[i];

            if (held->session_id == event->session_id &&
                held->acquire_id == event->release.acquire_id &&
                random_chance(random, 80)) {
                uint32_t n = 0;

                while (n < WORLD_NAMES &&
                       strcmp(names[n],
                              model->semaphores[held->semaphore].name) != 0) {
                    n++;
                }
                event->release.semaphore = n < WORLD_NAMES ? names[n] : nowhere;
            }
        }
    }
}

static void make_define(struct world *world, struct engine_event *event)
{
    struct engine_definition *definition = &event->define.definition;
    struct random *random = &world->random;

    event->define.semaphore = some_name(world);
    *definition = (struct engine_definition){
        .fields = random_below(random, 32) |
                  (random_chance(random, 60) ? ENGINE_FIELD_PERMITS : 0u) |
                  (random_chance(random, 25) ? ENGINE_FIELD_SLOTS : 0u),
        .kind = random_chance(random, 60) ? ENGINE_BOUNDED : ENGINE_COUNTING,
        .permits = random_between(random, 1, world->permits_max + 2),
        .max_queue = random_below(random, 8),
        .max_wait_ms = random_chance(random, 50) ? -1 : some_ms(world),
        .hold_ms = random_chance(random, 50) ? 0 : some_ms(world),
        .slots = random_chance(random, 60)};
    if (world->crowd) {
        definition->fields &= ~(uint32_t)ENGINE_FIELD_MAX_QUEUE;
        definition->fields |= ENGINE_FIELD_PERMITS;
        definition->permits = random_between(random, 1, 1200);
    }
    if (random_chance(random, 2)) {
        definition->permits = LIMIT_PERMITS_MAX - random_below(random, 2);
    }
    if (random_chance(random, 3)) {
        definition->permits = 0;
    }
    if (random_chance(random, 2)) {
        definition->max_wait_ms = random_below(random, 3) - INT64_C(2);
    }
    if (random_chance(random, 2)) {
        definition->kind = (enum engine_kind)3;
    }
    if (random_chance(random, 2)) {
        definition->hold_ms = -1;
    }
}

static void make_words(struct world *world, const struct model *model,
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
        make_acquire(world, model, event);
        break;
    case ENGINE_CANCEL:
        event->cancel.acquire_id =
            some_acquire(world, model, &event->session_id);
        break;
    case ENGINE_RELEASE:
        make_release(world, model, event);
        break;
    case ENGINE_POST:
        event->post.semaphore = some_defined(world, model, ENGINE_COUNTING);
        event->post.permits = some_permits(world);
        if (random_chance(random, 2)) {
            event->post.permits =
                random_chance(random, 50) ? 0 : LIMIT_PERMITS_MAX + 1;
        }
        if (world->crowd && random_chance(random, 50)) {
            event->post.permits = random_between(random, 1, 1000);
        }
        break;
    case ENGINE_DEFINE:
        make_define(world, event);
        break;
    case ENGINE_DELETE:
        event->delete.semaphore = some_defined(world, model, 0);
        event->delete.force = random_chance(random, 60);
        event->delete.grace_ms = random_chance(random, 15) ? 0 : some_ms(world);
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

/* Some events are the server's own, some come from a session that is gone, or
 * end one that has no connection. */
static void choose_session(struct world *world, const struct model *model,
                           struct engine_event *event)
{
    struct random *random = &world->random;
    bool may_be_own =
        event->type == ENGINE_POST || event->type == ENGINE_DEFINE ||
        event->type == ENGINE_DELETE || event->type == ENGINE_VERIFY;

    event->session_id = some_session(world, model);
    if (may_be_own && random_chance(random, 30)) {
        event->session_id = 0;
    } else if (random_chance(random, 1)) {
        event->session_id = model->fence - random_below(random, 20);
        if (model_find_session((struct model *)(uintptr_t)model,
                               event->session_id) != NULL) {
            event->session_id = some_session(world, model);
        }
    }
    if (event->type == ENGINE_SESSION_END && random_chance(random, 30) &&
        model->sessions_count > 0) {
        event->session_id = model
                                ->sessions[random_below(
                                    random, (uint32_t)model->sessions_count)]
                                .id;
    }
    if (event->session_id == 0 && !may_be_own) {
        event->type = ENGINE_SESSION_OPEN;
    }
}

struct engine_event world_next(struct world *world, const struct model *model)
{
    struct engine_event event = {0};

    world->now_ns = move_clock(world, model);
    event.now_ns = world->now_ns;
    event.request_id = world->next_request_id++;
    event.body_hash = world_body_hash(event.request_id);
    event.type = (enum engine_event_type)pick(
        &world->random, world->event_weights, ENGINE_DRAIN + 1);
    if (event.type == ENGINE_RELEASE && model->grants_count == 0 &&
        random_chance(&world->random, 80)) {
        event.type = ENGINE_ACQUIRE;
    }
    if (event.type == ENGINE_DRAIN && random_chance(&world->random, 95)) {
        event.type = ENGINE_TICK;
    }
    if (event.type == ENGINE_SESSION_OPEN &&
        model->sessions_count >= world->sessions && !has_disconnected(model) &&
        !random_chance(&world->random, 5)) {
        event.type = ENGINE_ACQUIRE;
    }
    if (event.type != ENGINE_TICK && event.type != ENGINE_DRAIN &&
        event.type != ENGINE_SESSION_OPEN) {
        choose_session(world, model, &event);
    }
    if (world->defined < world->names) { /* Begin with all of them. */
        event.type = ENGINE_DEFINE;
        event.session_id = 0;
    }
    make_words(world, model, &event);
    if (world->defined < world->names) {
        event.define.semaphore = names[world->defined++];
    }
    if (event.session_id == 0 &&
        (event.type == ENGINE_CANCEL || event.type == ENGINE_RELEASE ||
         event.type == ENGINE_RENEW)) {
        event.type = ENGINE_TICK;
    }
    return event;
}
