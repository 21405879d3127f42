/* SPDX-License-Identifier: MIT */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

/* How the load generator speaks to each server: the bytes of a pair, and how
 * its answers are counted. It knows no socket.
 *
 * Law: a request is written the way its own clients write it, and an answer of
 * the wrong kind is an error, not a fast answer. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PEER_SETUP_BYTES_MAX 1024
#define PEER_REQUEST_BYTES_MAX 512 /* Of one acquire or one release. */

/* What a peer remembers of a connection; zero it but for its number. */
struct peer_state {
    uint32_t connection; /* Its number, which names its semaphore. */
    uint64_t request_id; /* permitd: of the latest request. */
    const char *script;  /* Redis: the SHA-1 of the loaded Lua script. */
};

struct peer {
    const char *name;
    /* Writes what a connection says first; *ret_answers come to it. */
    size_t (*setup)(struct peer_state *state, uint8_t *bytes,
                    uint32_t *ret_answers);
    /* Writes one acquire, or the release of the latest acquire. is_first: it is
     * the first request of a batch. */
    size_t (*acquire)(struct peer_state *state, uint8_t *bytes, bool is_first);
    size_t (*release)(struct peer_state *state, uint8_t *bytes);
    /* Counts the whole answers at the front of bytes, which occupy *ret_used;
     * negative if one is of the wrong kind. */
    int64_t (*count)(const uint8_t *bytes, size_t length, size_t *ret_used);
    bool counts_bytes; /* The echo: every byte is an answer. */
};

/* Returns NULL if there is no peer of that name. */
const struct peer *peer_find(const char *name);

#endif
