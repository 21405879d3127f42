/* SPDX-License-Identifier: MIT */
#include "run_orphan.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"

#define ATTEMPT_MS 1000
#define PAUSE_MIN_MS 20
#define PAUSE_MAX_MS 1000

struct entrusted {
    struct permit_session_key session;
    int64_t linger_ms;
    char server[]; /* Ends with a NUL; empty: the library's default. */
};

#define SERVER_BYTES_MAX (GUARD_TEXT_BYTES - sizeof(struct entrusted))

/* Returns false if there is no room for it: then the session lingers on. */
static bool fill(struct entrusted *entrusted, const struct run *run,
                 struct permit_client *client, size_t *ret_bytes)
{
    const char *server =
        run->options->server == NULL ? "" : run->options->server;
    size_t length = strlen(server);

    if (length >= SERVER_BYTES_MAX ||
        permit_client_session_key(client, &entrusted->session) != PERMIT_OK) {
        return false;
    }
    entrusted->linger_ms = run->options->linger_ms;
    memcpy(entrusted->server, server, length + 1);
    *ret_bytes = sizeof(*entrusted) + length + 1;
    return true;
}

void run_entrust(struct run *run, struct permit_client *client)
{
    _Alignas(struct entrusted) char buffer[GUARD_TEXT_BYTES];
    int connection = permit_client_fd(client);
    struct stat line;
    size_t bytes = 0;

    if (connection == -1) {
        return;
    }
    if (fstat(connection, &line) == 0 && line.st_ino != run->line) {
        run->line = line.st_ino;
        /* Without a linger the end of the copy is the end of the session. */
        if (run->options->linger_ms == 0 ||
            !fill((struct entrusted *)buffer, run, client, &bytes)) {
            bytes = 0;
        }
        (void)guard_entrust(run->guard, buffer, bytes, connection);
    }
    (void)close(connection);
}

void run_orphaned(const void *entrusted)
{
    const struct entrusted *from = entrusted;
    struct permit_options options = PERMIT_OPTIONS_INIT;
    int64_t until_ms = clock_now_ms() + from->linger_ms;
    int pause_ms = PAUSE_MIN_MS;
    struct permit_client *client;

    options.server = *from->server == '\0' ? NULL : from->server;
    options.connect_timeout_ms = ATTEMPT_MS;
    options.end = &from->session;
    while (permit_client_create(&options, &client, NULL, 0) != PERMIT_OK) {
        if (clock_now_ms() >= until_ms) {
            return; /* It has ended by itself. */
        }
        (void)poll(NULL, 0, pause_ms);
        pause_ms = pause_ms < PAUSE_MAX_MS ? 2 * pause_ms : PAUSE_MAX_MS;
    }
    permit_client_destroy(client);
}
