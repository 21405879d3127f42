/* SPDX-License-Identifier: MIT */
#include "transcript.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const event_names[] = {[ENGINE_TICK] = "tick",
                                          [ENGINE_SESSION_OPEN] = "open",
                                          [ENGINE_SESSION_DISCONNECT] =
                                              "disconnect",
                                          [ENGINE_SESSION_END] = "end",
                                          [ENGINE_ACQUIRE] = "acquire",
                                          [ENGINE_CANCEL] = "cancel",
                                          [ENGINE_RELEASE] = "release",
                                          [ENGINE_RENEW] = "renew",
                                          [ENGINE_VERIFY] = "verify",
                                          [ENGINE_POST] = "post",
                                          [ENGINE_DEFINE] = "define",
                                          [ENGINE_DELETE] = "delete",
                                          [ENGINE_DRAIN] = "drain"};

static const char *const cancel_names[] = {
    [ENGINE_CANCEL_CANCELLED] = " cancelled",
    [ENGINE_CANCEL_GRANTED] = " granted",
    [ENGINE_CANCEL_NOT_FOUND] = " not_found"};

static const char *const record_names[] = {
    [ENGINE_RECORD_DEFINED] = "DEFINED",
    [ENGINE_RECORD_DELETED] = "DELETED",
    [ENGINE_RECORD_SESSION_OPENED] = "SESSION_OPENED",
    [ENGINE_RECORD_SESSION_ENDED] = "SESSION_ENDED",
    [ENGINE_RECORD_GRANTED] = "GRANTED",
    [ENGINE_RECORD_RELEASED] = "RELEASED",
    [ENGINE_RECORD_REVOKED] = "REVOKED",
    [ENGINE_RECORD_EXPIRED] = "EXPIRED",
    [ENGINE_RECORD_POSTED] = "POSTED",
    [ENGINE_RECORD_RENEWED] = "RENEWED"};

static const char *status_name(enum permit_status status)
{
#define X(name, value, json, text)                                             \
    if (status == name) {                                                      \
        return json;                                                           \
    }
    PERMIT_ERROR_MAP(X)
#undef X
    return status == PERMIT_OK ? "ok" : "unknown";
}

/* The words of an event that its type has and others do not. */
static void describe(const struct engine_event *event, char *text, size_t size)
{
    switch (event->type) {
    case ENGINE_SESSION_OPEN:
        snprintf(text, size,
                 "timeout=%" PRId64 " linger=%" PRId64 " resume=s%" PRIu64
                 " end=s%" PRIu64,
                 event->session_open.timeout_ms, event->session_open.linger_ms,
                 event->session_open.resume_id, event->session_open.end_id);
        break;
    case ENGINE_SESSION_DISCONNECT:
        snprintf(text, size, "by %s",
                 event->session_disconnect.by_client ? "client" : "server");
        break;
    case ENGINE_RENEW:
        snprintf(text, size, "r%" PRIu64 " hold=%" PRId64,
                 event->renew.acquire_id, event->renew.hold_ms);
        break;
    case ENGINE_VERIFY:
        snprintf(text, size, "grant=%" PRIu64 " fence=%" PRIu64,
                 event->verify.grant_id, event->verify.fence);
        break;
    case ENGINE_ACQUIRE:
        snprintf(text, size, "%s %u%s expect=%u wait=%" PRId64 " hold=%" PRId64,
                 event->acquire.semaphore, event->acquire.permits,
                 event->acquire.consume ? " consume" : "",
                 event->acquire.expect_permits, event->acquire.wait_ms,
                 event->acquire.hold_ms);
        break;
    case ENGINE_CANCEL:
        snprintf(text, size, "r%" PRIu64, event->cancel.acquire_id);
        break;
    case ENGINE_RELEASE:
        snprintf(text, size, "r%" PRIu64 " %s %u", event->release.acquire_id,
                 event->release.semaphore == NULL ? "(any)"
                                                  : event->release.semaphore,
                 event->release.permits);
        break;
    case ENGINE_POST:
        snprintf(text, size, "%s %u", event->post.semaphore,
                 event->post.permits);
        break;
    case ENGINE_DEFINE:
        snprintf(
            text, size,
            "%s fields=%u kind=%d permits=%u max_queue=%u max_wait=%" PRId64
            " hold=%" PRId64 " slots=%d",
            event->define.semaphore, event->define.definition.fields,
            (int)event->define.definition.kind,
            event->define.definition.permits,
            event->define.definition.max_queue,
            event->define.definition.max_wait_ms,
            event->define.definition.hold_ms,
            (int)event->define.definition.slots);
        break;
    case ENGINE_DELETE:
        snprintf(text, size, "%s%s grace=%" PRId64, event->delete.semaphore,
                 event->delete.force ? " force" : "", event->delete.grace_ms);
        break;
    case ENGINE_TICK:
    case ENGINE_SESSION_END:
    case ENGINE_DRAIN:
    default:
        text[0] = '\0';
    }
}

char *transcript_event(const struct engine_event *event,
                       char line[TRANSCRIPT_LINE_MAX])
{
    char words[TRANSCRIPT_LINE_MAX / 2 + 50];

    describe(event, words, sizeof(words));
    snprintf(line, TRANSCRIPT_LINE_MAX,
             "[%" PRIu64 ".%06" PRIu64 "] s%" PRIu64 " r%" PRIu64 " %s %s",
             event->now_ns / NS_PER_MS, event->now_ns % NS_PER_MS,
             event->session_id, event->request_id, event_names[event->type],
             words);
    return line;
}

