/* SPDX-License-Identifier: MIT */
/* Listening sockets: which addresses are taken, which are refused and with what
 * sentence, and what becomes of a file where a socket is to be. */
#include "listener.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define FORM ": must be HOST:PORT, [IPv6]:PORT or unix:PATH"
#define INSECURE                                                               \
    ": is not loopback, and there is no TLS yet: set insecure_listen: true "   \
    "if the network is trusted"
#define LONG_10 "/123456789"
#define LONG_50 LONG_10 LONG_10 LONG_10 LONG_10 LONG_10

static const struct {
    const char *address;
    const char *error; /* NULL: it is good. */
    bool insecure;
} addresses[] = {
    {"127.0.0.1:7417", NULL, false},
    {"127.255.0.9:1", NULL, false},
    {"127.0.0.1:0", NULL, false},
    {"127.0.0.1:65535", NULL, false},
    {"[::1]:7417", NULL, false},
    {"localhost:7417", NULL, false},
    {"unix:/run/permitd/socket", NULL, false},
    {"unix:relative", NULL, false},
    {"0.0.0.0:7417", NULL, true},
    {"[::]:7417", NULL, true},
    {"192.0.2.1:7417", NULL, true},
    {"", FORM, true},
    {"nonsense", FORM, true},
    {":7417", FORM, true},
    {"[]:7417", FORM, true},
    {"127.0.0.1", FORM, true},
    {"127.0.0.1:", FORM, true},
    {"127.0.0.1:x", FORM, true},
    {"127.0.0.1:-1", FORM, true},
    {"127.0.0.1: 1", FORM, true},
    {"127.0.0.1:65536", FORM, true},
    {"127.0.0.1:99999999999", FORM, true},
    {"::1:7417", FORM, true},
    {"[::1]", FORM, true},
    {"0.0.0.0:7417", INSECURE, false},
    {"[::]:7417", INSECURE, false},
    {"192.0.2.1:7417", INSECURE, false},
    {"128.0.0.1:7417", INSECURE, false},
    {"[::ffff:192.0.2.1]:7417", INSECURE, false},
    {"unix:", ": the path must have 1 to 107 bytes", true},
};

START_TEST(an_address_is_good_or_refused_with_a_sentence)
{
    char error[LISTENER_TEXT_BYTES] = "";
    char expected[LISTENER_TEXT_BYTES] = "";

    if (addresses[_i].error != NULL) {
        (void)snprintf(expected, sizeof(expected), "%s%s",
                       addresses[_i].address, addresses[_i].error);
    }
    ck_assert_int_eq(
        listener_check(addresses[_i].address, addresses[_i].insecure, error),
        addresses[_i].error == NULL);
    ck_assert_str_eq(error, expected);
}
END_TEST

START_TEST(what_is_refused_opens_nothing)
{
    char error[LISTENER_TEXT_BYTES] = "";
    char bound[LISTENER_TEXT_BYTES] = "";
    int fd = -1;

    if (addresses[_i].error == NULL) {
        return;
    }
    ck_assert_int_eq(listener_open(addresses[_i].address,
                                   addresses[_i].insecure, &fd, bound, error),
                     LISTENER_INVALID);
    ck_assert_ptr_nonnull(strstr(error, addresses[_i].error));
    ck_assert_int_eq(fd, -1);
    ck_assert_str_eq(bound, "");
}
END_TEST

START_TEST(a_path_is_as_long_as_a_socket_has_room)
{
    static const char fits[] = "unix:" LONG_50 LONG_50 "/123456";
    static const char too_long[] = "unix:" LONG_50 LONG_50 "/1234567";
    char error[LISTENER_TEXT_BYTES] = "";

    ck_assert_uint_eq(strlen(fits) - 5,
                      sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1);
    ck_assert(listener_check(fits, false, error));
    ck_assert(!listener_check(too_long, false, error));
    ck_assert_ptr_nonnull(strstr(error, "must have 1 to 107 bytes"));
}
END_TEST

static void check_descriptor(int fd)
{
    int is_listening = 0;
    socklen_t length = sizeof(is_listening);

    ck_assert_int_eq(
        getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &length), 0);
    ck_assert_int_eq(is_listening, 1);
    ck_assert_int_ne(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
}

START_TEST(port_0_is_told_as_the_real_one)
{
    char error[LISTENER_TEXT_BYTES] = "";
    char bound[LISTENER_TEXT_BYTES] = "";
    char again[LISTENER_TEXT_BYTES] = "";
    char expected[LISTENER_TEXT_BYTES + 64];
    struct sockaddr_in address;
    socklen_t length = sizeof(address);
    int fd = -1;
    int other = -1;

    ck_assert_int_eq(listener_open("127.0.0.1:0", false, &fd, bound, error),
                     LISTENER_OPEN);
    check_descriptor(fd);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    (void)snprintf(expected, sizeof(expected), "127.0.0.1:%u",
                   ntohs(address.sin_port));
    ck_assert_str_eq(bound, expected);
    ck_assert_int_eq(listener_open(bound, false, &other, again, error),
                     LISTENER_UNAVAILABLE);
    (void)snprintf(expected, sizeof(expected), "%s: %s", bound,
                   strerror(EADDRINUSE));
    ck_assert_str_eq(error, expected);
    ck_assert_int_eq(other, -1);
    ck_assert_int_eq(close(fd), 0);
    ck_assert_int_eq(listener_open(bound, false, &fd, again, error),
                     LISTENER_OPEN);
    ck_assert_str_eq(again, bound);
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

/* Has the machine IPv6? */
static bool has_ipv6(void)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6,
                                   .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool has = fd >= 0 && bind(fd, (const struct sockaddr *)&address,
                               sizeof(address)) == 0;

    if (fd >= 0) {
        (void)close(fd);
    }
    return has;
}

