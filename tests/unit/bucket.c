/* SPDX-License-Identifier: MIT */
/* The bucket against a model that keeps the tokens as one exact rational, and
 * against nanoseconds that are counted one by one. */

#include "bucket.h"

#include <check.h>
#include <stdlib.h>

__extension__ typedef unsigned __int128 wide;

#define DAY_MS UINT64_C(86400000)
#define YEAR_MS UINT64_C(31536000000)
#define SECOND_NS (1000 * NS_PER_MS)

/* parts / per_ns tokens. */
struct model {
    wide parts;
    uint64_t at_ns;
    uint64_t per_ns;
    uint32_t rate;
    uint32_t burst;
};

static wide model_full(const struct model *model)
{
    return (wide)model->burst * model->per_ns;
}

static wide least(wide a, wide b)
{
    return a < b ? a : b;
}

static void model_add(struct model *model, wide parts)
{
    model->parts = least(model->parts + parts, model_full(model));
}

static uint32_t model_tokens(struct model *model, uint64_t now_ns)
{
    model_add(model, (wide)(now_ns - model->at_ns) * model->rate);
    model->at_ns = now_ns;
    return (uint32_t)(model->parts / model->per_ns);
}

static void model_change(struct model *model, uint32_t rate, uint64_t per_ms,
                         uint32_t burst, uint64_t now_ns)
{
    wide whole = model_tokens(model, now_ns);
    wide fraction = model->parts % model->per_ns;
    uint64_t per_ns = per_ms * 1000 * 1000;

    fraction = fraction * per_ns / model->per_ns;
    model->parts = whole * per_ns + fraction;
    model->per_ns = per_ns;
    model->rate = rate;
    model->burst = burst;
    model_add(model, 0);
}

/* Are so many there at that time, if nothing clips? */
static bool model_has(const struct model *model, uint64_t tokens,
                      uint64_t time_ns)
{
    wide parts = model->parts + (wide)(time_ns - model->at_ns) * model->rate;

    return parts >= (wide)tokens * model->per_ns;
}

static uint64_t random_state;

static uint64_t random_bits(void)
{
    random_state = random_state * UINT64_C(6364136223846793005) +
                   UINT64_C(1442695040888963407);
    return random_state ^ random_state >> 29;
}

/* 1 to most, of any magnitude. */
static uint64_t random_up_to(uint64_t most)
{
    uint64_t number = random_bits();

    return 1 + (number >> random_bits() % 64) % most;
}

/* The first nanosecond at which they are there is the answer: they are not yet
 * there one before it. */
static bool when_is_right(const struct bucket *bucket,
                          const struct model *model, uint64_t tokens)
{
    uint64_t time_ns = bucket_when(bucket, tokens);

    if (time_ns == TIME_NEVER) {
        return !model_has(model, tokens, TIME_NEVER - 1);
    }
    return time_ns >= model->at_ns && model_has(model, tokens, time_ns) &&
           (time_ns == model->at_ns || !model_has(model, tokens, time_ns - 1));
}

static bool is_same(const struct bucket *bucket, const struct model *model)
{
    return bucket->tokens == model->parts / model->per_ns &&
           bucket->fraction == model->parts % model->per_ns &&
           bucket_is_full(bucket) == (model->parts == model_full(model)) &&
           when_is_right(bucket, model, model->burst) &&
           when_is_right(bucket, model, random_up_to(model->burst)) &&
           when_is_right(bucket, model, random_up_to(UINT64_MAX)) &&
           when_is_right(bucket, model, bucket->tokens + UINT64_C(1));
}

/* Now and then lands on the nanosecond of a token, or one before it. */
static uint64_t random_time(const struct bucket *bucket)
{
    uint64_t left_ns = UINT64_MAX - bucket->at_ns;
    uint64_t time_ns =
        bucket_when(bucket, bucket->tokens + random_up_to(bucket->burst));

    if (random_bits() % 2 == 0 && time_ns != TIME_NEVER) {
        return time_ns - (time_ns > bucket->at_ns ? random_bits() % 2 : 0);
    }
    return bucket->at_ns +
           (left_ns == 0 ? 0 : random_up_to(left_ns / 8 + 1) - 1);
}

