# SPDX-License-Identifier: MIT
"""One client's requests: states, names, ranges, ids, releases."""
import time

import pytest

from conftest import eventually
from wire import (PERMITS_MAX, acquire_frame, frame, held, kind, labels, loss,
                  message, part, pb, reason, request)

REQUESTS = {
    "acquire": {"parts": [part("c5/none")]}, "release": {"acquire_id": 9},
    "ping": {}, "cancel": {"acquire_id": 9},
    "post": {"semaphore": "c5/none", "permits": 1},
    "settle": {"acquire_id": 9}, "renew": {"acquire_id": 9},
    "verify": {"grant_id": 9, "fence": 9}, "query": {"semaphore": "c5/none"},
    "list": {"kind": pb.LIST_SEMAPHORES}, "bye": {}, "watch": {},
    "define": {"semaphore": "c5/new"}, "delete": {"semaphore": "c5/none"},
    "pause": {"semaphore": "c5/none"}, "resume": {"semaphore": "c5/none"},
    "revoke": {"grant_id": 1}, "kick": {"session_id": 1}, "drain": {},
    "why": {"parts": [part("c5/none")]},
}
UNSERVED = ["watch", "pause", "resume", "revoke", "kick", "drain"]
ANSWERED = {
    "acquire": "NOT_FOUND", "release": "NOT_HELD", "ping": "",
    "cancel": "", "post": "NOT_FOUND", "query": "NOT_FOUND", "list": "",
    "bye": "", "define": "", "delete": "NOT_FOUND", "renew": "NOT_HELD",
    "verify": "NOT_HELD", "settle": "NOT_HELD", "why": "NOT_FOUND",
    **{name: "UNSUPPORTED" for name in UNSERVED},
}


def granted_available(line, name):
    semaphore = line.query(name)
    return semaphore.held, semaphore.available


# -------------------------------------------------------------------- states

@pytest.mark.parametrize("name", REQUESTS)
def test_c5_before_welcome_only_hello_is_obeyed(shared, name):
    with shared.connect() as line:
        line.send(name, **REQUESTS[name])
        assert line.wait_goaway() == "PROTOCOL"


@pytest.mark.parametrize("name", REQUESTS)
def test_c5_after_welcome_every_request_has_an_answer(shared, name):
    with shared.client() as line:
        answer = line.call(name, **REQUESTS[name])
        assert reason(answer) == ANSWERED[name], answer


@pytest.mark.parametrize("name", REQUESTS)
def test_c5_after_bye_nothing_is_obeyed(shared, name):
    with shared.client() as line:
        line.send_raw(request("bye", 1) + request(name, 2, **REQUESTS[name])
                      + request("define", 3, semaphore="c5/after_bye"))
        answers = line.wait_closed()
        assert [answer.id for answer in answers] == [1]
    with shared.client() as line:
        assert reason(line.call("query", semaphore="c5/after_bye")) == \
            "NOT_FOUND"


def test_c5_a_second_hello_is_a_broken_protocol(shared):
    with shared.client() as line:
        line.send("hello", name="again")
        assert line.wait_goaway() == "PROTOCOL"


def test_c5_a_server_message_is_unknown_or_broken(shared):
    own = pb.ServerMessage(id=4)
    own.goaway.SetInParent()
    with shared.client() as line:  # Field 9: a Renew from the client.
        line.send_raw(frame(own))
        assert reason(line.answer(4)) == "NOT_HELD"
        line.ping()
    for name in ("granted", "welcome", "page", "event"):
        own = pb.ServerMessage(id=4)
        getattr(own, name).SetInParent()
        with shared.client() as line:
            line.send_raw(frame(own))
            line.send("ping", 50)
            assert line.next()  # Some answer or Goaway; never a crash.


