# SPDX-License-Identifier: MIT
"""The examples of libpermit, as a user runs them: their output, their exit
codes, and what they do when the daemon is away or goes away."""
import asyncio
import http.server
import json
import os
import pathlib
import re
import select
import signal
import socket
import subprocess
import threading
import time

import pytest

import wire
from cli import PATIENCE, define, finish, fixture_jobs, permit
from conftest import eventually, session_of
from fenced import REJECTED, Table

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SOURCES = ROOT / "client" / "examples"
PROGRAMS = pathlib.Path(os.environ["PERMIT_BIN"]).parent.parent / "examples"
ALL = {"acquire": [], "cache_filler": ["jobs"],
       "fenced_table": [":memory:", "jobs"], "fifty_users": ["jobs"],
       "http_caller": ["jobs", "127.0.0.1", "1", "/"],
       "libevent": ["jobs", "1"], "poll": ["jobs"],
       "signal": ["wait", "jobs"], "two_limits": ["jobs", "api"],
       "worker_pool": ["jobs", "1", "1", "50"]}
NO_CONNECTION = {"cache_filler": 69, "fifty_users": 69, "http_caller": 69,
                 "signal": 69, "two_limits": 69, "worker_pool": 69}


def start(address, name, *args, stdin=subprocess.DEVNULL):
    """Starts an example as a client of (host, port)."""
    env = {**os.environ, "PERMIT_SERVER": "%s:%d" % address}
    return subprocess.Popen([PROGRAMS / name, *map(str, args)], env=env,
                            stdin=stdin, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


def line(file):
    """Its next line; leaves the rest to finish(), which knows no buffer."""
    text = b""
    while not text.endswith(b"\n"):
        assert select.select([file], [], [], PATIENCE)[0], text
        byte = os.read(file.fileno(), 1)
        assert byte, text
        text += byte
    return text.decode()


def run(daemon, name, *args):
    return finish(start(daemon.addresses[0], name, *args))


@pytest.fixture(name="nowhere")
def fixture_nowhere():
    """An address where nobody listens."""
    with socket.socket() as own:
        own.bind(("127.0.0.1", 0))
        yield own.getsockname()


# ----------------------------------------------------------------- all of them

def test_no_example_is_forgotten():
    assert {path.stem for path in SOURCES.glob("*.c")} == set(ALL)
    readme = (ROOT / "README.md").read_text()
    for name in ALL:
        assert f"| `{name}.c` |" in readme


def test_the_readme_shows_the_example():
    shown = re.search(r"```c\n(.*?)```", (ROOT / "README.md").read_text(),
                      re.DOTALL)[1]
    source = (SOURCES / "acquire.c").read_text()
    assert source[source.index("#include"):] == shown


@pytest.mark.parametrize("name", ALL)
def test_an_example_says_where_nobody_listens(nowhere, name):
    process = start(nowhere, name, *ALL[name], stdin=subprocess.PIPE)
    process.wait(PATIENCE)
    code, out, err = finish(process)
    assert code == NO_CONNECTION.get(name, 1)
    assert "%s:%d: Connection refused" % nowhere in out + err


@pytest.mark.parametrize("name", sorted(set(ALL) - {"acquire"}))
def test_an_example_says_how_it_is_used(nowhere, name):
    code, out, err = finish(start(nowhere, name))
    assert (code, out) == (64, "")
    assert err.startswith(f"usage: {name} ")


@pytest.mark.parametrize("name", sorted(set(ALL) - {"signal"}))
def test_an_example_says_what_is_not_defined(shared, name):
    process = start(shared.addresses[0], name, *ALL[name],
                    stdin=subprocess.PIPE)
    process.wait(PATIENCE)
    code, out, err = finish(process)
    assert code == 1
    assert "no such semaphore" in out + err


@pytest.mark.parametrize("name", sorted(set(ALL) - {"acquire"}))
def test_an_example_says_what_is_no_name(shared, name):
    args = [arg.replace("jobs", "no name") for arg in ALL[name]]
    process = start(shared.addresses[0], name, *args, stdin=subprocess.PIPE)
    process.wait(PATIENCE)
    code, out, err = finish(process)
    assert code == 1
    assert ("the request makes no sense" in out + err  # By its status alone.
            or "a name consists of" in err)


# ------------------------------------------------------------------------ acquire

def test_acquire_works_under_a_permit(shared):
    define(shared, "jobs", 1)
    code, out, err = run(shared, "acquire")
    assert (code, err) == (0, "")
    assert int(re.fullmatch(r"working, with fence (\d+)\n", out)[1]) > 0
    assert shared.semaphore("jobs")["held"] == 0
    assert permit(shared, "delete", "jobs").returncode == 0


# ------------------------------------------------------------------- fenced_table

def write(holder, text):
    holder.stdin.write(text + "\n")
    holder.stdin.flush()


def start_holder(daemon, table, jobs):
    """One that has written a row; returns it and its slot."""
    holder = start(daemon.addresses[0], "fenced_table", table.path, jobs,
                   stdin=subprocess.PIPE)
    granted = re.fullmatch(r"granted: fence \d+, slot (\d+)\n",
                           line(holder.stdout))
    write(holder, f"{holder.pid} is here")
    assert line(holder.stdout) == f"written: {holder.pid} is here\n"
    return holder, int(granted[1])


def assert_rejected(holder):
    holder.wait(PATIENCE)
    code, out, err = finish(holder)
    assert (code, out) == (REJECTED, "")
    assert "rejected: slot 0 has seen a higher fence than" in err


def test_a2_a_holder_that_was_stopped_is_rejected(start_daemon, jobs, tmp_path):
    """For longer than its session; another has written meanwhile."""
    daemon = start_daemon(session_of(0.6))
    table = Table(tmp_path / "table")
    define(daemon, jobs, 1)
    late, _ = start_holder(daemon, table, jobs)
    late.send_signal(signal.SIGSTOP)
    second, _ = start_holder(daemon, table, jobs)
    write(late, "late")
    late.send_signal(signal.SIGCONT)
    assert_rejected(late)
    write(second, "in time")
    assert finish(second) == (0, "written: in time\n", "")
    assert table.rows() == [f"{late.pid} is here", f"{second.pid} is here",
                            "in time"]


def test_each_slot_has_its_own_highest_fence(start_daemon, jobs, tmp_path):
    daemon = start_daemon(session_of(0.6))
    table = Table(tmp_path / "table")
    assert permit(daemon, "set", jobs, "--permits=2", "--slots").returncode == 0
    late, _ = start_holder(daemon, table, jobs)
    other, slot = start_holder(daemon, table, jobs)
    assert slot == 1
    write(late, "lower, and not late")
    assert line(late.stdout) == "written: lower, and not late\n"
    late.send_signal(signal.SIGSTOP)
    third, slot = start_holder(daemon, table, jobs)
    assert slot == 0
    write(late, "late")
    late.send_signal(signal.SIGCONT)
    assert_rejected(late)
    write(other, "lower, and not late")
    assert finish(other) == (0, "written: lower, and not late\n", "")
    assert finish(third)[0] == 0


def test_a_table_takes_a_row_as_a_whole_or_not_at_all(tmp_path):
    table = Table(tmp_path / "table")
    assert table.write(7, "a") and table.write(7, "b")
    assert table.write(9, "it's \"c\"", slots=[1, 2])
    assert not table.write(6, "d")
    assert not table.write(8, "e", slots=[0, 2])
    assert table.rows() == ["a", "b", "it's \"c\""]
    assert table.fences() == {0: 7, 1: 9, 2: 9}


def test_a_command_of_run_writes_with_its_fence(shared, jobs, tmp_path):
    table = Table(tmp_path / "table")
    assert permit(shared, "set", jobs, "--permits=3", "--slots").returncode == 0
    done = permit(shared, "run", "-p", 2, jobs, "-c",
                  f"echo row | {PROGRAMS}/fenced_table {table.path};"
                  "echo $PERMIT_FENCE")
    assert done.returncode == 0, done.stderr
    fence = int(done.stdout.split()[-1])
    assert table.fences() == {0: fence, 1: fence}


# -------------------------------------------------------------------- http_caller

class Api(http.server.BaseHTTPRequestHandler):
    """Answers, and notes when it was asked."""

    def do_GET(self):
        self.server.times.append(time.monotonic())
        self.send_response(200 if self.path == "/items" else 404)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture(name="api")
def fixture_api():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
    server.times = []
    thread = threading.Thread(target=server.serve_forever,
                              kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def set_rate(daemon, name, rate, burst):
    done = permit(daemon, "set", name, "--rate", rate, "--burst", burst)
    assert done.returncode == 0, done.stderr


def test_callers_together_keep_to_the_rate(shared, api, jobs):
    set_rate(shared, jobs, "20/s", 2)
    port = api.server_address[1]
    callers = [start(shared.addresses[0], "http_caller", jobs, "127.0.0.1",
                     port, "/items", 5) for _ in range(2)]
    for caller in callers:
        assert finish(caller) == (0, "/items: 200\n" * 5, "")
    assert len(api.times) == 10
    # Two at once, and the others not before their tokens came.
    assert api.times[-1] - api.times[0] > 6 / 20


def test_a_caller_stops_when_the_api_fails(shared, api, jobs):
    set_rate(shared, jobs, "1/d", 5)
    port = api.server_address[1]
    assert run(shared, "http_caller", jobs, "127.0.0.1", port, "/no", 3) == (
        1, "/no: 404\n", "")
    assert shared.semaphore(jobs)["available"] == 4


def test_a_caller_wants_a_rate(shared, jobs):
    define(shared, jobs)
    assert run(shared, "http_caller", jobs, "127.0.0.1", 1, "/") == (
        1, "/: -1\n", f"http_caller: {jobs} is no rate\n")
    assert shared.semaphore(jobs)["held"] == 0


# --------------------------------------------------------------------- two_limits

def test_a_job_has_both_limits_or_none(shared, jobs):
    define(shared, jobs, 1)
    set_rate(shared, jobs + ".api", "1/d", 2)
    assert run(shared, "two_limits", jobs, jobs + ".api")[0] == 0
    with shared.client("alice") as other:
        other.acquire(jobs)
        code, out, err = run(shared, "two_limits", jobs, jobs + ".api", 0)
        assert (code, out) == (75, "")
        assert f"{jobs}: number 1, 1 in the way, the oldest of alice\n" in err
        assert shared.semaphore(jobs + ".api")["available"] == 1
    eventually(lambda: shared.semaphore(jobs)["held"] == 0)
    assert run(shared, "two_limits", jobs, jobs + ".api", 0)[0] == 0
    code, _, err = run(shared, "two_limits", jobs, jobs + ".api", 0)
    assert code == 75
    assert re.search(r"\.api: number 1, 1 in the way, try again after \d+ ms",
                     err)
    assert shared.semaphore(jobs)["held"] == 0


# ------------------------------------------------------------------- cache_filler

def test_one_fills_the_cache_for_all(shared, jobs):
    define(shared, jobs, 1)
    fillers = [start(shared.addresses[0], "cache_filler", jobs,
                     stdin=subprocess.PIPE)]
    eventually(lambda: shared.semaphore(jobs)["held"] == 1)
    for count in (1, 2):
        fillers.append(start(shared.addresses[0], "cache_filler", jobs,
                             stdin=subprocess.PIPE))
        eventually(waiting(shared, jobs, count))
    write(fillers[0], "the page")
    assert finish(fillers[0]) == (0, "the page\n", "filled\n")
    for filler in fillers[1:]:
        assert finish(filler) == (0, "the page\n", "joined\n")


def test_if_one_fails_the_next_fills(shared, jobs):
    define(shared, jobs, 1)
    first = start(shared.addresses[0], "cache_filler", jobs,
                  stdin=subprocess.PIPE)
    eventually(lambda: shared.semaphore(jobs)["held"] == 1)
    second = start(shared.addresses[0], "cache_filler", jobs,
                   stdin=subprocess.PIPE)
    eventually(waiting(shared, jobs, 1))
    assert finish(first) == (
        1, "", "cache_filler: no page of 1 to 4096 bytes on stdin\n")
    write(second, "the page")
    assert finish(second) == (0, "the page\n", "filled\n")


# ----------------------------------------------------------------------- libevent

def test_a_loop_does_all_jobs_within_the_permits(shared, jobs):
    define(shared, jobs, 3)
    with Proxy(shared.addresses[0]) as proxy:
        code, out, err = finish(start(proxy.address, "libevent", jobs, 40))
    assert (code, err) == (0, "")
    assert results(out) == ({number: "done" for number in range(1, 41)},
                            "40 of 40 done")
    assert (proxy.grants, proxy.most, proxy.sessions) == (40, 3, 1)


def test_a_loop_that_is_ended_gives_everything_back(shared, jobs):
    define(shared, jobs, 3)
    loop = start(shared.addresses[0], "libevent", jobs, 1000)
    assert line(loop.stdout) == "job 1: done\n"
    loop.send_signal(signal.SIGINT)
    code, out, err = finish(loop)
    assert (code, err) == (1, "")
    assert "job 1000: failed: " in out
    assert "the client is destroyed" in out
    assert len(results(out)[0]) == 999, "each ends once"
    assert permit(shared, "delete", jobs).returncode == 0, "nobody holds it"


def test_a_loop_stops_jobs_when_the_daemon_goes_away(start_daemon, jobs):
    daemon = start_daemon()
    define(daemon, jobs, 3)
    loop = start(daemon.addresses[0], "libevent", jobs, 1000)
    assert line(loop.stdout) == "job 1: done\n"
    daemon.kill()
    code, out, err = finish(loop)
    what, last = results(out)
    assert (code, err, len(what)) == (1, "", 999)
    done = 1 + list(what.values()).count("done")
    assert last == f"{done} of 1000 done"
    assert "its grant is lost: session" in out


# ---------------------------------------------------------------------------- poll

def test_a_holder_holds_until_its_stdin_ends(shared, jobs):
    define(shared, jobs, 1)
    holders = [start(shared.addresses[0], "poll", jobs, stdin=subprocess.PIPE)]
    granted = line(holders[0].stdout)
    assert re.fullmatch(r"granted: fence \d+\n", granted)
    holders.append(start(shared.addresses[0], "poll", jobs,
                         stdin=subprocess.PIPE))
    assert line(holders[1].stdout) == "waiting: 1 of 1, 1/1 held\n"
    assert finish(holders[0]) == (0, "released\n", "")
    assert re.fullmatch(r"granted: fence \d+\n", line(holders[1].stdout))
    assert finish(holders[1]) == (0, "released\n", "")


def test_a_holder_that_waits_goes_when_its_stdin_ends(shared, jobs):
    define(shared, jobs, 1)
    with shared.client() as other:
        other.acquire(jobs)
        holder = start(shared.addresses[0], "poll", jobs, stdin=subprocess.PIPE)
        eventually(waiting(shared, jobs, 1))
        assert finish(holder) == (75, "waiting: 1 of 1, 1/1 held\n", "")
        assert shared.semaphore(jobs)["waiters"] == 0


@pytest.mark.parametrize("why", ["deleted", "session"])
def test_a_holder_says_at_once_that_it_lost(start_daemon, jobs, why):
    daemon = start_daemon()
    define(daemon, jobs, 1)
    holder = start(daemon.addresses[0], "poll", jobs, stdin=subprocess.PIPE)
    assert line(holder.stdout).startswith("granted")
    if why == "deleted":
        assert permit(daemon, "delete", "--force", jobs).returncode == 0
    else:
        daemon.kill()
    assert line(holder.stderr) == f"poll: lost: {why}\n"
    holder.wait(PATIENCE)
    assert finish(holder) == (1, "", "")


# ------------------------------------------------------------------------- signal

def waiting(daemon, jobs, count):
    return lambda: daemon.get(f"/api/v1/semaphores/{jobs}")[0] == 200 and \
        daemon.semaphore(jobs)["waiters"] == count


def test_a_signal_before_its_waiter_is_not_lost(shared, jobs):
    assert run(shared, "signal", "post", jobs) == (
        0, "posted: 1 not taken yet\n", "")
    assert run(shared, "signal", "wait", jobs, 0) == (0, "taken\n", "")


def test_a_signal_wakes_who_waits(shared, jobs):
    waiter = start(shared.addresses[0], "signal", "wait", jobs)
    eventually(waiting(shared, jobs, 1))
    assert run(shared, "signal", "post", jobs)[0] == 0
    assert finish(waiter) == (0, "taken\n", "")
    assert shared.semaphore(jobs)["available"] == 0


def test_a_signal_that_does_not_come_in_time(shared, jobs):
    code, out, err = run(shared, "signal", "wait", jobs, 50)
    assert (code, out) == (75, "")
    assert "the wait ended without a grant" in err
    assert run(shared, "signal", "post", jobs)[0] == 0, "and is not lost"
    assert run(shared, "signal", "wait", jobs, 0)[0] == 0


def test_a_signal_wakes_one_and_only_once(shared, jobs):
    waiters = [start(shared.addresses[0], "signal", "wait", jobs)
               for _ in range(3)]
    for left in (2, 1, 0):
        eventually(waiting(shared, jobs, left + 1))
        assert run(shared, "signal", "post", jobs)[0] == 0
        eventually(lambda: sum(waiter.poll() is None
                               for waiter in waiters) == left)
    assert [finish(waiter)[0] for waiter in waiters] == [0, 0, 0]
    assert run(shared, "signal", "wait", jobs, 0)[0] == 75


def test_nobody_knows_of_a_signal_when_the_line_breaks(start_daemon, jobs):
    daemon = start_daemon()
    waiter = start(daemon.addresses[0], "signal", "wait", jobs)
    eventually(waiting(daemon, jobs, 1))
    daemon.kill()
    code, out, err = finish(waiter)
    assert (code, out) == (74, "")
    assert "it may have happened or not" in err


# -------------------------------------------------------------------- worker pool

def results(out):
    """What became of the jobs, by number, and the last line."""
    lines = out.splitlines()
    return {int(number): what for number, what in
            (re.fullmatch(r"job (\d+): (\w+).*", text).groups()
             for text in lines[:-1])}, lines[-1]


def test_a_pool_does_all_jobs_within_the_permits(shared, jobs):
    define(shared, jobs, 3)
    with Proxy(shared.addresses[0]) as proxy:
        code, out, err = finish(start(proxy.address, "worker_pool", jobs, 8,
                                      40, 20))
    assert (code, err) == (0, "")
    assert results(out) == ({number: "done" for number in range(1, 41)},
                            "40 done, 0 failed, 0 left")
    assert (proxy.grants, proxy.most, proxy.sessions) == (40, 3, 1)
    assert shared.semaphore(jobs)["totals"]["grants_total"] == 40


def test_a_pool_drains_on_sigterm(shared, jobs):
    define(shared, jobs, 2)
    pool = start(shared.addresses[0], "worker_pool", jobs, 8, 1000000,
                 50)
    eventually(waiting(shared, jobs, 6))
    pool.send_signal(signal.SIGTERM)
    code, out, err = finish(pool)
    assert (code, err) == (0, "")
    what, last = results(out)
    done = list(what.values()).count("done")
    assert done >= 2 and set(what.values()) == {"done", "left"}
    assert last == f"{done} done, 0 failed, {1000000 - done} left"


def test_a_pool_stops_jobs_whose_grants_are_lost(shared, jobs):
    define(shared, jobs, 4)
    pool = start(shared.addresses[0], "worker_pool", jobs, 8, 16,
                 3600000)
    eventually(waiting(shared, jobs, 4))
    assert permit(shared, "delete", "--force", jobs).returncode == 0
    code, out, err = finish(pool)
    assert (code, err) == (1, "")
    assert out.count("stopped, its grant is lost") == 4
    assert out.count("failed: no such semaphore") == 12
    assert results(out)[1] == "0 done, 16 failed, 0 left"


def test_a_pool_waits_for_a_daemon_that_is_away(start_daemon, jobs):
    semaphores = {"semaphores": [{"name": jobs, "permits": 2}]}
    first = start_daemon(semaphores)
    pool = start(first.addresses[0], "worker_pool", jobs, 6, 12, 50)
    eventually(waiting(first, jobs, 4))
    first.kill()
    assert re.search(r"job \d+ waits: ", line(pool.stderr))
    start_daemon(semaphores, listen=["127.0.0.1:%d" % first.port])
    code, out, _ = finish(pool)
    what, last = results(out)
    stopped = list(what.values()).count("stopped")
    assert code == 1 and 0 < stopped <= 2, "those that held permits"
    assert last == f"{12 - stopped} done, {stopped} failed, 0 left"


# -------------------------------------------------------------------- fifty users

class Proxy:
    """Stands between clients and the daemon, and counts the permits that are
    out: from before a client hears of one until it has said that it is done."""

    def __init__(self, server):
        self.server = server
        self.sessions = self.grants = self.out = self.most = 0
        self.loop = asyncio.new_event_loop()
        self.listener = self.loop.run_until_complete(
            asyncio.start_server(self.serve, "127.0.0.1", 0))
        self.address = self.listener.sockets[0].getsockname()
        self.thread = threading.Thread(target=self.loop.run_forever)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.listener.close()
        self.loop.close()

    async def serve(self, reader, writer):
        self.sessions += 1
        up, down = await asyncio.open_connection(*self.server)
        await asyncio.gather(
            self.pump(reader, down, wire.pb.ClientMessage, self.released),
            self.pump(up, writer, wire.pb.ServerMessage, self.granted))

    async def pump(self, reader, writer, message, note):
        try:
            writer.write(await reader.readexactly(len(wire.PREFACE)))
            while True:
                head = await reader.readexactly(4)
                body = await reader.readexactly(int.from_bytes(head, "big"))
                note(wire.kind(message.FromString(body)))
                writer.write(head + body)
        except asyncio.IncompleteReadError:
            writer.close()

    def granted(self, kind):
        self.grants += kind == "granted"
        self.out += kind == "granted"
        self.most = max(self.most, self.out)

    def released(self, kind):
        self.out -= kind == "release"


def test_fifty_users_are_never_more_than_five_inside(shared, jobs):
    define(shared, jobs, 5)
    with Proxy(shared.addresses[0]) as proxy:
        code, out, err = finish(start(proxy.address, "fifty_users", jobs))
    assert (code, err) == (0, "")
    assert out.endswith("0 hold, 0 wait\n150 turns, at most 5 inside at once, "
                        "0 users failed\n")
    assert (proxy.grants, proxy.most, proxy.out) == (150, 5, 0)
    assert shared.semaphore(jobs)["totals"]["grants_total"] == 150


def rows(daemon, what, jobs):
    return json.loads(permit(daemon, "--json", what, jobs).stdout)[what]


def test_the_monitor_says_what_permit_says(shared, jobs):
    define(shared, jobs, 5)
    with shared.client("alice") as alice, shared.client("bob") as bob:
        for own in (alice, bob, alice, bob, alice):
            own.acquire(jobs)
        users = start(shared.addresses[0], "fifty_users", jobs)
        eventually(waiting(shared, jobs, 50))
        said = []
        while said[:1] != ["5 hold, 50 wait"]:  # The first may come too early.
            said = [line(users.stdout).rstrip("\n")]
        said += [line(users.stdout) for _ in range(55)]
        holders = [re.fullmatch(r"  (\S+) holds since \d+ ms, fence (\d+)\n",
                                row).groups() for row in said[1:6]]
        waiters = [re.fullmatch(r"  (\S+) waits since \d+ ms, position (\d+)\n",
                                row).groups() for row in said[6:]]
        assert holders == [(row["name"], row["fence"])
                           for row in rows(shared, "holders", jobs)]
        assert waiters == [(row["name"], str(row["position"]))
                           for row in rows(shared, "waiters", jobs)]
        users.kill()
        finish(users)


def test_fifty_users_refuse_another_limit(shared, jobs):
    define(shared, jobs, 6)
    code, out, err = run(shared, "fifty_users", jobs)
    assert code == 1
    assert out.endswith("0 turns, at most 0 inside at once, 50 users failed\n")
    assert err.count("its permits differ from those expected") == 50


def test_fifty_users_say_that_the_daemon_went_away(start_daemon, jobs):
    daemon = start_daemon()
    define(daemon, jobs, 5)
    users = start(daemon.addresses[0], "fifty_users", jobs)
    eventually(waiting(daemon, jobs, 45))
    daemon.kill()
    code, out, err = finish(users)
    assert code == 1
    assert "at most 5 inside at once, 50 users failed\n" in out
    assert err.count("\n") >= 50 and "Sanitizer" not in err
