# SPDX-License-Identifier: MIT
"""Several limits at once, rates, templates, shadow, join, and why: over the
wire, by the client that shares nothing with libpermit."""
import pathlib
import re
import signal
import time

import pytest

from conftest import eventually
from wire import acquire_frame, held, kind, labels, part, pb, reason

YEAR_MS = 366 * 24 * 3600 * 1000


def define_rate(line, name, rate, per_ms, burst, **fields):
    answer = line.define(name, kind_of="RATE", rate=rate, per_ms=per_ms,
                         burst=burst, **fields)
    assert kind(answer) == "done", answer


def rows(page):
    """(semaphore, permits) of a row's parts."""
    return [(each.semaphore.decode(), each.permits) for each in page.parts]


# ----------------------------------------------------------------- bad input

@pytest.mark.parametrize("fields,says", [
    ({"rate": 0}, "a rate is 1 to 2147483647 tokens"),
    ({"rate": 2**31}, "a rate is 1 to 2147483647 tokens"),
    ({"rate": 2**64 - 1}, "a rate is 1 to 2147483647 tokens"),  # -1, and
    ({"rate": 2**63, "per_ms": 2**63}, "a rate is"),  # what overflows.
    ({"per_ms": 0}, "per_ms is 1 to 31622400000"),
    ({"per_ms": YEAR_MS + 1}, "per_ms is 1 to 31622400000"),
    ({"per_ms": 2**64 - 1}, "per_ms is 1 to 31622400000"),
    ({"burst": 0}, "burst is 1 to 2147483647 tokens"),
    ({"burst": 2**31}, "burst is 1 to 2147483647 tokens"),
    ({"permits": 3}, "a rate has no permits"),
    ({"per_session": 1}, "a rate has no shares"),
    ({"slots": True}, "only a bounded semaphore has slots"),
    ({"bypass": 65536}, "bypass is at most 65535"),
], ids=["rate_0", "rate", "rate_negative", "overflow", "per_0", "per",
        "per_most", "burst_0", "burst", "permits", "per_session", "slots",
        "bypass"])
def test_a_rate_that_makes_no_sense_is_invalid(shared, jobs, fields, says):
    fields = {"rate": 5, "per_ms": 1000, "burst": 5, **fields}
    with shared.client() as line:
        answer = line.define(jobs, kind_of="RATE", **fields)
        assert reason(answer) == "INVALID", answer
        assert says in answer.refused.detail.decode()
        assert reason(line.call("query", semaphore=jobs)) == "NOT_FOUND"


def test_a_rate_needs_a_rate(shared, jobs):
    with shared.client() as line:
        answer = line.define(jobs, kind_of="RATE", per_ms=1000, burst=5)
        assert reason(answer) == "INVALID"
        assert b"a rate is 1 to 2147483647" in answer.refused.detail
        answer = line.define(jobs, rate=5, burst=5)
        assert reason(answer) == "INVALID"  # It is BOUNDED.


@pytest.mark.parametrize("name,says", [
    ("*", "something before its '*'"), ("a*b", "'*' is only for the end"),
    ("a**", "'*' is only for the end"), ("*a", "'*' is only for the end")],
    ids=["all", "middle", "two", "first"])
def test_a_template_has_one_star_behind_something(shared, name, says):
    with shared.client() as line:
        answer = line.define(name, 3)
        assert reason(answer) == "INVALID"
        assert says in answer.refused.detail.decode()


@pytest.mark.parametrize("fields,says", [
    ({"parts": [part(f"b{n}") for n in range(9)]}, "at most 8 semaphores"),
    ({"parts": [part("b1"), part("b2"), part("b1")]},
     "name each semaphore once"),
    ({"priority": 8}, "priority is 0 to 7"),
    ({"settle": True}, "none of these is a rate"),
    ({"join": True, "parts": [part("b1"), part("b2")]},
     "who joins names one semaphore"),
    ({"parts": [part("b*")]}, "'*' is only for"),
], ids=["nine", "twice", "priority", "settle", "join", "template"])
def test_an_acquire_that_makes_no_sense_says_why(shared, fields, says):
    with shared.client() as line:
        for number in range(9):
            line.define(f"b{number}")
        fields = {"parts": [part("b1")], **fields}
        answer = line.call("acquire", **fields)
        assert reason(answer) == "INVALID", answer
        assert says in answer.refused.detail.decode()
        if "settle" not in fields and "join" not in fields:
            assert reason(line.call("why", **fields)) == "INVALID"


