# SPDX-License-Identifier: MIT
"""How sessions end, and when what they held is free; slow and greedy
clients."""
import signal
import time

import pytest

from conftest import Child, eventually
from wire import (PREFACE, Closed, acquire_frame, kind, loss, pb, reason,
                  request)

SHORT = {"session": {"heartbeat": "300ms", "timeout": "1s"}}


def test_a1_a_killed_client_is_freed_at_once_in_order(shared, jobs):
    with shared.client("one") as one, shared.client("two") as two:
        one.define(jobs, 3)
        child = Child(shared, jobs, 3)
        first = one.send_acquire(jobs, 2, wait_ms=-1)
        one.ping()
        second = two.send_acquire(jobs, 1, wait_ms=-1)
        two.ping()
        child.kill()
        grant, later = one.answer(first), two.answer(second)
        assert grant.granted.fence < later.granted.fence
        child.reap()
        assert one.query(jobs).held == 3


def test_a1_a_reset_client_is_freed_at_once(shared, jobs):
    with shared.client() as line, shared.client() as other:
        line.define(jobs)
        line.acquire(jobs)
        waiting = other.send_acquire(jobs, wait_ms=-1)
        other.ping()
        line.reset()
        assert kind(other.answer(waiting, timeout=5)) == "granted"


def test_a1_waiters_of_a_killed_client_are_forgotten(shared, jobs):
    with shared.client() as holder, shared.client() as gone, \
            shared.client() as behind:
        holder.define(jobs, 2)
        grant = holder.acquire(jobs, 2)
        gone.send_acquire(jobs, 2, wait_ms=-1)
        gone.ping()
        waiting = behind.send_acquire(jobs, 1, wait_ms=-1)
        behind.ping()
        gone.reset()
        eventually(lambda: holder.query(jobs).waiters == 1)
        assert kind(holder.release(grant.id)) == "done"
        assert kind(behind.answer(waiting)) == "granted"


def test_a1_very_many_grants_of_one_client_are_freed(start_daemon):
    daemon = start_daemon({"limits": {"max_grants_per_session": 20000}})
    with daemon.client() as line, daemon.client() as other:
        line.define("jobs", 20000)
        line.send_raw(b"".join(acquire_frame(id, "jobs", answered_below=id)
                               for id in range(10, 20010)), timeout=30)
        line.take(20000, timeout=30)
        waiting = other.send_acquire("jobs", 20000, wait_ms=-1)
        other.ping()
        line.reset()
        assert kind(other.answer(waiting)) == "granted"


def test_bye_ends_the_session_at_once(shared, jobs):
    with shared.client() as line, shared.client() as other:
        line.define(jobs)
        line.acquire(jobs)
        waiting = other.send_acquire(jobs, wait_ms=-1)
        other.ping()
        line.bye()
        assert kind(other.answer(waiting)) == "granted"


def silent(daemon, end):
    """A holder falls silent by end(line); returns how long it kept."""
    with daemon.client() as other:
        other.define("jobs")
        line = daemon.client()
        line.acquire("jobs")
        waiting = other.send_acquire("jobs", wait_ms=-1)
        last = time.monotonic()
        line.ping()
        end(line)
        while True:
            other.ping()
            try:
                grant = other.answer(waiting, timeout=0.2)
                break
            except AssertionError:
                assert time.monotonic() < last + 10
        assert kind(grant) == "granted"
        other.release(grant.id)
        return line, time.monotonic() - last


def test_b1_a_silent_client_is_freed_at_the_session_timeout(start_daemon):
    daemon = start_daemon(SHORT)
    line, took = silent(daemon, lambda line: None)
    assert 0.99 < took < 4
    line.wait_closed()
    eventually(lambda: "silence" in daemon.log())
    line.close()


def test_a2_a_stopped_client_is_freed_at_the_session_timeout(start_daemon):
    daemon = start_daemon(SHORT)
    with daemon.client() as other:
        other.define("jobs")
        child = Child(daemon, "jobs")
        last = time.monotonic()
        child.kill(signal.SIGSTOP)
        waiting = other.send_acquire("jobs", wait_ms=-1)
        while True:
            other.ping()
            try:
                other.answer(waiting, timeout=0.2)
                break
            except AssertionError:
                assert time.monotonic() < last + 10
        assert time.monotonic() - last > 0.8
        child.reap()


@pytest.mark.parametrize("closes", [True, False], ids=["closes", "stays"])
def test_what_the_server_closes_is_freed_at_the_session_timeout(start_daemon,
                                                                closes):
    daemon = start_daemon(SHORT)

    def end(line):
        line.send_raw(b"\xff\xff\xff\xff")
        assert line.wait_goaway() == "PROTOCOL"
        if closes:
            line.close()
    line, took = silent(daemon, end)
    assert 0.99 < took < 4
    line.close()


