/* SPDX-License-Identifier: MIT */
#ifndef CLI_RUN_WATCH_H
#define CLI_RUN_WATCH_H

/* What `permit run` does while its command runs: passes signals on, keeps the
 * guard's deadline fresh, and stops the command when the permit is lost.
 *
 * Law: the command has its signal before its permit can be another's, and is
 * dead then, as far as anybody could know of the loss; but for
 * --on-lost=ignore.
 */

#include <sys/types.h>

#include "control.h"
#include "guard.h"
#include "options.h"
#include "status_fd.h"

struct run {
    const struct options *options;
    struct status_fd *status;
    struct guard *guard;
    struct permit_client *client;
    struct permit_grant *grant; /* NULL: it runs without a permit. */
    struct control *control;    /* NULL: its hold cannot be renewed. */
    int64_t deadline_ms;        /* What the guard was told with its go. */
    ino_t line; /* The connection that the guard has a copy of. */
    int64_t kill_after_ms;
    int outcome; /* See outcome.h; -1: there is no such file. */
    int output;  /* A copy of stdout for another's outcome; -1: none. */
};

struct run_result {
    struct guard_report report; /* ENDED; FAILED; or GONE, with its code. */
    bool is_lost;               /* The permit; said on stderr. */
};

/* Watches until the command and all its descendants are dead. */
void run_watch(struct run *run, struct run_result *ret_result);

#endif
