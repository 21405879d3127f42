/* SPDX-License-Identifier: MIT */
#ifndef SIM_LAWS_SLOTS_H
#define SIM_LAWS_SLOTS_H

/* What must hold of slots, from the records and answers alone: a grant of a
 * semaphore with slots gets one a permit, below the semaphore's permits and
 * nobody else's; it is told those that are recorded; of others it gets none. */

#include "engine.h"

struct slot_laws;

/* Returns NULL without memory. */
struct slot_laws *slot_laws_create(void);

/* Accepts NULL. */
void slot_laws_destroy(struct slot_laws *laws);

/* The next effect. Returns what is broken, or NULL; constant. */
const char *slot_laws_effect(struct slot_laws *laws,
                             const struct engine_effect *effect);

#endif