START_TEST(any_sequence_gives_what_exact_rationals_give)
{
    struct bucket bucket;
    struct model model;

    random_state = (uint64_t)_i;
    for (int life = 0; life < 300; life++) {
        model.at_ns = random_up_to(UINT64_MAX) - 1;
        model.rate = (uint32_t)random_up_to(LIMIT_PERMITS_MAX);
        model.burst = (uint32_t)random_up_to(LIMIT_PERMITS_MAX);
        model.per_ns = random_up_to(LIMIT_PER_MS_MAX) * NS_PER_MS;
        model.parts = random_bits() % 2 == 0 ? 0 : model_full(&model);
        bucket_init(&bucket, model.rate, model.per_ns / NS_PER_MS, model.burst,
                    model.parts == 0 ? 0 : model.burst, model.at_ns);
        for (int step = 0; step < 100; step++) {
            uint64_t now_ns = random_time(&bucket);
            uint32_t tokens = model_tokens(&model, now_ns);
            uint64_t choice = random_bits() % 16;
            bool is_right;

            is_right = bucket_tokens(&bucket, now_ns) == tokens &&
                       is_same(&bucket, &model);
            if (choice < 8 && tokens > 0) {
                tokens = choice == 0 ? tokens : (uint32_t)random_up_to(tokens);
                bucket_take(&bucket, tokens);
                model.parts -= tokens * (wide)model.per_ns;
            } else if (choice < 11) {
                tokens = (uint32_t)random_up_to(LIMIT_PERMITS_MAX);
                bucket_refund(&bucket, tokens);
                model_add(&model, tokens * (wide)model.per_ns);
            } else if (choice == 15) {
                uint32_t rate = (uint32_t)random_up_to(LIMIT_PERMITS_MAX);
                uint32_t burst = (uint32_t)random_up_to(LIMIT_PERMITS_MAX);
                uint64_t per_ms = random_up_to(LIMIT_PER_MS_MAX);

                now_ns = random_time(&bucket);
                bucket_change(&bucket, rate, per_ms, burst, now_ns);
                model_change(&model, rate, per_ms, burst, now_ns);
            }
            if (!is_right || !is_same(&bucket, &model)) {
                ck_abort_msg("life %d, step %d", life, step);
            }
        }
    }
}
END_TEST

static const struct {
    uint32_t rate;
    uint64_t per_ms;
    uint64_t step_ns_max; /* What flows in within it is no more than a burst. */
} rates[] = {
    {1, 1, 3600 * SECOND_NS},
    {1, DAY_MS, 3600 * SECOND_NS},
    {1000000, 1000, 2000 * SECOND_NS},
    {1, LIMIT_PER_MS_MAX, 3600 * SECOND_NS},
    {LIMIT_PERMITS_MAX, LIMIT_PER_MS_MAX, 3600 * SECOND_NS},
    {LIMIT_PERMITS_MAX, 1, 1 * NS_PER_MS},
    {7, 13, 3600 * SECOND_NS},
    {999999937, 86399999, 3600 * SECOND_NS},
};
#define RATES ((int)(sizeof(rates) / sizeof(rates[0])))

START_TEST(a_year_in_steps_gives_exactly_what_flowed_in)
{
    struct bucket bucket;
    uint64_t start_ns = UINT64_MAX - YEAR_MS * NS_PER_MS;
    uint64_t end_ns = UINT64_MAX;
    uint64_t now_ns = start_ns;
    wide taken = 0;

    if (rates[_i].step_ns_max < SECOND_NS) {
        end_ns = start_ns + 60 * SECOND_NS; /* Of so many steps. */
    }
    bucket_init(&bucket, rates[_i].rate, rates[_i].per_ms, LIMIT_PERMITS_MAX, 0,
                start_ns);
    while (now_ns < end_ns) {
        uint64_t step_ns = random_up_to(rates[_i].step_ns_max);
        uint32_t tokens;

        now_ns += step_ns < end_ns - now_ns ? step_ns : end_ns - now_ns;
        tokens = bucket_tokens(&bucket, now_ns);
        taken += tokens;
        bucket_take(&bucket, tokens);
    }
    ck_assert(taken == (wide)(end_ns - start_ns) * rates[_i].rate /
                           (rates[_i].per_ms * NS_PER_MS));
}
END_TEST

