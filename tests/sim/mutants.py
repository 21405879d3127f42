#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Faults that the simulation has to find, each one change of one source file.

  mutants.py list                      one line a mutant: its name and its file
  mutants.py write NAME SOURCE COPY    writes the mutated copy
  mutants.py check NAME SOURCE PROGRAM runs the simulation with it; exit status
                                       0 only if it found what is to be found

A mutant whose old text is not in the file exactly once is written unchanged, so
that the build goes on; its check says so and fails. `none` changes nothing, and
shows that the same command passes without a fault.
"""

import re
import subprocess
import sys

SEEDS = "1..200"
TIMEOUT_S = 60  # A mutant that never ends is found, too.

ACQUIRES = "server/engine/acquires.c"
DEADLINES = "server/engine/deadlines.c"
DEFINITIONS = "server/engine/definitions.c"
ENGINE = "server/engine/engine.c"
GATE = "server/gate.c"
QUEUE = "server/engine/queue.c"
RESTORE = "server/engine/restore.c"
SEMAPHORES = "server/engine/semaphores.c"
SESSIONS = "server/engine/sessions.c"
SLOTS = "server/engine/slots.c"
STATE = "server/engine/state.c"

# Name, file, old text, new text. Blanks and line ends in the old text stand for
# any blanks, so that formatting does not matter.
MUTANTS = [
    ("none", GATE, "", ""),
    ("answer_before_durable", GATE,
     "entry->is_gone || entry->seq > durable_seq ||",
     "entry->is_gone ||"),
    ("pushes_overtake_answers", GATE,
     ".passes = passes}", ".passes = passes || !is_answer}"),
    ("frame_leaves_twice", GATE,
     "if (entry->passes && !entry->is_gone) { entry->is_gone = true;",
     "if (entry->passes && !entry->is_gone) {"),
    ("frame_to_another_connection", GATE,
     "(chunk.length > 0 && entry->connection_id != chunk.connection_id)",
     "false"),
    ("batch_while_busy", GATE,
     "count == 0 || gate->store->is_busy(gate->store)", "count == 0"),
    ("mark_is_forgotten", GATE,
     "newest->is_marked = true;", ""),
    ("try_passes_a_waiter", ACQUIRES,
     "queue_first_eligible(&engine->queues, &semaphore->queue) == 0 && "
     "permits <= semaphore_free_permits(semaphore)",
     "permits <= semaphore_free_permits(semaphore)"),
    ("one_grant_above_the_quota", ACQUIRES,
     "engine_session_list(session, ACQUIRE_HELD)->count >=",
     "engine_session_list(session, ACQUIRE_HELD)->count >"),
    ("over_release_allowed", ACQUIRES,
     "if (permits > acquire->permits || (name", "if ((name"),
    ("overflow_forgets_what_is_held", DEFINITIONS,
     "LIMIT_PERMITS_MAX - semaphore->value - semaphore->held",
     "LIMIT_PERMITS_MAX - semaphore->value"),
    ("late_timer_grants", ENGINE,
     "due_step(engine) || event_step(engine)",
     "event_step(engine) || due_step(engine)"),
    ("due_one_ns_late", ENGINE,
     "due->time_ns > engine->event.now_ns",
     "due->time_ns >= engine->event.now_ns"),
    ("end_serves_at_last", ENGINE,
     "serve_step(engine) || leave_grants_step(engine)",
     "leave_grants_step(engine) || serve_step(engine)"),
    ("restart_frees_all_of_a_part", RESTORE,
     "if (record->permits == acquire->permits) {", "if (true) {"),
    ("end_forgets_a_grant", SESSIONS,
     "if (acquire != NULL) { acquire_lose(",
     "if (acquire != NULL && acquire->permits != 2) { acquire_lose("),
    ("waits_end_before_holds", DEADLINES,
     "return a->class < b->class;", "return a->class > b->class;"),
    ("same_instant_newest_first", DEADLINES,
     "return a->sequence < b->sequence;", "return a->sequence > b->sequence;"),
    ("newest_first", QUEUE,
     "a->number < b->number", "a->number > b->number"),
    ("grants_who_is_set_aside", QUEUE,
     "} else if (!place->is_set_aside) { return place->waiter;",
     "} else if (true) { return place->waiter;"),
    ("grant_one_too_many", SEMAPHORES,
     "(int64_t)semaphore->permits - semaphore->held",
     "(int64_t)semaphore->permits + 1 - semaphore->held"),
    ("release_forgotten", STATE,
     "semaphore->held -= permits;", ""),
    ("cancel_wakes_nobody", STATE,
     "acquire_set_state(engine, acquire, 0); "
     "semaphore_mark_to_be_served(engine, acquire->semaphore);",
     "acquire_set_state(engine, acquire, 0);"),
    ("part_frees_all", STATE,
     "acquire->permits -= permits; semaphore->held -= permits;",
     "semaphore->held -= acquire->permits; acquire->permits -= permits;"),
    ("fence_repeats", SEMAPHORES,
     "if (engine->fence < record->grant_id) { "
     "engine->fence = record->grant_id; }", ""),
    ("fin_forgets_the_linger", SESSIONS,
     "by_client && session->linger_ms == 0", "by_client"),
    ("fin_counts_from_the_last_byte", STATE,
     "by_client ? engine->now_ns : deadline_after_ms(",
     "deadline_after_ms("),
    ("closing_counts_the_linger_alone", STATE,
     "deadline_after_ms(from_ns, session->linger_ms)",
     "deadline_after_ms(engine->now_ns, session->linger_ms)"),
    ("silence_forgets_the_linger", SESSIONS,
     "session->is_connected && session->linger_ms > 0", "false"),
    ("resume_leaves_waiters_aside", SESSIONS,
     "acquire->place, !session->is_connected)", "acquire->place, true)"),
    ("resume_serves_nobody", SESSIONS,
     "acquire->place, !session->is_connected); "
     "semaphore_mark_to_be_served(engine, acquire->semaphore);",
     "acquire->place, !session->is_connected); if (!session->is_connected) { "
     "semaphore_mark_to_be_served(engine, acquire->semaphore); }"),
    ("resume_leaves_the_end", STATE,
     "move_deadline(engine, session, "
     "deadline_after_ms(session->heard_ns, session->timeout_ms));", ""),
    ("end_is_forgotten", ENGINE,
     "if (end_first(engine)) {", "if (false && end_first(engine)) {"),
    ("renew_past_the_cap", ACQUIRES,
     "capped_ms = hold_in_force(acquire->semaphore, asked_ms);",
     "capped_ms = asked_ms;"),
    ("renew_ends_what_is_left", ACQUIRES,
     "return capped_ms > left_ms ? capped_ms : left_ms;",
     "return capped_ms;"),
    ("renew_keeps_more_than_was_asked", ACQUIRES,
     "left_ms = left_ms < asked_ms ? left_ms : asked_ms;", ""),
    ("renew_revives_what_is_lost", ACQUIRES,
     "} if (acquire->loss != 0) {",
     "} if (acquire->state == ACQUIRE_LOST) {"),
    ("renew_leaves_the_end", STATE,
     "assert(acquire->state == ACQUIRE_HELD && acquire->loss == 0); "
     "acquire->hold_ms = hold_ms;",
     "acquire->hold_ms = hold_ms; "
     "if (acquire->deadline.position != 0) { return; }"),
    ("verify_trusts_what_is_lost", ACQUIRES,
     "} else if (acquire->loss != 0) {", "} else if (false) {"),
    ("restart_forgets_the_linger", RESTORE,
     "record->timeout_ms, record->linger_ms);", "record->timeout_ms, 0);"),
    ("restart_forgets_a_renewal", RESTORE,
     "acquire_renew(engine, acquire, record->hold_ms); return true;",
     "return true;"),
    ("slot_0_is_never_given", SLOTS,
     "free_ones = ~map->taken.words[i];",
     "free_ones = ~map->taken.words[i] & ~UINT64_C(1);"),
    ("slot_given_twice", SLOTS,
     "map->taken.words[i] |= slots->words[i];", ""),
    ("slots_are_kept", SLOTS,
     "map->taken.words[slot / WORD_BITS] &= ~bit;", ""),
    ("part_frees_all_slots", STATE,
     "slots_give_back(slot_map, acquire->slots, permits)",
     "slots_give_back(slot_map, acquire->slots, acquire->permits)"),
    ("slots_change_while_grants_are_out", DEFINITIONS,
     "definition->slots != had_slots)", "false)"),
    ("deleted_semaphore_keeps_its_slots", SEMAPHORES,
     "semaphore->held == 0); give_slot_map(engine, semaphore);",
     "semaphore->held == 0);"),
    ("restart_takes_any_slots", RESTORE,
     "return slots_are_free(slot_map, &record->slots, "
     "slot_map == NULL ? 0 : record->permits);", "return true;"),
    ("grace_outlives_hold", STATE,
     "acquire->deadline.position == 0 || acquire->deadline.time_ns > end_ns",
     "true"),
]


def find(name):
    for mutant in MUTANTS:
        if mutant[0] == name:
            return mutant
    sys.exit(f"mutants.py: no mutant {name!r}")


def mutate(name, source):
    """Returns the mutated text, or None if the old text is not there once."""
    _, _, old, new = find(name)
    with open(source, encoding="utf-8") as file:
        text = file.read()
    if not old:
        return text
    pattern = r"\s+".join(re.escape(word) for word in old.split())
    if len(re.findall(pattern, text)) != 1:
        return None
    return re.sub(pattern, lambda _: new, text)


def write(name, source, copy):
    text = mutate(name, source)
    if text is None:
        with open(source, encoding="utf-8") as file:
            text = file.read()
    with open(copy, "w", encoding="utf-8") as file:
        file.write(text)


def check(name, source, program, options=("--no-checks", "--seeds", SEEDS)):
    if mutate(name, source) is None:
        sys.exit(f"{name}: the old text is not in {source} exactly once")
    try:
        status = subprocess.run([program, *options], timeout=TIMEOUT_S, check=False,
                                stdout=sys.stdout).returncode
    except subprocess.TimeoutExpired:
        status = "endless"
    print(f"{name}: exit status {status}", flush=True)
    if (status == 0) != (not find(name)[2]):
        sys.exit(f"{name}: the simulation is wrong about it")


def main(arguments):
    if arguments == ["list"]:
        for name, file, _, _ in MUTANTS:
            print(name, file)
    elif len(arguments) == 4 and arguments[0] == "write":
        write(*arguments[1:])
    elif len(arguments) == 4 and arguments[0] == "check":
        check(*arguments[1:])
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
