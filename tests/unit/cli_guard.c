/* SPDX-License-Identifier: MIT */
/* The guard of `permit run`, with this test as its wrapper.
 *
 * Who is dead is seen at pipes: the commands inherit the write end of one, and
 * its read end ends with the last of them. */

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "family.h"
#include "guard.h"

#define PATIENCE_MS 20000
/* How long something that must not happen is waited for. */
#define QUIET_MS 100

static struct guard *guard;
static int output[2]; /* The commands' descriptor 9, and who reads it. */

static int64_t now_ms(void)
{
    struct timespec now;

    ck_assert_int_eq(clock_gettime(CLOCK_BOOTTIME, &now), 0);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool is_readable(int descriptor, int timeout_ms)
{
    struct pollfd event = {.fd = descriptor, .events = POLLIN};

    return poll(&event, 1, timeout_ms) == 1;
}

/* Both ends out of the way of the numbers that commands know. */
static void make_pipe(int ret_ends[2])
{
    int low[2];

    ck_assert_int_eq(pipe2(low, O_CLOEXEC), 0);
    for (int i = 0; i < 2; i++) {
        ret_ends[i] = fcntl(low[i], F_DUPFD_CLOEXEC, 20);
        ck_assert_int_ge(ret_ends[i], 20);
        ck_assert_int_eq(close(low[i]), 0);
    }
}

/* Makes the guard of a command that has the output's pipe as descriptor 9. */
static void create(const struct guard_command *command)
{
    make_pipe(output);
    ck_assert_int_eq(dup2(output[1], 9), 9);
    ck_assert_int_eq(guard_create(command, &guard), 0);
    ck_assert_int_eq(close(9), 0);
    ck_assert_int_eq(close(output[1]), 0);
}

static void create_shell(char *script)
{
    static char *argv[] = {"/bin/sh", "-c", NULL, NULL};
    const struct guard_command command = {.argv = argv, .own_group = true};

    argv[2] = script;
    create(&command);
}

static void go(int connection, int64_t deadline_ms)
{
    static const char environment[] = "PERMIT_FENCE=17\0PERMIT_SEMAPHORE=a b";

    ck_assert_int_eq(guard_entrust(guard, NULL, 0, connection), 0);
    ck_assert_int_eq(
        guard_go(guard, environment, sizeof(environment), deadline_ms), 0);
}

static struct guard_report next_report(void)
{
    struct guard_report report;

    ck_assert(is_readable(guard_fd(guard), PATIENCE_MS));
    guard_receive(guard, &report);
    return report;
}

static void expect_started(void)
{
    ck_assert_int_eq(next_report().type, GUARD_REPORT_STARTED);
}

static void expect_ended(int code)
{
    struct guard_report report = next_report();

    ck_assert_int_eq(report.type, GUARD_REPORT_ENDED);
    ck_assert_int_eq(report.code, code);
}

/* Reads one line of the commands. */
static const char *next_line(void)
{
    static char line[256];
    size_t length = 0;

    do {
        ck_assert_uint_lt(length + 1, sizeof(line));
        ck_assert(is_readable(output[0], PATIENCE_MS));
        ck_assert_int_eq(read(output[0], line + length, 1), 1);
    } while (line[length++] != '\n');
    line[length - 1] = '\0';
    return line;
}

/* All who have the pipe are dead. */
static bool all_are_dead(int timeout_ms)
{
    char byte;

    return is_readable(output[0], timeout_ms) && read(output[0], &byte, 1) == 0;
}

static const struct {
    char *script;
    int code;
} code_cases[] = {{"exit 0", 0},          {"exit 7", 7},
                  {"exit 255", 255},      {"kill -9 $$", 137},
                  {"kill -TERM $$", 143}, {"kill -HUP $$", 129},
                  {"sleep 0 & exit 4", 4}};

START_TEST(the_code_of_the_command_is_reported)
{
    create_shell(code_cases[_i].script);
    go(-1, now_ms() + PATIENCE_MS);
    expect_started();
    expect_ended(code_cases[_i].code);
    guard_destroy(guard);
}
END_TEST

static const struct {
    char *argv[2];
    int error;
} exec_cases[] = {{{"/nonexistent/command", NULL}, ENOENT},
                  {{"no-such-command-anywhere", NULL}, ENOENT},
                  {{"/etc/passwd", NULL}, EACCES},
                  {{"/", NULL}, EACCES}};

START_TEST(a_command_that_cannot_be_executed_is_reported)
{
    const struct guard_command command = {.argv = exec_cases[_i].argv};
    struct guard_report report;

    ck_assert_int_eq(guard_create(&command, &guard), 0);
    go(-1, now_ms() + PATIENCE_MS);
    report = next_report();
    ck_assert_int_eq(report.type, GUARD_REPORT_FAILED);
    ck_assert_int_eq(report.error, exec_cases[_i].error);
    ck_assert(!report.before_exec);
    guard_destroy(guard);
}
END_TEST

START_TEST(the_command_is_told_and_outer_values_are_overridden)
{
    ck_assert_int_eq(setenv("PERMIT_FENCE", "3", 1), 0);
    ck_assert_int_eq(setenv("PERMIT_SERVER", "kept", 1), 0);
    create_shell("echo \"$PERMIT_FENCE,$PERMIT_SEMAPHORE,$PERMIT_SERVER\" >&9");
    go(-1, now_ms() + PATIENCE_MS);
    ck_assert_str_eq(next_line(), "17,a b,kept");
    expect_started();
    expect_ended(0);
    guard_destroy(guard);
}
END_TEST

START_TEST(nothing_runs_before_go)
{
    create_shell("echo ran >&9");
    guard_destroy(guard);
    ck_assert(all_are_dead(PATIENCE_MS));
}
END_TEST

START_TEST(a8_the_command_has_no_descriptor_of_ours)
{
    int pair[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair),
                     0);
    /* Only 0, 1, 2 are meant for it, once 9 is its output. */
    ck_assert_int_eq(close_range(3, ~0U, CLOSE_RANGE_CLOEXEC), 0);
    create_shell("exec ls /proc/self/fd >&9 9>&-");
    go(pair[0], now_ms() + PATIENCE_MS);
    for (int i = 0; i <= 3; i++) { /* 3 is the directory that ls reads. */
        ck_assert_int_eq(atoi(next_line()), i);
    }
    ck_assert(all_are_dead(PATIENCE_MS));
    expect_started();
    expect_ended(0);
    guard_destroy(guard);
}
END_TEST

