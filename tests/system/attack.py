# SPDX-License-Identifier: MIT
"""Hostile clients by the hundred, for as long as asked, against one daemon.

    PERMITD_BIN=build/server/permitd python3 tests/system/attack.py \\
        [--seconds 60] [--seed 1] [--lines 200]

Each step does something bad by chance: random bytes, broken and mutated
frames, requests with odd values, half-open lines, resets in mid-frame, readers
that never read, sessions resumed, ended and stolen, HTTP garbage, signals. Meanwhile a client that behaves must
notice nothing, and in the end nothing may be left: no session, no permit, no
descriptor. test_attack.py runs a short one."""
import argparse
import pathlib
import random
import signal
import socket
import struct
import sys
import tempfile
import time

from conftest import Daemon, eventually
from wire import PREFACE, frame, kind, message, part, pb

CONFIG = {
    "session": {"heartbeat": "500ms", "timeout": "1500ms", "grace": "100ms"},
    "limits": {"hello_timeout": "1s", "frame_timeout": "1s",
               "slow_client_timeout": "1s", "max_output_buffer": "128KiB",
               "max_connections_per_address_before_hello": 100,
               "max_in_flight": 64, "max_waiters_per_session": 50,
               "max_grants_per_session": 50, "max_semaphores": 40,
               "max_answers_per_session": 200, "max_templated": 10,
               "max_templated_per_session": 5,
               "max_semaphores_with_estimates": 5},
    "semaphores": [{"name": "t/*", "permits": 2},
                   {"name": "t/r*", "kind": "rate", "rate": "50/s",
                    "burst": 5}],
}
NUMBERS = [0, 1, 2, 3, 7, 8, 9, 63, 64, 127, 128, 255, 1000, 2**31 - 1, 2**31,
           2**32 - 1, 2**32, 2**32 + 1, 2**53, 2**63 - 1]
NAMES = [b"a%d" % number for number in range(12)] + [
    b"t/%d" % number for number in range(4)] + [
    b"t/r%d" % number for number in range(4)]
ODD_NAMES = [b"", b"x" * 128, b"x" * 129, b"-a", b"a\0b", b"\xff", b"a/*",
             b"t/*", b"t/r*", b"*", b"bystander", b"../x", b"%n%s"]
LINES_OF_HTTP = [
    b"GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /api/v1/semaphores?prefix=a&limit=3 HTTP/1.1\r\nHost: localhost"
    b"\r\n\r\n",
    b"GET /api/v1/semaphores/a1/holders HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET /api/v1/semaphores/a1/waiters?offset=1 HTTP/1.0\r\n\r\n",
    b"POST /status HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\n"
    b"abcd",
]


