/* SPDX-License-Identifier: MIT */
#include "wire.h"

#include <string.h>

#include "wire_private.h"

/* The checks and decoders of messages return NULL, or what is wrong. */

static const char *check_permits(uint64_t permits, uint32_t *ret_permits)
{
    if (permits == 0) {
        return "ask for at least 1 permit";
    }
    if (permits > WIRE_PERMITS_MAX) {
        return "permits are at most 2147483647";
    }
    *ret_permits = (uint32_t)permits;
    return NULL;
}

const char *wire_check_semaphore(ProtobufCBinaryData name, bool template_too,
                                 const char **ret_name)
{
    const char *detail = NULL;

    if (wire_check_name((const char *)name.data, name.len, template_too,
                        &detail) != PERMIT_OK) {
        return detail;
    }
    *ret_name = wire_text(name);
    return NULL;
}

static const char *check_text(ProtobufCBinaryData text, const char **ret_text)
{
    if (text.len > WIRE_TEXT_BYTES_MAX) {
        return "name, host, purpose, client and labels have at most 128 bytes";
    }
    if (text.len > 0 && memchr(text.data, '\0', text.len) != NULL) {
        return "name, host, purpose, client and labels contain no NUL";
    }
    *ret_text = wire_text(text);
    return NULL;
}

static const char *check_parts(const struct wire_part *parts, uint32_t count)
{
    bool names_twice = false;

    for (uint32_t i = 1; i < count; i++) {
        for (uint32_t j = 0; j < i; j++) {
            names_twice |= strcmp(parts[i].semaphore, parts[j].semaphore) == 0;
        }
    }
    return names_twice ? "name each semaphore once" : NULL;
}

static void read_key(const Permit__V1__SessionKey *from, bool *ret_has_key,
                     struct wire_session_key *to)
{
    *ret_has_key = from != NULL;
    if (from != NULL) {
        to->id = from->id;
        to->secret.data = from->secret.data;
        to->secret.length = from->secret.len;
    }
}

static const char *decode_hello(const Permit__V1__ClientMessage *outer,
                                struct wire_client_message *ret_message)
{
    const Permit__V1__Hello *from = outer->hello;
    struct wire_hello *to = &ret_message->hello;
    const char *detail = check_text(from->name, &to->name);

    detail = detail != NULL ? detail : check_text(from->host, &to->host);
    detail = detail != NULL ? detail : check_text(from->purpose, &to->purpose);
    detail = detail != NULL ? detail : check_text(from->client, &to->client);
    if (detail == NULL && from->token.len > WIRE_TOKEN_BYTES_MAX) {
        detail = "a token has at most 512 bytes";
    }
    to->pid = from->pid;
    to->token.data = from->token.data;
    to->token.length = from->token.len;
    to->linger_ms = wire_duration_ms(from->linger_ms);
    read_key(from->resume, &to->has_resume, &to->resume);
    read_key(from->end, &to->has_end, &to->end);
    return detail;
}

static const char *decode_acquire_part(const Permit__V1__AcquirePart *from,
                                       struct wire_part *to)
{
    const char *detail =
        wire_check_semaphore(from->semaphore, false, &to->semaphore);

    if (detail == NULL) {
        detail = check_permits(from->permits, &to->permits);
    }
    if (detail == NULL && from->expect_permits > WIRE_PERMITS_MAX) {
        detail = "expect_permits is at most 2147483647";
    }
    to->consume = from->consume != 0;
    to->expect_permits = (uint32_t)from->expect_permits;
    return detail;
}

static const char *decode_label(const Permit__V1__Label *from,
                                struct wire_acquire *to)
{
    struct permit_label *label = &to->labels[to->labels_count];
    const char *detail = check_text(from->key, &label->key);

    detail = detail != NULL ? detail : check_text(from->value, &label->value);
    if (detail == NULL && from->key.len == 0) {
        detail = "a label has a key";
    }
    for (uint32_t i = 0; i < to->labels_count && detail == NULL; i++) {
        if (strcmp(to->labels[i].key, label->key) == 0) {
            detail = "give each label its own key";
        }
    }
    return detail;
}

static const char *decode_acquire_parts(Permit__V1__AcquirePart *const *from,
                                        size_t count, struct wire_acquire *to)
{
    const char *detail = NULL;

    if (count == 0) {
        return "name the semaphore";
    }
    if (count > WIRE_PARTS_MAX) {
        return "an acquire names at most 8 semaphores";
    }
    for (; to->parts_count < count && detail == NULL; to->parts_count++) {
        detail = decode_acquire_part(from[to->parts_count],
                                     &to->parts[to->parts_count]);
    }
    return detail != NULL ? detail : check_parts(to->parts, to->parts_count);
}

