/* SPDX-License-Identifier: MIT */
#include "async_script.h"

#include <check.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

void async_script_note(struct async_script *script, const char *format, ...)
{
    va_list arguments;
    size_t left = sizeof(script->transcript) - script->length;
    int bytes;

    if (script->is_quiet) {
        return;
    }
    va_start(arguments, format);
    bytes =
        vsnprintf(script->transcript + script->length, left, format, arguments);
    va_end(arguments);
    ck_assert_int_lt(bytes, (int)left - 1);
    script->length += (size_t)bytes;
    script->transcript[script->length++] = '\n';
    script->transcript[script->length] = '\0';
}

void async_script_expect(struct async_script *script, const char *expected)
{
    ck_assert_str_eq(script->transcript, expected);
    script->length = 0;
    script->transcript[0] = '\0';
}

/* ----------------------------------------------------------------- the loop
 */

static size_t failing_hook;
static bool all_fail;

void async_script_fail_hook(size_t n, bool all)
{
    failing_hook = n;
    all_fail = all;
}

static int hook(struct async_script *script)
{
    bool fails;

    script->calls_total++;
    script->hooks_total++;
    fails = script->hooks_total == failing_hook ||
            (all_fail && script->hooks_total > failing_hook);
    return fails ? -1 : 0;
}

/* Whatever has this number now: another one after it was closed. */
static ino_t inode_of(int fd)
{
    struct stat what;

    ck_assert_int_eq(fstat(fd, &what), 0);
    return what.st_ino;
}

static int add_read(void *arg, int fd)
{
    struct async_script *script = arg;

    ck_assert_int_eq(script->read_fd, -1);
    script->inode = inode_of(fd);
    if (hook(script) != 0) {
        return -1;
    }
    script->read_fd = fd;
    return 0;
}

static void del_read(void *arg, int fd)
{
    struct async_script *script = arg;

    ck_assert_int_eq(script->read_fd, fd);
    ck_assert_uint_eq(script->inode, inode_of(fd));
    script->calls_total++;
    script->read_fd = -1;
}

static int add_write(void *arg, int fd)
{
    struct async_script *script = arg;

    ck_assert_int_eq(script->write_fd, -1);
    script->inode = inode_of(fd);
    if (hook(script) != 0) {
        return -1;
    }
    script->write_fd = fd;
    return 0;
}

static void del_write(void *arg, int fd)
{
    struct async_script *script = arg;

    ck_assert_int_eq(script->write_fd, fd);
    ck_assert_uint_eq(script->inode, inode_of(fd));
    script->calls_total++;
    script->write_fd = -1;
}

static int set_timer(void *arg, int64_t in_ms)
{
    struct async_script *script = arg;

    ck_assert_int_ge(in_ms, -1);
    if (hook(script) != 0) {
        return -1;
    }
    script->timer_ms = in_ms;
    return 0;
}

static void detach(void *arg)
{
    struct async_script *script = arg;

    ck_assert_int_eq(script->read_fd, -1);
    ck_assert_int_eq(script->write_fd, -1);
    script->is_detached = true;
    script->client = NULL;
}

/* Returns false if nothing came within timeout_ms. */
static bool turn(struct async_script *script, int timeout_ms)
{
    struct pollfd fds[2] = {{.fd = script->read_fd, .events = POLLIN},
                            {.fd = script->write_fd, .events = POLLOUT}};
    bool is_timer_first = script->timer_ms != -1 &&
                          (timeout_ms < 0 || script->timer_ms <= timeout_ms);
    int count;

    if (is_timer_first) {
        timeout_ms = (int)script->timer_ms;
    }
    count = poll(fds, 2, timeout_ms);
    ck_assert_int_ge(count, 0);
    if (count == 0 && is_timer_first) {
        script->timer_ms = -1;
        permit_async_timer(script->client);
        return true;
    }
    if (fds[0].revents != 0 && script->client != NULL) {
        permit_async_readable(script->client);
    }
    if (fds[1].revents != 0 && script->client != NULL) {
        permit_async_writable(script->client);
    }
    return count > 0;
}

void async_script_run(struct async_script *script)
{
    int turns = 0;

    while (!script->holds_back && script->client != NULL && turn(script, 0)) {
        ck_assert_int_lt(turns++, 100000);
    }
}

void async_script_turn(struct async_script *script)
{
    ck_assert(turn(script, TURN_MS));
}

/* ------------------------------------------------------------ start and stop
 */

/* `before`: other servers, and a comma. */
static void listen_at(struct async_script *script, const char *before)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};

    (void)strcpy(script->directory, "/tmp/async-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(script->directory));
    (void)snprintf(script->path, sizeof(script->path), "%s/socket",
                   script->directory);
    (void)snprintf(script->server, sizeof(script->server), "%sunix:%s", before,
                   script->path);
    (void)strcpy(name.sun_path, script->path);
    script->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(script->listener, 0);
    ck_assert_int_eq(
        bind(script->listener, (struct sockaddr *)&name, sizeof(name)), 0);
    ck_assert_int_eq(listen(script->listener, 8), 0);
}

