/* SPDX-License-Identifier: MIT */
#include "ask.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "sized.h"

static enum permit_status refuse(const char *detail, const char **ret_detail)
{
    *ret_detail = detail;
    return PERMIT_E_INVALID;
}

static enum permit_status check_name(const char *name, bool template_too,
                                     const char **ret_detail)
{
    return name == NULL
               ? refuse("name the semaphore", ret_detail)
               : wire_check_name(name, strlen(name), template_too, ret_detail);
}

static enum permit_status check_permits(uint32_t permits,
                                        const char **ret_detail)
{
    return permits == 0 || permits > WIRE_PERMITS_MAX
               ? refuse("permits are 1 to 2147483647", ret_detail)
               : PERMIT_OK;
}

/* The result of sized_copy(), in words. */
static enum permit_status say_size(enum permit_status status, const char *init,
                                   const char **ret_detail)
{
    if (status == PERMIT_E_INVALID) {
        *ret_detail = init;
    } else if (status == PERMIT_E_UNSUPPORTED) {
        *ret_detail = "a field is newer than this library";
    }
    return status;
}

static void start(struct wire_client_message *message,
                  enum wire_client_type type)
{
    memset(message, 0, sizeof(*message));
    message->type = type;
}

/* ------------------------------------------------------------------- acquire
 */

enum permit_status ask_read_acquire(const struct permit_acquire_request *from,
                                    struct permit_acquire_request *ret_request,
                                    const char **ret_detail)
{
    struct permit_acquire_request own = PERMIT_ACQUIRE_REQUEST_INIT;
    enum permit_status status;

    status = say_size(sized_copy(&own, sizeof(own), from,
                                 offsetof(struct permit_acquire_request, also)),
                      "start from PERMIT_ACQUIRE_REQUEST_INIT", ret_detail);
    if (status == PERMIT_OK) {
        *ret_request = own;
    }
    return status;
}

static enum permit_status fill_part(const struct permit_acquire_part *from,
                                    struct wire_part *to,
                                    const char **ret_detail)
{
    enum permit_status status = check_name(from->semaphore, false, ret_detail);

    if (status == PERMIT_OK) {
        status = check_permits(from->permits, ret_detail);
    }
    if (status == PERMIT_OK && from->expect_permits > WIRE_PERMITS_MAX) {
        status = refuse("expect_permits are at most 2147483647", ret_detail);
    }
    to->semaphore = from->semaphore;
    to->permits = from->permits;
    to->consume = from->consume;
    to->expect_permits = from->expect_permits;
    return status;
}

/* The parts and the priority. */
static enum permit_status
fill_acquire(const struct permit_acquire_request *request,
             struct wire_acquire *acquire, const char **ret_detail)
{
    const struct permit_acquire_part first = {
        request->semaphore, request->permits, request->expect_permits,
        request->consume};
    enum permit_status status =
        fill_part(&first, &acquire->parts[0], ret_detail);

    if (request->also_count >= WIRE_PARTS_MAX ||
        (request->also_count > 0 && request->also == NULL)) {
        return refuse("an acquire names at most 8 semaphores", ret_detail);
    }
    if (request->priority > WIRE_PRIORITY_MAX) {
        return refuse("a priority is 0 to 7", ret_detail);
    }
    for (size_t i = 0; i < request->also_count && status == PERMIT_OK; i++) {
        status =
            fill_part(&request->also[i], &acquire->parts[i + 1], ret_detail);
    }
    acquire->parts_count = (uint32_t)request->also_count + 1;
    acquire->priority = request->priority;
    return status;
}

static enum permit_status
fill_labels(const struct permit_acquire_request *request,
            struct wire_acquire *acquire, const char **ret_detail)
{
    if (request->labels_count > WIRE_LABELS_MAX ||
        (request->labels_count > 0 && request->labels == NULL)) {
        return refuse("an acquire has at most 8 labels", ret_detail);
    }
    for (size_t i = 0; i < request->labels_count; i++) {
        const struct permit_label *label = &request->labels[i];

        if (label->key == NULL || label->value == NULL || *label->key == '\0' ||
            strlen(label->key) > WIRE_TEXT_BYTES_MAX ||
            strlen(label->value) > WIRE_TEXT_BYTES_MAX) {
            return refuse("a label has a key, and at most 128 bytes each of "
                          "key and value",
                          ret_detail);
        }
        acquire->labels[i] = *label;
    }
    acquire->labels_count = (uint32_t)request->labels_count;
    return PERMIT_OK;
}

