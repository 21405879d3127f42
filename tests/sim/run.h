/* SPDX-License-Identifier: MIT */
#ifndef SIM_RUN_H
#define SIM_RUN_H

/* One run of the simulation: a seed's world against engine and model. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct run_options {
    uint64_t events;
    bool transcript; /* Print every event and effect. */
    bool own_checks; /* Call engine_check(), too. */
};

struct run_counts {
    uint64_t events;
    uint64_t effects;
    uint64_t continued; /* Events that needed engine_continue(). */
    uint64_t restarts;
};

/* Runs a seed, adding to *counts. Returns whether all went as it ought to; if
 * not, it has printed what went otherwise. */
bool run_seed(uint64_t seed, const struct run_options *options,
              struct run_counts *counts);

#endif
