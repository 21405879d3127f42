/* SPDX-License-Identifier: MIT */
#include "async_private.h"

#include <stdio.h>

#include "async_local.h"
#include "clock.h"
#include "memory.h"
#include "sized.h"

/* ------------------------------------------------------------------- create
 */

static void free_client(struct permit_async *client)
{
    struct permit_allocator allocator = client->settings.allocator;

    core_destroy(client->core);
    fork_mark_destroy(client->belief.fork_mark);
    settings_deinit(&client->settings);
    memory_give(&allocator, client);
}

/* Takes ownership of settings. Returns NULL without memory. */
static struct permit_async *create(struct settings *settings)
{
    struct permit_async *client =
        memory_take(&settings->allocator, sizeof(*client));
    struct core_options options;

    if (client == NULL) {
        settings_deinit(settings);
        return NULL;
    }
    client->settings = *settings;
    client->fd = -1;
    client->silent_fd = -1;
    backoff_init(&client->backoff, client->settings.seed);
    client->armed_ns = CORE_NEVER;
    local_limit_init(&client->local, &client->settings.allocator,
                     client->settings.local_permits);
    client->error = client->call_text;
    client->belief.fork_mark = fork_mark_create();
    options = settings_core_options(&client->settings);
    client->core = core_create(&options);
    if (client->belief.fork_mark == NULL || client->core == NULL) {
        free_client(client);
        return NULL;
    }
    return client;
}

enum permit_status permit_async_create(const struct permit_options *options,
                                       struct permit_async **ret_client,
                                       char *error, size_t error_bytes)
{
    struct settings settings;
    struct permit_async *client;
    enum permit_status status =
        settings_init(options, &settings, error, error_bytes);

    if (status != PERMIT_OK) {
        return status;
    }
    client = create(&settings);
    if (client == NULL) {
        if (error != NULL && error_bytes > 0) {
            (void)snprintf(error, error_bytes, "%s",
                           permit_strerror(PERMIT_E_NOMEM));
        }
        return PERMIT_E_NOMEM;
    }
    *ret_client = client;
    return PERMIT_OK;
}

enum permit_status permit_async_attach(struct permit_async *client,
                                       const struct permit_loop *loop)
{
    struct permit_loop own = PERMIT_LOOP_INIT;
    enum permit_status status;

    if (async_is_forked(client)) {
        return PERMIT_E_FORKED;
    }
    status = sized_copy(&own, sizeof(own), loop, sizeof(own));
    if (status != PERMIT_OK) {
        return status;
    }
    if (client->is_attached || own.add_read == NULL || own.del_read == NULL ||
        own.add_write == NULL || own.del_write == NULL ||
        own.set_timer == NULL || own.detach == NULL) {
        return PERMIT_E_INVALID;
    }
    client->loop = own;
    client->is_attached = true;
    return PERMIT_OK;
}

/* ------------------------------------------------------------------ destroy
 */

/* Its answer is not waited for. */
static void say_bye(struct permit_async *client)
{
    struct wire_client_message message = {.type = WIRE_BYE};
    const struct core_request request = {.message = &message,
                                         .answer_by_ns = CORE_NEVER};
    uint64_t id;

    core_advance(client->core, clock_now_ns());
    if (core_has_line(client->core) &&
        core_ask(client->core, &request, &id) == PERMIT_OK) {
        async_write(client);
    }
}

static void detach_grants(struct permit_async *client)
{
    while (client->grants.first != NULL) {
        async_detach_grant(client->grants.first);
    }
    while (client->lost.first != NULL) {
        async_detach_grant(client->lost.first);
    }
}

