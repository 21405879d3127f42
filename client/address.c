/* SPDX-License-Identifier: MIT */
#include "address.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#define DEFAULT_PORT "7417"

/* Copies length bytes of from, unless they do not fit. */
static bool copy(char *to, size_t capacity, const char *from, size_t length)
{
    if (length == 0 || length >= capacity) {
        return false;
    }
    memcpy(to, from, length);
    to[length] = '\0';
    return true;
}

static const char *skip(const char *text, const char *prefix)
{
    size_t length = strlen(prefix);

    return strncmp(text, prefix, length) == 0 ? text + length : NULL;
}

static bool read_port(struct address *address, const char *port)
{
    unsigned long number;
    char *end;

    if (*port == '\0') {
        return copy(address->port, sizeof(address->port), DEFAULT_PORT,
                    strlen(DEFAULT_PORT));
    }
    if (port[0] != ':' || port[1] < '0' || port[1] > '9') {
        return false;
    }
    number = strtoul(port + 1, &end, 10);
    return *end == '\0' && number >= 1 && number <= 65535 &&
           copy(address->port, sizeof(address->port), port + 1,
                strlen(port + 1));
}

/* HOST, HOST:PORT, [V6] or [V6]:PORT. */
static bool read_host(struct address *address, const char *text)
{
    size_t host_bytes;

    if (*text == '[') {
        host_bytes = strcspn(text, "]");
        return text[host_bytes] == ']' &&
               copy(address->host, sizeof(address->host), text + 1,
                    host_bytes - 1) &&
               read_port(address, text + host_bytes + 1);
    }
    host_bytes = strcspn(text, ":");
    return strcspn(text, "/[] \t") == strlen(text) &&
           copy(address->host, sizeof(address->host), text, host_bytes) &&
           read_port(address, text + host_bytes);
}

static bool read_path(struct address *address, const char *path)
{
    struct sockaddr_un name;

    address->is_unix = true;
    return path[0] == '/' && strlen(path) < sizeof(name.sun_path) &&
           copy(address->host, sizeof(address->host), path, strlen(path));
}

static bool read_written(struct address *address)
{
    const char *rest = skip(address->written, "unix://");

    if (rest == NULL) {
        rest = skip(address->written, "unix:");
    }
    if (rest != NULL) {
        return read_path(address, rest);
    }
    rest = skip(address->written, "permit://");
    return read_host(address, rest != NULL ? rest : address->written);
}

enum permit_status address_read(const char **servers,
                                struct address *ret_address, char *text,
                                size_t text_bytes)
{
    struct address address = {.is_unix = false};
    size_t length = strcspn(*servers, ",");

    if (!copy(address.written, sizeof(address.written), *servers, length)) {
        (void)snprintf(text, text_bytes,
                       "an address of a server is empty or too long");
        return PERMIT_E_INVALID;
    }
    if (skip(address.written, "permits://") != NULL) {
        (void)snprintf(text, text_bytes,
                       "%s: TLS is not served by this version",
                       address.written);
        return PERMIT_E_UNSUPPORTED;
    }
    if (!read_written(&address)) {
        (void)snprintf(
            text, text_bytes,
            "%s: not an address; write permit://HOST:7417 or unix:///PATH",
            address.written);
        return PERMIT_E_INVALID;
    }
    *servers += length + ((*servers)[length] == ',' ? 1 : 0);
    *ret_address = address;
    return PERMIT_OK;
}

enum permit_status address_check(const char *servers, char *text,
                                 size_t text_bytes)
{
    struct address address;
    enum permit_status status;
    size_t count = address_count(servers);

    do {
        status = address_read(&servers, &address, text, text_bytes);
    } while (status == PERMIT_OK && --count > 0);
    return status;
}

size_t address_count(const char *servers)
{
    size_t count = 1;

    for (; *servers != '\0'; servers++) {
        count += *servers == ',';
    }
    return count;
}
