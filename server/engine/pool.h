/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_POOL_H
#define ENGINE_POOL_H

/* A fixed number of items of one size, known by their index from 1 on; 0 is
 * none.
 *
 * It takes its memory once, at the start, and touches an item's only when the
 * item is taken, so that generous limits cost nothing. It does not know what
 * its items are.
 *
 * Law: an index that was taken stays valid, and its item where it is, until it
 * is given back. */

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pool {
    unsigned char *items;
    size_t stride;
    uint32_t capacity;
    uint32_t fresh; /* The highest index that was ever taken. */
    uint32_t free;  /* The latest that was given back; the item links on. */
    uint32_t used;
};

/* Returns false without memory. item_bytes >= 4. */
bool pool_init(struct pool *pool, size_t item_bytes, uint32_t capacity);

/* Accepts a pool of zeroes. */
void pool_deinit(struct pool *pool);

/* Returns an item of zeroes, or 0 if all are taken. */
uint32_t pool_take(struct pool *pool);

void pool_give(struct pool *pool, uint32_t index);

static inline void *pool_at(const struct pool *pool, uint32_t index)
{
    assert(index > 0 && index <= pool->fresh);
    return pool->items + pool->stride * index;
}

#endif