enum permit_status ask_acquire(const struct permit_acquire_request *request,
                               struct wire_client_message *ret_message,
                               const char **ret_detail)
{
    struct wire_acquire *acquire = &ret_message->acquire;
    enum permit_status status;

    if (request->wait_ms < -1 || request->hold_ms < 0) {
        return refuse("a wait is at least -1, a hold at least 0", ret_detail);
    }
    start(ret_message, WIRE_ACQUIRE);
    status = fill_acquire(request, acquire, ret_detail);
    if (status != PERMIT_OK) {
        return status;
    }
    acquire->wait_ms = request->wait_ms;
    acquire->hold_ms = request->hold_ms;
    acquire->settle = request->settle;
    acquire->join = request->join;
    acquire->waiting = request->on_waiting != NULL;
    return fill_labels(request, acquire, ret_detail);
}

enum permit_status ask_why(const struct permit_acquire_request *request,
                           struct wire_client_message *ret_message,
                           const char **ret_detail)
{
    start(ret_message, WIRE_WHY);
    return fill_acquire(request, &ret_message->acquire, ret_detail);
}

/* A server's text, cut. */
static void copy_text(char to[PERMIT_TEXT_BYTES], const char *from)
{
    (void)snprintf(to, PERMIT_TEXT_BYTES, "%s", from);
}

void ask_read_refusal(const struct wire_refused *from,
                      struct permit_refusal *ret_refusal)
{
    _Static_assert(PERMIT_NAME_BYTES == PERMIT_TEXT_BYTES, "one copy_text()");

    *ret_refusal =
        (struct permit_refusal){.position = from->position,
                                .permits_in_the_way = from->permits_in_the_way,
                                .retry_after_ms = from->retry_after_ms,
                                .has_oldest = from->has_oldest,
                                .oldest_pid = from->oldest.pid,
                                .oldest_held_ms = from->oldest_held_ms};
    copy_text(ret_refusal->semaphore, from->semaphore);
    copy_text(ret_refusal->oldest_name, from->oldest.name);
    copy_text(ret_refusal->oldest_host, from->oldest.host);
    copy_text(ret_refusal->oldest_purpose, from->oldest.purpose);
}

/* --------------------------------------------------------------------- grants
 */

enum permit_status ask_renew(uint64_t acquire_id, int64_t hold_ms,
                             struct wire_client_message *ret_message,
                             const char **ret_detail)
{
    if (hold_ms < 0) {
        return refuse("a hold is at least 0", ret_detail);
    }
    start(ret_message, WIRE_RENEW);
    ret_message->renew.acquire_id = acquire_id;
    ret_message->renew.hold_ms = hold_ms;
    return PERMIT_OK;
}

void ask_verify(uint64_t grant_id, uint64_t fence,
                struct wire_client_message *ret_message)
{
    start(ret_message, WIRE_VERIFY);
    ret_message->verify.grant_id = grant_id;
    ret_message->verify.fence = fence;
}

/* ------------------------------------------------------------ the semaphores
 */

enum permit_status ask_post(const char *semaphore, uint32_t permits,
                            struct wire_client_message *ret_message,
                            const char **ret_detail)
{
    enum permit_status status = check_name(semaphore, false, ret_detail);

    if (status == PERMIT_OK) {
        status = check_permits(permits, ret_detail);
    }
    if (status == PERMIT_OK) {
        start(ret_message, WIRE_POST);
        ret_message->post.semaphore = semaphore;
        ret_message->post.permits = permits;
    }
    return status;
}

