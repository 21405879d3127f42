/* SPDX-License-Identifier: MIT */
#include "json.h"

#include <stdlib.h>
#include <string.h>

#include <check.h>

#define NOW_MS INT64_C(1795219823123) /* 2026-11-21T00:10:23.123Z */

static void assert_json(cJSON *json, const char *expected)
{
    char *text;

    ck_assert_ptr_nonnull(json);
    text = cJSON_PrintUnformatted(json);
    ck_assert_ptr_nonnull(text);
    ck_assert_str_eq(text, expected);
    cJSON_free(text);
    cJSON_Delete(json);
}

/* ------------------------------------------------------------------- shapes */

static const struct permit_semaphore_info builds = {
    .name = "builds",
    .kind = PERMIT_BOUNDED,
    .permits = 8,
    .held = 8,
    .holders = 7,
    .waiters = 4,
    .waiting_permits = 5,
    .max_queue = 100,
    .max_wait_ms = 1800000,
    .fence = 30118790737957889u,
    .oldest_wait_ms = 83100,
    .oldest_hold_ms = 601000,
    .grants_total = 5121,
    .timeouts_total = 2,
    .queue_full_total = 1,
    .lost_total = {1, 3, 0, 4, 5},
    .durable = true,
    .slots = true,
    .bypass = 2,
    .per_session = 3,
    .template_name = "bui*",
    .refuse_hopeless = true,
    .hopeless_total = 6,
    .joined_total = 7};

static const struct permit_semaphore_info api = {.name = "api",
                                                 .kind = PERMIT_RATE,
                                                 .available = 3,
                                                 .max_wait_ms = -1,
                                                 .oldest_wait_ms = -1,
                                                 .oldest_hold_ms = -1,
                                                 .rate = 50,
                                                 .per_ms = 1500,
                                                 .burst = 100,
                                                 .template_name = "",
                                                 .shadow = true,
                                                 .would_refuse_total = 4,
                                                 .would_wait_total = 5};

static const struct permit_label nightly[] = {{"job", "nightly"}, {"k", ""}};

static const uint32_t slots[] = {2, 5};

static const struct permit_part_info parts[] = {{"builds", 2, 2, slots},
                                                {"api", 1, 0, NULL}};

static const struct permit_client_info alice = {
    17, "alice@ci-4:812", "ci-4", 812, "make", "10.0.0.4:51344", true};

START_TEST(a_semaphore_has_the_shape_of_the_conventions)
{
    assert_json(
        json_semaphore(&builds),
        "{\"name\":\"builds\",\"kind\":\"bounded\",\"permits\":8,\"held\":8,"
        "\"available\":0,\"holders\":7,\"waiters\":4,\"waiting_permits\":5,"
        "\"max_queue\":100,\"bypass\":2,\"slots\":true,"
        "\"state\":\"saturated\",\"fence\":\"30118790737957889\","
        "\"oldest_wait_seconds\":83.1,\"oldest_hold_seconds\":601,"
        "\"max_wait_seconds\":1800,\"hold_seconds\":null,\"rate\":null,"
        "\"template\":\"bui*\",\"per_session\":3,\"refuse_hopeless\":true,"
        "\"durable\":true,\"shadow\":false,\"would_refuse_total\":0,"
        "\"would_wait_total\":0,\"wait_p95_seconds\":null,"
        "\"totals\":{\"grants_total\":5121,\"timeouts_total\":2,"
        "\"queue_full_total\":1,\"hopeless_total\":6,\"joined_total\":7,"
        "\"lost_total\":{\"hold\":1,\"session\":3,"
        "\"revoked\":0,\"kicked\":4,\"deleted\":5}}}");
}
END_TEST

