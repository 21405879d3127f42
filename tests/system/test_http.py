# SPDX-License-Identifier: MIT
"""The operator's HTTP: shapes, paths, pages, and what it must refuse."""
import datetime
import re
import socket
import time

import pytest

from conftest import eventually
from wire import kind, labels

SEMAPHORE = {
    "name": str, "kind": str, "permits": int, "held": int, "available": int,
    "holders": int, "waiters": int, "waiting_permits": int, "max_queue": int,
    "bypass": int, "slots": bool, "state": str, "fence": str,
    "oldest_wait_seconds": (float, int, type(None)),
    "oldest_hold_seconds": (float, int, type(None)),
    "max_wait_seconds": (float, int, type(None)),
    "hold_seconds": (float, int, type(None)), "rate": type(None),
    "totals": dict,
}
TOTALS = {"grants_total": int, "timeouts_total": int, "queue_full_total": int,
          "lost_total": dict}
CLIENT = {"session_id": str, "name": str, "host": str, "pid": int,
          "purpose": str, "address": str, "identity": type(None),
          "labels": dict}
HOLDER = {"grant_id": str, "fence": str, "permits": int, "slots": list,
          "parts": list, **CLIENT, "granted_at": str,
          "held_seconds": (float, int), "waited_seconds": (float, int),
          "expires_at": (str, type(None)), "connected": bool}
WAITER = {"request_id": str, "position": int, "permits": int, "parts": list,
          "priority": int, **CLIENT, "queued_at": str,
          "waited_seconds": (float, int), "deadline": (str, type(None)),
          "set_aside": (str, type(None))}
STATUS = {"schema_version": int, "boot_id": str, "name": str, "version": str,
          "revision": (str, type(None)), "protocol_version": int, "now": str,
          "start_time": str, "uptime_seconds": (float, int), "state": str,
          "draining": bool, "fence": str, "store": dict, "config": dict,
          "connections": dict, "sessions": dict, "totals": dict,
          "process": dict}


def has_shape(shape, value):
    for key, wanted in shape.items():
        assert key in value, key
        assert isinstance(value[key], wanted), (key, value[key])
        if wanted is int:
            assert not isinstance(value[key], bool), key


def is_time(text):
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text), text
    return datetime.datetime.fromisoformat(text.removesuffix("Z") + "+00:00")


def is_problem(answer, status):
    code, headers, body = answer
    assert code == status, answer
    assert headers["Content-Type"].startswith("application/problem+json")
    assert body["status"] == status
    assert isinstance(body["type"], str) and isinstance(body["title"], str)
    return body


@pytest.fixture(name="busy", scope="module")
def fixture_busy(shared):
    """A semaphore `busy` of 3 with holders and waiters."""
    alice = shared.client("alice@ci-4:812",
                          {"host": "ci-4", "pid": 812, "purpose": "make"})
    bob = shared.client("bob")
    alice.define("busy", 3, max_queue=100, max_wait_ms=1800000)
    alice.define("idle", 2)
    alice.define("active", 2, hold_ms=3600000)
    alice.define("counting", 0, "COUNTING")
    alice.define("team/one/a", 1)
    alice.acquire("active")
    alice.acquire("busy", 2, hold_ms=60000,
                  labels=labels({"job": "nightly", "\x1b\"": b"<\xff>"}))
    bob.acquire("busy", 1)
    bob.send_acquire("busy", 2, wait_ms=600000, labels=labels({"k": ""}))
    bob.send_acquire("busy", 1, wait_ms=-1)
    bob.ping()
    yield alice, bob
    alice.close()
    bob.close()


