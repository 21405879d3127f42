/* SPDX-License-Identifier: MIT */
#ifndef TESTS_WIRE_CASES_H
#define TESTS_WIRE_CASES_H

/* Every message, both ways: as protobuf's text format, as bytes, as our struct.
 * The bytes come from protoc, not from our code: wire_cases.py checks that, and
 * makes the corpus of the fuzz targets from them. */

#include "wire.h"

#define CLIENT(text, hex, ...)                                                 \
    {                                                                          \
        text, hex,                                                             \
        {                                                                      \
            __VA_ARGS__, .detail = ""                                          \
        }                                                                      \
    }
#define SERVER(text, hex, ...)                                                 \
    {                                                                          \
        text, hex,                                                             \
        {                                                                      \
            __VA_ARGS__                                                        \
        }                                                                      \
    }

static const struct client_case {
    const char *text;
    const char *hex;
    struct wire_client_message message;
} client_cases[] = {
    CLIENT(
        "id: 1 hello { name: 'alice@ci-4:812' host: 'ci-4' pid: 812 purpose: "
        "'make' client: 'libpermit/0.1.0' token: 'secret' linger_ms: 15000 "
        "resume { id: 7 secret: '0123456789abcdef' } end { id: 8 } }",
        "08016a550a0e616c6963654063692d343a383132120463692d3418ac0622046d616b65"
        "2a0f6c69627065726d69742f302e312e30320673656372657438987542140807121030"
        "3132333435363738396162636465664a020808",
        .id = 1, .type = WIRE_HELLO,
        .hello = {.name = "alice@ci-4:812",
                  .host = "ci-4",
                  .pid = 812,
                  .purpose = "make",
                  .client = "libpermit/0.1.0",
                  .token = {(const uint8_t *)"secret", 6},
                  .linger_ms = 15000,
                  .has_resume = true,
                  .has_end = true,
                  .resume = {7, {(const uint8_t *)"0123456789abcdef", 16}},
                  .end = {8, {NULL, 0}}}),
    CLIENT("hello {}", "6a00", .type = WIRE_HELLO,
           .hello = {.name = "", .host = "", .purpose = "", .client = ""}),
    CLIENT("id: 2 answered_below: 1 ping {}", "080210012a00", .id = 2,
           .answered_below = 1, .type = WIRE_PING),
    CLIENT("id: 18446744073709551615 bye {}", "08ffffffffffffffffff017200",
           .id = UINT64_MAX, .type = WIRE_BYE),
    CLIENT(
        "id: 3 acquire { parts { semaphore: 'jobs' permits: 1 } wait_ms: -1 }",
        "08031a0c0a080a046a6f627310011001", .id = 3, .type = WIRE_ACQUIRE,
        .acquire = {.parts = {{.semaphore = "jobs", .permits = 1}},
                    .parts_count = 1,
                    .wait_ms = -1}),
    CLIENT("id: 4 acquire { parts { semaphore: 'a' permits: 2147483647 "
           "consume: true expect_permits: 8 } parts { semaphore: 'b/c' "
           "permits: 2 } wait_ms: 500 hold_ms: 60000 priority: 7 settle: true "
           "join: true waiting: true labels { key: 'job' value: 'nightly' } "
           "labels { key: 'k' } }",
           "08041a3c0a0d0a016110ffffffff07180120080a070a03622f63100210e80718e0d"
           "4032007280130013801420e0a036a6f6212076e696768746c7942030a016b",
           .id = 4, .type = WIRE_ACQUIRE,
           .acquire = {.parts = {{.semaphore = "a",
                                  .permits = 2147483647,
                                  .consume = true,
                                  .expect_permits = 8},
                                 {.semaphore = "b/c", .permits = 2}},
                       .parts_count = 2,
                       .wait_ms = 500,
                       .hold_ms = 60000,
                       .priority = 7,
                       .settle = true,
                       .join = true,
                       .waiting = true,
                       .labels = {{"job", "nightly"}, {"k", ""}},
                       .labels_count = 2}),
    CLIENT("id: 5 cancel { acquire_id: 4 }", "080532020804", .id = 5,
           .type = WIRE_CANCEL, .cancel = {4}),
    CLIENT("id: 6 release { acquire_id: 4 }", "080622020804", .id = 6,
           .type = WIRE_RELEASE, .release = {.acquire_id = 4}),
    CLIENT("id: 7 release { acquire_id: 4 parts { semaphore: 'a' permits: 3 } "
           "outcome: '?' }",
           "0807220c080412050a016110031a013f", .id = 7, .type = WIRE_RELEASE,
           .release = {.acquire_id = 4,
                       .parts = {{.semaphore = "a", .permits = 3}},
                       .parts_count = 1,
                       .has_outcome = true}),
    CLIENT("id: 8 post { semaphore: 'jobs' permits: 300 }",
           "08083a090a046a6f627310ac02", .id = 8, .type = WIRE_POST,
           .post = {"jobs", 300}),
    CLIENT("id: 9 query { semaphore: 'jobs' }", "08095a060a046a6f6273", .id = 9,
           .type = WIRE_QUERY, .query = {"jobs"}),
    CLIENT(
        "id: 10 list { kind: LIST_SEMAPHORES name: 'te' offset: 64 limit: 32 }",
        "080a620a08011202746518402020", .id = 10, .type = WIRE_LIST,
        .list = {WIRE_LIST_SEMAPHORES, "te", 64, 32}),
    CLIENT("id: 11 list { kind: LIST_HOLDERS name: 'jobs' }",
           "080b6208080212046a6f6273", .id = 11, .type = WIRE_LIST,
           .list = {WIRE_LIST_HOLDERS, "jobs", 0, 0}),
    CLIENT("id: 12 list { kind: LIST_WAITERS name: 'jobs' }",
           "080c6208080312046a6f6273", .id = 12, .type = WIRE_LIST,
           .list = {WIRE_LIST_WAITERS, "jobs", 0, 0}),
    CLIENT("id: 13 list { kind: LIST_SESSIONS }", "080d62020804", .id = 13,
           .type = WIRE_LIST, .list = {WIRE_LIST_SESSIONS, "", 0, 0}),
    CLIENT("id: 14 define { semaphore: 'jobs' fields: [FIELD_KIND, "
           "FIELD_PERMITS, FIELD_MAX_QUEUE, FIELD_MAX_WAIT, FIELD_HOLD] kind: "
           "COUNTING permits: 3 max_queue: 100 max_wait_ms: -1 hold_ms: 5 }",
           "080e8201170a046a6f62731205030408090a18022003406448015005", .id = 14,
           .type = WIRE_DEFINE,
           .define = {.semaphore = "jobs",
                      .fields = WIRE_FIELD_KIND | WIRE_FIELD_PERMITS |
                                WIRE_FIELD_MAX_QUEUE | WIRE_FIELD_MAX_WAIT |
                                WIRE_FIELD_HOLD,
                      .kind = PERMIT_COUNTING,
                      .permits = 3,
                      .max_queue = 100,
                      .max_wait_ms = -1,
                      .hold_ms = 5}),
    CLIENT("id: 14 define { semaphore: 'jobs' fields: [FIELD_PERMITS, "
           "FIELD_SLOTS] permits: 8 slots: true }",
           "080e82010e0a046a6f62731202040d20086801", .id = 14,
           .type = WIRE_DEFINE,
           .define = {.semaphore = "jobs",
                      .fields = WIRE_FIELD_PERMITS | WIRE_FIELD_SLOTS,
                      .permits = 8,
                      .slots = true}),
    CLIENT("id: 15 define { semaphore: 'team/*' fields: [FIELD_RATE, "
           "FIELD_PER_MS, FIELD_BURST, FIELD_BYPASS, FIELD_PER_SESSION, "
           "FIELD_SLOTS, FIELD_NOT_DURABLE, FIELD_SHADOW, "
           "FIELD_REFUSE_HOPELESS] }",
           "080f8201130a067465616d2f2a12090506070b0c0d0e0f10", .id = 15,
           .type = WIRE_DEFINE,
           .define = {.semaphore = "team/*",
                      .is_template = true,
                      .fields = WIRE_FIELD_RATE | WIRE_FIELD_PER |
                                WIRE_FIELD_BURST | WIRE_FIELD_BYPASS |
                                WIRE_FIELD_PER_SESSION | WIRE_FIELD_SLOTS |
                                WIRE_FIELD_NOT_DURABLE | WIRE_FIELD_SHADOW |
                                WIRE_FIELD_REFUSE_HOPELESS}),
    CLIENT("id: 16 delete { semaphore: 'jobs' force: true }",
           "08108a01080a046a6f62731001", .id = 16, .type = WIRE_DELETE,
           .delete = {"jobs", true}),
    CLIENT("id: 17 renew { acquire_id: 3 hold_ms: 60000 }",
           "08114a06080310e0d403", .id = 17, .type = WIRE_RENEW,
           .renew = {3, 60000}),
    CLIENT("id: 17 settle {}", "08114200", .id = 17, .type = WIRE_SETTLE),
    CLIENT("id: 17 verify { grant_id: 30118790737957893 fence: 5 }",
           "0811520b0885a880f8969cc0351005", .id = 17, .type = WIRE_VERIFY,
           .verify = {30118790737957893, 5}),
    CLIENT("id: 17 watch {}", "08117a00", .id = 17, .type = WIRE_WATCH),
    CLIENT("id: 17 pause {}", "0811920100", .id = 17, .type = WIRE_PAUSE),
    CLIENT("id: 17 resume {}", "08119a0100", .id = 17, .type = WIRE_RESUME),
    CLIENT("id: 17 revoke {}", "0811a20100", .id = 17, .type = WIRE_REVOKE),
    CLIENT("id: 17 kick {}", "0811aa0100", .id = 17, .type = WIRE_KICK),
    CLIENT("id: 17 drain {}", "0811b20100", .id = 17, .type = WIRE_DRAIN),
    CLIENT("id: 18", "0812", .id = 18, .type = WIRE_UNKNOWN),
};

