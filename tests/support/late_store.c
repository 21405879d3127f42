/* SPDX-License-Identifier: MIT */
#include "late_store.h"

#include <stdlib.h>
#include <string.h>

struct late_store {
    struct store store; /* First: a store is cast to what it is. */
    struct engine_record *records;
    size_t records_count;
    size_t records_size;
    size_t batches;
    uint64_t put_seq;
    uint64_t durable_seq;
    bool has_failed;
    const char *violation;
};

static const struct late_store *late_of(const struct store *store)
{
    return (const struct late_store *)(const void *)store;
}

static bool late_is_busy(const struct store *store)
{
    const struct late_store *late = late_of(store);

    return late->durable_seq < late->put_seq;
}

static uint64_t late_durable_seq(const struct store *store)
{
    return late_of(store)->durable_seq;
}

static void check_batch(struct late_store *late,
                        const struct engine_record *records, size_t count)
{
    uint64_t expected = late->put_seq;

    if (late_is_busy(&late->store)) {
        late->violation = "a batch while another is under way";
    }
    if (count == 0) {
        late->violation = "an empty batch";
    }
    for (size_t i = 0; i < count; i++) {
        if (late->records_count + i > 0 && records[i].seq != expected + 1) {
            late->violation = "records are not in the order of seq";
        }
        expected = records[i].seq;
    }
}

static enum permit_status
late_put(struct store *store, const struct engine_record *records, size_t count)
{
    struct late_store *late = (struct late_store *)(void *)store;

    if (late->has_failed) {
        return PERMIT_E_UNAVAILABLE;
    }
    if (late->violation == NULL) {
        check_batch(late, records, count);
    }
    if (count == 0) {
        return PERMIT_OK;
    }
    if (late->records_count + count > late->records_size) {
        size_t size = 2 * (late->records_count + count);
        struct engine_record *grown =
            realloc(late->records, size * sizeof(*grown));

        if (grown == NULL) {
            return PERMIT_E_UNAVAILABLE;
        }
        late->records = grown;
        late->records_size = size;
    }
    memcpy(late->records + late->records_count, records,
           count * sizeof(*records));
    late->records_count += count;
    late->put_seq = records[count - 1].seq;
    late->batches++;
    return PERMIT_OK;
}

static void late_destroy(struct store *store)
{
    struct late_store *late = (struct late_store *)(void *)store;

    if (late == NULL) {
        return;
    }
    free(late->records);
    free(late);
}

struct late_store *late_store_create(void)
{
    struct late_store *late = calloc(1, sizeof(*late));

    if (late == NULL) {
        return NULL;
    }
    late->store.kind = "late";
    late->store.put = late_put;
    late->store.is_busy = late_is_busy;
    late->store.durable_seq = late_durable_seq;
    late->store.destroy = late_destroy;
    return late;
}

void late_store_destroy(struct late_store *late)
{
    late_destroy(late == NULL ? NULL : &late->store);
}

struct store *late_store_as_store(struct late_store *late)
{
    return &late->store;
}

void late_store_advance(struct late_store *late, uint64_t seq)
{
    uint64_t reached = seq < late->put_seq ? seq : late->put_seq;

    if (!late->has_failed && reached > late->durable_seq) {
        late->durable_seq = reached;
    }
}

void late_store_finish(struct late_store *late)
{
    late_store_advance(late, late->put_seq);
}

void late_store_fail(struct late_store *late)
{
    late->has_failed = true;
}

const struct engine_record *late_store_records(const struct late_store *late,
                                               size_t *ret_count)
{
    *ret_count = late->records_count;
    return late->records;
}

size_t late_store_batches(const struct late_store *late)
{
    return late->batches;
}

const char *late_store_violation(const struct late_store *late)
{
    return late->violation;
}