def test_a_client_that_pings_is_not_silent(start_daemon):
    daemon = start_daemon(SHORT)
    with daemon.client() as line:
        line.define("jobs")
        grant = line.acquire("jobs")
        begun = time.monotonic()
        while time.monotonic() < begun + 1.5:
            line.ping()
            line.fill_if_there(0.1)
        assert kind(line.release(grant.id)) == "done"


def test_half_a_frame_is_a_sign_of_life_too(start_daemon):
    daemon = start_daemon(SHORT)
    with daemon.client() as line:
        line.define("jobs")
        grant = line.acquire("jobs")
        begun = time.monotonic()
        for byte in request("ping", 90, answered_below=1):
            line.send_raw(bytes([byte]))
            line.fill_if_there(0.3)
        assert time.monotonic() - begun > 1.5
        line.answer(90)
        line.next_id = 100
        assert kind(line.release(grant.id)) == "done"


def test_a4_a_stopped_daemon_ends_no_session(start_daemon):
    daemon = start_daemon(SHORT)
    with daemon.client() as line:
        line.define("jobs")
        grant = line.acquire("jobs")
        daemon.send_signal(signal.SIGSTOP)
        line.send("ping", 50)
        line.fill_if_there(2.5)
        daemon.send_signal(signal.SIGCONT)
        line.answer(50)
        line.next_id = 60
        assert kind(line.release(grant.id)) == "done"


def test_a4_everybody_is_read_before_anybody_ends(start_daemon):
    """More lines than one look at the sockets finds; all have sent a Ping
    while the daemon was stopped for longer than they may be silent."""
    daemon = start_daemon(SHORT)
    lines = [daemon.client() for _ in range(80)]
    for line in lines:
        line.define("jobs", 80)
        line.acquire("jobs")
    for line in lines:
        line.ping()
    daemon.send_signal(signal.SIGSTOP)
    for line in lines:
        line.send("ping", 50)
    lines[0].fill_if_there(2.5)
    daemon.send_signal(signal.SIGCONT)
    for line in lines:
        line.answer(50)
        line.next_id = 60
    assert lines[0].query("jobs").held == 80
    for line in lines:
        line.close()


def define_much(line):
    """64 semaphores with long names: a List of them is a big answer."""
    for number in range(64):
        line.define("big/" + "x" * 110 + f"/{number:03d}")


LIST_MUCH = [request("list", id, kind=pb.LIST_SEMAPHORES, name="big/",
                     limit=64) for id in range(100, 3100)]


def flood_lists(line):
    """Asks for much and reads nothing, until the server stops reading."""
    line.socket.settimeout(0.5)
    try:
        line.socket.sendall(b"".join(LIST_MUCH))
    except (TimeoutError, ConnectionError):
        pass


def test_b7_a_slow_reader_is_closed_and_freed(start_daemon):
    daemon = start_daemon({"limits": {"slow_client_timeout": "300ms"},
                           **SHORT})
    with daemon.client() as other, \
            daemon.client("slow", receive_buffer=4096) as slow:
        define_much(other)
        other.define("jobs")
        slow.acquire("jobs")
        waiting = other.send_acquire("jobs", wait_ms=-1)
        other.ping()
        flood_lists(slow)

        def closed():
            other.ping()
            return "slow_consumer" in daemon.log()
        eventually(closed)
        while True:
            other.ping()
            try:
                assert kind(other.answer(waiting, 0.2)) == "granted"
                break
            except AssertionError:
                pass
        # What it would have read is cut anywhere; it may be told, or not.
        for message in slow.wait_closed()[:-1]:
            assert kind(message) in ("page", "granted")


def test_b7_pushes_to_a_slow_reader_are_bounded(start_daemon):
    """It reads nothing, and grants that it waited for come on and on."""
    daemon = start_daemon({"limits": {"max_output_buffer": "4KiB",
                                      "max_waiters_per_session": 1000000,
                                      "max_grants_per_session": 1000000}})
    with daemon.client() as other, \
            daemon.client("slow", receive_buffer=2304) as slow:
        slow.send("define", semaphore="jobs", kind=pb.COUNTING, permits=0,
                  fields=[pb.FIELD_KIND, pb.FIELD_PERMITS,
                          pb.FIELD_MAX_QUEUE], max_queue=1000000)
        for _ in range(40):
            # All of it waits, so there is nothing to read meanwhile.
            slow.socket.settimeout(10)
            slow.socket.sendall(b"".join(
                acquire_frame(slow.new_id(), "jobs", wait_ms=-1)
                for _ in range(5000)))
        eventually(lambda: other.query("jobs").waiters == 200000, timeout=20)
        other.post("jobs", 200000)

        def closed():
            other.ping()
            return "slow_consumer" in daemon.log()
        eventually(closed)


