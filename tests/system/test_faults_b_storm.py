# SPDX-License-Identifier: MIT
"""FAULTS B10: very many clients that all come back at once. STORM_CLIENTS says
how many (1,000); 15,000 are what 20,000 descriptors are enough for."""
import os
import re
import select
import subprocess
import time

import pytest

from wire import Connection

CLIENTS = int(os.environ.get("STORM_CLIENTS", "1000"))
ALL_BACK = 60
# The rule is 100 ms; a build with sanitizers, beside other tests, is slower.
PONG = 0.1 if CLIENTS > 1000 else 1
LIMITS = {"limits": {"max_connections": CLIENTS + 100,
                     "max_sessions": 2 * CLIENTS + 100,
                     "max_connections_before_hello": 1000,
                     "max_connections_per_address_before_hello": 1000}}


class Storm:
    """tests/support/storm.c"""

    def __init__(self, daemon, capsys):
        self.capsys = capsys
        self.process = subprocess.Popen(
            [os.environ["STORM_BIN"], f"permit://127.0.0.1:{daemon.port}",
             str(CLIENTS), "60000"], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE)

    def say(self, word):
        os.write(self.process.stdin.fileno(), word.encode() + b"\n")

    def until_up(self, line):
        """Waits until all are up; pings on `line` meanwhile. Returns how many
        go on with their sessions, and the 99th percentile of the Pongs."""
        out = self.process.stdout
        pongs = []
        deadline = time.monotonic() + ALL_BACK
        while not select.select([out], [], [], 0.002)[0]:
            begun = time.monotonic()
            assert begun < deadline
            line.ping()
            pongs.append(time.monotonic() - begun)
        text = out.readline().decode()
        up, resumed = map(int, re.findall(r"(\d+) (?:up|of)", text))
        assert up == CLIENTS
        worst = sorted(pongs)[len(pongs) * 99 // 100] if pongs else 0
        with self.capsys.disabled():
            print(f"\n{text}{len(pongs)} pings of another meanwhile, 99 % "
                  f"answered within {worst * 1e3:.1f} ms")
        return resumed, worst

    def end(self):
        self.process.stdin.close()
        self.process.stdout.close()
        assert self.process.wait(60) == 0


@pytest.fixture(name="start_storm")
def fixture_start_storm(capsys):
    storms = []

    def start(daemon):
        storms.append(Storm(daemon, capsys))
        return storms[-1]
    yield start
    for storm in storms:
        storm.end()


def sessions(daemon):
    return daemon.get("/status")[2]["sessions"]["current"]


def test_b10_all_lines_break_at_once(start_daemon, start_storm):
    """All come back, to their sessions, and the connected notice nothing."""
    daemon = start_daemon(LIMITS)
    with daemon.client() as line:
        storm = start_storm(daemon)
        assert storm.until_up(line)[0] == 0
        assert sessions(daemon) == CLIENTS + 1
        storm.say("break")
        resumed, pong = storm.until_up(line)
        assert resumed == CLIENTS and pong < PONG
        assert sessions(daemon) == CLIENTS + 1


def test_b10_after_a_restart_all_come_back(start_daemon, start_storm):
    first = start_daemon(LIMITS)
    with first.client() as line:
        storm = start_storm(first)
        storm.until_up(line)
        first.kill()
    storm.say("begin")
    second = start_daemon(LIMITS, listen=[f"127.0.0.1:{first.port}"])
    with Connection(second.addresses[0], timeout=ALL_BACK) as line:
        line.hello()  # One of them all: before Hello there is a limit.
        resumed, pong = storm.until_up(line)
        assert resumed == 0 and pong < PONG
        assert sessions(second) == CLIENTS + 1