def test_c5_draining_holders_go_on_and_acquires_are_refused(start_daemon):
    daemon = start_daemon()
    with daemon.client() as line, daemon.client() as waiting:
        line.define("jobs", 2)
        line.define("items", 0, "COUNTING")
        grant = line.acquire("jobs")
        other = line.acquire("jobs")
        wait = waiting.send_acquire("jobs", wait_ms=-1)
        eventually(lambda: line.query("jobs").waiters == 1)
        daemon.send_signal(12)  # SIGUSR2.
        assert reason(waiting.answer(wait)) == "DRAINING"
        assert reason(line.acquire("jobs", wait_ms=-1)) == "DRAINING"
        assert reason(line.acquire("jobs")) == "DRAINING"
        for name in REQUESTS:
            if name != "bye":
                expected = ANSWERED[name]
                if name in ("acquire", "why"):
                    expected = "DRAINING"
                answer = line.call(name, **REQUESTS[name])
                assert reason(answer) in (expected, ANSWERED[name]), name
        assert kind(line.post("items")) == "posted"
        assert kind(line.release(grant.id)) == "done"
        line.ping()
        assert kind(line.release(other.id)) == "done"
        line.wait_closed()
    assert daemon.wait(10) == 0


# --------------------------------------------------------------------- names

GOOD_NAMES = [b"a", b"x" * 128, b"../x", b"/", b"a/b:c@d+e-f_g.h", b"0", b"_-"]
BAD_NAMES = [b"", b"x" * 129, b"a\0b", b"\0", b"-a", b"a b", b"a\n", b"\x7f",
             b"\xff\xfe", "ä".encode(), b"a*", b"*", b"a/*/b", b"a\x1b[0m",
             b"%2F", b"a,b", b"x" * 60000]


@pytest.mark.parametrize("name", GOOD_NAMES, ids=lambda name: repr(name[:9]))
def test_c10_a_good_name_is_good_everywhere(shared, name):
    with shared.client() as line:
        assert kind(line.define(name)) == "done"
        assert line.query(name).name == name
        grant = line.acquire(name)
        assert kind(grant) == "granted"
        assert kind(line.release(grant.id, parts=[held(name)])) == "done"
        assert kind(line.delete(name)) == "done"


@pytest.mark.parametrize("name", BAD_NAMES, ids=lambda name: repr(name[:9]))
def test_c10_a_bad_name_is_invalid_everywhere(shared, name):
    with shared.client() as line:
        answers = [line.acquire(name), line.post(name),
                   line.call("why", parts=[part(name)]),
                   line.call("release", acquire_id=1, parts=[held(name)]),
                   line.call("settle", acquire_id=1, actual=[held(name)])]
        if name != b"a*":  # The name of a template.
            answers += [line.call("query", semaphore=name), line.delete(name),
                        line.define(name)]
        for answer in answers:
            assert reason(answer) == "INVALID", (name, answer)
            assert answer.refused.detail


@pytest.mark.parametrize("field", ["name", "host", "purpose", "client"])
def test_c10_text_of_hello_is_bounded(shared, field):
    with shared.client(hello={field: b"x" * 128} if field != "name" else None,
                       name="x" * 128):
        pass
    for bad in (b"x" * 129, b"a\0b"):
        with shared.connect() as line:
            line.send("hello", 1, **{field: bad})
            answers = line.wait_closed()
            assert [reason(answer) for answer in answers] == ["INVALID"]


def test_c10_text_is_escaped_where_it_is_shown(start_daemon):
    daemon = start_daemon()
    name = b"a\nlevel=error \x1b[31m\"<script>\\\xff\xc0 \xe2\x80\xae"
    hello = {"host": name, "purpose": name}
    with daemon.client(name, hello) as line:
        line.define("jobs")
        line.acquire("jobs")
        line.send_acquire("jobs", wait_ms=-1)
        eventually(lambda: line.query("jobs").waiters == 1)
        for path in ("holders", "waiters"):
            status, _, page = daemon.get(f"/api/v1/semaphores/jobs/{path}")
            assert status == 200
            assert page[path][0]["name"].startswith("a\nlevel=error \x1b[31m")
        assert line.list("HOLDERS", "jobs").holders[0].client.name == name
        line.send_raw(b"\xff\xff\xff\xff")
        assert line.wait_goaway() == "PROTOCOL"
    log = daemon.log()
    assert "\x1b" not in log
    assert not any(row.startswith("level=error ") for row in log.splitlines())


# -------------------------------------------------------------------- ranges

@pytest.mark.parametrize("permits", [0, 2**31, 2**32, 2**32 + 1, 2**63,
                                     2**64 - 1])