static const struct server_case {
    const char *text;
    const char *hex;
    struct wire_server_message message;
} server_cases[] = {
    SERVER(
        "id: 1 welcome { session_id: 17 secret: '0123456789abcdef' boot_id: "
        "'01HF' heartbeat_ms: 5000 session_timeout_ms: 15000 linger_ms: 1 "
        "grants_survive_restart: true resumed: true server: 'permitd/0.1.0' }",
        "0801423508111210303132333435363738396162636465661a04303148462088272898"
        "753001380140014a0d7065726d6974642f302e312e30",
        .id = 1, .type = WIRE_WELCOME,
        .welcome = {.session_id = 17,
                    .secret = {'0', '1', '2', '3', '4', '5', '6', '7', '8', '9',
                               'a', 'b', 'c', 'd', 'e', 'f'},
                    .boot_id = "01HF",
                    .heartbeat_ms = 5000,
                    .session_timeout_ms = 15000,
                    .linger_ms = 1,
                    .grants_survive_restart = true,
                    .resumed = true,
                    .server = "permitd/0.1.0"}),
    SERVER(
        "id: 1 welcome { session_id: 17 secret: '0123456789abcdef' linger_ms: "
        "1 resumed: true grants { acquire_id: 3 grant_id: 5 fence: 6 parts "
        "{ semaphore: 'jobs' permits: 2 } } more: true }",
        "0801422c0811121030313233343536373839616263646566300140015210080310"
        "05180622080a046a6f627310025801",
        .id = 1, .type = WIRE_WELCOME,
        .welcome = {.session_id = 17,
                    .secret = {'0', '1', '2', '3', '4', '5', '6', '7', '8', '9',
                               'a', 'b', 'c', 'd', 'e', 'f'},
                    .boot_id = "",
                    .linger_ms = 1,
                    .resumed = true,
                    .server = "",
                    .grants = {(const struct wire_live_grant[]){
                                   {3, 5, 6, "jobs", 2, NULL, 0}},
                               1, true}}),
    SERVER("id: 1 grants { grants { acquire_id: 4 grant_id: 7 fence: 8 parts { "
           "semaphore: 'b/c' permits: 1 } } grants { acquire_id: 5 grant_id: 9 "
           "fence: 10 parts { semaphore: 'jobs' permits: 2147483647 } } }",
           "08018201270a0f08041007180822070a03622f6310010a1408051009180a220c0a0"
           "46a6f627310ffffffff07",
           .id = 1, .type = WIRE_GRANTS,
           .grants = {(const struct wire_live_grant[]){
                          {4, 7, 8, "b/c", 1, NULL, 0},
                          {5, 9, 10, "jobs", 2147483647, NULL, 0}},
                      2, false}),
    SERVER(
        "id: 1 grants { grants { acquire_id: 4 grant_id: 7 fence: 8 parts { "
        "semaphore: 'b/c' permits: 3 slots: [0, 2, 1023] } } }",
        "08018201170a15080410071808220d0a03622f6310031a040002ff07", .id = 1,
        .type = WIRE_GRANTS,
        .grants = {(const struct wire_live_grant[]){
                       {4, 7, 8, "b/c", 3, (const uint32_t[]){0, 2, 1023}, 3}},
                   1, false}),
    SERVER("id: 12 renewed { hold_ms: 60000 }", "080c620408e0d403", .id = 12,
           .type = WIRE_RENEWED, .renewed = {60000}),
    SERVER("id: 2 pong {}", "08022a00", .id = 2, .type = WIRE_PONG),
    SERVER("id: 3 granted { grant_id: 30118790737957893 fence: "
           "30118790737957894 waited_ms: 12 hold_ms: 60000 }",
           "080312180885a880f8969cc0351086a880f8969cc035180c20e0d403", .id = 3,
           .type = WIRE_GRANTED,
           .granted = {.grant_id = 30118790737957893,
                       .fence = 30118790737957894,
                       .waited_ms = 12,
                       .hold_ms = 60000}),
    SERVER("id: 3 granted { grant_id: 5 fence: 6 slots { semaphore: 'jobs' "
           "permits: 2 slots: [1, 300] } }",
           "08031213080510062a0d0a046a6f627310021a0301ac02", .id = 3,
           .type = WIRE_GRANTED,
           .granted = {.grant_id = 5,
                       .fence = 6,
                       .slots = (const uint32_t[]){1, 300},
                       .slots_count = 2,
                       .semaphore = "jobs"}),
    SERVER("id: 4 done {}", "08041a00", .id = 4, .type = WIRE_DONE),
    SERVER("id: 5 refused { reason: WOULD_BLOCK detail: 'wait' position: 2 "
           "permits_in_the_way: 3 retry_after_ms: 4 }",
           "0805220e0801120477616974180220032804", .id = 5,
           .type = WIRE_REFUSED,
           .refused = {PERMIT_E_WOULD_BLOCK, "wait", 2, 3, 4}),
    SERVER("id: 6 refused { reason: UNAVAILABLE }", "080622020815", .id = 6,
           .type = WIRE_REFUSED,
           .refused = {PERMIT_E_UNAVAILABLE, "", 0, 0, 0}),
    SERVER("id: 7 cancelled { outcome: CANCEL_NOT_FOUND }", "080752020803",
           .id = 7, .type = WIRE_CANCELLED, .cancelled = WIRE_CANCEL_NOT_FOUND),
    SERVER("id: 8 posted { available: 2147483647 }", "08085a0608ffffffff07",
           .id = 8, .type = WIRE_POSTED, .posted = {2147483647}),
    SERVER("id: 9 semaphore { name: 'jobs' kind: BOUNDED permits: 3 held: 3 "
           "holders: 2 waiters: 9 waiting_permits: 10 max_queue: 1000 "
           "max_wait_ms: -1 hold_ms: 7 fence: 30118790737957893 "
           "oldest_wait_ms_plus_1: 1 oldest_hold_ms_plus_1: 602 grants_total: "
           "5121 timeouts_total: 2 queue_full_total: 6 lost_total: [1, 2, 3, "
           "4, 5] durable: true }",
           "08096a3b0a046a6f627310011803200330023809400a48e807500158076085a880f"
           "8969cc035680170da047881288001028801069201050102030405c80101",
           .id = 9, .type = WIRE_SEMAPHORE,
           .semaphore = {.name = "jobs",
                         .kind = PERMIT_BOUNDED,
                         .permits = 3,
                         .held = 3,
                         .holders = 2,
                         .waiters = 9,
                         .waiting_permits = 10,
                         .max_queue = 1000,
                         .max_wait_ms = -1,
                         .hold_ms = 7,
                         .fence = 30118790737957893,
                         .oldest_wait_ms = 0,
                         .oldest_hold_ms = 601,
                         .grants_total = 5121,
                         .timeouts_total = 2,
                         .queue_full_total = 6,
                         .lost_total = {1, 2, 3, 4, 5},
                         .durable = true}),
    SERVER(
        "id: 9 semaphore { name: 'jobs' kind: BOUNDED permits: 3 lost_total: "
        "[0, 0, 0, 0, 0] slots: true }",
        "08096a150a046a6f6273100118039201050000000000c00101", .id = 9,
        .type = WIRE_SEMAPHORE,
        .semaphore = {.name = "jobs",
                      .kind = PERMIT_BOUNDED,
                      .permits = 3,
                      .oldest_wait_ms = -1,
                      .oldest_hold_ms = -1,
                      .slots = true}),
    SERVER(
        "id: 10 page { total: 2 semaphores { name: 'jobs' kind: BOUNDED "
        "permits: 3 held: 3 holders: 2 waiters: 9 waiting_permits: 10 "
        "max_queue: 1000 max_wait_ms: -1 hold_ms: 7 fence: 30118790737957893 "
        "oldest_wait_ms_plus_1: 1 oldest_hold_ms_plus_1: 602 grants_total: "
        "5121 timeouts_total: 2 queue_full_total: 6 lost_total: [1, 2, 3, 4, "
        "5] durable: true } semaphores { name: 'tokens' kind: COUNTING "
        "available: 4 max_wait_ms: 1800000 lost_total: [0, 0, 0, 0, 0] } }",
        "080a725a08021a3b0a046a6f627310011803200330023809400a48e807500158076085"
        "a880f8969cc035680170da047881288001028801069201050102030405c801011a190a"
        "06746f6b656e73100228045080dddb019201050000000000",
        .id = 10, .type = WIRE_PAGE,
        .page = {.kind = WIRE_LIST_SEMAPHORES,
                 .total = 2,
                 .count = 2,
                 .semaphores =
                     (const struct permit_semaphore_info[]){
                         {.name = "jobs",
                          .kind = PERMIT_BOUNDED,
                          .permits = 3,
                          .held = 3,
                          .holders = 2,
                          .waiters = 9,
                          .waiting_permits = 10,
                          .max_queue = 1000,
                          .max_wait_ms = -1,
                          .hold_ms = 7,
                          .fence = 30118790737957893,
                          .oldest_wait_ms = 0,
                          .oldest_hold_ms = 601,
                          .grants_total = 5121,
                          .timeouts_total = 2,
                          .queue_full_total = 6,
                          .lost_total = {1, 2, 3, 4, 5},
                          .durable = true},
                         {.name = "tokens",
                          .kind = PERMIT_COUNTING,
                          .available = 4,
                          .max_wait_ms = 1800000,
                          .oldest_wait_ms = -1,
                          .oldest_hold_ms = -1}}}),
    SERVER("id: 11 page { total: 65 offset: 64 holders { grant_id: 5 fence: 6 "
           "permits: 2 parts { semaphore: 'jobs' permits: 2 } client { "
           "session_id: 17 name: 'alice@ci-4:812' host: 'ci-4' pid: 812 "
           "purpose: 'make' address: '10.0.0.4:51344' connected: true } "
           "labels { key: 'job' value: 'nightly' } labels { key: 'k' } "
           "held_ms: 601 waited_ms: 2 expires_in_ms_plus_1: 1 } }",
           "080b726708411040226108051006180222080a046a6f627310022a330811120e616"
           "c6963654063692d343a3831321a0463692d3420ac062a046d616b65320e31302e30"
           "2e302e343a35313334344001320e0a036a6f6212076e696768746c7932030a016b3"
           "8d90440024801",
           .id = 11, .type = WIRE_PAGE,
           .page = {.kind = WIRE_LIST_HOLDERS,
                    .total = 65,
                    .offset = 64,
                    .count = 1,
                    .holders =
                        (const struct permit_holder_info[]){
                            {.grant_id = 5,
                             .fence = 6,
                             .semaphore = "jobs",
                             .permits = 2,
                             .client = {.session_id = 17,
                                        .name = "alice@ci-4:812",
                                        .host = "ci-4",
                                        .pid = 812,
                                        .purpose = "make",
                                        .address = "10.0.0.4:51344",
                                        .connected = true},
                             .held_ms = 601,
                             .waited_ms = 2,
                             .expires_in_ms = 0,
                             .labels =
                                 (const struct permit_label[]){
                                     {"job", "nightly"}, {"k", ""}},
                             .labels_count = 2}}}),
    SERVER("id: 11 page { total: 1 holders { grant_id: 5 fence: 6 permits: 2 "
           "parts { semaphore: 'jobs' permits: 2 slots: [1, 300] } client { "
           "connected: true } held_ms: 601 waited_ms: 2 } }",
           "080b72220801221e080510061802220d0a046a6f627310021a0301ac022a0240013"
           "8d9044002",
           .id = 11, .type = WIRE_PAGE,
           .page = {.kind = WIRE_LIST_HOLDERS,
                    .total = 1,
                    .count = 1,
                    .holders =
                        (const struct permit_holder_info[]){
                            {.grant_id = 5,
                             .fence = 6,
                             .semaphore = "jobs",
                             .permits = 2,
                             .client = {.name = "",
                                        .host = "",
                                        .purpose = "",
                                        .address = "",
                                        .connected = true},
                             .held_ms = 601,
                             .waited_ms = 2,
                             .expires_in_ms = -1,
                             .slots = (const uint32_t[]){1, 300},
                             .slots_count = 2}}}),
    SERVER(
        "id: 12 page { total: 1 waiters { acquire_id: 5 position: 1 "
        "permits: 2 parts { semaphore: 'jobs' permits: 2 } client { "
        "session_id: 17 name: 'alice@ci-4:812' host: 'ci-4' pid: 812 "
        "purpose: 'make' address: '10.0.0.4:51344' connected: true } "
        "labels { key: 'job' value: 'nightly' } waited_ms: 2 set_aside: "
        "SET_ASIDE_DISCONNECTED } }",
        "080c725d08012a5908051001180222080a046a6f6273100232330811120e616c696"
        "3654063692d343a3831321a0463692d3420ac062a046d616b65320e31302e302e30"
        "2e343a353133343440013a0e0a036a6f6212076e696768746c7940025003",
        .id = 12, .type = WIRE_PAGE,
        .page = {.kind = WIRE_LIST_WAITERS,
                 .total = 1,
                 .count = 1,
                 .waiters =
                     (const struct permit_waiter_info[]){
                         {.acquire_id = 5,
                          .position = 1,
                          .semaphore = "jobs",
                          .permits = 2,
                          .client = {.session_id = 17,
                                     .name = "alice@ci-4:812",
                                     .host = "ci-4",
                                     .pid = 812,
                                     .purpose = "make",
                                     .address = "10.0.0.4:51344",
                                     .connected = true},
                          .waited_ms = 2,
                          .expires_in_ms = -1,
                          .set_aside = PERMIT_SET_ASIDE_DISCONNECTED,
                          .labels =
                              (const struct permit_label[]){{"job", "nightly"}},
                          .labels_count = 1}}}),
    SERVER("id: 13 page { total: 3 offset: 9 }", "080d720408031009", .id = 13,
           .type = WIRE_PAGE,
           .page = {.kind = WIRE_LIST_SEMAPHORES, .total = 3, .offset = 9}),
    SERVER("id: 14 waiting { position: 1 queue_length: 2 held: 3 permits: 4 "
           "oldest { name: 'bob' host: 'ci-5' pid: 9 purpose: 'test' held_ms: "
           "5 } }",
           "080e321f08011002180320042a150a03626f62120463692d3518092204746573742"
           "805",
           .id = 14, .type = WIRE_WAITING,
           .waiting = {.position = 1,
                       .queue_length = 2,
                       .held = 3,
                       .permits = 4,
                       .has_oldest = true,
                       .oldest = {.name = "bob",
                                  .host = "ci-5",
                                  .pid = 9,
                                  .purpose = "test"},
                       .oldest_held_ms = 5}),
    SERVER("id: 15 waiting { position: 1 }", "080f32020801", .id = 15,
           .type = WIRE_WAITING, .waiting = {.position = 1}),
    SERVER("id: 16 lost { grant_id: 5 reason: LOSS_DELETED grace_ms: 5000 }",
           "08103a0708051005188827", .id = 16, .type = WIRE_LOST,
           .lost = {5, PERMIT_LOSS_DELETED, 5000}),
    SERVER("goaway { reason: GOAWAY_PROTOCOL retry_after_ms: 1000 detail: 'a "
           "frame is too long' }",
           "4a1a080610e8071a1361206672616d6520697320746f6f206c6f6e67",
           .type = WIRE_GOAWAY,
           .goaway = {WIRE_GOAWAY_PROTOCOL, 1000, "a frame is too long"}),
};

#define CLIENT_CASES (sizeof(client_cases) / sizeof(client_cases[0]))
#define SERVER_CASES (sizeof(server_cases) / sizeof(server_cases[0]))

#endif