START_TEST(a_descendant_in_the_background_keeps_the_permit)
{
    int line[2];

    make_pipe(line);
    ck_assert_int_eq(dup2(line[0], 8), 8);
    create_shell("(read wait <&8; exit 9) & exit 3");
    go(-1, now_ms() + PATIENCE_MS);
    expect_started();
    ck_assert(!is_readable(guard_fd(guard), QUIET_MS));
    ck_assert_int_eq(write(line[1], "\n", 1), 1);
    expect_ended(3);
    ck_assert(all_are_dead(0));
    guard_destroy(guard);
}
END_TEST

/* Thirty times a process forks the next one and ends. */
#define ORPHANS_ALL_THE_TIME                                                   \
    "f() { [ $1 -gt 30 ] && echo up >&9 && exec sleep 1000;"                   \
    " (setsid sleep 1000 & f $(($1 + 1)) &) ; }; f 0; exit 0"

/* How a command may hide from who kills it: every line says "up" when all are
 * there. */
static char *const hiding_cases[] = {
    "echo up >&9; exec sleep 1000",
    "sleep 1000 & echo up >&9; wait",
    "trap '' TERM HUP INT; echo up >&9; while :; do sleep 1000; done",
    "setsid sh -c 'echo up >&9; exec sleep 1000' & wait",
    "setsid sh -c '(setsid sleep 1000 & echo up >&9) &'; exit 0",
    "sh -c 'sh -c \"sleep 1000 & sleep 1000 & echo up >&9; wait\" & wait'",
    "sh -c 'kill -STOP $$' & setsid sleep 1000 & echo up >&9; kill -STOP $$",
    ORPHANS_ALL_THE_TIME};

