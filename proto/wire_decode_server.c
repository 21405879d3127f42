/* SPDX-License-Identifier: MIT */
#include "wire.h"

#include <string.h>

#include "wire_private.h"

/* Every decoder returns PERMIT_OK; PERMIT_E_UNSUPPORTED if the message says
 * what this version cannot use; or PERMIT_E_PROTOCOL if the arena is full. */

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
        if (wire_read_parts(row->parts, row->n_parts, arena, &rows[i].parts,
                            &rows[i].parts_count) != PERMIT_OK) {
            return false;
        }
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

    ret_message->granted.grant_id = from->grant_id;
    ret_message->granted.fence = from->fence;
    ret_message->granted.waited_ms = wire_duration_ms(from->waited_ms);
    ret_message->granted.hold_ms = wire_duration_ms(from->hold_ms);
    ret_message->granted.lost = from->lost;
    ret_message->granted.taken = from->taken;
    return wire_read_parts(from->slots, from->n_slots, arena,
                           &ret_message->granted.parts,
                           &ret_message->granted.parts_count);
}

static enum permit_status decode_joined(const Permit__V1__ServerMessage *outer,
                                        struct wire_arena *arena,
                                        struct wire_server_message *ret_message)
{
    ProtobufCBinaryData outcome = outer->joined->outcome;

    (void)arena;
    if (outcome.len > WIRE_OUTCOME_BYTES_MAX) {
        return PERMIT_E_UNSUPPORTED;
    }
    ret_message->joined.outcome.data = outcome.data;
    ret_message->joined.outcome.length = outcome.len;
    return PERMIT_OK;
}

/* Returns whether there is one. */
static bool read_oldest(const Permit__V1__HolderName *from,
                        struct permit_client_info *to, int64_t *ret_held_ms)
{
    static const Permit__V1__HolderName nobody = PERMIT__V1__HOLDER_NAME__INIT;
    bool has_oldest = from != NULL;

    from = has_oldest ? from : &nobody;
    to->name = wire_text(from->name);
    to->host = wire_text(from->host);
    to->pid = from->pid;
    to->purpose = wire_text(from->purpose);
    to->address = "";
    *ret_held_ms = wire_duration_ms(from->held_ms);
    return has_oldest;
}

static enum permit_status
decode_refused(const Permit__V1__ServerMessage *outer, struct wire_arena *arena,
               struct wire_server_message *ret_message)
{
    const Permit__V1__Refused *from = outer->refused;
    struct wire_refused *to = &ret_message->refused;
    int reason = (int)from->reason;

    (void)arena;
    if (reason < -PERMIT_E_WOULD_BLOCK || reason > -PERMIT_E_UNAVAILABLE) {
        return PERMIT_E_UNSUPPORTED;
    }
    to->reason = (enum permit_status) - reason;
    to->detail = wire_text(from->detail);
    to->semaphore = wire_text(from->semaphore);
    to->position = from->position;
    to->permits_in_the_way = from->permits_in_the_way;
    to->retry_after_ms = wire_duration_ms(from->retry_after_ms);
    to->has_oldest =
        read_oldest(from->oldest, &to->oldest, &to->oldest_held_ms);
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

static enum permit_status
decode_semaphore(const Permit__V1__ServerMessage *outer,
                 struct wire_arena *arena,
                 struct wire_server_message *ret_message)
{
    (void)arena;
    return wire_read_semaphore(outer->semaphore, &ret_message->semaphore);
}

static enum permit_status
decode_waiting(const Permit__V1__ServerMessage *outer, struct wire_arena *arena,
               struct wire_server_message *ret_message)
{
    const Permit__V1__Waiting *from = outer->waiting;
    struct wire_waiting *to = &ret_message->waiting;

    (void)arena;
    to->semaphore = wire_text(from->semaphore);
    to->position = from->position;
    to->permits_in_the_way = from->permits_in_the_way;
    to->retry_after_ms = wire_duration_ms(from->retry_after_ms);
    to->has_oldest =
        read_oldest(from->oldest, &to->oldest, &to->oldest_held_ms);
    to->queue_length = from->queue_length;
    to->held = from->held;
    to->permits = from->permits;
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
    [WIRE_PAGE] = {CASE(PAGE), wire_decode_page},
    [WIRE_WAITING] = {CASE(WAITING), decode_waiting},
    [WIRE_LOST] = {CASE(LOST), decode_lost},
    [WIRE_GOAWAY] = {CASE(GOAWAY), decode_goaway},
    [WIRE_JOINED] = {CASE(JOINED), decode_joined},
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
