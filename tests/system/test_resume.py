# SPDX-License-Identifier: MIT
"""Sessions that outlive their lines: what each end of a line means, who comes
back and finds what, and what no cut may double or lose."""
import random
import signal
import threading
import traceback
import time

import pytest

from conftest import eventually
from wire import (Closed, frame, goaway, kind, loss, message, pb, reason,
                  request)

# The timeout and the lingers of these tests, scaled down.
SHORT = {"session": {"heartbeat": "300ms", "timeout": "1s"}}
LINGER_MS = 60000


def key(welcome, secret=None):
    return pb.SessionKey(id=welcome.session_id,
                         secret=welcome.secret if secret is None else secret)


def lingering(daemon, linger_ms=LINGER_MS):
    """A client whose session lingers."""
    return daemon.client(hello={"linger_ms": linger_ms})


def back(daemon, line, **hello):
    """The client of `line` on a new line, its ids going on."""
    new = daemon.client(hello={"resume": key(line.welcome), **hello})
    new.next_id = line.next_id
    return new


def all_grants(line):
    """What Welcome lists, with the pages that follow it."""
    grants, more = list(line.welcome.grants), line.welcome.more
    while more:
        page = line.wait(lambda m: kind(m) == "grants").grants
        grants += page.grants
        more = page.more
    return grants


def break_line(line, how):
    if how == "rst":
        line.reset()
    else:
        line.close()


def until_granted(other, waiting, timeout=10):
    """Waits, alive, for the answer of an acquire."""
    deadline = time.monotonic() + timeout
    while True:
        other.ping()
        try:
            return other.answer(waiting, timeout=0.1)
        except AssertionError:
            assert time.monotonic() < deadline


# ------------------------------------------------------------ ends of lines

@pytest.mark.parametrize("how", ["fin", "rst"])
def test_a1_b17_with_a_linger_it_is_free_when_that_ends(start_daemon, how):
    daemon = start_daemon(SHORT)
    with daemon.client() as other:
        other.define("jobs")
        line = lingering(daemon, 700)
        line.acquire("jobs")
        waiting = other.send_acquire("jobs", wait_ms=-1)
        other.ping()
        broken = time.monotonic()
        break_line(line, how)
        eventually(lambda: daemon.get("/status")[2]["sessions"] ==
                   {"current": 2, "disconnected": 1})
        holder, = daemon.get("/api/v1/semaphores/jobs/holders")[2]["holders"]
        assert holder["connected"] is False
        assert kind(until_granted(other, waiting)) == "granted"
        assert 0.69 < time.monotonic() - broken < 5


def test_a2_a_silent_client_keeps_timeout_and_linger(start_daemon):
    daemon = start_daemon(SHORT)
    with daemon.client() as other:
        other.define("jobs")
        line = lingering(daemon, 500)
        line.acquire("jobs")
        waiting = other.send_acquire("jobs", wait_ms=-1)
        last = time.monotonic()
        line.ping()
        assert kind(until_granted(other, waiting)) == "granted"
        assert 1.49 < time.monotonic() - last < 6
        line.wait_closed()  # That was after the timeout, before the linger.
        line.close()


def test_b4_what_breaks_inside_a_frame_is_dropped(shared, jobs):
    with shared.client() as other:
        other.define(jobs)
        line = lingering(shared)
        grant = line.acquire(jobs)
        line.send_raw(request("release", 9, acquire_id=grant.id)[:-1])
        line.reset()
        with back(shared, line) as line:
            assert [g.acquire_id for g in line.welcome.grants] == [grant.id]
            assert other.query(jobs).held == 1
            line.bye()
        assert other.query(jobs).held == 0


def test_b15_bytes_before_a_fin_are_obeyed_with_a_linger_too(shared, jobs):
    with shared.client() as other:
        other.define(jobs, 5)
        other.define(jobs + "/pool", 0, "COUNTING")
        line = lingering(shared)
        held = line.new_id(), line.new_id(), line.new_id(), line.new_id()
        line.send_raw(b"".join([
            request("acquire", held[0], parts=[pb.AcquirePart(
                semaphore=jobs.encode(), permits=3)]),
            request("acquire", held[1], parts=[pb.AcquirePart(
                semaphore=jobs.encode(), permits=1)]),
            request("release", held[2], acquire_id=held[0]),
            request("post", held[3], semaphore=(jobs + "/pool").encode(),
                    permits=2)]))
        line.shut()
        assert [kind(answer) for answer in line.wait_closed()] == \
            ["granted", "granted", "done", "posted"]
        with back(shared, line) as line:
            assert [g.acquire_id for g in line.welcome.grants] == [held[1]]
            assert other.query(jobs).held == 1
            assert other.query(jobs + "/pool").available == 2
            line.bye()