def test_an_outcome_has_a_bound_and_goes_with_everything(shared, jobs):
    with shared.client() as line:
        line.define(jobs, 3)
        grant = line.acquire(jobs, 2)
        for fields, says in [
                ({"outcome": b"x" * 4097}, "at most 4096 bytes"),
                ({"outcome": b"x", "parts": [held(jobs)]}, "everything")]:
            answer = line.release(grant.id, has_outcome=True, **fields)
            assert reason(answer) == "INVALID"
            assert says in answer.refused.detail.decode()
        assert line.query(jobs).held == 2
        assert kind(line.release(grant.id, has_outcome=True,
                                 outcome=b"x" * 4096)) == "done"


def test_a_settle_that_makes_no_sense_is_invalid(shared, jobs):
    with shared.client() as line:
        define_rate(line, jobs, 1, YEAR_MS, 10)
        line.define(jobs + "2", 3)
        grant = line.call("acquire", settle=True,
                          parts=[part(jobs, 5), part(jobs + "2")])
        for actual in ([held(jobs, 6)], [held(jobs + "2", 1)],
                       [held("none", 0)], [held(jobs), held(jobs)]):
            answer = line.call("settle", acquire_id=grant.id, actual=actual)
            assert reason(answer) == "INVALID", (actual, answer)
            assert answer.refused.detail
        assert line.query(jobs).available == 5
        assert reason(line.call("settle", acquire_id=999)) == "NOT_HELD"


# -------------------------------------------------------------- several limits

def test_several_limits_are_granted_at_once_or_not_at_all(shared, jobs):
    db, api, builds = jobs, jobs + "/api", jobs + "/builds"
    parts = [part(db), part(api, 2), part(builds, 2)]
    with shared.client() as line, shared.client() as other:
        line.define(db, 1)
        define_rate(line, api, 1, YEAR_MS, 5)
        line.define(builds, 4, slots=True)
        grant = line.call("acquire", parts=parts)
        assert kind(grant) == "granted", grant
        assert [(each.semaphore.decode(), list(each.slots))
                for each in grant.granted.slots] == [(builds, [0, 1])]
        assert grant.granted.taken == 0b010
        refused = other.call("acquire", parts=parts[::-1])
        assert reason(refused) == "WOULD_BLOCK"
        assert refused.refused.semaphore.decode() == db
        # Sent again, it is answered the same, but for who holds it.
        other.send("acquire", refused.id, parts=parts[::-1])
        refused.refused.ClearField("oldest")
        assert other.answer(refused.id) == refused
        waiting = other.send("acquire", parts=parts, wait_ms=-1)
        eventually(lambda: line.query(builds).waiters == 1)
        # It holds nothing, and shows itself in each queue.
        assert line.query(builds).held == 2
        row = line.list("WAITERS", api).waiters[0]
        assert rows(row) == [(db, 1), (api, 2), (builds, 2)]
        assert (row.position, row.permits) == (1, 2)
        row = line.list("HOLDERS", builds).holders[0]
        assert rows(row) == [(db, 1), (builds, 2)]
        assert list(row.parts[1].slots) == [0, 1]
        # Parts come back one by one; db is still in its way.
        assert kind(line.release(grant.id, parts=[held(builds, 1)])) == "done"
        assert line.query(builds).waiters == 1
        assert reason(line.release(grant.id, parts=[held(api)])) == \
            "OVER_RELEASE"
        assert kind(line.release(grant.id)) == "done"
        assert kind(other.answer(waiting)) == "granted"
        assert line.query(api).available == 1
        assert kind(other.release(waiting)) == "done"
        assert line.query(db).held == line.query(builds).held == 0