def test_c11_permits_out_of_range_are_invalid(shared, jobs, permits):
    with shared.client() as line:
        line.define(jobs, 3)
        grant = line.acquire(jobs)
        assert reason(line.acquire(jobs, permits)) == "INVALID"
        assert reason(line.define(jobs, permits)) == "INVALID"
        assert reason(line.post(jobs, permits)) == "INVALID"
        assert reason(line.release(grant.id, parts=[held(jobs, permits)])) == \
            "INVALID"
        assert line.query(jobs).permits == 3
        assert granted_available(line, jobs) == (1, 2)


def test_c11_a_counting_semaphore_may_start_at_0(shared, jobs):
    with shared.client() as line:
        assert kind(line.define(jobs, 0, "COUNTING")) == "done"
        assert reason(line.acquire(jobs)) == "WOULD_BLOCK"
        assert reason(line.define(jobs + "2", 2**31, "COUNTING")) == "INVALID"


@pytest.mark.parametrize("fields", [
    {"wait_ms": -2}, {"wait_ms": -2**63}, {"priority": 8},
    {"priority": 2**32 - 1}, {"parts": []},
    {"parts": [part(f"s{n}") for n in range(9)]},
    {"parts": [part("s1"), part("s1")]},
    {"labels": labels({f"k{n}": "v" for n in range(9)})},
    {"labels": labels({"k": "v"}) * 2}, {"labels": labels({"": "v"})},
    {"labels": labels({"k": "v" * 129})}, {"labels": labels({"k\0": "v"})},
], ids=["wait", "wait_least", "priority", "priority_most", "no_part", "nine",
        "twice", "labels", "label_twice", "no_key", "label_long", "label_nul"])
def test_c11_an_acquire_that_makes_no_sense_is_invalid(shared, fields):
    with shared.client() as line:
        for number in range(9):
            line.define(f"s{number}")
        answer = line.call("acquire", **{"parts": [part("s1")], **fields})
        assert reason(answer) == "INVALID", answer
        assert line.query("s1").held == 0


def test_what_is_not_served_yet_is_unsupported(shared, jobs):
    with shared.client() as line:
        assert reason(line.define(jobs, not_durable=True)) == "UNSUPPORTED"
        assert reason(line.call("query", semaphore=jobs)) == "NOT_FOUND"
        for name in UNSERVED:
            assert reason(line.call(name, **REQUESTS[name])) == "UNSUPPORTED"


def test_welcome_says_what_the_session_is(shared):
    with shared.client(hello={"linger_ms": 60000}) as one, \
            shared.client() as two:
        assert one.welcome.session_id and two.welcome.session_id
        assert one.welcome.session_id != two.welcome.session_id
        assert len(one.welcome.secret) == 16
        assert one.welcome.secret != two.welcome.secret
        assert one.welcome.boot_id == two.welcome.boot_id
        assert one.welcome.boot_id.decode().isprintable()
        assert one.welcome.heartbeat_ms == 5000
        assert one.welcome.session_timeout_ms == 15000
        assert one.welcome.linger_ms == 60000 and not one.welcome.resumed
        assert two.welcome.linger_ms == 0
        assert not one.welcome.grants_survive_restart
        assert one.welcome.server.startswith(b"permitd/")


def test_c11_more_than_it_can_ever_give_is_impossible(shared, jobs):
    with shared.client() as line:
        line.define(jobs, 3)
        assert reason(line.acquire(jobs, 4, wait_ms=-1)) == "IMPOSSIBLE"
        assert reason(line.acquire(jobs, PERMITS_MAX)) == "IMPOSSIBLE"
        assert kind(line.acquire(jobs, 3)) == "granted"


def test_c11_a_post_past_the_top_changes_nothing(shared, jobs):
    with shared.client() as line:
        line.define(jobs, PERMITS_MAX - 1, "COUNTING")
        assert line.post(jobs).posted.available == PERMITS_MAX
        assert reason(line.post(jobs)) == "OVERFLOW"
        assert reason(line.post(jobs, PERMITS_MAX)) == "OVERFLOW"
        assert line.query(jobs).available == PERMITS_MAX


