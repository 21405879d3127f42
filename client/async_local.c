/* SPDX-License-Identifier: MIT */
#include "async_local.h"

#include "clock.h"

/* What the client grants by itself while the daemon is away. */

/* The core's ids begin at 1. */
#define LOCAL_IDS (UINT64_C(1) << 63)

uint64_t async_local_id(struct permit_async *client)
{
    return LOCAL_IDS | ++client->local_ids;
}

bool async_acquire_locally(struct permit_async *client,
                           struct async_request *request, uint64_t id,
                           enum permit_status status)
{
    struct local_name *name;

    if (request->type != WIRE_ACQUIRE || request->grant == NULL ||
        !grant_may_be_local(request->grant) ||
        !local_limit_serves(&client->local, status)) {
        return false;
    }
    request->id = id;
    request->local_wait.arg = request;
    switch (local_limit_take(&client->local, request->name,
                             permit_grant_permits(request->grant), &name)) {
    case LOCAL_TAKEN:
        grant_take_local(request->grant, name);
        async_keep_ended(client, request, PERMIT_OK, "");
        return true;
    case LOCAL_WAITS:
        if (request->is_try) {
            async_keep_ended(client, request, PERMIT_E_WOULD_BLOCK,
                             LOCAL_LIMIT_TEXT);
            return true;
        }
        return local_limit_wait(&client->local, &request->local_wait, name,
                                permit_grant_permits(request->grant),
                                request->wait_until_ns);
    case LOCAL_NEVER:
        break; /* It stays what it was: the daemon is away. */
    }
    return false;
}

void async_end_local_waits(struct permit_async *client)
{
    struct local_wait *wait;
    int64_t now_ns;

    if (local_limit_deadline(&client->local) == CORE_NEVER) {
        return; /* As nearly always. */
    }
    now_ns = clock_now_ns();
    wait = local_limit_next(&client->local, now_ns);
    while (wait != NULL) {
        struct async_request *request = wait->arg;

        if (wait->is_granted) {
            grant_take_local(request->grant, wait->name);
            async_keep_ended(client, request, PERMIT_OK, "");
        } else {
            async_keep_ended(client, request, PERMIT_E_TIMEOUT,
                             LOCAL_LIMIT_TEXT);
        }
        wait = local_limit_next(&client->local, now_ns);
    }
}

bool async_cancel_locally(struct permit_async *client, uint64_t id)
{
    struct local_wait *wait = client->local.due;
    struct async_request *request;

    while (wait != NULL && ((struct async_request *)wait->arg)->id != id) {
        wait = wait->next_due;
    }
    if (wait == NULL) {
        return false;
    }
    request = wait->arg;
    local_limit_cancel(&client->local, wait);
    async_keep_ended(client, request, PERMIT_E_CANCELLED,
                     permit_strerror(PERMIT_E_CANCELLED));
    return true;
}

void async_release_locally(struct permit_async *client,
                           struct permit_grant *grant,
                           const struct grant_given *given,
                           struct async_request *request)
{
    enum permit_status status =
        grant_release_local(grant, &client->local, given);

    if (request != NULL) {
        request->id = async_local_id(client);
        async_keep_ended(client, request, status, permit_strerror(status));
    }
}

void async_renew_locally(struct permit_async *client,
                         struct async_request *request)
{
    request->id = async_local_id(client);
    async_keep_ended(client, request, PERMIT_OK, "");
}

void async_close_local(struct permit_async *client)
{
    async_end_local_waits(client);
    while (client->local.due != NULL) {
        struct local_wait *wait = client->local.due;

        local_limit_cancel(&client->local, wait);
        async_keep_ended(client, wait->arg, PERMIT_E_CLOSED,
                         permit_strerror(PERMIT_E_CLOSED));
        async_end_local_waits(client); /* Those behind it. */
    }
    local_limit_deinit(&client->local);
}
