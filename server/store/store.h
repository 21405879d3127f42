/* SPDX-License-Identifier: MIT */
#ifndef STORE_STORE_H
#define STORE_STORE_H

/* Where records become durable: one small interface, for memory, disk and more
 * machines.
 *
 * A store takes batches of records, in the order of their seq, one batch at a
 * time, and says up to which seq they are durable. It does not know who waits
 * for that: the gate does.
 *
 * Law: durable_seq never falls, and what it covers is there after a crash, as
 * far as this kind of store promises anything (memory promises nothing). */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/engine.h"

struct store;

/* What each kind of store implements; the first member of its own struct. */
struct store {
    const char *kind; /* "memory", as JSON shows it. */
    bool survives_restart;
    /* Takes count >= 1 records, which are borrowed for the call. Not while
     * is_busy. Returns PERMIT_OK, or PERMIT_E_UNAVAILABLE if the store has
     * failed: nothing later will be durable. */
    enum permit_status (*put)(struct store *store,
                              const struct engine_record *records,
                              size_t count);
    /* Is a batch under way? */
    bool (*is_busy)(const struct store *store);
    /* The seq up to which all is durable. */
    uint64_t (*durable_seq)(const struct store *store);
    /* Accepts NULL. */
    void (*destroy)(struct store *store);
};

/* Forgets everything at a restart; durable at once. Returns NULL without
 * memory. */
struct store *store_memory_create(void);

#endif
