/* SPDX-License-Identifier: MIT */
#include "records.h"

#include <stdio.h>

#include "world.h"

/* Which of the fields each type of record uses: there it has a value, and a
 * zero anywhere else. Bits that are not here may be either. */
enum use {
    USE_NAME = 1 << 0,
    USE_GRANT = 1 << 1,
    USE_PERMITS = 1 << 2,
    USE_ACQUIRE = 1 << 3,
    USE_LOSS = 1 << 4,
    USE_DEFINITION = 1 << 5,
    USE_REQUEST = 1 << 6
};

#define LAST_TYPE ENGINE_RECORD_SETTLED

static const struct {
    unsigned must;
    unsigned may;
} uses[] = {
    /* By no request: a template made it. */
    [ENGINE_RECORD_DEFINED] = {USE_NAME | USE_DEFINITION, USE_REQUEST},
    /* By no request: what a template made was idle. */
    [ENGINE_RECORD_DELETED] = {USE_NAME, USE_REQUEST},
    [ENGINE_RECORD_SESSION_OPENED] = {USE_REQUEST, 0},
    [ENGINE_RECORD_SESSION_ENDED] = {0, USE_REQUEST}, /* None by silence. */
    [ENGINE_RECORD_GRANTED] = {USE_NAME | USE_GRANT | USE_PERMITS | USE_REQUEST,
                               0},
    [ENGINE_RECORD_RELEASED] = {USE_NAME | USE_GRANT | USE_PERMITS |
                                    USE_ACQUIRE | USE_REQUEST,
                                0},
    [ENGINE_RECORD_REVOKED] = {USE_GRANT | USE_ACQUIRE | USE_LOSS, USE_REQUEST},
    [ENGINE_RECORD_EXPIRED] = {USE_GRANT | USE_ACQUIRE | USE_LOSS, 0},
    [ENGINE_RECORD_POSTED] = {USE_NAME | USE_PERMITS | USE_REQUEST, 0},
    [ENGINE_RECORD_RENEWED] = {USE_GRANT | USE_ACQUIRE | USE_REQUEST, 0},
    [ENGINE_RECORD_SETTLED] = {USE_GRANT | USE_ACQUIRE | USE_REQUEST, 0}};

/* Does a record have what its type has, and nothing else? */
static bool is_whole(const struct engine_record *record)
{
    bool granted = record->type == ENGINE_RECORD_GRANTED;
    bool opened = record->type == ENGINE_RECORD_SESSION_OPENED;
    bool timed = opened || record->type == ENGINE_RECORD_REVOKED;
    bool held = granted || record->type == ENGINE_RECORD_RENEWED;
    unsigned used =
        (record->semaphore[0] != '\0' ? USE_NAME : 0u) |
        (record->grant_id != 0 ? USE_GRANT : 0u) |
        (record->permits != 0 ? USE_PERMITS : 0u) |
        (record->acquire_id != 0 ? USE_ACQUIRE : 0u) |
        (record->loss != 0 ? USE_LOSS : 0u) |
        /* Where it has slots it has no definition. */
        (!granted && record->definition.fields != 0 ? USE_DEFINITION : 0u) |
        (record->request_id != 0 ? USE_REQUEST : 0u);

    if (record->type < ENGINE_RECORD_DEFINED || record->type > LAST_TYPE) {
        return false;
    }
    used &= ~uses[record->type].may;
    return used == uses[record->type].must &&
           (record->request_id != 0 || record->body_hash == 0) &&
           (!record->more || granted ||
            record->type == ENGINE_RECORD_RELEASED) &&
           record->by_template == (record->type == ENGINE_RECORD_DEFINED &&
                                   record->request_id == 0) &&
           (granted || (!record->consume && record->waited_ms == 0)) &&
           (held || record->hold_ms == 0) &&
           (opened || record->linger_ms == 0) &&
           (timed || record->timeout_ms == 0);
}

void records_begin(struct records *records)
{
    records->count = 0;
}

/* Is it a part of the same grant, or release, as the one before? */
static bool goes_with_latest(const struct records *records,
                             const struct engine_record *record)
{
    size_t i = records->count - 1;

    return (record->type == ENGINE_RECORD_GRANTED ||
            record->type == ENGINE_RECORD_RELEASED) &&
           records->count > 0 && records->rows[i].type == record->type &&
           records->rows[i].session_id == record->session_id &&
           records->rows[i].request_id == record->request_id &&
           records->rows[i].grant_id == record->grant_id;
}

