/* SPDX-License-Identifier: MIT */
#ifndef TESTS_WIRE_CASES_SERVER_H
#define TESTS_WIRE_CASES_SERVER_H

/* The same as wire_cases_client.h, of a server. */

#include "wire.h"

#define SERVER(text, hex, ...)                                                 \
    {                                                                          \
        text, hex,                                                             \
        {                                                                      \
            __VA_ARGS__                                                        \
        }                                                                      \
    }

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
                                   {3, 5, 6,
                                    (const struct permit_part_info[]){
                                        {"jobs", 2, 0, NULL}},
                                    1}},
                               1, true}}),
    SERVER(
        "id: 1 grants { grants { acquire_id: 4 grant_id: 7 fence: 8 parts { "
        "semaphore: 'b/c' permits: 1 } } grants { acquire_id: 5 grant_id: 9 "
        "fence: 10 parts { semaphore: 'jobs' permits: 2147483647 } } }",
        "08018201270a0f08041007180822070a03622f6310010a1408051009180a220c0a0"
        "46a6f627310ffffffff07",
        .id = 1, .type = WIRE_GRANTS,
        .grants =
            {(const struct wire_live_grant[]){
                 {4, 7, 8,
                  (const struct permit_part_info[]){{"b/c", 1, 0, NULL}}, 1},
                 {5, 9, 10,
                  (const struct permit_part_info[]){
                      {"jobs", 2147483647, 0, NULL}},
                  1}},
             2, false}),
    SERVER("id: 1 grants { grants { acquire_id: 4 grant_id: 7 fence: 8 parts { "
           "semaphore: 'b/c' permits: 3 slots: [0, 2, 1023] } } }",
           "08018201170a15080410071808220d0a03622f6310031a040002ff07", .id = 1,
           .type = WIRE_GRANTS,
           .grants = {(const struct wire_live_grant[]){
                          {4, 7, 8,
                           (const struct permit_part_info[]){
                               {"b/c", 3, 3, (const uint32_t[]){0, 2, 1023}}},
                           1}},
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
                       .parts =
                           (const struct permit_part_info[]){
                               {"jobs", 2, 2, (const uint32_t[]){1, 300}}},
                       .parts_count = 1}),
    SERVER("id: 4 done {}", "08041a00", .id = 4, .type = WIRE_DONE),
    SERVER("id: 5 refused { reason: WOULD_BLOCK detail: 'wait' position: 2 "
           "permits_in_the_way: 3 retry_after_ms: 4 }",
           "0805220e0801120477616974180220032804", .id = 5,
           .type = WIRE_REFUSED,
           .refused = {.reason = PERMIT_E_WOULD_BLOCK,
                       .detail = "wait",
                       .position = 2,
                       .permits_in_the_way = 3,
                       .retry_after_ms = 4}),
    SERVER("id: 6 refused { reason: UNAVAILABLE }", "080622020815", .id = 6,
           .type = WIRE_REFUSED,
           .refused = {.reason = PERMIT_E_UNAVAILABLE, .detail = ""}),
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
    SERVER("id: 3 joined { outcome: 'built' }", "08037a070a056275696c74",
           .id = 3, .type = WIRE_JOINED,
           .joined = {{(const uint8_t *)"built", 5}}),
    SERVER("id: 3 joined {}", "08037a00", .id = 3, .type = WIRE_JOINED),
    SERVER("id: 3 granted { grant_id: 5 fence: 6 slots { semaphore: 'job"
           "s' permits: 1 slots: 1 } slots { semaphore: 'b' permits: 1 s"
           "lots: 0 } taken: 4 }",
           "0803121d080510062a0b0a046a6f627310011a01012a080a016210011a01"
           "003804",
           .id = 3, .type = WIRE_GRANTED,
           .granted = {.grant_id = 5,
                       .fence = 6,
                       .parts =
                           (const struct permit_part_info[]){
                               {"jobs", 1, 1, (const uint32_t[]){1}},
                               {"b", 1, 1, (const uint32_t[]){0}}},
                       .parts_count = 2,
                       .taken = 4}),
    SERVER("id: 1 grants { grants { acquire_id: 4 grant_id: 7 fence: 8 p"
           "arts { semaphore: 'b/c' permits: 1 } parts { semaphore: 'job"
           "s' permits: 2 } } grants { acquire_id: 5 grant_id: 9 fence: "
           "9 } }",
           "08018201230a1908041007180822070a03622f63100122080a046a6f6273"
           "10020a06080510091809",
           .id = 1, .type = WIRE_GRANTS,
           .grants = {(const struct wire_live_grant[]){
                          {4, 7, 8,
                           (const struct permit_part_info[]){
                               {"b/c", 1, 0, NULL}, {"jobs", 2, 0, NULL}},
                           2},
                          {5, 9, 9, NULL, 0}},
                      2, false}),
    SERVER("id: 5 refused { reason: RATE_LIMITED detail: 'wait' position"
           ": 2 permits_in_the_way: 3 retry_after_ms: 4 semaphore: 'api'"
           " oldest { name: 'bob' host: 'ci-5' pid: 9 purpose: 'test' he"
           "ld_ms: 5 } }",
           "0805222a080412047761697418022003280432036170693a150a03626f62"
           "120463692d3518092204746573742805",
           .id = 5, .type = WIRE_REFUSED,
           .refused = {.reason = PERMIT_E_RATE_LIMITED,
                       .detail = "wait",
                       .semaphore = "api",
                       .position = 2,
                       .permits_in_the_way = 3,
                       .retry_after_ms = 4,
                       .has_oldest = true,
                       .oldest = {.name = "bob",
                                  .host = "ci-5",
                                  .pid = 9,
                                  .purpose = "test"},
                       .oldest_held_ms = 5}),
    SERVER("id: 14 waiting { position: 1 permits_in_the_way: 7 semaphore"
           ": 'api' retry_after_ms: 8 }",
           "080e320b080130073a036170694008", .id = 14, .type = WIRE_WAITING,
           .waiting = {.position = 1,
                       .permits_in_the_way = 7,
                       .semaphore = "api",
                       .retry_after_ms = 8}),
    SERVER("id: 9 semaphore { name: 'team/a' kind: RATE available: 4 los"
           "t_total: [0, 0, 0, 0, 0] rate: 5 per_ms: 6 burst: 7 bypass: "
           "8 per_session: 9 shadow: true template: 'team/*' would_refus"
           "e_total: 10 would_wait_total: 11 refuse_hopeless: true hopel"
           "ess_total: 12 joined_total: 13 }",
           "08096a3e0a067465616d2f61100328049201050000000000980105a00106"
           "a80107b00108b80109d00101e201067465616d2f2ae8010af0010bf80101"
           "80020c88020d",
           .id = 9, .type = WIRE_SEMAPHORE,
           .semaphore = {.name = "team/a",
                         .kind = PERMIT_RATE,
                         .available = 4,
                         .oldest_wait_ms = -1,
                         .oldest_hold_ms = -1,
                         .rate = 5,
                         .per_ms = 6,
                         .burst = 7,
                         .bypass = 8,
                         .per_session = 9,
                         .template_name = "team/*",
                         .shadow = true,
                         .refuse_hopeless = true,
                         .would_refuse_total = 10,
                         .would_wait_total = 11,
                         .hopeless_total = 12,
                         .joined_total = 13}),
    SERVER("id: 12 page { total: 1 waiters { acquire_id: 5 position: 1 p"
           "ermits: 2 parts { semaphore: 'db' permits: 2 } parts { semap"
           "hore: 'api' permits: 1 } priority: 7 client {} set_aside: SE"
           "T_ASIDE_SHARE } }",
           "080c722108012a1d08051001180222060a026462100222070a0361706910"
           "01280732005002",
           .id = 12, .type = WIRE_PAGE,
           .page = {.kind = WIRE_LIST_WAITERS,
                    .total = 1,
                    .count = 1,
                    .waiters =
                        (const struct permit_waiter_info[]){
                            {.acquire_id = 5,
                             .position = 1,
                             .semaphore = "db",
                             .permits = 2,
                             .client = {.name = "",
                                        .host = "",
                                        .purpose = "",
                                        .address = ""},
                             .expires_in_ms = -1,
                             .set_aside = PERMIT_SET_ASIDE_SHARE,
                             .parts =
                                 (const struct permit_part_info[]){
                                     {"db", 2, 0, NULL}, {"api", 1, 0, NULL}},
                             .parts_count = 2,
                             .priority = 7}}}),
    SERVER("id: 11 page { total: 1 holders { grant_id: 5 fence: 5 permit"
           "s: 1 parts { semaphore: 'db' permits: 1 slots: 3 } parts { s"
           "emaphore: 'api' permits: 1 } client {} } }",
           "080b72200801221c08051005180122090a02646210011a010322070a0361"
           "706910012a00",
           .id = 11, .type = WIRE_PAGE,
           .page = {.kind = WIRE_LIST_HOLDERS,
                    .total = 1,
                    .count = 1,
                    .holders =
                        (const struct permit_holder_info[]){
                            {.grant_id = 5,
                             .fence = 5,
                             .semaphore = "db",
                             .permits = 1,
                             .client = {.name = "",
                                        .host = "",
                                        .purpose = "",
                                        .address = ""},
                             .expires_in_ms = -1,
                             .slots = (const uint32_t[]){3},
                             .slots_count = 1,
                             .parts =
                                 (const struct permit_part_info[]){
                                     {"db", 1, 1, (const uint32_t[]){3}},
                                     {"api", 1, 0, NULL}},
                             .parts_count = 2}}}),
    SERVER("goaway { reason: GOAWAY_PROTOCOL retry_after_ms: 1000 detail: 'a "
           "frame is too long' }",
           "4a1a080610e8071a1361206672616d6520697320746f6f206c6f6e67",
           .type = WIRE_GOAWAY,
           .goaway = {WIRE_GOAWAY_PROTOCOL, 1000, "a frame is too long"}),
};

#define SERVER_CASES (sizeof(server_cases) / sizeof(server_cases[0]))

#endif
