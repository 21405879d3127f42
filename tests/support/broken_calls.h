/* SPDX-License-Identifier: MIT */
#ifndef BROKEN_CALLS_H
#define BROKEN_CALLS_H

/* System calls that fail when the test says so: those of all that is linked
 * with BROKEN_CALLS_WRAP of tests/unit/client.cmake. One that fails does so in
 * one of the ways that the system has for it, a short read too.
 *
 * The name "permitd.test" is 127.0.0.1: nobody else is asked for it.
 *
 * Law: only what a thread calls between calls_begin() and calls_end(), and what
 * the threads call that it starts there, is counted or made to fail. */

#include <stdbool.h>
#include <stddef.h>

/* From now on the n-th call (1 is the next) fails, in the way of this number,
 * modulo the ways that the call has; with `all` every later one too, in the way
 * that no later try mends. 0 disarms. */
void calls_arm(size_t n, bool all, unsigned way);

void calls_begin(void);
void calls_end(void);

/* Is this thread one of those whose calls are put to the test? And is it in one
 * that takes memory for itself? */
bool calls_are_on(void);
bool calls_take_memory(void);

/* How many calls there were since calls_arm(). */
size_t calls_count(void);

/* The call that failed first since then, and in how many ways it can; NULL if
 * none did. */
const char *calls_failed(unsigned *ret_ways);

#endif
