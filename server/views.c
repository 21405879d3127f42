/* SPDX-License-Identifier: MIT */
/* The engine's views, with what the clients said of themselves. */
#include "session_private.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

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

uint32_t session_fill_parts(const struct sessions *sessions,
                            const struct engine_grant_view *view,
                            struct permit_part_info parts[LIMIT_PARTS_MAX],
                            uint32_t *slots)
{
    uint32_t total = 0;

    for (uint32_t i = 0; i < view->parts_count; i++) {
        const struct engine_part_view *part = &view->parts[i];
        uint32_t count = (uint32_t)engine_view_slots(
            sessions->options.engine, view->grant_id, part->semaphore,
            slots + total);

        parts[i] = (struct permit_part_info){.semaphore = part->semaphore,
                                             .permits = part->permits,
                                             .slots = slots + total,
                                             .slots_count = count};
        total += count;
    }
    return total;
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

/* Writes the name of the template that made a semaphore, and returns it. */
static const char *write_template(const struct engine_semaphore_view *view,
                                  char text[LIMIT_NAME_BYTES_MAX + 1])
{
    (void)snprintf(text, LIMIT_NAME_BYTES_MAX + 1, "%.*s%s",
                   (int)view->template_bytes, view->name,
                   view->template_bytes > 0 ? "*" : "");
    return text;
}

static void fill_semaphore(const struct sessions *sessions, uint64_t now_ns,
                           const struct engine_semaphore_view *view,
                           char template_name[LIMIT_NAME_BYTES_MAX + 1],
                           struct permit_semaphore_info *row)
{
    const struct engine_definition *definition = &view->definition;

    *row = (struct permit_semaphore_info){
        .name = view->name,
        .kind = (enum permit_kind)definition->kind,
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
        .slots = definition->slots,
        .per_ms = definition->per_ms,
        .rate = definition->rate,
        .burst = definition->burst,
        .bypass = definition->bypass,
        .per_session = definition->per_session,
        .template_name = write_template(view, template_name),
        .shadow = definition->shadow,
        .refuse_hopeless = definition->refuse_hopeless,
        .would_refuse_total = view->would_refuse_total,
        .would_wait_total = view->would_wait_total,
        .hopeless_total = view->hopeless_total,
        .joined_total = view->joined_total};
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
    fill_semaphore(sessions, now_ns, &view, sessions->templates[0], ret_row);
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

    assert(rows_max <= SESSION_VIEW_ROWS_MAX);
    do {
        count = engine_view_semaphores(sessions->options.engine, prefix,
                                       offset + done, views,
                                       TAKE(rows_max, done), ret_total);
        for (size_t i = 0; i < count; i++) {
            fill_semaphore(sessions, now_ns, &views[i],
                           sessions->templates[done], &rows[done]);
            done++;
        }
    } while (count == ROWS && done < rows_max);
    return done;
}

/* Fills the parts of a row, without slots, and returns the permits of the one
 * that is of `semaphore`, which is set in *ret_own. */
static uint32_t fill_row(const struct engine_part_view *views, uint32_t count,
                         const char *semaphore, struct permit_part_info *parts,
                         struct permit_part_info **ret_own)
{
    *ret_own = &parts[0];
    for (uint32_t i = 0; i < count; i++) {
        parts[i] = (struct permit_part_info){.semaphore = views[i].semaphore,
                                             .permits = views[i].permits};
        if (strcmp(views[i].semaphore, semaphore) == 0) {
            *ret_own = &parts[i];
        }
    }
    return (*ret_own)->permits;
}

static void fill_holder(struct sessions *sessions, const char *semaphore,
                        uint64_t now_ns, const struct engine_grant_view *view,
                        struct permit_part_info *parts, uint32_t *slots,
                        struct permit_holder_info *row)
{
    struct permit_part_info *own;

    *row = (struct permit_holder_info){
        .grant_id = view->grant_id,
        .fence = view->grant_id,
        .permits =
            fill_row(view->parts, view->parts_count, semaphore, parts, &own),
        .held_ms = age_ms(now_ns, view->granted_ns),
        .waited_ms = view->waited_ms,
        .expires_in_ms = left_ms(now_ns, view->expires_ns),
        .slots = slots,
        .slots_count = (uint32_t)engine_view_slots(
            sessions->options.engine, view->grant_id, semaphore, slots),
        .parts = parts,
        .parts_count = view->parts_count};
    row->semaphore = own->semaphore;
    own->slots = slots;
    own->slots_count = row->slots_count;
    session_describe(sessions, view->session_id, &row->client);
    row->labels_count =
        find_labels(sessions, view->session_id, view->acquire_id, &row->labels);
}

size_t sessions_view_holders(struct sessions *sessions, const char *semaphore,
                             size_t offset, uint64_t now_ns,
                             struct permit_holder_info *rows, size_t rows_max,
                             size_t *ret_total)
{
    struct engine_grant_view views[ROWS];
    struct permit_part_info *parts = sessions->parts;
    uint32_t *slots = sessions->slots; /* No slot has two holders. */
    size_t done = 0;
    size_t count;

    assert(rows_max <= SESSION_VIEW_ROWS_MAX);
    do {
        count = engine_view_holders(sessions->options.engine, semaphore,
                                    offset + done, views, TAKE(rows_max, done),
                                    ret_total);
        for (size_t i = 0; i < count; i++) {
            struct permit_holder_info *row = &rows[done++];

            fill_holder(sessions, semaphore, now_ns, &views[i], parts, slots,
                        row);
            parts += row->parts_count;
            slots += row->slots_count;
        }
    } while (count == ROWS && done < rows_max);
    return done;
}

/* Of several reasons the one that outlasts the others. */
static enum permit_set_aside to_set_aside(uint32_t aside)
{
    if ((aside & ENGINE_ASIDE_DISCONNECTED) != 0) {
        return PERMIT_SET_ASIDE_DISCONNECTED;
    }
    return (aside & ENGINE_ASIDE_SHARE) != 0 ? PERMIT_SET_ASIDE_SHARE
                                             : PERMIT_SET_ASIDE_NO;
}

static void fill_waiter(struct sessions *sessions, const char *semaphore,
                        uint64_t now_ns, const struct engine_waiter_view *view,
                        struct permit_part_info *parts,
                        struct permit_waiter_info *row)
{
    struct permit_part_info *own;

    *row = (struct permit_waiter_info){
        .acquire_id = view->acquire_id,
        .position = view->position,
        .permits =
            fill_row(view->parts, view->parts_count, semaphore, parts, &own),
        .waited_ms = age_ms(now_ns, view->queued_ns),
        .expires_in_ms = left_ms(now_ns, view->deadline_ns),
        .set_aside = to_set_aside(view->aside),
        .parts = parts,
        .parts_count = view->parts_count,
        .priority = view->priority};
    row->semaphore = own->semaphore;
    session_describe(sessions, view->session_id, &row->client);
    row->labels_count =
        find_labels(sessions, view->session_id, view->acquire_id, &row->labels);
}

size_t sessions_view_waiters(struct sessions *sessions, const char *semaphore,
                             size_t offset, uint64_t now_ns,
                             struct permit_waiter_info *rows, size_t rows_max,
                             size_t *ret_total)
{
    struct engine_waiter_view views[ROWS];
    struct permit_part_info *parts = sessions->parts;
    size_t done = 0;
    size_t count;

    assert(rows_max <= SESSION_VIEW_ROWS_MAX);
    do {
        count = engine_view_waiters(sessions->options.engine, semaphore,
                                    offset + done, views, TAKE(rows_max, done),
                                    ret_total);
        for (size_t i = 0; i < count; i++) {
            struct permit_waiter_info *row = &rows[done++];

            fill_waiter(sessions, semaphore, now_ns, &views[i], parts, row);
            parts += row->parts_count;
        }
    } while (count == ROWS && done < rows_max);
    return done;
}