def test_status(shared, busy):
    for path in ("/status", "/api/v1/status"):
        code, headers, status = shared.get(path)
        assert code == 200
        assert headers["Content-Type"] == "application/json"
        has_shape(STATUS, status)
    assert status["schema_version"] == 1 and status["protocol_version"] == 1
    assert status["state"] == "ready" and status["draining"] is False
    assert status["store"] == {"kind": "memory", "sync": None, "state": "ok",
                               "grants_survive_restart": False} or \
        status["store"]["kind"] == "memory"
    assert status["connections"] == {"current": 2, "max": 10000}
    assert status["sessions"] == {"current": 2, "disconnected": 0}
    assert status["totals"]["grants_total"] == 3
    for key in ("releases_total", "timeouts_total", "lost_total"):
        assert status["totals"][key] == 0
    assert status["process"]["open_fds"] >= 5
    assert status["process"]["rss_bytes"] > 100000
    assert status["process"]["max_fds"] > 0
    assert status["process"]["cpu_seconds"] >= 0
    assert status["boot_id"] == busy[0].welcome.boot_id.decode()
    now = is_time(status["now"])
    assert abs(now.timestamp() - time.time()) < 60
    assert is_time(status["start_time"]) <= now
    assert int(status["fence"]) >> 24 > 1_700_000_000


def test_a_list_of_semaphores(shared, busy):
    code, headers, page = shared.get("/api/v1/semaphores")
    assert code == 200 and headers["Cache-Control"] == "no-store"
    assert page["boot_id"] and is_time(page["now"])
    assert (page["total"], page["offset"], page["limit"]) == (5, 0, 1024)
    assert [row["name"] for row in page["semaphores"]] == \
        ["active", "busy", "counting", "idle", "team/one/a"]
    for row in page["semaphores"]:
        has_shape(SEMAPHORE, row)
        has_shape(TOTALS, row["totals"])
        assert list(row["totals"]["lost_total"]) == \
            ["hold", "session", "revoked", "kicked", "deleted"]
    active, saturated, counting, idle, _ = page["semaphores"]
    assert (saturated["state"], saturated["held"], saturated["available"],
            saturated["holders"], saturated["waiters"],
            saturated["waiting_permits"]) == ("saturated", 3, 0, 2, 2, 3)
    assert saturated["max_wait_seconds"] == 1800.0
    assert saturated["hold_seconds"] is None
    assert saturated["oldest_wait_seconds"] >= 0
    assert active["state"] == "active" and active["hold_seconds"] == 3600.0
    assert active["oldest_wait_seconds"] is None
    assert counting["kind"] == "counting" and counting["permits"] == 0
    assert idle["state"] == "idle" and idle["oldest_hold_seconds"] is None


@pytest.mark.parametrize("query,names", [
    ("prefix=team/", ["team/one/a"]), ("prefix=team%2Fone", ["team/one/a"]),
    ("prefix=none", []), ("state=saturated", ["busy"]),
    ("state=idle", ["idle", "team/one/a"]),
    ("state=idle&prefix=i", ["idle"]), ("limit=2", ["active", "busy"]),
    ("offset=3", ["idle", "team/one/a"]),
    ("offset=1&limit=1", ["busy"]), ("offset=99", []),
    ("state=saturated&offset=1", []), ("sort=name&limit=1", ["active"]),
    ("offset=99999999999999999999999", []),
])
def test_filters_and_pages(shared, busy, query, names):
    code, _, page = shared.get("/api/v1/semaphores?" + query)
    assert code == 200
    # A COUNTING semaphore at 0 is nobody's: which state it is in is not said.
    assert [row["name"] for row in page["semaphores"]
            if row["name"] != "counting" or "state" not in query] == names


@pytest.mark.parametrize("query", [
    "offset=-1", "offset=x", "limit=x", "limit=-5",
    "state=fuzzy", "unknown=1", "prefix=a%20b", "prefix=%zz", "prefix=" + "x" * 200,
])
def test_a_bad_query_is_400(shared, busy, query):
    code, _, body = shared.get("/api/v1/semaphores?" + query)
    assert code == 400 or (query.startswith("prefix") and code == 200
                           and body["semaphores"] == [])


def test_one_semaphore(shared, busy):
    code, _, one = shared.get("/api/v1/semaphores/busy")
    rows = shared.get("/api/v1/semaphores?prefix=busy")[2]["semaphores"]
    assert code == 200
    for volatile in ("oldest_wait_seconds", "oldest_hold_seconds"):
        del one[volatile], rows[0][volatile]
    assert one == rows[0]


