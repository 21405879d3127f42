/* SPDX-License-Identifier: MIT */
#ifndef SIM_PIPELINE_H
#define SIM_PIPELINE_H

/* The way of effects to clients: through the real gate, over a store that is
 * durable late, or fails.
 *
 * Each frame has its own number in its bytes. Checked is the gate's law: no
 * frame leaves before the newest record at the time it was made is durable; to
 * one connection in order, none lost, none twice, none changed; only those that
 * pass may overtake, and they do not wait. */

#include "engine.h"
#include "random.h"

struct pipeline;

/* Returns NULL without memory. */
struct pipeline *pipeline_create(uint64_t seed);

/* Accepts NULL. */
void pipeline_destroy(struct pipeline *pipeline);

/* Takes an effect: a record to the batch, anything else as a frame to its
 * session. */
void pipeline_effect(struct pipeline *pipeline,
                     const struct engine_effect *effect);

/* The event is done. Perhaps the turn ends, a batch becomes durable, a Ping is
 * answered, a connection goes, or the store fails. Returns what was broken, or
 * NULL; constant. */
const char *pipeline_step(struct pipeline *pipeline);

/* Makes everything durable, if the store has not failed, and sees that nothing
 * is left. Returns as pipeline_step(). */
const char *pipeline_finish(struct pipeline *pipeline);

/* The records of the run that the store has, in order. *ret_complete: all of
 * them? */
const struct engine_record *pipeline_records(const struct pipeline *pipeline,
                                             size_t *ret_count,
                                             bool *ret_complete);

#endif
