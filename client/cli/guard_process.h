/* SPDX-License-Identifier: MIT */
#ifndef CLI_GUARD_PROCESS_H
#define CLI_GUARD_PROCESS_H

/* The guard's own side: what the forked process does until it ends. guard.h
 * says what it is for. */

#include <signal.h>
#include <sys/types.h>

#include "guard.h"

/* What it inherits from the wrapper. */
struct guard_task {
    struct guard_command command;
    int line;              /* Its end of the pair. */
    sigset_t command_mask; /* The command's signal mask. */
    pid_t wrapper_group;
};

/* Runs the guard in this process, which must have one thread and all signals
 * blocked. Returns when everybody is dead; then the process must end at once,
 * which closes the copy of the connection. */
void guard_process(const struct guard_task *task);

#endif
