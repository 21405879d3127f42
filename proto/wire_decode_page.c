/* SPDX-License-Identifier: MIT */
/* What a server's message shows: semaphores, holders, waiters. */
#include "wire_private.h"

int64_t wire_less_1(uint64_t age_ms_plus_1)
{
    return age_ms_plus_1 == 0 ? -1 : wire_duration_ms(age_ms_plus_1 - 1);
}

static const char *first_semaphore(Permit__V1__Part *const *parts, size_t count)
{
    return count == 0 ? "" : wire_text(parts[0]->semaphore);
}

enum permit_status wire_read_parts(Permit__V1__Part *const *from, size_t count,
                                   struct wire_arena *arena,
                                   const struct permit_part_info **ret_parts,
                                   uint32_t *ret_count)
{
    struct permit_part_info *parts =
        wire_arena_take(arena, count * sizeof(*parts));

    if (parts == NULL) {
        return PERMIT_E_PROTOCOL;
    }
    for (size_t i = 0; i < count; i++) {
        parts[i].semaphore = wire_text(from[i]->semaphore);
        parts[i].permits = wire_saturate_u32(from[i]->permits);
        parts[i].slots = from[i]->slots;
        parts[i].slots_count = (uint32_t)from[i]->n_slots;
    }
    *ret_parts = parts;
    *ret_count = (uint32_t)count;
    return PERMIT_OK;
}

enum permit_status wire_read_semaphore(const Permit__V1__Semaphore *from,
                                       struct permit_semaphore_info *to)
{
    if ((int)from->kind < PERMIT_BOUNDED || (int)from->kind > PERMIT_RATE) {
        return PERMIT_E_UNSUPPORTED;
    }
    to->name = wire_text(from->name);
    to->kind = (enum permit_kind)from->kind;
    to->permits = wire_saturate_u32(from->permits);
    to->held = from->held;
    to->available = from->available;
    to->holders = from->holders;
    to->waiters = from->waiters;
    to->waiting_permits = from->waiting_permits;
    to->max_queue = from->max_queue;
    to->max_wait_ms = from->max_wait_ms < -1 ? -1 : from->max_wait_ms;
    to->hold_ms = wire_duration_ms(from->hold_ms);
    to->fence = from->fence;
    to->oldest_wait_ms = wire_less_1(from->oldest_wait_ms_plus_1);
    to->oldest_hold_ms = wire_less_1(from->oldest_hold_ms_plus_1);
    to->grants_total = from->grants_total;
    to->timeouts_total = from->timeouts_total;
    to->queue_full_total = from->queue_full_total;
    for (size_t i = 0; i < from->n_lost_total && i < PERMIT_LOSS_COUNT; i++) {
        to->lost_total[i] = from->lost_total[i];
    }
    to->durable = from->durable != 0;
    to->slots = from->slots != 0;
    to->per_ms = from->per_ms;
    to->rate = wire_saturate_u32(from->rate);
    to->burst = wire_saturate_u32(from->burst);
    to->bypass = wire_saturate_u32(from->bypass);
    to->per_session = wire_saturate_u32(from->per_session);
    to->template_name = wire_text(from->template_);
    to->shadow = from->shadow != 0;
    to->refuse_hopeless = from->refuse_hopeless != 0;
    to->would_refuse_total = from->would_refuse_total;
    to->would_wait_total = from->would_wait_total;
    to->hopeless_total = from->hopeless_total;
    to->joined_total = from->joined_total;
    return PERMIT_OK;
}

static void read_client(const Permit__V1__Client *from,
                        struct permit_client_info *to)
{
    static const Permit__V1__Client nobody = PERMIT__V1__CLIENT__INIT;

    from = from != NULL ? from : &nobody;
    to->session_id = from->session_id;
    to->name = wire_text(from->name);
    to->host = wire_text(from->host);
    to->pid = from->pid;
    to->purpose = wire_text(from->purpose);
    to->address = wire_text(from->address);
    to->connected = from->connected != 0;
}

/* A row's labels; of more than there may be, the first. Returns false if the
 * arena is full. */
static bool read_labels(Permit__V1__Label *const *from, size_t from_count,
                        struct wire_arena *arena,
                        const struct permit_label **ret_labels,
                        uint32_t *ret_count)
{
    uint32_t count =
        from_count < WIRE_LABELS_MAX ? (uint32_t)from_count : WIRE_LABELS_MAX;
    struct permit_label *labels;

    if (count == 0) {
        return true; /* The row is zeroed. */
    }
    labels = wire_arena_take(arena, count * sizeof(*labels));
    if (labels == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        labels[i].key = wire_text(from[i]->key);
        labels[i].value = wire_text(from[i]->value);
    }
    *ret_labels = labels;
    *ret_count = count;
    return true;
}

