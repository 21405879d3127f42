# SPDX-License-Identifier: MIT
"""FAULTS B, the network, seen from users of libpermit: lines that break, or
only seem whole, between them and a daemon that lives."""
import time

import pytest

import cli
from conftest import SCALE, alive, eventually, session_of
from proxy import fixture_start_proxy  # pylint: disable=unused-import
from user import fixture_start_user  # pylint: disable=unused-import
from wire import Silent, kind

SESSION = 15 * SCALE
SLACK = 1.5
LONG_MS = 60000


def is_id(id):
    return lambda m: m.id == id


@pytest.fixture(name="broken")
def fixture_broken(start_daemon, start_proxy, start_user):
    """A factory: a daemon, a proxy before it, and a user behind that one."""
    def start(session=15, **options):
        daemon = start_daemon(session_of(session))
        proxy = start_proxy(daemon)
        return daemon, proxy, start_user(proxy, **options)
    return start


# -------------------------------------------- one side is told, or none is

@pytest.mark.parametrize("direction", ["up", "down", "both"])
def test_b2_b13_a_line_that_is_only_silent_is_left_for_another(broken,
                                                               direction):
    """As when a router forgot it. At linger 0: the old line must not end before
    the new one is there."""
    daemon, proxy, user = broken(SESSION)
    with daemon.client() as other:
        other.define("jobs")
        user.acquire("jobs")
        waiting = other.send_acquire("jobs", wait_ms=-1)
        proxy("hole", 1, direction, "on")
        with pytest.raises(Silent):
            alive([other], other, is_id(waiting), 1.5 * SESSION)
        assert user.ask("valid") == "1" and 2 in proxy("lines")
        assert user.ask("release") == "PERMIT_OK"
        assert kind(other.answer(waiting)) == "granted"


@pytest.mark.parametrize("how", ["fin", "rst"])
def test_b16_a_forged_end_at_linger_0(broken, how):
    daemon, proxy, user = broken(SESSION)
    with daemon.client() as other:
        other.define("jobs")
        old = user.acquire("jobs")
        waiting = other.send_acquire("jobs", wait_ms=-1)
        other.ping()
        forged = time.monotonic()
        proxy(how, 1, "server")
        new = other.answer(waiting, SLACK).granted.fence
        assert user.ask("valid") == "1"  # The overlap.
        assert float(user.ask("until_lost")) < forged + 0.9 * SESSION + 0.1
        assert new > old  # So a resource that has seen it rejects the other.
        assert user.ask("release") == "PERMIT_E_EXPIRED"
        assert other.query("jobs").held == 1


@pytest.mark.parametrize("how", ["fin", "rst"])
def test_b17_a_forged_end_with_a_linger_is_gone_on_from(broken, how):
    daemon, proxy, user = broken(SESSION, linger_ms=int(SESSION * 1000))
    with daemon.client() as other:
        other.define("jobs")
        user.acquire("jobs")
        waiting = other.send_acquire("jobs", wait_ms=-1)
        other.ping()
        proxy(how, 1, "server")
        eventually(lambda: daemon.get("/status")[2]["sessions"]
                   ["disconnected"] == 1)
        assert user.ask("valid") == "1"
        with pytest.raises(Silent):
            alive([other], other, is_id(waiting), 1.5 * SESSION)
        assert user.ask("valid") == "1"
        assert user.ask("release") == "PERMIT_OK"
        assert kind(other.answer(waiting)) == "granted"


def test_b17_who_cannot_go_on_stops_before_another_is_granted(broken):
    daemon, proxy, user = broken(SESSION, linger_ms=int(SESSION * 1000))
    with daemon.client() as other:
        other.define("jobs")
        user.acquire("jobs")
        waiting = other.send_acquire("jobs", wait_ms=-1)
        other.ping()
        proxy("refuse", "on")
        forged = time.monotonic()
        proxy("rst", 1, "server")
        user.say("until_lost")
        assert kind(alive([other], other, is_id(waiting))) == "granted"
        granted = time.monotonic()
        lost = float(user.answer())
        assert forged + SESSION - 0.01 < granted < forged + SESSION + SLACK
        assert forged + 0.5 * SESSION < lost < forged + 0.9 * SESSION + 0.1
        assert lost < granted
        assert user.ask("release") == "PERMIT_E_EXPIRED"


# --------------------------------------------------- with an answer under way