void async_script_start_with(struct async_script *script,
                             const struct permit_options *options)
{
    struct permit_options own = *options;
    struct permit_loop loop = PERMIT_LOOP_INIT;
    char error[256] = "";

    memset(script, 0, sizeof(*script));
    script->line = -1;
    script->read_fd = -1;
    script->write_fd = -1;
    script->timer_ms = -1;
    if (own.server == NULL) {
        own.server = "";
    }
    listen_at(script, own.server);
    if (*own.server == '\0' || own.server[strlen(own.server) - 1] == ',') {
        own.server = script->server;
    }
    ck_assert_msg(permit_async_create(&own, &script->client, error,
                                      sizeof(error)) == PERMIT_OK,
                  "%s", error);
    loop.arg = script;
    loop.add_read = add_read;
    loop.del_read = del_read;
    loop.add_write = add_write;
    loop.del_write = del_write;
    loop.set_timer = set_timer;
    loop.detach = detach;
    ck_assert_int_eq(permit_async_attach(script->client, &loop), PERMIT_OK);
}

void async_script_start(struct async_script *script)
{
    struct permit_options options = PERMIT_OPTIONS_INIT;

    async_script_start_with(script, &options);
}

void async_script_stop(struct async_script *script)
{
    permit_async_destroy(script->client);
    ck_assert(script->is_detached);
    for (size_t i = 0; i < script->asked_count; i++) {
        permit_grant_destroy(script->asked[i].grant);
    }
    async_script_hang_up(script);
    (void)close(script->listener);
    (void)unlink(script->path);
    (void)rmdir(script->directory);
}

void async_script_connect(struct async_script *script)
{
    script->is_quiet = true;
    (void)async_script_ping(script, "connect");
    async_script_run(script);
    async_script_accept(script);
    async_script_welcome(script, 1);
    async_script_say_type(script, 2, WIRE_PONG);
    async_script_hear(script);
    script->is_quiet = false;
    ck_assert_uint_eq(permit_async_session_id(script->client), 7);
}

/* ---------------------------------------------------------------- the client
 */

struct asked *async_script_name(struct async_script *script, const char *name)
{
    struct asked *asked = &script->asked[script->asked_count++];

    ck_assert_uint_le(script->asked_count, ASYNC_SCRIPT_ASKED_MAX);
    asked->script = script;
    asked->name = name;
    return asked;
}

struct asked *async_script_find(struct async_script *script, const char *name)
{
    for (size_t i = 0; i < script->asked_count; i++) {
        if (strcmp(script->asked[i].name, name) == 0) {
            return &script->asked[i];
        }
    }
    ck_abort_msg("nobody is called %s", name);
}

static void note_and_act(struct asked *asked, const char *what)
{
    async_script_note(asked->script, "%s %s", asked->name, what);
    if (asked->script->then != NULL) {
        asked->script->then(asked, what);
    }
}

void async_script_answered(void *arg, const struct permit_answer *answer)
{
    struct asked *asked = arg;

    ck_assert_ptr_nonnull(answer->text);
    ck_assert((answer->status >= PERMIT_OK) == (answer->text[0] == '\0'));
    if (answer->status == PERMIT_E_OUTCOME_UNKNOWN) {
        ck_assert_ptr_nonnull(
            strstr(answer->text, permit_strerror(answer->status)));
    }
    asked->id = answer->request_id;
    asked->grant = answer->grant;
    permit_list_destroy(answer->list);
    note_and_act(asked, permit_status_reason(answer->status));
}

static void on_waiting(void *arg, const struct permit_waiting *waiting)
{
    ck_assert_uint_gt(waiting->position, 0);
    note_and_act(arg, "waits");
}

static void on_lost(void *arg, struct permit_grant *grant,
                    enum permit_loss loss)
{
    struct asked *asked = arg;
    char what[64];

    ck_assert_ptr_eq(asked->grant, grant);
    ck_assert(!permit_grant_is_valid(grant) || loss == PERMIT_LOSS_REVOKED);
    (void)snprintf(what, sizeof(what), "LOST %s", permit_loss_name(loss));
    note_and_act(asked, what);
}

/* Returns asked, or notes why it was not. */
static struct asked *noted(struct asked *asked, enum permit_status status)
{
    if (status != PERMIT_OK) {
        async_script_note(asked->script, "%s not asked: %s", asked->name,
                          permit_status_reason(status));
    }
    return asked;
}

struct asked *async_script_acquire(struct async_script *script,
                                   const char *name)
{
    struct permit_acquire_request request = PERMIT_ACQUIRE_REQUEST_INIT;
    struct asked *asked = async_script_name(script, name);

    request.semaphore = "jobs";
    request.permits = 3;
    request.on_waiting = on_waiting;
    request.on_waiting_arg = asked;
    request.on_lost = on_lost;
    request.on_lost_arg = asked;
    return noted(asked, permit_async_acquire(script->client, &request,
                                             async_script_answered, asked,
                                             &asked->id));
}

struct asked *async_script_ping(struct async_script *script, const char *name)
{
    struct asked *asked = async_script_name(script, name);

    return noted(
        asked, permit_async_ping(script->client, async_script_answered, asked));
}

struct asked *async_script_list(struct async_script *script, const char *name)
{
    struct asked *asked = async_script_name(script, name);

    return noted(asked, permit_async_list_semaphores(
                            script->client, "j", async_script_answered, asked));
}

void async_script_release(struct async_script *script, const char *name,
                          const char *of, uint32_t permits)
{
    struct asked *asked = async_script_name(script, name);

    (void)noted(asked,
                permit_async_release(async_script_find(script, of)->grant,
                                     permits, async_script_answered, asked));
}

void async_script_renew(struct async_script *script, const char *name,
                        const char *of, int64_t hold_ms)
{
    struct asked *asked = async_script_name(script, name);

    (void)noted(asked,
                permit_async_renew(async_script_find(script, of)->grant,
                                   hold_ms, async_script_answered, asked));
}
