/* SPDX-License-Identifier: MIT */
/* The clock that leaves pauses out, and the log that never blocks. */
#include "clock.h"
#include "log.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MS UINT64_C(1000000)

START_TEST(a_pause_is_left_out_but_for_a_second)
{
    struct clock clock = {0};

    ck_assert_uint_eq(clock_look(&clock, 5000 * MS), 5000 * MS);
    ck_assert_uint_eq(clock_look(&clock, 5500 * MS), 5500 * MS);
    ck_assert_uint_eq(clock_look(&clock, 6500 * MS), 6500 * MS);
    ck_assert_uint_eq(clock_look(&clock, 36500 * MS), 7500 * MS);
    ck_assert_uint_eq(clock_look(&clock, 36600 * MS), 7600 * MS);
    ck_assert_uint_eq(clock_look(&clock, 38600 * MS), 8600 * MS);
}
END_TEST

static const struct {
    const char *text;
    const char *shown;
} texts[] = {
    {"", "\"\""},
    {"plain text", "\"plain text\""},
    {"a\nb", "\"a\\x0ab\""},
    {"\"\\", "\"\\x22\\x5c\""},
    {"\x1b[2J", "\"\\x1b[2J\""},
    {"\xc3\xa9\x7f", "\"\\xc3\\xa9\\x7f\""},
};

START_TEST(what_a_peer_chose_is_escaped)
{
    char buffer[LOG_TEXT_BYTES];

    ck_assert_str_eq(log_text(buffer, texts[_i].text), texts[_i].shown);
}
END_TEST

START_TEST(a_long_text_is_cut)
{
    char buffer[LOG_TEXT_BYTES];
    char text[1000];

    memset(text, '\n', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    ck_assert_uint_eq(strlen(log_text(buffer, text)), 4 * 128 + 2);
}
END_TEST

/* Makes stderr a pipe; returns its other end. */
static int catch_stderr(void)
{
    int ends[2];

    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    ck_assert_int_eq(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
    ck_assert_int_eq(close(ends[1]), 0);
    return ends[0];
}

START_TEST(a_line_says_when_how_grave_and_what)
{
    int fd = catch_stderr();
    char line[256] = "";

    log_set(LOG_INFO, LOG_FORMAT_LOGFMT);
    log_event(LOG_DEBUG, "unseen", "n=%d", 1);
    log_event(LOG_WARNING, "seen", "n=%d", 2);
    ck_assert_int_gt(read(fd, line, sizeof(line) - 1), 0);
    ck_assert_msg(strncmp(line, "time=20", 7) == 0 &&
                      strstr(line, "Z level=warning event=seen n=2\n") != NULL,
                  "%s", line);
}
END_TEST

START_TEST(the_journal_gets_its_prefix)
{
    int fd = catch_stderr();
    char line[256] = "";

    log_set(LOG_INFO, LOG_FORMAT_JOURNAL);
    log_event(LOG_INFO, "seen", "n=%d", 2);
    ck_assert_int_gt(read(fd, line, sizeof(line) - 1), 0);
    ck_assert_str_eq(line, "<6>event=seen n=2\n");
}
END_TEST

START_TEST(a_full_pipe_drops_lines_and_counts_them)
{
    int fd = catch_stderr();
    char text[4096];
    char *last = NULL;
    ssize_t length;

    ck_assert_int_gt(fcntl(fd, F_SETPIPE_SZ, 4096), 0);
    log_set(LOG_INFO, LOG_FORMAT_JOURNAL);
    for (int i = 0; i < 3; i++) {
        log_event(LOG_INFO, "long", "text=%01500d", i); /* Two fit. */
        log_event(LOG_INFO, "long", "text=%01500d", i);
    }
    ck_assert_uint_gt(log_dropped(), 0);
    length = read(fd, text, sizeof(text) - 1);
    ck_assert_int_gt(length, 0);
    log_event(LOG_INFO, "after", "n=%d", 1);
    length = read(fd, text, sizeof(text) - 1);
    ck_assert_int_gt(length, 0);
    text[length] = '\0';
    last = strstr(text, "event=after n=1 suppressed=0 dropped=");
    ck_assert_msg(last != NULL, "%s", text);
}
END_TEST

START_TEST(one_place_that_says_too_much_is_cut_short)
{
    uint64_t bytes = 0;
    int fd = catch_stderr();
    char text[65536];
    ssize_t length;

    log_set(LOG_INFO, LOG_FORMAT_JOURNAL);
    for (int i = 0; i < 3 * LOG_SITE_MAX; i++) {
        log_event(LOG_INFO, "again", "n=%d", 1);
    }
    length = read(fd, text, sizeof(text));
    ck_assert_int_gt(length, 0);
    bytes = (uint64_t)length / strlen("<6>event=again n=1\n");
    ck_assert_uint_ge(bytes, LOG_SITE_MAX);
    ck_assert_uint_le(bytes, 2 * LOG_SITE_MAX + 3); /* A new second, maybe. */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("clock_log");
    TCase *tcase = tcase_create("clock_log");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tcase, a_pause_is_left_out_but_for_a_second);
    tcase_add_loop_test(tcase, what_a_peer_chose_is_escaped, 0,
                        sizeof(texts) / sizeof(texts[0]));
    tcase_add_test(tcase, a_long_text_is_cut);
    tcase_add_test(tcase, a_line_says_when_how_grave_and_what);
    tcase_add_test(tcase, the_journal_gets_its_prefix);
    tcase_add_test(tcase, a_full_pipe_drops_lines_and_counts_them);
    tcase_add_test(tcase, one_place_that_says_too_much_is_cut_short);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
