/* SPDX-License-Identifier: MIT */
/* The engine's views, with what the clients said of themselves. */
#include "session_private.h"

int64_t age_ms(uint64_t now_ns, uint64_t since_ns)
{
    return since_ns >= now_ns ? 0 : (int64_t)((now_ns - since_ns) / NS_PER_MS);
}

/* Of a moment that may be never: -1 then. */
static int64_t optional_age_ms(uint64_t now_ns, uint64_t since_ns)
{
    return since_ns == TIME_NEVER ? -1 : age_ms(now_ns, since_ns);
}

static int64_t left_ms(uint64_t now_ns, uint64_t until_ns)
{
    return until_ns == TIME_NEVER ? -1 : age_ms(until_ns, now_ns);
}

void session_describe(const struct sessions *sessions, uint64_t session_id,
                      struct permit_client_info *ret_client)
{
    const struct session *session = session_find(sessions, session_id);

    if (session == NULL) {
        /* It is just ending: the engine gives back what it held. */
        *ret_client = (struct permit_client_info){.session_id = session_id,
                                                  .name = "",
                                                  .host = "",
                                                  .purpose = "",
                                                  .address = ""};
        return;
    }
    *ret_client = (struct permit_client_info){
        .session_id = session_id,
        .name = session->name,
        .host = session->host,
        .pid = session->pid,
        .purpose = session->purpose,
        .address = session->address,
        .connected = session->connection_id != 0 &&
                     session->stage == SESSION_STAGE_READY};
}

struct wire_live_grant session_live_grant(const struct sessions *sessions,
                                          const struct engine_grant_view *view,
                                          struct permit_part_info *part,
                                          uint32_t slots[LIMIT_SLOTS_MAX])
{
    *part = (struct permit_part_info){
        .semaphore = view->semaphore,
        .permits = view->permits,
        .slots = slots,
        .slots_count = (uint32_t)engine_view_slots(sessions->options.engine,
                                                   view->grant_id, slots)};
    return (struct wire_live_grant){.acquire_id = view->acquire_id,
                                    .grant_id = view->grant_id,
                                    .fence = view->grant_id,
                                    .parts = part,
                                    .parts_count = 1};
}

static uint32_t find_labels(const struct sessions *sessions,
                            uint64_t session_id, uint64_t acquire_id,
                            const struct permit_label **ret_labels)
{
    static const struct labels none;
    const struct session *session = session_find(sessions, session_id);

    return labels_find(session == NULL ? &none : &session->labels, acquire_id,
                       ret_labels);
}

static void fill_semaphore(const struct sessions *sessions, uint64_t now_ns,
                           const struct engine_semaphore_view *view,
                           struct permit_semaphore_info *row)
{
    const struct engine_definition *definition = &view->definition;

    *row = (struct permit_semaphore_info){
        .name = view->name,
        .kind = definition->kind == ENGINE_COUNTING ? PERMIT_COUNTING
                                                    : PERMIT_BOUNDED,
        .permits = definition->permits,
        .held = view->held,
        .available = view->available,
        .holders = view->holders,
        .waiters = view->waiters,
        .waiting_permits = view->waiting_permits,
        .max_queue = definition->max_queue,
        .max_wait_ms = definition->max_wait_ms,
        .hold_ms = definition->hold_ms,
        .fence = view->fence,
        .oldest_wait_ms = optional_age_ms(now_ns, view->oldest_wait_ns),
        .oldest_hold_ms = optional_age_ms(now_ns, view->oldest_hold_ns),
        .grants_total = view->grants_total,
        .timeouts_total = view->timeouts_total,
        .queue_full_total = view->queue_full_total,
        .durable = sessions->options.grants_survive_restart,
        .slots = definition->slots};
    for (size_t i = 0; i < PERMIT_LOSS_COUNT; i++) {
        row->lost_total[i] = view->lost_total[i];
    }
}

bool sessions_view_semaphore(struct sessions *sessions, const char *name,
                             uint64_t now_ns,
                             struct permit_semaphore_info *ret_row)
{
    struct engine_semaphore_view view;

