/* SPDX-License-Identifier: MIT */
#include "script.h"

#include <check.h>

struct engine *script_restore(const struct script *script)
{
    struct engine *engine = engine_create(&script->limits, 0, script_secret);

    ck_assert_ptr_nonnull(engine);
    for (size_t i = 0; i < script->records_count; i++) {
        ck_assert_int_eq(engine_restore(engine, &script->records[i]),
                         PERMIT_OK);
    }
    ck_assert_uint_eq(engine_seq(engine), engine_seq(script->engine));
    return engine;
}

static void assert_same_slots(const struct engine *a, const struct engine *b,
                              uint64_t grant_id)
{
    uint32_t of_a[LIMIT_SLOTS_MAX] = {0};
    uint32_t of_b[LIMIT_SLOTS_MAX] = {0};

    ck_assert_uint_eq(engine_view_slots(a, grant_id, of_a),
                      engine_view_slots(b, grant_id, of_b));
    ck_assert_mem_eq(of_a, of_b, sizeof(of_a));
}

static void assert_same_holders(const struct engine *a, const struct engine *b,
                                const char *semaphore)
{
    struct engine_grant_view of_a;
    struct engine_grant_view of_b;
    size_t total_a = 1;
    size_t total_b;

    for (size_t i = 0; i < total_a; i++) {
        size_t found_a =
            engine_view_holders(a, semaphore, i, &of_a, 1, &total_a);
        size_t found_b =
            engine_view_holders(b, semaphore, i, &of_b, 1, &total_b);
        ck_assert_uint_eq(found_a, found_b);
        ck_assert_uint_eq(total_a, total_b);
        if (found_a == 1) {
            ck_assert_uint_eq(of_a.grant_id, of_b.grant_id);
            ck_assert_uint_eq(of_a.session_id, of_b.session_id);
            ck_assert_uint_eq(of_a.acquire_id, of_b.acquire_id);
            ck_assert_uint_eq(of_a.permits, of_b.permits);
            ck_assert_int_eq(of_a.waited_ms, of_b.waited_ms);
            ck_assert_int_eq(of_a.lost, of_b.lost);
            assert_same_slots(a, b, of_a.grant_id);
        }
    }
}

void script_assert_same(const struct engine *a, const struct engine *b)
{
    struct engine_totals of_a;
    struct engine_totals of_b;
    struct engine_semaphore_view view;
    struct engine_semaphore_view other;
    size_t total = 1;

    engine_get_totals(a, &of_a);
    engine_get_totals(b, &of_b);
    ck_assert_uint_eq(of_a.fence, of_b.fence);
    ck_assert_uint_eq(of_a.sessions, of_b.sessions);
    ck_assert_uint_eq(of_a.semaphores, of_b.semaphores);
    ck_assert_uint_eq(of_a.grants, of_b.grants);
    ck_assert_uint_eq(of_a.grants_total, of_b.grants_total);
    ck_assert_uint_eq(of_a.releases_total, of_b.releases_total);
    ck_assert_uint_eq(of_a.lost_total, of_b.lost_total);
    for (size_t i = 0; i < total; i++) {
        if (engine_view_semaphores(a, "", i, &view, 1, &total) == 0) {
            break;
        }
        ck_assert(engine_view_semaphore(b, view.name, &other));
        ck_assert_int_eq(view.definition.kind, other.definition.kind);
        ck_assert_uint_eq(view.definition.permits, other.definition.permits);
        ck_assert_uint_eq(view.definition.max_queue,
                          other.definition.max_queue);
        ck_assert_int_eq(view.definition.max_wait_ms,
                         other.definition.max_wait_ms);
        ck_assert_int_eq(view.definition.hold_ms, other.definition.hold_ms);
        ck_assert_int_eq(view.definition.slots, other.definition.slots);
        ck_assert_uint_eq(view.held, other.held);
        ck_assert_uint_eq(view.available, other.available);
        ck_assert_uint_eq(view.fence, other.fence);
        ck_assert_uint_eq(view.grants_total, other.grants_total);
        ck_assert_mem_eq(view.lost_total, other.lost_total,
                         sizeof(view.lost_total));
        assert_same_holders(a, b, view.name);
    }
}