START_TEST(ipv6_has_its_brackets)
{
    char error[LISTENER_TEXT_BYTES] = "";
    char bound[LISTENER_TEXT_BYTES] = "";
    int fd = -1;

    if (!has_ipv6()) {
        return;
    }
    ck_assert_int_eq(listener_open("[::1]:0", false, &fd, bound, error),
                     LISTENER_OPEN);
    check_descriptor(fd);
    ck_assert_msg(strncmp(bound, "[::1]:", 6) == 0 && atoi(bound + 6) > 0, "%s",
                  bound);
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

static char directory[64];
static char path[96];
static char address[104];

static void make_directory(void)
{
    (void)snprintf(directory, sizeof(directory), "%s",
                   "/tmp/permit-listener-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    (void)snprintf(path, sizeof(path), "%s/socket", directory);
    (void)snprintf(address, sizeof(address), "unix:%s", path);
}

static void remove_directory(void)
{
    (void)unlink(path);
    (void)rmdir(directory);
}

START_TEST(a_socket_file_left_behind_is_replaced)
{
    char error[LISTENER_TEXT_BYTES] = "";
    char bound[LISTENER_TEXT_BYTES] = "";
    int fd = -1;

    ck_assert_int_eq(listener_open(address, false, &fd, bound, error),
                     LISTENER_OPEN);
    check_descriptor(fd);
    ck_assert_str_eq(bound, address);
    ck_assert_int_eq(close(fd), 0); /* The file stays. */
    ck_assert_int_eq(access(path, F_OK), 0);
    ck_assert_int_eq(listener_open(address, false, &fd, bound, error),
                     LISTENER_OPEN);
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

START_TEST(a_socket_file_that_is_served_is_refused)
{
    char error[LISTENER_TEXT_BYTES] = "";
    char bound[LISTENER_TEXT_BYTES] = "";
    struct stat before;
    struct stat after;
    int fd = -1;
    int other = -1;

    ck_assert_int_eq(listener_open(address, false, &fd, bound, error),
                     LISTENER_OPEN);
    ck_assert_int_eq(stat(path, &before), 0);
    ck_assert_int_eq(listener_open(address, false, &other, bound, error),
                     LISTENER_UNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(error, strerror(EADDRINUSE)));
    ck_assert_int_eq(other, -1);
    ck_assert_int_eq(stat(path, &after), 0);
    ck_assert_uint_eq(before.st_ino, after.st_ino);
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

START_TEST(a_plain_file_is_not_touched)
{
    char error[LISTENER_TEXT_BYTES] = "";
    char bound[LISTENER_TEXT_BYTES] = "";
    char text[16] = "";
    FILE *file = fopen(path, "we");
    int fd = -1;

    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs("precious", file), 0);
    ck_assert_int_eq(fclose(file), 0);
    ck_assert_int_eq(listener_open(address, false, &fd, bound, error),
                     LISTENER_UNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(error, strerror(EADDRINUSE)));
    file = fopen(path, "re");
    ck_assert_ptr_nonnull(file);
    ck_assert_ptr_nonnull(fgets(text, sizeof(text), file));
    ck_assert_int_eq(fclose(file), 0);
    ck_assert_str_eq(text, "precious");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("listener");
    TCase *addresses_case = tcase_create("addresses");
    TCase *files_case = tcase_create("files");
    SRunner *runner = srunner_create(suite);
    int count = sizeof(addresses) / sizeof(addresses[0]);
    int failed;

    tcase_add_loop_test(addresses_case,
                        an_address_is_good_or_refused_with_a_sentence, 0,
                        count);
    tcase_add_loop_test(addresses_case, what_is_refused_opens_nothing, 0,
                        count);
    tcase_add_test(addresses_case, a_path_is_as_long_as_a_socket_has_room);
    tcase_add_test(addresses_case, port_0_is_told_as_the_real_one);
    tcase_add_test(addresses_case, ipv6_has_its_brackets);
    suite_add_tcase(suite, addresses_case);
    tcase_add_checked_fixture(files_case, make_directory, remove_directory);
    tcase_add_test(files_case, a_socket_file_left_behind_is_replaced);
    tcase_add_test(files_case, a_socket_file_that_is_served_is_refused);
    tcase_add_test(files_case, a_plain_file_is_not_touched);
    suite_add_tcase(suite, files_case);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
