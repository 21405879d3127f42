# SPDX-License-Identifier: MIT
"""Lines that break: tests/support/faultproxy.py in a process of its own,
between a client and a daemon.

    proxy = start_proxy(daemon)             # another address: start_proxy(pair)
    line = proxy.client(hello={...})        # as daemon.client()
    proxy("cut", 1, "down", 10, "rst")      # see faultproxy's own words
    proxy.url                               # for libpermit and permit"""
import os
import pathlib
import select
import socket
import subprocess
import sys

import pytest

import wire

PROGRAM = pathlib.Path(__file__).parents[1] / "support" / "faultproxy.py"


class Proxy:
    """A faultproxy that listens at `addresses[0]`, as a Daemon does."""

    def __init__(self, target, control):
        self.process = subprocess.Popen(
            [sys.executable, "-B", PROGRAM, control, "%s:%d" % target],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        out = self.process.stdout
        assert select.select([out], [], [], 20)[0], "faultproxy is not ready"
        self.port = int(out.readline())
        self.addresses = [("127.0.0.1", self.port)]
        self.url = f"permit://127.0.0.1:{self.port}"
        self.control = socket.socket(socket.AF_UNIX)
        self.control.settimeout(20)
        self.control.connect(control)
        self.stream = self.control.makefile("rw")

    def __call__(self, *words):
        """Commands; returns the answer's words, numbers as such."""
        self.stream.write(" ".join(map(str, words)) + "\n")
        self.stream.flush()
        verdict, *answer = self.stream.readline().split()
        assert verdict == "ok", (words, answer)
        return [int(word) for word in answer]

    def connect(self, **options):
        """A connection that has not said Hello."""
        return wire.Connection(self.addresses[0], **options)

    def client(self, name="test", hello=None, **options):
        """A connection that has said Hello."""
        connection = self.connect(**options)
        connection.hello(name=name, **(hello or {}))
        return connection

    def stop(self):
        """Its stdin ends; returns its exit code."""
        self.stream.close()
        self.control.close()
        self.process.stdin.close()
        self.process.stdout.close()
        return self.process.wait(20)


@pytest.fixture(name="start_proxy")
def fixture_start_proxy(tmp_path):
    """A factory: start_proxy(daemon) returns a Proxy before that daemon, or
    before another (host, port)."""
    proxies = []

    def start(target):
        address = target if isinstance(target, tuple) else target.addresses[0]
        control = os.path.relpath(tmp_path / f"proxy{len(proxies)}")
        proxies.append(Proxy(address, control))
        return proxies[-1]
    yield start
    assert [proxy.stop() for proxy in proxies] == [0] * len(proxies)
