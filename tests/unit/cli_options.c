/* SPDX-License-Identifier: MIT */
/* The command line of `permit`, and its exit codes. */

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "exit_code.h"
#include "options.h"

#define ARGS_MAX 24

/* Splits at blanks; the words live until the next call. */
static int split(const char *line, char **ret_argv)
{
    static char text[512];
    int count = 0;
    char *rest = text;
    char *word;

    ck_assert_uint_lt(strlen(line), sizeof(text));
    (void)strcpy(text, line);
    while ((word = strtok_r(rest, " ", &rest)) != NULL) {
        ck_assert_int_lt(count, ARGS_MAX);
        ret_argv[count++] = word;
    }
    ret_argv[count] = NULL;
    return count;
}

static enum options_result parse(const char *line, struct options *options)
{
    static char *argv[ARGS_MAX + 1];
    int argc = split(line, argv);

    options_init(options);
    options->command = commands_find(argv[0]);
    ck_assert_ptr_nonnull(options->command);
    return options_parse(argc, argv, options);
}

START_TEST(options_come_before_and_after_the_semaphore)
{
    struct options options;

    ck_assert_int_eq(
        parse("run -w 1.5 jobs -p 3 --hold 2m make -j4 -p 9", &options),
        OPTIONS_GO);
    ck_assert_str_eq(options.semaphore, "jobs");
    ck_assert_int_eq(options.wait_ms, 1500);
    ck_assert_uint_eq(options.permits, 3);
    ck_assert_int_eq(options.hold_ms, 120000);
    ck_assert_str_eq(options.argv[0], "make");
    ck_assert_str_eq(options.argv[1], "-j4");
    ck_assert_str_eq(options.argv[3], "9");
    ck_assert_ptr_null(options.argv[4]);
}
END_TEST

START_TEST(two_dashes_end_the_options)
{
    struct options options;

    ck_assert_int_eq(parse("run jobs -- -p 3", &options), OPTIONS_GO);
    ck_assert_str_eq(options.argv[0], "-p");
    ck_assert_str_eq(options.argv[1], "3");
    ck_assert_uint_eq(options.permits, 1);
}
END_TEST

START_TEST(what_is_not_said_has_its_default)
{
    struct options options;

    ck_assert_int_eq(parse("run jobs true", &options), OPTIONS_GO);
    ck_assert_uint_eq(options.permits, 1);
    ck_assert_int_eq(options.wait_ms, -1);
    ck_assert_int_eq(options.hold_ms, 0);
    ck_assert_int_eq(options.conflict_code, -1);
    ck_assert_int_eq(options.kill_after_ms, OPTIONS_DURATION_UNSET);
    ck_assert_int_eq(options.progress_interval_ms, 10000);
    ck_assert_int_eq(options.progress, PROGRESS_AUTO);
    ck_assert(!options.json && !options.quiet && !options.no_stdin);
    ck_assert_int_eq(options.on_lost, SIGTERM);
    ck_assert_int_eq(options.on_unreachable, UNREACHABLE_FAIL);
    ck_assert_int_eq(options.status_fd, -1);
    ck_assert_uint_eq(options.labels_count, 0);
    ck_assert_uint_eq(options.priority, 0);
    ck_assert_uint_eq(options.parts_count, 0);
    ck_assert(!options.join);
}
END_TEST

static const struct {
    const char *text;
    const char *semaphore;
    uint32_t permits;
} part_cases[] = {{"api", "api", 1},
                  {"api:2", "api", 2},
                  {"a:b", "a:b", 1},
                  {"a:", "a:", 1},
                  {"host:8080:1", "host:8080", 1},
                  {"a:2b", "a:2b", 1},
                  {"a:2147483647", "a", 2147483647}};