def test_a9_a_stopped_daemon_costs_a_lingering_session_nothing(start_daemon):
    """The pause is longer than timeout and linger together; a second of it
    counts."""
    daemon = start_daemon(SHORT)
    with daemon.client() as other:
        other.define("jobs", 2)
        line = lingering(daemon, 1500)
        grant = line.acquire("jobs")
        waiting = line.send_acquire("jobs", 2, wait_ms=-1)
        line.ping()
        line.reset()
        daemon.send_signal(signal.SIGSTOP)
        other.send("ping", 50)
        other.fill_if_there(2.7)
        daemon.send_signal(signal.SIGCONT)
        with back(daemon, line) as line:
            assert line.welcome.resumed
            assert [g.acquire_id for g in line.welcome.grants] == [grant.id]
            assert kind(line.release(grant.id)) == "done"
            assert kind(line.answer(waiting)) == "granted"


# ------------------------------------------------------------ who comes back

def test_b12_the_newer_line_wins(shared, jobs):
    with lingering(shared) as old:
        old.define(jobs)
        grant = old.acquire(jobs)
        release = request("release", 90, acquire_id=grant.id)
        old.send_raw(release[:-2])  # Unread, as far as the server knows.
        with back(shared, old) as new:
            old.send_raw(release[-2:])
            assert old.wait_goaway() == "SUPERSEDED"
            assert new.query(jobs).held == 1
            assert kind(new.release(grant.id)) == "done"
            new.bye()


def test_b12_a_hundred_lines_of_one_session(shared, jobs):
    """All want it at once: one has it in the end, and all others know."""
    first = lingering(shared)
    first.define(jobs)
    first.acquire(jobs)
    lines = [shared.connect() for _ in range(100)]
    for line in lines:
        line.send("hello", 0, resume=key(first.welcome))
    ends = [line.wait(lambda m: kind(m) == "welcome") for line in lines]
    assert all(end.welcome.resumed for end in ends)
    assert first.wait_goaway() == "SUPERSEDED"
    alive = []
    for line in lines:
        try:
            line.send("ping", 7)
            line.wait(lambda m: kind(m) == "pong")
            alive.append(line)
        except Closed:
            assert goaway(line.inbox[-1]) == "SUPERSEDED"
    assert len(alive) == 1
    alive[0].next_id = 10
    assert [g.semaphore for g in
            ends[lines.index(alive[0])].welcome.grants[0].parts] == \
        [jobs.encode()]
    alive[0].bye()
    for line in [first, *lines]:
        line.close()


@pytest.mark.parametrize("field", ["resume", "end"])
def test_b12_a_wrong_secret_is_denied(shared, jobs, field):
    with lingering(shared) as old:
        old.define(jobs)
        grant = old.acquire(jobs)
        for secret in (b"x" * 16, b"", old.welcome.secret[:15],
                       old.welcome.secret + b"x"):
            with shared.connect() as thief:
                thief.send("hello", 1, **{field: key(old.welcome, secret)})
                assert [reason(m) for m in thief.wait_closed()] == ["DENIED"]
        assert kind(old.release(grant.id)) == "done"
        old.bye()


def test_b13_a_silent_line_is_resumed_at_linger_0(shared, jobs):
    with shared.client() as old:
        old.define(jobs)
        grant = old.acquire(jobs)
        with back(shared, old) as new:  # From another port.
            assert new.welcome.resumed and new.welcome.linger_ms == 0
            assert new.welcome.session_id == old.welcome.session_id
            # Also by who never heard the second Welcome.
            with back(shared, old) as newest:
                assert newest.welcome.resumed
                assert kind(newest.release(grant.id)) == "done"


