/* SPDX-License-Identifier: MIT */
#ifndef CORE_PRIVATE_H
#define CORE_PRIVATE_H

/* What the files of the core share: core.c has the line and its time,
 * core_requests.c what is asked and held, core_answers.c what the server says
 * to it. Nobody else includes it. */

#include "core.h"
#include "frame.h"
#include "id_table.h"
#include "memory.h"

#define NS_PER_MS INT64_C(1000000)

enum core_state {
    CORE_STATE_DOWN = 1,
    CORE_STATE_OPENING, /* Hello is under way. */
    CORE_STATE_READY,
    CORE_STATE_BROKEN /* Its events are being drained. */
};

struct request {
    struct id_entry entry; /* First, so that an entry is its request. */
    enum wire_client_type type;
    int64_t sent_ns;
    int64_t deadline_ns; /* Of its answer. */
    uint64_t offset;     /* In the line's output, where it begins. */
    size_t bytes;        /* That it has there. */
    void *arg;
    bool is_silent;    /* Nobody waits for it: the core's own, or given up. */
    bool is_cancelled; /* Acquire. */
    bool consume;      /* Acquire. */
    uint32_t permits;  /* Acquire; Release: 0 is all. */
    int64_t hold_ms;   /* Acquire, Renew: asked for; 0: no limit. */
    uint64_t grant;    /* Release, Renew: its acquire_id. */
    char semaphore[WIRE_NAME_BYTES_MAX + 1]; /* Acquire. */
};

struct held_grant {
    struct id_entry entry; /* By its acquire's id; first, as in request. */
    bool is_granted;       /* Else its acquire is under way. */
    bool is_lost;
    bool is_releasing; /* As a whole. */
    uint64_t grant_id;
    uint32_t permits;
    int64_t hold_ms;  /* In force, as the client counts it; 0: no limit. */
    int64_t until_ns; /* Its hold's end; CORE_NEVER without one. */
    void *arg;        /* NULL: nobody wants to hear of it. */
    char semaphore[WIRE_NAME_BYTES_MAX + 1];
};

struct core {
    enum core_state state;
    struct permit_allocator allocator;
    struct permit_counters counters;
    bool had_session;
    int64_t now_ns;
    int64_t due_ns; /* Nothing falls due before it. */
    int64_t answer_timeout_ms;

    uint64_t next_id;
    uint64_t hello_id;
    uint32_t requests_count;
    bool is_taking_due; /* From these two on, what fell due is looked for. */
    struct id_entry *next_due_grant;
    struct id_entry *next_due_request;
    struct id_table requests;
    struct id_table grants;

    uint64_t session_id;
    int64_t welcome_by_ns;
    int64_t hello_sent_ns;
    int64_t ping_sent_ns;
    int64_t ping_interval_ns;
    int64_t belief_ns;         /* 0.9 of the session timeout. */
    int64_t believed_until_ns; /* S + belief_ns. */

    bool has_preface; /* The server's has come. */
    uint8_t *input;
    size_t input_start; /* What is before it is used up. */
    size_t input_end;
    uint8_t *output;
    size_t output_capacity;
    size_t output_start;
    size_t output_end;
    uint64_t output_total; /* Bytes of this line, ever put and ever sent. */
    uint64_t sent_total;
    uint64_t hello_end; /* In these bytes; what is behind waits for Welcome. */
    size_t gap_bytes;   /* Behind it, of requests that are never sent. */

    struct wire_arena arena;
    struct wire_server_message message; /* The one being looked at. */
    enum permit_status down_status;
    char down_text[CORE_TEXT_BYTES];
    char goaway_text[CORE_TEXT_BYTES]; /* What the server said before. */

    struct wire_hello hello; /* Its texts are in hello_text. */
    char hello_text[3][WIRE_TEXT_BYTES_MAX + 1];
};

/* Sums and products of times saturate at CORE_NEVER. */
int64_t core_add_ns(int64_t a_ns, int64_t b_ns);
int64_t core_ns_from_ms(int64_t ms);

/* Makes room for one more request. Returns PERMIT_OK or PERMIT_E_NOMEM. */
enum permit_status core_reserve(struct core *core);

/* Puts *message into the output; there is room. Returns its bytes. */
size_t core_put(struct core *core, struct wire_client_message *message);

/* Takes out of the output what is never sent, before Welcome lets it go. */
void core_close_gaps(struct core *core);

/* Asks something of the core's own; without memory the line breaks, so that
 * the server gives back what the core could not. */
void core_ask_silently(struct core *core, struct wire_client_message *message);

/* Sends a Ping of the core's own. */
void core_ping(struct core *core);

/* A Pong came to what was sent at sent_ns. */
void core_alive(struct core *core, int64_t sent_ns);

/* Something falls due at at_ns. */
void core_fall_due(struct core *core, int64_t at_ns);

/* Return NULL if there is none. */
struct request *core_find_request(const struct core *core, uint64_t id);
struct held_grant *core_find_grant(const struct core *core, uint64_t id);

/* Remove and free; core_remove_grant() accepts NULL. */
void core_remove_request(struct core *core, struct request *request);
void core_remove_grant(struct core *core, struct held_grant *grant);

/* Releases a grant that nobody wants. */
void core_give_back(struct core *core, struct held_grant *grant);

/* Ends a request; a Refused in core->message has its text. Returns true if
 * somebody waits for it: then it made an event. */
bool core_answer(struct core *core, struct request *request,
                 enum permit_status status, struct core_event *ret_event);

/* Loses a grant. Returns true if that made an event. */
bool core_lose(struct core *core, struct held_grant *grant,
               enum permit_loss loss, struct core_event *ret_event);

/* Deals with what fell due among requests and grants. Returns true if that made
 * an event. core_due() says when the next one is. */
bool core_take_due(struct core *core, struct core_event *ret_event);
int64_t core_due(const struct core *core);

/* Deals with core->message, in state READY. Returns true if it made an event.
 */
bool core_take_message(struct core *core, struct core_event *ret_event);

/* Ends what a broken line leaves: one thing a call. Returns false when nothing
 * is left. */
bool core_take_ruin(struct core *core, struct core_event *ret_event);

#endif