def test_bounded_semaphores_are_neither_posted_nor_consumed(shared, jobs):
    with shared.client() as line:
        line.define(jobs, 3)
        assert reason(line.post(jobs)) == "INVALID"
        assert reason(line.acquire(jobs, part_fields={"consume": True})) == \
            "INVALID"
        assert granted_available(line, jobs) == (0, 3)


def test_what_is_consumed_is_gone_and_not_held(shared, jobs):
    with shared.client() as line:
        line.define(jobs, 3, "COUNTING")
        taken = line.acquire(jobs, 2, part_fields={"consume": True})
        assert kind(taken) == "granted" and taken.granted.fence
        assert reason(line.release(taken.id)) == "NOT_HELD"
        assert granted_available(line, jobs) == (0, 1)


def test_a_counting_semaphore_is_not_resized(shared, jobs):
    with shared.client() as line:
        line.define(jobs, 3, "COUNTING")
        assert kind(line.define(jobs, 3, "COUNTING")) == "done"
        assert reason(line.define(jobs, 4)) == "INVALID"
        assert reason(line.define(jobs, 3, "BOUNDED")) == "INVALID"


def test_e4_durations_saturate(shared, jobs):
    with shared.client() as line:
        line.define(jobs, 2)
        grant = line.acquire(jobs, wait_ms=2**63 - 1, hold_ms=2**64 - 1)
        assert kind(grant) == "granted"
        ten_years = 10 * 365 * 86400 * 1000
        other = line.acquire(jobs, hold_ms=ten_years)
        assert other.granted.hold_ms == ten_years
        waiting = line.send_acquire(jobs, wait_ms=2**63 - 1)
        line.ping()
        assert kind(line.release(grant.id)) == "done"
        assert kind(line.answer(waiting)) == "granted"


# ------------------------------------------------------------------ releases

def test_c12_an_unknown_grant_is_not_held(shared, jobs):
    with shared.client() as line, shared.client() as other:
        line.define(jobs, 2)
        line.acquire(jobs)
        other.next_id = 100
        for id in (0, 1, 7, 2**64 - 1):
            assert reason(other.release(id)) == "NOT_HELD"
        assert granted_available(line, jobs) == (1, 1)


def test_c12_another_sessions_grant_is_not_held(shared, jobs):
    with shared.client() as line, shared.client() as other:
        line.define(jobs, 2)
        grant = line.acquire(jobs, id=40)
        other.next_id = 50
        assert reason(other.release(40)) == "NOT_HELD"
        assert reason(other.release(grant.granted.grant_id)) == "NOT_HELD"
        assert granted_available(line, jobs) == (1, 1)


def test_c12_a_release_before_its_waiting_acquire_is_not_held(shared, jobs):
    with shared.client() as line, shared.client() as holder:
        holder.define(jobs)
        grant = holder.acquire(jobs)
        line.send_raw(acquire_frame(1, jobs, wait_ms=-1)
                      + request("release", 2, acquire_id=1))
        assert reason(line.answer(2)) == "NOT_HELD"
        holder.release(grant.id)
        assert kind(line.answer(1)) == "granted"
        assert granted_available(line_at(line, 10), jobs) == (1, 0)


def line_at(line, id):
    line.next_id = id
    return line


def test_c12_a_lost_grant_is_expired(shared, jobs):
    with shared.client() as line:
        line.define(jobs)
        grant = line.acquire(jobs, hold_ms=50)
        lost = line.push("lost", grant.id)
        assert loss(lost) == "HOLD"
        assert lost.lost.grant_id == grant.granted.grant_id
        assert granted_available(line, jobs) == (0, 1)
        assert reason(line.release(grant.id)) == "EXPIRED"
        assert reason(line.release(grant.id)) == "EXPIRED"
        assert granted_available(line, jobs) == (0, 1)


