/* SPDX-License-Identifier: MIT */
#include "blocking.h"

#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "clock.h"
#include "transport.h"

static int64_t min_ns(int64_t a_ns, int64_t b_ns)
{
    return a_ns < b_ns ? a_ns : b_ns;
}

/* Saturates: a time-out of centuries is none. */
static int64_t after_ms(int64_t now_ns, int64_t ms)
{
    return ms > (CORE_NEVER - now_ns) / NS_PER_MS ? CORE_NEVER
                                                  : now_ns + ms * NS_PER_MS;
}

bool client_is_forked(const struct permit_client *client)
{
    return client->pid != getpid();
}

/* -------------------------------------------------------------------- calls
 */

void call_init(struct call *call)
{
    memset(call, 0, sizeof(*call));
    call->event_fd = -1;
    (void)pthread_cond_init(&call->done, NULL);
}

void call_deinit(struct call *call)
{
    if (call->event_fd != -1) {
        (void)close(call->event_fd);
    }
    (void)pthread_cond_destroy(&call->done);
}

enum permit_status call_fail(struct call *call, enum permit_status status,
                             const char *text)
{
    call->status = status;
    (void)snprintf(call->text, sizeof(call->text), "%s", text);
    return status;
}

/* What the server refuses says why by itself, and why a connection was not made
 * names the address already; what else failed names the servers. */
static void note(struct permit_client *client, enum permit_status status,
                 const char *text)
{
    if (status > PERMIT_E_NOMEM || text[0] == '\0' ||
        strcmp(text, client->down_text) == 0) {
        (void)snprintf(client->error, sizeof(client->error), "%s", text);
    } else {
        (void)snprintf(client->error, sizeof(client->error), "%.128s: %.380s",
                       client->servers, text);
    }
}

void client_note(struct permit_client *client, const struct call *call)
{
    if (call->status != PERMIT_OK) {
        note(client, call->status, call->text);
    }
}

enum permit_status client_check_name(struct call *call, const char *name,
                                     bool template_too)
{
    const char *detail = "name the semaphore";
    enum permit_status status = PERMIT_E_INVALID;

    if (name != NULL) {
        status = wire_check_name(name, strlen(name), template_too, &detail);
    }
    return status == PERMIT_OK ? status : call_fail(call, status, detail);
}

int64_t client_answer_by(const struct permit_client *client, int64_t now_ns,
                         int64_t wait_ms)
{
    if (wait_ms < 0) {
        return CORE_NEVER;
    }
    return after_ms(after_ms(now_ns, wait_ms), client->answer_timeout_ms);
}

/* --------------------------------------------------------------- connecting
 */

/* Makes a connection; Hello is under way then. Locked; unlocked meanwhile. */
static enum permit_status open_line(struct permit_client *client,
                                    int64_t deadline_ns)
{
    char text[CORE_TEXT_BYTES];
    enum permit_status status;
    int fd;

    client->is_connecting = true;
    (void)pthread_mutex_unlock(&client->mutex);
    status = transport_connect(client->servers, deadline_ns, &fd, text,
                               sizeof(text));
    (void)pthread_mutex_lock(&client->mutex);
    client->is_connecting = false;
    if (status == PERMIT_OK) {
        client->fd = fd;
        client->was_ready = false;
        core_open(client->core, clock_now_ns(), deadline_ns);
        io_wake(client);
    } else {
        client->failed_attempts++;
        client->down_status = status;
        (void)snprintf(client->down_text, sizeof(client->down_text), "%s",
                       text);
    }
    (void)pthread_cond_broadcast(&client->changed);
    return status;
}

/* Sees to it that the line is up: with one attempt, or with another caller's.
 * Locked; unlocked while it waits. */
