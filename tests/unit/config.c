/* SPDX-License-Identifier: MIT */
/* The configuration: files as people write them, and what they are told. */
#include "config.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char directory[] = "/tmp/permitd-config-XXXXXX";
static char file[64];

static void write_file(const char *name, const char *text)
{
    char path[128];
    FILE *out;

    (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
    out = fopen(path, "w");
    ck_assert_ptr_nonnull(out);
    ck_assert_int_ge(fputs(text, out), 0);
    ck_assert_int_eq(fclose(out), 0);
}

static void set_up(void)
{
    ck_assert_ptr_nonnull(mkdtemp(directory));
    (void)snprintf(file, sizeof(file), "%s/permitd.yaml", directory);
}

static void tear_down(void)
{
    char command[128];

    (void)snprintf(command, sizeof(command), "rm -r %s", directory);
    ck_assert_int_eq(system(command), 0);
}

static struct config *load(const char *text)
{
    struct config_flags flags = {.file = file};
    struct config *config = NULL;
    char error[CONFIG_ERROR_BYTES] = "";

    write_file("permitd.yaml", text);
    ck_assert_msg(config_load(&flags, &config, error), "%s", error);
    return config;
}

/* ---------------------------------------------------------------- bad files */

static const struct {
    const char *text;
    const char *says; /* After the file's name. */
} bad[] = {
    {"nonsense: 3\n", "line: 1, column: 1: Unexpected key: nonsense"},
    {"limits:\n  nonsense: 3\n",
     "line: 2, column: 3: Unexpected key: nonsense"},
    {"listen: [\n", "line: 1, column: 9: libyaml: "},
    {"listen: {a: 1}\n", "line: 1"},
    {"listen: &a ['unix:/p']\nhttp: {listen: *a}\n", "line: 2, column: 8"},
    {"data_dir: /tmp/x\n", "data_dir is not served yet"},
    {"session: {linger: inf}\n", "session.linger: must be"},
    {"http: {write: true}\n", "write is not served yet"},
    {"semaphores: [{name: a, durable: false}]\n", "durable is not served yet"},
    {"semaphores: [{name: 'a*b'}]\n", "semaphores[0] (a*b): '*' is only for"},
    {"semaphores: [{name: '*'}]\n", "a template has something before"},
    {"semaphores: [{name: a, kind: mutex}]\n", "kind: must be bounded, count"},
    {"semaphores: [{name: a, kind: rate}]\n", "rate, burst: must be there"},
    {"semaphores: [{name: a, kind: rate, rate: 5/s}]\n", "rate, burst: must"},
    {"semaphores: [{name: a, kind: rate, burst: 5}]\n", "rate, burst: must"},
    {"semaphores: [{name: a, rate: 5/s}]\n", "rate, burst: must not be there"},
    {"semaphores: [{name: a, burst: 5}]\n", "rate, burst: must not be there"},
    {"semaphores: [{name: a, kind: rate, rate: 0/s, burst: 1}]\n",
     "rate: must be of 1 to 2147483647 tokens"},
    {"semaphores: [{name: a, kind: rate, rate: -1/s, burst: 1}]\n",
     "rate: must be N/UNIT"},
    {"semaphores: [{name: a, kind: rate, rate: 2147483648/s, burst: 1}]\n",
     "rate: must be of 1"},
    {"semaphores: [{name: a, kind: rate, rate: 5/367d, burst: 1}]\n",
     "rate: must be per 1ms to 366d"},
    {"semaphores: [{name: a, kind: rate, rate: 5/0s, burst: 1}]\n",
     "rate: must be per 1ms to 366d"},
    {"semaphores: [{name: a, kind: rate, rate: 5/s, burst: 0}]\n",
     "burst: must be a whole number of 1 to 2147483647"},
    {"semaphores: [{name: a, kind: rate, rate: 5/s, burst: 1, permits: 1}]\n",
     "permits: must not be there for kind rate"},
    {"semaphores: [{name: a, kind: rate, rate: 5/s, burst: 1,\n"
     "              per_session: 1}]\n",
     "per_session: must not be there for kind rate"},
    {"semaphores: [{name: a, kind: rate, rate: 5/s, burst: 1, slots: true}]\n",
     "slots: must be"},
    {"semaphores: [{name: a, bypass: 65536}]\n", "of 0 to 65535"},
    {"semaphores: [{name: a, per_session: 0}]\n",
     "per_session: must be a whole number of 1 to 2147483647, or inf"},
    {"semaphores: [{name: a, shadow: 1}]\n", "shadow: must be true or false"},
    {"semaphores: [{name: a, shadow: true, slots: true}]\n",
     "shadow: must be false for"},
    {"semaphores: [{name: a, shadow: true, kind: counting}]\n",
     "shadow: must be false for"},
    {"semaphores: [{name: a, refuse_hopeless: maybe}]\n", "refuse_hopeless: "},
    {"priority_step: 366d\n", "priority_step: must be a duration"},
    {"limits: {max_templated: 0}\n", "limits.max_templated: must be"},
    {"semaphores: [{permits: 1}]\n", "name"},
    {"semaphores: [{name: 'a b'}]\n", "semaphores[0] (a b): "},
    {"semaphores: [{name: a}, {name: b}, {name: a}]\n",
     "semaphores: a is there twice"},
    {"semaphores: [{name: a, permits: 0}]\n", "semaphores[0] (a): permits: "},
    {"semaphores: [{name: a, permits: 2147483648}]\n", "permits: "},
    {"semaphores: [{name: a, permits: +1}]\n", "permits: "},
    {"semaphores: [{name: a, hold: 0}]\n", "hold: must be a duration above 0"},
    {"semaphores: [{name: a, max_wait: 1 m}]\n", "max_wait: must be"},
    {"semaphores: [{name: a, slots: 1}]\n", "slots: must be true or false"},
    {"semaphores: [{name: a, permits: 1025, slots: true}]\n", "slots: must be"},
    {"semaphores: [{name: a, kind: counting, slots: true}]\n",
     "slots: must be"},
    {"limits: {max_sessions: 0}\n", "limits.max_sessions: must be"},
    {"limits: {max_sessions: many}\n", "limits.max_sessions: must be"},
    {"limits: {max_sessions: 18446744073709551617}\n", "limits.max_sessions"},
    {"limits: {max_sessions: 12x}\n", "limits.max_sessions: must be"},
    {"limits: {hello_timeout: 1000000000h}\n", "limits.hello_timeout: must"},
    {"limits: {max_output_buffer: 12345678901234567890123456KiB}\n",
     "max_output_buffer"},
    {"semaphores: [{name: a, max_queue: -1}]\n", "max_queue: must be"},
    {"semaphores: [{name: a, hold: ever}]\n", "hold: must be a duration"},
    {"limits: {max_output_buffer: 1MB}\n", "limits.max_output_buffer: must be"},
    {"limits: {max_output_buffer: 99999999999MiB}\n", "max_output_buffer"},
    {"limits: {hello_timeout: inf}\n", "limits.hello_timeout: must be"},
    {"session: {heartbeat: soon}\n", "session.heartbeat: must be"},
    {"insecure_listen: yes\n", "insecure_listen: must be true or false"},
    {"log: {level: loud}\n", "log.level: must be error"},
    {"listen: [nonsense]\n", "listen[0]: nonsense: must be HOST:PORT"},
    {"listen: ['127.0.0.1:65536']\n", "listen[0]: 127.0.0.1:65536: must be"},
    {"listen: ['unix:']\n", "listen[0]: unix:: the path must have 1 to 107"},
    {"http: {listen: '::1:7418'}\n", "http.listen: ::1:7418: must be"},
};

START_TEST(a_bad_file_is_refused_with_its_place)
{
    struct config_flags flags = {.file = file};
    struct config *config = NULL;
    char error[CONFIG_ERROR_BYTES] = "";

    write_file("permitd.yaml", bad[_i].text);
    ck_assert(!config_load(&flags, &config, error));
    ck_assert_ptr_null(config);
    ck_assert_msg(strncmp(error, file, strlen(file)) == 0 &&
                      strstr(error, bad[_i].says) != NULL,
                  "%s", error);
}
END_TEST

static const struct {
    const char *text;
    const char *error;
} together[] = {
    {"listen: ['0.0.0.0:0']\n", "listen: 0.0.0.0:0: is not loopback"},
    {"http: {listen: '[::]:0'}\n", "http.listen: [::]:0: is not loopback"},
    {"session: {heartbeat: 5s, timeout: 9s}\n", "session.timeout: must be"},
};

START_TEST(keys_that_do_not_fit_together_are_refused)
{
    struct config_flags flags = {.file = file};
    struct config *config = NULL;
    char error[CONFIG_ERROR_BYTES] = "";

    write_file("permitd.yaml", together[_i].text);
    ck_assert(!config_load(&flags, &config, error));
    ck_assert_msg(strstr(error, together[_i].error) != NULL, "%s", error);
}
END_TEST

START_TEST(a_file_that_is_not_there_is_named)
{
    struct config_flags flags = {.file = "/nonexistent/permitd.yaml"};
    struct config *config = NULL;
    char error[CONFIG_ERROR_BYTES] = "";

    ck_assert(!config_load(&flags, &config, error));
    ck_assert_ptr_nonnull(strstr(error, "/nonexistent/permitd.yaml"));
}
END_TEST

/* --------------------------------------------------------------- good files */

START_TEST(without_a_file_all_has_its_default)
{
    struct config_flags flags = {0};
    struct config *config = NULL;
    char error[CONFIG_ERROR_BYTES] = "";

    ck_assert_msg(config_load(&flags, &config, error), "%s", error);
    ck_assert_uint_eq(config->listen_count, 1);
    ck_assert_str_eq(config->listen[0], "127.0.0.1:7417");
    ck_assert_str_eq(config->http_listen, "127.0.0.1:7418");
    ck_assert_int_eq(config->session_timeout_ms, 15000);
    ck_assert_uint_eq(config->session_limits.max_connections, 10000);
    ck_assert_uint_eq(config->engine_limits.max_waiters, 1000000);
    ck_assert_uint_eq(config->semaphores_count, 0);
    config_destroy(config);
}
END_TEST

START_TEST(values_are_read_with_their_units)
{
    struct config *config =
        load("listen: ['[::1]:0', 'unix:/tmp/p.sock']\n"
             "http: {listen: null, allowed_hosts: [permits.example]}\n"
             "drain_timeout: inf\n"
             "session: {heartbeat: 250ms, linger: 30s, grace: 1.5}\n"
             "limits: {max_output_buffer: 2MiB, max_input_buffer: 64KiB,\n"
             "         frame_timeout: 300ms, max_grants: 7}\n"
             "defaults: {max_queue: 9, max_wait: 30m}\n"
             "log: {level: debug, format: journal}\n"
             "semaphores:\n"
             "  - {name: b, permits: 8, max_wait: 5m, hold: 4h, slots: true}\n"
             "  - {name: a, kind: counting, permits: 0}\n");
    const struct config_semaphore *b = config_find(config, "b");

    ck_assert_uint_eq(config->listen_count, 2);
    ck_assert_str_eq(config->listen[1], "unix:/tmp/p.sock");
    ck_assert_ptr_null(config->http_listen);
    ck_assert_str_eq(config->http_allowed_hosts[0], "permits.example");
    ck_assert_int_eq(config->drain_timeout_ms, -1);
    ck_assert_int_eq(config->heartbeat_ms, 250);
    ck_assert_int_eq(config->session_timeout_ms, 750);
    ck_assert_int_eq(config->linger_max_ms, 30000);
    ck_assert_int_eq(config->grace_ms, 1500);
    ck_assert_uint_eq(config->session_limits.max_output_buffer, 2097152);
    ck_assert_uint_eq(config->session_limits.frame_timeout_ms, 300);
    ck_assert_uint_eq(config->engine_limits.max_grants, 7);
    ck_assert_int_eq(config->log_level, LOG_DEBUG);
    ck_assert_int_eq(config->log_format, LOG_FORMAT_JOURNAL);
    ck_assert_ptr_nonnull(b);
    ck_assert_uint_eq(b->definition.permits, 8);
    ck_assert_uint_eq(b->definition.max_queue, 9);
    ck_assert_int_eq(b->definition.max_wait_ms, 300000);
    ck_assert_int_eq(b->definition.hold_ms, 14400000);
    ck_assert(b->definition.slots);
    ck_assert(!config_find(config, "a")->definition.slots);
    ck_assert_uint_ne(b->definition.fields & ENGINE_FIELD_SLOTS, 0);
    ck_assert_int_eq(config_find(config, "a")->definition.kind,
                     ENGINE_COUNTING);
    ck_assert_ptr_null(config_find(config, "c"));
    config_destroy(config);
}
END_TEST

START_TEST(policies_rates_and_templates_are_read)
{
    struct config *config =
        load("priority_step: 500ms\n"
             "limits: {max_templated: 7, max_templated_per_session: 3,\n"
             "         max_semaphores_with_estimates: 5}\n"
             "semaphores:\n"
             "  - {name: api, kind: rate, rate: 5/250ms, burst: 100,\n"
             "     shadow: true}\n"
             "  - {name: 'team/*', permits: 4, bypass: 2, per_session: 3,\n"
             "     refuse_hopeless: true}\n"
             "  - {name: plain, per_session: inf}\n");
    const struct engine_definition *api =
        &config_find(config, "api")->definition;
    const struct engine_definition *team =
        &config_find(config, "team/*")->definition;
    const struct engine_definition *plain =
        &config_find(config, "plain")->definition;

    ck_assert_int_eq(config->priority_step_ms, 500);
    ck_assert_uint_eq(config->engine_limits.max_templated, 7);
    ck_assert_uint_eq(config->engine_limits.max_templated_per_session, 3);
    ck_assert_uint_eq(config->engine_limits.max_semaphores_with_estimates, 5);
    ck_assert_int_eq(api->kind, ENGINE_RATE);
    ck_assert_uint_eq(api->permits, 0);
    ck_assert_uint_eq(api->rate, 5);
    ck_assert_uint_eq(api->per_ms, 250);
    ck_assert_uint_eq(api->burst, 100);
    ck_assert(api->shadow);
    ck_assert_uint_eq(api->fields & ENGINE_FIELD_PERMITS, 0);
    ck_assert_uint_eq(team->bypass, 2);
    ck_assert_uint_eq(team->per_session, 3);
    ck_assert(team->refuse_hopeless);
    ck_assert_uint_eq(team->fields & ENGINE_FIELD_RATE, 0);
    ck_assert_uint_eq(plain->per_session, 0);
    ck_assert(!config_same_definition(team, plain));
    ck_assert(config_same_definition(team, team));
    config_destroy(config);
}
END_TEST

START_TEST(a_flag_wins_over_environment_over_later_file_over_file)
{
    struct config_flags flags = {.file = file};
    struct config *config = NULL;
    char error[CONFIG_ERROR_BYTES] = "";
    char path[128];

    (void)snprintf(path, sizeof(path), "mkdir %s/conf.d", directory);
    ck_assert_int_eq(system(path), 0);
    write_file("permitd.yaml", "listen: ['127.0.0.1:1']\n"
                               "limits: {max_sessions: 1, max_grants: 1,\n"
                               "         max_waiters: 1}\n"
                               "semaphores: [{name: a, permits: 1},\n"
                               "             {name: b, permits: 1}]\n");
    write_file("conf.d/1.yaml", "limits: {max_grants: 2, max_waiters: 2}\n"
                                "semaphores: [{name: b, permits: 2}]\n");
    write_file("conf.d/2.txt", "nonsense: 1\n");
    write_file("conf.d/2.yaml", "semaphores: [{name: b, permits: 3},\n"
                                "             {name: c, permits: 3}]\n");
    ck_assert_int_eq(setenv("PERMITD_LIMITS_MAX_WAITERS", "3", 1), 0);
    flags.listen[0] = "127.0.0.1:2";
    flags.listen_count = 1;
    ck_assert_msg(config_load(&flags, &config, error), "%s", error);
    ck_assert_uint_eq(config->engine_limits.max_sessions, 1);
    ck_assert_uint_eq(config->engine_limits.max_grants, 2);
    ck_assert_uint_eq(config->engine_limits.max_waiters, 3);
    ck_assert_str_eq(config->listen[0], "127.0.0.1:2");
    ck_assert_uint_eq(config->semaphores_count, 3);
    ck_assert_uint_eq(config_find(config, "a")->definition.permits, 1);
    ck_assert_uint_eq(config_find(config, "b")->definition.permits, 3);
    ck_assert_uint_eq(config_find(config, "c")->definition.permits, 3);
    config_destroy(config);
    ck_assert_int_eq(setenv("PERMITD_LIMITS_MAX_WAITERS", "x", 1), 0);
    ck_assert(!config_load(&flags, &config, error));
    ck_assert_ptr_nonnull(strstr(error, "PERMITD_LIMITS_MAX_WAITERS: must"));
}
END_TEST

START_TEST(what_is_printed_is_read_back_the_same)
{
    struct config *config =
        load("semaphores: [{name: a, permits: 3, hold: 1.5s},\n"
             "             {name: b, permits: 1024, slots: true},\n"
             "             {name: c, kind: counting, permits: 0},\n"
             "             {name: d, kind: rate, rate: 1/7d, burst: 3},\n"
             "             {name: 'e/*', bypass: 3, per_session: 4,\n"
             "              shadow: true, refuse_hopeless: true}]\n"
             "http: {listen: null}\nsession: {timeout: 20s}\n");
    struct config *again;
    char text[8192] = "";
    char text_again[8192] = "";
    FILE *out = fmemopen(text, sizeof(text), "w");

    config_print(config, out);
    ck_assert_int_eq(fclose(out), 0);
    again = load(text);
    out = fmemopen(text_again, sizeof(text_again), "w");
    config_print(again, out);
    ck_assert_int_eq(fclose(out), 0);
    ck_assert_str_eq(text, text_again);
    ck_assert_ptr_nonnull(strstr(text, "slots: true"));
    ck_assert_ptr_nonnull(strstr(text, "rate: 1/7d, burst: 3"));
    ck_assert_ptr_nonnull(strstr(text, "bypass: 3, per_session: 4"));
    config_destroy(config);
    config_destroy(again);
}
END_TEST

START_TEST(keys_that_need_a_restart_are_named_once)
{
    struct config *before = load("log: {level: info}\n");
    struct config *after =
        load("log: {level: debug}\nlimits: {max_grants: 7}\n"
             "listen: ['127.0.0.1:1']\nhttp: {listen: null}\n");
    size_t index = 0;
    char name[CONFIG_KEY_BYTES];

    ck_assert(config_next_restart_key(before, after, &index, name));
    ck_assert_str_eq(name, "http.listen");
    ck_assert(config_next_restart_key(before, after, &index, name));
    ck_assert_str_eq(name, "limits.max_grants");
    ck_assert(config_next_restart_key(before, after, &index, name));
    ck_assert_str_eq(name, "listen");
    ck_assert(!config_next_restart_key(before, after, &index, name));
    config_destroy(before);
    config_destroy(after);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("config");
    TCase *tcase = tcase_create("files");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_add_loop_test(tcase, a_bad_file_is_refused_with_its_place, 0,
                        sizeof(bad) / sizeof(bad[0]));
    tcase_add_loop_test(tcase, keys_that_do_not_fit_together_are_refused, 0,
                        sizeof(together) / sizeof(together[0]));
    tcase_add_test(tcase, a_file_that_is_not_there_is_named);
    tcase_add_test(tcase, without_a_file_all_has_its_default);
    tcase_add_test(tcase, values_are_read_with_their_units);
    tcase_add_test(tcase, policies_rates_and_templates_are_read);
    tcase_add_test(tcase,
                   a_flag_wins_over_environment_over_later_file_over_file);
    tcase_add_test(tcase, what_is_printed_is_read_back_the_same);
    tcase_add_test(tcase, keys_that_need_a_restart_are_named_once);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
