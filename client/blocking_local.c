/* SPDX-License-Identifier: MIT */
#include "blocking.h"

#include "clock.h"

/* What the client grants by itself while the daemon is away. */

static void end(struct call *call, const struct local_wait *wait)
{
    if (wait->is_granted) {
        grant_take_local(call->grant, wait->name);
        call->status = PERMIT_OK;
    } else {
        (void)call_fail(call, PERMIT_E_TIMEOUT, LOCAL_LIMIT_TEXT);
    }
    call->is_done = true;
    call_wake(call);
}

void client_end_local_waits(struct permit_client *client)
{
    struct local_wait *wait = local_limit_next(&client->local, clock_now_ns());

    while (wait != NULL) {
        end(wait->arg, wait);
        wait = local_limit_next(&client->local, clock_now_ns());
    }
}

/* Somebody has all of it, or is before the call. */
static void await(struct permit_client *client, struct call *call,
                  const struct permit_acquire_request *request,
                  struct local_name *name, int64_t until_ns)
{
    if (request->wait_ms == 0) {
        (void)call_fail(call, PERMIT_E_WOULD_BLOCK, LOCAL_LIMIT_TEXT);
        return;
    }
    call->local_wait.arg = call;
    if (local_limit_wait(&client->local, &call->local_wait, name,
                         request->permits, until_ns)) {
        call->is_local = true;
        call->is_done = false;
        io_push(client);
    }
}

void client_acquire_locally(struct permit_client *client, struct call *call,
                            const struct permit_acquire_request *request,
                            int64_t until_ns)
{
    struct local_name *name;

    call->is_done = true;
    if (call->grant == NULL || !grant_may_be_local(call->grant) ||
        !local_limit_serves(&client->local, call->status)) {
        return;
    }
    switch (local_limit_take(&client->local, request->semaphore,
                             request->permits, &name)) {
    case LOCAL_TAKEN:
        grant_take_local(call->grant, name);
        call->status = PERMIT_OK;
        break;
    case LOCAL_WAITS:
        await(client, call, request, name, until_ns);
        break;
    case LOCAL_NEVER:
        break; /* It stays what it was: the daemon is away. */
    }
}

void client_cancel_locally(struct permit_client *client, struct call *call)
{
    local_limit_cancel(&client->local, &call->local_wait);
    (void)call_fail(call, PERMIT_E_CANCELLED,
                    permit_strerror(PERMIT_E_CANCELLED));
    call->is_done = true;
    client_end_local_waits(client); /* Those behind it. */
}

enum permit_status client_release_locally(struct permit_grant *grant,
                                          const struct grant_given *given)
{
    struct permit_client *client = grant->client;
    enum permit_status status =
        grant_release_local(grant, &client->local, given);

    client_end_local_waits(client);
    (void)pthread_cond_broadcast(&client->changed);
    return status;
}