START_TEST(another_semaphore_may_say_how_many_permits)
{
    struct options options;
    char line[64];

    (void)snprintf(line, sizeof(line), "run jobs --also %s --take more:3 true",
                   part_cases[_i].text);
    ck_assert_int_eq(parse(line, &options), OPTIONS_GO);
    ck_assert_uint_eq(options.parts_count, 2);
    ck_assert_str_eq(options.parts[0].semaphore, part_cases[_i].semaphore);
    ck_assert_uint_eq(options.parts[0].permits, part_cases[_i].permits);
    ck_assert(!options.parts[0].take);
    ck_assert_str_eq(options.parts[1].semaphore, "more");
    ck_assert_uint_eq(options.parts[1].permits, 3);
    ck_assert(options.parts[1].take);
}
END_TEST

START_TEST(no_limit_is_said_as_each_option_means_it)
{
    struct options options;

    ck_assert_int_eq(parse("run -w inf --hold inf jobs true", &options),
                     OPTIONS_GO);
    ck_assert_int_eq(options.wait_ms, -1);
    ck_assert_int_eq(options.hold_ms, 0);
    ck_assert_int_eq(parse("run -w 0 jobs true", &options), OPTIONS_GO);
    ck_assert_int_eq(options.wait_ms, 0);
}
END_TEST

START_TEST(a_string_is_run_by_the_shell)
{
    struct options options;

    ck_assert_int_eq(parse("run jobs -c exit", &options), OPTIONS_GO);
    ck_assert_str_eq(options.argv[0], "/bin/sh");
    ck_assert_str_eq(options.argv[1], "-c");
    ck_assert_str_eq(options.argv[2], "exit");
    ck_assert_ptr_null(options.argv[3]);
}
END_TEST

START_TEST(a_definition_names_what_it_sets)
{
    struct options options;

    ck_assert_int_eq(
        parse("set orders --kind counting --permits 0 --max-wait inf",
              &options),
        OPTIONS_GO);
    ck_assert_uint_eq(options.definition.fields, PERMIT_DEFINE_KIND |
                                                     PERMIT_DEFINE_PERMITS |
                                                     PERMIT_DEFINE_MAX_WAIT);
    ck_assert_int_eq(options.definition.kind, PERMIT_COUNTING);
    ck_assert_uint_eq(options.definition.permits, 0);
    ck_assert_int_eq(options.definition.max_wait_ms, -1);
    ck_assert_int_eq(parse("set gpu --slots", &options), OPTIONS_GO);
    ck_assert_uint_eq(options.definition.fields, PERMIT_DEFINE_SLOTS);
    ck_assert(options.definition.slots);
    ck_assert_int_eq(parse("set x --bypass 65535 --per-session 3 --shadow "
                           "--refuse-hopeless --hold 1h --max-queue 0",
                           &options),
                     OPTIONS_GO);
    ck_assert_uint_eq(options.definition.fields,
                      PERMIT_DEFINE_BYPASS | PERMIT_DEFINE_PER_SESSION |
                          PERMIT_DEFINE_SHADOW | PERMIT_DEFINE_REFUSE_HOPELESS |
                          PERMIT_DEFINE_HOLD | PERMIT_DEFINE_MAX_QUEUE);
    ck_assert_uint_eq(options.definition.bypass, 65535);
    ck_assert_uint_eq(options.definition.per_session, 3);
    ck_assert(options.definition.shadow && options.definition.refuse_hopeless);
}
END_TEST

START_TEST(what_was_switched_on_is_switched_off)
{
    struct options options;

    ck_assert_int_eq(parse("set x --no-slots --no-shadow --no-refuse-hopeless "
                           "--per-session inf",
                           &options),
                     OPTIONS_GO);
    ck_assert_uint_eq(options.definition.fields,
                      PERMIT_DEFINE_SLOTS | PERMIT_DEFINE_SHADOW |
                          PERMIT_DEFINE_REFUSE_HOPELESS |
                          PERMIT_DEFINE_PER_SESSION);
    ck_assert(!options.definition.slots && !options.definition.shadow);
    ck_assert(!options.definition.refuse_hopeless);
    ck_assert_uint_eq(options.definition.per_session, 0);
}
END_TEST

