# SPDX-License-Identifier: MIT
"""Queues with several clients; definitions that change under them; what is
pushed."""
import random
import time

from conftest import eventually
from wire import Silent, kind, loss, reason


def nothing_came(line, kinds=("granted", "refused")):
    """The line was answered a Ping, and nothing of these kinds before it."""
    line.ping()
    return not [m for m in line.inbox if kind(m) in kinds]


def test_waiters_are_served_in_order(shared, jobs):
    lines = [shared.client(f"client{number}") for number in range(6)]
    holder = lines[0]
    holder.define(jobs)
    grant = holder.acquire(jobs)
    waiting = []
    for line in lines[1:]:
        waiting.append(line.send_acquire(jobs, wait_ms=-1))
        line.ping()
    for index, line in enumerate(lines[1:]):
        positions = [row.client.name for row in
                     line.list("WAITERS", jobs).waiters]
        assert positions == [b"client%d" % n for n in range(index + 1, 6)]
        assert all(nothing_came(other) for other in lines[index + 1:])
        holder.release(grant.id)
        grant, holder = line.answer(waiting[index]), line
        assert kind(grant) == "granted"
    for line in lines:
        line.close()


def test_each_release_serves_exactly_those_that_fit(shared, jobs):
    with shared.client() as line, shared.client() as other:
        line.define(jobs, 5)
        grants = [line.acquire(jobs, 1) for _ in range(5)]
        waits = [other.send_acquire(jobs, permits, wait_ms=-1)
                 for permits in (2, 1, 3, 1)]
        other.ping()
        line.release(grants[0].id)
        assert nothing_came(other)
        line.release(grants[1].id)
        assert kind(other.answer(waits[0])) == "granted"
        assert nothing_came(other)
        line.release(grants[2].id)
        assert kind(other.answer(waits[1])) == "granted"
        line.release(grants[3].id)
        line.release(grants[4].id)
        assert nothing_came(other)
        other.release(waits[0])
        assert kind(other.answer(waits[2])) == "granted"
        assert kind(other.answer(waits[3])) == "granted"


def test_a_timeout_in_front_serves_those_behind(shared, jobs):
    with shared.client() as line, shared.client() as other:
        line.define(jobs, 2)
        line.acquire(jobs, 1)
        big = line.send_acquire(jobs, 2, wait_ms=150)
        line.ping()
        small = other.send_acquire(jobs, 1, wait_ms=-1)
        assert nothing_came(other)
        assert reason(line.answer(big)) == "TIMEOUT"
        assert kind(other.answer(small)) == "granted"


def test_a_full_queue_refuses(shared, jobs):
    with shared.client() as line:
        line.define(jobs, 1, max_queue=1)
        grant = line.acquire(jobs, wait_ms=-1)
        waiting = line.send_acquire(jobs, wait_ms=-1)
        assert reason(line.acquire(jobs, wait_ms=-1)) == "QUEUE_FULL"
        assert reason(line.acquire(jobs)) == "WOULD_BLOCK"
        line.release(grant.id)
        assert kind(line.answer(waiting)) == "granted"
        line.define(jobs, max_queue=0)
        assert reason(line.acquire(jobs, wait_ms=-1)) == "QUEUE_FULL"
        line.release(waiting)
        assert kind(line.acquire(jobs, wait_ms=-1)) == "granted"
        assert line.query(jobs).queue_full_total == 2


def test_a_refusal_says_what_is_in_the_way(shared, jobs):
    with shared.client() as line, shared.client() as other:
        line.define(jobs, 3, max_queue=1)
        line.acquire(jobs, 2)
        refused = line.acquire(jobs, 3).refused
        assert refused.position == 1 and refused.permits_in_the_way == 2
        other.send_acquire(jobs, 3, wait_ms=-1)
        other.ping()
        assert line.acquire(jobs, 1).refused.position == 2
        assert line.acquire(jobs, 1, wait_ms=-1).refused.detail


def test_a_wait_is_capped_by_the_semaphore(shared, jobs):
    with shared.client() as line:
        line.define(jobs, 1, max_wait_ms=100)
        line.acquire(jobs)
        begun = time.monotonic()
        assert reason(line.acquire(jobs, wait_ms=-1)) == "TIMEOUT"
        assert 0.099 <= time.monotonic() - begun < 5
        assert line.query(jobs).timeouts_total == 1


