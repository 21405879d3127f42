/* SPDX-License-Identifier: MIT */
#include "wire.h"

#include <assert.h>

#include "frame.h"
#include "wire_private.h"

/* Packs *member as the member `message_case` of the oneof. */
size_t wire_pack_server(const struct wire_server_message *message,
                        int message_case, ProtobufCMessage *member,
                        uint8_t *buffer, size_t capacity)
{
    Permit__V1__ServerMessage outer = PERMIT__V1__SERVER_MESSAGE__INIT;

    outer.id = message->id;
    outer.message_case = (Permit__V1__ServerMessage__MessageCase)message_case;
    /* All members are pointers to messages; packing goes by the case. */
    outer.pong = (Permit__V1__Pong *)member;
    return wire_pack_frame(&outer.base, buffer, capacity);
}

#define CASE(name) PERMIT__V1__SERVER_MESSAGE__MESSAGE_##name

void wire_fill_part(const struct permit_part_info *from, Permit__V1__Part *to)
{
    permit__v1__part__init(to);
    to->semaphore = wire_from_text(from->semaphore);
    to->permits = from->permits;
    to->n_slots = from->slots_count;
    to->slots = (uint32_t *)from->slots; /* Only read. */
}

/* What the rows of live grants point to. */
struct live_rows {
    Permit__V1__LiveGrant rows[WIRE_GRANTS_PARTS_MAX];
    Permit__V1__LiveGrant *pointers[WIRE_GRANTS_PARTS_MAX];
    Permit__V1__Part parts[WIRE_GRANTS_PARTS_MAX];
    Permit__V1__Part *part_pointers[WIRE_GRANTS_PARTS_MAX];
};

static void fill_live(const struct wire_live_grants *from, struct live_rows *to)
{
    uint32_t used = 0;

    assert(from->count <= WIRE_GRANTS_PARTS_MAX);
    for (uint32_t i = 0; i < from->count; i++) {
        const struct wire_live_grant *row = &from->rows[i];

        assert(row->parts_count <= WIRE_GRANTS_PARTS_MAX - used);
        permit__v1__live_grant__init(&to->rows[i]);
        to->rows[i].acquire_id = row->acquire_id;
        to->rows[i].grant_id = row->grant_id;
        to->rows[i].fence = row->fence;
        to->rows[i].n_parts = row->parts_count;
        to->rows[i].parts = &to->part_pointers[used];
        for (uint32_t j = 0; j < row->parts_count; j++, used++) {
            wire_fill_part(&row->parts[j], &to->parts[used]);
            to->part_pointers[used] = &to->parts[used];
        }
        to->pointers[i] = &to->rows[i];
    }
}

static size_t encode_grants(const struct wire_server_message *message,
                            uint8_t *buffer, size_t capacity)
{
    Permit__V1__Grants to = PERMIT__V1__GRANTS__INIT;
    struct live_rows live;

    fill_live(&message->grants, &live);
    to.n_grants = message->grants.count;
    to.grants = live.pointers;
    to.more = message->grants.more;
    return wire_pack_server(message, CASE(GRANTS), &to.base, buffer, capacity);
}

static size_t encode_welcome(const struct wire_server_message *message,
                             uint8_t *buffer, size_t capacity)
{
    const struct wire_welcome *from = &message->welcome;
    Permit__V1__Welcome to = PERMIT__V1__WELCOME__INIT;
    struct live_rows live;

    fill_live(&from->grants, &live);
    to.n_grants = from->grants.count;
    to.grants = live.pointers;
    to.more = from->grants.more;
    to.session_id = from->session_id;
    to.secret.data = (uint8_t *)from->secret; /* Only read. */
    to.secret.len = sizeof(from->secret);
    to.boot_id = wire_from_text(from->boot_id);
    to.heartbeat_ms = (uint64_t)from->heartbeat_ms;
    to.session_timeout_ms = (uint64_t)from->session_timeout_ms;
    to.linger_ms = (uint64_t)from->linger_ms;
    to.grants_survive_restart = from->grants_survive_restart;
    to.resumed = from->resumed;
    to.server = wire_from_text(from->server);
    return wire_pack_server(message, CASE(WELCOME), &to.base, buffer, capacity);
}