START_TEST(a_token_is_there_from_its_first_nanosecond_on)
{
    uint64_t per_ns = rates[_i].per_ms * NS_PER_MS;
    uint32_t rate = rates[_i].rate;
    struct bucket bucket;

    for (uint64_t token = 1; token <= 100; token++) {
        /* Rounded up: 100 tokens of a leap year have 62 bits. */
        uint64_t first_ns = 5 + (token * per_ns + rate - 1) / rate;

        bucket_init(&bucket, rate, rates[_i].per_ms, LIMIT_PERMITS_MAX, 0, 5);
        ck_assert_uint_eq(bucket_when(&bucket, token), first_ns);
        ck_assert_uint_lt(bucket_tokens(&bucket, first_ns - 1), token);
        ck_assert_uint_eq(bucket_when(&bucket, token), first_ns);
        ck_assert_uint_ge(bucket_tokens(&bucket, first_ns), token);
        ck_assert_uint_eq(bucket_when(&bucket, token), first_ns);
    }
}
END_TEST

/* 3 tokens in 1 ms, nanosecond by nanosecond: one in every 333,333 1/3. */
START_TEST(each_nanosecond_counts)
{
    struct bucket bucket;
    uint64_t parts = 0;
    uint64_t wrong = 0;

    bucket_init(&bucket, 3, 1, 8, 0, 0);
    for (uint64_t now_ns = 1; now_ns <= 3 * NS_PER_MS; now_ns++) {
        parts = parts + 3 < 8 * NS_PER_MS ? parts + 3 : 8 * NS_PER_MS;
        wrong += bucket_tokens(&bucket, now_ns) != parts / NS_PER_MS;
    }
    ck_assert_uint_eq(wrong, 0);
    ck_assert(bucket_is_full(&bucket));
}
END_TEST

/* What flows in while it is full is gone: a fraction of a token too. */
START_TEST(a_full_bucket_starts_anew_when_something_is_taken)
{
    struct bucket bucket;

    bucket_init(&bucket, 1, 1000, 2, 2, 0);
    ck_assert_uint_eq(bucket_when(&bucket, 2), 0);
    ck_assert_uint_eq(bucket_tokens(&bucket, 1500000000), 2);
    bucket_take(&bucket, 1);
    ck_assert(!bucket_is_full(&bucket));
    ck_assert_uint_eq(bucket_when(&bucket, bucket.burst), 2500000000);
    ck_assert_uint_eq(bucket_tokens(&bucket, 2499999999), 1);
    ck_assert_uint_eq(bucket_tokens(&bucket, 2500000000), 2);
}
END_TEST

/* So long that 64 bits would count 2,143 tokens. */
START_TEST(a_rest_of_months_fills_it)
{
    uint64_t rest_ns = UINT64_C(8589934596000001); /* 2^64 x 10^6 / rate, up. */
    struct bucket bucket;

    bucket_init(&bucket, LIMIT_PERMITS_MAX, 1, LIMIT_PERMITS_MAX, 0, 0);
    ck_assert_uint_eq(bucket_tokens(&bucket, rest_ns), LIMIT_PERMITS_MAX);
    ck_assert_uint_eq(bucket.fraction, 0);
}
END_TEST

START_TEST(a_refund_ends_at_burst_and_keeps_the_fraction_below_it)
{
    struct bucket bucket;

    bucket_init(&bucket, 1, 1000, 10, 0, 0);
    ck_assert_uint_eq(bucket_tokens(&bucket, SECOND_NS / 2), 0);
    bucket_refund(&bucket, 9);
    ck_assert_uint_eq(bucket_when(&bucket, 10), SECOND_NS);
    bucket_refund(&bucket, LIMIT_PERMITS_MAX);
    ck_assert(bucket_is_full(&bucket));
    bucket_take(&bucket, 1);
    ck_assert_uint_eq(bucket_when(&bucket, 10), SECOND_NS / 2 + SECOND_NS);
}
END_TEST

