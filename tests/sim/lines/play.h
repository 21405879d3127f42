/* SPDX-License-Identifier: MIT */
#ifndef PLAY_H
#define PLAY_H

/* One run: a server, some clients, what disturbs them, and the laws, which are
 * looked at after every step. */

#include <stdbool.h>
#include <stdint.h>

#include "stage.h"

struct play_counts {
    uint64_t steps;
    uint64_t ms;       /* That passed. */
    uint64_t requests; /* That callers asked. */
    uint64_t sessions;
    uint64_t faults;
};

/* Adds to *counts. Returns whether all laws held; else it has said which did
 * not. */
bool play_seed(uint64_t seed, uint64_t steps, enum stage_voice voice,
               struct play_counts *counts);

#endif
