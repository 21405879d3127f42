/* SPDX-License-Identifier: MIT */
#include "sized.h"

#include <string.h>

/* Larger is no struct that anybody fills in. */
#define STRUCT_BYTES_MAX 4096u

enum permit_status sized_copy(void *to, size_t to_bytes, const void *from,
                              size_t first_bytes)
{
    const unsigned char *bytes = from;
    size_t size;

    memcpy(&size, from, sizeof(size));
    if (size < first_bytes || size > STRUCT_BYTES_MAX) {
        return PERMIT_E_INVALID;
    }
    for (size_t i = to_bytes; i < size; i++) {
        if (bytes[i] != 0) {
            return PERMIT_E_UNSUPPORTED;
        }
    }
    size = size < to_bytes ? size : to_bytes;
    memcpy((unsigned char *)to + sizeof(size), bytes + sizeof(size),
           size - sizeof(size));
    return PERMIT_OK;
}

enum permit_status sized_give(void *ret_to, const void *from, size_t from_bytes,
                              size_t first_bytes)
{
    size_t size;

    memcpy(&size, ret_to, sizeof(size));
    if (size < first_bytes || size > STRUCT_BYTES_MAX) {
        return PERMIT_E_INVALID;
    }
    size = size < from_bytes ? size : from_bytes;
    memcpy((unsigned char *)ret_to + sizeof(size),
           (const unsigned char *)from + sizeof(size), size - sizeof(size));
    return PERMIT_OK;
}
