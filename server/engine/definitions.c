/* SPDX-License-Identifier: MIT */
#include "actions.h"

#include <assert.h>

/* Base, with the fields that change names. */
static struct engine_definition
definition_with(struct engine_definition base,
                const struct engine_definition *change)
{
    if (change->fields & ENGINE_FIELD_KIND) {
        base.kind = change->kind;
    }
    if (change->fields & ENGINE_FIELD_PERMITS) {
        base.permits = change->permits;
    }
    if (change->fields & ENGINE_FIELD_MAX_QUEUE) {
        base.max_queue = change->max_queue;
    }
    if (change->fields & ENGINE_FIELD_MAX_WAIT) {
        base.max_wait_ms = change->max_wait_ms;
    }
    if (change->fields & ENGINE_FIELD_HOLD) {
        base.hold_ms = change->hold_ms;
    }
    if (change->fields & ENGINE_FIELD_SLOTS) {
        base.slots = change->slots;
    }
    return base;
}

const char *definition_refusal(const struct semaphore *semaphore,
                               const struct engine_definition *definition)
{
    if (definition->kind != ENGINE_BOUNDED &&
        definition->kind != ENGINE_COUNTING) {
        return "no such kind of semaphore";
    }
    if (semaphore != NULL && semaphore->kind != definition->kind) {
        return "the kind cannot change: delete the semaphore first";
    }
    if (definition->permits > LIMIT_PERMITS_MAX) {
        return "permits are at most 2147483647";
    }
    if (definition->kind == ENGINE_BOUNDED && definition->permits == 0) {
        return "a bounded semaphore has at least 1 permit";
    }
    if (definition->max_wait_ms < -1 || definition->hold_ms < 0) {
        return "a duration is negative";
    }
    if (semaphore != NULL && semaphore->kind == ENGINE_COUNTING &&
        semaphore->permits != definition->permits) {
        return "a counting semaphore is not resized: post or consume";
    }
    if (definition->slots && definition->kind != ENGINE_BOUNDED) {
        return "only a bounded semaphore has slots";
    }
    if (definition->slots && definition->permits > LIMIT_SLOTS_MAX) {
        return "a semaphore with slots has at most 1024 permits";
    }
    return NULL;
}

static bool is_full(const struct pool *pool)
{
    return pool->used == pool->capacity;
}

enum permit_status definition_check(const struct engine *engine,
                                    const struct semaphore *semaphore,
                                    const struct engine_definition *definition,
                                    const char **ret_detail)
{
    const char *refusal = definition_refusal(semaphore, definition);
    bool had_slots = semaphore != NULL && semaphore->slot_map != 0;

    if (refusal != NULL) {
        *ret_detail = refusal;
        return PERMIT_E_INVALID;
    }
    if (semaphore != NULL && semaphore->holders.count > 0 &&
        definition->slots != had_slots) {
        *ret_detail = "grants are out: slots change only when none is";
        return PERMIT_E_CONFLICT;
    }
    if (semaphore == NULL && is_full(&engine->semaphores)) {
        *ret_detail = "the daemon has too many semaphores: delete some, or "
                      "raise max_semaphores";
        return PERMIT_E_TOO_MANY;
    }
    if (definition->slots && !had_slots && is_full(&engine->slot_maps)) {
        *ret_detail = "the daemon has too many semaphores with slots: delete "
                      "some, or raise max_semaphores_with_slots";
        return PERMIT_E_TOO_MANY;
    }
    return PERMIT_OK;
}

static void sweep_start(struct engine *engine, enum sweep sweep,
                        struct semaphore *semaphore)
{
    assert(engine->sweep == SWEEP_NONE);
    engine->sweep = sweep;
    engine->swept = semaphore;
}

void define_apply(struct engine *engine)
{
    const struct engine_event *event = &engine->event;
    const char *name = event->define.semaphore;
    struct semaphore *semaphore = semaphore_find(engine, name);
    struct engine_definition definition = definition_with(
        semaphore == NULL ? engine->defaults : semaphore_definition(semaphore),
        &event->define.definition);
    const char *detail = NULL;
    enum permit_status status =
        definition_check(engine, semaphore, &definition, &detail);
    struct engine_record *record;

    if (status != PERMIT_OK) {
        effect_event_answer(engine, status, detail);
        return;
    }
    if (semaphore == NULL) {
        (void)semaphore_add(engine, name, &definition);
    } else {
        semaphore_change(engine, semaphore, &definition);
        sweep_start(engine, SWEEP_SHRUNK, semaphore);
    }
    record = effect_event_record(engine, ENGINE_RECORD_DEFINED);
    record->definition = definition;
    effect_record_name(record, name);
    effect_event_answer(engine, PERMIT_OK, NULL);
}

void delete_apply(struct engine *engine)
{
    const struct engine_event *event = &engine->event;
    struct semaphore *semaphore =
        semaphore_find(engine, event->delete.semaphore);

    assert(!event->delete.force || event->delete.grace_ms >= 0);
    if (semaphore == NULL) {
        effect_event_answer(engine, PERMIT_E_NOT_FOUND, "no such semaphore");
        return;
    }
    if (semaphore->holders.count > 0 && !event->delete.force) {
        effect_event_answer(engine, PERMIT_E_CONFLICT,
                            "grants are out: wait for them, or force it");
        return;
    }
    effect_record_name(effect_event_record(engine, ENGINE_RECORD_DELETED),
                       semaphore->name);
    effect_event_answer(engine, PERMIT_OK, NULL);
    semaphore_delete(engine, semaphore);
    sweep_start(engine, SWEEP_DELETED, semaphore);
    engine->swept_grant = semaphore->holders.first;
}