static const char *check_priority(uint32_t priority, uint32_t *ret_priority)
{
    *ret_priority = priority;
    return priority > WIRE_PRIORITY_MAX ? "priority is 0 to 7" : NULL;
}

static const char *decode_why(const Permit__V1__ClientMessage *outer,
                              struct wire_client_message *ret_message)
{
    const Permit__V1__Why *from = outer->why;
    const char *detail =
        check_priority(from->priority, &ret_message->acquire.priority);

    return detail != NULL ? detail
                          : decode_acquire_parts(from->parts, from->n_parts,
                                                 &ret_message->acquire);
}

static const char *decode_labels(const Permit__V1__Acquire *from,
                                 struct wire_acquire *to)
{
    const char *detail = NULL;

    if (from->n_labels > WIRE_LABELS_MAX) {
        return "an acquire has at most 8 labels";
    }
    while (to->labels_count < from->n_labels && detail == NULL) {
        detail = decode_label(from->labels[to->labels_count], to);
        to->labels_count++;
    }
    return detail;
}

static const char *decode_acquire(const Permit__V1__ClientMessage *outer,
                                  struct wire_client_message *ret_message)
{
    const Permit__V1__Acquire *from = outer->acquire;
    struct wire_acquire *to = &ret_message->acquire;
    const char *detail = decode_acquire_parts(from->parts, from->n_parts, to);

    if (detail == NULL && from->wait_ms < -1) {
        detail = "wait_ms is -1 (no limit), 0 (try) or more";
    }
    if (detail == NULL) {
        detail = check_priority(from->priority, &to->priority);
    }
    to->wait_ms = from->wait_ms;
    to->hold_ms = wire_duration_ms(from->hold_ms);
    to->settle = from->settle != 0;
    to->join = from->join != 0;
    to->waiting = from->waiting != 0;
    return detail != NULL ? detail : decode_labels(from, to);
}

static const char *decode_cancel(const Permit__V1__ClientMessage *outer,
                                 struct wire_client_message *ret_message)
{
    ret_message->cancel.acquire_id = outer->cancel->acquire_id;
    return NULL;
}

/* The parts of a Release or a Settle. */
static const char *decode_parts(Permit__V1__Part *const *from, size_t count,
                                bool none_too, struct wire_release *to)
{
    const char *detail = NULL;

    if (count > WIRE_PARTS_MAX) {
        return "a grant has at most 8 semaphores";
    }
    for (; to->parts_count < count && detail == NULL; to->parts_count++) {
        const Permit__V1__Part *part = from[to->parts_count];
        struct wire_part *to_part = &to->parts[to->parts_count];

        detail =
            wire_check_semaphore(part->semaphore, false, &to_part->semaphore);
        if (detail == NULL && !(none_too && part->permits == 0)) {
            detail = check_permits(part->permits, &to_part->permits);
        }
    }
    return detail != NULL ? detail : check_parts(to->parts, to->parts_count);
}

static const char *decode_release(const Permit__V1__ClientMessage *outer,
                                  struct wire_client_message *ret_message)
{
    const Permit__V1__Release *from = outer->release;
    struct wire_release *to = &ret_message->release;

    if (from->outcome.len > WIRE_OUTCOME_BYTES_MAX) {
        return "an outcome has at most 4096 bytes";
    }
    to->acquire_id = from->acquire_id;
    to->has_outcome = from->has_outcome != 0 || from->outcome.len > 0;
    to->outcome.data = from->outcome.data;
    to->outcome.length = from->outcome.len;
    if (to->has_outcome && from->n_parts > 0) {
        return "an outcome goes with the release of everything";
    }
    return decode_parts(from->parts, from->n_parts, false, to);
}

static const char *decode_settle(const Permit__V1__ClientMessage *outer,
                                 struct wire_client_message *ret_message)
{
    ret_message->release.acquire_id = outer->settle->acquire_id;
    return decode_parts(outer->settle->actual, outer->settle->n_actual, true,
                        &ret_message->release);
}

static const char *decode_renew(const Permit__V1__ClientMessage *outer,
                                struct wire_client_message *ret_message)
{
    ret_message->renew.acquire_id = outer->renew->acquire_id;
    ret_message->renew.hold_ms = wire_duration_ms(outer->renew->hold_ms);
    return NULL;
}

static const char *decode_verify(const Permit__V1__ClientMessage *outer,
                                 struct wire_client_message *ret_message)
{
    ret_message->verify.grant_id = outer->verify->grant_id;
    ret_message->verify.fence = outer->verify->fence;
    return NULL;
}

static const char *decode_post(const Permit__V1__ClientMessage *outer,
                               struct wire_client_message *ret_message)
{
    const char *detail = wire_check_semaphore(outer->post->semaphore, false,
                                              &ret_message->post.semaphore);