def test_holders(shared, busy):
    code, _, page = shared.get("/api/v1/semaphores/busy/holders")
    assert code == 200
    assert (page["total"], page["offset"], page["limit"]) == (2, 0, 1024)
    first, second = page["holders"]
    has_shape(HOLDER, first)
    has_shape(HOLDER, second)
    assert first["parts"] == [{"semaphore": "busy", "permits": 2}]
    assert first["session_id"] == str(busy[0].welcome.session_id)
    assert (first["name"], first["host"], first["pid"], first["purpose"]) == \
        ("alice@ci-4:812", "ci-4", 812, "make")
    own = busy[0].socket.getsockname()
    assert first["address"] == f"{own[0]}:{own[1]}"
    expires = is_time(first["expires_at"]) - is_time(first["granted_at"])
    assert 59 < expires.total_seconds() < 61
    assert second["expires_at"] is None and second["name"] == "bob"
    assert first["connected"] is True and int(first["fence"]) > 0
    assert first["labels"] == {"job": "nightly", "\x1b\"": "<\ufffd>"}
    assert second["labels"] == {}


def test_waiters(shared, busy):
    code, _, page = shared.get("/api/v1/semaphores/busy/waiters")
    assert code == 200 and page["total"] == 2
    first, second = page["waiters"]
    has_shape(WAITER, first)
    has_shape(WAITER, second)
    assert (first["position"], second["position"]) == (1, 2)
    assert (first["permits"], second["permits"]) == (2, 1)
    waits = is_time(first["deadline"]) - is_time(first["queued_at"])
    assert 599 < waits.total_seconds() < 601
    # The semaphore caps it at half an hour.
    assert second["deadline"] is not None
    assert first["set_aside"] is None
    assert first["labels"] == {"k": ""} and second["labels"] == {}
    page = shared.get("/api/v1/semaphores/busy/waiters?offset=1&limit=1")[2]
    assert [row["position"] for row in page["waiters"]] == [2]


def test_names_with_slashes(shared, busy):
    with shared.client() as line:
        for name in ("../x", "a/holders", "a/waiters/holders", "/", "//",
                     "a//b", "x:y@z+1", "holders"):
            line.define(name)
            escaped = name.replace("/", "%2F").replace("+", "%2B")
            code, _, one = shared.get("/api/v1/semaphores/" + escaped)
            assert code == 200 and one["name"] == name, name
            code, _, page = shared.get(
                f"/api/v1/semaphores/{escaped}/holders")
            assert code == 200 and page["holders"] == [], name
            line.delete(name)
        for path in ("team/one/a", "team%2fone%2Fa"):
            code, _, one = shared.get("/api/v1/semaphores/" + path)
            assert code == 200 and one["name"] == "team/one/a"
            assert shared.get(f"/api/v1/semaphores/{path}/waiters")[0] == 200


@pytest.mark.parametrize("path", [
    "/nothing", "/api", "/api/v1", "/api/v2/semaphores", "/api/v1/nothing",
    "/api/v1/semaphores/none", "/api/v1/semaphores/none/holders",
    "/api/v1/semaphores/none/waiters", "/api/v1/semaphores/busy/nothing",
    "/api/v1/semaphores/..%2f..%2fetc%2fpasswd",
    "/../../etc/passwd", "/status/", "/livez/x",
])
def test_404(shared, busy, path):
    body = is_problem(shared.get(path), 404)
    if "/semaphores/none" in path:
        assert body["reason"] == "not_found"


@pytest.mark.parametrize("name", ["bu%00sy", "%ff", "busy%20", "-a",
                                  "x" * 129, "a%2", "%", "a*b", "*"])
def test_a_bad_name_is_400(shared, busy, name):
    for rest in ("", "/holders", "/waiters"):
        body = is_problem(shared.get(f"/api/v1/semaphores/{name}{rest}"), 400)
        assert body["reason"] == "invalid"


def test_livez_and_readyz(shared):
    for path in ("/livez", "/healthz", "/readyz"):
        assert shared.get(path)[0] == 200
        code, _, body = shared.get(path, method="HEAD")
        assert code == 200 and not body
    assert shared.get("/livez")[2].strip() == b"ok"
    assert shared.get("/readyz?verbose")[0] == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH",
                                    "OPTIONS", "TRACE", "BREW"])
