# SPDX-License-Identifier: MIT
"""FAULTS E, time: clocks that jump, that stand still, that run at other
rates. E5 and E7 are the engine's: tests/unit/engine_faults.c, engine_acquire.c
and engine_session.c; of E6 a store that lasts is to show the rest."""
import calendar
import signal
import subprocess
import time

import pytest

from cli import finish, permit, start
from clock import OtherClock
from conftest import SCALE, alive, eventually, session_of
from user import fixture_start_user  # pylint: disable=unused-import
from wire import Silent, kind, loss, reason

SESSION = 15 * SCALE
SLACK = 1.5
YEAR = 365 * 86400


def is_id(id):
    return lambda m: m.id == id


# ------------------------------------------------------------ the wall clock

# A leap second is a second that comes twice: a jump of one back.
@pytest.mark.parametrize("jump", [YEAR, -YEAR, 1, -1])
def test_e1_the_wall_clock_jumps_and_nothing_happens(start_daemon, start_user,
                                                     tmp_path, jump):
    clock = OtherClock(tmp_path / "clock")
    daemon = start_daemon(session_of(SESSION), env=clock.env)
    with daemon.client() as line:
        line.define("jobs", 2)
        user = start_user(daemon, env=clock.env)
        user.acquire("jobs")
        begun = time.monotonic()
        held = line.acquire("jobs", hold_ms=600)
        timed = line.send_acquire("jobs", 2, wait_ms=900)
        line.ping()
        clock.jump(wall_s=jump)
        assert user.ask("valid") == "1"
        assert loss(alive([line], line, is_id(held.id))) == "HOLD"
        assert 0.59 < time.monotonic() - begun < 0.6 + SLACK
        assert reason(alive([line], line, is_id(timed))) == "TIMEOUT"
        assert 0.89 < time.monotonic() - begun < 0.9 + SLACK
        assert user.ask("valid") == "1"
        # It did jump: it says the time, and measures by another.
        status = daemon.get("/status")[2]
        shown = time.strptime(status["now"].split(".")[0], "%Y-%m-%dT%H:%M:%S")
        assert abs(calendar.timegm(shown) - time.time() - jump) < 3
        assert 0 < status["uptime_seconds"] < 60
        assert line.query("jobs").held == 1
        assert user.ask("release") == "PERMIT_OK"


def test_e1_the_first_fence_of_a_start_is_the_wall_clock(start_daemon,
                                                         tmp_path):
    clock = OtherClock(tmp_path / "clock")
    clock.jump(wall_s=YEAR)
    daemon = start_daemon(env=clock.env)
    with daemon.client() as line:
        line.define("jobs", 3)
        fence = line.acquire("jobs").granted.fence
        assert abs((fence >> 24) - time.time() - YEAR) < 60
        clock.jump(wall_s=-YEAR)
        assert fence < line.acquire("jobs").granted.fence < fence + 100


@pytest.mark.parametrize("jump", [YEAR, -YEAR])
def test_e1_permit_run_knows_no_wall_clock(shared, jobs, tmp_path, jump):
    """It waits for the answer to what it gives back, and no longer."""
    clock = OtherClock(tmp_path / "clock")
    clock.jump(wall_s=jump)
    with shared.client() as line:
        line.define(jobs)
        for _ in range(5):
            done = permit(shared, "run", "-q", jobs, "true", env=clock.env)
            assert (done.returncode, done.stderr) == (0, "")
            assert line.query(jobs).held == 0
        with start(shared, "run", "-q", jobs, "-c", "echo up; read line",
                   stdin=subprocess.PIPE, env=clock.env) as process:
            assert process.stdout.readline() == "up\n"
            with shared.paused():
                begun = time.monotonic()
                finish(process)
                assert time.monotonic() - begun < 4


# ---------------------------------------------------------------- suspension

