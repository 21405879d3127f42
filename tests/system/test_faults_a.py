# SPDX-License-Identifier: MIT
"""FAULTS A, processes: what the tests of sessions, of resume, of the daemon and
of `permit run` do not show of it. A3, A5 and A7 need a store that lasts."""
import os
import select
import signal
import time

import pytest

from conftest import SCALE, alive, eventually, session_of
from user import fixture_start_user  # pylint: disable=unused-import
from wire import (PREFACE, acquire_frame, goaway, kind, loss, reason,
                  request)

SESSION = 15 * SCALE  # The session timeout of these tests; a third of it is
                      # the heartbeat, so is what a last Ping may be ago.
SLACK = 1.5  # Of what happens on a loaded machine.


class Resource:
    """It keeps the highest fence that it has seen, and rejects lower ones."""

    def __init__(self):
        self.highest = 0

    def accepts(self, fence):
        self.highest = max(self.highest, fence)
        return fence == self.highest


def is_id(id):
    return lambda m: m.id == id


# ------------------------------------------------------- clients that stop

def test_a2_stopped_users_of_the_library_wake_without_their_grants(
        start_daemon, start_user):
    daemon = start_daemon(session_of(SESSION))
    resource = Resource()
    with daemon.client() as other:
        other.define("jobs", 2)
        users = [start_user(daemon) for _ in range(2)]
        old = [user.acquire("jobs") for user in users]
        assert all(user.ask("valid") == "1" for user in users)
        assert all(resource.accepts(fence) for fence in old)
        waiting = other.send_acquire("jobs", 2, wait_ms=-1)
        for user in users:
            user.send_signal(signal.SIGSTOP)
        stopped = time.monotonic()
        new = alive([other], other, is_id(waiting), 10 * SESSION).granted
        # They were heard a heartbeat before they were stopped, or later.
        assert time.monotonic() - stopped > 0.65 * SESSION
        assert resource.accepts(new.fence)
        # One releases at once, one waits to be told.
        asked = [["valid", "release"], ["valid", "wait_lost -1", "loss",
                                        "release"]]
        answers = [["0", "PERMIT_E_EXPIRED"],
                   ["0", "PERMIT_E_LOST", "session", "PERMIT_E_EXPIRED"]]
        for user, words in zip(users, asked):
            for word in words:
                user.say(word)
            user.send_signal(signal.SIGCONT)
        assert [[user.answer() for _ in words]
                for user, words in zip(users, asked)] == answers
        assert not any(resource.accepts(fence) for fence in old)
        assert other.query("jobs").held == 2


def test_a2_a_stop_within_the_linger_costs_nothing(start_daemon, start_user):
    """The daemon closes the line of who is silent, and keeps its session."""
    daemon = start_daemon(session_of(SESSION))
    with daemon.client() as other:
        other.define("jobs")
        user = start_user(daemon, linger_ms=int(4000 * SESSION))
        fence = user.acquire("jobs")
        waiting = other.send_acquire("jobs", wait_ms=-1)
        user.send_signal(signal.SIGSTOP)
        eventually(lambda: other.ping() and daemon.get("/status")[2][
            "sessions"]["disconnected"] == 1, timeout=3 * SESSION)
        for word in ("valid", "ping", "valid"):
            user.say(word)
        user.send_signal(signal.SIGCONT)
        assert [user.answer() for _ in range(3)] == ["1", "PERMIT_OK", "1"]
        assert [row.fence for row in other.list("HOLDERS", "jobs").holders] \
            == [fence]
        assert user.ask("release") == "PERMIT_OK"
        assert kind(other.answer(waiting)) == "granted"


# ----------------------------------------------------- daemons that stop

@pytest.mark.parametrize("pause", [0.5, 0.4 * SESSION])
def test_a4_a_pause_within_the_clients_deadline_costs_nobody(
        start_daemon, start_user, pause):
    daemon = start_daemon(session_of(SESSION))
    with daemon.client() as line, daemon.client() as other:
        line.define("jobs", 2)
        user = start_user(daemon)
        user.acquire("jobs")
        grant = line.acquire("jobs")
        waiting = other.send_acquire("jobs", wait_ms=-1)
        other.ping()
        user.ask("ping")
        with daemon.paused():
            select.select([], [], [], pause)
        line.ping()
        assert user.ask("valid") == "1" and other.inbox == []
        assert line.query("jobs").held == 2
        assert kind(line.release(grant.id)) == "done"
        assert kind(other.answer(waiting)) == "granted"
        assert user.ask("release") == "PERMIT_OK"


