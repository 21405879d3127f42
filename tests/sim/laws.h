/* SPDX-License-Identifier: MIT */
#ifndef SIM_LAWS_H
#define SIM_LAWS_H

/* What must hold of a semaphore daemon whatever its rules in detail are:
 * checked from what the engine tells, without the model.
 *
 * Never more out than there are permits, but after a shrink; no value below
 * nothing; fences only grow; each request exactly one final answer; whoever
 * could be served does not wait; a record comes before the answer that tells of
 * it. */

#include "engine.h"

struct laws;

/* Returns NULL without memory. */
struct laws *laws_create(void);

/* Accepts NULL. */
void laws_destroy(struct laws *laws);

/* The daemon was started again: nobody waits, nobody has a connection. */
void laws_restart(struct laws *laws);

/* An event, before it is applied. */
void laws_event(struct laws *laws, const struct engine_event *event);

/* Its effects, one by one, records too. */
void laws_effect(struct laws *laws, const struct engine_effect *effect);

/* The event is done. Returns what was broken, or NULL; constant. */
const char *laws_check(struct laws *laws, const struct engine *engine);

#endif