def test_growing_serves_those_that_now_fit(shared, jobs):
    with shared.client() as line, shared.client() as other:
        line.define(jobs)
        line.acquire(jobs)
        waits = [other.send_acquire(jobs, wait_ms=-1) for _ in range(3)]
        other.ping()
        line.define(jobs, 3)
        assert kind(other.answer(waits[0])) == "granted"
        assert kind(other.answer(waits[1])) == "granted"
        assert nothing_came(other)
        assert line.query(jobs).permits == 3


def test_c22_shrinking_revokes_nobody_and_refuses_the_impossible(shared, jobs):
    with shared.client() as line, shared.client() as other:
        line.define(jobs, 4)
        grants = [line.acquire(jobs, 1) for _ in range(3)]
        big = other.send_acquire(jobs, 4, wait_ms=-1)
        small = other.send_acquire(jobs, 1, wait_ms=-1)
        assert nothing_came(other)
        line.define(jobs, 3)
        assert reason(other.answer(big)) == "IMPOSSIBLE"
        assert nothing_came(other)
        line.define(jobs, 1)
        semaphore = line.query(jobs)
        assert (semaphore.held, semaphore.available) == (3, 0)
        assert shared.semaphore(jobs)["state"] == "shrunk"
        line.release(grants[0].id)
        line.release(grants[1].id)
        assert nothing_came(other)
        line.release(grants[2].id)
        assert kind(other.answer(small)) == "granted"


def test_a_deleted_semaphore_refuses_its_waiters(shared, jobs):
    with shared.client() as line, shared.client() as other:
        line.define(jobs, 2)
        grant = line.acquire(jobs)
        waiting = other.send_acquire(jobs, 2, wait_ms=-1)
        other.ping()
        assert reason(line.delete(jobs)) == "CONFLICT"
        assert nothing_came(other)
        line.release(grant.id)
        grant = other.answer(waiting)
        assert kind(grant) == "granted"
        waiting = line.send_acquire(jobs, 1, wait_ms=-1)
        line.ping()
        other.release(grant.id)
        line.release(waiting)
        assert kind(line.delete(jobs)) == "done"
        assert reason(line.acquire(jobs)) == "NOT_FOUND"


def test_a_forced_delete_revokes_with_a_grace(start_daemon):
    daemon = start_daemon({"session": {"grace": "200ms"}})
    with daemon.client() as line, daemon.client() as other:
        line.define("jobs", 1)
        grant = line.acquire("jobs")
        waiting = other.send_acquire("jobs", wait_ms=-1)
        other.ping()
        assert kind(other.delete("jobs", force=True)) == "done"
        assert reason(other.answer(waiting)) == "NOT_FOUND"
        lost = line.push("lost", grant.id)
        assert (loss(lost), lost.lost.grace_ms) == ("DELETED", 200)
        assert kind(other.define("jobs", 1)) == "done"
        new = other.acquire("jobs")
        assert kind(new) == "granted"
        assert new.granted.fence > grant.granted.fence

        def over():
            return reason(line.release(grant.id)) == "EXPIRED"
        # In its grace the release is still right; later it comes too late.
        eventually(lambda: time.monotonic() and over_after(line, 0.3) and
                   over())
        assert other.query("jobs").held == 1


def over_after(line, seconds):
    try:
        line.wait(lambda m: False, timeout=seconds)
    except Silent:
        pass
    return True


def test_a_forced_delete_can_be_released_in_its_grace(shared, jobs):
    with shared.client() as line:
        line.define(jobs)
        grant = line.acquire(jobs)
        assert kind(line.delete(jobs, force=True)) == "done"
        assert line.push("lost", grant.id).lost.grace_ms == 5000
        assert kind(line.release(grant.id)) == "done"
        assert reason(line.release(grant.id)) == "NOT_HELD"


