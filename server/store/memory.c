/* SPDX-License-Identifier: MIT */
#include "store/store.h"

#include <assert.h>
#include <stdlib.h>

struct memory_store {
    struct store store; /* First, so that the one is the other. */
    uint64_t durable_seq;
};

static enum permit_status memory_put(struct store *store,
                                     const struct engine_record *records,
                                     size_t count)
{
    struct memory_store *memory = (struct memory_store *)store;

    assert(count >= 1);
    assert(records[0].seq > memory->durable_seq);
    memory->durable_seq = records[count - 1].seq;
    return PERMIT_OK;
}

static bool memory_is_busy(const struct store *store)
{
    (void)store; /* It is never: a batch is durable when it is put. */
    return false;
}

static uint64_t memory_durable_seq(const struct store *store)
{
    return ((const struct memory_store *)store)->durable_seq;
}

static void memory_destroy(struct store *store)
{
    free(store);
}

struct store *store_memory_create(void)
{
    struct memory_store *memory = calloc(1, sizeof(*memory));

    if (memory == NULL) {
        return NULL;
    }
    memory->store = (struct store){
        .kind = "memory",
        .survives_restart = false,
        .put = memory_put,
        .is_busy = memory_is_busy,
        .durable_seq = memory_durable_seq,
        .destroy = memory_destroy,
    };
    return &memory->store;
}
