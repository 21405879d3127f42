/* SPDX-License-Identifier: MIT */

/* A client of libpermit that asks at random and writes down what it sees.
 *
 *   history_player SERVER DIRECTORY NAME SEED LINGER_MS BEGAN_NS UNTIL_NS
 *   history_player SERVER DIRECTORY NAME last
 *
 * BEGAN_NS is when the first of the periods began in which five clients meet at
 * a semaphore of their own, small enough to be searched; 0: without this one.
 * DIRECTORY/run.history says which semaphores there are; DIRECTORY/NAME.history
 * is written, a line a write(), so that what a kill leaves is true. Until
 * UNTIL_NS it does what comes, then gives all back. As `last` it acquires all
 * that there is of each semaphore, to show that nothing is missing. */

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "player.h"

#define NS_PER_S INT64_C(1000000000)
/* Of a client in a period: twelve operations with their releases, and so sixty
 * of five. */
#define SMALL_ACQUIRES 6
#define SMALL_PERIOD_NS NS_PER_S
#define END_MS 10000 /* To give all back. */
#define LAST_WAIT_MS 5000

/* ------------------------------------------------------------ what comes next
 */

static bool is_small(const struct history_semaphore *semaphore)
{
    return strncmp(semaphore->name, "small-", 6) == 0;
}

static const struct history_semaphore *find(const struct player *player,
                                            const char *name)
{
    for (size_t i = 0; i < player->world.semaphores_count; i++) {
        if (strcmp(player->world.semaphores[i].name, name) == 0) {
            return &player->world.semaphores[i];
        }
    }
    return NULL;
}

static const struct history_semaphore *any(struct player *player)
{
    const struct history *world = &player->world;
    const struct history_semaphore *semaphore;

    do {
        semaphore = &world->semaphores[random_below(
            &player->random, (uint32_t)world->semaphores_count)];
    } while (is_small(semaphore));
    return semaphore;
}

static int64_t any_wait_ms(struct player *player)
{
    switch (random_below(&player->random, 4)) {
    case 0:
        return 0;
    case 1:
        return random_between(&player->random, 1, 30);
    case 2:
        return random_between(&player->random, 30, 300);
    default:
        return random_between(&player->random, 300, 3000);
    }
}

static void next_common(struct task *task)
{
    struct player *player = task->player;
    int64_t wait_ms = any_wait_ms(player);
    int64_t hold_ms = 0;

    task->semaphore =
        task == &player->tasks[1] ? find(player, "kept") : any(player);
    task->consumes = false;
    if (task->semaphore->is_counting) {
        task->permits = random_between(&player->random, 1, 2);
        if (random_chance(&player->random, 3)) {
            task_post(task);
            return;
        }
        task->consumes = random_chance(&player->random, 70);
    } else {
        task->permits = random_between(&player->random, 1,
                                       (uint32_t)task->semaphore->permits);
        if (strcmp(task->semaphore->name, "capped") == 0) {
            hold_ms = random_between(&player->random, 5, 200);
        }
    }
    task_acquire(task, wait_ms, hold_ms);
    if (task->state == TASK_ASKED && wait_ms > 100 &&
        strcmp(task->semaphore->name, "shared") == 0) {
        task->due_ns = now_ns() + random_ns(player, 0, 100);
    }
}

/* Five clients meet at a semaphore that is this period's alone. */
static void next_small(struct task *task)
{
    struct player *player = task->player;
    int64_t period = (now_ns() - player->began_ns) / SMALL_PERIOD_NS;
    char name[HISTORY_NAME_BYTES];

    if (period != task->period) {
        task->period = period;
        task->done = 0;
    }
    (void)snprintf(name, sizeof(name), "small-%" PRId64, period);
    task->semaphore = find(player, name);
    if (task->semaphore == NULL || task->done == SMALL_ACQUIRES) {
        task->due_ns = player->began_ns + (period + 1) * SMALL_PERIOD_NS;
        return;
    }
    task->done++;
    task->permits =
        random_between(&player->random, 1, (uint32_t)task->semaphore->permits);
    task_acquire(task,
                 random_chance(&player->random, 30)
                     ? 0
                     : random_between(&player->random, 1, 40),
                 0);
    if (task->state == TASK_ASKED && period % 2 == 1 &&
        random_chance(&player->random, 20)) {
        task->due_ns = now_ns() + random_ns(player, 0, 10);
    }
}

static void advance(struct task *task)
{
    bool is_over = now_ns() >= task->player->until_ns;
    bool is_due = now_ns() >= task->due_ns;

    if (is_over) {
        is_due = is_due || task->state == TASK_HOLDS ||
                 (task->state == TASK_ASKED && !task->is_cancelled);
    }
    if (!is_due) {
        return;
    }
    switch (task->state) {
    case TASK_IDLE:
        if (is_over) {
            task->due_ns = HISTORY_NEVER;
        } else if (task->is_small) {
            next_small(task);
        } else {
            next_common(task);
        }
        break;
    case TASK_ASKED:
        task_cancel(task);
        break;
    case TASK_HOLDS:
        task_release(task);
        break;
    case TASK_OWES:
        task_post(task);
        break;
    case TASK_PARTIAL:
    case TASK_RELEASING:
    case TASK_POSTING:
        break;
    }
}

/* ----------------------------------------------------------------- the loop
 */

