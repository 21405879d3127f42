/* SPDX-License-Identifier: MIT */
#include "takes.h"

#include <stdlib.h>
#include <string.h>

#include <utlist.h>

static void drop(struct take **list, struct take *take)
{
    DL_DELETE(*list, take);
    free(take);
}

static void drop_all(struct take **list)
{
    while (*list != NULL) {
        drop(list, *list);
    }
}

void takes_deinit(struct takes *takes)
{
    drop_all(&takes->unsent);
    takes_trust(takes);
}

void takes_add(struct takes *takes, uint64_t acquire_id, const char *semaphore,
               uint32_t permits)
{
    size_t bytes = strlen(semaphore) + 1;
    struct take *take = calloc(1, sizeof(*take) + bytes);

    if (take == NULL) {
        return; /* It never comes back then, and that may be. */
    }
    take->acquire_id = acquire_id;
    take->permits = permits;
    memcpy(take->semaphore, semaphore, bytes);
    DL_APPEND(takes->unsent, take);
}

/* Returns the one of that acquire, or NULL. */
static struct take *find(struct take *list, uint64_t acquire_id)
{
    struct take *take;

    DL_FOREACH(list, take)
    {
        if (take->acquire_id == acquire_id) {
            break;
        }
    }
    return take;
}

bool takes_send(struct takes *takes, uint64_t acquire_id)
{
    struct take *take = find(takes->unsent, acquire_id);

    if (take == NULL) {
        return false;
    }
    DL_DELETE(takes->unsent, take);
    DL_APPEND(takes->in_gate, take);
    return true;
}

/* Drops those of which the kernel has a byte. */
static void drop_told(struct takes *takes, uint64_t written)
{
    while (takes->in_buffer != NULL && takes->in_buffer->offset < written) {
        drop(&takes->in_buffer, takes->in_buffer);
    }
}

void takes_leave_gate(struct takes *takes, uint32_t count, uint64_t offset,
                      uint64_t written)
{
    for (; count > 0 && takes->in_gate != NULL; count--) {
        struct take *take = takes->in_gate;

        DL_DELETE(takes->in_gate, take);
        take->offset = offset;
        DL_APPEND(takes->in_buffer, take);
    }
    drop_told(takes, written);
}

void takes_cut(struct takes *takes, uint64_t written)
{
    drop_told(takes, written);
    DL_CONCAT(takes->unsent, takes->in_buffer);
    takes->in_buffer = NULL;
    DL_CONCAT(takes->unsent, takes->in_gate);
    takes->in_gate = NULL;
}

void takes_trust(struct takes *takes)
{
    drop_all(&takes->in_gate);
    drop_all(&takes->in_buffer);
}

static void forget(struct take **list, const char *semaphore)
{
    struct take *take;
    struct take *next;

    DL_FOREACH_SAFE(*list, take, next)
    {
        if (strcmp(take->semaphore, semaphore) == 0) {
            drop(list, take);
        }
    }
}

void takes_forget(struct takes *takes, const char *semaphore)
{
    forget(&takes->unsent, semaphore);
    forget(&takes->in_gate, semaphore);
    forget(&takes->in_buffer, semaphore);
}

void takes_move_unsent(struct takes *takes, struct take **unsent)
{
    DL_CONCAT(*unsent, takes->unsent);
    takes->unsent = NULL;
}
