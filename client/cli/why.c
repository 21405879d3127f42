/* SPDX-License-Identifier: MIT */
/* `permit why`: what is in the way of an acquire, in words or as JSON. */

#include <inttypes.h>
#include <stdio.h>

#include "acquire.h"
#include "commands.h"
#include "duration.h"
#include "exit_code.h"
#include "json.h"
#include "refusal.h"
#include "report.h"
#include "text.h"

/* ------------------------------------------------------------------- words */

static const char *plural(uint64_t number)
{
    return number == 1 ? "" : "s";
}

/* The semaphore as it is: what is there of it. */
static void print_state(const struct permit_semaphore_info *info)
{
    char rate[RATE_TEXT_BYTES];

    switch (info->kind) {
    case PERMIT_BOUNDED:
        (void)printf("  %" PRIu64 " of its %" PRIu32
                     " permits are held, by %" PRIu64 " holder%s.\n",
                     info->held, info->permits, info->holders,
                     plural(info->holders));
        break;
    case PERMIT_COUNTING:
        (void)printf("  It has %" PRIu64 " permit%s now.\n", info->available,
                     plural(info->available));
        break;
    case PERMIT_RATE:
        (void)printf("  It has %" PRIu64
                     " token%s now, gets %s, and keeps %" PRIu32 " at most.\n",
                     info->available, plural(info->available),
                     rate_print(rate, info->rate, info->per_ms), info->burst);
        break;
    }
}

static void print_oldest(const struct permit_refusal *refusal)
{
    char name[TEXT_ESCAPED_BYTES];
    char host[TEXT_ESCAPED_BYTES];
    char purpose[TEXT_ESCAPED_BYTES];
    char age[TEXT_AGE_BYTES];

    if (refusal->has_oldest) {
        (void)printf("  The oldest holder is %s (host %s, pid %" PRIu64
                     ") with %s, for %s.\n",
                     text_escape(name, sizeof(name), refusal->oldest_name),
                     text_escape(host, sizeof(host), refusal->oldest_host),
                     refusal->oldest_pid,
                     refusal->oldest_purpose[0] == '\0'
                         ? "no purpose given"
                         : text_escape(purpose, sizeof(purpose),
                                       refusal->oldest_purpose),
                     text_age(age, sizeof(age), refusal->oldest_held_ms));
    }
}

/* What would free it. */
static void print_help(const struct permit_refusal *refusal,
                       const struct permit_semaphore_info *info)
{
    uint64_t lacking = refusal->permits_in_the_way;
    char age[TEXT_AGE_BYTES];

    if (info->kind == PERMIT_RATE) {
        (void)printf("  %" PRIu64 " more token%s must come", lacking,
                     plural(lacking));
    } else if (lacking > 0) {
        (void)printf("  %" PRIu64 " permit%s must %s before it fits", lacking,
                     plural(lacking),
                     info->kind == PERMIT_COUNTING ? "be posted or come back"
                                                   : "come back");
    } else {
        (void)printf("  Those before it must be served, or give up");
    }
    if (refusal->retry_after_ms > 0) {
        (void)printf(
            info->kind == PERMIT_RATE
                ? ", which takes %s"
                : ", which takes about %s, as permits were held lately",
            text_delay(age, sizeof(age), refusal->retry_after_ms));
    }
    (void)printf(".\n");
    if (info->kind == PERMIT_BOUNDED) {
        (void)printf("  Who holds them: permit holders %s. More of them: "
                     "permit set %s --permits N\n",
                     info->name, info->name);
    }
}

static void print_obstacle(const struct permit_refusal *refusal,
                           const struct permit_semaphore_info *info)
{
    (void)printf("It would wait for %s, ", refusal->semaphore);
    if (refusal->position > 1) {
        (void)printf("behind %" PRIu64 " waiter%s.\n", refusal->position - 1,
                     plural(refusal->position - 1));
    } else {
        (void)printf("as the next.\n");
    }
    print_state(info);
    print_oldest(refusal);
    print_help(refusal, info);
}

/* -------------------------------------------------------------------- JSON */

static int print_json(const struct options *options, enum permit_status status,
                      const struct permit_refusal *refusal)
{
    cJSON *object = cJSON_CreateObject();
    bool is_added =
        cJSON_AddBoolToObject(object, "granted", status == PERMIT_OK) != NULL;

    if (status == PERMIT_OK) {
        is_added = is_added &&
                   cJSON_AddNullToObject(object, "reason") != NULL &&
                   json_add_text(object, "semaphore", options->semaphore);
    } else {
        is_added =
            is_added &&
            json_add_text(object, "reason", permit_status_reason(status)) &&
            refusal_add_json(object, refusal) &&
            json_add_seconds(
                object, "retry_after_seconds",
                refusal->retry_after_ms > 0 ? refusal->retry_after_ms : -1);
    }
    if (!is_added) {
        cJSON_Delete(object);
        object = NULL;
    }
    return report_json(options, object);
}

/* --------------------------------------------------------------------- why */

/* Would it wait, rather than be refused? */
static bool would_wait(enum permit_status status)
{
    return status == PERMIT_E_WOULD_BLOCK || status == PERMIT_E_RATE_LIMITED;
}

static int explain(const struct options *options, struct permit_client *client,
                   const struct permit_refusal *refusal)
{
    struct permit_list *list = NULL;
    enum permit_status status = permit_query(client, refusal->semaphore, &list);

    if (status == PERMIT_OK) {
        print_obstacle(refusal, permit_list_semaphore(list, 0));
    }
    permit_list_destroy(list);
    return report_status(options, client, status);
}

int why_command(const struct options *options)
{
    struct permit_acquire_part also[PERMIT_PARTS_MAX - 1];
    struct permit_acquire_request request =
        acquire_request(options, /* consume= */ false, also);
    struct permit_refusal refusal = {0};
    struct permit_client *client;
    enum permit_status status = report_connect(options, &client);
    int code = EX_OK;

    if (status != PERMIT_OK) {
        return exit_code_of(status);
    }
    request.ret_refusal = &refusal;
    status = permit_why(client, &request);
    if (status != PERMIT_OK && !would_wait(status)) {
        code = report_status(options, client, status);
    } else if (options->json) {
        code = print_json(options, status, &refusal);
    } else if (status == PERMIT_OK) {
        (void)printf("It would be granted now.\n");
    } else {
        code = explain(options, client, &refusal);
    }
    permit_client_destroy(client);
    return code;
}