def test_e2_who_was_suspended_wakes_up_not_believing(start_daemon, start_user,
                                                     tmp_path):
    """Of a machine that sleeps CLOCK_BOOTTIME runs on, all else stops."""
    daemon = start_daemon(session_of(SESSION))
    clock = OtherClock(tmp_path / "clock")
    with daemon.client() as line:
        line.define("jobs")
        user = start_user(daemon, env=clock.env)
        user.acquire("jobs")
        clock.jump(boot_s=3600)
        assert user.ask("valid") == "0"
        assert user.ask("wait_lost", -1) == "PERMIT_E_LOST"
        assert user.ask("release") == "PERMIT_E_EXPIRED"
        eventually(lambda: line.query("jobs").held == 0)
        user.acquire("jobs", wait_ms=5000)  # And it goes on.
        assert user.ask("valid") == "1"


def test_e2_a_daemon_that_was_suspended_ends_nothing(start_daemon, tmp_path):
    clock = OtherClock(tmp_path / "clock")
    daemon = start_daemon(session_of(SESSION), env=clock.env)
    with daemon.client() as line:
        line.define("jobs", 2)
        line.acquire("jobs", hold_ms=60000)
        waiting = line.send_acquire("jobs", 2, wait_ms=60000)
        line.ping()
        clock.jump(boot_s=3600)
        with pytest.raises(Silent):
            alive([line], line, is_id(waiting), 0.1)
        assert (line.query("jobs").held, line.query("jobs").waiters) == (1, 1)


OFFSETS = ["unshare", "-T", "--monotonic", "5000000", "--boottime", "9000000"]


def test_e2_what_the_clocks_show_at_the_start_means_nothing(start_daemon,
                                                            start_user):
    """A daemon that has been up for other times than its clients."""
    if subprocess.run([*OFFSETS, "true"], stderr=subprocess.DEVNULL,
                      check=False).returncode != 0:
        pytest.skip("this machine forbids time namespaces")
    daemon = start_daemon(session_of(SESSION), wrapper=OFFSETS)
    with daemon.client() as line:
        line.define("jobs")
        user = start_user(daemon)
        user.acquire("jobs")
        waiting = line.send_acquire("jobs", wait_ms=-1)
        with pytest.raises(Silent):
            alive([line], line, is_id(waiting), 1.2 * SESSION)
        assert user.ask("valid") == "1"
        user.send_signal(signal.SIGSTOP)
        assert kind(alive([line], line, is_id(waiting))) == "granted"
        user.send_signal(signal.SIGCONT)
        assert user.ask("valid") == "0"


# ------------------------------------------------------------ a daemon away

def test_e6_a_daemon_that_forgot_is_not_believed(start_daemon, start_user):
    """All in memory, so a session is not restored: its client hears that."""
    daemon = start_daemon()
    with daemon.client() as line:
        line.define("jobs")
    user = start_user(daemon, linger_ms=int(4000 * SESSION))
    old = user.acquire("jobs")
    daemon.kill()
    assert user.ask("valid") == "1"  # Nobody can grant it to another.
    daemon = start_daemon(listen=[f"127.0.0.1:{daemon.port}"])
    with daemon.client() as line:
        line.define("jobs")
        assert user.ask("wait_lost", -1) == "PERMIT_E_LOST"
        assert [user.ask("valid"), user.ask("release")] == \
            ["0", "PERMIT_E_EXPIRED"]
        assert user.acquire("jobs") > old


# --------------------------------------------------------------------- rates

def believed_and_granted(start_daemon, start_user, tmp_path, rates, **request):
    """A holder's clock and a daemon's run at their own rates; the holder is
    not heard of any more. Returns when it stops to believe, when the
    permit is granted to another, and whether it believes once it goes on."""
    clocks = []
    for number, rate in enumerate(rates):
        clocks.append(OtherClock(tmp_path / f"clock{number}", rate))
    daemon = start_daemon(session_of(SESSION), env=clocks[0].env)
    with daemon.client() as line:
        line.define("jobs")
        user = start_user(daemon, env=clocks[1].env)
        user.acquire("jobs", **request)
        waiting = line.send_acquire("jobs", wait_ms=-1)
        user.ask("ping")
        now = time.monotonic()
        left_ms = int(user.ask("left"))
        if not request:
            user.send_signal(signal.SIGSTOP)
        alive([line], line, is_id(waiting))
        granted = time.monotonic()
        user.send_signal(signal.SIGCONT)
        return (now + left_ms / 1000 / rates[1], granted,
                user.ask("valid") == "1")


