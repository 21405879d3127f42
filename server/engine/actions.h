/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_ACTIONS_H
#define ENGINE_ACTIONS_H

/* What the engine's events and steps do, and the effects that they emit; for
 * its own files only.
 *
 * Law: a function here is at most one step: it emits at most STEP_RECORDS_MAX
 * records, which go together, and two other effects, and looks at a bounded
 * number of objects. */

#include "changes.h"

/* --------------------------------------------------------------- effects.c */

/* A record of zeroes, but for these and its seq, to be filled in before the
 * next engine call. */
struct engine_record *effect_record(struct engine *engine,
                                    enum engine_record_type type,
                                    uint64_t session_id);

/* The same, made by the request that is the present event. */
struct engine_record *effect_event_record(struct engine *engine,
                                          enum engine_record_type type);
void effect_record_name(struct engine_record *record, const char *name);
void effect_answer(struct engine *engine, uint64_t session_id,
                   uint64_t request_id, const struct engine_answer *answer);

/* Answers the present event. */
void effect_event_answer(struct engine *engine, enum permit_status status,
                         const char *detail);
void effect_lost(struct engine *engine, const struct acquire *acquire,
                 enum permit_loss reason, int64_t grace_ms);
void effect_session_silent(struct engine *engine,
                           const struct session *session);
void effect_session_ended(struct engine *engine, const struct session *session);

/* All must have been taken. */
void effects_clear(struct engine *engine);

/* -------------------------------------------------------------- acquires.c */

void acquire_apply(struct engine *engine, struct session *session);
void why_apply(struct engine *engine, struct session *session);

/* Answers a waiter that gets nothing, and removes it. */
void acquire_refuse(struct engine *engine, struct acquire *acquire,
                    enum permit_status status, const char *detail);

/* Looks at one waiter of the semaphores that are marked, and serves it if it
 * can; or forgets a semaphore. One must be marked. */
void serve_step(struct engine *engine);

/* Looks again at one waiter of the session whose share has changed. */
void share_step(struct engine *engine);

/* ------------------------------------------------------------- templates.c */

/* Makes what the template stands for, with its record. */
struct semaphore *template_make(struct engine *engine,
                                const struct semaphore *template,
                                const char *name,
                                const struct session *session);

/* It is idle, and was made so. */
void template_forget(struct engine *engine, struct semaphore *semaphore);

/* ---------------------------------------------------------------- grants.c */

void cancel_apply(struct engine *engine, const struct session *session);
void release_apply(struct engine *engine, const struct session *session);
void settle_apply(struct engine *engine, const struct session *session);
void renew_apply(struct engine *engine, const struct session *session);
void verify_apply(struct engine *engine);

/* Its deadline passed: the wait, the hold or the grace is over. */
void acquire_fall_due(struct engine *engine, struct acquire *acquire);

/* Answers one waiter that joins, or ends the grant that was released with an
 * outcome. There must be one. */
void join_step(struct engine *engine);

/* ----------------------------------------------------------- definitions.c */

void define_apply(struct engine *engine);
void delete_apply(struct engine *engine);
void post_apply(struct engine *engine);
void post_answer(struct engine *engine);
void drain_apply(struct engine *engine);

/* --------------------------------------------------------------- sweeps.c */

/* None may be under way; NULL ends at once. */
void sweep_start(struct engine *engine, enum sweep sweep,
                 struct semaphore *semaphore);

/* Refuses one waiter, or revokes one grant, for what the event defined, deleted
 * or drained; or ends the sweep. One must be under way. */
void sweep_step(struct engine *engine);

/* -------------------------------------------------------------- sessions.c */

void engine_session_open_apply(struct engine *engine);
void engine_session_disconnect(struct engine *engine, struct session *session,
                               bool by_client);
void engine_session_end(struct engine *engine, struct session *session,
                        enum engine_session_end ended);

/* Its deadline passed: it ends or loses its connection, unless it was heard. */
void engine_session_fall_due(struct engine *engine, struct session *session);

/* Sets aside, forgets or puts back one waiter of the session that is leaving,
 * or is there again. Returns false when that is done. */
bool leave_waiters_step(struct engine *engine);

/* Gives back one grant of the session that ends, and at last the session. One
 * must end. */
void leave_grants_step(struct engine *engine);

#endif
