/* SPDX-License-Identifier: MIT */

/* The checker, with histories made by hand: what may happen passes, and of what
 * may not each law catches its own. Stamps are in ms. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "history.h"
#include "laws.h"
#include "search.h"

#define CLIENTS_MAX 4

/* What the run and its clients wrote; "" is no client. */
struct story {
    const char *name;
    const char *run;
    const char *clients[CLIENTS_MAX];
    const char *violation; /* How it begins; NULL: there is none. */
    enum search_result search;
};

/* Stamps become ns: six zeroes behind each, and behind what `until` says. */
static void in_ns(const char *text, char *ret_text, size_t bytes)
{
    size_t used = 0;

    while (*text != '\0') {
        const char *until = strstr(text, " until ");
        size_t stamp = strcspn(text, " ");
        size_t length = strcspn(text, "\n");
        int written =
            snprintf(ret_text + used, bytes - used, "%.*s000000%.*s%s\n",
                     (int)stamp, text, (int)(length - stamp), text + stamp,
                     until != NULL && until < text + length ? "000000" : "");

        used += (size_t)written;
        ck_assert_uint_lt(used, bytes);
        text += length + (text[length] == '\n' ? 1 : 0);
    }
    ret_text[used] = '\0';
}

static void read_story(struct history *history, const struct story *story)
{
    char text[8192];
    char error[256];
    char name[8];

    history_init(history);
    in_ns(story->run, text, sizeof(text));
    ck_assert_msg(history_read(history, "run", text, error, sizeof(error)),
                  "%s: %s", story->name, error);
    for (size_t i = 0; i < CLIENTS_MAX && story->clients[i] != NULL; i++) {
        (void)snprintf(name, sizeof(name), "%zu", i);
        in_ns(story->clients[i], text, sizeof(text));
        ck_assert_msg(history_read(history, name, text, error, sizeof(error)),
                      "%s: %s", story->name, error);
    }
}

static void check_laws(const struct history *history, struct verdict *verdict)
{
    struct overlap overlap;

    verdict_init(verdict);
    laws_check_outcomes(history, verdict);
    laws_check_order(history, verdict);
    laws_check_waits(history, verdict);
    laws_check_belief(history, verdict, &overlap);
    laws_check_values(history, verdict);
}

static void check_story(const struct story *story)
{
    struct history history;
    struct verdict verdict;

    read_story(&history, story);
    check_laws(&history, &verdict);
    if (story->violation == NULL) {
        ck_assert_msg(verdict.at_ns == HISTORY_NEVER, "%s: %s", story->name,
                      verdict.text);
    } else {
        ck_assert_msg(verdict.at_ns != HISTORY_NEVER, "%s: not seen",
                      story->name);
        ck_assert_msg(strncmp(verdict.text, story->violation,
                              strlen(story->violation)) == 0,
                      "%s: %s", story->name, verdict.text);
    }
    if (story->search != 0) {
        ck_assert_msg(search_semaphore(&history, 0) == story->search,
                      "%s: searched, %d", story->name,
                      (int)search_semaphore(&history, 0));
    }
    history_deinit(&history);
}

#define ONE "0 semaphore one bounded 1"
#define THREE "0 semaphore three bounded 3"
#define TOKENS "0 semaphore tokens counting 1"

/* ------------------------------------------------------------ what may happen
 */

