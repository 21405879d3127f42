/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_CHANGES_H
#define ENGINE_CHANGES_H

/* How the engine's state is found and changed, for its own files only.
 *
 * Nothing here emits a record or an effect, nor decides who is served.
 *
 * Law: what events do and what is restored from records goes through the same
 * functions, so that both give the same state. */

#include "state.h"

/* By index; NULL for 0. */
struct acquire *acquire_at(const struct engine *engine, uint32_t index);
struct session *engine_session_at(const struct engine *engine, uint32_t index);
struct semaphore *semaphore_at(const struct engine *engine, uint32_t index);
uint32_t semaphore_index(const struct engine *engine,
                         const struct semaphore *semaphore);

/* NULL if there is none. */
struct session *engine_session_find(const struct engine *engine, uint64_t id);
struct acquire *acquire_find(const struct engine *engine,
                             const struct session *session,
                             uint64_t request_id);
/* By its grant, held or lost. */
struct acquire *acquire_find_grant(const struct engine *engine,
                                   uint64_t grant_id);
struct semaphore *semaphore_find(const struct engine *engine, const char *name);

/* The session's acquires in one state. */
struct acquire_list *engine_session_list(struct session *session,
                                         enum acquire_state state);
uint32_t acquire_count(const struct engine *engine, enum acquire_state state);

/* Take and give the memory. Init may stop half way; deinit is due then, too. */
bool semaphores_init(struct engine *engine);
void semaphores_deinit(struct engine *engine);

/* NULL if there are max_sessions. */
struct session *engine_session_add(struct engine *engine, uint64_t id,
                                   int64_t timeout_ms, int64_t linger_ms);

/* It has a connection (still, or again), and was heard just now. */
void engine_session_set_connected(struct engine *engine,
                                  struct session *session);

/* It has none from now on; its linger counts from now if the client ended the
 * line, else from when its timeout would have been over. */
void engine_session_set_disconnected(struct engine *engine,
                                     struct session *session, bool by_client);

/* All its acquires must be gone, but for lost ones. */
void engine_session_remove(struct engine *engine, struct session *session);

/* A new one, and another definition. It has all fields, and definition_check()
 * said PERMIT_OK. */
struct semaphore *semaphore_add(struct engine *engine, const char *name,
                                const struct engine_definition *definition);
void semaphore_change(struct engine *engine, struct semaphore *semaphore,
                      const struct engine_definition *definition);
struct engine_definition
semaphore_definition(const struct semaphore *semaphore);

/* NULL if it has no slots. */
struct slot_map *semaphore_slot_map(const struct engine *engine,
                                    const struct semaphore *semaphore);

/* Why it cannot be that, a constant, or NULL if it can; semaphore is NULL if it
 * is new. */
const char *definition_refusal(const struct semaphore *semaphore,
                               const struct engine_definition *definition);

/* Can it be that now? PERMIT_OK; or PERMIT_E_INVALID, PERMIT_E_CONFLICT or
 * PERMIT_E_TOO_MANY, and *ret_detail says why. */
enum permit_status definition_check(const struct engine *engine,
                                    const struct semaphore *semaphore,
                                    const struct engine_definition *definition,
                                    const char **ret_detail);

/* Frees its name. It stays until semaphore_remove_if_idle() finds no grants. */
void semaphore_delete(struct engine *engine, struct semaphore *semaphore);
void semaphore_remove_if_idle(struct engine *engine,
                              struct semaphore *semaphore);

/* Permits that are free: negative after a shrink. */
int64_t semaphore_free_permits(const struct semaphore *semaphore);

/* Something happened that may let its first waiter be served. */
void semaphore_mark_to_be_served(struct engine *engine,
                                 struct semaphore *semaphore);

/* Takes the first of those that are marked from their list. */
void semaphore_unmark_first(struct engine *engine);

/* Takes permits, which must be free, for the grant of a record. Without an
 * acquire_hold() they are taken for good. */
void semaphore_take(struct engine *engine, struct semaphore *semaphore,
                    const struct engine_record *record);

/* A new one without a state; there must be room for the state that follows, and
 * no other of its id but a lost one, which is forgotten. */
struct acquire *acquire_add(struct engine *engine, struct session *session,
                            struct semaphore *semaphore, uint64_t request_id);

/* Forgets it. It must not be held. */
void acquire_remove(struct engine *engine, struct acquire *acquire);

/* Puts it into the queue. deadline_ns may be TIME_NEVER. */
void acquire_wait(struct engine *engine, struct acquire *acquire,
                  const struct engine_event *event, uint64_t deadline_ns);

/* Takes it out of the queue, and marks the semaphore. */
void acquire_unqueue(struct engine *engine, struct acquire *acquire);

/* Takes the permits; its hold counts from now. It must be in no queue. */
void acquire_hold(struct engine *engine, struct acquire *acquire,
                  const struct engine_record *record);

/* Its hold counts anew from now; 0 has no limit. */
void acquire_renew(struct engine *engine, struct acquire *acquire,
                   int64_t hold_ms);

/* Gives back some of what it holds; all of it is acquire_end(). */
void acquire_give_back(struct engine *engine, struct acquire *acquire,
                       uint32_t permits);

/* Gives back all that it holds, and removes it, or its deleted semaphore's last
 * trace. */
void acquire_end(struct engine *engine, struct acquire *acquire);

/* Lost is pushed: it ends when its grace is over, or its hold before. */
void acquire_revoke(struct engine *engine, struct acquire *acquire,
                    enum permit_loss loss, int64_t grace_ms);

/* Gives back all that it holds, because it is lost; with is_remembered it stays
 * for its session's late Release, else it is removed. */
void acquire_lose(struct engine *engine, struct acquire *acquire,
                  enum permit_loss loss, bool is_remembered);

#endif
