/* SPDX-License-Identifier: MIT */
#include "permit/error.h"

const char *permit_strerror(enum permit_status status)
{
    switch (status) {
    case PERMIT_OK:
        return "ok";
#define X(name, value, json, text)                                             \
    case name:                                                                 \
        return text;
        PERMIT_ERROR_MAP(X)
#undef X
    }
    return "unknown status";
}

const char *permit_status_name(enum permit_status status)
{
    switch (status) {
    case PERMIT_OK:
        return "PERMIT_OK";
#define X(name, value, json, text)                                             \
    case name:                                                                 \
        return #name;
        PERMIT_ERROR_MAP(X)
#undef X
    }
    return "PERMIT_E_UNKNOWN";
}

const char *permit_status_reason(enum permit_status status)
{
    switch (status) {
    case PERMIT_OK:
        return "ok";
#define X(name, value, json, text)                                             \
    case name:                                                                 \
        return json;
        PERMIT_ERROR_MAP(X)
#undef X
    }
    return "unknown";
}

const char *permit_loss_name(enum permit_loss loss)
{
    switch (loss) {
#define X(name, value, json, text)                                             \
    case name:                                                                 \
        return json;
        PERMIT_LOSS_MAP(X)
#undef X
    }
    return "unknown";
}