def test_c12_more_than_it_holds_is_over_release(shared, jobs):
    with shared.client() as line:
        line.define(jobs, 5)
        grant = line.acquire(jobs, 3)
        line.acquire(jobs, 1)
        over = line.release(grant.id, parts=[held(jobs, 4)])
        assert reason(over) == "OVER_RELEASE"
        assert granted_available(line, jobs) == (4, 1)
        assert kind(line.release(grant.id, parts=[held(jobs, 2)])) == "done"
        over = line.release(grant.id, parts=[held(jobs, 2)])
        assert reason(over) == "OVER_RELEASE"
        assert granted_available(line, jobs) == (2, 3)
        assert kind(line.release(grant.id, parts=[held(jobs, 1)])) == "done"
        assert reason(line.release(grant.id)) == "NOT_HELD"
        assert granted_available(line, jobs) == (1, 4)


def test_c12_a_release_in_parts_of_another_semaphore_frees_nothing(shared,
                                                                   jobs):
    with shared.client() as line:
        line.define(jobs, 2)
        line.define(jobs + "2", 2)
        grant = line.acquire(jobs)
        line.acquire(jobs + "2")
        assert reason(line.release(grant.id, parts=[held(jobs + "2")])) != ""
        for parts in ([held(jobs), held(jobs)],
                      [held(jobs), held(jobs + "2")]):
            assert reason(line.release(grant.id, parts=parts)) != ""
        assert granted_available(line, jobs) == (1, 1)
        assert granted_available(line, jobs + "2") == (1, 1)


def test_c12_a_release_twice(shared, jobs):
    with shared.client() as line:
        line.define(jobs, 2)
        grant = line.acquire(jobs)
        line.acquire(jobs)
        release = line.send("release", acquire_id=grant.id)
        assert kind(line.answer(release)) == "done"
        line.send("release", release, acquire_id=grant.id)
        assert kind(line.answer(release)) == "done"
        assert reason(line.release(grant.id)) == "NOT_HELD"
        assert granted_available(line, jobs) == (1, 1)


# ----------------------------------------------------------------------- ids

def test_c13_the_same_request_again_gets_the_first_answer(shared, jobs):
    with shared.client() as line:
        line.define(jobs, 5)
        grant = line.acquire(jobs, 2)
        for wait_ms in (0, 100, -1):
            line.send_acquire(jobs, 2, wait_ms, id=grant.id)
            assert line.answer(grant.id) == grant
        assert granted_available(line, jobs) == (2, 3)
        refused = line.acquire(jobs, 4)
        line.release(grant.id)
        assert refused.refused.HasField("oldest")
        refused.refused.ClearField("oldest")  # Who it was is said once.
        line.send_acquire(jobs, 4, id=refused.id)
        assert line.answer(refused.id) == refused


def test_c13_a_post_again_is_not_done_twice(shared, jobs):
    with shared.client() as line:
        line.define(jobs, 0, "COUNTING")
        posted = line.post(jobs, 5)
        line.send("post", posted.id, semaphore=jobs, permits=5)
        assert line.answer(posted.id) == posted
        assert line.query(jobs).available == 5


def test_c13_another_body_under_a_used_id_is_a_conflict(shared, jobs):
    with shared.client() as line:
        line.define(jobs, 5)
        grant = line.acquire(jobs)
        for other in (message("acquire", grant.id, parts=[part(jobs, 2)]),
                      message("acquire", grant.id, parts=[part(jobs)],
                              hold_ms=1),
                      message("release", grant.id, acquire_id=grant.id),
                      message("define", grant.id, semaphore=jobs)):
            line.send_raw(frame(other))
            assert reason(line.answer(grant.id)) == "CONFLICT", other
        assert granted_available(line, jobs) == (1, 4)


def test_c13_a_repeat_of_what_is_under_way_is_dropped(shared, jobs):
    with shared.client() as line, shared.client() as holder:
        holder.define(jobs)
        grant = holder.acquire(jobs)
        waiting = line.send_acquire(jobs, wait_ms=-1)
        line.send_acquire(jobs, wait_ms=-1, id=waiting)
        line.send_acquire(jobs, wait_ms=0, id=waiting)
        line.ping()
        assert line.query(jobs).waiters == 1
        holder.release(grant.id)
        assert kind(line.answer(waiting)) == "granted"
        line.ping()
        assert line.inbox == []


