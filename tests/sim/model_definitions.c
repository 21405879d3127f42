/* SPDX-License-Identifier: MIT */
#include "model.h"

#include <assert.h>
#include <string.h>

#include "model_state.h"

static bool is_template(const struct model_semaphore *semaphore)
{
    return strchr(semaphore->name, '*') != NULL;
}

/* Of a RATE the wait is known without. */
static bool keeps_holds(const struct engine_definition *definition)
{
    return definition->refuse_hopeless && definition->kind != ENGINE_RATE;
}

/* How many rows are taken; of those that templates made, that have slots, or
 * estimates. */
static void count_rows(const struct model *model, uint64_t session_id,
                       struct engine_limits *counts)
{
    memset(counts, 0, sizeof(*counts));
    for (size_t i = 0; i < MODEL_SEMAPHORES_MAX; i++) {
        const struct model_semaphore *semaphore = &model->semaphores[i];
        bool is_made = semaphore->used && !semaphore->deleted &&
                       semaphore->template_bytes > 0;

        counts->max_semaphores += semaphore->used;
        counts->max_semaphores_with_slots +=
            semaphore->used && semaphore->definition.slots;
        counts->max_semaphores_with_estimates +=
            semaphore->used && keeps_holds(&semaphore->definition);
        counts->max_templated += is_made;
        counts->max_templated_per_session +=
            is_made && semaphore->template_session == session_id;
    }
}

bool model_may_make(const struct model *model, uint64_t session_id,
                    const struct engine_definition *definitions, size_t count)
{
    const struct engine_limits *limits = &model->limits;
    struct engine_limits counts;

    count_rows(model, session_id, &counts);
    counts.max_semaphores += (uint32_t)count;
    counts.max_templated += (uint32_t)count;
    counts.max_templated_per_session += (uint32_t)count;
    for (size_t i = 0; i < count; i++) {
        counts.max_semaphores_with_slots += definitions[i].slots;
        counts.max_semaphores_with_estimates += keeps_holds(&definitions[i]);
    }
    return count == 0 || (counts.max_semaphores <= limits->max_semaphores &&
                          counts.max_templated <= limits->max_templated &&
                          counts.max_templated_per_session <=
                              limits->max_templated_per_session &&
                          counts.max_semaphores_with_slots <=
                              limits->max_semaphores_with_slots &&
                          counts.max_semaphores_with_estimates <=
                              limits->max_semaphores_with_estimates);
}

size_t model_make(struct model *model, const char *name,
                  const struct engine_definition *definition)
{
    size_t row = 0;
    struct model_semaphore *semaphore;

    while (model->semaphores[row].used) {
        row++;
        assert(row < MODEL_SEMAPHORES_MAX);
    }
    semaphore = &model->semaphores[row];
    memset(semaphore, 0, sizeof(*semaphore));
    semaphore->used = true;
    strcpy(semaphore->name, name);
    semaphore->definition = *definition;
    semaphore->made_order = ++model->made;
    semaphore->value =
        definition->kind == ENGINE_COUNTING ? definition->permits : 0;
    model_tokens_define(semaphore, NULL, model->now_ns);
    return row;
}

/* ---------------------------------------------------------------- templates */

size_t model_find_template(const struct model *model, const char *name)
{
    size_t best = MODEL_SEMAPHORES_MAX;
    size_t best_bytes = 0;

    for (size_t i = 0; i < MODEL_SEMAPHORES_MAX; i++) {
        const struct model_semaphore *semaphore = &model->semaphores[i];
        size_t bytes = strlen(semaphore->name) - 1; /* Less the star. */

        if (semaphore->used && !semaphore->deleted && is_template(semaphore) &&
            bytes > best_bytes && strncmp(semaphore->name, name, bytes) == 0) {
            best = i;
            best_bytes = bytes;
        }
    }
    return best;
}

