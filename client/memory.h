/* SPDX-License-Identifier: MIT */
#ifndef CLIENT_MEMORY_H
#define CLIENT_MEMORY_H

/* The library's only way to memory: a client's own allocator. */

#include <stddef.h>

#include "permit/request.h"

/* malloc() and free(). */
extern const struct permit_allocator memory_default;

/* Returns zeroed memory, or NULL. */
void *memory_take(const struct permit_allocator *allocator, size_t bytes);

/* Returns memory as it comes, for buffers: what is never used is never touched.
 */
void *memory_take_buffer(const struct permit_allocator *allocator,
                         size_t bytes);

/* Accepts NULL. */
void memory_give(const struct permit_allocator *allocator, void *memory);

#endif
