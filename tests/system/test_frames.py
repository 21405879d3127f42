# SPDX-License-Identifier: MIT
"""What the server does with bytes: prefaces, frames, broken messages."""
import socket
import struct
import time

import pytest

from conftest import eventually
from wire import (PREFACE, acquire_frame, frame, goaway, kind,
                  pb, reason, request)


@pytest.fixture(autouse=True)
def fixture_bystander(shared):
    """Whatever a test does to its own line, another one notices nothing."""
    with shared.client("bystander") as bystander:
        yield
        bystander.ping()
        assert bystander.inbox == []


def length(value):
    return struct.pack(">I", value)


def varint(value):
    out = b""
    while value > 0x7f:
        out += bytes([value & 0x7f | 0x80])
        value >>= 7
    return out + bytes([value])


def field(number, wire_type, data=b""):
    if wire_type == 2:
        data = varint(len(data)) + data
    return varint(number << 3 | wire_type) + data


LENGTHS_OF_ALL = [0x7fffffff, 0x80000000, 0xffffffff]


@pytest.mark.parametrize("value", [1025, 65536, *LENGTHS_OF_ALL])
def test_c1_a_length_above_1_KiB_is_refused_before_welcome(shared, value):
    with shared.connect() as line:
        line.send_raw(length(value))
        assert line.wait_goaway() == "PROTOCOL"


@pytest.mark.parametrize("value", [65537, *LENGTHS_OF_ALL])
def test_c1_a_length_above_64_KiB_is_refused_after_welcome(shared, value):
    with shared.client() as line:
        line.send_raw(length(value))
        assert line.wait_goaway() == "PROTOCOL"


def padded(message, size):
    """The message, filled up to size with an unknown field."""
    for header in range(2, 8):
        data = message + field(1000, 2, bytes(size - len(message) - header))
        if len(data) == size:
            return frame(data)
    raise AssertionError("no such size")


def test_c1_a_hello_of_1_KiB_is_obeyed(shared):
    with shared.connect() as line:
        hello = pb.ClientMessage(id=7, hello=pb.Hello(name=b"x"))
        line.send_raw(padded(hello.SerializeToString(), 1024))
        assert kind(line.answer(7)) == "welcome"


def test_c1_a_request_of_64_KiB_is_obeyed(shared):
    with shared.client() as line:
        ping = pb.ClientMessage(id=7, ping=pb.Ping())
        line.send_raw(padded(ping.SerializeToString(), 65536))
        assert kind(line.answer(7)) == "pong"


def test_c1_nothing_is_allocated_for_a_length(start_daemon):
    daemon = start_daemon(env={"ASAN_OPTIONS": "quarantine_size_mb=1"})
    with daemon.client() as warm:
        warm.send_raw(length(0xffffffff))
        warm.wait_closed()
    before = daemon.memory_bytes()
    for _ in range(50):
        with daemon.client() as line:
            line.send_raw(length(0xffffffff) + bytes(1000))
            line.wait_closed()
    assert daemon.memory_bytes() - before < 4 << 20


def test_c1_length_0_is_an_unknown_message(shared):
    with shared.client() as line:
        line.send_raw(length(0))
        assert reason(line.answer(0)) == "UNSUPPORTED"
        line.ping()
    with shared.connect() as line:
        line.send_raw(length(0))
        assert line.wait_goaway() == "PROTOCOL"


def test_c2_a_frame_that_does_not_go_on_is_closed(start_daemon):
    daemon = start_daemon({"limits": {"frame_timeout": "300ms"}})
    with daemon.client() as line:
        begun = time.monotonic()
        line.send_raw(request("ping", 1)[:-1])
        line.wait_closed()
        assert 0.25 < time.monotonic() - begun < 5
    eventually(lambda: "frame_timeout" in daemon.log())


def test_c2_bytes_in_drips_do_not_prolong_a_frame(start_daemon):
    daemon = start_daemon({"limits": {"frame_timeout": "500ms"}})
    with daemon.client() as line:
        begun = time.monotonic()
        line.send_raw(length(1000))
        while not line.closed and time.monotonic() < begun + 10:
            line.send_raw(b"\0")
            try:
                line.fill(time.monotonic() + 0.05)
            except AssertionError:
                pass
        assert line.closed and time.monotonic() - begun < 5


def test_c2_a_client_between_frames_is_not_closed(start_daemon):
    daemon = start_daemon({"limits": {"frame_timeout": "200ms"}})
    with daemon.client() as line, daemon.client() as other:
        line.send_raw(request("ping", 1)[:-1])
        line.send_raw(request("ping", 1)[-1:])
        line.answer(1)
        other.define("jobs")
        other.acquire("jobs")
        other.acquire("jobs", wait_ms=600)
        line.ping()


@pytest.mark.parametrize("data", [
    bytes(64), b"\xff" * 64, b"\x93PN\x01" + bytes(64), b"\x93P\0",
    b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\n" + PREFACE
    + request("hello", 1) + request("ping", 2),
    bytes.fromhex("16030100a5010000a10303") + bytes(160),
    b"SSH-2.0-OpenSSH_9.2p1\r\n", b"PING\r\n", b"\0" + PREFACE,
    bytes([0x1d, 0xc7, 0x03, 0xe8, 0x51, 0x99, 0x40] * 1000),
], ids=["zero", "ff", "near", "short", "get", "post", "tls", "ssh", "redis",
        "late", "random"])
