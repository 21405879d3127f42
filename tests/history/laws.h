/* SPDX-License-Identifier: MIT */
#ifndef LAWS_H
#define LAWS_H

/* What must hold of any history, whatever the network and the processes did.
 *
 * The laws see what the clients saw, and nothing of the daemon. They are cheap
 * and know no order of the operations; search.h finds one where it can.
 *
 * Law: a history of a daemon that does what it promises breaks none of them:
 * where the stamps leave two readings, they take the one without fault. */

#include <stddef.h>
#include <stdint.h>

#include "history.h"

/* The first violation. */
struct verdict {
    int64_t at_ns; /* NEVER: none. */
    size_t semaphore;
    char text[512];
};

void verdict_init(struct verdict *verdict);

/* Keeps the earliest. */
__attribute__((format(printf, 4, 5))) void verdict_say(struct verdict *verdict,
                                                       int64_t at_ns,
                                                       size_t semaphore,
                                                       const char *format, ...);

/* Every request has one outcome, one that it may have: a timeout after its
 * wait, a release that is refused only after a loss. */
void laws_check_outcomes(const struct history *history,
                         struct verdict *verdict);

/* What was granted before another was asked for has the lower fence; no fence
 * and no grant is there twice. Who was queued before another came is not
 * passed. */
void laws_check_order(const struct history *history, struct verdict *verdict);

/* Nobody waits, and nobody is refused, where nobody can hold. */
void laws_check_waits(const struct history *history, struct verdict *verdict);

/* Where it came closest to too much belief. */
struct overlap {
    size_t semaphore;
    int64_t believed; /* 0: nobody ever believed. */
    int64_t permits;
};

/* At no instant is more believed in than there is. */
void laws_check_belief(const struct history *history, struct verdict *verdict,
                       struct overlap *ret_overlap);

/* In the end a counting semaphore has what was put in and not taken. */
void laws_check_values(const struct history *history, struct verdict *verdict);

#endif
