/* SPDX-License-Identifier: MIT */
#include "run.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "laws.h"
#include "laws_slots.h"
#include "model.h"
#include "pipeline.h"
#include "records.h"
#include "transcript.h"
#include "views.h"
#include "world.h"

struct run {
    uint64_t seed;
    const struct run_options *options;
    struct run_counts *counts;
    struct random random; /* For what is not the world's business. */
    struct world world;
    struct model *model;
    struct engine *engine;
    struct engine *follower; /* Lives from the records alone. */
    uint64_t follower_fence; /* Its first, as a clock gave it. */
    struct laws *laws;
    struct slot_laws *slot_laws;
    struct pipeline *pipeline;
    struct engine_event event;
    size_t matched; /* Of the model's effects, how many have come. */
    uint64_t number;
    uint64_t restart_at;
    bool has_failed;
};

/* ------------------------------------------------------------------ failing */

static void fail(struct run *run, const char *what)
{
    char line[TRANSCRIPT_LINE_MAX];

    if (run->has_failed) {
        return;
    }
    run->has_failed = true;
    printf("FAILED seed %" PRIu64 ", event %" PRIu64 ": %s\n", run->seed,
           run->number, what);
    printf("%s\n", transcript_event(&run->event, line));
    for (size_t i = 0; i < run->model->effects_count && i < run->matched + 4;
         i++) {
        printf("%s%s\n", i < run->matched ? "came    " : "expected",
               transcript_effect(&run->model->effects[i], line));
    }
}

static void check(struct run *run, const char *problem)
{
    if (problem != NULL) {
        fail(run, problem);
    }
}

static struct engine *new_engine(const struct run *run, uint64_t first_fence)
{
    uint8_t secret[ENGINE_HASH_SECRET_BYTES];
    struct engine *engine;

    for (size_t i = 0; i < sizeof(secret); i++) {
        secret[i] = (uint8_t)random_mix(run->seed + i);
    }
    engine = engine_create(&run->world.limits, first_fence, secret);
    if (engine != NULL) {
        engine_set_priority_step(engine, run->world.priority_step_ms);
    }
    return engine;
}

/* ------------------------------------------------------------------ effects */

/* One effect of the engine, that is not a record: is it the model's next? */
static void match(struct run *run, const struct engine_effect *effect)
{
    char line[TRANSCRIPT_LINE_MAX];

    if (run->matched == run->model->effects_count ||
        !transcript_is_same(effect, &run->model->effects[run->matched])) {
        fail(run, "the engine does something else");
        printf("got     %s\n", transcript_effect(effect, line));
        return;
    }
    run->matched++;
}

/* Lets the engine that follows apply a record, at times a broken one first. */
static void follow(struct run *run, const struct engine_record *record)
{
    if (random_chance(&run->random, 10)) {
        struct engine_record spoilt = records_spoil(record, &run->random);

        if (engine_restore(run->follower, &spoilt) != PERMIT_E_INVALID) {
            fail(run, "a broken record is restored");
        }
    }
    if (engine_restore(run->follower, record) != PERMIT_OK) {
        fail(run, "a record cannot be restored");
    }
}

static void drain(struct run *run)
{
    char line[TRANSCRIPT_LINE_MAX];
    struct engine_effect effect;
    size_t count = 0;

    while (!run->has_failed && engine_next_effect(run->engine, &effect)) {
        count++;
        if (run->options->transcript) {
            printf("%s\n", transcript_effect(&effect, line));
        }
        laws_effect(run->laws, &effect);
        check(run, slot_laws_effect(run->slot_laws, &effect));
        pipeline_effect(run->pipeline, &effect);
        if (effect.type != ENGINE_EFFECT_RECORD) {
            match(run, &effect);
        } else {
            follow(run, effect.record);
        }
    }
    run->counts->effects += count;
    if (count > 3 * LIMIT_STEPS_MAX) {
        fail(run, "one call of the engine does a bounded number of steps");
    }
}

/* While work is left, bytes come from sessions that will still be there. */
static void hear_meanwhile(struct run *run)
{
    for (size_t i = 0; i < run->model->sessions_count; i++) {
        struct model_session *session = &run->model->sessions[i];

        if (random_chance(&run->random, 20) && !session->disconnected &&
            session->deadline_ns > run->world.now_ns) {
            /* Not on the grid: so it is no matter what was set before. */
            run->world.now_ns++;
            engine_session_heard(run->engine, session->id, run->world.now_ns);
            model_session_heard(run->model, session->id, run->world.now_ns);
        }
    }
}

