/* SPDX-License-Identifier: MIT */
#ifndef CORE_PRIVATE_H
#define CORE_PRIVATE_H

/* What the files of the core share: core.c has the line and its bytes,
 * core_session.c the session over its lines, core_requests.c what is asked and
 * held, core_answers.c what the server says to it, core_walk.c what ends
 * without being answered. Nobody else includes it. */

#include "core.h"
#include "frame.h"
#include "id_table.h"
#include "memory.h"

#define NS_PER_MS INT64_C(1000000)
#define CORE_NOT_PUT UINT64_MAX

enum core_state {
    CORE_STATE_DOWN = 1,
    CORE_STATE_OPENING,  /* Hello is under way. */
    CORE_STATE_LISTING,  /* Welcome came, not all that it lists. */
    CORE_STATE_SETTLING, /* What that leaves is being told. */
    CORE_STATE_READY,
    CORE_STATE_BROKEN /* Its events are being drained. */
};

/* A look at each grant and each request, however many of them make an event. */
enum core_walk {
    CORE_WALK_NONE = 0,
    CORE_WALK_DUE,      /* What fell due. */
    CORE_WALK_ENDED,    /* The session has ended: all of it. */
    CORE_WALK_REPLACED, /* The same, but what never left is the next one's. */
    CORE_WALK_RESUMED   /* What Welcome did not list is lost. */
};

struct request {
    struct id_entry entry; /* First, so that an entry is its request. */
    enum wire_client_type type;
    int64_t asked_ns;
    int64_t deadline_ns;   /* Of its answer. */
    int64_t wait_until_ns; /* Acquire: CORE_NEVER without a limit. */
    uint64_t offset;       /* In this line's output, or CORE_NOT_PUT. */
    bool was_sent;         /* On a former line. */
    void *arg;
    bool is_silent;    /* Nobody waits for it: the core's own, or given up. */
    bool is_cancelled; /* Acquire. */
    bool join;         /* Acquire. */
    uint8_t consume;   /* Acquire: bit n is part n's. */
    uint8_t parts_count;
    uint32_t permits[WIRE_PARTS_MAX]; /* Acquire. */
    uint64_t released;                /* Release: all parts'; 0 is all. */
    int64_t hold_ms; /* Acquire, Renew: asked for; 0: no limit. */
    uint64_t grant;  /* Release, Settle, Renew: its acquire_id. */
    size_t frame_bytes;
    /* As it was asked first; behind it the names of what is to be consumed,
     * each with its NUL. */
    uint8_t frame[];
};
_Static_assert(WIRE_PARTS_MAX <= 8, "a bit of `consume` for each part");

struct held_grant {
    struct id_entry entry; /* By its acquire's id; first, as in request. */
    bool is_granted;       /* Else its acquire is under way. */
    bool is_listed;        /* By the Welcome that is being taken. */
    bool is_releasing;     /* As a whole. */
    enum permit_loss loss; /* 0: it is not lost. */
    bool settles;          /* It is kept, also, to be settled, */
    uint32_t settling;     /* for which so many Settles are under way. */
    uint64_t grant_id;
    uint64_t permits;   /* Of all its parts, but what was taken for good. */
    uint64_t releasing; /* Permits of Releases of a part, under way. */
    int64_t hold_ms;    /* In force, or asked for; 0: no limit. */
    int64_t until_ns;   /* Its hold's end; CORE_NEVER without one. */
    void *arg;          /* NULL: nobody wants to hear of it. */
};

_Static_assert(sizeof(((struct permit_session_key *)NULL)->secret) ==
                   WIRE_SECRET_BYTES,
               "a secret is what the wire says");

struct core {
    enum core_state state;
    struct permit_allocator allocator;
    struct permit_counters counters;
    int64_t now_ns;
    int64_t due_ns; /* Nothing falls due before it. */
    int64_t answer_timeout_ms;
    int64_t heartbeat_ms;

    uint64_t next_id;
    uint64_t hello_id;
    uint32_t requests_count;
    struct id_table requests;
    struct id_table grants;
    struct id_entry *next_put; /* The first request this line has not. */
    enum core_walk walk;
    struct id_entry *next_grant; /* Where the walk goes on. */
    struct id_entry *next_request;

    struct permit_session_key session;
    struct permit_session_key former; /* To be ended by the next Hello. */
    bool had_session;
    int64_t timeout_ns;
    int64_t linger_ns;
    int64_t alive_ns;          /* S: the sending of what was answered last. */
    bool is_believed;          /* The session, until */
    int64_t believed_until_ns; /* this. */
    uint64_t pages;            /* Of the Welcome being taken. */
    /* What has a lower id may be answered twice on this line: by itself, and
     * because it was sent again. */
    uint64_t repeats_below;