def test_an_unknown_session_is_a_new_one(shared):
    with shared.client(hello={"resume": pb.SessionKey(
            id=5, secret=b"x" * 16)}) as line:
        assert not line.welcome.resumed and not line.welcome.grants


@pytest.mark.parametrize("is_broken", [True, False])
def test_a_session_is_ended_from_a_new_line(shared, jobs, is_broken):
    """So nobody queues behind himself."""
    old = lingering(shared)
    old.define(jobs)
    old.acquire(jobs)
    if is_broken:
        old.reset()
    with shared.connect() as new:
        new.send("hello", 0, end=key(old.welcome))
        waiting = new.send_acquire(jobs, wait_ms=-1)
        assert not new.answer(0).welcome.resumed
        assert kind(new.answer(waiting)) == "granted"
    if not is_broken:
        assert old.wait_goaway() == "SUPERSEDED"
        old.close()


def test_a_session_of_very_many_grants_is_ended_or_resumed(start_daemon):
    """In slices: Welcome comes turns after Hello, and nobody is closed."""
    daemon = start_daemon({"limits": {"max_grants_per_session": 5000,
                                      "max_waiters_per_session": 5000,
                                      "hello_timeout": "1s"}})
    old = lingering(daemon)
    old.define("jobs", 5000)
    old.define("jobs", max_queue=5000)
    frames = b"".join(
        frame(message("acquire", id, id, parts=[pb.AcquirePart(
            semaphore=b"jobs", permits=1)], wait_ms=-1))
        for id in range(10, 6010))
    old.send_raw(frames, timeout=30)
    old.take(5000, timeout=30)
    old.next_id = 6010
    old.ping()
    old.reset()
    with back(daemon, old) as line:
        assert len(all_grants(line)) == 5000
        line.fill_if_there(1.2)
        line.ping()
        assert line.query("jobs").waiters == 1000
    with daemon.client(hello={"end": key(old.welcome)}) as line:
        line.fill_if_there(1.2)
        line.ping()
        assert line.query("jobs").held == 0


# ------------------------------------------------------------ what was cut

@pytest.mark.parametrize("cut", ["before", "inside", "after"])
def test_b18_a_granted_that_was_cut_is_the_same_when_asked_again(shared, jobs,
                                                                 cut):
    with shared.client() as other:
        other.define(jobs)
        line = lingering(shared)
        asked = line.send_acquire(jobs)
        if cut == "inside":
            line.socket.settimeout(10)
            assert line.socket.recv(6)
        elif cut == "after":
            assert kind(line.answer(asked)) == "granted"
        eventually(lambda: other.query(jobs).held == 1)
        line.reset()
        with back(shared, line) as line:
            listed, = line.welcome.grants
            line.send_acquire(jobs, id=asked)
            again = line.answer(asked).granted
            assert (listed.acquire_id, listed.grant_id, listed.fence) == \
                (asked, again.grant_id, again.fence)
            assert other.query(jobs).grants_total == 1
            line.bye()


def test_b18_a_release_that_was_cut_is_done_once(shared, jobs):
    pool = jobs + "/pool"
    with shared.client() as other:
        other.define(pool, 3, "COUNTING")
        line = lingering(shared)
        grant = line.acquire(pool, 3)
        released = line.send("release", acquire_id=grant.id)
        eventually(lambda: other.query(pool).available == 3)
        line.reset()
        with back(shared, line) as line:
            assert not line.welcome.grants
            line.send("release", released, acquire_id=grant.id)
            assert kind(line.answer(released)) == "done"
            line.ping()
            assert not [m for m in line.inbox if kind(m) == "lost"]
            assert other.query(pool).available == 3
            line.bye()


def test_b18_more_grants_than_a_page(shared, jobs):
    line = lingering(shared)
    line.define(jobs, 1000)
    for _ in range(700):
        line.send_acquire(jobs)
    grants = [line.next() for _ in range(700)]
    line.reset()
    with back(shared, line) as line:
        assert [(g.acquire_id, g.fence) for g in all_grants(line)] == \
            [(g.id, g.granted.fence) for g in grants]
        line.bye()


