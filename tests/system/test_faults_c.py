# SPDX-License-Identifier: MIT
"""FAULTS C, awkward requests: what the tests of frames, requests, pipelines,
HTTP, the codec, the engine and the client's core do not show of it. Templates
(C16), settling (C11) and several semaphores in one acquire (C21) are not served
yet; one queue's order is the simulation's."""
import contextlib
import resource
import socket
import struct

from conftest import eventually
from wire import acquire_frame, kind, reason, request


def test_c1_no_byte_is_a_message(shared):
    for byte in range(256):
        with shared.client() as line:
            line.send_raw(struct.pack(">IB", 1, byte))
            assert line.wait_goaway() == "PROTOCOL"


def test_c14_who_does_not_read_keeps_nobody_from_being_read(shared, jobs):
    """At the limit of what it has in flight only its own line is not read."""
    with shared.client(receive_buffer=2304) as deaf, shared.client() as line:
        line.define(jobs, 2**31 - 1, "COUNTING")
        deaf.socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            for first in range(2, 400000, 1000):
                deaf.socket.sendall(b"".join(
                    request("query", id, semaphore=jobs)
                    for id in range(first, first + 1000)))
        for _ in range(100):
            assert kind(line.acquire(jobs)) == "granted"
            line.ping()
        assert "slow_consumer" not in shared.log()


def test_c18_ten_thousand_connections_do_not_slow_the_protocol(start_daemon):
    most = min(10000, resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 1000)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    daemon = start_daemon()
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    idle = []
    try:
        with daemon.client() as line:
            line.define("jobs")
            for _ in range(most):
                own = socket.socket()
                own.setblocking(False)
                own.connect_ex(("127.0.0.1", daemon.http))
                idle.append(own)
            for _ in range(50):
                grant = line.acquire("jobs", timeout=2)
                assert kind(line.release(grant.id, timeout=2)) == "done"
            assert daemon.count_fds() <= daemon.fds_idle + 1 + 64 + 1
    finally:
        for own in idle:
            own.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    eventually(lambda: daemon.get("/livez")[0] == 200)


def test_c22_a_shrink_refuses_and_serves_those_behind(shared, jobs):
    with shared.client() as line, shared.client() as holder, \
            shared.client() as behind:
        line.define(jobs, 4)
        held = holder.acquire(jobs)
        big = line.send_acquire(jobs, 4, wait_ms=-1)
        line.ping()
        small = behind.send_acquire(jobs, 1, wait_ms=-1)
        behind.ping()
        # Try and shrink in one write: the turn is the same.
        line.send_raw(request("define", 50, semaphore=jobs, fields=[4],
                              permits=3) + acquire_frame(51, jobs))
        assert [(answer.id, kind(answer) if answer.id != big else
                 reason(answer)) for answer in line.take(3)] == \
            [(50, "done"), (big, "IMPOSSIBLE"), (51, "granted")]
        assert kind(behind.answer(small)) == "granted"
        line.next_id = 60
        # Nobody is revoked: what is out comes back before more is granted.
        assert kind(line.define(jobs, 1)) == "done"
        assert line.query(jobs).held == 3
        assert reason(line.acquire(jobs)) == "WOULD_BLOCK"
        assert kind(holder.release(held.id)) == "done"
        assert kind(behind.release(small)) == "done"
        assert reason(line.acquire(jobs)) == "WOULD_BLOCK"
        assert kind(line.release(51)) == "done"
        assert kind(line.acquire(jobs)) == "granted"
        assert holder.inbox == behind.inbox == line.inbox == []
