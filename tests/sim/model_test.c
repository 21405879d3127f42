/* SPDX-License-Identifier: MIT */

/* The model against stories that can be checked by reading: it judges the
 * engine, so somebody has to judge it. Each story begins with the sessions s101
 * and s102 (timeout 100 ms) and the semaphore `jobs` of 2 permits. */

#include "model.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "transcript.h"

#define AT(ms) .now_ns = (ms)*NS_PER_MS
#define FROM(session, request) .session_id = (session), .request_id = (request)
#define PARTS(...) ((const struct engine_part[]){__VA_ARGS__})
#define PARTS_COUNT(...)                                                       \
    (sizeof(PARTS(__VA_ARGS__)) / sizeof(struct engine_part))
#define OF(name, n)                                                            \
    {                                                                          \
        .semaphore = (name), .permits = (n)                                    \
    }
/* The parts come last. */
#define ASK(ms, session, request, wait, hold, more, ...)                       \
    {                                                                          \
        .type = ENGINE_ACQUIRE, AT(ms), FROM(session, request), .acquire = {   \
            .parts = PARTS(__VA_ARGS__),                                       \
            .parts_count = PARTS_COUNT(__VA_ARGS__),                           \
            .wait_ms = (wait),                                                 \
            .hold_ms = (hold),                                                 \
            more                                                               \
        }                                                                      \
    }
#define ACQUIRE(ms, session, request, n, wait, hold)                           \
    ASK(ms, session, request, wait, hold, , OF("jobs", n))
#define WHY(ms, session, request, ...)                                         \
    {                                                                          \
        .type = ENGINE_WHY, AT(ms), FROM(session, request), .acquire = {       \
            .parts = PARTS(__VA_ARGS__),                                       \
            .parts_count = PARTS_COUNT(__VA_ARGS__)                            \
        }                                                                      \
    }
/* Of the whole, or of some permits of jobs. */
#define RELEASE(ms, session, request, acquire, n)                              \
    {                                                                          \
        .type = ENGINE_RELEASE, AT(ms), FROM(session, request), .release = {   \
            .acquire_id = (acquire),                                           \
            .parts = PARTS(OF("jobs", n)),                                     \
            .parts_count = (n) > 0                                             \
        }                                                                      \
    }
#define RELEASE_PART(ms, session, request, acquire, name, n)                   \
    {                                                                          \
        .type = ENGINE_RELEASE, AT(ms), FROM(session, request), .release = {   \
            .acquire_id = (acquire),                                           \
            .parts = PARTS(OF(name, n)),                                       \
            .parts_count = 1                                                   \
        }                                                                      \
    }
#define RELEASE_WITH(ms, session, request, acquire, text)                      \
    {                                                                          \
        .type = ENGINE_RELEASE, AT(ms), FROM(session, request), .release = {   \
            .acquire_id = (acquire),                                           \
            .outcome = (const uint8_t *)(text),                                \
            .outcome_bytes = sizeof(text) - 1                                  \
        }                                                                      \
    }
#define SETTLE(ms, session, request, acquire, name, n)                         \
    {                                                                          \
        .type = ENGINE_SETTLE, AT(ms), FROM(session, request), .settle = {     \
            .acquire_id = (acquire),                                           \
            .actual = PARTS(OF(name, n)),                                      \
            .actual_count = 1                                                  \
        }                                                                      \
    }
#define DEFINE(ms, name, ...)                                                  \
    {                                                                          \
        .type = ENGINE_DEFINE, AT(ms), .request_id = 1, .define = {            \
            .semaphore = (name),                                               \
            .definition = {__VA_ARGS__}                                        \
        }                                                                      \
    }
#define PERMITS(n) .fields = ENGINE_FIELD_PERMITS, .permits = (n)
#define BYPASS(n) .fields = ENGINE_FIELD_BYPASS, .bypass = (n)
#define SHARE(n) .fields = ENGINE_FIELD_PER_SESSION, .per_session = (n)
#define SHADOW .fields = ENGINE_FIELD_SHADOW, .shadow = true
#define RATE(tokens, ms, most)                                                 \
    .fields = ENGINE_FIELD_KIND | ENGINE_FIELD_RATE | ENGINE_FIELD_PER_MS |    \
              ENGINE_FIELD_BURST,                                              \
    .kind = ENGINE_RATE, .rate = (tokens), .per_ms = (ms), .burst = (most)