@pytest.mark.parametrize("rates", [(1.1, 1), (1, 1 / 1.1), (0.9, 1), (1, 1.1)])
def test_e3_no_two_believe_up_to_a_tenth(start_daemon, start_user, tmp_path,
                                         rates):
    believed, granted, is_valid = believed_and_granted(
        start_daemon, start_user, tmp_path, rates)
    assert believed <= granted and not is_valid


def test_e3_beyond_that_two_do(start_daemon, start_user, tmp_path):
    """So the test above can fail."""
    believed, granted, _ = believed_and_granted(start_daemon, start_user,
                                                tmp_path, (2, 1))
    assert believed > granted


@pytest.mark.parametrize("rates", [(1.001, 1), (1, 0.999)])
def test_e3_no_two_believe_up_to_a_thousandth_of_a_hold(
        start_daemon, start_user, tmp_path, rates):
    begun = time.monotonic()
    believed, granted, is_valid = believed_and_granted(
        start_daemon, start_user, tmp_path, rates, hold_ms=1000)
    assert believed <= granted and not is_valid
    assert granted >= begun + 1 / rates[0]


# ----------------------------------------------------------------- durations

TEN_YEARS_MS = 10 * YEAR * 1000


def test_e4_a_user_of_the_library_may_name_any_duration(shared, jobs,
                                                        start_user):
    with shared.client() as line:
        line.define(jobs, 5)
        user = start_user(shared)
        for wait_ms, hold_ms in ((-2, 0), (-2**63, 0), (0, -1), (0, -2**63)):
            assert user.ask("acquire", jobs, wait_ms, hold_ms) == \
                "PERMIT_E_INVALID 0"
        for wait_ms in (0, -1, TEN_YEARS_MS, 2**63 - 1):
            user.acquire(jobs, wait_ms)
        for hold_ms, left_ms in ((0, 13500), (TEN_YEARS_MS, 13500),
                                 (2**63 - 1, 13500), (5000, 4995)):
            user.acquire(jobs, 0, hold_ms)
            assert left_ms - 4000 < int(user.ask("left")) <= left_ms
        user.ask("release")
        assert line.query(jobs).held == 0


def test_e4_ten_years_are_kept_and_more_than_the_clock_has_is_never(shared,
                                                                    jobs):
    with shared.client(hello={"linger_ms": 2**64 - 1}) as line:
        assert line.welcome.linger_ms == 3600000  # The server's cap.
        line.define(jobs, 4)
        asked = [0, TEN_YEARS_MS, 2**63 - 1, 2**64 - 1]
        grants = [line.acquire(jobs, hold_ms=hold_ms) for hold_ms in asked]
        rows = line.list("HOLDERS", jobs).holders
        left = [row.expires_in_ms_plus_1 for row in rows]
        assert (left[0], left[2], left[3]) == (0, 0, 0)
        assert TEN_YEARS_MS - 60000 < left[1] <= TEN_YEARS_MS + 1
        # HTTP has calendar times, and none beyond the calendar.
        rows = shared.get(f"/api/v1/semaphores/{jobs}/holders")[2]["holders"]
        assert [row["expires_at"] is None for row in rows] == \
            [True, False, True, True]
        for grant, hold_ms in zip(grants, reversed(asked)):
            renewed = line.call("renew", acquire_id=grant.id, hold_ms=hold_ms)
            assert kind(renewed) == "renewed"
        rows = line.list("HOLDERS", jobs).holders
        assert [row.expires_in_ms_plus_1 > 0 for row in rows] == \
            [False, False, True, False]  # A hold of 0 is the one before.
        for wait_ms in (TEN_YEARS_MS, 2**63 - 1, -1):
            line.send_acquire(jobs, wait_ms=wait_ms)
        line.ping()
        rows = line.list("WAITERS", jobs).waiters
        left = [row.expires_in_ms_plus_1 for row in rows]
        assert left[1:] == [0, 0]
        assert TEN_YEARS_MS - 60000 < left[0] <= TEN_YEARS_MS + 1
