/* SPDX-License-Identifier: MIT */
#ifndef PERMIT_WIRE_H
#define PERMIT_WIRE_H

/* Messages of permit.proto as plain structs, and back. wire*.c alone include
 * the generated code.
 *
 * It checks all that can be said of a message by itself: names, text, ranges,
 * counts. It keeps no state and knows no semaphore.
 *
 * Law: decoding takes no memory but the arena that the caller hands in,
 * whatever the bytes say; for a client's message at most WIRE_ARENA_FACTOR
 * times the frame and WIRE_ARENA_EXTRA_BYTES. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "permit/error.h"
#include "permit/info.h"

#define WIRE_NAME_BYTES_MAX 128
#define WIRE_TEXT_BYTES_MAX 128
#define WIRE_TOKEN_BYTES_MAX 512
#define WIRE_SECRET_BYTES 16
#define WIRE_BOOT_ID_BYTES_MAX 64
#define WIRE_PARTS_MAX 8
#define WIRE_LABELS_MAX 8
#define WIRE_OUTCOME_BYTES_MAX 4096
#define WIRE_PERMITS_MAX 2147483647
#define WIRE_PRIORITY_MAX 7
/* Rows of a page; of large ones with labels fewer fit into a frame. */
#define WIRE_PAGE_ROWS_MAX 64
#define WIRE_RATE_PER_MS_MAX UINT64_C(31622400000) /* A leap year. */
#define WIRE_BYPASS_MAX 65535
/* Live grants of one Welcome or Grants: so many parts, with so many slots, of
 * all of them together always fit into a frame. */
#define WIRE_GRANTS_PARTS_MAX 256
#define WIRE_GRANTS_SLOTS_MAX 8192
/* The largest frame of wire_encode_client(), its header too: a Release with an
 * outcome. */
#define WIRE_REQUEST_BYTES_MAX 4224u
#define WIRE_ARENA_FACTOR 8
/* A tiny frame may need more than its factor, but no more than this besides. */
#define WIRE_ARENA_EXTRA_BYTES 4096u
/* Enough for any frame. */
#define WIRE_ARENA_BYTES ((size_t)WIRE_ARENA_FACTOR * 65536u)

/* Memory for one decoded message at a time. bytes is the caller's, aligned as
 * malloc aligns; the rest is wire.c's. Set bytes and capacity, zero the rest.
 */
struct wire_arena {
    uint8_t *bytes;
    size_t capacity; /* WIRE_ARENA_BYTES, or less in tests. */
    size_t used;
    size_t budget;
};

struct wire_bytes {
    const uint8_t *data;
    size_t length;
};

enum wire_client_type {
    WIRE_HELLO = 1,
    WIRE_PING,
    WIRE_BYE,
    WIRE_ACQUIRE,
    WIRE_CANCEL,
    WIRE_RELEASE,
    WIRE_RENEW,
    WIRE_POST,
    WIRE_SETTLE,
    WIRE_VERIFY,
    WIRE_QUERY,
    WIRE_LIST,
    WIRE_WATCH,
    WIRE_DEFINE,
    WIRE_DELETE,
    WIRE_PAUSE,
    WIRE_RESUME,
    WIRE_REVOKE,
    WIRE_KICK,
    WIRE_DRAIN,
    WIRE_WHY,
    WIRE_UNKNOWN /* No member of the oneof that this version knows. */
};
#define WIRE_CLIENT_TYPE_COUNT WIRE_UNKNOWN

struct wire_part {
    const char *semaphore;   /* Checked, ends with a NUL. */
    uint32_t permits;        /* At least 1, but in Settle. */
    bool consume;            /* Acquire and Why only. */
    uint32_t expect_permits; /* The same; 0: not asked. */
};