static size_t encode_granted(const struct wire_server_message *message,
                             uint8_t *buffer, size_t capacity)
{
    Permit__V1__Granted to = PERMIT__V1__GRANTED__INIT;
    Permit__V1__Part parts[WIRE_PARTS_MAX];
    Permit__V1__Part *part_pointers[WIRE_PARTS_MAX];

    assert(message->granted.parts_count <= WIRE_PARTS_MAX);
    for (uint32_t i = 0; i < message->granted.parts_count; i++) {
        const struct permit_part_info *part = &message->granted.parts[i];

        if (part->slots_count > 0) {
            wire_fill_part(part, &parts[to.n_slots]);
            part_pointers[to.n_slots] = &parts[to.n_slots];
            to.n_slots++;
        }
    }
    to.slots = part_pointers;
    to.taken = message->granted.taken;
    to.grant_id = message->granted.grant_id;
    to.fence = message->granted.fence;
    to.waited_ms = (uint64_t)message->granted.waited_ms;
    to.hold_ms = (uint64_t)message->granted.hold_ms;
    to.lost = message->granted.lost;
    return wire_pack_server(message, CASE(GRANTED), &to.base, buffer, capacity);
}

static size_t encode_joined(const struct wire_server_message *message,
                            uint8_t *buffer, size_t capacity)
{
    Permit__V1__Joined to = PERMIT__V1__JOINED__INIT;

    to.outcome.data = (uint8_t *)message->joined.outcome.data; /* Only read. */
    to.outcome.len = message->joined.outcome.length;
    return wire_pack_server(message, CASE(JOINED), &to.base, buffer, capacity);
}

static void fill_oldest(const struct permit_client_info *from, int64_t held_ms,
                        Permit__V1__HolderName *to)
{
    to->name = wire_from_text(from->name);
    to->host = wire_from_text(from->host);
    to->pid = from->pid;
    to->purpose = wire_from_text(from->purpose);
    to->held_ms = (uint64_t)held_ms;
}

/* A text that may be left out. */
static ProtobufCBinaryData from_text(const char *text)
{
    return wire_from_text(text == NULL ? "" : text);
}

static size_t encode_refused(const struct wire_server_message *message,
                             uint8_t *buffer, size_t capacity)
{
    const struct wire_refused *from = &message->refused;
    Permit__V1__Refused to = PERMIT__V1__REFUSED__INIT;
    Permit__V1__HolderName oldest = PERMIT__V1__HOLDER_NAME__INIT;

    assert(from->reason <= PERMIT_E_WOULD_BLOCK &&
           from->reason >= PERMIT_E_UNAVAILABLE);
    to.reason = (Permit__V1__Reason)-from->reason;
    to.detail = wire_from_text(from->detail);
    to.semaphore = from_text(from->semaphore);
    to.position = from->position;
    to.permits_in_the_way = from->permits_in_the_way;
    to.retry_after_ms = (uint64_t)from->retry_after_ms;
    if (from->has_oldest) {
        fill_oldest(&from->oldest, from->oldest_held_ms, &oldest);
        to.oldest = &oldest;
    }
    return wire_pack_server(message, CASE(REFUSED), &to.base, buffer, capacity);
}

static size_t encode_cancelled(const struct wire_server_message *message,
                               uint8_t *buffer, size_t capacity)
{
    Permit__V1__Cancelled to = PERMIT__V1__CANCELLED__INIT;

    to.outcome = (Permit__V1__CancelOutcome)message->cancelled;
    return wire_pack_server(message, CASE(CANCELLED), &to.base, buffer,
                            capacity);
}

static size_t encode_posted(const struct wire_server_message *message,
                            uint8_t *buffer, size_t capacity)
{
    Permit__V1__Posted to = PERMIT__V1__POSTED__INIT;

    to.available = message->posted.available;
    return wire_pack_server(message, CASE(POSTED), &to.base, buffer, capacity);
}

