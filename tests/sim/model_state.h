/* SPDX-License-Identifier: MIT */
#ifndef SIM_MODEL_STATE_H
#define SIM_MODEL_STATE_H

/* What the parts of the model share: model.c has the state and what time does
 * to it, model_order.c who can be granted, before whom, and why not,
 * model_acquires.c acquires that arrive, model_serve.c whose turn it is,
 * model_definitions.c semaphores and templates, model_sessions.c the sessions,
 * model_grants.c what is asked about grants, model_requests.c the other events.
 * Of no use to others. */

#include "model.h"

/* Removes entry i of an array of `count` entries. */
#define REMOVE(array, count, i)                                                \
    do {                                                                       \
        memmove(&(array)[i], &(array)[(i) + 1],                                \
                ((count) - (i)-1) * sizeof((array)[0]));                       \
        (count)--;                                                             \
    } while (0)

/* What a part lacks to be granted. */
enum model_lack {
    MODEL_LACKS_PERMITS = 1 << 0,
    MODEL_LACKS_SHARE = 1 << 1,
    MODEL_LACKS_TURN = 1 << 2
};

/* ---------------------------------------------------------------- model.c */

uint64_t model_after_ms(uint64_t now_ns, int64_t ms);

/* The index in its array, or the array's count. */
size_t model_find_grant(const struct model *model, uint64_t session_id,
                        uint64_t acquire_id);
size_t model_find_waiter(const struct model *model, uint64_t session_id,
                         uint64_t acquire_id);

/* Adds an effect, which the caller completes. */
struct engine_effect *model_tell(struct model *model,
                                 enum engine_effect_type type,
                                 uint64_t session_id, uint64_t request_id);

/* Add an answer, which the caller completes. */
struct engine_answer *model_answer(struct model *model, uint64_t session_id,
                                   uint64_t request_id,
                                   enum engine_event_type to,
                                   enum permit_status status);
struct engine_answer *model_answer_event(struct model *model,
                                         const struct engine_event *event,
                                         enum permit_status status);

/* Completes an answer with what is in the way, whose name it copies: the row
 * may be another's before the event is over. */
void model_tell_obstacle(struct model *model, struct engine_answer *told,
                         struct engine_obstacle obstacle);
void model_tell_lost(struct model *model, const struct model_grant *gone,
                     enum permit_loss reason, int64_t grace_ms);

/* Does all that is due up to now_ns. */
void model_pass_time(struct model *model, uint64_t now_ns);

/* ----------------------------------------------------------- model_rate.c */

/* Brings tokens up to a time. */
struct model_tokens model_tokens_at(const struct model_semaphore *semaphore,
                                    uint64_t time_ns);

/* The first time at which there would be so many, if burst clipped nothing. */
uint64_t model_tokens_when(const struct model_semaphore *semaphore,
                           uint64_t now_ns, uint64_t permits);

/* Goes on by another definition, or begins (old is NULL) with a full burst. */
void model_tokens_define(struct model_semaphore *semaphore,
                         const struct engine_definition *old, uint64_t now_ns);

/* Adds some, clipped at burst, or takes some that are there (< 0). */
void model_tokens_add(struct model_semaphore *semaphore, int64_t permits,
                      uint64_t now_ns);

/* ---------------------------------------------------------- model_order.c */

bool model_is_eligible(const struct model *model,
                       const struct model_waiter *waiter);
bool model_is_before(const struct model_waiter *one,
                     const struct model_waiter *other);

/* What the session holds of a semaphore, but of a RATE. */
uint64_t model_share(const struct model *model, uint64_t session_id,
                     size_t semaphore);
bool model_is_over_share(const struct model *model,
                         const struct model_waiter *asked);

/* Permits that could be taken, were there no waiters; below 0 if too many are
 * out. */
int64_t model_free(const struct model *model, size_t semaphore);

/* enum model_lack of one part, added up; and the same were its semaphore not in
 * shadow. */
unsigned model_lacks(const struct model *model,
                     const struct model_waiter *asked,
                     const struct model_part *part);
unsigned model_lacks_alone(const struct model *model,
                           const struct model_waiter *asked,
                           const struct model_part *part);
