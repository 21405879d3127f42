/* SPDX-License-Identifier: MIT */
#ifndef PERMIT_INFO_H
#define PERMIT_INFO_H

/* What can be asked about semaphores, holders and waiters: one set of structs
 * from the daemon's views over the wire to the library's user, so that the
 * command line and the HTTP endpoint show the same.
 *
 * They are read-only snapshots, made by permitd's code and never by the user;
 * later versions add fields at their ends. Strings end with a NUL, are never
 * NULL, and live as long as the answer that they came with. All ages are
 * relative milliseconds; -1 where there is none. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PERMIT_SLOTS_MAX 1024 /* Permits of a semaphore with slots. */
#define PERMIT_PARTS_MAX 8    /* Semaphores of an acquire. */
#define PERMIT_NAME_BYTES 129 /* Of a semaphore's name, with its NUL. */
#define PERMIT_TEXT_BYTES 129 /* Of a name, host or purpose, with its NUL. */

enum permit_kind { PERMIT_BOUNDED = 1, PERMIT_COUNTING = 2, PERMIT_RATE = 3 };

enum permit_set_aside {
    PERMIT_SET_ASIDE_NO = 0,
    PERMIT_SET_ASIDE_PAUSED = 1,
    PERMIT_SET_ASIDE_SHARE = 2,
    PERMIT_SET_ASIDE_DISCONNECTED = 3
};

struct permit_semaphore_info {
    const char *name;
    enum permit_kind kind;
    uint32_t permits;   /* As defined; 0 for RATE. */
    uint64_t held;      /* Permits out in grants. */
    uint64_t available; /* What could be taken if nobody waited. */
    uint64_t holders;   /* Grants. */
    uint64_t waiters;
    uint64_t waiting_permits; /* That all waiters together ask for. */
    uint64_t max_queue;
    int64_t max_wait_ms;    /* -1: no limit. */
    int64_t hold_ms;        /* The most a grant may be kept; 0: no limit. */
    uint64_t fence;         /* Of the latest grant; 0 before the first. */
    int64_t oldest_wait_ms; /* -1: nobody waits. */
    int64_t oldest_hold_ms; /* -1: nobody holds. */
    uint64_t grants_total;
    uint64_t timeouts_total;
    uint64_t queue_full_total;
    uint64_t lost_total[5]; /* By enum permit_loss, less one. */
    bool durable;           /* Its grants survive a restart. */
    bool slots;             /* Each permit of a grant has a slot. */
    /* RATE: `rate` tokens more every per_ms, at most `burst`; `available` is
     * how many there are. 0 for the other kinds. */
    uint64_t per_ms;
    uint32_t rate;
    uint32_t burst;
    uint32_t bypass;      /* How often a later request passes a waiter. */
    uint32_t per_session; /* The most that one session holds; 0: no limit. */
    const char *template_name; /* The template that made it; "": none did. */
    bool shadow;               /* It grants everything, and counts what it */
    bool refuse_hopeless;      /* would not. TIMEOUT at once if the wait is too
                                * short. */
    uint64_t would_refuse_total; /* In shadow: granted all the same. */
    uint64_t would_wait_total;
    uint64_t hopeless_total; /* Refused because the wait was too short. */
    uint64_t joined_total;   /* Acquires that a holder's outcome answered. */
};

/* Who a session says it is; it decides nothing. */
struct permit_client_info {
    uint64_t session_id;
    const char *name;
    const char *host;
    uint64_t pid;
    const char *purpose;
    const char *address; /* As the server sees it. */
    bool connected;
};

/* What an acquire says of itself; it decides nothing. */
struct permit_label {
    const char *key; /* Not empty. */
    const char *value;
};

/* One semaphore of a grant, or of a waiter. */
struct permit_part_info {
    const char *semaphore;
    uint32_t permits;      /* Not given back yet. Of a RATE that is kept for
                            * settling, what was taken. */
    uint32_t slots_count;  /* 0: the semaphore has no slots. */
    const uint32_t *slots; /* One a permit, rising. */
};

struct permit_holder_info {
    uint64_t grant_id;
    uint64_t fence;
    const char *semaphore;
    uint32_t permits; /* Of this semaphore, not given back yet. */
    struct permit_client_info client;
    int64_t held_ms;
    int64_t waited_ms;     /* Before it was granted. */
    int64_t expires_in_ms; /* -1: never. */
    const struct permit_label *labels;
    uint32_t labels_count;
    const uint32_t *slots; /* One a permit, rising. */
    uint32_t slots_count;  /* 0: the semaphore has no slots. */
    uint32_t parts_count;
    const struct permit_part_info *parts; /* All semaphores of the grant. */
};

struct permit_waiter_info {
    uint64_t acquire_id; /* The id of its request. */
    uint64_t position;   /* 1 is next. */
    const char *semaphore;
    uint32_t permits;
    struct permit_client_info client;
    int64_t waited_ms;
    int64_t expires_in_ms; /* Until its wait ends; -1: never. */
    enum permit_set_aside set_aside;
    const struct permit_label *labels;
    uint32_t labels_count;
    uint32_t parts_count;
    const struct permit_part_info *parts; /* All that it asks for. */
    uint32_t priority;                    /* 0 to 7. */
};

#endif