static size_t encode_renewed(const struct wire_server_message *message,
                             uint8_t *buffer, size_t capacity)
{
    Permit__V1__Renewed to = PERMIT__V1__RENEWED__INIT;

    to.hold_ms = (uint64_t)message->renewed.hold_ms;
    return wire_pack_server(message, CASE(RENEWED), &to.base, buffer, capacity);
}

static size_t encode_semaphore(const struct wire_server_message *message,
                               uint8_t *buffer, size_t capacity)
{
    Permit__V1__Semaphore to;

    wire_fill_semaphore(&message->semaphore, &to);
    return wire_pack_server(message, CASE(SEMAPHORE), &to.base, buffer,
                            capacity);
}

static size_t encode_waiting(const struct wire_server_message *message,
                             uint8_t *buffer, size_t capacity)
{
    const struct wire_waiting *from = &message->waiting;
    Permit__V1__Waiting to = PERMIT__V1__WAITING__INIT;
    Permit__V1__HolderName oldest = PERMIT__V1__HOLDER_NAME__INIT;

    to.position = from->position;
    to.queue_length = from->queue_length;
    to.held = from->held;
    to.permits = from->permits;
    to.semaphore = from_text(from->semaphore);
    to.permits_in_the_way = from->permits_in_the_way;
    to.retry_after_ms = (uint64_t)from->retry_after_ms;
    if (from->has_oldest) {
        fill_oldest(&from->oldest, from->oldest_held_ms, &oldest);
        to.oldest = &oldest;
    }
    return wire_pack_server(message, CASE(WAITING), &to.base, buffer, capacity);
}

static size_t encode_lost(const struct wire_server_message *message,
                          uint8_t *buffer, size_t capacity)
{
    Permit__V1__Lost to = PERMIT__V1__LOST__INIT;

    to.grant_id = message->lost.grant_id;
    to.reason = (Permit__V1__LossReason)message->lost.reason;
    to.grace_ms = (uint64_t)message->lost.grace_ms;
    return wire_pack_server(message, CASE(LOST), &to.base, buffer, capacity);
}

static size_t encode_goaway(const struct wire_server_message *message,
                            uint8_t *buffer, size_t capacity)
{
    Permit__V1__Goaway to = PERMIT__V1__GOAWAY__INIT;

    to.reason = (Permit__V1__GoawayReason)message->goaway.reason;
    to.retry_after_ms = (uint64_t)message->goaway.retry_after_ms;
    to.detail = wire_from_text(message->goaway.detail);
    return wire_pack_server(message, CASE(GOAWAY), &to.base, buffer, capacity);
}

size_t wire_encode_server(const struct wire_server_message *message,
                          uint8_t *buffer, size_t capacity)
{
    static size_t (*const encoders[])(const struct wire_server_message *message,
                                      uint8_t *buffer, size_t capacity) = {
        [WIRE_WELCOME] = encode_welcome, [WIRE_GRANTED] = encode_granted,
        [WIRE_REFUSED] = encode_refused, [WIRE_CANCELLED] = encode_cancelled,
        [WIRE_POSTED] = encode_posted,   [WIRE_SEMAPHORE] = encode_semaphore,
        [WIRE_PAGE] = wire_encode_page,  [WIRE_WAITING] = encode_waiting,
        [WIRE_LOST] = encode_lost,       [WIRE_GOAWAY] = encode_goaway,
        [WIRE_RENEWED] = encode_renewed, [WIRE_GRANTS] = encode_grants,
        [WIRE_JOINED] = encode_joined,
    };
    Permit__V1__Pong pong = PERMIT__V1__PONG__INIT;
    Permit__V1__Done done = PERMIT__V1__DONE__INIT;

    assert(message->type >= WIRE_WELCOME &&
           message->type < WIRE_SERVER_UNKNOWN);
    if (message->type == WIRE_PONG) {
        return wire_pack_server(message, CASE(PONG), &pong.base, buffer,
                                capacity);
    }
    if (message->type == WIRE_DONE) {
        return wire_pack_server(message, CASE(DONE), &done.base, buffer,
                                capacity);
    }
    return encoders[message->type](message, buffer, capacity);
}
