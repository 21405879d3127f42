/* SPDX-License-Identifier: MIT */
#include "shares.h"

#include <string.h>

struct share {
    uint32_t session;
    uint32_t semaphore;
    uint64_t permits;
};

bool shares_init(struct shares *shares, uint32_t capacity, uint64_t secret)
{
    memset(shares, 0, sizeof(*shares));
    shares->secret = secret;
    return pool_init(&shares->pool, sizeof(struct share), capacity) &&
           table_init(&shares->by_pair, capacity, capacity);
}

void shares_deinit(struct shares *shares)
{
    pool_deinit(&shares->pool);
    table_deinit(&shares->by_pair);
}

static struct share *share_at(const struct shares *shares, uint32_t index)
{
    return pool_at(&shares->pool, index);
}

static uint64_t hash_of(const struct shares *shares, uint32_t session,
                        uint32_t semaphore)
{
    return table_mix((uint64_t)session << 32 | semaphore, shares->secret);
}

/* Returns 0 if the session holds nothing of it. */
static uint32_t find(const struct shares *shares, uint64_t hash,
                     uint32_t session, uint32_t semaphore)
{
    uint32_t index = table_first(&shares->by_pair, hash);

    while (index != 0 && (share_at(shares, index)->session != session ||
                          share_at(shares, index)->semaphore != semaphore)) {
        index = table_next(&shares->by_pair, index);
    }
    return index;
}

uint64_t shares_get(const struct shares *shares, uint32_t session,
                    uint32_t semaphore)
{
    uint32_t index =
        find(shares, hash_of(shares, session, semaphore), session, semaphore);

    return index == 0 ? 0 : share_at(shares, index)->permits;
}

void shares_add(struct shares *shares, uint32_t session, uint32_t semaphore,
                uint32_t permits)
{
    uint64_t hash = hash_of(shares, session, semaphore);
    uint32_t index = find(shares, hash, session, semaphore);

    assert(session != 0 && semaphore != 0 && permits > 0);
    if (index == 0) {
        index = pool_take(&shares->pool);
        assert(index != 0);
        share_at(shares, index)->session = session;
        share_at(shares, index)->semaphore = semaphore;
        table_insert(&shares->by_pair, hash, index);
    }
    share_at(shares, index)->permits += permits;
}

void shares_sub(struct shares *shares, uint32_t session, uint32_t semaphore,
                uint32_t permits)
{
    uint64_t hash = hash_of(shares, session, semaphore);
    uint32_t index = find(shares, hash, session, semaphore);
    struct share *share;

    assert(index != 0 && permits > 0);
    share = share_at(shares, index);
    assert(share->permits >= permits);
    share->permits -= permits;
    if (share->permits == 0) {
        table_remove(&shares->by_pair, hash, index);
        pool_give(&shares->pool, index);
    }
}

uint32_t shares_check(const struct shares *shares)
{
    uint32_t count = 0;

    for (uint32_t bucket = 0; bucket <= shares->by_pair.mask; bucket++) {
        for (uint32_t i = shares->by_pair.buckets[bucket]; i != 0;
             i = table_next(&shares->by_pair, i)) {
            const struct share *share = share_at(shares, i);

            assert(share->permits > 0);
            assert(find(shares,
                        hash_of(shares, share->session, share->semaphore),
                        share->session, share->semaphore) == i);
            count++;
        }
    }
    assert(count == shares->pool.used);
    return count;
}