static void turn(struct player *player, int64_t due_ns)
{
    struct pollfd fd = permit_poll_fd(&player->tie);
    int64_t left_ms = (due_ns - now_ns() + NS_PER_MS - 1) / NS_PER_MS;
    int timeout_ms = permit_poll_timeout_ms(&player->tie);
    int count;

    if (left_ms < 0) {
        left_ms = 0;
    }
    if (timeout_ms < 0 || left_ms < timeout_ms) {
        timeout_ms = (int)(left_ms < 1000 ? left_ms : 1000);
    }
    count = poll(&fd, 1, timeout_ms);
    player->turn_ns = now_ns();
    permit_poll_handle(&player->tie, count > 0 ? fd.revents : (short)0);
    look_at_all(player);
}

static bool is_busy(const struct player *player)
{
    for (size_t i = 0; i < TASKS; i++) {
        if (player->tasks[i].state != TASK_IDLE) {
            return true;
        }
    }
    return false;
}

static void play(struct player *player)
{
    int64_t end_ns = player->until_ns + END_MS * NS_PER_MS;

    while (now_ns() < player->until_ns ||
           (is_busy(player) && now_ns() < end_ns)) {
        int64_t due_ns = HISTORY_NEVER;

        for (size_t i = 0; i < TASKS; i++) {
            advance(&player->tasks[i]);
            if (player->tasks[i].due_ns < due_ns) {
                due_ns = player->tasks[i].due_ns;
            }
        }
        look_at_all(player);
        turn(player, due_ns < player->until_ns ? due_ns : player->until_ns);
    }
}

static void on_value(void *arg, const struct permit_answer *answer)
{
    struct player *player = arg;

    if (answer->status == PERMIT_OK) {
        const struct permit_semaphore_info *info =
            permit_list_semaphore(answer->list, 0);

        note(player, now_ns(), "value %s %" PRIu64, info->name,
             info->available);
        permit_list_destroy(answer->list);
    }
    player->is_value_known = true;
}

/* Nobody else is there: all of each must be to be had. */
static void play_last(struct player *player)
{
    struct task *task = &player->tasks[0];

    for (size_t i = 0; i < player->world.semaphores_count; i++) {
        task->semaphore = &player->world.semaphores[i];
        if (task->semaphore->is_counting) {
            player->is_value_known = false;
            (void)permit_async_query(player->client, task->semaphore->name,
                                     on_value, player);
            while (!player->is_value_known) {
                turn(player, HISTORY_NEVER);
            }
            continue;
        }
        task->permits = (uint32_t)task->semaphore->permits;
        task_acquire(task, LAST_WAIT_MS, 0);
        while (task->state == TASK_ASKED) {
            turn(player, HISTORY_NEVER);
        }
        if (task->state == TASK_HOLDS) {
            task_release(task);
        }
        while (task->state != TASK_IDLE) {
            if (task->state == TASK_HOLDS) {
                task_release(task);
            }
            turn(player, HISTORY_NEVER);
        }
    }
}

/* ------------------------------------------------------------------ begin
 */

static void open_all(struct player *player, const char *server,
                     const char *directory, const char *name, int64_t linger_ms)
{
    struct permit_options options = PERMIT_OPTIONS_INIT;
    char path[4096];

    (void)snprintf(path, sizeof(path), "%s/%s.history", directory, name);
    player->file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (player->file == -1) {
        fail(path);
    }
    options.server = server;
    options.name = name;
    options.answer_timeout_ms = 3000;
    options.linger_ms = linger_ms;
    if (permit_async_create(&options, &player->client, NULL, 0) != PERMIT_OK ||
        permit_poll_attach(player->client, &player->tie) != PERMIT_OK) {
        fail("permit_async_create");
    }
}

static void close_all(struct player *player)
{
    int64_t at_ns = now_ns();

    permit_async_destroy(player->client);
    for (size_t i = 0; i < TASKS; i++) {
        permit_grant_destroy(player->tasks[i].grant);
    }
    note(player, at_ns, "bye");
    (void)close(player->file);
    history_deinit(&player->world);
}

int main(int argc, char **argv)
{
    bool is_last = argc == 5 && strcmp(argv[4], "last") == 0;
    struct player player = {.file = -1};
    char error[512];

    if (argc != 8 && !is_last) {
        (void)fprintf(stderr, "usage: history_player SERVER DIRECTORY NAME "
                              "SEED LINGER_MS BEGAN_NS UNTIL_NS\n");
        return EXIT_FAILURE;
    }
    history_init(&player.world);
    if (!history_read_file(&player.world, argv[2], "run", error,
                           sizeof(error))) {
        fail(error);
    }
    open_all(&player, argv[1], argv[2], argv[3],
             is_last ? 0 : strtoll(argv[5], NULL, 10));
    player.until_ns = HISTORY_NEVER;
    for (size_t i = 0; i < TASKS; i++) {
        player.tasks[i] = (struct task){
            .player = &player, .state = TASK_IDLE, .due_ns = 0, .period = -1};
    }
    if (is_last) {
        note(&player, now_ns(), "client 0");
        play_last(&player);
    } else {
        player.random.state = strtoull(argv[4], NULL, 10);
        player.began_ns = strtoll(argv[6], NULL, 10);
        player.tasks[0].is_small = player.began_ns != 0;
        player.until_ns = strtoll(argv[7], NULL, 10);
        note(&player, now_ns(), "client %s", argv[5]);
        play(&player);
    }
    close_all(&player);
    return EXIT_SUCCESS;
}
