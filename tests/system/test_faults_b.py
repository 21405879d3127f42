# SPDX-License-Identifier: MIT
"""FAULTS B, the network: what the tests of sessions, of frames, of pipelines
and of resume do not show of it. B9 and B14 belong to TLS and access rules."""
import contextlib
import ctypes
import os
import socket
import subprocess
import time

import pytest

import wire
from conftest import SCALE, alive, cpu_seconds, eventually, session_of
from network import fixture_network  # pylint: disable=unused-import
from proxy import fixture_start_proxy  # pylint: disable=unused-import
from test_sessions import LIST_MUCH, define_much
from user import fixture_start_user  # pylint: disable=unused-import

PIDFD_GETFD = 438
SESSION = 15 * SCALE
SLACK = 1.5


def is_id(id):
    return lambda m: m.id == id


@contextlib.contextmanager
def socket_of(pid, port):
    """The TCP socket of another process whose own or peer's port it is."""
    libc = ctypes.CDLL(None, use_errno=True)
    process = os.pidfd_open(pid)
    try:
        for name in os.listdir(f"/proc/{pid}/fd"):
            if not os.readlink(f"/proc/{pid}/fd/{name}").startswith("socket"):
                continue
            fd = libc.syscall(PIDFD_GETFD, process, int(name), 0)
            with contextlib.suppress(OSError), socket.socket(fileno=fd) as own:
                if port in (own.getsockname()[1], own.getpeername()[1]):
                    yield own
                    return
    finally:
        os.close(process)
    raise AssertionError("it has no such socket")


# --------------------------------------------------------- who is gone (half)

def check_kernel_timeouts(pid, port):
    with socket_of(pid, port) as own:
        assert own.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert [own.getsockopt(socket.IPPROTO_TCP, option) for option in (
            socket.TCP_USER_TIMEOUT, socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL,
            socket.TCP_KEEPCNT)] == [12000, 5, 5, 3]


