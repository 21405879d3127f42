/* SPDX-License-Identifier: MIT */
#ifndef CLIENT_LIST_H
#define CLIENT_LIST_H

/* The rows of a permit_list, gathered page by page. It asks nobody.
 *
 * Law: its rows and their strings are its own, whatever page they came from. */

#include "permit/request.h"
#include "permit/result.h"
#include "wire.h"

/* Returns NULL without memory; else to be freed with permit_list_destroy(). The
 * allocator is copied; the name that is asked for is borrowed until the last
 * list_append(). */
struct permit_list *list_create(const struct permit_allocator *allocator,
                                enum wire_list_kind kind, const char *name);

/* Copies the rows of a page that was asked for at offset list count. Returns
 * PERMIT_OK; PERMIT_E_NOMEM; or PERMIT_E_PROTOCOL if they are not what was
 * asked for. */
enum permit_status list_append(struct permit_list *list,
                               const struct wire_page *page);

#endif
