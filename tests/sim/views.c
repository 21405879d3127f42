/* SPDX-License-Identifier: MIT */
#include "views.h"

#include <string.h>

#include "transcript.h"
#include "world.h"

#define ROWS_MAX 8 /* Of one page. */

/* Leaves the function with a text when something differs. */
#define SAME(condition)                                                        \
    do {                                                                       \
        if (!(condition)) {                                                    \
            return "differs: " #condition;                                     \
        }                                                                      \
    } while (0)

/* --------------------------------------------------------------- semaphores */

/* The rows that have names that begin with prefix, in the order of the names.
 */
static size_t sort_names(const struct model *model, const char *prefix,
                         size_t rows[MODEL_SEMAPHORES_MAX])
{
    size_t count = 0;

    for (size_t i = 0; i < MODEL_SEMAPHORES_MAX; i++) {
        const struct model_semaphore *semaphore = &model->semaphores[i];
        size_t at = count;

        if (!semaphore->used || semaphore->deleted ||
            strncmp(semaphore->name, prefix, strlen(prefix)) != 0) {
            continue;
        }
        while (at > 0 && strcmp(model->semaphores[rows[at - 1]].name,
                                semaphore->name) > 0) {
            rows[at] = rows[at - 1];
            at--;
        }
        rows[at] = i;
        count++;
    }
    return count;
}

/* The part of a grant, or of a waiter, that is of a semaphore, or NULL. */
static const struct model_part *holds(const struct model_grant *held,
                                      size_t row)
{
    return model_part_of(held->parts, held->parts_count, row);
}

static const struct model_part *names(const struct model_waiter *waiter,
                                      size_t row)
{
    return model_part_of(waiter->parts, waiter->parts_count, row);
}

static bool is_same_definition(const struct engine_definition *one,
                               const struct engine_definition *other)
{
    return one->kind == other->kind && one->permits == other->permits &&
           one->rate == other->rate && one->per_ms == other->per_ms &&
           one->burst == other->burst && one->bypass == other->bypass &&
           one->per_session == other->per_session &&
           one->max_queue == other->max_queue &&
           one->max_wait_ms == other->max_wait_ms &&
           one->hold_ms == other->hold_ms && one->slots == other->slots &&
           one->shadow == other->shadow &&
           one->refuse_hopeless == other->refuse_hopeless;
}

static const char *compare_kept(const struct engine_semaphore_view *view,
                                const struct model *model, size_t row)
{
    const struct model_semaphore *semaphore = &model->semaphores[row];
    const struct engine_definition *definition = &semaphore->definition;
    uint32_t holders = 0;

    for (size_t i = 0; i < model->grants_count; i++) {
        holders += holds(&model->grants[i], row) != NULL;
    }
    SAME(strcmp(view->name, semaphore->name) == 0);
    SAME(is_same_definition(&view->definition, definition));
    SAME(view->held == semaphore->held);
    SAME(view->template_bytes == semaphore->template_bytes);
    SAME(view->holders == holders);
    SAME(view->fence == semaphore->fence);
    return NULL;
}

static const char *compare_counters(const struct engine_semaphore_view *view,
                                    const struct model_semaphore *semaphore)
{
    SAME(view->grants_total == semaphore->grants_total);
    SAME(view->timeouts_total == semaphore->timeouts_total);
    SAME(view->queue_full_total == semaphore->queue_full_total);
    SAME(view->hopeless_total == semaphore->hopeless_total);
    SAME(view->joined_total == semaphore->joined_total);
    SAME(view->would_refuse_total == semaphore->would_refuse_total);
    SAME(view->would_wait_total == semaphore->would_wait_total);
    for (size_t i = 0; i < PERMIT_LOSS_COUNT; i++) {
        SAME(view->lost_total[i] == semaphore->lost_total[i]);
    }
    return NULL;
}