START_TEST(all_die_with_the_wrapper_before_the_line_ends)
{
    int pair[2];
    char byte;

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair),
                     0);
    create_shell(hiding_cases[_i]);
    go(pair[0], now_ms() + PATIENCE_MS);
    ck_assert_int_eq(close(pair[0]), 0);
    ck_assert_str_eq(next_line(), "up");
    ck_assert(!is_readable(pair[1], 0)); /* The guard holds it. */
    guard_destroy(guard);                /* As if the wrapper had died. */
    ck_assert(is_readable(pair[1], 0));
    ck_assert_int_eq(read(pair[1], &byte, 1), 0);
    ck_assert(all_are_dead(0));
}
END_TEST

START_TEST(all_die_at_the_deadline)
{
    struct guard_report report;

    create_shell(hiding_cases[_i]);
    go(-1, now_ms() + PATIENCE_MS);
    expect_started();
    ck_assert_str_eq(next_line(), "up");
    guard_set_deadline(guard, now_ms());
    report = next_report();
    ck_assert_int_eq(report.type, GUARD_REPORT_ENDED);
    ck_assert(report.by_deadline);
    ck_assert(all_are_dead(0));
    guard_destroy(guard);
}
END_TEST

START_TEST(what_a_killed_guard_leaves_is_killed)
{
    create_shell(hiding_cases[_i]);
    go(-1, now_ms() + PATIENCE_MS);
    expect_started();
    ck_assert_str_eq(next_line(), "up");
    guard_kill(guard);
    ck_assert_int_eq(next_report().type, GUARD_REPORT_GONE);
    guard_take_over(guard);
    ck_assert(all_are_dead(0));
    guard_destroy(guard);
}
END_TEST

START_TEST(a_signal_reaches_grandchildren)
{
    create_shell("trap 'got=1' USR1;"
                 "sh -c 'trap \"echo got >&9; exit\" USR1; echo up >&9;"
                 " while :; do sleep 0.01; done' &"
                 "wait; wait; exit $((got + 4))");
    go(-1, now_ms() + PATIENCE_MS);
    expect_started();
    ck_assert_str_eq(next_line(), "up");
    guard_signal(guard, SIGUSR1, false);
    ck_assert_str_eq(next_line(), "got");
    expect_ended(5);
    guard_destroy(guard);
}
END_TEST

START_TEST(a_signal_reaches_adopted_orphans)
{
    /* Once the subshell has ended, its child is the guard's. */
    create_shell("(setsid sh -c 'trap \"echo got >&9; exit\" TERM;"
                 " echo up >&9; while :; do sleep 0.01; done' &);"
                 "trap 'exit 6' TERM; echo up >&9;"
                 "while :; do sleep 0.01; done");
    go(-1, now_ms() + PATIENCE_MS);
    expect_started();
    ck_assert_str_eq(next_line(), "up"); /* Both. */
    ck_assert_str_eq(next_line(), "up");
    guard_signal(guard, SIGTERM, false);
    ck_assert_str_eq(next_line(), "got");
    expect_ended(6);
    guard_destroy(guard);
}
END_TEST

START_TEST(without_a_group_each_generation_is_asked_to_end)
{
    /* The shells end of TERM; the last one only when it is told by itself. */
    static char *argv[] = {"/bin/sh", "-c",
                           "sh -c 'sh -c \"sleep 1000 & echo up >&9; wait; :\""
                           " & wait; :' & wait",
                           NULL};
    const struct guard_command command = {.argv = argv};

    create(&command);
    go(-1, now_ms() + PATIENCE_MS);
    expect_started();
    ck_assert_str_eq(next_line(), "up");
    guard_signal(guard, SIGTERM, false);
    expect_ended(143);
    ck_assert(all_are_dead(0));
    guard_destroy(guard);
}
END_TEST

