# SPDX-License-Identifier: MIT
"""What every system test needs: real daemons, on free ports, in directories of
their own. A daemon that does not stop cleanly, or writes a sanitizer's report,
fails the test that started it."""
import contextlib
import http.client
import json
import os
import pathlib
import re
import select
import signal
import subprocess
import time

import pytest

import wire

SANITIZER = re.compile(r"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|"
                       r"runtime error: |Assertion .* failed")
START_TIMEOUT = 20
STOP_TIMEOUT = 5
# Of tests in which only time is long; PERMIT_TEST_SCALE=1 is the full length.
SCALE = float(os.environ.get("PERMIT_TEST_SCALE", "0.1"))


class Daemon:
    """A permitd that serves."""

    def __init__(self, directory, config=None, listen=("127.0.0.1:0",),
                 http="127.0.0.1:0", args=(), preexec=None, env=None,
                 wrapper=()):
        self.directory = pathlib.Path(directory)
        self.config_path = self.directory / "permitd.yaml"
        self.log_path = self.directory / "permitd.log"
        command = [*wrapper, os.environ["PERMITD_BIN"]]
        if config is not None:
            self.write_config(config)
            command += ["--config", str(self.config_path)]
        for address in listen:
            command += ["--listen", address]
        if http:
            command += ["--http", http]
        ready, write = os.pipe()
        command += ["--ready-fd", str(write), *args]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                pass_fds=(write,), preexec_fn=preexec,
                env={**os.environ, **(env or {})})
        os.close(write)
        try:
            self.ready_lines = self.read_ready(ready)
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            os.close(ready)
        self.pid = self.process.pid
        self.addresses = [self.parse_address(line.split(" ", 1)[1])
                          for line in self.ready_lines
                          if line.startswith("permit ")]
        self.http = next((self.parse_address(line.split(" ", 1)[1])[1]
                          for line in self.ready_lines
                          if line.startswith("http ")), None)
        self.port = next((address[1] for address in self.addresses
                          if not isinstance(address, str)), None)
        self.fds_idle = self.count_fds()
        self.must_be_clean = True

    def write_config(self, config):
        """JSON is YAML too. A string is written as it is."""
        text = config if isinstance(config, str) else json.dumps(config)
        self.config_path.write_text(text + "\n")

    def read_ready(self, ready):
        deadline = time.monotonic() + START_TIMEOUT
        text = b""
        while True:
            left = max(0, deadline - time.monotonic())
            assert select.select([ready], [], [], left)[0], \
                "permitd is not ready:\n" + self.log()
            data = os.read(ready, 4096)
            if not data:
                break
            text += data
        assert text, "permitd did not start:\n" + self.log()
        return text.decode().splitlines()

    @staticmethod
    def parse_address(text):
        if text.startswith("unix:"):
            return text.removeprefix("unix:")
        host, port = text.rsplit(":", 1)
        return host.strip("[]"), int(port)

    # -------------------------------------------------------------- looking

    def log(self):
        return self.log_path.read_text(errors="replace")

    def count_fds(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def cpu_seconds(self):
        return cpu_seconds(self.pid)

    def memory_bytes(self):
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) * 1024

    def get(self, path, method="GET", headers=None, body=None):
        """Returns (status, headers, body) of an HTTP request; JSON is read."""
        line = http.client.HTTPConnection("127.0.0.1", self.http, timeout=10)
        try:
            line.request(method, path, body=body, headers=headers or {})
            answer = line.getresponse()
            data = answer.read()
            if "json" in answer.getheader("Content-Type", ""):
                data = json.loads(data) if data else None
            return answer.status, answer.headers, data
        finally:
            line.close()

    def semaphore(self, name):
        status, _, data = self.get("/api/v1/semaphores/" + name)
        assert status == 200, data
        return data

    # --------------------------------------------------------------- acting

    def connect(self, **options):
        """A connection that has not said Hello."""
        return wire.Connection(self.addresses[0], **options)

    def client(self, name="test", hello=None, **options):
        """A connection that has said Hello."""
        connection = wire.Connection(self.addresses[0], **options)
        connection.hello(name=name, **(hello or {}))
        return connection

    def send_signal(self, number):
        self.process.send_signal(number)

    @contextlib.contextmanager
    def paused(self):
        self.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.send_signal(signal.SIGCONT)

    def wait(self, timeout=STOP_TIMEOUT):
        """Waits for the daemon's own end; returns its exit code."""
        return self.process.wait(timeout)

    def stop(self, number=signal.SIGTERM, timeout=STOP_TIMEOUT):
        """Stops the daemon; returns its exit code. KILL after the timeout."""
        if self.process.poll() is None:
            self.send_signal(number)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def kill(self):
        self.must_be_clean = False
        self.process.kill()
        return self.process.wait()

    def check(self):
        """Stops the daemon if it runs still, and says what was wrong."""
        try:
            code = self.stop()
        except subprocess.TimeoutExpired:
            return f"did not stop in {STOP_TIMEOUT} s\n{self.log()[-4000:]}"
        log = self.log()
        report = SANITIZER.search(log)
        if report:
            return f"exit code {code}\n{log[report.start():][:8000]}"
        if self.must_be_clean and code != 0:
            return f"exit code {code}\n{log[-4000:]}"
        return ""