static enum permit_status read_semaphores(const Permit__V1__Page *from,
                                          struct wire_arena *arena,
                                          struct wire_page *to)
{
    enum permit_status status = PERMIT_OK;
    struct permit_semaphore_info *rows =
        wire_arena_take(arena, from->n_semaphores * sizeof(*rows));

    if (rows == NULL) {
        return PERMIT_E_PROTOCOL;
    }
    for (size_t i = 0; i < from->n_semaphores && status == PERMIT_OK; i++) {
        status = wire_read_semaphore(from->semaphores[i], &rows[i]);
    }
    to->kind = WIRE_LIST_SEMAPHORES;
    to->count = (uint32_t)from->n_semaphores;
    to->semaphores = rows;
    return status;
}

static enum permit_status read_holders(const Permit__V1__Page *from,
                                       struct wire_arena *arena,
                                       struct wire_page *to)
{
    struct permit_holder_info *rows =
        wire_arena_take(arena, from->n_holders * sizeof(*rows));

    if (rows == NULL) {
        return PERMIT_E_PROTOCOL;
    }
    for (size_t i = 0; i < from->n_holders; i++) {
        const Permit__V1__Holder *row = from->holders[i];

        rows[i].grant_id = row->grant_id;
        rows[i].fence = row->fence;
        rows[i].semaphore = first_semaphore(row->parts, row->n_parts);
        rows[i].permits = wire_saturate_u32(row->permits);
        read_client(row->client, &rows[i].client);
        rows[i].held_ms = wire_duration_ms(row->held_ms);
        rows[i].waited_ms = wire_duration_ms(row->waited_ms);
        rows[i].expires_in_ms = wire_less_1(row->expires_in_ms_plus_1);
        if (!read_labels(row->labels, row->n_labels, arena, &rows[i].labels,
                         &rows[i].labels_count) ||
            wire_read_parts(row->parts, row->n_parts, arena, &rows[i].parts,
                            &rows[i].parts_count) != PERMIT_OK) {
            return PERMIT_E_PROTOCOL;
        }
        if (row->n_parts > 0) {
            rows[i].slots = rows[i].parts[0].slots;
            rows[i].slots_count = rows[i].parts[0].slots_count;
        }
    }
    to->kind = WIRE_LIST_HOLDERS;
    to->count = (uint32_t)from->n_holders;
    to->holders = rows;
    return PERMIT_OK;
}

static enum permit_status read_waiters(const Permit__V1__Page *from,
                                       struct wire_arena *arena,
                                       struct wire_page *to)
{
    struct permit_waiter_info *rows =
        wire_arena_take(arena, from->n_waiters * sizeof(*rows));

    if (rows == NULL) {
        return PERMIT_E_PROTOCOL;
    }
    for (size_t i = 0; i < from->n_waiters; i++) {
        const Permit__V1__Waiter *row = from->waiters[i];
        int set_aside = (int)row->set_aside;

        if (set_aside < PERMIT_SET_ASIDE_NO ||
            set_aside > PERMIT_SET_ASIDE_DISCONNECTED) {
            return PERMIT_E_UNSUPPORTED;
        }
        rows[i].acquire_id = row->acquire_id;
        rows[i].position = row->position;
        rows[i].semaphore = first_semaphore(row->parts, row->n_parts);
        rows[i].permits = wire_saturate_u32(row->permits);
        read_client(row->client, &rows[i].client);
        rows[i].waited_ms = wire_duration_ms(row->waited_ms);
        rows[i].expires_in_ms = wire_less_1(row->expires_in_ms_plus_1);
        rows[i].set_aside = (enum permit_set_aside)set_aside;
        rows[i].priority = row->priority;
        if (!read_labels(row->labels, row->n_labels, arena, &rows[i].labels,
                         &rows[i].labels_count) ||
            wire_read_parts(row->parts, row->n_parts, arena, &rows[i].parts,
                            &rows[i].parts_count) != PERMIT_OK) {
            return PERMIT_E_PROTOCOL;
        }
    }
    to->kind = WIRE_LIST_WAITERS;
    to->count = (uint32_t)from->n_waiters;
    to->waiters = rows;
    return PERMIT_OK;
}

/* A page has rows of one kind; of a broken server's page the first is read. */
enum permit_status wire_decode_page(const Permit__V1__ServerMessage *outer,
                                    struct wire_arena *arena,
                                    struct wire_server_message *ret_message)
{
    const Permit__V1__Page *from = outer->page;
    struct wire_page *to = &ret_message->page;

    to->total = from->total;
    to->offset = from->offset;
    to->kind = WIRE_LIST_SEMAPHORES;
    if (from->n_semaphores > 0) {
        return read_semaphores(from, arena, to);
    }
    if (from->n_holders > 0) {
        return read_holders(from, arena, to);
    }
    if (from->n_waiters > 0) {
        return read_waiters(from, arena, to);
    }
    return from->n_sessions > 0 ? PERMIT_E_UNSUPPORTED : PERMIT_OK;
}
