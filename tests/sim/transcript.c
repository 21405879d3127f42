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
                                          [ENGINE_SETTLE] = "settle",
                                          [ENGINE_WHY] = "why",
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
    [ENGINE_RECORD_RENEWED] = "RENEWED",
    [ENGINE_RECORD_SETTLED] = "SETTLED"};

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

/* " jobs 2, api 1 consume", as much of it as there is room for. */
static void describe_parts(const struct engine_part *parts, uint32_t count,
                           char *text, size_t size)
{
    size_t used = 0;

    text[0] = '\0';
    for (uint32_t i = 0; i < count && used + 180 < size; i++) {
        used += (size_t)snprintf(text + used, size - used, "%s%s %u%s",
                                 i == 0 ? " " : ", ", parts[i].semaphore,
                                 parts[i].permits,
                                 parts[i].consume ? " consume" : "");
        if (parts[i].expect_permits != 0) {
            used += (size_t)snprintf(text + used, size - used, " expect %u",
                                     parts[i].expect_permits);
        }
    }
}

static void describe_acquire(const struct engine_event *event, char *text,
                             size_t size)
{
    int used = snprintf(
        text, size, "wait=%" PRId64 " hold=%" PRId64 " priority=%u%s%s",
        event->acquire.wait_ms, event->acquire.hold_ms, event->acquire.priority,
        event->acquire.settle ? " settle" : "",
        event->acquire.join ? " join" : "");

    describe_parts(event->acquire.parts, event->acquire.parts_count,
                   text + used, size - (size_t)used);
}

static void describe_definition(const struct engine_definition *definition,
                                char *text, size_t size)
{
    static const char *const kinds[] = {"none", "bounded", "counting", "rate"};

    snprintf(
        text, size,
        " fields=%#x %s permits=%u %u/%" PRIu64 "ms burst=%u bypass=%u "
        "per_session=%u max_queue=%u max_wait=%" PRId64 " hold=%" PRId64
        "%s%s%s",
        definition->fields,
        definition->kind <= ENGINE_RATE ? kinds[definition->kind] : "other",
        definition->permits, definition->rate, definition->per_ms,
        definition->burst, definition->bypass, definition->per_session,
        definition->max_queue, definition->max_wait_ms, definition->hold_ms,
        definition->slots ? " slots" : "", definition->shadow ? " shadow" : "",
        definition->refuse_hopeless ? " refuse_hopeless" : "");
}