void post_apply(struct engine *engine)
{
    const struct engine_event *event = &engine->event;
    uint32_t permits = event->post.permits;
    struct semaphore *semaphore = semaphore_find(engine, event->post.semaphore);
    struct engine_record *record;

    if (permits == 0 || permits > LIMIT_PERMITS_MAX) {
        effect_event_answer(engine, PERMIT_E_INVALID,
                            "permits are 1 to 2147483647");
    } else if (semaphore == NULL) {
        effect_event_answer(engine, PERMIT_E_NOT_FOUND,
                            "no such semaphore: define it first");
    } else if (semaphore->kind != ENGINE_COUNTING) {
        effect_event_answer(engine, PERMIT_E_INVALID,
                            "only to a counting semaphore can be posted");
    } else if (permits >
               LIMIT_PERMITS_MAX - semaphore->value - semaphore->held) {
        effect_event_answer(
            engine, PERMIT_E_OVERFLOW,
            "it would pass 2147483647, with what is held and comes "
            "back: nothing was added");
    } else {
        record = effect_event_record(engine, ENGINE_RECORD_POSTED);
        record->permits = permits;
        effect_record_name(record, semaphore->name);
        semaphore->value += permits;
        semaphore_mark_to_be_served(engine, semaphore);
        engine->posted = semaphore;
    }
}

void post_answer(struct engine *engine)
{
    const struct engine_event *event = &engine->event;
    struct engine_answer answer = {.to = ENGINE_POST, .status = PERMIT_OK};

    assert(engine->posted != NULL);
    answer.available = engine->posted->value;
    engine->posted = NULL;
    effect_answer(engine, event->session_id, event->request_id, &answer);
}

void drain_apply(struct engine *engine)
{
    engine->is_draining = true;
    sweep_start(engine, SWEEP_DRAINING,
                semaphore_at(engine, tree_nth(&engine->names_tree,
                                              engine->names_root, 0)));
}

/* Ends the sweep of a semaphore; of a drain, goes on with the next. */
static void sweep_next(struct engine *engine)
{
    struct semaphore *semaphore = engine->swept;

    if (engine->sweep == SWEEP_DRAINING) {
        engine->swept =
            semaphore_at(engine, tree_next(&engine->names_tree,
                                           semaphore_index(engine, semaphore)));
        return;
    }
    engine->swept = NULL;
    if (engine->sweep == SWEEP_DELETED) {
        semaphore_remove_if_idle(engine, semaphore);
    } else {
        semaphore_mark_to_be_served(engine, semaphore);
    }
}

/* Pushes Lost to the next holder of a semaphore that was deleted. Returns false
 * when all have it. */
static bool revoke_step(struct engine *engine)
{
    struct acquire *acquire = acquire_at(engine, engine->swept_grant);
    int64_t grace_ms = engine->event.delete.grace_ms;
    struct engine_record *record;

    if (acquire == NULL) {
        return false;
    }
    engine->swept_grant = acquire->in_holders.next;
    record = effect_record(engine, ENGINE_RECORD_REVOKED, acquire->session->id);
    record->acquire_id = acquire->request_id;
    record->grant_id = acquire->grant_id;
    record->loss = PERMIT_LOSS_DELETED;
    record->timeout_ms = grace_ms;
    effect_lost(engine, acquire, PERMIT_LOSS_DELETED, grace_ms);
    acquire_revoke(engine, acquire, PERMIT_LOSS_DELETED, grace_ms);
    return true;
}

/* Refuses the next waiter of the semaphore that is swept. Returns false if no
 * (further) one is to be refused. */
static bool refuse_step(struct engine *engine)
{
    const struct semaphore *semaphore = engine->swept;
    bool is_shrunk = engine->sweep == SWEEP_SHRUNK;
    struct acquire *acquire;

    if (is_shrunk && semaphore->kind == ENGINE_COUNTING) {
        return false;
    }
    acquire = acquire_at(
        engine, is_shrunk
                    ? queue_first_above(&engine->queues, &semaphore->queue,
                                        semaphore->permits)
                    : queue_first(&engine->queues, &semaphore->queue));
    if (acquire == NULL) {
        return false;
    }
    if (is_shrunk) {
        acquire_refuse(engine, acquire, PERMIT_E_IMPOSSIBLE,
                       "the semaphore shrank below what was asked for");
    } else if (engine->sweep == SWEEP_DELETED) {
        acquire_refuse(engine, acquire, PERMIT_E_NOT_FOUND,
                       "the semaphore was deleted");
    } else {
        acquire_refuse(engine, acquire, PERMIT_E_DRAINING,
                       "the daemon grants nothing more: ask another");
    }
    return true;
}

bool sweep_step(struct engine *engine)
{
    if (engine->sweep == SWEEP_NONE) {
        return false;
    }
    if (engine->swept == NULL) {
        engine->sweep = SWEEP_NONE;
    } else if (!refuse_step(engine) && !revoke_step(engine)) {
        sweep_next(engine);
    }
    return true;
}
