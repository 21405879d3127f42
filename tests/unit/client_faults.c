/* SPDX-License-Identifier: MIT */

/* Every n-th allocation and every n-th system call of a client's life failing,
 * with each of the two faces: once, and from the n-th on. Each call ends, and
 * says why; nothing leaks, no descriptor is lost, no grant is believed in that
 * the daemon has not, and when it is over the client works again.
 *
 * Without an argument it takes a sample. With --every it takes every n, and
 * every way in which a call can fail. */

#include "client_story.h"

#include <netinet/in.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <check.h>

#include "broken_calls.h"
#include "daemon.h"

#define HANG_S 20

static bool every;
static struct daemon server;
static struct story story;
static char servers[300];
static char silent_server[128];
static int silent_fd;
static size_t fds_before;

/* A server that never answers: what is to end it must not be lost. */
static void meet_silence(struct story *tale)
{
    struct permit_options options = story_options(tale);
    struct permit_client *client;
    enum permit_status status;
    char error[512] = "";

    options.server = silent_server;
    options.connect_timeout_ms = 20;
    calls_begin();
    status = permit_client_create(&options, &client, error, sizeof(error));
    calls_end();
    story_check(tale, "create", status, error);
    if (status == PERMIT_OK) {
        story_note(tale, "create", "a session with nobody");
        permit_client_destroy(client);
    }
}

static const struct {
    const char *name;
    void (*live)(struct story *story);
    size_t step; /* Of a sample of its calls. */
    size_t least_calls;
} lives[] = {{"blocking", story_blocking, 5, 100},
             {"non-blocking", story_async, 3, 40},
             {"silence", meet_silence, 1, 15}};
#define LIVES (int)(sizeof(lives) / sizeof(*lives))
#define FACES 2 /* Lives from the one end to the other. */

/* ------------------------------------------------------------- the allocator
 */

/* Lies before each block, as long as malloc() aligns. */
union block {
    max_align_t align;
    uint64_t mark;
};
#define MARK_TAKEN UINT64_C(0x7a6b5c4d3e2f1001)
#define MARK_FREED UINT64_C(0x7a6b5c4d3e2f1002)

static atomic_size_t allocations;
static atomic_size_t allocation_fails; /* 0: none. */
static atomic_bool allocations_all;
static atomic_bool allocation_failed;
static atomic_long blocks;
static atomic_uint strange_frees;
static atomic_uint strangers; /* Blocks that the library took elsewhere. */
static _Thread_local bool is_in_hook;

static void *take(void *arg, size_t bytes)
{
    size_t n = atomic_fetch_add(&allocations, 1) + 1;
    size_t at = atomic_load(&allocation_fails);
    union block *block;

    (void)arg;
    if (at != 0 && (n == at || (n > at && atomic_load(&allocations_all)))) {
        atomic_store(&allocation_failed, true);
        return NULL;
    }
    is_in_hook = true;
    block = malloc(sizeof(*block) + bytes);
    is_in_hook = false;
    if (block == NULL) {
        abort();
    }
    block->mark = MARK_TAKEN;
    atomic_fetch_add(&blocks, 1);
    return block + 1;
}

static void give(void *arg, void *memory)
{
    union block *block = (union block *)memory - 1;

    (void)arg;
    if (block->mark != MARK_TAKEN) {
        atomic_fetch_add(&strange_frees, 1);
        return;
    }
    block->mark = MARK_FREED;
    atomic_fetch_sub(&blocks, 1);
    free(block);
}

static const struct permit_allocator allocator = {take, give, NULL};

/* A sanitizer tells of every block that this process takes. */
__attribute__((weak)) int __sanitizer_install_malloc_and_free_hooks(
    void (*malloc_hook)(const volatile void *, size_t),
    void (*free_hook)(const volatile void *));

static void see_malloc(const volatile void *memory, size_t bytes)
{
    (void)memory;
    (void)bytes;
    if (calls_are_on() && !is_in_hook && !calls_take_memory()) {
        atomic_fetch_add(&strangers, 1);
    }
}

static void see_free(const volatile void *memory)
{
    (void)memory;
}

/* ---------------------------------------------------------------- one life */

static char now_failing[128]; /* For whoever reads what failed. */

static const char *call_that_failed(void)
{
    unsigned ways;
    const char *name = calls_failed(&ways);

    return name != NULL ? name : "none";
}

static void hang(int signal)
{
    static const char text[] = " hangs, the call was ";
    const char *name = call_that_failed();

    (void)signal;
    (void)!write(STDERR_FILENO, now_failing, strlen(now_failing));
    (void)!write(STDERR_FILENO, text, sizeof(text) - 1);
    (void)!write(STDERR_FILENO, name, strlen(name));
    abort();
}

/* What a thread that looks up a name has, it gives back in its own time. */
static void await_fds(void)
{
    static const struct timespec moment = {.tv_nsec = 1000000};

    for (int i = 0; open_fds() != fds_before && i < 2000; i++) {
        (void)nanosleep(&moment, NULL);
    }
    ck_assert_msg(open_fds() == fds_before,
                  "%s (%s): %zu descriptors, were %zu", now_failing,
                  call_that_failed(), open_fds(), fds_before);
}

static void live(size_t life)
{
    (void)alarm(HANG_S);
    lives[life].live(&story);
    (void)alarm(0);
    calls_arm(0, false, 0);
    atomic_store(&allocation_fails, 0);
    ck_assert_msg(story.wrong[0] == '\0', "%s (%s): %s", now_failing,
                  call_that_failed(), story.wrong);
    ck_assert_msg(atomic_load(&blocks) == 0, "%s: %ld blocks leak", now_failing,
                  atomic_load(&blocks));
    ck_assert_msg(atomic_load(&strange_frees) == 0,
                  "%s: it frees what it has "
                  "not",
                  now_failing);
    await_fds();
}

