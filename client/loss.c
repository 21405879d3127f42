/* SPDX-License-Identifier: MIT */
#include "blocking.h"

#include <errno.h>
#include <time.h>

/* ------------------------------------------------------------------- on_lost
 */

bool loss_is_being_told(const struct permit_client *client)
{
    return pthread_equal(pthread_self(), client->thread) != 0;
}

void loss_note(struct permit_client *client, struct permit_grant *grant)
{
    if (grant->on_lost != NULL && grant->is_handed_out) {
        grant_list_add(&client->lost, grant);
        grant->is_loss_due = true;
    }
}

void loss_hand_out(struct permit_grant *grant)
{
    struct permit_client *client = grant->client;

    (void)pthread_mutex_lock(&client->mutex);
    grant->is_handed_out = true;
    if (atomic_load(&grant->loss) != 0) {
        loss_note(client, grant);
        io_wake(client);
    }
    (void)pthread_mutex_unlock(&client->mutex);
}

void loss_tell(struct permit_client *client)
{
    struct permit_grant *grant;

    while (client->lost.first != NULL) {
        grant = client->lost.first;
        grant_list_remove(&client->lost, grant);
        grant->is_loss_due = false;
        if (atomic_load(&grant->is_released)) {
            continue;
        }
        client->telling = grant;
        (void)pthread_mutex_unlock(&client->mutex);
        grant->on_lost(grant->on_lost_arg, grant, permit_grant_get_loss(grant));
        (void)pthread_mutex_lock(&client->mutex);
        client->telling = NULL;
        (void)pthread_cond_broadcast(&client->changed);
    }
}

void loss_forget(struct permit_grant *grant)
{
    struct permit_client *client = grant->client;

    if (grant->is_loss_due) {
        grant_list_remove(&client->lost, grant);
    }
    if (loss_is_being_told(client)) {
        return; /* It destroys what it is told of, or another. */
    }
    while (client->telling == grant) {
        (void)pthread_cond_wait(&client->changed, &client->mutex);
    }
}

/* ------------------------------------------------------------------- waiting
 */

/* Returns false when the time is over. Locked. */
static bool wait_changed(struct permit_grant *grant, int64_t timeout_ms,
                         const struct timespec *deadline)
{
    struct permit_client *client = grant->client;

    if (timeout_ms < 0) {
        return pthread_cond_wait(&client->changed, &client->mutex) == 0;
    }
    return pthread_cond_timedwait(&client->changed, &client->mutex, deadline) !=
           ETIMEDOUT;
}

enum permit_status permit_grant_wait_lost(struct permit_grant *grant,
                                          int64_t timeout_ms,
                                          enum permit_loss *ret_loss)
{
    struct permit_client *client = grant->client;
    enum permit_status status = PERMIT_OK;
    struct timespec deadline;
    int loss = 0;

    if (client == NULL) {
        return PERMIT_E_INVALID; /* Of the non-blocking face. */
    }
    if (client_is_forked(client)) {
        return PERMIT_E_FORKED;
    }
    if (loss_is_being_told(client)) {
        return PERMIT_E_INVALID;
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_sec += timeout_ms / 1000;
    deadline.tv_nsec += timeout_ms % 1000 * NS_PER_MS;
    deadline.tv_sec += deadline.tv_nsec / 1000000000;
    deadline.tv_nsec %= 1000000000;
    (void)pthread_mutex_lock(&client->mutex);
    while (status == PERMIT_OK) {
        loss = atomic_load(&grant->loss);
        if (loss != 0) {
            status = PERMIT_E_LOST;
        } else if (atomic_load(&grant->is_released)) {
            status = PERMIT_E_NOT_HELD;
        } else if (!wait_changed(grant, timeout_ms, &deadline)) {
            loss = atomic_load(&grant->loss);
            status = loss != 0 ? PERMIT_E_LOST : PERMIT_E_TIMEOUT;
        }
    }
    (void)pthread_mutex_unlock(&client->mutex);
    if (status == PERMIT_E_LOST) {
        *ret_loss = (enum permit_loss)loss;
    }
    return status;
}