def test_methods_are_limited(shared, busy, method):
    for path in ("/status", "/api/v1/semaphores/busy", "/livez"):
        code, headers, _ = shared.get(path, method=method)
        assert code in (405, 501), (path, code)
        if code == 405:
            assert "GET" in headers["Allow"]
    assert shared.semaphore("busy")["permits"] == 3


@pytest.mark.parametrize("host,code", [
    ("localhost", 200), ("localhost:7418", 200), ("127.0.0.1", 200),
    ("[::1]:80", 200), ("10.1.2.3:99", 200), ("LOCALHOST", 200),
    ("evil.example", 421), ("evil.example:7418", 421),
    ("localhost.evil.example", 421), ("127.0.0.1.evil.example", 421),
    ("", 421),
])
def test_another_host_is_refused(shared, host, code):
    answer = shared.get("/status", headers={"Host": host})
    assert answer[0] == code or (code == 421 and answer[0] in (400, 403)), \
        answer


def test_a_host_that_is_allowed(start_daemon):
    daemon = start_daemon({"http": {"allowed_hosts": ["ops.example"]}})
    get = daemon.get
    assert get("/status", headers={"Host": "ops.example:1"})[0] == 200
    assert get("/status", headers={"Host": "other.example"})[0] != 200


def test_no_cross_origin(shared):
    _, headers, _ = shared.get("/status",
                               headers={"Origin": "http://evil.example"})
    assert not [name for name in headers
                if name.lower().startswith("access-control")]


def test_a_page_is_bounded(shared):
    with shared.client() as line:
        for number in range(1100):
            line.send("define", semaphore=f"many/{number:04d}")
        line.ping()
        code, _, page = shared.get(
            "/api/v1/semaphores?prefix=many/&limit=100000")
        assert code in (200, 400)
        if code == 200:
            assert len(page["semaphores"]) == page["limit"] == 1024
        code, _, page = shared.get("/api/v1/semaphores?prefix=many/")
        assert (code, page["total"], len(page["semaphores"])) == \
            (200, 1100, 1024)
        rest = shared.get("/api/v1/semaphores?prefix=many/&offset=1024")[2]
        assert len(rest["semaphores"]) == 76
        for number in range(1100):
            line.send("delete", semaphore=f"many/{number:04d}")
        line.ping()


# ---------------------------------------------------------------------- C18

def raw(daemon, data, timeout=10, chunks=None):
    """Sends bytes as they are; returns the status of the answer, 0 if the
    line was closed without one."""
    line = socket.create_connection(("127.0.0.1", daemon.http), timeout)
    with line:
        try:
            for chunk in chunks or [data]:
                line.sendall(chunk)
        except ConnectionError:
            pass
        received = b""
        try:
            while b"\r\n\r\n" not in received:
                more = line.recv(65536)
                if not more:
                    break
                received += more
        except ConnectionError:
            pass
        match = re.match(rb"HTTP/1\.\d (\d+)", received)
        return int(match[1]) if match else 0


GET = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n"
REFUSED = {
    "huge_header": GET + b"X: " + b"x" * 20000 + b"\r\n\r\n",
    "huge_line": b"GET /" + b"x" * 20000 + b" HTTP/1.1\r\n\r\n",
    "many_headers": GET + b"X-Y: z\r\n" * 2000 + b"\r\n",
    "huge_body": b"GET /livez HTTP/1.1\r\nHost: localhost\r\n"
                 b"Content-Length: 100000\r\n\r\n" + b"x" * 100000,
    "huge_length": GET + b"Content-Length: 99999999999999999999\r\n\r\n",
    "negative_length": GET + b"Content-Length: -5\r\n\r\n",
    "connect": b"CONNECT example.org:443 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "null": b"GET /%00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "dots": b"GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "absolute": b"GET http://evil.example/status HTTP/1.1\r\n"
                b"Host: evil.example\r\n\r\n",
    "no_host": b"GET /status HTTP/1.1\r\n\r\n",
    "garbage": bytes(range(256)) * 40,
    "protocol": b"\x93PM\x01\0\0\0\x04\x08\x01\x6a\x00\r\n\r\n",
    "version": b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
    "ten_megabytes": b"POST /status HTTP/1.1\r\nHost: localhost\r\n"
                     b"Content-Length: 10000000\r\n\r\n" + b"x" * 1000000,
}