def test_a_session_that_comes_back_is_told_all_parts(shared, jobs):
    with shared.client(hello={"linger_ms": 60000}) as line:
        line.define(jobs, 3)
        line.define(jobs + "2", 3, slots=True)
        grant = line.call("acquire", parts=[part(jobs, 2), part(jobs + "2")])
        line.release(grant.id, parts=[held(jobs)])
        key = pb.SessionKey(id=line.welcome.session_id,
                            secret=line.welcome.secret)
    with shared.client(hello={"resume": key}) as line:
        assert line.welcome.resumed
        live = line.welcome.grants[0]
        assert rows(live) == [(jobs, 1), (jobs + "2", 1)]
        assert list(live.parts[1].slots) == [0]
        line.bye()


def test_priorities_and_shares_are_shown_and_obeyed(shared, jobs):
    with shared.client("one") as one, shared.client("two") as two:
        one.define(jobs, 2, per_session=1)
        first = one.acquire(jobs)
        aside = one.send_acquire(jobs, wait_ms=-1)
        eventually(lambda: one.query(jobs).waiters == 1)
        row = one.list("WAITERS", jobs).waiters[0]
        assert row.set_aside == pb.SET_ASIDE_SHARE
        assert reason(one.acquire(jobs, 2)) == "IMPOSSIBLE"
        second = two.acquire(jobs)  # Who is set aside is in nobody's way.
        assert kind(second) == "granted"
        low = two.send_acquire(jobs, wait_ms=-1)
        high = two.send("acquire", parts=[part(jobs)], wait_ms=-1, priority=7)
        eventually(lambda: one.query(jobs).waiters == 3)
        assert [(row.acquire_id, row.priority)
                for row in one.list("WAITERS", jobs).waiters] == \
            [(high, 7), (aside, 0), (low, 0)]
        two.release(second.id)
        assert kind(two.answer(high)) == "granted"
        one.release(first.id)
        assert kind(one.answer(aside)) == "granted"


# ----------------------------------------------------------------------- rates

def test_a_rate_refuses_with_the_time_that_is_right(shared, jobs):
    with shared.client() as line:
        define_rate(line, jobs, 10, 1000, 2)
        assert kind(line.acquire(jobs, 2)) == "granted"
        refused = line.acquire(jobs, 1)
        assert reason(refused) == "RATE_LIMITED"
        assert refused.refused.permits_in_the_way == 1
        assert 0 < refused.refused.retry_after_ms <= 100
        time.sleep(refused.refused.retry_after_ms / 1000)
        assert kind(line.acquire(jobs, 1)) == "granted"
        assert reason(line.acquire(jobs, 3)) == "IMPOSSIBLE"
        row = line.query(jobs)
        assert (row.kind, row.permits, row.rate, row.per_ms, row.burst) == \
            (pb.RATE, 0, 10, 1000, 2)
        assert row.holders == row.held == 0  # Nobody could leak it.


def test_waiters_of_a_rate_wake_when_its_tokens_exist(shared, jobs):
    with shared.client() as line:
        define_rate(line, jobs, 20, 1000, 1)
        begin = time.monotonic()
        line.send_raw(b"".join(acquire_frame(id, jobs, wait_ms=-1)
                               for id in range(2, 8)))
        answers = line.take(6)
        assert time.monotonic() - begin >= 0.25
        # They came at one instant, in one segment: each was granted 50 ms, to
        # the millisecond, after the one before it, however late a timer ran.
        assert [(answer.id, answer.granted.waited_ms) for answer in answers] \
            == [(2 + n, 50 * n) for n in range(6)]


