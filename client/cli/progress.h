/* SPDX-License-Identifier: MIT */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

/* What people see on stderr while an acquire waits.
 *
 * It draws only when it is told something: it has no clock of its own. */

#include "options.h"

struct progress {
    const struct options *options;
    enum progress_style style; /* What AUTO comes to. */
    uint64_t position;         /* That was said last; 0: none. */
    int64_t said_at_ms;
    int64_t began_at_ms;
};

void progress_init(struct progress *progress, const struct options *options);

/* For permit_acquire_request.on_waiting; arg is a struct progress. */
void progress_waiting(void *arg, const struct permit_waiting *waiting);

/* The wait is over. Says so if anything was said before, and it is a grant. */
void progress_end(struct progress *progress, bool is_granted);

/* Writes the line without its end to buffer, for the test's sake apart. */
void progress_format(char *buffer, size_t bytes, const struct options *options,
                     const struct permit_waiting *waiting, int64_t waited_ms);

#endif
