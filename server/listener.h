/* SPDX-License-Identifier: MIT */
#ifndef LISTENER_H
#define LISTENER_H

/* Listening sockets from addresses as people write them: "HOST:PORT",
 * "[::1]:PORT", "unix:PATH". It accepts nothing itself.
 *
 * Law: an address that is not loopback is refused unless the caller says that
 * it may be insecure; a socket file is replaced only if nobody serves it. */

#include <stdbool.h>
#include <stddef.h>

#define LISTENER_TEXT_BYTES 192

enum listener_result {
    LISTENER_OPEN = 1,
    LISTENER_INVALID,    /* The address makes no sense, or is insecure. */
    LISTENER_UNAVAILABLE /* It is not to be had. */
};

/* Is address one of these forms, its host no other than loopback where that can
 * be told without asking anybody for names? Sets error to a sentence if not. */
bool listener_check(const char *address, bool insecure,
                    char error[LISTENER_TEXT_BYTES]);

/* Opens a socket that listens, non-blocking and close-on-exec. Sets *ret_fd,
 * the caller's, and bound to the address with its real port; or error to a
 * sentence. */
enum listener_result listener_open(const char *address, bool insecure,
                                   int *ret_fd, char bound[LISTENER_TEXT_BYTES],
                                   char error[LISTENER_TEXT_BYTES]);

#endif