def test_settle_refunds_what_was_not_used(shared, jobs):
    with shared.client() as line:
        define_rate(line, jobs, 1, YEAR_MS, 10)
        grant = line.send("acquire", parts=[part(jobs, 6)], settle=True)
        assert line.answer(grant).granted.taken == 1
        row = line.query(jobs)
        assert (row.available, row.held, row.holders) == (4, 0, 1)
        assert rows(line.list("HOLDERS", jobs).holders[0]) == [(jobs, 6)]
        id = line.send("settle", acquire_id=grant, actual=[held(jobs, 1)])
        assert kind(line.answer(id)) == "done"
        line.send("settle", id, acquire_id=grant, actual=[held(jobs, 1)])
        assert kind(line.answer(id)) == "done"  # The same answer, done once.
        row = line.query(jobs)
        assert (row.available, row.holders) == (9, 0)
        assert reason(line.call("settle", acquire_id=grant)) == "NOT_HELD"


# ------------------------------------------------------------------- templates

def test_a_template_makes_and_forgets(shared, jobs):
    team = jobs + "/*"
    with shared.client() as line, shared.client() as other:
        line.define(team, 2, max_queue=7)
        assert line.query(team).permits == 2
        assert reason(line.acquire(team)) == "INVALID"
        one = jobs + "/one"
        assert reason(line.call("query", semaphore=one)) == "NOT_FOUND"
        first = line.acquire(one, 2)
        row = line.query(one)
        assert (row.permits, row.max_queue, row.held) == (2, 7, 2)
        assert row.template.decode() == team
        waiting = other.send_acquire(one, wait_ms=-1)
        eventually(lambda: line.query(one).waiters == 1)
        line.release(first.id)
        second = other.answer(waiting)
        assert second.granted.fence > first.granted.fence
        other.release(waiting)
        assert reason(line.call("query", semaphore=one)) == "NOT_FOUND"
        third = line.acquire(one)
        assert third.granted.fence > second.granted.fence
        # By its own name it is one like others, and stays.
        line.define(one, max_queue=9)
        line.release(third.id)
        row = line.query(one)
        assert (row.template, row.permits, row.max_queue) == (b"", 2, 9)
        line.delete(team)
        assert reason(line.acquire(jobs + "/two")) == "NOT_FOUND"


def test_templates_have_quotas(start_daemon):
    daemon = start_daemon({
        "limits": {"max_templated": 3, "max_templated_per_session": 2},
        "semaphores": [{"name": "t/*", "permits": 1}]})
    with daemon.client() as one, daemon.client() as two:
        assert kind(one.call("acquire", parts=[part("t/1"), part("t/2")])) == \
            "granted"
        answer = one.acquire("t/3")
        assert reason(answer) == "TOO_MANY"
        assert b"for this session" in answer.refused.detail
        assert kind(two.acquire("t/3")) == "granted"
        answer = two.acquire("t/4")
        assert reason(answer) == "TOO_MANY"
        assert b"made too many semaphores: raise" in answer.refused.detail
        assert daemon.get("/api/v1/semaphores/t%2F3")[2]["template"] == "t/*"


# ---------------------------------------------------------- policies, shadow

def test_a_shadow_grants_everything_and_counts(shared, jobs):
    api = jobs + "/api"
    with shared.client() as line:
        line.define(jobs, 1, shadow=True)
        define_rate(line, api, 1, YEAR_MS, 1, shadow=True)
        for permits, wait_ms in ((1, 0), (1, 0), (1, 5000), (2, 0)):
            answer = line.call("acquire", wait_ms=wait_ms, parts=[
                part(jobs, permits), part(api, permits)])
            assert kind(answer) == "granted", answer
        for name in (jobs, api):
            row = line.query(name)
            assert row.shadow
            assert (row.would_refuse_total, row.would_wait_total) == (2, 1)
        assert line.query(jobs).held == 5
        json = shared.get(f"/api/v1/semaphores/{api.replace('/', '%2F')}")[2]
        assert json["shadow"] and json["would_refuse_total"] == 2
        assert json["would_wait_total"] == 1
        assert json["rate"]["burst"] == 1 and json["rate"]["tokens"] == 0