START_TEST(a_rate_is_known_by_what_only_rates_have)
{
    struct options options;

    ck_assert_int_eq(parse("set api --rate 5/250ms --burst 10", &options),
                     OPTIONS_GO);
    ck_assert_uint_eq(options.definition.fields,
                      PERMIT_DEFINE_KIND | PERMIT_DEFINE_RATE |
                          PERMIT_DEFINE_PER | PERMIT_DEFINE_BURST);
    ck_assert_int_eq(options.definition.kind, PERMIT_RATE);
    ck_assert_uint_eq(options.definition.rate, 5);
    ck_assert_uint_eq(options.definition.per_ms, 250);
    ck_assert_uint_eq(options.definition.burst, 10);
}
END_TEST

START_TEST(a_template_is_defined_like_a_semaphore)
{
    struct options options;

    ck_assert_int_eq(parse("set team/* --permits 4", &options), OPTIONS_GO);
    ck_assert_str_eq(options.semaphore, "team/*");
    ck_assert_int_eq(parse("delete -y team/*", &options), OPTIONS_GO);
}
END_TEST

START_TEST(apply_reads_a_file_and_may_only_say_what_it_would_do)
{
    struct options options;

    ck_assert_int_eq(parse("apply semaphores.yaml", &options), OPTIONS_GO);
    ck_assert_str_eq(options.file, "semaphores.yaml");
    ck_assert(!options.dry_run);
    ck_assert_int_eq(parse("apply -n -", &options), OPTIONS_GO);
    ck_assert_str_eq(options.file, "-");
    ck_assert(options.dry_run);
}
END_TEST

START_TEST(ping_counts_where_run_has_a_command)
{
    struct options options;

    ck_assert_int_eq(parse("ping -c 7 -i 250ms", &options), OPTIONS_GO);
    ck_assert_uint_eq(options.count, 7);
    ck_assert_int_eq(options.interval_ms, 250);
    ck_assert_ptr_null(options.argv);
}
END_TEST

START_TEST(a_prefix_is_for_status)
{
    struct options options;

    ck_assert_int_eq(parse("status team/*", &options), OPTIONS_GO);
    ck_assert(options.is_prefix);
    ck_assert_int_eq(parse("status *", &options), OPTIONS_GO);
    ck_assert(options.is_prefix);
    ck_assert_int_eq(parse("status", &options), OPTIONS_GO);
    ck_assert_ptr_null(options.semaphore);
}
END_TEST

static const struct {
    const char *text;
    int on_lost;
} on_lost_cases[] = {{"term", SIGTERM},
                     {"kill", SIGKILL},
                     {"SIGUSR1", SIGUSR1},
                     {"Hup", SIGHUP},
                     {"64", 64},
                     {"2", SIGINT},
                     {"ignore", OPTIONS_LOST_IGNORE}};

START_TEST(what_a_lost_command_gets_is_a_signal_or_nothing)
{
    struct options options;
    char line[64];

    (void)snprintf(line, sizeof(line), "run --on-lost %s jobs true",
                   on_lost_cases[_i].text);
    ck_assert_int_eq(parse(line, &options), OPTIONS_GO);
    ck_assert_int_eq(options.on_lost, on_lost_cases[_i].on_lost);
}
END_TEST

START_TEST(labels_are_split_at_their_first_equals_sign)
{
    struct options options;

    ck_assert_int_eq(parse("run --label a=b=c jobs --label d= true", &options),
                     OPTIONS_GO);
    ck_assert_uint_eq(options.labels_count, 2);
    ck_assert_str_eq(options.labels[0].key, "a");
    ck_assert_str_eq(options.labels[0].value, "b=c");
    ck_assert_str_eq(options.labels[1].key, "d");
    ck_assert_str_eq(options.labels[1].value, "");
}
END_TEST

