# SPDX-License-Identifier: MIT
"""What the other tests break lines with does what it is told, and no more."""
import os
import select
import socket
import struct
import time

import pytest

from conftest import eventually
from proxy import fixture_start_proxy  # pylint: disable=unused-import

LARGE = os.urandom(3 << 20)


class Pair:
    """A line through a proxy: both its ends, in this process."""

    def __init__(self, start_proxy):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.proxy = start_proxy(self.listener.getsockname())
        self.client, self.server = self.line()

    def line(self):
        client = socket.create_connection(self.proxy.addresses[0], 10)
        server, _ = self.listener.accept()
        for end in (client, server):
            end.settimeout(10)
        return client, server

    def close(self):
        for end in (self.client, self.server, self.listener):
            end.close()


@pytest.fixture(name="pair")
def fixture_pair(start_proxy):
    pair = Pair(start_proxy)
    yield pair
    pair.close()


def is_silent(*ends, seconds=0.05):
    return not select.select(ends, [], [], seconds)[0]


def receive(end, count):
    data = b""
    while len(data) < count:
        more = end.recv(count - len(data))
        assert more, data
        data += more
    return data


def exchange(sender, receiver, data):
    """Sends and receives at once, for what no buffer holds."""
    got, sent = bytearray(), 0
    sender.setblocking(False)
    while len(got) < len(data):
        reads, writes, _ = select.select([receiver],
                                         [sender][sent >= len(data):], [], 10)
        assert reads or writes
        if writes:
            sent += sender.send(data[sent:sent + 100000])
        if reads:
            got += receiver.recv(262144)
    sender.settimeout(10)
    return bytes(got)


def end_of(end):
    """How the line ends, and what came before that."""
    data = b""
    try:
        while more := end.recv(65536):
            data += more
        return "fin", data
    except ConnectionResetError:
        return "rst", data


def send_reset(end):
    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                   struct.pack("ii", 1, 0))
    end.close()


# ----------------------------------------------------------------- no faults

def test_bytes_pass_both_ways_and_are_counted(pair):
    assert exchange(pair.client, pair.server, LARGE) == LARGE
    assert exchange(pair.server, pair.client, LARGE[:100000]) == LARGE[:100000]
    assert pair.proxy("count", 1) == [len(LARGE), 100000]
    assert pair.proxy("lines") == [1]


def test_a_fin_passes_after_the_bytes_and_the_other_direction_lives(pair):
    pair.client.sendall(b"last")
    pair.client.shutdown(socket.SHUT_WR)
    assert end_of(pair.server) == ("fin", b"last")
    pair.server.sendall(b"answer")
    assert receive(pair.client, 6) == b"answer"
    pair.server.close()
    assert end_of(pair.client) == ("fin", b"")
    assert eventually(lambda: pair.proxy("lines") == [])


@pytest.mark.parametrize("who, other", [("client", "server"),
                                        ("server", "client")])
def test_a_reset_passes(pair, who, other):
    send_reset(getattr(pair, who))
    assert end_of(getattr(pair, other)) == ("rst", b"")
    assert eventually(lambda: pair.proxy("lines") == [])


def test_who_sends_to_a_closed_end_is_reset(pair):
    pair.server.close()
    assert end_of(pair.client) == ("fin", b"")
    with pytest.raises((ConnectionResetError, BrokenPipeError)):
        while True:
            pair.client.sendall(b"x")


def test_a_server_that_is_away_resets(start_proxy):
    away = socket.socket()
    away.bind(("127.0.0.1", 0))  # It does not listen.
    proxy = start_proxy(away.getsockname())
    with pytest.raises(ConnectionResetError):  # While it connects, or after.
        socket.create_connection(proxy.addresses[0], 10).recv(1)
    away.close()


# --------------------------------------------------------------------- pace

def test_delay_and_jitter_keep_the_order(pair):
    pair.proxy("delay", "all", "up", 100, 50)
    begun = time.monotonic()
    sent = b"".join(struct.pack(">I", n) for n in range(100))
    for at in range(0, len(sent), 4):
        pair.client.sendall(sent[at:at + 4])
    pair.server.sendall(b"at once")
    assert receive(pair.client, 7) == b"at once"
    assert time.monotonic() - begun < 0.1
    assert receive(pair.server, len(sent)) == sent
    assert time.monotonic() - begun > 0.1


def test_a_delayed_end_comes_after_the_bytes(pair):
    pair.proxy("delay", 1, "both", 100)
    begun = time.monotonic()
    pair.client.sendall(b"late")
    send_reset(pair.client)
    assert end_of(pair.server) == ("rst", b"late")
    assert time.monotonic() - begun > 0.1


def test_rate(pair):
    pair.proxy("rate", 1, "down", 100000)
    begun = time.monotonic()
    pair.server.sendall(LARGE[:30000])
    assert receive(pair.client, 30000) == LARGE[:30000]
    assert 0.25 < time.monotonic() - begun < 5


def test_split_and_join(pair):
    pair.proxy("split", 1, "up", 1)
    assert exchange(pair.client, pair.server, LARGE[:5000]) == LARGE[:5000]
    pair.proxy("clear", 1, "both")
    pair.proxy("join", 1, "up", 10)
    pair.client.sendall(b"123456789")
    assert is_silent(pair.server)
    pair.client.sendall(b"0")
    assert pair.server.recv(100) == b"1234567890"
    pair.client.sendall(b"ab")
    pair.client.shutdown(socket.SHUT_WR)  # Nothing more comes.
    assert end_of(pair.server) == ("fin", b"ab")


# ------------------------------------------------------------------- silence

