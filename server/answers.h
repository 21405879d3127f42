/* SPDX-License-Identifier: MIT */
#ifndef ANSWERS_H
#define ANSWERS_H

/* What one session was answered, by request id, so that a request that is sent
 * again gets the first answer again and is not done twice.
 *
 * It knows ids, hashes of bodies and answers in a compact form; neither frames
 * nor the engine's state.
 *
 * Law: ids rise. A request under way is never forgotten; of those answered, the
 * latest `kept_max` are kept, of Joined as many as have `outcomes_max` bytes
 * together, but none below the mark that the client set. */

#include <stdbool.h>
#include <stdint.h>

#include "engine/engine.h"
#include "outcome.h"

/* The final answer of a request, as far as its kind needs. */
struct answer {
    enum engine_event_type to;
    enum permit_status status;
    const char *detail; /* A constant; NULL if none. */
    bool is_joined;
    uint8_t taken;           /* GRANTED: bit n: part n was, for good. */
    uint32_t semaphore_hash; /* REFUSED: of the name that it is about. */
    union {
        struct {
            uint64_t grant_id;
            int64_t waited_ms;
            int64_t hold_ms;
        } granted;
        struct outcome *outcome; /* If is_joined. */
        struct {
            uint64_t position;
            uint64_t permits_in_the_way;
            uint64_t retry_after_ms;
        } refused;
        enum engine_cancel_outcome cancelled;
        uint64_t available;
        int64_t renewed_ms; /* The hold in force. */
    };
};

struct answers_entry {
    uint64_t id;
    uint64_t body_hash;
    enum {
        ANSWERS_WAITS = 1, /* Under way. */
        ANSWERS_KEPT,
        ANSWERS_FORGOTTEN
    } state;
    enum permit_loss lost; /* KEPT: its grant was lost meanwhile; else 0. */
    struct answer answer;  /* If KEPT. */
};

/* A ring of entries in the order of their ids. */
struct answers {
    struct answers_entry *entries;
    uint32_t capacity; /* A power of two, or 0. */
    uint32_t head;
    uint32_t count;
    uint32_t kept;
    uint32_t kept_max;
    uint64_t kept_from;   /* No answer is kept of an id below. */
    uint64_t joined_from; /* No outcome is kept of an id below. */
    uint64_t outcomes_bytes;
    uint64_t outcomes_max;
    uint64_t newest_id;
    uint64_t below; /* The client has all answers below this id. */
};

enum answers_found {
    ANSWERS_NEW = 1,   /* Do it. */
    ANSWERS_UNDER_WAY, /* Its answer will come. */
    ANSWERS_ANSWERED,  /* Give this answer again. */
    ANSWERS_CONFLICT,  /* The id was used with another body. */
    ANSWERS_STALE      /* Forgotten, or not above all earlier ones. */
};

/* Takes no memory. */
void answers_init(struct answers *answers, uint32_t kept_max,
                  uint64_t outcomes_max);

void answers_deinit(struct answers *answers);

/* Says what a request is. *ret_answer is set only if it is ANSWERED, until the
 * next call. */
enum answers_found answers_find(const struct answers *answers, uint64_t id,
                                uint64_t body_hash,
                                const struct answer **ret_answer);

/* Enters a NEW request as under way. Returns PERMIT_OK, or
 * PERMIT_E_UNAVAILABLE without memory: nothing changed then. */
enum permit_status answers_begin(struct answers *answers, uint64_t id,
                                 uint64_t body_hash);

/* Keeps the answer of a request under way, of which there must be one. Takes
 * its outcome over. NULL: it can't be kept. */
void answers_end(struct answers *answers, uint64_t id,
                 const struct answer *answer);

/* The grant of an acquire is lost: if its answer is kept, so is this. */
void answers_lose(struct answers *answers, uint64_t id, enum permit_loss loss);

/* How the grant of an acquire that was ANSWERED was lost; 0 if it was not. */
enum permit_loss answers_loss(const struct answers *answers, uint64_t id);

/* The client has all answers below this id. A lower mark than before changes
 * nothing. */
void answers_forget(struct answers *answers, uint64_t below);

#endif