START_TEST(a_rate_says_how_many_tokens_come_and_are_there)
{
    assert_json(
        json_semaphore(&api),
        "{\"name\":\"api\",\"kind\":\"rate\",\"permits\":null,\"held\":0,"
        "\"available\":3,\"holders\":0,\"waiters\":0,\"waiting_permits\":0,"
        "\"max_queue\":0,\"bypass\":0,\"slots\":false,"
        "\"state\":\"active\",\"fence\":\"0\","
        "\"oldest_wait_seconds\":null,\"oldest_hold_seconds\":null,"
        "\"max_wait_seconds\":null,\"hold_seconds\":null,"
        "\"rate\":{\"permits\":50,\"per_seconds\":1.5,\"burst\":100,"
        "\"tokens\":3},"
        "\"template\":null,\"per_session\":null,\"refuse_hopeless\":false,"
        "\"durable\":false,\"shadow\":true,\"would_refuse_total\":4,"
        "\"would_wait_total\":5,\"wait_p95_seconds\":null,"
        "\"totals\":{\"grants_total\":0,\"timeouts_total\":0,"
        "\"queue_full_total\":0,\"hopeless_total\":0,\"joined_total\":0,"
        "\"lost_total\":{\"hold\":0,\"session\":0,"
        "\"revoked\":0,\"kicked\":0,\"deleted\":0}}}");
}
END_TEST

START_TEST(a_holder_has_the_shape_of_the_conventions)
{
    struct permit_holder_info holder = {.grant_id = 9007199254740993u,
                                        .fence = 30118790737957889u,
                                        .semaphore = "builds",
                                        .permits = 2,
                                        .client = alice,
                                        .held_ms = 601000,
                                        .waited_ms = 2,
                                        .expires_in_ms = 1000,
                                        .labels = nightly,
                                        .labels_count = 2,
                                        .slots = slots,
                                        .slots_count = 2,
                                        .parts = parts,
                                        .parts_count = 2};

    assert_json(
        json_holder(&holder, NOW_MS),
        "{\"grant_id\":\"9007199254740993\",\"fence\":\"30118790737957889\","
        "\"permits\":2,\"slots\":[2,5],\"parts\":[{\"semaphore\":\"builds\","
        "\"permits\":2},{\"semaphore\":\"api\",\"permits\":1}],"
        "\"session_id\":\"17\",\"name\":\"alice@ci-4:812\","
        "\"host\":\"ci-4\",\"pid\":812,\"purpose\":\"make\","
        "\"address\":\"10.0.0.4:51344\",\"identity\":null,"
        "\"labels\":{\"job\":\"nightly\",\"k\":\"\"},"
        "\"granted_at\":\"2026-11-21T00:00:22.123Z\",\"held_seconds\":601,"
        "\"waited_seconds\":0.002,"
        "\"expires_at\":\"2026-11-21T00:10:24.123Z\",\"connected\":true,"
        "\"stale\":false}");
}
END_TEST

START_TEST(a_waiter_has_the_shape_of_the_conventions)
{
    struct permit_waiter_info waiter = {.acquire_id = 9007199254740993u,
                                        .position = 3,
                                        .semaphore = "builds",
                                        .permits = 1,
                                        .client = alice,
                                        .waited_ms = 83100,
                                        .expires_in_ms = -1,
                                        .parts = &parts[1],
                                        .parts_count = 1,
                                        .priority = 3};

    assert_json(
        json_waiter(&waiter, NOW_MS),
        "{\"request_id\":\"9007199254740993\",\"position\":3,\"permits\":1,"
        "\"parts\":[{\"semaphore\":\"api\",\"permits\":1}],\"priority\":3,"
        "\"session_id\":\"17\",\"name\":\"alice@ci-4:812\",\"host\":\"ci-4\","
        "\"pid\":812,\"purpose\":\"make\",\"address\":\"10.0.0.4:51344\","
        "\"identity\":null,\"labels\":{},"
        "\"queued_at\":\"2026-11-21T00:09:00.023Z\",\"waited_seconds\":83.1,"
        "\"deadline\":null,\"set_aside\":null}");
}
END_TEST

/* ------------------------------------------------------------------- states */

