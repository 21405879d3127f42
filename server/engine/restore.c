/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <string.h>

#include "changes.h"

/* Everything here distrusts the record: it may be another store's, or broken. A
 * record that does not fit changes nothing. */

static bool name_is_valid(const struct engine_record *record)
{
    size_t length = strnlen(record->semaphore, sizeof(record->semaphore));

    return length >= 1 && length <= LIMIT_NAME_BYTES_MAX;
}

static bool permits_are_valid(const struct engine_record *record)
{
    return record->permits >= 1 && record->permits <= LIMIT_PERMITS_MAX;
}

/* What is held of it already, if it has shares from now on. */
static void count_shares(struct engine *engine, struct semaphore *semaphore)
{
    if (semaphore->per_session == 0 || semaphore->counts_shares) {
        return;
    }
    semaphore->counts_shares = true;
    for (const struct part *part = part_at(engine, semaphore->holders.first);
         part != NULL; part = part_at(engine, part->in_holders.next)) {
        semaphore_share(engine, semaphore,
                        acquire_at(engine, part->acquire)->session,
                        part->permits);
    }
}

static bool restore_defined(struct engine *engine,
                            const struct engine_record *record)
{
    size_t template_bytes = 0;
    struct semaphore *semaphore;
    const char *detail;

    if (!name_is_valid(record) ||
        record->definition.fields != ENGINE_FIELD_ALL) {
        return false;
    }
    semaphore = semaphore_find(engine, record->semaphore);
    if (definition_check(engine, semaphore, &record->definition, &detail) !=
        PERMIT_OK) {
        return false;
    }
    if (record->by_template) {
        const struct semaphore *template =
            template_find(engine, record->semaphore);
        template_bytes = template == NULL ? 0 : strlen(template->name) - 1;
        if (semaphore != NULL || template_bytes == 0) {
            return false;
        }
    }
    if (semaphore == NULL) {
        semaphore =
            semaphore_add(engine, record->semaphore, &record->definition);
    } else {
        semaphore_change(engine, semaphore, &record->definition);
        semaphore_unset_maker(engine, semaphore);
        count_shares(engine, semaphore);
    }
    if (record->by_template) {
        semaphore_set_maker(engine, semaphore, (uint32_t)template_bytes,
                            record->session_id);
    }
    return true;
}

static bool restore_deleted(struct engine *engine,
                            const struct engine_record *record)
{
    struct semaphore *semaphore =
        name_is_valid(record) ? semaphore_find(engine, record->semaphore)
                              : NULL;

    if (semaphore == NULL) {
        return false;
    }
    semaphore_delete(engine, semaphore);
    semaphore_remove_if_idle(engine, semaphore);
    return true;
}

static bool restore_session_opened(struct engine *engine,
                                   const struct engine_record *record)
{
    struct session *session;

    if (record->session_id == 0 || record->timeout_ms <= 0 ||
        record->linger_ms < 0 ||
        engine_session_find(engine, record->session_id) != NULL) {
        return false;
    }
    session = engine_session_add(engine, record->session_id, record->timeout_ms,
                                 record->linger_ms);
    if (session == NULL) {
        return false;
    }
    engine_session_set_disconnected(engine, session, /* by_client= */ false);
    return true;
}

static bool restore_session_ended(struct engine *engine,
                                  const struct engine_record *record)
{
    struct session *session = engine_session_find(engine, record->session_id);
    uint32_t index;

    if (session == NULL) {
        return false;
    }
    while ((index = engine_session_list(session, ACQUIRE_HELD)->first) != 0) {
        acquire_lose(engine, acquire_at(engine, index), PERMIT_LOSS_SESSION,
                     false);
    }
    while ((index = engine_session_list(session, ACQUIRE_LOST)->first) != 0) {
        acquire_remove(engine, acquire_at(engine, index));
    }
    engine_session_remove(engine, session);
    return true;
}

/* One slot a permit that nobody has, or none if the semaphore has no slots. */
static bool slots_are_valid(const struct engine *engine,
                            const struct semaphore *semaphore,
                            const struct engine_record *record)
{
    const struct slot_map *slot_map = semaphore_slot_map(engine, semaphore);

    return slots_are_free(slot_map, &record->slots,
                          slot_map == NULL ? 0 : record->permits);
}

/* The grant that the record begins, or goes on with; NULL if it cannot. */
static struct acquire *granted_acquire(struct engine *engine,
                                       struct session *session,
                                       const struct engine_record *record)
{
    struct acquire *acquire = acquire_find(engine, session, record->request_id);

    if (engine->held_parts >= engine->limits.max_grants) {
        return NULL;
    }
    if (acquire != NULL && acquire->state == ACQUIRE_HELD) {
        return acquire->grant_id == record->grant_id ? acquire : NULL;
    }
    if (engine_session_list(session, ACQUIRE_HELD)->count >=
        engine->limits.max_grants_per_session) {
        return NULL;
    }
    acquire = acquire_add(engine, session, record->request_id);
    acquire_hold(engine, acquire, record);
    return acquire;
}

static bool can_be_taken(const struct engine *engine,
                         const struct semaphore *semaphore,
                         const struct engine_record *record)
{
    return semaphore->kind == ENGINE_RATE || semaphore->shadow ||
           semaphore_free_permits(engine, semaphore) >= record->permits;
}

