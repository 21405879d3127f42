/* SPDX-License-Identifier: MIT */
#ifndef ENGINE_LIMITS_H
#define ENGINE_LIMITS_H

/* Every maximum of the daemon, named once, with its default: constants first,
 * then those that the configuration may change.
 *
 * Law: what has a limit is compared with it before memory is taken for it. */

#include <stdint.h>

#define NS_PER_MS UINT64_C(1000000)
#define TIME_NEVER UINT64_MAX

/* Constants: part of the protocol, or of the engine's law. */
#define LIMIT_PERMITS_MAX 2147483647u
#define LIMIT_NAME_BYTES_MAX 128
#define LIMIT_SLOTS_MAX 1024 /* Permits of a semaphore with slots. */
#define LIMIT_PARTS_MAX 8    /* Semaphores of one acquire. */
#define LIMIT_PRIORITY_MAX 7
#define LIMIT_BYPASS_MAX 65535
#define LIMIT_OUTCOME_BYTES_MAX 4096
#define LIMIT_PER_MS_MAX UINT64_C(31622400000) /* A leap year. */
#define LIMIT_HOLDS 1000                       /* That a mean is taken of. */
#define LIMIT_HOLDS_MIN 10                     /* Fewer are no data. */
#define LIMIT_STEPS_MAX 256                    /* Of one call of the engine. */

/* X(name, type, default, what it bounds). The name is the key under `limits` in
 * the configuration. */
#define ENGINE_LIMITS_MAP(X)                                                   \
    X(max_sessions, uint32_t, 20000, "sessions")                               \
    X(max_semaphores, uint32_t, 100000, "semaphores")                          \
    X(max_semaphores_with_slots, uint32_t, 10000, "those that have slots")     \
    X(max_semaphores_with_estimates, uint32_t, 10000,                          \
      "those that refuse the hopeless")                                        \
    X(max_templated, uint32_t, 10000, "those that templates made")             \
    X(max_templated_per_session, uint32_t, 1024, "those made for one session") \
    X(max_waiters, uint32_t, 1000000, "places in all queues")                  \
    X(max_grants, uint32_t, 1000000, "parts of all grants")                    \
    X(max_lost, uint32_t, 65536, "lost grants that are remembered")            \
    X(max_waiters_per_session, uint32_t, 1024, "waiters of one session")       \
    X(max_grants_per_session, uint32_t, 1024, "grants of one session")

struct engine_limits {
#define X(name, type, value, text) type name;
    ENGINE_LIMITS_MAP(X)
#undef X
};

#define ENGINE_LIMITS_DEFAULT                                                  \
    {                                                                          \
        ENGINE_LIMITS_MAP(ENGINE_LIMITS_DEFAULT_VALUE)                         \
    }
#define ENGINE_LIMITS_DEFAULT_VALUE(name, type, value, text) .name = (value),

/* What a new semaphore gets where its definition names nothing. */
#define DEFAULT_MAX_QUEUE 1000
#define DEFAULT_PRIORITY_STEP_MS 10000
#define DEFAULT_PER_MS 1000 /* The period of a RATE. */

/* Of connections and sessions; the engine does not know them. */
#define SESSION_LIMITS_MAP(X)                                                  \
    X(max_connections, uint32_t, 10000, "connections")                         \
    X(max_connections_before_hello, uint32_t, 1000,                            \
      "connections that have not said Hello")                                  \
    X(max_connections_per_address_before_hello, uint32_t, 100,                 \
      "those of one address")                                                  \
    X(max_answers_per_session, uint32_t, 16384,                                \
      "answers kept for a request that is sent again")                         \
    X(max_in_flight, uint32_t, 1024,                                           \
      "requests without an answer, waiters excepted")                          \
    X(hello_timeout_ms, uint32_t, 5000, "time to say Hello")                   \
    X(frame_timeout_ms, uint32_t, 10000, "time for a frame once begun")        \
    X(max_input_buffer, uint32_t, 65536, "unread input, in bytes")             \
    X(max_output_buffer, uint32_t, 1048576, "unsent output, in bytes")         \
    X(max_output_before_hello, uint32_t, 16384,                                \
      "unsent output before Hello, in bytes")                                  \
    X(slow_client_timeout_ms, uint32_t, 10000,                                 \
      "time without progress of unsent output")                                \
    X(max_http_connections, uint32_t, 64, "HTTP connections")

struct session_limits {
#define X(name, type, value, text) type name;
    SESSION_LIMITS_MAP(X)
#undef X
};

#define SESSION_LIMITS_DEFAULT                                                 \
    {                                                                          \
        SESSION_LIMITS_MAP(ENGINE_LIMITS_DEFAULT_VALUE)                        \
    }

#define SESSION_HEARTBEAT_MS 5000
#define SESSION_TIMEOUT_FACTOR 3 /* Session timeout, in heartbeats. */
#define SESSION_LINGER_MAX_MS INT64_C(3600000) /* The most a client gets. */
#define SESSION_GRACE_MS 5000 /* From Lost to the end of a forced grant. */

_Static_assert(LIMIT_PERMITS_MAX == INT32_MAX, "permits are 31 bits wide");

#endif
