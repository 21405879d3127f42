/* SPDX-License-Identifier: MIT */
#ifndef CLI_FAMILY_H
#define CLI_FAMILY_H

/* The children of this process: a command, and what it adopted of the
 * command's descendants as a subreaper.
 *
 * It starts nobody and decides nothing: it signals, kills and buries.
 *
 * Law: the dead command stays a zombie until all others are gone, so the
 * number of its group cannot become a stranger's. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct family {
    pid_t command;       /* 0: none, or buried. */
    pid_t group;         /* The command's own group; 0 if it has none. */
    bool command_ended;  /* Then command_code says how. */
    int command_code;    /* Its exit code, or 128 and its signal. */
    const pid_t *spared; /* Children that are no part of it. */
    size_t spared_count;
    /* Its own, zero at first: the last INT, TERM, HUP or QUIT that was sent,
     * and the children who have been sent it. */
    int ending_signal;
    pid_t ending_foreground;
    pid_t *asked;
    size_t asked_count;
};

/* Lists the children that this process has. On 0 the caller frees
 * *ret_children; else it is a negative errno. Those that come and go meanwhile
 * may be missing. */
int family_list_children(pid_t **ret_children, size_t *ret_count);

/* Buries the dead. Returns true once nobody is left. */
bool family_reap(struct family *family);

/* Sends a signal to everybody it can name: the command's group, or without one
 * the command, and the other children. If the terminal has sent it already to
 * its group `foreground` (else 0), those are left out. */
void family_signal(struct family *family, int signal, pid_t foreground);

/* Without a group only the command was sent it, and what an ended command
 * leaves comes here generation by generation: each, once, is sent the INT,
 * TERM, HUP or QUIT that the command was sent. */
void family_end_adopted(struct family *family);

/* Kills until nobody is left. SIGCHLD must be blocked. */
void family_kill(struct family *family);

#endif
