# SPDX-License-Identifier: MIT
"""Rates, several limits at once, policies and templates by `permit`; what a
run leaves for those who join; definitions in files; and why one would wait."""
import json
import os
import signal
import subprocess
import time

import pytest

from cli import Pipe, define, finish, fixture_jobs, permit, start
from conftest import eventually


def ok(daemon, *args, **options):
    """Its output."""
    done = permit(daemon, *args, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def hold(daemon, *args):
    """A `permit run` that holds until its stdin ends."""
    process = start(daemon, "run", "-q", *args, "-c", "echo held; cat",
                    stdin=subprocess.PIPE)
    assert process.stdout.readline() == "held\n"
    return process


def waits(daemon, name, count=1):
    eventually(lambda: daemon.semaphore(name)["waiters"] == count)


# ---------------------------------------------------------------------- rates

def test_tokens_are_taken_for_good_and_come_back_in_time(shared, jobs):
    ok(shared, "set", jobs, "--rate", "5/s", "--burst", "2")
    ok(shared, "take", "-p", "2", jobs)
    refused = permit(shared, "take", "--json", "-n", jobs)
    assert refused.returncode == 75
    error = json.loads(refused.stderr)["error"]
    assert error["reason"] == "rate_limited"
    assert 0 < error["retry_after_seconds"] <= 0.2
    time.sleep(error["retry_after_seconds"])
    ok(shared, "take", "-n", jobs)
    began = time.monotonic()
    ok(shared, "take", "-w", "10s", "-p", "2", jobs)
    assert time.monotonic() - began > 0.1, "it waited for them"


def test_a_command_runs_after_its_token_was_taken(shared, jobs):
    ok(shared, "set", jobs, "--rate", "1/d", "--burst", "1")
    out = ok(shared, "run", jobs, "-c", "env | grep ^PERMIT_ | sort")
    told = dict(row.split("=", 1) for row in out.splitlines())
    told.pop("PERMIT_SERVER"), told.pop("PERMIT_BIN", None)
    assert told == {"PERMIT_SEMAPHORE": jobs, "PERMIT_PERMITS": "1",
                    "PERMIT_PARTS": f"{jobs}=1", "PERMIT_DEPTH": "1"}
    assert permit(shared, "run", "-n", jobs, "true").returncode == 75
    assert permit(shared, "run", "-n", "-E", "9", jobs, "true").returncode == 9


def test_a_command_that_holds_nothing_ends_as_it_likes(shared, jobs):
    ok(shared, "set", jobs, "--rate", "1/d", "--burst", "2")
    assert permit(shared, "run", jobs, "-c", "exit 7").returncode == 7
    assert permit(shared, "run", jobs, "/nonexistent").returncode == 127


def test_who_holds_nothing_has_no_session(start_daemon, jobs):
    daemon = start_daemon()
    ok(daemon, "set", jobs, "--rate", "1/d", "--burst", "2")
    process = hold(daemon, jobs)
    eventually(
        lambda: daemon.get("/status")[2]["sessions"]["current"] == 0)
    assert finish(process)[0] == 0


@pytest.mark.parametrize("command", [["take"], ["run", "-q"]])
def test_who_is_ended_while_he_waits_takes_nothing(shared, jobs, command):
    ok(shared, "set", jobs, "--rate", "1/d", "--burst", "2")
    ok(shared, "take", jobs)
    args = ["-p", "2", jobs] + (["true"] if command != ["take"] else [])
    waiter = start(shared, *command, *args)
    waits(shared, jobs)
    waiter.terminate()
    assert finish(waiter)[0] == 128 + signal.SIGTERM
    assert shared.semaphore(jobs)["available"] == 1
    ok(shared, "take", "-n", jobs)


def test_a_rate_is_not_to_be_held(shared, jobs):
    ok(shared, "set", jobs, "--rate", "1/s", "--burst", "1")
    done = permit(shared, "hold", jobs)
    assert done.returncode == 64
    assert "there is nothing to hold. Use permit take" in done.stderr


def test_more_than_the_burst_is_never_to_be_had(shared, jobs):
    ok(shared, "set", jobs, "--rate", "1/s", "--burst", "3")
    assert permit(shared, "take", "-p", "4", jobs).returncode == 78


def test_a_bounded_one_is_not_taken_for_good(shared, jobs):
    define(shared, jobs)
    assert permit(shared, "take", jobs).returncode == 64


# -------------------------------------------------------- several limits at once

@pytest.fixture(name="two")
def fixture_two(shared, jobs):
    """A semaphore of one permit, and a rate of two tokens."""
    names = f"{jobs}.db", f"{jobs}.api"
    define(shared, names[0], 1)
    ok(shared, "set", names[1], "--rate", "1/d", "--burst", "2")
    return names


def test_one_acquire_holds_several_semaphores(shared, two, jobs):
    define(shared, jobs, 3)
    db, api = two
    out = ok(shared, "run", db, "--also", f"{jobs}:2", "--take", api, "-c",
             'echo "$PERMIT_PARTS"; "$PERMIT_BIN" holders --json ' + jobs)
    parts, holders = out.splitlines()
    assert parts == f"{db}=1 {jobs}=2 {api}=1"
    holder, = json.loads(holders)["holders"]
    assert holder["permits"] == 2
    assert holder["parts"] == [{"semaphore": db, "permits": 1},
                               {"semaphore": jobs, "permits": 2}]
    assert shared.semaphore(db)["held"] == shared.semaphore(jobs)["held"] == 0
    assert shared.semaphore(api)["available"] == 1


def test_who_waits_for_several_holds_none(shared, two):
    db, api = two
    holder = hold(shared, db)
    waiter = start(shared, "run", "-q", api, "--also", db, "true")
    waits(shared, db)
    assert shared.semaphore(api)["available"] == 2
    assert shared.semaphore(api)["waiters"] == 1
    refused = permit(shared, "run", "-n", api, "true")
    assert refused.returncode == 75, "it is before us there, too"
    assert finish(holder)[0] == 0
    assert finish(waiter)[0] == 0
    assert shared.semaphore(api)["available"] == 1


def test_different_orders_do_not_deadlock(shared, jobs):
    define(shared, jobs + "a")
    define(shared, jobs + "b")
    loop = ('for i in 1 2 3 4 5; do "$PERMIT_BIN" run -q -w 20s "$0" --also '
            '"$1" true || exit; done')
    both = [subprocess.Popen(["/bin/sh", "-c", loop, jobs + one, jobs + other],
                             env={**os.environ, "PERMIT_SERVER": "%s:%d"
                                  % shared.addresses[0]})
            for one, other in ("ab", "ba")]
    assert [process.wait(60) for process in both] == [0, 0]


def test_a_higher_priority_is_served_first(shared, jobs):
    define(shared, jobs)
    holder = hold(shared, jobs)
    first = start(shared, "run", "-q", "--name", "first", jobs, "true")
    waits(shared, jobs)
    second = start(shared, "run", "-q", "--name", "second", "--priority", "1",
                   jobs, "true")
    waits(shared, jobs, 2)
    rows = json.loads(ok(shared, "waiters", "--json", jobs))["waiters"]
    assert [(row["name"], row["priority"]) for row in rows] == [
        ("second", 1), ("first", 0)]
    lines = ok(shared, "waiters", jobs).splitlines()
    assert lines[0].split()[-4:] == ["PRIORITY", "SET", "ASIDE", "ALSO"]
    assert lines[1].split()[-3:] == ["1", "-", "-"]
    for process in (holder, first, second):
        assert finish(process)[0] == 0


# -------------------------------------------------------------------- joining

def joiner(daemon, name, count=1):
    """Waits; says "own work" if it has to do it."""
    process = start(daemon, "run", "-q", "--join", name, "-c",
                    "echo own work; cat", stdin=subprocess.PIPE)
    waits(daemon, name, count)
    return process


def test_an_outcome_answers_all_who_join(shared, jobs):
    define(shared, jobs)
    holder = start(shared, "run", "-q", "--join", jobs, "-c",
                   'echo held; cat > "$PERMIT_OUTCOME"', stdin=subprocess.PIPE)
    assert holder.stdout.readline() == "held\n"
    joiners = [joiner(shared, jobs, count) for count in (1, 2, 3)]
    other = start(shared, "run", "-q", jobs, "echo", "not joined")
    waits(shared, jobs, 4)
    out, _ = holder.communicate("the\npage")
    assert (holder.returncode, out) == (0, "")
    for process in joiners:
        assert finish(process) == (0, "the\npage", "")
    assert finish(other) == (0, "not joined\n", "")


def test_who_joins_does_the_work_if_the_other_fails(shared, jobs):
    define(shared, jobs)
    holder = start(shared, "run", "-q", jobs, "-c",
                   'echo held; cat > "$PERMIT_OUTCOME"; exit 3',
                   stdin=subprocess.PIPE)
    assert holder.stdout.readline() == "held\n"
    waiter = joiner(shared, jobs)
    holder.communicate("half of it")
    assert holder.returncode == 3
    assert finish(waiter) == (0, "own work\n", "")


def test_a_run_without_an_outcome_has_an_empty_one(shared, jobs):
    define(shared, jobs)
    holder = hold(shared, jobs)
    waiter = joiner(shared, jobs)
    assert finish(holder)[0] == 0
    assert finish(waiter) == (0, "", "")


@pytest.mark.parametrize("size, joined", [(4096, True), (4097, False)])
def test_an_outcome_has_a_limit(shared, jobs, size, joined):
    define(shared, jobs)
    holder = start(shared, "run", "-q", jobs, "-c",
                   'echo held; cat > "$PERMIT_OUTCOME"', stdin=subprocess.PIPE)
    assert holder.stdout.readline() == "held\n"
    waiter = joiner(shared, jobs)
    _, err = holder.communicate("x" * size)
    assert holder.returncode == 0
    assert ("has 4097 bytes, which is more than 4096" in err) != joined
    assert finish(waiter)[:2] == (0, "x" * size if joined else "own work\n")


def test_what_is_joined_is_told_on_the_status_descriptor(shared, jobs):
    define(shared, jobs)
    holder = hold(shared, jobs)
    pipe = Pipe()
    waiter = start(shared, "run", "-q", "--join", "--status-fd", "9", jobs,
                   "true", pipe=pipe)
    pipe.close_writer()
    waiting = json.loads(pipe.line())
    assert (waiting["event"], waiting["waits_for"],
            waiting["permits_in_the_way"]) == ("waiting", jobs, 1)
    assert finish(holder)[0] == 0
    assert json.loads(pipe.line()) == {"event": "joined", "semaphore": jobs,
                                       "outcome_bytes": 0}
    assert pipe.is_ended()
    pipe.close()
    assert finish(waiter)[0] == 0


# ---------------------------------------------------------- policies, templates

def test_a_definition_has_all_its_options(shared, jobs):
    ok(shared, "set", jobs, "--permits", "8", "--bypass", "2", "--per-session",
       "3", "--refuse-hopeless", "--max-queue", "5", "--max-wait", "1m",
       "--hold", "2h", "--shadow")
    row = json.loads(ok(shared, "status", "--json", jobs))
    assert (row["bypass"], row["per_session"], row["shadow"], row["max_queue"],
            row["max_wait_seconds"], row["hold_seconds"]) == (
        2, 3, True, 5, 60, 7200)
    ok(shared, "set", jobs, "--no-shadow", "--per-session", "inf")
    row = json.loads(ok(shared, "status", "--json", jobs))
    assert (row["bypass"], row["per_session"], row["shadow"]) == (2, None,
                                                                  False)


def test_who_has_his_share_is_shown_as_set_aside(shared, jobs):
    ok(shared, "set", jobs, "--permits", "2", "--per-session", "1")
    with shared.client("greedy") as client:
        client.acquire(jobs)
        client.send_acquire(jobs, wait_ms=-1)
        waits(shared, jobs)
        row = ok(shared, "waiters", jobs).splitlines()[1].split()
        assert row[-3:] == ["0", "share", "-"]
        assert ok(shared, "run", "-n", jobs, "echo", "passes") == "passes\n"


def test_a_rate_is_shown_as_it_was_set(shared, jobs):
    ok(shared, "set", jobs, "--rate", "5/250ms", "--burst", "9")
    row = ok(shared, "status", jobs).splitlines()[1].split()
    assert row == [jobs, "rate", "5/250ms", "0", "9", "0", "0", "-", "idle"]
    ok(shared, "set", jobs, "--shadow", "--burst", "8")
    row = ok(shared, "status", jobs).splitlines()[1].split()
    assert row[2:5] == ["5/250ms", "0", "8"] and row[-2:] == ["idle,", "shadow"]
    rate = json.loads(ok(shared, "status", "--json", jobs))["rate"]
    assert (rate["permits"], rate["per_seconds"], rate["burst"]) == (5, 0.25, 8)


@pytest.mark.parametrize("options", [
    ["--kind", "counting", "--shadow"], ["--slots", "--shadow"],
    ["--burst", "1"], ["--kind", "rate"],
    ["--rate", "1/s", "--burst", "1", "--per-session", "1"],
    ["--rate", "1/s", "--burst", "1", "--slots"],
    ["--permits", "1025", "--slots"]])
def test_a_definition_that_makes_no_sense_is_refused(shared, jobs, options):
    done = permit(shared, "set", jobs, *options)
    assert done.returncode == 64
    assert done.stderr.startswith(f"permit set: {jobs}: ")
    assert shared.get(f"/api/v1/semaphores/{jobs}")[0] == 404


def test_a_template_makes_a_semaphore_and_forgets_it(shared, jobs):
    ok(shared, "set", f"{jobs}/*", "--permits", "2")
    holder = hold(shared, f"{jobs}/one")
    rows = ok(shared, "status", f"{jobs}*").splitlines()[1:]
    assert [row.split()[0] for row in rows] == [f"{jobs}/*", f"{jobs}/one"]
    assert [row.split()[-1] for row in rows] == ["template", "active"]
    exported = json.loads(ok(shared, "export", "--json", f"{jobs}*"))
    assert [row["name"] for row in exported["semaphores"]] == [f"{jobs}/*"]
    assert finish(holder)[0] == 0
    assert permit(shared, "status", f"{jobs}/one").returncode == 78
    ok(shared, "delete", "-y", f"{jobs}/*")
    assert permit(shared, "run", f"{jobs}/one", "true").returncode == 78


# ------------------------------------------------------------ export and apply

FILE = """semaphores:
  - {name: builds, permits: 8, max_queue: 100, max_wait: 30m, hold: 4h,
     bypass: 2, slots: true}
  - {name: orders, kind: counting, permits: 0}
  - {name: api, kind: rate, rate: 50/s, burst: 100}
  - {name: "team/*", permits: 4, per_session: 2, refuse_hopeless: true}
"""


def test_a_file_is_applied_and_then_nothing_changes(start_daemon, tmp_path):
    daemon = start_daemon()
    path = tmp_path / "limits.yaml"
    path.write_text(FILE)
    names = ["api", "builds", "orders", "team/*"]
    assert ok(daemon, "apply", "-n", path) == "".join(
        f"{name}: would be made\n" for name in names)
    assert ok(daemon, "export") == "semaphores: []\n"
    assert ok(daemon, "apply", path) == "".join(
        f"{name}: made\n" for name in names)
    assert ok(daemon, "apply", path) == ""
    ok(daemon, "set", "builds", "--permits", "9", "--max-wait", "inf")
    changed = "builds: permits 9 -> 8, max_wait inf -> 30m\n"
    assert ok(daemon, "apply", "-n", path) == changed
    assert ok(daemon, "apply", path) == changed
    assert json.loads(ok(daemon, "apply", "--json", path)) == {
        "dry_run": False, "changed": [], "unchanged": 4}


@pytest.mark.parametrize("json_too", [[], ["--json"]])
def test_what_is_exported_defines_the_same_elsewhere(start_daemon, tmp_path,
                                                     run_permitd, json_too):
    daemon = start_daemon()
    path = tmp_path / "limits.yaml"
    path.write_text(FILE)
    ok(daemon, "apply", path)
    exported = ok(daemon, "export", *json_too)
    other = start_daemon()
    assert ok(other, "apply", "-", input=exported).count(": made\n") == 4
    assert ok(other, "export", *json_too) == exported
    path.write_text(exported)
    checked = run_permitd("--check-config", path)
    assert checked.returncode == 0, checked.stderr


def test_an_export_names_all_that_a_kind_has(start_daemon, tmp_path):
    daemon = start_daemon()
    path = tmp_path / "limits.yaml"
    path.write_text(FILE)
    ok(daemon, "apply", path)
    rows = json.loads(ok(daemon, "export", "--json"))["semaphores"]
    assert rows[1] == {
        "name": "builds", "kind": "bounded", "permits": 8, "max_queue": 100,
        "max_wait": "30m", "hold": "4h", "bypass": 2, "per_session": "inf",
        "slots": True, "shadow": False, "refuse_hopeless": False}
    assert rows[0] == {
        "name": "api", "kind": "rate", "rate": "50/s", "burst": 100,
        "max_queue": 1000, "max_wait": "inf", "hold": "inf", "bypass": 0,
        "shadow": False, "refuse_hopeless": False}
    assert rows[2].keys() == rows[3].keys() - {"slots", "shadow"}
    assert (rows[3]["per_session"], rows[3]["refuse_hopeless"]) == (2, True)
    assert ok(daemon, "export", "api").splitlines()[:2] == [
        "semaphores:", '- name: "api"']


def test_a_change_is_told_as_json(shared, jobs, tmp_path):
    define(shared, jobs, 2)
    path = tmp_path / "limits.yaml"
    path.write_text(f"semaphores: [{{name: {jobs}, permits: 3}}]")
    assert json.loads(ok(shared, "apply", "--json", path)) == {
        "dry_run": False, "unchanged": 0, "changed": [
            {"name": jobs, "made": False,
             "changes": {"permits": {"from": "2", "to": "3"}}}]}


def test_a_file_that_makes_no_sense_changes_nothing(shared, jobs, tmp_path):
    path = tmp_path / "limits.yaml"
    path.write_text(f"semaphores:\n  - {{name: {jobs}}}\n"
                    "  - {name: x, rate: 0/s, burst: 1}\n")
    done = permit(shared, "apply", path)
    assert done.returncode == 78
    assert done.stderr == (f"permit apply: {path}: x: rate: '0/s' must be of 1 "
                           "to 2147483647 tokens\n")
    assert permit(shared, "status", jobs).returncode == 78
    assert permit(shared, "apply", tmp_path / "none").returncode == 78


def test_one_that_fails_does_not_keep_the_others(shared, jobs, tmp_path):
    define(shared, jobs)
    path = tmp_path / "limits.yaml"
    path.write_text(f"semaphores:\n  - {{name: {jobs}, kind: counting}}\n"
                    f"  - {{name: {jobs}.more}}\n")
    done = permit(shared, "apply", path)
    assert done.returncode == 64
    assert done.stderr.startswith(f"permit apply: {jobs}: ")
    assert done.stdout == f"{jobs}.more: made\n"


# ------------------------------------------------------------------------- why

def test_why_says_that_nothing_is_in_the_way(shared, jobs):
    define(shared, jobs, 2)
    assert ok(shared, "why", "-p", "2", jobs) == "It would be granted now.\n"
    assert json.loads(ok(shared, "why", "--json", jobs)) == {
        "granted": True, "reason": None, "semaphore": jobs}
    assert shared.semaphore(jobs)["held"] == 0


def test_why_names_the_oldest_holder_and_who_is_before(shared, jobs):
    define(shared, jobs, 3)
    holder = hold(shared, "-p", "2", "--name", "alice", "--purpose", "make",
                  jobs)
    waiter = start(shared, "run", "-q", "-p", "3", jobs, "true")
    waits(shared, jobs)
    text = ok(shared, "why", "-p", "2", jobs)
    assert text.startswith(
        f"It would wait for {jobs}, behind 1 waiter.\n"
        "  2 of its 3 permits are held, by 1 holder.\n"
        f"  The oldest holder is alice (host {os.uname().nodename}, pid ")
    assert ") with make, for 0s.\n  4 permits must come back before it fits" \
        in text
    assert f"permit holders {jobs}" in text
    told = json.loads(ok(shared, "why", "--json", "-p", "2", jobs))
    assert (told["granted"], told["reason"], told["position"],
            told["permits_in_the_way"], told["oldest"]["name"]) == (
        False, "would_block", 2, 4, "alice")
    for process in (holder, waiter):
        assert finish(process)[0] == 0


def test_why_says_when_tokens_come(shared, two):
    db, api = two
    ok(shared, "take", "-p", "2", api)
    text = ok(shared, "why", db, "--take", api)
    assert text.startswith(
        f"It would wait for {api}, as the next.\n"
        "  It has 0 tokens now, gets 1/d, and keeps 2 at most.\n"
        "  1 more token must come, which takes 23h59m.\n")
    told = json.loads(ok(shared, "why", "--json", api))
    assert told["reason"] == "rate_limited"
    assert 86300 < told["retry_after_seconds"] <= 86400


def test_why_of_what_never_comes_is_an_error(shared, jobs):
    assert permit(shared, "why", jobs).returncode == 78
    define(shared, jobs, 2)
    assert permit(shared, "why", "-p", "3", jobs).returncode == 78
