/* SPDX-License-Identifier: MIT */
#ifndef SIM_LAWS_ORDER_H
#define SIM_LAWS_ORDER_H

/* Whose turn it is, from events and effects alone: nobody is passed more often
 * than the semaphore lets pass while he is not set aside, so without a bypass
 * never, whatever his priority and the others'; and nobody waits who could be
 * served. So nobody starves. */

#include "engine.h"
#include "laws_permits.h"

struct order_laws;

/* `book` outlives it. Returns NULL without memory. */
struct order_laws *order_laws_create(const struct permit_laws *book);

/* Accepts NULL. */
void order_laws_destroy(struct order_laws *laws);

/* Nobody waits any more. */
void order_laws_restart(struct order_laws *laws);

/* An ACQUIRE, before it is applied. */
void order_laws_came(struct order_laws *laws, const struct engine_event *event,
                     uint64_t key_ns);

/* The acquire has its answer, or its session is gone: it waits no more. */
void order_laws_gone(struct order_laws *laws, uint64_t session_id,
                     uint64_t request_id);

/* The session has a connection, or not, or loses it at some time during the
 * event. */
enum laws_line { LAWS_LINE_IS_UP = 0, LAWS_LINE_MAY_BREAK, LAWS_LINE_IS_DOWN };
void order_laws_line(struct order_laws *laws, uint64_t session_id,
                     enum laws_line line);

/* An acquire is about to be granted: the book does not know it yet. Returns
 * what is broken, or NULL; constant. */
const char *order_laws_granted(struct order_laws *laws, uint64_t session_id,
                               uint64_t request_id);

/* The event is done: who came with it waits from now on. Returns as before. */
const char *order_laws_check(struct order_laws *laws,
                             const struct engine *engine);

#endif
