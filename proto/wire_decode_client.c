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

static const char *check_semaphore(ProtobufCBinaryData name, bool template_too,
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
        check_semaphore(from->semaphore, false, &to->semaphore);

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
    const char *detail;

    if (from->n_parts == 0) {
        return "name the semaphore";
    }
    if (from->n_parts > WIRE_PARTS_MAX) {
        return "an acquire names at most 8 semaphores";
    }
    for (; to->parts_count < from->n_parts; to->parts_count++) {
        detail = decode_acquire_part(from->parts[to->parts_count],
                                     &to->parts[to->parts_count]);
        if (detail != NULL) {
            return detail;
        }
    }
    if (from->wait_ms < -1) {
        return "wait_ms is -1 (no limit), 0 (try) or more";
    }
    if (from->priority > WIRE_PRIORITY_MAX) {
        return "priority is 0 to 7";
    }
    to->wait_ms = from->wait_ms;
    to->hold_ms = wire_duration_ms(from->hold_ms);
    to->priority = from->priority;
    to->settle = from->settle != 0;
    to->join = from->join != 0;
    to->waiting = from->waiting != 0;
    detail = decode_labels(from, to);
    return detail != NULL ? detail : check_parts(to->parts, to->parts_count);
}

static const char *decode_cancel(const Permit__V1__ClientMessage *outer,
                                 struct wire_client_message *ret_message)
{
    ret_message->cancel.acquire_id = outer->cancel->acquire_id;
    return NULL;
}

static const char *decode_release(const Permit__V1__ClientMessage *outer,
                                  struct wire_client_message *ret_message)
{
    const Permit__V1__Release *from = outer->release;
    struct wire_release *to = &ret_message->release;

    if (from->n_parts > WIRE_PARTS_MAX) {
        return "a release names at most 8 semaphores";
    }
    for (; to->parts_count < from->n_parts; to->parts_count++) {
        const Permit__V1__Part *part = from->parts[to->parts_count];
        struct wire_part *to_part = &to->parts[to->parts_count];
        const char *detail =
            check_semaphore(part->semaphore, false, &to_part->semaphore);

        if (detail == NULL) {
            detail = check_permits(part->permits, &to_part->permits);
        }
        if (detail != NULL) {
            return detail;
        }
    }
    if (from->outcome.len > WIRE_OUTCOME_BYTES_MAX) {
        return "an outcome has at most 4096 bytes";
    }
    to->acquire_id = from->acquire_id;
    to->has_outcome = from->outcome.len > 0;
    return check_parts(to->parts, to->parts_count);
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
    const char *detail = check_semaphore(outer->post->semaphore, false,
                                         &ret_message->post.semaphore);

    if (detail != NULL) {
        return detail;
    }
    return check_permits(outer->post->permits, &ret_message->post.permits);
}

static const char *decode_query(const Permit__V1__ClientMessage *outer,
                                struct wire_client_message *ret_message)
{
    return check_semaphore(outer->query->semaphore, false,
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
    return check_semaphore(prefix, false, ret_prefix);
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
        return check_semaphore(from->name, false, &ret_message->list.name);
    case WIRE_LIST_WAITERS:
        ret_message->list.kind = WIRE_LIST_WAITERS;
        return check_semaphore(from->name, false, &ret_message->list.name);
    case WIRE_LIST_SESSIONS:
        ret_message->list.kind = WIRE_LIST_SESSIONS;
        return check_text(from->name, &ret_message->list.name);
    default:
        return "list semaphores, holders, waiters or sessions";
    }
}

static const char *decode_define_fields(const Permit__V1__Define *from,
                                        uint32_t *ret_fields)
{
    uint32_t fields = 0;

    for (size_t i = 0; i < from->n_fields; i++) {
        int field = (int)from->fields[i];

        if (field < PERMIT__V1__DEFINE_FIELD__FIELD_KIND) {
            return "fields names a field that can't be set";
        }
        fields |= field > PERMIT__V1__DEFINE_FIELD__FIELD_REFUSE_HOPELESS
                      ? (uint32_t)WIRE_FIELD_NEWER
                      : UINT32_C(1) << field;
    }
    *ret_fields = fields;
    return NULL;
}

static const char *decode_define_permits(const Permit__V1__Define *from,
                                         struct wire_define *to)
{
    bool is_bounded =
        (to->fields & WIRE_FIELD_KIND) != 0 && to->kind == PERMIT_BOUNDED;

    if (from->permits > WIRE_PERMITS_MAX) {
        return "permits are at most 2147483647";
    }
    if (from->permits == 0 && is_bounded) {
        return "a bounded semaphore has at least 1 permit";
    }
    to->permits = (uint32_t)from->permits;
    return NULL;
}

/* What `fields` does not name stays 0, so that equal definitions have equal
 * hashes. */
static const char *decode_define(const Permit__V1__ClientMessage *outer,
                                 struct wire_client_message *ret_message)
{
    const Permit__V1__Define *from = outer->define;
    struct wire_define *to = &ret_message->define;
    const char *detail = check_semaphore(from->semaphore, true, &to->semaphore);

    if (detail == NULL) {
        detail = decode_define_fields(from, &to->fields);
    }
    if (detail != NULL) {
        return detail;
    }
    to->is_template = to->semaphore[from->semaphore.len - 1] == '*';
    if ((to->fields & WIRE_FIELD_KIND) != 0) {
        if ((int)from->kind < PERMIT_BOUNDED || (int)from->kind > PERMIT_RATE) {
            return "kind is BOUNDED, COUNTING or RATE";
        }
        to->kind = (enum permit_kind)from->kind;
    }
    if ((to->fields & WIRE_FIELD_MAX_QUEUE) != 0) {
        to->max_queue = wire_saturate_u32(from->max_queue);
    }
    if ((to->fields & WIRE_FIELD_MAX_WAIT) != 0) {
        if (from->max_wait_ms < -1) {
            return "max_wait_ms is -1 (no limit), 0 or more";
        }
        to->max_wait_ms = from->max_wait_ms;
    }
    if ((to->fields & WIRE_FIELD_HOLD) != 0) {
        to->hold_ms = wire_duration_ms(from->hold_ms);
    }
    if ((to->fields & WIRE_FIELD_SLOTS) != 0) {
        to->slots = from->slots != 0;
    }
    if ((to->fields & WIRE_FIELD_PERMITS) != 0) {
        return decode_define_permits(from, to);
    }
    return NULL;
}

static const char *decode_delete(const Permit__V1__ClientMessage *outer,
                                 struct wire_client_message *ret_message)
{
    ret_message->delete.force = outer->delete_->force != 0;
    return check_semaphore(outer->delete_->semaphore, false,
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
    TYPE(HELLO, hello),   TYPE(ACQUIRE, acquire),
    TYPE(CANCEL, cancel), TYPE(RELEASE, release),
    TYPE(POST, post),     TYPE(QUERY, query),
    TYPE(LIST, list),     TYPE(DEFINE, define),
    TYPE(DELETE, delete), TYPE(RENEW, renew),
    TYPE(VERIFY, verify),
#undef TYPE
#define TYPE(NAME) [WIRE_##NAME] = {CASE(NAME), NULL}
    TYPE(PING),           TYPE(BYE),
    TYPE(SETTLE),         TYPE(WATCH),
    TYPE(PAUSE),          TYPE(RESUME),
    TYPE(REVOKE),         TYPE(KICK),
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
