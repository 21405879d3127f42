/* SPDX-License-Identifier: MIT */
#include "fault.h"

#include <errno.h>
#include <string.h>

/* The linker's --wrap gives these names. */
void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *old, size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_realloc(void *old, size_t bytes);

static struct {
    size_t fails;
    bool all;
    size_t count;
    bool is_on;
} state;

void fault_arm(size_t n, bool all)
{
    state.fails = n;
    state.all = all;
    state.count = 0;
}

void fault_begin(void)
{
    state.is_on = true;
}

void fault_end(void)
{
    state.is_on = false;
}

size_t fault_count(void)
{
    return state.count;
}

static bool must_fail(void)
{
    if (!state.is_on) {
        return false;
    }
    state.count++;
    if (state.fails != 0 && (state.count == state.fails ||
                             (state.all && state.count > state.fails))) {
        errno = ENOMEM;
        return true;
    }
    return false;
}

void *__wrap_malloc(size_t bytes)
{
    return must_fail() ? NULL : __real_malloc(bytes);
}

void *__wrap_calloc(size_t count, size_t bytes)
{
    return must_fail() ? NULL : __real_calloc(count, bytes);
}

void *__wrap_realloc(void *old, size_t bytes)
{
    return must_fail() ? NULL : __real_realloc(old, bytes);
}
