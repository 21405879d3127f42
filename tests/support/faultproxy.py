#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""faultproxy CONTROL HOST:PORT: lines of TCP that break as a test says.

It listens on a free port of 127.0.0.1, passes what comes to HOST:PORT and back,
and obeys commands, a line each, answered by a line each ("ok ..." or "error
..."), on the Unix socket CONTROL. Once it listens it writes its port on stdout;
it ends when its stdin does.

    delay LINE DIRECTION MS [JITTER_MS]      in order all the same
    rate LINE DIRECTION BYTES_PER_SECOND
    split LINE DIRECTION BYTES               at most so many in one write
    join LINE DIRECTION BYTES                held back until so many are there
    stop-read LINE DIRECTION on|off          who sends feels it, in the end
    stop-write LINE DIRECTION on|off         who sends feels nothing
    hole LINE DIRECTION on|off               both; the lines stay, and a FIN or
                                             RST does not pass either
    cut LINE DIRECTION AFTER fin|rst|hole    after so many more bytes have
                                             passed; 0: when the next one comes
    corrupt LINE DIRECTION AFTER BYTES       so many, after so many more
    duplicate LINE DIRECTION AFTER BYTES     as corrupt; twice in a row
    clear LINE DIRECTION                     no fault of these any more
    fin LINE SIDE, rst LINE SIDE             to this side; the other one is told
                                             nothing, and what it sends is lost
    refuse on|off                            no new lines
    lines                                    the numbers of those there are
    count LINE                               bytes passed up and down

LINE is a number (the first one accepted is 1) or "all", those to come included;
DIRECTION is up (to the server), down or both; SIDE is client, server or both;
a number of 0 switches off. Bytes that are there before a command are read
before it is obeyed. It knows nothing of the protocol. Law: what no fault asks
for does not happen; bytes pass in order, and an end after them."""
import collections
import contextlib
import random
import selectors
import socket
import struct
import sys
import time

READ_BYTES = 65536
QUEUED_BYTES_MAX = 1 << 20  # Then it stops reading, as a full pipe does.
RATE_STEPS = 50             # Writes in a second.
READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


def reset(sock):
    """Closes with RST. No harm if it is closed."""
    if sock.fileno() >= 0:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                        struct.pack("ii", 1, 0))
        sock.close()


def shut(sock):
    """Sends FIN. No harm if there is no line any more."""
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_WR)


class Pipe:
    """One direction of a line: from source to sink."""

    def __init__(self, source, sink):
        self.source, self.sink = source, sink
        self.queue = collections.deque()  # (when it is due, bytes or an end).
        self.queued = self.taken = self.passed = 0
        self.ready = bytearray()  # Due, not passed yet.
        self.end = ""            # "fin" or "rst", once it came.
        self.end_is_due = False
        self.is_done = False     # Nothing comes or goes any more.
        self.is_swallowed = False
        self.hides_end = False
        self.is_blocked = False  # The sink takes no more.
        self.not_before = 0
        self.clear()

    def clear(self):
        self.delay = (0, 0)
        self.rate = self.split = self.join = 0
        self.is_read = self.is_written = True
        self.corrupt = self.duplicate = (0, 0)
        self.cut = None          # After how many in all, and how.
        self.queue = collections.deque((0, what) for _, what in self.queue)
        self.not_before = 0

    def set(self, name, words):
        """One command of those that are about a direction."""
        if name == "clear":
            self.clear()
        elif name == "delay":
            milliseconds, jitter = [*words, "0"][:2]
            self.delay = (float(milliseconds) / 1000, float(jitter) / 1000)
        elif name in ("rate", "split", "join"):
            setattr(self, name, int(words[0]))
            self.not_before = 0
        elif name in ("stop-read", "stop-write", "hole"):
            is_on = {"on": True, "off": False}[words[0]]
            if name != "stop-write":
                self.is_read = not is_on
            if name != "stop-read":
                self.is_written = not is_on
        elif name in ("corrupt", "duplicate"):
            first = self.taken + int(words[0])
            setattr(self, name, (first, first + int(words[1])))
        elif name == "cut":
            how = {"fin": "fin", "rst": "rst", "hole": "hole"}[words[1]]
            self.cut = (self.passed + int(words[0]), how)
        else:
            raise ValueError(name)

    def swallow(self):
        """What comes from now on goes nowhere; only its end counts."""
        self.is_swallowed = True
        self.queue = collections.deque(
            entry for entry in self.queue if entry[1] is None)
        self.ready, self.queued = bytearray(), 0

    def wants_read(self):
        return not self.end and not self.is_done and self.is_read and \
            self.queued < QUEUED_BYTES_MAX

    def wants_write(self):
        return self.is_blocked and self.is_written and not self.is_done

    def spoil(self, data):
        """What comes of these bytes, which are the next ones."""
        at, self.taken = self.taken, self.taken + len(data)
        first, last = [min(max(n - at, 0), len(data)) for n in self.corrupt]
        data = data[:first] + bytes(byte ^ 0xff for byte in data[first:last]) \
            + data[last:]
        first, last = [min(max(n - at, 0), len(data)) for n in self.duplicate]
        return data[:last] + data[first:]

    def take(self, now):
        """Reads what is there."""
        while self.wants_read():
            try:
                data = self.source.recv(READ_BYTES)
                self.end = "" if data else "fin"
            except BlockingIOError:
                return
            except OSError:
                self.end = "rst"
            due = now + self.delay[0] + self.delay[1] * random.random()
            if self.end:
                self.queue.append((due, None))
            elif not self.is_swallowed:
                data = self.spoil(data)
                self.queued += len(data)
                self.queue.append((due, data))

    def next_piece(self, now):
        size = len(self.ready)
        if not self.is_written or now < self.not_before or \
                size < self.join and not self.end_is_due:
            return b""
        for limit in (self.split, self.rate and self.rate // RATE_STEPS + 1,
                      self.cut and self.cut[0] - self.passed):
            size = min(size, limit or size)
        return self.ready[:size]

    def give(self, now):
        """Writes what may go. Returns what happens to the line then: "", "cut",
        "broken" (the sink is no more), or "end"."""
        while self.queue and self.queue[0][0] <= now:
            data = self.queue.popleft()[1]
            self.end_is_due = data is None
            self.ready += data or b""
        self.is_blocked = False
        while piece := self.next_piece(now):
            if self.cut and self.passed >= self.cut[0]:
                return "cut"
            try:
                sent = self.sink.send(piece)
            except BlockingIOError:
                self.is_blocked = True
                return ""
            except OSError:
                return "broken"
            del self.ready[:sent]
            self.queued -= sent
            self.passed += sent
            if self.rate:
                self.not_before = max(now, self.not_before) + sent / self.rate
            if self.cut and self.passed >= self.cut[0]:
                return "cut"
            if self.split:
                break
        return "end" if self.end_is_due and not self.ready and \
            self.is_written else ""

    def due(self, now):
        """When to call give() again; None: when something comes."""
        times = [when for when, _ in list(self.queue)[:1]]
        if not self.is_blocked and (self.next_piece(now) or
                                    self.ready and now < self.not_before):
            times.append(self.not_before)
        return min(times) if times and not self.is_done and \
            self.is_written else None


class Line:
    """Two sockets and the two directions between them."""

    def __init__(self, client, server):
        self.sides = {"client": client, "server": server}
        self.pipes = {"up": Pipe(client, server), "down": Pipe(server, client)}
        self.is_over = False

    def forge(self, how, side):
        """An end to one side; the other one does not notice."""
        gone = self.sides[side]
        for pipe in self.pipes.values():
            if pipe.sink is gone:
                pipe.swallow()
            elif how == "rst":
                pipe.is_done = True
            else:
                pipe.hides_end = True
        if how == "rst":
            reset(gone)
        else:
            shut(gone)

    def close(self):
        for sock in self.sides.values():
            sock.close()
        self.is_over = True

    def stop(self, how):
        """Both sides, at once."""
        if how == "hole":
            for pipe in self.pipes.values():
                pipe.set("hole", ["on"])
        elif how == "fin":
            self.forge("fin", "client")
            self.forge("fin", "server")
        else:
            for sock in self.sides.values():
                reset(sock)
            self.close()

    def obey(self, pipe, other, what):
        """What give() said of the pipe."""
        if what == "cut":
            how, pipe.cut = pipe.cut[1], None
            self.stop(how)
        elif what == "broken" and other.is_done:
            self.stop("rst")
        elif what == "broken":
            pipe.swallow()  # The other one will read why.
        elif what == "end":
            pipe.is_done = True
            if pipe.end == "rst" and not pipe.hides_end:
                self.stop("rst")
            elif not pipe.is_swallowed and not pipe.hides_end:
                shut(pipe.sink)
            if pipe.is_swallowed or other.is_done:
                self.close()

    def turn(self, now):
        """Does all that can be done."""
        up, down = self.pipes.values()
        for pipe, other in ((up, down), (down, up)):
            if not self.is_over and not pipe.is_done:
                pipe.take(now)
                self.obey(pipe, other, pipe.give(now))

    def due(self, now):
        times = [pipe.due(now) for pipe in self.pipes.values()]
        return min((when for when in times if when is not None), default=None)


class Proxy:
    """All lines, who listens for them, and who is obeyed."""

    def __init__(self, control, target):
        self.target = target
        self.selector = selectors.DefaultSelector()
        self.watched = {}        # Sockets of lines, and for what.
        self.lines = {}
        self.accepted = 0
        self.due = {}            # Lines that wait for their time.
        self.faults = {"up": {}, "down": {}}  # Of lines to come.
        self.holder = socket.socket()         # Keeps the port.
        self.holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.holder.bind(("127.0.0.1", 0))
        self.listener = None
        self.refuse("off")
        self.control = socket.socket(socket.AF_UNIX)
        self.control.bind(control)
        self.control.listen()
        self.selector.register(self.control, READ, self.meet)
        self.selector.register(sys.stdin, READ, sys.exit)

    def refuse(self, word):
        if word == "off" and self.listener is None:
            self.listener = socket.socket()
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.listener.bind(self.holder.getsockname())
            self.listener.listen(4096)
            self.listener.setblocking(False)
            self.selector.register(self.listener, READ, self.accept)
        elif word == "on" and self.listener is not None:
            self.selector.unregister(self.listener)
            self.listener.close()
            self.listener = None

    def accept(self):
        try:
            client, _ = self.listener.accept()
        except (AttributeError, BlockingIOError):
            return False  # Refused, or nobody.
        server = socket.socket()
        for sock in (client, server):
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        server.connect_ex(self.target)
        self.accepted += 1
        self.lines[self.accepted] = line = Line(client, server)
        for direction, faults in self.faults.items():
            for name, words in faults.items():
                line.pipes[direction].set(name, words)
        self.turn(self.accepted)
        return True

    def watch(self, sock, mask, data):
        if sock.fileno() < 0:
            mask = 0
        if self.watched.get(sock, 0) == mask:
            return
        if self.watched.pop(sock, 0):
            self.selector.unregister(sock)
        if mask:
            self.selector.register(sock, mask, data)
            self.watched[sock] = mask

    def turn(self, number):
        line = self.lines[number]
        line.turn(time.monotonic())
        up, down = line.pipes.values()
        for side, reads, writes in (("client", up, down),
                                    ("server", down, up)):
            mask = 0 if line.is_over else (READ * reads.wants_read() |
                                           WRITE * writes.wants_write())
            self.watch(line.sides[side], mask, number)
        self.due.pop(number, None)
        if line.is_over:
            del self.lines[number]
        elif (due := line.due(time.monotonic())) is not None:
            self.due[number] = due

    # ------------------------------------------------------------ commands

    def meet(self):
        peer, _ = self.control.accept()
        peer.setblocking(True)
        stream = peer.makefile("r")
        self.selector.register(peer, READ, lambda: self.serve(peer, stream))

    def serve(self, peer, stream):
        """One command. Whoever sends several waits for each answer."""
        if not (text := stream.readline()):
            self.selector.unregister(peer)
            peer.close()
            return
        try:
            answer = f"ok {self.obey(*text.split())}"
        except (ValueError, KeyError, IndexError, TypeError) as error:
            answer = f"error {error!r}"
        peer.sendall(answer.encode() + b"\n")

    def obey(self, name, *words):
        if name == "refuse":
            self.refuse({"on": "on", "off": "off"}[words[0]])
            return ""
        if name == "lines":
            return " ".join(map(str, self.lines))
        chosen = list(self.lines) if words[0] == "all" else [int(words[0])]
        if name == "count":
            return " ".join(str(pipe.passed) for pipe in
                            self.lines[chosen[0]].pipes.values())
        if name in ("fin", "rst"):
            self.end(name, chosen, words[1])
        else:
            directions = {"both": ("up", "down")}.get(words[1], words[1:2])
            self.fault(name, chosen, directions, words[2:])
            if words[0] == "all":
                self.keep(name, directions, words[2:])
        return ""

    def end(self, how, chosen, side):
        for number in chosen:
            if side == "both":
                self.lines[number].stop(how)
            else:
                self.lines[number].forge(how, side)
            self.turn(number)

    def fault(self, name, chosen, directions, words):
        for number in chosen:
            for direction in directions:
                self.lines[number].pipes[direction].set(name, words)
            self.turn(number)

    def keep(self, name, directions, words):
        """For the lines to come."""
        for direction in directions:
            faults = self.faults[direction]
            faults.pop(name, None)  # The last one counts, and comes last.
            if name == "clear":
                faults.clear()
            else:
                faults[name] = words

    # ------------------------------------------------------------- the loop

    def run(self):
        while True:
            now = time.monotonic()
            timeout = min(self.due.values(), default=now + 3600) - now
            ready = [key.data for key, _ in self.selector.select(timeout)]
            now = time.monotonic()
            late = [number for number, due in self.due.items() if due <= now]
            # Bytes first, then those who come, then what is commanded.
            for number in {*late, *(r for r in ready if isinstance(r, int))}:
                self.turn(number)
            while self.accept():
                pass
            for call in ready:
                if not isinstance(call, int) and call != self.accept:
                    call()


def main():
    host, port = sys.argv[2].rsplit(":", 1)
    proxy = Proxy(sys.argv[1], (host, int(port)))
    print(proxy.holder.getsockname()[1], flush=True)
    proxy.run()


if __name__ == "__main__":
    main()
