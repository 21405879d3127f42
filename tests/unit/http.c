/* SPDX-License-Identifier: MIT */

/* What is answered to which path, and to which request: FAULTS C18. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "http_world.h"

/* -------------------------------------------------------------------- paths */

static const struct {
    const char *path;
    int code;
    const char *part; /* Of the answer. */
} path_cases[] = {
    {"/status", 200, "\"name\":\"permitd@here\""},
    {"/api/v1/status", 200, "\"schema_version\":1"},
    {"/api/v1/version", 200,
     "{\"version\":\"0.1.0\",\"revision\":null,"
     "\"protocol_version\":1}"},
    {"/livez", 200, "\r\n\r\nok\n"},
    {"/healthz", 200, "\r\n\r\nok\n"},
    {"/readyz", 200, "\r\n\r\nok\n"},
    {"/readyz?verbose", 200, "{\"failing\":[],\"warnings\":[]}"},
    {"/metrics", 200, "\npermitd_permits{semaphore=\"jobs\"} 2\n"},
    {"/api/v1/semaphores", 200, "\"total\":5,\"offset\":0,\"limit\":1024,"},
    {"/api/v1/semaphores?limit=2&offset=4", 200, "\"offset\":4,\"limit\":2,"},
    {"/api/v1/semaphores?limit=0", 200, "\"limit\":0,\"semaphores\":[]}"},
    {"/api/v1/semaphores?limit=99999999999999999999", 200, "\"limit\":1024"},
    {"/api/v1/semaphores?offset=99999999999999999999", 200,
     "\"semaphores\":[]}"},
    {"/api/v1/semaphores?prefix=s/", 200, "\"total\":5"},
    {"/api/v1/semaphores?prefix=s%2F", 200, "\"total\":5"},
    {"/api/v1/semaphores?prefix=", 200, "\"total\":5"},
    {"/api/v1/semaphores?prefix=t", 200, "\"total\":0"},
    {"/api/v1/semaphores?sort=name", 200, "\"total\":5"},
    {"/api/v1/semaphores?state=idle", 200, "\"total\":2"},
    {"/api/v1/semaphores?state=saturated", 200, "\"total\":1"},
    {"/api/v1/semaphores?state=paused", 200, "\"total\":0"},
    {"/api/v1/semaphores/jobs", 200, "{\"name\":\"jobs\","},
    {"/api/v1/semaphores/%6aobs", 200, "{\"name\":\"jobs\","},
    {"/api/v1/semaphores/jobs/holders", 200, "\"holders\":[{\"grant_id\":"},
    {"/api/v1/semaphores/jobs/waiters", 200, "\"waiters\":[{\"request_id\":"},
    {"/api/v1/semaphores/jobs/waiters?limit=1&offset=8", 200, "\"position\":9"},
    {"/api/v1/semaphores/jobs/holders?limit=1", 200,
     "\"parts\":[{\"semaphore\":\"jobs\",\"permits\":1},"
     "{\"semaphore\":\"api\",\"permits\":2}]"},
    {"/api/v1/semaphores/jobs/waiters?limit=1", 200,
     "{\"semaphore\":\"api\",\"permits\":2}],\"priority\":3,"},
    {"/api/v1/semaphores?limit=1", 200, "\"template\":\"s/*\""},
    {"/api/v1/semaphores/a%2F*", 200, "{\"name\":\"a/*\","},
    {"/api/v1/semaphores/*", 400, "something before its '*'"},
    {"/api/v1/semaphores/a+b", 200, "{\"name\":\"a+b\","},
    {"/api/v1/semaphores/a%2Fholders", 200, "{\"name\":\"a/holders\","},
    {"/api/v1/semaphores/a%2Fholders/holders", 200,
     "\"semaphore\":\"a/holders\""},
    {"/api/v1/semaphores/a/holders/waiters", 200, "\"waiters\":["},
    {"http://127.0.0.1/livez", 200, "ok\n"},

    {"/", 404, "\"reason\":\"not_found\""},
    {"/status/", 404, "\"instance\":\"/status/\""},
    {"/api/v1", 404, "\"title\":\"Not Found\""},
    {"/api/v1/semaphoresx", 404, "\"status\":404"},
    {"/metrics/", 404, "application/problem+json"},
    {"/../status", 404, "problem"},
    {"/api/v1/semaphores/none", 404, "no such semaphore"},
    {"/api/v1/semaphores/../x", 404, "no such semaphore"}, /* A legal name. */
    {"/api/v1/semaphores/none/holders", 404, "no such semaphore"},
    {"/api/v1/semaphores/none/waiters", 404, "no such semaphore"},
    {"/api/v1/semaphores/a/holders", 404, "no such semaphore"}, /* Of "a". */
    {"/api/v1/semaphores/", 400, "name the semaphore"},
    {"/api/v1/semaphores//holders", 404, "no such semaphore"},
    {"/api/v1/semaphores/a%00b", 400, "a name consists of"},
    {"/api/v1/semaphores/%00", 400, "a name consists of"},
    {"/api/v1/semaphores/%zz", 400, "a name consists of"},
    {"/api/v1/semaphores/-a", 400, "does not begin"},
    {"/api/v1/semaphores/team/*", 404, "no such semaphore"},
    {"/api/v1/semaphores?state=on", 400, "state is idle"},
    {"/api/v1/semaphores?prefix=%20", 400, "a name consists of"},
    {"/api/v1/semaphores?sort=held", 400, "\"reason\":\"unsupported\""},
    {"/api/v1/semaphores?limit=x", 400, "limit is a number"},
    {"/api/v1/semaphores?limit=-1", 400, "limit is a number"},
    {"/api/v1/semaphores?limit=", 400, "limit is a number"},
    {"/api/v1/semaphores?offset=1x", 400, "offset is a number"},
    {"/api/v1/semaphores?colour=red", 400, "\"reason\":\"invalid\""},
    {"/api/v1/semaphores?limit", 400, "key=value"},
    {"/api/v1/semaphores/jobs/holders?state=idle", 400, "offset and limit"},
    {"http://evil.example.org/status", 403, "\"reason\":\"denied\""},
};

