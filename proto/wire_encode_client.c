/* SPDX-License-Identifier: MIT */
#include "wire.h"

#include <assert.h>

#include "frame.h"
#include "wire_private.h"

/* Packs *member as the member `message_case` of the oneof. */
static size_t pack(const struct wire_client_message *message, int message_case,
                   ProtobufCMessage *member, uint8_t *buffer, size_t capacity)
{
    Permit__V1__ClientMessage outer = PERMIT__V1__CLIENT_MESSAGE__INIT;

    outer.id = message->id;
    outer.answered_below = message->answered_below;
    outer.message_case = (Permit__V1__ClientMessage__MessageCase)message_case;
    /* All members are pointers to messages; packing goes by the case. */
    outer.ping = (Permit__V1__Ping *)member;
    return wire_pack_frame(&outer.base, buffer, capacity);
}

#define CASE(name) PERMIT__V1__CLIENT_MESSAGE__MESSAGE_##name

static void fill_key(const struct wire_session_key *from,
                     Permit__V1__SessionKey *to)
{
    permit__v1__session_key__init(to);
    to->id = from->id;
    to->secret.data = (uint8_t *)from->secret.data; /* Only read. */
    to->secret.len = from->secret.length;
}

static size_t encode_hello(const struct wire_client_message *message,
                           uint8_t *buffer, size_t capacity)
{
    const struct wire_hello *from = &message->hello;
    Permit__V1__Hello to = PERMIT__V1__HELLO__INIT;
    Permit__V1__SessionKey resume;
    Permit__V1__SessionKey end;

    to.name = wire_from_text(from->name);
    to.host = wire_from_text(from->host);
    to.pid = from->pid;
    to.purpose = wire_from_text(from->purpose);
    to.client = wire_from_text(from->client);
    to.token.data = (uint8_t *)from->token.data; /* Only read. */
    to.token.len = from->token.length;
    to.linger_ms = (uint64_t)from->linger_ms;
    fill_key(&from->resume, &resume);
    to.resume = from->has_resume ? &resume : NULL;
    fill_key(&from->end, &end);
    to.end = from->has_end ? &end : NULL;
    return pack(message, CASE(HELLO), &to.base, buffer, capacity);
}

static size_t encode_renew(const struct wire_client_message *message,
                           uint8_t *buffer, size_t capacity)
{
    Permit__V1__Renew to = PERMIT__V1__RENEW__INIT;

    to.acquire_id = message->renew.acquire_id;
    to.hold_ms = (uint64_t)message->renew.hold_ms;
    return pack(message, CASE(RENEW), &to.base, buffer, capacity);
}

static size_t encode_verify(const struct wire_client_message *message,
                            uint8_t *buffer, size_t capacity)
{
    Permit__V1__Verify to = PERMIT__V1__VERIFY__INIT;

    to.grant_id = message->verify.grant_id;
    to.fence = message->verify.fence;
    return pack(message, CASE(VERIFY), &to.base, buffer, capacity);
}

/* The parts of an Acquire or a Why. */
struct acquire_parts {
    Permit__V1__AcquirePart parts[WIRE_PARTS_MAX];
    Permit__V1__AcquirePart *pointers[WIRE_PARTS_MAX];
};

static void fill_acquire_parts(const struct wire_acquire *from,
                               struct acquire_parts *to)
{
    assert(from->parts_count <= WIRE_PARTS_MAX);
    for (uint32_t i = 0; i < from->parts_count; i++) {
        permit__v1__acquire_part__init(&to->parts[i]);
        to->parts[i].semaphore = wire_from_text(from->parts[i].semaphore);
        to->parts[i].permits = from->parts[i].permits;
        to->parts[i].consume = from->parts[i].consume;
        to->parts[i].expect_permits = from->parts[i].expect_permits;
        to->pointers[i] = &to->parts[i];
    }
}

static size_t encode_why(const struct wire_client_message *message,
                         uint8_t *buffer, size_t capacity)
{
    Permit__V1__Why to = PERMIT__V1__WHY__INIT;
    struct acquire_parts parts;

    fill_acquire_parts(&message->acquire, &parts);
    to.n_parts = message->acquire.parts_count;
    to.parts = parts.pointers;
    to.priority = message->acquire.priority;
    return pack(message, CASE(WHY), &to.base, buffer, capacity);
}

