/* SPDX-License-Identifier: MIT */
#include "permit/error.h"

#include <stdlib.h>
#include <string.h>

#include <check.h>

static const struct {
    enum permit_status status;
    int value;
    const char *name;
    const char *reason;
} statuses[] = {
#define X(status, value, json, text) {status, value, #status, json},
    PERMIT_ERROR_MAP(X)
#undef X
};

#define STATUSES (sizeof(statuses) / sizeof(statuses[0]))

START_TEST(every_status_has_its_own_number_name_and_reason)
{
    int value = statuses[_i].value;

    ck_assert_int_eq(statuses[_i].status, value);
    ck_assert((value <= -1 && value >= -21) || value <= -64);
    ck_assert_str_eq(permit_status_name(statuses[_i].status),
                     statuses[_i].name);
    ck_assert_str_eq(permit_status_reason(statuses[_i].status),
                     statuses[_i].reason);
    ck_assert_str_ne(permit_strerror(statuses[_i].status), "");
    for (int other = 0; other < _i; other++) {
        ck_assert_int_ne(statuses[other].value, value);
        ck_assert_str_ne(statuses[other].reason, statuses[_i].reason);
    }
}
END_TEST

START_TEST(a_number_that_is_no_status_is_told_from_them)
{
    enum permit_status unknown = (enum permit_status) - 22;

    ck_assert_str_eq(permit_strerror(unknown), "unknown status");
    ck_assert_str_eq(permit_status_name(unknown), "PERMIT_E_UNKNOWN");
    ck_assert_str_eq(permit_status_reason(unknown), "unknown");
    ck_assert_str_eq(permit_loss_name((enum permit_loss)0), "unknown");
    ck_assert_str_eq(permit_strerror(PERMIT_OK), "ok");
    ck_assert_str_eq(permit_status_name(PERMIT_OK), "PERMIT_OK");
    ck_assert_str_eq(permit_status_reason(PERMIT_OK), "ok");
    ck_assert_str_ne(permit_strerror(PERMIT_JOINED), "");
    ck_assert_str_eq(permit_status_name(PERMIT_JOINED), "PERMIT_JOINED");
    ck_assert_str_eq(permit_status_reason(PERMIT_JOINED), "joined");
}
END_TEST

static const enum permit_status retriable[] = {
    PERMIT_E_WOULD_BLOCK,  PERMIT_E_TIMEOUT,  PERMIT_E_QUEUE_FULL,
    PERMIT_E_RATE_LIMITED, PERMIT_E_PAUSED,   PERMIT_E_DRAINING,
    PERMIT_E_RECOVERING,   PERMIT_E_CONFLICT, PERMIT_E_TOO_MANY,
    PERMIT_E_UNAVAILABLE,  PERMIT_E_NOMEM,    PERMIT_E_DISCONNECTED,
};

START_TEST(what_passes_by_itself_is_retriable_and_nothing_else)
{
    size_t found = 0;

    for (size_t i = 0; i < STATUSES; i++) {
        bool expected = false;

        for (size_t j = 0; j < sizeof(retriable) / sizeof(retriable[0]); j++) {
            expected = expected || retriable[j] == statuses[i].status;
        }
        ck_assert_msg(permit_status_is_retriable(statuses[i].status) ==
                          expected,
                      "%s", statuses[i].name);
        found += expected ? 1 : 0;
    }
    ck_assert_uint_eq(found, sizeof(retriable) / sizeof(retriable[0]));
    ck_assert(!permit_status_is_retriable(PERMIT_OK));
    ck_assert(!permit_status_is_retriable((enum permit_status) - 22));
}
END_TEST

START_TEST(losses_are_named_from_1_to_their_count)
{
    static const char *const names[PERMIT_LOSS_COUNT] = {
        "hold", "session", "revoked", "kicked", "deleted"};

    for (int loss = 1; loss <= PERMIT_LOSS_COUNT; loss++) {
        ck_assert_str_eq(permit_loss_name((enum permit_loss)loss),
                         names[loss - 1]);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("error");
    TCase *tcase = tcase_create("error");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, tcase);
    tcase_add_loop_test(tcase, every_status_has_its_own_number_name_and_reason,
                        0, (int)STATUSES);
    tcase_add_test(tcase, what_passes_by_itself_is_retriable_and_nothing_else);
    tcase_add_test(tcase, a_number_that_is_no_status_is_told_from_them);
    tcase_add_test(tcase, losses_are_named_from_1_to_their_count);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
