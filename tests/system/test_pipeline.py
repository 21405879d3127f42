# SPDX-License-Identifier: MIT
"""Many requests at once, and lines that end right behind them."""
import socket

from conftest import eventually
from wire import PREFACE, acquire_frame, kind, pb, reason, request


def pairs(name, count, first_id=1):
    """So many acquires, each with its release behind it."""
    return b"".join(
        acquire_frame(id, name, answered_below=max(1, id - 100))
        + request("release", id + 1, acquire_id=id)
        for id in range(first_id, first_id + 2 * count, 2))


def test_c14_10000_requests_in_one_write(shared, jobs):
    with shared.client() as line:
        line.define(jobs)
        line.socket.settimeout(30)
        line.socket.sendall(pairs(jobs, 5000, 10))
        answers = line.take(10000, timeout=30)
        assert [answer.id for answer in answers] == list(range(10, 10010))
        assert {kind(answer) for answer in answers[0::2]} == {"granted"}
        assert {kind(answer) for answer in answers[1::2]} == {"done"}
        fences = [answer.granted.fence for answer in answers[0::2]]
        assert fences == sorted(set(fences))
        line.next_id = 20000
        line.ping()
        assert line.inbox == []


def test_c14_10000_requests_on_a_slow_daemon_limit(start_daemon):
    daemon = start_daemon({"limits": {"max_in_flight": 4}})
    with daemon.client() as line:
        line.define("jobs")
        line.send_raw(pairs("jobs", 5000, 10), timeout=30)
        answers = line.take(10000, timeout=30)
        assert [answer.id for answer in answers] == list(range(10, 10010))


def test_c14_10000_refusals_in_one_write(shared, jobs):
    """Answers that pass the gate keep the order too."""
    with shared.client() as line:
        line.define(jobs)
        data = b"".join(
            request("ping", id) + acquire_frame(id + 1, jobs, 0)
            + request("query", id + 2, semaphore=jobs)
            + request("settle", id + 3) for id in range(10, 10010, 4))
        line.send_raw(data, timeout=30)
        answers = line.take(10000, timeout=30)
        assert sorted(answer.id for answer in answers) == \
            list(range(10, 10010))
        for first, wanted in enumerate(("pong", "refused", "semaphore",
                                        "refused")):
            own = [answer for answer in answers if answer.id % 4 ==
                   (10 + first) % 4]
            assert [answer.id for answer in own] == \
                list(range(10 + first, 10010, 4))
            assert {kind(answer) for answer in own} == {wanted}


def test_c20_waiters_are_not_in_flight(shared, jobs):
    with shared.client() as line:
        line.define(jobs)
        waits = b"".join(acquire_frame(id, jobs, wait_ms=-1)
                         for id in range(10, 10010))
        line.send_raw(waits + request("release", 10010, acquire_id=10)
                      + request("ping", 10011), timeout=30)
        assert kind(line.answer(10)) == "granted"
        assert kind(line.answer(10010)) == "done"
        assert kind(line.answer(10011)) == "pong"
        assert kind(line.answer(11)) == "granted"
        refused = [message.id for message in line.inbox
                   if reason(message) in ("QUEUE_FULL", "TOO_MANY")]
        waiting = shared.semaphore(jobs)["waiters"]
        assert waiting == 999 and len(refused) == 10000 - 999 - 2
        assert refused == list(range(1011, 10010))


def test_c20_a_session_has_a_limit_of_its_own(start_daemon):
    daemon = start_daemon({"limits": {"max_waiters_per_session": 10,
                                      "max_grants_per_session": 3}})
    with daemon.client() as line, daemon.client() as other:
        line.define("jobs", 5)
        for _ in range(3):
            assert kind(line.acquire("jobs")) == "granted"
        assert reason(line.acquire("jobs")) == "TOO_MANY"
        grants = [other.acquire("jobs") for _ in range(2)]
        assert all(kind(grant) == "granted" for grant in grants)
        for _ in range(10):
            other.send_acquire("jobs", wait_ms=-1)
        assert reason(other.acquire("jobs", wait_ms=-1)) == "TOO_MANY"
        other.ping()
        assert line.query("jobs").waiters == 10


def test_b5_half_closed_the_answers_are_still_sent(shared, jobs):
    with shared.client() as line:
        line.define(jobs)
        line.send_raw(pairs(jobs, 500, 10))
        line.shut()
        answers = line.wait_closed()
        assert [answer.id for answer in answers] == list(range(10, 1010))
        assert line.closed == "eof"


