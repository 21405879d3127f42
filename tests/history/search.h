/* SPDX-License-Identifier: MIT */
#ifndef SEARCH_H
#define SEARCH_H

/* Is there an order of the operations on one semaphore that a semaphore with
 * one queue could have done, each between its asking and its answer? Wing and
 * Gong's search, by brute force: for small histories.
 *
 * It knows a sequential semaphore and nothing else: no fault, no session. So it
 * searches only what was answered in full, from clients whose sessions end with
 * their lines.
 *
 * Law: SEARCH_WRONG means that every order was tried. */

#include "history.h"

#define SEARCH_OPERATIONS_MAX 60

enum search_result {
    SEARCH_RIGHT = 1,
    SEARCH_WRONG,
    SEARCH_SKIPPED, /* Too many operations, or some that it does not know. */
    SEARCH_GIVEN_UP /* Too many orders. */
};

enum search_result search_semaphore(const struct history *history,
                                    size_t semaphore);

#endif
