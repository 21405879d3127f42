/* SPDX-License-Identifier: MIT */
#include "wire.h"

#include <string.h>

#include "wire_private.h"

/* Every decoder returns PERMIT_OK; PERMIT_E_UNSUPPORTED if the message says
 * what this version cannot use; or PERMIT_E_PROTOCOL if the arena is full. */

static int64_t less_1(uint64_t age_ms_plus_1)
{
    return age_ms_plus_1 == 0 ? -1 : wire_duration_ms(age_ms_plus_1 - 1);
}

static const char *first_semaphore(Permit__V1__Part *const *parts, size_t count)
{
    return count == 0 ? "" : wire_text(parts[0]->semaphore);
}

/* They are in the arena already; none if the first part has none. */
static const uint32_t *first_slots(Permit__V1__Part *const *parts, size_t count,
                                   uint32_t *ret_count)
{
    *ret_count = count == 0 ? 0 : (uint32_t)parts[0]->n_slots;
    return count == 0 ? NULL : parts[0]->slots;
}

/* Returns false if the arena is full. */
static bool read_live(Permit__V1__LiveGrant *const *from, size_t count,
                      struct wire_arena *arena, struct wire_live_grants *to)
{
    struct wire_live_grant *rows =
        wire_arena_take(arena, count * sizeof(*rows));

    if (rows == NULL) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        const Permit__V1__LiveGrant *row = from[i];

        rows[i].acquire_id = row->acquire_id;
        rows[i].grant_id = row->grant_id;
        rows[i].fence = row->fence;
        rows[i].semaphore = first_semaphore(row->parts, row->n_parts);
        rows[i].permits =
            row->n_parts == 0 ? 0 : wire_saturate_u32(row->parts[0]->permits);
        rows[i].slots =
            first_slots(row->parts, row->n_parts, &rows[i].slots_count);
    }
    to->rows = rows;
    to->count = (uint32_t)count;
    return true;
}

static enum permit_status decode_grants(const Permit__V1__ServerMessage *outer,
                                        struct wire_arena *arena,
                                        struct wire_server_message *ret_message)
{
    const Permit__V1__Grants *from = outer->grants;

    ret_message->grants.more = from->more != 0;
    return read_live(from->grants, from->n_grants, arena, &ret_message->grants)
               ? PERMIT_OK
               : PERMIT_E_PROTOCOL;
}

static enum permit_status
decode_welcome(const Permit__V1__ServerMessage *outer, struct wire_arena *arena,
               struct wire_server_message *ret_message)
{
    const Permit__V1__Welcome *from = outer->welcome;
    struct wire_welcome *to = &ret_message->welcome;

    if (!read_live(from->grants, from->n_grants, arena, &to->grants)) {
        return PERMIT_E_PROTOCOL;
    }
    to->grants.more = from->more != 0;
    if (from->secret.len != sizeof(to->secret)) {
        return PERMIT_E_UNSUPPORTED;
    }
    to->session_id = from->session_id;
    memcpy(to->secret, from->secret.data, sizeof(to->secret));
    to->boot_id = wire_text(from->boot_id);
    to->heartbeat_ms = wire_duration_ms(from->heartbeat_ms);
    to->session_timeout_ms = wire_duration_ms(from->session_timeout_ms);
    to->linger_ms = wire_duration_ms(from->linger_ms);
    to->grants_survive_restart = from->grants_survive_restart != 0;
    to->resumed = from->resumed != 0;
    to->server = wire_text(from->server);
    return PERMIT_OK;
}

static enum permit_status
decode_granted(const Permit__V1__ServerMessage *outer, struct wire_arena *arena,
               struct wire_server_message *ret_message)
{
    const Permit__V1__Granted *from = outer->granted;

    (void)arena;
    ret_message->granted.grant_id = from->grant_id;
    ret_message->granted.fence = from->fence;
    ret_message->granted.waited_ms = wire_duration_ms(from->waited_ms);
    ret_message->granted.hold_ms = wire_duration_ms(from->hold_ms);
    ret_message->granted.lost = from->lost;
    ret_message->granted.slots = first_slots(from->slots, from->n_slots,
                                             &ret_message->granted.slots_count);
    ret_message->granted.semaphore =
        first_semaphore(from->slots, from->n_slots);
    return PERMIT_OK;
}

static enum permit_status
decode_refused(const Permit__V1__ServerMessage *outer, struct wire_arena *arena,
               struct wire_server_message *ret_message)
{
    const Permit__V1__Refused *from = outer->refused;
    int reason = (int)from->reason;

