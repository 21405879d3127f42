/* SPDX-License-Identifier: MIT */
#ifndef CLI_GUARD_H
#define CLI_GUARD_H

/* The guard of `permit run`: a small process between the wrapper, which has the
 * session, and the command.
 *
 * It starts the command once the wrapper has the permit, adopts what the
 * command leaves behind, and holds a copy of the connection. It does not know
 * the daemon, nor what it is entrusted with.
 *
 * Law: only when the command and all its descendants are dead is the copy
 * closed, and what was entrusted carried out; so the daemon sees the end of the
 * line, or of the session, and gives the permit to another, only after that,
 * however the wrapper ends. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "guard_line.h"

struct guard;

struct guard_command {
    char *const *argv; /* Ends with NULL. */
    bool own_group;    /* Else it is in this process's group. */
    bool no_stdin;     /* It reads /dev/null. */
    /* Carried out by the guard when this process has ended without
     * guard_entrust() of nothing, and everybody is dead. */
    void (*on_orphaned)(const void *entrusted);
};

enum guard_report_type {
    GUARD_REPORT_STARTED = 1, /* The command runs. */
    GUARD_REPORT_FAILED,      /* It could not be started: see error. */
    GUARD_REPORT_ENDED,       /* All are dead. */
    GUARD_REPORT_GONE         /* The guard was killed. */
};

struct guard_report {
    enum guard_report_type type;
    int code;         /* ENDED: the command's exit code, or 128 + signal. */
    bool by_deadline; /* ENDED: the guard killed them at the deadline. */
    int error;        /* FAILED: the errno, */
    bool before_exec; /* and whether exec was not even tried. */
};

/* Forks the guard, and makes this process the subreaper behind it. The process
 * must have one thread only. `command` is borrowed. Returns 0, or a negative
 * errno. */
int guard_create(const struct guard_command *command, struct guard **ret_guard);

/* Kills what runs, if anything does, and frees it; blocks until it is dead. */
void guard_destroy(struct guard *guard);

/* Hands the guard what it is to do alone, at most GUARD_TEXT_BYTES bytes (0:
 * nothing any more), and a copy of `connection` (-1: it keeps the one it has).
 * Returns 0 or a negative errno. */
int guard_entrust(struct guard *guard, const void *entrusted, size_t bytes,
                  int connection);

/* Starts the command. The guard adds `environment` (NAME=VALUE, each with its
 * NUL) to the command's, and kills at deadline_ms (CLOCK_BOOTTIME). Returns 0
 * or a negative errno. */
int guard_go(struct guard *guard, const char *environment,
             size_t environment_bytes, int64_t deadline_ms);

/* Moves the deadline. */
void guard_set_deadline(struct guard *guard, int64_t deadline_ms);

/* Passes a signal on to the command and its descendants; from_terminal: but for
 * those whom the terminal has sent it. */
void guard_signal(struct guard *guard, int signal, bool from_terminal);

/* Readable when guard_receive() does not block; -1 after GUARD_REPORT_GONE. */
int guard_fd(const struct guard *guard);

/* Waits for the next report. After GONE the caller calls guard_take_over(). */
void guard_receive(struct guard *guard, struct guard_report *ret_report);

/* The guard is killed: kills what it has left behind, and blocks until it is
 * dead. */
void guard_take_over(struct guard *guard);

/* Kills the guard itself: for one that does not do its work. */
void guard_kill(struct guard *guard);

#endif
