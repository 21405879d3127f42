/* SPDX-License-Identifier: MIT */
#ifndef CLI_ACQUIRE_H
#define CLI_ACQUIRE_H

/* The acquire of run, hold and take, from the connection to the grant: with
 * progress, with as many attempts as --on-unreachable allows, and ended by a
 * signal.
 *
 * Law: until there is a grant, a signal ends it at once: nobody is kept by a
 * daemon that is away. */

#include "options.h"
#include "status_fd.h"

struct acquire {
    const struct options *options;
    struct status_fd *status; /* NULL: none. */
    int64_t began_at_ms;
    int64_t pause_ms;    /* The longest before the next attempt. */
    bool is_away_said;   /* Since the last connection. */
    bool is_unknown;     /* What became of it in a former session. */
    int64_t believed_ms; /* How long a new connection is believed in. */
    /* Called with each session that there is; may be NULL. */
    void (*on_session)(void *arg, struct permit_client *client);
    void *on_session_arg;
    struct permit_client *client; /* NULL: no connection. */
    struct permit_grant *grant;   /* NULL: none, or all was taken for good. */
    bool is_joined;               /* Instead; then this is what came. */
    struct permit_outcome outcome;
};

void acquire_init(struct acquire *acquire, const struct options *options,
                  struct status_fd *status);

/* Gives back the grant, and ends the session. */
void acquire_deinit(struct acquire *acquire);

/* Both return 0; else they have said why, and the result is the exit code: 128
 * and the signal if one came, see signals.h. */

/* Connects. */
int acquire_connect(struct acquire *acquire);

/* Acquires what the options ask for, with `consume` for good; connected anew if
 * it must be, unless something may have been taken for good. */
int acquire_grant(struct acquire *acquire, bool consume);

/* The request that the options ask for; `also` is to live as long. */
struct permit_acquire_request
acquire_request(const struct options *options, bool consume,
                struct permit_acquire_part also[PERMIT_PARTS_MAX - 1]);

#endif