@pytest.mark.parametrize("data", REFUSED.values(), ids=REFUSED.keys())
def test_c18_bad_requests_are_refused(shared, data):
    code = raw(shared, data)
    assert code == 0 or 400 <= code < 600, code
    assert shared.get("/livez")[0] == 200


@pytest.mark.parametrize("data", [
    GET + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    GET + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
    GET + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n\r\n",
    GET + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
], ids=["te_cl", "chunk", "trailer", "two_lengths"])
def test_c18_odd_bodies_do_no_harm(shared, data):
    raw(shared, data)
    assert shared.get("/livez")[0] == 200


def test_c18_slow_bytes_are_closed_after_5_s(start_daemon):
    """Three kinds of slowness at once, since each takes the full time."""
    daemon = start_daemon()
    begun = time.monotonic()
    lines = [socket.create_connection(("127.0.0.1", daemon.http))
             for _ in range(3)]
    starts = [b"", GET, GET + b"Content-Length: 1000\r\n\r\n"]
    ended = {}
    for line, start in zip(lines, starts):
        line.sendall(start)
        line.settimeout(0.02)
    while len(ended) < 3 and time.monotonic() < begun + 12:
        for line in lines:
            if line in ended:
                continue
            try:
                if line is not lines[0]:
                    line.sendall(b"x")
                if not line.recv(4096):
                    ended[line] = time.monotonic() - begun
            except TimeoutError:
                pass
            except ConnectionError:
                ended[line] = time.monotonic() - begun
    for line in lines:
        line.close()
    assert len(ended) == 3, ended
    assert all(took < 8 for took in ended.values()), ended


def test_c18_connections_are_limited_and_the_protocol_not_slowed(
        start_daemon):
    daemon = start_daemon({"limits": {"max_http_connections": 8}})
    with daemon.client() as line:
        idle = [socket.create_connection(("127.0.0.1", daemon.http))
                for _ in range(8)]
        eventually(lambda: daemon.count_fds() >= daemon.fds_idle + 1 + 8)
        more = [socket.create_connection(("127.0.0.1", daemon.http))
                for _ in range(100)]
        for own in more:
            own.sendall(GET + b"\r\n")
            own.settimeout(20)
        begun = time.monotonic()
        for _ in range(20):
            line.ping()
        assert time.monotonic() - begun < 2
        assert daemon.count_fds() <= daemon.fds_idle + 1 + 9
        for own in idle:
            own.close()
        # Those that had to wait are served when there is room.
        assert more[0].recv(4096).startswith(b"HTTP/1.1 200")
        for own in more:
            own.close()
        eventually(lambda: daemon.count_fds() <= daemon.fds_idle + 1)
        assert daemon.get("/livez")[0] == 200


def test_c18_one_connection_serves_one_request_or_more(shared):
    with socket.create_connection(("127.0.0.1", shared.http), 10) as line:
        line.sendall((GET + b"\r\n") * 10)
        received = b""
        while True:
            try:
                data = line.recv(65536)
            except ConnectionError:
                break
            if not data:
                break
            received += data
        assert received.startswith(b"HTTP/1.1 200")
        assert received.count(b"HTTP/1.1 ") == \
            received.count(b"HTTP/1.1 200") <= 10


def test_c18_clients_that_leave_before_the_answer(shared):
    before = shared.count_fds()
    for _ in range(50):
        line = socket.create_connection(("127.0.0.1", shared.http))
        line.sendall(b"GET /api/v1/semaphores HTTP/1.1\r\n"
                     b"Host: localhost\r\n\r\n")
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                        b"\x01\0\0\0\0\0\0\0")
        line.close()
    eventually(lambda: shared.count_fds() <= before)
    assert shared.get("/livez")[0] == 200


def test_reading_changes_nothing(shared, busy):
    alice, _ = busy
    before = alice.query("busy")
    for path in ("/status", "/api/v1/semaphores/none",
                 "/api/v1/semaphores/busy/holders"):
        shared.get(path)
    after = alice.query("busy")
    assert kind(alice.call("query", semaphore="none")) == "refused"
    assert (before.held, before.waiters, before.fence) == \
        (after.held, after.waiters, after.fence)