static const char *const json_cases[] = {
    "run --json -p x jobs true",  "run -p x --json jobs true",
    "run -p x jobs --json true",  "run a!b --json true",
    "run --json --nonsense jobs", "run --nonsense --json jobs"};

START_TEST(json_is_heard_before_and_after_what_is_wrong)
{
    struct options options;

    ck_assert_int_eq(parse(json_cases[_i], &options), OPTIONS_WRONG);
    ck_assert(options.json);
}
END_TEST

START_TEST(the_commands_own_json_is_not_ours)
{
    struct options options;

    ck_assert_int_eq(parse("run -p x jobs true --json", &options),
                     OPTIONS_WRONG);
    ck_assert(!options.json);
}
END_TEST

/* 129 bytes. */
#define LONG                                                                   \
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"         \
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdefx"

static const struct {
    const char *line;
    const char *error; /* A part of what is said; NULL: argp's own words. */
} wrong_cases[] = {
    {"run", "which semaphore?"},
    {"run jobs", "which command?"},
    {"run jobs --", "which command?"},
    {"run -jobs true", NULL},
    {"run --nonsense jobs true", NULL},
    {"run jobs -c true extra", "what is 'extra'?"},
    {"run -p 0 jobs true", "at least 1"},
    {"run -p -1 jobs true", "no number"},
    {"run -p +1 jobs true", "no number"},
    {"run -p 1x jobs true", "no number"},
    {"run -p 2147483648 jobs true", "no number"},
    {"run -p 4294967297 jobs true", "no number"},
    {"run -p 99999999999999999999 jobs true", "no number"},
    {"run -E 256 jobs true", "no number"},
    {"run -w -1 jobs true", "no duration"},
    {"run -w soon jobs true", "no duration"},
    {"run -w", NULL},
    {"run --expect-permits 0 jobs true", "at least 1"},
    {"run --progress often jobs true", "no such choice"},
    {"run a!b true", "'a!b'"},
    {"run team/* true", "is a template, which makes semaphores"},
    {"run jobs --also team/* true", "only for the end of the name of a "},
    {"run jobs --also a!b true", "--also: 'a!b'"},
    {"run jobs --also :2 true", "--also: ':2': name the semaphore"},
    {"run jobs --also api:0 true", "--also: must be at least 1"},
    {"run jobs --take api:2147483648 true",
     "--take: '2147483648' is no number"},
    {"run jobs --also jobs:2 true", "'jobs' is there twice"},
    {"run --also api jobs --take api:2 true", "'api' is there twice"},
    {"run a --also b --also c --also d --also e --take f --take g --take h "
     "--also i true",
     "--also: at most 8 semaphores in all"},
    {"run jobs --join --also api true", "--join is for one semaphore"},
    {"run --priority 8 jobs true", "--priority: '8' is no number up to 7"},
    {"run --priority -1 jobs true", "no number up to 7"},
    {"run --linger soon jobs true", "--linger: 'soon' is no duration"},
    {"run --label k jobs true", "'k' is not K=V"},
    {"run --label =v jobs true", "'=v' is not K=V"},
    {"run --label " LONG "=v jobs true", "is not K=V"},
    {"run --label k=" LONG " jobs true", "is not K=V"},
    {"run --label k=v --label k=w jobs true", "'k' is there twice"},
    {"run --label 1= --label 2= --label 3= --label 4= --label 5= --label 6= "
     "--label 7= --label 8= --label 9= jobs true",
     "at most 8"},
    {"run --status-fd 2 jobs true", "0, 1 and 2 are the command's"},
    {"run --status-fd x jobs true", "no number"},
    {"run --on-lost nonsense jobs true", "neither a signal nor ignore"},
    {"run --on-lost 0 jobs true", "neither a signal nor ignore"},
    {"run --on-lost 65 jobs true", "neither a signal nor ignore"},
    {"run --on-unreachable hope jobs true", "no such choice"},
    /* The first of two. */
    {"run -p x -w soon jobs true", "--permits"},
    {"set", "which semaphore?"},
    {"set jobs extra", "what is 'extra'?"},
    {"set --kind odd jobs", "no such choice"},
    {"set --rate 0/s jobs", "--rate: '0/s' must be of 1 to 2147483647 tokens"},
    {"set --rate -5/s jobs", "--rate: '-5/s' must be N/UNIT"},
    {"set --rate 2147483648/s jobs", "must be of 1 to 2147483647 tokens"},
    {"set --rate 1/367d jobs", "must be per 1ms to 366d"},
    {"set --rate 5 jobs", "must be N/UNIT, like 100/s"},
    {"set --burst 0 jobs", "--burst: must be at least 1"},
    {"set --burst -1 jobs", "no number"},
    {"set --burst 2147483648 jobs", "no number up to 2147483647"},
    {"set --kind bounded --rate 5/s jobs", "only a rate has --rate"},
    {"set --kind counting --burst 5 jobs", "only a rate has --rate"},
    {"set --kind rate --permits 5 jobs", "a rate has --rate and --burst"},
    {"set --rate 5/s --permits 5 jobs", "a rate has --rate and --burst"},
    {"set --bypass 65536 jobs", "--bypass: '65536' is no number up to 65535"},
    {"set --per-session 0 jobs", "--per-session: must be at least 1"},
    {"set *", "'*': a template has something before its '*'"},
    {"set a*b", "only for the end of the name of a template"},
    {"set a**", "only for the end of the name of a template"},
    {"set --no-durable jobs", "--no-durable is not served yet"},
    {"holders", "which semaphore?"},
    {"holders --stale jobs", "--stale is not served yet"},
    {"holders team/*", "is a template"},
    {"why", "which semaphore?"},
    {"why jobs extra", "what is 'extra'?"},
    {"why team/*", "is a template"},
    {"why -p 0 jobs", "at least 1"},
    {"take team/*", "is a template"},
    {"take -p 0 jobs", "at least 1"},
    {"apply", "which file?"},
    {"apply a b", "what is 'b'?"},
    {"export a b", "what is 'b'?"},
    {"post -p 0 jobs", "at least 1"},
    {"renew jobs", "what is 'jobs'?"},
    {"renew --hold inf", "is no limit"},
    {"renew --hold 0", "is no limit"},
    {"renew --hold soon", "no duration"},
    {"verify", "which grant?"},
    {"verify 1", "which grant?"},
    {"verify 1 2 3", "what is '3'?"},
    {"verify one 2", "'one' is no number"},
    {"verify 1 18446744073709551616", "is no number"},
    {"ping extra", "what is 'extra'?"},
    {"ping -c 0", "at least 1"},
};

