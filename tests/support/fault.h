/* SPDX-License-Identifier: MIT */
#ifndef FAULT_H
#define FAULT_H

/* Allocations that fail when the test says so: malloc, calloc and realloc of
 * everything that is linked with --wrap for these three.
 *
 * Law: only between fault_begin() and fault_end() is anything counted or made
 * to fail, so that the test's own library lives. */

#include <stdbool.h>
#include <stddef.h>

/* From now on the n-th allocation (1 is the next) fails; with `all`, every
 * later one too. 0 disarms. */
void fault_arm(size_t n, bool all);

/* What is called from here to fault_end() is put to the test. */
void fault_begin(void);
void fault_end(void);

/* How many allocations there were since fault_arm(). */
size_t fault_count(void);

#endif