def test_c3_c4_other_protocols_are_closed_without_a_word(shared, data):
    with shared.connect(preface=False) as line:
        line.send_raw(data)
        line.preface_is_due = False
        line.parse = lambda: None
        line.wait_closed()
        assert line.received == b""


def test_c6_another_version_gets_the_servers_own_preface(shared):
    with shared.connect(preface=False) as line:
        line.send_raw(b"\x93PM\x02" + request("hello", 1))
        assert line.wait_closed() == []
        assert not line.preface_is_due and line.received == b""


def test_c6_an_unknown_message_is_unsupported_and_the_line_lives(shared):
    with shared.client() as line:
        line.send_raw(frame(field(1, 0, varint(5)) + field(900, 2, b"abc")))
        assert reason(line.answer(5)) == "UNSUPPORTED"
        line.ping()


def test_c6_unknown_fields_are_passed_over(shared):
    with shared.client() as line:
        extra = (field(777, 2, b"x" * 100) + field(778, 0, varint(2**64 - 1))
                 + field(779, 1, bytes(8)) + field(780, 5, bytes(4)))
        ping = pb.ClientMessage(id=5, ping=pb.Ping()).SerializeToString()
        line.send_raw(frame(extra + ping + extra))
        assert kind(line.answer(5)) == "pong"


@pytest.mark.parametrize("message", [
    field(1, 0, b"\x01") + field(3, 2, field(1, 2) * 30000),
    field(1, 0, b"\x01") + field(3, 2, field(8, 2) * 30000),
    field(1, 0, b"\x01") + field(4, 2, field(2, 2) * 30000),
    field(1, 0, b"\x01") + field(900, 0, b"\0") * 21800,
    field(1, 0, b"\x01") + field(5, 2, field(15, 0, b"\0") * 30000),
], ids=["parts", "labels", "release", "unknown", "unknown_inside"])
def test_c8_a_frame_that_needs_too_much_memory_is_broken(shared, message):
    assert len(message) <= 65536
    with shared.client() as line:
        line.send_raw(frame(message))
        assert line.wait_goaway() == "PROTOCOL"


def test_c8_memory_is_flat(start_daemon):
    daemon = start_daemon(env={"ASAN_OPTIONS": "quarantine_size_mb=1"})
    message = frame(field(1, 0, b"\x01") + field(3, 2, field(8, 2) * 30000))

    def send():
        with daemon.client() as line:
            line.send_raw(message)
            assert line.wait_goaway() == "PROTOCOL"
    for _ in range(5):
        send()
    before = daemon.memory_bytes()
    for _ in range(50):
        send()
    assert daemon.memory_bytes() - before < 4 << 20


PING = field(1, 0, b"\x05") + field(5, 2)
BROKEN = {
    "wrong_type_of_id": field(1, 2, b"\x05") + field(5, 2),
    "wrong_type_of_member": field(1, 0, b"\x05") + field(5, 0, b"\0"),
    "wrong_type_inside": field(3, 2, field(2, 2, b"ab")),
    "fixed_id": field(1, 5, bytes(4)) + field(5, 2),
    "varint_of_11_bytes": b"\x08" + b"\x80" * 10 + b"\x01" + field(5, 2),
    "endless_varint": b"\x08" + b"\xff" * 40,
    "cut_varint": PING + b"\x08\x80",
    "cut_tag": PING + b"\x80",
    "field_0": b"\x02\x00" + PING,
    "field_0_varint": b"\x00\x00" + PING,
    "group": b"\x0b\x0c" + PING,
    "group_end": b"\x0c" + PING,
    "unknown_group": varint(900 << 3 | 3) + varint(900 << 3 | 4) + PING,
    "wire_type_6": b"\x0e" + PING,
    "wire_type_7": b"\x0f" + PING,
    "length_past_the_end": field(1, 0, b"\x05") + b"\x2a\x05ab",
    "length_of_4_GiB": b"\x2a\xff\xff\xff\xff\x0f" + PING,
    "length_of_2_64": b"\x2a" + b"\xff" * 9 + b"\x01" + PING,
    "inner_past_its_end": field(11, 2, b"\x0a\x05ab"),
    "cut_fixed": PING + varint(900 << 3 | 1) + b"abc",
}


@pytest.mark.parametrize("message", BROKEN.values(), ids=BROKEN.keys())
def test_c9_a_broken_message_is_closed(shared, message):
    with shared.client() as line:
        line.send_raw(frame(message))
        assert line.wait_goaway() == "PROTOCOL"


def test_c9_a_broken_message_before_welcome_is_closed(shared):
    for message in BROKEN.values():
        with shared.connect() as line:
            line.send_raw(frame(message))
            assert line.wait_goaway() == "PROTOCOL", message


