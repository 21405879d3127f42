/* SPDX-License-Identifier: MIT */
#include "ledger.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

const char *const semaphore_names[SEMAPHORES] = {"one", "three", "five",
                                                 "count"};
const uint32_t semaphore_permits[SEMAPHORES] = {1, 3, 5, 6};

/* ---------------------------------------------------------------- lives */

struct life *ledger_birth(struct ledger *ledger, int number)
{
    struct life *life = calloc(1, sizeof(*life));

    if (life == NULL) {
        abort();
    }
    life->by_id = calloc(IDS_MAX, sizeof(struct asked *));
    if (life->by_id == NULL) {
        abort();
    }
    life->number = number;
    life->next = ledger->lives;
    ledger->lives = life;
    return life;
}

void ledger_deinit(struct ledger *ledger)
{
    while (ledger->lives != NULL) {
        struct life *life = ledger->lives;

        ledger->lives = life->next;
        for (size_t i = 0; i < IDS_MAX; i++) {
            free(life->by_id[i]);
        }
        free(life->by_id);
        free(life);
    }
}

void ledger_session(struct ledger *ledger, uint64_t session_id,
                    struct life *life)
{
    for (size_t i = ledger->sessions_count; i > 0; i--) {
        if (ledger->sessions[i - 1].id == session_id) {
            if (ledger->sessions[i - 1].life != life) {
                stage_fail(ledger->stage, "a session went to another client");
            }
            return;
        }
    }
    if (ledger->sessions_count == SESSIONS_MAX) {
        stage_fail(ledger->stage, "the run is too long");
        return;
    }
    ledger->sessions[ledger->sessions_count].id = session_id;
    ledger->sessions[ledger->sessions_count++].life = life;
}

static struct life *find_life(const struct ledger *ledger, uint64_t session_id)
{
    for (size_t i = ledger->sessions_count; i > 0; i--) {
        if (ledger->sessions[i - 1].id == session_id) {
            return ledger->sessions[i - 1].life;
        }
    }
    return NULL;
}

/* ------------------------------------------------------------------ answers
 */

void ledger_ask(struct ledger *ledger, struct life *life, struct asked *asked)
{
    if (asked->id >= IDS_MAX) {
        free(asked);
        stage_fail(ledger->stage, "the run is too long");
        return;
    }
    if (life->by_id[asked->id] != NULL) {
        stage_fail(ledger->stage, "c%d: #%" PRIu64 " is asked twice",
                   life->number, asked->id);
    }
    life->by_id[asked->id] = asked;
    ledger->requests_total++;
}

/* May what was answered so have been done all the same? An acquire that is
 * cancelled may have been granted and given back; what comes after a Renew's
 * end is of no use any more. */
static bool may_be_done(const struct asked *asked)
{
    return asked->status == PERMIT_E_NO_ANSWER ||
           asked->status == PERMIT_E_OUTCOME_UNKNOWN ||
           (asked->status == PERMIT_E_CANCELLED && !asked->consume) ||
           (asked->status == PERMIT_E_EXPIRED && asked->type == WIRE_RENEW);
}

static void check_done(struct ledger *ledger, const struct life *life,
                       const struct asked *asked)
{
    unsigned done = life->done[asked->id];

    if (done > 1) {
        stage_fail(ledger->stage, "c%d: #%" PRIu64 " is done twice",
                   life->number, asked->id);
    }
    if (asked->is_answered && done > 0 && asked->status != PERMIT_OK &&
        !may_be_done(asked)) {
        stage_fail(ledger->stage, "c%d: #%" PRIu64 " is done, and answered %s",
                   life->number, asked->id,
                   permit_status_reason(asked->status));
    }
    if (asked->is_answered && done == 0 && asked->status == PERMIT_OK &&
        asked->type != WIRE_QUERY) {
        stage_fail(ledger->stage, "c%d: #%" PRIu64 " is not done, and OK",
                   life->number, asked->id);
    }
}

void ledger_answer(struct ledger *ledger, const struct life *life,
                   struct asked *asked, enum permit_status status)
{
    if (asked->is_answered) {
        stage_fail(ledger->stage, "c%d: #%" PRIu64 " is answered twice",
                   life->number, asked->id);
        return;
    }
    asked->is_answered = true;
    asked->status = status;
    check_done(ledger, life, asked);
}

void ledger_record(struct ledger *ledger, const struct engine_record *record)
{
    bool is_requested = record->type == ENGINE_RECORD_GRANTED ||
                        record->type == ENGINE_RECORD_RELEASED ||
                        record->type == ENGINE_RECORD_POSTED ||
                        record->type == ENGINE_RECORD_RENEWED;
    struct life *life;

    if (!is_requested || record->session_id == 0 || record->request_id == 0) {
        return;
    }
    life = find_life(ledger, record->session_id);
    if (life == NULL || record->request_id >= IDS_MAX) {
        stage_fail(ledger->stage, "something is done for a stranger");
        return;
    }
    life->done[record->request_id]++;
    if (life->by_id[record->request_id] != NULL) {
        check_done(ledger, life, life->by_id[record->request_id]);
    } else if (life->done[record->request_id] > 1) {
        stage_fail(ledger->stage, "c%d: #%" PRIu64 ", its own, is done twice",
                   life->number, record->request_id);
    }
}

/* ---------------------------------------------------------------- the value
 */

/* Adds to the least and the most that the value may be. */
static void weigh(const struct asked *asked, int64_t *least, int64_t *most)
{
    bool is_sure = asked->is_answered && asked->status == PERMIT_OK;
    bool may_be = !asked->is_answered || may_be_done(asked);

    if (asked->type == WIRE_POST) {
        *least += is_sure ? asked->permits : 0;
        *most += is_sure || may_be ? asked->permits : 0;
    } else if (asked->type == WIRE_ACQUIRE && asked->consume) {
        *most -= is_sure ? asked->permits : 0;
        *least -= is_sure || may_be ? asked->permits : 0;
    }
}

void ledger_settle(struct ledger *ledger, uint64_t value)
{
    int64_t least = semaphore_permits[SEMAPHORE_COUNTING];
    int64_t most = least;

    for (const struct life *life = ledger->lives; life != NULL;
         life = life->next) {
        for (size_t id = 0; id < IDS_MAX; id++) {
            const struct asked *asked = life->by_id[id];

            if (asked != NULL) {
                check_done(ledger, life, asked);
                weigh(asked, &least, &most);
            }
        }
    }
    if ((int64_t)value < least || (int64_t)value > most) {
        stage_fail(ledger->stage,
                   "the value is %" PRIu64 ", and ought to be %" PRId64
                   " to %" PRId64,
                   value, least, most);
    }
}