static const struct story good[] = {
    {"one after the other",
     ONE,
     {"1 client 0\n2 ask 1 acquire one 1 0 0\n4 granted 1 10 10 0\n"
      "5 until 1 900\n6 ask 2 release 1 1\n8 end 2 ok\n99 bye",
      "1 client 0\n9 ask 1 acquire one 1 0 0\n11 granted 1 20 20 0\n"
      "11 until 1 900\n16 ask 2 release 1 1\n18 end 2 ok\n99 bye"},
     NULL,
     SEARCH_RIGHT},
    {"the next one knows before the one before it hears",
     ONE,
     {"1 client 0\n2 ask 1 acquire one 1 0 0\n4 granted 1 10 10 0\n"
      "5 until 1 900\n20 ask 2 release 1 1\n28 end 2 ok\n99 bye",
      "1 client 0\n9 ask 1 acquire one 1 50 0\n10 waiting 1\n"
      "22 granted 1 20 20 12\n23 until 1 900\n30 ask 2 release 1 1\n"
      "31 end 2 ok\n99 bye"},
     NULL,
     SEARCH_RIGHT},
    {"a wait that ends while another holds",
     ONE,
     {"1 client 0\n2 ask 1 acquire one 1 0 0\n4 granted 1 10 10 0\n"
      "5 until 1 900\n60 ask 2 release 1 1\n68 end 2 ok\n99 bye",
      "1 client 0\n9 ask 1 acquire one 1 20 0\n10 waiting 1\n"
      "30 end 1 timeout\n99 bye"},
     NULL,
     SEARCH_RIGHT},
    {"a big one that blocks a small one, also a try",
     THREE,
     {"1 client 0\n2 ask 1 acquire three 2 0 0\n4 granted 1 10 10 0\n"
      "5 until 1 900\n60 ask 2 release 1 1\n62 end 2 ok\n"
      "64 ask 3 release 1 1\n65 end 3 ok\n99 bye",
      "1 client 0\n9 ask 1 acquire three 3 80 0\n10 waiting 1\n"
      "66 granted 1 12 12 56\n67 ask 2 release 1 3\n68 end 2 ok\n99 bye",
      "1 client 0\n20 ask 1 acquire three 1 0 0\n22 end 1 would_block\n99 bye"},
     NULL,
     SEARCH_RIGHT},
    {"cancelled, and the next one is served for it",
     THREE,
     {"1 client 0\n2 ask 1 acquire three 2 0 0\n4 granted 1 10 10 0\n"
      "60 ask 2 release 1 2\n62 end 2 ok\n99 bye",
      "1 client 0\n9 ask 1 acquire three 3 80 0\n10 waiting 1\n20 cancel 1\n"
      "24 end 1 cancelled\n99 bye",
      "1 client 0\n15 ask 1 acquire three 1 80 0\n16 waiting 1\n"
      "23 granted 1 12 12 7\n30 ask 2 release 1 1\n31 end 2 ok\n99 bye"},
     NULL,
     SEARCH_RIGHT},
    {"a grant that crosses its cancel is given back",
     ONE,
     {"1 client 0\n2 ask 1 acquire one 1 0 0\n4 granted 1 10 10 0\n"
      "18 ask 2 release 1 1\n22 end 2 ok\n99 bye",
      "1 client 0\n9 ask 1 acquire one 1 80 0\n10 waiting 1\n20 cancel 1\n"
      "26 end 1 cancelled\n99 bye",
      "1 client 0\n24 ask 1 acquire one 1 0 0\n25 end 1 would_block\n"
      "30 ask 2 acquire one 1 50 0\n40 granted 2 12 12 7\n"
      "50 ask 3 release 2 1\n51 end 3 ok\n99 bye"},
     NULL,
     SEARCH_RIGHT},
    {"a part given back, killed, and another has all of it",
     THREE,
     {"1 client 0\n2 ask 1 acquire three 3 0 0\n4 granted 1 10 10 0\n"
      "5 until 1 900\n6 ask 2 release 1 1\n7 end 2 ok\n300 killed",
      "1 client 0\n9 ask 1 acquire three 3 -1 0\n301 granted 1 20 20 290\n"
      "301 until 1 1800\n1000 ask 2 release 1 3\n1002 end 2 ok\n9999 bye"},
     NULL,
     SEARCH_SKIPPED},
    {"stopped past its deadline, and another has it from then on",
     ONE,
     {"1 client 0\n2 ask 1 acquire one 1 0 0\n4 granted 1 10 10 0\n"
      "5 until 1 900\n2000 lost 1\n2001 ask 2 release 1 1\n"
      "2002 end 2 expired\n9999 bye",
      "1 client 0\n9 ask 1 acquire one 1 -1 0\n901 granted 1 20 20 890\n"
      "901 until 1 1800\n1000 ask 2 release 1 1\n1002 end 2 ok\n9999 bye"},
     NULL,
     SEARCH_SKIPPED},
    {"killed, and another has it from then on",
     ONE,
     {"1 client 0\n2 ask 1 acquire one 1 0 0\n4 granted 1 10 10 0\n"
      "5 until 1 900\n300 killed",
      "1 client 0\n9 ask 1 acquire one 1 -1 0\n301 granted 1 20 20 290\n"
      "301 until 1 1800\n1000 ask 2 release 1 1\n1002 end 2 ok\n9999 bye"},
     NULL,
     SEARCH_SKIPPED},
    {"posted before it was taken, and one of unknown outcome",
     TOKENS "\n9000 settled",
     {"1 client 0\n2 ask 1 post tokens 1\n9 end 1 ok\n10 ask 2 post tokens 1\n"
      "20 end 2 outcome_unknown\n9100 value tokens 1\n9999 bye",
      "1 client 0\n3 ask 1 consume tokens 2 0\n8 end 1 ok\n9999 bye"},
     NULL,
     SEARCH_SKIPPED},
};

