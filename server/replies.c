/* SPDX-License-Identifier: MIT */
/* Answers of the engine, as they are kept and as they are told: at first with
 * all that is known, and again, to a request that is sent again. */
#include "session_private.h"

#include <assert.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/* What is told besides the answer that is kept. */
struct reply {
    const struct answer *answer;
    const char *semaphore; /* REFUSED: what it is about, or NULL. */
    uint64_t oldest_session_id;
    uint64_t oldest_hold_ns;
    const struct permit_part_info *parts; /* GRANTED: with their slots. */
    uint32_t parts_count;
    struct wire_bytes outcome; /* JOINED. */
    bool is_lost;              /* GRANTED: it is by now. */
};

uint32_t session_hash_name(const char *name)
{
    return (uint32_t)XXH3_64bits(name, strlen(name));
}

bool session_takes_tokens(const struct sessions *sessions,
                          const char *semaphore)
{
    struct engine_semaphore_view view;

    return engine_view_semaphore(sessions->options.engine, semaphore, &view) &&
           view.definition.kind == ENGINE_RATE;
}

/* --------------------------------------------------------------------- tell */

static void fill_refused(const struct sessions *sessions,
                         const struct reply *reply,
                         struct wire_refused *refused)
{
    const struct answer *answer = reply->answer;

    refused->reason = answer->status;
    refused->detail = answer->detail == NULL ? permit_strerror(answer->status)
                                             : answer->detail;
    refused->semaphore = reply->semaphore == NULL ? "" : reply->semaphore;
    refused->position = answer->refused.position;
    refused->permits_in_the_way = answer->refused.permits_in_the_way;
    refused->retry_after_ms = session_ms(answer->refused.retry_after_ms);
    if (reply->oldest_session_id != 0) {
        refused->has_oldest = true;
        refused->oldest_held_ms = age_ms(
            engine_now_ns(sessions->options.engine), reply->oldest_hold_ns);
        session_describe(sessions, reply->oldest_session_id, &refused->oldest);
    }
}

static void fill_granted(const struct reply *reply,
                         struct wire_server_message *message)
{
    const struct answer *answer = reply->answer;

    message->type = WIRE_GRANTED;
    message->granted.grant_id = answer->granted.grant_id;
    message->granted.fence = answer->granted.grant_id;
    message->granted.waited_ms = answer->granted.waited_ms;
    message->granted.hold_ms = answer->granted.hold_ms;
    message->granted.parts = reply->parts;
    message->granted.parts_count = reply->parts_count;
    message->granted.taken = answer->taken;
    message->granted.lost = reply->is_lost;
}

static void to_message(const struct sessions *sessions,
                       const struct reply *reply,
                       struct wire_server_message *message)
{
    const struct answer *answer = reply->answer;

    if (answer->status != PERMIT_OK) {
        message->type = WIRE_REFUSED;
        fill_refused(sessions, reply, &message->refused);
    } else if (answer->is_joined) {
        message->type = WIRE_JOINED;
        message->joined.outcome = reply->outcome;
    } else if (answer->to == ENGINE_ACQUIRE) {
        fill_granted(reply, message);
    } else if (answer->to == ENGINE_CANCEL) {
        /* The numbers on the wire are the engine's. */
        message->type = WIRE_CANCELLED;
        message->cancelled = (enum wire_cancel_outcome)answer->cancelled;
    } else if (answer->to == ENGINE_RENEW) {
        message->type = WIRE_RENEWED;
        message->renewed.hold_ms = answer->renewed_ms;
    } else if (answer->to == ENGINE_POST) {
        message->type = WIRE_POSTED;
        message->posted.available = answer->available;
    } else {
        message->type = WIRE_DONE;
    }
}

_Static_assert((int)ENGINE_CANCEL_CANCELLED == (int)WIRE_CANCEL_CANCELLED &&
                   (int)ENGINE_CANCEL_GRANTED == (int)WIRE_CANCEL_GRANTED &&
                   (int)ENGINE_CANCEL_NOT_FOUND == (int)WIRE_CANCEL_NOT_FOUND,
               "outcomes of Cancel have one numbering");

static void tell(struct session *session, uint64_t id,
                 const struct reply *reply)
{
    struct wire_server_message message = {.id = id};
    uint32_t before = session->in_flight;

    to_message(session->all, reply, &message);
    session_send(session, &message, true);
    if (message.type == WIRE_GRANTED && session->in_flight > before &&
        takes_send(&session->takes, id)) { /* It is in the gate. */
        gate_mark(session->all->options.gate);
    }
}

/* --------------------------------------------------------------------- keep */

/* Which parts were taken for good: bit n is part n. */
static uint8_t find_taken(const struct session *session,
                          const struct engine_answer *answer)
{
    unsigned taken = 0;

    assert(answer->granted_count <= LIMIT_PARTS_MAX);
    for (uint32_t i = 0; i < answer->granted_count; i++) {
        const struct engine_record *part = &answer->granted[i];

        if (part->consume ||
            (session->settles &&
             session_takes_tokens(session->all, part->semaphore))) {
            taken |= 1u << i;
        }
    }
    return (uint8_t)taken;
}

/* Many who joined get the same outcome: returns one more use of the latest, if
 * it is that, or of a copy; NULL without memory. */