const char *records_note(struct records *records,
                         const struct engine_record *record)
{
    if (record->seq != records->seq + 1) {
        return "records are numbered 1, 2, 3";
    }
    records->seq = record->seq;
    if (!is_whole(record)) {
        return "a record has what its type has, and nothing else";
    }
    if (record->request_id != 0 &&
        record->body_hash != world_body_hash(record->request_id)) {
        return "a record has the hash of the request that made it";
    }
    if (records->is_torn != goes_with_latest(records, record)) {
        return "records that go together come together, and say so";
    }
    records->is_torn = record->more;
    if (records->count == RECORDS_MAX) {
        return "one event makes too many records";
    }
    records->rows[records->count].type = record->type;
    records->rows[records->count].session_id = record->session_id;
    records->rows[records->count].request_id = record->request_id;
    records->rows[records->count].grant_id = record->grant_id;
    records->count++;
    return NULL;
}

bool records_have(const struct records *records, enum engine_record_type type,
                  uint64_t session_id, uint64_t request_id, uint64_t grant_id)
{
    for (size_t i = 0; i < records->count; i++) {
        if (records->rows[i].type == type &&
            records->rows[i].session_id == session_id &&
            (request_id == 0 || records->rows[i].request_id == request_id) &&
            (grant_id == 0 || records->rows[i].grant_id == grant_id)) {
            return true;
        }
    }
    return false;
}

/* Breaks one of the fields that the record's type has. */
static void spoil_field(struct engine_record *record, unsigned field,
                        bool to_most)
{
    if (field == USE_NAME) {
        snprintf(record->semaphore, sizeof(record->semaphore), "%s",
                 to_most ? "of another store" : "");
    } else if (field == USE_GRANT) {
        record->grant_id = to_most ? record->grant_id + 1 : 0;
    } else if (field == USE_PERMITS) {
        record->permits = to_most ? LIMIT_PERMITS_MAX + 1 : 0;
    } else if (field == USE_ACQUIRE) {
        record->acquire_id = to_most ? UINT64_MAX : 0;
    } else if (field == USE_LOSS) {
        record->loss = to_most ? (enum permit_loss)(PERMIT_LOSS_COUNT + 1)
                               : (enum permit_loss)0;
    } else if (field == USE_DEFINITION && to_most) {
        record->definition.permits = LIMIT_PERMITS_MAX + 1;
    } else if (field == USE_DEFINITION) {
        record->definition.kind = (enum engine_kind)0;
    } else if (to_most) {
        record->type = (enum engine_record_type)(LAST_TYPE + 1);
    } else {
        record->seq = 0;
    }
}

struct engine_record records_spoil(const struct engine_record *record,
                                   struct random *random)
{
    struct engine_record spoilt = *record;
    unsigned field = 1u << random_below(random, 8);
    bool to_most = random_chance(random, 50);

    /* A name that is not known yet is good in DEFINED, a higher grant_id in
     * GRANTED. */
    if ((uses[record->type].must & field) == 0 ||
        (record->type == ENGINE_RECORD_DEFINED && field == USE_NAME) ||
        (record->type == ENGINE_RECORD_GRANTED && field == USE_GRANT)) {
        to_most = false;
    }
    if ((uses[record->type].must & field) == 0) {
        field = 0;
    }
    if (field == 0 && record->type == ENGINE_RECORD_SESSION_OPENED &&
        random_chance(random, 50)) {
        spoilt.timeout_ms = 0;
    } else if (field == 0 && record->type == ENGINE_RECORD_RENEWED) {
        spoilt.hold_ms = -1;
    } else if (field == 0 && record->type == ENGINE_RECORD_SESSION_ENDED) {
        spoilt.session_id = UINT64_MAX;
    } else if (field == 0 && record->type == ENGINE_RECORD_GRANTED &&
               random_chance(random, 50)) {
        spoilt.session_id = UINT64_MAX;
    } else if (field == 0 && record->type == ENGINE_RECORD_GRANTED) {
        spoilt.slots.words[0] ^= 1; /* One too many, or too few. */
    } else if (field == USE_REQUEST) {
        spoil_field(&spoilt, 0, random_chance(random, 50));
    } else {
        spoil_field(&spoilt, field, to_most);
    }
    return spoilt;
}