def test_b1_the_kernel_gives_lines_up_after_a_session_timeout(start_daemon,
                                                              start_user):
    daemon = start_daemon(session_of(12))
    with subprocess.Popen(
            [os.environ["STORM_BIN"], f"127.0.0.1:{daemon.port}", "1", "0"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE) as storm:
        assert storm.stdout.readline()  # It has the face for event loops.
        for pid in (daemon.pid, storm.pid, start_user(daemon).process.pid):
            check_kernel_timeouts(pid, daemon.port)


class Far:
    """A daemon on one machine, and a user of libpermit that holds `jobs` on
    another; `other`, on the daemon's own, waits for it."""

    def __init__(self, network, start_daemon, start_user, session=SESSION,
                 **options):
        self.network = network
        with network.inside("daemon"):
            self.daemon = start_daemon(
                {"insecure_listen": True, **session_of(session)},
                listen=(network.ADDRESSES["daemon"] + ":0",))
            self.other = self.daemon.client("other")
        self.other.define("jobs")
        with network.inside("client"):
            self.user = start_user(self.daemon, **options)
        self.user.acquire("jobs")
        self.waiting = self.other.send_acquire("jobs", wait_ms=-1)
        self.user.ask("ping")

    def client(self, **options):
        with self.network.inside("client"):
            return self.daemon.client("far", **options)

    def lost_and_granted(self):
        """When the user stopped believing, and when another was granted."""
        self.user.say("until_lost")
        granted = alive([self.other], self.other, is_id(self.waiting),
                        30 + 4 * SESSION)
        assert wire.kind(granted) == "granted"
        at = time.monotonic()
        return float(self.user.answer()), at

    def end(self):
        """It was freed once; and the user may go on."""
        assert self.user.ask("release") == "PERMIT_E_EXPIRED"
        jobs = self.other.query("jobs")
        assert (jobs.held, jobs.grants_total, sum(jobs.lost_total)) == (1, 2, 1)
        self.other.release(self.waiting)
        assert eventually(lambda: self.user.ask("acquire jobs 0 0").startswith(
            "PERMIT_OK"))
        self.other.close()


@pytest.mark.parametrize("linger", [0, 1])
def test_b1_a_machine_that_is_gone(network, start_daemon, start_user, linger):
    far = Far(network, start_daemon, start_user,
              linger_ms=int(linger * SESSION * 1000))
    network.plug(False)
    begun = time.monotonic()
    lost, granted = far.lost_and_granted()
    assert lost < granted
    assert (2 / 3 + linger) * SESSION - 0.05 < granted - begun < \
        (1 + linger) * SESSION + SLACK
    eventually(lambda: "reason=silence" in far.daemon.log())
    network.plug()
    far.end()


def test_b1_what_is_granted_to_a_machine_that_is_gone_goes_on(
        network, start_daemon, start_user):
    """Its Granted is never acknowledged; it is free when the session ends."""
    far = Far(network, start_daemon, start_user)
    assert far.user.ask("release") == "PERMIT_OK"
    gone = far.client()
    gone.send_acquire("jobs", wait_ms=-1)
    last = far.other.send_acquire("jobs", wait_ms=-1)
    gone.ping()
    network.plug(False)
    begun = time.monotonic()
    far.other.release(far.waiting)
    assert far.other.query("jobs").grants_total == 3
    assert wire.kind(alive([far.other], far.other, is_id(last))) == "granted"
    assert SESSION - 0.5 < time.monotonic() - begun < SESSION + SLACK
    jobs = far.other.query("jobs")
    assert (jobs.held, jobs.grants_total, sum(jobs.lost_total)) == (1, 4, 1)
    far.other.close()
    gone.close()
    network.plug()


@pytest.mark.parametrize("hook", ["input", "output"])
def test_b2_a_black_hole_in_one_direction(network, start_daemon, start_user,
                                          hook):
    far = Far(network, start_daemon, start_user)
    before = cpu_seconds(far.daemon.pid), cpu_seconds(far.user.process.pid)
    network.drop(hook, "meta l4proto tcp")
    begun = time.monotonic()
    lost, granted = far.lost_and_granted()
    assert lost < granted
    assert granted - begun > SESSION / 2
    # Nobody turns in a circle meanwhile.
    assert cpu_seconds(far.daemon.pid) - before[0] < (granted - begun) / 2
    assert cpu_seconds(far.user.process.pid) - before[1] < (granted - begun) / 2
    network.drop_nothing()
    far.end()


# ------------------------------------------------------------- slow and lossy

@pytest.mark.parametrize("delay_ms, jitter_ms", [(20, 0), (50, 100)])
def test_b3_delay_and_jitter_end_nothing(start_daemon, start_proxy, start_user,
                                         delay_ms, jitter_ms):
    """Both ways, so twice that is less than a third of the timeout."""
    daemon = start_daemon(session_of(SESSION))
    proxy = start_proxy(daemon)
    proxy("delay", "all", "both", delay_ms, jitter_ms)
    with daemon.client() as other:
        other.define("jobs")
        user = start_user(proxy)
        user.acquire("jobs")
        waiting = other.send_acquire("jobs", wait_ms=-1)
        with pytest.raises(wire.Silent):
            alive([other], other, is_id(waiting), 2 * SESSION)
        assert user.ask("valid") == "1" and proxy("lines") == [1]
        assert user.ask("release") == "PERMIT_OK"
        assert wire.kind(other.answer(waiting)) == "granted"


@pytest.mark.parametrize("percent", [1, 10] + [30] * (SCALE >= 1))
def test_b3_loss_ends_nothing(network, start_daemon, start_user, percent):
    """Of packets, both ways, as long as Pings come back in time."""
    session = 60 * max(SCALE, 0.1)
    far = Far(network, start_daemon, start_user, session)
    for hook in ("input", "output"):
        network.drop(hook, "meta l4proto tcp numgen random mod 100 < "
                     f"{percent}")
    worst, begun = 0, time.monotonic()
    while time.monotonic() - begun < session / 2:
        asked = time.monotonic()
        assert far.user.ask("ping", timeout=60) in ("PERMIT_OK",
                                                    "PERMIT_E_NO_ANSWER")
        worst = max(worst, time.monotonic() - asked)
        far.other.ping()
        if far.other.inbox or far.user.ask("valid") != "1":
            assert worst > session / 3
            return
    network.drop_nothing()
    assert far.user.ask("release") == "PERMIT_OK"
    assert wire.kind(far.other.answer(far.waiting)) == "granted"
    far.other.close()


# ------------------------------------------------------- bytes that come alone

def test_b6_a_user_of_the_library_gets_bytes_one_by_one(
        start_daemon, start_proxy, start_user):
    daemon = start_daemon()
    proxy = start_proxy(daemon)
    proxy("split", "all", "both", 1)
    with daemon.client() as other:
        other.define("jobs", 900)
        user = start_user(proxy, linger_ms=60000)
        user.acquire("jobs")
        assert user.ask("many jobs 100") == "100"
        proxy("rst", 1, "both")  # Welcome with its grants comes so, too.
        assert user.ask("ping") == "PERMIT_OK" and proxy("lines") == [2]
        assert user.ask("many_valid") == "100"
        assert user.ask("many_release") == "100"
        assert user.ask("release") == "PERMIT_OK"
        assert other.query("jobs").held == 0


def cpu_ns(daemon):
    with open(f"/proc/{daemon.pid}/schedstat", encoding="ascii") as file:
        return int(file.read().split()[0])


def test_b6_byte_by_byte_costs_as_much_for_each_byte(start_daemon):
    """Of a frame that is four times as long: not sixteen times as much."""
    daemon = start_daemon()
    with daemon.client() as line:
        costs = []
        for size in (15000, 60000):
            unknown = bytes([0xa2, 0x06]) + bytes(  # Field 100, of bytes.
                [size & 0x7f | 0x80, size >> 7 & 0x7f | 0x80, size >> 14])
            before = cpu_ns(daemon)
            for _ in range(2):
                message = wire.message("ping", line.new_id())
                data = wire.frame(message.SerializeToString() + unknown +
                                  bytes(size))
                line.socket.settimeout(10)
                for byte in data:
                    line.socket.send(bytes([byte]))
                assert wire.kind(line.answer(message.id)) == "pong"
            costs.append(cpu_ns(daemon) - before)
    assert costs[1] < 9 * costs[0], costs


def test_b7_who_reads_late_gets_the_newest_waiting_and_every_answer(
        start_daemon):
    daemon = start_daemon()
    with daemon.client() as other, \
            daemon.client("slow", receive_buffer=4096) as slow:
        define_much(other)
        other.define("jobs")
        before = [other.send_acquire("jobs", wait_ms=-1) for _ in range(6)]
        other.ping()
        slow.send_acquire("jobs", wait_ms=-1, id=50, waiting=True)
        assert slow.push("waiting").waiting.position == 6
        slow.socket.settimeout(10)
        slow.socket.sendall(b"".join(LIST_MUCH[:600]))  # And reads nothing.
        for id in before[:4]:
            other.release(id)
            other.fill_if_there(0.6)  # Another push is due each second.
        assert slow.push("waiting").waiting.position == 2
        for id in before[4:]:
            other.release(id)
        assert wire.kind(slow.answer(50)) == "granted"
        for id in range(100, 700):
            assert wire.kind(slow.answer(id)) == "page"
        slow.ping()
        assert [m.waiting.position for m in slow.inbox] in ([], [1])


# --------------------------------------------------------------- many at once

def test_b11_a_flood_from_one_address(start_daemon):
    """By the limits that are the defaults."""
    daemon = start_daemon(env={"ASAN_OPTIONS": "quarantine_size_mb=1"})
    silent = [daemon.connect() for _ in range(100)]
    before = daemon.memory_bytes()
    for _ in range(2000):
        with daemon.connect(preface=False) as excess:
            assert excess.wait_closed() == []
    assert daemon.memory_bytes() - before < 2000 * 4096
    with daemon.connect(preface=False, source="127.0.0.2") as other:
        other.send_raw(wire.PREFACE)
        other.hello()
    for line in silent:
        line.hello()
    lines = silent + [daemon.client() for _ in range(900)]
    for line in lines:
        line.send("ping")
    for line in lines:
        assert wire.kind(line.next()) == "pong"
    for line in lines:
        line.close()