static const char *compare_semaphore(const struct engine_semaphore_view *view,
                                     const struct model *model, size_t row)
{
    const struct model_semaphore *semaphore = &model->semaphores[row];
    uint64_t oldest_wait_ns = TIME_NEVER;
    uint64_t oldest_hold_ns = TIME_NEVER;
    uint64_t waiting_permits = 0;
    uint32_t waiters = 0;

    for (size_t i = 0; i < model->waiters_count; i++) {
        const struct model_waiter *waiter = &model->waiters[i];

        if (names(waiter, row) != NULL) {
            waiters++;
            waiting_permits += names(waiter, row)->permits;
            if (waiters == 1) {
                oldest_wait_ns = waiter->queued_ns;
            }
        }
    }
    for (size_t i = model->grants_count; i-- > 0;) {
        if (holds(&model->grants[i], row) != NULL) {
            oldest_hold_ns = model->grants[i].granted_ns;
        }
    }
    SAME(view->available == model_available(model, row));
    SAME(view->waiters == waiters);
    SAME(view->waiting_permits == waiting_permits);
    SAME(view->oldest_wait_ns == oldest_wait_ns);
    SAME(view->oldest_hold_ns == oldest_hold_ns);
    return model->restarted ? NULL : compare_counters(view, semaphore);
}

static const char *compare_page(const struct engine *engine,
                                const struct model *model,
                                struct random *random)
{
    static const char *const prefixes[] = {"",   "a",     "t/", "a/b",
                                           "jo", "jobs-", "zz", "ax"};
    const char *prefix = prefixes[random_below(random, 8)];
    struct engine_semaphore_view views[ROWS_MAX];
    size_t rows[MODEL_SEMAPHORES_MAX];
    size_t expected = sort_names(model, prefix, rows);
    size_t offset = random_below(random, WORLD_NAMES + 1);
    size_t views_max = random_between(random, 1, ROWS_MAX);
    size_t left = offset < expected ? expected - offset : 0;
    size_t total = 0;
    size_t count = engine_view_semaphores(engine, prefix, offset, views,
                                          views_max, &total);

    SAME(total == expected);
    SAME(count == (left < views_max ? left : views_max));
    for (size_t i = 0; i < count; i++) {
        const char *problem =
            compare_semaphore(&views[i], model, rows[offset + i]);

        if (problem != NULL) {
            return problem;
        }
    }
    return NULL;
}

/* ------------------------------------------------------- holders and waiters
 */

static const char *compare_parts(const struct engine_part_view *views,
                                 uint32_t views_count,
                                 const struct model *model,
                                 const struct model_part *parts, size_t count)
{
    SAME(views_count == count);
    for (size_t i = 0; i < count; i++) {
        SAME(strcmp(views[i].semaphore,
                    model->semaphores[parts[i].semaphore].name) == 0);
        SAME(views[i].permits == parts[i].permits);
    }
    return NULL;
}

static const char *compare_grant(const struct engine_grant_view *view,
                                 const struct model *model,
                                 const struct model_grant *held)
{
    SAME(view->grant_id == held->id);
    SAME(view->session_id == held->session_id);
    SAME(view->acquire_id == held->acquire_id);
    SAME(view->waited_ms == held->waited_ms);
    SAME(view->lost == held->lost);
    return compare_parts(view->parts, view->parts_count, model, held->parts,
                         held->parts_count);
}

static const char *compare_slots(const struct engine *engine,
                                 const struct model *model,
                                 const struct model_grant *held)
{
    uint32_t wanted[LIMIT_SLOTS_MAX];
    uint32_t list[LIMIT_SLOTS_MAX];

    for (size_t i = 0; i < held->parts_count; i++) {
        const struct model_semaphore *semaphore =
            &model->semaphores[held->parts[i].semaphore];
        const struct engine_slots expected =
            owners_slots(&semaphore->owners, held->id);
        size_t count =
            engine_view_slots(engine, held->id, semaphore->name, list);

        SAME(count == engine_slots_list(&expected, wanted));
        SAME(memcmp(list, wanted, count * sizeof(list[0])) == 0);
    }
    return NULL;
}

