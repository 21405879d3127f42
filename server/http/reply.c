/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include <event2/buffer.h>

#include "http_private.h"

/* Of the codes that are used here. */
static const char *title_of(int code)
{
    switch (code) {
    case HTTP_OK:
        return "OK";
    case HTTP_BADREQUEST:
        return "Bad Request";
    case 403:
        return "Forbidden";
    case HTTP_NOTFOUND:
        return "Not Found";
    case HTTP_BADMETHOD:
        return "Method Not Allowed";
    default:
        return "Service Unavailable";
    }
}

/* One request a connection: so a deadline for a connection is one for a
 * request, and nothing of one request can be taken for the next. */
static void answer(struct evhttp_request *request, int code, const char *type,
                   struct evbuffer *body)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    char length[sizeof("18446744073709551615")];

    (void)snprintf(length, sizeof(length), "%zu", evbuffer_get_length(body));
    (void)evhttp_add_header(headers, "Content-Type", type);
    (void)evhttp_add_header(headers, "Content-Length", length);
    (void)evhttp_add_header(headers, "Cache-Control", "no-store");
    (void)evhttp_add_header(headers, "X-Content-Type-Options", "nosniff");
    (void)evhttp_add_header(headers, "Connection", "close");
    if (evhttp_request_get_command(request) == EVHTTP_REQ_HEAD) {
        (void)evbuffer_drain(body, evbuffer_get_length(body));
    }
    evhttp_send_reply(request, code, title_of(code), body);
}

static void answer_text(struct evhttp_request *request, int code,
                        const char *type, const char *text)
{
    struct evbuffer *body = evbuffer_new();

    if (body == NULL || evbuffer_add(body, text, strlen(text)) != 0) {
        evhttp_send_error(request, HTTP_SERVUNAVAIL, NULL);
    } else {
        answer(request, code, type, body);
    }
    if (body != NULL) {
        evbuffer_free(body);
    }
}

static void answer_json(struct evhttp_request *request, int code,
                        const char *type, cJSON *json)
{
    char *text = json != NULL ? cJSON_PrintUnformatted(json) : NULL;

    if (text == NULL) {
        evhttp_send_error(request, HTTP_SERVUNAVAIL, NULL);
    } else {
        answer_text(request, code, type, text);
    }
    cJSON_free(text);
    cJSON_Delete(json);
}

void reply_json(struct evhttp_request *request, cJSON *body)
{
    answer_json(request, HTTP_OK, "application/json", body);
}

void reply_text(struct evhttp_request *request, const char *text)
{
    answer_text(request, HTTP_OK, "text/plain; charset=utf-8", text);
}

void reply_body(struct evhttp_request *request, const char *type,
                struct evbuffer *body)
{
    answer(request, HTTP_OK, type, body);
}

cJSON *problem_json(struct evhttp_request *request, int code,
                    enum permit_status reason, const char *detail)
{
    cJSON *problem = cJSON_CreateObject();
    const char *uri = evhttp_request_get_uri(request);

    if (problem == NULL || !json_add_text(problem, "type", "about:blank") ||
        !json_add_text(problem, "title", title_of(code)) ||
        cJSON_AddNumberToObject(problem, "status", code) == NULL ||
        !json_add_text(problem, "detail", detail) ||
        !json_add_text(problem, "instance", uri) ||
        !json_add_text(problem, "reason", permit_status_reason(reason))) {
        cJSON_Delete(problem);
        return NULL;
    }
    return problem;
}

void reply_problem_json(struct evhttp_request *request, int code,
                        cJSON *problem)
{
    answer_json(request, code, "application/problem+json", problem);
}

void reply_problem(struct evhttp_request *request, int code,
                   enum permit_status reason, const char *detail)
{
    reply_problem_json(request, code,
                       problem_json(request, code, reason, detail));
}

void reply_no_memory(struct evhttp_request *request)
{
    reply_problem(request, HTTP_SERVUNAVAIL, PERMIT_E_UNAVAILABLE,
                  "out of memory: try again");
}

void reply_no_semaphore(struct evhttp_request *request)
{
    reply_problem(request, HTTP_NOTFOUND, PERMIT_E_NOT_FOUND,
                  "no such semaphore");
}
