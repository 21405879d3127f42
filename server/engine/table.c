/* SPDX-License-Identifier: MIT */
#include "table.h"

#include <stdlib.h>
#include <string.h>

bool table_init(struct table *table, uint32_t capacity, uint32_t count_max)
{
    uint32_t buckets = 1;

    while (buckets <= count_max / 2) {
        buckets *= 2;
    }
    table->mask = buckets - 1;
    table->buckets = calloc(buckets, sizeof(*table->buckets));
    table->next = calloc((size_t)capacity + 1, sizeof(*table->next));
    return table->buckets != NULL && table->next != NULL;
}

void table_deinit(struct table *table)
{
    free(table->buckets);
    free(table->next);
    memset(table, 0, sizeof(*table));
}

void table_insert(struct table *table, uint64_t hash, uint32_t index)
{
    uint32_t *bucket = &table->buckets[hash & table->mask];

    assert(index != 0);
    table->next[index] = *bucket;
    *bucket = index;
}

void table_remove(struct table *table, uint64_t hash, uint32_t index)
{
    uint32_t *link = &table->buckets[hash & table->mask];

    while (*link != index) {
        assert(*link != 0);
        link = &table->next[*link];
    }
    *link = table->next[index];
}
