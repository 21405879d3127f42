/* SPDX-License-Identifier: MIT */
#include "laws.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define NS_PER_MS INT64_C(1000000)

void verdict_init(struct verdict *verdict)
{
    memset(verdict, 0, sizeof(*verdict));
    verdict->at_ns = HISTORY_NEVER;
}

void verdict_say(struct verdict *verdict, int64_t at_ns, size_t semaphore,
                 const char *format, ...)
{
    va_list arguments;

    if (at_ns >= verdict->at_ns) {
        return;
    }
    verdict->at_ns = at_ns;
    verdict->semaphore = semaphore;
    va_start(arguments, format);
    (void)vsnprintf(verdict->text, sizeof(verdict->text), format, arguments);
    va_end(arguments);
}

/* A failure says that the session or its line is gone: it may come to any
 * request, and proves nothing. */
static bool is_failure(enum permit_status status)
{
    return status == PERMIT_E_DISCONNECTED || status == PERMIT_E_NO_ANSWER ||
           status == PERMIT_E_OUTCOME_UNKNOWN || status == PERMIT_E_CLOSED;
}

/* May the client have stopped believing in what it released? Nobody says that
 * to whoever has released: then a fault excuses. */
static bool was_lost(const struct history *history,
                     const struct history_operation *release)
{
    const struct history_operation *acquire =
        &history->operations[release->acquire];

    return acquire->lost_ns != HISTORY_NEVER ||
           acquire->believed_ns <= release->ended_ns ||
           history->fault_ns < release->ended_ns;
}

/* Returns what is wrong with the outcome of an operation, or NULL. */
static const char *wrong_release(const struct history *history,
                                 const struct history_operation *operation)
{
    if (operation->status == PERMIT_OK || is_failure(operation->status)) {
        return NULL;
    }
    if (operation->status != PERMIT_E_EXPIRED) {
        return "released what it held, and was refused";
    }
    return was_lost(history, operation)
               ? NULL
               : "released what it believed in, and it was lost";
}

static const char *wrong_take(const struct history_operation *operation)
{
    int64_t due_ns = operation->asked_ns + operation->wait_ms * NS_PER_MS;

    if (is_failure(operation->status)) {
        return NULL;
    }
    switch ((int)operation->status) {
    case PERMIT_OK:
        return operation->wait_ms >= 0 &&
                       operation->waited_ms > operation->wait_ms
                   ? "was granted after its wait was over"
                   : NULL;
    case PERMIT_E_WOULD_BLOCK:
        return operation->wait_ms != 0 ? "waits, and was refused as a try"
                                       : NULL;
    case PERMIT_E_TIMEOUT:
        return operation->wait_ms <= 0 || operation->ended_ns < due_ns
                   ? "timed out before its wait was over"
                   : NULL;
    case PERMIT_E_CANCELLED:
        return operation->cancel_ns > operation->ended_ns
                   ? "was cancelled by nobody"
                   : NULL;
    default:
        return "has an outcome that it cannot have";
    }
}

static const char *wrong_outcome(const struct history *history,
                                 const struct history_operation *operation)
{
    switch (operation->type) {
    case HISTORY_ACQUIRE:
    case HISTORY_CONSUME:
        return wrong_take(operation);
    case HISTORY_RELEASE:
        return wrong_release(history, operation);
    case HISTORY_POST:
        break;
    }
    return operation->status == PERMIT_OK || is_failure(operation->status)
               ? NULL
               : "posted, and was refused";
}

void laws_check_outcomes(const struct history *history, struct verdict *verdict)
{
    char who[HISTORY_WHO_BYTES];

    for (size_t i = 0; i < history->operations_count; i++) {
        const struct history_operation *operation = &history->operations[i];
        const struct history_client *client =
            &history->clients[operation->client];
        const char *wrong;

        (void)history_who(history, operation, who);
        verdict_say(verdict, operation->again_ns, operation->semaphore,
                    "outcome: %s has two outcomes", who);
        if (operation->ended_ns == HISTORY_NEVER) {
            if (client->ended_ns != HISTORY_NEVER && !client->was_killed) {
                verdict_say(verdict, client->ended_ns, operation->semaphore,
                            "outcome: %s has no outcome", who);
            }
            continue;
        }
        wrong = wrong_outcome(history, operation);
        if (wrong != NULL) {
            verdict_say(verdict, operation->ended_ns, operation->semaphore,
                        "outcome: %s %s (%s)", who, wrong,
                        permit_status_reason(operation->status));
        }
    }
}

void laws_check_values(const struct history *history, struct verdict *verdict)
{
    for (size_t i = 0; i < history->semaphores_count; i++) {
        const struct history_semaphore *semaphore = &history->semaphores[i];
        int64_t least = semaphore->permits;
        int64_t most = semaphore->permits;

        if (!semaphore->is_counting || semaphore->value < 0) {
            continue;
        }
        for (size_t j = 0; j < history->operations_count; j++) {
            const struct history_operation *operation = &history->operations[j];
            bool is_sure = operation->ended_ns != HISTORY_NEVER &&
                           operation->status == PERMIT_OK;

            if (operation->semaphore != i ||
                !history_may_have_happened(operation)) {
                continue;
            }
            if (operation->type == HISTORY_POST) {
                most += operation->permits;
                least += is_sure ? operation->permits : 0;
            } else if (operation->type == HISTORY_CONSUME) {
                least -= operation->permits;
                most -= is_sure ? operation->permits : 0;
            }
        }
        if (semaphore->value < least || semaphore->value > most) {
            verdict_say(verdict, semaphore->value_at_ns, i,
                        "value: %s has %" PRId64 " in the end, and can have "
                        "%" PRId64 " to %" PRId64,
                        semaphore->name, semaphore->value, least, most);
        }
    }
}
