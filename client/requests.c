/* SPDX-License-Identifier: MIT */
#include "blocking.h"

#include <string.h>

#include "list.h"

/* Ends a call whose request makes no sense; its text is kept as any other's. */
static enum permit_status finish_invalid(struct permit_client *client,
                                         struct call *call)
{
    enum permit_status status = call->status;

    (void)pthread_mutex_lock(&client->mutex);
    client_note(client, call);
    (void)pthread_mutex_unlock(&client->mutex);
    call_deinit(call);
    return status;
}

enum permit_status permit_post(struct permit_client *client,
                               const char *semaphore, uint32_t permits,
                               uint64_t *ret_available)
{
    struct wire_client_message message = {.type = WIRE_POST};
    enum permit_status status;
    struct call call;

    if (client_is_forked(client)) {
        return PERMIT_E_FORKED;
    }
    call_init(&call);
    if (client_check_name(&call, semaphore, false) != PERMIT_OK) {
        return finish_invalid(client, &call);
    }
    if (permits == 0 || permits > WIRE_PERMITS_MAX) {
        (void)call_fail(&call, PERMIT_E_INVALID, "permits are 1 to 2147483647");
        return finish_invalid(client, &call);
    }
    message.post.semaphore = semaphore;
    message.post.permits = permits;
    status = client_call(client, &message, &call);
    if (status == PERMIT_OK && ret_available != NULL) {
        *ret_available = call.available;
    }
    call_deinit(&call);
    return status;
}

static const struct {
    enum permit_define_field field;
    enum wire_define_field on_wire;
} fields[] = {{PERMIT_DEFINE_KIND, WIRE_FIELD_KIND},
              {PERMIT_DEFINE_PERMITS, WIRE_FIELD_PERMITS},
              {PERMIT_DEFINE_MAX_QUEUE, WIRE_FIELD_MAX_QUEUE},
              {PERMIT_DEFINE_MAX_WAIT, WIRE_FIELD_MAX_WAIT},
              {PERMIT_DEFINE_HOLD, WIRE_FIELD_HOLD}};

static enum permit_status
fill_define(struct call *call, const char *semaphore,
            const struct permit_definition *definition, struct wire_define *to)
{
    uint32_t unknown = definition->fields;

    if (definition->struct_size != sizeof(*definition)) {
        return call_fail(call, PERMIT_E_INVALID,
                         "start from PERMIT_DEFINITION_INIT");
    }
    if (client_check_name(call, semaphore, true) != PERMIT_OK) {
        return call->status;
    }
    for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
        if ((definition->fields & fields[i].field) != 0) {
            to->fields |= fields[i].on_wire;
            unknown &= ~(uint32_t)fields[i].field;
        }
    }
    if (unknown != 0 || definition->hold_ms < 0 ||
        definition->max_wait_ms < -1) {
        return call_fail(call, PERMIT_E_INVALID,
                         "the definition makes no sense");
    }
    to->semaphore = semaphore;
    to->kind = definition->kind;
    to->permits = definition->permits;
    to->max_queue = definition->max_queue;
    to->max_wait_ms = definition->max_wait_ms;
    to->hold_ms = definition->hold_ms;
    return PERMIT_OK;
}

enum permit_status permit_define(struct permit_client *client,
                                 const char *semaphore,
                                 const struct permit_definition *definition)
{
    struct wire_client_message message = {.type = WIRE_DEFINE};
    enum permit_status status;
    struct call call;

    if (client_is_forked(client)) {
        return PERMIT_E_FORKED;
    }
    call_init(&call);
    status = fill_define(&call, semaphore, definition, &message.define);
    if (status != PERMIT_OK) {
        return finish_invalid(client, &call);
    }
    status = client_call(client, &message, &call);
    call_deinit(&call);
    return status;
}

enum permit_status permit_delete(struct permit_client *client,
                                 const char *semaphore, bool force)
{
    struct wire_client_message message = {.type = WIRE_DELETE};
    enum permit_status status;
    struct call call;

    if (client_is_forked(client)) {
        return PERMIT_E_FORKED;
    }
    call_init(&call);
    if (client_check_name(&call, semaphore, true) != PERMIT_OK) {
        return finish_invalid(client, &call);
    }
    message.delete.semaphore = semaphore;
    message.delete.force = force;
    status = client_call(client, &message, &call);
    call_deinit(&call);
    return status;
}

/* -------------------------------------------------------------------- asking
 */

enum permit_status permit_query(struct permit_client *client,
                                const char *semaphore,
                                struct permit_list **ret_list)
{
    struct wire_client_message message = {.type = WIRE_QUERY};
    enum permit_status status = PERMIT_E_NOMEM;
    struct call call;

    if (client_is_forked(client)) {
        return PERMIT_E_FORKED;
    }
    call_init(&call);
    if (client_check_name(&call, semaphore, true) != PERMIT_OK) {
        return finish_invalid(client, &call);
    }
    call.list = list_create(WIRE_LIST_SEMAPHORES);
    if (call.list == NULL) {
        (void)call_fail(&call, PERMIT_E_NOMEM, "");
        return finish_invalid(client, &call);
    }
    message.query.semaphore = semaphore;
    status = client_call(client, &message, &call);
    if (status == PERMIT_OK) {
        *ret_list = call.list;
    } else {
        permit_list_destroy(call.list);
    }
    call_deinit(&call);
    return status;
}

/* Page by page, until one is empty or the last row is there. */
static enum permit_status list_pages(struct permit_client *client,
                                     enum wire_list_kind kind, const char *name,
                                     struct call *call)
{
    struct wire_client_message message;
    enum permit_status status;

    do {
        memset(&message, 0, sizeof(message));
        message.type = WIRE_LIST;
        message.list.kind = kind;
        message.list.name = name;
        message.list.offset = permit_list_count(call->list);
        call->is_done = false;
        status = client_call(client, &message, call);
    } while (status == PERMIT_OK && call->page_count > 0 &&
             permit_list_count(call->list) < call->total);
    return status;
}

static enum permit_status list_all(struct permit_client *client,
                                   enum wire_list_kind kind, const char *name,
                                   struct permit_list **ret_list)
{
    enum permit_status status;
    struct call call;

    if (client_is_forked(client)) {
        return PERMIT_E_FORKED;
    }
    call_init(&call);
    if (name == NULL || strlen(name) > WIRE_NAME_BYTES_MAX) {
        (void)call_fail(&call, PERMIT_E_INVALID,
                        "a name has at most 128 bytes");
        return finish_invalid(client, &call);
    }
    call.list = list_create(kind);
    if (call.list == NULL) {
        (void)call_fail(&call, PERMIT_E_NOMEM, "");
        return finish_invalid(client, &call);
    }
    status = list_pages(client, kind, name, &call);
    if (status == PERMIT_OK) {
        *ret_list = call.list;
    } else {
        permit_list_destroy(call.list);
    }
    call_deinit(&call);
    return status;
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
