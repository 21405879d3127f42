#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Faults of client and session that the simulation over lines has to find.

  mutants.py list                      one line a mutant: its name and its file
  mutants.py write NAME SOURCE COPY    writes the mutated copy
  mutants.py check NAME SOURCE PROGRAM runs the simulation with it; exit status
                                       0 only if it found what is to be found

As tests/sim/mutants.py, whose ways it goes.
"""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, os.pardir))
import mutants as sim  # noqa: E402

SEEDS = "201..1200"
sim.TIMEOUT_S = 60

ANSWERS = "client/core_answers.c"
CORE = "client/core.c"
REQUESTS = "client/core_requests.c"
SESSION = "client/core_session.c"
WALK = "client/core_walk.c"
EFFECTS = "server/effects.c"
OBEY = "server/requests.c"
OPENING = "server/opening.c"
SERVER_SESSION = "server/session.c"

# Name, file, old text, new text.
MUTANTS = [
    ("lines_none", SESSION, "", ""),
    ("belief_from_the_pong", ANSWERS,
     "core_alive(core, request->asked_ns);", "core_alive(core, core->now_ns);"),
    ("belief_from_the_welcome", SESSION,
     "core_alive(core, core->hello_sent_ns);",
     "core_alive(core, core->now_ns);"),
    ("belief_without_a_margin", SESSION,
     "kept_ns / 10 * 9", "kept_ns"),
    ("break_leaves_the_belief", SESSION,
     "if (is_known && !core->is_silent) {", "if (false) {"),
    ("hello_is_no_line", SESSION,
     "bool is_known = core->was_welcome || core->sent_total > 0;",
     "bool is_known = core->was_welcome;"),
    ("hold_from_the_answer", ANSWERS,
     "core_hold_end(request->asked_ns + waited_ns, hold_ms)",
     "core_hold_end(core->now_ns, hold_ms)"),
    ("nothing_is_sent_again", SESSION,
     "core->next_put = core->requests.first;", "core->next_put = NULL;"),
    ("what_was_sent_is_forgotten", SESSION,
     "request->was_sent = core_was_sent(core, request);",
     "request->was_sent = false;"),
    ("next_session_gets_what_was_sent", WALK,
     "return !core_was_sent(core, request) && request->type != WIRE_RELEASE",
     "return request->type != WIRE_RELEASE"),
    ("answered_below_too_high", REQUESTS,
     "message->answered_below = oldest == NULL ? message->id : oldest->id;",
     "message->answered_below = message->id;"),
    ("lost_is_not_given_back", WALK,
     "if (grant->loss == PERMIT_LOSS_SESSION && !grant->is_releasing) {",
     "if (false) {"),
    ("silent_release_goes_with_its_line", SESSION,
     "if (request->type == WIRE_PING && request->is_silent) {",
     "if ((request->type == WIRE_PING || request->type == WIRE_RELEASE) && "
     "request->is_silent) {"),
    ("former_is_not_ended", SESSION,
     "message.hello.has_end = core->former.id != 0;",
     "message.hello.has_end = false;"),
    ("cancelled_is_not_given_back", ANSWERS,
     "if (request->is_silent || is_cancelled) {", "if (request->is_silent) {"),
    ("repeat_ends_the_session", ANSWERS,
     "if (request == NULL && core->message.id < core->repeats_below) {",
     "if (false) {"),
    ("cancelled_leaves_all_the_same", CORE,
     "&& (!request->is_cancelled || request->was_sent);", ";"),
    ("given_up_is_not_cancelled", WALK,
     "core_cancel_silently(core, request);", ""),
    ("repeat_is_done_again", OBEY,
     "case ANSWERS_ANSWERED: session_answer_again(session, message, former);",
     "case ANSWERS_ANSWERED: sessions_do(session->all, event);"),
    ("resume_forgets_the_answers", OPENING,
     "session->answers = former->answers; answers_init(&former->answers, 0, 0);",
     "answers_deinit(&former->answers);"),
    ("resume_lists_nothing", OPENING,
     "if (is_resumed) { fill_grants(", "if (false) { fill_grants("),
    ("former_line_is_still_obeyed", OPENING,
     "session_goaway(former, WIRE_GOAWAY_SUPERSEDED, 0, "
     "\"the session has a newer line\");", ""),
    ("end_is_not_asked_for", OPENING,
     "&event->session_open.end_id)) {", "&event->session_open.end_id) || "
     "(event->session_open.end_id = 0) != 0) {"),
    ("bytes_are_no_sign_of_life", SERVER_SESSION,
     "engine_session_heard(session->all->options.engine, session->id, now_ns);",
     "(void)session; (void)now_ns;"),
    ("linger_is_forgotten", sim.SESSIONS,
     "by_client && session->linger_ms == 0", "by_client"),
    ("silence_is_short", sim.SESSIONS,
     "uint64_t end_ns = "
     "deadline_after_ms(session->heard_ns, session->timeout_ms);",
     "uint64_t end_ns = "
     "deadline_after_ms(session->heard_ns, session->timeout_ms / 2);"),
    ("resume_leaves_waiters_aside_for_ever", sim.SESSIONS,
     "acquire->aside & ~(unsigned)ENGINE_ASIDE_DISCONNECTED", "acquire->aside"),
]
sim.MUTANTS[:] = MUTANTS


def main(arguments):
    if len(arguments) == 4 and arguments[0] == "check":
        sim.check(*arguments[1:], ["--seeds", SEEDS])
    else:
        sim.main(arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