static const char *compare_grants(const struct engine *engine,
                                  const struct model *model)
{
    for (size_t i = 0; i < model->grants_count; i++) {
        const struct model_grant *held = &model->grants[i];
        struct engine_grant_view view;
        const char *problem;

        SAME(engine_view_grant(engine, held->session_id, held->acquire_id,
                               &view));
        problem = compare_grant(&view, model, held);
        if (problem == NULL) {
            problem = compare_slots(engine, model, held);
        }
        if (problem != NULL) {
            return problem;
        }
    }
    return NULL;
}

static const char *compare_times(const struct engine *engine,
                                 const struct model *model)
{
    for (size_t i = 0; i < model->grants_count; i++) {
        const struct model_grant *held = &model->grants[i];
        struct engine_grant_view view;

        SAME(engine_view_grant(engine, held->session_id, held->acquire_id,
                               &view));
        SAME(view.granted_ns == held->granted_ns);
        SAME(view.expires_ns == held->deadline_ns);
    }
    return NULL;
}

/* The holders of one semaphore, oldest first, page by page. */
static const char *compare_holders(const struct engine *engine,
                                   const struct model *model, size_t row,
                                   size_t page)
{
    struct engine_grant_view views[ROWS_MAX];
    size_t seen = 0;
    size_t total = 0;
    size_t count = 0;
    size_t at = 0;

    for (size_t i = 0; i < model->grants_count; i++) {
        if (holds(&model->grants[i], row) == NULL) {
            continue;
        }
        if (at == count) {
            count = engine_view_holders(engine, model->semaphores[row].name,
                                        seen, views, page, &total);
            at = 0;
            SAME(count > 0 && count <= page);
        }
        SAME(views[at].grant_id == model->grants[i].id);
        at++;
        seen++;
    }
    SAME(at == count);
    count = engine_view_holders(engine, model->semaphores[row].name, seen,
                                views, page, &total);
    SAME(count == 0 && total == seen);
    return NULL;
}

static const char *compare_waiter(const struct engine_waiter_view *view,
                                  const struct model *model,
                                  const struct model_waiter *waiter)
{
    uint32_t aside =
        (waiter->over_share ? ENGINE_ASIDE_SHARE : 0u) |
        (model_is_disconnected(model, waiter) ? ENGINE_ASIDE_DISCONNECTED : 0u);

    SAME(view->session_id == waiter->session_id);
    SAME(view->acquire_id == waiter->acquire_id);
    SAME(view->priority == waiter->priority);
    SAME(view->queued_ns == waiter->queued_ns);
    SAME(view->deadline_ns == waiter->deadline_ns);
    SAME(view->aside == aside);
    return compare_parts(view->parts, view->parts_count, model, waiter->parts,
                         waiter->parts_count);
}

/* One by its name, with what is in its way. */
static const char *compare_alone(const struct engine *engine,
                                 const struct model *model,
                                 const struct model_waiter *waiter)
{
    struct engine_obstacle expected = model_obstacle(model, waiter);
    struct engine_obstacle obstacle;
    struct engine_waiter_view view;

    SAME(engine_view_waiter(engine, waiter->session_id, waiter->acquire_id,
                            &view, &obstacle));
    /* A session without a connection may lack nothing. */
    SAME(expected.semaphore == NULL ||
         transcript_is_same_obstacle(&obstacle, &expected));
    SAME(view.position == obstacle.position);
    return compare_waiter(&view, model, waiter);
}

