/* SPDX-License-Identifier: MIT */
#ifndef SESSION_PRIVATE_H
#define SESSION_PRIVATE_H

/* What session.c, opening.c, requests.c, prepare.c, reads.c, effects.c,
 * replies.c, waiting.c and views.c share: one module in nine files. */

#include "answers.h"
#include "frame.h"
#include "labels.h"
#include "session.h"
#include "takes.h"
#include "wire.h"

/* What a Waiting tells, but for what time alone changes. Without gaps, for it
 * is compared as bytes. */
struct watched {
    uint64_t position; /* 0: nothing was told yet. */
    uint64_t permits_in_the_way;
    uint64_t queue_length;
    uint64_t held;
    uint64_t permits;
    uint64_t semaphore_hash;
    uint64_t oldest_session_id;
    uint64_t oldest_hold_ns;
};

/* An acquire that waits and asked for Waiting pushes. */
struct watcher {
    struct session *session;
    uint64_t acquire_id;
    uint64_t due_ns; /* Of its next push. */
    struct watched told;
    struct watcher *next; /* Of all, the next to be due first. */
    struct watcher *prev;
    struct watcher *next_own; /* Of its session, in order of arrival. */
    struct watcher *prev_own;
};

struct session {
    struct sessions *all;
    uint64_t connection_id; /* 0: it has no connection any more. */
    uint64_t id;            /* The engine's; 0: it has none. */
    uint64_t former_id;     /* What it was, for the log. */
    enum session_stage stage;
    const char *close_reason;
    bool has_said_bye; /* Done follows when the engine has ended it: until then
                        * it has work left, so nothing more is fed. */
    bool is_closing;   /* In `closing`. */
    uint64_t bye_id;
    uint64_t answered_below; /* As Hello said. */
    uint32_t fed_bytes; /* Output of the call of session_feed() under way. */
    uint32_t in_flight; /* Answers that have not left the gate. Feeding stops
                         * while the engine works, so no other request is
                         * without an answer, but for waiters. */
    struct answers answers;
    struct watcher *watchers;
    struct labels labels; /* Of its acquires that wait or hold. */
    struct takes takes;
    bool settles; /* It has asked for that, now or before. */
    uint8_t secret[WIRE_SECRET_BYTES];
    uint64_t pid;
    char *texts; /* name, host, purpose: one piece of memory. */
    const char *name;
    const char *host;
    const char *purpose;
    struct session *next_same_bucket;
    struct session *next; /* In `closing`. */
    struct session *prev;
    char address[]; /* Ends with a NUL. */
};

struct sessions {
    struct sessions_options options;
    uint64_t now_ns;          /* Of the call under way. */
    struct session **buckets; /* By id; as many as a power of two. */
    uint32_t buckets_count;
    struct session *opening; /* Its SESSION_OPEN is not answered yet. */
    struct session *closing; /* Stage CLOSING, not told yet. */
    struct watcher *watchers;
    enum permit_status own_status;
    const char *own_detail;
    bool has_failed;
    struct outcome *joined; /* The latest, or NULL: many get the same. */
    struct take *undone;    /* Is given back when the engine has no work. */
    struct wire_arena arena;
    /* Of an answer, or of a page of rows. */
    uint32_t slots[LIMIT_PARTS_MAX * LIMIT_SLOTS_MAX];
    struct permit_part_info parts[SESSION_VIEW_ROWS_MAX * LIMIT_PARTS_MAX];
    char templates[SESSION_VIEW_ROWS_MAX][LIMIT_NAME_BYTES_MAX + 1];
    uint8_t frame[FRAME_HEADER_BYTES + FRAME_BYTES_MAX];
};

/* ---------------------------------------------------------------- session.c */

/* Returns the session of that id, or NULL. */
struct session *session_find(const struct sessions *sessions, uint64_t id);

void session_enter(struct session *session); /* By its id. */
void session_leave(struct session *session);

/* Frees it, and all that it has. */
void session_free(struct session *session);

/* Gives a message to the gate, if there is a connection. */
void session_send(struct session *session,
                  const struct wire_server_message *message, bool is_answer);

void session_refuse(struct session *session, uint64_t id,
                    enum permit_status status, const char *detail);

/* Makes the stage CLOSING. */
void session_close(struct session *session, const char *reason);

/* --------------------------------------------------------------- opening.c */

/* Obeys the first message of a session. */
void session_open(struct session *session,
                  const struct wire_client_message *message);

/* The engine has opened `opening`, or went on with a former session for it, or
 * has no room. */
void session_carry_out_opening(struct sessions *sessions,
                               const struct engine_effect *effect);

/* --------------------------------------------------------------- requests.c */

/* Obeys one message of a session that is READY. */
void session_obey(struct session *session,
                  const struct wire_client_message *message);

/* ---------------------------------------------------------------- prepare.c */

/* A request as an event, which borrows its parts from here and the rest from
 * the message. */
struct prepared {
    struct engine_event event;
    struct engine_part parts[LIMIT_PARTS_MAX];
};

/* Returns false, with a detail, if it asks for what is not served. */
bool session_prepare(const struct session *session,
                     const struct wire_client_message *message,
                     struct prepared *ret_prepared, const char **ret_detail);

/* ------------------------------------------------------------------ reads.c */

/* Answers a request that only asks. Returns false if it is none. */
bool session_read(struct session *session,
                  const struct wire_client_message *message);

/* ---------------------------------------------------------------- effects.c */

/* Applies an event and carries out what it causes, as far as the engine gets.
 */
void sessions_do(struct sessions *sessions, const struct engine_event *event);

/* Carries out the effects that wait. */
void sessions_carry_out(struct sessions *sessions);

/* ---------------------------------------------------------------- replies.c */

/* Keeps the answer of a request, but of those that are done anew each time, and
 * sends it. */
void session_answer(struct session *session, uint64_t id,
                    const struct engine_answer *from);

/* Gives the first answer again, without the holder that a refusal names; who
 * has lost the grant meanwhile must not believe in it. */
void session_answer_again(struct session *session,
                          const struct wire_client_message *message,
                          const struct answer *former);

/* Is it a RATE? */
bool session_takes_tokens(const struct sessions *sessions,
                          const char *semaphore);

/* ---------------------------------------------------------------- waiting.c */

/* Returns a watcher that is not on any list yet, or NULL without memory. */
struct watcher *watcher_create(struct session *session, uint64_t acquire_id);
void watcher_start(struct watcher *watcher);

/* Forgets the watcher of an acquire, if it has one; or all of a session. */
void watcher_stop(struct session *session, uint64_t acquire_id);
void watcher_stop_all(struct session *session);

/* ------------------------------------------------------------------ views.c */

/* What is known of a session's client; texts are the session's own. */
void session_describe(const struct sessions *sessions, uint64_t session_id,
                      struct permit_client_info *ret_client);

/* Fills the parts of a grant, and writes their slots to slots. Returns how many
 * slots there are. */
uint32_t session_fill_parts(const struct sessions *sessions,
                            const struct engine_grant_view *view,
                            struct permit_part_info parts[LIMIT_PARTS_MAX],
                            uint32_t *slots);

/* A name, small enough to be kept; for comparing. */
uint32_t session_hash_name(const char *name);

/* As the wire has durations. */
static inline int64_t session_ms(uint64_t ms)
{
    return ms > INT64_MAX ? INT64_MAX : (int64_t)ms;
}

int64_t age_ms(uint64_t now_ns, uint64_t since_ns);

#endif
