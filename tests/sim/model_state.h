/* SPDX-License-Identifier: MIT */
#ifndef SIM_MODEL_STATE_H
#define SIM_MODEL_STATE_H

/* What the parts of the model share: model.c has the state and what time does
 * to it, model_sessions.c the sessions, model_grants.c what is asked about
 * grants, model_requests.c the other events. Of no use to others. */

#include "model.h"

/* Removes entry i of an array of `count` entries. */
#define REMOVE(array, count, i)                                                \
    do {                                                                       \
        memmove(&(array)[i], &(array)[(i) + 1],                                \
                ((count) - (i)-1) * sizeof((array)[0]));                       \
        (count)--;                                                             \
    } while (0)

uint64_t model_after_ms(uint64_t now_ns, int64_t ms);

/* The index in its array, or the array's count. */
size_t model_find_grant(const struct model *model, uint64_t session_id,
                        uint64_t acquire_id);
size_t model_find_waiter(const struct model *model, uint64_t session_id,
                         uint64_t acquire_id);

bool model_is_set_aside(struct model *model, const struct model_waiter *waiter);

/* Are those of this session, or of all, at their limit? */
bool model_grants_are_used_up(const struct model *model, uint64_t session_id);
bool model_waiters_are_used_up(const struct model *model, uint64_t session_id);

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

/* The hold in force of one that is asked for. */
int64_t model_cap_hold(const struct model *model, size_t semaphore,
                       int64_t hold_ms);

void model_grant(struct model *model, const struct model_waiter *waiter);

/* Grants, from the front of a queue, what fits. */
void model_serve(struct model *model, size_t semaphore);

/* Takes permits back from grant i, which may end it, and serves. */
void model_give_back(struct model *model, size_t i, uint32_t permits);

void model_refuse_waiter(struct model *model, size_t i,
                         enum permit_status status);
void model_tell_lost(struct model *model, const struct model_grant *gone,
                     enum permit_loss reason, int64_t grace_ms);

/* Counts a grant that ended without a release. */
void model_count_lost(struct model *model, const struct model_grant *gone,
                      enum permit_loss reason);

/* The hold, or the grace, of grant i is over. */
void model_expire(struct model *model, size_t i);

/* What is asked about a grant: model_grants.c. */
void model_release(struct model *model, const struct engine_event *event);
void model_renew(struct model *model, const struct engine_event *event);
void model_verify(struct model *model, const struct engine_event *event);

/* Sets the waiters of a session aside, or forgets them, and serves those that
 * they blocked. */
void model_unblock(struct model *model, uint64_t session_id, bool forget);

/* It has no connection from now on; its linger begins at from_ns. */
void model_disconnect(struct model *model, struct model_session *session,
                      uint64_t from_ns);

/* Nothing was heard of it for its timeout, or nobody resumed it. */
void model_fall_silent(struct model *model, struct model_session *session);
void model_open(struct model *model, const struct engine_event *event);
void model_end_session(struct model *model, struct model_session *session,
                       enum engine_session_end how);

/* Does all that is due up to now_ns. */
void model_pass_time(struct model *model, uint64_t now_ns);

#endif
