/* SPDX-License-Identifier: MIT */

/* From a list of servers to a descriptor. Its time is the test's; its sockets
 * are real. */

#include "connector.h"

#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include <check.h>

#include "daemon.h"

#define MS INT64_C(1000000)

static struct connector connector;

/* A socket that listens on a free port of 127.0.0.1. */
static int listen_somewhere(int backlog, int *ret_port)
{
    struct sockaddr_in name = {.sin_family = AF_INET};
    socklen_t bytes = sizeof(name);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_ne(fd, -1);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
    ck_assert_int_eq(listen(fd, backlog), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&name, &bytes), 0);
    *ret_port = ntohs(name.sin_port);
    return fd;
}

/* A port of 127.0.0.1 where nobody listens: of a socket that is bound. */
static int bind_somewhere(int *ret_port)
{
    int fd = listen_somewhere(1, ret_port);
    struct sockaddr_in name = {.sin_family = AF_INET};

    (void)close(fd);
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    name.sin_port = htons((uint16_t)*ret_port);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
    return fd;
}

/* Goes on at now_ns until the connector is at an end; waits for its socket. */
static void settle(int64_t now_ns)
{
    while (connector.state == CONNECTOR_CONNECTING) {
        struct pollfd poll_fd = {.fd = connector.fd, .events = POLLOUT};

        ck_assert_int_eq(poll(&poll_fd, 1, 5000), 1);
        connector_advance(&connector, now_ns);
    }
}

static void expect_connected(void)
{
    struct pollfd poll_fd = {.events = POLLOUT};

    ck_assert_int_eq(connector.state, CONNECTOR_CONNECTED);
    poll_fd.fd = connector_take_fd(&connector);
    ck_assert_int_eq(connector.state, CONNECTOR_IDLE);
    ck_assert_int_eq(poll(&poll_fd, 1, 0), 1);
    (void)close(poll_fd.fd);
}

START_TEST(an_address_in_numbers_is_connected_to)
{
    char servers[64];
    int port;
    int fd = listen_somewhere(5, &port);

    (void)snprintf(servers, sizeof(servers), "permit://127.0.0.1:%d", port);
    connector_start(&connector, servers, 0, 1000 * MS);
    settle(0);
    expect_connected();
    ck_assert_int_eq(connector_deadline(&connector), INT64_MAX);
    (void)close(fd);
}
END_TEST

START_TEST(the_next_server_is_tried_when_one_is_dead)
{
    char servers[160];
    int dead_port;
    int port;
    int dead = bind_somewhere(&dead_port);
    int fd = listen_somewhere(5, &port);

    (void)snprintf(servers, sizeof(servers),
                   "unix:///nowhere/at/all,127.0.0.1:%d,127.0.0.1:%d",
                   dead_port, port);
    connector_start(&connector, servers, 0, 1000 * MS);
    settle(0);
    expect_connected();
    (void)close(fd);
    (void)close(dead);
}
END_TEST

START_TEST(when_all_are_dead_it_says_why_the_last_one_is)
{
    char servers[128];
    char text[256];
    int port;
    int dead = bind_somewhere(&port);

    (void)snprintf(servers, sizeof(servers), "127.0.0.1:%d,unix:///no/where",
                   port);
    connector_start(&connector, servers, 0, 1000 * MS);
    settle(0);
    ck_assert_int_eq(connector.state, CONNECTOR_FAILED);
    ck_assert_int_eq(connector.status, PERMIT_E_DISCONNECTED);
    connector_describe(&connector, connector.status, connector.text, text,
                       sizeof(text));
    ck_assert_str_eq(text, "unix:///no/where: No such file or directory");
    connector_describe(&connector, PERMIT_E_NO_ANSWER, "", text, sizeof(text));
    ck_assert_ptr_nonnull(strstr(text, "no answer came in time"));
    connector_stop(&connector);
    (void)close(dead);
}
END_TEST

START_TEST(a_unix_path_is_connected_to)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    char directory[] = "/tmp/permit-connector-XXXXXX";
    char servers[128];
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_ptr_nonnull(mkdtemp(directory));
    (void)snprintf(name.sun_path, sizeof(name.sun_path), "%.80s/socket",
                   directory);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
    ck_assert_int_eq(listen(fd, 5), 0);
    (void)snprintf(servers, sizeof(servers), "unix:%s", name.sun_path);
    connector_start(&connector, servers, 0, 1000 * MS);
    expect_connected();
    (void)close(fd);
    ck_assert_int_eq(unlink(name.sun_path), 0);
    ck_assert_int_eq(rmdir(directory), 0);
}
END_TEST

/* A listener whose queue is full drops what asks for more: it looks like a
 * machine that is gone. */
