/* SPDX-License-Identifier: MIT */
#include "world.h"

#include <assert.h>
#include <string.h>

#define TEN(c) c c c c c c c c c c

/* In no order, each a prefix of another or as long as a name may be; then what
 * templates make, and those. */
static const char *const names[WORLD_NAMES] = {
    "jobs",
    "a",
    "a/b",
    "Jobs",
    "a/",
    "jobs-2",
    "a" TEN(TEN("x")) TEN("y") TEN("z") "1234567",
    "a" TEN(TEN("x")) TEN("y") TEN("z") "1234568",
    "t/1",
    "t/2",
    "t/22",
    "t/x/1",
    "t/",
    "t/*",
    "t/x/*",
    "a*"};

/* Is defined by chance only. */
static const char nowhere[] = "nowhere";

const char *world_name(uint32_t number)
{
    assert(number < WORLD_NAMES);
    return names[number];
}

const char *world_same_name(const char *name)
{
    uint32_t i = 0;

    while (i < WORLD_NAMES && strcmp(names[i], name) != 0) {
        i++;
    }
    return i < WORLD_NAMES ? names[i] : nowhere;
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

static const char *pick_name(struct world *world)
{
    struct random *random = &world->random;

    if (random_chance(random, 2)) {
        return nowhere;
    }
    if (random_chance(random, world->template_percent)) {
        return names[random_between(random, WORLD_PLAIN_NAMES,
                                    WORLD_NAMES - (random_chance(random, 8)
                                                       ? 1
                                                       : WORLD_TEMPLATES + 1))];
    }
    return names[random_below(random, world->names)];
}

const char *world_some_name(struct world *world, const struct model *model,
                            enum engine_kind kind)
{
    const char *name = pick_name(world);

    for (int tries = 0; tries < 6; tries++) {
        size_t row = model_find_semaphore(model, name);

        if (row == MODEL_SEMAPHORES_MAX && kind == 0) {
            row = model_find_template(model, name);
        }
        if (row != MODEL_SEMAPHORES_MAX &&
            (kind == 0 || model->semaphores[row].definition.kind == kind)) {
            break;
        }
        name = pick_name(world);
    }
    return name;
}

const char *world_name_to_define(struct world *world)
{
    struct random *random = &world->random;

    return random_chance(random, world->template_percent)
               ? names[random_between(random, WORLD_NAMES - WORLD_TEMPLATES,
                                      WORLD_NAMES - 1)]
               : pick_name(world);
}

uint32_t world_some_permits(struct world *world)
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

int64_t world_some_ms(struct world *world)
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

static bool has_disconnected(const struct model *model)
{
    for (size_t i = 0; i < model->sessions_count; i++) {
        if (model->sessions[i].disconnected) {
            return true;
        }
    }
    return false;
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

/* Comes again, most often, with a try that was told when: at that time, or a
 * millisecond before. */
static bool retry(struct world *world, const struct model *model,
                  struct engine_event *event)
{
    const struct engine_effect *told =
        model->effects_count == 0 ? NULL
                                  : &model->effects[model->effects_count - 1];
    uint64_t after_ms;

    if (told == NULL || world->latest.type != ENGINE_ACQUIRE ||
        told->type != ENGINE_EFFECT_ANSWER ||
        told->request_id != world->latest.request_id ||
        told->answer.status != PERMIT_E_RATE_LIMITED ||
        told->answer.obstacle.retry_after_ms == 0 ||
        told->answer.obstacle.retry_after_ms > 100 ||
        random_chance(&world->random, 30)) {
        return false;
    }
    after_ms =
        told->answer.obstacle.retry_after_ms - random_below(&world->random, 2);
    *event = world->latest;
    world->now_ns += after_ms * NS_PER_MS;
    event->now_ns = world->now_ns;
    event->request_id = world->next_request_id++;
    event->body_hash = world_body_hash(event->request_id);
    return true;
}

static struct engine_event make_next(struct world *world,
                                     const struct model *model)
{
    struct engine_event event = {0};

    if (retry(world, model, &event)) {
        return event;
    }
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
    world_make_words(world, model, &event);
    if (world->defined < world->names) {
        event.define.semaphore = names[world->defined++];
        event.define.definition.fields |=
            ENGINE_FIELD_BYPASS | ENGINE_FIELD_SHADOW |
            ENGINE_FIELD_PER_SESSION | ENGINE_FIELD_REFUSE_HOPELESS;
    }
    if (event.session_id == 0 &&
        (event.type == ENGINE_CANCEL || event.type == ENGINE_RELEASE ||
         event.type == ENGINE_RENEW || event.type == ENGINE_SETTLE)) {
        event.type = ENGINE_TICK;
    }
    return event;
}

struct engine_event world_next(struct world *world, const struct model *model)
{
    world->latest = make_next(world, model);
    return world->latest;
}