START_TEST(what_may_happen_breaks_no_law)
{
    check_story(&good[_i]);
}
END_TEST

/* ------------------------------------------------------- what may not happen
 */

static const struct story bad[] = {
    {"two hold what is one",
     ONE,
     {"1 client 0\n2 ask 1 acquire one 1 0 0\n4 granted 1 10 10 0\n"
      "5 until 1 900\n50 ask 2 release 1 1\n52 end 2 ok\n99 bye",
      "1 client 0\n3 ask 1 acquire one 1 0 0\n11 granted 1 20 20 0\n"
      "12 until 1 900\n16 ask 2 release 1 1\n18 end 2 ok\n99 bye"},
     "belief: 2 of 1 permits of one",
     SEARCH_WRONG},
    {"a part was given back, and all of it granted",
     THREE,
     {"1 client 0\n2 ask 1 acquire three 3 0 0\n4 granted 1 10 10 0\n"
      "5 until 1 900\n6 ask 2 release 1 1\n7 end 2 ok\n"
      "90 ask 3 release 1 2\n92 end 3 ok\n99 bye",
      "1 client 0\n9 ask 1 acquire three 2 0 0\n11 granted 1 20 20 0\n"
      "12 until 1 900\n16 ask 2 release 1 2\n18 end 2 ok\n99 bye"},
     "belief: 4 of 3 permits of three",
     SEARCH_WRONG},
    {"freed while a stopped client believes",
     ONE,
     {"1 client 0\n2 ask 1 acquire one 1 0 0\n4 granted 1 10 10 0\n"
      "5 until 1 900\n2000 lost 1\n9999 bye",
      "1 client 0\n9 ask 1 acquire one 1 -1 0\n899 granted 1 20 20 890\n"
      "899 until 1 1800\n1000 ask 2 release 1 1\n1002 end 2 ok\n9999 bye"},
     "belief: 2 of 1 permits of one",
     SEARCH_SKIPPED},
    {"a belief that was prolonged counts",
     ONE,
     {"1 client 1000\n2 ask 1 acquire one 1 0 0\n4 granted 1 10 10 0\n"
      "5 until 1 900\n600 until 1 1500\n2000 lost 1\n9999 bye",
      "1 client 0\n9 ask 1 acquire one 1 -1 0\n950 granted 1 20 20 890\n"
      "951 until 1 1800\n1000 ask 2 release 1 1\n1002 end 2 ok\n9999 bye"},
     "belief: 2 of 1 permits of one",
     SEARCH_SKIPPED},
    {"more consumed than was there",
     TOKENS,
     {"1 client 0\n2 ask 1 consume tokens 1 0\n4 end 1 ok\n"
      "5 ask 2 consume tokens 1 0\n6 end 2 ok\n7 ask 3 post tokens 1\n"
      "8 end 3 ok\n99 bye"},
     "belief: 2 of 1 permits of tokens",
     SEARCH_SKIPPED},
    {"posted twice",
     TOKENS,
     {"1 client 0\n2 ask 1 post tokens 1\n4 end 1 ok\n90 value tokens 3\n"
      "99 bye"},
     "value: tokens has 3 in the end, and can have 2 to 2",
     SEARCH_SKIPPED},
    {"a fence that goes back",
     THREE,
     {"1 client 0\n2 ask 1 acquire three 1 0 0\n4 granted 1 20 20 0\n"
      "6 ask 2 release 1 1\n8 end 2 ok\n99 bye",
      "1 client 0\n9 ask 1 acquire three 1 0 0\n11 granted 1 19 19 0\n"
      "16 ask 2 release 1 1\n18 end 2 ok\n99 bye"},
     "fence: client 1 request 1 asked after client 0 request 1",
     SEARCH_WRONG},
    {"a fence that two have",
     THREE,
     {"1 client 0\n2 ask 1 acquire three 1 0 0\n4 granted 1 20 20 0\n"
      "6 ask 2 release 1 1\n8 end 2 ok\n99 bye",
      "1 client 0\n3 ask 1 acquire three 1 0 0\n11 granted 1 20 19 0\n"
      "16 ask 2 release 1 1\n18 end 2 ok\n99 bye"},
     "fence: 20 is of client 0 request 1 and of client 1 request 1",
     SEARCH_WRONG},
    {"the newer one first",
     ONE,
     {"1 client 0\n2 ask 1 acquire one 1 0 0\n4 granted 1 10 10 0\n"
      "30 ask 2 release 1 1\n31 end 2 ok\n99 bye",
      "1 client 0\n5 ask 1 acquire one 1 90 0\n6 waiting 1\n"
      "43 granted 1 12 12 7\n45 ask 2 release 1 1\n46 end 2 ok\n99 bye",
      "1 client 0\n7 ask 1 acquire one 1 90 0\n8 waiting 1\n"
      "33 granted 1 11 11 7\n40 ask 2 release 1 1\n41 end 2 ok\n99 bye"},
     "order: client 2 request 1 asked after client 1 request 1",
     SEARCH_WRONG},
    {"passed by a small one, and its wait ends",
     THREE,
     {"1 client 0\n2 ask 1 acquire three 1 0 0\n4 granted 1 10 10 0\n"
      "80 ask 2 release 1 1\n81 end 2 ok\n99 bye",
      "1 client 0\n5 ask 1 acquire three 3 50 0\n6 waiting 1\n"
      "55 end 1 timeout\n99 bye",
      "1 client 0\n7 ask 1 acquire three 1 0 0\n8 granted 1 11 11 0\n"
      "40 ask 2 release 1 1\n41 end 2 ok\n99 bye"},
     "order: client 2 request 1 was granted, past client 1 request 1",
     SEARCH_WRONG},
    {"a release that was forgotten",
     ONE,
     {"1 client 0\n2 ask 1 acquire one 1 0 0\n4 granted 1 10 10 0\n"
      "20 ask 2 release 1 1\n21 end 2 ok\n99 bye",
      "1 client 0\n5 ask 1 acquire one 1 50 0\n6 waiting 1\n"
      "55 end 1 timeout\n99 bye"},
     "waits: client 1 request 1, or one before it, waits for one",
     SEARCH_WRONG},
    {"refused, and nobody has it",
     ONE,
     {"1 client 0\n2 ask 1 acquire one 1 0 0\n4 granted 1 10 10 0\n"
      "20 ask 2 release 1 1\n21 end 2 ok\n99 bye",
      "1 client 0\n25 ask 1 acquire one 1 0 0\n26 end 1 would_block\n99 bye"},
     "waits: client 1 request 1 was refused by one",
     SEARCH_WRONG},
    {"not free again when all are gone",
     ONE "\n8000 settled",
     {"1 client 0\n2 ask 1 acquire one 1 0 0\n4 granted 1 10 10 0\n20 killed",
      "8001 client 0\n8002 ask 1 acquire one 1 5000 0\n8003 waiting 1\n"
      "13003 end 1 timeout\n13004 bye"},
     "waits: client 1 request 1, or one before it, waits for one",
     SEARCH_SKIPPED},
    {"two outcomes",
     ONE,
     {"1 client 0\n2 ask 1 acquire one 1 0 0\n4 granted 1 10 10 0\n"
      "5 end 1 timeout\n20 ask 2 release 1 1\n21 end 2 ok\n99 bye"},
     "outcome: client 0 request 1 has two outcomes",
     SEARCH_RIGHT},
    {"no outcome",
     ONE,
     {"1 client 0\n2 ask 1 acquire one 1 0 0\n99 bye"},
     "outcome: client 0 request 1 has no outcome",
     SEARCH_SKIPPED},
    {"a timeout before its time",
     ONE,
     {"1 client 0\n2 ask 1 acquire one 1 0 0\n4 granted 1 10 10 0\n"
      "80 ask 2 release 1 1\n81 end 2 ok\n99 bye",
      "1 client 0\n5 ask 1 acquire one 1 50 0\n54 end 1 timeout\n99 bye"},
     "outcome: client 1 request 1 timed out before its wait was over",
     SEARCH_WRONG},
    {"a timeout that became a grant",
     ONE,
     {"1 client 0\n5 ask 1 acquire one 1 50 0\n60 granted 1 10 10 51\n"
      "80 ask 2 release 1 1\n81 end 2 ok\n99 bye"},
     "outcome: client 0 request 1 was granted after its wait was over",
     SEARCH_RIGHT},
    {"a wait refused as a try",
     ONE,
     {"1 client 0\n5 ask 1 acquire one 1 50 0\n6 end 1 would_block\n99 bye"},
     "outcome: client 0 request 1 waits, and was refused as a try",
     SEARCH_WRONG},
    {"cancelled by nobody",
     ONE,
     {"1 client 0\n2 ask 1 acquire one 1 0 0\n4 granted 1 10 10 0\n"
      "80 ask 2 release 1 1\n81 end 2 ok\n99 bye",
      "1 client 0\n5 ask 1 acquire one 1 50 0\n54 end 1 cancelled\n99 bye"},
     "outcome: client 1 request 1 was cancelled by nobody",
     SEARCH_WRONG},
    {"a release taken twice",
     ONE,
     {"1 client 0\n2 ask 1 acquire one 1 0 0\n4 granted 1 10 10 0\n"
      "5 until 1 900\n80 ask 2 release 1 1\n81 end 2 not_held\n99 bye"},
     "outcome: client 0 request 2 released what it held, and was refused",
     SEARCH_SKIPPED},
    {"lost while it was believed in",
     ONE,
     {"1 client 0\n2 ask 1 acquire one 1 0 0\n4 granted 1 10 10 0\n"
      "5 until 1 900\n80 ask 2 release 1 1\n81 end 2 expired\n99 bye"},
     "outcome: client 0 request 2 released what it believed in, and it was "
     "lost",
     SEARCH_SKIPPED},
    {"an outcome that is none",
     ONE,
     {"1 client 0\n2 ask 1 acquire one 1 0 0\n4 end 1 conflict\n99 bye"},
     "outcome: client 0 request 1 has an outcome that it cannot have",
     SEARCH_SKIPPED},
};

