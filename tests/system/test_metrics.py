# SPDX-License-Identifier: MIT
"""GET /metrics, read by a parser that takes nothing but the format 0.0.4."""
import re
import signal

from conftest import eventually
from wire import kind, part

TYPE = "text/plain; version=0.0.4; charset=utf-8"
CONFIG = {"semaphores": [
    {"name": "api", "permits": 1, "shadow": True},
    {"name": "calls", "kind": "rate", "rate": "1/24h", "burst": 5},
    {"name": "jobs", "permits": 2},
    {"name": "t/*", "permits": 3},
    {"name": "_other", "permits": 7}]}
LOSSES = ["hold", "session", "revoked", "kicked", "deleted"]
GAUGES = ["permits", "permits_held", "holders", "waiters", "waiting_permits",
          "oldest_wait_seconds", "oldest_hold_seconds"]
COUNTERS = ["would_refuse_total", "would_wait_total"]
SAMPLE = re.compile(r'([a-z_]+)(?:\{((?:[a-z_]+="[^"\\\n]*",?)+)\})? '
                    r'(\d+(?:\.\d+)?)')


def parse(text):
    """{(metric, labels): value}; a metric has HELP, TYPE, and then samples."""
    assert text.endswith("\n")
    series, metrics, lines = {}, [], text.splitlines()
    for number, line in enumerate(lines):
        if line.startswith("# HELP "):
            name = line.split(" ")[2]
            assert name not in metrics, line
            sort = re.fullmatch(rf"# TYPE {name} (gauge|counter)",
                                lines[number + 1])
            assert sort and len(line.split(" ")) > 3, line
            assert name.endswith("_total") == (sort[1] == "counter"), line
            metrics.append(name)
        elif line.startswith("# "):
            assert lines[number - 1].startswith("# HELP "), line
        else:
            name, labels, value = SAMPLE.fullmatch(line).groups()
            assert name == metrics[-1], line
            pairs = re.findall(r'([a-z_]+)="([^"]*)"', labels or "")
            key = (name, *sorted(pairs))
            assert key not in series, line
            series[key] = float(value)
    return series


def scrape(daemon):
    status, headers, body = daemon.get("/metrics")
    assert status == 200 and headers["Content-Type"] == TYPE
    return parse(body.decode())


def of(series, metric, semaphore=None, **labels):
    if semaphore is not None:
        labels["semaphore"] = semaphore
    return series["permitd_" + metric, *sorted(labels.items())]


def row(series, semaphore, metrics):
    return [of(series, metric, semaphore) for metric in metrics]


def test_every_series_is_there_from_the_start(start_daemon):
    daemon = start_daemon(CONFIG)
    series = scrape(daemon)
    version = daemon.get("/api/v1/version")[2]["version"]
    build = [dict(key[1:]) for key in series if key[0] == "permitd_build_info"]
    assert len(build) == 1 and build[0]["version"] == version
    assert (of(series, "ready"), of(series, "draining")) == (1, 0)
    assert of(series, "connections_max") == 10000
    names = {dict(key[1:]).get("semaphore") for key in series}
    assert names == {None, "api", "calls", "jobs", "_other"}
    for name, permits in (("api", 1), ("calls", 0), ("jobs", 2),
                          ("_other", 7)):
        assert row(series, name, GAUGES + COUNTERS) == [permits] + 8 * [0]
        assert [of(series, "releases_total", name, reason=each)
                for each in LOSSES] == 5 * [0]
    tokens = ["tokens_available", "tokens_burst"]
    assert row(series, "calls", tokens) == [5, 5]
    assert row(series, "_other", tokens) == [0, 0]
    assert ("permitd_tokens_burst", ("semaphore", "jobs")) not in series
    # All of a semaphore, of a rate, of the daemon.
    assert len(series) == 4 * (7 + 5 + 2) + 2 * 2 + 9
    status, headers, body = daemon.get("/metrics", method="HEAD")
    assert (status, headers["Content-Type"], body) == (200, TYPE, b"")
    assert daemon.get("/metrics", method="POST")[0] == 405


def test_the_values_are_right_and_the_others_are_summed(start_daemon):
    daemon = start_daemon(CONFIG)
    with daemon.client() as one, daemon.client() as two:
        one.define("made", 4)
        for name, wait_ms in (("api", 0), ("api", 0), ("api", 0),
                              ("api", 5000), ("calls", 0), ("jobs", 0),
                              ("t/1", 0), ("made", 0)):
            assert kind(one.acquire(name, wait_ms=wait_ms)) == "granted"
        two.send_acquire("made", 4, wait_ms=-1)
        two.send_acquire("jobs", 2, wait_ms=-1)
        two.ping()
        series = eventually(lambda: (lambda now: now if of(
            now, "oldest_wait_seconds", "_other") > 0 else None)(
                scrape(daemon)))
        assert row(series, "api", GAUGES[:5]) == [1, 4, 4, 0, 0]
        assert row(series, "api", COUNTERS) == [2, 1]
        assert row(series, "jobs", GAUGES[:5]) == [2, 1, 1, 1, 2]
        assert row(series, "_other", GAUGES[:5]) == [7 + 4 + 3, 2, 2, 1, 4]
        assert row(series, "_other", COUNTERS) == [0, 0]
        assert of(series, "oldest_hold_seconds", "_other") > 0
        assert of(series, "tokens_available", "calls") == 4
        assert of(series, "connections") == of(series, "sessions") == 2


def test_what_is_lost_is_counted_and_stays_with_the_others(start_daemon):
    daemon = start_daemon(CONFIG)
    with daemon.client() as one:
        one.define("made", 1, shadow=True)
        for _ in range(2):
            one.acquire("made", hold_ms=1000)  # The second is too many.
        grant = one.call("acquire", hold_ms=1, parts=[part("jobs")])
        assert kind(grant) == "granted"

        def lost(name):
            return of(scrape(daemon), "releases_total", name, reason="hold")
        eventually(lambda: (lost("jobs"), lost("_other")) == (1, 2))
        one.delete("made", force=True)
        one.delete("jobs", force=True)
        series = scrape(daemon)
        # None is gone from the sum, so that no rate sees a reset.
        assert of(series, "releases_total", "_other", reason="hold") == 3
        assert of(series, "would_refuse_total", "_other") == 1
        assert ("permitd_permits", ("semaphore", "jobs")) not in series


def test_of_very_many_only_so_many_have_series(start_daemon):
    daemon = start_daemon({"semaphores": [
        {"name": f"s{number:04}", "permits": 2} for number in range(1003)]})
    series = scrape(daemon)
    assert sum(key[0] == "permitd_permits" for key in series) == 1001
    assert of(series, "permits", "s0999") == 2
    assert of(series, "permits", "_other") == 6


def test_draining_is_shown(start_daemon):
    daemon = start_daemon(CONFIG)
    with daemon.client() as line:
        line.acquire("jobs")
        daemon.send_signal(signal.SIGUSR2)
        eventually(lambda: of(scrape(daemon), "draining") == 1)
        assert of(scrape(daemon), "ready") == 0