static enum permit_status connect_line(struct permit_client *client,
                                       int64_t deadline_ns)
{
    uint64_t failed = client->failed_attempts;

    core_advance(client->core, clock_now_ns());
    while (!core_is_ready(client->core)) {
        if (client->failed_attempts != failed) {
            return client->down_status;
        }
        if (client->is_connecting || client->fd != -1) {
            /* Another's attempt, or the I/O thread is closing the old line. */
            (void)pthread_cond_wait(&client->changed, &client->mutex);
        } else {
            (void)open_line(client, deadline_ns);
        }
        core_advance(client->core, clock_now_ns());
    }
    return PERMIT_OK;
}

enum permit_status client_ask(struct permit_client *client,
                              struct wire_client_message *message,
                              struct call *call, uint64_t *ret_id)
{
    int64_t now_ns = clock_now_ns();
    bool is_acquire = message->type == WIRE_ACQUIRE;
    int64_t wait_ms = is_acquire ? message->acquire.wait_ms : 0;
    const struct core_request request = {
        .message = message,
        .answer_by_ns = client_answer_by(client, now_ns, wait_ms),
        .arg = call,
        .grant_arg = call->grant};
    enum permit_status status;
    int64_t late_ms;

    status =
        connect_line(client, after_ms(now_ns, client->connect_timeout_ms <
                                                      client->answer_timeout_ms
                                                  ? client->connect_timeout_ms
                                                  : client->answer_timeout_ms));
    if (status != PERMIT_OK) {
        return call_fail(call, status, client->down_text);
    }
    late_ms = (clock_now_ns() - now_ns) / NS_PER_MS;
    if (wait_ms > 0) {
        /* What is left of the wait; it stays one, so that it ends as one. */
        message->acquire.wait_ms = late_ms < wait_ms ? wait_ms - late_ms : 1;
    }
    status = core_ask(client->core, &request, ret_id);
    if (status != PERMIT_OK) {
        return call_fail(call, status, "");
    }
    io_push(client);
    return PERMIT_OK;
}

enum permit_status client_call(struct permit_client *client,
                               struct wire_client_message *message,
                               struct call *call)
{
    enum permit_status status;
    uint64_t id;

    (void)pthread_mutex_lock(&client->mutex);
    status = client_ask(client, message, call, &id);
    while (status == PERMIT_OK && !call->is_done) {
        (void)pthread_cond_wait(&call->done, &client->mutex);
    }
    client_note(client, call);
    (void)pthread_mutex_unlock(&client->mutex);
    return call->status;
}

/* ------------------------------------------------------------------- create
 */

static enum permit_status refuse(char *error, size_t error_bytes,
                                 enum permit_status status, const char *text)
{
    if (error != NULL && error_bytes > 0) {
        (void)snprintf(error, error_bytes, "%s", text);
    }
    return status;
}

static const char *or_environment(const char *given, const char *variable,
                                  const char *otherwise)
{
    if (given == NULL) {
        given = getenv(variable);
        given = given != NULL && *given != '\0' ? given : otherwise;
    }
    return given;
}

/* Reads the options; what they leave out is filled in. */
static enum permit_status read_options(const struct permit_options *options,
                                       struct permit_options *ret_options,
                                       char *error, size_t error_bytes)
{
    struct permit_options own = PERMIT_OPTIONS_INIT;
    char text[CORE_TEXT_BYTES] = "";
    enum permit_status status = PERMIT_E_INVALID;

    if (options != NULL) {
        if (options->struct_size != sizeof(own)) {
            return refuse(error, error_bytes, status,
                          "start from PERMIT_OPTIONS_INIT");
        }
        own = *options;
    }
    if (own.connect_timeout_ms <= 0 || own.answer_timeout_ms <= 0) {
        return refuse(error, error_bytes, status, "a time-out is at least 1");
    }
    own.server =
        or_environment(own.server, "PERMIT_SERVER", PERMIT_DEFAULT_SERVER);
    own.name = or_environment(own.name, "PERMIT_CLIENT_NAME", "");
    own.purpose = own.purpose != NULL ? own.purpose : "";
    if (strlen(own.name) > WIRE_TEXT_BYTES_MAX ||
        strlen(own.purpose) > WIRE_TEXT_BYTES_MAX) {
        return refuse(error, error_bytes, status,
                      "name and purpose have at most 128 bytes");
    }
    status = transport_check(own.server, text, sizeof(text));
    if (status != PERMIT_OK) {
        return refuse(error, error_bytes, status, text);
    }
    *ret_options = own;
    return PERMIT_OK;
}