/* The fields of a Define that it sets; bit n is DefineField n. */
enum wire_define_field {
    WIRE_FIELD_KIND = 1 << 3,
    WIRE_FIELD_PERMITS = 1 << 4,
    WIRE_FIELD_RATE = 1 << 5,
    WIRE_FIELD_PER = 1 << 6,
    WIRE_FIELD_BURST = 1 << 7,
    WIRE_FIELD_MAX_QUEUE = 1 << 8,
    WIRE_FIELD_MAX_WAIT = 1 << 9,
    WIRE_FIELD_HOLD = 1 << 10,
    WIRE_FIELD_BYPASS = 1 << 11,
    WIRE_FIELD_PER_SESSION = 1 << 12,
    WIRE_FIELD_SLOTS = 1 << 13,
    WIRE_FIELD_NOT_DURABLE = 1 << 14,
    WIRE_FIELD_SHADOW = 1 << 15,
    WIRE_FIELD_REFUSE_HOPELESS = 1 << 16,
    WIRE_FIELD_NEWER = 1 << 17 /* One that this version does not know. */
};

enum wire_list_kind {
    WIRE_LIST_SEMAPHORES = 1,
    WIRE_LIST_HOLDERS = 2,
    WIRE_LIST_WAITERS = 3,
    WIRE_LIST_SESSIONS = 4
};

/* A session of before. The secret may have any length. */
struct wire_session_key {
    uint64_t id;
    struct wire_bytes secret;
};

struct wire_hello {
    const char *name;
    const char *host;
    uint64_t pid;
    const char *purpose;
    const char *client;
    struct wire_bytes token;
    int64_t linger_ms;
    bool has_resume;
    bool has_end;
    struct wire_session_key resume; /* If has_resume. */
    struct wire_session_key end;    /* If has_end. */
};

/* Why has the parts and the priority. */
struct wire_acquire {
    struct wire_part parts[WIRE_PARTS_MAX];
    uint32_t parts_count; /* At least 1. */
    int64_t wait_ms;      /* -1: no limit. */
    int64_t hold_ms;      /* 0: no limit. */
    uint32_t priority;
    bool settle;
    bool join;
    bool waiting; /* Push Waiting. */
    uint32_t labels_count;
    struct permit_label labels[WIRE_LABELS_MAX]; /* No key twice. */
};

/* Settle has the id, and as parts what was used. */
struct wire_release {
    uint64_t acquire_id;
    struct wire_part parts[WIRE_PARTS_MAX];
    uint32_t parts_count; /* 0: everything. */
    bool has_outcome;
    struct wire_bytes outcome; /* If has_outcome: then parts_count is 0. */
};

struct wire_define {
    const char *semaphore;
    bool is_template; /* The name ends in '*'. */
    uint32_t fields;  /* enum wire_define_field. */
    enum permit_kind kind;
    uint32_t permits;
    uint64_t max_queue;
    int64_t max_wait_ms; /* -1: no limit. */
    int64_t hold_ms;     /* 0: no limit. */
    uint64_t per_ms;
    uint32_t rate;
    uint32_t burst;
    uint32_t bypass;
    uint32_t per_session; /* 0: no limit. */
    bool slots;
    bool not_durable;
    bool shadow;
    bool refuse_hopeless;
};

struct wire_client_message {
    uint64_t id;
    uint64_t answered_below;
    enum wire_client_type type;
    /* PERMIT_OK; or PERMIT_E_INVALID for a message that makes no sense by
     * itself, whose detail says what to do: id, answered_below and type are
     * right, the rest is not to be used. */
    enum permit_status status;
    const char *detail; /* A constant, never NULL. */
    union {
        struct wire_hello hello;
        struct wire_acquire acquire; /* Why, too. */
        struct wire_release release; /* Settle, too. */
        struct {
            uint64_t acquire_id;
        } cancel;
        struct {
            uint64_t acquire_id;
            int64_t hold_ms; /* 0: as before. */
        } renew;
        struct {
            uint64_t grant_id;
            uint64_t fence;
        } verify;
        struct {
            const char *semaphore;
            uint32_t permits;
        } post;
        struct {
            const char *semaphore;
        } query;
        struct {
            enum wire_list_kind kind;
            const char *name; /* A prefix or a name; may be empty. */
            uint64_t offset;
            uint64_t limit; /* 0: as many as fit. */
        } list;
        struct wire_define define;
        struct {
            const char *semaphore;
            bool force;
        } delete;
    };
};

