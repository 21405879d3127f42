/* SPDX-License-Identifier: MIT */
#include "descriptors.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

int descriptors_reserve_standard(void)
{
    int null;

    do { /* The lowest number that is free. */
        null = open("/dev/null", O_RDWR | O_CLOEXEC);
    } while (null >= 0 && null <= STDERR_FILENO);
    if (null < 0) {
        return -errno;
    }
    (void)close(null);
    return 0;
}

int descriptor_to_null(int descriptor)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int error = 0;

    if (null < 0) {
        return -errno;
    }
    assert(null > STDERR_FILENO);
    if (dup2(null, descriptor) < 0) {
        error = -errno;
    }
    (void)close(null);
    return error;
}

static int compare(const void *a, const void *b)
{
    int left = *(const int *)a;
    int right = *(const int *)b;

    return (left > right) - (left < right);
}

void descriptors_let_go(const int *kept, size_t kept_count, bool stderr_too)
{
    int sorted[DESCRIPTORS_KEPT_MAX];
    unsigned int next = STDERR_FILENO + 1;

    assert(kept_count <= DESCRIPTORS_KEPT_MAX);
    for (size_t i = 0; i < kept_count; i++) {
        sorted[i] = kept[i];
    }
    qsort(sorted, kept_count, sizeof(*sorted), compare);
    for (size_t i = 0; i < kept_count; i++) {
        unsigned int own = sorted[i] < 0 ? 0 : (unsigned int)sorted[i];

        if (own > next) {
            (void)close_range(next, own - 1, 0);
        }
        next = own >= next ? own + 1 : next;
    }
    /* An old kernel keeps them: harmless, only later than it could be. */
    (void)close_range(next, ~0U, 0);
    (void)descriptor_to_null(STDIN_FILENO);
    (void)descriptor_to_null(STDOUT_FILENO);
    if (stderr_too) {
        (void)descriptor_to_null(STDERR_FILENO);
    }
}
