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
                              uint64_t grant_id, const char *semaphore)
{
    uint32_t of_a[LIMIT_SLOTS_MAX] = {0};
    uint32_t of_b[LIMIT_SLOTS_MAX] = {0};

    ck_assert_uint_eq(engine_view_slots(a, grant_id, semaphore, of_a),
                      engine_view_slots(b, grant_id, semaphore, of_b));
    ck_assert_mem_eq(of_a, of_b, sizeof(of_a));
}

static void assert_same_parts(const struct engine_grant_view *a,
                              const struct engine_grant_view *b)
{
    ck_assert_uint_eq(a->parts_count, b->parts_count);
    for (uint32_t i = 0; i < a->parts_count; i++) {
        ck_assert_str_eq(a->parts[i].semaphore, b->parts[i].semaphore);
        ck_assert_uint_eq(a->parts[i].permits, b->parts[i].permits);
    }
}

static void assert_same_definition(const struct engine_definition *a,
                                   const struct engine_definition *b)
{
    ck_assert_int_eq(a->kind, b->kind);
    ck_assert_uint_eq(a->permits, b->permits);
    ck_assert_uint_eq(a->rate, b->rate);
    ck_assert_uint_eq(a->burst, b->burst);
    ck_assert_uint_eq(a->per_ms, b->per_ms);
    ck_assert_uint_eq(a->bypass, b->bypass);
    ck_assert_uint_eq(a->per_session, b->per_session);
    ck_assert_uint_eq(a->max_queue, b->max_queue);
    ck_assert_int_eq(a->max_wait_ms, b->max_wait_ms);
    ck_assert_int_eq(a->hold_ms, b->hold_ms);
    ck_assert_int_eq(a->slots, b->slots);
    ck_assert_int_eq(a->shadow, b->shadow);
    ck_assert_int_eq(a->refuse_hopeless, b->refuse_hopeless);
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
            assert_same_parts(&of_a, &of_b);
            ck_assert_int_eq(of_a.waited_ms, of_b.waited_ms);
            ck_assert_int_eq(of_a.lost, of_b.lost);
            assert_same_slots(a, b, of_a.grant_id, semaphore);
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
        assert_same_definition(&view.definition, &other.definition);
        ck_assert_uint_eq(view.template_bytes, other.template_bytes);
        ck_assert_uint_eq(view.held, other.held);
        if (view.definition.kind != ENGINE_RATE) { /* Tokens start anew. */
            ck_assert_uint_eq(view.available, other.available);
        }
        ck_assert_uint_eq(view.fence, other.fence);
        ck_assert_uint_eq(view.grants_total, other.grants_total);
        ck_assert_mem_eq(view.lost_total, other.lost_total,
                         sizeof(view.lost_total));
        assert_same_holders(a, b, view.name);
    }
}
