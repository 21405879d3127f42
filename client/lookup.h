/* SPDX-License-Identifier: MIT */
#ifndef LOOKUP_H
#define LOOKUP_H

/* Looks up a host's name in a thread of its own, so that nobody waits for the
 * system's resolver longer than he wants to: who gives up drops the lookup, and
 * its thread ends when the resolver does. */

#include <stdbool.h>

struct addrinfo;
struct lookup;

/* Starts; wake_fd, an eventfd that is not borrowed but duplicated, becomes
 * readable when it is done. Returns NULL without memory, descriptor or thread.
 */
struct lookup *lookup_start(const char *host, const char *port, int wake_fd);

/* Is it done? Then *ret_addresses is what was found, the lookup's own, or NULL
 * and *ret_text says why. */
bool lookup_is_done(const struct lookup *lookup,
                    const struct addrinfo **ret_addresses,
                    const char **ret_text);

/* Accepts NULL. */
void lookup_drop(struct lookup *lookup);

#endif
