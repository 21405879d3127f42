/* SPDX-License-Identifier: MIT */
#include "permit/error.h"

const char *permit_strerror(enum permit_status status)
{
    switch (status) {
    case PERMIT_OK:
        return "ok";
    case PERMIT_JOINED:
        return "a holder's outcome answered it";
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
    case PERMIT_JOINED:
        return "PERMIT_JOINED";
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
    case PERMIT_JOINED:
        return "joined";
#define X(name, value, json, text)                                             \
    case name:                                                                 \
        return json;
        PERMIT_ERROR_MAP(X)
#undef X
    }
    return "unknown";
}

bool permit_status_is_retriable(enum permit_status status)
{
    switch (status) {
    case PERMIT_E_WOULD_BLOCK:
    case PERMIT_E_TIMEOUT:
    case PERMIT_E_QUEUE_FULL:
    case PERMIT_E_RATE_LIMITED:
    case PERMIT_E_PAUSED:
    case PERMIT_E_DRAINING:
    case PERMIT_E_RECOVERING:
    case PERMIT_E_CONFLICT:
    case PERMIT_E_TOO_MANY:
    case PERMIT_E_UNAVAILABLE:
    case PERMIT_E_NOMEM:
    case PERMIT_E_DISCONNECTED:
        return true;
    case PERMIT_OK:
    case PERMIT_JOINED:
    case PERMIT_E_IMPOSSIBLE:
    case PERMIT_E_LIMIT_MISMATCH:
    case PERMIT_E_NOT_FOUND:
    case PERMIT_E_DENIED:
    case PERMIT_E_CANCELLED:
    case PERMIT_E_NOT_HELD:
    case PERMIT_E_OVER_RELEASE:
    case PERMIT_E_OVERFLOW:
    case PERMIT_E_EXPIRED:
    case PERMIT_E_INVALID:
    case PERMIT_E_UNSUPPORTED:
    case PERMIT_E_PROTOCOL:
    case PERMIT_E_NO_ANSWER:
    case PERMIT_E_OUTCOME_UNKNOWN:
    case PERMIT_E_VERSION:
    case PERMIT_E_TLS:
    case PERMIT_E_FORKED:
    case PERMIT_E_CLOSED:
    case PERMIT_E_LOST:
        break;
    }
    return false;
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