static bool restore_granted(struct engine *engine,
                            const struct engine_record *record)
{
    struct session *session = engine_session_find(engine, record->session_id);
    struct semaphore *semaphore =
        name_is_valid(record) ? semaphore_find(engine, record->semaphore)
                              : NULL;
    struct acquire *acquire;

    if (session == NULL || semaphore == NULL || semaphore->is_template ||
        record->grant_id == 0 || !permits_are_valid(record) ||
        record->hold_ms < 0 || !can_be_taken(engine, semaphore, record) ||
        !slots_are_valid(engine, semaphore, record)) {
        return false;
    }
    if (record->consume) {
        if (semaphore->kind != ENGINE_BOUNDED) {
            semaphore_take(engine, semaphore, record);
        }
        return semaphore->kind != ENGINE_BOUNDED;
    }
    acquire = acquire_find(engine, session, record->request_id);
    if (acquire != NULL && acquire->state == ACQUIRE_HELD &&
        part_find(engine, acquire, semaphore) != NULL) {
        return false;
    }
    acquire = granted_acquire(engine, session, record);
    if (acquire != NULL) {
        acquire_hold_part(engine, acquire, semaphore, record);
    }
    return acquire != NULL;
}

/* One part, or some of it, came back. */
static bool restore_released(struct engine *engine, struct acquire *acquire,
                             const struct engine_record *record)
{
    struct part *part = part_at(engine, acquire->parts);

    if (!name_is_valid(record)) {
        return false;
    }
    /* Its semaphore may have been deleted, and the name be another's. */
    while (part != NULL && strcmp(semaphore_at(engine, part->semaphore)->name,
                                  record->semaphore) != 0) {
        part = part_at(engine, part->next);
    }
    if (part == NULL || record->permits == 0 ||
        record->permits > part->permits) {
        return false;
    }
    acquire_give_back(engine, acquire, part, record->permits);
    if (acquire->parts == 0) {
        acquire_end(engine, acquire);
    }
    return true;
}

/* What happens to a grant that is out. */
static bool restore_of_grant(struct engine *engine,
                             const struct engine_record *record)
{
    struct session *session = engine_session_find(engine, record->session_id);
    struct acquire *acquire =
        session == NULL ? NULL
                        : acquire_find(engine, session, record->acquire_id);
    bool has_loss = record->loss >= 1 && record->loss <= PERMIT_LOSS_COUNT;

    if (acquire == NULL || acquire->state != ACQUIRE_HELD ||
        acquire->grant_id != record->grant_id) {
        return false;
    }
    if (record->type == ENGINE_RECORD_EXPIRED) {
        if (has_loss) {
            acquire_lose(engine, acquire, record->loss, true);
        }
        return has_loss;
    }
    if (record->type == ENGINE_RECORD_REVOKED) {
        if (!has_loss || acquire->loss != 0 || record->timeout_ms < 0) {
            return false;
        }
        acquire_revoke(engine, acquire, record->loss, record->timeout_ms);
        return true;
    }
    if (record->type == ENGINE_RECORD_RENEWED) {
        if (acquire->loss != 0 || record->hold_ms < 0) {
            return false;
        }
        acquire_renew(engine, acquire, record->hold_ms);
        return true;
    }
    if (record->type == ENGINE_RECORD_SETTLED) {
        acquire_settle(engine, acquire);
        if (acquire->parts == 0) {
            acquire_end(engine, acquire);
        }
        return true;
    }
    assert(record->type == ENGINE_RECORD_RELEASED);
    return restore_released(engine, acquire, record);
}

static bool restore_posted(struct engine *engine,
                           const struct engine_record *record)
{
    struct semaphore *semaphore =
        name_is_valid(record) ? semaphore_find(engine, record->semaphore)
                              : NULL;

    if (semaphore == NULL || semaphore->kind != ENGINE_COUNTING ||
        !permits_are_valid(record) ||
        record->permits >
            LIMIT_PERMITS_MAX - semaphore->value - semaphore->held) {
        return false;
    }
    semaphore->value += record->permits;
    return true;
}

static bool restore(struct engine *engine, const struct engine_record *record)
{
    switch (record->type) {
    case ENGINE_RECORD_DEFINED:
        return restore_defined(engine, record);
    case ENGINE_RECORD_DELETED:
        return restore_deleted(engine, record);
    case ENGINE_RECORD_SESSION_OPENED:
        return restore_session_opened(engine, record);
    case ENGINE_RECORD_SESSION_ENDED:
        return restore_session_ended(engine, record);
    case ENGINE_RECORD_GRANTED:
        if (!restore_granted(engine, record)) {
            return false;
        }
        engine->grants_total += record->more ? 0 : 1;
        return true;
    case ENGINE_RECORD_RELEASED:
    case ENGINE_RECORD_REVOKED:
    case ENGINE_RECORD_EXPIRED:
    case ENGINE_RECORD_RENEWED:
    case ENGINE_RECORD_SETTLED:
        return restore_of_grant(engine, record);
    case ENGINE_RECORD_POSTED:
        return restore_posted(engine, record);
    }
    return false;
}

enum permit_status engine_restore(struct engine *engine,
                                  const struct engine_record *record)
{
    assert(!engine->is_started);
    if (record->seq <= engine->seq || !restore(engine, record)) {
        return PERMIT_E_INVALID;
    }
    engine->seq = record->seq;
    return PERMIT_OK;
}