def test_a4_ten_session_timeouts_end_no_session(start_daemon):
    timeout = 0.4 * SESSION
    daemon = start_daemon(session_of(timeout))
    lines = [daemon.client() for _ in range(40)]
    lines[0].define("jobs", 20)
    answers = [line.send_acquire("jobs", wait_ms=-1) for line in lines]
    for line in lines:
        line.ping()
    with daemon.paused():
        for line in lines:
            line.send("ping", 50)
        select.select([], [], [], 10 * timeout)
    for line in lines:
        line.answer(50)
        line.next_id = 60
    for line, answer in zip(lines[:20], answers):
        assert kind(line.answer(answer)) == "granted"
    for line, answer in zip(lines[:20], answers):
        assert kind(line.release(answer)) == "done"
    for line, answer in zip(lines[20:], answers[20:]):
        assert kind(line.answer(answer)) == "granted"  # Its place was kept.
    for line in lines:
        line.close()


def test_a9_a_long_pause(start_daemon, start_user):
    """Two session timeouts; by the daemon's clock it was a second. Who has no
    linger loses its grant by itself, who has one keeps it."""
    pause = 2 * SESSION
    limit_ms = int(pause / 2 * 1000)  # Of a wait and of holds.
    daemon = start_daemon(session_of(SESSION))
    with daemon.client() as first, daemon.client() as second, \
            daemon.client() as line:
        lines = [first, second, line]
        line.define("jobs")
        line.define("timed", 2)
        user, caller = start_user(daemon), start_user(daemon, limit_ms)
        keeper = start_user(daemon)
        line.define("kept", 2)
        lingering = start_user(daemon, linger_ms=int(4000 * SESSION))
        lingering.acquire("kept")
        behind = start_user(daemon, linger_ms=int(4000 * SESSION))
        kept = line.acquire("kept")
        behind.say("acquire", "kept", -1, 0)
        user.acquire("jobs")
        waits = [each.send_acquire("jobs", wait_ms=-1) for each in lines[:2]
                 if each.ping()]
        second.ping()
        begun = time.monotonic()
        keeper.acquire("timed", hold_ms=limit_ms)
        held = line.acquire("timed", hold_ms=limit_ms)
        timed = line.send_acquire("jobs", wait_ms=limit_ms)
        line.ping()
        caller.say("acquire", "jobs", limit_ms // 2, 0)
        eventually(lambda: line.query("jobs").waiters == 4 and
                   line.query("kept").waiters == 1)
        behind_session = line.list("WAITERS", "kept").waiters[0] \
            .client.session_id
        with daemon.paused():
            stopped = time.monotonic()
            user.say("until_lost")
            keeper.say("until_lost")
            first.send("ping", 1000)
            # Each by its own clock, while the daemon stands still.
            lost = float(user.answer())
            assert 0.4 * SESSION < lost - stopped < 0.9 * SESSION + SLACK
            assert begun + 0.99 * limit_ms / 1000 - SLACK < \
                float(keeper.answer()) < begun + limit_ms / 1000 + SLACK
            assert caller.answer() in ("PERMIT_E_NO_ANSWER 0",
                                       "PERMIT_E_OUTCOME_UNKNOWN 0")
            assert time.monotonic() < begun + 1.5 * limit_ms / 1000 + SLACK
            select.select([], [], [], stopped + pause - time.monotonic())
            assert lingering.ask("valid") == "1"
        continued = time.monotonic()
        first.answer(1000)
        first.next_id = 1001
        # What the user gave back goes to those behind, in their places.
        for each, wait in zip(lines, waits):
            assert kind(alive(lines, each, is_id(wait))) == "granted"
            assert line.query("jobs").held == 1
            if each is first:
                assert kind(first.release(wait)) == "done"
        # Wait and hold end late, by what of the pause exceeds a second.
        assert reason(alive(lines, line, is_id(timed))) == "TIMEOUT"
        assert time.monotonic() > begun + limit_ms / 1000 + pause - 1.05
        assert loss(alive(lines, line, is_id(held.id))) == "HOLD"
        assert time.monotonic() > begun + limit_ms / 1000 + pause - 1.05
        assert time.monotonic() < continued + limit_ms / 1000 + SLACK
        # With a linger: nothing is lost, and the place in the queue is kept.
        assert lingering.ask("valid") == "1"
        assert [row.client.session_id for row in
                line.list("WAITERS", "kept").waiters] == [behind_session]
        assert kind(line.release(kept.id)) == "done"
        assert behind.answer().startswith("PERMIT_OK")
        assert lingering.ask("release") == "PERMIT_OK"
        for each in (user, keeper):
            assert each.ask("release") == "PERMIT_E_EXPIRED"
            assert each.ask("valid") == "0"


# -------------------------------------------------------------------- ends

@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGUSR2])
def test_a6_more_signals_do_not_change_the_end(start_daemon, first):
    for _ in range(5):
        daemon = start_daemon()
        daemon.send_signal(first)
        while daemon.process.poll() is None:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP,
                           signal.SIGUSR2):
                daemon.send_signal(number)
            select.select([], [], [], 0.0002)
        assert daemon.wait() == 0