START_TEST(a_silent_server_has_its_share_of_the_time_only)
{
    char servers[128];
    int silent_port;
    int port;
    int silent = listen_somewhere(0, &silent_port);
    int fd = listen_somewhere(5, &port);
    int fill[2];

    (void)snprintf(servers, sizeof(servers), "127.0.0.1:%d", silent_port);
    connector_start(&connector, servers, 0, 1000 * MS);
    settle(0);
    fill[0] = connector_take_fd(&connector);
    connector_start(&connector, servers, 0, 1000 * MS);
    fill[1] = connector.state == CONNECTOR_CONNECTED
                  ? connector_take_fd(&connector)
                  : -1;
    connector_stop(&connector);

    (void)snprintf(servers, sizeof(servers), "127.0.0.1:%d,127.0.0.1:%d",
                   silent_port, port);
    connector_start(&connector, servers, 0, 1000 * MS);
    ck_assert_int_eq(connector.state, CONNECTOR_CONNECTING);
    ck_assert_int_eq(connector_deadline(&connector), 500 * MS);
    connector_advance(&connector, 499 * MS);
    ck_assert_int_eq(connector_deadline(&connector), 500 * MS);
    connector_advance(&connector, 500 * MS);
    settle(500 * MS);
    expect_connected();

    servers[strcspn(servers, ",")] = '\0';
    connector_start(&connector, servers, 0, 1000 * MS);
    connector_advance(&connector, 1000 * MS);
    ck_assert_int_eq(connector.state, CONNECTOR_FAILED);
    ck_assert_str_eq(connector.text, "Connection timed out");
    connector_stop(&connector);
    (void)close(fill[0]);
    if (fill[1] != -1) {
        (void)close(fill[1]);
    }
    (void)close(silent);
    (void)close(fd);
}
END_TEST

/* ------------------------------------------------------------------- names */

START_TEST(a_name_is_left_to_who_drives_it)
{
    struct sockaddr_in name = {.sin_family = AF_INET};
    struct sockaddr_in dead = {.sin_family = AF_INET};
    struct addrinfo second = {.ai_family = AF_INET,
                              .ai_addr = (struct sockaddr *)&name,
                              .ai_addrlen = sizeof(name)};
    struct addrinfo first = {.ai_family = AF_INET,
                             .ai_addr = (struct sockaddr *)&dead,
                             .ai_addrlen = sizeof(dead),
                             .ai_next = &second};
    int port;
    int dead_port;
    int fd = listen_somewhere(5, &port);
    int dead_fd = bind_somewhere(&dead_port);

    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    name.sin_port = htons((uint16_t)port);
    dead.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    dead.sin_port = htons((uint16_t)dead_port);
    connector_start(&connector, "permits.example:77", 0, 1000 * MS);
    ck_assert_int_eq(connector.state, CONNECTOR_LOOKING_UP);
    ck_assert_str_eq(connector.address.host, "permits.example");
    ck_assert_str_eq(connector.address.port, "77");
    connector_resolved(&connector, &first, "", 0);
    settle(0);
    expect_connected();
    (void)close(fd);
    (void)close(dead_fd);
}
END_TEST

START_TEST(more_addresses_than_it_tries_are_passed_over)
{
    struct sockaddr_in name = {.sin_family = AF_INET};
    struct addrinfo addresses[CONNECTOR_NAMES_MAX + 3];
    int port;
    int dead = bind_somewhere(&port);

    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    name.sin_port = htons((uint16_t)port);
    for (size_t i = 0; i < CONNECTOR_NAMES_MAX + 3; i++) {
        addresses[i] = (struct addrinfo){
            .ai_family = i == 0 ? AF_UNIX : AF_INET,
            .ai_addr = (struct sockaddr *)&name,
            .ai_addrlen = sizeof(name),
            .ai_next = i < CONNECTOR_NAMES_MAX + 2 ? &addresses[i + 1] : NULL};
    }
    connector_start(&connector, "many.example", 0, 1000 * MS);
    connector_resolved(&connector, addresses, "", 0);
    ck_assert_uint_eq(connector.names_count, CONNECTOR_NAMES_MAX);
    settle(0);
    ck_assert_int_eq(connector.state, CONNECTOR_FAILED);
    connector_stop(&connector);
    (void)close(dead);
}
END_TEST

