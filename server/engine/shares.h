/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_SHARES_H
#define ENGINE_SHARES_H

/* How many permits each session holds of each semaphore.
 *
 * It takes its memory once, at the start. It does not know sessions and
 * semaphores but by their indexes, from 1 on, nor what a session may hold.
 *
 * Law: there is an entry for a pair exactly while its permits are more than 0.
 */

#include "pool.h"
#include "table.h"

struct shares {
    struct pool pool;
    struct table by_pair;
    uint64_t secret;
};

/* For so many pairs at a time. Returns false without memory; shares_deinit()
 * then is due all the same. */
bool shares_init(struct shares *shares, uint32_t capacity, uint64_t secret);

/* Accepts zeroes, or what is half made. */
void shares_deinit(struct shares *shares);

/* What the session holds of the semaphore; 0 if nothing. */
uint64_t shares_get(const struct shares *shares, uint32_t session,
                    uint32_t semaphore);

/* There must be room for the pair, if it is new. permits > 0. */
void shares_add(struct shares *shares, uint32_t session, uint32_t semaphore,
                uint32_t permits);

/* The session must hold so many. permits > 0. */
void shares_sub(struct shares *shares, uint32_t session, uint32_t semaphore,
                uint32_t permits);

/* Asserts the law, and that all are found; O(capacity). Returns how many pairs
 * there are. */
uint32_t shares_check(const struct shares *shares);

#endif
