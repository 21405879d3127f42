/* SPDX-License-Identifier: MIT */
#include "pool.h"

#include <stdlib.h>
#include <string.h>

bool pool_init(struct pool *pool, size_t item_bytes, uint32_t capacity)
{
    assert(item_bytes >= sizeof(pool->free));
    memset(pool, 0, sizeof(*pool));
    /* Item 0 is never used. */
    pool->items = calloc((size_t)capacity + 1, item_bytes);
    if (pool->items == NULL) {
        return false;
    }
    pool->stride = item_bytes;
    pool->capacity = capacity;
    return true;
}

void pool_deinit(struct pool *pool)
{
    free(pool->items);
    memset(pool, 0, sizeof(*pool));
}

uint32_t pool_take(struct pool *pool)
{
    uint32_t index;

    if (pool->free != 0) {
        index = pool->free;
        memcpy(&pool->free, pool_at(pool, index), sizeof(pool->free));
        memset(pool_at(pool, index), 0, pool->stride);
    } else if (pool->fresh < pool->capacity) {
        index = ++pool->fresh; /* Zeroes from calloc. */
    } else {
        return 0;
    }
    pool->used++;
    assert(pool->used <= pool->capacity);
    return index;
}

void pool_give(struct pool *pool, uint32_t index)
{
    assert(pool->used > 0);
    memcpy(pool_at(pool, index), &pool->free, sizeof(pool->free));
    pool->free = index;
    pool->used--;
}