START_TEST(a_name_that_is_not_found_or_not_in_time_is_passed_over)
{
    connector_start(&connector, "a.example,b.example,c.example", 0, 900 * MS);
    ck_assert_int_eq(connector_deadline(&connector), 300 * MS);
    connector_resolved(&connector, NULL, "unknown name", 100 * MS);
    ck_assert_int_eq(connector.state, CONNECTOR_LOOKING_UP);
    ck_assert_str_eq(connector.address.written, "b.example");
    ck_assert_int_eq(connector_deadline(&connector), 500 * MS);
    connector_advance(&connector, 500 * MS - 1);
    ck_assert_str_eq(connector.address.written, "b.example");
    connector_advance(&connector, 500 * MS);
    ck_assert_str_eq(connector.address.written, "c.example");
    connector_advance(&connector, 900 * MS);
    ck_assert_int_eq(connector.state, CONNECTOR_FAILED);
    ck_assert_str_eq(connector.text, "the name was not looked up in time");
    connector_stop(&connector);
    ck_assert_int_eq(connector.state, CONNECTOR_IDLE);
}
END_TEST

/* ------------------------------------------------------------------ written
 */

static const struct {
    const char *written;
    enum permit_status status;
    const char *host;
    const char *port;
} addresses[] = {
    {"host", PERMIT_OK, "host", "7417"},
    {"permit://host:1", PERMIT_OK, "host", "1"},
    {"[::1]:65535", PERMIT_OK, "::1", "65535"},
    {"[::1]", PERMIT_OK, "::1", "7417"},
    {"unix:/a/b", PERMIT_OK, "/a/b", ""},
    {"unix:///a/b", PERMIT_OK, "/a/b", ""},
    {"a,b", PERMIT_OK, "a", "7417"},
    {"", PERMIT_E_INVALID, "", ""},
    {"a,", PERMIT_E_INVALID, "", ""},
    {",a", PERMIT_E_INVALID, "", ""},
    {"host:0", PERMIT_E_INVALID, "", ""},
    {"host:65536", PERMIT_E_INVALID, "", ""},
    {"host:1x", PERMIT_E_INVALID, "", ""},
    {"ho st", PERMIT_E_INVALID, "", ""},
    {"[::1", PERMIT_E_INVALID, "", ""},
    {"unix:a", PERMIT_E_INVALID, "", ""},
    {"http://host", PERMIT_E_INVALID, "", ""},
    {"a,permits://host", PERMIT_E_UNSUPPORTED, "", ""},
};

START_TEST(an_address_is_read_as_people_write_it)
{
    const char *rest = addresses[_i].written;
    struct address address;
    char text[256] = "";

    ck_assert_int_eq(address_check(rest, text, sizeof(text)),
                     addresses[_i].status);
    if (addresses[_i].status != PERMIT_OK) {
        ck_assert_str_ne(text, "");
        return;
    }
    ck_assert_int_eq(address_read(&rest, &address, text, sizeof(text)),
                     PERMIT_OK);
    ck_assert_str_eq(address.host, addresses[_i].host);
    ck_assert_str_eq(address.port, addresses[_i].port);
}
END_TEST

START_TEST(an_address_that_is_too_long_is_refused)
{
    char text[256];
    char host[ADDRESS_BYTES_MAX + 1];
    char path[200] = "unix:/";

    memset(host, 'a', sizeof(host) - 1);
    host[sizeof(host) - 1] = '\0';
    ck_assert_int_eq(address_check(host, text, sizeof(text)), PERMIT_E_INVALID);
    memset(path + 6, 'a', sizeof(path) - 7);
    ck_assert_int_eq(address_check(path, text, sizeof(text)), PERMIT_E_INVALID);
}
END_TEST

static size_t fds_before;

static void begin_test(void)
{
    memset(&connector, 0, sizeof(connector));
    fds_before = open_fds();
}

static void end_test(void)
{
    ck_assert_uint_eq(open_fds(), fds_before);
}

int main(void)
{
    Suite *suite = suite_create("client_connector");
    TCase *tcase = tcase_create("connector");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tcase, begin_test, end_test);
    tcase_add_test(tcase, an_address_in_numbers_is_connected_to);
    tcase_add_test(tcase, the_next_server_is_tried_when_one_is_dead);
    tcase_add_test(tcase, when_all_are_dead_it_says_why_the_last_one_is);
    tcase_add_test(tcase, a_unix_path_is_connected_to);
    tcase_add_test(tcase, a_silent_server_has_its_share_of_the_time_only);
    tcase_add_test(tcase, a_name_is_left_to_who_drives_it);
    tcase_add_test(tcase, more_addresses_than_it_tries_are_passed_over);
    tcase_add_test(tcase,
                   a_name_that_is_not_found_or_not_in_time_is_passed_over);
    tcase_add_loop_test(tcase, an_address_is_read_as_people_write_it, 0,
                        (int)(sizeof(addresses) / sizeof(*addresses)));
    tcase_add_test(tcase, an_address_that_is_too_long_is_refused);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
