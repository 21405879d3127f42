/* SPDX-License-Identifier: MIT */
#ifndef CLIENT_SIZED_H
#define CLIENT_SIZED_H

/* Public structs that grow: each begins with its size, so that a program and a
 * library of different versions understand each other. */

#include <stddef.h>

#include "permit/error.h"

/* Copies *from, a struct that begins with a size_t struct_size, over *to, which
 * has the defaults of a library whose struct has to_bytes. first_bytes is what
 * the struct had in its first version.
 *
 * Returns PERMIT_OK; PERMIT_E_INVALID if struct_size is none (the _INIT macro
 * was forgotten); PERMIT_E_UNSUPPORTED if it has more than this library knows,
 * and not zero: then *to is untouched. */
enum permit_status sized_copy(void *to, size_t to_bytes, const void *from,
                              size_t first_bytes);

/* The other way: copies *from, of from_bytes, over *ret_to, as much as both
 * have. Returns PERMIT_OK, or PERMIT_E_INVALID if ret_to's struct_size is none.
 */
enum permit_status sized_give(void *ret_to, const void *from, size_t from_bytes,
                              size_t first_bytes);

#endif
