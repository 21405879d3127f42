/* SPDX-License-Identifier: MIT */
#include "memory.h"

#include <stdlib.h>
#include <string.h>

static void *default_alloc(void *arg, size_t bytes)
{
    (void)arg;
    return malloc(bytes);
}

static void default_free(void *arg, void *memory)
{
    (void)arg;
    free(memory);
}

const struct permit_allocator memory_default = {default_alloc, default_free,
                                                NULL};

void *memory_take_buffer(const struct permit_allocator *allocator, size_t bytes)
{
    return allocator->alloc(allocator->arg, bytes);
}

void *memory_take(const struct permit_allocator *allocator, size_t bytes)
{
    void *memory = memory_take_buffer(allocator, bytes);

    if (memory != NULL) {
        memset(memory, 0, bytes);
    }
    return memory;
}

void memory_give(const struct permit_allocator *allocator, void *memory)
{
    if (memory != NULL) {
        allocator->free(allocator->arg, memory);
    }
}