    int64_t welcome_by_ns;
    int64_t hello_sent_ns;
    int64_t ping_sent_ns;
    int64_t ping_interval_ns;
    int64_t unheard_ns; /* The first Ping since bytes came; CORE_NEVER. */

    bool has_preface; /* The server's has come. */
    uint8_t *input;
    size_t input_start; /* What is before it is used up. */
    size_t input_end;
    uint8_t *output;
    size_t output_start;
    size_t output_end;
    uint64_t output_total; /* Bytes of this line, ever put and ever sent. */
    uint64_t sent_total;

    struct wire_arena arena;
    struct wire_server_message message; /* The one being looked at. */
    bool was_welcome;                   /* On this line. */
    bool is_silent;                     /* Why it is down. */
    enum permit_status down_status;
    char down_text[CORE_TEXT_BYTES];
    char goaway_text[CORE_TEXT_BYTES]; /* What the server said before, */
    enum wire_goaway_reason goaway;    /* 0: nothing. */
    int64_t retry_after_ms;

    struct wire_hello hello; /* Its texts are in hello_text. */
    char hello_text[3][WIRE_TEXT_BYTES_MAX + 1];
};

static inline struct request *request_of(struct id_entry *entry)
{
    return (struct request *)entry;
}

static inline struct held_grant *grant_of(struct id_entry *entry)
{
    return (struct held_grant *)entry;
}

/* Sums and products of times saturate at CORE_NEVER. */
int64_t core_add_ns(int64_t a_ns, int64_t b_ns);
int64_t core_ns_from_ms(int64_t ms);

/* ------------------------------------------------------------ core_session.c
 */

/* The line broke because the server said nothing. */
void core_break_silent(struct core *core, const char *text);

/* Deals with core->message while the line is no session's yet. */
void core_take_opening(struct core *core);

/* All of Welcome is told: the line is the session's. */
void core_settle(struct core *core);

/* Keeps what Goaway says: the end of the line follows, or all goes on. */
void core_note_goaway(struct core *core);

/* A Pong came to what was sent at sent_ns. */
void core_alive(struct core *core, int64_t sent_ns);

/* What falls due of the line and its session; and when that is next. */
void core_take_line_due(struct core *core);
int64_t core_line_due(const struct core *core);

/* ----------------------------------------------------------- core_requests.c
 */

/* Asks something of the core's own; without memory the session ends, so that
 * the server gives back what the core could not. */
void core_ask_silently(struct core *core, struct wire_client_message *message);

/* Sends a Ping of the core's own. */
void core_ping(struct core *core);

void core_cancel_silently(struct core *core, struct request *acquire);

/* Releases a grant by its acquire's id, whoever it is. */
void core_release_silently(struct core *core, uint64_t acquire_id);

/* Releases a grant that nobody wants. */
void core_give_back(struct core *core, struct held_grant *grant);

/* The permits of an acquire's parts, but for what is to be consumed or, bit n
 * for part n, was taken for good. */
uint64_t core_held_permits(const struct request *acquire, uint32_t taken);

/* When a hold that counts from from_ns ends, for the client. */
int64_t core_hold_end(int64_t from_ns, int64_t hold_ms);

/* Something falls due at at_ns. */
void core_fall_due(struct core *core, int64_t at_ns);

/* A byte of it has left, on this line or another. */
bool core_was_sent(const struct core *core, const struct request *request);

/* Return NULL if there is none. */
struct request *core_find_request(const struct core *core, uint64_t id);
struct held_grant *core_find_grant(const struct core *core, uint64_t id);

/* Remove and free; core_remove_grant() accepts NULL. */
void core_remove_request(struct core *core, struct request *request);
void core_remove_grant(struct core *core, struct held_grant *grant);

/* ------------------------------------------------------------ core_answers.c
 */

/* Ends a request; a Refused in core->message has its text. Returns true if
 * somebody waits for it: then it made an event. */
bool core_answer(struct core *core, struct request *request,
                 enum permit_status status, struct core_event *ret_event);

/* Loses a grant. Returns true if that made an event. */
bool core_lose(struct core *core, struct held_grant *grant,
               enum permit_loss loss, struct core_event *ret_event);

/* Deals with core->message, in state READY. Returns true if it made an event.
 */
bool core_take_message(struct core *core, struct core_event *ret_event);

/* --------------------------------------------------------------- core_walk.c
 */

/* Begins a walk, instead of one that is under way. */
void core_walk(struct core *core, enum core_walk walk);

/* Goes on with it. Returns true if that made an event; false when it is over.
 */
bool core_take_walk(struct core *core, struct core_event *ret_event);

#endif