/* In a child of fork() it calls nobody. */
static void end(struct permit_async *client)
{
    bool is_forked = async_is_forked(client);

    client->is_destroyed = true;
    client->is_dispatching = true; /* The callbacks may call anything. */
    if (is_forked) {
        client->is_reading = false;
        client->is_writing = false;
    } else {
        say_bye(client);
    }
    core_end(client->core, PERMIT_E_CLOSED, "the client is destroyed");
    async_collect(client);
    async_close(client, /* is_silent= */ false);
    detach_grants(client);
    async_close_local(client);
    while (!async_is_forked(client) && async_tell_ended(client)) {
    }
    while (client->ended_first != NULL) {
        struct async_request *request = client->ended_first;

        client->ended_first = request->next;
        async_request_free(client, request);
    }
    if (client->is_attached && !async_is_forked(client)) {
        client->loop.detach(client->loop.arg);
    }
    free_client(client);
}

void permit_async_destroy(struct permit_async *client)
{
    if (client == NULL) {
        return;
    }
    if (client->is_dispatching) {
        client->is_destroyed = true;
    } else {
        end(client);
    }
}

/* ------------------------------------------------------ what the loop calls
 */

static bool enter(struct permit_async *client)
{
    if (async_is_forked(client) || client->is_dispatching ||
        !client->is_attached) {
        return false;
    }
    client->is_dispatching = true;
    core_advance(client->core, clock_now_ns());
    return true;
}

static void leave(struct permit_async *client)
{
    async_drain(client);
    if (!client->is_destroyed && !async_is_forked(client)) {
        async_go_on(client);
        async_write(client);
    }
    client->is_dispatching = false;
    if (client->is_destroyed) {
        end(client);
    } else if (!async_is_forked(client)) {
        async_settle(client);
    }
}

void permit_async_readable(struct permit_async *client)
{
    if (enter(client)) {
        async_read(client);
        leave(client);
    }
}

void permit_async_writable(struct permit_async *client)
{
    if (enter(client)) {
        async_connect(client, true);
        leave(client);
    }
}

void permit_async_timer(struct permit_async *client)
{
    if (enter(client)) {
        client->armed_ns = CORE_NEVER;
        async_connect(client, false);
        leave(client);
    }
}

int64_t permit_async_timeout_ms(const struct permit_async *client)
{
    return async_is_forked(client) || client->armed_ns == CORE_NEVER
               ? -1
               : async_ms_until(client->armed_ns);
}

/* ---------------------------------------------------------------- resolving
 */

enum permit_status permit_async_set_resolver(
    struct permit_async *client,
    void (*resolve)(void *arg, struct permit_async *client, uint64_t lookup_id,
                    const char *host, const char *port),
    void *arg)
{
    if (async_is_forked(client)) {
        return PERMIT_E_FORKED;
    }
    client->resolve = resolve;
    client->resolve_arg = arg;
    return PERMIT_OK;
}

void permit_async_resolved(struct permit_async *client, uint64_t lookup_id,
                           const struct addrinfo *addresses)
{
    if (async_is_forked(client) || !client->is_looking_up ||
        lookup_id != client->lookup_id) {
        return;
    }
    client->is_looking_up = false;
    connector_resolved(&client->connector, addresses, "the name is unknown",
                       clock_now_ns());
    if (!client->is_driving) {
        async_drive(client);
        async_settle(client);
    }
}

/* -------------------------------------------------------------- the client */

void permit_async_last_error(const struct permit_async *client, char *text,
                             size_t text_bytes)
{
    if (text_bytes > 0) {
        (void)snprintf(text, text_bytes, "%s",
                       async_is_forked(client) ? "" : client->error);
    }
}

uint64_t permit_async_session_id(const struct permit_async *client)
{
    return async_is_forked(client) ? 0 : core_session_id(client->core);
}

enum permit_status permit_async_counters(const struct permit_async *client,
                                         struct permit_counters *ret_counters)
{
    return async_is_forked(client)
               ? PERMIT_E_FORKED
               : sized_give(ret_counters, core_counters(client->core),
                            sizeof(*ret_counters), sizeof(*ret_counters));
}