def test_b19_a_wait_goes_on_with_its_place_and_deadline(shared, jobs):
    with shared.client() as holder, shared.client() as behind:
        holder.define(jobs)
        holder.acquire(jobs)
        line = lingering(shared)
        begun = time.monotonic()
        waiting = line.send_acquire(jobs, wait_ms=1500)
        line.ping()
        behind.send_acquire(jobs, wait_ms=-1)
        behind.ping()
        line.reset()
        eventually(lambda: [w.set_aside for w in holder.list(
            "WAITERS", jobs).waiters] == [pb.SET_ASIDE_DISCONNECTED, 0])
        row = shared.get(f"/api/v1/semaphores/{jobs}/waiters")[2]["waiters"][0]
        assert row["set_aside"] == "disconnected"
        with back(shared, line) as line:
            line.send_acquire(jobs, wait_ms=1000, id=waiting)
            assert [(w.acquire_id, w.set_aside) for w in holder.list(
                "WAITERS", jobs).waiters][0] == (waiting, 0)
            assert reason(line.answer(waiting)) == "TIMEOUT"
            assert 1.49 < time.monotonic() - begun < 5
            line.bye()


def test_b20_what_was_taken_and_never_told_comes_back(start_daemon):
    """The Granted lies in the server's buffer, for the client reads nothing."""
    daemon = start_daemon()
    with daemon.client() as other:
        other.define("pool", 0, "COUNTING")
        for number in range(64):
            other.define("big/" + "x" * 110 + f"/{number:03d}")
        slow = daemon.client(receive_buffer=2304)
        slow.send("acquire", 5, parts=[pb.AcquirePart(
            semaphore=b"pool", permits=2, consume=True)], wait_ms=-1)
        slow.ping()
        slow.socket.settimeout(0.3)
        with pytest.raises(TimeoutError):  # Until the server reads no more.
            while True:
                slow.socket.sendall(1000 * request(
                    "list", 100, kind=pb.LIST_SEMAPHORES, name=b"big/",
                    limit=64))
        assert other.post("pool", 2).posted.available == 0
        slow.reset()
        eventually(lambda: other.query("pool").available == 2)


def test_b20_what_was_told_does_not_come_back(shared, jobs):
    with shared.client() as other:
        other.define(jobs, 2, "COUNTING")
        line = shared.client()
        line.acquire(jobs, part_fields={"consume": True})
        line.reset()
        line = shared.client()
        line.send_acquire(jobs, part_fields={"consume": True})
        line.close()  # The Granted is the kernel's, whoever reads it.
        eventually(lambda: shared.get("/status")[2]["sessions"]["current"] == 1)
        assert other.query(jobs).available == 0


def test_b21_waiters_without_a_line_are_passed_over(shared, jobs):
    with shared.client() as holder, shared.client() as behind:
        holder.define(jobs)
        grant = holder.acquire(jobs)
        line = lingering(shared)
        waiting = line.send_acquire(jobs, wait_ms=-1)
        line.ping()
        next_one = behind.send_acquire(jobs, wait_ms=-1)
        behind.ping()
        line.close()
        eventually(lambda: holder.list("WAITERS", jobs).waiters[0].set_aside)
        holder.release(grant.id)
        assert kind(behind.answer(next_one)) == "granted"
        last = holder.send_acquire(jobs, wait_ms=-1)
        with back(shared, line) as line:
            behind.release(next_one)
            assert kind(line.answer(waiting)) == "granted"
            line.bye()
        assert kind(holder.answer(last)) == "granted"


def test_a_grant_that_was_lost_meanwhile_is_said_to_be_lost(shared, jobs):
    with shared.client() as other:
        other.define(jobs)
        line = lingering(shared)
        asked = line.send_acquire(jobs, hold_ms=100)
        line.reset()
        eventually(lambda: other.query(jobs).lost_total[:1] == [1])
        with back(shared, line) as line:
            assert not line.welcome.grants
            line.send_acquire(jobs, hold_ms=100, id=asked)
            assert kind(line.answer(asked)) == "granted"
            assert loss(line.push("lost", asked)) == "HOLD"
            assert reason(line.release(asked)) == "EXPIRED"
            line.bye()