def test_the_hopeless_are_refused_at_once_but_not_without_data(shared, jobs):
    with shared.client() as line, shared.client() as other:
        line.define(jobs, 1, refuse_hopeless=True)
        for _ in range(10):
            grant = line.acquire(jobs)
            time.sleep(0.01)  # It is held so long, on average.
            line.release(grant.id)
        grant = line.acquire(jobs)
        answer = other.acquire(jobs, wait_ms=1)
        assert reason(answer) == "TIMEOUT"
        assert answer.refused.retry_after_ms >= 9
        assert line.query(jobs).hopeless_total == 1
        # Nobody guesses without data.
        line.define(jobs + "2", 1, refuse_hopeless=True)
        line.acquire(jobs + "2")
        waiting = other.send_acquire(jobs + "2", wait_ms=1)
        assert reason(other.answer(waiting)) == "TIMEOUT"
        assert line.query(jobs + "2").hopeless_total == 0


def test_a_later_request_passes_as_often_as_the_bypass_says(shared, jobs):
    with shared.client() as line:
        line.define(jobs, 2, bypass=1)
        line.acquire(jobs)
        large = line.send_acquire(jobs, 2, wait_ms=-1)
        small = line.acquire(jobs)
        assert kind(small) == "granted"
        line.release(small.id)
        assert reason(line.acquire(jobs)) == "WOULD_BLOCK"
        assert kind(line.cancel(large)) == "cancelled"


# ------------------------------------------------------------------------ join

def test_all_who_join_get_the_outcome_in_order(shared, jobs):
    with shared.client() as line, shared.client() as one, \
            shared.client() as two:
        line.define(jobs, 1)
        grant = line.acquire(jobs)
        first = one.send("acquire", parts=[part(jobs)], wait_ms=-1, join=True)
        eventually(lambda: line.query(jobs).waiters == 1)
        plain = one.send_acquire(jobs, wait_ms=-1)
        second = two.send("acquire", parts=[part(jobs)], wait_ms=-1, join=True)
        eventually(lambda: line.query(jobs).waiters == 3)
        outcome = bytes(range(256)) * 16
        line.release(grant.id, has_outcome=True, outcome=outcome)
        for client, id in ((one, first), (two, second)):
            assert client.answer(id).joined.outcome == outcome
        assert kind(one.answer(plain)) == "granted"
        assert line.query(jobs).joined_total == 2
        # Sent again, it is answered the same.
        two.send("acquire", second, parts=[part(jobs)], wait_ms=-1, join=True)
        assert two.answer(second).joined.outcome == outcome


def test_an_empty_outcome_is_one_and_none_is_none(shared, jobs):
    with shared.client() as line, shared.client() as other:
        line.define(jobs, 1)
        for fields, name in (({"has_outcome": True}, "joined"),
                             ({}, "granted")):
            grant = line.acquire(jobs)
            waiting = other.send("acquire", parts=[part(jobs)], wait_ms=-1,
                                 join=True)
            eventually(lambda: line.query(jobs).waiters == 1)
            line.release(grant.id, **fields)
            assert kind(other.answer(waiting)) == name


# ------------------------------------------------------------------------- why

def test_why_says_what_a_try_would_and_changes_nothing(shared, jobs):
    team = jobs + "/*"
    hello = {"host": "ci-4", "pid": 812, "purpose": "make"}
    with shared.client("alice", hello) as alice, shared.client() as line:
        alice.define(jobs, 2)
        alice.define(team, 1)
        alice.acquire(jobs)
        behind = line.send_acquire(jobs, 2, wait_ms=-1)
        eventually(lambda: line.query(jobs).waiters == 1)
        for permits, in_the_way in ((1, 2), (2, 3)):
            answer = line.call("why", parts=[part(jobs, permits)])
            assert reason(answer) == "WOULD_BLOCK", answer
            refused = answer.refused
            assert refused.semaphore.decode() == jobs
            assert refused.position == 2
            assert refused.permits_in_the_way == in_the_way
            assert (refused.oldest.name, refused.oldest.host,
                    refused.oldest.pid, refused.oldest.purpose) == \
                (b"alice", b"ci-4", 812, b"make")
        assert kind(line.call("why", parts=[part(jobs)], priority=7)) == "done"
        assert reason(line.call("why", parts=[part("none")])) == "NOT_FOUND"
        assert reason(line.call("why", parts=[part(jobs, 3)])) == "IMPOSSIBLE"
        assert kind(line.call("why", parts=[part(jobs + "/x")])) == "done"
        assert reason(line.call("query", semaphore=jobs + "/x")) == "NOT_FOUND"
        row = line.query(jobs)
        assert (row.held, row.waiters, row.grants_total) == (1, 1, 1)
        line.cancel(behind)