def test_a6_nobody_is_accepted_while_it_ends(start_daemon):
    daemon = start_daemon()
    with daemon.client() as line:
        daemon.send_signal(signal.SIGTERM)
        line.push("goaway")  # It is kept a while, until we close it.
        with daemon.connect(preface=False) as late:
            late.send_raw(PREFACE + request("hello", 1))
            assert late.wait_closed() == []
    assert daemon.wait() == 0


def test_a_drain_refuses_very_many_in_slices_before_it_says_goaway(
        start_daemon):
    daemon = start_daemon()
    with daemon.client() as holder:
        holder.define("jobs", max_queue=5000)
        grant = holder.acquire("jobs")
        lines = [daemon.client() for _ in range(5)]
        for line in lines:
            line.send_raw(b"".join(acquire_frame(id, "jobs", wait_ms=-1)
                                   for id in range(2, 1002)))
        eventually(lambda: holder.query("jobs").waiters == 5000)
        daemon.send_signal(signal.SIGUSR2)
        for line in lines:
            answers = line.wait_closed()
            assert [answer.id for answer in answers[:-1]] == \
                list(range(2, 1002))
            assert {reason(answer) for answer in answers[:-1]} == {"DRAINING"}
            assert goaway(answers[-1]) == "DRAINING"
            line.close()
        assert kind(holder.release(grant.id)) == "done"
        assert holder.wait_goaway() == "SHUTDOWN"
    assert daemon.wait() == 0


@pytest.mark.parametrize("linger_ms", [0, 60000])
def test_a_drain_as_users_of_the_library_see_it(start_daemon, start_user,
                                                linger_ms):
    daemon = start_daemon()
    with daemon.client() as line:
        line.define("jobs")
        holder, waiter, idle = [start_user(daemon, linger_ms=linger_ms)
                                for _ in range(3)]
        holder.acquire("jobs")
        waiter.say("acquire", "jobs", -1, 0)
        eventually(lambda: line.query("jobs").waiters == 1)
        daemon.send_signal(signal.SIGUSR2)
        assert waiter.answer() == "PERMIT_E_DRAINING 0"
        assert line.wait_goaway() == "DRAINING"
        for user in (waiter, idle):  # They come back no earlier than asked to.
            eventually(lambda user=user: user.ask("acquire", "jobs", -1, 0) ==
                       "PERMIT_E_DRAINING 0", interval=0.2)
        assert holder.ask("valid") == "1"
        assert holder.ask("release") == "PERMIT_OK"
    assert daemon.wait() == 0


def test_a8_what_a_user_of_the_library_starts_has_no_descriptor_of_ours(
        shared, jobs, start_user):
    with shared.client() as line:
        line.define(jobs)
        user = start_user(shared)
        user.acquire(jobs)
        own = os.listdir(f"/proc/{user.process.pid}/fd")
        assert len(own) > 4  # The line, the timer, ...
        assert user.ask("children") == "0, 1, 2, 3"  # 3 is ls' own.