def test_waiting_is_pushed_at_once_and_then_at_most_once_a_second(shared,
                                                                  jobs):
    hello = {"host": "ci-4", "pid": 812, "purpose": "make"}
    with shared.client("alice", hello) as holder, shared.client() as front, \
            shared.client() as line:
        holder.define(jobs, 3)
        holder.acquire(jobs, 2)
        waits = [front.send_acquire(jobs, 3, wait_ms=-1) for _ in range(20)]
        front.ping()
        mine = line.send_acquire(jobs, 2, wait_ms=-1, waiting=True)
        first = line.push("waiting", mine, timeout=5).waiting
        times = [time.monotonic()]
        assert (first.position, first.queue_length) == (21, 21)
        assert (first.held, first.permits) == (2, 3)
        assert (first.oldest.name, first.oldest.host, first.oldest.pid,
                first.oldest.purpose) == (b"alice", b"ci-4", 812, b"make")
        while times[-1] < times[0] + 2.5:
            if waits:
                front.cancel(waits.pop(0))
            line.fill_if_there(0.1)
            for _ in [m for m in line.inbox if kind(m) == "waiting"]:
                times.append(time.monotonic())
                latest = line.inbox.pop().waiting
            if not waits and len(times) > 2:
                break
        assert len(times) >= 2 and latest.position < 21
        assert all(b - a > 0.8 for a, b in zip(times, times[1:])), times


def test_waiting_is_not_pushed_unasked(shared, jobs):
    with shared.client() as line:
        line.define(jobs)
        line.acquire(jobs)
        assert reason(line.acquire(jobs, wait_ms=1200)) == "TIMEOUT"
        assert line.inbox == []


def test_posts_serve_waiters(shared, jobs):
    with shared.client() as line, shared.client() as other:
        line.define(jobs, 0, "COUNTING")
        one = other.send_acquire(jobs, 2, wait_ms=-1,
                                 part_fields={"consume": True})
        two = other.send_acquire(jobs, 1, wait_ms=-1)
        assert nothing_came(other)
        assert line.post(jobs, 1).posted.available == 1
        assert nothing_came(other)
        assert line.post(jobs, 2).posted.available == 0
        assert kind(other.answer(one)) == "granted"
        assert kind(other.answer(two)) == "granted"
        other.release(two)
        assert line.query(jobs).available == 1


def test_random_clients_never_exceed_the_limit(shared, jobs):
    """Random acquires, releases, cancels and resets of 8 clients; counts are
    kept here, from answers alone."""
    rng = random.Random(7)
    limit = 5
    lines = [shared.client() for _ in range(8)]
    control = shared.client("control")
    control.define(jobs, limit, max_queue=20)
    held = {line: {} for line in lines}   # Acquire id -> permits.
    asked = {line: {} for line in lines}

    def read(line):
        for m in line.inbox:
            if kind(m) == "granted":
                held[line][m.id] = asked[line].pop(m.id)
            elif kind(m) == "refused":
                assert reason(m) in ("WOULD_BLOCK", "TIMEOUT", "QUEUE_FULL",
                                     "CANCELLED"), m
                asked[line].pop(m.id)
        line.inbox = []
        out = sum(sum(own.values()) for own in held.values())
        assert out <= limit, held

    for _ in range(1500):
        index = rng.randrange(len(lines))
        line = lines[index]
        read(line)
        choice = rng.random()
        if choice < 0.4:
            permits = rng.choice([1, 1, 1, 2, 4])
            id = line.send_acquire(jobs, permits, rng.choice([0, 5, 5, 50]))
            asked[line][id] = permits
        elif choice < 0.85 and held[line]:
            id = rng.choice(list(held[line]))
            del held[line][id]
            line.send("release", acquire_id=id)
        elif choice < 0.95 and asked[line]:
            line.send("cancel", acquire_id=rng.choice(list(asked[line])))
        elif choice > 0.99:
            del held[line], asked[line]
            line.reset()
            lines[index] = line = shared.client()
            held[line], asked[line] = {}, {}
        line.fill_if_there(0)
    for line in lines:
        line.ping()
        read(line)
        line.send("bye")
        held[line] = {}
    eventually(lambda: control.query(jobs).held == 0)
    semaphore = control.query(jobs)
    assert (semaphore.waiters, semaphore.available) == (0, limit)
    assert semaphore.grants_total > 50
    for line in [*lines, control]:
        line.close()