static struct outcome *share_outcome(struct sessions *sessions,
                                     const struct engine_answer *from)
{
    struct outcome *latest = sessions->joined;

    if (latest == NULL || latest->length != from->outcome_bytes ||
        memcmp(latest->bytes, from->outcome, from->outcome_bytes) != 0) {
        latest = outcome_create(from->outcome, from->outcome_bytes);
        if (latest == NULL) {
            return NULL;
        }
        outcome_drop(sessions->joined);
        sessions->joined = latest;
    }
    latest->users++;
    return latest;
}

/* Fills what is kept. Returns false without memory for it. */
static bool compact(struct session *session, const struct engine_answer *from,
                    struct answer *to)
{
    const struct engine_obstacle *obstacle = &from->obstacle;

    *to = (struct answer){
        .to = from->to, .status = from->status, .detail = from->detail};
    if (from->status != PERMIT_OK) {
        to->semaphore_hash = obstacle->semaphore == NULL
                                 ? 0
                                 : session_hash_name(obstacle->semaphore);
        to->refused.position = obstacle->position;
        to->refused.permits_in_the_way = obstacle->permits_in_the_way;
        to->refused.retry_after_ms = obstacle->retry_after_ms;
    } else if (from->outcome != NULL) {
        to->is_joined = true;
        to->outcome = share_outcome(session->all, from);
        return to->outcome != NULL;
    } else if (from->to == ENGINE_ACQUIRE) {
        to->taken = find_taken(session, from);
        to->granted.grant_id = from->grant_id;
        to->granted.waited_ms = from->waited_ms;
        to->granted.hold_ms = from->hold_ms;
    } else if (from->to == ENGINE_CANCEL) {
        to->cancelled = from->cancelled;
    } else if (from->to == ENGINE_RENEW) {
        to->renewed_ms = from->hold_ms;
    } else {
        to->available = from->available;
    }
    return true;
}

/* ------------------------------------------------------------------- answer */

/* Fills the parts that were granted with slots, and returns how many. */
static uint32_t fill_slots(struct sessions *sessions,
                           const struct engine_answer *answer,
                           struct permit_part_info parts[LIMIT_PARTS_MAX])
{
    uint32_t *slots = sessions->slots;
    uint32_t count = 0;

    for (uint32_t i = 0; i < answer->granted_count; i++) {
        const struct engine_record *part = &answer->granted[i];
        uint32_t slots_count = (uint32_t)engine_slots_list(&part->slots, slots);

        if (slots_count > 0) {
            parts[count++] =
                (struct permit_part_info){.semaphore = part->semaphore,
                                          .permits = part->permits,
                                          .slots = slots,
                                          .slots_count = slots_count};
            slots += slots_count;
        }
    }
    return count;
}

void session_answer(struct session *session, uint64_t id,
                    const struct engine_answer *from)
{
    struct permit_part_info parts[LIMIT_PARTS_MAX];
    struct answer answer;
    struct reply reply = {
        .answer = &answer,
        .semaphore = from->obstacle.semaphore,
        .oldest_session_id = from->obstacle.oldest_session_id,
        .oldest_hold_ns = from->obstacle.oldest_hold_ns,
        .outcome = {.data = from->outcome, .length = from->outcome_bytes},
        .parts = parts};
    bool is_kept = compact(session, from, &answer);

    if (from->to != ENGINE_VERIFY && from->to != ENGINE_WHY) {
        answers_end(&session->answers, id, is_kept ? &answer : NULL);
    }
    reply.parts_count = fill_slots(session->all, from, parts);
    tell(session, id, &reply);
}

/* Returns the name of that hash of an acquire's parts, or NULL. */
static const char *find_name(const struct wire_client_message *message,
                             uint32_t hash)
{
    for (uint32_t i = 0;
         message->type == WIRE_ACQUIRE && i < message->acquire.parts_count;
         i++) {
        const char *name = message->acquire.parts[i].semaphore;

        if (session_hash_name(name) == hash) {
            return name;
        }
    }
    return NULL;
}

void session_answer_again(struct session *session,
                          const struct wire_client_message *message,
                          const struct answer *former)
{
    const struct sessions *sessions = session->all;
    struct engine_grant_view grant;
    struct permit_part_info parts[LIMIT_PARTS_MAX];
    struct reply reply = {.answer = former, .parts = parts};
    struct wire_server_message lost = {.id = message->id, .type = WIRE_LOST};
    enum permit_loss loss = answers_loss(&session->answers, message->id);

    if (former->status != PERMIT_OK) {
        reply.semaphore = find_name(message, former->semaphore_hash);
    } else if (former->is_joined) {
        reply.outcome.data = former->outcome->bytes;
        reply.outcome.length = former->outcome->length;
    } else if (former->to == ENGINE_ACQUIRE &&
               engine_view_grant(sessions->options.engine, session->id,
                                 message->id, &grant)) {
        (void)session_fill_parts(sessions, &grant, parts, session->all->slots);
        reply.parts_count = grant.parts_count;
    }
    reply.is_lost = loss != 0;
    tell(session, message->id, &reply);
    if (loss != 0) {
        lost.lost.grant_id = former->granted.grant_id;
        lost.lost.reason = loss;
        session_send(session, &lost, false);
    }
}