/* While work is left, operators look, too; what they see need not be whole. */
static void look_meanwhile(struct run *run)
{
    const struct engine *engine = run->engine;
    struct engine_semaphore_view semaphores[4];
    struct engine_grant_view grants[4];
    struct engine_waiter_view waiters[4];
    size_t total;
    size_t count = engine_view_semaphores(engine, "", 0, semaphores, 4, &total);

    for (size_t i = 0; i < count; i++) {
        const struct engine_semaphore_view *view = &semaphores[i];

        (void)engine_view_holders(engine, view->name, 3, grants, 4, &total);
        if (total != view->holders) {
            fail(run, "a page of holders is of another number");
        }
        (void)engine_view_waiters(engine, view->name, 3, waiters, 4, &total);
        if (total != view->waiters) {
            fail(run, "a page of waiters is of another number");
        }
    }
}

/* ------------------------------------------------------------------- events */

/* What an event borrows. */
struct lent {
    char names[LIMIT_PARTS_MAX][LIMIT_NAME_BYTES_MAX + 1];
    struct engine_part parts[LIMIT_PARTS_MAX];
    uint8_t outcome[LIMIT_OUTCOME_BYTES_MAX];
};

static void lend_name(char name[LIMIT_NAME_BYTES_MAX + 1], const char **place)
{
    snprintf(name, LIMIT_NAME_BYTES_MAX + 1, "%s", *place);
    *place = name;
}

static void lend_parts(struct lent *lent, const struct engine_part **parts,
                       uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        lent->parts[i] = (*parts)[i];
        lend_name(lent->names[i], &lent->parts[i].semaphore);
    }
    *parts = lent->parts;
}

static void lend(struct lent *lent, struct engine_event *event)
{
    switch (event->type) {
    case ENGINE_ACQUIRE:
    case ENGINE_WHY:
        lend_parts(lent, &event->acquire.parts, event->acquire.parts_count);
        break;
    case ENGINE_RELEASE:
        lend_parts(lent, &event->release.parts, event->release.parts_count);
        if (event->release.outcome != NULL) {
            memcpy(lent->outcome, event->release.outcome,
                   event->release.outcome_bytes);
            event->release.outcome = lent->outcome;
        }
        break;
    case ENGINE_SETTLE:
        lend_parts(lent, &event->settle.actual, event->settle.actual_count);
        break;
    case ENGINE_POST:
        lend_name(lent->names[0], &event->post.semaphore);
        break;
    case ENGINE_DEFINE:
        lend_name(lent->names[0], &event->define.semaphore);
        break;
    case ENGINE_DELETE:
        lend_name(lent->names[0], &event->delete.semaphore);
        break;
    case ENGINE_TICK:
    case ENGINE_SESSION_OPEN:
    case ENGINE_SESSION_DISCONNECT:
    case ENGINE_SESSION_END:
    case ENGINE_CANCEL:
    case ENGINE_RENEW:
    case ENGINE_VERIFY:
    case ENGINE_DRAIN:
        break;
    }
}

/* Lends the event for the call, and no longer. */
static void apply(struct run *run)
{
    struct engine_event event = run->event;
    struct lent lent;

    lend(&lent, &event);
    engine_apply(run->engine, &event);
    memset(&lent, '?', sizeof(lent));
    memset(&event, 0xff, sizeof(event));
}

static void check_deadline(struct run *run)
{
    uint64_t told_ns = engine_next_deadline(run->engine);
    uint64_t least_ns = model_next_deadline(run->model);
    bool may_be_early = false;

    /* Who was heard is found by the engine when his old deadline comes. And
     * tokens may come of which others have more need. */
    for (size_t i = 0; i < run->model->sessions_count; i++) {
        may_be_early |= run->model->sessions[i].heard;
    }
    may_be_early |= model_may_wake(run->model, told_ns);
    if (told_ns > least_ns || (told_ns < least_ns && !may_be_early)) {
        fail(run, "the next deadline is another");
    }
}

static void check_after(struct run *run)
{
    if (run->matched < run->model->effects_count) {
        fail(run, "the engine leaves something out");
    }
    if (run->has_failed) {
        return;
    }
    check(run, laws_check(run->laws, run->engine));
    check(run, pipeline_step(run->pipeline));
    check_deadline(run);
    if (random_chance(&run->random, run->world.crowd ? 2 : 5)) {
        check(run, views_compare(run->engine, run->model, &run->random));
    }
    if (random_chance(&run->random, run->world.crowd ? 1 : 3)) {
        check(run, views_compare_restored(run->follower, run->model,
                                          run->follower_fence));
    }
    if (run->options->own_checks && random_chance(&run->random, 10)) {
        engine_check(run->engine);
    }
}