START_TEST(what_may_not_happen_is_caught)
{
    check_story(&bad[_i]);
}
END_TEST

/* -------------------------------------------------------------- broken lines
 */

static const char *const broken[] = {
    "1 client",
    "x client 0\n",
    "1 client 0\n2 ask 2 acquire one 1 0 0\n",
    "1 client 0\n2 ask 1 acquire none 1 0 0\n",
    "1 client 0\n2 ask 1 acquire one 1 0\n",
    "1 client 0\n2 ask 1 acquire one 1x 0 0\n",
    "1 client 0\n2 granted 1 1 1 1\n",
    "1 client 0\n2 ask 1 acquire one 1 0 0\n3 granted 1 1 1\n",
    "1 client 0\n2 ask 1 acquire one 1 0 0\n3 end 1 good\n",
    "1 client 0\n2 ask 1 post one 1\n3 until 1 9\n",
    "1 client 0\n2 ask 1 post one 1\n3 ask 2 release 1 1\n",
    "1 client 0\n2 sleep\n",
    "1 client 0\n2 bye",
};

START_TEST(a_broken_line_is_said)
{
    struct history history;
    char error[256] = "";

    history_init(&history);
    ck_assert(history_read(&history, "run", "0 semaphore one bounded 1\n",
                           error, sizeof(error)));
    ck_assert(
        !history_read(&history, "client", broken[_i], error, sizeof(error)));
    ck_assert_ptr_nonnull(strstr(error, " is broken: "));
    history_deinit(&history);
}
END_TEST

#define COUNT(list) ((int)(sizeof(list) / sizeof((list)[0])))

int main(void)
{
    Suite *suite = suite_create("history");
    TCase *tcase = tcase_create("checker");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, tcase);
    tcase_add_loop_test(tcase, what_may_happen_breaks_no_law, 0, COUNT(good));
    tcase_add_loop_test(tcase, what_may_not_happen_is_caught, 0, COUNT(bad));
    tcase_add_loop_test(tcase, a_broken_line_is_said, 0, COUNT(broken));
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