START_TEST(what_the_terminal_has_told_is_not_told_again)
{
    static char *argv[] = {"/bin/sh", "-c",
                           "sh -c 'trap \"echo got >&9; n=1\" HUP; echo up >&9;"
                           "while [ -z \"$n\" ]; do sleep 0.01; done;"
                           "sleep 0.1; echo end >&9' & sleep 1000",
                           NULL};
    const struct guard_command command = {.argv = argv};

    create(&command);
    go(-1, now_ms() + PATIENCE_MS);
    expect_started();
    ck_assert_str_eq(next_line(), "up");
    /* As the terminal does to the group, which is this test's too. */
    ck_assert(signal(SIGHUP, SIG_IGN) != SIG_ERR);
    ck_assert_int_eq(kill(0, SIGHUP), 0);
    guard_signal(guard, SIGHUP, true);
    ck_assert_str_eq(next_line(), "got");
    ck_assert_str_eq(next_line(), "end");
    expect_ended(129);
    guard_destroy(guard);
}
END_TEST

START_TEST(a_stop_after_a_continuation_is_told_once_more)
{
    static char *argv[] = {"/bin/sh", "-c",
                           "trap 'echo got >&9' TSTP; trap 'exit 7' USR1;"
                           "echo up >&9; while :; do sleep 0.01; done",
                           NULL};
    const struct guard_command command = {.argv = argv};

    create(&command);
    go(-1, now_ms() + PATIENCE_MS);
    expect_started();
    ck_assert_str_eq(next_line(), "up");
    guard_signal(guard, SIGTSTP, true);
    guard_signal(guard, SIGCONT, false);
    ck_assert(!is_readable(output[0], QUIET_MS));
    guard_signal(guard, SIGTSTP, true);
    ck_assert_str_eq(next_line(), "got");
    guard_signal(guard, SIGTSTP, true);
    ck_assert(!is_readable(output[0], QUIET_MS));
    guard_signal(guard, SIGUSR1, false);
    expect_ended(7);
    ck_assert(all_are_dead(0));
    guard_destroy(guard);
}
END_TEST

START_TEST(a_go_that_comes_after_its_deadline_starts_nothing)
{
    struct guard_report report;

    create_shell("echo ran >&9");
    go(-1, now_ms());
    report = next_report();
    ck_assert_int_eq(report.type, GUARD_REPORT_ENDED);
    ck_assert(report.by_deadline);
    ck_assert(all_are_dead(PATIENCE_MS)); /* The guard has it till its end. */
    guard_destroy(guard);
}
END_TEST

static pid_t only_child(void)
{
    pid_t *children = NULL;
    pid_t child;
    size_t count = 0;

    ck_assert_int_eq(family_list_children(&children, &count), 0);
    ck_assert_uint_eq(count, 1);
    child = children[0];
    free(children);
    return child;
}

START_TEST(a_stopped_guard_is_woken)
{
    create_shell("trap '' HUP; echo up >&9; exec sleep 1000");
    ck_assert_int_eq(kill(only_child(), SIGSTOP), 0);
    go(-1, now_ms() + PATIENCE_MS);
    ck_assert_str_eq(next_line(), "up");
    ck_assert_int_eq(kill(only_child(), SIGSTOP), 0);
    guard_destroy(guard);
    ck_assert(all_are_dead(0));
}
END_TEST