def test_c9_the_last_one_wins(shared):
    with shared.client() as line:
        line.define("c9/a", 1)
        line.define("c9/b", 2)
        twice = field(1, 0, b"\x04") + field(1, 0, b"\x05")
        first = field(11, 2, field(1, 2, b"c9/a"))
        last = field(11, 2, field(1, 2, b"c9/a") + field(1, 2, b"c9/b"))
        line.send_raw(frame(twice + first + last))
        assert line.answer(5).semaphore.name == b"c9/b"
        line.send_raw(frame(field(1, 0, b"\x06") + first + field(5, 2)))
        assert kind(line.answer(6)) == "pong"


def test_c9_packed_or_not_is_the_same(shared):
    with shared.client() as line:
        for id, numbers in (
                (1, field(2, 2, bytes([pb.FIELD_PERMITS, pb.FIELD_MAX_QUEUE]))),
                (2, field(2, 0, bytes([pb.FIELD_PERMITS]))
                 + field(2, 0, bytes([pb.FIELD_MAX_QUEUE])))):
            name = b"c9/packed%d" % id
            line.send_raw(frame(field(1, 0, bytes([id])) + field(16, 2, (
                field(1, 2, name) + numbers + field(4, 0, b"\x07")
                + field(8, 0, b"\x09")))))
            answer = line.answer(id)
            assert kind(answer) == "done", answer
        line.next_id = 10
        for name in (b"c9/packed1", b"c9/packed2"):
            semaphore = line.query(name)
            assert (semaphore.permits, semaphore.max_queue) == (7, 9)


def script(name):
    return b"".join([
        request("hello", 1, name="split"), request("ping", 1),
        request("define", 2, semaphore=name, permits=2,
                fields=[pb.FIELD_PERMITS]),
        acquire_frame(3, name, 2), acquire_frame(4, name, 1),
        request("release", 5, acquire_id=3),
        request("query", 6, semaphore=name),
        request("delete", 7, semaphore=name)])


KINDS = ["welcome", "pong", "done", "granted", "refused", "done", "semaphore",
         "done"]


def test_b6_a_byte_at_a_time_gives_the_same(shared, jobs):
    with shared.connect() as line:
        for byte in script(jobs):
            line.send_raw(bytes([byte]))
        assert [kind(m) for m in line.take(len(KINDS))] == KINDS


def test_b6_everything_in_one_segment_gives_the_same(shared, jobs):
    with shared.connect(preface=False) as line:
        line.send_raw(PREFACE + script(jobs))
        assert [kind(m) for m in line.take(len(KINDS))] == KINDS


def test_b6_every_cut_in_two_gives_the_same(shared, jobs):
    whole = PREFACE + script(jobs)
    for cut in range(1, len(whole)):
        with shared.connect(preface=False) as line:
            line.send_raw(whole[:cut])
            # A push of its own to the server: the rest comes later.
            line.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            line.send_raw(whole[cut:])
            assert [kind(m) for m in line.take(len(KINDS))] == KINDS, cut


def test_b8_a_hello_in_drips_is_closed(start_daemon):
    daemon = start_daemon({"limits": {"hello_timeout": "500ms"}})
    with daemon.connect(preface=False) as line:
        begun = time.monotonic()
        data = iter(PREFACE + request("hello", 1, name="x" * 100))
        while not line.closed:
            line.send_raw(bytes([next(data)]))
            try:
                line.fill(time.monotonic() + 0.05)
            except AssertionError:
                pass
        assert 0.4 < time.monotonic() - begun < 5
    eventually(lambda: "hello_timeout" in daemon.log())


@pytest.mark.parametrize("begin", [b"", PREFACE[:2], PREFACE],
                         ids=["nothing", "half", "preface"])
def test_b8_a_line_that_says_no_hello_is_closed(start_daemon, begin):
    daemon = start_daemon({"limits": {"hello_timeout": "300ms"}})
    with daemon.connect(preface=False) as line, daemon.client() as other:
        line.send_raw(begin)
        begun = time.monotonic()
        line.wait_closed()
        assert time.monotonic() - begun < 5
        other.ping()


def test_a_line_that_ends_inside_a_preface_leaves_nothing(shared):
    before = shared.count_fds()
    for count in range(4):
        with shared.connect(preface=False) as line:
            line.send_raw(PREFACE[:count])
    eventually(lambda: shared.count_fds() == before)


def test_a_closed_line_gets_one_log_line(start_daemon):
    daemon = start_daemon()
    with daemon.client(name="unmistakable") as line:
        before = len(daemon.log().splitlines())
        line.send_raw(length(0xffffffff))
        assert line.wait_goaway() == "PROTOCOL"
    eventually(lambda: len(daemon.log().splitlines()) > before)
    lines = daemon.log().splitlines()[before:]
    assert len(lines) == 1 and "protocol" in lines[0], lines


def test_goaway_is_the_last_thing_and_requests_before_it_are_obeyed(shared,
                                                                    jobs):
    with shared.client() as line:
        line.define(jobs)
        line.send_raw(acquire_frame(10, jobs) + length(0xffffffff)
                      + request("release", 11, acquire_id=10))
        first, last = line.wait_closed()
        assert first.id == 10 and kind(first) == "granted"
        assert goaway(last) == "PROTOCOL"
