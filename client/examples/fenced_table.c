/* SPDX-License-Identifier: MIT */
/* A table that no late holder writes to: it keeps the highest fence that each
 * slot has seen, and rejects a lower one.
 *
 *     permit set table --permits 2 --slots
 *     cc fenced_table.c $(pkg-config --cflags --libs permit sqlite3) -o table
 *     echo 'a row' | ./table table.db table
 *
 * Holds a permit of the semaphore until stdin ends, and writes each line as a
 * row. Without a semaphore it writes for the holder that PERMIT_FENCE and
 * PERMIT_SLOTS name:
 *
 *     permit run table -c 'echo "a row" | ./table table.db'
 *
 * Whoever is paused for longer than its session finds its permit another's. It
 * may ask permit_grant_is_valid() and be paused before it writes, so only the
 * table can tell: each write comes with the fence, and in one transaction with
 * it the table looks whether it has seen a higher one. For more than one holder
 * at a time one number is not enough, the earlier of them would be rejected:
 * then each permit has a slot, and the table keeps one number for each. A
 * semaphore of one permit needs no slots.
 *
 * Exits with 124 if a row was rejected. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include <permit/permit.h>
#include <sqlite3.h>

enum { EXIT_REJECTED = 124, LINE_BYTES = 4096 };

struct holder {
    uint64_t fence;
    uint32_t slots[PERMIT_SLOTS_MAX];
    size_t slots_count; /* At least 1. */
};

/* --------------------------------------------------------------- the table */

/* Runs and frees what sqlite3_mprintf() made. Says why it failed. */
static bool run(sqlite3 *database, char *sql)
{
    bool is_done = sql != NULL &&
                   sqlite3_exec(database, sql, NULL, NULL, NULL) == SQLITE_OK;

    if (!is_done) {
        fprintf(stderr, "fenced_table: %s\n", sqlite3_errmsg(database));
    }
    sqlite3_free(sql);
    return is_done;
}

static bool open_table(const char *path, sqlite3 **ret_database)
{
    bool is_open = sqlite3_open(path, ret_database) == SQLITE_OK;

    if (!is_open) {
        fprintf(stderr, "fenced_table: %s\n", sqlite3_errmsg(*ret_database));
        return false;
    }
    (void)sqlite3_busy_timeout(*ret_database, 10000);
    return run(
        *ret_database,
        sqlite3_mprintf("CREATE TABLE IF NOT EXISTS slots"
                        " (slot INTEGER PRIMARY KEY, fence INTEGER NOT NULL);"
                        "CREATE TABLE IF NOT EXISTS rows"
                        " (number INTEGER PRIMARY KEY, fence INTEGER NOT NULL,"
                        " text TEXT NOT NULL);"));
}

/* Raises the fence that the slot has seen. Returns 0, or the exit code: that of
 * a rejection if it has seen a higher one. */
static int raise_fence(sqlite3 *database, uint32_t slot, uint64_t fence)
{
    if (!run(database,
             sqlite3_mprintf("INSERT INTO slots (slot, fence) VALUES (%u, %lld)"
                             " ON CONFLICT (slot) DO UPDATE"
                             " SET fence = excluded.fence"
                             " WHERE excluded.fence >= slots.fence",
                             slot, (long long)fence))) {
        return EXIT_FAILURE;
    }
    if (sqlite3_changes(database) == 0) {
        fprintf(stderr,
                "fenced_table: rejected: slot %" PRIu32
                " has seen a higher fence than %" PRIu64 "\n",
                slot, fence);
        return EXIT_REJECTED;
    }
    return 0;
}