enum wire_server_type {
    WIRE_WELCOME = 1,
    WIRE_PONG,
    WIRE_GRANTED,
    WIRE_DONE,
    WIRE_REFUSED,
    WIRE_CANCELLED,
    WIRE_POSTED,
    WIRE_RENEWED,
    WIRE_SEMAPHORE,
    WIRE_PAGE,
    WIRE_GRANTS,
    WIRE_WAITING,
    WIRE_LOST,
    WIRE_GOAWAY,
    WIRE_JOINED,
    WIRE_SERVER_UNKNOWN
};

enum wire_cancel_outcome {
    WIRE_CANCEL_CANCELLED = 1,
    WIRE_CANCEL_GRANTED = 2,
    WIRE_CANCEL_NOT_FOUND = 3
};

/* X(reason, value on the wire, name in logs and metrics) */
#define WIRE_GOAWAY_MAP(X)                                                     \
    X(WIRE_GOAWAY_SHUTDOWN, 1, "shutdown")                                     \
    X(WIRE_GOAWAY_DRAINING, 2, "draining")                                     \
    X(WIRE_GOAWAY_KICKED, 3, "kicked")                                         \
    X(WIRE_GOAWAY_SUPERSEDED, 4, "superseded")                                 \
    X(WIRE_GOAWAY_SLOW_CONSUMER, 5, "slow_consumer")                           \
    X(WIRE_GOAWAY_PROTOCOL, 6, "protocol")

enum wire_goaway_reason {
#define X(name, value, text) name = value,
    WIRE_GOAWAY_MAP(X)
#undef X
};

struct wire_live_grant {
    uint64_t acquire_id;
    uint64_t grant_id;
    uint64_t fence;
    const struct permit_part_info *parts;
    uint32_t parts_count;
};

/* Some of a resumed session's live grants. */
struct wire_live_grants {
    const struct wire_live_grant *rows;
    uint32_t count;
    bool more; /* Grants with the same id follow. */
};

struct wire_welcome {
    uint64_t session_id;
    uint8_t secret[WIRE_SECRET_BYTES];
    const char *boot_id;
    int64_t heartbeat_ms;
    int64_t session_timeout_ms;
    int64_t linger_ms;
    bool grants_survive_restart;
    bool resumed;
    const char *server;
    struct wire_live_grants grants;
};

/* Rows without parts have one, of their semaphore: that is for encoding only.
 * Decoded holders and waiters are of the semaphore of their first part: whoever
 * asked knows better. */
struct wire_page {
    /* Decoded, a page without rows does not tell: it says SEMAPHORES. */
    enum wire_list_kind kind;
    uint64_t total;
    uint64_t offset;
    uint32_t count;
    const struct permit_semaphore_info *semaphores; /* By kind, count rows. */
    const struct permit_holder_info *holders;
    const struct permit_waiter_info *waiters;
};

struct wire_waiting {
    const char *semaphore; /* All this is of; may be empty. */
    uint64_t position;     /* 1 is next. */
    uint64_t permits_in_the_way;
    int64_t retry_after_ms; /* 0: not known. */
    bool has_oldest;
    struct permit_client_info oldest; /* Name, host, pid, purpose. */
    int64_t oldest_held_ms;
    uint64_t queue_length;
    uint64_t held;
    uint64_t permits;
};

