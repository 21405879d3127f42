/* SPDX-License-Identifier: MIT */
#ifndef OUTCOME_H
#define OUTCOME_H

/* What a holder left for those who joined it: one copy of its bytes for all of
 * them.
 *
 * It knows neither who they are nor what the bytes say. */

#include <stdint.h>

struct outcome {
    uint32_t users;
    uint32_t length;
    uint8_t bytes[];
};

/* Returns a copy with one user, or NULL without memory. */
struct outcome *outcome_create(const uint8_t *bytes, uint32_t length);

/* One user less, the last frees it. Accepts NULL. */
void outcome_drop(struct outcome *outcome);

#endif