class Child:
    """A client in a process of its own, which holds one permit of `name`."""

    def __init__(self, daemon, name, count=1):
        ready, write = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                line = daemon.client("child")
                for _ in range(count):
                    assert wire.kind(line.acquire(name)) == "granted"
                os.write(write, b"x")
                while True:
                    signal.pause()
            finally:
                os._exit(1)
        os.close(write)
        assert os.read(ready, 1) == b"x"
        os.close(ready)

    def kill(self, number=signal.SIGKILL):
        os.kill(self.pid, number)

    def reap(self):
        self.kill()
        os.waitpid(self.pid, 0)


def cpu_seconds(pid):
    stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    user, system = stat.rsplit(")", 1)[1].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def session_of(seconds):
    """The configuration of a session timeout."""
    return {"session": {"heartbeat": f"{int(seconds * 1000 / 3)}ms",
                        "timeout": f"{int(seconds * 1000)}ms"}}


def alive(lines, line, wanted, timeout=30):
    """line.wait(wanted), while all lines say that they are there."""
    deadline = time.monotonic() + timeout
    while True:
        for each in lines:
            each.ping()
        try:
            return line.wait(wanted, 0.1)
        except wire.Silent:
            if time.monotonic() >= deadline:
                raise


def eventually(condition, timeout=10, interval=0.01):
    """For what tells nobody when it happens: looks again and again."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, "it did not happen"
        select.select([], [], [], interval)


def make_daemons(directory):
    """Yields a factory of daemons, and checks all of them in the end."""
    daemons = []

    def start(config=None, **options):
        own = directory / f"daemon{len(daemons)}"
        own.mkdir()
        daemons.append(Daemon(own, config, **options))
        return daemons[-1]

    yield start
    wrong = [text for text in [daemon.check() for daemon in daemons] if text]
    assert not wrong, "\n".join(wrong)


@pytest.fixture(name="start_daemon")
def fixture_start_daemon(tmp_path):
    """A factory: start_daemon(config, listen=…, args=…) returns a Daemon."""
    yield from make_daemons(tmp_path)


@pytest.fixture(name="shared", scope="module")
def fixture_shared(tmp_path_factory):
    """One daemon for all tests of a file that leave it as it was."""
    factory = make_daemons(tmp_path_factory.mktemp("shared"))
    yield next(factory)()
    next(factory, None)


@pytest.fixture(name="jobs")
def fixture_jobs(request):
    """A semaphore's name that no other test of the file uses."""
    return request.node.name[:100].replace("[", ":").replace("]", "")


@pytest.fixture(name="daemon")
def fixture_daemon(start_daemon):
    """A daemon without a configuration."""
    return start_daemon()


@pytest.fixture(name="run_permitd")
def fixture_run_permitd():
    """Runs permitd to its end; returns the CompletedProcess."""
    def run(*args, timeout=10, **options):
        return subprocess.run([os.environ["PERMITD_BIN"], *map(str, args)],
                              capture_output=True, text=True, timeout=timeout,
                              check=False, **options)
    return run