static const struct {
    struct permit_semaphore_info info;
    const char *state;
} state_cases[] = {
    {{.kind = PERMIT_BOUNDED, .permits = 2, .available = 2}, "idle"},
    {{.kind = PERMIT_BOUNDED,
      .permits = 2,
      .held = 1,
      .available = 1,
      .holders = 1},
     "active"},
    {{.kind = PERMIT_BOUNDED, .permits = 2, .held = 2, .holders = 1},
     "saturated"},
    {{.kind = PERMIT_BOUNDED,
      .permits = 2,
      .held = 1,
      .available = 1,
      .holders = 1,
      .waiters = 1},
     "saturated"},
    {{.kind = PERMIT_BOUNDED, .permits = 2, .available = 2, .waiters = 1},
     "saturated"},
    {{.kind = PERMIT_BOUNDED, .permits = 2, .held = 3, .holders = 1}, "shrunk"},
    {{.kind = PERMIT_BOUNDED,
      .permits = 2,
      .held = 3,
      .holders = 1,
      .waiters = 1},
     "shrunk"},
    {{.kind = PERMIT_BOUNDED,
      .permits = 2,
      .held = 3,
      .holders = 1,
      .shadow = true},
     "saturated"},
    {{.kind = PERMIT_RATE, .burst = 2, .available = 2}, "idle"},
    {{.kind = PERMIT_RATE, .burst = 2, .available = 1}, "active"},
    {{.kind = PERMIT_RATE, .burst = 2, .available = 2, .holders = 1}, "active"},
    {{.kind = PERMIT_RATE, .burst = 2}, "saturated"},
    {{.kind = PERMIT_RATE, .burst = 2, .available = 1, .waiters = 1},
     "saturated"},
    {{.kind = PERMIT_COUNTING}, "idle"},
    {{.kind = PERMIT_COUNTING, .held = 3, .holders = 1}, "active"},
    {{.kind = PERMIT_COUNTING, .waiters = 1}, "saturated"},
};

START_TEST(a_state_says_what_an_operator_asks_first)
{
    ck_assert_str_eq(json_state(&state_cases[_i].info), state_cases[_i].state);
}
END_TEST

START_TEST(what_there_is_none_of_is_null)
{
    struct permit_semaphore_info info = builds;
    cJSON *object;

    info.kind = PERMIT_RATE;
    info.per_ms = 1000;
    info.max_wait_ms = -1;
    info.hold_ms = 2500;
    info.oldest_wait_ms = -1;
    info.oldest_hold_ms = -1;
    object = json_semaphore(&info);
    ck_assert(cJSON_IsNull(cJSON_GetObjectItem(object, "permits")));
    ck_assert(cJSON_IsNull(cJSON_GetObjectItem(object, "max_wait_seconds")));
    ck_assert(cJSON_IsNull(cJSON_GetObjectItem(object, "oldest_wait_seconds")));
    ck_assert(cJSON_IsNull(cJSON_GetObjectItem(object, "oldest_hold_seconds")));
    ck_assert_double_eq(
        cJSON_GetObjectItem(object, "hold_seconds")->valuedouble, 2.5);
    ck_assert_str_eq(cJSON_GetObjectItem(object, "kind")->valuestring, "rate");
    cJSON_Delete(object);
    info.kind = PERMIT_COUNTING;
    object = json_semaphore(&info);
    ck_assert_str_eq(cJSON_GetObjectItem(object, "kind")->valuestring,
                     "counting");
    cJSON_Delete(object);
}
END_TEST

START_TEST(a_waiter_says_why_it_is_set_aside)
{
    static const char *const names[] = {[PERMIT_SET_ASIDE_PAUSED] = "paused",
                                        [PERMIT_SET_ASIDE_SHARE] = "share",
                                        [PERMIT_SET_ASIDE_DISCONNECTED] =
                                            "disconnected"};

    for (int i = PERMIT_SET_ASIDE_PAUSED; i <= PERMIT_SET_ASIDE_DISCONNECTED;
         i++) {
        struct permit_waiter_info waiter = {.semaphore = "a",
                                            .client = alice,
                                            .set_aside =
                                                (enum permit_set_aside)i};
        cJSON *object = json_waiter(&waiter, NOW_MS);

        ck_assert_str_eq(cJSON_GetObjectItem(object, "set_aside")->valuestring,
                         names[i]);
        cJSON_Delete(object);
    }
}
END_TEST

