/* SPDX-License-Identifier: MIT */
#include "id_table.h"

#include <assert.h>

static struct id_entry **bucket_of(struct id_table *table, uint64_t id)
{
    return &table->buckets[id % ID_TABLE_BUCKETS];
}

void id_table_add(struct id_table *table, struct id_entry *entry)
{
    struct id_entry **bucket = bucket_of(table, entry->id);

    assert(table->last == NULL || table->last->id < entry->id);
    entry->chain = *bucket;
    *bucket = entry;
    entry->next = NULL;
    entry->previous = table->last;
    if (table->last == NULL) {
        table->first = entry;
    } else {
        table->last->next = entry;
    }
    table->last = entry;
}

void id_table_remove(struct id_table *table, struct id_entry *entry)
{
    struct id_entry **place = bucket_of(table, entry->id);

    while (*place != entry) {
        assert(*place != NULL);
        place = &(*place)->chain;
    }
    *place = entry->chain;
    if (entry->previous == NULL) {
        table->first = entry->next;
    } else {
        entry->previous->next = entry->next;
    }
    if (entry->next == NULL) {
        table->last = entry->previous;
    } else {
        entry->next->previous = entry->previous;
    }
}

struct id_entry *id_table_find(const struct id_table *table, uint64_t id)
{
    struct id_entry *entry = table->buckets[id % ID_TABLE_BUCKETS];

    while (entry != NULL && entry->id != id) {
        entry = entry->chain;
    }
    return entry;
}
