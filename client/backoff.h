/* SPDX-License-Identifier: MIT */
#ifndef BACKOFF_H
#define BACKOFF_H

/* When a client may try to connect, and what it says at once meanwhile: the
 * pace of its attempts, and a circuit breaker over them.
 *
 * It connects nowhere, reads no clock and has no lock. Whoever connects says
 * when an attempt begins and how it ended, asks backoff_refuses() for each
 * caller that needs a line, and comes back at backoff_next_ns() for a line that
 * is wanted although nobody calls.
 *
 * Law: of a daemon that is away, at most one caller in each interval between
 * attempts has to wait for one; all others learn at once what the last one met.
 * The n-th failure in a row makes an interval of anything from 0 to
 * 100 ms x 2^(n-1), at most 10 s, by chance, so that clients that lost their
 * daemon together do not come back together. One success forgets all. */

#include <stdbool.h>
#include <stdint.h>

#include "core.h"

#define BACKOFF_RANGE_MIN_MS 100
#define BACKOFF_RANGE_MAX_MS 10000
#define BACKOFF_RETRY_AFTER_MAX_MS 3600000 /* Of what a server may ask for. */

struct backoff {
    uint64_t random;   /* The generator's state. */
    uint32_t failures; /* Attempts in a row. */
    bool is_trying;
    int64_t floor_ns; /* The server: no earlier. */
    int64_t next_ns;
    enum permit_status status; /* Of the line that ended last. */
    char text[CORE_TEXT_BYTES];
};

/* In place; nothing is to be undone. Clients with one seed go in step. */
void backoff_init(struct backoff *backoff, uint64_t seed);

/* An attempt begins, whoever asked for it. Not while one is under way. */
void backoff_begin(struct backoff *backoff);

/* The attempt made a session. */
void backoff_succeed(struct backoff *backoff);

/* The line is closed: an attempt failed, or a session has lost its line. The
 * latter is no failure: who calls next connects at once, unless Goaway said how
 * long not to (0: it did not). */
void backoff_end(struct backoff *backoff, int64_t now_ns,
                 int64_t retry_after_ms, enum permit_status status,
                 const char *text);

/* A caller comes, and there is no session. Returns true if it is to be told
 * status and text instead of waiting for one. */
bool backoff_refuses(const struct backoff *backoff, int64_t now_ns);

/* How long that lasts, rounded up; 0 if it is not known, for an attempt is
 * under way. */
int64_t backoff_refuses_ms(const struct backoff *backoff, int64_t now_ns);

/* When an attempt that nobody called for may begin, also after a session's own
 * end; CORE_NEVER while one is under way. */
int64_t backoff_next_ns(const struct backoff *backoff);

#endif
