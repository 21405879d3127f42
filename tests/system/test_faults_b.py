# SPDX-License-Identifier: MIT
"""FAULTS B, the network: what the tests of sessions, of frames, of pipelines
and of resume do not show of it. B9 and B14 belong to TLS and access rules."""
import contextlib
import ctypes
import os
import socket

from conftest import session_of
from user import fixture_start_user  # pylint: disable=unused-import

PIDFD_GETFD = 438


@contextlib.contextmanager
def socket_of(pid, port):
    """The TCP socket of another process whose own or peer's port it is."""
    libc = ctypes.CDLL(None, use_errno=True)
    process = os.pidfd_open(pid)
    try:
        for name in os.listdir(f"/proc/{pid}/fd"):
            if not os.readlink(f"/proc/{pid}/fd/{name}").startswith("socket"):
                continue
            fd = libc.syscall(PIDFD_GETFD, process, int(name), 0)
            with contextlib.suppress(OSError), socket.socket(fileno=fd) as own:
                if port in (own.getsockname()[1], own.getpeername()[1]):
                    yield own
                    return
    finally:
        os.close(process)
    raise AssertionError("it has no such socket")


# --------------------------------------------------------- who is gone (half)

def test_b1_the_kernel_gives_lines_up_after_a_session_timeout(start_daemon,
                                                              start_user):
    daemon = start_daemon(session_of(12))
    user = start_user(daemon)
    for pid in (daemon.pid, user.process.pid):
        with socket_of(pid, daemon.port) as own:
            assert own.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            assert [own.getsockopt(socket.IPPROTO_TCP, option) for option in (
                socket.TCP_USER_TIMEOUT, socket.TCP_KEEPIDLE,
                socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)] == [12000, 5, 5, 3]
