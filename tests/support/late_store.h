/* SPDX-License-Identifier: MIT */
#ifndef LATE_STORE_H
#define LATE_STORE_H

/* A store that becomes durable late: exactly when the test says so.
 *
 * It keeps all records in memory, so that a test can play them back. It writes
 * nothing anywhere.
 *
 * Law: it never ends the test by itself. What its user did wrong (a batch while
 * one is under way, a gap in the seq) is kept for late_store_violation(). */

#include <stddef.h>
#include <stdint.h>

#include "store/store.h"

struct late_store;

/* Returns NULL without memory. */
struct late_store *late_store_create(void);

/* Accepts NULL; the same as the store's own destroy(). */
void late_store_destroy(struct late_store *late);

/* The store that it is, for the gate. Lives as long as *late. */
struct store *late_store_as_store(struct late_store *late);

/* Makes all up to seq durable, as far as it was put; the rest of the batch
 * stays under way. */
void late_store_advance(struct late_store *late, uint64_t seq);

/* Makes all that was put durable: no batch is under way. */
void late_store_finish(struct late_store *late);

/* From now on nothing becomes durable, and put() is UNAVAILABLE. */
void late_store_fail(struct late_store *late);

/* All records that were put, in order; until the next put(). Those up to
 * durable_seq are the first. */
const struct engine_record *late_store_records(const struct late_store *late,
                                               size_t *ret_count);

/* How many batches were put. */
size_t late_store_batches(const struct late_store *late);

/* The first breach of store.h by the user of the store, or NULL. */
const char *late_store_violation(const struct late_store *late);

#endif