/* " slots=0,2-4", as much of it as there is room for. */
static void describe_slots(const struct engine_slots *slots, char *text,
                           size_t size)
{
    uint32_t list[LIMIT_SLOTS_MAX];
    size_t count = engine_slots_list(slots, list);
    size_t used = 0;
    size_t last;

    for (size_t i = 0; i < count && used + 24 < size; i = last + 1) {
        last = i;
        while (last + 1 < count && list[last + 1] == list[last] + 1) {
            last++;
        }
        used += (size_t)snprintf(text + used, size - used, "%s%u",
                                 i == 0 ? " slots=" : ",", list[i]);
        if (last > i) {
            used +=
                (size_t)snprintf(text + used, size - used, "-%u", list[last]);
        }
    }
}

static void describe_answer(const struct engine_answer *answer, char *text,
                            size_t size)
{
    bool granted = answer->to == ENGINE_ACQUIRE && answer->status == PERMIT_OK;
    bool blocked = answer->status == PERMIT_E_WOULD_BLOCK ||
                   answer->status == PERMIT_E_QUEUE_FULL;
    int used = snprintf(text, size, "%s: %s%s", event_names[answer->to],
                        status_name(answer->status),
                        cancel_names[answer->cancelled] == NULL
                            ? ""
                            : cancel_names[answer->cancelled]);

    text += used;
    size -= (size_t)used;
    if (granted) {
        used = snprintf(text, size,
                        " grant=%" PRIu64 " waited=%" PRId64 " hold=%" PRId64,
                        answer->grant_id, answer->waited_ms, answer->hold_ms);
        if (answer->slots != NULL) {
            describe_slots(answer->slots, text + used, size - (size_t)used);
        }
    } else if (blocked) {
        snprintf(text, size, " position=%" PRIu64 " in_the_way=%" PRIu64,
                 answer->position, answer->permits_in_the_way);
    } else if (answer->to == ENGINE_RENEW && answer->status == PERMIT_OK) {
        snprintf(text, size, " hold=%" PRId64, answer->hold_ms);
    } else if (answer->to == ENGINE_POST) {
        snprintf(text, size, " available=%" PRIu64, answer->available);
    }
}

char *transcript_effect(const struct engine_effect *effect,
                        char line[TRANSCRIPT_LINE_MAX])
{
    char words[TRANSCRIPT_LINE_MAX - 60];
    const struct engine_record *record;

    switch (effect->type) {
    case ENGINE_EFFECT_RECORD:
        record = effect->record;
        snprintf(line, TRANSCRIPT_LINE_MAX,
                 "      %" PRIu64 " %s s%" PRIu64 " r%" PRIu64 " grant=%" PRIu64
                 " permits=%u %s",
                 record->seq, record_names[record->type], record->session_id,
                 record->request_id, record->grant_id, record->permits,
                 record->semaphore);
        return line;
    case ENGINE_EFFECT_ANSWER:
        describe_answer(&effect->answer, words, sizeof(words));
        break;
    case ENGINE_EFFECT_LOST:
        snprintf(words, sizeof(words),
                 "LOST grant=%" PRIu64 " reason=%d grace=%" PRId64,
                 effect->lost.grant_id, (int)effect->lost.reason,
                 effect->lost.grace_ms);
        break;
    case ENGINE_EFFECT_SESSION_SILENT:
        snprintf(words, sizeof(words), "SILENT");
        break;
    case ENGINE_EFFECT_SESSION_ENDED:
    default:
        snprintf(words, sizeof(words), "ENDED how=%d", (int)effect->ended);
    }
    snprintf(line, TRANSCRIPT_LINE_MAX, "  -> s%" PRIu64 " r%" PRIu64 " %s",
             effect->session_id, effect->request_id, words);
    return line;
}

static bool are_same_slots(const struct engine_answer *one,
                           const struct engine_answer *other)
{
    if (one->slots == NULL || other->slots == NULL) {
        return one->slots == other->slots;
    }
    return memcmp(one->slots, other->slots, sizeof(*one->slots)) == 0 &&
           strcmp(one->semaphore, other->semaphore) == 0;
}

static bool is_same_answer(const struct engine_answer *one,
                           const struct engine_answer *other)
{
    if (one->to != other->to || one->status != other->status) {
        return false;
    }
    if (one->status == PERMIT_E_WOULD_BLOCK ||
        one->status == PERMIT_E_QUEUE_FULL) {
        return one->position == other->position &&
               one->permits_in_the_way == other->permits_in_the_way;
    }
    if (one->status != PERMIT_OK) {
        return true;
    }
    return (one->to != ENGINE_ACQUIRE ||
            (one->grant_id == other->grant_id &&
             one->waited_ms == other->waited_ms &&
             one->hold_ms == other->hold_ms && are_same_slots(one, other))) &&
           (one->to != ENGINE_CANCEL || one->cancelled == other->cancelled) &&
           (one->to != ENGINE_RENEW || one->hold_ms == other->hold_ms) &&
           (one->to != ENGINE_POST || one->available == other->available);
}

bool transcript_is_same(const struct engine_effect *one,
                        const struct engine_effect *other)
{
    if (one->type != other->type || one->session_id != other->session_id) {
        return false;
    }
    switch (one->type) {
    case ENGINE_EFFECT_ANSWER:
        return one->request_id == other->request_id &&
               is_same_answer(&one->answer, &other->answer);
    case ENGINE_EFFECT_LOST:
        return one->request_id == other->request_id &&
               one->lost.grant_id == other->lost.grant_id &&
               one->lost.reason == other->lost.reason &&
               one->lost.grace_ms == other->lost.grace_ms;
    case ENGINE_EFFECT_SESSION_SILENT:
        return true;
    case ENGINE_EFFECT_SESSION_ENDED:
        return one->ended == other->ended;
    case ENGINE_EFFECT_RECORD:
    default:
        return false;
    }
}