def test_b5_the_fin_frees_what_is_held(shared, jobs):
    with shared.client() as line, shared.client() as behind:
        line.define(jobs)
        waiting = None
        line.acquire(jobs)
        waiting = behind.send_acquire(jobs, wait_ms=-1)
        behind.ping()
        line.shut()
        assert kind(behind.answer(waiting)) == "granted"
        assert line.wait_closed() == []


def fin_behind(daemon, name, data, finish):
    """Sends data and ends the line in one go."""
    with daemon.connect(preface=False) as line:
        line.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
        line.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        line.socket.settimeout(30)
        line.socket.sendall(PREFACE + request("hello", 0, name=name) + data)
        finish(line)


def test_b15_bytes_before_a_fin_are_obeyed_in_order_once(shared, jobs):
    posted, held = jobs + "/posted", jobs + "/held"
    with shared.client() as other:
        other.define(posted, 0, "COUNTING")
        other.define(held)
        for count in range(1, 21):
            data = (acquire_frame(1, held)
                    + request("post", 2, semaphore=posted, permits=1)
                    + request("release", 3, acquire_id=1)
                    + acquire_frame(4, held))
            fin_behind(shared, "fin", data, lambda line: line.close())
            eventually(lambda: other.query(posted).available == count)
            eventually(lambda: other.query(held).held == 0)


def test_b15_bytes_before_a_fin_are_obeyed_at_the_in_flight_limit(
        start_daemon):
    daemon = start_daemon({"limits": {"max_in_flight": 2}})
    with daemon.client() as other:
        other.define("posted", 0, "COUNTING")
        other.define("held")
        data = acquire_frame(1, "held") + b"".join(
            request("post", id, semaphore="posted", permits=1)
            for id in range(2, 5002))
        fin_behind(daemon, "fin", data, lambda line: line.shut())
        eventually(lambda: other.query("posted").available > 0)
        assert kind(other.acquire("held", wait_ms=10000)) == "granted"
        assert other.query("posted").available == 5000


def test_b15_a_waiter_behind_is_served_in_the_same_turn(shared, jobs):
    with shared.client() as behind, shared.client() as holder:
        holder.define(jobs)
        holder.acquire(jobs)
        fin_behind(shared, "fin", acquire_frame(1, jobs, wait_ms=-1),
                   lambda line: line.close())
        waiting = behind.send_acquire(jobs, wait_ms=-1)
        behind.ping()
        eventually(lambda: behind.query(jobs).waiters == 1)
        holder.close()
        assert kind(behind.answer(waiting)) == "granted"


def test_b4_a_reset_inside_a_frame(shared, jobs):
    with shared.client() as line, shared.client() as behind:
        line.define(jobs)
        line.acquire(jobs)
        line.send_raw(request("post", 90, semaphore=jobs, permits=1)[:-2])
        waiting = behind.send_acquire(jobs, wait_ms=-1)
        behind.ping()
        line.reset()
        assert kind(behind.answer(waiting)) == "granted"


def test_repeats_in_one_write_are_done_once(shared, jobs):
    with shared.client() as line:
        line.define(jobs, 0, "COUNTING")
        line.send_raw(request("post", 50, semaphore=jobs, permits=3) * 100)
        answers = line.take(100)
        assert {answer.id for answer in answers} == {50}
        assert {answer.posted.available for answer in answers} == {3}
        line.next_id = 60
        assert line.query(jobs).available == 3


def test_grants_and_pings_of_ten_clients_at_once(shared, jobs):
    lines = [shared.client(f"client{number}") for number in range(10)]
    try:
        lines[0].define(jobs, 3)
        for line in lines:
            line.next_id = 10
            line.socket.settimeout(30)
            line.socket.sendall(b"".join(
                acquire_frame(id, jobs, wait_ms=-1)
                + request("ping", id + 1)
                for id in range(10, 30, 2)))
        # Waits of one client are served in order, each when one before it is
        # given back.
        left = {line: 10 for line in lines}
        while any(left.values()):
            for line in lines:
                line.fill_if_there(0.001)
                grants = [m for m in line.inbox if kind(m) == "granted"]
                line.inbox = [m for m in line.inbox if kind(m) != "granted"]
                for grant in grants:
                    left[line] -= 1
                    line.send("release", 1000 + grant.id, acquire_id=grant.id)
        for line in lines:
            for id in range(10, 30, 2):
                assert kind(line.answer(1000 + id)) == "done"
                assert kind(line.answer(id + 1)) == "pong"
            assert line.inbox == []
        semaphore = lines[0].query(jobs)
        assert (semaphore.held, semaphore.waiters) == (0, 0)
        assert semaphore.grants_total == 100
        assert pb.Kind.Name(semaphore.kind) == "BOUNDED"
    finally:
        for line in lines:
            line.close()