    if (detail != NULL) {
        return detail;
    }
    return check_permits(outer->post->permits, &ret_message->post.permits);
}

static const char *decode_query(const Permit__V1__ClientMessage *outer,
                                struct wire_client_message *ret_message)
{
    return wire_check_semaphore(outer->query->semaphore, true,
                                &ret_message->query.semaphore);
}

/* What names that begin so can be. */
static const char *check_prefix(ProtobufCBinaryData prefix,
                                const char **ret_prefix)
{
    if (prefix.len == 0) {
        *ret_prefix = "";
        return NULL;
    }
    return wire_check_semaphore(prefix, true, ret_prefix);
}

static const char *decode_list(const Permit__V1__ClientMessage *outer,
                               struct wire_client_message *ret_message)
{
    const Permit__V1__List *from = outer->list;

    ret_message->list.offset = from->offset;
    ret_message->list.limit = from->limit;
    switch ((int)from->kind) {
    case WIRE_LIST_SEMAPHORES:
        ret_message->list.kind = WIRE_LIST_SEMAPHORES;
        return check_prefix(from->name, &ret_message->list.name);
    case WIRE_LIST_HOLDERS:
        ret_message->list.kind = WIRE_LIST_HOLDERS;
        return wire_check_semaphore(from->name, false, &ret_message->list.name);
    case WIRE_LIST_WAITERS:
        ret_message->list.kind = WIRE_LIST_WAITERS;
        return wire_check_semaphore(from->name, false, &ret_message->list.name);
    case WIRE_LIST_SESSIONS:
        ret_message->list.kind = WIRE_LIST_SESSIONS;
        return check_text(from->name, &ret_message->list.name);
    default:
        return "list semaphores, holders, waiters or sessions";
    }
}

static const char *decode_delete(const Permit__V1__ClientMessage *outer,
                                 struct wire_client_message *ret_message)
{
    ret_message->delete.force = outer->delete_->force != 0;
    return wire_check_semaphore(outer->delete_->semaphore, true,
                                &ret_message->delete.semaphore);
}

#define CASE(name) PERMIT__V1__CLIENT_MESSAGE__MESSAGE_##name

/* By enum wire_client_type. Without a function: a message of which only the
 * type is told. */
static const struct {
    int message_case;
    const char *(*decode)(const Permit__V1__ClientMessage *outer,
                          struct wire_client_message *ret_message);
} types[WIRE_CLIENT_TYPE_COUNT] = {
#define TYPE(NAME, name) [WIRE_##NAME] = {CASE(NAME), decode_##name}
    TYPE(HELLO, hello),
    TYPE(ACQUIRE, acquire),
    TYPE(CANCEL, cancel),
    TYPE(RELEASE, release),
    TYPE(POST, post),
    TYPE(QUERY, query),
    TYPE(LIST, list),
    TYPE(DELETE, delete),
    TYPE(RENEW, renew),
    TYPE(VERIFY, verify),
    TYPE(SETTLE, settle),
    TYPE(WHY, why),
#undef TYPE
    [WIRE_DEFINE] = {CASE(DEFINE), wire_decode_define},
#define TYPE(NAME) [WIRE_##NAME] = {CASE(NAME), NULL}
    TYPE(PING),
    TYPE(BYE),
    TYPE(WATCH),
    TYPE(PAUSE),
    TYPE(RESUME),
    TYPE(REVOKE),
    TYPE(KICK),
    TYPE(DRAIN),
#undef TYPE
};

static enum wire_client_type find_type(int message_case)
{
    int type = WIRE_HELLO;

    while (type < WIRE_UNKNOWN && types[type].message_case != message_case) {
        type++;
    }
    return (enum wire_client_type)type;
}

enum permit_status wire_decode_client(const uint8_t *message, size_t length,
                                      struct wire_arena *arena,
                                      struct wire_client_message *ret_message)
{
    const Permit__V1__ClientMessage *outer =
        (const Permit__V1__ClientMessage *)wire_unpack(
            &permit__v1__client_message__descriptor, message, length, arena,
            WIRE_ARENA_EXTRA_BYTES + WIRE_ARENA_FACTOR * length);
    const char *detail = NULL;

    if (outer == NULL) {
        return PERMIT_E_PROTOCOL;
    }
    memset(ret_message, 0, sizeof(*ret_message));
    ret_message->id = outer->id;
    ret_message->answered_below = outer->answered_below;
    ret_message->type = find_type((int)outer->message_case);
    if (ret_message->type != WIRE_UNKNOWN &&
        types[ret_message->type].decode != NULL) {
        detail = types[ret_message->type].decode(outer, ret_message);
    }
    ret_message->status = detail == NULL ? PERMIT_OK : PERMIT_E_INVALID;
    ret_message->detail = detail == NULL ? "" : detail;
    return PERMIT_OK;
}