def test_b7_a_slow_reader_is_closed_without_progress(start_daemon):
    daemon = start_daemon({"limits": {"max_output_buffer": "64MiB",
                                      "slow_client_timeout": "500ms"}})
    with daemon.client() as other, \
            daemon.client("slow", receive_buffer=4096) as slow:
        define_much(other)
        flood_lists(slow)

        def closed():
            other.ping()
            return "slow_consumer" in daemon.log()
        eventually(closed)


def test_b7_a_reader_that_comes_back_gets_everything(shared):
    with shared.client() as line:
        define_much(line)
        ids = range(100, 400)
        line.socket.settimeout(10)
        line.send_raw(b"".join(LIST_MUCH[:300]))
        for id in ids:
            assert kind(line.answer(id)) == "page"


def test_a_flood_of_lists_keeps_nobody_waiting(start_daemon):
    """Small requests with big answers, of many clients at once: a turn of the
    loop is short all the same, and memory bounded."""
    daemon = start_daemon(env={"ASAN_OPTIONS": "quarantine_size_mb=1"})
    lines = []
    with daemon.client() as other:
        define_much(other)
        other.ping()
        before = daemon.memory_bytes()
        for _ in range(50):
            lines.append(daemon.client(receive_buffer=4096))
        for line in lines:
            line.socket.sendall(b"".join(LIST_MUCH[:1000]))
        worst = 0
        for _ in range(20):
            begun = time.monotonic()
            other.ping()
            worst = max(worst, time.monotonic() - begun)
        assert worst < 5 / 3  # A third of a heartbeat, on any machine.
        # 50 x 1 MiB that may be unsent, and what is being made.
        assert daemon.memory_bytes() - before < 100 << 20
    for line in lines:
        line.close()


def test_b11_lines_without_hello_are_limited(start_daemon):
    daemon = start_daemon({"limits": {
        "max_connections_per_address_before_hello": 5,
        "max_connections_before_hello": 8}})
    idle = [daemon.connect(preface=False) for _ in range(5)]
    try:
        with daemon.connect(preface=False) as excess:
            excess.wait_closed()
        local = daemon.connect(preface=False, source="127.0.0.2")
        with local:
            local.send_raw(PREFACE + request("hello", 1))
            local.answer(1)
        for line in idle:
            line.send_raw(PREFACE + request("hello", 1))
            line.answer(1)
        more = [daemon.client() for _ in range(20)]
        for line in more:
            line.ping()
            line.close()
    finally:
        for line in idle:
            line.close()


def test_connections_are_limited(start_daemon):
    daemon = start_daemon({"limits": {"max_connections": 10}})
    lines = [daemon.client() for _ in range(10)]
    with daemon.connect(preface=False) as excess:
        messages = excess.wait_closed()
        assert not messages
    for line in lines:
        line.ping()
        line.close()

    def again():
        try:
            with daemon.client():
                return True
        except (OSError, Closed):
            return False
    eventually(again)


def test_sessions_are_limited(start_daemon):
    daemon = start_daemon({"limits": {"max_sessions": 3}})
    lines = [daemon.client() for _ in range(3)]
    with daemon.connect() as excess:
        excess.send("hello", 1)
        answers = excess.wait_closed()
        assert [reason(answer) for answer in answers] == ["TOO_MANY"]
    for line in lines:
        line.ping()
        line.close()


def test_nothing_is_left_of_a_thousand_lines(start_daemon):
    daemon = start_daemon()
    for _ in range(20):
        lines = [daemon.client() for _ in range(50)]
        for number, line in enumerate(lines):
            if number % 3 == 0:
                line.reset()
            elif number % 3 == 1:
                line.close()
            else:
                line.send("bye")
        for line in lines[2::3]:
            line.wait_closed()
            line.close()
    eventually(lambda: daemon.count_fds() == daemon.fds_idle)
    eventually(lambda: daemon.get("/status")[2]["sessions"]["current"] == 0)


def test_a_hold_that_ends_serves_the_next_and_pushes_lost(shared, jobs):
    with shared.client() as line, shared.client() as other:
        line.define(jobs, hold_ms=100)
        grant = line.acquire(jobs)
        assert grant.granted.hold_ms == 100
        waiting = other.send_acquire(jobs, wait_ms=-1, hold_ms=60000)
        lost = line.push("lost", grant.id)
        assert (loss(lost), lost.lost.grace_ms) == ("HOLD", 0)
        behind = other.answer(waiting)
        assert behind.granted.hold_ms == 100
        assert behind.granted.waited_ms >= 90
        assert reason(line.release(grant.id)) == "EXPIRED"
