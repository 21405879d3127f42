/* SPDX-License-Identifier: MIT */

/* FAULTS C15, C17, E5 and E6, as far as they are the engine's: a million
 * waiters, names built to collide, a million deadlines at one moment, and what
 * is restored. */

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "script.h"

#define MILLION 1000000u
#define HALF (MILLION / 2)
#define WAIT_MS 999
#define TIMEOUT_MS 1000
#define BYTES_A_WAITER 200
#define NAMES 4000u
#define NAME_BYTES 16

static struct script script;

/* The linker sends the engine's calls of calloc() here (--wrap). */
static uint64_t allocated_bytes;
void *__real_calloc(size_t count, size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes)
{
    allocated_bytes += count * bytes;
    return __real_calloc(count, bytes);
}

static struct engine_limits limits_of(uint32_t waiters)
{
    return (struct engine_limits){.max_sessions = 4,
                                  .max_semaphores = NAMES,
                                  .max_waiters = waiters + 1,
                                  .max_grants = 4,
                                  .max_lost = 4,
                                  .max_waiters_per_session = HALF,
                                  .max_grants_per_session = 4};
}

START_TEST(c15_a_waiter_takes_200_bytes_at_most)
{
    struct engine_limits limits = limits_of(1);
    uint64_t few;

    engine_destroy(engine_create(&limits, 0, script_secret));
    few = allocated_bytes;
    allocated_bytes = 0;
    limits = limits_of(MILLION + 1);
    engine_destroy(engine_create(&limits, 0, script_secret));
    ck_assert_uint_le(allocated_bytes - few, MILLION * BYTES_A_WAITER);
}
END_TEST

/* Two sessions wait, each half a million times, all until one moment; the
 * sessions are heard no more, and end a millisecond later. */
static void init_million(void)
{
    const struct engine_limits limits = limits_of(MILLION);

    script_init_with(&script, &limits);
    script.is_quiet = true;
    script_define(&script, "jobs",
                  &(struct engine_definition){.fields = ENGINE_FIELD_MAX_QUEUE,
                                              .max_queue = MILLION});
    script_open(&script, 1, 4, TIMEOUT_MS);
    script_acquire(&script, 4, 1, 0);
    for (uint64_t id = 1; id <= HALF; id++) {
        script_acquire(&script, 1, id, WAIT_MS);
        script_acquire(&script, 2, id, WAIT_MS);
    }
}

static uint64_t place_of(int session, uint64_t acquire_id)
{
    struct engine_waiter_view view = {0};
    struct engine_obstacle obstacle;

    (void)engine_view_waiter(script.engine, script.session_ids[session],
                             acquire_id, &view, &obstacle);
    return view.position;
}

#define CANCELLED 6

static void cancel_and_time_out_in_the_middle(void)
{
    const uint64_t middle = HALF / 2;

    script.is_quiet = false;
    script_acquire(&script, 3, 1, -1);
    script_cancel(&script, 2, MILLION, HALF);
    script_acquire(&script, 1, MILLION, -1);
    script_expect(&script,
                  "[   0] s3 r1 QUEUE_FULL position 1000001 lacks 1000001\n"
                  "[   0] s2 r500000 CANCELLED\n"
                  "[   0] s2 r1000000 OK CANCELLED\n"
                  "[   0] s1 r1000000 TOO_MANY\n");
    ck_assert_uint_eq(place_of(2, middle), 2 * middle);
    for (uint64_t id = middle - 5; id < middle; id++) {
        script_cancel(&script, 1, MILLION + id, id);
    }
    script_forget(&script);
    ck_assert_uint_eq(script_view(&script, "jobs").waiters,
                      MILLION - CANCELLED);
    ck_assert_uint_eq(place_of(2, middle), 2 * middle - 5);
    ck_assert_uint_eq(place_of(1, middle - 1), 0);
    /* The last of all, but for a shorter time. */
    script_acquire(&script, 3, 2, 5);
    ck_assert_uint_eq(place_of(3, 2), MILLION - CANCELLED + 1);
    script_tick(&script, 5);
    script_expect(&script, "[   5] s3 r2 TIMEOUT\n");
    script.is_quiet = true;
}

struct counts {
    uint64_t timeouts;
    uint64_t ended;
};

/* No session ends but the third. Returns how many effects there were. */
static uint64_t take_effects(struct counts *counts)
{
    struct engine_effect effect;
    uint64_t effects = 0;

    while (engine_next_effect(script.engine, &effect)) {
        effects++;
        counts->timeouts += effect.type == ENGINE_EFFECT_ANSWER;
        if (effect.type == ENGINE_EFFECT_SESSION_ENDED) {
            counts->ended++;
            ck_assert_uint_eq(effect.session_id, script.session_ids[3]);
        }
    }
    return effects;
}