static void step(struct run *run)
{
    char line[TRANSCRIPT_LINE_MAX];

    run->event = world_next(&run->world, run->model);
    if (random_chance(&run->random, 40) && run->model->sessions_count > 0) {
        uint32_t i =
            random_below(&run->random, (uint32_t)run->model->sessions_count);
        struct model_session *session = &run->model->sessions[i];

        if (!session->disconnected) {
            uint64_t heard_ns = run->event.now_ns;

            engine_session_heard(run->engine, session->id, heard_ns);
            model_session_heard(run->model, session->id, heard_ns);
        }
    }
    if (run->options->transcript) {
        printf("%s\n", transcript_event(&run->event, line));
    }
    model_apply(run->model, &run->event);
    run->matched = 0;
    laws_event(run->laws, &run->event);
    apply(run);
    drain(run);
    run->counts->continued += engine_has_work(run->engine);
    while (!run->has_failed && engine_has_work(run->engine)) {
        hear_meanwhile(run);
        look_meanwhile(run);
        engine_continue(run->engine);
        drain(run);
    }
    check_after(run);
}

/* --------------------------------------------------------------------- runs */

/* The daemon is started again: what has followed the records takes over, and a
 * new one follows, from the first record on. */
static void restart(struct run *run)
{
    size_t count;
    bool is_complete;
    const struct engine_record *records;

    check(run, pipeline_finish(run->pipeline));
    records = pipeline_records(run->pipeline, &count, &is_complete);
    if (run->has_failed || !is_complete) {
        return; /* The store had failed: this run goes on without. */
    }
    engine_destroy(run->engine);
    run->engine = run->follower;
    run->follower = new_engine(run, run->follower_fence);
    for (size_t i = 0; i < count; i++) {
        if (engine_restore(run->follower, &records[i]) != PERMIT_OK) {
            fail(run, "a record of the store cannot be restored");
            return;
        }
    }
    run->counts->restarts++;
    check(run,
          views_compare_restored(run->engine, run->model, run->follower_fence));
    check(run, views_compare_restored(run->follower, run->model,
                                      run->follower_fence));
    run->event =
        (struct engine_event){.type = ENGINE_TICK, .now_ns = run->world.now_ns};
    if (run->model->fence < run->follower_fence) {
        run->model->fence = run->follower_fence;
    }
    model_restart(run->model, run->world.now_ns);
    model_apply(run->model, &run->event);
    run->matched = 0;
    laws_restart(run->laws);
    laws_event(run->laws, &run->event);
    apply(run);
    drain(run);
    check_after(run);
}

static bool set_up(struct run *run)
{
    world_init(&run->world, run->seed);
    run->random.state = random_mix(run->seed + 12345);
    run->restart_at =
        random_below(&run->random, (uint32_t)(2 * run->options->events));
    run->model = malloc(sizeof(*run->model));
    run->follower_fence = WORLD_FIRST_FENCE + random_below(&run->random, 3000);
    run->engine = new_engine(run, WORLD_FIRST_FENCE);
    run->follower = new_engine(run, run->follower_fence);
    run->laws = laws_create(run->world.priority_step_ms);
    run->slot_laws = slot_laws_create();
    run->pipeline = pipeline_create(run->seed);
    if (run->model == NULL || run->engine == NULL || run->follower == NULL ||
        run->laws == NULL || run->slot_laws == NULL || run->pipeline == NULL) {
        printf("FAILED: no memory\n");
        return false;
    }
    model_init(run->model, &run->world.limits, WORLD_FIRST_FENCE);
    run->model->priority_step_ns =
        (uint64_t)run->world.priority_step_ms * NS_PER_MS;
    return true;
}

static void tear_down(struct run *run)
{
    engine_destroy(run->engine);
    engine_destroy(run->follower);
    laws_destroy(run->laws);
    slot_laws_destroy(run->slot_laws);
    pipeline_destroy(run->pipeline);
    free(run->model);
}

bool run_seed(uint64_t seed, const struct run_options *options,
              struct run_counts *counts)
{
    struct run run = {.seed = seed, .options = options, .counts = counts};

    run.has_failed = !set_up(&run);
    while (!run.has_failed && run.number < options->events) {
        run.number++;
        step(&run);
        if (run.number == run.restart_at) {
            restart(&run);
        }
    }
    if (!run.has_failed) {
        check(&run, views_compare(run.engine, run.model, &run.random));
        check(&run, views_compare_restored(run.follower, run.model,
                                           run.follower_fence));
        check(&run, pipeline_finish(run.pipeline));
        counts->events += run.number;
    }
    tear_down(&run);
    return !run.has_failed;
}