START_TEST(stdin_goes_to_the_command_untouched)
{
    int input[2];

    make_pipe(input);
    ck_assert_int_eq(dup2(input[0], STDIN_FILENO), STDIN_FILENO);
    create_shell("cat >&9");
    ck_assert_int_eq(write(input[1], "first\nsecond\n", 13), 13);
    go(-1, now_ms() + PATIENCE_MS);
    ck_assert_str_eq(next_line(), "first");
    ck_assert_str_eq(next_line(), "second");
    ck_assert_int_eq(close(input[1]), 0);
    expect_started();
    expect_ended(0);
    guard_destroy(guard);
}
END_TEST

START_TEST(children_that_the_wrapper_had_before_are_spared)
{
    int stranger[2];
    pid_t child;

    make_pipe(stranger);
    child = fork();
    if (child == 0) {
        (void)pause();
        _exit(0);
    }
    ck_assert_int_eq(close(stranger[1]), 0);
    create_shell("setsid sleep 1000 & echo up >&9; wait");
    go(-1, now_ms() + PATIENCE_MS);
    expect_started();
    ck_assert_str_eq(next_line(), "up");
    guard_kill(guard);
    ck_assert_int_eq(next_report().type, GUARD_REPORT_GONE);
    guard_take_over(guard);
    ck_assert(all_are_dead(0));
    ck_assert(!is_readable(stranger[0], 0)); /* It lives. */
    ck_assert_int_eq(kill(child, SIGKILL), 0);
    ck_assert(is_readable(stranger[0], PATIENCE_MS));
    guard_destroy(guard);
}
END_TEST

#define COUNT(array) ((int)(sizeof(array) / sizeof(*(array))))

/* Whether it had read all that it was told, or not. */
START_TEST(who_speaks_to_the_dead_is_told_so)
{
    const struct guard_message message = {.word = GUARD_SIGNAL};
    int line[2];

    ck_assert_int_eq(guard_line_create(line), 0);
    if (_i > 0) {
        ck_assert_int_eq(guard_line_send(line[0], &message, -1), 0);
    }
    ck_assert_int_eq(close(line[1]), 0);
    ck_assert_int_eq(guard_line_send(line[0], &message, -1), -EPIPE);
    ck_assert_int_eq(close(line[0]), 0);
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("guard");
    Suite *suite = suite_create("cli_guard");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tcase, 40);
    tcase_add_loop_test(tcase, the_code_of_the_command_is_reported, 0,
                        COUNT(code_cases));
    tcase_add_loop_test(tcase, a_command_that_cannot_be_executed_is_reported, 0,
                        COUNT(exec_cases));
    tcase_add_loop_test(tcase, who_speaks_to_the_dead_is_told_so, 0, 2);
    tcase_add_test(tcase, the_command_is_told_and_outer_values_are_overridden);
    tcase_add_test(tcase, nothing_runs_before_go);
    tcase_add_test(tcase, a8_the_command_has_no_descriptor_of_ours);
    tcase_add_test(tcase, a_descendant_in_the_background_keeps_the_permit);
    tcase_add_loop_test(tcase, all_die_with_the_wrapper_before_the_line_ends, 0,
                        COUNT(hiding_cases));
    tcase_add_loop_test(tcase, all_die_at_the_deadline, 0, COUNT(hiding_cases));
    tcase_add_loop_test(tcase, what_a_killed_guard_leaves_is_killed, 0,
                        COUNT(hiding_cases));
    tcase_add_test(tcase, a_signal_reaches_grandchildren);
    tcase_add_test(tcase, a_signal_reaches_adopted_orphans);
    tcase_add_test(tcase, without_a_group_each_generation_is_asked_to_end);
    tcase_add_test(tcase, what_the_terminal_has_told_is_not_told_again);
    tcase_add_test(tcase, a_stop_after_a_continuation_is_told_once_more);
    tcase_add_test(tcase, a_go_that_comes_after_its_deadline_starts_nothing);
    tcase_add_test(tcase, a_stopped_guard_is_woken);
    tcase_add_test(tcase, stdin_goes_to_the_command_untouched);
    tcase_add_test(tcase, children_that_the_wrapper_had_before_are_spared);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