static const char *compare_waiters(const struct engine *engine,
                                   const struct model *model, size_t row,
                                   size_t page)
{
    struct engine_waiter_view views[ROWS_MAX];
    size_t seen = 0;
    size_t total = 0;
    size_t count = 0;
    size_t at = 0;
    const char *problem;

    for (size_t i = 0; i < model->waiters_count; i++) {
        const struct model_waiter *waiter = &model->waiters[i];

        if (names(waiter, row) == NULL) {
            continue;
        }
        if (at == count) {
            count = engine_view_waiters(engine, model->semaphores[row].name,
                                        seen, views, page, &total);
            at = 0;
            SAME(count > 0 && count <= page);
        }
        seen++;
        SAME(views[at].position == seen);
        problem = compare_waiter(&views[at++], model, waiter);
        if (problem == NULL && model->waiters_count < 100) {
            problem = compare_alone(engine, model, waiter);
        }
        if (problem != NULL) {
            return problem;
        }
    }
    SAME(at == count);
    count = engine_view_waiters(engine, model->semaphores[row].name, seen,
                                views, page, &total);
    SAME(count == 0 && total == seen);
    return NULL;
}

/* --------------------------------------------------------------- all of them
 */

static const char *compare_totals(const struct engine *engine,
                                  const struct model *model)
{
    struct engine_totals totals;
    size_t rows[MODEL_SEMAPHORES_MAX];
    uint32_t disconnected = 0;

    engine_get_totals(engine, &totals);
    for (size_t i = 0; i < model->sessions_count; i++) {
        disconnected += model->sessions[i].disconnected;
    }
    SAME(totals.fence == model->fence);
    SAME(totals.sessions == model->sessions_count);
    SAME(totals.sessions_disconnected == disconnected);
    SAME(totals.semaphores == sort_names(model, "", rows));
    SAME(totals.grants == model->grants_count);
    SAME(totals.waiters == model->waiters_count);
    SAME(totals.draining == model->draining);
    if (model->restarted) {
        return NULL;
    }
    SAME(totals.grants_total == model->grants_total);
    SAME(totals.timeouts_total == model->timeouts_total);
    SAME(totals.releases_total == model->releases_total);
    SAME(totals.lost_total == model->lost_total);
    return NULL;
}

const char *views_compare(const struct engine *engine,
                          const struct model *model, struct random *random)
{
    struct engine_semaphore_view view;
    size_t rows[MODEL_SEMAPHORES_MAX];
    size_t count = sort_names(model, "", rows);
    size_t page = random_between(random, 1, ROWS_MAX);
    const char *problem = compare_totals(engine, model);

    for (size_t i = 0; problem == NULL && i < count; i++) {
        problem = compare_holders(engine, model, rows[i], page);
        if (problem == NULL) {
            problem = compare_waiters(engine, model, rows[i], page);
        }
        if (problem == NULL) {
            SAME(engine_view_semaphore(engine, model->semaphores[rows[i]].name,
                                       &view));
            problem = compare_semaphore(&view, model, rows[i]);
        }
        if (problem == NULL) {
            problem = compare_kept(&view, model, rows[i]);
        }
    }
    SAME(!engine_view_semaphore(engine, "nobody", &view));
    if (problem == NULL) {
        problem = compare_grants(engine, model);
    }
    if (problem == NULL) {
        problem = compare_times(engine, model);
    }
    return problem == NULL ? compare_page(engine, model, random) : problem;
}

const char *views_compare_restored(const struct engine *engine,
                                   const struct model *model,
                                   uint64_t first_fence)
{
    struct engine_totals totals;
    size_t rows[MODEL_SEMAPHORES_MAX];
    size_t count = sort_names(model, "", rows);
    const char *problem = NULL;

    engine_get_totals(engine, &totals);
    SAME(totals.fence ==
         (model->fence > first_fence ? model->fence : first_fence));
    SAME(totals.sessions == model->sessions_count);
    SAME(totals.sessions_disconnected == model->sessions_count);
    SAME(totals.semaphores == count);
    SAME(totals.grants == model->grants_count);
    SAME(totals.waiters == 0);
    for (size_t i = 0; problem == NULL && i < count; i++) {
        struct engine_semaphore_view view;

        SAME(engine_view_semaphore(engine, model->semaphores[rows[i]].name,
                                   &view));
        problem = compare_kept(&view, model, rows[i]);
        if (problem == NULL) {
            problem = compare_holders(engine, model, rows[i], ROWS_MAX);
        }
    }
    return problem == NULL ? compare_grants(engine, model) : problem;
}