/* Writes a row, or nothing at all. Returns 0 or the exit code. */
static int write_row(sqlite3 *database, const struct holder *holder,
                     const char *text)
{
    int code = 0;

    if (!run(database, sqlite3_mprintf("BEGIN IMMEDIATE"))) {
        return EXIT_FAILURE;
    }
    for (size_t i = 0; i < holder->slots_count && code == 0; i++) {
        code = raise_fence(database, holder->slots[i], holder->fence);
    }
    if (code == 0 &&
        run(database,
            sqlite3_mprintf("INSERT INTO rows (fence, text) VALUES (%lld, %Q)",
                            (long long)holder->fence, text)) &&
        run(database, sqlite3_mprintf("COMMIT"))) {
        return 0;
    }
    (void)run(database, sqlite3_mprintf("ROLLBACK"));
    return code != 0 ? code : EXIT_FAILURE;
}

static int write_lines(sqlite3 *database, const struct holder *holder)
{
    char line[LINE_BYTES];
    int code = 0;

    while (code == 0 && fgets(line, sizeof(line), stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        code = write_row(database, holder, line);
        if (code == 0) {
            printf("written: %s\n", line);
            fflush(stdout);
        }
    }
    return code;
}

/* -------------------------------------------------------------- the holder */

static void read_grant(const struct permit_grant *grant, struct holder *holder)
{
    const uint32_t *slots = permit_grant_slots(grant, &holder->slots_count);

    holder->fence = permit_grant_fence(grant);
    for (size_t i = 0; i < holder->slots_count; i++) {
        holder->slots[i] = slots[i];
    }
    if (holder->slots_count == 0) {
        holder->slots[0] = 0;
        holder->slots_count = 1;
    }
}

/* What `permit run` tells its command. */
static bool read_environment(struct holder *holder)
{
    const char *fence = getenv("PERMIT_FENCE");
    const char *slots = getenv("PERMIT_SLOTS");
    char *end;

    if (fence == NULL) {
        return false;
    }
    holder->fence = strtoull(fence, &end, 10);
    holder->slots_count = 0;
    do {
        slots = slots == NULL || *slots == '\0' ? "0" : slots;
        holder->slots[holder->slots_count++] =
            (uint32_t)strtoul(slots, &end, 10);
        slots = end + 1;
    } while (*end == ',' && holder->slots_count < PERMIT_SLOTS_MAX);
    return true;
}

static int fail(struct permit_client *client)
{
    char error[256];

    permit_client_last_error(client, error, sizeof(error));
    fprintf(stderr, "fenced_table: %s\n", error);
    return EXIT_FAILURE;
}

/* Writes while it holds a permit of the semaphore. */
static int hold_and_write(sqlite3 *database, const char *semaphore)
{
    struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;
    struct permit_client *client;
    struct permit_grant *grant;
    struct holder holder;
    char error[256];
    int code;

    if (permit_client_create(NULL, &client, error, sizeof(error)) !=
        PERMIT_OK) {
        fprintf(stderr, "fenced_table: %s\n", error);
        return EXIT_FAILURE;
    }
    request.semaphore = semaphore;
    if (permit_acquire(client, &request, &grant) != PERMIT_OK) {
        code = fail(client);
    } else {
        read_grant(grant, &holder);
        printf("granted: fence %" PRIu64 ", slot %" PRIu32 "\n", holder.fence,
               holder.slots[0]);
        fflush(stdout);
        code = write_lines(database, &holder);
        if (permit_grant_release(grant, 0) != PERMIT_OK && code == 0) {
            code = fail(client);
        }
        permit_grant_destroy(grant);
    }
    permit_client_destroy(client);
    return code;
}

int main(int argc, char **argv)
{
    struct holder holder;
    sqlite3 *database;
    int code = EXIT_FAILURE;

    if (argc != 3 && (argc != 2 || !read_environment(&holder))) {
        fprintf(stderr, "usage: fenced_table DATABASE SEMAPHORE\n"
                        "       fenced_table DATABASE    within permit run\n");
        return EX_USAGE;
    }
    if (open_table(argv[1], &database)) {
        code = argc == 3 ? hold_and_write(database, argv[2])
                         : write_lines(database, &holder);
    }
    (void)sqlite3_close(database);
    return code;
}