START_TEST(a_running_rate_changes_with_what_is_there)
{
    struct bucket bucket;

    /* 2 1/4 tokens by the old rate, then one in 10 s. */
    bucket_init(&bucket, 1, 1000, 5, 0, 0);
    bucket_change(&bucket, 1, 10000, 5, 9 * SECOND_NS / 4);
    ck_assert_uint_eq(bucket_tokens(&bucket, 9 * SECOND_NS / 4), 2);
    ck_assert_uint_eq(bucket_when(&bucket, 3),
                      9 * SECOND_NS / 4 + 15 * SECOND_NS / 2);
    /* A burst below what is there clips, the fraction too. */
    bucket_change(&bucket, 1, 1000, 2, 9 * SECOND_NS / 4);
    ck_assert(bucket_is_full(&bucket));
    bucket_take(&bucket, 1);
    ck_assert_uint_eq(bucket_when(&bucket, 2), 13 * SECOND_NS / 4);
    /* One that rises gives nothing. */
    bucket_change(&bucket, 1, 1000, 100, 13 * SECOND_NS / 4);
    ck_assert_uint_eq(bucket_tokens(&bucket, 13 * SECOND_NS / 4), 2);
    ck_assert_uint_eq(bucket_when(&bucket, 3), 17 * SECOND_NS / 4);
    /* 1/3 token of a leap year is 0.333333 of a ms' million: rounded down. */
    bucket_init(&bucket, 1, LIMIT_PER_MS_MAX, 5, 0, 0);
    bucket_change(&bucket, 1, 1, 5, LIMIT_PER_MS_MAX * NS_PER_MS / 3);
    ck_assert_uint_eq(bucket.fraction, 333333);
}
END_TEST

static const struct {
    uint64_t now_ns;
    uint32_t rate;
    uint64_t per_ms;
    uint64_t tokens;
    uint64_t expected_ns;
} ends[] = {
    {UINT64_MAX - 1000001, 1, 1, 1, UINT64_MAX - 1},
    {UINT64_MAX - 1000000, 1, 1, 1, TIME_NEVER},
    {UINT64_MAX - 999999, 1, 1, 1, TIME_NEVER},
    {UINT64_MAX, 1, 1, 1, TIME_NEVER},
    {UINT64_MAX, 1, 1, 0, UINT64_MAX},
    {0, 1, LIMIT_PER_MS_MAX, 583, UINT64_C(18435859200000000000)},
    {0, 1, LIMIT_PER_MS_MAX, 584, TIME_NEVER},
    {0, 1, LIMIT_PER_MS_MAX, UINT64_MAX, TIME_NEVER},
    {0, 1, 1, UINT64_MAX, TIME_NEVER},
    {0, LIMIT_PERMITS_MAX, LIMIT_PER_MS_MAX, LIMIT_PERMITS_MAX,
     LIMIT_PER_MS_MAX *NS_PER_MS},
    {0, LIMIT_PERMITS_MAX, 1, 1, 1},
    {0, LIMIT_PERMITS_MAX, 1, LIMIT_PERMITS_MAX *UINT64_C(5000000000),
     UINT64_C(5000000000000000)},
    {1, LIMIT_PERMITS_MAX, 1, LIMIT_PERMITS_MAX *UINT64_C(5000000000) + 1,
     UINT64_C(5000000000000002)},
};

START_TEST(beyond_the_end_of_the_clock_is_never)
{
    struct bucket bucket;

    bucket_init(&bucket, ends[_i].rate, ends[_i].per_ms, LIMIT_PERMITS_MAX, 0,
                ends[_i].now_ns);
    ck_assert_uint_eq(bucket_when(&bucket, ends[_i].tokens),
                      ends[_i].expected_ns);
    /* To its end it counts. */
    (void)bucket_tokens(&bucket, UINT64_MAX);
    ck_assert_uint_le(bucket.tokens, bucket.burst);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bucket");
    TCase *tcase = tcase_create("bucket");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_loop_test(tcase, any_sequence_gives_what_exact_rationals_give, 0,
                        8);
    tcase_add_loop_test(tcase, a_year_in_steps_gives_exactly_what_flowed_in, 0,
                        RATES);
    tcase_add_loop_test(tcase, a_token_is_there_from_its_first_nanosecond_on, 0,
                        RATES);
    tcase_add_test(tcase, each_nanosecond_counts);
    tcase_add_test(tcase, a_full_bucket_starts_anew_when_something_is_taken);
    tcase_add_test(tcase, a_rest_of_months_fills_it);
    tcase_add_test(tcase,
                   a_refund_ends_at_burst_and_keeps_the_fraction_below_it);
    tcase_add_test(tcase, a_running_rate_changes_with_what_is_there);
    tcase_add_loop_test(tcase, beyond_the_end_of_the_clock_is_never, 0,
                        (int)(sizeof(ends) / sizeof(ends[0])));
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
