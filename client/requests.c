/* SPDX-License-Identifier: MIT */
#include "blocking.h"

#include "ask.h"
#include "list.h"

/* Asks what was filled in, unless that failed with `status`. */
static enum permit_status ask(struct permit_client *client,
                              struct wire_client_message *message,
                              enum permit_status status, const char *detail)
{
    struct call call;

    call_init(&call);
    if (status != PERMIT_OK) {
        return call_refuse(client, &call, status, detail);
    }
    status = client_call(client, message, &call);
    call_deinit(&call);
    return status;
}

enum permit_status permit_ping(struct permit_client *client)
{
    struct wire_client_message message = {.type = WIRE_PING};

    return client_is_forked(client) ? PERMIT_E_FORKED
                                    : ask(client, &message, PERMIT_OK, "");
}

enum permit_status permit_verify(struct permit_client *client,
                                 uint64_t grant_id, uint64_t fence)
{
    struct wire_client_message message;

    if (client_is_forked(client)) {
        return PERMIT_E_FORKED;
    }
    ask_verify(grant_id, fence, &message);
    return ask(client, &message, PERMIT_OK, "");
}

enum permit_status permit_post(struct permit_client *client,
                               const char *semaphore, uint32_t permits,
                               uint64_t *ret_available)
{
    struct wire_client_message message;
    enum permit_status status;
    const char *detail = "";
    struct call call;

    if (client_is_forked(client)) {
        return PERMIT_E_FORKED;
    }
    call_init(&call);
    status = ask_post(semaphore, permits, &message, &detail);
    if (status != PERMIT_OK) {
        return call_refuse(client, &call, status, detail);
    }
    status = client_call(client, &message, &call);
    if (status == PERMIT_OK && ret_available != NULL) {
        *ret_available = call.available;
    }
    call_deinit(&call);
    return status;
}

enum permit_status permit_why(struct permit_client *client,
                              const struct permit_acquire_request *request)
{
    struct permit_acquire_request own;
    struct wire_client_message message;
    enum permit_status status;
    const char *detail = "";
    struct call call;

    if (client_is_forked(client)) {
        return PERMIT_E_FORKED;
    }
    call_init(&call);
    status = ask_read_acquire(request, &own, &detail);
    if (status == PERMIT_OK) {
        status = ask_why(&own, &message, &detail);
    }
    if (status != PERMIT_OK) {
        return call_refuse(client, &call, status, detail);
    }
    status = client_call(client, &message, &call);
    if (own.ret_refusal != NULL) {
        *own.ret_refusal = call.refusal;
    }
    call_deinit(&call);
    return status;
}

enum permit_status permit_define(struct permit_client *client,
                                 const char *semaphore,
                                 const struct permit_definition *definition)
{
    struct wire_client_message message;
    enum permit_status status;
    const char *detail = "";

    if (client_is_forked(client)) {
        return PERMIT_E_FORKED;
    }
    status = ask_define(semaphore, definition, &message, &detail);
    return ask(client, &message, status, detail);
}

enum permit_status permit_delete(struct permit_client *client,
                                 const char *semaphore, bool force)
{
    struct wire_client_message message;
    enum permit_status status;
    const char *detail = "";

    if (client_is_forked(client)) {
        return PERMIT_E_FORKED;
    }
    status = ask_delete(semaphore, force, &message, &detail);
    return ask(client, &message, status, detail);
}

/* -------------------------------------------------------------------- asking
 */

/* Asks page by page, until one is empty or the last row is there. A Query is
 * one page. */
static enum permit_status ask_pages(struct permit_client *client,
                                    struct wire_client_message *message,
                                    struct permit_list **ret_list)
{
    enum wire_list_kind kind =
        message->type == WIRE_LIST ? message->list.kind : WIRE_LIST_SEMAPHORES;
    enum permit_status status;
    struct call call;

    call_init(&call);
    call.list =
        list_create(&client->settings.allocator, kind,
                    message->type == WIRE_LIST ? message->list.name : "");
    if (call.list == NULL) {
        return call_refuse(client, &call, PERMIT_E_NOMEM, "out of memory");
    }
    do {
        if (message->type == WIRE_LIST) {
            message->list.offset = permit_list_count(call.list);
        }
        call.is_done = false;
        status = client_call(client, message, &call);
    } while (status == PERMIT_OK && call.page_count > 0 &&
             permit_list_count(call.list) < call.total);
    if (status == PERMIT_OK) {
        *ret_list = call.list;
    } else {
        permit_list_destroy(call.list);
    }
    call_deinit(&call);
    return status;
}

enum permit_status permit_query(struct permit_client *client,
                                const char *semaphore,
                                struct permit_list **ret_list)
{
    struct wire_client_message message;
    enum permit_status status;
    const char *detail = "";

    if (client_is_forked(client)) {
        return PERMIT_E_FORKED;
    }
    status = ask_query(semaphore, &message, &detail);
    return status == PERMIT_OK ? ask_pages(client, &message, ret_list)
                               : ask(client, &message, status, detail);
}

static enum permit_status list_all(struct permit_client *client,
                                   enum wire_list_kind kind, const char *name,
                                   struct permit_list **ret_list)
{
    struct wire_client_message message;
    enum permit_status status;
    const char *detail = "";

    if (client_is_forked(client)) {
        return PERMIT_E_FORKED;
    }
    status = ask_list(kind, name, &message, &detail);
    return status == PERMIT_OK ? ask_pages(client, &message, ret_list)
                               : ask(client, &message, status, detail);
}

enum permit_status permit_list_semaphores(struct permit_client *client,
                                          const char *prefix,
                                          struct permit_list **ret_list)
{
    return list_all(client, WIRE_LIST_SEMAPHORES, prefix, ret_list);
}

enum permit_status permit_list_holders(struct permit_client *client,
                                       const char *semaphore,
                                       struct permit_list **ret_list)
{
    return list_all(client, WIRE_LIST_HOLDERS, semaphore, ret_list);
}

enum permit_status permit_list_waiters(struct permit_client *client,
                                       const char *semaphore,
                                       struct permit_list **ret_list)
{
    return list_all(client, WIRE_LIST_WAITERS, semaphore, ret_list);
}