    (void)arena;
    if (reason < -PERMIT_E_WOULD_BLOCK || reason > -PERMIT_E_UNAVAILABLE) {
        return PERMIT_E_UNSUPPORTED;
    }
    ret_message->refused.reason = (enum permit_status) - reason;
    ret_message->refused.detail = wire_text(from->detail);
    ret_message->refused.position = from->position;
    ret_message->refused.permits_in_the_way = from->permits_in_the_way;
    ret_message->refused.retry_after_ms =
        wire_duration_ms(from->retry_after_ms);
    return PERMIT_OK;
}

static enum permit_status
decode_cancelled(const Permit__V1__ServerMessage *outer,
                 struct wire_arena *arena,
                 struct wire_server_message *ret_message)
{
    int outcome = (int)outer->cancelled->outcome;

    (void)arena;
    if (outcome < WIRE_CANCEL_CANCELLED || outcome > WIRE_CANCEL_NOT_FOUND) {
        return PERMIT_E_UNSUPPORTED;
    }
    ret_message->cancelled = (enum wire_cancel_outcome)outcome;
    return PERMIT_OK;
}

static enum permit_status decode_posted(const Permit__V1__ServerMessage *outer,
                                        struct wire_arena *arena,
                                        struct wire_server_message *ret_message)
{
    (void)arena;
    ret_message->posted.available = outer->posted->available;
    return PERMIT_OK;
}

static enum permit_status
decode_renewed(const Permit__V1__ServerMessage *outer, struct wire_arena *arena,
               struct wire_server_message *ret_message)
{
    (void)arena;
    ret_message->renewed.hold_ms = wire_duration_ms(outer->renewed->hold_ms);
    return PERMIT_OK;
}

static enum permit_status read_semaphore(const Permit__V1__Semaphore *from,
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
    to->oldest_wait_ms = less_1(from->oldest_wait_ms_plus_1);
    to->oldest_hold_ms = less_1(from->oldest_hold_ms_plus_1);
    to->grants_total = from->grants_total;
    to->timeouts_total = from->timeouts_total;
    to->queue_full_total = from->queue_full_total;
    for (size_t i = 0; i < from->n_lost_total && i < PERMIT_LOSS_COUNT; i++) {
        to->lost_total[i] = from->lost_total[i];
    }
    to->durable = from->durable != 0;
    to->slots = from->slots != 0;
    return PERMIT_OK;
}

static enum permit_status
decode_semaphore(const Permit__V1__ServerMessage *outer,
                 struct wire_arena *arena,
                 struct wire_server_message *ret_message)
{
    (void)arena;
    return read_semaphore(outer->semaphore, &ret_message->semaphore);
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
        status = read_semaphore(from->semaphores[i], &rows[i]);
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
        rows[i].expires_in_ms = less_1(row->expires_in_ms_plus_1);
        rows[i].slots =
            first_slots(row->parts, row->n_parts, &rows[i].slots_count);
        if (!read_labels(row->labels, row->n_labels, arena, &rows[i].labels,
                         &rows[i].labels_count)) {
            return PERMIT_E_PROTOCOL;
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
        rows[i].expires_in_ms = less_1(row->expires_in_ms_plus_1);
        rows[i].set_aside = (enum permit_set_aside)set_aside;
        if (!read_labels(row->labels, row->n_labels, arena, &rows[i].labels,
                         &rows[i].labels_count)) {
            return PERMIT_E_PROTOCOL;
        }
    }
    to->kind = WIRE_LIST_WAITERS;
    to->count = (uint32_t)from->n_waiters;
    to->waiters = rows;
    return PERMIT_OK;
}

