/* SPDX-License-Identifier: MIT */
#ifndef SIM_LAWS_H
#define SIM_LAWS_H

/* What must hold of a semaphore daemon whatever its rules in detail are:
 * checked from what the engine tells, without the model.
 *
 * Each request exactly one final answer; all parts of an acquire, or none;
 * fences only grow; a record comes before the answer that tells of it, and a
 * grant is told as soon as it is recorded. What must hold of permits, and of
 * the order, is in laws_permits.h and laws_order.h. */

#include "engine.h"

struct laws;

/* Returns NULL without memory. */
struct laws *laws_create(int64_t priority_step_ms);

/* Accepts NULL. */
void laws_destroy(struct laws *laws);

/* The daemon was started again: nobody waits, nobody has a connection. */
void laws_restart(struct laws *laws);

/* An event, before it is applied; what it borrows is there until the next. */
void laws_event(struct laws *laws, const struct engine_event *event);

/* Its effects, one by one, records too. */
void laws_effect(struct laws *laws, const struct engine_effect *effect);

/* The event is done. Returns what was broken, or NULL; constant. */
const char *laws_check(struct laws *laws, const struct engine *engine);

#endif
