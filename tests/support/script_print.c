/* SPDX-License-Identifier: MIT */
#include "script.h"

#include <check.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void script_print(struct script *script, const char *format, ...)
{
    char line[512];
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    ck_assert(length >= 0 && (size_t)length < sizeof(line));
    script->transcript = realloc(script->transcript,
                                 script->transcript_bytes + (size_t)length + 1);
    ck_assert_ptr_nonnull(script->transcript);
    memcpy(script->transcript + script->transcript_bytes, line,
           (size_t)length + 1);
    script->transcript_bytes += (size_t)length;
}

static int session_number(const struct script *script, uint64_t session_id)
{
    for (int i = 1; i < SCRIPT_SESSIONS_MAX; i++) {
        if (session_id != 0 && script->session_ids[i] == session_id) {
            return i;
        }
    }
    return 0;
}

static const char *status_text(enum permit_status status)
{
    switch (status) {
    case PERMIT_OK:
        return "OK";
    case PERMIT_JOINED:
        return "JOINED";
#define X(name, value, json, text)                                             \
    case name:                                                                 \
        return &(#name)[sizeof("PERMIT_E_") - 1];
        PERMIT_ERROR_MAP(X)
#undef X
    }
    return "?";
}

/* " slots 0,2-4" */
static void print_slots(struct script *script, const struct engine_slots *slots)
{
    uint32_t list[LIMIT_SLOTS_MAX];
    size_t count = engine_slots_list(slots, list);
    size_t last;

    for (size_t i = 0; i < count; i = last + 1) {
        last = i;
        while (last + 1 < count && list[last + 1] == list[last] + 1) {
            last++;
        }
        script_print(script, "%s%" PRIu32, i == 0 ? " slots " : ",", list[i]);
        if (last > i) {
            script_print(script, "-%" PRIu32, list[last]);
        }
    }
}

/* What is in the way, and where if that is not plain. */
static void print_obstacle(struct script *script,
                           const struct engine_answer *answer)
{
    const struct engine_obstacle *obstacle = &answer->obstacle;

    if (obstacle->semaphore == NULL ||
        (answer->status == PERMIT_E_TIMEOUT && !script->shows_obstacles)) {
        return;
    }
    if (strcmp(obstacle->semaphore, "jobs") != 0) {
        script_print(script, " at %s", obstacle->semaphore);
    }
    script_print(script, " position %" PRIu64 " lacks %" PRIu64,
                 obstacle->position, obstacle->permits_in_the_way);
    if (obstacle->retry_after_ms != 0) {
        script_print(script, " retry %" PRIu64, obstacle->retry_after_ms);
    }
}

static void print_answer(struct script *script,
                         const struct engine_effect *effect)
{
    static const char *const outcomes[] = {"", "CANCELLED", "GRANTED",
                                           "NOT_FOUND"};
    const struct engine_answer *answer = &effect->answer;
    bool is_granted = answer->to == ENGINE_ACQUIRE &&
                      answer->status == PERMIT_OK && answer->outcome == NULL;

    ck_assert((answer->status == PERMIT_OK) == (answer->detail == NULL));
    ck_assert((answer->grant_id != 0) == is_granted);
    script_print(script, " r%" PRIu64 " %s", effect->request_id,
                 is_granted ? "GRANTED" : status_text(answer->status));
    if (answer->waited_ms != 0) {
        script_print(script, " waited %" PRId64, answer->waited_ms);
    }
    if (answer->hold_ms != 0) {
        script_print(script, " hold %" PRId64, answer->hold_ms);
    }
    for (uint32_t i = 0; i < answer->granted_count; i++) {
        print_slots(script, &answer->granted[i].slots);
    }
    print_obstacle(script, answer);
    if (answer->outcome != NULL) {
        script_print(script, " outcome %.*s", (int)answer->outcome_bytes,
                     (const char *)answer->outcome);
    }
    if (answer->to == ENGINE_CANCEL) {
        script_print(script, " %s", outcomes[answer->cancelled]);
    }
    if (answer->to == ENGINE_POST && answer->status == PERMIT_OK) {
        script_print(script, " available %" PRIu64, answer->available);
    }
}

static void print_record(struct script *script,
                         const struct engine_record *record)
{
    static const char *const types[] = {
        "",        "DEFINED",  "DELETED", "SESSION_OPENED", "SESSION_ENDED",
        "GRANTED", "RELEASED", "REVOKED", "EXPIRED",        "POSTED",
        "RENEWED", "SETTLED"};

    script_print(script, " r%" PRIu64 " record %s", record->request_id,
                 types[record->type]);
    if (record->semaphore[0] != '\0') {
        script_print(script, " %s", record->semaphore);
    }
    if (record->acquire_id != 0) {
        script_print(script, " of r%" PRIu64, record->acquire_id);
    }
    if (record->permits != 0) {
        script_print(script, " permits %" PRIu32, record->permits);
    }
    if (record->type == ENGINE_RECORD_GRANTED) {
        print_slots(script, &record->slots);
    }
    if (record->consume) {
        script_print(script, " consume");
    }
    if (record->by_template) {
        script_print(script, " by template");
    }
    if (record->loss != 0) {
        script_print(script, " loss %d", (int)record->loss);
    }
    if (record->more) {
        script_print(script, " more");
    }
}

void script_print_effect(struct script *script,
                         const struct engine_effect *effect)
{
    static const char *const losses[] = {"",        "hold",   "session",
                                         "revoked", "kicked", "deleted"};

    if (effect->type == ENGINE_EFFECT_RECORD && !script->shows_records) {
        return;
    }
    script_print(script, "[%4" PRIu64 "] s%d", script->now_ns / NS_PER_MS,
                 session_number(script, effect->session_id));
    switch (effect->type) {
    case ENGINE_EFFECT_RECORD:
        print_record(script, effect->record);
        break;
    case ENGINE_EFFECT_ANSWER:
        print_answer(script, effect);
        break;
    case ENGINE_EFFECT_LOST:
        script_print(script, " r%" PRIu64 " LOST %s", effect->request_id,
                     losses[effect->lost.reason]);
        if (effect->lost.grace_ms != 0) {
            script_print(script, " grace %" PRId64, effect->lost.grace_ms);
        }
        break;
    case ENGINE_EFFECT_SESSION_SILENT:
        script_print(script, " SILENT");
        break;
    case ENGINE_EFFECT_SESSION_ENDED:
        script_print(script, " ENDED by %s",
                     effect->ended == ENGINE_SESSION_ENDED_BY_CLIENT
                         ? "client"
                         : "silence");
        break;
    }
    script_print(script, "\n");
}