def test_c13_an_answer_below_the_mark_is_forgotten_on_resume(shared, jobs):
    line = lingering(shared)
    line.define(jobs)
    grant = line.acquire(jobs)
    line.reset()
    with shared.connect() as new:
        new.send("hello", 0, answered_below=grant.id + 1,
                 resume=key(line.welcome))
        assert new.answer(0).welcome.resumed
        new.send_acquire(jobs, id=grant.id)
        assert reason(new.answer(grant.id)) == "INVALID"
        new.next_id = grant.id + 1
        new.bye()


# --------------------------------------------------------- holds and verify

def test_renew_extends_a_hold_and_verify_tells(shared, jobs):
    with shared.client() as line, shared.client() as resource:
        line.define(jobs)
        grant = line.acquire(jobs, hold_ms=400)
        number = {"grant_id": grant.granted.grant_id,
                  "fence": grant.granted.fence}
        begun = time.monotonic()
        while time.monotonic() < begun + 0.8:
            line.fill_if_there(0.1)
            assert line.call("renew",
                             acquire_id=grant.id).renewed.hold_ms == 400
            assert kind(resource.call("verify", **number)) == "done"
        renewed = line.call("renew", acquire_id=grant.id, hold_ms=50)
        assert renewed.renewed.hold_ms == 50
        assert loss(line.push("lost", grant.id)) == "HOLD"
        assert reason(resource.call("verify", **number)) == "EXPIRED"
        assert reason(line.call("renew", acquire_id=grant.id)) == "EXPIRED"
        assert reason(resource.call("verify", grant_id=1, fence=1)) == \
            "NOT_HELD"


# ------------------------------------------------------------------ all of it

def test_b18_lines_that_break_at_any_byte(start_daemon):
    """Eight clients break their lines wherever it happens, resume, and send
    again what has no answer: each post and each release is done once."""
    daemon = start_daemon()
    with daemon.client() as other:
        other.define("jobs", 3)
        other.define("pool", 0, "COUNTING")
        clients = [Restless(daemon, seed) for seed in range(8)]
        for client in clients:
            client.start()
        for client in clients:
            client.join(60)
            assert client.failure is None, client.failure
        assert other.query("jobs").held == 0
        assert other.query("jobs").grants_total == \
            sum(client.granted for client in clients)
        assert other.query("pool").available == 8 * Restless.ROUNDS


class Restless(threading.Thread):
    """Acquires, posts and releases; its line breaks at any byte."""

    ROUNDS = 40

    def __init__(self, daemon, seed):
        super().__init__()
        self.daemon_under_test = daemon
        self.random = random.Random(seed)
        self.granted = 0
        self.failure = None
        self.line = None

    def run(self):
        try:
            self.line = lingering(self.daemon_under_test)
            for number in range(self.ROUNDS):
                first = 10 + 3 * number
                self.do([
                    message("acquire", first, first, wait_ms=-1,
                            parts=[pb.AcquirePart(semaphore=b"jobs",
                                                  permits=1)]),
                    message("post", first + 1, first, semaphore=b"pool",
                            permits=1)])
                self.granted += 1
                self.do([message("release", first + 2, first + 2,
                                 acquire_id=first)])
            self.line.next_id = 10000
            # What was decided while it was sent again is answered twice.
            assert kind(self.line.call("bye")) == "done"
            assert {answer.id for answer in self.line.wait_closed()} <= \
                set(range(10, first + 3))
        except BaseException:  # The test's own thread tells it.
            self.failure = traceback.format_exc()

    def do(self, requests):
        """Sends requests, again and again, until each has its answer."""
        left = {r.id: r for r in requests}
        while left:
            data = b"".join(frame(r) for r in left.values())
            if self.random.random() < 0.4:
                self.line.send_raw(data[:self.random.randrange(len(data))])
            else:
                self.line.send_raw(data)
                if self.random.random() < 0.3:
                    self.line.socket.settimeout(10)
                    self.line.fill_if_there(0.002)
                else:
                    for id in list(left):
                        answer = self.line.answer(id, timeout=30)
                        assert kind(answer) in ("granted", "posted", "done"), \
                            answer
                        del left[id]
                    break
            for answer in self.line.inbox:
                left.pop(answer.id, None)
            break_line(self.line, self.random.choice(["fin", "rst"]))
            self.line = back(self.daemon_under_test, self.line)
            assert self.line.welcome.resumed