/* A page has rows of one kind; of a broken server's page the first is read. */
static enum permit_status decode_page(const Permit__V1__ServerMessage *outer,
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

static enum permit_status
decode_waiting(const Permit__V1__ServerMessage *outer, struct wire_arena *arena,
               struct wire_server_message *ret_message)
{
    static const Permit__V1__HolderName nobody = PERMIT__V1__HOLDER_NAME__INIT;
    const Permit__V1__Waiting *from = outer->waiting;
    const Permit__V1__HolderName *oldest =
        from->oldest != NULL ? from->oldest : &nobody;
    struct wire_waiting *to = &ret_message->waiting;

    (void)arena;
    to->position = from->position;
    to->queue_length = from->queue_length;
    to->held = from->held;
    to->permits = from->permits;
    to->has_oldest = from->oldest != NULL;
    to->oldest.name = wire_text(oldest->name);
    to->oldest.host = wire_text(oldest->host);
    to->oldest.pid = oldest->pid;
    to->oldest.purpose = wire_text(oldest->purpose);
    to->oldest.address = "";
    to->oldest_held_ms = wire_duration_ms(oldest->held_ms);
    return PERMIT_OK;
}

static enum permit_status decode_lost(const Permit__V1__ServerMessage *outer,
                                      struct wire_arena *arena,
                                      struct wire_server_message *ret_message)
{
    int reason = (int)outer->lost->reason;

    (void)arena;
    /* Lost is lost, for a reason of a newer server's too. */
    if (reason < PERMIT_LOSS_HOLD) {
        return PERMIT_E_PROTOCOL;
    }
    ret_message->lost.grant_id = outer->lost->grant_id;
    ret_message->lost.reason = (enum permit_loss)reason;
    ret_message->lost.grace_ms = wire_duration_ms(outer->lost->grace_ms);
    return PERMIT_OK;
}

static enum permit_status decode_goaway(const Permit__V1__ServerMessage *outer,
                                        struct wire_arena *arena,
                                        struct wire_server_message *ret_message)
{
    int reason = (int)outer->goaway->reason;

    (void)arena;
    if (reason < WIRE_GOAWAY_SHUTDOWN || reason > WIRE_GOAWAY_PROTOCOL) {
        return PERMIT_E_UNSUPPORTED;
    }
    ret_message->goaway.reason = (enum wire_goaway_reason)reason;
    ret_message->goaway.retry_after_ms =
        wire_duration_ms(outer->goaway->retry_after_ms);
    ret_message->goaway.detail = wire_text(outer->goaway->detail);
    return PERMIT_OK;
}

#define CASE(name) PERMIT__V1__SERVER_MESSAGE__MESSAGE_##name

/* By enum wire_server_type. Without a function: a message without fields. */
static const struct {
    int message_case;
    enum permit_status (*decode)(const Permit__V1__ServerMessage *outer,
                                 struct wire_arena *arena,
                                 struct wire_server_message *ret_message);
} types[] = {
    [WIRE_WELCOME] = {CASE(WELCOME), decode_welcome},
    [WIRE_PONG] = {CASE(PONG), NULL},
    [WIRE_GRANTED] = {CASE(GRANTED), decode_granted},
    [WIRE_DONE] = {CASE(DONE), NULL},
    [WIRE_REFUSED] = {CASE(REFUSED), decode_refused},
    [WIRE_CANCELLED] = {CASE(CANCELLED), decode_cancelled},
    [WIRE_POSTED] = {CASE(POSTED), decode_posted},
    [WIRE_RENEWED] = {CASE(RENEWED), decode_renewed},
    [WIRE_GRANTS] = {CASE(GRANTS), decode_grants},
    [WIRE_SEMAPHORE] = {CASE(SEMAPHORE), decode_semaphore},
    [WIRE_PAGE] = {CASE(PAGE), decode_page},
    [WIRE_WAITING] = {CASE(WAITING), decode_waiting},
    [WIRE_LOST] = {CASE(LOST), decode_lost},
    [WIRE_GOAWAY] = {CASE(GOAWAY), decode_goaway},
};

static enum wire_server_type find_type(int message_case)
{
    int type = WIRE_WELCOME;

    while (type < WIRE_SERVER_UNKNOWN &&
           types[type].message_case != message_case) {
        type++;
    }
    return (enum wire_server_type)type;
}

enum permit_status wire_decode_server(const uint8_t *message, size_t length,
                                      struct wire_arena *arena,
                                      struct wire_server_message *ret_message)
{
    const Permit__V1__ServerMessage *outer =
        (const Permit__V1__ServerMessage *)wire_unpack(
            &permit__v1__server_message__descriptor, message, length, arena,
            SIZE_MAX);
    enum permit_status status = PERMIT_OK;
    struct wire_server_message decoded;

    if (outer == NULL) {
        return PERMIT_E_PROTOCOL;
    }
    memset(&decoded, 0, sizeof(decoded));
    decoded.id = outer->id;
    decoded.type = find_type((int)outer->message_case);
    if (decoded.type != WIRE_SERVER_UNKNOWN &&
        types[decoded.type].decode != NULL) {
        status = types[decoded.type].decode(outer, arena, &decoded);
    }
    if (status == PERMIT_E_PROTOCOL) {
        return status;
    }
    if (status == PERMIT_E_UNSUPPORTED) {
        decoded.type = WIRE_SERVER_UNKNOWN;
    }
    *ret_message = decoded;
    return PERMIT_OK;
}
