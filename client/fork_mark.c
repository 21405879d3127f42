/* SPDX-License-Identifier: MIT */
#include "fork_mark.h"

#include <stddef.h>
#include <sys/mman.h>

#define PAGE_BYTES 4096u /* The kernel rounds it up to its own. */

const volatile int *fork_mark_create(void)
{
    int *mark = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (mark == MAP_FAILED) {
        return NULL;
    }
    if (madvise(mark, PAGE_BYTES, MADV_WIPEONFORK) < 0) {
        (void)munmap(mark, PAGE_BYTES);
        return NULL;
    }
    *mark = 1;
    return mark;
}

void fork_mark_destroy(const volatile int *mark)
{
    if (mark != NULL) {
        (void)munmap((void *)mark, PAGE_BYTES);
    }
}