START_TEST(what_is_wrong_is_refused_with_words)
{
    struct options options;

    ck_assert_int_eq(parse(wrong_cases[_i].line, &options), OPTIONS_WRONG);
    if (wrong_cases[_i].error == NULL) {
        ck_assert_str_eq(options.error, "");
    } else {
        ck_assert_msg(strstr(options.error, wrong_cases[_i].error) != NULL,
                      "%s", options.error);
    }
}
END_TEST

START_TEST(help_is_no_error_and_ends_with_examples)
{
    struct options options;

    ck_assert_int_eq(parse("run --help", &options), OPTIONS_DONE);
    ck_assert_int_eq(parse("status jobs --help", &options), OPTIONS_DONE);
    ck_assert_ptr_nonnull(strstr(options.command->doc, "Examples:"));
}
END_TEST

START_TEST(global_options_come_before_the_command)
{
    char *argv[] = {"permit", "-q", "-s", "unix:///x", "status", "-v", NULL};
    struct options options;

    options_init(&options);
    ck_assert_int_eq(options_parse_global(6, argv, &options), OPTIONS_GO);
    ck_assert_int_eq(options.command_index, 4);
    ck_assert_str_eq(options.server, "unix:///x");
    ck_assert(options.quiet && !options.verbose);
}
END_TEST