bool model_can_be_granted(const struct model *model,
                          const struct model_waiter *asked);

/* What is said of one part that is in the way. */
struct engine_obstacle model_obstacle_of(const struct model *model,
                                         const struct model_waiter *asked,
                                         const struct model_part *part);

/* Of the time that this part takes, in ms; false if that is not known. */
bool model_part_time(const struct model *model,
                     const struct model_waiter *asked,
                     const struct model_part *part, uint64_t *ret_ms);

/* ------------------------------------------------------- model_acquires.c */

/* ACQUIRE and WHY. */
void model_acquire(struct model *model, const struct engine_event *event);

/* ---------------------------------------------------------- model_serve.c */

/* Do the quotas forbid the grant? */
bool model_grants_are_used_up(const struct model *model,
                              const struct model_waiter *asked);

/* Grants one that is in no queue (any more). */
void model_grant(struct model *model, const struct model_waiter *asked);

/* The hold in force of a grant with these parts, of one that is asked for. */
int64_t model_cap_hold(const struct model *model,
                       const struct model_part *parts, size_t count,
                       int64_t hold_ms);

/* Something happened that may let a waiter of the semaphore fit. */
void model_mark(struct model *model, size_t semaphore);

/* Grants what can be granted, of the semaphores that are marked, and forgets
 * what templates made and is idle. */
void model_serve(struct model *model);

/* Looks again at who waits above the share of its session. */
void model_review_shares(struct model *model, uint64_t session_id);

/* Waiter i is no more: those of its semaphores are to be served. */
void model_remove_waiter(struct model *model, size_t i);
void model_refuse_waiter(struct model *model, size_t i,
                         enum permit_status status);

/* Its wait is over. */
void model_time_out(struct model *model, size_t i);

/* --------------------------------------------------------- model_grants.c */

/* Takes permits back from one part of grant i; a part without permits goes.
 * Marks its semaphore. */
void model_give_back(struct model *model, size_t i, size_t part,
                     uint32_t permits);

/* Takes everything back from grant i, which ends. */
void model_end_grant(struct model *model, size_t i);

/* Counts a grant that ended without a release. */
void model_count_lost(struct model *model, const struct model_grant *gone,
                      enum permit_loss reason);

/* The hold, or the grace, of grant i is over. */
void model_expire(struct model *model, size_t i);
void model_release(struct model *model, const struct engine_event *event);
void model_settle(struct model *model, const struct engine_event *event);
void model_renew(struct model *model, const struct engine_event *event);
void model_verify(struct model *model, const struct engine_event *event);

/* ---------------------------------------------------- model_definitions.c */

/* Makes a semaphore, in a free row; there must be one. */
size_t model_make(struct model *model, const char *name,
                  const struct engine_definition *definition);

/* Do the quotas let templates make `count` semaphores of these definitions for
 * the session? */
bool model_may_make(const struct model *model, uint64_t session_id,
                    const struct engine_definition *definitions, size_t count);
void model_forget_idle(struct model *model);
void model_define(struct model *model, const struct engine_event *event);
void model_delete(struct model *model, const struct engine_event *event);
void model_post(struct model *model, const struct engine_event *event);

/* When a RATE that a template made is full again and nobody uses it, or
 * TIME_NEVER. */
uint64_t model_forgotten_ns(const struct model *model, size_t semaphore);

/* ------------------------------------------------------- model_sessions.c */

/* Sets the waiters of a session aside, or forgets them, and serves those that
 * they blocked. */
void model_unblock(struct model *model, uint64_t session_id, bool forget);

/* The waiters of a session in the order in which they came, by their numbers;
 * returns how many. */
size_t model_arrivals(const struct model *model, uint64_t session_id,
                      uint64_t arrivals[MODEL_WAITERS_MAX]);

/* It has no connection from now on; its linger begins at from_ns. */
void model_disconnect(struct model *model, struct model_session *session,
                      uint64_t from_ns);

/* Nothing was heard of it for its timeout, or nobody resumed it. */
void model_fall_silent(struct model *model, struct model_session *session);
void model_open(struct model *model, const struct engine_event *event);
void model_end_session(struct model *model, struct model_session *session,
                       enum engine_session_end how);

#endif
