/* SPDX-License-Identifier: MIT */
/* FAULTS D3: the n-th allocation fails while the configuration is read and the
 * server is made, for every n. */
#include "server.h"

#include <check.h>
#include <stdlib.h>

#include "fault.h"

/* Returns whether a server was made; ends it again. */
static bool make(void)
{
    struct config_flags flags = {.listen = {"127.0.0.1:0"},
                                 .listen_count = 1,
                                 .http_listen = "127.0.0.1:0"};
    struct config *config;
    struct server *server = NULL;
    char error[CONFIG_ERROR_BYTES] = "";
    enum server_exit result;
    bool is_loaded;

    fault_begin();
    is_loaded = config_load(&flags, &config, error);
    fault_end();
    if (!is_loaded) {
        ck_assert_str_ne(error, "");
        return false;
    }
    fault_begin();
    result = server_create(config, &flags, &server, error);
    fault_end();
    if (result != SERVER_EXIT_STOPPED) {
        ck_assert_int_eq(result, SERVER_EXIT_SYSTEM);
        ck_assert_str_ne(error, "");
        ck_assert_ptr_null(server);
        return false;
    }
    server_destroy(server);
    return true;
}

START_TEST(a_server_that_finds_no_memory_says_so_and_leaves_nothing)
{
    size_t allocations;

    fault_arm(0, false);
    ck_assert(make());
    allocations = fault_count();
    ck_assert_uint_gt(allocations, 10);
    for (size_t n = 1; n <= allocations; n++) {
        fault_arm(n, _i == 1); /* Once, or from n on. */
        ck_assert(!make());
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("server_memory");
    TCase *tcase = tcase_create("memory");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tcase, 30);
    tcase_add_loop_test(
        tcase, a_server_that_finds_no_memory_says_so_and_leaves_nothing, 0, 2);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
