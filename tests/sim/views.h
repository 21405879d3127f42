/* SPDX-License-Identifier: MIT */
#ifndef SIM_VIEWS_H
#define SIM_VIEWS_H

/* Compares what the engine's views show with the model's state. */

#include "engine.h"
#include "model.h"
#include "random.h"

/* Compares everything. Returns what differs, or NULL; constant. */
const char *views_compare(const struct engine *engine,
                          const struct model *model, struct random *random);

/* The same for an engine that was made with first_fence and restored from
 * records: without waiters and time. */
const char *views_compare_restored(const struct engine *engine,
                                   const struct model *model,
                                   uint64_t first_fence);

#endif
