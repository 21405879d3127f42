/* SPDX-License-Identifier: MIT */
#ifndef ID_TABLE_H
#define ID_TABLE_H

/* Entries by an id that rises, in the order of their ids. It owns no entry and
 * takes no memory: entries are embedded in what they stand for.
 *
 * Law: adding cannot fail, so that an answer never finds the table full. */

#include <stddef.h>
#include <stdint.h>

#define ID_TABLE_BUCKETS 1024u /* Ids are dense, so their low bits spread. */

struct id_entry {
    uint64_t id;
    struct id_entry *chain; /* The next of its bucket. */
    struct id_entry *next;
    struct id_entry *previous;
};

struct id_table {
    struct id_entry *buckets[ID_TABLE_BUCKETS];
    struct id_entry *first; /* The lowest id; NULL: empty. */
    struct id_entry *last;
};

/* Adds an entry whose id is set and above all others in the table. */
void id_table_add(struct id_table *table, struct id_entry *entry);

/* Removes an entry that is in the table. */
void id_table_remove(struct id_table *table, struct id_entry *entry);

/* Returns the entry, or NULL. */
struct id_entry *id_table_find(const struct id_table *table, uint64_t id);

#endif
