/* SPDX-License-Identifier: MIT */
#include "actions.h"

#include <assert.h>
#include <string.h>

static struct engine_effect *effect_add(struct engine *engine,
                                        enum engine_effect_type type,
                                        uint64_t session_id)
{
    struct engine_effect *effect = &engine->effects[engine->effects_count];

    assert(engine->effects_count < EFFECTS_MAX);
    engine->effects_count++;
    memset(effect, 0, sizeof(*effect));
    effect->type = type;
    effect->session_id = session_id;
    return effect;
}

struct engine_record *effect_record(struct engine *engine,
                                    enum engine_record_type type,
                                    uint64_t session_id)
{
    struct engine_record *record = &engine->records[engine->records_count];

    assert(engine->records_count < RECORDS_MAX);
    engine->records_count++;
    memset(record, 0, sizeof(*record));
    record->type = type;
    record->seq = ++engine->seq;
    record->session_id = session_id;
    effect_add(engine, ENGINE_EFFECT_RECORD, session_id)->record = record;
    return record;
}

struct engine_record *effect_event_record(struct engine *engine,
                                          enum engine_record_type type)
{
    const struct engine_event *event = &engine->event;
    struct engine_record *record =
        effect_record(engine, type, event->session_id);

    assert(!engine->is_event_pending);
    record->request_id = event->request_id;
    record->body_hash = event->body_hash;
    return record;
}

void effect_record_name(struct engine_record *record, const char *name)
{
    size_t length = strlen(name);

    assert(length <= LIMIT_NAME_BYTES_MAX);
    memcpy(record->semaphore, name, length + 1);
}

void effect_answer(struct engine *engine, uint64_t session_id,
                   uint64_t request_id, const struct engine_answer *answer)
{
    char *name = engine->obstacles[engine->effects_count];
    struct engine_effect *effect =
        effect_add(engine, ENGINE_EFFECT_ANSWER, session_id);

    assert(answer->status == PERMIT_OK || answer->detail != NULL);
    effect->request_id = request_id;
    effect->answer = *answer;
    if (answer->obstacle.semaphore != NULL) {
        /* A template's may be forgotten, and its room be another's, before
         * this is told. */
        memcpy(name, answer->obstacle.semaphore,
               strlen(answer->obstacle.semaphore) + 1);
        effect->answer.obstacle.semaphore = name;
    }
}

void effect_event_answer(struct engine *engine, enum permit_status status,
                         const char *detail)
{
    const struct engine_event *event = &engine->event;

    assert(!engine->is_event_pending);
    effect_answer(engine, event->session_id, event->request_id,
                  &(struct engine_answer){
                      .to = event->type, .status = status, .detail = detail});
}

void effect_lost(struct engine *engine, const struct acquire *acquire,
                 enum permit_loss reason, int64_t grace_ms)
{
    struct engine_effect *effect =
        effect_add(engine, ENGINE_EFFECT_LOST, acquire->session->id);

    assert(acquire->grant_id != 0);
    effect->request_id = acquire->request_id;
    effect->lost.grant_id = acquire->grant_id;
    effect->lost.reason = reason;
    effect->lost.grace_ms = grace_ms;
}

void effect_session_silent(struct engine *engine, const struct session *session)
{
    assert(session->linger_ms > 0);
    (void)effect_add(engine, ENGINE_EFFECT_SESSION_SILENT, session->id);
}

void effect_session_ended(struct engine *engine, const struct session *session)
{
    assert(session->ended != 0);
    effect_add(engine, ENGINE_EFFECT_SESSION_ENDED, session->id)->ended =
        (enum engine_session_end)session->ended;
}

void effects_clear(struct engine *engine)
{
    assert(engine->effects_taken == engine->effects_count);
    engine->effects_count = 0;
    engine->effects_taken = 0;
    engine->records_count = 0;
}

bool engine_next_effect(struct engine *engine, struct engine_effect *ret_effect)
{
    if (engine->effects_taken == engine->effects_count) {
        return false;
    }
    *ret_effect = engine->effects[engine->effects_taken++];
    return true;
}
