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
               uint32_t permits, bool is_kept)
{
    size_t bytes = strlen(semaphore) + 1;
    struct take *take = calloc(1, sizeof(*take) + bytes);

    if (take == NULL) {
        return; /* It never comes back then, and that may be. */
    }
    take->acquire_id = acquire_id;
    take->permits = permits;
    take->is_kept = is_kept;
    memcpy(take->semaphore, semaphore, bytes);
    DL_APPEND(takes->unsent, take);
}

bool takes_send(struct takes *takes, uint64_t acquire_id)
{
    struct take *others = NULL;
    bool is_found = false;

    while (takes->unsent != NULL) {
        struct take *take = takes->unsent;

        DL_DELETE(takes->unsent, take);
        if (take->acquire_id == acquire_id) {
            DL_APPEND(takes->in_gate, take);
            is_found = true;
        } else {
            DL_APPEND(others, take);
        }
    }
    takes->unsent = others;
    return is_found;
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
        uint64_t acquire_id = takes->in_gate->acquire_id;

        while (takes->in_gate != NULL &&
               takes->in_gate->acquire_id == acquire_id) {
            struct take *take = takes->in_gate;

            DL_DELETE(takes->in_gate, take);
            take->offset = offset;
            DL_APPEND(takes->in_buffer, take);
        }
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

/* They keep their places, for the gate counts them. */
static void forget(struct take *list, const char *semaphore)
{
    struct take *take;

    DL_FOREACH(list, take)
    {
        if (strcmp(take->semaphore, semaphore) == 0) {
            take->permits = 0;
        }
    }
}

void takes_forget(struct takes *takes, const char *semaphore)
{
    forget(takes->unsent, semaphore);
    forget(takes->in_gate, semaphore);
    forget(takes->in_buffer, semaphore);
}

static void settle(struct take *list, uint64_t acquire_id)
{
    struct take *take;

    DL_FOREACH(list, take)
    {
        if (take->acquire_id == acquire_id && take->is_kept) {
            take->permits = 0;
        }
    }
}

void takes_settle(struct takes *takes, uint64_t acquire_id)
{
    settle(takes->unsent, acquire_id);
    settle(takes->in_gate, acquire_id);
    settle(takes->in_buffer, acquire_id);
}

void takes_move_unsent(struct takes *takes, struct take **unsent)
{
    DL_CONCAT(*unsent, takes->unsent);
    takes->unsent = NULL;
}