START_TEST(c15_e5_a_million_wait_and_end_in_slices_and_end_no_session)
{
    static const int heard[] = {1, 2, 4};
    struct engine_event tick = {.type = ENGINE_TICK};
    struct counts counts = {0, 0};
    uint64_t calls = 0;

    init_million();
    cancel_and_time_out_in_the_middle();
    tick.now_ns = TIMEOUT_MS * NS_PER_MS; /* The timer came late. */
    engine_apply(script.engine, &tick);
    while (engine_has_work(script.engine)) {
        ck_assert_uint_le(take_effects(&counts), 2 * LIMIT_STEPS_MAX);
        for (size_t i = 0; i < 3 && calls == 5; i++) { /* Sockets are read. */
            engine_session_heard(script.engine, script.session_ids[heard[i]],
                                 tick.now_ns);
        }
        engine_continue(script.engine);
        calls++;
    }
    ck_assert_uint_le(take_effects(&counts), 2 * LIMIT_STEPS_MAX);
    ck_assert_uint_eq(counts.timeouts, MILLION - CANCELLED);
    ck_assert_uint_eq(counts.ended, 1);
    ck_assert_uint_ge(calls, MILLION / LIMIT_STEPS_MAX);
    ck_assert_uint_eq(script_view(&script, "jobs").waiters, 0);
    ck_assert_uint_eq(script_view(&script, "jobs").held, 1);
    script_finish(&script);
}
END_TEST

/* Names that one chain has, if the secret is script_secret. */
static void find_names(char names[NAMES][NAME_BYTES])
{
    const uint64_t mask = 8191; /* More buckets than names. */
    uint32_t found = 0;

    for (uint64_t i = 0; found < NAMES; i++) {
        int length = snprintf(names[found], NAME_BYTES, "n%ju", (uintmax_t)i);
        uint64_t hash =
            XXH3_64bits_withSecret(names[found], (size_t)length, script_secret,
                                   ENGINE_HASH_SECRET_BYTES);
        found += (hash & mask) == 0;
    }
}

/* How long it takes to find each of the names. */
static int64_t find_all_ns(const uint8_t secret[ENGINE_HASH_SECRET_BYTES],
                           char names[NAMES][NAME_BYTES])
{
    const struct engine_limits limits = limits_of(1);
    struct engine *engine = engine_create(&limits, 0, secret);
    struct engine_event define = {.type = ENGINE_DEFINE};
    struct engine_semaphore_view view;
    struct engine_effect effect;
    struct timespec begin;
    struct timespec end;

    for (uint32_t i = 0; i < NAMES; i++) {
        define.define.semaphore = names[i];
        engine_apply(engine, &define);
        while (engine_next_effect(engine, &effect)) {
        }
    }
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
    for (uint32_t i = 0; i < NAMES; i++) {
        ck_assert(engine_view_semaphore(engine, names[i], &view));
    }
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
    engine_destroy(engine);
    return (end.tv_sec - begin.tv_sec) * INT64_C(1000000000) + end.tv_nsec -
           begin.tv_nsec;
}

START_TEST(c17_names_collide_only_for_who_knows_the_secret)
{
    static char names[NAMES][NAME_BYTES];
    uint8_t another[ENGINE_HASH_SECRET_BYTES];
    int64_t known_ns;

    for (size_t i = 0; i < sizeof(another); i++) {
        another[i] = (uint8_t)(i * 151 + 43);
    }
    find_names(names);
    known_ns = find_all_ns(script_secret, names);
    ck_assert_int_gt(known_ns, 5 * find_all_ns(another, names));
}
END_TEST

START_TEST(e6_what_is_restored_ends_no_earlier_than_its_client_believes)
{
    struct engine_event tick = {.type = ENGINE_TICK};
    const uint64_t boot_ns = 777 * NS_PER_MS;
    const uint64_t end_ns = boot_ns + (TIMEOUT_MS + 500) * NS_PER_MS;
    struct engine_session_view view;
    struct engine_grant_view grant;
    struct engine_effect effect;
    struct engine *restored;

    script_init(&script);
    script_bounded(&script, "jobs", 2);
    script_open_lingering(&script, 1, 1, TIMEOUT_MS, 500);
    script_acquire_hold(&script, 1, 11, 0, 700);
    script_acquire(&script, 1, 12, 0);
    script_tick(&script, 600); /* It dies after that, for an hour. */
    restored = script_restore(&script);
    for (tick.now_ns = boot_ns; tick.now_ns < end_ns;
         tick.now_ns += 700 * NS_PER_MS - (tick.now_ns == boot_ns)) {
        engine_apply(restored, &tick);
        while (engine_next_effect(restored, &effect)) {
        }
        ck_assert(engine_view_session(restored, script.session_ids[1], &view));
        ck_assert(!view.connected);
        ck_assert_int_eq(
            engine_view_grant(restored, script.session_ids[1], 11, &grant),
            tick.now_ns < boot_ns + 700 * NS_PER_MS);
    }
    for (tick.now_ns = end_ns - 1; tick.now_ns <= end_ns; tick.now_ns++) {
        engine_apply(restored, &tick);
        while (engine_next_effect(restored, &effect)) {
        }
        ck_assert_int_eq(
            engine_view_session(restored, script.session_ids[1], &view),
            tick.now_ns < end_ns);
    }
    engine_destroy(restored);
    script_finish(&script);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("engine_faults");
    SRunner *runner = srunner_create(suite);
    TCase *tcase = tcase_create("faults");
    int failed;

    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, c15_a_waiter_takes_200_bytes_at_most);
    tcase_add_test(tcase,
                   c15_e5_a_million_wait_and_end_in_slices_and_end_no_session);
    tcase_add_test(tcase, c17_names_collide_only_for_who_knows_the_secret);
    tcase_add_test(
        tcase, e6_what_is_restored_ends_no_earlier_than_its_client_believes);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