#define CANCEL(ms, session, request, acquire)                                  \
    {                                                                          \
        .type = ENGINE_CANCEL, AT(ms), FROM(session, request), .cancel = {     \
            .acquire_id = (acquire)                                            \
        }                                                                      \
    }
#define RESIZE(ms, n) DEFINE(ms, "jobs", PERMITS(n))
#define NUMBERED(n, on)                                                        \
    DEFINE(0, "jobs", .fields = ENGINE_FIELD_PERMITS | ENGINE_FIELD_SLOTS,     \
           .permits = (n), .slots = (on))
#define DELETE(ms, forced, grace)                                              \
    {                                                                          \
        .type = ENGINE_DELETE, AT(ms), .request_id = 1, .delete = {            \
            .semaphore = "jobs",                                               \
            .force = (forced),                                                 \
            .grace_ms = (grace)                                                \
        }                                                                      \
    }
#define TOKENS(n)                                                              \
    DEFINE(0, "tokens", .fields = ENGINE_FIELD_KIND | ENGINE_FIELD_PERMITS,    \
           .kind = ENGINE_COUNTING, .permits = (n))
#define TAKE(ms, session, request, n, wait, for_good)                          \
    ASK(ms, session, request, wait, 0, ,                                       \
        {.semaphore = "tokens", .permits = (n), .consume = (for_good)})
#define POST(ms, session, request, n)                                          \
    {                                                                          \
        .type = ENGINE_POST, AT(ms), FROM(session, request), .post = {         \
            .semaphore = "tokens",                                             \
            .permits = (n)                                                     \
        }                                                                      \
    }
#define OPEN(ms, timeout, linger, resume, end)                                 \
    {                                                                          \
        .type = ENGINE_SESSION_OPEN, AT(ms), .session_open = {                 \
            (timeout),                                                         \
            (linger),                                                          \
            (resume),                                                          \
            (end)                                                              \
        }                                                                      \
    }
#define HANG_UP(ms, session)                                                   \
    {                                                                          \
        .type = ENGINE_SESSION_DISCONNECT, AT(ms), .session_id = (session),    \
        .session_disconnect = {                                                \
            true                                                               \
        }                                                                      \
    }
#define RENEW(ms, session, request, acquire, hold)                             \
    {                                                                          \
        .type = ENGINE_RENEW, AT(ms), FROM(session, request), .renew = {       \
            (acquire),                                                         \
            (hold)                                                             \
        }                                                                      \
    }
#define VERIFY(ms, session, request, grant, of_fence)                          \
    {                                                                          \
        .type = ENGINE_VERIFY, AT(ms), FROM(session, request), .verify = {     \
            (grant),                                                           \
            (of_fence)                                                         \
        }                                                                      \
    }
#define PLAIN(ms, kind, session)                                               \
    {                                                                          \
        .type = (kind), AT(ms), .session_id = (session)                        \
    }

#define GOT(session, request, grant, waited, hold, parts)                      \
    "  -> s" #session " r" #request " acquire: ok grant=" #grant               \
    " waited=" #waited " hold=" #hold parts "\n"