/* Who runs this process, for people: $USER is not set everywhere. */
static void user_name(char *name, size_t bytes)
{
    struct passwd entry;
    struct passwd *found = NULL;
    char room[1024];

    if (getpwuid_r(geteuid(), &entry, room, sizeof(room), &found) == 0 &&
        found != NULL) {
        (void)snprintf(name, bytes, "%s", entry.pw_name);
    } else {
        (void)snprintf(name, bytes, "%u", (unsigned)geteuid());
    }
}

static struct core *create_core(const struct permit_options *options)
{
    char host[WIRE_TEXT_BYTES_MAX + 1] = "";
    char name[WIRE_TEXT_BYTES_MAX + 1];
    char user[WIRE_TEXT_BYTES_MAX + 1];
    struct core_options own = {.name = options->name,
                               .host = host,
                               .purpose = options->purpose,
                               .pid = (uint64_t)getpid(),
                               .answer_timeout_ms = options->answer_timeout_ms};

    (void)gethostname(host, sizeof(host) - 1); /* For people only. */
    if (*own.name == '\0') {
        user_name(user, sizeof(user));
        (void)snprintf(name, sizeof(name), "%.48s@%.64s:%d", user, host,
                       (int)getpid());
        own.name = name;
    }
    return core_create(&own);
}

/* No signal of the host is ever handled in the I/O thread. */
static int start_thread(struct permit_client *client)
{
    sigset_t all;
    sigset_t before;
    int error;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&client->thread, NULL, io_main, client);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

static void close_fd(int fd)
{
    if (fd != -1) {
        (void)close(fd);
    }
}

static void free_client(struct permit_client *client)
{
    close_fd(client->fd);
    close_fd(client->wake_fd);
    close_fd(client->timer_fd);
    core_destroy(client->core);
    free(client->servers);
    free(client);
}

/* A client whose I/O thread runs, without a line. */
static enum permit_status start_client(const struct permit_options *options,
                                       struct permit_client **ret_client,
                                       char *error, size_t error_bytes)
{
    struct permit_client *client = calloc(1, sizeof(*client));
    char text[128];
    int number = ENOMEM;

    if (client == NULL) {
        return refuse(error, error_bytes, PERMIT_E_NOMEM, "out of memory");
    }
    client->pid = getpid();
    client->connect_timeout_ms = options->connect_timeout_ms;
    client->answer_timeout_ms = options->answer_timeout_ms;
    client->armed_ns = CORE_NEVER;
    client->fd = -1;
    client->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    client->timer_fd =
        timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    if (client->wake_fd == -1 || client->timer_fd == -1) {
        number = errno;
        goto fail;
    }
    client->servers = strdup(options->server);
    client->core = create_core(options);
    if (client->servers == NULL || client->core == NULL) {
        goto fail;
    }
    (void)pthread_mutex_init(&client->mutex, NULL);
    (void)pthread_cond_init(&client->changed, NULL);
    number = start_thread(client);
    if (number != 0) {
        (void)pthread_cond_destroy(&client->changed);
        (void)pthread_mutex_destroy(&client->mutex);
        goto fail;
    }
    *ret_client = client;
    return PERMIT_OK;
fail:
    free_client(client);
    return refuse(error, error_bytes, PERMIT_E_NOMEM,
                  strerror_r(number, text, sizeof(text)));
}

