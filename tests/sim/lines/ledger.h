/* SPDX-License-Identifier: MIT */
#ifndef LEDGER_H
#define LEDGER_H

/* What clients asked, what they were answered and what the server's records say
 * was done of it. It knows neither cores nor sessions, only what they said.
 *
 * Law: a request is answered once and done at most once: exactly once if its
 * answer is OK, never if it was refused. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/engine.h"
#include "permit/error.h"
#include "stage.h"
#include "wire.h"

#define IDS_MAX 16384u     /* Requests of one life, the core's own too. */
#define SESSIONS_MAX 4096u /* Of one run. */
#define SEMAPHORES 4u

/* The last is COUNTING, and starts with so many permits; the third caps holds.
 */
extern const char *const semaphore_names[SEMAPHORES];
extern const uint32_t semaphore_permits[SEMAPHORES];
#define SEMAPHORE_WITH_CAP 2u
#define SEMAPHORE_COUNTING 3u

/* From a core's creation to its end. */
struct life {
    struct asked **by_id;  /* NULL: the core's own. */
    uint8_t done[IDS_MAX]; /* How often the server did it. */
    int number;            /* Of its client. */
    struct life *next;
};

/* A request of a caller; of an acquire, what it holds too. */
struct asked {
    enum wire_client_type type;
    uint64_t id;
    uint32_t semaphore;
    uint32_t permits;
    bool consume;
    bool is_answered;
    enum permit_status status;
    struct asked *grant;  /* Release, Renew: its acquire. */
    int64_t answer_by_ns; /* By the client's clock. */
    bool has_wait;        /* It ends by itself. */
    bool is_held;         /* By the caller: granted, not given back. */
    bool is_lost;
    enum permit_loss loss;
    bool is_forgotten;
    uint32_t left;     /* Permits that the caller has not given back. */
    int64_t until_ns;  /* Its hold's end, by the client's clock. */
    uint32_t renewals; /* Under way. */
    uint64_t grant_id;
    uint64_t session_id;
};

struct ledger {
    struct stage *stage;
    struct life *lives;
    struct {
        uint64_t id;
        struct life *life;
    } sessions[SESSIONS_MAX];
    size_t sessions_count;
    uint64_t requests_total;
};

struct life *ledger_birth(struct ledger *ledger, int number);
void ledger_deinit(struct ledger *ledger);

/* From now on that session is this life's. */
void ledger_session(struct ledger *ledger, uint64_t session_id,
                    struct life *life);

/* A request was asked; the ledger owns it from now on. */
void ledger_ask(struct ledger *ledger, struct life *life, struct asked *asked);

/* It was answered. */
void ledger_answer(struct ledger *ledger, const struct life *life,
                   struct asked *asked, enum permit_status status);

/* The server made a record. */
void ledger_record(struct ledger *ledger, const struct engine_record *record);

/* All is over: what was answered OK was done, and the COUNTING semaphore has
 * the value that follows. */
void ledger_settle(struct ledger *ledger, uint64_t value);

#endif