def test_c13_an_id_below_the_mark_is_invalid(shared, jobs):
    with shared.client() as line:
        line.define(jobs, 5)
        grant = line.acquire(jobs, id=10)
        line.send("ping", 11, answered_below=11)
        line.answer(11)
        line.send_acquire(jobs, id=10)
        assert reason(line.answer(10)) == "INVALID"
        line.next_id = 12
        assert granted_available(line, jobs) == (1, 4)
        assert kind(line.release(grant.id)) == "done"  # It is held still.


def test_c13_an_old_id_that_was_never_used_is_invalid(shared, jobs):
    with shared.client() as line:
        line.define(jobs, 5)
        line.acquire(jobs, id=10)
        line.send_acquire(jobs, id=5)
        assert reason(line.answer(5)) == "INVALID"
        line.next_id = 20
        assert line.query(jobs).held == 1


def test_c13_answers_that_are_kept_are_bounded(start_daemon):
    daemon = start_daemon({"limits": {"max_answers_per_session": 16}})
    with daemon.client() as line:
        line.define("jobs", 100)
        first = line.acquire("jobs")
        for _ in range(20):
            line.acquire("jobs")
        line.send_acquire("jobs", id=first.id)
        assert reason(line.answer(first.id)) == "INVALID"
        assert line.query("jobs").held == 21
        assert kind(line.release(first.id)) == "done"


# -------------------------------------------------------------------- cancel

def test_cancel_ends_a_wait_and_never_releases(shared, jobs):
    with shared.client() as line, shared.client() as holder:
        holder.define(jobs)
        grant = holder.acquire(jobs)
        waiting = line.send_acquire(jobs, wait_ms=-1)
        cancel = line.send("cancel", acquire_id=waiting)
        first, second = line.take(2)
        assert (first.id, reason(first)) == (waiting, "CANCELLED")
        assert (second.id, second.cancelled.outcome) == \
            (cancel, pb.CANCEL_CANCELLED)
        answer = holder.cancel(grant.id)
        assert answer.cancelled.outcome == pb.CANCEL_GRANTED
        assert line.query(jobs).held == 1
        answer = line.cancel(waiting)
        assert answer.cancelled.outcome == pb.CANCEL_NOT_FOUND


# --------------------------------------------------------------------- pages

def test_lists_are_paged(shared):
    with shared.client() as line:
        names = [b"page/%03d" % number for number in range(150)]
        for name in names:
            line.define(name)
        for limit in (0, 1, 7, 1000):
            found = []
            while True:
                page = line.list("SEMAPHORES", "page/", offset=len(found),
                                 limit=limit)
                assert page.total == 150 and page.offset == len(found)
                assert limit == 0 or len(page.semaphores) <= limit
                if not page.semaphores:
                    break
                found += [row.name for row in page.semaphores]
                if limit == 1 and len(found) == 5:
                    break
            assert found == (names[:5] if limit == 1 else names)
        assert reason(line.call("list", kind=pb.LIST_HOLDERS,
                                name="page/none")) == "NOT_FOUND"
        assert reason(line.call("list", kind=pb.LIST_HOLDERS,
                                name="")) in ("INVALID", "NOT_FOUND")
        page = line.list("SEMAPHORES", "page/", offset=2**64 - 1)
        assert page.total == 150 and not page.semaphores


def test_pages_show_who_holds_and_who_waits(shared, jobs):
    hello = {"host": "ci-4", "pid": 812, "purpose": "make"}
    with shared.client("alice", hello) as alice, shared.client("bob") as bob:
        alice.define(jobs, 3)
        grant = alice.acquire(jobs, 2, hold_ms=3600000)
        bob.send_acquire(jobs, 2, wait_ms=60000)
        bob.send_acquire(jobs, 1, wait_ms=-1)
        bob.ping()
        holder, = alice.list("HOLDERS", jobs).holders
        assert holder.grant_id == grant.granted.grant_id
        assert holder.fence == grant.granted.fence
        assert holder.permits == 2
        assert holder.client.session_id == alice.welcome.session_id
        assert (holder.client.name, holder.client.host, holder.client.pid,
                holder.client.purpose) == (b"alice", b"ci-4", 812, b"make")
        own = alice.socket.getsockname()
        assert holder.client.address == f"{own[0]}:{own[1]}".encode()
        assert holder.client.connected
        assert 3500000 < holder.expires_in_ms_plus_1 <= 3600001
        first, second = alice.list("WAITERS", jobs).waiters
        assert (first.position, second.position) == (1, 2)
        assert (first.permits, second.permits) == (2, 1)
        assert first.client.name == b"bob"
        assert 50000 < first.expires_in_ms_plus_1 <= 60001
        assert second.expires_in_ms_plus_1 == 0
        semaphore = alice.query(jobs)
        assert (semaphore.held, semaphore.available, semaphore.holders,
                semaphore.waiters, semaphore.waiting_permits) == (2, 1, 1, 2, 3)