    if (!engine_view_semaphore(sessions->options.engine, name, &view)) {
        return false;
    }
    fill_semaphore(sessions, now_ns, &view, ret_row);
    return true;
}

/* The engine's rows are taken a few at a time, so that none is copied but into
 * its place. */
#define ROWS 32
#define TAKE(rows_max, done)                                                   \
    ((rows_max) - (done) < ROWS ? (rows_max) - (done) : ROWS)

size_t sessions_view_semaphores(struct sessions *sessions, const char *prefix,
                                size_t offset, uint64_t now_ns,
                                struct permit_semaphore_info *rows,
                                size_t rows_max, size_t *ret_total)
{
    struct engine_semaphore_view views[ROWS];
    size_t done = 0;
    size_t count;

    do {
        count = engine_view_semaphores(sessions->options.engine, prefix,
                                       offset + done, views,
                                       TAKE(rows_max, done), ret_total);
        for (size_t i = 0; i < count; i++) {
            fill_semaphore(sessions, now_ns, &views[i], &rows[done++]);
        }
    } while (count == ROWS && done < rows_max);
    return done;
}

size_t sessions_view_holders(struct sessions *sessions, const char *semaphore,
                             size_t offset, uint64_t now_ns,
                             struct permit_holder_info *rows, size_t rows_max,
                             size_t *ret_total)
{
    struct engine_grant_view views[ROWS];
    uint32_t *slots = sessions->slots; /* No slot has two holders. */
    size_t done = 0;
    size_t count;

    do {
        count = engine_view_holders(sessions->options.engine, semaphore,
                                    offset + done, views, TAKE(rows_max, done),
                                    ret_total);
        for (size_t i = 0; i < count; i++) {
            const struct engine_grant_view *view = &views[i];
            struct permit_holder_info *row = &rows[done++];
            *row = (struct permit_holder_info){
                .grant_id = view->grant_id,
                .fence = view->grant_id,
                .semaphore = view->semaphore,
                .permits = view->permits,
                .held_ms = age_ms(now_ns, view->granted_ns),
                .waited_ms = view->waited_ms,
                .expires_in_ms = left_ms(now_ns, view->expires_ns),
                .slots = slots,
                .slots_count = (uint32_t)engine_view_slots(
                    sessions->options.engine, view->grant_id, slots)};
            slots += row->slots_count;
            session_describe(sessions, view->session_id, &row->client);
            row->labels_count = find_labels(sessions, view->session_id,
                                            view->acquire_id, &row->labels);
        }
    } while (count == ROWS && done < rows_max);
    return done;
}

size_t sessions_view_waiters(struct sessions *sessions, const char *semaphore,
                             size_t offset, uint64_t now_ns,
                             struct permit_waiter_info *rows, size_t rows_max,
                             size_t *ret_total)
{
    struct engine_waiter_view views[ROWS];
    size_t done = 0;
    size_t count;

    do {
        count = engine_view_waiters(sessions->options.engine, semaphore,
                                    offset + done, views, TAKE(rows_max, done),
                                    ret_total);
        for (size_t i = 0; i < count; i++) {
            const struct engine_waiter_view *view = &views[i];
            struct permit_waiter_info *row = &rows[done++];
            *row = (struct permit_waiter_info){
                .acquire_id = view->acquire_id,
                .position = view->position,
                .semaphore = view->semaphore,
                .permits = view->permits,
                .waited_ms = age_ms(now_ns, view->queued_ns),
                .expires_in_ms = left_ms(now_ns, view->deadline_ns),
                .set_aside = view->disconnected ? PERMIT_SET_ASIDE_DISCONNECTED
                                                : PERMIT_SET_ASIDE_NO};
            session_describe(sessions, view->session_id, &row->client);
            row->labels_count = find_labels(sessions, view->session_id,
                                            view->acquire_id, &row->labels);
        }
    } while (count == ROWS && done < rows_max);
    return done;
}