@pytest.mark.parametrize("after", [0, 1, 10])
def test_b18_a_granted_that_is_cut_is_the_grant(broken, after):
    daemon, proxy, user = broken(linger_ms=LONG_MS)
    with daemon.client() as other:
        other.define("jobs")
        proxy("cut", 1, "down", after, "rst")
        fence = user.acquire("jobs")
        assert proxy("lines") == [2]
        holder, = other.list("HOLDERS", "jobs").holders
        assert holder.fence == fence
        assert other.query("jobs").grants_total == 1
        # And after it: the line breaks, the grant does not.
        proxy("rst", 2, "both")
        assert user.ask("ping") == "PERMIT_OK" and proxy("lines") == [3]
        assert user.ask("valid") == "1"
        assert user.ask("release") == "PERMIT_OK"
        assert other.query("jobs").held == 0


def test_b18_a_granted_that_is_cut_and_not_wanted_any_more_is_given_back(
        broken):
    daemon, proxy, user = broken(answer_timeout_ms=300, linger_ms=LONG_MS)
    with daemon.client() as other:
        other.define("jobs")
        proxy("hole", 1, "down", "on")
        user.say("acquire", "jobs", 0, 0)
        eventually(lambda: other.query("jobs").held == 1)
        proxy("refuse", "on")
        proxy("rst", 1, "both")
        assert user.answer() == "PERMIT_E_NO_ANSWER 0"
        assert other.query("jobs").held == 1
        proxy("refuse", "off")
        eventually(lambda: other.query("jobs").held == 0)
        assert other.query("jobs").grants_total == 1


@pytest.mark.parametrize("after", [0, 1, 3])
def test_b18_a_release_whose_answer_is_cut_is_done_once(broken, after):
    daemon, proxy, user = broken(linger_ms=LONG_MS)
    with daemon.client() as other:
        other.define("pool", 3, "COUNTING")
        user.acquire("pool")
        proxy("cut", 1, "down", after, "rst")
        assert user.ask("release") == "PERMIT_OK"
        assert proxy("lines") == [2]
        pool = other.query("pool")
        assert (pool.available, pool.held, sum(pool.lost_total)) == (3, 0, 0)


def test_b18_more_grants_than_a_page_of_welcome(broken):
    daemon, proxy, user = broken(linger_ms=LONG_MS)
    with daemon.client() as other:
        other.define("jobs", 900)
        assert user.ask("many jobs 900") == "900"
        proxy("rst", "all", "both")
        assert user.ask("ping") == "PERMIT_OK" and proxy("lines") == [2]
        assert user.ask("many_valid") == "900"
        assert other.query("jobs").held == 900
        # And cut between the pages.
        proxy("cut", "all", "down", 20000, "rst")
        proxy("rst", 2, "both")
        eventually(lambda: proxy("lines") not in ([2], [3]))
        proxy("clear", "all", "down")
        assert user.ask("ping") == "PERMIT_OK"
        assert user.ask("many_valid") == "900"
        assert user.ask("many_release") == "900"
        assert other.query("jobs").held == 0


# --------------------------------------------------------------------- waits

def test_b19_a_wait_goes_on_over_another_line(broken):
    daemon, proxy, user = broken(linger_ms=LONG_MS)
    with daemon.client() as holder, daemon.client() as behind:
        holder.define("jobs")
        grant = holder.acquire("jobs")
        user.say("acquire", "jobs", LONG_MS, 0)
        eventually(lambda: holder.query("jobs").waiters == 1)
        waiting = behind.send_acquire("jobs", wait_ms=-1)
        behind.ping()
        proxy("rst", 1, "both")
        eventually(lambda: proxy("lines") == [2] and not any(
            row.set_aside for row in holder.list("WAITERS", "jobs").waiters))
        assert holder.query("jobs").waiters == 2
        assert kind(holder.release(grant.id)) == "done"
        assert user.answer().startswith("PERMIT_OK ")
        assert holder.query("jobs").waiters == 1
        assert user.ask("release") == "PERMIT_OK"
        assert kind(behind.answer(waiting)) == "granted"


def test_b19_a_wait_ends_when_the_callers_own_is_over(broken):
    daemon, proxy, user = broken(linger_ms=LONG_MS)
    with daemon.client() as holder:
        holder.define("jobs")
        holder.acquire("jobs")
        begun = time.monotonic()
        user.say("acquire", "jobs", 1000, 0)
        for number in (1, 2, 3):
            eventually(lambda: holder.query("jobs").waiters == 1)
            proxy("rst", number, "both")
            eventually(lambda: proxy("lines") == [number + 1])
        assert user.answer() == "PERMIT_E_TIMEOUT 0"
        assert 1 <= time.monotonic() - begun < 1 + SLACK
        assert holder.query("jobs").waiters == 0


