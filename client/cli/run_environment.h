/* SPDX-License-Identifier: MIT */
#ifndef CLI_RUN_ENVIRONMENT_H
#define CLI_RUN_ENVIRONMENT_H

/* What the command of `permit run` is told in its environment: PERMIT_*.
 *
 * Law: nothing of an outer run is left in it. */

#include "guard_line.h"
#include "options.h"

struct environment {
    char text[GUARD_TEXT_BYTES]; /* NAME=VALUE, each with its NUL. */
    size_t bytes;
};

/* Forgets what an outer run has told this process: the command has a grant of
 * its own, or none. Returns how deep the outer run is. */
long environment_take_outer(void);

void environment_add(struct environment *environment, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Fills it with what was acquired. Grant is NULL if all of it was taken for
 * good: nothing is told then that nobody could look at any more. */
void environment_fill(struct environment *environment,
                      const struct options *options,
                      struct permit_client *client,
                      const struct permit_grant *grant, long depth);

#endif
