# SPDX-License-Identifier: MIT
"""A client of the permit protocol, written from proto/permit.proto.

It is an implementation of its own: it shares nothing with libpermit, checks
nothing that the server should check, and sends whatever it is told to send.
Nothing in it sleeps: it waits on the socket, with a deadline.

    with Connection(("127.0.0.1", port)) as connection:
        connection.hello(name="alice")
        granted = connection.acquire("jobs", wait_ms=0)
        assert granted.id == 1 and reason(granted) == ""
        connection.release(granted.id)
"""
import importlib.util
import os
import pathlib
import select
import socket
import struct
import subprocess
import tempfile
import time

PREFACE = b"\x93PM\x01"
FRAME_BYTES_MAX_BEFORE_WELCOME = 1024
FRAME_BYTES_MAX = 65536
PERMITS_MAX = 2**31 - 1
ANSWERS = {"granted", "done", "refused", "pong", "welcome", "cancelled",
           "posted", "renewed", "semaphore", "page", "joined"}


def load_protocol():
    """Compiles permit.proto and returns it as a module; keeps no file."""
    here = pathlib.Path(__file__).resolve().parent
    proto = os.environ.get("PROTO_DIR") or str(here.parent.parent / "proto")
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run(["protoc", "-I", proto, f"--python_out={directory}",
                        f"{proto}/permit.proto"], check=True)
        spec = importlib.util.spec_from_file_location(
            "permit_pb2", f"{directory}/permit_pb2.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return module


pb = load_protocol()


class Closed(Exception):
    """The server closed the line; `how` is "eof" or "reset"."""

    def __init__(self, how):
        super().__init__(f"the server closed the line ({how})")
        self.how = how


class Silent(AssertionError):
    """What was waited for did not come."""


def as_bytes(value):
    return value.encode() if isinstance(value, str) else value


def frame(message):
    """The frame of a message, given as bytes or as a protobuf object."""
    if not isinstance(message, bytes):
        message = message.SerializeToString()
    return struct.pack(">I", len(message)) + message


def message(kind, id, /, answered_below=0, **fields):
    """A ClientMessage: message("post", 3, semaphore="jobs", permits=1)."""
    whole = pb.ClientMessage(id=id, answered_below=answered_below)
    part = getattr(whole, kind)
    part.SetInParent()
    for name, value in fields.items():
        if isinstance(value, (list, tuple)):
            getattr(part, name).extend(value)
        elif hasattr(value, "SerializeToString"):
            getattr(part, name).CopyFrom(value)
        else:
            setattr(part, name, as_bytes(value))
    return whole


def part(semaphore, permits=1, **fields):
    """A part of an Acquire."""
    return pb.AcquirePart(semaphore=as_bytes(semaphore), permits=permits,
                          **fields)


def held(semaphore, permits=1):
    """A part of a grant, to release."""
    return pb.Part(semaphore=as_bytes(semaphore), permits=permits)


def labels(pairs):
    """The labels of an Acquire, from a dict; and back, of a row."""
    if isinstance(pairs, dict):
        return [pb.Label(key=as_bytes(key), value=as_bytes(value))
                for key, value in pairs.items()]
    return {label.key: label.value for label in pairs}


def request(kind, id, /, **fields):
    """The frame of a request."""
    return frame(message(kind, id, **fields))


def acquire_frame(id, semaphore, permits=1, wait_ms=0, answered_below=0,
                  **fields):
    return request("acquire", id, answered_below=answered_below,
                   parts=[part(semaphore, permits)], wait_ms=wait_ms, **fields)


def kind(answer):
    """Which message it is: "granted", "refused", ..."""
    return answer.WhichOneof("message")


def reason(answer):
    """The reason of a refusal, "TIMEOUT"; "" of any other message."""
    if kind(answer) != "refused":
        return ""
    return pb.Reason.Name(answer.refused.reason)


def goaway(answer):
    """The reason of a Goaway, "SHUTDOWN"; "" of any other message."""
    if answer is None or kind(answer) != "goaway":
        return ""
    return pb.GoawayReason.Name(answer.goaway.reason).removeprefix("GOAWAY_")


def loss(lost):
    return pb.LossReason.Name(lost.lost.reason).removeprefix("LOSS_")


def wait_for_socket(own, events, seconds):
    """Waits until one of the events is there; select() knows no descriptor
    above 1,023."""
    poll = select.poll()
    poll.register(own, events)
    return poll.poll(max(0, seconds) * 1000)


class Connection:
    """One line to the server. `address` is what socket.connect() takes: a
    (host, port) pair, or a path for a Unix socket."""

    def __init__(self, address, preface=True, timeout=10, receive_buffer=0,
                 source=None):
        self.timeout = timeout
        self.inbox = []       # Messages that nobody has asked for yet.
        self.received = b""   # Bytes that are no whole frame yet.
        self.closed = ""      # "eof" or "reset", once the server closed.
        self.next_id = 1
        self.welcome = None
        family = socket.AF_UNIX
        if not isinstance(address, (str, bytes)):
            family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        if family != socket.AF_UNIX:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF,
                                   receive_buffer)
        if source:
            self.socket.bind((source, 0))
        self.socket.settimeout(timeout)
        self.socket.connect(address)
        self.preface_is_due = True
        if preface:
            self.send_raw(PREFACE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # ------------------------------------------------------------- sending

    def send_raw(self, data, timeout=None):
        """Sends bytes, and reads meanwhile: the server stops reading from a
        client that does not."""
        deadline = time.monotonic() + (timeout or self.timeout)
        view = memoryview(data)
        self.socket.settimeout(0)
        while view:
            left = deadline - time.monotonic()
            if left <= 0:
                raise Silent("the server reads no more")
            events = select.POLLOUT | (0 if self.closed else select.POLLIN)
            for _, ready in wait_for_socket(self.socket, events, left):
                if ready & select.POLLIN:
                    self.read()
                try:
                    view = view[self.socket.send(view):]
                except BlockingIOError:
                    pass
                except (ConnectionResetError, BrokenPipeError) as error:
                    self.closed = self.closed or "reset"
                    raise Closed(self.closed) from error

    def new_id(self):
        self.next_id += 1
        return self.next_id - 1

    def send(self, kind, id=None, /, **fields):
        """Sends a request and returns its id."""
        if id is None:
            id = self.new_id()
        self.send_raw(request(kind, id, **fields))
        return id

    def send_acquire(self, semaphore, permits=1, wait_ms=0, id=None,
                     part_fields=None, **fields):
        """Sends an Acquire of one semaphore and returns its id."""
        parts = [part(semaphore, permits, **(part_fields or {}))]
        return self.send("acquire", id, parts=parts, wait_ms=wait_ms, **fields)

    # ------------------------------------------------------------ receiving

    def read(self):
        """Reads once what is there; false at the end of the line."""
        try:
            data = self.socket.recv(262144)
        except BlockingIOError:
            return True
        except (ConnectionResetError, ConnectionAbortedError, BrokenPipeError):
            self.closed = "reset"
            return False
        if not data:
            self.closed = self.closed or "eof"
            return False
        self.received += data
        self.parse()
        return True

    def parse(self):
        at = 0
        if self.preface_is_due and len(self.received) >= len(PREFACE):
            assert self.received.startswith(PREFACE), self.received[:16]
            self.preface_is_due = False
            at = len(PREFACE)
        while not self.preface_is_due and len(self.received) >= at + 4:
            length = struct.unpack_from(">I", self.received, at)[0]
            assert length <= FRAME_BYTES_MAX, length
            if len(self.received) < at + 4 + length:
                break
            answer = pb.ServerMessage()
            answer.ParseFromString(self.received[at + 4:at + 4 + length])
            self.inbox.append(answer)
            at += 4 + length
        self.received = self.received[at:]

    def fill(self, deadline):
        """Waits for bytes; false when the line is closed."""
        if self.closed:
            return False
        left = deadline - time.monotonic()
        if not wait_for_socket(self.socket, select.POLLIN, left):
            raise Silent(f"nothing came; inbox: {self.inbox}")
        self.socket.settimeout(0)
        return self.read()

    def fill_if_there(self, timeout=0.05):
        """Reads what is there, waiting a moment for it."""
        if wait_for_socket(self.socket, select.POLLIN, timeout):
            self.socket.settimeout(0)
            self.read()

    def wait(self, wanted, timeout=None):
        """Takes the first message for which wanted(message), waiting for it."""
        deadline = time.monotonic() + (timeout or self.timeout)
        seen = 0
        while True:
            for index in range(seen, len(self.inbox)):
                if wanted(self.inbox[index]):
                    return self.inbox.pop(index)
            seen = len(self.inbox)
            if not self.fill(deadline):
                raise Closed(self.closed)

    def answer(self, id, timeout=None):
        """Waits for the final answer of a request."""
        return self.wait(lambda m: m.id == id and kind(m) in ANSWERS, timeout)

    def push(self, name, id=None, timeout=None):
        """Waits for a push: "lost", "waiting", "goaway"."""
        return self.wait(lambda m: kind(m) == name and id in (None, m.id),
                         timeout)

    def next(self, timeout=None):
        """Waits for the next message, whatever it is."""
        return self.wait(lambda m: True, timeout)

    def take(self, count, timeout=None):
        """Waits for so many messages, and returns them in order."""
        return [self.next(timeout) for _ in range(count)]

    def wait_closed(self, timeout=None):
        """Waits until the server has closed the line; returns what came
        before that and nobody has taken."""
        deadline = time.monotonic() + (timeout or self.timeout)
        while self.fill(deadline):
            pass
        messages, self.inbox = self.inbox, []
        return messages

    def wait_goaway(self, timeout=None):
        """Waits for the end of the line; returns the reason of the Goaway that
        came last before it, or ""."""
        messages = self.wait_closed(timeout)
        return goaway(messages[-1]) if messages else ""

    # ------------------------------------------------------------- requests

    def hello(self, name="test", **fields):
        """Opens a session and returns its Welcome."""
        id = self.send("hello", 0, name=name, **fields)
        answer = self.answer(id)
        assert kind(answer) == "welcome", answer
        self.welcome = answer.welcome
        return answer.welcome

    def call(self, kind, /, timeout=None, **fields):
        """Sends a request and returns its answer."""
        return self.answer(self.send(kind, **fields), timeout)

    def acquire(self, semaphore, permits=1, wait_ms=0, timeout=None, **fields):
        return self.answer(
            self.send_acquire(semaphore, permits, wait_ms, **fields), timeout)

    def release(self, acquire_id, **fields):
        return self.call("release", acquire_id=acquire_id, **fields)

    def cancel(self, acquire_id):
        return self.call("cancel", acquire_id=acquire_id)

    def post(self, semaphore, permits=1):
        return self.call("post", semaphore=semaphore, permits=permits)

    def ping(self):
        answer = self.call("ping")
        assert kind(answer) == "pong", answer
        return answer

    def query(self, semaphore):
        """The semaphore as the server shows it."""
        answer = self.call("query", semaphore=semaphore)
        assert kind(answer) == "semaphore", answer
        return answer.semaphore

    def list(self, kind_of_list, name="", **fields):
        """A page: list("HOLDERS", "jobs")."""
        answer = self.call("list", kind=getattr(pb, "LIST_" + kind_of_list),
                           name=name, **fields)
        assert kind(answer) == "page", answer
        return answer.page

    def define(self, semaphore, permits=None, kind_of=None, **fields):
        """Defines a semaphore by the fields that are named."""
        if permits is not None:
            fields["permits"] = permits
        if kind_of is not None:
            fields["kind"] = getattr(pb, kind_of)
        names = {"max_wait_ms": "FIELD_MAX_WAIT", "hold_ms": "FIELD_HOLD"}
        set_fields = [getattr(pb, names.get(name, "FIELD_" + name.upper()))
                      for name in fields]
        return self.call("define", semaphore=semaphore, fields=set_fields,
                         **fields)

    def delete(self, semaphore, force=False):
        return self.call("delete", semaphore=semaphore, force=force)

    def bye(self):
        answer = self.call("bye")
        assert kind(answer) == "done", answer
        assert self.wait_closed() == []

    # -------------------------------------------------------------- closing

    def close(self):
        self.socket.close()

    def shut(self):
        """Says that nothing more comes, and goes on reading."""
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self):
        """Closes with RST, not FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                               struct.pack("ii", 1, 0))
        self.socket.close()