/* Is it one that a template made, with nobody who uses it? */
static bool is_unused(const struct model *model, size_t row)
{
    const struct model_semaphore *semaphore = &model->semaphores[row];
    bool used = !semaphore->used || semaphore->deleted ||
                semaphore->template_bytes == 0;

    for (size_t i = 0; i < model->grants_count; i++) {
        used |= model_part_of(model->grants[i].parts,
                              model->grants[i].parts_count, row) != NULL;
    }
    for (size_t i = 0; i < model->waiters_count; i++) {
        used |= model_part_of(model->waiters[i].parts,
                              model->waiters[i].parts_count, row) != NULL;
    }
    return !used;
}

uint64_t model_forgotten_ns(const struct model *model, size_t row)
{
    const struct model_semaphore *semaphore = &model->semaphores[row];

    return semaphore->definition.kind == ENGINE_RATE && is_unused(model, row)
               ? model_tokens_when(semaphore, model->now_ns,
                                   semaphore->definition.burst)
               : TIME_NEVER;
}

void model_forget_idle(struct model *model)
{
    for (size_t i = 0; i < MODEL_SEMAPHORES_MAX; i++) {
        struct model_semaphore *semaphore = &model->semaphores[i];
        const struct engine_definition *definition = &semaphore->definition;

        if (semaphore->template_bytes > 0 && is_unused(model, i) &&
            (definition->kind == ENGINE_BOUNDED ||
             (definition->kind == ENGINE_COUNTING &&
              semaphore->value == definition->permits) ||
             (definition->kind == ENGINE_RATE &&
              model_available(model, i) == definition->burst))) {
            semaphore->used = false;
        }
    }
}

/* -------------------------------------------------------------- definitions */

/* The definition that is asked for, on top of the one that is there. */
static struct engine_definition merge(struct engine_definition merged,
                                      const struct engine_definition *asked)
{
#define MERGE(field, member)                                                   \
    if ((asked->fields & (field)) != 0) {                                      \
        merged.member = asked->member;                                         \
    }
    MERGE(ENGINE_FIELD_KIND, kind)
    MERGE(ENGINE_FIELD_PERMITS, permits)
    MERGE(ENGINE_FIELD_MAX_QUEUE, max_queue)
    MERGE(ENGINE_FIELD_MAX_WAIT, max_wait_ms)
    MERGE(ENGINE_FIELD_HOLD, hold_ms)
    MERGE(ENGINE_FIELD_SLOTS, slots)
    MERGE(ENGINE_FIELD_RATE, rate)
    MERGE(ENGINE_FIELD_PER_MS, per_ms)
    MERGE(ENGINE_FIELD_BURST, burst)
    MERGE(ENGINE_FIELD_BYPASS, bypass)
    MERGE(ENGINE_FIELD_PER_SESSION, per_session)
    MERGE(ENGINE_FIELD_SHADOW, shadow)
    MERGE(ENGINE_FIELD_REFUSE_HOPELESS, refuse_hopeless)
#undef MERGE
    return merged;
}

static bool is_sensible_rate(const struct engine_definition *definition)
{
    if (definition->kind != ENGINE_RATE) {
        return definition->rate == 0 && definition->per_ms == 0 &&
               definition->burst == 0;
    }
    return definition->permits == 0 && definition->per_session == 0 &&
           definition->rate >= 1 && definition->rate <= LIMIT_PERMITS_MAX &&
           definition->burst >= 1 && definition->burst <= LIMIT_PERMITS_MAX &&
           definition->per_ms >= 1 && definition->per_ms <= LIMIT_PER_MS_MAX;
}

static bool makes_sense(const struct engine_definition *definition)
{
    bool counting = definition->kind == ENGINE_COUNTING;
    bool bounded = definition->kind == ENGINE_BOUNDED;

    return definition->kind >= ENGINE_BOUNDED &&
           definition->kind <= ENGINE_RATE && is_sensible_rate(definition) &&
           (definition->permits > 0 || !bounded) &&
           definition->permits <= LIMIT_PERMITS_MAX &&
           definition->bypass <= LIMIT_BYPASS_MAX &&
           definition->per_session <= LIMIT_PERMITS_MAX &&
           definition->max_wait_ms >= -1 && definition->hold_ms >= 0 &&
           (!definition->slots ||
            (bounded && definition->permits <= LIMIT_SLOTS_MAX)) &&
           (!definition->shadow || (!definition->slots && !counting));
}