def test_labels_are_shown_while_it_waits_and_holds(shared, jobs):
    nightly = {b"job": b"nightly", b"\xff\n": b""}
    with shared.client() as alice, shared.client() as bob:
        alice.define(jobs)
        alice.acquire(jobs, id=3)
        id = bob.send_acquire(jobs, wait_ms=-1, labels=labels(nightly))
        bob.ping()
        assert labels(alice.list("WAITERS", jobs).waiters[0].labels) == nightly
        assert not alice.list("HOLDERS", jobs).holders[0].labels
        alice.release(3)
        assert kind(bob.answer(id)) == "granted"
        assert labels(alice.list("HOLDERS", jobs).holders[0].labels) == nightly
        bob.release(id)
        again = bob.acquire(jobs, labels=labels({"job": "weekly"}))
        assert kind(again) == "granted"
        row, = alice.list("HOLDERS", jobs).holders
        assert labels(row.labels) == {b"job": b"weekly"}


def test_a_large_acquire_may_be_in_one_write_with_hello(shared, jobs):
    most = labels({bytes([97 + n]) * 128: b"v" * 128 for n in range(8)})
    with shared.client() as bob, shared.connect() as alice:
        bob.define(jobs)
        large = acquire_frame(1, jobs, labels=most)
        assert len(large) > 1024 * 2
        alice.send_raw(request("hello", 0) + large)
        assert kind(alice.answer(1)) == "granted"
        row, = bob.list("HOLDERS", jobs).holders
        assert labels(row.labels) == labels(most)


def test_pages_of_the_largest_rows_have_fewer(shared, jobs):
    most = labels({bytes([97 + n]) * 128: b"v" * 128 for n in range(8)})
    text = "x" * 128
    hello = {"host": text, "purpose": text}
    with shared.client(text, hello) as line:
        line.define(jobs, 64)
        grants = [line.acquire(jobs, labels=most) for _ in range(64)]
        waiters = [line.send_acquire(jobs, wait_ms=-1, labels=most)
                   for _ in range(3)]
        found = []
        while len(found) < 64:
            page = line.list("HOLDERS", jobs, offset=len(found))
            assert page.total == 64 and page.offset == len(found)
            assert 20 <= len(page.holders) <= 30 or len(page.holders) + \
                len(found) == 64
            assert all(labels(row.labels) == labels(most)
                       for row in page.holders)
            found += [row.grant_id for row in page.holders]
        assert found == [grant.granted.grant_id for grant in grants]
        rows = line.list("WAITERS", jobs).waiters
        assert [row.acquire_id for row in rows] == waiters
        assert labels(rows[2].labels) == labels(most)


def test_c16_query_creates_nothing(start_daemon):
    daemon = start_daemon({"limits": {"max_semaphores": 3}})
    with daemon.client() as line:
        for number in range(100):
            name = f"none{number}"
            assert reason(line.call("query", semaphore=name)) == "NOT_FOUND"
            assert reason(line.acquire(name)) == "NOT_FOUND"
        assert line.list("SEMAPHORES").total == 0
        for number in range(3):
            assert kind(line.define(f"jobs{number}")) == "done"
        assert reason(line.define("jobs3")) == "TOO_MANY"
        assert kind(line.delete("jobs0")) == "done"
        assert kind(line.define("jobs3")) == "done"


def test_a_wait_ends_at_its_time_and_not_before(shared, jobs):
    with shared.client() as line:
        line.define(jobs)
        line.acquire(jobs)
        begun = time.monotonic()
        assert reason(line.acquire(jobs, wait_ms=200)) == "TIMEOUT"
        assert 0.199 <= time.monotonic() - begun < 5