/* -------------------------------------------------------------------- times */

static const struct {
    int64_t wall_ms;
    const char *expected;
} time_cases[] = {
    {0, "{\"t\":\"1970-01-01T00:00:00.000Z\"}"},
    {1, "{\"t\":\"1970-01-01T00:00:00.001Z\"}"},
    {951827696999, "{\"t\":\"2000-02-29T12:34:56.999Z\"}"},
    {253402300799999, "{\"t\":\"9999-12-31T23:59:59.999Z\"}"},
    {253402300800000, "{\"t\":null}"},
    {INT64_MAX, "{\"t\":null}"},
    {-1, "{\"t\":null}"},
    {INT64_MIN, "{\"t\":null}"},
};

START_TEST(times_are_rfc_3339)
{
    cJSON *object = cJSON_CreateObject();

    ck_assert(json_add_time(object, "t", time_cases[_i].wall_ms));
    assert_json(object, time_cases[_i].expected);
}
END_TEST

START_TEST(durations_beyond_the_calendar_are_null)
{
    struct permit_holder_info holder = {.semaphore = "a",
                                        .client = alice,
                                        .held_ms = INT64_MAX,
                                        .expires_in_ms = INT64_MAX};
    cJSON *object = json_holder(&holder, NOW_MS);

    ck_assert(cJSON_IsNull(cJSON_GetObjectItem(object, "granted_at")));
    ck_assert(cJSON_IsNull(cJSON_GetObjectItem(object, "expires_at")));
    cJSON_Delete(object);
}
END_TEST

/* -------------------------------------------------------------------- texts */

#define BAD "\xef\xbf\xbd"

static const struct {
    const char *text;
    const char *expected;
} text_cases[] = {
    {"", ""},
    {"plain", "plain"},
    {"h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80",
     "h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"},
    {"\xff", BAD},
    {"a\x80z", "a" BAD "z"},
    {"\xc3", BAD}, /* Cut short. */
    {"\xe2\x82", BAD BAD},
    {"\xf0\x9f\x98", BAD BAD BAD},
    {"\xc3(", BAD "("},
    {"\xe2\x82(", BAD BAD "("},
    {"\xe2\x82\xc0", BAD BAD BAD},
    {"\xc0\xaf", BAD BAD}, /* Longer than need be. */
    {"\xc1\xbf", BAD BAD},
    {"\xe0\x9f\xbf", BAD BAD BAD},
    {"\xe0\xa0\x80", "\xe0\xa0\x80"},
    {"\xf0\x8f\xbf\xbf", BAD BAD BAD BAD},
    {"\xf0\x90\x80\x80", "\xf0\x90\x80\x80"},
    {"\xed\x9f\xbf", "\xed\x9f\xbf"},
    {"\xed\xa0\x80", BAD BAD BAD}, /* A surrogate. */
    {"\xee\x80\x80", "\xee\x80\x80"},
    {"\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"}, /* U+10FFFF. */
    {"\xf4\x90\x80\x80", BAD BAD BAD BAD},
    {"\xf5\x80\x80\x80", BAD BAD BAD BAD},
    {"\xfe\xff", BAD BAD},
};

START_TEST(text_is_valid_utf_8_whatever_came)
{
    cJSON *object = cJSON_CreateObject();
    /* Exactly its bytes, so that ASan sees a read behind them. */
    char *text = strdup(text_cases[_i].text);

    ck_assert(json_add_text(object, "t", text));
    ck_assert_str_eq(cJSON_GetObjectItem(object, "t")->valuestring,
                     text_cases[_i].expected);
    free(text);
    cJSON_Delete(object);
}
END_TEST

START_TEST(controls_and_quotes_are_escaped)
{
    cJSON *object = cJSON_CreateObject();

    ck_assert(json_add_text(object, "t", "\"\\\n\x01\x1b[31m"));
    assert_json(object, "{\"t\":\"\\\"\\\\\\n\\u0001\\u001b[31m\"}");
}
END_TEST