/* A star is the last byte of a template's name, and not the first. */
static bool is_sensible_name(const char *name)
{
    const char *star = strchr(name, '*');

    return star == NULL || (star != name && star[1] == '\0');
}

static bool is_held_by_anybody(const struct model *model, size_t row)
{
    for (size_t i = 0; i < model->grants_count; i++) {
        if (model_part_of(model->grants[i].parts, model->grants[i].parts_count,
                          row) != NULL) {
            return true;
        }
    }
    return false;
}

static enum permit_status check_change(const struct model *model, size_t row,
                                       const struct engine_definition *old,
                                       const struct engine_definition *merged)
{
    bool is_new = row == MODEL_SEMAPHORES_MAX;
    struct engine_limits counts;

    if (!makes_sense(merged) ||
        (!is_new &&
         (merged->kind != old->kind ||
          (old->kind == ENGINE_COUNTING && merged->permits != old->permits)))) {
        return PERMIT_E_INVALID;
    }
    if (!is_new && merged->slots != old->slots &&
        is_held_by_anybody(model, row)) {
        return PERMIT_E_CONFLICT;
    }
    count_rows(model, 0, &counts);
    if ((is_new && counts.max_semaphores >= model->limits.max_semaphores) ||
        (merged->slots && !old->slots &&
         counts.max_semaphores_with_slots >=
             model->limits.max_semaphores_with_slots) ||
        (keeps_holds(merged) && (is_new || !keeps_holds(old)) &&
         counts.max_semaphores_with_estimates >=
             model->limits.max_semaphores_with_estimates)) {
        return PERMIT_E_TOO_MANY;
    }
    return PERMIT_OK;
}

/* Makes it, or changes it. */
static enum permit_status
define(struct model *model, const struct engine_event *event, size_t *ret_row)
{
    static const struct engine_definition defaults = {.kind = ENGINE_BOUNDED,
                                                      .permits = 1,
                                                      .max_queue =
                                                          DEFAULT_MAX_QUEUE,
                                                      .max_wait_ms = -1};
    const struct engine_definition *asked = &event->define.definition;
    size_t row = model_find_semaphore(model, event->define.semaphore);
    bool is_new = row == MODEL_SEMAPHORES_MAX;
    struct engine_definition old =
        is_new ? defaults : model->semaphores[row].definition;
    struct engine_definition merged;
    enum permit_status status;

    if (is_new && (asked->fields & ENGINE_FIELD_KIND) != 0 &&
        asked->kind == ENGINE_RATE) {
        old.permits = 0;
        old.per_ms = DEFAULT_PER_MS;
        old.burst = (asked->fields & ENGINE_FIELD_RATE) != 0 ? asked->rate : 0;
    }
    merged = merge(old, asked);
    status = is_sensible_name(event->define.semaphore)
                 ? check_change(model, row, &old, &merged)
                 : PERMIT_E_INVALID;
    if (status != PERMIT_OK) {
        return status;
    }
    if (is_new) {
        row = model_make(model, event->define.semaphore, &merged);
    } else {
        struct model_semaphore *semaphore = &model->semaphores[row];

        semaphore->definition = merged;
        semaphore->template_bytes = 0;
        model_tokens_define(semaphore, &old, model->now_ns);
        if (!merged.refuse_hopeless) {
            semaphore->holds_count = 0;
        }
    }
    *ret_row = row;
    return PERMIT_OK;
}

/* Is it more than the semaphore gives from now on? */
static bool is_impossible(const struct engine_definition *definition,
                          const struct model_part *part)
{
    uint32_t most = definition->kind == ENGINE_RATE ? definition->burst
                                                    : definition->permits;

    return !definition->shadow &&
           ((definition->kind != ENGINE_COUNTING && part->permits > most) ||
            (definition->per_session != 0 &&
             part->permits > definition->per_session));
}