def test_a_hole_lets_nothing_pass_until_it_is_filled(pair):
    pair.proxy("hole", 1, "up", "on")
    pair.client.sendall(b"lost in it")
    pair.client.shutdown(socket.SHUT_WR)
    pair.server.sendall(b"the other way")
    assert receive(pair.client, 13) == b"the other way"
    assert is_silent(pair.server)
    pair.proxy("hole", 1, "up", "off")
    assert end_of(pair.server) == ("fin", b"lost in it")


def test_a_hole_for_all_is_one_for_those_to_come_too(pair):
    pair.proxy("hole", "all", "both", "on")
    late, heard = pair.line()
    for end in (pair.client, late, pair.server, heard):
        end.sendall(b"x")
    send_reset(late)
    assert is_silent(pair.client, pair.server, heard)
    assert pair.proxy("lines") == [1, 2]
    pair.proxy("hole", 1, "both", "off")
    assert pair.client.recv(9) == pair.server.recv(9) == b"x"
    assert is_silent(heard)
    pair.proxy("clear", "all", "both")
    assert end_of(heard)[0] == "rst"


@pytest.mark.parametrize("name, is_felt", [("stop-read", True),
                                           ("stop-write", False)])
def test_who_sends_feels_what_is_not_read(pair, name, is_felt):
    size = 600000  # More than the buffers before the proxy, less than its own.
    pair.client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    pair.proxy(name, 1, "up", "on")
    pair.client.settimeout(0.3)
    sent = 0
    while sent < size:
        try:
            sent += pair.client.send(LARGE[sent:min(sent + 4096, size)])
        except TimeoutError:
            break
    assert is_silent(pair.server)
    assert (sent < size) == is_felt
    pair.proxy(name, 1, "up", "off")
    pair.client.settimeout(10)
    assert receive(pair.server, sent) == LARGE[:sent]


# ---------------------------------------------------------------------- ends

@pytest.mark.parametrize("how", ["fin", "rst"])
@pytest.mark.parametrize("side, other", [("client", "server"),
                                         ("server", "client")])
def test_an_end_to_one_side_only(pair, how, side, other):
    told, untold = getattr(pair, side), getattr(pair, other)
    untold.sendall(b"before")
    pair.proxy(how, 1, side)
    assert end_of(told) == (how, b"before")
    untold.sendall(b"nobody reads this")
    told.close()
    assert is_silent(untold)
    untold.sendall(b"nor this")
    assert is_silent(untold) and pair.proxy("lines") == [1]
    untold.close()
    assert eventually(lambda: pair.proxy("lines") == [])


@pytest.mark.parametrize("how", ["fin", "rst"])
@pytest.mark.parametrize("after", [1, 10, 2999])
def test_a_line_is_cut_after_so_many_bytes(pair, how, after):
    pair.server.sendall(b"before")
    assert receive(pair.client, 6) == b"before"
    pair.proxy("cut", 1, "down", after, how)
    pair.client.sendall(b"question")
    assert receive(pair.server, 8) == b"question"
    pair.server.sendall(LARGE[:3000])
    assert end_of(pair.client) == (how, LARGE[:after])
    assert end_of(pair.server) == (how, b"")


def test_a_line_is_cut_before_the_next_byte(pair):
    pair.proxy("cut", "all", "down", 0, "rst")
    pair.client.sendall(b"question")
    assert receive(pair.server, 8) == b"question"
    assert is_silent(pair.client, pair.server)
    pair.server.sendall(b"x")
    assert end_of(pair.client) == end_of(pair.server) == ("rst", b"")
    client, server = pair.line()  # For those to come it counts from 0.
    server.sendall(b"y")
    assert end_of(client) == ("rst", b"")


def test_a_line_is_cut_into_silence(pair):
    pair.proxy("cut", 1, "up", 3, "hole")
    pair.client.sendall(b"four")
    assert receive(pair.server, 3) == b"fou"
    pair.server.sendall(b"nothing passes")
    assert is_silent(pair.client, pair.server)


@pytest.mark.parametrize("how", ["fin", "rst"])
def test_an_end_to_both(pair, how):
    late = pair.line()
    pair.client.sendall(b"before")
    pair.proxy(how, "all", "both")
    assert end_of(pair.server) == (how, b"before")
    assert [end_of(end) for end in (pair.client, *late)] == [(how, b"")] * 3


def test_refused_until_it_is_not(pair):
    for _ in range(3):
        pair.proxy("refuse", "on")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(pair.proxy.addresses[0], 10)
        pair.client.sendall(b"the old line lives")
        assert receive(pair.server, 18) == b"the old line lives"
        pair.proxy("refuse", "off")
        for end in pair.line():
            end.close()


# --------------------------------------------------------------------- bytes

def test_bytes_are_corrupted_or_doubled(pair):
    pair.proxy("corrupt", 1, "up", 2, 3)
    for piece in (b"a", b"bcd", b"ef"):  # The range begins and ends anywhere.
        pair.client.sendall(piece)
        assert eventually(lambda: pair.proxy("count", 1)[0] >= 1)
    assert receive(pair.server, 6) == \
        b"ab" + bytes(byte ^ 0xff for byte in b"cde") + b"f"
    pair.proxy("duplicate", 1, "up", 1, 2)
    pair.client.sendall(b"abcd")
    assert receive(pair.server, 6) == b"abcbcd"


def test_what_is_no_command_is_an_error(pair):
    for words in (["what"], ["delay", 1, "up"], ["delay", 7, "up", 1],
                  ["cut", 1, "up", 1, "what"], ["what", 1, "up", 1],
                  ["fin", 1, "nobody"], ["hole", 1, "up", "maybe"],
                  ["rate", 1, "sideways", 5]):
        with pytest.raises(AssertionError):
            pair.proxy(*words)
    assert exchange(pair.client, pair.server, LARGE[:100]) == LARGE[:100]
