/* SPDX-License-Identifier: MIT */
#ifndef SESSION_PRIVATE_H
#define SESSION_PRIVATE_H

/* What session.c, opening.c, requests.c, effects.c, waiting.c and views.c
 * share: one module in six files. */

#include "answers.h"
#include "frame.h"
#include "labels.h"
#include "session.h"
#include "takes.h"
#include "wire.h"

/* An acquire that waits and asked for Waiting pushes. */
struct watcher {
    struct session *session;
    uint64_t acquire_id;
    uint64_t due_ns;          /* Of its next push. */
    struct wire_waiting sent; /* Position 0: nothing yet. */
    uint64_t sent_oldest;     /* The oldest holder's grant then. */
    struct watcher *next;     /* Of all, the next to be due first. */
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
    struct take *undone; /* Is given back when the engine has no work. */
    struct wire_arena arena;
    uint32_t slots[LIMIT_SLOTS_MAX]; /* Of a page of holders. */
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

/* ---------------------------------------------------------------- effects.c */

/* Applies an event and carries out what it causes, as far as the engine gets.
 */
void sessions_do(struct sessions *sessions, const struct engine_event *event);

/* Carries out the effects that wait. */
void sessions_carry_out(struct sessions *sessions);

/* Gives an answer to its request. Of Granted, `granted` says the slots (NULL:
 * there are none), and is_lost that it is lost by now. */
void session_answer(struct session *session, uint64_t id,
                    const struct answer *answer,
                    const struct wire_live_grant *granted, bool is_lost);

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

/* A grant as its session is told of it again; its part and slots are written to
 * part and slots. */
struct wire_live_grant session_live_grant(const struct sessions *sessions,
                                          const struct engine_grant_view *view,
                                          struct permit_part_info *part,
                                          uint32_t slots[LIMIT_SLOTS_MAX]);

int64_t age_ms(uint64_t now_ns, uint64_t since_ns);

#endif
