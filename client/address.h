/* SPDX-License-Identifier: MIT */
#ifndef CLIENT_ADDRESS_H
#define CLIENT_ADDRESS_H

/* Addresses of servers as people write them: permit://HOST[:PORT], HOST[:PORT],
 * [V6]:PORT, unix:PATH, unix://PATH, and comma lists of them. It opens and
 * looks up nothing. */

#include <stdbool.h>
#include <stddef.h>

#include "permit/error.h"

#define ADDRESS_BYTES_MAX 512

struct address {
    char written[ADDRESS_BYTES_MAX]; /* As the user wrote it. */
    bool is_unix;
    char host[ADDRESS_BYTES_MAX]; /* Or the path. */
    char port[6];
};

/* Reads the first address of a list; *servers is then behind it and its comma.
 * Returns PERMIT_OK; PERMIT_E_INVALID or PERMIT_E_UNSUPPORTED (permits://), and
 * text says why. */
enum permit_status address_read(const char **servers,
                                struct address *ret_address, char *text,
                                size_t text_bytes);

/* Looks whether each address of a list makes sense. As address_read(). */
enum permit_status address_check(const char *servers, char *text,
                                 size_t text_bytes);

size_t address_count(const char *servers);

#endif