void model_define(struct model *model, const struct engine_event *event)
{
    size_t row = MODEL_SEMAPHORES_MAX;
    enum permit_status status = define(model, event, &row);

    model_answer_event(model, event, status);
    if (status != PERMIT_OK) {
        return;
    }
    for (size_t i = 0; i < model->waiters_count;) {
        const struct model_part *part = model_part_of(
            model->waiters[i].parts, model->waiters[i].parts_count, row);

        if (part != NULL &&
            is_impossible(&model->semaphores[row].definition, part)) {
            model_refuse_waiter(model, i, PERMIT_E_IMPOSSIBLE);
        } else {
            i++;
        }
    }
    for (size_t i = 0; i < model->waiters_count; i++) {
        struct model_waiter *waiter = &model->waiters[i];

        if (model_is_over_share(model, waiter) != waiter->over_share) {
            waiter->over_share = !waiter->over_share;
            for (size_t j = 0; j < waiter->parts_count; j++) {
                model_mark(model, waiter->parts[j].semaphore);
            }
        }
    }
    model_mark(model, row);
    model_serve(model);
}

/* Tells the holders of a semaphore that is deleted; what they hold is free
 * after the grace, or the hold if that is over before. */
static void revoke_all(struct model *model, size_t row, int64_t grace_ms)
{
    uint64_t end_ns = model_after_ms(model->now_ns, grace_ms);

    for (size_t i = 0; i < model->grants_count; i++) {
        struct model_grant *held = &model->grants[i];

        if (held->lost ||
            model_part_of(held->parts, held->parts_count, row) == NULL) {
            continue;
        }
        model_tell_lost(model, held, PERMIT_LOSS_DELETED, grace_ms);
        held->lost = true;
        held->grace_ms = grace_ms;
        if (end_ns < held->deadline_ns) {
            held->deadline_ns = end_ns;
            held->deadline_order = ++model->order;
        }
    }
}

void model_delete(struct model *model, const struct engine_event *event)
{
    size_t row = model_find_semaphore(model, event->delete.semaphore);
    bool is_held;

    if (row == MODEL_SEMAPHORES_MAX) {
        model_answer_event(model, event, PERMIT_E_NOT_FOUND);
        return;
    }
    is_held = is_held_by_anybody(model, row);
    if (is_held && !event->delete.force) {
        model_answer_event(model, event, PERMIT_E_CONFLICT);
        return;
    }
    model_answer_event(model, event, PERMIT_OK);
    model->semaphores[row].deleted = true;
    model->semaphores[row].used = is_held;
    for (size_t i = 0; i < model->waiters_count;) {
        if (model_part_of(model->waiters[i].parts,
                          model->waiters[i].parts_count, row) != NULL) {
            model_refuse_waiter(model, i, PERMIT_E_NOT_FOUND);
        } else {
            i++;
        }
    }
    revoke_all(model, row, event->delete.grace_ms);
    model_serve(model);
    model_pass_time(model, model->now_ns); /* What had no grace. */
}

/* A RATE gets back what nobody was told of, and only from the server. */
static enum permit_status post(struct model *model,
                               struct model_semaphore *semaphore,
                               const struct engine_event *event)
{
    if (is_template(semaphore)) {
        return PERMIT_E_INVALID;
    }
    if (semaphore->definition.kind == ENGINE_RATE && event->session_id == 0) {
        model_tokens_add(semaphore, event->post.permits, model->now_ns);
        return PERMIT_OK;
    }
    if (semaphore->definition.kind != ENGINE_COUNTING) {
        return PERMIT_E_INVALID;
    }
    if (semaphore->value + semaphore->held + event->post.permits >
        LIMIT_PERMITS_MAX) {
        return PERMIT_E_OVERFLOW;
    }
    semaphore->value += event->post.permits;
    return PERMIT_OK;
}

void model_post(struct model *model, const struct engine_event *event)
{
    size_t row = model_find_semaphore(model, event->post.semaphore);
    enum permit_status status = PERMIT_E_NOT_FOUND;

    if (event->post.permits == 0 || event->post.permits > LIMIT_PERMITS_MAX) {
        status = PERMIT_E_INVALID;
    } else if (row != MODEL_SEMAPHORES_MAX) {
        status = post(model, &model->semaphores[row], event);
    }
    if (status != PERMIT_OK) {
        model_answer_event(model, event, status);
        return;
    }
    model_mark(model, row);
    model_serve(model);
    model_answer_event(model, event, PERMIT_OK)->available =
        model_available(model, row);
}
