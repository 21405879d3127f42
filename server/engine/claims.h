/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_CLAIMS_H
#define ENGINE_CLAIMS_H

/* What an acquire asks for, whether it has just come or waits, and what is in
 * its way; for the engine's own files only.
 *
 * It changes nothing, and does not know who is served when.
 *
 * Law: a waiter and a request with the same parts, key and session lack the
 * same. */

#include "changes.h"

struct claim_part {
    struct semaphore *semaphore; /* Or the template that would make it, */
    bool is_new;                 /* which nobody has done yet. */
    bool consume;                /* It makes no part of the grant. */
    const char *name;
    uint32_t permits;
};

struct claim {
    struct session *session;
    uint64_t request_id;
    uint64_t body_hash;
    uint64_t key_ns;
    uint64_t number;
    int64_t hold_ms;
    int64_t waited_ms;
    uint32_t count;
    struct claim_part parts[LIMIT_PARTS_MAX];
};

/* Why a part cannot be had now: the first of these. */
enum lack {
    LACK_NOTHING = 0,
    LACK_TURN, /* Somebody is before it. */
    LACK_PERMITS,
    LACK_SHARE /* Its session would hold too much. */
};

/* Of the present event, whose parts are all there (see claim_check()), and of a
 * waiter. */
void claim_of_event(const struct engine *engine, struct session *session,
                    struct claim *ret_claim);
void claim_of_waiter(const struct engine *engine, const struct acquire *acquire,
                     struct claim *ret_claim);

/* Finds the parts of the present event. PERMIT_OK, or what it is refused with
 * for good; *ret_detail says why. */
enum permit_status claim_check(struct engine *engine, struct claim *claim,
                               const char **ret_detail);

/* What a part lacks; as_if_real: were its semaphore not in shadow. */
enum lack claim_part_lack(const struct engine *engine,
                          const struct claim *claim, uint32_t part,
                          bool as_if_real);

/* Can all parts be had now? Else *ret_part is the first that lacks something,
 * if it is not NULL. */
bool claim_fits(const struct engine *engine, const struct claim *claim,
                uint32_t *ret_part);

/* Do only RATEs lack something? */
bool claim_lacks_tokens_only(const struct engine *engine,
                             const struct claim *claim);

/* More than the semaphore, or a share of it, can ever give? */
bool claim_part_is_impossible(const struct claim_part *part);

/* What is in its way at this part, with when it would be granted. */
void claim_obstacle(const struct engine *engine, const struct claim *claim,
                    uint32_t part, struct engine_obstacle *ret_obstacle);

/* Would it wait longer than that at a semaphore that refuses the hopeless? Then
 * *ret_part is the first, and *ret_excess_ms by how much. */
bool claim_is_hopeless(const struct engine *engine, const struct claim *claim,
                       int64_t wait_ms, uint32_t *ret_part,
                       uint64_t *ret_excess_ms);

#endif