START_TEST(labels_are_escaped_and_no_key_comes_twice)
{
    static const struct permit_label labels[] = {{"\xff", "1"},
                                                 {"\xfe", "2"},
                                                 {"a\"\n", "</b>\\\x1b"},
                                                 {"A\"\n", "\xff"}};
    struct permit_waiter_info waiter = {
        .semaphore = "a", .client = alice, .labels = labels, .labels_count = 4};
    cJSON *object = json_waiter(&waiter, NOW_MS);

    assert_json(cJSON_DetachItemFromObject(object, "labels"),
                "{\"" BAD "\":\"1\",\"a\\\"\\n\":\"</b>\\\\\\u001b\","
                "\"A\\\"\\n\":\"" BAD "\"}");
    cJSON_Delete(object);
}
END_TEST

START_TEST(ids_keep_all_their_digits)
{
    cJSON *object = cJSON_CreateObject();

    ck_assert(json_add_id(object, "i", UINT64_MAX));
    assert_json(object, "{\"i\":\"18446744073709551615\"}");
}
END_TEST

/* ------------------------------------------------------------------- memory */

static int allocations_left;

static void *failing_malloc(size_t bytes)
{
    return allocations_left-- > 0 ? malloc(bytes) : NULL;
}

static cJSON *make(int which)
{
    static const struct permit_holder_info holder = {
        .semaphore = "a",
        .client = {.name = "", .host = "", .purpose = "", .address = ""},
        .labels = nightly,
        .labels_count = 2,
        .slots = slots,
        .slots_count = 2,
        .parts = parts,
        .parts_count = 2};
    static const struct permit_waiter_info waiter = {
        .semaphore = "a",
        .client = {.name = "", .host = "", .purpose = "", .address = ""},
        .labels = nightly,
        .labels_count = 2,
        .parts = parts,
        .parts_count = 2};

    return which == 0   ? json_semaphore(&builds)
           : which == 1 ? json_semaphore(&api)
           : which == 2 ? json_holder(&holder, NOW_MS)
                        : json_waiter(&waiter, NOW_MS);
}

START_TEST(without_memory_there_is_nothing_and_nothing_leaks)
{
    cJSON_Hooks hooks = {failing_malloc, free};
    cJSON *object = NULL;
    int n = 0;

    cJSON_InitHooks(&hooks);
    do {
        allocations_left = n++;
        object = make(_i);
        /* A half-made object would have been deleted. */
        ck_assert((object == NULL) == (allocations_left < 0));
    } while (object == NULL);
    ck_assert_int_gt(n, 50);
    cJSON_Delete(object);
    cJSON_InitHooks(NULL);
}
END_TEST

#define COUNT(cases) ((int)(sizeof(cases) / sizeof((cases)[0])))

int main(void)
{
    Suite *suite = suite_create("json");
    TCase *tcase = tcase_create("json");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, tcase);
    tcase_add_test(tcase, a_semaphore_has_the_shape_of_the_conventions);
    tcase_add_test(tcase, a_rate_says_how_many_tokens_come_and_are_there);
    tcase_add_test(tcase, a_holder_has_the_shape_of_the_conventions);
    tcase_add_test(tcase, a_waiter_has_the_shape_of_the_conventions);
    tcase_add_loop_test(tcase, a_state_says_what_an_operator_asks_first, 0,
                        COUNT(state_cases));
    tcase_add_test(tcase, what_there_is_none_of_is_null);
    tcase_add_test(tcase, a_waiter_says_why_it_is_set_aside);
    tcase_add_loop_test(tcase, times_are_rfc_3339, 0, COUNT(time_cases));
    tcase_add_test(tcase, durations_beyond_the_calendar_are_null);
    tcase_add_loop_test(tcase, text_is_valid_utf_8_whatever_came, 0,
                        COUNT(text_cases));
    tcase_add_test(tcase, controls_and_quotes_are_escaped);
    tcase_add_test(tcase, labels_are_escaped_and_no_key_comes_twice);
    tcase_add_test(tcase, ids_keep_all_their_digits);
    tcase_add_loop_test(
        tcase, without_memory_there_is_nothing_and_nothing_leaks, 0, 4);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