START_TEST(a_path_has_its_answer)
{
    char *answer = get(path_cases[_i].path);
    char head[32];

    (void)snprintf(head, sizeof(head), "HTTP/1.1 %d ", path_cases[_i].code);
    ck_assert_msg(strncmp(answer, head, strlen(head)) == 0, "%s: %s",
                  path_cases[_i].path, answer);
    ck_assert_msg(strstr(answer, path_cases[_i].part) != NULL, "%s: %s",
                  path_cases[_i].path, answer);
    /* To what looks like a proxy's request, evhttp does not say it. */
    if (path_cases[_i].path[0] == '/') {
        ck_assert_ptr_nonnull(strstr(answer, "Connection: close\r\n"));
    }
    free(answer);
}
END_TEST

/* ------------------------------------------------------ C18: whole requests */

#define K "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
#define HEAD "/livez HTTP/1.1\r\nHost: localhost\r\n"

static const struct {
    const char *name;
    const char *request; /* '~' stands for more than a head may have. */
    const char *start;   /* Of the answer. */
    const char *part;
} request_cases[] = {
    {"head", "HEAD " HEAD "\r\n", "HTTP/1.1 200", "Content-Length: 3\r\n"},
    {"http 1.0", "GET /livez HTTP/1.0\r\nHost: 10.0.0.1\r\n\r\n",
     "HTTP/1.0 200", "ok\n"},
    {"kept open", "GET " HEAD "Connection: keep-alive\r\n\r\n", "HTTP/1.1 200",
     "Connection: close\r\n"},
    {"only the first of two", "GET " HEAD "\r\nGET " HEAD "\r\n",
     "HTTP/1.1 200", "ok\n"},
    {"post", "POST " HEAD "Content-Length: 2\r\n\r\nhi", "HTTP/1.1 405",
     "Allow: GET, HEAD\r\n"},
    {"put", "PUT " HEAD "\r\n", "HTTP/1.1 405", "\"reason\":\"unsupported\""},
    {"delete", "DELETE " HEAD "\r\n", "HTTP/1.1 405", "Allow"},
    {"patch", "PATCH " HEAD "\r\n", "HTTP/1.1 405", "Allow"},
    {"options", "OPTIONS " HEAD "\r\n", "HTTP/1.1 405", "Allow"},
    {"chunked, with trailers",
     "POST " HEAD "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n"
     "X: y\r\n\r\n",
     "HTTP/1.1 405", "Allow"},
    {"both lengths",
     "POST " HEAD "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
     "0\r\n\r\n",
     "HTTP/1.1 4", ""},
    {"trace", "TRACE " HEAD "\r\n", "HTTP/1.1 501", ""},
    {"a method of its own", "BREW " HEAD "\r\n", "HTTP/1.1 501", ""},
    {"no host", "GET /livez HTTP/1.1\r\n\r\n", "HTTP/1.1 403", "denied"},
    {"empty host", "GET /livez HTTP/1.1\r\nHost:\r\n\r\n", "HTTP/1.1 403", ""},
    {"another's host", "GET /livez HTTP/1.1\r\nHost: evil.example.org\r\n\r\n",
     "HTTP/1.1 403", "http.allowed_hosts"},
    {"a host that begins well",
     "GET /livez HTTP/1.1\r\nHost: localhost.evil.org\r\n\r\n", "HTTP/1.1 403",
     ""},
    {"a host with text for a port",
     "GET /livez HTTP/1.1\r\nHost: localhost:evil\r\n\r\n", "HTTP/1.1 403", ""},
    {"half a v6", "GET /livez HTTP/1.1\r\nHost: [::1\r\n\r\n", "HTTP/1.1 403",
     ""},
    {"a long host", "GET /livez HTTP/1.1\r\nHost: " K K K K "\r\n\r\n",
     "HTTP/1.1 403", ""},
    {"v4", "GET /livez HTTP/1.1\r\nHost: 127.0.0.1:7418\r\n\r\n",
     "HTTP/1.1 200", "ok\n"},
    {"v6", "GET /livez HTTP/1.1\r\nHost: [::1]:7418\r\n\r\n", "HTTP/1.1 200",
     "ok\n"},
    {"an allowed host",
     "GET /livez HTTP/1.1\r\nHost: Status.Example.org\r\n\r\n", "HTTP/1.1 200",
     "ok\n"},
    {"a huge header", "GET " HEAD "X: ~\r\n\r\n", "HTTP/1.1 400", ""},
    {"a huge line", "GET /~ HTTP/1.1\r\n\r\n", "HTTP/1.1 400", ""},
    {"no newline", "~", "HTTP/1.", ""},
    {"a header without colon", "GET /livez HTTP/1.1\r\nHost\r\n\r\n",
     "HTTP/1.1 400", ""},
    {"a long body", "POST " HEAD "Content-Length: 65537\r\n\r\n",
     "HTTP/1.1 413", ""},
    {"a negative body", "POST " HEAD "Content-Length: -1\r\n\r\n",
     "HTTP/1.1 400", ""},
    {"no http", "hello\r\n\r\n", "HTTP/", ""},
    {"the protocol", "\x93PM\x01\r\n\r\n", "HTTP/", ""},
};