static size_t encode_acquire(const struct wire_client_message *message,
                             uint8_t *buffer, size_t capacity)
{
    const struct wire_acquire *from = &message->acquire;
    Permit__V1__Acquire to = PERMIT__V1__ACQUIRE__INIT;
    struct acquire_parts parts;
    Permit__V1__Label labels[WIRE_LABELS_MAX];
    Permit__V1__Label *label_pointers[WIRE_LABELS_MAX];

    assert(from->labels_count <= WIRE_LABELS_MAX);
    fill_acquire_parts(from, &parts);
    to.n_parts = from->parts_count;
    to.parts = parts.pointers;
    to.wait_ms = from->wait_ms;
    to.hold_ms = (uint64_t)from->hold_ms;
    to.priority = from->priority;
    to.settle = from->settle;
    to.join = from->join;
    to.waiting = from->waiting;
    for (uint32_t i = 0; i < from->labels_count; i++) {
        wire_fill_label(&from->labels[i], &labels[i]);
        label_pointers[i] = &labels[i];
    }
    to.n_labels = from->labels_count;
    to.labels = label_pointers;
    return pack(message, CASE(ACQUIRE), &to.base, buffer, capacity);
}

static size_t encode_cancel(const struct wire_client_message *message,
                            uint8_t *buffer, size_t capacity)
{
    Permit__V1__Cancel to = PERMIT__V1__CANCEL__INIT;

    to.acquire_id = message->cancel.acquire_id;
    return pack(message, CASE(CANCEL), &to.base, buffer, capacity);
}

/* The parts of a Release or a Settle. */
struct release_parts {
    Permit__V1__Part parts[WIRE_PARTS_MAX];
    Permit__V1__Part *pointers[WIRE_PARTS_MAX];
};

static void fill_release_parts(const struct wire_release *from,
                               struct release_parts *to)
{
    assert(from->parts_count <= WIRE_PARTS_MAX);
    for (uint32_t i = 0; i < from->parts_count; i++) {
        permit__v1__part__init(&to->parts[i]);
        to->parts[i].semaphore = wire_from_text(from->parts[i].semaphore);
        to->parts[i].permits = from->parts[i].permits;
        to->pointers[i] = &to->parts[i];
    }
}

static size_t encode_release(const struct wire_client_message *message,
                             uint8_t *buffer, size_t capacity)
{
    const struct wire_release *from = &message->release;
    Permit__V1__Release to = PERMIT__V1__RELEASE__INIT;
    struct release_parts parts;

    fill_release_parts(from, &parts);
    to.acquire_id = from->acquire_id;
    to.n_parts = from->parts_count;
    to.parts = parts.pointers;
    to.has_outcome = from->has_outcome;
    to.outcome.data = (uint8_t *)from->outcome.data; /* Only read. */
    to.outcome.len = from->outcome.length;
    return pack(message, CASE(RELEASE), &to.base, buffer, capacity);
}

static size_t encode_settle(const struct wire_client_message *message,
                            uint8_t *buffer, size_t capacity)
{
    Permit__V1__Settle to = PERMIT__V1__SETTLE__INIT;
    struct release_parts parts;

    fill_release_parts(&message->release, &parts);
    to.acquire_id = message->release.acquire_id;
    to.n_actual = message->release.parts_count;
    to.actual = parts.pointers;
    return pack(message, CASE(SETTLE), &to.base, buffer, capacity);
}

static size_t encode_post(const struct wire_client_message *message,
                          uint8_t *buffer, size_t capacity)
{
    Permit__V1__Post to = PERMIT__V1__POST__INIT;

    to.semaphore = wire_from_text(message->post.semaphore);
    to.permits = message->post.permits;
    return pack(message, CASE(POST), &to.base, buffer, capacity);
}

static size_t encode_query(const struct wire_client_message *message,
                           uint8_t *buffer, size_t capacity)
{
    Permit__V1__Query to = PERMIT__V1__QUERY__INIT;

    to.semaphore = wire_from_text(message->query.semaphore);
    return pack(message, CASE(QUERY), &to.base, buffer, capacity);
}

static size_t encode_list(const struct wire_client_message *message,
                          uint8_t *buffer, size_t capacity)
{
    Permit__V1__List to = PERMIT__V1__LIST__INIT;

    to.kind = (Permit__V1__ListKind)message->list.kind;
    to.name = wire_from_text(message->list.name);
    to.offset = message->list.offset;
    to.limit = message->list.limit;
    return pack(message, CASE(LIST), &to.base, buffer, capacity);
}

