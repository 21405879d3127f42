/* SPDX-License-Identifier: MIT */
#include "actions.h"

#include <assert.h>

/* X(field, member of a definition) */
#define DEFINITION_MAP(X)                                                      \
    X(KIND, kind)                                                              \
    X(PERMITS, permits)                                                        \
    X(MAX_QUEUE, max_queue)                                                    \
    X(MAX_WAIT, max_wait_ms)                                                   \
    X(HOLD, hold_ms)                                                           \
    X(SLOTS, slots)                                                            \
    X(RATE, rate)                                                              \
    X(PER_MS, per_ms)                                                          \
    X(BURST, burst)                                                            \
    X(BYPASS, bypass)                                                          \
    X(PER_SESSION, per_session)                                                \
    X(SHADOW, shadow)                                                          \
    X(REFUSE_HOPELESS, refuse_hopeless)

/* Base, with the fields that change names. */
static struct engine_definition
definition_with(struct engine_definition base,
                const struct engine_definition *change)
{
#define X(field, member)                                                       \
    if (change->fields & ENGINE_FIELD_##field) {                               \
        base.member = change->member;                                          \
    }
    DEFINITION_MAP(X)
#undef X
    return base;
}

/* What a new semaphore of that kind gets: a RATE has no permits, one second if
 * nothing else is said, and as much burst as comes in that time. */
static struct engine_definition
definition_new(const struct engine *engine,
               const struct engine_definition *change)
{
    struct engine_definition definition =
        definition_with(engine->defaults, change);

    if (definition.kind == ENGINE_RATE) {
        if (!(change->fields & ENGINE_FIELD_PERMITS)) {
            definition.permits = 0;
        }
        if (definition.per_ms == 0 && !(change->fields & ENGINE_FIELD_PER_MS)) {
            definition.per_ms = DEFAULT_PER_MS;
        }
        if (definition.burst == 0 && !(change->fields & ENGINE_FIELD_BURST)) {
            definition.burst = definition.rate;
        }
    }
    return definition;
}

static const char *rate_refusal(const struct engine_definition *definition)
{
    if (definition->kind != ENGINE_RATE) {
        return definition->rate != 0 || definition->per_ms != 0 ||
                       definition->burst != 0
                   ? "only a semaphore of kind rate has rate, per and burst"
                   : NULL;
    }
    if (definition->permits != 0) {
        return "a rate has no permits: set its burst";
    }
    if (definition->rate == 0 || definition->rate > LIMIT_PERMITS_MAX) {
        return "a rate is 1 to 2147483647 tokens per period";
    }
    if (definition->per_ms == 0 || definition->per_ms > LIMIT_PER_MS_MAX) {
        return "the period of a rate is 1 ms to 366 days";
    }
    if (definition->burst == 0 || definition->burst > LIMIT_PERMITS_MAX) {
        return "the burst of a rate is 1 to 2147483647 tokens";
    }
    return definition->per_session != 0 ? "a rate has no shares of sessions"
                                        : NULL;
}

static const char *policy_refusal(const struct engine_definition *definition)
{
    if (definition->bypass > LIMIT_BYPASS_MAX) {
        return "bypass is at most 65535";
    }
    if (definition->per_session > LIMIT_PERMITS_MAX) {
        return "per_session is at most 2147483647";
    }
    if (definition->shadow &&
        (definition->slots || definition->kind == ENGINE_COUNTING)) {
        return "shadow is for bounded semaphores without slots, and rates";
    }
    return NULL;
}

const char *definition_refusal(const struct semaphore *semaphore,
                               const struct engine_definition *definition)
{
    const char *refusal;

    if (definition->kind != ENGINE_BOUNDED &&
        definition->kind != ENGINE_COUNTING &&
        definition->kind != ENGINE_RATE) {
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
    refusal = rate_refusal(definition);
    return refusal != NULL ? refusal : policy_refusal(definition);
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
    if (definition->refuse_hopeless && definition->kind != ENGINE_RATE &&
        (semaphore == NULL || semaphore->holds == 0) &&
        is_full(&engine->holds)) {
        *ret_detail = "the daemon has too many semaphores that refuse the "
                      "hopeless: raise max_semaphores_with_estimates";
        return PERMIT_E_TOO_MANY;
    }
    if (definition->slots && !had_slots && is_full(&engine->slot_maps)) {
        *ret_detail = "the daemon has too many semaphores with slots: delete "
                      "some, or raise max_semaphores_with_slots";
        return PERMIT_E_TOO_MANY;
    }
    return PERMIT_OK;
}

void define_apply(struct engine *engine)
{
    const struct engine_event *event = &engine->event;
    const char *name = event->define.semaphore;
    struct semaphore *semaphore = semaphore_find(engine, name);
    const struct engine_definition *change = &event->define.definition;
    struct engine_definition definition =
        semaphore == NULL
            ? definition_new(engine, change)
            : definition_with(semaphore_definition(engine, semaphore), change);
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
        semaphore_unset_maker(engine, semaphore);
        sweep_start(engine, SWEEP_COUNTED, semaphore);
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
    } else if (semaphore->kind == ENGINE_RATE && !semaphore->is_template &&
               event->session_id == 0) {
        semaphore_refund(engine, semaphore, permits);
        engine->posted = semaphore;
    } else if (semaphore->kind != ENGINE_COUNTING || semaphore->is_template) {
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
    answer.available = (uint64_t)semaphore_free_permits(engine, engine->posted);
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