START_TEST(c18_a_request_has_its_answer_or_is_closed)
{
    char filler[HTTP_HEADER_BYTES_MAX + 1];
    char request[2 * sizeof(filler)];
    const char *text = request_cases[_i].request;
    int head = (int)strcspn(text, "~");
    bool is_filled = text[head] == '~';
    char *answer;

    memset(filler, 'k', sizeof(filler));
    (void)snprintf(request, sizeof(request), "%.*s%.*s%s", head, text,
                   is_filled ? (int)sizeof(filler) : 0, filler,
                   text + head + is_filled);
    answer = exchange(request);

    ck_assert_msg(strncmp(answer, request_cases[_i].start,
                          strlen(request_cases[_i].start)) == 0,
                  "%s: %s", request_cases[_i].name, answer);
    ck_assert_msg(strstr(answer, request_cases[_i].part) != NULL, "%s: %s",
                  request_cases[_i].name, answer);
    if (strcmp(request_cases[_i].name, "head") == 0) {
        ck_assert_str_eq(strstr(answer, "\r\n\r\n"), "\r\n\r\n");
    }
    free(answer);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("http");
    TCase *tcase = tcase_create("http");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, tcase);
    tcase_add_checked_fixture(tcase, http_world_start, http_world_stop);
    tcase_add_loop_test(tcase, a_path_has_its_answer, 0,
                        (int)(sizeof(path_cases) / sizeof(path_cases[0])));
    tcase_add_loop_test(
        tcase, c18_a_request_has_its_answer_or_is_closed, 0,
        (int)(sizeof(request_cases) / sizeof(request_cases[0])));
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