static const struct {
    enum permit_define_field field;
    enum wire_define_field on_wire;
} fields[] = {{PERMIT_DEFINE_KIND, WIRE_FIELD_KIND},
              {PERMIT_DEFINE_PERMITS, WIRE_FIELD_PERMITS},
              {PERMIT_DEFINE_MAX_QUEUE, WIRE_FIELD_MAX_QUEUE},
              {PERMIT_DEFINE_MAX_WAIT, WIRE_FIELD_MAX_WAIT},
              {PERMIT_DEFINE_HOLD, WIRE_FIELD_HOLD},
              {PERMIT_DEFINE_SLOTS, WIRE_FIELD_SLOTS},
              {PERMIT_DEFINE_RATE, WIRE_FIELD_RATE},
              {PERMIT_DEFINE_PER, WIRE_FIELD_PER},
              {PERMIT_DEFINE_BURST, WIRE_FIELD_BURST},
              {PERMIT_DEFINE_BYPASS, WIRE_FIELD_BYPASS},
              {PERMIT_DEFINE_PER_SESSION, WIRE_FIELD_PER_SESSION},
              {PERMIT_DEFINE_SHADOW, WIRE_FIELD_SHADOW},
              {PERMIT_DEFINE_REFUSE_HOPELESS, WIRE_FIELD_REFUSE_HOPELESS}};

static enum permit_status
fill_define(const struct permit_definition *definition, struct wire_define *to,
            const char **ret_detail)
{
    uint32_t unknown = definition->fields;

    for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
        if ((definition->fields & fields[i].field) != 0) {
            to->fields |= fields[i].on_wire;
            unknown &= ~(uint32_t)fields[i].field;
        }
    }
    if (unknown != 0 || definition->hold_ms < 0 ||
        definition->max_wait_ms < -1) {
        return refuse("the definition makes no sense", ret_detail);
    }
    to->kind = definition->kind;
    to->permits = definition->permits;
    to->max_queue = definition->max_queue;
    to->max_wait_ms = definition->max_wait_ms;
    to->hold_ms = definition->hold_ms;
    to->slots = definition->slots;
    to->per_ms = definition->per_ms;
    to->rate = definition->rate;
    to->burst = definition->burst;
    to->bypass = definition->bypass;
    to->per_session = definition->per_session;
    to->shadow = definition->shadow;
    to->refuse_hopeless = definition->refuse_hopeless;
    return PERMIT_OK;
}

enum permit_status ask_define(const char *semaphore,
                              const struct permit_definition *definition,
                              struct wire_client_message *ret_message,
                              const char **ret_detail)
{
    struct permit_definition own = PERMIT_DEFINITION_INIT;
    enum permit_status status;

    status = say_size(sized_copy(&own, sizeof(own), definition,
                                 offsetof(struct permit_definition, slots)),
                      "start from PERMIT_DEFINITION_INIT", ret_detail);
    if (status == PERMIT_OK) {
        status = check_name(semaphore, true, ret_detail);
    }
    if (status != PERMIT_OK) {
        return status;
    }
    start(ret_message, WIRE_DEFINE);
    ret_message->define.semaphore = semaphore;
    return fill_define(&own, &ret_message->define, ret_detail);
}

enum permit_status ask_delete(const char *semaphore, bool force,
                              struct wire_client_message *ret_message,
                              const char **ret_detail)
{
    enum permit_status status = check_name(semaphore, true, ret_detail);

    if (status == PERMIT_OK) {
        start(ret_message, WIRE_DELETE);
        ret_message->delete.semaphore = semaphore;
        ret_message->delete.force = force;
    }
    return status;
}

enum permit_status ask_query(const char *semaphore,
                             struct wire_client_message *ret_message,
                             const char **ret_detail)
{
    enum permit_status status = check_name(semaphore, true, ret_detail);

    if (status == PERMIT_OK) {
        start(ret_message, WIRE_QUERY);
        ret_message->query.semaphore = semaphore;
    }
    return status;
}

enum permit_status ask_list(enum wire_list_kind kind, const char *name,
                            struct wire_client_message *ret_message,
                            const char **ret_detail)
{
    if (name == NULL || strlen(name) > WIRE_NAME_BYTES_MAX) {
        return refuse("a name has at most 128 bytes", ret_detail);
    }
    start(ret_message, WIRE_LIST);
    ret_message->list.kind = kind;
    ret_message->list.name = name;
    return PERMIT_OK;
}