def test_a_waiting_push_says_what_is_in_the_way(shared, jobs):
    with shared.client("alice") as alice, shared.client() as line:
        alice.define(jobs, 3)
        alice.define(jobs + "2", 1)
        alice.acquire(jobs, 2)
        waiting = line.send("acquire", wait_ms=-1, waiting=True,
                            labels=labels({"k": "v"}),
                            parts=[part(jobs + "2"), part(jobs, 3)])
        push = line.push("waiting", waiting).waiting
        assert push.semaphore.decode() == jobs  # The first that it lacks.
        assert (push.position, push.queue_length, push.held, push.permits,
                push.permits_in_the_way) == (1, 1, 2, 3, 2)
        assert push.oldest.name == b"alice"
        row = line.list("WAITERS", jobs + "2").waiters[0]
        assert labels(row.labels) == {b"k": b"v"}
        define_rate(line, jobs + "3", 1, 60000, 5)
        line.acquire(jobs + "3", 4)
        waiting = line.send_acquire(jobs + "3", 3, wait_ms=-1, waiting=True)
        push = line.push("waiting", waiting).waiting
        assert (push.semaphore.decode(), push.held, push.permits,
                push.permits_in_the_way) == (jobs + "3", 0, 5, 2)
        assert 60000 < push.retry_after_ms <= 120000


# -------------------------------------------------------------- configuration

def test_the_configuration_has_all_of_it_and_sighup_changes_it(start_daemon):
    api = {"name": "api", "kind": "rate", "rate": "1/366d", "burst": 2}
    one = {"name": "one", "bypass": 3}
    config = {"priority_step": "0s", "semaphores": [
        api, one, {"name": "team/*", "permits": 4, "per_session": 2}]}
    daemon = start_daemon(config)
    with daemon.client() as line:
        row = line.query("api")
        assert (row.rate, row.per_ms, row.burst, row.available) == \
            (1, YEAR_MS, 2, 2)
        assert line.query("one").bypass == 3
        row = line.query("team/*")
        assert (row.permits, row.per_session) == (4, 2)
        line.acquire("api", 2)
        line.acquire("one")
        token = line.send_acquire("api", 2, wait_ms=-1)
        low = line.send_acquire("one", wait_ms=-1)
        equal = line.send_acquire("one", wait_ms=-1, priority=7)
        api.update(rate="1000/s", burst=4)
        one["bypass"] = 0
        config.update(priority_step="1s", semaphores=[api, one])
        daemon.write_config(config)
        daemon.send_signal(signal.SIGHUP)
        assert kind(line.answer(token)) == "granted"
        assert line.query("api").burst == 4
        assert line.query("one").bypass == 0
        assert line.query("team/*").permits == 4
        # A level counts from now on; who waits keeps its place.
        late = line.send_acquire("one", wait_ms=-1)
        high = line.send_acquire("one", wait_ms=-1, priority=7)
        assert [row.acquire_id for row in line.list(
            "WAITERS", "one").waiters] == [low, equal, high, late]
    assert "restart_needed" not in daemon.log()


def test_the_sample_configuration_has_every_key_with_its_default(run_permitd):
    sample = pathlib.Path(__file__).parents[2] / "deploy/config/permitd.yaml"
    printed = run_permitd("--config", sample, "--print-config")
    assert printed.returncode == 0, printed.stderr
    defaults = run_permitd("--print-config").stdout
    assert printed.stdout.split("semaphores:")[0] == \
        defaults.split("semaphores:")[0]
    text = sample.read_text()
    for key in re.findall(r"^ *(\w+):", defaults, re.MULTILINE):
        assert re.search(rf"^ *{key}: ", text, re.MULTILINE) or \
            f"{key}:\n" in text, key
