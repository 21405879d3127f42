/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_CHAINS_H
#define ENGINE_CHAINS_H

/* Lists of acquires and of parts, linked by index, for the engine's own files
 * only.
 *
 * It does not know what a list is for, nor when something belongs into it.
 *
 * Law: what was appended first is first. */

#include "changes.h"

/* Whose link it is: an acquire's in a list of its session, a part's among the
 * holders of its semaphore, an acquire's among those that are lost. */
enum chain { CHAIN_SESSION = 1, CHAIN_HOLDER, CHAIN_LOST };

void list_append(struct engine *engine, struct list *list, enum chain chain,
                 uint32_t index);
void list_remove(struct engine *engine, struct list *list, enum chain chain,
                 uint32_t index);

/* Asserts the links and the count; O(n). */
void list_check(const struct engine *engine, const struct list *list,
                enum chain chain);

#endif
