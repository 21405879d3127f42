/* SPDX-License-Identifier: MIT */
#ifndef LABELS_H
#define LABELS_H

/* The labels of one session's acquires, by the acquire's id: kept while the
 * acquire waits or its grant lives, only to be shown.
 *
 * It does not know which acquires those are: who keeps them drops them.
 *
 * Law: ids rise, as acquires come in the order of their ids. */

#include <stdbool.h>
#include <stdint.h>

#include "permit/info.h"

struct labels_entry {
    uint64_t acquire_id;
    struct permit_label *labels; /* NULL: dropped. */
    uint32_t labels_count;
};

/* In the order of the ids. Zeroed, it keeps none. */
struct labels {
    struct labels_entry *entries;
    uint32_t capacity;
    uint32_t count; /* Of entries, those that are dropped too. */
    uint32_t kept;
};

/* Drops all. */
void labels_deinit(struct labels *labels);

/* Keeps a copy of 1 or more labels; the id is above all that were kept before.
 * Returns false without memory: nothing changed then. */
bool labels_keep(struct labels *labels, uint64_t acquire_id,
                 const struct permit_label *from, uint32_t count);

/* Drops those of an acquire, if it has any. */
void labels_drop(struct labels *labels, uint64_t acquire_id);

/* Returns how many labels an acquire has. They are set in *ret_labels, NULL if
 * there are none, until they are dropped. */
uint32_t labels_find(const struct labels *labels, uint64_t acquire_id,
                     const struct permit_label **ret_labels);

/* Returns a copy of 1 or more labels and their texts, in one piece of memory to
 * be freed with free(); or NULL without memory. */
struct permit_label *labels_copy(const struct permit_label *from,
                                 uint32_t count);

#endif