static size_t encode_define(const struct wire_client_message *message,
                            uint8_t *buffer, size_t capacity)
{
    const struct wire_define *from = &message->define;
    Permit__V1__Define to = PERMIT__V1__DEFINE__INIT;
    Permit__V1__DefineField fields[32];

    to.fields = fields;
    for (int bit = 0; bit < 32; bit++) {
        if ((from->fields & UINT32_C(1) << bit) != 0) {
            fields[to.n_fields++] = (Permit__V1__DefineField)bit;
        }
    }
    to.semaphore = wire_from_text(from->semaphore);
    to.kind = (Permit__V1__Kind)from->kind;
    to.permits = from->permits;
    to.max_queue = from->max_queue;
    to.max_wait_ms = from->max_wait_ms;
    to.hold_ms = (uint64_t)from->hold_ms;
    to.rate = from->rate;
    to.per_ms = from->per_ms;
    to.burst = from->burst;
    to.bypass = from->bypass;
    to.per_session = from->per_session;
    to.slots = from->slots;
    to.not_durable = from->not_durable;
    to.shadow = from->shadow;
    to.refuse_hopeless = from->refuse_hopeless;
    return pack(message, CASE(DEFINE), &to.base, buffer, capacity);
}

static size_t encode_delete(const struct wire_client_message *message,
                            uint8_t *buffer, size_t capacity)
{
    Permit__V1__Delete to = PERMIT__V1__DELETE__INIT;

    to.semaphore = wire_from_text(message->delete.semaphore);
    to.force = message->delete.force;
    return pack(message, CASE(DELETE), &to.base, buffer, capacity);
}

/* By enum wire_client_type. Without a function: a message without fields. */
static const struct {
    int message_case;
    size_t (*encode)(const struct wire_client_message *message, uint8_t *buffer,
                     size_t capacity);
} types[WIRE_CLIENT_TYPE_COUNT] = {
#define TYPE(NAME, name) [WIRE_##NAME] = {CASE(NAME), encode_##name}
    TYPE(HELLO, hello),   TYPE(ACQUIRE, acquire),
    TYPE(CANCEL, cancel), TYPE(RELEASE, release),
    TYPE(POST, post),     TYPE(QUERY, query),
    TYPE(LIST, list),     TYPE(DEFINE, define),
    TYPE(DELETE, delete), TYPE(RENEW, renew),
    TYPE(VERIFY, verify), TYPE(SETTLE, settle),
    TYPE(WHY, why),
#undef TYPE
#define TYPE(NAME) [WIRE_##NAME] = {CASE(NAME), NULL}
    TYPE(PING),           TYPE(BYE),
    TYPE(WATCH),          TYPE(PAUSE),
    TYPE(RESUME),         TYPE(REVOKE),
    TYPE(KICK),           TYPE(DRAIN),
#undef TYPE
};

size_t wire_encode_client(const struct wire_client_message *message,
                          uint8_t *buffer, size_t capacity)
{
    Permit__V1__Ping nothing = PERMIT__V1__PING__INIT;

    assert(message->type >= WIRE_HELLO && message->type <= WIRE_UNKNOWN);
    if (message->type == WIRE_UNKNOWN) {
        return pack(message, CASE(_NOT_SET), NULL, buffer, capacity);
    }
    if (types[message->type].encode == NULL) {
        return pack(message, types[message->type].message_case, &nothing.base,
                    buffer, capacity);
    }
    return types[message->type].encode(message, buffer, capacity);
}

size_t wire_rewrite_wait(const uint8_t *frame, size_t frame_bytes,
                         int64_t wait_ms, struct wire_arena *arena,
                         uint8_t *buffer, size_t capacity)
{
    const ProtobufCMessage *base = wire_unpack(
        &permit__v1__client_message__descriptor, frame + FRAME_HEADER_BYTES,
        frame_bytes - FRAME_HEADER_BYTES, arena, arena->capacity);
    Permit__V1__ClientMessage outer;
    Permit__V1__Acquire acquire;

    assert(base != NULL);
    outer = *(const Permit__V1__ClientMessage *)base;
    assert(outer.message_case == CASE(ACQUIRE));
    acquire = *outer.acquire;
    acquire.wait_ms = wait_ms;
    outer.acquire = &acquire;
    return wire_pack_frame(&outer.base, buffer, capacity);
}
