# SPDX-License-Identifier: MIT
"""Exactly one outcome: whatever crosses on the way, an acquire has one final
answer, both sides agree on it, and what cannot be told is undone."""
import select

import pytest

from conftest import eventually
from user import fixture_start_user  # pylint: disable=unused-import
from wire import acquire_frame, kind, pb, reason, request


def test_ids_are_the_sessions_own(shared, jobs):
    with shared.client() as one, shared.client() as two:
        one.define(jobs, 3)
        first, second = one.acquire(jobs, id=50), two.acquire(jobs, id=50)
        assert kind(first) == kind(second) == "granted"
        assert first.granted.grant_id != second.granted.grant_id
        two.next_id = one.next_id = 51
        assert kind(two.release(50)) == "done"
        assert one.query(jobs).held == 1


def test_of_cancel_and_grant_one_wins_and_both_sides_agree(shared, jobs):
    """On two lines: one surely first, the other surely first, a race."""
    outcomes = {"granted": 0, "refused": 0}
    with shared.client() as holder, shared.client() as line:
        holder.define(jobs)
        for round_ in range(200):
            held = holder.acquire(jobs)
            waiting = line.send_acquire(jobs, wait_ms=-1)
            line.ping()
            cancel, release = line.new_id(), holder.new_id()
            frames = [(line, request("cancel", cancel, acquire_id=waiting)),
                      (holder, request("release", release,
                                       acquire_id=held.id))]
            if round_ % 2 == 0:
                frames.reverse()
            for own, data in frames:
                own.socket.sendall(data)
                if round_ < 10:
                    own.ping()
            assert kind(holder.answer(release)) == "done"
            final, told = line.answer(waiting), line.answer(cancel)
            outcomes[kind(final)] += 1
            if kind(final) == "granted":
                assert told.cancelled.outcome == pb.CANCEL_GRANTED
                assert holder.query(jobs).held == 1
                assert kind(line.release(waiting)) == "done"
            else:
                assert reason(final) == "CANCELLED"
                assert told.cancelled.outcome == pb.CANCEL_CANCELLED
                assert holder.query(jobs).held == 0
                assert reason(line.release(waiting)) == "NOT_HELD"
            assert line.inbox == holder.inbox == []
    assert min(outcomes.values()) >= 5, outcomes


def test_a_cancel_is_answered_behind_what_it_ends(shared, jobs):
    with shared.client() as line:
        line.define(jobs)
        line.send_raw(acquire_frame(10, jobs) + acquire_frame(11, jobs,
                                                              wait_ms=-1)
                      + request("cancel", 12, acquire_id=11)
                      + request("cancel", 13, acquire_id=10)
                      + request("cancel", 12, acquire_id=11))
        answers = line.take(5)
        assert [answer.id for answer in answers] == [10, 11, 12, 13, 12]
        assert answers[4] == answers[2]  # Asked again, answered as before.
        assert answers[3].cancelled.outcome == pb.CANCEL_GRANTED
        line.next_id = 14
        assert line.query(jobs).held == 1


@pytest.mark.parametrize("how", ["reset", "close"])
def test_a_grant_that_nobody_reads_goes_to_those_behind(shared, jobs, how):
    with shared.client() as holder, shared.client() as behind:
        holder.define(jobs)
        for _ in range(20):
            held = holder.acquire(jobs, wait_ms=5000)
            gone = shared.client()
            gone.send_acquire(jobs, wait_ms=-1)
            gone.ping()
            waiting = behind.send_acquire(jobs, wait_ms=-1)
            behind.ping()
            holder.send("release", acquire_id=held.id)
            getattr(gone, how)()  # Its Granted is under way, or will be.
            assert kind(behind.answer(waiting)) == "granted"
            assert kind(behind.release(waiting)) == "done"
        eventually(lambda: holder.query(jobs).held == 0)


def test_what_is_granted_too_late_for_its_caller_is_given_back(start_daemon,
                                                               start_user):
    daemon = start_daemon()
    with daemon.client() as line:
        line.define("jobs")
        user = start_user(daemon, answer_timeout_ms=200)
        with daemon.paused():
            line.send("ping", 90)
            assert user.ask("acquire", "jobs", 0, 0) == "PERMIT_E_NO_ANSWER 0"
        line.answer(90)
        line.next_id = 91
        assert kind(line.acquire("jobs", wait_ms=5000)) == "granted"
        assert line.query("jobs").grants_total == 2


def test_a_hold_counts_from_the_grant_however_long_it_waited(shared, jobs,
                                                             start_user):
    with shared.client() as line:
        line.define(jobs)
        held = line.acquire(jobs)
        user = start_user(shared)
        user.say("acquire", jobs, -1, 2000)
        user.say("left")
        eventually(lambda: line.query(jobs).waiters == 1)
        select.select([], [], [], 0.7)
        assert kind(line.release(held.id)) == "done"
        assert user.answer().startswith("PERMIT_OK")
        assert 2000 - 650 < int(user.answer()) <= 1998
        assert user.ask("release") == "PERMIT_OK"