/* The words of an event that its type has and others do not. */
static void describe(const struct engine_event *event, char *text, size_t size)
{
    int used;

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
    case ENGINE_WHY:
        describe_acquire(event, text, size);
        break;
    case ENGINE_CANCEL:
        snprintf(text, size, "r%" PRIu64, event->cancel.acquire_id);
        break;
    case ENGINE_RELEASE:
        used = snprintf(text, size, "r%" PRIu64 "%s", event->release.acquire_id,
                        event->release.outcome == NULL ? "" : " outcome");
        describe_parts(event->release.parts, event->release.parts_count,
                       text + used, size - (size_t)used);
        break;
    case ENGINE_SETTLE:
        used = snprintf(text, size, "r%" PRIu64, event->settle.acquire_id);
        describe_parts(event->settle.actual, event->settle.actual_count,
                       text + used, size - (size_t)used);
        break;
    case ENGINE_POST:
        snprintf(text, size, "%s %u", event->post.semaphore,
                 event->post.permits);
        break;
    case ENGINE_DEFINE:
        used = snprintf(text, size, "%s", event->define.semaphore);
        describe_definition(&event->define.definition, text + used,
                            size - (size_t)used);
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
    char words[TRANSCRIPT_LINE_MAX - 120];

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

static void describe_granted(const struct engine_answer *answer, char *text,
                             size_t size)
{
    int used = snprintf(text, size,
                        " grant=%" PRIu64 " waited=%" PRId64 " hold=%" PRId64,
                        answer->grant_id, answer->waited_ms, answer->hold_ms);

    for (uint32_t i = 0; i < answer->granted_count && used + 180 < (int)size;
         i++) {
        const struct engine_record *part = &answer->granted[i];

        used += snprintf(text + used, size - (size_t)used, "%s%s %u%s",
                         i == 0 ? " " : ", ", part->semaphore, part->permits,
                         part->consume ? " for good" : "");
        describe_slots(&part->slots, text + used, size - (size_t)used);
        used += (int)strlen(text + used);
    }
}

static bool has_obstacle(enum permit_status status)
{
    return status == PERMIT_E_WOULD_BLOCK || status == PERMIT_E_RATE_LIMITED ||
           status == PERMIT_E_QUEUE_FULL || status == PERMIT_E_TIMEOUT;
}

static void describe_obstacle(const struct engine_obstacle *obstacle,
                              char *text, size_t size)
{
    if (obstacle->semaphore == NULL) {
        snprintf(text, size, " nothing in the way");
        return;
    }
    snprintf(text, size,
             " %s position=%" PRIu64 " in_the_way=%" PRIu64 " retry=%" PRIu64
             " oldest=s%" PRIu64,
             obstacle->semaphore, obstacle->position,
             obstacle->permits_in_the_way, obstacle->retry_after_ms,
             obstacle->oldest_session_id);
}

static void describe_answer(const struct engine_answer *answer, char *text,
                            size_t size)
{
    bool succeeded = answer->status == PERMIT_OK;
    int used = snprintf(text, size, "%s: %s%s", event_names[answer->to],
                        status_name(answer->status),
                        cancel_names[answer->cancelled] == NULL
                            ? ""
                            : cancel_names[answer->cancelled]);

    text += used;
    size -= (size_t)used;
    if (has_obstacle(answer->status)) {
        describe_obstacle(&answer->obstacle, text, size);
    } else if (answer->to == ENGINE_ACQUIRE && succeeded) {
        if (answer->grant_id == 0) {
            snprintf(text, size, " joined (%u) %.20s", answer->outcome_bytes,
                     (const char *)answer->outcome);
        } else {
            describe_granted(answer, text, size);
        }
    } else if (answer->to == ENGINE_RENEW && succeeded) {
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
                 " permits=%u %s%s%s%s",
                 record->seq, record_names[record->type], record->session_id,
                 record->request_id, record->grant_id, record->permits,
                 record->semaphore, record->consume ? " consume" : "",
                 record->by_template ? " by template" : "",
                 record->more ? " more" : "");
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

static bool is_same_part(const struct engine_record *one,
                         const struct engine_record *other)
{
    return strcmp(one->semaphore, other->semaphore) == 0 &&
           one->permits == other->permits && one->consume == other->consume &&
           memcmp(&one->slots, &other->slots, sizeof(one->slots)) == 0;
}

static bool is_same_grant(const struct engine_answer *one,
                          const struct engine_answer *other)
{
    if (one->grant_id != other->grant_id ||
        one->waited_ms != other->waited_ms || one->hold_ms != other->hold_ms ||
        one->granted_count != other->granted_count ||
        one->outcome_bytes != other->outcome_bytes ||
        (one->outcome == NULL) != (other->outcome == NULL)) {
        return false;
    }
    for (uint32_t i = 0; i < one->granted_count; i++) {
        if (!is_same_part(&one->granted[i], &other->granted[i])) {
            return false;
        }
    }
    return one->outcome_bytes == 0 ||
           memcmp(one->outcome, other->outcome, one->outcome_bytes) == 0;
}

bool transcript_is_same_obstacle(const struct engine_obstacle *one,
                                 const struct engine_obstacle *other)
{
    if (one->semaphore == NULL || other->semaphore == NULL) {
        return one->semaphore == other->semaphore;
    }
    return strcmp(one->semaphore, other->semaphore) == 0 &&
           one->position == other->position &&
           one->permits_in_the_way == other->permits_in_the_way &&
           one->retry_after_ms == other->retry_after_ms &&
           one->oldest_session_id == other->oldest_session_id &&
           (one->oldest_session_id == 0 ||
            one->oldest_hold_ns == other->oldest_hold_ns);
}

static bool is_same_answer(const struct engine_answer *one,
                           const struct engine_answer *other)
{
    if (one->to != other->to || one->status != other->status) {
        return false;
    }
    if (has_obstacle(one->status)) {
        return transcript_is_same_obstacle(&one->obstacle, &other->obstacle);
    }
    if (one->status != PERMIT_OK) {
        return true;
    }
    return (one->to != ENGINE_ACQUIRE || is_same_grant(one, other)) &&
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