static void name_failing(size_t life, const char *what, size_t n, bool all,
                         unsigned way)
{
    (void)snprintf(now_failing, sizeof(now_failing), "%s, %s %zu%s in way %u",
                   lives[life].name, what, n, all ? " and all after it" : "",
                   way);
}

static bool keep_failing(void)
{
    return false;
}

/* Connects whoever comes. */
static void listen_silently(void)
{
    struct sockaddr_in name = {.sin_family = AF_INET,
                               .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t name_bytes = sizeof(name);

    silent_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(silent_fd, (struct sockaddr *)&name, sizeof(name)),
                     0);
    ck_assert_int_eq(listen(silent_fd, 64), 0);
    ck_assert_int_eq(
        getsockname(silent_fd, (struct sockaddr *)&name, &name_bytes), 0);
    (void)snprintf(silent_server, sizeof(silent_server), "127.0.0.1:%d",
                   ntohs(name.sin_port));
}

/* Twice: what the first life takes for good is the process's. */
static void start(void)
{
    (void)signal(SIGALRM, hang);
    daemon_start(&server);
    (void)snprintf(servers, sizeof(servers), "permitd.test:%s,%s",
                   strrchr(server.server, ':') + 1, server.server);
    story.servers = servers;
    story.allocator = &allocator;
    story.heal = keep_failing;
    story_begin(&story, server.server);
    listen_silently();
    fds_before = open_fds();
    for (size_t i = 0; i < 2; i++) {
        live(0);
        live(1);
    }
}

static void stop(void)
{
    story_end(&story);
    daemon_stop(&server);
    (void)close(silent_fd);
}

/* ------------------------------------------------------------------ the calls
 */

static bool heals_calls(void)
{
    unsigned ways;

    if (calls_failed(&ways) == NULL) {
        return false;
    }
    calls_arm(0, false, 0);
    return true;
}

/* Returns false if the life has no n-th call. */
static bool fail_call(size_t life, size_t n, bool all, unsigned way,
                      unsigned *ret_ways)
{
    const char *name;

    name_failing(life, "call", n, all, way);
    /* What does not heal is what a client meets that ends. */
    story.heal = all && n % 2 == 0 ? keep_failing : heals_calls;
    calls_arm(n, all, way);
    live(life);
    name = calls_failed(ret_ways);
    return name != NULL;
}

START_TEST(every_call_may_fail)
{
    size_t life = (size_t)_i / 2;
    bool all = _i % 2 == 1;
    size_t step = every ? 1 : lives[life].step;
    bool has_failed = true;
    size_t n;
    unsigned ways;

    for (n = 1; has_failed; n += step) {
        has_failed =
            fail_call(life, n, all, every ? 0 : (unsigned)(n / step), &ways);
        for (unsigned way = 1; every && has_failed && !all && way < ways;
             way++) {
            (void)fail_call(life, n, all, way, &ways);
        }
    }
    ck_assert_uint_gt(n, lives[life].least_calls);
}
END_TEST

/* ------------------------------------------------------------ the allocations
 */

static bool heals_allocations(void)
{
    atomic_store(&allocation_fails, 0);
    return atomic_load(&allocation_failed);
}

static bool fail_allocation(size_t life, size_t n, bool all)
{
    name_failing(life, "allocation", n, all, 0);
    story.heal = all && n % 2 == 0 ? keep_failing : heals_allocations;
    atomic_store(&allocations, 0);
    atomic_store(&allocations_all, all);
    atomic_store(&allocation_failed, false);
    atomic_store(&allocation_fails, n);
    live(life);
    return atomic_load(&allocation_failed);
}

START_TEST(every_allocation_may_fail)
{
    size_t life = (size_t)_i / 2;
    size_t n = 1;

    while (fail_allocation(life, n, _i % 2 == 1)) {
        n++;
    }
    ck_assert_uint_gt(n, 15);
}
END_TEST

/* What looks up a name outlives its client, and so takes its own. */
START_TEST(all_memory_comes_from_the_allocator)
{
    if (__sanitizer_install_malloc_and_free_hooks == NULL) {
        return;
    }
    story.servers = server.server;
    (void)__sanitizer_install_malloc_and_free_hooks(see_malloc, see_free);
    name_failing((size_t)_i, "nothing", 0, false, 0);
    live((size_t)_i);
    ck_assert_uint_eq(atomic_load(&strangers), 0);
    story.servers = servers;
    live((size_t)_i);
    ck_assert_uint_eq(atomic_load(&strangers), _i == 0 ? 1 : 0);
}
END_TEST

int main(int argc, char **argv)
{
    Suite *suite = suite_create("client_faults");
    TCase *faults_case = tcase_create("faults");
    SRunner *runner = srunner_create(suite);
    int failed;

    every = argc == 2 && strcmp(argv[1], "--every") == 0;
    tcase_add_checked_fixture(faults_case, start, stop);
    tcase_set_timeout(faults_case, every ? 3600 : 60);
    tcase_add_loop_test(faults_case, every_call_may_fail, 0, 2 * LIVES);
    tcase_add_loop_test(faults_case, every_allocation_may_fail, 0, 2 * FACES);
    tcase_add_loop_test(faults_case, all_memory_comes_from_the_allocator, 0,
                        FACES);
    suite_add_tcase(suite, faults_case);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