START_TEST(commands_of_later_versions_are_known_by_name)
{
    ck_assert(commands_is_unserved("watch"));
    ck_assert(!commands_is_unserved("run"));
    ck_assert(!commands_is_unserved("nonsense"));
    ck_assert_ptr_null(commands_find("watch"));
}
END_TEST

/* As the table of exit codes has them, told by numbers. */
static const struct {
    int status;
    int code;
} code_cases[] = {{0, 0},    {-1, 75},   {-2, 75},  {-3, 75},   {-4, 75},
                  {-5, 78},  {-6, 75},   {-7, 69},  {-8, 69},   {-9, 78},
                  {-10, 78}, {-11, 77},  {-12, 75}, {-13, 124}, {-14, 70},
                  {-15, 64}, {-16, 124}, {-17, 75}, {-18, 64},  {-19, 75},
                  {-20, 76}, {-21, 69},  {-64, 70}, {-65, 76},  {-66, 69},
                  {-67, 69}, {-68, 74},  {-69, 76}, {-70, 77},  {-71, 70},
                  {-72, 70}, {-73, 124}, {-99, 70}};

START_TEST(each_status_has_its_exit_code)
{
    ck_assert_int_eq(exit_code_of((enum permit_status)code_cases[_i].status),
                     code_cases[_i].code);
}
END_TEST

#define COUNT(array) ((int)(sizeof(array) / sizeof(*(array))))

int main(void)
{
    TCase *tcase = tcase_create("options");
    Suite *suite = suite_create("cli_options");
    SRunner *runner;
    int failed;

    tcase_add_test(tcase, options_come_before_and_after_the_semaphore);
    tcase_add_test(tcase, two_dashes_end_the_options);
    tcase_add_test(tcase, what_is_not_said_has_its_default);
    tcase_add_test(tcase, no_limit_is_said_as_each_option_means_it);
    tcase_add_test(tcase, a_string_is_run_by_the_shell);
    tcase_add_test(tcase, a_definition_names_what_it_sets);
    tcase_add_loop_test(tcase, another_semaphore_may_say_how_many_permits, 0,
                        COUNT(part_cases));
    tcase_add_test(tcase, what_was_switched_on_is_switched_off);
    tcase_add_test(tcase, a_rate_is_known_by_what_only_rates_have);
    tcase_add_test(tcase, a_template_is_defined_like_a_semaphore);
    tcase_add_test(tcase, apply_reads_a_file_and_may_only_say_what_it_would_do);
    tcase_add_test(tcase, ping_counts_where_run_has_a_command);
    tcase_add_test(tcase, a_prefix_is_for_status);
    tcase_add_loop_test(tcase, what_a_lost_command_gets_is_a_signal_or_nothing,
                        0, COUNT(on_lost_cases));
    tcase_add_test(tcase, labels_are_split_at_their_first_equals_sign);
    tcase_add_loop_test(tcase, json_is_heard_before_and_after_what_is_wrong, 0,
                        COUNT(json_cases));
    tcase_add_test(tcase, the_commands_own_json_is_not_ours);
    tcase_add_loop_test(tcase, what_is_wrong_is_refused_with_words, 0,
                        COUNT(wrong_cases));
    tcase_add_test(tcase, help_is_no_error_and_ends_with_examples);
    tcase_add_test(tcase, global_options_come_before_the_command);
    tcase_add_test(tcase, commands_of_later_versions_are_known_by_name);
    tcase_add_loop_test(tcase, each_status_has_its_exit_code, 0,
                        COUNT(code_cases));
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