enum permit_status permit_client_create(const struct permit_options *options,
                                        struct permit_client **ret_client,
                                        char *error, size_t error_bytes)
{
    struct permit_options own;
    struct permit_client *client;
    enum permit_status status;

    status = read_options(options, &own, error, error_bytes);
    if (status == PERMIT_OK) {
        status = start_client(&own, &client, error, error_bytes);
    }
    if (status != PERMIT_OK) {
        return status;
    }
    (void)pthread_mutex_lock(&client->mutex);
    status =
        connect_line(client, after_ms(clock_now_ns(), own.connect_timeout_ms));
    if (status != PERMIT_OK) {
        note(client, status, client->down_text);
        (void)refuse(error, error_bytes, status, client->error);
    }
    (void)pthread_mutex_unlock(&client->mutex);
    if (status != PERMIT_OK) {
        permit_client_destroy(client);
        return status;
    }
    *ret_client = client;
    return PERMIT_OK;
}

/* -------------------------------------------------------------- the client */

/* Ends the session in words, so that the server need not find out. Locked. */
static void say_bye(struct permit_client *client)
{
    struct wire_client_message message = {.type = WIRE_BYE};
    struct call call;
    struct core_request request = {.message = &message, .arg = &call};
    int64_t now_ns = clock_now_ns();
    uint64_t id;

    call_init(&call);
    core_advance(client->core, now_ns);
    request.answer_by_ns =
        min_ns(client_answer_by(client, now_ns, 0), after_ms(now_ns, 1000));
    if (core_ask(client->core, &request, &id) == PERMIT_OK) {
        io_push(client);
        while (!call.is_done) {
            (void)pthread_cond_wait(&call.done, &client->mutex);
        }
    }
    call_deinit(&call);
}

void permit_client_destroy(struct permit_client *client)
{
    if (client == NULL) {
        return;
    }
    if (!client_is_forked(client)) {
        (void)pthread_mutex_lock(&client->mutex);
        say_bye(client);
        client->is_stopping = true;
        io_wake(client);
        (void)pthread_mutex_unlock(&client->mutex);
        (void)pthread_join(client->thread, NULL);
        (void)pthread_cond_destroy(&client->changed);
        (void)pthread_mutex_destroy(&client->mutex);
    }
    free_client(client); /* In a child: its copies. */
}

void permit_client_last_error(struct permit_client *client, char *text,
                              size_t text_bytes)
{
    if (text_bytes == 0) {
        return;
    }
    text[0] = '\0';
    if (!client_is_forked(client)) {
        (void)pthread_mutex_lock(&client->mutex);
        (void)snprintf(text, text_bytes, "%s", client->error);
        (void)pthread_mutex_unlock(&client->mutex);
    }
}

uint64_t permit_client_session_id(struct permit_client *client)
{
    uint64_t id = 0;

    if (!client_is_forked(client)) {
        (void)pthread_mutex_lock(&client->mutex);
        id = core_session_id(client->core);
        (void)pthread_mutex_unlock(&client->mutex);
    }
    return id;
}

int permit_client_fd(struct permit_client *client)
{
    int fd = -1;

    if (!client_is_forked(client)) {
        (void)pthread_mutex_lock(&client->mutex);
        fd = client->fd;
        (void)pthread_mutex_unlock(&client->mutex);
    }
    return fd;
}

int64_t permit_client_deadline_ms(struct permit_client *client)
{
    int64_t until_ns = atomic_load(&client->believed_until_ns);

    return client_is_forked(client) || until_ns <= clock_now_ns()
               ? 0
               : until_ns / NS_PER_MS;
}

enum permit_status permit_ping(struct permit_client *client)
{
    struct wire_client_message message = {.type = WIRE_PING};
    enum permit_status status;
    struct call call;

    if (client_is_forked(client)) {
        return PERMIT_E_FORKED;
    }
    call_init(&call);
    status = client_call(client, &message, &call);
    call_deinit(&call);
    return status;
}
