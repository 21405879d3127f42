/* SPDX-License-Identifier: MIT */
#ifndef CLIENT_FORK_MARK_H
#define CLIENT_FORK_MARK_H

/* Tells a child after fork() from the process that made a client, without a
 * system call: a page that the kernel wipes in a child (MADV_WIPEONFORK, Linux
 * 4.14). A child of vfork(), which shares all memory, is its parent here. */

#include <stdbool.h>

/* Returns NULL with errno set if there is no memory for it. */
const volatile int *fork_mark_create(void);

/* Accepts NULL. */
void fork_mark_destroy(const volatile int *mark);

static inline bool fork_mark_is_child(const volatile int *mark)
{
    return *mark == 0;
}

#endif
