/* SPDX-License-Identifier: MIT */
#ifndef CLI_ACQUIRE_H
#define CLI_ACQUIRE_H

/* The acquire of run, hold and take: with progress, and ended by a signal. */

#include "options.h"

/* Acquires what the options ask for. A session that is lost while it waits is
 * replaced, unless `consume`. Returns 0 with *ret_grant (NULL to consume);
 * else it has said why, and the result is the exit code: 128 and the signal if
 * one came, see signals.h. */
int acquire(const struct options *options, struct permit_client *client,
            bool consume, struct permit_grant **ret_grant);

#endif