#define GRANTED(session, request, grant, waited, hold, n)                      \
    GOT(session, request, grant, waited, hold, " jobs " #n)
#define NUMBERS(session, request, grant, n, slots)                             \
    GOT(session, request, grant, 0, 0, " jobs " #n " slots=" slots)
#define REFUSED(session, request, why)                                         \
    "  -> s" #session " r" #request " acquire: " why "\n"
#define DONE(session, request, what)                                           \
    "  -> s" #session " r" #request " " what "\n"

#define STEPS_MAX 8

static const struct {
    const char *name;
    struct engine_event events[STEPS_MAX]; /* Until one without a type. */
    const char *expected;
} stories[] = {
    {"a release serves whoever came first, however many it needs",
     {ACQUIRE(0, 101, 1, 2, 0, 0), ACQUIRE(1, 102, 2, 2, -1, 0),
      ACQUIRE(2, 101, 3, 1, -1, 0), RELEASE(3, 101, 4, 1, 1),
      ACQUIRE(4, 102, 5, 1, 0, 0), RELEASE(5, 101, 6, 1, 0)},
     GRANTED(101, 1, 103, 0, 0, 2) DONE(101, 4, "release: ok")
         REFUSED(102, 5,
                 "would_block jobs position=3 in_the_way=3 retry=0 "
                 "oldest=s101") DONE(101, 6, "release: ok")
             GRANTED(102, 2, 104, 4, 0, 2)},
    {"a late timer never turns a timeout into a grant",
     {ACQUIRE(0, 101, 1, 2, 0, 0), ACQUIRE(0, 102, 2, 1, 50, 0),
      RELEASE(51, 101, 3, 1, 0)},
     GRANTED(101, 1, 103, 0, 0, 2) REFUSED(
         102, 2, "timeout jobs position=1 in_the_way=1 retry=0 oldest=s101")
         DONE(101, 3, "release: ok")},
    {"what gives back goes before what ends a wait",
     {ACQUIRE(0, 101, 1, 2, 0, 50), ACQUIRE(0, 102, 2, 1, 50, 0),
      ACQUIRE(0, 102, 3, 2, 50, 0), PLAIN(50, ENGINE_TICK, 0)},
     GRANTED(101, 1, 103, 0, 50, 2)
         DONE(101, 1, "LOST grant=103 reason=1 grace=0")
             GRANTED(102, 2, 104, 50, 0, 1) REFUSED(
                 102, 3,
                 "timeout jobs position=1 in_the_way=1 retry=0 oldest=s102")},
    {"a grant is made at its due time, not when the timer runs",
     {ACQUIRE(0, 101, 1, 2, 0, 10), ACQUIRE(0, 102, 2, 2, -1, 10),
      PLAIN(30, ENGINE_TICK, 0)},
     GRANTED(101, 1, 103, 0, 10, 2)
         DONE(101, 1, "LOST grant=103 reason=1 grace=0")
             GRANTED(102, 2, 104, 10, 10, 2)
                 DONE(102, 2, "LOST grant=104 reason=1 grace=0")},
    {"a cancel unblocks those behind",
     {ACQUIRE(0, 101, 1, 1, 0, 0), ACQUIRE(0, 101, 2, 2, -1, 0),
      ACQUIRE(0, 102, 3, 1, -1, 0), CANCEL(5, 101, 4, 2)},
     GRANTED(101, 1, 103, 0, 0, 1) REFUSED(101, 2, "cancelled")
         DONE(101, 4, "cancel: ok cancelled") GRANTED(102, 3, 104, 5, 0, 1)},
    {"the end of a session gives back what it holds and no more",
     {ACQUIRE(0, 101, 1, 1, 0, 0), ACQUIRE(0, 101, 2, 1, 0, 0),
      ACQUIRE(0, 101, 3, 1, -1, 0), ACQUIRE(0, 102, 4, 2, -1, 0),
      PLAIN(7, ENGINE_SESSION_END, 101)},
     GRANTED(101, 1, 103, 0, 0, 1) GRANTED(101, 2, 104, 0, 0, 1)
         GRANTED(102, 4, 105, 7, 0, 2) DONE(101, 0, "ENDED how=1")},
    {"who has no connection is set aside, and ends by silence",
     {ACQUIRE(0, 101, 1, 1, 0, 0), ACQUIRE(0, 101, 2, 2, -1, 0),
      ACQUIRE(0, 102, 3, 1, -1, 0), PLAIN(7, ENGINE_SESSION_DISCONNECT, 101),
      PLAIN(99, ENGINE_TICK, 0), PLAIN(100, ENGINE_TICK, 0)},
     GRANTED(101, 1, 103, 0, 0, 1) GRANTED(102, 3, 104, 7, 0, 1)
         DONE(101, 0, "ENDED how=2") DONE(102, 0, "ENDED how=2")},
    {"a fin starts the linger, which a resume ends",
     {OPEN(0, 100, 20, 0, 0), ACQUIRE(1, 103, 1, 2, 0, 0),
      ACQUIRE(2, 101, 2, 1, -1, 0), HANG_UP(7, 103), OPEN(26, 1, 0, 103, 0),
      HANG_UP(30, 103), PLAIN(49, ENGINE_TICK, 0), PLAIN(50, ENGINE_TICK, 0)},
     DONE(103, 0, "open: ok") GRANTED(103, 1, 104, 0, 0, 2)
         DONE(103, 0, "open: ok") GRANTED(101, 2, 105, 48, 0, 1)
             DONE(103, 0, "ENDED how=2")},
    {"who is silent lingers then",
     {OPEN(0, 30, 20, 0, 0), PLAIN(29, ENGINE_TICK, 0),
      PLAIN(31, ENGINE_TICK, 0), PLAIN(49, ENGINE_TICK, 0),
      PLAIN(50, ENGINE_TICK, 0)},
     DONE(103, 0, "open: ok") DONE(103, 0, "SILENT")
         DONE(103, 0, "ENDED how=2")},
    {"what the server closes has its timeout and its linger",
     {OPEN(0, 30, 20, 0, 0), PLAIN(10, ENGINE_SESSION_DISCONNECT, 103),
      PLAIN(49, ENGINE_TICK, 0), OPEN(50, 90, 0, 103, 0)},
     DONE(103, 0, "open: ok") DONE(103, 0, "ENDED how=2")
         DONE(104, 0, "open: ok")},
    {"who comes back has kept his place",
     {OPEN(0, 90, 20, 0, 0), ACQUIRE(0, 101, 1, 2, 0, 0),
      ACQUIRE(1, 103, 2, 2, -1, 0), ACQUIRE(2, 102, 3, 1, -1, 0),
      HANG_UP(3, 103), RELEASE(4, 101, 4, 1, 1), OPEN(5, 1, 0, 103, 0),
      PLAIN(6, ENGINE_SESSION_END, 102)},
     DONE(103, 0, "open: ok") GRANTED(101, 1, 104, 0, 0, 2)
         DONE(101, 4, "release: ok") GRANTED(102, 3, 105, 2, 0, 1)
             DONE(103, 0, "open: ok") DONE(102, 0, "ENDED how=1")},
    {"a session is ended before another opens",
     {ACQUIRE(0, 101, 1, 2, 0, 0), ACQUIRE(1, 102, 2, 1, -1, 0),
      OPEN(3, 50, 0, 101, 101)},
     GRANTED(101, 1, 103, 0, 0, 2) GRANTED(102, 2, 104, 2, 0, 1)
         DONE(101, 0, "ENDED how=1") DONE(105, 0, "open: ok")},
    {"a renewed hold counts anew, and a lost one is gone",
     {ACQUIRE(0, 101, 1, 1, 0, 10), RENEW(5, 101, 2, 1, 0),
      RENEW(6, 102, 3, 1, 0), VERIFY(14, 102, 4, 103, 103),
      VERIFY(14, 102, 5, 103, 102), VERIFY(15, 102, 6, 103, 103),
      RENEW(16, 101, 7, 1, 9)},
     GRANTED(101, 1, 103, 0, 10, 1) DONE(101, 2, "renew: ok hold=10")
         DONE(102, 3, "renew: not_held") DONE(102, 4, "verify: ok")
             DONE(102, 5, "verify: not_held")
                 DONE(101, 1, "LOST grant=103 reason=1 grace=0") DONE(
                     102, 6, "verify: expired") DONE(101, 7, "renew: expired")},
    {"a shrink revokes nobody and refuses what became impossible",
     {ACQUIRE(0, 101, 1, 2, 0, 0), ACQUIRE(0, 102, 2, 2, -1, 0),
      ACQUIRE(0, 102, 3, 1, -1, 0), RESIZE(1, 1), RELEASE(2, 101, 4, 1, 1),
      RELEASE(3, 101, 5, 1, 1)},
     GRANTED(101, 1, 103, 0, 0, 2) DONE(0, 1, "define: ok")
         REFUSED(102, 2, "impossible") DONE(101, 4, "release: ok")
             DONE(101, 5, "release: ok") GRANTED(102, 3, 104, 3, 0, 1)},
    {"nobody gives back twice, too much, or what was lost",
     {ACQUIRE(0, 101, 1, 1, 0, 9), ACQUIRE(0, 101, 2, 1, 0, 0),
      RELEASE(1, 101, 3, 2, 2), RELEASE(1, 101, 4, 2, 0),
      RELEASE(1, 101, 5, 2, 0), RELEASE(1, 102, 6, 1, 0),
      RELEASE(9, 101, 7, 1, 0)},
     GRANTED(101, 1, 103, 0, 9, 1) GRANTED(101, 2, 104, 0, 0, 1)
         DONE(101, 3, "release: over_release") DONE(101, 4, "release: ok")
             DONE(101, 5, "release: not_held") DONE(102, 6, "release: not_held")
                 DONE(101, 1, "LOST grant=103 reason=1 grace=0")
                     DONE(101, 7, "release: expired")},
    {"a forced delete frees the name at once and the grants with a grace",
     {ACQUIRE(0, 101, 1, 2, 0, 0), ACQUIRE(0, 102, 2, 1, -1, 0),
      DELETE(1, false, 5), DELETE(1, true, 5), ACQUIRE(2, 102, 3, 1, 0, 0),
      RELEASE(5, 101, 4, 1, 1), PLAIN(6, ENGINE_TICK, 0),
      RELEASE(6, 101, 5, 1, 1)},
     GRANTED(101, 1, 103, 0, 0, 2) DONE(0, 1, "delete: conflict")
         DONE(0, 1, "delete: ok") REFUSED(102, 2, "not_found")
             DONE(101, 1, "LOST grant=103 reason=5 grace=5")
                 REFUSED(102, 3, "not_found") DONE(101, 4, "release: ok")
                     DONE(101, 5, "release: expired")},
    {"a post serves who waits, and tells what is left",
     {TOKENS(0), TAKE(0, 101, 1, 2, -1, false), TAKE(0, 102, 2, 1, -1, true),
      POST(3, 102, 3, 5), RELEASE(4, 101, 4, 1, 0), RELEASE(4, 102, 5, 2, 0),
      POST(5, 0, 6, LIMIT_PERMITS_MAX - 3),
      POST(5, 0, 7, LIMIT_PERMITS_MAX - 4)},
     DONE(0, 1, "define: ok") GOT(101, 1, 103, 3, 0, " tokens 2")
         GOT(102, 2, 104, 3, 0, " tokens 1 for good")
             DONE(102, 3, "post: ok available=2") DONE(101, 4, "release: ok")
                 DONE(102, 5, "release: not_held")
                     DONE(0, 6, "post: overflow available=0")
                         DONE(0, 7, "post: ok available=2147483647")},
    {"the turn of who has used up his grants is over",
     {RESIZE(0, 1000), ACQUIRE(0, 101, 1, 1, 0, 0), ACQUIRE(0, 101, 2, 1, 0, 0),
      ACQUIRE(0, 102, 3, 998, 0, 0), ACQUIRE(0, 101, 4, 1, -1, 0),
      ACQUIRE(0, 102, 5, 1, -1, 0), RELEASE(8, 102, 6, 3, 0)},
     DONE(0, 1, "define: ok") GRANTED(101, 1, 103, 0, 0, 1)
         GRANTED(101, 2, 104, 0, 0, 1) GRANTED(102, 3, 105, 0, 0, 998)
             DONE(102, 6, "release: ok") REFUSED(101, 4, "too_many")
                 GRANTED(102, 5, 106, 8, 0, 1)},
    {"a grant gets the lowest slots, and of a part the highest come back",
     {NUMBERED(4, true), ACQUIRE(0, 101, 1, 2, 0, 0),
      ACQUIRE(0, 102, 2, 2, 0, 0), RELEASE(0, 102, 3, 2, 1),
      RELEASE(0, 101, 4, 1, 1), ACQUIRE(0, 102, 5, 2, 0, 0),
      NUMBERED(4, false)},
     DONE(0, 1, "define: ok") NUMBERS(101, 1, 103, 2, "0-1")
         NUMBERS(102, 2, 104, 2, "2-3") DONE(102, 3, "release: ok")
             DONE(101, 4, "release: ok") NUMBERS(102, 5, 105, 2, "1,3")
                 DONE(0, 1, "define: conflict")},
    {"slots beyond a shrink retire as they come back",
     {NUMBERED(2, true), ACQUIRE(0, 101, 1, 1, 0, 0),
      ACQUIRE(0, 101, 2, 1, 0, 0), NUMBERED(1, true),
      ACQUIRE(0, 102, 3, 1, -1, 0), RELEASE(0, 101, 4, 1, 0),
      RELEASE(0, 101, 5, 2, 0), NUMBERED(1025, true)},
     DONE(0, 1, "define: ok") NUMBERS(101, 1, 103, 1, "0")
         NUMBERS(101, 2, 104, 1, "1") DONE(0, 1, "define: ok")
             DONE(101, 4, "release: ok") DONE(101, 5, "release: ok")
                 NUMBERS(102, 3, 105, 1, "0") DONE(0, 1, "define: invalid")},
    {"only so many wait, and a drain refuses them",
     {ACQUIRE(0, 101, 1, 2, 0, 0), ACQUIRE(0, 101, 2, 1, -1, 0),
      ACQUIRE(0, 101, 3, 1, -1, 0), ACQUIRE(0, 101, 4, 1, -1, 0),
      PLAIN(1, ENGINE_DRAIN, 0), ACQUIRE(2, 102, 5, 1, -1, 0),
      RELEASE(3, 101, 6, 1, 0)},
     GRANTED(101, 1, 103, 0, 0, 2) REFUSED(101, 4, "too_many")
         REFUSED(101, 2, "draining") REFUSED(101, 3, "draining")
             REFUSED(102, 5, "draining") DONE(101, 6, "release: ok")},
    {"all parts are granted at once, or none",
     {DEFINE(0, "api", PERMITS(1)),
      ASK(0, 101, 1, 0, 0, , OF("jobs", 1), OF("api", 1)),
      ASK(1, 102, 2, -1, 0, , OF("api", 1), OF("jobs", 1)),
      ACQUIRE(2, 101, 3, 1, 0, 0), RELEASE_PART(3, 101, 4, 1, "api", 1),
      RELEASE(4, 102, 5, 2, 0)},
     DONE(0, 1, "define: ok") GOT(101, 1, 103, 0, 0, " jobs 1, api 1") REFUSED(
         101, 3,
         "would_block jobs position=2 in_the_way=1 retry=0 "
         "oldest=s101") DONE(101, 4, "release: ok")
         GOT(102, 2, 104, 2, 0, " api 1, jobs 1") DONE(102, 5, "release: ok")},
    {"a rate grants at the first nanosecond of a token",
     {DEFINE(0, "api", RATE(3, 10, 3)),
      ASK(0, 101, 1, 0, 0, , OF("api", 3)),
      ASK(0, 102, 2, 7, 0, , OF("api", 2)),
      ASK(0, 101, 3, 0, 0, , OF("api", 1)),
      {.type = ENGINE_TICK, .now_ns = 6666666},
      {.type = ENGINE_TICK, .now_ns = 6666667},
      ASK(10, 101, 4, 0, 0, , OF("api", 1)),
      ASK(10, 101, 5, 0, 0, , OF("api", 1))},
     DONE(0, 1, "define: ok") GOT(101, 1, 103, 0, 0, " api 3 for good") REFUSED(
         101, 3, "rate_limited api position=2 in_the_way=3 retry=10 oldest=s0")
         GOT(102, 2, 104, 6, 0, " api 2 for good") GOT(101, 4, 105, 0, 0,
                                                       " api 1 for good")
             REFUSED(101, 5,
                     "rate_limited api position=1 in_the_way=1 "
                     "retry=4 oldest=s0")},
    {"what was not used of a rate comes back, as far as there is room",
     {DEFINE(0, "api", RATE(1, 1000, 5)),
      ASK(0, 101, 1, 0, 0, .settle = true, OF("api", 5)),
      ASK(0, 102, 2, -1, 0, , OF("api", 3)), SETTLE(1, 101, 3, 1, "api", 6),
      SETTLE(1, 101, 4, 1, "api", 2), SETTLE(1, 101, 5, 1, "api", 2)},
     DONE(0, 1, "define: ok") GOT(101, 1, 103, 0, 0, " api 5")
         DONE(101, 3, "settle: invalid") DONE(101, 4, "settle: ok")
             GOT(102, 2, 104, 1, 0, " api 3 for good")
                 DONE(101, 5, "settle: not_held")},
    {"a bypass lets pass so often, and no more",
     {DEFINE(0, "jobs", BYPASS(1)), ACQUIRE(0, 101, 1, 1, 0, 0),
      ACQUIRE(0, 102, 2, 2, -1, 0), ACQUIRE(1, 101, 3, 1, 0, 0),
      RELEASE(2, 101, 4, 1, 0), ACQUIRE(2, 101, 5, 1, 0, 0),
      RELEASE(3, 101, 6, 3, 0)},
     DONE(0, 1, "define: ok") GRANTED(101, 1, 103, 0, 0, 1)
         GRANTED(101, 3, 104, 0, 0, 1) DONE(101, 4, "release: ok") REFUSED(
             101, 5,
             "would_block jobs position=2 in_the_way=2 retry=0 "
             "oldest=s101") DONE(101, 6, "release: ok")
             GRANTED(102, 2, 105, 3, 0, 2)},
    {"a priority counts as having come earlier",
     {ACQUIRE(0, 101, 1, 2, 0, 0), ACQUIRE(1, 101, 2, 2, -1, 0),
      ASK(2, 102, 3, -1, 0, .priority = 1, OF("jobs", 2)),
      RELEASE(3, 101, 4, 1, 0)},
     GRANTED(101, 1, 103, 0, 0, 2) DONE(101, 4, "release: ok")
         GRANTED(102, 3, 104, 1, 0, 2)},
    {"who has his share is set aside, and lets others pass",
     {DEFINE(0, "jobs", SHARE(1)), ACQUIRE(0, 101, 1, 1, 0, 0),
      ACQUIRE(1, 101, 2, 1, -1, 0), ACQUIRE(2, 102, 3, 1, -1, 0),
      ACQUIRE(3, 101, 4, 2, 0, 0), RELEASE(4, 101, 5, 1, 0)},
     DONE(0, 1, "define: ok") GRANTED(101, 1, 103, 0, 0, 1)
         GRANTED(102, 3, 104, 0, 0, 1) REFUSED(101, 4, "impossible")
             DONE(101, 5, "release: ok") GRANTED(101, 2, 105, 3, 0, 1)},
    {"a template makes on first use, and forgets what is idle",
     {DEFINE(0, "t/*", PERMITS(1)), ASK(0, 101, 1, 0, 0, , OF("t/1", 1)),
      ASK(0, 102, 2, 0, 0, , OF("t/1", 1)),
      ASK(0, 102, 3, 0, 0, , OF("t/2", 1)),
      ASK(0, 102, 4, 0, 0, , OF("t/*", 1)), RELEASE(1, 101, 5, 1, 0),
      ASK(1, 102, 6, 0, 0, , OF("t/2", 1))},
     DONE(0, 1, "define: ok") GOT(101, 1, 103, 0, 0, " t/1 1") REFUSED(
         102, 2, "would_block t/1 position=1 in_the_way=1 retry=0 oldest=s101")
         REFUSED(102, 3, "too_many") REFUSED(102, 4, "invalid")
             DONE(101, 5, "release: ok") GOT(102, 6, 104, 0, 0, " t/2 1")},
    {"in shadow all is granted",
     {DEFINE(0, "jobs", SHADOW), ACQUIRE(0, 101, 1, 2, 0, 0),
      ACQUIRE(0, 102, 2, 9, 0, 0), RELEASE(1, 102, 3, 2, 0)},
     DONE(0, 1, "define: ok") GRANTED(101, 1, 103, 0, 0, 2)
         GRANTED(102, 2, 104, 0, 0, 9) DONE(102, 3, "release: ok")},
    {"who joins has the outcome of a release, before others are served",
     {ACQUIRE(0, 101, 1, 2, 0, 0), ACQUIRE(1, 102, 2, 2, -1, 0),
      ASK(1, 102, 3, -1, 0, .join = true, OF("jobs", 1)),
      RELEASE_WITH(2, 101, 4, 1, "done")},
     GRANTED(101, 1, 103, 0, 0, 2) DONE(101, 4, "release: ok")
         REFUSED(102, 3, "ok joined (4) done") GRANTED(102, 2, 104, 1, 0, 2)},
    {"why tells what a try would be told, and changes nothing",
     {WHY(0, 101, 1, OF("jobs", 2)), WHY(0, 101, 2, OF("jobs", 3)),
      ACQUIRE(0, 101, 3, 1, 0, 0), WHY(0, 102, 4, OF("jobs", 2))},
     DONE(101, 1, "why: ok") DONE(101, 2, "why: impossible")
         GRANTED(101, 3, 103, 0, 0, 1)
             DONE(102, 4,
                  "why: would_block jobs position=1 in_the_way=1 retry=0 "
                  "oldest=s101")},
};

static void apply(struct model *model, const struct engine_event *event,
                  char *text, size_t size)
{
    char line[TRANSCRIPT_LINE_MAX];

    model_apply(model, event);
    for (size_t i = 0; i < model->effects_count; i++) {
        ck_assert_uint_lt(strlen(text) + TRANSCRIPT_LINE_MAX, size);
        strcat(text, transcript_effect(&model->effects[i], line));
        strcat(text, "\n");
    }
}

START_TEST(the_model_tells_the_story)
{
    static const struct engine_limits limits = {.max_sessions = 8,
                                                .max_semaphores = 8,
                                                .max_semaphores_with_slots = 1,
                                                .max_templated = 1,
                                                .max_templated_per_session = 1,
                                                .max_waiters = 8,
                                                .max_grants = 8,
                                                .max_lost = 8,
                                                .max_waiters_per_session = 2,
                                                .max_grants_per_session = 2};
    static const struct engine_event before[] = {
        {.type = ENGINE_SESSION_OPEN, .session_open = {.timeout_ms = 100}},
        {.type = ENGINE_SESSION_OPEN, .session_open = {.timeout_ms = 100}},
        {.type = ENGINE_DEFINE,
         .define = {"jobs", {.fields = ENGINE_FIELD_PERMITS, .permits = 2}}}};
    struct model *model = malloc(sizeof(*model));
    char text[16 * TRANSCRIPT_LINE_MAX] = "";

    ck_assert_ptr_nonnull(model);
    model_init(model, &limits, /* first_fence= */ 100);
    for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
        apply(model, &before[i], text, sizeof(text));
    }
    text[0] = '\0';
    for (size_t i = 0; i < STEPS_MAX && stories[_i].events[i].type != 0; i++) {
        apply(model, &stories[_i].events[i], text, sizeof(text));
    }
    ck_assert_msg(strcmp(text, stories[_i].expected) == 0,
                  "%s\n--- told\n%s--- expected\n%s", stories[_i].name, text,
                  stories[_i].expected);
    free(model);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sim_model");
    TCase *cases = tcase_create("stories");
    SRunner *runner;
    int failed;

    tcase_add_loop_test(cases, the_model_tells_the_story, 0,
                        sizeof(stories) / sizeof(stories[0]));
    suite_add_tcase(suite, cases);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
