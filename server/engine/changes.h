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

/* Copies a name of the present event, for its part, so that it is there until
 * the next event. */
const char *engine_keep_name(struct engine *engine, uint32_t part,
                             const char *name);

/* The same for the outcome of a RELEASE. */
void engine_keep_outcome(struct engine *engine);

/* By index; NULL for 0. */
struct acquire *acquire_at(const struct engine *engine, uint32_t index);
struct part *part_at(const struct engine *engine, uint32_t index);
struct session *engine_session_at(const struct engine *engine, uint32_t index);
struct semaphore *semaphore_at(const struct engine *engine, uint32_t index);
uint32_t semaphore_index(const struct engine *engine,
                         const struct semaphore *semaphore);

uint32_t engine_session_index(const struct engine *engine,
                              const struct session *session);
uint32_t acquire_index(const struct engine *engine,
                       const struct acquire *acquire);

/* NULL if there is none. */
struct session *engine_session_find(const struct engine *engine, uint64_t id);
struct acquire *acquire_find(const struct engine *engine,
                             const struct session *session,
                             uint64_t request_id);
/* By its grant, held or lost. */
struct acquire *acquire_find_grant(const struct engine *engine,
                                   uint64_t grant_id);
struct semaphore *semaphore_find(const struct engine *engine, const char *name);
/* The one with the longest prefix of the name. */
struct semaphore *template_find(const struct engine *engine, const char *name);
/* The part of an acquire on a semaphore. */
struct part *part_find(const struct engine *engine,
                       const struct acquire *acquire,
                       const struct semaphore *semaphore);

/* The session's acquires in one state. */
struct list *engine_session_list(struct session *session,
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
 * said PERMIT_OK. A RATE that is restored has no tokens. What changes of
 * per_session must be swept, see sweep. */
struct semaphore *semaphore_add(struct engine *engine, const char *name,
                                const struct engine_definition *definition);
void semaphore_change(struct engine *engine, struct semaphore *semaphore,
                      const struct engine_definition *definition);
struct engine_definition
semaphore_definition(const struct engine *engine,
                     const struct semaphore *semaphore);

/* A template made it, for a session that may be gone; or it is defined by its
 * own name from now on. */
void semaphore_set_maker(struct engine *engine, struct semaphore *semaphore,
                         uint32_t template_bytes, uint64_t maker_id);
void semaphore_unset_maker(struct engine *engine, struct semaphore *semaphore);

/* Made when it is first asked for. */
struct rarity *semaphore_rarity(struct engine *engine,
                                struct semaphore *semaphore);

/* Of a RATE. It has its burst at first, and nothing after a restart; it is up
 * to date: what was restored starts with the clock. */
void semaphore_start_bucket(struct engine *engine, struct semaphore *semaphore,
                            const struct engine_definition *definition);
struct bucket *semaphore_bucket(const struct engine *engine,
                                const struct semaphore *semaphore);

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

/* Counts what a session holds of it from now on: one more, one less. */
void semaphore_share(struct engine *engine, const struct semaphore *semaphore,
                     struct session *session, int64_t permits);

/* What a session holds of it; it has a per_session. */
uint64_t semaphore_share_of(const struct engine *engine,
                            const struct semaphore *semaphore,
                            const struct session *session);

/* Frees its name. It stays until semaphore_remove_if_idle() finds no grants. */
void semaphore_delete(struct engine *engine, struct semaphore *semaphore);
void semaphore_remove_if_idle(struct engine *engine,
                              struct semaphore *semaphore);

/* Permits that are free: negative after a shrink, or in shadow. Tokens, of now.
 */
int64_t semaphore_free_permits(const struct engine *engine,
                               const struct semaphore *semaphore);

/* When a RATE would have so many tokens, counted without its burst. */
uint64_t semaphore_tokens_ns(const struct engine *engine,
                             const struct semaphore *semaphore,
                             uint64_t tokens);

/* No grant, no waiter, all permits and tokens there. */
bool semaphore_is_idle(const struct engine *engine,
                       const struct semaphore *semaphore);

/* In its queue; 0 if nobody waits. */
uint32_t semaphore_first_place(const struct engine *engine,
                               const struct semaphore *semaphore);

/* Has tokens that come fall due when they let something happen. */
void semaphore_arm(struct engine *engine, struct semaphore *semaphore);

/* Tokens that were not used come back, as far as there is room. */
void semaphore_refund(struct engine *engine, struct semaphore *semaphore,
                      uint32_t permits);

/* Something happened that may let its first waiter be served. */
void semaphore_mark_to_be_served(struct engine *engine,
                                 struct semaphore *semaphore);

/* Takes the first of those that are marked from their list. */
void semaphore_unmark_first(struct engine *engine);

/* Takes permits, which must be free but in shadow, for the grant of a record.
 * Without an acquire_hold_part() they are taken for good. */
void semaphore_take(struct engine *engine, struct semaphore *semaphore,
                    const struct engine_record *record);

/* A new one without a state or parts; there must be room for the state that
 * follows, and no other of its id but a lost one, which is forgotten. */
struct acquire *acquire_add(struct engine *engine, struct session *session,
                            uint64_t request_id);

/* Moves it to another of its session's lists; 0 is none. */
void acquire_set_state(struct engine *engine, struct acquire *acquire,
                       uint8_t state);

/* Forgets it. It must not be held. */
void acquire_remove(struct engine *engine, struct acquire *acquire);

/* Puts it into one more queue, with a key; then it waits. deadline_ns may be
 * TIME_NEVER. */
void acquire_queue(struct engine *engine, struct acquire *acquire,
                   struct semaphore *semaphore, uint32_t permits, bool consume,
                   uint64_t key_ns, uint64_t number);
void acquire_wait(struct engine *engine, struct acquire *acquire,
                  uint64_t deadline_ns);

/* Takes it out of its queues, and marks the semaphores. */
void acquire_unqueue(struct engine *engine, struct acquire *acquire);

/* Is it over the share of its session, on one of its semaphores? */
bool acquire_is_over_share(const struct engine *engine,
                           const struct acquire *acquire);

/* While it waits: enum engine_aside, added up. Marks its semaphores if it is
 * set aside now, or put back. */
void acquire_set_aside(struct engine *engine, struct acquire *acquire,
                       unsigned aside);

/* It is held; its hold counts from now. It must be in no queue. Then it gets
 * its parts, one a record. */
void acquire_hold(struct engine *engine, struct acquire *acquire,
                  const struct engine_record *record);
void acquire_hold_part(struct engine *engine, struct acquire *acquire,
                       struct semaphore *semaphore,
                       const struct engine_record *record);

/* The hold that was asked for, capped by the semaphores that it holds of; 0 has
 * no limit. And of two limits the smaller. */
int64_t acquire_capped_hold(const struct engine *engine,
                            const struct acquire *acquire, int64_t hold_ms);
int64_t hold_smaller(int64_t hold_ms, int64_t other_ms);

/* Its hold counts anew from now; 0 has no limit. */
void acquire_renew(struct engine *engine, struct acquire *acquire,
                   int64_t hold_ms);

/* Gives back some of a part, or all of it: then the part is no more. */
void acquire_give_back(struct engine *engine, struct acquire *acquire,
                       struct part *part, uint32_t permits);

/* Its RATE parts are over. */
void acquire_settle(struct engine *engine, struct acquire *acquire);

/* Gives back all that it holds, and removes it, or its deleted semaphores' last
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
