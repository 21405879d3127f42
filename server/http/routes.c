/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "http_private.h"

#define SEMAPHORES "/api/v1/semaphores"

/* -------------------------------------------------------------------- host */

/* Takes "host", "host:port", "[v6]" or "[v6]:port" apart. Returns whether it is
 * one of these. */
static bool parse_host(const char *text, char *host, size_t capacity)
{
    bool is_v6 = text[0] == '[';
    const char *end;
    size_t length;

    text += is_v6;
    end = strchr(text, is_v6 ? ']' : ':');
    length = end != NULL ? (size_t)(end - text) : strlen(text);
    if (length == 0 || length >= capacity || (is_v6 && end == NULL)) {
        return false;
    }
    memcpy(host, text, length);
    host[length] = '\0';
    text += length + is_v6;
    return text[0] == '\0' ||
           (text[0] == ':' && text[1 + strspn(text + 1, "0123456789")] == '\0');
}

/* A page of another site that had its name resolve to here must not read this:
 * the browser sends that name. */
static bool host_is_allowed(const struct http_options *options,
                            const char *text)
{
    char host[256];
    struct in6_addr address;

    if (text == NULL || !parse_host(text, host, sizeof(host))) {
        return false;
    }
    if (strcasecmp(host, "localhost") == 0 ||
        inet_pton(AF_INET, host, &address) == 1 ||
        inet_pton(AF_INET6, host, &address) == 1) {
        return true;
    }
    for (size_t i = 0; i < options->allowed_hosts_count; i++) {
        if (strcasecmp(host, options->allowed_hosts[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* ------------------------------------------------------------------- paths */

static void serve_semaphores(struct http *http, struct evhttp_request *request)
{
    page_serve(http, request, WIRE_LIST_SEMAPHORES, "");
}

static const struct {
    const char *path;
    void (*serve)(struct http *http, struct evhttp_request *request);
} routes[] = {
    {"/status", status_serve},
    {"/api/v1/status", status_serve},
    {"/api/v1/version", status_serve_version},
    {"/livez", status_serve_live},
    {"/healthz", status_serve_live},
    {"/readyz", status_serve_ready},
    {SEMAPHORES, serve_semaphores},
    {"/metrics", page_serve_metrics}, /* Not JSON. */
};

/* Does path end with suffix, with something before it? */
static bool has_suffix(const char *path, const char *suffix)
{
    size_t length = strlen(path);
    size_t suffix_bytes = strlen(suffix);

    return length > suffix_bytes &&
           strcmp(path + length - suffix_bytes, suffix) == 0;
}

/* path is what follows SEMAPHORES "/", as it came. The suffixes are told from
 * it before it is decoded, so that "x%2Fholders" is a semaphore. */
static void serve_name(struct http *http, struct evhttp_request *request,
                       const char *path)
{
    const char *const holders = "/holders";
    const char *const waiters = "/waiters";
    bool asks_holders = has_suffix(path, holders);
    bool asks_waiters = has_suffix(path, waiters);
    size_t suffix_bytes = asks_holders   ? strlen(holders)
                          : asks_waiters ? strlen(waiters)
                                         : 0;
    char *raw = strndup(path, strlen(path) - suffix_bytes);
    size_t length = 0;
    char *name = raw != NULL
                     ? evhttp_uridecode(raw, /* decode_plus= */ 0, &length)
                     : NULL;
    const char *detail = NULL;

    free(raw);
    if (name == NULL) {
        reply_no_memory(request);
    } else if (wire_check_name(name, length, true, &detail) != PERMIT_OK) {
        reply_problem(request, HTTP_BADREQUEST, PERMIT_E_INVALID, detail);
    } else if (asks_holders) {
        page_serve(http, request, WIRE_LIST_HOLDERS, name);
    } else if (asks_waiters) {
        page_serve(http, request, WIRE_LIST_WAITERS, name);
    } else {
        page_serve_semaphore(http, request, name);
    }
    free(name);
}

void routes_serve(struct evhttp_request *request, void *arg)
{
    struct http *http = arg;
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
    const char *path = evhttp_uri_get_path(uri);
    const char *host = evhttp_uri_get_host(uri);
    enum evhttp_cmd_type method = evhttp_request_get_command(request);
    bool is_below = strncmp(path, SEMAPHORES "/", strlen(SEMAPHORES "/")) == 0;
    size_t route = 0;

    if (host == NULL) {
        host = evhttp_find_header(evhttp_request_get_input_headers(request),
                                  "Host");
    }
    if (!host_is_allowed(&http->options, host)) {
        reply_problem(request, 403, PERMIT_E_DENIED,
                      "Host is not localhost, an IP address or one of "
                      "http.allowed_hosts");
        return;
    }
    while (route < sizeof(routes) / sizeof(routes[0]) &&
           strcmp(path, routes[route].path) != 0) {
        route++;
    }
    if (!is_below && route == sizeof(routes) / sizeof(routes[0])) {
        reply_problem(request, HTTP_NOTFOUND, PERMIT_E_NOT_FOUND,
                      "no such page: /status is one");
        return;
    }
    if (method != EVHTTP_REQ_GET && method != EVHTTP_REQ_HEAD) {
        (void)evhttp_add_header(evhttp_request_get_output_headers(request),
                                "Allow", "GET, HEAD");
        reply_problem(request, HTTP_BADMETHOD, PERMIT_E_UNSUPPORTED,
                      "actions are not served: use GET or HEAD");
        return;
    }
    if (is_below) {
        serve_name(http, request, path + strlen(SEMAPHORES "/"));
        return;
    }
    routes[route].serve(http, request);
}
