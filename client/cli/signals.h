/* SPDX-License-Identifier: MIT */
#ifndef CLI_SIGNALS_H
#define CLI_SIGNALS_H

/* The process's signals, as something to poll.
 *
 * A signal that the caller of `permit` ignores (nohup, a shell's background)
 * stays ignored. There is one for the whole process.
 *
 * Law: until signals_take_all(), a second INT, TERM, HUP or QUIT ends the
 * process at once, so nobody is kept by an answer that does not come. */

#include <stdbool.h>

/* Catches INT, TERM, HUP and QUIT. Returns 0 or a negative errno. */
int signals_catch(void);

/* Readable once one came; -1 before signals_catch(). */
int signals_fd(void);

/* While on, the first one ends the process at once too: for when there is
 * nothing to give back. Look at signals_ending() afterwards: one may have come
 * before. */
void signals_end_at_once(bool on);

/* Catches also USR1, USR2, WINCH, CONT and TSTP, to pass them on. */
void signals_take_all(void);

/* Returns the first INT, TERM, HUP or QUIT that came; 0 if none did. */
int signals_ending(void);

/* Takes one from the descriptor. Returns false if there is none. */
bool signals_next(int *ret_signal, bool *ret_from_terminal);

#endif