struct wire_refused {
    enum permit_status reason; /* -1 to -21. */
    const char *detail;        /* May be empty. */
    const char *semaphore;     /* What follows is of; may be empty. */
    uint64_t position;
    uint64_t permits_in_the_way;
    int64_t retry_after_ms; /* 0: not known. */
    bool has_oldest;
    struct permit_client_info oldest; /* Name, host, pid, purpose. */
    int64_t oldest_held_ms;
};

struct wire_server_message {
    uint64_t id;
    enum wire_server_type type;
    union {
        struct wire_welcome welcome;
        struct {
            uint64_t grant_id;
            uint64_t fence;
            int64_t waited_ms;
            int64_t hold_ms; /* 0: no limit. */
            /* Only parts that have slots; encoded, the others are left out. */
            const struct permit_part_info *parts;
            uint32_t parts_count;
            uint32_t taken; /* Bit n: part n was taken for good. */
            bool lost;      /* Its Lost follows. */
        } granted;
        struct wire_refused refused;
        struct {
            struct wire_bytes outcome;
        } joined;
        enum wire_cancel_outcome cancelled;
        struct {
            uint64_t available;
        } posted;
        struct {
            int64_t hold_ms; /* 0: no limit. */
        } renewed;
        struct wire_live_grants grants;
        struct permit_semaphore_info semaphore;
        struct wire_page page;
        struct wire_waiting waiting;
        struct {
            uint64_t grant_id;
            enum permit_loss reason; /* Or a number that is none of them. */
            int64_t grace_ms;
        } lost;
        struct {
            enum wire_goaway_reason reason;
            int64_t retry_after_ms;
            const char *detail;
        } goaway;
    };
};

/* Returns PERMIT_OK if name is the name of a semaphore, else PERMIT_E_INVALID;
 * then *ret_detail says what is wrong with it. A trailing '*' is allowed where
 * template_too. */
enum permit_status wire_check_name(const char *name, size_t length,
                                   bool template_too, const char **ret_detail);

/* Decodes one message from a client. Returns PERMIT_OK, also when *ret_message
 * has a status of its own; or PERMIT_E_PROTOCOL if it is broken or over the
 * arena's budget: then *ret_message is untouched. What *ret_message points to
 * is in the arena and in message, until the next use of either. */
enum permit_status wire_decode_client(const uint8_t *message, size_t length,
                                      struct wire_arena *arena,
                                      struct wire_client_message *ret_message);

/* The same for one message from a server. What a client cannot use (an unknown
 * message, or an enum value that it does not know) is WIRE_SERVER_UNKNOWN. */
enum permit_status wire_decode_server(const uint8_t *message, size_t length,
                                      struct wire_arena *arena,
                                      struct wire_server_message *ret_message);

/* Writes the frame, header and message, of *message to buffer. Returns its
 * bytes; or 0 if it has more than capacity, or more than a frame may have:
 * buffer is garbage then. Of a page, which has at most WIRE_PAGE_ROWS_MAX rows,
 * it writes those from the first on that fit: at least one. Live grants have at
 * most WIRE_GRANTS_PARTS_MAX parts together. Takes no memory but stack, for a
 * page some 110 KiB. */
size_t wire_encode_client(const struct wire_client_message *message,
                          uint8_t *buffer, size_t capacity);
size_t wire_encode_server(const struct wire_server_message *message,
                          uint8_t *buffer, size_t capacity);

/* Writes the frame of an Acquire that wire_encode_client() wrote, once more and
 * with another wait. The arena has room for it. Returns its bytes, or 0 if it
 * has more than capacity. */
size_t wire_rewrite_wait(const uint8_t *frame, size_t frame_bytes,
                         int64_t wait_ms, struct wire_arena *arena,
                         uint8_t *buffer, size_t capacity);

/* Hashes the body of a request: all of it but id, answered_below and wait_ms.
 * Equal for equal bodies, however they were encoded, within one process. */
uint64_t wire_body_hash(const struct wire_client_message *message);

#endif
