/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/keyvalq_struct.h>

#include "http_private.h"

static const char *find_state(const char *text)
{
    static const char *const states[] = {"idle", "active", "saturated",
                                         "paused", "shrunk"};

    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        if (strcmp(text, states[i]) == 0) {
            return states[i];
        }
    }
    return NULL;
}

/* Digits alone. A number that is too large for any page saturates. */
static bool parse_number(const char *text, size_t *ret_number)
{
    size_t digits = strspn(text, "0123456789");
    unsigned long long number;

    if (digits == 0 || text[digits] != '\0') {
        return false;
    }
    errno = 0;
    number = strtoull(text, NULL, 10);
    *ret_number = errno == 0 ? (size_t)number : SIZE_MAX;
    return true;
}

/* Returns NULL, or what is wrong with a key that only semaphores have. */
static const char *parse_filter(const char *key, const char *value,
                                struct query *query,
                                enum permit_status *ret_reason)
{
    const char *detail = NULL;

    if (strcmp(key, "state") == 0) {
        query->state = find_state(value);
        return query->state != NULL
                   ? NULL
                   : "state is idle, active, saturated, paused or shrunk";
    }
    if (strcmp(key, "prefix") == 0) {
        if (value[0] != '\0' &&
            wire_check_name(value, strlen(value), true, &detail) != PERMIT_OK) {
            return detail;
        }
        (void)snprintf(query->prefix, sizeof(query->prefix), "%s", value);
        return NULL;
    }
    if (strcmp(key, "sort") == 0) {
        *ret_reason = PERMIT_E_UNSUPPORTED;
        return strcmp(value, "name") == 0 ? NULL : "sort is name";
    }
    return "a page of semaphores has state, prefix, sort, offset and limit";
}

static const char *parse_pair(const char *key, const char *value,
                              enum wire_list_kind kind, struct query *query,
                              enum permit_status *ret_reason)
{
    if (strcmp(key, "offset") == 0) {
        return parse_number(value, &query->offset)
                   ? NULL
                   : "offset is a number of rows";
    }
    if (strcmp(key, "limit") == 0) {
        return parse_number(value, &query->limit) ? NULL
                                                  : "limit is a number of rows";
    }
    if (kind != WIRE_LIST_SEMAPHORES) {
        return "a page of holders or waiters has offset and limit";
    }
    return parse_filter(key, value, query, ret_reason);
}

const char *query_parse(struct evhttp_request *request,
                        enum wire_list_kind kind, struct query *ret_query,
                        enum permit_status *ret_reason)
{
    const char *text =
        evhttp_uri_get_query(evhttp_request_get_evhttp_uri(request));
    struct query query = {.limit = HTTP_PAGE_ROWS_MAX};
    const char *detail = NULL;
    struct evkeyval *pair;
    struct evkeyvalq pairs;

    *ret_reason = PERMIT_E_INVALID;
    if (evhttp_parse_query_str(text != NULL ? text : "", &pairs) != 0) {
        return "a query is key=value pairs with & between them";
    }
    for (pair = pairs.tqh_first; pair != NULL && detail == NULL;
         pair = pair->next.tqe_next) {
        detail = parse_pair(pair->key, pair->value, kind, &query, ret_reason);
    }
    evhttp_clear_headers(&pairs);
    if (detail != NULL) {
        return detail;
    }
    if (query.limit > HTTP_PAGE_ROWS_MAX) {
        query.limit = HTTP_PAGE_ROWS_MAX;
    }
    *ret_query = query;
    return NULL;
}
