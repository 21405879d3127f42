/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_TABLE_H
#define ENGINE_TABLE_H

/* A hash table of indexes: buckets of fixed number, chained.
 *
 * It never grows, so it neither allocates nor stalls. It knows no keys: the
 * caller hashes, walks the chain and compares.
 *
 * Law: an index is in at most one chain. No effect may follow the order of a
 * chain. */

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

struct table {
    uint32_t *buckets;
    uint32_t *next; /* By index. */
    uint32_t mask;
};

/* For indexes 1 to capacity, of which at most count_max are in it at once: one
 * or two a bucket then. Returns false without memory; table_deinit() then is
 * due all the same. */
bool table_init(struct table *table, uint32_t capacity, uint32_t count_max);

/* Accepts a table of zeroes, or one that is half made. */
void table_deinit(struct table *table);

void table_insert(struct table *table, uint64_t hash, uint32_t index);

/* The index must be there. */
void table_remove(struct table *table, uint64_t hash, uint32_t index);

/* The first of a chain; 0 ends it. */
static inline uint32_t table_first(const struct table *table, uint64_t hash)
{
    return table->buckets[hash & table->mask];
}

static inline uint32_t table_next(const struct table *table, uint32_t index)
{
    assert(index != 0);
    return table->next[index];
}

/* Mixes a number that a peer may choose so that he cannot foresee the result.
 */
static inline uint64_t table_mix(uint64_t number, uint64_t key)
{
    uint64_t mixed = number ^ key;

    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    return mixed ^ (mixed >> 31);
}

#endif
