/* SPDX-License-Identifier: MIT */
#include "async_requests.h"

#include "ask.h"
#include "list.h"

/* ------------------------------------------------------------ the semaphores
 */

struct told {
    permit_callback callback;
    void *arg;
};

/* Returns NULL without memory. */
static struct async_request *
create_for(struct permit_async *client,
           const struct wire_client_message *message, struct told told)
{
    bool is_list = message->type == WIRE_LIST;
    struct async_request *request = async_request_create(
        client, message->type, is_list ? message->list.name : "", told.callback,
        told.arg);

    if (request == NULL || (!is_list && message->type != WIRE_QUERY)) {
        return request;
    }
    request->kind = is_list ? message->list.kind : WIRE_LIST_SEMAPHORES;
    request->list =
        list_create(&client->settings.allocator, request->kind, request->name);
    if (request->list == NULL) {
        async_request_free(client, request);
        return NULL;
    }
    return request;
}

/* Asks what was filled in, unless that failed with `status`. */
static enum permit_status ask_filled(struct permit_async *client,
                                     struct wire_client_message *message,
                                     enum permit_status status,
                                     const char *detail, struct told told)
{
    uint64_t id;

    if (status == PERMIT_OK && told.callback == NULL &&
        (message->type == WIRE_QUERY || message->type == WIRE_LIST)) {
        status = PERMIT_E_INVALID;
        detail = "who asks needs a callback";
    }
    if (status != PERMIT_OK) {
        return async_refuse(client, status, detail);
    }
    status =
        async_ask(client, message, create_for(client, message, told), 0, &id);
    async_settle(client);
    return status;
}

enum permit_status permit_async_ping(struct permit_async *client,
                                     permit_callback callback, void *arg)
{
    struct wire_client_message message = {.type = WIRE_PING};
    enum permit_status status = async_check(client);

    return status == PERMIT_OK ? ask_filled(client, &message, PERMIT_OK, "",
                                            (struct told){callback, arg})
                               : status;
}

enum permit_status permit_async_verify(struct permit_async *client,
                                       uint64_t grant_id, uint64_t fence,
                                       permit_callback callback, void *arg)
{
    struct wire_client_message message;
    enum permit_status status = async_check(client);

    if (status != PERMIT_OK) {
        return status;
    }
    ask_verify(grant_id, fence, &message);
    return ask_filled(client, &message, PERMIT_OK, "",
                      (struct told){callback, arg});
}

enum permit_status permit_async_post(struct permit_async *client,
                                     const char *semaphore, uint32_t permits,
                                     permit_callback callback, void *arg)
{
    struct wire_client_message message;
    enum permit_status status = async_check(client);
    const char *detail = "";

    if (status != PERMIT_OK) {
        return status;
    }
    status = ask_post(semaphore, permits, &message, &detail);
    return ask_filled(client, &message, status, detail,
                      (struct told){callback, arg});
}

enum permit_status
permit_async_define(struct permit_async *client, const char *semaphore,
                    const struct permit_definition *definition,
                    permit_callback callback, void *arg)
{
    struct wire_client_message message;
    enum permit_status status = async_check(client);
    const char *detail = "";

    if (status != PERMIT_OK) {
        return status;
    }
    status = ask_define(semaphore, definition, &message, &detail);
    return ask_filled(client, &message, status, detail,
                      (struct told){callback, arg});
}

enum permit_status permit_async_delete(struct permit_async *client,
                                       const char *semaphore, bool force,
                                       permit_callback callback, void *arg)
{
    struct wire_client_message message;
    enum permit_status status = async_check(client);
    const char *detail = "";

    if (status != PERMIT_OK) {
        return status;
    }
    status = ask_delete(semaphore, force, &message, &detail);
    return ask_filled(client, &message, status, detail,
                      (struct told){callback, arg});
}

/* -------------------------------------------------------------------- asking
 */

enum permit_status permit_async_query(struct permit_async *client,
                                      const char *semaphore,
                                      permit_callback callback, void *arg)
{
    struct wire_client_message message;
    enum permit_status status = async_check(client);
    const char *detail = "";

    if (status != PERMIT_OK) {
        return status;
    }
    status = ask_query(semaphore, &message, &detail);
    return ask_filled(client, &message, status, detail,
                      (struct told){callback, arg});
}

static enum permit_status list_all(struct permit_async *client,
                                   enum wire_list_kind kind, const char *name,
                                   permit_callback callback, void *arg)
{
    struct wire_client_message message;
    enum permit_status status = async_check(client);
    const char *detail = "";

    if (status != PERMIT_OK) {
        return status;
    }
    status = ask_list(kind, name, &message, &detail);
    return ask_filled(client, &message, status, detail,
                      (struct told){callback, arg});
}

enum permit_status permit_async_list_semaphores(struct permit_async *client,
                                                const char *prefix,
                                                permit_callback callback,
                                                void *arg)
{
    return list_all(client, WIRE_LIST_SEMAPHORES, prefix, callback, arg);
}

enum permit_status permit_async_list_holders(struct permit_async *client,
                                             const char *semaphore,
                                             permit_callback callback,
                                             void *arg)
{
    return list_all(client, WIRE_LIST_HOLDERS, semaphore, callback, arg);
}

enum permit_status permit_async_list_waiters(struct permit_async *client,
                                             const char *semaphore,
                                             permit_callback callback,
                                             void *arg)
{
    return list_all(client, WIRE_LIST_WAITERS, semaphore, callback, arg);
}