def test_b19_after_a_restart_it_queues_anew_with_the_rest(start_daemon,
                                                          start_proxy):
    """A daemon of the memory store has forgotten the wait; `permit` asks again
    what may be asked twice."""
    first = start_daemon()
    proxy = start_proxy(first)
    cli.define(first, "jobs")
    with first.client() as holder:
        holder.acquire("jobs")
        begun = time.monotonic()
        waiter = cli.start(proxy, "run", "-q", "-w", "3s",
                           "--on-unreachable=wait", "jobs", "true")
        eventually(lambda: holder.query("jobs").waiters == 1)
        proxy("refuse", "on")
        first.kill()
    second = start_daemon(listen=[f"127.0.0.1:{first.port}"])
    cli.define(second, "jobs")
    with second.client() as holder:
        holder.acquire("jobs")
        proxy("refuse", "off")
        eventually(lambda: holder.query("jobs").waiters == 1)
        code, _, err = cli.finish(waiter)
        assert (code, time.monotonic() - begun >= 3) == (75, True), err
        assert time.monotonic() - begun < 3 + SLACK
        assert holder.query("jobs").waiters == 0


# ----------------------------------------------- what must not happen twice

@pytest.mark.parametrize("direction, after, effect", [("down", 0, 1),
                                                      ("up", 3, 0)])
@pytest.mark.parametrize("what", ["post pool 1", "take pool 0"])
def test_b20_an_outcome_that_nobody_knows_is_said_to_be_unknown(
        broken, what, direction, after, effect):
    """The session is lost with its line; a Post is never sent into the next."""
    daemon, proxy, user = broken()
    with daemon.client() as other:
        other.define("pool", 5, "COUNTING")
        proxy("cut", 1, direction, after, "rst")
        assert user.ask(what) == "PERMIT_E_OUTCOME_UNKNOWN"
        change = effect if what.startswith("post") else -effect
        eventually(lambda: other.query("pool").available == 5 + change)
        assert user.ask("ping") == "PERMIT_OK" and proxy("lines") == [2]
        assert other.query("pool").available == 5 + change
        other.ping()
        assert user.ask(what) == "PERMIT_OK"
        change += 1 if what.startswith("post") else -1
        assert other.query("pool").available == 5 + change


@pytest.mark.parametrize("what, change", [("post pool 1", 1),
                                          ("take pool 0", -1)])
def test_b20_in_the_same_session_it_is_done_once(broken, what, change):
    daemon, proxy, user = broken(linger_ms=LONG_MS)
    with daemon.client() as other:
        other.define("pool", 5, "COUNTING")
        for number, direction in ((1, "down"), (2, "up")):
            proxy("cut", number, direction, 1, "rst")
            assert user.ask(what) == "PERMIT_OK"
            assert proxy("lines") == [number + 1]
            assert other.query("pool").available == 5 + number * change


# ------------------------------------------------------------ who is not there

def test_b21_who_waits_without_a_line_blocks_nobody_and_keeps_its_place(broken):
    daemon, proxy, user = broken(linger_ms=LONG_MS)
    with daemon.client() as holder, daemon.client() as behind:
        holder.define("jobs")
        grant = holder.acquire("jobs")
        user.say("acquire", "jobs", LONG_MS, 0)
        eventually(lambda: holder.query("jobs").waiters == 1)
        waits = [behind.send_acquire("jobs", wait_ms=-1) for _ in range(2)]
        behind.ping()
        proxy("refuse", "on")
        proxy("rst", 1, "both")
        eventually(lambda: any(row.set_aside for row in
                               holder.list("WAITERS", "jobs").waiters))
        assert kind(holder.release(grant.id)) == "done"
        assert kind(behind.answer(waits[0])) == "granted"
        proxy("refuse", "off")
        eventually(lambda: not any(row.set_aside for row in
                                   holder.list("WAITERS", "jobs").waiters))
        assert kind(behind.release(waits[0])) == "done"
        assert user.answer().startswith("PERMIT_OK ")
        assert behind.inbox == []
        assert user.ask("release") == "PERMIT_OK"
        assert kind(behind.answer(waits[1])) == "granted"
