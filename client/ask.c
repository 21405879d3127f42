/* SPDX-License-Identifier: MIT */
#include "ask.h"

#include <stddef.h>
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

    status = say_size(sized_copy(&own, sizeof(own), from, sizeof(own)),
                      "start from PERMIT_ACQUIRE_REQUEST_INIT", ret_detail);
    if (status == PERMIT_OK) {
        *ret_request = own;
    }
    return status;
}

static enum permit_status
check_acquire(const struct permit_acquire_request *request,
              const char **ret_detail)
{
    enum permit_status status =
        check_name(request->semaphore, false, ret_detail);

    if (status == PERMIT_OK) {
        status = check_permits(request->permits, ret_detail);
    }
    if (status != PERMIT_OK) {
        return status;
    }
    if (request->expect_permits > WIRE_PERMITS_MAX) {
        return refuse("expect_permits are at most 2147483647", ret_detail);
    }
    if (request->wait_ms < -1 || request->hold_ms < 0) {
        return refuse("a wait is at least -1, a hold at least 0", ret_detail);
    }
    return PERMIT_OK;
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
    enum permit_status status = check_acquire(request, ret_detail);

    if (status != PERMIT_OK) {
        return status;
    }
    start(ret_message, WIRE_ACQUIRE);
    acquire->parts_count = 1;
    acquire->parts[0].semaphore = request->semaphore;
    acquire->parts[0].permits = request->permits;
    acquire->parts[0].consume = request->consume;
    acquire->parts[0].expect_permits = request->expect_permits;
    acquire->wait_ms = request->wait_ms;
    acquire->hold_ms = request->hold_ms;
    acquire->waiting = request->on_waiting != NULL;
    return fill_labels(request, acquire, ret_detail);
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
              {PERMIT_DEFINE_SLOTS, WIRE_FIELD_SLOTS}};

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
