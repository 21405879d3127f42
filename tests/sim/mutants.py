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
BUCKET = "server/engine/bucket.c"
CLAIMS = "server/engine/claims.c"
DEADLINES = "server/engine/deadlines.c"
DEFINITIONS = "server/engine/definitions.c"
ENGINE = "server/engine/engine.c"
EFFECTS = "server/engine/effects.c"
GATE = "server/gate.c"
GRANTS = "server/engine/grants.c"
HOLDS = "server/engine/holds.c"
PARTS = "server/engine/parts.c"
QUEUE = "server/engine/queue.c"
RATES = "server/engine/rates.c"
RESTORE = "server/engine/restore.c"
SEMAPHORES = "server/engine/semaphores.c"
SESSIONS = "server/engine/sessions.c"
SLOTS = "server/engine/slots.c"
STATE = "server/engine/state.c"
SWEEPS = "server/engine/sweeps.c"

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
    ("try_passes_a_waiter", CLAIMS,
     "if (semaphore->queue.root != 0 && !semaphore->shadow && "
     "queue_is_blocked(", "if (false && queue_is_blocked("),
    ("one_grant_above_the_quota", ACQUIRES,
     "engine_session_list(claim->session, ACQUIRE_HELD)->count >=",
     "engine_session_list(claim->session, ACQUIRE_HELD)->count >"),
    ("over_release_allowed", GRANTS,
     "part == NULL || asked->permits > part->permits || is_rate(",
     "part == NULL || is_rate("),
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
     "if (engine->serve_first != 0) { serve_step(engine); return true; } "
     "if (engine->leaving != NULL) { leave_grants_step(engine); return true; }",
     "if (engine->leaving != NULL) { leave_grants_step(engine); return true; } "
     "if (engine->serve_first != 0) { serve_step(engine); return true; }"),
    ("restart_frees_all_of_a_part", RESTORE,
     "acquire_give_back(engine, acquire, part, record->permits);",
     "acquire_give_back(engine, acquire, part, part->permits);"),
    ("end_forgets_a_grant", SESSIONS,
     "if (acquire != NULL) { acquire_lose(",
     "if (acquire != NULL && part_at(engine, acquire->parts)->permits != 2) { "
     "acquire_lose("),
    ("waits_end_before_holds", DEADLINES,
     "return a->class < b->class;", "return a->class > b->class;"),
    ("same_instant_newest_first", DEADLINES,
     "return a->sequence < b->sequence;", "return a->sequence > b->sequence;"),
    ("newest_first", QUEUE,
     "a->number < b->number", "a->number > b->number"),
    ("grants_who_is_set_aside", QUEUE,
     "} else if (!place->is_set_aside && place->permits <= permits) {",
     "} else if (place->permits <= permits) {"),
    ("grant_one_too_many", SEMAPHORES,
     "(int64_t)semaphore->permits - (int64_t)semaphore->held",
     "(int64_t)semaphore->permits + 1 - (int64_t)semaphore->held"),
    ("release_forgotten", PARTS,
     "semaphore->held -= permits;", ""),
    ("cancel_wakes_nobody", PARTS,
     "part_remove(engine, acquire, part); "
     "semaphore_mark_to_be_served(engine, semaphore);",
     "part_remove(engine, acquire, part);"),
    ("part_frees_all", PARTS,
     "permits_come_back(engine, acquire, part, permits);",
     "permits_come_back(engine, acquire, part, part->permits);"),
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
     "session->is_connected ? acquire->aside &", "false ? acquire->aside &"),
    ("resume_serves_nobody", PARTS,
     "queue_set_aside(&engine->queues, part->place, aside != 0); "
     "semaphore_mark_to_be_served(",
     "queue_set_aside(&engine->queues, part->place, aside != 0); "
     "if (aside != 0) semaphore_mark_to_be_served("),
    ("resume_leaves_the_end", STATE,
     "move_deadline(engine, session, "
     "deadline_after_ms(session->heard_ns, session->timeout_ms));", ""),
    ("end_is_forgotten", ENGINE,
     "if (end_first(engine)) {", "if (false && end_first(engine)) {"),
    ("renew_past_the_cap", GRANTS,
     "capped_ms = acquire_capped_hold(engine, acquire, asked_ms);",
     "capped_ms = asked_ms;"),
    ("renew_ends_what_is_left", GRANTS,
     "return capped_ms > left_ms ? capped_ms : left_ms;",
     "return capped_ms;"),
    ("renew_keeps_more_than_was_asked", GRANTS,
     "left_ms = left_ms < asked_ms ? left_ms : asked_ms;", ""),
    ("renew_revives_what_is_lost", GRANTS,
     "} if (acquire->loss != 0) {",
     "} if (acquire->state == ACQUIRE_LOST) {"),
    ("renew_leaves_the_end", STATE,
     "assert(acquire->state == ACQUIRE_HELD && acquire->loss == 0); "
     "acquire->hold_ms = hold_ms;",
     "acquire->hold_ms = hold_ms; "
     "if (acquire->deadline.position != 0) { return; }"),
    ("verify_trusts_what_is_lost", GRANTS,
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
    ("part_frees_all_slots", PARTS,
     "slots_give_back(slot_map, part->slots, permits)",
     "slots_give_back(slot_map, part->slots, part->permits)"),
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
    ("last_parts_are_taken_unseen", CLAIMS,
     "for (uint32_t i = 0; i < claim->count; i++) { "
     "if (claim_part_lack(engine, claim, i, false) != LACK_NOTHING) { "
     "if (ret_part",
     "for (uint32_t i = 0; i < 1; i++) { "
     "if (claim_part_lack(engine, claim, i, false) != LACK_NOTHING) { "
     "if (ret_part"),
    ("first_part_alone_is_told", ACQUIRES,
     "answer.granted_count = claim->count;", "answer.granted_count = 1;"),
    ("parts_are_recorded_apart", ACQUIRES,
     "record->more = i + 1 < claim->count;", ""),
    ("parts_are_one_to_the_quota", ACQUIRES,
     "engine->held_parts + parts >", "engine->held_parts + 1 >"),
    ("waiter_takes_a_part", ACQUIRES,
     "acquire_wait(engine, acquire,",
     "claim->parts[0].semaphore->held++; acquire_wait(engine, acquire,"),
    ("one_pass_too_many", CLAIMS,
     "claim->number, semaphore->bypass)",
     "claim->number, semaphore->bypass + 1u)"),
    ("passes_are_not_counted", ACQUIRES,
     "queue_pass(&engine->queues, &semaphore->queue, claim->key_ns, "
     "claim->number);", ""),
    ("set_aside_are_not_passed", QUEUE,
     "place->passes = add_passes(place->passes, 1);",
     "place->passes = add_passes(place->passes, !place->is_set_aside);"),
    ("priority_is_forgotten", CLAIMS,
     "deadline_after_ms(engine->now_ns, moved_ms);", "engine->now_ns;"),
    ("priority_goes_first", CLAIMS,
     "deadline_after_ms(engine->now_ns, moved_ms);", "(uint64_t)moved_ms;"),
    ("share_is_one_more", CLAIMS,
     "share_of(engine, claim, part) + part->permits > "
     "part->semaphore->per_session;",
     "share_of(engine, claim, part) + part->permits > "
     "part->semaphore->per_session + 1u;"),
    ("share_blocks_others", ACQUIRES,
     "acquire_set_aside(engine, acquire, ENGINE_ASIDE_SHARE);", ""),
    ("share_is_not_looked_at_again", PARTS,
     "-(int64_t)permits); share_has_changed(engine, semaphore, "
     "acquire->session);", "-(int64_t)permits);"),
    ("shares_change_unseen", SWEEPS,
     "if (acquire_is_over_share(engine, acquire)) {", "if (false) {"),
    ("fraction_is_lost", BUCKET,
     "bucket->fraction = parts; return", "bucket->fraction = 0; return"),
    ("tokens_flow_twice_as_fast", BUCKET,
     "fill(bucket, whole); return", "fill(bucket, 2 * whole); return"),
    ("token_one_ns_late", BUCKET,
     "- bucket->fraction - 1) / bucket->rate + 1;",
     "- bucket->fraction - 1) / bucket->rate + 2;"),
    ("full_bucket_keeps_a_fraction", BUCKET,
     "bucket->tokens = bucket->burst; bucket->fraction = 0;",
     "bucket->tokens = bucket->burst;"),
    ("rate_begins_empty", RATES,
     "engine->is_started ? definition->burst : 0", "0"),
    ("restart_fills_the_bucket", RATES,
     "engine->is_started ? definition->burst : 0", "definition->burst"),
    ("token_wakes_only_the_first", RATES,
     "? least_above(engine, semaphore, bucket->tokens) : 0;", "? 0 : 0;"),
    ("settle_refunds_all", GRANTS,
     "part->permits - actual->permits);", "part->permits);"),
    ("restart_forgets_a_settle", RESTORE,
     "acquire_settle(engine, acquire); if (acquire->parts == 0)",
     "if (acquire->parts == 0)"),
    ("all_who_wait_join", GRANTS, "if (waiter->join) {", "if (true) {"),
    ("outcome_is_lent", GRANTS,
     "engine_keep_outcome(engine); /* For the answers that tell it. */", ""),
    ("template_keeps_what_is_idle", ACQUIRES,
     "template_forget(engine, semaphore);",
     "if (semaphore->kind == ENGINE_RATE) "
     "{ template_forget(engine, semaphore); }"),
    ("template_forgets_who_waits", SEMAPHORES,
     "semaphore->holders.count == 0 && semaphore->queue.root == 0 && "
     "(semaphore->kind", "semaphore->holders.count == 0 && (semaphore->kind"),
    ("shortest_template_wins", SEMAPHORES,
     "for (size_t length = strlen(name); engine->templates > 0 && "
     "template == NULL && length > 0; length--) {",
     "for (size_t length = 1; engine->templates > 0 && template == NULL && "
     "length <= strlen(name); length++) {"),
    ("template_counts_for_nobody", SEMAPHORES,
     "engine->made++; if (maker != NULL) { maker->made++; }",
     "engine->made++;"),
    ("shadow_is_in_earnest", CLAIMS,
     "if (semaphore->shadow && !as_if_real) {", "if (false) {"),
    ("shadow_counts_nothing", ACQUIRES,
     "semaphore_rarity(engine, semaphore)->would_wait_total++;", ""),
    ("hopeless_on_a_guess", HOLDS,
     "holds->count < LIMIT_HOLDS_MIN || capacity", "holds->count == 0 || capacity"),
    ("hopeless_for_want_of_a_share", CLAIMS,
     "wait_ms < 0 || is_over_share(engine, claim)", "wait_ms < 0"),
    ("restart_counts_holds", PARTS,
     "semaphore->holds != 0 && engine->is_started", "semaphore->holds != 0"),
    ("retry_forgets_who_is_before", CLAIMS,
     "(uint64_t)(missing + semaphore_free_permits(engine, semaphore))",
     "claim->parts[part].permits"),
    ("retry_rounds_down", CLAIMS,
     "wait_ns / NS_PER_MS + (wait_ns % NS_PER_MS != 0);",
     "wait_ns / NS_PER_MS;"),
    ("obstacle_is_the_last", CLAIMS,
     "*ret_part = i; } return false;", "*ret_part = claim->count - 1; } "
     "return false;"),
    ("obstacle_changes_its_name", EFFECTS,
     "effect->answer.obstacle.semaphore = name;", "(void)name;"),
    ("why_forgets_the_quota", ACQUIRES,
     "detail == NULL ? PERMIT_OK : PERMIT_E_TOO_MANY, detail);",
     "PERMIT_OK, NULL);"),
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
