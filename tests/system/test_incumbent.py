# SPDX-License-Identifier: MIT
"""The faults of the incumbent, PoolCounter, each of which must not be ours."""
import signal
import subprocess

from conftest import eventually
from wire import Closed, acquire_frame, held, goaway, kind, reason


def test_the_second_of_two_pipelined_commands_is_answered(shared, jobs):
    with shared.client() as line:
        line.define(jobs, 2)
        line.send_raw(acquire_frame(10, jobs) + acquire_frame(11, jobs))
        assert [(m.id, kind(m)) for m in line.take(2)] == \
            [(10, "granted"), (11, "granted")]


def test_a_command_may_come_in_two_segments(shared, jobs):
    with shared.client() as line, shared.client() as other:
        line.define(jobs)
        whole = acquire_frame(10, jobs)
        for cut in range(1, len(whole)):
            line.send_raw(whole[:cut])
            other.ping()  # The server has had a turn with the first half.
            line.send_raw(whole[cut:])
            assert kind(line.answer(10)) == "granted"


def test_a_release_of_one_never_frees_another(shared, jobs):
    one, two = jobs + "/1", jobs + "/2"
    with shared.client() as line:
        line.define(one)
        line.define(two)
        first, second = line.acquire(one), line.acquire(two)
        refused = line.release(second.id, parts=[held(one)])
        assert reason(refused) != ""
        assert line.query(one).held == line.query(two).held == 1
        line.release(first.id)
        assert (line.query(one).held, line.query(two).held) == (0, 1)
        assert reason(line.release(first.id)) == "NOT_HELD"
        assert line.query(two).held == 1


def test_the_limit_is_the_servers_not_the_clients(shared, jobs):
    with shared.client() as line, shared.client() as other:
        line.define(jobs, 2)
        wrong = line.acquire(jobs, part_fields={"expect_permits": 3})
        assert reason(wrong) == "LIMIT_MISMATCH"
        right = line.acquire(jobs, part_fields={"expect_permits": 2})
        assert kind(right) == "granted"
        wrong = other.acquire(jobs, wait_ms=-1,
                              part_fields={"expect_permits": 1000})
        assert reason(wrong) == "LIMIT_MISMATCH"
        assert other.query(jobs).held == 1


def test_a_late_client_with_a_larger_request_does_not_pass(shared, jobs):
    with shared.client() as holder, shared.client() as early, \
            shared.client() as late:
        holder.define(jobs, 4)
        grant = holder.acquire(jobs, 3)
        first = early.send_acquire(jobs, 2, wait_ms=-1)
        early.ping()
        second = late.send_acquire(jobs, 4, wait_ms=-1)
        assert reason(late.acquire(jobs, 1)) == "WOULD_BLOCK"
        holder.release(grant.id)
        assert kind(early.answer(first)) == "granted"
        assert reason(late.acquire(jobs, 1)) == "WOULD_BLOCK"
        assert late.inbox == []
        early.release(first)
        assert kind(late.answer(second)) == "granted"


def test_a_graceful_restart_never_grants_twice(start_daemon):
    """Holders and waiters are told before the old daemon ends, and it grants
    nothing after that; only then can a new one, which has forgotten them all,
    have the port."""
    old = start_daemon()
    port = old.port
    with old.client() as holder, old.client() as waiter:
        holder.define("jobs")
        holder.acquire("jobs")
        waiting = waiter.send_acquire("jobs", wait_ms=-1)
        waiter.ping()
        old.send_signal(signal.SIGTERM)
        told = holder.push("goaway")
        assert goaway(told) == "SHUTDOWN"
        try:
            holder.send("release", acquire_id=holder.next_id - 1)
        except Closed:
            pass
        after = waiter.wait_closed()
        assert goaway(after[-1]) == "SHUTDOWN"
        assert not [m for m in after if m.id == waiting
                    and kind(m) == "granted"]
        assert old.wait() == 0
        new = start_daemon(listen=[f"127.0.0.1:{port}"])
        with new.client() as next_holder:
            assert next_holder.welcome.boot_id != holder.welcome.boot_id
            assert next_holder.welcome.session_id not in (
                holder.welcome.session_id, waiter.welcome.session_id)
            next_holder.define("jobs")
            grant = next_holder.acquire("jobs")
            assert kind(grant) == "granted"


def test_fences_grow_over_a_restart(start_daemon):
    fences = []
    for _ in range(3):
        daemon = start_daemon()
        with daemon.client() as line:
            line.define("jobs")
            for _ in range(3):
                grant = line.acquire("jobs")
                fences.append(grant.granted.fence)
                line.release(grant.id)
        assert daemon.stop() == 0
    # Starts within one second cannot be told apart without a store.
    assert fences[0:3] == sorted(set(fences[0:3]))
    assert all(fence >> 24 > 1_700_000_000 for fence in fences)


def test_a_vanished_host_is_found(shared):
    """Its permit is freed at the session timeout (test_sessions.py); the
    kernel's keepalive watches the line besides."""
    with shared.client() as line:
        port = line.socket.getsockname()[1]
        ask = ["ss", "-tnoH",
               f"sport = :{shared.port} and dport = :{port}"]

        def listed():
            return subprocess.run(ask, capture_output=True, text=True,
                                  check=True).stdout
        eventually(lambda: "timer:(keepalive," in listed())


def test_a_limit_of_4294967297_is_invalid_and_not_1(shared, jobs):
    with shared.client() as line:
        assert reason(line.define(jobs, 4294967297)) == "INVALID"
        assert reason(line.call("query", semaphore=jobs)) == "NOT_FOUND"
        line.define(jobs)
        assert reason(line.acquire(jobs, 4294967297)) == "INVALID"
        assert reason(line.define(jobs, max_queue=2**64 - 1)) == "INVALID" \
            or line.query(jobs).max_queue > 2**31