class Attack:
    def __init__(self, daemon, seed, lines_max):
        self.daemon = daemon
        self.rng = random.Random(seed)
        self.lines = []
        self.keys = []  # Of sessions that may be there still.
        self.lines_max = lines_max
        self.steps = 0
        self.bystander = daemon.client("bystander")
        self.bystander.define("bystander", 1)
        self.worst = 0.0

    # ---------------------------------------------------------- what is sent

    def number(self):
        return self.rng.choice(NUMBERS) if self.rng.random() < 0.3 else \
            self.rng.randrange(6)

    def name(self):
        return self.rng.choice(ODD_NAMES if self.rng.random() < 0.05
                               else NAMES)

    def parts(self):
        rng = self.rng
        return [part(self.name(), self.number(), consume=rng.random() < 0.1,
                     expect_permits=rng.random() < 0.05)
                for _ in range(1 if rng.random() < 0.7 else rng.randrange(10))]

    def request(self, id):
        """A message that parses; its values may be odd."""
        rng = self.rng
        what = rng.choice(["acquire"] * 8 + ["release"] * 6 + [
            "ping", "cancel", "cancel", "post", "query", "list", "define",
            "define", "delete", "settle", "settle", "why", "renew", "verify",
            "watch", "pause", "revoke", "kick", "hello" if rng.random() < 0.1 else "ping",
            "bye" if rng.random() < 0.1 else "ping"])
        fields = {
            "acquire": lambda: {
                "parts": self.parts(),
                "priority": rng.choice([0, 0, 0, 7, 8]),
                "settle": rng.random() < 0.1, "join": rng.random() < 0.1,
                "wait_ms": rng.choice([0, 0, 5, 100, -1, -1, -2, 2**63 - 1]),
                "hold_ms": rng.choice([0, 0, 1, 50, 2**64 - 1]),
                "waiting": rng.random() < 0.5,
                "labels": [pb.Label(key=b"k%d" % rng.randrange(40),
                                    value=b"v" * rng.choice([0, 1, 128]))
                           for _ in range(rng.choice([0, 0, 0, 1, 8, 9]))]},
            "release": lambda: {
                "acquire_id": rng.randrange(max(1, id - 20), id + 2),
                "parts": [] if rng.random() < 0.8 else
                [pb.Part(semaphore=self.name(), permits=self.number())],
                "has_outcome": rng.random() < 0.2,
                "outcome": b"o" * rng.choice([0, 0, 0, 1, 4096, 4097])},
            "settle": lambda: {
                "acquire_id": rng.randrange(max(1, id - 20), id + 2),
                "actual": [pb.Part(semaphore=self.name(),
                                   permits=self.number())
                           for _ in range(rng.randrange(3))]},
            "why": lambda: {"parts": self.parts(),
                            "priority": rng.choice([0, 7, 8])},
            "cancel": lambda: {
                "acquire_id": rng.randrange(max(1, id - 20), id + 2)},
            "renew": lambda: {
                "acquire_id": rng.randrange(max(1, id - 20), id + 2),
                "hold_ms": rng.choice([0, 0, 1, 50, 2**64 - 1])},
            "verify": lambda: {"grant_id": self.number(),
                               "fence": self.number()},
            "post": lambda: {"semaphore": self.name(),
                             "permits": self.number()},
            "query": lambda: {"semaphore": self.name()},
            "list": lambda: {"kind": rng.randrange(6), "name": self.name(),
                             "offset": self.number(),
                             "limit": self.number()},
            "define": lambda: {
                "semaphore": self.name(), "permits": self.number(),
                "kind": rng.randrange(4),
                "max_queue": self.number(),
                "hold_ms": rng.choice([0, 0, 30]),
                "slots": rng.random() < 0.5,
                "rate": self.number(), "per_ms": self.number(),
                "burst": self.number(), "bypass": self.number(),
                "per_session": self.number(),
                "shadow": rng.random() < 0.5,
                "refuse_hopeless": rng.random() < 0.5,
                "fields": rng.sample(range(18), rng.randrange(8))},
            "delete": lambda: {"semaphore": self.name() if
                               rng.random() < 0.5 else b"a0",
                               "force": rng.random() < 0.5},
        }.get(what, dict)()
        if fields.get("semaphore") == b"bystander" or b"bystander" in [
                p.semaphore for p in fields.get("parts", [])]:
            fields, what = {}, "ping"
        used = id if rng.random() < 0.9 else rng.randrange(id + 5)
        below = max(0, id - 30) if rng.random() < 0.5 else 0
        return frame(message(what, used, below, **fields))

    def mutate(self, data):
        data = bytearray(data)
        for _ in range(self.rng.randrange(1, 6)):
            at = self.rng.randrange(len(data) + 1)
            choice = self.rng.randrange(5)
            if choice == 0 and at < len(data):
                data[at] ^= 1 << self.rng.randrange(8)
            elif choice == 1:
                data[at:at] = self.rng.randbytes(self.rng.randrange(1, 9))
            elif choice == 2:
                del data[at:at + self.rng.randrange(1, 9)]
            elif choice == 3:
                data[at:at] = data[at:at + 40]
            elif at < len(data):
                data[at] = self.rng.choice([0, 0x7f, 0x80, 0xff])
        return bytes(data)

    def requests(self, line, count):
        data = b""
        for _ in range(count):
            data += self.request(line.next_id)
            line.next_id += 1
        return data

    def hello(self):
        rng = self.rng
        fields = {"name": rng.choice([b"x", b"\xff\n\x1b", b"y" * 128]),
                  "linger_ms": rng.choice([0, 0, 50, 300])}
        if self.keys and rng.random() < 0.3:
            session_id, secret = rng.choice(self.keys[-20:])
            secret = self.mutate(secret) if rng.random() < 0.1 else secret
            fields[rng.choice(["resume", "resume", "end"])] = pb.SessionKey(
                id=session_id, secret=secret[:40])
        return PREFACE + frame(message("hello", 0, **fields))

    def bad_bytes(self, line):
        rng = self.rng
        choice = rng.randrange(5)
        if choice == 0:
            return rng.randbytes(rng.randrange(1, 3000))
        if choice == 1:
            return struct.pack(">I", rng.choice(NUMBERS) % 2**32)
        if choice == 2:
            return frame(rng.randbytes(rng.randrange(60)))
        if choice == 3:
            return frame(bytes([rng.choice([0x1a, 0x22, 0x6a, 0x82]), 0x01])
                         * rng.randrange(2000))
        return self.mutate(self.requests(line, rng.randrange(1, 10)))

    # ----------------------------------------------------------------- steps

    def open(self):
        line = socket.socket()
        line.setblocking(False)
        if self.rng.random() < 0.2:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2304)
        if self.rng.random() < 0.3:
            line.bind((f"127.0.0.{self.rng.randrange(2, 9)}", 0))
        is_http = self.rng.random() < 0.1 and self.daemon.http
        port = self.daemon.http if is_http else self.daemon.port
        own = Line(line, is_http)
        self.lines.append(own)
        try:
            line.connect(("127.0.0.1", port))
        except BlockingIOError:
            pass
        own.deaf = self.rng.random() < 0.15
        if not is_http and self.rng.random() < 0.9:
            own.send(self.hello())

    def close(self, line):
        self.lines.remove(line)
        if self.rng.random() < 0.5:
            line.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                   struct.pack("ii", 1, 0))
        line.socket.close()

    def step(self):
        rng = self.rng
        self.steps += 1
        choice = rng.random()
        if len(self.lines) < self.lines_max and choice < 0.15:
            self.open()
        if not self.lines:
            return
        line = rng.choice(self.lines)
        if line.is_http:
            data = rng.choice(LINES_OF_HTTP)
            line.send(data if rng.random() < 0.6 else self.mutate(data))
        elif choice < 0.65:
            line.send(self.requests(line, rng.randrange(1, 12)))
        elif choice < 0.68:
            line.send(self.requests(line, 400))
        elif choice < 0.74:
            line.send(self.bad_bytes(line))
        elif choice < 0.77:
            data = self.requests(line, 1)
            line.send(data[:rng.randrange(1, len(data))])
        if choice > 0.9:
            line.read()
        if line.key:
            self.keys.append(line.key)
            line.key = None
        if choice > 0.97:
            try:
                line.socket.shutdown(rng.choice([socket.SHUT_WR,
                                                 socket.SHUT_RD]))
            except OSError:
                pass
        if line.closed or choice > 0.98:
            self.close(line)
        if rng.random() < 0.0005:
            self.daemon.send_signal(rng.choice([signal.SIGHUP, signal.SIGPIPE]))

    def behave(self):
        """What a client that behaves sees: right answers, in time."""
        line = self.bystander
        begun = time.monotonic()
        line.ping()
        grant = line.acquire("bystander")
        assert kind(grant) == "granted", grant
        busy = line.acquire("bystander")
        assert kind(busy) == "refused"
        row = line.query("bystander")
        assert (row.held, row.permits, row.waiters) == (1, 1, 0)
        assert kind(line.release(grant.id)) == "done"
        took = time.monotonic() - begun
        self.worst = max(self.worst, took)
        assert line.inbox == [], line.inbox
        page = line.list("SEMAPHORES", limit=64)
        for row in page.semaphores:
            if row.kind == pb.COUNTING:
                continue
            if row.kind == pb.RATE:
                assert row.available <= row.burst and row.held == 0, row
                continue
            assert row.available == max(0, row.permits - row.held), row

    def run(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for _ in range(50):
                self.step()
            self.behave()

    def finish(self):
        """All attackers leave; nothing of them may stay."""
        for line in list(self.lines):
            self.close(line)

        def quiet():
            self.behave()
            status = self.daemon.get("/status")[2]
            return status["sessions"]["current"] == 1 and \
                status["connections"]["current"] == 1
        eventually(quiet, timeout=20, interval=0.1)
        offset, rows = 0, []
        while True:
            page = self.bystander.list("SEMAPHORES", offset=offset)
            if not page.semaphores:
                break
            rows += page.semaphores
            offset += len(page.semaphores)
        for row in rows:
            assert (row.held, row.holders, row.waiters) == (0, 0, 0), row
        eventually(lambda: self.daemon.count_fds()
                   <= self.daemon.fds_idle + 1)
        self.bystander.close()


class Line:
    """An attacker's own end: nothing of it blocks."""

    def __init__(self, own, is_http):
        self.socket = own
        self.is_http = is_http
        self.next_id = 1
        self.closed = False
        self.deaf = False
        self.unsent = b""
        self.head = b""  # What came first: the preface and Welcome.
        self.key = None  # Of Welcome, for who takes it.

    def send(self, data):
        data = self.unsent + data
        try:
            sent = self.socket.send(data)
            self.unsent = data[sent:]
        except BlockingIOError:
            self.unsent = data
        except OSError:
            self.closed = True
        if len(self.unsent) > 1 << 20:
            self.closed = True

    def read(self):
        if self.deaf:
            return
        try:
            while data := self.socket.recv(65536):
                self.read_head(data)
            self.closed = self.closed or not data
        except BlockingIOError:
            pass
        except OSError:
            self.closed = True


    def read_head(self, data):
        if len(self.head) >= 2000:
            return
        self.head += data[:2000]
        if len(self.head) < 8:
            return
        length = struct.unpack_from(">I", self.head, 4)[0]
        if len(self.head) >= 8 + length and not self.is_http:
            answer = pb.ServerMessage()
            answer.ParseFromString(self.head[8:8 + length])
            if kind(answer) == "welcome":
                self.key = answer.welcome.session_id, answer.welcome.secret
            self.head = b"x" * 2000  # Nothing more is of interest.


def attack(daemon, seed, seconds, lines_max):
    own = Attack(daemon, seed, lines_max)
    try:
        own.run(seconds)
        own.finish()
    finally:
        for line in own.lines:
            line.socket.close()
    return own


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--seconds", type=float, default=60)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--lines", type=int, default=200)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        daemon = Daemon(directory, CONFIG)
        wrong = ""
        try:
            own = attack(daemon, given.seed, given.seconds, given.lines)
            print(f"{own.steps} steps, worst answer {own.worst * 1000:.0f} ms,"
                  f" memory {daemon.memory_bytes() >> 20} MiB")
        except Exception as error:
            wrong = f"{type(error).__name__}: {error}\n"
        wrong += daemon.check()
        if wrong:
            log = pathlib.Path(tempfile.gettempdir(), "permitd-attack.log")
            log.write_text(daemon.log())
            sys.exit(f"seed {given.seed}: {wrong[-6000:]}\n(log: {log})")


if __name__ == "__main__":
    main()
